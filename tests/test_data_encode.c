/* test_data_encode.c -- rows to text to tokens: templates, spans, truncation,
 * batches. With a toy tokenizer that merges "\nA" and " b". */
#include "support.h"
#include "toy.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static hone_context *context;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

static hone_data *rows_of(const char *text)
{
    hone_json *rows;
    hone_data *data;
    hone_error err;

    ck_ok(hone_json_parse(&rows, text, strlen(text), "test", &err));
    ck_ok(hone_data_new(&data, context, rows, "rows", &err));
    hone_json_free(rows);
    return data;
}

/* Tokens of an example; what is learned in [ ], in a static buffer. */
static const char *show(hone_example e)
{
    static char text[4096];
    size_t used = 0;
    bool on = false;

    for (int64_t i = 0; i <= e.count; i++) {
        bool learned = i < e.count && e.weights[i] != 0;
        if (learned != on)
            used += (size_t)snprintf(text + used, sizeof text - used, on ? "]" : "[");
        on = learned;
        if (i < e.count)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s",
                                     toy_show(e.tokens + i, 1));
    }
    return text;
}

/* Rows become these examples; every prompt is a prefix of its example. */
static void renders(const toy_options *toy, const char *template, const char *rows,
                    const char *expected)
{
    hone_model *model = toy_model(context, toy);
    hone_encode_options options = { .template = template };
    hone_data *data = rows_of(rows);
    hone_examples *examples;
    hone_ids ids = { 0 };
    hone_example e;
    hone_error err;

    ck_ok(hone_data_encode(&examples, data, model, &options, NULL, &err));
    e = hone_examples_at(examples, 0);
    ck_assert_str_eq(show(e), expected);
    if (!toy->no_bos) {
        ck_ok(hone_data_prompt(data, 0, model, &options, &ids, &err));
        ck_assert_uint_le(ids.count, (size_t)e.count);
        ck_assert_mem_eq(ids.items, e.tokens, ids.count * sizeof *ids.items);
        ck_assert(e.weights[ids.count] == 1);
        for (size_t i = ids.count; i < (size_t)e.count; i++)
            ck_assert(e.weights[i] == 1);
    }
    hone_free(ids.items);
    hone_examples_free(examples);
    hone_data_free(data);
    hone_model_free(model);
}

START_TEST(a_completion_follows_its_prompt_as_it_stands)
{
    renders(&(toy_options){ 0 }, NULL, "[{\"prompt\":\"Q:\",\"completion\":\" b\"}]",
            "<s>Q:[ b</s>]");
    renders(&(toy_options){ 0 }, NULL, "[{\"prompt\":\"Q:\",\"response\":\"x\"}]", "<s>Q:[x</s>]");
    renders(&(toy_options){ .no_bos = true, .no_eos = true }, NULL,
            "[{\"prompt\":\"Q:\",\"completion\":\" b\"}]", "Q:[ b]");
}
END_TEST

START_TEST(a_text_is_learned_whole)
{
    renders(&(toy_options){ 0 }, NULL, "[{\"text\":\"ab\"}]", "<s>[ab</s>]");
    renders(&(toy_options){ .no_bos = true }, NULL, "[{\"text\":\"ab\"}]", "a[b</s>]");
}
END_TEST

START_TEST(an_instruction_has_headings)
{
    const char *plain = "<s>### Instruction:\nDo.\n\n### Response:\n[A.</s>]";

    renders(&(toy_options){ 0 }, NULL, "[{\"instruction\":\"Do.\",\"output\":\"A.\"}]", plain);
    renders(&(toy_options){ 0 }, "plain",
            "[{\"instruction\":\"Do.\",\"input\":\"\",\"output\":\"A.\"}]", plain);
    renders(&(toy_options){ 0 }, NULL,
            "[{\"instruction\":\"Do.\",\"input\":null,\"instances\":[{\"output\":\"A.\"}]}]",
            plain);
    renders(&(toy_options){ 0 }, NULL,
            "[{\"instruction\":\"Do.\",\"input\":\"it\",\"output\":\"A.\"}]",
            "<s>### Instruction:\nDo.\n\n### Input:\nit\n\n### Response:\n[A.</s>]");
    renders(&(toy_options){ .chat = true }, "chatml",
            "[{\"instruction\":\"Do.\",\"input\":\"it\",\"output\":\"A.\"}]",
            "<s><|im_start|>user\nDo.\n\nit<|im_end|>\n<|im_start|>assistant\n"
            "[A.<|im_end|></s>]");
}
END_TEST

