/* test_data_clean.c -- cleaning, splitting and packing of datasets. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static hone_context *context;

static void hush(void *user, hone_log_level level, const char *line)
{
    (void)user, (void)level, (void)line;
}

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

static hone_json *parse(const char *text)
{
    hone_json *json;
    hone_error err;

    ck_ok(hone_json_parse(&json, text, strlen(text), "test", &err));
    return json;
}

static hone_data *rows_of(const char *text)
{
    hone_json *rows = parse(text);
    hone_data *data;
    hone_error err;

    ck_ok(hone_data_new(&data, context, rows, "rows", &err));
    hone_json_free(rows);
    return data;
}

/* The report of cleaning these rows, as JSON text in a static buffer. */
static const char *report_of(const hone_data *data, const char *options)
{
    static char text[2048];
    hone_json *json = options ? parse(options) : NULL, *report;
    hone_data *clean;
    hone_error err;
    char *dump;

    ck_ok(hone_data_clean(&clean, data, json, &report, &err));
    ck_assert_int_eq(json_integer_value(json_object_get(report, "after")),
                     (json_int_t)hone_data_count(clean));
    dump = hone_json_text(report);
    snprintf(text, sizeof text, "%s", dump);
    hone_free(dump);
    hone_json_free(report);
    hone_json_free(json);
    hone_data_free(clean);
    return text;
}

static size_t kept(const char *rows, const char *options)
{
    hone_data *data = rows_of(rows), *clean;
    hone_json *json = options ? parse(options) : NULL;
    hone_error err;
    size_t count;

    ck_ok(hone_data_clean(&clean, data, json, NULL, &err));
    count = hone_data_count(clean);
    hone_data_free(clean);
    hone_data_free(data);
    hone_json_free(json);
    return count;
}

START_TEST(duplicates_are_equal_after_nfkc_case_folding_and_joining_blanks)
{
    /* Fullwidth letters, a ligature, sharp s, a no-break space, composed or not. */
    ck_assert_uint_eq(kept("[{\"text\":\"Stra\\u00dfe  fi\"},"
                           "{\"text\":\" \\uff33TRASSE\\u00a0\\ufb01\\n\"}]", NULL), 1);
    ck_assert_uint_eq(kept("[{\"text\":\"caf\\u00e9\"},{\"text\":\"CAFE\\u0301\"}]", NULL), 1);
    ck_assert_uint_eq(kept("[{\"text\":\"caf\\u00e9\"},{\"text\":\"cafe\"}]", NULL), 2);
    ck_assert_uint_eq(kept("[{\"text\":\"a b\"},{\"text\":\"ab\"}]", NULL), 2);
    ck_assert_uint_eq(kept("[{\"text\":\"a\"},{\"text\":\"A\"}]", "{\"dedup\":false}"), 2);
}
END_TEST

START_TEST(prompts_and_answers_count_whatever_columns_hold_them)
{
    ck_assert_uint_eq(kept("[{\"prompt\":\"a\",\"completion\":\"b\",\"id\":1},"
                           "{\"instruction\":\"A \",\"output\":\"B\",\"id\":2},"
                           "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
                           "{\"role\":\"assistant\",\"content\":\"b\"}]}]", NULL), 1);
    ck_assert_uint_eq(kept("[{\"prompt\":\"a b\",\"completion\":\"c\"},"
                           "{\"prompt\":\"a\",\"completion\":\"b c\"}]", NULL), 2);
    ck_assert_uint_eq(kept("[{\"x\":1},{\"x\":2},{\"x\":1}]", NULL), 2);
    ck_assert_uint_eq(kept("[{\"instruction\":\"a\",\"instances\":[{\"output\":\"1\"}]},"
                           "{\"instruction\":\"a\",\"instances\":[{\"output\":\"2\"}]}]", NULL), 2);
}
END_TEST

START_TEST(short_and_long_texts_are_counted_in_characters_without_blanks_at_the_ends)
{
    const char *rows = "[{\"text\":\"  \\u00e4\\u00f6 \\u00fc  \"},{\"text\":\"abcde\"}]";

    ck_assert_uint_eq(kept(rows, "{\"min_chars\":4}"), 2);
    ck_assert_uint_eq(kept(rows, "{\"min_chars\":5}"), 1);
    ck_assert_uint_eq(kept(rows, "{\"max_chars\":4}"), 1);
    ck_assert_uint_eq(kept("[{\"prompt\":\"abc\",\"completion\":\"de\"}]", "{\"min_chars\":5}"), 1);
}
END_TEST

START_TEST(the_report_counts_by_reason_and_names_rows)
{
    hone_data *data = rows_of("[{\"text\":\"one two\"},{\"text\":\"a\"},{\"text\":\"One  two\"},"
                              "{\"text\":\"\"},{\"text\":\"three four five\"}]");

    ck_assert_str_eq(report_of(data, "{\"min_chars\":2,\"max_chars\":10}"),
        "{\"before\":5,\"after\":1,\"dropped\":{"
        "\"duplicate\":{\"count\":1,\"examples\":[\"rows:3\"]},"
        "\"short\":{\"count\":2,\"examples\":[\"rows:2\",\"rows:4\"]},"
        "\"long\":{\"count\":1,\"examples\":[\"rows:5\"]},"
        "\"utf8\":{\"count\":0,\"examples\":[]}}}");
    hone_data_free(data);
}
END_TEST

