/* alpha.c -- Krippendorff's alpha, its standard error and bootstrap interval.
 *
 * alpha = 1 - D_o/D_e. Units with fewer than two values drop out; N values
 * remain, a share p_c of them equal to c. With d_u the sum of delta^2 over the
 * ordered pairs of unit u's m_u values, and e_c = sum_k p_k delta^2(c, k),
 *
 *   D_o = 1/N sum_u d_u/(m_u - 1)        D_e = N/(N - 1) sum_c p_c e_c
 *
 * Ordinal delta^2 is the squared distance of midranks: the sum of the counts
 * from c to k less half of both ends is the distance of their middles. So
 * interval and ordinal need no pairs at all: d_u = 2 m_u * sum of squares about
 * the unit's mean, and e_c = (c - mean)^2 + variance. Ratio does compare each
 * two distinct values.
 * Krippendorff 2011, repository.upenn.edu/asc_papers/43; standard error after
 * Gwet 2014, linearised over units. */
#include "agreement.h"

#include <hone/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Comparisons of distinct values that ratio may cost, with all resamples. */
#define RATIO_MOST 1e10

struct alpha {
    hone_level level;
    size_t units, rows, distinct;
    size_t *starts;        /* [units + 1] */
    int32_t *index;        /* [rows] into the distinct values */
    double *values;        /* [distinct] ascending */
    double *place;         /* [distinct] where delta^2 is a squared distance */
    double *share;         /* [distinct] p_c */
    double *expected;      /* [distinct] e_c */
    double *tally;         /* [distinct] zero between uses */
    double observed, chance; /* D_o, and D_e without N/(N - 1) */
    double total;          /* N */
};

static void alpha_free(struct alpha *a)
{
    hone_free(a->starts);
    hone_free(a->index);
    hone_free(a->values);
    hone_free(a->place);
    hone_free(a->share);
    hone_free(a->expected);
    hone_free(a->tally);
}

static int real_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int alpha_build(struct alpha *a, const struct table *t, hone_error *err)
{
    a->level = hone_judgements_level(t->judgements);
    a->starts = hone_alloc(t->items + 1, sizeof *a->starts);
    a->index = hone_alloc(t->rows + 1, sizeof *a->index);
    a->values = hone_alloc(t->rows + 1, sizeof *a->values);
    if (!a->starts || !a->index || !a->values)
        return hone_fail_memory(err, "alpha");
    for (size_t i = 0; i < t->items; i++) {
        size_t m = t->starts[i + 1] - t->starts[i];
        if (m < 2)
            continue;
        memcpy(a->values + a->rows, t->value + t->starts[i], m * sizeof *a->values);
        a->rows += m;
        a->starts[++a->units] = a->rows;
    }
    if (a->rows)
        qsort(a->values, a->rows, sizeof *a->values, real_compare);
    for (size_t r = 0; r < a->rows; r++)
        if (!a->distinct || a->values[r] != a->values[a->distinct - 1])
            a->values[a->distinct++] = a->values[r];
    for (size_t i = 0, to = 0; i < t->items; i++) {
        for (size_t r = t->starts[i]; t->starts[i + 1] - t->starts[i] > 1 && r < t->starts[i + 1];
             r++) {
            const double *at = bsearch(&t->value[r], a->values, a->distinct, sizeof *at,
                                       real_compare);
            a->index[to++] = (int32_t)(at - a->values);
        }
    }
    a->place = hone_alloc(a->distinct + 1, sizeof *a->place);
    a->share = hone_alloc(a->distinct + 1, sizeof *a->share);
    a->expected = hone_alloc(a->distinct + 1, sizeof *a->expected);
    a->tally = hone_alloc(a->distinct + 1, sizeof *a->tally);
    if (!a->place || !a->share || !a->expected || !a->tally)
        return hone_fail_memory(err, "alpha");
    return HONE_OK;
}

static double ratio_delta(double c, double k)
{
    double d = c == k ? 0 : (c - k) / (c + k);
    return d * d;
}

/* d_u. */
static double unit_disagreement(struct alpha *a, size_t unit)
{
    const int32_t *index = a->index + a->starts[unit];
    size_t m = a->starts[unit + 1] - a->starts[unit];
    double sum = 0, mean = 0;

    switch (a->level) {
    case HONE_NOMINAL:
        for (size_t r = 0; r < m; r++)
            sum += (double)r - a->tally[index[r]]++;
        for (size_t r = 0; r < m; r++)
            a->tally[index[r]] = 0;
        return 2 * sum;
    case HONE_RATIO:
        for (size_t r = 0; r < m; r++)
            for (size_t s = 0; s < r; s++)
                sum += ratio_delta(a->values[index[r]], a->values[index[s]]);
        return 2 * sum;
    default:
        for (size_t r = 0; r < m; r++)
            mean += a->place[index[r]] / (double)m;
        for (size_t r = 0; r < m; r++)
            sum += (a->place[index[r]] - mean) * (a->place[index[r]] - mean);
        return 2 * (double)m * sum;
    }
}

