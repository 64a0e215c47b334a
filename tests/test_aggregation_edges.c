/* test_aggregation_edges.c -- what all plugins that make one label of many keep:
 * finite numbers, threads, weights, what has no answer, checks, bad input. */
#include "crowd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- what all crowd_methods keep ---- */

static void no_nan(const hone_consensus *c, hone_axis axis, size_t rows)
{
    for (size_t i = 0; i < hone_consensus_columns(c, axis); i++) {
        const char *name = hone_consensus_name(c, axis, i);
        size_t width;
        const double *values = hone_consensus_get(c, axis, name, &width);
        for (size_t k = 0; k < rows * width; k++)
            ck_assert_msg(isfinite(values[k]), "%s: %g", name, values[k]);
    }
}

START_TEST(every_number_is_finite_and_posteriors_sum_to_one)
{
    struct crowd crowd = crowd_people(2);
    hone_judgements *j = crowd_simulate(&crowd, 21);
    hone_consensus *c = crowd_aggregate(context, j, crowd_methods[_i], "{}");
    const double *posterior = crowd_column(c, HONE_ITEMS, "posterior");

    no_nan(c, HONE_ITEMS, CROWD_ITEMS);
    no_nan(c, HONE_ANNOTATORS, CROWD_ANNOTATORS);
    for (size_t i = 0; i < CROWD_ITEMS; i++)
        crowd_near(posterior[2 * i] + posterior[2 * i + 1], 1, 1e-12);
    for (size_t a = 0; a < CROWD_ANNOTATORS; a++) {
        double skill = crowd_column(c, HONE_ANNOTATORS, "skill")[a];
        ck_assert_double_le(crowd_column(c, HONE_ANNOTATORS, "skill_low")[a], skill);
        ck_assert_double_ge(crowd_column(c, HONE_ANNOTATORS, "skill_high")[a], skill);
    }
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(the_number_of_threads_changes_no_bit)
{
    struct crowd crowd = crowd_people(2);
    hone_judgements *j = crowd_simulate(&crowd, 8);
    hone_consensus *c[2];

    for (int t = 0; t < 2; t++) {
        ck_ok(hone_context_set_threads(context, 1 + 3 * t, &err));
        c[t] = crowd_aggregate(context, j, crowd_methods[_i], "{}");
    }
    ck_assert_int_eq(memcmp(crowd_column(c[0], HONE_ITEMS, "posterior"),
                            crowd_column(c[1], HONE_ITEMS, "posterior"),
                            2 * CROWD_ITEMS * sizeof(double)), 0);
    ck_assert_int_eq(memcmp(crowd_column(c[0], HONE_ANNOTATORS, "skill_low"),
                            crowd_column(c[1], HONE_ANNOTATORS, "skill_low"),
                            CROWD_ANNOTATORS * sizeof(double)), 0);
    ck_assert(json_equal((json_t *)(uintptr_t)hone_consensus_figures(c[0]),
                         (json_t *)(uintptr_t)hone_consensus_figures(c[1])));
    hone_consensus_free(c[0]);
    hone_consensus_free(c[1]);
    hone_judgements_free(j);
}
END_TEST

/* The rows of a small crowd, each with a weight or as many times. */
static hone_judgements *weighted(bool repeated)
{
    hone_random random = hone_random_named(6, "weighted");
    hone_judgement_columns columns = { .item = "i", .annotator = "a", .value = "l",
                                       .weight = "w", .level = HONE_NOMINAL };
    json_t *rows = json_array();
    hone_judgements *j = NULL;

    for (int i = 0; i < 60; i++)
        for (int a = 0; a < 5; a++) {
            int label = hone_random_uniform(&random) < .5 + .1 * a ? i % 2 : 1 - i % 2;
            int weight = (i + a) % 3;
            for (int n = 0; n < (repeated ? weight : 1); n++)
                json_array_append_new(rows, json_pack("{s:i, s:i, s:i, s:i}", "i", i, "a", a, "l",
                                                      label, "w", repeated ? 1 : weight));
        }
    ck_ok(hone_judgements_from_rows(&j, rows, &columns, "both", &err));
    json_decref(rows);
    return j;
}

START_TEST(a_vote_of_weight_two_is_two_votes_and_one_of_weight_zero_is_none)
{
    const char *options = _i < 2 ? "{}" : "{\"tolerance\": 1e-12}";
    hone_judgements *once = weighted(false), *twice = weighted(true);
    hone_consensus *a = crowd_aggregate(context, once, crowd_methods[_i], options);
    hone_consensus *b = crowd_aggregate(context, twice, crowd_methods[_i], options);

    for (size_t i = 0; i < hone_judgements_items(twice); i++)
        crowd_near(crowd_column(a, HONE_ITEMS, "posterior")[2 * i],
                   crowd_column(b, HONE_ITEMS, "posterior")[2 * i], 1e-6);
    /* Annotators are numbered by their first vote. */
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 5; k++)
            if (strcmp(hone_judgements_annotator_name(once, i),
                       hone_judgements_annotator_name(twice, k)) == 0)
                crowd_near(crowd_column(a, HONE_ANNOTATORS, "skill")[i],
                     crowd_column(b, HONE_ANNOTATORS, "skill")[k], 1e-6);
    hone_consensus_free(a);
    hone_consensus_free(b);
    hone_judgements_free(once);
    hone_judgements_free(twice);
}
END_TEST

