/* reduce.c -- sums, softmax, and picking one of a row.
 *
 * Long sums are cut into pieces of fixed length, each summed in double, and
 * the pieces are added in order: the same bits for any number of threads. */
#include "../graph.h"

#include <math.h>
#include <string.h>

#define SUM_PIECE 65536

struct sum {
    const hone_graph *g;
    const void *x;
    double *partial;
};

static void sum_piece(void *arg, int64_t from, int64_t to)
{
    const struct sum *s = arg;

    s->partial[from / SUM_PIECE] = s->g->k->sum(to - from, hone_at(s->g, s->x, from));
}

/* Sum of n elements; false when memory is short. */
static bool reduce_sum(hone_graph *g, int64_t n, const void *x, double *total)
{
    int64_t pieces = (n + SUM_PIECE - 1) / SUM_PIECE;
    struct sum s = { g, x, NULL };

    *total = 0;
    if (pieces <= 1) {
        *total = n > 0 ? g->k->sum(n, x) : 0;
        return true;
    }
    if (!(s.partial = hone_alloc((size_t)pieces, sizeof *s.partial))) {
        hone_graph_fail(g, HONE_ENOMEM, "out of memory: a sum");
        return false;
    }
    hone_graph_pieces(g, n, SUM_PIECE, sum_piece, &s);
    for (int64_t i = 0; i < pieces; i++)
        *total += s.partial[i];
    hone_free(s.partial);
    return true;
}

/* dx[i] += dy * scale for every element. */
static int sum_backward(hone_graph *g, hone_node *node)
{
    double dy = hone_tensor_get(node->out->grad, 0) * *(double *)node->args;
    bool add;
    hone_tensor *grad = hone_node_grad(g, node, 0, &add);
    int64_t n = hone_tensor_count(grad);

    if (grad && n && !add)
        memset(hone_tensor_data(grad), 0, (size_t)n * hone_graph_width(g));
    if (grad && n)
        g->k->affine(n, 1, hone_tensor_bytes(grad), dy, hone_tensor_data(grad), false);
    return g->error.code;
}

static const hone_op sum_op = { "sum", sum_backward, NULL };

static hone_tensor *reduce_scaled(hone_graph *g, const char *name, hone_tensor *a, bool mean)
{
    hone_tensor *y;
    hone_node *node;
    double total, scale = mean ? 1.0 / (double)hone_tensor_count(a) : 1.0;

    if (!hone_check_float(g, name, a) || !(y = hone_graph_result(g, 0, NULL)) ||
        !reduce_sum(g, hone_tensor_count(a), hone_tensor_bytes(a), &total))
        return NULL;
    hone_tensor_set(y, 0, total * scale);
    if ((node = hone_graph_node(g, &sum_op, y, &a, 1, sizeof(double))))
        *(double *)node->args = scale;
    return y;
}

hone_tensor *hone_sum(hone_graph *g, hone_tensor *a)
{
    return reduce_scaled(g, "sum", a, false);
}

hone_tensor *hone_mean(hone_graph *g, hone_tensor *a)
{
    return reduce_scaled(g, "mean", a, true);
}

/* ---- runs of elements: the last dimension, or given starts ---- */

struct runs {
    int64_t count;
    int64_t width;   /* of each, when starts is NULL */
    int32_t *starts; /* [count + 1] */
};

static void runs_drop(void *args)
{
    hone_free(((struct runs *)args)->starts);
}

static int64_t runs_start(const struct runs *r, int64_t i)
{
    return r->starts ? r->starts[i] : i * r->width;
}

static int runs_backward(hone_graph *g, hone_node *node)
{
    const struct runs *r = node->args;
    hone_tensor *dy = node->out->grad, *grad = hone_node_grad_sum(g, node, 0);

    for (int64_t i = 0; grad && i < r->count; i++) {
        int64_t from = runs_start(r, i), n = runs_start(r, i + 1) - from;
        void *to = hone_at(g, hone_tensor_data(grad), from);
        if (n > 0)
            g->k->affine(n, 1, to, hone_tensor_get(dy, i), to, false);
    }
    return g->error.code;
}

static const hone_op runs_op = { "sum of runs", runs_backward, runs_drop };

static hone_tensor *runs_sum(hone_graph *g, hone_tensor *a, struct runs runs, int dims,
                             const int64_t *shape)
{
    hone_tensor *y = hone_graph_result(g, dims, shape);
    hone_node *node;

    for (int64_t i = 0; y && i < runs.count; i++) {
        int64_t from = runs_start(&runs, i), n = runs_start(&runs, i + 1) - from;
        hone_tensor_set(y, i, n > 0 ? g->k->sum(n, hone_at(g, hone_tensor_bytes(a), from)) : 0);
    }
    if (y && (node = hone_graph_node(g, &runs_op, y, &a, 1, sizeof runs))) {
        struct runs *r = node->args;
        size_t n = (size_t)runs.count + 1;
        r->width = runs.width;
        if (runs.starts) {
            if (!(r->starts = hone_alloc(n, sizeof *r->starts)))
                return hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
            memcpy(r->starts, runs.starts, n * sizeof *r->starts);
        }
        r->count = runs.count;
    }
    return y;
}

hone_tensor *hone_sum_last(hone_graph *g, hone_tensor *a)
{
    struct runs runs = { .width = hone_tensor_extent(a, -1) };

    if (!hone_check_float(g, "sum_last", a))
        return NULL;
    if (a->dims < 1)
        return hone_graph_fail(g, HONE_EINVAL, "sum_last: a scalar has no last dimension");
    runs.count = 1;
    for (int i = 0; i + 1 < a->dims; i++)
        runs.count *= a->shape[i];
    return runs_sum(g, a, runs, a->dims - 1, a->shape);
}