/* place and expected, from share; counts are share * total. */
static void alpha_expect(struct alpha *a)
{
    double mean = 0, variance = 0, below = 0;

    for (size_t c = 0; c < a->distinct; c++) {
        double count = a->share[c] * a->total;
        a->place[c] = a->level == HONE_ORDINAL ? below + count / 2 : a->values[c];
        below += count;
        mean += a->share[c] * a->place[c];
    }
    for (size_t c = 0; c < a->distinct; c++)
        variance += a->share[c] * (a->place[c] - mean) * (a->place[c] - mean);
    for (size_t c = 0; c < a->distinct; c++) {
        double *e = &a->expected[c], from = a->place[c] - mean;
        *e = a->level == HONE_NOMINAL ? 1 - a->share[c] : from * from + variance;
        if (a->level != HONE_RATIO)
            continue;
        *e = 0;
        for (size_t k = 0; k < a->distinct; k++)
            *e += a->share[k] * ratio_delta(a->values[c], a->values[k]);
    }
}

/* Compute alpha with unit u taken times[u] times (NULL: once). NaN when all
 * values are equal. */
static double alpha_value(struct alpha *a, const uint32_t *times)
{
    size_t used = 0;

    memset(a->share, 0, a->distinct * sizeof *a->share);
    a->total = a->observed = a->chance = 0;
    for (size_t u = 0; u < a->units; u++) {
        double weight = times ? times[u] : 1;
        for (size_t r = a->starts[u]; r < a->starts[u + 1]; r++)
            a->share[a->index[r]] += weight;
        a->total += weight * (double)(a->starts[u + 1] - a->starts[u]);
    }
    for (size_t c = 0; c < a->distinct; c++) {
        used += a->share[c] > 0;
        a->share[c] /= a->total;
    }
    if (used < 2)
        return NAN;
    alpha_expect(a);
    for (size_t c = 0; c < a->distinct; c++)
        a->chance += a->share[c] * a->expected[c];
    for (size_t u = 0; u < a->units; u++) {
        double m = (double)(a->starts[u + 1] - a->starts[u]);
        if (!times || times[u])
            a->observed += (times ? times[u] : 1) * unit_disagreement(a, u) / (m - 1) / a->total;
    }
    return 1 - (a->total - 1) / a->total * a->observed / a->chance;
}

/* After alpha_value(a, NULL). */
static double alpha_error(struct alpha *a)
{
    double n = (double)a->units, mean = a->total / n, squares = 0;
    double plain = 1 - a->observed / a->chance; /* without the small-sample factor */

    if (a->units < 2)
        return NAN;
    for (size_t u = 0; u < a->units; u++) {
        double m = (double)(a->starts[u + 1] - a->starts[u]), chance = 0, x;
        for (size_t r = a->starts[u]; r < a->starts[u + 1]; r++)
            chance += a->expected[a->index[r]];
        x = 1 - (unit_disagreement(a, u) / (mean * (m - 1)) - a->observed * (m / mean - 1)) /
                    a->chance;
        x += 2 * (1 - plain) * (chance - a->chance * m) / (mean * a->chance);
        squares += (x - plain) * (x - plain);
    }
    return sqrt(squares / (n * (n - 1)));
}

/* ---- bootstrap ---- */

/* Quantile p of n sorted numbers, between neighbours where it falls so. */
static double sorted_quantile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;

    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static int alpha_bootstrap(struct alpha *a, int64_t resamples, uint64_t seed, double confidence,
                           struct interval *out, hone_error *err)
{
    uint32_t *times = hone_alloc(a->units, sizeof *times);
    double *values = hone_alloc((size_t)resamples, sizeof *values);
    hone_random random = hone_random_named(seed, "quality/agreement");
    size_t n = 0;
    int code = times && values ? HONE_OK : hone_fail_memory(err, "a bootstrap");

    *out = (struct interval){ NAN, NAN, 0 };
    for (int64_t i = 0; i < resamples && !code; i++) {
        memset(times, 0, a->units * sizeof *times);
        for (size_t u = 0; u < a->units; u++)
            times[hone_random_below(&random, a->units)]++;
        double value = alpha_value(a, times);
        if (isnan(value))
            out->undefined++;
        else
            values[n++] = value;
    }
    if (!code && n) {
        qsort(values, n, sizeof *values, real_compare);
        out->low = sorted_quantile(values, n, (1 - confidence) / 2);
        out->high = sorted_quantile(values, n, (1 + confidence) / 2);
    }
    hone_free(times);
    hone_free(values);
    return code;
}

int agreement_alpha(const struct table *t, int64_t resamples, uint64_t seed, double confidence,
                    struct estimate *out, struct interval *interval, hone_error *err)
{
    struct alpha a = {0};
    int code = alpha_build(&a, t, err);

    *out = (struct estimate){ .value = NAN, .se = NAN, .n = a.units };
    if (code)
        goto out;
    if (!a.units) {
        out->undefined = "unpaired";
        out->why = "no item has values of two annotators";
    } else if (a.distinct < 2) {
        out->undefined = "unanimous";
        out->why = "all values are equal, so chance agrees, too";
    } else if (a.level == HONE_RATIO && (double)a.distinct * (double)a.distinct *
                                            (double)(resamples + 1) > RATIO_MOST) {
        out->undefined = "size";
        out->why = "too many distinct values to compare each two: round them, or take interval";
    }
    if (out->undefined)
        goto out;
    out->value = alpha_value(&a, NULL);
    out->observed = a.observed;
    out->expected = a.chance * a.total / (a.total - 1);
    out->se = alpha_error(&a);
    if (resamples > 0)
        code = alpha_bootstrap(&a, resamples, seed, confidence, interval, err);
out:
    alpha_free(&a);
    return code;
}
