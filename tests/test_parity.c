/* test_parity.c -- models against what transformers, peft and torch computed
 * (tests/parity/README.md): logits, loss, every gradient; and against models
 * that others trained, where the test data is there. */
#include "support.h"

#include <hone/strategy.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOLERANCE 1e-4 /* max|difference| / max|expected| of a tensor */

static const float ones[64] = { [0 ... 63] = 1 };
static hone_error err;
static hone_context *context;
static hone_model *model;
static hone_tensors *expect;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_tensors_free(expect);
    hone_model_free(model);
    hone_context_free(context);
    expect = NULL;
    model = NULL;
}

static void open_pair(const char *folder, const char *name, const char *dtype)
{
    hone_model_options options = { .dtype = dtype };
    char path[256];

    snprintf(path, sizeof path, "parity/models/%s", folder);
    ck_ok(hone_model_load(&model, context, support_file(path), &options, &err));
    snprintf(path, sizeof path, "parity/expect/%s.safetensors", name);
    ck_ok(hone_tensors_open(&expect, support_file(path), &err));
}

static const float *expected(const char *name, int64_t *count)
{
    const hone_tensor_entry *e = hone_tensors_find(expect, name);
    static _Alignas(8) float values[1 << 16];

    ck_assert_msg(e && strcmp(e->dtype, "F32") == 0 && e->size <= sizeof values, "%s", name);
    memcpy(values, e->bytes, e->size);
    *count = (int64_t)(e->size / sizeof *values);
    return values;
}

static int64_t ids(const char *name, int32_t out[64])
{
    const hone_tensor_entry *e = hone_tensors_find(expect, name);

    ck_assert_msg(e && strcmp(e->dtype, "I32") == 0 && e->size <= 64 * sizeof *out, "%s", name);
    memcpy(out, e->bytes, e->size);
    return (int64_t)(e->size / sizeof *out);
}

/* max|a - b| / max|b| of a tensor and what is expected under a name. */
static double deviation(const hone_tensor *t, int64_t count, const char *name)
{
    int64_t n;
    const float *want = expected(name, &n);
    double worst = 0, most = 0;

    ck_assert_msg(n == count && count <= hone_tensor_count(t), "%s: %d of %d", name, (int)count,
                  (int)n);
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(hone_tensor_get(t, i) - (double)want[i]);

        worst = d > worst || isnan(d) ? d : worst;
        most = fmax(most, fabs((double)want[i]));
    }
    return worst / (most > 0 ? most : 1);
}

