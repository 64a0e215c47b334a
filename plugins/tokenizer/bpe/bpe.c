/* bpe.c -- byte pair encoding as pretrained models use it.
 *
 * Reads tokenizer.json, tiktoken's ranks, SentencePiece BPE models, GPT-2's
 * pair of files; writes tokenizer.json; trains on bytes. The parts, and how a
 * text runs through them: bpe.h. */
#include "bpe.h"

#include <string.h>

struct bpe {
    int64_t pattern;
    hone_string_list special;
    hone_context *context;
    struct bpe_model *model; /* NULL until load or train */
};

static const char *const patterns[] = { "auto", "gpt2", "llama3", "qwen2", NULL };

static const hone_option options[] = {
    HONE_OPT_CHOICE(struct bpe, pattern, "pattern", "auto", patterns,
                    "how rank files and training split text (auto: known by the number of ranks; "
                    "gpt2 for training)"),
    HONE_OPT_STRINGS(struct bpe, special, "special", "[\"<|endoftext|>\"]",
                     "special tokens that training begins the vocabulary with"),
    HONE_OPT_END
};

static int bpe_init(void *self, hone_context *context, hone_error *err)
{
    (void)err;
    ((struct bpe *)self)->context = context;
    return HONE_OK;
}

static void bpe_close(void *self)
{
    bpe_model_free(((struct bpe *)self)->model);
}

static int bpe_none(hone_error *err)
{
    return hone_fail(err, HONE_ESTATE, "the tokenizer has no vocabulary yet: load or train it");
}

static int64_t bpe_vocab_size(void *self)
{
    const struct bpe *b = self;
    return b->model ? (int64_t)b->model->vocab.count : 0;
}

static int bpe_op_encode(void *self, const char *text, size_t n, int flags, hone_ids *ids,
                         hone_error *err)
{
    const struct bpe *b = self;
    return b->model ? bpe_encode(b->model, text, n, flags, ids, err) : bpe_none(err);
}

static int bpe_op_decode(void *self, const int32_t *ids, size_t count, bool special,
                         hone_text *text, hone_error *err)
{
    const struct bpe *b = self;
    return b->model ? bpe_decode(b->model, ids, count, special, text, err) : bpe_none(err);
}

static const char *bpe_op_token(void *self, int32_t id, size_t *n, bool *special)
{
    const struct bpe *b = self;
    const struct bpe_token *t;

    if (!b->model || id < 0 || (size_t)id >= b->model->vocab.count)
        return NULL;
    t = &b->model->vocab.tokens[id];
    *n = t->out_size;
    *special = t->flags & BPE_SPECIAL;
    return b->model->vocab.bytes.bytes + t->out;
}

static int32_t bpe_op_find(void *self, const char *text, size_t n)
{
    const struct bpe *b = self;
    int32_t id = b->model ? bpe_vocab_find(&b->model->vocab, text, n, false) : -1;

    return id < 0 && b->model ? bpe_vocab_find(&b->model->vocab, text, n, true) : id;
}

static int32_t bpe_op_role(void *self, const char *role)
{
    const struct bpe *b = self;

    for (int i = 0; b->model && i < BPE_ROLES; i++)
        if (strcmp(role, bpe_role_names[i]) == 0)
            return b->model->roles[i];
    return -1;
}

static int bpe_op_load(void *self, const char *path, hone_error *err)
{
    struct bpe *b = self;
    struct bpe_model *model = NULL;
    int code = bpe_model_load(&model, path, (int)b->pattern, err);

    if (code == HONE_OK) {
        bpe_model_free(b->model);
        b->model = model;
    }
    return code;
}

static int bpe_op_save(void *self, const char *folder, hone_error *err)
{
    const struct bpe *b = self;
    return b->model ? bpe_model_save(b->model, folder, err) : bpe_none(err);
}

static int bpe_op_train(void *self, int64_t vocab, const char *(*next)(void *user, size_t *n),
                        void *user, hone_error *err)
{
    struct bpe *b = self;
    const struct bpe_trainer trainer = { vocab, (int)b->pattern, &b->special, b->context };
    struct bpe_model *model = NULL;
    int code = bpe_train(&model, &trainer, next, user, err);

    if (code == HONE_OK) {
        bpe_model_free(b->model);
        b->model = model;
    }
    return code;
}

static const hone_tokenizer_ops ops = {
    .size = sizeof ops, .init = bpe_init, .close = bpe_close, .vocab = bpe_vocab_size,
    .encode = bpe_op_encode, .decode = bpe_op_decode, .token = bpe_op_token, .find = bpe_op_find,
    .role = bpe_op_role, .load = bpe_op_load, .save = bpe_op_save, .train = bpe_op_train,
};

static const char *bpe_once(void *user, size_t *n)
{
    const char **text = user, *now = *text;

    *text = NULL;
    *n = now ? strlen(now) : 0;
    return now;
}

/* Gage's example: three merges leave aaab d aaab a c, and it reads as before. */
static int bpe_self_test(hone_context *context, hone_error *err)
{
    static const char text[] = "aaabdaaabac";
    const hone_string_list none = {0};
    const struct bpe_trainer trainer = { 259, BPE_PATTERN_GPT2, &none, context };
    const char *user = text;
    struct bpe_model *m = NULL;
    hone_ids ids = {0};
    hone_text back = {0};
    int code = bpe_train(&m, &trainer, bpe_once, &user, err);

    if (code == HONE_OK)
        code = bpe_encode(m, text, strlen(text), 0, &ids, err);
    if (code == HONE_OK)
        code = bpe_decode(m, ids.items, ids.count, true, &back, err);
    if (code == HONE_OK && (ids.count != 5 || strcmp(back.bytes, text) != 0))
        code = hone_fail(err, HONE_EINVAL, "'%s' became %zu tokens and '%s' (expected: 5)", text,
                         ids.count, back.bytes);
    hone_free(ids.items);
    hone_free(back.bytes);
    bpe_model_free(m);
    return code;
}

HONE_PLUGIN(bpe,
    .kind = "tokenizer", .version = "1.0", .threadsafe = true,
    .summary = "byte pair encoding: tokenizer.json, tiktoken ranks, SentencePiece BPE models",
    .source = "arXiv:1508.07909",
    .instance_size = sizeof(struct bpe), .options = options, .ops = &ops,
    .self_test = bpe_self_test);
