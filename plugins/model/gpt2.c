/* gpt2.c -- GPT-2: learned positions, LayerNorm, fused q k v, a two-layer MLP.
 *
 *   h = x + o(attention(q, k, v)),   [q k v] = qkv(layernorm(x))
 *   y = h + down(f(up(layernorm(h))))
 *
 * Radford et al. 2019, "Language models are unsupervised multitask learners".
 * The linear layers of the blocks are stored [in, out] (Conv1D). Published
 * checkpoints may lack the prefix "transformer." and hold the causal masks.
 * Dropouts that a configuration names were its makers' way of training, and
 * are not applied. */
#include <hone/model.h>
#include <string.h>

struct block {
    hone_param *attn_norm, *qkv, *o;
    hone_param *mlp_norm, *up, *down;
};

struct gpt2 {
    int64_t layers, heads, d_model, d_ff, vocab, positions;
    double eps;
    bool tied;
    hone_unary f;
    hone_param *embedding, *position, *norm, *head;
    struct block *blocks;               /* [layers] */
};

static hone_unary gpt2_activation(hone_config *c)
{
    static const struct {
        const char *name;
        hone_unary f;
    } known[] = {
        { "gelu_new", HONE_GELU_TANH }, { "gelu_pytorch_tanh", HONE_GELU_TANH },
        { "gelu", HONE_GELU }, { "relu", HONE_RELU }, { "silu", HONE_SILU },
        { "swish", HONE_SILU }, { "tanh", HONE_TANH },
    };
    const char *name = hone_config_text(c, "activation_function", "gelu_new");

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (name && strcmp(name, known[i].name) == 0)
            return known[i].f;
    hone_config_fail(c, "'activation_function' is \"%.40s\" (supported: gelu_new, "
                     "gelu_pytorch_tanh, gelu, relu, silu, swish, tanh)", name ? name : "?");
    return HONE_GELU_TANH;
}

/* A key that would change the arithmetic must have its usual value. */
static void gpt2_usual(hone_config *c, const char *key, bool usual)
{
    if (hone_config_bool(c, key, usual) != usual)
        hone_config_fail(c, "'%s' is %s (supported: %s)", key, usual ? "false" : "true",
                         usual ? "true" : "false");
}

static int gpt2_configure(void *self, const hone_json *json, hone_error *err)
{
    struct gpt2 *m = self;
    hone_config c = hone_config_open(json, err);

    m->d_model   = hone_config_int(&c, "n_embd", HONE_REQUIRED, 1, 1 << 20);
    m->layers    = hone_config_int(&c, "n_layer", HONE_REQUIRED, 1, 4096);
    m->heads     = hone_config_int(&c, "n_head", HONE_REQUIRED, 1, 4096);
    m->d_ff      = hone_config_int(&c, "n_inner", 4 * m->d_model, 1, 1 << 22);
    m->vocab     = hone_config_int(&c, "vocab_size", HONE_REQUIRED, 1, 1 << 24);
    m->positions = hone_config_int(&c, "n_positions", HONE_REQUIRED, 1, 1 << 24);
    m->eps       = hone_config_real(&c, "layer_norm_epsilon", 1e-5, 0, 1);
    m->tied      = hone_config_bool(&c, "tie_word_embeddings", true);
    m->f         = gpt2_activation(&c);
    hone_config_divides(&c, "n_head", "n_embd");
    gpt2_usual(&c, "scale_attn_weights", true);
    gpt2_usual(&c, "scale_attn_by_inverse_layer_idx", false);
    gpt2_usual(&c, "add_cross_attention", false);
    hone_config_only(&c, "quantization_config", NULL);
    return hone_config_close(&c);
}

