/* test_optimizer.c -- adamw and sgd against PyTorch; clipping, threads, states.
 *
 * A model plugin of the test's own has parameters and no arithmetic. Gradients
 * are given by running a layer on the unit matrix, and its result against them. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hone_context *context;
static hone_error err;

/* ---- a model ---- */

struct toy {
    int64_t rows;
};

static int toy_configure(void *self, const hone_json *config, hone_error *error)
{
    struct toy *toy = self;
    hone_config c = hone_config_open(config, error);

    toy->rows = hone_config_int(&c, "rows", 7, 1, 1 << 20);
    return hone_config_close(&c);
}

static int toy_build(void *self, hone_params *p, hone_error *error)
{
    const struct toy *toy = self;

    hone_param_new(p, "embedding", "a", toy->rows, 5, false);
    hone_param_new(p, "norm", "b", 1, 11, false);
    hone_param_new(p, "head", "c", 3, 8, false);
    return hone_params_done(p, error);
}

static hone_tensor *toy_embed(void *self, hone_graph *g, const hone_batch *batch)
{
    (void)self, (void)batch;
    return hone_graph_fail(g, HONE_EUNSUPPORTED, "a toy");
}

static hone_tensor *toy_block(void *self, hone_graph *g, int64_t layer, hone_tensor *x,
                              const hone_batch *batch, hone_cache *cache)
{
    (void)self, (void)layer, (void)x, (void)batch, (void)cache;
    return hone_graph_fail(g, HONE_EUNSUPPORTED, "a toy");
}

static hone_tensor *toy_finish(void *self, hone_graph *g, hone_tensor *x)
{
    (void)self, (void)x;
    return hone_graph_fail(g, HONE_EUNSUPPORTED, "a toy");
}

static const char *const toy_types[] = { "toy", NULL };
static const hone_model_ops toy_ops = {
    .size = sizeof toy_ops, .model_types = toy_types, .configure = toy_configure,
    .build = toy_build, .embed = toy_embed, .block = toy_block, .finish = toy_finish,
};
static const hone_plugin toy_plugin = {
    .size = sizeof toy_plugin, .abi = HONE_ABI, .option_size = sizeof(hone_option),
    .kind = "model", .name = "toy", .version = "1", .summary = "for a test",
    .instance_size = sizeof(struct toy), .ops = &toy_ops,
};

/* ---- optimizers of the test's own ---- */

static int whole_update(const void *self, const hone_update *u, hone_error *error)
{
    int64_t count = 1;

    (void)self;
    for (int d = 0; d < u->dims; d++)
        count *= u->shape[d];
    if (u->offset || u->count != count)
        return hone_fail(error, HONE_EINVAL, "a part of a tensor");
    for (int64_t i = 0; i < count; i++)
        u->value[i] -= (float)u->lr * u->gradient[i];
    return HONE_OK;
}

static int failing_update(const void *self, const hone_update *u, hone_error *error)
{
    (void)self, (void)u;
    return hone_fail(error, HONE_ENUMERIC, "the matrix is singular");
}

static double whole_lr(const void *self)
{
    (void)self;
    return 0.5;
}

static const hone_optimizer_ops whole_ops = { .size = sizeof whole_ops, .update = whole_update,
                                              .lr = whole_lr };
static const hone_optimizer_ops failing_ops = { .size = sizeof failing_ops, .elementwise = true,
                                                .update = failing_update, .lr = whole_lr };
static const hone_plugin whole_plugin = {
    .size = sizeof whole_plugin, .abi = HONE_ABI, .option_size = sizeof(hone_option),
    .kind = "optimizer", .name = "whole", .version = "1", .summary = "for a test",
    .instance_size = 1, .ops = &whole_ops,
};
static const hone_plugin failing_plugin = {
    .size = sizeof failing_plugin, .abi = HONE_ABI, .option_size = sizeof(hone_option),
    .kind = "optimizer", .name = "failing", .version = "1", .summary = "for a test",
    .instance_size = 1, .threadsafe = true, .ops = &failing_ops,
};

/* ---- help ---- */

struct bench {
    hone_model *model;
    hone_optimizer *optimizer;
    hone_graph *graph;
};

