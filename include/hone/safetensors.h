/* safetensors.h -- the file format of weights, read and written.
 *
 * Eight bytes of header length, a JSON header, the tensors' bytes. Everything
 * is checked before it is believed: lengths, overlaps, gaps, shapes, dtypes.
 * Files are mapped, not read. */
#ifndef HONE_SAFETENSORS_H
#define HONE_SAFETENSORS_H

#include <hone/json.h>
#include <hone/tensor.h>

typedef struct hone_tensors hone_tensors;

typedef struct hone_tensor_entry {
    const char *name;
    const char *dtype; /* as stored: "F32", "BF16", "F64", "I64", ... */
    int dims;
    int64_t shape[HONE_DIMS + 4];
    const void *bytes; /* may be unaligned */
    size_t size;
} hone_tensor_entry;

/* One file, or a folder: model.safetensors, or the shards of
 * model.safetensors.index.json. **out is owned. */
HONE_API int hone_tensors_open(hone_tensors **out, const char *path, hone_error *err);
HONE_API void hone_tensors_free(hone_tensors *tensors);
HONE_API size_t hone_tensors_count(const hone_tensors *tensors);
HONE_API const hone_tensor_entry *hone_tensors_at(const hone_tensors *tensors, size_t i);
HONE_API const hone_tensor_entry *hone_tensors_find(const hone_tensors *tensors, const char *name);
HONE_API const char *hone_tensors_metadata(const hone_tensors *tensors, const char *key);
/* Copy into a tensor of the same count, converting floats; message names the
 * tensor, both shapes or dtypes. */
HONE_API int hone_tensors_read(const hone_tensors *tensors, const char *name, hone_tensor *to,
                               hone_error *err);

/* Write a file: tensors in the order given, then renamed into place. */
typedef struct hone_tensors_item {
    const char *name;
    const hone_tensor *tensor;
} hone_tensors_item;
HONE_API int hone_tensors_write(const char *path, const hone_tensors_item *items, size_t count,
                                const hone_json *metadata, hone_error *err);

#endif
