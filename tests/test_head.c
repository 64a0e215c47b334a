/* test_head.c -- heads on hidden states: added, trained, copied, saved and
 * loaded as transformers and peft do. */
#include "support.h"

#include <hone/optimizer.h>
#include <hone/safetensors.h>
#include <hone/strategy.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hone_error err;
static hone_context *context;
static hone_model *model, *other;

static void quiet(void *user, hone_log_level level, const char *line)
{
    (void)user, (void)level, (void)line;
}

static void setup(void)
{
    context = support_context();
    hone_context_on_log(context, quiet, NULL);
}

static void teardown(void)
{
    hone_model_free(model);
    hone_model_free(other);
    hone_context_free(context);
    model = other = NULL;
}

static const char *folder(const char *name)
{
    static char paths[4][512];
    static int next;
    char *p = paths[next++ % 4];

    snprintf(p, sizeof paths[0], "%s/%s", support_folder(), name);
    return p;
}

static void load_stored(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "parity/models/%s", name);
    ck_ok(hone_model_load(&model, context, support_file(path), NULL, &err));
}

static hone_param *add(const char *name, int64_t outputs, bool bias, double sd)
{
    hone_param *param = NULL;

    ck_ok(hone_model_add_head(&param, model, name, outputs, bias, sd, 3, &err));
    return param;
}

static int attach(hone_model *to, const char *name, const char *options)
{
    hone_instance *strategy = NULL;
    hone_json *json = support_json(options);
    int code = hone_instance_new(&strategy, context, "strategy", name, json, &err);

    if (code == HONE_OK)
        code = hone_model_set_strategy(to, strategy, &err);
    hone_instance_free(strategy);
    hone_json_free(json);
    return code;
}

static hone_tensor *trained(const hone_model *m, const char *name)
{
    for (size_t i = 0; i < hone_model_trainables(m); i++)
        if (strcmp(hone_model_trainable(m, i).name, name) == 0)
            return hone_model_trainable(m, i).value;
    return NULL;
}

/* The head's values at the last token of a sequence: one more token makes it an
 * output. */
static hone_tensor *scores(hone_graph *g, hone_batch *batch, const char *head,
                           const int32_t *tokens, int64_t count)
{
    int32_t ids[65] = {0};
    float weights[65] = {0};
    hone_tensor *y;

    memcpy(ids, tokens, (size_t)count * sizeof *ids);
    weights[count] = 1;
    hone_batch_clear(batch);
    ck_ok(hone_batch_add(batch, ids, weights, count + 1, &err));
    y = hone_linear(g, hone_model_hidden(model, g, batch, NULL),
                    hone_model_head_named(model, head));
    ck_ok(hone_graph_error(g, &err));
    return y;
}

static const struct {
    const char *model, *adapter, *expect;
    int64_t outputs;
} stored[] = {
    { "llama_score", NULL, "llama_score", 3 },
    { "gpt2_score", NULL, "gpt2_score", 1 },
    { "llama_score", "llama_score_lora", "llama_score_lora", 3 },
};

static void check_scores(const char *name)
{
    hone_tensors *expect = NULL;
    hone_batch *batch = NULL;
    hone_graph *g = NULL;
    char path[128];

    snprintf(path, sizeof path, "parity/expect/%s.safetensors", name);
    ck_ok(hone_tensors_open(&expect, support_file(path), &err));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_batch_new(&batch, &err));
    for (int i = 0; i < 2; i++) {
        const hone_tensor_entry *ids, *want;
        hone_tensor *y;

        snprintf(path, sizeof path, "ids.%d", i);
        ids = hone_tensors_find(expect, path);
        snprintf(path, sizeof path, "scores.%d", i);
        want = hone_tensors_find(expect, path);
        ck_ok(hone_graph_begin(g, &(hone_graph_options){0}, &err));
        y = scores(g, batch, "score", (const int32_t *)(const void *)ids->bytes,
                   (int64_t)(ids->size / sizeof(int32_t)));
        ck_assert_int_eq(hone_tensor_count(y), (int64_t)(want->size / sizeof(float)));
        for (int64_t k = 0; k < hone_tensor_count(y); k++)
            ck_assert_double_eq_tol(hone_tensor_get(y, k),
                                    (double)((const float *)(const void *)want->bytes)[k], 1e-5);
        ck_ok(hone_graph_end(g, &err));
    }
    hone_graph_free(g);
    hone_batch_free(batch);
    hone_tensors_free(expect);
}