static void setup(void)
{
    context = support_context();
    ck_ok(hone_plugin_register(context, &toy_plugin, &err));
    ck_ok(hone_plugin_register(context, &whole_plugin, &err));
    ck_ok(hone_plugin_register(context, &failing_plugin, &err));
}

static void teardown(void)
{
    hone_context_free(context);
}

static hone_instance *instance_of(const char *kind, const char *name, const char *options)
{
    json_t *json = support_json(options);
    hone_instance *instance = NULL;

    ck_ok(hone_instance_new(&instance, context, kind, name, json, &err));
    json_decref(json);
    return instance;
}

static hone_model *model_of(int rows, const char *dtype)
{
    json_t *config = json_pack("{s:s, s:i}", "model_type", "toy", "rows", rows);
    hone_instance *full = instance_of("strategy", "full", "{}");
    hone_model_options options = { .dtype = dtype };
    hone_model *model = NULL;

    ck_ok(hone_model_new(&model, context, config, &options, 1, &err));
    ck_ok(hone_model_set_strategy(model, full, &err));
    hone_instance_free(full);
    json_decref(config);
    return model;
}

static struct bench bench_of(const char *name, const char *options, int rows, const char *dtype)
{
    hone_instance *plugin = instance_of("optimizer", name, options);
    struct bench b = { .model = model_of(rows, dtype) };

    ck_ok(hone_optimizer_new(&b.optimizer, b.model, plugin, &err));
    ck_ok(hone_graph_new(&b.graph, context, NULL, &err));
    hone_instance_free(plugin);
    return b;
}

static void bench_free(struct bench *b)
{
    hone_graph_free(b->graph);
    hone_optimizer_free(b->optimizer);
    hone_model_free(b->model);
}

static hone_tensor *weight_of(const struct bench *b, const char *name)
{
    hone_param *param = hone_params_find(hone_model_params(b->model), name);

    ck_assert_ptr_nonnull(param);
    return hone_param_weight(param);
}

/* y [tokens, out] and, in *flat, where gradient element [o, i] belongs in it, so
 * that sum(y * it) has the gradient given. Ops take bf16 weights as layers do. */
static hone_tensor *layer_of(struct bench *b, hone_param *param, const float *gradient,
                             hone_tensor **flat)
{
    int64_t out = hone_param_out(param), in = hone_param_in(param);
    bool norm = hone_tensor_dims(hone_param_weight(param)) == 1;
    int64_t tokens = norm ? 1 : in;
    int64_t shape[2] = { tokens, in }, result[2] = { tokens, norm ? in : out };
    hone_tensor *x = hone_graph_tensor(b->graph, 2, shape);
    float *one = hone_tensor_data(x), *to;

    *flat = hone_graph_tensor(b->graph, 2, result);
    to = hone_tensor_data(*flat);
    for (int64_t i = 0; i < in; i++) {
        one[norm ? i : i * in + i] = 1;
        for (int64_t o = 0; o < out; o++)
            to[i * out + o] = gradient[o * in + i];
    }
    return norm ? hone_rmsnorm(b->graph, x, param, 1e-12) : hone_linear(b->graph, x, param);
}

/* Add a gradient to what a parameter holds. */
static void give(struct bench *b, const char *name, const float *gradient)
{
    hone_graph_options options = { .record = true };
    hone_tensor *y, *constant = NULL;

    ck_ok(hone_graph_begin(b->graph, &options, &err));
    y = layer_of(b, hone_params_find(hone_model_params(b->model), name), gradient, &constant);
    ck_ok(hone_graph_backward(b->graph, hone_sum(b->graph, hone_mul(b->graph, y, constant)), 1,
                              &err));
    ck_ok(hone_graph_end(b->graph, &err));
}

/* Gradients of step `step` for all parameters: normal numbers. */
static void give_random(struct bench *b, uint64_t step)
{
    static const char *const names[] = { "a", "b", "c" };
    hone_random random = hone_random_named(step, "gradient");

    for (int i = 0; i < 3; i++) {
        int64_t n = hone_tensor_count(weight_of(b, names[i]));
        float *gradient = hone_alloc((size_t)n, sizeof *gradient);
        for (int64_t k = 0; k < n; k++)
            gradient[k] = (float)hone_random_normal(&random);
        give(b, names[i], gradient);
        hone_free(gradient);
    }
}

