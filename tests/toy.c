/* toy.c -- see toy.h. */
#include "toy.h"

#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct toy_tokenizer {
    bool bos, eos, chat;
};

static const hone_option tokenizer_options[] = {
    HONE_OPT_BOOL(struct toy_tokenizer, bos, "bos", true, "has <s>"),
    HONE_OPT_BOOL(struct toy_tokenizer, eos, "eos", true, "has </s>"),
    HONE_OPT_BOOL(struct toy_tokenizer, chat, "chat", false, "has <|im_start|> and <|im_end|>"),
    HONE_OPT_END
};

static const char *const names[] = { "<s>", "</s>", "<|im_start|>", "<|im_end|>", "\nA", " b" };

static int64_t toy_vocab(void *self)
{
    (void)self;
    return TOY_VOCAB;
}

static int toy_encode(void *self, const char *text, size_t n, int flags, hone_ids *ids,
                      hone_error *err)
{
    const struct toy_tokenizer *t = self;
    int code = HONE_OK;

    if (flags & HONE_ENCODE_BOS && t->bos)
        code = hone_ids_push(ids, TOY_BOS, err);
    for (size_t i = 0; !code && i < n; i++) {
        int32_t id = (unsigned char)text[i];
        for (int32_t pair = TOY_NA; pair <= TOY_SPACE_B; pair++)
            if (i + 1 < n && memcmp(text + i, names[pair - TOY_BOS], 2) == 0)
                id = pair;
        i += id >= TOY_NA;
        code = hone_ids_push(ids, id, err);
    }
    return code;
}

static const char *toy_token(void *self, int32_t id, size_t *n, bool *special)
{
    static char bytes[256];
    (void)self;

    if (id < 0 || id >= TOY_VOCAB)
        return NULL;
    *special = id >= TOY_BOS && id < TOY_NA;
    *n = id < TOY_BOS ? 1 : strlen(names[id - TOY_BOS]);
    bytes[id & 255] = (char)(id & 255);
    return id < TOY_BOS ? &bytes[id] : names[id - TOY_BOS];
}

static int toy_decode(void *self, const int32_t *ids, size_t count, bool special, hone_text *text,
                      hone_error *err)
{
    int code = hone_text_push(text, "", 0, err);

    for (size_t i = 0; !code && i < count; i++) {
        char byte = (char)ids[i];
        bool named = ids[i] >= TOY_BOS, hidden = named && ids[i] < TOY_NA && !special;
        const char *name = named ? names[ids[i] - TOY_BOS] : &byte;
        if (!hidden)
            code = hone_text_push(text, name, named ? strlen(name) : 1, err);
    }
    (void)self;
    return code;
}

static int32_t toy_find(void *self, const char *text, size_t n)
{
    const struct toy_tokenizer *t = self;
    const bool has[] = { t->bos, t->eos, t->chat, t->chat, true, true };

    for (int i = 0; i < 6; i++)
        if (has[i] && strlen(names[i]) == n && memcmp(names[i], text, n) == 0)
            return TOY_BOS + i;
    return n == 1 ? (unsigned char)*text : -1;
}

static int32_t toy_role(void *self, const char *role)
{
    const struct toy_tokenizer *t = self;

    return t->bos && strcmp(role, "bos") == 0   ? TOY_BOS
           : t->eos && strcmp(role, "eos") == 0 ? TOY_EOS
                                                : -1;
}

/* Its vocabulary is in this file. */
static int toy_save(void *self, const char *folder, hone_error *err)
{
    (void)self, (void)folder, (void)err;
    return HONE_OK;
}

static const hone_tokenizer_ops tokenizer_ops = {
    .size = sizeof tokenizer_ops, .vocab = toy_vocab, .encode = toy_encode, .decode = toy_decode,
    .token = toy_token, .find = toy_find, .role = toy_role,
    .save = toy_save,
};

static const hone_plugin tokenizer_plugin = {
    .size = sizeof tokenizer_plugin, .abi = HONE_ABI, .option_size = sizeof(hone_option),
    .kind = "tokenizer", .name = "toy", .version = "1", .summary = "bytes and six tokens",
    .instance_size = sizeof(struct toy_tokenizer), .options = tokenizer_options,
    .ops = &tokenizer_ops,
};

