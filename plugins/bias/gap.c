/* gap.c -- differences between groups (see gap.h). */
#include "gap.h"

void bias_gap_cells(struct bias_cell *cells, const struct bias_gap *g, const bool *keep)
{
    const double *weight = hone_judgements_weight(g->judgements);

    memset(cells, 0, g->groups->count * sizeof *cells);
    for (size_t r = 0; r < hone_judgements_count(g->judgements); r++) {
        struct bias_cell *c;
        if (g->of[r] < 0 || isnan(g->y[r]) || (keep && !keep[r]))
            continue;
        c = &cells[g->of[r]];
        c->weight += weight ? weight[r] : 1;
        c->sum += (weight ? weight[r] : 1) * g->y[r];
        c->n++;
    }
}

size_t bias_gap_extremes(const struct bias_cell *cells, const struct bias_gap *g, size_t *highest,
                         size_t *lowest)
{
    size_t compared = 0;

    for (size_t i = 0; i < g->groups->count; i++) {
        const struct bias_cell *c = &cells[i];
        if (!(c->weight > 0) || c->n < (size_t)g->least)
            continue;
        if (!compared || c->sum / c->weight > cells[*highest].sum / cells[*highest].weight)
            *highest = i;
        if (!compared || c->sum / c->weight < cells[*lowest].sum / cells[*lowest].weight)
            *lowest = i;
        compared++;
    }
    return compared;
}

/* The influence of rate(in) - rate(out); sign(group) says which it is in. */
static void gap_influence(double *influence, const struct bias_gap *g, const double *sign,
                          const struct bias_cell *in, const struct bias_cell *out)
{
    const double *weight = hone_judgements_weight(g->judgements);

    for (size_t r = 0; r < hone_judgements_count(g->judgements); r++) {
        double s = g->of[r] < 0 || isnan(g->y[r]) ? 0 : sign[g->of[r]];
        const struct bias_cell *c = s > 0 ? in : out;
        influence[r] = s == 0 ? NAN : s * (weight ? weight[r] : 1) *
                                      (g->y[r] - c->sum / c->weight) / c->weight;
    }
}

/* Estimate rate(in) - rate(out): exact where rows are independent shares. */
static int gap_estimate(struct bias_estimate *e, const struct bias_gap *g, double *influence,
                        const struct bias_cell *in, const struct bias_cell *out, hone_error *err)
{
    size_t rows = hone_judgements_count(g->judgements);
    bool weighted = hone_judgements_weight(g->judgements) != NULL;
    int code = bias_estimate(e, g->common, in->sum / in->weight - out->sum / out->weight,
                             influence, g->by, rows, err);

    if (code || !g->binary || weighted || (e->n != e->clusters && e->se > 0))
        return code;
    hone_newcombe_interval(in->sum, in->weight, out->sum, out->weight, g->common->confidence,
                           &e->low, &e->high);
    if (e->n == e->clusters)
        e->p = hone_fisher_test(llround(in->sum), (int64_t)in->n, llround(out->sum),
                                (int64_t)out->n);
    return HONE_OK;
}

static int gap_put_group(json_t *to, const struct bias_gap *g, size_t i,
                         const struct bias_cell *c)
{
    double low, high;
    int failed = bias_put_text(to, "group", g->groups->names[i]) | bias_put_count(to, "n", c->n) |
                 bias_put_real(to, g->binary ? "rate" : "mean", c->sum / c->weight);

    if (g->binary && c->n) {
        hone_wilson_interval(c->sum, c->weight, g->common->confidence, &low, &high);
        failed |= json_object_set_new(to, "interval", json_pack("[f, f]", low, high));
    }
    if (c->n < (size_t)g->least)
        failed |= json_object_set_new(to, "too_few", json_true());
    return failed;
}

