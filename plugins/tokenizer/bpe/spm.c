/* spm.c -- SentencePiece models of the BPE kind (tokenizer.model).
 *
 * A protobuf message, sentencepiece_model.proto of
 * https://github.com/google/sentencepiece:
 *
 *   1  pieces       1 text, 2 score (float), 3 type
 *   2  trainer      3 model_type, 40 unk_id, 41 bos_id, 42 eos_id, 43 pad_id
 *   3  normalizer   2 precompiled map, 3 add_dummy_prefix,
 *                   4 remove_extra_whitespaces, 5 escape_whitespaces
 *
 * Neighbours are merged if their text together is a piece, the one of highest
 * score first, the leftmost of these. Characters without a piece become bytes
 * where there are pieces for them. The space in front (add_dummy_prefix) is put
 * before every stretch between special tokens, as the tokenizer.json published
 * with such models does. */
#include "bpe.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
enum { UNIGRAM = 1, BPE, WORD, CHAR };

struct reader {
    const unsigned char *bytes;
    size_t n, at;
};

struct field {
    uint64_t number, value; /* value: a varint, or the bits of a float */
    unsigned type;
    struct reader message;  /* type 2 */
};

struct piece {
    const char *text;
    size_t size;
    float score;
    uint64_t type;
};

struct spm {
    struct piece *pieces;
    size_t count, capacity;
    uint64_t model_type;
    int32_t unk, bos, eos, pad;
    bool dummy_prefix, trim, escape, map;
};

/* ---- protobuf ---- */

