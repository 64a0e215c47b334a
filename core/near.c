/* near.c -- near-duplicate texts by MinHash and banding (see <hone/near.h>).
 *
 * A piece is 5 successive bytes of the normalised text, mixed to 64 bits: the upper
 * bits say which of 128 bins it falls into, each bin keeps its smallest lower half.
 * An empty bin takes the value of another, the same for every text in which both
 * are as they are, so that two texts agree in a bin with the chance of their
 * similarity. Of B bands of R bins, two texts share one with chance 1 - (1 - s^R)^B:
 * R is the largest power of two for which that is 0.98 at the threshold.
 *
 * A band is sorted by the hash of its bins. Of a run of equal ones, each text is
 * compared with at most NEAR_TRIES texts before it that stand for different groups;
 * texts that are equal take part once. */
#include "data/normal.h"

#include <hone/near.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR_BINS = 128, NEAR_PIECE = 5, NEAR_CHUNK = 64, NEAR_TRIES = 32 };

struct near_text {
    char *bytes;               /* normalised; NULL: not looked at */
    size_t count;
    uint8_t digest[32];
    uint32_t bins[NEAR_BINS];
};

struct near_key {
    uint64_t hash;
    size_t text;
};

/* Sets of pieces of two texts, kept while the first stays the same. */
struct near_pieces {
    uint64_t *items;
    size_t count, room, of;    /* of: text number plus 1 */
};

struct near {
    const char *const *texts;
    size_t count;
    struct near_text *rows;    /* [count] */
    hone_near *out;            /* [count]; first is a parent until the end */
    struct near_key *keys;     /* [count] */
    struct near_pieces left, right;
    double similarity;
    hone_error *errors;        /* [chunks] */
};

/* The finalizer of SplitMix64. */
static uint64_t near_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* Piece i of a text; of a text that is shorter than one, all of it. */
static uint64_t near_piece(const struct near_text *t, size_t i)
{
    size_t n = t->count < NEAR_PIECE ? t->count : NEAR_PIECE;
    uint64_t piece = n;

    for (size_t k = 0; k < n; k++)
        piece = piece << 8 | (unsigned char)t->bytes[i + k];
    return piece;
}

static size_t near_pieces_of(const struct near_text *t)
{
    return t->count < NEAR_PIECE ? 1 : t->count - NEAR_PIECE + 1;
}

/* ---- signatures ---- */

static void near_sign(struct near_text *t)
{
    bool filled[NEAR_BINS] = {0};
    uint32_t values[NEAR_BINS];

    for (size_t i = 0, n = near_pieces_of(t); i < n; i++) {
        uint64_t h = near_mix(near_piece(t, i) * UINT64_C(0x9E3779B97F4A7C15));
        size_t bin = (size_t)(h >> 57);
        if (!filled[bin] || (uint32_t)h < values[bin])
            values[bin] = (uint32_t)h;
        filled[bin] = true;
    }
    for (size_t b = 0; b < NEAR_BINS; b++) {
        size_t from = b;
        for (uint64_t attempt = 1; !filled[from]; attempt++)
            from = near_mix((uint64_t)(b + 1) << 32 | attempt) % NEAR_BINS;
        t->bins[b] = values[from];
    }
}

static int near_read(struct near *n, data_normaliser *normaliser, size_t i, hone_error *err)
{
    struct near_text *t = &n->rows[i];
    data_normal normal;
    int code;

    if (!n->texts[i])
        return HONE_OK;
    code = data_normalise_text(normaliser, n->texts[i], strlen(n->texts[i]), &normal, err);
    if (code)
        return hone_fail_in(err, "text %zu", i + 1);
    t->count = normaliser->folded.count;
    t->bytes = hone_alloc(t->count + 1, 1);
    if (!t->bytes)
        return hone_fail_memory(err, "a normalised text");
    if (t->count)
        memcpy(t->bytes, normaliser->folded.bytes, t->count);
    memcpy(t->digest, normal.digest, sizeof t->digest);
    near_sign(t);
    return HONE_OK;
}

static void near_read_chunk(void *arg, int64_t chunk)
{
    struct near *n = arg;
    size_t from = (size_t)chunk * n->count / NEAR_CHUNK;
    size_t to = ((size_t)chunk + 1) * n->count / NEAR_CHUNK;
    data_normaliser normaliser = {0};

    for (size_t i = from; i < to && !n->errors[chunk].code; i++)
        n->errors[chunk].code = near_read(n, &normaliser, i, &n->errors[chunk]);
    data_normaliser_close(&normaliser);
}

