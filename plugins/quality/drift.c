/* drift.c -- whose agreement with the others falls with time.
 *
 * x_t is how far an annotator's tth answer agrees with what the others of the unit
 * gave most often (1, 0, 1/n of n equally frequent). An annotator's own level m is the
 * mean of the first `baseline` such answers, drawn towards the mean of all annotators
 * with the weight of 10 answers; s = 1/2, the most that the deviation of an answer can
 * be: where most answers agree, few and rare misses would look like many deviations.
 * Two charts watch for a fall:
 *
 *   EWMA    z_t = lambda x_t + (1 - lambda) z_(t-1), z_0 = m; alarm below
 *           m - d - width s sqrt(lambda/(2 - lambda) (1 - (1 - lambda)^2t))
 *   CUSUM   c_t = max(0, c_(t-1) + m - d - slack s - x_t); alarm above threshold s
 *
 * d, two standard errors of m, is by what a level known from so few answers may be off.
 * Either flags the annotator. score is the last z. Where times do not say in which
 * order answers were given (answers.h), it is the table's, and `order` says so. Also of
 * an annotator: compared (answers with others), level (m), lowest (z), cusum (largest,
 * in s), ewma_alarm and cusum_alarm (answers until the alarm, or null); of a flagged
 * one curve = [[t, z_t]], 100 points at most.
 * Roberts 1959, doi:10.1080/00401706.1959.10489860; Page 1954,
 * doi:10.1093/biomet/41.1-2.100. */
#include "answers.h"
#include "findings.h"

#include <math.h>

struct drift {
    double lambda, width, slack, threshold;
    int64_t baseline;
};

static const hone_option options[] = {
    HONE_OPT_REAL_FLAGS(struct drift, lambda, "lambda", 0.1, 0, 1, HONE_OPTION_OPEN_MIN,
                        "weight of the newest answer in the moving average"),
    HONE_OPT_REAL_FLAGS(struct drift, width, "width", 3, 0, INFINITY, HONE_OPTION_OPEN_MIN,
                        "of the band about the level, in standard deviations of the average"),
    HONE_OPT_REAL(struct drift, slack, "slack", 0.4, 0, INFINITY,
                  "fall that CUSUM lets pass, in standard deviations of an answer"),
    HONE_OPT_REAL_FLAGS(struct drift, threshold, "threshold", 8, 0, INFINITY,
                        HONE_OPTION_OPEN_MIN, "of CUSUM, in standard deviations of an answer"),
    HONE_OPT_INT(struct drift, baseline, "baseline", 30, 1, INT64_MAX,
                 "answers that set an annotator's level"),
    HONE_OPT_END
};

/* Both charts of a series with level m, known to d, and deviation s. */
struct charts {
    double m, d, s, z, lowest, c, highest, fade;
    size_t n, ewma_alarm, cusum_alarm; /* 0: none */
};

static void charts_step(struct charts *c, const struct drift *o, double x)
{
    double band;

    if (!c->n++) {
        c->z = c->lowest = c->m;
        c->fade = 1;
    }
    c->fade *= (1 - o->lambda) * (1 - o->lambda);
    c->z = o->lambda * x + (1 - o->lambda) * c->z;
    c->lowest = fmin(c->lowest, c->z);
    band = o->width * c->s * sqrt(o->lambda / (2 - o->lambda) * (1 - c->fade));
    if (!c->ewma_alarm && c->z < c->m - c->d - band)
        c->ewma_alarm = c->n;
    c->c = fmax(0, c->c + c->m - c->d - o->slack * c->s - x);
    c->highest = fmax(c->highest, c->c);
    if (!c->cusum_alarm && c->c > o->threshold * c->s)
        c->cusum_alarm = c->n;
}

static void put_alarm(struct findings *f, json_t *to, const char *key, size_t at)
{
    findings_real(f, to, key, at ? (double)at : NAN);
}

enum { POINTS = 100 };

static void put_curve(struct findings *f, json_t *to, const double (*points)[2], size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        f->failed |= json_array_append_new(list, json_pack("[I, f]", (json_int_t)points[i][0],
                                                           points[i][1]));
    f->failed |= json_object_set_new(to, "curve", list);
}

static void check_annotator(const struct drift *o, const struct answers *a, const double *agrees,
                            double crowd, struct findings *f, size_t p)
{
    size_t first = a->annotator_starts[p], last = a->annotator_starts[p + 1], at;
    size_t each = (last - first) / POINTS + 1, count = 0;
    struct charts c = {0};
    double sum = 0, points[POINTS][2];
    int64_t n = 0;
    json_t *one;

    for (size_t i = first; i < last && n < o->baseline; i++) {
        double x = agrees[a->by_annotator[i]];
        sum += isnan(x) ? 0 : x;
        n += !isnan(x);
    }
    c.m = (sum + 10 * crowd) / ((double)n + 10);
    c.s = 0.5;
    c.d = 2 * sqrt(c.m * (1 - c.m) / ((double)n + 10));
    for (size_t i = first; i < last; i++) {
        if (isnan(agrees[a->by_annotator[i]]))
            continue;
        charts_step(&c, o, agrees[a->by_annotator[i]]);
        if (c.n % each == 0 && count < POINTS) {
            points[count][0] = (double)c.n;
            points[count++][1] = c.z;
        }
    }
    at = c.ewma_alarm && (!c.cusum_alarm || c.ewma_alarm < c.cusum_alarm) ? c.ewma_alarm
                                                                          : c.cusum_alarm;
    if (at)
        one = findings_annotator(f, p, c.z, "agreement with others fell from %.0f %% to %.0f %%, "
                                 "noticed at answer %zu of %zu", 100 * c.m, 100 * c.lowest, at,
                                 c.n);
    else
        one = findings_annotator(f, p, c.n ? c.z : NAN, NULL);
    findings_count(f, one, "compared", c.n);
    findings_real(f, one, "level", c.n ? c.m : NAN);
    findings_real(f, one, "lowest", c.n ? c.lowest : NAN);
    findings_real(f, one, "cusum", c.s > 0 ? c.highest / c.s : NAN);
    put_alarm(f, one, "ewma_alarm", c.ewma_alarm);
    put_alarm(f, one, "cusum_alarm", c.cusum_alarm);
    if (at)
        put_curve(f, one, (const double (*)[2])points, count);
}

