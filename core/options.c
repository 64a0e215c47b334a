/* options.c -- tables of options: layers of values over defaults, unknown
 * names, nested tables and plugins. */
#include "options.h"
#include "instance.h"
#include "suggest.h"
#include "text.h"

#include <jansson.h>
#include <string.h>

static const hone_option *options_named(const hone_option *options, const char *name)
{
    for (; options && options->type != HONE_OPTION_END; options++)
        if (strcmp(options->name, name) == 0)
            return options;
    return NULL;
}

static int options_unknown(const hone_option *options, const char *name, const char *where,
                           hone_error *err)
{
    hone_suggest s = hone_suggest_start(name);
    char hint[HONE_ALLOWED_MAX] = " (there are no options)";
    size_t used = 0;

    for (const hone_option *o = options; o && o->type != HONE_OPTION_END; o++) {
        hone_suggest_offer(&s, o->name);
        if (used < sizeof hint)
            used += (size_t)hone_print(hint + used, sizeof hint - used, "%s%s",
                                       used ? ", " : " (there are: ", o->name);
    }
    if (used && used < sizeof hint)
        hone_print(hint + used, sizeof hint - used, ")");
    if (s.best)
        hone_suggest_text(&s, hint, sizeof hint);
    return hone_fail(err, HONE_EINVAL, "unknown option '%.60s'%s%s", name, where, hint);
}

static int options_check_names(const hone_option *options, const json_t *values, bool plugin_key,
                               const char *where, hone_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)values, key, value)
        if (!options_named(options, key) && !(plugin_key && strcmp(key, "plugin") == 0))
            return options_unknown(options, key, where, err);
    return HONE_OK;
}

/* A layer must be a table; an empty list is Lua's way to write an empty one. */
static int options_check_layer(const json_t *values, hone_error *err)
{
    if (!values || json_is_null(values) || json_is_object(values) ||
        (json_is_array(values) && json_array_size(values) == 0))
        return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "expected a table of options, got %s%s",
                     json_is_array(values) ? "" : "a value of type ",
                     json_is_array(values) ? "a list" : hone_json_type(values));
}

static bool options_is_given(const json_t *value)
{
    return value && !json_is_null(value);
}

/* "text" and { plugin = "text", ... } name a plugin. */
static int options_plugin(const hone_option *o, hone_instance **member, const hone_values *v,
                          const json_t *value, hone_json **effective, hone_error *err)
{
    const char *name = json_string_value(json_is_object(value) ? json_object_get(value, "plugin")
                                                               : value);
    hone_values inner = { .context = v->context, .chain = v->chain, .plugin_key = true,
                          .given = json_is_object(value) ? value : NULL };
    int code;

    if (!options_is_given(value)) {
        *effective = json_null();
        return HONE_OK;
    }
    if (!name)
        return hone_fail(err, HONE_EINVAL, "expected %s, got %s%s", hone_option_expected(o),
                         json_is_object(value) ? "a table without plugin" : "a value of type ",
                         json_is_object(value) ? "" : hone_json_type(value));
    if (!v->context)
        return hone_fail(err, HONE_ESTATE, "%s/%s: there is no context to load it", o->kind, name);
    if ((code = hone_instance_make(member, o->kind, name, &inner, err)) != HONE_OK)
        return code;
    *effective = json_pack("{s:s}", "plugin", name);
    if (!*effective || json_object_update(*effective, (json_t *)hone_instance_options(*member))) {
        json_decref(*effective);
        *effective = NULL;
        return hone_fail_memory(err, "an option");
    }
    return HONE_OK;
}

/* The value of one option: given, else from the settings, else the default. */
static int options_one(const hone_option *o, void *member, const hone_values *v,
                       hone_json **effective, hone_error *err)
{
    const json_t *given = json_object_get(v->given, o->name);
    const json_t *setting = json_object_get(v->settings, o->name);
    const json_t *value = options_is_given(given) ? given : setting;
    hone_values inner = { v->context, given, setting, false, v->chain };
    json_t *standard = NULL;
    int code = HONE_OK;

    if (o->type == HONE_OPTION_TABLE)
        return hone_options_fill(o->options, member, &inner, effective, err);
    if (!options_is_given(value)) {
        if (o->flags & HONE_OPTION_REQUIRED)
            return hone_fail(err, HONE_EINVAL, "is required: %s", o->doc ? o->doc : "no default");
        if ((code = hone_option_default(o, &standard, err)) != HONE_OK)
            return code;
        value = standard;
    }
    if (o->type == HONE_OPTION_PLUGIN)
        code = options_plugin(o, member, v, value, effective, err);
    else
        code = hone_option_store(o, member, value, effective, err);
    json_decref(standard);
    return code;
}

static void options_blame(const hone_option *o, const hone_values *v, hone_error *err)
{
    bool setting = o->type != HONE_OPTION_TABLE &&
                   !options_is_given(json_object_get(v->given, o->name)) &&
                   options_is_given(json_object_get(v->settings, o->name));

    hone_fail_in(err, "%s%s", o->name, setting ? " (from the settings)" : "");
}

int hone_options_fill(const hone_option *options, void *self, const hone_values *v,
                      hone_json **effective, hone_error *err)
{
    json_t *all = json_object();
    int code = HONE_OK;

    *effective = NULL;
    if (!all)
        return hone_fail_memory(err, "options");
    if ((code = options_check_layer(v->given, err)) != HONE_OK ||
        (code = options_check_layer(v->settings, err)) != HONE_OK ||
        (code = options_check_names(options, v->given, v->plugin_key, "", err)) != HONE_OK ||
        (code = options_check_names(options, v->settings, false, " in the settings", err)) !=
            HONE_OK)
        goto out;
    for (const hone_option *o = options; o && o->type != HONE_OPTION_END; o++) {
        json_t *value = NULL;

        code = options_one(o, (char *)self + o->offset, v, &value, err);
        if (code != HONE_OK) {
            options_blame(o, v, err);
            goto out;
        }
        if (json_object_set_new(all, o->name, value) != 0) {
            code = hone_fail_memory(err, "options");
            goto out;
        }
    }
out:
    if (code != HONE_OK) {
        hone_options_free(options, self);
        json_decref(all);
        return code;
    }
    *effective = all;
    return HONE_OK;
}

int hone_options_parse(const hone_option *options, void *self, hone_context *context,
                       const hone_json *values, const char *where, hone_json **effective,
                       hone_error *err)
{
    hone_values v = { .context = context, .given = values };
    json_t *all;
    int code = hone_options_fill(options, self, &v, &all, err);

    if (effective)
        *effective = all;
    else
        json_decref(all);
    if (code != HONE_OK && where)
        hone_fail_in(err, "%s", where);
    return code;
}

void hone_options_free(const hone_option *options, void *self)
{
    for (const hone_option *o = options; o && o->type != HONE_OPTION_END; o++) {
        void *member = (char *)self + o->offset;

        if (o->type == HONE_OPTION_TABLE)
            hone_options_free(o->options, member);
        else
            hone_option_release(o, member);
    }
}

bool hone_options_required(const hone_option *options)
{
    for (const hone_option *o = options; o && o->type != HONE_OPTION_END; o++)
        if ((o->flags & HONE_OPTION_REQUIRED) ||
            (o->type == HONE_OPTION_TABLE && hone_options_required(o->options)))
            return true;
    return false;
}
