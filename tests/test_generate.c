/* test_generate.c -- generation: with a toy model whose next token can be
 * looked up, and with a trained one whose text is known. */
#include "support.h"
#include "toy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hone_context *context;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

/* After each letter of `chain` comes the next one, by far; after the last, </s>. */
static void chain_of(hone_model *model, const char *chain)
{
    for (size_t i = 0; chain[i]; i++)
        toy_logits(model, (unsigned char)chain[i])[chain[i + 1] ? chain[i + 1] : TOY_EOS] = 9;
}

static hone_samples *generate(hone_model *model, const char *prompts,
                              const hone_generate_options *options)
{
    size_t count = strlen(prompts);
    int32_t *tokens = hone_alloc(count + 1, sizeof *tokens);
    hone_prompt *list = hone_alloc(count + 1, sizeof *list);
    hone_samples *samples;
    hone_error err;

    for (size_t i = 0; i < count; i++) {
        tokens[i] = (unsigned char)prompts[i];
        list[i] = (hone_prompt){ .tokens = &tokens[i], .count = 1 };
    }
    ck_ok(hone_generate(&samples, model, list, count, options, NULL, NULL, &err));
    hone_free(tokens);
    hone_free(list);
    return samples;
}

START_TEST(greedy_follows_the_largest_logit_to_the_end_of_the_text)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_samples *samples;
    const hone_sample *s;
    double sum = exp(9) + TOY_VOCAB - 1;

    chain_of(model, "abcd");
    samples = generate(model, "ac", NULL);
    ck_assert_uint_eq(hone_samples_count(samples), 2);
    s = hone_samples_at(samples, 0);
    ck_assert_str_eq(s->prompt, "a");
    ck_assert_str_eq(s->response, "bcd");
    ck_assert_str_eq(s->finish, "stop");
    ck_assert_int_eq(s->prompt_tokens, 1);
    ck_assert_int_eq(s->response_tokens, 4);
    ck_assert_str_eq(toy_show(s->tokens, 5), "a|b|c|d|</s>");
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(s->logp[i], 9 - log(sum), 1e-6);
    ck_assert_int_eq(hone_samples_at(samples, 1)->group, 1);
    ck_assert_str_eq(hone_sample_response(samples, 1), "d");
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(ids_beyond_the_tokenizer_have_no_text)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    hone_instance *bytes;
    hone_samples *samples;
    hone_error err;

    ck_ok(hone_instance_new(&bytes, context, "tokenizer", "byte", NULL, &err));
    ck_assert_int_le(hone_tokenizer_vocab(bytes), TOY_SPACE_B);
    ck_ok(hone_model_set_tokenizer(model, bytes, &err));
    toy_logits(model, 'a')[TOY_SPACE_B] = 9;
    toy_logits(model, TOY_SPACE_B)['c'] = 9;
    options.max_tokens = 2;
    samples = generate(model, "a", &options);
    ck_assert_int_eq(hone_samples_at(samples, 0)->response_tokens, 2);
    ck_assert_str_eq(hone_sample_response(samples, 0), "c");
    hone_samples_free(samples);
    hone_instance_free(bytes);
    hone_model_free(model);
}
END_TEST

