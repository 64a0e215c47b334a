/* safetensors_convert.c -- from stored bytes, which may be unaligned and are
 * little-endian as hone's processors are, to the elements of a tensor. */
#include "safetensors.h"
#include "tensor.h"

#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors files are little-endian; reading them here needs byte swaps"
#endif

const char *hone_stored_describe(const hone_tensor_entry *entry, char *buf, size_t n)
{
    size_t at = (size_t)snprintf(buf, n, "[");

    for (int i = 0; i < entry->dims && at < n; i++)
        at += (size_t)snprintf(buf + at, n - at, "%s%" PRId64, i ? ", " : "", entry->shape[i]);
    if (at < n)
        snprintf(buf + at, n - at, "] %s", entry->dtype);
    return buf;
}

static bool convert_is_float(int dtype)
{
    return dtype == HONE_F32 || dtype == HONE_BF16 || dtype == HONE_F16 || dtype == HONE_F64;
}

bool hone_stored_convert(const hone_tensor_entry *entry, hone_tensor *to)
{
    int dtype = hone_stored_dtype(entry->dtype);
    hone_dtype want = hone_tensor_dtype(to);
    size_t size = hone_stored_size(entry->dtype), step = hone_dtype_size(want);
    const char *from = entry->bytes;
    char *data = hone_tensor_data(to);
    _Alignas(8) char piece[8192];

    if (dtype == (int)want) {
        if (entry->size)
            memcpy(data, from, entry->size);
        return true;
    }
    if (!convert_is_float(dtype) || !convert_is_float((int)want))
        return false;
    for (size_t left = entry->size; left > 0;) {
        size_t n = left < sizeof piece ? left : sizeof piece;

        memcpy(piece, from, n);
        hone_convert(want, data, (hone_dtype)dtype, piece, (int64_t)(n / size));
        data += n / size * step;
        from += n;
        left -= n;
    }
    return true;
}
