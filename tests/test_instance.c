/* test_instance.c -- instances: options from all sides, parts, failures. */
#include "samples.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hone_json *json(const char *text)
{
    hone_error err;
    hone_json *value;

    ck_ok(hone_json_parse(&value, text, strlen(text), "test", &err));
    return value;
}

START_TEST(an_instance_has_its_options_and_those_of_its_parts)
{
    hone_json *options = json("{\"count\":3,\"part\":{\"plugin\":\"sample\",\"count\":4,"
                              "\"part\":\"sample\"}}");
    const hone_json *part;
    hone_context *context;
    hone_instance *instance;
    int64_t before;
    hone_error err;

    sample_lay("a", "sample", "sample.so", "sample");
    context = sample_context();
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

    sample_lay("a", "sample", "sample.so", "sample");
    sample_lay("a", "sample", "failing_init.so", "failing_init");
    context = sample_context();
    no_instance(context, "instance-init-fails", "failing_init", NULL);
    no_instance(context, "instance-unknown", "sample", "{\"cuont\":1}");
    before = hone_alloc_live();
    no_instance(context, "instance-range", "sample", "{\"rate\":-1}");
    no_instance(context, "instance-init", "sample", "{\"count\":666}");
    no_instance(context, "instance-init-fails", "failing_init", NULL);
    no_instance(context, "instance-part", "sample",
                "{\"part\":{\"plugin\":\"sample\",\"rate\":0}}");
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
    const char *text = "options = { sample = { sample = { count = 3; rate = 0.5; "
                       "targets = ( \"k\" ); inner = { warmup = 0.5; }; }; small = { cuont = 1; }; }; };";
    hone_plugin plugin = sample_small();
    const hone_json *in_force;
    hone_context *context;
    hone_instance *instance;
    hone_error err;

    sample_lay("a", "sample", "sample.so", "sample");
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
    static const hone_option to_b[] = {
        HONE_OPT_PLUGIN(struct link, next, "next", "sample", "b", ""), HONE_OPT_END
    };
    static const hone_option to_a[] = {
        HONE_OPT_PLUGIN(struct link, next, "next", "sample", "a", ""), HONE_OPT_END
    };
    hone_plugin a = sample_small(), b = sample_small();
    hone_json *ends = json("{\"next\":{\"plugin\":\"b\",\"next\":{\"plugin\":\"small\"}}}");
    hone_context *context = sample_context();
    hone_instance *instance;
    hone_error err;
    hone_plugin last = sample_small();

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

    sample_lay("a", "sample", "sample.so", "sample");
    context = sample_context();
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

    sample_lay("a", "sample", "sample.so", "sample");
    context = sample_context();
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
        ck_assert_uint_lt(n, 1000);
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

int main(void)
{
    Suite *suite = suite_create("instance");
    TCase *tc = tcase_create("instance");

    tcase_add_test(tc, an_instance_has_its_options_and_those_of_its_parts);
    tcase_add_test(tc, instances_are_refused_with_kind_name_and_option);
    tcase_add_test(tc, settings_give_new_defaults);
    tcase_add_test(tc, plugins_that_need_each_other_by_default_are_refused);
    tcase_add_test(tc, very_deep_nesting_is_refused);
    tcase_add_test(tc, an_instance_fails_cleanly_when_memory_is_short);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
