/* select.c -- scores of what to ask next (see <hone/select.h>). */
#include <hone/select.h>

#include <math.h>
#include <string.h>

static double select_plogp(double p)
{
    return p > 0 ? -p * log(p) : 0;
}

static double select_row_entropy(const double *p, size_t labels)
{
    double sum = 0;

    for (size_t k = 0; k < labels; k++)
        sum += select_plogp(p[k]);
    return sum;
}

static int select_check(const double *p, size_t rows, size_t labels, hone_error *err)
{
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t k = 0; k < labels; k++) {
            if (!(p[r * labels + k] >= 0))
                return hone_fail(err, HONE_EINVAL, "row %zu has a probability of %g; at least 0",
                                 r + 1, p[r * labels + k]);
            sum += p[r * labels + k];
        }
        if (!(fabs(sum - 1) <= 1e-6))
            return hone_fail(err, HONE_EINVAL, "probabilities of row %zu sum to %g, not 1", r + 1,
                             sum);
    }
    return HONE_OK;
}

int hone_select_entropy(double *scores, const double *p, size_t rows, size_t labels,
                        hone_error *err)
{
    int code = select_check(p, rows, labels, err);

    for (size_t r = 0; r < rows && !code; r++)
        scores[r] = select_row_entropy(p + r * labels, labels);
    return code;
}

int hone_select_margin(double *scores, const double *p, size_t rows, size_t labels,
                       hone_error *err)
{
    int code = select_check(p, rows, labels, err);

    for (size_t r = 0; r < rows && !code; r++) {
        double first = 0, second = 0;
        for (size_t k = 0; k < labels; k++) {
            double at = p[r * labels + k];
            second = at > first ? first : fmax(second, at);
            first = fmax(first, at);
        }
        scores[r] = 1 - (first - second);
    }
    return code;
}

int hone_select_committee(double *scores, const double *p, size_t members, size_t rows,
                          size_t labels, hone_error *err)
{
    int code = members ? select_check(p, members * rows, labels, err)
                       : hone_fail(err, HONE_EINVAL, "a committee of 0 members; at least 1");

    for (size_t r = 0; r < rows && !code; r++) {
        double within = 0, of_mean = 0;
        for (size_t k = 0; k < labels; k++) {
            double mean = 0;
            for (size_t m = 0; m < members; m++) {
                double at = p[(m * rows + r) * labels + k];
                mean += at / (double)members;
                within += select_plogp(at) / (double)members;
            }
            of_mean += select_plogp(mean);
        }
        scores[r] = fmax(0, of_mean - within);
    }
    return code;
}

/* ---- comparisons ---- */

/* Means over d, by Simpson's rule on 8 standard deviations either way; steps are
 * finer than the logistic function is wide. */
static void comparison_means(double mean, double sd, double *chance, double *entropy)
{
    int steps = 2 * (100 + (int)(20 * fmin(sd, 1000)));
    double total = 0;

    *chance = *entropy = 0;
    for (int i = 0; i <= steps; i++) {
        double z = 16.0 * i / steps - 8, p = 1 / (1 + exp(-mean - sd * z));
        double weight = exp(-z * z / 2) * (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2);
        total += weight;
        *chance += weight * p;
        *entropy += weight * (select_plogp(p) + select_plogp(1 - p));
    }
    *chance /= total;
    *entropy /= total;
}

int hone_select_comparison(double *scores, const double *mean, const double *sd, size_t rows,
                           hone_error *err)
{
    for (size_t r = 0; r < rows; r++) {
        double chance, entropy;
        if (!isfinite(mean[r]) || !(sd[r] >= 0) || isinf(sd[r]))
            return hone_fail(err, HONE_EINVAL, "difference %zu has mean %g and deviation %g; both "
                             "are finite, the second at least 0", r + 1, mean[r], sd[r]);
        comparison_means(mean[r], sd[r], &chance, &entropy);
        scores[r] = fmax(0, select_plogp(chance) + select_plogp(1 - chance) - entropy);
    }
    return HONE_OK;
}

int hone_select_answer(double *scores, const double *truth, const double *confusion, size_t rows,
                       size_t labels, hone_error *err)
{
    int code = select_check(truth, rows, labels, err);

    if (!code && select_check(confusion, labels, labels, err))
        code = hone_fail_in(err, "confusion");
    for (size_t r = 0; r < rows && !code; r++) {
        double said = 0, known = 0;
        for (size_t l = 0; l < labels; l++) {
            double p = 0;
            for (size_t k = 0; k < labels; k++)
                p += truth[r * labels + k] * confusion[k * labels + l];
            said += select_plogp(p);
        }
        for (size_t k = 0; k < labels; k++)
            known += truth[r * labels + k] * select_row_entropy(confusion + k * labels, labels);
        scores[r] = fmax(0, said - known);
    }
    return code;
}

/* ---- groups ---- */

int hone_select_recruit(double *gains, const double *size, const double *sd,
                        const int64_t *members, size_t groups, hone_error *err)
{
    for (size_t g = 0; g < groups; g++) {
        double n = (double)members[g], whole = size[g] * sd[g];
        if (!(size[g] >= 0 && sd[g] >= 0 && isfinite(whole)) || members[g] < 0)
            return hone_fail(err, HONE_EINVAL, "group %zu has size %g, deviation %g and %" PRId64
                             " members; all are finite and at least 0", g + 1, size[g], sd[g],
                             members[g]);
        gains[g] = whole == 0 ? 0 : whole * whole / (n * (n + 1));
    }
    return HONE_OK;
}
