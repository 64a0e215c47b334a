/* f32_attention.h -- kernels of attention: products of a tile of queries with keys, the
 * softmax of its scores, and their gradient.
 *
 * A product reads its operands where they lie: they are small, and used a few times only,
 * so that a copy would cost as much as a part of the product. The result is computed in
 * blocks of F32_NEAR_ROWS x F32_NEAR_VECTORS vectors that stay in registers over the whole
 * of k; columns are cut into blocks of nearly one width, as are rows. */
#include "f32_vector.h"

#if F32_WIDTH >= 8
#include <immintrin.h>

#if F32_WIDTH == 16
#define F32_NEAR_ROWS 9 /* of 4 vectors: 6 */
#define F32_NEAR_VECTORS 4
typedef __mmask16 f32_mask;
#else
#define F32_NEAR_ROWS 4
#define F32_NEAR_VECTORS 3
typedef __m256i f32_mask;
#endif

/* The first `count` lanes. */
F32_INLINE f32_mask f32_mask_of(int64_t count)
{
#if F32_WIDTH == 16
    return (f32_mask)((1u << count) - 1);
#else
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
#endif
}

F32_INLINE f32_vector f32_mask_load(f32_mask mask, const float *from)
{
#if F32_WIDTH == 16
    return (f32_vector)_mm512_maskz_loadu_ps(mask, from);
#else
    return (f32_vector)_mm256_maskload_ps(from, mask);
#endif
}

F32_INLINE void f32_mask_store(f32_mask mask, float *to, f32_vector x)
{
#if F32_WIDTH == 16
    _mm512_mask_storeu_ps(to, mask, (__m512)x);
#else
    _mm256_maskstore_ps(to, mask, (__m256)x);
#endif
}

struct f32_near {
    int64_t k;
    const float *a;
    int64_t row, step; /* elements between rows of a, and between columns */
    const float *b;
    int64_t ldb;
    bool add;
    float *c;
    int64_t ldc;
    f32_mask mask;     /* of the last vector */
};

/* rows, vectors, deep (a's rows are contiguous, else its columns are): constants where it is
 * called. */
F32_INLINE void f32_near_block(int rows, int vectors, bool deep, const struct f32_near *t)
{
    f32_vector sums[F32_NEAR_ROWS][F32_NEAR_VECTORS];
    const float *a[F32_NEAR_ROWS], *b = t->b;
    const int last = vectors - 1;
    const f32_mask mask = t->mask;
    const int64_t step = deep ? 1 : t->step, ldb = t->ldb;
#pragma GCC unroll 9
    for (int r = 0; r < rows; r++) {
        a[r] = t->a + r * t->row;
        if (deep) /* or compilers find each row's address anew for each p */
            __asm__("" : "+r"(a[r]));
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[r][v] = (f32_vector){0};
    }
#pragma GCC unroll 4
    for (int64_t p = 0, k = t->k; p < k; p++, b += ldb) {
        f32_vector w[F32_NEAR_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < last; v++)
            w[v] = *(const f32_loose_vector *)(b + v * F32_WIDTH);
        w[last] = f32_mask_load(mask, b + last * F32_WIDTH);
#pragma GCC unroll 9
        for (int r = 0; r < rows; r++) {
            f32_vector x = (deep ? a[r][p] : a[0][p * step + r]) - (f32_vector){0};
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sums[r][v] += x * w[v];
        }
    }
#pragma GCC unroll 9
    for (int r = 0; r < rows; r++) {
        float *c = t->c + r * t->ldc;
        if (t->add) {
#pragma GCC unroll 4
            for (int v = 0; v < last; v++)
                sums[r][v] += *(const f32_loose_vector *)(c + v * F32_WIDTH);
            sums[r][last] += f32_mask_load(mask, c + last * F32_WIDTH);
        }
#pragma GCC unroll 4
        for (int v = 0; v < last; v++)
            *(f32_loose_vector *)(c + v * F32_WIDTH) = sums[r][v];
        f32_mask_store(mask, c + last * F32_WIDTH, sums[r][last]);
    }
}

/* Blocks by rows, for each number of vectors: F(rows, vectors). */
#if F32_WIDTH == 16
#define F32_NEAR_BLOCKS(F, vectors)                                                                \
    F(1, vectors) F(2, vectors) F(3, vectors) F(4, vectors) F(5, vectors) F(6, vectors)            \
    F(7, vectors) F(8, vectors) F(9, vectors)
