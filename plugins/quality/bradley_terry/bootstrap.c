/* bootstrap.c -- intervals of strengths from resamples of clusters.
 *
 * Comparisons of one annotator are alike, and so may be those of one item:
 * drawing whole clusters with replacement keeps what makes them alike, and gives
 * intervals that hold for other annotators (items). A resample is a multinomial
 * count for each cluster, from a stream of its own, so that neither threads nor
 * the number of resamples change one; it is fitted from the estimate on. A
 * resample that parts the options, or in which one lost nothing, has no finite
 * strengths: it is fitted with half a win and half a loss for each option, and
 * counted as unbounded.
 *
 * Efron & Tibshirani 1993; Cameron, Gelbach & Miller 2008, doi:10.1162/rest.90.3.414. */
#include "bradley_terry.h"

#include <hone/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bootstrap {
    const struct bradley_terry *o;
    const struct pairs *pairs;
    const struct fit *fit;
    const struct crowd *crowd;
    const int32_t *cluster;     /* [rows]; NULL: each row is one */
    size_t clusters, drawn;
    int32_t *draw;              /* [drawn] clusters with a comparison that counts */
    double *strengths;          /* [resamples, options] */
    bool *unbounded;            /* [resamples] */
    int *codes;                 /* [resamples] */
};

static void resample_draw(const struct bootstrap *b, size_t which, double *times)
{
    char name[48];
    hone_random random;

    snprintf(name, sizeof name, "bradley_terry/bootstrap/%zu", which);
    random = hone_random_named((uint64_t)b->o->seed, name);
    for (size_t c = 0; c < b->drawn; c++)
        times[b->draw[hone_random_below(&random, b->drawn)]]++;
}

static int resample_plain(const struct bootstrap *b, const double *times, double *strength,
                          bool *unbounded)
{
    const struct pairs *p = b->pairs;
    struct pairs_cell *cell = hone_alloc(p->cells + 1, sizeof *cell);
    struct fit f = {0};
    int code = cell ? fit_open(&f, p, b->o->ties, NULL) : HONE_ENOMEM;

    if (!code) {
        for (size_t c = 0; c < p->cells; c++)
            cell[c] = (struct pairs_cell){ .a = p->cell[c].a, .b = p->cell[c].b };
        for (size_t r = 0; r < p->rows; r++)
            if (p->at[r] >= 0)
                pairs_count(p, cell, r, pairs_weight(p, r) * times[b->cluster ? b->cluster[r]
                                                                              : (int32_t)r]);
        f.cell = cell;
        memcpy(f.strength, b->fit->strength, (p->options + 1) * sizeof *f.strength);
        code = fit_run(&f, b->o->prior, b->o->iterations, 1e-6, NULL);
        memcpy(strength, f.strength, p->options * sizeof *strength);
        *unbounded = f.unbounded;
    }
    fit_close(&f);
    hone_free(cell);
    return code;
}

static int resample_crowd(const struct bootstrap *b, const double *times, double *strength)
{
    struct crowd c = *b->crowd;
    size_t n = b->pairs->options;
    double *scratch = NULL;
    int code;

    c.times = times;
    c.cluster = b->cluster;
    c.times_annotators = b->o->cluster == CLUSTER_ANNOTATOR;
    c.x = hone_alloc(c.count + 1, sizeof *c.x);
    c.pieces = hone_alloc(CROWD_PIECES, (n + 1) * sizeof *c.pieces);
    scratch = hone_alloc(n + 1, sizeof *scratch);
    code = c.x && c.pieces && scratch ? HONE_OK : HONE_ENOMEM;
    if (!code) {
        memcpy(c.x, b->crowd->x, c.count * sizeof *c.x);
        code = crowd_run(&c, b->o->iterations, 1e-2, NULL, NULL);
        pairs_centre(b->pairs, c.x, scratch);
        memcpy(strength, c.x, n * sizeof *strength);
    }
    hone_free(scratch);
    hone_free(c.x);
    hone_free(c.pieces);
    return code;
}

static void resample_one(void *arg, int64_t i)
{
    const struct bootstrap *b = arg;
    double *times, *strength = b->strengths + (size_t)i * b->pairs->options;

    b->codes[i] = HONE_EINTERRUPTED;
    if (hone_context_interrupted(b->o->context))
        return;
    b->codes[i] = HONE_ENOMEM;
    times = hone_alloc(b->clusters + 1, sizeof *times);
    if (!times)
        return;
    resample_draw(b, (size_t)i, times);
    b->codes[i] = b->crowd ? resample_crowd(b, times, strength)
                           : resample_plain(b, times, strength, &b->unbounded[i]);
    hone_free(times);
}

/* ---- what resamples say ---- */

