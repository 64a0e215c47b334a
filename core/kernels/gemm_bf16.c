/* gemm_bf16.c -- packed products of bf16 numbers with f32 sums, for x86-64.
 *
 * Numbers are rounded to bf16, to nearest even, while they are packed; what is stored as
 * bf16 is taken as it is. Two neighbours in k make a pair, 16 pairs a row of 64 bytes,
 * 16 rows a square: of a, a square is 16 rows by 32 of k; of b, 32 of k by 16 columns.
 * A panel is two squares wide. Matrix tiles (AMX: one square a register) and vectors
 * (AVX512-BF16: one row of a square a register) both read it.
 *
 * Both add the two products of a pair to a sum without caring for numbers below the
 * least normal one; their roundings differ a little from each other. */
#define _GNU_SOURCE
#include "f32_vector.h"
#include "gemm.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SQUARE       16 /* rows of a square */
#define PAIRS        16 /* in a row of it */
#define UNIT         (2 * PAIRS)
#define PANEL        (2 * SQUARE)
#define SQUARE_WORDS (SQUARE * PAIRS)
#define DEPTH        512

#define VECTORS      __attribute__((target("avx512bf16"), always_inline)) static inline
#define VECTOR_CODE  __attribute__((target("avx512bf16")))
#define TILE_CODE    __attribute__((target("avx512bf16,amx-tile,amx-bf16")))

/* ---- packing ---- */

/* A vector of 16 pairs from 32 numbers in a row, of which n are there. */
VECTORS __m512i bf16_along(hone_dtype dtype, const void *from, int64_t n)
{
    __mmask32 mask = n >= UNIT ? 0xffffffffu : (__mmask32)((1u << n) - 1);

    if (dtype == HONE_BF16)
        return _mm512_maskz_loadu_epi16(mask, from);
    __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, from);
    __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), (const float *)from + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* 16 neighbours, of which n are there, as the low halves of words. */
VECTORS __m512i bf16_halves(hone_dtype dtype, const void *from, int64_t n)
{
    __mmask16 mask = (__mmask16)(n >= SQUARE ? 0xffffu : (1u << n) - 1);

    if (dtype == HONE_BF16)
        return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from)));
}

/* 16 pairs from two source rows, `ld` apart; the second may be missing. */
VECTORS __m512i bf16_across(hone_dtype dtype, const void *from, const void *next, int64_t n)
{
    __m512i low = bf16_halves(dtype, from, n);

    if (!next)
        return low;
    return _mm512_or_si512(low, _mm512_slli_epi32(bf16_halves(dtype, next, n), 16));
}

static const void *bf16_at(hone_dtype dtype, const void *from, int64_t i)
{
    return (const char *)from + i * (dtype == HONE_BF16 ? 2 : 4);
}

/* A square of numbers [i, i + 16) by [p, p + 32); count and k: how many there are. If
 * `turned`, its rows run along what the source's do not. */
VECTORS void bf16_square(bool deep, bool turned, int64_t count, int64_t k, hone_dtype dtype,
                         const void *from, int64_t ld, uint32_t *to)
{
    union {
        f32_vector f[SQUARE];
        __m512i i[SQUARE];
    } x;

#pragma GCC unroll 16
    for (int r = 0; r < SQUARE; r++) {
        x.i[r] = _mm512_setzero_si512();
        if (deep && r < count && k > 0)
            x.i[r] = bf16_along(dtype, bf16_at(dtype, from, r * ld), k);
        else if (!deep && 2 * r < k && count > 0)
            x.i[r] =
                bf16_across(dtype, bf16_at(dtype, from, 2 * r * ld),
                            2 * r + 1 < k ? bf16_at(dtype, from, (2 * r + 1) * ld) : NULL, count);
    }
    if (turned)
        f32_transpose(x.f);
#pragma GCC unroll 16
    for (int r = 0; r < SQUARE; r++)
        _mm512_store_si512(to + r * PAIRS, x.i[r]);
}

