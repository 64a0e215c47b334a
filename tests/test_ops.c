/* test_ops.c -- every op: its gradient by differences, its shapes, its errors. */
#include "gradient.h"

#include "../core/param.h"

#include <math.h>
#include <string.h>

/* ---- builders: leaf[] to something ---- */

static hone_tensor *build_unary(hone_graph *g, hone_tensor **x, const void *user)
{
    return hone_apply(g, *(const hone_unary *)user, x[0]);
}

static hone_tensor *build_binary(hone_graph *g, hone_tensor **x, const void *user)
{
    switch (*(const int *)user) {
    case 0: return hone_add(g, x[0], x[1]);
    case 1: return hone_sub(g, x[0], x[1]);
    case 2: return hone_mul(g, x[0], x[1]);
    case 3: return hone_div(g, x[0], x[1]);
    case 4: return hone_min(g, x[0], x[1]);
    default: return hone_max(g, x[0], x[1]);
    }
}

static hone_tensor *build_square_by_mul(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_mul(g, x[0], x[0]);
}

static hone_tensor *build_affine(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_affine(g, x[0], -2.5, 0.75);
}

static hone_tensor *build_clamp(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_clamp(g, x[0], -0.4, 0.3);
}

static hone_tensor *build_pow(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_pow(g, x[0], 1.7);
}

static hone_tensor *build_where(hone_graph *g, hone_tensor **x, const void *user)
{
    hone_tensor *zero = hone_graph_tensor(g, 0, NULL);

    (void)user;
    return hone_where(g, hone_compare(g, HONE_GT, hone_detach(g, x[2]), zero), x[0], x[1]);
}

static hone_tensor *build_reshape(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_mul(g, hone_reshape(g, x[0], 2, (int64_t[]){ -1, 3 }),
                    hone_reshape(g, x[0], 2, (int64_t[]){ 4, 3 }));
}

static hone_tensor *build_slice(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_mul(g, hone_slice(g, x[0], 1, 4), hone_slice(g, x[0], 2, 5));
}

static hone_tensor *build_columns(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_mul(g, hone_columns(g, x[0], 0, 2), hone_columns(g, x[0], 1, 3));
}

static hone_tensor *build_rows(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_apply(g, HONE_SQUARE, hone_rows(g, x[0], (int32_t[]){ 2, 0, 2, 3 }, 4));
}

static hone_tensor *build_concat(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_apply(g, HONE_SQUARE, hone_concat(g, (hone_tensor *[]){ x[0], x[1], x[0] }, 3));
}

static hone_tensor *build_sums(hone_graph *g, hone_tensor **x, const void *user)
{
    hone_tensor *square = hone_apply(g, HONE_SQUARE, x[0]);

    (void)user;
    return hone_concat(g, (hone_tensor *[]){ hone_reshape(g, hone_sum(g, square), 1, (int64_t[]){ 1 }),
                                             hone_reshape(g, hone_mean(g, x[0]), 1, (int64_t[]){ 1 }),
                                             hone_sum_last(g, square) }, 3);
}

static hone_tensor *build_segment_sum(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_segment_sum(g, hone_apply(g, HONE_SQUARE, x[0]), (int32_t[]){ 0, 2, 2, 7 }, 3);
}

static hone_tensor *build_softmax(hone_graph *g, hone_tensor **x, const void *user)
{
    return user ? hone_log_softmax(g, x[0]) : hone_softmax(g, x[0]);
}

static hone_tensor *build_pick(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_apply(g, HONE_EXP, hone_pick(g, x[0], (int32_t[]){ 1, 0, 2 }));
}

static hone_tensor *build_matmul(hone_graph *g, hone_tensor **x, const void *user)
{
    return hone_matmul(g, x[0], x[1], user != NULL);
}

static hone_tensor *build_swiglu(hone_graph *g, hone_tensor **x, const void *user)
{
    return hone_swiglu(g, x[0], user ? x[0] : x[1]);
}

static hone_tensor *build_dropout(hone_graph *g, hone_tensor **x, const void *user)
{
    (void)user;
    return hone_apply(g, HONE_SQUARE, hone_dropout(g, hone_dropout(g, x[0], 0.3), 0.5));
}

