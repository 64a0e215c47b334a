/* text.c -- see text.h. */
#include "text.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

/* The C locale is a constant of the C library: newlocale allocates nothing. */
locale_t hone_locale_enter(void)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

    return uselocale(c);
}

void hone_locale_leave(locale_t before)
{
    locale_t c = uselocale(before);

    if (c != before && c != LC_GLOBAL_LOCALE)
        freelocale(c);
}

int hone_vprint(char *buf, size_t n, const char *fmt, va_list args)
{
    locale_t before = hone_locale_enter();
    int length = vsnprintf(buf, n, fmt, args);

    hone_locale_leave(before);
    return length;
}

int hone_print(char *buf, size_t n, const char *fmt, ...)
{
    va_list args;
    int length;

    va_start(args, fmt);
    length = hone_vprint(buf, n, fmt, args);
    va_end(args);
    return length;
}

double hone_strtod(const char *text, char **end)
{
    locale_t before = hone_locale_enter();
    double value = strtod(text, end);

    hone_locale_leave(before);
    return value;
}

const char *hone_print_real(char buf[HONE_REAL_MAX], double value)
{
    locale_t before = hone_locale_enter();
    bool subnormal = value > -DBL_MIN && value < DBL_MIN; /* fewer bits: fewer digits */

    for (int digits = subnormal ? 1 : 15; digits <= 17; digits++) {
        snprintf(buf, HONE_REAL_MAX, "%.*g", digits, value);
        if (strtod(buf, NULL) == value)
            break;
    }
    hone_locale_leave(before);
    return buf;
}

char *hone_path_expand(const char *path)
{
    const char *home = getenv("HOME");

    if (*path == '~' && (!path[1] || path[1] == '/') && home)
        return hone_format("%s%s", home, path + 1);
    return hone_strdup(path);
}

size_t hone_utf8_incomplete(const char *bytes, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)bytes[n - back];
        size_t needs = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;

        if (c >= 0xC0)
            return needs > back ? back : 0;
        if (c < 0x80)
            return 0;
    }
    return 0;
}
