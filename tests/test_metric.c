/* test_metric.c -- scores, their summary, and the metrics that come with hone. */
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

static hone_instance *metric_of(const char *name, const char *options)
{
    json_t *json = support_json(options);
    hone_instance *metric = NULL;

    ck_ok(hone_instance_new(&metric, context, "metric", name, json, &err));
    json_decref(json);
    return metric;
}

static void metric_fails(const char *name, const char *options, const char *golden)
{
    json_t *json = support_json(options);
    hone_instance *metric = NULL;

    ck_fails(HONE_EINVAL, hone_instance_new(&metric, context, "metric", name, json, &err));
    support_golden(golden, err.message);
    json_decref(json);
}

/* One response (NULL: none), with a row (NULL: none), scored. */
static hone_scores *scores_of(hone_instance *metric, const char *response, const char *row)
{
    json_t *json = row ? support_json(row) : NULL;
    hone_samples *samples = NULL;
    hone_scores *scores = NULL;

    ck_ok(hone_samples_new(&samples, &err));
    ck_ok(hone_samples_add(samples, &(hone_sample){ .response = response, .row = json }, &err));
    ck_ok(hone_metric_score(metric, samples, &scores, &err));
    hone_samples_free(samples);
    json_decref(json);
    return scores;
}

static double score_of(hone_instance *metric, const char *response, const char *row)
{
    hone_scores *scores = scores_of(metric, response, row);
    double value = hone_scores_value(scores, 0);

    ck_assert_msg(hone_scores_state(scores, 0) == HONE_SCORE_NUMBER, "'%s': %s", response,
                  hone_scores_message(scores, 0) ? hone_scores_message(scores, 0) : "NA");
    hone_scores_free(scores);
    return value;
}

static void is_na(hone_instance *metric, const char *response, const char *row)
{
    hone_scores *scores = scores_of(metric, response, row);

    ck_assert_int_eq(hone_scores_state(scores, 0), HONE_SCORE_NA);
    ck_assert(isnan(hone_scores_value(scores, 0)));
    hone_scores_free(scores);
}

static void score_fails(hone_instance *metric, const char *response, const char *row,
                        const char *golden)
{
    hone_scores *scores = scores_of(metric, response, row);

    ck_assert_int_eq(hone_scores_state(scores, 0), HONE_SCORE_FAILED);
    support_golden(golden, hone_scores_message(scores, 0));
    hone_scores_free(scores);
}

/* ---- a metric of the test's own ---- */

static int (*script)(hone_scores *out, hone_error *error);

static int scripted_score(void *self, hone_scores *out, const hone_samples *samples,
                          hone_error *error)
{
    (void)self, (void)samples;
    return script(out, error);
}

static const hone_metric_ops scripted_ops = { .size = sizeof scripted_ops,
                                              .score = scripted_score };
static const hone_plugin scripted = {
    .size = sizeof scripted, .abi = HONE_ABI, .option_size = sizeof(hone_option),
    .kind = "metric", .name = "scripted", .version = "1", .summary = "for a test",
    .instance_size = 1, .ops = &scripted_ops,
};

/* Run a script on six samples of three response tokens. */
static int run(int (*what)(hone_scores *, hone_error *), hone_scores **out)
{
    hone_samples *samples = NULL;
    hone_instance *metric = NULL;
    int code;

    ck_ok(hone_plugin_register(context, &scripted, &err));
    ck_ok(hone_samples_new(&samples, &err));
    for (int i = 0; i < 6; i++)
        ck_ok(hone_samples_add(samples, &(hone_sample){ .response_tokens = 3 }, &err));
    ck_ok(hone_instance_new(&metric, context, "metric", "scripted", NULL, &err));
    script = what;
    code = hone_metric_score(metric, samples, out, &err);
    hone_instance_free(metric);
    hone_samples_free(samples);
    return code;
}

static int script_all(hone_scores *out, hone_error *error)
{
    (void)error;
    hone_score_set(out, 0, 2);
    hone_score_set(out, 1, 4);
    hone_score_na(out, 2);
    hone_score_fail(out, 3, "no verdict in '%s'", "maybe");
    hone_score_set(out, 4, NAN);
    hone_score_token(out, 0, 2, 0.5);
    hone_score_head(out, 1, "tone", 3);
    hone_score_log(out, "share", 0.25);
    hone_score_log(out, "share", 0.75);
    return HONE_OK;
}

