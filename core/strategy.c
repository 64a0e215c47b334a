/* strategy.c -- a strategy on a model: attached, merged, taken off; what
 * trains. */
#include "model.h"
#include "param.h"

#include <string.h>

static const hone_strategy_ops *strategy_ops(const hone_model *model)
{
    return hone_instance_plugin(model->strategy)->ops;
}

static void *strategy_self(const hone_model *model)
{
    return hone_instance_self(model->strategy);
}

/* ---- on and off ---- */

void hone_strategy_detach(hone_model *model)
{
    hone_params *params = model->params;

    for (size_t i = 0; params && i < params->count; i++) {
        hone_param *param = params->items[i];

        hone_free(param->adapter);
        param->adapter = NULL;
        param->strategy = NULL;
        param->merged = false;
        hone_param_set_trainable(param, false);
    }
    for (size_t i = 0; i < model->tensors_count; i++) {
        hone_tensor_free(model->tensors[i].value);
        hone_free(model->tensors[i].name);
    }
    hone_free(model->tensors);
    model->tensors = NULL;
    model->tensors_count = 0;
    model->merged = false;
    hone_instance_free(model->strategy);
    model->strategy = NULL;
}

int hone_model_set_strategy(hone_model *model, hone_instance *strategy, hone_error *err)
{
    int code;

    if (strategy && strcmp(hone_instance_plugin(strategy)->kind, "strategy") != 0)
        return hone_fail(err, HONE_EINVAL, "%s/%s is no strategy",
                         hone_instance_plugin(strategy)->kind,
                         hone_instance_plugin(strategy)->name);
    hone_instance_ref(strategy); /* before detaching: it may be the one attached */
    hone_strategy_detach(model);
    if (!strategy)
        return HONE_OK;
    model->strategy = strategy;
    code = strategy_ops(model)->attach(strategy_self(model), model, err);
    if (code == HONE_OK)
        code = hone_model_train_heads(model, err);
    if (code != HONE_OK) {
        hone_fail_in(err, "strategy/%s", hone_instance_plugin(strategy)->name);
        hone_strategy_detach(model);
    }
    return code;
}

/* ---- for strategies ---- */

void *hone_strategy_adapt(hone_model *model, hone_param *param, size_t size, hone_error *err)
{
    if (!model->strategy || param->adapter) {
        hone_fail(err, HONE_ESTATE, param->adapter ? "'%s' has an adapter already"
                                                   : "'%s': no strategy is being attached",
                  param->name);
        return NULL;
    }
    param->adapter = hone_alloc(1, size ? size : 1);
    if (!param->adapter) {
        hone_fail_memory(err, "an adapter");
        return NULL;
    }
    param->strategy = model->strategy;
    return param->adapter;
}

void *hone_param_adapter(const hone_param *param)
{
    return param->adapter;
}

int hone_strategy_tensor(hone_tensor **out, hone_model *model, const char *name, int64_t rows,
                         int64_t columns, hone_error *err)
{
    int64_t shape[2] = { rows, columns };
    hone_strategy_entry *entries, entry = {0};
    int code;

    *out = NULL;
    entries = hone_realloc(model->tensors, model->tensors_count + 1, sizeof *entries);
    if (entries)
        model->tensors = entries;
    entry.name = entries ? hone_strdup(name) : NULL;
    if (!entry.name)
        return hone_fail_memory(err, "an adapter");
    code = hone_tensor_new(&entry.value, HONE_F32, 2, shape, err);
    if (code != HONE_OK) {
        hone_fail_in(err, "'%s'", name);
        hone_free(entry.name);
        return code;
    }
    hone_tensor_require_grad(entry.value, true);
    if (!hone_tensor_requires_grad(entry.value)) {
        hone_tensor_free(entry.value);
        hone_free(entry.name);
        return hone_fail_memory(err, "an adapter");
    }
    entries[model->tensors_count++] = entry;
    *out = entry.value;
    return HONE_OK;
}

/* ---- for users ---- */

