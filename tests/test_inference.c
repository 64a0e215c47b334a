/* test_inference.c -- estimates that a team reports, against other programs, known
 * formulas and simulations; and the logistic model and matrices below them. */
#include "support.h"

#include <math.h>
#include <string.h>

static hone_error err;

enum { N = 24, OTHERS = 60 };
static double y[N], f[N], others_f[OTHERS], x[2 * N], others_x[2 * OTHERS], won[N], length[N];
static int32_t cluster[N];

static void setup(void)
{
    static const double outcomes[] = { 1, 0, 1, 1, 0, 0.5 };

    for (int i = 0; i < N; i++) {
        f[i] = 0.8 * sin(0.7 * i) + 0.1 * cos(3 * i);
        y[i] = f[i] + 0.3 * sin(5.1 * i + 1);
        x[2 * i] = 1;
        x[2 * i + 1] = cos(1.3 * i);
        won[i] = outcomes[i % 6];
        cluster[i] = i / 3;
        length[i] = 10 * sin(2 * i) + 2;
    }
    for (int k = 0; k < OTHERS; k++) {
        others_f[k] = 0.7 * sin(0.9 * k + 0.3) + 0.2 * cos(2.2 * k);
        others_x[2 * k] = 1;
        others_x[2 * k + 1] = cos(1.1 * k);
    }
}

/* ---- below ---- */

START_TEST(a_matrix_times_its_inverse_is_one)
{
    double a[25], l[25], b[5];

    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            a[i * 5 + j] = l[i * 5 + j] = 1.0 / (i + j + 1) + (i == j) * 0.1;
    ck_assert(hone_cholesky(l, 5));
    memcpy(b, a, sizeof b);
    hone_cholesky_solve(l, 5, b);
    for (int i = 0; i < 5; i++)
        ck_assert_double_eq_tol(b[i], i == 0, 1e-12);
    hone_cholesky_invert(l, 5);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++) {
            double sum = 0;
            for (int k = 0; k < 5; k++)
                sum += a[i * 5 + k] * l[k * 5 + j];
            ck_assert_double_eq_tol(sum, i == j, 1e-10);
            ck_assert_double_eq(l[i * 5 + j], l[j * 5 + i]);
        }
    double singular[] = { 1, 1, 1, 1 };
    ck_assert(!hone_cholesky(singular, 2));
    double negative[] = { -1 };
    ck_assert(!hone_cholesky(negative, 1));
}
END_TEST

/* statsmodels 0.15: GLM(Binomial), and with cov_type = 'cluster'; its correction is
 * C/(C - 1) * (n - 1)/(n - p), ours is without the second factor. */
START_TEST(the_logistic_model_is_that_of_statsmodels)
{
    double beta[2], covariance[4];

    ck_ok(hone_logistic_fit(beta, covariance, x, won, NULL, NULL, 0, N, 2, &err));
    ck_assert_double_eq_tol(beta[0], 0.33668585, 1e-8);
    ck_assert_double_eq_tol(beta[1], 0.03181922, 1e-8);
    ck_assert_double_eq_tol(covariance[0], 0.17147183, 1e-8);
    ck_assert_double_eq_tol(covariance[1], 0.00275864, 1e-8);
    ck_assert_double_eq_tol(covariance[3], 0.34314208, 1e-8);
    ck_ok(hone_logistic_fit(beta, covariance, x, won, NULL, cluster, 8, N, 2, &err));
    ck_assert_double_eq_tol(sqrt(covariance[0] * 7 / 8), 0.12159002, 1e-8);
    ck_assert_double_eq_tol(sqrt(covariance[3] * 7 / 8), 0.38199419, 1e-8);
}
END_TEST

