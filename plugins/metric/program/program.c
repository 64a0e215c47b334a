/* program.c -- scores that a program of one's own gives: JSON lines in, JSON lines out.
 *
 *   in    {"id": 0, "prompt": "...", "response": "...", "response_tokens": 7, "row": {...}}
 *   out   {"id": 0, "score": 1.5}         heads: {"name": 2}, tokens: [1, 2] as well
 *         {"id": 0, "na": true}           does not apply
 *         {"id": 0, "error": "why"}       failed
 *
 * The program is started without a shell for each batch, reads to the end of its input
 * and answers in any order. Samples without an answer (it failed, took too long, wrote
 * what is no answer) are asked again, `retries` times; then they fail with the reason.
 * With a cache, answers are kept under the digest of command, version and sample, so
 * that nothing is asked twice and a resumed run sees the same scores; errors are not. */
#include "program.h"

#include <hone/digest.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program {
    hone_string_list command;
    int64_t batch, retries;
    double timeout;
    const char *cache, *version;
    hone_context *context;
};

static const hone_option options[] = {
    { .name = "command", .doc = "the program and its arguments",
      .type = HONE_OPTION_STRINGS, .flags = HONE_OPTION_REQUIRED,
      .offset = HONE_MEMBER(struct program, command, hone_string_list) },
    HONE_OPT_INT(struct program, batch, "batch", 64, 1, 1 << 20, "samples put to it at once"),
    HONE_OPT_REAL(struct program, timeout, "timeout", 60, 0, 1e6,
                  "seconds for a batch; then it is killed. 0: any"),
    HONE_OPT_INT(struct program, retries, "retries", 1, 0, 100,
                 "times that samples without an answer are asked again"),
    HONE_OPT_PATH(struct program, cache, "cache", NULL, "folder that keeps answers; unset: none"),
    HONE_OPT_STRING(struct program, version, "version", "",
                    "of the program: another one asks again"),
    HONE_OPT_END
};

static int program_init(void *self, hone_context *context, hone_error *err)
{
    struct program *o = self;

    o->context = context;
    if (!o->command.count || !o->command.items[0][0])
        return hone_fail(err, HONE_EINVAL, "command is empty (needed: { \"program\", ... })");
    return HONE_OK;
}

/* ---- questions ---- */

typedef struct question {
    size_t sample;
    json_t *line;     /* what is asked, without id */
    json_t *answer;   /* or NULL */
    char key[65];
} question;

