/* test_sample.c -- samples keep copies of what they are given, and become
 * tensors and batches. */
#include "support.h"

#include <jansson.h>
#include <string.h>

static hone_error err;

START_TEST(a_sample_is_copied_whole)
{
    char prompt[] = "Why?", response[] = "Because.", finish[] = "stop";
    int32_t tokens[] = { 1, 2, 3, 4, 5 };
    float logp[] = { -1, -2 };
    uint8_t own[] = { 0, 1 };
    json_t *row = json_pack("{s:s}", "reference", "Because.");
    hone_sample sample = { .prompt = prompt, .response = response, .tokens = tokens,
                           .prompt_tokens = 3, .response_tokens = 2, .logp = logp,
                           .finish = finish, .row = row, .group = 7, .seed = 9, .own = own };
    hone_samples *samples = NULL;

    ck_ok(hone_samples_new(&samples, &err));
    ck_ok(hone_samples_add(samples, &sample, &err));
    memset(prompt, 'x', 4), memset(response, 'x', 8), memset(tokens, 0, sizeof tokens);
    memset(logp, 0, sizeof logp), memset(finish, 'x', 4), memset(own, 1, 2);
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
    ck_assert_int_eq(kept->own[0], 0);
    ck_assert_int_eq(kept->own[1], 1);
    ck_assert_int_eq(hone_sample_own_tokens(samples, 0), 1);
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

/* ---- what learning takes ---- */

static hone_samples *answers(void)
{
    static const int32_t said[] = { 1, 2, 3, 4, 5 }, other[] = { 9, 2, 3 };
    static const float logp[] = { -1, -2, -3 };
    hone_samples *samples = NULL;
    hone_sample s = { .tokens = said, .prompt_tokens = 2, .response_tokens = 3, .logp = logp,
                      .own = (const uint8_t[]){ 1, 0, 1 }, .finish = "length" };

    ck_ok(hone_samples_new(&samples, &err));
    ck_ok(hone_samples_add(samples, &s, &err));
    s.own = NULL, s.finish = "stop";
    ck_ok(hone_samples_add(samples, &s, &err));
    s.own = (const uint8_t[]){ 0, 0, 0 };
    ck_ok(hone_samples_add(samples, &s, &err));
    s = (hone_sample){ .tokens = other, .prompt_tokens = 2, .response_tokens = 1, .logp = logp };
    ck_ok(hone_samples_add(samples, &s, &err));
    s.group = 1;
    ck_ok(hone_samples_add(samples, &s, &err));
    return samples;
}

static void check_floats(hone_tensor *t, int64_t count, const float *expected)
{
    ck_assert_int_eq(hone_tensor_dtype(t), HONE_F32);
    ck_assert_int_eq(hone_tensor_dims(t), 1);
    ck_assert_int_eq(hone_tensor_count(t), count);
    ck_assert_mem_eq(hone_tensor_bytes(t), expected, (size_t)count * sizeof *expected);
    hone_tensor_free(t);
}

START_TEST(samples_become_tensors_of_their_own_tokens)
{
    hone_samples *samples = answers();
    hone_tensor *t = NULL;

    ck_assert_int_eq(hone_samples_own_tokens(samples), 7);
    ck_ok(hone_samples_logp(&t, samples, &err));
    check_floats(t, 7, (const float[]){ -1, -3, -1, -2, -3, -1, -1 });
    ck_ok(hone_samples_lengths(&t, samples, &err));
    check_floats(t, 5, (const float[]){ 2, 3, 0, 1, 1 });
    ck_ok(hone_samples_truncated(&t, samples, &err));
    check_floats(t, 5, (const float[]){ 1, 0, 0, 0, 0 });
    ck_ok(hone_samples_add(samples, &(hone_sample){ .response_tokens = 1 }, &err));
    ck_fails(HONE_EINVAL, hone_samples_logp(&t, samples, &err));
    support_golden("sample-logp", err.message);
    ck_assert_ptr_null(t);
    hone_samples_free(samples);
}
END_TEST

START_TEST(samples_of_a_group_share_their_prompt_in_a_batch)
{
    hone_samples *samples = answers();
    hone_batch *batch = NULL;

    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add_samples(batch, samples, (const size_t[]){ 1, 4, 2, 0, 3 }, 5, true, &err));
    /* The prompt 1 2 once; the prompts 9 2 are of two groups; sample 2 has no own token. */
    const int32_t ids[] = { 1, 2, 3, 4, 5, 9, 2, 3, 3, 4, 5, 9, 2, 3 };
    const int32_t rows[] = { 1, 2, 3, 6, 1, 9, 12 }, targets[] = { 3, 4, 5, 3, 3, 5, 3 };
    ck_assert_int_eq(hone_batch_tokens(batch), 14);
    ck_assert_mem_eq(hone_batch_ids(batch), ids, sizeof ids);
    ck_assert_int_eq(hone_batch_outputs(batch), 7);
    ck_assert_mem_eq(hone_batch_output_rows(batch), rows, sizeof rows);
    ck_assert_mem_eq(hone_batch_targets(batch), targets, sizeof targets);
    ck_assert_int_eq(hone_batch_segment(batch, 3)->parent, 0);
    ck_assert_int_eq(hone_batch_segment(batch, 4)->parent, -1);
    for (int i = 0; i < 7; i++)
        ck_assert_float_eq(hone_batch_weights(batch)[i], 1);

    hone_batch_clear(batch);
    ck_ok(hone_batch_add_samples(batch, samples, (const size_t[]){ 1, 0 }, 2, false, &err));
    ck_assert_int_eq(hone_batch_tokens(batch), 10);
    ck_assert_int_eq(hone_batch_segment(batch, 1)->parent, -1);
    hone_batch_free(batch);
    hone_samples_free(samples);
}
END_TEST

