/* attention.c -- grouped-query attention over segments, forward and backward.
 *
 * Work is cut into tiles of query rows of one head of one segment: scores of a
 * tile against the keys it can see are one product, softmax in place, one more
 * product (attention_tile.h). So memory is [tile, keys] a thread and a copy of one
 * head's keys, never [n, n]. The forward pass keeps the log-sum-exp of each row;
 * backward computes a tile's probabilities again from it (Dao et al. 2022,
 * arXiv:2205.14135, without the blocking of keys):
 *
 *   P = exp(S - lse), dP = dO V^T, dS = P (dP - rowsum(dO O)) scale
 *   dQ = dS K, dK += dS^T Q, dV += P^T dO
 *
 * A branch sees the keys of all that it goes on from, and what continues a slot
 * those of the cache. A piece of the forward pass is some tiles of a segment with all
 * heads that share their keys, which are packed once for it; a single query that
 * continues a slot is one tile, with these heads as its rows.
 *
 * Backward runs a key-value head of a segment with all branches of it as one
 * piece of work, so the sums into dK and dV have one order. */
#include "attention_tile.h"

#include "../batch.h"
#include "../context.h"

#include <math.h>
#include <string.h>

/* Tiles of a piece: several, to use what was packed; few, to be spread. */
#define PIECE_TILES 4

struct piece {
    size_t span;
    int64_t kv_head, from, to; /* of query rows */
};

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

/* A tile has room for the heads that share keys as rows. */
static bool span_groups(const struct attention *a, const struct span *span)
{
    return span->cache && span->length == 1 && a->group <= HONE_TILE_ROWS;
}

static void attention_tile(const struct attention *a, const struct tile *t, void *s, void *lse)
{
    hone_tile_score(t, a->q, false, s);
    a->g->k->attention_softmax(t->rows, t->keys, s, t->stride, a->spec.scale, a->spec.soft_cap,
                               t->low, t->high, lse, false);
    hone_tile_combine(t, s, true, a->y, false);
}

static void attention_piece(void *arg, int64_t i)
{
    struct attention *a = arg;
    const struct piece *p = &a->pieces[i];
    const struct span *span = &a->spans[p->span];
    int64_t rows = span_groups(a, span) ? a->group : least(HONE_TILE_ROWS, p->to - p->from), room;
    struct view view;
    struct tile t;
    hone_buffer buffer;
    void *s;

    hone_view_init(&view, a, span, p->kv_head, p->from, p->to);
    room = hone_view_room(&view);
    if (!attention_scratch(a, &buffer, room + rows * hone_tile_stride(view.end - view.first)))
        return;
    s = hone_at(a->g, buffer.data, room);
    if (room)
        hone_view_pack(&view, false, view.k = buffer.data);
    if (span_groups(a, span)) {
        hone_tile_init_group(&t, &view);
        attention_tile(a, &t, s, NULL);
    } else {
        for (int64_t h = p->kv_head * a->group; h < (p->kv_head + 1) * a->group; h++)
            for (int64_t from = p->from; from < p->to; from += HONE_TILE_ROWS) {
                hone_tile_init(&t, &view, h, from, least(from + HONE_TILE_ROWS, p->to));
                attention_tile(a, &t, s, hone_at(a->g, a->lse, hone_tile_place(&t)));
            }
    }
    hone_pool_give(a->g->pool, &buffer);
}

/* Every piece of every key-value head of every span, those that see most keys first. */
static int64_t attention_cut(struct attention *a)
{
    int64_t rows = HONE_TILE_ROWS * (a->group > 1 ? PIECE_TILES / 2 : PIECE_TILES);
    int64_t count = 0, n = 0;

    for (size_t s = 0; s < a->count; s++)
        count += (a->spans[s].length + rows - 1) / rows * a->spec.kv_heads;
    if (!(a->pieces = hone_alloc((size_t)(count ? count : 1), sizeof *a->pieces)))
        return -1;
    for (size_t s = 0; s < a->count; s++) {
        int64_t length = a->spans[s].length, from = (length - 1) / rows * rows;
        for (; length > 0 && from >= 0; from -= rows)
            for (int64_t h = 0; h < a->spec.kv_heads; h++)
                a->pieces[n++] = (struct piece){ s, h, from, least(from + rows, length) };
    }
    return n;
}

/* ---- backward ---- */

struct backward_buffers {
    hone_buffer p, dp, raw, delta, k, v;
};

