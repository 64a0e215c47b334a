/* bootstrap.c -- percentile intervals from resampled clusters.
 *
 * Efron 1979, doi:10.1214/aos/1176344552. Every resample has a stream of its
 * own, so that the number of threads changes nothing. Clusters are drawn with
 * replacement; where they are very many, each is instead taken a Poisson(1)
 * number of times, which needs no table of counts (Chamandy et al. 2012). */
#include "agreement.h"

#include <hone/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct bootstrap *b;
    uint32_t *times;   /* [pieces, clusters] */
    double *values;    /* [resamples] */
};

static int real_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile p of n sorted numbers, between neighbours where it falls so. */
static double sorted_quantile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;

    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

void agreement_percentiles(double *values, size_t count, double confidence, struct interval *out)
{
    size_t n = 0;

    *out = (struct interval){ NAN, NAN, 0 };
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            values[n++] = values[i];
    out->undefined = (int64_t)(count - n);
    if (!n)
        return;
    qsort(values, n, sizeof *values, real_compare);
    out->low = sorted_quantile(values, n, (1 - confidence) / 2);
    out->high = sorted_quantile(values, n, (1 + confidence) / 2);
}

static void bootstrap_piece(void *arg, int64_t piece)
{
    const struct run *run = arg;
    const struct bootstrap *b = run->b;
    int64_t all = b->options->bootstrap, pieces = (int64_t)b->pieces;
    uint32_t *times = run->times + (size_t)piece * b->clusters;

    for (int64_t i = piece; i < all; i += pieces) {
        hone_random random = hone_random_named((uint64_t)b->options->seed, "quality/agreement");
        random.counter = (uint64_t)i << 40;
        memset(times, 0, b->clusters * sizeof *times);
        for (size_t c = 0; c < b->clusters; c++)
            times[hone_random_below(&random, b->clusters)]++;
        run->values[i] = b->value(b->arg, (size_t)piece, times);
    }
}

int agreement_bootstrap(const struct bootstrap *b, struct interval *out, hone_error *err)
{
    size_t n = (size_t)b->options->bootstrap;
    struct run run = { .b = b };
    int code = HONE_OK;

    run.times = hone_alloc(b->pieces * b->clusters + 1, sizeof *run.times);
    run.values = hone_alloc(n + 1, sizeof *run.values);
    if (!run.times || !run.values) {
        code = hone_fail_memory(err, "a bootstrap");
        goto out;
    }
    hone_parallel(b->options->context, (int64_t)b->pieces, bootstrap_piece, &run);
    agreement_percentiles(run.values, n, b->options->confidence, out);
out:
    hone_free(run.times);
    hone_free(run.values);
    return code;
}

/* 65536 times P(X <= k): 16 bits a draw are off by less than 1 in 100,000. */
static const uint32_t poisson_below[8] = {
    24109, 48218, 60273, 64291, 65296, 65497, 65531, 65535,
};

static uint32_t poisson_of(uint32_t u)
{
    uint32_t k = 0;

    while (k < 8 && u >= poisson_below[k])
        k++;
    return k;
}

void agreement_poisson_table(uint8_t table[256])
{
    for (uint32_t high = 0; high < 256; high++) {
        uint32_t k = poisson_of(high << 8);
        table[high] = (uint8_t)(poisson_of(high << 8 | 255) == k ? k : UINT8_MAX);
    }
}

void agreement_poisson(const uint8_t table[256], uint64_t seed, uint64_t stream, uint64_t block,
                       double out[8])
{
    uint32_t words[4];

    hone_random_block(seed, stream, block, words);
    for (int i = 0; i < 8; i++) {
        uint32_t u = words[i / 2] >> (i % 2 * 16) & 0xffff, k = table[u >> 8];
        out[i] = k == UINT8_MAX ? poisson_of(u) : k;
    }
}