START_TEST(samples_that_cannot_be_learnt_from_leave_the_batch_as_it_was)
{
    hone_samples *samples = answers();
    hone_batch *batch = NULL;
    const int32_t token = 1;

    ck_ok(hone_samples_add(samples, &(hone_sample){ .response_tokens = 1 }, &err));
    ck_ok(hone_samples_add(samples, &(hone_sample){ .tokens = &token, .response_tokens = 1 },
                           &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add_samples(batch, samples, (const size_t[]){ 0 }, 1, true, &err));
    ck_fails(HONE_EINVAL, hone_batch_add_samples(batch, samples, (const size_t[]){ 1, 5 }, 2, true,
                                                 &err));
    support_golden("sample-no-tokens", err.message);
    ck_fails(HONE_EINVAL, hone_batch_add_samples(batch, samples, (const size_t[]){ 1, 6 }, 2, true,
                                                 &err));
    support_golden("sample-no-prompt", err.message);
    ck_fails(HONE_EINVAL, hone_batch_add_samples(batch, samples, (const size_t[]){ 1, 7 }, 2, true,
                                                 &err));
    support_golden("sample-beyond", err.message);
    ck_assert_int_eq(hone_batch_tokens(batch), 5);
    ck_assert_int_eq(hone_batch_outputs(batch), 2);
    ck_assert_uint_eq(hone_batch_segments(batch), 1);
    hone_batch_free(batch);
    hone_samples_free(samples);
}
END_TEST

START_TEST(a_batch_of_samples_survives_every_allocation_that_fails)
{
    hone_samples *samples = answers();
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_batch *batch = NULL;
        ck_assert_uint_lt(n, 100);
        hone_alloc_fail_after(n);
        code = hone_batch_new(&batch, &err);
        if (!code && (code = hone_batch_add_samples(batch, samples, (const size_t[]){ 0, 1, 3 }, 3,
                                                    true, &err)))
            ck_assert_int_eq(hone_batch_tokens(batch), 0);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_batch_free(batch);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_samples_free(samples);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    static const int32_t tokens[] = { 1, 2 };
    static const float logp[] = { -1 };
    hone_sample sample = { .prompt = "p", .response = "r", .tokens = tokens, .prompt_tokens = 1,
                           .response_tokens = 1, .logp = logp, .finish = "stop",
                           .own = (const uint8_t[]){ 1 } };
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
    tcase_add_test(samples, samples_become_tensors_of_their_own_tokens);
    tcase_add_test(samples, samples_of_a_group_share_their_prompt_in_a_batch);
    tcase_add_test(samples, samples_that_cannot_be_learnt_from_leave_the_batch_as_it_was);
    tcase_add_test(samples, a_batch_of_samples_survives_every_allocation_that_fails);
    suite_add_tcase(suite, samples);
    return support_run(suite);
}
