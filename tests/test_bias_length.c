/* test_bias_length.c -- bias/length on small tables, PandaLM and HH-RLHF. */
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

static hone_instance *bias_of(const char *options)
{
    json_t *json = support_json(options);
    hone_instance *bias = NULL;

    ck_ok(hone_instance_new(&bias, context, "bias", "length", json, &err));
    json_decref(json);
    return bias;
}

static json_t *detect(const hone_judgements *j, const char *options)
{
    hone_instance *bias = bias_of(options);
    hone_json *findings = NULL;

    ck_ok(hone_bias_detect(bias, j, &findings, &err));
    hone_instance_free(bias);
    return findings;
}

static void detect_fails(const hone_judgements *j, const char *options, const char *golden)
{
    hone_instance *bias = bias_of(options);
    hone_json *findings = NULL;

    ck_fails(HONE_EINVAL, hone_bias_detect(bias, j, &findings, &err));
    ck_assert_ptr_null(findings);
    support_golden(golden, err.message);
    hone_instance_free(bias);
}

static double number_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    ck_assert_msg(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

static void near(double seen, double expected, double tolerance)
{
    ck_assert_msg(fabs(seen - expected) <= tolerance, "%.12g, expected %.12g", seen, expected);
}

/* Items i0, i1, ...: each "votes first-text second-text", a vote a character. */
static hone_judgements *pairs(const char *const (*items)[3])
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    for (int i = 0; items[i][0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "i%d", i);
        for (const char *vote = items[i][0]; *vote; vote++) {
            char label[] = { *vote, 0 }, annotator[] = { (char)('A' + (vote - items[i][0])), 0 };
            ck_ok(hone_judgements_add(j, name, annotator, label, 0, &err));
        }
        json_t *texts = json_pack("{s:s, s:s}", "response1", items[i][1], "response2",
                                  items[i][2]);
        ck_ok(hone_judgements_describe_item(j, name, texts, &err));
        json_decref(texts);
    }
    return j;
}

static const char *const some[][3] = {
    { "112", "long one", "short" },   /* the longer, by 3 */
    { "122", "long one", "short" },   /* the shorter */
    { "222", "b", "bbbb" },           /* the longer, by 3 */
    { "120", "b", "bbbb" },           /* split */
    { "001", "b", "bbbb" },           /* a tie */
    { "111", "same", "  same\n" },    /* equal but for blanks */
    { "111", "\xc3\xbc\xc3\xbc", "abc" }, /* the shorter: 2 characters in 4 bytes */
    { NULL, NULL, NULL },
};