static const char *const talk =
    "[{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"U\"},"
    "{\"role\":\"assistant\",\"content\":\"A\"}]}]";

START_TEST(messages_are_rendered_plain_or_as_chatml)
{
    renders(&(toy_options){ 0 }, "plain", talk,
            "<s>### System:\nS\n\n### User:\nU\n\n### Assistant:\n[A</s>]");
    renders(&(toy_options){ .chat = true }, "chatml", talk,
            "<s><|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
            "<|im_start|>assistant\n[A<|im_end|></s>]");
    renders(&(toy_options){ .chat = true, .no_eos = true }, "chatml", talk,
            "<s><|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
            "<|im_start|>assistant\n[A<|im_end|>]");
    renders(&(toy_options){ 0 }, "chatml", talk,
            "<s><|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
            "<|im_start|>assistant\n[A</s>]");
}
END_TEST

/* Several answers: all are learned, and the prompt asks for the last. */
static void answers(const toy_options *toy, const char *template, const char *expected,
                    const char *prompt)
{
    hone_model *model = toy_model(context, toy);
    hone_encode_options options = { .template = template };
    hone_data *data = rows_of("[{\"conversations\":[{\"from\":\"human\",\"value\":\"1\"},"
                              "{\"from\":\"gpt\",\"value\":\"one\"},{\"from\":\"human\","
                              "\"value\":\"2\"},{\"from\":\"gpt\",\"value\":\"two\"},"
                              "{\"from\":\"system\",\"value\":\"left out\"}]}]");
    hone_examples *examples;
    hone_ids ids = { 0 };
    hone_example e;
    hone_error err;
    char seen[1024] = "";

    ck_ok(hone_data_encode(&examples, data, model, &options, NULL, &err));
    e = hone_examples_at(examples, 0);
    ck_assert_str_eq(show(e), expected);
    ck_ok(hone_data_prompt(data, 0, model, &options, &ids, &err));
    ck_assert_mem_eq(ids.items, e.tokens, ids.count * sizeof *ids.items);
    for (size_t i = 0; i < ids.count; i++)
        strcat(seen, toy_show(&ids.items[i], 1));
    ck_assert_str_eq(seen, prompt);
    hone_free(ids.items);
    hone_examples_free(examples);
    hone_data_free(data);
    hone_model_free(model);
}

START_TEST(every_answer_of_a_conversation_is_learned)
{
    answers(&(toy_options){ 0 }, "plain",
            "<s>### User:\n1\n\n### Assistant:\n[one</s>]\n\n### User:\n2\n\n"
            "### Assistant:\n[two</s>]",
            "<s>### User:\n1\n\n### Assistant:\none</s>\n\n### User:\n2\n\n### Assistant:\n");
    answers(&(toy_options){ .chat = true, .no_eos = true }, "chatml",
            "<s><|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n[one<|im_end|>]\n"
            "<|im_start|>user\n2<|im_end|>\n<|im_start|>assistant\n[two<|im_end|>]",
            "<s><|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\none<|im_end|>\n"
            "<|im_start|>user\n2<|im_end|>\n<|im_start|>assistant\n");
}
END_TEST