START_TEST(scores_of_a_classifier_are_those_of_transformers)
{
    char path[128];

    load_stored(stored[_i].model);
    if (stored[_i].adapter) {
        snprintf(path, sizeof path, "parity/adapters/%s", stored[_i].adapter);
        ck_ok(hone_strategy_load(model, support_file(path), &err));
        ck_assert_ptr_nonnull(trained(model, "score.weight"));
    }
    ck_assert_int_eq(hone_param_out(hone_model_head_named(model, "score")), stored[_i].outputs);
    ck_assert_ptr_null(hone_model_head(model));
    check_scores(stored[_i].expect);
    ck_ok(hone_model_save(model, folder("again"), &err));
    hone_model_free(model);
    ck_ok(hone_model_load(&model, context, folder("again"), NULL, &err));
    check_scores(stored[_i].expect);
}
END_TEST

START_TEST(what_a_classifier_saves_is_what_it_was)
{
    hone_tensors *file = NULL;

    load_stored("llama_score");
    ck_ok(hone_model_save(model, folder("same"), &err));
    ck_ok(hone_model_load(&other, context, folder("same"), NULL, &err));
    json_object_del((json_t *)(uintptr_t)hone_model_config(other), "num_labels");
    ck_assert(json_equal(hone_model_config(model), hone_model_config(other)));
    ck_ok(hone_tensors_open(&file, folder("same"), &err));
    ck_assert_ptr_nonnull(hone_tensors_find(file, "score.weight"));
    ck_assert_ptr_null(hone_tensors_find(file, "lm_head.weight"));
    ck_assert_int_eq(hone_model_vocab(model), 43);
    ck_assert_int_eq(hone_model_width(model), 12);
    hone_tensors_free(file);
}
END_TEST

START_TEST(a_model_with_a_score_becomes_a_classifier)
{
    const hone_json *config;
    hone_tensors *file = NULL;
    char a[65], b[65];

    load_stored("llama");
    ck_assert_ptr_nonnull(hone_model_head(model));
    add("score", 2, false, 0.5);
    ck_ok(hone_model_save(model, folder("new"), &err));
    ck_ok(hone_model_load(&other, context, folder("new"), NULL, &err));
    config = hone_model_config(other);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(config, "architectures"),
                                                      0)), "LlamaForSequenceClassification");
    ck_assert_int_eq(json_integer_value(json_object_get(config, "num_labels")), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(config, "id2label"), "1")),
                     "LABEL_1");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(config, "label2id"),
                                                        "LABEL_1")), 1);
    ck_assert_mem_eq(hone_tensor_bytes(hone_param_weight(hone_model_head_named(other, "score"))),
                     hone_tensor_bytes(hone_param_weight(hone_model_head_named(model, "score"))),
                     2 * 24 * sizeof(float));
    ck_ok(hone_tensors_open(&file, folder("new"), &err));
    ck_assert_ptr_null(hone_tensors_find(file, "lm_head.weight"));
    hone_tensors_free(file);
    ck_ok(hone_model_hash(model, a, &err));
    hone_tensor_set(hone_param_weight(hone_model_head_named(model, "score")), 5, 9);
    ck_ok(hone_model_hash(model, b, &err));
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(other_heads_are_told_of_in_the_configuration)
{
    hone_param *param;

    load_stored("gpt2");
    param = add("value", 1, true, 0.1);
    ck_assert_int_eq(hone_tensor_dims(hone_param_weight(param)), 2);
    ck_assert_int_eq(hone_tensor_extent(hone_param_bias(param), 0), 1);
    hone_tensor_set(hone_param_bias(param), 0, 7);
    add("classes", 4, false, 0.1);
    ck_ok(hone_model_save(model, folder("value"), &err));
    ck_ok(hone_model_load(&other, context, folder("value"), NULL, &err));
    ck_assert_ptr_nonnull(hone_model_head(other));
    param = hone_model_head_named(other, "value");
    ck_assert_double_eq(hone_tensor_get(hone_param_bias(param), 0), 7);
    ck_assert_int_eq(hone_param_out(hone_model_head_named(other, "classes")), 4);
    ck_assert_ptr_null(hone_model_head_named(other, "score"));
    ck_assert_ptr_null(hone_model_head_named(other, "lm_head"));
    hone_model_free(model);
    ck_ok(hone_model_copy(&model, other, &err));
    ck_assert_double_eq(hone_tensor_get(hone_param_bias(hone_model_head_named(model, "value")),
                                        0), 7);
}
END_TEST

