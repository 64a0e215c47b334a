/* elo.c -- ratings that follow comparisons one after the other.
 *
 * After a comparison of a and b with outcome S (1, 0, or 0.5 for a tie), with
 * E = 1/(1 + 10^((R_b - R_a)/scale)),
 *   R_a += k w (S - E),  R_b -= k w (S - E),
 * w the weight. Later comparisons count more, so that ratings depend on their
 * order. Where comparisons have times and ratings shall follow a change,
 * order = "time" walks them once. Else the order is an accident: `permutations`
 * random ones are averaged, and order_sd is how far one of them is from another.
 *
 * With `bootstrap`, each of so many walks is over comparisons drawn anew, in
 * random order (in that of time where order = "time"), and intervals are its
 * percentiles.
 *
 * Columns of options: rating, and as all that rank options strength (ln 10/scale
 * times the rating, mean 0 in a component), rank, component, wins, losses, ties,
 * comparisons; order_sd; with a bootstrap strength_se, strength_low,
 * strength_high. Elo 1978, The Rating of Chessplayers; Boubdir et al. 2023,
 * arXiv:2311.17295 (on the order). */
#define _GNU_SOURCE /* qsort_r */
#include "pairs.h"

#include <hone/random.h>
#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER_RANDOM, ORDER_TIME };

struct elo {
    hone_context *context;
    int64_t order, permutations, bootstrap, bad, seed;
    double k, scale, initial, confidence;
    bool ties, strength;
};

static const char *const order_words[] = { "random", "time", NULL };
static const char *const bad_words[] = { "tie", "drop", NULL };

static const hone_option options[] = {
    HONE_OPT_REAL_FLAGS(struct elo, k, "k", 4, 0, 1e6, HONE_OPTION_OPEN_MIN,
                        "points that a sure loser wins from a sure winner"),
    HONE_OPT_REAL_FLAGS(struct elo, scale, "scale", 400, 0, 1e9, HONE_OPTION_OPEN_MIN,
                        "points that make the odds ten to one"),
    HONE_OPT_REAL(struct elo, initial, "initial", 1000, -1e9, 1e9, "rating to begin with"),
    HONE_OPT_CHOICE(struct elo, order, "order", "random", order_words,
                    "random: averaged over permutations; time: once, as the comparisons came"),
    HONE_OPT_INT(struct elo, permutations, "permutations", 100, 1, 1000000,
                 "orders to average over"),
    HONE_OPT_INT(struct elo, bootstrap, "bootstrap", 0, 0, 1000000,
                 "resamples of comparisons for intervals; 0: none; 1 is too few"),
    HONE_OPT_BOOL(struct elo, ties, "ties", true, "whether a tie counts, as half a win for each"),
    HONE_OPT_CHOICE(struct elo, bad, "bad", "tie", bad_words,
                    "both options bad: counts as a tie, or is left out"),
    HONE_OPT_BOOL(struct elo, strength, "strength", false,
                  "whether a comparison counts as its strength says"),
    HONE_OPT_REAL_FLAGS(struct elo, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, "of intervals"),
    HONE_OPT_INT(struct elo, seed, "seed", 0, 0, INT64_MAX, "of permutations and resamples"),
    HONE_OPT_END
};

static int elo_init(void *self, hone_context *context, hone_error *err)
{
    struct elo *o = self;

    o->context = context;
    if (o->bootstrap == 1)
        return hone_fail(err, HONE_EINVAL, "bootstrap is 1; intervals take 2 resamples or more");
    return HONE_OK;
}

/* ---- a walk ---- */

struct walks {
    const struct elo *o;
    const struct pairs *p;
    size_t *rows;              /* [count] that count, in order of time where that is wanted */
    size_t count;
    double *ratings;           /* [walks, options] */
    bool *failed;              /* [walks] */
    const char *name;
    bool resample;
};

static void walk_step(const struct elo *o, const struct pairs *p, size_t row, double *rating)
{
    const struct pairs_cell *cell = &p->cell[p->at[row] >> 1];
    double expected = 1 / (1 + pow(10, (rating[cell->b] - rating[cell->a]) / o->scale));
    double move = o->k * pairs_weight(p, row) * (pairs_outcome(p, row) - expected);

    rating[cell->a] += move;
    rating[cell->b] -= move;
}

static int walk_compare(const void *left, const void *right)
{
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    return (a > b) - (a < b);
}

static void walks_one(void *arg, int64_t i)
{
    const struct walks *w = arg;
    double *rating = w->ratings + (size_t)i * w->p->options;
    size_t *order = hone_alloc(w->count + 1, sizeof *order);
    hone_random random;
    char name[64];

    w->failed[i] = !order;
    if (!order)
        return;
    snprintf(name, sizeof name, "elo/%s/%" PRId64, w->name, i);
    random = hone_random_named((uint64_t)w->o->seed, name);
    for (size_t r = 0; r < w->count; r++)
        order[r] = w->resample ? (size_t)hone_random_below(&random, w->count) : r;
    if (w->o->order == ORDER_RANDOM)
        hone_random_shuffle(&random, order, w->count);
    else if (w->resample)
        qsort(order, w->count, sizeof *order, walk_compare);
    for (size_t o = 0; o < w->p->options; o++)
        rating[o] = w->o->initial;
    for (size_t r = 0; r < w->count; r++)
        walk_step(w->o, w->p, w->rows[order[r]], rating);
    hone_free(order);
}

