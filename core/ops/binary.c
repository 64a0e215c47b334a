/* binary.c -- ops of two operands, and their broadcasting.
 *
 * A binary op sees its operands as [rows, columns]: full, a row that repeats,
 * or a scalar that repeats. The gradient of an operand that repeats is the sum
 * of what each use would get. */
#include "../graph.h"

struct work {
    const hone_graph *g;
    int f;                  /* hone_binary or hone_comparison */
    bool add, second;
    const void *a, *b, *x;
    void *y;
    int64_t columns;        /* pieces are of rows */
    int64_t ra, sa, rb, sb; /* strides between rows and between elements */
};

enum repeat { FULL, ROW, SCALAR };

/* How an operand of a binary op repeats over the result. */
static bool binary_repeat(const hone_tensor *t, const hone_tensor *out, enum repeat *how)
{
    if (hone_tensor_same_shape(t, out))
        *how = FULL;
    else if (hone_tensor_count(t) == 1)
        *how = SCALAR;
    else if (t->dims == 1 && out->dims > 1 && t->shape[0] == out->shape[out->dims - 1])
        *how = ROW;
    else
        return false;
    return true;
}

/* Fill the strides of w for operands that repeat so; n: elements of the result. */
static int64_t binary_layout(struct work *w, enum repeat a, enum repeat b, int64_t n, int64_t last)
{
    w->columns = a == ROW || b == ROW ? last : 1;
    w->sa = a != SCALAR;
    w->sb = b != SCALAR;
    w->ra = a == FULL ? w->columns : 0;
    w->rb = b == FULL ? w->columns : 0;
    return w->columns ? n / w->columns : 0;
}

/* Rows a piece of a binary op has. */
static int64_t binary_piece_rows(const struct work *w)
{
    int64_t rows = w->columns ? HONE_PIECE / w->columns : 1;

    return rows > 0 ? rows : 1;
}

typedef void binary_call(const struct work *w, int64_t n, const void *a, const void *b, int64_t at);

static void binary_rows(const struct work *w, int64_t from, int64_t to, binary_call *call)
{
    if (w->columns == 1) { /* one run of elements */
        call(w, to - from, hone_at(w->g, w->a, from * w->ra), hone_at(w->g, w->b, from * w->rb), from);
        return;
    }
    for (int64_t r = from; r < to; r++)
        call(w, w->columns, hone_at(w->g, w->a, r * w->ra), hone_at(w->g, w->b, r * w->rb),
             r * w->columns);
}

static void binary_forward_call(const struct work *w, int64_t n, const void *a, const void *b,
                                int64_t at)
{
    w->g->k->binary((hone_binary)w->f, n, a, w->sa, b, w->sb, hone_at(w->g, w->y, at));
}

static void binary_grad_call(const struct work *w, int64_t n, const void *a, const void *b, int64_t at)
{
    if (w->f == HONE_BIN_ADD || w->f == HONE_BIN_SUB) /* reads no operands: none were kept */
        w->g->k->affine(n, w->second && w->f == HONE_BIN_SUB ? -1 : 1, hone_at(w->g, w->x, at), 0,
                        hone_at(w->g, w->y, at), w->add);
    else
        w->g->k->binary_grad((hone_binary)w->f, w->second, n, a, w->sa, b, w->sb,
                             hone_at(w->g, w->x, at), hone_at(w->g, w->y, at), w->add);
}

static void compare_call(const struct work *w, int64_t n, const void *a, const void *b, int64_t at)
{
    w->g->k->compare((hone_comparison)w->f, n, a, w->sa, b, w->sb, hone_at(w->g, w->y, at));
}

static void binary_piece(void *arg, int64_t from, int64_t to)
{
    binary_rows(arg, from, to, binary_forward_call);
}

static void binary_grad_piece(void *arg, int64_t from, int64_t to)
{
    binary_rows(arg, from, to, binary_grad_call);
}

static void compare_piece(void *arg, int64_t from, int64_t to)
{
    binary_rows(arg, from, to, compare_call);
}

struct binary {
    hone_binary f;
    enum repeat how[2];
    int64_t count, last;
};

/* The sum over an operand's uses: full [count] to what the operand has. */
static void binary_reduce(hone_graph *g, const struct binary *b, enum repeat how, const void *full,
                          hone_tensor *grad, bool add)
{
    if (how == SCALAR)
        hone_tensor_set(grad, 0, g->k->sum(b->count, full) + (add ? hone_tensor_get(grad, 0) : 0));
    else
        g->k->sum_rows(b->last ? b->count / b->last : 0, b->last, full, hone_tensor_data(grad), add);
}

static int binary_backward(hone_graph *g, hone_node *node)
{
    const struct binary *b = node->args;

    for (size_t i = 0; i < 2; i++) {
        struct work w = { .g = g };
        hone_tensor *grad, *full = NULL;
        bool add;
        int64_t rows;

        if (!(grad = hone_node_grad(g, node, i, &add)))
            continue;
        w.f = (int)b->f;
        w.second = i == 1;
        w.add = b->how[i] == FULL && add;
        w.a = hone_tensor_bytes(node->saved[0]);
        w.b = hone_tensor_bytes(node->saved[1]);
        w.x = hone_tensor_bytes(node->out->grad);
        if (b->how[i] != FULL && !(full = hone_graph_result(g, 1, &b->count)))
            break;
        w.y = hone_tensor_data(full ? full : grad);
        rows = binary_layout(&w, b->how[0], b->how[1], b->count, b->last);
        hone_graph_pieces(g, rows, binary_piece_rows(&w), binary_grad_piece, &w);
        if (full)
            binary_reduce(g, b, b->how[i], hone_tensor_bytes(full), grad, add);
    }
    return g->error.code;
}

