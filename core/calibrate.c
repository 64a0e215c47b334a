/* calibrate.c -- isotonic and logistic fits, rank correlation (see
 * <hone/calibrate.h>). */
#include <hone/calibrate.h>
#include <hone/statistics.h>

#include <math.h>
#include <stdlib.h>

typedef struct point {
    double x, y, weight;
    size_t place;
} point;

static int point_compare(const void *a, const void *b)
{
    const point *p = a, *q = b;

    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return p->place < q->place ? -1 : p->place > q->place;
}

static int points_check(const double *x, const double *y, const double *weight, size_t n,
                        double *sum, hone_error *err)
{
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        double w = weight ? weight[i] : 1;
        if (!isfinite(x[i]) || !isfinite(y[i]))
            return hone_fail(err, HONE_EINVAL, "calibration: pair %zu is not of finite numbers",
                             i + 1);
        if (!(w >= 0) || !isfinite(w))
            return hone_fail(err, HONE_EINVAL, "calibration: weight %zu is %g (allowed: >= 0)",
                             i + 1, w);
        *sum += w;
    }
    return *sum > 0 ? HONE_OK : hone_fail(err, HONE_EINVAL, "calibration: no pair has weight");
}

/* Sorted by x, those without weight left out. */
static int points_new(point **out, size_t *count, const double *x, const double *y,
                      const double *weight, size_t n, hone_error *err)
{
    point *p = hone_alloc(n ? n : 1, sizeof *p);

    *out = p;
    *count = 0;
    if (!p)
        return hone_fail_memory(err, "calibration");
    for (size_t i = 0; i < n; i++) {
        if (!weight || weight[i] > 0)
            p[(*count)++] = (point){ x[i], y[i], weight ? weight[i] : 1, i };
    }
    qsort(p, *count, sizeof *p, point_compare);
    return HONE_OK;
}

/* ---- isotonic ---- */

/* Points with equal x become their mean; returns how many are left. */
static size_t points_pool_equal(point *p, size_t n)
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (used && p[used - 1].x == p[i].x) {
            point *q = &p[used - 1];
            double total = q->weight + p[i].weight;
            q->y += (p[i].y - q->y) * (p[i].weight / total);
            q->weight = total;
        } else {
            p[used++] = p[i];
        }
    }
    return used;
}

typedef struct block {
    size_t first, last;
    double y, weight;
} block;

/* Blocks of a rising fit: a block that is not above the one before joins it. */
static size_t blocks_pool(block *blocks, const point *p, size_t n)
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        blocks[used++] = (block){ i, i, p[i].y, p[i].weight };
        while (used > 1 && blocks[used - 2].y >= blocks[used - 1].y) {
            block *a = &blocks[used - 2], *b = &blocks[used - 1];
            double total = a->weight + b->weight;
            a->y += (b->y - a->y) * (b->weight / total);
            a->weight = total;
            a->last = b->last;
            used--;
        }
    }
    return used;
}

int hone_isotonic_fit(double *from, double *to, size_t *corners, const double *x, const double *y,
                      const double *weight, size_t n, hone_error *err)
{
    point *points = NULL;
    block *blocks = NULL;
    size_t count, used;
    double sum;
    int code = points_check(x, y, weight, n, &sum, err);

    *corners = 0;
    if (code || (code = points_new(&points, &count, x, y, weight, n, err)))
        goto out;
    count = points_pool_equal(points, count);
    blocks = hone_alloc(count, sizeof *blocks);
    if (!blocks) {
        code = hone_fail_memory(err, "calibration");
        goto out;
    }
    used = blocks_pool(blocks, points, count);
    for (size_t b = 0; b < used; b++) {
        const block *at = &blocks[b];
        from[*corners] = points[at->first].x;
        to[(*corners)++] = at->y;
        if (at->last == at->first)
            continue;
        from[*corners] = points[at->last].x;
        to[(*corners)++] = at->y;
    }
out:
    hone_free(blocks);
    hone_free(points);
    return code;
}

