/* matched.c -- matches of items (see matched.h). */
#include "matched.h"

#include <stdlib.h>

const char *const bias_within_words[] = { "annotator", "pair", NULL };

struct matched_row {
    int32_t pair, annotator, variant, row;
};

static int matched_compare(const void *a, const void *b)
{
    const struct matched_row *x = a, *y = b;

    if (x->pair != y->pair)
        return x->pair < y->pair ? -1 : 1;
    if (x->annotator != y->annotator)
        return x->annotator < y->annotator ? -1 : 1;
    if (x->variant != y->variant)
        return x->variant < y->variant ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Which of the two variants a group is: 0, 1; -1: another. */
static int matched_sides(int32_t *side, const struct bias_matches *m,
                         const struct bias_matching *o, bool any, hone_error *err)
{
    const struct bias_groups *v = &m->variants;

    if (!any && o->variants.count != 2 && (o->variants.count || v->count != 2))
        return hone_fail(err, HONE_EINVAL, "variants: %zu are given and '%s' has %zu values; 2 "
                         "are needed", o->variants.count, o->variant, v->count);
    for (size_t i = 0; i < v->count; i++) {
        side[i] = (int32_t)i;
        if (any || !o->variants.count)
            continue;
        side[i] = strcmp(v->names[i], o->variants.items[0]) == 0 ? 0
                : strcmp(v->names[i], o->variants.items[1]) == 0 ? 1 : -1;
    }
    return HONE_OK;
}

static void matched_means(struct bias_matches *m, const struct matched_row *rows, size_t split,
                          size_t n, const double *y)
{
    struct bias_match *one = &m->list[m->count++];

    *one = (struct bias_match){ rows[0].pair, rows[0].row, rows[split].row, 0, 0 };
    for (size_t i = 0; i < n; i++)
        *(i < split ? &one->a : &one->b) += y[rows[i].row] / (double)(i < split ? split
                                                                               : n - split);
}

/* The rows of a pair (and annotator), sorted by variant: the kth of one variant
 * goes with the kth of the other. */
static void matched_run(struct bias_matches *m, const struct matched_row *rows, size_t n,
                        bool means, const double *y)
{
    size_t split = 1, matches;

    while (split < n && rows[split].variant == rows[0].variant)
        split++;
    while (n > split && rows[n - 1].variant != rows[split].variant) {
        n--; /* a third variant */
        m->lonely++;
    }
    matches = split < n - split ? split : n - split;
    if (!matches) {
        m->lonely += n;
    } else if (means) {
        matched_means(m, rows, split, n, y);
    } else {
        for (size_t k = 0; k < matches; k++) {
            int32_t a = rows[k].row, b = rows[split + k].row;
            m->list[m->count++] = (struct bias_match){ rows[0].pair, a, b, y ? y[a] : 0,
                                                       y ? y[b] : 0 };
        }
        m->lonely += n - 2 * matches;
    }
}

int bias_matches_make(struct bias_matches *m, const struct bias_matching *o,
                      const hone_judgements *j, const double *y, bool any, hone_error *err)
{
    struct matched_row *rows = NULL;
    int32_t *side = NULL;
    size_t n = 0, to;
    bool means = o->within == BIAS_WITHIN_PAIR;
    int code;

    *m = (struct bias_matches){ .rows = hone_judgements_count(j), .judgements = j };
    code = bias_groups_make(&m->pairs, j, o->pair, BIAS_OF_ITEMS, 0, err);
    if (!code)
        code = bias_groups_make(&m->variants, j, o->variant, BIAS_OF_ITEMS, 0, err);
    if (code)
        return code;
    rows = hone_alloc(m->rows + 1, sizeof *rows);
    side = hone_alloc(m->variants.count + 1, sizeof *side);
    m->list = hone_alloc(m->rows + 1, sizeof *m->list);
    m->pair_of = hone_alloc(m->rows + 1, sizeof *m->pair_of);
    m->difference = hone_alloc(m->rows + 1, sizeof *m->difference);
    m->rows_influence = hone_alloc(m->rows + 1, sizeof *m->rows_influence);
    code = rows && side && m->list && m->pair_of && m->difference && m->rows_influence
           ? matched_sides(side, m, o, any, err) : hone_fail_memory(err, "matches");
    for (size_t r = 0; r < m->rows && !code; r++) {
        int32_t pair = bias_group_of(&m->pairs, j, r), v = bias_group_of(&m->variants, j, r);
        if (pair < 0 || v < 0 || side[v] < 0)
            m->lonely++;
        else
            rows[n++] = (struct matched_row){ pair, means ? 0 : hone_judgements_annotator(j)[r],
                                              side[v], (int32_t)r };
    }
    if (!code)
        qsort(rows, n, sizeof *rows, matched_compare);
    for (size_t from = 0; from < n && !code; from = to) {
        for (to = from; to < n && rows[to].pair == rows[from].pair &&
                        rows[to].annotator == rows[from].annotator; to++)
            continue;
        matched_run(m, rows + from, to - from, means, y);
    }
    for (size_t i = 0; i < m->count && !code; i++)
        m->pair_of[i] = m->list[i].pair;
    hone_free(rows);
    hone_free(side);
    return code;
}

void bias_matches_free(struct bias_matches *m)
{
    bias_groups_free(&m->pairs);
    bias_groups_free(&m->variants);
    hone_free(m->list);
    hone_free(m->pair_of);
    hone_free(m->difference);
    hone_free(m->rows_influence);
}

/* Both items of a match carry half of what it adds. */
static void matched_spread(struct bias_matches *m, const double *influence)
{
    for (size_t r = 0; r < m->rows; r++)
        m->rows_influence[r] = NAN;
    for (size_t i = 0; i < m->count; i++) {
        int32_t rows[2] = { m->list[i].first, m->list[i].second };
        for (int k = 0; k < 2 && !isnan(influence[i]); k++) {
            double *at = &m->rows_influence[rows[k]];
            *at = (isnan(*at) ? 0 : *at) + influence[i] / 2;
        }
    }
}

int bias_matches_put(json_t *to, struct bias_estimate *e, struct bias_matches *m,
                     const struct bias_options *o, const double *difference, bool binary,
                     bool items, hone_error *err)
{
    struct bias_clusters by = { m->pair_of, m->pairs.count };
    double sum = 0, n = 0;
    size_t more = 0, less = 0;
    int failed = 0, code;

    for (size_t i = 0; i < m->count; i++)
        if (!isnan(difference[i])) {
            sum += difference[i];
            more += difference[i] > 0;
            less += difference[i] < 0;
            n++;
        }
    *e = (struct bias_estimate){ .value = NAN, .p = NAN };
    if (!(n > 0))
        return bias_put_count(to, "n", 0) || bias_put_undefined(to, "empty", "no two variants of "
                                                                "a pair were judged")
               ? hone_fail_memory(err, "a finding") : HONE_OK;
    for (size_t i = 0; i < m->count; i++)
        m->difference[i] = (difference[i] - sum / n) / n;
    code = bias_estimate(e, o, sum / n, m->difference, by, m->count, err);
    if (!code && binary && e->n == e->clusters)
        e->p = hone_binomial_test((int64_t)more, (int64_t)(more + less), 0.5);
    failed = bias_put_estimate(to, e) | bias_put_count(to, "more", more) |
             bias_put_count(to, "less", less);
    /* Those behind an effect are what pushes it from 0, not from its mean. */
    for (size_t i = 0; i < m->count; i++)
        m->difference[i] = difference[i] / n;
    if (!code && !failed && items) {
        matched_spread(m, m->difference);
        code = bias_put_items(to, o, e, m->judgements, m->rows_influence, err);
    }
    return code ? code : failed ? hone_fail_memory(err, "a finding") : HONE_OK;
}

int bias_matches_put_parts(json_t *to, struct bias_matches *m, const struct bias_options *o,
                           const struct bias_matching *by, const double *difference, bool binary,
                           hone_error *err)
{
    struct bias_groups groups = {0};
    struct bias_estimate e;
    json_t *list = json_array();
    double *part = hone_alloc(m->count + 1, sizeof *part);
    int code = !json_object_set_new(to, "parts", list) && part ? HONE_OK
                                                               : hone_fail_memory(err, "parts");

    if (!code && by->by)
        code = bias_groups_make(&groups, m->judgements, by->by, BIAS_OF_ITEMS, 4096, err);
    for (size_t g = 0; g < groups.count && !code; g++) {
        json_t *one = json_object();
        for (size_t i = 0; i < m->count; i++)
            part[i] = bias_group_of(&groups, m->judgements, (size_t)m->list[i].first) == (int32_t)g
                      ? difference[i] : NAN;
        if (json_array_append_new(list, one) || bias_put_text(one, "part", groups.names[g]))
            code = hone_fail_memory(err, "parts");
        else
            code = bias_matches_put(one, &e, m, o, part, binary, false, err);
    }
    if (!code)
        code = bias_put_holm(list, err);
    bias_groups_free(&groups);
    hone_free(part);
    return code;
}

/* Means of both sides, over matches. */
static int matched_put_means(json_t *to, const struct bias_matches *m)
{
    double a = 0, b = 0, n = (double)m->count;

    for (size_t i = 0; i < m->count; i++) {
        a += m->list[i].a;
        b += m->list[i].b;
    }
    return bias_put_real(to, "first", a / n) | bias_put_real(to, "second", b / n) |
           bias_put_count(to, "lonely", m->lonely);
}

int bias_matched_difference(const struct bias_options *o, const struct bias_matching *matching,
                            const struct bias_outcome *outcome, const hone_judgements *j,
                            hone_json **findings, hone_error *err)
{
    size_t rows = hone_judgements_count(j);
    double *y = hone_alloc(rows + 1, sizeof *y), *difference = hone_alloc(rows + 1, sizeof *y);
    struct bias_matches m = {0};
    struct bias_estimate e;
    json_t *to = json_object();
    bool binary = false;
    int code = y && difference ? bias_outcomes(outcome, j, y, &binary, err)
                               : hone_fail_memory(err, "outcomes");

    if (!code)
        code = bias_matches_make(&m, matching, j, y, false, err);
    for (size_t i = 0; i < m.count && !code; i++)
        difference[i] = m.list[i].b - m.list[i].a;
    if (!code)
        code = bias_matches_put(to, &e, &m, o, difference, binary, true, err);
    if (!code)
        code = bias_matches_put_parts(to, &m, o, matching, difference, binary, err);
    if (!code && matched_put_means(to, &m))
        code = hone_fail_memory(err, "a finding");
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    bias_matches_free(&m);
    hone_free(y);
    hone_free(difference);
    return code;
}
