/* test_pairs.c -- strengths of options: quality/bradley_terry and quality/elo. */
#include "support.h"

#include "../plugins/quality/bradley_terry/bradley_terry.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hone_error err;
static hone_context *context;
static const int four[] = { 0, 7, 5, 9, 3, 0, 6, 8, 5, 4, 0, 7, 1, 2, 3, 0 };

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

static hone_instance *quality_of(const char *name, const char *text)
{
    char *quoted = hone_strdup(text);
    hone_json *options = NULL;
    hone_instance *quality = NULL;

    for (char *p = quoted; (p = strchr(p, '\'')); p++)
        *p = '"';
    ck_ok(hone_json_parse(&options, quoted, strlen(quoted), "test", &err));
    ck_ok(hone_instance_new(&quality, context, "quality", name, options, &err));
    hone_json_free(options);
    hone_free(quoted);
    return quality;
}

static hone_consensus *aggregate(const char *name, const hone_judgements *j, const char *options)
{
    hone_instance *quality = quality_of(name, options);
    hone_consensus *c = NULL;

    ck_ok(hone_quality_aggregate(quality, j, &c, &err));
    hone_instance_free(quality);
    return c;
}

static void aggregate_fails(const char *name, const hone_judgements *j, const char *options,
                            const char *golden)
{
    hone_instance *quality = quality_of(name, options);
    hone_consensus *c = NULL;

    ck_fails(HONE_EINVAL, hone_quality_aggregate(quality, j, &c, &err));
    ck_assert_ptr_null(c);
    support_golden(golden, err.message);
    hone_instance_free(quality);
}

static double option(const hone_consensus *c, const char *column, size_t i)
{
    const double *values = hone_consensus_get(c, HONE_OPTIONS, column, NULL);

    ck_assert_msg(values, "no column %s", column);
    return values[i];
}

static double figure(const hone_consensus *c, const char *key)
{
    const json_t *value = json_object_get(hone_consensus_figures(c), key);

    ck_assert_msg(json_is_number(value), "no figure %s", key);
    return json_number_value(value);
}

static const char *word(const hone_consensus *c, const char *key)
{
    return json_string_value(json_object_get(hone_consensus_figures(c), key));
}

static hone_judgements *wins_of(const int *wins, size_t n)
{
    hone_judgements *j = NULL;

    ck_ok(pairs_example(&j, wins, n, &err));
    return j;
}

/* Comparisons by "A", each of an item of its own: "ab" a beats b, "a=b" a tie,
 * "a!b" both bad. */
static hone_judgements *pairs_of(const char *const *list)
{
    hone_judgements *j = NULL;
    char item[16];

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    for (int i = 0; list[i]; i++) {
        char left[] = { list[i][0], 0 }, right[] = { list[i][strlen(list[i]) - 1], 0 };
        const char *outcome = list[i][1] == '=' ? "tie" : list[i][1] == '!' ? "bad" : "left";
        snprintf(item, sizeof item, "%d", i);
        ck_ok(hone_judgements_add_pair(j, item, "A", left, right, outcome, 1, &err));
    }
    return j;
}

static double shares_of(const hone_consensus *c, size_t n, size_t i)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += exp(option(c, "strength", k));
    return exp(option(c, "strength", i)) / sum;
}

/* ---- published and independent values ---- */

