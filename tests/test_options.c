/* test_options.c -- options: every type, every way to get one wrong. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct inner {
    double warmup;
    const char *label;
};

struct all {
    bool flag;
    int64_t count, seed, mode;
    double rate, limit;
    const char *text, *file;
    hone_range span;
    hone_int_list layers;
    hone_real_list betas;
    hone_string_list targets;
    struct inner inner;
};

static const char *const modes[] = { "linear", "cosine", "constant", NULL };

static const hone_option inner[] = {
    HONE_OPT_REAL(struct inner, warmup, "warmup", 0.03, 0, 1, "share of steps"),
    HONE_OPT_STRING(struct inner, label, "label", "none", "a name"),
    HONE_OPT_END
};

static const hone_option table[] = {
    HONE_OPT_BOOL(struct all, flag, "flag", true, "on or off"),
    HONE_OPT_INT(struct all, count, "count", 8, 1, 1000, "things"),
    HONE_OPT_INT(struct all, seed, "seed", HONE_UNSET_INT, 0, INT64_MAX, "default: none"),
    HONE_OPT_REAL_FLAGS(struct all, rate, "rate", 1e-3, 0, 10, HONE_OPTION_OPEN_MIN, "a step"),
    HONE_OPT_REAL(struct all, limit, "limit", HONE_UNSET_REAL, 0, INFINITY, "default: none"),
    HONE_OPT_STRING(struct all, text, "text", "hello", "a text"),
    HONE_OPT_PATH(struct all, file, "file", NULL, "default: none"),
    HONE_OPT_CHOICE(struct all, mode, "mode", "cosine", modes, "how it falls"),
    HONE_OPT_RANGE(struct all, span, "span", .25, 1., 0, 1, "from, to"),
    HONE_OPT_INTS(struct all, layers, "layers", NULL, 0, 100, "which layers"),
    HONE_OPT_REALS(struct all, betas, "betas", "[0.9, 0.999]", 0, 1, "moments"),
    HONE_OPT_STRINGS(struct all, targets, "targets", "[\"q\", \"v\"]", "roles"),
    HONE_OPT_TABLE(struct all, inner, "inner", inner, "a table of its own"),
    HONE_OPT_END
};

static const hone_option required[] = {
    { .name = "rate", .doc = "the share of what must be", .type = HONE_OPTION_REAL,
      .flags = HONE_OPTION_REQUIRED, .real_max = 1 },
    HONE_OPT_END
};

static hone_json *json(const char *text)
{
    hone_error err;
    hone_json *value;

    ck_ok(hone_json_parse(&value, text, strlen(text), "test", &err));
    return value;
}

static void refuses(const char *name, const char *text)
{
    hone_json *values = json(text), *effective;
    struct all all = {0};
    char golden[64];
    int64_t before = hone_alloc_live();
    hone_error err;

    ck_fails(HONE_EINVAL, hone_options_parse(table, &all, NULL, values, "sample/all", &effective,
                                             &err));
    ck_assert_ptr_null(effective);
    ck_assert_int_eq(hone_alloc_live(), before);
    snprintf(golden, sizeof golden, "option-%s", name);
    support_golden(golden, err.message);
    hone_options_free(table, &all); /* once more is fine */
    hone_json_free(values);
}

START_TEST(defaults_arrive_in_their_members)
{
    struct all all = {0};
    hone_error err;

    ck_ok(hone_options_parse(table, &all, NULL, NULL, "x", NULL, &err));
    ck_assert(all.flag);
    ck_assert_int_eq(all.count, 8);
    ck_assert_int_eq(all.seed, HONE_UNSET_INT);
    ck_assert_int_eq(all.mode, 1);
    ck_assert_double_eq(all.rate, 1e-3);
    ck_assert(isnan(all.limit));
    ck_assert_str_eq(all.text, "hello");
    ck_assert_ptr_null(all.file);
    ck_assert_double_eq(all.span.low, 0.25);
    ck_assert_double_eq(all.span.high, 1);
    ck_assert_uint_eq(all.layers.count, 0);
    ck_assert_uint_eq(all.betas.count, 2);
    ck_assert_double_eq(all.betas.items[1], 0.999);
    ck_assert_uint_eq(all.targets.count, 2);
    ck_assert_str_eq(all.targets.items[1], "v");
    ck_assert_double_eq(all.inner.warmup, 0.03);
    ck_assert_str_eq(all.inner.label, "none");
    hone_options_free(table, &all);
}
END_TEST

