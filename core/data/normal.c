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

/* Code points of the text, decomposed and folded, into n->points. */
static int normal_decompose(data_normaliser *n, utf8proc_ssize_t *count, hone_error *err)
{
    const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD;

    for (;;) {
        int32_t *points;
        *count = utf8proc_decompose((const utf8proc_uint8_t *)n->text.bytes,
                                    (utf8proc_ssize_t)n->text.count, n->points,
                                    (utf8proc_ssize_t)n->capacity, options);
        if (*count < 0 || (size_t)*count <= n->capacity)
            break;
        points = hone_realloc(n->points, (size_t)*count + 1024, sizeof *points);
        if (!points)
            return hone_fail_memory(err, "a normalised text");
        n->points = points;
        n->capacity = (size_t)*count + 1024;
    }
    if (*count >= 0)
        *count = utf8proc_normalize_utf32(n->points, *count, options);
    return HONE_OK;
}

/* Digest of the points, blanks joined and cut at the borders of parts. */
static void normal_digest(const int32_t *points, size_t count, data_normal *out)
{
    hone_sha256 sum;
    bool blank = false, start = true;

    hone_sha256_begin(&sum);
    for (size_t i = 0; i < count; i++) {
        utf8proc_uint8_t bytes[4];
        int32_t c = points[i];
        if (normal_is_blank(c)) {
            blank = true;
            continue;
        }
        if (blank && !start && c != NORMAL_BORDER) {
            hone_sha256_add(&sum, " ", 1);
            out->chars++;
        }
        hone_sha256_add(&sum, bytes, (size_t)utf8proc_encode_char(c, bytes));
        out->chars += c != NORMAL_BORDER;
        start = c == NORMAL_BORDER;
        blank = false;
    }
    hone_sha256_end(&sum, out->digest);
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
    if ((code = normal_gather(n, data, i, err)) || (code = normal_decompose(n, &count, err)))
        return code;
    if (count < 0) {
        code = hone_fail(err, HONE_EFORMAT, "%s", utf8proc_errmsg(count));
        data_fail_in(data, i, err);
        return code;
    }
    normal_digest(n->points, (size_t)count, out);
    return HONE_OK;
}

void data_normaliser_close(data_normaliser *n)
{
    hone_free(n->parts.items);
    hone_free(n->text.bytes);
    hone_free(n->points);
}
