/* test_model.c -- models from folders and configurations: what is refused, by
 * name; saved, copied, made anew; the drive's checks; the memory estimate. */
#include "support.h"

#include <hone/strategy.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void copy_file(const char *from, const char *to, const char *name)
{
    char a[600], b[600];
    size_t n;
    char *bytes;

    snprintf(a, sizeof a, "%s/%s", from, name);
    snprintf(b, sizeof b, "%s/%s", to, name);
    bytes = support_read(a, &n);
    ck_assert_msg(bytes, "%s", a);
    support_write(b, bytes, n);
    hone_free(bytes);
}

/* A copy of a stored model whose config.json has other values: "key" = JSON. */
static const char *changed(const char *name, const char *key, const char *value)
{
    static char to[512];
    char from[128], config[600];
    hone_json *json = NULL;

    snprintf(from, sizeof from, "parity/models/%s", name);
    snprintf(to, sizeof to, "%s", folder("changed"));
    mkdir(to, 0777);
    copy_file(support_file(from), to, "model.safetensors");
    snprintf(config, sizeof config, "%s/config.json", support_file(from));
    ck_ok(hone_json_read(&json, config, &err));
    if (value)
        json_object_set_new(json, key, json_loads(value, JSON_DECODE_ANY, NULL));
    else if (key)
        json_object_del(json, key);
    snprintf(config, sizeof config, "%s/config.json", to);
    ck_ok(hone_json_write(json, config, &err));
    hone_json_free(json);
    return to;
}

static int load(const char *where)
{
    err = (hone_error){0};
    return hone_model_load(&model, context, where, NULL, &err);
}

static void load_stored(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "parity/models/%s", name);
    ck_ok(load(support_file(path)));
}

