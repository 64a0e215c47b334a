/* llama.c -- the Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU.
 *
 *   h = x + o(attention(rope(q(n)), rope(k(n)), v(n))),  n = rmsnorm(x)
 *   y = h + down(silu(gate(n)) * up(n)),                 n = rmsnorm(h)
 *
 * Llama: Touvron et al. 2023, arXiv:2302.13971; grouped queries: Ainslie et al.
 * 2023, arXiv:2305.13245; Mistral adds a sliding window (arXiv:2310.06825),
 * Qwen2 biases on q, k, v (arXiv:2407.10671). Dropouts that a configuration
 * names were its makers' way of training, and are not applied. */
#include <hone/model.h>
#include <jansson.h>
#include <string.h>

struct block {
    hone_param *attn_norm, *q, *k, *v, *o;
    hone_param *mlp_norm, *gate, *up, *down;
    int64_t window;                     /* 0: all */
};

struct llama {
    int64_t layers, heads, kv_heads, d_head, d_model, d_ff, vocab, positions;
    int64_t window, full_layers;        /* layers from full_layers on have the window */
    double eps, theta;
    bool tied, qkv_bias, o_bias, mlp_bias;
    const hone_json *layer_types;       /* of the configuration, NULL: unset */
    hone_param *embedding, *norm, *head;
    struct block *blocks;               /* [layers] */
};

/* Newer configurations keep the frequencies in an object of their own. */
static void llama_configure_rope(struct llama *m, hone_config *c)
{
    double theta = hone_config_real(c, "rope_theta", 1e4, 1, 1e12);

    m->theta = hone_config_real(c, "rope_parameters.rope_theta", theta, 1, 1e12);
    hone_config_only(c, "rope_parameters.rope_type", "default");
    hone_config_only(c, "rope_scaling", NULL);
    hone_config_real(c, "rope_parameters.partial_rotary_factor", 1, 1, 1);
    hone_config_real(c, "partial_rotary_factor", 1, 1, 1);
}

/* Mistral's window is on all layers, null meaning none; Qwen2's is off unless
 * asked for, and then on the upper layers. */
static void llama_configure_window(struct llama *m, hone_config *c)
{
    bool mistral = hone_config_type_is(c, "mistral"), qwen = hone_config_type_is(c, "qwen2");
    int64_t unset = json_is_null(hone_json_get(c->json, "sliding_window")) ? 0 : 4096;

    if (mistral || (qwen && hone_config_bool(c, "use_sliding_window", false)))
        m->window = hone_config_int(c, "sliding_window", unset, 0, INT32_MAX);
    if (qwen)
        m->full_layers = hone_config_int(c, "max_window_layers", 28, 0, INT32_MAX);
    if (!mistral && hone_config_has(c, "layer_types"))
        m->layer_types = hone_json_get(c->json, "layer_types");
    if (m->layer_types && json_array_size(m->layer_types) != (size_t)m->layers)
        hone_config_fail(c, "'layer_types' is no list of %" PRId64 " texts", m->layers);
}

/* Absent or null keys keep their default; a key whose arithmetic is not
 * honoured here is refused by name. */
static int llama_configure(void *self, const hone_json *json, hone_error *err)
{
    struct llama *m = self;
    hone_config c = hone_config_open(json, err);
    bool llama = hone_config_type_is(&c, "llama");

    m->d_model   = hone_config_int(&c, "hidden_size", HONE_REQUIRED, 1, 1 << 20);
    m->layers    = hone_config_int(&c, "num_hidden_layers", HONE_REQUIRED, 1, 4096);
    m->heads     = hone_config_int(&c, "num_attention_heads", HONE_REQUIRED, 1, 4096);
    m->kv_heads  = hone_config_int(&c, "num_key_value_heads", m->heads, 1, 4096);
    m->d_head    = hone_config_int(&c, "head_dim", hone_config_quotient(&c, m->d_model, m->heads),
                                   1, 4096);
    m->d_ff      = hone_config_int(&c, "intermediate_size", HONE_REQUIRED, 1, 1 << 22);
    m->vocab     = hone_config_int(&c, "vocab_size", HONE_REQUIRED, 1, 1 << 24);
    m->positions = hone_config_int(&c, "max_position_embeddings", 0, 0, INT32_MAX);
    m->eps       = hone_config_real(&c, "rms_norm_eps", 1e-6, 0, 1);
    m->tied      = hone_config_bool(&c, "tie_word_embeddings", false);
    m->o_bias    = llama && hone_config_bool(&c, "attention_bias", false);
    m->qkv_bias  = m->o_bias || hone_config_type_is(&c, "qwen2");
    m->mlp_bias  = llama && hone_config_bool(&c, "mlp_bias", false);
    llama_configure_rope(m, &c);
    llama_configure_window(m, &c);
    hone_config_only(&c, "hidden_act", "silu");
    hone_config_only(&c, "quantization_config", NULL);
    hone_config_divides(&c, "num_key_value_heads", "num_attention_heads");
    if (m->d_head % 2)
        hone_config_fail(&c, "'head_dim' is %" PRId64 " (allowed: even numbers)", m->d_head);
    return hone_config_close(&c);
}

