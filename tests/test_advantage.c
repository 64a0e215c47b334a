/* test_advantage.c -- from rewards to advantages, by hand and by the published
 * values that the headers name. */
#include "support.h"

#include <math.h>
#include <string.h>

static hone_error err;
static hone_tensor *made[8], *out, *second;
static int made_count;

static void setup(void)
{
    made_count = 0;
    out = second = NULL;
}

static void teardown(void)
{
    while (made_count)
        hone_tensor_free(made[--made_count]);
    hone_tensor_free(out);
    hone_tensor_free(second);
    out = second = NULL;
}

static hone_tensor *tensor(int64_t count, const double *values)
{
    hone_tensor *t = NULL;

    ck_assert_int_lt(made_count, 8);
    ck_ok(hone_tensor_new(&t, HONE_F64, 1, &count, &err));
    for (int64_t i = 0; i < count; i++)
        hone_tensor_set(t, i, values[i]);
    return made[made_count++] = t;
}
#define T(...) \
    tensor(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double), (double[]){ __VA_ARGS__ })

static void check(const hone_tensor *t, int64_t count, const double *values, double tolerance)
{
    ck_assert_int_eq(hone_tensor_count(t), count);
    for (int64_t i = 0; i < count; i++) {
        double got = hone_tensor_get(t, i);
        ck_assert_msg(isnan(values[i]) ? isnan(got) : fabs(got - values[i]) <= tolerance,
                      "element %d is %.9g, not %.9g", (int)i, got, values[i]);
    }
}
#define CHECK(t, tolerance, ...) \
    check(t, sizeof((double[]){ __VA_ARGS__ }) / sizeof(double), (double[]){ __VA_ARGS__ }, \
          tolerance)

/* Free what the last call made, and make sure that a failure leaves nothing. */
#define NEXT() (hone_tensor_free(out), hone_tensor_free(second), out = second = NULL)
#define REFUSED(code, golden, call) \
    do { \
        NEXT(); \
        ck_fails(code, call); \
        ck_assert_ptr_null(out); \
        ck_assert_ptr_null(second); \
        support_golden("advantage-" golden, err.message); \
    } while (0)

/* ---- groups ---- */

START_TEST(rewards_are_normalised_within_their_group)
{
    hone_tensor *r = T(1, 0, 0, 1, 5, 7, 7, 5);

    ck_ok(hone_group_normalise(&out, r, 4, 1e-4, true, HONE_UNBIASED, &err));
    ck_assert_int_eq(hone_tensor_dtype(out), HONE_F64);
    CHECK(out, 1e-6, .865875, -.865875, -.865875, .865875, -.865950, .865950, .865950, -.865950);
    NEXT();
    ck_ok(hone_group_normalise(&out, r, 4, 1e-4, true, HONE_BIASED, &err));
    CHECK(out, 1e-7, .9998000400, -.9998000400, -.9998000400, .9998000400,
          -.9999000100, .9999000100, .9999000100, -.9999000100);
    NEXT();
    ck_ok(hone_group_normalise(&out, r, 4, 1e-4, false, HONE_UNBIASED, &err));
    CHECK(out, 0, .5, -.5, -.5, .5, -1, 1, 1, -1);
}
END_TEST

START_TEST(a_reward_less_the_mean_of_the_others)
{
    ck_ok(hone_leave_one_out(&out, T(1, 0, 0, 1), 4, &err));
    CHECK(out, 1e-12, 2. / 3, -2. / 3, -2. / 3, 2. / 3);
    NEXT();
    ck_ok(hone_leave_one_out(&out, T(1, 2, NAN, 4, 4, 9), 3, &err));
    CHECK(out, 1e-12, -1, 1, 0, -2.5, -2.5, 5);
}
END_TEST

START_TEST(groups_that_agree_and_absent_rewards_give_nothing)
{
    hone_tensor *r = T(.1, .1, .1, 1, NAN, 3, NAN, 7, NAN, NAN, NAN, NAN);

    ck_ok(hone_group_normalise(&out, r, 3, 0, true, HONE_UNBIASED, &err));
    CHECK(out, 1e-12, 0, 0, 0, -sqrt(.5), 0, sqrt(.5), 0, 0, 0, 0, 0, 0);
    NEXT();
    ck_ok(hone_leave_one_out(&out, r, 3, &err));
    CHECK(out, 1e-12, 0, 0, 0, -2, 0, 2, 0, 0, 0, 0, 0, 0);
    NEXT();
    ck_ok(hone_group_differs(&out, r, 3, &err));
    CHECK(out, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0);
    NEXT();
    ck_ok(hone_group_differs(&out, T(1, 2), 1, &err));
    CHECK(out, 0, 0, 0);
}
END_TEST

