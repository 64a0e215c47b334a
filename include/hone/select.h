/* select.h -- what to ask next, of whom.
 *
 * Scores are larger for what is better to ask; probabilities are rows of n
 * numbers at least 0 that sum to 1 (within 1e-6). Units of information: nats. */
#ifndef HONE_SELECT_H
#define HONE_SELECT_H

#include <hone/base.h>

/* ---- how good an item is to ask ---- */

/* Entropy of each row of p [rows, labels]; 0: sure. */
HONE_API int hone_select_entropy(double *scores, const double *p, size_t rows, size_t labels,
                                 hone_error *err);
/* 1 less the difference of the two largest; 1: even. */
HONE_API int hone_select_margin(double *scores, const double *p, size_t rows, size_t labels,
                                hone_error *err);
/* How far members of a committee differ: entropy of their mean less the mean of
 * their entropies (Houlsby et al. 2011, arXiv:1112.5745). p: [members, rows,
 * labels]. What all are unsure of does not count: more answers would not help. */
HONE_API int hone_select_committee(double *scores, const double *p, size_t members, size_t rows,
                                   size_t labels, hone_error *err);
/* What a comparison tells of a difference d ~ N(mean, sd^2) of strengths: mutual
 * information of d and an outcome of chance 1/(1 + e^-d). [rows] each; sd >= 0. */
HONE_API int hone_select_comparison(double *scores, const double *mean, const double *sd,
                                    size_t rows, hone_error *err);
/* What an answer tells of the truth: truth [rows, labels], and P(says column | truth
 * is row) [labels, labels] of the annotator. */
HONE_API int hone_select_answer(double *scores, const double *truth, const double *confusion,
                                size_t rows, size_t labels, hone_error *err);

/* ---- which of them, together ---- */

/* The greedy k-centre: each next row is the farthest from all chosen before, so
 * that none of x [rows, width] is farther from a chosen one than twice what is
 * possible (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5; Sener & Savarese 2018,
 * arXiv:1708.00489). near [rows]: distance to what was chosen before the call, or
 * NULL; without, the first is the row nearest to the mean. chosen, reach [count]:
 * rows in order, and how far each was. count <= rows. */
HONE_API int hone_select_centres(int64_t *chosen, double *reach, const float *x,
                                 const double *near, size_t rows, size_t width, size_t count,
                                 hone_error *err);
/* Rows of the best score for their cost until the budget is spent, best first; rows
 * of score 0 or less are left out. *count: how many; chosen has room for rows. */
HONE_API int hone_select_budget(int64_t *chosen, size_t *count, const double *scores,
                                const double *costs, size_t rows, double budget, hone_error *err);

/* ---- of whom ---- */

/* Who answers what, by what the answer tells (hone_select_answer, of an annotator
 * right with chance skill and else at random), greatest first. An answer assigned
 * leaves, in expectation, less of the item's entropy, and what further ones tell
 * shrinks in proportion. done [items, annotators]: must not answer (has); may be
 * NULL. capacity [annotators]: most answers of each; per_item: of each item, at
 * most 1000. item, annotator, gains: room for `limit`; *count: how many. Memory:
 * items * per_item + annotators. */
typedef struct hone_assignment {
    const double *truth;     /* [items, labels] */
    const double *skill;     /* [annotators] 1/labels to 1 */
    const double *cost;      /* [annotators] above 0; NULL: 1. Gains are for their cost */
    const bool *done;
    const int64_t *capacity;
    size_t items, labels, annotators, limit;
    int64_t per_item;
} hone_assignment;
HONE_API int hone_select_assign(int64_t *item, int64_t *annotator, double *gains, size_t *count,
                                const hone_assignment *what, hone_error *err);

/* How much one more member of each group narrows the estimate of a whole population:
 * N^2 sigma^2/(n (n + 1)); infinite where n is 0 and N sigma is not. [groups] each:
 * size N in the population, sd of answers within the group, members n so far. */
HONE_API int hone_select_recruit(double *gains, const double *size, const double *sd,
                                 const int64_t *members, size_t groups, hone_error *err);

#endif
