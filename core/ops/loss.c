/* loss.c -- vocabulary heads: logits in chunks, never all of them.
 *
 * Cross-entropy computes a chunk's gradient while its logits are there, and
 * keeps the gradients of hidden states and weight, to be scaled in backward:
 * one pass over the vocabulary instead of two. Log-probabilities, whose
 * gradients are not known before backward, compute the chunk again. A head
 * with an adapter goes through the ops, chunk by chunk. */
#include "../graph.h"
#include "../param.h"

#include <hone/loss.h>
#include <hone/plugin.h>
#include <math.h>
#include <string.h>

/* As many rows as one packing of the weight should serve, in bounded memory. */
#define CHUNK_BYTES (200 << 20)
#define CHUNK_LEAST 256
#define CHUNK_MOST  1024

int64_t hone_head_chunk(int64_t vocab)
{
    int64_t rows = CHUNK_BYTES / (int64_t)sizeof(float) / (vocab > 0 ? vocab : 1);

    return rows < CHUNK_LEAST ? CHUNK_LEAST : rows > CHUNK_MOST ? CHUNK_MOST : rows;
}

static bool head_check(hone_graph *g, const char *op, hone_tensor *hidden, const hone_head *head,
                       const int32_t *targets)
{
    char seen[96];

    if (!hone_check_float(g, op, hidden))
        return false;
    if (hidden->dims != 2 || hidden->shape[1] != head->param->in) {
        hone_graph_fail(g, HONE_EINVAL, "%s: hidden %s; [n, %" PRId64 "] is needed", op,
                        hone_tensor_describe(hidden, seen), head->param->in);
        return false;
    }
    for (int64_t i = 0; targets && i < hidden->shape[0]; i++)
        if (targets[i] < 0 || targets[i] >= head->param->out) {
            hone_graph_fail(g, HONE_EINVAL, "%s: target %d at %" PRId64 "; allowed: 0 to %" PRId64, op,
                            (int)targets[i], i, head->param->out - 1);
            return false;
        }
    return true;
}

static bool head_adapted(const hone_graph *g, const hone_head *head)
{
    return head->param->strategy && !head->param->merged && !g->options.adapters_off;
}

static double head_scale(const hone_head *head)
{
    return head->scale > 0 ? head->scale : 1;
}

/* ---- whole logits ---- */

hone_tensor *hone_head_logits(hone_graph *g, hone_tensor *hidden, const hone_head *head)
{
    hone_tensor *z;

    if (!head_check(g, "logits", hidden, head, NULL))
        return NULL;
    z = hone_linear(g, hidden, head->param);
    if (head->soft_cap > 0) {
        z = hone_apply(g, HONE_TANH, hone_affine(g, z, 1 / head->soft_cap, 0));
        return hone_affine(g, z, head->soft_cap / head_scale(head), 0);
    }
    return head_scale(head) == 1 ? z : hone_affine(g, z, 1 / head_scale(head), 0);
}

/* ---- any function of logits ---- */

struct over {
    hone_head head;
    hone_logits_fn *fn;
    void *user;
    int64_t first;
};

static hone_tensor *over_chunk(void *user, hone_graph *g, hone_tensor *hidden)
{
    const struct over *o = user;
    hone_tensor *logits = hone_head_logits(g, hidden, &o->head);

    return logits ? o->fn(o->user, g, logits, o->first) : NULL;
}

hone_tensor *hone_head_over_logits(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                                   hone_logits_fn *fn, void *user)
{
    struct over o = { *head, fn, user, 0 };
    int64_t chunk = hone_head_chunk(head->param->out), n, count;
    hone_tensor **parts, *y = NULL;

    if (!head_check(g, "over_logits", hidden, head, NULL))
        return NULL;
    n = hidden->shape[0];
    count = n > 0 ? (n + chunk - 1) / chunk : 1;
    if (!(parts = hone_alloc((size_t)count, sizeof *parts)))
        return hone_graph_fail(g, HONE_ENOMEM, "out of memory: a loss");
    for (int64_t i = 0; i < count; i++) {
        int64_t to = (i + 1) * chunk < n ? (i + 1) * chunk : n;
        o.first = i * chunk;
        parts[i] = hone_graph_checkpoint(g, hone_slice(g, hidden, o.first, to), over_chunk, &o, sizeof o);
        if (!parts[i])
            goto out;
        if (parts[i]->dims != 1 || parts[i]->shape[0] != to - o.first) {
            char seen[96];
            hone_graph_fail(g, HONE_EINVAL, "over_logits: the function returned %s; [%" PRId64
                            "] is needed", hone_tensor_describe(parts[i], seen), to - o.first);
            goto out;
        }
    }
    y = count == 1 ? parts[0] : hone_concat(g, parts, (size_t)count);
out:
    hone_free(parts);
    return y;
}

