/* gemm.c -- matrix products over the threads.
 *
 * Where the kernels have a product of packed operands (kernels/gemm.h), the shorter side
 * of the result (op(a)'s rows, or op(b)'s columns) is packed once for all threads. The
 * longer is cut into pieces, which the threads take: each packs its piece, one block of
 * k at a time, into memory that stays in its second cache, and multiplies it with all
 * that is shared. What is shared is bounded: a longer k, or a longer side, goes in turns.
 * An element's sum has one order, so none of these cuts changes a bit.
 *
 * Where there are few rows, only they are packed, and b is read once, as it is stored;
 * the bits are the same.
 *
 * Kernels without a packed product, and of so few rows, go to the table's gemm:
 * the result is cut into tiles whose shapes depend on m and n alone, and each is one
 * single-threaded product over the whole of k. */
#include "context.h"
#include "graph.h"
#include "kernels/gemm.h"

#include <stdatomic.h>
#include <string.h>

/* Large tiles, since BLAS copies the operands of each into an order of its own;
 * yet several, to be spread. */
#define TILE_ROWS    512
#define TILE_COLUMNS 1024
#define TILES_LEAST  4
/* Below this many multiplications one call is faster than waking threads. */
#define TILE_WORK (1 << 18)
/* The same of weights of a product of few rows. */
#define FEW_WORK (1 << 14)

/* The side that is shared, and its packed bytes. */
#define SHARED_SIDE   4096
#define SHARED_BYTES  (16 << 20)
#define SHARED_PANELS 8   /* packed at a time */
#define SHARED_WIDE   384 /* columns of a shared b that are used at a time: of the second cache */
#define PIECE_LEAST   96
#define PIECE_MOST    384
#define PIECES        4 /* for each thread, so that the slowest is waited for briefly */

struct gemm {
    hone_graph *g;
    hone_product p;
    hone_dtype dtype; /* of b */
};

/* ---- by the table's gemm ---- */

struct tiled {
    const struct gemm *all;
    int64_t rows, columns, across;
};

static void tiled_tile(void *arg, int64_t tile)
{
    const struct tiled *t = arg;
    const struct gemm *s = t->all;
    int64_t i = tile / t->across * t->rows, j = tile % t->across * t->columns;
    int64_t m = s->p.m - i < t->rows ? s->p.m - i : t->rows;
    int64_t n = s->p.n - j < t->columns ? s->p.n - j : t->columns;

    s->g->k->gemm(s->p.ta, s->p.tb, m, n, s->p.k, 1,
                  hone_at(s->g, s->p.a, s->p.ta ? i : i * s->p.lda), s->p.lda,
                  hone_at(s->g, s->p.b, s->p.tb ? j * s->p.ldb : j), s->p.ldb, s->p.beta,
                  hone_at(s->g, s->p.c, i * s->p.ldc + j), s->p.ldc);
}

static int64_t tiled_count(const struct tiled *t)
{
    return (t->all->p.m + t->rows - 1) / t->rows * ((t->all->p.n + t->columns - 1) / t->columns);
}

static void tiled_run(const struct gemm *s)
{
    struct tiled t = {s, TILE_ROWS, TILE_COLUMNS, 1};

    if ((double)s->p.m * (double)s->p.n * (double)s->p.k <= TILE_WORK) {
        t.rows = s->p.m;
        t.columns = s->p.n;
        tiled_tile(&t, 0);
        return;
    }
    while (tiled_count(&t) < TILES_LEAST && (t.rows > 128 || t.columns > 64)) {
        if (t.rows > 128 && t.rows >= t.columns / 2)
            t.rows /= 2;
        else
            t.columns /= 2;
    }
    t.across = (s->p.n + t.columns - 1) / t.columns;
    hone_parallel(s->g->context, tiled_count(&t), tiled_tile, &t);
}

/* ---- of packed operands ---- */