START_TEST(responses_end_at_their_length_or_at_the_limit_of_the_model)
{
    hone_model *model = toy_model(context, &(toy_options){ .limit = 4 });
    hone_generate_options options = hone_generate_defaults();
    hone_samples *samples;

    chain_of(model, "abcdefgh");
    options.max_tokens = 2;
    samples = generate(model, "a", &options);
    ck_assert_str_eq(hone_sample_response(samples, 0), "bc");
    ck_assert_str_eq(hone_samples_at(samples, 0)->finish, "length");
    hone_samples_free(samples);
    options.max_tokens = 100;
    samples = generate(model, "a", &options);
    ck_assert_str_eq(hone_sample_response(samples, 0), "bcd");
    ck_assert_str_eq(hone_samples_at(samples, 0)->finish, "length");
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(stop_texts_are_found_across_tokens_and_kept_out)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    hone_samples *samples;

    chain_of(model, "abcdefgh");
    options.stop = (const char *const[]){ "xyz", "fg", "ef", NULL };
    samples = generate(model, "ae", &options);
    ck_assert_str_eq(hone_sample_response(samples, 0), "bcd");
    ck_assert_str_eq(hone_samples_at(samples, 0)->finish, "stop");
    ck_assert_int_eq(hone_sample_response_tokens(samples, 0), 5);
    ck_assert_str_eq(hone_sample_response(samples, 1), "");
    hone_samples_free(samples);
    options.stop = NULL;
    options.stop_tokens = (const int32_t[]){ 'q', 'd' };
    options.stop_tokens_count = 2;
    samples = generate(model, "a", &options);
    ck_assert_str_eq(hone_sample_response(samples, 0), "bc");
    ck_assert_int_eq(hone_sample_response_tokens(samples, 0), 3);
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(the_end_of_the_text_may_be_ignored)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    hone_samples *samples;

    chain_of(model, "ab");
    toy_logits(model, TOY_EOS)['a'] = 9;
    options.ignore_eos = true;
    options.max_tokens = 6;
    samples = generate(model, "a", &options);
    ck_assert_str_eq(hone_sample_response(samples, 0), "baba");
    ck_assert_str_eq(hone_samples_at(samples, 0)->finish, "length");
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(what_a_sample_is_does_not_depend_on_what_is_decoded_beside_it)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    static const int64_t batches[] = { 1, 3, 5, 64 };
    hone_samples *first = NULL;
    int differ = 0;

    for (int32_t t = 0; t < TOY_BOS; t++)
        for (int32_t k = 'a'; k <= 'z'; k++)
            toy_logits(model, t)[k] = 6 + (float)((t * 7 + k * 3) % 5) / 2;
    for (int32_t k = 'a'; k <= 'z'; k++)
        toy_logits(model, k)[TOY_EOS] = 7;
    options.samples = 4;
    options.temperature = 0.8;
    options.max_tokens = 20;
    options.seed = 5;
    for (size_t b = 0; b < 4; b++) {
        hone_samples *samples;
        options.batch = batches[b];
        samples = generate(model, "abcdabc", &options);
        ck_assert_uint_eq(hone_samples_count(samples), 28);
        for (size_t i = 0; i < 28; i++) {
            const hone_sample *s = hone_samples_at(samples, i), *r;
            ck_assert_int_eq(s->group, (int64_t)i / 4);
            if (!first)
                continue;
            r = hone_samples_at(first, i);
            ck_assert_str_eq(s->response, r->response);
            ck_assert_int_eq(s->response_tokens, r->response_tokens);
            ck_assert_mem_eq(s->tokens, r->tokens,
                             (size_t)(s->prompt_tokens + s->response_tokens) * sizeof *s->tokens);
            ck_assert_mem_eq(s->logp, r->logp, (size_t)s->response_tokens * sizeof *s->logp);
            differ += strcmp(s->response, hone_sample_response(first, i / 4 * 4)) != 0;
        }
        if (first)
            hone_samples_free(samples);
        else
            first = samples;
    }
    ck_assert_int_gt(differ, 3 * 15);
    options.seed = 6;
    options.batch = 0;
    hone_samples *other = generate(model, "abcdabc", &options);
    ck_assert_str_ne(hone_sample_response(first, 0), hone_sample_response(other, 0));
    hone_samples_free(other);
    hone_samples_free(first);
    hone_model_free(model);
}
END_TEST

/* log p(token | before), among the kept, for every token of a sample. */
START_TEST(log_probabilities_are_of_what_was_sampled_from)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    hone_samples *samples;

    for (int32_t t = 0; t < 128; t++)
        toy_logits(model, t)['x'] = 8, toy_logits(model, t)['y'] = 7, toy_logits(model, t)['z'] = 6;
    options.samples = 3;
    options.temperature = 2;
    options.top_k = 2;
    options.max_tokens = 50;
    samples = generate(model, "a", &options);
    for (size_t i = 0; i < 3; i++) {
        const hone_sample *s = hone_samples_at(samples, i);
        for (int64_t k = 0; k < s->response_tokens; k++) {
            int32_t token = s->tokens[s->prompt_tokens + k];
            ck_assert(token == 'x' || token == 'y');
            ck_assert_double_eq_tol(s->logp[k], (token == 'x' ? 0 : -0.5) - log(1 + exp(-0.5)),
                                    1e-6);
        }
    }
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