static void step(struct bench *b)
{
    ck_ok(hone_optimizer_step(b->optimizer, 1, 0, 1, NULL, &err));
}

static bool same_bits(const hone_tensor *a, const hone_tensor *b)
{
    return memcmp(hone_tensor_bytes(a), hone_tensor_bytes(b), (size_t)hone_tensor_count(a) *
                                                hone_dtype_size(hone_tensor_dtype(a))) == 0;
}

static bool same_values(const struct bench *x, const struct bench *y)
{
    return same_bits(weight_of(x, "a"), weight_of(y, "a")) &&
           same_bits(weight_of(x, "b"), weight_of(y, "b")) &&
           same_bits(weight_of(x, "c"), weight_of(y, "c"));
}

/* ---- parity ---- */

static double difference(const hone_tensor *t, const hone_tensor_entry *expected)
{
    double worst = 0;

    ck_assert_ptr_nonnull(expected);
    ck_assert_uint_eq(expected->size, (size_t)hone_tensor_count(t) * sizeof(float));
    for (int64_t i = 0; i < hone_tensor_count(t); i++) {
        float one;
        memcpy(&one, (const char *)expected->bytes + (size_t)i * sizeof one, sizeof one);
        worst = fmax(worst, fabs(hone_tensor_get(t, i) - one));
    }
    return worst;
}

static const hone_tensor_entry *entry_of(const hone_tensors *file, const char *what,
                                         const char *name)
{
    char key[64];

    snprintf(key, sizeof key, "%s/%s", what, name);
    return hone_tensors_find(file, key);
}

/* Compare the state in a saved file with the expectation. */
static void compare_state(struct bench *b, const hone_tensors *expected, const char *state,
                          const char *theirs)
{
    static const char *const names[] = { "a", "b", "c" };
    hone_tensors *saved = NULL;
    char path[512], key[64];

    snprintf(path, sizeof path, "%s/states.safetensors", support_folder());
    ck_ok(hone_optimizer_save(b->optimizer, path, &err));
    ck_ok(hone_tensors_open(&saved, path, &err));
    for (int i = 0; i < 3; i++) {
        hone_tensor *copy = NULL, *weight = weight_of(b, names[i]);
        int64_t count = hone_tensor_count(weight);
        snprintf(key, sizeof key, "state/%s/%s.weight", state, names[i]);
        ck_ok(hone_tensor_new(&copy, HONE_F32, 1, &count, &err));
        ck_ok(hone_tensors_read(saved, key, copy, &err));
        ck_assert_double_le(difference(copy, entry_of(expected, theirs, names[i])), 1e-5);
        hone_tensor_free(copy);
    }
    hone_tensors_free(saved);
}

static const struct parity {
    const char *file, *name, *options, *state, *theirs;
} parities[] = {
    { "parity/expect/adamw.safetensors", "adamw",
      "{'lr': 7e-3, 'betas': [0.85, 0.97], 'eps': 1e-6, 'weight_decay': 0.13, 'decay': 'all'}",
      "m", "exp_avg" },
    { "parity/expect/sgd.safetensors", "sgd",
      "{'lr': 2e-2, 'momentum': 0.8, 'weight_decay': 0.05, 'nesterov': true}", "momentum",
      "momentum_buffer" },
    { "parity/expect/sgd_heavy_ball.safetensors", "sgd",
      "{'lr': 2e-2, 'momentum': 0.8, 'weight_decay': 0.05}", "momentum", "momentum_buffer" },
};

START_TEST(twenty_steps_equal_pytorchs)
{
    static const char *const names[] = { "a", "b", "c" };
    const struct parity *p = &parities[_i];
    struct bench b = bench_of(p->name, p->options, 7, "f32");
    hone_tensors *expected = NULL;

    ck_ok(hone_tensors_open(&expected, support_file(p->file), &err));
    for (int i = 0; i < 3; i++) {
        const hone_tensor_entry *start = entry_of(expected, "start", names[i]);
        memcpy(hone_tensor_data(weight_of(&b, names[i])), start->bytes, start->size);
    }
    for (int s = 1; s <= 20; s++) {
        char what[16];
        snprintf(what, sizeof what, "step%d", s);
        for (int i = 0; i < 3; i++) {
            const hone_tensor_entry *all = entry_of(expected, "grads", names[i]);
            size_t size = all->size / 20;
            float gradient[64];
            memcpy(gradient, (const char *)all->bytes + size * (size_t)(s - 1), size);
            give(&b, names[i], gradient);
        }
        step(&b);
        for (int i = 0; i < 3 && (s == 1 || s == 5 || s == 20); i++) {
            double worst = difference(weight_of(&b, names[i]), entry_of(expected, what, names[i]));
            ck_assert_msg(worst <= 1e-6, "%s of %s is %g off", what, names[i], worst);
        }
    }
    ck_assert_int_eq(hone_optimizer_steps(b.optimizer), 20);
    compare_state(&b, expected, p->state, p->theirs);
    hone_tensors_free(expected);
    bench_free(&b);
}
END_TEST

