/* layers.c -- products, and layers with parameters. */
#include "../graph.h"
#include "../param.h"

#include <hone/plugin.h>
#include <string.h>

/* ---- matmul ---- */

struct matmul {
    int64_t m, n, k;
    bool tb;
};

static int matmul_backward(hone_graph *g, hone_node *node)
{
    const struct matmul *s = node->args;
    const void *a = hone_graph_real(g, node->saved[0]), *b = hone_graph_real(g, node->saved[1]);
    const void *dy = hone_tensor_bytes(node->out->grad);
    bool add;
    hone_tensor *da = a && b ? hone_node_grad(g, node, 0, &add) : NULL, *db;

    if (da)
        hone_graph_product(g, &(hone_product){ .tb = !s->tb, .m = s->m, .n = s->k, .k = s->n, .a = dy,
                                               .lda = s->n, .b = b, .ldb = s->tb ? s->k : s->n,
                                               .beta = add, .c = hone_tensor_data(da), .ldc = s->k });
    if (g->error.code || !(db = hone_node_grad(g, node, 1, &add)))
        return g->error.code;
    if (s->tb)
        hone_graph_product(g, &(hone_product){ .ta = true, .m = s->n, .n = s->k, .k = s->m, .a = dy,
                                               .lda = s->n, .b = a, .ldb = s->k, .beta = add,
                                               .c = hone_tensor_data(db), .ldc = s->k });
    else
        hone_graph_product(g, &(hone_product){ .ta = true, .m = s->k, .n = s->n, .k = s->m, .a = a,
                                               .lda = s->k, .b = dy, .ldb = s->n, .beta = add,
                                               .c = hone_tensor_data(db), .ldc = s->n });
    return g->error.code;
}

static const hone_op matmul_op = { "matmul", matmul_backward, NULL };

hone_tensor *hone_matmul(hone_graph *g, hone_tensor *a, hone_tensor *b, bool b_transposed)
{
    struct matmul s = { hone_tensor_extent(a, 0), hone_tensor_extent(b, !b_transposed),
                        hone_tensor_extent(a, 1), b_transposed };
    const void *pa, *pb;
    hone_tensor *y;
    hone_node *node;
    char sa[96], sb[96];

    if (!a || !b)
        return NULL;
    /* Like parameters, operands may be stored in another float dtype. */
    if (!hone_tensor_is_float(a) || !hone_tensor_is_float(b) || a->dims != 2 || b->dims != 2 || hone_tensor_extent(b, b_transposed) != s.k)
        return hone_graph_fail(g, HONE_EINVAL, "matmul: %s and %s%s", hone_tensor_describe(a, sa),
                               hone_tensor_describe(b, sb), b_transposed ? " transposed" : "");
    if (!(y = hone_graph_result(g, 2, (int64_t[]){ s.m, s.n })) || !(pa = hone_graph_real(g, a)) ||
        !(pb = hone_graph_real(g, b)))
        return NULL;
    hone_graph_product(g, &(hone_product){ .tb = s.tb, .m = s.m, .n = s.n, .k = s.k, .a = pa, .lda = s.k,
                                           .b = pb, .ldb = s.tb ? s.k : s.n, .c = hone_tensor_data(y),
                                           .ldc = s.n });
    if ((node = hone_graph_node(g, &matmul_op, y, (hone_tensor *[]){ a, b }, 2, sizeof s))) {
        *(struct matmul *)node->args = s;
        hone_node_save(node, 0, a);
        hone_node_save(node, 1, b);
    }
    return y;
}

/* ---- linear ---- */

struct linear {
    int64_t rows, out, in;
    bool transposed, half;
};

/* Sums over pieces of rows, then over the pieces. */
#define BIAS_ROWS 64

struct bias {
    const hone_graph *g;
    int64_t out;
    const void *dy;
    void *parts; /* [pieces, out] */
};

static void bias_piece(void *arg, int64_t from, int64_t to)
{
    const struct bias *b = arg;

    b->g->k->sum_rows(to - from, b->out, hone_at(b->g, b->dy, from * b->out),
                      hone_at(b->g, b->parts, from / BIAS_ROWS * b->out), false);
}

