/* test_batch.c -- batches: segments, outputs and targets. */
#include "support.h"

#include <math.h>
#include <string.h>

static hone_error err;
static hone_batch *batch;

static void setup(void)
{
    ck_ok(hone_batch_new(&batch, &err));
}

static void teardown(void)
{
    hone_batch_free(batch);
    batch = NULL;
}

START_TEST(a_weight_makes_the_row_before_it_an_output)
{
    int32_t tokens[] = { 5, 6, 7, 8 };
    float weights[] = { 1, 0, 0.5f, 1 };

    ck_ok(hone_batch_add(batch, tokens, weights, 4, &err));
    ck_assert_int_eq(hone_batch_tokens(batch), 4);
    ck_assert_int_eq(hone_batch_outputs(batch), 2); /* not the first token: nothing foretells it */
    ck_assert_int_eq(hone_batch_output_rows(batch)[0], 1);
    ck_assert_int_eq(hone_batch_targets(batch)[0], 7);
    ck_assert_float_eq(hone_batch_weights(batch)[0], 0.5f);
    ck_assert_int_eq(hone_batch_output_rows(batch)[1], 2);
    ck_assert_int_eq(hone_batch_targets(batch)[1], 8);
}
END_TEST

START_TEST(segments_are_packed_one_after_the_other)
{
    int32_t a[] = { 1, 2, 3 }, b[] = { 4, 5 };
    float weights[] = { 1, 1, 1 };

    ck_ok(hone_batch_add(batch, a, weights, 3, &err));
    ck_ok(hone_batch_continue(batch, 7, 10, b, 2, false, &err));
    ck_ok(hone_batch_continue(batch, 2, 0, a, 3, true, &err));
    ck_ok(hone_batch_add(batch, b, NULL, 2, &err));
    ck_assert_uint_eq(hone_batch_segments(batch), 4);
    ck_assert_int_eq(hone_batch_tokens(batch), 10);

    const int32_t ids[] = { 1, 2, 3, 4, 5, 1, 2, 3, 4, 5 };
    const int32_t positions[] = { 0, 1, 2, 10, 11, 0, 1, 2, 0, 1 };
    ck_assert_mem_eq(hone_batch_ids(batch), ids, sizeof ids);
    ck_assert_mem_eq(hone_batch_positions(batch), positions, sizeof positions);

    const int32_t rows[] = { 0, 1, 4, 5, 6, 7 }, targets[] = { 2, 3, -1, -1, -1, -1 };
    const int32_t segments[] = { 0, 0, 1, 2, 2, 2 };
    const float expected[] = { 1, 1, 0, 0, 0, 0 };
    ck_assert_int_eq(hone_batch_outputs(batch), 6);
    ck_assert_mem_eq(hone_batch_output_rows(batch), rows, sizeof rows);
    ck_assert_mem_eq(hone_batch_targets(batch), targets, sizeof targets);
    ck_assert_mem_eq(hone_batch_output_segments(batch), segments, sizeof segments);
    ck_assert_mem_eq(hone_batch_weights(batch), expected, sizeof expected);

    const hone_segment *s = hone_batch_segment(batch, 1);
    ck_assert_int_eq(s->start, 3);
    ck_assert_int_eq(s->length, 2);
    ck_assert_int_eq(s->position, 10);
    ck_assert_int_eq(s->slot, 7);
    ck_assert_int_eq(hone_batch_segment(batch, 0)->slot, -1);
    ck_assert_ptr_null(hone_batch_segment(batch, 4));
}
END_TEST

START_TEST(a_branch_goes_on_from_the_whole_of_its_parent)
{
    int32_t a[] = { 1, 2, 3 }, b[] = { 4, 5 }, c[] = { 6 };
    float weights[] = { 2, 1, 3 };

    ck_ok(hone_batch_add(batch, a, weights, 3, &err));
    ck_ok(hone_batch_branch(batch, 0, b, weights, 2, &err));
    ck_ok(hone_batch_branch(batch, 0, a, NULL, 3, &err));
    ck_ok(hone_batch_branch(batch, 1, c, weights, 1, &err));
    ck_ok(hone_batch_add_end(batch, b, 2, &err));

    const int32_t ids[] = { 1, 2, 3, 4, 5, 1, 2, 3, 6, 4, 5 };
    const int32_t positions[] = { 0, 1, 2, 3, 4, 3, 4, 5, 5, 0, 1 };
    ck_assert_int_eq(hone_batch_tokens(batch), 11);
    ck_assert_mem_eq(hone_batch_ids(batch), ids, sizeof ids);
    ck_assert_mem_eq(hone_batch_positions(batch), positions, sizeof positions);

    /* Row 2 foretells token 4 of the branch; row 4, its last, token 6. */
    const int32_t rows[] = { 0, 1, 2, 3, 4, 10 }, targets[] = { 2, 3, 4, 5, 6, -1 };
    const int32_t segments[] = { 0, 0, 1, 1, 3, 4 };
    const float expected[] = { 1, 3, 2, 1, 2, 0 };
    ck_assert_int_eq(hone_batch_outputs(batch), 6);
    ck_assert_mem_eq(hone_batch_output_rows(batch), rows, sizeof rows);
    ck_assert_mem_eq(hone_batch_targets(batch), targets, sizeof targets);
    ck_assert_mem_eq(hone_batch_output_segments(batch), segments, sizeof segments);
    ck_assert_mem_eq(hone_batch_weights(batch), expected, sizeof expected);

    ck_assert_int_eq(hone_batch_segment(batch, 0)->parent, -1);
    ck_assert_int_eq(hone_batch_segment(batch, 2)->parent, 0);
    ck_assert_int_eq(hone_batch_segment(batch, 3)->parent, 1);
    ck_assert_int_eq(hone_batch_segment(batch, 4)->parent, -1);
}
END_TEST