/* A parameter over leaves: weight, and bias where there is one. */
static hone_param make_param(hone_tensor *weight, hone_tensor *bias, int64_t out, int64_t in,
                             bool transposed)
{
    return (hone_param){ .name = (char *)(uintptr_t)"p", .role = (char *)(uintptr_t)"q", .out = out,
                         .in = in, .transposed = transposed, .weight = weight, .bias = bias };
}

static hone_tensor *build_linear(hone_graph *g, hone_tensor **x, const void *user)
{
    bool transposed = user != NULL;
    hone_param p = make_param(x[1], x[2], hone_tensor_extent(x[1], transposed),
                              hone_tensor_extent(x[1], !transposed), transposed);

    return hone_linear(g, hone_linear(g, x[0], &p), &p);
}

static hone_tensor *build_embed(hone_graph *g, hone_tensor **x, const void *user)
{
    hone_param p = make_param(x[0], NULL, hone_tensor_extent(x[0], 0), hone_tensor_extent(x[0], 1), false);

    (void)user;
    return hone_apply(g, HONE_SQUARE, hone_embed(g, (int32_t[]){ 3, 1, 3, 0 }, 4, &p));
}

static hone_tensor *build_norm(hone_graph *g, hone_tensor **x, const void *user)
{
    hone_param p = make_param(x[1], x[2], 1, hone_tensor_extent(x[1], 0), false);

    return user ? hone_layernorm(g, x[0], &p, 1e-5) : hone_rmsnorm(g, x[0], &p, 1e-5);
}

static hone_batch *make_batch(int64_t first, int64_t second)
{
    static const int32_t tokens[256] = {0};
    hone_batch *batch = NULL;
    hone_error err = {0};

    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add(batch, tokens, NULL, first, &err));
    ck_ok(hone_batch_add(batch, tokens, NULL, second, &err));
    return batch;
}

static hone_tensor *build_rope(hone_graph *g, hone_tensor **x, const void *user)
{
    hone_batch *batch = make_batch(3, 2);
    hone_tensor *y = hone_rope(g, x[0], batch, 2, 100);

    (void)user;
    hone_batch_free(batch);
    return hone_apply(g, HONE_SQUARE, y);
}

static hone_tensor *build_attention(hone_graph *g, hone_tensor **x, const void *user)
{
    hone_batch *batch = make_batch(5, hone_tensor_extent(x[0], 0) - 5);
    hone_tensor *y = hone_attention(g, x[0], x[1], x[2], batch, NULL, user);

    hone_batch_free(batch);
    return y;
}

struct head_case {
    int what; /* 0 cross-entropy, 1 logp, 2 entropy, 3 over_logits, 4 logits */
    double scale, cap;
    bool transposed;
};

static hone_tensor *square_of_first_logit(void *user, hone_graph *g, hone_tensor *logits, int64_t first)
{
    int64_t rows = hone_tensor_extent(logits, 0);

    (void)user, (void)first;
    return hone_reshape(g, hone_apply(g, HONE_SQUARE, hone_columns(g, logits, 0, 1)), 1, &rows);
}

static hone_tensor *build_head(hone_graph *g, hone_tensor **x, const void *user)
{
    static const int32_t targets[] = { 3, 0, 6, 2 };
    static const float weights[] = { 1, 0.5f, 0, 2 };
    const struct head_case *c = user;
    hone_param p = make_param(x[1], x[2], hone_tensor_extent(x[1], c->transposed),
                              hone_tensor_extent(x[1], !c->transposed), c->transposed);
    /* The tape keeps the head until backward. */
    static hone_param kept;
    hone_head head = { &kept, c->scale, c->cap };
    hone_tensor *entropy, *logp;

    kept = p;
    switch (c->what) {
    case 0: return hone_head_cross_entropy(g, x[0], &head, targets, weights, NULL);
    case 1: return hone_head_logp(g, x[0], &head, targets, NULL);
    case 2:
        logp = hone_head_logp(g, x[0], &head, targets, &entropy);
        return hone_add(g, hone_affine(g, entropy, 0.7, 0), logp);
    case 3: return hone_head_over_logits(g, x[0], &head, square_of_first_logit, NULL);
    default: return hone_head_logits(g, x[0], &head);
    }
}

static int cube_forward(void *state, hone_tensor *out, hone_tensor *const *in, size_t count,
                        hone_error *err)
{
    (void)state, (void)count, (void)err;
    for (int64_t i = 0; i < hone_tensor_count(out); i++)
        hone_tensor_set(out, i, pow(hone_tensor_get(in[0], i), 3));
    return HONE_OK;
}