/* ---- steps ---- */

START_TEST(the_norm_is_clipped_and_reported_before_clipping)
{
    struct bench b = bench_of("sgd", "{'lr': 1}", 1, "f32");
    const float gradient[5] = { 3, 0, -4, 0, 0 };
    double norm = 0, before;

    before = hone_tensor_get(weight_of(&b, "a"), 2);
    give(&b, "a", gradient);
    ck_assert_double_eq(hone_optimizer_norm(b.optimizer, -0.5), 2.5);
    ck_ok(hone_optimizer_step(b.optimizer, 0.5, 0.25, 2, &norm, &err));
    ck_assert_double_eq(norm, 2.5);
    /* 4 * 0.5 * 0.25/2.5 * lr 2 */
    ck_assert_double_eq_tol(hone_tensor_get(weight_of(&b, "a"), 2), before + 0.4, 1e-7);
    ck_assert_ptr_null(hone_tensor_grad(weight_of(&b, "a")));
    ck_assert_double_eq(hone_optimizer_norm(b.optimizer, 1), 0);
    bench_free(&b);
}
END_TEST

START_TEST(a_tensor_without_gradient_is_left_alone)
{
    struct bench b = bench_of("adamw", "{'lr': 0.1, 'weight_decay': 0.5, 'decay': 'all'}", 1,
                              "f32");
    const float gradient[5] = { 1, 1, 1, 1, 1 };
    double start = hone_tensor_get(weight_of(&b, "a"), 0);
    double other = hone_tensor_get(weight_of(&b, "c"), 0);

    for (int i = 0; i < 3; i++) {
        give(&b, "b", (float[11]){ 1 });
        step(&b);
    }
    ck_assert_double_eq(hone_tensor_get(weight_of(&b, "c"), 0), other);
    /* Its first step is its own, whatever the others had: lr, and decay. */
    give(&b, "a", gradient);
    step(&b);
    ck_assert_double_eq_tol(hone_tensor_get(weight_of(&b, "a"), 0), start * 0.95 - 0.1, 1e-6);
    bench_free(&b);
}
END_TEST

START_TEST(decay_spares_norms_unless_told_otherwise)
{
    static const char *const options[] = { "{'lr': 0.1, 'weight_decay': 0.5}",
                                           "{'lr': 0.1, 'weight_decay': 0.5, 'decay': 'all'}" };
    struct bench b = bench_of("adamw", options[_i], 1, "f32");
    double matrix = hone_tensor_get(weight_of(&b, "c"), 0);

    give(&b, "c", (float[24]){ 0 });
    give(&b, "b", (float[11]){ 0 });
    step(&b);
    ck_assert_double_eq_tol(hone_tensor_get(weight_of(&b, "c"), 0), 0.95 * matrix, 1e-8);
    ck_assert_double_eq_tol(hone_tensor_get(weight_of(&b, "b"), 0), _i ? 0.95 : 1, 1e-7);
    bench_free(&b);
}
END_TEST

START_TEST(bf16_weights_move_by_less_than_they_can_show)
{
    struct bench b = bench_of("sgd", "{'lr': 1e-4}", 1, "bf16");
    const float gradient[11] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

    ck_assert_int_eq(hone_tensor_dtype(weight_of(&b, "b")), HONE_BF16);
    give(&b, "b", gradient);
    step(&b);
    ck_assert_double_eq(hone_tensor_get(weight_of(&b, "b"), 0), 1);
    for (int i = 1; i < 100; i++) {
        give(&b, "b", gradient);
        step(&b);
    }
    /* 1 - 0.01, rounded to 8 bits; without an f32 copy it would still be 1. */
    ck_assert_double_eq(hone_tensor_get(weight_of(&b, "b"), 0), 0.98828125);
    bench_free(&b);
}
END_TEST

