/* copying.c -- who gives the same wrong answers as another.
 *
 * Two annotators who know the answer agree; only what is rare or wrong tells copying.
 * Of two, a and b, who share at least `least` units: S counts the units where both
 * gave the same label though the others of the unit (neither a nor b) gave another
 * one more often. Were b independent of a, b would give a's label there as often as
 * the others do: with chance q = (n + r)/(m + 1), where n of the m others gave it and r
 * is the label's share among all answers that differ from the others' most frequent.
 * E is the larger sum of q over a's such answers, and over b's; items that mislead
 * everyone so explain themselves. p = P(Poisson(E) >= S), which is no smaller than the
 * sum of such trials has; times the pairs tested (Bonferroni), below `level`, both are
 * flagged: who copied whom, labels do not say.
 *
 * score is the smallest p of an annotator, corrected. Also: pairs = [{ a, b, shared,
 * same, expected, p }] (the `pairs` smallest p), tested. rows is empty.
 * Time grows with the sum over units of the squared number of answers, memory with
 * the answers. After Wesolowsky 2000, doi:10.1080/02664760050081951. */
#include "answers.h"
#include "findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct copying {
    double level;
    int64_t least, pairs;
};

static const hone_option options[] = {
    HONE_OPT_REAL_FLAGS(struct copying, level, "level", 0.01, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX,
                        "of the test, for all pairs together"),
    HONE_OPT_INT(struct copying, least, "least", 10, 1, INT64_MAX,
                 "units that two annotators must share to be compared"),
    HONE_OPT_INT(struct copying, pairs, "pairs", 20, 0, INT32_MAX,
                 "most pairs of annotators to list"),
    HONE_OPT_END
};

/* What annotator a and one other share. */
struct meeting {
    size_t shared, same, last; /* last: the unit met last, plus 1 */
    double mine, theirs; /* sums of q over a's wrong answers, over the other's */
};

struct suspicion {
    int32_t a, b;
    size_t shared, same;
    double expected, p;
};

struct work {
    struct meeting *meetings; /* [annotators] */
    int32_t *met;             /* [annotators] those met, in order */
    double *rare;             /* [labels] r */
    double *best;             /* [annotators] smallest p */
    int32_t *partner;         /* [annotators] */
    struct tally tally;
    struct suspicion *list;   /* [pairs + 1] smallest p first */
    size_t listed, tested;
};

static void work_free(struct work *w)
{
    hone_free(w->meetings);
    hone_free(w->met);
    hone_free(w->rare);
    hone_free(w->best);
    hone_free(w->partner);
    hone_free(w->tally.count);
    hone_free(w->list);
}

static bool work_make(struct work *w, const struct copying *o, const struct answers *a)
{
    size_t n = a->annotators + 1, pairs = n * (n - 1) / 2;
    size_t most = (size_t)o->pairs < pairs ? (size_t)o->pairs : pairs;

    w->meetings = hone_alloc(n, sizeof *w->meetings);
    w->met = hone_alloc(n, sizeof *w->met);
    w->rare = hone_alloc(a->labels + 1, sizeof *w->rare);
    w->best = hone_alloc(n, sizeof *w->best);
    w->partner = hone_alloc(n, sizeof *w->partner);
    w->tally.count = hone_alloc(a->labels + 1, sizeof *w->tally.count);
    w->list = hone_alloc(most + 2, sizeof *w->list);
    return w->meetings && w->met && w->rare && w->best && w->partner && w->tally.count && w->list;
}

/* rare[k]: share of k among answers that the others outvote. */
static void work_rare(struct work *w, const struct answers *a)
{
    double sum = 0;

    for (size_t u = 0; u < a->units; u++) {
        tally_unit(&w->tally, a, u);
        for (size_t i = a->starts[u]; i < a->starts[u + 1]; i++)
            if (tally_agrees(&w->tally, a, i) == 0) {
                w->rare[a->label[i]]++;
                sum++;
            }
        tally_clear(&w->tally, a, u);
    }
    for (size_t k = 0; k < a->labels && sum > 0; k++)
        w->rare[k] /= sum;
}

