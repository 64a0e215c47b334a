/* test_reliability.c -- what holds for whole runs: from loading a model over
 * steps of training to generation, with short memory, with a large vocabulary,
 * with recomputation, with other numbers of threads, after a stop. */
#include "support.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 50, SEGMENTS = 4, TOKENS = 12 };

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

/* A model with what trains it. Zeroed, it can be closed. */
struct trial {
    hone_model *model;
    hone_instance *strategy, *plugin;
    hone_optimizer *optimizer;
    hone_batch *batch;
    hone_graph *g;
};

static void trial_close(struct trial *t)
{
    hone_graph_free(t->g);
    hone_batch_free(t->batch);
    hone_optimizer_free(t->optimizer);
    hone_instance_free(t->plugin);
    hone_model_free(t->model);
    hone_instance_free(t->strategy);
    *t = (struct trial){ 0 };
}

/* Attach a strategy, an optimizer, and four segments of made-up tokens. */
static int trial_equip(struct trial *t, const char *strategy, bool reversed, hone_error *e)
{
    int code = hone_instance_new(&t->strategy, context, "strategy", strategy, NULL, e);

    if (code == HONE_OK)
        code = hone_model_set_strategy(t->model, t->strategy, e);
    if (code == HONE_OK)
        code = hone_instance_new(&t->plugin, context, "optimizer", "adamw", NULL, e);
    if (code == HONE_OK)
        code = hone_optimizer_new(&t->optimizer, t->model, t->plugin, e);
    if (code == HONE_OK)
        code = hone_graph_new(&t->g, context, NULL, e);
    if (code == HONE_OK)
        code = hone_batch_new(&t->batch, e);
    for (int s = 0; s < SEGMENTS && code == HONE_OK; s++) {
        int which = reversed ? SEGMENTS - 1 - s : s;
        int32_t tokens[TOKENS];
        float weights[TOKENS];

        for (int i = 0; i < TOKENS; i++)
            tokens[i] = (which * 17 + i * 5) % 48, weights[i] = i > 0;
        code = hone_batch_add(t->batch, tokens, weights, TOKENS - which, e);
    }
    return code;
}

static hone_tensor *trial_loss(struct trial *t)
{
    return hone_head_cross_entropy(t->g, hone_model_hidden(t->model, t->g, t->batch, NULL),
                                   hone_model_head(t->model), hone_batch_targets(t->batch),
                                   hone_batch_weights(t->batch), NULL);
}

static int trial_step(struct trial *t, uint64_t seed, double *loss, hone_error *e)
{
    hone_graph_options options = { .record = true, .train = true, .seed = seed };
    int code = hone_graph_begin(t->g, &options, e), ended;
    hone_tensor *sum;

    if (code != HONE_OK)
        return code;
    sum = trial_loss(t);
    if (sum && loss)
        *loss = hone_tensor_get(sum, 0);
    code = sum ? hone_graph_backward(t->g, sum, 1.0 / (SEGMENTS * TOKENS), e) : HONE_OK;
    ended = hone_graph_end(t->g, code == HONE_OK ? e : NULL);
    code = code == HONE_OK ? ended : code;
    if (code == HONE_OK)
        code = hone_optimizer_step(t->optimizer, 1, 1, 1, NULL, e);
    return code;
}

static hone_json *llama(int64_t layers, int64_t width, int64_t vocab)
{
    hone_json *json = support_json("{'model_type': 'llama', 'num_attention_heads': 2,"
                                   " 'max_position_embeddings': 512, 'tie_word_embeddings': true}");

    json_object_set_new(json, "num_hidden_layers", json_integer(layers));
    json_object_set_new(json, "hidden_size", json_integer(width));
    json_object_set_new(json, "intermediate_size", json_integer(3 * width));
    json_object_set_new(json, "vocab_size", json_integer(vocab));
    return json;
}

