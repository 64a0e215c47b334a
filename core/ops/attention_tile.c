/* attention_tile.c -- see attention_tile.h.
 *
 * Keys lie in several runs of rows: the span's own, then its parents' or the blocks of its
 * cache. A product goes run by run into columns of the scores.
 *
 * Where the kernels have products for attention, queries, probabilities and values are
 * read as they lie; only the keys (backward: the values, too) are packed for x K^T, whose
 * columns they are: into panels of the kernels' width, each run from a panel of its own.
 * An element is one chain over d, or over the keys of a run that its block of
 * COMBINE_ROWS rows sees, from its span's first row on: so its bits depend on its span
 * alone. Else, and for spans of few rows, products are the table's gemm over the tile. */
#include "attention_tile.h"

#include "../batch.h"

/* Rows whose probabilities are multiplied together: whole blocks of the kernels'. */
#define COMBINE_ROWS 12

/* ---- what is seen ---- */

static int64_t span_low(const struct attention *a, const struct span *span, int64_t row)
{
    int64_t end = span->past + row + 1, window = a->spec.window;

    return window > 0 && end > window ? end - window : 0;
}

static int64_t span_high(const struct attention *a, const struct span *span, int64_t row)
{
    return a->spec.mask == HONE_CAUSAL ? span->past + row + 1 : span->past + span->length;
}

void hone_view_init(struct view *view, const struct attention *a, const struct span *span,
                    int64_t kv_head, int64_t from, int64_t to)
{
    *view = (struct view){ a, span, kv_head, span_low(a, span, from), span_high(a, span, to - 1),
                           NULL, NULL };
}

/* An odd number of 16s: rows a power of two apart would fall into few sets of the caches. */
int64_t hone_tile_stride(int64_t keys)
{
    return ((keys + 15) / 16 | 1) * 16;
}

void hone_tile_init(struct tile *t, const struct view *view, int64_t head, int64_t from, int64_t to)
{
    const struct attention *a = view->a;

    t->view = view;
    t->head = head;
    t->from = from;
    t->rows = to - from;
    t->ld = a->width;
    t->first = span_low(a, view->span, from);
    t->keys = span_high(a, view->span, to - 1) - t->first;
    t->stride = hone_tile_stride(t->keys);
    for (int64_t r = 0; r < t->rows; r++) {
        t->low[r] = span_low(a, view->span, from + r) - t->first;
        t->high[r] = span_high(a, view->span, from + r) - t->first;
    }
}

void hone_tile_init_group(struct tile *t, const struct view *view)
{
    hone_tile_init(t, view, view->kv_head * view->a->group, 0, 1);
    t->rows = view->a->group;
    t->ld = view->a->d;
    for (int64_t r = 1; r < t->rows; r++) {
        t->low[r] = t->low[0];
        t->high[r] = t->high[0];
    }
}

int64_t hone_tile_row(const struct tile *t)
{
    return (t->view->span->row + t->from) * t->view->a->width + t->head * t->view->a->d;
}

int64_t hone_tile_place(const struct tile *t)
{
    return t->head * t->view->a->tokens + t->view->span->row + t->from;
}

/* ---- runs of keys ---- */

struct run {
    const struct span *span;
    int64_t start, stop;   /* its keys that the view sees */
    int64_t at;            /* the first one's offset from the span's k and v, elements */
    const void *k, *v;     /* of the first one */
    bool own;              /* the first run: of the span itself */
    int64_t place;         /* keys in front of it, as packed */
    int64_t skip, keys;    /* the tile sees `keys` of them, after so many */
    int64_t column;        /* of the tile's scores */
};

static int64_t run_panels(const struct view *view, int64_t keys)
{
    int64_t columns = view->a->g->k->packed ? view->a->g->k->packed->columns : 1;

    return (keys + columns - 1) / columns * columns;
}

