/* kernels.h -- what tests of kernels share: every table of float kernels is compared
 * with the naive one in double.
 *
 * Inputs are floats, given to both; what comes out must agree to a tolerance relative
 * to each element, or to the greatest in its row where sums are involved. Sizes are
 * around the lanes, blocks and chunks of the code. A destination that is to be
 * overwritten starts as NaN. Each test runs for each table. */
#ifndef TESTS_KERNELS_H
#define TESTS_KERNELS_H

#include "../core/kernels/kernels.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tables[] = { "generic", "avx2", "avx512" };
static const int64_t sizes[] = { 0, 1, 3, 15, 16, 17, 33, 257, 1025, 4999 };
#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))

static const hone_kernels *fast, *slow;

static inline bool use_table(int i)
{
    fast = hone_kernels_find(tables[i], NULL);
    slow = &hone_kernels_reference;
    if (!fast)
        printf("skip kernels %s: this processor lacks them\n", tables[i]);
    return fast != NULL;
}

/* ---- the same numbers as floats and as doubles ---- */

typedef struct twin {
    int64_t n;
    float *f;
    double *d;
} twin;

static hone_random dice;

static inline twin twin_new(int64_t n)
{
    /* exact sizes, so that a sanitizer sees one step too far */
    size_t count = n > 0 ? (size_t)n : 1;
    twin t = { n, malloc(count * sizeof *t.f), malloc(count * sizeof *t.d) };
    ck_assert(t.f && t.d);
    return t;
}

static inline void twin_set(twin *t, int64_t i, float value)
{
    t->f[i] = value;
    t->d[i] = value;
}

static inline twin twin_fill(int64_t n, float value)
{
    twin t = twin_new(n);
    for (int64_t i = 0; i < n; i++)
        twin_set(&t, i, value);
    return t;
}

/* Normal numbers of this deviation. */
static inline twin twin_random(int64_t n, double deviation)
{
    twin t = twin_new(n);
    for (int64_t i = 0; i < n; i++)
        twin_set(&t, i, (float)(deviation * hone_random_normal(&dice)));
    return t;
}

static inline twin twin_copy(const twin *from)
{
    twin t = twin_new(from->n);
    for (int64_t i = 0; i < t.n; i++)
        twin_set(&t, i, from->f[i]);
    return t;
}

/* A destination: numbers to be added to, or NaN to be overwritten. */
static inline twin twin_target(int64_t n, bool add)
{
    return add ? twin_random(n, 1) : twin_fill(n, NAN);
}

static inline void twin_free(twin *t)
{
    free(t->f);
    free(t->d);
    *t = (twin){ 0 };
}

static inline void check_one(const char *what, int64_t i, double got, double want, double allowed)
{
    if (fabs(want) > FLT_MAX)
        want = copysign(INFINITY, want);
    if (isnan(want) || isinf(want))
        ck_assert_msg(isnan(want) ? isnan(got) : got == want, "%s %s[%lld]: %.9g, not %.9g",
                      fast->name, what, (long long)i, got, want);
    else
        ck_assert_msg(fabs(got - want) <= allowed, "%s %s[%lld]: %.9g, not %.9g to %.3g",
                      fast->name, what, (long long)i, got, want, allowed);
}

/* Each element within `relative` of itself, or `absolute`. */
static inline void check_each(const char *what, const twin *t, double relative, double absolute)
{
    for (int64_t i = 0; i < t->n; i++)
        check_one(what, i, t->f[i], t->d[i], relative * fabs(t->d[i]) + absolute);
}

/* Each element within `relative` of the greatest in its row, or `absolute`. */
static inline void check_rows(const char *what, const twin *t, int64_t d, double relative,
                              double absolute)
{
    for (int64_t row = 0; d > 0 && row < t->n; row += d) {
        double greatest = 0;
        for (int64_t i = row; i < row + d; i++)
            greatest = isfinite(t->d[i]) ? fmax(greatest, fabs(t->d[i])) : greatest;
        for (int64_t i = row; i < row + d; i++)
            check_one(what, i, t->f[i], t->d[i], relative * greatest + absolute);
    }
}

static inline void setup(void)
{
    dice = hone_random_named(7, "kernels");
}

static inline int64_t up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* c = alpha op(a) op(b) + beta c by packing whole operands, one block of k after another. */
static inline void by_packing(const hone_gemm *p, bool ta, bool tb, int64_t m, int64_t n,
                              int64_t k, float alpha, const float *a, int64_t lda,
                              hone_dtype dtype, const void *b, int64_t ldb, float beta, float *c,
                              int64_t ldc)
{
    size_t deep = (size_t)up(p->depth, p->unit) * p->width, width = hone_dtype_size(dtype);
    char *pa = aligned_alloc(64, (size_t)up(up(m, p->rows) * (int64_t)deep, 64));
    char *pb = aligned_alloc(64, (size_t)up(up(n, p->columns) * (int64_t)deep, 64));

    ck_assert(pa && pb);
    for (int64_t q = 0, d; q < k; q += d) {
        d = k - q < p->depth ? k - q : p->depth;
        p->pack_a(m, d, !ta, HONE_F32, a + (ta ? q * lda : q), lda, pa);
        p->pack_b(n, d, tb, dtype, (const char *)b + (size_t)(tb ? q : q * ldb) * width, ldb, pb);
        p->multiply(m, n, up(d, p->unit), pa, pb, alpha, q ? 1.0f : beta, c, ldc, c, ldc);
    }
    free(pa);
    free(pb);
}

/* One loop over the tables. */
#define add_tests(tcase, test) tcase_add_loop_test(tcase, test, 0, (int)COUNT(tables))

#endif