START_TEST(the_number_of_threads_changes_no_bit)
{
    struct bench one = bench_of("adamw", "{'lr': 0.01}", 40000, "f32");
    struct bench four = bench_of("adamw", "{'lr': 0.01}", 40000, "f32");
    double norms[2];

    for (uint64_t s = 1; s <= 3; s++) {
        give_random(&one, s);
        give_random(&four, s);
        ck_ok(hone_context_set_threads(context, 1, &err));
        ck_ok(hone_optimizer_step(one.optimizer, 0.3, 1, 1, &norms[0], &err));
        ck_ok(hone_context_set_threads(context, 4, &err));
        ck_ok(hone_optimizer_step(four.optimizer, 0.3, 1, 1, &norms[1], &err));
        ck_assert(norms[0] == norms[1]);
    }
    ck_assert(same_values(&one, &four));
    bench_free(&one);
    bench_free(&four);
}
END_TEST

START_TEST(a_plugin_that_needs_whole_tensors_gets_them)
{
    struct bench b = bench_of("whole", "{}", 40000, "f32");
    double before = hone_tensor_get(weight_of(&b, "b"), 10);

    give(&b, "b", (float[11]){ [10] = 2 });
    give_random(&b, 1);
    hone_optimizer_clear(b.optimizer);
    give_random(&b, 1);
    give(&b, "b", (float[11]){ [10] = 2 });
    double gradient = hone_tensor_get(hone_tensor_grad(weight_of(&b, "b")), 10);
    step(&b);
    ck_assert_double_eq_tol(hone_tensor_get(weight_of(&b, "b"), 10), before - 0.5 * gradient,
                            1e-6);
    bench_free(&b);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_gradient_that_is_not_finite_changes_nothing)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    struct bench b = bench_of("adamw", "{}", 7, "f32");
    struct bench untouched = bench_of("adamw", "{}", 7, "f32");
    double norm;

    give_random(&b, 1);
    give(&b, "c", (float[24]){ [17] = bad[_i] });
    ck_fails(HONE_ENUMERIC, hone_optimizer_step(b.optimizer, 1, 1, 1, &norm, &err));
    support_golden("optimizer-not-finite", err.message);
    ck_assert(!isfinite(norm));
    ck_assert(same_values(&b, &untouched));
    ck_assert_int_eq(hone_optimizer_steps(b.optimizer), 0);
    hone_optimizer_clear(b.optimizer);
    for (uint64_t s = 1; s < 3; s++) {
        give_random(&b, s);
        give_random(&untouched, s);
        step(&b);
        step(&untouched);
    }
    ck_assert(same_values(&b, &untouched));
    bench_free(&b);
    bench_free(&untouched);
}
END_TEST

START_TEST(what_cannot_be_a_step_is_refused)
{
    struct bench b = bench_of("sgd", "{}", 7, "f32"), failing = bench_of("failing", "{}", 7, "f32");

    give_random(&b, 1);
    ck_fails(HONE_ENUMERIC, hone_optimizer_step(b.optimizer, NAN, 1, 1, NULL, &err));
    support_golden("optimizer-scale", err.message);
    ck_fails(HONE_EINVAL, hone_optimizer_step(b.optimizer, 1, 1, -1, NULL, &err));
    support_golden("optimizer-rate", err.message);
    ck_ok(hone_model_set_strategy(b.model, NULL, &err));
    ck_fails(HONE_ESTATE, hone_optimizer_step(b.optimizer, 1, 1, 1, NULL, &err));
    support_golden("optimizer-changed", err.message);
    give_random(&failing, 1);
    ck_fails(HONE_ENUMERIC, hone_optimizer_step(failing.optimizer, 1, 0, 1, NULL, &err));
    support_golden("optimizer-update", err.message);
    bench_free(&b);
    bench_free(&failing);
}
END_TEST

