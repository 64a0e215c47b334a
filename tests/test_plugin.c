/* test_plugin.c -- plugins: found, checked, loaded, refused. */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- finding ---- */

START_TEST(a_plugin_is_found_by_kind_and_name)
{
    hone_context *context;
    const hone_plugin *plugin, *again;
    hone_error err;

    sample_lay("b", "sample", "sample.so", "sample");
    context = sample_context();
    ck_ok(hone_plugin_find(context, "sample", "sample", &plugin, &err));
    ck_assert_str_eq(plugin->name, "sample");
    ck_ok(hone_plugin_find(context, "sample", "sample", &again, &err));
    ck_assert_ptr_eq(plugin, again);
    hone_context_free(context);
    /* another context, the same object */
    context = sample_context();
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

    sample_lay("a", "metric", "zebra.so", NULL); /* empty: listing loads nothing */
    sample_lay("a", "metric", "civility.lua", NULL);
    sample_lay("b", "metric", "civility.so", NULL);
    sample_lay("b", "metric", "zebra.so", NULL);
    sample_lay("b", "bias", "length.so", NULL);
    sample_lay("a", "metric", "Bad-Name.so", NULL);
    sample_lay("a", "metric", "libold.la", NULL);
    sample_lay("a", "metric", ".so", NULL);
    sample_lay("a", "Kind", "x.so", NULL);
    context = sample_context();
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

    sample_lay("more", "sample", "sample.so", "sample");
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

    sample_lay("a", "optimizer", "adamw.so", NULL);
    sample_lay("a", "optimizer", "sgd.so", NULL);
    sample_lay("b", "optimizer", "sgd.so", NULL);
    context = sample_context();
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

    sample_lay("a", "sample", "other_abi.so", "other_abi");
    sample_lay("a", "sample", "misnamed.so", "misnamed");
    sample_lay("a", "sample", "no_symbol.so", "no_symbol");
    sample_lay("a", "sample", "renamed.so", "sample");
    sample_lay("a", "other", "sample.so", "sample");
    sample_lay("a", "metric", "lacking_op.so", "lacking_op");
    sample_lay("a", "sample", "empty.so", NULL);
    sample_lay("a", "metric", "civility.lua", NULL);
    context = sample_context();
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

    sample_lay("a", "sample", "undefined_symbol.so", "undefined_symbol");
    context = sample_context();
    not_found(context, "undefined-symbol", HONE_EABI, "sample", "undefined_symbol");
    hone_context_free(context);
}
END_TEST

/* ---- descriptors ---- */

static void not_registered(const char *golden, const hone_plugin *plugin)
{
    hone_context *context = sample_context();
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
    hone_option o[] = { sample_small_options[0], HONE_OPT_END, HONE_OPT_END };
    hone_ops ops = {0};
    hone_plugin p = sample_small();

    p.size = 8;
    not_registered("short-descriptor", &p);
    p = sample_small(), p.option_size = 3;
    not_registered("short-option", &p);
    p = sample_small(), p.name = "No-Name";
    not_registered("bad-name", &p);
    p = sample_small(), p.kind = NULL;
    not_registered("no-kind", &p);
    p = sample_small(), p.ops = &ops;
    not_registered("ops-size", &p);
    p = sample_small(), p.kind = "quality";
    not_registered("quality-nothing", &p);
    p = sample_small(), p.instance_size = 4;
    not_registered("small-instance", &p);
    p = sample_small(), p.options = o;
    o[0].offset = SIZE_MAX - 2;
    not_registered("far-offset", &p);
    o[0] = sample_small_options[0], o[0].type = 99;
    not_registered("option-type", &p);
    o[0] = sample_small_options[0], o[0].name = "plugin";
    not_registered("option-name", &p);
    o[0] = o[1] = sample_small_options[0];
    not_registered("option-twice", &p);
    o[0].offset = 4;
    o[1] = (hone_option)HONE_OPT_END;
    not_registered("option-unaligned", &p);
    o[0] = o[1] = sample_small_options[0];
    o[1].name = "other";
    not_registered("option-overlap", &p);
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
        { HONE_OPT_INT(struct sample_small, count, "count", 6, 0, 9, "things"), "pieces" },
        { HONE_OPT_TABLE(struct sample_small, inner, "inner", &inner[0].option, "inside"), NULL },
        { HONE_OPT_END, NULL },
    };
    struct {
        hone_plugin plugin;
        const char *homepage;
    } newer = { sample_small(), "https://example.org" };
    hone_plugin older = sample_small();
    hone_context *context = sample_context();
    const hone_plugin *found;
    hone_instance *instance;
    struct sample_small *self;
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
    hone_plugin first = sample_small(), second = sample_small();
    hone_context *context;
    const hone_plugin *found;
    hone_plugin_entry *entries;
    size_t count;
    hone_error err;

    sample_lay("a", "sample", "small.so", NULL);
    context = sample_context();
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
    hone_plugin plugin = sample_small();
    hone_context *context;
    const hone_plugin *found;
    hone_error err;

    sample_lay("a", "sample", "small.lua", NULL);
    sample_lay("a", "sample", "broken.lua", NULL);
    sample_lay("a", "sample", "nothing.lua", NULL);
    context = sample_context();
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

/* ---- hone check ---- */

static void check_fails(hone_context *context, const char *golden, const char *path)
{
    const hone_plugin *plugin;
    hone_error err;
    char file[64];

    ck_assert_int_lt(hone_plugin_check(context, path, &plugin, &err), 0);
    snprintf(file, sizeof file, "plugin-check-%s", golden);
    support_golden(file, err.message);
}

/* In a folder that says nothing of a kind. */
static const char *anywhere(const char *as, const char *sample)
{
    return sample_lay("c", "anywhere", as, sample);
}

START_TEST(a_file_is_checked_in_every_respect)
{
    hone_context *context = sample_context();
    const hone_plugin *plugin;
    hone_error err;
    char path[512];

    ck_ok(hone_plugin_check(context, anywhere("sample.so", "sample"), &plugin, &err));
    ck_assert_str_eq(plugin->kind, "sample");
    check_fails(context, "self-test", anywhere("failing_self_test.so", "failing_self_test"));
    check_fails(context, "default", anywhere("bad_default.so", "bad_default"));
    check_fails(context, "init", anywhere("failing_init.so", "failing_init"));
    check_fails(context, "kind", sample_lay("c", "metric", "sample.so", "sample"));
    check_fails(context, "suffix", anywhere("notes.txt", NULL));
    check_fails(context, "name", anywhere("My-Plugin.so", NULL));
    check_fails(context, "lua", anywhere("civility.lua", NULL));
    snprintf(path, sizeof path, "%s/absent.so", support_folder());
    check_fails(context, "absent", path);
    hone_context_free(context);
}
END_TEST

START_TEST(a_relative_path_will_do)
{
    hone_context *context = sample_context();
    const hone_plugin *plugin;
    hone_error err;

    sample_lay("c", "anywhere", "sample.so", "sample");
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
    tcase_add_test(tc, a_file_is_checked_in_every_respect);
    tcase_add_test(tc, a_relative_path_will_do);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
