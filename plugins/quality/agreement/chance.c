/* chance.c -- agreement of many annotators beyond chance, values missing.
 *
 * kappa = (P_o - P_e)/(1 - P_e). P_o is the mean over items of the weighted share
 * of pairs of values that agree; p_k is the mean over items of the share of label
 * k; q labels, weights w in [0, 1], W their sum:
 *
 *   Fleiss            P_e = sum_kl w_kl p_k p_l
 *   Gwet AC1, AC2     P_e = W/(q(q - 1)) sum_k p_k(1 - p_k)
 *   Brennan-Prediger  P_e = W/q^2
 *   Conger            P_e = mean over pairs of annotators g, h of sum_kl w_kl p_gk p_hl,
 *                     with p_g the annotator's own shares
 *
 * Fleiss 1971; Gwet 2008, doi:10.1348/000711006X126600; Brennan & Prediger 1981,
 * doi:10.1177/001316448104100307; Conger 1980, doi:10.1037/0033-2909.88.2.322.
 * Standard errors after Gwet 2014, linearised over items; those of percent are
 * of a mean. In a resample of annotators, copies of one are never compared. A
 * repeated value of an annotator is one more value. */
#include "agreement.h"

#include <math.h>
#include <string.h>

double agreement_weight(int64_t weights, size_t i, size_t j, size_t q)
{
    double d = i < j ? (double)(j - i) : (double)(i - j), most = (double)q - 1;

    switch (weights) {
    case WEIGHTS_LINEAR: return most > 0 ? 1 - d / most : 1;
    case WEIGHTS_QUADRATIC: return most > 0 ? 1 - d * d / (most * most) : 1;
    /* Pairs of labels from i to j, against those of the whole scale. */
    case WEIGHTS_ORDINAL: return most > 0 ? 1 - d * (d + 1) / (most * (most + 1)) : 1;
    default: return i == j;
    }
}

void agreement_weigh(double *to, const double *from, int64_t weights, size_t q)
{
    if (weights == WEIGHTS_NONE) {
        memcpy(to, from, q * sizeof *to);
        return;
    }
    for (size_t k = 0; k < q; k++) {
        to[k] = 0;
        for (size_t l = 0; l < q; l++)
            to[k] += from[l] != 0 ? agreement_weight(weights, k, l, q) * from[l] : 0;
    }
}

struct estimate agreement_undefined(const char *word, const char *why)
{
    return (struct estimate){ .undefined = word, .why = why, .value = NAN, .se = NAN };
}

static double row_times(const struct table *t, struct times times, size_t row)
{
    return times.annotators ? times.annotators[t->annotator[row]] : 1;
}

/* An item's values: how many, and the share of their pairs that agrees. */
struct seen {
    double values, pairs, agree;
};

static struct seen item_seen(const struct table *t, size_t item, int64_t weights,
                             struct times times, double *tally)
{
    size_t first = t->starts[item], last = t->starts[item + 1];
    struct seen s = {0};
    double squares = 0, sum = 0;

    for (size_t r = first; r < last; r++) {
        double w = row_times(t, times, r);
        tally[t->label[r]] += w;
        s.values += w;
        squares += w * w;
    }
    s.pairs = s.values * s.values - squares;
    if (weights == WEIGHTS_NONE)
        for (size_t r = first; r < last; r++)
            sum += row_times(t, times, r) * tally[t->label[r]];
    else if ((last - first) > t->labels)
        for (size_t k = 0; k < t->labels; k++)
            for (size_t l = 0; l < t->labels && tally[k] > 0; l++)
                sum += tally[k] * tally[l] * agreement_weight(weights, k, l, t->labels);
    else
        for (size_t r = first; r < last; r++)
            for (size_t u = first; u < last; u++)
                sum += row_times(t, times, r) * row_times(t, times, u) *
                       agreement_weight(weights, (size_t)t->label[r], (size_t)t->label[u],
                                        t->labels);
    for (size_t r = first; r < last; r++)
        tally[t->label[r]] = 0;
    s.agree = s.pairs > 0 ? (sum - squares) / s.pairs : 0;
    return s;
}

/* ---- chance ---- */

/* Sums over the items of a resample. */
struct chance {
    int method;
    int64_t weights;
    struct times times;
    double *share, *weighed, *tally, *own; /* [labels] each */
    double items, paired;  /* with a value, with two */
    double base;           /* Conger: sum over annotators of v_g p_g */
    double meetings;       /* Conger: pairs of annotators */
};

