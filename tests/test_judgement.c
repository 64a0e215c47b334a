/* test_judgement.c -- the table of judgements, and the statistics beside it. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hone_error err;

static const hone_judgement_columns columns = {
    .item = "item", .annotator = "who", .value = "label", .weight = "weight", .time = "seconds",
    .order = "order", .level = HONE_NOMINAL,
};

/* JSON, with single quotes for double ones. */
static json_t *rows_of(const char *text)
{
    char *quoted = hone_strdup(text);
    hone_json *json = NULL;

    for (char *p = quoted; (p = strchr(p, '\'')); p++)
        *p = '"';
    ck_ok(hone_json_parse(&json, quoted, strlen(quoted), "test", &err));
    hone_free(quoted);
    return json;
}

static hone_judgements *judgements_of(const char *text, hone_level level, const char *duplicates)
{
    json_t *rows = rows_of(text);
    hone_judgement_columns c = columns;
    hone_judgements *j = NULL;

    c.level = level;
    ck_ok(hone_judgements_from_rows(&j, rows, &c, duplicates, &err));
    json_decref(rows);
    return j;
}

START_TEST(columns_are_sorted_by_item_and_keep_the_order_of_rows)
{
    hone_judgements *j = judgements_of(
        "[{'item': 'b', 'who': 1, 'label': 'x'}, {'item': 'a', 'who': 1, 'label': 3},"
        " {'item': 'b', 'who': 2, 'label': true}, {'item': 'a', 'who': 3, 'label': 3.0}]",
        HONE_NOMINAL, NULL);
    static const int32_t item[] = { 0, 0, 1, 1 }, annotator[] = { 0, 1, 0, 2 };
    static const int32_t label[] = { 2, 1, 0, 0 };

    ck_assert_uint_eq(hone_judgements_count(j), 4);
    ck_assert_mem_eq(hone_judgements_item(j), item, sizeof item);
    ck_assert_mem_eq(hone_judgements_annotator(j), annotator, sizeof annotator);
    ck_assert_mem_eq(hone_judgements_label(j), label, sizeof label);
    ck_assert_str_eq(hone_judgements_item_name(j, 0), "b");
    ck_assert_str_eq(hone_judgements_annotator_name(j, 2), "3");
    ck_assert_str_eq(hone_judgements_label_name(j, 0), "3");
    ck_assert_str_eq(hone_judgements_label_name(j, 1), "true");
    ck_assert_ptr_null(hone_judgements_label_name(j, 3));
    ck_assert_ptr_null(hone_judgements_weight(j));
    ck_assert_ptr_null(hone_judgements_time(j));
    ck_assert_ptr_null(hone_judgements_order(j));
    hone_judgements_free(j);
}
END_TEST

START_TEST(labels_that_are_numbers_are_ordered_as_numbers)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_ORDINAL, &err));
    ck_ok(hone_judgements_add(j, "i", "a", "10", 0, &err));
    ck_ok(hone_judgements_add(j, "i", "b", "9", 0, &err));
    ck_ok(hone_judgements_add(j, "i", "c", "-1", 0, &err));
    ck_assert_str_eq(hone_judgements_label_name(j, 0), "-1");
    ck_assert_str_eq(hone_judgements_label_name(j, 2), "10");
    ck_assert_double_eq(hone_judgements_value(j)[0], 2);
    ck_ok(hone_judgements_add(j, "i", "d", "bad", 0, &err));
    ck_assert_str_eq(hone_judgements_label_name(j, 1), "10");
    ck_assert_str_eq(hone_judgements_label_name(j, 3), "bad");
    hone_judgements_free(j);
}
END_TEST

START_TEST(a_list_of_labels_sets_their_order_and_refuses_others)
{
    static const char *const scale[] = { "poor", "fair", "good" }, *const few[] = { "fair" };
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_ORDINAL, &err));
    ck_ok(hone_judgements_add(j, "i", "a", "good", 0, &err));
    ck_ok(hone_judgements_add(j, "i", "b", "poor", 0, &err));
    ck_fails(HONE_EINVAL, hone_judgements_set_labels(j, few, 1, &err));
    support_golden("judgement-labels-missing", err.message);
    ck_ok(hone_judgements_set_labels(j, scale, 3, &err));
    ck_assert_uint_eq(hone_judgements_labels(j), 3);
    ck_assert_int_eq(hone_judgements_label(j)[0], 2);
    ck_assert_int_eq(hone_judgements_label(j)[1], 0);
    ck_assert_str_eq(hone_judgements_label_name(j, 1), "fair");
    ck_fails(HONE_EINVAL, hone_judgements_add(j, "i", "c", "great", 0, &err));
    support_golden("judgement-label-unknown", err.message);
    ck_assert_uint_eq(hone_judgements_count(j), 2);
    hone_judgements_free(j);
}
END_TEST

