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
        return p != 0 ? INFINITY : -INFINITY;
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

/* ---- the Beta distribution ---- */

static double beta_log(double x, double a, double b)
{
    int sign;

    return lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) +
           b * log1p(-x);
}

/* The continued fraction of I_x(a, b) (DLMF 8.17.22) by Lentz's method; it
 * needs about sqrt(max(a, b)) terms below the mean. */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    h = d;
    for (int i = 1; i < 100000; i++) {
        double m = i, even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step;
        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= c * d;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        step = c * d;
        h *= step;
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return h;
}

double hone_beta_cdf(double x, double a, double b)
{
    if (isnan(x) || !(a > 0) || !(b > 0) || isinf(a) || isinf(b))
        return NAN;
    if (x <= 0 || x >= 1)
        return x >= 1;
    if (x < (a + 1) / (a + b + 2))
        return exp(beta_log(x, a, b)) * beta_fraction(x, a, b) / a;
    return 1 - exp(beta_log(x, a, b)) * beta_fraction(1 - x, b, a) / b;
}

/* Newton's steps from a normal's quantile, within a bracket that halves where
 * they leave it. */
double hone_beta_quantile(double p, double a, double b)
{
    double low = 0, high = 1, mean = a / (a + b), x;

    if (isnan(p) || p < 0 || p > 1 || !(a > 0) || !(b > 0) || isinf(a) || isinf(b))
        return NAN;
    if (p == 0 || p == 1)
        return p;
    x = mean + hone_normal_quantile(p) * sqrt(mean * (1 - mean) / (a + b + 1));
    if (!(x > 0 && x < 1))
        x = mean;
    for (int i = 0; i < 200 && high - low > 1e-15 * high; i++) {
        double off = hone_beta_cdf(x, a, b) - p, density, next;
        if (off > 0)
            high = x;
        else
            low = x;
        density = exp(beta_log(x, a, b)) / (x * (1 - x));
        next = x - off / density;
        if (!(next > low && next < high))
            next = low + (high - low) / 2;
        if (fabs(next - x) <= 1e-13 * x)
            return next;
        x = next;
    }
    return x;
}

/* Recurrence up to 10, then the asymptotic series (DLMF 5.11.2). */
double hone_digamma(double x)
{
    double sum = 0, y;

    if (!(x > 0))
        return NAN;
    for (; x < 10; x++)
        sum -= 1 / x;
    y = 1 / (x * x);
    return sum + log(x) - 0.5 / x -
           y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y / 132))));
}
