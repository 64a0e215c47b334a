/* attention.c -- grouped-query attention over segments, forward and backward.
 *
 * Work is cut into tiles of query rows of one head of one segment: scores of a
 * tile against the keys it can see are one product, softmax in place, one more
 * product. So memory is [tile, keys] a thread, never [n, n]. The forward pass
 * keeps the log-sum-exp of each row; backward computes a tile's probabilities
 * again from it (Dao et al. 2022, arXiv:2205.14135, without the blocking of
 * keys):
 *
 *   P = exp(S - lse), dP = dO V^T, dS = P (dP - rowsum(dO O)) scale
 *   dQ = dS K, dK += dS^T Q, dV += P^T dO
 *
 * A branch sees the keys of all that it goes on from, and what continues a slot
 * those of the cache. They lie in several runs of rows: products are made run by
 * run into columns of the tile's scores, its own run first. A single query that
 * continues a slot is computed with all heads that share its keys.
 *
 * Backward runs a key-value head of a segment with all branches of it as one
 * piece of work, so the sums into dK and dV have one order. */
#include "../batch.h"
#include "../context.h"
#include "../graph.h"

#include <math.h>
#include <string.h>

#define TILE 64

/* One segment as attention sees it. Keys are counted from the first of all that
 * its queries see: its parents' (or its cache slot's) come before its own. */
struct span {
    int64_t row, length;   /* queries: rows of the batch */
    int64_t past;          /* keys before the first query */
    int64_t first;         /* the key that k points to */
    const void *k, *v;     /* row stride kv_width */
    const hone_cache *cache; /* of the past; NULL: it is in the parents */
    int32_t slot;
    int64_t parent;        /* the span it goes on from; -1: none */
    int64_t root;          /* the last parent, itself if it has none */
    int64_t next, last;    /* spans of the same root, in order; -1: no more. last: of a root */
};

struct attention {
    hone_graph *g;
    hone_attention_spec spec;
    int64_t d, width, kv_width, tokens, group;
    const void *q, *out, *dout;
    void *y, *lse;         /* lse [heads, tokens] */
    void *dq, *dk, *dv;    /* NULL: not wanted */
    bool add_q;
    struct span *spans;    /* [count] */
    size_t count;
    struct piece {
        size_t span;
        int64_t head, from, to; /* of query rows */
        bool group;             /* the head, and those that share its keys */
    } *pieces;
    atomic_bool failed;    /* a thread found no memory */
};

/* ---- one tile ---- */

struct tile {
    const struct attention *a;
    const struct span *span;
    int64_t head, from, rows;  /* rows [from, from + rows) of the span */
    int64_t ld;                /* elements between rows */
    int64_t first, keys;       /* keys [first, first + keys) are seen by some row */
    int64_t low[TILE], high[TILE]; /* by row, relative to first */
};

static void tile_init(struct tile *t, const struct attention *a, const struct span *span, int64_t head,
                      int64_t from, int64_t to)
{
    int64_t all = span->past + span->length, window = a->spec.window;

    t->a = a;
    t->span = span;
    t->head = head;
    t->from = from;
    t->rows = to - from;
    t->ld = a->width;
    for (int64_t r = 0; r < t->rows; r++) {
        int64_t position = span->past + from + r;
        t->low[r] = window > 0 && position + 1 > window ? position + 1 - window : 0;
        t->high[r] = a->spec.mask == HONE_CAUSAL ? position + 1 : all;
    }
    t->first = t->low[0];
    t->keys = t->high[t->rows - 1] - t->first;
    for (int64_t r = 0; r < t->rows; r++) {
        t->low[r] -= t->first;
        t->high[r] -= t->first;
    }
}

/* The only query of a span, with the heads of a group as rows. */
static void tile_init_group(struct tile *t, const struct attention *a, const struct span *span,
                            int64_t head)
{
    tile_init(t, a, span, head, 0, 1);
    t->rows = a->group;
    t->ld = a->d;
    for (int64_t r = 1; r < t->rows; r++) {
        t->low[r] = t->low[0];
        t->high[r] = t->high[0];
    }
}

/* The part of a tile's keys that lies in one piece. */
struct run {
    const struct span *span;
    int64_t column, keys;  /* columns of the tile's scores */
    int64_t at;            /* its first key's offset from the span's k and v, elements */
    const void *k, *v;     /* of its first key and the tile's head */
    bool own;              /* the first run */
};