struct packed {
    const struct gemm *all;
    const hone_gemm *kernels;
    bool cut_columns; /* pieces are of columns, and a is shared; else the other way round */
    int64_t side, first, k0,
        k; /* shared: rows or columns [first, first + side), numbers [k0, k0 + k) */
    int64_t long_side, pieces;
    char *shared; /* blocks of k in turn, each of whole panels */
    atomic_bool failed;
};

static int64_t packed_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Depth of the block of k that starts at p, and as packed. */
static int64_t packed_depth(const struct packed *t, int64_t p)
{
    return t->k - p < t->kernels->depth ? t->k - p : t->kernels->depth;
}

/* Numbers in front of panel `i` (its first row or column) of the block at p. */
static size_t packed_place(const struct packed *t, int64_t wide, int64_t p, int64_t i)
{
    int64_t depth = packed_up(packed_depth(t, p), t->kernels->unit);

    return (size_t)(packed_up(t->side, wide) * p + i * depth) * t->kernels->width;
}

/* Pack rows of op(a), or columns of op(b), [i, i + count) of the block at p. */
static void packed_pack(const struct packed *t, bool of_b, int64_t i, int64_t count, int64_t p,
                        void *to)
{
    const struct gemm *s = t->all;
    bool deep = of_b ? s->p.tb : !s->p.ta;
    int64_t ld = of_b ? s->p.ldb : s->p.lda, q = t->k0 + p;
    hone_dtype dtype = of_b ? s->dtype : HONE_F32;
    const char *from = of_b ? s->p.b : s->p.a;

    from += (size_t)(deep ? i * ld + q : q * ld + i) * hone_dtype_size(dtype);
    (of_b ? t->kernels->pack_b : t->kernels->pack_a)(count, packed_depth(t, p), deep, dtype, from,
                                                     ld, to);
}

static int64_t packed_wide(const struct packed *t, bool of_b)
{
    return of_b ? t->kernels->columns : t->kernels->rows;
}

static int64_t packed_groups(const struct packed *t)
{
    int64_t group = packed_wide(t, !t->cut_columns) * SHARED_PANELS;

    return (t->side + group - 1) / group;
}

static void packed_share(void *arg, int64_t job)
{
    const struct packed *t = arg;
    bool of_b = !t->cut_columns;
    int64_t wide = packed_wide(t, of_b), groups = packed_groups(t);
    int64_t p = job / groups * t->kernels->depth, i = job % groups * wide * SHARED_PANELS;
    int64_t count = t->side - i < wide * SHARED_PANELS ? t->side - i : wide * SHARED_PANELS;

    packed_pack(t, of_b, t->first + i, count, p, t->shared + packed_place(t, wide, p, i));
}

/* Multiply what is packed of rows [i, i + m) and columns [j, j + n), for the block at p. */
static void packed_multiply(const struct packed *t, int64_t i, int64_t m, const void *a, int64_t j,
                            int64_t n, const void *b, int64_t p)
{
    const hone_product *s = &t->all->p;
    bool first = t->k0 + p == 0, biased = first && s->bias;
    float *c = (float *)s->c + i * s->ldc + j;

    t->kernels->multiply(m, n, packed_up(packed_depth(t, p), t->kernels->unit), a, b, 1.0f,
                         first && !biased ? (float)s->beta : 1.0f,
                         biased ? (const float *)s->bias + j : c, biased ? 0 : s->ldc, c, s->ldc);
}

/* A packed piece [from, from + count) with the shared block at p. */
static void packed_block(const struct packed *t, int64_t from, int64_t count, int64_t p,
                         const void *own)
{
    const hone_gemm *k = t->kernels;
    int64_t wide = packed_up(SHARED_WIDE, k->columns);

    if (t->cut_columns) {
        packed_multiply(t, t->first, t->side, t->shared + packed_place(t, k->rows, p, 0), from,
                        count, own, p);
        return;
    }
    for (int64_t j = 0; j < t->side; j += wide)
        packed_multiply(t, from, count, own, t->first + j, t->side - j < wide ? t->side - j : wide,
                        t->shared + packed_place(t, k->columns, p, j), p);
}

/* Panels of the longer side. */
static int64_t packed_panels(const struct packed *t)
{
    int64_t wide = packed_wide(t, t->cut_columns);

    return (t->long_side + wide - 1) / wide;
}