START_TEST(a_copy_has_the_heads_that_were_added)
{
    hone_tensor *of_copy, *of_model;

    load_stored("llama");
    of_model = hone_param_weight(add("score", 1, false, 1));
    ck_ok(hone_model_copy(&other, model, &err));
    of_copy = hone_param_weight(hone_model_head_named(other, "score"));
    ck_assert_mem_eq(hone_tensor_bytes(of_copy), hone_tensor_bytes(of_model), 24 * sizeof(float));
    hone_tensor_set(of_copy, 0, 99);
    ck_assert_double_ne(hone_tensor_get(of_model, 0), 99);
}
END_TEST

START_TEST(initial_values_are_normal_and_named_by_the_seed)
{
    double squares = 0;
    hone_tensor *w, *v;

    load_stored("llama");
    w = hone_param_weight(add("a", 400, true, 0.25));
    for (int64_t i = 0; i < 9600; i++)
        squares += pow(hone_tensor_get(w, i), 2);
    ck_assert_double_eq_tol(sqrt(squares / 9600), 0.25, 0.01);
    ck_assert_double_eq(hone_tensor_get(hone_param_bias(hone_model_head_named(model, "a")), 3), 0);
    v = hone_param_weight(add("b", 1, false, 0));
    for (int64_t i = 0; i < 24; i++)
        ck_assert_double_eq(hone_tensor_get(v, i), 0);
    other = model;
    model = NULL;
    load_stored("llama");
    ck_assert_mem_eq(hone_tensor_bytes(hone_param_weight(add("a", 400, true, 0.25))),
                     hone_tensor_bytes(w), 9600 * sizeof(float));
}
END_TEST

/* ---- training ---- */

/* Whatever the strategy: the weight has a gradient and is checkpointed. */
static const struct {
    const char *strategy, *options;
} strategies[] = {
    { "full", "{}" }, { "full", "{'targets': ['norm']}" }, { "lora", "{'targets': ['q']}" },
};

START_TEST(a_head_trains_with_any_strategy)
{
    hone_graph_options record = { .record = true };
    const int32_t tokens[] = { 1, 2, 3 };
    hone_batch *batch = NULL;
    hone_graph *g = NULL;
    hone_tensor *weight, *grad;

    load_stored("llama");
    if (_i % 2)
        add("value", 1, true, 0.1);
    ck_ok(attach(model, strategies[_i].strategy, strategies[_i].options));
    if (!(_i % 2))
        add("value", 1, true, 0.1);
    weight = trained(model, "value.weight");
    ck_assert_ptr_nonnull(weight);
    ck_assert_ptr_nonnull(trained(model, "value.bias"));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_graph_begin(g, &record, &err));
    ck_ok(hone_graph_backward(g, hone_sum(g, scores(g, batch, "value", tokens, 3)), 1, &err));
    grad = hone_tensor_grad(weight);
    ck_assert_ptr_nonnull(grad);
    ck_assert_double_ne(hone_tensor_get(grad, 0), 0);
    ck_assert_double_eq(hone_tensor_get(hone_tensor_grad(trained(model, "value.bias")), 0), 1);
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
    hone_batch_free(batch);
    ck_ok(hone_model_set_strategy(model, NULL, &err));
    ck_assert_ptr_null(trained(model, "value.weight"));
}
END_TEST