/* ---- environments ---- */

/* What was said to an environment, and what it answers: a letter a turn. */
struct game {
    const char *answers;  /* of turns 1, 2, ...; '-': none */
    char heard[256];
    int32_t token;        /* instead; 0: none */
    int code;
};

static int play(void *user, size_t prompt, int64_t sample, int64_t turn, const char *text,
                hone_ids *answer, hone_error *err)
{
    struct game *game = user;
    size_t n = strlen(game->heard);
    char said = game->answers[turn - 1];

    snprintf(game->heard + n, sizeof game->heard - n, "%zu/%d/%d:%s ", prompt, (int)sample,
             (int)turn, text);
    if (game->code)
        return hone_fail(err, game->code, "the game is broken");
    if (game->token)
        return hone_ids_push(answer, game->token, err);
    return said == '-' ? HONE_OK : hone_ids_push(answer, said, err);
}

START_TEST(an_environment_answers_turns_until_it_has_nothing_to_say)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    struct game game = { .answers = "kx-" };
    static const uint8_t own[] = { 1, 1, 0, 1, 1, 0, 1 };
    hone_samples *samples;
    const hone_sample *s;

    chain_of(model, "ab");
    chain_of(model, "kl");
    chain_of(model, "x");
    options.environment = play;
    options.environment_user = &game;
    samples = generate(model, "a", &options);
    s = hone_samples_at(samples, 0);
    ck_assert_str_eq(game.heard, "0/0/1:b 0/0/2:l 0/0/3: ");
    ck_assert_str_eq(toy_show(s->tokens + 1, 7), "b|</s>|k|l|</s>|x|</s>");
    ck_assert_int_eq(s->response_tokens, 7);
    ck_assert_mem_eq(s->own, own, sizeof own);
    ck_assert_str_eq(s->response, "bklx");
    ck_assert_str_eq(s->finish, "stop");
    ck_assert(s->logp[0] < 0 && s->logp[2] == 0 && s->logp[5] == 0 && s->logp[6] < 0);
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(a_stop_text_ends_a_turn_and_only_the_last_is_cut_off)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    struct game game = { .answers = "akk" };
    hone_samples *samples;

    chain_of(model, "abcdefgh");
    chain_of(model, "klcd");
    options.environment = play;
    options.environment_user = &game;
    options.stop = (const char *const[]){ "cd", NULL };
    options.turns = 3;
    samples = generate(model, "a", &options);
    ck_assert_str_eq(game.heard, "0/0/1:b 0/0/2:b ");
    ck_assert_str_eq(hone_sample_response(samples, 0), "bcdabcdkl");
    ck_assert_int_eq(hone_sample_own_tokens(samples, 0), 9);
    ck_assert_str_eq(hone_samples_at(samples, 0)->finish, "stop");
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(own_tokens_and_the_limit_of_the_model_bound_a_talk)
{
    hone_model *model = toy_model(context, &(toy_options){ .limit = 9 });
    hone_generate_options options = hone_generate_defaults();
    struct game game = { .answers = "aaaaaaaa" };
    hone_samples *samples;
    const hone_sample *s;

    chain_of(model, "ab");
    options.environment = play;
    options.environment_user = &game;
    options.max_tokens = 4;
    samples = generate(model, "a", &options);
    s = hone_samples_at(samples, 0);
    ck_assert_str_eq(toy_show(s->tokens, 6), "a|b|</s>|a|b|</s>");
    ck_assert_int_eq(s->response_tokens, 5);
    ck_assert_str_eq(s->finish, "length");
    hone_samples_free(samples);
    options.max_tokens = 100;
    samples = generate(model, "a", &options);
    s = hone_samples_at(samples, 0);
    ck_assert_str_eq(toy_show(s->tokens, 9), "a|b|</s>|a|b|</s>|a|b|</s>");
    ck_assert_int_eq(s->response_tokens, 8);
    ck_assert_str_eq(s->finish, "length");
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(a_broken_environment_is_an_error)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    struct game game = { .answers = "", .token = TOY_VOCAB };
    int32_t token = 'a';
    hone_prompt prompt = { &token, 1, NULL };
    hone_samples *samples;
    hone_error err;

    chain_of(model, "ab");
    options.environment = play;
    options.environment_user = &game;
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &prompt, 1, &options, NULL, NULL, &err));
    support_golden("generate-environment-token", err.message);
    game = (struct game){ .answers = "", .code = HONE_EIO };
    ck_fails(HONE_EIO, hone_generate(&samples, model, &prompt, 1, &options, NULL, NULL, &err));
    options.turns = -1;
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &prompt, 1, &options, NULL, NULL, &err));
    support_golden("generate-turns", err.message);
    hone_model_free(model);
}
END_TEST