static const hone_op binary_op = { "binary", binary_backward, NULL };

static const char *const binary_names[] = { "add", "sub", "mul", "div", "min", "max" };

/* The result's shape: of the operand with more elements (or more dimensions). */
static hone_tensor *binary_result(hone_graph *g, const char *name, hone_tensor *a, hone_tensor *b,
                                  enum repeat how[2])
{
    hone_tensor *shape;
    char sa[96], sb[96];

    if (!hone_check_float(g, name, a) || !hone_check_float(g, name, b))
        return NULL;
    shape = hone_tensor_count(b) > hone_tensor_count(a) ||
            (hone_tensor_count(b) == hone_tensor_count(a) && b->dims > a->dims) ? b : a;
    if (hone_tensor_count(shape) == 0) /* a scalar does not stretch an empty tensor */
        shape = hone_tensor_count(a) == 0 ? a : b;
    if (!binary_repeat(a, shape, &how[0]) || !binary_repeat(b, shape, &how[1]))
        return hone_graph_fail(g, HONE_EINVAL,
                               "%s: %s and %s; shapes must be equal, or one a scalar or a last row",
                               name, hone_tensor_describe(a, sa), hone_tensor_describe(b, sb));
    return hone_graph_result_like(g, shape);
}

static hone_tensor *binary_apply(hone_graph *g, hone_binary f, hone_tensor *a, hone_tensor *b)
{
    struct binary args = { .f = f };
    struct work w = { .g = g };
    hone_tensor *y;
    hone_node *node;
    int64_t rows;

    if (!a || !b || !(y = binary_result(g, binary_names[f], a, b, args.how)))
        return NULL;
    args.count = hone_tensor_count(y);
    args.last = hone_tensor_extent(y, -1);
    w.f = (int)f;
    w.a = hone_tensor_bytes(a);
    w.b = hone_tensor_bytes(b);
    w.y = hone_tensor_data(y);
    rows = binary_layout(&w, args.how[0], args.how[1], args.count, args.last);
    hone_graph_pieces(g, rows, binary_piece_rows(&w), binary_piece, &w);
    if ((node = hone_graph_node(g, &binary_op, y, (hone_tensor *[]){ a, b }, 2, sizeof args))) {
        *(struct binary *)node->args = args;
        if (f != HONE_BIN_ADD && f != HONE_BIN_SUB) {
            hone_node_save(node, 0, a);
            hone_node_save(node, 1, b);
        }
    }
    return y;
}

hone_tensor *hone_add(hone_graph *g, hone_tensor *a, hone_tensor *b)
{
    return binary_apply(g, HONE_BIN_ADD, a, b);
}

hone_tensor *hone_sub(hone_graph *g, hone_tensor *a, hone_tensor *b)
{
    return binary_apply(g, HONE_BIN_SUB, a, b);
}

hone_tensor *hone_mul(hone_graph *g, hone_tensor *a, hone_tensor *b)
{
    return binary_apply(g, HONE_BIN_MUL, a, b);
}

hone_tensor *hone_div(hone_graph *g, hone_tensor *a, hone_tensor *b)
{
    return binary_apply(g, HONE_BIN_DIV, a, b);
}

hone_tensor *hone_min(hone_graph *g, hone_tensor *a, hone_tensor *b)
{
    return binary_apply(g, HONE_BIN_MIN, a, b);
}

hone_tensor *hone_max(hone_graph *g, hone_tensor *a, hone_tensor *b)
{
    return binary_apply(g, HONE_BIN_MAX, a, b);
}

hone_tensor *hone_compare(hone_graph *g, hone_comparison how, hone_tensor *a, hone_tensor *b)
{
    enum repeat repeats[2];
    struct work w = { .g = g };
    hone_tensor *y;
    int64_t rows;

    if (!a || !b || !(y = binary_result(g, "compare", a, b, repeats)))
        return NULL;
    w.f = (int)how;
    w.a = hone_tensor_bytes(a);
    w.b = hone_tensor_bytes(b);
    w.y = hone_tensor_data(y);
    rows = binary_layout(&w, repeats[0], repeats[1], hone_tensor_count(y), hone_tensor_extent(y, -1));
    hone_graph_pieces(g, rows, binary_piece_rows(&w), compare_piece, &w);
    return y;
}

/* ---- where ---- */

static int where_backward(hone_graph *g, hone_node *node)
{
    const void *mask = hone_tensor_bytes(node->saved[0]), *dy = hone_tensor_bytes(node->out->grad);

    for (size_t i = 0; i < 2; i++) {
        bool add;
        hone_tensor *grad = hone_node_grad(g, node, i, &add);

        if (grad)
            g->k->where(hone_tensor_count(grad), mask, i == 0 ? dy : NULL, i == 1 ? dy : NULL,
                        hone_tensor_data(grad), add);
    }
    return g->error.code;
}

static const hone_op where_op = { "where", where_backward, NULL };

hone_tensor *hone_where(hone_graph *g, hone_tensor *mask, hone_tensor *a, hone_tensor *b)
{
    hone_tensor *y;
    hone_node *node;

    if (!hone_check_float(g, "where", mask) || !hone_check_float(g, "where", a) ||
        !hone_check_float(g, "where", b) || !hone_check_same(g, "where", mask, a) ||
        !hone_check_same(g, "where", a, b) || !(y = hone_graph_result_like(g, a)))
        return NULL;
    g->k->where(hone_tensor_count(a), hone_tensor_bytes(mask), hone_tensor_bytes(a),
                hone_tensor_bytes(b), hone_tensor_data(y), false);
    if ((node = hone_graph_node(g, &where_op, y, (hone_tensor *[]){ a, b }, 2, 0)))
        hone_node_save(node, 0, mask);
    return y;
}
