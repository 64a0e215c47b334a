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

/* Append (exported for tests) count rows of keys [count, width] and values to a slot's sequence,
 * the first at `position` (which must be what the slot holds of this layer). */
HONE_API int hone_cache_append(hone_cache *cache, int64_t layer, int32_t slot, int64_t position,
                               const float *keys, const float *values, int64_t count,
                               int64_t width, hone_error *err);

#define HONE_CACHE_BLOCK 32 /* tokens */

/* The slot's keys and values of a layer from `position` on, which it holds: f32 rows,
 * dense. Returns how many lie in one piece, at least 1. */
int64_t hone_cache_run(const hone_cache *cache, int64_t layer, int32_t slot, int64_t position,
                       const float **keys, const float **values);

#endif
