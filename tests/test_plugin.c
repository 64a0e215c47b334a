/* test_plugin.c -- plugins: found, checked, loaded, refused; instances. The
 * samples are tests/plugins/, laid out by each test as it needs them. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* <TMP>/<folder>/<kind>/<as>, a link to a sample or (NULL) an empty file. */
static const char *lay(const char *folder, const char *kind, const char *as, const char *sample)
{
    static char path[1024];
    char from[1024];
    const char *build = getenv("HONE_BUILD");

    snprintf(path, sizeof path, "%s/%s", support_folder(), folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", support_folder(), folder, kind);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s/%s", support_folder(), folder, kind, as);
    snprintf(from, sizeof from, "%s/tests/plugins/.libs/%s.so", build ? build : ".",
             sample ? sample : "");
    if (sample)
        ck_assert_msg(access(from, R_OK) == 0 && symlink(from, path) == 0, "%s", from);
    else
        support_write(path, "", 0);
    return path;
}

/* A context that looks in TMP/a, then TMP/b. */
static hone_context *looking(void)
{
    char list[1024];

    snprintf(list, sizeof list, "%s/a::%s/b:/nonexistent", support_folder(), support_folder());
    setenv("HONE_PLUGIN_PATH", list, 1);
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    return support_context();
}

static hone_json *json(const char *text)
{
    hone_error err;
    hone_json *value;

    ck_ok(hone_json_parse(&value, text, strlen(text), "test", &err));
    return value;
}

/* ---- finding ---- */

START_TEST(a_plugin_is_found_by_kind_and_name)
{
    hone_context *context;
    const hone_plugin *plugin, *again;
    hone_error err;

    lay("b", "sample", "sample.so", "sample");
    context = looking();
    ck_ok(hone_plugin_find(context, "sample", "sample", &plugin, &err));
    ck_assert_str_eq(plugin->name, "sample");
    ck_ok(hone_plugin_find(context, "sample", "sample", &again, &err));
    ck_assert_ptr_eq(plugin, again);
    hone_context_free(context);
    /* another context, the same object */
    context = looking();
    ck_ok(hone_plugin_find(context, "sample", "sample", &again, &err));
    ck_assert_ptr_eq(plugin, again);
    hone_context_free(context);
}
END_TEST

START_TEST(the_list_is_sorted_and_shows_what_is_hidden)
{
    hone_context *context;
    hone_plugin_entry *entries;
    size_t count;
    hone_error err;
    char seen[2048] = "";

    lay("a", "metric", "zebra.so", NULL); /* empty: listing loads nothing */
    lay("a", "metric", "civility.lua", NULL);
    lay("b", "metric", "civility.so", NULL);
    lay("b", "metric", "zebra.so", NULL);
    lay("b", "bias", "length.so", NULL);
    lay("a", "metric", "Bad-Name.so", NULL);
    lay("a", "metric", "libold.la", NULL);
    lay("a", "metric", ".so", NULL);
    lay("a", "Kind", "x.so", NULL);
    context = looking();
    ck_ok(hone_plugin_list(context, NULL, &entries, &count, &err));
    for (size_t i = 0; i < count; i++)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s/%s %s%s; ", entries[i].kind,
                 entries[i].name, entries[i].path, entries[i].hidden ? " hidden" : "");
    support_golden("plugin-list", seen);
    hone_free(entries);
    ck_ok(hone_plugin_list(context, "bias", &entries, &count, &err));
    ck_assert_uint_eq(count, 1);
    hone_free(entries);
    ck_ok(hone_plugin_list(context, "nothing", &entries, &count, &err));
    ck_assert_uint_eq(count, 0);
    hone_free(entries);
    ck_fails(HONE_EINVAL, hone_plugin_list(context, "../metric", &entries, &count, &err));
    hone_context_free(context);
}
END_TEST

