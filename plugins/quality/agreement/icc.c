/* icc.c -- intraclass correlations of numbers.
 *
 * n items, k annotators; mean squares between items B, within items W, between
 * annotators J, residual E. Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420:
 *
 *   (1,1) (B - W)/(B + (k - 1)W)                     (1,k) (B - W)/B
 *   (2,1) (B - E)/(B + (k - 1)E + k(J - E)/n)        (2,k) (B - E)/(B + (J - E)/n)
 *   (3,1) (B - E)/(B + (k - 1)E)                     (3,k) (B - E)/B
 *
 * 1: each item has annotators of its own; 2: annotators are a sample, and their
 * levels count as disagreement; 3: these annotators only, levels set aside.
 * Forms 2 and 3 need each annotator's one value of every item. Form 1 takes any
 * number of values, with k = (N - sum m_i^2/N)/(n - 1). Intervals from F, those
 * of form 2 with Satterthwaite's degrees of freedom. */
#include "agreement.h"

#include <hone/statistics.h>

#include <math.h>

struct squares {
    double n, k, between, within, annotators, residual;
    double dof_within;
};

/* x with P(F <= x) = p. */
static double f_quantile(double p, double a, double b)
{
    double x = hone_beta_quantile(p, a / 2, b / 2);
    return b * x / (a * (1 - x));
}

static double table_mean(const struct table *t)
{
    double mean = 0;

    for (size_t r = 0; r < t->rows; r++)
        mean += (t->value[r] - mean) / (double)(r + 1);
    return mean;
}

/* One way: between items and within. Returns the sum of squares within. */
static double squares_one_way(const struct table *t, double grand, struct squares *s)
{
    double between = 0, within = 0, sizes = 0, rows = (double)t->rows;

    for (size_t i = 0; i < t->items; i++) {
        size_t m = t->starts[i + 1] - t->starts[i];
        double mean = 0;
        if (!m)
            continue;
        for (size_t r = t->starts[i]; r < t->starts[i + 1]; r++)
            mean += t->value[r] / (double)m;
        for (size_t r = t->starts[i]; r < t->starts[i + 1]; r++)
            within += (t->value[r] - mean) * (t->value[r] - mean);
        between += (double)m * (mean - grand) * (mean - grand);
        sizes += (double)m * (double)m;
        s->n++;
    }
    s->k = (rows - sizes / rows) / (s->n - 1);
    s->dof_within = rows - s->n;
    s->between = between / (s->n - 1);
    s->within = within / s->dof_within;
    return within;
}

/* Two ways; false where a value is missing or given twice. */
static bool squares_two_way(const struct table *t, double grand, double within, double *means,
                            int32_t *seen, struct squares *s)
{
    double sum = 0;

    if (t->rows != t->items * t->annotators || t->annotators < 2)
        return false;
    for (size_t r = 0; r < t->rows; r++) {
        if (seen[t->annotator[r]] == t->item[r] + 1)
            return false;
        seen[t->annotator[r]] = t->item[r] + 1;
        means[t->annotator[r]] += t->value[r] / s->n;
    }
    for (size_t a = 0; a < t->annotators; a++)
        sum += s->n * (means[a] - grand) * (means[a] - grand);
    s->k = (double)t->annotators;
    s->annotators = sum / (s->k - 1);
    s->residual = fmax(0, within - sum) / ((s->n - 1) * (s->k - 1));
    return true;
}

/* The interval of form 1 or 3: from F = between/error with these degrees. */
static void interval_plain(const struct squares *s, double error, double dof, double confidence,
                           struct interval *one, struct interval *mean)
{
    double a = s->n - 1, f = s->between / error, tail = (1 - confidence) / 2;
    double low = f / f_quantile(1 - tail, a, dof), high = f * f_quantile(1 - tail, dof, a);

    *one = (struct interval){ (low - 1) / (low + s->k - 1), (high - 1) / (high + s->k - 1), 0 };
    *mean = (struct interval){ 1 - 1 / low, 1 - 1 / high, 0 };
}

