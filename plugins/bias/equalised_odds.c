/* equalised_odds.c -- whether errors fall on groups alike.
 *
 * The truth is an attribute of items; a judgement says positive or not.
 *
 *   effect    the larger of the gaps of true and false positive rates between
 *             groups; `rate` says which. p is twice its own (of two tests).
 *   true_positive, false_positive   each a finding (see gap.h)
 *   groups    [{ group, n, tn, fp, fn, tp, tpr, fpr, fnr }]
 *   average   mean of both gaps
 *   skipped   { group, truth }: judgements where these are not known
 *
 * Hardt, Price & Srebro 2016, arXiv:1610.02413. */
#include "gap.h"

struct odds {
    struct bias_options common;
    struct bias_outcome outcome;
    const char *attribute, *truth;
    hone_string_list truth_positive;
    int64_t of, cluster, least;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct odds),
    BIAS_OUTCOME(struct odds),
    BIAS_CLUSTER(struct odds, cluster, "item"),
    HONE_OPT_STRING(struct odds, attribute, "attribute", "group",
                    "attribute of items or annotators that says the group"),
    HONE_OPT_CHOICE(struct odds, of, "of", "any", bias_of_words, "whose attribute it is"),
    HONE_OPT_STRING(struct odds, truth, "truth", "truth", "attribute of items: the right answer"),
    HONE_OPT_STRINGS(struct odds, truth_positive, "truth_positive", "[\"1\", \"true\", \"yes\"]",
                     "values of truth that count as positive"),
    HONE_OPT_INT(struct odds, least, "least", 5, 1, INT32_MAX,
                 "judgements of a truth that a group needs to be compared"),
    HONE_OPT_END
};

struct odds_view {
    struct bias_groups groups, truths;
    bool *right;                   /* [truths.count]: positive; owned */
    double *y, *part, *influence[2]; /* [rows], owned */
    int32_t *of;                   /* [rows], owned */
    size_t (*counts)[4];           /* [groups]: tn, fp, fn, tp; owned */
    size_t rows, no_group, no_truth;
};

static void odds_close(struct odds_view *v)
{
    bias_groups_free(&v->groups);
    bias_groups_free(&v->truths);
    hone_free(v->right);
    hone_free(v->y);
    hone_free(v->part);
    hone_free(v->influence[0]);
    hone_free(v->influence[1]);
    hone_free(v->of);
    hone_free(v->counts);
}

static int odds_count(struct odds_view *v, const struct odds *o, const hone_judgements *j,
                      hone_error *err)
{
    size_t known = 0;

    v->right = hone_alloc(v->truths.count + 1, sizeof *v->right);
    v->counts = hone_alloc(v->groups.count + 1, sizeof *v->counts);
    if (!v->right || !v->counts)
        return hone_fail_memory(err, "counts");
    for (size_t t = 0; t < v->truths.count; t++)
        for (size_t i = 0; i < o->truth_positive.count; i++)
            if (strcmp(v->truths.names[t], o->truth_positive.items[i]) == 0)
                known += v->right[t] = true;
    if (!known)
        return hone_fail(err, HONE_EINVAL, "truth_positive: no item has such a '%s'; '%s' is one "
                         "that items have", o->truth, v->truths.count ? v->truths.names[0] : "");
    for (size_t r = 0; r < v->rows; r++) {
        int32_t g = bias_group_of(&v->groups, j, r), t = bias_group_of(&v->truths, j, r);
        v->no_group += g < 0;
        v->no_truth += t < 0;
        v->of[r] = t < 0 ? -1 : g;
        if (v->of[r] >= 0)
            v->counts[g][2 * v->right[t] + (v->y[r] > 0)]++;
    }
    return HONE_OK;
}

static int odds_open(struct odds_view *v, const struct odds *o, const hone_judgements *j,
                     hone_error *err)
{
    bool binary;
    int code;

    *v = (struct odds_view){ .rows = hone_judgements_count(j) };
    v->y = hone_alloc(v->rows + 1, sizeof *v->y);
    v->part = hone_alloc(v->rows + 1, sizeof *v->part);
    v->influence[0] = hone_alloc(v->rows + 1, sizeof(double));
    v->influence[1] = hone_alloc(v->rows + 1, sizeof(double));
    v->of = hone_alloc(v->rows + 1, sizeof *v->of);
    if (!v->y || !v->part || !v->influence[0] || !v->influence[1] || !v->of)
        return hone_fail_memory(err, "outcomes");
    code = bias_groups_make(&v->groups, j, o->attribute, o->of, BIAS_GROUPS, err);
    if (!code)
        code = bias_groups_make(&v->truths, j, o->truth, BIAS_OF_ITEMS, 0, err);
    if (!code)
        code = bias_outcomes(&o->outcome, j, v->y, &binary, err);
    if (!code && !binary)
        code = hone_fail(err, HONE_EINVAL, "judgements are numbers: say the threshold");
    return code ? code : odds_count(v, o, j, err);
}