VECTORS void bf16_pack(bool deep, bool turned, int64_t count, int64_t k, hone_dtype dtype,
                       const void *from, int64_t ld, uint32_t *to)
{
    for (int64_t i = 0; i < count; i += PANEL)
        for (int64_t p = 0; p < k; p += UNIT)
            for (int64_t q = i; q < i + PANEL; q += SQUARE, to += SQUARE_WORDS)
                bf16_square(deep, turned, count - q, k - p, dtype,
                            q < count ? bf16_at(dtype, from, deep ? q * ld + p : p * ld + q) : from,
                            ld, to);
}

/* One loop for each dtype, so that it is known inside. */
VECTOR_CODE static void bf16_pack_a(int64_t count, int64_t k, bool deep, hone_dtype dtype,
                                    const void *from, int64_t ld, void *to)
{
    if (dtype == HONE_BF16)
        deep ? bf16_pack(true, false, count, k, HONE_BF16, from, ld, to)
             : bf16_pack(false, true, count, k, HONE_BF16, from, ld, to);
    else
        deep ? bf16_pack(true, false, count, k, HONE_F32, from, ld, to)
             : bf16_pack(false, true, count, k, HONE_F32, from, ld, to);
}

VECTOR_CODE static void bf16_pack_b(int64_t count, int64_t k, bool deep, hone_dtype dtype,
                                    const void *from, int64_t ld, void *to)
{
    if (dtype == HONE_BF16)
        deep ? bf16_pack(true, true, count, k, HONE_BF16, from, ld, to)
             : bf16_pack(false, false, count, k, HONE_BF16, from, ld, to);
    else
        deep ? bf16_pack(true, true, count, k, HONE_F32, from, ld, to)
             : bf16_pack(false, false, count, k, HONE_F32, from, ld, to);
}

/* ---- the result ---- */

struct bf16_result {
    int64_t m, n;
    float alpha, beta;
    const float *base;
    int64_t ld_base;
    float *c;
    int64_t ldc;
};

/* Rows [i, i + rows) by 16 columns from j, of sums 16 wide: what of them is there. */
static inline void bf16_put(const struct bf16_result *to, int64_t i, int64_t j, int rows,
                            const float *sums, int64_t ld)
{
    int64_t n = to->n - j;
    __mmask16 mask = (__mmask16)(n >= 16 ? 0xffffu : n > 0 ? (1u << n) - 1 : 0);
    __m512 alpha = _mm512_set1_ps(to->alpha), beta = _mm512_set1_ps(to->beta);

    for (int64_t r = i; r < i + rows && r < to->m; r++, sums += ld) {
        __m512 x = _mm512_mul_ps(_mm512_loadu_ps(sums), alpha);
        if (to->beta != 0.0f)
            x = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, to->base + r * to->ld_base + j), beta,
                                x);
        _mm512_mask_storeu_ps(to->c + r * to->ldc + j, mask, x);
    }
}

/* ---- vectors ---- */

#define VECTOR_ROWS 8

/* 8 rows of a panel of a by both squares of one of b. */
VECTOR_CODE static void bf16_vector_tile(int64_t k, const uint32_t *a, const uint32_t *b,
                                         float out[VECTOR_ROWS * PANEL])
{
    __m512 sums[VECTOR_ROWS][2];

#pragma GCC unroll 8
    for (int r = 0; r < VECTOR_ROWS; r++)
        sums[r][0] = sums[r][1] = _mm512_setzero_ps();
    for (int64_t p = 0; p < k; p += UNIT, a += 2 * SQUARE_WORDS, b += 2 * SQUARE_WORDS)
        for (int q = 0; q < PAIRS; q++) {
            __m512bh left = (__m512bh)_mm512_load_si512(b + q * PAIRS);
            __m512bh right = (__m512bh)_mm512_load_si512(b + SQUARE_WORDS + q * PAIRS);
#pragma GCC unroll 8
            for (int r = 0; r < VECTOR_ROWS; r++) {
                __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[r * PAIRS + q]);
                sums[r][0] = _mm512_dpbf16_ps(sums[r][0], x, left);
                sums[r][1] = _mm512_dpbf16_ps(sums[r][1], x, right);
            }
        }
#pragma GCC unroll 8
    for (int r = 0; r < VECTOR_ROWS; r++) {
        _mm512_storeu_ps(out + r * PANEL, sums[r][0]);
        _mm512_storeu_ps(out + r * PANEL + SQUARE, sums[r][1]);
    }
}

