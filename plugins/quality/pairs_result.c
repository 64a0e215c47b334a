/* pairs_result.c -- columns of options (see pairs.h). */
#define _GNU_SOURCE /* qsort_r */
#include "pairs.h"

#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static double *result_column(hone_consensus *out, hone_axis axis, const char *name,
                             hone_error *err)
{
    return hone_consensus_column(out, axis, name, 1, err);
}

/* ---- ranks ---- */

struct ranking {
    const struct pairs *p;
    const double *strength;
};

static int ranking_compare(const void *left, const void *right, void *arg)
{
    const struct ranking *r = arg;
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    int32_t ca = r->p->component[a], cb = r->p->component[b];

    if (ca != cb)
        return ca < cb ? -1 : 1;
    if (r->strength[a] != r->strength[b])
        return r->strength[a] > r->strength[b] ? -1 : 1;
    return a < b ? -1 : 1;
}

/* 1 is the best of a component; equal strengths share the smaller rank. */
static int ranking_fill(const struct pairs *p, const double *strength, double *rank,
                        hone_error *err)
{
    struct ranking r = { p, strength };
    int32_t *order = hone_alloc(p->options + 1, sizeof *order);
    size_t first = 0;

    if (!order)
        return hone_fail_memory(err, "ranks");
    for (size_t i = 0; i < p->options; i++)
        order[i] = (int32_t)i;
    qsort_r(order, p->options, sizeof *order, ranking_compare, &r);
    for (size_t i = 0; i < p->options; i++) {
        int32_t at = order[i], before = i ? order[i - 1] : -1;
        bool next = before < 0 || p->component[at] != p->component[before];
        first = next ? i : first;
        if (p->component[at] < 0)
            continue;
        rank[at] = !next && strength[at] == strength[before] ? rank[before]
                                                             : (double)(i - first + 1);
    }
    hone_free(order);
    return HONE_OK;
}

int pairs_publish_ranks(const struct pairs *p, const double *strength, const double *covariance,
                        double confidence, hone_consensus *out, hone_error *err)
{
    double *low = result_column(out, HONE_OPTIONS, "rank_low", err);
    double *high = low ? result_column(out, HONE_OPTIONS, "rank_high", err) : NULL;
    size_t n = p->options;

    if (!high)
        return HONE_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int32_t c = p->component[i];
        size_t better = 0, worse = 0;
        double z;
        if (c < 0)
            continue;
        z = hone_normal_quantile(1 - (1 - confidence) / 2 / (double)(p->size[c] - 1));
        for (size_t k = 0; k < n; k++) {
            double apart = strength[k] - strength[i];
            double variance = covariance[i * n + i] + covariance[k * n + k] -
                              2 * covariance[i * n + k];
            if (k == i || p->component[k] != c)
                continue;
            better += apart > z * sqrt(fmax(0, variance));
            worse += -apart > z * sqrt(fmax(0, variance));
        }
        low[i] = 1 + (double)better;
        high[i] = (double)(p->size[c] - worse);
    }
    return HONE_OK;
}

/* ---- counts ---- */

static int result_counts(const struct pairs *p, hone_consensus *out, hone_error *err)
{
    static const char *const names[] = { "wins", "losses", "ties", "comparisons" };
    double *column[4];

    for (int k = 0; k < 4; k++)
        if (!(column[k] = result_column(out, HONE_OPTIONS, names[k], err)))
            return HONE_ENOMEM;
    for (size_t i = 0; i < p->options; i++)
        for (int k = 0; k < 4; k++)
            column[k][i] = 0;
    for (size_t c = 0; c < p->cells; c++) {
        const struct pairs_cell *cell = &p->cell[c];
        const double of[2][3] = { { cell->a_wins, cell->b_wins, cell->ties },
                                  { cell->b_wins, cell->a_wins, cell->ties } };
        for (int side = 0; side < 2; side++)
            for (int k = 0; k < 4; k++)
                column[k][side ? cell->b : cell->a] +=
                    k < 3 ? of[side][k] : of[side][0] + of[side][1] + of[side][2];
    }
    return HONE_OK;
}

static int result_components(const struct pairs *p, hone_consensus *out, hone_error *err)
{
    double *component = result_column(out, HONE_OPTIONS, "component", err);
    int code = component ? HONE_OK : HONE_ENOMEM;

    for (size_t i = 0; i < p->options && !code; i++) {
        int32_t c = p->component[i];
        if (c < 0) {
            code = hone_consensus_explain(out, HONE_OPTIONS, i, err, "no comparison counts");
            continue;
        }
        component[i] = c + 1;
        if (p->components > 1)
            code = hone_consensus_explain(out, HONE_OPTIONS, i, err, "strength and rank hold "
                                          "among %zu options only, which no comparison connects "
                                          "with the others", p->size[c]);
    }
    return code;
}

static int result_annotators(const struct pairs *p, hone_consensus *out, hone_error *err)
{
    const int32_t *annotator = hone_judgements_annotator(p->judgements);
    double *answers = result_column(out, HONE_ANNOTATORS, "answers", err);

    if (!answers)
        return HONE_ENOMEM;
    for (size_t a = 0; a < hone_judgements_annotators(p->judgements); a++)
        answers[a] = 0;
    for (size_t r = 0; r < p->rows; r++)
        answers[annotator[r]] += p->at[r] >= 0;
    return HONE_OK;
}

static int result_figures(const struct pairs *p, hone_consensus *out, hone_error *err)
{
    const struct {
        const char *name;
        double value;
    } figures[] = {
        { "components", (double)p->components }, { "comparisons", p->won + p->tied },
        { "ties", p->tied }, { "bad", (double)p->bad }, { "left_out", (double)p->dropped },
        { "weightless", (double)p->weightless },
    };
    int code = HONE_OK;

    for (size_t i = 0; i < sizeof figures / sizeof *figures && !code; i++)
        code = hone_consensus_set(out, figures[i].name, figures[i].value, err);
    return code;
}

int pairs_publish(const struct pairs *p, const double *strength, hone_consensus *out,
                  hone_error *err)
{
    double *to = result_column(out, HONE_OPTIONS, "strength", err);
    double *rank = to ? result_column(out, HONE_OPTIONS, "rank", err) : NULL;
    int code = rank ? ranking_fill(p, strength, rank, err) : HONE_ENOMEM;

    for (size_t i = 0; i < p->options && !code; i++)
        to[i] = p->component[i] >= 0 ? strength[i] : NAN;
    if (!code)
        code = result_components(p, out, err);
    if (!code)
        code = result_counts(p, out, err);
    if (!code)
        code = result_annotators(p, out, err);
    return code ? code : result_figures(p, out, err);
}

/* ---- examples ---- */

int pairs_example(hone_judgements **out, const int *wins, size_t n, hone_error *err)
{
    int code = hone_judgements_new(out, HONE_PAIR, err);
    char item[32];

    for (size_t i = 0; i < n && !code; i++)
        for (size_t k = 0; k < n && !code; k++)
            for (int w = 0; w < wins[i * n + k] && !code; w++) {
                char left[] = { (char)('A' + i), 0 }, right[] = { (char)('A' + k), 0 };
                item[0] = left[0], item[1] = right[0], item[2] = (char)('0' + w), item[3] = 0;
                code = hone_judgements_add_pair(*out, item, "1", left, right, "left", 1, err);
            }
    return code;
}