START_TEST(a_term_that_parts_the_outcomes_is_an_error)
{
    double beta[2], covariance[4], parted[N], twice[2 * N];

    for (int i = 0; i < N; i++) {
        parted[i] = x[2 * i + 1] > 0.1;
        twice[2 * i] = twice[2 * i + 1] = 1;
    }
    ck_fails(HONE_ENUMERIC, hone_logistic_fit(beta, covariance, x, parted, NULL, NULL, 0, N, 2,
                                              &err));
    support_golden("logistic-parted", err.message);
    ck_fails(HONE_ENUMERIC, hone_logistic_fit(beta, covariance, twice, won, NULL, NULL, 0, N, 2,
                                              &err));
    memset(cluster, 0, sizeof cluster);
    ck_fails(HONE_EINVAL, hone_logistic_fit(beta, covariance, x, won, NULL, cluster, 1, N, 2,
                                            &err));
    support_golden("logistic-one-cluster", err.message);
    won[3] = 2;
    ck_fails(HONE_EINVAL, hone_logistic_fit(beta, covariance, x, won, NULL, NULL, 0, N, 2, &err));
    support_golden("logistic-outcome", err.message);
}
END_TEST

/* ---- prediction-powered inference ---- */

static hone_ppi mean_of(double lambda)
{
    return (hone_ppi){ .rows = N, .others = OTHERS, .terms = 1, .y = y, .f = f,
                       .others_f = others_f, .lambda = lambda, .confidence = 0.95 };
}

/* ppi-python 0.2.3; its standard deviations of a mean divide by n, ours by n - 1. */
START_TEST(means_are_those_of_ppi_python)
{
    static const struct { double lambda, value, low, high; } cases[] = {
        { NAN, 0.03845049, -0.10169983, 0.1786008 }, { 1, 0.02452422, -0.130366, 0.17941445 },
    };
    hone_ppi d = mean_of(cases[_i].lambda);
    hone_estimate out, people;
    double tuned, mean = 0, squares = 0;

    ck_ok(hone_ppi_estimate(&out, &people, &tuned, &d, &err));
    ck_assert_double_eq_tol(out.value, cases[_i].value, 1e-8);
    ck_assert_double_eq_tol(out.low, cases[_i].low, 0.004);
    ck_assert_double_eq_tol(out.high, cases[_i].high, 0.004);
    ck_assert_double_gt(out.se, (cases[_i].high - cases[_i].low) / 2 / 1.959964);
    ck_assert(_i ? tuned == 1 : tuned > 0.5 && tuned < 1);
    for (int i = 0; i < N; i++)
        mean += y[i] / N;
    for (int i = 0; i < N; i++)
        squares += (y[i] - mean) * (y[i] - mean);
    ck_assert_double_eq_tol(people.value, mean, 1e-12);
    ck_assert_double_eq_tol(people.se, sqrt(squares / (N - 1) / N), 1e-12);
    ck_assert_double_gt(people.se, out.se);
}
END_TEST

START_TEST(regressions_are_those_of_ppi_python)
{
    static const struct { double lambda, value[2], low[2], high[2]; } cases[] = {
        { NAN, { 0.04095564, 0.14435965 }, { -0.10006103, -0.04049597 },
          { 0.18186757, 0.32920915 } },
        { 1, { 0.0256541, 0.14346467 }, { -0.13387857, -0.0705934 }, { 0.18518677, 0.35752273 } },
    };
    hone_ppi d = mean_of(cases[_i].lambda);
    hone_estimate out[2];

    d.terms = 2;
    d.x = x;
    d.others_x = others_x;
    ck_ok(hone_ppi_estimate(out, NULL, NULL, &d, &err));
    for (int i = 0; i < 2; i++) {
        /* Its interval is of one more step of tuning than its value. */
        ck_assert_double_eq_tol(out[i].value, (cases[_i].low[i] + cases[_i].high[i]) / 2, 2e-8);
        ck_assert_double_eq_tol(out[i].value, cases[_i].value[i], 1e-4);
        ck_assert_double_eq_tol(out[i].low, cases[_i].low[i], 2e-8);
        ck_assert_double_eq_tol(out[i].high, cases[_i].high[i], 2e-8);
    }
}
END_TEST

