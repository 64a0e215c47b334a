/* files.c -- adapters in peft's format: adapter_config.json and
 * adapter_model.safetensors.
 *
 * A configuration has keys by the dozen, most of them unset. Those in `known`
 * do not touch the arithmetic or are read; any other must be unset (null,
 * false, empty), or the adapter is refused by the key's name: what it asks for
 * is not computed here. */
#include "lora.h"

#include <jansson.h>
#include <string.h>

static const char *const known[] = {
    "peft_type", "r", "lora_alpha", "lora_dropout", "target_modules",
    "auto_mapping", "base_model_name_or_path", "fan_in_fan_out",
    "inference_mode", "init_lora_weights", "megatron_core", "modules_to_save", "peft_version",
    "qalora_group_size", "revision", "runtime_config", "task_type", "bias", NULL
};

/* ---- reading ---- */

static bool files_is_known(const char *key)
{
    const char *const *k = known;

    while (*k && strcmp(*k, key) != 0)
        k++;
    return *k != NULL;
}

static bool files_is_unset(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static int files_refuse(const char *key, const json_t *value, const char *supported,
                        hone_error *err)
{
    char *text = hone_json_text(value);
    int code = hone_fail(err, HONE_EUNSUPPORTED, "'%.80s' is %.80s (supported: %s)", key,
                         text ? text : "?", supported);

    hone_free(text);
    return code;
}

/* Some ways to begin change the base's weights as well; "gaussian" does not. */
static bool files_plain_init(const json_t *value)
{
    const char *text = json_string_value(value);

    return !value || json_is_boolean(value) || json_is_null(value) ||
           (text && strcmp(text, "gaussian") == 0);
}

static int files_check_keys(const json_t *config, hone_error *err)
{
    const json_t *init = json_object_get(config, "init_lora_weights");
    const char *bias = json_string_value(json_object_get(config, "bias")), *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value) {
        if (!files_is_known(key) && !files_is_unset(value))
            return files_refuse(key, value, "unset", err);
    }
    if (bias && strcmp(bias, "none") != 0)
        return files_refuse("bias", json_object_get(config, "bias"), "none", err);
    if (!files_plain_init(init))
        return files_refuse("init_lora_weights", init, "true, false, gaussian", err);
    return HONE_OK;
}

/* A list of names, or the word all-linear; a lone text otherwise is a regular
 * expression, which is not supported. */
static int files_targets(json_t **out, const json_t *targets, hone_error *err)
{
    const char *text = json_string_value(targets);

    *out = NULL;
    if (text && strcmp(text, "all-linear") == 0) {
        *out = json_pack("[s]", text);
    } else if (json_is_array(targets) && json_array_size(targets) > 0) {
        for (size_t i = 0; i < json_array_size(targets); i++)
            if (!json_is_string(json_array_get(targets, i)))
                return files_refuse("target_modules", targets, "a list of names", err);
        *out = hone_json_copy(targets, true);
    } else if (!targets) {
        return hone_fail(err, HONE_EFORMAT, "'target_modules' is missing");
    } else {
        return files_refuse("target_modules", targets, "a list of names", err);
    }
    return *out ? HONE_OK : hone_fail_memory(err, "an adapter");
}

int lora_recognise(const hone_json *adapter_config, hone_json **options, hone_error *err)
{
    const char *type = json_string_value(json_object_get(adapter_config, "peft_type"));
    hone_config c = hone_config_open(adapter_config, err);
    int64_t rank = hone_config_int(&c, "r", 8, 1, 65536);
    double alpha = hone_config_real(&c, "lora_alpha", 8, 0, 1e6);
    double dropout = hone_config_real(&c, "lora_dropout", 0, 0, 0.999999);
    json_t *targets = NULL;
    int code = hone_config_close(&c);

    if (!type || strcmp(type, "LORA") != 0)
        return hone_fail(err, HONE_ENOTFOUND, "no LoRA adapter");
    if (code == HONE_OK)
        code = files_check_keys(adapter_config, err);
    if (code == HONE_OK)
        code = files_targets(&targets, json_object_get(adapter_config, "target_modules"), err);
    if (code != HONE_OK) {
        hone_fail_in(err, "adapter_config.json");
        return code;
    }
    *options = json_pack("{s:I, s:f, s:f, s:o}", "rank", (json_int_t)rank, "alpha", alpha,
                         "dropout", dropout, "targets", targets);
    return *options ? HONE_OK : hone_fail_memory(err, "an adapter");
}