static int llama_window(const struct llama *m, int64_t l, int64_t *window, hone_error *err)
{
    const char *type = json_string_value(json_array_get(m->layer_types, (size_t)l));

    *window = l < m->full_layers ? 0 : m->window;
    if (!m->layer_types)
        return HONE_OK;
    if (type && strcmp(type, "full_attention") == 0)
        *window = 0;
    else if (type && strcmp(type, "sliding_attention") == 0 && m->window)
        *window = m->window;
    else
        return hone_fail(err, HONE_EFORMAT, "'layer_types': layer %" PRId64 " is \"%.40s\" "
                         "(supported: full_attention%s)", l, type ? type : "?",
                         m->window ? ", sliding_attention" : "");
    return HONE_OK;
}

static void llama_build_block(const struct llama *m, struct block *b, hone_params *p, int64_t l)
{
    int64_t q = m->heads * m->d_head, kv = m->kv_heads * m->d_head, d = m->d_model;

    hone_params_enter(p, l, "model.layers.%" PRId64, l);
    b->attn_norm = hone_param_new(p, "norm", "input_layernorm", 1, d, false);
    b->q         = hone_param_new(p, "q", "self_attn.q_proj", q, d, m->qkv_bias);
    b->k         = hone_param_new(p, "k", "self_attn.k_proj", kv, d, m->qkv_bias);
    b->v         = hone_param_new(p, "v", "self_attn.v_proj", kv, d, m->qkv_bias);
    b->o         = hone_param_new(p, "o", "self_attn.o_proj", d, q, m->o_bias);
    b->mlp_norm  = hone_param_new(p, "norm", "post_attention_layernorm", 1, d, false);
    b->gate      = hone_param_new(p, "gate", "mlp.gate_proj", m->d_ff, d, m->mlp_bias);
    b->up        = hone_param_new(p, "up", "mlp.up_proj", m->d_ff, d, m->mlp_bias);
    b->down      = hone_param_new(p, "down", "mlp.down_proj", d, m->d_ff, m->mlp_bias);
    hone_params_leave(p);
}

static int llama_build(void *self, hone_params *p, hone_error *err)
{
    struct llama *m = self;

    m->blocks = hone_params_array(p, m->layers, sizeof *m->blocks);
    m->embedding = hone_param_new(p, "embedding", "model.embed_tokens", m->vocab, m->d_model,
                                  false);
    for (int64_t l = 0; m->blocks && l < m->layers; l++) {
        llama_build_block(m, &m->blocks[l], p, l);
        if (llama_window(m, l, &m->blocks[l].window, err) != HONE_OK)
            return HONE_EFORMAT;
    }
    m->norm = hone_param_new(p, "norm", "model.norm", 1, m->d_model, false);
    m->head = m->tied ? hone_param_tie(p, "head", "lm_head", m->embedding)
                      : hone_param_new(p, "head", "lm_head", m->vocab, m->d_model, false);
    return hone_params_done(p, err);
}

static hone_tensor *llama_embed(void *self, hone_graph *g, const hone_batch *batch)
{
    struct llama *m = self;

    return hone_batch_embed(g, batch, m->embedding);    /* [tokens, d_model] */
}

/* x [tokens, d_model] to the same. */
static hone_tensor *llama_block(void *self, hone_graph *g, int64_t l, hone_tensor *x,
                                const hone_batch *batch, hone_cache *cache)
{
    struct llama *m = self;
    struct block *b = &m->blocks[l];
    hone_attention_spec spec = { .heads = m->heads, .kv_heads = m->kv_heads, .mask = HONE_CAUSAL,
                                 .window = b->window, .layer = l };

    hone_tensor *h = hone_rmsnorm(g, x, b->attn_norm, m->eps);
    hone_tensor *q = hone_rope(g, hone_linear(g, h, b->q), batch, m->heads, m->theta);
    hone_tensor *k = hone_rope(g, hone_linear(g, h, b->k), batch, m->kv_heads, m->theta);
    hone_tensor *v = hone_linear(g, h, b->v);
    x = hone_add(g, x, hone_linear(g, hone_attention(g, q, k, v, batch, cache, &spec), b->o));

    h = hone_rmsnorm(g, x, b->mlp_norm, m->eps);
    h = hone_swiglu(g, hone_linear(g, h, b->gate), hone_linear(g, h, b->up));
    return hone_add(g, x, hone_linear(g, h, b->down));
}

static hone_tensor *llama_finish(void *self, hone_graph *g, hone_tensor *x)
{
    struct llama *m = self;

    return hone_rmsnorm(g, x, m->norm, m->eps);
}

static int64_t llama_max_positions(void *self)
{
    struct llama *m = self;

    return m->positions;
}

static const char *const model_types[] = { "llama", "mistral", "qwen2", NULL };
static const char *const ignored[] = { "*.rotary_emb.inv_freq", NULL };

static const hone_model_ops ops = {
    .size = sizeof ops, .model_types = model_types,
    .configure = llama_configure, .build = llama_build,
    .embed = llama_embed, .block = llama_block, .finish = llama_finish,
    .max_positions = llama_max_positions, .ignored = ignored,
};

HONE_PLUGIN(llama,
    .kind = "model", .version = "1.0", .threadsafe = true,
    .summary = "Llama, Mistral, SmolLM, Qwen2 decoders", .source = "arXiv:2302.13971",
    .instance_size = sizeof(struct llama), .ops = &ops);
