/* elementwise.c -- ops that treat every element alike; those with two operands
 * that may repeat are in binary.c. */
#include "../graph.h"

/* Work on a piece of elements [from, to); which members are used depends on
 * the function. */
struct work {
    const hone_graph *g;
    hone_unary f;
    bool add;
    double p, q;
    const void *a, *b, *x;
    void *y;
};

/* ---- one operand ---- */

static void unary_piece(void *arg, int64_t from, int64_t to)
{
    const struct work *w = arg;

    w->g->k->unary(w->f, to - from, hone_at(w->g, w->a, from), hone_at(w->g, w->y, from));
}

static void unary_grad_piece(void *arg, int64_t from, int64_t to)
{
    const struct work *w = arg;

    w->g->k->unary_grad(w->f, to - from, hone_at(w->g, w->a, from),
                        hone_at(w->g, w->b, from), hone_at(w->g, w->x, from),
                        hone_at(w->g, w->y, from), w->add);
}

static int unary_backward(hone_graph *g, hone_node *node)
{
    struct work w = { .g = g };
    hone_tensor *grad;

    if (!(grad = hone_node_grad(g, node, 0, &w.add)))
        return g->error.code;
    w.f = *(hone_unary *)node->args;
    w.a = hone_tensor_bytes(node->saved[0]);
    w.b = hone_tensor_bytes(node->saved[1]);
    w.x = hone_tensor_bytes(node->out->grad);
    w.y = hone_tensor_data(grad);
    hone_graph_pieces(g, hone_tensor_count(grad), HONE_PIECE, unary_grad_piece, &w);
    return HONE_OK;
}

static const hone_op unary_op = { "apply", unary_backward, NULL };

hone_tensor *hone_apply(hone_graph *g, hone_unary f, hone_tensor *a)
{
    hone_tensor *y;
    hone_node *node;
    struct work w = { .g = g };

    if (!hone_check_float(g, "apply", a))
        return NULL;
    if ((int)f < 0 || f >= HONE_UNARY_COUNT)
        return hone_graph_fail(g, HONE_EINVAL, "apply: unknown function %d", (int)f);
    if (!(y = hone_graph_result_like(g, a)))
        return NULL;
    w.f = f;
    w.a = hone_tensor_bytes(a);
    w.y = hone_tensor_data(y);
    hone_graph_pieces(g, hone_tensor_count(a), HONE_PIECE, unary_piece, &w);
    if ((node = hone_graph_node(g, &unary_op, y, &a, 1, sizeof(int)))) {
        *(int *)node->args = (int)f;
        hone_node_save(node, 0, a);
        hone_node_save(node, 1, y);
    }
    return y;
}

static void affine_piece(void *arg, int64_t from, int64_t to)
{
    const struct work *w = arg;

    w->g->k->affine(to - from, w->p, hone_at(w->g, w->a, from), w->q, hone_at(w->g, w->y, from),
                    w->add);
}

/* y (+)= scale * x + shift over the threads. */
static void affine_run(const hone_graph *g, int64_t n, double scale, const void *x, double shift,
                       void *y, bool add)
{
    struct work w = { .g = g };

    w.p = scale;
    w.q = shift;
    w.a = x;
    w.y = y;
    w.add = add;
    hone_graph_pieces((hone_graph *)(uintptr_t)g, n, HONE_PIECE, affine_piece, &w);
}

static int affine_backward(hone_graph *g, hone_node *node)
{
    bool add;
    hone_tensor *grad = hone_node_grad(g, node, 0, &add);

    if (grad)
        affine_run(g, hone_tensor_count(grad), *(double *)node->args,
                   hone_tensor_bytes(node->out->grad), 0, hone_tensor_data(grad), add);
    return g->error.code;
}

static const hone_op affine_op = { "affine", affine_backward, NULL };

hone_tensor *hone_affine(hone_graph *g, hone_tensor *a, double scale, double shift)
{
    hone_tensor *y;
    hone_node *node;

    if (!hone_check_float(g, "affine", a) || !(y = hone_graph_result_like(g, a)))
        return NULL;
    affine_run(g, hone_tensor_count(a), scale, hone_tensor_bytes(a), shift, hone_tensor_data(y), false);
    if ((node = hone_graph_node(g, &affine_op, y, &a, 1, sizeof(double))))
        *(double *)node->args = scale;
    return y;
}