START_TEST(the_estimate_counts_heads)
{
    hone_memory_estimate before, after;

    load_stored("llama");
    ck_ok(attach(model, "lora", "{'targets': ['q']}"));
    ck_ok(hone_model_estimate(model, 10, 1, 2, &before, &err));
    add("value", 2, false, 0);
    ck_ok(hone_model_estimate(model, 10, 1, 2, &after, &err));
    ck_assert_uint_eq(after.weights - before.weights, 48 * sizeof(float));
    ck_assert_uint_eq(after.gradients - before.gradients, 48 * sizeof(float));
    ck_assert_uint_eq(after.optimizer - before.optimizer, 2 * 48 * sizeof(float));
}
END_TEST

START_TEST(an_adapter_keeps_heads_as_modules_to_save)
{
    hone_tensors *file = NULL;
    hone_json *config = NULL;
    char path[600];

    load_stored("llama");
    ck_ok(attach(model, "lora", "{'targets': ['q']}"));
    add("score", 1, false, 1);
    ck_ok(hone_model_save(model, folder("both"), &err));
    snprintf(path, sizeof path, "%s/adapter/adapter_config.json", folder("both"));
    ck_ok(hone_json_read(&config, path, &err));
    ck_assert_str_eq(json_string_value(json_object_get(config, "task_type")), "SEQ_CLS");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(config, "modules_to_save"),
                                                      0)), "score");
    hone_json_free(config);
    snprintf(path, sizeof path, "%s/adapter/adapter_model.safetensors", folder("both"));
    ck_ok(hone_tensors_open(&file, path, &err));
    ck_assert_ptr_nonnull(hone_tensors_find(file, "base_model.model.score.weight"));
    hone_tensors_free(file);
    /* On a base that has no head yet, the adapter brings it. */
    ck_ok(hone_model_load(&other, context, support_file("parity/models/llama"), NULL, &err));
    snprintf(path, sizeof path, "%s/adapter", folder("both"));
    ck_ok(hone_strategy_load(other, path, &err));
    ck_assert_mem_eq(hone_tensor_bytes(trained(other, "score.weight")),
                     hone_tensor_bytes(trained(model, "score.weight")), 24 * sizeof(float));
}
END_TEST

