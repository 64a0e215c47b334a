/* shape.c -- ops that move elements and compute nothing. */
#include "../graph.h"

#include <string.h>

/* to (+)= from, n elements; the same order of sums whatever the threads. */
static void shape_add(hone_graph *g, int64_t n, const void *from, void *to, bool add)
{
    if (n > 0)
        g->k->affine(n, 1, from, 0, to, add);
}

/* ---- views: the gradient of the whole gets the view's at its place ---- */

static int view_backward(hone_graph *g, hone_node *node)
{
    int64_t first = *(int64_t *)node->args;
    hone_tensor *dy = node->out->grad, *grad = hone_node_grad_sum(g, node, 0);

    if (grad)
        shape_add(g, hone_tensor_count(dy), hone_tensor_bytes(dy),
                  hone_at(g, hone_tensor_data(grad), first), true);
    return g->error.code;
}

static const hone_op view_op = { "view", view_backward, NULL };

static hone_tensor *shape_view(hone_graph *g, hone_tensor *a, int64_t first, int dims,
                               const int64_t *shape)
{
    hone_tensor *y;
    hone_node *node;
    hone_error err = {0};

    if (hone_tensor_view(&y, a, (size_t)first * hone_dtype_size(a->dtype), dims, shape, &err))
        return hone_graph_fail(g, err.code, "%s", err.message);
    if (!(y = hone_graph_own(g, y)))
        return NULL;
    if ((node = hone_graph_node(g, &view_op, y, &a, 1, sizeof(int64_t))))
        *(int64_t *)node->args = first;
    return y;
}

hone_tensor *hone_reshape(hone_graph *g, hone_tensor *a, int dims, const int64_t *shape)
{
    int64_t extents[HONE_DIMS], known = 1;
    int open = -1;
    char seen[96];

    if (!a || g->error.code)
        return NULL;
    if (dims < 0 || dims > HONE_DIMS)
        return hone_graph_fail(g, HONE_EINVAL, "reshape: %d dimensions; 0 to %d are possible", dims,
                               HONE_DIMS);
    for (int i = 0; i < dims; i++) {
        extents[i] = shape[i];
        if (shape[i] == -1 && open < 0)
            open = i;
        else if (shape[i] < 0 || (shape[i] > 0 && known > INT64_MAX / shape[i]))
            return hone_graph_fail(g, HONE_EINVAL, "reshape: extent %" PRId64, shape[i]);
        else
            known *= shape[i];
    }
    if (open >= 0)
        extents[open] = known > 0 ? hone_tensor_count(a) / known : 0;
    if ((open >= 0 ? known * extents[open] : known) != hone_tensor_count(a))
        return hone_graph_fail(g, HONE_EINVAL, "reshape: %s into %" PRId64 " elements",
                               hone_tensor_describe(a, seen),
                               open >= 0 ? known * extents[open] : known);
    return shape_view(g, a, 0, dims, extents);
}

hone_tensor *hone_slice(hone_graph *g, hone_tensor *a, int64_t from, int64_t to)
{
    int64_t shape[HONE_DIMS], row = 1;
    char seen[96];

    if (!a || g->error.code)
        return NULL;
    if (a->dims < 1 || from < 0 || to < from || to > a->shape[0])
        return hone_graph_fail(g, HONE_EINVAL, "slice: rows %" PRId64 " to %" PRId64 " of %s", from,
                               to, hone_tensor_describe(a, seen));
    memcpy(shape, a->shape, sizeof shape);
    shape[0] = to - from;
    for (int i = 1; i < a->dims; i++)
        row *= a->shape[i];
    return shape_view(g, a, from * row, a->dims, shape);
}

hone_tensor *hone_detach(hone_graph *g, hone_tensor *a)
{
    hone_tensor *y;
    hone_error err = {0};

    if (!a || g->error.code)
        return NULL;
    if (hone_tensor_view(&y, a, 0, a->dims, a->shape, &err))
        return hone_graph_fail(g, err.code, "%s", err.message);
    return hone_graph_own(g, y);
}

/* ---- columns ---- */

struct columns {
    int64_t from, width, rows, all;
};

static int columns_backward(hone_graph *g, hone_node *node)
{
    const struct columns *c = node->args;
    const void *dy = hone_tensor_bytes(node->out->grad);
    hone_tensor *grad = hone_node_grad_sum(g, node, 0);

    for (int64_t r = 0; grad && r < c->rows; r++)
        shape_add(g, c->width, hone_at(g, dy, r * c->width),
                  hone_at(g, hone_tensor_data(grad), r * c->all + c->from), true);
    return g->error.code;
}

static const hone_op columns_op = { "columns", columns_backward, NULL };

