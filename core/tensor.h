/* tensor.h -- what the core knows of tensors (see <hone/tensor.h>). */
#ifndef CORE_TENSOR_H
#define CORE_TENSOR_H

#include <hone/tensor.h>
#include <stdatomic.h>

/* Bytes shared by views. */
typedef struct hone_storage {
    atomic_int refs;
    size_t size;               /* bytes asked for */
    struct hone_pool *pool;    /* buffers return there; NULL: to the system */
    void *data;                /* 64-byte aligned; NULL when size is 0 */
    void *block;               /* what hone_free takes */
} hone_storage;

struct hone_tensor {
    atomic_int refs;
    hone_dtype dtype;
    int dims;
    int64_t shape[HONE_DIMS];
    hone_storage *storage;
    size_t offset;             /* bytes */
    bool needs_grad;           /* a leaf that was asked to, or made from such */
    bool is_result;            /* made by a recorded op */
    hone_tensor *grad;         /* same shape, float */
    bool grad_stale;           /* cleared: the next gradient overwrites */
};

/* A tensor whose elements are not zeroed, from a pool or, NULL, the system. */
int hone_tensor_new_raw(hone_tensor **out, struct hone_pool *pool, hone_dtype dtype, int dims,
                        const int64_t *shape, hone_error *err);
/* A view of another's storage. */
int hone_tensor_view(hone_tensor **out, hone_tensor *of, size_t offset, int dims,
                     const int64_t *shape, hone_error *err);
bool hone_tensor_same_shape(const hone_tensor *a, const hone_tensor *b);

/* The gradient to write to, of dtype `dtype`; *fresh: it holds nothing, so the
 * first write overwrites. NULL: no memory. */
hone_tensor *hone_tensor_grad_for(hone_tensor *t, struct hone_pool *pool, hone_dtype dtype,
                                  bool *fresh, hone_error *err);

/* Conversions of arrays, by value, rounding to nearest even. */
float hone_bf16_to_f32(uint16_t x);
uint16_t hone_f32_to_bf16(float x);
float hone_f16_to_f32(uint16_t x);
uint16_t hone_f32_to_f16(float x);

#endif
