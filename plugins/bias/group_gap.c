/* group_gap.c -- whether groups of annotators judge the same items differently.
 *
 *   y = item mean + group + noise, by least squares within items, so that what
 *   a group happened to see does not count
 *
 *   effect       largest less smallest group effect; highest, lowest
 *   interval     from residuals summed by annotator
 *   p            share of the permutations of group labels between annotators in
 *                which the spread of the groups' mean residuals (of outcomes less
 *                item means) is at least as large
 *   groups       [{ group, annotators, n, mean (raw), effect (sum over judgements 0) }]
 *   comparisons  [{ first, second, effect, ... }] of all pairs of groups, by Holm
 *   small        [{ group, annotators }] with fewer than `least`, left out
 *   skipped      judgements of annotators whose group is not known or small; alone:
 *                items that one judgement only has, which say nothing of groups
 *
 * Good 2005, Permutation, parametric and bootstrap tests, ch. 3; mitigations: see
 * group_gap_mitigate.c. */
#include "group_gap.h"

static const char *const mitigation_words[] = { "expertise", "soft", NULL };

static const hone_option options[] = {
    BIAS_OPTIONS(struct group_gap),
    BIAS_OUTCOME(struct group_gap),
    HONE_OPT_STRING(struct group_gap, attribute, "attribute", "group",
                    "attribute of annotators that says the group"),
    HONE_OPT_INT(struct group_gap, least, "least", 5, 2, INT32_MAX,
                 "annotators that a group needs to be compared"),
    HONE_OPT_INT(struct group_gap, permutations, "permutations", 9999, 99, 10000000,
                 "of group labels between annotators"),
    HONE_OPT_INT(struct group_gap, seed, "seed", 0, 0, INT64_MAX, "of permutations"),
    HONE_OPT_CHOICE(struct group_gap, mitigation, "mitigation", "soft", mitigation_words,
                    "what mitigate makes: weights by expertise that no group loses by, or "
                    "labels in which groups count alike"),
    HONE_OPT_REAL(struct group_gap, shrink, "shrink", 4, 0, 1e9,
                  "expertise: answers of the mean accuracy that an annotator's are joined with"),
    HONE_OPT_REAL(struct group_gap, keep, "keep", 0.8, 0, 1,
                  "expertise: least part of its share of the judgements that a group keeps"),
    HONE_OPT_END
};

struct gap_view {
    struct bias_groups groups;
    double *y, *residual, *influence; /* [rows]; residual: less the item mean; owned */
    double *a, *b, *inverse;          /* [groups, groups], [groups], [groups, groups]; owned */
    double *mean, *n;                 /* [groups]; owned */
    double *share;                    /* [groups]: scratch; owned */
    json_t *small;                    /* groups left out */
    size_t rows, used, shared, unknown, alone; /* shared: items of two judgements or more */
};

static void gap_close(struct gap_view *v)
{
    bias_groups_free(&v->groups);
    double *owned[] = { v->y, v->residual, v->influence, v->a, v->b, v->inverse, v->mean, v->n,
                        v->share };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        hone_free(owned[i]);
    json_decref(v->small);
}

/* Leave out the groups with few annotators; the others keep their order. */
static int gap_leave_out(struct gap_view *v, const struct group_gap *o, size_t annotators,
                         hone_error *err)
{
    struct bias_groups *g = &v->groups;
    int64_t *n = hone_alloc(g->count + 1, sizeof *n);
    int32_t *place = hone_alloc(g->count + 1, sizeof *place);
    size_t kept = 0;
    int failed = !n | !place | !(v->small = json_array());

    for (size_t a = 0; a < annotators && !failed; a++)
        if (g->of[a] >= 0)
            n[g->of[a]]++;
    for (size_t i = 0; i < g->count && !failed; i++) {
        char *name = g->names[i];
        place[i] = n[i] < o->least ? -1 : (int32_t)kept;
        if (place[i] < 0)
            failed |= json_array_append_new(v->small, json_pack("{s:s, s:I}", "group", name,
                                                                "annotators", (json_int_t)n[i]));
        g->names[i] = g->names[kept];
        g->names[kept] = name;
        kept += place[i] >= 0;
    }
    for (size_t a = 0; a < annotators && !failed; a++)
        g->of[a] = g->of[a] < 0 ? -1 : place[g->of[a]];
    for (size_t i = kept; i < g->count && !failed; i++)
        hone_free(g->names[i]);
    if (!failed)
        g->count = kept;
    hone_free(n);
    hone_free(place);
    return failed ? hone_fail_memory(err, "groups") : HONE_OK;
}

