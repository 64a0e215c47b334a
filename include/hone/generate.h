/* generate.h -- a model answers: prompts in, samples out.
 *
 * All sequences of a call are decoded together over one cache: a finished one
 * leaves, a waiting one enters; the samples of a prompt share its prefill. */
#ifndef HONE_GENERATE_H
#define HONE_GENERATE_H

#include <hone/model.h>
#include <hone/sample.h>

typedef struct hone_generate_options {
    int64_t max_tokens;        /* of a response; >= 1 */
    int64_t samples;           /* a prompt; >= 1 */
    double temperature;        /* 0: greedy */
    int64_t top_k;             /* 0: all */
    double top_p;              /* 1: all */
    double min_p;              /* 0: all */
    uint64_t seed;             /* a sample's own stream is named by seed, prompt, index */
    int64_t batch;             /* sequences decoded together; 0: 16 */
    bool adapters_off;
    const char *const *stop;   /* texts that end a response (kept out of it); NULL: none */
    const int32_t *stop_tokens; /* besides the model's eos */
    size_t stop_tokens_count;
    bool ignore_eos;
} hone_generate_options;

/* The defaults: 128 tokens, 1 sample, greedy. */
HONE_API hone_generate_options hone_generate_defaults(void);

typedef struct hone_prompt {
    const int32_t *tokens;
    int64_t count;         /* >= 1 */
    const hone_json *row;  /* may be NULL */
} hone_prompt;

/* Called for every token as it comes; stop the whole call by returning false. */
typedef bool hone_token_fn(void *user, size_t prompt, int64_t sample, int32_t token, double logp);

/* logp of a token is of the distribution sampled from (after temperature and
 * truncation; of the full softmax for greedy). A prompt that leaves no room
 * before the model's limit is an error; a response stops at the limit with
 * finish "length". Samples come in order of prompts. **out is owned. */
HONE_API int hone_generate(hone_samples **out, hone_model *model, const hone_prompt *prompts,
                           size_t count, const hone_generate_options *options, hone_token_fn *fn,
                           void *user, hone_error *err);

#endif
