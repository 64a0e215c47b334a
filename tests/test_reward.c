/* Rewards out of several scores, calibration, digests: what scripts cannot reach, and
 * memory that runs short. What rewards come to is in lua_reward.lua, fits beside
 * scikit-learn in lua_metric.lua. */
#include "support.h"

#include <math.h>
#include <stdlib.h>

static hone_error err;

static hone_samples *samples_of(size_t n)
{
    hone_samples *samples = NULL;

    ck_ok(hone_samples_new(&samples, &err));
    for (size_t i = 0; i < n; i++)
        ck_ok(hone_samples_add(samples, &(hone_sample){ .response = "x", .response_tokens = 2 },
                               &err));
    return samples;
}

/* ---- moments ---- */

START_TEST(moments_are_those_of_all_numbers_so_far)
{
    hone_moments m = { 0 };
    double values[] = { 1e9 + 4, 1e9 + 7, (double)NAN, 1e9 + 13, 1e9 + 16 };

    ck_assert_double_eq(hone_moments_normalise(&m, 3), 3);
    for (size_t i = 0; i < 5; i++)
        hone_moments_add(&m, values[i]);
    ck_assert_double_eq(m.count, 4);
    ck_assert_double_eq_tol(hone_moments_sd(&m), sqrt(30), 1e-9);
    ck_assert_double_eq_tol(hone_moments_normalise(&m, 1e9 + 10 + sqrt(30)), 1, 1e-6);
}
END_TEST

START_TEST(equal_numbers_have_no_deviation_but_for_rounding)
{
    hone_moments m = { 0 };

    for (int i = 0; i < 1000; i++)
        hone_moments_add(&m, 0.1 + (i % 2 ? 1e-17 : 0));
    ck_assert_double_eq(hone_moments_sd(&m), 0);
    ck_assert_double_eq(hone_moments_normalise(&m, 5), 0);
}
END_TEST

/* ---- combining ---- */

static hone_reward_part part_of(const char *name, hone_scores *scores, hone_moments *moments)
{
    return (hone_reward_part){ .name = name, .scores = scores, .weight = 1, .low = -INFINITY,
                               .high = INFINITY, .moments = moments };
}

static hone_reward reward_of(const hone_reward_part *parts, size_t count)
{
    return (hone_reward){ .parts = parts, .count = count, .low = -INFINITY, .high = INFINITY,
                          .update = true };
}

START_TEST(a_failed_part_fails_the_sample_with_its_name)
{
    hone_samples *samples = samples_of(2);
    hone_scores *a = NULL, *out = NULL;
    hone_reward_counts counts;
    hone_reward_part part;
    hone_reward reward;

    ck_ok(hone_scores_new(&a, samples, &err));
    hone_score_fail(a, 0, "no judge");
    ck_ok(hone_scores_finish(a, "judge", &err));
    part = part_of("liked", a, NULL);
    reward = reward_of(&part, 1);
    ck_ok(hone_reward_combine(&out, &counts, &reward, samples, &err));
    ck_assert_str_eq(hone_scores_message(out, 0), "liked: no judge");
    ck_assert_str_eq(hone_scores_message(out, 1), "liked: judge set no score");
    hone_scores_free(out);
    hone_scores_free(a);
    hone_samples_free(samples);
}
END_TEST

START_TEST(scores_of_other_samples_and_missing_moments_are_refused)
{
    hone_samples *two = samples_of(2), *three = samples_of(3);
    hone_scores *a = NULL, *out = NULL;
    hone_reward_counts counts;
    hone_reward_part part;
    hone_reward reward;

    ck_ok(hone_scores_new(&a, two, &err));
    part = part_of("liked", a, NULL);
    reward = reward_of(&part, 1);
    ck_fails(HONE_EINVAL, hone_reward_combine(&out, &counts, &reward, three, &err));
    support_golden("reward-count", err.message);
    part.normalise = true;
    ck_fails(HONE_EINVAL, hone_reward_combine(&out, &counts, &reward, two, &err));
    support_golden("reward-moments", err.message);
    hone_scores_free(a);
    hone_samples_free(two);
    hone_samples_free(three);
}
END_TEST

