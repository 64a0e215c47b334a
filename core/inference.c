/* inference.c -- win rates, power, and when to stop (see <hone/inference.h>). */
#include <hone/inference.h>

#include <hone/statistics.h>
#include <math.h>
#include <string.h>

static double inference_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static int inference_confidence(double confidence, hone_error *err)
{
    if (confidence > 0 && confidence < 1)
        return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "confidence is %g; it lies between 0 and 1", confidence);
}

/* ---- win rates ---- */

/* The mean, and its standard error over rows or clusters. */
static int rate_raw(hone_estimate *out, const double *score, const int32_t *cluster,
                    size_t clusters, size_t rows, double z, hone_error *err)
{
    size_t groups = cluster ? clusters : rows, used = 0;
    double *sums = hone_alloc(groups + 1, 2 * sizeof *sums), mean = 0, squares = 0;

    if (!sums)
        return hone_fail_memory(err, "a win rate");
    for (size_t r = 0; r < rows; r++)
        mean += score[r] / (double)rows;
    for (size_t r = 0; r < rows; r++) {
        size_t g = cluster ? (size_t)cluster[r] : r;
        sums[2 * g] += score[r] - mean;
        sums[2 * g + 1]++;
    }
    for (size_t g = 0; g < groups; g++) {
        used += sums[2 * g + 1] > 0;
        squares += sums[2 * g] * sums[2 * g];
    }
    hone_free(sums);
    if (used < 2)
        return hone_fail(err, HONE_EINVAL, "%zu %s; an interval takes 2", used,
                         cluster ? "clusters" : "rows");
    out->value = mean;
    out->se = sqrt(squares * (double)used / (double)(used - 1)) / (double)rows;
    out->low = fmax(0, mean - z * out->se);
    out->high = fmin(1, mean + z * out->se);
    return HONE_OK;
}

static int rate_terms(double *x, const double *difference, size_t rows, hone_error *err)
{
    double mean = 0, squares = 0, sd;

    for (size_t r = 0; r < rows; r++) /* from the first: equal ones have no rounding */
        mean += (difference[r] - difference[0]) / (double)rows;
    for (size_t r = 0; r < rows; r++)
        squares += pow(difference[r] - difference[0] - mean, 2);
    sd = sqrt(squares / (double)rows);
    if (!(sd > 0 && isfinite(sd)))
        return hone_fail(err, HONE_EINVAL, "differences in length have a standard deviation of "
                         "%g; it is finite and above 0", sd);
    for (size_t r = 0; r < rows; r++) {
        x[2 * r] = 1;
        x[2 * r + 1] = tanh(difference[r] / sd);
    }
    return HONE_OK;
}

int hone_win_rate_estimate(hone_win_rate *out, const double *score, const double *difference,
                           const int32_t *cluster, size_t clusters, size_t rows,
                           double confidence, hone_error *err)
{
    double beta[2], covariance[4], *x, z;
    int code = inference_confidence(confidence, err);

    *out = (hone_win_rate){0};
    if (code)
        return code;
    for (size_t r = 0; r < rows; r++) {
        if (!(score[r] >= 0 && score[r] <= 1) || !isfinite(difference[r]))
            return hone_fail(err, HONE_EINVAL, "row %zu has score %g and difference %g; a score is "
                             "0 to 1, a difference finite", r + 1, score[r], difference[r]);
        if (cluster && (cluster[r] < 0 || (size_t)cluster[r] >= clusters))
            return hone_fail(err, HONE_EINVAL, "row %zu is of cluster %" PRId32 " of %zu", r + 1,
                             cluster[r], clusters);
    }
    z = hone_normal_quantile(0.5 + confidence / 2);
    if (!(x = hone_alloc(2 * rows + 1, sizeof *x)))
        return hone_fail_memory(err, "a win rate");
    code = rate_raw(&out->raw, score, cluster, clusters, rows, z, err);
    if (!code)
        code = rate_terms(x, difference, rows, err);
    if (!code)
        code = hone_logistic_fit(beta, covariance, x, score, NULL, cluster, clusters, rows, 2, err);
    hone_free(x);
    if (code)
        return code;
    double se = sqrt(covariance[0]), rate = inference_sigmoid(beta[0]), slope = sqrt(covariance[3]);
    out->controlled = (hone_estimate){ rate, rate * (1 - rate) * se,
                                       inference_sigmoid(beta[0] - z * se),
                                       inference_sigmoid(beta[0] + z * se) };
    out->length = (hone_estimate){ beta[1], slope, beta[1] - z * slope, beta[1] + z * slope };
    out->p = 2 * hone_normal_tail(fabs(beta[1]) / slope);
    return HONE_OK;
}

/* ---- power ---- */

static int power_check(const hone_power *d, double win_rate, hone_error *err)
{
    if (!(d->agreement > 0.5 && d->agreement <= 1))
        return hone_fail(err, HONE_EINVAL, "agreement is %g; above 0.5, which is chance, and at "
                         "most 1", d->agreement);
    if (!(d->ties >= 0 && d->ties < 1))
        return hone_fail(err, HONE_EINVAL, "ties are %g; at least 0 and below 1", d->ties);
    if (!(d->alpha > 0 && d->alpha < 1 && d->power > 0 && d->power < 1))
        return hone_fail(err, HONE_EINVAL, "alpha is %g and power %g; both lie between 0 and 1",
                         d->alpha, d->power);
    if (d->per_item < 1)
        return hone_fail(err, HONE_EINVAL, "per_item is %" PRId64 "; at least 1", d->per_item);
    if (!(win_rate >= 0 && win_rate <= 1))
        return hone_fail(err, HONE_EINVAL, "the win rate is %g; it is 0 to 1", win_rate);
    return HONE_OK;
}

