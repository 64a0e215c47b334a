/* f32_gemm_few.h -- products of few rows with large weights, as in decoding.
 *
 * The weights are read once, as they are stored, and multiplied with all rows while they
 * are at hand: reading them is what takes the time. Their bits are those of the product
 * of packed operands: an element is one chain of multiply-adds over each block of
 * F32_TILE_DEPTH numbers of k, and blocks are added in their order.
 *
 * Tiles are F32_FEW_ROWS x F32_TILE_VECTORS vectors. Where k runs along the weights' rows,
 * F32_FEW_DEPTH numbers of a tile's columns at a time are transposed in registers, into
 * memory that stays in the first cache, while the next ones are fetched. Where it runs
 * across them, tiles are read in place, side by side from a region of F32_FEW_DEPTH rows,
 * while the next region is fetched row by row. Weights may be bf16. */
#include "f32_gemm_packed.h"

#define F32_FEW_DEPTH 64
#if F32_WIDTH == 16
#define F32_FEW_ROWS 8
#else
#define F32_FEW_ROWS 4
#endif
#define F32_FEW_TILES 8 /* of a region */
#define F32_FEW_WIDE (F32_FEW_TILES * F32_TILE_COLUMNS)
#define F32_FEW_MOST 32 /* rows: with more, packing pays */

typedef uint16_t f32_loose_halves
    __attribute__((vector_size(2 * F32_WIDTH), aligned(2), may_alias));
typedef uint32_t f32_words __attribute__((vector_size(4 * F32_WIDTH)));

/* Rows of a panel: m, or the next power of two. */
static int64_t f32_few_panel(int64_t m)
{
    int64_t rows = 1;
    while (rows < m)
        rows *= 2;
    return rows < F32_FEW_ROWS ? rows : F32_FEW_ROWS;
}

/* a [m, k] as panels of F32_FEW_ROWS rows, the last one narrower: [k, rows] each. */
static void f32_few_pack(bool deep, int64_t m, int64_t k, const float *a, int64_t lda, void *out)
{
    float *to = out;
    (void)deep;
    for (int64_t i = 0; i < m; i += F32_FEW_ROWS, a += F32_FEW_ROWS * lda, to += F32_FEW_ROWS * k) {
        int64_t rows = m - i < F32_FEW_ROWS ? m - i : F32_FEW_ROWS;
        switch (f32_few_panel(rows)) {
        case 1: memcpy(to, a, (size_t)k * sizeof *a); break;
        case 2: f32_pack_deep(2, rows, k, a, lda, to); break;
#if F32_FEW_ROWS > 4
        case 4: f32_pack_deep(4, rows, k, a, lda, to); break;
#endif
        default: f32_pack_deep(F32_FEW_ROWS, rows, k, a, lda, to);
        }
    }
}

/* `count` weights from `at` on; what lacks is zero. */
F32_INLINE f32_vector f32_few_load(bool half, const void *b, int64_t at, int64_t count)
{
    f32_loose_halves h = {0};
    f32_vector x = {0};
    f32_words words;
    if (!half && count >= F32_WIDTH)
        return *(const f32_loose_vector *)((const float *)b + at);
    if (!half) {
        memcpy(&x, (const float *)b + at, (size_t)count * sizeof(float));
        return x;
    }
    if (count >= F32_WIDTH)
        h = *(const f32_loose_halves *)((const uint16_t *)b + at);
    else
        memcpy(&h, (const uint16_t *)b + at, (size_t)count * sizeof(uint16_t));
    words = __builtin_convertvector(h, f32_words) << 16;
    memcpy(&x, &words, sizeof x);
    return x;
}

/* Weights of a tile's columns, by number of k. */
typedef f32_vector f32_few_panels[F32_FEW_DEPTH][F32_TILE_VECTORS];

/* Numbers [0, k) of `count` rows of weights, lanes side by side. */
F32_INLINE void f32_few_transpose(bool half, int64_t count, int64_t k, const void *b, int64_t ldb,
                                  f32_vector (*to)[F32_TILE_VECTORS])
{
    for (int64_t p = 0; p < k; p += F32_WIDTH, to += F32_WIDTH) {
        f32_vector x[F32_WIDTH];
        if (count >= F32_WIDTH && k - p >= F32_WIDTH) {
#pragma GCC unroll 16
            for (int r = 0; r < F32_WIDTH; r++)
                x[r] = f32_few_load(half, b, r * ldb + p, F32_WIDTH);
        } else {
            for (int r = 0; r < F32_WIDTH; r++)
                x[r] = r < count ? f32_few_load(half, b, r * ldb + p, k - p) : (f32_vector){0};
        }
        f32_transpose(x);
#pragma GCC unroll 16
        for (int r = 0; r < F32_WIDTH; r++)
            to[r][0] = x[r];
    }
}

/* What is fetched meanwhile: F32_TILE_VECTORS lines a step, `lines` of each row. */
struct f32_ahead {
    const char *from;
    int64_t apart; /* bytes between rows */
};

