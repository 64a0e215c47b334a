/* pool.c -- whether the annotators are those that the target is made of.
 *
 * targets say shares of attributes of annotators: "gender=Woman: 0.51".
 *
 *   effect    largest total variation distance of an attribute, half the sum of
 *             |share of annotators - target|; attribute says which
 *   p         chi-squared test of that attribute against its target, times the
 *             number of attributes
 *   attributes  [{ attribute, unknown, distance, p, groups = [{ group, annotators,
 *             share, target, mean, sd }], outcomes = { all, post_stratified },
 *             recruit = [groups, most useful first] }]
 *             mean, sd: of annotators' mean outcomes; all: mean over judgements;
 *             post_stratified: group means by the target's shares
 *   recruit   order by N^2 s^2/(n (n + 1)), N the target's share, s the sd (of a
 *             group with fewer than two annotators: the pooled one), n annotators:
 *             by how much one more lowers the variance of the stratified mean;
 *             a group with none comes first
 *
 * mitigate rakes: annotators = [{ annotator, weight }] (mean 1, at most `cap`) with
 * which every attribute has its target shares of annotators; n_eff is Kish's
 * (sum w)^2/sum w^2; before, after: the largest distance. Those with an unknown
 * attribute keep weight 1 for it. Groups that nobody is of are named as missing.
 *
 * Deming & Stephan 1940, doi:10.1214/aoms/1177731829; Kish 1965; Neyman 1934. */
#include "finding.h"

#include <stdlib.h>

struct pool {
    struct bias_options common;
    struct bias_outcome outcome;
    hone_string_list targets;
    double cap;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct pool),
    BIAS_OUTCOME(struct pool),
    HONE_OPT_STRINGS(struct pool, targets, "targets", "[]",
                     "\"attribute=group: share\" of the people asked about; the shares of an "
                     "attribute add up to 1"),
    HONE_OPT_REAL(struct pool, cap, "cap", 5, 1, 1e9, "mitigate: largest weight of an annotator"),
    HONE_OPT_END
};

enum { POOL_NAME = 128, POOL_TARGETS = 256 };

struct pool_target {
    char attribute[POOL_NAME], group[POOL_NAME];
    double share;
};

struct pool_view {
    const hone_judgements *j;
    struct pool_target *targets; /* [count], owned */
    size_t count, annotators;
    double *y, *sum, *n;         /* [rows], [annotators], [annotators]; owned */
    struct bias_groups groups;   /* of the attribute looked at */
    bool outcomes;
};

/* ---- targets ---- */

static int pool_parse(struct pool_target *t, const char *text, hone_error *err)
{
    const char *equals = strchr(text, '='), *colon = strrchr(text, ':'), *p;
    double scale = 1;
    bool dot = false;

    if (!equals || !colon || colon < equals + 2 || equals == text ||
        equals - text >= POOL_NAME || colon - equals > POOL_NAME)
        return hone_fail(err, HONE_EINVAL, "targets: '%.100s' is not \"attribute=group: share\"",
                         text);
    memset(t, 0, sizeof *t);
    memcpy(t->attribute, text, (size_t)(equals - text));
    memcpy(t->group, equals + 1, (size_t)(colon - equals - 1));
    p = colon + 1 + strspn(colon + 1, " ");
    for (text = p; (*p >= '0' && *p <= '9') || (*p == '.' && !dot); p++) {
        dot = dot || *p == '.';
        scale /= dot && *p != '.' ? 10 : 1;
        t->share = *p == '.' ? t->share : t->share * 10 + (*p - '0');
    }
    t->share *= scale;
    if (p == text || *p || !(t->share <= 1))
        return hone_fail(err, HONE_EINVAL, "targets: '%.100s': the share is '%.20s' (allowed: 0 "
                         "to 1)", t->group, text);
    return HONE_OK;
}

/* The first target of each attribute stands for it. */
static bool pool_is_first(const struct pool_view *v, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(v->targets[k].attribute, v->targets[i].attribute) == 0)
            return false;
    return true;
}