static hone_graph *begin(const char *kernels, bool record)
{
    hone_graph_options options = { .record = record, .seed = 1 };
    hone_graph *g = NULL;

    ck_ok(hone_graph_new(&g, context, kernels, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    return g;
}

static void end(hone_graph *g)
{
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
}

/* Both sequences as segments, each token but the first a target. */
static hone_batch *both(void)
{
    hone_batch *batch = NULL;
    int32_t tokens[64];

    ck_ok(hone_batch_new(&batch, &err));
    for (int s = 0; s < 2; s++) {
        int64_t n = ids(s ? "ids.1" : "ids.0", tokens);
        ck_ok(hone_batch_add(batch, tokens, ones, n, &err));
    }
    return batch;
}

/* Logits of every token of a sequence. One more token makes the last an output;
 * nothing before it can see it. */
static void check_logits(const char *kernels, const char *which, double tolerance,
                         const char *label)
{
    hone_graph *g = begin(kernels, false);
    hone_batch *batch = NULL;

    ck_ok(hone_batch_new(&batch, &err));
    for (int s = 0; s < 2; s++) {
        int32_t tokens[64];
        char name[64];
        int64_t n = ids(s ? "ids.1" : "ids.0", tokens);
        hone_tensor *logits;
        double d;

        tokens[n] = 0;
        hone_batch_clear(batch);
        ck_ok(hone_batch_add(batch, tokens, ones, n + 1, &err));
        logits = hone_head_logits(g, hone_model_hidden(model, g, batch, NULL),
                                  hone_model_head(model));
        ck_ok(hone_graph_error(g, &err));
        snprintf(name, sizeof name, "%s.%d", which, s);
        d = deviation(logits, hone_tensor_count(logits), name);
        ck_assert_msg(d <= tolerance, "%s: %s off by %g", label, name, d);
    }
    hone_batch_free(batch);
    end(g);
}

static hone_tensor *summed_loss(hone_graph *g, const hone_batch *batch)
{
    return hone_head_cross_entropy(g, hone_model_hidden(model, g, batch, NULL),
                                   hone_model_head(model), hone_batch_targets(batch),
                                   hone_batch_weights(batch), NULL);
}

/* "grad/NAME", where the name may lack GPT-2's prefix, as the checkpoint does. */
static const char *gradient_name(const char *name)
{
    static char buf[256];

    snprintf(buf, sizeof buf, "grad/%s", name);
    if (!hone_tensors_find(expect, buf) && strncmp(name, "transformer.", 12) == 0)
        snprintf(buf, sizeof buf, "grad/%s", name + 12);
    return buf;
}

static void check_gradients(double tolerance, const char *label)
{
    size_t n = hone_model_trainables(model), stored = 0;

    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        hone_trainable t = hone_model_trainable(model, i);
        hone_tensor *grad = hone_tensor_grad(t.value);
        double d;

        ck_assert_msg(grad, "%s: no gradient of %s", label, t.name);
        d = deviation(grad, hone_tensor_count(grad), gradient_name(t.name));
        ck_assert_msg(d <= tolerance, "%s: gradient of %s off by %g", label, t.name, d);
    }
    for (size_t i = 0; i < hone_tensors_count(expect); i++)
        stored += strncmp(hone_tensors_at(expect, i)->name, "grad/", 5) == 0;
    ck_assert_uint_eq(stored, n);
}

static void clear_gradients(void)
{
    for (size_t i = 0; i < hone_model_trainables(model); i++)
        hone_tensor_clear_grad(hone_model_trainable(model, i).value);
}

static void check_loss(const char *kernels, double tolerance, const char *label)
{
    hone_graph *g = begin(kernels, true);
    hone_batch *batch = both();
    hone_tensor *loss = summed_loss(g, batch);
    double d;

    ck_ok(hone_graph_error(g, &err));
    d = deviation(loss, 1, "loss");
    ck_assert_msg(d <= tolerance, "%s: loss off by %g", label, d);
    ck_ok(hone_graph_backward(g, loss, 1, &err));
    check_gradients(tolerance, label);
    clear_gradients();
    end(g);
    hone_batch_free(batch);
}

static void attach(const char *name, const char *options)
{
    hone_instance *strategy = NULL;
    hone_json *json = NULL;

    ck_ok(hone_json_parse(&json, options, strlen(options), "options", &err));
    ck_ok(hone_instance_new(&strategy, context, "strategy", name, json, &err));
    ck_ok(hone_model_set_strategy(model, strategy, &err));
    hone_instance_free(strategy);
    hone_json_free(json);
}

static const struct {
    const char *folder, *dtype;
} cases[] = {
    { "llama", "f32" }, { "llama_tied", "f32" }, { "qwen2", "f32" }, { "mistral", "f32" },
    { "gpt2", "f32" }, { "gpt2_bare", "f32" }, { "llama_sharded", "f32" },
    { "llama_bf16", "f32" }, { "llama_bf16", "stored" }, { "llama_bf16", "bf16" },
    { "llama_f16", "f32" }, { "llama_f16", "stored" }, { "llama_f16", "f16" },
};
#define CASES ((int)(sizeof cases / sizeof *cases))

static void check_case(int i, const char *kernels, double tolerance)
{
    char label[64];

    snprintf(label, sizeof label, "%s %s %s", cases[i].folder, cases[i].dtype,
             kernels ? kernels : "fastest");
    open_pair(cases[i].folder, cases[i].folder, cases[i].dtype);
    ck_assert_uint_eq(hone_model_trainables(model), 0);
    check_logits(kernels, "logits", tolerance, label);
    attach("full", "{}");
    check_loss(kernels, tolerance, label);
}

START_TEST(logits_loss_and_every_gradient_equal_transformers)
{
    check_case(_i, NULL, TOLERANCE);
}
END_TEST

START_TEST(they_do_on_the_generic_kernels)
{
    check_case(_i, "generic", TOLERANCE);
}
END_TEST

START_TEST(and_closer_on_the_reference_kernels)
{
    check_case(_i, "reference", 2e-6);
}
END_TEST

/* ---- adapters ---- */

static const char *const lora_cases[] = { "llama", "gpt2" };

static void open_lora(int i)
{
    char name[64], folder[128];

    snprintf(name, sizeof name, "%s_lora", lora_cases[i]);
    open_pair(lora_cases[i], name, "f32");
    snprintf(folder, sizeof folder, "parity/adapters/%s", name);
    ck_ok(hone_strategy_load(model, support_file(folder), &err));
}

START_TEST(an_adapter_equals_peft_in_logits_loss_and_gradients)
{
    static const char *const kernels[] = { NULL, "generic" };

    open_lora(_i);
    for (int k = 0; k < 2; k++) {
        check_logits(kernels[k], "logits", TOLERANCE, lora_cases[_i]);
        check_loss(kernels[k], TOLERANCE, lora_cases[_i]);
    }
}
END_TEST

static void check_merged_weights(const char *label)
{
    size_t checked = 0;

    for (size_t i = 0; i < hone_tensors_count(expect); i++) {
        const char *name = hone_tensors_at(expect, i)->name;
        hone_param *param;
        char full[256];
        double d;

        if (strncmp(name, "merged/", 7) != 0)
            continue;
        snprintf(full, sizeof full, "%.*s", (int)(strlen(name) - 7 - 7), name + 7);
        param = hone_params_find(hone_model_params(model), full);
        ck_assert_msg(param, "%s", full);
        d = deviation(hone_param_weight(param), hone_tensor_count(hone_param_weight(param)), name);
        ck_assert_msg(d <= 1e-6, "%s: %s off by %g", label, name, d);
        checked++;
    }
    ck_assert_uint_gt(checked, 0);
}

START_TEST(merging_equals_peft_and_can_be_taken_back)
{
    open_lora(_i);
    ck_ok(hone_strategy_merge(model, true, &err));
    check_merged_weights(lora_cases[_i]);
    check_logits(NULL, "logits_merged", TOLERANCE, lora_cases[_i]);
    ck_ok(hone_strategy_merge(model, false, &err));
    check_logits(NULL, "logits", TOLERANCE, lora_cases[_i]);
    ck_ok(hone_strategy_merge(model, true, &err));
    ck_ok(hone_model_set_strategy(model, NULL, &err));
    check_logits(NULL, "logits_merged", TOLERANCE, lora_cases[_i]);
}
END_TEST

START_TEST(with_adapters_off_the_base_answers)
{
    hone_graph_options options = { .adapters_off = true };
    hone_graph *g = NULL;
    hone_batch *batch;
    hone_tensor *off, *base;

    open_lora(_i);
    batch = both();
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    off = hone_tensor_ref(hone_model_hidden(model, g, batch, NULL));
    ck_ok(hone_model_set_strategy(model, NULL, &err));
    base = hone_model_hidden(model, g, batch, NULL);
    ck_ok(hone_graph_error(g, &err));
    ck_assert_mem_eq(hone_tensor_bytes(off), hone_tensor_bytes(base),
                     (size_t)hone_tensor_count(base) * sizeof(float));
    hone_tensor_free(off);
    end(g);
    hone_batch_free(batch);
}
END_TEST

/* ---- the same another way ---- */

static const char *const folders[] = { "llama", "qwen2", "mistral", "gpt2" };

static double loss_of(const hone_batch *batch, hone_tensor **gradients)
{
    hone_graph *g = begin(NULL, true);
    hone_tensor *loss = summed_loss(g, batch);
    double value;

    ck_ok(hone_graph_backward(g, loss, 1, &err));
    value = hone_tensor_get(loss, 0);
    for (size_t i = 0; gradients && i < hone_model_trainables(model); i++) {
        hone_tensor *grad = hone_tensor_grad(hone_model_trainable(model, i).value);

        ck_ok(hone_tensor_new(&gradients[i], HONE_F32, 1,
                              (int64_t[]){ hone_tensor_count(grad) }, &err));
        ck_ok(hone_tensor_copy(gradients[i], grad, &err));
    }
    end(g);
    return value;
}

static void check_same_bits(hone_tensor **a, hone_tensor **b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_mem_eq(hone_tensor_bytes(a[i]), hone_tensor_bytes(b[i]),
                         (size_t)hone_tensor_count(a[i]) * sizeof(float));
        hone_tensor_free(a[i]);
        hone_tensor_free(b[i]);
    }
}

