/* model_load.c -- a model from a folder: config.json, weights, tokenizer.
 *
 * Every parameter must be there with its shape and a float type, and every
 * tensor of the file must be a parameter, unless the model plugin lists it as
 * something else (masks, rotary frequencies) or it is a tied weight's second
 * name with the same bytes. */
#include "map.h"
#include "model.h"
#include "param.h"
#include "safetensors.h"

#include <hone/tokenizer.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

struct load {
    hone_model *model;
    const hone_tensors *file;
    const char *prefix;   /* names may lack it; NULL: none */
    int dtype;            /* -1: as stored */
    bool *used;           /* [tensors of the file] */
};

/* ---- finding ---- */

static size_t load_index(const struct load *load, const hone_tensor_entry *entry)
{
    return (size_t)(entry - hone_tensors_at(load->file, 0));
}

/* By name, or by the name without the prefix. */
static const hone_tensor_entry *load_find(struct load *load, const char *name)
{
    const hone_tensor_entry *entry = hone_tensors_find(load->file, name);
    size_t n = load->prefix ? strlen(load->prefix) : 0;

    if (!entry && n && strncmp(name, load->prefix, n) == 0)
        entry = hone_tensors_find(load->file, name + n);
    if (entry)
        load->used[load_index(load, entry)] = true;
    return entry;
}

/* A tied weight may be stored by any of its names; where by several, the bytes
 * must agree. */
static int load_find_weight(struct load *load, const hone_param *param,
                            const hone_tensor_entry **out, hone_error *err)
{
    const hone_params *params = load->model->params;
    const hone_tensor_entry *found = load_find(load, param->weight_name);

    for (size_t i = 0; i < params->count; i++) {
        const hone_param *other = params->items[i];
        const hone_tensor_entry *entry;

        if (other->tied_to != param || !(entry = load_find(load, other->weight_name)))
            continue;
        if (found && (found->size != entry->size || strcmp(found->dtype, entry->dtype) != 0 ||
                      memcmp(found->bytes, entry->bytes, found->size) != 0))
            return hone_fail(err, HONE_EFORMAT,
                             "tensors '%s' and '%s' differ, but config.json ties them",
                             found->name, entry->name);
        if (!found)
            found = entry;
    }
    *out = found;
    return found ? HONE_OK
                 : hone_fail(err, HONE_EFORMAT, "tensor '%s' is missing", param->weight_name);
}

/* ---- reading ---- */

static int load_check(const hone_tensor_entry *entry, int dims, const int64_t *shape,
                      hone_error *err)
{
    int dtype = hone_stored_dtype(entry->dtype);
    bool same = entry->dims == dims;
    char have[160];

    for (int i = 0; same && i < dims; i++)
        same = entry->shape[i] == shape[i];
    hone_stored_describe(entry, have, sizeof have);
    if (!same && dims == 1)
        return hone_fail(err, HONE_EFORMAT, "tensor '%s' is %s; expected [%" PRId64 "]",
                         entry->name, have, shape[0]);
    if (!same)
        return hone_fail(err, HONE_EFORMAT, "tensor '%s' is %s; expected [%" PRId64 ", %" PRId64
                         "]", entry->name, have, shape[0], shape[1]);
    if (dtype != HONE_F32 && dtype != HONE_BF16 && dtype != HONE_F16 && dtype != HONE_F64)
        return hone_fail(err, HONE_EFORMAT, "tensor '%s' is %s; expected F32, BF16, F16 or F64",
                         entry->name, have);
    return HONE_OK;
}

static hone_dtype load_dtype(const struct load *load, const hone_tensor_entry *entry)
{
    int stored = hone_stored_dtype(entry->dtype);

    if (load->dtype >= 0)
        return (hone_dtype)load->dtype;
    return stored == HONE_F64 ? HONE_F32 : (hone_dtype)stored;
}

static int load_weight(struct load *load, hone_param *param, hone_error *err)
{
    const hone_tensor_entry *entry;
    int64_t shape[2];
    int dims = hone_param_shape(param, shape), code;

    if (param->tied_to)
        return hone_param_make_weight(param, HONE_F32, err);
    code = load_find_weight(load, param, &entry, err);
    if (code == HONE_OK)
        code = load_check(entry, dims, shape, err);
    if (code == HONE_OK)
        code = hone_param_make_weight(param, load_dtype(load, entry), err);
    return code == HONE_OK ? hone_tensors_read(load->file, entry->name, param->weight, err) : code;
}

static int load_bias(struct load *load, hone_param *param, hone_error *err)
{
    const hone_tensor_entry *entry;
    int64_t count = hone_param_bias_count(param);
    int code;

    if (!param->bias_name)
        return HONE_OK;
    entry = load_find(load, param->bias_name);
    if (!entry)
        return hone_fail(err, HONE_EFORMAT, "tensor '%s' is missing", param->bias_name);
    code = load_check(entry, 1, &count, err);
    if (code == HONE_OK)
        code = hone_param_make_bias(param, load_dtype(load, entry), err);
    return code == HONE_OK ? hone_tensors_read(load->file, entry->name, param->bias, err) : code;
}

