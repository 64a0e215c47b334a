/* test_select.c -- what to ask next, and of whom. */
#include "support.h"

#include <math.h>

static hone_error err;

START_TEST(uncertainty_is_largest_where_labels_are_even)
{
    static const double p[] = { 1, 0, 0, 0.5, 0.5, 0, 1 / 3.0, 1 / 3.0, 1 / 3.0, 0.6, 0.3, 0.1 };
    double entropy[4], margin[4];

    ck_ok(hone_select_entropy(entropy, p, 4, 3, &err));
    ck_assert_double_eq_tol(entropy[0], 0, 1e-12);
    ck_assert_double_eq_tol(entropy[1], log(2), 1e-12);
    ck_assert_double_eq_tol(entropy[2], log(3), 1e-12);
    ck_ok(hone_select_margin(margin, p, 4, 3, &err));
    ck_assert_double_eq_tol(margin[0], 0, 1e-12);
    ck_assert_double_eq_tol(margin[1], 1, 1e-12);
    ck_assert_double_eq_tol(margin[3], 0.7, 1e-12);
}
END_TEST

START_TEST(a_committee_disagrees_where_each_is_sure_of_another_label)
{
    static const double p[] = { 1, 0, 0.5, 0.5,  0, 1, 0.5, 0.5 }; /* two members, two rows */
    double scores[2];

    ck_ok(hone_select_committee(scores, p, 2, 2, 2, &err));
    ck_assert_double_eq_tol(scores[0], log(2), 1e-12);
    ck_assert_double_eq_tol(scores[1], 0, 1e-12);
}
END_TEST

/* Of small sd, the information is sd^2 p(1 - p)/2; of a large one, ln 2. */
START_TEST(a_comparison_tells_most_where_strengths_are_unknown_and_near)
{
    static const double mean[] = { 0, 1, 0, 3, 0 }, sd[] = { 0.01, 0.01, 1000, 1, 0 };
    double scores[5], p = 1 / (1 + exp(-1));

    ck_ok(hone_select_comparison(scores, mean, sd, 5, &err));
    ck_assert_double_eq_tol(scores[0], 1e-4 / 8, 1e-8);
    ck_assert_double_eq_tol(scores[1], 1e-4 * p * (1 - p) / 2, 1e-8);
    ck_assert_double_eq_tol(scores[2], log(2), 1e-2);
    ck_assert_double_lt(scores[3], 0.06);
    ck_assert_double_eq_tol(scores[4], 0, 1e-12);
}
END_TEST

START_TEST(an_answer_tells_what_a_noisy_channel_carries)
{
    static const double truth[] = { 0.5, 0.5, 1, 0 }, right[] = { 1, 0, 0, 1 };
    static const double noisy[] = { 0.9, 0.1, 0.1, 0.9 }, guess[] = { 0.5, 0.5, 0.5, 0.5 };
    double scores[2];

    ck_ok(hone_select_answer(scores, truth, right, 2, 2, &err));
    ck_assert_double_eq_tol(scores[0], log(2), 1e-12);
    ck_assert_double_eq_tol(scores[1], 0, 1e-12);
    ck_ok(hone_select_answer(scores, truth, noisy, 2, 2, &err)); /* ln 2 - H(0.1) */
    ck_assert_double_eq_tol(scores[0], log(2) + 0.9 * log(0.9) + 0.1 * log(0.1), 1e-12);
    ck_ok(hone_select_answer(scores, truth, guess, 2, 2, &err));
    ck_assert_double_eq_tol(scores[0], 0, 1e-12);
}
END_TEST

START_TEST(centres_are_far_from_each_other)
{
    static const float x[] = { 0, 0, 0.1f, 0, 10, 0, 10.1f, 0, 5, 9, 5, 0.2f };
    static const double near[] = { 0, 0.1, 0, 0, 9, 5 };
    int64_t chosen[6];
    double reach[6];

    ck_ok(hone_select_centres(chosen, reach, x, NULL, 6, 2, 3, &err));
    ck_assert_int_eq(chosen[0], 5); /* nearest to the mean */
    ck_assert_int_eq(chosen[1], 4);
    ck_assert_double_eq_tol(reach[1], 8.8, 1e-6);
    ck_assert_int_eq(chosen[2], 3);
    ck_ok(hone_select_centres(chosen, reach, x, near, 6, 2, 2, &err));
    ck_assert_int_eq(chosen[0], 4);
    ck_assert_int_eq(chosen[1], 5);
    ck_ok(hone_select_centres(chosen, reach, x, NULL, 6, 2, 6, &err)); /* each once */
    int64_t sum = 0;
    for (int i = 0; i < 6; i++)
        sum += 1 << chosen[i];
    ck_assert_int_eq(sum, 63);
    ck_fails(HONE_EINVAL, hone_select_centres(chosen, reach, x, NULL, 6, 2, 7, &err));
    support_golden("select-count", err.message);
}
END_TEST

START_TEST(a_budget_buys_the_best_for_their_cost)
{
    static const double scores[] = { 3, 4, 1, 0, -1 }, costs[] = { 1, 4, 1, 1, 1 };
    int64_t chosen[5];
    size_t count;

    ck_ok(hone_select_budget(chosen, &count, scores, costs, 5, 2.5, &err));
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(chosen[0], 0);
    ck_assert_int_eq(chosen[1], 2);
    ck_ok(hone_select_budget(chosen, &count, scores, costs, 5, 100, &err));
    ck_assert_uint_eq(count, 3);
    ck_fails(HONE_EINVAL, hone_select_budget(chosen, &count, scores, costs, 5, -1, &err));
    support_golden("select-budget", err.message);
}
END_TEST

static const double truths[] = { 0.5, 0.5, 0.9, 0.1, 0.5, 0.5, 1, 0 };

