/* inference_ppi.c -- prediction-powered linear regression (see <hone/inference.h>).
 *
 * The estimate is OLS of lambda f on the other rows plus OLS of y - lambda f on
 * the judged ones. With gradients g = x (x theta - y), h = x (x theta - f) of the
 * judged rows and u = x (x theta - f) of the others, H the mean of x x^T over all,
 *   covariance = H^-1 (lambda^2 cov(u)/N + cov(g - lambda h)/n) H^-1,
 * whose trace is least at
 *   lambda = tr(H^-1 cov(g, h) H^-1) / ((1 + n/N) tr(H^-1 cov(h, u) H^-1)).
 * Gradients are summed as they are made: memory is [terms, terms]. */
#include <hone/inference.h>

#include <hone/statistics.h>
#include <math.h>
#include <string.h>

struct ppi {
    const hone_ppi *d;
    size_t terms;
    double *judged, *others, *all;  /* [terms, terms] inverse of x^T x, x^T x, and of H */
    double *theta, *people;         /* [terms] */
    double *sums;                   /* [PRODUCTS, terms, terms], then [SUMS, terms] means */
    double *work;                   /* [2, terms] */
    double lambda;
};

static const double ppi_one = 1;

static const double *ppi_row(const double *x, size_t row, size_t terms)
{
    return x ? x + row * terms : &ppi_one;
}

/* Add x x^T of rows to a. */
static void ppi_square(double *a, const double *x, size_t rows, size_t terms, double scale)
{
    for (size_t r = 0; r < rows; r++) {
        const double *at = ppi_row(x, r, terms);
        for (size_t i = 0; i < terms; i++)
            for (size_t j = 0; j < terms; j++)
                a[i * terms + j] += scale * at[i] * at[j];
    }
}

static int ppi_invert(double *a, size_t terms, const char *which, hone_error *err)
{
    if (!hone_cholesky(a, terms))
        return hone_fail(err, HONE_EINVAL, "%s rows: a term is a sum of the others", which);
    hone_cholesky_invert(a, terms);
    return HONE_OK;
}

static int ppi_prepare(struct ppi *p, hone_error *err)
{
    const hone_ppi *d = p->d;
    double all = (double)(d->rows + d->others);
    int code;

    ppi_square(p->judged, d->x, d->rows, p->terms, 1);
    ppi_square(p->others, d->others_x, d->others, p->terms, 1);
    for (size_t i = 0; i < p->terms * p->terms; i++)
        p->all[i] = (p->judged[i] + p->others[i]) / all;
    code = ppi_invert(p->judged, p->terms, "judged", err);
    if (!code)
        code = ppi_invert(p->others, p->terms, "other", err);
    return code ? code : ppi_invert(p->all, p->terms, "all", err);
}

/* theta += inverse (scale y - f_scale f) regressed on x. */
static void ppi_regress(const struct ppi *p, double *theta, const double *inverse,
                        const double *x, const double *y, const double *f, double f_scale,
                        size_t rows)
{
    size_t terms = p->terms;

    memset(p->work, 0, terms * sizeof *p->work);
    for (size_t r = 0; r < rows; r++) {
        const double *at = ppi_row(x, r, terms);
        double value = (y ? y[r] : 0) + f_scale * f[r];
        for (size_t i = 0; i < terms; i++)
            p->work[i] += at[i] * value;
    }
    for (size_t i = 0; i < terms; i++)
        for (size_t j = 0; j < terms; j++)
            theta[i] += inverse[i * terms + j] * p->work[j];
}

static void ppi_point(const struct ppi *p)
{
    const hone_ppi *d = p->d;

    memset(p->theta, 0, p->terms * sizeof *p->theta);
    ppi_regress(p, p->theta, p->others, d->others_x, NULL, d->others_f, p->lambda, d->others);
    ppi_regress(p, p->theta, p->judged, d->x, d->y, d->f, -p->lambda, d->rows);
}

/* ---- gradients ---- */

enum { MEAN_G, MEAN_H, MEAN_U, SUMS };
enum { PRODUCT_GG, PRODUCT_GH, PRODUCT_HH, PRODUCT_UU, PRODUCTS };

static double *ppi_product(const struct ppi *p, int which)
{
    return p->sums + (size_t)which * p->terms * p->terms;
}

static double *ppi_mean(const struct ppi *p, int which)
{
    return ppi_product(p, PRODUCTS) + (size_t)which * p->terms;
}