static int pool_targets(struct pool_view *v, const struct pool *o, hone_error *err)
{
    int code = HONE_OK;

    v->count = o->targets.count;
    if (!v->count || v->count > POOL_TARGETS)
        return hone_fail(err, HONE_EINVAL, "targets has %zu members (allowed: 1 to %d), such as "
                         "\"gender=Woman: 0.51\"", v->count, POOL_TARGETS);
    v->targets = hone_alloc(v->count, sizeof *v->targets);
    if (!v->targets)
        return hone_fail_memory(err, "targets");
    for (size_t i = 0; i < v->count && !code; i++)
        code = pool_parse(&v->targets[i], o->targets.items[i], err);
    for (size_t i = 0; i < v->count && !code; i++) {
        double sum = 0;
        for (size_t k = 0; k < v->count; k++)
            if (strcmp(v->targets[i].attribute, v->targets[k].attribute) == 0)
                sum += v->targets[k].share;
        if (fabs(sum - 1) > 0.01)
            code = hone_fail(err, HONE_EINVAL, "targets: the shares of '%s' sum to %g, not 1",
                             v->targets[i].attribute, sum);
    }
    return code;
}

static const struct pool_target *pool_target_of(const struct pool_view *v, const char *attribute,
                                                const char *group)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->targets[i].attribute, attribute) == 0 &&
            strcmp(v->targets[i].group, group) == 0)
            return &v->targets[i];
    return NULL;
}

static void pool_close(struct pool_view *v)
{
    bias_groups_free(&v->groups);
    hone_free(v->targets);
    hone_free(v->y);
    hone_free(v->sum);
    hone_free(v->n);
}

static int pool_open(struct pool_view *v, const struct pool *o, const hone_judgements *j,
                     hone_error *err)
{
    size_t rows = hone_judgements_count(j);
    bool binary;
    int code = pool_targets(v, o, err);

    v->j = j;
    v->annotators = hone_judgements_annotators(j);
    if (code)
        return code;
    v->y = hone_alloc(rows + 1, sizeof *v->y);
    v->sum = hone_alloc(v->annotators + 1, sizeof *v->sum);
    v->n = hone_alloc(v->annotators + 1, sizeof *v->n);
    if (!v->y || !v->sum || !v->n)
        return hone_fail_memory(err, "annotators");
    /* Without `positive`, labels have no mean: shares are compared all the same. */
    v->outcomes = o->outcome.positive.count || hone_judgements_level(j) == HONE_INTERVAL ||
                  hone_judgements_level(j) == HONE_RATIO || !isnan(o->outcome.threshold);
    if (v->outcomes)
        code = bias_outcomes(&o->outcome, j, v->y, &binary, err);
    for (size_t r = 0; r < rows && !code; r++) {
        v->sum[hone_judgements_annotator(j)[r]] += v->y[r];
        v->n[hone_judgements_annotator(j)[r]]++;
    }
    return code;
}

/* ---- detection ---- */

/* A group that there is or should be. */
struct pool_group {
    const char *name;
    double annotators, target, mean, squares, rows, sum, usefulness;
};

static int pool_order(const void *a, const void *b)
{
    const struct pool_group *x = a, *y = b;
    return (x->usefulness < y->usefulness) - (x->usefulness > y->usefulness);
}