START_TEST(settings_add_folders)
{
    char path[512], text[1024];
    hone_context *context;
    const hone_plugin *plugin;
    hone_error err;

    lay("more", "sample", "sample.so", "sample");
    snprintf(path, sizeof path, "%s/x.conf", support_folder());
    snprintf(text, sizeof text, "plugin_path = [ \"/nonexistent\", \"~/more\" ];");
    support_write(path, text, strlen(text));
    setenv("HONE_PLUGIN_PATH", "", 1);
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("HOME", support_folder(), 1);
    ck_ok(hone_context_new(&context, path, &err));
    ck_ok(hone_plugin_find(context, "sample", "sample", &plugin, &err));
    hone_context_free(context);
}
END_TEST

static void not_found(hone_context *context, const char *golden, int code, const char *kind,
                      const char *name)
{
    const hone_plugin *plugin;
    hone_error err;
    char file[64];

    ck_fails(code, hone_plugin_find(context, kind, name, &plugin, &err));
    ck_assert_ptr_null(plugin);
    snprintf(file, sizeof file, "plugin-%s", golden);
    support_golden(file, err.message);
}

START_TEST(unknown_plugins_are_answered_with_the_nearest)
{
    hone_context *context;

    lay("a", "optimizer", "adamw.so", NULL);
    lay("a", "optimizer", "sgd.so", NULL);
    lay("b", "optimizer", "sgd.so", NULL);
    context = looking();
    not_found(context, "unknown", HONE_ENOTFOUND, "optimizer", "adamv");
    not_found(context, "unknown-far", HONE_ENOTFOUND, "optimizer", "xyzzy");
    not_found(context, "unknown-none", HONE_ENOTFOUND, "metric", "length");
    not_found(context, "unknown-kind", HONE_ENOTFOUND, "optimiser", "adamw");
    not_found(context, "name-path", HONE_EINVAL, "optimizer", "../metric/x");
    not_found(context, "name-case", HONE_EINVAL, "optimizer", "AdamW");
    hone_context_free(context);
}
END_TEST

START_TEST(broken_plugins_are_refused_with_the_reason)
{
    hone_context *context;

    lay("a", "sample", "other_abi.so", "other_abi");
    lay("a", "sample", "misnamed.so", "misnamed");
    lay("a", "sample", "no_symbol.so", "no_symbol");
    lay("a", "sample", "renamed.so", "sample");
    lay("a", "other", "sample.so", "sample");
    lay("a", "metric", "lacking_op.so", "lacking_op");
    lay("a", "sample", "empty.so", NULL);
    lay("a", "metric", "civility.lua", NULL);
    context = looking();
    not_found(context, "other-abi", HONE_EABI, "sample", "other_abi");
    not_found(context, "misnamed", HONE_EABI, "sample", "misnamed");
    not_found(context, "no-symbol", HONE_EABI, "sample", "no_symbol");
    not_found(context, "renamed", HONE_EABI, "sample", "renamed");
    not_found(context, "other-kind", HONE_EABI, "other", "sample");
    not_found(context, "lacking-op", HONE_EABI, "metric", "lacking_op");
    not_found(context, "empty-file", HONE_EABI, "sample", "empty");
    not_found(context, "lua", HONE_EUNSUPPORTED, "metric", "civility");
    hone_context_free(context);
}
END_TEST

START_TEST(an_undefined_symbol_is_named)
{
    hone_context *context;

    lay("a", "sample", "undefined_symbol.so", "undefined_symbol");
    context = looking();
    not_found(context, "undefined-symbol", HONE_EABI, "sample", "undefined_symbol");
    hone_context_free(context);
}
END_TEST

/* ---- descriptors ---- */

struct small {
    int64_t count;
    struct {
        double depth;
    } inner;
};

static const hone_option inner_options[] = {
    { .name = "depth", .type = HONE_OPTION_REAL, .real_default = 2, .real_max = 5 },
    HONE_OPT_END
};