START_TEST(recomputed_blocks_give_the_same_bits)
{
    hone_tensor *kept[64], *recomputed[64];
    hone_batch *batch;
    size_t n;
    double a, b;

    open_pair(folders[_i], folders[_i], "f32");
    attach("full", "{}");
    n = hone_model_trainables(model);
    ck_assert_uint_le(n, 64);
    batch = both();
    a = loss_of(batch, kept);
    clear_gradients();
    hone_model_set_recompute(model, true);
    b = loss_of(batch, recomputed);
    ck_assert_double_eq(a, b);
    check_same_bits(kept, recomputed, n);
    hone_batch_free(batch);
}
END_TEST

START_TEST(recomputing_with_dropout_gives_the_same_bits)
{
    hone_tensor *kept[64], *recomputed[64];
    hone_graph_options options = { .record = true, .train = true, .seed = 7 };
    hone_batch *batch;
    size_t n;

    open_pair("llama", "llama", "f32");
    attach("lora", "{\"dropout\": 0.3, \"targets\": [\"q\", \"up\", \"down\"]}");
    n = hone_model_trainables(model);
    batch = both();
    for (int again = 0; again < 2; again++) {
        hone_tensor **gradients = again ? recomputed : kept;
        hone_graph *g = NULL;

        for (size_t i = 1; i < n; i += 2) /* B: else A has no gradient */
            for (int64_t k = 0; k < hone_tensor_count(hone_model_trainable(model, i).value); k++)
                hone_tensor_set(hone_model_trainable(model, i).value, k, 0.1);
        hone_model_set_recompute(model, again);
        ck_ok(hone_graph_new(&g, context, NULL, &err));
        ck_ok(hone_graph_begin(g, &options, &err));
        ck_ok(hone_graph_backward(g, summed_loss(g, batch), 1, &err));
        for (size_t i = 0; i < n; i++) {
            hone_tensor *grad = hone_tensor_grad(hone_model_trainable(model, i).value);

            ck_ok(hone_tensor_new(&gradients[i], HONE_F32, 1,
                                  (int64_t[]){ hone_tensor_count(grad) }, &err));
            ck_ok(hone_tensor_copy(gradients[i], grad, &err));
        }
        clear_gradients();
        end(g);
    }
    check_same_bits(kept, recomputed, n);
    hone_batch_free(batch);
}
END_TEST