static const char everything[] =
    "{\"flag\":false,\"count\":1e3,\"seed\":7,\"rate\":10,\"limit\":0.5,\"text\":\"x\","
    "\"file\":\"~/y\",\"mode\":\"constant\",\"span\":[0,0.5],\"layers\":[3,4.0],\"betas\":[1,0],"
    "\"targets\":[\"k\"],\"inner\":{\"warmup\":0.5}}";

START_TEST(values_arrive_in_their_members)
{
    hone_json *values = json(everything);
    struct all all = {0};
    hone_error err;

    setenv("HOME", "/home/someone", 1);
    ck_ok(hone_options_parse(table, &all, NULL, values, "x", NULL, &err));
    ck_assert(!all.flag);
    ck_assert_int_eq(all.count, 1000);
    ck_assert_int_eq(all.seed, 7);
    ck_assert_int_eq(all.mode, 2);
    ck_assert_double_eq(all.rate, 10);
    ck_assert_double_eq(all.limit, 0.5);
    ck_assert_str_eq(all.text, "x");
    ck_assert_str_eq(all.file, "/home/someone/y");
    ck_assert_double_eq(all.span.high, 0.5);
    ck_assert_uint_eq(all.layers.count, 2);
    ck_assert_int_eq(all.layers.items[1], 4);
    ck_assert_double_eq(all.betas.items[0], 1);
    ck_assert_str_eq(all.targets.items[0], "k");
    ck_assert_double_eq(all.inner.warmup, 0.5);
    ck_assert_str_eq(all.inner.label, "none");
    hone_options_free(table, &all);
    hone_json_free(values);
}
END_TEST

START_TEST(what_is_in_force_makes_the_same_again)
{
    const char *texts[] = { "{}", everything };

    for (int i = 0; i < 2; i++) {
        hone_json *values = json(texts[i]), *first, *second;
        struct all a = {0}, b = {0};
        hone_error err;
        char *text;

        ck_ok(hone_options_parse(table, &a, NULL, values, "x", &first, &err));
        ck_ok(hone_options_parse(table, &b, NULL, first, "x", &second, &err));
        ck_assert(json_equal(first, second));
        ck_assert_double_eq(a.rate, b.rate);
        text = hone_json_text(first);
        if (i == 0)
            support_golden("option-effective", text);
        hone_free(text);
        hone_options_free(table, &a);
        hone_options_free(table, &b);
        hone_json_free(values);
        hone_json_free(first);
        hone_json_free(second);
    }
}
END_TEST

START_TEST(null_and_the_empty_list_stand_for_nothing)
{
    hone_json *values = json("{\"count\":null,\"targets\":{},\"inner\":[]}"), *empty = json("[]");
    struct all all = {0};
    hone_error err;

    ck_ok(hone_options_parse(table, &all, NULL, values, "x", NULL, &err));
    ck_assert_int_eq(all.count, 8);
    ck_assert_uint_eq(all.targets.count, 0);
    hone_options_free(table, &all);
    all = (struct all){0};
    ck_ok(hone_options_parse(table, &all, NULL, empty, "x", NULL, &err));
    hone_options_free(table, &all);
    hone_json_free(values);
    hone_json_free(empty);
}
END_TEST

START_TEST(unknown_names_are_refused_with_the_nearest)
{
    refuses("unknown-near", "{\"rte\":1}");
    refuses("unknown-swapped", "{\"tset\":1, \"cuont\":1}");
    refuses("unknown-prefix", "{\"tar\":[]}");
    refuses("unknown-far", "{\"xyzzy\":1}");
    refuses("unknown-inner", "{\"inner\":{\"warm_up\":0.1}}");
    refuses("unknown-escape", "{\"\\u001b[31mred\":1}");
}
END_TEST

START_TEST(values_out_of_range_are_refused_with_the_range)
{
    refuses("range-int", "{\"count\":0}");
    refuses("range-int-high", "{\"count\":1001}");
    refuses("range-open", "{\"rate\":0}");
    refuses("range-real", "{\"rate\":-1}");
    refuses("range-unbounded", "{\"limit\":-0.1}");
    refuses("range-list", "{\"betas\":[0.5, 1.5]}");
    refuses("range-ints", "{\"layers\":[-1]}");
    refuses("range-pair", "{\"span\":[0.5, 2]}");
    refuses("range-order", "{\"span\":[0.5, 0.1]}");
    refuses("range-choice", "{\"mode\":\"cosin\"}");
    refuses("range-choice-far", "{\"mode\":\"quadratic\"}");
    refuses("range-inner", "{\"inner\":{\"warmup\":3}}");
}
END_TEST

