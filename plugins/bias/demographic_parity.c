/* demographic_parity.c -- whether groups get a positive outcome equally often.
 *
 *   effect   highest rate less lowest rate, of groups by an attribute of items or
 *            annotators (numbers without a threshold: of means)
 *   ratio    lowest/highest (disparate impact), below_four_fifths: ratio < 0.8
 *            (29 CFR 1607.4 D), fisher: exact p of the two
 *   groups, comparisons, items, flagged ...: see gap.h, finding.h
 *   skipped  judgements whose group is not known
 *
 * mitigate, by what `mitigation` says, with before, after and Kish's n_eff:
 *   reweigh      w = P(a) P(y)/P(a, y): weights = [{ item, weight }], or rows =
 *                [{ row, weight }] where groups are of annotators (Kamiran &
 *                Calders 2012, doi:10.1007/s10115-011-0463-8)
 *   remove       items that push the effect most, one after the other, until the
 *                gap of its two groups is at most `target` or `most` of the items
 *                are gone: dropped
 *   down_sample  at most `cap` judgements of a group, at random: dropped rows
 *                (groups of items: items)
 *
 * Dwork et al. 2012, doi:10.1145/2090236.2090255. */
#include "gap.h"

#include <stdlib.h>

enum { PARITY_REWEIGH, PARITY_REMOVE, PARITY_DOWN_SAMPLE };
static const char *const parity_words[] = { "reweigh", "remove", "down_sample", NULL };

struct parity {
    struct bias_options common;
    struct bias_outcome outcome;
    const char *attribute;
    int64_t of, cluster, least, mitigation, cap, seed;
    double target, most;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct parity),
    BIAS_OUTCOME(struct parity),
    BIAS_CLUSTER(struct parity, cluster, "item"),
    HONE_OPT_STRING(struct parity, attribute, "attribute", "group",
                    "attribute of items or annotators that says the group"),
    HONE_OPT_CHOICE(struct parity, of, "of", "any", bias_of_words, "whose attribute it is"),
    HONE_OPT_INT(struct parity, least, "least", 5, 1, INT32_MAX,
                 "judgements that a group needs to be compared"),
    HONE_OPT_CHOICE(struct parity, mitigation, "mitigation", "reweigh", parity_words,
                    "what mitigate does"),
    HONE_OPT_REAL(struct parity, target, "target", 0, 0, 1e300, "remove: effect to reach"),
    HONE_OPT_REAL_FLAGS(struct parity, most, "most", 0.1, 0, 1, HONE_OPTION_OPEN_MIN,
                        "remove: largest share of items to drop"),
    HONE_OPT_INT(struct parity, cap, "cap", 0, 0, INT64_MAX,
                 "down_sample: judgements of a group; 0: those of the smallest"),
    HONE_OPT_INT(struct parity, seed, "seed", 0, 0, INT64_MAX, "down_sample: of the choice"),
    HONE_OPT_END
};

/* What both detect and mitigate look at. */
struct parity_view {
    struct bias_groups groups;
    struct bias_gap gap;
    double *y, *influence; /* [rows], owned */
    int32_t *of;           /* [rows], owned */
    size_t rows, unknown;
};

static void parity_close(struct parity_view *v)
{
    bias_groups_free(&v->groups);
    hone_free(v->y);
    hone_free(v->influence);
    hone_free(v->of);
}

static int parity_open(struct parity_view *v, const struct parity *o, const hone_judgements *j,
                       hone_error *err)
{
    bool binary;
    int code;

    *v = (struct parity_view){ .rows = hone_judgements_count(j) };
    v->y = hone_alloc(v->rows + 1, sizeof *v->y);
    v->influence = hone_alloc(v->rows + 1, sizeof *v->influence);
    v->of = hone_alloc(v->rows + 1, sizeof *v->of);
    if (!v->y || !v->influence || !v->of)
        return hone_fail_memory(err, "outcomes");
    code = bias_groups_make(&v->groups, j, o->attribute, o->of, BIAS_GROUPS, err);
    if (!code)
        code = bias_outcomes(&o->outcome, j, v->y, &binary, err);
    if (code)
        return code;
    for (size_t r = 0; r < v->rows; r++) {
        v->of[r] = bias_group_of(&v->groups, j, r);
        v->unknown += v->of[r] < 0;
    }
    v->gap = (struct bias_gap){ &o->common, j, &v->groups, bias_cluster(j, o->cluster), v->y,
                                v->of, binary, o->least };
    return HONE_OK;
}

