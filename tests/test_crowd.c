/* test_crowd.c -- quality/bradley_terry where annotators differ: gradients, who does
 * not look, intervals from resamples, and memory that runs out. */
#include "pairs.h"

START_TEST(gradients_of_the_crowd_model_are_those_of_differences)
{
    static double prior[] = { 3, 1 };
    struct bradley_terry o = { .context = context, .prior = 0.1, .side_sd = 1.5,
                               .skill_prior = { 2, prior } };
    hone_judgements *j = simulate(5, 60, 4, 7);
    struct pairs_policy policy = { .ties = true };
    hone_random random = hone_random_named(3, "x");
    struct pairs p;
    struct crowd c;
    double *gradient, *waste;

    ck_ok(hone_judgements_add_pair(j, "tie", "w1", "m00", "m01", "tie", 1, &err));
    ck_ok(pairs_open(&p, j, &policy, &err));
    ck_ok(crowd_open(&c, &o, &p, &err));
    gradient = hone_alloc(2 * c.count, sizeof *gradient);
    waste = gradient + c.count;
    for (size_t i = 0; i < c.count; i++)
        c.x[i] = hone_random_normal(&random);
    crowd_objective(&c, c.x, gradient);
    for (size_t i = 0; i < c.count; i++) {
        double x = c.x[i], h = 1e-5, up, down;
        c.x[i] = x + h;
        up = crowd_objective(&c, c.x, waste);
        c.x[i] = x - h;
        down = crowd_objective(&c, c.x, waste);
        c.x[i] = x;
        ck_assert_double_eq_tol(gradient[i], (up - down) / (2 * h), 1e-7 * (1 + fabs(gradient[i])));
    }
    hone_free(gradient);
    crowd_close(&c);
    pairs_close(&p);
    hone_judgements_free(j);
}
END_TEST

START_TEST(gradients_of_every_tie_model_are_those_of_differences)
{
    static const char *const list[] = { "ab", "ab", "ba", "a=b", "bc", "c=b", "ca", "b=a", NULL };
    static const int64_t models[] = { TIES_DAVIDSON, TIES_RAO_KUPPER, TIES_HALF };
    hone_judgements *j = pairs_of(list);
    struct pairs_policy policy = { .ties = true };
    static const double at[] = { 0.3, -0.6, 0.5, 0.4 };
    struct pairs p;
    struct fit f;
    double gradient[4], curve[4];

    ck_ok(pairs_open(&p, j, &policy, &err));
    ck_ok(fit_open(&f, &p, models[_i], &err));
    f.has_tie = models[_i] != TIES_HALF;
    f.prior[1] = 0.7;
    memcpy(f.strength, at, sizeof at);
    fit_derive(&f);
    memcpy(gradient, f.gradient, sizeof gradient);
    memcpy(curve, f.diagonal, sizeof curve);
    for (int i = 0; i < (f.has_tie ? 4 : 3); i++) {
        double h = 1e-4, up, down, here = fit_derive(&f);
        f.strength[i] = at[i] + h;
        up = fit_derive(&f);
        f.strength[i] = at[i] - h;
        down = fit_derive(&f);
        f.strength[i] = at[i];
        ck_assert_double_eq_tol(gradient[i], (up - down) / (2 * h), 1e-6);
        ck_assert_double_eq_tol(curve[i], (2 * here - up - down) / (h * h), 1e-5);
    }
    fit_close(&f);
    pairs_close(&p);
    hone_judgements_free(j);
}
END_TEST

/* How far strengths are from those of simulate, on average. */
static double off(const hone_consensus *c, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const char *name = hone_judgements_option_name(hone_consensus_judgements(c), i);
        double truth = 4 * (atoi(name + 1) - (double)(n - 1) / 2) / (double)n;
        sum += fabs(option(c, "strength", i) - truth) / (double)n;
    }
    return sum;
}

START_TEST(annotators_who_do_not_look_are_found)
{
    double offs[2] = {0};

    for (uint64_t seed = 1; seed <= 4; seed++) {
        hone_judgements *j = simulate(10, 3000, 10, seed);
        hone_consensus *crowd = aggregate("bradley_terry", j, "{'annotators': true}");
        hone_consensus *plain = aggregate("bradley_terry", j, "{}");
        const double *skill = hone_consensus_get(crowd, HONE_ANNOTATORS, "skill", NULL);
        const double *side = hone_consensus_get(crowd, HONE_ANNOTATORS, "side", NULL);
        const double *high = hone_consensus_get(crowd, HONE_ANNOTATORS, "skill_high", NULL);
        for (size_t w = 0; w < 10; w++) {
            const char *name = hone_judgements_annotator_name(j, w);
            bool spammer = strcmp(name, "w0") == 0 || strcmp(name, "w1") == 0;
            ck_assert_msg((skill[w] < 0.4) == spammer, "%s: skill %g", name, skill[w]);
            ck_assert(!spammer || (high[w] < 0.7 && (side[w] > 0) == (name[1] == '0')));
        }
        offs[0] += off(crowd, 10) / 4;
        offs[1] += off(plain, 10) / 4;
        hone_consensus_free(plain);
        hone_consensus_free(crowd);
        hone_judgements_free(j);
    }
    ck_assert_double_lt(offs[0], 0.25);
    ck_assert_double_gt(offs[1], 1.5 * offs[0]);
}
END_TEST

