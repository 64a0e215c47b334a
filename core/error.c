/* error.c -- errors: a code, and one message for a person (see <hone/base.h>). */
#include "text.h"

#include <string.h>

/* What stands in a message may come from foreign bytes: a terminal must not
 * obey it, and a cut must not leave half a character. */
static void error_clean(char *message)
{
    size_t n = strlen(message);

    if (n == HONE_ERROR_MAX - 1)
        message[n - hone_utf8_incomplete(message, n)] = '\0';
    for (unsigned char *c = (unsigned char *)message; *c; c++)
        if ((*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7F)
            *c = '?';
}

int hone_fail(hone_error *err, int code, const char *fmt, ...)
{
    char message[HONE_ERROR_MAX];
    va_list args;

    if (!err)
        return code;
    /* Not straight into err: an argument may be its message. */
    va_start(args, fmt);
    if (hone_vprint(message, sizeof message, fmt, args) < 0)
        strcpy(message, "(the message could not be formatted)");
    va_end(args);
    error_clean(message);
    err->code = code;
    memcpy(err->message, message, strlen(message) + 1);
    return code;
}

/* Where both do not fit, the middle goes: the message ends with the cause. */
static int error_join(hone_error *err, char *context)
{
    size_t outer = strlen(context), inner = strlen(err->message), half = HONE_ERROR_MAX / 2;
    const char *tail = err->message;

    if (outer + inner + 2 < HONE_ERROR_MAX)
        return hone_fail(err, err->code, "%s: %s", context, err->message);
    if (outer > half) {
        context[half - hone_utf8_incomplete(context, half)] = '\0';
        outer = strlen(context);
    }
    if (inner + outer + 7 >= HONE_ERROR_MAX)
        tail += inner + outer + 7 - HONE_ERROR_MAX;
    while ((*tail & 0xC0) == 0x80)
        tail++; /* not from the midst of a character */
    return hone_fail(err, err->code, "%s: ...%s", context, tail);
}

int hone_fail_in(hone_error *err, const char *fmt, ...)
{
    char context[HONE_ERROR_MAX];
    va_list args;

    if (!err)
        return HONE_EINVAL;
    va_start(args, fmt);
    if (hone_vprint(context, sizeof context, fmt, args) < 0)
        context[0] = '\0';
    va_end(args);
    return error_join(err, context);
}

int hone_fail_memory(hone_error *err, const char *what)
{
    return hone_fail(err, HONE_ENOMEM, "out of memory for %s", what);
}

const char *hone_error_name(int code)
{
    static const char *const names[] = {
        "ok", "invalid", "memory", "io", "format", "not found", "unsupported", "abi", "state",
        "numeric", "interrupted",
    };
    size_t i = (size_t)-(int64_t)code;

    return i < sizeof names / sizeof names[0] ? names[i] : "unknown";
}
