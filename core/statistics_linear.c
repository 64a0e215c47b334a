/* statistics_linear.c -- symmetric positive definite systems, and the logistic
 * model that is solved with them (see <hone/statistics.h>).
 *
 * Matrices are [n, n], row-major. Cholesky's factor L takes the lower triangle;
 * rows are read from left to right everywhere, so that the inner loops run over
 * neighbours. */
#include <hone/statistics.h>

#include <math.h>
#include <string.h>

static double linear_dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

bool hone_cholesky(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n, left = row[i];
        for (size_t j = 0; j < i; j++) {
            row[j] = (row[j] - linear_dot(row, a + j * n, j)) / a[j * n + j];
            left -= row[j] * row[j];
        }
        /* What rounding leaves of a singular pivot is not a pivot. */
        if (!(left > 1e-13 * fabs(row[i])) || isinf(left))
            return false;
        row[i] = sqrt(left);
    }
    return true;
}

void hone_cholesky_solve(const double *l, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - linear_dot(l + i * n, x, i)) / l[i * n + i];
    for (size_t i = n; i-- > 0;) {
        x[i] /= l[i * n + i];
        for (size_t j = 0; j < i; j++)
            x[j] -= l[i * n + j] * x[i];
    }
}

/* M = L^-1 in the upper triangle, as its transpose: column i of M is row i of
 * it. Then L L^T's inverse is M^T M, made from rows. */
void hone_cholesky_invert(double *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double pivot = 1 / l[i * n + i];
        for (size_t c = 0; c < i; c++)
            l[c * n + i] = -pivot * linear_dot(l + i * n + c, l + c * n + c, i - c);
        l[i * n + i] = pivot;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            l[j * n + i] = linear_dot(l + i * n + j, l + j * n + j, n - j);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            l[i * n + j] = l[j * n + i];
}

/* ---- the logistic model ---- */

struct logistic {
    const double *x, *y, *weight;
    size_t rows, terms;
    double *gradient, *trial; /* [terms] */
    double *hessian;          /* [terms, terms] */
};

/* log(1 + exp(z)). */
static double logistic_softplus(double z)
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

static double logistic_likelihood(const struct logistic *m, const double *beta)
{
    double sum = 0;

    for (size_t r = 0; r < m->rows; r++) {
        double z = linear_dot(m->x + r * m->terms, beta, m->terms);
        sum += (m->weight ? m->weight[r] : 1) * (m->y[r] * z - logistic_softplus(z));
    }
    return sum;
}

static void logistic_derive(const struct logistic *m, const double *beta)
{
    size_t n = m->terms;

    memset(m->gradient, 0, n * sizeof *m->gradient);
    memset(m->hessian, 0, n * n * sizeof *m->hessian);
    for (size_t r = 0; r < m->rows; r++) {
        const double *x = m->x + r * n;
        double p = 1 / (1 + exp(-linear_dot(x, beta, n))), w = m->weight ? m->weight[r] : 1;
        for (size_t i = 0; i < n; i++) {
            m->gradient[i] += w * (m->y[r] - p) * x[i];
            for (size_t j = 0; j <= i; j++)
                m->hessian[i * n + j] += w * p * (1 - p) * x[i] * x[j];
        }
    }
}

/* Newton's steps, halved where the likelihood would fall. A finite maximum is
 * found in few; towards an infinite one each step adds about one, for ever. */
static int logistic_climb(const struct logistic *m, double *beta, hone_error *err)
{
    double now = logistic_likelihood(m, beta), next, decrement;

    for (int i = 0; i < 25; i++) {
        double size = 1;
        logistic_derive(m, beta);
        if (!hone_cholesky(m->hessian, m->terms))
            break;
        memcpy(m->trial, m->gradient, m->terms * sizeof *m->trial);
        hone_cholesky_solve(m->hessian, m->terms, m->trial);
        decrement = linear_dot(m->trial, m->gradient, m->terms);
        if (!(decrement > 1e-16 * (1 + fabs(now))))
            return HONE_OK;
        memcpy(m->gradient, beta, m->terms * sizeof *beta);
        do {
            for (size_t k = 0; k < m->terms; k++)
                beta[k] = m->gradient[k] + size * m->trial[k];
            next = logistic_likelihood(m, beta);
            size /= 2;
        } while (!(next >= now - 1e-13 * fabs(now)) && size > 1e-9);
        now = next;
    }
    return hone_fail(err, HONE_ENUMERIC, "the logistic model has no finite estimate: a term "
                     "parts the outcomes, or is a sum of others");
}

