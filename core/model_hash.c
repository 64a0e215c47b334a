/* model_hash.c -- a name for a model's weights: SHA-256 of the digests of its
 * tensors, each of name, dtype and bytes, in the order of naming. */
#include "sha256.h"

#include <hone/strategy.h>
#include <string.h>

typedef struct hash_item {
    const char *name;
    const hone_tensor *tensor;
    uint8_t digest[32];
} hash_item;

static void hash_tensor(void *arg, int64_t i)
{
    hash_item *item = (hash_item *)arg + i;
    const char *dtype = hone_dtype_name(hone_tensor_dtype(item->tensor));
    hone_sha256 s;

    hone_sha256_begin(&s);
    hone_sha256_add(&s, item->name, strlen(item->name) + 1);
    hone_sha256_add(&s, dtype, strlen(dtype) + 1);
    hone_sha256_add(&s, hone_tensor_bytes(item->tensor),
                    (size_t)hone_tensor_count(item->tensor) *
                    hone_dtype_size(hone_tensor_dtype(item->tensor)));
    hone_sha256_end(&s, item->digest);
}

/* Parameters, then what trains: adapters are among the latter only. */
static size_t hash_items(const hone_model *model, hash_item *items)
{
    hone_params *params = hone_model_params(model);
    size_t n = 0;

    for (size_t i = 0; i < hone_params_count(params); i++) {
        hone_param *p = hone_params_at(params, i);
        if (!hone_param_tied_to(p))
            items[n++] = (hash_item){ hone_param_name(p), hone_param_weight(p), { 0 } };
        if (hone_param_bias(p))
            items[n++] = (hash_item){ hone_param_name(p), hone_param_bias(p), { 0 } };
    }
    for (size_t i = 0; i < hone_model_trainables(model); i++) {
        hone_trainable t = hone_model_trainable(model, i);
        items[n++] = (hash_item){ t.name, t.value, { 0 } };
    }
    return n;
}

int hone_model_hash(const hone_model *model, char hex[static 65], hone_error *err)
{
    size_t most = 2 * hone_params_count(hone_model_params(model)) + hone_model_trainables(model);
    hash_item *items = hone_alloc(most + 1, sizeof *items);
    uint8_t digest[32];
    hone_sha256 s;
    size_t count;

    if (!items)
        return hone_fail_memory(err, "a hash");
    count = hash_items(model, items);
    hone_parallel(hone_model_context(model), (int64_t)count, hash_tensor, items);
    hone_sha256_begin(&s);
    for (size_t i = 0; i < count; i++)
        hone_sha256_add(&s, items[i].digest, sizeof items[i].digest);
    hone_sha256_end(&s, digest);
    hone_sha256_hex(digest, hex);
    hone_free(items);
    return HONE_OK;
}
