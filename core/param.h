/* param.h -- what the core knows of a parameter (see <hone/param.h>). */
#ifndef CORE_PARAM_H
#define CORE_PARAM_H

#include <hone/param.h>
#include <hone/strategy.h>

struct hone_param {
    char *name, *role;
    int64_t layer, out, in;
    bool transposed;
    hone_param *tied_to;       /* weight is shared with this one */
    hone_tensor *weight;       /* [out, in], or [in, out] when transposed; [in] when out is 1 */
    hone_tensor *bias;         /* [out], [in] when out is 1; NULL: none */
    hone_instance *strategy;   /* borrowed; whose hooks act; NULL: none */
    void *adapter;             /* the strategy's own, owned by the parameters */
    bool merged;               /* the adapter is folded into the weight: hooks rest */
};

#endif
