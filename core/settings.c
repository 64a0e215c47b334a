/* settings.c -- libconfig files to one JSON object.
 *
 * Each file is checked setting by setting against the table below, so that a
 * message can say file:line; then it is merged over the files before: groups
 * by member, all else as a whole. */
#include "settings.h"
#include "data/reader.h"
#include "file.h"
#include "kinds.h"
#include "options.h"
#include "suggest.h"
#include "text.h"
#include "threads.h"

#include <errno.h>
#include <jansson.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SETTINGS_DEPTH = 32 };

static const char *const levels[] = { "debug", "info", "warn", "error", "none", NULL };

static const hone_option table[] = {
    HONE_OPT_STRINGS(hone_setup, plugin_path, "plugin_path", "[]",
                     "folders with plugins, after the user's and before the installed ones"),
    HONE_OPT_INT(hone_setup, threads, "threads", HONE_UNSET_INT, 1, HONE_THREADS_MAX,
                 "threads of the pool; default: the processors at hand"),
    HONE_OPT_PATH(hone_setup, cache_folder, "cache_folder", NULL, "what can be made again"),
    HONE_OPT_PATH(hone_setup, run_folder, "run_folder", "runs", "where runs are recorded"),
    HONE_OPT_STRING(hone_setup, kernels, "kernels", NULL,
                    "table of kernels; default: the fastest that the processor runs"),
    HONE_OPT_CHOICE(hone_setup, log_level, "log_level", "info", levels, "least level that is said"),
    HONE_OPT_END
};

void hone_setup_free(hone_setup *setup)
{
    hone_options_free(table, setup);
}

static int settings_fail(const config_setting_t *s, const char *path, const char *message,
                         hone_error *err)
{
    const char *file = config_setting_source_file(s);

    return hone_fail(err, HONE_EINVAL, "%s:%u: %s", file ? file : path,
                     config_setting_source_line(s), message);
}

static json_t *settings_scalar(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64: return json_integer(config_setting_get_int64(s));
    case CONFIG_TYPE_FLOAT: return json_real(config_setting_get_float(s));
    case CONFIG_TYPE_STRING: return json_string(config_setting_get_string(s));
    case CONFIG_TYPE_BOOL: return json_boolean(config_setting_get_bool(s));
    default: return NULL;
    }
}

static bool settings_is_utf8(const config_setting_t *s)
{
    const char *text = config_setting_get_string(s);
    size_t n = text ? strlen(text) : 0;

    return data_utf8(text ? text : "", n) == n;
}

static int settings_convert(json_t **out, const config_setting_t *s, const char *path, int depth,
                            hone_error *err)
{
    bool group = config_setting_is_group(s);
    int code = HONE_OK;

    if (depth > SETTINGS_DEPTH)
        return settings_fail(s, path, "groups nested too deep", err);
    if (!config_setting_is_aggregate(s)) {
        if (!settings_is_utf8(s))
            return settings_fail(s, path, "the text is not valid UTF-8", err);
        *out = settings_scalar(s);
        return *out ? HONE_OK : hone_fail_memory(err, "settings");
    }
    if (!(*out = group ? json_object() : json_array()))
        return hone_fail_memory(err, "settings");
    for (int i = 0; i < config_setting_length(s) && code == HONE_OK; i++) {
        const config_setting_t *child = config_setting_get_elem(s, (unsigned)i);
        json_t *value = NULL;

        code = settings_convert(&value, child, path, depth + 1, err);
        if (code == HONE_OK && (group ? json_object_set_new(*out, config_setting_name(child), value)
                                      : json_array_append_new(*out, value)) != 0)
            code = hone_fail_memory(err, "settings");
    }
    if (code != HONE_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return code;
}

static int settings_unknown(const config_setting_t *s, const char *path, hone_error *err)
{
    const char *name = config_setting_name(s);
    hone_suggest hint = hone_suggest_start(name);
    char message[256], text[96];

    for (const hone_option *o = table; o->type != HONE_OPTION_END; o++)
        hone_suggest_offer(&hint, o->name);
    hone_suggest_offer(&hint, "options");
    hone_suggest_offer(&hint, "metrics");
    hone_print(message, sizeof message, "unknown setting '%.60s'%s", name,
               hone_suggest_text(&hint, text, sizeof text));
    return settings_fail(s, path, message, err);
}

/* options = { <kind> = { <plugin> = { <option> = value } } }. What the plugin
 * takes is checked when it is used; a kind that is nearly one of ours is a slip. */
static int settings_check_options(const config_setting_t *s, const char *path, int depth,
                                  hone_error *err)
{
    static const char *const levels_of[] = { "options", "a kind", "a plugin" };
    char message[256], text[96];

    if (!config_setting_is_group(s)) {
        hone_print(message, sizeof message, "expected a group of options for %s", levels_of[depth]);
        return settings_fail(s, path, message, err);
    }
    if (depth == 1 && !hone_kind_find(config_setting_name(s))) {
        hone_suggest hint = hone_suggest_start(config_setting_name(s));

        for (const hone_kind *kind = hone_kinds; kind->name; kind++)
            hone_suggest_offer(&hint, kind->name);
        hone_print(message, sizeof message, "unknown kind of plugin '%.60s'%s",
                   config_setting_name(s), hone_suggest_text(&hint, text, sizeof text));
        if (hint.best)
            return settings_fail(s, path, message, err);
    }
    for (int i = 0; depth < 2 && i < config_setting_length(s); i++) {
        int code = settings_check_options(config_setting_get_elem(s, (unsigned)i), path, depth + 1,
                                          err);
        if (code != HONE_OK)
            return code;
    }
    return HONE_OK;
}

/* metrics = { <name> = { <field> = value } }: definitions, which those who make metrics
 * of them check. */
static int settings_check_metrics(const config_setting_t *s, const char *path, hone_error *err)
{
    if (!config_setting_is_group(s))
        return settings_fail(s, path, "expected a group of definitions of metrics", err);
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *one = config_setting_get_elem(s, (unsigned)i);
        if (!config_setting_is_group(one))
            return settings_fail(one, path, "expected a group that defines a metric", err);
    }
    return HONE_OK;
}

