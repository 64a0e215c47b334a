/* position.c -- whether the side shown first is preferred.
 *
 * Needs the order in which sides were shown, which has to have been random: of
 * pairs, order 1 says that the left one was first; of labels, that the side of
 * the first label was.
 *
 *   raw       P(first) - 1/2, with first and n, ties apart
 *   effect    the same between sides of equal strength: 1/(1 + exp(-b)) - 1/2, b
 *             the constant of a logistic model of `first wins` on strength, with
 *             clusters (strength.h says whose); raw where no strength is known
 *   controlled   "options", "attribute", or null and why
 *   swapped   of those who saw an item in both orders: { n, same }, the share
 *             that kept their choice
 *   left_first  how often order was 1, and its binomial p: small where the order
 *             was not drawn evenly
 *   annotators  [{ annotator, n, first, share, interval, p }]
 *   skipped   { no_order, ties, other_label, no_strength }
 *
 * Wang et al. 2023, arXiv:2305.17926; Bradley & Terry 1952 with an order effect:
 * Davidson & Beaver 1977, doi:10.2307/2529467. */
#include "strength.h"

enum { POSITION_CELLS = 50000000 };

struct position {
    struct bias_options common;
    struct bias_preference preference;
    const char *strength;
    int64_t cluster, most;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct position),
    BIAS_PREFERENCE(struct position),
    BIAS_CLUSTER(struct position, cluster, "item"),
    HONE_OPT_STRING(struct position, strength, "strength", NULL,
                    "attribute of items: a number, how much better the first side (left) is"),
    HONE_OPT_INT(struct position, most, "options", 200, 0, 10000,
                 "of pairs: most options whose strengths are estimated, too; 0: none"),
    HONE_OPT_END
};

struct position_view {
    double *hit, *influence; /* [rows]: 1 where the first shown won, NaN: no part; owned */
    size_t rows, n, first, left_first, orders, no_order, ties, other, no_strength;
    size_t both, same;       /* seen in both orders; alike */
};

static int position_init(void *self, hone_context *context, hone_error *err)
{
    const struct position *o = self;
    (void)context;
    return bias_preference_check(&o->preference, err);
}

static int position_open(struct position_view *v, const struct position *o,
                         const hone_judgements *j, hone_error *err)
{
    const int32_t *order = hone_judgements_order(j);
    int code = bias_preference_level(j, err);

    *v = (struct position_view){ .rows = hone_judgements_count(j) };
    if (!code && !order)
        code = hone_fail(err, HONE_EINVAL, "no judgement says its order (1 or 2, the side shown "
                         "first), without which position cannot be told from quality");
    if (code)
        return code;
    v->hit = hone_alloc(v->rows + 1, sizeof *v->hit);
    v->influence = hone_alloc(v->rows + 1, sizeof *v->influence);
    if (!v->hit || !v->influence)
        return hone_fail_memory(err, "preferences");
    for (size_t r = 0; r < v->rows; r++) {
        int side = bias_preference_of(&o->preference, j, r);
        v->hit[r] = NAN;
        v->no_order += order[r] != 1 && order[r] != 2;
        if (order[r] != 1 && order[r] != 2)
            continue;
        v->orders++;
        v->left_first += order[r] == 1;
        v->ties += side == BIAS_TIE;
        v->other += side == BIAS_OTHER;
        if (side > BIAS_SECOND)
            continue;
        v->hit[r] = (side == BIAS_FIRST) == (order[r] == 1);
        v->first += v->hit[r] > 0;
        v->n++;
    }
    return HONE_OK;
}

/* Rows of an item are neighbours: its annotators' earlier rows are remembered. */
static int position_swapped(struct position_view *v, const hone_judgements *j, hone_error *err)
{
    const int32_t *item = hone_judgements_item(j), *who = hone_judgements_annotator(j);
    const int32_t *order = hone_judgements_order(j);
    size_t *last = hone_alloc(hone_judgements_annotators(j) + 1, sizeof *last);

    if (!last)
        return hone_fail_memory(err, "annotators");
    for (size_t r = 0; r < v->rows; r++) {
        size_t before = last[who[r]];
        bool pairs = hone_judgements_level(j) == HONE_PAIR;
        if (isnan(v->hit[r]))
            continue;
        last[who[r]] = r + 1;
        if (!before || item[before - 1] != item[r] || order[before - 1] == order[r] ||
            (pairs && (hone_judgements_left(j)[before - 1] != hone_judgements_left(j)[r] ||
                       hone_judgements_right(j)[before - 1] != hone_judgements_right(j)[r])))
            continue;
        v->both++;
        /* The same side, shown elsewhere, wins in another place. */
        v->same += v->hit[before - 1] != v->hit[r];
        last[who[r]] = 0;
    }
    hone_free(last);
    return HONE_OK;
}

