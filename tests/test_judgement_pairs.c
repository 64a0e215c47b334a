/* test_judgement_pairs.c -- pairs, rankings, regions; tables made of a table. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hone_error err;

START_TEST(levels_have_names)
{
    for (int i = HONE_NOMINAL; i <= HONE_REGION; i++)
        ck_assert_int_eq(hone_level_parse(hone_level_name((hone_level)i)), i);
    ck_assert_str_eq(hone_level_name(HONE_PAIR), "pair");
    ck_assert_ptr_null(hone_level_name((hone_level)7));
    ck_assert_int_eq(hone_level_parse("none"), -1);
}
END_TEST

START_TEST(a_pair_keeps_options_outcome_and_strength)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    ck_ok(hone_judgements_add_pair(j, "q", "ann", "x", "y", "right", 1, &err));
    ck_ok(hone_judgements_add_pair(j, NULL, "ann", "z", "x", "bad", 0.5, &err));
    ck_ok(hone_judgements_add_pair(j, NULL, "bob", "x", "z", "left", 1, &err));
    ck_assert_uint_eq(hone_judgements_options(j), 3);
    ck_assert_uint_eq(hone_judgements_labels(j), 4);
    ck_assert_uint_eq(hone_judgements_items(j), 2);
    ck_assert_str_eq(hone_judgements_item_name(j, 1), "x | z");
    ck_assert_int_eq(hone_judgements_label(j)[0], HONE_RIGHT);
    ck_assert_int_eq(hone_judgements_label(j)[1], HONE_BAD);
    ck_assert_double_eq(hone_judgements_value(j)[1], 0.5);
    ck_assert_int_eq(hone_judgements_left(j)[1], 2);
    ck_assert_int_eq(hone_judgements_right(j)[1], 0);
    ck_assert_int_eq(hone_judgements_find_option(j, "z"), 2);
    ck_assert_int_eq(hone_judgements_find_label(j, "tie"), HONE_TIE);
    ck_assert_int_eq(hone_judgements_find_item(j, "no"), -1);
    hone_judgements_free(j);
}
END_TEST

START_TEST(what_pairs_rankings_and_regions_cannot_be_is_said)
{
    static const char *const one[] = { "x" }, *const twice[] = { "x", "x" },
                      *const two[] = { "x", "y" };
    static const int32_t falling[] = { 2, 1 };
    static const double reversed[] = { 5, 4 }, negative[] = { -1, 4 }, three[] = { 1, 2, 3 };
    hone_judgements *pairs = NULL, *rankings = NULL, *regions = NULL, *made = NULL;

    ck_ok(hone_judgements_new(&pairs, HONE_PAIR, &err));
    ck_ok(hone_judgements_new(&rankings, HONE_RANKING, &err));
    ck_ok(hone_judgements_new(&regions, HONE_REGION, &err));
    ck_fails(HONE_EINVAL, hone_judgements_add_pair(pairs, "q", "a", "x", "x", "tie", 1, &err));
    support_golden("judgement-pair-itself", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_pair(pairs, "q", "a", "x", "y", "won", 1, &err));
    support_golden("judgement-pair-outcome", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_pair(pairs, "q", "a", "x", "y", "tie", NAN, &err));
    support_golden("judgement-pair-strength", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add(pairs, "q", "a", "tie", 0, &err));
    support_golden("judgement-pair-add", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_set_labels(pairs, two, 2, &err));
    support_golden("judgement-pair-labels", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_pairs(&made, pairs, &err));
    support_golden("judgement-pairs-level", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_ranking(rankings, "q", "a", one, NULL, 1, &err));
    support_golden("judgement-ranking-one", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_ranking(rankings, "q", "a", twice, NULL, 2, &err));
    support_golden("judgement-ranking-twice", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_ranking(rankings, "q", "a", two, falling, 2, &err));
    support_golden("judgement-ranking-falling", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_region(regions, "q", "a", "l", reversed, 2, &err));
    support_golden("judgement-region-reversed", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_region(regions, "q", "a", "l", negative, 2, &err));
    support_golden("judgement-region-negative", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_region(regions, "q", "a", "l", three, 3, &err));
    support_golden("judgement-region-three", err.message);
    ck_fails(HONE_EINVAL, hone_judgements_add_region(pairs, "q", "a", "l", negative, 2, &err));
    support_golden("judgement-region-level", err.message);
    ck_assert_uint_eq(hone_judgements_count(pairs), 0);
    ck_assert_uint_eq(hone_judgements_count(rankings), 0);
    ck_assert_uint_eq(hone_judgements_count(regions), 0);
    hone_judgements_free(pairs);
    hone_judgements_free(rankings);
    hone_judgements_free(regions);
}
END_TEST

START_TEST(a_ranking_becomes_weighted_pairs)
{
    static const char *const first[] = { "x", "y", "z" }, *const second[] = { "z", "x" };
    static const int32_t tied[] = { 1, 2, 2 };
    static const int32_t outcomes[] = { HONE_LEFT, HONE_LEFT, HONE_TIE, HONE_RIGHT };
    static const double weights[] = { 2 / 3., 2 / 3., 2 / 3., 1 };
    json_t *text = json_pack("{s:s}", "prompt", "why?");
    hone_judgements *j = NULL, *pairs = NULL;

    ck_ok(hone_judgements_new(&j, HONE_RANKING, &err));
    ck_ok(hone_judgements_add_ranking(j, "q", "ann", first, tied, 3, &err));
    ck_ok(hone_judgements_add_ranking(j, "q", "bob", second, NULL, 2, &err));
    ck_ok(hone_judgements_describe_item(j, "q", text, &err));
    ck_assert_double_eq(hone_judgements_value(j)[0], 3);
    ck_ok(hone_judgements_pairs(&pairs, j, &err));
    ck_assert_uint_eq(hone_judgements_count(pairs), 4);
    for (size_t r = 0; r < 4; r++) {
        ck_assert_int_eq(hone_judgements_label(pairs)[r], outcomes[r]);
        ck_assert_double_eq_tol(hone_judgements_weight(pairs)[r], weights[r], 1e-15);
        ck_assert_int_lt(hone_judgements_left(pairs)[r], hone_judgements_right(pairs)[r]);
    }
    ck_assert_ptr_eq(hone_judgements_item_attributes(pairs, 0), text);
    hone_judgements_free(pairs);
    hone_judgements_free(j);
    json_decref(text);
}
END_TEST

START_TEST(overlap_is_what_is_common_over_all)
{
    static const double a[] = { 0, 10 }, b[] = { 5, 15 }, c[] = { 20, 30 }, none[] = { 3, 3 };
    static const double box[] = { 0, 0, 4, 2 }, half[] = { 2, 0, 4, 2 }, away[] = { 9, 9, 1, 1 };

    ck_assert_double_eq_tol(hone_region_iou(a, b, 2), 1 / 3., 1e-15);
    ck_assert_double_eq(hone_region_iou(a, a, 2), 1);
    ck_assert_double_eq(hone_region_iou(a, c, 2), 0);
    ck_assert_double_eq(hone_region_iou(none, none, 2), 1);
    ck_assert_double_eq(hone_region_iou(none, a, 2), 0);
    ck_assert_double_eq_tol(hone_region_iou(box, half, 4), 1 / 3., 1e-15);
    ck_assert_double_eq(hone_region_iou(box, away, 4), 0);
}
END_TEST

static hone_judgements *three_labels(void)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_ok(hone_judgements_add(j, "b", "ann", "no", 0, &err));
    ck_ok(hone_judgements_add(j, "a", "ann", "yes", 0, &err));
    ck_ok(hone_judgements_add(j, "b", "bob", "maybe", 0, &err));
    ck_ok(hone_judgements_add(j, "b", "eve", "yes", 0, &err));
    return j;
}

START_TEST(fewer_rows_keep_all_names_and_numbers)
{
    static const bool keep[] = { true, false, true, false };
    json_t *north = json_pack("{s:s}", "region", "north");
    hone_judgements *j = three_labels(), *few = NULL, *none = NULL;

    ck_ok(hone_judgements_describe_annotator(j, "bob", north, &err));
    ck_ok(hone_judgements_filter(&few, j, keep, &err));
    ck_assert_uint_eq(hone_judgements_count(few), 2);
    ck_assert_uint_eq(hone_judgements_items(few), 2);
    ck_assert_uint_eq(hone_judgements_annotators(few), 3);
    ck_assert_uint_eq(hone_judgements_labels(few), 3);
    for (size_t k = 0; k < 3; k++)
        ck_assert_str_eq(hone_judgements_label_name(few, k), hone_judgements_label_name(j, k));
    ck_assert_int_eq(hone_judgements_label(few)[0], hone_judgements_label(j)[0]);
    ck_assert_int_eq(hone_judgements_label(few)[1], hone_judgements_label(j)[2]);
    ck_assert_int_eq(hone_judgements_annotator(few)[1], 2);
    ck_assert_ptr_eq(hone_judgements_annotator_attributes(few, 1), north);
    ck_assert_ptr_null(hone_judgements_weight(few));
    ck_ok(hone_judgements_filter(&none, few, (const bool[]){ false, false }, &err));
    ck_assert_uint_eq(hone_judgements_count(none), 0);
    ck_assert_str_eq(hone_judgements_label_name(none, 0), "maybe");
    ck_ok(hone_judgements_add(few, "c", "ann", "other", 0, &err));
    ck_assert_uint_eq(hone_judgements_items(few), 3);
    hone_judgements_free(none);
    hone_judgements_free(few);
    hone_judgements_free(j);
    json_decref(north);
}
END_TEST

START_TEST(other_weights_are_finite_and_at_least_0)
{
    static const double weights[] = { 1, 0.5, 0, 2 }, wrong[] = { 1, 1, INFINITY, 1 };
    hone_judgements *j = three_labels(), *weighed = NULL;

    ck_ok(hone_judgements_weigh(&weighed, j, weights, &err));
    ck_assert_uint_eq(hone_judgements_count(weighed), 4);
    ck_assert_mem_eq(hone_judgements_weight(weighed), weights, sizeof weights);
    ck_assert_ptr_null(hone_judgements_weight(j));
    hone_judgements_free(weighed);
    ck_fails(HONE_EINVAL, hone_judgements_weigh(&weighed, j, wrong, &err));
    ck_assert_ptr_null(weighed);
    support_golden("judgement-weigh", err.message);
    hone_judgements_free(j);
}
END_TEST

START_TEST(a_range_limits_what_is_there_and_what_comes)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_INTERVAL, &err));
    ck_ok(hone_judgements_add(j, "i", "a", NULL, 7, &err));
    ck_fails(HONE_EINVAL, hone_judgements_set_range(j, 1, 5, &err));
    support_golden("judgement-range-used", err.message);
    ck_ok(hone_judgements_set_range(j, 1, 7, &err));
    ck_fails(HONE_EINVAL, hone_judgements_add(j, "i", "b", NULL, 0.5, &err));
    support_golden("judgement-range", err.message);
    hone_judgements_free(j);
    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_fails(HONE_EINVAL, hone_judgements_set_range(j, 1, 5, &err));
    support_golden("judgement-range-level", err.message);
    hone_judgements_free(j);
}
END_TEST

START_TEST(equal_pairs_of_an_annotator_are_duplicates_in_either_order)
{
    hone_judgement_columns c = { .item = "q", .annotator = "w", .value = "v", .left = "l",
                                 .right = "r", .level = HONE_PAIR };
    json_t *rows = json_pack("[{s:s,s:s,s:s,s:s,s:s},{s:s,s:s,s:s,s:s,s:s},{s:s,s:s,s:s,s:s,s:s}]",
        "q", "1", "w", "a", "l", "x", "r", "y", "v", "left",
        "q", "1", "w", "a", "l", "y", "r", "x", "v", "left",
        "q", "1", "w", "a", "l", "x", "r", "z", "v", "tie");
    hone_judgements *j = NULL;

    ck_fails(HONE_EINVAL, hone_judgements_from_rows(&j, rows, &c, NULL, &err));
    ck_ok(hone_judgements_from_rows(&j, rows, &c, "first", &err));
    ck_assert_uint_eq(hone_judgements_count(j), 2);
    ck_assert_uint_eq(hone_judgements_dropped(j), 1);
    hone_judgements_free(j);
    json_decref(rows);
}
END_TEST

/* All that may allocate, on a table of rankings and one of regions. */
static int everything(void)
{
    static const char *const order[] = { "x", "y", "z" };
    static const double span[] = { 1, 2 }, weights[] = { 0.5 };
    static const bool keep[] = { true };
    hone_judgements *j = NULL, *pairs = NULL, *regions = NULL, *few = NULL, *weighed = NULL;
    int code = hone_judgements_new(&j, HONE_RANKING, &err);

    if (!code)
        code = hone_judgements_add_ranking(j, "q", "ann", order, NULL, 3, &err);
    if (!code)
        code = hone_judgements_pairs(&pairs, j, &err);
    if (!code)
        code = hone_judgements_add_pair(pairs, NULL, "bob", "x", "y", "left", 1, &err);
    if (!code)
        code = hone_judgements_filter(&few, j, keep, &err);
    if (!code)
        code = hone_judgements_new(&regions, HONE_REGION, &err);
    if (!code)
        code = hone_judgements_add_region(regions, "q", "ann", "name", span, 2, &err);
    if (!code)
        code = hone_judgements_weigh(&weighed, regions, weights, &err);
    hone_judgements_free(j);
    hone_judgements_free(pairs);
    hone_judgements_free(regions);
    hone_judgements_free(few);
    hone_judgements_free(weighed);
    return code;
}

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        ck_assert_uint_lt(n, 2000);
        hone_alloc_fail_after(n);
        code = everything();
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judgement_pairs");
    TCase *all = tcase_create("pairs, rankings, regions");

    tcase_add_test(all, levels_have_names);
    tcase_add_test(all, a_pair_keeps_options_outcome_and_strength);
    tcase_add_test(all, what_pairs_rankings_and_regions_cannot_be_is_said);
    tcase_add_test(all, a_ranking_becomes_weighted_pairs);
    tcase_add_test(all, overlap_is_what_is_common_over_all);
    tcase_add_test(all, fewer_rows_keep_all_names_and_numbers);
    tcase_add_test(all, other_weights_are_finite_and_at_least_0);
    tcase_add_test(all, a_range_limits_what_is_there_and_what_comes);
    tcase_add_test(all, equal_pairs_of_an_annotator_are_duplicates_in_either_order);
    tcase_add_test(all, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, all);
    return support_run(suite);
}
