/* test_branch.c -- segments that go on from others: attention over a tree is that
 * over each of its paths, and a batch of shared prompts gives the logits, loss
 * and gradients of the unshared one. */
#include "gradient.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static hone_error err;
static hone_context *context;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

/* ---- attention ---- */

/* A segment of so many rows that goes on from another (-1: none). */
struct limb {
    int parent;
    int64_t length;
};

/* Two roots in turn, a branch of a branch, a root without branches, one of a
 * single row; and one over several tiles. */
static const struct limb small[] = { { -1, 4 }, { -1, 2 }, { 0, 2 }, { 1, 3 }, { 0, 1 }, { 2, 2 },
                                     { -1, 2 }, { 3, 1 } };
static const struct limb large[] = { { -1, 70 }, { 0, 66 }, { 0, 3 }, { 1, 5 } };
#define SMALL 8
#define SMALL_ROWS 17
#define LARGE 4
#define LARGE_ROWS 144

struct tree {
    const struct limb *limbs;
    int count;
    hone_attention_spec spec;
};

static hone_batch *tree_batch(const struct tree *tree)
{
    static const int32_t tokens[256] = { 0 };
    hone_batch *batch = NULL;

    ck_ok(hone_batch_new(&batch, &err));
    for (int i = 0; i < tree->count; i++) {
        const struct limb *limb = &tree->limbs[i];
        if (limb->parent < 0)
            ck_ok(hone_batch_add(batch, tokens, NULL, limb->length, &err));
        else
            ck_ok(hone_batch_branch(batch, (size_t)limb->parent, tokens, NULL, limb->length, &err));
    }
    return batch;
}

static hone_tensor *build_tree(hone_graph *g, hone_tensor **x, const void *user)
{
    const struct tree *tree = user;
    hone_batch *batch = tree_batch(tree);
    hone_tensor *y = hone_attention(g, x[0], x[1], x[2], batch, NULL, &tree->spec);

    hone_batch_free(batch);
    return y;
}

/* The rows of the batch that a segment's path from its root runs over. */
static int64_t path_rows(const hone_batch *batch, int64_t segment, int32_t *rows)
{
    const hone_segment *s = hone_batch_segment(batch, (size_t)segment);
    int64_t n = s->parent >= 0 ? path_rows(batch, s->parent, rows) : 0;

    for (int64_t i = 0; i < s->length; i++)
        rows[n++] = (int32_t)(s->start + i);
    return n;
}

static void compare_rows(const hone_tensor *y, int64_t first, const hone_tensor *alone,
                         int64_t from, int64_t count, double tolerance)
{
    int64_t width = hone_tensor_extent(y, 1);

    for (int64_t i = 0; i < count * width; i++)
        ck_assert_double_eq_tol(hone_tensor_get(y, first * width + i),
                                hone_tensor_get(alone, from * width + i), tolerance);
}

/* Each segment's rows are what a sequence of its path gives at its end. */
static void check_paths(const struct tree *tree, int64_t rows, int64_t d, const char *kernels,
                        double tolerance)
{
    static const int32_t tokens[256] = { 0 };
    hone_random random = hone_random_named(3, "paths");
    hone_batch *batch = tree_batch(tree), *alone = NULL;
    hone_tensor *x[3], *y;
    int32_t index[256];
    hone_graph *g;

    ck_ok(hone_graph_new(&g, context, kernels, &err));
    ck_ok(hone_graph_begin(g, NULL, &err));
    ck_ok(hone_batch_new(&alone, &err));
    for (int i = 0; i < 3; i++) {
        int64_t heads = i ? tree->spec.kv_heads : tree->spec.heads;
        x[i] = hone_graph_tensor(g, 2, (int64_t[]){ rows, heads * d });
        for (int64_t j = 0; j < hone_tensor_count(x[i]); j++)
            hone_tensor_set(x[i], j, hone_random_normal(&random));
    }
    y = hone_attention(g, x[0], x[1], x[2], batch, NULL, &tree->spec);
    for (int s = 0; s < tree->count; s++) {
        const hone_segment *segment = hone_batch_segment(batch, (size_t)s);
        int64_t n = path_rows(batch, s, index);

        ck_assert_int_eq(segment->position, n - segment->length);
        hone_batch_clear(alone);
        ck_ok(hone_batch_add(alone, tokens, NULL, n, &err));
        hone_tensor *path = hone_attention(g, hone_rows(g, x[0], index, n),
                                           hone_rows(g, x[1], index, n),
                                           hone_rows(g, x[2], index, n), alone, NULL, &tree->spec);
        ck_assert_ptr_nonnull(path);
        compare_rows(y, segment->start, path, segment->position, segment->length, tolerance);
    }
    hone_batch_free(batch);
    hone_batch_free(alone);
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
}