static int parity_detect(void *self, const hone_judgements *j, hone_json **findings,
                         hone_error *err)
{
    const struct parity *o = self;
    struct parity_view v;
    struct bias_estimate e;
    json_t *to = json_object();
    int code = parity_open(&v, o, j, err);

    if (!code)
        code = bias_gap_put(to, &e, v.influence, &v.gap, err);
    if (!code && bias_put_count(to, "skipped", v.unknown))
        code = hone_fail_memory(err, "a finding");
    if (!code && !isnan(e.value))
        code = bias_put_items(to, &o->common, &e, j, v.influence, err);
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    parity_close(&v);
    return code;
}

/* ---- mitigation ---- */

/* The effect of the rows that keep (NULL: all) leaves, as { effect, n }. */
static json_t *parity_effect(const struct parity_view *v, struct bias_cell *cells,
                             const bool *keep, double *effect)
{
    size_t high = 0, low = 0, n = 0;

    bias_gap_cells(cells, &v->gap, keep);
    for (size_t g = 0; g < v->groups.count; g++)
        n += cells[g].n;
    *effect = bias_gap_extremes(cells, &v->gap, &high, &low) < 2 ? NAN :
              cells[high].sum / cells[high].weight - cells[low].sum / cells[low].weight;
    return isnan(*effect) ? json_pack("{s:n, s:I}", "effect", "n", (json_int_t)n)
                          : json_pack("{s:f, s:I}", "effect", *effect, "n", (json_int_t)n);
}

static int parity_put_weights(json_t *to, const struct parity_view *v, const double (*w)[2])
{
    const hone_judgements *j = v->gap.judgements;
    bool rows = v->groups.annotators;
    json_t *list = json_array();
    int failed = json_object_set_new(to, rows ? "rows" : "weights", list);
    size_t next;

    for (size_t r = 0; r < v->rows && !failed; r = next) {
        int32_t item = hone_judgements_item(j)[r];
        double sum = 0;
        if (rows) {
            next = r + 1;
            if (v->of[r] >= 0)
                failed |= json_array_append_new(list, json_pack("{s:I, s:f}", "row", (json_int_t)r,
                              "weight", w[v->of[r]][v->y[r] > 0]));
            continue;
        }
        for (next = r; next < v->rows && hone_judgements_item(j)[next] == item; next++)
            sum += v->of[next] < 0 ? 1 : w[v->of[next]][v->y[next] > 0];
        failed |= json_array_append_new(list, json_pack("{s:s, s:f}", "item",
                      hone_judgements_item_name(j, (size_t)item), "weight",
                      sum / (double)(next - r)));
    }
    return failed;
}

static int parity_reweigh(json_t *to, const struct parity_view *v, const struct bias_cell *cells,
                          hone_error *err)
{
    double (*w)[2] = hone_alloc(v->groups.count + 1, sizeof *w), all = 0, positive = 0;
    double sum = 0, squares = 0;
    json_t *list = json_array();
    int failed = !w;

    if (!v->gap.binary) {
        hone_free(w);
        json_decref(list);
        return hone_fail(err, HONE_EINVAL, "reweigh needs outcomes of 0 and 1: say threshold");
    }
    for (size_t g = 0; g < v->groups.count; g++) {
        all += cells[g].weight;
        positive += cells[g].sum;
    }
    for (size_t g = 0; g < v->groups.count && !failed; g++)
        for (int y = 0; y < 2; y++) {
            double part = y ? cells[g].sum : cells[g].weight - cells[g].sum;
            w[g][y] = part > 0 ? cells[g].weight * (y ? positive : all - positive) / all / part : 1;
            sum += part * w[g][y];
            squares += part * w[g][y] * w[g][y];
            failed |= json_array_append_new(list, json_pack("{s:s, s:b, s:f, s:f}", "group",
                          v->groups.names[g], "positive", y, "weight", w[g][y], "judgements",
                          part));
        }
    failed = failed || json_object_set(to, "cells", list) || parity_put_weights(to, v, w) ||
             json_object_set_new(to, "after", json_pack("{s:f, s:f}", "effect", 0., "n_eff",
                                                        sum * sum / squares));
    json_decref(list);
    hone_free(w);
    return failed ? hone_fail_memory(err, "weights") : HONE_OK;
}

