/* kinds.c -- see kinds.h. A new kind is one more table here. */
#include "kinds.h"

#include <hone/bias.h>
#include <hone/metric.h>
#include <hone/model.h>
#include <hone/optimizer.h>
#include <hone/quality.h>
#include <hone/store.h>
#include <hone/strategy.h>
#include <hone/tokenizer.h>
#include <string.h>

#define OP(type, member) { #member, offsetof(type, member) }

static const hone_kind_op bias[] = { OP(hone_bias_ops, detect), { 0 } };

static const hone_kind_op metric[] = { OP(hone_metric_ops, score), { 0 } };

static const hone_kind_op model[] = {
    OP(hone_model_ops, model_types), OP(hone_model_ops, configure), OP(hone_model_ops, build),
    OP(hone_model_ops, embed), OP(hone_model_ops, block), OP(hone_model_ops, finish), { 0 },
};

static const hone_kind_op optimizer[] = {
    OP(hone_optimizer_ops, update), OP(hone_optimizer_ops, lr), { 0 },
};

static const hone_kind_op quality[] = {
    OP(hone_quality_ops, check), OP(hone_quality_ops, aggregate), { 0 },
};

static const hone_kind_op store[] = {
    OP(hone_store_ops, batch), OP(hone_store_ops, put_items), OP(hone_store_ops, put_task),
    OP(hone_store_ops, set_task), OP(hone_store_ops, task), OP(hone_store_ops, add),
    OP(hone_store_ops, set_item), OP(hone_store_ops, next), OP(hone_store_ops, submit),
    OP(hone_store_ops, leave), OP(hone_store_ops, import), OP(hone_store_ops, put_annotator),
    OP(hone_store_ops, erase), OP(hone_store_ops, list), OP(hone_store_ops, verify), { 0 },
};

static const hone_kind_op strategy[] = { OP(hone_strategy_ops, attach), { 0 } };

static const hone_kind_op tokenizer[] = {
    OP(hone_tokenizer_ops, vocab), OP(hone_tokenizer_ops, encode), OP(hone_tokenizer_ops, decode),
    OP(hone_tokenizer_ops, token), OP(hone_tokenizer_ops, find), OP(hone_tokenizer_ops, role),
    { 0 },
};

const hone_kind hone_kinds[] = {
    { "bias", false, bias },
    { "metric", false, metric },
    { "model", false, model },
    { "optimizer", false, optimizer },
    { "quality", true, quality },
    { "store", false, store },
    { "strategy", false, strategy },
    { "tokenizer", false, tokenizer },
    { 0 },
};

const hone_kind *hone_kind_find(const char *name)
{
    for (const hone_kind *kind = hone_kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}