START_TEST(useless_predictions_do_no_harm_and_perfect_ones_count_as_people)
{
    hone_ppi d = mean_of(NAN);
    hone_estimate out, people;
    double tuned;

    for (int i = 0; i < N; i++)
        f[i] = 1; /* says nothing */
    for (int k = 0; k < OTHERS; k++)
        others_f[k] = 1;
    ck_ok(hone_ppi_estimate(&out, &people, &tuned, &d, &err));
    ck_assert_double_eq(tuned, 0);
    ck_assert_double_eq_tol(out.value, people.value, 1e-12);
    ck_assert_double_eq_tol(out.se, people.se, 1e-12);
}
END_TEST

/* 1,000 means of 40 judged and 400 predicted: the 95 % interval covers. */
START_TEST(intervals_of_means_cover)
{
    double seen[40], said[40], others[400], covered = 0, narrower = 0;
    hone_ppi d = { .rows = 40, .others = 400, .terms = 1, .y = seen, .f = said,
                   .others_f = others, .lambda = NAN, .confidence = 0.95 };

    for (uint64_t run = 0; run < 1000; run++) {
        hone_random r = hone_random_named(run, "ppi");
        hone_estimate out, people;
        for (int i = 0; i < 40; i++) {
            double quality = hone_random_normal(&r);
            seen[i] = quality + 0.5 * hone_random_normal(&r);
            said[i] = quality + 1; /* biased */
        }
        for (int i = 0; i < 400; i++)
            others[i] = hone_random_normal(&r) + 1;
        ck_ok(hone_ppi_estimate(&out, &people, NULL, &d, &err));
        covered += out.low <= 0 && out.high >= 0;
        narrower += out.se < people.se;
    }
    ck_assert_double_ge(covered, 920);
    ck_assert_double_le(covered, 970);
    ck_assert_double_gt(narrower, 990);
}
END_TEST

START_TEST(inputs_that_do_not_fit_are_refused)
{
    hone_ppi d = mean_of(NAN);
    hone_estimate out[2];

    d.rows = 1;
    ck_fails(HONE_EINVAL, hone_ppi_estimate(out, NULL, NULL, &d, &err));
    support_golden("ppi-rows", err.message);
    d = mean_of(2);
    ck_fails(HONE_EINVAL, hone_ppi_estimate(out, NULL, NULL, &d, &err));
    support_golden("ppi-lambda", err.message);
    d = mean_of(1);
    f[4] = NAN;
    ck_fails(HONE_ENUMERIC, hone_ppi_estimate(out, NULL, NULL, &d, &err));
    support_golden("ppi-nan", err.message);
    f[4] = 0;
    d.terms = 2;
    ck_fails(HONE_EINVAL, hone_ppi_estimate(out, NULL, NULL, &d, &err));
    d.x = x;
    d.others_x = others_x;
    for (int i = 0; i < N; i++)
        x[2 * i + 1] = 2;
    ck_fails(HONE_EINVAL, hone_ppi_estimate(out, NULL, NULL, &d, &err));
    support_golden("ppi-rank", err.message);
}
END_TEST

/* ---- win rates ---- */

START_TEST(win_rates_at_equal_length_are_those_of_statsmodels)
{
    hone_win_rate rate;

    ck_ok(hone_win_rate_estimate(&rate, won, length, NULL, 0, N, 0.95, &err));
    ck_assert_double_eq_tol(rate.raw.value, 3.5 / 6, 1e-12);
    ck_assert_double_eq_tol(rate.controlled.value, 0.790066577726268, 1e-8);
    ck_assert_double_eq_tol(rate.length.value, -2.9474414, 1e-7);
    /* Of Newton's steps to the end; statsmodels has those of the step before: 1.16702282. */
    ck_assert_double_eq_tol(rate.length.se, 1.16706553, 1e-7);
    ck_assert_double_eq_tol(rate.p, 0.01154985, 1e-5);
    ck_assert_double_eq_tol(rate.controlled.low,
                            1 / (1 + exp(-1.32532677 + 1.959964 * 0.79898388)), 1e-6);
    ck_ok(hone_win_rate_estimate(&rate, won, length, cluster, 8, N, 0.95, &err));
    ck_assert_double_eq_tol(rate.controlled.value, 0.790066577726268, 1e-8);
}
END_TEST

