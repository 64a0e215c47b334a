/* gradient.c -- see gradient.h. */
#include "gradient.h"

#include <math.h>
#include <string.h>

const char *const *gradient_tables(hone_context *context)
{
    static const char *const names[] = { "generic", "avx2", "avx512" };
    static const char *found[4];
    int n = 0;

    for (size_t i = 0; i < 3; i++) {
        hone_graph *g = NULL;
        if (hone_graph_new(&g, context, names[i], NULL) == HONE_OK)
            found[n++] = names[i];
        hone_graph_free(g);
    }
    found[n] = NULL;
    return found;
}

struct run {
    hone_graph *g;
    const gradient_case *c;
    hone_tensor *leaf[GRADIENT_LEAVES];
};

static void run_open(struct run *r, hone_context *context, const gradient_case *c, const char *kernels)
{
    hone_error err = {0};
    double low = c->low, high = c->high;

    if (low == 0 && high == 0)
        low = -1, high = 1;
    r->c = c;
    ck_ok(hone_graph_new(&r->g, context, kernels, &err));
    for (int i = 0; i < c->leaves; i++) {
        hone_random random = hone_random_named((uint64_t)i, c->name);
        ck_ok(hone_tensor_new(&r->leaf[i], hone_graph_dtype(r->g), c->dims[i], c->shape[i], &err));
        for (int64_t j = 0; j < hone_tensor_count(r->leaf[i]); j++) /* exact in float */
            hone_tensor_set(r->leaf[i], j,
                            (double)(float)(low + (high - low) * hone_random_uniform(&random)));
        hone_tensor_require_grad(r->leaf[i], true);
    }
}

static void run_close(struct run *r)
{
    for (int i = 0; i < r->c->leaves; i++)
        hone_tensor_free(r->leaf[i]);
    hone_graph_free(r->g);
}

/* The weighted sum; with backward when asked. */
static double run_value(struct run *r, bool backward)
{
    hone_error err = {0};
    hone_random random = hone_random_named(7, "weights");
    hone_tensor *y, *w, *total;
    double value;

    ck_ok(hone_graph_begin(r->g, &(hone_graph_options){ .record = backward, .train = r->c->train,
                                                         .seed = 5 }, &err));
    y = r->c->build(r->g, r->leaf, r->c->user);
    ck_assert_msg(y, "%s: %s", r->c->name, (hone_graph_error(r->g, &err), err.message));
    w = hone_graph_tensor(r->g, hone_tensor_dims(y),
                          (int64_t[]){ hone_tensor_extent(y, 0), hone_tensor_extent(y, 1),
                                       hone_tensor_extent(y, 2), hone_tensor_extent(y, 3) });
    for (int64_t j = 0; j < hone_tensor_count(w); j++)
        hone_tensor_set(w, j, 0.5 + hone_random_uniform(&random));
    total = hone_sum(r->g, hone_mul(r->g, y, w));
    value = hone_tensor_get(total, 0);
    if (backward) {
        for (int i = 0; i < r->c->leaves; i++)
            hone_tensor_clear_grad(r->leaf[i]);
        ck_ok(hone_graph_backward(r->g, total, 1, &err));
    }
    ck_ok(hone_graph_end(r->g, &err));
    return value;
}

/* Fourth-order central difference. */
static double run_slope(struct run *r, hone_tensor *leaf, int64_t j)
{
    double x = hone_tensor_get(leaf, j), h = 1e-4, f[4];
    static const double at[4] = { -2, -1, 1, 2 };

    for (int i = 0; i < 4; i++) {
        hone_tensor_set(leaf, j, x + at[i] * h);
        f[i] = run_value(r, false);
    }
    hone_tensor_set(leaf, j, x);
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
}

static void check_slopes(struct run *r)
{
    for (int i = 0; i < r->c->leaves; i++) {
        const hone_tensor *grad = hone_tensor_grad(r->leaf[i]);
        for (int64_t j = 0; j < hone_tensor_count(r->leaf[i]); j++) {
            double slope = run_slope(r, r->leaf[i], j), got = grad ? hone_tensor_get(grad, j) : 0;
            ck_assert_msg(fabs(slope - got) <= 1e-7 * (1 + fabs(slope)),
                          "%s: d/d leaf %d [%d]: backward %.12g, differences %.12g", r->c->name, i,
                          (int)j, got, slope);
        }
    }
}

static void check_table(hone_context *context, struct run *reference, const char *kernels)
{
    struct run r;
    double value, expected = run_value(reference, true), most;

    run_open(&r, context, reference->c, kernels);
    value = run_value(&r, true);
    ck_assert_msg(fabs(value - expected) <= 2e-5 * (1 + fabs(expected)), "%s on %s: %.9g, reference %.9g",
                  r.c->name, kernels, value, expected);
    for (int i = 0; i < r.c->leaves; i++) {
        const hone_tensor *a = hone_tensor_grad(r.leaf[i]), *b = hone_tensor_grad(reference->leaf[i]);
        ck_assert_int_eq(a == NULL, b == NULL);
        most = 1e-3;
        for (int64_t j = 0; j < hone_tensor_count(b); j++)
            most = fmax(most, fabs(hone_tensor_get(b, j)));
        for (int64_t j = 0; j < hone_tensor_count(b); j++)
            ck_assert_msg(fabs(hone_tensor_get(a, j) - hone_tensor_get(b, j)) <= 2e-5 * most,
                          "%s on %s: gradient of leaf %d [%d]: %.9g, reference %.9g", r.c->name, kernels,
                          i, (int)j, hone_tensor_get(a, j), hone_tensor_get(b, j));
    }
    run_close(&r);
}

void gradient_check(hone_context *context, const gradient_case *c)
{
    struct run r;

    run_open(&r, context, c, "reference");
    run_value(&r, true);
    check_slopes(&r);
    for (const char *const *t = gradient_tables(context); !c->reference_only && *t; t++)
        check_table(context, &r, *t);
    run_close(&r);
}