START_TEST(no_token_spans_the_border_of_prompt_and_answer)
{
    hone_model *model = toy_model(context, &(toy_options){ .no_bos = true });
    hone_data *data = rows_of("[{\"prompt\":\"x\\n\",\"completion\":\"A\"},"
                              "{\"prompt\":\"x\\nA\",\"completion\":\"y\"},"
                              "{\"prompt\":\"</s>\",\"completion\":\"<|im_end|>\"}]");
    hone_examples *examples;
    hone_error err;

    ck_ok(hone_data_encode(&examples, data, model, NULL, NULL, &err));
    ck_assert_str_eq(toy_show(hone_examples_at(examples, 0).tokens, 4), "x|\n|A|</s>");
    ck_assert_int_eq(hone_examples_at(examples, 0).prompt, 2);
    ck_assert_str_eq(toy_show(hone_examples_at(examples, 1).tokens, 4), "x|\nA|y|</s>");
    /* Names of special tokens in a row are text. */
    ck_assert_int_eq(hone_examples_at(examples, 2).count, 4 + 10 + 1);
    hone_examples_free(examples);
    hone_data_free(data);
    hone_model_free(model);
}
END_TEST

START_TEST(each_instance_is_an_example_and_questions_are_only_asked)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_data *data = rows_of("[{\"instruction\":\"I\",\"instances\":[{\"input\":\"a\",\"output\":"
                              "\"1\"},{\"input\":\"b\",\"output\":\"2\"}]}]");
    hone_examples *examples;
    hone_ids ids = { 0 };
    hone_json *report;
    hone_error err;

    ck_ok(hone_data_encode(&examples, data, model, NULL, &report, &err));
    ck_assert_uint_eq(hone_examples_count(examples), 2);
    ck_assert_uint_eq(hone_examples_at(examples, 1).row, 0);
    ck_assert_ptr_nonnull(strstr(show(hone_examples_at(examples, 1)),
                                 "b\n\n### Response:\n[2</s>]"));
    ck_assert_int_eq(json_integer_value(json_object_get(report, "rows")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(report, "examples")), 2);
    ck_assert_str_eq(hone_data_response(data, 0), "1");
    hone_json_free(report);
    hone_examples_free(examples);
    hone_data_free(data);
    data = rows_of("[{\"turns\":[\"first\",\"second\"]},{\"prompt\":\"p\"},{\"text\":\"t\"}]");
    ck_ok(hone_data_prompt(data, 0, model, NULL, &ids, &err));
    ck_ok(hone_data_prompt(data, 1, model, NULL, &ids, &err));
    ck_ok(hone_data_prompt(data, 2, model, NULL, &ids, &err));
    ck_assert_ptr_nonnull(strstr(toy_show(ids.items, ids.count), "t|:|\n|<s>|p|<s>"));
    for (size_t i = 0; i < 3; i++)
        ck_assert_ptr_null(hone_data_response(data, i));
    hone_free(ids.items);
    hone_data_free(data);
    hone_model_free(model);
}
END_TEST

static json_int_t count_of(const hone_json *report, const char *key)
{
    return json_integer_value(json_object_get(report, key));
}