/* ---- a chunk of logits ---- */

struct chunk {
    hone_graph *g;
    const hone_param *p;
    double cap, scale;
    const void *w, *b;     /* of the head, in the graph's dtype; w NULL: taken as it is stored */
    int64_t d, vocab;
    void *z;               /* [chunk, vocab] */
    int64_t first;         /* row of the batch that z begins with */
    const int32_t *targets;
    const float *weights;
    void *nll, *entropy;
    const void *dlogp, *dentropy;
};

#define LOSS_ROWS 8

/* Logits of rows [first, first + rows) of hidden. */
static void chunk_logits(struct chunk *c, const void *hidden, int64_t rows)
{
    hone_graph *g = c->g;

    hone_graph_product(g, &(hone_product){ .tb = !c->p->transposed, .half = c->p->half, .m = rows,
                                           .n = c->vocab, .k = c->d,
                                           .a = hone_at(g, hidden, c->first * c->d), .lda = c->d,
                                           .weight = c->w ? NULL : c->p->weight, .b = c->w,
                                           .ldb = c->p->transposed ? c->vocab : c->d, .bias = c->b,
                                           .c = c->z, .ldc = c->vocab });
}

/* dhidden (+)= dz W; dw (+)= dz^T hidden; db (+)= sums of dz: what is not NULL. */
static void chunk_backward(struct chunk *c, const void *hidden, int64_t rows, void *dhidden,
                           bool add_hidden, void *dw, bool add_w, void *db, bool add_b)
{
    hone_graph *g = c->g;
    const void *h = hone_at(g, hidden, c->first * c->d);

    if (dhidden)
        hone_graph_product(g, &(hone_product){ .tb = c->p->transposed, .half = c->p->half, .m = rows,
                                               .n = c->d, .k = c->vocab, .a = c->z, .lda = c->vocab,
                                               .weight = c->w ? NULL : c->p->weight, .b = c->w,
                                               .ldb = c->p->transposed ? c->vocab : c->d,
                                               .beta = add_hidden,
                                               .c = hone_at(g, dhidden, c->first * c->d), .ldc = c->d });
    if (dw) {
        hone_product p = { .ta = true, .half = c->p->half, .m = c->vocab, .n = c->d, .k = rows, .a = c->z,
                           .lda = c->vocab, .b = h, .ldb = c->d, .beta = add_w, .c = dw, .ldc = c->d };
        if (c->p->transposed) {
            p.m = p.lda = c->d;
            p.n = p.ldb = p.ldc = c->vocab;
            p.a = h;
            p.b = c->z;
        }
        hone_graph_product(g, &p);
    }
    if (db)
        g->k->sum_rows(rows, c->vocab, c->z, db, add_b);
}

/* Whether products with n rows read the weight as it is stored; else it is converted once
 * for all chunks. */
static bool chunk_reads(const hone_graph *g, const hone_param *p, int64_t n)
{
    const hone_gemm *packed = g->k->packed;

    return (p->half && hone_graph_takes(g, p->weight)) ||
           (packed && n <= packed->few && hone_tensor_dtype(p->weight) == HONE_BF16);
}

/* Fill what all chunks share; false when memory is short. */
static bool chunk_init(struct chunk *c, hone_graph *g, const hone_head *head, int64_t n)
{
    hone_param *p = head->param;
    int64_t rows = hone_head_chunk(p->out);
    hone_tensor *z = hone_graph_result(g, 2, (int64_t[]){ n < rows ? n : rows, p->out });

    *c = (struct chunk){ .g = g, .p = p, .cap = head->soft_cap, .scale = head_scale(head),
                         .d = p->in, .vocab = p->out, .z = hone_tensor_data(z) };
    return z && (chunk_reads(g, p, n) || (c->w = hone_graph_real(g, p->weight))) &&
           (!p->bias || (c->b = hone_graph_real(g, p->bias)));
}