static const hone_option small_options[] = {
    HONE_OPT_INT(struct small, count, "count", 5, 0, 9, "things"),
    HONE_OPT_TABLE(struct small, inner, "inner", inner_options, "inside"),
    HONE_OPT_END
};

static hone_plugin small(void)
{
    return (hone_plugin){
        .size = sizeof(hone_plugin), .abi = HONE_ABI, .option_size = sizeof(hone_option),
        .kind = "sample", .name = "small", .version = "1", .summary = "small",
        .instance_size = sizeof(struct small), .options = small_options,
    };
}

static void not_registered(const char *golden, const hone_plugin *plugin)
{
    hone_context *context = looking();
    int64_t before = hone_alloc_live();
    hone_error err;
    char file[64];

    ck_assert_int_lt(hone_plugin_register(context, plugin, &err), 0);
    ck_assert_int_eq(hone_alloc_live(), before);
    snprintf(file, sizeof file, "plugin-%s", golden);
    support_golden(file, err.message);
    hone_context_free(context);
}

START_TEST(descriptors_that_contradict_themselves_are_refused)
{
    static const char *const none[] = { NULL };
    hone_option o[] = { small_options[0], HONE_OPT_END, HONE_OPT_END };
    hone_ops ops = {0};
    hone_plugin p = small();

    p.size = 8;
    not_registered("short-descriptor", &p);
    p = small(), p.option_size = 3;
    not_registered("short-option", &p);
    p = small(), p.name = "No-Name";
    not_registered("bad-name", &p);
    p = small(), p.kind = NULL;
    not_registered("no-kind", &p);
    p = small(), p.ops = &ops;
    not_registered("ops-size", &p);
    p = small(), p.kind = "quality";
    not_registered("quality-nothing", &p);
    p = small(), p.instance_size = 4;
    not_registered("small-instance", &p);
    p = small(), p.options = o;
    o[0].offset = SIZE_MAX - 2;
    not_registered("far-offset", &p);
    o[0] = small_options[0], o[0].type = 99;
    not_registered("option-type", &p);
    o[0] = small_options[0], o[0].name = "plugin";
    not_registered("option-name", &p);
    o[0] = o[1] = small_options[0];
    not_registered("option-twice", &p);
    o[1] = (hone_option)HONE_OPT_END;
    o[0].type = HONE_OPTION_CHOICE, o[0].choices = none;
    not_registered("no-choices", &p);
    o[0].type = HONE_OPTION_PLUGIN;
    not_registered("option-kind", &p);
    o[0].type = HONE_OPTION_TABLE, o[0].offset = 0, o[0].options = o; /* itself */
    not_registered("endless-tables", &p);
}
END_TEST

/* An option of a newer hone: one more member. */
struct long_option {
    hone_option option;
    const char *unit;
};

START_TEST(older_and_newer_descriptors_are_understood)
{
    static const struct long_option inner[] = {
        { { .name = "depth", .type = HONE_OPTION_REAL, .real_default = 3, .real_max = 5 }, "m" },
        { HONE_OPT_END, NULL },
    };
    static const struct long_option options[] = {
        { HONE_OPT_INT(struct small, count, "count", 6, 0, 9, "things"), "pieces" },
        { HONE_OPT_TABLE(struct small, inner, "inner", &inner[0].option, "inside"), NULL },
        { HONE_OPT_END, NULL },
    };
    struct {
        hone_plugin plugin;
        const char *homepage;
    } newer = { small(), "https://example.org" };
    hone_plugin older = small();
    hone_context *context = looking();
    const hone_plugin *found;
    hone_instance *instance;
    struct small *self;
    hone_error err;

    newer.plugin.size = sizeof newer;
    newer.plugin.option_size = sizeof(struct long_option);
    newer.plugin.options = &options[0].option;
    ck_ok(hone_plugin_register(context, &newer.plugin, &err));
    ck_ok(hone_instance_new(&instance, context, "sample", "small", NULL, &err));
    self = hone_instance_self(instance);
    ck_assert_int_eq(self->count, 6);
    ck_assert_double_eq(self->inner.depth, 3);
    hone_instance_free(instance);

    older.size = offsetof(hone_plugin, self_test);
    older.self_test = (int (*)(hone_context *, hone_error *))(uintptr_t)1; /* not there */
    ck_ok(hone_plugin_register(context, &older, &err));
    ck_ok(hone_plugin_find(context, "sample", "small", &found, &err));
    ck_assert_ptr_null(found->self_test);
    ck_ok(hone_instance_new(&instance, context, "sample", "small", NULL, &err));
    self = hone_instance_self(instance);
    ck_assert_int_eq(self->count, 5);
    ck_assert_double_eq(self->inner.depth, 2);
    hone_instance_free(instance);
    hone_context_free(context);
}
END_TEST