static double weight_sum(int64_t weights, size_t q)
{
    double sum = 0;

    for (size_t d = 0; d < q; d++)
        sum += (d ? 2 : 1) * (double)(q - d) * agreement_weight(weights, 0, d, q);
    return sum;
}

/* Annotator g's own shares, in c->own; returns how many values. */
static double conger_own(const struct table *t, struct chance *c, size_t g)
{
    double n = 0;

    memset(c->own, 0, t->labels * sizeof *c->own);
    for (size_t i = t->annotator_starts[g]; i < t->annotator_starts[g + 1]; i++) {
        size_t r = t->by_annotator[i];
        double w = c->times.items ? c->times.items[t->item[r]] : 1;
        c->own[t->label[r]] += w;
        n += w;
    }
    for (size_t k = 0; k < t->labels && n > 0; k++)
        c->own[k] /= n;
    return n;
}

/* P_e; leaves the weighed sum of all annotators' shares in c->weighed. */
static double conger_expected(const struct table *t, struct chance *c)
{
    double all = 0, squares = 0, same = 0, sum = 0;
    double *total = c->share;

    memset(total, 0, t->labels * sizeof *total);
    for (size_t g = 0; g < t->annotators; g++) {
        double w = c->times.annotators ? c->times.annotators[g] : 1;
        if (!(w > 0) || !(conger_own(t, c, g) > 0))
            continue;
        agreement_weigh(c->tally, c->own, c->weights, t->labels);
        for (size_t k = 0; k < t->labels; k++) {
            total[k] += w * c->own[k];
            same += w * w * c->own[k] * c->tally[k];
        }
        all += w;
        squares += w * w;
    }
    agreement_weigh(c->weighed, total, c->weights, t->labels);
    memset(c->tally, 0, t->labels * sizeof *c->tally);
    for (size_t k = 0; k < t->labels; k++)
        sum += total[k] * c->weighed[k];
    c->meetings = all * all - squares;
    c->base = sum - same;
    return c->meetings > 0 ? c->base / c->meetings : NAN;
}

static double chance_expected(const struct table *t, struct chance *c)
{
    double q = (double)t->labels, sum = weight_sum(c->weights, t->labels), expected = 0;

    switch (c->method) {
    case CHANCE_CONGER: return conger_expected(t, c);
    case CHANCE_FLEISS: agreement_weigh(c->weighed, c->share, c->weights, t->labels); break;
    case CHANCE_GWET:
        for (size_t k = 0; k < t->labels; k++)
            c->weighed[k] = sum / (q * (q - 1)) * (1 - c->share[k]);
        break;
    default:
        for (size_t k = 0; k < t->labels; k++)
            c->weighed[k] = sum / (q * q);
    }
    for (size_t k = 0; k < t->labels; k++)
        expected += c->share[k] * c->weighed[k];
    return expected;
}

/* ---- standard errors ---- */

/* chance[i]: item i's part of Conger's P_e. An item adds, for each of its values,
 * n/n_g (v_g[label] - v_g p_g), where v_g is what annotator g meets in the others. */
static void conger_parts(const struct table *t, struct chance *c, double *chance)
{
    for (size_t i = 0; i < t->items; i++)
        chance[i] = c->base / c->meetings;
    for (size_t g = 0; g < t->annotators; g++) {
        double n = conger_own(t, c, g), mean = 0;
        agreement_weigh(c->tally, c->own, c->weights, t->labels);
        for (size_t k = 0; k < t->labels; k++)
            mean += c->own[k] * (c->weighed[k] - c->tally[k]);
        for (size_t i = t->annotator_starts[g]; i < t->annotator_starts[g + 1]; i++) {
            size_t r = t->by_annotator[i], k = (size_t)t->label[r];
            chance[t->item[r]] += c->items / n * (c->weighed[k] - c->tally[k] - mean) /
                                  c->meetings;
        }
    }
    memset(c->tally, 0, t->labels * sizeof *c->tally);
}

static double item_chance(const struct table *t, const struct chance *c, size_t item)
{
    size_t m = t->starts[item + 1] - t->starts[item];
    double chance = 0;

    for (size_t r = t->starts[item]; r < t->starts[item + 1]; r++)
        chance += c->weighed[t->label[r]] / (double)m;
    return chance;
}

