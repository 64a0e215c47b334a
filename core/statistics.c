/* statistics.c -- see <hone/statistics.h>. */
#include <hone/statistics.h>

#include <math.h>

double hone_normal_tail(double x)
{
    return 0.5 * erfc(x * 0.70710678118654752440);
}

/* Newton's method on log P(Z > x). It is concave and P(Z > x) <= exp(-x^2/2)/2,
 * so that from where the bound is p, steps go down to the root and never past
 * it. The upper half mirrors the lower. */
double hone_normal_quantile(double p)
{
    double x;

    if (isnan(p) || p < 0 || p > 1)
        return NAN;
    if (p == 0 || p == 1)
        return p ? INFINITY : -INFINITY;
    if (p > 0.5)
        return -hone_normal_quantile(1 - p);
    x = sqrt(-2 * log(2 * p));
    for (int i = 0; i < 100; i++) {
        double tail = hone_normal_tail(x);
        double density = 0.39894228040143267794 * exp(-0.5 * x * x);
        double step = tail > 0 ? log(tail / p) * tail / density : 0;
        x += step;
        if (fabs(step) <= 1e-15 * fabs(x))
            break;
    }
    return -x;
}

static double binomial_log(int64_t k, int64_t n, double p)
{
    double a = (double)k, b = (double)(n - k);
    int sign;

    return lgamma_r((double)n + 1, &sign) - lgamma_r(a + 1, &sign) - lgamma_r(b + 1, &sign) +
           (k ? a * log(p) : 0) + (n - k ? b * log1p(-p) : 0);
}

double hone_binomial_test(int64_t k, int64_t n, double p)
{
    /* Outcomes as likely as the one seen differ from it by rounding. */
    double seen = binomial_log(k, n, p) + 1e-7, sum = 0;

    if (n < 1)
        return 1;
    for (int64_t i = 0; i <= n; i++) {
        double one = binomial_log(i, n, p);
        if (one <= seen)
            sum += exp(one);
    }
    return sum < 1 ? sum : 1;
}

void hone_wilson_interval(double k, double n, double confidence, double *low, double *high)
{
    double z = hone_normal_quantile(0.5 + confidence / 2), share, centre, half;

    *low = 0;
    *high = 1;
    if (!(n > 0))
        return;
    share = k / n;
    centre = (share + z * z / (2 * n)) / (1 + z * z / n);
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    *low = k > 0 ? fmax(0, centre - half) : 0;
    *high = k < n ? fmin(1, centre + half) : 1;
}