static int cube_backward(void *state, hone_tensor *const *grads, hone_tensor *const *in, size_t count,
                         hone_tensor *out, hone_tensor *dy, hone_error *err)
{
    (void)state, (void)count, (void)out, (void)err;
    for (int64_t i = 0; i < hone_tensor_count(dy); i++)
        hone_tensor_set(grads[0], i, hone_tensor_get(grads[0], i) +
                        3 * pow(hone_tensor_get(in[0], i), 2) * hone_tensor_get(dy, i));
    return HONE_OK;
}

static hone_tensor *build_custom(hone_graph *g, hone_tensor **x, const void *user)
{
    static const hone_custom_op op = { .size = sizeof op, .name = "cube", .forward = cube_forward,
                                       .backward = cube_backward };

    (void)user;
    return hone_op_custom(g, &op, NULL, x, 1, 1, (int64_t[]){ hone_tensor_extent(x[0], 0) });
}

static hone_tensor *checkpointed(void *user, hone_graph *g, hone_tensor *x)
{
    hone_tensor *w = *(hone_tensor **)user;

    return hone_dropout(g, hone_mul(g, hone_apply(g, HONE_TANH, hone_mul(g, x, w)), x), 0.4);
}

/* ---- the cases ---- */

static const hone_unary unaries[] = {
    HONE_NEG, HONE_EXP, HONE_SQUARE, HONE_ABS, HONE_SIGMOID, HONE_LOG_SIGMOID, HONE_SOFTPLUS, HONE_TANH,
    HONE_RELU, HONE_SILU, HONE_GELU, HONE_GELU_TANH,
};
static const hone_unary positive_unaries[] = { HONE_LOG, HONE_SQRT };
static const int binaries[] = { 0, 1, 2, 3, 4, 5 };
static const hone_attention_spec causal = { .heads = 4, .kv_heads = 2 };
static const hone_attention_spec windowed = { .heads = 2, .kv_heads = 2, .window = 3, .scale = 0.9 };
static const hone_attention_spec full_capped = { .heads = 2, .kv_heads = 1, .mask = HONE_FULL, .soft_cap = 2 };

static hone_context *context;

static void context_open(void)
{
    context = support_context();
}

static void context_close(void)
{
    hone_context_free(context);
}

START_TEST(elementwise_ops_have_the_gradients_of_their_values)
{
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++)
        gradient_check(context, &(gradient_case){ .name = "unary", .leaves = 1, .dims = { 2 },
            .shape = { { 3, 7 } }, .low = -3, .high = 3, .build = build_unary, .user = &unaries[i] });
    for (size_t i = 0; i < 2; i++)
        gradient_check(context, &(gradient_case){ .name = "log or sqrt", .leaves = 1, .dims = { 1 },
            .shape = { { 19 } }, .low = 0.2, .high = 4, .build = build_unary, .user = &positive_unaries[i] });
    gradient_check(context, &(gradient_case){ .name = "affine", .leaves = 1, .dims = { 1 },
        .shape = { { 5 } }, .build = build_affine });
    gradient_check(context, &(gradient_case){ .name = "clamp", .leaves = 1, .dims = { 1 },
        .shape = { { 21 } }, .build = build_clamp });
    gradient_check(context, &(gradient_case){ .name = "pow", .leaves = 1, .dims = { 1 },
        .shape = { { 9 } }, .low = 0.3, .high = 2, .build = build_pow });
    gradient_check(context, &(gradient_case){ .name = "where", .leaves = 3, .dims = { 2, 2, 2 },
        .shape = { { 2, 5 }, { 2, 5 }, { 2, 5 } }, .build = build_where });
}
END_TEST