START_TEST(groups_that_are_none_are_refused)
{
    hone_tensor *r = T(1, 2, 3);

    REFUSED(HONE_EINVAL, "group-one", hone_group_normalise(&out, r, 1, 0, true, 0, &err));
    REFUSED(HONE_EINVAL, "group-one-out", hone_leave_one_out(&out, r, 1, &err));
    REFUSED(HONE_EINVAL, "group-none", hone_group_differs(&out, r, 0, &err));
    REFUSED(HONE_EINVAL, "group-whole", hone_group_normalise(&out, r, 2, 0, true, 0, &err));
    REFUSED(HONE_EINVAL, "eps", hone_group_normalise(&out, r, 3, -1, true, 0, &err));
    REFUSED(HONE_ENUMERIC, "infinite", hone_leave_one_out(&out, T(1, INFINITY), 2, &err));
}
END_TEST

/* ---- along the tokens ---- */

START_TEST(advantages_are_estimated_within_each_sample)
{
    ck_ok(hone_gae(&out, &second, T(-.01, .02, 1), T(.5, .4, .6), T(3), 1, .95, NULL, &err));
    CHECK(out, 1e-12, .46, .6, .4);
    CHECK(second, 1e-12, .96, 1, 1);
    NEXT();
    /* Samples of 2, 0 and 1 tokens; d = { 1 + .5 * 2 - 1, 2 + .5 * 8 - 2, 4 + .5 * 6 - 3 }. */
    ck_ok(hone_gae(&out, &second, T(1, 2, 4), T(1, 2, 3), T(2, 0, 1), .5, .5, T(8, 5, 6), &err));
    CHECK(out, 1e-12, 2, 4, 4);
    CHECK(second, 1e-12, 3, 6, 7);
}
END_TEST

START_TEST(later_rewards_are_discounted)
{
    ck_ok(hone_discounted(&out, T(1, 2, 4, 3), T(3, 1), .5, &err));
    CHECK(out, 1e-12, 3, 4, 4, 3);
}
END_TEST

START_TEST(what_does_not_fit_the_tokens_is_refused)
{
    hone_tensor *x = T(1, 2, 3), *n = T(2, 1);

    REFUSED(HONE_EINVAL, "lengths-sum", hone_discounted(&out, x, T(2, 2), 1, &err));
    REFUSED(HONE_EINVAL, "lengths-below", hone_discounted(&out, x, T(4, -1), 1, &err));
    REFUSED(HONE_EINVAL, "lengths-part", hone_segment_max(&out, x, T(1.5, 1.5), &err));
    REFUSED(HONE_EINVAL, "lengths-nan", hone_score_at_end(&out, x, T(NAN, 1, 1), &err));
    REFUSED(HONE_EINVAL, "gamma", hone_discounted(&out, x, n, 1.5, &err));
    REFUSED(HONE_EINVAL, "lambda", hone_gae(&out, &second, x, x, n, 1, NAN, NULL, &err));
    REFUSED(HONE_EINVAL, "values", hone_gae(&out, &second, x, n, n, 1, 1, NULL, &err));
    REFUSED(HONE_EINVAL, "last", hone_gae(&out, &second, x, x, n, 1, 1, x, &err));
    REFUSED(HONE_EINVAL, "scores", hone_score_at_end(&out, x, n, &err));
    REFUSED(HONE_EINVAL, "mask", hone_whiten(&out, x, n, false, 0, &err));
}
END_TEST

START_TEST(what_is_no_number_is_refused)
{
    hone_tensor *x = T(1, NAN, 3), *fine = T(1, 2, 3), *n = T(2, 1);

    REFUSED(HONE_ENUMERIC, "reward-nan", hone_discounted(&out, x, n, 1, &err));
    REFUSED(HONE_ENUMERIC, "value-nan", hone_gae(&out, &second, fine, x, n, 1, 1, NULL, &err));
    REFUSED(HONE_ENUMERIC, "kl-nan", hone_token_rewards(&out, n, x, n, 1, &err));
    REFUSED(HONE_EINVAL, "beta", hone_token_rewards(&out, n, fine, n, INFINITY, &err));
    REFUSED(HONE_ENUMERIC, "whiten-infinite", hone_whiten(&out, T(1, -INFINITY), NULL, 0, 0, &err));
}
END_TEST

/* ---- whitening ---- */

START_TEST(whitened_values_have_mean_0_and_variance_1)
{
    double sd = sqrt(5. / 3 + 1e-8), biased = sqrt(1.25 + 1e-8);
    hone_tensor *x = T(1, 2, 3, 4);

    ck_ok(hone_whiten(&out, x, NULL, false, HONE_UNBIASED, &err));
    CHECK(out, 1e-12, -1.5 / sd, -.5 / sd, .5 / sd, 1.5 / sd);
    NEXT();
    ck_ok(hone_whiten(&out, x, NULL, true, HONE_BIASED, &err));
    CHECK(out, 1e-12, 2.5 - 1.5 / biased, 2.5 - .5 / biased, 2.5 + .5 / biased, 2.5 + 1.5 / biased);
}
END_TEST

