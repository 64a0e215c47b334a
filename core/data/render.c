/* render.c -- templates; <hone/data.h> shows the text they make.
 *
 * A part is a header, its text and an end. The answer that a prompt asks for
 * is opened the same way, and left open: so a prompt is a prefix of what was
 * trained on. An answer's end is learned, what separates it from the next
 * part is not. */
#include "render.h"

#include <string.h>

typedef struct render {
    data_spans *spans;
    const data_marks *marks;
    hone_error *err;
    bool chatml;
} render;

static int render_span(render *r, data_span span)
{
    data_spans *s = r->spans;

    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 8;
        data_span *items = hone_realloc(s->items, capacity, sizeof *items);
        if (!items)
            return hone_fail_memory(r->err, "the spans of a row");
        s->items = items;
        s->capacity = capacity;
    }
    s->items[s->count++] = span;
    return HONE_OK;
}

static int render_text(render *r, const char *text, bool learned)
{
    data_spans *s = r->spans;
    data_span *last = s->count ? &s->items[s->count - 1] : NULL;
    size_t n = strlen(text), start = s->text.count;
    int code;

    if (!n)
        return HONE_OK;
    if ((code = hone_text_push(&s->text, text, n, r->err)))
        return code;
    if (!last || last->token >= 0 || last->learned != learned)
        return render_span(r, (data_span){ .token = -1, .start = start, .n = n,
                                           .learned = learned });
    last->n += n;
    return HONE_OK;
}

/* A special token, or its name where the vocabulary does not have it. */
static int render_mark(render *r, int32_t token, const char *name, bool learned)
{
    return token >= 0 ? render_span(r, (data_span){ .token = token, .learned = learned })
                      : render_text(r, name, learned);
}

static const char *render_title(data_role role, bool chatml)
{
    switch (role) {
    case DATA_SYSTEM: return chatml ? "system\n" : "### System:\n";
    case DATA_USER: return chatml ? "user\n" : "### User:\n";
    case DATA_ASSISTANT: return chatml ? "assistant\n" : "### Assistant:\n";
    case DATA_TASK: return chatml ? "user\n" : "### Instruction:\n";
    case DATA_INPUT: return chatml ? "\n\n" : "### Input:\n";
    case DATA_OUTPUT: return chatml ? "assistant\n" : "### Response:\n";
    default: return "";
    }
}

static bool render_bare(data_role role)
{
    return role == DATA_QUESTION || role == DATA_COMPLETION || role == DATA_WHOLE;
}

static int render_open(render *r, data_role role)
{
    int code = HONE_OK;

    if (r->chatml && !render_bare(role) && role != DATA_INPUT)
        code = render_mark(r, r->marks->turn, "<|im_start|>", false);
    return code ? code : render_text(r, render_title(role, r->chatml), false);
}

/* In ChatML an answer without <|im_end|> in the vocabulary ends with the end of
 * the text: a plain "<|im_end|>" would be part of what generation returns. The
 * last answer ends with both, for models that know the former only as a word. */
static int render_close_chatml(render *r, data_role role, bool last)
{
    const data_marks *m = r->marks;
    bool learned = data_role_learned(role);
    int code;

    if (!learned || m->stop >= 0 || m->eos < 0)
        code = render_mark(r, m->stop, "<|im_end|>", learned);
    else
        code = render_mark(r, m->eos, "", true);
    if (!code && last)
        return m->stop >= 0 && m->eos >= 0 && m->eos != m->stop
                   ? render_mark(r, m->eos, "", true) : HONE_OK;
    return code ? code : render_text(r, "\n", false);
}

static int render_close(render *r, data_role role, data_role next, bool last)
{
    int code = HONE_OK;

    if (role == DATA_QUESTION || (r->chatml && next == DATA_INPUT && !last))
        return HONE_OK;
    if (r->chatml && !render_bare(role))
        return render_close_chatml(r, role, last);
    if (data_role_learned(role))
        code = render_mark(r, r->marks->eos, "", true);
    return code || last || render_bare(role) ? code : render_text(r, "\n\n", false);
}

/* How many parts are rendered whole. */
static size_t render_whole(const data_parts *parts, bool prompt)
{
    size_t users = 0, answers = 0;

    for (size_t i = 0; i < parts->count; i++) {
        if (data_role_learned(parts->items[i].role))
            answers = i + 1;
        if (parts->items[i].role == DATA_USER)
            users = i + 1;
    }
    if (!prompt)
        return answers;
    return users ? users : answers ? answers - 1 : parts->count;
}

static data_role render_answer(data_format format)
{
    switch (format) {
    case DATA_PROMPT: return DATA_COMPLETION;
    case DATA_INSTRUCTION: return DATA_OUTPUT;
    case DATA_TEXT: return DATA_WHOLE;
    default: return DATA_ASSISTANT;
    }
}

static int render_nothing(data_format format, hone_error *err)
{
    const char *what = format == DATA_PROMPT        ? "column completion or response"
                       : format == DATA_INSTRUCTION ? "column output or instances"
                       : format == DATA_TURNS       ? "answers, only questions (turns)"
                                                    : "message of the assistant";

    return hone_fail(err, HONE_EFORMAT, "nothing to learn: the row has no %s", what);
}

int data_render(data_spans *spans, const data_parts *parts, bool chatml, const data_marks *marks,
                bool prompt, hone_error *err)
{
    render r = { spans, marks, err, chatml };
    size_t whole = render_whole(parts, prompt);
    int code = HONE_OK;

    spans->count = spans->text.count = 0;
    if (!prompt && !whole)
        return render_nothing(parts->format, err);
    for (size_t i = 0; !code && i < whole; i++) {
        const data_part *part = &parts->items[i];
        bool last = !prompt && i + 1 == whole;
        data_role next = i + 1 < whole ? part[1].role : render_answer(parts->format);

        if (!(code = render_open(&r, part->role)) &&
            !(code = render_text(&r, part->text, data_role_learned(part->role))))
            code = render_close(&r, part->role, next, last);
    }
    return code || !prompt ? code : render_open(&r, render_answer(parts->format));
}