START_TEST(binary_ops_repeat_scalars_and_rows_and_sum_their_gradients)
{
    for (size_t i = 0; i < 6; i++) {
        const int *f = &binaries[i];
        gradient_check(context, &(gradient_case){ .name = "binary", .leaves = 2, .dims = { 2, 2 },
            .shape = { { 4, 5 }, { 4, 5 } }, .low = 0.5, .high = 2, .build = build_binary, .user = f });
        gradient_check(context, &(gradient_case){ .name = "binary row", .leaves = 2, .dims = { 2, 1 },
            .shape = { { 4, 5 }, { 5 } }, .low = 0.5, .high = 2, .build = build_binary, .user = f });
        gradient_check(context, &(gradient_case){ .name = "row binary", .leaves = 2, .dims = { 1, 2 },
            .shape = { { 5 }, { 4, 5 } }, .low = 0.5, .high = 2, .build = build_binary, .user = f });
        gradient_check(context, &(gradient_case){ .name = "scalar", .leaves = 2, .dims = { 2, 0 },
            .shape = { { 3, 5 }, { 0 } }, .low = 0.5, .high = 2, .build = build_binary, .user = f });
        gradient_check(context, &(gradient_case){ .name = "scalar first", .leaves = 2, .dims = { 1, 2 },
            .shape = { { 1 }, { 3, 5 } }, .low = 0.5, .high = 2, .build = build_binary, .user = f });
    }
    gradient_check(context, &(gradient_case){ .name = "x * x", .leaves = 1, .dims = { 1 },
        .shape = { { 5 } }, .build = build_square_by_mul });
}
END_TEST

START_TEST(ops_that_move_elements_send_gradients_back_to_them)
{
    gradient_check(context, &(gradient_case){ .name = "reshape", .leaves = 1, .dims = { 2 },
        .shape = { { 2, 6 } }, .build = build_reshape });
    gradient_check(context, &(gradient_case){ .name = "slice", .leaves = 1, .dims = { 2 },
        .shape = { { 5, 3 } }, .build = build_slice });
    gradient_check(context, &(gradient_case){ .name = "columns", .leaves = 1, .dims = { 2 },
        .shape = { { 4, 3 } }, .build = build_columns });
    gradient_check(context, &(gradient_case){ .name = "rows", .leaves = 1, .dims = { 2 },
        .shape = { { 4, 3 } }, .build = build_rows });
    gradient_check(context, &(gradient_case){ .name = "concat", .leaves = 2, .dims = { 2, 2 },
        .shape = { { 2, 3 }, { 1, 3 } }, .build = build_concat });
}
END_TEST

START_TEST(sums_and_softmax_have_the_gradients_of_their_values)
{
    gradient_check(context, &(gradient_case){ .name = "sums", .leaves = 1, .dims = { 2 },
        .shape = { { 4, 3 } }, .build = build_sums });
    gradient_check(context, &(gradient_case){ .name = "segment_sum", .leaves = 1, .dims = { 1 },
        .shape = { { 7 } }, .build = build_segment_sum });
    gradient_check(context, &(gradient_case){ .name = "softmax", .leaves = 1, .dims = { 2 },
        .shape = { { 3, 17 } }, .low = -4, .high = 4, .build = build_softmax });
    gradient_check(context, &(gradient_case){ .name = "log_softmax", .leaves = 1, .dims = { 2 },
        .shape = { { 3, 17 } }, .low = -4, .high = 4, .build = build_softmax, .user = "logged" });
    gradient_check(context, &(gradient_case){ .name = "pick", .leaves = 1, .dims = { 2 },
        .shape = { { 3, 4 } }, .build = build_pick });
}
END_TEST

START_TEST(layers_have_the_gradients_of_their_values)
{
    gradient_check(context, &(gradient_case){ .name = "matmul", .leaves = 2, .dims = { 2, 2 },
        .shape = { { 3, 4 }, { 4, 5 } }, .build = build_matmul });
    gradient_check(context, &(gradient_case){ .name = "matmul transposed", .leaves = 2, .dims = { 2, 2 },
        .shape = { { 3, 4 }, { 5, 4 } }, .build = build_matmul, .user = "transposed" });
    gradient_check(context, &(gradient_case){ .name = "linear", .leaves = 3, .dims = { 2, 2, 1 },
        .shape = { { 3, 4 }, { 4, 4 }, { 4 } }, .build = build_linear });
    gradient_check(context, &(gradient_case){ .name = "linear transposed", .leaves = 3,
        .dims = { 2, 2, 1 }, .shape = { { 3, 4 }, { 4, 4 }, { 4 } }, .build = build_linear,
        .user = "transposed" });
    gradient_check(context, &(gradient_case){ .name = "embed", .leaves = 1, .dims = { 2 },
        .shape = { { 4, 3 } }, .build = build_embed });
    gradient_check(context, &(gradient_case){ .name = "rmsnorm", .leaves = 3, .dims = { 2, 1, 1 },
        .shape = { { 70, 9 }, { 9 }, { 9 } }, .build = build_norm });
    gradient_check(context, &(gradient_case){ .name = "layernorm", .leaves = 3, .dims = { 2, 1, 1 },
        .shape = { { 70, 9 }, { 9 }, { 9 } }, .build = build_norm, .user = "centred" });
    gradient_check(context, &(gradient_case){ .name = "swiglu", .leaves = 2, .dims = { 1, 1 },
        .shape = { { 9 }, { 9 } }, .build = build_swiglu });
    gradient_check(context, &(gradient_case){ .name = "swiglu of one", .leaves = 1, .dims = { 1 },
        .shape = { { 9 } }, .build = build_swiglu, .user = "same" });
    gradient_check(context, &(gradient_case){ .name = "dropout", .leaves = 1, .dims = { 1 },
        .shape = { { 23 } }, .build = build_dropout, .train = true });
    gradient_check(context, &(gradient_case){ .name = "rope", .leaves = 1, .dims = { 2 },
        .shape = { { 5, 8 } }, .build = build_rope });
    gradient_check(context, &(gradient_case){ .name = "custom", .leaves = 1, .dims = { 1 },
        .shape = { { 5 } }, .build = build_custom });
}
END_TEST