START_TEST(a_penalty_makes_repetition_rare)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    hone_samples *samples;

    for (int32_t t = 0; t < 128; t++)
        toy_logits(model, t)['x'] = 4, toy_logits(model, t)['y'] = 3, toy_logits(model, t)['z'] = 1;
    options.max_tokens = 4;
    options.repetition_penalty = 2;
    samples = generate(model, "ay", &options);
    ck_assert_str_eq(hone_sample_response(samples, 0), "xyxx"); /* 4; 3 > 2; 2 > 1.5 > 1 */
    ck_assert_str_eq(hone_sample_response(samples, 1), "xxxx");
    ck_assert_double_eq_tol(hone_samples_at(samples, 0)->logp[1],
                            3 - log(exp(3) + exp(2) + exp(1) + TOY_VOCAB - 3), 1e-5);
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

struct watch {
    int calls, most;
    char text[64];
};

static bool watch_token(void *user, size_t prompt, int64_t sample, int32_t token, double logp)
{
    struct watch *w = user;

    ck_assert(prompt == 0 && sample == 0 && logp < 0);
    w->text[w->calls] = (char)token;
    return ++w->calls < w->most;
}

START_TEST(tokens_are_handed_out_as_they_come_and_the_caller_may_stop)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    struct watch w = { .most = 9 };
    int32_t token = 'a';
    hone_prompt prompt = { .tokens = &token, .count = 1 };
    hone_samples *samples;
    hone_error err;

    chain_of(model, "abcd");
    ck_ok(hone_generate(&samples, model, &prompt, 1, NULL, watch_token, &w, &err));
    ck_assert_int_eq(w.calls, 4);
    ck_assert_str_eq(w.text, "bcd\x01");
    hone_samples_free(samples);
    w = (struct watch){ .most = 2 };
    ck_fails(HONE_EINTERRUPTED,
             hone_generate(&samples, model, &prompt, 1, NULL, watch_token, &w, &err));
    ck_assert_int_eq(w.calls, 2);
    ck_assert_ptr_null(samples);
    hone_context_interrupt(context);
    ck_fails(HONE_EINTERRUPTED, hone_generate(&samples, model, &prompt, 1, NULL, NULL, NULL, &err));
    hone_context_clear_interrupt(context);
    hone_model_free(model);
}
END_TEST

START_TEST(no_prompts_make_no_samples)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_samples *samples = generate(model, "", NULL);

    ck_assert_uint_eq(hone_samples_count(samples), 0);
    hone_samples_free(samples);
    hone_model_free(model);
}
END_TEST

