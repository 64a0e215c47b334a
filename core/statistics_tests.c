/* statistics_tests.c -- tests of significance: see <hone/statistics.h>. */
#include <hone/statistics.h>

#include <math.h>

/* ---- Student's t ---- */

/* With X of Beta(df/2, 1/2), P(|T| > t) = P(X <= df/(df + t^2)). */
double hone_student_tail(double t, double df)
{
    double both;

    if (isnan(t) || !(df > 0))
        return NAN;
    if (isinf(df))
        return hone_normal_tail(t);
    both = isinf(t) ? 0 : hone_beta_cdf(df / (df + t * t), df / 2, 0.5);
    return t >= 0 ? both / 2 : 1 - both / 2;
}

double hone_student_quantile(double p, double df)
{
    double x;

    if (isnan(p) || p < 0 || p > 1 || !(df > 0))
        return NAN;
    if (isinf(df) || p == 0 || p == 1)
        return hone_normal_quantile(p);
    if (p < 0.5)
        return -hone_student_quantile(1 - p, df);
    x = hone_beta_quantile(2 * (1 - p), df / 2, 0.5);
    return sqrt(df * (1 - x) / x);
}

/* ---- chi-squared ---- */

/* Q(a, x) of the incomplete gamma function: DLMF 8.11.4 below the mean, 8.9.2
 * by Lentz's method above it. */
static double tests_gamma_tail(double a, double x)
{
    const double tiny = 1e-300;
    double front, sum, term, b, c, d, h;
    int sign;

    if (x <= 0)
        return 1;
    front = exp(a * log(x) - x - lgamma_r(a, &sign));
    if (x < a + 1) {
        sum = term = 1 / a;
        for (int i = 1; i < 100000 && term > sum * 1e-17; i++)
            sum += term *= x / (a + i);
        return fmax(0, 1 - front * sum);
    }
    b = x + 1 - a;
    c = 1 / tiny;
    h = d = 1 / b;
    for (int i = 1; i < 100000; i++) {
        double an = -i * (i - a), step;
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        step = c * d;
        h *= step;
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return front * h;
}

double hone_chi_squared_tail(double x, double df)
{
    if (isnan(x) || !(df > 0))
        return NAN;
    return isinf(x) ? 0 : tests_gamma_tail(df / 2, x / 2);
}

/* ---- two shares ---- */

static double tests_choose(double n, double k)
{
    int sign;

    return lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) - lgamma_r(n - k + 1, &sign);
}

double hone_fisher_test(int64_t k1, int64_t n1, int64_t k2, int64_t n2)
{
    int64_t all = k1 + k2, low = all > n2 ? all - n2 : 0, high = all < n1 ? all : n1;
    double a = (double)n1, b = (double)n2, whole, seen, sum = 0;

    if (n1 < 1 || n2 < 1)
        return 1;
    whole = tests_choose(a + b, (double)all);
    /* Tables as likely as the one seen differ from it by rounding. */
    seen = tests_choose(a, (double)k1) + tests_choose(b, (double)k2) - whole + 1e-7;
    for (int64_t k = low; k <= high; k++) {
        double one = tests_choose(a, (double)k) + tests_choose(b, (double)(all - k)) - whole;
        if (one <= seen)
            sum += exp(one);
    }
    return sum < 1 ? sum : 1;
}

void hone_newcombe_interval(double k1, double n1, double k2, double n2, double confidence,
                            double *low, double *high)
{
    double l1, h1, l2, h2, p1 = n1 > 0 ? k1 / n1 : 0.5, p2 = n2 > 0 ? k2 / n2 : 0.5;

    hone_wilson_interval(k1, n1, confidence, &l1, &h1);
    hone_wilson_interval(k2, n2, confidence, &l2, &h2);
    *low = p1 - p2 - sqrt((p1 - l1) * (p1 - l1) + (h2 - p2) * (h2 - p2));
    *high = p1 - p2 + sqrt((h1 - p1) * (h1 - p1) + (p2 - l2) * (p2 - l2));
}

/* ---- many tests ---- */

/* Heapsort of places by p, so that nothing is allocated. */
static void tests_sift(const double *p, size_t *place, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        size_t swap;
        if (child + 1 < n && p[place[child + 1]] > p[place[child]])
            child++;
        if (!(p[place[child]] > p[place[root]]))
            return;
        swap = place[root];
        place[root] = place[child];
        place[child] = swap;
    }
}

void hone_holm(const double *p, double *corrected, size_t *places, size_t n)
{
    size_t tests = 0;
    double last = 0;

    for (size_t i = 0; i < n; i++) {
        corrected[i] = NAN;
        if (!isnan(p[i]))
            places[tests++] = i;
    }
    for (size_t i = tests / 2; i-- > 0;)
        tests_sift(p, places, i, tests);
    for (size_t i = tests; i-- > 1;) {
        size_t swap = places[0];
        places[0] = places[i];
        places[i] = swap;
        tests_sift(p, places, 0, i);
    }
    for (size_t i = 0; i < tests; i++) {
        double one = fmin(1, p[places[i]] * (double)(tests - i));
        last = one > last ? one : last;
        corrected[places[i]] = last;
    }
}