/* Normal equations of group effects within items: of an item with n rows, n_g of
 * group g, diag(n_g) - n_g n_g'/n; b: the sum of residuals. */
static void gap_item(struct gap_view *v, const hone_judgements *j, size_t from, size_t to)
{
    size_t groups = v->groups.count;
    double sum = 0, n = 0;

    memset(v->share, 0, groups * sizeof *v->share);
    for (size_t r = from; r < to; r++) {
        int32_t g = bias_group_of(&v->groups, j, r);
        v->residual[r] = NAN;
        v->unknown += g < 0;
        if (g < 0)
            continue;
        sum += v->y[r];
        v->share[g]++;
        v->mean[g] += v->y[r];
        v->n[g]++;
        n++;
    }
    v->alone += n == 1;
    v->shared += n > 1;
    if (n < 2)
        return;
    for (size_t r = from; r < to; r++) {
        int32_t g = bias_group_of(&v->groups, j, r);
        if (g < 0)
            continue;
        v->residual[r] = v->y[r] - sum / n;
        v->b[g] += v->residual[r];
        v->used++;
    }
    for (size_t g = 0; g < groups; g++) {
        if (!(v->share[g] > 0))
            continue;
        v->a[g * groups + g] += v->share[g];
        for (size_t h = 0; h < groups; h++)
            v->a[g * groups + h] -= v->share[g] * v->share[h] / n;
    }
}

static int gap_open(struct gap_view *v, const struct group_gap *o, const hone_judgements *j,
                    hone_error *err)
{
    const int32_t *item = hone_judgements_item(j);
    size_t groups, to;
    bool binary;
    int code = bias_groups_make(&v->groups, j, o->attribute, BIAS_OF_ANNOTATORS, BIAS_GROUPS, err);

    if (!code)
        code = gap_leave_out(v, o, hone_judgements_annotators(j), err);
    if (code)
        return code;
    v->rows = hone_judgements_count(j);
    groups = v->groups.count;
    v->y = hone_alloc(v->rows + 1, sizeof(double));
    v->residual = hone_alloc(v->rows + 1, sizeof(double));
    v->influence = hone_alloc(v->rows + 1, sizeof(double));
    v->a = hone_alloc(groups * groups + 1, sizeof(double));
    v->inverse = hone_alloc(groups * groups + 1, sizeof(double));
    v->b = hone_alloc(groups + 1, sizeof(double));
    v->mean = hone_alloc(groups + 1, sizeof(double));
    v->n = hone_alloc(groups + 1, sizeof(double));
    v->share = hone_alloc(groups + 1, sizeof(double));
    if (!v->y || !v->residual || !v->influence || !v->a || !v->inverse || !v->b || !v->mean ||
        !v->n || !v->share)
        return hone_fail_memory(err, "groups");
    code = bias_outcomes(&o->outcome, j, v->y, &binary, err);
    for (size_t from = 0; from < v->rows && !code; from = to) {
        for (to = from; to < v->rows && item[to] == item[from]; to++)
            continue;
        gap_item(v, j, from, to);
    }
    return code;
}

/* b becomes the effects, with their sum over judgements 0: a is singular along
 * that direction, which n n' fills. False where groups share no items. */
static bool gap_solve(struct gap_view *v)
{
    size_t groups = v->groups.count;
    double all = 0, largest = 0;

    for (size_t g = 0; g < groups; g++) {
        all += v->n[g];
        largest = fmax(largest, v->a[g * groups + g]);
        if (!(v->a[g * groups + g] > 0))
            return false;
    }
    for (size_t g = 0; g < groups; g++)
        for (size_t h = 0; h < groups; h++)
            v->inverse[g * groups + h] = v->a[g * groups + h] + v->n[g] * v->n[h] / all;
    if (!hone_cholesky(v->inverse, groups))
        return false;
    for (size_t g = 0; g < groups; g++)
        if (v->inverse[g * groups + g] < 1e-7 * sqrt(largest))
            return false;
    hone_cholesky_solve(v->inverse, groups, v->b);
    hone_cholesky_invert(v->inverse, groups);
    return true;
}

/* influence [rows] of effect(p) - effect(q): (x_r - item mean of x) inverse
 * (e_p - e_q) times the residual of the model, which is too small by what item
 * means and groups took away: (n - 1)/(n - items - groups + 1) in its variance. */