/* Each group with all others together; influence is scratch. */
static int gap_put_groups(json_t *to, const struct bias_gap *g, const struct bias_cell *cells,
                          double *sign, double *influence, hone_error *err)
{
    json_t *groups = json_array(), *list = json_array();
    int failed = json_object_set_new(to, "groups", groups) |
                 json_object_set_new(to, "comparisons", list), code = HONE_OK;

    for (size_t i = 0; i < g->groups->count && !failed && !code; i++) {
        struct bias_cell rest = {0};
        struct bias_estimate e;
        json_t *one = json_object();
        failed |= json_array_append_new(groups, one) || gap_put_group(one, g, i, &cells[i]);
        for (size_t k = 0; k < g->groups->count; k++) {
            sign[k] = k == i ? 1 : -1;
            rest.weight += k == i ? 0 : cells[k].weight;
            rest.sum += k == i ? 0 : cells[k].sum;
            rest.n += k == i ? 0 : cells[k].n;
        }
        if (cells[i].n < (size_t)g->least || !(cells[i].weight > 0) || !(rest.weight > 0))
            continue;
        gap_influence(influence, g, sign, &cells[i], &rest);
        code = gap_estimate(&e, g, influence, &cells[i], &rest, err);
        one = json_object();
        failed |= json_array_append_new(list, one) ||
                  bias_put_text(one, "group", g->groups->names[i]) || bias_put_estimate(one, &e);
    }
    if (failed)
        return hone_fail_memory(err, "groups");
    return code ? code : bias_put_holm(list, err);
}

static int gap_put_extremes(json_t *to, const struct bias_gap *g, const struct bias_cell *high,
                            const struct bias_cell *low, const char *highest, const char *lowest)
{
    double rates[2] = { high->sum / high->weight, low->sum / low->weight };
    int failed = bias_put_text(to, "highest", highest) | bias_put_text(to, "lowest", lowest);

    if (!g->binary)
        return failed;
    failed |= bias_put_real(to, "ratio", rates[0] > 0 ? rates[1] / rates[0] : 1);
    failed |= json_object_set_new(to, "below_four_fifths",
                                  json_boolean(rates[1] < 0.8 * rates[0]));
    if (!hone_judgements_weight(g->judgements))
        failed |= bias_put_real(to, "fisher",
                                hone_fisher_test(llround(high->sum), (int64_t)high->n,
                                                 llround(low->sum), (int64_t)low->n));
    return failed;
}

int bias_gap_put(json_t *to, struct bias_estimate *e, double *influence,
                 const struct bias_gap *g, hone_error *err)
{
    size_t groups = g->groups->count, highest = 0, lowest = 0, compared;
    struct bias_cell *cells = hone_alloc(groups + 1, sizeof *cells);
    double *sign = hone_alloc(groups + 1, sizeof *sign);
    int failed = 0, code = cells && sign ? HONE_OK : hone_fail_memory(err, "groups");

    *e = (struct bias_estimate){ .value = NAN, .p = NAN };
    if (code)
        goto out;
    bias_gap_cells(cells, g, NULL);
    code = gap_put_groups(to, g, cells, sign, influence, err);
    if (code)
        goto out;
    compared = bias_gap_extremes(cells, g, &highest, &lowest);
    if (compared < 2) {
        failed = bias_put_undefined(to, compared ? "one_group" : "empty", compared ?
                                    "one group only has enough judgements" :
                                    "no group has enough judgements");
        goto out;
    }
    memset(sign, 0, groups * sizeof *sign);
    for (size_t i = 0; i < groups && highest == lowest; i++) /* all are equal: any two */
        if (i != highest && cells[i].weight > 0 && cells[i].n >= (size_t)g->least)
            lowest = i;
    sign[highest] = 1;
    sign[lowest] = -1;
    gap_influence(influence, g, sign, &cells[highest], &cells[lowest]);
    code = gap_estimate(e, g, influence, &cells[highest], &cells[lowest], err);
    if (!isnan(e->p))
        e->p = fmin(1, e->p * (double)(compared * (compared - 1) / 2));
    failed = bias_put_estimate(to, e) |
             gap_put_extremes(to, g, &cells[highest], &cells[lowest],
                              g->groups->names[highest], g->groups->names[lowest]);
out:
    if (failed)
        code = hone_fail_memory(err, "a finding");
    hone_free(cells);
    hone_free(sign);
    return code;
}