START_TEST(attention_has_the_gradient_of_its_value)
{
    gradient_check(context, &(gradient_case){ .name = "causal", .leaves = 3, .dims = { 2, 2, 2 },
        .shape = { { 9, 12 }, { 9, 6 }, { 9, 6 } }, .build = build_attention, .user = &causal });
    gradient_check(context, &(gradient_case){ .name = "window", .leaves = 3, .dims = { 2, 2, 2 },
        .shape = { { 9, 4 }, { 9, 4 }, { 9, 4 } }, .build = build_attention, .user = &windowed });
    gradient_check(context, &(gradient_case){ .name = "full, capped", .leaves = 3, .dims = { 2, 2, 2 },
        .shape = { { 9, 6 }, { 9, 3 }, { 9, 3 } }, .low = -2, .high = 2, .build = build_attention,
        .user = &full_capped });
}
END_TEST

START_TEST(attention_over_several_tiles_has_the_gradient_of_its_value)
{
    gradient_check(context, &(gradient_case){ .name = "tiles", .leaves = 3, .dims = { 2, 2, 2 },
        .shape = { { 140, 2 }, { 140, 2 }, { 140, 2 } }, .build = build_attention,
        .user = &(hone_attention_spec){ .heads = 1, .kv_heads = 1 } });
    gradient_check(context, &(gradient_case){ .name = "window tiles", .leaves = 3, .dims = { 2, 2, 2 },
        .shape = { { 140, 2 }, { 140, 2 }, { 140, 2 } }, .build = build_attention,
        .user = &(hone_attention_spec){ .heads = 1, .kv_heads = 1, .window = 20 } });
}
END_TEST

