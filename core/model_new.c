/* model_new.c -- models that no folder holds: random weights, copies. */
#include "model.h"
#include "param.h"
#include "tensor.h"

#include <math.h>
#include <string.h>

static bool new_is(const hone_param *param, const char *role)
{
    return strcmp(param->role, role) == 0;
}

struct fill {
    hone_param *param;
    hone_random random;
    double deviation;
    bool norm;
};

enum { FILL_PIECE = 8192, FILL_STEP = 256, DRAWS = 2 /* of a normal number */ };

static void new_fill_piece(void *arg, int64_t piece)
{
    const struct fill *fill = arg;
    hone_tensor *weight = fill->param->weight;
    hone_dtype dtype = hone_tensor_dtype(weight);
    int64_t from = piece * FILL_PIECE, end = hone_tensor_count(weight);
    hone_random r = fill->random;
    double values[FILL_STEP];

    end = end - from < FILL_PIECE ? end : from + FILL_PIECE;
    r.counter = (uint64_t)from * DRAWS;
    while (from < end) {
        int64_t count = end - from < FILL_STEP ? end - from : FILL_STEP;
        for (int64_t i = 0; i < count; i++)
            values[i] = fill->norm ? 1 : fill->deviation * hone_random_normal(&r);
        hone_convert(dtype, (char *)hone_tensor_data(weight) + (size_t)from * hone_dtype_size(dtype),
                     HONE_F64, values, count);
        from += count;
    }
}

/* Normal numbers of a stream named by the parameter, each at a place of its own: what
 * others there are, in which order, or how many threads, changes nothing. */
static void new_fill(hone_context *context, hone_param *param, uint64_t seed, double deviation)
{
    struct fill fill = { param, hone_random_named(seed, param->weight_name), deviation,
                         new_is(param, "norm") };

    hone_parallel(context, (hone_tensor_count(param->weight) + FILL_PIECE - 1) / FILL_PIECE,
                  new_fill_piece, &fill);
}

static int new_weights(hone_model *model, uint64_t seed, hone_error *err)
{
    hone_config c = hone_config_open(model->config, err);
    double range = hone_config_real(&c, "initializer_range", 0.02, 0, 100);
    double residual = sqrt(2 * (double)(model->params->layers ? model->params->layers : 1));

    for (size_t i = 0; i < model->params->count; i++) {
        hone_param *param = model->params->items[i];
        bool output = new_is(param, "o") || new_is(param, "down");

        if (!param->tied_to)
            new_fill(model->context, param, seed, output ? range / residual : range);
    }
    return hone_config_close(&c);
}

int hone_model_new(hone_model **out, hone_context *context, const hone_json *config,
                   const hone_model_options *options, uint64_t seed, hone_error *err)
{
    hone_model *model = NULL;
    int dtype, code = hone_model_dtype(options, &dtype, err);

    *out = NULL;
    if (code == HONE_OK)
        code = hone_model_build(&model, context, config, err);
    if (code == HONE_OK)
        code = hone_model_make_tensors(model, dtype < 0 ? HONE_F32 : (hone_dtype)dtype, err);
    if (code == HONE_OK)
        code = new_weights(model, seed, err);
    if (code == HONE_OK)
        code = hone_model_read_eos(model, err);
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

/* ---- copies ---- */

static int new_copy_param(hone_param *to, const hone_param *from, hone_error *err)
{
    int code = hone_param_make_weight(to, hone_tensor_dtype(from->weight), err);

    if (code == HONE_OK && !to->tied_to)
        code = hone_tensor_copy(to->weight, from->weight, err);
    if (code == HONE_OK && from->bias)
        code = hone_param_make_bias(to, hone_tensor_dtype(from->bias), err);
    if (code == HONE_OK && from->bias)
        code = hone_tensor_copy(to->bias, from->bias, err);
    return code;
}

static int new_copy(hone_model *to, const hone_model *from, hone_error *err)
{
    int code = HONE_OK;

    /* Heads that were added since are named last. */
    for (size_t i = to->params->count; i < from->params->count && code == HONE_OK; i++) {
        const hone_param *head = from->params->items[i];
        hone_param *added;

        code = hone_model_name_head(&added, to, head->name, head->out, head->bias_name != NULL,
                                    err);
    }
    for (size_t i = 0; i < from->params->count && code == HONE_OK; i++)
        code = new_copy_param(to->params->items[i], from->params->items[i], err);
    if (code == HONE_OK && from->folder && !(to->folder = hone_strdup(from->folder)))
        code = hone_fail_memory(err, "a model");
    if (code != HONE_OK)
        return code;
    to->generation = from->generation ? hone_json_ref(from->generation) : NULL;
    to->tokenizer = from->tokenizer ? hone_instance_ref(from->tokenizer) : NULL;
    to->recompute = from->recompute;
    code = hone_model_set_precision(to, hone_model_precision(from), err);
    return code == HONE_OK ? hone_model_read_eos(to, err) : code;
}

/* What adapters of `from` add goes into the copy's weights: the same strategy with the
 * same values is put on, merged, and taken off. */
static int new_copy_adapters(hone_model *to, const hone_model *from, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(from->strategy);
    hone_instance *twin = NULL;
    int code = hone_instance_new(&twin, from->context, "strategy", plugin->name,
                                 hone_instance_options(from->strategy), err);

    if (code == HONE_OK)
        code = hone_model_set_strategy(to, twin, err);
    for (size_t i = 0; code == HONE_OK && i < hone_model_trainables(from); i++)
        code = hone_tensor_copy(hone_model_trainable(to, i).value,
                                hone_model_trainable(from, i).value, err);
    if (code == HONE_OK)
        code = hone_strategy_merge(to, true, err);
    if (code == HONE_OK)
        code = hone_model_set_strategy(to, NULL, err);
    hone_instance_free(twin);
    return code;
}

/* Whether a strategy keeps values of its own beside the weights. */
static bool new_has_adapters(const hone_model *model)
{
    for (size_t i = 0; model->strategy && !model->merged && i < model->params->count; i++)
        if (model->params->items[i]->adapter)
            return true;
    return false;
}

int hone_model_copy(hone_model **out, const hone_model *model, hone_error *err)
{
    hone_model *copy = NULL;
    int code = hone_model_build(&copy, model->context, model->config, err);

    *out = NULL;
    if (code == HONE_OK)
        code = new_copy(copy, model, err);
    if (code == HONE_OK && new_has_adapters(model))
        code = new_copy_adapters(copy, model, err);
    if (code != HONE_OK) {
        hone_model_free(copy);
        return code;
    }
    *out = copy;
    return HONE_OK;
}
