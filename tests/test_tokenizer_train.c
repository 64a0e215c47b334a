/* test_tokenizer_train.c -- learning a vocabulary from texts. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static hone_error err;
static hone_context *context;
static hone_instance *tokenizer;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_instance_free(tokenizer);
    hone_context_free(context);
    tokenizer = NULL;
}

static void make(const char *options)
{
    hone_json *json;

    hone_instance_free(tokenizer);
    tokenizer = NULL;
    ck_ok(hone_json_parse(&json, options, strlen(options), "options", &err));
    ck_ok(hone_instance_new(&tokenizer, context, "tokenizer", "bpe", json, &err));
    hone_json_free(json);
}

struct texts {
    const char *const *items;
    size_t count, next;
};

static const char *next_text(void *user, size_t *n)
{
    struct texts *t = user;

    if (t->next == t->count)
        return NULL;
    *n = strlen(t->items[t->next]);
    return t->items[t->next++];
}

static int train(int64_t vocab, const char *const *items, size_t count)
{
    const hone_tokenizer_ops *ops = hone_instance_plugin(tokenizer)->ops;
    struct texts texts = { items, count, 0 };

    return ops->train(hone_instance_self(tokenizer), vocab, next_text, &texts, &err);
}

static json_t *saved(void)
{
    char path[4096];
    json_t *json;

    ck_ok(hone_tokenizer_save(tokenizer, support_folder(), &err));
    snprintf(path, sizeof path, "%s/tokenizer.json", support_folder());
    ck_ok(hone_json_read(&json, path, &err));
    return json;
}

/* The merges as lines, "a b". */
static char *merges_of(const json_t *json)
{
    const json_t *merges = json_object_get(json_object_get(json, "model"), "merges"), *merge;
    hone_text text = {0};
    size_t i;

    ck_ok(hone_text_push(&text, "", 0, &err));
    json_array_foreach(merges, i, merge) {
        const char *a = json_string_value(json_array_get(merge, 0));
        const char *b = json_string_value(json_array_get(merge, 1));

        ck_ok(hone_text_push(&text, a, strlen(a), &err));
        ck_ok(hone_text_push(&text, " ", 1, &err));
        ck_ok(hone_text_push(&text, b, strlen(b), &err));
        ck_ok(hone_text_push(&text, "\n", 1, &err));
    }
    return text.bytes;
}

static void learns(const char *expected)
{
    json_t *json = saved();
    char *merges = merges_of(json);

    ck_assert_str_eq(merges, expected);
    hone_free(merges);
    json_decref(json);
}

START_TEST(it_learns_the_merges_of_the_reference)
{
    char *corpus, *expected;
    json_t *json, *vocab;

    if (!support_data("tokenizers/bpe_training/corpus.en")) {
        support_skip("it learns the merges of the reference", "no test data");
        return;
    }
    corpus = support_read(support_data("tokenizers/bpe_training/corpus.en"), NULL);
    expected = support_read(support_data("tokenizers/bpe_training/merges.txt"), NULL);
    make("{}");
    ck_ok(train(500, (const char *const[]){ corpus }, 1));
    learns(expected);
    json = saved();
    ck_ok(hone_json_read(&vocab, support_data("tokenizers/bpe_training/vocab.json"), &err));
    ck_assert(json_equal(json_object_get(json_object_get(json, "model"), "vocab"), vocab));
    json_decref(json);
    json_decref(vocab);
    hone_free(corpus);
    hone_free(expected);
}
END_TEST

/* Counts: es 9, st 9, then "est" of two makings; ties go to the greater pair. */
START_TEST(the_most_frequent_pair_goes_first_and_ties_to_the_greater)
{
    static const char text[] = "low low low low low lower lower widest widest widest newest newest "
                               "newest newest newest newest";

    make("{\"special\":[]}");
    ck_ok(train(256 + 6, (const char *const[]){ text }, 1));
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 262);
    learns("s t\ne st\no w\nl ow\nw est\nn e\n");
}
END_TEST