START_TEST(items_are_counted_by_what_most_votes_say)
{
    hone_judgements *j = pairs(some);
    json_t *found = detect(j, "{}"), *items = json_object_get(found, "items");

    ck_assert_double_eq(number_of(found, "n"), 4);
    ck_assert_double_eq(number_of(found, "longer"), 2);
    ck_assert_double_eq(number_of(found, "shorter"), 2);
    ck_assert_double_eq(number_of(found, "ties"), 1);
    ck_assert_double_eq(number_of(found, "split"), 1);
    ck_assert_double_eq(number_of(found, "equal"), 1);
    ck_assert_double_eq(number_of(found, "effect"), 0);
    near(number_of(found, "p"), 1, 1e-12);
    ck_assert(json_is_false(json_object_get(found, "biased")));
    ck_assert(json_is_null(json_object_get(found, "mde")));
    ck_assert_uint_eq(json_array_size(json_object_get(found, "flagged")), 0);
    ck_assert_uint_eq(json_array_size(items), 4);
    json_t *third = support_json("{'item': 'i2', 'preferred': '2', 'longer': '2', 'difference': 3}");
    ck_assert(json_equal(json_array_get(items, 2), third));
    /* Annotator C: 2 of i0 and i1 against length, i2 with it, i6 against it. */
    json_t *c = json_array_get(json_object_get(found, "annotators"), 2);
    ck_assert_str_eq(json_string_value(json_object_get(c, "annotator")), "C");
    ck_assert_double_eq(number_of(c, "n"), 4);
    ck_assert_double_eq(number_of(c, "longer"), 1);
    json_decref(third);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(blanks_at_the_ends_count_when_told_to)
{
    hone_judgements *j = pairs(some);
    json_t *found = detect(j, "{'strip': false}");

    ck_assert_double_eq(number_of(found, "equal"), 0);
    ck_assert_double_eq(number_of(found, "n"), 5);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(without_decided_items_the_effect_is_undefined)
{
    static const char *const ties[][3] = { { "00", "a", "bb" }, { NULL, NULL, NULL } };
    hone_judgements *j = pairs(ties);
    hone_instance *bias = bias_of("{}");
    hone_json *result = NULL;
    json_t *found = detect(j, "{}");

    ck_assert_str_eq(json_string_value(json_object_get(found, "undefined")), "empty");
    ck_assert_ptr_null(json_object_get(found, "effect"));
    ck_assert_double_eq(number_of(found, "ties"), 1);
    ck_fails(HONE_EINVAL, hone_bias_mitigate(bias, j, found, &result, &err));
    support_golden("bias-length-empty", err.message);
    hone_instance_free(bias);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(weights_take_the_effect_away)
{
    /* Longer preferred in 6 of 8, evenly on both sides. */
    static const char *const liked[][3] = {
        { "1", "aa", "b" }, { "1", "aa", "b" }, { "1", "aa", "b" }, { "2", "aa", "b" },
        { "2", "a", "bb" }, { "2", "a", "bb" }, { "2", "a", "bb" }, { "1", "a", "bb" },
        { NULL, NULL, NULL },
    };
    hone_judgements *j = pairs(liked);
    hone_instance *bias = bias_of("{}");
    hone_json *result = NULL;

    ck_ok(hone_bias_mitigate(bias, j, NULL, &result, &err));
    near(number_of(json_object_get(result, "before"), "effect"), 0.25, 1e-12);
    near(number_of(json_object_get(result, "after"), "effect"), 0, 1e-12);
    /* Weights 2/3 and 2: (8)^2/(6 * 4/9 + 2 * 4). */
    near(number_of(json_object_get(result, "after"), "n"), 6, 1e-12);
    json_t *weights = json_object_get(result, "weights");
    near(number_of(json_array_get(weights, 0), "weight"), 2 / 3., 1e-12);
    near(number_of(json_array_get(weights, 3), "weight"), 2, 1e-12);
    hone_json_free(result);
    hone_instance_free(bias);
    hone_judgements_free(j);
}
END_TEST

/* ---- real sets: p and interval from exact fractions ---- */

static hone_judgements *pandalm(void)
{
    static const char *const people[] = { "annotator1", "annotator2", "annotator3" };
    const char *path = support_data("preference/pandalm/testset-v1.json");
    hone_json *rows = NULL;
    hone_judgements *j = NULL;
    const json_t *row;
    size_t i;

    if (!path)
        return NULL;
    ck_ok(hone_json_read(&rows, path, &err));
    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    json_array_foreach(rows, i, row) {
        char item[16], label[16];
        snprintf(item, sizeof item, "%d", (int)json_integer_value(json_object_get(row, "idx")));
        for (int p = 0; p < 3; p++) {
            snprintf(label, sizeof label, "%d",
                     (int)json_integer_value(json_object_get(row, people[p])));
            ck_ok(hone_judgements_add(j, item, people[p], label, 0, &err));
        }
        ck_ok(hone_judgements_describe_item(j, item, row, &err));
    }
    hone_json_free(rows);
    return j;
}

START_TEST(people_preferred_the_longer_response_in_pandalm)
{
    hone_judgements *j = pandalm();

    if (!j) {
        support_skip("people_preferred_the_longer_response_in_pandalm", "no test data");
        return;
    }
    json_t *found = detect(j, "{'not_text': 'json'}");
    const json_t *interval = json_object_get(found, "interval");
    ck_assert_double_eq(number_of(found, "longer"), 599);
    ck_assert_double_eq(number_of(found, "n"), 887);
    ck_assert_double_eq(number_of(found, "ties"), 105);
    ck_assert_double_eq(number_of(found, "equal"), 7);
    near(number_of(found, "effect"), 599 / 887. - 0.5, 1e-12);
    near(json_number_value(json_array_get(interval, 0)), 0.14379556935678495, 1e-9);
    near(json_number_value(json_array_get(interval, 1)), 0.2053125653406116, 1e-9);
    near(number_of(found, "p") / 7.08646067443546e-26, 1, 1e-6);
    ck_assert(json_is_true(json_object_get(found, "biased")));
    ck_assert_uint_eq(json_array_size(json_object_get(found, "items")), 887);
    ck_assert_uint_eq(json_array_size(json_object_get(found, "flagged")), 599);
    ck_assert_uint_eq(json_array_size(json_object_get(found, "annotators")), 3);
    /* An effect of the size of mde is found with the power told: 0.8. */
    double d = number_of(found, "mde"), z = hone_normal_quantile(0.975);
    near(hone_normal_tail((z / 2 - d * sqrt(887)) / sqrt(0.25 - d * d)), 0.8, 1e-9);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(responses_that_are_json_true_are_refused_or_counted)
{
    hone_judgements *j = pandalm();

    if (!j) {
        support_skip("responses_that_are_json_true_are_refused_or_counted", "no test data");
        return;
    }
    detect_fails(j, "{}", "bias-length-not-text");
    json_t *found = detect(j, "{'not_text': 'skip'}");
    ck_assert_double_eq(number_of(found, "n"), 881);
    ck_assert_double_eq(number_of(json_object_get(found, "skipped"), "not_text"), 6);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

/* What follows the last "\n\nAssistant:". */
static const char *last_reply(const char *transcript)
{
    static const char mark[] = "\n\nAssistant:";
    const char *reply = transcript, *at = transcript;

    while ((at = strstr(at, mark)))
        reply = at += sizeof mark - 1;
    return reply;
}

START_TEST(the_chosen_reply_is_the_shorter_in_hh)
{
    const char *path = support_data("preference/hh_harmless_1800.jsonl.gz");
    hone_judgements *j = NULL;
    hone_data *data = NULL;

    if (!path) {
        support_skip("the_chosen_reply_is_the_shorter_in_hh", "no test data");
        return;
    }
    ck_ok(hone_data_load(&data, context, path, NULL, &err));
    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    for (size_t i = 0; i < hone_data_count(data); i++) {
        const json_t *row = hone_data_row(data, i);
        char item[32];
        snprintf(item, sizeof item, "%zu", i);
        ck_ok(hone_judgements_add(j, item, "people", "chosen", 0, &err));
        json_t *replies = json_pack("{s:s, s:s}", "chosen",
            last_reply(json_string_value(json_object_get(row, "chosen"))), "rejected",
            last_reply(json_string_value(json_object_get(row, "rejected"))));
        ck_ok(hone_judgements_describe_item(j, item, replies, &err));
        json_decref(replies);
    }
    json_t *found = detect(j, "{'texts': ['chosen', 'rejected'], "
                              "'labels': ['chosen', 'rejected'], 'ties': []}");
    ck_assert_double_eq(number_of(found, "longer"), 804);
    ck_assert_double_eq(number_of(found, "shorter"), 986);
    ck_assert_double_eq(number_of(found, "equal"), 10);
    near(number_of(found, "p") / 1.8557938278185703e-05, 1, 1e-6);
    ck_assert_uint_eq(json_array_size(json_object_get(found, "flagged")), 986);
    json_decref(found);
    hone_data_free(data);
    hone_judgements_free(j);
}
END_TEST

/* ---- bad input ---- */

START_TEST(a_label_that_says_nothing_is_refused_or_counted)
{
    static const char *const odd[][3] = { { "11", "aa", "b" }, { "1g", "aa", "b" },
                                          { NULL, NULL, NULL } };
    hone_judgements *j = pairs(odd);

    detect_fails(j, "{}", "bias-length-label");
    json_t *found = detect(j, "{'other_labels': 'skip'}");
    ck_assert_double_eq(number_of(json_object_get(found, "skipped"), "other_label"), 1);
    ck_assert_double_eq(number_of(found, "n"), 2);
    json_decref(found);
    hone_judgements_free(j);
}
END_TEST

START_TEST(items_without_texts_are_refused)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_ok(hone_judgements_add(j, "7", "A", "1", 0, &err));
    detect_fails(j, "{}", "bias-length-no-text");
    hone_judgements_free(j);
    ck_ok(hone_judgements_new(&j, HONE_INTERVAL, &err));
    ck_ok(hone_judgements_add(j, "7", "A", NULL, 1, &err));
    detect_fails(j, "{}", "bias-length-level");
    hone_judgements_free(j);
}
END_TEST

START_TEST(options_that_do_not_fit_are_refused)
{
    static const struct { const char *options, *golden; } cases[] = {
        { "{'texts': ['a']}", "bias-length-texts" },
        { "{'labels': ['a', 'b', 'c']}", "bias-length-labels" },
        { "{'labels': ['a', 'a']}", "bias-length-labels-equal" },
    };
    json_t *options = support_json(cases[_i].options);
    hone_instance *bias = NULL;

    ck_fails(HONE_EINVAL, hone_instance_new(&bias, context, "bias", "length", options, &err));
    support_golden(cases[_i].golden, err.message);
    json_decref(options);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    hone_judgements *j = pairs(some);
    hone_instance *bias = bias_of("{}");
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_json *found = NULL, *result = NULL;
        ck_assert_uint_lt(n, 500);
        hone_alloc_fail_after(n);
        code = hone_bias_detect(bias, j, &found, &err);
        if (code == HONE_OK)
            code = hone_bias_mitigate(bias, j, found, &result, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_json_free(found);
        hone_json_free(result);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_instance_free(bias);
    hone_judgements_free(j);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bias length");
    TCase *tables = tcase_create("tables"), *sets = tcase_create("sets");
    TCase *bad = tcase_create("bad input");

    tcase_add_checked_fixture(tables, setup, teardown);
    tcase_add_test(tables, items_are_counted_by_what_most_votes_say);
    tcase_add_test(tables, blanks_at_the_ends_count_when_told_to);
    tcase_add_test(tables, without_decided_items_the_effect_is_undefined);
    tcase_add_test(tables, weights_take_the_effect_away);
    suite_add_tcase(suite, tables);
    tcase_add_checked_fixture(sets, setup, teardown);
    tcase_set_timeout(sets, 60);
    tcase_add_test(sets, people_preferred_the_longer_response_in_pandalm);
    tcase_add_test(sets, responses_that_are_json_true_are_refused_or_counted);
    tcase_add_test(sets, the_chosen_reply_is_the_shorter_in_hh);
    suite_add_tcase(suite, sets);
    tcase_add_checked_fixture(bad, setup, teardown);
    tcase_add_test(bad, a_label_that_says_nothing_is_refused_or_counted);
    tcase_add_test(bad, items_without_texts_are_refused);
    tcase_add_loop_test(bad, options_that_do_not_fit_are_refused, 0, 3);
    tcase_add_test(bad, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, bad);
    return support_run(suite);
}
