/* crowd.c -- strengths of options where annotators differ in skill and side.
 *
 * Annotator w looks at both options with chance g_w and otherwise answers by the
 * side alone. With o = 1 where the left option won and -1 where the right did, and
 * y = 1 where the winner was shown first (where that is not known: is left) and -1
 * where second,
 *   P = g_w s(o (s_left - s_right)) + (1 - g_w) s(y q_w),  s(x) = 1/(1 + e^-x).
 * A tie is half of each. The posterior's mode has priors that keep it finite: for
 * each option pseudo-wins and as many losses, for g_w a Beta distribution, for
 * q_w a normal one. Parameters are x = (strengths, logit g, q); the posterior is
 * climbed by limited-memory BFGS with steps that never go down.
 *
 * Annotators are walked in CROWD_PIECES fixed pieces whose sums are added in
 * order: the number of threads changes no bit.
 *
 * Chen, Bennett, Collins-Thompson & Horvitz 2013, doi:10.1145/2433396.2433420
 * (skill); the side as in crowd annotation practice (reference: position bias). */
#include "bradley_terry.h"

#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { MEMORY = 12 }; /* steps that BFGS remembers */

static double crowd_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double crowd_log_sigmoid(double x)
{
    return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

static void crowd_put(struct crowd *c, size_t row, int won, double weight)
{
    const hone_judgements *j = c->pairs->judgements;
    const int32_t *order = hone_judgements_order(j);
    int shown = order && order[row] == 2 ? -1 : 1;

    /* Ends move back to the beginnings. */
    c->answers[--c->starts[hone_judgements_annotator(j)[row] + 1]] = (struct answer){
        hone_judgements_left(j)[row], hone_judgements_right(j)[row], (int32_t)row, (int8_t)won,
        (int8_t)(won * shown), weight,
    };
}

static int crowd_answers(struct crowd *c, hone_error *err)
{
    const struct pairs *p = c->pairs;
    const int32_t *annotator = hone_judgements_annotator(p->judgements);
    size_t counted = 0;

    for (size_t r = 0; r < p->rows; r++)
        c->starts[annotator[r] + 1] += p->at[r] < 0 ? 0 : p->label[r] >= HONE_TIE ? 2 : 1;
    for (size_t w = 0; w < c->annotators; w++)
        c->starts[w + 1] += c->starts[w];
    counted = c->starts[c->annotators];
    if (!(c->answers = hone_alloc(counted + 1, sizeof *c->answers)))
        return hone_fail_memory(err, "annotators");
    for (size_t r = p->rows; r-- > 0;) {
        if (p->at[r] >= 0 && p->label[r] != HONE_LEFT)
            crowd_put(c, r, -1, pairs_weight(p, r) * (p->label[r] == HONE_RIGHT ? 1 : 0.5));
        if (p->at[r] >= 0 && p->label[r] != HONE_RIGHT)
            crowd_put(c, r, 1, pairs_weight(p, r) * (p->label[r] == HONE_LEFT ? 1 : 0.5));
    }
    for (size_t w = 0; w < c->annotators; w++)
        c->starts[w] = c->starts[w + 1];
    c->starts[c->annotators] = counted;
    return HONE_OK;
}

int crowd_open(struct crowd *c, const struct bradley_terry *o, const struct pairs *pairs,
               hone_error *err)
{
    size_t n = pairs->options, workers = hone_judgements_annotators(pairs->judgements);

    *c = (struct crowd){
        .pairs = pairs, .context = o->context, .annotators = workers, .count = n + 2 * workers,
        .prior = isnan(o->prior) ? 0.1 : o->prior, .side_sd = o->side_sd,
        .skill_hits = o->skill_prior.count ? o->skill_prior.items[0] : 3.52,
        .skill_misses = o->skill_prior.count ? o->skill_prior.items[1] : 0.48,
    };
    c->starts = hone_alloc(workers + 2, sizeof *c->starts);
    c->x = hone_alloc(c->count + 1, sizeof *c->x);
    c->pieces = hone_alloc(CROWD_PIECES, (n + 1) * sizeof *c->pieces);
    if (!c->starts || !c->x || !c->pieces)
        return hone_fail_memory(err, "annotators");
    for (size_t w = 0; w < workers; w++)
        c->x[n + w] = log(c->skill_hits / c->skill_misses);
    return crowd_answers(c, err);
}

void crowd_close(struct crowd *c)
{
    hone_free(c->starts);
    hone_free(c->answers);
    hone_free(c->x);
    hone_free(c->pieces);
    *c = (struct crowd){0};
}

/* ---- one answer ---- */

static double answer_weight(const struct crowd *c, const struct answer *a)
{
    return c->times ? a->weight * c->times[c->cluster[a->row]] : a->weight;
}

/* P of an answer, and its derivatives by d, logit g and q; that by d and q is 0. */
struct chance {
    double p, d, g, q, dd, gg, qq, dg, gq;
};

static struct chance crowd_chance(const struct answer *at, double d, double skill, double side)
{
    double o = at->won, y = at->side, a = crowd_sigmoid(o * d), b = crowd_sigmoid(y * side);
    double sa = a * (1 - a), sb = b * (1 - b), v = skill * (1 - skill);

    return (struct chance){
        .p = skill * a + (1 - skill) * b,
        .d = skill * o * sa, .g = v * (a - b), .q = (1 - skill) * y * sb,
        .dd = skill * sa * (1 - 2 * a), .gg = v * (1 - 2 * skill) * (a - b),
        .qq = (1 - skill) * sb * (1 - 2 * b), .dg = v * o * sa, .gq = -v * y * sb,
    };
}

/* ---- the objective ---- */

struct sweep {
    struct crowd *c;
    const double *x;
    double *gradient;             /* skills and sides are written; strengths go to pieces */
};

static double sweep_annotator(const struct sweep *s, size_t w, double *strengths)
{
    struct crowd *c = s->c;
    size_t n = c->pairs->options;
    double logit = s->x[n + w], skill = crowd_sigmoid(logit), side = s->x[n + c->annotators + w];
    double times = c->times && c->times_annotators ? c->times[w] : 1, g = 0, q = 0, sum;
    const double guessed[] = { crowd_sigmoid(-side), crowd_sigmoid(side) }; /* by side */
    double slope = (1 - skill) * guessed[0] * guessed[1], v = skill * (1 - skill);

    sum = times * (c->skill_hits * crowd_log_sigmoid(logit) +
                   c->skill_misses * crowd_log_sigmoid(-logit) -
                   side * side / (2 * c->side_sd * c->side_sd));
    for (size_t i = c->starts[w]; i < c->starts[w + 1]; i++) {
        const struct answer *at = &c->answers[i];
        double weight = answer_weight(c, at), b = guessed[at->side > 0];
        double a = crowd_sigmoid(at->won * (s->x[at->left] - s->x[at->right]));
        double p = skill * a + (1 - skill) * b, each = weight / p, d;
        if (!(weight > 0))
            continue;
        sum += weight * log(p);
        d = each * skill * at->won * a * (1 - a);
        strengths[at->left] += d;
        strengths[at->right] -= d;
        g += each * (a - b);
        q += each * at->side;
    }
    s->gradient[n + w] = v * g + times * (c->skill_hits * (1 - skill) - c->skill_misses * skill);
    s->gradient[n + c->annotators + w] = slope * q - times * side / (c->side_sd * c->side_sd);
    return sum;
}

static void sweep_piece(void *arg, int64_t piece)
{
    const struct sweep *s = arg;
    size_t n = s->c->pairs->options, workers = s->c->annotators;
    double *mine = s->c->pieces + (size_t)piece * (n + 1), sum = 0;

    memset(mine, 0, (n + 1) * sizeof *mine);
    for (size_t w = workers * (size_t)piece / CROWD_PIECES;
         w < workers * (size_t)(piece + 1) / CROWD_PIECES; w++)
        sum += sweep_annotator(s, w, mine);
    mine[n] = sum;
}

double crowd_objective(struct crowd *c, const double *x, double *gradient)
{
    struct sweep s = { c, x, gradient };
    size_t n = c->pairs->options;
    double sum = 0;

    hone_parallel(c->context, CROWD_PIECES, sweep_piece, &s);
    for (size_t i = 0; i < n; i++) {
        sum += c->prior * (crowd_log_sigmoid(x[i]) + crowd_log_sigmoid(-x[i]));
        gradient[i] = c->prior * (1 - 2 * crowd_sigmoid(x[i]));
    }
    for (size_t k = 0; k < CROWD_PIECES; k++) {
        for (size_t i = 0; i < n; i++)
            gradient[i] += c->pieces[k * (n + 1) + i];
        sum += c->pieces[k * (n + 1) + n];
    }
    return sum;
}

/* ---- climbing ---- */

struct climb {
    size_t count, used;
    double *gradient, *next, *direction, *trial;          /* [count] */
    double *size;                                         /* [count] 1/curvature, about */
    double *moved, *turned;                               /* [MEMORY, count] */
    double rho[MEMORY];
};

static double climb_dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Squares of scores, in place of curvature: strengths have far more answers than
 * annotators do, and steps in all of them as long would be slow. */
static void climb_measure(struct crowd *c, struct climb *m)
{
    size_t n = c->pairs->options;

    for (size_t i = 0; i < n; i++)
        m->size[i] = c->prior / 2;
    for (size_t w = 0; w < c->annotators; w++) {
        double skill = crowd_sigmoid(c->x[n + w]), side = c->x[n + c->annotators + w];
        double g = (c->skill_hits + c->skill_misses) * skill * (1 - skill);
        double q = 1 / (c->side_sd * c->side_sd);
        for (size_t i = c->starts[w]; i < c->starts[w + 1]; i++) {
            const struct answer *a = &c->answers[i];
            double weight = answer_weight(c, a);
            struct chance p = crowd_chance(a, c->x[a->left] - c->x[a->right], skill, side);
            m->size[a->left] += weight * p.d * p.d / (p.p * p.p);
            m->size[a->right] += weight * p.d * p.d / (p.p * p.p);
            g += weight * p.g * p.g / (p.p * p.p);
            q += weight * p.q * p.q / (p.p * p.p);
        }
        m->size[n + w] = g;
        m->size[n + c->annotators + w] = q;
    }
    for (size_t i = 0; i < c->count; i++)
        m->size[i] = 1 / fmax(m->size[i], 1e-6);
}

/* direction = (inverse curvature from the steps remembered) * gradient. */
static void climb_direct(struct climb *m)
{
    size_t n = m->count, kept = m->used < MEMORY ? m->used : MEMORY;
    double alpha[MEMORY], scale = 0;

    memcpy(m->direction, m->gradient, n * sizeof *m->direction);
    for (size_t j = 0; j < kept; j++) {
        size_t k = (m->used - 1 - j) % MEMORY;
        alpha[k] = m->rho[k] * climb_dot(m->moved + k * n, m->direction, n);
        for (size_t i = 0; i < n; i++)
            m->direction[i] -= alpha[k] * m->turned[k * n + i];
        for (size_t i = 0; i < n && !j; i++)
            scale += m->rho[k] * m->turned[k * n + i] * m->turned[k * n + i] * m->size[i];
    }
    for (size_t i = 0; i < n; i++)
        m->direction[i] *= scale > 0 ? m->size[i] / scale : m->size[i];
    for (size_t j = kept; j-- > 0;) {
        size_t k = (m->used - 1 - j) % MEMORY;
        double beta = m->rho[k] * climb_dot(m->turned + k * n, m->direction, n);
        for (size_t i = 0; i < n; i++)
            m->direction[i] += (alpha[k] - beta) * m->moved[k * n + i];
    }
}

static void climb_remember(struct climb *m, const double *x)
{
    size_t n = m->count, k = m->used % MEMORY;
    double *moved = m->moved + k * n, *turned = m->turned + k * n, along;

    for (size_t i = 0; i < n; i++) {
        moved[i] = m->trial[i] - x[i];
        turned[i] = m->gradient[i] - m->next[i]; /* of the negated objective */
    }
    along = climb_dot(moved, turned, n);
    if (along > 1e-12 * climb_dot(turned, turned, n)) {
        m->rho[k] = 1 / along;
        m->used++;
    }
}

/* A step that raises the objective by a share of what its slope promises. */
static bool climb_step(struct crowd *c, struct climb *m, double slope)
{
    for (double size = 1; size > 1e-12; size /= 2) {
        double next;
        for (size_t i = 0; i < m->count; i++)
            m->trial[i] = c->x[i] + size * m->direction[i];
        next = crowd_objective(c, m->trial, m->next);
        if (next >= c->objective + 1e-4 * size * slope) {
            climb_remember(m, c->x);
            memcpy(c->x, m->trial, m->count * sizeof *c->x);
            memcpy(m->gradient, m->next, m->count * sizeof *m->gradient);
            c->objective = next;
            return true;
        }
    }
    return false;
}

int crowd_run(struct crowd *c, int64_t iterations, double tolerance, hone_json *trace,
              hone_error *err)
{
    size_t n = c->count;
    struct climb m = { .count = n };
    int failed = 0;

    if (!(m.gradient = hone_alloc(n + 1, (5 + 2 * MEMORY) * sizeof *m.gradient)))
        return hone_fail_memory(err, "annotators");
    m.next = m.gradient + n;
    m.direction = m.next + n;
    m.trial = m.direction + n;
    m.size = m.trial + n;
    m.moved = m.size + n;
    m.turned = m.moved + MEMORY * n;
    climb_measure(c, &m);
    c->objective = crowd_objective(c, c->x, m.gradient);
    c->converged = false;
    for (c->iterations = 0; c->iterations < iterations && !c->converged; c->iterations++) {
        double slope;
        climb_direct(&m);
        slope = climb_dot(m.direction, m.gradient, n);
        if (!(slope > 0)) { /* what is remembered misleads: the gradient itself */
            m.used = 0;
            climb_direct(&m);
            slope = climb_dot(m.direction, m.gradient, n);
        }
        c->converged = slope <= tolerance * tolerance;
        if (!climb_step(c, &m, slope)) {
            c->converged |= !m.used;
            m.used = 0;
        }
        if (trace)
            failed |= json_array_append_new(trace, json_real(c->objective));
    }
    hone_free(m.gradient);
    return failed ? hone_fail_memory(err, "a trace") : HONE_OK;
}

/* ---- standard errors ---- */

/* The curvature, negated: of strengths h [n, n], and of each annotator a 2 x 2
 * block and its rows against strengths. */
struct block {
    double gg, gq, qq;       /* then its inverse */
    double log_det;
    double *across;          /* [2, n] */
    int32_t *touched;        /* [n] options of this annotator */
    size_t count;
};

static void block_answer(const struct crowd *c, struct block *b, double *h,
                         const struct answer *a, size_t w)
{
    size_t n = c->pairs->options, left = (size_t)a->left, right = (size_t)a->right;
    double weight = answer_weight(c, a);
    struct chance p = crowd_chance(a, c->x[left] - c->x[right], crowd_sigmoid(c->x[n + w]),
                                   c->x[n + c->annotators + w]);
    double dd = weight * (p.d * p.d / p.p - p.dd) / p.p;
    double dg = weight * (p.d * p.g / p.p - p.dg) / p.p;
    double dq = weight * p.d * p.q / (p.p * p.p);

    h[left * n + left] += dd;
    h[right * n + right] += dd;
    h[left * n + right] -= dd;
    h[right * n + left] -= dd;
    b->gg += weight * (p.g * p.g / p.p - p.gg) / p.p;
    b->gq += weight * (p.g * p.q / p.p - p.gq) / p.p;
    b->qq += weight * (p.q * p.q / p.p - p.qq) / p.p;
    b->across[left] += dg;
    b->across[right] -= dg;
    b->across[n + left] += dq;
    b->across[n + right] -= dq;
}

static bool block_fill(const struct crowd *c, struct block *b, double *h, size_t w)
{
    size_t n = c->pairs->options;
    double skill = crowd_sigmoid(c->x[n + w]), det;

    memset(b->across, 0, 2 * n * sizeof *b->across);
    b->gg = (c->skill_hits + c->skill_misses) * skill * (1 - skill);
    b->gq = 0;
    b->qq = 1 / (c->side_sd * c->side_sd);
    for (size_t i = c->starts[w]; i < c->starts[w + 1]; i++)
        block_answer(c, b, h, &c->answers[i], w);
    b->count = 0;
    for (size_t i = 0; i < n; i++)
        if (b->across[i] != 0 || b->across[n + i] != 0)
            b->touched[b->count++] = (int32_t)i;
    det = b->gg * b->qq - b->gq * b->gq;
    if (!(b->gg > 0 && det > 0))
        return false;
    *b = (struct block){ .gg = b->qq / det, .gq = -b->gq / det, .qq = b->gg / det,
                         .log_det = log(det), .across = b->across, .touched = b->touched,
                         .count = b->count };
    return true;
}

/* across^T block^-1 across, of options i and k. */
static double block_between(const struct block *b, size_t n, size_t i, size_t k)
{
    const double *g = b->across, *q = b->across + n;

    return g[i] * (b->gg * g[k] + b->gq * q[k]) + q[i] * (b->gq * g[k] + b->qq * q[k]);
}

/* Strengths alone: h less what not knowing the annotators takes away, as a factor.
 * *log_det: of the whole curvature. */
static bool covariance_strengths(const struct crowd *c, struct block *b, double *h,
                                 double *log_det)
{
    size_t n = c->pairs->options;
    bool regular = true;

    *log_det = 0;
    for (size_t w = 0; w < c->annotators && regular; w++) {
        regular = block_fill(c, b, h, w);
        *log_det += b->log_det;
        for (size_t i = 0; i < b->count && regular; i++)
            for (size_t k = 0; k < b->count; k++)
                h[(size_t)b->touched[i] * n + (size_t)b->touched[k]] -=
                    block_between(b, n, (size_t)b->touched[i], (size_t)b->touched[k]);
    }
    for (size_t i = 0; i < n; i++) {
        double chance = crowd_sigmoid(c->x[i]);
        h[i * n + i] += 2 * c->prior * chance * (1 - chance);
        if (c->pairs->component[i] < 0)
            h[i * n + i] = 1;
    }
    if (!regular || !hone_cholesky(h, n))
        return false;
    for (size_t i = 0; i < n; i++)
        *log_det += 2 * log(h[i * n + i]);
    return true;
}

/* Var = B^-1 + B^-1 across V across^T B^-1, its diagonal. */
static void covariance_annotator(const struct crowd *c, struct block *b, const double *v,
                                 double *waste, double *errors, size_t w)
{
    size_t n = c->pairs->options;
    double gg = 0, gq = 0, qq = 0;

    block_fill(c, b, waste, w);
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->count; k++) {
            size_t at = (size_t)b->touched[i], to = (size_t)b->touched[k];
            double among = v[at * n + to];
            gg += b->across[at] * among * b->across[to];
            gq += b->across[at] * among * b->across[n + to];
            qq += b->across[n + at] * among * b->across[n + to];
        }
    errors[w] = sqrt(b->gg + b->gg * b->gg * gg + 2 * b->gg * b->gq * gq + b->gq * b->gq * qq);
    errors[c->annotators + w] = sqrt(b->qq + b->qq * b->qq * qq + 2 * b->qq * b->gq * gq +
                                     b->gq * b->gq * gg);
}

