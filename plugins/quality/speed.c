/* speed.c -- who answers faster than the question can be read.
 *
 * The time an answer is expected to take is the item's: the median of its log-times,
 * drawn towards the median of all with the weight of two answers. An answer's residual
 * is its log-time less that; s is 1.4826 times the residuals' median absolute value.
 * An answer is too fast below `floor` seconds or `deviations` times s below what is
 * expected; those are `rows`. An annotator with at least `least` times is flagged
 * where more than `share` of the answers are too fast, or where the median answer
 * takes less than 1/`ratio` of the expected time: score is that part.
 *
 * Where times say when answers were given (answers.h), an answer took as long as
 * the annotator's last before it; pauses make answers look slow, never fast.
 * Also: timed, untimed (missing, zero, negative, first ones), floor, spread (s).
 * van der Linden 2006, doi:10.3102/10769986031002181 (log-times by item and person). */
#include "answers.h"
#include "findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct speed {
    double floor, ratio, share, deviations;
    int64_t least;
};

static const hone_option options[] = {
    HONE_OPT_REAL(struct speed, floor, "floor", HONE_UNSET_REAL, 0, INFINITY,
                  "seconds below which an answer is too fast"),
    HONE_OPT_REAL(struct speed, ratio, "ratio", 3, 1, INFINITY,
                  "times faster than expected that the median answer of an annotator may be"),
    HONE_OPT_REAL(struct speed, share, "share", 0.2, 0, 1,
                  "of an annotator's answers that may be too fast"),
    HONE_OPT_REAL_FLAGS(struct speed, deviations, "deviations", 4, 0, INFINITY,
                        HONE_OPTION_OPEN_MIN,
                        "robust standard deviations of log-time below the expected that are too "
                        "fast"),
    HONE_OPT_INT(struct speed, least, "least", 5, 1, INT64_MAX,
                 "times before an annotator is flagged"),
    HONE_OPT_END
};