static void bf16_vector_multiply(int64_t m, int64_t n, int64_t k, const void *a, const void *b,
                                 float alpha, float beta, const float *base, int64_t ld_base,
                                 float *c, int64_t ldc)
{
    const struct bf16_result to = {m, n, alpha, beta, base, ld_base, c, ldc};
    float sums[VECTOR_ROWS * PANEL] __attribute__((aligned(64)));

    for (int64_t i = 0; i < m; i += VECTOR_ROWS) {
        /* the panel, the square in it, the row in that */
        const uint32_t *rows = (const uint32_t *)a + i / PANEL * PANEL * k / 2 +
                               i % PANEL / SQUARE * SQUARE_WORDS + i % SQUARE * PAIRS;
        for (int64_t j = 0; j < n; j += PANEL) {
            bf16_vector_tile(k, rows, (const uint32_t *)b + j * k / 2, sums);
            bf16_put(&to, i, j, VECTOR_ROWS, sums, PANEL);
            bf16_put(&to, i, j + SQUARE, VECTOR_ROWS, sums + SQUARE, PANEL);
        }
    }
}

/* ---- matrix tiles ---- */

struct bf16_tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
} __attribute__((aligned(64)));

/* Both squares of a panel of a by both of one of b. */
TILE_CODE static void bf16_tile(int64_t k, const uint32_t *a, const uint32_t *b,
                                float out[PANEL * PANEL])
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t p = 0; p < k; p += UNIT, a += 2 * SQUARE_WORDS, b += 2 * SQUARE_WORDS) {
        _tile_loadd(4, a, 64);
        _tile_loadd(6, b, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + SQUARE_WORDS, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a + SQUARE_WORDS, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, 4 * PANEL);
    _tile_stored(1, out + SQUARE, 4 * PANEL);
    _tile_stored(2, out + SQUARE * PANEL, 4 * PANEL);
    _tile_stored(3, out + SQUARE * PANEL + SQUARE, 4 * PANEL);
}

TILE_CODE static void bf16_tile_multiply(int64_t m, int64_t n, int64_t k, const void *a,
                                         const void *b, float alpha, float beta, const float *base,
                                         int64_t ld_base, float *c, int64_t ldc)
{
    const struct bf16_result to = {m, n, alpha, beta, base, ld_base, c, ldc};
    struct bf16_tile_config config = {.palette = 1};
    float sums[PANEL * PANEL] __attribute__((aligned(64)));

    for (int t = 0; t < 8; t++) {
        config.bytes[t] = 64;
        config.rows[t] = SQUARE;
    }
    _tile_loadconfig(&config);
    for (int64_t i = 0; i < m; i += PANEL)
        for (int64_t j = 0; j < n; j += PANEL) {
            bf16_tile(k, (const uint32_t *)a + i * k / 2, (const uint32_t *)b + j * k / 2, sums);
            bf16_put(&to, i, j, PANEL, sums, PANEL);
            bf16_put(&to, i, j + SQUARE, PANEL, sums + SQUARE, PANEL);
        }
    _tile_release();
}

/* ---- which ---- */

const hone_gemm hone_gemm_bf16_vectors = {
    .name = "avx512_bf16",
    .rows = PANEL,
    .columns = PANEL,
    .depth = DEPTH,
    .unit = UNIT,
    .width = 2,
    .pack_a = bf16_pack_a,
    .pack_b = bf16_pack_b,
    .multiply = bf16_vector_multiply,
};

const hone_gemm hone_gemm_bf16_tiles = {
    .name = "amx_bf16",
    .rows = PANEL,
    .columns = PANEL,
    .depth = DEPTH,
    .unit = UNIT,
    .width = 2,
    .pack_a = bf16_pack_a,
    .pack_b = bf16_pack_b,
    .multiply = bf16_tile_multiply,
};

bool hone_gemm_tiles_allowed(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, HAS_BF16 = 1 << 22, HAS_TILES = 1 << 24 };
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & HAS_BF16) || !(d & HAS_TILES))
        return false;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
