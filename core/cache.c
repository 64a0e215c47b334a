/* cache.c -- keys and values of past tokens, and states of recurrent models.
 *
 * A layer's keys are one array [slots, capacity, width], made when the layer
 * first appends; so are its values. Each slot counts what it holds layer by
 * layer: a step that failed between two layers is noticed at the next. */
#include "batch.h"

#include <string.h>

struct layer {
    int64_t width;         /* 0: nothing appended yet */
    float *keys, *values;  /* [slots, capacity, width] */
    int64_t *held;         /* [slots] tokens */
};

struct state {
    int64_t layer;
    char *name;
    hone_tensor *tensor;   /* [slots, ...] f32 */
};

struct hone_cache {
    int32_t slots;
    int64_t capacity;
    struct layer *layers;
    int64_t layers_count;
    struct state *states;
    size_t states_count;
};

int hone_cache_new(hone_cache **out, int32_t slots, int64_t capacity, hone_error *err)
{
    hone_cache *cache;

    *out = NULL;
    if (slots < 1 || capacity < 1 || capacity > INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "a cache of %d slots of %" PRId64
                         " tokens (allowed: at least 1 of 1 to %d)", slots, capacity, INT32_MAX);
    cache = hone_alloc(1, sizeof *cache);
    if (!cache)
        return hone_fail_memory(err, "a cache");
    cache->slots = slots;
    cache->capacity = capacity;
    *out = cache;
    return HONE_OK;
}

void hone_cache_free(hone_cache *cache)
{
    if (!cache)
        return;
    for (int64_t l = 0; l < cache->layers_count; l++) {
        hone_free(cache->layers[l].keys);
        hone_free(cache->layers[l].values);
        hone_free(cache->layers[l].held);
    }
    for (size_t i = 0; i < cache->states_count; i++) {
        hone_tensor_free(cache->states[i].tensor);
        hone_free(cache->states[i].name);
    }
    hone_free(cache->layers);
    hone_free(cache->states);
    hone_free(cache);
}

int32_t hone_cache_slots(const hone_cache *cache)
{
    return cache->slots;
}

int64_t hone_cache_capacity(const hone_cache *cache)
{
    return cache->capacity;
}

static bool cache_has(const hone_cache *cache, int32_t slot)
{
    return slot >= 0 && slot < cache->slots;
}

/* Bytes of one slot of a state, and where they are. */
static char *cache_state_row(const struct state *state, int32_t slot, size_t *size)
{
    int64_t count = hone_tensor_count(state->tensor) / hone_tensor_extent(state->tensor, 0);

    *size = (size_t)count * sizeof(float);
    return (char *)hone_tensor_data(state->tensor) + (size_t)slot * *size;
}

void hone_cache_clear(hone_cache *cache, int32_t slot)
{
    if (!cache_has(cache, slot))
        return;
    for (int64_t l = 0; l < cache->layers_count; l++)
        if (cache->layers[l].width)
            cache->layers[l].held[slot] = 0;
    for (size_t i = 0; i < cache->states_count; i++) {
        size_t size;
        char *row = cache_state_row(&cache->states[i], slot, &size);

        memset(row, 0, size);
    }
}

int hone_cache_copy(hone_cache *cache, int32_t to, int32_t from, hone_error *err)
{
    if (!cache_has(cache, to) || !cache_has(cache, from))
        return hone_fail(err, HONE_EINVAL, "copy of cache slot %d to %d (allowed: 0 to %d)", from,
                         to, cache->slots - 1);
    if (to == from)
        return HONE_OK;
    for (int64_t l = 0; l < cache->layers_count; l++) {
        struct layer *layer = &cache->layers[l];
        size_t slot = (size_t)(cache->capacity * layer->width), used;

        if (!layer->width)
            continue;
        used = (size_t)(layer->held[from] * layer->width) * sizeof(float);
        memcpy(layer->keys + (size_t)to * slot, layer->keys + (size_t)from * slot, used);
        memcpy(layer->values + (size_t)to * slot, layer->values + (size_t)from * slot, used);
        layer->held[to] = layer->held[from];
    }
    for (size_t i = 0; i < cache->states_count; i++) {
        size_t size;
        const char *source = cache_state_row(&cache->states[i], from, &size);

        memcpy(cache_state_row(&cache->states[i], to, &size), source, size);
    }
    return HONE_OK;
}

/* ---- keys and values ---- */

static int cache_reach(hone_cache *cache, int64_t layer, hone_error *err)
{
    struct layer *layers;

    if (layer < 0 || layer >= INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "cache layer %" PRId64 " (allowed: 0 to %d)", layer,
                         INT32_MAX - 1);
    if (layer < cache->layers_count)
        return HONE_OK;
    layers = hone_realloc(cache->layers, (size_t)layer + 1, sizeof *layers);
    if (!layers)
        return hone_fail_memory(err, "a cache");
    memset(layers + cache->layers_count, 0,
           (size_t)(layer + 1 - cache->layers_count) * sizeof *layers);
    cache->layers = layers;
    cache->layers_count = layer + 1;
    return HONE_OK;
}

