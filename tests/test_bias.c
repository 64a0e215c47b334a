/* test_bias.c -- bias detectors on small tables with results worked out by hand,
 * on wrong input, and where memory is short. Sets of data: tests/lua_bias.lua. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
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

/* ---- help ---- */

static hone_instance *bias_of(const char *name, const char *options)
{
    json_t *json = support_json(options);
    hone_instance *bias = NULL;

    ck_ok(hone_instance_new(&bias, context, "bias", name, json, &err));
    json_decref(json);
    return bias;
}

static json_t *detect(const char *name, const hone_judgements *j, const char *options)
{
    hone_instance *bias = bias_of(name, options);
    hone_json *findings = NULL;

    ck_ok(hone_bias_detect(bias, j, &findings, &err));
    hone_instance_free(bias);
    return findings;
}

static json_t *mitigate(const char *name, const hone_judgements *j, const char *options)
{
    hone_instance *bias = bias_of(name, options);
    hone_json *result = NULL;

    ck_ok(hone_bias_mitigate(bias, j, NULL, &result, &err));
    hone_instance_free(bias);
    return result;
}

/* The number at a path such as "groups.1.mean". */
static double at(const json_t *json, const char *path)
{
    char step[64];

    while (*path) {
        size_t n = strcspn(path, ".");
        snprintf(step, sizeof step, "%.*s", (int)n, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)(step[0] - '0'))
                                   : json_object_get(json, step);
        path += n + (path[n] == '.');
    }
    return json_is_number(json) ? json_number_value(json) : NAN;
}

static void near(double seen, double expected, double tolerance)
{
    ck_assert_msg(fabs(seen - expected) <= tolerance, "%.12g, expected %.12g", seen, expected);
}

static hone_judgements *table(hone_level level)
{
    hone_judgements *j = NULL;
    ck_ok(hone_judgements_new(&j, level, &err));
    return j;
}

static void describe(hone_judgements *j, bool annotator, const char *name, const char *attributes)
{
    json_t *json = support_json(attributes);
    ck_ok(annotator ? hone_judgements_describe_annotator(j, name, json, &err)
                    : hone_judgements_describe_item(j, name, json, &err));
    json_decref(json);
}

static void add(hone_judgements *j, const char *item, const char *annotator, const char *label,
                double number, const char *attributes)
{
    ck_ok(hone_judgements_add(j, item, annotator, label, number, &err));
    if (attributes)
        describe(j, false, item, attributes);
}

/* n items of a group and truth, of which k are "yes". */
static void add_group(hone_judgements *j, const char *group, int truth, int k, int n)
{
    char item[64], attributes[128];

    for (int i = 0; i < n; i++) {
        snprintf(item, sizeof item, "%s-%d-%d", group, truth, i);
        snprintf(attributes, sizeof attributes, "{'group': '%s', 'truth': %d}", group, truth);
        add(j, item, "model", i < k ? "yes" : "no", 0, attributes);
    }
}

static hone_judgements *hiring(void)
{
    hone_judgements *j = table(HONE_NOMINAL);

    add_group(j, "a", 1, 40, 50);
    add_group(j, "a", 0, 8, 30);
    add_group(j, "b", 1, 10, 20);
    add_group(j, "b", 0, 2, 20);
    return j;
}

/* ---- groups ---- */