START_TEST(ordinal_labels_have_a_mean)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_ORDINAL, &err));
    crowd_add(j, 1, 1, 1);
    crowd_add(j, 1, 2, 3);
    crowd_add(j, 2, 1, 2);
    crowd_add(j, 2, 2, 2);
    hone_consensus *c = crowd_aggregate(context, j, "majority", "{}");
    crowd_near(crowd_column(c, HONE_ITEMS, "value")[0], 1, 1e-12);
    crowd_near(crowd_column(c, HONE_ITEMS, "value")[1], 1, 1e-12);
    ck_assert(isnan(crowd_column(c, HONE_ITEMS, "label")[0]));
    ck_assert_str_eq(hone_consensus_reason(c, HONE_ITEMS, 0), "a tie, of '1' and '3'");
    ck_assert_double_eq(crowd_figure(c, "ties"), 1);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* ---- what cannot be computed ---- */

static void undefined_is(const hone_judgements *j, const char *method, const char *word)
{
    hone_consensus *c = crowd_aggregate(context, j, method, "{}");
    const json_t *figures = hone_consensus_figures(c), *passed;
    json_t *result;

    ck_assert_str_eq(json_string_value(json_object_get(figures, "undefined")), word);
    ck_assert(json_is_string(json_object_get(figures, "why")));
    for (size_t a = 0; a < hone_judgements_annotators(j); a++)
        ck_assert(isnan(crowd_column(c, HONE_ANNOTATORS, "skill")[a]));
    for (size_t i = 0; i < hone_judgements_items(j); i++)
        ck_assert(isfinite(crowd_column(c, HONE_ITEMS, "weight")[i]));
    hone_consensus_free(c);
    result = crowd_check(context, j, method, "{}");
    passed = json_object_get(result, "passed");
    ck_assert(json_is_null(passed));
    ck_assert_str_eq(json_string_value(json_object_get(result, "undefined")), word);
    json_decref(result);
}