/* P(Poisson(mean) >= n). */
static double poisson_tail(double mean, size_t n)
{
    double term, sum = 0;
    int sign;

    if (!n)
        return 1;
    if (!(mean > 0))
        return 0;
    if ((double)n <= mean) {
        for (size_t k = 0; k < n; k++)
            sum += exp((double)k * log(mean) - mean - lgamma_r((double)k + 1, &sign));
        return fmax(0, 1 - sum);
    }
    term = exp((double)n * log(mean) - mean - lgamma_r((double)n + 1, &sign));
    for (size_t k = n; term > 0 && term > 1e-17 * sum; term *= mean / (double)++k)
        sum += term;
    return fmin(1, sum);
}

/* Largest count of a label other than i's, once k's answer is taken away: mine and
 * theirs are the counts of i's and k's labels. Where k's label led, one less is still
 * as many as any behind it. */
static double others_most(const struct tally *t, double mine, double theirs, bool same)
{
    size_t leading = t->at_most - (mine == t->most);

    if (!same && theirs == t->most)
        return leading > 1 ? t->most : t->most - 1;
    if (leading)
        return t->most;
    return !same && theirs == t->next && t->at_next == 1 ? t->next - 1 : t->next;
}

/* Whether the others, without i and k, gave another label than i's more often; *q is
 * then how often they would give it. The tally holds the unit. */
static bool outvoted(const struct work *w, const struct answers *a, size_t i, size_t k, double *q)
{
    size_t unit = (size_t)a->unit[i];
    double others = (double)(a->starts[unit + 1] - a->starts[unit]) - 2;
    double mine = w->tally.count[a->label[i]], theirs = w->tally.count[a->label[k]];
    bool same = a->label[i] == a->label[k];

    *q = fmin(1, (mine - 1 - same + w->rare[a->label[i]]) / (others + 1));
    return others_most(&w->tally, mine, theirs, same) > mine - 1 - same;
}

static void meet(struct work *w, const struct answers *a, size_t i, size_t k, size_t *met)
{
    struct meeting *m = &w->meetings[a->annotator[k]];
    double q;
    bool wrong;

    if (!m->shared)
        w->met[(*met)++] = a->annotator[k];
    if (m->last == (size_t)a->unit[i] + 1)
        return; /* a repeated answer */
    m->last = (size_t)a->unit[i] + 1;
    m->shared++;
    wrong = outvoted(w, a, i, k, &q);
    m->mine += wrong ? q : 0;
    m->same += wrong && a->label[i] == a->label[k];
    if (outvoted(w, a, k, i, &q))
        m->theirs += q;
}

static void list_add(struct work *w, const struct copying *o, struct suspicion s)
{
    size_t to = w->listed;

    for (; to && w->list[to - 1].p > s.p; to--)
        w->list[to] = w->list[to - 1];
    w->list[to] = s;
    if ((int64_t)w->listed < o->pairs)
        w->listed++;
}

static void annotator_close(struct work *w, const struct copying *o, size_t p, size_t met)
{
    for (size_t i = 0; i < met; i++) {
        size_t b = (size_t)w->met[i];
        struct meeting m = w->meetings[b];
        double expected = fmax(m.mine, m.theirs), chance;
        w->meetings[b] = (struct meeting){0};
        if ((int64_t)m.shared < o->least)
            continue;
        w->tested++;
        chance = poisson_tail(expected, m.same);
        list_add(w, o, (struct suspicion){ (int32_t)p, (int32_t)b, m.shared, m.same, expected,
                                           chance });
        for (int side = 0; side < 2; side++) {
            size_t who = side ? b : p, other = side ? p : b;
            if (w->partner[who] && w->best[who] <= chance)
                continue;
            w->best[who] = chance;
            w->partner[who] = (int32_t)other + 1;
        }
    }
}

