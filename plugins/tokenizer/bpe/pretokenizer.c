/* pretokenizer.c -- how a stretch of text is split into pieces. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

enum { SPLIT, METASPACE, PREFIX };
enum { ISOLATED, REMOVED, CONTIGUOUS, WITH_PREVIOUS, WITH_NEXT };
enum { ALWAYS, FIRST, NEVER };

struct bpe_span {
    size_t start, stop;
    bool match;
};

struct reader {
    struct bpe_steps *steps;
    bool *byte_level;
};

/* ---- reading ---- */

static int pretokenizer_word(const json_t *json, const char *key, const char *const *words,
                             int absent, int *out, hone_error *err)
{
    const json_t *value = json_object_get(json, key);
    const char *word = json_string_value(value);

    *out = absent;
    if (!value || json_is_null(value))
        return HONE_OK;
    for (int i = 0; word && words[i]; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return HONE_OK;
        }
    }
    return hone_fail(err, HONE_EFORMAT, "%s is '%.40s'", key, word ? word : "no string");
}

static int pretokenizer_behavior(struct bpe_step *step, const json_t *json, hone_error *err)
{
    static const char *const words[] = { "Isolated", "Removed", "Contiguous", "MergedWithPrevious",
                                         "MergedWithNext", NULL };
    return pretokenizer_word(json, "behavior", words, ISOLATED, &step->behavior, err);
}

static int pretokenizer_metaspace(struct bpe_step *step, const json_t *json, hone_error *err)
{
    static const char *const words[] = { "always", "first", "never", NULL };
    bool prefix = bpe_step_flag(json, "add_prefix_space", true); /* as older files say it */
    int code = pretokenizer_word(json, "prepend_scheme", words, prefix ? ALWAYS : NEVER,
                                 &step->scheme, err);
    step->kind = METASPACE;
    step->left = bpe_step_flag(json, "split", true);
    return code == HONE_OK ? bpe_step_from(step, json, "replacement", "\xe2\x96\x81", err) : code;
}

static int pretokenizer_byte_level(struct bpe_steps *steps, const json_t *json, hone_error *err)
{
    struct bpe_step *step;

    if (bpe_step_flag(json, "add_prefix_space", true) && !bpe_steps_add(steps, PREFIX, err))
        return HONE_EUNSUPPORTED;
    if (!bpe_step_flag(json, "use_regex", true))
        return HONE_OK;
    step = bpe_steps_add(steps, SPLIT, err);
    if (!step)
        return HONE_EUNSUPPORTED;
    return bpe_pattern_new(&step->pattern, bpe_pattern_text(BPE_PATTERN_GPT2), false, err);
}

static int pretokenizer_step(void *self, const json_t *json, const char *type, hone_error *err)
{
    struct reader *reader = self;
    struct bpe_step *step;
    const char *regex = NULL;
    int code;

    if (*reader->byte_level)
        return hone_fail(err, HONE_EUNSUPPORTED, "a step after ByteLevel");
    if (strcmp(type, "ByteLevel") == 0) {
        *reader->byte_level = true;
        return pretokenizer_byte_level(reader->steps, json, err);
    }
    step = bpe_steps_add(reader->steps, SPLIT, err);
    if (!step)
        return HONE_EUNSUPPORTED;
    if (strcmp(type, "Metaspace") == 0)
        return pretokenizer_metaspace(step, json, err);
    if (strcmp(type, "Split") == 0) {
        step->invert = bpe_step_flag(json, "invert", false);
        code = pretokenizer_behavior(step, json, err);
        return code == HONE_OK ? bpe_step_pattern(step, json, err) : code;
    }
    if (strcmp(type, "Digits") == 0) {
        regex = bpe_step_flag(json, "individual_digits", false) ? "\\p{N}" : "\\p{N}+";
    } else if (strcmp(type, "Punctuation") == 0) {
        regex = "[\\p{P}$+<=>^`|~]";
        code = pretokenizer_behavior(step, json, err);
        if (code != HONE_OK)
            return code;
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        regex = "\\s+";
        step->behavior = REMOVED;
    } else if (strcmp(type, "Whitespace") == 0) {
        regex = "[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200c}\\x{200d}]+|"
                "[^\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200c}\\x{200d}\\s]+";
        step->behavior = REMOVED;
        step->invert = true;
    } else {
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "not supported (known: ByteLevel, Split, Metaspace, Digits, Punctuation, "
                         "Whitespace, WhitespaceSplit, Sequence)");
    }
    return bpe_pattern_new(&step->pattern, regex, false, err);
}