/* The first row or column of a piece: whole panels, as evenly as they go. */
static int64_t packed_from(const struct packed *t, int64_t piece)
{
    int64_t from = piece * packed_panels(t) / t->pieces * packed_wide(t, t->cut_columns);

    return from < t->long_side ? from : t->long_side;
}

static void packed_piece(void *arg, int64_t i)
{
    struct packed *t = arg;
    int64_t from = packed_from(t, i), count = packed_from(t, i + 1) - from;
    int64_t panels = (packed_panels(t) + t->pieces - 1) / t->pieces;
    size_t size = (size_t)(panels * packed_wide(t, t->cut_columns) * t->kernels->depth);
    hone_buffer own;
    hone_error err = {0};

    if (hone_pool_take(t->all->g->pool, &own, size * t->kernels->width, &err)) {
        atomic_store(&t->failed, true); /* the graph is told when all threads are back */
        return;
    }
    for (int64_t p = 0; p < t->k; p += t->kernels->depth) {
        packed_pack(t, t->cut_columns, from, count, p, own.data);
        packed_block(t, from, count, p, own.data);
    }
    hone_pool_give(t->all->g->pool, &own);
}

/* How many pieces: some for each thread, neither thin nor wide. */
static int64_t packed_cut(const struct packed *t)
{
    int64_t wide = packed_wide(t, t->cut_columns), panels = packed_panels(t);
    int64_t threads = hone_context_threads(t->all->g->context), pieces = threads * PIECES;

    while (pieces > threads && panels * wide < pieces * PIECE_LEAST)
        pieces -= threads;
    while (panels * wide > pieces * PIECE_MOST)
        pieces += threads;
    return pieces < panels ? pieces : panels;
}

/* One turn: what is shared, then every piece. */
static void packed_turn(struct packed *t)
{
    hone_context *context = t->all->g->context;
    int64_t blocks = (t->k + t->kernels->depth - 1) / t->kernels->depth;
    int64_t shares = packed_groups(t) * blocks;

    if ((double)t->side * (double)t->long_side * (double)t->k > TILE_WORK) {
        hone_parallel(context, shares, packed_share, t);
        hone_parallel(context, t->pieces, packed_piece, t);
        return;
    }
    for (int64_t i = 0; i < shares; i++)
        packed_share(t, i);
    for (int64_t i = 0; i < t->pieces; i++)
        packed_piece(t, i);
}

static void packed_run(const struct gemm *s, const hone_gemm *kernels)
{
    struct packed t = {.all = s,
                       .kernels = kernels,
                       .cut_columns = s->p.n >= s->p.m,
                       .long_side = s->p.n >= s->p.m ? s->p.n : s->p.m};
    int64_t shorter = s->p.n >= s->p.m ? s->p.m : s->p.n, wide = packed_wide(&t, !t.cut_columns);
    int64_t side = shorter < SHARED_SIDE ? shorter : SHARED_SIDE, most;
    hone_buffer buffer;
    hone_error err = {0};

    most = SHARED_BYTES / (packed_up(side, wide) * (int64_t)kernels->width) / kernels->depth;
    most = (most < 1 ? 1 : most) * kernels->depth;
    if (most > s->p.k)
        most = packed_up(s->p.k, kernels->unit);
    if (hone_pool_take(s->g->pool, &buffer, (size_t)(packed_up(side, wide) * most) * kernels->width,
                       &err)) {
        hone_graph_fail(s->g, err.code, "%s", err.message);
        return;
    }
    t.shared = buffer.data;
    t.pieces = packed_cut(&t);
    for (t.first = 0; t.first < shorter; t.first += side)
        for (t.k0 = 0; t.k0 < s->p.k; t.k0 += most) {
            t.side = shorter - t.first < side ? shorter - t.first : side;
            t.k = s->p.k - t.k0 < most ? s->p.k - t.k0 : most;
            packed_turn(&t);
        }
    hone_pool_give(s->g->pool, &buffer);
    if (atomic_load(&t.failed))
        hone_graph_fail(s->g, HONE_ENOMEM, "out of memory: a matrix product");
}