static int near_read_all(struct near *n, hone_context *context, hone_error *err)
{
    if (context)
        hone_parallel(context, NEAR_CHUNK, near_read_chunk, n);
    for (int64_t c = 0; !context && c < NEAR_CHUNK; c++)
        near_read_chunk(n, c);
    for (size_t c = 0; c < NEAR_CHUNK; c++)
        if (n->errors[c].code) {
            if (err)
                *err = n->errors[c];
            return n->errors[c].code;
        }
    return HONE_OK;
}

/* ---- groups ---- */

static size_t near_root(struct near *n, size_t i)
{
    while (n->out[i].first != i) {
        n->out[i].first = n->out[n->out[i].first].first;
        i = n->out[i].first;
    }
    return i;
}

/* Join the groups of two texts; each remembers the first other that it met. */
static void near_join(struct near *n, size_t a, size_t b, double similarity)
{
    size_t x = near_root(n, a), y = near_root(n, b);

    if (isnan(n->out[a].similarity) || similarity > n->out[a].similarity) {
        n->out[a].like = b;
        n->out[a].similarity = similarity;
    }
    if (isnan(n->out[b].similarity) || similarity > n->out[b].similarity) {
        n->out[b].like = a;
        n->out[b].similarity = similarity;
    }
    if (x < y)
        n->out[y].first = x;
    else
        n->out[x].first = y;
}

static int near_key_compare(const void *a, const void *b)
{
    const struct near_key *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->text < y->text ? -1 : x->text > y->text;
}

/* Join equal texts. Keys hold the head of the digest: texts that share it and are
 * not equal do not occur, but would only stay apart. */
static void near_join_equal(struct near *n)
{
    size_t count = 0;

    for (size_t i = 0; i < n->count; i++) {
        if (!n->rows[i].bytes)
            continue;
        memcpy(&n->keys[count].hash, n->rows[i].digest, sizeof n->keys->hash);
        n->keys[count++].text = i;
    }
    if (count)
        qsort(n->keys, count, sizeof *n->keys, near_key_compare);
    for (size_t i = 1; i < count; i++) {
        size_t a = n->keys[i - 1].text, b = n->keys[i].text;
        if (memcmp(n->rows[a].digest, n->rows[b].digest, 32) == 0)
            near_join(n, a, b, 1);
    }
}

/* ---- comparing ---- */

static int piece_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int near_pieces_make(struct near_pieces *p, const struct near *n, size_t i,
                            hone_error *err)
{
    size_t count = near_pieces_of(&n->rows[i]);

    if (p->of == i + 1)
        return HONE_OK;
    if (count > p->room) {
        uint64_t *grown = hone_realloc(p->items, count + count / 2, sizeof *grown);
        if (!grown)
            return hone_fail_memory(err, "pieces of a text");
        p->items = grown;
        p->room = count + count / 2;
    }
    for (size_t k = 0; k < count; k++)
        p->items[k] = near_piece(&n->rows[i], k);
    qsort(p->items, count, sizeof *p->items, piece_compare);
    p->count = 0;
    for (size_t k = 0; k < count; k++)
        if (!k || p->items[k] != p->items[p->count - 1])
            p->items[p->count++] = p->items[k];
    p->of = i + 1;
    return HONE_OK;
}

/* Jaccard's similarity of texts a and b. */
static int near_compare(struct near *n, size_t a, size_t b, double *similarity, hone_error *err)
{
    size_t i = 0, k = 0, both = 0;
    int code;

    *similarity = 0;
    if ((code = near_pieces_make(&n->left, n, a, err)) ||
        (code = near_pieces_make(&n->right, n, b, err)))
        return code;
    while (i < n->left.count && k < n->right.count) {
        uint64_t x = n->left.items[i], y = n->right.items[k];
        both += x == y;
        i += x <= y;
        k += y <= x;
    }
    *similarity = (double)both / (double)(n->left.count + n->right.count - both);
    return HONE_OK;
}