static json_t *question_text(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* NULL where there is no memory; hone_free. */
static char *question_dump(const json_t *json, size_t flags)
{
    size_t n = json ? json_dumpb(json, NULL, 0, flags) : 0;
    char *text = n ? hone_alloc(n + 1, 1) : NULL;

    if (text && json_dumpb(json, text, n, flags) == n)
        return text;
    hone_free(text);
    return NULL;
}

/* NULL where a text is not UTF-8 (or there is no memory). */
static json_t *question_line(const hone_samples *samples, size_t i)
{
    const hone_sample *s = hone_samples_at(samples, i);
    int64_t n = hone_sample_response_tokens(samples, i);
    json_t *prompt = question_text(s->prompt), *response = question_text(s->response), *line;

    if (!prompt || !response) {
        json_decref(prompt);
        json_decref(response);
        return NULL;
    }
    line = json_pack("{s:o, s:o}", "prompt", prompt, "response", response);
    if (line && ((n >= 0 && json_object_set_new(line, "response_tokens", json_integer(n))) ||
                 (s->row && json_object_set(line, "row", (json_t *)s->row)))) {
        json_decref(line);
        return NULL;
    }
    return line;
}

static int question_key(const struct program *o, question *q, hone_error *err)
{
    json_t *command = json_array(), *all = NULL;
    char *text;
    bool failed = false;

    for (size_t k = 0; k < o->command.count; k++)
        failed |= json_array_append_new(command, json_string(o->command.items[k])) != 0;
    if (failed)
        json_decref(command);
    else
        all = json_pack("{s:o, s:s, s:O}", "command", command, "version", o->version, "sample",
                        q->line);
    text = question_dump(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    if (!text)
        return hone_fail_memory(err, "a question");
    hone_digest(q->key, text, strlen(text));
    hone_free(text);
    return HONE_OK;
}

static void questions_free(question *questions, size_t count)
{
    for (size_t i = 0; questions && i < count; i++) {
        json_decref(questions[i].line);
        json_decref(questions[i].answer);
    }
    hone_free(questions);
}

/* ---- answers ---- */

static bool answer_is(const json_t *answer)
{
    const json_t *score = json_object_get(answer, "score");

    return json_is_string(json_object_get(answer, "error")) ||
           json_is_true(json_object_get(answer, "na")) || json_is_number(score);
}

/* Take a line of the output; what is no answer to a question still open is an error. */
static int answer_take(question **batch, size_t count, const char *line, size_t n, size_t number,
                       hone_error *err)
{
    json_t *answer = NULL;
    json_int_t id;
    char where[48];
    int code;

    snprintf(where, sizeof where, "line %zu of its output", number);
    code = hone_json_parse(&answer, line, n, where, err);
    if (code)
        return code;
    id = json_is_integer(json_object_get(answer, "id"))
             ? json_integer_value(json_object_get(answer, "id")) : -1;
    if (id < 0 || (size_t)id >= count)
        code = hone_fail(err, HONE_EFORMAT, "%s: its id is none of 0 to %zu", where, count - 1);
    else if (batch[id]->answer)
        code = hone_fail(err, HONE_EFORMAT, "%s: a second answer to id %lld", where, (long long)id);
    else if (!answer_is(answer))
        code = hone_fail(err, HONE_EFORMAT, "%s: neither a score that is a number, nor na, nor "
                         "error", where);
    else
        batch[id]->answer = json_incref(answer);
    json_decref(answer);
    return code;
}

static int answers_take(question **batch, size_t count, const char *out, hone_error *err)
{
    size_t number = 0;

    for (const char *line = out; *line; ) {
        size_t n = strcspn(line, "\n");
        number++;
        if (strspn(line, " \t\r") < n) {
            int code = answer_take(batch, count, line, n, number, err);
            if (code)
                return code;
        }
        line += n + (line[n] == '\n');
    }
    for (size_t k = 0; k < count; k++)
        if (!batch[k]->answer)
            return hone_fail(err, HONE_EFORMAT, "no answer to id %zu of %zu", k, count);
    return HONE_OK;
}

/* ---- asking ---- */

static char *batch_input(question **batch, size_t count)
{
    char *all = NULL;
    size_t used = 0;

    for (size_t k = 0; k < count; k++) {
        json_t *line = json_pack("{s:I}", "id", (json_int_t)k);
        char *text = line && !json_object_update(line, batch[k]->line)
                         ? question_dump(line, JSON_COMPACT) : NULL, *grown;
        size_t n = text ? strlen(text) : 0;

        json_decref(line);
        grown = text ? hone_realloc(all, used + n + 2, 1) : NULL;
        if (!grown) {
            hone_free(text);
            hone_free(all);
            return NULL;
        }
        all = grown;
        memcpy(all + used, text, n);
        memcpy(all + used + n, "\n", 2);
        used += n + 1;
        hone_free(text);
    }
    return all;
}

/* One try: questions are answered, or the error says why some are not. */
static int batch_ask(const struct program *o, question **batch, size_t count, hone_error *err)
{
    char *input = batch_input(batch, count), *out = NULL;
    char **argv = hone_alloc(o->command.count + 1, sizeof *argv);
    int code = input && argv ? HONE_OK : hone_fail_memory(err, "a question");

    if (!code) {
        for (size_t k = 0; k < o->command.count; k++)
            argv[k] = (char *)o->command.items[k];
        code = program_run(&out, argv, input, strlen(input), o->timeout, o->context, err);
    }
    if (!code)
        code = answers_take(batch, count, out, err);
    hone_free(input);
    hone_free(argv);
    hone_free(out);
    return code;
}

static int batch_keep(const struct program *o, question **batch, size_t count, hone_error *err)
{
    for (size_t k = 0; k < count && o->cache; k++) {
        const json_t *answer = batch[k]->answer;
        int code = answer && !json_object_get(answer, "error")
                       ? program_cache_put(o->cache, batch[k]->key, answer, err) : HONE_OK;
        if (code)
            return code;
    }
    return HONE_OK;
}

/* All tries; afterwards those without an answer have failed. */
static int batch_settle(const struct program *o, question **batch, size_t count, hone_scores *out,
                        hone_error *err)
{
    hone_error why = { 0 };
    size_t left = count;

    for (int64_t attempt = 0; attempt <= o->retries && left; attempt++) {
        size_t open = 0;
        int code = batch_ask(o, batch, left, &why), kept = batch_keep(o, batch, left, err);

        if (kept)
            return kept;
        if (code == HONE_EINTERRUPTED || code == HONE_ENOMEM)
            return hone_fail(err, code, "%s", why.message);
        for (size_t k = 0; k < left; k++)
            if (!batch[k]->answer)
                batch[open++] = batch[k];
        left = open;
    }
    for (size_t k = 0; k < left; k++)
        hone_score_fail(out, batch[k]->sample, "%s: %s%s", o->command.items[0], why.message,
                        o->retries ? " (and was asked again)" : "");
    return HONE_OK;
}

/* ---- scores ---- */

static void answer_heads(hone_scores *out, size_t i, const json_t *heads)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)heads, name, value) {
        if (json_is_number(value))
            hone_score_head(out, i, name, json_number_value(value));
        else
            hone_score_fail(out, i, "head %s is no number", name);
    }
}