static void compare_all(struct work *w, const struct copying *o, const struct answers *a)
{
    for (size_t p = 0; p < a->annotators; p++) {
        size_t met = 0, last = a->units;
        for (size_t n = a->annotator_starts[p]; n < a->annotator_starts[p + 1]; n++) {
            size_t i = a->by_annotator[n], u = (size_t)a->unit[i];
            if (u == last)
                continue;
            last = u;
            if (a->starts[u + 1] - a->starts[u] < 3)
                continue;
            tally_unit(&w->tally, a, u);
            for (size_t k = a->starts[u]; k < a->starts[u + 1]; k++)
                if (a->annotator[k] > (int32_t)p)
                    meet(w, a, i, k, &met);
            tally_clear(&w->tally, a, u);
        }
        annotator_close(w, o, p, met);
    }
}

static void put_results(const struct copying *o, const struct answers *a, const struct work *w,
                        struct findings *f)
{
    const hone_judgements *j = a->judgements;
    double m = (double)w->tested;
    json_t *list = json_array();

    for (size_t p = 0; p < a->annotators; p++) {
        double best = w->partner[p] ? fmin(1, w->best[p] * m) : NAN;
        if (best < o->level)
            findings_annotator(f, p, best, "gives the same wrong answers as '%s' far more often "
                               "than chance explains (p = %.2g for %zu pairs)",
                               hone_judgements_annotator_name(j, (size_t)w->partner[p] - 1), best,
                               w->tested);
        else
            findings_annotator(f, p, best, NULL);
    }
    for (size_t i = 0; i < w->listed; i++) {
        const struct suspicion *s = &w->list[i];
        json_t *one = json_object();
        f->failed |= json_array_append_new(list, one);
        findings_text(f, one, "a", hone_judgements_annotator_name(j, (size_t)s->a));
        findings_text(f, one, "b", hone_judgements_annotator_name(j, (size_t)s->b));
        findings_count(f, one, "shared", s->shared);
        findings_count(f, one, "same", s->same);
        findings_real(f, one, "expected", s->expected);
        findings_real(f, one, "p", fmin(1, s->p * m));
    }
    f->failed |= json_object_set_new(f->result, "pairs", list);
}

static int copying_check(void *self, const hone_judgements *j, hone_json **out, hone_error *err)
{
    const struct copying *o = self;
    struct answers a = {0};
    struct findings f = {0};
    struct work w = {0};
    int code = answers_open(&a, j, err);

    if (!code)
        code = findings_open(&f, j, err);
    if (!code && !work_make(&w, o, &a))
        code = hone_fail_memory(err, "pairs of annotators");
    if (code)
        goto out;
    if (answers_labelled(&a)) {
        work_rare(&w, &a);
        compare_all(&w, o, &a);
    }
    put_results(o, &a, &w, &f);
    findings_count(&f, f.result, "tested", w.tested);
    if (!answers_labelled(&a))
        findings_undefined(&f, "level", "judgements are not labels");
    else if (!w.tested)
        findings_undefined(&f, "unpaired", "no two annotators share enough items that a third "
                           "answered, too");
    code = findings_close(&f, !f.flagged, out, err, "%zu of %zu annotators share wrong answers "
                          "beyond chance", f.flagged, a.annotators);
out:
    work_free(&w);
    findings_free(&f);
    answers_close(&a);
    return code;
}

static const hone_quality_ops ops = { .size = sizeof ops, .check = copying_check };

/* Tails of Poisson(2.5) and of Poisson(1), from any table. */
static int copying_self_test(hone_context *context, hone_error *err)
{
    static const struct { double mean; size_t n; double p; } tails[] = {
        { 2.5, 2, .712703 }, { 2.5, 5, .108822 }, { 1, 4, .018988 }, { 1, 0, 1 },
    };
    (void)context;

    for (size_t i = 0; i < 4; i++)
        if (fabs(poisson_tail(tails[i].mean, tails[i].n) - tails[i].p) > 1e-6)
            return hone_fail(err, HONE_ENUMERIC, "P(Poisson(%g) >= %zu) is %.6f, not %.6f",
                             tails[i].mean, tails[i].n,
                             poisson_tail(tails[i].mean, tails[i].n), tails[i].p);
    return HONE_OK;
}

HONE_PLUGIN(copying,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "pairs of annotators who share wrong or rare answers beyond chance",
    .source = "Wesolowsky 2000, doi:10.1080/02664760050081951",
    .instance_size = sizeof(struct copying), .options = options, .ops = &ops,
    .self_test = copying_self_test);
