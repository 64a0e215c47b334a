/* gemm_bf16.c -- packed products of bf16 numbers with f32 sums, for x86-64.
 *
 * A panel is two squares wide (gemm_bf16.h). Matrix tiles (AMX: one square a register)
 * and vectors (AVX512-BF16: one row of a square a register) both read it.
 *
 * Both add the two products of a pair to a sum without caring for numbers below the
 * least normal one; their roundings differ a little from each other. */
#define _GNU_SOURCE
#include "gemm_bf16.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- packing ---- */

/* One loop for each dtype, so that it is known inside. */
VECTOR_CODE static void bf16_pack_a(int64_t count, int64_t k, bool deep, hone_dtype dtype,
                                    const void *from, int64_t ld, void *to)
{
    if (dtype == HONE_BF16)
        deep ? bf16_pack(PANEL, true, false, count, k, HONE_BF16, from, ld, to)
             : bf16_pack(PANEL, false, true, count, k, HONE_BF16, from, ld, to);
    else
        deep ? bf16_pack(PANEL, true, false, count, k, HONE_F32, from, ld, to)
             : bf16_pack(PANEL, false, true, count, k, HONE_F32, from, ld, to);
}

VECTOR_CODE static void bf16_pack_b(int64_t count, int64_t k, bool deep, hone_dtype dtype,
                                    const void *from, int64_t ld, void *to)
{
    if (dtype == HONE_BF16)
        deep ? bf16_pack(PANEL, true, true, count, k, HONE_BF16, from, ld, to)
             : bf16_pack(PANEL, false, false, count, k, HONE_BF16, from, ld, to);
    else
        deep ? bf16_pack(PANEL, true, true, count, k, HONE_F32, from, ld, to)
             : bf16_pack(PANEL, false, false, count, k, HONE_F32, from, ld, to);
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
    float sums[PANEL * PANEL] __attribute__((aligned(64)));

    bf16_tiles_open();
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
    .few = BF16_FEW,
    .few_rows = SQUARE,
    .pack_few = hone_gemm_bf16_pack_few_vectors,
    .multiply_few = hone_gemm_bf16_few_vectors,
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
    .few = BF16_FEW,
    .few_rows = SQUARE,
    .pack_few = hone_gemm_bf16_pack_few_tiles,
    .multiply_few = hone_gemm_bf16_few_tiles,
};

bool hone_gemm_tiles_allowed(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, HAS_BF16 = 1 << 22, HAS_TILES = 1 << 24 };
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & HAS_BF16) || !(d & HAS_TILES))
        return false;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