static size_t pool_groups(struct pool_group *list, const struct pool_view *v,
                          const char *attribute)
{
    size_t count = v->groups.count;

    for (size_t g = 0; g < count; g++) {
        const struct pool_target *t = pool_target_of(v, attribute, v->groups.names[g]);
        list[g] = (struct pool_group){ .name = v->groups.names[g], .target = t ? t->share : 0 };
    }
    for (size_t i = 0; i < v->count; i++) {
        bool known = strcmp(v->targets[i].attribute, attribute) != 0;
        for (size_t g = 0; g < v->groups.count; g++)
            known = known || strcmp(v->groups.names[g], v->targets[i].group) == 0;
        if (!known)
            list[count++] = (struct pool_group){ .name = v->targets[i].group,
                                                 .target = v->targets[i].share };
    }
    for (size_t a = 0; a < v->annotators; a++) {
        struct pool_group *g = v->groups.of[a] < 0 || !(v->n[a] > 0) ? NULL
                                                                    : &list[v->groups.of[a]];
        double mean = v->sum[a] / v->n[a], delta;
        if (!g)
            continue;
        g->annotators++;
        g->rows += v->n[a];
        g->sum += v->sum[a];
        delta = mean - g->mean;
        g->mean += delta / g->annotators;
        g->squares += delta * (mean - g->mean);
    }
    return count;
}

static void pool_usefulness(struct pool_group *list, size_t count)
{
    double squares = 0, freedom = 0;

    for (size_t g = 0; g < count; g++) {
        squares += list[g].squares;
        freedom += fmax(0, list[g].annotators - 1);
    }
    for (size_t g = 0; g < count; g++) {
        double n = list[g].annotators, pooled = freedom > 0 && squares > 0 ? squares / freedom : 1;
        double variance = n > 1 ? list[g].squares / (n - 1) : pooled;
        list[g].usefulness = !(list[g].target > 0) ? 0 : !(n > 0) ? INFINITY
                           : list[g].target * list[g].target * variance / (n * (n + 1));
    }
}

static int pool_put_group(json_t *list, const struct pool_group *g, double all, bool outcomes)
{
    json_t *one = json_object();
    int failed = json_array_append_new(list, one) | bias_put_text(one, "group", g->name) |
                 bias_put_count(one, "annotators", (size_t)g->annotators) |
                 bias_put_real(one, "share", all > 0 ? g->annotators / all : 0) |
                 bias_put_real(one, "target", g->target);

    if (outcomes)
        failed |= bias_put_real(one, "mean", g->annotators > 0 ? g->mean : NAN) |
                  bias_put_real(one, "judgement_mean", g->rows > 0 ? g->sum / g->rows : NAN) |
                  bias_put_real(one, "sd", g->annotators > 1
                                ? sqrt(g->squares / (g->annotators - 1)) : NAN);
    return failed;
}

static int pool_put_outcomes(json_t *to, const struct pool_group *list, size_t count)
{
    double sum = 0, rows = 0, stratified = 0, covered = 0;

    for (size_t g = 0; g < count; g++) {
        sum += list[g].sum;
        rows += list[g].rows;
        if (list[g].rows > 0) {
            stratified += list[g].target * list[g].sum / list[g].rows;
            covered += list[g].target;
        }
    }
    return bias_put_real(to, "all", rows > 0 ? sum / rows : NAN) |
           bias_put_real(to, "post_stratified", covered > 0 ? stratified / covered : NAN) |
           bias_put_real(to, "covered", covered);
}

/* One attribute: fills `to`, returns its distance and p. */
static int pool_attribute(json_t *to, double *distance, double *p, double *people,
                          const struct pool_view *v, const char *attribute, hone_error *err)
{
    struct pool_group *list = hone_alloc(v->groups.count + v->count + 1, sizeof *list);
    json_t *groups = json_array(), *recruit = json_array(), *outcomes = json_object();
    double all = 0, chi = 0, freedom = -1;
    size_t count;
    int failed = json_object_set_new(to, "groups", groups) |
                 json_object_set_new(to, "recruit", recruit) |
                 json_object_set_new(to, "outcomes", outcomes) | !list;

    if (failed) {
        hone_free(list);
        return hone_fail_memory(err, "groups");
    }
    count = pool_groups(list, v, attribute);
    *distance = 0;
    for (size_t g = 0; g < count; g++)
        all += list[g].annotators;
    for (size_t g = 0; g < count; g++) {
        double expected = all * list[g].target;
        *distance += fabs(list[g].annotators / all - list[g].target) / 2;
        freedom += expected > 0;
        chi += expected > 0 ? (list[g].annotators - expected) *
                              (list[g].annotators - expected) / expected
             : list[g].annotators > 0 ? INFINITY : 0;
        failed |= pool_put_group(groups, &list[g], all, v->outcomes);
    }
    *p = freedom > 0 ? hone_chi_squared_tail(chi, freedom) : chi > 0 ? 0 : 1;
    *people = all;
    if (v->outcomes)
        failed |= pool_put_outcomes(outcomes, list, count);
    pool_usefulness(list, count);
    qsort(list, count, sizeof *list, pool_order);
    for (size_t g = 0; g < count && list[g].usefulness > 0; g++)
        failed |= json_array_append_new(recruit, json_string(list[g].name));
    failed |= bias_put_text(to, "attribute", attribute) | bias_put_real(to, "distance", *distance) |
              bias_put_real(to, "p", *p) | bias_put_count(to, "unknown", v->groups.unknown);
    hone_free(list);
    return failed ? hone_fail_memory(err, "groups") : HONE_OK;
}

