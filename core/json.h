/* json.h -- what the readers of JSON share. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <jansson.h>
#include <stdbool.h>

/* Whether jansson refused the text for want of memory. It then says nothing at
 * all, or that a string, of which it says all else that can be wrong, is none. */
bool hone_json_short(const char *text, const json_error_t *why);

#endif