START_TEST(unanimous_votes_leave_skill_undefined)
{
    hone_judgements *j = crowd_empty();

    for (int i = 0; i < 6; i++)
        crowd_add(j, i / 2, i % 2, 1);
    undefined_is(j, crowd_methods[_i], "unanimous");
    hone_consensus *c = crowd_aggregate(context, j, crowd_methods[_i], "{}");
    ck_assert_double_eq(crowd_column(c, HONE_ITEMS, "label")[0], 0);
    ck_assert_double_eq(crowd_column(c, HONE_ITEMS, "confidence")[0], 1);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(one_annotator_leaves_skill_undefined)
{
    hone_judgements *j = crowd_empty();

    for (int i = 0; i < 6; i++)
        crowd_add(j, i, 1, i % 2);
    undefined_is(j, crowd_methods[_i], "unpaired");
    hone_judgements_free(j);
}
END_TEST

START_TEST(annotators_who_never_meet_leave_skill_undefined)
{
    hone_judgements *j = crowd_empty();

    for (int i = 0; i < 6; i++)
        crowd_add(j, i, i % 3, i % 2);
    undefined_is(j, crowd_methods[_i], "unpaired");
    hone_judgements_free(j);
}
END_TEST

START_TEST(an_item_without_answers_has_no_label_and_says_so)
{
    struct crowd crowd = crowd_people(2);
    hone_judgements *all = crowd_simulate(&crowd, 13), *j = NULL;
    bool *keep = malloc(hone_judgements_count(all) * sizeof *keep);

    for (size_t r = 0; r < hone_judgements_count(all); r++)
        keep[r] = hone_judgements_item(all)[r] != 1 && hone_judgements_annotator(all)[r] != 0;
    ck_ok(hone_judgements_filter(&j, all, keep, &err));
    hone_consensus *c = crowd_aggregate(context, j, crowd_methods[_i], "{}");
    ck_assert(isnan(crowd_column(c, HONE_ITEMS, "label")[1]));
    ck_assert(isnan(crowd_column(c, HONE_ITEMS, "posterior")[2]));
    ck_assert(isnan(crowd_column(c, HONE_ITEMS, "difficulty")[1]));
    ck_assert_double_eq(crowd_column(c, HONE_ITEMS, "weight")[1], 0);
    ck_assert_str_eq(hone_consensus_reason(c, HONE_ITEMS, 1), "no one answered");
    ck_assert_double_eq(crowd_figure(c, "unanswered"), 1);
    ck_assert(isnan(crowd_column(c, HONE_ANNOTATORS, "skill")[0]));
    ck_assert_double_eq(crowd_column(c, HONE_ANNOTATORS, "answers")[0], 0);
    ck_assert_str_eq(hone_consensus_reason(c, HONE_ANNOTATORS, 0), "no answers");
    ck_assert(isfinite(crowd_column(c, HONE_ITEMS, "posterior")[0]));
    ck_assert(isfinite(crowd_column(c, HONE_ANNOTATORS, "skill")[1]));
    hone_consensus_free(c);
    hone_judgements_free(j);
    hone_judgements_free(all);
    free(keep);
}
END_TEST

START_TEST(messages_that_reach_no_one_leave_kos_undefined)
{
    hone_judgements *j = crowd_empty();

    for (int a = 0; a < 6; a++)
        crowd_add(j, a / 2, a, a % 2);
    undefined_is(j, "kos", "sparse");
    hone_judgements_free(j);
}
END_TEST

/* ---- checks ---- */

START_TEST(a_guesser_is_flagged_with_a_reason_and_the_rows)
{
    struct crowd crowd = crowd_people(4);

    for (int a = 0; a < CROWD_ANNOTATORS; a++)
        crowd.right[a] = a == 3 ? 0.25 : 0.85;
    hone_judgements *j = crowd_simulate(&crowd, 17);
    json_t *result = crowd_check(context, j, crowd_methods[_i], "{}"), *one;
    size_t n, flagged = 0;

    ck_assert(json_is_false(json_object_get(result, "passed")));
    json_array_foreach(json_object_get(result, "annotators"), n, one) {
        if (!json_is_true(json_object_get(one, "flagged")))
            continue;
        flagged++;
        ck_assert_str_eq(json_string_value(json_object_get(one, "annotator")), "3");
        ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(one, "reason")),
                                     "95 % interval"));
    }
    ck_assert_uint_eq(flagged, 1);
    json_array_foreach(json_object_get(result, "rows"), n, one) {
        size_t row = (size_t)json_integer_value(one);
        size_t a = (size_t)hone_judgements_annotator(j)[row];
        ck_assert_str_eq(hone_judgements_annotator_name(j, a), "3");
    }
    ck_assert_uint_gt(n, 300);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(a_crowd_of_like_skill_passes_and_a_high_floor_fails_it)
{
    struct crowd crowd = crowd_people(3);

    for (int a = 0; a < CROWD_ANNOTATORS; a++)
        crowd.right[a] = 0.8;
    hone_judgements *j = crowd_simulate(&crowd, 18);
    json_t *low = crowd_check(context, j, crowd_methods[_i], "{}");
    json_t *high = crowd_check(context, j, crowd_methods[_i], "{\"floor\": 1}");
    ck_assert(json_is_true(json_object_get(low, "passed")));
    ck_assert_uint_eq(json_array_size(json_object_get(low, "rows")), 0);
    ck_assert(json_is_false(json_object_get(high, "passed")));
    json_decref(low);
    json_decref(high);
    hone_judgements_free(j);
}
END_TEST

/* ---- bad input ---- */

