/* strength.h -- how much better one side is, as terms of a logistic model. */
#ifndef BIAS_STRENGTH_H
#define BIAS_STRENGTH_H

#include "finding.h"

/* An attribute of items, the first side's strength less the second's; or, in a
 * pair table of few options, a Bradley-Terry strength an option, the first being
 * the reference. */
struct bias_strength {
    const char *attribute;
    const hone_judgements *judgements;
    size_t terms;
};

/* attribute may be NULL. At most `most` terms, else none. */
int bias_strength_open(struct bias_strength *s, const char *attribute, const hone_judgements *j,
                       size_t most, hone_error *err);
/* x [terms] of a row, with sign -1 where the sides are exchanged; false where the
 * attribute is no number. */
bool bias_strength_fill(const struct bias_strength *s, size_t row, double sign, double *x);

#endif
