/* fit.c -- strengths of options from cells of comparisons, by Newton's method.
 *
 * With d = s_a - s_b, and t the tie parameter, the chances of (a, b, tie) are in
 * proportion to
 *   plain         e^(d/2), e^(-d/2)                 a tie: half a win for each
 *   Davidson      e^(d/2), e^(-d/2), e^t
 * and of Rao and Kupper s(d - t), s(-d - t), the rest, with s(x) = 1/(1 + e^-x).
 * All log-likelihoods are concave in (s, t), so that Newton's steps, halved
 * where they overshoot, find the only maximum. A step solves
 *   (sum over cells of w (e_a - e_b)(e_a - e_b)^T, and the tie's row) x = gradient
 * by conjugate gradients from its diagonal, which needs no matrix: memory and a
 * product are linear in the cells. Constants within a component are in the null
 * space of matrix and gradient, and stay out of the steps.
 *
 * Bradley & Terry 1952, doi:10.1093/biomet/39.3-4.324; Davidson 1970,
 * doi:10.1080/01621459.1970.10481082; Rao & Kupper 1967,
 * doi:10.1080/01621459.1967.10482901; Ford 1957, doi:10.1080/00029890.1957.11989117. */
#include "bradley_terry.h"

#include <hone/statistics.h>

#include <math.h>
#include <string.h>

enum { FIT_VECTORS = 9 };

int fit_open(struct fit *f, const struct pairs *pairs, int64_t ties, hone_error *err)
{
    size_t n = pairs->options + 1;

    *f = (struct fit){ .pairs = pairs, .cell = pairs->cell, .ties = ties };
    f->strength = hone_alloc(FIT_VECTORS * n + 2 * pairs->cells, sizeof *f->strength);
    f->scratch = hone_alloc(4 * n, sizeof *f->scratch);
    f->strong = hone_alloc(n, sizeof *f->strong);
    if (!f->strength || !f->scratch || !f->strong)
        return hone_fail_memory(err, "strengths");
    f->prior = f->strength + n;
    f->gradient = f->prior + n;
    f->diagonal = f->gradient + n;
    f->step = f->diagonal + n;
    f->residual = f->step + n;
    f->direction = f->residual + n;
    f->image = f->direction + n;
    f->trial = f->image + n;
    f->weight = f->trial + n;
    f->cross = f->weight + pairs->cells;
    return HONE_OK;
}

void fit_close(struct fit *f)
{
    hone_free(f->strength);
    hone_free(f->scratch);
    hone_free(f->strong);
    *f = (struct fit){0};
}

/* ---- cells ---- */