static bool run_of(const struct view *view, const struct span *span, struct run *run)
{
    const struct attention *a = view->a;

    run->span = span;
    run->own = span == view->span;
    run->start = most(view->first, span->first);
    run->stop = least(view->end, span->past + span->length);
    run->at = (run->start - span->first) * a->kv_width + view->kv_head * a->d;
    run->k = hone_at(a->g, span->k, run->at);
    run->v = hone_at(a->g, span->v, run->at);
    return run->start < run->stop;
}

/* Keys of the cache, of the slot's key `from` on. */
static bool run_of_cache(const struct view *view, int64_t from, struct run *run)
{
    const struct attention *a = view->a;
    int64_t end = least(view->end, view->span->past);
    const float *keys, *values;

    if (from >= end)
        return false;
    run->start = from;
    run->stop = from + hone_cache_run(view->span->cache, a->spec.layer, view->span->slot, from,
                                      &keys, &values);
    run->stop = least(run->stop, end);
    run->k = keys + view->kv_head * a->d;
    run->v = values + view->kv_head * a->d;
    run->own = false;
    return true;
}

/* The next run of the view. */
static bool run_follow(const struct view *view, struct run *run)
{
    int64_t parent = run->span->parent;

    run->place += run_panels(view, run->stop - run->start);
    if (run->span->cache)
        return run_of_cache(view, run->own ? view->first : run->stop, run);
    return parent >= 0 && run_of(view, &view->a->spans[parent], run);
}

/* Whether the tile sees some of it. */
static bool run_seen(const struct tile *t, struct run *run)
{
    int64_t from = most(t->first, run->start);

    run->skip = from - run->start;
    run->column = from - t->first;
    run->keys = least(t->first + t->keys, run->stop) - from;
    return run->keys > 0;
}

/* for (more = run_begin(t, &r); more; more = run_next(t, &r)). A tile sees keys
 * of its own span at least, so the first run is its own. */
static bool run_begin(const struct tile *t, struct run *run)
{
    run->place = 0;
    return run_of(t->view, t->view->span, run) && run_seen(t, run);
}

static bool run_next(const struct tile *t, struct run *run)
{
    while (run_follow(t->view, run))
        if (run_seen(t, run))
            return true;
    return false;
}

/* Its keys, or values, that the tile sees. */
static const void *run_rows(const struct tile *t, const struct run *run, bool values)
{
    return hone_at(t->view->a->g, values ? run->v : run->k, run->skip * t->view->a->kv_width);
}

/* ---- packing ---- */

int64_t hone_view_room(const struct view *view)
{
    const struct attention *a = view->a;
    const hone_kernels *k = a->g->k;
    struct run r = {0};

    if (!k->attention_product || !k->packed || a->d > k->packed->depth ||
        view->span->length <= HONE_GEMM_FEW)
        return 0;
    run_of(view, view->span, &r);
    while (run_follow(view, &r))
        ;
    return r.place * a->d;
}

void hone_view_pack(const struct view *view, bool values, void *to)
{
    const struct attention *a = view->a;
    struct run r = {0};
    bool more = run_of(view, view->span, &r);

    for (; more; more = run_follow(view, &r))
        a->g->k->packed->pack_b(r.stop - r.start, a->d, true, HONE_F32, values ? r.v : r.k,
                                a->kv_width, hone_at(a->g, to, r.place * a->d));
}

/* ---- products ---- */

/* The rows [*from, *to) that see some of the columns [first, end). */
static void tile_rows(const struct tile *t, int64_t first, int64_t end, int64_t *from, int64_t *to)
{
    *from = 0;
    *to = t->rows;
    while (*from < *to && t->high[*from] <= first)
        ++*from;
    while (*from < *to && t->low[*to - 1] >= end)
        --*to;
}