START_TEST(heads_have_the_gradients_of_their_values)
{
    static const struct head_case cases[] = {
        { 0, 0, 0, false }, { 0, 1.7, 3, false }, { 0, 0.8, 0, true }, { 1, 0, 0, false },
        { 1, 1.3, 2, false }, { 1, 0, 0, true }, { 2, 0, 0, false }, { 2, 0.7, 2, false },
        { 3, 0, 0, false }, { 4, 1.5, 2, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        gradient_check(context, &(gradient_case){ .name = "head", .leaves = 3, .dims = { 2, 2, 1 },
            .shape = { { 4, 5 }, { cases[i].transposed ? 5 : 7, cases[i].transposed ? 7 : 5 }, { 7 } },
            .low = -2, .high = 2, .build = build_head, .user = &cases[i] });
}
END_TEST

/* ---- identities ---- */

struct pair {
    hone_graph *g;
    hone_tensor *x, *w;
};

static void pair_open(struct pair *p, const char *kernels)
{
    hone_error err = {0};
    hone_random random = hone_random_named(1, "pair");

    ck_ok(hone_graph_new(&p->g, context, kernels, &err));
    ck_ok(hone_tensor_new(&p->x, hone_graph_dtype(p->g), 1, (int64_t[]){ 50 }, &err));
    ck_ok(hone_tensor_new(&p->w, hone_graph_dtype(p->g), 1, (int64_t[]){ 50 }, &err));
    for (int64_t i = 0; i < 50; i++) {
        hone_tensor_set(p->x, i, hone_random_normal(&random));
        hone_tensor_set(p->w, i, hone_random_normal(&random));
    }
    hone_tensor_require_grad(p->x, true);
    hone_tensor_require_grad(p->w, true);
}

static void pair_close(struct pair *p)
{
    hone_tensor_free(p->x);
    hone_tensor_free(p->w);
    hone_graph_free(p->g);
}

static double pair_step(struct pair *p, bool recompute, float grad[2][50])
{
    hone_error err = {0};
    hone_tensor *y = p->x;
    double value;

    hone_tensor_clear_grad(p->x);
    hone_tensor_clear_grad(p->w);
    ck_ok(hone_graph_begin(p->g, &(hone_graph_options){ .record = true, .train = true, .seed = 3 }, &err));
    for (int i = 0; i < 3; i++)
        y = recompute ? hone_graph_checkpoint(p->g, y, checkpointed, &p->w, sizeof p->w)
                      : checkpointed(&p->w, p->g, y);
    y = hone_sum(p->g, y);
    value = hone_tensor_get(y, 0);
    ck_ok(hone_graph_backward(p->g, y, 1, &err));
    ck_ok(hone_graph_end(p->g, &err));
    memcpy(grad[0], hone_tensor_bytes(hone_tensor_grad(p->x)), sizeof grad[0]);
    memcpy(grad[1], hone_tensor_bytes(hone_tensor_grad(p->w)), sizeof grad[1]);
    return value;
}

START_TEST(recomputing_gives_the_same_bits_as_keeping)
{
    float kept[2][50], again[2][50];
    struct pair p;

    pair_open(&p, NULL);
    ck_assert(pair_step(&p, false, kept) == pair_step(&p, true, again));
    ck_assert_mem_eq(kept, again, sizeof kept);
    pair_close(&p);
}
END_TEST

START_TEST(gradients_accumulate_until_they_are_cleared)
{
    struct pair p;
    hone_error err = {0};
    hone_tensor *y;

    pair_open(&p, NULL);
    for (int i = 0; i < 3; i++) {
        ck_ok(hone_graph_begin(p.g, &(hone_graph_options){ .record = true }, &err));
        y = hone_sum(p.g, p.x);
        ck_ok(hone_graph_backward(p.g, y, 0.5, &err));
        ck_ok(hone_graph_end(p.g, &err));
    }
    ck_assert(hone_tensor_get(hone_tensor_grad(p.x), 7) == 1.5);
    ck_assert_ptr_null(hone_tensor_grad(p.w));
    hone_tensor_clear_grad(p.x);
    ck_assert_ptr_null(hone_tensor_grad(p.x));
    pair_close(&p);
}
END_TEST

START_TEST(an_unrecorded_scope_holds_only_what_is_kept)
{
    hone_graph *g;
    hone_error err = {0};
    hone_tensor *x;
    size_t peak;

    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, NULL, &err));
    x = hone_graph_tensor(g, 1, (int64_t[]){ 1 << 20 });
    for (int i = 0; i < 50; i++) {
        size_t mark = hone_graph_mark(g);
        hone_tensor *y = hone_affine(g, hone_affine(g, x, 2, 0), 0.5, 1);
        hone_graph_release(g, mark, y);
        x = y;
        if (i % 2) { /* the caller may drop the older one, too */
            hone_graph_release(g, 0, x);
        }
    }
    ck_assert(hone_tensor_get(x, 5) == 50);
    peak = hone_graph_peak(g);
    ck_assert_msg(peak <= 5u << 22, "peak %zu bytes", peak);
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
}
END_TEST

