/* gap.h -- the largest difference of a rate (or mean) between groups. */
#ifndef BIAS_GAP_H
#define BIAS_GAP_H

#include "finding.h"

struct bias_gap {
    const struct bias_options *common;
    const hone_judgements *judgements;
    const struct bias_groups *groups;
    struct bias_clusters by;
    const double *y;     /* [rows]; NaN: no part */
    const int32_t *of;   /* [rows]: group; -1: no part */
    bool binary;
    int64_t least;       /* groups with fewer rows are listed, not compared */
};

/* Weighted rows, their sum and hits, by group. */
struct bias_cell {
    double weight, sum;
    size_t n;
};

/* Fill `to` with a finding: effect (highest less lowest), ratio (lowest/highest),
 * highest, lowest, fisher, groups, comparisons (each group with all others).
 * p is Fisher's exact one where rows are independent and unweighted, else from
 * clusters, times the number of pairs of groups, from which the extremes were
 * chosen. influence [rows]: of the effect. *e: what was written; its value is
 * NaN where it is undefined. */
int bias_gap_put(json_t *to, struct bias_estimate *e, double *influence,
                 const struct bias_gap *g, hone_error *err);
/* Cells [groups] of the rows that `keep` (NULL: all) leaves. */
void bias_gap_cells(struct bias_cell *cells, const struct bias_gap *g, const bool *keep);
/* Highest and lowest of the cells that are compared; how many are. */
size_t bias_gap_extremes(const struct bias_cell *cells, const struct bias_gap *g, size_t *highest,
                         size_t *lowest);

#endif