static const hone_attention_spec specs[] = {
    { .heads = 4, .kv_heads = 2 },
    { .heads = 2, .kv_heads = 2, .window = 3, .scale = 0.9 },
    { .heads = 2, .kv_heads = 1, .mask = HONE_FULL, .soft_cap = 2 },
    { .heads = 2, .kv_heads = 1, .window = 2 },
};

START_TEST(attention_over_a_tree_is_that_over_its_paths)
{
    struct tree tree = { small, SMALL, specs[_i] };

    check_paths(&tree, SMALL_ROWS, 3, "reference", 1e-13);
    for (const char *const *t = gradient_tables(context); *t; t++)
        check_paths(&tree, SMALL_ROWS, 3, *t, 1e-5);
    tree = (struct tree){ large, LARGE, specs[_i] };
    if (tree.spec.window)
        tree.spec.window *= 25; /* beyond a tile, within a parent */
    check_paths(&tree, LARGE_ROWS, 4, "reference", 1e-12);
    for (const char *const *t = gradient_tables(context); *t; t++)
        check_paths(&tree, LARGE_ROWS, 4, *t, 2e-5);
}
END_TEST

START_TEST(attention_over_a_tree_has_the_gradient_of_its_value)
{
    struct tree tree = { small, SMALL, specs[_i] };
    int64_t q = 3 * tree.spec.heads, kv = 3 * tree.spec.kv_heads;

    gradient_check(context, &(gradient_case){ .name = "tree", .leaves = 3, .dims = { 2, 2, 2 },
        .shape = { { SMALL_ROWS, q }, { SMALL_ROWS, kv }, { SMALL_ROWS, kv } },
        .build = build_tree, .user = &tree });
}
END_TEST

START_TEST(attention_over_a_tree_of_several_tiles_has_the_gradient_of_its_value)
{
    struct tree tree = { large, LARGE, { .heads = 1, .kv_heads = 1, .window = _i ? 20 : 0 } };

    gradient_check(context, &(gradient_case){ .name = "large tree", .leaves = 3,
        .dims = { 2, 2, 2 },
        .shape = { { LARGE_ROWS, 1 }, { LARGE_ROWS, 1 }, { LARGE_ROWS, 1 } }, .build = build_tree,
        .user = &tree });
}
END_TEST

/* The gradient of sum(y y) with respect to keys, on so many threads. */
static hone_tensor *keys_gradient(int threads)
{
    struct tree tree = { large, LARGE, { .heads = 6, .kv_heads = 3 } };
    hone_random random = hone_random_named(3, "threads");
    hone_tensor *x[3], *y, *grad;
    hone_graph *g;

    ck_ok(hone_context_set_threads(context, threads, &err));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, &(hone_graph_options){ .record = true }, &err));
    for (int i = 0; i < 3; i++) {
        x[i] = hone_graph_tensor(g, 2, (int64_t[]){ LARGE_ROWS, i ? 24 : 48 });
        hone_tensor_require_grad(x[i], true);
        for (int64_t j = 0; j < hone_tensor_count(x[i]); j++)
            hone_tensor_set(x[i], j, hone_random_normal(&random));
    }
    y = build_tree(g, x, &tree);
    ck_ok(hone_graph_backward(g, hone_sum(g, hone_apply(g, HONE_SQUARE, y)), 1, &err));
    grad = hone_tensor_ref(hone_tensor_grad(x[1]));
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
    return grad;
}