START_TEST(win_rates_that_length_decides_are_refused)
{
    hone_win_rate rate;

    for (int i = 0; i < N; i++)
        won[i] = length[i] > 0;
    ck_fails(HONE_ENUMERIC, hone_win_rate_estimate(&rate, won, length, NULL, 0, N, 0.95, &err));
    for (int i = 0; i < N; i++)
        length[i] = 7;
    ck_fails(HONE_EINVAL, hone_win_rate_estimate(&rate, won, length, NULL, 0, N, 0.95, &err));
    support_golden("win-rate-lengths", err.message);
    won[2] = NAN;
    ck_fails(HONE_EINVAL, hone_win_rate_estimate(&rate, won, length, NULL, 0, N, 0.95, &err));
    support_golden("win-rate-score", err.message);
}
END_TEST

/* ---- power ---- */

START_TEST(without_noise_power_is_the_textbook_sample_size)
{
    hone_power d = { .agreement = 1, .alpha = 0.05, .power = 0.8, .per_item = 1 };
    int64_t items;
    double chance, effect;
    bool possible;

    /* ((1.959964/2 + 0.841621 sqrt(0.6 * 0.4))/0.1)^2 = 193.85 */
    ck_ok(hone_power_items(&items, &d, 0.6, &err));
    ck_assert_int_eq(items, 194);
    ck_ok(hone_power_chance(&chance, &d, 194, 0.6, &err));
    ck_assert_double_eq_tol(chance, 0.8, 1e-3);
    ck_ok(hone_power_effect(&effect, &possible, &d, 194, &err));
    ck_assert(possible);
    ck_assert_double_eq_tol(effect, 0.6, 1e-3);
    ck_ok(hone_power_effect(&effect, &possible, &d, 2, &err));
    ck_assert(!possible);
}
END_TEST

/* What is promised is what simulated teams find. */
START_TEST(noise_and_ties_cost_what_power_says)
{
    hone_power d = { .agreement = 0.7, .ties = 0.2, .alpha = 0.05, .power = 0.8, .per_item = 3 };
    double a = (1 + sqrt(2 * 0.7 - 1)) / 2, found = 0, chance;
    hone_random r = hone_random_named(1, "power");
    int64_t items;

    ck_ok(hone_power_items(&items, &d, 0.62, &err));
    ck_ok(hone_power_chance(&chance, &d, items, 0.62, &err));
    ck_assert_double_ge(chance, 0.8);
    for (int run = 0; run < 2000; run++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < items; i++) {
            double score = 0.5, votes = 0;
            if (hone_random_uniform(&r) >= 0.2) {
                double better = hone_random_uniform(&r) < 0.62 ? a : 1 - a;
                for (int k = 0; k < 3; k++)
                    votes += hone_random_uniform(&r) < better;
                score = votes / 3;
            }
            sum += score - 0.5;
            squares += (score - 0.5) * (score - 0.5);
        }
        found += fabs(sum) > 1.959964 * sqrt(squares);
    }
    ck_assert_double_eq_tol(found / 2000, chance, 0.03);
    d.per_item = 1;
    int64_t single;
    ck_ok(hone_power_items(&single, &d, 0.62, &err));
    ck_assert_int_gt(single, items);
    ck_assert_int_lt(single, 3 * items); /* in judgements, more items are the better buy */
}
END_TEST

START_TEST(designs_that_cannot_be_are_refused)
{
    hone_power d = { .agreement = 0.5, .alpha = 0.05, .power = 0.8, .per_item = 1 };
    int64_t items;

    ck_fails(HONE_EINVAL, hone_power_items(&items, &d, 0.6, &err));
    support_golden("power-agreement", err.message);
    d.agreement = 0.8;
    ck_fails(HONE_EINVAL, hone_power_items(&items, &d, 0.5, &err));
    support_golden("power-even", err.message);
    d.ties = 1;
    ck_fails(HONE_EINVAL, hone_power_items(&items, &d, 0.6, &err));
    support_golden("power-ties", err.message);
}
END_TEST

/* ---- when to stop ---- */