START_TEST(a_cleared_batch_is_empty_and_can_be_filled_again)
{
    int32_t tokens[] = { 1, 2 };

    ck_ok(hone_batch_continue(batch, 0, 0, tokens, 2, true, &err));
    hone_batch_clear(batch);
    ck_assert_int_eq(hone_batch_tokens(batch), 0);
    ck_assert_int_eq(hone_batch_outputs(batch), 0);
    ck_assert_uint_eq(hone_batch_segments(batch), 0);
    ck_ok(hone_batch_continue(batch, 0, 0, tokens + 1, 1, true, &err));
    ck_assert_int_eq(hone_batch_ids(batch)[0], 2);
    ck_assert_int_eq(hone_batch_segment(batch, 0)->start, 0);
}
END_TEST

START_TEST(many_segments_fit)
{
    int32_t tokens[300];
    float weights[300];

    for (int i = 0; i < 300; i++)
        tokens[i] = i, weights[i] = 1;
    for (int i = 1; i <= 300; i++)
        ck_ok(hone_batch_add(batch, tokens, weights, i, &err));
    ck_assert_int_eq(hone_batch_tokens(batch), 300 * 301 / 2);
    ck_assert_int_eq(hone_batch_outputs(batch), 300 * 301 / 2 - 300);
    ck_assert_uint_eq(hone_batch_segments(batch), 300);
    for (size_t s = 0; s < 300; s++)
        for (int64_t i = 0; i < hone_batch_segment(batch, s)->length; i++)
            ck_assert_int_eq(hone_batch_ids(batch)[hone_batch_segment(batch, s)->start + i], i);
}
END_TEST

START_TEST(impossible_segments_are_refused_and_leave_the_batch_as_it_was)
{
    int32_t tokens[] = { 1, 2 };
    float weights[] = { 0, NAN };

    ck_ok(hone_batch_add(batch, tokens, NULL, 2, &err));
    ck_fails(HONE_EINVAL, hone_batch_add(batch, tokens, NULL, 0, &err));
    support_golden("batch-empty", err.message);
    ck_fails(HONE_ENUMERIC, hone_batch_add(batch, tokens, weights, 2, &err));
    support_golden("batch-weight", err.message);
    ck_fails(HONE_EINVAL, hone_batch_continue(batch, -1, 0, tokens, 2, true, &err));
    support_golden("batch-slot", err.message);
    ck_fails(HONE_EINVAL, hone_batch_continue(batch, 0, -1, tokens, 2, true, &err));
    support_golden("batch-position", err.message);
    ck_fails(HONE_EINVAL, hone_batch_branch(batch, 1, tokens, NULL, 2, &err));
    support_golden("batch-parent", err.message);
    ck_fails(HONE_EINVAL, hone_batch_branch(batch, SIZE_MAX, tokens, NULL, 2, &err));
    ck_fails(HONE_EINVAL, hone_batch_branch(batch, 0, tokens, NULL, 0, &err));
    ck_fails(HONE_ENUMERIC, hone_batch_branch(batch, 0, tokens, weights, 2, &err));
    ck_fails(HONE_EINVAL, hone_batch_add_end(batch, tokens, 0, &err));
    ck_fails(HONE_EINVAL, hone_batch_continue(batch, 0, INT32_MAX, tokens, 2, true, &err));
    ck_fails(HONE_EINVAL, hone_batch_continue(batch, 0, 0, tokens, INT64_MAX, true, &err));
    ck_assert_int_eq(hone_batch_tokens(batch), 2);
    ck_assert_int_eq(hone_batch_outputs(batch), 0);
    ck_assert_uint_eq(hone_batch_segments(batch), 1);
}
END_TEST

START_TEST(short_memory_is_an_error_and_leaks_nothing)
{
    int32_t tokens[] = { 1, 2, 3 };
    float weights[] = { 1, 1, 1 };
    int64_t live = hone_alloc_live();

    for (uint64_t n = 1; n < 100; n++) {
        hone_batch *b = NULL;
        int code;

        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = hone_batch_new(&b, &err);
        for (int i = 0; i < 20 && code == HONE_OK; i++) {
            int64_t before = hone_batch_tokens(b);

            code = i % 2 ? hone_batch_branch(b, 0, tokens, weights, 3, &err)
                         : hone_batch_add(b, tokens, weights, 3, &err);
            ck_assert_int_eq(hone_batch_tokens(b), code == HONE_OK ? before + 3 : before);
        }
        hone_alloc_fail_after(0);
        hone_batch_free(b);
        ck_assert_int_eq(hone_alloc_live(), live);
        if (code == HONE_OK)
            return;
        ck_assert_int_eq(code, HONE_ENOMEM);
    }
    ck_abort_msg("it never succeeds");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tc = tcase_create("batch");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_weight_makes_the_row_before_it_an_output);
    tcase_add_test(tc, segments_are_packed_one_after_the_other);
    tcase_add_test(tc, a_branch_goes_on_from_the_whole_of_its_parent);
    tcase_add_test(tc, a_cleared_batch_is_empty_and_can_be_filled_again);
    tcase_add_test(tc, many_segments_fit);
    tcase_add_test(tc, impossible_segments_are_refused_and_leave_the_batch_as_it_was);
    tcase_add_test(tc, short_memory_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
