/* model_build.c -- from a configuration to named parameters: the plugin that
 * knows the model_type, its configure, its build. */
#include "model.h"
#include "param.h"

#include <jansson.h>
#include <string.h>

/* ---- which plugin ---- */

static bool build_knows(const hone_model_ops *ops, const char *type)
{
    const char *const *types = ops->model_types;

    while (*types && strcmp(*types, type) != 0)
        types++;
    return *types != NULL;
}

/* "gpt2" -> "gpt2, llama, mistral"; false when memory is short. */
static bool build_append(char **list, const hone_model_ops *ops)
{
    for (const char *const *type = ops->model_types; *type; type++) {
        char *longer = *list ? hone_format("%s, %s", *list, *type) : hone_strdup(*type);

        hone_free(*list);
        *list = longer;
        if (!longer)
            return false;
    }
    return true;
}

/* The first plugin of the list that has the type; *known lists all types. One
 * that does not load is told to the log: another may be the right one. */
static int build_search(const hone_plugin **out, char **known, hone_context *context,
                        const char *type, hone_error *err)
{
    hone_plugin_entry *entries = NULL;
    size_t count = 0;
    int code = hone_plugin_list(context, "model", &entries, &count, err);

    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        const hone_plugin *plugin;
        hone_error why = {0};

        if (entries[i].hidden)
            continue;
        if (hone_plugin_find(context, "model", entries[i].name, &plugin, &why) != HONE_OK) {
            hone_log(context, HONE_LOG_WARN, "model/%s: %s", entries[i].name, why.message);
            continue;
        }
        if (!*out && build_knows(plugin->ops, type))
            *out = plugin;
        if (!build_append(known, plugin->ops))
            code = hone_fail_memory(err, "a list of models");
    }
    hone_free(entries);
    return code;
}

static int build_find(const hone_plugin **out, hone_context *context, const hone_json *config,
                      hone_error *err)
{
    hone_config c = hone_config_open(config, err);
    const char *type = hone_config_text(&c, "model_type", NULL);
    char *known = NULL;
    int code = hone_config_close(&c);

    *out = NULL;
    if (code == HONE_OK)
        code = build_search(out, &known, context, type ? type : "", err);
    if (code == HONE_OK && !*out) {
        if (type)
            code = hone_fail(err, HONE_EUNSUPPORTED, "'model_type' is \"%.80s\" (known: %s)", type,
                             known ? known : "none");
        else
            code = hone_fail(err, HONE_EFORMAT, "'model_type' is missing (known: %s)",
                             known ? known : "none");
    }
    hone_free(known);
    return code;
}

/* ---- parameters ---- */

static hone_param *build_role(const hone_params *params, const char *role)
{
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->items[i]->role, role) == 0)
            return params->items[i];
    return NULL;
}

static int build_params(hone_model *model, hone_error *err)
{
    void *self = hone_instance_self(model->instance);
    int64_t (*max_positions)(void *) = HONE_OP(model->ops, hone_model_ops, max_positions);
    int code = model->ops->build(self, model->params, err);

    if (code == HONE_OK)
        code = hone_params_done(model->params, err);
    if (code != HONE_OK)
        return code;
    model->embedding = build_role(model->params, "embedding");
    model->head.param = build_role(model->params, "head");
    if (!model->embedding || !model->head.param)
        return hone_fail(err, HONE_EINVAL, "build names no parameter with role '%s'",
                         model->embedding ? "head" : "embedding");
    if (model->head.param->tied_to && model->head.param->tied_to->layer >= 0)
        return hone_fail(err, HONE_EINVAL, "the head is tied to '%s', inside a layer",
                         model->head.param->tied_to->name);
    model->max_positions = max_positions ? max_positions(self) : 0;
    return hone_model_read_heads(model, err);
}