START_TEST(impossible_prompts_and_options_are_refused_by_name)
{
    hone_model *model = toy_model(context, &(toy_options){ .limit = 3 });
    hone_generate_options good = hone_generate_defaults(), bad;
    hone_samples *samples;
    int32_t ids[] = { 'a', 'b', 'c', TOY_VOCAB };
    hone_prompt fine = { ids, 1, NULL };
    hone_error err;

    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &(hone_prompt){ ids, 3, NULL }, 1, &good,
                                        NULL, NULL, &err));
    support_golden("generate-room", err.message);
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &(hone_prompt){ ids, 0, NULL }, 1, &good,
                                        NULL, NULL, &err));
    support_golden("generate-empty", err.message);
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &(hone_prompt){ ids + 3, 1, NULL }, 1,
                                        &good, NULL, NULL, &err));
    support_golden("generate-token", err.message);
    bad = good, bad.max_tokens = 0;
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &fine, 1, &bad, NULL, NULL, &err));
    support_golden("generate-max-tokens", err.message);
    bad = good, bad.samples = 0;
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &fine, 1, &bad, NULL, NULL, &err));
    support_golden("generate-samples", err.message);
    bad = good, bad.batch = -1;
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &fine, 1, &bad, NULL, NULL, &err));
    support_golden("generate-batch", err.message);
    bad = good, bad.top_p = 0;
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &fine, 1, &bad, NULL, NULL, &err));
    support_golden("sampler-top-p", err.message);
    bad = good, bad.stop = (const char *const[]){ "", NULL };
    ck_fails(HONE_EINVAL, hone_generate(&samples, model, &fine, 1, &bad, NULL, NULL, &err));
    support_golden("generate-stop", err.message);
    toy_logits(model, 'a')['x'] = NAN;
    ck_fails(HONE_ENUMERIC, hone_generate(&samples, model, &fine, 1, &good, NULL, NULL, &err));
    support_golden("generate-nan", err.message);
    hone_model_free(model);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_leak_nothing)
{
    hone_model *model = toy_model(context, &(toy_options){ 0 });
    hone_generate_options options = hone_generate_defaults();
    int32_t ids[] = { 'a', 'c' };
    hone_prompt prompts[] = { { ids, 1, NULL }, { ids + 1, 1, NULL } };
    int64_t before = hone_alloc_live();

    chain_of(model, "abcd");
    options.environment = play;
    for (options.samples = 1; options.samples <= 2; options.samples++)
        for (uint64_t n = 1;; n++) {
            hone_samples *samples;
            hone_error err = { 0 };
            struct game game = { .answers = "a-" };
            options.environment_user = &game;
            hone_alloc_fail_after(n);
            int code = hone_generate(&samples, model, prompts, 2, &options, NULL, NULL, &err);
            hone_alloc_fail_after(0);
            hone_samples_free(samples);
            ck_assert_int_eq(hone_alloc_live(), before);
            if (code == HONE_OK)
                break;
            ck_assert_msg(code == HONE_ENOMEM && err.message[0], "%d %s", code, err.message);
            ck_assert_uint_lt(n, 2000);
        }
    hone_model_free(model);
}
END_TEST

/* ---- a trained model ---- */

static hone_model *stories(const char *test)
{
    const char *folder = support_data("models/stories260k");
    hone_model *model = NULL;
    hone_error err;

    if (folder)
        ck_ok(hone_model_load(&model, context, folder, NULL, &err));
    else
        support_skip(test, "no test data");
    return model;
}

START_TEST(a_trained_model_writes_its_known_story)
{
    hone_model *model = stories("a_trained_model_writes_its_known_story");
    hone_generate_options options = hone_generate_defaults();
    hone_samples *samples;
    hone_error err;
    int32_t bos = 1;
    hone_prompt prompts[] = { { &bos, 1, NULL }, { &bos, 1, NULL } };
    char *expected;
    size_t n;

    if (!model)
        return;
    expected = support_read(support_data("models/stories260k/greedy.txt"), &n);
    ck_assert_int_eq(expected[n - 1], '\n');        /* whoever printed it ended the line */
    expected[n - 1] = '\0';
    options.max_tokens = 256;
    ck_ok(hone_generate(&samples, model, prompts, 2, &options, NULL, NULL, &err));
    ck_assert_str_eq(hone_sample_response(samples, 0), expected);
    ck_assert_str_eq(hone_sample_response(samples, 1), expected);
    hone_samples_free(samples);
    hone_free(expected);
    hone_model_free(model);
}
END_TEST