static void clamp_piece(void *arg, int64_t from, int64_t to)
{
    const struct work *w = arg;

    w->g->k->clamp(to - from, w->p, w->q, hone_at(w->g, w->a, from), hone_at(w->g, w->y, from));
}

static void clamp_grad_piece(void *arg, int64_t from, int64_t to)
{
    const struct work *w = arg;

    w->g->k->clamp_grad(to - from, w->p, w->q, hone_at(w->g, w->a, from), hone_at(w->g, w->x, from),
                        hone_at(w->g, w->y, from), w->add);
}

static void power_piece(void *arg, int64_t from, int64_t to)
{
    const struct work *w = arg;

    w->g->k->power(to - from, w->p, hone_at(w->g, w->a, from), hone_at(w->g, w->y, from));
}

static void power_grad_piece(void *arg, int64_t from, int64_t to)
{
    const struct work *w = arg;

    w->g->k->power_grad(to - from, w->p, hone_at(w->g, w->a, from), hone_at(w->g, w->x, from),
                        hone_at(w->g, w->y, from), w->add);
}

struct curve {
    double p, q;
    hone_piece_fn *grad;
};

/* Backward of a function of one operand and two numbers. */
static int curve_backward(hone_graph *g, hone_node *node)
{
    const struct curve *c = node->args;
    struct work w = { .g = g };
    hone_tensor *grad;

    if (!(grad = hone_node_grad(g, node, 0, &w.add)))
        return g->error.code;
    w.p = c->p;
    w.q = c->q;
    w.a = hone_tensor_bytes(node->saved[0]);
    w.x = hone_tensor_bytes(node->out->grad);
    w.y = hone_tensor_data(grad);
    hone_graph_pieces(g, hone_tensor_count(grad), HONE_PIECE, c->grad, &w);
    return HONE_OK;
}

static const hone_op clamp_op = { "clamp", curve_backward, NULL };
static const hone_op power_op = { "pow", curve_backward, NULL };

static hone_tensor *curve_apply(hone_graph *g, const hone_op *op, hone_piece_fn *forward,
                                struct curve curve, hone_tensor *a)
{
    hone_tensor *y;
    hone_node *node;
    struct work w = { .g = g };

    if (!hone_check_float(g, op->name, a) || !(y = hone_graph_result_like(g, a)))
        return NULL;
    w.p = curve.p;
    w.q = curve.q;
    w.a = hone_tensor_bytes(a);
    w.y = hone_tensor_data(y);
    hone_graph_pieces(g, hone_tensor_count(a), HONE_PIECE, forward, &w);
    if ((node = hone_graph_node(g, op, y, &a, 1, sizeof curve))) {
        *(struct curve *)node->args = curve;
        hone_node_save(node, 0, a);
    }
    return y;
}

hone_tensor *hone_clamp(hone_graph *g, hone_tensor *a, double low, double high)
{
    if (!(low <= high))
        return hone_graph_fail(g, HONE_EINVAL, "clamp: low %g exceeds high %g", low, high);
    return curve_apply(g, &clamp_op, clamp_piece, (struct curve){ low, high, clamp_grad_piece }, a);
}

hone_tensor *hone_pow(hone_graph *g, hone_tensor *a, double exponent)
{
    return curve_apply(g, &power_op, power_piece, (struct curve){ exponent, 0, power_grad_piece }, a);
}

/* ---- dropout ---- */

struct dropout {
    double p;
    uint64_t seed, stream;
};

struct dropout_work {
    const hone_graph *g;
    struct dropout d;
    bool add;
    const void *x;
    void *y;
};

static void dropout_piece(void *arg, int64_t from, int64_t to)
{
    const struct dropout_work *w = arg;

    w->g->k->dropout(to - from, w->d.p, w->d.seed, w->d.stream, from, hone_at(w->g, w->x, from),
                     hone_at(w->g, w->y, from), w->add);
}

static int dropout_backward(hone_graph *g, hone_node *node)
{
    struct dropout_work w = { .g = g, .d = *(struct dropout *)node->args };
    hone_tensor *grad = hone_node_grad(g, node, 0, &w.add);

    if (grad) {
        w.x = hone_tensor_bytes(node->out->grad);
        w.y = hone_tensor_data(grad);
        hone_graph_pieces(g, hone_tensor_count(grad), HONE_PIECE, dropout_piece, &w);
    }
    return g->error.code;
}