START_TEST(strengths_are_the_published_ones_whatever_is_done_with_ties)
{
    static const char *const ties[] = { "{}", "{'ties': 'rao_kupper'}", "{'ties': 'half'}",
                                        "{'ties': 'drop'}" };
    static const double shares[] = { .42031985, .26698714, .23916002, .07353298 };
    hone_judgements *j = wins_of(four, 4);
    hone_consensus *c = aggregate("bradley_terry", j, ties[_i]);

    for (size_t i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(shares_of(c, 4, i), shares[i], 5e-9);
        ck_assert_double_eq(option(c, "rank", i), (double)i + 1);
        ck_assert_double_eq(option(c, "component", i), 1);
    }
    ck_assert_double_eq(figure(c, "components"), 1);
    ck_assert_double_eq(figure(c, "prior"), 0);
    ck_assert_double_eq(option(c, "wins", 0), 21);
    ck_assert_double_eq(option(c, "comparisons", 3), 30);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* Against a maximum found on a grid: the outcome of two options is multinomial,
 * so that both models meet the shares exactly. */
START_TEST(of_two_options_the_shares_are_met)
{
    static const char *const list[] = { "ab", "ab", "ab", "ab", "ba", "ba", "a=b", "b=a", "a!b",
                                        NULL };
    hone_judgements *j = pairs_of(list);
    hone_consensus *c = aggregate("bradley_terry", j, _i ? "{'ties': 'rao_kupper', 'prior': 0}"
                                                         : "{'prior': 0}");
    double d = option(c, "strength", 0) - option(c, "strength", 1), tie = figure(c, "tie");
    double a = exp(d / 2), b = exp(-d / 2);

    if (!_i) {
        ck_assert_double_eq_tol(a / (a + b + tie), 4.0 / 9, 1e-9);
        ck_assert_double_eq_tol(tie / (a + b + tie), 3.0 / 9, 1e-9);
    } else {
        ck_assert_double_eq_tol(a / (a + tie * b), 4.0 / 9, 1e-9);
        ck_assert_double_eq_tol(b / (b + tie * a), 2.0 / 9, 1e-9);
    }
    ck_assert_double_eq_tol(figure(c, "log_likelihood"),
                            4 * log(4.0 / 9) + 2 * log(2.0 / 9) + 3 * log(3.0 / 9), 1e-9);
    ck_assert_double_eq(figure(c, "bad"), 1);
    ck_assert_double_eq(figure(c, "ties"), 3);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* s = log(w/l), and its variance 1/w + 1/l: d is (s, -s), so that each strength
 * has half of it. */
START_TEST(standard_errors_of_two_options_are_those_of_the_log_odds)
{
    static const int wins[] = { 0, 30, 12, 0 };
    hone_judgements *j = wins_of(wins, 2);
    hone_consensus *c = aggregate("bradley_terry", j, "{}");
    double se = sqrt(1.0 / 30 + 1.0 / 12) / 2;

    ck_assert_double_eq_tol(option(c, "strength", 0), log(30.0 / 12) / 2, 1e-9);
    ck_assert_double_eq_tol(option(c, "strength_se", 0), se, 1e-9);
    ck_assert_double_eq_tol(option(c, "strength_high", 1), -log(30.0 / 12) / 2 + 1.959964 * se,
                            1e-6);
    ck_assert_double_eq(option(c, "rank_low", 0), 1);
    ck_assert_double_eq(option(c, "rank_high", 0), 1); /* z = 2.68 */
    ck_assert_double_eq(option(c, "rank_low", 1), 2);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(options_that_are_not_told_apart_share_ranks)
{
    static const int wins[] = { 0, 5, 40, 6, 0, 40, 2, 2, 0 };
    hone_judgements *j = wins_of(wins, 3);
    hone_consensus *c = aggregate("bradley_terry", j, "{}");

    for (size_t i = 0; i < 2; i++) {
        ck_assert_double_eq(option(c, "rank_low", i), 1);
        ck_assert_double_eq(option(c, "rank_high", i), 2);
    }
    ck_assert_double_eq(option(c, "rank_low", 2), 3);
    ck_assert_double_eq(option(c, "rank_high", 2), 3);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(what_counts_is_said)
{
    static const char *const list[] = { "ab", "ba", "a=b", "a!b", NULL };
    static const struct { const char *options; double comparisons, ties, out; } cases[] = {
        { "{}", 4, 2, 0 }, { "{'bad': 'drop'}", 3, 1, 1 },
        { "{'ties': 'drop'}", 2, 0, 2 }, { "{'ties': 'half', 'bad': 'drop'}", 3, 1, 1 },
    };
    hone_judgements *j = pairs_of(list);
    hone_consensus *c = aggregate("bradley_terry", j, cases[_i].options);

    ck_assert_double_eq(figure(c, "comparisons"), cases[_i].comparisons);
    ck_assert_double_eq(figure(c, "ties"), cases[_i].ties);
    ck_assert_double_eq(figure(c, "left_out"), cases[_i].out);
    ck_assert_double_eq_tol(option(c, "strength", 0), 0, 1e-9);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(weights_and_strengths_count)
{
    hone_judgements *j = NULL, *weighed = NULL;
    hone_consensus *c;
    static const double weights[] = { 2, 0.5, 0 };

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    ck_ok(hone_judgements_add_pair(j, "1", "A", "a", "b", "left", 3, &err));
    ck_ok(hone_judgements_add_pair(j, "2", "A", "a", "b", "right", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "3", "A", "a", "b", "right", 2, &err));
    c = aggregate("bradley_terry", j, "{'strength': true}");
    ck_assert_double_eq_tol(option(c, "strength", 0), 0, 1e-9);
    hone_consensus_free(c);
    ck_ok(hone_judgements_weigh(&weighed, j, weights, &err));
    c = aggregate("bradley_terry", weighed, "{}");
    ck_assert_double_eq_tol(option(c, "strength", 0), log(2 / 0.5) / 2, 1e-9);
    ck_assert_double_eq(figure(c, "weightless"), 1);
    hone_consensus_free(c);
    hone_judgements_free(weighed);
    hone_judgements_free(j);
}
END_TEST

/* ---- graphs ---- */

START_TEST(strengths_of_parts_that_nothing_connects_hold_within_each)
{
    static const int wins[] = { 0, 6, 0, 0, 3, 0, 0, 0, 0, 0, 0, 2, 0, 0, 8, 0 };
    hone_judgements *j = wins_of(wins, 4);
    hone_consensus *c = aggregate("bradley_terry", j, "{}");

    ck_assert_double_eq(figure(c, "components"), 2);
    ck_assert_double_eq_tol(option(c, "strength", 0), log(2) / 2, 1e-9);
    ck_assert_double_eq_tol(option(c, "strength", 3), log(4) / 2, 1e-9);
    ck_assert_double_eq(option(c, "component", 1), 1);
    ck_assert_double_eq(option(c, "component", 2), 2);
    ck_assert_double_eq(option(c, "rank", 0), 1);
    ck_assert_double_eq(option(c, "rank", 3), 1);
    ck_assert_double_eq(option(c, "rank_high", 2), 2);
    ck_assert_double_eq_tol(option(c, "strength_se", 0), sqrt(1.0 / 6 + 1.0 / 3) / 2, 1e-9);
    support_golden("bradley_terry-component", hone_consensus_reason(c, HONE_OPTIONS, 0));
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(an_option_that_never_lost_is_held_by_a_prior_and_says_so)
{
    static const int wins[] = { 0, 3, 3, 0, 0, 2, 0, 1, 0 };
    hone_judgements *j = wins_of(wins, 3);
    hone_consensus *c = aggregate("bradley_terry", j, "{}");

    ck_assert_double_eq(figure(c, "prior"), 0.5);
    for (size_t i = 0; i < 3; i++)
        ck_assert(isfinite(option(c, "strength", i)) && isfinite(option(c, "strength_se", i)));
    ck_assert_double_gt(option(c, "strength", 0), option(c, "strength", 1));
    support_golden("bradley_terry-prior", hone_consensus_reason(c, HONE_OPTIONS, 0));
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* Wins and ties without a loss: with the tie parameter no maximum is finite. */
START_TEST(wins_and_ties_without_a_loss_are_held_by_a_prior)
{
    static const char *const list[] = { "ab", "a=b", "bc", "b=c", NULL };
    hone_judgements *j = pairs_of(list);
    hone_consensus *c = aggregate("bradley_terry", j, _i ? "{'ties': 'rao_kupper'}" : "{}");

    ck_assert_double_eq(figure(c, "prior"), 0.5);
    ck_assert(json_is_true(json_object_get(hone_consensus_figures(c), "converged")));
    ck_assert_double_lt(fabs(option(c, "strength", 0)), 5);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(ties_alone_are_unanimous_and_nothing_is_empty)
{
    static const char *const ties[] = { "a=b", "b=c", NULL };
    hone_judgements *j = pairs_of(ties);
    hone_consensus *c = aggregate("bradley_terry", j, "{}");

    ck_assert_str_eq(word(c, "undefined"), "unanimous");
    ck_assert_double_eq(option(c, "strength", 2), 0);
    hone_consensus_free(c);
    c = aggregate("bradley_terry", j, "{'ties': 'drop'}");
    ck_assert_str_eq(word(c, "undefined"), "empty");
    ck_assert(isnan(option(c, "strength", 0)));
    support_golden("bradley_terry-empty", hone_consensus_reason(c, HONE_OPTIONS, 0));
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(a_long_chain_is_solved)
{
    hone_judgements *j = NULL;
    hone_consensus *c;
    char left[16], right[16];

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    for (int i = 0; i < 2000; i++)
        for (int w = 0; w < 3; w++) {
            snprintf(left, sizeof left, "m%d", i + (w == 2));
            snprintf(right, sizeof right, "m%d", i + (w != 2));
            ck_ok(hone_judgements_add_pair(j, NULL, w ? "A" : "B", left, right, "left", 1, &err));
        }
    c = aggregate("bradley_terry", j, "{}");
    ck_assert_double_eq_tol(option(c, "strength", 0) - option(c, "strength", 2000),
                            2000 * log(2), 1e-3);
    ck_assert(!hone_consensus_get(c, HONE_OPTIONS, "strength_se", NULL));
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(
        hone_consensus_figures(c), "intervals"), "undefined")), "size");
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* ---- items ---- */

START_TEST(items_have_posteriors_that_join_votes_and_strengths)
{
    hone_judgements *j = NULL;
    hone_consensus *c;
    const double *t, *label, *weight;
    size_t width;

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    ck_ok(hone_judgements_add_pair(j, "p", "A", "a", "b", "left", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "p", "B", "b", "a", "right", 1, &err)); /* a again */
    ck_ok(hone_judgements_add_pair(j, "p", "C", "a", "b", "right", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "q", "A", "a", "b", "left", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "q", "B", "b", "c", "left", 1, &err));
    ck_ok(hone_judgements_add_pair(j, "r", "B", "c", "a", "left", 1, &err));
    c = aggregate("bradley_terry", j, "{'pool': 0, 'ties': 'half'}");
    t = hone_consensus_get(c, HONE_ITEMS, "posterior", &width);
    label = hone_consensus_get(c, HONE_ITEMS, "label", NULL);
    weight = hone_consensus_get(c, HONE_ITEMS, "weight", NULL);
    ck_assert_uint_eq(width, 4);
    ck_assert_double_eq_tol(t[0], 2.0 / 3, 1e-12);
    ck_assert_double_eq_tol(t[1], 1.0 / 3, 1e-12);
    ck_assert_double_eq(label[0], HONE_LEFT);
    ck_assert_double_eq_tol(weight[0], 1.0 / 3, 1e-12);
    ck_assert(isnan(t[4]) && isnan(label[1]));
    support_golden("bradley_terry-several", hone_consensus_reason(c, HONE_ITEMS, 1));
    ck_assert_double_eq(figure(c, "items_of_several_pairs"), 1);
    hone_consensus_free(c);
    c = aggregate("bradley_terry", j, "{'pool': 1, 'ties': 'half'}");
    t = hone_consensus_get(c, HONE_ITEMS, "posterior", NULL);
    double d = option(c, "strength", 2) - option(c, "strength", 0); /* c on the left */
    ck_assert_double_eq_tol(t[8], (1 + 1 / (1 + exp(-d))) / 2, 1e-12);
    ck_assert_double_eq_tol(t[8] + t[9] + t[10] + t[11], 1, 1e-12);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* ---- simulated ---- */

/* `count` comparisons of n options of strengths 4 i/n by `workers`; the first two
 * answer by the side alone, the first of them left, the other right; all others do
 * so, for either side, in one of ten. */
static hone_judgements *simulate(size_t n, size_t count, size_t workers, uint64_t seed)
{
    hone_random random = hone_random_named(seed, "test/pairs");
    hone_judgements *j = NULL;
    char item[24], worker[24], left[24], right[24];

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    for (size_t i = 0; i < count; i++) {
        size_t a = hone_random_below(&random, n), b = hone_random_below(&random, n - 1);
        size_t w = hone_random_below(&random, workers);
        double d;
        b += b >= a;
        d = 2 * ((double)a - (double)b) / (double)n;
        bool won = w == 0 ? hone_random_uniform(&random) < 0.95
                   : w == 1 ? hone_random_uniform(&random) < 0.05
                            : hone_random_uniform(&random) < 0.05 + 0.9 / (1 + exp(-2 * d));
        snprintf(item, sizeof item, "%zu", i);
        snprintf(worker, sizeof worker, "w%zu", w);
        snprintf(left, sizeof left, "m%02zu", a);
        snprintf(right, sizeof right, "m%02zu", b);
        ck_ok(hone_judgements_add_pair(j, item, worker, left, right, won ? "left" : "right", 1,
                                       &err));
    }
    return j;
}

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

/* ---- Elo ---- */

START_TEST(elo_follows_the_order_of_time)
{
    static const char *const winners[] = { "left", "left", "right" };
    hone_json *rows = json_array();
    hone_judgement_columns columns = { .item = "i", .annotator = "w", .value = "v", .left = "l",
                                       .right = "r", .time = "t", .level = HONE_PAIR };
    hone_judgements *j = NULL;
    hone_consensus *c;
    double a = 0, b = 0;

    for (int i = 2; i >= 0; i--) /* the latest first */
        json_array_append_new(rows, json_pack("{s:i, s:s, s:s, s:s, s:s, s:i}", "i", i, "w", "A",
                                              "v", winners[i], "l", "a", "r", "b", "t", i));
    ck_ok(hone_judgements_from_rows(&j, rows, &columns, NULL, &err));
    c = aggregate("elo", j, "{'order': 'time', 'k': 32}");
    for (int i = 0; i < 3; i++) {
        double move = 32 * ((i < 2) - 1 / (1 + pow(10, (b - a) / 400)));
        a += move;
        b -= move;
    }
    ck_assert_double_eq_tol(option(c, "rating", 0), 1000 + a, 1e-9);
    ck_assert_double_eq_tol(option(c, "rating", 1), 1000 + b, 1e-9);
    ck_assert_double_eq_tol(option(c, "strength", 0), (a - b) / 2 * log(10) / 400, 1e-12);
    hone_consensus_free(c);
    hone_judgements_free(j);
    hone_json_free(rows);
}
END_TEST

START_TEST(elo_averages_over_orders_and_resamples)
{
    hone_judgements *j = simulate(6, 600, 20, 9);
    hone_consensus *c = aggregate("elo", j, "{'permutations': 50, 'bootstrap': 50, 'seed': 4}");
    hone_consensus *again = aggregate("elo", j, "{'permutations': 50, 'bootstrap': 50, 'seed': 4}");

    for (size_t i = 0; i < 6; i++) {
        ck_assert_double_eq(option(c, "rating", i), option(again, "rating", i));
        ck_assert_double_gt(option(c, "order_sd", i), 0);
        ck_assert_double_le(option(c, "strength_low", i), option(c, "strength_high", i));
    }
    hone_consensus_free(again);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* ---- real comparisons ---- */

/* cmp_key names the two models, 1 and 2 say which is better, 0 neither. */
START_TEST(people_rank_the_models_of_pandalm)
{
    static const char *const outcomes[] = { "tie", "left", "right" };
    const char *path = support_data("preference/pandalm/testset-v1.json");
    hone_judgements *j = NULL;
    hone_json *rows = NULL;
    hone_consensus *c;
    json_t *row;
    size_t n;

    if (!path) {
        support_skip("people_rank_the_models_of_pandalm", "no test data");
        return;
    }
    ck_ok(hone_json_read(&rows, path, &err));
    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    json_array_foreach(rows, n, row) {
        const char *key = json_string_value(json_object_get(row, "cmp_key"));
        char left[64], item[24];
        size_t at = strcspn(key, "_");
        snprintf(left, sizeof left, "%.*s", (int)at, key);
        snprintf(item, sizeof item, "%zu", n);
        for (int a = 1; a <= 3; a++) {
            char who[16];
            snprintf(who, sizeof who, "annotator%d", a);
            ck_ok(hone_judgements_add_pair(j, item, who, left, key + at + 1, outcomes[
                json_integer_value(json_object_get(row, who))], 1, &err));
        }
    }
    c = aggregate("bradley_terry", j, "{'ties': 'half'}");
    ck_assert_uint_eq(hone_judgements_options(j), 5);
    ck_assert_double_eq(figure(c, "comparisons"), 2997);
    ck_assert_double_eq(figure(c, "components"), 1);
    char seen[512] = "";
    for (size_t i = 0; i < 5; i++)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s %.4f; ",
                 hone_judgements_option_name(j, i), option(c, "strength", i));
    support_golden("bradley_terry-pandalm", seen);
    hone_consensus_free(c);
    hone_judgements_free(j);
    hone_json_free(rows);
}
END_TEST

/* ---- bad input ---- */

START_TEST(what_cannot_be_is_refused)
{
    hone_judgements *j = wins_of(four, 4), *labels = NULL;
    hone_instance *quality = NULL;
    json_t *options;

    aggregate_fails("bradley_terry", j, "{'bootstrap': 10}", "bradley_terry-one-annotator");
    aggregate_fails("elo", j, "{'order': 'time'}", "elo-no-time");
    ck_ok(hone_judgements_new(&labels, HONE_NOMINAL, &err));
    ck_ok(hone_judgements_add(labels, "1", "A", "x", 0, &err));
    aggregate_fails("bradley_terry", labels, "{}", "bradley_terry-level");
    aggregate_fails("elo", labels, "{}", "elo-level");
    options = json_pack("{s:i}", "bootstrap", 1);
    ck_fails(HONE_EINVAL, hone_instance_new(&quality, context, "quality", "bradley_terry", options,
                                            &err));
    support_golden("bradley_terry-bootstrap", err.message);
    json_decref(options);
    options = json_pack("{s:[f]}", "skill_prior", 1.0);
    ck_fails(HONE_EINVAL, hone_instance_new(&quality, context, "quality", "bradley_terry", options,
                                            &err));
    support_golden("bradley_terry-skill-prior", err.message);
    json_decref(options);
    hone_judgements_free(labels);
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
    Suite *suite = suite_create("pairs");
    TCase *values = tcase_create("values"), *graphs = tcase_create("graphs");
    TCase *crowds = tcase_create("crowds"), *bad = tcase_create("bad input");

    tcase_add_checked_fixture(values, setup, teardown);
    tcase_add_loop_test(values, strengths_are_the_published_ones_whatever_is_done_with_ties, 0, 4);
    tcase_add_loop_test(values, of_two_options_the_shares_are_met, 0, 2);
    tcase_add_test(values, standard_errors_of_two_options_are_those_of_the_log_odds);
    tcase_add_test(values, options_that_are_not_told_apart_share_ranks);
    tcase_add_loop_test(values, what_counts_is_said, 0, 4);
    tcase_add_test(values, weights_and_strengths_count);
    tcase_add_test(values, items_have_posteriors_that_join_votes_and_strengths);
    tcase_add_test(values, elo_follows_the_order_of_time);
    tcase_add_test(values, elo_averages_over_orders_and_resamples);
    tcase_add_test(values, people_rank_the_models_of_pandalm);
    suite_add_tcase(suite, values);
    tcase_add_checked_fixture(graphs, setup, teardown);
    tcase_add_test(graphs, strengths_of_parts_that_nothing_connects_hold_within_each);
    tcase_add_test(graphs, an_option_that_never_lost_is_held_by_a_prior_and_says_so);
    tcase_add_loop_test(graphs, wins_and_ties_without_a_loss_are_held_by_a_prior, 0, 2);
    tcase_add_test(graphs, ties_alone_are_unanimous_and_nothing_is_empty);
    tcase_add_test(graphs, a_long_chain_is_solved);
    suite_add_tcase(suite, graphs);
    tcase_add_checked_fixture(crowds, setup, teardown);
    tcase_add_test(crowds, gradients_of_the_crowd_model_are_those_of_differences);
    tcase_add_loop_test(crowds, gradients_of_every_tie_model_are_those_of_differences, 0, 3);
    tcase_add_test(crowds, annotators_who_do_not_look_are_found);
    tcase_add_test(crowds, the_crowd_model_climbs);
    tcase_add_loop_test(crowds, the_bootstrap_agrees_with_the_information_and_with_itself, 0, 2);
    tcase_add_test(crowds, annotators_that_differ_widen_the_intervals_over_them);
    suite_add_tcase(suite, crowds);
    tcase_add_checked_fixture(bad, setup, teardown);
    tcase_add_test(bad, what_cannot_be_is_refused);
    tcase_add_loop_test(bad, each_failing_allocation_is_an_error_and_leaks_nothing, 0, 5);
    suite_add_tcase(suite, bad);
    return support_run(suite);
}
