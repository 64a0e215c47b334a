/* spam.c -- who answers without looking: one label, one side, long runs.
 *
 * Three looks at an annotator with at least `least` answers, each against what
 * others gave to the same units:
 *
 *   entropy  of the annotator's labels over that of the others' answers to the same
 *            units; flagged below `entropy`. Few kinds of labels are fine where the
 *            items are of few kinds.
 *   run      the longest row of equal labels, L of n. With labels drawn from what
 *            others gave to these units, shares q, the number of such rows is about
 *            Poisson of mean sum_k q_k^L (1 + (n - L)(1 - q_k)); p is the chance of one
 *            or more. It takes items in random order, so it is computed only where
 *            times say in which (answers.h); the run is always told.
 *   side     of pairs, how often the left option is preferred, or the one shown first
 *            where that was recorded: an exact binomial test of 1/2. It takes sides
 *            given at random.
 *
 * p of run and side are multiplied by the annotators tested (Bonferroni) and flagged
 * below `level`. score is the entropy ratio, null where others' answers are all equal.
 * Also of an annotator: answers, labels = entropy in bits, run, run_p, side, side_p.
 * Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x; runs: Arratia, Goldstein &
 * Gordon 1990, doi:10.1214/ss/1177012015. */
#include "answers.h"
#include "findings.h"

#include <hone/statistics.h>

#include <math.h>
#include <string.h>

struct spam {
    double entropy, level;
    int64_t least;
};

static const hone_option options[] = {
    HONE_OPT_REAL(struct spam, entropy, "entropy", 0.3, 0, 1,
                  "least entropy of an annotator's labels, as a part of the others'"),
    HONE_OPT_REAL_FLAGS(struct spam, level, "level", 0.01, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX,
                        "of the tests of runs and sides, for all annotators together"),
    HONE_OPT_INT(struct spam, least, "least", 10, 2, INT64_MAX,
                 "answers before an annotator is looked at"),
    HONE_OPT_END
};

/* What is known of one annotator. */
struct look {
    size_t answers, run, left, sided;
    int32_t run_label;
    double bits, others, run_p, side_p;
};

struct work {
    double *own;    /* [labels] */
    double *others; /* [labels] what others gave, each unit counting once */
};

static double entropy_of(const double *weights, size_t n)
{
    double sum = 0, bits = 0;

    for (size_t k = 0; k < n; k++)
        sum += weights[k];
    for (size_t k = 0; k < n; k++)
        if (weights[k] > 0)
            bits -= weights[k] / sum * log2(weights[k] / sum);
    return sum > 0 ? bits : NAN;
}

/* P(a run of `run` equal labels or more among n). */
static double run_chance(const double *shares, size_t labels, size_t run, size_t n)
{
    double sum = 0, mean = 0;

    for (size_t k = 0; k < labels; k++)
        sum += shares[k];
    for (size_t k = 0; k < labels && sum > 0; k++) {
        double q = shares[k] / sum;
        mean += q > 0 ? pow(q, (double)run) * (1 + (double)(n - run) * (1 - q)) : 0;
    }
    return sum > 0 ? -expm1(-mean) : NAN;
}

static void look_units(const struct answers *a, size_t p, struct work *w, struct look *l)
{
    for (size_t i = a->annotator_starts[p]; i < a->annotator_starts[p + 1]; i++) {
        size_t answer = a->by_annotator[i], u = (size_t)a->unit[answer], n = 0;
        w->own[a->label[answer]]++;
        for (size_t k = a->starts[u]; k < a->starts[u + 1]; k++)
            n += a->annotator[k] != (int32_t)p;
        for (size_t k = a->starts[u]; k < a->starts[u + 1]; k++)
            if (a->annotator[k] != (int32_t)p)
                w->others[a->label[k]] += 1 / (double)n;
        l->answers++;
    }
    l->bits = entropy_of(w->own, a->labels);
    l->others = entropy_of(w->others, a->labels);
}

static void look_runs(const struct answers *a, size_t p, const struct work *w, struct look *l)
{
    size_t run = 0;
    int32_t last = -1;

    for (size_t i = a->annotator_starts[p]; i < a->annotator_starts[p + 1]; i++) {
        int32_t label = a->label[a->by_annotator[i]];
        run = label == last ? run + 1 : 1;
        last = label;
        if (run <= l->run)
            continue;
        l->run = run;
        l->run_label = label;
    }
    l->run_p = a->stamped ? run_chance(w->others, a->labels, l->run, l->answers) : NAN;
}

static void look_sides(const struct answers *a, size_t p, struct look *l)
{
    const hone_judgements *j = a->judgements;
    const int32_t *order = hone_judgements_order(j);

    for (size_t i = a->annotator_starts[p]; i < a->annotator_starts[p + 1]; i++) {
        size_t row = a->row[a->by_annotator[i]];
        int32_t side = hone_judgements_label(j)[row];
        if (side > HONE_RIGHT || (order && !order[row]))
            continue;
        l->sided++;
        /* Where the right one was shown first, it stands where left does elsewhere. */
        l->left += side == (order && order[row] == 2 ? HONE_RIGHT : HONE_LEFT);
    }
    if (l->sided)
        l->side_p = hone_binomial_test((int64_t)l->left, (int64_t)l->sided, 0.5);
}