int crowd_covariance(struct crowd *c, double **out, double *errors, bool *made, hone_error *err)
{
    size_t n = c->pairs->options;
    double *h = hone_alloc(n * n + 1, sizeof *h), *waste = hone_alloc(n * n + 1, sizeof *waste);
    struct block b = { .across = hone_alloc(2 * n + 1, sizeof *b.across),
                       .touched = hone_alloc(n + 1, sizeof *b.touched) };
    double log_det;
    int code = HONE_OK;

    *out = NULL;
    *made = false;
    if (!h || !waste || !b.across || !b.touched) {
        code = hone_fail_memory(err, "a covariance");
        goto out;
    }
    *made = c->prior > 0 && covariance_strengths(c, &b, h, &log_det);
    if (!*made)
        goto out;
    hone_cholesky_invert(h, n);
    for (size_t w = 0; w < c->annotators; w++)
        covariance_annotator(c, &b, h, waste, errors, w);
    pairs_centre_covariance(c->pairs, h, waste);
    *out = h;
    h = NULL;
out:
    hone_free(h);
    hone_free(waste);
    hone_free(b.across);
    hone_free(b.touched);
    return code;
}

/* ---- the prior of skills ---- */

/* Log evidence by Laplace's approximation in logit skills and sides, but for what
 * all priors share; -INFINITY where the curvature is singular. Strengths are as
 * likely in every direction and on every scale (a density of |s|^-dimensions): one
 * that is even over all of space would favour large ones by their volume. */
