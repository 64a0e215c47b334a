/* test_quality_checks.c -- checks of annotators and items, on made-up crowds whose
 * faults are known. */
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

static hone_instance *quality_of(const char *name, const char *options)
{
    hone_instance *quality = NULL;
    hone_json *json = NULL;

    ck_ok(hone_json_parse(&json, options, strlen(options), "test", &err));
    ck_ok(hone_instance_new(&quality, context, "quality", name, json, &err));
    hone_json_free(json);
    return quality;
}

static void find_nan(const json_t *value)
{
    const char *key;
    json_t *one;
    size_t i;

    if (json_is_real(value))
        ck_assert(isfinite(json_real_value(value)));
    json_object_foreach((json_t *)value, key, one)
        find_nan(one);
    json_array_foreach(value, i, one)
        find_nan(one);
}

/* Check, and see to the keys that all results share. */
static json_t *check(const char *name, const char *options, const hone_judgements *j)
{
    hone_instance *quality = quality_of(name, options);
    hone_json *result = NULL;

    ck_ok(hone_quality_check(quality, j, &result, &err));
    ck_assert(json_is_string(json_object_get(result, "summary")));
    ck_assert(json_object_get(result, "passed") != NULL);
    ck_assert(json_is_array(json_object_get(result, "annotators")));
    ck_assert(json_is_array(json_object_get(result, "items")));
    ck_assert(json_is_array(json_object_get(result, "rows")));
    find_nan(result);
    hone_instance_free(quality);
    return result;
}

static const json_t *annotator_of(const json_t *result, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(result, "annotators"), i, one)
        if (strcmp(json_string_value(json_object_get(one, "annotator")), name) == 0)
            return one;
    ck_abort_msg("no annotator '%s'", name);
    return NULL;
}

static double at(const json_t *one, const char *key)
{
    const json_t *value = json_object_get(one, key);

    ck_assert_msg(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

/* Those flagged, their names joined by blanks. */
static void flagged_are(const json_t *result, const char *expected)
{
    char seen[1024] = "";
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(result, "annotators"), i, one) {
        bool flagged = json_is_true(json_object_get(one, "flagged"));
        ck_assert(flagged == json_is_string(json_object_get(one, "reason")));
        if (flagged)
            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%s", *seen ? " " : "",
                     json_string_value(json_object_get(one, "annotator")));
    }
    ck_assert_str_eq(seen, expected);
    ck_assert(json_is_boolean(json_object_get(result, "passed")));
}

static void undefined_is(const json_t *result, const char *word)
{
    ck_assert_str_eq(json_string_value(json_object_get(result, "undefined")), word);
    ck_assert(json_is_string(json_object_get(result, "why")));
    ck_assert(json_is_null(json_object_get(result, "passed")));
}

/* Rows as JSON, so that times and orders can be given. */
struct rows {
    json_t *list;
};

HONE_PRINTF(2, 3) static void add(struct rows *r, const char *fmt, ...)
{
    char text[512];
    va_list args;
    json_t *row;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    row = json_loads(text, 0, NULL);
    ck_assert_msg(row != NULL, "%s", text);
    json_array_append_new(r->list, row);
}

static hone_judgements *table_of(struct rows *r, hone_level level, const char *duplicates)
{
    hone_judgement_columns columns = { .item = "i", .annotator = "a", .value = "v", .level = level,
                                       .left = "l", .right = "r", .time = "t", .order = "o" };
    const json_t *first = json_array_get(r->list, 0);
    hone_judgements *j = NULL;

    if (!json_object_get(first, "t"))
        columns.time = NULL;
    if (!json_object_get(first, "o"))
        columns.order = NULL;
    ck_ok(hone_judgements_from_rows(&j, r->list, &columns, duplicates, &err));
    json_decref(r->list);
    return j;
}

static void describe(hone_judgements *j, const char *item, const char *attributes)
{
    hone_json *json = NULL;

    ck_ok(hone_json_parse(&json, attributes, strlen(attributes), "test", &err));
    ck_ok(hone_judgements_describe_item(j, item, json, &err));
    hone_json_free(json);
}

