/* answer.c -- one response as it grows; see answer.h.
 *
 * Text is written as tokens come, in whole characters. A turn ends with a token
 * that ends texts or with a stop text; then the environment may answer, and the
 * text goes on with all that the model has seen. Only the last turn's end is cut
 * off. */
#include "answer.h"

#include <stdio.h>
#include <string.h>

int hone_answer_begin(hone_answer *a, const hone_answer_rules *rules, hone_error *err)
{
    char name[48];

    snprintf(name, sizeof name, "%zu/%" PRId64, a->prompt_index, a->sample);
    a->random = hone_random_named(rules->options.seed, name);
    a->turn = 1;
    return rules->tokenizer ? hone_stream_new(&a->stream, rules->tokenizer, err) : HONE_OK;
}

void hone_answer_clear(hone_answer *a)
{
    hone_free(a->ids.items);
    hone_free(a->logp);
    hone_free(a->own);
    hone_free(a->text.bytes);
    hone_stream_free(a->stream);
    *a = (hone_answer){ 0 };
}

/* ---- tokens ---- */

static int answer_reserve(hone_answer *a, bool marked, hone_error *err)
{
    float *logp;

    if (a->ids.capacity == a->capacity)
        return HONE_OK;
    if (!(logp = hone_realloc(a->logp, a->ids.capacity, sizeof *logp)))
        return hone_fail_memory(err, "log-probabilities");
    a->logp = logp;
    if (marked) {
        uint8_t *own = hone_realloc(a->own, a->ids.capacity, sizeof *own);
        if (!own)
            return hone_fail_memory(err, "a response");
        a->own = own;
    }
    a->capacity = a->ids.capacity;
    return HONE_OK;
}

static int answer_push(hone_answer *a, const hone_answer_rules *rules, int32_t token, double logp,
                       bool own, hone_error *err)
{
    int code;

    if ((code = hone_ids_push(&a->ids, token, err)) ||
        (code = answer_reserve(a, rules->options.environment != NULL, err)))
        return code;
    a->logp[a->ids.count - 1] = (float)logp;
    if (a->own)
        a->own[a->ids.count - 1] = own;
    a->made += own;
    return HONE_OK;
}

static bool answer_ends(const hone_answer_rules *rules, int32_t token)
{
    const hone_generate_options *o = &rules->options;
    size_t count;
    const int32_t *ends = hone_model_eos(rules->model, &count);

    for (size_t i = 0; i < o->stop_tokens_count; i++)
        if (o->stop_tokens[i] == token)
            return true;
    if (o->ignore_eos)
        return false;
    for (size_t i = 0; i < count; i++)
        if (ends[i] == token)
            return true;
    return rules->tokenizer && hone_tokenizer_role(rules->tokenizer, "eos") == token;
}

/* ---- text ---- */

/* Where the first stop text begins of those in this turn that end after
 * `before`; SIZE_MAX: there is none. */
static size_t answer_stop(const hone_answer *a, const hone_answer_rules *rules, size_t before)
{
    const char *const *stop = rules->options.stop;
    size_t first = SIZE_MAX;

    for (size_t i = 0; stop && stop[i] && a->text.bytes; i++) {
        size_t n = strlen(stop[i]), from = before >= n ? before - n + 1 : 0;
        const char *at = strstr(a->text.bytes + (from > a->turn_text ? from : a->turn_text),
                                stop[i]);
        if (at && (size_t)(at - a->text.bytes) < first)
            first = (size_t)(at - a->text.bytes);
    }
    return first;
}

static void answer_cut(hone_answer *a, size_t at)
{
    if (at < a->text.count) {
        a->text.count = at;
        a->text.bytes[at] = '\0';
    }
}

