/* names.c -- see names.h. Open addressing with linear probing over FNV-1a. */
#include "names.h"

#include <string.h>
#include <utf8proc.h>

static size_t names_slot(const hone_names *names, const char *text)
{
    uint64_t hash = 14695981039346656037u;
    size_t at;

    for (const char *p = text; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    hash ^= hash >> 32;
    for (at = (size_t)hash & (names->slots - 1); names->table[at]; at = (at + 1) & (names->slots - 1))
        if (strcmp(names->texts[names->table[at] - 1], text) == 0)
            break;
    return at;
}

int64_t hone_names_find(const hone_names *names, const char *text)
{
    return names->slots ? (int64_t)names->table[names_slot(names, text)] - 1 : -1;
}

static int names_grow(hone_names *names, hone_error *err)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? 2 * names->capacity : 16;
        char **texts = hone_realloc(names->texts, capacity, sizeof *texts);
        if (!texts)
            return hone_fail_memory(err, "names");
        names->texts = texts;
        names->capacity = capacity;
    }
    if (names->count + 1 > names->slots / 4 * 3) {
        size_t slots = names->slots ? 2 * names->slots : 32;
        uint32_t *table = hone_alloc(slots, sizeof *table);
        if (!table)
            return hone_fail_memory(err, "names");
        hone_free(names->table);
        names->table = table;
        names->slots = slots;
        for (size_t i = 0; i < names->count; i++)
            table[names_slot(names, names->texts[i])] = (uint32_t)i + 1;
    }
    return HONE_OK;
}

static bool names_is_utf8(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text), step;
    utf8proc_int32_t point;

    for (; left > 0; at += step, left -= step) {
        step = utf8proc_iterate(at, left, &point);
        if (step <= 0)
            return false;
    }
    return true;
}

int hone_names_add(hone_names *names, const char *text, int32_t *number, hone_error *err)
{
    int64_t found = hone_names_find(names, text);
    int code;

    if (found >= 0) {
        *number = (int32_t)found;
        return HONE_OK;
    }
    if (!*text)
        return hone_fail(err, HONE_EINVAL, "an empty name");
    if (!names_is_utf8(text))
        return hone_fail(err, HONE_EINVAL, "a name that is not valid UTF-8");
    if (names->count >= INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "over %d names", INT32_MAX);
    code = names_grow(names, err);
    if (code)
        return code;
    names->texts[names->count] = hone_strdup(text);
    if (!names->texts[names->count])
        return hone_fail_memory(err, "names");
    *number = (int32_t)names->count++;
    names->table[names_slot(names, text)] = (uint32_t)*number + 1;
    return HONE_OK;
}

void hone_names_free(hone_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        hone_free(names->texts[i]);
    hone_free(names->texts);
    hone_free(names->table);
    *names = (hone_names){0};
}
