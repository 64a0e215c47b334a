/* tensor.c -- storages, views, dtypes, gradient slots. No arithmetic. */
#include "tensor.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [HONE_F32] = { "f32", 4 }, [HONE_BF16] = { "bf16", 2 }, [HONE_F16] = { "f16", 2 },
    [HONE_F64] = { "f64", 8 }, [HONE_I32] = { "i32", 4 },   [HONE_I64] = { "i64", 8 },
    [HONE_U8] = { "u8", 1 },
};
#define DTYPES ((int)(sizeof dtypes / sizeof *dtypes))

size_t hone_dtype_size(hone_dtype dtype)
{
    return (int)dtype >= 0 && (int)dtype < DTYPES ? dtypes[dtype].size : 0;
}

const char *hone_dtype_name(hone_dtype dtype)
{
    return (int)dtype >= 0 && (int)dtype < DTYPES ? dtypes[dtype].name : "?";
}

int hone_dtype_parse(const char *name)
{
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(name, dtypes[i].name) == 0)
            return i;
    return -1;
}

/* ---- making and freeing ---- */

/* Elements of a shape; fails when the product is negative or overflows bytes. */
static int tensor_count(int64_t *out, hone_dtype dtype, int dims, const int64_t *shape,
                        hone_error *err)
{
    int64_t count = 1, most = PTRDIFF_MAX / 16;

    if (dims < 0 || dims > HONE_DIMS)
        return hone_fail(err, HONE_EINVAL, "a tensor of %d dimensions; 0 to %d are possible", dims,
                         HONE_DIMS);
    if (hone_dtype_size(dtype) == 0)
        return hone_fail(err, HONE_EINVAL, "unknown dtype %d", (int)dtype);
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0)
            return hone_fail(err, HONE_EINVAL, "dimension %d is %" PRId64 "; at least 0", i, shape[i]);
        if (shape[i] > 0 && count > most / shape[i])
            return hone_fail(err, HONE_ENOMEM, "a tensor with more than %" PRId64 " elements", most);
        count *= shape[i];
    }
    *out = count;
    return HONE_OK;
}

static void storage_free(hone_storage *storage)
{
    if (!storage || atomic_fetch_sub(&storage->refs, 1) > 1)
        return;
    if (storage->pool) {
        hone_pool_give(storage->pool, &storage->buffer);
        hone_pool_free(storage->pool);
    } else {
        hone_buffer_free(&storage->buffer);
    }
    hone_free(storage);
}

static hone_tensor *tensor_shell(hone_dtype dtype, int dims, const int64_t *shape, hone_error *err)
{
    hone_tensor *t = hone_alloc(1, sizeof *t);

    if (!t) {
        hone_fail_memory(err, "a tensor");
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->dtype = dtype;
    t->dims = dims;
    for (int i = 0; i < dims; i++)
        t->shape[i] = shape[i];
    return t;
}

int hone_tensor_new_raw(hone_tensor **out, hone_pool *pool, hone_dtype dtype, int dims,
                        const int64_t *shape, hone_error *err)
{
    hone_tensor *t;
    int64_t count = 0;
    size_t bytes;
    int code = tensor_count(&count, dtype, dims, shape, err);

    *out = NULL;
    if (code)
        return code;
    bytes = (size_t)count * hone_dtype_size(dtype);
    if (!(t = tensor_shell(dtype, dims, shape, err)))
        return HONE_ENOMEM;
    if (!(t->storage = hone_alloc(1, sizeof *t->storage))) {
        hone_free(t);
        return hone_fail_memory(err, "a tensor");
    }
    atomic_init(&t->storage->refs, 1);
    code = pool ? hone_pool_take(pool, &t->storage->buffer, bytes, err)
                : hone_buffer_new(&t->storage->buffer, bytes, err);
    if (code) {
        hone_free(t->storage);
        hone_free(t);
        return code;
    }
    t->storage->pool = hone_pool_ref(pool);
    *out = t;
    return HONE_OK;
}

int hone_tensor_new(hone_tensor **out, hone_dtype dtype, int dims, const int64_t *shape,
                    hone_error *err)
{
    int code = hone_tensor_new_raw(out, NULL, dtype, dims, shape, err);

    if (!code && hone_tensor_count(*out) > 0)
        memset(hone_tensor_data(*out), 0, (size_t)hone_tensor_count(*out) * hone_dtype_size(dtype));
    return code;
}

int hone_tensor_view(hone_tensor **out, hone_tensor *of, size_t offset, int dims,
                     const int64_t *shape, hone_error *err)
{
    hone_tensor *t = tensor_shell(of->dtype, dims, shape, err);

    *out = t;
    if (!t)
        return HONE_ENOMEM;
    atomic_fetch_add(&of->storage->refs, 1);
    t->storage = of->storage;
    t->offset = of->offset + offset;
    return HONE_OK;
}

hone_tensor *hone_tensor_ref(hone_tensor *t)
{
    if (t)
        atomic_fetch_add(&t->refs, 1);
    return t;
}

void hone_tensor_free(hone_tensor *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) > 1)
        return;
    hone_slot_free(t->slot);
    storage_free(t->storage);
    hone_free(t);
}

