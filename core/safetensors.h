/* safetensors.h -- what reading and writing share (see <hone/safetensors.h>). */
#ifndef CORE_SAFETENSORS_H
#define CORE_SAFETENSORS_H

#include <hone/safetensors.h>

/* Bytes of one element of a stored dtype, 0 when unknown. */
size_t hone_stored_size(const char *dtype);
/* The tensor dtype of a stored one, -1 when tensors have none. */
int hone_stored_dtype(const char *dtype);
/* "F32" of HONE_F32. */
const char *hone_stored_name(hone_dtype dtype);

/* "[2, 3] F32", cut off where buf ends. */
const char *hone_stored_describe(const hone_tensor_entry *entry, char *buf, size_t n);

/* Copy an entry's elements into a tensor of the same count (checked by the
 * caller), converting floats. False when the dtypes do not convert. */
bool hone_stored_convert(const hone_tensor_entry *entry, hone_tensor *to);

#endif