static bool run_of(const struct tile *t, const struct span *span, struct run *run)
{
    const struct attention *a = t->a;
    int64_t from = t->first > span->first ? t->first : span->first;
    int64_t end = t->first + t->keys, to = span->past + span->length;

    run->span = span;
    run->column = from - t->first;
    run->keys = (to < end ? to : end) - from;
    run->at = (from - span->first) * a->kv_width + t->head / a->group * a->d;
    run->k = hone_at(a->g, span->k, run->at);
    run->v = hone_at(a->g, span->v, run->at);
    run->own = span == t->span;
    return run->keys > 0;
}

/* Keys of the cache, of the slot's key `from` on. */
static bool run_of_cache(const struct tile *t, int64_t from, struct run *run)
{
    const struct attention *a = t->a;
    int64_t head = t->head / a->group * a->d, end = t->first + t->keys;
    const float *keys, *values;

    end = end < t->span->past ? end : t->span->past;
    if (from >= end)
        return false;
    run->column = from - t->first;
    run->keys = hone_cache_run(t->span->cache, a->spec.layer, t->span->slot, from, &keys, &values);
    run->keys = run->keys < end - from ? run->keys : end - from;
    run->k = keys + head;
    run->v = values + head;
    run->own = false;
    return true;
}

/* for (more = run_begin(t, &r); more; more = run_next(t, &r)). A tile sees keys
 * of its own span at least, so the first run is its own. */
static bool run_begin(const struct tile *t, struct run *run)
{
    return run_of(t, t->span, run);
}

static bool run_next(const struct tile *t, struct run *run)
{
    int64_t parent = run->span->parent;

    if (run->span->cache)
        return run_of_cache(t, run->own ? t->first : t->first + run->column + run->keys, run);
    return parent >= 0 && run_of(t, &t->a->spans[parent], run);
}

/* Offset of the tile's first query row in an array [tokens, width]. */
static int64_t tile_row(const struct tile *t)
{
    return (t->span->row + t->from) * t->a->width + t->head * t->a->d;
}

static void *tile_lse(const struct tile *t)
{
    return hone_at(t->a->g, t->a->lse, t->head * t->a->tokens + t->span->row + t->from);
}

/* s [rows, keys] = x K^T, or x V^T: x [rows, d] of the tile's head in an array
 * [tokens, width]. */
static void tile_product(const struct tile *t, const void *x, bool values, void *s)
{
    const struct attention *a = t->a;
    struct run r;

    for (bool more = run_begin(t, &r); more; more = run_next(t, &r))
        a->g->k->gemm(false, true, t->rows, r.keys, a->d, 1, hone_at(a->g, x, tile_row(t)),
                      t->ld, values ? r.v : r.k, a->kv_width, 0, hone_at(a->g, s, r.column),
                      t->keys);
}

/* y [rows, d] = s V, or s K, added to what y holds where `add` says so. */
static void tile_combine(const struct tile *t, const void *s, bool values, void *y, bool add)
{
    const struct attention *a = t->a;
    struct run r;

    for (bool more = run_begin(t, &r); more; more = run_next(t, &r))
        a->g->k->gemm(false, false, t->rows, a->d, r.keys, 1, hone_at(a->g, s, r.column), t->keys,
                      values ? r.v : r.k, a->kv_width, add || !r.own,
                      hone_at(a->g, y, tile_row(t)), t->ld);
}

/* ---- forward ---- */

static bool attention_scratch(struct attention *a, hone_buffer *buffer, int64_t count)
{
    hone_error err = {0};

    if (!hone_pool_take(a->g->pool, buffer, (size_t)count * hone_graph_width(a->g), &err))
        return true;
    atomic_store(&a->failed, true); /* the graph is told when all threads are back */
    return false;
}

static int attention_done(struct attention *a)
{
    if (atomic_load(&a->failed))
        hone_graph_fail(a->g, HONE_ENOMEM, "out of memory: attention");
    return a->g->error.code;
}

static void attention_piece(void *arg, int64_t i)
{
    struct attention *a = arg;
    const struct piece *p = &a->pieces[i];
    struct tile t;
    hone_buffer s;
    void *lse;

    if (p->group)
        tile_init_group(&t, a, &a->spans[p->span], p->head);
    else
        tile_init(&t, a, &a->spans[p->span], p->head, p->from, p->to);
    if (!attention_scratch(a, &s, t.rows * (t.keys + 1)))
        return;
    lse = p->group ? hone_at(a->g, s.data, t.rows * t.keys) : tile_lse(&t); /* nobody wants it */
    tile_product(&t, a->q, false, s.data);
    a->g->k->attention_softmax(t.rows, t.keys, s.data, t.keys, a->spec.scale, a->spec.soft_cap, t.low,
                               t.high, lse, false);
    tile_combine(&t, s.data, true, a->y, false);
    hone_pool_give(a->g->pool, &s);
}