START_TEST(a_model_that_trains_nothing_is_refused)
{
    hone_model *model = model_of(7, "f32");
    hone_instance *plugin = instance_of("optimizer", "sgd", "{}");
    hone_optimizer *optimizer = NULL;

    ck_ok(hone_model_set_strategy(model, NULL, &err));
    ck_fails(HONE_ESTATE, hone_optimizer_new(&optimizer, model, plugin, &err));
    support_golden("optimizer-nothing", err.message);
    hone_instance_free(plugin);
    hone_model_free(model);
}
END_TEST

START_TEST(options_that_do_not_fit_are_refused)
{
    static const struct { const char *name, *options, *golden; } cases[] = {
        { "adamw", "{'betas': [0.9]}", "optimizer-betas-count" },
        { "adamw", "{'betas': [0.9, 1]}", "optimizer-betas-range" },
        { "adamw", "{'eps': 0}", "optimizer-eps" },
        { "adamw", "{'lrr': 1}", "optimizer-unknown" },
        { "adamw", "{'decay': 'some'}", "optimizer-decay" },
        { "sgd", "{'nesterov': true}", "optimizer-nesterov" },
        { "sgd", "{'momentum': 1}", "optimizer-momentum" },
    };
    json_t *options = support_json(cases[_i].options);
    hone_instance *plugin = NULL;

    ck_fails(HONE_EINVAL, hone_instance_new(&plugin, context, "optimizer", cases[_i].name,
                                            options, &err));
    support_golden(cases[_i].golden, err.message);
    json_decref(options);
}
END_TEST

/* ---- checkpoints ---- */

static const char *saved_path(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", support_folder(), name);
    return path;
}

