/* memory_estimate.c -- bytes of a training step, from the parameters alone.
 *
 * Per token a block keeps about the inputs and the outputs of its linear
 * layers and the inputs of its norms: 4 bytes (in + out) for each, which for
 * the Llama block counts 11 d + 2 kv + 3 ff where 9 d + 3 kv + 3 ff are kept.
 * An adapter adds its own output and the sum. With recomputation a block keeps
 * its input, and one block at a time is whole. Backward adds the gradients of
 * one block's widest values. Logits come in chunks. */
#include "model.h"
#include "param.h"

#include <string.h>

/* Rows of logits that a loss computes at once: see core/ops. */
#define LOGIT_ROWS 256

static size_t estimate_bytes(const hone_tensor *t)
{
    return (size_t)hone_tensor_count(t) * hone_dtype_size(hone_tensor_dtype(t));
}

/* Floats a token that a parameter's use keeps. */
static int64_t estimate_floats(const hone_param *param)
{
    if (param->out == 1)
        return param->in;
    return param->in + param->out + (param->adapter && !param->merged ? 2 * param->out : 0);
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

int hone_model_estimate(hone_model *model, int64_t tokens, int64_t outputs, int states,
                        hone_memory_estimate *out, hone_error *err)
{
    struct blocks blocks = estimate_blocks(model->params);
    int64_t width = hone_model_width(model), kept, rows;

    *out = (hone_memory_estimate){0};
    if (tokens < 1 || tokens > INT32_MAX || outputs < 0 || outputs > tokens || states < 0)
        return hone_fail(err, HONE_EINVAL, "an estimate for %" PRId64 " tokens, %" PRId64
                         " outputs, %d states (allowed: outputs <= tokens, states >= 0)", tokens,
                         outputs, states);
    for (size_t i = 0; i < model->params->count; i++) {
        const hone_param *param = model->params->items[i];

        out->weights += (param->tied_to ? 0 : estimate_bytes(param->weight)) +
                        estimate_bytes(param->bias);
    }
    for (size_t i = 0; i < model->tensors_count; i++)
        out->weights += estimate_bytes(model->tensors[i].value);
    for (size_t i = 0, n = hone_model_trainables(model); i < n; i++) {
        const hone_tensor *value = hone_model_trainable(model, i).value;
        size_t count = (size_t)hone_tensor_count(value);
        bool narrow = hone_tensor_dtype(value) != HONE_F32; /* an f32 master copy, too */

        out->gradients += count * sizeof(float);
        out->optimizer += count * sizeof(float) * (size_t)(states + narrow);
    }
    kept = model->recompute ? model->params->layers * width + blocks.most : blocks.all;
    rows = outputs < LOGIT_ROWS ? outputs : LOGIT_ROWS;
    out->activations = sizeof(float) * ((size_t)tokens * (size_t)(kept + 4 * width + blocks.most / 2) +
                       (size_t)outputs * (size_t)(3 * width) +
                       (size_t)rows * (size_t)hone_model_vocab(model));
    out->total = out->weights + out->gradients + out->optimizer + out->activations;
    return HONE_OK;
}