static int real_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts x. NaN of none. */
static double median(double *x, size_t n)
{
    if (!n)
        return NAN;
    qsort(x, n, sizeof *x, real_compare);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

struct times {
    double *log;      /* [answers] NaN: not known */
    double *residual; /* [answers] */
    double *work;     /* [answers] */
    double spread;
    size_t timed;
};

static void times_free(struct times *t)
{
    hone_free(t->log);
    hone_free(t->residual);
    hone_free(t->work);
}

static void times_read(struct times *t, const struct answers *a)
{
    for (size_t i = 0; i < a->count; i++)
        t->log[i] = a->stamped || !(a->time[i] > 0) ? NAN : log(a->time[i]);
    for (size_t p = 0; p < a->annotators && a->stamped; p++)
        for (size_t i = a->annotator_starts[p] + 1; i < a->annotator_starts[p + 1]; i++) {
            double gap = a->time[a->by_annotator[i]] - a->time[a->by_annotator[i - 1]];
            if (gap > 0)
                t->log[a->by_annotator[i]] = log(gap);
        }
    for (size_t i = 0; i < a->count; i++)
        t->timed += isnan(t->log[i]) ? 0 : 1;
}

/* The numbers of x[index[from .. to)] that are known; index NULL: from .. to. */
static size_t gather(double *to, const double *x, const size_t *index, size_t first, size_t last)
{
    size_t n = 0;

    for (size_t i = first; i < last; i++) {
        double one = x[index ? index[i] : i];
        if (!isnan(one))
            to[n++] = one;
    }
    return n;
}

static void times_expect(struct times *t, const struct answers *a)
{
    double all = median(t->work, gather(t->work, t->log, NULL, 0, a->count));
    size_t n = 0;

    for (size_t u = 0; u < a->units; u++) {
        double k, expected;
        n = gather(t->work, t->log, NULL, a->starts[u], a->starts[u + 1]);
        k = (double)n;
        expected = n ? (k * median(t->work, n) + 2 * all) / (k + 2) : all;
        for (size_t i = a->starts[u]; i < a->starts[u + 1]; i++)
            t->residual[i] = t->log[i] - expected;
    }
    n = gather(t->work, t->residual, NULL, 0, a->count);
    for (size_t i = 0; i < n; i++)
        t->work[i] = fabs(t->work[i]);
    t->spread = 1.4826 * median(t->work, n);
}

static bool is_fast(const struct speed *o, const struct times *t, size_t i)
{
    if (isnan(t->log[i]))
        return false;
    return (!isnan(o->floor) && exp(t->log[i]) < o->floor) ||
           (t->spread > 0 && t->residual[i] < -o->deviations * t->spread);
}

static void check_annotator(const struct speed *o, const struct answers *a, struct times *t,
                            struct findings *f, size_t p)
{
    size_t first = a->annotator_starts[p], last = a->annotator_starts[p + 1], fast = 0;
    size_t n = gather(t->work, t->residual, a->by_annotator, first, last);
    double score = exp(median(t->work, n)), share;
    json_t *one;

    for (size_t i = first; i < last; i++) {
        if (!is_fast(o, t, a->by_annotator[i]))
            continue;
        fast++;
        findings_row(f, a->row[a->by_annotator[i]]);
    }
    share = n ? (double)fast / (double)n : NAN;
    if ((int64_t)n >= o->least && share > o->share)
        one = findings_annotator(f, p, score, "%zu of %zu answers too fast (%.0f %%; at most %.0f "
                                 "%% may be)", fast, n, 100 * share, 100 * o->share);
    else if ((int64_t)n >= o->least && score < 1 / o->ratio)
        one = findings_annotator(f, p, score, "answers in %.0f %% of the time that their items "
                                 "take others; at least %.0f %% is expected", 100 * score,
                                 100 / o->ratio);
    else
        one = findings_annotator(f, p, score, NULL);
    findings_count(f, one, "timed", n);
    findings_count(f, one, "fast", fast);
    n = gather(t->work, t->log, a->by_annotator, first, last);
    findings_real(f, one, "seconds", exp(median(t->work, n)));
}

static int speed_check(void *self, const hone_judgements *j, hone_json **out, hone_error *err)
{
    const struct speed *o = self;
    struct answers a = {0};
    struct findings f = {0};
    struct times t = {0};
    int code = answers_open(&a, j, err);

    if (!code)
        code = findings_open(&f, j, err);
    if (code)
        goto out;
    t.log = hone_alloc(a.count + 1, sizeof *t.log);
    t.residual = hone_alloc(a.count + 1, sizeof *t.residual);
    t.work = hone_alloc(a.count + 1, sizeof *t.work);
    if (!t.log || !t.residual || !t.work) {
        code = hone_fail_memory(err, "times");
        goto out;
    }
    if (a.time)
        times_read(&t, &a);
    if (t.timed) {
        times_expect(&t, &a);
        for (size_t p = 0; p < a.annotators; p++)
            check_annotator(o, &a, &t, &f, p);
    } else {
        findings_undefined(&f, "no_times", "no judgement says how long it took");
    }
    findings_count(&f, f.result, "timed", t.timed);
    findings_count(&f, f.result, "untimed", a.count - t.timed);
    findings_real(&f, f.result, "floor", o->floor);
    findings_real(&f, f.result, "spread", t.timed ? t.spread : NAN);
    code = findings_close(&f, !f.flagged, out, err, "%zu of %zu annotators answer too fast; %zu "
                          "answers in all", f.flagged, a.annotators, json_array_size(f.rows));
out:
    times_free(&t);
    findings_free(&f);
    answers_close(&a);
    return code;
}

static const hone_quality_ops ops = { .size = sizeof ops, .check = speed_check };

HONE_PLUGIN(speed,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "answers faster than their items take others, or than a floor",
    .source = "van der Linden 2006, doi:10.3102/10769986031002181",
    .instance_size = sizeof(struct speed), .options = options, .ops = &ops);