/* A tile has room for the heads that share keys as rows. No gradient wants the
 * log-sum-exp of what continues a slot. */
static bool span_groups(const struct attention *a, const struct span *span)
{
    return span->cache && span->length == 1 && a->group <= TILE;
}

/* Every tile of every head of every span. */
static int64_t attention_cut(struct attention *a)
{
    int64_t count = 0, n = 0;

    for (size_t s = 0; s < a->count; s++)
        count += (a->spans[s].length + TILE - 1) / TILE * a->spec.heads;
    if (!(a->pieces = hone_alloc((size_t)(count ? count : 1), sizeof *a->pieces)))
        return -1;
    for (size_t s = 0; s < a->count; s++) {
        bool group = span_groups(a, &a->spans[s]);
        for (int64_t h = 0; h < a->spec.heads; h += group ? a->group : 1)
            for (int64_t from = 0; from < a->spans[s].length; from += TILE) {
                int64_t to = from + TILE < a->spans[s].length ? from + TILE : a->spans[s].length;
                a->pieces[n++] = (struct piece){ s, h, from, to, group };
            }
    }
    return n;
}

/* ---- backward ---- */

struct backward_buffers {
    hone_buffer p, dp, raw, delta;
};

static void backward_give(struct attention *a, struct backward_buffers *b)
{
    hone_pool_give(a->g->pool, &b->p);
    hone_pool_give(a->g->pool, &b->dp);
    hone_pool_give(a->g->pool, &b->raw);
    hone_pool_give(a->g->pool, &b->delta);
}

/* grad += s^T x of the tile's keys: s [rows, keys], x [rows, d] of the tile's
 * head, grad [tokens, kv_width]. Backward is without a cache, so that a run of
 * keys is a run of rows of the batch. */
static void backward_keys(const struct tile *t, const void *s, const void *x, void *grad)
{
    const struct attention *a = t->a;
    struct run r;

    for (bool more = run_begin(t, &r); more; more = run_next(t, &r))
        a->g->k->gemm(true, false, r.keys, a->d, t->rows, 1, hone_at(a->g, s, r.column), t->keys,
                      hone_at(a->g, x, tile_row(t)), a->width, 1,
                      hone_at(a->g, grad, r.span->row * a->kv_width + r.at), a->kv_width);
}

static void backward_tile(struct attention *a, const struct tile *t, struct backward_buffers *b)
{
    const hone_kernels *k = a->g->k;
    int64_t row = tile_row(t), keys = t->keys;
    const void *dout = hone_at(a->g, a->dout, row), *out = hone_at(a->g, a->out, row);

    tile_product(t, a->q, false, b->p.data);
    if (a->spec.soft_cap > 0)
        memcpy(b->raw.data, b->p.data, (size_t)(t->rows * keys) * hone_graph_width(a->g));
    k->attention_softmax(t->rows, keys, b->p.data, keys, a->spec.scale, a->spec.soft_cap, t->low,
                         t->high, tile_lse(t), true);
    if (a->dv)
        backward_keys(t, b->p.data, a->dout, a->dv);
    if (!a->dq && !a->dk)
        return;
    for (int64_t r = 0; r < t->rows; r++) {
        double dot = k->dot(a->d, hone_at(a->g, dout, r * a->width), hone_at(a->g, out, r * a->width));
        hone_convert(k->dtype, hone_at(a->g, b->delta.data, r), HONE_F64, &dot, 1);
    }
    tile_product(t, a->dout, true, b->dp.data);
    k->attention_grad(t->rows, keys, b->p.data, b->dp.data, keys, a->spec.scale, a->spec.soft_cap,
                      b->raw.data, b->delta.data);
    if (a->dq)
        tile_combine(t, b->dp.data, false, a->dq, a->add_q);
    if (a->dk)
        backward_keys(t, b->dp.data, a->q, a->dk);
}