/* H^-1 (sum over clusters of u u^T) H^-1 * C/(C - 1), with u the cluster's score. */
static int logistic_sandwich(const struct logistic *m, const double *beta, const int32_t *cluster,
                             size_t clusters, double *covariance, hone_error *err)
{
    size_t n = m->terms, used = 0;
    double *scores = hone_alloc(clusters, n * sizeof *scores);
    double *middle = hone_alloc(2 * n * n, sizeof *middle), *half = middle ? middle + n * n : NULL;
    bool *seen = hone_alloc(clusters, sizeof *seen);

    if (!scores || !middle || !seen) {
        hone_free(scores);
        hone_free(middle);
        hone_free(seen);
        return hone_fail_memory(err, "scores of clusters");
    }
    for (size_t r = 0; r < m->rows; r++) {
        const double *x = m->x + r * n;
        double p = 1 / (1 + exp(-linear_dot(x, beta, n))), w = m->weight ? m->weight[r] : 1;
        used += !seen[cluster[r]];
        seen[cluster[r]] = true;
        for (size_t i = 0; i < n; i++)
            scores[(size_t)cluster[r] * n + i] += w * (m->y[r] - p) * x[i];
    }
    for (size_t c = 0; c < clusters; c++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                middle[i * n + j] += scores[c * n + i] * scores[c * n + j];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n; k++)
                half[i * n + j] += covariance[i * n + k] * middle[k * n + j];
    memcpy(middle, covariance, n * n * sizeof *middle);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            covariance[i * n + j] = linear_dot(half + i * n, middle + j * n, n) *
                                    (double)used / (double)(used - 1);
    hone_free(scores);
    hone_free(middle);
    hone_free(seen);
    if (used < 2)
        return hone_fail(err, HONE_EINVAL, "1 cluster; an interval over clusters takes 2");
    return HONE_OK;
}

static int logistic_check(const struct logistic *m, const int32_t *cluster, size_t clusters,
                          hone_error *err)
{
    if (!m->terms || m->rows < m->terms)
        return hone_fail(err, HONE_EINVAL, "%zu rows for %zu terms of a logistic model", m->rows,
                         m->terms);
    for (size_t r = 0; r < m->rows; r++) {
        if (!(m->y[r] >= 0 && m->y[r] <= 1))
            return hone_fail(err, HONE_EINVAL, "outcome %zu is %g; it is 0 to 1", r + 1, m->y[r]);
        if (m->weight && !(m->weight[r] >= 0 && isfinite(m->weight[r])))
            return hone_fail(err, HONE_EINVAL, "weight %zu is %g; it is finite and at least 0",
                             r + 1, m->weight[r]);
        if (cluster && (cluster[r] < 0 || (size_t)cluster[r] >= clusters))
            return hone_fail(err, HONE_EINVAL, "cluster %zu is %" PRId32 " of %zu", r + 1,
                             cluster[r], clusters);
        for (size_t i = 0; i < m->terms; i++)
            if (!isfinite(m->x[r * m->terms + i]))
                return hone_fail(err, HONE_ENUMERIC, "term %zu of row %zu is %g", i + 1, r + 1,
                                 m->x[r * m->terms + i]);
    }
    return HONE_OK;
}

int hone_logistic_fit(double *beta, double *covariance, const double *x, const double *y,
                      const double *weight, const int32_t *cluster, size_t clusters, size_t rows,
                      size_t terms, hone_error *err)
{
    struct logistic m = { .x = x, .y = y, .weight = weight, .rows = rows, .terms = terms };
    int code = logistic_check(&m, cluster, clusters, err);

    if (code)
        return code;
    if (!(m.gradient = hone_alloc(terms * (terms + 2), sizeof *m.gradient)))
        return hone_fail_memory(err, "a logistic model");
    m.trial = m.gradient + terms;
    m.hessian = m.trial + terms;
    memset(beta, 0, terms * sizeof *beta);
    code = logistic_climb(&m, beta, err);
    if (!code) { /* climbing ended with the factor at beta */
        memcpy(covariance, m.hessian, terms * terms * sizeof *covariance);
        hone_cholesky_invert(covariance, terms);
        if (cluster)
            code = logistic_sandwich(&m, beta, cluster, clusters, covariance, err);
    }
    hone_free(m.gradient);
    return code;
}
