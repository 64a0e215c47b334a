/* sampler.h -- choosing a token from a row of logits. Exported for tests. */
#ifndef CORE_SAMPLER_H
#define CORE_SAMPLER_H

#include "kernels/kernels.h"

#include <hone/random.h>

typedef struct hone_sampler hone_sampler;

typedef struct hone_sampler_options {
    double temperature;   /* logits are divided by it; 0: the largest is taken */
    int64_t top_k;        /* the k largest; 0: all */
    double top_p;         /* of these the fewest whose probabilities sum to top_p; 1: all */
    double min_p;         /* of these, those of at least min_p times the largest; 0: all */
    double penalty;       /* of tokens seen before: > 0; 1: none */
} hone_sampler_options;

/* For rows of `vocab` logits, computed by `kernels` (of floats). Options out of
 * range are errors by name. */
HONE_API int hone_sampler_new(hone_sampler **out, const hone_sampler_options *options,
                              int64_t vocab, const hone_kernels *kernels, hone_error *err);
HONE_API void hone_sampler_free(hone_sampler *sampler);

/* The row to choose from, borrowed until the draw; and tokens that were seen
 * before: their logits are divided by the penalty where positive, else
 * multiplied, once however often they are named. */
HONE_API void hone_sampler_load(hone_sampler *sampler, const float *logits);
HONE_API void hone_sampler_seen(hone_sampler *sampler, const int32_t *tokens, int64_t count);
/* *logp: the token's log-probability, nats, among those it was chosen from
 * (greedy: all). Of equal logits the lower id goes first. -inf is never chosen;
 * NaN, +inf, or nothing but -inf is HONE_ENUMERIC. Draws one number unless
 * greedy. */
HONE_API int hone_sampler_draw(hone_sampler *sampler, hone_random *random, int32_t *token,
                               double *logp, hone_error *err);

#endif
