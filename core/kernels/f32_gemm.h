/* f32_gemm.h -- matrix products of floats.
 *
 * Many rows: OpenBLAS, which must run on one thread: all on a processor without
 * products of packed operands, and attention's short spans. It copies its operands into an order of
 * its own first, which takes three times as long as a product with few rows, as in
 * decoding; and its sums depend on how many rows there are. So few rows have code here
 * that reads b once, and in which each row is computed as if it were alone. */
#include "f32_vector.h"

#include <cblas.h>

/* c = beta c; beta 0: whatever it held. */
static void f32_scale_matrix(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
    for (int64_t r = 0; r < m; r++, c += ldc) {
        if (beta == 0.0f)
            F32_EACH(n) c[i] = 0.0f;
        else if (beta != 1.0f)
            F32_EACH(n) c[i] *= beta;
    }
}

/* c += alpha a b, four rows of b at a time: they stay in the cache for all rows of a. */
static void f32_gemm_few(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                         const float *b, int64_t ldb, float *c, int64_t ldc)
{
    int64_t p = 0;
    for (; p + 4 <= k; p += 4) {
        const float *b0 = b + p * ldb, *b1 = b0 + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
        for (int64_t r = 0; r < m; r++) {
            const float *s = a + r * lda + p;
            float a0 = alpha * s[0], a1 = alpha * s[1], a2 = alpha * s[2], a3 = alpha * s[3];
            float *to = c + r * ldc;
            F32_EACH(n) to[i] = to[i] + a0 * b0[i] + a1 * b1[i] + a2 * b2[i] + a3 * b3[i];
        }
    }
    for (; p < k; p++)
        for (int64_t r = 0; r < m; r++) {
            float s = alpha * a[r * lda + p], *to = c + r * ldc;
            const float *from = b + p * ldb;
            F32_EACH(n) to[i] += s * from[i];
        }
}

/* 16 sums as vectors of the processor's width: of arrays, compilers lose sight here. */
#define F32_DOT_LANES 16
#define F32_VECTORS (F32_DOT_LANES / F32_WIDTH)

F32_INLINE void f32_dot_step(f32_vector sums[F32_VECTORS], const float *x, const float *w)
{
    for (int v = 0; v < F32_VECTORS; v++)
        sums[v] += *(const f32_loose_vector *)(x + v * F32_WIDTH) *
                   *(const f32_loose_vector *)(w + v * F32_WIDTH);
}

F32_INLINE float f32_dot_fold(const f32_vector sums[F32_VECTORS])
{
    float s[F32_DOT_LANES], fours[4];
    memcpy(s, sums, sizeof s);
    for (int l = 0; l < 4; l++)
        fours[l] = (s[l] + s[l + 8]) + (s[l + 4] + s[l + 12]);
    return (fours[0] + fours[2]) + (fours[1] + fours[3]);
}

/* out = four dot products at once: of x0 with w0 and w1, of x1 (or x0 again) with w2 and
 * w3. What is left of a run is filled up with zeros. */
F32_INLINE void f32_dots(int64_t k, const float *x0, const float *x1, const float *w0,
                         const float *w1, const float *w2, const float *w3, float out[4])
{
    f32_vector sums[4][F32_VECTORS] = { { { 0 } } };
    int64_t p = 0;
    for (; p + F32_DOT_LANES <= k; p += F32_DOT_LANES) {
        f32_dot_step(sums[0], x0 + p, w0 + p);
        f32_dot_step(sums[1], x0 + p, w1 + p);
        f32_dot_step(sums[2], x1 + p, w2 + p);
        f32_dot_step(sums[3], x1 + p, w3 + p);
    }
    if (p < k) {
        const float *all[6] = { x0, x1, w0, w1, w2, w3 };
        float rest[6][F32_DOT_LANES] = { { 0 } };
        for (int i = 0; i < 6; i++)
            memcpy(rest[i], all[i] + p, (size_t)(k - p) * sizeof *rest[i]);
        f32_dot_step(sums[0], rest[0], rest[2]);
        f32_dot_step(sums[1], rest[0], rest[3]);
        f32_dot_step(sums[2], rest[1], rest[4]);
        f32_dot_step(sums[3], rest[1], rest[5]);
    }
    for (int i = 0; i < 4; i++)
        out[i] = f32_dot_fold(sums[i]);
}