static const char *const words[] = { "a", "b", "c" };

/* ---- gold ---- */

/* 20 items, gold on the first 10; ann is right, bob wrong from the third on, and
 * cy never saw a gold item. */
static hone_judgements *gold_table(void)
{
    struct rows r = { json_array() };
    hone_judgements *j;

    for (int i = 0; i < 20; i++) {
        add(&r, "{\"i\": \"q%d\", \"a\": \"ann\", \"v\": \"a\"}", i);
        add(&r, "{\"i\": \"q%d\", \"a\": \"bob\", \"v\": \"%s\"}", i, i < 2 ? "a" : "b");
        if (i >= 10)
            add(&r, "{\"i\": \"q%d\", \"a\": \"cy\", \"v\": \"b\"}", i);
    }
    j = table_of(&r, HONE_NOMINAL, NULL);
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "q%d", i);
        describe(j, name, i == 9 ? "{\"gold\": [\"c\", \"a\"]}" : "{\"gold\": \"a\"}");
    }
    return j;
}

START_TEST(gold_rejects_by_walds_test_and_says_when)
{
    hone_judgements *j = gold_table();
    json_t *result = check("gold", "{}", j);
    const json_t *bob = annotator_of(result, "bob");

    flagged_are(result, "bob");
    ck_assert_str_eq(json_string_value(json_object_get(bob, "verdict")), "rejected");
    /* Two hits, then misses until -0.537 + 0.847 n >= 2.944: the fifth, answer 7. */
    ck_assert(strstr(json_string_value(json_object_get(bob, "reason")), "at answer 7"));
    ck_assert_double_eq_tol(at(bob, "score"), .2, 1e-12);
    ck_assert_double_eq_tol(at(bob, "evidence"), 2 * -.268264 + 5 * .847298, 1e-5);
    ck_assert(at(annotator_of(result, "ann"), "score") == 1);
    ck_assert(json_is_null(json_object_get(annotator_of(result, "cy"), "score")));
    ck_assert(at(result, "gold_items") == 10 && at(result, "gold_answers") == 20);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(gold_floor_counts_from_the_least_number_of_answers_on)
{
    hone_judgements *j = gold_table();
    json_t *loose = check("gold", "{\"floor\": 0.3, \"least\": 11, \"alpha\": 1e-9}", j);
    json_t *tight = check("gold", "{\"floor\": 0.3, \"least\": 10, \"alpha\": 1e-9}", j);

    flagged_are(loose, "");
    flagged_are(tight, "bob");
    json_decref(loose);
    json_decref(tight);
    hone_judgements_free(j);
}
END_TEST

START_TEST(gold_of_numbers_and_of_pairs)
{
    struct rows r = { json_array() }, pairs = { json_array() };
    hone_judgements *j;
    json_t *result;

    add(&r, "{\"i\": \"x\", \"a\": \"ann\", \"v\": 2.25}");
    add(&r, "{\"i\": \"x\", \"a\": \"bob\", \"v\": 3}");
    j = table_of(&r, HONE_INTERVAL, NULL);
    describe(j, "x", "{\"gold\": 2}");
    result = check("gold", "{\"tolerance\": 0.25}", j);
    ck_assert(at(annotator_of(result, "ann"), "score") == 1);
    ck_assert(at(annotator_of(result, "bob"), "score") == 0);
    json_decref(result);
    hone_judgements_free(j);
    add(&pairs, "{\"i\": \"x\", \"a\": \"ann\", \"l\": \"m\", \"r\": \"n\", \"v\": \"right\"}");
    add(&pairs, "{\"i\": \"x\", \"a\": \"bob\", \"l\": \"n\", \"r\": \"m\", \"v\": \"right\"}");
    j = table_of(&pairs, HONE_PAIR, NULL);
    describe(j, "x", "{\"gold\": \"n\"}");
    result = check("gold", "{}", j);
    ck_assert(at(annotator_of(result, "ann"), "score") == 1);
    ck_assert(at(annotator_of(result, "bob"), "score") == 0);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(without_gold_nothing_is_said)
{
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;

    add(&r, "{\"i\": \"x\", \"a\": \"ann\", \"v\": \"a\"}");
    j = table_of(&r, HONE_NOMINAL, NULL);
    result = check("gold", "{}", j);
    undefined_is(result, "no_gold");
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(bad_gold_is_refused)
{
    hone_judgements *j = gold_table();
    hone_instance *quality = quality_of("gold", "{}");
    hone_json *result = NULL, *options = json_pack("{s:f}", "p1", .9);

    describe(j, "q3", "{\"gold\": {\"x\": 1}}");
    ck_fails(HONE_EINVAL, hone_quality_check(quality, j, &result, &err));
    support_golden("gold-type", err.message);
    hone_instance_free(quality);
    ck_fails(HONE_EINVAL, hone_instance_new(&quality, context, "quality", "gold", options, &err));
    support_golden("gold-chances", err.message);
    hone_json_free(options);
    hone_judgements_free(j);
}
END_TEST

/* ---- speed ---- */

/* Eight people, 40 items that take 4 to 43 seconds; hasty takes a tenth, and steady
 * clicks through two items. stamped: times say when. */
static hone_judgements *speed_table(bool stamped)
{
    static const char *const names[] = { "p0", "p1", "p2", "p3", "p4", "p5", "steady", "hasty" };
    hone_random random = hone_random_named(1, "speed");
    double now[8] = {0};
    struct rows r = { json_array() };

    for (int i = 0; i < 40; i++)
        for (int p = 0; p < 8; p++) {
            double t = (4 + i) * exp(.2 * hone_random_normal(&random)) * (p == 7 ? .1 : 1);
            if (p == 6 && (i == 20 || i == 30))
                t = .1;
            now[p] += t;
            add(&r, "{\"i\": \"q%d\", \"a\": \"%s\", \"v\": \"a\", \"t\": %.3f}", i, names[p],
                stamped ? 1.7e9 + now[p] : t);
        }
    return table_of(&r, HONE_NOMINAL, NULL);
}

START_TEST(speed_finds_the_hasty_and_single_hasty_answers)
{
    hone_judgements *j = speed_table(_i);
    json_t *result = check("speed", "{\"floor\": 0.2}", j);
    const json_t *rows = json_object_get(result, "rows");
    size_t quick = 0;

    flagged_are(result, "hasty");
    ck_assert_double_eq_tol(at(annotator_of(result, "hasty"), "score"), .1, .03);
    ck_assert(at(annotator_of(result, "steady"), "fast") == 2);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        size_t row = (size_t)json_integer_value(json_array_get(rows, i));
        int32_t who = hone_judgements_annotator(j)[row];
        quick += strcmp(hone_judgements_annotator_name(j, (size_t)who), "steady") == 0;
    }
    ck_assert_uint_eq(quick, 2);
    ck_assert(at(result, "untimed") == (_i ? 8 : 0));
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(without_times_speed_says_nothing)
{
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;

    add(&r, "{\"i\": \"x\", \"a\": \"ann\", \"v\": \"a\"}");
    j = table_of(&r, HONE_NOMINAL, NULL);
    result = check("speed", "{}", j);
    undefined_is(result, "no_times");
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* ---- spam ---- */

/* 100 items with equally frequent labels, eight people right 9 times in 10; "one"
 * always says a, "runs" is like the others but for 15 c in a row. */
static hone_judgements *spam_table(void)
{
    hone_random random = hone_random_named(2, "spam");
    struct rows r = { json_array() };

    for (int i = 0; i < 100; i++) {
        int truth = (int)hone_random_below(&random, 3);
        for (int p = 0; p < 8; p++) {
            int label = hone_random_uniform(&random) < .9 ? truth
                                                          : (int)hone_random_below(&random, 3);
            if (p == 7 && i >= 40 && i < 55)
                label = 2;
            add(&r, "{\"i\": \"q%d\", \"a\": \"%s%d\", \"v\": \"%s\", \"t\": %d}", i,
                p == 6 ? "one" : p == 7 ? "runs" : "p", p, words[p == 6 ? 0 : label],
                1700000000 + 60 * i);
        }
    }
    return table_of(&r, HONE_NOMINAL, NULL);
}

START_TEST(spam_finds_one_label_and_long_runs)
{
    hone_judgements *j = spam_table();
    json_t *result = check("spam", "{}", j);

    flagged_are(result, "one6 runs7");
    ck_assert(at(annotator_of(result, "one6"), "score") == 0);
    ck_assert(at(annotator_of(result, "one6"), "run") == 100);
    ck_assert(at(annotator_of(result, "runs7"), "run") >= 15);
    ck_assert_double_eq_tol(at(annotator_of(result, "p0"), "score"), 1, .1);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(spam_finds_who_always_prefers_a_side)
{
    hone_random random = hone_random_named(3, "sides");
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;

    /* lefty picks what is shown first; the options' sides are given at random. */
    for (int i = 0; i < 60; i++) {
        int better = (int)hone_random_below(&random, 2), order = 1 + i % 2;
        for (int p = 0; p < 5; p++) {
            int right = p == 4 ? order == 2 : better;
            add(&r, "{\"i\": \"q%d\", \"a\": \"%s%d\", \"l\": \"x%d\", \"r\": \"y%d\", \"v\": "
                "\"%s\", \"o\": %d}", i, p == 4 ? "lefty" : "p", p, i, i, right ? "right" : "left",
                order);
        }
    }
    j = table_of(&r, HONE_PAIR, NULL);
    result = check("spam", "{}", j);
    flagged_are(result, "lefty4");
    ck_assert(at(annotator_of(result, "lefty4"), "side") == 1);
    ck_assert_double_eq_tol(at(annotator_of(result, "lefty4"), "side_p"), 2 * pow(.5, 60), 1e-20);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* ---- self-consistency ---- */

START_TEST(self_consistency_compares_repeats_and_items_that_repeat_others)
{
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;

    for (int i = 0; i < 15; i++) {
        add(&r, "{\"i\": \"q%d\", \"a\": \"ann\", \"v\": \"a\"}", i);
        add(&r, "{\"i\": \"q%d\", \"a\": \"ann\", \"v\": \"%s\"}", i, i ? "a" : "b");
        add(&r, "{\"i\": \"q%d\", \"a\": \"bob\", \"v\": \"a\"}", i);
        add(&r, "{\"i\": \"again%d\", \"a\": \"bob\", \"v\": \"%s\"}", i, i % 3 ? "b" : "a");
    }
    j = table_of(&r, HONE_NOMINAL, "both");
    for (int i = 0; i < 15; i++) {
        char name[16], of[64];
        snprintf(name, sizeof name, "again%d", i);
        snprintf(of, sizeof of, "{\"repeat_of\": \"q%d\"}", i);
        describe(j, name, of);
    }
    result = check("self_consistency", "{}", j);
    flagged_are(result, "bob");
    ck_assert_double_eq_tol(at(annotator_of(result, "ann"), "score"), 14. / 15, 1e-12);
    ck_assert_double_eq_tol(at(annotator_of(result, "bob"), "score"), 5. / 15, 1e-12);
    json_decref(result);
    describe(j, "again3", "{\"repeat_of\": \"q99\"}");
    hone_instance *quality = quality_of("self_consistency", "{}");
    hone_json *none = NULL;
    ck_fails(HONE_EINVAL, hone_quality_check(quality, j, &none, &err));
    support_golden("self-consistency-item", err.message);
    hone_instance_free(quality);
    hone_judgements_free(j);
}
END_TEST

START_TEST(without_repeats_self_consistency_says_nothing)
{
    hone_judgements *j = spam_table();
    json_t *result = check("self_consistency", "{}", j);

    undefined_is(result, "no_repeats");
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* ---- copying ---- */

START_TEST(copying_finds_the_two_that_share_wrong_answers)
{
    hone_random random = hone_random_named(4, "copying");
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;

    for (int i = 0; i < 200; i++) {
        int truth = (int)hone_random_below(&random, 3), labels[9];
        for (int p = 0; p < 9; p++)
            labels[p] = hone_random_uniform(&random) < .75 ? truth
                                                           : (int)hone_random_below(&random, 3);
        if (hone_random_uniform(&random) < .6)
            labels[8] = labels[7];
        for (int p = 0; p < 9; p++)
            add(&r, "{\"i\": \"q%d\", \"a\": \"p%d\", \"v\": \"%s\"}", i, p, words[labels[p]]);
    }
    j = table_of(&r, HONE_NOMINAL, NULL);
    result = check("copying", "{}", j);
    flagged_are(result, "p7 p8");
    const json_t *first = json_array_get(json_object_get(result, "pairs"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "a")), "p7");
    ck_assert_str_eq(json_string_value(json_object_get(first, "b")), "p8");
    ck_assert(at(first, "same") > 2 * at(first, "expected"));
    ck_assert(at(result, "tested") == 36);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(misleading_items_are_no_copying)
{
    hone_random random = hone_random_named(5, "misleading");
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;

    /* On a third of the items four in ten say b independently, for all are misled. */
    for (int i = 0; i < 200; i++)
        for (int p = 0; p < 9; p++)
            add(&r, "{\"i\": \"q%d\", \"a\": \"p%d\", \"v\": \"%s\"}", i, p,
                words[i % 3 == 0 && hone_random_uniform(&random) < .4]);
    j = table_of(&r, HONE_NOMINAL, NULL);
    result = check("copying", "{}", j);
    flagged_are(result, "");
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* ---- drift ---- */

START_TEST(drift_finds_who_grows_careless_and_when)
{
    hone_random random = hone_random_named(6, "drift");
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;

    for (int i = 0; i < 200; i++) {
        int truth = (int)hone_random_below(&random, 3);
        for (int p = 0; p < 6; p++) {
            double right = p == 5 && i >= 120 ? .4 : .9;
            int label = hone_random_uniform(&random) < right
                            ? truth : (truth + 1 + (int)hone_random_below(&random, 2)) % 3;
            add(&r, "{\"i\": \"q%d\", \"a\": \"p%d\", \"v\": \"%s\", \"t\": %d}", 199 - i, p,
                words[label], 1700000000 + 60 * i);
        }
    }
    j = table_of(&r, HONE_NOMINAL, NULL);
    result = check("drift", "{}", j);
    flagged_are(result, "p5");
    ck_assert_str_eq(json_string_value(json_object_get(result, "order")), "time");
    ck_assert(at(annotator_of(result, "p5"), "ewma_alarm") > 120);
    ck_assert(at(annotator_of(result, "p5"), "ewma_alarm") < 145);
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* ---- confident learning ---- */

/* Northcutt's definitions worked by hand: labels and p of label "b". t_a = mean of
 * p_a over a's = (.9 + .8 + .1 + .6)/4 = .6, t_b = (.9 + .7 + .2)/3 = .6. Sure of a:
 * .9 .8 .6 (label a), .8 (label b); of b: .9 (label a), .9 .7 (label b). C = [[3, 1],
 * [1, 2]]; Q is the same, for its rows sum to the counts. */
static hone_judgements *confident_table(void)
{
    static const struct { const char *label; double b; } rows[] = {
        { "a", .1 }, { "a", .2 }, { "a", .9 }, { "a", .4 }, { "b", .9 }, { "b", .7 }, { "b", .2 },
    };
    struct rows r = { json_array() };
    hone_judgements *j;

    for (int i = 0; i < 7; i++)
        add(&r, "{\"i\": \"q%d\", \"a\": \"ann\", \"v\": \"%s\"}", i, rows[i].label);
    add(&r, "{\"i\": \"none\", \"a\": \"ann\", \"v\": \"a\"}");
    j = table_of(&r, HONE_NOMINAL, NULL);
    for (int i = 0; i < 7; i++) {
        char name[16], p[64];
        snprintf(name, sizeof name, "q%d", i);
        snprintf(p, sizeof p, i % 2 ? "{\"probabilities\": [%g, %g]}"
                                    : "{\"probabilities\": {\"a\": %g, \"b\": %g}}",
                 1 - rows[i].b, rows[i].b);
        describe(j, name, p);
    }
    return j;
}

START_TEST(confident_learning_by_hand)
{
    static const double expected[2][2] = { { 3, 1 }, { 1, 2 } };
    const char *options[] = { "{}", "{\"filter\": \"joint\"}" };
    hone_judgements *j = confident_table();
    json_t *result = check("confident_learning", options[_i], j);
    const json_t *rows = json_object_get(result, "rows");

    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++)
            ck_assert_double_eq_tol(json_number_value(json_array_get(json_array_get(
                json_object_get(result, "joint"), i), k)), expected[i][k], 1e-12);
    ck_assert_double_eq_tol(at(result, "noise"), 2. / 7, 1e-12);
    ck_assert(at(result, "examples") == 7 && at(result, "without") == 1);
    ck_assert_uint_eq(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        int32_t item = hone_judgements_item(j)[json_integer_value(json_array_get(rows, i))];
        ck_assert_str_eq(hone_judgements_item_name(j, (size_t)item), i ? "q6" : "q2");
    }
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

START_TEST(confident_learning_from_a_model_of_the_answers)
{
    hone_judgements *j = spam_table();
    hone_json *options = json_pack("{s:s}", "model", "majority");
    hone_instance *quality = NULL;
    hone_json *result = NULL;

    if (hone_instance_new(&quality, context, "quality", "confident_learning", options, &err)) {
        hone_json_free(options);
        hone_judgements_free(j);
        support_skip("confident_learning_from_a_model_of_the_answers", "no quality/majority");
        return;
    }
    ck_ok(hone_quality_check(quality, j, &result, &err));
    ck_assert(at(annotator_of(result, "one6"), "score") < at(annotator_of(result, "p0"), "score"));
    ck_assert_double_lt(at(annotator_of(result, "one6"), "score"), .6);
    hone_json_free(result);
    hone_json_free(options);
    hone_instance_free(quality);
    hone_judgements_free(j);
}
END_TEST

START_TEST(probabilities_that_are_none_are_refused)
{
    static const char *const bad[] = { "[0.5, 0.2]", "[0.5, 0.25, 0.25]", "{\"a\": -0.1}",
                                       "\"a\"" };
    hone_judgements *j = confident_table();
    hone_instance *quality = quality_of("confident_learning", "{}");
    hone_json *result = NULL;
    char attributes[128], golden[64];

    snprintf(attributes, sizeof attributes, "{\"probabilities\": %s}", bad[_i]);
    describe(j, "q1", attributes);
    ck_fails(HONE_EINVAL, hone_quality_check(quality, j, &result, &err));
    snprintf(golden, sizeof golden, "confident-learning-%d", _i);
    support_golden(golden, err.message);
    hone_instance_free(quality);
    hone_judgements_free(j);
}
END_TEST

/* ---- near-duplicates ---- */

START_TEST(near_duplicates_are_grouped)
{
    static const char *const long_text = "The quick brown fox jumps over the lazy dog, and then it "
        "runs all the way home through the forest, over the hill and past the mill by the river";
    struct rows r = { json_array() };
    hone_judgements *j;
    json_t *result;
    char text[512];

    for (int i = 0; i < 5; i++)
        add(&r, "{\"i\": \"q%d\", \"a\": \"ann\", \"v\": \"a\"}", i);
    j = table_of(&r, HONE_NOMINAL, NULL);
    snprintf(text, sizeof text, "{\"text\": \"%s\"}", long_text);
    describe(j, "q0", text);
    describe(j, "q1", "{\"text\": \"something else altogether\"}");
    snprintf(text, sizeof text, "{\"text\": \"%s!\"}", long_text);
    describe(j, "q2", text);
    describe(j, "q3", "{\"text\": \"SOMETHING  else altogether \"}");
    result = check("near_duplicates", "{}", j);
    ck_assert(json_is_false(json_object_get(result, "passed")));
    ck_assert_uint_eq(json_array_size(json_object_get(result, "groups")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(result, "items")), 2);
    ck_assert(at(result, "exact") == 1 && at(result, "without") == 1);
    json_decref(result);
    result = check("near_duplicates", "{\"texts\": [\"title\"]}", j);
    undefined_is(result, "no_texts");
    json_decref(result);
    hone_judgements_free(j);
}
END_TEST

/* Texts of random words, every tenth a copy of an earlier one with a word changed. */
START_TEST(near_duplicates_of_many_texts_are_found_whatever_the_threads)
{
    enum { TEXTS = 2000, WORDS = 60 };
    hone_random random = hone_random_named(7, "near");
    char **texts = hone_alloc(TEXTS, sizeof *texts);
    hone_near *one = NULL, *two = NULL;
    size_t found = 0, wrong = 0;

    for (size_t i = 0; i < TEXTS; i++) {
        texts[i] = hone_alloc(WORDS * 8 + 1, 1);
        if (i % 10 == 9) {
            strcpy(texts[i], texts[i - 5]);
            memcpy(texts[i] + 8 * hone_random_below(&random, WORDS), "changed ", 8);
            continue;
        }
        for (size_t w = 0; w < WORDS; w++)
            snprintf(texts[i] + 8 * w, 9, "w%06d ", (int)hone_random_below(&random, 1000000));
    }
    ck_ok(hone_context_set_threads(context, 1, &err));
    ck_ok(hone_near_find(&one, context, (const char *const *)texts, TEXTS, .9, &err));
    ck_ok(hone_context_set_threads(context, 3, &err));
    ck_ok(hone_near_find(&two, context, (const char *const *)texts, TEXTS, .9, &err));
    for (size_t i = 0; i < TEXTS; i++) {
        ck_assert_uint_eq(one[i].first, two[i].first);
        found += i % 10 == 9 && one[i].first == i - 5 && one[i].similarity >= .9;
        wrong += i % 10 != 9 && one[i].first != i;
    }
    /* One word of 60 changed: 468 of 488 pieces of either in common. */
    ck_assert_uint_ge(found, 196);
    ck_assert_uint_eq(wrong, 0);
    for (size_t i = 0; i < TEXTS; i++)
        hone_free(texts[i]);
    hone_free(texts);
    hone_free(one);
    hone_free(two);
}
END_TEST

START_TEST(a_text_that_is_no_utf8_is_refused)
{
    static const char *const texts[] = { "fine", "not \xff fine" };
    hone_near *near = NULL;

    ck_fails(HONE_EFORMAT, hone_near_find(&near, context, texts, 2, .9, &err));
    support_golden("near-utf8", err.message);
    ck_fails(HONE_EINVAL, hone_near_find(&near, context, texts, 2, 0, &err));
    support_golden("near-similarity", err.message);
}
END_TEST

/* ---- all ---- */

static const char *const all[] = {
    "agreement", "confident_learning", "copying", "drift", "gold", "near_duplicates",
    "self_consistency", "spam", "speed",
};

/* Everything at once: times, gold, probabilities, texts, repeats. */
static hone_judgements *everything(void)
{
    struct rows r = { json_array() };
    hone_judgements *j;

    for (int i = 0; i < 6; i++)
        for (int p = 0; p < 4; p++)
            for (int n = 0; n < 1 + (i == 0); n++)
                add(&r, "{\"i\": \"q%d\", \"a\": \"p%d\", \"v\": \"%s\", \"t\": %d}", i, p,
                    words[(i + (p == 3)) % 2], 3 + i);
    j = table_of(&r, HONE_NOMINAL, "both");
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "q%d", i);
        describe(j, name, "{\"gold\": \"a\", \"text\": \"some text to look at\", "
                 "\"probabilities\": [0.7, 0.3]}");
    }
    return j;
}

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    hone_instance *quality = quality_of(all[_i], "{}");
    hone_judgements *j = everything();
    int64_t live = hone_alloc_live();
    hone_json *result = NULL;
    int code = HONE_ENOMEM;

    ck_ok(hone_quality_check(quality, j, &result, &err)); /* what threads need is there now */
    hone_json_free(result);
    for (uint64_t n = 1; code != HONE_OK; n++) {
        ck_assert_uint_lt(n, 2000);
        result = NULL;
        hone_alloc_fail_after(n);
        code = hone_quality_check(quality, j, &result, &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%s: %d", all[_i], code);
        ck_assert_int_eq(code == HONE_OK, result != NULL);
        hone_json_free(result);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_judgements_free(j);
    hone_instance_free(quality);
}
END_TEST

START_TEST(one_annotator_and_one_item_bring_no_nan)
{
    static const hone_level levels[] = { HONE_NOMINAL, HONE_INTERVAL, HONE_REGION };
    static const double region[] = { 0, 3 };
    hone_judgements *j = NULL;

    for (size_t l = 0; l < 3; l++) {
        ck_ok(hone_judgements_new(&j, levels[l], &err));
        if (levels[l] == HONE_REGION)
            ck_ok(hone_judgements_add_region(j, "x", "ann", "a", region, 2, &err));
        else
            ck_ok(hone_judgements_add(j, "x", "ann", "a", 1, &err));
        json_t *result = check(all[_i], "{}", j);
        ck_assert(!json_is_true(json_object_get(result, "passed")) ||
                  strcmp(all[_i], "spam") == 0);
        json_decref(result);
        hone_judgements_free(j);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quality checks");
    TCase *tc = tcase_create("checks"), *every = tcase_create("all");
    int count = sizeof all / sizeof *all;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, gold_rejects_by_walds_test_and_says_when);
    tcase_add_test(tc, gold_floor_counts_from_the_least_number_of_answers_on);
    tcase_add_test(tc, gold_of_numbers_and_of_pairs);
    tcase_add_test(tc, without_gold_nothing_is_said);
    tcase_add_test(tc, bad_gold_is_refused);
    tcase_add_loop_test(tc, speed_finds_the_hasty_and_single_hasty_answers, 0, 2);
    tcase_add_test(tc, without_times_speed_says_nothing);
    tcase_add_test(tc, spam_finds_one_label_and_long_runs);
    tcase_add_test(tc, spam_finds_who_always_prefers_a_side);
    tcase_add_test(tc, self_consistency_compares_repeats_and_items_that_repeat_others);
    tcase_add_test(tc, without_repeats_self_consistency_says_nothing);
    tcase_add_test(tc, copying_finds_the_two_that_share_wrong_answers);
    tcase_add_test(tc, misleading_items_are_no_copying);
    tcase_add_test(tc, drift_finds_who_grows_careless_and_when);
    tcase_add_loop_test(tc, confident_learning_by_hand, 0, 2);
    tcase_add_test(tc, confident_learning_from_a_model_of_the_answers);
    tcase_add_loop_test(tc, probabilities_that_are_none_are_refused, 0, 4);
    tcase_add_test(tc, near_duplicates_are_grouped);
    tcase_add_test(tc, near_duplicates_of_many_texts_are_found_whatever_the_threads);
    tcase_add_test(tc, a_text_that_is_no_utf8_is_refused);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(every, setup, teardown);
    tcase_add_loop_test(every, each_failing_allocation_is_an_error_and_leaks_nothing, 0, count);
    tcase_add_loop_test(every, one_annotator_and_one_item_bring_no_nan, 0, count);
    suite_add_tcase(suite, every);
    return support_run(suite);
}