START_TEST(threads_do_not_change_a_bit)
{
    hone_tensor *one = keys_gradient(1), *three = keys_gradient(3);

    ck_assert_mem_eq(hone_tensor_bytes(one), hone_tensor_bytes(three), LARGE_ROWS * 24 * 4);
    hone_tensor_free(one);
    hone_tensor_free(three);
}
END_TEST

/* ---- models ---- */

/* Two prompts, the first with three responses, one of which an answer of two
 * endings; as a tree, and as sequences of their own. Weights of paths: those of
 * the parts. */
static const int32_t prompt_a[] = { 1, 5, 9, 4, 7, 3 }, prompt_b[] = { 1, 8 };
static const int32_t said[3][4] = { { 2, 6, 3, 9 }, { 4, 4, 1, 2 }, { 7, 2, 5, 8 } };
static const float all[4] = { 1, 0.5f, 2, 1 }, some[4] = { 1, 0, 0, 0.25f };

static hone_batch *shared_batch(void)
{
    hone_batch *b = NULL;

    ck_ok(hone_batch_new(&b, &err));
    ck_ok(hone_batch_add(b, prompt_a, NULL, 6, &err));
    ck_ok(hone_batch_branch(b, 0, said[0], all, 4, &err));
    ck_ok(hone_batch_add(b, prompt_b, NULL, 2, &err));
    ck_ok(hone_batch_branch(b, 2, said[0], all, 3, &err));
    ck_ok(hone_batch_branch(b, 0, said[1], some, 4, &err));
    ck_ok(hone_batch_branch(b, 2, said[2], all, 1, &err));
    ck_ok(hone_batch_branch(b, 1, said[2], all, 4, &err));
    return b;
}

static void add_path(hone_batch *b, const int32_t *prompt, int64_t n, const int32_t *response,
                     const float *w, int64_t count)
{
    int32_t tokens[16];
    float weights[16] = { 0 };

    memcpy(tokens, prompt, (size_t)n * sizeof *tokens);
    memcpy(tokens + n, response, (size_t)count * sizeof *tokens);
    memcpy(weights + n, w, (size_t)count * sizeof *weights);
    ck_ok(hone_batch_add(b, tokens, weights, n + count, &err));
}

/* The same outputs in the same order. */
static hone_batch *unshared_batch(void)
{
    int32_t longer[10];
    hone_batch *b = NULL;

    memcpy(longer, prompt_a, sizeof prompt_a);
    memcpy(longer + 6, said[0], sizeof said[0]);
    ck_ok(hone_batch_new(&b, &err));
    add_path(b, prompt_a, 6, said[0], all, 4);
    add_path(b, prompt_b, 2, said[0], all, 3);
    add_path(b, prompt_a, 6, said[1], some, 4);
    add_path(b, prompt_b, 2, said[2], all, 1);
    add_path(b, longer, 10, said[2], all, 4);
    return b;
}

/* Logits, the summed loss, and every gradient, one after the other. */
struct outcome {
    double *values;
    int64_t logits, count;
};

static void outcome_add(struct outcome *o, const hone_tensor *t)
{
    int64_t n = hone_tensor_count(t);

    o->values = hone_realloc(o->values, (size_t)(o->count + n), sizeof *o->values);
    ck_assert_ptr_nonnull(o->values);
    for (int64_t i = 0; i < n; i++)
        o->values[o->count++] = hone_tensor_get(t, i);
}