START_TEST(the_sequential_test_of_gold_questions_is_that_of_the_reference)
{
    hone_sprt t;

    ck_ok(hone_sprt_new(&t, 0.85, 0.65, 0.05, 0.05, &err));
    ck_assert_double_eq_tol(t.miss, 0.847, 5e-4);
    ck_assert_double_eq_tol(t.hit, -0.268, 5e-4);
    ck_assert_double_eq_tol(t.upper, 2.944, 5e-4);
    ck_assert_double_eq_tol(t.lower, -2.944, 5e-4);
    ck_fails(HONE_EINVAL, hone_sprt_new(&t, 0.5, 0.5, 0.05, 0.05, &err));
    support_golden("sprt-chances", err.message);
}
END_TEST

START_TEST(posteriors_and_evalues_are_those_of_formulas)
{
    double p, e;

    ck_ok(hone_posterior_better(&p, 0, 0, 1, 1, &err));
    ck_assert_double_eq_tol(p, 0.5, 1e-12);
    ck_ok(hone_posterior_better(&p, 3, 0, 1, 1, &err)); /* 1 - (1/2)^4 */
    ck_assert_double_eq_tol(p, 0.9375, 1e-12);
    ck_ok(hone_binomial_evalue(&e, 5, 5, 0.5, &err)); /* 2^5/6 */
    ck_assert_double_eq_tol(e, 32.0 / 6, 1e-10);
    ck_fails(HONE_EINVAL, hone_binomial_evalue(&e, 6, 5, 0.5, &err));
    ck_fails(HONE_EINVAL, hone_posterior_better(&p, -1, 0, 1, 1, &err));
}
END_TEST

/* Looking after every answer, a fair coin is called unfair in 5 % of runs at most. */
START_TEST(evalues_hold_whenever_one_looks)
{
    int called = 0;

    for (uint64_t run = 0; run < 1000; run++) {
        hone_random r = hone_random_named(run, "evalue");
        int64_t k = 0;
        double e = 0;
        for (int64_t n = 1; n <= 300 && e < 20; n++) {
            k += hone_random_uniform(&r) < 0.5;
            ck_ok(hone_binomial_evalue(&e, k, n, 0.5, &err));
        }
        called += e >= 20;
    }
    ck_assert_int_le(called, 50);
    ck_assert_int_gt(called, 0);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    int64_t live = hone_alloc_live();
    hone_ppi d = mean_of(NAN);
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code; n++) {
        hone_win_rate rate;
        hone_estimate out;
        ck_assert_uint_lt(n, 50);
        err = (hone_error){0};
        hone_alloc_fail_after(n);
        code = hone_ppi_estimate(&out, NULL, NULL, &d, &err);
        if (!code)
            code = hone_win_rate_estimate(&rate, won, length, cluster, 8, N, 0.95, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || (code == HONE_ENOMEM && err.message[0]));
        ck_assert_int_eq(hone_alloc_live(), live);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inference");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, setup, NULL);
    tcase_add_test(all, a_matrix_times_its_inverse_is_one);
    tcase_add_test(all, the_logistic_model_is_that_of_statsmodels);
    tcase_add_test(all, a_term_that_parts_the_outcomes_is_an_error);
    tcase_add_loop_test(all, means_are_those_of_ppi_python, 0, 2);
    tcase_add_loop_test(all, regressions_are_those_of_ppi_python, 0, 2);
    tcase_add_test(all, useless_predictions_do_no_harm_and_perfect_ones_count_as_people);
    tcase_add_test(all, intervals_of_means_cover);
    tcase_add_test(all, inputs_that_do_not_fit_are_refused);
    tcase_add_test(all, win_rates_at_equal_length_are_those_of_statsmodels);
    tcase_add_test(all, win_rates_that_length_decides_are_refused);
    tcase_add_test(all, without_noise_power_is_the_textbook_sample_size);
    tcase_add_test(all, noise_and_ties_cost_what_power_says);
    tcase_add_test(all, designs_that_cannot_be_are_refused);
    tcase_add_test(all, the_sequential_test_of_gold_questions_is_that_of_the_reference);
    tcase_add_test(all, posteriors_and_evalues_are_those_of_formulas);
    tcase_add_test(all, evalues_hold_whenever_one_looks);
    tcase_add_test(all, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, all);
    return support_run(suite);
}
