/* utf8.h -- characters in bytes that are known to be UTF-8, and the check
 * that makes them known. */
#ifndef BPE_UTF8_H
#define BPE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Offset of the first byte of text[0..n) that begins no character, or n. */
size_t utf8_check(const char *text, size_t n);
/* Classes of characters by Unicode's general category. */
enum utf8_class { UTF8_OTHER, UTF8_LETTER, UTF8_NUMBER, UTF8_SPACE };
enum utf8_class utf8_classify(uint32_t c);
/* What \w means: letters, marks, digits, connectors. */
int utf8_word(uint32_t c);
size_t utf8_write(uint32_t c, char out[4]);

static inline size_t utf8_size(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* The character at s and its size. */
static inline uint32_t utf8_read(const char *s, size_t *size)
{
    const unsigned char *u = (const unsigned char *)s;

    switch (*size = utf8_size(*s)) {
    case 1:
        return u[0];
    case 2:
        return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    case 3:
        return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    default:
        return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 |
               (u[3] & 0x3fu);
    }
}

/* Where the character that ends before `at` > 0 begins. */
static inline size_t utf8_back(const char *s, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80);
    return at;
}

#endif