static void gpt2_build_block(const struct gpt2 *m, struct block *b, hone_params *p, int64_t l)
{
    int64_t d = m->d_model;

    hone_params_enter(p, l, "transformer.h.%" PRId64, l);
    b->attn_norm = hone_param_new(p, "norm", "ln_1", 1, d, true);
    b->qkv       = hone_param_new_transposed(p, "qkv", "attn.c_attn", 3 * d, d, true);
    b->o         = hone_param_new_transposed(p, "o", "attn.c_proj", d, d, true);
    b->mlp_norm  = hone_param_new(p, "norm", "ln_2", 1, d, true);
    b->up        = hone_param_new_transposed(p, "up", "mlp.c_fc", m->d_ff, d, true);
    b->down      = hone_param_new_transposed(p, "down", "mlp.c_proj", d, m->d_ff, true);
    hone_params_leave(p);
}

static int gpt2_build(void *self, hone_params *p, hone_error *err)
{
    struct gpt2 *m = self;
    int64_t d = m->d_model;

    m->blocks    = hone_params_array(p, m->layers, sizeof *m->blocks);
    m->embedding = hone_param_new(p, "embedding", "transformer.wte", m->vocab, d, false);
    m->position  = hone_param_new(p, "position", "transformer.wpe", m->positions, d, false);
    for (int64_t l = 0; m->blocks && l < m->layers; l++)
        gpt2_build_block(m, &m->blocks[l], p, l);
    m->norm = hone_param_new(p, "norm", "transformer.ln_f", 1, d, true);
    m->head = m->tied ? hone_param_tie(p, "head", "lm_head", m->embedding)
                      : hone_param_new(p, "head", "lm_head", m->vocab, d, false);
    return hone_params_done(p, err);
}

static hone_tensor *gpt2_embed(void *self, hone_graph *g, const hone_batch *batch)
{
    struct gpt2 *m = self;

    return hone_add(g, hone_batch_embed(g, batch, m->embedding),
                    hone_batch_embed_positions(g, batch, m->position)); /* [tokens, d_model] */
}

/* x [tokens, d_model] to the same. */
static hone_tensor *gpt2_block(void *self, hone_graph *g, int64_t l, hone_tensor *x,
                               const hone_batch *batch, hone_cache *cache)
{
    struct gpt2 *m = self;
    struct block *b = &m->blocks[l];
    int64_t d = m->d_model;
    hone_attention_spec spec = { .heads = m->heads, .kv_heads = m->heads, .mask = HONE_CAUSAL,
                                 .layer = l };

    hone_tensor *qkv = hone_linear(g, hone_layernorm(g, x, b->attn_norm, m->eps), b->qkv);
    hone_tensor *q = hone_columns(g, qkv, 0, d);
    hone_tensor *k = hone_columns(g, qkv, d, 2 * d);
    hone_tensor *v = hone_columns(g, qkv, 2 * d, 3 * d);
    x = hone_add(g, x, hone_linear(g, hone_attention(g, q, k, v, batch, cache, &spec), b->o));

    hone_tensor *h = hone_linear(g, hone_layernorm(g, x, b->mlp_norm, m->eps), b->up);
    return hone_add(g, x, hone_linear(g, hone_apply(g, m->f, h), b->down));
}

static hone_tensor *gpt2_finish(void *self, hone_graph *g, hone_tensor *x)
{
    struct gpt2 *m = self;

    return hone_layernorm(g, x, m->norm, m->eps);
}

static int64_t gpt2_max_positions(void *self)
{
    struct gpt2 *m = self;

    return m->positions;
}

static const char *const model_types[] = { "gpt2", NULL };
static const char *const ignored[] = { "*h.*.attn.bias", "*h.*.attn.masked_bias", NULL };

static const hone_model_ops ops = {
    .size = sizeof ops, .model_types = model_types, .prefix = "transformer.",
    .configure = gpt2_configure, .build = gpt2_build,
    .embed = gpt2_embed, .block = gpt2_block, .finish = gpt2_finish,
    .max_positions = gpt2_max_positions, .ignored = ignored,
};

HONE_PLUGIN(gpt2,
    .kind = "model", .version = "1.0", .threadsafe = true, .summary = "GPT-2 decoders",
    .source = "Radford et al. 2019, Language models are unsupervised multitask learners",
    .instance_size = sizeof(struct gpt2), .ops = &ops);