/* The constant of the logistic model as an effect; HONE_ENUMERIC: no estimate. */
static int position_fit(struct bias_estimate *e, struct position_view *v, const struct position *o,
                        const hone_judgements *j, const struct bias_strength *s, hone_error *err)
{
    size_t terms = s->terms + 1, n = 0;
    struct bias_clusters by = bias_cluster(j, o->cluster);
    double *x = hone_alloc(v->n * terms + 1, sizeof *x), *y = hone_alloc(v->n + 1, sizeof *y);
    double *beta = hone_alloc(terms, sizeof *beta), z, share;
    double *covariance = hone_alloc(terms * terms, sizeof *covariance);
    int32_t *ids = hone_alloc(v->n + 1, sizeof *ids);
    int code = x && y && beta && covariance && ids ? HONE_OK
                                                   : hone_fail_memory(err, "a logistic model");

    for (size_t r = 0; r < v->rows && !code; r++) {
        double *at = x + n * terms;
        if (isnan(v->hit[r]))
            continue;
        at[0] = 1;
        if (!bias_strength_fill(s, r, hone_judgements_order(j)[r] == 1 ? 1 : -1, at + 1)) {
            v->no_strength++;
            continue;
        }
        y[n] = v->hit[r];
        ids[n++] = by.ids[r];
    }
    if (!code)
        code = hone_logistic_fit(beta, covariance, x, y, NULL, ids, by.count, n, terms, err);
    if (!code) {
        share = 1 / (1 + exp(-beta[0]));
        *e = (struct bias_estimate){ .value = share - 0.5, .n = n, .clusters = e->clusters,
                                     .se = share * (1 - share) * sqrt(covariance[0]) };
        bias_infer(e, &o->common, (double)e->clusters - 1);
        z = hone_student_quantile(0.5 + o->common.confidence / 2, (double)e->clusters - 1) *
            sqrt(covariance[0]);
        e->low = 1 / (1 + exp(-beta[0] + z)) - 0.5;
        e->high = 1 / (1 + exp(-beta[0] - z)) - 0.5;
    }
    hone_free(x);
    hone_free(y);
    hone_free(beta);
    hone_free(covariance);
    hone_free(ids);
    return code;
}

/* Raw and controlled findings; *e: the one that counts. */
static int position_effect(json_t *to, struct bias_estimate *e, struct position_view *v,
                           const struct position *o, const hone_judgements *j, hone_error *err)
{
    struct bias_strength s;
    struct bias_estimate controlled;
    hone_error why = {0};
    json_t *raw = json_object();
    int failed, fit = HONE_ENUMERIC, code = bias_strength_open(&s, o->strength, j,
                                                               (size_t)o->most, err);

    if (!code) {
        memcpy(v->influence, v->hit, v->rows * sizeof *v->hit);
        code = bias_share(e, &o->common, v->influence, 0.5, bias_cluster(j, o->cluster), v->rows,
                          err);
    }
    controlled = *e;
    if (!code && s.terms && v->n * (s.terms + 1) <= POSITION_CELLS)
        fit = position_fit(&controlled, v, o, j, &s, &why);
    if (!code && fit && fit != HONE_ENUMERIC)
        code = hone_fail(err, fit, "%s", why.message);
    if (code) {
        json_decref(raw);
        return code;
    }
    failed = bias_put_estimate(raw, e) | json_object_set_new(to, "raw", raw);
    if (!fit)
        *e = controlled;
    failed |= bias_put_estimate(to, e) | json_object_set_new(to, "controlled",
                  fit ? json_null() : json_string(o->strength ? "attribute" : "options"));
    if (fit)
        failed |= bias_put_text(to, "not_controlled", !s.terms ? "no strength is known, or there "
                                "are too many options" : why.message[0] ? why.message :
                                "there are too many judgements for so many options");
    return failed ? hone_fail_memory(err, "a finding") : HONE_OK;
}