START_TEST(numbers_are_refused)
{
    hone_instance *quality = crowd_quality(context, crowd_methods[_i], "{}");
    hone_judgements *j = NULL;
    hone_consensus *c = NULL;
    char golden[64];

    ck_ok(hone_judgements_new(&j, HONE_INTERVAL, &err));
    ck_ok(hone_judgements_add(j, "1", "A", NULL, 2.5, &err));
    ck_fails(HONE_EINVAL, hone_quality_aggregate(quality, j, &c, &err));
    snprintf(golden, sizeof golden, "aggregation-level-%s", crowd_methods[_i]);
    support_golden(golden, err.message);
    ck_assert_ptr_null(c);
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

START_TEST(kos_refuses_three_labels)
{
    hone_instance *quality = crowd_quality(context, "kos", "{}");
    struct crowd crowd = crowd_people(3);
    hone_judgements *j = crowd_simulate(&crowd, 1);
    hone_consensus *c = NULL;

    ck_fails(HONE_EINVAL, hone_quality_aggregate(quality, j, &c, &err));
    support_golden("aggregation-kos-labels", err.message);
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

START_TEST(an_empty_table_is_refused)
{
    hone_instance *quality = crowd_quality(context, crowd_methods[_i], "{}");
    hone_judgements *j = crowd_empty();
    hone_consensus *c = NULL;
    hone_json *result = NULL;

    ck_fails(HONE_EINVAL, hone_quality_aggregate(quality, j, &c, &err));
    ck_fails(HONE_EINVAL, hone_quality_check(quality, j, &result, &err));
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

START_TEST(work_that_is_asked_to_stop_stops)
{
    static const int of[] = { 3, 4, 5, 6, 8 };
    hone_instance *quality = crowd_quality(context, crowd_methods[of[_i]], "{}");
    struct crowd crowd = crowd_people(2);
    hone_judgements *j = crowd_simulate(&crowd, 1);
    hone_consensus *c = NULL;

    hone_context_interrupt(context);
    ck_fails(HONE_EINTERRUPTED, hone_quality_aggregate(quality, j, &c, &err));
    ck_assert_ptr_null(c);
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

static hone_judgements *small(void)
{
    hone_judgements *j = crowd_empty();

    for (int i = 0; i < 8; i++)
        for (int a = 0; a < 4; a++)
            crowd_add(j, i, a, a == 3 ? 0 : (i + (a == 2 && i > 5)) % 2);
    return j;
}

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    hone_instance *quality = crowd_quality(context, crowd_methods[_i], "{}");
    hone_judgements *j = small();
    int64_t live = hone_alloc_live();
    hone_consensus *c = NULL;
    hone_json *result = NULL;
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        ck_assert_uint_lt(n, 3000);
        hone_alloc_fail_after(n);
        code = hone_quality_aggregate(quality, j, &c, &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%d %s", code, err.message);
        ck_assert_int_eq(code == HONE_OK, c != NULL);
        hone_consensus_free(c);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    code = HONE_ENOMEM;
    for (uint64_t n = 1; code != HONE_OK; n++) {
        ck_assert_uint_lt(n, 3000);
        hone_alloc_fail_after(n);
        code = hone_quality_check(quality, j, &result, &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%d %s", code, err.message);
        ck_assert_int_eq(code == HONE_OK, result != NULL);
        hone_json_free(result);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

static void add_edges(Suite *suite)
{
    TCase *edges = tcase_create("edges");

    tcase_add_checked_fixture(edges, setup, teardown);
    tcase_add_loop_test(edges, every_number_is_finite_and_posteriors_sum_to_one, 0, CROWD_METHODS);
    tcase_add_loop_test(edges, the_number_of_threads_changes_no_bit, 0, CROWD_METHODS);
    tcase_add_loop_test(edges, a_vote_of_weight_two_is_two_votes_and_one_of_weight_zero_is_none,
                        0, 7);
    tcase_add_test(edges, ordinal_labels_have_a_mean);
    tcase_add_loop_test(edges, unanimous_votes_leave_skill_undefined, 0, CROWD_METHODS);
    tcase_add_loop_test(edges, one_annotator_leaves_skill_undefined, 0, CROWD_METHODS);
    tcase_add_loop_test(edges, annotators_who_never_meet_leave_skill_undefined, 0, CROWD_METHODS);
    tcase_add_loop_test(edges, an_item_without_answers_has_no_label_and_says_so, 0, CROWD_METHODS);
    tcase_add_test(edges, messages_that_reach_no_one_leave_kos_undefined);
    suite_add_tcase(suite, edges);
}

static void add_bad(Suite *suite)
{
    TCase *checks = tcase_create("checks"), *bad = tcase_create("bad input");

    tcase_add_checked_fixture(checks, setup, teardown);
    tcase_add_loop_test(checks, a_guesser_is_flagged_with_a_reason_and_the_rows, 0, CROWD_KOS);
    tcase_add_loop_test(checks, a_crowd_of_like_skill_passes_and_a_high_floor_fails_it, 0,
                        CROWD_KOS);
    suite_add_tcase(suite, checks);

    tcase_add_checked_fixture(bad, setup, teardown);
    tcase_add_loop_test(bad, numbers_are_refused, 0, CROWD_METHODS);
    tcase_add_test(bad, kos_refuses_three_labels);
    tcase_add_loop_test(bad, an_empty_table_is_refused, 0, CROWD_METHODS);
    tcase_add_loop_test(bad, work_that_is_asked_to_stop_stops, 0, 5);
    tcase_add_loop_test(bad, each_failing_allocation_is_an_error_and_leaks_nothing, 0,
                        CROWD_METHODS);
    suite_add_tcase(suite, bad);
}

int main(void)
{
    Suite *suite = suite_create("aggregation, edges");

    add_edges(suite);
    add_bad(suite);
    return support_run(suite);
}
