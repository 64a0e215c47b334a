/* model.h -- model architectures, and models.
 *
 * A model plugin reads config.json, names its parameters, and says what embed,
 * block and finish compute. The core drives the blocks: between two of them it
 * may recompute, freeze, cache or offload. Hidden states come out; heads are
 * put on by others. */
#ifndef HONE_MODEL_H
#define HONE_MODEL_H

#include <hone/batch.h>
#include <hone/loss.h>
#include <hone/ops.h>
#include <hone/plugin.h>

/* ---- reading config.json ---- */

/* A reader that remembers its first failure. Lives on the stack; frozen.
 * A key may be a path: "rope_parameters.rope_theta". Absent and null keys take
 * the default; a value of another type, or out of range, fails by name. */
typedef struct hone_config {
    const hone_json *json;
    hone_error *err;
    int code;
} hone_config;

#define HONE_REQUIRED (INT64_MIN + 1)

HONE_API hone_config hone_config_open(const hone_json *json, hone_error *err);
/* The first failure, HONE_OK if none. */
HONE_API int hone_config_close(hone_config *c);
HONE_API int64_t hone_config_int(hone_config *c, const char *key, int64_t def, int64_t min,
                                 int64_t max);
HONE_API double hone_config_real(hone_config *c, const char *key, double def, double min,
                                 double max);
HONE_API bool hone_config_bool(hone_config *c, const char *key, bool def);
/* Borrowed text, or def. */
HONE_API const char *hone_config_text(hone_config *c, const char *key, const char *def);
HONE_API bool hone_config_has(const hone_config *c, const char *key);
/* Whether model_type is this. */
HONE_API bool hone_config_type_is(const hone_config *c, const char *model_type);
/* Refuse any value but this text; NULL: refuse any but absent or null. For
 * keys that would change the arithmetic. */
HONE_API void hone_config_only(hone_config *c, const char *key, const char *value);
/* Refuse unless the number at `part` divides the one at `whole`. An absent key
 * passes: its default is the model's own affair. */
HONE_API void hone_config_divides(hone_config *c, const char *part, const char *whole);
/* a / b, 0 where b is 0 or does not divide a (a default for head_dim). */
HONE_API int64_t hone_config_quotient(hone_config *c, int64_t a, int64_t b);
HONE_API void hone_config_fail(hone_config *c, const char *fmt, ...) HONE_PRINTF(2, 3);

/* ---- the plugin ---- */

typedef struct hone_model_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    const char *const *model_types; /* of config.json, ends with NULL; required */
    int (*configure)(void *self, const hone_json *config, hone_error *err);         /* required */
    int (*build)(void *self, hone_params *params, hone_error *err);                 /* required */
    hone_tensor *(*embed)(void *self, hone_graph *g, const hone_batch *batch);      /* required */
    hone_tensor *(*block)(void *self, hone_graph *g, int64_t layer, hone_tensor *x, /* required */
                          const hone_batch *batch, hone_cache *cache);
    hone_tensor *(*finish)(void *self, hone_graph *g, hone_tensor *x);              /* required */
    /* Checkpoints may leave this prefix off every name ("transformer."). */
    const char *prefix;
    /* Longest sequence, tokens; 0 or NULL: no limit (learned positions have one). */
    int64_t (*max_positions)(void *self);
    /* Shell patterns of tensors that checkpoints hold and that are no
     * parameters (masks, rotary frequencies); ends with NULL; may be NULL. */
    const char *const *ignored;
} hone_model_ops;

/* The parameter with role "head" is the vocabulary's; layers are counted by
 * hone_params_enter. */

/* ---- models ---- */

typedef struct hone_model hone_model;

typedef struct hone_model_options {
    const char *dtype;     /* of weights in memory: "f32" (default), "bf16", "f16", "stored" */
    bool recompute;        /* blocks keep only their input for backward */
    bool no_tokenizer;     /* do not look for one */
    const char *precision; /* as hone_model_set_precision; NULL: "f32" */
} hone_model_options;

/* A folder with config.json, *.safetensors (with index or without) and, where
 * present, a tokenizer and what hone_model_save keeps in `folder`/adapter. A
 * tensor that is missing, misshapen, or no parameter is an error by name.
 * options may be NULL. **out is owned; the context must outlive it. */
HONE_API int hone_model_load(hone_model **out, hone_context *context, const char *folder,
                             const hone_model_options *options, hone_error *err);
/* Random weights from a configuration: normal(0, initializer_range or 0.02),
 * norms 1, biases 0, residual outputs (roles o, down) scaled by
 * 1/sqrt(2 layers); a function of the seed and names alone. */
HONE_API int hone_model_new(hone_model **out, hone_context *context, const hone_json *config,
                            const hone_model_options *options, uint64_t seed, hone_error *err);