/* Options and name of the strategy that knows an adapter's configuration. */
static int strategy_recognise(hone_context *context, const hone_json *config, char **name,
                              hone_json **options, hone_error *err)
{
    hone_plugin_entry *entries = NULL;
    size_t count = 0;
    int code = hone_plugin_list(context, "strategy", &entries, &count, err);
    bool found = false;

    for (size_t i = 0; i < count && code == HONE_OK && !found; i++) {
        const hone_plugin *plugin;
        int (*recognise)(const hone_json *, hone_json **, hone_error *);
        hone_error why = {0};

        if (entries[i].hidden ||
            hone_plugin_find(context, "strategy", entries[i].name, &plugin, &why) != HONE_OK)
            continue;
        recognise = HONE_OP(plugin->ops, hone_strategy_ops, recognise);
        if (!recognise || (code = recognise(config, options, &why)) == HONE_ENOTFOUND) {
            code = HONE_OK;
            continue;
        }
        found = true;
        if (code != HONE_OK)
            hone_fail(err, code, "%s", why.message);
        else if (!(*name = hone_strdup(plugin->name)))
            code = hone_fail_memory(err, "an adapter");
    }
    hone_free(entries);
    if (code == HONE_OK && !found) {
        const char *type = hone_json_string(hone_json_get(config, "peft_type"));
        code = hone_fail(err, HONE_EUNSUPPORTED, "no strategy knows the adapter type '%.80s'",
                         type ? type : "none");
    }
    return code;
}

static int strategy_read(hone_model *model, const char *folder, const hone_json *config,
                         hone_error *err)
{
    hone_instance *strategy = NULL;
    hone_json *options = NULL;
    char *name = NULL;
    int code = strategy_recognise(model->context, config, &name, &options, err);

    if (code == HONE_OK)
        code = hone_instance_new(&strategy, model->context, "strategy", name, options, err);
    if (code == HONE_OK)
        code = hone_model_set_strategy(model, strategy, err);
    if (code == HONE_OK && HONE_OP(strategy_ops(model), hone_strategy_ops, load)) {
        code = HONE_OP(strategy_ops(model), hone_strategy_ops, load)(strategy_self(model), model,
                                                                     folder, err);
        if (code != HONE_OK)
            hone_strategy_detach(model);
    }
    hone_instance_free(strategy);
    hone_json_free(options);
    hone_free(name);
    return code;
}

int hone_strategy_load(hone_model *model, const char *folder, hone_error *err)
{
    char *path = hone_format("%s/adapter_config.json", folder);
    hone_json *config = NULL;
    int code = path ? hone_json_read(&config, path, err) : hone_fail_memory(err, folder);

    if (code == HONE_OK && (code = strategy_read(model, folder, config, err)) != HONE_OK)
        hone_fail_in(err, "%s", folder);
    hone_json_free(config);
    hone_free(path);
    return code;
}

int hone_strategy_merge(hone_model *model, bool merged, hone_error *err)
{
    int (*merge)(void *, hone_model *, bool, hone_error *);
    int code = HONE_OK;

    if (!model->strategy)
        return hone_fail(err, HONE_ESTATE, "no strategy is attached");
    if (model->merged == merged)
        return HONE_OK;
    merge = HONE_OP(strategy_ops(model), hone_strategy_ops, merge);
    if (merge)
        code = merge(strategy_self(model), model, merged, err);
    else if (model->tensors_count)
        code = hone_fail(err, HONE_EUNSUPPORTED, "its adapters cannot be merged");
    if (code != HONE_OK) {
        hone_fail_in(err, "strategy/%s", hone_instance_plugin(model->strategy)->name);
        return code;
    }
    for (size_t i = 0; i < model->params->count; i++)
        model->params->items[i]->merged = merged && model->params->items[i]->adapter;
    model->merged = merged;
    return HONE_OK;
}

/* ---- what trains ---- */

/* The weights and biases of all parameters, ties once, then the strategy's
 * tensors; calls that go past the end give NULL values. */
static hone_trainable strategy_candidate(const hone_model *model, size_t i)
{
    size_t params = model->params->count;

    if (i < 2 * params) {
        const hone_param *param = model->params->items[i / 2];

        if (i % 2)
            return (hone_trainable){ param->bias_name, param->role, param->bias };
        return (hone_trainable){ param->weight_name, param->role,
                                 param->tied_to ? NULL : param->weight };
    }
    i -= 2 * params;
    if (i >= model->tensors_count)
        return (hone_trainable){0};
    return (hone_trainable){ model->tensors[i].name, "adapter", model->tensors[i].value };
}

size_t hone_model_trainables(const hone_model *model)
{
    size_t all = 2 * model->params->count + model->tensors_count, count = 0;

    for (size_t i = 0; i < all; i++)
        count += hone_tensor_requires_grad(strategy_candidate(model, i).value);
    return count;
}

hone_trainable hone_model_trainable(const hone_model *model, size_t i)
{
    size_t all = 2 * model->params->count + model->tensors_count;

    for (size_t k = 0; k < all; k++) {
        hone_trainable t = strategy_candidate(model, k);

        if (hone_tensor_requires_grad(t.value) && i-- == 0)
            return t;
    }
    return (hone_trainable){0};
}