static int parity_put_dropped(json_t *to, const struct parity_view *v, const bool *keep,
                              struct bias_cell *cells)
{
    const hone_judgements *j = v->gap.judgements;
    const int32_t *item = hone_judgements_item(j);
    json_t *dropped = json_array(), *rows = json_array();
    double effect;
    int failed = json_object_set_new(to, "dropped", dropped) |
                 json_object_set_new(to, "dropped_rows", rows);

    for (size_t r = 0; r < v->rows && !failed; r++) {
        if (keep[r])
            continue;
        failed |= json_array_append_new(rows, json_integer((json_int_t)r));
        if (!v->groups.annotators && (r == 0 || item[r - 1] != item[r] || keep[r - 1]))
            failed |= json_array_append_new(dropped, json_pack("{s:s}", "item",
                          hone_judgements_item_name(j, (size_t)item[r])));
    }
    return failed | json_object_set_new(to, "after", parity_effect(v, cells, keep, &effect));
}

/* Leave out the rows [from, to) of an item. */
static void parity_leave_out(const struct parity_view *v, struct bias_cell *cells, bool *keep,
                             size_t from, size_t to)
{
    const double *weight = hone_judgements_weight(v->gap.judgements);

    for (size_t r = from; r < to; r++) {
        keep[r] = false;
        if (v->of[r] < 0)
            continue;
        cells[v->of[r]].n--;
        cells[v->of[r]].weight -= weight ? weight[r] : 1;
        cells[v->of[r]].sum -= (weight ? weight[r] : 1) * v->y[r];
    }
}

/* Rows of the items that push most are left out, until the gap of the two groups
 * that are extremes now is small. cells: of all rows. */
static int parity_remove(json_t *to, const struct parity *o, const struct parity_view *v,
                         struct bias_cell *cells, bool *keep, hone_error *err)
{
    const hone_judgements *j = v->gap.judgements;
    size_t items = hone_judgements_items(j), gone = 0, limit = (size_t)(o->most * (double)items);
    struct bias_options all = { o->common.confidence, o->common.power, INT32_MAX };
    struct bias_estimate e;
    json_t *scratch = json_object(), *list;
    size_t *starts = hone_alloc(items + 2, sizeof *starts), high = 0, low = 0;
    int code = starts ? HONE_OK : hone_fail_memory(err, "items");

    if (!code)
        code = bias_gap_put(scratch, &e, v->influence, &v->gap, err);
    if (!code && !isnan(e.value))
        code = bias_put_items(scratch, &all, &e, j, v->influence, err);
    for (size_t r = 0; r < v->rows && !code; r++)
        starts[hone_judgements_item(j)[r] + 1]++;
    for (size_t i = 0; i < items && !code; i++)
        starts[i + 1] += starts[i];
    bias_gap_extremes(cells, &v->gap, &high, &low);
    list = json_object_get(scratch, "items");
    for (size_t i = 0; i < json_array_size(list) && gone < limit && !code; i++, gone++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "item"));
        int64_t item = hone_judgements_find_item(j, name);
        double gap = cells[high].sum / cells[high].weight - cells[low].sum / cells[low].weight;
        if (!(gap > o->target))
            break;
        parity_leave_out(v, cells, keep, starts[item], starts[item + 1]);
    }
    if (!code && parity_put_dropped(to, v, keep, cells))
        code = hone_fail_memory(err, "what was removed");
    json_decref(scratch);
    hone_free(starts);
    return code;
}

