/* model.c -- a model: what it is made of, and the drive of its blocks. */
#include "model.h"
#include "batch.h"
#include "graph.h"
#include "param.h"

#include <hone/tokenizer.h>
#include <string.h>

hone_model *hone_model_ref(hone_model *model)
{
    if (model)
        atomic_fetch_add(&model->refs, 1);
    return model;
}

void hone_model_free(hone_model *model)
{
    if (!model || atomic_fetch_sub(&model->refs, 1) > 1)
        return;
    hone_strategy_detach(model);
    hone_instance_free(model->tokenizer);
    hone_instance_free(model->instance); /* its close may still read the parameters' arrays */
    hone_params_free(model->params);
    hone_json_free(model->config);
    hone_json_free(model->generation);
    hone_free(model->eos);
    hone_free(model->folder);
    hone_free(model);
}

/* ---- looking ---- */

hone_context *hone_model_context(const hone_model *model)
{
    return model->context;
}

const char *hone_model_folder(const hone_model *model)
{
    return model->folder;
}

const hone_json *hone_model_config(const hone_model *model)
{
    return model->config;
}

const char *hone_model_plugin(const hone_model *model)
{
    return hone_instance_plugin(model->instance)->name;
}

hone_params *hone_model_params(const hone_model *model)
{
    return model->params;
}

int64_t hone_model_layers(const hone_model *model)
{
    return model->params->layers;
}

int64_t hone_model_vocab(const hone_model *model)
{
    return model->head.param->out;
}

int64_t hone_model_width(const hone_model *model)
{
    return model->head.param->in;
}

int64_t hone_model_max_positions(const hone_model *model)
{
    return model->max_positions;
}

const hone_head *hone_model_head(const hone_model *model)
{
    return model->headless ? NULL : &model->head;
}

hone_instance *hone_model_tokenizer(const hone_model *model)
{
    return model->tokenizer;
}

hone_instance *hone_model_strategy(const hone_model *model)
{
    return model->strategy;
}

void hone_model_set_recompute(hone_model *model, bool on)
{
    model->recompute = on;
}

static void model_set_half(hone_model *model, bool half)
{
    model->half = half;
    for (size_t i = 0; i < model->params->count; i++)
        model->params->items[i]->half = half;
}

int hone_model_set_precision(hone_model *model, const char *precision, hone_error *err)
{
    bool half = precision && strcmp(precision, "bf16") == 0;

    if (precision && !half && strcmp(precision, "f32") != 0)
        return hone_fail(err, HONE_EINVAL, "precision is '%.40s' (allowed: f32, bf16)", precision);
    model_set_half(model, half);
    return HONE_OK;
}

const char *hone_model_precision(const hone_model *model)
{
    return model->half ? "bf16" : "f32";
}

const int32_t *hone_model_eos(const hone_model *model, size_t *count)
{
    *count = model->eos_count;
    return model->eos;
}

int hone_model_set_tokenizer(hone_model *model, hone_instance *tokenizer, hone_error *err)
{
    int64_t vocab = tokenizer ? hone_tokenizer_vocab(tokenizer) : 0;

    if (vocab > hone_model_vocab(model))
        return hone_fail(err, HONE_EINVAL, "the tokenizer has %" PRId64
                         " tokens (allowed: at most %" PRId64 ", the model's vocabulary)", vocab,
                         hone_model_vocab(model));
    hone_instance_ref(tokenizer);
    hone_instance_free(model->tokenizer);
    model->tokenizer = tokenizer;
    return HONE_OK;
}

/* ---- the drive ---- */

static bool model_check_ids(const hone_model *model, hone_graph *g, const hone_batch *batch)
{
    for (int64_t i = 0; i < batch->tokens; i++) {
        if (batch->ids[i] >= 0 && batch->ids[i] < model->embedding->out)
            continue;
        hone_graph_fail(g, HONE_EINVAL, "token id %d at row %" PRId64 " (allowed: 0 to %" PRId64
                        ")", batch->ids[i], i, model->embedding->out - 1);
        return false;
    }
    return true;
}

static bool model_check_segments(const hone_model *model, hone_graph *g, const hone_batch *batch,
                                 const hone_cache *cache)
{
    for (size_t i = 0; i < batch->segments; i++) {
        const hone_segment *s = &batch->segment[i];

        if (model->max_positions && s->length > model->max_positions - s->position) {
            hone_graph_fail(g, HONE_EINVAL, "a sequence of %" PRId64
                            " tokens (allowed: at most %" PRId64 ")", s->position + s->length,
                            model->max_positions);
            return false;
        }
        if (s->slot >= 0 && !cache) {
            hone_graph_fail(g, HONE_ESTATE, "segment %zu continues cache slot %d without a cache",
                            i, s->slot);
            return false;
        }
        if (s->slot >= 0 && s->slot >= hone_cache_slots(cache)) {
            hone_graph_fail(g, HONE_ESTATE, "segment %zu continues cache slot %d (allowed: 0 to "
                            "%d)", i, s->slot, hone_cache_slots(cache) - 1);
            return false;
        }
    }
    return true;
}

/* What a block needs, so that backward can run it a second time. */
struct drive {
    const hone_model *model;
    const hone_batch *batch;
    int64_t layer;
};

static hone_tensor *model_block(void *user, hone_graph *g, hone_tensor *x)
{
    const struct drive *d = user;

    return d->model->ops->block(hone_instance_self(d->model->instance), g, d->layer, x, d->batch,
                                NULL);
}

/* After each block all of its results but the last go, unless a tape holds them. */
static hone_tensor *model_blocks(hone_model *model, hone_graph *g, const hone_batch *batch,
                                 hone_cache *cache)
{
    void *self = hone_instance_self(model->instance);
    bool recompute = model->recompute && hone_graph_recording(g) && !cache;
    size_t mark = hone_graph_mark(g);
    hone_tensor *x = model->ops->embed(self, g, batch);

    for (int64_t l = 0; x && l < model->params->layers; l++) {
        struct drive drive = { .model = model, .batch = batch, .layer = l };

        if (hone_context_interrupted(model->context))
            return hone_graph_fail(g, HONE_EINTERRUPTED, "interrupted");
        x = recompute ? hone_graph_checkpoint(g, x, model_block, &drive, sizeof drive)
                      : model->ops->block(self, g, l, x, batch, cache);
        hone_graph_release(g, mark, x);
    }
    return x;
}

/* Whether the outputs are all rows, in order. A row may be asked for twice. */
static bool model_all_rows(const hone_batch *batch)
{
    bool all = batch->outputs == batch->tokens;

    for (int64_t i = 0; all && i < batch->outputs; i++)
        all = batch->rows[i] == i;
    return all;
}

hone_tensor *hone_model_hidden(hone_model *model, hone_graph *g, const hone_batch *batch,
                               hone_cache *cache)
{
    hone_tensor *x;

    if (batch->outputs == 0)
        return hone_graph_fail(g, HONE_EINVAL, "the batch has no outputs: no token has a weight");
    if (!model_check_ids(model, g, batch) || !model_check_segments(model, g, batch, cache))
        return NULL;
    x = model_blocks(model, g, batch, cache);
    /* finish works row by row: rows that nobody asked for need not go through it. */
    if (!model_all_rows(batch))
        x = hone_rows(g, x, batch->rows, batch->outputs);
    return model->ops->finish(hone_instance_self(model->instance), g, x);
}