static int evidence_of(struct crowd *c, int64_t iterations, double tolerance, double *evidence,
                       hone_error *err)
{
    size_t n = c->pairs->options;
    double a = c->skill_hits, b = c->skill_misses, log_det, squares = 0;
    double *h = hone_alloc(n * n + 1, sizeof *h);
    struct block block = { .across = hone_alloc(2 * n + 1, sizeof *block.across),
                           .touched = hone_alloc(n + 1, sizeof *block.touched) };
    int sign, code = h && block.across && block.touched
                   ? crowd_run(c, iterations, tolerance, NULL, err)
                   : hone_fail_memory(err, "annotators");

    *evidence = -INFINITY;
    for (size_t i = 0; i < n; i++)
        squares += c->x[i] * c->x[i];
    if (!code && squares > 0 && covariance_strengths(c, &block, h, &log_det))
        *evidence = c->objective - log_det / 2 - (double)(n - 1) / 2 * log(squares) +
                    (double)c->annotators * (lgamma_r(a + b, &sign) - lgamma_r(a, &sign) -
                                             lgamma_r(b, &sign));
    hone_free(h);
    hone_free(block.across);
    hone_free(block.touched);
    return code;
}

/* Uphill over a grid of means and sizes of the Beta distribution, each point tried
 * once, from where the one before ended. Skills and the scale of strengths make up
 * for each other, so that the evidence is flat along a ridge, and the mode of many
 * skills at once lies where they are too low and strengths too large. So means
 * below 0.88 are not tried, and of points within 3 nats of the best the one with
 * the largest mean is taken; who does not look is found all the same. */