hone_tensor *hone_columns(hone_graph *g, hone_tensor *a, int64_t from, int64_t to)
{
    struct columns c = { .from = from, .width = to - from, .all = hone_tensor_extent(a, -1) };
    int64_t shape[HONE_DIMS];
    hone_tensor *y;
    hone_node *node;
    char seen[96];

    if (!hone_check_float(g, "columns", a))
        return NULL;
    if (a->dims < 1 || from < 0 || to < from || to > c.all)
        return hone_graph_fail(g, HONE_EINVAL, "columns: %" PRId64 " to %" PRId64 " of %s", from, to,
                               hone_tensor_describe(a, seen));
    memcpy(shape, a->shape, sizeof shape);
    shape[a->dims - 1] = c.width;
    c.rows = c.all ? hone_tensor_count(a) / c.all : 0;
    if (!(y = hone_graph_result(g, a->dims, shape)))
        return NULL;
    for (int64_t r = 0; c.width && r < c.rows; r++)
        memcpy(hone_at(g, hone_tensor_data(y), r * c.width),
               hone_at(g, hone_tensor_bytes(a), r * c.all + from),
               (size_t)c.width * hone_graph_width(g));
    if ((node = hone_graph_node(g, &columns_op, y, &a, 1, sizeof c)))
        *(struct columns *)node->args = c;
    return y;
}

/* ---- rows by index ---- */

struct rows {
    int64_t count, width;
    int32_t *index; /* [count] */
};

static void rows_drop(void *args)
{
    hone_free(((struct rows *)args)->index);
}

static int rows_backward(hone_graph *g, hone_node *node)
{
    const struct rows *r = node->args;
    const void *dy = hone_tensor_bytes(node->out->grad);
    hone_tensor *grad = hone_node_grad_sum(g, node, 0);

    for (int64_t i = 0; grad && i < r->count; i++)
        shape_add(g, r->width, hone_at(g, dy, i * r->width),
                  hone_at(g, hone_tensor_data(grad), r->index[i] * r->width), true);
    return g->error.code;
}

static const hone_op rows_op = { "rows", rows_backward, rows_drop };

hone_tensor *hone_rows(hone_graph *g, hone_tensor *a, const int32_t *index, int64_t count)
{
    int64_t shape[HONE_DIMS], width = 1;
    hone_tensor *y;
    hone_node *node;
    char seen[96];

    if (!hone_check_float(g, "rows", a))
        return NULL;
    for (int64_t i = 0; i < count; i++)
        if (a->dims < 1 || index[i] < 0 || index[i] >= a->shape[0])
            return hone_graph_fail(g, HONE_EINVAL, "rows: index %d of %s", (int)index[i],
                                   hone_tensor_describe(a, seen));
    memcpy(shape, a->shape, sizeof shape);
    shape[0] = count;
    for (int i = 1; i < a->dims; i++)
        width *= a->shape[i];
    if (!(y = hone_graph_result(g, a->dims, shape)))
        return NULL;
    for (int64_t i = 0; width && i < count; i++)
        memcpy(hone_at(g, hone_tensor_data(y), i * width),
               hone_at(g, hone_tensor_bytes(a), index[i] * width),
               (size_t)width * hone_graph_width(g));
    if (count && (node = hone_graph_node(g, &rows_op, y, &a, 1, sizeof(struct rows)))) {
        struct rows *r = node->args;
        r->width = width;
        if (!(r->index = hone_alloc((size_t)count, sizeof *index)))
            return hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
        memcpy(r->index, index, (size_t)count * sizeof *index);
        r->count = count;
    }
    return y;
}

/* ---- concat ---- */

static int concat_backward(hone_graph *g, hone_node *node)
{
    const int64_t *counts = node->args;
    const void *dy = hone_tensor_bytes(node->out->grad);
    int64_t at = 0;

    for (size_t i = 0; i < node->inputs; at += counts[i++]) {
        bool add;
        hone_tensor *grad = hone_node_grad(g, node, i, &add);

        if (grad)
            shape_add(g, counts[i], hone_at(g, dy, at), hone_tensor_data(grad), add);
    }
    return g->error.code;
}

static const hone_op concat_op = { "concat", concat_backward, NULL };

hone_tensor *hone_concat(hone_graph *g, hone_tensor *const *parts, size_t count)
{
    int64_t shape[HONE_DIMS] = {0}, at = 0;
    hone_tensor *y;
    hone_node *node;

    if (count == 0)
        return hone_graph_fail(g, HONE_EINVAL, "concat: no parts");
    for (size_t i = 0; i < count; i++) {
        char a[96], b[96];
        if (!hone_check_float(g, "concat", parts[i]))
            return NULL;
        if (parts[i]->dims < 1 || parts[i]->dims != parts[0]->dims ||
            memcmp(parts[i]->shape + 1, parts[0]->shape + 1, sizeof shape - sizeof *shape))
            return hone_graph_fail(g, HONE_EINVAL, "concat: %s and %s",
                                   hone_tensor_describe(parts[0], a),
                                   hone_tensor_describe(parts[i], b));
        shape[0] += parts[i]->shape[0];
    }
    memcpy(shape + 1, parts[0]->shape + 1, sizeof shape - sizeof *shape);
    if (!(y = hone_graph_result(g, parts[0]->dims, shape)))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        int64_t n = hone_tensor_count(parts[i]);
        if (n)
            memcpy(hone_at(g, hone_tensor_data(y), at), hone_tensor_bytes(parts[i]),
                   (size_t)n * hone_graph_width(g));
        at += n;
    }
    if ((node = hone_graph_node(g, &concat_op, y, parts, count, count * sizeof(int64_t))))
        for (size_t i = 0; i < count; i++)
            ((int64_t *)node->args)[i] = hone_tensor_count(parts[i]);
    return y;
}