static void f32_dots_2x2(int64_t k, const float *x, int64_t lda, const float *w, int64_t ldb,
                         float out[4])
{
    f32_dots(k, x, x + lda, w, w + ldb, w, w + ldb, out);
}

static void f32_dots_1x4(int64_t k, const float *x, const float *w, int64_t ldb, float out[4])
{
    f32_dots(k, x, x, w, w + ldb, w + 2 * ldb, w + 3 * ldb, out);
}

#if F32_VECTORS == 1
/* Sixteen dot products, of four rows of x and four of w: a vector that was read serves
 * four times. Each is summed as in f32_dots. */
static void f32_dots_4x4(int64_t k, const float *x, int64_t lda, const float *w, int64_t ldb,
                         float out[4][4])
{
    f32_vector sums[4][4] = { { { 0 } } }, rest[8];
    int64_t p = 0;
    for (; p + F32_DOT_LANES <= k; p += F32_DOT_LANES) {
        f32_vector w0 = *(const f32_loose_vector *)(w + p);
        f32_vector w1 = *(const f32_loose_vector *)(w + ldb + p);
        f32_vector w2 = *(const f32_loose_vector *)(w + 2 * ldb + p);
        f32_vector w3 = *(const f32_loose_vector *)(w + 3 * ldb + p);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            f32_vector own = *(const f32_loose_vector *)(x + r * lda + p);
            sums[r][0] += own * w0;
            sums[r][1] += own * w1;
            sums[r][2] += own * w2;
            sums[r][3] += own * w3;
        }
    }
    if (p < k) {
        memset(rest, 0, sizeof rest);
        for (int i = 0; i < 4; i++) {
            memcpy(&rest[i], x + i * lda + p, (size_t)(k - p) * sizeof *x);
            memcpy(&rest[4 + i], w + i * ldb + p, (size_t)(k - p) * sizeof *w);
        }
        for (int i = 0; i < 16; i++)
            sums[i / 4][i % 4] += rest[i / 4] * rest[4 + i % 4];
    }
    for (int i = 0; i < 16; i++)
        out[i / 4][i % 4] = f32_dot_fold(&sums[i / 4][i % 4]);
}
#define F32_DOTS_ROWS 4
#else
#define F32_DOTS_ROWS INT64_MAX
#endif

/* c += alpha a b^T; a row of b goes past all rows of a. */
static void f32_gemm_few_dots(int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                              int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc)
{
    for (int64_t j = 0; j < n;) {
        int64_t cols = n - j >= 4 ? 4 : 1;
        for (int64_t r = 0; r < m;) {
            const float *x = a + r * lda, *w = b + j * ldb;
            int64_t rows = cols < 4 ? 1 : m - r >= F32_DOTS_ROWS ? 4 : m - r >= 2 ? 2 : 1;
            float out[4], *to = c + r * ldc + j;
            if (rows == 4) {
#if F32_VECTORS == 1
                float block[4][4];
                f32_dots_4x4(k, x, lda, w, ldb, block);
                for (int i = 0; i < 16; i++)
                    to[i / 4 * ldc + i % 4] += alpha * block[i / 4][i % 4];
#endif
            } else if (rows == 2) {
                for (int q = 0; q < 4; q += 2) {
                    f32_dots_2x2(k, x, lda, w + q * ldb, ldb, out);
                    for (int i = 0; i < 4; i++)
                        to[i / 2 * ldc + q + i % 2] += alpha * out[i];
                }
            } else {
                f32_dots_1x4(k, x, w, cols == 4 ? ldb : 0, out);
                for (int q = 0; q < cols; q++)
                    to[q] += alpha * out[q];
            }
            r += rows;
        }
        j += cols;
    }
}

static void f32_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const void *a,
                     int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc)
{
    if (m <= 0 || n <= 0)
        return;
    if (k <= 0) {
        f32_scale_matrix(m, n, (float)beta, c, ldc);
        return;
    }
    if (!ta && m <= HONE_GEMM_FEW) {
        f32_scale_matrix(m, n, (float)beta, c, ldc);
        (tb ? f32_gemm_few_dots : f32_gemm_few)(m, n, k, (float)alpha, a, lda, b, ldb, c, ldc);
        return;
    }
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
                (blasint)m, (blasint)n, (blasint)k, (float)alpha, a, (blasint)lda, b, (blasint)ldb,
                (float)beta, c, (blasint)ldc);
}