/* The response is over: what waits for the rest of a character is written. */
static int answer_finish(hone_answer *a, const hone_answer_rules *rules, const char *why,
                         size_t cut, hone_error *err)
{
    size_t before = a->text.count;
    int code = HONE_OK;

    a->finish = why;
    if (cut < SIZE_MAX)
        answer_cut(a, cut);
    else if (a->stream && !(code = hone_stream_end(a->stream, &a->text, err)))
        answer_cut(a, answer_stop(a, rules, before));
    hone_stream_free(a->stream);
    a->stream = NULL;
    return code;
}

/* ---- turns ---- */

/* Let the environment answer; the turn's text ends at `cut`. */
static int answer_ask(hone_answer *a, const hone_answer_rules *rules, size_t cut, hone_ids *reply,
                      hone_error *err)
{
    size_t end = cut < a->text.count ? cut : a->text.count;
    const char *text = !a->stream ? NULL : a->text.bytes ? a->text.bytes + a->turn_text : "";
    int64_t vocab = hone_model_vocab(rules->model);
    char last = a->text.bytes ? a->text.bytes[end] : '\0';
    int code;

    if (a->text.bytes)
        a->text.bytes[end] = '\0';
    code = rules->options.environment(rules->options.environment_user, a->prompt_index, a->sample,
                                      a->turn, text, reply, err);
    if (a->text.bytes)
        a->text.bytes[end] = last;
    for (size_t i = 0; !code && i < reply->count; i++)
        if (reply->items[i] < 0 || reply->items[i] >= vocab)
            return hone_fail(err, HONE_EINVAL, "the environment's answer to prompt %zu, sample %"
                             PRId64 ": token %" PRId32 " is not in the vocabulary of %" PRId64,
                             a->prompt_index + 1, a->sample + 1, reply->items[i], vocab);
    return code;
}

static int answer_append(hone_answer *a, const hone_answer_rules *rules, const hone_ids *reply,
                         hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0; !code && i < reply->count; i++) {
        code = answer_push(a, rules, reply->items[i], 0, false, err);
        if (!code && a->stream && reply->items[i] < rules->known)
            code = hone_stream_push(a->stream, reply->items[i], &a->text, err);
    }
    a->turn++;
    a->turn_text = a->text.count;
    return code;
}

/* The turn ended, its text at `cut`: the environment speaks, or the response is over. */
static int answer_turn(hone_answer *a, const hone_answer_rules *rules, size_t cut, hone_error *err)
{
    const hone_generate_options *o = &rules->options;
    int64_t room = rules->limit - a->prompt->count - (int64_t)a->ids.count;
    hone_ids reply = { 0 };
    int code = HONE_OK;

    if (!o->environment || (o->turns && a->turn >= o->turns))
        return answer_finish(a, rules, "stop", cut, err);
    if (a->made >= o->max_tokens || room <= 0)
        return answer_finish(a, rules, "length", cut, err);
    if ((code = answer_ask(a, rules, cut, &reply, err)))
        goto out;
    if (reply.count == 0)
        code = answer_finish(a, rules, "stop", cut, err);
    else if ((int64_t)reply.count >= room)
        code = answer_finish(a, rules, "length", cut, err);
    else
        code = answer_append(a, rules, &reply, err);
out:
    hone_free(reply.items);
    return code;
}

int hone_answer_take(hone_answer *a, const hone_answer_rules *rules, int32_t token, double logp,
                     hone_error *err)
{
    size_t before = a->text.count, cut;
    int code = answer_push(a, rules, token, logp, true, err);

    if (code)
        return code;
    if (answer_ends(rules, token))
        return answer_turn(a, rules, SIZE_MAX, err);
    if (a->stream && token < rules->known &&
        (code = hone_stream_push(a->stream, token, &a->text, err)))
        return code;
    if ((cut = answer_stop(a, rules, before)) < SIZE_MAX)
        return answer_turn(a, rules, cut, err);
    if (a->made >= rules->options.max_tokens ||
        a->prompt->count + (int64_t)a->ids.count >= rules->limit)
        return answer_finish(a, rules, "length", SIZE_MAX, err);
    return HONE_OK;
}