/* ---- looking ---- */

hone_dtype hone_tensor_dtype(const hone_tensor *t)
{
    return t ? t->dtype : HONE_F32;
}

int hone_tensor_dims(const hone_tensor *t)
{
    return t ? t->dims : 0;
}

int64_t hone_tensor_extent(const hone_tensor *t, int i)
{
    if (!t)
        return 0;
    if (i < 0)
        i += t->dims;
    return i >= 0 && i < t->dims ? t->shape[i] : 1;
}

int64_t hone_tensor_count(const hone_tensor *t)
{
    int64_t count = 1;

    if (!t)
        return 0;
    for (int i = 0; i < t->dims; i++)
        count *= t->shape[i];
    return count;
}

void *hone_tensor_data(hone_tensor *t)
{
    return t && t->storage->buffer.data ? (char *)t->storage->buffer.data + t->offset : NULL;
}

const void *hone_tensor_bytes(const hone_tensor *t)
{
    return t && t->storage->buffer.data ? (const char *)t->storage->buffer.data + t->offset : NULL;
}

const char *hone_tensor_describe(const hone_tensor *t, char buf[static 96])
{
    size_t n;

    if (!t) {
        strcpy(buf, "nothing");
        return buf;
    }
    n = (size_t)snprintf(buf, 96, "[");
    for (int i = 0; i < t->dims; i++)
        n += (size_t)snprintf(buf + n, 96 - n, "%s%" PRId64, i ? ", " : "", t->shape[i]);
    snprintf(buf + n, 96 - n, "] %s", hone_dtype_name(t->dtype));
    return buf;
}

bool hone_tensor_same_shape(const hone_tensor *a, const hone_tensor *b)
{
    return a->dims == b->dims && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

bool hone_tensor_is_float(const hone_tensor *t)
{
    return t && t->dtype <= HONE_F64;
}

double hone_tensor_get(const hone_tensor *t, int64_t i)
{
    double value = 0;

    if (t && i >= 0 && i < hone_tensor_count(t))
        hone_convert(HONE_F64, &value, t->dtype,
                     (const char *)hone_tensor_bytes(t) + (size_t)i * hone_dtype_size(t->dtype), 1);
    return value;
}

void hone_tensor_set(hone_tensor *t, int64_t i, double value)
{
    if (t && i >= 0 && i < hone_tensor_count(t))
        hone_convert(t->dtype,
                     (char *)hone_tensor_data(t) + (size_t)i * hone_dtype_size(t->dtype), HONE_F64,
                     &value, 1);
}

int hone_tensor_copy(hone_tensor *to, const hone_tensor *from, hone_error *err)
{
    char a[96], b[96];

    if (!to || !from || hone_tensor_count(to) != hone_tensor_count(from))
        return hone_fail(err, HONE_EINVAL, "copy: %s into %s", hone_tensor_describe(from, a),
                         hone_tensor_describe(to, b));
    hone_convert(to->dtype, hone_tensor_data(to), from->dtype, hone_tensor_bytes(from),
                 hone_tensor_count(to));
    return HONE_OK;
}

bool hone_tensor_swap(hone_tensor *a, hone_tensor *b)
{
    hone_storage *x = a->storage, *y = b->storage;
    hone_buffer buffer = x->buffer;

    if (a->dtype != b->dtype || hone_tensor_count(a) != hone_tensor_count(b) || a->offset ||
        b->offset || atomic_load(&x->refs) != 1 || atomic_load(&y->refs) != 1 ||
        x->buffer.size != y->buffer.size) /* a pool counts its bytes */
        return false;
    x->buffer = y->buffer;
    y->buffer = buffer;
    return true;
}

/* ---- gradients ---- */

hone_slot *hone_slot_new(const hone_tensor *like, bool leaf, hone_error *err)
{
    hone_slot *slot = hone_alloc(1, sizeof *slot);

    if (!slot) {
        hone_fail_memory(err, "a gradient");
        return NULL;
    }
    atomic_init(&slot->refs, 1);
    slot->leaf = leaf;
    slot->dims = like->dims;
    memcpy(slot->shape, like->shape, sizeof slot->shape);
    return slot;
}

hone_slot *hone_slot_ref(hone_slot *slot)
{
    if (slot)
        atomic_fetch_add(&slot->refs, 1);
    return slot;
}

void hone_slot_free(hone_slot *slot)
{
    if (!slot || atomic_fetch_sub(&slot->refs, 1) > 1)
        return;
    hone_tensor_free(slot->grad);
    hone_free(slot);
}

void hone_tensor_require_grad(hone_tensor *t, bool on)
{
    if (!t || on == (t->slot != NULL))
        return;
    if (on) {
        t->slot = hone_slot_new(t, true, NULL);
    } else {
        hone_slot_free(t->slot);
        t->slot = NULL;
    }
}

bool hone_tensor_requires_grad(const hone_tensor *t)
{
    return t && t->slot;
}

hone_tensor *hone_tensor_grad(const hone_tensor *t)
{
    return t && t->slot && !t->slot->stale ? t->slot->grad : NULL;
}

void hone_tensor_clear_grad(hone_tensor *t)
{
    if (t && t->slot)
        t->slot->stale = true;
}

/* ---- conversions ---- */

static float convert_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t convert_to_bf16(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40); /* NaN stays NaN */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float convert_f16(uint16_t x)
{
    uint32_t sign = (uint32_t)(x & 0x8000) << 16, exponent = x >> 10 & 31, mantissa = x & 1023;
    uint32_t bits;
    float value;

    if (exponent == 0) {
        value = (float)mantissa / 16777216.0f; /* subnormal: mantissa * 2^-24, exact */
        return sign ? -value : value;
    }
    bits = exponent == 31 ? sign | 0x7f800000 | mantissa << 13
                          : sign | (exponent + 112) << 23 | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t convert_to_f16(float x)
{
    uint32_t bits, sign, magnitude, rounded;

    memcpy(&bits, &x, sizeof bits);
    sign = bits >> 16 & 0x8000;
    magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x47800000) /* 65536 and up; 65520 to 65536 round up below */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: subnormal; adding 0.5 rounds in place */
        float value, half = 0.5f;
        memcpy(&value, &magnitude, sizeof value);
        value += half;
        memcpy(&rounded, &value, sizeof rounded);
        return (uint16_t)(sign | (rounded - 0x3f000000));
    }
    rounded = magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23);
    return (uint16_t)(sign | rounded >> 13);
}

