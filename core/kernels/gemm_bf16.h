/* gemm_bf16.h -- what products of bf16 numbers share: squares, results, tiles.
 *
 * Numbers are rounded to bf16, to nearest even, while they are packed; what is stored as
 * bf16 is taken as it is. Two neighbours in k make a pair, 16 pairs a row of 64 bytes,
 * 16 rows a square: of a, a square is 16 rows by 32 of k; of b, 32 of k by 16 columns. */
#ifndef CORE_KERNELS_GEMM_BF16_H
#define CORE_KERNELS_GEMM_BF16_H

#include "f32_vector.h"
#include "gemm.h"

#include <immintrin.h>

#define SQUARE       16 /* rows of a square */
#define PAIRS        16 /* in a row of it */
#define UNIT         (2 * PAIRS)
#define PANEL        (2 * SQUARE)
#define SQUARE_WORDS (SQUARE * PAIRS)
#define DEPTH        512

#define VECTORS      __attribute__((target("avx512bf16"), always_inline)) static inline
#define VECTOR_CODE  __attribute__((target("avx512bf16")))
#define TILES \
    __attribute__((target("avx512bf16,amx-tile,amx-bf16"), always_inline)) static inline
#define TILE_CODE    __attribute__((target("avx512bf16,amx-tile,amx-bf16")))

/* Products of few rows, in gemm_bf16_few.c; see gemm.h. */
#define BF16_FEW 32
void hone_gemm_bf16_pack_few_vectors(bool deep, int64_t m, int64_t k, const float *a, int64_t lda,
                                     void *to);
void hone_gemm_bf16_pack_few_tiles(bool deep, int64_t m, int64_t k, const float *a, int64_t lda,
                                   void *to);
void hone_gemm_bf16_few_vectors(bool deep, int64_t m, int64_t n, int64_t k, const void *a,
                                hone_dtype dtype, const void *b, int64_t ldb, float beta,
                                const float *base, int64_t ld_base, float *c, int64_t ldc);
void hone_gemm_bf16_few_tiles(bool deep, int64_t m, int64_t n, int64_t k, const void *a,
                              hone_dtype dtype, const void *b, int64_t ldb, float beta,
                              const float *base, int64_t ld_base, float *c, int64_t ldc);

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

static inline const void *bf16_at(hone_dtype dtype, const void *from, int64_t i)
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

/* Panels of `wide` numbers, of whole squares. */
VECTORS void bf16_pack(int wide, bool deep, bool turned, int64_t count, int64_t k, hone_dtype dtype,
                       const void *from, int64_t ld, uint32_t *to)
{
    for (int64_t i = 0; i < count; i += wide)
        for (int64_t p = 0; p < k; p += UNIT)
            for (int64_t q = i; q < i + wide; q += SQUARE, to += SQUARE_WORDS)
                bf16_square(deep, turned, count - q, k - p, dtype,
                            q < count ? bf16_at(dtype, from, deep ? q * ld + p : p * ld + q) : from,
                            ld, to);
}

/* ---- matrix tiles ---- */

struct bf16_tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
} __attribute__((aligned(64)));

/* All tiles whole squares. */
TILES void bf16_tiles_open(void)
{
    struct bf16_tile_config config = {.palette = 1};

    for (int t = 0; t < 8; t++) {
        config.bytes[t] = 64;
        config.rows[t] = SQUARE;
    }
    _tile_loadconfig(&config);
}

#endif
