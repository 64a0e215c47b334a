/* test_every_plugin.c -- what every plugin must stand, in the first folder of
 * HONE_PLUGIN_PATH: it loads, its defaults are in range, an unknown option is
 * refused, its self-test holds, and an allocation that fails leaks nothing. A
 * new plugin is tested here with no line written. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLUGINS = 1024, ALLOCATIONS = 100000, SELF_TEST = 500 };

static char *names[PLUGINS]; /* "<kind>/<name>", shown where one fails */
static hone_plugin_entry *entries;
static size_t count;

/* Lua plugins need the interpreter: tests in Lua see to them. */
static bool is_shared_object(const hone_plugin_entry *entry)
{
    size_t n = entry->path ? strlen(entry->path) : 0;

    return n > 3 && strcmp(entry->path + n - 3, ".so") == 0;
}

static bool is_required(const hone_option *options)
{
    for (const hone_option *o = options; o && o->type != HONE_OPTION_END; o++)
        if ((o->flags & HONE_OPTION_REQUIRED) ||
            (o->type == HONE_OPTION_TABLE && is_required(o->options)))
            return true;
    return false;
}

static const hone_plugin *found(hone_context *context, int i)
{
    const hone_plugin *plugin;
    hone_error err;

    ck_ok(hone_plugin_find(context, entries[i].kind, entries[i].name, &plugin, &err));
    return plugin;
}

/* Everything that `hone check` does: descriptor, defaults, instance, self-test. */
START_TEST(it_passes_its_checks)
{
    hone_context *context = support_context();
    const hone_plugin *plugin;
    hone_error err;

    ck_ok(hone_plugin_check(context, entries[_i].path, &plugin, &err));
    ck_assert_str_eq(plugin->kind, entries[_i].kind);
    ck_assert_str_eq(plugin->name, entries[_i].name);
    hone_context_free(context);
}
END_TEST

START_TEST(its_options_describe_themselves)
{
    hone_context *context = support_context();
    const hone_plugin *plugin = found(context, _i);
    hone_json *described;
    hone_error err;
    json_t *option;
    size_t n;

    ck_ok(hone_options_describe(plugin->options, &described, &err));
    json_array_foreach(described, n, option) {
        const char *doc = hone_json_string(hone_json_get(option, "doc"));
        ck_assert_msg(doc && *doc, "%s: option %s has no doc", names[_i],
                      hone_json_string(hone_json_get(option, "name")));
    }
    hone_json_free(described);
    hone_context_free(context);
}
END_TEST

START_TEST(an_unknown_option_is_refused)
{
    hone_context *context = support_context();
    const hone_plugin *plugin = found(context, _i);
    const char *known = plugin->options && plugin->options->type ? plugin->options->name : "option";
    hone_instance *instance;
    hone_json *options;
    hone_error err;
    char name[256], hint[300];

    snprintf(name, sizeof name, "%sx", known); /* near the first */
    options = json_pack("{s:i}", name, 1);
    ck_fails(HONE_EINVAL, hone_instance_new(&instance, context, entries[_i].kind, entries[_i].name,
                                            options, &err));
    ck_assert_ptr_null(instance);
    ck_assert_msg(strstr(err.message, "unknown option") && strstr(err.message, name), "%s",
                  err.message);
    snprintf(hint, sizeof hint, "did you mean '%s", known);
    ck_assert_msg(!plugin->options || !plugin->options->type || strstr(err.message, hint), "%s",
                  err.message);
    hone_json_free(options);
    hone_context_free(context);
}
END_TEST

/* An instance at the nth allocation's failure: made or refused, nothing left. */
static int make_failing(hone_context *context, int i, uint64_t n)
{
    int64_t before = hone_alloc_live();
    hone_instance *instance;
    hone_error err = {0};
    int code;

    hone_alloc_fail_after(n);
    code = hone_instance_new(&instance, context, entries[i].kind, entries[i].name, NULL, &err);
    hone_alloc_fail_after(0);
    ck_assert_msg(code != HONE_OK || instance, "%s: made nothing", names[i]);
    ck_assert_msg(code == HONE_OK || err.message[0], "%s: failed without a message", names[i]);
    hone_instance_free(instance);
    ck_assert_msg(hone_alloc_live() == before, "%s: %" PRId64 " allocations leak when number %"
                  PRIu64 " fails", names[i], hone_alloc_live() - before, n);
    return code;
}

