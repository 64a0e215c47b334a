/* steps.c -- what normalizers, pre-tokenizers and decoders share: a list of
 * steps, and how they are written in tokenizer.json. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

struct bpe_step *bpe_steps_add(struct bpe_steps *steps, int kind, hone_error *err)
{
    if (steps->count == BPE_STEPS_MAX) {
        hone_fail(err, HONE_EUNSUPPORTED, "more than %d steps", BPE_STEPS_MAX);
        return NULL;
    }
    steps->items[steps->count].kind = kind;
    return &steps->items[steps->count++];
}

void bpe_steps_free(struct bpe_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        struct bpe_step *step = &steps->items[i];

        bpe_pattern_free(step->pattern);
        hone_free(step->content);
        hone_free(step->from);
        hone_free(step->buffer.bytes);
        hone_free(step->spans);
    }
    *steps = (struct bpe_steps){0};
}

static int step_text(char **out, size_t *n, const char *text, hone_error *err)
{
    *out = hone_strdup(text);
    *n = strlen(text);
    return *out ? HONE_OK : hone_fail_memory(err, "a tokenizer's steps");
}

int bpe_step_content(struct bpe_step *step, const json_t *json, const char *key, hone_error *err)
{
    const char *text = json_string_value(json_object_get(json, key));

    if (!text)
        return hone_fail(err, HONE_EFORMAT, "'%s' is missing or no string", key);
    return step_text(&step->content, &step->content_size, text, err);
}

int bpe_step_from(struct bpe_step *step, const json_t *json, const char *key, const char *absent,
                  hone_error *err)
{
    const json_t *value = json_object_get(json, key);
    const char *text = value ? json_string_value(value) : absent;

    if (!text || !*text || utf8_size(*text) != strlen(text))
        return hone_fail(err, HONE_EFORMAT, "'%s' is '%s' (allowed: one character)", key,
                         text ? text : "");
    return step_text(&step->from, &step->from_size, text, err);
}

bool bpe_step_flag(const json_t *json, const char *key, bool absent)
{
    const json_t *value = json_object_get(json, key);
    return json_is_boolean(value) ? json_is_true(value) : absent;
}

int bpe_step_pattern(struct bpe_step *step, const json_t *json, hone_error *err)
{
    const json_t *pattern = json_object_get(json, "pattern");
    const char *literal = json_string_value(json_object_get(pattern, "String"));
    const char *regex = json_string_value(json_object_get(pattern, "Regex"));

    if (!literal == !regex)
        return hone_fail(err, HONE_EFORMAT, "'pattern' has neither a String nor a Regex");
    return bpe_pattern_new(&step->pattern, literal ? literal : regex, literal, err);
}

int bpe_step_replace(struct bpe_step *step, hone_text *out, const char *text, size_t n,
                     hone_error *err)
{
    size_t at = 0, done = 0, start, stop;
    int found, code = hone_text_push(out, "", 0, err);
    bool matched = false;

    while (code == HONE_OK && at <= n) {
        found = bpe_pattern_next(step->pattern, text, n, at, &start, &stop, err);
        if (found < 0)
            return found;
        if (!found)
            break;
        code = hone_text_push(out, text + done, start - done, err);
        /* Nothing is no match right behind one. */
        if (code == HONE_OK && (stop > start || !matched || start > done))
            code = hone_text_push(out, step->content, step->content_size, err);
        done = stop;
        matched = true;
        at = stop > start ? stop : stop < n ? stop + utf8_size(text[stop]) : n + 1;
    }
    return code == HONE_OK ? hone_text_push(out, text + done, n - done, err) : code;
}

static int steps_read(void *self, const json_t *json, const char *list, bpe_step_reader *read,
                      int depth, hone_error *err)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    int code;

    if (!type)
        return hone_fail(err, HONE_EFORMAT, "a step without a 'type'");
    if (strcmp(type, "Sequence") == 0) {
        const json_t *members = json_object_get(json, list), *member;
        size_t i;

        if (!json_is_array(members))
            return hone_fail(err, HONE_EFORMAT, "a Sequence without '%s'", list);
        if (depth >= 8)
            return hone_fail(err, HONE_EUNSUPPORTED, "Sequences within Sequences, more than 8");
        json_array_foreach(members, i, member) {
            code = steps_read(self, member, list, read, depth + 1, err);
            if (code != HONE_OK)
                return code;
        }
        return HONE_OK;
    }
    code = read(self, json, type, err);
    return code == HONE_OK ? code : hone_fail_in(err, "%.40s", type);
}

int bpe_steps_read(void *self, const json_t *json, const char *list, bpe_step_reader *read,
                   const char *what, hone_error *err)
{
    int code;

    if (!json || json_is_null(json))
        return HONE_OK;
    code = steps_read(self, json, list, read, 0, err);
    return code == HONE_OK ? code : hone_fail_in(err, "%s", what);
}
