/* test_aggregation.c -- the quality plugins that make one label of many:
 * published values, real sets, and what simulations put in. */
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

/* ---- Dawid and Skene's patients ---- */

static hone_judgements *load(const char *file, const char *item, const char *annotator,
                             const char *value)
{
    const char *path = support_data(file);
    hone_judgement_columns columns = { .item = item, .annotator = annotator, .value = value,
                                       .level = HONE_NOMINAL };
    hone_judgements *j = NULL;

    if (path)
        ck_ok(hone_judgements_load(&j, path, &columns, "both", NULL, NULL, &err));
    return j;
}

static hone_judgements *patients(const char *test)
{
    hone_judgements *j = load("crowd/dawid_skene_1979.csv", "item", "rater", "rating");

    if (!j)
        support_skip(test, "no test data");
    return j;
}

START_TEST(the_patients_of_1979_have_the_published_likelihood_priors_and_classes)
{
    static const double priors[] = { .3996, .4220, .1118, .0667 };
    static const double diagonal[] = { .889, .876, .661, .444 };
    hone_judgements *j = patients("the_patients_of_1979");

    if (!j)
        return;
    hone_consensus *c = crowd_aggregate(context, j, "dawid_skene", "{\"iterations\": 10000, "
                                  "\"tolerance\": 1e-12}");
    char classes[46] = "";
    crowd_near(crowd_figure(c, "log_likelihood"), -192.890881, 5e-7);
    for (size_t k = 0; k < 4; k++) {
        const json_t *list = json_object_get(hone_consensus_figures(c), "priors");
        crowd_near(json_number_value(json_array_get(list, k)), priors[k], 5e-5);
        ck_assert_str_eq(hone_judgements_annotator_name(j, 0), "1");
        crowd_near(crowd_column(c, HONE_ANNOTATORS, "confusion")[5 * k], diagonal[k], 5e-4);
    }
    for (size_t i = 0; i < 45; i++) {
        size_t at = (size_t)crowd_number(hone_judgements_item_name(j, i)) - 1;
        double label = crowd_column(c, HONE_ITEMS, "label")[i];
        classes[at] = *hone_judgements_label_name(j, (size_t)label);
    }
    ck_assert_str_eq(classes, "142222132243121111222222112111131224233111212");
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(rows_of_a_confusion_table_are_probabilities)
{
    struct crowd crowd = crowd_people(4);
    hone_judgements *j = crowd_simulate(&crowd, 4);
    static const char *const options[] = { "{}", "{\"method\": \"map\"}", "{\"smoothing\": 1}" };
    hone_consensus *c = crowd_aggregate(context, j, "dawid_skene", options[_i]);

    for (size_t row = 0; row < 4 * CROWD_ANNOTATORS; row++) {
        double sum = 0;
        for (size_t l = 0; l < 4; l++)
            sum += crowd_column(c, HONE_ANNOTATORS, "confusion")[4 * row + l];
        crowd_near(sum, 1, 1e-9);
    }
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* ---- real sets ---- */

struct set {
    const char *name;
    double majority, dawid_skene, likelihood;
};

static const struct set sets[] = {
    { "bluebird", .7593, .8981, -1888.117 },  { "rte", .8969, .9275, -3679.629 },
    { "dog", .8222, .8426, -4745.550 },       { "web", .7307, .8296, -17239.282 },
    { "sentiment", .9335, .9600, -8889.092 }, { "cf_amt", .8533, .8367, -3942.808 },
};

static hone_judgements *set_of(const char *name, const char *test)
{
    char file[64];
    hone_judgements *j;

    snprintf(file, sizeof file, "crowd/%s/label.csv", name);
    j = load(file, "item", "worker", "label");
    if (!j)
        support_skip(test, "no test data");
    return j;
}

/* Expected accuracy over the items with a truth; ties are split. */
static double accuracy_of(const hone_consensus *c, const char *set)
{
    hone_judgement_columns columns = { .item = "item", .annotator = "item", .value = "truth",
                                       .level = HONE_NOMINAL };
    const hone_judgements *j = hone_consensus_judgements(c);
    size_t labels = hone_judgements_labels(j), at = 0;
    const double *posterior = crowd_column(c, HONE_ITEMS, "posterior");
    hone_judgements *truth = NULL;
    double right = 0, count = 0;
    char file[64];

    snprintf(file, sizeof file, "crowd/%s/truth.csv", set);
    ck_ok(hone_judgements_load(&truth, support_data(file), &columns, NULL, NULL, NULL, &err));
    count = (double)hone_judgements_count(truth);
    for (size_t t = 0; t < hone_judgements_count(truth); t++) {
        const char *item = hone_judgements_item_name(truth,
                                                     (size_t)hone_judgements_item(truth)[t]);
        const char *label = hone_judgements_label_name(truth,
                                                       (size_t)hone_judgements_label(truth)[t]);
        for (at = 0; strcmp(hone_judgements_item_name(j, at), item) != 0;)
            ck_assert_uint_lt(++at, hone_judgements_items(j));
        const double *row = posterior + at * labels;
        double most = 0, ties = 0, hit = 0;
        for (size_t k = 0; k < labels; k++)
            most = fmax(most, row[k]);
        for (size_t k = 0; k < labels; k++)
            if (row[k] > most - 1e-12) {
                ties++;
                hit += strcmp(hone_judgements_label_name(j, k), label) == 0;
            }
        right += hit / ties;
    }
    hone_judgements_free(truth);
    return right / count;
}

START_TEST(majority_and_dawid_skene_have_the_known_accuracy_and_likelihood)
{
    const struct set *set = &sets[_i];
    hone_judgements *j = set_of(set->name, "majority_and_dawid_skene");

    if (!j)
        return;
    hone_consensus *majority = crowd_aggregate(context, j, "majority", "{}");
    hone_consensus *dawid_skene = crowd_aggregate(context, j, "dawid_skene", "{}");
    crowd_near(accuracy_of(majority, set->name), set->majority, 5e-5 + 1e-9);
    crowd_near(accuracy_of(dawid_skene, set->name), set->dawid_skene, 5e-5 + 1e-9);
    crowd_near(crowd_figure(dawid_skene, "log_likelihood"), set->likelihood, 5e-4);
    ck_assert(json_is_true(json_object_get(hone_consensus_figures(dawid_skene), "converged")));
    hone_consensus_free(majority);
    hone_consensus_free(dawid_skene);
    hone_judgements_free(j);
}
END_TEST

/* ---- objectives ---- */

START_TEST(objectives_never_fall)
{
    static const struct { const char *method, *options; } cases[] = {
        { "dawid_skene", "{\"tolerance\": 0}" },
        { "dawid_skene", "{\"tolerance\": 0, \"method\": \"map\"}" },
        { "dawid_skene", "{\"tolerance\": 0, \"smoothing\": 0.3}" },
        { "one_coin", "{\"tolerance\": 0}" },
        { "one_coin", "{\"tolerance\": 0, \"smoothing\": 2, \"priors\": \"estimated\"}" },
        { "glad", "{\"tolerance\": 0, \"iterations\": 60}" },
        { "mace", "{\"tolerance\": 0, \"restarts\": 2}" },
        { "mace", "{\"tolerance\": 0, \"restarts\": 1, \"strategy\": 0.2}" },
    };
    struct crowd crowd = crowd_people(2 + _i % 3);
    hone_judgements *j = crowd_simulate(&crowd, (uint64_t)_i);
    hone_consensus *c = crowd_aggregate(context, j, cases[_i].method, cases[_i].options);
    const json_t *trace = json_object_get(hone_consensus_figures(c), "objective"), *one;
    double before = -INFINITY;
    size_t n;

    ck_assert_uint_gt(json_array_size(trace), 3);
    json_array_foreach(trace, n, one) {
        double now = json_real_value(one);
        /* The last digits of a sum over a thousand items are rounding. */
        ck_assert_msg(now >= before - 1e-11 * fabs(now), "step %zu: %.12g after %.12g", n, now,
                      before);
        before = now;
    }
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* ---- what was put in comes out ---- */

START_TEST(labels_are_recovered_where_annotators_differ)
{
    static const double least[] = { .93, .94, .94, .95, .95, .95, .94, .85, .95 };
    struct crowd crowd = crowd_people(_i == CROWD_KOS ? 2 : 3);
    hone_judgements *j = crowd_simulate(&crowd, 7);
    hone_consensus *c = crowd_aggregate(context, j, crowd_methods[_i], "{}");

    ck_assert_msg(crowd_accuracy(c, &crowd) > least[_i], "%s: %.4f", crowd_methods[_i],
                  crowd_accuracy(c, &crowd));
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(skills_are_recovered_within_their_intervals)
{
    static const int of[] = { 3, 4, 5, 6 };
    struct crowd crowd = crowd_people(3);
    hone_judgements *j = crowd_simulate(&crowd, 11);
    hone_consensus *c = crowd_aggregate(context, j, crowd_methods[of[_i]], "{}");
    int outside = 0;

    for (size_t a = 0; a < CROWD_ANNOTATORS; a++) {
        double truth = crowd.right[crowd_number(hone_judgements_annotator_name(j, a))];
        crowd_near(crowd_column(c, HONE_ANNOTATORS, "skill")[a], truth, 0.09);
        outside += crowd_column(c, HONE_ANNOTATORS, "skill_low")[a] > truth ||
                   crowd_column(c, HONE_ANNOTATORS, "skill_high")[a] < truth;
    }
    /* 5 % of 25 are expected; seven has a chance of 1 in 5,000. */
    ck_assert_int_le(outside, 6);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(adversaries_are_found_and_turned)
{
    static const int of[] = { 3, 4, 5, CROWD_KOS, 8 };
    struct crowd crowd = crowd_people(2);
    const char *name = crowd_methods[of[_i]];

    for (int a = 0; a < 6; a++)
        crowd.right[a] = 0.1;
    hone_judgements *j = crowd_simulate(&crowd, 5);
    hone_consensus *c = crowd_aggregate(context, j, name, "{}");
    for (size_t a = 0; a < CROWD_ANNOTATORS; a++) {
        bool adversary = crowd_number(hone_judgements_annotator_name(j, a)) < 6;
        bool turned = crowd_column(c, HONE_ANNOTATORS, "weight")[a] < 0;
        ck_assert_msg(turned == adversary, "%s: %s", name,
                      hone_judgements_annotator_name(j, a));
    }
    ck_assert_msg(crowd_accuracy(c, &crowd) > .93, "%s: %.4f", name, crowd_accuracy(c, &crowd));
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(reliabilities_of_m_msr_are_those_of_the_one_coin_model)
{
    struct crowd crowd = crowd_people(3);
    hone_judgements *j = crowd_simulate(&crowd, 3);
    hone_consensus *c = crowd_aggregate(context, j, "m_msr", "{}");

    for (size_t a = 0; a < CROWD_ANNOTATORS; a++) {
        double truth = crowd.right[crowd_number(hone_judgements_annotator_name(j, a))];
        crowd_near(crowd_column(c, HONE_ANNOTATORS, "reliability")[a], (3 * truth - 1) / 2, 0.12);
    }
    ck_assert_double_eq(crowd_figure(c, "pairs_left_out"), 0);
    hone_consensus_free(c);
    c = crowd_aggregate(context, j, "m_msr", "{\"partners\": 10}");
    ck_assert_double_eq(crowd_figure(c, "pairs"), 10 * CROWD_ANNOTATORS);
    ck_assert_double_eq(crowd_figure(c, "pairs_left_out"),
                        (CROWD_ANNOTATORS - 1 - 10) * CROWD_ANNOTATORS);
    ck_assert_double_gt(crowd_accuracy(c, &crowd), .95);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

/* Half the items are answered at random by everyone: those are hard. */
START_TEST(glad_tells_hard_items_from_easy_ones)
{
    hone_random random = hone_random_named(1, "glad");
    hone_judgements *j = crowd_empty();
    double sums[2] = { 0, 0 };

    for (int i = 0; i < 400; i++)
        for (int a = 0; a < 15; a++)
            crowd_add(j, i, a, hone_random_uniform(&random) < (i % 2 ? .55 : .9) ? i % 4 / 2
                                                                          : 1 - i % 4 / 2);
    hone_consensus *c = crowd_aggregate(context, j, "glad", "{}");
    for (size_t i = 0; i < 400; i++)
        sums[crowd_number(hone_judgements_item_name(j, i)) % 2] += crowd_column(c, HONE_ITEMS,
                                                                       "difficulty")[i] / 200;
    ck_assert_msg(sums[1] > 2 * sums[0], "%.3f and %.3f", sums[1], sums[0]);
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(mace_tells_who_guesses)
{
    struct crowd crowd = crowd_people(4);

    for (int a = 0; a < 5; a++)
        crowd.right[a] = 0.25;
    hone_judgements *j = crowd_simulate(&crowd, 2);
    hone_consensus *c = crowd_aggregate(context, j, "mace", "{}");
    for (size_t a = 0; a < CROWD_ANNOTATORS; a++) {
        double right = crowd.right[crowd_number(hone_judgements_annotator_name(j, a))];
        crowd_near(crowd_column(c, HONE_ANNOTATORS, "competence")[a], (4 * right - 1) / 3, 0.12);
    }
    hone_consensus_free(c);
    hone_judgements_free(j);
}
END_TEST

START_TEST(pseudo_votes_keep_an_annotator_of_one_answer_from_the_ends)
{
    struct crowd crowd = crowd_people(3);
    hone_judgements *j = crowd_simulate(&crowd, 9);

    crowd_add(j, 0, 99, crowd.truth[0]);
    hone_consensus *em = crowd_aggregate(context, j, "dawid_skene", "{}");
    hone_consensus *map = crowd_aggregate(context, j, "dawid_skene", "{\"method\": \"map\"}");
    const double *sure = crowd_column(em, HONE_ANNOTATORS, "confusion") + 9 * CROWD_ANNOTATORS;
    const double *wary = crowd_column(map, HONE_ANNOTATORS, "confusion") + 9 * CROWD_ANNOTATORS;
    for (size_t k = 0; k < 3; k++)
        ck_assert(wary[4 * k] > .5 && wary[4 * k] < .97);
    ck_assert(sure[0] > .99 || sure[4] > .99 || sure[8] > .99);
    /* Skill shrinks to the mean for the weight: one answer proves little. */
    ck_assert_double_lt(crowd_column(em, HONE_ANNOTATORS, "weight")[CROWD_ANNOTATORS], 3);
    ck_assert_double_lt(crowd_column(em, HONE_ANNOTATORS, "skill_low")[CROWD_ANNOTATORS], .4);
    hone_consensus_free(em);
    hone_consensus_free(map);
    hone_judgements_free(j);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aggregation");
    TCase *values = tcase_create("values");

    tcase_add_checked_fixture(values, setup, teardown);
    tcase_add_test(values, the_patients_of_1979_have_the_published_likelihood_priors_and_classes);
    tcase_add_loop_test(values, rows_of_a_confusion_table_are_probabilities, 0, 3);
    tcase_add_loop_test(values, majority_and_dawid_skene_have_the_known_accuracy_and_likelihood,
                        0, 6);
    tcase_add_loop_test(values, objectives_never_fall, 0, 8);
    tcase_add_loop_test(values, labels_are_recovered_where_annotators_differ, 0, CROWD_METHODS);
    tcase_add_loop_test(values, skills_are_recovered_within_their_intervals, 0, 4);
    tcase_add_loop_test(values, adversaries_are_found_and_turned, 0, 5);
    tcase_add_test(values, reliabilities_of_m_msr_are_those_of_the_one_coin_model);
    tcase_add_test(values, glad_tells_hard_items_from_easy_ones);
    tcase_add_test(values, mace_tells_who_guesses);
    tcase_add_test(values, pseudo_votes_keep_an_annotator_of_one_answer_from_the_ends);
    suite_add_tcase(suite, values);
    return support_run(suite);
}