static void backward_give(struct attention *a, struct backward_buffers *b)
{
    hone_pool_give(a->g->pool, &b->p);
    hone_pool_give(a->g->pool, &b->dp);
    hone_pool_give(a->g->pool, &b->raw);
    hone_pool_give(a->g->pool, &b->delta);
    hone_pool_give(a->g->pool, &b->k);
    hone_pool_give(a->g->pool, &b->v);
}

/* Room for every span of a root. */
static bool backward_take(struct attention *a, int64_t root, struct backward_buffers *b)
{
    int64_t keys = 0, room = 0, scores;

    for (int64_t s = root; s >= 0; s = a->spans[s].next) {
        struct view view;
        hone_view_init(&view, a, &a->spans[s], 0, 0, a->spans[s].length);
        keys = most(keys, view.end - view.first);
        room = most(room, hone_view_room(&view));
    }
    scores = HONE_TILE_ROWS * hone_tile_stride(keys);
    return attention_scratch(a, &b->p, scores) && attention_scratch(a, &b->dp, scores) &&
           attention_scratch(a, &b->raw, a->spec.soft_cap > 0 ? scores : 0) &&
           attention_scratch(a, &b->delta, HONE_TILE_ROWS) && attention_scratch(a, &b->k, room) &&
           attention_scratch(a, &b->v, room);
}

static void backward_tile(struct attention *a, const struct tile *t, struct backward_buffers *b)
{
    const hone_kernels *k = a->g->k;
    int64_t row = hone_tile_row(t), stride = t->stride;
    const void *dout = hone_at(a->g, a->dout, row), *out = hone_at(a->g, a->out, row);

    hone_tile_score(t, a->q, false, b->p.data);
    if (a->spec.soft_cap > 0)
        memcpy(b->raw.data, b->p.data, (size_t)(t->rows * stride) * hone_graph_width(a->g));
    k->attention_softmax(t->rows, t->keys, b->p.data, stride, a->spec.scale, a->spec.soft_cap,
                         t->low, t->high, hone_at(a->g, a->lse, hone_tile_place(t)), true);
    if (a->dv)
        hone_tile_scatter(t, b->p.data, a->dout, a->dv);
    if (!a->dq && !a->dk)
        return;
    for (int64_t r = 0; r < t->rows; r++) {
        double dot = k->dot(a->d, hone_at(a->g, dout, r * a->width),
                            hone_at(a->g, out, r * a->width));
        hone_convert(k->dtype, hone_at(a->g, b->delta.data, r), HONE_F64, &dot, 1);
    }
    hone_tile_score(t, a->dout, true, b->dp.data);
    k->attention_grad(t->rows, t->keys, b->p.data, b->dp.data, stride, a->spec.scale,
                      a->spec.soft_cap, b->raw.data, b->delta.data, t->low, t->high);
    if (a->dq)
        hone_tile_combine(t, b->dp.data, false, a->dq, a->add_q);
    if (a->dk)
        hone_tile_scatter(t, b->dp.data, a->q, a->dk);
}

static void backward_span(struct attention *a, const struct span *span, int64_t kv_head,
                          struct backward_buffers *b)
{
    struct view view;
    struct tile t;

    hone_view_init(&view, a, span, kv_head, 0, span->length);
    if (hone_view_room(&view)) {
        hone_view_pack(&view, false, view.k = b->k.data);
        hone_view_pack(&view, true, view.v = b->v.data);
    }
    for (int64_t h = kv_head * a->group; h < (kv_head + 1) * a->group; h++)
        for (int64_t from = 0; from < span->length; from += HONE_TILE_ROWS) {
            hone_tile_init(&t, &view, h, from, least(from + HONE_TILE_ROWS, span->length));
            backward_tile(a, &t, b);
        }
}

/* One key-value head of one root and all that goes on from it, in order: all
 * their query heads and tiles. */
static void backward_piece(void *arg, int64_t i)
{
    struct attention *a = arg;
    int64_t root = i / a->spec.kv_heads;
    struct backward_buffers b = {0};

    if (a->spans[root].root != root)
        return;
    if (backward_take(a, root, &b))
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
    if (q->dims == 2 && k->dims == 2 && hone_tensor_same_shape(k, v) && spec->kv_heads > 0 &&
        d > 0 && spec->heads % spec->kv_heads == 0 && q->shape[0] == tokens &&
        k->shape[0] == tokens && q->shape[1] == d * spec->heads &&
        k->shape[1] == d * spec->kv_heads)
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
    hone_tensor *y = NULL, *lse = NULL;
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
    if (!attention_spans(&a, k, v, batch, cache) || !(y = hone_graph_result_like(g, q)))
        goto out;
    if (g->options.record &&
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
