/* store.c -- calls into store plugins: a request's fields are checked here, once
 * for all plugins, and the clock is read (see <hone/store.h>). */
#include "store.h"
#include "store_rows.h"
#include "suggest.h"

#include <hone/store.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* A field: its JSON type, or "id" (text, not empty), "number" (finite, >= 0) or "any". */
typedef struct field {
    const char *name, *type;
    bool required;
} field;

static const char *store_expected(const char *type)
{
    return strcmp(type, "id") == 0 ? "a text that is not empty"
         : strcmp(type, "number") == 0 ? "a number >= 0"
         : strcmp(type, "integer") == 0 ? "an integer >= 0"
         : strcmp(type, "boolean") == 0 ? "true or false"
         : strcmp(type, "array") == 0 ? "a list" : "an object";
}

static int store_fail_field(const char *where, const field *f, const json_t *value,
                            hone_error *err)
{
    const char *expected = store_expected(f->type), *text = json_string_value(value);

    if (!value)
        return hone_fail(err, HONE_EINVAL, "%s: %s is missing", where, f->name);
    if (text)
        return hone_fail(err, HONE_EINVAL, "%s: %s: expected %s, got '%s'", where, f->name,
                         expected, text);
    if (json_is_number(value))
        return hone_fail(err, HONE_EINVAL, "%s: %s: expected %s, got %g", where, f->name, expected,
                         json_number_value(value));
    return hone_fail(err, HONE_EINVAL, "%s: %s: expected %s, got %s", where, f->name, expected,
                     hone_json_type(value));
}

static bool store_is(const json_t *value, const char *type)
{
    if (strcmp(type, "any") == 0)
        return true;
    if (strcmp(type, "id") == 0)
        return json_string_length(value) > 0;
    if (strcmp(type, "number") == 0)
        return json_is_number(value) && isfinite(json_number_value(value)) &&
               json_number_value(value) >= 0;
    if (strcmp(type, "boolean") == 0)
        return json_is_boolean(value);
    if (strcmp(type, "integer") == 0)
        return json_is_integer(value) && json_integer_value(value) >= 0;
    return strcmp(hone_json_type(value), type) == 0;
}

static int store_unknown(const char *where, const field *fields, const char *key, hone_error *err)
{
    hone_suggest s = hone_suggest_start(key);
    char hint[96];

    for (const field *f = fields; f->name; f++)
        hone_suggest_offer(&s, f->name);
    return hone_fail(err, HONE_EINVAL, "%s: unknown field '%s'%s", where, key,
                     hone_suggest_text(&s, hint, sizeof hint));
}

static int store_check(const char *where, const field *fields, const hone_json *request,
                       hone_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(request))
        return hone_fail(err, HONE_EINVAL, "%s: takes an object, not %s", where,
                         hone_json_type(request));
    json_object_foreach((json_t *)request, key, value) {
        const field *f = fields;
        while (f->name && strcmp(f->name, key) != 0)
            f++;
        if (!f->name)
            return store_unknown(where, fields, key, err);
    }
    for (const field *f = fields; f->name; f++) {
        value = json_object_get(request, f->name);
        if (json_is_null(value) && !f->required)
            continue;
        if (value ? !store_is(value, f->type) : f->required)
            return store_fail_field(where, f, value, err);
    }
    return HONE_OK;
}

static int store_check_list(const char *where, const char *name, const field *fields,
                            const hone_json *request, hone_error *err)
{
    json_t *one;
    size_t i;
    char place[64];

    json_array_foreach(json_object_get(request, name), i, one) {
        int code = store_check(NULL, fields, one, NULL);
        if (code == HONE_OK)
            continue;
        hone_print(place, sizeof place, "%s: %s[%zu]", where, name, i + 1);
        return store_check(place, fields, one, err);
    }
    return HONE_OK;
}

double hone_store_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)(now.tv_nsec / 1000000) / 1e3;
}

/* The request with the time, and the definition with its defaults, in force. */
static int store_request(json_t **out, const char *name, hone_context *context,
                         const hone_json *request, hone_error *err)
{
    json_t *copy = hone_json_copy(request, false), *definition = NULL;
    int code = HONE_OK;

    *out = NULL;
    if (!copy)
        return hone_fail_memory(err, name);
    if (!json_is_number(json_object_get(copy, "now")) &&
        json_object_set_new(copy, "now", json_real(hone_store_now())))
        code = hone_fail_memory(err, name);
    if (code == HONE_OK && strcmp(name, "put_task") == 0) {
        code = hone_store_definition(&definition, context, json_object_get(copy, "definition"),
                                     err);
        if (code == HONE_OK && json_object_set_new(copy, "definition", definition))
            code = hone_fail_memory(err, name);
    }
    if (code == HONE_OK)
        *out = copy;
    else
        json_decref(copy);
    return code;
}

typedef struct call {
    const char *name;
    const field *fields;
    const char *list;          /* a field that is a list of objects, and theirs */
    const field *list_fields;
} call;