static void trial_open(struct trial *t, const char *strategy, bool reversed)
{
    hone_json *json = llama(2, 16, 48);

    *t = (struct trial){ 0 };
    ck_ok(hone_model_new(&t->model, context, json, NULL, 1, &err));
    ck_ok(trial_equip(t, strategy, reversed, &err));
    hone_json_free(json);
}

/* ---- short memory ---- */

static int whole_way(struct trial *t, hone_samples **samples, hone_error *e)
{
    static const int32_t prompt[] = { 1, 2, 3 };
    hone_generate_options options = hone_generate_defaults();
    char path[512];
    int code = hone_model_load(&t->model, context, support_file("parity/models/llama"), NULL, e);

    options.max_tokens = 2;
    options.ignore_eos = true;
    snprintf(path, sizeof path, "%s/optimizer.safetensors", support_folder());
    if (code == HONE_OK)
        code = trial_equip(t, "lora", false, e);
    if (code == HONE_OK)
        code = trial_step(t, 1, NULL, e);
    if (code == HONE_OK)
        code = hone_optimizer_save(t->optimizer, path, e);
    if (code == HONE_OK)
        code = hone_generate(samples, t->model, &(hone_prompt){ prompt, 3, NULL }, 1, &options,
                             NULL, NULL, e);
    return code;
}

/* Each allocation with HONE_EVERY=1; by default some of them. */
START_TEST(short_memory_anywhere_between_loading_and_generation_is_an_error_and_leaks_nothing)
{
    const char *every = getenv("HONE_EVERY");
    uint64_t stride = every ? strtoull(every, NULL, 10) : 23, tried = 0;
    struct trial t = { 0 };
    hone_samples *samples = NULL;
    int64_t live;
    int code = whole_way(&t, &samples, &err);

    ck_assert_msg(code == HONE_OK, "%s", err.message); /* what the context keeps is there now */
    hone_samples_free(samples);
    trial_close(&t);
    live = hone_alloc_live();
    for (uint64_t n = 1;; n += stride, tried++) {
        hone_error e = { 0 };

        samples = NULL;
        hone_alloc_fail_after(n);
        code = whole_way(&t, &samples, &e);
        hone_alloc_fail_after(0);
        hone_samples_free(samples);
        trial_close(&t);
        ck_assert_msg(hone_alloc_live() == live, "%" PRId64 " leak when number %" PRIu64 " fails",
                      hone_alloc_live() - live, n);
        if (code == HONE_OK)
            break;
        ck_assert_msg(code == HONE_ENOMEM && e.message[0], "number %" PRIu64 ": %d %s", n, code,
                      e.message);
    }
    printf("# %" PRIu64 " failing allocations\n", tried);
    ck_assert_uint_gt(tried, 20);
}
END_TEST

/* ---- memory ---- */

typedef hone_tensor *loss_fn(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                             const int32_t *targets);

static hone_tensor *cross_entropy(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                                  const int32_t *targets)
{
    return hone_head_cross_entropy(g, hidden, head, targets, NULL, NULL);
}

static hone_tensor *logp(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                         const int32_t *targets)
{
    return hone_sum(g, hone_head_logp(g, hidden, head, targets, NULL));
}

/* Bytes that a step of this loss holds at most. */
static size_t peak_of(const hone_model *model, loss_fn *loss, int64_t tokens)
{
    hone_graph_options options = { .record = true };
    int32_t *targets = hone_alloc((size_t)tokens, sizeof *targets);
    hone_tensor *hidden;
    hone_graph *g;
    size_t peak;

    for (int64_t i = 0; i < tokens; i++)
        targets[i] = (int32_t)(i * 293 % hone_model_vocab(model));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    hidden = hone_graph_tensor(g, 2, (int64_t[]){ tokens, hone_model_width(model) });
    hone_tensor_require_grad(hidden, true);
    ck_ok(hone_graph_backward(g, loss(g, hidden, hone_model_head(model), targets), 1, &err));
    peak = hone_graph_peak(g);
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
    hone_free(targets);
    return peak;
}

