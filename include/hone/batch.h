/* batch.h -- a list of segments, packed without padding, and the cache.
 *
 * A segment is a run of consecutive tokens of one sequence. In training each
 * sample is a segment that starts at position 0, or a branch that goes on from
 * another segment of the batch: a prompt is computed once for all responses to
 * it. In generation a segment continues what its cache slot holds. Prefill and
 * decode mix. Attention sees a segment and what it goes on from, no other. */
#ifndef HONE_BATCH_H
#define HONE_BATCH_H

#include <hone/param.h>

typedef struct hone_batch hone_batch;
typedef struct hone_cache hone_cache;

typedef struct hone_segment {
    int64_t start;     /* its first row in the batch */
    int64_t length;    /* tokens */
    int64_t position;  /* of its first token in its sequence */
    int32_t slot;      /* of the cache; -1: none */
    int32_t parent;    /* the segment it goes on from; -1: none */
} hone_segment;

HONE_API int hone_batch_new(hone_batch **out, hone_error *err);
HONE_API void hone_batch_free(hone_batch *batch);
HONE_API void hone_batch_clear(hone_batch *batch);

/* Append a segment. weights [count] (or NULL for all zero): weight of the
 * prediction OF token i, made at token i - 1; a position whose next token has
 * a nonzero weight becomes an output, with that token as target. The first
 * token of a segment at position 0 is never a target. */
HONE_API int hone_batch_add(hone_batch *batch, const int32_t *tokens, const float *weights,
                            int64_t count, hone_error *err);
/* Append a segment that goes on from the whole of segment `parent`: a prompt
 * with several responses, a conversation with several endings. Positions go on,
 * its tokens see the parent's rows (and those that one goes on from) and its
 * own. weights as above, but the first token may be a target, too: its
 * prediction is made at the parent's last row, so that a row can be an output
 * several times. The parent comes before in the batch, and continues no cache
 * slot. A parent never sees its branches. */
HONE_API int hone_batch_branch(hone_batch *batch, size_t parent, const int32_t *tokens,
                               const float *weights, int64_t count, hone_error *err);
/* Append a segment at position 0 whose last token is an output, without
 * target: for heads that judge a whole text. */
HONE_API int hone_batch_add_end(hone_batch *batch, const int32_t *tokens, int64_t count,
                                hone_error *err);
/* Append a segment that continues cache slot `slot` at `position`. Its last
 * token is an output (all_outputs: every token), without targets. */
HONE_API int hone_batch_continue(hone_batch *batch, int32_t slot, int64_t position,
                                 const int32_t *tokens, int64_t count, bool all_outputs,
                                 hone_error *err);

HONE_API int64_t hone_batch_tokens(const hone_batch *batch);
HONE_API const int32_t *hone_batch_ids(const hone_batch *batch);       /* [tokens] */
HONE_API const int32_t *hone_batch_positions(const hone_batch *batch); /* [tokens] */
HONE_API size_t hone_batch_segments(const hone_batch *batch);
HONE_API const hone_segment *hone_batch_segment(const hone_batch *batch, size_t i);

/* Outputs in order of segments, and of tokens within: which rows, what follows
 * them (-1: no target), the weights, and the segment each belongs to (of the
 * first token of a branch the branch, though the row is its parent's). Never
 * more than tokens. [outputs] each. */
HONE_API int64_t hone_batch_outputs(const hone_batch *batch);
HONE_API const int32_t *hone_batch_output_rows(const hone_batch *batch);
HONE_API const int32_t *hone_batch_targets(const hone_batch *batch);
HONE_API const float *hone_batch_weights(const hone_batch *batch);
HONE_API const int32_t *hone_batch_output_segments(const hone_batch *batch);

/* ---- ops over a batch ----
 *
 * hone_attention knows what a branch goes on from. A model that mixes tokens
 * in another way must look at `parent` itself. */

/* Embedding of every token: [tokens, d]. */
HONE_API hone_tensor *hone_batch_embed(hone_graph *g, const hone_batch *batch,
                                       hone_param *embedding);
/* Embedding of every position (learned positions): [tokens, d]. */
HONE_API hone_tensor *hone_batch_embed_positions(hone_graph *g, const hone_batch *batch,
                                                 hone_param *positions);
/* Rotary positions, halves rotated: x [tokens, heads * d_head]. Su et al.
 * 2021, arXiv:2104.09864. */
HONE_API hone_tensor *hone_rope(hone_graph *g, hone_tensor *x, const hone_batch *batch,
                                int64_t heads, double theta);

typedef enum hone_mask { HONE_CAUSAL, HONE_FULL } hone_mask;

typedef struct hone_attention_spec {
    int64_t heads, kv_heads; /* kv_heads divides heads */
    hone_mask mask;          /* within a segment; a branch sees all it goes on from */
    int64_t window;          /* a token sees itself and the window - 1 before; 0: all */
    double scale;            /* of q k^T; 0: 1/sqrt(d_head) */
    double soft_cap;         /* scores become cap * tanh(score / cap); 0: none */
    int64_t layer;           /* whose cache */
} hone_attention_spec;

/* Grouped-query attention: q [tokens, heads * d_head], k and v
 * [tokens, kv_heads * d_head] to [tokens, heads * d_head]. With a cache (NULL:
 * none) keys and values are appended to each segment's slot first; not
 * differentiable then. No [n, n] matrix. */
HONE_API hone_tensor *hone_attention(hone_graph *g, hone_tensor *q, hone_tensor *k,
                                     hone_tensor *v, const hone_batch *batch, hone_cache *cache,
                                     const hone_attention_spec *spec);

/* ---- the cache ---- */

/* Room for `slots` sequences of up to `capacity` tokens. Memory for keys and
 * values is taken as tokens come. **out is owned. */
HONE_API int hone_cache_new(hone_cache **out, int32_t slots, int64_t capacity, hone_error *err);
HONE_API void hone_cache_free(hone_cache *cache);
HONE_API void hone_cache_clear(hone_cache *cache, int32_t slot);
HONE_API int32_t hone_cache_slots(const hone_cache *cache);
HONE_API int64_t hone_cache_capacity(const hone_cache *cache);
/* Copy one slot's contents to another (a prompt shared by several samples): they
 * share memory as far as they can. */
HONE_API int hone_cache_copy(hone_cache *cache, int32_t to, int32_t from, hone_error *err);
/* Bytes of keys and values that it has taken. */
HONE_API size_t hone_cache_bytes(const hone_cache *cache);
/* A named f32 tensor [slots, ...] for recurrent models, zeroed when first
 * asked for; rows of a slot are zeroed and copied with it. Borrowed. */
HONE_API hone_tensor *hone_cache_state(hone_cache *cache, int64_t layer, const char *name,
                                       int dims, const int64_t *shape, hone_error *err);

#endif