static void put_annotator(const struct spam *o, const struct answers *a, struct findings *f,
                          size_t p, const struct look *l, size_t tested)
{
    double ratio = l->others > 0 ? l->bits / l->others : NAN, m = (double)tested;
    bool looked = (int64_t)l->answers >= o->least;
    const char *shown = hone_judgements_order(a->judgements) ? "the option shown first" : "left";
    json_t *one;

    if (looked && l->side_p * m < o->level)
        one = findings_annotator(f, p, ratio, "prefers %s in %zu of %zu pairs (p = %.2g for %zu "
                                 "annotators)", shown, l->left, l->sided, fmin(1, l->side_p * m),
                                 tested);
    else if (looked && l->run_p * m < o->level)
        one = findings_annotator(f, p, ratio, "'%s' %zu times in a row, of %zu answers (p = %.2g "
                                 "for %zu annotators)",
                                 hone_judgements_label_name(a->judgements, (size_t)l->run_label),
                                 l->run, l->answers, fmin(1, l->run_p * m), tested);
    else if (looked && ratio < o->entropy)
        one = findings_annotator(f, p, ratio, "labels vary by %.2f bits, others' to the same items "
                                 "by %.2f", l->bits, l->others);
    else
        one = findings_annotator(f, p, ratio, NULL);
    findings_count(f, one, "answers", l->answers);
    findings_real(f, one, "bits", l->bits);
    findings_count(f, one, "run", l->run);
    findings_real(f, one, "run_p", l->run_p);
    findings_real(f, one, "side", l->sided ? (double)l->left / (double)l->sided : NAN);
    findings_real(f, one, "side_p", l->side_p);
}

static void check_annotators(const struct spam *o, const struct answers *a, struct work *w,
                             struct findings *f)
{
    size_t tested = 0;

    for (size_t p = 0; p < a->annotators; p++)
        tested += (int64_t)(a->annotator_starts[p + 1] - a->annotator_starts[p]) >= o->least;
    for (size_t p = 0; p < a->annotators; p++) {
        struct look l = { .bits = NAN, .others = NAN, .run_p = NAN, .side_p = NAN };
        memset(w->own, 0, a->labels * sizeof *w->own);
        memset(w->others, 0, a->labels * sizeof *w->others);
        look_units(a, p, w, &l);
        look_runs(a, p, w, &l);
        if (a->level == HONE_PAIR)
            look_sides(a, p, &l);
        put_annotator(o, a, f, p, &l, tested);
    }
    findings_count(f, f->result, "tested", tested);
}

static int spam_check(void *self, const hone_judgements *j, hone_json **out, hone_error *err)
{
    const struct spam *o = self;
    struct answers a = {0};
    struct findings f = {0};
    struct work w = {0};
    int code = answers_open(&a, j, err);

    if (!code)
        code = findings_open(&f, j, err);
    w.own = hone_alloc(hone_judgements_labels(j) + 1, sizeof *w.own);
    w.others = hone_alloc(hone_judgements_labels(j) + 1, sizeof *w.others);
    if (!code && (!w.own || !w.others))
        code = hone_fail_memory(err, "labels of annotators");
    if (code)
        goto out;
    if (answers_labelled(&a))
        check_annotators(o, &a, &w, &f);
    else
        findings_undefined(&f, "level", "judgements are not labels");
    findings_text(&f, f.result, "order", a.stamped ? "time" : "table");
    code = findings_close(&f, !f.flagged, out, err, "%zu of %zu annotators answer without looking",
                          f.flagged, a.annotators);
out:
    hone_free(w.own);
    hone_free(w.others);
    findings_free(&f);
    answers_close(&a);
    return code;
}

static const hone_quality_ops ops = { .size = sizeof ops, .check = spam_check };

/* A fair coin thrown 200 times shows 12 or more equal sides in a row with chance
 * 0.045448 (by recurrence, exact); the approximation is best in the tail. */
static int spam_self_test(hone_context *context, hone_error *err)
{
    static const double fair[] = { 1, 1 };
    double p = run_chance(fair, 2, 12, 200);
    (void)context;

    if (fabs(p - 0.045448) > .0005)
        return hone_fail(err, HONE_ENUMERIC, "a run of 12 in 200 throws has chance %.6f, not "
                         "0.045448", p);
    return HONE_OK;
}

HONE_PLUGIN(spam,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "answers without looking: one label, one side, long runs",
    .source = "Shannon 1948; Arratia, Goldstein & Gordon 1990, doi:10.1214/ss/1177012015",
    .instance_size = sizeof(struct spam), .options = options, .ops = &ops,
    .self_test = spam_self_test);
