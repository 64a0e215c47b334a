/* names.h -- texts numbered in the order in which they were first seen. */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include <hone/base.h>

typedef struct hone_names {
    size_t count, capacity;
    char **texts;
    size_t slots;      /* of the table: a power of two, over 4/3 of count; or 0 */
    uint32_t *table;   /* number + 1, 0: free */
} hone_names;

/* -1: not there. */
int64_t hone_names_find(const hone_names *names, const char *text);
/* The number of a text, added where it is new. What is no UTF-8, or empty, is
 * refused: names go into JSON. */
int hone_names_add(hone_names *names, const char *text, int32_t *number, hone_error *err);
void hone_names_free(hone_names *names);

#endif
