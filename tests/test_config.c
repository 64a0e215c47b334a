/* test_config.c -- reading config.json: defaults, ranges, refusals by name. */
#include "support.h"

#include <string.h>

static hone_error err;
static hone_json *json;
static hone_config c;

static void open_config(const char *text)
{
    err = (hone_error){0};
    hone_json_free(json);
    json = NULL;
    ck_ok(hone_json_parse(&json, text, strlen(text), "config", &err));
    c = hone_config_open(json, &err);
}

static void teardown(void)
{
    hone_json_free(json);
    json = NULL;
}

static void ck_refused(const char *golden)
{
    ck_assert_int_eq(hone_config_close(&c), HONE_EFORMAT);
    ck_assert_int_eq(err.code, HONE_EFORMAT);
    support_golden(golden, err.message);
}

START_TEST(values_are_read_by_key_and_path)
{
    open_config("{\"a\":3,\"b\":2.5,\"c\":true,\"d\":\"x\",\"e\":{\"f\":{\"g\":7}},"
                "\"model_type\":\"llama\"}");
    ck_assert_int_eq(hone_config_int(&c, "a", 1, 0, 10), 3);
    ck_assert_double_eq(hone_config_real(&c, "b", 1, 0, 10), 2.5);
    ck_assert_double_eq(hone_config_real(&c, "a", 1, 0, 10), 3);
    ck_assert(hone_config_bool(&c, "c", false));
    ck_assert_str_eq(hone_config_text(&c, "d", NULL), "x");
    ck_assert_int_eq(hone_config_int(&c, "e.f.g", 1, 0, 10), 7);
    ck_assert(hone_config_type_is(&c, "llama"));
    ck_assert(!hone_config_type_is(&c, "gpt2"));
    ck_assert_int_eq(hone_config_close(&c), HONE_OK);
}
END_TEST

START_TEST(absent_and_null_keys_take_the_default)
{
    open_config("{\"a\":null,\"e\":{\"f\":null},\"n\":1}");
    ck_assert_int_eq(hone_config_int(&c, "a", 4, 0, 10), 4);
    ck_assert_int_eq(hone_config_int(&c, "e.f", 5, 0, 10), 5);
    ck_assert_int_eq(hone_config_int(&c, "e.g.h", 6, 0, 10), 6);
    ck_assert_int_eq(hone_config_int(&c, "n.m", 7, 0, 10), 7);
    ck_assert_double_eq(hone_config_real(&c, "z", 0.5, 0, 1), 0.5);
    ck_assert(hone_config_bool(&c, "a", true));
    ck_assert_ptr_null(hone_config_text(&c, "a", NULL));
    ck_assert(!hone_config_has(&c, "a"));
    ck_assert(hone_config_has(&c, "n"));
    hone_config_only(&c, "a", NULL);
    hone_config_only(&c, "z", "silu");
    hone_config_divides(&c, "z", "n");
    ck_assert_int_eq(hone_config_close(&c), HONE_OK);
}
END_TEST

START_TEST(a_missing_key_is_named)
{
    open_config("{}");
    hone_config_int(&c, "hidden_size", HONE_REQUIRED, 1, 1048576);
    ck_refused("config-missing-int");
    open_config("{}");
    hone_config_int(&c, "head_dim", 0, 1, 4096);
    ck_refused("config-missing-default");
    open_config("{}");
    hone_config_real(&c, "eps", 0.0 / 0.0, 0, 1);
    ck_refused("config-missing-real");
}
END_TEST

START_TEST(an_impossible_value_is_named_with_what_is_allowed)
{
    open_config("{\"a\":0}");
    hone_config_int(&c, "a", 1, 1, 9);
    ck_refused("config-int-range");
    open_config("{\"a\":2.0}");
    hone_config_int(&c, "a", 1, 1, 9);
    ck_refused("config-int-type");
    open_config("{\"a\":\"2\"}");
    hone_config_real(&c, "a", 1, 0, 9);
    ck_refused("config-real-type");
    open_config("{\"a\":1e300}");
    hone_config_real(&c, "a", 1, 0.5, 9);
    ck_refused("config-real-range");
    open_config("{\"a\":0.5}");
    hone_config_real(&c, "a", 1, 1, 1);
    ck_refused("config-real-only");
    open_config("{\"a\":1}");
    hone_config_bool(&c, "a", true);
    ck_refused("config-bool");
    open_config("{\"a\":[1,2]}");
    hone_config_text(&c, "a", NULL);
    ck_refused("config-text");
}
END_TEST

START_TEST(keys_that_would_change_the_arithmetic_are_refused)
{
    open_config("{\"hidden_act\":\"gelu\"}");
    hone_config_only(&c, "hidden_act", "silu");
    ck_refused("config-only");
    open_config("{\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}");
    hone_config_only(&c, "rope_scaling", NULL);
    ck_refused("config-only-null");
    open_config("{\"hidden_act\":\"silu\"}");
    hone_config_only(&c, "hidden_act", "silu");
    ck_assert_int_eq(hone_config_close(&c), HONE_OK);
}
END_TEST

START_TEST(what_must_divide_is_checked)
{
    open_config("{\"part\":4,\"whole\":12}");
    hone_config_divides(&c, "part", "whole");
    ck_assert_int_eq(hone_config_close(&c), HONE_OK);
    open_config("{\"part\":5,\"whole\":12}");
    hone_config_divides(&c, "part", "whole");
    ck_refused("config-divides");
    open_config("{\"part\":0,\"whole\":12}");
    hone_config_divides(&c, "part", "whole");
    ck_assert_int_eq(hone_config_close(&c), HONE_EFORMAT);
    ck_assert_int_eq(hone_config_quotient(&c, 12, 4), 3);
    ck_assert_int_eq(hone_config_quotient(&c, 12, 5), 0);
    ck_assert_int_eq(hone_config_quotient(&c, 12, 0), 0);
}
END_TEST

START_TEST(the_first_failure_is_the_one_told)
{
    open_config("{\"a\":-1,\"b\":-1}");
    hone_config_int(&c, "a", 0, 0, 1);
    hone_config_int(&c, "b", 0, 0, 1);
    hone_config_fail(&c, "never");
    ck_refused("config-first");
    open_config("[]");
    ck_refused("config-no-object");
}
END_TEST

START_TEST(without_an_error_to_fill_the_code_is_kept)
{
    open_config("{}");
    c = hone_config_open(json, NULL);
    hone_config_int(&c, "a", HONE_REQUIRED, 0, 1);
    ck_assert_int_eq(hone_config_close(&c), HONE_EFORMAT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("config");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, values_are_read_by_key_and_path);
    tcase_add_test(tc, absent_and_null_keys_take_the_default);
    tcase_add_test(tc, a_missing_key_is_named);
    tcase_add_test(tc, an_impossible_value_is_named_with_what_is_allowed);
    tcase_add_test(tc, keys_that_would_change_the_arithmetic_are_refused);
    tcase_add_test(tc, what_must_divide_is_checked);
    tcase_add_test(tc, the_first_failure_is_the_one_told);
    tcase_add_test(tc, without_an_error_to_fill_the_code_is_kept);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