START_TEST(an_adapter_s_head_that_does_not_fit_is_refused)
{
    load_stored("gpt2_score"); /* its own names differ: refused before */
    ck_fails(HONE_EINVAL, hone_strategy_load(model, support_file(
                              "parity/adapters/llama_score_lora"), &err));
    hone_model_free(model);
    model = NULL;
    load_stored("llama_score");
    ck_ok(hone_model_save(model, folder("labels"), &err));
    hone_model_free(model);
    model = NULL;
    {
        char path[600];
        hone_json *config = NULL;
        hone_tensors_item items[64];
        hone_tensors *file = NULL;
        hone_tensor *wide = NULL;
        size_t n;

        /* The same model with five classes. */
        snprintf(path, sizeof path, "%s/config.json", folder("labels"));
        ck_ok(hone_json_read(&config, path, &err));
        json_object_del(config, "id2label");
        json_object_set_new(config, "num_labels", json_integer(5));
        ck_ok(hone_json_write(config, path, &err));
        hone_json_free(config);
        ck_fails(HONE_EFORMAT, hone_model_load(&model, context, folder("labels"), NULL, &err));
        support_golden("head-labels", err.message);
        ck_ok(hone_tensors_open(&file, folder("labels"), &err));
        n = hone_tensors_count(file);
        ck_ok(hone_tensor_new(&wide, HONE_F32, 2, (int64_t[]){ 5, 12 }, &err));
        for (size_t i = 0; i < n; i++) {
            const hone_tensor_entry *e = hone_tensors_at(file, i);
            hone_tensor *t = NULL;

            ck_ok(hone_tensor_new(&t, HONE_F32, e->dims, e->shape, &err));
            ck_ok(hone_tensors_read(file, e->name, t, &err));
            items[i] = (hone_tensors_item){ e->name,
                                            strcmp(e->name, "score.weight") ? t : wide };
            if (items[i].tensor == wide)
                hone_tensor_free(t);
        }
        snprintf(path, sizeof path, "%s/model.safetensors", folder("labels"));
        ck_ok(hone_tensors_write(path, items, n, NULL, &err));
        for (size_t i = 0; i < n; i++)
            hone_tensor_free((hone_tensor *)(uintptr_t)items[i].tensor);
        hone_tensors_free(file);
    }
    ck_ok(hone_model_load(&model, context, folder("labels"), NULL, &err));
    ck_fails(HONE_EFORMAT, hone_strategy_load(model, support_file(
                               "parity/adapters/llama_score_lora"), &err));
    support_golden("head-adapter", err.message);
}
END_TEST

/* ---- refusals ---- */

static const struct {
    const char *golden, *name;
    int64_t outputs;
    bool bias;
    double sd;
} refused[] = {
    { "name", "Value", 1, false, 0 }, { "dot", "a.b", 1, false, 0 }, { "empty", "", 1, false, 0 },
    { "outputs", "value", 0, false, 0 }, { "many", "value", 65537, false, 0 },
    { "sd", "value", 1, false, -1 }, { "bias", "score", 1, true, 0 },
    { "taken", "lm_head", 1, false, 0 }, { "nan", "value", 1, false, NAN },
};

START_TEST(a_head_that_cannot_be_is_refused)
{
    hone_param *param;
    char golden[64];

    load_stored("llama");
    ck_fails(HONE_EINVAL, hone_model_add_head(&param, model, refused[_i].name, refused[_i].outputs,
                                              refused[_i].bias, refused[_i].sd, 0, &err));
    ck_assert_ptr_null(param);
    snprintf(golden, sizeof golden, "head-%s", refused[_i].golden);
    support_golden(golden, err.message);
    add("value", 1, false, 0);
    ck_fails(HONE_EINVAL, hone_model_add_head(&param, model, "value", 1, false, 0, 0, &err));
    support_golden("head-twice", err.message);
}
END_TEST

static const struct {
    const char *golden, *config;
} configs[] = {
    { "config-list", "{'hone_heads': []}" },
    { "config-outputs", "{'hone_heads': {'value': {}}}" },
    { "config-range", "{'hone_heads': {'value': {'outputs': 100000000}}}" },
    { "config-one", "{'hone_heads': {'value': 3}}" },
    { "config-name", "{'hone_heads': {'model.norm': {'outputs': 1}}}" },
    { "config-labels", "{'architectures': ['XForSequenceClassification'], 'num_labels': 0}" },
    { "config-none", "{'architectures': ['XForSequenceClassification'], 'id2label': {}}" },
};

START_TEST(a_configuration_with_heads_that_cannot_be_is_refused)
{
    hone_json *config = NULL, *more = support_json(configs[_i].config);
    char golden[64];

    ck_ok(hone_json_read(&config, support_file("parity/models/llama/config.json"), &err));
    json_object_update(config, more);
    err = (hone_error){0};
    ck_assert_int_ne(hone_model_new(&model, context, config, NULL, 1, &err), HONE_OK);
    ck_assert_ptr_null(model);
    snprintf(golden, sizeof golden, "head-%s", configs[_i].golden);
    support_golden(golden, err.message);
    hone_json_free(config);
    hone_json_free(more);
}
END_TEST