#define F32_NEAR_BLOCKS_4(F) F(1, 4) F(2, 4) F(3, 4) F(4, 4) F(5, 4) F(6, 4)
#else
#define F32_NEAR_BLOCKS(F, vectors) F(1, vectors) F(2, vectors) F(3, vectors) F(4, vectors)
#define F32_NEAR_BLOCKS_4(F)
#endif

#define F32_NEAR_DEFINE(rows, vectors)                                                             \
    static void f32_deep_##rows##x##vectors(const struct f32_near *t)                              \
    {                                                                                              \
        f32_near_block(rows, vectors, true, t);                                                    \
    }                                                                                              \
    static void f32_wide_##rows##x##vectors(const struct f32_near *t)                              \
    {                                                                                              \
        f32_near_block(rows, vectors, false, t);                                                   \
    }
F32_NEAR_BLOCKS(F32_NEAR_DEFINE, 1)
F32_NEAR_BLOCKS(F32_NEAR_DEFINE, 2)
F32_NEAR_BLOCKS(F32_NEAR_DEFINE, 3)
F32_NEAR_BLOCKS_4(F32_NEAR_DEFINE)

#define F32_NEAR_NAME(rows, vectors) { f32_wide_##rows##x##vectors, f32_deep_##rows##x##vectors },
static void (*const f32_nears[F32_NEAR_VECTORS][F32_NEAR_ROWS][2])(const struct f32_near *t) = {
    { F32_NEAR_BLOCKS(F32_NEAR_NAME, 1) },
    { F32_NEAR_BLOCKS(F32_NEAR_NAME, 2) },
    { F32_NEAR_BLOCKS(F32_NEAR_NAME, 3) },
#if F32_NEAR_VECTORS > 3
    { F32_NEAR_BLOCKS_4(F32_NEAR_NAME) },
#endif
};

/* n things in as few blocks of at most `most` as there can be: how many a block holds. */
F32_INLINE int64_t f32_near_even(int64_t n, int64_t most)
{
    int64_t blocks = (n + most - 1) / most;
    return (n + blocks - 1) / blocks;
}

static void f32_attention_product(bool deep, int64_t m, int64_t n, int64_t k, const void *av,
                                  int64_t lda, const void *bv, int64_t ldb, bool add, void *cv,
                                  int64_t ldc)
{
    const float *a = av, *b = bv;
    float *c = cv;
    if (m <= 0 || n <= 0)
        return;
    int64_t wide = f32_near_even((n + F32_WIDTH - 1) / F32_WIDTH, F32_NEAR_VECTORS);
    int64_t rows = f32_near_even(m, wide > 3 ? 6 : F32_NEAR_ROWS), row = deep ? lda : 1;
    int64_t columns = wide * F32_WIDTH;
    struct f32_near t = {.k = k, .row = row, .step = lda, .ldb = ldb, .add = add, .ldc = ldc};
    for (int64_t j = 0; j < n; j += columns) {
        int64_t left = n - j < columns ? n - j : columns;
        int64_t vectors = (left + F32_WIDTH - 1) / F32_WIDTH;
        t.b = b + j;
        t.mask = f32_mask_of(left - (vectors - 1) * F32_WIDTH);
        for (int64_t i = 0; i < m; i += rows) {
            t.a = a + i * row;
            t.c = c + i * ldc + j;
            f32_nears[vectors - 1][(m - i < rows ? m - i : rows) - 1][deep](&t);
        }
    }
}
#endif

/* ---- softmax ---- */

/* exp(x) for x of at most 88, 1 ulp: as f32_exp, but 0 where the result would be below
 * the least normal number, so that one factor is enough. */
F32_INLINE float f32_exp_normal(float x)
{
    const float round = 0x1.8p23f, least = -87.3f;
    float bounded = x < least ? least : x;
    float shifted = bounded * 0x1.715476p0f + round, t = shifted - round;
    float r = bounded - t * 0x1.63p-1f;
    r = r + t * 0x1.bd0106p-13f;
    float y = f32_exp_rest(r);
    y *= f32_from_bits((f32_bits(shifted) - f32_bits(round) + 127) << 23);
    return x < least ? 0.0f : y;
}

/* s = exp(k s - shift), added to lanes. */
F32_INLINE void f32_attention_exp(float s[F32_LANES], float k, float shift, float lanes[F32_LANES])
{
    for (int l = 0; l < F32_LANES; l++) {
        s[l] = f32_exp_normal(k * s[l] - shift);
        lanes[l] += s[l];
    }
}