static void gap_influence(struct gap_view *v, const hone_judgements *j, size_t p, size_t q)
{
    const int32_t *item = hone_judgements_item(j);
    size_t groups = v->groups.count, to;
    double left = (double)v->used - (double)v->shared - (double)groups + 1;
    double scale = left > 0 ? sqrt(((double)v->used - 1) / left) : 1;

    for (size_t from = 0; from < v->rows; from = to) {
        double x = 0, b = 0, n = 0;
        for (to = from; to < v->rows && item[to] == item[from]; to++) {
            int32_t g = bias_group_of(&v->groups, j, to);
            if (isnan(v->residual[to]))
                continue;
            x += v->inverse[(size_t)g * groups + p] - v->inverse[(size_t)g * groups + q];
            b += v->b[g];
            n++;
        }
        for (size_t r = from; r < to; r++) {
            int32_t g = bias_group_of(&v->groups, j, r);
            v->influence[r] = isnan(v->residual[r]) ? NAN
                : (v->inverse[(size_t)g * groups + p] - v->inverse[(size_t)g * groups + q] -
                   x / n) * (v->residual[r] - v->b[g] + b / n) * scale;
        }
    }
}

/* ---- permutation ---- */

static double gap_spread(const struct gap_view *v, const double *sums, const double *counts,
                         const int32_t *group, size_t annotators, double *total, double *n)
{
    double low = INFINITY, high = -INFINITY;

    memset(total, 0, v->groups.count * sizeof *total);
    memset(n, 0, v->groups.count * sizeof *n);
    for (size_t a = 0; a < annotators; a++) {
        total[group[a]] += sums[a];
        n[group[a]] += counts[a];
    }
    for (size_t g = 0; g < v->groups.count; g++)
        if (n[g] > 0) {
            low = fmin(low, total[g] / n[g]);
            high = fmax(high, total[g] / n[g]);
        }
    return high - low;
}

static int gap_permute(double *p, const struct gap_view *v, const struct group_gap *o,
                       const hone_judgements *j, hone_error *err)
{
    size_t all = hone_judgements_annotators(j), annotators = 0, groups = v->groups.count;
    double *sums = hone_alloc(all + 1, sizeof *sums), *counts = hone_alloc(all + 1, sizeof *counts);
    double *scratch = hone_alloc(2 * groups + 1, sizeof *scratch), seen;
    int32_t *group = hone_alloc(all + 1, sizeof *group);
    hone_random random = hone_random_named((uint64_t)o->seed, "bias/group_gap");
    int64_t beyond = 1;
    int code = sums && counts && scratch && group ? HONE_OK : hone_fail_memory(err, "permutations");

    for (size_t r = 0; r < v->rows && !code; r++)
        if (!isnan(v->residual[r])) {
            sums[hone_judgements_annotator(j)[r]] += v->residual[r];
            counts[hone_judgements_annotator(j)[r]]++;
        }
    for (size_t a = 0; a < all && !code; a++)
        if (v->groups.of[a] >= 0 && counts[a] > 0) {
            sums[annotators] = sums[a];
            counts[annotators] = counts[a];
            group[annotators++] = v->groups.of[a];
        }
    if (!code) {
        seen = gap_spread(v, sums, counts, group, annotators, scratch, scratch + groups);
        for (int64_t i = 0; i < o->permutations; i++) {
            for (size_t a = annotators; a > 1; a--) {
                size_t k = (size_t)hone_random_below(&random, a);
                int32_t swap = group[a - 1];
                group[a - 1] = group[k];
                group[k] = swap;
            }
            beyond += gap_spread(v, sums, counts, group, annotators, scratch,
                                 scratch + groups) >= seen * (1 - 1e-9);
        }
        *p = (double)beyond / (double)(o->permutations + 1);
    }
    hone_free(sums);
    hone_free(counts);
    hone_free(scratch);
    hone_free(group);
    return code;
}

/* ---- findings ---- */

static int gap_put_groups(json_t *to, const struct gap_view *v, const hone_judgements *j,
                          bool solved)
{
    json_t *list = json_array();
    int failed = json_object_set_new(to, "groups", list);

    for (size_t g = 0; g < v->groups.count && !failed; g++) {
        json_t *one = json_object();
        size_t annotators = 0;
        for (size_t a = 0; a < hone_judgements_annotators(j); a++)
            annotators += v->groups.of[a] == (int32_t)g;
        failed |= json_array_append_new(list, one) |
                  bias_put_text(one, "group", v->groups.names[g]) |
                  bias_put_count(one, "annotators", annotators) |
                  bias_put_count(one, "n", (size_t)v->n[g]) |
                  bias_put_real(one, "mean", v->mean[g] / v->n[g]) |
                  bias_put_real(one, "effect", solved ? v->b[g] : NAN);
    }
    return failed;
}