static int walks_run(struct walks *w, size_t count, const char *name, bool resample,
                     hone_error *err)
{
    int code = HONE_OK;

    hone_free(w->ratings);
    hone_free(w->failed);
    w->ratings = hone_alloc(count, (w->p->options + 1) * sizeof *w->ratings);
    w->failed = hone_alloc(count, sizeof *w->failed);
    w->name = name;
    w->resample = resample;
    if (!w->ratings || !w->failed)
        return hone_fail_memory(err, "ratings");
    hone_parallel(w->o->context, (int64_t)count, walks_one, w);
    for (size_t i = 0; i < count && !code; i++)
        code = w->failed[i] ? hone_fail_memory(err, "ratings") : HONE_OK;
    return code;
}

/* ---- order ---- */

static int time_compare(const void *left, const void *right, void *arg)
{
    const double *time = arg;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;

    if (time[a] != time[b])
        return time[a] < time[b] ? -1 : 1;
    return (a > b) - (a < b);
}

static int walks_open(struct walks *w, hone_error *err)
{
    const double *time = hone_judgements_time(w->p->judgements);

    if (!(w->rows = hone_alloc(w->p->rows + 1, sizeof *w->rows)))
        return hone_fail_memory(err, "ratings");
    for (size_t r = 0; r < w->p->rows; r++) {
        if (w->p->at[r] < 0)
            continue;
        if (w->o->order == ORDER_TIME && (!time || isnan(time[r])))
            return hone_fail(err, HONE_EINVAL, "the comparison by '%s' of item '%s' has no time; "
                             "order = random does without", hone_judgements_annotator_name(
                                 w->p->judgements, (size_t)hone_judgements_annotator(
                                     w->p->judgements)[r]),
                             hone_judgements_item_name(w->p->judgements,
                                 (size_t)hone_judgements_item(w->p->judgements)[r]));
        w->rows[w->count++] = r;
    }
    if (w->o->order == ORDER_TIME)
        qsort_r(w->rows, w->count, sizeof *w->rows, time_compare, (void *)(uintptr_t)time);
    return HONE_OK;
}

/* ---- columns ---- */

static double *elo_column(hone_consensus *out, const char *name, hone_error *err)
{
    return hone_consensus_column(out, HONE_OPTIONS, name, 1, err);
}

/* Means of walks, and how far they spread. */
static int elo_average(const struct walks *w, size_t count, double *rating, hone_consensus *out,
                       hone_error *err)
{
    double *to = elo_column(out, "rating", err), *sd = to ? elo_column(out, "order_sd", err) : NULL;

    if (!sd)
        return HONE_ENOMEM;
    for (size_t i = 0; i < w->p->options; i++) {
        double mean = 0, squares = 0;
        for (size_t k = 0; k < count; k++)
            mean += w->ratings[k * w->p->options + i] / (double)count;
        for (size_t k = 0; k < count; k++)
            squares += pow(w->ratings[k * w->p->options + i] - mean, 2);
        rating[i] = mean;
        if (w->p->component[i] < 0)
            continue;
        to[i] = mean;
        if (count > 1)
            sd[i] = sqrt(squares / (double)(count - 1));
    }
    return HONE_OK;
}

static int elo_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* one: [count]. Ratings have become strengths. */
static int elo_intervals(const struct walks *w, size_t count, double *one, hone_consensus *out,
                         hone_error *err)
{
    double *se = elo_column(out, "strength_se", err);
    double *low = se ? elo_column(out, "strength_low", err) : NULL;
    double *high = low ? elo_column(out, "strength_high", err) : NULL;
    double tail = (1 - w->o->confidence) / 2 * (double)(count - 1);

    if (!high)
        return HONE_ENOMEM;
    for (size_t i = 0; i < w->p->options; i++) {
        double mean = 0, squares = 0;
        if (w->p->component[i] < 0)
            continue;
        for (size_t k = 0; k < count; k++)
            mean += (one[k] = w->ratings[k * w->p->options + i]) / (double)count;
        for (size_t k = 0; k < count; k++)
            squares += (one[k] - mean) * (one[k] - mean);
        qsort(one, count, sizeof *one, elo_compare);
        se[i] = sqrt(squares / (double)(count - 1));
        low[i] = one[(size_t)floor(tail)];
        high[i] = one[count - 1 - (size_t)floor(tail)];
    }
    return HONE_OK;
}

