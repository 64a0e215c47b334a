/* encode.c -- rows to tokens: rendered, each span tokenised apart.
 *
 * Apart, because a merge across the border of prompt and answer would make
 * tokens that no prompt ends with; this way a prompt's ids are a prefix of the
 * ids trained on. Layout: all tokens in one array, all weights in another,
 * examples as offsets into both. */
#include "render.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct examples_item {
    size_t start, row;
    int64_t count, prompt;
} examples_item;

struct hone_examples {
    int32_t *tokens;
    float *weights;
    size_t used, room;           /* of both */
    examples_item *items;
    size_t count, capacity;
};

typedef struct encoder {
    const hone_data *data;
    hone_model *model;
    hone_instance *tokenizer;
    hone_encode_options options;
    bool chatml, checked;        /* the folder was looked at for a chat template */
    data_marks marks;
    hone_ids prefix;             /* what the model expects before a text */
    data_parts parts;
    data_spans spans;
    hone_text learned;           /* a byte 0 or 1 for each id of a row */
} encoder;

/* What encoding with HONE_ENCODE_BOS puts before a text, and not after. */
static int encode_prefix(encoder *e, hone_error *err)
{
    hone_ids plain = { 0 }, full = { 0 };
    size_t at = 0;
    int code;

    if ((code = hone_tokenizer_encode(e->tokenizer, "a", 1, HONE_ENCODE_PLAIN, &plain, err)) ||
        (code = hone_tokenizer_encode(e->tokenizer, "a", 1, HONE_ENCODE_BOS, &full, err)))
        goto out;
    while (at + plain.count < full.count && plain.count &&
           memcmp(full.items + at, plain.items, plain.count * sizeof *plain.items) != 0)
        at++;
    for (size_t i = 0; !code && i < at; i++)
        code = hone_ids_push(&e->prefix, full.items[i], err);
out:
    hone_free(plain.items);
    hone_free(full.items);
    return code;
}

static int encode_open(encoder *e, const hone_data *data, hone_model *model,
                       const hone_encode_options *options, hone_error *err)
{
    const char *name;
    const int32_t *ends;
    size_t count;

    *e = (encoder){ .data = data, .model = model, .tokenizer = hone_model_tokenizer(model) };
    if (options)
        e->options = *options;
    name = e->options.template ? e->options.template : "plain";
    e->options.template = name;
    e->chatml = strcmp(name, "chatml") == 0;
    if (!e->chatml && strcmp(name, "plain") != 0)
        return hone_fail(err, HONE_EINVAL, "template '%s': plain or chatml allowed", name);
    if (e->options.max_tokens < 0)
        return hone_fail(err, HONE_EINVAL, "max_tokens is %" PRId64 "; 0 (the model's limit) or "
                         "more allowed", e->options.max_tokens);
    if (!e->tokenizer)
        return hone_fail(err, HONE_ESTATE, "the model has no tokenizer");
    if (!e->options.max_tokens)
        e->options.max_tokens = hone_model_max_positions(model);
    e->marks.eos = hone_tokenizer_role(e->tokenizer, "eos");
    ends = hone_model_eos(model, &count);
    if (e->marks.eos < 0 && count)
        e->marks.eos = ends[0];
    e->marks.turn = hone_tokenizer_find(e->tokenizer, "<|im_start|>", 12);
    e->marks.stop = hone_tokenizer_find(e->tokenizer, "<|im_end|>", 10);
    return encode_prefix(e, err);
}

static void encode_close(encoder *e)
{
    hone_free(e->prefix.items);
    hone_free(e->parts.items);
    hone_free(e->spans.items);
    hone_free(e->spans.text.bytes);
    hone_free(e->learned.bytes);
}

/* Messages for a model with a chat template of its own would be rendered in a
 * way it never saw. */
static int encode_check_template(encoder *e, hone_error *err)
{
    const char *folder = hone_model_folder(e->model), *where = NULL;
    hone_json *json = NULL;
    char *path;
    int code = HONE_OK;

    if (e->checked || !folder)
        return HONE_OK;
    if (!(path = hone_format("%s/chat_template.jinja", folder)))
        return hone_fail_memory(err, "a file's name");
    if (access(path, F_OK) == 0)
        where = "chat_template.jinja";
    hone_free(path);
    if (!(path = hone_format("%s/tokenizer_config.json", folder)))
        return hone_fail_memory(err, "a file's name");
    if (!where && access(path, F_OK) == 0 && !(code = hone_json_read(&json, path, err))) {
        const hone_json *value = hone_json_get(json, "chat_template");
        if (value && !json_is_null(value))
            where = "tokenizer_config.json: chat_template";
    }
    if (where)
        code = hone_fail(err, HONE_EUNSUPPORTED, "%s has a chat template of its own (%s), which is "
                         "not supported: rows with messages cannot be rendered for it; use prompt "
                         "and completion", folder, where);
    e->checked = !code;
    hone_json_free(json);
    hone_free(path);
    return code;
}

