/* advantage.h -- from rewards to advantages: arithmetic without gradient.
 *
 * [samples] counts samples, in order; [tokens] counts the own tokens of all
 * samples, in order; lengths [samples] are whole numbers that add up to tokens.
 * group: so many consecutive samples answer one prompt.
 *
 * Tensors in are of any float dtype, lengths of any; **out is owned and f32, or
 * f64 where the first tensor is; sums are in double, in order. A reward of NaN
 * is absent: it is left out of means, and what comes of it is 0. All other
 * values must be finite: HONE_ENUMERIC names the place, counted from 1. */
#ifndef HONE_ADVANTAGE_H
#define HONE_ADVANTAGE_H

#include <hone/tensor.h>

typedef enum hone_variance { HONE_UNBIASED, HONE_BIASED } hone_variance;

/* (r - mean) / (sd + eps) within the group, or r - mean where scale is off
 * (Dr. GRPO); reward [samples] to the same. Of fewer than two rewards in a
 * group, or equal ones, comes 0. A group of one is an error. Shao et al. 2024,
 * arXiv:2402.03300, 4.1.1; Liu et al. 2025, arXiv:2503.20783. */
HONE_API int hone_group_normalise(hone_tensor **out, const hone_tensor *reward, int64_t group,
                                  double eps, bool scale, hone_variance variance,
                                  hone_error *err);
/* 1 for the samples of groups whose rewards are not all equal, else 0; 0 for an
 * absent reward. [samples]. DAPO's dynamic sampling, arXiv:2503.14476. */
HONE_API int hone_group_differs(hone_tensor **out, const hone_tensor *reward, int64_t group,
                                hone_error *err);
/* r less the mean of the others of its group; 0 where there is no other.
 * [samples]. A group of one is an error. Kool et al. 2019; RLOO: Ahmadian et
 * al. 2024, arXiv:2402.14740. */
HONE_API int hone_leave_one_out(hone_tensor **out, const hone_tensor *reward, int64_t group,
                                hone_error *err);

/* Generalised advantage estimation within each sample:
 *   d_t = r_t + gamma V_{t+1} - V_t,  A_t = d_t + gamma lambda A_{t+1}
 * and returns A + V, rewards and values [tokens] to the same. The value after a
 * sample's last token is last's [samples], 0 where last is NULL. gamma and
 * lambda are in [0, 1]. Schulman et al. 2016, arXiv:1506.02438. */
HONE_API int hone_gae(hone_tensor **advantages, hone_tensor **returns, const hone_tensor *rewards,
                      const hone_tensor *values, const hone_tensor *lengths, double gamma,
                      double lambda, const hone_tensor *last, hone_error *err);
/* G_t = r_t + gamma G_{t+1} within each sample; [tokens]. REINFORCE, and
 * REINFORCE++: Hu 2025, arXiv:2501.03262. */
HONE_API int hone_discounted(hone_tensor **out, const hone_tensor *rewards,
                             const hone_tensor *lengths, double gamma, hone_error *err);

/* (x - mean) / sqrt(variance + 1e-8), plus the mean where keep_mean is on. mask
 * (NULL: everything) has x's count; where it is 0, or x is NaN, x does not
 * count, and 0 comes out. The variance of one value is 0. */
HONE_API int hone_whiten(hone_tensor **out, const hone_tensor *x, const hone_tensor *mask,
                         bool keep_mean, hone_variance variance, hone_error *err);

/* The score [samples] on the last token of each, 0 on the others: [tokens]. A
 * sample without tokens loses its score. */
HONE_API int hone_score_at_end(hone_tensor **out, const hone_tensor *score,
                               const hone_tensor *lengths, hone_error *err);
/* PPO's rewards: score_at_end - beta * kl, kl [tokens]. Ziegler et al. 2019,
 * arXiv:1909.08593. */
HONE_API int hone_token_rewards(hone_tensor **out, const hone_tensor *score,
                                const hone_tensor *kl, const hone_tensor *lengths, double beta,
                                hone_error *err);

/* Largest of each sample's values x [tokens], NaN of none: [samples]. Sums, which
 * have a gradient: hone_segment_sum. */
HONE_API int hone_segment_max(hone_tensor **out, const hone_tensor *x, const hone_tensor *lengths,
                              hone_error *err);

/* Check that lengths are whole, at least 0, and add up to `tokens`; what: the
 * operation, for messages. */
HONE_API int hone_lengths_check(const hone_tensor *lengths, int64_t tokens, const char *what,
                                hone_error *err);

#endif
