/* gemm_bf16_few.c -- products of few rows with large weights, of bf16 numbers: decoding.
 *
 * The weights are read once, and multiplied with all rows while they are at hand; the bits
 * are those of the packed product. Columns go in strips of 32, k in steps of 32.
 *
 * Matrix tiles take weights of which k runs along their rows as they lie in memory: 16
 * rows by 32 of k are a square of a, x^T is b, and what comes out is c^T. The sums are the
 * same: a tile's product of numbers is one multiply-add, whose factors may change places.
 * All other weights (stored as f32, or across k, or of an end that is no whole square) are
 * packed on the way, a step at a time, in the first cache.
 *
 * What comes next is fetched evenly, a line of each of 32 rows at a time: FEW_AHEAD lines on,
 * or in the next strip; or, where k runs across the rows, the next 32 rows of FEW_WIDE
 * columns, whose strips go through a step together. */
#include "gemm_bf16.h"

#include <string.h>

#define FEW_AHEAD  4
#define FEW_STRIPS 8 /* that go together */
#define FEW_WIDE   (FEW_STRIPS * PANEL)
#define FEW_PANELS ((BF16_FEW + PANEL - 1) / PANEL)

/* Sums of a strip: squares of rows by columns, or of columns by rows. */
typedef float few_square[SQUARE * SQUARE];
typedef struct few_sums {
    few_square of[FEW_PANELS][2][2]; /* panel of rows, square of it, square of columns */
} __attribute__((aligned(64))) few_sums;

/* Where squares of weights are: bytes between rows, both squares, steps of 32 in k. */
struct few_weights {
    const char *at;
    int64_t row, square, step;
};

/* What is fetched at a time; after `left` times it goes on at `next`. */
struct few_ahead {
    const char *from, *next;
    int64_t apart, rows, lines, step, left;
};

struct few {
    bool deep, tiles;
    int64_t m, n, k, wide; /* of a panel of x */
    const uint32_t *x;
    hone_dtype dtype;
    const char *b;
    int64_t ldb, width, apart; /* the last two in bytes: of a weight, between rows */
    float beta;
    const float *base;
    int64_t ld_base;
    float *c;
    int64_t ldc;
    void (*pack)(const struct few *t, int64_t count, int64_t k, const char *from, uint32_t *to,
                 struct few_ahead *ahead);
    void (*multiply)(const struct few *t, int64_t rows, int64_t k, const uint32_t *x,
                     struct few_weights w, few_square (*sums)[2], struct few_ahead *ahead);
};

static inline void few_fetch(struct few_ahead *ahead)
{
    for (int64_t r = 0; r < ahead->rows; r++)
        for (int64_t i = 0; i < ahead->lines; i++)
            __builtin_prefetch(ahead->from + r * ahead->apart + i * 64, 0, 3);
    ahead->from = --ahead->left ? ahead->from + ahead->step : ahead->next;
}

/* ---- packing ---- */

VECTORS void few_pack_rows(bool turned, int64_t m, int64_t k, const float *a, int64_t lda,
                           void *to)
{
    if (m <= SQUARE)
        bf16_pack(SQUARE, true, turned, m, k, HONE_F32, a, lda, to);
    else
        bf16_pack(PANEL, true, turned, m, k, HONE_F32, a, lda, to);
}

VECTOR_CODE void hone_gemm_bf16_pack_few_vectors(bool deep, int64_t m, int64_t k, const float *a,
                                                 int64_t lda, void *to)
{
    (void)deep;
    few_pack_rows(false, m, k, a, lda, to);
}

VECTOR_CODE void hone_gemm_bf16_pack_few_tiles(bool deep, int64_t m, int64_t k, const float *a,
                                               int64_t lda, void *to)
{
    if (deep)
        few_pack_rows(true, m, k, a, lda, to);
    else
        few_pack_rows(false, m, k, a, lda, to);
}

/* A step of a strip. */
VECTORS void few_pack(bool deep, bool turned, const struct few *t, hone_dtype dtype, int64_t count,
                      int64_t k, const char *from, uint32_t *to, struct few_ahead *ahead)
{
    for (int64_t i = 0; i < PANEL; i += SQUARE, to += SQUARE_WORDS) {
        if (i == 0 || dtype == HONE_F32)
            few_fetch(ahead);
        bf16_square(deep, turned, count - i, k, dtype,
                    i < count ? from + i * (deep ? t->apart : t->width) : from, t->ldb, to);
    }
}

