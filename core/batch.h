/* batch.h -- what the core knows of batches and caches (see <hone/batch.h>). */
#ifndef CORE_BATCH_H
#define CORE_BATCH_H

#include <hone/batch.h>

/* Arrays that grow together: rows by `tokens`, outputs by `outputs`. */
struct hone_batch {
    int64_t tokens, tokens_capacity;
    int32_t *ids, *positions;                   /* [tokens] */
    int64_t outputs, outputs_capacity;
    int32_t *rows, *targets, *output_segments;  /* [outputs] */
    float *weights;                             /* [outputs] */
    size_t segments, segments_capacity;
    hone_segment *segment;                      /* [segments] */
};

/* Append count rows of keys [count, width] and values to a slot's sequence,
 * the first at `position` (which must be what the slot holds of this layer). */
int hone_cache_append(hone_cache *cache, int64_t layer, int32_t slot, int64_t position,
                      const float *keys, const float *values, int64_t count, int64_t width,
                      hone_error *err);

/* The slot's keys and values of a layer, [capacity, width] f32, rows dense;
 * NULL before the first append to the layer. */
const float *hone_cache_keys(const hone_cache *cache, int64_t layer, int32_t slot);
const float *hone_cache_values(const hone_cache *cache, int64_t layer, int32_t slot);

#endif