START_TEST(with_a_large_vocabulary_memory_does_not_grow_with_tokens_times_vocabulary)
{
    loss_fn *const losses[] = { cross_entropy, logp };
    hone_json *json = llama(1, 8, 151936);
    hone_instance *full;
    hone_model *model;
    size_t few, many;

    ck_ok(hone_model_new(&model, context, json, NULL, 1, &err));
    ck_ok(hone_instance_new(&full, context, "strategy", "full", NULL, &err));
    ck_ok(hone_model_set_strategy(model, full, &err));
    few = peak_of(model, losses[_i], 384);
    many = peak_of(model, losses[_i], 640);
    printf("# vocabulary 151936: %zu bytes for 384 tokens, %zu for 640\n", few, many);
    /* 256 more rows of logits would be 148 MB. */
    ck_assert_msg(many < few + ((size_t)1 << 20), "%zu bytes for 384 tokens, %zu for 640", few, many);
    hone_model_free(model);
    hone_instance_free(full);
    hone_json_free(json);
}
END_TEST

static size_t step_peak(bool recompute, hone_memory_estimate *estimate)
{
    hone_graph_options options = { .record = true };
    hone_json *json = llama(12, 64, 256);
    struct trial t = { 0 };
    int32_t tokens[256];
    float weights[256];
    size_t peak;

    ck_ok(hone_model_new(&t.model, context, json, NULL, 1, &err));
    hone_model_set_recompute(t.model, recompute);
    ck_ok(trial_equip(&t, "full", false, &err));
    hone_batch_clear(t.batch);
    for (int i = 0; i < 256; i++)
        tokens[i] = i, weights[i] = 1;
    ck_ok(hone_batch_add(t.batch, tokens, weights, 256, &err));
    ck_ok(hone_graph_begin(t.g, &options, &err));
    ck_ok(hone_graph_backward(t.g, trial_loss(&t), 1, &err));
    peak = hone_graph_peak(t.g);
    ck_ok(hone_graph_end(t.g, &err));
    ck_ok(hone_model_estimate(t.model, hone_batch_tokens(t.batch), hone_batch_outputs(t.batch), 2,
                              estimate, &err));
    trial_close(&t);
    hone_json_free(json);
    return peak;
}

START_TEST(recomputation_halves_the_activations_of_twelve_layers)
{
    hone_memory_estimate kept, less;
    size_t whole = step_peak(false, &kept), half = step_peak(true, &less);

    printf("# 12 layers: %zu bytes, recomputed %zu (estimated %zu, %zu)\n", whole, half,
           kept.activations, less.activations);
    ck_assert_msg(2 * half <= whole, "%zu bytes, recomputed %zu", whole, half);
}
END_TEST

START_TEST(the_peak_of_a_step_is_within_a_tenth_of_the_estimate)
{
    hone_memory_estimate e;
    size_t peak = step_peak(_i, &e), state = e.weights + e.gradients + e.optimizer;
    double ratio = (double)e.total / (double)(state + peak);

    printf("# estimate over peak: %.3f\n", ratio);
    ck_assert_msg(ratio > 0.9 && ratio < 1.1, "estimated %zu, measured %zu", e.total, state + peak);
}
END_TEST

/* ---- the same bits ---- */

static const char *const strategies[] = { "full", "lora" };

static void train(struct trial *t, int first, int last)
{
    for (int step = first; step <= last; step++)
        ck_ok(trial_step(t, (uint64_t)step, NULL, &err));
}

/* Bits after STEPS steps on one thread. */
static void expected_hash(const char *strategy, char hex[static 65])
{
    struct trial t;

    ck_ok(hone_context_set_threads(context, 1, &err));
    trial_open(&t, strategy, false);
    train(&t, 1, STEPS);
    ck_ok(hone_model_hash(t.model, hex, &err));
    trial_close(&t);
}