/* One loop for each dtype, so that it is known inside. */
#define FEW_PACK(name, deep, turned)                                                               \
    VECTOR_CODE static void name(const struct few *t, int64_t count, int64_t k, const char *from,  \
                                 uint32_t *to, struct few_ahead *ahead)                            \
    {                                                                                              \
        if (t->dtype == HONE_BF16)                                                                 \
            few_pack(deep, turned, t, HONE_BF16, count, k, from, to, ahead);                       \
        else                                                                                       \
            few_pack(deep, turned, t, HONE_F32, count, k, from, to, ahead);                        \
    }

FEW_PACK(few_pack_along, true, false)
FEW_PACK(few_pack_turned, true, true)
FEW_PACK(few_pack_across, false, false)

/* ---- one strip ---- */

/* `rows` rows of x from its row `first` on. */
VECTORS void few_vector_rows(int rows, int first, int64_t wide, int64_t k, const uint32_t *x,
                             struct few_weights w, few_square (*sums)[2])
{
    float *out = sums[first / SQUARE][0] + first % SQUARE * SQUARE;
    __m512 s[8][2];

    x += first / SQUARE * SQUARE_WORDS + first % SQUARE * PAIRS;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        s[r][0] = _mm512_load_ps(out + r * SQUARE);
        s[r][1] = _mm512_load_ps(out + SQUARE * SQUARE + r * SQUARE);
    }
    for (int64_t p = 0; p < k; p += UNIT, x += wide * PAIRS, w.at += w.step) {
        for (int q = 0; q < PAIRS; q++) {
            __m512bh left = (__m512bh)_mm512_load_si512(w.at + q * w.row);
            __m512bh right = (__m512bh)_mm512_load_si512(w.at + w.square + q * w.row);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                __m512bh one = (__m512bh)_mm512_set1_epi32((int)x[r * PAIRS + q]);
                s[r][0] = _mm512_dpbf16_ps(s[r][0], one, left);
                s[r][1] = _mm512_dpbf16_ps(s[r][1], one, right);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        _mm512_store_ps(out + r * SQUARE, s[r][0]);
        _mm512_store_ps(out + SQUARE * SQUARE + r * SQUARE, s[r][1]);
    }
}

VECTOR_CODE static void few_vectors(const struct few *t, int64_t rows, int64_t k, const uint32_t *x,
                                    struct few_weights w, few_square (*sums)[2],
                                    struct few_ahead *ahead)
{
    (void)ahead; /* packing fetched */
    for (int i = 0; i < rows; i += 8) {
        if (rows - i > 4)
            few_vector_rows(8, i, t->wide, k, x, w, sums);
        else if (rows - i > 2)
            few_vector_rows(4, i, t->wide, k, x, w, sums);
        else if (rows - i > 1)
            few_vector_rows(2, i, t->wide, k, x, w, sums);
        else
            few_vector_rows(1, i, t->wide, k, x, w, sums);
    }
}

#define FEW_DOT(sum, x, w)                                                                         \
    do {                                                                                           \
        if (turned)                                                                                \
            _tile_dpbf16ps(sum, w, x);                                                             \
        else                                                                                       \
            _tile_dpbf16ps(sum, x, w);                                                             \
    } while (0)

/* turned: weights are the left side; both: squares of x. */
TILES void few_tile(bool turned, bool both, int64_t wide, int64_t k, const uint32_t *x,
                    struct few_weights w, few_square (*sums)[2], struct few_ahead *ahead)
{
    _tile_loadd(0, sums[0][0], 64);
    _tile_loadd(1, sums[0][1], 64);
    if (both) {
        _tile_loadd(2, sums[1][0], 64);
        _tile_loadd(3, sums[1][1], 64);
    }
    for (int64_t p = 0; p < k; p += UNIT, x += wide * PAIRS, w.at += w.step) {
        if (ahead)
            few_fetch(ahead);
        _tile_loadd(4, w.at, w.row);
        _tile_loadd(6, x, 64);
        FEW_DOT(0, 6, 4);
        _tile_loadd(5, w.at + w.square, w.row);
        FEW_DOT(1, 6, 5);
        if (both) {
            _tile_loadd(7, x + SQUARE_WORDS, 64);
            FEW_DOT(2, 7, 4);
            FEW_DOT(3, 7, 5);
        }
    }
    _tile_stored(0, sums[0][0], 64);
    _tile_stored(1, sums[0][1], 64);
    if (both) {
        _tile_stored(2, sums[1][0], 64);
        _tile_stored(3, sums[1][1], 64);
    }
}