int bpe_pretokenizer_read(struct bpe_steps *steps, const json_t *json, bool *byte_level,
                          hone_error *err)
{
    struct reader reader = { steps, byte_level };

    *byte_level = false;
    return bpe_steps_read(&reader, json, "pretokenizers", pretokenizer_step, "pre_tokenizer", err);
}

/* ---- at work ---- */

struct splitter {
    struct bpe_steps *steps;
    bpe_emit *emit;
    void *user;
};

static int pretokenizer_run(const struct splitter *s, size_t i, const char *text, size_t n,
                            bool start, hone_error *err);

static int pretokenizer_keep(struct bpe_step *step, struct bpe_span span, hone_error *err)
{
    if (step->spans_count == step->spans_capacity) {
        size_t capacity = step->spans_capacity ? 2 * step->spans_capacity : 64;
        struct bpe_span *spans = hone_realloc(step->spans, capacity, sizeof *spans);
        if (!spans)
            return hone_fail_memory(err, "pieces of a text");
        step->spans = spans;
        step->spans_capacity = capacity;
    }
    step->spans[step->spans_count++] = span;
    return HONE_OK;
}

/* Join ranges as the behavior says, in place. A match that follows a match is
 * never joined by WITH_PREVIOUS and WITH_NEXT. */
static void pretokenizer_join(struct bpe_step *step)
{
    struct bpe_span *spans = step->spans;
    size_t count = 0;
    bool previous = false;

    for (size_t i = 0; i < step->spans_count; i++) {
        struct bpe_span span = spans[i];
        bool join = step->behavior == CONTIGUOUS ? span.match == previous
                                                 : span.match && !previous;
        if (join && count > 0)
            spans[count - 1].stop = span.stop;
        else
            spans[count++] = span;
        previous = span.match;
    }
    step->spans_count = count;
}

/* The same from the end, for WITH_NEXT. */
static void pretokenizer_join_next(struct bpe_step *step)
{
    struct bpe_span *spans = step->spans;
    size_t n = step->spans_count, kept = n;
    bool previous = false;

    for (size_t i = n; i-- > 0;) {
        struct bpe_span span = spans[i];

        if (span.match && !previous && kept < n)
            spans[kept].start = span.start;
        else
            spans[--kept] = span;
        previous = span.match;
    }
    memmove(spans, spans + kept, (n - kept) * sizeof *spans);
    step->spans_count = n - kept;
}

/* A match, or what lies between two: on to the next step, or kept for joining. */
static int pretokenizer_range(const struct splitter *s, size_t i, const char *text,
                              struct bpe_span range, bool start, hone_error *err)
{
    struct bpe_step *step = &s->steps->items[i];

    if (range.stop == range.start)
        return HONE_OK;
    range.match ^= step->invert;
    if (step->behavior != ISOLATED && step->behavior != REMOVED)
        return pretokenizer_keep(step, range, err);
    if (step->behavior == REMOVED && range.match)
        return HONE_OK;
    return pretokenizer_run(s, i + 1, text + range.start, range.stop - range.start,
                            start && range.start == 0, err);
}

static int pretokenizer_split(const struct splitter *s, size_t i, const char *text, size_t n,
                              bool start, hone_error *err)
{
    struct bpe_step *step = &s->steps->items[i];
    size_t done = 0, search = 0, from, to;
    int code = HONE_OK;

    step->spans_count = 0;
    while (code == HONE_OK && search <= n) {
        code = bpe_pattern_next(step->pattern, text, n, search, &from, &to, err);
        if (code <= 0)
            break;
        code = pretokenizer_range(s, i, text, (struct bpe_span){ done, from, false }, start, err);
        if (code == HONE_OK)
            code = pretokenizer_range(s, i, text, (struct bpe_span){ from, to, true }, start, err);
        done = to;
        search = to > from ? to : to < n ? to + utf8_size(text[to]) : n + 1;
    }
    if (code == HONE_OK)
        code = pretokenizer_range(s, i, text, (struct bpe_span){ done, n, false }, start, err);
    if (code == HONE_OK && step->behavior == WITH_NEXT)
        pretokenizer_join_next(step);
    else if (code == HONE_OK)
        pretokenizer_join(step);
    for (size_t j = 0; j < step->spans_count && code == HONE_OK; j++)
        code = pretokenizer_run(s, i + 1, text + step->spans[j].start,
                                step->spans[j].stop - step->spans[j].start,
                                start && step->spans[j].start == 0, err);
    return code;
}