START_TEST(a_loaded_model_tells_what_it_is)
{
    size_t count;
    const int32_t *eos;

    load_stored("llama");
    ck_assert_str_eq(hone_model_plugin(model), "llama");
    ck_assert_int_eq(hone_model_layers(model), 2);
    ck_assert_int_eq(hone_model_vocab(model), 67);
    ck_assert_int_eq(hone_model_width(model), 24);
    ck_assert_int_eq(hone_model_max_positions(model), 64);
    ck_assert_str_eq(hone_model_folder(model), support_file("parity/models/llama"));
    ck_assert_ptr_null(hone_model_tokenizer(model));
    ck_assert_ptr_null(hone_model_strategy(model));
    ck_assert_uint_eq(hone_model_trainables(model), 0);
    ck_assert_str_eq(hone_param_name(hone_model_head(model)->param), "lm_head");
    eos = hone_model_eos(model, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(eos[0], 2);
    ck_assert_ptr_eq(hone_model_context(model), context);
    ck_assert_str_eq(hone_json_string(hone_json_get(hone_model_config(model), "model_type")),
                     "llama");
}
END_TEST

START_TEST(ends_of_text_come_from_both_files)
{
    const char *where = changed("llama", "eos_token_id", "[2, 5, 1000000]");
    const char *generation = "{\"eos_token_id\": [5, 7]}";
    char path[600];
    size_t count;
    const int32_t *eos;

    snprintf(path, sizeof path, "%s/generation_config.json", where);
    support_write(path, generation, strlen(generation));
    ck_ok(load(where));
    eos = hone_model_eos(model, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert(eos[0] == 2 && eos[1] == 5 && eos[2] == 7);
}
END_TEST

START_TEST(weights_are_kept_in_the_dtype_asked_for)
{
    static const struct {
        const char *stored, *asked;
        hone_dtype got;
    } cases[] = {
        { "llama_bf16", "stored", HONE_BF16 }, { "llama_f16", "stored", HONE_F16 },
        { "llama_bf16", NULL, HONE_F32 }, { "llama", "bf16", HONE_BF16 },
        { "llama", "f16", HONE_F16 }, { "llama_f16", "f32", HONE_F32 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_model_options options = { .dtype = cases[i].asked };
        char path[128];

        snprintf(path, sizeof path, "parity/models/%s", cases[i].stored);
        ck_ok(hone_model_load(&model, context, support_file(path), &options, &err));
        for (size_t p = 0; p < hone_params_count(hone_model_params(model)); p++)
            ck_assert_int_eq(hone_tensor_dtype(hone_param_weight(
                                 hone_params_at(hone_model_params(model), p))), cases[i].got);
        hone_model_free(model);
        model = NULL;
    }
    hone_model_options options = { .dtype = "i8" };
    ck_fails(HONE_EINVAL, hone_model_load(&model, context, support_file("parity/models/llama"),
                                          &options, &err));
    support_golden("model-dtype", err.message);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_folder_without_a_model_is_refused)
{
    char path[600];

    ck_fails(HONE_ENOTFOUND, load("/nonexistent"));
    support_golden("model-no-folder", err.message);
    mkdir(folder("empty"), 0777);
    ck_fails(HONE_ENOTFOUND, load(folder("empty")));
    support_golden("model-no-config", err.message);
    snprintf(path, sizeof path, "%s/model.safetensors", changed("llama", NULL, NULL));
    ck_assert_int_eq(unlink(path), 0);
    ck_fails(HONE_ENOTFOUND, load(folder("changed")));
    support_golden("model-no-weights", err.message);
    snprintf(path, sizeof path, "%s/config.json", folder("changed"));
    support_write(path, "{\"model_type\":", 14);
    ck_fails(HONE_EFORMAT, load(folder("changed")));
    support_golden("model-broken-config", err.message);
}
END_TEST

static const struct {
    const char *golden, *model, *key, *value; /* value NULL: removed */
} changes[] = {
    { "unknown-type", "llama", "model_type", "\"mamba\"" },
    { "no-type", "llama", "model_type", NULL },
    { "no-layers", "llama", "num_hidden_layers", NULL },
    { "no-heads", "llama", "num_attention_heads", "0" },
    { "heads-text", "llama", "num_attention_heads", "\"4\"" },
    { "kv-heads", "llama", "num_key_value_heads", "3" },
    { "head-dim", "llama", "head_dim", "7" },
    { "head-dim-default", "qwen2", "num_attention_heads", "5" },
    { "vocab", "llama", "vocab_size", "-1" },
    { "act", "llama", "hidden_act", "\"gelu\"" },
    { "rope-scaling", "llama", "rope_scaling", "{\"type\": \"linear\", \"factor\": 2}" },
    { "rope-type", "llama", "rope_parameters", "{\"rope_type\": \"llama3\", \"rope_theta\": 5e5}" },
    { "rope-theta", "llama", "rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": 0}" },
    { "quantized", "llama", "quantization_config", "{\"bits\": 4}" },
    { "layer-types", "qwen2", "layer_types", "[\"full_attention\", \"linear_attention\", 1]" },
    { "layer-types-count", "qwen2", "layer_types", "[\"full_attention\"]" },
    { "eos", "llama", "eos_token_id", "\"</s>\"" },
    { "misshapen", "llama", "intermediate_size", "41" },
    { "missing-bias", "llama", "attention_bias", "true" },
    { "missing-layer", "llama", "num_hidden_layers", "3" },
    { "extra-layer", "llama", "num_hidden_layers", "1" },
    { "tied", "llama", "tie_word_embeddings", "true" },
    { "gpt2-act", "gpt2", "activation_function", "\"quick_gelu\"" },
    { "gpt2-scale", "gpt2", "scale_attn_by_inverse_layer_idx", "true" },
    { "gpt2-heads", "gpt2", "n_head", "4" },
    { "gpt2-positions", "gpt2", "n_positions", NULL },
};

START_TEST(a_configuration_that_does_not_fit_is_refused_by_name)
{
    char golden[64];
    const char *where = changed(changes[_i].model, changes[_i].key, changes[_i].value);

    ck_assert_int_ne(load(where), HONE_OK);
    ck_assert_ptr_null(model);
    snprintf(golden, sizeof golden, "model-%s", changes[_i].golden);
    support_golden(golden, err.message);
}
END_TEST

/* Rewrite the weights with one tensor more, or of another dtype or name. */
static void rewrite(const char *where, const char *name, const char *as, hone_dtype dtype)
{
    hone_tensors_item items[64];
    hone_tensors *file = NULL;
    char path[600];
    size_t n;

    ck_ok(hone_tensors_open(&file, where, &err));
    n = hone_tensors_count(file);
    ck_assert_uint_lt(n, 64);
    for (size_t i = 0; i < n; i++) {
        const hone_tensor_entry *e = hone_tensors_at(file, i);
        bool it = strcmp(e->name, name) == 0;
        hone_tensor *t = NULL;

        ck_ok(hone_tensor_new(&t, it ? dtype : HONE_F32, e->dims, e->shape, &err));
        if (!it || dtype == HONE_F32)
            ck_ok(hone_tensors_read(file, e->name, t, &err));
        items[i] = (hone_tensors_item){ it ? as : e->name, t };
    }
    snprintf(path, sizeof path, "%s/model.safetensors", where);
    ck_ok(hone_tensors_write(path, items, n, NULL, &err));
    for (size_t i = 0; i < n; i++)
        hone_tensor_free((hone_tensor *)(uintptr_t)items[i].tensor);
    hone_tensors_free(file);
}

START_TEST(a_tensor_of_another_name_or_type_is_refused)
{
    const char *where = changed("llama", NULL, NULL);

    rewrite(where, "model.norm.weight", "model.norm.weight", HONE_I32);
    ck_fails(HONE_EFORMAT, load(where));
    support_golden("model-tensor-type", err.message);
    changed("llama", NULL, NULL);
    rewrite(where, "model.norm.weight", "model.nrom.weight", HONE_F32);
    ck_fails(HONE_EFORMAT, load(where));
    support_golden("model-tensor-name", err.message);
    changed("gpt2_bare", NULL, NULL);
    rewrite(where, "h.0.attn.bias", "h.0.attn.basis", HONE_F32);
    ck_fails(HONE_EFORMAT, load(where));
    support_golden("model-tensor-extra", err.message);
}
END_TEST

START_TEST(a_tied_weight_may_be_stored_under_its_second_name)
{
    const char *where = changed("llama_tied", NULL, NULL);

    load_stored("llama_tied");
    rewrite(where, "model.embed_tokens.weight", "lm_head.weight", HONE_F32);
    ck_ok(hone_model_load(&other, context, where, NULL, &err));
    ck_assert_mem_eq(hone_tensor_bytes(hone_param_weight(hone_model_head(other)->param)),
                     hone_tensor_bytes(hone_param_weight(hone_model_head(model)->param)),
                     67 * sizeof(float));
}
END_TEST

/* ---- saving, copying, making ---- */

static void ck_same(const hone_model *a, const hone_model *b)
{
    hone_params *p = hone_model_params(a), *q = hone_model_params(b);

    ck_assert_uint_eq(hone_params_count(p), hone_params_count(q));
    for (size_t i = 0; i < hone_params_count(p); i++) {
        const hone_tensor *x = hone_param_weight(hone_params_at(p, i));
        const hone_tensor *y = hone_param_weight(hone_params_at(q, i));
        const hone_tensor *s = hone_param_bias(hone_params_at(p, i));
        const hone_tensor *t = hone_param_bias(hone_params_at(q, i));

        ck_assert_int_eq(hone_tensor_dtype(x), hone_tensor_dtype(y));
        ck_assert_mem_eq(hone_tensor_bytes(x), hone_tensor_bytes(y),
                         (size_t)hone_tensor_count(x) * hone_dtype_size(hone_tensor_dtype(x)));
        ck_assert_int_eq(s != NULL, t != NULL);
        if (s)
            ck_assert_mem_eq(hone_tensor_bytes(s), hone_tensor_bytes(t),
                             (size_t)hone_tensor_count(s) * hone_dtype_size(hone_tensor_dtype(s)));
    }
}

static const char *const stored[] = { "llama", "llama_tied", "qwen2", "mistral", "gpt2",
                                      "gpt2_bare", "llama_sharded", "llama_bf16", "llama_f16" };

START_TEST(what_is_saved_is_loaded_again_bit_by_bit)
{
    hone_model_options options = { .dtype = "stored" };
    hone_tensors *file = NULL;
    char path[128];
    size_t ties = 0;

    snprintf(path, sizeof path, "parity/models/%s", stored[_i]);
    ck_ok(hone_model_load(&model, context, support_file(path), &options, &err));
    ck_ok(hone_model_save(model, folder("saved/deep/below"), &err));
    ck_ok(hone_model_load(&other, context, folder("saved/deep/below"), &options, &err));
    ck_same(model, other);
    ck_assert(json_equal(hone_model_config(model), hone_model_config(other)));
    ck_ok(hone_tensors_open(&file, folder("saved/deep/below"), &err));
    ck_assert_str_eq(hone_tensors_metadata(file, "format"), "pt");
    ties = hone_tensors_find(file, "lm_head.weight") != NULL;
    ck_assert_uint_eq(ties, hone_param_tied_to(hone_model_head(model)->param) == NULL);
    hone_tensors_free(file);
}
END_TEST

START_TEST(the_dtype_saved_is_the_dtype_told)
{
    hone_model_options options = { .dtype = "bf16" };

    ck_ok(hone_model_load(&model, context, support_file("parity/models/llama"), &options, &err));
    ck_ok(hone_model_save(model, folder("narrow"), &err));
    ck_ok(hone_model_load(&other, context, folder("narrow"), NULL, &err));
    ck_assert_str_eq(hone_json_string(hone_json_get(hone_model_config(other), "dtype")),
                     "bfloat16");
    ck_assert_ptr_null(hone_json_get(hone_model_config(other), "torch_dtype"));
    hone_model_free(model);
    ck_ok(hone_model_load(&model, context, support_file("parity/models/llama_tied"), &options,
                          &err));
    ck_ok(hone_model_save(model, folder("older"), &err));
    hone_model_free(other);
    ck_ok(hone_model_load(&other, context, folder("older"), NULL, &err));
    ck_assert_str_eq(hone_json_string(hone_json_get(hone_model_config(other), "torch_dtype")),
                     "bfloat16");
    ck_assert_ptr_null(hone_json_get(hone_model_config(other), "dtype"));
}
END_TEST

START_TEST(a_copy_is_independent)
{
    load_stored("gpt2");
    ck_ok(hone_model_copy(&other, model, &err));
    ck_same(model, other);
    hone_tensor_set(hone_param_weight(hone_model_head(other)->param), 0, 77);
    ck_assert_double_ne(hone_tensor_get(hone_param_weight(hone_model_head(model)->param), 0), 77);
    hone_model_free(model);
    model = NULL;
    ck_ok(hone_model_save(other, folder("copy"), &err));
}
END_TEST

static hone_json *config_of(const char *name)
{
    char path[128];
    hone_json *json = NULL;

    snprintf(path, sizeof path, "parity/models/%s/config.json", name);
    ck_ok(hone_json_read(&json, support_file(path), &err));
    return json;
}

START_TEST(random_weights_are_as_documented)
{
    hone_json *json = config_of("gpt2");
    double sum = 0, squares = 0, small = 0;
    hone_tensor *w;
    hone_params *p;
    int64_t n;

    json_object_set_new(json, "initializer_range", json_real(0.5));
    ck_ok(hone_model_new(&model, context, json, NULL, 5, &err));
    p = hone_model_params(model);
    w = hone_param_weight(hone_params_find(p, "transformer.h.1.mlp.c_fc"));
    n = hone_tensor_count(w);
    for (int64_t i = 0; i < n; i++) {
        sum += hone_tensor_get(w, i);
        squares += pow(hone_tensor_get(w, i), 2);
    }
    ck_assert_double_eq_tol(sum / (double)n, 0, 4 * 0.5 / sqrt((double)n));
    ck_assert_double_eq_tol(sqrt(squares / (double)n), 0.5, 0.05);
    w = hone_param_weight(hone_params_find(p, "transformer.h.1.mlp.c_proj"));
    for (int64_t i = 0; i < n; i++)
        small += pow(hone_tensor_get(w, i), 2);
    ck_assert_double_eq_tol(sqrt(small / (double)n), 0.25, 0.025); /* 0.5 / sqrt(4) */
    ck_assert_double_eq(hone_tensor_get(hone_param_weight(hone_params_find(p,
                        "transformer.ln_f")), 3), 1);
    ck_assert_double_eq(hone_tensor_get(hone_param_bias(hone_params_find(p,
                        "transformer.h.0.attn.c_attn")), 3), 0);
    ck_assert_ptr_null(hone_model_folder(model));
    ck_ok(hone_model_new(&other, context, json, NULL, 5, &err));
    ck_same(model, other);
    hone_model_free(other);
    ck_ok(hone_model_new(&other, context, json, NULL, 6, &err));
    ck_assert_double_ne(hone_tensor_get(w, 0), hone_tensor_get(hone_param_weight(hone_params_find(
                        hone_model_params(other), "transformer.h.1.mlp.c_proj")), 0));
    hone_json_free(json);
}
END_TEST

/* Drawn in pieces by whichever thread, they are what one stream gives in order. */
START_TEST(random_weights_are_one_stream)
{
    hone_random r = hone_random_named(5, "model.embed_tokens.weight");
    hone_json *json = config_of("llama");
    hone_tensor *w;

    json_object_set_new(json, "vocab_size", json_integer(4000));
    json_object_set_new(json, "initializer_range", json_real(0.5));
    ck_ok(hone_model_new(&model, context, json, NULL, 5, &err));
    w = hone_param_weight(hone_params_find(hone_model_params(model), "model.embed_tokens"));
    ck_assert_int_gt(hone_tensor_count(w), 3 * 8192);
    for (int64_t i = 0; i < hone_tensor_count(w); i++) {
        float x = (float)(0.5 * hone_random_normal(&r));
        ck_assert_msg(hone_tensor_get(w, i) == (double)x, "%d: %.9g, not %.9g", (int)i,
                      hone_tensor_get(w, i), (double)x);
    }
    hone_json_free(json);
}
END_TEST

/* A parameter's weights depend on its name, not on those before it. */
START_TEST(a_deeper_model_begins_like_a_shallower_one)
{
    hone_json *json = config_of("llama");

    ck_ok(hone_model_new(&model, context, json, NULL, 5, &err));
    json_object_set_new(json, "num_hidden_layers", json_integer(3));
    ck_ok(hone_model_new(&other, context, json, NULL, 5, &err));
    ck_assert_mem_eq(hone_tensor_bytes(hone_param_weight(hone_model_head(model)->param)),
                     hone_tensor_bytes(hone_param_weight(hone_model_head(other)->param)), 4096);
    hone_json_free(json);
}
END_TEST

/* ---- the drive ---- */

static void refused(const int32_t *tokens, int64_t count, const float *weights)
{
    hone_graph_options options = {0};
    hone_batch *batch = NULL;
    hone_graph *g = NULL;
    int code;

    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add(batch, tokens, weights, count, &err));
    ck_assert_ptr_null(hone_model_hidden(model, g, batch, NULL));
    err = (hone_error){0};
    code = hone_graph_end(g, &err);
    ck_assert_int_eq(code, HONE_EINVAL);
    hone_batch_free(batch);
    hone_graph_free(g);
}

START_TEST(a_token_or_length_that_the_model_has_not_is_refused)
{
    int32_t tokens[30] = { 1, 2, 71 }, low[] = { 1, -1 }, fine[] = { 1, 2 };
    float weights[30];

    for (int i = 0; i < 30; i++)
        weights[i] = 1;
    load_stored("gpt2");
    refused(tokens, 3, weights);
    support_golden("model-token", err.message);
    refused(low, 2, weights);
    support_golden("model-token-negative", err.message);
    refused(fine, 2, NULL);
    support_golden("model-no-outputs", err.message);
    tokens[2] = 3;
    refused(tokens, 25, weights);
    support_golden("model-positions", err.message);
}
END_TEST

START_TEST(a_slot_needs_a_cache_that_has_it)
{
    hone_graph_options options = {0};
    hone_graph *g = NULL;
    hone_cache *cache = NULL;
    hone_batch *batch = NULL;
    int32_t token = 1;

    load_stored("llama");
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_cache_new(&cache, 2, 8, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_continue(batch, 2, 0, &token, 1, false, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    ck_assert_ptr_null(hone_model_hidden(model, g, batch, cache));
    ck_fails(HONE_ESTATE, hone_graph_end(g, &err));
    support_golden("model-slot", err.message);
    ck_ok(hone_graph_begin(g, &options, &err));
    ck_assert_ptr_null(hone_model_hidden(model, g, batch, NULL));
    ck_fails(HONE_ESTATE, hone_graph_end(g, &err));
    support_golden("model-no-cache", err.message);
    hone_batch_free(batch);
    hone_cache_free(cache);
    hone_graph_free(g);
}
END_TEST

START_TEST(an_interrupt_stops_between_blocks)
{
    hone_graph_options options = {0};
    hone_graph *g = NULL;
    hone_batch *batch = NULL;
    int32_t tokens[] = { 1, 2 };
    float weights[] = { 1, 1 };

    load_stored("llama");
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add(batch, tokens, weights, 2, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    hone_context_interrupt(context);
    ck_assert_ptr_null(hone_model_hidden(model, g, batch, NULL));
    hone_context_clear_interrupt(context);
    ck_fails(HONE_EINTERRUPTED, hone_graph_end(g, &err));
    hone_batch_free(batch);
    hone_graph_free(g);
}
END_TEST

/* ---- tokenizers ---- */

START_TEST(a_tokenizer_with_more_tokens_than_the_model_is_refused)
{
    hone_instance *tokenizer = NULL;

    load_stored("llama"); /* 67 tokens; bytes are 256 and more */
    ck_ok(hone_instance_new(&tokenizer, context, "tokenizer", "byte", NULL, &err));
    ck_fails(HONE_EINVAL, hone_model_set_tokenizer(model, tokenizer, &err));
    support_golden("model-tokenizer", err.message);
    ck_assert_ptr_null(hone_model_tokenizer(model));
    hone_instance_free(tokenizer);
    ck_ok(hone_model_set_tokenizer(model, NULL, &err));
}
END_TEST

/* ---- the estimate ---- */

static const char *const estimated[] = { "llama", "gpt2", "llama", "gpt2", "llama", "gpt2" };

/* Against the graph's own peak, on a batch that dwarfs fixed costs. */
START_TEST(the_memory_estimate_is_near_the_measured_peak)
{
    hone_json *json = config_of(estimated[_i]);
    hone_graph_options options = { .record = true };
    hone_instance *strategy = NULL;
    hone_memory_estimate estimate;
    hone_batch *batch = NULL;
    hone_graph *g = NULL;
    int32_t tokens[128];
    float weights[128];
    bool gpt2 = strcmp(estimated[_i], "gpt2") == 0, lora = _i >= 4;
    double ratio;

    json_object_set_new(json, gpt2 ? "n_embd" : "hidden_size", json_integer(gpt2 ? 96 : 64));
    json_object_set_new(json, gpt2 ? "n_layer" : "num_hidden_layers", json_integer(6));
    json_object_set_new(json, gpt2 ? "n_positions" : "max_position_embeddings", json_integer(128));
    if (!gpt2) {
        json_object_set_new(json, "head_dim", json_integer(16));
        json_object_set_new(json, "intermediate_size", json_integer(172));
    }
    ck_ok(hone_model_new(&model, context, json, NULL, 1, &err));
    hone_model_set_recompute(model, _i == 2 || _i == 3);
    ck_ok(hone_instance_new(&strategy, context, "strategy", lora ? "lora" : "full", NULL, &err));
    ck_ok(hone_model_set_strategy(model, strategy, &err));
    ck_ok(hone_batch_new(&batch, &err));
    for (int i = 0; i < 128; i++)
        tokens[i] = i % 60, weights[i] = 1;
    for (int i = 0; i < 16; i++)
        ck_ok(hone_batch_add(batch, tokens, weights, 128, &err));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    ck_ok(hone_graph_backward(g, hone_head_cross_entropy(g,
              hone_model_hidden(model, g, batch, NULL), hone_model_head(model),
              hone_batch_targets(batch), hone_batch_weights(batch), NULL), 1, &err));
    ck_ok(hone_model_estimate(model, hone_batch_tokens(batch), hone_batch_outputs(batch), 2,
                              &estimate, &err));
    ratio = (double)estimate.activations / (double)hone_graph_peak(g);
    printf("# %s%s%s: %.2f of the peak %zu\n", estimated[_i], lora ? " lora" : "",
           _i == 2 || _i == 3 ? " recomputed" : "", ratio, hone_graph_peak(g));
    ck_assert_msg(ratio > 0.9 && ratio < 1.4, "estimated %zu, measured %zu", estimate.activations,
                  hone_graph_peak(g));
    ck_assert_uint_eq(estimate.optimizer, 2 * estimate.gradients);
    ck_assert_uint_eq(estimate.total, estimate.weights + estimate.gradients + estimate.optimizer +
                                      estimate.activations);
    ck_ok(hone_graph_end(g, &err));
    ck_fails(HONE_EINVAL, hone_model_estimate(model, 0, 0, 2, &estimate, &err));
    hone_graph_free(g);
    hone_batch_free(batch);
    hone_instance_free(strategy);
    hone_json_free(json);
}
END_TEST

START_TEST(short_memory_is_an_error_and_leaks_nothing)
{
    const char *where = support_file(_i ? "parity/models/llama_sharded" : "parity/models/gpt2");
    int64_t live;

    ck_ok(load(where)); /* what the context keeps is allocated now */
    hone_model_free(model);
    model = NULL;
    live = hone_alloc_live();
    for (uint64_t n = 1;; n++) {
        int code;

        hone_alloc_fail_after(n);
        code = load(where);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            break;
        ck_assert_ptr_null(model);
        ck_assert_int_eq(hone_alloc_live(), live);
        ck_assert_uint_lt(n, 20000);
    }
    for (uint64_t n = 1;; n++) {
        int code;

        hone_model_free(other);
        other = NULL;
        live = hone_alloc_live();
        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = hone_model_copy(&other, model, &err);
        if (code == HONE_OK)
            code = hone_model_save(other, folder("short"), &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            break;
        hone_model_free(other);
        other = NULL;
        ck_assert_int_eq(hone_alloc_live(), live);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tc = tcase_create("model");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_loaded_model_tells_what_it_is);
    tcase_add_test(tc, ends_of_text_come_from_both_files);
    tcase_add_test(tc, weights_are_kept_in_the_dtype_asked_for);
    tcase_add_test(tc, a_folder_without_a_model_is_refused);
    tcase_add_loop_test(tc, a_configuration_that_does_not_fit_is_refused_by_name, 0,
                        (int)(sizeof changes / sizeof *changes));
    tcase_add_test(tc, a_tensor_of_another_name_or_type_is_refused);
    tcase_add_test(tc, a_tied_weight_may_be_stored_under_its_second_name);
    tcase_add_loop_test(tc, what_is_saved_is_loaded_again_bit_by_bit, 0,
                        (int)(sizeof stored / sizeof *stored));
    tcase_add_test(tc, the_dtype_saved_is_the_dtype_told);
    tcase_add_test(tc, a_copy_is_independent);
    tcase_add_test(tc, random_weights_are_as_documented);
    tcase_add_test(tc, random_weights_are_one_stream);
    tcase_add_test(tc, a_deeper_model_begins_like_a_shallower_one);
    tcase_add_test(tc, a_token_or_length_that_the_model_has_not_is_refused);
    tcase_add_test(tc, a_slot_needs_a_cache_that_has_it);
    tcase_add_test(tc, an_interrupt_stops_between_blocks);
    tcase_add_test(tc, a_tokenizer_with_more_tokens_than_the_model_is_refused);
    tcase_add_loop_test(tc, the_memory_estimate_is_near_the_measured_peak, 0,
                        (int)(sizeof estimated / sizeof *estimated));
    tcase_add_loop_test(tc, short_memory_is_an_error_and_leaks_nothing, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