START_TEST(the_crowd_model_climbs)
{
    hone_judgements *j = simulate(10, 1000, 10, 5);
    hone_consensus *c = aggregate("bradley_terry", j, "{'annotators': true}");
    json_t *trace = json_object_get(hone_consensus_figures(c), "objective");

    ck_assert_uint_gt(json_array_size(trace), 2);
    for (size_t i = 1; i < json_array_size(trace); i++)
        ck_assert_double_ge(json_real_value(json_array_get(trace, i)),
                            json_real_value(json_array_get(trace, i - 1)));
    ck_assert(json_is_true(json_object_get(hone_consensus_figures(c), "converged")));
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(the_bootstrap_agrees_with_the_information_and_with_itself)
{
    static const char *const options[] = {
        "{'bootstrap': 300, 'cluster': 'comparison'}", "{'bootstrap': 300, 'cluster': 'item'}",
    };
    hone_judgements *j = simulate(6, 1500, 40, 5);
    hone_consensus *c = aggregate("bradley_terry", j, "{}"), *b, *again;

    b = aggregate("bradley_terry", j, options[_i]);
    ck_ok(hone_context_set_threads(context, 2, &err));
    again = aggregate("bradley_terry", j, options[_i]);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_double_eq_tol(option(b, "strength_se", i) / option(c, "strength_se", i), 1, 0.2);
        ck_assert_double_lt(option(b, "strength_low", i), option(b, "strength", i));
        ck_assert_double_eq(option(b, "strength_low", i), option(again, "strength_low", i));
        ck_assert_double_eq(option(b, "strength_se", i), option(again, "strength_se", i));
    }
    ck_assert_double_eq(figure(b, "clusters"), 1500);
    hone_consensus_free(again);
    hone_consensus_free(b);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(annotators_that_differ_widen_the_intervals_over_them)
{
    hone_judgements *j = simulate(4, 2000, 8, 2);
    hone_consensus *c = aggregate("bradley_terry", j, "{'annotators': true, 'bootstrap': 40}");

    ck_assert_double_eq(figure(c, "clusters"), 8);
    for (size_t i = 0; i < 4; i++)
        ck_assert(option(c, "strength_low", i) <= option(c, "strength_high", i));
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    static const struct { const char *name, *options; } cases[] = {
        { "bradley_terry", "{}" }, { "bradley_terry", "{'annotators': true}" },
        { "bradley_terry", "{'bootstrap': 3, 'cluster': 'item'}" },
        { "bradley_terry", "{'bootstrap': 2, 'annotators': true, 'cluster': 'item'}" },
        { "elo", "{'permutations': 2, 'bootstrap': 2}" },
    };
    hone_judgements *j = simulate(4, 40, 5, 1);
    hone_instance *quality = quality_of(cases[_i].name, cases[_i].options);
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_consensus *c = NULL;
        ck_assert_uint_lt(n, 2000);
        err = (hone_error){0};
        hone_alloc_fail_after(n);
        code = hone_quality_aggregate(quality, j, &c, &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%s", err.message);
        ck_assert(code == HONE_OK || err.message[0]);
        hone_consensus_free(c);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_instance_free(quality);
    hone_judgements_free(j);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crowd");
    TCase *crowds = tcase_create("crowds");

    tcase_add_checked_fixture(crowds, setup, teardown);
    tcase_add_test(crowds, gradients_of_the_crowd_model_are_those_of_differences);
    tcase_add_loop_test(crowds, gradients_of_every_tie_model_are_those_of_differences, 0, 3);
    tcase_add_test(crowds, annotators_who_do_not_look_are_found);
    tcase_add_test(crowds, the_crowd_model_climbs);
    tcase_add_loop_test(crowds, the_bootstrap_agrees_with_the_information_and_with_itself, 0, 2);
    tcase_add_test(crowds, annotators_that_differ_widen_the_intervals_over_them);
    tcase_add_loop_test(crowds, each_failing_allocation_is_an_error_and_leaks_nothing, 0, 5);
    suite_add_tcase(suite, crowds);
    return support_run(suite);
}