static void elo_strengths(const struct walks *w, double *rating, double *scratch)
{
    for (size_t i = 0; i < w->p->options; i++)
        rating[i] *= log(10) / w->o->scale;
    pairs_centre(w->p, rating, scratch);
}

static int elo_bootstrap(struct walks *w, double *scratch, hone_consensus *out, hone_error *err)
{
    size_t count = (size_t)w->o->bootstrap;
    double *one = hone_alloc(count + 1, sizeof *one);
    int code = one ? walks_run(w, count, "bootstrap", true, err) : hone_fail_memory(err, "ratings");

    for (size_t k = 0; k < count && !code; k++)
        elo_strengths(w, w->ratings + k * w->p->options, scratch);
    if (!code)
        code = elo_intervals(w, count, one, out, err);
    if (!code)
        code = hone_consensus_set(out, "resamples", (double)count, err);
    hone_free(one);
    return code;
}

static int elo_figures(const struct walks *w, size_t count, hone_consensus *out, hone_error *err)
{
    int code = hone_consensus_set_json(out, "method", json_string("elo"), err);

    if (!code)
        code = hone_consensus_set_json(out, "order", json_string(order_words[w->o->order]), err);
    if (!code)
        code = hone_consensus_set(out, "permutations", (double)count, err);
    if (!code && !w->count)
        code = hone_consensus_set_json(out, "undefined", json_string("empty"), err);
    if (!code && !w->count)
        code = hone_consensus_set_json(out, "why", json_string("no comparison counts"), err);
    return code;
}

static int elo_aggregate(void *self, const hone_judgements *judgements, hone_consensus *out,
                         hone_error *err)
{
    const struct elo *o = self;
    struct pairs_policy policy = { o->bad, o->ties, o->strength };
    size_t count = o->order == ORDER_TIME ? 1 : (size_t)o->permutations;
    struct pairs p;
    struct walks w = { .o = o, .p = &p };
    double *strength = NULL;
    int code = pairs_open(&p, judgements, &policy, err);

    if (!code && !(strength = hone_alloc(2 * p.options + 1, sizeof *strength)))
        code = hone_fail_memory(err, "ratings");
    if (!code)
        code = walks_open(&w, err);
    if (!code)
        code = walks_run(&w, count, "permutation", false, err);
    if (!code)
        code = elo_average(&w, count, strength, out, err);
    if (!code) {
        elo_strengths(&w, strength, strength + p.options);
        code = pairs_publish(&p, strength, out, err);
    }
    if (!code && o->bootstrap && w.count)
        code = elo_bootstrap(&w, strength + p.options, out, err);
    if (!code)
        code = elo_figures(&w, count, out, err);
    hone_free(w.rows);
    hone_free(w.ratings);
    hone_free(w.failed);
    hone_free(strength);
    pairs_close(&p);
    return code;
}

static const hone_quality_ops ops = {
    .size = sizeof ops, .init = elo_init, .aggregate = elo_aggregate,
};

/* Equals: the winner takes half of k. Then 400 points make ten to one: E is
 * 10/11 for ratings 2400 and 2000, and k = 32 moves them by 32/11. */
static int elo_self_test(hone_context *context, hone_error *err)
{
    static const int wins[] = { 0, 1, 0, 0 };
    struct elo o = { .context = context, .permutations = 1, .k = 400, .scale = 400,
                     .initial = 2200, .confidence = 0.95, .ties = true };
    double rating[] = { 2400, 2000 };
    const double *seen;
    hone_judgements *j = NULL;
    hone_consensus *c = NULL;
    struct pairs p = {0};
    int code = pairs_example(&j, wins, 2, err);

    if (!code)
        code = hone_consensus_new(&c, j, err);
    if (!code)
        code = elo_aggregate(&o, j, c, err);
    seen = code ? NULL : hone_consensus_get(c, HONE_OPTIONS, "rating", NULL);
    if (!code && (fabs(seen[0] - 2400) > 1e-9 || fabs(seen[1] - 2000) > 1e-9))
        code = hone_fail(err, HONE_ENUMERIC, "ratings are %.9g and %.9g, not 2400 and 2000",
                         seen[0], seen[1]);
    if (!code)
        code = pairs_open(&p, j, &(struct pairs_policy){ .ties = true }, err);
    if (!code) {
        o.k = 32;
        walk_step(&o, &p, 0, rating);
        if (fabs(rating[0] - 2400 - 32.0 / 11) > 1e-9)
            code = hone_fail(err, HONE_ENUMERIC, "the rating is %.9g, not 2400 + 32/11", rating[0]);
    }
    pairs_close(&p);
    hone_consensus_free(c);
    hone_judgements_free(j);
    return code;
}

HONE_PLUGIN(elo,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "Elo ratings of options, in order of time or averaged over orders",
    .source = "Elo 1978; arXiv:2311.17295",
    .instance_size = sizeof(struct elo), .options = options, .ops = &ops,
    .self_test = elo_self_test);