START_TEST(long_examples_are_cut_dropped_or_refused)
{
    hone_model *model = toy_model(context, &(toy_options){ .limit = 6 });
    hone_data *data = rows_of("[{\"prompt\":\"ab\",\"completion\":\"cd\"},"
                              "{\"prompt\":\"ab\",\"completion\":\"cdefgh\"},"
                              "{\"prompt\":\"abcdef\",\"completion\":\"x\"}]");
    hone_encode_options options = { .too_long = HONE_LONG_TRUNCATE };
    hone_examples *examples;
    hone_json *report;
    hone_error err;

    ck_ok(hone_data_encode(&examples, data, model, &options, &report, &err));
    ck_assert_uint_eq(hone_examples_count(examples), 2);
    ck_assert_str_eq(show(hone_examples_at(examples, 1)), "<s>ab[cde]");
    ck_assert_int_eq(count_of(report, "truncated"), 1);
    ck_assert_int_eq(count_of(report, "dropped"), 1);
    ck_assert_int_eq(count_of(report, "tokens"), 12);
    ck_assert_int_eq(count_of(report, "learned"), 6);
    ck_assert_int_eq(count_of(report, "max_tokens"), 6);
    ck_assert_str_eq(json_string_value(json_object_get(report, "template")), "plain");
    hone_examples_free(examples);
    hone_json_free(report);

    options.too_long = HONE_LONG_DROP;
    ck_ok(hone_data_encode(&examples, data, model, &options, &report, &err));
    ck_assert_uint_eq(hone_examples_count(examples), 1);
    ck_assert_int_eq(count_of(report, "dropped"), 2);
    hone_examples_free(examples);
    hone_json_free(report);

    options.too_long = HONE_LONG_ERROR;
    ck_fails(HONE_EINVAL, hone_data_encode(&examples, data, model, &options, &report, &err));
    support_golden("data-encode-long", err.message);
    options = (hone_encode_options){ .max_tokens = 3 };
    ck_fails(HONE_EINVAL, hone_data_encode(&examples, data, model, &options, &report, &err));
    support_golden("data-encode-nothing", err.message);
    options = (hone_encode_options){ .learn_prompt = true, .max_tokens = 100 };
    ck_ok(hone_data_encode(&examples, data, model, &options, NULL, &err));
    ck_assert_str_eq(show(hone_examples_at(examples, 0)), "<s>[abcd</s>]");
    hone_examples_free(examples);
    hone_data_free(data);
    hone_model_free(model);
}
END_TEST

/* Rows that cannot be rendered, and the golden message of each. */
static const char *const broken[][2] = {
    { "data-row-none", "[{\"text\":\"fine\"},{\"chosen\":\"a\",\"rejected\":\"b\"}]" },
    { "data-row-text", "[{\"text\":\"fine\"},{\"prompt\":\"a\",\"response\":true}]" },
    { "data-row-answer", "[{\"prompt\":\"a\"}]" },
    { "data-row-output", "[{\"instruction\":\"a\"}]" },
    { "data-row-turns", "[{\"turns\":[\"a\"]}]" },
    { "data-row-assistant", "[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}]" },
    { "data-row-messages", "[{\"messages\":\"a\"}]" },
    { "data-row-no-messages", "[{\"messages\":[]}]" },
    { "data-row-message", "[{\"messages\":[\"a\"]}]" },
    { "data-row-role", "[{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}]" },
    { "data-row-content", "[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
                          "{\"role\":\"assistant\",\"content\":null}]}]" },
    { "data-row-from", "[{\"conversations\":[{\"value\":\"a\"}]}]" },
    { "data-row-instances", "[{\"instruction\":\"a\",\"instances\":[{\"input\":1}]}]" },
};

START_TEST(rows_that_cannot_be_rendered_name_line_and_field)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_examples *examples;
    hone_error err;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        hone_data *data = rows_of(broken[i][1]);
        ck_fails(HONE_EFORMAT, hone_data_encode(&examples, data, model, NULL, NULL, &err));
        ck_assert_ptr_null(examples);
        support_golden(broken[i][0], err.message);
        hone_data_free(data);
    }
    hone_model_free(model);
}
END_TEST

START_TEST(what_cannot_be_encoded_with_says_so)
{
    hone_model *model = toy_model(context, &(toy_options){ .no_bos = true });
    hone_data *data = rows_of("[{\"text\":\"t\"}]");
    hone_examples *examples;
    hone_ids ids = { 0 };
    hone_error err;

    ck_fails(HONE_EINVAL, hone_data_encode(&examples, data, model,
                                           &(hone_encode_options){ .template = "alpaca" }, NULL,
                                           &err));
    support_golden("data-template", err.message);
    ck_fails(HONE_EINVAL, hone_data_encode(&examples, data, model,
                                           &(hone_encode_options){ .max_tokens = -1 }, NULL, &err));
    support_golden("data-max-tokens", err.message);
    ck_fails(HONE_EFORMAT, hone_data_prompt(data, 0, model, NULL, &ids, &err));
    support_golden("data-prompt-empty", err.message);
    ck_fails(HONE_EINVAL, hone_data_prompt(data, 1, model, NULL, &ids, &err));
    hone_free(ids.items);
    hone_data_free(data);
    hone_model_free(model);
}
END_TEST