START_TEST(a_classifier_does_not_generate)
{
    const int32_t tokens[] = { 1, 2 };
    hone_prompt prompt = { .tokens = tokens, .count = 2 };
    hone_generate_options options = { .max_tokens = 2, .samples = 1 };
    hone_samples *samples = NULL;

    load_stored("gpt2_score"); /* whose vocabulary head would be tied */
    ck_fails(HONE_ESTATE, hone_generate(&samples, model, &prompt, 1, &options, NULL, NULL, &err));
    support_golden("head-generate", err.message);
}
END_TEST

START_TEST(short_memory_is_an_error_and_leaves_the_model_as_it_was)
{
    char before[65], after[65];
    hone_param *param;

    load_stored("llama");
    ck_ok(attach(model, "lora", "{'targets': ['q']}"));
    ck_ok(hone_model_hash(model, before, &err));
    for (uint64_t n = 1;; n++) {
        int64_t live = hone_alloc_live();
        int code;

        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = hone_model_add_head(&param, model, "value", 2, true, 0.5, 0, &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            break;
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_int_eq(hone_alloc_live(), live);
        ck_ok(hone_model_hash(model, after, &err));
        ck_assert_str_eq(before, after);
        ck_assert_uint_lt(n, 1000);
    }
}
END_TEST

static int save_and_load(void)
{
    hone_model *copy = NULL, *loaded = NULL;
    int code = hone_model_copy(&copy, model, &err);

    if (code == HONE_OK)
        code = hone_model_save(model, folder("short"), &err);
    if (code == HONE_OK)
        code = hone_model_load(&loaded, context, folder("short"), NULL, &err);
    hone_model_free(copy);
    hone_model_free(loaded);
    return code;
}

START_TEST(short_memory_in_copies_and_files_leaks_nothing)
{
    int64_t live;

    load_stored("llama");
    ck_ok(attach(model, "lora", "{'targets': ['q']}"));
    add("score", 2, false, 0.5);
    add("value", 1, true, 0);
    ck_ok(save_and_load());
    live = hone_alloc_live();
    for (uint64_t n = 1;; n += 1 + n / 8) {
        int code;

        hone_alloc_fail_after(n);
        code = save_and_load();
        hone_alloc_fail_after(0);
        ck_assert_int_eq(hone_alloc_live(), live);
        if (code == HONE_OK)
            break;
        ck_assert_uint_lt(n, 100000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head");
    TCase *tc = tcase_create("head");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, scores_of_a_classifier_are_those_of_transformers, 0,
                        sizeof stored / sizeof *stored);
    tcase_add_test(tc, what_a_classifier_saves_is_what_it_was);
    tcase_add_test(tc, a_model_with_a_score_becomes_a_classifier);
    tcase_add_test(tc, other_heads_are_told_of_in_the_configuration);
    tcase_add_test(tc, a_copy_has_the_heads_that_were_added);
    tcase_add_test(tc, initial_values_are_normal_and_named_by_the_seed);
    tcase_add_loop_test(tc, a_head_trains_with_any_strategy, 0,
                        sizeof strategies / sizeof *strategies);
    tcase_add_test(tc, the_estimate_counts_heads);
    tcase_add_test(tc, an_adapter_keeps_heads_as_modules_to_save);
    tcase_add_test(tc, an_adapter_s_head_that_does_not_fit_is_refused);
    tcase_add_loop_test(tc, a_head_that_cannot_be_is_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_loop_test(tc, a_configuration_with_heads_that_cannot_be_is_refused, 0,
                        sizeof configs / sizeof *configs);
    tcase_add_test(tc, a_classifier_does_not_generate);
    tcase_add_test(tc, short_memory_is_an_error_and_leaves_the_model_as_it_was);
    tcase_add_test(tc, short_memory_in_copies_and_files_leaks_nothing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