START_TEST(rows_nearly_the_same_are_left_out_by_option)
{
    hone_data *data = rows_of("[{\"text\": \"one two three four five six seven eight nine ten\"},"
                              "{\"text\": \"something else\"},"
                              "{\"text\": \"One two three four five six seven eight nine ten.\"}]");

    ck_assert_ptr_null(strstr(report_of(data, "{}"), "near"));
    ck_assert(strstr(report_of(data, "{}"), "\"after\":3"));
    ck_assert(strstr(report_of(data, "{\"near\": 0.9}"),
                     "\"near\":{\"count\":1,\"examples\":[\"rows:3\"]}"));
    ck_assert(strstr(report_of(data, "{\"near\": 0.99}"), "\"after\":3"));
    hone_data_free(data);
}
END_TEST

START_TEST(invalid_utf8_that_loading_left_out_is_reported)
{
    hone_json *rows, *options = parse("{\"utf8\":\"drop\"}");
    char path[512];
    hone_data *data;
    hone_error err;

    snprintf(path, sizeof path, "%s/bad.txt", support_folder());
    support_write(path, "\xff\n\ngood\n", 8);
    hone_context_on_log(context, hush, NULL);
    ck_ok(hone_data_load(&data, context, path, options, &err));
    ck_assert_ptr_nonnull(strstr(report_of(data, NULL), "{\"before\":2,\"after\":1,"));
    ck_assert_ptr_nonnull(strstr(report_of(data, NULL), "bad.txt:1\"]"));
    hone_data_free(data);
    hone_json_free(options);

    rows = json_pack("[{s:s}, {s:[o]}]", "text", "fine", "turns", json_stringn_nocheck("\xff", 1));
    ck_fails(HONE_EFORMAT, hone_data_new(&data, context, rows, "rows", &err));
    support_golden("data-utf8-rows", err.message);
    hone_json_free(rows);
}
END_TEST

START_TEST(cleaning_that_leaves_nothing_says_why)
{
    hone_data *data = rows_of("[{\"text\":\"a\"},{\"text\":\"b\"}]"), *clean;
    hone_json *options = parse("{\"min_chars\":2}"), *report;
    hone_error err;

    ck_fails(HONE_EINVAL, hone_data_clean(&clean, data, options, &report, &err));
    support_golden("data-clean-nothing", err.message);
    hone_json_free(options);
    options = parse("{\"min_char\":2}");
    ck_fails(HONE_EINVAL, hone_data_clean(&clean, data, options, &report, &err));
    support_golden("data-clean-option", err.message);
    ck_assert_ptr_null(clean);
    ck_assert_ptr_null(report);
    hone_json_free(options);
    hone_data_free(data);
    data = rows_of("[{\"text\":\"a\"},{\"text\":true}]");
    ck_fails(HONE_EFORMAT, hone_data_clean(&clean, data, NULL, &report, &err));
    support_golden("data-clean-field", err.message);
    hone_data_free(data);
}
END_TEST

/* n rows "text 0", "text 1" ..., each `copies` times, in a scrambled order. */
static hone_data *numbered(size_t n, size_t copies, size_t step)
{
    hone_json *rows = json_array();
    hone_data *data;
    hone_error err;

    for (size_t i = 0; i < n * copies; i++) {
        size_t k = i * step % (n * copies);
        json_array_append_new(rows, json_pack("{s:o}", "text", json_sprintf("Text %zu", k % n)));
    }
    ck_ok(hone_data_new(&data, context, rows, "rows", &err));
    hone_json_free(rows);
    return data;
}

static bool holds(const hone_data *data, const char *text)
{
    for (size_t i = 0; i < hone_data_count(data); i++)
        if (!strcmp(text, hone_json_string(hone_json_get(hone_data_row(data, i), "text"))))
            return true;
    return false;
}

START_TEST(a_split_has_its_shares_and_loses_no_row)
{
    static const struct {
        size_t rows, train, validation, test;
    } cases[] = { { 175, 158, 8, 9 }, { 1000, 900, 50, 50 }, { 20, 18, 1, 1 } };
    hone_json *shares = parse("{\"train\":0.90,\"validation\":0.05,\"test\":0.05}");
    hone_error err;

    for (size_t c = 0; c < 3; c++)
        for (uint64_t seed = 0; seed < 10; seed++) {
            hone_data *data = numbered(cases[c].rows, 1, 1), *parts[3];
            char text[32];
            ck_ok(hone_data_split(parts, data, shares, seed, &err));
            ck_assert_uint_eq(hone_data_count(parts[0]), cases[c].train);
            ck_assert_uint_eq(hone_data_count(parts[1]), cases[c].validation);
            ck_assert_uint_eq(hone_data_count(parts[2]), cases[c].test);
            for (size_t i = 0; i < cases[c].rows; i++) {
                snprintf(text, sizeof text, "Text %zu", i);
                ck_assert_int_eq(holds(parts[0], text) + holds(parts[1], text) +
                                 holds(parts[2], text), 1);
            }
            for (int k = 0; k < 3; k++)
                hone_data_free(parts[k]);
            hone_data_free(data);
        }
    hone_json_free(shares);
}
END_TEST

