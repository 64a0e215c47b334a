/* normal.c -- see normal.h.
 *
 * Unicode Standard Annex 15 (NFKC) and the full case folding of chapter 3.13,
 * by utf8proc. U+001F, no blank, stands between two parts: a border between
 * prompt and answer is no blank within either. */
#include "normal.h"

#include "../sha256.h"

#include <string.h>
#include <utf8proc.h>

#define NORMAL_BORDER 0x1f

static bool normal_is_blank(int32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS ||
           c == 0x2028 || c == 0x2029;
}

static int normal_reserve(data_normaliser *n, size_t count, hone_error *err)
{
    int32_t *points;

    if (count <= n->capacity)
        return HONE_OK;
    if (!(points = hone_realloc(n->points, count + 1024, sizeof *points)))
        return hone_fail_memory(err, "a normalised text");
    n->points = points;
    n->capacity = count + 1024;
    return HONE_OK;
}

/* Fold ASCII, which is its own NFKC, into n->points; false where text is not. */
static bool normal_ascii(data_normaliser *n)
{
    for (size_t i = 0; i < n->text.count; i++) {
        unsigned char c = (unsigned char)n->text.bytes[i];
        if (c >= 0x80)
            return false;
        n->points[i] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    }
    return true;
}

/* Code points of the text, normalised and folded, in n->points; *count is
 * negative where it is no UTF-8. */
static int normal_fold(data_normaliser *n, utf8proc_ssize_t *count, hone_error *err)
{
    const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD;
    int code = normal_reserve(n, n->text.count, err);

    if (code)
        return code;
    *count = (utf8proc_ssize_t)n->text.count;
    if (normal_ascii(n))
        return HONE_OK;
    do {
        *count = utf8proc_decompose((const utf8proc_uint8_t *)n->text.bytes,
                                    (utf8proc_ssize_t)n->text.count, n->points,
                                    (utf8proc_ssize_t)n->capacity, options);
        if (*count < 0)
            return HONE_OK;
        if ((size_t)*count <= n->capacity)
            break;
    } while (!(code = normal_reserve(n, (size_t)*count, err)));
    if (!code)
        *count = utf8proc_normalize_utf32(n->points, *count, options);
    return code;
}

/* Digest of the points, blanks joined, and cut at the borders of parts. */
static int normal_digest(data_normaliser *n, size_t count, data_normal *out, hone_error *err)
{
    bool blank = false, start = true;
    hone_sha256 sum;
    int code = HONE_OK;

    n->folded.count = 0;
    for (size_t i = 0; !code && i < count; i++) {
        utf8proc_uint8_t bytes[5] = " ", *at = bytes;
        int32_t c = n->points[i];
        if (normal_is_blank(c)) {
            blank = true;
            continue;
        }
        at += blank && !start && c != NORMAL_BORDER;
        out->chars += (size_t)(at - bytes) + (c != NORMAL_BORDER);
        at += utf8proc_encode_char(c, at);
        code = hone_text_push(&n->folded, (const char *)bytes, (size_t)(at - bytes), err);
        start = c == NORMAL_BORDER;
        blank = false;
    }
    hone_sha256_begin(&sum);
    hone_sha256_add(&sum, n->folded.bytes, n->folded.count);
    hone_sha256_end(&sum, out->digest);
    return code;
}

static int normal_gather(data_normaliser *n, const hone_data *data, size_t i, hone_error *err)
{
    const json_t *row = data->rows[i].json;
    int code = HONE_OK;

    n->text.count = 0;
    if (data_format_of(row) == DATA_NONE) {
        char *text = hone_json_text(row);
        if (!text)
            return hone_fail_memory(err, "a row's text");
        code = hone_text_push(&n->text, text, strlen(text), err);
        hone_free(text);
        return code;
    }
    for (size_t k = 0; k < data_instances(row); k++) {
        if ((code = data_parts_read(&n->parts, data, i, k, err)))
            return code;
        for (size_t p = 0; p < n->parts.count; p++) {
            const char *text = n->parts.items[p].text;
            if ((code = hone_text_push(&n->text, text, strlen(text), err)) ||
                (code = hone_text_push(&n->text, "\x1f", 1, err)))
                return code;
        }
    }
    return HONE_OK;
}

int data_normalise(data_normaliser *n, const hone_data *data, size_t i, data_normal *out,
                   hone_error *err)
{
    utf8proc_ssize_t count;
    int code;

    *out = (data_normal){ .chars = 0 };
    if ((code = normal_gather(n, data, i, err)) || (code = normal_fold(n, &count, err)))
        return code;
    if (count < 0) {
        code = hone_fail(err, HONE_EFORMAT, "%s", utf8proc_errmsg(count));
        data_fail_in(data, i, err);
        return code;
    }
    return normal_digest(n, (size_t)count, out, err);
}

int data_normalise_text(data_normaliser *n, const char *text, size_t bytes, data_normal *out,
                        hone_error *err)
{
    utf8proc_ssize_t count;
    int code;

    *out = (data_normal){ .chars = 0 };
    n->text.count = 0;
    if ((code = hone_text_push(&n->text, text, bytes, err)) || (code = normal_fold(n, &count, err)))
        return code;
    if (count < 0)
        return hone_fail(err, HONE_EFORMAT, "%s", utf8proc_errmsg(count));
    return normal_digest(n, (size_t)count, out, err);
}

void data_normaliser_close(data_normaliser *n)
{
    hone_free(n->parts.items);
    hone_free(n->text.bytes);
    hone_free(n->folded.bytes);
    hone_free(n->points);
}