static struct outcome outcome_of(hone_model *model, hone_batch *batch, const char *kernels)
{
    hone_graph_options options = { .record = true };
    struct outcome o = { 0 };
    hone_tensor *hidden, *loss;
    hone_graph *g;

    for (size_t i = 0; i < hone_model_trainables(model); i++)
        hone_tensor_clear_grad(hone_model_trainable(model, i).value);
    ck_ok(hone_graph_new(&g, context, kernels, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    hidden = hone_model_hidden(model, g, batch, NULL);
    loss = hone_head_cross_entropy(g, hidden, hone_model_head(model), hone_batch_targets(batch),
                                   hone_batch_weights(batch), NULL);
    ck_assert_msg(loss, "%s", (hone_graph_error(g, &err), err.message));
    outcome_add(&o, hone_head_logits(g, hidden, hone_model_head(model)));
    o.logits = o.count;
    outcome_add(&o, loss);
    ck_ok(hone_graph_backward(g, loss, 1, &err));
    for (size_t i = 0; i < hone_model_trainables(model); i++)
        outcome_add(&o, hone_tensor_grad(hone_model_trainable(model, i).value));
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
    hone_batch_free(batch);
    return o;
}

/* Greatest difference over the greatest value, of logits and of the rest. */
static void outcomes_agree(struct outcome *a, struct outcome *b, double tolerance, const char *what)
{
    ck_assert_int_eq(a->count, b->count);
    ck_assert_int_eq(a->logits, b->logits);
    for (int part = 0; part < 2; part++) {
        double worst = 0, most = 0;

        for (int64_t i = part ? a->logits : 0; i < (part ? a->count : a->logits); i++) {
            double d = fabs(a->values[i] - b->values[i]);
            worst = d > worst || isnan(d) ? d : worst;
            most = fmax(most, fabs(b->values[i]));
        }
        ck_assert_msg(most > 0 && worst <= tolerance * most, "%s: %s differ by %g of %g", what,
                      part ? "gradients" : "logits", worst, most);
    }
    hone_free(a->values);
    hone_free(b->values);
}

static void check_model(const char *path, const char *kernels, double tolerance, bool recompute)
{
    hone_model_options options = { .no_tokenizer = true };
    struct outcome shared, unshared;
    hone_instance *full = NULL;
    hone_model *model = NULL;
    char what[600];

    ck_ok(hone_model_load(&model, context, path, &options, &err));
    ck_ok(hone_instance_new(&full, context, "strategy", "full", NULL, &err));
    ck_ok(hone_model_set_strategy(model, full, &err));
    unshared = outcome_of(model, unshared_batch(), kernels);
    hone_model_set_recompute(model, recompute);
    shared = outcome_of(model, shared_batch(), kernels);
    snprintf(what, sizeof what, "%s on %s", path, kernels ? kernels : "the fastest");
    outcomes_agree(&shared, &unshared, tolerance, what);
    hone_instance_free(full);
    hone_model_free(model);
}

static const char *const models[] = { "llama", "gpt2", "mistral", "qwen2" };

START_TEST(a_shared_prompt_changes_neither_logits_nor_loss_nor_gradients)
{
    char path[64];

    snprintf(path, sizeof path, "parity/models/%s", models[_i]);
    check_model(support_file(path), "reference", 1e-12, false);
    for (const char *const *t = gradient_tables(context); *t; t++)
        check_model(support_file(path), *t, 1e-5, false);
    check_model(support_file(path), NULL, 1e-5, true);
}
END_TEST

START_TEST(a_trained_model_agrees_with_shared_prompts_too)
{
    const char *path = support_data("models/stories260k");

    if (!path) {
        support_skip("a_trained_model_agrees_with_shared_prompts_too", "no test data");
        return;
    }
    check_model(path, "reference", 1e-12, false);
    check_model(path, NULL, 1e-5, false);
}
END_TEST

/* hone_graph_checkpoint runs a block a second time, over the same tree. */
START_TEST(recomputing_gives_the_same_bits_as_keeping)
{
    hone_model_options options = { .no_tokenizer = true };
    hone_instance *full = NULL;
    hone_model *model = NULL;
    struct outcome kept, again;

    ck_ok(hone_model_load(&model, context, support_file("parity/models/llama"), &options, &err));
    ck_ok(hone_instance_new(&full, context, "strategy", "full", NULL, &err));
    ck_ok(hone_model_set_strategy(model, full, &err));
    kept = outcome_of(model, shared_batch(), NULL);
    hone_model_set_recompute(model, true);
    again = outcome_of(model, shared_batch(), NULL);
    outcomes_agree(&kept, &again, 0, "recomputed");
    hone_instance_free(full);
    hone_model_free(model);
}
END_TEST

static hone_tensor *hidden_of(hone_graph *g, hone_model *model, hone_batch *batch,
                              hone_cache *cache)
{
    hone_tensor *y;

    ck_ok(hone_graph_begin(g, NULL, &err));
    y = hone_tensor_ref(hone_model_hidden(model, g, batch, cache));
    ck_ok(hone_graph_end(g, &err));
    hone_batch_clear(batch);
    return y;
}

START_TEST(branches_and_segments_of_a_cache_do_not_see_each_other)
{
    hone_model_options options = { .no_tokenizer = true };
    hone_tensor *mixed, *cached, *tree;
    hone_model *model = NULL;
    hone_batch *batch = NULL;
    hone_cache *cache = NULL;
    hone_graph *g = NULL;
    int64_t width;

    ck_ok(hone_model_load(&model, context, support_file("parity/models/llama"), &options, &err));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_cache_new(&cache, 1, 16, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_continue(batch, 0, 0, said[0], 4, true, &err));
    ck_ok(hone_batch_add(batch, prompt_a, NULL, 6, &err));
    ck_ok(hone_batch_branch(batch, 1, said[1], all, 4, &err));
    ck_fails(HONE_EUNSUPPORTED, hone_batch_branch(batch, 0, said[1], all, 4, &err));
    support_golden("branch-slot", err.message);
    mixed = hidden_of(g, model, batch, cache);
    hone_cache_clear(cache, 0);
    ck_ok(hone_batch_continue(batch, 0, 0, said[0], 4, true, &err));
    cached = hidden_of(g, model, batch, cache);
    ck_ok(hone_batch_add(batch, prompt_a, NULL, 6, &err));
    ck_ok(hone_batch_branch(batch, 0, said[1], all, 4, &err));
    tree = hidden_of(g, model, batch, NULL);
    width = hone_tensor_extent(mixed, 1);
    ck_assert_int_eq(hone_tensor_extent(mixed, 0), 8);
    for (int64_t i = 0; i < 4 * width; i++) {
        ck_assert_double_eq_tol(hone_tensor_get(mixed, i), hone_tensor_get(cached, i), 1e-5);
        ck_assert_double_eq_tol(hone_tensor_get(mixed, 4 * width + i), hone_tensor_get(tree, i),
                                1e-5);
    }
    hone_tensor_free(mixed), hone_tensor_free(cached), hone_tensor_free(tree);
    hone_cache_free(cache);
    hone_batch_free(batch);
    hone_graph_free(g);
    hone_model_free(model);
}
END_TEST

/* One row asked for twice, as many outputs as tokens: no row stands for another. */
START_TEST(an_output_row_may_repeat)
{
    hone_model_options options = { .no_tokenizer = true };
    hone_model *model = NULL;
    hone_batch *batch = NULL;
    hone_graph *g = NULL;
    hone_tensor *y;
    int64_t width;

    ck_ok(hone_model_load(&model, context, support_file("parity/models/gpt2"), &options, &err));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add_end(batch, prompt_a, 1, &err));
    ck_ok(hone_batch_branch(batch, 0, said[0], all, 1, &err));
    ck_assert_int_eq(hone_batch_outputs(batch), hone_batch_tokens(batch));
    y = hidden_of(g, model, batch, NULL);
    width = hone_tensor_extent(y, 1);
    ck_assert_mem_eq(hone_tensor_bytes(y), (const float *)hone_tensor_bytes(y) + width,
                     (size_t)width * sizeof(float));
    hone_tensor_free(y);
    hone_batch_free(batch);
    hone_graph_free(g);
    hone_model_free(model);
}
END_TEST

START_TEST(a_branch_beyond_the_models_positions_is_refused)
{
    hone_model_options options = { .no_tokenizer = true };
    int32_t tokens[20] = { 0 };
    hone_model *model = NULL;
    hone_batch *batch = NULL;
    hone_graph *g = NULL;

    ck_ok(hone_model_load(&model, context, support_file("parity/models/gpt2"), &options, &err));
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, NULL, &err));
    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add_end(batch, tokens, 20, &err));
    ck_ok(hone_batch_branch(batch, 0, tokens, NULL, 5, &err));
    ck_assert_ptr_null(hone_model_hidden(model, g, batch, NULL));
    ck_fails(HONE_EINVAL, hone_graph_end(g, &err));
    support_golden("branch-positions", err.message);
    hone_batch_free(batch);
    hone_graph_free(g);
    hone_model_free(model);
}
END_TEST

