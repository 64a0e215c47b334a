/* assignment.c -- whether who judged what was left to chance.
 *
 *   effect    Cramer's V of annotators and groups of items (an attribute), 0 to 1;
 *             corrected: less what chance adds (Bergsma 2013)
 *   interval  from leaving out one of 50 parts of the items at a time
 *   p         share of permutations of the groups between items with a V at least
 *             as large, as items that share annotators are not independent
 *   components  of the graph of annotators and items: [{ annotators, items }],
 *             largest first; judgements of two parts cannot be compared
 *   connected   whether there is one only
 *   skipped   judgements whose item has no group
 *
 * Cramer 1946; Bergsma 2013, doi:10.1016/j.jkss.2012.10.002. */
#include "finding.h"

#include <stdlib.h>

enum { ASSIGNMENT_PARTS = 50 };

struct assignment {
    struct bias_options common;
    const char *attribute;
    int64_t permutations, seed;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct assignment),
    HONE_OPT_STRING(struct assignment, attribute, "attribute", "group",
                    "attribute of items that says the group"),
    HONE_OPT_INT(struct assignment, permutations, "permutations", 999, 99, 1000000,
                 "of groups between items"),
    HONE_OPT_INT(struct assignment, seed, "seed", 0, 0, INT64_MAX,
                 "of permutations and of parts of the items"),
    HONE_OPT_END
};

struct assignment_view {
    const hone_judgements *j;
    struct bias_groups groups;
    int32_t *of;                        /* [items]: group, -1; permuted; owned */
    int32_t *part;                      /* [items]: one of the parts; owned */
    double *cells, *columns, *totals;   /* [annotators, groups], [groups], [annotators]; owned */
    size_t rows, items, annotators, skipped;
};

/* V of the rows outside of a part (-1: all rows). */
static double assignment_v(struct assignment_view *v, int32_t left_out, double *corrected)
{
    const int32_t *item = hone_judgements_item(v->j), *who = hone_judgements_annotator(v->j);
    size_t groups = v->groups.count, used = 0, wide = 0;
    double n = 0, chi = 0, phi, less, k, r;

    memset(v->cells, 0, v->annotators * groups * sizeof *v->cells);
    memset(v->columns, 0, groups * sizeof *v->columns);
    memset(v->totals, 0, v->annotators * sizeof *v->totals);
    for (size_t i = 0; i < v->rows; i++) {
        int32_t g = v->of[item[i]];
        if (g < 0 || v->part[item[i]] == left_out)
            continue;
        v->cells[(size_t)who[i] * groups + (size_t)g]++;
        v->columns[g]++;
        v->totals[who[i]]++;
        n++;
    }
    for (size_t a = 0; a < v->annotators; a++) {
        used += v->totals[a] > 0;
        for (size_t g = 0; g < groups && v->totals[a] > 0; g++)
            if (v->columns[g] > 0) {
                double expected = v->totals[a] * v->columns[g] / n;
                double off = v->cells[a * groups + g] - expected;
                chi += off * off / expected;
            }
    }
    for (size_t g = 0; g < groups; g++)
        wide += v->columns[g] > 0;
    if (used < 2 || wide < 2)
        return NAN;
    phi = chi / n;
    k = (double)used;
    r = (double)wide;
    if (corrected) {
        less = fmax(0, phi - (k - 1) * (r - 1) / (n - 1));
        k -= (k - 1) * (k - 1) / (n - 1);
        r -= (r - 1) * (r - 1) / (n - 1);
        *corrected = fmin(k, r) > 1 ? fmin(1, sqrt(less / (fmin(k, r) - 1))) : 0;
        k = (double)used;
        r = (double)wide;
    }
    return sqrt(phi / (fmin(k, r) - 1));
}

static int assignment_open(struct assignment_view *v, const struct assignment *o, hone_error *err)
{
    hone_random random = hone_random_named((uint64_t)o->seed, "bias/assignment/parts");
    int code = bias_groups_make(&v->groups, v->j, o->attribute, BIAS_OF_ITEMS, BIAS_GROUPS, err);

    if (code)
        return code;
    v->of = hone_alloc(v->items + 1, sizeof *v->of);
    v->part = hone_alloc(v->items + 1, sizeof *v->part);
    v->cells = hone_alloc(v->annotators * v->groups.count + 1, sizeof *v->cells);
    v->columns = hone_alloc(v->groups.count + 1, sizeof *v->columns);
    v->totals = hone_alloc(v->annotators + 1, sizeof *v->totals);
    if (!v->of || !v->part || !v->cells || !v->columns || !v->totals)
        return hone_fail_memory(err, "a table of annotators and groups");
    memcpy(v->of, v->groups.of, v->items * sizeof *v->of);
    for (size_t i = 0; i < v->items; i++)
        v->part[i] = (int32_t)hone_random_below(&random, ASSIGNMENT_PARTS);
    for (size_t r = 0; r < v->rows; r++)
        v->skipped += v->of[hone_judgements_item(v->j)[r]] < 0;
    return HONE_OK;
}

/* Grouped jackknife. */
static double assignment_se(struct assignment_view *v)
{
    double values[ASSIGNMENT_PARTS], mean = 0, squares = 0;
    size_t n = 0;

    for (int32_t p = 0; p < ASSIGNMENT_PARTS; p++) {
        values[n] = assignment_v(v, p, NULL);
        mean += isnan(values[n]) ? 0 : values[n];
        n += isnan(values[n]) ? 0 : 1;
    }
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean / (double)n) * (values[i] - mean / (double)n);
    return n > 1 ? sqrt(squares * (double)(n - 1) / (double)n) : NAN;
}