START_TEST(rates_of_48_of_80_and_12_of_40_are_compared_exactly)
{
    hone_judgements *j = hiring();
    json_t *found = detect("demographic_parity", j, "{'positive': ['yes']}");

    near(at(found, "effect"), 0.3, 1e-12);
    near(at(found, "ratio"), 0.5, 1e-12);
    near(at(found, "p"), 0.0034092217678491827, 1e-12); /* scipy.stats.fisher_exact */
    ck_assert(json_is_true(json_object_get(found, "below_four_fifths")));
    near(at(found, "items_behind"), 48 + 28, 0);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(weights_make_the_outcome_independent_of_the_group)
{
    hone_judgements *j = hiring(), *weighed;
    double weights[120];
    json_t *made = mitigate("demographic_parity", j, "{'positive': ['yes']}"), *found;

    for (size_t r = 0; r < 120; r++) {
        const char *item = hone_judgements_item_name(j, (size_t)hone_judgements_item(j)[r]);
        const json_t *one = json_array_get(json_object_get(made, "weights"), r);
        ck_assert_str_eq(json_string_value(json_object_get(one, "item")), item);
        weights[r] = at(one, "weight");
    }
    ck_ok(hone_judgements_weigh(&weighed, j, weights, &err));
    found = detect("demographic_parity", weighed, "{'positive': ['yes']}");
    near(at(found, "effect"), 0, 1e-12);
    json_decref(found);
    json_decref(made);
    hone_judgements_free(weighed);
    hone_judgements_free(j);
}
END_TEST

START_TEST(removal_and_sampling_say_what_they_dropped)
{
    hone_judgements *j = hiring();
    json_t *made = mitigate("demographic_parity", j,
                            "{'positive': ['yes'], 'mitigation': 'remove', 'most': 0.5}");
    size_t dropped = json_array_size(json_object_get(made, "dropped"));

    near(at(made, "before.effect"), 0.3, 1e-12);
    ck_assert(at(made, "after.effect") < 0.03);
    ck_assert(dropped > 0 && dropped < 60);
    near(at(made, "after.n"), 120 - (double)dropped, 0);
    json_decref(made);
    made = mitigate("demographic_parity", j,
                    "{'positive': ['yes'], 'mitigation': 'down_sample', 'cap': 30}");
    near(at(made, "after.n"), 60, 0);
    ck_assert_uint_eq(json_array_size(json_object_get(made, "dropped")), 60);
    json_decref(made);
    hone_judgements_free(j);
}
END_TEST

START_TEST(gaps_of_both_error_rates_are_found)
{
    hone_judgements *j = hiring();
    json_t *found = detect("equalised_odds", j, "{'positive': ['yes']}");

    near(at(found, "true_positive.effect"), 0.3, 1e-12);
    near(at(found, "false_positive.effect"), 8 / 30. - 0.1, 1e-12);
    near(at(found, "effect"), 0.3, 1e-12);
    near(at(found, "groups.0.tp"), 40, 0);
    near(at(found, "groups.0.fp"), 8, 0);
    near(at(found, "groups.1.fn"), 10, 0);
    near(at(found, "groups.1.tn"), 18, 0);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* Group y is higher by 1 on each item; x saw the easy items more often. */
static hone_judgements *raters(hone_level level)
{
    static const char *const names[] = { "x0", "x1", "x2", "y0", "y1", "y2" };
    hone_judgements *j = table(level);

    for (int i = 0; i < 8; i++)
        for (int a = 0; a < 6; a++) {
            char item[16], label[16];
            bool high = a >= 3;
            if ((i < 4 && high && a > 3) || (i >= 4 && !high && a > 0))
                continue;
            snprintf(item, sizeof item, "i%d", i);
            snprintf(label, sizeof label, "%d", (i >= 4) + high);
            add(j, item, names[a], level == HONE_INTERVAL ? NULL : label, 3 * (i >= 4) + high +
                0.1 * ((i + a) % 2), NULL);
        }
    for (int a = 0; a < 6; a++)
        describe(j, true, names[a], a < 3 ? "{'group': 'x'}" : "{'group': 'y'}");
    return j;
}

START_TEST(what_a_group_saw_does_not_count_as_its_leaning)
{
    hone_judgements *j = raters(HONE_INTERVAL);
    json_t *found = detect("group_gap", j, "{'least': 2, 'permutations': 999}");

    near(at(found, "effect"), 1, 0.05);
    ck_assert(at(found, "groups.1.mean") - at(found, "groups.0.mean") > 2); /* the raw gap */
    json_decref(found);
    found = detect("group_gap", j, "{}");
    ck_assert_str_eq(json_string_value(json_object_get(found, "undefined")), "one_group");
    ck_assert_uint_eq(json_array_size(json_object_get(found, "small")), 2);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(group_labels_are_permuted_between_annotators)
{
    hone_judgements *j = table(HONE_INTERVAL);

    for (int a = 0; a < 10; a++) {
        char name[] = { (char)('A' + a), 0 };
        add(j, "i", name, NULL, a, NULL);
        add(j, "k", name, NULL, a * a, NULL);
        describe(j, true, name, a < 5 ? "{'group': 'x'}" : "{'group': 'y'}");
    }
    json_t *found = detect("group_gap", j, "{'permutations': 99999}");
    near(at(found, "effect"), (5 + 45) / 2., 1e-9);
    near(at(found, "p"), 2 / 252., 0.001); /* only these two of the ways part them as far */
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(groups_count_alike_in_soft_labels_and_keep_their_weight)
{
    hone_judgements *j = raters(HONE_NOMINAL);
    json_t *made = mitigate("group_gap", j, "{}");

    near(at(made, "items.0.posterior.0"), 0.5, 1e-12); /* three of x, one of y */
    near(at(made, "items.0.posterior.1"), 0.5, 1e-12);
    json_decref(made);
    made = mitigate("group_gap", j, "{'mitigation': 'expertise', 'keep': 0.9}");
    for (int g = 0; g < 2; g++) {
        char pool[] = "pool.0.share", after[] = "after.0.share";
        pool[5] = after[6] = (char)('0' + g);
        ck_assert(at(made, after) >= 0.9 * at(made, pool) - 1e-6);
    }
    json_decref(made);
    hone_judgements_free(j);
}
END_TEST

START_TEST(raked_weights_reach_both_targets)
{
    static const char *const people[] = {
        "{'sex': 'w', 'age': 'old'}", "{'sex': 'w', 'age': 'new'}",
        "{'sex': 'm', 'age': 'old'}", "{'sex': 'm', 'age': 'new'}",
    };
    static const char options[] = "{'targets': ['sex=w: 0.4', 'sex=m: 0.6', 'age=old: 0.25', "
                                  "'age=new: 0.75']}";
    hone_judgements *j = table(HONE_INTERVAL);
    double w[4];

    for (int a = 0; a < 4; a++) {
        char name[] = { (char)('A' + a), 0 };
        add(j, "i", name, NULL, a, NULL);
        describe(j, true, name, people[a]);
    }
    json_t *made = mitigate("pool", j, options), *found = detect("pool", j, options);
    for (int a = 0; a < 4; a++) {
        char path[] = "annotators.0.weight";
        path[11] = (char)('0' + a);
        w[a] = at(made, path);
    }
    near(w[0] + w[1], 1.6, 1e-9);
    near(w[0] + w[2], 1, 1e-9);
    near(w[0] / w[1], w[2] / w[3], 1e-9); /* margins moved, the association did not */
    near(at(made, "n_eff"), 16 / (w[0] * w[0] + w[1] * w[1] + w[2] * w[2] + w[3] * w[3]), 1e-9);
    near(at(made, "after.distance"), 0, 1e-9);
    near(at(found, "effect"), 0.25, 1e-12);
    ck_assert_str_eq(json_string_value(json_object_get(found, "attribute")), "age");
    json_decref(made);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(each_annotator_with_a_group_of_its_own_is_no_chance)
{
    hone_judgements *j = table(HONE_NOMINAL);

    for (int i = 0; i < 20; i++) {
        char item[16];
        snprintf(item, sizeof item, "i%d", i);
        add(j, item, i < 10 ? "A" : "B", "l", 0, i < 10 ? "{'group': 1}" : "{'group': 2}");
    }
    json_t *found = detect("assignment", j, "{}");
    near(at(found, "effect"), 1, 1e-12);
    near(at(found, "p"), 0.001, 1e-9);
    near(at(found, "component_count"), 2, 0);
    ck_assert(json_is_false(json_object_get(found, "connected")));
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* ---- matched items ---- */

static hone_judgements *answers(void)
{
    /* Of 4 questions, one answer follows the user, one opposes, two stay. */
    static const char *const said[][2] = { { "yes", "no" }, { "no", "yes" }, { "yes", "yes" },
                                           { "no", "no" } };
    hone_judgements *j = table(HONE_NOMINAL);

    for (int q = 0; q < 4; q++)
        for (int s = 0; s < 2; s++) {
            char item[16], attributes[64];
            snprintf(item, sizeof item, "%d-%d", q, s);
            snprintf(attributes, sizeof attributes, "{'question': %d, 'stance': '%s'}", q,
                     s ? "no" : "yes");
            add(j, item, "model", said[q][s], 0, attributes);
        }
    return j;
}

START_TEST(answers_that_follow_the_user_are_told_from_others_that_change)
{
    hone_judgements *j = answers();
    json_t *found = detect("sycophancy", j, "{}");

    near(at(found, "effect"), 0.5, 1e-12);
    near(at(found, "toward"), 1, 0);
    near(at(found, "against"), 1, 0);
    near(at(found, "p"), 1, 1e-9);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* Scores of pairs with the variants named. */
static hone_judgements *scored(const char *key, const char *first, const char *second,
                               const double (*scores)[2], int n)
{
    hone_judgements *j = table(HONE_INTERVAL);

    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            char item[16], attributes[96];
            snprintf(item, sizeof item, "%d-%d", i, k);
            snprintf(attributes, sizeof attributes, "{'pair': %d, '%s': '%s'}", i, key,
                     k ? second : first);
            add(j, item, "model", NULL, scores[i][k], attributes);
        }
    return j;
}

static const double some[][2] = { { 1, 2 }, { 0, 2 }, { 3, 2 }, { 1, 1 } };

START_TEST(differences_of_pairs_are_averaged_by_the_pair)
{
    hone_judgements *j = scored("dialect", "one", "two", some, 4);
    json_t *found = detect("dialect", j, "{}");

    near(at(found, "effect"), 0.5, 1e-12);
    near(at(found, "se"), sqrt((0.25 + 2.25 + 2.25 + 0.25) / 3 / 4), 1e-12); /* a paired t */
    near(at(found, "first"), 1.25, 1e-12);
    near(at(found, "second"), 1.75, 1e-12);
    json_decref(found);
    hone_judgements_free(j);
    j = scored("variant", "original", "swapped", some, 4);
    found = detect("counterfactual", j, "{'threshold': 1.5}");
    near(at(found, "effect"), 0.5, 1e-12); /* of 4, two cross the threshold */
    near(at(found, "flip_rate"), 0.5, 1e-12);
    json_decref(found);
    found = detect("counterfactual", j, "{}");
    near(at(found, "effect"), 1, 1e-12);
    near(at(found, "signed.effect"), 0.5, 1e-12);
    json_decref(found);
    hone_judgements_free(j);
    j = scored("variant", "less", "more", some, 4);
    found = detect("crows_pairs", j, "{}");
    near(at(found, "score"), 62.5, 1e-12);
    near(at(found, "ties"), 1, 0);
    json_decref(found);
    hone_judgements_free(j);
    j = scored("stereotype", "anti", "pro", some, 4);
    found = detect("winobias", j, "{'threshold': 1.5}");
    near(at(found, "effect"), 0.5, 1e-12);
    near(at(found, "p"), 0.5, 1e-9); /* McNemar: 2 against 0 */
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

static hone_judgements *continuations(void)
{
    static const char *const kinds[] = { "stereotype", "antistereotype", "unrelated" };
    static const double scores[][3] = { { 3, 2, 1 }, { 3, 2, 1 }, { 2, 3, 1 }, { 3, 1, 2 } };
    hone_judgements *j = table(HONE_INTERVAL);

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) {
            char item[16], attributes[96];
            snprintf(item, sizeof item, "%d-%d", i, k);
            snprintf(attributes, sizeof attributes, "{'context': %d, 'kind': '%s'}", i, kinds[k]);
            add(j, item, "model", NULL, scores[i][k], attributes);
        }
    return j;
}

START_TEST(icat_is_both_scores_together)
{
    hone_judgements *j = continuations();
    json_t *found = detect("stereoset", j, "{}");

    near(at(found, "lms"), 87.5, 1e-12);
    near(at(found, "ss"), 75, 1e-12);
    near(at(found, "icat"), 87.5 * 25 / 50, 1e-12);
    near(at(found, "effect"), 0.25, 1e-12);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

static hone_judgements *questions(void)
{
    /* Answers by condition: biased, other, unknown. */
    static const int said[2][3] = { { 4, 2, 4 }, { 5, 4, 1 } };
    static const char *const labels[] = { "biased", "other", "unknown" };
    hone_judgements *j = table(HONE_NOMINAL);

    for (int c = 0; c < 2; c++)
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < said[c][k]; i++) {
                char item[16], attributes[128];
                snprintf(item, sizeof item, "%d-%d-%d", c, k, i);
                snprintf(attributes, sizeof attributes, "{'condition': '%s', 'truth': '%s', "
                         "'biased': 'biased', 'unknown': 'unknown'}", c ? "disambig" : "ambig",
                         c ? "other" : "unknown");
                add(j, item, "model", labels[k], 0, attributes);
            }
    return j;
}

START_TEST(bias_with_and_without_evidence_are_told_apart)
{
    hone_judgements *j = questions();
    json_t *found = detect("bbq", j, "{}");

    near(at(found, "ambiguous.accuracy"), 0.4, 1e-12);
    near(at(found, "ambiguous.score"), 0.6 * (2 * 4 / 6. - 1), 1e-12);
    near(at(found, "disambiguated.score"), 2 * 5 / 9. - 1, 1e-12);
    near(at(found, "disambiguated.accuracy"), 0.4, 1e-12);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

static hone_judgements *associations(void)
{
    hone_judgements *j = table(HONE_INTERVAL);

    for (int i = 0; i < 6; i++) {
        char item[] = { (char)('a' + i), 0 };
        add(j, item, "vectors", NULL, i + 1, i < 3 ? "{'target': 'x'}" : "{'target': 'y'}");
    }
    return j;
}

START_TEST(all_ways_to_part_few_words_are_looked_at)
{
    hone_judgements *j = associations();
    json_t *found = detect("weat", j, "{}");

    near(at(found, "effect"), -3 / sqrt(3.5), 1e-12);
    near(at(found, "p"), 0.1, 1e-12);
    near(at(found, "p_one"), 1, 1e-12);
    json_decref(found);
    found = detect("weat", j, "{'targets': ['y', 'x']}");
    near(at(found, "effect"), 3 / sqrt(3.5), 1e-12);
    near(at(found, "p_one"), 0.05, 1e-12);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* ---- comparisons ---- */

static hone_judgements *battles(void)
{
    hone_judgements *j = table(HONE_PAIR);

    for (int i = 0; i < 10; i++) {
        char item[16];
        snprintf(item, sizeof item, "i%d", i);
        ck_ok(hone_judgements_add_pair(j, item, "judge", "mine", "theirs", i < 8 ? "left" : "right",
                                       1, &err));
        ck_ok(hone_judgements_add_pair(j, item, "ann", "theirs", "mine", i < 5 ? "right" : "left",
                                       1, &err));
        ck_ok(hone_judgements_add_pair(j, item, "bob", "mine", "theirs", "tie", 1, &err));
        describe(j, false, item, i % 2 ? "{'response1': 'a b', 'response2': 'a', 'text': 'the cat'}"
                                       : "{'response1': 'a', 'response2': 'b c', 'text': 'a dog'}");
    }
    describe(j, true, "judge", "{'own': 'mine'}");
    return j;
}

START_TEST(a_judge_is_compared_with_people_on_its_own_answers)
{
    hone_judgements *j = battles();
    json_t *found = detect("self_preference", j, "{}");

    near(at(found, "judge"), 0.8, 1e-12);
    near(at(found, "people"), 0.5, 1e-12);
    near(at(found, "effect"), 0.3, 1e-12);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* 2 of 3 answers are the first shown; strength, known, explains none of it. */
static hone_judgements *shown(bool orders)
{
    json_t *rows = json_array();
    hone_judgement_columns columns = { .item = "item", .annotator = "who", .value = "value",
                                       .order = orders ? "order" : NULL, .level = HONE_NOMINAL };
    hone_judgements *j = NULL;

    for (int i = 0; i < 60; i++) {
        int order = i % 2 + 1, first = i % 3 != 0;
        json_array_append_new(rows, json_pack("{s:i, s:s, s:s, s:i}", "item", i, "who", "w",
                                  "value", (first ? order : 3 - order) == 1 ? "1" : "2", "order",
                                  order));
    }
    ck_ok(hone_judgements_from_rows(&j, rows, &columns, NULL, &err));
    json_decref(rows);
    for (int i = 0; i < 60; i++) {
        char item[16];
        snprintf(item, sizeof item, "%d", i);
        describe(j, false, item, i % 4 < 2 ? "{'gap': 1}" : "{'gap': -1}");
    }
    return j;
}

START_TEST(the_side_shown_first_is_found_with_strength_controlled)
{
    hone_judgements *j = shown(true);
    json_t *found = detect("position", j, "{'strength': 'gap'}");

    near(at(found, "first"), 40, 0);
    near(at(found, "raw.effect"), 1 / 6., 1e-12);
    near(at(found, "effect"), 1 / 6., 0.01);
    ck_assert_str_eq(json_string_value(json_object_get(found, "controlled")), "attribute");
    near(at(found, "left_first.left"), 30, 0);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(a_word_that_gives_the_label_away_is_found)
{
    hone_judgements *j = table(HONE_NOMINAL);

    for (int i = 0; i < 40; i++) {
        char item[16];
        snprintf(item, sizeof item, "i%d", i);
        add(j, item, "A", i < 20 ? "no" : "yes", 0,
            i < 20 ? "{'text': 'It is Not so, not'}" : "{'text': 'it is so'}");
    }
    json_t *found = detect("artefacts", j, "{}");
    ck_assert_str_eq(json_string_value(json_object_get(found, "word")), "not");
    near(at(found, "n"), 20, 0);
    near(at(found, "z"), 0.5 / sqrt(0.25 / 20), 1e-9);
    near(at(found, "tests"), 8, 0); /* it, is, not, so by two labels */
    near(at(found, "p"), 16 * hone_normal_tail(0.5 / sqrt(0.25 / 20)), 1e-12);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* ---- statistics ---- */

START_TEST(tests_of_significance_equal_scipys)
{
    static const double p[] = { 0.01, NAN, 0.04, 0.03 };
    double corrected[4], low, high;
    size_t places[4];

    near(hone_student_tail(2.1, 5), 0.044876624942299395, 1e-13);
    near(hone_student_quantile(0.975, 7), 2.364624251592784, 1e-10);
    near(hone_chi_squared_tail(3.3, 4), 0.5089322578449987, 1e-12);
    near(hone_chi_squared_tail(50, 3) / 7.989179244951495e-11, 1, 1e-9);
    near(hone_fisher_test(48, 80, 12, 40), 0.0034092217678491827, 1e-12);
    hone_newcombe_interval(56, 70, 48, 80, 0.95, &low, &high); /* Newcombe 1998, table II (a) */
    near(low, 0.0524, 5e-5);
    near(high, 0.3339, 5e-5);
    hone_holm(p, corrected, places, 4);
    near(corrected[0], 0.03, 1e-12);
    ck_assert(isnan(corrected[1]));
    near(corrected[2], 0.06, 1e-12);
    near(corrected[3], 0.06, 1e-12);
}
END_TEST

/* ---- bad input ---- */

START_TEST(wrong_input_is_refused_with_a_reason)
{
    static const struct { const char *name, *options, *golden; int table; } cases[] = {
        { "demographic_parity", "{'positive': ['yes'], 'attribute': 'race'}", "bias-attribute", 0 },
        { "demographic_parity", "{'positive': ['yess']}", "bias-positive", 0 },
        { "demographic_parity", "{}", "bias-no-positive", 0 },
        { "equalised_odds", "{'positive': ['yes'], 'truth_positive': ['good']}", "bias-truth", 0 },
        { "group_gap", "{'positive': ['yes']}", "bias-group-gap-attribute", 0 },
        { "position", "{}", "bias-position-order", 0 },
        { "position", "{}", "bias-position-level", 1 },
        { "crows_pairs", "{}", "bias-crows-level", 0 },
        { "dialect", "{'variant': 'kind', 'pair': 'context'}", "bias-variants", 1 },
        { "weat", "{'target': 'kind'}", "bias-weat-targets", 1 },
        { "bbq", "{}", "bias-bbq-attributes", 0 },
        { "self_preference", "{}", "bias-self-level", 0 },
        { "pool", "{}", "bias-pool-targets", 0 },
        { "pool", "{'targets': ['sex: 0.5']}", "bias-pool-syntax", 0 },
        { "pool", "{'targets': ['sex=w: 0.5']}", "bias-pool-sum", 0 },
        { "artefacts", "{}", "bias-artefacts-text", 0 },
        { "format", "{}", "bias-format-text", 0 },
    };
    hone_judgements *j = cases[_i].table ? continuations() : hiring();
    hone_instance *bias = bias_of(cases[_i].name, cases[_i].options);
    hone_json *found = NULL;

    ck_fails(HONE_EINVAL, hone_bias_detect(bias, j, &found, &err));
    ck_assert_ptr_null(found);
    support_golden(cases[_i].golden, err.message);
    hone_instance_free(bias);
    hone_judgements_free(j);
}
END_TEST

START_TEST(one_group_and_unanimous_data_are_typed)
{
    hone_judgements *j = table(HONE_NOMINAL);

    add_group(j, "a", 1, 10, 10);
    json_t *found = detect("demographic_parity", j, "{'positive': ['yes']}");
    ck_assert_str_eq(json_string_value(json_object_get(found, "undefined")), "one_group");
    json_decref(found);
    add_group(j, "b", 1, 10, 10);
    found = detect("demographic_parity", j, "{'positive': ['yes']}");
    near(at(found, "effect"), 0, 1e-12);
    near(at(found, "p"), 1, 1e-9);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* ---- memory ---- */

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    static const struct { const char *name, *options; int table; } cases[] = {
        { "demographic_parity", "{'positive': ['yes']}", 0 },
        { "demographic_parity", "{'positive': ['yes'], 'mitigation': 'remove'}", 0 },
        { "equalised_odds", "{'positive': ['yes']}", 0 },
        { "group_gap", "{'positive': ['1'], 'least': 2, 'permutations': 99}", 1 },
        { "group_gap", "{'positive': ['1'], 'mitigation': 'expertise', 'permutations': 99}", 1 },
        { "sycophancy", "{}", 2 }, { "crows_pairs", "{'by': 'variant'}", 3 },
        { "counterfactual", "{'variants': ['less', 'more']}", 3 },
        { "stereoset", "{}", 4 }, { "bbq", "{}", 5 },
        { "weat", "{'resamples': 100, 'permutations': 1000}", 6 }, { "self_preference", "{}", 7 },
        { "position", "{'strength': 'gap'}", 8 }, { "format", "{'least': 1}", 7 },
        { "artefacts", "{'least': 2}", 7 }, { "assignment", "{'permutations': 99}", 0 },
        { "pool", "{'targets': ['group=x: 0.5', 'group=y: 0.5']}", 1 },
    };
    hone_judgements *j = cases[_i].table == 0 ? hiring() : cases[_i].table == 1
        ? raters(HONE_NOMINAL) : cases[_i].table == 2 ? answers() : cases[_i].table == 3
        ? scored("variant", "less", "more", some, 4) : cases[_i].table == 4 ? continuations()
        : cases[_i].table == 5 ? questions() : cases[_i].table == 6 ? associations()
        : cases[_i].table == 7 ? battles() : shown(true);
    hone_instance *bias = bias_of(cases[_i].name, cases[_i].options);
    const hone_bias_ops *ops = hone_instance_plugin(bias)->ops;
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_json *found = NULL, *result = NULL;
        ck_assert_uint_lt(n, 20000);
        hone_alloc_fail_after(n);
        code = hone_bias_detect(bias, j, &found, &err);
        if (code == HONE_OK && ops->mitigate)
            code = hone_bias_mitigate(bias, j, found, &result, &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%s: %s", cases[_i].name,
                      err.message);
        hone_json_free(found);
        hone_json_free(result);
        ck_assert_msg(hone_alloc_live() == live, "%s leaks at %" PRIu64, cases[_i].name, n);
    }
    hone_instance_free(bias);
    hone_judgements_free(j);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bias");
    TCase *tables = tcase_create("tables"), *bad = tcase_create("bad input");

    tcase_add_checked_fixture(tables, setup, teardown);
    tcase_add_test(tables, rates_of_48_of_80_and_12_of_40_are_compared_exactly);
    tcase_add_test(tables, weights_make_the_outcome_independent_of_the_group);
    tcase_add_test(tables, removal_and_sampling_say_what_they_dropped);
    tcase_add_test(tables, gaps_of_both_error_rates_are_found);
    tcase_add_test(tables, what_a_group_saw_does_not_count_as_its_leaning);
    tcase_add_test(tables, group_labels_are_permuted_between_annotators);
    tcase_add_test(tables, groups_count_alike_in_soft_labels_and_keep_their_weight);
    tcase_add_test(tables, raked_weights_reach_both_targets);
    tcase_add_test(tables, each_annotator_with_a_group_of_its_own_is_no_chance);
    tcase_add_test(tables, answers_that_follow_the_user_are_told_from_others_that_change);
    tcase_add_test(tables, differences_of_pairs_are_averaged_by_the_pair);
    tcase_add_test(tables, icat_is_both_scores_together);
    tcase_add_test(tables, bias_with_and_without_evidence_are_told_apart);
    tcase_add_test(tables, all_ways_to_part_few_words_are_looked_at);
    tcase_add_test(tables, a_judge_is_compared_with_people_on_its_own_answers);
    tcase_add_test(tables, the_side_shown_first_is_found_with_strength_controlled);
    tcase_add_test(tables, a_word_that_gives_the_label_away_is_found);
    tcase_add_test(tables, tests_of_significance_equal_scipys);
    suite_add_tcase(suite, tables);
    tcase_add_checked_fixture(bad, setup, teardown);
    tcase_set_timeout(bad, 120);
    tcase_add_loop_test(bad, wrong_input_is_refused_with_a_reason, 0, 17);
    tcase_add_test(bad, one_group_and_unanimous_data_are_typed);
    tcase_add_loop_test(bad, each_failing_allocation_is_an_error_and_leaks_nothing, 0, 17);
    suite_add_tcase(suite, bad);
    return support_run(suite);
}
