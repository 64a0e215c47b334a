/* test_strategy.c -- what trains, targets, adapters: attached, written, read,
 * merged, refused. Their arithmetic is in test_parity.c. */
#include "support.h"

#include <hone/strategy.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static hone_error err;
static hone_context *context;
static hone_model *model, *other;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_model_free(model);
    hone_model_free(other);
    hone_context_free(context);
    model = other = NULL;
}

static void load(const char *name)
{
    char path[128];

    hone_model_free(model);
    model = NULL;
    snprintf(path, sizeof path, "parity/models/%s", name);
    ck_ok(hone_model_load(&model, context, support_file(path), NULL, &err));
}

static int attach(hone_model *to, const char *name, const char *options)
{
    hone_instance *strategy = NULL;
    hone_json *json = NULL;
    int code;

    ck_ok(hone_json_parse(&json, options, strlen(options), "options", &err));
    err = (hone_error){0};
    code = hone_instance_new(&strategy, context, "strategy", name, json, &err);
    if (code == HONE_OK)
        code = hone_model_set_strategy(to, strategy, &err);
    hone_instance_free(strategy);
    hone_json_free(json);
    return code;
}

static const char *folder(const char *name)
{
    static char paths[4][512];
    static int next;
    char *p = paths[next++ % 4];

    snprintf(p, sizeof paths[0], "%s/%s", support_folder(), name);
    return p;
}

static bool trains(const char *name)
{
    for (size_t i = 0; i < hone_model_trainables(model); i++)
        if (strcmp(hone_model_trainable(model, i).name, name) == 0)
            return true;
    return false;
}

/* Hidden states of a fixed batch, [4, d]: the base's, or with adapters. */
static void run(hone_model *m, double out[4], bool off)
{
    static const int32_t tokens[] = { 1, 2, 3, 4, 5 };
    static const float weights[] = { 1, 1, 1, 1, 1 };
    hone_graph_options options = { .adapters_off = off };
    hone_batch *batch = NULL;
    hone_graph *g = NULL;
    hone_tensor *logits;

    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add(batch, tokens, weights, 5, &err));
    logits = hone_head_logits(g, hone_model_hidden(m, g, batch, NULL), hone_model_head(m));
    ck_ok(hone_graph_error(g, &err));
    for (int i = 0; i < 4; i++)
        out[i] = hone_tensor_get(logits, i * hone_model_vocab(m) + 7 * i);
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
    hone_batch_free(batch);
}

static void ck_near(const double a[4], const double b[4], double tolerance)
{
    for (int i = 0; i < 4; i++)
        ck_assert_msg(fabs(a[i] - b[i]) <= tolerance, "%g, not %g", b[i], a[i]);
}

/* As if it had learned: B is no longer zero. */
static void disturb(hone_model *m)
{
    for (size_t i = 0; i < hone_model_trainables(m); i++) {
        hone_tensor *t = hone_model_trainable(m, i).value;

        for (int64_t k = 0; k < hone_tensor_count(t); k++)
            hone_tensor_set(t, k, hone_tensor_get(t, k) + 0.05 * sin((double)(k + 3 * (int)i)));
    }
}

/* ---- full ---- */

START_TEST(full_trains_every_weight_once)
{
    load("qwen2"); /* tied head, biases on q, k, v: 2 + 3 * (9 + 3) */
    ck_assert_uint_eq(hone_model_trainables(model), 0);
    ck_ok(attach(model, "full", "{}"));
    ck_assert_uint_eq(hone_model_trainables(model), 38);
    ck_assert(trains("model.embed_tokens.weight") && !trains("lm_head.weight"));
    ck_assert(trains("model.layers.2.self_attn.v_proj.bias"));
    ck_assert_ptr_null(hone_model_trainable(model, 38).value);
    ck_ok(hone_model_set_strategy(model, NULL, &err));
    ck_assert_uint_eq(hone_model_trainables(model), 0);
}
END_TEST

