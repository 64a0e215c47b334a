/* batch.c -- segments packed one after the other. Appending either succeeds
 * whole or leaves the batch as it was. */
#include "batch.h"

#include <math.h>
#include <string.h>

int hone_batch_new(hone_batch **out, hone_error *err)
{
    *out = hone_alloc(1, sizeof **out);
    return *out ? HONE_OK : hone_fail_memory(err, "a batch");
}

void hone_batch_free(hone_batch *batch)
{
    if (!batch)
        return;
    hone_free(batch->ids);
    hone_free(batch->positions);
    hone_free(batch->rows);
    hone_free(batch->targets);
    hone_free(batch->output_segments);
    hone_free(batch->weights);
    hone_free(batch->segment);
    hone_free(batch);
}

void hone_batch_clear(hone_batch *batch)
{
    batch->tokens = batch->outputs = 0;
    batch->segments = 0;
}

/* ---- room ---- */

static bool batch_grow(void *array, int64_t capacity, size_t size)
{
    void *old, *more;

    memcpy(&old, array, sizeof old);
    more = hone_realloc(old, (size_t)capacity, size);
    if (more)
        memcpy(array, &more, sizeof more);
    return more != NULL;
}

static bool batch_reserve_tokens(hone_batch *b, int64_t need)
{
    int64_t capacity = b->tokens_capacity;

    if (need <= capacity)
        return true;
    capacity = need > 2 * capacity ? need : 2 * capacity;
    if (!batch_grow(&b->ids, capacity, sizeof *b->ids) ||
        !batch_grow(&b->positions, capacity, sizeof *b->positions))
        return false;
    b->tokens_capacity = capacity;
    return true;
}

static bool batch_reserve_outputs(hone_batch *b, int64_t need)
{
    int64_t capacity = b->outputs_capacity;

    if (need <= capacity)
        return true;
    capacity = need > 2 * capacity ? need : 2 * capacity;
    if (!batch_grow(&b->rows, capacity, sizeof *b->rows) ||
        !batch_grow(&b->targets, capacity, sizeof *b->targets) ||
        !batch_grow(&b->output_segments, capacity, sizeof *b->output_segments) ||
        !batch_grow(&b->weights, capacity, sizeof *b->weights))
        return false;
    b->outputs_capacity = capacity;
    return true;
}

static bool batch_reserve_segment(hone_batch *b)
{
    size_t capacity = b->segments_capacity ? 2 * b->segments_capacity : 16;

    if (b->segments < b->segments_capacity)
        return true;
    if (!batch_grow(&b->segment, (int64_t)capacity, sizeof *b->segment))
        return false;
    b->segments_capacity = capacity;
    return true;
}

/* Room for a segment of count tokens, all of them outputs at most. */
static int batch_reserve(hone_batch *b, int64_t position, int64_t count, hone_error *err)
{
    if (count < 1)
        return hone_fail(err, HONE_EINVAL, "a segment of %" PRId64 " tokens (allowed: at least 1)",
                         count);
    if (count > INT32_MAX - b->tokens || position < 0 || position > INT32_MAX - count)
        return hone_fail(err, HONE_EINVAL, "a segment of %" PRId64 " tokens at position %" PRId64
                         " in a batch of %" PRId64 " (allowed: fewer than 2^31)", count, position,
                         b->tokens);
    if (!batch_reserve_tokens(b, b->tokens + count) ||
        !batch_reserve_outputs(b, b->outputs + count) || !batch_reserve_segment(b))
        return hone_fail_memory(err, "a batch");
    return HONE_OK;
}

/* ---- appending ---- */

static void batch_output(hone_batch *b, int64_t row, int32_t target, float weight)
{
    b->rows[b->outputs] = (int32_t)row;
    b->targets[b->outputs] = target;
    b->weights[b->outputs] = weight;
    b->output_segments[b->outputs++] = (int32_t)b->segments;
}

static void batch_append(hone_batch *b, const int32_t *tokens, int64_t count,
                         const hone_segment *like)
{
    memcpy(b->ids + b->tokens, tokens, (size_t)count * sizeof *tokens);
    for (int64_t i = 0; i < count; i++)
        b->positions[b->tokens + i] = (int32_t)(like->position + i);
    b->segment[b->segments] = *like;
    b->segment[b->segments].start = b->tokens;
    b->segment[b->segments++].length = count;
    b->tokens += count;
}

