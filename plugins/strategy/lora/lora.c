/* lora.c -- low-rank adapters: y + (alpha / rank) B A dropout(x).
 *
 * A [rank, in] begins uniform in +-1/sqrt(in), B [out, rank] zero: attaching
 * changes no result. Only A and B train. Hu et al. 2021, arXiv:2106.09685.
 * Files are those of peft: see files.c. */
#include "lora.h"

#include <math.h>
#include <string.h>

char *lora_tensor_name(const hone_param *param, char which)
{
    return hone_format("base_model.model.%s.lora_%c.weight", hone_param_name(param), which);
}

static int lora_init(void *self, hone_context *context, hone_error *err)
{
    struct lora *s = self;

    (void)context, (void)err;
    if (isnan(s->alpha))
        s->alpha = 2 * (double)s->rank;
    return HONE_OK;
}

/* ---- attaching ---- */

static bool lora_is_linear(const hone_param *param)
{
    const char *role = hone_param_role(param);

    return hone_param_out(param) > 1 && strcmp(role, "embedding") != 0 &&
           strcmp(role, "position") != 0;
}

static int lora_tensor(hone_tensor **out, hone_model *model, const hone_param *param, char which,
                       int64_t rows, int64_t columns, hone_error *err)
{
    char *name = lora_tensor_name(param, which);
    int code = name ? hone_strategy_tensor(out, model, name, rows, columns, err)
                    : hone_fail_memory(err, "an adapter");

    hone_free(name);
    return code;
}

/* The stream is named by the parameter: it does not depend on other targets. */
static void lora_fill(hone_tensor *a, const hone_param *param, uint64_t seed)
{
    hone_random r = hone_random_named(seed, hone_param_name(param));
    double bound = 1 / sqrt((double)hone_param_in(param));

    for (int64_t i = 0; i < hone_tensor_count(a); i++)
        hone_tensor_set(a, i, bound * (2 * hone_random_uniform(&r) - 1));
}

static int lora_adapt(const struct lora *s, hone_model *model, hone_param *param, hone_error *err)
{
    int64_t in = hone_param_in(param), out = hone_param_out(param);
    struct lora_adapter *adapter;
    int code;

    if (!lora_is_linear(param))
        return hone_fail(err, HONE_EUNSUPPORTED, "'%s' is no linear layer (its role: %s)",
                         hone_param_name(param), hone_param_role(param));
    adapter = hone_strategy_adapt(model, param, sizeof *adapter, err);
    if (!adapter)
        return err && err->code ? err->code : HONE_ENOMEM;
    code = lora_tensor(&adapter->a, model, param, 'A', s->rank, in, err);
    if (code == HONE_OK)
        code = lora_tensor(&adapter->b, model, param, 'B', out, s->rank, err);
    if (code == HONE_OK)
        lora_fill(adapter->a, param, (uint64_t)s->seed);
    return code;
}

static int lora_attach(void *self, hone_model *model, hone_error *err)
{
    struct lora *s = self;
    hone_params *params = hone_model_params(model);
    int code = hone_targets_check(&s->targets, model, err);

    for (size_t i = 0; i < hone_params_count(params) && code == HONE_OK; i++) {
        hone_param *param = hone_params_at(params, i);

        if (hone_targets_match(&s->targets, param))
            code = lora_adapt(s, model, param, err);
    }
    return code;
}

/* ---- acting ---- */

static hone_tensor *lora_linear(void *self, hone_graph *g, hone_tensor *x, hone_tensor *y,
                                hone_param *param, void *adapter)
{
    const struct lora *s = self;
    const struct lora_adapter *ad = adapter;
    hone_tensor *low = hone_matmul(g, hone_dropout(g, x, s->dropout), ad->a, true);

    (void)param;
    low = hone_affine(g, low, s->alpha / (double)s->rank, 0);   /* [tokens, rank] */
    return hone_add(g, y, hone_matmul(g, low, ad->b, true));
}

/* W [out, in] (or its transpose) += scale B A. */
static int lora_fold(hone_graph *g, hone_param *param, double scale, hone_error *err)
{
    const struct lora_adapter *ad = hone_param_adapter(param);
    hone_tensor *w = hone_param_weight(param), *delta;
    int64_t out = hone_param_out(param), in = hone_param_in(param);
    hone_graph_options options = {0};
    int code = hone_graph_begin(g, &options, err);

    if (code != HONE_OK)
        return code;
    delta = hone_matmul(g, ad->b, ad->a, false);                /* [out, in] */
    for (int64_t o = 0; delta && o < out; o++)
        for (int64_t i = 0; i < in; i++) {
            int64_t at = hone_param_is_transposed(param) ? i * out + o : o * in + i;

            hone_tensor_set(w, at, hone_tensor_get(w, at) +
                                   scale * hone_tensor_get(delta, o * in + i));
        }
    return hone_graph_end(g, err);
}

/* A weight with two names would be changed for both uses. */
static int lora_check_ties(const hone_params *params, hone_error *err)
{
    for (size_t i = 0; i < hone_params_count(params); i++) {
        const hone_param *param = hone_params_at(params, i), *root = hone_param_tied_to(param);

        if (root && (hone_param_adapter(param) || hone_param_adapter(root)))
            return hone_fail(err, HONE_EUNSUPPORTED,
                             "cannot merge: '%s' and '%s' share their weight",
                             hone_param_name(param), hone_param_name(root));
    }
    return HONE_OK;
}

static int lora_merge(void *self, hone_model *model, bool merged, hone_error *err)
{
    struct lora *s = self;
    hone_params *params = hone_model_params(model);
    double scale = (merged ? 1 : -1) * s->alpha / (double)s->rank;
    hone_graph *g = NULL;
    int code = lora_check_ties(params, err);

    if (code == HONE_OK)
        code = hone_graph_new(&g, hone_model_context(model), NULL, err);
    for (size_t i = 0; i < hone_params_count(params) && code == HONE_OK; i++)
        if (hone_param_adapter(hone_params_at(params, i)))
            code = lora_fold(g, hone_params_at(params, i), scale, err);
    hone_graph_free(g);
    return code;
}

static const hone_option options[] = {
    HONE_OPT_INT(struct lora, rank, "rank", 8, 1, 65536, "rank of the adapters"),
    HONE_OPT_REAL(struct lora, alpha, "alpha", HONE_UNSET_REAL, 0, 1e6,
                  "B A is scaled by alpha / rank; unset: 2 rank"),
    HONE_OPT_REAL_FLAGS(struct lora, dropout, "dropout", 0, 0, 1, HONE_OPTION_OPEN_MAX,
                        "probability that an input of A is zeroed in training"),
    HONE_OPT_STRINGS(struct lora, targets, "targets", "[\"all-linear\"]",
                     "roles, names or patterns of the layers adapted"),
    HONE_OPT_INT(struct lora, seed, "seed", 0, 0, INT64_MAX, "of A's random initial values"),
    HONE_OPT_END
};

static const hone_strategy_ops ops = {
    .size = sizeof ops, .init = lora_init, .attach = lora_attach, .linear = lora_linear,
    .save = lora_save, .load = lora_load, .merge = lora_merge, .recognise = lora_recognise,
};

HONE_PLUGIN(lora,
    .kind = "strategy", .version = "1.0", .threadsafe = true,
    .summary = "low-rank adapters on linear layers, read and written as peft does",
    .source = "arXiv:2106.09685", .instance_size = sizeof(struct lora), .options = options,
    .ops = &ops);