static int encode_span(encoder *e, const data_span *span, hone_ids *ids, hone_error *err)
{
    size_t before = ids->count;
    char learned = span->learned || e->options.learn_prompt;
    int code;

    if (span->token >= 0)
        code = hone_ids_push(ids, span->token, err);
    else
        code = hone_tokenizer_encode(e->tokenizer, e->spans.text.bytes + span->start, span->n,
                                     HONE_ENCODE_PLAIN, ids, err);
    for (size_t i = before; !code && i < ids->count; i++)
        code = hone_text_push(&e->learned, &learned, 1, err);
    return code;
}

/* Append the ids of row i, instance k, to ids, and a byte each to e->learned. */
static int encode_row(encoder *e, size_t i, size_t k, bool prompt, hone_ids *ids, hone_error *err)
{
    int code = data_parts_read(&e->parts, e->data, i, k, err);
    bool messages = e->parts.format == DATA_MESSAGES || e->parts.format == DATA_CONVERSATIONS ||
                    e->parts.format == DATA_TURNS ||
                    (e->parts.format == DATA_INSTRUCTION && e->chatml);

    if (code)
        return code;
    e->learned.count = 0;
    if (messages && (code = encode_check_template(e, err)))
        goto out;
    if ((code = data_render(&e->spans, &e->parts, e->chatml, &e->marks, prompt, err)))
        goto out;
    for (size_t p = 0; !code && p < e->prefix.count; p++)
        code = encode_span(e, &(data_span){ .token = e->prefix.items[p] }, ids, err);
    for (size_t s = 0; !code && s < e->spans.count; s++)
        code = encode_span(e, &e->spans.items[s], ids, err);
out:
    if (code)
        data_fail_in(e->data, i, err);
    return code;
}

int hone_data_prompt(const hone_data *data, size_t i, hone_model *model,
                     const hone_encode_options *options, hone_ids *ids, hone_error *err)
{
    size_t before = ids->count;
    encoder e;
    int code;

    if (i >= data->count)
        return hone_fail(err, HONE_EINVAL, "%s: row %zu of %zu", data->name, i, data->count);
    if ((code = encode_open(&e, data, model, options, err)) ||
        (code = encode_row(&e, i, 0, true, ids, err)))
        goto out;
    if (ids->count == before) {
        code = hone_fail(err, HONE_EFORMAT, "the prompt is empty");
        data_fail_in(data, i, err);
    }
out:
    encode_close(&e);
    return code;
}

/* ---- examples ---- */

static int examples_reserve(hone_examples *x, size_t tokens, hone_error *err)
{
    if (x->count == x->capacity) {
        size_t capacity = x->capacity ? 2 * x->capacity : 64;
        examples_item *items = hone_realloc(x->items, capacity, sizeof *items);
        if (!items)
            return hone_fail_memory(err, "examples");
        x->items = items;
        x->capacity = capacity;
    }
    if (tokens > x->room - x->used) {
        size_t room = x->used + tokens + x->room / 2 + 1024;
        int32_t *ids = hone_realloc(x->tokens, room, sizeof *ids);
        float *weights;
        if (ids)
            x->tokens = ids;
        weights = ids ? hone_realloc(x->weights, room, sizeof *weights) : NULL;
        if (!weights)
            return hone_fail_memory(err, "the tokens of examples");
        x->weights = weights;
        x->room = room;
    }
    return HONE_OK;
}

typedef struct encode_counts {
    json_int_t tokens, learned, truncated, dropped, empty, longest;
} encode_counts;