static int batch_check_weights(const float *weights, int64_t count, hone_error *err)
{
    for (int64_t i = 0; weights && i < count; i++)
        if (!isfinite(weights[i]))
            return hone_fail(err, HONE_ENUMERIC, "the weight of token %" PRId64 " is not finite",
                             i);
    return HONE_OK;
}

/* Outputs of a segment about to be appended, whose first token follows row
 * `before` (-1: none). */
static void batch_targets(hone_batch *b, const int32_t *tokens, const float *weights,
                          int64_t count, int64_t before)
{
    for (int64_t i = before < 0 ? 1 : 0; weights && i < count; i++)
        if (weights[i] != 0)
            batch_output(b, i ? b->tokens + i - 1 : before, tokens[i], weights[i]);
}

int hone_batch_add(hone_batch *batch, const int32_t *tokens, const float *weights, int64_t count,
                   hone_error *err)
{
    int code;

    if ((code = batch_reserve(batch, 0, count, err)) ||
        (code = batch_check_weights(weights, count, err)))
        return code;
    batch_targets(batch, tokens, weights, count, -1);
    batch_append(batch, tokens, count, &(hone_segment){ .slot = -1, .parent = -1 });
    return HONE_OK;
}

int hone_batch_branch(hone_batch *batch, size_t parent, const int32_t *tokens,
                      const float *weights, int64_t count, hone_error *err)
{
    hone_segment like = { .slot = -1, .parent = (int32_t)parent };
    int64_t before;
    int code;

    if (parent >= batch->segments || parent > INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "a branch of segment %zu in a batch of %zu (counted "
                         "from 0)", parent, batch->segments);
    if (batch->segment[parent].slot >= 0)
        return hone_fail(err, HONE_EUNSUPPORTED, "a branch of segment %zu, which continues cache "
                         "slot %d (allowed: segments without a slot)", parent,
                         batch->segment[parent].slot);
    like.position = batch->segment[parent].position + batch->segment[parent].length;
    before = batch->segment[parent].start + batch->segment[parent].length - 1;
    if ((code = batch_reserve(batch, like.position, count, err)) ||
        (code = batch_check_weights(weights, count, err)))
        return code;
    batch_targets(batch, tokens, weights, count, before);
    batch_append(batch, tokens, count, &like);
    return HONE_OK;
}

int hone_batch_add_end(hone_batch *batch, const int32_t *tokens, int64_t count, hone_error *err)
{
    int code = batch_reserve(batch, 0, count, err);

    if (code != HONE_OK)
        return code;
    batch_output(batch, batch->tokens + count - 1, -1, 0);
    batch_append(batch, tokens, count, &(hone_segment){ .slot = -1, .parent = -1 });
    return HONE_OK;
}

int hone_batch_continue(hone_batch *batch, int32_t slot, int64_t position, const int32_t *tokens,
                        int64_t count, bool all_outputs, hone_error *err)
{
    int code = batch_reserve(batch, position, count, err);

    if (code != HONE_OK)
        return code;
    if (slot < 0)
        return hone_fail(err, HONE_EINVAL, "cache slot %d (allowed: at least 0)", slot);
    for (int64_t i = all_outputs ? 0 : count - 1; i < count; i++)
        batch_output(batch, batch->tokens + i, -1, 0);
    batch_append(batch, tokens, count,
                 &(hone_segment){ .position = position, .slot = slot, .parent = -1 });
    return HONE_OK;
}

/* ---- looking ---- */

int64_t hone_batch_tokens(const hone_batch *batch)
{
    return batch->tokens;
}

const int32_t *hone_batch_ids(const hone_batch *batch)
{
    return batch->ids;
}

const int32_t *hone_batch_positions(const hone_batch *batch)
{
    return batch->positions;
}

size_t hone_batch_segments(const hone_batch *batch)
{
    return batch->segments;
}

const hone_segment *hone_batch_segment(const hone_batch *batch, size_t i)
{
    return i < batch->segments ? &batch->segment[i] : NULL;
}

int64_t hone_batch_outputs(const hone_batch *batch)
{
    return batch->outputs;
}

const int32_t *hone_batch_output_rows(const hone_batch *batch)
{
    return batch->rows;
}

const int32_t *hone_batch_targets(const hone_batch *batch)
{
    return batch->targets;
}

const float *hone_batch_weights(const hone_batch *batch)
{
    return batch->weights;
}

const int32_t *hone_batch_output_segments(const hone_batch *batch)
{
    return batch->output_segments;
}