/* A known pattern leaves nothing between its matches. */
static int pretokenizer_scan(const struct splitter *s, size_t i, int known, const char *text,
                             size_t n, bool start, hone_error *err)
{
    int code = HONE_OK;

    for (size_t at = 0, end; at < n && code == HONE_OK; at = end) {
        end = bpe_pattern_scan(known, text, n, at);
        code = i + 1 == s->steps->count
                   ? s->emit(s->user, text + at, end - at, err)
                   : pretokenizer_run(s, i + 1, text + at, end - at, start && at == 0, err);
    }
    return code;
}

/* Spaces become the mark; one is put in front where the scheme says so. */
static int pretokenizer_mark(const struct splitter *s, size_t i, const char *text, size_t n,
                             bool start, hone_error *err)
{
    struct bpe_step *step = &s->steps->items[i];
    const char *mark = step->from;
    size_t size = step->from_size, piece = 0;
    bool marked = *text == ' ' || (n >= size && memcmp(text, mark, size) == 0);
    bool prepend = !marked && (step->scheme == ALWAYS || (step->scheme == FIRST && start));
    int code = HONE_OK;

    step->buffer.count = 0;
    if (prepend)
        code = hone_text_push(&step->buffer, mark, size, err);
    for (size_t at = 0, next; at < n && code == HONE_OK; at = next) {
        const char *space = memchr(text + at, ' ', n - at);
        next = space ? (size_t)(space - text) : n;
        code = hone_text_push(&step->buffer, text + at, next - at, err);
        if (code == HONE_OK && space)
            code = hone_text_push(&step->buffer, mark, size, err);
        next += space != NULL;
    }
    text = step->buffer.bytes;
    n = step->buffer.count;
    if (code != HONE_OK || !step->left)
        return code == HONE_OK ? pretokenizer_run(s, i + 1, text, n, start, err) : code;

    for (size_t at = 0; at < n && code == HONE_OK;) { /* each mark begins a piece */
        at += utf8_size(text[at]);
        if (at == n || (n - at >= size && memcmp(text + at, mark, size) == 0)) {
            code = pretokenizer_run(s, i + 1, text + piece, at - piece, start && piece == 0, err);
            piece = at;
        }
    }
    return code;
}

static int pretokenizer_run(const struct splitter *s, size_t i, const char *text, size_t n,
                            bool start, hone_error *err)
{
    struct bpe_step *step = &s->steps->items[i];
    int code, known;

    if (n == 0)
        return HONE_OK;
    if (i == s->steps->count)
        return s->emit(s->user, text, n, err);
    switch (step->kind) {
    case METASPACE:
        return pretokenizer_mark(s, i, text, n, start, err);
    case PREFIX:
        if (*text == ' ')
            return pretokenizer_run(s, i + 1, text, n, start, err);
        step->buffer.count = 0;
        code = hone_text_push(&step->buffer, " ", 1, err);
        if (code == HONE_OK)
            code = hone_text_push(&step->buffer, text, n, err);
        if (code != HONE_OK)
            return code;
        return pretokenizer_run(s, i + 1, step->buffer.bytes, step->buffer.count, start, err);
    default:
        known = bpe_pattern_known(step->pattern);
        if (known && step->behavior == ISOLATED)
            return pretokenizer_scan(s, i, known, text, n, start, err);
        return pretokenizer_split(s, i, text, n, start, err);
    }
}

int bpe_pretokenize(struct bpe_steps *steps, const char *text, size_t n, bool start,
                    bpe_emit *emit, void *user, hone_error *err)
{
    struct splitter s = { steps, emit, user };
    return pretokenizer_run(&s, 0, text, n, start, err);
}
