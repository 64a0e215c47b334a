/* encode.c -- text to ids and back.
 *
 * Texts repeat their words: what a short piece became is remembered in a table
 * in which every piece has one place and the last to come stays. It changes
 * nothing but the time. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

enum { CACHE_SLOTS = 1 << 15, CACHE_KEY = 30, CACHE_IDS = 8 };

struct bpe_cached {
    uint8_t size, count; /* size 0: empty */
    char key[CACHE_KEY];
    int32_t ids[CACHE_IDS];
};

struct encoder {
    struct bpe_model *m;
    hone_ids *ids;
};

struct bpe_cached *bpe_cache_new(void)
{
    return hone_alloc(CACHE_SLOTS, sizeof(struct bpe_cached));
}

static int encode_ids(hone_ids *out, const int32_t *ids, size_t n, hone_error *err)
{
    int code = HONE_OK;

    if (n > 0 && n <= out->capacity - out->count) {
        memcpy(out->items + out->count, ids, n * sizeof *ids);
        out->count += n;
        return HONE_OK;
    }
    for (size_t i = 0; i < n && code == HONE_OK; i++)
        code = hone_ids_push(out, ids[i], err);
    return code;
}

/* ---- a piece ---- */

/* What has no token becomes unk; several in a row may become one. */
static int encode_unknown(struct bpe_model *m, const char *s, size_t size, bool *fused,
                          hone_error *err)
{
    size_t ignored;

    if (m->unk < 0 && m->byte_level)
        return hone_fail(err, HONE_EINVAL, "byte 0x%02x has no token, and there is no unk token",
                         (unsigned)(unsigned char)*s);
    if (m->unk < 0)
        return hone_fail(err, HONE_EINVAL,
                         "character '%.*s' (U+%04" PRIX32
                         ") has no token, and there is no unk token", (int)size, s,
                         utf8_read(s, &ignored));
    if (*fused && m->fuse_unk)
        return HONE_OK;
    *fused = true;
    return hone_ids_push(&m->symbols, m->unk, err);
}

static int encode_bytes(struct bpe_model *m, const char *s, size_t n, hone_error *err)
{
    bool fused = false;
    int code = HONE_OK;

    for (size_t i = 0; i < n && code == HONE_OK; i++) {
        int32_t id = m->byte_ids[(unsigned char)s[i]];

        if (id < 0) {
            code = encode_unknown(m, s + i, 1, &fused, err);
        } else {
            fused = false;
            code = hone_ids_push(&m->symbols, id, err);
        }
    }
    return code;
}

static bool encode_falls_back(const struct bpe_model *m, const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (m->byte_ids[(unsigned char)s[i]] < 0)
            return false;
    return m->byte_fallback;
}

static int encode_characters(struct bpe_model *m, const char *s, size_t n, hone_error *err)
{
    bool fused = false;
    int code = HONE_OK;

    for (size_t i = 0, size; i < n && code == HONE_OK; i += size) {
        int32_t id;

        size = utf8_size(s[i]);
        id = bpe_vocab_find(&m->vocab, s + i, size, false);
        if (id >= 0) {
            fused = false;
            code = hone_ids_push(&m->symbols, id, err);
        } else if (encode_falls_back(m, s + i, size)) {
            fused = false;
            for (size_t j = 0; j < size && code == HONE_OK; j++)
                code = hone_ids_push(&m->symbols, m->byte_ids[(unsigned char)s[i + j]], err);
        } else {
            code = encode_unknown(m, s + i, size, &fused, err);
        }
    }
    return code;
}

/* Leaves the ids in m->symbols. */
static int encode_merged(struct bpe_model *m, const char *s, size_t n, hone_error *err)
{
    int code;

    m->symbols.count = 0;
    if (m->ignore_merges) {
        int32_t id = bpe_vocab_find(&m->vocab, s, n, false);
        if (id >= 0)
            return hone_ids_push(&m->symbols, id, err);
    }
    code = m->byte_level ? encode_bytes(m, s, n, err) : encode_characters(m, s, n, err);
    return code == HONE_OK ? bpe_merge(&m->merges, &m->scratch, m->symbols.items,
                                       &m->symbols.count, err) : code;
}

static int encode_cached(struct bpe_model *m, const char *s, size_t n, hone_ids *ids,
                         hone_error *err)
{
    struct bpe_cached *c = NULL;
    int code;

    if (n == 1 && m->byte_level && m->byte_ids[(unsigned char)*s] >= 0)
        return encode_ids(ids, &m->byte_ids[(unsigned char)*s], 1, err);
    if (n <= CACHE_KEY) {
        c = &m->cache[bpe_hash(s, n) % CACHE_SLOTS];
        if (c->size == n && memcmp(c->key, s, n) == 0)
            return encode_ids(ids, c->ids, c->count, err);
    }
    code = encode_merged(m, s, n, err);
    if (code == HONE_OK)
        code = encode_ids(ids, m->symbols.items, m->symbols.count, err);
    if (code == HONE_OK && c && m->symbols.count <= CACHE_IDS) {
        c->size = (uint8_t)n;
        c->count = (uint8_t)m->symbols.count;
        memcpy(c->key, s, n);
        memcpy(c->ids, m->symbols.items, m->symbols.count * sizeof *c->ids);
    }
    return code;
}

