/* store_task.c -- what a task is: its definition checked and completed, two of
 * them compared, and who may work on it (see <hone/store.h>). */
#include "store.h"

#include <hone/store.h>
#include <jansson.h>
#include <string.h>

struct definition {
    const char *name, *guideline;
    int64_t overlap, seed;
    double gold, repeats, lease;
};

#define YEAR (366.0 * 86400)

static const hone_option options[] = {
    { .name = "name", .doc = "of the task", .type = HONE_OPTION_STRING,
      .flags = HONE_OPTION_REQUIRED, .offset = offsetof(struct definition, name) },
    HONE_OPT_INT(struct definition, overlap, "overlap", 3, 1, 1000000,
                 "judgements that an item wants"),
    HONE_OPT_REAL(struct definition, gold, "gold", 0, 0, 1, "share of gold items"),
    HONE_OPT_REAL(struct definition, repeats, "repeats", 0, 0, 1,
                  "share asked again with the order turned"),
    HONE_OPT_REAL(struct definition, lease, "lease", 1800, 1, YEAR,
                  "seconds until an item goes to another"),
    HONE_OPT_INT(struct definition, seed, "seed", 0, 0, INT64_MAX, "of orders and shares"),
    HONE_OPT_STRING(struct definition, guideline, "guideline", NULL, "id of an item { text }"),
    HONE_OPT_END
};

static int task_check_asks(const json_t *asks, hone_error *err)
{
    json_t *ask, *seen;
    size_t i;
    int code = HONE_OK;

    if (!json_is_array(asks) || json_array_size(asks) == 0)
        return hone_fail(err, HONE_EINVAL, "ask: expected a list with at least one ask");
    seen = json_object();
    json_array_foreach(asks, i, ask) {
        const char *name = json_string_value(json_object_get(ask, "name"));
        if (!name || !*name)
            code = hone_fail(err, HONE_EINVAL, "ask: number %zu has no name", i + 1);
        else if (json_object_get(seen, name))
            code = hone_fail(err, HONE_EINVAL, "ask: two are named '%s'", name);
        else if (json_object_set_new(seen, name, json_true()))
            code = hone_fail_memory(err, "a task");
        if (code != HONE_OK)
            break;
    }
    json_decref(seen);
    return code;
}

static int task_check_qualification(const json_t *q, hone_error *err)
{
    const char *key;
    json_t *part, *value;

    if (!q || json_is_null(q))
        return HONE_OK;
    json_object_foreach((json_t *)q, key, part) {
        bool skills = strcmp(key, "skills") == 0;
        const char *name;
        if (!skills && strcmp(key, "attributes") != 0)
            return hone_fail(err, HONE_EINVAL,
                             "qualification: unknown '%s' (allowed: attributes, skills)", key);
        json_object_foreach(part, name, value)
            if (skills ? !json_is_number(value) : !json_is_array(value))
                return hone_fail(err, HONE_EINVAL, "qualification: %s: %s: expected %s, got %s",
                                 key, name, skills ? "a number" : "a list",
                                 hone_json_type(value));
        if (!json_is_object(part))
            return hone_fail(err, HONE_EINVAL, "qualification: %s: expected object, got %s", key,
                             hone_json_type(part));
    }
    if (!json_is_object(q))
        return hone_fail(err, HONE_EINVAL, "qualification: expected object, got %s",
                         hone_json_type(q));
    return HONE_OK;
}

int hone_store_definition(hone_json **out, hone_context *context, const hone_json *given,
                          hone_error *err)
{
    static const char *const parts[] = { "ask", "qualification", "extra" };
    struct definition parsed = { 0 };
    json_t *plain = hone_json_copy(given, false), *full = NULL;
    json_t *extra = json_object_get(given, "extra");
    const char *name;
    int code = plain ? HONE_OK : hone_fail_memory(err, "a task");

    *out = NULL;
    for (size_t i = 0; code == HONE_OK && i < 3; i++)
        json_object_del(plain, parts[i]);
    if (code == HONE_OK)
        code = hone_options_parse(options, &parsed, context, plain, "task", &full, err);
    if (code != HONE_OK)
        goto out;
    name = parsed.name;
    if (!*name || strpbrk(name, "\n\r\t"))
        code = hone_fail(err, HONE_EINVAL, "name: expected a text in one line, got '%s'", name);
    if (code == HONE_OK)
        code = task_check_asks(json_object_get(given, "ask"), err);
    if (code == HONE_OK)
        code = task_check_qualification(json_object_get(given, "qualification"), err);
    if (code == HONE_OK && extra && !json_is_object(extra) && !json_is_null(extra))
        code = hone_fail(err, HONE_EINVAL, "extra: expected object, got %s",
                         hone_json_type(extra));
    if (code != HONE_OK) {
        hone_fail_in(err, "task");
        goto out;
    }
    for (size_t i = 0; code == HONE_OK && i < 3; i++) {
        json_t *part = json_object_get(given, parts[i]);
        if (json_object_set_new(full, parts[i], part ? json_incref(part) : json_null()))
            code = hone_fail_memory(err, "a task");
    }
    if (code == HONE_OK) {
        *out = full;
        full = NULL;
    }
out:
    hone_options_free(options, &parsed);
    json_decref(full);
    json_decref(plain);
    return code;
}

