/* normalizer.c -- what is done to a text before it is split. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>
#include <utf8proc.h>

enum { PREPEND, REPLACE, UNICODE, LOWER, STRIP };

struct form {
    const char *type;
    int options;
};

/* step.scheme: the options of utf8proc. */
static const struct form forms[] = {
    { "NFC", UTF8PROC_STABLE | UTF8PROC_COMPOSE },
    { "NFD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE },
    { "NFKC", UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT },
    { "NFKD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT },
};

static int normalizer_step(void *self, const json_t *json, const char *type, hone_error *err)
{
    struct bpe_steps *steps = self;
    struct bpe_step *step = bpe_steps_add(steps, UNICODE, err);
    int code;

    if (!step)
        return HONE_EUNSUPPORTED;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(type, forms[i].type) == 0) {
            step->scheme = forms[i].options;
            return HONE_OK;
        }
    }
    if (strcmp(type, "Prepend") == 0) {
        step->kind = PREPEND;
        return bpe_step_content(step, json, "prepend", err);
    }
    if (strcmp(type, "Replace") == 0) {
        step->kind = REPLACE;
        code = bpe_step_pattern(step, json, err);
        return code == HONE_OK ? bpe_step_content(step, json, "content", err) : code;
    }
    if (strcmp(type, "Lowercase") == 0) {
        step->kind = LOWER;
        return HONE_OK;
    }
    if (strcmp(type, "StripAccents") == 0) { /* marks that stand by themselves */
        step->kind = REPLACE;
        step->content = hone_strdup("");
        if (!step->content)
            return hone_fail_memory(err, "a tokenizer's steps");
        return bpe_pattern_new(&step->pattern, "\\p{Mn}", false, err);
    }
    if (strcmp(type, "Strip") == 0) {
        step->kind = STRIP;
        step->left = bpe_step_flag(json, "strip_left", true);
        step->right = bpe_step_flag(json, "strip_right", true);
        return HONE_OK;
    }
    return hone_fail(err, HONE_EUNSUPPORTED,
                     "not supported (known: NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, "
                     "Strip, StripAccents, Sequence)");
}

int bpe_normalizer_read(struct bpe_steps *steps, const json_t *json, hone_error *err)
{
    return bpe_steps_read(steps, json, "normalizers", normalizer_step, "normalizer", err);
}

/* ---- at work ---- */

/* ASCII is its own normal form in all four. */
static bool normalizer_ascii(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

static int normalizer_unicode(struct bpe_step *step, const char *text, size_t n, hone_error *err)
{
    utf8proc_option_t options = (utf8proc_option_t)step->scheme;
    utf8proc_ssize_t size, length;
    utf8proc_int32_t *buffer = NULL;
    int code;

    size = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, NULL, 0,
                              options);
    if (size >= 0)
        buffer = hone_realloc(NULL, (size_t)size + 1, sizeof *buffer);
    if (!buffer)
        return hone_fail_memory(err, "normalizing a text");
    size = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, buffer, size,
                              options);
    length = utf8proc_reencode(buffer, size, options); /* in place */
    code = length < 0 ? hone_fail(err, HONE_EINVAL, "normalizing a text: %s",
                                  utf8proc_errmsg(length))
                      : hone_text_push(&step->buffer, (const char *)buffer, (size_t)length, err);
    hone_free(buffer);
    return code;
}

static int normalizer_lower(struct bpe_step *step, const char *text, size_t n, hone_error *err)
{
    int code = hone_text_push(&step->buffer, "", 0, err);
    size_t size;

    for (size_t i = 0; i < n && code == HONE_OK; i += size) {
        uint32_t c = utf8_read(text + i, &size);
        char lower[8];
        size_t count = utf8_write((uint32_t)utf8proc_tolower((utf8proc_int32_t)c), lower);

        if (c == 0x130) { /* the one capital whose small letter is two characters */
            memcpy(lower, "i\xcc\x87", 3);
            count = 3;
        }
        code = hone_text_push(&step->buffer, lower, count, err);
    }
    return code;
}

static int normalizer_strip(struct bpe_step *step, const char *text, size_t n, hone_error *err)
{
    size_t start = 0, size;

    while (step->left && start < n &&
           utf8_classify(utf8_read(text + start, &size)) == UTF8_SPACE)
        start += size;
    while (step->right && n > start &&
           utf8_classify(utf8_read(text + utf8_back(text, n), &size)) == UTF8_SPACE)
        n = utf8_back(text, n);
    return hone_text_push(&step->buffer, text + start, n - start, err);
}

static int normalizer_run(struct bpe_step *step, const char *text, size_t n, hone_error *err)
{
    int code;

    step->buffer.count = 0;
    switch (step->kind) {
    case PREPEND:
        code = hone_text_push(&step->buffer, step->content, step->content_size, err);
        return code == HONE_OK ? hone_text_push(&step->buffer, text, n, err) : code;
    case REPLACE:
        return bpe_step_replace(step, &step->buffer, text, n, err);
    case LOWER:
        return normalizer_lower(step, text, n, err);
    case STRIP:
        return normalizer_strip(step, text, n, err);
    default:
        return normalizer_unicode(step, text, n, err);
    }
}

int bpe_normalize(struct bpe_steps *steps, const char **text, size_t *n, hone_error *err)
{
    for (size_t i = 0; i < steps->count && *n > 0; i++) {
        struct bpe_step *step = &steps->items[i];
        int code;

        if (step->kind == UNICODE && normalizer_ascii(*text, *n))
            continue;
        code = normalizer_run(step, *text, *n, err);
        if (code != HONE_OK)
            return code;
        *text = step->buffer.bytes;
        *n = step->buffer.count;
    }
    return HONE_OK;
}