START_TEST(masked_and_absent_values_do_not_count)
{
    double sd = sqrt(2 + 1e-8);

    ck_ok(hone_whiten(&out, T(9, 1, NAN, 3), T(0, 1, 1, 1), false, HONE_UNBIASED, &err));
    CHECK(out, 1e-12, 0, -1 / sd, 0, 1 / sd);
    NEXT();
    ck_ok(hone_whiten(&out, T(9, 1), T(1, 0), true, HONE_UNBIASED, &err));
    CHECK(out, 0, 9, 0);
    NEXT();
    ck_ok(hone_whiten(&out, T(9), T(0), true, HONE_UNBIASED, &err));
    CHECK(out, 0, 0);
}
END_TEST

/* ---- samples and tokens ---- */

START_TEST(a_score_stands_on_the_last_token)
{
    hone_tensor *score = T(5, 6, NAN, 7), *n = T(2, 0, 1, 1);

    ck_ok(hone_score_at_end(&out, score, n, &err));
    CHECK(out, 0, 0, 5, 0, 7);
    NEXT();
    ck_ok(hone_token_rewards(&out, score, T(1, 2, -3, 4), n, .5, &err));
    CHECK(out, 1e-12, -.5, 4, 1.5, 5);
}
END_TEST

START_TEST(the_largest_of_each_sample)
{
    ck_ok(hone_segment_max(&out, T(-3, -2, 5, NAN, 7), T(2, 0, 1, 2), &err));
    CHECK(out, 0, -2, NAN, 5, NAN);
}
END_TEST

/* Three samples through KL penalty, estimation and whitening: tests/parity/trl_advantages.py. */
START_TEST(rewards_advantages_and_whitening_are_those_of_trl)
{
    hone_tensor *n = T(3, 1, 4), *score = T(1.5, -.5, .25), *rewards = NULL, *whitened = NULL;
    hone_tensor *kl = T(.3, -.1, .1, -1, .1, 0, 1, -.5), *v = T(.5, .4, .6, -.2, .1, .3, -.4, .2);

    ck_ok(hone_token_rewards(&rewards, score, kl, n, .3, &err));
    CHECK(rewards, 1e-9, -.09, .03, 1.47, -.2, -.03, 0, -.3, .4);
    ck_ok(hone_gae(&out, &second, rewards, v, n, .9, .8, NULL, &err));
    CHECK(second, 1e-9, .843408000, 1.196400000, 1.470000000, -.200000000, -.015398400,
          -.054720000, .024000000, .400000000);
    ck_ok(hone_whiten(&whitened, out, NULL, false, HONE_UNBIASED, &err));
    CHECK(whitened, 1e-8, .170401963, 1.228580334, 1.400508156, -.631790831, -.901358706,
          -1.460408183, .358662928, -.164595661);
    NEXT();
    ck_ok(hone_whiten(&out, rewards, NULL, true, HONE_UNBIASED, &err));
    CHECK(out, 1e-8, -.280371774, -.068993322, 2.467548093, -.474135354, -.174682548,
          -.121837935, -.650284063, .582756903);
    hone_tensor_free(rewards);
    hone_tensor_free(whitened);
}
END_TEST

START_TEST(floats_give_floats)
{
    hone_tensor *r = NULL;

    ck_ok(hone_tensor_new(&r, HONE_F32, 1, (int64_t[]){ 2 }, &err));
    ck_ok(hone_group_differs(&out, r, 2, &err));
    ck_assert_int_eq(hone_tensor_dtype(out), HONE_F32);
    hone_tensor_free(r);
}
END_TEST

START_TEST(short_memory_is_an_error_and_leaks_nothing)
{
    hone_tensor *x = T(1, 2, 3), *n = T(2, 1);
    int64_t live = hone_alloc_live();

    for (uint64_t k = 1; k < 20; k++) {
        int code;

        hone_alloc_fail_after(k);
        code = hone_gae(&out, &second, x, x, n, 1, 1, NULL, &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            return;
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_ptr_null(out);
        ck_assert_ptr_null(second);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    ck_abort_msg("it never succeeds");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("advantage");
    TCase *t = tcase_create("advantage");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, rewards_are_normalised_within_their_group);
    tcase_add_test(t, a_reward_less_the_mean_of_the_others);
    tcase_add_test(t, groups_that_agree_and_absent_rewards_give_nothing);
    tcase_add_test(t, groups_that_are_none_are_refused);
    tcase_add_test(t, advantages_are_estimated_within_each_sample);
    tcase_add_test(t, later_rewards_are_discounted);
    tcase_add_test(t, what_does_not_fit_the_tokens_is_refused);
    tcase_add_test(t, what_is_no_number_is_refused);
    tcase_add_test(t, whitened_values_have_mean_0_and_variance_1);
    tcase_add_test(t, masked_and_absent_values_do_not_count);
    tcase_add_test(t, a_score_stands_on_the_last_token);
    tcase_add_test(t, the_largest_of_each_sample);
    tcase_add_test(t, rewards_advantages_and_whitening_are_those_of_trl);
    tcase_add_test(t, floats_give_floats);
    tcase_add_test(t, short_memory_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, t);
    return support_run(suite);
}