/* Append an example of the ids, cut to max_tokens where that is the policy. */
static int examples_add(hone_examples *x, const encoder *e, size_t row, const hone_ids *ids,
                        encode_counts *counts, hone_error *err)
{
    size_t n = ids->count, max = (size_t)e->options.max_tokens;
    examples_item item = { .start = x->used, .row = row, .prompt = -1 };
    json_int_t learned = 0;
    bool cut = max && n > max;
    int code;

    if (cut && e->options.too_long == HONE_LONG_DROP) {
        counts->dropped++;
        return HONE_OK;
    }
    if (cut && e->options.too_long == HONE_LONG_ERROR) {
        code = hone_fail(err, HONE_EINVAL, "%zu tokens; at most %zu allowed", n, max);
        data_fail_in(e->data, row, err);
        return code;
    }
    item.count = (int64_t)(cut ? max : n);
    if ((code = examples_reserve(x, (size_t)item.count, err)))
        return code;
    for (int64_t t = 0; t < item.count; t++) {
        /* Nothing comes before the first token to predict it. */
        bool on = t > 0 && e->learned.bytes[t];
        x->tokens[item.start + (size_t)t] = ids->items[t];
        x->weights[item.start + (size_t)t] = on;
        item.prompt = on && item.prompt < 0 ? t : item.prompt;
        learned += on;
    }
    if (!learned) {
        counts->dropped += cut;
        counts->empty += !cut;
        return HONE_OK;
    }
    x->items[x->count++] = item;
    x->used += (size_t)item.count;
    counts->tokens += item.count;
    counts->learned += learned;
    counts->truncated += cut;
    counts->longest = counts->longest < item.count ? item.count : counts->longest;
    return HONE_OK;
}

/* Leave only the last run of learned tokens: an answer is one span, and what
 * stands between two answers is not learned. */
static void encode_keep_last(encoder *e)
{
    size_t n = e->learned.count;

    while (n > 0 && !e->learned.bytes[n - 1])
        n--;
    while (n > 0 && e->learned.bytes[n - 1])
        n--;
    memset(e->learned.bytes, 0, n);
}

static int encode_rows(encoder *e, hone_examples *x, encode_counts *counts, hone_error *err)
{
    const hone_data *data = e->data;
    hone_ids ids = { 0 };
    int code = HONE_OK;

    for (size_t i = 0; !code && i < data->count; i++) {
        if (data->context && hone_context_interrupted(data->context))
            code = hone_fail(err, HONE_EINTERRUPTED, "%s: interrupted", data->name);
        for (size_t k = 0; !code && k < data_instances(data->rows[i].json); k++) {
            ids.count = 0;
            if ((code = encode_row(e, i, k, false, &ids, err)))
                break;
            if (e->options.last_answer)
                encode_keep_last(e);
            code = examples_add(x, e, i, &ids, counts, err);
        }
    }
    hone_free(ids.items);
    if (!code && !x->count)
        code = hone_fail(err, HONE_EINVAL, "%s: no row has a token to learn (%" JSON_INTEGER_FORMAT
                         " longer than %" PRId64 " tokens, %" JSON_INTEGER_FORMAT " empty)",
                         data->name, counts->dropped, e->options.max_tokens, counts->empty);
    return code;
}

static int encode_report(const encoder *e, const hone_examples *x, const encode_counts *c,
                         hone_json **report, hone_error *err)
{
    *report = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}",
                        "rows", (json_int_t)e->data->count, "examples", (json_int_t)x->count,
                        "tokens", c->tokens, "learned", c->learned, "longest", c->longest,
                        "truncated", c->truncated, "dropped", c->dropped, "empty", c->empty,
                        "max_tokens", (json_int_t)e->options.max_tokens,
                        "template", e->options.template);
    return *report ? HONE_OK : hone_fail_memory(err, "the report of encoding");
}

int hone_data_encode(hone_examples **out, const hone_data *data, hone_model *model,
                     const hone_encode_options *options, hone_json **report, hone_error *err)
{
    hone_examples *x = NULL;
    encode_counts counts = { 0 };
    encoder e;
    int code;

    *out = NULL;
    if (report)
        *report = NULL;
    if ((code = encode_open(&e, data, model, options, err)))
        goto out;
    if (!(x = hone_alloc(1, sizeof *x))) {
        code = hone_fail_memory(err, "examples");
        goto out;
    }
    if ((code = encode_rows(&e, x, &counts, err)) ||
        (report && (code = encode_report(&e, x, &counts, report, err))))
        goto out;
    *out = x;
    x = NULL;
out:
    hone_examples_free(x);
    encode_close(&e);
    return code;
}

void hone_examples_free(hone_examples *x)
{
    if (!x)
        return;
    hone_free(x->tokens);
    hone_free(x->weights);
    hone_free(x->items);
    hone_free(x);
}

size_t hone_examples_count(const hone_examples *x)
{
    return x ? x->count : 0;
}

hone_example hone_examples_at(const hone_examples *x, size_t i)
{
    const examples_item *item = &x->items[i];

    return (hone_example){ .tokens = x->tokens + item->start, .weights = x->weights + item->start,
                           .count = item->count, .prompt = item->prompt, .row = item->row };
}