static void bias_backward(hone_graph *g, int64_t rows, int64_t out, const void *dy, void *db, bool add)
{
    int64_t pieces = (rows + BIAS_ROWS - 1) / BIAS_ROWS;
    struct bias b = { g, out, dy, NULL };

    b.parts = hone_tensor_data(hone_graph_result(g, 2, (int64_t[]){ pieces, out }));
    if (g->error.code)
        return;
    hone_graph_pieces(g, rows, BIAS_ROWS, bias_piece, &b);
    g->k->sum_rows(pieces, out, b.parts, db, add);
}

static int linear_backward(hone_graph *g, hone_node *node)
{
    const struct linear *s = node->args;
    const void *dy = hone_tensor_bytes(node->out->grad), *x;
    bool add;
    hone_tensor *dx, *dw, *db;

    if ((dx = hone_node_grad(g, node, 0, &add)))
        hone_graph_product(g, &(hone_product){ .tb = s->transposed, .half = s->half, .m = s->rows,
                                               .n = s->in, .k = s->out, .a = dy, .lda = s->out,
                                               .weight = node->saved[1],
                                               .ldb = s->transposed ? s->out : s->in, .beta = add,
                                               .c = hone_tensor_data(dx), .ldc = s->in });
    if ((dw = hone_node_grad(g, node, 1, &add))) {
        x = hone_tensor_bytes(node->saved[0]);
        hone_product p = { .ta = true, .half = s->half, .m = s->out, .n = s->in, .k = s->rows, .a = dy,
                           .lda = s->out, .b = x, .ldb = s->in,
                           .beta = add, .c = hone_tensor_data(dw), .ldc = s->in };
        if (s->transposed) {
            p.m = p.lda = s->in;
            p.n = p.ldb = p.ldc = s->out;
            p.a = x;
            p.b = dy;
        }
        hone_graph_product(g, &p);
    }
    if ((db = hone_node_grad(g, node, 2, &add)))
        bias_backward(g, s->rows, s->out, dy, hone_tensor_data(db), add);
    return g->error.code;
}

static const hone_op linear_op = { "linear", linear_backward, NULL };

/* x W^T + b without adapters. */
static hone_tensor *linear_plain(hone_graph *g, hone_tensor *x, hone_param *p)
{
    struct linear s = { hone_tensor_extent(x, 0), p->out, p->in, p->transposed, p->half };
    const void *b = NULL;
    hone_tensor *y;
    hone_node *node;

    if (!(y = hone_graph_result(g, 2, (int64_t[]){ s.rows, s.out })) ||
        (p->bias && !(b = hone_graph_real(g, p->bias))))
        return NULL;
    hone_graph_product(g, &(hone_product){ .tb = !s.transposed, .half = s.half, .m = s.rows, .n = s.out,
                                           .k = s.in, .a = hone_tensor_bytes(x), .lda = s.in,
                                           .weight = p->weight, .ldb = s.transposed ? s.out : s.in,
                                           .bias = b, .c = hone_tensor_data(y), .ldc = s.out });
    if (g->error.code)
        return NULL;
    if ((node = hone_graph_node(g, &linear_op, y, (hone_tensor *[]){ x, p->weight, p->bias }, 3,
                                sizeof s))) {
        *(struct linear *)node->args = s;
        if (p->weight->slot)
            hone_node_save(node, 0, x);
        if (x->slot)
            hone_node_save(node, 1, p->weight);
    }
    return y;
}

hone_tensor *hone_linear(hone_graph *g, hone_tensor *x, hone_param *p)
{
    hone_tensor *y;
    const hone_strategy_ops *ops;
    char seen[96];

    if (!p || !hone_check_float(g, "linear", x))
        return NULL;
    if (x->dims != 2 || x->shape[1] != p->in)
        return hone_graph_fail(g, HONE_EINVAL, "linear: %s: %s; [tokens, %" PRId64 "] is needed",
                               p->name, hone_tensor_describe(x, seen), p->in);
    y = linear_plain(g, x, p);
    if (!y || !p->strategy || p->merged || g->options.adapters_off)
        return y;
    ops = hone_instance_plugin(p->strategy)->ops;
    if (HONE_OP(ops, hone_strategy_ops, linear))
        y = ops->linear(hone_instance_self(p->strategy), g, x, y, p, p->adapter);
    return y;
}