/* Texts of a run share a band: compare each with those that stand for groups. */
static int near_join_run(struct near *n, const struct near_key *run, size_t count, hone_error *err)
{
    size_t heads[NEAR_TRIES], known = 0;

    for (size_t i = 0; i < count; i++) {
        size_t text = run[i].text;
        bool joined = false;
        for (size_t h = known; h-- > 0 && !joined;) {
            double similarity;
            int code;
            if (near_root(n, text) == near_root(n, heads[h])) {
                joined = true;
                break;
            }
            if ((code = near_compare(n, text, heads[h], &similarity, err)))
                return code;
            if (similarity >= n->similarity) {
                near_join(n, heads[h], text, similarity);
                joined = true;
            }
        }
        if (!joined)
            heads[known < NEAR_TRIES ? known++ : i % NEAR_TRIES] = text;
    }
    return HONE_OK;
}

/* Bins a band, as many as find a pair at the threshold with chance 0.98. */
static size_t near_rows(double similarity)
{
    for (size_t r = 64; r > 1; r /= 2)
        if (1 - pow(1 - pow(similarity, (double)r), (double)(NEAR_BINS / r)) >= 0.98)
            return r;
    return 1;
}

static int near_join_similar(struct near *n, hone_context *context, hone_error *err)
{
    size_t rows = near_rows(n->similarity);
    int code = HONE_OK;

    for (size_t band = 0; band < NEAR_BINS / rows && !code; band++) {
        size_t count = 0;
        if (context && hone_context_interrupted(context))
            return hone_fail(err, HONE_EINTERRUPTED, "near-duplicates: interrupted");
        for (size_t i = 0; i < n->count; i++) {
            const struct near_text *t = &n->rows[i];
            uint64_t hash = band;
            if (!t->bytes || (n->out[i].like < i && n->out[i].similarity == 1 &&
                              n->rows[n->out[i].like].count == t->count &&
                              memcmp(n->rows[n->out[i].like].digest, t->digest, 32) == 0))
                continue;
            for (size_t k = 0; k < rows; k++)
                hash = near_mix(hash ^ t->bins[band * rows + k]) + UINT64_C(0x9E3779B97F4A7C15);
            n->keys[count++] = (struct near_key){ hash, i };
        }
        if (count)
            qsort(n->keys, count, sizeof *n->keys, near_key_compare);
        for (size_t i = 0, end; i < count && !code; i = end) {
            for (end = i + 1; end < count && n->keys[end].hash == n->keys[i].hash; end++)
                continue;
            if (end - i > 1)
                code = near_join_run(n, n->keys + i, end - i, err);
        }
    }
    return code;
}

static void near_free(struct near *n)
{
    for (size_t i = 0; n->rows && i < n->count; i++)
        hone_free(n->rows[i].bytes);
    hone_free(n->rows);
    hone_free(n->keys);
    hone_free(n->errors);
    hone_free(n->left.items);
    hone_free(n->right.items);
    hone_free(n->out);
}

int hone_near_find(hone_near **out, hone_context *context, const char *const *texts, size_t count,
                   double similarity, hone_error *err)
{
    struct near n = { .texts = texts, .count = count, .similarity = similarity };
    int code;

    *out = NULL;
    if (!(similarity > 0 && similarity <= 1))
        return hone_fail(err, HONE_EINVAL, "similarity is %g; it is above 0 and at most 1",
                         similarity);
    n.rows = hone_alloc(count + 1, sizeof *n.rows);
    n.keys = hone_alloc(count + 1, sizeof *n.keys);
    n.out = hone_alloc(count + 1, sizeof *n.out);
    n.errors = hone_alloc(NEAR_CHUNK, sizeof *n.errors);
    if (!n.rows || !n.keys || !n.out || !n.errors) {
        code = hone_fail_memory(err, "near-duplicates");
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        n.out[i] = (hone_near){ i, i, NAN };
    if ((code = near_read_all(&n, context, err)))
        goto out;
    near_join_equal(&n);
    if (similarity < 1 && (code = near_join_similar(&n, context, err)))
        goto out;
    for (size_t i = 0; i < count; i++) {
        n.out[i].first = near_root(&n, i);
        if (n.out[i].first == i && n.out[i].like != i)
            n.out[i] = (hone_near){ i, i, NAN };
    }
    *out = n.out;
    n.out = NULL;
out:
    near_free(&n);
    return code;
}
