/* model.h -- what the core knows of a model (see <hone/model.h>). */
#ifndef CORE_MODEL_H
#define CORE_MODEL_H

#include <hone/model.h>
#include <hone/strategy.h>
#include <stdatomic.h>

/* A trained tensor of the strategy's own. */
typedef struct hone_strategy_entry {
    char *name;
    hone_tensor *value;
} hone_strategy_entry;

struct hone_model {
    atomic_int refs;
    hone_context *context;      /* borrowed */
    char *folder;               /* NULL when new */
    hone_json *config;          /* config.json as read */
    hone_json *generation;      /* generation_config.json; NULL: none */
    hone_instance *instance;    /* of the model plugin */
    const hone_model_ops *ops;
    hone_params *params;
    hone_param *embedding;      /* role embedding; NULL: none */
    hone_head head;             /* its parameter's extents hold also where headless */
    bool headless;              /* no weights for the vocabulary: a classifier */
    int64_t max_positions;      /* 0: no limit */
    hone_instance *tokenizer;   /* NULL: none */
    int32_t *eos;               /* [eos_count] */
    size_t eos_count;
    bool half;                 /* products are of bf16 numbers */
    bool recompute;

    hone_instance *strategy;    /* NULL: none, and nothing trains */
    bool merged;
    hone_strategy_entry *tensors;
    size_t tensors_count;
};

/* A model of this configuration with parameters named, and no tensors yet. */
int hone_model_build(hone_model **out, hone_context *context, const hone_json *config,
                     hone_error *err);
/* Tensors of one dtype for all parameters, zeroed and frozen. */
int hone_model_make_tensors(hone_model *model, hone_dtype dtype, hone_error *err);
/* The dtype option: a dtype, or -1 for "stored". */
int hone_model_dtype(const hone_model_options *options, int *dtype, hone_error *err);
/* Ids that end a text, from config.json and generation_config.json. */
int hone_model_read_eos(hone_model *model, hone_error *err);

/* Name a head, without tensors yet; on failure the parameters are as before. */
int hone_model_name_head(hone_param **out, hone_model *model, const char *name, int64_t outputs,
                         bool bias, hone_error *err);
/* Name the heads that config.json tells of. */
int hone_model_read_heads(hone_model *model, hone_error *err);
/* Tell of the model's heads in a config.json to be written. */
int hone_model_write_heads(const hone_model *model, hone_json *config, hone_error *err);
/* Whether model.safetensors holds the weight of a parameter. */
bool hone_model_saves(const hone_model *model, const hone_param *param);
/* Heads train whatever the strategy. */
int hone_model_train_heads(hone_model *model, hone_error *err);

/* Take the strategy off: nothing trains, its adapters and tensors go; what was
 * merged stays in the weights. */
void hone_strategy_detach(hone_model *model);

#endif
