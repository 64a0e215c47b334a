/* strategy.h -- fine-tuning strategies: what trains, and how a parameter acts.
 *
 * attach decides which parameters train and puts adapters on them. Adapters
 * act through hooks that hone_linear and hone_embed call for the parameters
 * they were put on, with the model's author knowing nothing of it. */
#ifndef HONE_STRATEGY_H
#define HONE_STRATEGY_H

#include <hone/model.h>

typedef struct hone_strategy_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    /* Set what trains (all parameters are frozen before); make adapters with
     * hone_strategy_adapt. Random initial values are functions of the seed. */
    int (*attach)(void *self, hone_model *model, hone_error *err); /* required */
    /* y = hone_linear's result without adapters; return what it shall be. */
    hone_tensor *(*linear)(void *self, hone_graph *g, hone_tensor *x, hone_tensor *y,
                           hone_param *param, void *adapter);
    /* The same for embedding rows. */
    hone_tensor *(*embed)(void *self, hone_graph *g, const int32_t *ids, int64_t count,
                          hone_tensor *y, hone_param *param, void *adapter);
    /* Write the adapter's files into `folder`; NULL: all is in the weights. */
    int (*save)(void *self, hone_model *model, const char *folder, hone_error *err);
    /* Take them from there; called instead of random initial values, after attach. */
    int (*load)(void *self, hone_model *model, const char *folder, hone_error *err);
    /* Fold the adapters into the weights, or take them out again; the graph's
     * results stay the same within rounding. The core tracks the state. */
    int (*merge)(void *self, hone_model *model, bool merged, hone_error *err);
    /* Options for the adapter that an adapter_config.json tells of, a new JSON
     * object; HONE_ENOTFOUND when it is another strategy's. No instance. */
    int (*recognise)(const hone_json *adapter_config, hone_json **options, hone_error *err);
} hone_strategy_ops;

/* In attach: put `adapter` (zeroed memory of `size`, owned by the model) on a
 * parameter. Returns NULL and fills err on failure. */
HONE_API void *hone_strategy_adapt(hone_model *model, hone_param *param, size_t size,
                                   hone_error *err);
HONE_API void *hone_param_adapter(const hone_param *param);
/* In attach: a trained tensor of the strategy's own, named like in the adapter
 * file, [rows, columns]; owned by the model, checkpointed and optimised with it. */
HONE_API int hone_strategy_tensor(hone_tensor **out, hone_model *model, const char *name,
                                  int64_t rows, int64_t columns, hone_error *err);

/* Whether a parameter is meant by a list of targets: roles ("q"), last names
 * ("q_proj", "attn.c_proj"), full names, shell patterns ("*.mlp.*"),
 * "all-linear" (in layers, but for norms and embeddings). A target
 * that meets no parameter is an error of hone_targets_check, which lists the
 * roles there are. */
HONE_API bool hone_targets_match(const hone_string_list *targets, const hone_param *param);
HONE_API int hone_targets_check(const hone_string_list *targets, const hone_model *model,
                                hone_error *err);

/* ---- for users ---- */
/* A strategy instance read from an adapter folder (adapter_config.json), with
 * its weights, attached to the model. */
HONE_API int hone_strategy_load(hone_model *model, const char *folder, hone_error *err);
HONE_API int hone_strategy_merge(hone_model *model, bool merged, hone_error *err);

/* What trains: weights, biases and strategies' tensors, each with its name;
 * the order is fixed. Valid until the strategy changes. */
typedef struct hone_trainable {
    const char *name;   /* "model.norm.weight" */
    const char *role;
    hone_tensor *value; /* its gradient is hone_tensor_grad(value) */
} hone_trainable;
HONE_API size_t hone_model_trainables(const hone_model *model);
HONE_API hone_trainable hone_model_trainable(const hone_model *model, size_t i);

#endif