static double odds_share(size_t part, size_t other)
{
    return part + other ? (double)part / (double)(part + other) : NAN;
}

static int odds_put_groups(json_t *to, const struct odds_view *v)
{
    json_t *list = json_array();
    int failed = json_object_set_new(to, "groups", list);

    for (size_t g = 0; g < v->groups.count && !failed; g++) {
        const size_t *c = v->counts[g];
        json_t *one = json_object();
        failed |= json_array_append_new(list, one) |
                  bias_put_text(one, "group", v->groups.names[g]) |
                  bias_put_count(one, "n", c[0] + c[1] + c[2] + c[3]) |
                  bias_put_count(one, "tn", c[0]) | bias_put_count(one, "fp", c[1]) |
                  bias_put_count(one, "fn", c[2]) | bias_put_count(one, "tp", c[3]) |
                  bias_put_real(one, "tpr", odds_share(c[3], c[2])) |
                  bias_put_real(one, "fpr", odds_share(c[1], c[0])) |
                  bias_put_real(one, "fnr", odds_share(c[2], c[3]));
    }
    return failed;
}

/* A gap among the items whose truth is positive (1) or not (0). */
static int odds_gap(json_t *to, struct bias_estimate *e, struct odds_view *v, const struct odds *o,
                    const hone_judgements *j, int truth, hone_error *err)
{
    struct bias_gap gap = { &o->common, j, &v->groups, bias_cluster(j, o->cluster), v->part, v->of,
                            true, o->least };

    for (size_t r = 0; r < v->rows; r++) {
        int32_t t = bias_group_of(&v->truths, j, r);
        v->part[r] = t >= 0 && v->right[t] == truth ? v->y[r] : NAN;
    }
    return bias_gap_put(to, e, v->influence[truth], &gap, err);
}

static int odds_detect(void *self, const hone_judgements *j, hone_json **findings, hone_error *err)
{
    const struct odds *o = self;
    json_t *to = json_object(), *rates[2] = { json_object(), json_object() };
    struct bias_estimate e[2] = { { .value = NAN }, { .value = NAN } };
    struct odds_view v;
    int failed = 0, most = 1, code = odds_open(&v, o, j, err);

    for (int truth = 0; truth < 2 && !code; truth++)
        code = odds_gap(rates[truth], &e[truth], &v, o, j, truth, err);
    if (code)
        goto out;
    most = isnan(e[1].value) || e[0].value > e[1].value ? 0 : 1;
    if (isnan(e[most].value)) {
        failed = bias_put_undefined(to, "one_group", "no two groups have enough judgements of "
                                    "one truth");
    } else {
        e[most].p = fmin(1, 2 * e[most].p);
        failed = bias_put_estimate(to, &e[most]) |
                 bias_put_text(to, "rate", most ? "true_positive" : "false_positive") |
                 bias_put_real(to, "average", (e[0].value + e[1].value) / 2);
        code = bias_put_items(to, &o->common, &e[most], j, v.influence[most], err);
    }
    failed |= odds_put_groups(to, &v) | json_object_set(to, "true_positive", rates[1]) |
              json_object_set(to, "false_positive", rates[0]) |
              json_object_set_new(to, "skipped", json_pack("{s:I, s:I}", "group",
                                  (json_int_t)v.no_group, "truth", (json_int_t)v.no_truth));
    if (failed && !code)
        code = hone_fail_memory(err, "a finding");
    if (!code)
        *findings = json_incref(to);
out:
    json_decref(to);
    json_decref(rates[0]);
    json_decref(rates[1]);
    odds_close(&v);
    return code;
}

static const hone_bias_ops ops = { .size = sizeof ops, .detect = odds_detect };

HONE_PLUGIN(equalised_odds,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether true and false positive rates are equal between groups",
    .source = "arXiv:1610.02413",
    .instance_size = sizeof(struct odds), .options = options, .ops = &ops);