/* ---- memory ---- */

START_TEST(a_step_survives_every_allocation_that_fails)
{
    struct tree tree = { small, SMALL, { .heads = 2, .kv_heads = 1 } };
    hone_batch *batch = tree_batch(&tree);
    int failures = 0;
    hone_graph *g;

    ck_ok(hone_graph_new(&g, context, NULL, &err));
    for (uint64_t n = 1; n < 60; n++) {
        hone_tensor *x[3], *y;
        int code;

        ck_ok(hone_graph_begin(g, &(hone_graph_options){ .record = true }, &err));
        for (int i = 0; i < 3; i++) {
            x[i] = hone_graph_tensor(g, 2, (int64_t[]){ SMALL_ROWS, i ? 3 : 6 });
            hone_tensor_require_grad(x[i], true);
        }
        hone_alloc_fail_after(n);
        y = hone_sum(g, hone_attention(g, x[0], x[1], x[2], batch, NULL, &tree.spec));
        if (y)
            hone_graph_backward(g, y, 1, NULL);
        hone_alloc_fail_after(0);
        code = hone_graph_end(g, &err);
        failures += code != HONE_OK;
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
    }
    ck_assert_int_gt(failures, 5);
    ck_assert_int_lt(failures, 55);
    hone_batch_free(batch);
    hone_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("branch");
    TCase *t = tcase_create("branch");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, attention_over_a_tree_is_that_over_its_paths, 0, 4);
    tcase_add_loop_test(t, attention_over_a_tree_has_the_gradient_of_its_value, 0, 4);
    tcase_add_loop_test(t, attention_over_a_tree_of_several_tiles_has_the_gradient_of_its_value, 0,
                        2);
    tcase_add_test(t, threads_do_not_change_a_bit);
    tcase_add_loop_test(t, a_shared_prompt_changes_neither_logits_nor_loss_nor_gradients, 0, 4);
    tcase_add_test(t, a_trained_model_agrees_with_shared_prompts_too);
    tcase_add_test(t, recomputing_gives_the_same_bits_as_keeping);
    tcase_add_test(t, branches_and_segments_of_a_cache_do_not_see_each_other);
    tcase_add_test(t, an_output_row_may_repeat);
    tcase_add_test(t, a_branch_beyond_the_models_positions_is_refused);
    tcase_add_test(t, a_step_survives_every_allocation_that_fails);
    suite_add_tcase(suite, t);
    return support_run(suite);
}