static double fit_log_sigmoid(double x)
{
    return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

static double fit_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* A log-likelihood; its derivatives by d and t, and its curvature, negated. */
struct slope {
    double value, d, t, dd, dt, tt;
};

static struct slope slope_plain(const struct pairs_cell *c, bool half, double d)
{
    double tie = half ? c->ties / 2 : 0, won = c->a_wins + tie, lost = c->b_wins + tie;
    double chance = fit_sigmoid(d), n = won + lost;

    return (struct slope){
        .value = (won != 0 ? won * fit_log_sigmoid(d) : 0) +
                 (lost != 0 ? lost * fit_log_sigmoid(-d) : 0),
        .d = won - n * chance, .dd = n * chance * (1 - chance),
    };
}

static struct slope slope_davidson(const struct pairs_cell *c, double d, double t)
{
    double n = c->a_wins + c->b_wins + c->ties, most = fmax(fabs(d / 2), t), skew;
    double a = exp(d / 2 - most), b = exp(-d / 2 - most), tie = exp(t - most), all = a + b + tie;
    double log_all = log(all) + most;

    a /= all, b /= all, tie /= all, skew = (a - b) / 2;
    return (struct slope){
        .value = c->a_wins * (d / 2 - log_all) + c->b_wins * (-d / 2 - log_all) +
                 c->ties * (t - log_all),
        .d = (c->a_wins - c->b_wins) / 2 - n * skew, .t = c->ties - n * tie,
        .dd = n * ((a + b) / 4 - skew * skew), .dt = -n * tie * skew, .tt = n * tie * (1 - tie),
    };
}

/* P(tie) = (e^(2t) - 1) s(d - t) s(-d - t). */
static struct slope slope_rao_kupper(const struct pairs_cell *c, double d, double t)
{
    double a = fit_sigmoid(d - t), b = fit_sigmoid(-d - t), gap = -expm1(-2 * t);
    double at = c->a_wins + c->ties, bt = c->b_wins + c->ties;
    double ga = at * (1 - a), gb = bt * (1 - b), ha = ga * a, hb = gb * b;

    return (struct slope){
        .value = at * fit_log_sigmoid(d - t) + bt * fit_log_sigmoid(-d - t) +
                 (c->ties > 0 ? c->ties * (2 * t + log(gap)) : 0),
        .d = ga - gb, .t = -ga - gb + 2 * c->ties / gap, .dd = ha + hb, .dt = hb - ha,
        .tt = ha + hb + 4 * c->ties * (1 - gap) / (gap * gap),
    };
}

static struct slope fit_slope(const struct fit *f, size_t cell, const double *at)
{
    const struct pairs_cell *c = &f->cell[cell];
    double d = at[c->a] - at[c->b], t = at[f->pairs->options];

    if (!f->has_tie)
        return slope_plain(c, f->ties != TIES_DROP, d);
    return f->ties == TIES_DAVIDSON ? slope_davidson(c, d, t) : slope_rao_kupper(c, d, t);
}

void fit_chances(int64_t ties, bool has_tie, double d, double tie, double chance[3])
{
    double most = fmax(fabs(d / 2), tie), sum = 0;

    chance[2] = 0;
    if (has_tie && ties == TIES_RAO_KUPPER) {
        chance[0] = fit_sigmoid(d - tie);
        chance[1] = fit_sigmoid(-d - tie);
        chance[2] = fmax(0, 1 - chance[0] - chance[1]);
        return;
    }
    if (!has_tie) {
        chance[0] = fit_sigmoid(d);
        chance[1] = fit_sigmoid(-d);
        return;
    }
    chance[0] = exp(d / 2 - most);
    chance[1] = exp(-d / 2 - most);
    chance[2] = exp(tie - most);
    sum = chance[0] + chance[1] + chance[2];
    for (int k = 0; k < 3; k++)
        chance[k] /= sum;
}

/* ---- the objective ---- */

static double fit_value(const struct fit *f, const double *at, bool with_prior)
{
    double sum = 0;

    if (f->has_tie && f->ties == TIES_RAO_KUPPER && !(at[f->pairs->options] > 0))
        return -INFINITY;
    for (size_t c = 0; c < f->pairs->cells; c++)
        sum += fit_slope(f, c, at).value;
    for (size_t i = 0; i < f->pairs->options && with_prior; i++)
        if (f->prior[i] > 0)
            sum += f->prior[i] * (fit_log_sigmoid(at[i]) + fit_log_sigmoid(-at[i]));
    return sum;
}

double fit_derive(struct fit *f)
{
    size_t n = f->pairs->options;
    double sum = 0;

    memset(f->gradient, 0, (n + 1) * sizeof *f->gradient);
    memset(f->diagonal, 0, (n + 1) * sizeof *f->diagonal);
    for (size_t c = 0; c < f->pairs->cells; c++) {
        struct slope s = fit_slope(f, c, f->strength);
        int32_t a = f->cell[c].a, b = f->cell[c].b;
        sum += s.value;
        f->weight[c] = s.dd;
        f->cross[c] = s.dt;
        f->gradient[a] += s.d;
        f->gradient[b] -= s.d;
        f->diagonal[a] += s.dd;
        f->diagonal[b] += s.dd;
        f->gradient[n] += s.t;
        f->diagonal[n] += s.tt;
    }
    for (size_t i = 0; i < n; i++) {
        double chance = fit_sigmoid(f->strength[i]);
        sum += f->prior[i] > 0 ? f->prior[i] * (fit_log_sigmoid(f->strength[i]) +
                                                fit_log_sigmoid(-f->strength[i])) : 0;
        f->gradient[i] += f->prior[i] * (1 - 2 * chance);
        f->diagonal[i] += f->prior[i] * 2 * chance * (1 - chance);
    }
    return sum;
}

/* ---- a step ---- */

/* image = curvature * x: what the cells take off the diagonal is added to it. */
static void step_multiply(const struct fit *f, const double *x, double *image)
{
    size_t n = f->pairs->options;
    double tie = 0;

    for (size_t i = 0; i <= n; i++)
        image[i] = f->diagonal[i] * x[i];
    for (size_t c = 0; c < f->pairs->cells; c++) {
        int32_t a = f->cell[c].a, b = f->cell[c].b;
        image[a] -= f->weight[c] * x[b];
        image[b] -= f->weight[c] * x[a];
        if (f->has_tie) {
            image[a] += f->cross[c] * x[n];
            image[b] -= f->cross[c] * x[n];
            tie += f->cross[c] * (x[a] - x[b]);
        }
    }
    image[n] += tie;
}

static double step_dot(const struct fit *f, const double *x, const double *y)
{
    double sum = 0;

    for (size_t i = 0; i <= f->pairs->options; i++)
        sum += x[i] * y[i];
    return sum;
}

/* z = residual / diagonal, in image; returns residual . z. */
static double step_precondition(const struct fit *f)
{
    double sum = 0;

    for (size_t i = 0; i <= f->pairs->options; i++) {
        f->image[i] = f->diagonal[i] > 0 ? f->residual[i] / f->diagonal[i] : 0;
        sum += f->image[i] * f->residual[i];
    }
    return sum;
}

/* Conjugate gradients; stops at a share of the first residual, which Newton's
 * next step makes up for. */
static void fit_step(struct fit *f)
{
    size_t n = f->pairs->options + 1;
    double before, first, now;

    memset(f->step, 0, n * sizeof *f->step);
    memcpy(f->residual, f->gradient, n * sizeof *f->residual);
    first = before = step_precondition(f);
    memcpy(f->direction, f->image, n * sizeof *f->direction);
    for (size_t i = 0; i < 2 * n + 20 && before > 1e-16 * first && before > 0; i++) {
        double curve, size;
        step_multiply(f, f->direction, f->image);
        curve = step_dot(f, f->direction, f->image);
        if (!(curve > 0))
            break;
        size = before / curve;
        for (size_t k = 0; k < n; k++) {
            f->step[k] += size * f->direction[k];
            f->residual[k] -= size * f->image[k];
        }
        now = step_precondition(f);
        for (size_t k = 0; k < n; k++)
            f->direction[k] = f->image[k] + now / before * f->direction[k];
        before = now;
    }
}

/* ---- the fit ---- */

static void fit_totals(const struct fit *f, double *won, double *tied)
{
    *won = *tied = 0;
    for (size_t c = 0; c < f->pairs->cells; c++) {
        *won += f->cell[c].a_wins + f->cell[c].b_wins;
        *tied += f->cell[c].ties;
    }
}

/* Ties alone say that strengths are equal, wins alone that there are no ties: the
 * tie parameter is fitted where both are. With it, a maximum needs a chain of
 * wins that comes back (else strengths and parameter grow together). */
static void fit_priors(struct fit *f, double prior, double won, double tied)
{
    bool bounded;

    f->has_tie = f->ties <= TIES_RAO_KUPPER && won > 0 && tied > 0;
    f->unbounded = false;
    pairs_strong(f->pairs, f->cell, f->strong, f->scratch);
    bounded = !f->has_tie || pairs_cycle(f->pairs, f->cell, f->scratch);
    for (size_t i = 0; i < f->pairs->options; i++) {
        int32_t c = f->pairs->component[i];
        bool finite = c < 0 || (f->strong[c] && bounded);
        f->unbounded |= !finite;
        f->prior[i] = c < 0 ? 0 : !isnan(prior) ? prior : finite ? 0 : 0.5;
    }
}

static double fit_try(struct fit *f, double now, double size)
{
    for (int halved = 0; halved < 50; halved++, size /= 2) {
        double next;
        for (size_t i = 0; i <= f->pairs->options; i++)
            f->trial[i] = f->strength[i] + size * f->step[i];
        next = fit_value(f, f->trial, true);
        if (next >= now - 1e-13 * fabs(now)) {
            double *swap = f->strength;
            memcpy(swap, f->trial, (f->pairs->options + 1) * sizeof *swap);
            return next;
        }
    }
    return now;
}

int fit_run(struct fit *f, double prior, int64_t iterations, double tolerance, hone_error *err)
{
    size_t n = f->pairs->options;
    double won, tied, decrement = INFINITY;

    fit_totals(f, &won, &tied);
    fit_priors(f, prior, won, tied);
    if (!f->has_tie)
        f->strength[n] = 0;
    else if (f->ties == TIES_RAO_KUPPER && !(f->strength[n] > 0))
        f->strength[n] = log1p(2 * tied / won);
    f->converged = false;
    for (f->iterations = 0; f->iterations < iterations && !f->converged; f->iterations++) {
        double now = fit_derive(f);
        if (!isfinite(now))
            return hone_fail(err, HONE_ENUMERIC, "the log-likelihood is %g; a prior above %g keeps "
                             "strengths nearer to each other", now, isnan(prior) ? 0 : prior);
        fit_step(f);
        decrement = step_dot(f, f->step, f->gradient);
        f->converged = decrement <= tolerance * tolerance;
        fit_try(f, now, 1);
    }
    pairs_centre(f->pairs, f->strength, f->residual);
    f->log_likelihood = fit_value(f, f->strength, false);
    return HONE_OK;
}

/* ---- covariance ---- */

/* The curvature as a matrix, made regular: without a prior a component's constant
 * is in its null space, so that scale * 1 1^T is added, which centring removes. */
static void covariance_fill(struct fit *f, double *h)
{
    size_t n = f->pairs->options, m = n + 1;
    double scale = 0;

    for (size_t i = 0; i <= n; i++) {
        h[i * m + i] = f->diagonal[i] > 0 ? f->diagonal[i] : 1;
        scale = fmax(scale, f->diagonal[i]);
    }
    for (size_t c = 0; c < f->pairs->cells; c++) {
        size_t a = (size_t)f->cell[c].a, b = (size_t)f->cell[c].b;
        h[a * m + b] -= f->weight[c];
        h[b * m + a] -= f->weight[c];
        h[n * m + a] += f->cross[c];
        h[n * m + b] -= f->cross[c];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            int32_t c = f->pairs->component[i];
            if (c >= 0 && c == f->pairs->component[k] && f->prior[i] == 0)
                h[i * m + k] += scale / (double)f->pairs->size[c];
        }
}

int fit_covariance(struct fit *f, double **out, bool *made, hone_error *err)
{
    size_t n = f->pairs->options, m = n + 1;
    double *h = hone_alloc(m * m, sizeof *h);

    *out = NULL;
    *made = false;
    if (!h)
        return hone_fail_memory(err, "a covariance");
    fit_derive(f);
    covariance_fill(f, h);
    *made = hone_cholesky(h, m);
    if (*made) {
        hone_cholesky_invert(h, m);
        for (size_t i = 0; i < n; i++)
            memmove(h + i * n, h + i * m, n * sizeof *h);
        pairs_centre_covariance(f->pairs, h, f->residual);
        *out = h;
        return HONE_OK;
    }
    hone_free(h);
    return HONE_OK;
}
