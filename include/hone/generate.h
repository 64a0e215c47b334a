/* generate.h -- a model answers: prompts in, samples out.
 *
 * All sequences of a call are decoded together over one cache: a finished one
 * leaves, a waiting one enters; the samples of a prompt share its prefill. What
 * else is in the batch does not change a bit of a sample. */
#ifndef HONE_GENERATE_H
#define HONE_GENERATE_H

#include <hone/model.h>
#include <hone/sample.h>

/* Answers a turn of the model, as a tool, a game or a user does: append tokens
 * to `answer`, or none to end the response. text: what the model said in this
 * turn, less what ended it (NULL without a tokenizer); turn counts from 1. */
typedef int hone_environment_fn(void *user, size_t prompt, int64_t sample, int64_t turn,
                                const char *text, hone_ids *answer, hone_error *err);

typedef struct hone_generate_options {
    int64_t max_tokens;        /* of a response: the model's own, of all turns; >= 1 */
    int64_t samples;           /* a prompt; >= 1 */
    double temperature;        /* 0: greedy */
    int64_t top_k;             /* the k most likely; 0: all */
    double top_p;              /* of these, the fewest that sum to top_p; 1: all */
    double min_p;              /* of these, at least min_p times the likeliest; 0: all */
    double repetition_penalty; /* before temperature, logits of tokens that the prompt or the
                                  response has are divided by it where positive, else
                                  multiplied; > 0; 1: none. Keskar et al. 2019,
                                  arXiv:1909.05858 */
    uint64_t seed;             /* a sample's own stream is named by seed, prompt, index */
    int64_t batch;             /* sequences decoded together; 0: 16 */
    bool adapters_off;
    const char *const *stop;   /* texts that end a response (kept out of it); NULL: none */
    const int32_t *stop_tokens; /* besides the eos of model and tokenizer */
    size_t stop_tokens_count;
    bool ignore_eos;
    hone_environment_fn *environment; /* called when a turn ends with "stop"; NULL: none */
    void *environment_user;
    int64_t turns;             /* of the model, at most; 0: any */
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

/* logp of a token is of the distribution sampled from (after penalty,
 * temperature and truncation; of the full softmax for greedy). A prompt that leaves no room
 * before the model's limit is an error; a response stops at the limit with
 * finish "length". A response's tokens include the one that ended it; its text
 * does not, nor a stop text or what follows it, and is decoded apart from the
 * prompt's (some tokenizers drop a blank at the start of a text: who shows a
 * prompt going on decodes the tokens of both). Where an environment answers a
 * turn, its tokens follow the model's in the response, as their text does, and
 * are not its own (hone_sample.own; logp 0); what ended that turn stays in the
 * text. An answer that leaves no room before the model's limit is not taken: the
 * finish is "length". row of a prompt is referenced by
 * its samples. NaN among the logits is HONE_ENUMERIC; an interrupt, or fn
 * returning false, HONE_EINTERRUPTED. options NULL: the defaults. Samples come
 * in order of prompts, the step unset. **out is owned. */
HONE_API int hone_generate(hone_samples **out, hone_model *model, const hone_prompt *prompts,
                           size_t count, const hone_generate_options *options, hone_token_fn *fn,
                           void *user, hone_error *err);

#endif
