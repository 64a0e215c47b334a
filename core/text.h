/* text.h -- formatting and parsing that the locale has no say in. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <hone/base.h>
#include <locale.h>

/* snprintf and vsnprintf with a point in numbers, whatever the locale. */
int hone_print(char *buf, size_t n, const char *fmt, ...) HONE_PRINTF(3, 4);
int hone_vprint(char *buf, size_t n, const char *fmt, va_list args) HONE_PRINTF(3, 0);

enum { HONE_REAL_MAX = 48 };
/* The shortest text that reads back as this number: "0.1", "1e-05". */
const char *hone_print_real(char buf[HONE_REAL_MAX], double value);

/* strtod with a point, whatever the locale. */
double hone_strtod(const char *text, char **end);

/* Run what lies between in the C locale (this thread only). */
locale_t hone_locale_enter(void);
void hone_locale_leave(locale_t before);

/* The path with a leading ~ replaced by the user's home; NULL: no memory. */
char *hone_path_expand(const char *path);

/* Bytes at the end of bytes[0..n) that begin a UTF-8 character and lack its rest. */
size_t hone_utf8_incomplete(const char *bytes, size_t n);

#endif
