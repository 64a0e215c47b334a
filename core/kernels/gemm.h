/* gemm.h -- products of packed operands, as core/gemm.c composes them.
 *
 * c [m, n] = alpha op(a) op(b) + beta c. Rows of op(a) are copied into panels of `rows`,
 * columns of op(b) into panels of `columns`: for each p of the k, a panel holds its
 * numbers side by side, in the order in which the registers want them; what a last
 * panel lacks is filled up with zeros. A copy serves every tile of the result that
 * needs it, whichever thread computes it.
 *
 * k is cut into blocks of `depth`, from its start. Within a block an element is one
 * chain of multiply-adds over p; blocks are added to the result in their order. So an
 * element's bits depend on its row, its column and k alone: not on m, n, the tile, the
 * threads, and among float tables not on the processor. */
#ifndef CORE_KERNELS_GEMM_H
#define CORE_KERNELS_GEMM_H

#include <hone/tensor.h>

typedef struct hone_gemm {
    const char *name;
    int64_t rows, columns, depth;
    int64_t unit; /* a panel's k is filled up with zeros to a multiple of this */
    size_t width; /* bytes of a packed number */

    /* Panels of `count` rows (columns of b) and k <= depth numbers each, stored one after
     * another. deep: k runs along the source's rows, [count, k]; else it is [k, count].
     * ld: elements between its rows. Sources are f32; where width is 2, bf16 too. */
    void (*pack_a)(int64_t count, int64_t k, bool deep, hone_dtype dtype, const void *from,
                   int64_t ld, void *to);
    void (*pack_b)(int64_t count, int64_t k, bool deep, hone_dtype dtype, const void *from,
                   int64_t ld, void *to);
    /* c = alpha a b + beta base, base [m, n] with rows ld_base apart (0: the same row for
     * all), usually c; not read where beta is 0. k as packed: filled up. */
    void (*multiply)(int64_t m, int64_t n, int64_t k, const void *a, const void *b, float alpha,
                     float beta, const float *base, int64_t ld_base, float *c, int64_t ldc);

    /* Products of at most `few` rows (0: none), to the same bits, with b as it is stored: f32,
     * or bf16. pack_few: all rows of a [m, k], for a b of which k runs along the rows or not,
     * into as many numbers of `width` bytes, m rounded up to a multiple of `few_rows`, k of
     * `unit`. The others are as above; multiply_few is c = a b + beta base, for whole rows of
     * a. n of a piece is a multiple of `columns`, but for the last. */
    int64_t few, few_rows;
    void (*pack_few)(bool deep, int64_t m, int64_t k, const float *a, int64_t lda, void *to);
    void (*multiply_few)(bool deep, int64_t m, int64_t n, int64_t k, const void *a,
                         hone_dtype dtype, const void *b, int64_t ldb, float beta,
                         const float *base, int64_t ld_base, float *c, int64_t ldc);
} hone_gemm;

/* On x86-64 only. */
extern const hone_gemm hone_gemm_bf16_vectors, hone_gemm_bf16_tiles;
/* Whether processor and kernel let this process use matrix tiles; asks for them. */
bool hone_gemm_tiles_allowed(void);

#endif
