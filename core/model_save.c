/* model_save.c -- a model to a folder that transformers loads: config.json as
 * it was read but for the dtype, each weight once, by its first name. */
#include "file.h"
#include "map.h"
#include "model.h"
#include "param.h"

#include <hone/safetensors.h>
#include <hone/tokenizer.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Under the keys that are there; the older one where there is none. */
static int save_dtype(json_t *config, const hone_model *model)
{
    static const char *const keys[] = { "dtype", "torch_dtype" };
    hone_dtype dtype = hone_tensor_dtype(model->embedding->weight);
    const char *name = dtype == HONE_BF16 ? "bfloat16" : dtype == HONE_F16 ? "float16" : "float32";
    bool known = false;

    for (int i = 0; i < 2; i++) {
        if (!json_object_get(config, keys[i]) && (i == 0 || known))
            continue;
        known = true;
        if (json_object_set_new(config, keys[i], json_string(name)) < 0)
            return -1;
    }
    return 0;
}

static int save_json(const hone_json *json, const char *folder, const char *name, hone_error *err)
{
    char *path = hone_format("%s/%s", folder, name);
    int code = path ? hone_json_write(json, path, err) : hone_fail_memory(err, name);

    hone_free(path);
    return code;
}

static int save_config(const hone_model *model, const char *folder, hone_error *err)
{
    json_t *config = hone_json_copy(model->config, true);
    int code;

    if (!config || save_dtype(config, model) < 0)
        code = hone_fail_memory(err, "config.json");
    else
        code = hone_model_write_heads(model, config, err);
    if (code == HONE_OK)
        code = save_json(config, folder, "config.json", err);
    json_decref(config);
    if (code == HONE_OK && model->generation)
        code = save_json(model->generation, folder, "generation_config.json", err);
    return code;
}

/* Weights and biases in the order of naming; ties once. */
static size_t save_items(const hone_model *model, hone_tensors_item *items)
{
    size_t n = 0;

    for (size_t i = 0; i < model->params->count; i++) {
        const hone_param *param = model->params->items[i];

        if (hone_model_saves(model, param))
            items[n++] = (hone_tensors_item){ param->weight_name, param->weight };
        if (param->bias)
            items[n++] = (hone_tensors_item){ param->bias_name, param->bias };
    }
    return n;
}

static int save_weights(const hone_model *model, const char *folder, hone_error *err)
{
    char *path = hone_format("%s/model.safetensors", folder);
    hone_tensors_item *items = hone_alloc(2 * model->params->count, sizeof *items);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    int code;

    if (!path || !items || !metadata)
        code = hone_fail_memory(err, "model.safetensors");
    else
        code = hone_tensors_write(path, items, save_items(model, items), metadata, err);
    json_decref(metadata);
    hone_free(items);
    hone_free(path);
    return code;
}

/* ---- the adapter ---- */

static int save_adapter(hone_model *model, const char *folder, hone_error *err)
{
    const hone_strategy_ops *ops = hone_instance_plugin(model->strategy)->ops;
    int code = hone_folder_make(folder, err);

    return code == HONE_OK
         ? HONE_OP(ops, hone_strategy_ops, save)(hone_instance_self(model->strategy), model,
                                                 folder, err) : code;
}

/* An adapter of an earlier save would be put on these weights by the next load. */
static int save_without_adapter(const char *folder, hone_error *err)
{
    char *config = hone_format("%s/adapter_config.json", folder);
    int code = HONE_OK;

    if (!config)
        return hone_fail_memory(err, folder);
    if (remove(config) < 0 && errno != ENOENT && errno != ENOTDIR)
        code = hone_fail(err, HONE_EIO, "%s: cannot remove: %s", config, strerror(errno));
    hone_free(config);
    return code;
}

static bool save_has_adapter(const hone_model *model)
{
    const void *ops = model->strategy ? hone_instance_plugin(model->strategy)->ops : NULL;

    return ops && !model->merged && HONE_OP(ops, hone_strategy_ops, save);
}

int hone_model_save(hone_model *model, const char *folder, hone_error *err)
{
    char *adapter = hone_format("%s/adapter", folder);
    bool keeps = save_has_adapter(model);
    int code = adapter ? hone_folder_make(folder, err) : hone_fail_memory(err, folder);

    if (code == HONE_OK && !keeps)
        code = save_without_adapter(adapter, err);
    if (code == HONE_OK)
        code = save_weights(model, folder, err);
    if (code == HONE_OK)
        code = save_config(model, folder, err);
    if (code == HONE_OK && model->tokenizer)
        code = hone_tokenizer_save(model->tokenizer, folder, err);
    if (code == HONE_OK && keeps)
        code = save_adapter(model, adapter, err);
    hone_free(adapter);
    return code;
}