static void backward_span(struct attention *a, const struct span *span, int64_t kv_head,
                          struct backward_buffers *b)
{
    for (int64_t h = kv_head * a->group; h < (kv_head + 1) * a->group; h++)
        for (int64_t from = 0; from < span->length; from += TILE) {
            int64_t to = from + TILE < span->length ? from + TILE : span->length;
            struct tile t;
            tile_init(&t, a, span, h, from, to);
            backward_tile(a, &t, b);
        }
}

/* One key-value head of one root and all that goes on from it, in order: all
 * their query heads and tiles. */
static void backward_piece(void *arg, int64_t i)
{
    struct attention *a = arg;
    int64_t root = i / a->spec.kv_heads, most = 0;
    struct backward_buffers b = {0};

    if (a->spans[root].root != root)
        return;
    for (int64_t s = root; s >= 0; s = a->spans[s].next)
        if (a->spans[s].past + a->spans[s].length > most)
            most = a->spans[s].past + a->spans[s].length;
    most *= TILE;
    if (attention_scratch(a, &b.p, most) && attention_scratch(a, &b.dp, most) &&
        attention_scratch(a, &b.raw, a->spec.soft_cap > 0 ? most : 0) &&
        attention_scratch(a, &b.delta, TILE))
        for (int64_t s = root; s >= 0; s = a->spans[s].next)
            backward_span(a, &a->spans[s], i % a->spec.kv_heads, &b);
    backward_give(a, &b);
}

/* Node: inputs q, k, v; saved q, k, v, out, lse; args: the attention itself,
 * with spans of its own. */
static void attention_drop(void *args)
{
    hone_free(((struct attention *)args)->spans);
}

static void attention_keys(struct attention *a, const hone_tensor *k, const hone_tensor *v)
{
    for (size_t s = 0; s < a->count; s++) {
        a->spans[s].k = hone_at(a->g, hone_tensor_bytes(k), a->spans[s].row * a->kv_width);
        a->spans[s].v = hone_at(a->g, hone_tensor_bytes(v), a->spans[s].row * a->kv_width);
    }
}

static int attention_backward(hone_graph *g, hone_node *node)
{
    struct attention *a = node->args;
    int64_t began = hone_context_clock();

    a->g = g;
    a->q = hone_tensor_bytes(node->saved[0]);
    a->out = hone_tensor_bytes(node->saved[3]);
    a->lse = hone_tensor_data(node->saved[4]);
    a->dout = hone_tensor_bytes(node->out->grad);
    attention_keys(a, node->saved[1], node->saved[2]);
    a->dq = hone_tensor_data(hone_node_grad(g, node, 0, &a->add_q));
    a->dk = hone_tensor_data(hone_node_grad_sum(g, node, 1));
    a->dv = hone_tensor_data(hone_node_grad_sum(g, node, 2));
    if (!g->error.code)
        hone_parallel(g->context, (int64_t)a->count * a->spec.kv_heads, backward_piece, a);
    hone_context_spend(g->context, HONE_WORK_ATTENTION, began);
    return attention_done(a);
}

static const hone_op attention_op = { "attention", attention_backward, attention_drop };

/* ---- the op ---- */

static bool attention_check(hone_graph *g, hone_tensor *q, hone_tensor *k, hone_tensor *v,
                            const hone_batch *batch, const hone_attention_spec *spec)
{
    int64_t tokens = hone_batch_tokens(batch), d;
    char sq[96], sk[96], sv[96];

    if (!hone_check_float(g, "attention", q) || !hone_check_float(g, "attention", k) ||
        !hone_check_float(g, "attention", v))
        return false;
    d = spec->heads > 0 ? hone_tensor_extent(q, 1) / spec->heads : 0;
    if (q->dims == 2 && k->dims == 2 && hone_tensor_same_shape(k, v) && spec->kv_heads > 0 && d > 0 &&
        spec->heads % spec->kv_heads == 0 && q->shape[0] == tokens && k->shape[0] == tokens &&
        q->shape[1] == d * spec->heads && k->shape[1] == d * spec->kv_heads)
        return true;
    hone_graph_fail(g, HONE_EINVAL,
                    "attention: q %s, k %s, v %s do not fit %" PRId64 " tokens, %" PRId64
                    " heads, %" PRId64 " key-value heads",
                    hone_tensor_describe(q, sq), hone_tensor_describe(k, sk),
                    hone_tensor_describe(v, sv), tokens, spec->heads, spec->kv_heads);
    return false;
}