static int settings_check(const config_setting_t *s, const json_t *value, const char *path,
                          hone_error *err)
{
    const char *name = config_setting_name(s), *file = config_setting_source_file(s);
    const hone_option *o = table;
    hone_setup scratch = { 0 };
    char where[512];
    json_t *one;
    int code;

    if (strcmp(name, "options") == 0)
        return settings_check_options(s, path, 0, err);
    if (strcmp(name, "metrics") == 0)
        return settings_check_metrics(s, path, err);
    while (o->type != HONE_OPTION_END && strcmp(o->name, name) != 0)
        o++;
    if (o->type == HONE_OPTION_END)
        return settings_unknown(s, path, err);
    if (!(one = json_pack("{s:O}", name, value)))
        return hone_fail_memory(err, "settings");
    hone_print(where, sizeof where, "%s:%u", file ? file : path, config_setting_source_line(s));
    code = hone_options_parse(table, &scratch, NULL, one, where, NULL, err);
    hone_setup_free(&scratch);
    json_decref(one);
    return code;
}

static int settings_merge(json_t *into, json_t *from)
{
    const char *key;
    json_t *value;

    json_object_foreach(from, key, value) {
        json_t *old = json_object_get(into, key);
        int failed = json_is_object(old) && json_is_object(value)
                         ? settings_merge(old, value)
                         : json_object_set(into, key, value);
        if (failed)
            return failed;
    }
    return 0;
}

static int settings_add(json_t *settings, const config_t *config, const char *path,
                        hone_error *err)
{
    const config_setting_t *root = config_root_setting(config);
    json_t *all;
    int code = settings_convert(&all, root, path, 0, err);

    if (code != HONE_OK)
        return code;
    for (int i = 0; i < config_setting_length(root) && code == HONE_OK; i++) {
        const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
        code = settings_check(s, json_object_get(all, config_setting_name(s)), path, err);
    }
    if (code == HONE_OK && settings_merge(settings, all) != 0)
        code = hone_fail_memory(err, "settings");
    json_decref(all);
    return code;
}

/* The file is opened first: libconfig tells neither why it could not, nor a
 * folder from a file. */
static int settings_read(json_t *settings, const char *path, bool required, hone_error *err)
{
    config_t config;
    locale_t before;
    char *bytes;
    int code = hone_file_read(&bytes, NULL, path, (size_t)1 << 20, err);

    if (code == HONE_ENOTFOUND && !required)
        return HONE_OK;
    if (code != HONE_OK)
        return code;
    hone_free(bytes);
    config_init(&config);
    before = hone_locale_enter();
    if (config_read_file(&config, path) != CONFIG_TRUE) {
        const char *file = config_error_file(&config);
        code = hone_fail(err, HONE_EFORMAT, "%s:%d: %s", file ? file : path,
                         config_error_line(&config), config_error_text(&config));
    }
    hone_locale_leave(before);
    if (code == HONE_OK)
        code = settings_add(settings, &config, path, err);
    config_destroy(&config);
    return code;
}