static double assignment_p(struct assignment_view *v, const struct assignment *o, double seen)
{
    hone_random random = hone_random_named((uint64_t)o->seed, "bias/assignment/permutations");
    int64_t beyond = 1;

    for (int64_t k = 0; k < o->permutations; k++) {
        for (size_t i = v->items; i > 1; i--) {
            size_t with = (size_t)hone_random_below(&random, i);
            int32_t swap = v->of[i - 1];
            v->of[i - 1] = v->of[with];
            v->of[with] = swap;
        }
        beyond += assignment_v(v, -1, NULL) >= seen * (1 - 1e-12);
    }
    memcpy(v->of, v->groups.of, v->items * sizeof *v->of);
    return (double)beyond / (double)(o->permutations + 1);
}

/* ---- components ---- */

static size_t assignment_root(size_t *up, size_t i)
{
    while (up[i] != i)
        i = up[i] = up[up[i]];
    return i;
}

struct assignment_part {
    size_t annotators, items;
};

static int assignment_order(const void *a, const void *b)
{
    const struct assignment_part *x = a, *y = b;

    if (x->items != y->items)
        return x->items < y->items ? 1 : -1;
    return (x->annotators < y->annotators) - (x->annotators > y->annotators);
}

static int assignment_components(json_t *to, const struct assignment_view *v, int64_t top)
{
    size_t nodes = v->items + v->annotators, count = 0;
    size_t *up = hone_alloc(nodes + 1, sizeof *up);
    struct assignment_part *parts = hone_alloc(nodes + 1, sizeof *parts);
    json_t *list = json_array();
    int failed = json_object_set_new(to, "components", list) | !up | !parts;

    for (size_t i = 0; i < nodes && !failed; i++)
        up[i] = i;
    for (size_t r = 0; r < v->rows && !failed; r++) {
        size_t a = assignment_root(up, (size_t)hone_judgements_item(v->j)[r]);
        size_t b = assignment_root(up, v->items + (size_t)hone_judgements_annotator(v->j)[r]);
        up[a < b ? b : a] = a < b ? a : b;
    }
    for (size_t i = 0; i < nodes && !failed; i++) {
        struct assignment_part *p = &parts[assignment_root(up, i)];
        p->items += i < v->items;
        p->annotators += i >= v->items;
    }
    /* One side only: a name that has no judgement here. */
    for (size_t i = 0; i < nodes && !failed; i++)
        if (parts[i].items && parts[i].annotators)
            parts[count++] = parts[i];
    if (!failed)
        qsort(parts, count, sizeof *parts, assignment_order);
    for (size_t i = 0; i < count && i < (size_t)top && !failed; i++)
        failed |= json_array_append_new(list, json_pack("{s:I, s:I}", "annotators",
                      (json_int_t)parts[i].annotators, "items", (json_int_t)parts[i].items));
    failed |= bias_put_count(to, "component_count", count) |
              json_object_set_new(to, "connected", json_boolean(count < 2));
    hone_free(up);
    hone_free(parts);
    return failed;
}

static int assignment_findings(json_t *to, struct assignment_view *v, const struct assignment *o,
                               hone_error *err)
{
    double corrected = NAN;
    struct bias_estimate e = { .value = assignment_v(v, -1, &corrected),
                               .n = v->rows - v->skipped, .clusters = v->items };
    int failed = assignment_components(to, v, o->common.top) |
                 bias_put_count(to, "skipped", v->skipped) |
                 json_object_set_new(to, "items", json_array()) |
                 json_object_set_new(to, "flagged", json_array());

    if (isnan(e.value)) {
        failed |= bias_put_undefined(to, "one_group", "there is one group of items or one "
                                     "annotator only");
        return failed ? hone_fail_memory(err, "a finding") : HONE_OK;
    }
    e.se = assignment_se(v);
    bias_infer(&e, &o->common, ASSIGNMENT_PARTS - 1);
    e.low = fmax(0, e.low);
    e.high = fmin(1, e.high);
    e.p = assignment_p(v, o, e.value);
    failed |= bias_put_estimate(to, &e) | bias_put_real(to, "corrected", corrected);
    return failed ? hone_fail_memory(err, "a finding") : HONE_OK;
}

static int assignment_detect(void *self, const hone_judgements *j, hone_json **findings,
                             hone_error *err)
{
    struct assignment_view v = { .j = j, .rows = hone_judgements_count(j),
                                 .items = hone_judgements_items(j),
                                 .annotators = hone_judgements_annotators(j) };
    json_t *to = json_object();
    int code = assignment_open(&v, self, err);

    if (!code)
        code = assignment_findings(to, &v, self, err);
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    bias_groups_free(&v.groups);
    hone_free(v.of);
    hone_free(v.part);
    hone_free(v.cells);
    hone_free(v.columns);
    hone_free(v.totals);
    return code;
}

static const hone_bias_ops ops = { .size = sizeof ops, .detect = assignment_detect };

HONE_PLUGIN(assignment,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether who judged what was left to chance; connectivity",
    .source = "Cramer 1946; doi:10.1016/j.jkss.2012.10.002",
    .instance_size = sizeof(struct assignment), .options = options, .ops = &ops);
