/* words.h -- words and normal forms of UTF-8 texts, for the metrics of text.
 *
 * A word is a run of letters, marks and digits (Unicode categories L, M, N),
 * with apostrophes between two of them: "don't" is one word, "well-known" two.
 * Scripts that write no borders between words have one word a run. */
#ifndef METRIC_WORDS_H
#define METRIC_WORDS_H

#include <hone/base.h>

#include <string.h>
#include <utf8proc.h>

/* Bytes of the character at `at`, *point its code; 0 at the end, -1 where the
 * bytes are no UTF-8. */
static inline int words_point(const char *at, const char *end, int32_t *point)
{
    utf8proc_ssize_t n;

    if (at == end)
        return 0;
    n = utf8proc_iterate((const utf8proc_uint8_t *)at, end - at, point);
    return n > 0 ? (int)n : -1;
}

static inline bool words_is_part(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           (c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_NO);
}

static inline bool words_is_apostrophe(int32_t point)
{
    return point == '\'' || point == 0x2019;
}

/* The next word from *at: *word and *length, *at behind it. 1, or 0 without
 * one, or -1 at bytes that are no UTF-8. */
static inline int words_next(const char **at, const char *end, const char **word, size_t *length)
{
    int32_t point;
    int n;

    while ((n = words_point(*at, end, &point)) > 0 && !words_is_part(point))
        *at += n;
    if (n <= 0)
        return n;
    *word = *at;
    while ((n = words_point(*at, end, &point)) > 0) {
        int32_t after = 0;
        if (words_is_apostrophe(point) &&
            (words_point(*at + n, end, &after) <= 0 || !words_is_part(after)))
            break;
        if (!words_is_part(point) && !words_is_apostrophe(point))
            break;
        *at += n;
    }
    *length = (size_t)(*at - *word);
    return n < 0 ? -1 : 1;
}

/* A text in Unicode normal form C, case folded where asked; the caller frees
 * *out. HONE_EFORMAT where it is no UTF-8. */
static inline int words_normal(char **out, const char *text, bool fold, hone_error *err)
{
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE | (fold ? UTF8PROC_CASEFOLD : 0);
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t length = (utf8proc_ssize_t)strlen(text);
    utf8proc_ssize_t n = utf8proc_decompose(bytes, length, NULL, 0, options);
    utf8proc_int32_t *points;

    *out = NULL;
    if (n < 0)
        return hone_fail(err, HONE_EFORMAT, "a text that is not valid UTF-8");
    /* Re-encoded in place, behind a NUL: no code takes more than its 4 bytes. */
    points = hone_alloc((size_t)n + 1, sizeof *points);
    if (!points)
        return hone_fail_memory(err, "a text");
    utf8proc_decompose(bytes, length, points, n, options);
    utf8proc_reencode(points, n, options);
    *out = (char *)points;
    return HONE_OK;
}

#endif