START_TEST(a_loaded_optimizer_goes_on_bit_for_bit)
{
    static const char *const dtypes[] = { "f32", "bf16", "f16" };
    struct bench whole = bench_of("adamw", "{'lr': 0.01}", 7, dtypes[_i]);
    struct bench again = bench_of("adamw", "{'lr': 0.01}", 7, dtypes[_i]);

    for (uint64_t s = 1; s <= 3; s++) {
        give_random(&whole, s);
        step(&whole);
    }
    ck_ok(hone_optimizer_save(whole.optimizer, saved_path("states"), &err));
    hone_tensor_set(weight_of(&again, "a"), 0, 100);
    ck_ok(hone_optimizer_load(again.optimizer, saved_path("states"), &err));
    ck_assert_int_eq(hone_optimizer_steps(again.optimizer), 3);
    ck_assert(same_values(&whole, &again));
    for (uint64_t s = 4; s <= 6; s++) {
        give_random(&whole, s);
        give_random(&again, s);
        step(&whole);
        step(&again);
    }
    ck_assert(same_values(&whole, &again));
    ck_ok(hone_optimizer_save(whole.optimizer, saved_path("one"), &err));
    size_t n, m;
    char *one = support_read(saved_path("one"), &n), *other;
    ck_ok(hone_optimizer_save(again.optimizer, saved_path("other"), &err));
    other = support_read(saved_path("other"), &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(one, other, n);
    hone_free(one);
    hone_free(other);
    bench_free(&whole);
    bench_free(&again);
}
END_TEST

/* Loading fails, says so, and changes nothing. */
static void load_fails(struct bench *b, const char *name, int code, const char *golden)
{
    hone_tensor *before = NULL;
    int64_t steps = hone_optimizer_steps(b->optimizer);

    ck_ok(hone_tensor_new(&before, HONE_F32, 2, (int64_t[]){ 7, 5 }, &err));
    ck_ok(hone_tensor_copy(before, weight_of(b, "a"), &err));
    ck_fails(code, hone_optimizer_load(b->optimizer, saved_path(name), &err));
    support_golden(golden, err.message);
    ck_assert(same_bits(before, weight_of(b, "a")));
    ck_assert_int_eq(hone_optimizer_steps(b->optimizer), steps);
    hone_tensor_free(before);
}

/* Save b's file again with another text of the same length in it. */
static void save_changed(struct bench *b, const char *name, const char *from, const char *to)
{
    size_t n, length = strlen(from);
    char *bytes;
    bool found = false;

    ck_ok(hone_optimizer_save(b->optimizer, saved_path(name), &err));
    bytes = support_read(saved_path(name), &n);
    for (size_t i = 0; i + length <= n && !found; i++) {
        found = memcmp(bytes + i, from, length) == 0;
        if (found)
            memcpy(bytes + i, to, length);
    }
    ck_assert_msg(found, "%s is not in the file", from);
    support_write(saved_path(name), bytes, n);
    hone_free(bytes);
}

START_TEST(states_of_something_else_are_refused_and_change_nothing)
{
    struct bench b = bench_of("adamw", "{}", 7, "f32"), sgd = bench_of("sgd", "{}", 7, "f32");
    struct bench larger = bench_of("adamw", "{}", 8, "f32");

    give_random(&b, 1);
    step(&b);
    ck_ok(hone_optimizer_save(sgd.optimizer, saved_path("sgd"), &err));
    load_fails(&b, "sgd", HONE_EINVAL, "optimizer-load-other");
    ck_ok(hone_optimizer_save(larger.optimizer, saved_path("larger"), &err));
    load_fails(&b, "larger", HONE_EFORMAT, "optimizer-load-shape");
    save_changed(&b, "name", "state/v/c.weight", "state/v/d.weight");
    load_fails(&b, "name", HONE_ENOTFOUND, "optimizer-load-name");
    save_changed(&b, "step", "\"step\":\"1\"", "\"step\":\"x\"");
    load_fails(&b, "step", HONE_EFORMAT, "optimizer-load-step");
    save_changed(&b, "none", "\"hone\"", "\"bone\"");
    load_fails(&b, "none", HONE_EFORMAT, "optimizer-load-none");
    save_changed(&b, "zero", "\"step\":\"1\"", "\"step\":\"0\"");
    load_fails(&b, "zero", HONE_EFORMAT, "optimizer-load-steps");
    support_write(saved_path("cut"), "\x10\0\0\0\0\0\0\0{}", 10);
    load_fails(&b, "cut", HONE_EFORMAT, "optimizer-load-cut");
    load_fails(&b, "missing", HONE_ENOTFOUND, "optimizer-load-missing");
    bench_free(&b);
    bench_free(&sgd);
    bench_free(&larger);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    hone_model *model = model_of(7, "bf16");
    hone_instance *plugin = instance_of("optimizer", "adamw", "{}");
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_optimizer *o = NULL;
        ck_assert_uint_lt(n, 2000);
        hone_alloc_fail_after(n);
        code = hone_optimizer_new(&o, model, plugin, &err);
        if (code == HONE_OK)
            code = hone_optimizer_save(o, saved_path("failing"), &err);
        if (code == HONE_OK)
            code = hone_optimizer_load(o, saved_path("failing"), &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%s", err.message);
        hone_optimizer_free(o);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_instance_free(plugin);
    hone_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizer");
    TCase *steps = tcase_create("steps"), *bad = tcase_create("refusals");
    TCase *files = tcase_create("checkpoints");

    tcase_add_checked_fixture(steps, setup, teardown);
    tcase_set_timeout(steps, 60);
    tcase_add_loop_test(steps, twenty_steps_equal_pytorchs, 0, 3);
    tcase_add_test(steps, the_norm_is_clipped_and_reported_before_clipping);
    tcase_add_test(steps, a_tensor_without_gradient_is_left_alone);
    tcase_add_loop_test(steps, decay_spares_norms_unless_told_otherwise, 0, 2);
    tcase_add_test(steps, bf16_weights_move_by_less_than_they_can_show);
    tcase_add_test(steps, the_number_of_threads_changes_no_bit);
    tcase_add_test(steps, a_plugin_that_needs_whole_tensors_gets_them);
    suite_add_tcase(suite, steps);
    tcase_add_checked_fixture(bad, setup, teardown);
    tcase_add_loop_test(bad, a_gradient_that_is_not_finite_changes_nothing, 0, 3);
    tcase_add_test(bad, what_cannot_be_a_step_is_refused);
    tcase_add_test(bad, a_model_that_trains_nothing_is_refused);
    tcase_add_loop_test(bad, options_that_do_not_fit_are_refused, 0, 7);
    suite_add_tcase(suite, bad);
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_set_timeout(files, 60);
    tcase_add_loop_test(files, a_loaded_optimizer_goes_on_bit_for_bit, 0, 3);
    tcase_add_test(files, states_of_something_else_are_refused_and_change_nothing);
    tcase_add_test(files, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, files);
    return support_run(suite);
}