#define F32_DEEP_LINES (F32_FEW_DEPTH / 16)
#define F32_WIDE_LINES (F32_FEW_WIDE / 16)

/* sums[r] += x[p][r] w[p] for p in [0, k); w: a tile's vectors every `ld` weights. */
F32_INLINE void f32_few_add(int rows, bool half, int lines, int64_t k, const float *x,
                            const void *w, int64_t ld, f32_vector (*sums)[F32_TILE_VECTORS],
                            struct f32_ahead ahead)
{
    f32_vector s[F32_FEW_ROWS][F32_TILE_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < F32_TILE_VECTORS; v++)
            s[r][v] = sums[r][v];
    for (int64_t p = 0; p < k; p++, x += rows) {
        f32_vector own[F32_TILE_VECTORS];
#pragma GCC unroll 3
        for (int v = 0; v < F32_TILE_VECTORS; v++) {
            int64_t line = p * F32_TILE_VECTORS + v;
            own[v] = f32_few_load(half, w, p * ld + v * F32_WIDTH, F32_WIDTH);
            __builtin_prefetch(ahead.from + line / lines * ahead.apart + line % lines * 64, 0, 2);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < F32_TILE_VECTORS; v++)
                s[r][v] += x[r] * own[v];
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < F32_TILE_VECTORS; v++)
            sums[r][v] = s[r][v];
}

#if F32_FEW_ROWS > 4
#define F32_FEW_EIGHT(...) case 8: f32_few_add(8, __VA_ARGS__); break;
#else
#define F32_FEW_EIGHT(...)
#endif
#define F32_FEW_ADD(name, half, lines)                                                             \
    static void name(int64_t rows, int64_t k, const float *x, const void *w, int64_t ld,           \
                     f32_vector (*sums)[F32_TILE_VECTORS], struct f32_ahead ahead)                 \
    {                                                                                              \
        switch (rows) {                                                                            \
        case 1: f32_few_add(1, half, lines, k, x, w, ld, sums, ahead); break;                      \
        case 2: f32_few_add(2, half, lines, k, x, w, ld, sums, ahead); break;                      \
        case 4: f32_few_add(4, half, lines, k, x, w, ld, sums, ahead); break;                      \
        F32_FEW_EIGHT(half, lines, k, x, w, ld, sums, ahead)                                       \
        }                                                                                          \
    }

F32_FEW_ADD(f32_few_add_deep, false, F32_DEEP_LINES)
F32_FEW_ADD(f32_few_add_wide, false, F32_WIDE_LINES)
F32_FEW_ADD(f32_few_add_half, true, F32_WIDE_LINES)

struct f32_few {
    int64_t m, n, k;
    const float *x;       /* packed */
    const char *b;
    int64_t ldb;          /* elements */
    float beta;
    const float *base;
    int64_t ld_base;
    float *c;
    int64_t ldc;
};

/* c = sums + beta base, `count` columns from j on. */
F32_INLINE void f32_few_store(int64_t count, f32_vector (*sums)[F32_TILE_VECTORS], bool first,
                              const struct f32_few *t, int64_t j)
{
    for (int64_t r = 0; r < t->m; r++) {
        const float *from = (const float *)sums[r];
        float *c = t->c + r * t->ldc + j;
        const float *base = first && t->beta != 0.0f ? t->base + r * t->ld_base + j : c;
        float beta = first ? t->beta : 1.0f;
        if (beta == 0.0f)
            memcpy(c, from, (size_t)count * sizeof *c);
        else
            F32_EACH(count) c[i] = from[i] + beta * base[i];
    }
}

/* Columns [j, j + count) of a tile, k running along the weights' rows. */
F32_INLINE void f32_few_strip(bool half, const struct f32_few *t, int64_t j, int64_t count)
{
    const int64_t width = half ? 2 : 4, apart = t->ldb * width;
    f32_vector sums[F32_FEW_MOST][F32_TILE_VECTORS];
    f32_few_panels w;
    const char *rows = t->b + j * apart;
    if (count < F32_TILE_COLUMNS)
        memset(w, 0, sizeof w);
    for (int64_t from = 0; from < t->k; from += F32_TILE_DEPTH) {
        int64_t to = t->k - from < F32_TILE_DEPTH ? t->k : from + F32_TILE_DEPTH;
        memset(sums, 0, (size_t)(t->m + 7) / 8 * 8 * sizeof *sums);
        for (int64_t p = from; p < to; p += F32_FEW_DEPTH) {
            int64_t k = to - p < F32_FEW_DEPTH ? to - p : F32_FEW_DEPTH;
            struct f32_ahead ahead = {rows + (p + k) * width, apart};
            if (p + k >= t->k)
                ahead = j + F32_TILE_COLUMNS < t->n
                            ? (struct f32_ahead){rows + F32_TILE_COLUMNS * apart, apart}
                            : (struct f32_ahead){rows, 0};
            for (int64_t v = 0; v < F32_TILE_VECTORS && v * F32_WIDTH < count; v++)
                f32_few_transpose(half, count - v * F32_WIDTH, k,
                                  rows + v * F32_WIDTH * apart + p * width, t->ldb,
                                  (f32_vector(*)[F32_TILE_VECTORS])&w[0][v]);
            for (int64_t i = 0; i < t->m; i += F32_FEW_ROWS) {
                int64_t panel = f32_few_panel(t->m - i);
                f32_few_add_deep(panel, k, t->x + i * t->k + p * panel, w, F32_TILE_COLUMNS,
                                 sums + i, ahead);
                ahead = (struct f32_ahead){rows, 0};
            }
        }
        f32_few_store(count, sums, from == 0, t, j);
    }
}