F32_INLINE float f32_attention_fold(const float lanes[F32_LANES])
{
    float sums[F32_LANES / 2];
    for (int l = 0; l < F32_LANES / 2; l++)
        sums[l] = lanes[l] + lanes[l + F32_LANES / 2];
#pragma GCC unroll 4
    for (int half = F32_LANES / 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            sums[l] += sums[l + half];
    return sums[0];
}

/* The same of a row's first `whole` scores and of `rest`; their sum. */
F32_INLINE double f32_attention_sum(int64_t whole, float *s, float rest[F32_LANES], float k,
                                    float shift)
{
    float lanes[F32_LANES] = { 0 };
    double sum = 0;
    f32_attention_exp(rest, k, shift, lanes);
    for (int64_t i = 0; i < whole; i += F32_LANES) {
        if (i % F32_CHUNK == 0 && i > 0) {
            sum += f32_attention_fold(lanes);
            memset(lanes, 0, sizeof lanes);
        }
        f32_attention_exp(s + i, k, shift, lanes);
    }
    return sum + f32_attention_fold(lanes);
}

/* The part of a row that is seen; false: nothing but minus infinity. */
static bool f32_attention_row(int64_t n, float *s, float scale, float cap, float *lse, bool known)
{
    float k = scale, shift = known ? *lse : 0.0f, rest[F32_LANES];
    if (cap > 0.0f) {
        F32_EACH(n) s[i] = cap * f32_tanh(scale * s[i] / cap);
        k = 1.0f;
    } else if (scale <= 0.0f) { /* the greatest would be the least */
        F32_EACH(n) s[i] *= scale;
        k = 1.0f;
    }
    int64_t whole = f32_rest(n, s, rest);
    if (!known) {
        float max = f32_max_of(whole, s, rest);
        if (max == -INFINITY) {
            if (lse)
                *lse = max;
            return false;
        }
        shift = k * max;
    }
    double sum = f32_attention_sum(whole, s, rest, k, shift);
    if (!known) {
        float factor = (float)(1 / sum);
        if (lse)
            *lse = (float)(shift + log(sum));
        F32_EACH(whole) s[i] *= factor;
        F32_EACH(F32_LANES) rest[i] *= factor;
    }
    memcpy(s + whole, rest, (size_t)(n - whole) * sizeof *s);
    return shift > -INFINITY || shift != shift;
}

/* Columns [*from, *to) of a row, within [0, cols]. */
F32_INLINE void f32_attention_seen(int64_t cols, int64_t low, int64_t high, int64_t *from,
                                   int64_t *to)
{
    *to = high < 0 ? 0 : high > cols ? cols : high;
    *from = low < 0 ? 0 : low > *to ? *to : low;
}

F32_INLINE void f32_attention_clear(int64_t cols, int64_t from, int64_t to, float *s)
{
    if (from > 0)
        memset(s, 0, (size_t)from * sizeof *s);
    if (cols > to)
        memset(s + to, 0, (size_t)(cols - to) * sizeof *s);
}

static void f32_attention_softmax(int64_t rows, int64_t cols, void *sv, int64_t ld, double scale,
                                  double cap, const int64_t *low, const int64_t *high, void *lsev,
                                  bool known)
{
    float *s = sv, *lse = lsev;
    for (int64_t r = 0; r < rows; r++, s += ld) {
        int64_t from, to;
        f32_attention_seen(cols, low[r], high[r], &from, &to);
        if (!f32_attention_row(to - from, s + from, (float)scale, (float)cap, lse ? &lse[r] : NULL,
                               known))
            from = to = 0;
        f32_attention_clear(cols, from, to, s);
    }
}

static void f32_attention_grad(int64_t rows, int64_t cols, const void *pv, void *dpv, int64_t ld,
                               double scale, double cap, const void *rawv, const void *deltav,
                               const int64_t *low, const int64_t *high)
{
    const float *p = pv, *raw = rawv, *delta = deltav;
    const float k = (float)scale, inner = cap > 0 ? (float)(scale / cap) : 0;
    float *dp = dpv;
    for (int64_t r = 0; r < rows; r++, p += ld, dp += ld) {
        int64_t from, to;
        f32_attention_seen(cols, low[r], high[r], &from, &to);
        float shift = delta[r], *ds = dp + from;
        const float *own = p + from;
        if (cap > 0) {
            const float *score = raw + r * ld + from;
            F32_EACH(to - from) {
                float t = f32_tanh(score[i] * inner);
                ds[i] = own[i] * (ds[i] - shift) * k * ((1.0f - t) * (1.0f + t));
            }
        } else {
            F32_EACH(to - from) ds[i] = own[i] * (ds[i] - shift) * k;
        }
        f32_attention_clear(cols, from, to, dp);
    }
}