START_TEST(the_latest_registered_wins_and_hides_files)
{
    hone_plugin first = small(), second = small();
    hone_context *context;
    const hone_plugin *found;
    hone_plugin_entry *entries;
    size_t count;
    hone_error err;

    lay("a", "sample", "small.so", NULL);
    context = looking();
    ck_ok(hone_plugin_register(context, &first, &err));
    ck_ok(hone_plugin_register(context, &second, &err));
    ck_ok(hone_plugin_find(context, "sample", "small", &found, &err));
    ck_assert_ptr_eq(found, &second);
    ck_ok(hone_plugin_list(context, "sample", &entries, &count, &err));
    ck_assert_uint_eq(count, 2);
    ck_assert_ptr_null(entries[0].path);
    ck_assert(!entries[0].hidden && entries[1].hidden);
    hone_free(entries);
    hone_context_free(context);
}
END_TEST

static int load_small(void *user, const char *kind, const char *name, const char *path,
                      const hone_plugin **out, hone_error *err)
{
    if (strcmp(name, "broken") == 0)
        return hone_fail(err, HONE_EFORMAT, "%s:1: syntax error", path);
    ck_assert_str_eq(kind, "sample");
    *out = strcmp(name, "nothing") == 0 ? NULL : user;
    return HONE_OK;
}

START_TEST(other_suffixes_have_loaders)
{
    hone_plugin plugin = small();
    hone_context *context;
    const hone_plugin *found;
    hone_error err;

    lay("a", "sample", "small.lua", NULL);
    lay("a", "sample", "broken.lua", NULL);
    lay("a", "sample", "nothing.lua", NULL);
    context = looking();
    ck_ok(hone_plugin_add_loader(context, ".lua", load_small, &plugin, &err));
    ck_ok(hone_plugin_find(context, "sample", "small", &found, &err));
    ck_assert_ptr_eq(found, &plugin);
    not_found(context, "loader", HONE_EFORMAT, "sample", "broken");
    not_found(context, "loader-nothing", HONE_EINVAL, "sample", "nothing");
    ck_fails(HONE_EINVAL, hone_plugin_add_loader(context, ".so", load_small, NULL, &err));
    ck_fails(HONE_EINVAL, hone_plugin_add_loader(context, "lua", load_small, NULL, &err));
    support_golden("plugin-suffix", err.message);
    hone_context_free(context);
}
END_TEST

/* ---- instances ---- */