/* Rows (or all rows of an item) of a group beyond the cap, in a random order. */
static int parity_down_sample(json_t *to, const struct parity *o, const struct parity_view *v,
                              struct bias_cell *cells, bool *keep, hone_error *err)
{
    size_t *order = hone_alloc(v->rows + 1, sizeof *order), cap = (size_t)o->cap;
    size_t *taken = hone_alloc(v->groups.count + 1, sizeof *taken);
    hone_random random = hone_random_named((uint64_t)o->seed, "bias/demographic_parity");
    int code = order && taken ? HONE_OK : hone_fail_memory(err, "a sample");

    for (size_t g = 0; g < v->groups.count && !o->cap; g++)
        if (cells[g].n >= (size_t)o->least && (!cap || cells[g].n < cap))
            cap = cells[g].n;
    for (size_t r = 0; r < v->rows && !code; r++)
        order[r] = r;
    if (!code)
        hone_random_shuffle(&random, order, v->rows);
    for (size_t k = 0; k < v->rows && !code; k++) {
        size_t r = order[k];
        if (v->of[r] >= 0)
            keep[r] = taken[v->of[r]]++ < cap;
    }
    if (!code && (bias_put_count(to, "cap", cap) || parity_put_dropped(to, v, keep, cells)))
        code = hone_fail_memory(err, "a sample");
    hone_free(order);
    hone_free(taken);
    return code;
}

static int parity_mitigate(void *self, const hone_judgements *j, const hone_json *findings,
                           hone_json **result, hone_error *err)
{
    const struct parity *o = self;
    struct parity_view v;
    struct bias_cell *cells = NULL;
    json_t *to = json_object();
    bool *keep = hone_alloc(hone_judgements_count(j) + 1, sizeof *keep);
    double effect;
    int code = parity_open(&v, o, j, err);
    (void)findings; /* what they say is counted anew */

    if (code)
        goto out;
    cells = hone_alloc(v.groups.count + 1, sizeof *cells);
    if (!cells || !keep ||
        json_object_set_new(to, "before", parity_effect(&v, cells, NULL, &effect))) {
        code = hone_fail_memory(err, "a mitigation");
        goto out;
    }
    memset(keep, true, v.rows);
    if (isnan(effect))
        code = hone_fail(err, HONE_EINVAL, "fewer than 2 groups of '%s' have %" PRId64
                         " judgements: there is no gap to mitigate", o->attribute, o->least);
    else if (o->mitigation == PARITY_REWEIGH)
        code = parity_reweigh(to, &v, cells, err);
    else if (o->mitigation == PARITY_REMOVE)
        code = parity_remove(to, o, &v, cells, keep, err);
    else
        code = parity_down_sample(to, o, &v, cells, keep, err);
    if (!code)
        *result = json_incref(to);
out:
    json_decref(to);
    hone_free(cells);
    hone_free(keep);
    parity_close(&v);
    return code;
}

static const hone_bias_ops ops = {
    .size = sizeof ops, .detect = parity_detect, .mitigate = parity_mitigate,
};

/* The four-fifths example of the EEOC's guidelines: 48 of 80 against 12 of 40. */
static int parity_self_test(hone_context *context, hone_error *err)
{
    double p = hone_fisher_test(48, 80, 12, 40);
    (void)context;

    if (!(fabs(12 / 40. / (48 / 80.) - 0.5) < 1e-12) || !(fabs(p - 0.0034092217678) < 1e-10))
        return hone_fail(err, HONE_ENUMERIC, "Fisher's p of 48/80 and 12/40 is %g", p);
    return HONE_OK;
}

HONE_PLUGIN(demographic_parity,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether groups get a positive outcome equally often (also disparate impact)",
    .source = "doi:10.1145/2090236.2090255; 29 CFR 1607.4",
    .instance_size = sizeof(struct parity), .options = options, .ops = &ops,
    .self_test = parity_self_test);