START_TEST(each_sample_has_a_number_or_none_or_a_failure)
{
    hone_scores *s = NULL;

    ck_ok(run(script_all, &s));
    ck_assert_uint_eq(hone_scores_count(s), 6);
    ck_assert_double_eq(hone_scores_value(s, 1), 4);
    ck_assert_int_eq(hone_scores_state(s, 2), HONE_SCORE_NA);
    ck_assert_str_eq(hone_scores_message(s, 3), "no verdict in 'maybe'");
    support_golden("metric-nan", hone_scores_message(s, 4));
    support_golden("metric-unset", hone_scores_message(s, 5));
    ck_assert_double_eq(hone_scores_tokens(s, 0)[2], 0.5);
    ck_assert(isnan(hone_scores_tokens(s, 0)[0]));
    ck_assert_ptr_null(hone_scores_tokens(s, 1));
    ck_assert_double_eq(hone_scores_head(s, 1, "tone"), 3);
    ck_assert(isnan(hone_scores_head(s, 0, "tone")));
    ck_assert(isnan(hone_scores_head(s, 0, "other")));
    hone_scores_free(s);
}
END_TEST

START_TEST(the_summary_counts_what_has_no_number)
{
    hone_scores *s = NULL;
    hone_json *summary = NULL;

    ck_ok(run(script_all, &s));
    ck_ok(hone_scores_summary(s, &summary, &err));
    json_t *expected = support_json(
        "{'count': 6, 'na': 1, 'failed': 3, 'numbers': 2, 'mean': 3.0, 'sd': 1.4142135623730951,"
        " 'min': 2.0, 'max': 4.0, 'heads': {'tone': {'numbers': 1, 'mean': 3.0, 'sd': null,"
        " 'min': 3.0, 'max': 3.0}}, 'logged': {'share': 0.75}, 'failures': ["
        "{'sample': 3, 'message': 'no verdict in \\u0027maybe\\u0027'},"
        "{'sample': 4, 'message': 'the score is NaN, not a finite number'},"
        "{'sample': 5, 'message': 'metric/scripted set no score'}]}");
    ck_assert(json_equal(summary, expected));
    json_decref(expected);
    hone_json_free(summary);
    hone_scores_free(s);
}
END_TEST

static int script_nothing(hone_scores *out, hone_error *error)
{
    (void)error;
    for (size_t i = 0; i < 6; i++)
        hone_score_na(out, i);
    return HONE_OK;
}

START_TEST(a_summary_without_numbers_has_no_mean)
{
    hone_scores *s = NULL;
    hone_json *summary = NULL;

    ck_ok(run(script_nothing, &s));
    ck_ok(hone_scores_summary(s, &summary, &err));
    ck_assert(json_is_null(json_object_get(summary, "mean")));
    ck_assert(json_is_null(json_object_get(summary, "max")));
    hone_json_free(summary);
    hone_scores_free(s);
}
END_TEST

static int script_beyond(hone_scores *out, hone_error *error)
{
    (void)error;
    hone_score_set(out, 6, 1);
    return HONE_OK;
}

static int script_token(hone_scores *out, hone_error *error)
{
    (void)error;
    hone_score_token(out, 1, 3, 1);
    return HONE_OK;
}

static int script_error(hone_scores *out, hone_error *error)
{
    (void)out;
    return hone_fail(error, HONE_EIO, "the judge does not answer");
}

