/* model.c -- a tokenizer put together from what a reader found. */
#include "bpe.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

#define MARK "\xe2\x96\x81" /* U+2581, which stands for a space */

int bpe_model_new(struct bpe_model **out, hone_error *err)
{
    struct bpe_model *m = hone_alloc(1, sizeof *m);

    *out = m;
    if (!m)
        return hone_fail_memory(err, "a tokenizer");
    m->unk = -1;
    m->bound = BPE_IDS_MAX;
    for (size_t i = 0; i < BPE_ROLES; i++)
        m->roles[i] = -1;
    return HONE_OK;
}

void bpe_model_free(struct bpe_model *m)
{
    if (!m)
        return;
    bpe_vocab_free(&m->vocab);
    hone_free(m->merges.slots);
    bpe_trie_free(&m->raw);
    bpe_trie_free(&m->normalized);
    bpe_steps_free(&m->normalizer);
    bpe_steps_free(&m->pretokenizer);
    bpe_steps_free(&m->decoder.steps);
    json_decref(m->normalizer_json);
    json_decref(m->pretokenizer_json);
    json_decref(m->processor_json);
    json_decref(m->decoder_json);
    json_decref(m->config_json);
    hone_free(m->prefix.items);
    hone_free(m->suffix.items);
    bpe_scratch_free(&m->scratch);
    hone_free(m->symbols.items);
    hone_free(m->spelled.bytes);
    hone_free(m->cache);
    hone_free(m);
}

int bpe_model_pipeline(struct bpe_model *m, const json_t *normalizer, const json_t *pretokenizer,
                       const json_t *processor, const json_t *decoder, hone_error *err)
{
    int code;

    m->normalizer_json = json_incref((json_t *)normalizer);
    m->pretokenizer_json = json_incref((json_t *)pretokenizer);
    m->processor_json = json_incref((json_t *)processor);
    m->decoder_json = json_incref((json_t *)decoder);
    code = bpe_normalizer_read(&m->normalizer, normalizer, err);
    if (code == HONE_OK)
        code = bpe_pretokenizer_read(&m->pretokenizer, pretokenizer, &m->byte_level, err);
    if (code == HONE_OK)
        code = bpe_decoder_read(&m->decoder, decoder, err);
    return code;
}

/* ---- tokens ---- */

/* The key for a token as files spell it, in m->spelled unless it is the text itself. */
static int model_key(struct bpe_model *m, const char **key, size_t *n, bool *literal,
                     hone_error *err)
{
    int code;

    *literal = false;
    if (!m->byte_level)
        return HONE_OK;
    m->spelled.count = 0;
    code = bpe_unspell(&m->spelled, *key, *n, literal, err);
    if (code == HONE_OK && !*literal) {
        *key = m->spelled.bytes;
        *n = m->spelled.count;
    }
    return code;
}

int bpe_model_token(struct bpe_model *m, int64_t id, const char *text, size_t n, hone_error *err)
{
    bool literal;
    int code = model_key(m, &text, &n, &literal, err);

    if (code != HONE_OK)
        return code;
    return bpe_vocab_put(&m->vocab, id, m->bound, text, n,
                         literal ? BPE_MODEL | BPE_LITERAL : BPE_MODEL, err);
}

int32_t bpe_model_find(struct bpe_model *m, const char *text, size_t n, hone_error *err)
{
    const char *key = text;
    size_t size = n;
    bool literal;
    int32_t id;

    if (model_key(m, &key, &size, &literal, err) != HONE_OK)
        return -1;
    id = bpe_vocab_find(&m->vocab, key, size, literal);
    return id >= 0 || !m->byte_level ? id : bpe_vocab_find(&m->vocab, text, n, true);
}

int bpe_model_spell(const struct bpe_model *m, int32_t id, hone_text *out, hone_error *err)
{
    const struct bpe_token *t = &m->vocab.tokens[id];
    const char *key = bpe_vocab_key(&m->vocab, id);

    return m->byte_level && !(t->flags & BPE_LITERAL) ? bpe_spell(out, key, t->key_size, err)
                                                      : hone_text_push(out, key, t->key_size, err);
}

int bpe_model_added(struct bpe_model *m, int64_t id, const char *text, size_t n, uint32_t flags,
                    hone_error *err)
{
    int32_t known = bpe_model_find(m, text, n, err);
    int code = HONE_OK;

    if (known >= 0 && id >= 0 && known != id)
        return hone_fail(err, HONE_EFORMAT,
                         "added token '%.80s' has id %" PRId64 ", but %" PRId32
                         " in the vocabulary", text, id, known);
    if (known < 0) {
        known = (int32_t)m->vocab.count;
        code = bpe_vocab_put(&m->vocab, id < 0 ? known : id, m->bound, text, n,
                             m->byte_level ? BPE_LITERAL : 0, err);
        if (code != HONE_OK)
            return code;
        known = id < 0 ? known : (int32_t)id;
    }
    m->vocab.tokens[known].flags |= flags | BPE_ADDED;
    if (!(flags & BPE_NORMALIZED))
        return bpe_trie_put(&m->raw, text, n, known, err);
    code = bpe_normalize(&m->normalizer, &text, &n, err);
    return code == HONE_OK ? bpe_trie_put(&m->normalized, text, n, known, err) : code;
}

/* ---- merges ---- */

static int32_t model_known(struct bpe_model *m, const char *text, size_t n, hone_error *err)
{
    int32_t id = bpe_model_find(m, text, n, err);

    if (id < 0)
        hone_fail(err, HONE_EFORMAT, "'%.*s' is not in the vocabulary", (int)(n < 80 ? n : 80),
                  text);
    return id;
}