static bool spm_varint(struct reader *r, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->n; shift += 7) {
        unsigned char byte = r->bytes[r->at++];

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool spm_take(struct reader *r, uint64_t n, struct reader *out)
{
    if (n > r->n - r->at)
        return false;
    *out = (struct reader){ r->bytes + r->at, (size_t)n, 0 };
    r->at += (size_t)n;
    return true;
}

/* The next field: 1, or 0 at the end, or -1 where the bytes are none. */
static int spm_field(struct reader *r, struct field *f)
{
    uint64_t key, n;
    struct reader raw;

    if (r->at == r->n)
        return 0;
    if (!spm_varint(r, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return -1;
    f->number = key >> 3;
    f->type = key & 7;
    f->value = 0;
    switch (f->type) {
    case 0:
        return spm_varint(r, &f->value) ? 1 : -1;
    case 1:
    case 5:
        if (!spm_take(r, f->type == 1 ? 8 : 4, &raw))
            return -1;
        for (size_t i = raw.n; i-- > 0;)
            f->value = f->value << 8 | raw.bytes[i];
        return 1;
    case 2:
        return spm_varint(r, &n) && spm_take(r, n, &f->message) ? 1 : -1;
    default:
        return -1;
    }
}

static int spm_cut_short(const struct reader *r, const char *what, hone_error *err)
{
    return hone_fail(err, HONE_EFORMAT, "%s is cut short or broken at byte %zu of %zu", what,
                     r->at, r->n);
}

/* ---- the messages ---- */

static int spm_piece(struct spm *s, struct reader r, hone_error *err)
{
    struct piece p = { .type = NORMAL };
    struct field f;
    int more;

    while ((more = spm_field(&r, &f)) > 0) {
        if (f.number == 1 && f.type == 2) {
            p.text = (const char *)f.message.bytes;
            p.size = f.message.n;
        } else if (f.number == 2 && f.type == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&p.score, &bits, sizeof bits);
        } else if (f.number == 3 && f.type == 0) {
            p.type = f.value;
        }
    }
    if (more < 0 || !p.text || p.size == 0)
        return spm_cut_short(&r, "a piece", err);
    if (utf8_check(p.text, p.size) < p.size || memchr(p.text, '\0', p.size))
        return hone_fail(err, HONE_EFORMAT, "is not UTF-8 without zero bytes");
    if (p.type < NORMAL || p.type > BYTE || p.type == UNUSED)
        return hone_fail(err, HONE_EUNSUPPORTED, "type %" PRIu64 " is not supported", p.type);
    if (!(p.score - p.score == 0))
        return hone_fail(err, HONE_EFORMAT, "the score is no finite number");
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 1024;
        struct piece *pieces = hone_realloc(s->pieces, capacity, sizeof *pieces);
        if (!pieces)
            return hone_fail_memory(err, "pieces");
        s->pieces = pieces;
        s->capacity = capacity;
    }
    s->pieces[s->count++] = p;
    return HONE_OK;
}

static int spm_trainer(struct spm *s, struct reader r, hone_error *err)
{
    struct field f;
    int more;

    while ((more = spm_field(&r, &f)) > 0) {
        int32_t *id = f.number == 40 ? &s->unk : f.number == 41 ? &s->bos
                    : f.number == 42 ? &s->eos : f.number == 43 ? &s->pad : NULL;
        if (f.type != 0)
            continue;
        if (f.number == 3)
            s->model_type = f.value;
        if (id)
            *id = f.value < (uint64_t)BPE_IDS_MAX ? (int32_t)f.value : -1;
    }
    return more < 0 ? spm_cut_short(&r, "the trainer's settings", err) : HONE_OK;
}

static int spm_normalizer(struct spm *s, struct reader r, hone_error *err)
{
    struct field f;
    int more;

    while ((more = spm_field(&r, &f)) > 0) {
        if (f.number == 2 && f.type == 2)
            s->map = f.message.n > 0;
        else if (f.number == 3 && f.type == 0)
            s->dummy_prefix = f.value;
        else if (f.number == 4 && f.type == 0)
            s->trim = f.value;
        else if (f.number == 5 && f.type == 0)
            s->escape = f.value;
    }
    return more < 0 ? spm_cut_short(&r, "the normalizer's settings", err) : HONE_OK;
}

static int spm_parse(struct spm *s, const char *bytes, size_t n, hone_error *err)
{
    struct reader r = { (const unsigned char *)bytes, n, 0 };
    struct field f;
    int more, code = HONE_OK;

    while (code == HONE_OK && (more = spm_field(&r, &f)) > 0) {
        if (f.type != 2)
            continue;
        if (f.number == 1) {
            code = spm_piece(s, f.message, err);
            if (code != HONE_OK)
                hone_fail_in(err, "piece %zu", s->count);
        } else if (f.number == 2) {
            code = spm_trainer(s, f.message, err);
        } else if (f.number == 3) {
            code = spm_normalizer(s, f.message, err);
        }
    }
    return code == HONE_OK && more < 0 ? spm_cut_short(&r, "the file", err) : code;
}

static int spm_check(const struct spm *s, hone_error *err)
{
    static const char *const kinds[] = { "", "UNIGRAM", "BPE", "WORD", "CHAR" };

    if (s->model_type != BPE)
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "a SentencePiece model of type %s is not supported (known: BPE)",
                         s->model_type <= CHAR ? kinds[s->model_type] : "unknown");
    if (s->map)
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "a SentencePiece model with a normalization map is not supported");
    if (!s->escape)
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "a SentencePiece model that does not escape spaces is not supported");
    return HONE_OK;
}

/* ---- into a tokenizer ---- */

struct ranked {
    float score;
    uint32_t id;
};

static int spm_compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score ? 1 : (x->id > y->id) - (x->id < y->id);
}

