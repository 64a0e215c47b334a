/* ops.h -- what can be computed, with gradients.
 *
 * Every op: first argument the graph; NULL in, NULL out; the result is
 * borrowed from the graph. Binary ops take equal shapes, a scalar (one
 * element) on either side, or a row [d] against [..., d]. All ops are
 * differentiable in their float inputs unless the text says otherwise.
 * Failures (a shape, a dtype) go to the graph with op and shapes. */
#ifndef HONE_OPS_H
#define HONE_OPS_H

#include <hone/tensor.h>

/* ---- element by element ---- */
HONE_API hone_tensor *hone_add(hone_graph *g, hone_tensor *a, hone_tensor *b);
HONE_API hone_tensor *hone_sub(hone_graph *g, hone_tensor *a, hone_tensor *b);
HONE_API hone_tensor *hone_mul(hone_graph *g, hone_tensor *a, hone_tensor *b);
HONE_API hone_tensor *hone_div(hone_graph *g, hone_tensor *a, hone_tensor *b);
/* At equality the gradient goes to a. */
HONE_API hone_tensor *hone_min(hone_graph *g, hone_tensor *a, hone_tensor *b);
HONE_API hone_tensor *hone_max(hone_graph *g, hone_tensor *a, hone_tensor *b);
/* a * scale + shift. */
HONE_API hone_tensor *hone_affine(hone_graph *g, hone_tensor *a, double scale, double shift);
/* Gradient 1 inside [low, high], ends included, else 0. */
HONE_API hone_tensor *hone_clamp(hone_graph *g, hone_tensor *a, double low, double high);
HONE_API hone_tensor *hone_pow(hone_graph *g, hone_tensor *a, double exponent);

typedef enum hone_unary {
    HONE_NEG, HONE_EXP, HONE_LOG, HONE_SQRT, HONE_SQUARE, HONE_ABS,
    HONE_SIGMOID, HONE_LOG_SIGMOID, HONE_SOFTPLUS, HONE_TANH, HONE_RELU,
    HONE_SILU,      /* x sigmoid(x) */
    HONE_GELU,      /* x Phi(x), exact */
    HONE_GELU_TANH, /* its tanh approximation: gelu_new, gelu_pytorch_tanh */
    HONE_UNARY_COUNT
} hone_unary;
HONE_API hone_tensor *hone_apply(hone_graph *g, hone_unary f, hone_tensor *a);

typedef enum hone_comparison { HONE_EQ, HONE_NE, HONE_LT, HONE_LE, HONE_GT, HONE_GE } hone_comparison;
/* 1 where a ? b holds, else 0; no gradient. Shapes as for binary ops. */
HONE_API hone_tensor *hone_compare(hone_graph *g, hone_comparison how, hone_tensor *a,
                                   hone_tensor *b);
/* mask != 0 ? a : b; gradients to a and b. Equal shapes. */
HONE_API hone_tensor *hone_where(hone_graph *g, hone_tensor *mask, hone_tensor *a,
                                 hone_tensor *b);

/* ---- shape ---- */
/* Same elements, another shape; one extent may be -1. Shares storage. */
HONE_API hone_tensor *hone_reshape(hone_graph *g, hone_tensor *a, int dims, const int64_t *shape);
/* Rows [from, to) of the first dimension. Shares storage. */
HONE_API hone_tensor *hone_slice(hone_graph *g, hone_tensor *a, int64_t from, int64_t to);
/* Columns [from, to) of the last dimension, copied. */
HONE_API hone_tensor *hone_columns(hone_graph *g, hone_tensor *a, int64_t from, int64_t to);
/* Rows of a [n, ...] by index: [count, ...]. An index may repeat. */
HONE_API hone_tensor *hone_rows(hone_graph *g, hone_tensor *a, const int32_t *index,
                                int64_t count);
/* One after the other along the first dimension. */
HONE_API hone_tensor *hone_concat(hone_graph *g, hone_tensor *const *parts, size_t count);
/* The same values, cut off from the gradient. */
HONE_API hone_tensor *hone_detach(hone_graph *g, hone_tensor *a);

/* ---- sums ---- */
/* Of all elements, to a scalar. Accumulated in double over fixed chunks. */
HONE_API hone_tensor *hone_sum(hone_graph *g, hone_tensor *a);
/* NaN for no elements. */
HONE_API hone_tensor *hone_mean(hone_graph *g, hone_tensor *a);
/* Over the last dimension: [..., d] to [...]. */
HONE_API hone_tensor *hone_sum_last(hone_graph *g, hone_tensor *a);
/* Sums of runs of rows: a [n] and starts [count + 1] (ascending, from 0 to n)
 * to [count]; an empty run sums to 0. */
HONE_API hone_tensor *hone_segment_sum(hone_graph *g, hone_tensor *a, const int32_t *starts,
                                       int64_t count);
/* Over the last dimension, shifted by the maximum. */
HONE_API hone_tensor *hone_softmax(hone_graph *g, hone_tensor *a);
HONE_API hone_tensor *hone_log_softmax(hone_graph *g, hone_tensor *a);
/* a [n, d] and index [n] to [n]: a[i, index[i]]. */
HONE_API hone_tensor *hone_pick(hone_graph *g, hone_tensor *a, const int32_t *index);

/* ---- layers without parameters (those with are in <hone/param.h>) ---- */
/* a [m, k], b [k, n] (or [n, k] when b_transposed) to [m, n]; either may be
 * stored in another float dtype than the graph's. */
HONE_API hone_tensor *hone_matmul(hone_graph *g, hone_tensor *a, hone_tensor *b,
                                  bool b_transposed);
/* silu(gate) * up; equal shapes. Shazeer 2020, arXiv:2002.05202. */
HONE_API hone_tensor *hone_swiglu(hone_graph *g, hone_tensor *gate, hone_tensor *up);
/* In training: zero each element with this probability, scale the others by
 * 1/(1 - p); else the tensor itself. The mask is a function of the step's
 * seed and the op's place in it. */
HONE_API hone_tensor *hone_dropout(hone_graph *g, hone_tensor *a, double probability);

/* ---- recomputation ---- */

/* y = fn(user, g, x) without keeping anything between x and y: backward runs
 * fn again. `user` is copied (user_size bytes); what it points to must live
 * until then. fn must compute the same again; dropout does. Chen et al. 2016,
 * arXiv:1604.06174. */
typedef hone_tensor *hone_checkpoint_fn(void *user, hone_graph *g, hone_tensor *x);
HONE_API hone_tensor *hone_graph_checkpoint(hone_graph *g, hone_tensor *x, hone_checkpoint_fn *fn,
                                            const void *user, size_t user_size);

/* ---- an op of your own ---- */

/* forward fills out from the inputs. backward adds to grads[i] (NULL where no
 * gradient is needed) given the inputs, out and its gradient. All tensors have
 * the graph's float dtype. `state` is passed to both, and freed with
 * free_state (NULL: not freed) when the tape lets go. */
typedef struct hone_custom_op {
    size_t size;
    const char *name;
    int (*forward)(void *state, hone_tensor *out, hone_tensor *const *inputs, size_t count,
                   hone_error *err);
    int (*backward)(void *state, hone_tensor *const *grads, hone_tensor *const *inputs,
                    size_t count, hone_tensor *out, hone_tensor *out_grad, hone_error *err);
    void (*free_state)(void *state);
} hone_custom_op;
HONE_API hone_tensor *hone_op_custom(hone_graph *g, const hone_custom_op *op, void *state,
                                     hone_tensor *const *inputs, size_t count, int dims,
                                     const int64_t *shape);

#endif