START_TEST(full_trains_what_is_named)
{
    load("gpt2");
    ck_ok(attach(model, "full", "{\"targets\": [\"norm\", \"*.1.mlp.*\"]}"));
    ck_assert_uint_eq(hone_model_trainables(model), 2 * 5 + 2 * 2);
    ck_assert(trains("transformer.ln_f.bias") && trains("transformer.h.1.mlp.c_fc.weight"));
    ck_assert(!trains("transformer.h.0.mlp.c_fc.weight"));
    ck_assert_str_eq(hone_model_trainable(model, 0).role, "norm");
}
END_TEST

/* ---- targets ---- */

START_TEST(a_target_is_a_role_a_name_or_a_pattern)
{
    static const struct {
        const char *target;
        size_t met;
    } cases[] = {
        { "o", 2 }, { "c_proj", 4 }, { "attn.c_proj", 2 }, { "transformer.h.0.mlp.c_fc", 1 },
        { "*.mlp.*", 4 }, { "transformer.h.[0]*", 6 }, { "all-linear", 8 }, { "norm", 5 },
        { "proj", 0 }, { "*.mlp", 0 }, { "head", 1 }, { "embedding", 1 },
    };

    load("gpt2");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *items[] = { cases[i].target };
        hone_string_list list = { 1, items };
        hone_params *p = hone_model_params(model);
        size_t met = 0;

        for (size_t k = 0; k < hone_params_count(p); k++)
            met += hone_targets_match(&list, hone_params_at(p, k));
        ck_assert_msg(met == cases[i].met, "%s: %zu", cases[i].target, met);
        if (met)
            ck_ok(hone_targets_check(&list, model, &err));
        else
            ck_fails(HONE_EINVAL, hone_targets_check(&list, model, &err));
    }
}
END_TEST

START_TEST(a_target_that_meets_nothing_is_told_with_the_roles)
{
    load("llama");
    ck_fails(HONE_EINVAL, attach(model, "lora", "{\"targets\": [\"q\", \"c_attn\"]}"));
    support_golden("strategy-target", err.message);
    ck_assert_ptr_null(hone_model_strategy(model));
    ck_assert_uint_eq(hone_model_trainables(model), 0);
    ck_fails(HONE_EINVAL, attach(model, "lora", "{\"targets\": []}"));
    support_golden("strategy-no-targets", err.message);
    ck_fails(HONE_EUNSUPPORTED, attach(model, "lora", "{\"targets\": [\"embedding\"]}"));
    support_golden("strategy-embedding", err.message);
    ck_fails(HONE_EUNSUPPORTED, attach(model, "lora", "{\"targets\": [\"*.input_layernorm\"]}"));
    support_golden("strategy-norm", err.message);
}
END_TEST

/* ---- lora ---- */