START_TEST(an_instance_has_its_options_and_those_of_its_parts)
{
    hone_json *options = json("{\"count\":3,\"part\":{\"plugin\":\"sample\",\"count\":4,"
                              "\"part\":\"sample\"}}");
    const hone_json *part;
    hone_context *context;
    hone_instance *instance;
    int64_t before;
    hone_error err;

    lay("a", "sample", "sample.so", "sample");
    context = looking();
    ck_ok(hone_instance_new(&instance, context, "sample", "sample", NULL, &err));
    hone_instance_free(instance); /* loaded now */
    before = hone_alloc_live();
    ck_ok(hone_instance_new(&instance, context, "sample", "sample", options, &err));
    ck_assert_str_eq(hone_instance_plugin(instance)->name, "sample");
    ck_assert_ptr_eq(hone_instance_context(instance), context);
    part = hone_json_get(hone_instance_options(instance), "part");
    ck_assert_str_eq(hone_json_string(hone_json_get(part, "plugin")), "sample");
    ck_assert_int_eq(json_integer_value(hone_json_get(part, "count")), 4);
    part = hone_json_get(part, "part");
    ck_assert_int_eq(json_integer_value(hone_json_get(part, "count")), 8);
    hone_instance_free(hone_instance_ref(instance));
    hone_instance_free(instance);
    hone_instance_free(NULL);
    ck_assert_int_eq(hone_alloc_live(), before);
    hone_json_free(options);
    hone_context_free(context);
}
END_TEST

static void no_instance(hone_context *context, const char *golden, const char *name,
                        const char *text)
{
    hone_json *options = text ? json(text) : NULL;
    hone_instance *instance;
    hone_error err;
    char file[64];

    ck_assert_int_lt(hone_instance_new(&instance, context, "sample", name, options, &err), 0);
    ck_assert_ptr_null(instance);
    snprintf(file, sizeof file, "plugin-%s", golden);
    support_golden(file, err.message);
    hone_json_free(options);
}

START_TEST(instances_are_refused_with_kind_name_and_option)
{
    hone_context *context;
    int64_t before;

    lay("a", "sample", "sample.so", "sample");
    lay("a", "sample", "failing_init.so", "failing_init");
    context = looking();
    no_instance(context, "instance-init-fails", "failing_init", NULL);
    no_instance(context, "instance-unknown", "sample", "{\"cuont\":1}");
    before = hone_alloc_live();
    no_instance(context, "instance-range", "sample", "{\"rate\":-1}");
    no_instance(context, "instance-init", "sample", "{\"count\":666}");
    no_instance(context, "instance-init-fails", "failing_init", NULL);
    no_instance(context, "instance-part", "sample", "{\"part\":{\"plugin\":\"sample\",\"rate\":0}}");
    no_instance(context, "instance-part-type", "sample", "{\"part\":3}");
    no_instance(context, "instance-part-nameless", "sample", "{\"part\":{\"count\":3}}");
    no_instance(context, "instance-part-unknown", "sample", "{\"part\":\"simple\"}");
    no_instance(context, "instance-plugin-key", "sample", "{\"plugin\":\"sample\"}");
    ck_assert_int_eq(hone_alloc_live(), before);
    hone_context_free(context);
}
END_TEST

START_TEST(settings_give_new_defaults)
{
    hone_json *options = json("{\"count\":7}");
    char path[512], list[512];
    const char *text = "options = { sample = { sample = { count = 3; rate = 0.5; targets = ( \"k\" );"
                       " inner = { warmup = 0.5; }; }; small = { cuont = 1; }; }; };";
    hone_plugin plugin = small();
    const hone_json *in_force;
    hone_context *context;
    hone_instance *instance;
    hone_error err;

    lay("a", "sample", "sample.so", "sample");
    snprintf(path, sizeof path, "%s/x.conf", support_folder());
    snprintf(list, sizeof list, "%s/a", support_folder());
    support_write(path, text, strlen(text));
    setenv("HONE_PLUGIN_PATH", list, 1);
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    ck_ok(hone_context_new(&context, path, &err));
    ck_ok(hone_instance_new(&instance, context, "sample", "sample", options, &err));
    in_force = hone_instance_options(instance);
    ck_assert_int_eq(json_integer_value(hone_json_get(in_force, "count")), 7);
    ck_assert_double_eq(json_real_value(hone_json_get(in_force, "rate")), 0.5);
    ck_assert_uint_eq(json_array_size(hone_json_get(in_force, "targets")), 1);
    in_force = hone_json_get(in_force, "inner");
    ck_assert_double_eq(json_real_value(hone_json_get(in_force, "warmup")), 0.5);
    ck_assert_str_eq(hone_json_string(hone_json_get(in_force, "label")), "none");
    hone_instance_free(instance);
    ck_ok(hone_plugin_register(context, &plugin, &err));
    no_instance(context, "settings-unknown", "small", NULL);
    hone_context_free(context);

    text = "options = { sample = { sample = { rate = 99.0; }; }; };";
    support_write(path, text, strlen(text));
    ck_ok(hone_context_new(&context, path, &err));
    no_instance(context, "settings-range", "sample", NULL);
    hone_context_free(context);
    hone_json_free(options);
}
END_TEST