hone_tensor *hone_segment_sum(hone_graph *g, hone_tensor *a, const int32_t *starts, int64_t count)
{
    struct runs runs = { .count = count, .starts = (int32_t *)(uintptr_t)starts };
    char seen[96];

    if (!hone_check_float(g, "segment_sum", a))
        return NULL;
    if (a->dims != 1 || count < 0 || starts[0] != 0 || starts[count] != a->shape[0])
        return hone_graph_fail(g, HONE_EINVAL, "segment_sum: starts do not span %s",
                               hone_tensor_describe(a, seen));
    for (int64_t i = 0; i < count; i++)
        if (starts[i] > starts[i + 1])
            return hone_graph_fail(g, HONE_EINVAL, "segment_sum: start %d after %d",
                                   (int)starts[i + 1], (int)starts[i]);
    return runs_sum(g, a, runs, 1, &count);
}

/* ---- softmax ---- */

struct softmax {
    const hone_graph *g;
    int64_t d;
    bool logged, add;
    const void *x, *dy;
    void *y;
};

static void softmax_piece(void *arg, int64_t from, int64_t to)
{
    const struct softmax *s = arg;

    s->g->k->softmax(to - from, s->d, s->logged, hone_at(s->g, s->x, from * s->d),
                     hone_at(s->g, s->y, from * s->d));
}

static void softmax_grad_piece(void *arg, int64_t from, int64_t to)
{
    const struct softmax *s = arg;

    s->g->k->softmax_grad(to - from, s->d, s->logged, hone_at(s->g, s->x, from * s->d),
                          hone_at(s->g, s->dy, from * s->d), hone_at(s->g, s->y, from * s->d), s->add);
}

static int64_t softmax_rows(int64_t d)
{
    return d < HONE_PIECE ? HONE_PIECE / (d > 0 ? d : 1) : 1;
}

static int softmax_backward(hone_graph *g, hone_node *node)
{
    struct softmax s = { .g = g, .logged = *(bool *)node->args };
    hone_tensor *y = node->saved[0], *grad = hone_node_grad(g, node, 0, &s.add);

    if (!grad)
        return g->error.code;
    s.d = hone_tensor_extent(y, -1);
    s.x = hone_tensor_bytes(y);
    s.dy = hone_tensor_bytes(node->out->grad);
    s.y = hone_tensor_data(grad);
    if (s.d)
        hone_graph_pieces(g, hone_tensor_count(y) / s.d, softmax_rows(s.d), softmax_grad_piece, &s);
    return HONE_OK;
}

static const hone_op softmax_op = { "softmax", softmax_backward, NULL };

static hone_tensor *softmax_apply(hone_graph *g, hone_tensor *a, bool logged)
{
    struct softmax s = { .g = g, .logged = logged, .d = hone_tensor_extent(a, -1) };
    hone_tensor *y;
    hone_node *node;

    if (!hone_check_float(g, "softmax", a) || !(y = hone_graph_result_like(g, a)))
        return NULL;
    s.x = hone_tensor_bytes(a);
    s.y = hone_tensor_data(y);
    if (s.d)
        hone_graph_pieces(g, hone_tensor_count(a) / s.d, softmax_rows(s.d), softmax_piece, &s);
    if ((node = hone_graph_node(g, &softmax_op, y, &a, 1, sizeof(bool)))) {
        *(bool *)node->args = logged;
        hone_node_save(node, 0, y);
    }
    return y;
}

hone_tensor *hone_softmax(hone_graph *g, hone_tensor *a)
{
    return softmax_apply(g, a, false);
}

hone_tensor *hone_log_softmax(hone_graph *g, hone_tensor *a)
{
    return softmax_apply(g, a, true);
}

/* ---- pick ---- */

struct pick {
    int64_t n, d;
    int32_t *index; /* [n] */
};

static void pick_drop(void *args)
{
    hone_free(((struct pick *)args)->index);
}

static int pick_backward(hone_graph *g, hone_node *node)
{
    const struct pick *p = node->args;
    hone_tensor *grad = hone_node_grad_sum(g, node, 0);

    for (int64_t i = 0; grad && i < p->n; i++) {
        int64_t at = i * p->d + p->index[i];
        hone_tensor_set(grad, at, hone_tensor_get(grad, at) + hone_tensor_get(node->out->grad, i));
    }
    return g->error.code;
}

static const hone_op pick_op = { "pick", pick_backward, pick_drop };

hone_tensor *hone_pick(hone_graph *g, hone_tensor *a, const int32_t *index)
{
    int64_t n = hone_tensor_extent(a, 0), d = hone_tensor_extent(a, 1);
    hone_tensor *y;
    hone_node *node;
    char seen[96];

    if (!hone_check_float(g, "pick", a))
        return NULL;
    if (a->dims != 2)
        return hone_graph_fail(g, HONE_EINVAL, "pick: %s; [n, d] is needed",
                               hone_tensor_describe(a, seen));
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= d)
            return hone_graph_fail(g, HONE_EINVAL, "pick: index %d in row %" PRId64 " of %s",
                                   (int)index[i], i, hone_tensor_describe(a, seen));
    if (!(y = hone_graph_result(g, 1, &n)))
        return NULL;
    for (int64_t i = 0; i < n; i++)
        hone_tensor_set(y, i, hone_tensor_get(a, i * d + index[i]));
    if (n && (node = hone_graph_node(g, &pick_op, y, &a, 1, sizeof(struct pick)))) {
        struct pick *p = node->args;
        if (!(p->index = hone_alloc((size_t)n, sizeof *index)))
            return hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
        memcpy(p->index, index, (size_t)n * sizeof *index);
        p->d = d;
        p->n = n;
    }
    return y;
}
