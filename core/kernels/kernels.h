/* kernels.h -- how ops are computed, apart from what they mean.
 *
 * A table holds the arithmetic for one element type: float for the fast tables
 * (generic, avx2, avx512: one source, kernels/f32.h, compiled for each), double
 * for the naive reference table that tests check the others and all gradients
 * with. Pointers are to elements of that type. Every kernel runs on one thread;
 * ops cut the work at places that do not depend on the number of threads, so
 * the same input gives the same bits.
 *
 * `add`: results are added to what the destination holds; else they overwrite
 * it, whatever it held (NaN too). Sources and destinations do not overlap
 * unless said. Sums of long runs are accumulated in double or in lanes. */
#ifndef CORE_KERNELS_H
#define CORE_KERNELS_H

#include "gemm.h"

#include <hone/ops.h>

typedef enum hone_binary {
    HONE_BIN_ADD, HONE_BIN_SUB, HONE_BIN_MUL, HONE_BIN_DIV, HONE_BIN_MIN, HONE_BIN_MAX,
    HONE_BIN_COUNT
} hone_binary;

#define HONE_GEMM_FEW 16

typedef struct hone_kernels {
    const char *name;
    hone_dtype dtype;

    /* c [m, n] = alpha * op(a) op(b) + beta * c; op(a) is [m, k], op(b) [k, n];
     * lda, ldb, ldc: elements between rows as stored. beta 0: c is not read. With at most
     * HONE_GEMM_FEW rows and a not transposed, a row of c does not depend on m. */
    void (*gemm)(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const void *a,
                 int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc);
    /* The same in parts, for large products; NULL: none. */
    const hone_gemm *packed;

    /* y = scale * x + shift; y may be x */
    void (*affine)(int64_t n, double scale, const void *x, double shift, void *y, bool add);
    void (*unary)(hone_unary f, int64_t n, const void *x, void *y);
    /* dx = dy * f'(x); y = f(x) is given */
    void (*unary_grad)(hone_unary f, int64_t n, const void *x, const void *y, const void *dy,
                       void *dx, bool add);
    /* y[i] = a[i * sa] ? b[i * sb]; strides sa, sb are 0 or 1 */
    void (*binary)(hone_binary f, int64_t n, const void *a, int64_t sa, const void *b, int64_t sb,
                   void *y);
    /* dx[i] = dy[i] * d(a ? b)/da, or /db when `second` */
    void (*binary_grad)(hone_binary f, bool second, int64_t n, const void *a, int64_t sa,
                        const void *b, int64_t sb, const void *dy, void *dx, bool add);
    void (*compare)(hone_comparison f, int64_t n, const void *a, int64_t sa, const void *b,
                    int64_t sb, void *y);
    /* y = mask != 0 ? a : b; a or b NULL: zeros */
    void (*where)(int64_t n, const void *mask, const void *a, const void *b, void *y, bool add);
    /* y = clamp(x); dx = dy where low <= x <= high */
    void (*clamp)(int64_t n, double low, double high, const void *x, void *y);
    void (*clamp_grad)(int64_t n, double low, double high, const void *x, const void *dy, void *dx,
                       bool add);
    /* y = x^p; dx = dy * p * x^(p-1) */
    void (*power)(int64_t n, double p, const void *x, void *y);
    void (*power_grad)(int64_t n, double p, const void *x, const void *dy, void *dx, bool add);
    /* y[i] = x[i] kept with probability 1 - p and scaled by 1/(1 - p), else 0. Element
     * first + i is kept when word (first + i) % 4 of hone_random_block(seed, stream,
     * (first + i) / 4) is >= p * 2^32. The same call on dy gives dx. */
    void (*dropout)(int64_t n, double p, uint64_t seed, uint64_t stream, int64_t first,
                    const void *x, void *y, bool add);

    double (*sum)(int64_t n, const void *x);
    double (*dot)(int64_t n, const void *x, const void *y);
    /* Sum of squares, each exact: what a float would drop counts. */
    double (*squares)(int64_t n, const void *x);
    /* y [cols] = sums over rows of x [rows, cols] */
    void (*sum_rows)(int64_t rows, int64_t cols, const void *x, void *y, bool add);

    /* silu(gate) * up, and both gradients (dgate or dup may be NULL) */
    void (*swiglu)(int64_t n, const void *gate, const void *up, void *y);
    void (*swiglu_grad)(int64_t n, const void *gate, const void *up, const void *dy, void *dgate,
                        bool add_gate, void *dup, bool add_up);

    /* y = x * inv * w, inv [rows] = 1/sqrt(mean(x^2) + eps); x [rows, d] */
    void (*rmsnorm)(int64_t rows, int64_t d, const void *x, const void *w, double eps, void *y,
                    void *inv);
    /* dx [rows, d]; dw [d] is added to, in the order of rows. Either may be NULL. */
    void (*rmsnorm_grad)(int64_t rows, int64_t d, const void *x, const void *w, const void *inv,
                         const void *dy, void *dx, bool add, void *dw);
    /* y = (x - mean) * inv * w + b (b NULL: none); mean, inv [rows] */
    void (*layernorm)(int64_t rows, int64_t d, const void *x, const void *w, const void *b,
                      double eps, void *y, void *mean, void *inv);
    void (*layernorm_grad)(int64_t rows, int64_t d, const void *x, const void *w, const void *mean,
                           const void *inv, const void *dy, void *dx, bool add, void *dw, void *db);

    /* Rows of x [rows, d]; logged: log-softmax. y may be x. */
    void (*softmax)(int64_t rows, int64_t d, bool logged, const void *x, void *y);
    void (*softmax_grad)(int64_t rows, int64_t d, bool logged, const void *y, const void *dy,
                         void *dx, bool add);

    /* Rotate pairs (i, i + d/2) of every head of x [rows, heads * d] by the angles whose
     * cosines and sines are in table [rows, d] (d/2 cosines, then d/2 sines); inverse: by
     * the opposite angles (which is the gradient). y may be x. */
    void (*rope)(int64_t rows, int64_t heads, int64_t d, const void *table, bool inverse,
                 const void *x, void *y, bool add);

    /* c [m, n] = op(a) b, or c + op(a) b where `add`, of operands in the near caches, read as
     * they lie; deep: a is stored as [m, k], else as [k, m]. An element is one chain of
     * multiply-adds over k. NULL: none. */
    void (*attention_product)(bool deep, int64_t m, int64_t n, int64_t k, const void *a,
                              int64_t lda, const void *b, int64_t ldb, bool add, void *c,
                              int64_t ldc);
    /* Attention probabilities from scores s [rows, cols] with row stride ld, in place: first
     * scale, then cap * tanh(. / cap) when cap > 0; row r sees columns [low[r], high[r]); what it
     * does not see becomes 0. lse [rows] = log of the sum of exponents. A row that sees nothing
     * is all 0 with lse = -inf. With `known`, lse is given rather than written; else it may be
     * NULL. */
    void (*attention_softmax)(int64_t rows, int64_t cols, void *s, int64_t ld, double scale,
                              double cap, const int64_t *low, const int64_t *high, void *lse,
                              bool known);
    /* ds = p * (dp - delta[r]) * scale, times 1 - (capped/cap)^2 where cap > 0, in place of dp;
     * 0 where row r does not see. `raw` [rows, cols] holds the scores before scale; only read
     * when cap > 0. All three have row stride ld. */
    void (*attention_grad)(int64_t rows, int64_t cols, const void *p, void *dp, int64_t ld,
                           double scale, double cap, const void *raw, const void *delta,
                           const int64_t *low, const int64_t *high);

    /* Logits [rows, vocab] of one chunk, after bias: divided by scale after the cap.
     * nll [rows] = -log softmax(z)[target]; logits become d(sum w * nll)/d(logits as given):
     * w (p - onehot) / scale, times the cap's derivative. weights NULL: 1. */
    void (*cross_entropy)(int64_t rows, int64_t vocab, void *logits, const int32_t *targets,
                          const float *weights, double cap, double scale, void *nll);
    /* logp [rows] of targets, and entropy [rows] when not NULL; logits are left alone. */
    void (*logp)(int64_t rows, int64_t vocab, const void *logits, const int32_t *targets,
                 double cap, double scale, void *logp, void *entropy);
    /* Logits become d/d(logits) of sum dlogp * logp + dentropy * entropy (either NULL). */
    void (*logp_grad)(int64_t rows, int64_t vocab, void *logits, const int32_t *targets,
                      double cap, double scale, const void *dlogp, const void *dentropy);
} hone_kernels;

extern const hone_kernels hone_kernels_reference, hone_kernels_generic;
#ifdef HONE_X86_64
extern const hone_kernels hone_kernels_avx2, hone_kernels_avx512;
#endif

/* By name, or (NULL) the fastest that this processor runs; NULL with a message
 * that lists the names when there is none. */
const hone_kernels *hone_kernels_find(const char *name, hone_error *err);
/* The fastest packed product of bf16 numbers beside this table; NULL: none. */
const hone_gemm *hone_kernels_bf16(const hone_kernels *table);

#endif