/* agrees [answers]; returns the mean of all, NaN without others anywhere. */
static double agreement_with_others(const struct answers *a, struct tally *t, double *agrees)
{
    double sum = 0, n = 0;

    for (size_t u = 0; u < a->units; u++) {
        tally_unit(t, a, u);
        for (size_t i = a->starts[u]; i < a->starts[u + 1]; i++) {
            agrees[i] = tally_agrees(t, a, i);
            sum += isnan(agrees[i]) ? 0 : agrees[i];
            n += !isnan(agrees[i]);
        }
        tally_clear(t, a, u);
    }
    return n > 0 ? sum / n : NAN;
}

static int drift_check(void *self, const hone_judgements *j, hone_json **out, hone_error *err)
{
    const struct drift *o = self;
    struct answers a = {0};
    struct findings f = {0};
    struct tally t = { .count = hone_alloc(hone_judgements_labels(j) + 1, sizeof *t.count) };
    double *agrees = hone_alloc(hone_judgements_count(j) + 1, sizeof *agrees), crowd;
    int code = t.count && agrees ? answers_open(&a, j, err)
                                 : hone_fail_memory(err, "agreement with others");

    if (!code)
        code = findings_open(&f, j, err);
    if (code)
        goto out;
    crowd = answers_labelled(&a) ? agreement_with_others(&a, &t, agrees) : NAN;
    if (!answers_labelled(&a))
        findings_undefined(&f, "level", "judgements are not labels");
    else if (isnan(crowd))
        findings_undefined(&f, "unpaired", "no item has answers of two annotators");
    else if (crowd >= 1)
        findings_undefined(&f, "unanimous", "all annotators always agree");
    else
        for (size_t p = 0; p < a.annotators; p++)
            check_annotator(o, &a, agrees, crowd, &f, p);
    findings_text(&f, f.result, "order", a.stamped ? "time" : "table");
    findings_real(&f, f.result, "level", crowd);
    code = findings_close(&f, !f.flagged, out, err, "%zu of %zu annotators agree less with others "
                          "than they did%s", f.flagged, a.annotators,
                          a.stamped ? "" : " (in the table's order: there are no times)");
out:
    hone_free(t.count);
    hone_free(agrees);
    findings_free(&f);
    answers_close(&a);
    return code;
}

static const hone_quality_ops ops = { .size = sizeof ops, .check = drift_check };

/* Montgomery, Introduction to Statistical Quality Control, tables 9.2 and 9.11: mean 10
 * and deviation 1, the mean 11 from observation 21 on. Mirrored, as falls are watched:
 * CUSUM alarms at 29 with 5.28; the moving average begins 9.945, 9.7495, 9.70355. */
static int drift_self_test(hone_context *context, hone_error *err)
{
    static const double seen[] = {
        9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34,
        9.03, 11.47, 10.51, 9.40, 10.08, 9.37, 10.62, 10.31, 8.52, 10.84,
        10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52,
    };
    static const double average[] = { 9.945, 9.7495, 9.70355 };
    const struct drift o = { .lambda = .1, .width = 2.7, .slack = .5, .threshold = 5 };
    struct charts c = { .m = -10, .s = 1 };
    (void)context;

    for (int i = 0; i < 30; i++) {
        charts_step(&c, &o, -seen[i]);
        if (i < 3 && fabs(c.z + average[i]) > 1e-9)
            return hone_fail(err, HONE_ENUMERIC, "moving average %d is %.6f, not %.6f", i + 1,
                             -c.z, average[i]);
        if (i == 28 && fabs(c.c - 5.28) > 1e-9)
            return hone_fail(err, HONE_ENUMERIC, "CUSUM 29 is %.6f, not 5.28", c.c);
    }
    if (c.cusum_alarm != 29)
        return hone_fail(err, HONE_ENUMERIC, "CUSUM alarms at %zu, not 29", c.cusum_alarm);
    return HONE_OK;
}

HONE_PLUGIN(drift,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "agreement with others that falls with time: EWMA and CUSUM",
    .source = "Roberts 1959, doi:10.1080/00401706.1959.10489860; Page 1954, "
              "doi:10.1093/biomet/41.1-2.100",
    .instance_size = sizeof(struct drift), .options = options, .ops = &ops,
    .self_test = drift_self_test);