/* The next mark behind another character, or n. */
static size_t encode_word(const char *s, size_t n, size_t at)
{
    bool other = false;

    while (at < n) {
        bool mark = n - at >= 3 && memcmp(s + at, "\xe2\x96\x81", 3) == 0;

        if (mark && other)
            break;
        other |= !mark;
        at += utf8_size(s[at]);
    }
    return at;
}

static int encode_piece(void *user, const char *s, size_t n, hone_error *err)
{
    const struct encoder *e = user;
    int code = HONE_OK;

    if (!e->m->words)
        return encode_cached(e->m, s, n, e->ids, err);
    for (size_t at = 0, end; at < n && code == HONE_OK; at = end) {
        end = encode_word(s, n, at);
        code = encode_cached(e->m, s + at, end - at, e->ids, err);
    }
    return code;
}

static int encode_token(void *user, int32_t id, hone_error *err)
{
    const struct encoder *e = user;
    return hone_ids_push(e->ids, id, err);
}

/* ---- a text ---- */

struct cutter {
    struct bpe_model *m;
    bool special;
    bpe_emit *piece;
    bpe_emit_token *token;
    void *user;
};

/* A stretch between added tokens that are matched in raw text. */
static int encode_stretch(const struct cutter *c, const char *text, size_t n, bool start,
                          hone_error *err)
{
    struct bpe_model *m = c->m;
    struct bpe_cut cut;
    size_t at = 0, done = 0;
    int code;

    if (n == 0)
        return HONE_OK;
    code = bpe_normalize(&m->normalizer, &text, &n, err);
    while (code == HONE_OK && bpe_added_next(&m->normalized, &m->vocab, c->special, text, n, &at,
                                             done, &cut)) {
        code = bpe_pretokenize(&m->pretokenizer, text + done, cut.start - done,
                               start && done == 0, c->piece, c->user, err);
        if (code == HONE_OK)
            code = c->token(c->user, cut.id, err);
        done = cut.stop;
    }
    if (code == HONE_OK)
        code = bpe_pretokenize(&m->pretokenizer, text + done, n - done, start && done == 0,
                               c->piece, c->user, err);
    return code;
}

int bpe_pieces(struct bpe_model *m, const char *text, size_t n, bool special, bpe_emit *piece,
               bpe_emit_token *token, void *user, hone_error *err)
{
    const struct cutter c = { m, special, piece, token, user };
    size_t at = 0, done = 0, bad;
    struct bpe_cut cut;
    int code = HONE_OK;

    if (n > BPE_TEXT_MAX)
        return hone_fail(err, HONE_EINVAL, "a text of %zu bytes (allowed: %zu)", n, BPE_TEXT_MAX);
    bad = utf8_check(text, n);
    if (bad < n)
        return hone_fail(err, HONE_EINVAL, "the text is not UTF-8 at byte %zu (0x%02x)", bad,
                         (unsigned)(unsigned char)text[bad]);
    while (code == HONE_OK &&
           bpe_added_next(&m->raw, &m->vocab, special, text, n, &at, done, &cut)) {
        code = encode_stretch(&c, text + done, cut.start - done, done == 0, err);
        if (code == HONE_OK)
            code = token(user, cut.id, err);
        done = cut.stop;
    }
    return code == HONE_OK ? encode_stretch(&c, text + done, n - done, done == 0, err) : code;
}

int bpe_encode(struct bpe_model *m, const char *text, size_t n, int flags, hone_ids *ids,
               hone_error *err)
{
    struct encoder e = { m, ids };
    size_t before = ids->count;
    int code = HONE_OK;

    if (flags & HONE_ENCODE_BOS)
        code = encode_ids(ids, m->prefix.items, m->prefix.count, err);
    if (code == HONE_OK)
        code = bpe_pieces(m, text, n, flags & HONE_ENCODE_SPECIAL, encode_piece, encode_token, &e,
                          err);
    if (code == HONE_OK && flags & HONE_ENCODE_BOS)
        code = encode_ids(ids, m->suffix.items, m->suffix.count, err);
    if (code != HONE_OK)
        ids->count = before;
    return code;
}

/* ---- back ---- */

/* The first token of a text goes through the decoder's steps, which may drop a space. */
static int decode_first(struct bpe_model *m, int32_t id, hone_text *text, hone_error *err)
{
    int code;

    m->spelled.count = 0;
    code = bpe_model_spell(m, id, &m->spelled, err);
    return code == HONE_OK ? bpe_decoder_token(&m->decoder, text, m->spelled.bytes,
                                               m->spelled.count, true, err) : code;
}

int bpe_decode(struct bpe_model *m, const int32_t *ids, size_t count, bool special,
               hone_text *text, hone_error *err)
{
    bool started = m->byte_level && m->decoder.bytes;
    int code = HONE_OK;

    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        const struct bpe_token *t;

        if (ids[i] < 0 || (size_t)ids[i] >= m->vocab.count)
            return hone_fail(err, HONE_EINVAL, "id %" PRId32 " is not in the vocabulary "
                             "(allowed: 0 to %zu)", ids[i], m->vocab.count - 1);
        t = &m->vocab.tokens[ids[i]];
        if (t->flags & BPE_SPECIAL && !special)
            continue;
        code = started ? hone_text_push(text, m->vocab.bytes.bytes + t->out, t->out_size, err)
                       : decode_first(m, ids[i], text, err);
        started = started || t->out_size > 0;
    }
    return code;
}
