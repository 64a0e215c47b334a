/* save.c -- a tokenizer written as tokenizer.json and tokenizer_config.json.
 *
 * Models read from ranks or scores get their merges numbered; where two pairs
 * make the same token, both had its rank and the leftmost went first, which
 * this format cannot say: here the one with the lower ids does. */
#include "bpe.h"

#include <stdlib.h>
#include <string.h>

static int save_compare(const void *a, const void *b)
{
    const struct bpe_pair *x = a, *y = b;

    return x->rank != y->rank ? (x->rank > y->rank) - (x->rank < y->rank)
                              : (x->key > y->key) - (x->key < y->key);
}

static json_t *save_text(const hone_text *text)
{
    return json_stringn(text->bytes ? text->bytes : "", text->count);
}

/* The token as files spell it; NULL: no memory, or no UTF-8. */
static json_t *save_token(const struct bpe_model *m, int32_t id, hone_text *scratch)
{
    scratch->count = 0;
    return bpe_model_spell(m, id, scratch, NULL) == HONE_OK ? save_text(scratch) : NULL;
}

static int save_vocab(const struct bpe_model *m, json_t *vocab, hone_error *err)
{
    hone_text text = {0};
    int code = HONE_OK;

    for (size_t id = 0; id < m->vocab.count && code == HONE_OK; id++) {
        if (!(m->vocab.tokens[id].flags & BPE_MODEL))
            continue;
        text.count = 0;
        code = bpe_model_spell(m, (int32_t)id, &text, err);
        if (code == HONE_OK &&
            json_object_set_new(vocab, text.bytes, json_integer((json_int_t)id)) != 0)
            code = hone_fail_memory(err, "a vocabulary");
    }
    hone_free(text.bytes);
    return code;
}

static int save_merges(const struct bpe_model *m, json_t *merges, hone_error *err)
{
    size_t count = 0;
    hone_text text = {0};
    struct bpe_pair *pairs = hone_alloc(m->merges.count, sizeof *pairs);
    int code = HONE_OK;

    if (!pairs)
        return hone_fail_memory(err, "merges");
    for (size_t i = 0; m->merges.slots && i <= m->merges.mask; i++)
        if (m->merges.slots[i].key != UINT64_MAX)
            pairs[count++] = m->merges.slots[i];
    if (count)
        qsort(pairs, count, sizeof *pairs, save_compare);
    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        json_t *left = save_token(m, (int32_t)(pairs[i].key >> 32), &text);
        json_t *right = save_token(m, (int32_t)(uint32_t)pairs[i].key, &text);

        if (json_array_append_new(merges, json_pack("[o,o]", left, right)) != 0)
            code = hone_fail_memory(err, "merges");
    }
    hone_free(text.bytes);
    hone_free(pairs);
    return code;
}

static int save_added(const struct bpe_model *m, json_t *added, hone_error *err)
{
    for (size_t id = 0; id < m->vocab.count; id++) {
        const struct bpe_token *t = &m->vocab.tokens[id];
        hone_text text = {0};
        json_t *content;

        if (!(t->flags & BPE_ADDED))
            continue;
        content = save_token(m, (int32_t)id, &text);
        hone_free(text.bytes);
        content = json_pack("{s:I,s:o,s:b,s:b,s:b,s:b,s:b}", "id", (json_int_t)id, "content",
                            content, "single_word", !!(t->flags & BPE_WORD), "lstrip",
                            !!(t->flags & BPE_LSTRIP), "rstrip", !!(t->flags & BPE_RSTRIP),
                            "normalized", !!(t->flags & BPE_NORMALIZED), "special",
                            !!(t->flags & BPE_SPECIAL));
        if (json_array_append_new(added, content) != 0)
            return hone_fail_memory(err, "added tokens");
    }
    return HONE_OK;
}

static json_t *save_part(json_t *part)
{
    return part ? json_incref(part) : json_null();
}

static int save_tokenizer(const struct bpe_model *m, const char *path, hone_error *err)
{
    json_t *added = json_array(), *vocab = json_object(), *merges = json_array(), *unk, *root;
    hone_text text = {0};
    int code = added && vocab && merges ? HONE_OK : hone_fail_memory(err, "a tokenizer");

    if (code == HONE_OK)
        code = save_added(m, added, err);
    if (code == HONE_OK)
        code = save_vocab(m, vocab, err);
    if (code == HONE_OK)
        code = save_merges(m, merges, err);
    unk = m->unk >= 0 ? save_token(m, m->unk, &text) : json_null();
    hone_free(text.bytes);
    root = json_pack("{s:s,s:n,s:n,s:o,s:o,s:o,s:o,s:o,"
                     "s:{s:s,s:n,s:o,s:n,s:n,s:b,s:b,s:b,s:o,s:o}}",
                     "version", "1.0", "truncation", "padding", "added_tokens", added,
                     "normalizer", save_part(m->normalizer_json), "pre_tokenizer",
                     save_part(m->pretokenizer_json), "post_processor",
                     save_part(m->processor_json), "decoder", save_part(m->decoder_json),
                     "model", "type", "BPE", "dropout", "unk_token", unk,
                     "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                     (int)m->fuse_unk, "byte_fallback", (int)m->byte_fallback, "ignore_merges",
                     (int)m->ignore_merges, "vocab", vocab, "merges", merges);
    if (code == HONE_OK)
        code = root ? hone_json_write(root, path, err) : hone_fail_memory(err, "a tokenizer");
    json_decref(root);
    return code;
}

/* As it was read, with the roles as they are now. */
static int save_config(struct bpe_model *m, const char *path, hone_error *err)
{
    json_t *config = m->config_json
                         ? hone_json_copy(m->config_json, true)
                         : json_pack("{s:s,s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                                     "clean_up_tokenization_spaces", 0);
    int code = config ? HONE_OK : hone_fail_memory(err, "tokenizer_config.json");

    for (int role = 0; role < BPE_ROLES && code == HONE_OK; role++) {
        char key[16];
        hone_text text = {0};
        int32_t id = m->roles[role];

        strcpy(key, bpe_role_names[role]);
        strcat(key, "_token");
        if (json_object_set_new(config, key, id < 0 ? json_null() : save_token(m, id, &text)) != 0)
            code = hone_fail_memory(err, "tokenizer_config.json");
        hone_free(text.bytes);
    }
    if (code == HONE_OK)
        code = hone_json_write(config, path, err);
    json_decref(config);
    return code;
}

int bpe_model_save(struct bpe_model *m, const char *folder, hone_error *err)
{
    char *path = hone_format("%s/tokenizer.json", folder);
    int code = path ? save_tokenizer(m, path, err) : hone_fail_memory(err, "a path");

    hone_free(path);
    if (code != HONE_OK)
        return code;
    path = hone_format("%s/tokenizer_config.json", folder);
    code = path ? save_config(m, path, err) : hone_fail_memory(err, "a path");
    hone_free(path);
    return code;
}
