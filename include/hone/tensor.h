/* tensor.h -- tensors, and the graph in which they are computed.
 *
 * A tensor is a reference-counted, row-major, dense view of a storage. Up to 4
 * dimensions; docstrings give shapes as [tokens, d_model]. Activations are f32
 * (f64 in a graph on the reference kernels); weights may also be bf16 or f16.
 *
 * A graph owns a step. Ops (<hone/ops.h>) take it first, run at once, and
 * record themselves when a gradient is needed. They are the one exception to
 * the error convention: a failed op returns NULL, an op given a NULL tensor
 * returns NULL, and hone_graph_end hands out the first error. So a forward
 * pass reads like mathematics. What an op returns is borrowed from the graph:
 * a caller that keeps it beyond its scope takes a reference. */
#ifndef HONE_TENSOR_H
#define HONE_TENSOR_H

#include <hone/context.h>
#include <hone/random.h>

typedef enum hone_dtype {
    HONE_F32, HONE_BF16, HONE_F16, HONE_F64, HONE_I32, HONE_I64, HONE_U8
} hone_dtype;

#define HONE_DIMS 4

typedef struct hone_tensor hone_tensor;
typedef struct hone_graph hone_graph;

/* Bytes of one element; "f32" and the like; -1 for an unknown name. */
HONE_API size_t hone_dtype_size(hone_dtype dtype);
HONE_API const char *hone_dtype_name(hone_dtype dtype);
HONE_API int hone_dtype_parse(const char *name);

/* ---- tensors: every accessor takes NULL, which has no elements ---- */

/* A zeroed tensor. 0 to 4 dimensions (0: a scalar), each >= 0. */
HONE_API int hone_tensor_new(hone_tensor **out, hone_dtype dtype, int dims,
                             const int64_t *shape, hone_error *err);
HONE_API hone_tensor *hone_tensor_ref(hone_tensor *t);
HONE_API void hone_tensor_free(hone_tensor *t);

HONE_API hone_dtype hone_tensor_dtype(const hone_tensor *t);
HONE_API int hone_tensor_dims(const hone_tensor *t);
/* Extent of dimension i; negative i counts from the last; 1 beyond dims. */
HONE_API int64_t hone_tensor_extent(const hone_tensor *t, int i);
HONE_API int64_t hone_tensor_count(const hone_tensor *t);
/* First element. Write only to tensors that no recorded op has read. */
HONE_API void *hone_tensor_data(hone_tensor *t);
HONE_API const void *hone_tensor_bytes(const hone_tensor *t);
/* "[2, 3] f32". */
HONE_API const char *hone_tensor_describe(const hone_tensor *t, char buf[static 96]);
/* Element i of any dtype as a number; set rounds to the dtype. */
HONE_API double hone_tensor_get(const hone_tensor *t, int64_t i);
HONE_API void hone_tensor_set(hone_tensor *t, int64_t i, double value);
/* Same count, any float or integer dtypes: convert, rounding to nearest even. */
HONE_API int hone_tensor_copy(hone_tensor *to, const hone_tensor *from, hone_error *err);

/* Whether backward computes a gradient for this leaf. */
HONE_API void hone_tensor_require_grad(hone_tensor *t, bool on);
HONE_API bool hone_tensor_requires_grad(const hone_tensor *t);
/* The gradient: a float tensor of the same shape (borrowed), or NULL before a
 * backward pass reached it. It accumulates until cleared. */
HONE_API hone_tensor *hone_tensor_grad(const hone_tensor *t);
HONE_API void hone_tensor_clear_grad(hone_tensor *t);

/* ---- graphs ---- */

typedef struct hone_graph_options {
    bool record;         /* remember ops for hone_graph_backward */
    bool train;          /* dropout is active */
    bool adapters_off;   /* parameters act without strategies' adapters */
    uint64_t seed;       /* of the step's random stream */
} hone_graph_options;

/* `kernels` NULL: those of the settings (HONE_KERNELS), else the fastest that
 * the processor has; or "generic", "avx2", "avx512", and "reference" (naive,
 * double precision, for tests). The graph keeps its buffers from step to step. **out is owned. */
HONE_API int hone_graph_new(hone_graph **out, hone_context *context, const char *kernels,
                            hone_error *err);
HONE_API void hone_graph_free(hone_graph *g);
HONE_API hone_context *hone_graph_context(const hone_graph *g);
HONE_API const char *hone_graph_kernels(const hone_graph *g);
/* f32, or f64 on the reference kernels. */
HONE_API hone_dtype hone_graph_dtype(const hone_graph *g);

/* Start a step; the one before must have ended. */
HONE_API int hone_graph_begin(hone_graph *g, const hone_graph_options *options, hone_error *err);
/* End it: the tape and all results that no one else holds go. Returns the
 * step's first error. */
HONE_API int hone_graph_end(hone_graph *g, hone_error *err);
/* Counts begun steps: a result of another step than the current is stale. */
HONE_API uint64_t hone_graph_step(const hone_graph *g);

/* Gradients of a scalar (one element) with respect to every leaf that requires
 * one, times `scale`, added to what the leaves hold. The tape is consumed; more
 * can be recorded in the same step. */
HONE_API int hone_graph_backward(hone_graph *g, hone_tensor *scalar, double scale,
                                 hone_error *err);

/* The first error so far; HONE_OK if none. */
HONE_API int hone_graph_error(const hone_graph *g, hone_error *err);
/* Record a failure, if it is the first; returns NULL, to be returned. */
HONE_API hone_tensor *hone_graph_fail(hone_graph *g, int code, const char *fmt, ...)
    HONE_PRINTF(3, 4);

/* A scope: results made since the mark that nothing else holds are dropped,
 * but for `keep` (NULL: none). Where a tape holds them, they stay. */
HONE_API size_t hone_graph_mark(hone_graph *g);
HONE_API void hone_graph_release(hone_graph *g, size_t mark, hone_tensor *keep);

/* Switch within a step; each returns what was in force. */
HONE_API bool hone_graph_record(hone_graph *g, bool on);
HONE_API bool hone_graph_recording(const hone_graph *g);
HONE_API bool hone_graph_adapters(hone_graph *g, bool on);
HONE_API bool hone_graph_adapters_on(const hone_graph *g);
HONE_API bool hone_graph_training(const hone_graph *g);

/* Most bytes that live tensors of the graph took at once, since begin. */
HONE_API size_t hone_graph_peak(const hone_graph *g);

/* New zeroed tensor of the step, in the graph's float dtype; a leaf. */
HONE_API hone_tensor *hone_graph_tensor(hone_graph *g, int dims, const int64_t *shape);
/* The same from numbers (converted), or from i32 values. */
HONE_API hone_tensor *hone_graph_floats(hone_graph *g, const float *values, int64_t count);

#endif