/* ---- cross-entropy ---- */

static void cross_entropy_piece(void *arg, int64_t from, int64_t to)
{
    const struct chunk *c = arg;

    c->g->k->cross_entropy(to - from, c->vocab, hone_at(c->g, c->z, from * c->vocab),
                           c->targets + c->first + from,
                           c->weights ? c->weights + c->first + from : NULL, c->cap, c->scale,
                           hone_at(c->g, c->nll, c->first + from));
}

struct scaled {
    const hone_graph *g;
    double factor;
    const void *from;
    void *to;
    bool add;
};

static void scaled_piece(void *arg, int64_t from, int64_t to)
{
    const struct scaled *s = arg;

    s->g->k->affine(to - from, s->factor, hone_at(s->g, s->from, from), 0, hone_at(s->g, s->to, from),
                    s->add);
}

/* Node: inputs hidden, weight, bias; saved their gradients for dy = 1, which nobody else
 * reads. */
static int cross_entropy_backward(hone_graph *g, hone_node *node)
{
    struct scaled s = { .g = g, .factor = hone_tensor_get(node->out->grad, 0) };

    for (size_t i = 0; i < 3; i++) {
        hone_tensor *grad = hone_node_grad(g, node, i, &s.add);
        s.from = hone_tensor_bytes(node->saved[i]);
        s.to = hone_tensor_data(grad);
        if (grad && (s.add || s.factor != 1 || !hone_tensor_swap(grad, node->saved[i])))
            hone_graph_pieces(g, hone_tensor_count(grad), HONE_PIECE, scaled_piece, &s);
    }
    return g->error.code;
}

static const hone_op cross_entropy_op = { "cross_entropy", cross_entropy_backward, NULL };

static double cross_entropy_total(const hone_tensor *nll, const float *weights)
{
    double total = 0;

    for (int64_t i = 0, n = hone_tensor_count(nll); i < n; i++)
        total += (weights ? (double)weights[i] : 1) * hone_tensor_get(nll, i);
    return total;
}

/* The gradients that a plain head needs, for the sum's gradient 1. */
static bool cross_entropy_grads(hone_graph *g, const hone_head *head, hone_tensor *hidden,
                                hone_tensor *grads[3])
{
    hone_tensor *in[3] = { hidden, head->param->weight, head->param->bias };

    for (int i = 0; i < 3 && g->options.record; i++) {
        if (!in[i] || !in[i]->slot)
            continue;
        /* the first chunk overwrites them; without rows there is none */
        grads[i] = hone_tensor_extent(hidden, 0) > 0 ? hone_graph_result_like(g, in[i])
                                                     : hone_graph_tensor(g, in[i]->dims, in[i]->shape);
        if (!grads[i])
            return false;
    }
    return true;
}

static hone_tensor *cross_entropy_plain(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                                        const int32_t *targets, const float *weights, hone_tensor *nll)
{
    int64_t n = hidden->shape[0], step = hone_head_chunk(head->param->out);
    hone_tensor *grads[3] = {0}, *y;
    struct chunk c;
    hone_node *node;

    if (!chunk_init(&c, g, head, n) || !cross_entropy_grads(g, head, hidden, grads))
        return NULL;
    c.targets = targets;
    c.weights = weights;
    c.nll = hone_tensor_data(nll);
    for (; c.first < n; c.first += step) {
        int64_t rows = n - c.first < step ? n - c.first : step;
        chunk_logits(&c, hone_tensor_bytes(hidden), rows);
        hone_graph_pieces(g, rows, LOSS_ROWS, cross_entropy_piece, &c);
        chunk_backward(&c, hone_tensor_bytes(hidden), rows, hone_tensor_data(grads[0]), false,
                       hone_tensor_data(grads[1]), c.first > 0, hone_tensor_data(grads[2]), c.first > 0);
    }
    if (!(y = hone_graph_result(g, 0, NULL)))
        return NULL;
    hone_tensor_set(y, 0, cross_entropy_total(nll, weights));
    node = hone_graph_node(g, &cross_entropy_op, y,
                           (hone_tensor *[]){ hidden, head->param->weight, head->param->bias }, 3, 0);
    for (int i = 0; node && i < 3; i++)
        hone_node_save(node, i, grads[i]);
    return y;
}