struct link {
    hone_instance *next;
};

START_TEST(plugins_that_need_each_other_by_default_are_refused)
{
    static const hone_option to_b[] = { HONE_OPT_PLUGIN(struct link, next, "next", "sample", "b", ""),
                                        HONE_OPT_END };
    static const hone_option to_a[] = { HONE_OPT_PLUGIN(struct link, next, "next", "sample", "a", ""),
                                        HONE_OPT_END };
    hone_plugin a = small(), b = small();
    hone_json *ends = json("{\"next\":{\"plugin\":\"b\",\"next\":{\"plugin\":\"small\"}}}");
    hone_context *context = looking();
    hone_instance *instance;
    hone_error err;
    hone_plugin last = small();

    a.name = "a", a.options = to_b, a.instance_size = sizeof(struct link);
    b.name = "b", b.options = to_a, b.instance_size = sizeof(struct link);
    ck_ok(hone_plugin_register(context, &a, &err));
    ck_ok(hone_plugin_register(context, &b, &err));
    ck_ok(hone_plugin_register(context, &last, &err));
    no_instance(context, "cycle", "a", NULL);
    /* spelled out, it ends */
    ck_ok(hone_instance_new(&instance, context, "sample", "a", ends, &err));
    hone_instance_free(instance);
    hone_json_free(ends);
    hone_context_free(context);
}
END_TEST

START_TEST(very_deep_nesting_is_refused)
{
    json_t *options = json_object();
    hone_context *context;
    hone_instance *instance;
    hone_error err;

    lay("a", "sample", "sample.so", "sample");
    context = looking();
    for (int i = 0; i < 100; i++) {
        json_object_set_new(options, "plugin", json_string("sample"));
        options = json_pack("{s:o}", "part", options);
    }
    ck_fails(HONE_EINVAL, hone_instance_new(&instance, context, "sample", "sample", options, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "more than 64 deep"));
    json_decref(options);
    hone_context_free(context);
}
END_TEST

