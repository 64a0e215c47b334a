/* json.c -- JSON values in: parsing, reading, looking (see <hone/json.h>).
 *
 * jansson does the work; a first pass over the text limits the nesting and
 * finds integers past 64 bits, which are read as numbers with a point: foreign
 * files hold them (int(1e30) as "no limit"). */
#include "file.h"
#include "json.h"
#include "text.h"

#include <hone/json.h>
#include <jansson.h>
#include <string.h>

enum { JSON_DEPTH = 512 };
#define JSON_FILE_MAX ((size_t)1 << 30)

struct scan {
    const char *text, *where;
    size_t n, depth;
    size_t wide; /* integers of more than 18 digits */
};

static int json_fail_at(const char *where, int line, int column, const char *message,
                        hone_error *err)
{
    if (where)
        return hone_fail(err, HONE_EFORMAT, "%s: line %d, column %d: %s", where, line, column,
                         message);
    return hone_fail(err, HONE_EFORMAT, "line %d, column %d: %s", line, column, message);
}

static int json_too_deep(const struct scan *s, size_t at, hone_error *err)
{
    char message[64];
    int line = 1, column = 1;

    for (size_t i = 0; i < at; i++) {
        column = s->text[i] == '\n' ? 1 : column + 1;
        line += s->text[i] == '\n';
    }
    hone_print(message, sizeof message, "nested too deep (allowed: %d)", JSON_DEPTH);
    return json_fail_at(s->where, line, column, message, err);
}

static size_t json_skip_string(const char *text, size_t n, size_t i)
{
    for (i++; i < n && text[i] != '"'; i++)
        i += text[i] == '\\';
    return i < n ? i : n - 1;
}

/* The end of the number that begins at i; *wide: an integer of 19 digits or more. */
static size_t json_skip_number(const char *text, size_t n, size_t i, bool *wide)
{
    size_t start = i += text[i] == '-';

    while (i < n && text[i] >= '0' && text[i] <= '9')
        i++;
    *wide = i - start > 18;
    if (i < n && (text[i] == '.' || text[i] == 'e' || text[i] == 'E'))
        *wide = false;
    while (i < n && strchr("0123456789.eE+-", text[i]) && text[i])
        i++;
    return i;
}

static int json_scan(struct scan *s, hone_error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        char c = s->text[i];
        bool wide;

        if (c == '"') {
            i = json_skip_string(s->text, s->n, i);
        } else if (c == '[' || c == '{') {
            if (++s->depth > JSON_DEPTH)
                return json_too_deep(s, i, err);
        } else if (c == ']' || c == '}') {
            s->depth -= s->depth > 0;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            i = json_skip_number(s->text, s->n, i, &wide) - 1;
            s->wide += wide;
        }
    }
    return HONE_OK;
}

/* Whether the digits stand for an integer past 64 bits. */
static bool json_overflows(const char *digits, size_t n)
{
    static const char *const limits[] = { "9223372036854775807", "9223372036854775808" };
    bool negative = *digits == '-';

    digits += negative;
    n -= negative;
    return n > 19 || (n == 19 && memcmp(digits, limits[negative], 19) > 0);
}

/* A copy of the text in which such integers are written with an exponent. */
static char *json_widen(const struct scan *s, size_t *n)
{
    char *out = hone_alloc(s->n + 2 * s->wide + 1, 1);
    size_t count = 0;

    for (size_t i = 0, end; out && i < s->n; i = end) {
        char c = s->text[i];
        bool wide = false;

        end = i + 1;
        if (c == '"')
            end = json_skip_string(s->text, s->n, i) + 1;
        else if (c == '-' || (c >= '0' && c <= '9'))
            end = json_skip_number(s->text, s->n, i, &wide);
        memcpy(out + count, s->text + i, end - i);
        count += end - i;
        if (wide && json_overflows(s->text + i, end - i)) {
            memcpy(out + count, "e0", 2);
            count += 2;
        }
    }
    *n = count;
    return out;
}

/* jansson's words where they would puzzle. */
static const char *json_message(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "the character U+0000 is not supported in texts";
    case json_error_premature_end_of_input:
        return "the text ends too early";
    default:
        return error->text;
    }
}

bool hone_json_short(const char *text, const json_error_t *why)
{
    static const char *const said[] = { "invalid token", "string or '}' expected" };

    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (strncmp(why->text, said[i], strlen(said[i])) == 0)
            return why->position > 0 && text[why->position - 1] == '"';
    return json_error_code(why) == json_error_out_of_memory || !why->text[0];
}

int hone_json_parse(hone_json **out, const char *text, size_t n, const char *where,
                    hone_error *err)
{
    struct scan s = { .text = text, .where = where, .n = n };
    char *wide = NULL;
    json_error_t error;
    int code;

    *out = NULL;
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        s.text += 3, s.n -= 3; /* a byte order mark */
    if ((code = json_scan(&s, err)) != HONE_OK)
        return code;
    if (s.wide) {
        if (!(wide = json_widen(&s, &s.n)))
            return hone_fail_memory(err, where ? where : "JSON");
        s.text = wide;
    }
    *out = json_loadb(s.text, s.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (*out)
        code = HONE_OK;
    else if (hone_json_short(s.text, &error))
        code = hone_fail_memory(err, where ? where : "JSON");
    else
        code = json_fail_at(where, error.line, error.column, json_message(&error), err);
    hone_free(wide);
    return code;
}

int hone_json_read(hone_json **out, const char *path, hone_error *err)
{
    char *text;
    size_t n;
    int code;

    *out = NULL;
    if ((code = hone_file_read(&text, &n, path, JSON_FILE_MAX, err)) != HONE_OK)
        return code;
    code = hone_json_parse(out, text, n, path, err);
    hone_free(text);
    return code;
}

hone_json *hone_json_ref(const hone_json *json)
{
    return json_incref((json_t *)json);
}

void hone_json_free(hone_json *json)
{
    json_decref(json);
}

hone_json *hone_json_copy(const hone_json *json, bool deep)
{
    json_t *copy = deep ? json_deep_copy(json) : json_copy((json_t *)json);
    bool whole = deep ? json_equal(json, copy)
                      : json_object_size(copy) == json_object_size(json) &&
                            json_array_size(copy) == json_array_size(json);

    if (whole)
        return copy;
    json_decref(copy);
    return NULL;
}

const hone_json *hone_json_get(const hone_json *json, const char *key)
{
    return json_object_get(json, key);
}

const char *hone_json_string(const hone_json *json)
{
    return json_string_value(json);
}

const char *hone_json_type(const hone_json *json)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "object", [JSON_ARRAY] = "array", [JSON_STRING] = "string",
        [JSON_INTEGER] = "integer", [JSON_REAL] = "number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false", [JSON_NULL] = "null",
    };

    return json ? names[json_typeof(json)] : "null";
}
