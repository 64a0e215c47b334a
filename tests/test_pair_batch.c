/* test_pair_batch.c -- answers to one prompt in a batch: what is learned, and
 * what is shared. With the toy tokenizer, whose tokens are bytes. */
#include "support.h"
#include "toy.h"

#include <jansson.h>
#include <string.h>

static hone_context *context;
static hone_model *model;

static void setup(void)
{
    context = support_context();
    model = toy_model(context, &(toy_options){ .chat = true });
}

static void teardown(void)
{
    hone_model_free(model);
    hone_context_free(context);
}

static hone_examples *examples_of(const char *text, const char *template, bool last)
{
    hone_encode_options options = { .template = template, .last_answer = last };
    hone_json *rows = support_json(text);
    hone_examples *examples;
    hone_data *data;
    hone_error err;

    ck_ok(hone_data_new(&data, context, rows, "rows", &err));
    ck_ok(hone_data_encode(&examples, data, model, &options, NULL, &err));
    hone_data_free(data);
    hone_json_free(rows);
    return examples;
}

#define PAIRS                                                                                \
    "[{'prompt': 'one', 'completion': 'ab'}, {'prompt': 'one', 'completion': 'c'},"          \
    " {'prompt': 'two', 'completion': 'd'}, {'prompt': 'one', 'completion': 'ef'}]"
#define TALK                                                                                 \
    "[{'messages': [{'role': 'user', 'content': 'x'}, {'role': 'assistant', 'content': 'yes'}," \
    " {'role': 'user', 'content': 'y'}, {'role': 'assistant', 'content': 'no'}]}]"

START_TEST(of_a_conversation_only_the_last_answer_is_learned)
{
    static const char *const templates[] = { "plain", "chatml" };
    /* "no" and what ends it: </s>, or <|im_end|> and </s>. */
    static const int64_t learned[] = { 3, 4 };

    for (int i = 0; i < 2; i++) {
        hone_examples *all = examples_of(TALK, templates[i], false);
        hone_examples *last = examples_of(TALK, templates[i], true);
        hone_example a = hone_examples_at(all, 0), b = hone_examples_at(last, 0);
        ck_assert_int_eq(a.count, b.count);
        ck_assert_int_gt(hone_example_learned(&a), learned[i]);
        ck_assert_int_eq(hone_example_learned(&b), learned[i]);
        ck_assert_int_eq(b.prompt, b.count - learned[i]);
        hone_examples_free(all);
        hone_examples_free(last);
    }
}
END_TEST

START_TEST(neighbours_with_the_same_prompt_share_it)
{
    hone_examples *examples = examples_of(PAIRS, "plain", true);
    size_t index[] = { 0, 1, 2, 3 };
    hone_batch *shared, *apart;
    hone_error err;

    ck_ok(hone_batch_new(&shared, &err));
    ck_ok(hone_batch_new(&apart, &err));
    ck_ok(hone_examples_batch(shared, examples, index, 4, true, &err));
    ck_ok(hone_examples_batch(apart, examples, index, 4, false, &err));
    /* <s>one, ab</s>, c</s>; <s>twod</s>; <s>oneef</s>: the last is no neighbour. */
    ck_assert_uint_eq(hone_batch_segments(shared), 5);
    ck_assert_uint_eq(hone_batch_segments(apart), 4);
    ck_assert_int_eq(hone_batch_tokens(shared), hone_batch_tokens(apart) - 4);
    ck_assert_int_eq(hone_batch_outputs(shared), 3 + 2 + 2 + 3);
    ck_assert_int_eq(hone_batch_outputs(apart), 3 + 2 + 2 + 3);
    for (int64_t i = 0; i < hone_batch_outputs(shared); i++)
        ck_assert_int_eq(hone_batch_targets(shared)[i], hone_batch_targets(apart)[i]);
    /* Both first tokens are predicted at the prompt's last row. */
    ck_assert_int_eq(hone_batch_output_rows(shared)[0], 3);
    ck_assert_int_eq(hone_batch_output_rows(shared)[3], 3);
    hone_batch_free(shared);
    hone_batch_free(apart);
    hone_examples_free(examples);
}
END_TEST

START_TEST(a_first_token_that_nothing_predicts_is_shared_like_a_prompt)
{
    hone_model *bare = toy_model(context, &(toy_options){ .no_bos = true });
    hone_json *rows = support_json("[{'text': 'ab'}, {'text': 'ac'}]");
    hone_examples *examples;
    hone_batch *batch;
    hone_data *data;
    hone_error err;

    ck_ok(hone_data_new(&data, context, rows, "rows", &err));
    ck_ok(hone_data_encode(&examples, data, bare, NULL, NULL, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_examples_batch(batch, examples, (size_t[]){ 0, 1 }, 2, true, &err));
    /* a, b</s>, c</s>. */
    ck_assert_uint_eq(hone_batch_segments(batch), 3);
    ck_assert_int_eq(hone_batch_tokens(batch), 5);
    ck_assert_int_eq(hone_batch_outputs(batch), 4);
    hone_batch_free(batch);
    hone_examples_free(examples);
    hone_data_free(data);
    hone_json_free(rows);
    hone_model_free(bare);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_leak_nothing)
{
    hone_examples *examples = examples_of(PAIRS, "plain", true);
    int64_t before = hone_alloc_live();

    for (uint64_t n = 1;; n++) {
        hone_batch *batch = NULL;
        hone_error err = { 0 };
        hone_alloc_fail_after(n);
        int code = hone_batch_new(&batch, &err);
        if (!code)
            code = hone_examples_batch(batch, examples, (size_t[]){ 0, 1, 2, 3 }, 4, true, &err);
        hone_alloc_fail_after(0);
        hone_batch_free(batch);
        ck_assert_int_eq(hone_alloc_live(), before);
        if (code == HONE_OK)
            break;
        ck_assert_msg(code == HONE_ENOMEM && err.message[0], "%d %s", code, err.message);
        ck_assert_uint_lt(n, 1000);
    }
    hone_examples_free(examples);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pair_batch");
    TCase *cases = tcase_create("answers to one prompt");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, of_a_conversation_only_the_last_answer_is_learned);
    tcase_add_test(cases, neighbours_with_the_same_prompt_share_it);
    tcase_add_test(cases, a_first_token_that_nothing_predicts_is_shared_like_a_prompt);
    tcase_add_test(cases, failing_allocations_are_errors_and_leak_nothing);
    suite_add_tcase(suite, cases);
    return support_run(suite);
}