/* Several prompts and samples, decoded one by one and in batches of any size:
 * the same bits. */
START_TEST(a_trained_model_answers_alone_as_in_company)
{
    hone_model *model = stories("a_trained_model_answers_alone_as_in_company");
    static const char *const texts[] = { "Once upon a time", "The dog", "Tom and Lily went" };
    hone_generate_options options = hone_generate_defaults();
    static const int64_t batches[] = { 0, 2, 5, 40 };
    hone_samples *together, *alone;
    hone_ids ids[3] = { { 0 } };
    hone_prompt prompts[3];
    hone_error err;

    if (!model)
        return;
    for (int i = 0; i < 3; i++) {
        ck_ok(hone_tokenizer_encode(hone_model_tokenizer(model), texts[i], strlen(texts[i]),
                                    HONE_ENCODE_BOS, &ids[i], &err));
        prompts[i] = (hone_prompt){ ids[i].items, (int64_t)ids[i].count, NULL };
    }
    options.temperature = 0.9;
    options.top_p = 0.95;
    options.samples = 7;
    options.max_tokens = 40;
    options.batch = 1;
    ck_ok(hone_generate(&alone, model, prompts, 3, &options, NULL, NULL, &err));
    for (size_t n = 0; n < sizeof batches / sizeof *batches; n++) {
        options.batch = batches[n];
        ck_ok(hone_generate(&together, model, prompts, 3, &options, NULL, NULL, &err));
        for (size_t i = 0; i < 21; i++) {
            const hone_sample *a = hone_samples_at(together, i), *b = hone_samples_at(alone, i);
            ck_assert_str_eq(a->response, b->response);
            ck_assert_int_eq(a->response_tokens, b->response_tokens);
            ck_assert_mem_eq(a->logp, b->logp, (size_t)a->response_tokens * sizeof *a->logp);
        }
        hone_samples_free(together);
    }
    ck_assert_str_ne(hone_sample_response(alone, 0), hone_sample_response(alone, 1));
    for (int i = 0; i < 3; i++)
        hone_free(ids[i].items);
    hone_samples_free(alone);
    hone_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generate");
    TCase *toy = tcase_create("toy"), *trained = tcase_create("trained");

    tcase_add_checked_fixture(toy, setup, teardown);
    tcase_set_timeout(toy, 120);
    tcase_add_test(toy, greedy_follows_the_largest_logit_to_the_end_of_the_text);
    tcase_add_test(toy, ids_beyond_the_tokenizer_have_no_text);
    tcase_add_test(toy, responses_end_at_their_length_or_at_the_limit_of_the_model);
    tcase_add_test(toy, stop_texts_are_found_across_tokens_and_kept_out);
    tcase_add_test(toy, the_end_of_the_text_may_be_ignored);
    tcase_add_test(toy, what_a_sample_is_does_not_depend_on_what_is_decoded_beside_it);
    tcase_add_test(toy, log_probabilities_are_of_what_was_sampled_from);
    tcase_add_test(toy, tokens_are_handed_out_as_they_come_and_the_caller_may_stop);
    tcase_add_test(toy, an_environment_answers_turns_until_it_has_nothing_to_say);
    tcase_add_test(toy, a_stop_text_ends_a_turn_and_only_the_last_is_cut_off);
    tcase_add_test(toy, own_tokens_and_the_limit_of_the_model_bound_a_talk);
    tcase_add_test(toy, a_broken_environment_is_an_error);
    tcase_add_test(toy, a_penalty_makes_repetition_rare);
    tcase_add_test(toy, no_prompts_make_no_samples);
    tcase_add_test(toy, impossible_prompts_and_options_are_refused_by_name);
    tcase_add_test(toy, failing_allocations_are_errors_and_leak_nothing);
    suite_add_tcase(suite, toy);
    tcase_add_checked_fixture(trained, setup, teardown);
    tcase_set_timeout(trained, 120);
    tcase_add_test(trained, a_trained_model_writes_its_known_story);
    tcase_add_test(trained, a_trained_model_answers_alone_as_in_company);
    suite_add_tcase(suite, trained);
    return support_run(suite);
}
