/* vocab.c -- the vocabulary: tokens by id and by bytes (see bpe.h).
 *
 * All bytes lie in one buffer; the hash table holds ids, open addressing,
 * at most half full. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

uint64_t bpe_hash(const char *bytes, size_t n)
{
    const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t h = n * k, word;

    for (; n >= sizeof word; bytes += sizeof word, n -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        h = (h ^ word) * k;
        h ^= h >> 29;
    }
    word = 0;
    memcpy(&word, bytes, n);
    h = (h ^ word) * k;
    h ^= h >> 32;
    h *= k;
    return h ^ h >> 29;
}

static bool vocab_is(const struct bpe_vocab *v, int32_t id, const char *key, size_t n,
                     bool literal)
{
    const struct bpe_token *t = &v->tokens[id];

    return t->key_size == n && !(t->flags & BPE_LITERAL) == !literal &&
           memcmp(v->bytes.bytes + t->key, key, n) == 0;
}

/* The slot that holds the key, or the empty one where it belongs. */
static size_t vocab_slot(const struct bpe_vocab *v, const char *key, size_t n, bool literal)
{
    size_t i = (size_t)bpe_hash(key, n) & v->mask;

    while (v->slots[i] && !vocab_is(v, (int32_t)(v->slots[i] - 1), key, n, literal))
        i = (i + 1) & v->mask;
    return i;
}

int32_t bpe_vocab_find(const struct bpe_vocab *v, const char *key, size_t n, bool literal)
{
    return v->slots ? (int32_t)v->slots[vocab_slot(v, key, n, literal)] - 1 : -1;
}

static int vocab_rehash(struct bpe_vocab *v, size_t slots, hone_error *err)
{
    uint32_t *fresh = hone_alloc(slots, sizeof *fresh);

    if (!fresh)
        return hone_fail_memory(err, "a vocabulary");
    hone_free(v->slots);
    v->slots = fresh;
    v->mask = slots - 1;
    for (size_t id = 0; id < v->count; id++) {
        const struct bpe_token *t = &v->tokens[id];
        if (t->flags & BPE_TOKEN)
            v->slots[vocab_slot(v, v->bytes.bytes + t->key, t->key_size,
                                t->flags & BPE_LITERAL)] = (uint32_t)id + 1;
    }
    return HONE_OK;
}

/* Room for `id`; ids between are free. */
static int vocab_reach(struct bpe_vocab *v, size_t id, hone_error *err)
{
    if (id >= v->capacity) {
        size_t capacity = v->capacity ? v->capacity : 256;
        struct bpe_token *tokens;

        while (capacity <= id)
            capacity *= 2;
        tokens = hone_realloc(v->tokens, capacity, sizeof *tokens);
        if (!tokens)
            return hone_fail_memory(err, "a vocabulary");
        v->tokens = tokens;
        v->capacity = capacity;
    }
    if (id >= v->count) {
        memset(v->tokens + v->count, 0, (id + 1 - v->count) * sizeof *v->tokens);
        v->count = id + 1;
    }
    return HONE_OK;
}

/* Append to the buffer, in which offsets are 32 bits. */
static int vocab_keep(struct bpe_vocab *v, const char *bytes, size_t n, uint32_t *at,
                      hone_error *err)
{
    if (v->bytes.count > UINT32_MAX - n - 1)
        return hone_fail(err, HONE_EINVAL, "the vocabulary has more than 4 GiB of text");
    *at = (uint32_t)v->bytes.count;
    return hone_text_push(&v->bytes, bytes, n, err);
}