/* Put the segment's keys and values behind what its slot holds. */
static bool attention_append(struct attention *a, struct span *span, const hone_segment *segment,
                             hone_cache *cache)
{
    hone_error err = {0};

    if (a->g->k->dtype != HONE_F32) {
        hone_graph_fail(a->g, HONE_EUNSUPPORTED, "attention: a cache needs f32 kernels");
        return false;
    }
    if (hone_cache_append(cache, a->spec.layer, segment->slot, segment->position, span->k, span->v,
                          span->length, a->kv_width, &err)) {
        hone_graph_fail(a->g, err.code, "%s", err.message);
        return false;
    }
    span->past = span->first = segment->position;
    span->cache = cache;
    span->slot = segment->slot;
    return true;
}

/* The span of a segment, behind its root's others. */
static void attention_span(struct attention *a, size_t s, const hone_segment *segment)
{
    struct span *span = &a->spans[s], *root;
    int64_t i = (int64_t)s;

    *span = (struct span){ .row = segment->start, .length = segment->length,
                           .parent = segment->parent, .root = i, .next = -1, .last = i };
    if (span->parent < 0)
        return;
    span->root = a->spans[span->parent].root;
    span->past = span->first = a->spans[span->parent].past + a->spans[span->parent].length;
    root = &a->spans[span->root];
    a->spans[root->last].next = i;
    root->last = i;
}

static bool attention_spans(struct attention *a, hone_tensor *k, hone_tensor *v,
                            const hone_batch *batch, hone_cache *cache)
{
    a->count = hone_batch_segments(batch);
    if (!(a->spans = hone_alloc(a->count ? a->count : 1, sizeof *a->spans))) {
        hone_graph_fail(a->g, HONE_ENOMEM, "out of memory: attention");
        return false;
    }
    for (size_t s = 0; s < a->count; s++)
        attention_span(a, s, hone_batch_segment(batch, s));
    attention_keys(a, k, v);
    for (size_t s = 0; cache && s < a->count; s++)
        if (hone_batch_segment(batch, s)->slot >= 0 &&
            !attention_append(a, &a->spans[s], hone_batch_segment(batch, s), cache))
            return false;
    return true;
}

hone_tensor *hone_attention(hone_graph *g, hone_tensor *q, hone_tensor *k, hone_tensor *v,
                            const hone_batch *batch, hone_cache *cache,
                            const hone_attention_spec *spec)
{
    struct attention a = { .g = g, .spec = *spec, .tokens = hone_batch_tokens(batch) };
    hone_tensor *y = NULL, *lse;
    hone_node *node = NULL;
    int64_t pieces, began = hone_context_clock();

    if (!q || !k || !v || !attention_check(g, q, k, v, batch, spec))
        return NULL;
    if (cache && g->options.record)
        return hone_graph_fail(g, HONE_ESTATE, "attention: no gradients through a cache");
    a.width = q->shape[1];
    a.kv_width = k->shape[1];
    a.d = a.width / spec->heads;
    a.group = spec->heads / spec->kv_heads;
    if (a.spec.scale == 0)
        a.spec.scale = 1 / sqrt((double)a.d);
    a.q = hone_tensor_bytes(q);
    if (!attention_spans(&a, k, v, batch, cache) || !(y = hone_graph_result_like(g, q)) ||
        !(lse = hone_graph_result(g, 2, (int64_t[]){ spec->heads, a.tokens })))
        goto out;
    a.y = hone_tensor_data(y);
    a.lse = hone_tensor_data(lse);
    if ((pieces = attention_cut(&a)) < 0) {
        hone_graph_fail(g, HONE_ENOMEM, "out of memory: attention");
        goto out;
    }
    hone_parallel(g->context, pieces, attention_piece, &a);
    if (attention_done(&a))
        goto out;
    node = hone_graph_node(g, &attention_op, y, (hone_tensor *[]){ q, k, v }, 3, sizeof a);
    if (node) {
        struct attention *kept = node->args;
        memcpy(kept, &a, sizeof a);
        kept->pieces = NULL;
        hone_node_save(node, 0, q);
        hone_node_save(node, 1, k);
        hone_node_save(node, 2, v);
        hone_node_save(node, 3, y);
        hone_node_save(node, 4, lse);
    }
out:
    hone_context_spend(g->context, HONE_WORK_ATTENTION, began);
    hone_free(a.pieces);
    if (!node)
        hone_free(a.spans);
    return g->error.code ? NULL : y;
}
