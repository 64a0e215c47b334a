/* json_write.c -- JSON values out.
 *
 * Our own rather than jansson's writer for one reason: numbers take the fewest
 * digits that read back as the same bits, so that 0.1 stays 0.1. */
#include "file.h"
#include "text.h"

#include <hone/json.h>
#include <jansson.h>
#include <string.h>

enum { WRITE_DEPTH = 2048 };

struct out {
    char *bytes;
    size_t count, capacity;
    int indent; /* blanks a level; 0: compact */
    bool failed;
};

static void write_bytes(struct out *o, const char *bytes, size_t n)
{
    if (o->failed)
        return;
    if (n >= o->capacity - o->count) {
        size_t capacity = o->capacity + o->capacity / 2 + n + 256;
        char *more = hone_realloc(o->bytes, capacity, 1);

        if (!more) {
            o->failed = true;
            return;
        }
        o->bytes = more;
        o->capacity = capacity;
    }
    memcpy(o->bytes + o->count, bytes, n);
    o->count += n;
    o->bytes[o->count] = '\0';
}

static void write_text(struct out *o, const char *text)
{
    write_bytes(o, text, strlen(text));
}

static void write_line(struct out *o, int depth)
{
    if (o->indent == 0)
        return;
    write_text(o, "\n");
    for (int i = 0; i < depth * o->indent; i++)
        write_text(o, " ");
}

static void write_string(struct out *o, const char *text, size_t n)
{
    static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    size_t done = 0;

    write_text(o, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[8] = "";

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        for (const char *e = escapes; *e; e += 2)
            if ((unsigned char)*e == c)
                hone_print(escape, sizeof escape, "\\%c", e[1]);
        if (!*escape)
            hone_print(escape, sizeof escape, "\\u%04x", c);
        write_bytes(o, text + done, i - done);
        write_text(o, escape);
        done = i + 1;
    }
    write_bytes(o, text + done, n - done);
    write_text(o, "\"");
}

static void write_real(struct out *o, double value)
{
    char text[HONE_REAL_MAX];

    write_text(o, hone_print_real(text, value));
    if (!strpbrk(text, ".e"))
        write_text(o, ".0"); /* or it would come back as an integer */
}

static void write_value(struct out *o, const json_t *json, int depth);

static void write_object(struct out *o, const json_t *json, int depth)
{
    json_t *object = (json_t *)json, *value;
    const char *key, *comma = "";

    write_text(o, "{");
    json_object_foreach(object, key, value) {
        write_text(o, comma);
        write_line(o, depth + 1);
        write_string(o, key, strlen(key));
        write_text(o, o->indent ? ": " : ":");
        write_value(o, value, depth + 1);
        comma = ",";
    }
    if (*comma)
        write_line(o, depth);
    write_text(o, "}");
}

static void write_array(struct out *o, const json_t *json, int depth)
{
    size_t count = json_array_size(json);

    write_text(o, "[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            write_text(o, ",");
        write_line(o, depth + 1);
        write_value(o, json_array_get(json, i), depth + 1);
    }
    if (count)
        write_line(o, depth);
    write_text(o, "]");
}

static void write_value(struct out *o, const json_t *json, int depth)
{
    char text[32];

    if (depth > WRITE_DEPTH) {
        o->failed = true; /* a value that contains itself */
        return;
    }
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_OBJECT: write_object(o, json, depth); break;
    case JSON_ARRAY: write_array(o, json, depth); break;
    case JSON_STRING: write_string(o, json_string_value(json), json_string_length(json)); break;
    case JSON_INTEGER:
        hone_print(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        write_text(o, text);
        break;
    case JSON_REAL: write_real(o, json_real_value(json)); break;
    case JSON_TRUE: write_text(o, "true"); break;
    case JSON_FALSE: write_text(o, "false"); break;
    case JSON_NULL: write_text(o, "null"); break;
    }
}

static char *write_all(const hone_json *json, int indent, size_t *n)
{
    struct out o = { .indent = indent };

    write_value(&o, json, 0);
    if (indent)
        write_text(&o, "\n");
    if (o.failed) {
        hone_free(o.bytes);
        return NULL;
    }
    if (n)
        *n = o.count;
    return o.bytes;
}

char *hone_json_text(const hone_json *json)
{
    return write_all(json, 0, NULL);
}

int hone_json_write(const hone_json *json, const char *path, hone_error *err)
{
    size_t n;
    char *text = write_all(json, 2, &n);
    int code = text ? hone_file_replace(path, text, n, err) : hone_fail_memory(err, path);

    hone_free(text);
    return code;
}
