/* statistics.h -- the few distributions that quality and bias plugins share. */
#ifndef HONE_STATISTICS_H
#define HONE_STATISTICS_H

#include <hone/base.h>

/* x with P(Z <= x) = p for a standard normal Z; infinite at 0 and 1, NaN
 * beyond. */
HONE_API double hone_normal_quantile(double p);
/* P(Z > x). */
HONE_API double hone_normal_tail(double x);
/* Exact two-sided p of k successes in n trials with chance p: the probability
 * of all outcomes that are at most as likely. 1 without trials. */
HONE_API double hone_binomial_test(int64_t k, int64_t n, double p);
/* An interval for a share k/n that holds with `confidence` (0.95). Wilson 1927,
 * doi:10.1080/01621459.1927.10502953. [0, 1] without trials. */
HONE_API void hone_wilson_interval(double k, double n, double confidence, double *low,
                                   double *high);
/* P(X <= x) for X of a Beta(a, b) distribution, a and b > 0: the regularised
 * incomplete beta function. NaN for other a or b, or a NaN. */
HONE_API double hone_beta_cdf(double x, double a, double b);
/* x with P(X <= x) = p for X of Beta(a, b). NaN where there is none. */
HONE_API double hone_beta_quantile(double p, double a, double b);
/* Derivative of the logarithm of the gamma function, for x > 0; else NaN. */
HONE_API double hone_digamma(double x);

/* ---- tests of significance ---- */

/* P(T > t) of Student's t with df > 0 degrees of freedom (infinite: the
 * normal), and t with P(T <= t) = p. NaN for other df. */
HONE_API double hone_student_tail(double t, double df);
HONE_API double hone_student_quantile(double p, double df);
/* P(X > x) of chi-squared with df > 0 degrees of freedom. */
HONE_API double hone_chi_squared_tail(double x, double df);
/* Fisher's exact two-sided p that k1 of n1 and k2 of n2 have one chance: the
 * probability of all tables at most as likely. 1 where n1 or n2 is 0. */
HONE_API double hone_fisher_test(int64_t k1, int64_t n1, int64_t k2, int64_t n2);
/* An interval for k1/n1 - k2/n2. Newcombe 1998, method 10,
 * doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I. */
HONE_API void hone_newcombe_interval(double k1, double n1, double k2, double n2,
                                     double confidence, double *low, double *high);
/* p [n] of n tests corrected together (Holm 1979), NaN staying NaN and counting
 * as no test. places: room for n numbers. */
HONE_API void hone_holm(const double *p, double *corrected, size_t *places, size_t n);

/* ---- symmetric positive definite matrices, [n, n] ---- */

/* The factor L of a = L L^T, in place; only the lower triangle is read and
 * written. False where a is not positive definite. */
HONE_API bool hone_cholesky(double *a, size_t n);
/* x = a^-1 x, for the factor l of a. */
HONE_API void hone_cholesky_solve(const double *l, size_t n, double *x);
/* The factor becomes the inverse of a, both triangles. */
HONE_API void hone_cholesky_invert(double *l, size_t n);

/* ---- the logistic model ---- */

/* beta [terms] and its covariance [terms, terms] by maximum likelihood of
 * P(y) = 1/(1 + exp(-x beta)). x: [rows, terms], with a column of ones where a
 * constant is wanted; y: [rows], 0 to 1 (a tie is 0.5); weight: [rows] or NULL.
 * cluster: [rows], each below `clusters`, for a covariance that holds where rows
 * of a cluster are not independent (Liang & Zeger 1986,
 * doi:10.1093/biomet/73.1.13); NULL: the model's. HONE_ENUMERIC where no
 * estimate is finite. Memory besides: clusters * terms. */
HONE_API int hone_logistic_fit(double *beta, double *covariance, const double *x, const double *y,
                               const double *weight, const int32_t *cluster, size_t clusters,
                               size_t rows, size_t terms, hone_error *err);

#endif
