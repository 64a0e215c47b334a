/* decoder.c -- what tokens decode to.
 *
 * Decoders in tokenizer.json work on the list of all tokens, but those known
 * here come down to this: each token is turned into bytes by itself, these are
 * concatenated, and a space in front of the whole may go. So every token's
 * bytes are found once, when a model is loaded; a decoder that is more (a
 * Strip at the end, a Replace across tokens) is refused. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

enum { BYTE_LEVEL, BYTE_FALLBACK, REPLACE, STRIP, METASPACE, JOIN };

struct reader {
    struct bpe_decoder *decoder;
    bool fused;
};

/* Drop up to `start` times the character in front, up to `stop` times behind. */
static int decoder_read_strip(struct reader *reader, const json_t *json, hone_error *err)
{
    struct bpe_decoder *d = reader->decoder;
    json_int_t start = json_integer_value(json_object_get(json, "start"));
    json_int_t stop = json_integer_value(json_object_get(json, "stop"));
    struct bpe_step *step = bpe_steps_add(&d->steps, STRIP, err);
    int code = step ? bpe_step_from(step, json, "content", NULL, err) : HONE_EUNSUPPORTED;

    if (code != HONE_OK)
        return code;
    if (start < 0 || stop < 0 || start > 1 || stop > 1 || (reader->fused && stop != 0) ||
        d->strip_size)
        return hone_fail(err, HONE_EUNSUPPORTED, "start %lld and stop %lld are not supported here",
                         (long long)start, (long long)stop);
    step->left = start && !reader->fused;
    step->right = stop;
    if (start && reader->fused) {
        memcpy(d->strip, step->from, step->from_size);
        d->strip_size = step->from_size;
    }
    return HONE_OK;
}

static int decoder_step(void *self, const json_t *json, const char *type, hone_error *err)
{
    struct reader *reader = self;
    struct bpe_steps *steps = &reader->decoder->steps;
    struct bpe_step *step;
    int code;

    if (strcmp(type, "Fuse") == 0) {
        reader->fused = true;
        return HONE_OK;
    }
    if (strcmp(type, "Strip") == 0)
        return decoder_read_strip(reader, json, err);
    if (reader->fused)
        return hone_fail(err, HONE_EUNSUPPORTED, "a step after Fuse (allowed: Strip)");
    step = bpe_steps_add(steps, BYTE_LEVEL, err);
    if (!step)
        return HONE_EUNSUPPORTED;
    if (strcmp(type, "ByteLevel") == 0) {
        reader->fused = true; /* it joins all tokens */
        return HONE_OK;
    }
    if (strcmp(type, "ByteFallback") == 0) {
        step->kind = BYTE_FALLBACK;
        return HONE_OK;
    }
    if (strcmp(type, "Replace") == 0) {
        step->kind = REPLACE;
        code = bpe_step_pattern(step, json, err);
        return code == HONE_OK ? bpe_step_content(step, json, "content", err) : code;
    }
    if (strcmp(type, "Metaspace") == 0) {
        const char *scheme = json_string_value(json_object_get(json, "prepend_scheme"));

        step->kind = METASPACE;
        step->left = scheme ? strcmp(scheme, "never") != 0
                            : bpe_step_flag(json, "add_prefix_space", true);
        return bpe_step_from(step, json, "replacement", "\xe2\x96\x81", err);
    }
    return hone_fail(err, HONE_EUNSUPPORTED,
                     "not supported (known: ByteLevel, ByteFallback, Replace, Fuse, Strip, "
                     "Metaspace, Sequence)");
}

int bpe_decoder_read(struct bpe_decoder *d, const json_t *json, hone_error *err)
{
    struct reader reader = { d, false };
    int code;

    if (!json || json_is_null(json)) /* tokens with spaces between */
        return bpe_steps_add(&d->steps, JOIN, err) ? HONE_OK : HONE_EUNSUPPORTED;
    code = bpe_steps_read(&reader, json, "decoders", decoder_step, "decoder", err);
    d->bytes = d->steps.count == 1 && d->steps.items[0].kind == BYTE_LEVEL;
    return code;
}

/* ---- at work ---- */

static int decoder_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10
         : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "<0xE2>" names, or -1. */
static int decoder_byte(const char *text, size_t n)
{
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || decoder_hex(text[3]) < 0 ||
        decoder_hex(text[4]) < 0)
        return -1;
    return 16 * decoder_hex(text[3]) + decoder_hex(text[4]);
}

static bool decoder_is(const struct bpe_step *step, const char *text, size_t n)
{
    return n >= step->from_size && memcmp(text, step->from, step->from_size) == 0;
}

static int decoder_marks(struct bpe_step *step, hone_text *out, const char *text, size_t n,
                         bool first, hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0, size; i < n && code == HONE_OK; i += size) {
        size = decoder_is(step, text + i, n - i) ? step->from_size : utf8_size(text[i]);
        if (!decoder_is(step, text + i, n - i))
            code = hone_text_push(out, text + i, size < n - i ? size : n - i, err);
        else if (!(first && step->left))
            code = hone_text_push(out, " ", 1, err);
    }
    return code;
}

static int decoder_run(struct bpe_step *step, hone_text *out, const char *text, size_t n,
                       bool first, hone_error *err)
{
    bool literal;
    int byte, code;

    switch (step->kind) {
    case BYTE_LEVEL:
        code = bpe_unspell(out, text, n, &literal, err);
        return code == HONE_OK && literal ? hone_text_push(out, text, n, err) : code;
    case BYTE_FALLBACK:
        byte = decoder_byte(text, n);
        return byte < 0 ? hone_text_push(out, text, n, err)
                        : hone_text_push(out, &(char){ (char)byte }, 1, err);
    case REPLACE:
        return bpe_step_replace(step, out, text, n, err);
    case METASPACE:
        return decoder_marks(step, out, text, n, first, err);
    case STRIP:
        if (step->left && decoder_is(step, text, n)) {
            text += step->from_size;
            n -= step->from_size;
        }
        if (step->right && n >= step->from_size &&
            decoder_is(step, text + n - step->from_size, step->from_size))
            n -= step->from_size;
        return hone_text_push(out, text, n, err);
    default:
        code = hone_text_push(out, " ", !first, err);
        return code == HONE_OK ? hone_text_push(out, text, n, err) : code;
    }
}

int bpe_decoder_token(struct bpe_decoder *d, hone_text *out, const char *text, size_t n,
                      bool first, hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0; i < d->steps.count && code == HONE_OK; i++) {
        struct bpe_step *step = &d->steps.items[i];

        /* What comes behind a byte by itself may not be read as characters. */
        if (step->kind != BYTE_FALLBACK && n > 0 && utf8_check(text, n) < n)
            break;
        step->buffer.count = 0;
        code = hone_text_push(&step->buffer, "", 0, err);
        if (code == HONE_OK)
            code = decoder_run(step, &step->buffer, text, n, first, err);
        text = step->buffer.bytes;
        n = step->buffer.count;
    }
    if (code == HONE_OK && first && n >= d->strip_size &&
        memcmp(text, d->strip, d->strip_size) == 0) {
        text += d->strip_size;
        n -= d->strip_size;
    }
    return code == HONE_OK ? hone_text_push(out, text, n, err) : code;
}