START_TEST(weights_times_and_orders_are_there_where_a_row_has_one)
{
    hone_judgements *j = judgements_of(
        "[{'item': 1, 'who': 1, 'label': 1, 'weight': 0.5, 'seconds': '2.5', 'order': 2},"
        " {'item': 1, 'who': 2, 'label': 1, 'weight': null}]", HONE_NOMINAL, NULL);

    ck_assert_double_eq(hone_judgements_weight(j)[0], 0.5);
    ck_assert_double_eq(hone_judgements_weight(j)[1], 1);
    ck_assert_double_eq(hone_judgements_time(j)[0], 2.5);
    ck_assert(isnan(hone_judgements_time(j)[1]));
    ck_assert_int_eq(hone_judgements_order(j)[0], 2);
    ck_assert_int_eq(hone_judgements_order(j)[1], 0);
    hone_judgements_free(j);
}
END_TEST

static const char twice[] =
    "[{'item': 1, 'who': 1, 'label': 'a', 'seconds': 5}, {'item': 2, 'who': 1, 'label': 'b'},"
    " {'item': 1, 'who': 1, 'label': 'c', 'seconds': 3},"
    " {'item': 1, 'who': 1, 'label': 'd', 'seconds': 4}]";

START_TEST(a_second_value_is_resolved_as_told_and_counted)
{
    static const char *const policies[] = { "first", "latest", "both" };
    static const size_t left[] = { 2, 2, 4 };
    hone_judgements *j = judgements_of(twice, HONE_NOMINAL, policies[_i]);

    ck_assert_uint_eq(hone_judgements_count(j), left[_i]);
    ck_assert_uint_eq(hone_judgements_dropped(j), 4 - left[_i]);
    /* The first row is also the latest by its time. */
    ck_assert_str_eq(hone_judgements_label_name(j, (size_t)hone_judgements_label(j)[0]), "a");
    hone_judgements_free(j);
}
END_TEST

START_TEST(without_times_the_later_row_is_the_latest)
{
    hone_judgements *j = judgements_of(
        "[{'item': 1, 'who': 1, 'label': 'a'}, {'item': 1, 'who': 1, 'label': 'b'}]",
        HONE_NOMINAL, "latest");

    ck_assert_uint_eq(hone_judgements_count(j), 1);
    ck_assert_str_eq(hone_judgements_label_name(j, (size_t)hone_judgements_label(j)[0]), "b");
    hone_judgements_free(j);
}
END_TEST

START_TEST(what_rows_cannot_be_is_said_with_row_and_column)
{
    static const struct { const char *name, *rows; hone_level level; } cases[] = {
        { "judgement-twice", twice, HONE_NOMINAL },
        { "judgement-no-value", "[{'item': 1, 'who': 1, 'label': null}]", HONE_NOMINAL },
        { "judgement-no-item", "[{'who': 1, 'label': 1}]", HONE_NOMINAL },
        { "judgement-item-type", "[{'item': [1], 'who': 1, 'label': 1}]", HONE_NOMINAL },
        { "judgement-row-type", "[7]", HONE_NOMINAL },
        { "judgement-not-number", "[{'item': 1, 'who': 1, 'label': '4,5'}]", HONE_INTERVAL },
        { "judgement-boolean", "[{'item': 1, 'who': 1, 'label': true}]", HONE_INTERVAL },
        { "judgement-infinite", "[{'item': 1, 'who': 1, 'label': 'inf'}]", HONE_INTERVAL },
        { "judgement-negative", "[{'item': 1, 'who': 1, 'label': -2}]", HONE_RATIO },
        { "judgement-weight", "[{'item': 1, 'who': 1, 'label': 1, 'weight': -1}]",
          HONE_NOMINAL },
        { "judgement-order", "[{'item': 1, 'who': 1, 'label': 1, 'order': 3}]", HONE_NOMINAL },
        { "judgement-not-list", "{}", HONE_NOMINAL },
    };
    json_t *rows = rows_of(cases[_i].rows);
    hone_judgement_columns c = columns;
    hone_judgements *j = NULL;

    c.level = cases[_i].level;
    ck_fails(HONE_EINVAL, hone_judgements_from_rows(&j, rows, &c, NULL, &err));
    ck_assert_ptr_null(j);
    support_golden(cases[_i].name, err.message);
    json_decref(rows);
}
END_TEST

START_TEST(names_are_utf8_and_not_empty)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_fails(HONE_EINVAL, hone_judgements_add(j, "", "a", "x", 0, &err));
    ck_fails(HONE_EINVAL, hone_judgements_add(j, "i", "\xff", "x", 0, &err));
    ck_fails(HONE_EINVAL, hone_judgements_add(j, "i", "a", NULL, 0, &err));
    ck_assert_uint_eq(hone_judgements_count(j), 0);
    hone_judgements_free(j);
}
END_TEST