/* The first place, by sorted keys, where two values differ; the path goes to `where`. */
static bool task_differs(const json_t *a, const json_t *b, char *where, size_t n)
{
    const char *key;
    json_t *value;
    size_t used = strlen(where), i;

    if (json_equal(a, b))
        return false;
    if (json_is_object(a) && json_is_object(b)) {
        json_object_foreach((json_t *)a, key, value)
            if (!json_equal(value, json_object_get(b, key))) {
                hone_print(where + used, n - used, "%s%s", used ? "." : "", key);
                task_differs(value, json_object_get(b, key), where, n);
                return true;
            }
        json_object_foreach((json_t *)b, key, value)
            if (!json_object_get(a, key)) {
                hone_print(where + used, n - used, "%s%s", used ? "." : "", key);
                return true;
            }
    }
    if (json_is_array(a) && json_array_size(a) == json_array_size(b))
        json_array_foreach((json_t *)a, i, value)
            if (!json_equal(value, json_array_get(b, i))) {
                hone_print(where + used, n - used, "[%zu]", i + 1);
                task_differs(value, json_array_get(b, i), where, n);
                return true;
            }
    return true;
}

/* What a path such as "ask[1].metric" leads to. */
static const json_t *task_at(const json_t *json, const char *path)
{
    while (json && *path) {
        char key[256];
        size_t n = strcspn(path + (*path == '.'), ".[") ;
        path += *path == '.';
        if (*path == '[') {
            char *end;
            json = json_array_get(json, strtoul(path + 1, &end, 10) - 1);
            path = end + 1;
            continue;
        }
        hone_print(key, sizeof key, "%.*s", (int)(n < 255 ? n : 255), path);
        json = json_object_get(json, key);
        path += n;
    }
    return json;
}

int hone_store_same(const hone_json *old, const hone_json *definition, hone_error *err)
{
    char where[256] = "";
    char *before, *after;
    int code;

    if (!task_differs(old, definition, where, sizeof where))
        return HONE_OK;
    before = hone_store_canonical(task_at(old, where));
    after = hone_store_canonical(task_at(definition, where));
    code = hone_fail(err, HONE_EINVAL, "%s is %.200s there, and %.200s here", where,
                     before ? before : "another", after ? after : "another");
    hone_free(before);
    hone_free(after);
    return code;
}

int hone_store_qualified(const hone_json *definition, const hone_json *annotator, hone_error *err)
{
    const json_t *q = json_object_get(definition, "qualification");
    json_t *attributes = json_object_get(annotator, "attributes");
    json_t *skills = json_object_get(annotator, "skills"), *wanted, *one;
    const char *name;
    size_t i;

    json_object_foreach(json_object_get(q, "attributes"), name, wanted) {
        const json_t *value = json_object_get(attributes, name);
        bool found = false;
        json_array_foreach(wanted, i, one)
            found = found || (value && json_equal(one, value));
        if (!found)
            return hone_fail(err, HONE_EINVAL, "the task wants other annotators: %s is %s", name,
                             json_is_string(value) ? json_string_value(value)
                             : value ? "another" : "unknown");
    }
    json_object_foreach(json_object_get(q, "skills"), name, wanted) {
        const json_t *value = json_object_get(skills, name);
        if (!json_is_number(value) || json_number_value(value) < json_number_value(wanted))
            return hone_fail(err, HONE_EINVAL, "the task wants skill %s >= %g, not %g", name,
                             json_number_value(wanted), json_number_value(value));
    }
    return HONE_OK;
}
