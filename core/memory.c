/* memory.c -- hone's allocations: counted, and failing when a test says so.
 *
 * The counters belong to the process, like the heap they watch. */
#include "text.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int_fast64_t live;
static atomic_uint_fast64_t fail_in; /* 0: never; 1: the next one, and all later ones */

static bool memory_refused(size_t count, size_t size)
{
    uint_fast64_t n = atomic_load_explicit(&fail_in, memory_order_relaxed);

    while (n > 1 && !atomic_compare_exchange_weak(&fail_in, &n, n - 1))
        ;
    return n == 1 || (size && count > (size_t)PTRDIFF_MAX / size);
}

static void *memory_counted(void *p)
{
    if (p)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return p;
}

/* Nothing is one byte, so that NULL always means failure. */
static size_t memory_bytes(size_t count, size_t size)
{
    return count && size ? count * size : 1;
}

void *hone_alloc(size_t count, size_t size)
{
    return memory_refused(count, size) ? NULL
                                       : memory_counted(calloc(1, memory_bytes(count, size)));
}

void *hone_realloc(void *p, size_t count, size_t size)
{
    void *moved;

    if (memory_refused(count, size))
        return NULL;
    moved = realloc(p, memory_bytes(count, size));
    return p ? moved : memory_counted(moved);
}

void hone_free(void *p)
{
    if (p)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(p);
}

char *hone_strndup(const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    char *copy = hone_alloc(length + 1, 1);

    if (copy)
        memcpy(copy, s, length);
    return copy;
}

char *hone_strdup(const char *s)
{
    return hone_strndup(s, strlen(s));
}

char *hone_vformat(const char *fmt, va_list args)
{
    va_list again;
    char *text = NULL;
    int n;

    va_copy(again, args);
    n = hone_vprint(NULL, 0, fmt, args);
    if (n >= 0 && (text = hone_alloc((size_t)n + 1, 1)))
        hone_vprint(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

char *hone_format(const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = hone_vformat(fmt, args);
    va_end(args);
    return text;
}

void hone_alloc_fail_after(uint64_t n)
{
    atomic_store(&fail_in, n);
}

int64_t hone_alloc_live(void)
{
    return atomic_load(&live);
}
