/* calibrate.h -- from a metric's scores to the scale on which people judge.
 *
 * All lists are [n], finite; weights are not negative, NULL: 1 each. */
#ifndef HONE_CALIBRATE_H
#define HONE_CALIBRATE_H

#include <hone/inference.h>

/* The rising step function nearest to y in weighted squares, as corners to
 * interpolate between: from [n], to [n], of which *corners are set; from rises
 * strictly. Pool adjacent violators: Ayer, Brunk, Ewing, Reid & Silverman 1955,
 * doi:10.1214/aoms/1177728423. Equal x are pooled first. EINVAL without weight. */
HONE_API int hone_isotonic_fit(double *from, double *to, size_t *corners, const double *x,
                               const double *y, const double *weight, size_t n, hone_error *err);
/* Between corners linear, beyond the ends flat. NaN without corners. */
HONE_API double hone_isotonic_value(const double *from, const double *to, size_t corners, double x);

/* P = 1/(1 + exp(-constant - slope x)) for y in [0, 1], with targets drawn in as by
 * Platt 1999, so that scores that part the judgements stay finite. Where all x are
 * equal slope is 0. EINVAL for y out of range, or without weight. */
HONE_API int hone_platt_fit(double *constant, double *slope, const double *x, const double *y,
                            const double *weight, size_t n, hone_error *err);

/* Spearman's rank correlation of x and y, ties at their mean rank, and its interval
 * by Fisher's z with the standard error of Bonett & Wright 2000,
 * doi:10.1007/BF02294183. 0 with the interval [-1, 1] where x or y are all equal;
 * EINVAL below 4 numbers. */
HONE_API int hone_rank_correlation(hone_estimate *out, const double *x, const double *y, size_t n,
                                   double confidence, hone_error *err);

#endif