typedef f32_vector f32_few_sums[F32_FEW_MOST][F32_TILE_VECTORS];

/* Weights [p, p + k) x [j, j + count) of a region, k running across their rows. A tile that
 * is not whole goes through memory of its own. */
F32_INLINE void f32_few_region(bool half, const struct f32_few *t, int64_t p, int64_t k, int64_t j,
                               int64_t count, f32_few_sums *sums)
{
    const int64_t width = half ? 2 : 4, apart = t->ldb * width;
    const char *b = t->b + p * apart + j * width, *next = b + k * apart;
    for (int64_t at = 0; at < count; at += F32_TILE_COLUMNS, sums++) {
        f32_few_panels part;
        bool whole = count - at >= F32_TILE_COLUMNS;
        for (int64_t q = 0; !whole && q < k; q++)
            for (int64_t v = 0; v < F32_TILE_VECTORS; v++) {
                int64_t left = count - at - v * F32_WIDTH;
                part[q][v] = left > 0 ? f32_few_load(half, b, q * t->ldb + at + v * F32_WIDTH, left)
                                      : (f32_vector){0};
            }
        for (int64_t i = 0; i < t->m; i += F32_FEW_ROWS) {
            int64_t panel = f32_few_panel(t->m - i);
            const float *x = t->x + i * t->k + p * panel;
            struct f32_ahead ahead = {next, i ? 0 : apart};
            if (!whole)
                f32_few_add_wide(panel, k, x, part, F32_TILE_COLUMNS, *sums + i, ahead);
            else if (half)
                f32_few_add_half(panel, k, x, b + at * width, t->ldb, *sums + i, ahead);
            else
                f32_few_add_wide(panel, k, x, b + at * width, t->ldb, *sums + i, ahead);
        }
        next += k / F32_FEW_TILES * apart;
    }
}

F32_INLINE void f32_few_wide(bool half, const struct f32_few *t, int64_t j, int64_t count)
{
    f32_few_sums sums[F32_FEW_TILES];
    for (int64_t from = 0; from < t->k; from += F32_TILE_DEPTH) {
        int64_t to = t->k - from < F32_TILE_DEPTH ? t->k : from + F32_TILE_DEPTH;
        for (int64_t i = 0; i < F32_FEW_TILES; i++)
            memset(sums[i], 0, (size_t)(t->m + 7) / 8 * 8 * sizeof *sums[i]);
        for (int64_t p = from; p < to; p += F32_FEW_DEPTH)
            f32_few_region(half, t, p, to - p < F32_FEW_DEPTH ? to - p : F32_FEW_DEPTH, j, count,
                           sums);
        for (int64_t at = 0, i = 0; at < count; at += F32_TILE_COLUMNS, i++)
            f32_few_store(count - at < F32_TILE_COLUMNS ? count - at : F32_TILE_COLUMNS, sums[i],
                          from == 0, t, j + at);
    }
}

/* c [m, n] = a b + beta base: a packed, m at most F32_FEW_MOST. */
static void f32_few_multiply(bool deep, int64_t m, int64_t n, int64_t k, const void *x,
                             hone_dtype dtype, const void *b, int64_t ldb, float beta,
                             const float *base, int64_t ld_base, float *c, int64_t ldc)
{
    struct f32_few t = {m, n, k, x, b, ldb, beta, base, ld_base, c, ldc};
    int64_t step = deep ? F32_TILE_COLUMNS : F32_FEW_WIDE;
    for (int64_t j = 0; j < n; j += step) {
        int64_t count = n - j < step ? n - j : step;
        if (deep && dtype == HONE_BF16)
            f32_few_strip(true, &t, j, count);
        else if (deep)
            f32_few_strip(false, &t, j, count);
        else if (dtype == HONE_BF16)
            f32_few_wide(true, &t, j, count);
        else
            f32_few_wide(false, &t, j, count);
    }
}

static const hone_gemm f32_gemm_packed = {
    .name = "f32",
    .rows = F32_TILE_ROWS,
    .columns = F32_TILE_COLUMNS,
    .depth = F32_TILE_DEPTH,
    .unit = 1,
    .width = sizeof(float),
    .pack_a = f32_pack_a,
    .pack_b = f32_pack_b,
    .multiply = f32_multiply,
    .few = F32_FEW_MOST,
    .few_rows = 8,
    .pack_few = f32_few_pack,
    .multiply_few = f32_few_multiply,
};
