/* test_agreement.c -- quality/agreement against published values and real sets. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hone_context *context;
static hone_error err;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

/* ---- help ---- */

static hone_instance *agreement_of(const char *options)
{
    json_t *json = support_json(options);
    hone_instance *quality = NULL;

    ck_ok(hone_instance_new(&quality, context, "quality", "agreement", json, &err));
    json_decref(json);
    return quality;
}

static json_t *check(const hone_judgements *j, const char *options)
{
    hone_instance *quality = agreement_of(options);
    hone_json *result = NULL;

    ck_ok(hone_quality_check(quality, j, &result, &err));
    hone_instance_free(quality);
    return result;
}

/* The number at "method.key". */
static double number_at(const json_t *result, const char *method, const char *key)
{
    const json_t *value = json_object_get(json_object_get(result, method), key);

    ck_assert_msg(json_is_number(value), "%s.%s is no number", method, key);
    return json_number_value(value);
}

static void near(double seen, double expected, double tolerance)
{
    ck_assert_msg(fabs(seen - expected) <= tolerance, "%.9f, expected %.9f", seen, expected);
}

/* Krippendorff's example, which irrCAC has as cac.raw4raters; there the lone value of
 * the last unit is the third rater's. */
static hone_judgements *four_raters(hone_level level)
{
    static const char *const raters[] = { "123321412   ", "1233224125  ", " 33323422513",
                                          "12332441251 " };
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, level, &err));
    for (int unit = 0; unit < 12; unit++) {
        for (int r = 0; r < 4; r++) {
            char item[] = { (char)('a' + unit), 0 }, rater[] = { (char)('A' + r), 0 };
            char label[] = { raters[r][unit], 0 };
            if (*label != ' ')
                ck_ok(hone_judgements_add(j, item, rater, label, *label - '0', &err));
        }
    }
    return j;
}

/* Two raters, counts [q][q] of the labels they gave. */
static hone_judgements *two_raters(hone_level level, const int *counts, int q)
{
    hone_judgements *j = NULL;
    int item = 0;

    ck_ok(hone_judgements_new(&j, level, &err));
    for (int cell = 0; cell < q * q; cell++) {
        for (int i = 0; i < counts[cell]; i++) {
            char name[16], first[] = { (char)('1' + cell / q), 0 };
            char second[] = { (char)('1' + cell % q), 0 };
            snprintf(name, sizeof name, "%d", item++);
            ck_ok(hone_judgements_add(j, name, "A", first, cell / q, &err));
            ck_ok(hone_judgements_add(j, name, "B", second, cell % q, &err));
        }
    }
    return j;
}

static const int three_by_three[] = { 13, 0, 0, 0, 20, 7, 0, 4, 56 };

/* ---- published values ---- */

