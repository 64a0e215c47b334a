/* test_pairs.c -- strengths of options: quality/bradley_terry and quality/elo. */
#include "pairs.h"

static const int four[] = { 0, 7, 5, 9, 3, 0, 6, 8, 5, 4, 0, 7, 1, 2, 3, 0 };

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

int main(void)
{
    Suite *suite = suite_create("pairs");
    TCase *values = tcase_create("values"), *graphs = tcase_create("graphs");
    TCase *bad = tcase_create("bad input");

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
    tcase_add_checked_fixture(bad, setup, teardown);
    tcase_add_test(bad, what_cannot_be_is_refused);
    suite_add_tcase(suite, bad);
    return support_run(suite);
}