START_TEST(packed_segments_equal_each_alone)
{
    hone_batch *packed, *alone = NULL;
    hone_graph *g;
    hone_tensor *together;
    int64_t row = 0;

    open_pair(folders[_i], folders[_i], "f32");
    packed = both();
    g = begin(NULL, false);
    together = hone_model_hidden(model, g, packed, NULL);
    ck_ok(hone_batch_new(&alone, &err));
    for (int s = 0; s < 2; s++) {
        int32_t tokens[64];
        int64_t n = ids(s ? "ids.1" : "ids.0", tokens), width = hone_model_width(model);
        hone_tensor *one;

        hone_batch_clear(alone);
        ck_ok(hone_batch_add(alone, tokens, ones, n, &err));
        one = hone_model_hidden(model, g, alone, NULL);
        ck_ok(hone_graph_error(g, &err));
        for (int64_t i = 0; i < hone_tensor_count(one); i++)
            ck_assert_double_eq_tol(hone_tensor_get(one, i),
                                    hone_tensor_get(together, row * width + i), 1e-5);
        row += n - 1;
    }
    ck_assert_int_eq(row, hone_batch_outputs(packed));
    end(g);
    hone_batch_free(packed);
    hone_batch_free(alone);
}
END_TEST

/* Both sequences at once, in steps of 1, 2, 3, ... tokens, mixed in one batch. */
START_TEST(decoding_with_a_cache_equals_the_whole_forward_pass)
{
    int32_t tokens[2][64];
    int64_t count[2], at[2] = { 0, 0 };
    hone_cache *cache = NULL;
    hone_batch *batch = NULL;
    hone_graph *g;
    double worst = 0;

    open_pair(folders[_i], folders[_i], "f32");
    for (int s = 0; s < 2; s++)
        count[s] = ids(s ? "ids.1" : "ids.0", tokens[s]);
    ck_ok(hone_cache_new(&cache, 2, 32, &err));
    ck_ok(hone_batch_new(&batch, &err));
    g = begin(NULL, false);
    for (int64_t step = 1; at[0] < count[0] || at[1] < count[1]; step++) {
        hone_tensor *logits;
        int64_t row = 0, vocab = hone_model_vocab(model);

        hone_batch_clear(batch);
        for (int s = 0; s < 2; s++) {
            int64_t n = step < count[s] - at[s] ? step : count[s] - at[s];
            if (n > 0)
                ck_ok(hone_batch_continue(batch, s, at[s], tokens[s] + at[s], n, true, &err));
        }
        logits = hone_head_logits(g, hone_model_hidden(model, g, batch, cache),
                                  hone_model_head(model));
        ck_ok(hone_graph_error(g, &err));
        for (int s = 0; s < 2; s++) {
            int64_t n = step < count[s] - at[s] ? step : count[s] - at[s], all;
            const float *want = expected(s ? "logits.1" : "logits.0", &all);

            for (int64_t i = 0; i < n * vocab; i++)
                worst = fmax(worst, fabs(hone_tensor_get(logits, row * vocab + i) -
                                         (double)want[at[s] * vocab + i]));
            row += n;
            at[s] += n;
        }
    }
    ck_assert_msg(worst < 1e-4, "off by %g", worst);
    end(g);
    hone_cache_free(cache);
    hone_batch_free(batch);
}
END_TEST

