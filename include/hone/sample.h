/* sample.h -- samples: prompts with responses, and the rows they came from.
 *
 * What generation makes and metrics judge. */
#ifndef HONE_SAMPLE_H
#define HONE_SAMPLE_H

#include <hone/batch.h>
#include <hone/plugin.h>
#include <hone/tokenizer.h>

typedef struct hone_samples hone_samples;

HONE_API int hone_samples_new(hone_samples **out, hone_error *err);
HONE_API hone_samples *hone_samples_ref(hone_samples *samples);
HONE_API void hone_samples_free(hone_samples *samples);

/* Everything of one sample; what is NULL or 0 is absent. All is copied; row is
 * referenced. */
typedef struct hone_sample {
    const char *prompt, *response;       /* texts, NUL-terminated UTF-8 */
    const int32_t *tokens;               /* prompt then response */
    int64_t prompt_tokens, response_tokens;
    const float *logp;                   /* [response_tokens], nats, as sampled */
    const char *finish;                  /* "stop", "length" */
    const hone_json *row;                /* the dataset row */
    int64_t group;                       /* samples of one prompt share it */
    uint64_t seed;
    /* [response_tokens], 1: the model's own, 0: what something else said in
     * between (a tool, a user). NULL: all are its own. */
    const uint8_t *own;
} hone_sample;
HONE_API int hone_samples_add(hone_samples *samples, const hone_sample *sample, hone_error *err);

/* Beyond the last sample: NULL, -1. Texts are NULL where absent. Counts of
 * tokens without the tokens are believed: a sample may be scored by length. */
HONE_API size_t hone_samples_count(const hone_samples *samples);
HONE_API const hone_sample *hone_samples_at(const hone_samples *samples, size_t i);
HONE_API const char *hone_sample_prompt(const hone_samples *samples, size_t i);
HONE_API const char *hone_sample_response(const hone_samples *samples, size_t i);
/* -1 where the sample has neither tokens nor a count of them. */
HONE_API int64_t hone_sample_response_tokens(const hone_samples *samples, size_t i);
/* A column of the sample's row (borrowed); NULL when it has none. */
HONE_API const hone_json *hone_sample_column(const hone_samples *samples, size_t i,
                                             const char *name);
/* How many response tokens are the model's own; of one sample (0 where it has
 * none, or is beyond the last), and of all. */
HONE_API int64_t hone_sample_own_tokens(const hone_samples *samples, size_t i);
HONE_API int64_t hone_samples_own_tokens(const hone_samples *samples);
HONE_API int64_t hone_samples_step(const hone_samples *samples);
HONE_API void hone_samples_set_step(hone_samples *samples, int64_t step);

/* ---- as tensors; **out is owned, f32 ---- */

/* Log-probabilities of all own tokens, in order: [own tokens], nats. A sample
 * with own tokens and without log-probabilities is an error. */
HONE_API int hone_samples_logp(hone_tensor **out, const hone_samples *samples, hone_error *err);
/* Own tokens of each: [samples]. */
HONE_API int hone_samples_lengths(hone_tensor **out, const hone_samples *samples, hone_error *err);
/* 1 where the finish is "length", else 0: [samples]. */
HONE_API int hone_samples_truncated(hone_tensor **out, const hone_samples *samples,
                                    hone_error *err);

/* Append samples which[0 .. count) to a batch, so that each own token is an
 * output with weight 1, in this order. Where share is on, samples of a group
 * whose prompts are the same ids branch from one segment of the prompt;
 * others are a segment each. A sample without own tokens adds nothing. All or
 * nothing is appended. */
HONE_API int hone_batch_add_samples(hone_batch *batch, const hone_samples *samples,
                                    const size_t *which, size_t count, bool share,
                                    hone_error *err);

#endif
