/* f32_gemm_packed.h -- products of packed floats, for processors with many registers.
 *
 * The result is computed in tiles of F32_TILE_ROWS x F32_TILE_VECTORS vectors, which stay
 * in registers over a block of k: for each p a tile reads its vectors of b and spreads
 * one number of a at a time, so that loads are fewer than half of the multiply-adds.
 * 9 x 3 of 32 registers, or 4 x 3 of 16. A panel of a stays in the first cache while the
 * panels of b go past it from the second. (Goto & van de Geijn 2008, doi:10.1145/1356052.1356053.) */
#include "f32_vector.h"
#include "gemm.h"

#define F32_TILE_VECTORS 3
#define F32_TILE_COLUMNS (F32_TILE_VECTORS * F32_WIDTH)
#if F32_WIDTH == 16
#define F32_TILE_ROWS 9
#else
#define F32_TILE_ROWS 4
#endif
#define F32_TILE_DEPTH 768

struct f32_tile {
    int64_t k;
    const float *a, *b;
    float alpha, beta;
    const float *base;
    int64_t ld_base;
    float *c;
    int64_t ldc;
};

/* rows, vectors: of the tile that are there; both are constants where it is called. */
F32_INLINE void f32_tile_run(int rows, int vectors, const struct f32_tile *t)
{
    f32_vector sums[F32_TILE_ROWS][F32_TILE_VECTORS];
    const float *a = t->a, *b = t->b;
#pragma GCC unroll 9
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) {
            sums[r][v] = (f32_vector){0};
            __builtin_prefetch(t->c + r * t->ldc + v * F32_WIDTH, 1);
        }
#pragma GCC unroll 4
    for (int64_t p = 0; p < t->k; p++, a += F32_TILE_ROWS, b += F32_TILE_COLUMNS) {
        f32_vector w[F32_TILE_VECTORS];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            w[v] = *(const f32_vector *)(b + v * F32_WIDTH);
#pragma GCC unroll 9
        for (int r = 0; r < rows; r++) {
            f32_vector x = a[r] - (f32_vector){0};
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sums[r][v] += x * w[v];
        }
    }
#pragma GCC unroll 9
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sums[r][v] *= t->alpha;
    if (t->beta != 0.0f) {
#pragma GCC unroll 9
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sums[r][v] +=
                    t->beta * *(const f32_loose_vector *)(t->base + r * t->ld_base + v * F32_WIDTH);
    }
#pragma GCC unroll 9
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            *(f32_loose_vector *)(t->c + r * t->ldc + v * F32_WIDTH) = sums[r][v];
}

#define F32_TILE(rows)                                                                             \
    static void f32_tile_##rows##x1(const struct f32_tile *t)                                      \
    {                                                                                              \
        f32_tile_run(rows, 1, t);                                                                  \
    }                                                                                              \
    static void f32_tile_##rows##x2(const struct f32_tile *t)                                      \
    {                                                                                              \
        f32_tile_run(rows, 2, t);                                                                  \
    }                                                                                              \
    static void f32_tile_##rows##x3(const struct f32_tile *t)                                      \
    {                                                                                              \
        f32_tile_run(rows, 3, t);                                                                  \
    }
#define F32_TILES(rows)                                                                            \
    {                                                                                              \
        f32_tile_##rows##x1, f32_tile_##rows##x2, f32_tile_##rows##x3                              \
    }

F32_TILE(1)
F32_TILE(2)
F32_TILE(3)
F32_TILE(4)
#if F32_TILE_ROWS == 9
F32_TILE(5)
F32_TILE(6)
F32_TILE(7)
F32_TILE(8)
F32_TILE(9)
#endif

static void (*const f32_tiles[F32_TILE_ROWS][F32_TILE_VECTORS])(const struct f32_tile *t) = {
    F32_TILES(1), F32_TILES(2), F32_TILES(3), F32_TILES(4),
#if F32_TILE_ROWS == 9
    F32_TILES(5), F32_TILES(6), F32_TILES(7), F32_TILES(8), F32_TILES(9),
#endif
};

/* A tile whose last vector is not whole goes through memory of its own. */
static void f32_tile_part(int64_t rows, int64_t columns, struct f32_tile t)
{
    float room[F32_TILE_ROWS * F32_TILE_COLUMNS] __attribute__((aligned(64))) = {0};
    float *c = t.c;
    for (int64_t r = 0; t.beta != 0.0f && r < rows; r++)
        memcpy(room + r * F32_TILE_COLUMNS, t.base + r * t.ld_base, (size_t)columns * sizeof *room);
    t.base = t.c = room;
    t.ld_base = F32_TILE_COLUMNS;
    int64_t ldc = t.ldc;
    t.ldc = F32_TILE_COLUMNS;
    f32_tiles[rows - 1][(columns - 1) / F32_WIDTH](&t);
    for (int64_t r = 0; r < rows; r++)
        memcpy(c + r * ldc, room + r * F32_TILE_COLUMNS, (size_t)columns * sizeof *room);
}