/* ---- models that others trained ---- */

START_TEST(gpt_nano_sort_gives_its_published_activations)
{
    const char *folder = support_data("models/gpt-nano-sort");
    const char *file = support_data("models/gpt-nano-sort/expected.json");
    hone_json *json = NULL;
    const json_t *idx, *want, *hidden_want;
    hone_cache *cache = NULL;
    hone_batch *batch = NULL;
    double worst = 0, worst_hidden = 0;

    if (!folder || !file) {
        support_skip("gpt-nano-sort", "no test data");
        return;
    }
    /* Some copies of the checkpoint lost these; its activations had them. */
    ck_ok(hone_tensors_open(&expect, folder, &err));
    if (!hone_tensors_find(expect, "transformer.h.0.attn.c_attn.bias")) {
        ck_fails(HONE_EFORMAT, hone_model_load(&model, context, folder, NULL, &err));
        ck_assert_ptr_nonnull(strstr(err.message, "c_attn.bias' is missing"));
        support_skip("gpt-nano-sort", "the copy of the checkpoint lacks c_attn.bias");
        return;
    }
    ck_ok(hone_model_load(&model, context, folder, NULL, &err));
    ck_ok(hone_json_read(&json, file, &err));
    idx = json_object_get(json_object_get(json, "idx"), "data");
    want = json_object_get(json_object_get(json, "lm_head"), "data");
    hidden_want = json_object_get(json_object_get(json, "ln_f"), "data");
    ck_assert_uint_eq(json_array_size(idx), 33);
    ck_assert_uint_eq(json_array_size(want), 99);
    ck_assert_uint_eq(json_array_size(hidden_want), 33 * 48);
    ck_ok(hone_cache_new(&cache, 3, 11, &err));
    ck_ok(hone_batch_new(&batch, &err));
    for (int s = 0; s < 3; s++) {
        int32_t tokens[11];

        for (int i = 0; i < 11; i++)
            tokens[i] = (int32_t)json_number_value(json_array_get(idx, (size_t)(11 * s + i)));
        ck_ok(hone_batch_continue(batch, s, 0, tokens, 11, true, &err));
    }
    hone_graph *g = begin(NULL, false);
    hone_tensor *hidden = hone_model_hidden(model, g, batch, cache);
    hone_tensor *logits = hone_head_logits(g, hidden, hone_model_head(model));
    ck_ok(hone_graph_error(g, &err));
    for (size_t i = 0; i < 99; i++)
        worst = fmax(worst, fabs(hone_tensor_get(logits, (int64_t)i) -
                                 json_number_value(json_array_get(want, i))));
    for (size_t i = 0; i < 33 * 48; i++)
        worst_hidden = fmax(worst_hidden, fabs(hone_tensor_get(hidden, (int64_t)i) -
                                    json_number_value(json_array_get(hidden_want, i))));
    ck_assert_msg(worst <= 1e-5 && worst_hidden <= 1e-5, "off by %g and %g", worst, worst_hidden);
    end(g);
    hone_cache_free(cache);
    hone_batch_free(batch);
    hone_json_free(json);
}
END_TEST