/* Sum over rows of a product large enough to be cut, on 1 and 2 threads. */
START_TEST(threads_do_not_change_a_bit)
{
    hone_error err = {0};
    double sums[2];
    hone_tensor *kept[2];

    for (int t = 0; t < 2; t++) {
        hone_graph *g;
        hone_random random = hone_random_named(1, "bits");
        hone_tensor *a, *b, *y;
        ck_ok(hone_context_set_threads(context, t + 1, &err));
        ck_ok(hone_graph_new(&g, context, NULL, &err));
        ck_ok(hone_graph_begin(g, NULL, &err));
        a = hone_graph_tensor(g, 2, (int64_t[]){ 500, 300 });
        b = hone_graph_tensor(g, 2, (int64_t[]){ 700, 300 });
        for (int64_t i = 0; i < 150000; i++)
            ((float *)hone_tensor_data(a))[i] = (float)hone_random_normal(&random);
        for (int64_t i = 0; i < 210000; i++)
            ((float *)hone_tensor_data(b))[i] = (float)hone_random_normal(&random);
        y = hone_apply(g, HONE_GELU_TANH, hone_matmul(g, a, b, true));
        sums[t] = hone_tensor_get(hone_sum(g, y), 0);
        kept[t] = hone_tensor_ref(y);
        ck_ok(hone_graph_end(g, &err));
        hone_graph_free(g);
    }
    ck_assert(sums[0] == sums[1]);
    ck_assert_mem_eq(hone_tensor_bytes(kept[0]), hone_tensor_bytes(kept[1]), 500 * 700 * 4);
    hone_tensor_free(kept[0]);
    hone_tensor_free(kept[1]);
}
END_TEST

START_TEST(the_first_error_of_a_step_is_told_with_op_and_shapes)
{
    hone_graph *g;
    hone_error err = {0};
    hone_tensor *a, *b;

    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, NULL, &err));
    a = hone_graph_tensor(g, 2, (int64_t[]){ 2, 3 });
    b = hone_graph_tensor(g, 2, (int64_t[]){ 2, 4 });
    ck_assert_ptr_null(hone_apply(g, HONE_EXP, hone_mul(g, hone_add(g, a, b), a)));
    ck_fails(HONE_EINVAL, hone_graph_end(g, &err));
    support_golden("ops-shapes", err.message);
    ck_ok(hone_graph_begin(g, NULL, &err));
    a = hone_graph_tensor(g, 1, (int64_t[]){ 3 });
    ck_assert_ptr_null(hone_rows(g, a, (int32_t[]){ 3 }, 1));
    ck_fails(HONE_EINVAL, hone_graph_end(g, &err));
    support_golden("ops-index", err.message);
    hone_graph_free(g);
    ck_fails(HONE_ENOTFOUND, hone_graph_new(&g, context, "fast", &err));
}
END_TEST

START_TEST(a_step_survives_every_allocation_that_fails)
{
    struct pair p;
    hone_error err = {0};
    int failures = 0;

    pair_open(&p, NULL);
    for (uint64_t n = 1; n < 400; n++) {
        hone_tensor *y = p.x;
        int code;
        ck_ok(hone_graph_begin(p.g, &(hone_graph_options){ .record = true, .train = true }, &err));
        hone_alloc_fail_after(n);
        for (int i = 0; i < 2; i++)
            y = hone_graph_checkpoint(p.g, y, checkpointed, &p.w, sizeof p.w);
        y = hone_sum(p.g, y);
        if (y)
            hone_graph_backward(p.g, y, 1, NULL);
        hone_alloc_fail_after(0);
        code = hone_graph_end(p.g, &err);
        failures += code != HONE_OK;
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
    }
    ck_assert_int_gt(failures, 10);
    ck_assert_int_lt(failures, 390);
    pair_close(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *t = tcase_create("ops");

    tcase_add_checked_fixture(t, context_open, context_close);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, elementwise_ops_have_the_gradients_of_their_values);
    tcase_add_test(t, binary_ops_repeat_scalars_and_rows_and_sum_their_gradients);
    tcase_add_test(t, ops_that_move_elements_send_gradients_back_to_them);
    tcase_add_test(t, sums_and_softmax_have_the_gradients_of_their_values);
    tcase_add_test(t, layers_have_the_gradients_of_their_values);
    tcase_add_test(t, attention_has_the_gradient_of_its_value);
    tcase_add_test(t, attention_over_several_tiles_has_the_gradient_of_its_value);
    tcase_add_test(t, heads_have_the_gradients_of_their_values);
    tcase_add_test(t, recomputing_gives_the_same_bits_as_keeping);
    tcase_add_test(t, gradients_accumulate_until_they_are_cleared);
    tcase_add_test(t, an_unrecorded_scope_holds_only_what_is_kept);
    tcase_add_test(t, threads_do_not_change_a_bit);
    tcase_add_test(t, the_first_error_of_a_step_is_told_with_op_and_shapes);
    tcase_add_test(t, a_step_survives_every_allocation_that_fails);
    suite_add_tcase(suite, t);
    return support_run(suite);
}