static void f32_multiply(int64_t m, int64_t n, int64_t k, const void *av, const void *bv,
                         float alpha, float beta, const float *base, int64_t ld_base, float *c,
                         int64_t ldc)
{
    for (int64_t i = 0; i < m; i += F32_TILE_ROWS) {
        struct f32_tile t = {.k = k,
                             .a = (const float *)av + i * k,
                             .alpha = alpha,
                             .beta = beta,
                             .ld_base = ld_base,
                             .ldc = ldc};
        int64_t rows = m - i < F32_TILE_ROWS ? m - i : F32_TILE_ROWS;
        for (int64_t j = 0; j < n; j += F32_TILE_COLUMNS) {
            int64_t columns = n - j < F32_TILE_COLUMNS ? n - j : F32_TILE_COLUMNS;
            t.b = (const float *)bv + j * k;
            t.base = beta != 0.0f ? base + i * ld_base + j : NULL;
            t.c = c + i * ldc + j;
            if (columns % F32_WIDTH)
                f32_tile_part(rows, columns, t);
            else
                f32_tiles[rows - 1][columns / F32_WIDTH - 1](&t);
        }
    }
}

/* ---- packing ---- */

/* Numbers [p, p + F32_WIDTH) of `rows` source rows, transposed, into lanes of a panel
 * `wide` numbers wide. A narrow panel's vectors overlap the next p, which is written
 * after them, but for the last. */
F32_INLINE void f32_pack_square(int wide, int64_t rows, int64_t k, int64_t p, const float *from,
                                int64_t ld, float *to)
{
    int64_t deep = k - p < F32_WIDTH ? k - p : F32_WIDTH;
    f32_vector x[F32_WIDTH];
#pragma GCC unroll 16
    for (int r = 0; r < F32_WIDTH; r++) {
        x[r] = (f32_vector){0};
        if (r < rows && deep == F32_WIDTH)
            x[r] = *(const f32_loose_vector *)(from + r * ld + p);
        else if (r < rows)
            memcpy(&x[r], from + r * ld + p, (size_t)deep * sizeof *from);
    }
    f32_transpose(x);
#pragma GCC unroll 16
    for (int q = 0; q < F32_WIDTH; q++)
        if (q < deep && (wide >= F32_WIDTH || p + q + 1 < k))
            *(f32_loose_vector *)(to + (p + q) * wide) = x[q];
        else if (q < deep)
            memcpy(to + (p + q) * wide, &x[q], (size_t)wide * sizeof *to);
}

F32_INLINE void f32_pack_deep(int wide, int64_t count, int64_t k, const float *from, int64_t ld,
                              float *to)
{
    for (int64_t i = 0; i < count; i += wide, to += wide * k)
        for (int64_t r = 0; r < wide; r += F32_WIDTH) {
            int64_t left = count - i - r, most = wide < F32_WIDTH ? wide : F32_WIDTH;
            const float *rows = from + (i + (left > 0 ? r : 0)) * ld;
            for (int64_t p = 0; p < k; p += F32_WIDTH)
                f32_pack_square(wide, left < most ? left : most, k, p, rows, ld, to + r);
        }
}

/* Several panels at a time: longer runs of a source row. */
F32_INLINE void f32_pack_wide(int wide, int64_t count, int64_t k, const float *from, int64_t ld,
                              float *to)
{
    int64_t whole = count / wide, rest = count % wide, group = 192 / wide;
    for (int64_t i = 0; i < whole; i += group) {
        int64_t panels = whole - i < group ? whole - i : group;
        for (int64_t p = 0; p < k; p++)
            for (int64_t q = 0; q < panels; q++)
                memcpy(to + ((i + q) * k + p) * wide, from + p * ld + (i + q) * wide,
                       (size_t)wide * sizeof *to);
    }
    to += whole * wide * k;
    for (int64_t p = 0; rest && p < k; p++, to += wide) {
        memset(to, 0, (size_t)wide * sizeof *to);
        memcpy(to, from + p * ld + whole * wide, (size_t)rest * sizeof *to);
    }
}

static void f32_pack_a(int64_t count, int64_t k, bool deep, hone_dtype dtype, const void *from,
                       int64_t ld, void *to)
{
    (void)dtype;
    if (deep)
        f32_pack_deep(F32_TILE_ROWS, count, k, from, ld, to);
    else
        f32_pack_wide(F32_TILE_ROWS, count, k, from, ld, to);
}

static void f32_pack_b(int64_t count, int64_t k, bool deep, hone_dtype dtype, const void *from,
                       int64_t ld, void *to)
{
    (void)dtype;
    if (deep)
        f32_pack_deep(F32_TILE_COLUMNS, count, k, from, ld, to);
    else
        f32_pack_wide(F32_TILE_COLUMNS, count, k, from, ld, to);
}
