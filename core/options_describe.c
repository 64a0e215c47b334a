/* options_describe.c -- a table of options in words: for `hone describe`, the
 * reference and error messages. */
#include "options.h"
#include "text.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

const char *hone_option_type_name(hone_option_type type)
{
    static const char *const names[] = {
        "end", "bool", "int", "real", "string", "path", "choice", "range", "ints", "reals",
        "strings", "plugin", "table",
    };

    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

const char *hone_option_expected(const hone_option *o)
{
    static const char *const expected[] = {
        "nothing", "true or false", "an integer", "a number", "a text", "a text", "a text",
        "a list of two numbers, low and high", "a list of integers", "a list of numbers",
        "a list of texts", "the name of a plugin, or a table with plugin = name", "a table",
    };

    return (size_t)o->type < sizeof expected / sizeof expected[0] ? expected[o->type] : "nothing";
}

/* "> 0 and <= 10"; an end that excludes nothing is left out. */
static const char *describe_interval(const hone_option *o, char *buf, size_t n, const char *low,
                                     const char *high)
{
    hone_print(buf, n, "%s%s%s%s%s", !low ? "" : o->flags & HONE_OPTION_OPEN_MIN ? "> " : ">= ",
               low ? low : "", low && high ? " and " : "",
               !high ? "" : o->flags & HONE_OPTION_OPEN_MAX ? "< " : "<= ", high ? high : "");
    return buf;
}

static const char *describe_ints(const hone_option *o, char *buf, size_t n)
{
    char low[32], high[32];

    hone_print(low, sizeof low, "%" PRId64, o->int_min);
    hone_print(high, sizeof high, "%" PRId64, o->int_max);
    return describe_interval(o, buf, n, o->int_min <= HONE_UNSET_INT + 1 ? NULL : low,
                             o->int_max == INT64_MAX ? NULL : high);
}

static const char *describe_reals(const hone_option *o, char *buf, size_t n)
{
    char low[HONE_REAL_MAX], high[HONE_REAL_MAX];

    hone_print_real(low, o->real_min);
    hone_print_real(high, o->real_max);
    return describe_interval(o, buf, n, o->real_min <= -DBL_MAX ? NULL : low,
                             o->real_max >= DBL_MAX ? NULL : high);
}

static const char *describe_choices(const hone_option *o, char *buf, size_t n)
{
    size_t used = 0;

    *buf = '\0';
    for (size_t i = 0; o->choices && o->choices[i] && used < n; i++)
        used += (size_t)hone_print(buf + used, n - used, "%s'%s'", i ? ", " : "", o->choices[i]);
    return buf;
}

const char *hone_option_allowed(const hone_option *o, char buf[HONE_ALLOWED_MAX])
{
    switch (o->type) {
    case HONE_OPTION_INT:
    case HONE_OPTION_INTS: return describe_ints(o, buf, HONE_ALLOWED_MAX);
    case HONE_OPTION_REAL:
    case HONE_OPTION_REALS:
    case HONE_OPTION_RANGE: return describe_reals(o, buf, HONE_ALLOWED_MAX);
    case HONE_OPTION_CHOICE: return describe_choices(o, buf, HONE_ALLOWED_MAX);
    default: return strcpy(buf, "");
    }
}

static json_t *describe_words(const char *const *words)
{
    json_t *list = json_array();

    for (size_t i = 0; list && words && words[i]; i++)
        if (json_array_append_new(list, json_string(words[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static int describe_one(const hone_option *o, hone_json **out, hone_error *err)
{
    char allowed[HONE_ALLOWED_MAX];
    json_t *standard = NULL, *inner = NULL, *one;
    const char *doc = o->doc ? o->doc : "";
    int code = HONE_OK, failed;

    if (o->type == HONE_OPTION_TABLE)
        code = hone_options_describe(o->options, &inner, err);
    else
        code = hone_option_default(o, &standard, err);
    if (code != HONE_OK)
        return code;
    one = json_pack("{s:s, s:s, s:b, s:s}", "name", o->name, "type", hone_option_type_name(o->type),
                    "required", (o->flags & HONE_OPTION_REQUIRED) != 0, "doc", doc);
    failed = !one;
    if (standard)
        failed |= json_object_set(one, "default", standard);
    if (*hone_option_allowed(o, allowed))
        failed |= json_object_set_new(one, "allowed", json_string(allowed));
    if (o->type == HONE_OPTION_CHOICE)
        failed |= json_object_set_new(one, "choices", describe_words(o->choices));
    if (o->type == HONE_OPTION_PLUGIN)
        failed |= json_object_set_new(one, "kind", json_string(o->kind));
    if (inner)
        failed |= json_object_set(one, "options", inner);
    json_decref(standard);
    json_decref(inner);
    if (failed) {
        json_decref(one);
        return hone_fail_memory(err, "a description");
    }
    *out = one;
    return HONE_OK;
}

int hone_options_describe(const hone_option *options, hone_json **out, hone_error *err)
{
    json_t *list = json_array();
    int code = list ? HONE_OK : hone_fail_memory(err, "a description");

    *out = NULL;
    for (const hone_option *o = options; code == HONE_OK && o && o->type != HONE_OPTION_END; o++) {
        json_t *one;

        code = describe_one(o, &one, err);
        if (code == HONE_OK && json_array_append_new(list, one) != 0)
            code = hone_fail_memory(err, "a description");
        else if (code != HONE_OK)
            hone_fail_in(err, "%s", o->name);
    }
    if (code != HONE_OK) {
        json_decref(list);
        return code;
    }
    *out = list;
    return HONE_OK;
}

static int describe_check_default(const hone_option *o, hone_error *err)
{
    /* Room for the widest member. */
    union {
        hone_string_list list;
        hone_range range;
    } member = { 0 };
    json_t *standard = NULL, *effective = NULL;
    int code;

    if (o->type == HONE_OPTION_TABLE)
        return hone_options_check_defaults(o->options, err);
    if (o->type == HONE_OPTION_PLUGIN || (o->flags & HONE_OPTION_REQUIRED))
        return HONE_OK;
    if ((code = hone_option_default(o, &standard, err)) != HONE_OK)
        return code;
    code = hone_option_store(o, &member, standard, &effective, err);
    if (code == HONE_OK)
        hone_option_release(o, &member);
    else
        hone_fail_in(err, "the default");
    json_decref(standard);
    json_decref(effective);
    return code;
}

int hone_options_check_defaults(const hone_option *options, hone_error *err)
{
    for (const hone_option *o = options; o && o->type != HONE_OPTION_END; o++)
        if (describe_check_default(o, err) != HONE_OK)
            return hone_fail_in(err, "%s", o->name);
    return HONE_OK;
}