START_TEST(a_folder_with_a_chat_template_is_refused_for_messages_only)
{
    static const char *const cases[][3] = {
        { "tokenizer_config.json", "{\"chat_template\":\"{{ x }}\"}", "data-chat-template" },
        { "chat_template.jinja", "{{ x }}", "data-chat-template-file" },
        { "tokenizer_config.json", "{\"chat_template\":null}", NULL },
    };
    hone_model *made = toy_model(context, &(toy_options){ 0 });
    hone_data *data = rows_of(talk), *pairs = rows_of("[{\"prompt\":\"a\",\"completion\":\"b\"}]");
    hone_error err;

    for (size_t i = 0; i < 3; i++) {
        char folder[512], path[600];
        hone_examples *examples;
        hone_model *model;
        snprintf(folder, sizeof folder, "%s/chat%zu", support_folder(), i);
        ck_assert_int_eq(mkdir(folder, 0777), 0);
        ck_ok(hone_model_save(made, folder, &err));
        snprintf(path, sizeof path, "%s/%s", folder, cases[i][0]);
        support_write(path, cases[i][1], strlen(cases[i][1]));
        ck_ok(hone_model_load(&model, context, folder,
                              &(hone_model_options){ .no_tokenizer = true }, &err));
        ck_fails(HONE_ESTATE, hone_data_encode(&examples, pairs, model, NULL, NULL, &err));
        ck_ok(hone_model_set_tokenizer(model, hone_model_tokenizer(made), &err));
        ck_ok(hone_data_encode(&examples, pairs, model, NULL, NULL, &err));
        hone_examples_free(examples);
        if (cases[i][2]) {
            ck_fails(HONE_EUNSUPPORTED,
                     hone_data_encode(&examples, data, model, NULL, NULL, &err));
            support_golden(cases[i][2], err.message);
        } else {
            ck_ok(hone_data_encode(&examples, data, model, NULL, NULL, &err));
            hone_examples_free(examples);
        }
        hone_model_free(model);
    }
    hone_data_free(data);
    hone_data_free(pairs);
    hone_model_free(made);
}
END_TEST