static void interval_random(const struct squares *s, double icc, double confidence,
                            struct interval *one, struct interval *mean)
{
    double n = s->n, k = s->k, b = s->between, e = s->residual, f = s->annotators / e;
    double tail = (1 - confidence) / 2;
    double x = n * (1 + (k - 1) * icc) - k * icc, y = k * icc * f + x;
    double dof = (k - 1) * (n - 1) * y * y / ((n - 1) * k * k * icc * icc * f * f + x * x);
    double upper = f_quantile(1 - tail, n - 1, dof), lower = f_quantile(1 - tail, dof, n - 1);
    double rest = k * s->annotators + (k * n - k - n) * e;

    one->low = n * (b - upper * e) / (upper * rest + n * b);
    one->high = n * (lower * b - e) / (rest + n * lower * b);
    mean->low = one->low * k / (1 + one->low * (k - 1));
    mean->high = one->high * k / (1 + one->high * (k - 1));
}

static void icc_two_way(const struct squares *s, double confidence, struct icc *out)
{
    double n = s->n, k = s->k, b = s->between, e = s->residual, j = s->annotators;
    const double values[] = { (b - e) / (b + (k - 1) * e + k * (j - e) / n),
                              (b - e) / (b + (k - 1) * e), (b - e) / (b + (j - e) / n),
                              (b - e) / b };
    const int forms[] = { 1, 2, 4, 5 };

    for (int i = 0; i < 4; i++)
        out->forms[forms[i]].value = values[i];
    if (!(e > 0))
        return;
    interval_random(s, values[0], confidence, &out->intervals[1], &out->intervals[4]);
    interval_plain(s, e, (n - 1) * (k - 1), confidence, &out->intervals[2], &out->intervals[5]);
}

static void icc_undefined(struct icc *out, int first, const char *word, const char *why)
{
    for (int form = first; form < ICC_FORMS; form += 3)
        out->forms[form] = agreement_undefined(word, why);
}

/* Form 1, and where it is undefined all of them: then false. */
static bool icc_one_way(const struct squares *s, double confidence, struct icc *out)
{
    bool unpaired = s->n < 2 || s->dof_within < 1;

    if (unpaired || !(s->between > 0 || s->within > 0)) {
        for (int form = 0; form < 3; form++)
            icc_undefined(out, form, unpaired ? "unpaired" : "unanimous", unpaired
                          ? "two items, and one of them with two values, are needed"
                          : "all values are equal");
        return false;
    }
    out->forms[0].value = (s->between - s->within) / (s->between + (s->k - 1) * s->within);
    if (s->between > 0)
        out->forms[3].value = (s->between - s->within) / s->between;
    else
        out->forms[3] = agreement_undefined("unanimous", "the means of all items are equal");
    if (s->within > 0 && s->between > 0)
        interval_plain(s, s->within, s->dof_within, confidence, &out->intervals[0],
                       &out->intervals[3]);
    return true;
}

int agreement_icc(const struct table *t, double confidence, struct icc *out, hone_error *err)
{
    double *means = hone_alloc(t->annotators + 1, sizeof *means), grand = table_mean(t), within;
    int32_t *seen = hone_alloc(t->annotators + 1, sizeof *seen);
    struct squares s = {0};
    int code = HONE_OK;

    *out = (struct icc){0};
    for (int form = 0; form < ICC_FORMS; form++)
        out->intervals[form] = (struct interval){ NAN, NAN, 0 };
    if (!means || !seen) {
        code = hone_fail_memory(err, "intraclass correlations");
        goto out;
    }
    within = squares_one_way(t, grand, &s);
    out->k = s.k;
    for (int form = 0; form < ICC_FORMS; form++)
        out->forms[form] = (struct estimate){ .value = NAN, .se = NAN, .n = (size_t)s.n };
    if (!icc_one_way(&s, confidence, out))
        goto out;
    if (!squares_two_way(t, grand, within, means, seen, &s)) {
        icc_undefined(out, 1, "incomplete", "not every annotator has one value of every item");
        icc_undefined(out, 2, "incomplete", "not every annotator has one value of every item");
    } else if (!(s.between > 0)) {
        icc_undefined(out, 1, "unanimous", "the means of all items are equal");
        icc_undefined(out, 2, "unanimous", "the means of all items are equal");
    } else {
        icc_two_way(&s, confidence, out);
    }
out:
    hone_free(means);
    hone_free(seen);
    return code;
}