START_TEST(values_of_another_type_are_refused_with_what_was_found)
{
    refuses("type-bool", "{\"flag\":1}");
    refuses("type-int", "{\"count\":\"8\"}");
    refuses("type-int-real", "{\"count\":2.5}");
    refuses("type-int-far", "{\"count\":1e300}");
    refuses("type-real", "{\"rate\":\"fast\"}");
    refuses("type-text", "{\"text\":5}");
    refuses("type-path", "{\"file\":true}");
    refuses("type-choice", "{\"mode\":1}");
    refuses("type-pair", "{\"span\":[1]}");
    refuses("type-pair-table", "{\"span\":{\"low\":1}}");
    refuses("type-list", "{\"targets\":\"q\"}");
    refuses("type-list-item", "{\"targets\":[\"q\", 2]}");
    refuses("type-reals", "{\"betas\":{\"a\":1}}");
    refuses("type-inner", "{\"inner\":3}");
    refuses("type-table", "[1]");
    refuses("type-table-text", "\"lr\"");
}
END_TEST

START_TEST(a_text_with_a_zero_byte_is_refused)
{
    hone_json *values = json_pack("{s:o}", "text", json_stringn("a\0b", 3));
    struct all all = {0};
    hone_error err;

    ck_fails(HONE_EINVAL, hone_options_parse(table, &all, NULL, values, "x", NULL, &err));
    support_golden("option-zero-byte", err.message);
    hone_json_free(values);
}
END_TEST

START_TEST(a_required_option_must_be_given)
{
    hone_json *given = json("{\"rate\":0.5}");
    hone_error err;
    double rate = 0;

    ck_fails(HONE_EINVAL, hone_options_parse(required, &rate, NULL, NULL, "x/y", NULL, &err));
    support_golden("option-required", err.message);
    ck_ok(hone_options_parse(required, &rate, NULL, given, "x/y", NULL, &err));
    ck_assert_double_eq(rate, 0.5);
    hone_json_free(given);
}
END_TEST

START_TEST(a_table_describes_itself)
{
    hone_json *described;
    hone_error err;
    char *text;

    ck_ok(hone_options_describe(table, &described, &err));
    text = hone_json_text(described);
    ck_assert_uint_eq(json_array_size(described), 13);
    ck_assert_str_eq(hone_json_string(hone_json_get(json_array_get(described, 3), "allowed")),
                     "> 0 and <= 10");
    ck_assert_str_eq(hone_json_string(hone_json_get(json_array_get(described, 2), "allowed")),
                     ">= 0");
    ck_assert_str_eq(hone_json_type(hone_json_get(json_array_get(described, 2), "default")),
                     "null");
    hone_json_free(described);
    support_golden("option-describe", text);
    hone_free(text);
    ck_ok(hone_options_describe(NULL, &described, &err));
    ck_assert_uint_eq(json_array_size(described), 0);
    hone_json_free(described);
}
END_TEST

START_TEST(parsing_fails_cleanly_when_memory_is_short)
{
    hone_json *values = json(everything);
    int64_t before = hone_alloc_live();

    for (uint64_t n = 1;; n++) {
        struct all all = {0};
        hone_error err = {0};
        int code;

        hone_alloc_fail_after(n);
        code = hone_options_parse(table, &all, NULL, values, "x", NULL, &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK) {
            ck_assert_uint_gt(n, 5);
            hone_options_free(table, &all);
            break;
        }
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_int_eq(hone_alloc_live(), before);
        ck_assert_uint_lt(n, 100);
    }
    ck_assert_int_eq(hone_alloc_live(), before);
    hone_json_free(values);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("options");

    tcase_add_test(tc, defaults_arrive_in_their_members);
    tcase_add_test(tc, values_arrive_in_their_members);
    tcase_add_test(tc, what_is_in_force_makes_the_same_again);
    tcase_add_test(tc, null_and_the_empty_list_stand_for_nothing);
    tcase_add_test(tc, unknown_names_are_refused_with_the_nearest);
    tcase_add_test(tc, values_out_of_range_are_refused_with_the_range);
    tcase_add_test(tc, values_of_another_type_are_refused_with_what_was_found);
    tcase_add_test(tc, a_text_with_a_zero_byte_is_refused);
    tcase_add_test(tc, a_required_option_must_be_given);
    tcase_add_test(tc, a_table_describes_itself);
    tcase_add_test(tc, parsing_fails_cleanly_when_memory_is_short);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