hone_tensor *hone_head_cross_entropy(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                                     const int32_t *targets, const float *weights, hone_tensor **nll)
{
    hone_tensor *y, *each;
    int64_t n;

    if (nll)
        *nll = NULL;
    if (!head_check(g, "cross_entropy", hidden, head, targets))
        return NULL;
    n = hidden->shape[0];
    if (head_adapted(g, head)) {
        hone_tensor *logp = hone_head_logp(g, hidden, head, targets, NULL);
        hone_tensor *w = weights ? hone_graph_floats(g, weights, n) : NULL;
        each = hone_affine(g, hone_detach(g, logp), -1, 0);
        y = hone_affine(g, hone_sum(g, weights ? hone_mul(g, logp, w) : logp), -1, 0);
    } else {
        if (!(each = hone_graph_result(g, 1, &n)))
            return NULL;
        y = cross_entropy_plain(g, hidden, head, targets, weights, each);
    }
    if (nll && y)
        *nll = each;
    return y;
}

/* ---- log-probabilities and entropy ---- */

struct logp {
    hone_head head;
    int64_t n;
    bool entropy;
    int32_t *targets; /* [n] */
};

static void logp_drop(void *args)
{
    hone_free(((struct logp *)args)->targets);
}

static void logp_piece(void *arg, int64_t from, int64_t to)
{
    const struct chunk *c = arg;

    c->g->k->logp(to - from, c->vocab, hone_at(c->g, c->z, from * c->vocab),
                  c->targets + c->first + from, c->cap, c->scale,
                  hone_at(c->g, c->nll, c->first + from), hone_at(c->g, c->entropy, c->first + from));
}

static void logp_grad_piece(void *arg, int64_t from, int64_t to)
{
    const struct chunk *c = arg;

    c->g->k->logp_grad(to - from, c->vocab, hone_at(c->g, c->z, from * c->vocab),
                       c->targets + c->first + from, c->cap, c->scale,
                       hone_at(c->g, c->dlogp, c->first + from),
                       hone_at(c->g, c->dentropy, c->first + from));
}

/* Node: inputs hidden, weight, bias; saved hidden. The result is [n], or with
 * entropy [2, n]: log-probabilities, then entropies. */
static int logp_backward(hone_graph *g, hone_node *node)
{
    const struct logp *l = node->args;
    const void *hidden = hone_tensor_bytes(node->saved[0]);
    int64_t step = hone_head_chunk(l->head.param->out);
    hone_tensor *dh, *dw, *db;
    bool add_h = false, add_w = false, add_b = false;
    struct chunk c;

    if (!chunk_init(&c, g, &l->head, l->n))
        return g->error.code;
    c.targets = l->targets;
    c.dlogp = hone_tensor_bytes(node->out->grad);
    c.dentropy = l->entropy ? hone_at(g, c.dlogp, l->n) : NULL;
    dh = hone_node_grad(g, node, 0, &add_h);
    dw = hone_node_grad(g, node, 1, &add_w);
    db = hone_node_grad(g, node, 2, &add_b);
    for (; !g->error.code && c.first < l->n; c.first += step) {
        int64_t rows = l->n - c.first < step ? l->n - c.first : step;
        chunk_logits(&c, hidden, rows);
        hone_graph_pieces(g, rows, LOSS_ROWS, logp_grad_piece, &c);
        chunk_backward(&c, hidden, rows, hone_tensor_data(dh), add_h, hone_tensor_data(dw),
                       add_w || c.first > 0, hone_tensor_data(db), add_b || c.first > 0);
    }
    return g->error.code;
}

static const hone_op logp_op = { "logp", logp_backward, logp_drop };