/* The scores of a run, panel by panel. */
static void score_packed(const struct tile *t, const struct run *r, const void *x,
                         const void *packed, void *s)
{
    const struct attention *a = t->view->a;
    int64_t wide = a->g->k->packed->columns;

    for (int64_t key = r->skip, n; key < r->skip + r->keys; key += n) {
        int64_t column = r->column + key - r->skip, inside = key % wide, i, end;

        n = least(wide - inside, r->skip + r->keys - key);
        tile_rows(t, column, column + n, &i, &end);
        a->g->k->attention_product(true, end - i, n, a->d, hone_at(a->g, x, i * t->ld), t->ld,
                                   hone_at(a->g, packed, (r->place + key - inside) * a->d + inside),
                                   wide, false, hone_at(a->g, s, i * t->stride + column),
                                   t->stride);
    }
}

void hone_tile_score(const struct tile *t, const void *x, bool values, void *s)
{
    const struct attention *a = t->view->a;
    const void *packed = values ? t->view->v : t->view->k;
    const void *rows = hone_at(a->g, x, hone_tile_row(t));
    struct run r;

    for (bool more = run_begin(t, &r); more; more = run_next(t, &r))
        if (packed)
            score_packed(t, &r, rows, packed, s);
        else
            a->g->k->gemm(false, true, t->rows, r.keys, a->d, 1, rows, t->ld,
                          run_rows(t, &r, values), a->kv_width, 0, hone_at(a->g, s, r.column),
                          t->stride);
}

static void combine_near(const struct tile *t, const struct run *r, const void *s, const void *rows,
                         void *y, bool add)
{
    const struct attention *a = t->view->a;

    for (int64_t i = 0; i < t->rows; i += COMBINE_ROWS) {
        int64_t n = least(t->rows - i, COMBINE_ROWS), from = most(t->low[i], r->column);
        int64_t to = least(t->high[i + n - 1], r->column + r->keys);

        if (from < to)
            a->g->k->attention_product(true, n, a->d, to - from,
                                       hone_at(a->g, s, i * t->stride + from), t->stride,
                                       hone_at(a->g, rows, (from - r->column) * a->kv_width),
                                       a->kv_width, add, hone_at(a->g, y, i * t->ld), t->ld);
    }
}

void hone_tile_combine(const struct tile *t, const void *s, bool values, void *y, bool add)
{
    const struct attention *a = t->view->a;
    void *to = hone_at(a->g, y, hone_tile_row(t));
    struct run r;

    for (bool more = run_begin(t, &r); more; more = run_next(t, &r), add = true)
        if (t->view->k)
            combine_near(t, &r, s, run_rows(t, &r, values), to, add);
        else
            a->g->k->gemm(false, false, t->rows, a->d, r.keys, 1, hone_at(a->g, s, r.column),
                          t->stride, run_rows(t, &r, values), a->kv_width, add, to, t->ld);
}

static void scatter_near(const struct tile *t, const struct run *r, const void *s, const void *x,
                         void *grad)
{
    const struct attention *a = t->view->a;
    int64_t wide = a->g->k->packed->columns;

    for (int64_t key = 0; key < r->keys; key += wide) {
        int64_t n = least(wide, r->keys - key), column = r->column + key, i, end;

        tile_rows(t, column, column + n, &i, &end);
        a->g->k->attention_product(false, n, a->d, end - i,
                                   hone_at(a->g, s, i * t->stride + column), t->stride,
                                   hone_at(a->g, x, i * t->ld), t->ld, true,
                                   hone_at(a->g, grad, key * a->kv_width), a->kv_width);
    }
}

void hone_tile_scatter(const struct tile *t, const void *s, const void *x, void *grad)
{
    const struct attention *a = t->view->a;
    const void *rows = hone_at(a->g, x, hone_tile_row(t));
    struct run r;

    for (bool more = run_begin(t, &r); more; more = run_next(t, &r)) {
        void *to = hone_at(a->g, grad, (r.span->row + r.skip) * a->kv_width + r.at);

        if (t->view->k)
            scatter_near(t, &r, s, rows, to);
        else
            a->g->k->gemm(true, false, r.keys, a->d, t->rows, 1, hone_at(a->g, s, r.column),
                          t->stride, rows, t->ld, 1, to, a->kv_width);
    }
}