static int settings_read_user(json_t *settings, hone_error *err)
{
    const char *base = getenv("XDG_CONFIG_HOME");
    char *path = hone_path_expand("~/.config/hone/hone.conf");
    int code;

    if (base && *base) {
        hone_free(path);
        path = hone_format("%s/hone/hone.conf", base);
    }
    if (!path)
        return hone_fail_memory(err, "settings");
    code = *path == '~' ? HONE_OK : settings_read(settings, path, false, err); /* no home */
    hone_free(path);
    return code;
}

static int settings_threads(int64_t *threads, hone_error *err)
{
    const char *text = getenv("HONE_THREADS");
    char *end;
    long count;

    if (text && *text) {
        count = strtol(text, &end, 10);
        if (*end || count < 1 || count > HONE_THREADS_MAX)
            return hone_fail(err, HONE_EINVAL,
                             "HONE_THREADS: '%.40s' is not a number of threads (allowed: 1 to %d)",
                             text, HONE_THREADS_MAX);
        *threads = count;
    } else if (*threads == HONE_UNSET_INT) {
        *threads = hone_threads_online();
    }
    return HONE_OK;
}

static int settings_kernels(hone_setup *setup, hone_error *err)
{
    const char *text = getenv("HONE_KERNELS");

    if (!text || !*text)
        return HONE_OK;
    hone_free((char *)setup->kernels);
    setup->kernels = hone_strdup(text);
    return setup->kernels ? HONE_OK : hone_fail_memory(err, "settings");
}

static int settings_cache(hone_setup *setup, hone_error *err)
{
    const char *base = getenv("XDG_CACHE_HOME");

    if (setup->cache_folder)
        return HONE_OK;
    setup->cache_folder = base && *base ? hone_format("%s/hone", base)
                                        : hone_path_expand("~/.cache/hone");
    return setup->cache_folder ? HONE_OK : hone_fail_memory(err, "settings");
}

/* Take a member out of an object: owned; an empty object where it has none. */
static json_t *settings_take(json_t *from, const char *name)
{
    json_t *found = json_incref(json_object_get(from, name));

    json_object_del(from, name);
    return found ? found : json_object();
}

/* The values in force, and what stands below "options" and "metrics". */
static int settings_complete(json_t **settings, json_t *merged, hone_setup *setup, hone_error *err)
{
    json_t *options = settings_take(merged, "options");
    json_t *metrics = settings_take(merged, "metrics");
    json_t *all = NULL;
    int code;

    code = hone_options_parse(table, setup, NULL, merged, "settings", &all, err);
    if (code == HONE_OK && (code = settings_threads(&setup->threads, err)) == HONE_OK &&
        (code = settings_kernels(setup, err)) == HONE_OK)
        code = settings_cache(setup, err);
    if (code == HONE_OK &&
        (json_object_set_new(all, "threads", json_integer(setup->threads)) != 0 ||
         json_object_set_new(all, "kernels", setup->kernels ? json_string(setup->kernels)
                                                            : json_null()) != 0 ||
         json_object_set_new(all, "cache_folder", json_string(setup->cache_folder)) != 0 ||
         json_object_set(all, "options", options) != 0 ||
         json_object_set(all, "metrics", metrics) != 0))
        code = hone_fail_memory(err, "settings");
    json_decref(options);
    json_decref(metrics);
    if (code != HONE_OK)
        json_decref(all);
    else
        *settings = all;
    return code;
}

int hone_settings_load(hone_json **settings, hone_setup *setup, const char *config_file,
                       hone_error *err)
{
    json_t *merged = json_object();
    int code;

    *settings = NULL;
    if (!merged)
        return hone_fail_memory(err, "settings");
    if ((code = settings_read(merged, HONE_SYSCONFDIR "/hone.conf", false, err)) == HONE_OK &&
        (code = settings_read_user(merged, err)) == HONE_OK && config_file)
        code = settings_read(merged, config_file, true, err);
    if (code == HONE_OK)
        code = settings_complete(settings, merged, setup, err);
    json_decref(merged);
    return code;
}