static int position_put_annotators(json_t *to, const struct position_view *v,
                                   const struct position *o, const hone_judgements *j,
                                   hone_error *err)
{
    size_t annotators = hone_judgements_annotators(j);
    size_t (*tally)[2] = hone_alloc(annotators + 1, sizeof *tally);
    json_t *list = json_array();
    int failed = json_object_set_new(to, "annotators", list) | !tally;

    for (size_t r = 0; r < v->rows && !failed; r++)
        if (!isnan(v->hit[r])) {
            tally[hone_judgements_annotator(j)[r]][0]++;
            tally[hone_judgements_annotator(j)[r]][1] += v->hit[r] > 0;
        }
    for (size_t a = 0; a < annotators && !failed; a++) {
        double n = (double)tally[a][0], k = (double)tally[a][1], low, high;
        if (!tally[a][0])
            continue;
        hone_wilson_interval(k, n, o->common.confidence, &low, &high);
        failed |= json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:f, s:[f, f], s:f}",
                      "annotator", hone_judgements_annotator_name(j, a), "n",
                      (json_int_t)tally[a][0], "first", (json_int_t)tally[a][1], "share", k / n,
                      "interval", low, high, "p",
                      hone_binomial_test((int64_t)tally[a][1], (int64_t)tally[a][0], 0.5)));
    }
    hone_free(tally);
    return failed ? hone_fail_memory(err, "annotators") : bias_put_holm(list, err);
}

static int position_put_counts(json_t *to, const struct position_view *v)
{
    int failed = bias_put_count(to, "first", v->first);

    failed |= json_object_set_new(to, "left_first", json_pack("{s:I, s:I, s:f}", "n",
                  (json_int_t)v->orders, "left", (json_int_t)v->left_first, "p",
                  hone_binomial_test((int64_t)v->left_first, (int64_t)v->orders, 0.5)));
    if (v->both)
        failed |= json_object_set_new(to, "swapped", json_pack("{s:I, s:f}", "n",
                      (json_int_t)v->both, "same", (double)v->same / (double)v->both));
    return failed | json_object_set_new(to, "skipped", json_pack("{s:I, s:I, s:I, s:I}",
                        "no_order", (json_int_t)v->no_order, "ties", (json_int_t)v->ties,
                        "other_label", (json_int_t)v->other, "no_strength",
                        (json_int_t)v->no_strength));
}

static int position_detect(void *self, const hone_judgements *j, hone_json **findings,
                           hone_error *err)
{
    const struct position *o = self;
    struct position_view v = {0};
    struct bias_estimate e = { .value = NAN };
    json_t *to = json_object();
    int code = position_open(&v, o, j, err);

    if (!code)
        code = position_swapped(&v, j, err);
    if (!code && !v.n) {
        if (bias_put_count(to, "n", 0) | bias_put_undefined(to, "empty", "no judgement with an "
                                                            "order prefers a side"))
            code = hone_fail_memory(err, "a finding");
    } else if (!code) {
        code = position_effect(to, &e, &v, o, j, err);
        for (size_t r = 0; r < v.rows && !code; r++)
            v.influence[r] = (v.hit[r] - 0.5) / (double)v.n;
        if (!code)
            code = bias_put_items(to, &o->common, &e, j, v.influence, err);
    }
    if (!code)
        code = position_put_annotators(to, &v, o, j, err);
    if (!code && position_put_counts(to, &v))
        code = hone_fail_memory(err, "a finding");
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    hone_free(v.hit);
    hone_free(v.influence);
    return code;
}

static const hone_bias_ops ops = {
    .size = sizeof ops, .init = position_init, .detect = position_detect,
};

HONE_PLUGIN(position,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether the side shown first is preferred",
    .source = "arXiv:2305.17926; doi:10.2307/2529467",
    .instance_size = sizeof(struct position), .options = options, .ops = &ops);