/* Of row r (judged ones first): g in work, h or u behind it; false: not judged. */
static bool ppi_gradient(const struct ppi *p, const double *theta, size_t r)
{
    const hone_ppi *d = p->d;
    size_t terms = p->terms;
    bool judged = r < d->rows;
    const double *x = judged ? ppi_row(d->x, r, terms) : ppi_row(d->others_x, r - d->rows, terms);
    double fit = 0, f = judged ? d->f[r] : d->others_f[r - d->rows];

    for (size_t i = 0; i < terms; i++)
        fit += x[i] * theta[i];
    for (size_t i = 0; i < terms; i++) {
        p->work[i] = judged ? x[i] * (fit - d->y[r]) : 0;
        p->work[terms + i] = x[i] * (fit - f);
    }
    return judged;
}

static void ppi_add(const struct ppi *p, int product, const double *left, const double *right)
{
    double *to = ppi_product(p, product);

    for (size_t i = 0; i < p->terms; i++)
        for (size_t j = 0; j < p->terms; j++)
            to[i * p->terms + j] += left[i] * right[j];
}

/* Means of g, h and u, then products about them. */
static void ppi_gradients(const struct ppi *p, const double *theta)
{
    size_t terms = p->terms, all = p->d->rows + p->d->others;
    double *g = p->work, *h = p->work + terms;

    memset(p->sums, 0, (PRODUCTS * terms * terms + SUMS * terms) * sizeof *p->sums);
    for (size_t r = 0; r < all; r++) {
        bool judged = ppi_gradient(p, theta, r);
        for (size_t i = 0; i < terms; i++) {
            ppi_mean(p, MEAN_G)[i] += g[i] / (double)p->d->rows;
            ppi_mean(p, judged ? MEAN_H : MEAN_U)[i] += h[i] / (double)(judged ? p->d->rows
                                                                              : p->d->others);
        }
    }
    for (size_t r = 0; r < all; r++) {
        bool judged = ppi_gradient(p, theta, r);
        for (size_t i = 0; i < terms; i++) {
            g[i] -= ppi_mean(p, MEAN_G)[i];
            h[i] -= ppi_mean(p, judged ? MEAN_H : MEAN_U)[i];
        }
        ppi_add(p, judged ? PRODUCT_HH : PRODUCT_UU, h, h);
        if (judged) {
            ppi_add(p, PRODUCT_GG, g, g);
            ppi_add(p, PRODUCT_GH, g, h);
        }
    }
}

/* tr(V m V) for V = H^-1, symmetric. */
static double ppi_trace(const struct ppi *p, const double *m)
{
    size_t n = p->terms;
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n; k++)
                sum += p->all[i * n + j] * m[j * n + k] * p->all[k * n + i];
    return sum;
}

static double ppi_tune(const struct ppi *p, double *m)
{
    size_t n = p->terms;
    double rows = (double)p->d->rows, others = (double)p->d->others, all = rows + others;
    double above, below, scale = 0;
    const double *h = ppi_mean(p, MEAN_H), *u = ppi_mean(p, MEAN_U);

    for (size_t i = 0; i < n * n; i++)
        m[i] = ppi_product(p, PRODUCT_GH)[i] / rows;
    above = ppi_trace(p, m);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            m[i * n + j] = (ppi_product(p, PRODUCT_HH)[i * n + j] +
                            ppi_product(p, PRODUCT_UU)[i * n + j] +
                            (h[i] - u[i]) * (h[j] - u[j]) * rows * others / all) / (all - 1);
    below = (1 + rows / others) * ppi_trace(p, m);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            m[i * n + j] = h[i] * h[j];
    scale = ppi_trace(p, m);
    /* Predictions that are all equal have the variance of rounding. */
    return below > 1e-24 * scale ? fmin(1, fmax(0, above / below)) : 0;
}

/* ---- intervals ---- */

static void ppi_interval(hone_estimate *out, double value, double variance, double z)
{
    double se = sqrt(fmax(0, variance));
    *out = (hone_estimate){ value, se, value - z * se, value + z * se };
}

/* Diagonal of V m V, for m of the middle. */
static double ppi_variance(const struct ppi *p, const double *v, const double *m, size_t i)
{
    size_t n = p->terms;
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < n; k++)
            sum += v[i * n + j] * m[j * n + k] * v[k * n + i];
    return sum;
}