int bpe_vocab_put(struct bpe_vocab *v, int64_t id, int64_t bound, const char *key, size_t n,
                  uint32_t flags, hone_error *err)
{
    int shown = (int)(n < 80 ? n : 80), code;
    size_t slot;

    if (id < 0 || id >= BPE_IDS_MAX)
        return hone_fail(err, HONE_EFORMAT,
                         "token '%.*s' has id %" PRId64 " (allowed: 0 to %" PRId64 ")", shown, key,
                         id, BPE_IDS_MAX - 1);
    if (id >= bound)
        return hone_fail(err, HONE_EFORMAT,
                         "token '%.*s' has id %" PRId64 ", but there are %" PRId64
                         " tokens: ids run from 0 without gaps", shown, key, id, bound);
    if ((size_t)id < v->count && v->tokens[id].flags & BPE_TOKEN)
        return hone_fail(err, HONE_EFORMAT,
                         "id %" PRId64 " is given to two tokens, '%.*s' and '%.*s'", id,
                         (int)(v->tokens[id].key_size < 80 ? v->tokens[id].key_size : 80),
                         bpe_vocab_key(v, (int32_t)id), shown, key);
    code = vocab_reach(v, (size_t)id, err);
    if (code == HONE_OK && 2 * (v->used + 1) > (v->slots ? v->mask + 1 : 0))
        code = vocab_rehash(v, v->slots ? 2 * (v->mask + 1) : 1024, err);
    if (code != HONE_OK)
        return code;
    slot = vocab_slot(v, key, n, flags & BPE_LITERAL);
    if (v->slots[slot])
        return hone_fail(err, HONE_EFORMAT, "token '%.*s' has two ids, %" PRIu32 " and %" PRId64,
                         shown, key, v->slots[slot] - 1, id);
    code = vocab_keep(v, key, n, &v->tokens[id].key, err);
    if (code != HONE_OK)
        return code;
    v->tokens[id].key_size = (uint32_t)n;
    v->tokens[id].out = v->tokens[id].key;
    v->tokens[id].out_size = (uint32_t)n;
    v->tokens[id].flags = flags | BPE_TOKEN;
    v->slots[slot] = (uint32_t)id + 1;
    v->used++;
    return HONE_OK;
}

int bpe_vocab_out(struct bpe_vocab *v, int32_t id, const char *out, size_t n, hone_error *err)
{
    struct bpe_token *t = &v->tokens[id];
    int code;

    if (n == t->key_size && memcmp(out, v->bytes.bytes + t->key, n) == 0) {
        t->out = t->key;
        t->out_size = t->key_size;
        return HONE_OK;
    }
    code = vocab_keep(v, out, n, &t->out, err);
    t->out_size = code == HONE_OK ? (uint32_t)n : 0;
    return code;
}

void bpe_vocab_free(struct bpe_vocab *v)
{
    hone_free(v->tokens);
    hone_free(v->bytes.bytes);
    hone_free(v->slots);
    *v = (struct bpe_vocab){0};
}

/* ---- bytes as files spell them ---- */

/* Printable Latin-1 stands for itself; the other 68 bytes are counted up from
 * U+0100: 0x00-0x20, 0x7f-0xa0, 0xad. */
uint32_t bpe_byte_char(unsigned char byte)
{
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0)
        return 0x121u + (byte - 0x7fu);
    return byte == 0xad ? 0x143u : byte;
}

int bpe_char_byte(uint32_t c)
{
    if (c >= 0x100)
        return c <= 0x120 ? (int)(c - 0x100) : c <= 0x142 ? (int)(c - 0x121 + 0x7f)
             : c == 0x143 ? 0xad : -1;
    return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad ? -1 : (int)c;
}

int bpe_unspell(hone_text *out, const char *text, size_t n, bool *literal, hone_error *err)
{
    size_t before = out->count, size;
    int code = hone_text_push(out, "", 0, err);

    *literal = false;
    for (size_t i = 0; i < n && code == HONE_OK; i += size) {
        int byte = bpe_char_byte(utf8_read(text + i, &size));

        if (byte < 0) {
            *literal = true;
            out->bytes[out->count = before] = '\0';
            return HONE_OK;
        }
        code = hone_text_push(out, &(char){ (char)byte }, 1, err);
    }
    return code;
}

int bpe_spell(hone_text *out, const char *bytes, size_t n, hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0; i < n && code == HONE_OK; i++) {
        char c[4];
        code = hone_text_push(out, c, utf8_write(bpe_byte_char((unsigned char)bytes[i]), c), err);
    }
    return code;
}