static void answer_tokens(hone_scores *out, const hone_samples *samples, size_t i,
                          const json_t *tokens)
{
    int64_t length = hone_sample_response_tokens(samples, i);

    if ((int64_t)json_array_size(tokens) != (length < 0 ? 0 : length)) {
        hone_score_fail(out, i, "tokens: %zu scores for a response of %" PRId64 " tokens",
                        json_array_size(tokens), length < 0 ? 0 : length);
        return;
    }
    for (size_t t = 0; t < json_array_size(tokens); t++) {
        const json_t *value = json_array_get(tokens, t);
        if (json_is_number(value))
            hone_score_token(out, i, (int64_t)t, json_number_value(value));
    }
}

static void answer_set(hone_scores *out, const hone_samples *samples, const question *q)
{
    const json_t *error = json_object_get(q->answer, "error");
    const json_t *tokens = json_object_get(q->answer, "tokens");

    if (error && !json_is_null(error)) {
        hone_score_fail(out, q->sample, "%s", json_string_value(error)
                                                  ? json_string_value(error) : "error");
        return;
    }
    if (json_is_true(json_object_get(q->answer, "na")))
        hone_score_na(out, q->sample);
    else
        hone_score_set(out, q->sample, json_number_value(json_object_get(q->answer, "score")));
    answer_heads(out, q->sample, json_object_get(q->answer, "heads"));
    if (json_is_array(tokens))
        answer_tokens(out, samples, q->sample, tokens);
}

/* The questions that no cached answer settles, in order, at `open`. */
static int questions_make(const struct program *o, question *all, question **open, size_t *count,
                          const hone_samples *samples, hone_scores *out, hone_error *err)
{
    *count = 0;
    for (size_t i = 0; i < hone_samples_count(samples); i++) {
        question *q = &all[i];
        int code;

        q->sample = i;
        q->line = question_line(samples, i);
        if (!q->line) {
            hone_score_fail(out, i, "its text is not UTF-8");
            continue;
        }
        code = question_key(o, q, err);
        if (code)
            return code;
        q->answer = o->cache ? program_cache_get(o->cache, q->key) : NULL;
        if (q->answer && !answer_is(q->answer)) {
            json_decref(q->answer);
            q->answer = NULL;
        }
        if (!q->answer)
            open[(*count)++] = q;
    }
    return HONE_OK;
}

static int program_score(void *self, hone_scores *out, const hone_samples *samples, hone_error *err)
{
    const struct program *o = self;
    size_t n = hone_samples_count(samples), count = 0;
    question *all = hone_alloc(n + 1, sizeof *all), **open = hone_alloc(n + 1, sizeof *open);
    int code = all && open ? questions_make(o, all, open, &count, samples, out, err)
                           : hone_fail_memory(err, "questions");

    for (size_t at = 0; at < count && !code; at += (size_t)o->batch) {
        size_t most = count - at < (size_t)o->batch ? count - at : (size_t)o->batch;
        code = batch_settle(o, open + at, most, out, err);
    }
    for (size_t i = 0; i < n && !code; i++)
        if (all[i].answer)
            answer_set(out, samples, &all[i]);
    questions_free(all, n);
    hone_free(open);
    return code;
}

static const hone_metric_ops ops = {
    .size = sizeof ops, .init = program_init, .score = program_score,
};

HONE_PLUGIN(program,
    .kind = "metric", .version = "1.0", .summary = "scores by a program: JSON lines in and out",
    .instance_size = sizeof(struct program), .options = options, .ops = &ops);