START_TEST(alpha_of_krippendorffs_example_at_each_level)
{
    static const double expected[] = { .743421, .815388, .849107, .797403 };

    hone_judgements *j = four_raters((hone_level)_i);
    json_t *result = check(j, "{\"methods\": [\"krippendorff\"]}");
    near(number_at(result, "krippendorff", "value"), expected[_i], 5e-7);
    if (_i == HONE_NOMINAL)
        near(number_at(result, "krippendorff", "se"), .14548, 5e-6);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(percent_and_fleiss_of_four_raters)
{
    hone_judgements *j = four_raters(HONE_NOMINAL);
    json_t *result = check(j, "{}");

    near(number_at(result, "percent", "value"), .8181818, 5e-8);
    near(number_at(result, "fleiss", "value"), .76117, 5e-6);
    near(number_at(result, "fleiss", "se"), .15302, 5e-6);
    near(number_at(result, "gwet", "value"), .77544, 5e-6);
    near(number_at(result, "gwet", "se"), .14295, 5e-6);
    near(number_at(result, "conger", "value"), .76282, 5e-6);
    near(number_at(result, "conger", "se"), .149168, 5e-6);
    near(number_at(result, "brennan_prediger", "value"), .77273, 5e-6);
    near(number_at(result, "brennan_prediger", "se"), .14472, 5e-6);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(fleiss_of_four_raters_with_each_kind_of_weights)
{
    static const struct { const char *options; double value, gwet; } cases[] = {
        { "{\"weights\": \"linear\"}", .817945, .858739 },
        { "{\"weights\": \"quadratic\"}", .864935, .914001 },
        { "{\"weights\": \"ordinal\"}", .850206, .898940 },
    };
    hone_judgements *j = four_raters(HONE_ORDINAL);
    json_t *result = check(j, cases[_i].options);

    near(number_at(result, "fleiss", "value"), cases[_i].value, 5e-7);
    near(number_at(result, "gwet", "value"), cases[_i].gwet, 5e-7);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(kappas_of_the_three_by_three_table)
{
    hone_judgements *j = two_raters(HONE_NOMINAL, three_by_three, 3);
    json_t *result = check(j, "{}");
    const json_t *pair = json_array_get(json_object_get(json_object_get(result, "cohen"),
                                                        "pairs"), 0);

    near(number_at(result, "cohen", "value"), .7964094, 5e-8);
    near(json_number_value(json_object_get(pair, "se")), .05891072, 5e-9);
    near(number_at(result, "fleiss", "value"), .7962397, 5e-8);
    near(number_at(result, "krippendorff", "value"), .7972585, 5e-8);
    near(number_at(result, "scott", "value"), .7962397, 5e-8);
    near(number_at(result, "gwet", "value"), .8493305, 5e-8);
    near(number_at(result, "brennan_prediger", "value"), .835, 5e-8);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(weighted_kappas_of_the_three_by_three_table)
{
    hone_judgements *j = two_raters(HONE_ORDINAL, three_by_three, 3);
    json_t *linear = check(j, "{\"weights\": \"linear\"}");
    json_t *quadratic = check(j, "{\"weights\": \"quadratic\"}");

    near(number_at(linear, "cohen", "value"), .842902, 5e-7);
    near(number_at(quadratic, "cohen", "value"), .892157, 5e-7);
    json_decref(linear);
    json_decref(quadratic);
    hone_judgements_free(j);
}
END_TEST

/* The number at "icc.forms.form.key", or end i of its interval. */
static double icc_at(const json_t *result, const char *form, int end)
{
    const json_t *one = json_object_get(json_object_get(json_object_get(result, "icc"), "forms"),
                                        form);
    const json_t *value = end < 0 ? json_object_get(one, "value")
                                  : json_array_get(json_object_get(one, "interval"), (size_t)end);

    ck_assert_msg(json_is_number(value), "icc %s: no number", form);
    return json_number_value(value);
}

/* Six targets and four judges of Shrout & Fleiss 1979, table 2. */
static hone_judgements *six_targets(int leave_out)
{
    static const int scores[6][4] = { { 9, 2, 5, 8 }, { 6, 1, 3, 2 }, { 8, 4, 6, 8 },
                                      { 7, 1, 2, 6 }, { 10, 5, 6, 9 }, { 6, 2, 4, 7 } };
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_INTERVAL, &err));
    for (int i = 0; i < 24; i++) {
        char target[] = { (char)('a' + i / 4), 0 }, judge[] = { (char)('A' + i % 4), 0 };
        if (i != leave_out)
            ck_ok(hone_judgements_add(j, target, judge, NULL, scores[i / 4][i % 4], &err));
    }
    return j;
}

START_TEST(intraclass_correlations_of_shrout_and_fleiss)
{
    static const struct { const char *form; double value, low, high; } cases[] = {
        { "1,1", .17, -.13, .72 }, { "2,1", .29, .02, .76 }, { "3,1", .71, .34, .95 },
        { "1,k", .44, -.88, .91 }, { "2,k", .62, .07, .93 }, { "3,k", .91, .68, .99 },
    };
    hone_judgements *j = six_targets(-1);
    json_t *result = check(j, "{}");

    near(icc_at(result, cases[_i].form, -1), cases[_i].value, .005);
    near(icc_at(result, cases[_i].form, 0), cases[_i].low, .0051);
    near(icc_at(result, cases[_i].form, 1), cases[_i].high, .0051);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(a_missing_value_leaves_the_one_way_correlation_only)
{
    hone_judgements *j = six_targets(7);
    json_t *result = check(j, "{\"methods\": [\"icc\"]}");
    const json_t *forms = json_object_get(json_object_get(result, "icc"), "forms");

    ck_assert(icc_at(result, "1,1", -1) < 1);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(forms, "2,1"),
                                                       "undefined")), "incomplete");
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(regions_match_by_overlap_largest_first)
{
    static const double a[][2] = { { 0, 10 }, { 20, 30 }, { 50, 60 } };
    static const double b[][2] = { { 1, 10 }, { 24, 34 }, { 0, 6 } };
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_REGION, &err));
    for (int i = 0; i < 3; i++) {
        ck_ok(hone_judgements_add_region(j, "text", "A", "name", a[i], 2, &err));
        ck_ok(hone_judgements_add_region(j, "text", "B", i ? "place" : "name", b[i], 2, &err));
    }
    ck_ok(hone_judgements_add_region(j, "alone", "A", "name", a[0], 2, &err));
    /* [0, 10) goes to [1, 10) with .9, though it meets [0, 6) with .6; [20, 30) and
     * [24, 34) meet with 6/14. */
    json_t *half = check(j, "{}"), *third = check(j, "{\"iou\": 0.4}");
    near(number_at(half, "regions", "value"), 2. / 6, 1e-12);
    near(number_at(half, "regions", "iou"), .9, 1e-12);
    near(number_at(half, "regions", "same_label"), 1, 1e-12);
    near(number_at(third, "regions", "value"), 4. / 6, 1e-12);
    near(number_at(third, "regions", "same_label"), .5, 1e-12);
    ck_assert(number_at(third, "regions", "items") == 1);
    json_decref(half);
    json_decref(third);
    hone_judgements_free(j);
}
END_TEST

