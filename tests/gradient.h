/* gradient.h -- check an op's gradient, and its float kernels.
 *
 * A case builds something from leaves. The checker sums it with fixed random
 * weights, compares backward on the reference kernels (double) with central
 * differences, and then the value and gradients on every float table that the
 * processor has with those of the reference. */
#ifndef HONE_TESTS_GRADIENT_H
#define HONE_TESTS_GRADIENT_H

#include "support.h"

#define GRADIENT_LEAVES 4

typedef struct gradient_case {
    const char *name;
    int leaves;
    int dims[GRADIENT_LEAVES];
    int64_t shape[GRADIENT_LEAVES][HONE_DIMS];
    double low, high;             /* of the leaves' random values; both 0: -1 to 1 */
    /* Anything made from the leaves. */
    hone_tensor *(*build)(hone_graph *g, hone_tensor **leaf, const void *user);
    const void *user;
    bool train;                   /* dropout is active */
    bool reference_only;          /* no float table (a cache of f32, say) */
} gradient_case;

void gradient_check(hone_context *context, const gradient_case *c);

/* NULL-terminated names of the float tables this processor runs. */
const char *const *gradient_tables(hone_context *context);

#endif