TILE_CODE static void few_tiles(const struct few *t, int64_t rows, int64_t k, const uint32_t *x,
                                struct few_weights w, few_square (*sums)[2],
                                struct few_ahead *ahead)
{
    __asm__ volatile("" ::: "memory"); /* the compiler does not know what tiles read */
    if (t->deep && rows > SQUARE)
        few_tile(true, true, t->wide, k, x, w, sums, ahead);
    else if (t->deep)
        few_tile(true, false, t->wide, k, x, w, sums, ahead);
    else if (rows > SQUARE)
        few_tile(false, true, t->wide, k, x, w, sums, ahead);
    else
        few_tile(false, false, t->wide, k, x, w, sums, ahead);
}

/* Numbers of k that columns [j, j + count) take at once, of those left in a block: all whole
 * steps, where weights are read in place. */
static int64_t few_depth(const struct few *t, int64_t count, int64_t left)
{
    bool in_place = t->tiles && t->deep && t->dtype == HONE_BF16 && count >= PANEL;

    return left < UNIT ? left : in_place ? left / UNIT * UNIT : UNIT;
}

/* Weights [p, p + k) of columns [j, j + count). */
static void few_strip(const struct few *t, int64_t j, int64_t count, int64_t p, int64_t k,
                      few_sums *sums, struct few_ahead *ahead)
{
    const int64_t whole = (t->k + UNIT - 1) / UNIT * UNIT;
    uint32_t packed[2 * SQUARE_WORDS] __attribute__((aligned(64)));
    struct few_weights w = {t->b + (t->deep ? j * t->apart + p * t->width
                                            : p * t->apart + j * t->width),
                            t->apart, SQUARE * t->apart, UNIT * t->width};

    if (!t->tiles || !t->deep || t->dtype != HONE_BF16 || count < PANEL || k < UNIT) {
        t->pack(t, count, k, w.at, packed, ahead);
        w = (struct few_weights){(const char *)packed, 4 * PAIRS, 4 * SQUARE_WORDS, 0};
        ahead = NULL;
    }
    for (int64_t i = 0; i < t->m; i += PANEL, ahead = NULL)
        t->multiply(t, t->m - i < PANEL ? t->m - i : PANEL, (k + UNIT - 1) / UNIT * UNIT,
                    t->x + (i * whole + p * t->wide) / 2, w, sums->of[i / PANEL], ahead);
}

/* ---- the result ---- */

static __mmask16 few_mask(const struct few *t, int64_t j)
{
    return (__mmask16)(t->n - j >= SQUARE ? 0xffffu : t->n > j ? (1u << (t->n - j)) - 1 : 0);
}

/* The square of rows from i and columns from j, of what is added to the product. */
static void few_load(const struct few *t, int64_t i, int64_t j, float *square)
{
    const __mmask16 mask = few_mask(t, j);
    f32_vector x[SQUARE];

#pragma GCC unroll 16
    for (int r = 0; r < SQUARE; r++)
        x[r] = (f32_vector)_mm512_maskz_loadu_ps(i + r < t->m ? mask : 0,
                                                 t->base + (i + r) * t->ld_base + j);
    if (t->tiles && t->deep)
        f32_transpose(x);
#pragma GCC unroll 16
    for (int r = 0; r < SQUARE; r++)
        ((f32_vector *)square)[r] = x[r];
}

static void few_store(const struct few *t, int64_t i, int64_t j, const float *square)
{
    const __mmask16 mask = few_mask(t, j);
    f32_vector x[SQUARE];

#pragma GCC unroll 16
    for (int r = 0; r < SQUARE; r++)
        x[r] = ((const f32_vector *)square)[r];
    if (t->tiles && t->deep)
        f32_transpose(x);
#pragma GCC unroll 16
    for (int r = 0; r < SQUARE; r++)
        if (i + r < t->m)
            _mm512_mask_storeu_ps(t->c + (i + r) * t->ldc + j, mask, (__m512)x[r]);
}

/* total = sums + scale total */
static void few_add(float scale, const float *sums, float *total)
{
    for (int r = 0; r < SQUARE * SQUARE; r += SQUARE) {
        __m512 x = _mm512_load_ps(sums + r);
        if (scale != 0.0f)
            x = _mm512_fmadd_ps(_mm512_load_ps(total + r), _mm512_set1_ps(scale), x);
        _mm512_store_ps(total + r, x);
    }
}

#define FEW_EACH(t, i, h) for (int64_t i = 0; i < (t)->m; i += SQUARE) for (int h = 0; h < 2; h++)
#define FEW_SQUARE(sums, i, h) (sums)->of[(i) / PANEL][(i) % PANEL / SQUARE][h]

/* ---- all ---- */

