/* reward.h -- one number a sample out of the scores of several metrics.
 *
 *   x     = score, clipped; shrunk towards its mean; normalised
 *   total = sum of weight * x over the parts that apply
 *   total = normalised, clipped; then what a gate says, where one is shut
 *
 * A sample that some part failed for has no reward (failed, with the part's name
 * in the message). One that a part does not apply to is treated as `na` says. */
#ifndef HONE_REWARD_H
#define HONE_REWARD_H

#include <hone/metric.h>

/* ---- running moments ---- */

/* Count, mean and sum of squared deviations of all numbers so far; zeroed at
 * first. Welford 1962, doi:10.1080/00401706.1962.10490022. */
typedef struct hone_moments {
    double count, mean, squares;
} hone_moments;
/* NaN is left out. */
HONE_API void hone_moments_add(hone_moments *m, double value);
/* Of the sample, n - 1; 0 of fewer than two numbers, and where all are equal
 * but for rounding. */
HONE_API double hone_moments_sd(const hone_moments *m);
/* (value - mean)/sd; 0 where sd is; value as it is where nothing was counted. */
HONE_API double hone_moments_normalise(const hone_moments *m, double value);

/* ---- rewards ---- */

/* What a part that does not apply to a sample makes of its reward: none; that of
 * the other parts; that of the others, times all weights over theirs. No part
 * applies: none. */
typedef enum hone_reward_na {
    HONE_REWARD_SKIP, HONE_REWARD_ZERO, HONE_REWARD_RESCALE
} hone_reward_na;

typedef struct hone_reward_part {
    const char *name;
    const hone_scores *scores;
    double weight;
    double low, high;      /* the score is clipped to these; -+INFINITY: not */
    bool gate;             /* a score below `floor` makes the reward `shut` */
    double floor, shut;
    const char *shrink;    /* head with the variance of each score; NULL: not shrunk */
    bool normalise;
    hone_moments *moments; /* needed to shrink or normalise */
} hone_reward_part;

/* With variance v of a score and s^2 of all scores so far, a score is moved to
 * mean + (score - mean) s^2/(s^2 + v): the best linear guess of a true value that
 * was measured with that error. */

typedef struct hone_reward {
    const hone_reward_part *parts;
    size_t count;
    hone_reward_na na;
    bool normalise;        /* the total */
    hone_moments *moments; /* needed to normalise it */
    double low, high;
    bool update;           /* count these samples in the moments first */
} hone_reward;

/* What happened on the way, counted in samples. */
typedef struct hone_reward_counts {
    size_t shut, clipped;
} hone_reward_counts;

/* Scores of the same samples as the parts'. Token scores are the sum of weight *
 * score of the parts that have some. **out is owned. */
HONE_API int hone_reward_combine(hone_scores **out, hone_reward_counts *counts,
                                 const hone_reward *reward, const hone_samples *samples,
                                 hone_error *err);

#endif
