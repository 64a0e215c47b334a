/* json.h -- JSON values, as options, dataset rows and model configurations.
 *
 * A hone_json is a jansson value (json_t): code that wants more than these
 * functions includes <jansson.h> and uses the same pointers. Values are
 * reference-counted by jansson; a function here says when it hands one out. */
#ifndef HONE_JSON_H
#define HONE_JSON_H

#include <hone/base.h>

typedef struct json_t hone_json;

/* Parse n bytes of text (strict JSON, UTF-8, no duplicate keys, nesting at
 * most 512). `where` names the source in messages: "config.json: line 3,
 * column 7: ...". **out is owned by the caller (hone_json_free). */
HONE_API int hone_json_parse(hone_json **out, const char *text, size_t n, const char *where,
                             hone_error *err);
/* The same from a file. A file over 1 GiB is refused. */
HONE_API int hone_json_read(hone_json **out, const char *path, hone_error *err);
/* Compact, keys in order of insertion; free with hone_free. NULL: no memory. */
HONE_API char *hone_json_text(const hone_json *json);
/* Write to `path` through a temporary file, synced and renamed; indented. */
HONE_API int hone_json_write(const hone_json *json, const char *path, hone_error *err);

HONE_API hone_json *hone_json_ref(const hone_json *json);
HONE_API void hone_json_free(hone_json *json);
/* A copy, of its members too when `deep`; owned by the caller. NULL: no memory.
 * (jansson's own copies then lack what found no room, and nobody is told.) */
HONE_API hone_json *hone_json_copy(const hone_json *json, bool deep);

/* Borrowed member of an object by key; NULL when absent or not an object. */
HONE_API const hone_json *hone_json_get(const hone_json *json, const char *key);
/* Borrowed text of a string value, else NULL. */
HONE_API const char *hone_json_string(const hone_json *json);
/* "null", "true", "integer", "number", "string", "array", "object". */
HONE_API const char *hone_json_type(const hone_json *json);

#endif