START_TEST(each_failing_allocation_of_a_reward_is_an_error_and_leaks_nothing)
{
    hone_samples *samples = samples_of(3);
    hone_moments moments = { 0 };
    hone_scores *a = NULL;
    hone_reward_part part;
    hone_reward reward;
    int code = HONE_ENOMEM;
    int64_t live;

    ck_ok(hone_scores_new(&a, samples, &err));
    hone_score_set(a, 0, 1);
    hone_score_token(a, 0, 1, 3);
    hone_score_fail(a, 1, "no");
    hone_score_na(a, 2);
    part = part_of("liked", a, &moments);
    part.normalise = true;
    reward = reward_of(&part, 1);
    live = hone_alloc_live();
    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_reward_counts counts;
        hone_scores *out = NULL;
        ck_assert_uint_lt(n, 100);
        hone_alloc_fail_after(n);
        code = hone_reward_combine(&out, &counts, &reward, samples, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_scores_free(out);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_scores_free(a);
    hone_samples_free(samples);
}
END_TEST

/* ---- calibration ---- */

START_TEST(a_falling_stretch_is_pooled_at_its_mean)
{
    double x[] = { 1, 2, 3, 4, 4, 5 }, y[] = { 1, 3, 2, 5, 7, 6 }, from[6], to[6];
    size_t corners;

    ck_ok(hone_isotonic_fit(from, to, &corners, x, y, NULL, 6, &err));
    ck_assert_uint_eq(corners, 5);
    ck_assert_double_eq(hone_isotonic_value(from, to, corners, 0), 1);
    ck_assert_double_eq(hone_isotonic_value(from, to, corners, 2.5), 2.5);
    ck_assert_double_eq(hone_isotonic_value(from, to, corners, 4.5), 6);
    ck_assert_double_eq(hone_isotonic_value(from, to, corners, 99), 6);
    ck_assert_double_nan(hone_isotonic_value(from, to, 0, 1));
}
END_TEST

START_TEST(scores_that_part_the_judgements_keep_a_finite_slope)
{
    double x[] = { 1, 2, 8, 9 }, y[] = { 0, 0, 1, 1 }, constant, slope;

    ck_ok(hone_platt_fit(&constant, &slope, x, y, NULL, 4, &err));
    ck_assert(isfinite(slope) && slope > 0);
    ck_ok(hone_platt_fit(&constant, &slope, (double[]){ 3, 3 }, (double[]){ 0, 1 }, NULL, 2, &err));
    ck_assert_double_eq(slope, 0);
    ck_assert_double_eq_tol(constant, 0, 1e-12);
}
END_TEST

START_TEST(rank_correlation_knows_its_limits)
{
    double up[] = { 1, 2, 3, 4, 5 }, same[] = { 7, 7, 7, 7, 7 };
    hone_estimate e;

    ck_ok(hone_rank_correlation(&e, up, up, 5, 0.95, &err));
    ck_assert_double_eq(e.value, 1);
    ck_ok(hone_rank_correlation(&e, up, same, 5, 0.95, &err));
    ck_assert_double_eq(e.value, 0);
    ck_assert(e.low == -1 && e.high == 1);
    ck_fails(HONE_EINVAL, hone_rank_correlation(&e, up, up, 3, 0.95, &err));
    support_golden("calibrate-few", err.message);
}
END_TEST

START_TEST(what_cannot_be_fitted_is_refused)
{
    double x[] = { 1, 2 }, y[] = { 0, 2 }, zero[] = { 0, 0 }, from[2], to[2], a, b;
    double nan[] = { 1, (double)NAN };
    size_t corners;

    ck_fails(HONE_EINVAL, hone_platt_fit(&a, &b, x, y, NULL, 2, &err));
    support_golden("calibrate-range", err.message);
    ck_fails(HONE_EINVAL, hone_isotonic_fit(from, to, &corners, x, nan, NULL, 2, &err));
    support_golden("calibrate-nan", err.message);
    ck_fails(HONE_EINVAL, hone_isotonic_fit(from, to, &corners, x, y, zero, 2, &err));
    support_golden("calibrate-weight", err.message);
}
END_TEST

START_TEST(each_failing_allocation_of_a_fit_is_an_error_and_leaks_nothing)
{
    double x[] = { 1, 2, 3, 4, 5, 6 }, y[] = { 0, 1, 0, 1, 0, 1 }, from[6], to[6], a, b;
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_estimate e;
        size_t corners;
        ck_assert_uint_lt(n, 100);
        hone_alloc_fail_after(n);
        code = hone_isotonic_fit(from, to, &corners, x, y, NULL, 6, &err);
        code = code ? code : hone_platt_fit(&a, &b, x, y, NULL, 6, &err);
        code = code ? code : hone_rank_correlation(&e, x, y, 6, 0.9, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
}
END_TEST

/* ---- digests ---- */

START_TEST(digests_are_those_of_fips_180_4)
{
    char hex[65];

    hone_digest(hex, "abc", 3);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reward");
    TCase *c = tcase_create("all");

    tcase_add_test(c, moments_are_those_of_all_numbers_so_far);
    tcase_add_test(c, equal_numbers_have_no_deviation_but_for_rounding);
    tcase_add_test(c, a_failed_part_fails_the_sample_with_its_name);
    tcase_add_test(c, scores_of_other_samples_and_missing_moments_are_refused);
    tcase_add_test(c, each_failing_allocation_of_a_reward_is_an_error_and_leaks_nothing);
    tcase_add_test(c, a_falling_stretch_is_pooled_at_its_mean);
    tcase_add_test(c, scores_that_part_the_judgements_keep_a_finite_slope);
    tcase_add_test(c, rank_correlation_knows_its_limits);
    tcase_add_test(c, what_cannot_be_fitted_is_refused);
    tcase_add_test(c, each_failing_allocation_of_a_fit_is_an_error_and_leaks_nothing);
    tcase_add_test(c, digests_are_those_of_fips_180_4);
    suite_add_tcase(suite, c);
    return support_run(suite);
}