START_TEST(items_and_annotators_carry_attributes)
{
    json_t *attributes = json_pack("{s:s}", "region", "north"), *list = json_array();
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_ok(hone_judgements_add(j, "i", "a", "x", 0, &err));
    ck_ok(hone_judgements_describe_item(j, "i", attributes, &err));
    ck_ok(hone_judgements_describe_annotator(j, "a", attributes, &err));
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        ck_ok(hone_judgements_add(j, name, name, name, 0, &err));
    }
    ck_assert_ptr_eq(hone_judgements_item_attributes(j, 0), attributes);
    ck_assert_ptr_eq(hone_judgements_annotator_attributes(j, 0), attributes);
    ck_assert_ptr_null(hone_judgements_item_attributes(j, 1));
    ck_assert_ptr_null(hone_judgements_item_attributes(j, 5000));
    ck_fails(HONE_ENOTFOUND, hone_judgements_describe_item(j, "other", attributes, &err));
    support_golden("judgement-describe-unknown", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_describe_item(j, "i", list, &err));
    support_golden("judgement-describe-type", err.message);
    hone_judgements_free(j);
    json_decref(attributes);
    json_decref(list);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    static const char *const scale[] = { "d", "c", "b", "a" };
    json_t *rows = rows_of(twice);
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_judgements *j = NULL;
        ck_assert_uint_lt(n, 1000);
        hone_alloc_fail_after(n);
        code = hone_judgements_from_rows(&j, rows, &columns, "latest", &err);
        if (code == HONE_OK)
            code = hone_judgements_set_labels(j, scale, 4, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_judgements_free(j);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    json_decref(rows);
}
END_TEST

/* ---- statistics ---- */

START_TEST(normal_quantiles_are_those_of_tables)
{
    ck_assert_double_eq_tol(hone_normal_quantile(0.975), 1.959963984540054, 1e-14);
    ck_assert_double_eq_tol(hone_normal_quantile(0.2), -0.8416212335729143, 1e-14);
    ck_assert_double_eq_tol(hone_normal_quantile(1e-10), -6.361340902404056, 1e-12);
    ck_assert_double_eq_tol(hone_normal_quantile(0.5), 0, 1e-15);
    ck_assert_double_eq_tol(hone_normal_tail(-hone_normal_quantile(1e-200)) / 1e-200, 1, 1e-10);
    ck_assert(isinf(hone_normal_quantile(0)));
    ck_assert(isnan(hone_normal_quantile(1.5)));
}
END_TEST

START_TEST(binomial_test_sums_what_is_as_unlikely)
{
    /* 3 of 15 at 1/2: 2 (1 + 15 + 105 + 455)/2^15; 7 of 10 at 0.3, by hand. */
    double p = 0;

    ck_assert_double_eq_tol(hone_binomial_test(3, 15, 0.5), 1152 / 32768., 1e-12);
    ck_assert_double_eq_tol(hone_binomial_test(5, 10, 0.5), 1, 1e-12);
    ck_assert_double_eq(hone_binomial_test(0, 0, 0.5), 1);
    for (int k = 7; k <= 10; k++) /* 0 of 10 is likelier (.028) than 7 of 10 (.009) */
        p += tgamma(11) / tgamma(k + 1) / tgamma(11 - k) * pow(0.3, k) * pow(0.7, 10 - k);
    ck_assert_double_eq_tol(hone_binomial_test(7, 10, 0.3), p, 1e-12);
    ck_assert_double_eq_tol(hone_binomial_test(0, 10, 0), 1, 1e-12);
}
END_TEST

START_TEST(wilson_interval_is_the_published_one)
{
    double low, high;

    /* Newcombe 1998, table I: 81 of 263 and 0 of 20. */
    hone_wilson_interval(81, 263, 0.95, &low, &high);
    ck_assert_double_eq_tol(low, .2553, 5e-5);
    ck_assert_double_eq_tol(high, .3662, 5e-5);
    hone_wilson_interval(0, 20, 0.95, &low, &high);
    ck_assert_double_eq(low, 0);
    ck_assert_double_eq_tol(high, .1611, 5e-5);
    hone_wilson_interval(0, 0, 0.95, &low, &high);
    ck_assert_double_eq(high - low, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judgement");
    TCase *table = tcase_create("table"), *numbers = tcase_create("statistics");

    tcase_add_test(table, columns_are_sorted_by_item_and_keep_the_order_of_rows);
    tcase_add_test(table, labels_that_are_numbers_are_ordered_as_numbers);
    tcase_add_test(table, a_list_of_labels_sets_their_order_and_refuses_others);
    tcase_add_test(table, weights_times_and_orders_are_there_where_a_row_has_one);
    tcase_add_loop_test(table, a_second_value_is_resolved_as_told_and_counted, 0, 3);
    tcase_add_test(table, without_times_the_later_row_is_the_latest);
    tcase_add_loop_test(table, what_rows_cannot_be_is_said_with_row_and_column, 0, 12);
    tcase_add_test(table, names_are_utf8_and_not_empty);
    tcase_add_test(table, items_and_annotators_carry_attributes);
    tcase_add_test(table, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, table);
    tcase_add_test(numbers, normal_quantiles_are_those_of_tables);
    tcase_add_test(numbers, binomial_test_sums_what_is_as_unlikely);
    tcase_add_test(numbers, wilson_interval_is_the_published_one);
    suite_add_tcase(suite, numbers);
    return support_run(suite);
}