START_TEST(a_split_never_parts_duplicates_and_ignores_the_order_of_rows)
{
    hone_json *shares = parse("{\"a\":0.5,\"b\":0.3}");
    hone_data *one = numbered(40, 3, 1), *other = numbered(40, 3, 7), *x[2], *y[2], *z[2];
    hone_error err;
    int moved = 0;

    ck_ok(hone_data_split(x, one, shares, 5, &err));
    ck_ok(hone_data_split(y, other, shares, 5, &err));
    ck_ok(hone_data_split(z, one, shares, 6, &err));
    ck_assert_uint_eq(hone_data_count(x[0]) % 3 + hone_data_count(x[1]) % 3, 0);
    ck_assert_uint_eq(hone_data_count(x[0]), 60);
    ck_assert_uint_eq(hone_data_count(x[1]), 36);
    for (int i = 0; i < 40; i++) {
        char text[32];
        snprintf(text, sizeof text, "Text %d", i);
        ck_assert(!(holds(x[0], text) && holds(x[1], text)));
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(holds(x[k], text), holds(y[k], text));
        moved += holds(x[0], text) != holds(z[0], text);
    }
    ck_assert_int_gt(moved, 5);
    for (int k = 0; k < 2; k++) {
        hone_data_free(x[k]);
        hone_data_free(y[k]);
        hone_data_free(z[k]);
    }
    hone_data_free(one);
    hone_data_free(other);
    hone_json_free(shares);
}
END_TEST

START_TEST(impossible_shares_are_refused)
{
    static const char *const cases[][2] = {
        { "data-split-sum", "{\"train\":0.9,\"test\":0.2}" },
        { "data-split-negative", "{\"train\":-0.1}" },
        { "data-split-text", "{\"train\":\"most\"}" },
        { "data-split-empty", "{\"train\":0.97,\"test\":0.03}" },
        { "data-split-none", "{}" },
    };
    hone_data *data = rows_of("[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"}]"), *parts[2];
    hone_error err;

    for (size_t i = 0; i < 5; i++) {
        hone_json *shares = parse(cases[i][1]);
        ck_fails(HONE_EINVAL, hone_data_split(parts, data, shares, 1, &err));
        support_golden(cases[i][0], err.message);
        hone_json_free(shares);
    }
    hone_data_free(data);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_leak_nothing)
{
    hone_data *data = rows_of("[{\"text\":\"a\\u00e4\"},{\"text\":\"b\"},{\"text\":\"a\\u00c4\"}]");
    hone_json *shares = parse("{\"a\":0.5,\"b\":0.5}");
    int64_t before = hone_alloc_live();

    for (int what = 0; what < 2; what++)
        for (uint64_t n = 1;; n++) {
            hone_data *parts[2] = { NULL, NULL };
            hone_json *report = NULL;
            hone_error err = { 0 };
            hone_alloc_fail_after(n);
            int code = what ? hone_data_split(parts, data, shares, 1, &err)
                            : hone_data_clean(parts, data, NULL, &report, &err);
            hone_alloc_fail_after(0);
            hone_data_free(parts[0]);
            hone_data_free(parts[1]);
            hone_json_free(report);
            ck_assert_int_eq(hone_alloc_live(), before);
            if (code == HONE_OK)
                break;
            ck_assert_msg(code == HONE_ENOMEM && err.message[0], "%d %s", code, err.message);
            ck_assert_uint_lt(n, 1000);
        }
    hone_json_free(shares);
    hone_data_free(data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data_clean");
    TCase *cases = tcase_create("clean and split");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, duplicates_are_equal_after_nfkc_case_folding_and_joining_blanks);
    tcase_add_test(cases, prompts_and_answers_count_whatever_columns_hold_them);
    tcase_add_test(cases,
                   short_and_long_texts_are_counted_in_characters_without_blanks_at_the_ends);
    tcase_add_test(cases, the_report_counts_by_reason_and_names_rows);
    tcase_add_test(cases, rows_nearly_the_same_are_left_out_by_option);
    tcase_add_test(cases, invalid_utf8_that_loading_left_out_is_reported);
    tcase_add_test(cases, cleaning_that_leaves_nothing_says_why);
    tcase_add_test(cases, a_split_has_its_shares_and_loses_no_row);
    tcase_add_test(cases, a_split_never_parts_duplicates_and_ignores_the_order_of_rows);
    tcase_add_test(cases, impossible_shares_are_refused);
    tcase_add_test(cases, failing_allocations_are_errors_and_leak_nothing);
    suite_add_tcase(suite, cases);
    return support_run(suite);
}