static int pool_detect(void *self, const hone_judgements *j, hone_json **findings, hone_error *err)
{
    struct pool_view v = {0};
    const struct pool *o = self;
    json_t *to = json_object(), *list = json_array();
    double distance = 0, p = 1, people = 0, tests = 0;
    struct bias_estimate e = { .value = -1, .se = NAN, .low = NAN, .high = NAN, .mde = NAN };
    const char *worst = "";
    int code = pool_open(&v, o, j, err);

    for (size_t i = 0; i < v.count && !code; i++) {
        json_t *one;
        if (!pool_is_first(&v, i))
            continue;
        bias_groups_free(&v.groups);
        code = bias_groups_make(&v.groups, j, v.targets[i].attribute, BIAS_OF_ANNOTATORS,
                                BIAS_GROUPS, err);
        one = json_object();
        if (json_array_append_new(list, one) && !code)
            code = hone_fail_memory(err, "attributes");
        if (!code)
            code = pool_attribute(one, &distance, &p, &people, &v, v.targets[i].attribute, err);
        tests++;
        if (!code && distance > e.value) {
            e.value = distance;
            e.p = p;
            e.n = e.clusters = (size_t)people;
            worst = v.targets[i].attribute;
        }
    }
    if (!code) {
        e.p = fmin(1, e.p * tests);
        if (bias_put_estimate(to, &e) | bias_put_text(to, "attribute", worst) |
            json_object_set(to, "attributes", list) |
            json_object_set_new(to, "items", json_array()) |
            json_object_set_new(to, "flagged", json_array()))
            code = hone_fail_memory(err, "a finding");
    }
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    json_decref(list);
    pool_close(&v);
    return code;
}

/* ---- raking ---- */

/* Make the attribute's shares those of the target; returns the largest distance
 * there was. Groups that are not in the pool leave their share to the others. */
static double pool_rake(double *weight, const struct pool_view *v, const char *attribute,
                        double *sums, bool adjust)
{
    double all = 0, covered = 0, distance = 0;

    memset(sums, 0, v->groups.count * sizeof *sums);
    for (size_t a = 0; a < v->annotators; a++)
        if (v->groups.of[a] >= 0 && v->n[a] > 0) {
            sums[v->groups.of[a]] += weight[a];
            all += weight[a];
        }
    for (size_t g = 0; g < v->groups.count; g++) {
        const struct pool_target *t = pool_target_of(v, attribute, v->groups.names[g]);
        covered += t && sums[g] > 0 ? t->share : 0;
    }
    for (size_t g = 0; g < v->groups.count; g++) {
        const struct pool_target *t = pool_target_of(v, attribute, v->groups.names[g]);
        double share = t && covered > 0 ? t->share / covered : 0;
        distance += fabs(sums[g] / all - share) / 2;
        sums[g] = sums[g] > 0 ? share * all / sums[g] : 1;
    }
    for (size_t a = 0; a < v->annotators && adjust; a++)
        if (v->groups.of[a] >= 0 && v->n[a] > 0)
            weight[a] *= sums[v->groups.of[a]];
    return distance;
}

