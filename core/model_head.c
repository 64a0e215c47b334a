/* model_head.c -- heads beside the vocabulary's: linear maps of hidden states,
 * for rewards, values and classes.
 *
 * Heads are parameters like others, named last, so that copies, checkpoints,
 * hashes and optimizers have them. config.json tells of them on disk: the head
 * "score" as architectures [...ForSequenceClassification] with id2label, which
 * is transformers' own form and has no vocabulary head; any other under the key
 * hone_heads, { "value": { "outputs": 1, "bias": false } }. */
#include "model.h"
#include "param.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEAD_SCORE "score"
#define HEAD_CLASSIFICATION "ForSequenceClassification"
#define HEAD_OUTPUTS_MAX 65536
#define HEAD_NAME_MAX 64

/* ---- looking ---- */

hone_param *hone_model_head_named(const hone_model *model, const char *name)
{
    hone_param *param = hone_params_find(model->params, name);

    return param && param->is_head ? param : NULL;
}

bool hone_param_is_head(const hone_param *param)
{
    return param->is_head;
}

/* ---- naming ---- */

static bool head_name_good(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return name[0] >= 'a' && name[0] <= 'z' && !name[n] && n <= HEAD_NAME_MAX;
}

static int head_check(const hone_model *model, const char *name, int64_t outputs, bool bias,
                      hone_error *err)
{
    if (!head_name_good(name))
        return hone_fail(err, HONE_EINVAL, "head '%.80s': a name has 1 to %d of a-z, 0-9 and _, "
                         "and begins with a letter", name, HEAD_NAME_MAX);
    if (outputs < 1 || outputs > HEAD_OUTPUTS_MAX)
        return hone_fail(err, HONE_EINVAL, "head '%s' has %" PRId64 " outputs (allowed: 1 to %d)",
                         name, outputs, HEAD_OUTPUTS_MAX);
    if (bias && strcmp(name, HEAD_SCORE) == 0)
        return hone_fail(err, HONE_EINVAL, "head '" HEAD_SCORE "' has a bias (allowed: none, as "
                         "in transformers)");
    if (hone_params_find(model->params, name))
        return hone_fail(err, HONE_EINVAL, "head '%s': the model has a parameter of this name",
                         name);
    return HONE_OK;
}

int hone_model_name_head(hone_param **out, hone_model *model, const char *name, int64_t outputs,
                         bool bias, hone_error *err)
{
    int code = head_check(model, name, outputs, bias, err);

    *out = NULL;
    if (code != HONE_OK)
        return code;
    *out = hone_param_new(model->params, "extra_head", name, outputs, model->head.param->in, bias);
    if (!*out) {
        code = hone_params_done(model->params, err);
        model->params->error = (hone_error){0}; /* the parameters are as they were */
        return code;
    }
    (*out)->is_head = true;
    return HONE_OK;
}

/* ---- adding ---- */

static int head_fill(hone_param *param, double sd, uint64_t seed, hone_error *err)
{
    hone_random r = hone_random_named(seed, param->weight_name);
    int code = hone_param_make_weight(param, HONE_F32, err);

    if (code == HONE_OK)
        code = hone_param_make_bias(param, HONE_F32, err);
    for (int64_t i = 0; code == HONE_OK && i < hone_tensor_count(param->weight); i++)
        hone_tensor_set(param->weight, i, sd > 0 ? sd * hone_random_normal(&r) : 0);
    return code;
}

int hone_model_train_heads(hone_model *model, hone_error *err)
{
    for (size_t i = 0; i < model->params->count; i++) {
        hone_param *param = model->params->items[i];

        if (!param->is_head || !param->weight)
            continue;
        hone_param_set_trainable(param, true);
        if (!hone_param_trainable(param))
            return hone_fail_memory(err, param->name);
    }
    return HONE_OK;
}

int hone_model_add_head(hone_param **out, hone_model *model, const char *name, int64_t outputs,
                        bool bias, double sd, uint64_t seed, hone_error *err)
{
    hone_param *param;
    int code;

    *out = NULL;
    if (!isfinite(sd) || sd < 0)
        return hone_fail(err, HONE_EINVAL, "head '%.80s': sd is %g (allowed: >= 0)", name, sd);
    code = hone_model_name_head(&param, model, name, outputs, bias, err);
    if (code != HONE_OK)
        return code;
    code = head_fill(param, sd, seed, err);
    if (code == HONE_OK && model->strategy)
        code = hone_model_train_heads(model, err);
    if (code != HONE_OK) {
        hone_params_remove(model->params, param);
        return code;
    }
    *out = param;
    return HONE_OK;
}

/* ---- from config.json ---- */

static bool head_ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static const char *head_architecture(const hone_json *config)
{
    return json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
}

/* As transformers counts them: id2label, else num_labels, else 2. */
static int head_labels(const hone_json *config, int64_t *out, hone_error *err)
{
    const json_t *labels = json_object_get(config, "id2label");
    hone_config c = hone_config_open(config, err);

    *out = hone_config_int(&c, "num_labels", 2, 1, HEAD_OUTPUTS_MAX);
    if (json_is_object(labels))
        *out = (int64_t)json_object_size(labels);
    return hone_config_close(&c);
}