/* An independent copy that computes what the model computes, without strategy: what
 * adapters add is in its weights. Adapters that cannot be merged are an error. */
HONE_API int hone_model_copy(hone_model **out, const hone_model *model, hone_error *err);
HONE_API hone_model *hone_model_ref(hone_model *model);
HONE_API void hone_model_free(hone_model *model);

/* Write config.json, model.safetensors (names and layout that transformers
 * loads), and the tokenizer's files, into `folder`, atomically by file; with a
 * strategy attached that keeps an adapter, the base and the adapter in
 * `folder`/adapter (merged: the merged weights alone). An adapter that an
 * earlier save left there is removed. */
HONE_API int hone_model_save(hone_model *model, const char *folder, hone_error *err);

/* SHA-256 of all parameters and of what a strategy trains, with their names and
 * dtypes: 64 hex digits and a NUL. */
HONE_API int hone_model_hash(const hone_model *model, char hex[static 65], hone_error *err);

HONE_API hone_context *hone_model_context(const hone_model *model);
HONE_API const char *hone_model_folder(const hone_model *model); /* NULL when new */
HONE_API const hone_json *hone_model_config(const hone_model *model);
HONE_API const char *hone_model_plugin(const hone_model *model); /* "llama" */
HONE_API hone_params *hone_model_params(const hone_model *model);
HONE_API int64_t hone_model_layers(const hone_model *model);
HONE_API int64_t hone_model_vocab(const hone_model *model);
HONE_API int64_t hone_model_width(const hone_model *model);  /* d_model */
HONE_API int64_t hone_model_max_positions(const hone_model *model); /* 0: no limit */
/* The vocabulary's; NULL where the folder is a classifier's, which has none. */
HONE_API const hone_head *hone_model_head(const hone_model *model);
/* The instance of kind tokenizer, or NULL. */
HONE_API hone_instance *hone_model_tokenizer(const hone_model *model);
/* Put another on; fails when an id would not fit the vocabulary. */
HONE_API int hone_model_set_tokenizer(hone_model *model, hone_instance *tokenizer, hone_error *err);
/* Attach a strategy (NULL: off): decides what trains. One at a time: adapters
 * of the one before go, but for what is merged. */
HONE_API int hone_model_set_strategy(hone_model *model, hone_instance *strategy, hone_error *err);
HONE_API hone_instance *hone_model_strategy(const hone_model *model);
HONE_API void hone_model_set_recompute(hone_model *model, bool on);
/* "f32", or "bf16": products with the model's weights round their operands to bf16, forward
 * and backward, and sum in f32. Weights, gradients, norms, attention and losses stay as they
 * are; so does all on a processor without bf16 arithmetic. Heads added later are not touched. */
HONE_API int hone_model_set_precision(hone_model *model, const char *precision, hone_error *err);
HONE_API const char *hone_model_precision(const hone_model *model);
/* Ids that end a text, from config.json and generation_config.json. */
HONE_API const int32_t *hone_model_eos(const hone_model *model, size_t *count);

/* Hidden states of the batch's outputs, [outputs, d_model], after finish. Token
 * ids are checked against the vocabulary. cache may be NULL. */
HONE_API hone_tensor *hone_model_hidden(hone_model *model, hone_graph *g, const hone_batch *batch,
                                        hone_cache *cache);

/* ---- heads ---- */

/* Put a linear head on hidden states, [outputs, d_model], for rewards, values,
 * classes: hone_linear(g, hidden, head) gives [rows, outputs]. Weights f32,
 * normal(0, sd), a function of seed and name; bias zero. It trains with any
 * strategy, and is part of copies, checkpoints, hash and folders. The name
 * "score" is transformers' ...ForSequenceClassification: it has no bias, and a
 * model with it is saved as one, without vocabulary head. *out is borrowed from
 * the model; an optimizer that exists does not know it. */
HONE_API int hone_model_add_head(hone_param **out, hone_model *model, const char *name,
                                 int64_t outputs, bool bias, double sd, uint64_t seed,
                                 hone_error *err);
/* NULL when there is none of this name. */
HONE_API hone_param *hone_model_head_named(const hone_model *model, const char *name);
/* Whether a parameter is such a head. */
HONE_API bool hone_param_is_head(const hone_param *param);

/* Bytes of a training step with batches of `tokens` tokens, `outputs` of them
 * with targets: weights, gradients, optimizer (`states` f32 per trained
 * weight), activations. An estimate, printed before a run. */
typedef struct hone_memory_estimate {
    size_t weights, gradients, optimizer, activations, total;
} hone_memory_estimate;
HONE_API int hone_model_estimate(hone_model *model, int64_t tokens, int64_t outputs, int states,
                                 hone_memory_estimate *out, hone_error *err);

#endif