static int files_read_tensor(const hone_tensors *file, const hone_param *param, char which,
                             hone_tensor *to, hone_error *err)
{
    char *name = lora_tensor_name(param, which), have[96];
    const hone_tensor_entry *entry = name ? hone_tensors_find(file, name) : NULL;
    int code;

    if (!name)
        code = hone_fail_memory(err, "an adapter");
    else if (entry && entry->dims == 2 && (entry->shape[0] != hone_tensor_extent(to, 0) ||
                                           entry->shape[1] != hone_tensor_extent(to, 1)))
        code = hone_fail(err, HONE_EFORMAT, "tensor '%s' is [%" PRId64 ", %" PRId64
                         "]; this model needs %s", name, entry->shape[0], entry->shape[1],
                         hone_tensor_describe(to, have));
    else
        code = hone_tensors_read(file, name, to, err);
    hone_free(name);
    return code;
}

/* peft stores an adapted head's own weight, too: fine when it is this model's. */
static bool files_is_base(const hone_tensors *file, const char *name, const hone_param *param)
{
    hone_tensor *weight = hone_param_weight(param), *stored = NULL;
    char *base = hone_format("base_model.model.%s.base_layer.weight", hone_param_name(param));
    bool same = base && strcmp(base, name) == 0 &&
                hone_tensor_new(&stored, hone_tensor_dtype(weight), hone_tensor_dims(weight),
                                (int64_t[]){ hone_tensor_extent(weight, 0),
                                             hone_tensor_extent(weight, 1) }, NULL) == HONE_OK &&
                hone_tensors_read(file, name, stored, NULL) == HONE_OK &&
                memcmp(hone_tensor_bytes(stored), hone_tensor_bytes(weight),
                       (size_t)hone_tensor_count(weight) *
                       hone_dtype_size(hone_tensor_dtype(weight))) == 0;

    hone_tensor_free(stored);
    hone_free(base);
    return same;
}

static bool files_is_mine(const hone_tensors *file, const char *name, const hone_param *param)
{
    bool mine = false;

    for (char which = 'A'; which <= 'B' && !mine; which++) {
        char *tensor = lora_tensor_name(param, which);

        mine = tensor && strcmp(tensor, name) == 0;
        hone_free(tensor);
    }
    return mine || files_is_base(file, name, param);
}

/* With every adapter read, a tensor more belongs to another model. */
static int files_check_rest(const hone_tensors *file, const hone_json *heads,
                            const hone_params *params, hone_error *err)
{
    for (size_t i = 0; i < hone_tensors_count(file); i++) {
        const char *name = hone_tensors_at(file, i)->name;
        size_t k = 0;

        while (k < hone_params_count(params) &&
               !(hone_param_adapter(hone_params_at(params, k)) &&
                 files_is_mine(file, name, hone_params_at(params, k))))
            k++;
        if (k == hone_params_count(params) && !lora_heads_have(heads, name))
            return hone_fail(err, HONE_EFORMAT, "tensor '%.200s' fits no target of this model",
                             name);
    }
    return HONE_OK;
}

static int files_read(const hone_tensors *file, const hone_json *heads, hone_model *model,
                      hone_error *err)
{
    const hone_params *params = hone_model_params(model);
    size_t adapters = 0;
    int code = HONE_OK;

    for (size_t i = 0; i < hone_params_count(params) && code == HONE_OK; i++) {
        const hone_param *param = hone_params_at(params, i);
        const struct lora_adapter *ad = hone_param_adapter(param);

        if (!ad)
            continue;
        adapters++;
        code = files_read_tensor(file, param, 'A', ad->a, err);
        if (code == HONE_OK)
            code = files_read_tensor(file, param, 'B', ad->b, err);
    }
    if (code == HONE_OK && hone_tensors_count(file) > 2 * adapters)
        code = files_check_rest(file, heads, params, err);
    return code == HONE_OK ? lora_heads_read(file, heads, model, err) : code;
}