START_TEST(an_instance_fails_cleanly_when_memory_is_short)
{
    hone_json *options = json("{\"part\":{\"plugin\":\"sample\",\"layers\":[1,2]},\"text\":\"x\"}");
    hone_context *context;
    hone_instance *instance;
    hone_error err;
    int64_t before;

    lay("a", "sample", "sample.so", "sample");
    context = looking();
    before = hone_alloc_live();
    for (uint64_t n = 1;; n++) { /* the first time it is loaded, too */
        int code;

        err = (hone_error){0};
        hone_alloc_fail_after(n);
        code = hone_instance_new(&instance, context, "sample", "sample", options, &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            break;
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_int_le(hone_alloc_live(), before + 1); /* one for what stays loaded */
        ck_assert_uint_lt(n, 200);
    }
    hone_instance_free(instance);
    ck_assert_int_eq(hone_alloc_live(), before + 1);
    for (uint64_t n = 1;; n++) {
        hone_plugin_entry *entries;
        size_t count;
        int code;

        hone_alloc_fail_after(n);
        code = hone_plugin_list(context, NULL, &entries, &count, &err);
        hone_alloc_fail_after(0);
        hone_free(entries);
        ck_assert_int_eq(hone_alloc_live(), before + 1);
        if (code == HONE_OK)
            break;
        ck_assert_uint_lt(n, 200);
    }
    hone_json_free(options);
    hone_context_free(context);
}
END_TEST

/* ---- hone check ---- */

static void check_fails(hone_context *context, const char *golden, const char *path)
{
    const hone_plugin *plugin;
    hone_error err;
    char file[64];

    ck_assert_int_lt(hone_plugin_check(context, path, &plugin, &err), 0);
    snprintf(file, sizeof file, "plugin-%s", golden);
    support_golden(file, err.message);
}

START_TEST(a_file_is_checked_in_every_respect)
{
    hone_context *context = looking();
    const hone_plugin *plugin;
    hone_error err;
    char path[512];

    ck_ok(hone_plugin_check(context, lay("c", "anywhere", "sample.so", "sample"), &plugin, &err));
    ck_assert_str_eq(plugin->kind, "sample");
    check_fails(context, "check-self-test",
                lay("c", "anywhere", "failing_self_test.so", "failing_self_test"));
    check_fails(context, "check-default", lay("c", "anywhere", "bad_default.so", "bad_default"));
    check_fails(context, "check-init", lay("c", "anywhere", "failing_init.so", "failing_init"));
    check_fails(context, "check-kind", lay("c", "metric", "sample.so", "sample"));
    check_fails(context, "check-suffix", lay("c", "anywhere", "notes.txt", NULL));
    check_fails(context, "check-name", lay("c", "anywhere", "My-Plugin.so", NULL));
    check_fails(context, "check-lua", lay("c", "anywhere", "civility.lua", NULL));
    snprintf(path, sizeof path, "%s/absent.so", support_folder());
    check_fails(context, "check-absent", path);
    hone_context_free(context);
}
END_TEST

START_TEST(a_relative_path_will_do)
{
    hone_context *context = looking();
    const hone_plugin *plugin;
    hone_error err;

    lay("c", "anywhere", "sample.so", "sample");
    ck_assert_int_eq(chdir(support_folder()), 0);
    ck_ok(hone_plugin_check(context, "c/anywhere/sample.so", &plugin, &err));
    ck_assert_int_eq(chdir("c/anywhere"), 0);
    ck_ok(hone_plugin_check(context, "sample.so", &plugin, &err));
    hone_context_free(context);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plugin");
    TCase *tc = tcase_create("plugin");

    tcase_add_test(tc, a_plugin_is_found_by_kind_and_name);
    tcase_add_test(tc, the_list_is_sorted_and_shows_what_is_hidden);
    tcase_add_test(tc, settings_add_folders);
    tcase_add_test(tc, unknown_plugins_are_answered_with_the_nearest);
    tcase_add_test(tc, broken_plugins_are_refused_with_the_reason);
    tcase_add_test(tc, an_undefined_symbol_is_named);
    tcase_add_test(tc, descriptors_that_contradict_themselves_are_refused);
    tcase_add_test(tc, older_and_newer_descriptors_are_understood);
    tcase_add_test(tc, the_latest_registered_wins_and_hides_files);
    tcase_add_test(tc, other_suffixes_have_loaders);
    tcase_add_test(tc, an_instance_has_its_options_and_those_of_its_parts);
    tcase_add_test(tc, instances_are_refused_with_kind_name_and_option);
    tcase_add_test(tc, settings_give_new_defaults);
    tcase_add_test(tc, plugins_that_need_each_other_by_default_are_refused);
    tcase_add_test(tc, very_deep_nesting_is_refused);
    tcase_add_test(tc, an_instance_fails_cleanly_when_memory_is_short);
    tcase_add_test(tc, a_file_is_checked_in_every_respect);
    tcase_add_test(tc, a_relative_path_will_do);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