START_TEST(attaching_lora_changes_no_result_and_trains_adapters_alone)
{
    double before[4], after[4];

    load("llama");
    run(model, before, false);
    ck_ok(attach(model, "lora", "{\"rank\": 3, \"targets\": [\"q\", \"down\"]}"));
    run(model, after, false);
    ck_near(before, after, 0);
    ck_assert_uint_eq(hone_model_trainables(model), 8);
    for (size_t i = 0; i < 8; i++) {
        hone_trainable t = hone_model_trainable(model, i);

        ck_assert_str_eq(t.role, "adapter");
        ck_assert_int_eq(hone_tensor_extent(t.value, i % 2), 3);
    }
    ck_assert_str_eq(hone_model_trainable(model, 1).name,
                     "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
}
END_TEST

START_TEST(initial_values_are_functions_of_seed_and_name)
{
    hone_tensor *a, *b;
    double bound, most = 0;

    load("llama");
    ck_ok(hone_model_copy(&other, model, &err));
    ck_ok(attach(model, "lora", "{\"targets\": [\"v\"], \"seed\": 3}"));
    ck_ok(attach(other, "lora", "{\"targets\": [\"q\", \"v\"], \"seed\": 3}"));
    a = hone_model_trainable(model, 0).value;
    b = hone_model_trainable(other, 2).value;
    ck_assert_str_eq(hone_model_trainable(model, 0).name, hone_model_trainable(other, 2).name);
    ck_assert_mem_eq(hone_tensor_bytes(a), hone_tensor_bytes(b), 8 * 24 * sizeof(float));
    bound = 1 / sqrt(24);
    for (int64_t i = 0; i < hone_tensor_count(a); i++)
        most = fmax(most, fabs(hone_tensor_get(a, i)));
    ck_assert(most <= bound && most > 0.9 * bound);
    ck_ok(attach(other, "lora", "{\"targets\": [\"v\"], \"seed\": 4}"));
    ck_assert_double_ne(hone_tensor_get(a, 0),
                        hone_tensor_get(hone_model_trainable(other, 0).value, 0));
}
END_TEST

START_TEST(alpha_scales_and_defaults_to_twice_the_rank)
{
    double base[4], one[4], two[4], unset[4];

    load("llama");
    run(model, base, false);
    ck_ok(attach(model, "lora", "{\"targets\": [\"q\"], \"alpha\": 8}"));
    disturb(model);
    run(model, one, false);
    ck_ok(attach(model, "lora", "{\"targets\": [\"q\"], \"alpha\": 16}"));
    disturb(model);
    run(model, two, false);
    ck_ok(attach(model, "lora", "{\"targets\": [\"q\"]}"));
    disturb(model);
    run(model, unset, false);
    ck_near(two, unset, 0);
    ck_assert(fabs(one[3] - base[3]) > 1e-4 && fabs(two[3] - one[3]) > 1e-4);
}
END_TEST

static const char *const adapted[][2] = {
    { "llama", "{\"rank\": 3, \"alpha\": 5, \"targets\": [\"q\", \"down\"]}" },
    { "llama", "{\"targets\": [\"*.0.mlp.*\"]}" },
    { "gpt2", "{\"targets\": [\"qkv\", \"o\"]}" },
    { "gpt2", "{}" },
    { "qwen2", "{}" },
    { "llama", "{\"targets\": [\"head\", \"v\"], \"dropout\": 0.25}" },
};

START_TEST(a_saved_model_with_its_adapter_is_loaded_as_it_was)
{
    double base[4], before[4], after[4];
    hone_json *a = NULL, *b = NULL;

    load(adapted[_i][0]);
    ck_ok(attach(model, "lora", adapted[_i][1]));
    disturb(model);
    run(model, before, false);
    run(model, base, true);
    ck_assert(fabs(before[3] - base[3]) > 1e-4);
    ck_ok(hone_model_save(model, folder("saved"), &err));
    ck_ok(hone_model_load(&other, context, folder("saved"), NULL, &err));
    run(other, after, false);
    ck_near(before, after, 0);
    run(other, after, true);
    ck_near(base, after, 0);
    ck_ok(hone_model_save(other, folder("again"), &err));
    ck_ok(hone_json_read(&a, folder("saved/adapter/adapter_config.json"), &err));
    ck_ok(hone_json_read(&b, folder("again/adapter/adapter_config.json"), &err));
    json_object_del(a, "base_model_name_or_path");
    json_object_del(b, "base_model_name_or_path");
    ck_assert(json_equal(a, b));
    hone_json_free(a);
    hone_json_free(b);
}
END_TEST

START_TEST(merged_the_results_stay_and_the_saved_model_needs_no_adapter)
{
    double base[4], before[4], after[4];

    load(adapted[_i][0]);
    run(model, base, false);
    ck_ok(attach(model, "lora", adapted[_i][1]));
    disturb(model);
    run(model, before, false);
    ck_ok(hone_model_copy(&other, model, &err));
    ck_assert_ptr_null(hone_model_strategy(other));
    run(other, after, false);
    ck_near(before, after, 2e-5);
    hone_model_free(other);
    ck_ok(hone_model_save(model, folder("merged"), &err)); /* with an adapter, first */
    ck_assert_int_eq(access(folder("merged/adapter/adapter_config.json"), F_OK), 0);
    ck_ok(hone_strategy_merge(model, true, &err));
    ck_ok(hone_strategy_merge(model, true, &err)); /* once is enough */
    run(model, after, false);
    ck_near(before, after, 2e-5);
    ck_ok(hone_model_copy(&other, model, &err));
    run(other, after, false);
    ck_near(before, after, 2e-5);
    hone_model_free(other);
    ck_ok(hone_model_save(model, folder("merged"), &err));
    ck_assert_int_ne(access(folder("merged/adapter/adapter_config.json"), F_OK), 0);
    ck_ok(hone_model_load(&other, context, folder("merged"), NULL, &err));
    ck_assert_ptr_null(hone_model_strategy(other));
    run(other, after, false);
    ck_near(before, after, 2e-5);
    ck_ok(hone_strategy_merge(model, false, &err));
    run(model, after, true);
    ck_near(base, after, 2e-5);
}
END_TEST

START_TEST(what_cannot_be_merged_is_told)
{
    load("llama_tied");
    ck_fails(HONE_ESTATE, hone_strategy_merge(model, true, &err));
    support_golden("strategy-merge-none", err.message);
    ck_ok(attach(model, "full", "{}"));
    ck_ok(hone_strategy_merge(model, true, &err)); /* all is in the weights */
    ck_ok(attach(model, "lora", "{\"targets\": [\"head\"]}"));
    ck_fails(HONE_EUNSUPPORTED, hone_strategy_merge(model, true, &err));
    support_golden("strategy-merge-tied", err.message);
}
END_TEST

/* ---- adapters of others ---- */

/* A copy of a stored adapter with another value of a key. */
static const char *changed(const char *name, const char *key, const char *value)
{
    static char to[512];
    char path[600];
    hone_json *json = NULL;
    size_t n;
    char *bytes;

    snprintf(to, sizeof to, "%s", folder("adapter"));
    mkdir(to, 0777);
    snprintf(path, sizeof path, "parity/adapters/%s/adapter_model.safetensors", name);
    bytes = support_read(support_file(path), &n);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", to);
    support_write(path, bytes, n);
    hone_free(bytes);
    snprintf(path, sizeof path, "parity/adapters/%s/adapter_config.json", name);
    ck_ok(hone_json_read(&json, support_file(path), &err));
    if (value)
        json_object_set_new(json, key, json_loads(value, JSON_DECODE_ANY, NULL));
    else if (key)
        json_object_del(json, key);
    snprintf(path, sizeof path, "%s/adapter_config.json", to);
    ck_ok(hone_json_write(json, path, &err));
    hone_json_free(json);
    return to;
}

static const struct {
    const char *golden, *key, *value;
} refused[] = {
    { "type", "peft_type", "\"IA3\"" },
    { "no-type", "peft_type", NULL },
    { "dora", "use_dora", "true" },
    { "rslora", "use_rslora", "true" },
    { "bias", "bias", "\"all\"" },
    { "saved", "modules_to_save", "[\"lm_head\"]" },
    { "ranks", "rank_pattern", "{\"q_proj\": 8}" },
    { "layers", "layers_to_transform", "[0]" },
    { "init", "init_lora_weights", "\"pissa\"" },
    { "later", "some_later_key", "0.5" },
    { "rank-zero", "r", "0" },
    { "rank-other", "r", "2" },
    { "alpha", "lora_alpha", "\"8\"" },
    { "expression", "target_modules", "\".*q_proj\"" },
    { "no-modules", "target_modules", NULL },
    { "fewer", "target_modules", "[\"q_proj\"]" },
    { "more", "target_modules", "[\"q_proj\", \"v_proj\", \"o_proj\"]" },
    { "unmet", "target_modules", "[\"q_proj\", \"v_proj\", \"query\"]" },
};

START_TEST(an_adapter_that_asks_for_something_else_is_refused_by_key)
{
    char golden[64];

    load("llama");
    ck_assert_int_ne(hone_strategy_load(model, changed("llama_lora", refused[_i].key,
                                                       refused[_i].value), &err), HONE_OK);
    ck_assert_ptr_null(hone_model_strategy(model));
    ck_assert_uint_eq(hone_model_trainables(model), 0);
    snprintf(golden, sizeof golden, "adapter-%s", refused[_i].golden);
    support_golden(golden, err.message);
}
END_TEST

START_TEST(an_adapter_of_another_model_is_refused)
{
    load("gpt2");
    ck_fails(HONE_EINVAL, hone_strategy_load(model, changed("llama_lora", NULL, NULL), &err));
    support_golden("adapter-other-family", err.message);
    load("mistral"); /* the same names, another shape */
    ck_fails(HONE_EFORMAT, hone_strategy_load(model, changed("llama_lora", NULL, NULL), &err));
    support_golden("adapter-other-shape", err.message);
    load("qwen2"); /* a layer more */
    ck_fails(HONE_EFORMAT, hone_strategy_load(model, changed("llama_lora", NULL, NULL), &err));
    support_golden("adapter-other-depth", err.message);
}
END_TEST

START_TEST(an_adapter_that_is_not_there_is_told)
{
    char path[600];

    load("llama");
    ck_fails(HONE_ENOTFOUND, hone_strategy_load(model, "/nonexistent", &err));
    support_golden("adapter-no-folder", err.message);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", changed("llama_lora", NULL, NULL));
    ck_assert_int_eq(unlink(path), 0);
    ck_fails(HONE_ENOTFOUND, hone_strategy_load(model, folder("adapter"), &err));
    support_golden("adapter-no-weights", err.message);
}
END_TEST

START_TEST(only_a_strategy_can_be_attached)
{
    hone_instance *optimizer = NULL;

    load("llama");
    ck_ok(hone_instance_new(&optimizer, context, "optimizer", "sgd", NULL, &err));
    ck_fails(HONE_EINVAL, hone_model_set_strategy(model, optimizer, &err));
    support_golden("strategy-kind", err.message);
    hone_instance_free(optimizer);
}
END_TEST

START_TEST(short_memory_is_an_error_and_leaks_nothing)
{
    int64_t live;

    load("gpt2");
    ck_ok(hone_strategy_load(model, support_file("parity/adapters/gpt2_lora"), &err));
    ck_ok(hone_model_set_strategy(model, NULL, &err));
    live = hone_alloc_live();
    for (uint64_t n = 1;; n++) {
        int code;

        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = hone_strategy_load(model, support_file("parity/adapters/gpt2_lora"), &err);
        if (code == HONE_OK)
            code = hone_strategy_merge(model, true, &err);
        if (code == HONE_OK)
            code = hone_strategy_merge(model, false, &err);
        if (code == HONE_OK)
            code = hone_model_save(model, folder("short"), &err);
        hone_alloc_fail_after(0);
        ck_ok(hone_model_set_strategy(model, NULL, &err));
        ck_assert_int_eq(hone_alloc_live(), live);
        if (code == HONE_OK)
            break;
        ck_assert_uint_lt(n, 20000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("strategy");
    TCase *tc = tcase_create("strategy");
    int n = (int)(sizeof adapted / sizeof *adapted);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, full_trains_every_weight_once);
    tcase_add_test(tc, full_trains_what_is_named);
    tcase_add_test(tc, a_target_is_a_role_a_name_or_a_pattern);
    tcase_add_test(tc, a_target_that_meets_nothing_is_told_with_the_roles);
    tcase_add_test(tc, attaching_lora_changes_no_result_and_trains_adapters_alone);
    tcase_add_test(tc, initial_values_are_functions_of_seed_and_name);
    tcase_add_test(tc, alpha_scales_and_defaults_to_twice_the_rank);
    tcase_add_loop_test(tc, a_saved_model_with_its_adapter_is_loaded_as_it_was, 0, n);
    tcase_add_loop_test(tc, merged_the_results_stay_and_the_saved_model_needs_no_adapter, 0, n);
    tcase_add_test(tc, what_cannot_be_merged_is_told);
    tcase_add_loop_test(tc, an_adapter_that_asks_for_something_else_is_refused_by_key, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(tc, an_adapter_of_another_model_is_refused);
    tcase_add_test(tc, an_adapter_that_is_not_there_is_told);
    tcase_add_test(tc, only_a_strategy_can_be_attached);
    tcase_add_test(tc, short_memory_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