double hone_isotonic_value(const double *from, const double *to, size_t corners, double x)
{
    size_t low = 0, high = corners;

    if (!corners || isnan(x))
        return (double)NAN;
    if (x <= from[0])
        return to[0];
    if (x >= from[corners - 1])
        return to[corners - 1];
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (from[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return to[low] + (to[low + 1] - to[low]) * ((x - from[low]) / (from[low + 1] - from[low]));
}

/* ---- Platt ---- */

/* Rows { 1, (x - mean)/sd }, and targets between 1/(N- + 2) for y = 0 and
 * (N+ + 1)/(N+ + 2) for y = 1. Returns sd; 0: all x are equal. */
static double platt_rows(double *rows, double *targets, double *mean, const double *x,
                         const double *y, const double *weight, size_t n)
{
    double sum = 0, up = 0, squares = 0, sd;

    *mean = 0;
    for (size_t i = 0; i < n; i++) {
        double w = weight ? weight[i] : 1;
        sum += w;
        up += w * y[i];
        *mean += w * x[i];
    }
    *mean /= sum;
    for (size_t i = 0; i < n; i++)
        squares += (weight ? weight[i] : 1) * (x[i] - *mean) * (x[i] - *mean);
    sd = sqrt(squares / sum);
    for (size_t i = 0; i < n; i++) {
        rows[2 * i] = 1;
        rows[2 * i + 1] = sd > 0 ? (x[i] - *mean) / sd : 0;
        targets[i] = y[i] * (up + 1) / (up + 2) + (1 - y[i]) / (sum - up + 2);
    }
    return sd;
}

int hone_platt_fit(double *constant, double *slope, const double *x, const double *y,
                   const double *weight, size_t n, hone_error *err)
{
    double sum, mean, sd, share = 0, beta[2] = { 0, 0 }, covariance[4];
    double *rows = NULL, *targets = NULL;
    int code = points_check(x, y, weight, n, &sum, err);

    for (size_t i = 0; i < n && !code; i++) {
        if (y[i] < 0 || y[i] > 1)
            code = hone_fail(err, HONE_EINVAL, "calibration: judgement %zu is %g (allowed: 0 to 1)",
                             i + 1, y[i]);
    }
    if (code)
        return code;
    rows = hone_alloc(2 * n, sizeof *rows);
    targets = hone_alloc(n, sizeof *targets);
    if (!rows || !targets) {
        code = hone_fail_memory(err, "calibration");
        goto out;
    }
    sd = platt_rows(rows, targets, &mean, x, y, weight, n);
    if (sd > 0) {
        code = hone_logistic_fit(beta, covariance, rows, targets, weight, NULL, 0, n, 2, err);
        if (code)
            goto out;
        *slope = beta[1] / sd;
        *constant = beta[0] - beta[1] * mean / sd;
    } else {
        for (size_t i = 0; i < n; i++)
            share += targets[i] * (weight ? weight[i] : 1) / sum;
        *slope = 0;
        *constant = log(share / (1 - share));
    }
out:
    hone_free(rows);
    hone_free(targets);
    return code;
}

/* ---- rank correlation ---- */

/* rank [n] of x, ties at their mean. */
static void ranks_set(double *rank, point *p, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (point){ .x = x[i], .place = i };
    qsort(p, n, sizeof *p, point_compare);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && p[j].x == p[i].x; j++)
            ;
        for (size_t k = i; k < j; k++)
            rank[p[k].place] = ((double)i + (double)(j - 1)) / 2;
    }
}

static double ranks_correlation(const double *a, const double *b, size_t n)
{
    double mean = (double)(n - 1) / 2, ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (a[i] - mean) * (b[i] - mean);
        aa += (a[i] - mean) * (a[i] - mean);
        bb += (b[i] - mean) * (b[i] - mean);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : (double)NAN;
}

int hone_rank_correlation(hone_estimate *out, const double *x, const double *y, size_t n,
                          double confidence, hone_error *err)
{
    double *ranks, rho, z, half, sum;
    point *points;
    int code = points_check(x, y, NULL, n, &sum, err);

    if (code)
        return code;
    if (n < 4)
        return hone_fail(err, HONE_EINVAL, "rank correlation: %zu pairs (at least 4)", n);
    if (!(confidence > 0 && confidence < 1))
        return hone_fail(err, HONE_EINVAL, "rank correlation: confidence is %g (allowed: > 0 and "
                         "< 1)", confidence);
    ranks = hone_alloc(2 * n, sizeof *ranks);
    points = hone_alloc(n, sizeof *points);
    if (!ranks || !points) {
        code = hone_fail_memory(err, "rank correlation");
        goto out;
    }
    ranks_set(ranks, points, x, n);
    ranks_set(ranks + n, points, y, n);
    rho = ranks_correlation(ranks, ranks + n, n);
    *out = (hone_estimate){ 0, 1, -1, 1 };
    if (isnan(rho))
        goto out;
    out->value = rho;
    out->se = sqrt((1 + rho * rho / 2) / (double)(n - 3));
    if (fabs(rho) < 1) {
        z = atanh(rho);
        half = hone_normal_quantile(0.5 + confidence / 2) * out->se;
        out->low = tanh(z - half);
        out->high = tanh(z + half);
    } else {
        out->low = out->high = rho;
    }
out:
    hone_free(ranks);
    hone_free(points);
    return code;
}