static struct few_ahead few_begin(const struct few *t, int64_t j, int64_t strips)
{
    const int64_t lines = (t->k * t->width + 63) / 64, wide = strips * t->width / 2;
    const char *at = t->b + j * (t->deep ? t->apart : t->width);

    if (!t->deep)
        return (struct few_ahead){at + UNIT * t->apart, at + FEW_WIDE * t->width, t->apart,
                                  PANEL / wide, wide, PANEL / wide * t->apart,
                                  t->k > UNIT ? (t->k - UNIT) * wide / PANEL + 1 : 1};
    if (lines <= FEW_AHEAD)
        return (struct few_ahead){at + PANEL * t->apart, at + PANEL * t->apart, t->apart, PANEL, 1,
                                  64, lines};
    return (struct few_ahead){at + FEW_AHEAD * 64, at + PANEL * t->apart, t->apart, PANEL, 1, 64,
                              lines - FEW_AHEAD};
}

/* Columns from j on, in strips that go together. */
static void few_region(const struct few *t, int64_t j, int64_t strips)
{
    few_sums sums[FEW_STRIPS], totals[FEW_STRIPS];
    struct few_ahead ahead = few_begin(t, j, strips);

    for (int64_t s = 0; t->beta != 0.0f && s < strips; s++)
        FEW_EACH(t, i, h)
            few_load(t, i, j + s * PANEL + h * SQUARE, FEW_SQUARE(&totals[s], i, h));
    for (int64_t from = 0, p = 0; from < t->k; from += DEPTH) {
        const int64_t to = t->k - from < DEPTH ? t->k : from + DEPTH;
        memset(sums, 0, (size_t)strips * sizeof *sums);
        while (p < to) {
            const int64_t k = few_depth(t, t->n - j, to - p);
            for (int64_t s = 0; s < strips; s++) {
                int64_t at = j + s * PANEL;
                few_strip(t, at, t->n - at < PANEL ? t->n - at : PANEL, p, k, &sums[s], &ahead);
            }
            p += k;
        }
        for (int64_t s = 0; s < strips; s++)
            FEW_EACH(t, i, h)
                few_add(from ? 1 : t->beta, FEW_SQUARE(&sums[s], i, h),
                        FEW_SQUARE(&totals[s], i, h));
    }
    for (int64_t s = 0; s < strips; s++)
        FEW_EACH(t, i, h)
            few_store(t, i, j + s * PANEL + h * SQUARE, FEW_SQUARE(&totals[s], i, h));
}

/* What of a product is the same for both kinds. */
static struct few few_new(bool deep, int64_t m, int64_t n, int64_t k, const void *a,
                          hone_dtype dtype, const void *b, int64_t ldb)
{
    const int64_t width = dtype == HONE_BF16 ? 2 : 4;

    return (struct few){.deep = deep, .m = m, .n = n, .k = k, .wide = m > SQUARE ? PANEL : SQUARE,
                        .x = a, .dtype = dtype, .b = b, .ldb = ldb, .width = width,
                        .apart = ldb * width};
}

static void few_run(struct few *t, float beta, const float *base, int64_t ld_base, float *c,
                    int64_t ldc)
{
    const int64_t wide = t->deep ? PANEL : FEW_WIDE;

    t->beta = beta;
    t->base = base;
    t->ld_base = ld_base;
    t->c = c;
    t->ldc = ldc;
    for (int64_t j = 0; j < t->n; j += wide)
        few_region(t, j, ((t->n - j < wide ? t->n - j : wide) + PANEL - 1) / PANEL);
}

void hone_gemm_bf16_few_vectors(bool deep, int64_t m, int64_t n, int64_t k, const void *a,
                                hone_dtype dtype, const void *b, int64_t ldb, float beta,
                                const float *base, int64_t ld_base, float *c, int64_t ldc)
{
    struct few t = few_new(deep, m, n, k, a, dtype, b, ldb);

    t.pack = deep ? few_pack_turned : few_pack_across;
    t.multiply = few_vectors;
    few_run(&t, beta, base, ld_base, c, ldc);
}

TILE_CODE void hone_gemm_bf16_few_tiles(bool deep, int64_t m, int64_t n, int64_t k, const void *a,
                                        hone_dtype dtype, const void *b, int64_t ldb, float beta,
                                        const float *base, int64_t ld_base, float *c, int64_t ldc)
{
    struct few t = few_new(deep, m, n, k, a, dtype, b, ldb);

    t.tiles = true;
    t.pack = deep ? few_pack_along : few_pack_across;
    t.multiply = few_tiles;
    bf16_tiles_open();
    few_run(&t, beta, base, ld_base, c, ldc);
    _tile_release();
}