START_TEST(fifty_steps_have_the_same_bits_on_one_thread_two_and_three)
{
    char one[65], more[65];

    expected_hash(strategies[_i], one);
    for (int threads = 2; threads <= 3; threads++) {
        struct trial t;

        ck_ok(hone_context_set_threads(context, threads, &err));
        trial_open(&t, strategies[_i], false);
        train(&t, 1, STEPS);
        ck_ok(hone_model_hash(t.model, more, &err));
        ck_assert_str_eq(more, one);
        trial_close(&t);
    }
}
END_TEST

START_TEST(fifty_steps_that_were_interrupted_have_the_same_bits)
{
    struct trial t;
    char whole[65], parts[65], path[512];

    expected_hash(strategies[_i], whole);
    snprintf(path, sizeof path, "%s/half.safetensors", support_folder());
    trial_open(&t, strategies[_i], false);
    train(&t, 1, STEPS / 2);
    ck_ok(hone_optimizer_save(t.optimizer, path, &err));
    trial_close(&t);
    trial_open(&t, strategies[_i], false);
    ck_ok(hone_optimizer_load(t.optimizer, path, &err));
    train(&t, STEPS / 2 + 1, STEPS);
    ck_ok(hone_model_hash(t.model, parts, &err));
    ck_assert_str_eq(parts, whole);
    trial_close(&t);
}
END_TEST

/* The forward pass of a text does not depend on its place; gradients of a
 * step's texts are summed in the order of packing, so a step rounds otherwise. */
START_TEST(packed_in_another_order_a_text_has_the_same_bits_and_a_run_the_same_course)
{
    struct trial t[2];
    hone_tensor *hidden[2];
    double loss[2] = { 0, 0 };
    size_t row = 0, width;

    for (int i = 0; i < 2; i++) {
        trial_open(&t[i], "full", i);
        ck_ok(hone_graph_begin(t[i].g, NULL, &err));
        hidden[i] = hone_model_hidden(t[i].model, t[i].g, t[i].batch, NULL);
        ck_assert_ptr_nonnull(hidden[i]);
    }
    width = (size_t)hone_tensor_extent(hidden[0], 1) * sizeof(float);
    for (int s = 0; s < SEGMENTS; s++) {
        size_t rows = (size_t)(TOKENS - s - 1), there = 0;

        for (int later = s + 1; later < SEGMENTS; later++)
            there += (size_t)(TOKENS - later - 1);
        ck_assert_mem_eq((const char *)hone_tensor_bytes(hidden[0]) + row * width,
                         (const char *)hone_tensor_bytes(hidden[1]) + there * width, rows * width);
        row += rows;
    }
    ck_assert_int_eq((int64_t)row, hone_tensor_extent(hidden[0], 0));
    for (int i = 0; i < 2; i++) {
        ck_ok(hone_graph_end(t[i].g, &err));
        for (int step = 1; step <= STEPS; step++)
            ck_ok(trial_step(&t[i], (uint64_t)step, &loss[i], &err));
        trial_close(&t[i]);
    }
    ck_assert_double_eq_tol(loss[0], loss[1], 1e-4 * loss[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reliability");
    TCase *tc = tcase_create("reliability");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, short_memory_anywhere_between_loading_and_generation_is_an_error_and_leaks_nothing);
    tcase_add_loop_test(tc, with_a_large_vocabulary_memory_does_not_grow_with_tokens_times_vocabulary, 0, 2);
    tcase_add_test(tc, recomputation_halves_the_activations_of_twelve_layers);
    tcase_add_loop_test(tc, the_peak_of_a_step_is_within_a_tenth_of_the_estimate, 0, 2);
    tcase_add_loop_test(tc, fifty_steps_have_the_same_bits_on_one_thread_two_and_three, 0, 2);
    tcase_add_loop_test(tc, fifty_steps_that_were_interrupted_have_the_same_bits, 0, 2);
    tcase_add_test(tc, packed_in_another_order_a_text_has_the_same_bits_and_a_run_the_same_course);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
