/* attention_tile.h -- tiles of attention: query rows of one head, the keys they see, and
 * their products. See attention.c.
 *
 * A row of a tile sees the columns [low, high) of its scores, and neither falls from row to
 * row. What it does not see is not computed, where the kernels have products of their own
 * for attention, nor read: softmax and its gradient make it 0. */
#ifndef CORE_OPS_ATTENTION_TILE_H
#define CORE_OPS_ATTENTION_TILE_H

#include "../graph.h"

#include <hone/batch.h>
#include <stdatomic.h>

#define HONE_TILE_ROWS 72

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

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
    void *y, *lse;         /* lse [heads, tokens]; NULL: no gradient wants it */
    void *dq, *dk, *dv;    /* NULL: not wanted */
    bool add_q;
    struct span *spans;    /* [count] */
    size_t count;
    struct piece *pieces;
    atomic_bool failed;    /* a thread found no memory */
};

/* What rows of a span see: keys [first, end) of one key-value head. */
struct view {
    const struct attention *a;
    const struct span *span;
    int64_t kv_head, first, end;
    void *k, *v;           /* packed: [d, keys], in panels; NULL: they are read as stored */
};

/* Of rows [from, to) of the span; nothing packed. */
void hone_view_init(struct view *view, const struct attention *a, const struct span *span,
                    int64_t kv_head, int64_t from, int64_t to);
/* Numbers that its keys take when packed; 0: products of this span read them as stored. */
int64_t hone_view_room(const struct view *view);
/* Pack its keys, or its values, into `to`. */
void hone_view_pack(const struct view *view, bool values, void *to);

struct tile {
    const struct view *view;
    int64_t head, from, rows;  /* rows [from, from + rows) of the span */
    int64_t ld;                /* elements between rows of queries */
    int64_t first, keys;       /* keys [first, first + keys) are seen by some row */
    int64_t stride;            /* elements between rows of scores */
    int64_t low[HONE_TILE_ROWS], high[HONE_TILE_ROWS]; /* by row, relative to first */
};

/* Elements between rows of scores of so many keys. */
int64_t hone_tile_stride(int64_t keys);
void hone_tile_init(struct tile *t, const struct view *view, int64_t head, int64_t from,
                    int64_t to);
/* The only query of a span, with the heads of a group as rows. */
void hone_tile_init_group(struct tile *t, const struct view *view);

/* Offset of the tile's first query row in an array [tokens, width], and of its first
 * number in one [heads, tokens]. */
int64_t hone_tile_row(const struct tile *t);
int64_t hone_tile_place(const struct tile *t);

/* s [rows, keys] = x K^T, or x V^T: x [rows, d] of the tile's head in an array
 * [tokens, width]. */
void hone_tile_score(const struct tile *t, const void *x, bool values, void *s);
/* y [rows, d] = s V, or s K, added to what y holds where `add` says so. */
void hone_tile_combine(const struct tile *t, const void *s, bool values, void *y, bool add);
/* grad += s^T x of the tile's keys: s [rows, keys], x [rows, d] of the tile's head, grad
 * [tokens, kv_width]. Without a cache, so that a run of keys is a run of rows of the batch. */
void hone_tile_scatter(const struct tile *t, const void *s, const void *x, void *grad);

#endif