static int result_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Of sorted values, between the two nearest: the fraction p of the way. */
static double result_percentile(const double *sorted, size_t count, double p)
{
    double at = p * (double)(count - 1);
    size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;

    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

static int result_intervals(struct resamples *out, const struct bootstrap *b, double confidence,
                            hone_error *err)
{
    size_t n = b->pairs->options, count = out->count;
    double *one = hone_alloc(count + 1, sizeof *one);

    if (!one)
        return hone_fail_memory(err, "resamples");
    for (size_t i = 0; i < n; i++) {
        double mean = 0, squares = 0;
        for (size_t k = 0; k < count; k++)
            mean += one[k] = b->strengths[k * n + i];
        mean /= (double)count;
        for (size_t k = 0; k < count; k++)
            squares += (one[k] - mean) * (one[k] - mean);
        qsort(one, count, sizeof *one, result_compare);
        out->low[i] = result_percentile(one, count, (1 - confidence) / 2);
        out->high[i] = result_percentile(one, count, (1 + confidence) / 2);
        out->se[i] = sqrt(squares / (double)(count - 1));
        for (size_t k = 0; k < count; k++)
            b->strengths[k * n + i] -= mean;
    }
    hone_free(one);
    return HONE_OK;
}

static void result_covariance(struct resamples *out, const struct bootstrap *b)
{
    size_t n = b->pairs->options;

    for (size_t k = 0; k < out->count; k++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                out->covariance[i * n + j] += b->strengths[k * n + i] * b->strengths[k * n + j] /
                                              (double)(out->count - 1);
}

/* ---- running ---- */

static int bootstrap_clusters(struct bootstrap *b, hone_error *err)
{
    static const char *const words[] = { "annotator", "item", "comparison" };
    const hone_judgements *j = b->pairs->judgements;
    bool *seen;

    b->cluster = b->o->cluster == CLUSTER_ANNOTATOR ? hone_judgements_annotator(j)
                 : b->o->cluster == CLUSTER_ITEM    ? hone_judgements_item(j) : NULL;
    b->clusters = b->o->cluster == CLUSTER_ANNOTATOR ? hone_judgements_annotators(j)
                  : b->o->cluster == CLUSTER_ITEM    ? hone_judgements_items(j) : b->pairs->rows;
    seen = hone_alloc(b->clusters + 1, sizeof *seen);
    b->draw = hone_alloc(b->clusters + 1, sizeof *b->draw);
    if (!seen || !b->draw) {
        hone_free(seen);
        return hone_fail_memory(err, "resamples");
    }
    for (size_t r = 0; r < b->pairs->rows; r++)
        seen[b->cluster ? b->cluster[r] : (int32_t)r] |= b->pairs->at[r] >= 0;
    for (size_t c = 0; c < b->clusters; c++)
        if (seen[c])
            b->draw[b->drawn++] = (int32_t)c;
    hone_free(seen);
    if (b->drawn < 2)
        return hone_fail(err, HONE_EINVAL, "%zu %s; a bootstrap over them takes 2 or more (cluster "
                         "= annotator, item or comparison)", b->drawn, words[b->o->cluster]);
    return HONE_OK;
}

static int bootstrap_check(const struct bootstrap *b, struct resamples *out, hone_error *err)
{
    for (size_t i = 0; i < out->count; i++) {
        if (b->codes[i] == HONE_EINTERRUPTED)
            return hone_fail(err, HONE_EINTERRUPTED, "stopped");
        if (b->codes[i] == HONE_ENOMEM)
            return hone_fail_memory(err, "resamples");
        if (b->codes[i])
            return hone_fail(err, b->codes[i], "resample %zu has no finite likelihood", i + 1);
        out->unbounded += b->unbounded[i];
    }
    return HONE_OK;
}

int bootstrap_run(struct resamples *out, const struct bradley_terry *o, const struct pairs *pairs,
                  const struct fit *fit, const struct crowd *crowd, hone_error *err)
{
    struct bootstrap b = { .o = o, .pairs = pairs, .fit = fit, .crowd = crowd };
    size_t n = pairs->options, count = (size_t)o->bootstrap;
    int code;

    *out = (struct resamples){ .count = count };
    code = bootstrap_clusters(&b, err);
    if (code)
        goto out;
    out->clusters = b.drawn;
    b.strengths = hone_alloc(count, (n + 1) * sizeof *b.strengths);
    b.unbounded = hone_alloc(count, sizeof *b.unbounded);
    b.codes = hone_alloc(count, sizeof *b.codes);
    out->low = hone_alloc(3 * n + 1, sizeof *out->low);
    if (n <= COVARIANCE_MOST)
        out->covariance = hone_alloc(n * n + 1, sizeof *out->covariance);
    if (!b.strengths || !b.unbounded || !b.codes || !out->low ||
        (n <= COVARIANCE_MOST && !out->covariance)) {
        code = hone_fail_memory(err, "resamples");
        goto out;
    }
    out->high = out->low + n;
    out->se = out->high + n;
    hone_parallel(o->context, (int64_t)count, resample_one, &b);
    code = bootstrap_check(&b, out, err);
    if (!code)
        code = result_intervals(out, &b, o->confidence, err);
    if (!code && out->covariance)
        result_covariance(out, &b);
out:
    hone_free(b.draw);
    hone_free(b.strengths);
    hone_free(b.unbounded);
    hone_free(b.codes);
    return code;
}

void bootstrap_free(struct resamples *b)
{
    hone_free(b->low);
    hone_free(b->covariance);
    *b = (struct resamples){0};
}
