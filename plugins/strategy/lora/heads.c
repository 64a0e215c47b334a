/* heads.c -- heads in adapter files, as peft keeps modules_to_save: whole
 * weights "base_model.model.score.weight", with the names in the configuration. */
#include "lora.h"

#include <jansson.h>
#include <string.h>

/* ---- names ---- */

static char *heads_tensor_name(const char *head, const char *what)
{
    return hone_format("base_model.model.%s.%s", head, what);
}

/* The end of a name: "lm_head" of "lm_head" and of "model.lm_head". */
static bool heads_ends(const char *name, const char *end)
{
    const char *dot = strrchr(name, '.');

    return strcmp(dot ? dot + 1 : name, end) == 0 || strcmp(name, end) == 0;
}

static bool heads_is_base(const hone_params *params, const char *module)
{
    for (size_t i = 0; i < hone_params_count(params); i++) {
        const hone_param *param = hone_params_at(params, i);

        if (!hone_param_is_head(param) && heads_ends(hone_param_name(param), module))
            return true;
    }
    return false;
}

/* ---- reading ---- */

/* peft may save copies of any module; here only heads are kept whole. */
static int heads_check(const json_t *modules, const hone_params *params, hone_error *err)
{
    bool good = json_is_array(modules) || json_is_null(modules);
    char *text;

    for (size_t i = 0; i < json_array_size(modules) && good; i++) {
        const char *name = json_string_value(json_array_get(modules, i));

        good = name && !heads_is_base(params, name);
    }
    if (good)
        return HONE_OK;
    text = hone_json_text(modules);
    hone_fail(err, HONE_EUNSUPPORTED, "adapter_config.json: 'modules_to_save' is %.80s "
              "(supported: heads)", text ? text : "?");
    hone_free(text);
    return HONE_EUNSUPPORTED;
}

int lora_heads_open(hone_json **modules, const hone_model *model, const char *folder,
                    hone_error *err)
{
    char *path = hone_format("%s/adapter_config.json", folder);
    hone_json *config = NULL;
    int code = path ? hone_json_read(&config, path, err) : hone_fail_memory(err, folder);

    *modules = NULL;
    if (code == HONE_OK) {
        json_t *list = json_object_get(config, "modules_to_save");

        *modules = list ? json_incref(list) : json_null();
        code = heads_check(*modules, hone_model_params(model), err);
    }
    hone_json_free(config);
    hone_free(path);
    return code;
}

bool lora_heads_have(const hone_json *modules, const char *tensor)
{
    bool found = false;

    for (size_t i = 0; i < json_array_size(modules) && !found; i++) {
        const char *head = json_string_value(json_array_get(modules, i));
        char *weight = heads_tensor_name(head, "weight"), *bias = heads_tensor_name(head, "bias");

        found = weight && bias && (strcmp(weight, tensor) == 0 || strcmp(bias, tensor) == 0);
        hone_free(weight);
        hone_free(bias);
    }
    return found;
}

/* The model's head of this name, or a new one as wide as the file's. */
static int heads_find(hone_param **out, hone_model *model, const char *name,
                      const hone_tensor_entry *weight, bool bias, hone_error *err)
{
    int64_t width = hone_model_width(model);

    *out = hone_model_head_named(model, name);
    if (weight->dims != 2 || weight->shape[1] != width ||
        (*out && weight->shape[0] != hone_param_out(*out)))
        return hone_fail(err, HONE_EFORMAT, "tensor '%s' fits no head '%s' of this model, which "
                         "is %" PRId64 " wide", weight->name, name, width);
    if (*out && bias != (hone_param_bias(*out) != NULL))
        return hone_fail(err, HONE_EFORMAT, "head '%s': a bias is in the %s alone", name,
                         bias ? "file" : "model");
    return *out ? HONE_OK
                : hone_model_add_head(out, model, name, weight->shape[0], bias, 0, 0, err);
}

static int heads_read_one(const hone_tensors *file, hone_model *model, const char *name,
                          hone_error *err)
{
    char *weight = heads_tensor_name(name, "weight"), *bias = heads_tensor_name(name, "bias");
    const hone_tensor_entry *entry = weight ? hone_tensors_find(file, weight) : NULL;
    bool has_bias = bias && hone_tensors_find(file, bias);
    hone_param *head = NULL;
    int code = HONE_OK;

    if (!weight || !bias)
        code = hone_fail_memory(err, "an adapter");
    else if (!entry && hone_model_head_named(model, name))
        code = hone_fail(err, HONE_EFORMAT, "tensor '%s' is missing", weight);
    else if (entry)
        code = heads_find(&head, model, name, entry, has_bias, err);
    if (code == HONE_OK && head)
        code = hone_tensors_read(file, weight, hone_param_weight(head), err);
    if (code == HONE_OK && head && has_bias)
        code = hone_tensors_read(file, bias, hone_param_bias(head), err);
    hone_free(weight);
    hone_free(bias);
    return code;
}

/* Names without a tensor are those that peft lists for any classifier. */
int lora_heads_read(const hone_tensors *file, const hone_json *modules, hone_model *model,
                    hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0; i < json_array_size(modules) && code == HONE_OK; i++)
        code = heads_read_one(file, model, json_string_value(json_array_get(modules, i)), err);
    return code;
}

/* ---- writing ---- */

hone_json *lora_heads_list(const hone_params *params)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < hone_params_count(params); i++) {
        const hone_param *param = hone_params_at(params, i);

        if (hone_param_is_head(param) &&
            json_array_append_new(list, json_string(hone_param_name(param))) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    if (list && json_array_size(list) == 0) {
        json_decref(list);
        return json_null();
    }
    return list;
}

bool lora_heads_items(const hone_params *params, hone_tensors_item *items, size_t *count)
{
    for (size_t i = 0; i < hone_params_count(params); i++) {
        const hone_param *param = hone_params_at(params, i);
        hone_tensor *parts[] = { hone_param_weight(param), hone_param_bias(param) };

        for (int k = 0; hone_param_is_head(param) && k < 2; k++) {
            if (!parts[k])
                continue;
            items[*count] = (hone_tensors_item){
                heads_tensor_name(hone_param_name(param), k ? "bias" : "weight"), parts[k] };
            if (!items[*count].name)
                return false;
            (*count)++;
        }
    }
    return true;
}