START_TEST(the_skilled_answer_what_is_unsure)
{
    static const double skill[] = { 0.95, 0.7, 0.5 };
    static const int64_t capacity[] = { 1, 2, 5 };
    bool done[12] = {0};
    hone_assignment w = { .truth = truths, .skill = skill, .capacity = capacity, .items = 4,
                          .labels = 2, .annotators = 3, .limit = 10, .per_item = 2, .done = done };
    int64_t item[10], who[10];
    double gains[10];
    size_t count;

    ck_ok(hone_select_assign(item, who, gains, &count, &w, &err));
    ck_assert_uint_eq(count, 3); /* the third guesses: tells nothing */
    ck_assert_int_eq(item[0], 0);
    ck_assert_int_eq(who[0], 0);
    ck_assert_int_eq(item[1], 2);
    ck_assert_int_eq(who[1], 1);
    for (size_t i = 1; i < count; i++)
        ck_assert_double_le(gains[i], gains[i - 1]);
    done[0] = true; /* the first has answered item 1 */
    ck_ok(hone_select_assign(item, who, gains, &count, &w, &err));
    ck_assert_int_eq(item[0], 2);
    ck_assert_int_eq(who[0], 0);
    w.per_item = 1;
    w.limit = 1;
    ck_ok(hone_select_assign(item, who, gains, &count, &w, &err));
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(no_one_answers_an_item_twice)
{
    static const double skill[] = { 0.9, 0.8, 0.8 };
    static const int64_t capacity[] = { 9, 9, 9 };
    hone_assignment w = { .truth = truths, .skill = skill, .capacity = capacity, .items = 4,
                          .labels = 2, .annotators = 3, .limit = 20, .per_item = 5 };
    int64_t item[20], who[20];
    double gains[20];
    size_t count;

    ck_ok(hone_select_assign(item, who, gains, &count, &w, &err));
    ck_assert_uint_eq(count, 9); /* the last item is sure */
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert(item[i] != item[k] || who[i] != who[k]);
}
END_TEST

START_TEST(the_group_that_narrows_most_is_recruited)
{
    static const double size[] = { 0.5, 0.5, 0.1, 0 }, sd[] = { 1, 1, 2, 1 };
    static const int64_t members[] = { 10, 4, 0, 0 };
    double gains[4];

    ck_ok(hone_select_recruit(gains, size, sd, members, 4, &err));
    ck_assert_double_eq_tol(gains[0], 0.25 / 110, 1e-15);
    ck_assert_double_eq_tol(gains[1], 0.25 / 20, 1e-15);
    ck_assert(isinf(gains[2]));
    ck_assert_double_eq(gains[3], 0);
}
END_TEST

START_TEST(what_is_no_probability_is_refused)
{
    static const double sums[] = { 0.5, 0.6 }, negative[] = { 1.5, -0.5 };
    static const double nan[] = { NAN, 1 }, far = INFINITY, skill = 0.2;
    static const int64_t capacity = 1;
    hone_assignment w = { .truth = truths, .skill = &skill, .capacity = &capacity, .items = 4,
                          .labels = 2, .annotators = 1, .limit = 1, .per_item = 1 };
    double score;
    int64_t item, who;
    size_t count;

    ck_fails(HONE_EINVAL, hone_select_entropy(&score, sums, 1, 2, &err));
    support_golden("select-sum", err.message);
    ck_fails(HONE_EINVAL, hone_select_margin(&score, negative, 1, 2, &err));
    support_golden("select-negative", err.message);
    ck_fails(HONE_EINVAL, hone_select_entropy(&score, nan, 1, 2, &err));
    ck_fails(HONE_EINVAL, hone_select_comparison(&score, &far, sums, 1, &err));
    support_golden("select-comparison", err.message);
    ck_fails(HONE_EINVAL, hone_select_assign(&item, &who, &score, &count, &w, &err));
    support_golden("select-skill", err.message);
    ck_fails(HONE_EINVAL, hone_select_committee(&score, sums, 0, 1, 2, &err));
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    static const double skill[] = { 0.9 };
    static const int64_t capacity[] = { 9 };
    static const float x[] = { 0, 1, 3 };
    hone_assignment w = { .truth = truths, .skill = skill, .capacity = capacity, .items = 4,
                          .labels = 2, .annotators = 1, .limit = 4, .per_item = 1 };
    int64_t live = hone_alloc_live(), item[4], who[4];
    double gains[4];
    size_t count;
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code; n++) {
        ck_assert_uint_lt(n, 50);
        err = (hone_error){0};
        hone_alloc_fail_after(n);
        code = hone_select_assign(item, who, gains, &count, &w, &err);
        if (!code)
            code = hone_select_centres(item, gains, x, NULL, 3, 1, 2, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || (code == HONE_ENOMEM && err.message[0]));
        ck_assert_int_eq(hone_alloc_live(), live);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select");
    TCase *all = tcase_create("all");

    tcase_add_test(all, uncertainty_is_largest_where_labels_are_even);
    tcase_add_test(all, a_committee_disagrees_where_each_is_sure_of_another_label);
    tcase_add_test(all, a_comparison_tells_most_where_strengths_are_unknown_and_near);
    tcase_add_test(all, an_answer_tells_what_a_noisy_channel_carries);
    tcase_add_test(all, centres_are_far_from_each_other);
    tcase_add_test(all, a_budget_buys_the_best_for_their_cost);
    tcase_add_test(all, the_skilled_answer_what_is_unsure);
    tcase_add_test(all, no_one_answers_an_item_twice);
    tcase_add_test(all, the_group_that_narrows_most_is_recruited);
    tcase_add_test(all, what_is_no_probability_is_refused);
    tcase_add_test(all, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, all);
    return support_run(suite);
}