static int build_model(hone_model *model, hone_error *err)
{
    const hone_plugin *plugin;
    int code = build_find(&plugin, model->context, model->config, err);

    if (code != HONE_OK)
        return code;
    code = hone_instance_new(&model->instance, model->context, "model", plugin->name, NULL, err);
    if (code != HONE_OK)
        return code;
    model->ops = plugin->ops;
    code = model->ops->configure(hone_instance_self(model->instance), model->config, err);
    if (code == HONE_OK)
        code = hone_params_create(&model->params, err);
    if (code == HONE_OK)
        code = build_params(model, err);
    return code;
}

int hone_model_build(hone_model **out, hone_context *context, const hone_json *config,
                     hone_error *err)
{
    hone_model *model = hone_alloc(1, sizeof *model);
    int code;

    *out = NULL;
    if (!model)
        return hone_fail_memory(err, "a model");
    atomic_init(&model->refs, 1);
    model->context = context;
    model->config = hone_json_copy(config, true);
    code = model->config || !config ? build_model(model, err) : hone_fail_memory(err, "a model");
    if (code != HONE_OK) {
        hone_model_free(model);
        return code;
    }
    *out = model;
    return HONE_OK;
}

int hone_model_make_tensors(hone_model *model, hone_dtype dtype, hone_error *err)
{
    int code = HONE_OK;

    /* A tie names a parameter that was there before it. */
    for (size_t i = 0; i < model->params->count && code == HONE_OK; i++) {
        code = hone_param_make_weight(model->params->items[i], dtype, err);
        if (code == HONE_OK)
            code = hone_param_make_bias(model->params->items[i], dtype, err);
    }
    return code;
}

int hone_model_dtype(const hone_model_options *options, int *dtype, hone_error *err)
{
    const char *name = options && options->dtype ? options->dtype : "f32";

    *dtype = strcmp(name, "stored") == 0 ? -1 : hone_dtype_parse(name);
    if (*dtype == HONE_F32 || *dtype == HONE_BF16 || *dtype == HONE_F16 ||
        strcmp(name, "stored") == 0)
        return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "dtype is '%.40s' (allowed: f32, bf16, f16, stored)", name);
}

/* ---- the ends of texts ---- */

static int build_add_eos(hone_model *model, const json_t *id, const char *file, hone_error *err)
{
    int64_t n = (int64_t)json_integer_value(id);
    int32_t *eos;

    if (!json_is_integer(id) || n < 0 || n > INT32_MAX)
        return hone_fail(err, HONE_EFORMAT, "%s: 'eos_token_id' is no token id nor a list of them",
                         file);
    for (size_t i = 0; i < model->eos_count; i++)
        if (model->eos[i] == n)
            return HONE_OK;
    if (n >= model->head.param->out) { /* left over from another vocabulary: never generated */
        hone_log(model->context, HONE_LOG_WARN, "%s: 'eos_token_id' %" PRId64
                 " is outside the vocabulary of %" PRId64, file, n, model->head.param->out);
        return HONE_OK;
    }
    eos = hone_realloc(model->eos, model->eos_count + 1, sizeof *eos);
    if (!eos)
        return hone_fail_memory(err, "a model");
    model->eos = eos;
    eos[model->eos_count++] = (int32_t)n;
    return HONE_OK;
}

static int build_file_eos(hone_model *model, const hone_json *json, const char *file,
                          hone_error *err)
{
    const json_t *ids = hone_json_get(json, "eos_token_id");
    int code = HONE_OK;

    if (!ids || json_is_null(ids))
        return HONE_OK;
    if (!json_is_array(ids))
        return build_add_eos(model, ids, file, err);
    for (size_t i = 0; i < json_array_size(ids) && code == HONE_OK; i++)
        code = build_add_eos(model, json_array_get(ids, i), file, err);
    return code;
}

int hone_model_read_eos(hone_model *model, hone_error *err)
{
    int code = build_file_eos(model, model->config, "config.json", err);

    return code == HONE_OK
         ? build_file_eos(model, model->generation, "generation_config.json", err) : code;
}