static int cache_make_layer(hone_cache *cache, struct layer *layer, int64_t width, hone_error *err)
{
    size_t slots = (size_t)cache->slots, row = (size_t)width * sizeof(float);
    size_t rows = slots * (size_t)cache->capacity; /* below 2^62 */

    layer->keys = hone_alloc(rows, row);
    layer->values = hone_alloc(rows, row);
    layer->held = hone_alloc(slots, sizeof *layer->held);
    if (!layer->keys || !layer->values || !layer->held) {
        hone_free(layer->keys);
        hone_free(layer->values);
        hone_free(layer->held);
        *layer = (struct layer){0};
        return hone_fail_memory(err, "a cache layer");
    }
    layer->width = width;
    return HONE_OK;
}

int hone_cache_append(hone_cache *cache, int64_t layer, int32_t slot, int64_t position,
                      const float *keys, const float *values, int64_t count, int64_t width,
                      hone_error *err)
{
    struct layer *at;
    size_t offset, size;
    int code = cache_reach(cache, layer, err);

    if (code != HONE_OK)
        return code;
    if (!cache_has(cache, slot) || width < 1 || width > INT32_MAX || count < 0)
        return hone_fail(err, HONE_EINVAL, "cache slot %d, width %" PRId64
                         " (allowed: slots 0 to %d)", slot, width, cache->slots - 1);
    at = &cache->layers[layer];
    if (!at->width && (code = cache_make_layer(cache, at, width, err)) != HONE_OK)
        return code;
    if (at->width != width)
        return hone_fail(err, HONE_EINVAL, "cache layer %" PRId64 " has width %" PRId64 ", not %"
                         PRId64, layer, at->width, width);
    if (position != at->held[slot])
        return hone_fail(err, HONE_ESTATE, "cache slot %d holds %" PRId64 " tokens of layer %"
                         PRId64 "; it cannot go on at position %" PRId64, slot, at->held[slot],
                         layer, position);
    if (count > cache->capacity - position)
        return hone_fail(err, HONE_ESTATE, "cache slot %d has room for %" PRId64
                         " tokens; %" PRId64 " do not fit after %" PRId64, slot, cache->capacity,
                         count, position);
    offset = ((size_t)slot * (size_t)cache->capacity + (size_t)position) * (size_t)width;
    size = (size_t)count * (size_t)width * sizeof(float);
    if (size) {
        memcpy(at->keys + offset, keys, size);
        memcpy(at->values + offset, values, size);
    }
    at->held[slot] += count;
    return HONE_OK;
}

static const float *cache_slot(const hone_cache *cache, const float *rows, const struct layer *at,
                               int32_t slot)
{
    return rows + (size_t)slot * (size_t)cache->capacity * (size_t)at->width;
}

const float *hone_cache_keys(const hone_cache *cache, int64_t layer, int32_t slot)
{
    const struct layer *at = layer >= 0 && layer < cache->layers_count ? &cache->layers[layer]
                                                                       : NULL;

    return at && at->width && cache_has(cache, slot) ? cache_slot(cache, at->keys, at, slot) : NULL;
}

const float *hone_cache_values(const hone_cache *cache, int64_t layer, int32_t slot)
{
    const struct layer *at = layer >= 0 && layer < cache->layers_count ? &cache->layers[layer]
                                                                       : NULL;

    return at && at->width && cache_has(cache, slot) ? cache_slot(cache, at->values, at, slot)
                                                     : NULL;
}

/* ---- states ---- */

static struct state *cache_find_state(hone_cache *cache, int64_t layer, const char *name)
{
    for (size_t i = 0; i < cache->states_count; i++)
        if (cache->states[i].layer == layer && strcmp(cache->states[i].name, name) == 0)
            return &cache->states[i];
    return NULL;
}

static bool cache_state_is(const struct state *state, int dims, const int64_t *shape)
{
    bool same = hone_tensor_dims(state->tensor) == dims + 1;

    for (int i = 0; same && i < dims; i++)
        same = hone_tensor_extent(state->tensor, i + 1) == shape[i];
    return same;
}

hone_tensor *hone_cache_state(hone_cache *cache, int64_t layer, const char *name, int dims,
                              const int64_t *shape, hone_error *err)
{
    struct state *state = cache_find_state(cache, layer, name), *states;
    int64_t full[HONE_DIMS] = { cache->slots };
    char have[96];

    if (dims < 0 || dims >= HONE_DIMS) {
        hone_fail(err, HONE_EINVAL, "cache state '%s' of %d dimensions (allowed: 0 to %d)", name,
                  dims, HONE_DIMS - 1);
        return NULL;
    }
    if (state) {
        if (cache_state_is(state, dims, shape))
            return state->tensor;
        hone_fail(err, HONE_EINVAL, "cache state '%s' of layer %" PRId64 " is %s already", name,
                  layer, hone_tensor_describe(state->tensor, have));
        return NULL;
    }
    for (int i = 0; i < dims; i++)
        full[i + 1] = shape[i];
    states = hone_realloc(cache->states, cache->states_count + 1, sizeof *states);
    if (!states) {
        hone_fail_memory(err, "a cache state");
        return NULL;
    }
    cache->states = states;
    state = &states[cache->states_count];
    *state = (struct state){ .layer = layer, .name = hone_strdup(name) };
    if (!state->name)
        hone_fail_memory(err, "a cache state");
    if (!state->name ||
        hone_tensor_new(&state->tensor, HONE_F32, dims + 1, full, err) != HONE_OK) {
        hone_free(state->name);
        return NULL;
    }
    cache->states_count++;
    return state->tensor;
}