/* ---- of few rows ---- */

struct few {
    const struct gemm *all;
    const hone_gemm *kernels;
    const void *rows; /* packed */
    int64_t piece;    /* columns */
};

static void few_piece(void *arg, int64_t i)
{
    const struct few *t = arg;
    const hone_product *s = &t->all->p;
    int64_t j = i * t->piece, n = s->n - j < t->piece ? s->n - j : t->piece;
    float *c = (float *)s->c + j;
    const char *b = s->b;

    b += (size_t)(s->tb ? j * s->ldb : j) * hone_dtype_size(t->all->dtype);
    t->kernels->multiply_few(s->tb, s->m, n, s->k, t->rows, t->all->dtype, b, s->ldb,
                             s->bias ? 1.0f : (float)s->beta,
                             s->bias ? (const float *)s->bias + j : c, s->bias ? 0 : s->ldc, c,
                             s->ldc);
}

static void few_run(const struct gemm *s, const hone_gemm *kernels)
{
    struct few t = {.all = s, .kernels = kernels};
    int64_t pieces = hone_context_threads(s->g->context); /* each fetches ahead, to its end */
    int64_t size = packed_up(s->p.m, kernels->few_rows) * packed_up(s->p.k, kernels->unit);
    hone_buffer rows;
    hone_error err = {0};

    if (hone_pool_take(s->g->pool, &rows, (size_t)size * kernels->width, &err)) {
        hone_graph_fail(s->g, err.code, "%s", err.message);
        return;
    }
    kernels->pack_few(s->p.tb, s->p.m, s->p.k, s->p.a, s->p.lda, rows.data);
    t.rows = rows.data;
    t.piece = packed_up(s->p.n / pieces < PIECE_MOST ? s->p.n / pieces : PIECE_MOST,
                        kernels->columns);
    t.piece = t.piece ? t.piece : kernels->columns;
    if ((double)s->p.n * (double)s->p.k <= FEW_WORK)
        t.piece = s->p.n;
    hone_parallel(s->g->context, (s->p.n + t.piece - 1) / t.piece, few_piece, &t);
    hone_pool_give(s->g->pool, &rows);
}

/* ---- which ---- */

/* b of the tensor that stands for it, converted where these kernels do not take its dtype. */
static bool gemm_weight(struct gemm *s, const hone_gemm *kernels, bool few)
{
    const hone_tensor *w = s->p.weight;

    if (!w)
        return s->p.b != NULL;
    s->dtype = w->dtype;
    s->p.b = hone_tensor_bytes(w);
    if (kernels && kernels == s->g->half && hone_graph_takes(s->g, w))
        return true;
    if (few && s->dtype == HONE_BF16)
        return true;
    s->dtype = s->g->k->dtype;
    return (s->p.b = hone_graph_real(s->g, (hone_tensor *)(uintptr_t)w)) != NULL;
}

static void gemm_run(struct gemm *s)
{
    hone_graph *g = s->g;
    const hone_gemm *kernels = s->p.k <= 0 ? NULL : s->p.half && g->half ? g->half : g->k->packed;
    bool few = kernels && !s->p.ta && s->p.m <= kernels->few;

    if (s->p.m <= 0 || s->p.n <= 0 || !gemm_weight(s, kernels, few))
        return;
    if (kernels) {
        (few ? few_run : packed_run)(s, kernels);
        return;
    }
    for (int64_t i = 0; s->p.bias && i < s->p.m; i++)
        memcpy(hone_at(g, s->p.c, i * s->p.ldc), s->p.bias, (size_t)s->p.n * hone_graph_width(g));
    if (s->p.bias)
        s->p.beta = 1;
    tiled_run(s);
}

void hone_graph_product(hone_graph *g, const hone_product *product)
{
    struct gemm s = {g, *product, g->k->dtype};
    int64_t began = hone_context_clock();

    gemm_run(&s);
    hone_context_spend(g->context, HONE_WORK_PRODUCTS, began);
}