START_TEST(stories260k_has_its_published_loss)
{
    const char *folder = support_data("models/stories260k");
    const char *file = support_data("text/tinystories_sample.txt");
    hone_ids tokens = {0};
    hone_batch *batch = NULL;
    float weights[512];
    char *text;
    double mean;

    if (!folder || !file) {
        support_skip("stories260k", "no test data");
        return;
    }
    ck_ok(hone_model_load(&model, context, folder, NULL, &err));
    ck_assert_msg(hone_model_tokenizer(model), "no tokenizer plugin took its tokenizer.json");
    text = support_read(file, NULL);
    ck_ok(hone_ids_push(&tokens, hone_tokenizer_role(hone_model_tokenizer(model), "bos"), &err));
    ck_ok(hone_tokenizer_encode(hone_model_tokenizer(model), text, 800, HONE_ENCODE_PLAIN,
                                &tokens, &err));
    ck_assert_uint_eq(tokens.count, 413);
    for (size_t i = 0; i < 512; i++)
        weights[i] = 1;
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add(batch, tokens.items, weights, (int64_t)tokens.count, &err));
    hone_graph *g = begin(NULL, false);
    mean = hone_tensor_get(summed_loss(g, batch), 0) / (double)hone_batch_outputs(batch);
    ck_ok(hone_graph_error(g, &err));
    ck_assert_double_eq_tol(mean, 1.767505, 1e-4);
    end(g);
    hone_batch_free(batch);
    hone_free(tokens.items);
    hone_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parity");
    TCase *tc = tcase_create("parity");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, logits_loss_and_every_gradient_equal_transformers, 0, CASES);
    tcase_add_loop_test(tc, they_do_on_the_generic_kernels, 0, CASES);
    tcase_add_loop_test(tc, and_closer_on_the_reference_kernels, 0, CASES);
    tcase_add_loop_test(tc, an_adapter_equals_peft_in_logits_loss_and_gradients, 0, 2);
    tcase_add_loop_test(tc, merging_equals_peft_and_can_be_taken_back, 0, 2);
    tcase_add_loop_test(tc, with_adapters_off_the_base_answers, 0, 2);
    tcase_add_loop_test(tc, recomputed_blocks_give_the_same_bits, 0, 4);
    tcase_add_test(tc, recomputing_with_dropout_gives_the_same_bits);
    tcase_add_loop_test(tc, packed_segments_equal_each_alone, 0, 4);
    tcase_add_loop_test(tc, decoding_with_a_cache_equals_the_whole_forward_pass, 0, 4);
    tcase_add_test(tc, gpt_nano_sort_gives_its_published_activations);
    tcase_add_test(tc, stories260k_has_its_published_loss);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