/* parts: NULL, or [items] from conger_parts. */
static double chance_error(const struct table *t, struct chance *c, const struct estimate *e,
                           const double *parts)
{
    double spread = 1 - e->expected, squares = 0, n = c->items;

    if (n < 2)
        return NAN;
    for (size_t i = 0; i < t->items; i++) {
        struct seen s = item_seen(t, i, c->weights, c->times, c->tally);
        double kappa = 0;
        if (!(s.values > 0))
            continue;
        if (s.pairs > 0)
            kappa = n / c->paired * (s.agree - e->expected) / spread;
        kappa -= 2 * (1 - e->value) * ((parts ? parts[i] : item_chance(t, c, i)) - e->expected) /
                     spread + e->value;
        squares += kappa * kappa;
    }
    return sqrt(squares / (n * (n - 1)));
}

/* ---- estimates ---- */

static void chance_sums(const struct table *t, struct chance *c, struct estimate *e)
{
    double squares = 0;

    for (size_t i = 0; i < t->items; i++) {
        double w = c->times.items ? c->times.items[i] : 1;
        struct seen s = { 0 };
        if (w > 0)
            s = item_seen(t, i, c->weights, c->times, c->tally);
        if (!(s.values > 0))
            continue;
        for (size_t r = t->starts[i]; r < t->starts[i + 1]; r++)
            c->share[t->label[r]] += w * row_times(t, c->times, r) / s.values;
        c->items += w;
        if (!(s.pairs > 0))
            continue;
        c->paired += w;
        double delta = s.agree - e->observed;
        e->observed += w * delta / c->paired;
        squares += w * delta * (s.agree - e->observed);
        e->n += (size_t)w;
    }
    for (size_t k = 0; k < t->labels && c->items > 0; k++)
        c->share[k] /= c->items;
    e->se = c->paired > 1 ? sqrt(squares / (c->paired * (c->paired - 1))) : NAN;
}

struct estimate agreement_chance(const struct table *t, int method, int64_t weights,
                                 struct times times, double *scratch)
{
    size_t q = t->labels, used = 0;
    struct chance c = { .method = method, .weights = weights, .times = times, .share = scratch,
                        .weighed = scratch + q, .tally = scratch + 2 * q,
                        .own = scratch + 3 * q };
    struct estimate e = { .se = NAN };

    memset(scratch, 0, 4 * q * sizeof *scratch);
    chance_sums(t, &c, &e);
    if (!(c.paired > 0))
        return agreement_undefined("unpaired", "no item has values of two annotators");
    e.value = e.observed;
    if (method == CHANCE_PERCENT)
        return e;
    e.se = NAN;
    for (size_t k = 0; k < q; k++)
        used += c.share[k] > 0;
    if (used < 2)
        return agreement_undefined("unanimous", "all values are equal, so chance agrees, too");
    e.expected = chance_expected(t, &c);
    if (!(e.expected < 1))
        return agreement_undefined("unpaired", "annotators who share items are too few");
    e.value = (e.observed - e.expected) / (1 - e.expected);
    if (times.items || times.annotators)
        return e;
    if (method == CHANCE_CONGER) {
        conger_parts(t, &c, t->parts);
        e.se = chance_error(t, &c, &e, t->parts);
    } else {
        e.se = chance_error(t, &c, &e, NULL);
    }
    return e;
}

/* ---- bootstrap ---- */

struct resampling {
    const struct agreement *options;
    const struct table *t;
    int method;
    double *scratch; /* [pieces, 4 * labels + 4] */
};

static double resampling_value(void *arg, size_t piece, const uint32_t *drawn)
{
    const struct resampling *s = arg;
    bool people = s->options->cluster == CLUSTER_ANNOTATOR;
    struct times times = { people ? NULL : drawn, people ? drawn : NULL };
    int64_t weights = s->method == CHANCE_PERCENT ? WEIGHTS_NONE : s->options->weights;
    struct estimate e = agreement_chance(s->t, s->method, weights, times,
                                         s->scratch + piece * (4 * s->t->labels + 4));

    return e.undefined ? NAN : e.value;
}

int agreement_chance_interval(const struct agreement *o, const struct table *t, int method,
                              struct interval *out, hone_error *err)
{
    struct resampling s = { .options = o, .t = t, .method = method };
    struct bootstrap b = { .options = o, .value = resampling_value, .arg = &s };
    int code;

    b.pieces = (size_t)hone_context_threads(o->context);
    b.clusters = o->cluster == CLUSTER_ANNOTATOR ? t->annotators : t->items;
    s.scratch = hone_alloc(b.pieces, (4 * t->labels + 4) * sizeof *s.scratch);
    code = s.scratch ? agreement_bootstrap(&b, out, err) : hone_fail_memory(err, "a bootstrap");
    hone_free(s.scratch);
    return code;
}
