/* test_sample.c -- samples keep copies of what they are given. */
#include "support.h"

#include <jansson.h>
#include <string.h>

static hone_error err;

START_TEST(a_sample_is_copied_whole)
{
    char prompt[] = "Why?", response[] = "Because.", finish[] = "stop";
    int32_t tokens[] = { 1, 2, 3, 4, 5 };
    float logp[] = { -1, -2 };
    json_t *row = json_pack("{s:s}", "reference", "Because.");
    hone_sample sample = { .prompt = prompt, .response = response, .tokens = tokens,
                           .prompt_tokens = 3, .response_tokens = 2, .logp = logp,
                           .finish = finish, .row = row, .group = 7, .seed = 9 };
    hone_samples *samples = NULL;

    ck_ok(hone_samples_new(&samples, &err));
    ck_ok(hone_samples_add(samples, &sample, &err));
    memset(prompt, 'x', 4), memset(response, 'x', 8), memset(tokens, 0, sizeof tokens);
    memset(logp, 0, sizeof logp), memset(finish, 'x', 4);
    json_decref(row);
    const hone_sample *kept = hone_samples_at(samples, 0);
    for (int i = 0; i < 100; i++) /* what was handed out stays where it is */
        ck_ok(hone_samples_add(samples, &(hone_sample){ .response = "" }, &err));
    ck_assert_ptr_eq(kept, hone_samples_at(samples, 0));
    ck_assert_str_eq(kept->prompt, "Why?");
    ck_assert_str_eq(hone_sample_response(samples, 0), "Because.");
    ck_assert_str_eq(kept->finish, "stop");
    ck_assert_int_eq(kept->tokens[4], 5);
    ck_assert(kept->logp[1] == -2);
    ck_assert_int_eq(kept->group, 7);
    ck_assert_uint_eq(kept->seed, 9);
    ck_assert_str_eq(json_string_value(hone_sample_column(samples, 0, "reference")), "Because.");
    ck_assert_ptr_null(hone_sample_column(samples, 0, "other"));
    hone_samples_free(samples);
}
END_TEST

START_TEST(what_is_absent_is_null_or_minus_one)
{
    static const int32_t prompt[] = { 1, 2 };
    hone_samples *samples = NULL;

    ck_ok(hone_samples_new(&samples, &err));
    ck_ok(hone_samples_add(samples, &(hone_sample){ 0 }, &err));
    ck_ok(hone_samples_add(samples, &(hone_sample){ .tokens = prompt, .prompt_tokens = 2 }, &err));
    ck_ok(hone_samples_add(samples, &(hone_sample){ .response_tokens = 12 }, &err));
    ck_assert_ptr_null(hone_sample_prompt(samples, 0));
    ck_assert_ptr_null(hone_sample_response(samples, 0));
    ck_assert_ptr_null(hone_sample_column(samples, 0, "x"));
    ck_assert_int_eq(hone_sample_response_tokens(samples, 0), -1);
    ck_assert_int_eq(hone_sample_response_tokens(samples, 1), 0);
    ck_assert_int_eq(hone_sample_response_tokens(samples, 2), 12);
    ck_assert_int_eq(hone_sample_response_tokens(samples, 3), -1);
    ck_assert_ptr_null(hone_samples_at(samples, 3));
    ck_assert_uint_eq(hone_samples_count(NULL), 0);
    hone_samples_free(samples);
}
END_TEST

START_TEST(samples_are_shared_by_references_and_know_their_step)
{
    hone_samples *samples = NULL;

    ck_ok(hone_samples_new(&samples, &err));
    ck_assert_ptr_eq(hone_samples_ref(samples), samples);
    hone_samples_set_step(samples, 12);
    hone_samples_free(samples);
    ck_assert_int_eq(hone_samples_step(samples), 12);
    hone_samples_free(samples);
    hone_samples_free(NULL);
}
END_TEST

START_TEST(impossible_counts_of_tokens_are_refused)
{
    hone_samples *samples = NULL;

    ck_ok(hone_samples_new(&samples, &err));
    ck_fails(HONE_EINVAL, hone_samples_add(samples, &(hone_sample){ .prompt_tokens = -1 }, &err));
    support_golden("sample-tokens", err.message);
    ck_assert_uint_eq(hone_samples_count(samples), 0);
    hone_samples_free(samples);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    static const int32_t tokens[] = { 1, 2 };
    static const float logp[] = { -1 };
    hone_sample sample = { .prompt = "p", .response = "r", .tokens = tokens, .prompt_tokens = 1,
                           .response_tokens = 1, .logp = logp, .finish = "stop" };
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_samples *samples = NULL;
        ck_assert_uint_lt(n, 500);
        hone_alloc_fail_after(n);
        code = hone_samples_new(&samples, &err);
        for (int i = 0; i < 20 && !code; i++)
            code = hone_samples_add(samples, &sample, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_samples_free(samples);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sample");
    TCase *samples = tcase_create("samples");

    tcase_add_test(samples, a_sample_is_copied_whole);
    tcase_add_test(samples, what_is_absent_is_null_or_minus_one);
    tcase_add_test(samples, samples_are_shared_by_references_and_know_their_step);
    tcase_add_test(samples, impossible_counts_of_tokens_are_refused);
    tcase_add_test(samples, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, samples);
    return support_run(suite);
}
