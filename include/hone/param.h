/* param.h -- parameters by role and place in the checkpoint, and the layers
 * that use them.
 *
 * A model's build op names each parameter once; the core makes the tensors,
 * fills them from the checkpoint, saves them. A parameter is a weight
 * [out, in] and an optional bias [out] ([in] where out is 1: norms).
 * Roles are open strings; those that strategies know: embedding, position, q,
 * k, v, qkv, o, gate, up, down, norm, head. */
#ifndef HONE_PARAM_H
#define HONE_PARAM_H

#include <hone/tensor.h>

typedef struct hone_param hone_param;
typedef struct hone_params hone_params;

/* ---- naming (in a model's build) ---- */

/* Weight `name`.weight of [out, in] and, if asked, `name`.bias, below the
 * names entered. A norm is [1, d] (stored [d]). Returns NULL after a first
 * failure, which hone_params_done reports. */
HONE_API hone_param *hone_param_new(hone_params *p, const char *role, const char *name,
                                    int64_t out, int64_t in, bool bias);
/* The same, stored [in, out] in the checkpoint and in memory (GPT-2's Conv1D). */
HONE_API hone_param *hone_param_new_transposed(hone_params *p, const char *role,
                                               const char *name, int64_t out, int64_t in,
                                               bool bias);
/* A second role and name for the weight of `other`: one storage, one gradient.
 * A checkpoint may hold either name, or both with equal bytes. */
HONE_API hone_param *hone_param_tie(hone_params *p, const char *role, const char *name,
                                    hone_param *other);
/* Names that follow get this prefix and a dot, and belong to this layer. */
HONE_API void hone_params_enter(hone_params *p, int64_t layer, const char *fmt, ...)
    HONE_PRINTF(3, 4);
HONE_API void hone_params_leave(hone_params *p);
/* Zeroed memory that lives as long as the parameters; NULL after a failure. */
HONE_API void *hone_params_array(hone_params *p, int64_t count, size_t size);
/* The first failure of the calls above. */
HONE_API int hone_params_done(hone_params *p, hone_error *err);

/* ---- looking ---- */
HONE_API size_t hone_params_count(const hone_params *p);
HONE_API hone_param *hone_params_at(const hone_params *p, size_t i);
/* By full name without ".weight"; NULL when there is none. */
HONE_API hone_param *hone_params_find(const hone_params *p, const char *name);

HONE_API const char *hone_param_name(const hone_param *param); /* "model.layers.0.self_attn.q_proj" */
HONE_API const char *hone_param_role(const hone_param *param);
HONE_API int64_t hone_param_layer(const hone_param *param);    /* -1 outside layers */
HONE_API int64_t hone_param_out(const hone_param *param);
HONE_API int64_t hone_param_in(const hone_param *param);
HONE_API bool hone_param_is_transposed(const hone_param *param);
/* The parameter this one shares its weight with, or NULL. */
HONE_API hone_param *hone_param_tied_to(const hone_param *param);
HONE_API hone_tensor *hone_param_weight(const hone_param *param);
HONE_API hone_tensor *hone_param_bias(const hone_param *param); /* NULL: none */
HONE_API bool hone_param_trainable(const hone_param *param);
HONE_API void hone_param_set_trainable(hone_param *param, bool on);

/* ---- layers ---- */

/* x [tokens, in] to [tokens, out]: x W^T + b, then the adapters of strategies
 * attached to the parameter, unless the graph has them off. */
HONE_API hone_tensor *hone_linear(hone_graph *g, hone_tensor *x, hone_param *param);
/* Rows of the weight by token id: [count, in]. Ids must be in range. */
HONE_API hone_tensor *hone_embed(hone_graph *g, const int32_t *ids, int64_t count,
                                 hone_param *param);
/* x / sqrt(mean(x^2) + eps) * w over the last dimension. Zhang & Sennrich
 * 2019, arXiv:1910.07467. */
HONE_API hone_tensor *hone_rmsnorm(hone_graph *g, hone_tensor *x, hone_param *param, double eps);
/* (x - mean)/sqrt(var + eps) * w + b. Ba et al. 2016, arXiv:1607.06450. */
HONE_API hone_tensor *hone_layernorm(hone_graph *g, hone_tensor *x, hone_param *param,
                                     double eps);

#endif