/* ---- the model: an embedding that is the table, and an identity for a head ---- */

struct toy_model {
    int64_t limit;
    hone_param *embedding, *head;
};

static int toy_configure(void *self, const hone_json *json, hone_error *err)
{
    struct toy_model *m = self;
    hone_config c = hone_config_open(json, err);

    m->limit = hone_config_int(&c, "limit", 0, 0, 1 << 20);
    return hone_config_close(&c);
}

static int toy_build(void *self, hone_params *p, hone_error *err)
{
    struct toy_model *m = self;

    m->embedding = hone_param_new(p, "embedding", "table", TOY_VOCAB, TOY_VOCAB, false);
    m->head = hone_param_new(p, "head", "head", TOY_VOCAB, TOY_VOCAB, false);
    return hone_params_done(p, err);
}

static hone_tensor *toy_embed(void *self, hone_graph *g, const hone_batch *batch)
{
    struct toy_model *m = self;

    return hone_batch_embed(g, batch, m->embedding);
}

static hone_tensor *toy_block(void *self, hone_graph *g, int64_t layer, hone_tensor *x,
                              const hone_batch *batch, hone_cache *cache)
{
    (void)self, (void)g, (void)layer, (void)batch, (void)cache;
    return x;
}

static hone_tensor *toy_finish(void *self, hone_graph *g, hone_tensor *x)
{
    (void)self, (void)g;
    return x;
}

static int64_t toy_max_positions(void *self)
{
    return ((struct toy_model *)self)->limit;
}

static const char *const model_types[] = { "toy", NULL };

static const hone_model_ops model_ops = {
    .size = sizeof model_ops, .model_types = model_types, .configure = toy_configure,
    .build = toy_build, .embed = toy_embed, .block = toy_block, .finish = toy_finish,
    .max_positions = toy_max_positions,
};

static const hone_plugin model_plugin = {
    .size = sizeof model_plugin, .abi = HONE_ABI, .option_size = sizeof(hone_option),
    .kind = "model", .name = "toy", .version = "1", .summary = "a table of logits",
    .instance_size = sizeof(struct toy_model), .ops = &model_ops,
};

hone_model *toy_model(hone_context *context, const toy_options *options)
{
    hone_json *config = json_pack("{s:s, s:I}", "model_type", "toy", "limit",
                                  (json_int_t)options->limit);
    hone_json *choice = json_pack("{s:b, s:b, s:b}", "bos", !options->no_bos, "eos",
                                  !options->no_eos, "chat", options->chat);
    hone_instance *tokenizer;
    hone_model *model;
    hone_tensor *table, *head;
    hone_error err;

    ck_ok(hone_plugin_register(context, &tokenizer_plugin, &err));
    ck_ok(hone_plugin_register(context, &model_plugin, &err));
    ck_ok(hone_instance_new(&tokenizer, context, "tokenizer", "toy", choice, &err));
    ck_ok(hone_model_new(&model, context, config, NULL, 1, &err));
    ck_ok(hone_model_set_tokenizer(model, tokenizer, &err));
    table = hone_param_weight(hone_params_find(hone_model_params(model), "table"));
    head = hone_param_weight(hone_params_find(hone_model_params(model), "head"));
    memset(hone_tensor_data(table), 0, sizeof(float) * TOY_VOCAB * TOY_VOCAB);
    memset(hone_tensor_data(head), 0, sizeof(float) * TOY_VOCAB * TOY_VOCAB);
    for (int64_t i = 0; i < TOY_VOCAB; i++)
        hone_tensor_set(head, i * TOY_VOCAB + i, 1);
    hone_instance_free(tokenizer);
    hone_json_free(config);
    hone_json_free(choice);
    return model;
}

float *toy_logits(hone_model *model, int32_t token)
{
    hone_param *table = hone_params_find(hone_model_params(model), "table");

    return (float *)hone_tensor_data(hone_param_weight(table)) + (int64_t)token * TOY_VOCAB;
}

const char *toy_show(const int32_t *ids, size_t count)
{
    static char text[4096];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count && used < sizeof text - 32; i++) {
        char byte[2] = { (char)ids[i], '\0' };
        const char *name = ids[i] >= TOY_BOS ? names[ids[i] - TOY_BOS] : byte;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "|" : "", name);
    }
    return text;
}