static int head_read_score(hone_model *model, hone_error *err)
{
    hone_param *head = model->head.param, *score;
    int64_t outputs;
    int code = head_labels(model->config, &outputs, err);

    if (code == HONE_OK)
        code = hone_model_name_head(&score, model, HEAD_SCORE, outputs, false, err);
    if (code != HONE_OK)
        return code;
    model->headless = true;
    if (!head->tied_to)
        hone_params_drop(model->params, head);
    return HONE_OK;
}

static int head_read_one(hone_model *model, const char *name, const hone_json *spec,
                         hone_error *err)
{
    hone_config c = hone_config_open(spec, err);
    int64_t outputs = hone_config_int(&c, "outputs", HONE_REQUIRED, 1, HEAD_OUTPUTS_MAX);
    bool bias = hone_config_bool(&c, "bias", false);
    hone_param *param;
    int code = hone_config_close(&c);

    if (code == HONE_OK)
        code = hone_model_name_head(&param, model, name, outputs, bias, err);
    if (code != HONE_OK)
        hone_fail_in(err, "hone_heads");
    return code;
}

int hone_model_read_heads(hone_model *model, hone_error *err)
{
    const json_t *heads = json_object_get(model->config, "hone_heads");
    const char *architecture = head_architecture(model->config), *name;
    int code = HONE_OK;
    json_t *spec;

    if (architecture && head_ends(architecture, HEAD_CLASSIFICATION))
        code = head_read_score(model, err);
    if (code != HONE_OK || !heads || json_is_null(heads))
        return code;
    if (!json_is_object(heads))
        return hone_fail(err, HONE_EFORMAT, "'hone_heads' is no object");
    json_object_foreach((json_t *)(uintptr_t)heads, name, spec) {
        if ((code = head_read_one(model, name, spec, err)) != HONE_OK)
            return code;
    }
    return HONE_OK;
}

/* ---- to config.json ---- */

/* "LlamaForCausalLM", "GPT2LMHeadModel" or nothing to "...ForSequenceClassification". */
static char *head_classification(const hone_json *config)
{
    static const char *const ends[] = { "ForCausalLM", "LMHeadModel", "Model" };
    const char *name = head_architecture(config);
    const char *type = json_string_value(json_object_get(config, "model_type"));
    char *out;

    for (size_t i = 0; name && i < sizeof ends / sizeof *ends; i++)
        if (head_ends(name, ends[i]))
            return hone_format("%.*s" HEAD_CLASSIFICATION,
                               (int)(strlen(name) - strlen(ends[i])), name);
    if (name && head_ends(name, HEAD_CLASSIFICATION))
        return hone_strdup(name);
    out = hone_format("%s" HEAD_CLASSIFICATION, type ? type : "");
    if (out && out[0] >= 'a' && out[0] <= 'z')
        out[0] = (char)(out[0] - 'a' + 'A');
    return out;
}

/* Names of classes where config.json has none of this number. */
static int head_write_labels(json_t *config, int64_t outputs)
{
    const json_t *have = json_object_get(config, "id2label");
    json_t *names, *ids;
    int code = 0;

    if (json_is_object(have) && (int64_t)json_object_size(have) == outputs)
        return 0;
    names = json_object();
    ids = json_object();
    for (int64_t i = 0; i < outputs && names && ids && code == 0; i++) {
        char id[24], label[32];

        snprintf(id, sizeof id, "%" PRId64, i);
        snprintf(label, sizeof label, "LABEL_%" PRId64, i);
        code = json_object_set_new(names, id, json_string(label));
        if (code == 0)
            code = json_object_set_new(ids, label, json_integer(i));
    }
    /* set_new takes the value also where it fails, and fails for NULL. */
    if (json_object_set_new(config, "id2label", names) < 0)
        code = -1;
    if (json_object_set_new(config, "label2id", ids) < 0)
        code = -1;
    return code;
}

static int head_write_score(json_t *config, const hone_param *score)
{
    char *name = head_classification(config);
    json_t *list = name ? json_pack("[s]", name) : NULL;
    int code = json_object_set_new(config, "architectures", list);

    hone_free(name);
    if (code == 0)
        code = json_object_set_new(config, "num_labels", json_integer(score->out));
    return code == 0 ? head_write_labels(config, score->out) : code;
}

int hone_model_write_heads(const hone_model *model, json_t *config, hone_error *err)
{
    json_t *others = json_object();
    int code = others ? 0 : -1;

    for (size_t i = 0; i < model->params->count && code == 0; i++) {
        const hone_param *param = model->params->items[i];

        if (!param->is_head)
            continue;
        if (strcmp(param->name, HEAD_SCORE) == 0)
            code = head_write_score(config, param);
        else
            code = json_object_set_new(others, param->name,
                                       json_pack("{s:I, s:b}", "outputs", (json_int_t)param->out,
                                                 "bias", param->bias_name != NULL));
    }
    if (code == 0 && json_object_size(others) > 0)
        code = json_object_set(config, "hone_heads", others);
    json_decref(others);
    return code == 0 ? HONE_OK : hone_fail_memory(err, "config.json");
}

bool hone_model_saves(const hone_model *model, const hone_param *param)
{
    return !param->tied_to &&
           !(param == model->head.param && hone_model_head_named(model, HEAD_SCORE));
}
