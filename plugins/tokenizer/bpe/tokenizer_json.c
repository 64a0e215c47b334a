/* tokenizer_json.c -- tokenizer.json, as the Hugging Face `tokenizers` package
 * writes it: https://huggingface.co/docs/tokenizers (a BPE model, added
 * tokens, and the pipeline around them). */
#include "bpe.h"

#include <string.h>

/* ---- a vocabulary and merges, as other files have them, too ---- */

int bpe_pairs_vocab(struct bpe_model *m, const json_t *vocab, size_t more, hone_error *err)
{
    const char *text;
    json_t *id;

    m->bound = (int64_t)(json_object_size(vocab) + more);
    if (m->bound > BPE_IDS_MAX)
        m->bound = BPE_IDS_MAX;
    json_object_foreach((json_t *)vocab, text, id) {
        int code;

        if (!json_is_integer(id))
            return hone_fail(err, HONE_EFORMAT, "token '%.80s' has no id but a %s", text,
                             hone_json_type(id));
        code = bpe_model_token(m, json_integer_value(id), text, strlen(text), err);
        if (code != HONE_OK)
            return code;
    }
    return HONE_OK;
}

int bpe_pairs_merge(struct bpe_model *m, uint32_t rank, const char *line, size_t n,
                    hone_error *err)
{
    const char *space = memchr(line, ' ', n);
    size_t left = space ? (size_t)(space - line) : 0;

    if (!space || left == 0 || left + 1 == n || memchr(space + 1, ' ', n - left - 1))
        return hone_fail(err, HONE_EFORMAT, "'%.*s' is not two tokens with a space between",
                         (int)(n < 80 ? n : 80), line);
    return bpe_model_merge(m, rank, line, left, space + 1, n - left - 1, err);
}

/* ---- the parts of the file ---- */

static int json_merge(struct bpe_model *m, uint32_t rank, const json_t *merge, hone_error *err)
{
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);

    if (json_is_string(merge))
        return bpe_pairs_merge(m, rank, json_string_value(merge), json_string_length(merge), err);
    if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
        return hone_fail(err, HONE_EFORMAT, "is neither a text nor two");
    return bpe_model_merge(m, rank, json_string_value(left), json_string_length(left),
                           json_string_value(right), json_string_length(right), err);
}

static int json_added(struct bpe_model *m, const json_t *token, hone_error *err)
{
    const json_t *content = json_object_get(token, "content"), *id = json_object_get(token, "id");
    uint32_t flags = 0;

    if (!json_is_string(content) || !json_is_integer(id))
        return hone_fail(err, HONE_EFORMAT, "has no 'content' or no 'id'");
    flags |= bpe_step_flag(token, "special", false) ? BPE_SPECIAL : 0;
    flags |= bpe_step_flag(token, "normalized", true) ? BPE_NORMALIZED : 0;
    flags |= bpe_step_flag(token, "single_word", false) ? BPE_WORD : 0;
    flags |= bpe_step_flag(token, "lstrip", false) ? BPE_LSTRIP : 0;
    flags |= bpe_step_flag(token, "rstrip", false) ? BPE_RSTRIP : 0;
    if (json_integer_value(id) < 0)
        return hone_fail(err, HONE_EFORMAT, "has id %lld", (long long)json_integer_value(id));
    return bpe_model_added(m, json_integer_value(id), json_string_value(content),
                           json_string_length(content), flags, err);
}

static int json_each(struct bpe_model *m, const json_t *list, const char *what, bool merges,
                     hone_error *err)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) > UINT32_MAX - 1)
        return hone_fail(err, HONE_EFORMAT, "%s: too many", what);
    json_array_foreach(list, i, item) {
        int code = merges ? json_merge(m, (uint32_t)i, item, err) : json_added(m, item, err);
        if (code != HONE_OK)
            return hone_fail_in(err, "%s[%zu]", what, i);
    }
    return HONE_OK;
}

/* A file from before the type was written, or from elsewhere: the one kind
 * that has both vocabulary and merges is BPE. */
static int json_check_type(const json_t *model, hone_error *err)
{
    const json_t *type = json_object_get(model, "type");
    const char *name = json_string_value(type);

    if (!json_is_object(model))
        return hone_fail(err, HONE_EFORMAT, "'model' is missing or no object");
    if (name && strcmp(name, "BPE") != 0)
        return hone_fail(err, HONE_EUNSUPPORTED, "model type '%.40s' is not supported (known: BPE)",
                         name);
    if (!name && type)
        return hone_fail(err, HONE_EFORMAT, "model.type is a %s", hone_json_type(type));
    if (!json_is_object(json_object_get(model, "vocab")) ||
        !json_is_array(json_object_get(model, "merges")))
        return name ? hone_fail(err, HONE_EFORMAT, "model.vocab or model.merges is missing")
                    : hone_fail(err, HONE_EUNSUPPORTED,
                                "a model without type, and not vocab and merges as BPE has them");
    return HONE_OK;
}

/* What changes the ids and is not honoured. */
static int json_check_model(const json_t *model, hone_error *err)
{
    static const char *const texts[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    const json_t *dropout = json_object_get(model, "dropout");

    if (json_is_number(dropout) && json_number_value(dropout) != 0)
        return hone_fail(err, HONE_EUNSUPPORTED, "model.dropout is not supported");
    for (size_t i = 0; i < 2; i++) {
        const json_t *text = json_object_get(model, texts[i]);
        if (json_string_length(text) > 0)
            return hone_fail(err, HONE_EUNSUPPORTED, "model.%s '%.40s' is not supported", texts[i],
                             json_string_value(text));
    }
    return HONE_OK;
}

int bpe_tokenizer_json_read(struct bpe_model *m, const json_t *root, hone_error *err)
{
    const json_t *model = json_object_get(root, "model");
    const json_t *added = json_object_get(root, "added_tokens");
    const char *unk = json_string_value(json_object_get(model, "unk_token"));
    int code = json_check_type(model, err);

    if (code == HONE_OK)
        code = json_check_model(model, err);
    if (code == HONE_OK)
        code = bpe_model_pipeline(m, json_object_get(root, "normalizer"),
                                  json_object_get(root, "pre_tokenizer"),
                                  json_object_get(root, "post_processor"),
                                  json_object_get(root, "decoder"), err);
    if (code != HONE_OK)
        return code;
    m->byte_fallback = bpe_step_flag(model, "byte_fallback", false);
    m->fuse_unk = bpe_step_flag(model, "fuse_unk", false);
    m->ignore_merges = bpe_step_flag(model, "ignore_merges", false);
    code = bpe_pairs_vocab(m, json_object_get(model, "vocab"), json_array_size(added), err);
    if (code != HONE_OK)
        return hone_fail_in(err, "model.vocab");
    code = json_each(m, json_object_get(model, "merges"), "model.merges", true, err);
    if (code == HONE_OK)
        code = json_each(m, added, "added_tokens", false, err);
    if (code == HONE_OK && unk && *unk) {
        m->unk = bpe_model_find(m, unk, strlen(unk), err);
        if (m->unk < 0)
            return hone_fail(err, HONE_EFORMAT, "unk_token '%.80s' is not in the vocabulary", unk);
        m->roles[BPE_UNK] = m->unk;
    }
    return code;
}
