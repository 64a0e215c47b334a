/* param.h -- what the core knows of a parameter (see <hone/param.h>). */
#ifndef CORE_PARAM_H
#define CORE_PARAM_H

#include <hone/param.h>
#include <hone/strategy.h>

struct hone_param {
    char *name, *role;
    char *weight_name, *bias_name; /* in the checkpoint; bias_name NULL: no bias */
    int64_t layer, out, in;
    bool transposed;
    bool is_head;              /* one that hone_model_add_head made */
    hone_param *tied_to;       /* weight is shared with this one */
    hone_tensor *weight;       /* [out, in], or [in, out] when transposed; a norm's [in] */
    hone_tensor *bias;         /* [out], a norm's [in]; NULL: none */
    hone_instance *strategy;   /* borrowed; whose hooks act; NULL: none */
    void *adapter;             /* the strategy's own, owned by the parameters */
    bool half;                 /* products with it are of bf16 numbers */
    bool merged;               /* the adapter is folded into the weight: hooks rest */
};

/* Names entered below one another. */
#define HONE_ENTER_DEPTH 8

struct hone_params {
    hone_param **items;        /* [count] in the order of naming */
    hone_param **sorted;       /* [count] by name */
    size_t count, capacity;
    hone_param *dropped;       /* named by build and taken out of the lists; NULL: none */
    void **arrays;             /* handed out by hone_params_array */
    size_t arrays_count;
    struct {
        char *prefix;          /* with all above it and the dot */
        int64_t layer;
    } entered[HONE_ENTER_DEPTH];
    int depth;
    int64_t layers;            /* most entered, plus 1 */
    hone_error error;          /* the first failure */
};

int hone_params_create(hone_params **out, hone_error *err);
void hone_params_free(hone_params *p);

/* Free one, the last named. */
void hone_params_remove(hone_params *p, hone_param *param);
/* Take one out of the lists: no file has it. It lives on for the plugin that
 * named it; one at most. */
void hone_params_drop(hone_params *p, hone_param *param);

/* Shape of the weight as it is stored; returns its dimensions, 1 or 2. */
int hone_param_shape(const hone_param *param, int64_t shape[2]);
/* Elements of the bias. */
int64_t hone_param_bias_count(const hone_param *param);
/* Rows of logits that a loss over this vocabulary has at once, whatever the batch. */
int64_t hone_head_chunk(int64_t vocab);
/* Make weight or bias (zeroed) of this dtype; ties share. Roots come first. */
int hone_param_make_weight(hone_param *param, hone_dtype dtype, hone_error *err);
int hone_param_make_bias(hone_param *param, hone_dtype dtype, hone_error *err);

#endif