/* Weights back to a mean of 1, none above the cap. */
static void pool_cap(double *weight, const struct pool_view *v, double cap)
{
    double sum = 0, n = 0;

    for (size_t a = 0; a < v->annotators; a++)
        if (v->n[a] > 0) {
            sum += weight[a];
            n++;
        }
    for (size_t a = 0; a < v->annotators; a++)
        weight[a] = v->n[a] > 0 && sum > 0 ? fmin(cap, weight[a] * n / sum) : weight[a];
}

/* One pass over attributes; the largest distance seen. */
static int pool_pass(double *distance, double *weight, struct pool_view *v, double *sums,
                     bool adjust, hone_error *err)
{
    int code = HONE_OK;

    *distance = 0;
    for (size_t i = 0; i < v->count && !code; i++) {
        if (!pool_is_first(v, i))
            continue;
        bias_groups_free(&v->groups);
        code = bias_groups_make(&v->groups, v->j, v->targets[i].attribute, BIAS_OF_ANNOTATORS,
                                BIAS_GROUPS, err);
        if (!code)
            *distance = fmax(*distance, pool_rake(weight, v, v->targets[i].attribute, sums,
                                                  adjust));
    }
    return code;
}

static int pool_put_weights(json_t *to, const struct pool_view *v, const double *weight)
{
    json_t *list = json_array();
    double sum = 0, squares = 0;
    int failed = json_object_set_new(to, "annotators", list);

    for (size_t a = 0; a < v->annotators && !failed; a++) {
        if (!(v->n[a] > 0))
            continue;
        sum += weight[a];
        squares += weight[a] * weight[a];
        failed |= json_array_append_new(list, json_pack("{s:s, s:f}", "annotator",
                      hone_judgements_annotator_name(v->j, a), "weight", weight[a]));
    }
    return failed | bias_put_real(to, "n_eff", squares > 0 ? sum * sum / squares : 0);
}

static int pool_mitigate(void *self, const hone_judgements *j, const hone_json *findings,
                         hone_json **result, hone_error *err)
{
    struct pool_view v = {0};
    const struct pool *o = self;
    json_t *to = json_object();
    double *weight = hone_alloc(hone_judgements_annotators(j) + 1, sizeof *weight);
    double sums[BIAS_GROUPS], before = 0, now = 1, last;
    int passes = 0, code = pool_open(&v, o, j, err);
    (void)findings;

    if (!code && !weight)
        code = hone_fail_memory(err, "weights");
    for (size_t a = 0; a < v.annotators && !code; a++)
        weight[a] = 1;
    if (!code)
        code = pool_pass(&before, weight, &v, sums, false, err);
    do {
        last = now;
        if (!code)
            code = pool_pass(&now, weight, &v, sums, true, err);
        if (!code)
            pool_cap(weight, &v, o->cap);
    } while (!code && ++passes < 1000 && now > 1e-10 && fabs(now - last) > 1e-13);
    if (!code)
        code = pool_pass(&now, weight, &v, sums, false, err);
    if (!code && (pool_put_weights(to, &v, weight) |
                  json_object_set_new(to, "before", json_pack("{s:f}", "distance", before)) |
                  json_object_set_new(to, "after", json_pack("{s:f}", "distance", now)) |
                  bias_put_count(to, "passes", (size_t)passes)))
        code = hone_fail_memory(err, "weights");
    if (!code)
        *result = json_incref(to);
    json_decref(to);
    hone_free(weight);
    pool_close(&v);
    return code;
}

static const hone_bias_ops ops = {
    .size = sizeof ops, .detect = pool_detect, .mitigate = pool_mitigate,
};

HONE_PLUGIN(pool,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether annotators are those of the target; raking; whom to recruit",
    .source = "doi:10.1214/aoms/1177731829; Kish 1965; Neyman 1934",
    .instance_size = sizeof(struct pool), .options = options, .ops = &ops);