static int gap_put_comparisons(json_t *to, struct gap_view *v, const struct group_gap *o,
                               const hone_judgements *j, hone_error *err)
{
    json_t *list = json_array();
    int failed = json_object_set_new(to, "comparisons", list), code = HONE_OK;

    for (size_t p = 0; p < v->groups.count && !failed; p++)
        for (size_t q = p + 1; q < v->groups.count && !failed && !code; q++) {
            json_t *one = json_object();
            struct bias_estimate e;
            gap_influence(v, j, p, q);
            code = bias_estimate(&e, &o->common, v->b[p] - v->b[q], v->influence,
                                 bias_cluster(j, BIAS_BY_ANNOTATOR), v->rows, err);
            failed |= json_array_append_new(list, one) ||
                      bias_put_text(one, "first", v->groups.names[p]) ||
                      bias_put_text(one, "second", v->groups.names[q]) ||
                      bias_put_estimate(one, &e);
        }
    return failed ? hone_fail_memory(err, "comparisons") : code ? code : bias_put_holm(list, err);
}

static int gap_findings(json_t *to, struct gap_view *v, const struct group_gap *o,
                        const hone_judgements *j, hone_error *err)
{
    struct bias_estimate e;
    size_t high = 0, low = 0;
    bool solved = v->groups.count > 1 && v->used && gap_solve(v);
    int code, failed = gap_put_groups(to, v, j, solved) |
                       bias_put_count(to, "skipped", v->unknown) |
                       bias_put_count(to, "alone", v->alone) |
                       json_object_set(to, "small", v->small);

    if (!solved) {
        failed |= v->groups.count < 2
                  ? bias_put_undefined(to, "one_group", "fewer than two groups have enough "
                                       "annotators")
                  : bias_put_undefined(to, "unshared", "groups share no items, so that items and "
                                       "groups cannot be told apart");
        return failed ? hone_fail_memory(err, "a finding") : HONE_OK;
    }
    for (size_t g = 1; g < v->groups.count; g++) {
        high = v->b[g] > v->b[high] ? g : high;
        low = v->b[g] < v->b[low] ? g : low;
    }
    code = gap_put_comparisons(to, v, o, j, err);
    gap_influence(v, j, high, low);
    if (!code)
        code = bias_estimate(&e, &o->common, v->b[high] - v->b[low], v->influence,
                             bias_cluster(j, BIAS_BY_ANNOTATOR), v->rows, err);
    if (!code)
        code = gap_permute(&e.p, v, o, j, err);
    if (code)
        return code;
    failed |= bias_put_estimate(to, &e) | bias_put_text(to, "highest", v->groups.names[high]) |
              bias_put_text(to, "lowest", v->groups.names[low]);
    /* Behind the effect: the part of each row in it, which adds up to it. */
    for (size_t r = 0; r < v->rows; r++) {
        int32_t g = bias_group_of(&v->groups, j, r);
        size_t groups = v->groups.count;
        v->influence[r] = isnan(v->residual[r]) ? NAN
            : (v->inverse[(size_t)g * groups + high] - v->inverse[(size_t)g * groups + low]) *
              v->residual[r];
    }
    return failed ? hone_fail_memory(err, "a finding")
                  : bias_put_items(to, &o->common, &e, j, v->influence, err);
}

static int group_gap_detect(void *self, const hone_judgements *j, hone_json **findings,
                            hone_error *err)
{
    struct gap_view v = {0};
    json_t *to = json_object();
    int code = gap_open(&v, self, j, err);

    if (!code)
        code = gap_findings(to, &v, self, j, err);
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    gap_close(&v);
    return code;
}

static const hone_bias_ops ops = {
    .size = sizeof ops, .detect = group_gap_detect, .mitigate = group_gap_mitigate,
};

HONE_PLUGIN(group_gap,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether groups of annotators judge the same items differently",
    .source = "Good 2005, Permutation, parametric and bootstrap tests of hypotheses",
    .instance_size = sizeof(struct group_gap), .options = options, .ops = &ops);