/* ---- embedding ---- */

struct embed {
    int64_t count, width;
    int32_t *ids;
};

static void embed_drop(void *args)
{
    hone_free(((struct embed *)args)->ids);
}

/* Rows of the gradient are summed in the order of tokens. */
static int embed_backward(hone_graph *g, hone_node *node)
{
    const struct embed *e = node->args;
    const void *dy = hone_tensor_bytes(node->out->grad);
    hone_tensor *grad = hone_node_grad_sum(g, node, 0);

    for (int64_t i = 0; grad && i < e->count; i++)
        g->k->affine(e->width, 1, hone_at(g, dy, i * e->width), 0,
                     hone_at(g, hone_tensor_data(grad), e->ids[i] * e->width), true);
    return g->error.code;
}

static const hone_op embed_op = { "embed", embed_backward, embed_drop };

hone_tensor *hone_embed(hone_graph *g, const int32_t *ids, int64_t count, hone_param *p)
{
    const hone_strategy_ops *ops;
    hone_tensor *y, *w;
    hone_node *node;
    size_t stored;

    if (!p || !(y = hone_graph_result(g, 2, (int64_t[]){ count, p->in })))
        return NULL;
    w = p->weight;
    stored = (size_t)p->in * hone_dtype_size(w->dtype);
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= p->out)
            return hone_graph_fail(g, HONE_EINVAL,
                                   "%s: id %d at place %" PRId64 "; allowed: 0 to %" PRId64, p->name,
                                   (int)ids[i], i, p->out - 1);
        hone_convert(y->dtype, hone_at(g, hone_tensor_data(y), i * p->in), w->dtype,
                     (const char *)hone_tensor_bytes(w) + (size_t)ids[i] * stored, p->in);
    }
    if (count && (node = hone_graph_node(g, &embed_op, y, &w, 1, sizeof(struct embed)))) {
        struct embed *e = node->args;
        e->width = p->in;
        if (!(e->ids = hone_alloc((size_t)count, sizeof *ids)))
            return hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
        memcpy(e->ids, ids, (size_t)count * sizeof *ids);
        e->count = count;
    }
    if (!p->strategy || p->merged || g->options.adapters_off)
        return y;
    ops = hone_instance_plugin(p->strategy)->ops;
    if (HONE_OP(ops, hone_strategy_ops, embed))
        y = ops->embed(hone_instance_self(p->strategy), g, ids, count, y, p, p->adapter);
    return y;
}

/* ---- norms ----
 *
 * The weight's gradient is summed over pieces of rows, then over the pieces. */

#define NORM_ROWS 64

struct norm {
    const hone_graph *g;
    int64_t d;
    double eps;
    bool centred, add;
    const void *x, *w, *b, *dy;
    void *y, *mean, *inv, *dw, *db; /* dw, db: [pieces, d] in backward */
};

static void norm_piece(void *arg, int64_t from, int64_t to)
{
    const struct norm *n = arg;
    const hone_graph *g = n->g;
    const void *x = hone_at(g, n->x, from * n->d);
    void *y = hone_at(g, n->y, from * n->d), *inv = hone_at(g, n->inv, from);

    if (n->centred)
        g->k->layernorm(to - from, n->d, x, n->w, n->b, n->eps, y, hone_at(g, n->mean, from), inv);
    else
        g->k->rmsnorm(to - from, n->d, x, n->w, n->eps, y, inv);
}

static void norm_grad_piece(void *arg, int64_t from, int64_t to)
{
    const struct norm *n = arg;
    const hone_graph *g = n->g;
    int64_t piece = from / NORM_ROWS * n->d;
    const void *x = hone_at(g, n->x, from * n->d), *dy = hone_at(g, n->dy, from * n->d);
    const void *inv = hone_at(g, n->inv, from);
    void *dx = hone_at(g, n->y, from * n->d), *dw = hone_at(g, n->dw, piece);

    if (n->centred)
        g->k->layernorm_grad(to - from, n->d, x, n->w, hone_at(g, n->mean, from), inv, dy, dx, n->add,
                             dw, hone_at(g, n->db, piece));
    else
        g->k->rmsnorm_grad(to - from, n->d, x, n->w, inv, dy, dx, n->add, dw);
}