static void ppi_publish(const struct ppi *p, double *m, hone_estimate *out)
{
    size_t n = p->terms;
    double rows = (double)p->d->rows, others = (double)p->d->others, l = p->lambda;
    double z = hone_normal_quantile(0.5 + p->d->confidence / 2);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double *gh = ppi_product(p, PRODUCT_GH);
            double judged = ppi_product(p, PRODUCT_GG)[i * n + j] -
                            l * (gh[i * n + j] + gh[j * n + i]) +
                            l * l * ppi_product(p, PRODUCT_HH)[i * n + j];
            m[i * n + j] = judged / (rows - 1) / rows +
                           l * l * ppi_product(p, PRODUCT_UU)[i * n + j] / (others - 1) / others;
        }
    for (size_t i = 0; i < n; i++)
        ppi_interval(&out[i], p->theta[i], ppi_variance(p, p->all, m, i), z);
}

/* The judged rows alone: their own H. */
static void ppi_publish_people(const struct ppi *p, double *m, hone_estimate *out)
{
    size_t n = p->terms;
    double rows = (double)p->d->rows, z = hone_normal_quantile(0.5 + p->d->confidence / 2);

    memset(p->people, 0, n * sizeof *p->people);
    ppi_regress(p, p->people, p->judged, p->d->x, p->d->y, p->d->f, 0, p->d->rows);
    ppi_gradients(p, p->people);
    for (size_t i = 0; i < n * n; i++) /* judged is (x^T x)^-1, rows times smaller than H^-1 */
        m[i] = ppi_product(p, PRODUCT_GG)[i] * rows / (rows - 1);
    for (size_t i = 0; i < n; i++)
        ppi_interval(&out[i], p->people[i], ppi_variance(p, p->judged, m, i), z);
}

/* ---- checks ---- */

static int ppi_finite(const double *x, size_t count, const char *what, hone_error *err)
{
    for (size_t i = 0; x && i < count; i++)
        if (!isfinite(x[i]))
            return hone_fail(err, HONE_ENUMERIC, "%s %zu is %g; a finite number is needed", what,
                             i + 1, x[i]);
    return HONE_OK;
}

static int ppi_check(const hone_ppi *d, hone_error *err)
{
    size_t least = d->terms + 1;
    int code = HONE_OK;

    if (d->terms < 1 || (!d->x != !d->others_x) || (d->terms > 1 && !d->x))
        return hone_fail(err, HONE_EINVAL, "%zu terms; the mean takes 1, a regression its x for "
                         "judged and other rows", d->terms);
    if (d->rows < least || d->others < least)
        return hone_fail(err, HONE_EINVAL, "%zu judged rows and %zu others; at least %zu of each",
                         d->rows, d->others, least);
    if (!(d->confidence > 0 && d->confidence < 1))
        return hone_fail(err, HONE_EINVAL, "confidence is %g; it lies between 0 and 1",
                         d->confidence);
    if (!isnan(d->lambda) && !(d->lambda >= 0 && d->lambda <= 1))
        return hone_fail(err, HONE_EINVAL, "lambda is %g; it is 0 to 1", d->lambda);
    code = ppi_finite(d->y, d->rows, "judgement", err);
    if (!code)
        code = ppi_finite(d->f, d->rows, "prediction", err);
    if (!code)
        code = ppi_finite(d->others_f, d->others, "other prediction", err);
    if (!code)
        code = ppi_finite(d->x, d->rows * d->terms, "term", err);
    return code ? code : ppi_finite(d->others_x, d->others * d->terms, "other term", err);
}

int hone_ppi_estimate(hone_estimate *out, hone_estimate *people, double *tuned,
                      const hone_ppi *data, hone_error *err)
{
    struct ppi p = { .d = data, .terms = data->terms, .lambda = data->lambda };
    size_t n = data->terms, square = n * n;
    double *memory, *m;
    int code = ppi_check(data, err);

    if (code)
        return code;
    memory = hone_alloc((4 + PRODUCTS) * square + (5 + SUMS) * n, sizeof *memory);
    if (!memory)
        return hone_fail_memory(err, "a regression");
    p.judged = memory;
    p.others = p.judged + square;
    p.all = p.others + square;
    m = p.all + square;
    p.sums = m + square;
    p.work = p.sums + PRODUCTS * square + SUMS * n;
    p.theta = p.work + 3 * n;
    p.people = p.theta + n;
    code = ppi_prepare(&p, err);
    if (!code && isnan(p.lambda)) {
        p.lambda = 1;
        for (int i = 0; i < 2; i++) { /* gradients depend on theta, and theta on lambda */
            ppi_point(&p);
            ppi_gradients(&p, p.theta);
            p.lambda = ppi_tune(&p, m);
        }
    }
    if (!code) {
        ppi_point(&p);
        ppi_gradients(&p, p.theta);
        ppi_publish(&p, m, out);
        if (people)
            ppi_publish_people(&p, m, people);
        if (tuned)
            *tuned = p.lambda;
    }
    hone_free(memory);
    return code;
}