/* Pieces of the same score have the same rank: the leftmost of them goes first. */
static int spm_merges(struct bpe_model *m, const struct spm *s, hone_error *err)
{
    struct ranked *ranked = hone_alloc(s->count, sizeof *ranked);
    uint32_t *rank = hone_alloc(s->count, sizeof *rank);
    uint32_t next = 0;
    int code;

    if (!ranked || !rank) {
        code = hone_fail_memory(err, "merges");
        goto out;
    }
    for (size_t id = 0; id < s->count; id++)
        ranked[id] = (struct ranked){ s->pieces[id].score, (uint32_t)id };
    qsort(ranked, s->count, sizeof *ranked, spm_compare);
    for (size_t i = 0; i < s->count; i++) {
        next += i > 0 && ranked[i].score != ranked[i - 1].score;
        rank[ranked[i].id] = s->pieces[ranked[i].id].type == NORMAL ? next : UINT32_MAX;
    }
    code = bpe_model_pairs(m, rank, err);
out:
    hone_free(ranked);
    hone_free(rank);
    return code;
}

static int spm_tokens(struct bpe_model *m, const struct spm *s, hone_error *err)
{
    int code = HONE_OK;

    for (size_t id = 0; id < s->count && code == HONE_OK; id++) {
        const struct piece *p = &s->pieces[id];

        code = bpe_model_token(m, (int64_t)id, p->text, p->size, err);
        if (code != HONE_OK || p->type == NORMAL)
            continue;
        if (p->type == BYTE)
            m->byte_fallback = true;
        else
            code = bpe_model_added(m, (int64_t)id, p->text, p->size,
                                   p->type == USER ? 0 : BPE_SPECIAL, err);
        if (p->type == UNKNOWN)
            m->unk = (int32_t)id;
    }
    return code;
}

static const char *spm_name(struct bpe_model *m, const struct spm *s, int32_t id, int role,
                            hone_text *name, hone_error *err)
{
    if (id < 0 || (size_t)id >= s->count)
        return NULL;
    m->roles[role] = id;
    return hone_text_push(name, s->pieces[id].text, s->pieces[id].size, err) == HONE_OK
               ? name->bytes : NULL;
}

static int spm_build(struct bpe_model *m, const struct spm *s, hone_error *err)
{
    hone_text bos = {0}, eos = {0}, pad = {0};
    const char *prefix = spm_name(m, s, s->bos, BPE_BOS, &bos, err);
    const char *suffix = spm_name(m, s, s->eos, BPE_EOS, &eos, err);
    int code;

    spm_name(m, s, s->pad, BPE_PAD, &pad, err);
    m->fuse_unk = true;
    m->bound = (int64_t)s->count < BPE_IDS_MAX ? (int64_t)s->count : BPE_IDS_MAX;
    code = spm_tokens(m, s, err);
    if (code == HONE_OK)
        code = spm_merges(m, s, err);
    m->roles[BPE_UNK] = m->unk;
    m->bound = BPE_IDS_MAX;
    if (code == HONE_OK)
        code = bpe_pipeline_spaces(m, s->dummy_prefix, s->trim,
                                   bpe_config_flag(m, "add_bos_token", true) ? prefix : NULL,
                                   bpe_config_flag(m, "add_eos_token", false) ? suffix : NULL,
                                   err);
    hone_free(bos.bytes);
    hone_free(eos.bytes);
    hone_free(pad.bytes);
    return code;
}

/* The first field is a piece with a text. */
bool bpe_spm_is(const char *bytes, size_t n)
{
    struct reader r = { (const unsigned char *)bytes, n, 0 };
    uint64_t size;

    return n > 3 && bytes[0] == 0x0a && (r.at = 1, spm_varint(&r, &size)) && r.at < n &&
           bytes[r.at] == 0x0a;
}

int bpe_spm_read(struct bpe_model *m, const char *bytes, size_t n, hone_error *err)
{
    struct spm s = { .model_type = UNIGRAM, .unk = 0, .bos = 1, .eos = 2, .pad = -1,
                     .dummy_prefix = true, .trim = true, .escape = true };
    int code = spm_parse(&s, bytes, n, err);

    if (code == HONE_OK)
        code = spm_check(&s, err);
    if (code == HONE_OK)
        code = spm_build(m, &s, err);
    hone_free(s.pieces);
    return code;
}
