/* group_gap.h -- what the two files of group_gap share. */
#ifndef BIAS_GROUP_GAP_H
#define BIAS_GROUP_GAP_H

#include "finding.h"

struct group_gap {
    struct bias_options common;
    struct bias_outcome outcome;
    const char *attribute;
    int64_t permutations, seed, mitigation, least;
    double shrink, keep;
};

int group_gap_mitigate(void *self, const hone_judgements *j, const hone_json *findings,
                       hone_json **result, hone_error *err);

#endif