int crowd_choose_prior(struct crowd *c, int64_t iterations, double tolerance, hone_error *err)
{
    static const double means[] = { 0.88, 0.95, 0.98, 0.995 }, sizes[] = { 4, 12, 40, 150 };
    enum { MEANS = sizeof means / sizeof *means, SIZES = sizeof sizes / sizeof *sizes };
    static const int ways[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } };
    double evidence[MEANS][SIZES] = {{0}}, best = -INFINITY; /* 0: not tried */
    int at[2] = {0}, to[2] = {0}, code = HONE_OK;

    for (bool moved = true; moved && !code;) {
        moved = false;
        for (int way = 0; way < 5 && !code; way++) {
            int m = at[0] + ways[way][0], z = at[1] + ways[way][1];
            if (m < 0 || m >= MEANS || z < 0 || z >= SIZES || evidence[m][z] != 0)
                continue;
            c->skill_hits = means[m] * sizes[z];
            c->skill_misses = (1 - means[m]) * sizes[z];
            code = evidence_of(c, iterations, tolerance, &evidence[m][z], err);
            if (!code && evidence[m][z] > best) {
                best = evidence[m][z];
                to[0] = m, to[1] = z;
                moved = true;
            }
        }
        at[0] = to[0], at[1] = to[1];
    }
    for (int m = 0; m < MEANS; m++)
        for (int z = 0; z < SIZES; z++)
            if (evidence[m][z] != 0 && evidence[m][z] >= best - 3 &&
                (m > at[0] || (m == at[0] && evidence[m][z] > evidence[at[0]][at[1]])))
                at[0] = m, at[1] = z;
    c->skill_hits = means[at[0]] * sizes[at[1]];
    c->skill_misses = (1 - means[at[0]]) * sizes[at[1]];
    return code;
}