int bpe_model_merge(struct bpe_model *m, uint32_t rank, const char *left, size_t left_size,
                    const char *right, size_t right_size, hone_error *err)
{
    const struct bpe_vocab *v = &m->vocab;
    int32_t a = model_known(m, left, left_size, err), b, id;
    int code;

    if (a < 0)
        return HONE_EFORMAT;
    b = model_known(m, right, right_size, err);
    if (b < 0)
        return HONE_EFORMAT;
    m->spelled.count = 0;
    code = hone_text_push(&m->spelled, bpe_vocab_key(v, a), v->tokens[a].key_size, err);
    if (code == HONE_OK)
        code = hone_text_push(&m->spelled, bpe_vocab_key(v, b), v->tokens[b].key_size, err);
    if (code != HONE_OK)
        return code;
    id = bpe_vocab_find(v, m->spelled.bytes, m->spelled.count,
                        (v->tokens[a].flags | v->tokens[b].flags) & BPE_LITERAL);
    if (id < 0)
        return hone_fail(err, HONE_EFORMAT, "'%.*s%.*s' is not in the vocabulary",
                         (int)(left_size < 80 ? left_size : 80), left,
                         (int)(right_size < 80 ? right_size : 80), right);
    return bpe_merges_put(&m->merges, a, b, rank, id, err);
}

int bpe_model_pairs(struct bpe_model *m, const uint32_t *rank, hone_error *err)
{
    const struct bpe_vocab *v = &m->vocab;
    int code = HONE_OK;

    for (size_t id = 0; id < v->count && code == HONE_OK; id++) {
        const char *key = bpe_vocab_key(v, (int32_t)id);
        size_t n = v->tokens[id].key_size;

        if (rank[id] == UINT32_MAX)
            continue;
        if (n > BPE_PART_MAX) /* every place to part it is looked up: n^2 */
            return hone_fail(err, HONE_EUNSUPPORTED, "token %zu has %zu bytes (allowed: %d)", id,
                             n, BPE_PART_MAX);
        for (size_t at = 1; at < n && code == HONE_OK; at++) {
            int32_t left, right;

            if (!m->byte_level && ((unsigned char)key[at] & 0xc0) == 0x80)
                continue;
            left = bpe_vocab_find(v, key, at, false);
            right = left < 0 ? -1 : bpe_vocab_find(v, key + at, n - at, false);
            if (right >= 0 && rank[left] != UINT32_MAX && rank[right] != UINT32_MAX)
                code = bpe_merges_put(&m->merges, left, right, rank[id], (int32_t)id, err);
        }
    }
    return code;
}

/* ---- the last things ---- */

static void model_byte_ids(struct bpe_model *m)
{
    for (int byte = 0; byte < 256; byte++) {
        char name[8] = { (char)byte };
        size_t n = 1;

        if (!m->byte_level)
            n = (size_t)snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        m->byte_ids[byte] = m->byte_level || m->byte_fallback
                                ? bpe_vocab_find(&m->vocab, name, n, false) : -1;
    }
}

/* Whether text can be parted before every mark that follows another character:
 * nothing that merges make holds the two. */
static bool model_has_words(const struct bpe_model *m)
{
    if (m->byte_level || m->ignore_merges || bpe_vocab_find(&m->vocab, MARK, 3, false) < 0)
        return false;
    for (size_t i = 0; m->merges.slots && i <= m->merges.mask; i++) {
        const struct bpe_pair *pair = &m->merges.slots[i];
        const char *key;
        size_t n;
        bool other = false;

        if (pair->key == UINT64_MAX)
            continue;
        key = bpe_vocab_key(&m->vocab, pair->id);
        n = m->vocab.tokens[pair->id].key_size;
        for (size_t at = 0; at < n; at += utf8_size(key[at])) {
            bool mark = n - at >= 3 && memcmp(key + at, MARK, 3) == 0;
            if (mark && other)
                return false;
            other |= !mark;
        }
    }
    return true;
}

static int model_outs(struct bpe_model *m, hone_error *err)
{
    hone_text spelled = {0}, out = {0};
    int code = HONE_OK;

    for (size_t id = 0; id < m->vocab.count && code == HONE_OK; id++) {
        spelled.count = out.count = 0;
        code = bpe_model_spell(m, (int32_t)id, &spelled, err);
        if (code == HONE_OK)
            code = bpe_decoder_token(&m->decoder, &out, spelled.bytes, spelled.count, false, err);
        if (code == HONE_OK)
            code = bpe_vocab_out(&m->vocab, (int32_t)id, out.bytes, out.count, err);
    }
    hone_free(spelled.bytes);
    hone_free(out.bytes);
    return code;
}

int bpe_model_finish(struct bpe_model *m, hone_error *err)
{
    int code;

    if (!m->vocab.count)
        return hone_fail(err, HONE_EFORMAT, "the vocabulary is empty");
    for (size_t id = 0; id < m->vocab.count; id++)
        if (!(m->vocab.tokens[id].flags & BPE_TOKEN))
            return hone_fail(err, HONE_EFORMAT,
                             "id %zu has no token: ids run from 0 to %zu without gaps", id,
                             m->vocab.count - 1);
    code = bpe_processor_read(m, m->processor_json, err);
    if (code == HONE_OK && !(m->byte_level && m->decoder.bytes))
        code = model_outs(m, err);
    if (code != HONE_OK)
        return code;
    model_byte_ids(m);
    m->words = model_has_words(m);
    m->cache = bpe_cache_new();
    return m->cache ? HONE_OK : hone_fail_memory(err, "a tokenizer");
}
