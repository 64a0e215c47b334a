/* inference.h -- what a team reports of judgements: means that join people and an
 * automatic judge, win rates that length does not explain, how many judgements
 * are enough, and when to stop asking.
 *
 * Intervals are two-sided and hold with `confidence`, by a normal approximation.
 * Nothing here returns NaN: what cannot be computed is an error. */
#ifndef HONE_INFERENCE_H
#define HONE_INFERENCE_H

#include <hone/base.h>

typedef struct hone_estimate {
    double value, se, low, high;
} hone_estimate;

/* ---- prediction-powered inference ---- */

/* Coefficients [terms] of a linear regression of y on x, from n judged rows and
 * N others that have predictions f only; the estimate is right whatever f is, and
 * as much narrower as f is good. lambda: how far f is trusted, 0 (not at all:
 * people alone) to 1; NaN: tuned to the smallest variance, and *tuned (which may
 * be NULL) says what was used. people [terms], may be NULL: the judged rows alone.
 * x: [n, terms], others: [N, terms]; both NULL where terms is 1: the mean of y.
 * n and N at least 2, and x of full rank. Angelopoulos, Bates, Fannjiang, Jordan &
 * Zrnic 2023, doi:10.1126/science.adi6000; with tuning Angelopoulos, Duchi & Zrnic
 * 2023, arXiv:2311.01453. */
typedef struct hone_ppi {
    size_t rows, others, terms;
    const double *x, *y, *f;         /* [rows, terms], [rows], [rows] */
    const double *others_x, *others_f; /* [others, terms], [others] */
    double lambda, confidence;
} hone_ppi;
HONE_API int hone_ppi_estimate(hone_estimate *out, hone_estimate *people, double *tuned,
                               const hone_ppi *data, hone_error *err);

/* ---- win rates ---- */

/* A win rate as it is, and at no difference in length: score (1 won, 0 lost, 0.5
 * tied) is a logistic model of a constant and tanh(difference/sd); `controlled` is
 * the rate at difference 0, `length` the coefficient and p its two-sided p.
 * cluster: [rows] below `clusters`, or NULL. Dubois, Galambosi, Liang & Hashimoto
 * 2024, arXiv:2404.04475, without the term for each instruction. EINVAL where all
 * differences are equal; ENUMERIC where length alone decides. */
typedef struct hone_win_rate {
    hone_estimate raw, controlled, length;
    double p;
} hone_win_rate;
HONE_API int hone_win_rate_estimate(hone_win_rate *out, const double *score,
                                    const double *difference, const int32_t *cluster,
                                    size_t clusters, size_t rows, double confidence,
                                    hone_error *err);

/* ---- power ---- */

/* Judgements that tell two models apart. Of an item one answer is better; an
 * annotator says so with chance a, and two say the same with chance agreement =
 * a^2 + (1 - a)^2. A share `ties` of items has no better answer. A two-sided
 * test of 1/2 over the means of items, at level alpha. */
typedef struct hone_power {
    double agreement;      /* above 0.5, at most 1 */
    double ties;           /* at least 0, below 1 */
    double alpha, power;   /* 0.05, 0.8 */
    int64_t per_item;      /* judgements of each item, at least 1 */
} hone_power;
/* Items for a model that is better on a share win_rate of the items without ties. */
HONE_API int hone_power_items(int64_t *items, const hone_power *design, double win_rate,
                              hone_error *err);
/* The chance that `items` items show it. */
HONE_API int hone_power_chance(double *chance, const hone_power *design, int64_t items,
                               double win_rate, hone_error *err);
/* The smallest win rate above 1/2 that `items` items show with design->power; *out is
 * 1 and *possible false where none does. */
HONE_API int hone_power_effect(double *win_rate, bool *possible, const hone_power *design,
                               int64_t items, hone_error *err);

/* ---- when to stop ---- */

/* A sequential test of chance p1 against p0 (Wald 1945, doi:10.1214/aoms/1177731118):
 * add `hit` for a success and `miss` for a failure, to a sum that began at 0; at
 * `upper` it is p1, at `lower` p0. */
typedef struct hone_sprt {
    double hit, miss, upper, lower;
} hone_sprt;
HONE_API int hone_sprt_new(hone_sprt *out, double p0, double p1, double alpha, double beta,
                           hone_error *err);
/* P(chance > 1/2) after wins and losses, under a Beta(a, b) prior: ask no more where
 * it is above or below a bound. A posterior does not mind when one looks. */
HONE_API int hone_posterior_better(double *out, double wins, double losses, double a, double b,
                                   hone_error *err);
/* How much more a uniform mixture of chances explains k successes of n than p does.
 * Whenever one looks, and for whatever reason, it exceeds 1/alpha with chance alpha
 * at most if p is true (Ville). */
HONE_API int hone_binomial_evalue(double *out, int64_t k, int64_t n, double p, hone_error *err);

#endif
