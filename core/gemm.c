/* gemm.c -- matrix products over the threads.
 *
 * The result is cut into tiles whose shapes depend on m and n alone, and each
 * is one single-threaded product over the whole of k: so an element's sum has
 * one order, whatever the number of threads. */
#include "graph.h"

/* Large tiles, since BLAS copies the operands of each into an order of its own;
 * yet several, to be spread. */
#define TILE_ROWS 512
#define TILE_COLUMNS 1024
#define TILES_LEAST 4
/* Below this many multiplications one call is faster than waking threads. */
#define TILE_WORK (1 << 18)

struct gemm {
    const hone_graph *g;
    bool ta, tb;
    int64_t m, n, k, lda, ldb, ldc, rows, columns, across;
    double alpha, beta;
    const void *a, *b;
    void *c;
};

static void gemm_tile(void *arg, int64_t tile)
{
    const struct gemm *t = arg;
    int64_t i = tile / t->across * t->rows, j = tile % t->across * t->columns;
    int64_t m = t->m - i < t->rows ? t->m - i : t->rows;
    int64_t n = t->n - j < t->columns ? t->n - j : t->columns;

    t->g->k->gemm(t->ta, t->tb, m, n, t->k, t->alpha, hone_at(t->g, t->a, t->ta ? i : i * t->lda),
                  t->lda, hone_at(t->g, t->b, t->tb ? j * t->ldb : j), t->ldb, t->beta,
                  hone_at(t->g, t->c, i * t->ldc + j), t->ldc);
}

static int64_t gemm_tiles(const struct gemm *t)
{
    return (t->m + t->rows - 1) / t->rows * ((t->n + t->columns - 1) / t->columns);
}

void hone_graph_gemm(hone_graph *g, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                     const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c,
                     int64_t ldc)
{
    struct gemm t = { g, ta, tb, m, n, k, lda, ldb, ldc, TILE_ROWS, TILE_COLUMNS, 1,
                      alpha, beta, a, b, c };

    if (m <= 0 || n <= 0)
        return;
    if ((double)m * (double)n * (double)k <= TILE_WORK) {
        g->k->gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        return;
    }
    while (gemm_tiles(&t) < TILES_LEAST && (t.rows > 128 || t.columns > 64)) {
        if (t.rows > 128 && t.rows >= t.columns / 2)
            t.rows /= 2;
        else
            t.columns /= 2;
    }
    t.across = (n + t.columns - 1) / t.columns;
    hone_parallel(g->context, gemm_tiles(&t), gemm_tile, &t);
}