int lora_load(void *self, hone_model *model, const char *folder, hone_error *err)
{
    char *path = hone_format("%s/adapter_model.safetensors", folder);
    hone_tensors *file = NULL;
    hone_json *heads = NULL;
    int code = path ? lora_heads_open(&heads, model, folder, err) : hone_fail_memory(err, folder);

    (void)self;
    if (code == HONE_OK)
        code = hone_tensors_open(&file, path, err);
    if (code == HONE_OK && (code = files_read(file, heads, model, err)) != HONE_OK)
        hone_fail_in(err, "adapter_model.safetensors");
    hone_json_free(heads);
    hone_tensors_free(file);
    hone_free(path);
    return code;
}

/* ---- writing ---- */

static const char *files_last(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? dot + 1 : name;
}

/* Whether all parameters with this last name are adapted. */
static bool files_is_whole(const hone_params *params, const char *last)
{
    for (size_t i = 0; i < hone_params_count(params); i++) {
        const hone_param *param = hone_params_at(params, i);

        if (!hone_param_adapter(param) && strcmp(files_last(hone_param_name(param)), last) == 0)
            return false;
    }
    return true;
}

static bool files_has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
            return true;
    return false;
}

/* Last names where they say it all, else full ones: peft takes both. */
static json_t *files_target_modules(const hone_params *params)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < hone_params_count(params); i++) {
        const hone_param *param = hone_params_at(params, i);
        const char *last = files_last(hone_param_name(param));
        const char *name = files_is_whole(params, last) ? last : hone_param_name(param);

        if (!hone_param_adapter(param) || files_has(list, name))
            continue;
        if (json_array_append_new(list, json_string(name)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static bool files_fan_in_fan_out(const hone_params *params)
{
    for (size_t i = 0; i < hone_params_count(params); i++)
        if (hone_param_adapter(hone_params_at(params, i)) &&
            hone_param_is_transposed(hone_params_at(params, i)))
            return true;
    return false;
}

static int files_write_config(const struct lora *s, const hone_model *model, const char *folder,
                              hone_error *err)
{
    const hone_params *params = hone_model_params(model);
    char *path = hone_format("%s/adapter_config.json", folder);
    json_t *config = json_pack("{s:s, s:s, s:s?, s:I, s:f, s:f, s:o, s:o, s:s, s:b, s:b, s:b, s:b}",
        "peft_type", "LORA",
        "task_type", hone_model_head_named(model, "score") ? "SEQ_CLS" : "CAUSAL_LM",
        "base_model_name_or_path", hone_model_folder(model), "r", (json_int_t)s->rank,
        "lora_alpha", s->alpha, "lora_dropout", s->dropout,
        "target_modules", files_target_modules(params),
        "modules_to_save", lora_heads_list(params), "bias", "none",
        "fan_in_fan_out", files_fan_in_fan_out(params), "use_rslora", 0, "use_dora", 0,
        "inference_mode", 1);
    int code = path && config ? hone_json_write(config, path, err)
                              : hone_fail_memory(err, "adapter_config.json");

    json_decref(config);
    hone_free(path);
    return code;
}

static void files_free_items(hone_tensors_item *items, size_t count)
{
    for (size_t i = 0; items && i < count; i++)
        hone_free((char *)(uintptr_t)items[i].name);
    hone_free(items);
}

static int files_write_tensors(const hone_model *model, const char *folder, hone_error *err)
{
    const hone_params *params = hone_model_params(model);
    char *path = hone_format("%s/adapter_model.safetensors", folder);
    hone_tensors_item *items = hone_alloc(2 * hone_params_count(params) + 1, sizeof *items);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    bool named = path && items && metadata;
    size_t count = 0;
    int code;

    for (size_t i = 0; named && i < hone_params_count(params); i++) {
        const hone_param *param = hone_params_at(params, i);
        const struct lora_adapter *ad = hone_param_adapter(param);

        if (!ad)
            continue;
        items[count++] = (hone_tensors_item){ lora_tensor_name(param, 'A'), ad->a };
        items[count++] = (hone_tensors_item){ lora_tensor_name(param, 'B'), ad->b };
        named = items[count - 1].name && items[count - 2].name;
    }
    named = named && lora_heads_items(params, items, &count);
    code = named ? hone_tensors_write(path, items, count, metadata, err)
                 : hone_fail_memory(err, "an adapter");
    files_free_items(items, count);
    json_decref(metadata);
    hone_free(path);
    return code;
}

int lora_save(void *self, hone_model *model, const char *folder, hone_error *err)
{
    int code = files_write_tensors(model, folder, err);

    return code == HONE_OK ? files_write_config(self, model, folder, err) : code;
}
