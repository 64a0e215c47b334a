/* cache.c -- keys and values of past tokens, and states of recurrent models.
 *
 * A slot's tokens lie in blocks of HONE_CACHE_BLOCK, named in order by its list. A
 * block's number stands for a piece of memory in every layer, made when the layer
 * first writes to it: keys, then values, each [HONE_CACHE_BLOCK, width]. Copies of a
 * slot share its full blocks, which are counted; the block that is not full is copied,
 * so that what is written to has one owner. A block that nobody names is taken again.
 *
 * Each slot counts what it holds layer by layer: a step that failed between two
 * layers is noticed at the next. (Blocks: Kwon et al. 2023, arXiv:2309.06180.) */
#include "batch.h"

#include <string.h>

struct layer {
    int64_t width;         /* 0: nothing appended yet */
    float **data;          /* [data_count]: of blocks; NULL: not written yet */
    size_t data_count;
    int64_t *held;         /* [slots] tokens */
};

struct slot {
    size_t *blocks;        /* [count] */
    size_t count, capacity;
};

struct state {
    int64_t layer;
    char *name;
    hone_tensor *tensor;   /* [slots, ...] f32 */
};

struct hone_cache {
    int32_t slots;
    int64_t capacity;
    struct slot *slot;     /* [slots]; NULL: nothing appended yet */
    int32_t *shares;       /* [blocks_capacity]: slots that name a block */
    size_t *vacant;        /* [blocks_capacity]: blocks that nobody names */
    size_t blocks, blocks_capacity, vacant_count;
    size_t bytes;
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

static void cache_free_layer(struct layer *layer)
{
    for (size_t i = 0; i < layer->data_count; i++)
        hone_free(layer->data[i]);
    hone_free(layer->data);
    hone_free(layer->held);
}

void hone_cache_free(hone_cache *cache)
{
    if (!cache)
        return;
    for (int64_t l = 0; l < cache->layers_count; l++)
        cache_free_layer(&cache->layers[l]);
    for (int32_t i = 0; cache->slot && i < cache->slots; i++)
        hone_free(cache->slot[i].blocks);
    for (size_t i = 0; i < cache->states_count; i++) {
        hone_tensor_free(cache->states[i].tensor);
        hone_free(cache->states[i].name);
    }
    hone_free(cache->slot);
    hone_free(cache->shares);
    hone_free(cache->vacant);
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

size_t hone_cache_bytes(const hone_cache *cache)
{
    return cache->bytes;
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

/* ---- blocks ---- */

static int cache_grow_blocks(hone_cache *cache, hone_error *err)
{
    size_t capacity = cache->blocks_capacity ? 2 * cache->blocks_capacity : 16;
    int32_t *shares = hone_realloc(cache->shares, capacity, sizeof *shares);
    size_t *vacant;

    if (!shares)
        return hone_fail_memory(err, "a cache");
    cache->shares = shares;
    if (!(vacant = hone_realloc(cache->vacant, capacity, sizeof *vacant)))
        return hone_fail_memory(err, "a cache");
    cache->vacant = vacant;
    cache->blocks_capacity = capacity;
    return HONE_OK;
}

/* Append to a slot's list: `block`, or SIZE_MAX for one of its own. */
static int cache_name_block(hone_cache *cache, struct slot *slot, size_t block, hone_error *err)
{
    int code;

    if (slot->count == slot->capacity) {
        size_t capacity = slot->capacity ? 2 * slot->capacity : 8;
        size_t *blocks = hone_realloc(slot->blocks, capacity, sizeof *blocks);
        if (!blocks)
            return hone_fail_memory(err, "a cache");
        slot->blocks = blocks;
        slot->capacity = capacity;
    }
    if (block == SIZE_MAX && cache->vacant_count == 0) {
        if (cache->blocks == cache->blocks_capacity && (code = cache_grow_blocks(cache, err)))
            return code;
        cache->shares[cache->blocks] = 0;
        cache->vacant[cache->vacant_count++] = cache->blocks++;
    }
    if (block == SIZE_MAX)
        block = cache->vacant[--cache->vacant_count];
    cache->shares[block]++;
    slot->blocks[slot->count++] = block;
    return HONE_OK;
}

static void cache_drop_blocks(hone_cache *cache, struct slot *slot)
{
    for (size_t i = 0; i < slot->count; i++)
        if (--cache->shares[slot->blocks[i]] == 0)
            cache->vacant[cache->vacant_count++] = slot->blocks[i];
    slot->count = 0;
}

/* A layer's memory of a block; NULL when memory is short. */
static float *cache_data(hone_cache *cache, struct layer *layer, size_t block)
{
    size_t row = 2 * (size_t)layer->width * sizeof(float);

    if (block >= layer->data_count) {
        float **data = hone_realloc(layer->data, cache->blocks_capacity, sizeof *data);
        if (!data)
            return NULL;
        memset(data + layer->data_count, 0,
               (cache->blocks_capacity - layer->data_count) * sizeof *data);
        layer->data = data;
        layer->data_count = cache->blocks_capacity;
    }
    if (!layer->data[block]) {
        layer->data[block] = hone_alloc(HONE_CACHE_BLOCK, row);
        cache->bytes += layer->data[block] ? HONE_CACHE_BLOCK * row : 0;
    }
    return layer->data[block];
}

/* ---- slots ---- */

void hone_cache_clear(hone_cache *cache, int32_t slot)
{
    if (!cache_has(cache, slot))
        return;
    if (cache->slot)
        cache_drop_blocks(cache, &cache->slot[slot]);
    for (int64_t l = 0; l < cache->layers_count; l++)
        if (cache->layers[l].width)
            cache->layers[l].held[slot] = 0;
    for (size_t i = 0; i < cache->states_count; i++) {
        size_t size;
        char *row = cache_state_row(&cache->states[i], slot, &size);

        memset(row, 0, size);
    }
}

/* Tokens that every layer holds. */
static int64_t cache_least_held(const hone_cache *cache, int32_t slot)
{
    int64_t least = INT64_MAX;

    for (int64_t l = 0; l < cache->layers_count; l++)
        if (cache->layers[l].width && cache->layers[l].held[slot] < least)
            least = cache->layers[l].held[slot];
    return least == INT64_MAX ? 0 : least;
}

/* What the layers hold in block `i` of a list, into the same of another. */
static int cache_copy_block(hone_cache *cache, int32_t to, int32_t from, size_t i, hone_error *err)
{
    size_t source = cache->slot[from].blocks[i], copy = cache->slot[to].blocks[i];

    for (int64_t l = 0; l < cache->layers_count; l++) {
        struct layer *layer = &cache->layers[l];
        int64_t used = layer->width ? layer->held[from] - (int64_t)i * HONE_CACHE_BLOCK : 0;
        size_t values = (size_t)(HONE_CACHE_BLOCK * layer->width), size;
        const float *old;
        float *data;

        if (used <= 0)
            continue;
        if (!(data = cache_data(cache, layer, copy)))
            return hone_fail_memory(err, "a cache");
        old = layer->data[source];
        used = used < HONE_CACHE_BLOCK ? used : HONE_CACHE_BLOCK;
        size = (size_t)(used * layer->width) * sizeof *old;
        memcpy(data, old, size);
        memcpy(data + values, old + values, size);
    }
    return HONE_OK;
}

static int cache_copy_blocks(hone_cache *cache, int32_t to, int32_t from, hone_error *err)
{
    struct slot *slot = &cache->slot[to];
    size_t full = (size_t)(cache_least_held(cache, from) / HONE_CACHE_BLOCK);
    int code = HONE_OK;

    for (size_t i = 0; !code && i < cache->slot[from].count; i++) {
        size_t block = i < full ? cache->slot[from].blocks[i] : SIZE_MAX;
        code = cache_name_block(cache, slot, block, err);
        if (!code && block == SIZE_MAX)
            code = cache_copy_block(cache, to, from, i, err);
    }
    return code;
}

int hone_cache_copy(hone_cache *cache, int32_t to, int32_t from, hone_error *err)
{
    int code = HONE_OK;

    if (!cache_has(cache, to) || !cache_has(cache, from))
        return hone_fail(err, HONE_EINVAL, "copy of cache slot %d to %d (allowed: 0 to %d)", from,
                         to, cache->slots - 1);
    if (to == from)
        return HONE_OK;
    hone_cache_clear(cache, to);
    if (cache->slot && (code = cache_copy_blocks(cache, to, from, err))) {
        hone_cache_clear(cache, to);
        return code;
    }
    for (int64_t l = 0; l < cache->layers_count; l++)
        if (cache->layers[l].width)
            cache->layers[l].held[to] = cache->layers[l].held[from];
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
    if (!cache->slot && !(cache->slot = hone_alloc((size_t)cache->slots, sizeof *cache->slot)))
        return hone_fail_memory(err, "a cache");
    if (!(layer->held = hone_alloc((size_t)cache->slots, sizeof *layer->held)))
        return hone_fail_memory(err, "a cache layer");
    layer->width = width;
    return HONE_OK;
}

/* Rows that fit: behind what the slot holds, in blocks that nobody else names. */
static int cache_write(hone_cache *cache, struct layer *layer, int32_t slot, const float *keys,
                       const float *values, int64_t count, hone_error *err)
{
    struct slot *to = &cache->slot[slot];
    size_t width = (size_t)layer->width, half = HONE_CACHE_BLOCK * width;
    int64_t position = layer->held[slot];

    while (count > 0) {
        size_t i = (size_t)(position / HONE_CACHE_BLOCK);
        int64_t at = position % HONE_CACHE_BLOCK, n = HONE_CACHE_BLOCK - at;
        float *data;
        int code;

        n = n < count ? n : count;
        if (i == to->count && (code = cache_name_block(cache, to, SIZE_MAX, err)))
            return code;
        if (!(data = cache_data(cache, layer, to->blocks[i])))
            return hone_fail_memory(err, "a cache layer");
        memcpy(data + (size_t)at * width, keys, (size_t)n * width * sizeof *data);
        memcpy(data + half + (size_t)at * width, values, (size_t)n * width * sizeof *data);
        keys += (size_t)n * width;
        values += (size_t)n * width;
        position += n;
        count -= n;
    }
    layer->held[slot] = position;
    return HONE_OK;
}

int hone_cache_append(hone_cache *cache, int64_t layer, int32_t slot, int64_t position,
                      const float *keys, const float *values, int64_t count, int64_t width,
                      hone_error *err)
{
    struct layer *at;
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
    return cache_write(cache, at, slot, keys, values, count, err);
}

int64_t hone_cache_run(const hone_cache *cache, int64_t layer, int32_t slot, int64_t position,
                       const float **keys, const float **values)
{
    const struct layer *at = &cache->layers[layer];
    int64_t left = at->held[slot] - position, row = position % HONE_CACHE_BLOCK;
    const float *data = at->data[cache->slot[slot].blocks[position / HONE_CACHE_BLOCK]];

    *keys = data + row * at->width;
    *values = *keys + HONE_CACHE_BLOCK * at->width;
    return left < HONE_CACHE_BLOCK - row ? left : HONE_CACHE_BLOCK - row;
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
