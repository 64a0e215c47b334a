/* base.h -- what every header needs: export marks, error codes, errors, memory.
 *
 * Functions that can fail return HONE_OK (0) or a negative code and describe
 * the failure in a hone_error owned by the caller, always the last argument,
 * which may be NULL. Library code never aborts, exits or prints. */
#ifndef HONE_BASE_H
#define HONE_BASE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined __GNUC__
#define HONE_API __attribute__((visibility("default")))
#define HONE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define HONE_API
#define HONE_PRINTF(fmt, args)
#endif

enum {
    HONE_OK = 0,
    HONE_EINVAL = -1,       /* an argument or option is wrong */
    HONE_ENOMEM = -2,       /* out of memory */
    HONE_EIO = -3,          /* the system refused a read or a write */
    HONE_EFORMAT = -4,      /* foreign bytes are not what they claim to be */
    HONE_ENOTFOUND = -5,    /* no such file, plugin, option, tensor, column */
    HONE_EUNSUPPORTED = -6, /* understood, but not honoured here */
    HONE_EABI = -7,         /* a plugin built against another hone */
    HONE_ESTATE = -8,       /* not possible now: the step is over, no cache */
    HONE_ENUMERIC = -9,     /* NaN or infinity where a number must be */
    HONE_EINTERRUPTED = -10 /* stopped by a signal or the caller */
};

#define HONE_ERROR_MAX 1024

/* A failure: its code and one line for a person. Frozen layout. Start with
 * `hone_error err = {0};`. */
typedef struct hone_error {
    int code;
    char message[HONE_ERROR_MAX];
} hone_error;

/* Write `code` and the message into err (which may be NULL); return code. Say
 * what failed, the value seen and the value allowed. */
HONE_API int hone_fail(hone_error *err, int code, const char *fmt, ...) HONE_PRINTF(3, 4);

/* Put "context: " before the message that err holds; return its code. Callers
 * add context outward: "model.safetensors: header: offset 12 overlaps". */
HONE_API int hone_fail_in(hone_error *err, const char *fmt, ...) HONE_PRINTF(2, 3);

/* A name for an error code: "invalid", "memory", "format", ... */
HONE_API const char *hone_error_name(int code);

/* All of hone's own allocations. Zeroed memory of count * size bytes; NULL
 * when the product overflows, memory is short, or hone_alloc_fail_after says
 * so. hone_free(NULL) is fine. hone_realloc zeroes nothing. */
HONE_API void *hone_alloc(size_t count, size_t size);
HONE_API void *hone_realloc(void *p, size_t count, size_t size);
HONE_API void hone_free(void *p);
HONE_API char *hone_strdup(const char *s);
HONE_API char *hone_strndup(const char *s, size_t n);
/* A formatted string, to be freed with hone_free; NULL when memory is short. */
HONE_API char *hone_format(const char *fmt, ...) HONE_PRINTF(1, 2);
HONE_API char *hone_vformat(const char *fmt, va_list args) HONE_PRINTF(1, 0);

/* hone_fail for a NULL from hone_alloc; `what` names the thing allocated. */
HONE_API int hone_fail_memory(hone_error *err, const char *what);

/* For tests: the nth allocation from now (1 = the next) fails, and so does
 * every later one until hone_alloc_fail_after(0). Counts across threads. */
HONE_API void hone_alloc_fail_after(uint64_t n);
/* Allocations made and not yet freed, bytes not counted. */
HONE_API int64_t hone_alloc_live(void);

/* The version of the library, "0.1.0". */
HONE_API const char *hone_version(void);

#endif