START_TEST(an_allocation_that_fails_leaks_nothing)
{
    hone_context *context = support_context();
    const hone_plugin *plugin = found(context, _i);
    uint64_t n = 1;

    if (!is_required(plugin->options)) {
        ck_assert_msg(make_failing(context, _i, 0) == HONE_OK, "%s: no instance", names[_i]);
        while (make_failing(context, _i, n) != HONE_OK)
            ck_assert_msg(n++ < ALLOCATIONS, "%s: never made", names[_i]);
        ck_assert_msg(n > 1, "%s: made with no memory", names[_i]);
    }
    hone_context_free(context);
}
END_TEST

START_TEST(its_self_test_fails_cleanly_when_memory_is_short)
{
    hone_context *context = support_context();
    const hone_plugin *plugin = found(context, _i);
    int64_t before;
    int code = plugin->self_test ? plugin->self_test(context, NULL) : HONE_OK;

    ck_assert_int_eq(code, HONE_OK); /* what it needs is loaded now */
    before = hone_alloc_live();
    for (uint64_t n = 1; plugin->self_test && n <= SELF_TEST; n++) {
        hone_error err = {0};

        hone_alloc_fail_after(n);
        code = plugin->self_test(context, &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(hone_alloc_live() == before, "%s: %" PRId64 " allocations leak when number %"
                      PRIu64 " fails", names[_i], hone_alloc_live() - before, n);
        if (code == HONE_OK)
            break;
    }
    hone_context_free(context);
}
END_TEST

START_TEST(what_is_in_force_makes_the_same_again)
{
    hone_context *context = support_context();
    const hone_plugin *plugin = found(context, _i);
    hone_instance *first, *second;
    hone_error err;

    if (!is_required(plugin->options)) {
        ck_ok(hone_instance_new(&first, context, entries[_i].kind, entries[_i].name, NULL, &err));
        ck_ok(hone_instance_new(&second, context, entries[_i].kind, entries[_i].name,
                                hone_instance_options(first), &err));
        ck_assert(json_equal((json_t *)hone_instance_options(first),
                             (json_t *)hone_instance_options(second)));
        hone_instance_free(first);
        hone_instance_free(second);
    }
    hone_context_free(context);
}
END_TEST

/* The plugins of the first folder: others on this machine are not ours to test.
 * Runs outside of any test: each is then a test by itself. */
static void collect(void)
{
    const char *path = getenv("HONE_PLUGIN_PATH");
    size_t folder = path ? strcspn(path, ":") : 0, kept = 0;
    hone_context *context;
    hone_error err = {0};

    if (hone_context_new(&context, NULL, &err) != HONE_OK ||
        hone_plugin_list(context, NULL, &entries, &count, &err) != HONE_OK)
        fprintf(stderr, "%s\n", err.message);
    for (size_t i = 0; i < count && kept < PLUGINS; i++)
        if (is_shared_object(&entries[i]) && strncmp(entries[i].path, path, folder) == 0 &&
            entries[i].path[folder] == '/') {
            entries[kept] = entries[i];
            names[kept++] = hone_format("%s/%s", entries[i].kind, entries[i].name);
        }
    count = kept;
    hone_context_free(context);
}

START_TEST(there_are_plugins)
{
    ck_assert_uint_gt(count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("every plugin");
    TCase *tc = tcase_create("every plugin");
    int status;

    collect();
    tcase_add_test(tc, there_are_plugins);
    tcase_add_loop_test(tc, it_passes_its_checks, 0, (int)count);
    tcase_add_loop_test(tc, its_options_describe_themselves, 0, (int)count);
    tcase_add_loop_test(tc, an_unknown_option_is_refused, 0, (int)count);
    tcase_add_loop_test(tc, an_allocation_that_fails_leaks_nothing, 0, (int)count);
    tcase_add_loop_test(tc, its_self_test_fails_cleanly_when_memory_is_short, 0, (int)count);
    tcase_add_loop_test(tc, what_is_in_force_makes_the_same_again, 0, (int)count);
    suite_add_tcase(suite, tc);
    status = support_run(suite);
    for (size_t i = 0; i < count; i++)
        hone_free(names[i]);
    hone_free(entries);
    return status;
}
