/* tensor.h -- what the core knows of tensors (see <hone/tensor.h>).
 *
 * A tensor is a view of a storage, plus a gradient slot where backward needs
 * one. The tape holds slots for inputs, and tensors only where backward reads
 * their values: so an activation that nothing reads again is freed at once. */
#ifndef CORE_TENSOR_H
#define CORE_TENSOR_H

#include <hone/tensor.h>
#include <stdatomic.h>

#include "pool.h"

/* Bytes shared by views. */
typedef struct hone_storage {
    atomic_int refs;
    hone_pool *pool;   /* the bytes return there; NULL: to the system */
    hone_buffer buffer;
} hone_storage;

/* Where the gradient of a tensor is gathered. */
typedef struct hone_slot {
    atomic_int refs;
    bool leaf;             /* keeps its gradient between steps */
    bool stale;            /* cleared: the next write overwrites */
    int dims;
    int64_t shape[HONE_DIMS];
    struct hone_tensor *grad; /* NULL: nothing has reached it */
} hone_slot;

struct hone_tensor {
    atomic_int refs;
    hone_dtype dtype;
    int dims;
    int64_t shape[HONE_DIMS];
    hone_storage *storage;
    size_t offset;         /* bytes */
    hone_slot *slot;       /* NULL: no gradient is wanted */
};

/* Elements are not zeroed; pool NULL: from the system. */
int hone_tensor_new_raw(hone_tensor **out, hone_pool *pool, hone_dtype dtype, int dims,
                        const int64_t *shape, hone_error *err);
/* A view of another's storage, `offset` bytes after its first element. */
int hone_tensor_view(hone_tensor **out, hone_tensor *of, size_t offset, int dims,
                     const int64_t *shape, hone_error *err);
/* Exchange the elements of two tensors of one dtype and count without copying them; false,
 * and nothing done, where a view shares either. */
bool hone_tensor_swap(hone_tensor *a, hone_tensor *b);
bool hone_tensor_same_shape(const hone_tensor *a, const hone_tensor *b);
bool hone_tensor_is_float(const hone_tensor *t);

hone_slot *hone_slot_new(const hone_tensor *like, bool leaf, hone_error *err);
hone_slot *hone_slot_ref(hone_slot *slot);
void hone_slot_free(hone_slot *slot);

/* Arrays of one dtype to another, floats rounded to nearest even. */
void hone_convert(hone_dtype to_type, void *to, hone_dtype from_type, const void *from,
                  int64_t count);

#endif