START_TEST(a_plan_holds_every_example_once_in_batches_that_fit)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_json *rows = json_array();
    hone_plan plan, again, other;
    hone_examples *examples;
    hone_data *data;
    hone_error err;
    bool seen[60] = { false };

    for (int i = 0; i < 60; i++)
        json_array_append_new(rows, json_pack("{s:s%}", "text", "abcdefghijklmnopqrstuvwxyz",
                                              (size_t)(i % 20 + 1)));
    ck_ok(hone_data_new(&data, context, rows, "rows", &err));
    ck_ok(hone_data_encode(&examples, data, model, NULL, NULL, &err));
    ck_ok(hone_examples_plan(examples, 20, 7, 2, &plan, &err));
    ck_ok(hone_examples_plan(examples, 20, 7, 2, &again, &err));
    ck_ok(hone_examples_plan(examples, 20, 7, 3, &other, &err));
    ck_assert_uint_eq(plan.batches[0], 0);
    ck_assert_uint_eq(plan.batches[plan.batches_count], 60);
    ck_assert_mem_eq(plan.order, again.order, 60 * sizeof *plan.order);
    ck_assert_mem_ne(plan.order, other.order, 60 * sizeof *plan.order);
    for (size_t b = 0; b < plan.batches_count; b++) {
        int64_t tokens = 0, n = 0;
        for (size_t i = plan.batches[b]; i < plan.batches[b + 1]; i++, n++) {
            ck_assert(!seen[plan.order[i]]);
            seen[plan.order[i]] = true;
            tokens += hone_examples_at(examples, plan.order[i]).count;
        }
        ck_assert(n == 1 || (n > 1 && tokens <= 20));
        if (b + 1 < plan.batches_count)     /* the next one did not fit */
            ck_assert_int_gt(tokens + hone_examples_at(examples,
                                                       plan.order[plan.batches[b + 1]]).count, 20);
    }
    hone_plan_free(&plan);
    ck_ok(hone_examples_plan(examples, 1000000, 7, -1, &plan, &err));
    ck_assert_uint_eq(plan.batches_count, 1);
    for (size_t i = 0; i < 60; i++)
        ck_assert_uint_eq(plan.order[i], i);
    hone_plan_free(&plan);
    ck_fails(HONE_EINVAL, hone_examples_plan(examples, 0, 7, 0, &plan, &err));
    support_golden("data-plan-tokens", err.message);
    hone_plan_free(&again);
    hone_plan_free(&other);
    hone_examples_free(examples);
    hone_data_free(data);
    hone_json_free(rows);
    hone_model_free(model);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_leak_nothing)
{
    hone_model *model = toy_model(context, &(toy_options){ .chat = true });
    hone_encode_options options = { .template = "chatml" };
    hone_data *data = rows_of(talk);
    int64_t before = hone_alloc_live();

    for (int what = 0; what < 2; what++)
        for (uint64_t n = 1;; n++) {
            hone_examples *examples = NULL;
            hone_json *report = NULL;
            hone_ids ids = { 0 };
            hone_plan plan = { 0 };
            hone_error err = { 0 };
            hone_alloc_fail_after(n);
            int code = what ? hone_data_prompt(data, 0, model, &options, &ids, &err)
                            : hone_data_encode(&examples, data, model, &options, &report, &err);
            if (!code && examples)
                code = hone_examples_plan(examples, 10, 1, 1, &plan, &err);
            hone_alloc_fail_after(0);
            hone_free(ids.items);
            hone_plan_free(&plan);
            hone_examples_free(examples);
            hone_json_free(report);
            ck_assert_int_eq(hone_alloc_live(), before);
            if (code == HONE_OK)
                break;
            ck_assert_msg(code == HONE_ENOMEM && err.message[0], "%d %s", code, err.message);
            ck_assert_uint_lt(n, 1000);
        }
    hone_data_free(data);
    hone_model_free(model);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, a_completion_follows_its_prompt_as_it_stands);
    tcase_add_test(cases, a_text_is_learned_whole);
    tcase_add_test(cases, an_instruction_has_headings);
    tcase_add_test(cases, messages_are_rendered_plain_or_as_chatml);
    tcase_add_test(cases, every_answer_of_a_conversation_is_learned);
    tcase_add_test(cases, no_token_spans_the_border_of_prompt_and_answer);
    tcase_add_test(cases, each_instance_is_an_example_and_questions_are_only_asked);
    tcase_add_test(cases, long_examples_are_cut_dropped_or_refused);
    tcase_add_test(cases, rows_that_cannot_be_rendered_name_line_and_field);
    tcase_add_test(cases, what_cannot_be_encoded_with_says_so);
    tcase_add_test(cases, a_folder_with_a_chat_template_is_refused_for_messages_only);
    tcase_add_test(cases, a_plan_holds_every_example_once_in_batches_that_fit);
    tcase_add_test(cases, failing_allocations_are_errors_and_leak_nothing);
}

int main(void)
{
    Suite *suite = suite_create("data_encode");
    TCase *cases = tcase_create("encode and plan");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    add_tests(cases);
    suite_add_tcase(suite, cases);
    return support_run(suite);
}