/* Of an item's mean: how far it is from 1/2, and its variance. With e = 2a - 1, the
 * truth of an item moves its mean by e, and answers scatter by a(1 - a)/per_item. */
static void power_item(const hone_power *d, double win_rate, double *apart, double *variance)
{
    double e = sqrt(2 * d->agreement - 1), scatter = (1 - e * e) / 4 / (double)d->per_item;
    double off = e * (win_rate - 0.5), decided = 1 - d->ties;

    *apart = decided * off;
    *variance = decided * (win_rate * (1 - win_rate) * e * e + scatter + off * off) -
                *apart * *apart;
}

static double power_of(const hone_power *d, double items, double win_rate)
{
    double apart, variance, none, equal, z = hone_normal_quantile(1 - d->alpha / 2);

    power_item(d, win_rate, &apart, &variance);
    power_item(d, 0.5, &none, &equal);
    if (!(variance > 0))
        return fabs(apart) * sqrt(items) > z * sqrt(equal);
    return hone_normal_tail((z * sqrt(equal) - fabs(apart) * sqrt(items)) / sqrt(variance));
}

int hone_power_chance(double *chance, const hone_power *design, int64_t items, double win_rate,
                      hone_error *err)
{
    int code = power_check(design, win_rate, err);

    if (!code && items < 1)
        code = hone_fail(err, HONE_EINVAL, "%" PRId64 " items; at least 1", items);
    if (!code)
        *chance = power_of(design, (double)items, win_rate);
    return code;
}

int hone_power_items(int64_t *items, const hone_power *design, double win_rate, hone_error *err)
{
    double apart, variance, none, equal, root;
    int code = power_check(design, win_rate, err);

    if (code)
        return code;
    power_item(design, win_rate, &apart, &variance);
    power_item(design, 0.5, &none, &equal);
    root = (hone_normal_quantile(1 - design->alpha / 2) * sqrt(equal) +
            hone_normal_quantile(design->power) * sqrt(fmax(0, variance))) / fabs(apart);
    if (!(root < 3e9))
        return hone_fail(err, HONE_EINVAL, "a win rate of %g takes over 9e18 items: it differs too "
                         "little from 0.5", win_rate);
    *items = (int64_t)fmax(1, ceil(root * root - 1e-9));
    return HONE_OK;
}

int hone_power_effect(double *win_rate, bool *possible, const hone_power *design, int64_t items,
                      hone_error *err)
{
    double low = 0.5, high = 1;
    int code = power_check(design, 0.5, err);

    if (!code && items < 1)
        code = hone_fail(err, HONE_EINVAL, "%" PRId64 " items; at least 1", items);
    if (code)
        return code;
    *win_rate = 1;
    *possible = power_of(design, (double)items, 1) >= design->power;
    for (int i = 0; i < 60 && *possible; i++) {
        double middle = (low + high) / 2;
        *(power_of(design, (double)items, middle) < design->power ? &low : &high) = middle;
        *win_rate = high;
    }
    return HONE_OK;
}

/* ---- when to stop ---- */

int hone_sprt_new(hone_sprt *out, double p0, double p1, double alpha, double beta,
                  hone_error *err)
{
    if (!(p0 > 0 && p0 < 1 && p1 > 0 && p1 < 1 && p0 != p1))
        return hone_fail(err, HONE_EINVAL, "chances are %g and %g; they differ, and lie between 0 "
                         "and 1", p0, p1);
    if (!(alpha > 0 && beta > 0 && alpha + beta < 1))
        return hone_fail(err, HONE_EINVAL, "errors are %g and %g; above 0, and below 1 together",
                         alpha, beta);
    *out = (hone_sprt){ log(p1 / p0), log((1 - p1) / (1 - p0)), log((1 - beta) / alpha),
                        log(beta / (1 - alpha)) };
    return HONE_OK;
}

int hone_posterior_better(double *out, double wins, double losses, double a, double b,
                          hone_error *err)
{
    if (!(wins >= 0 && losses >= 0 && a > 0 && b > 0 && isfinite(wins + losses + a + b)))
        return hone_fail(err, HONE_EINVAL, "%g wins and %g losses under Beta(%g, %g); counts are "
                         "at least 0, a and b above", wins, losses, a, b);
    *out = hone_beta_cdf(0.5, losses + b, wins + a); /* of 1 - chance */
    return HONE_OK;
}

int hone_binomial_evalue(double *out, int64_t k, int64_t n, double p, hone_error *err)
{
    double a = (double)k + 1, b = (double)(n - k) + 1, log_e;
    int sign;

    if (k < 0 || n < k || !(p > 0 && p < 1))
        return hone_fail(err, HONE_EINVAL, "%" PRId64 " of %" PRId64 " against a chance of %g, "
                         "which lies between 0 and 1", k, n, p);
    log_e = lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign) - (a - 1) * log(p) -
            (b - 1) * log1p(-p);
    *out = exp(fmin(log_e, 700));
    return HONE_OK;
}