START_TEST(what_it_learned_encodes_decodes_and_is_read_back)
{
    static const char text[] = "a banana, a bandana: \xc3\xa9t\xc3\xa9<|end|>";
    hone_ids before = {0}, after = {0};
    hone_text back = {0};

    make("{\"special\":[\"<|end|>\",\"<|pad|>\"],\"pattern\":\"llama3\"}");
    ck_ok(train(270, (const char *const[]){ text, "band\n", text }, 3));
    ck_assert_int_eq(hone_tokenizer_find(tokenizer, "<|pad|>", 7), 1);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "pad"), 1);
    ck_ok(hone_tokenizer_encode(tokenizer, text, strlen(text), HONE_ENCODE_SPECIAL, &before, &err));
    ck_assert_uint_lt(before.count, 20);
    ck_assert_int_eq(before.items[before.count - 1], 0);
    ck_ok(hone_tokenizer_decode(tokenizer, before.items, before.count, true, &back, &err));
    ck_assert_str_eq(back.bytes, text);
    ck_ok(hone_tokenizer_save(tokenizer, support_folder(), &err));
    hone_instance_free(tokenizer);
    ck_ok(hone_tokenizer_load(&tokenizer, context, support_folder(), &err));
    ck_ok(hone_tokenizer_encode(tokenizer, text, strlen(text), HONE_ENCODE_SPECIAL, &after, &err));
    ck_assert_uint_eq(after.count, before.count);
    ck_assert_mem_eq(after.items, before.items, before.count * sizeof *before.items);
    hone_free(before.items);
    hone_free(after.items);
    hone_free(back.bytes);
}
END_TEST

START_TEST(texts_that_give_too_few_pairs_give_a_smaller_vocabulary)
{
    make("{\"special\":[]}");
    ck_ok(train(1000, (const char *const[]){ "abab" }, 1));
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 258);
    ck_ok(train(1000, NULL, 0));
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 256);
}
END_TEST

START_TEST(a_vocabulary_that_cannot_be_is_refused)
{
    make("{}");
    ck_fails(HONE_EINVAL, train(256, NULL, 0));
    support_golden("tokenizer-train-small", err.message);
    ck_fails(HONE_EINVAL, train(INT64_MAX, NULL, 0));
    ck_fails(HONE_EINVAL, train(300, (const char *const[]){ "fine", "b\xff" }, 2));
    support_golden("tokenizer-train-utf8", err.message);
    make("{\"special\":[\"<s>\",\"\"]}");
    ck_fails(HONE_EINVAL, train(300, NULL, 0));
    support_golden("tokenizer-train-special", err.message);
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 0);
}
END_TEST

START_TEST(training_stops_when_it_is_interrupted)
{
    make("{}");
    hone_context_interrupt(context);
    ck_fails(HONE_EINTERRUPTED, train(300, (const char *const[]){ "some text, some words" }, 1));
    hone_context_clear_interrupt(context);
    ck_ok(train(260, (const char *const[]){ "some text, some words" }, 1));
}
END_TEST

START_TEST(a_failed_allocation_stops_training_and_leaks_nothing)
{
    static const char *const texts[] = { "one two three, one two, one", "two <|endoftext|> ones" };
    int64_t live;
    int code, failed = 0;

    make("{}");
    live = hone_alloc_live();
    for (uint64_t n = 1;; n++) {
        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = train(270, texts, 2);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            break;
        ck_assert_int_eq(hone_alloc_live(), live);
        ck_assert_msg(err.message[0], "allocation %d failed in silence", (int)n);
        failed++;
    }
    ck_assert_int_gt(failed, 30);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer training");
    TCase *tests = tcase_create("training");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, it_learns_the_merges_of_the_reference);
    tcase_add_test(tests, the_most_frequent_pair_goes_first_and_ties_to_the_greater);
    tcase_add_test(tests, what_it_learned_encodes_decodes_and_is_read_back);
    tcase_add_test(tests, texts_that_give_too_few_pairs_give_a_smaller_vocabulary);
    tcase_add_test(tests, a_vocabulary_that_cannot_be_is_refused);
    tcase_add_test(tests, training_stops_when_it_is_interrupted);
    tcase_add_test(tests, a_failed_allocation_stops_training_and_leaks_nothing);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