static int load_check_rest(const struct load *load, hone_error *err)
{
    const char *const *ignored = HONE_OP(load->model->ops, hone_model_ops, ignored);

    for (size_t i = 0; i < hone_tensors_count(load->file); i++) {
        const char *name = hone_tensors_at(load->file, i)->name;
        const char *const *pattern = ignored;

        if (load->used[i])
            continue;
        while (pattern && *pattern && fnmatch(*pattern, name, 0) != 0)
            pattern++;
        if (!pattern || !*pattern)
            return hone_fail(err, HONE_EFORMAT,
                             "tensor '%s' is no parameter of this model", name);
    }
    return HONE_OK;
}

static int load_params(struct load *load, hone_error *err)
{
    const hone_params *params = load->model->params;
    int code = HONE_OK;

    for (size_t i = 0; i < params->count && code == HONE_OK; i++) {
        if (hone_context_interrupted(load->model->context))
            return hone_fail(err, HONE_EINTERRUPTED, "interrupted");
        code = load_weight(load, params->items[i], err);
        if (code == HONE_OK)
            code = load_bias(load, params->items[i], err);
    }
    return code == HONE_OK ? load_check_rest(load, err) : code;
}

static int load_weights(hone_model *model, const char *folder, int dtype, hone_error *err)
{
    hone_tensors *file = NULL;
    struct load load = { .model = model, .dtype = dtype,
                         .prefix = HONE_OP(model->ops, hone_model_ops, prefix) };
    int code = hone_tensors_open(&file, folder, err);

    if (code != HONE_OK)
        return code;
    load.file = file;
    load.used = hone_alloc(hone_tensors_count(file) + 1, sizeof *load.used);
    code = load.used ? load_params(&load, err) : hone_fail_memory(err, "a model");
    if (code != HONE_OK)
        hone_fail_in(err, "%s", folder);
    hone_free(load.used);
    hone_tensors_free(file);
    return code;
}

/* ---- the rest of the folder ---- */

static int load_tokenizer(hone_model *model, const char *folder, hone_error *err)
{
    hone_instance *tokenizer = NULL;
    hone_error why = {0};
    int code = hone_tokenizer_load(&tokenizer, model->context, folder, &why);

    if (code == HONE_ENOTFOUND)
        return HONE_OK;
    if (code != HONE_OK)
        return hone_fail(err, code, "%s", why.message);
    code = hone_model_set_tokenizer(model, tokenizer, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s", folder);
    hone_instance_free(tokenizer);
    return code;
}

/* A file's JSON where the file is there; *out stays NULL otherwise. */
static int load_json(hone_json **out, const char *folder, const char *name, bool required,
                     hone_error *err)
{
    char *path = hone_format("%s/%s", folder, name);
    int code = HONE_OK;

    if (!path)
        return hone_fail_memory(err, name);
    if (required || access(path, F_OK) == 0)
        code = hone_json_read(out, path, err);
    hone_free(path);
    return code;
}

static int load_adapter(hone_model *model, const char *folder, hone_error *err)
{
    char *adapter = hone_format("%s/adapter", folder);
    char *config = hone_format("%s/adapter/adapter_config.json", folder);
    int code = HONE_OK;

    if (!adapter || !config)
        code = hone_fail_memory(err, "an adapter");
    else if (access(config, F_OK) == 0)
        code = hone_strategy_load(model, adapter, err);
    hone_free(adapter);
    hone_free(config);
    return code;
}

static int load_all(hone_model *model, const char *folder, int dtype, bool no_tokenizer,
                    hone_error *err)
{
    int code;

    model->folder = hone_strdup(folder);
    if (!model->folder)
        return hone_fail_memory(err, "a model");
    code = load_weights(model, folder, dtype, err);
    if (code == HONE_OK)
        code = load_json(&model->generation, folder, "generation_config.json", false, err);
    if (code == HONE_OK && (code = hone_model_read_eos(model, err)) != HONE_OK)
        hone_fail_in(err, "%s", folder);
    if (code == HONE_OK && !no_tokenizer)
        code = load_tokenizer(model, folder, err);
    return code == HONE_OK ? load_adapter(model, folder, err) : code;
}

int hone_model_load(hone_model **out, hone_context *context, const char *folder,
                    const hone_model_options *options, hone_error *err)
{
    hone_model *model = NULL;
    hone_json *config = NULL;
    int dtype, code = hone_model_dtype(options, &dtype, err);

    *out = NULL;
    if (code == HONE_OK && !hone_folder_is(folder))
        code = hone_fail(err, HONE_ENOTFOUND, "%s: no such folder", folder);
    if (code == HONE_OK)
        code = load_json(&config, folder, "config.json", true, err);
    if (code == HONE_OK && (code = hone_model_build(&model, context, config, err)) != HONE_OK)
        hone_fail_in(err, "%s/config.json", folder);
    if (code == HONE_OK)
        code = load_all(model, folder, dtype, options && options->no_tokenizer, err);
    hone_json_free(config);
    if (code == HONE_OK)
        code = hone_model_set_precision(model, options ? options->precision : NULL, err);
    if (code != HONE_OK) {
        hone_model_free(model);
        return code;
    }
    model->recompute = options && options->recompute;
    *out = model;
    return HONE_OK;
}