START_TEST(a_metric_that_is_wrong_itself_fails_as_a_whole)
{
    hone_scores *s = NULL;

    ck_fails(HONE_EINVAL, run(script_beyond, &s));
    support_golden("metric-beyond", err.message);
    ck_fails(HONE_EINVAL, run(script_token, &s));
    support_golden("metric-token", err.message);
    ck_fails(HONE_EIO, run(script_error, &s));
    support_golden("metric-error", err.message);
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    hone_samples *samples = NULL;
    hone_instance *metric = metric_of("lexicon", "{'words': ['so'], 'score': 'count'}");
    int64_t live;
    int code = HONE_ENOMEM;

    ck_ok(hone_samples_new(&samples, &err));
    ck_ok(hone_samples_add(samples, &(hone_sample){ .response = "so it goes" }, &err));
    ck_ok(hone_samples_add(samples, &(hone_sample){ .response = "\xff" }, &err));
    live = hone_alloc_live();
    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_scores *scores = NULL;
        hone_json *summary = NULL;
        ck_assert_uint_lt(n, 500);
        hone_alloc_fail_after(n);
        code = hone_metric_score(metric, samples, &scores, &err);
        if (code == HONE_OK)
            code = hone_scores_summary(scores, &summary, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_scores_free(scores);
        hone_json_free(summary);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_samples_free(samples);
    hone_instance_free(metric);
}
END_TEST

/* ---- length ---- */

START_TEST(length_counts_tokens_characters_and_words)
{
    hone_instance *chars = metric_of("length", "{'unit': 'chars'}");
    hone_instance *words = metric_of("length", "{'unit': 'words'}");
    hone_instance *tokens = metric_of("length", "{}");
    hone_instance *target = metric_of("length", "{'unit': 'chars', 'target': 4}");
    const char *text = "Don\u2019t na\u00efve-ly 'stop', 3 \u65e5\u672c!";

    ck_assert_double_eq(score_of(chars, text, NULL), 28);
    ck_assert_double_eq(score_of(words, text, NULL), 6);
    ck_assert_double_eq(score_of(chars, "", NULL), 0);
    ck_assert_double_eq(score_of(words, "...", NULL), 0);
    is_na(tokens, text, NULL);
    is_na(chars, NULL, NULL);
    score_fails(words, "a \xc3(", NULL, "metric-length-utf8");
    ck_assert_double_eq(score_of(target, "four", NULL), 0);
    ck_assert_double_eq(score_of(target, "", NULL), -1);
    ck_assert_double_eq(score_of(target, "sixsix", NULL), -0.5);
    hone_instance_free(chars);
    hone_instance_free(words);
    hone_instance_free(tokens);
    hone_instance_free(target);
}
END_TEST

/* ---- lexicon ---- */

START_TEST(lexicon_matches_whole_words_and_phrases)
{
    hone_instance *share = metric_of("lexicon", "{'words': ['sorry', 'as an ai', 'AS']}");
    hone_instance *count = metric_of("lexicon", "{'words': ['sorry', 'as an ai'], "
                                                "'score': 'count'}");
    hone_instance *any = metric_of("lexicon", "{'words': ['STRASSE', 'caf\u00e9'], "
                                              "'score': 'any'}");
    hone_instance *exact = metric_of("lexicon", "{'words': ['US'], 'fold': false}");

    ck_assert_double_eq(score_of(share, "As an AI, I am sorry.", NULL), 4 / 6.);
    ck_assert_double_eq(score_of(count, "SORRY -- sorry, as an-AI!", NULL), 3);
    ck_assert_double_eq(score_of(count, "sorrys as an aim", NULL), 0);
    ck_assert_double_eq(score_of(count, "", NULL), 0);
    ck_assert_double_eq(score_of(any, "Die Stra\u00dfe", NULL), 1);
    ck_assert_double_eq(score_of(any, "cafe\u0301", NULL), 1);
    ck_assert_double_eq(score_of(any, "cafes", NULL), 0);
    ck_assert_double_eq(score_of(exact, "the US and us", NULL), 0.25);
    is_na(share, "", NULL);
    is_na(share, " ... ", NULL);
    is_na(count, NULL, NULL);
    score_fails(share, "\xff", NULL, "metric-lexicon-utf8");
    hone_instance_free(share);
    hone_instance_free(count);
    hone_instance_free(any);
    hone_instance_free(exact);
}
END_TEST

START_TEST(lexicon_reads_words_from_a_file)
{
    static const char list[] = "very\r\n\n  really quite \nsimply";
    char path[512], options[1024];

    snprintf(path, sizeof path, "%s/list.txt", support_folder());
    support_write(path, list, sizeof list - 1);
    snprintf(options, sizeof options, "{'words': ['@%s', 'just'], 'score': 'count'}", path);
    hone_instance *metric = metric_of("lexicon", options);
    ck_assert_double_eq(score_of(metric, "Just very, REALLY  quite simply it.", NULL), 4);
    hone_instance_free(metric);
    support_write(path, "good\n--\n", 8);
    metric_fails("lexicon", options, "metric-lexicon-line");
}
END_TEST

START_TEST(lexicon_refuses_lists_without_words)
{
    hone_instance *metric = NULL;
    json_t *missing = support_json("{'words': ['@/nonexistent/list.txt']}");

    metric_fails("lexicon", "{}", "metric-lexicon-none");
    metric_fails("lexicon", "{'words': []}", "metric-lexicon-empty");
    metric_fails("lexicon", "{'words': ['good', '!?']}", "metric-lexicon-entry");
    ck_fails(HONE_EIO, hone_instance_new(&metric, context, "metric", "lexicon", missing, &err));
    support_golden("metric-lexicon-file", err.message);
    json_decref(missing);
}
END_TEST

/* ---- exact_match ---- */

START_TEST(exact_match_ignores_what_it_is_told_to)
{
    static const char all[] = "{'ignore': ['space', 'case', 'punctuation', 'articles']}";
    hone_instance *strict = metric_of("exact_match", "{'ignore': []}");
    hone_instance *plain = metric_of("exact_match", "{}");
    hone_instance *loose = metric_of("exact_match", all);

    ck_assert_double_eq(score_of(strict, "42 ", "{'reference': '42'}"), 0);
    ck_assert_double_eq(score_of(strict, "cafe\u0301", "{'reference': 'caf\u00e9'}"), 1);
    ck_assert_double_eq(score_of(plain, " 4\t\n2 ", "{'reference': '4 2'}"), 1);
    ck_assert_double_eq(score_of(plain, "Paris", "{'reference': 'paris'}"), 0);
    ck_assert_double_eq(score_of(plain, "42", "{'reference': 42}"), 1);
    ck_assert_double_eq(score_of(plain, "0.1", "{'reference': 0.1}"), 1);
    ck_assert_double_eq(score_of(plain, "true", "{'reference': true}"), 1);
    ck_assert_double_eq(score_of(plain, "b", "{'reference': ['a', 'b']}"), 1);
    ck_assert_double_eq(score_of(plain, "c", "{'reference': ['a', 'b']}"), 0);
    ck_assert_double_eq(score_of(loose, "The  Eiffel Tower!", "{'reference': 'eiffel tower'}"), 1);
    ck_assert_double_eq(score_of(loose, "an", "{'reference': ''}"), 1);
    ck_assert_double_eq(score_of(loose, "tower a", "{'reference': 'a tower'}"), 1);
    ck_assert_double_eq(score_of(loose, "theory", "{'reference': 'ory'}"), 0);
    hone_instance_free(strict);
    hone_instance_free(plain);
    hone_instance_free(loose);
}
END_TEST

START_TEST(exact_match_needs_a_reference_it_can_compare)
{
    hone_instance *metric = metric_of("exact_match", "{'column': 'answer'}");

    is_na(metric, "x", NULL);
    is_na(metric, "x", "{'reference': 'x'}");
    is_na(metric, "x", "{'answer': null}");
    is_na(metric, NULL, "{'answer': 'x'}");
    score_fails(metric, "x", "{'answer': {'a': 1}}", "metric-exact-type");
    score_fails(metric, "x", "{'answer': []}", "metric-exact-empty");
    score_fails(metric, "\xff", "{'answer': 'x'}", "metric-exact-utf8");
    hone_instance_free(metric);
    metric_fails("exact_match", "{'ignore': ['spaces']}", "metric-exact-ignore");
    metric_fails("exact_match", "{'ignore': ['articles']}", "metric-exact-articles");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metric");
    TCase *scores = tcase_create("scores"), *metrics = tcase_create("metrics");

    tcase_add_checked_fixture(scores, setup, teardown);
    tcase_add_test(scores, each_sample_has_a_number_or_none_or_a_failure);
    tcase_add_test(scores, the_summary_counts_what_has_no_number);
    tcase_add_test(scores, a_summary_without_numbers_has_no_mean);
    tcase_add_test(scores, a_metric_that_is_wrong_itself_fails_as_a_whole);
    tcase_add_test(scores, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, scores);
    tcase_add_checked_fixture(metrics, setup, teardown);
    tcase_add_test(metrics, length_counts_tokens_characters_and_words);
    tcase_add_test(metrics, lexicon_matches_whole_words_and_phrases);
    tcase_add_test(metrics, lexicon_reads_words_from_a_file);
    tcase_add_test(metrics, lexicon_refuses_lists_without_words);
    tcase_add_test(metrics, exact_match_ignores_what_it_is_told_to);
    tcase_add_test(metrics, exact_match_needs_a_reference_it_can_compare);
    suite_add_tcase(suite, metrics);
    return support_run(suite);
}