static double convert_get(hone_dtype type, const void *p, int64_t i)
{
    switch (type) {
    case HONE_F32: return (double)((const float *)p)[i];
    case HONE_BF16: return (double)convert_bf16(((const uint16_t *)p)[i]);
    case HONE_F16: return (double)convert_f16(((const uint16_t *)p)[i]);
    case HONE_F64: return ((const double *)p)[i];
    case HONE_I32: return ((const int32_t *)p)[i];
    case HONE_I64: return (double)((const int64_t *)p)[i];
    case HONE_U8: return ((const uint8_t *)p)[i];
    }
    return 0;
}

/* A number as an integer of the range, NaN as 0: C leaves the rest undefined. */
static double convert_within(double value, double low, double high)
{
    return value >= low ? value <= high ? value : high : value < low ? low : 0;
}

static void convert_set(hone_dtype type, void *p, int64_t i, double value)
{
    switch (type) {
    case HONE_F32: ((float *)p)[i] = (float)value; break;
    case HONE_BF16: ((uint16_t *)p)[i] = convert_to_bf16((float)value); break;
    case HONE_F16: ((uint16_t *)p)[i] = convert_to_f16((float)value); break;
    case HONE_F64: ((double *)p)[i] = value; break;
    case HONE_I32: ((int32_t *)p)[i] = (int32_t)convert_within(value, INT32_MIN, INT32_MAX); break;
    case HONE_I64: ((int64_t *)p)[i] = (int64_t)convert_within(value, -0x1p62, 0x1p62); break;
    case HONE_U8: ((uint8_t *)p)[i] = (uint8_t)convert_within(value, 0, 255); break;
    }
}

void hone_convert(hone_dtype to_type, void *to, hone_dtype from_type, const void *from,
                  int64_t count)
{
    if (count <= 0)
        return;
    if (to_type == from_type) {
        memcpy(to, from, (size_t)count * hone_dtype_size(to_type));
        return;
    }
    if (to_type == HONE_F32 && from_type == HONE_BF16) {
        for (int64_t i = 0; i < count; i++)
            ((float *)to)[i] = convert_bf16(((const uint16_t *)from)[i]);
        return;
    }
    if (to_type == HONE_BF16 && from_type == HONE_F32) {
        for (int64_t i = 0; i < count; i++)
            ((uint16_t *)to)[i] = convert_to_bf16(((const float *)from)[i]);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        convert_set(to_type, to, i, convert_get(from_type, from, i));
}