static hone_tensor *logp_plain(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                               const int32_t *targets, bool entropy)
{
    int64_t n = hidden->shape[0], step = hone_head_chunk(head->param->out);
    hone_tensor *y = hone_graph_result(g, entropy ? 2 : 1, entropy ? (int64_t[]){ 2, n } : &n);
    struct chunk c;
    hone_node *node;

    if (!y || !chunk_init(&c, g, head, n))
        return NULL;
    c.targets = targets;
    c.nll = hone_tensor_data(y);
    c.entropy = entropy ? hone_at(g, c.nll, n) : NULL;
    for (; c.first < n; c.first += step) {
        int64_t rows = n - c.first < step ? n - c.first : step;
        chunk_logits(&c, hone_tensor_bytes(hidden), rows);
        hone_graph_pieces(g, rows, LOSS_ROWS, logp_piece, &c);
    }
    node = n ? hone_graph_node(g, &logp_op, y,
                               (hone_tensor *[]){ hidden, head->param->weight, head->param->bias }, 3,
                               sizeof(struct logp))
             : NULL;
    if (node) {
        struct logp *l = node->args;
        l->head = *head;
        l->entropy = entropy;
        hone_node_save(node, 0, hidden);
        if (!(l->targets = hone_alloc((size_t)n, sizeof *targets)))
            return hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
        memcpy(l->targets, targets, (size_t)n * sizeof *targets);
        l->n = n;
    }
    return y;
}

/* A head with an adapter: ops on each chunk, computed again in backward. The
 * targets travel with the chunk, which outlives the caller's array. */
struct adapted {
    hone_head head;
    bool entropy;
    int32_t targets[];
};

/* [rows], or with entropy [2 rows]. */
static hone_tensor *adapted_chunk(void *user, hone_graph *g, hone_tensor *hidden)
{
    const struct adapted *a = user;
    hone_tensor *logp = hone_log_softmax(g, hone_head_logits(g, hidden, &a->head)), *parts[2];

    if (!logp)
        return NULL;
    parts[0] = hone_pick(g, logp, a->targets);
    if (!a->entropy)
        return parts[0];
    parts[1] = hone_sum_last(g, hone_mul(g, hone_apply(g, HONE_EXP, logp), logp));
    parts[1] = hone_affine(g, parts[1], -1, 0);
    return hone_concat(g, parts, 2);
}

static hone_tensor *adapted_logp(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                                 const int32_t *targets, hone_tensor **entropy)
{
    int64_t n = hidden->shape[0], step = hone_head_chunk(head->param->out);
    size_t count = n > 0 ? (size_t)((n + step - 1) / step) : 1, rows = (size_t)(n < step ? n : step);
    struct adapted *a = hone_alloc(1, sizeof *a + rows * sizeof *targets);
    hone_tensor **parts = hone_alloc(2 * count, sizeof *parts), *y = NULL;

    if (!a || !parts) {
        hone_graph_fail(g, HONE_ENOMEM, "out of memory: a loss");
        goto out;
    }
    a->head = *head;
    a->entropy = entropy != NULL;
    for (size_t i = 0; i < count; i++) {
        int64_t first = (int64_t)i * step, to = first + step < n ? first + step : n;
        size_t bytes = (size_t)(to - first) * sizeof *targets;
        hone_tensor *both;

        if (bytes)
            memcpy(a->targets, targets + first, bytes);
        both = hone_graph_checkpoint(g, hone_slice(g, hidden, first, to), adapted_chunk, a,
                                     sizeof *a + bytes);
        parts[i] = hone_slice(g, both, 0, to - first);
        if (entropy)
            parts[count + i] = hone_slice(g, both, to - first, 2 * (to - first));
    }
    y = hone_concat(g, parts, count);
    if (entropy)
        *entropy = hone_concat(g, parts + count, count);
out:
    hone_free(a);
    hone_free(parts);
    return y;
}

hone_tensor *hone_head_logp(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                            const int32_t *targets, hone_tensor **entropy)
{
    hone_tensor *y;
    int64_t n;

    if (entropy)
        *entropy = NULL;
    if (!head_check(g, "logp", hidden, head, targets))
        return NULL;
    if (head_adapted(g, head))
        return adapted_logp(g, hidden, head, targets, entropy);
    y = logp_plain(g, hidden, head, targets, entropy != NULL);
    n = hidden->shape[0];
    if (!entropy || !y)
        return y;
    *entropy = hone_reshape(g, hone_slice(g, y, 1, 2), 1, &n);
    return hone_reshape(g, hone_slice(g, y, 0, 1), 1, &n);
}