/* Node: inputs x, weight, bias; saved x, weight, inv, mean. */
static int norm_backward(hone_graph *g, hone_node *node)
{
    hone_tensor *x = node->saved[0], *grad, *dw = NULL, *db = NULL;
    struct norm n = { .g = g, .d = hone_tensor_extent(x, -1), .centred = node->saved[3] != NULL,
                      .x = hone_tensor_bytes(x), .w = hone_graph_real(g, node->saved[1]),
                      .dy = hone_tensor_bytes(node->out->grad),
                      .inv = hone_tensor_data(node->saved[2]),
                      .mean = hone_tensor_data(node->saved[3]) };
    int64_t rows = n.d ? hone_tensor_count(x) / n.d : 0;
    int64_t parts[2] = { (rows + NORM_ROWS - 1) / NORM_ROWS, n.d };
    bool add;

    if (node->in[1] && !(dw = hone_graph_tensor(g, 2, parts)))
        return g->error.code;
    if (node->in[2] && !(db = hone_graph_tensor(g, 2, parts)))
        return g->error.code;
    n.dw = hone_tensor_data(dw);
    n.db = hone_tensor_data(db);
    n.y = hone_tensor_data(hone_node_grad(g, node, 0, &n.add));
    if (g->error.code)
        return g->error.code;
    hone_graph_pieces(g, rows, NORM_ROWS, norm_grad_piece, &n);
    if (dw && (grad = hone_node_grad(g, node, 1, &add)))
        g->k->sum_rows(parts[0], n.d, n.dw, hone_tensor_data(grad), add);
    if (db && (grad = hone_node_grad(g, node, 2, &add)))
        g->k->sum_rows(parts[0], n.d, n.db, hone_tensor_data(grad), add);
    return g->error.code;
}

static const hone_op norm_op = { "norm", norm_backward, NULL };

static hone_tensor *norm_apply(hone_graph *g, const char *name, hone_tensor *x, hone_param *p,
                               double eps, bool centred)
{
    struct norm n = { .g = g, .eps = eps, .centred = centred, .d = hone_tensor_extent(x, -1) };
    hone_tensor *y, *inv, *mean = NULL;
    hone_node *node;
    int64_t rows;
    char seen[96];

    if (!p || !hone_check_float(g, name, x))
        return NULL;
    if (x->dims < 1 || n.d != p->in || p->out != 1)
        return hone_graph_fail(g, HONE_EINVAL, "%s: %s: %s; [..., %" PRId64 "] is needed", name,
                               p->name, hone_tensor_describe(x, seen), p->in);
    rows = n.d ? hone_tensor_count(x) / n.d : 0;
    if (!(y = hone_graph_result_like(g, x)) || !(inv = hone_graph_result(g, 1, &rows)) ||
        (centred && !(mean = hone_graph_result(g, 1, &rows))) ||
        !(n.w = hone_graph_real(g, p->weight)) ||
        (p->bias && !(n.b = hone_graph_real(g, p->bias))))
        return NULL;
    n.x = hone_tensor_bytes(x);
    n.y = hone_tensor_data(y);
    n.inv = hone_tensor_data(inv);
    n.mean = hone_tensor_data(mean);
    hone_graph_pieces(g, rows, NORM_ROWS, norm_piece, &n);
    if ((node = hone_graph_node(g, &norm_op, y, (hone_tensor *[]){ x, p->weight, p->bias }, 3, 0))) {
        hone_node_save(node, 0, x);
        hone_node_save(node, 1, p->weight);
        hone_node_save(node, 2, inv);
        hone_node_save(node, 3, mean);
    }
    return y;
}

hone_tensor *hone_rmsnorm(hone_graph *g, hone_tensor *x, hone_param *param, double eps)
{
    return norm_apply(g, "rmsnorm", x, param, eps, false);
}

hone_tensor *hone_layernorm(hone_graph *g, hone_tensor *x, hone_param *param, double eps)
{
    return norm_apply(g, "layernorm", x, param, eps, true);
}
