/* memory_estimate.c -- bytes of a training step, from the parameters alone.
 *
 * A tape keeps what backward reads, in floats a token: of a norm its input and
 * its output (the input of linear layers), of q, k, v, gate and up their
 * outputs (attention and the activation read them), of o and down their inputs,
 * of a linear layer with another role both, of an adapter its low-rank values.
 * For the Llama block that is 4 d + 2 q + 2 kv + 3 ff. With recomputation a
 * block keeps its input alone, and one block at a time is whole. Backward adds
 * about as much as one block keeps. Logits come in chunks. */
#include "model.h"
#include "param.h"

#include <string.h>

static size_t estimate_bytes(const hone_tensor *t)
{
    return (size_t)hone_tensor_count(t) * hone_dtype_size(hone_tensor_dtype(t));
}

static bool estimate_is(const hone_param *param, const char *const *roles)
{
    while (*roles && strcmp(*roles, param->role) != 0)
        roles++;
    return *roles != NULL;
}

/* Floats a token that a parameter's use keeps. */
static int64_t estimate_floats(const hone_param *param)
{
    static const char *const outputs[] = { "q", "k", "v", "qkv", "gate", "up", NULL };
    static const char *const inputs[] = { "o", "down", NULL };

    if (param->out == 1 && !param->is_head)
        return 2 * param->in;
    return estimate_is(param, outputs) ? param->out
         : estimate_is(param, inputs) ? param->in : param->in + param->out;
}

struct blocks {
    int64_t all;    /* floats a token, all blocks */
    int64_t most;   /* of one */
};

static struct blocks estimate_blocks(const hone_params *params)
{
    struct blocks sum = {0};

    for (int64_t l = 0; l < params->layers; l++) {
        int64_t one = 0;

        for (size_t i = 0; i < params->count; i++)
            if (params->items[i]->layer == l)
                one += estimate_floats(params->items[i]);
        sum.all += one;
        sum.most = one > sum.most ? one : sum.most;
    }
    return sum;
}

/* Bytes of the logits that a loss has at once. */
static size_t estimate_logits(int64_t outputs, int64_t vocab)
{
    int64_t rows = hone_head_chunk(vocab);

    return (size_t)(outputs < rows ? outputs : rows) * (size_t)vocab * sizeof(float);
}

/* Low-rank values of all adapters: the smaller extent of each of their tensors. */
static int64_t estimate_adapters(const hone_model *model)
{
    int64_t sum = 0;

    for (size_t i = 0; i < model->tensors_count && !model->merged; i++) {
        int64_t rows = hone_tensor_extent(model->tensors[i].value, 0);
        int64_t columns = hone_tensor_extent(model->tensors[i].value, 1);

        sum += rows < columns ? rows : columns;
    }
    return sum;
}

static void estimate_weights(const hone_model *model, int states, hone_memory_estimate *out)
{
    for (size_t i = 0; i < model->params->count; i++) {
        const hone_param *param = model->params->items[i];

        out->weights += (param->tied_to ? 0 : estimate_bytes(param->weight)) +
                        estimate_bytes(param->bias);
    }
    for (size_t i = 0; i < model->tensors_count; i++)
        out->weights += estimate_bytes(model->tensors[i].value);
    for (size_t i = 0, n = hone_model_trainables(model); i < n; i++) {
        const hone_tensor *value = hone_model_trainable(model, i).value;
        size_t floats = (size_t)hone_tensor_count(value) * sizeof(float);
        bool narrow = hone_tensor_dtype(value) != HONE_F32; /* an f32 master copy, too */

        out->gradients += floats;
        out->optimizer += floats * (size_t)(states + narrow);
    }
}

int hone_model_estimate(hone_model *model, int64_t tokens, int64_t outputs, int states,
                        hone_memory_estimate *out, hone_error *err)
{
    struct blocks blocks = estimate_blocks(model->params);
    int64_t width = hone_model_width(model), layers = model->params->layers;
    int64_t adapters = estimate_adapters(model), kept;

    *out = (hone_memory_estimate){0};
    if (tokens < 1 || tokens > INT32_MAX || outputs < 0 || outputs > tokens || states < 0)
        return hone_fail(err, HONE_EINVAL, "an estimate for %" PRId64 " tokens, %" PRId64
                         " outputs, %d states (allowed: outputs <= tokens, states >= 0)", tokens,
                         outputs, states);
    estimate_weights(model, states, out);
    kept = model->recompute ? layers * width + blocks.most + adapters / (layers ? layers : 1)
                            : blocks.all + adapters;
    out->activations = sizeof(float) * ((size_t)tokens * (size_t)(kept + blocks.most + width) +
                                        (size_t)outputs * (size_t)(2 * width)) +
                       estimate_logits(outputs, hone_model_vocab(model));
    out->total = out->weights + out->gradients + out->optimizer + out->activations;
    return HONE_OK;
}