static int store_call(hone_instance *store, const call *c, hone_store_op *op,
                      const hone_json *request, hone_json **reply, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(store);
    json_t *full = NULL;
    int code;

    *reply = NULL;
    if (!op)
        return hone_fail(err, HONE_EUNSUPPORTED, "%s/%s is no store that can %s", plugin->kind,
                         plugin->name, c->name);
    code = store_check(c->name, c->fields, request, err);
    if (code == HONE_OK && c->list)
        code = store_check_list(c->name, c->list, c->list_fields, request, err);
    if (code == HONE_OK)
        code = store_request(&full, c->name, hone_instance_context(store), request, err);
    if (code == HONE_OK)
        code = op(hone_instance_self(store), full, reply, err);
    if (code != HONE_OK) {
        hone_json_free(*reply);
        *reply = NULL;
        hone_fail_in(err, "%s/%s", plugin->kind, plugin->name);
    }
    json_decref(full);
    return code;
}

int hone_store_batch(hone_instance *store, hone_store_batch_step step, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(store);
    int (*batch)(void *, hone_store_batch_step, hone_error *) = NULL;
    int code;

    if (strcmp(plugin->kind, "store") == 0)
        batch = HONE_OP(plugin->ops, hone_store_ops, batch);
    if (!batch)
        return hone_fail(err, HONE_EUNSUPPORTED, "%s/%s is no store", plugin->kind, plugin->name);
    code = batch(hone_instance_self(store), step, err);
    return code ? hone_fail_in(err, "%s/%s", plugin->kind, plugin->name) : HONE_OK;
}

/* ---- the calls and their fields ---- */

#define NOW { "now", "number", false }, { 0 }

#define CALL_WITH(op_, list_, list_fields_, ...) \
    int hone_store_##op_(hone_instance *store, const hone_json *request, hone_json **reply, \
                         hone_error *err) \
    { \
        static const field fields[] = { __VA_ARGS__ NOW }; \
        static const call c = { #op_, fields, list_, list_fields_ }; \
        const hone_plugin *plugin = hone_instance_plugin(store); \
        hone_store_op *op = NULL; \
        if (strcmp(plugin->kind, "store") == 0) \
            op = HONE_OP(plugin->ops, hone_store_ops, op_); \
        return store_call(store, &c, op, request, reply, err); \
    }
#define CALL(op_, ...) CALL_WITH(op_, NULL, NULL, __VA_ARGS__)
#define NEED(name, type) { name, type, true },
#define MAY(name, type) { name, type, false },

static const field store_added[] = {
    MAY("content", "any") MAY("id", "id") MAY("sides", "integer") MAY("gold", "object")
    MAY("wanted", "integer") { 0 }
};

CALL(put_items, NEED("items", "array"))
CALL(put_task, NEED("definition", "object") MAY("revise", "boolean"))
CALL(set_task, NEED("name", "id") NEED("state", "id"))
CALL(task, NEED("name", "id"))
CALL_WITH(add, "items", store_added, NEED("task", "id") NEED("items", "array"))
CALL(set_item, NEED("task", "id") NEED("item", "id") NEED("wanted", "integer"))
CALL(next, NEED("task", "id") NEED("annotator", "id"))
CALL(submit, MAY("assignment", "integer") MAY("supersedes", "integer") NEED("annotator", "id")
             NEED("answers", "object") MAY("seconds", "number") MAY("key", "id"))
CALL(leave, NEED("assignment", "integer") NEED("annotator", "id") NEED("how", "id")
            MAY("reason", "id"))
CALL(put_annotator, MAY("name", "id") MAY("id", "id") MAY("attributes", "object")
                    MAY("skills", "object") MAY("state", "id") MAY("details", "object"))
CALL(erase, NEED("annotator", "id") MAY("text", "boolean") MAY("reason", "id"))
CALL(list, NEED("what", "id") MAY("task", "id") MAY("item", "id") MAY("annotator", "id")
           MAY("after", "integer") MAY("limit", "integer") MAY("current", "boolean"))
CALL(verify, MAY("head", "object"))

/* ---- rows of imports ---- */

static const field store_imported[] = {
    MAY("content", "any") MAY("item", "id") NEED("annotator", "id") NEED("answers", "object")
    MAY("seconds", "number") MAY("order", "array") MAY("at", "number") MAY("key", "id") { 0 }
};

int hone_store_check_row(const hone_json *row, size_t number, hone_error *err)
{
    char place[64];

    if (store_check(NULL, store_imported, row, NULL) == HONE_OK)
        return HONE_OK;
    hone_print(place, sizeof place, "import: rows[%zu]", number);
    return store_check(place, store_imported, row, err);
}

int hone_store_import(hone_instance *store, const hone_json *request, hone_json **reply,
                      hone_error *err)
{
    static const field fields[] = { NEED("task", "id") NEED("rows", "array") NOW };
    const hone_plugin *plugin = hone_instance_plugin(store);
    json_t *full = NULL, *row;
    store_rows rows = { 0 };
    size_t i;
    int code = store_check("import", fields, request, err);

    *reply = NULL;
    if (code == HONE_OK)
        code = store_request(&full, "import", hone_instance_context(store), request, err);
    json_array_foreach(json_object_get(request, "rows"), i, row)
        if (code == HONE_OK && (code = hone_store_check_row(row, i + 1, err)) == HONE_OK)
            code = store_rows_add(&rows, row, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s/%s", plugin->kind, plugin->name);
    else
        code = store_rows_send(store, json_string_value(json_object_get(full, "task")),
                               json_number_value(json_object_get(full, "now")), &rows, 0,
                               rows.count, reply, err);
    store_rows_free(&rows);
    json_decref(full);
    return code;
}