START_TEST(turned_pairs_are_the_same_unit)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    ck_ok(hone_judgements_add_pair(j, "1", "A", "x", "y", "left", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "1", "B", "y", "x", "right", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "1", "A", "x", "z", "right", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "1", "B", "x", "z", "right", 1, &err));
    json_t *result = check(j, "{}");
    near(number_at(result, "percent", "value"), 1, 0);
    near(number_at(result, "percent", "items"), 2, 0);
    near(number_at(result, "krippendorff", "value"), 1, 1e-12);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* n units of two numbers each, with correlation about .8. */
static hone_judgements *many_numbers(int n)
{
    hone_random random = hone_random_named(9, "many");
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_INTERVAL, &err));
    for (int u = 0; u < n; u++) {
        double at = 2 * hone_random_normal(&random);
        char item[16];
        snprintf(item, sizeof item, "%d", u);
        ck_ok(hone_judgements_add(j, item, "A", NULL, at + hone_random_normal(&random), &err));
        ck_ok(hone_judgements_add(j, item, "B", NULL, at + hone_random_normal(&random), &err));
    }
    return j;
}

START_TEST(many_units_have_the_interval_of_the_standard_error)
{
    hone_judgements *j = many_numbers(4000);
    json_t *result = check(j, "{\"bootstrap\": 2000}");
    const json_t *interval = json_object_get(json_object_get(result, "krippendorff"), "interval");
    double value = number_at(result, "krippendorff", "value");
    double se = number_at(result, "krippendorff", "se");

    near(value, .8, .02);
    near(json_number_value(json_array_get(interval, 0)), value - 1.96 * se, .15 * se);
    near(json_number_value(json_array_get(interval, 1)), value + 1.96 * se, .15 * se);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(annotators_can_be_what_is_resampled)
{
    hone_judgements *j = four_raters(HONE_NOMINAL);
    json_t *result = check(j, "{\"bootstrap\": 500, \"cluster\": \"annotator\"}");
    static const char *const names[] = { "percent", "fleiss", "conger", "gwet",
                                         "brennan_prediger", "krippendorff" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *one = json_object_get(result, names[i]);
        const json_t *interval = json_object_get(one, "interval");
        double value = json_number_value(json_object_get(one, "value"));
        ck_assert_str_eq(json_string_value(json_object_get(one, "cluster")), "annotator");
        ck_assert_msg(json_number_value(json_array_get(interval, 0)) <= value &&
                      json_number_value(json_array_get(interval, 1)) >= value, "%s", names[i]);
        /* Resamples of one annotator only have no pairs. */
        ck_assert(number_at(result, names[i], "undefined_resamples") < 30);
    }
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* ---- real sets ---- */

/* The rows of a file of the test data as judgements; NULL where it is absent. */
static hone_judgements *judgements_of(const char *name, const char *item, const char *annotator,
                                      const char *value, hone_level level, const char *duplicates)
{
    const char *path = support_data(name);
    hone_judgement_columns columns = { .item = item, .annotator = annotator, .value = value,
                                       .level = level };
    hone_judgements *j = NULL;
    hone_data *data = NULL;
    json_t *rows = json_array();

    if (!path) {
        json_decref(rows);
        return NULL;
    }
    ck_ok(hone_data_load(&data, context, path, NULL, &err));
    for (size_t i = 0; i < hone_data_count(data); i++)
        json_array_append(rows, (json_t *)hone_data_row(data, i));
    ck_ok(hone_judgements_from_rows(&j, rows, &columns, duplicates, &err));
    json_decref(rows);
    hone_data_free(data);
    return j;
}

START_TEST(alpha_of_the_crowd_sets)
{
    static const struct { const char *file; double alpha; } sets[] = {
        { "crowd/bluebird/label.csv", .1255 }, { "crowd/rte/label.csv", .2415 },
        { "crowd/dog/label.csv", .5194 },      { "crowd/web/label.csv", .2104 },
        { "crowd/sentiment/label.csv", .1493 }, { "crowd/cf_amt/label.csv", .5212 },
    };
    hone_judgements *j = judgements_of(sets[_i].file, "item", "worker", "label", HONE_NOMINAL,
                                       "both");

    if (!j) {
        support_skip("alpha_of_the_crowd_sets", "no test data");
        return;
    }
    json_t *result = check(j, "{\"methods\": [\"krippendorff\"]}");
    near(number_at(result, "krippendorff", "value"), sets[_i].alpha, 5e-5);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(alpha_of_popquorn_nominal_and_interval)
{
    static const hone_level levels[] = { HONE_NOMINAL, HONE_INTERVAL };
    static const double expected[] = { .1339, .2872 };
    hone_judgements *j = judgements_of("crowd/popquorn_offensiveness.csv", "instance_id",
                                       "user_id", "offensiveness", levels[_i], "both");

    if (!j) {
        support_skip("alpha_of_popquorn_nominal_and_interval", "no test data");
        return;
    }
    ck_assert_uint_eq(hone_judgements_count(j), 13036);
    ck_assert_uint_eq(hone_judgements_annotators(j), 262);
    json_t *result = check(j, "{\"methods\": [\"krippendorff\"], \"bootstrap\": 200}");
    near(number_at(result, "krippendorff", "value"), expected[_i], 5e-5);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

static void pandalm_near(const json_t *result)
{
    static const double kappas[] = { .8520, .8789, .8617 };
    const json_t *cohen = json_object_get(result, "cohen"), *pair;
    size_t i;

    json_array_foreach(json_object_get(cohen, "pairs"), i, pair)
        near(json_number_value(json_object_get(pair, "value")), kappas[i], 5e-5);
    ck_assert_uint_eq(i, 3);
    near(number_at(result, "fleiss", "value"), .864175, 5e-7);
    near(number_at(result, "krippendorff", "value"), .864221, 5e-7);
    /* Items that are scored once each: a bootstrap and a formula see the same. */
    const json_t *interval = json_object_get(json_object_get(result, "krippendorff"), "interval");
    double se = number_at(result, "krippendorff", "se");
    near(json_number_value(json_array_get(interval, 0)), .864221 - 1.96 * se, .3 * se);
    near(json_number_value(json_array_get(interval, 1)), .864221 + 1.96 * se, .3 * se);
}

START_TEST(agreement_of_pandalms_three_people)
{
    static const char *const people[] = { "annotator1", "annotator2", "annotator3" };
    const char *path = support_data("preference/pandalm/testset-v1.json");
    hone_json *rows = NULL;
    const json_t *row;
    hone_judgements *j = NULL;
    size_t i;

    if (!path) {
        support_skip("agreement_of_pandalms_three_people", "no test data");
        return;
    }
    ck_ok(hone_json_read(&rows, path, &err));
    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    json_array_foreach(rows, i, row) {
        for (int p = 0; p < 3; p++) {
            char item[16], label[16];
            snprintf(item, sizeof item, "%d",
                     (int)json_integer_value(json_object_get(row, "idx")));
            snprintf(label, sizeof label, "%d",
                     (int)json_integer_value(json_object_get(row, people[p])));
            ck_ok(hone_judgements_add(j, item, people[p], label, 0, &err));
        }
    }
    json_t *result = check(j, "{\"bootstrap\": 1000, \"floor\": 0.8}");
    pandalm_near(result);
    ck_assert(json_is_true(json_object_get(json_object_get(result, "floor"), "passed")));
    json_decref(result);
    hone_judgements_free(j);
    hone_json_free(rows);
}
END_TEST

/* ---- what cannot be computed ---- */

static void undefined_is(const json_t *result, const char *method, const char *word)
{
    const json_t *one = json_object_get(result, method);

    ck_assert_str_eq(json_string_value(json_object_get(one, "undefined")), word);
    ck_assert(json_is_string(json_object_get(one, "why")));
    ck_assert_ptr_null(json_object_get(one, "value"));
}

START_TEST(unanimous_judgements_have_no_kappa_and_pass_no_floor)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_ok(hone_judgements_add(j, "1", "A", "yes", 0, &err));
    ck_ok(hone_judgements_add(j, "1", "B", "yes", 0, &err));
    ck_ok(hone_judgements_add(j, "2", "A", "yes", 0, &err));
    ck_ok(hone_judgements_add(j, "2", "B", "yes", 0, &err));
    json_t *result = check(j, "{\"floor\": 0.5, \"bootstrap\": 10}");
    ck_assert_double_eq(number_at(result, "percent", "value"), 1);
    undefined_is(result, "cohen", "unanimous");
    undefined_is(result, "fleiss", "unanimous");
    undefined_is(result, "krippendorff", "unanimous");
    ck_assert(json_is_null(json_object_get(json_object_get(result, "floor"), "passed")));
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(without_shared_items_nothing_is_defined)
{
    static const char *const methods[] = { "percent", "cohen", "fleiss", "krippendorff" };
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_ok(hone_judgements_add(j, "1", "A", "yes", 0, &err));
    ck_ok(hone_judgements_add(j, "2", "B", "no", 0, &err));
    json_t *result = check(j, "{}");
    for (int i = 0; i < 4; i++)
        undefined_is(result, methods[i], "unpaired");
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(numbers_have_alpha_only)
{
    hone_judgements *j = four_raters(HONE_INTERVAL);
    json_t *result = check(j, "{\"methods\": [\"percent\", \"cohen\", \"fleiss\", "
                              "\"krippendorff\"]}");

    undefined_is(result, "percent", "level");
    undefined_is(result, "cohen", "level");
    undefined_is(result, "fleiss", "level");
    ck_assert(number_at(result, "krippendorff", "value") > 0);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(interval_alpha_of_many_distinct_numbers_equals_the_pairwise_definition)
{
    enum { UNITS = 60, EACH = 3 };
    double v[UNITS][EACH], observed = 0, expected = 0;
    hone_random random = hone_random_named(3, "numbers");
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_INTERVAL, &err));
    for (int u = 0; u < UNITS; u++) {
        double at = hone_random_normal(&random);
        for (int a = 0; a < EACH; a++) {
            char item[16], annotator[16];
            snprintf(item, sizeof item, "%d", u);
            snprintf(annotator, sizeof annotator, "%d", a);
            /* Far from zero, where sums of squares lose digits. */
            v[u][a] = 1e8 + at + hone_random_normal(&random);
            ck_ok(hone_judgements_add(j, item, annotator, NULL, v[u][a], &err));
        }
    }
    for (int p = 0; p < UNITS * EACH; p++) {
        for (int q = 0; q < UNITS * EACH; q++) {
            double d = v[p / EACH][p % EACH] - v[q / EACH][q % EACH];
            expected += d * d / (UNITS * EACH - 1);
            observed += p / EACH == q / EACH ? d * d / (EACH - 1) : 0;
        }
    }
    json_t *result = check(j, "{}");
    near(number_at(result, "krippendorff", "value"), 1 - observed / expected, 1e-7);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(the_bootstrap_depends_on_its_seed_alone)
{
    hone_judgements *j = four_raters(HONE_ORDINAL);
    json_t *one = check(j, "{\"bootstrap\": 300, \"seed\": 5}");
    json_t *same = check(j, "{\"bootstrap\": 300, \"seed\": 5}");
    json_t *other = check(j, "{\"bootstrap\": 300, \"seed\": 6}");

    ck_assert(json_equal(one, same));
    ck_assert(!json_equal(one, other));
    json_decref(one);
    json_decref(same);
    json_decref(other);
    hone_judgements_free(j);
}
END_TEST

START_TEST(pairs_beyond_the_limit_are_counted_not_listed)
{
    hone_judgements *j = four_raters(HONE_NOMINAL);
    json_t *result = check(j, "{\"pairs\": 2}");

    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(result, "cohen"),
                                                      "pairs")), 2);
    ck_assert(number_at(result, "cohen", "count") == 6);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* ---- bad input ---- */

START_TEST(an_unknown_method_is_refused)
{
    hone_instance *quality = NULL;
    json_t *options = support_json("{\"methods\": [\"percent\", \"kohen\"]}");

    ck_fails(HONE_EINVAL, hone_instance_new(&quality, context, "quality", "agreement", options,
                                            &err));
    support_golden("agreement-method", err.message);
    json_decref(options);
}
END_TEST

START_TEST(weights_are_refused_for_labels_without_order)
{
    hone_instance *quality = agreement_of("{\"weights\": \"linear\"}");
    hone_judgements *j = four_raters(HONE_NOMINAL);
    hone_json *result = NULL;

    ck_fails(HONE_EINVAL, hone_quality_check(quality, j, &result, &err));
    support_golden("agreement-weights", err.message);
    ck_assert_ptr_null(result);
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

START_TEST(no_judgements_are_refused)
{
    hone_instance *quality = agreement_of("{}");
    hone_judgements *j = NULL;
    hone_json *result = NULL;
    hone_consensus *consensus = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_fails(HONE_EINVAL, hone_quality_check(quality, j, &result, &err));
    support_golden("agreement-empty", err.message);
    ck_fails(HONE_EUNSUPPORTED, hone_quality_aggregate(quality, j, &consensus, &err));
    support_golden("agreement-aggregate", err.message);
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

/* Of each kind of values, and of one with units enough for the quick bootstrap. */
static hone_judgements *of_kind(int kind)
{
    static const double region[] = { 0, 3 };
    hone_judgements *j = NULL;

    if (kind < 2)
        return four_raters(kind ? HONE_INTERVAL : HONE_ORDINAL);
    if (kind == 2)
        return many_numbers(1200);
    ck_ok(hone_judgements_new(&j, HONE_REGION, &err));
    ck_ok(hone_judgements_add_region(j, "x", "A", "a", region, 2, &err));
    ck_ok(hone_judgements_add_region(j, "x", "B", "a", region, 2, &err));
    return j;
}

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    hone_instance *quality = agreement_of(_i % 2 ? "{\"bootstrap\": 20, \"floor\": 0.5}"
                                                 : "{\"bootstrap\": 20, \"floor\": 0.5, "
                                                   "\"cluster\": \"annotator\"}");
    hone_judgements *j = of_kind(_i / 2);
    int64_t live = hone_alloc_live();
    hone_json *result = NULL;
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        ck_assert_uint_lt(n, 1000);
        hone_alloc_fail_after(n);
        code = hone_quality_check(quality, j, &result, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        ck_assert_int_eq(code == HONE_OK, result != NULL);
        hone_json_free(result);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agreement");
    TCase *values = tcase_create("values"), *sets = tcase_create("sets");
    TCase *edges = tcase_create("edges");

    tcase_add_checked_fixture(values, setup, teardown);
    tcase_add_loop_test(values, alpha_of_krippendorffs_example_at_each_level, 0, 4);
    tcase_add_test(values, percent_and_fleiss_of_four_raters);
    tcase_add_loop_test(values, fleiss_of_four_raters_with_each_kind_of_weights, 0, 3);
    tcase_add_test(values, kappas_of_the_three_by_three_table);
    tcase_add_test(values, weighted_kappas_of_the_three_by_three_table);
    tcase_add_loop_test(values, intraclass_correlations_of_shrout_and_fleiss, 0, 6);
    tcase_add_test(values, a_missing_value_leaves_the_one_way_correlation_only);
    tcase_add_test(values, regions_match_by_overlap_largest_first);
    tcase_add_test(values, turned_pairs_are_the_same_unit);
    tcase_add_test(values, many_units_have_the_interval_of_the_standard_error);
    tcase_add_test(values, annotators_can_be_what_is_resampled);
    tcase_add_test(values, interval_alpha_of_many_distinct_numbers_equals_the_pairwise_definition);
    suite_add_tcase(suite, values);

    tcase_add_checked_fixture(sets, setup, teardown);
    tcase_set_timeout(sets, 60);
    tcase_add_loop_test(sets, alpha_of_the_crowd_sets, 0, 6);
    tcase_add_loop_test(sets, alpha_of_popquorn_nominal_and_interval, 0, 2);
    tcase_add_test(sets, agreement_of_pandalms_three_people);
    suite_add_tcase(suite, sets);

    tcase_add_checked_fixture(edges, setup, teardown);
    tcase_add_test(edges, unanimous_judgements_have_no_kappa_and_pass_no_floor);
    tcase_add_test(edges, without_shared_items_nothing_is_defined);
    tcase_add_test(edges, numbers_have_alpha_only);
    tcase_add_test(edges, the_bootstrap_depends_on_its_seed_alone);
    tcase_add_test(edges, pairs_beyond_the_limit_are_counted_not_listed);
    tcase_add_test(edges, an_unknown_method_is_refused);
    tcase_add_test(edges, weights_are_refused_for_labels_without_order);
    tcase_add_test(edges, no_judgements_are_refused);
    tcase_add_loop_test(edges, each_failing_allocation_is_an_error_and_leaks_nothing, 0, 8);
    suite_add_tcase(suite, edges);
    return support_run(suite);
}