static const hone_op dropout_op = { "dropout", dropout_backward, NULL };

hone_tensor *hone_dropout(hone_graph *g, hone_tensor *a, double probability)
{
    struct dropout_work w = { .g = g };
    hone_tensor *y;
    hone_node *node;

    if (!hone_check_float(g, "dropout", a))
        return NULL;
    if (!(probability >= 0 && probability < 1))
        return hone_graph_fail(g, HONE_EINVAL, "dropout: probability %g; allowed: >= 0 and < 1",
                               probability);
    if (probability == 0 || !g->options.train)
        return a;
    if (!(y = hone_graph_result_like(g, a)))
        return NULL;
    w.d = (struct dropout){ probability, g->options.seed, ++g->place };
    w.x = hone_tensor_bytes(a);
    w.y = hone_tensor_data(y);
    hone_graph_pieces(g, hone_tensor_count(a), HONE_PIECE, dropout_piece, &w);
    if ((node = hone_graph_node(g, &dropout_op, y, &a, 1, sizeof w.d)))
        *(struct dropout *)node->args = w.d;
    return y;
}

/* ---- swiglu ---- */

struct swiglu {
    const hone_graph *g;
    const void *gate, *up, *dy;
    void *y, *dgate, *dup;
    bool add_gate, add_up;
};

static void swiglu_piece(void *arg, int64_t from, int64_t to)
{
    const struct swiglu *s = arg;

    s->g->k->swiglu(to - from, hone_at(s->g, s->gate, from), hone_at(s->g, s->up, from),
                    hone_at(s->g, s->y, from));
}

static void swiglu_grad_piece(void *arg, int64_t from, int64_t to)
{
    const struct swiglu *s = arg;

    s->g->k->swiglu_grad(to - from, hone_at(s->g, s->gate, from), hone_at(s->g, s->up, from),
                         hone_at(s->g, s->dy, from), s->dgate ? hone_at(s->g, s->dgate, from) : NULL,
                         s->add_gate, s->dup ? hone_at(s->g, s->dup, from) : NULL, s->add_up);
}

static int swiglu_backward(hone_graph *g, hone_node *node)
{
    struct swiglu s = { .g = g,
                        .gate = hone_tensor_bytes(node->saved[0]),
                        .up = hone_tensor_bytes(node->saved[1]),
                        .dy = hone_tensor_bytes(node->out->grad) };

    s.dgate = hone_tensor_data(hone_node_grad(g, node, 0, &s.add_gate));
    if (node->in[0] == node->in[1]) { /* one tensor twice: one after the other */
        hone_graph_pieces(g, hone_tensor_count(node->saved[0]), HONE_PIECE, swiglu_grad_piece, &s);
        s.dgate = NULL;
    }
    s.dup = hone_tensor_data(hone_node_grad(g, node, 1, &s.add_up));
    if (!g->error.code)
        hone_graph_pieces(g, hone_tensor_count(node->saved[0]), HONE_PIECE, swiglu_grad_piece, &s);
    return g->error.code;
}

static const hone_op swiglu_op = { "swiglu", swiglu_backward, NULL };

hone_tensor *hone_swiglu(hone_graph *g, hone_tensor *gate, hone_tensor *up)
{
    struct swiglu s = { .g = g };
    hone_tensor *y;
    hone_node *node;

    if (!hone_check_float(g, "swiglu", gate) || !hone_check_float(g, "swiglu", up) ||
        !hone_check_same(g, "swiglu", gate, up) || !(y = hone_graph_result_like(g, gate)))
        return NULL;
    s.gate = hone_tensor_bytes(gate);
    s.up = hone_tensor_bytes(up);
    s.y = hone_tensor_data(y);
    hone_graph_pieces(g, hone_tensor_count(y), HONE_PIECE, swiglu_piece, &s);
    if ((node = hone_graph_node(g, &swiglu_op, y, (hone_tensor *[]){ gate, up }, 2, 0))) {
        hone_node_save(node, 0, gate);
        hone_node_save(node, 1, up);
    }
    return y;
}
