/* glad.c -- aggregation with the ability of annotators and the difficulty of items.
 *
 * A vote of annotator a for item i is right with probability s(x), x = alpha_a beta_i,
 * s the logistic function; wrong labels are equally likely, and so are truths.
 * alpha may be negative (an adversary); beta_i = exp(b_i) > 0 is ease. Priors:
 * alpha ~ N(1, ability_sd^2), b ~ N(1, ease_sd^2). EM, T_ik = P(truth of i is k | votes):
 *
 *   E:  log T_ik = sum over votes (a, k) of (x + log(K - 1)) + const
 *   M:  raise  sum over votes (a, l) of T_il log s(x) + (1 - T_il) log s(-x)  + log priors
 *
 * In M, given the b the alphas do not meet, and the other way round, so that each
 * is moved alone by Newton's steps, halved until they rise: the objective (log
 * posterior of alpha and b) never falls, and memory is linear in the votes.
 *
 * Columns: ability (alpha) of annotators, difficulty (exp(-b)) of items.
 *
 * Whitehill, Ruvolo, Wu, Bergsma & Movellan 2009, NIPS 22. */
#include "votes.h"

#include <math.h>
#include <string.h>

struct glad {
    struct votes_options common;
    int64_t iterations;
    double tolerance, ability_sd, ease_sd;
};

static const hone_option options[] = {
    HONE_OPT_INT(struct glad, iterations, "iterations", 200, 1, 1000000, "most steps"),
    HONE_OPT_REAL(struct glad, tolerance, "tolerance", 1e-7, 0, 1,
                  "stop when the objective rises by less, relatively"),
    HONE_OPT_REAL_FLAGS(struct glad, ability_sd, "ability_sd", 1, 0, 1e3, HONE_OPTION_OPEN_MIN,
                        "standard deviation of abilities, around 1"),
    HONE_OPT_REAL_FLAGS(struct glad, ease_sd, "ease_sd", 1, 0, 1e3, HONE_OPTION_OPEN_MIN,
                        "standard deviation of the logarithm of ease, around 1"),
    VOTES_OPTIONS(struct glad),
    HONE_OPT_END
};

enum { SWEEPS = 2, NEWTON = 1, HALVINGS = 30 };

struct model {
    struct votes *v;
    double *ability; /* [annotators] alpha */
    double *ease;    /* [items] b */
    double *beta;    /* [items] exp(b) */
    double ability_precision, ease_precision;
};

/* What M raises, as a function of one parameter: its value, slope, and a bound
 * above its curvature, below 0. */
struct slope {
    double value, first, second;
};

/* A vote's part in x: log s(-x) + T x, T - s(x), s(x) s(-x). */
static void vote_add(struct slope *to, double x, double dx, double right, double w)
{
    double e = exp(-fabs(x)), s = x >= 0 ? 1 / (1 + e) : e / (1 + e);

    to->value += w * (right * x - fmax(x, 0) - log1p(e));
    to->first += w * (right - s) * dx;
    to->second -= w * s * (1 - s) * dx * dx;
}

static void prior_add(struct slope *to, double x, double precision)
{
    to->value -= precision * (x - 1) * (x - 1) / 2;
    to->first -= precision * (x - 1);
    to->second -= precision;
}

static double vote_right(const struct votes *v, size_t r)
{
    return v->posterior[(size_t)v->item[r] * v->labels + (size_t)v->label[r]];
}

static struct slope ability_slope(const struct model *m, size_t a, double alpha)
{
    const struct votes *v = m->v;
    struct slope to = {0};

    for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
        size_t r = (size_t)v->by_annotator[p];
        double beta = m->beta[v->item[r]];
        vote_add(&to, alpha * beta, beta, vote_right(v, r), votes_weight(v, r));
    }
    prior_add(&to, alpha, m->ability_precision);
    return to;
}

/* The curvature in b has a part of either sign, (T - s) x, that is left out. */
static struct slope ease_slope(const struct model *m, size_t i, double b)
{
    const struct votes *v = m->v;
    struct slope to = {0};
    double beta = exp(b);

    for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++) {
        double x = m->ability[v->annotator[r]] * beta;
        vote_add(&to, x, x, vote_right(v, r), votes_weight(v, r));
    }
    prior_add(&to, b, m->ease_precision);
    return to;
}

typedef struct slope slope_fn(const struct model *m, size_t which, double at);

static double climb(const struct model *m, slope_fn *fn, size_t which, double at)
{
    struct slope here = fn(m, which, at);

    for (int n = 0; n < NEWTON; n++) {
        double step = -here.first / here.second;
        struct slope there = here;
        int h = 0;
        for (; h < HALVINGS; h++, step /= 2) {
            there = fn(m, which, at + step);
            if (there.value >= here.value)
                break;
        }
        if (h == HALVINGS)
            break;
        at += step;
        here = there;
        if (fabs(step) < 1e-6)
            break;
    }
    return at;
}

static void climb_abilities(void *arg, size_t first, size_t last, size_t piece)
{
    struct model *m = arg;
    (void)piece;

    for (size_t a = first; a < last; a++)
        m->ability[a] = climb(m, ability_slope, a, m->ability[a]);
}

static void climb_eases(void *arg, size_t first, size_t last, size_t piece)
{
    struct model *m = arg;
    (void)piece;

    for (size_t i = first; i < last; i++)
        if (m->v->item_starts[i + 1] > m->v->item_starts[i])
            m->ease[i] = climb(m, ease_slope, i, m->ease[i]);
    for (size_t i = first; i < last; i++)
        m->beta[i] = exp(m->ease[i]);
}

static void model_items(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;
    struct votes *v = m->v;
    double others = log((double)v->labels - 1), prior = -log((double)v->labels);

    for (size_t i = first; i < last; i++) {
        double *t = v->posterior + i * v->labels, base = 0, all = 0, beta = m->beta[i];
        memset(t, 0, v->labels * sizeof *t);
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++) {
            double w = votes_weight(v, r), x = m->ability[v->annotator[r]] * beta;
            t[v->label[r]] += w * (x + others);
            base -= w * (fmax(x, 0) + log1p(exp(-fabs(x))) + others);
            all += w;
        }
        if (all > 0)
            v->sums[piece] += base + prior + votes_normalise(t, v->labels);
    }
}

static double model_density(const struct model *m)
{
    double sum = 0;

    for (size_t a = 0; a < m->v->annotators; a++)
        sum -= m->ability_precision * (m->ability[a] - 1) * (m->ability[a] - 1) / 2;
    for (size_t i = 0; i < m->v->items; i++)
        sum -= m->ease_precision * (m->ease[i] - 1) * (m->ease[i] - 1) / 2;
    return sum;
}

static int model_run(struct model *m, const struct glad *o, double *likelihood, hone_error *err)
{
    struct votes *v = m->v;
    bool done = false;
    int code = HONE_OK;

    for (size_t a = 0; a < v->annotators; a++)
        m->ability[a] = 1;
    for (size_t i = 0; i < v->items; i++) {
        m->ease[i] = 1;
        m->beta[i] = exp(1);
    }
    for (int64_t n = 0; n < o->iterations && !done && !code; n++) {
        /* E first: all begin equally able, on equally easy items. */
        votes_parallel(v, v->items, model_items, m);
        *likelihood = votes_sum(v);
        code = votes_step(v, *likelihood + model_density(m), o->tolerance, &done, err);
        for (int s = 0; s < SWEEPS && !done && n + 1 < o->iterations; s++) {
            votes_parallel(v, v->annotators, climb_abilities, m);
            votes_parallel(v, v->items, climb_eases, m);
        }
    }
    return code;
}

static int model_open(struct model *m, struct votes *v, const struct glad *o, hone_error *err)
{
    *m = (struct model){ .v = v, .ability_precision = 1 / (o->ability_sd * o->ability_sd),
                         .ease_precision = 1 / (o->ease_sd * o->ease_sd) };
    m->ability = hone_consensus_column(v->out, HONE_ANNOTATORS, "ability", 1, err);
    if (!m->ability)
        return HONE_ENOMEM;
    m->ease = hone_alloc(v->items, sizeof *m->ease);
    m->beta = hone_alloc(v->items, sizeof *m->beta);
    return m->ease && m->beta ? HONE_OK : hone_fail_memory(err, "difficulties");
}

static int model_columns(const struct model *m, hone_error *err)
{
    struct votes *v = m->v;
    double *difficulty = hone_consensus_column(v->out, HONE_ITEMS, "difficulty", 1, err);

    if (!difficulty)
        return HONE_ENOMEM;
    for (size_t i = 0; i < v->items; i++)
        if (v->item_starts[i + 1] > v->item_starts[i])
            difficulty[i] = exp(-m->ease[i]);
    for (size_t a = 0; a < v->annotators; a++)
        if (v->annotator_starts[a + 1] == v->annotator_starts[a])
            m->ability[a] = NAN;
    return HONE_OK;
}

static int glad_fit(struct votes *v, const void *self, hone_error *err)
{
    const struct glad *o = self;
    struct model m;
    double likelihood = 0;
    int code = model_open(&m, v, o, err);

    if (!code)
        code = model_run(&m, o, &likelihood, err);
    if (!code)
        code = model_columns(&m, err);
    if (!code)
        code = hone_consensus_set(v->out, "log_likelihood", likelihood, err);
    if (!code)
        votes_judge(v, v->posterior, false);
    hone_free(m.ease);
    hone_free(m.beta);
    return code;
}

VOTES_OPS(glad_fit);

/* Slopes against central differences of the values, at scattered points. */
static int glad_check_slopes(struct votes *v, const void *self, hone_error *err)
{
    static slope_fn *const slopes[] = { ability_slope, ease_slope };
    const struct glad *o = self;
    struct model m;
    int code = model_open(&m, v, o, err);

    for (size_t a = 0; a < v->annotators && !code; a++)
        m.ability[a] = 1.3 - 0.9 * (double)a;
    for (size_t i = 0; i < v->items && !code; i++)
        m.beta[i] = exp(m.ease[i] = -0.7 + 0.6 * (double)i);
    for (size_t s = 0; s < 2 && !code; s++)
        for (double at = -1; at < 1.5 && !code; at += 0.5) {
            double h = 1e-5, up = slopes[s](&m, s, at + h).value;
            double slope = (up - slopes[s](&m, s, at - h).value) / (2 * h);
            double seen = slopes[s](&m, s, at).first;
            if (!(fabs(seen - slope) <= 1e-7 * (1 + fabs(slope))))
                code = hone_fail(err, HONE_ENUMERIC, "the slope of %s at %g is %.9g, not %.9g",
                                 s ? "an ease" : "an ability", at, seen, slope);
        }
    hone_free(m.ease);
    hone_free(m.beta);
    return code;
}

static int glad_self_test(hone_context *context, hone_error *err)
{
    static const char *const items[] = { "aaba", "bbab", "cc a", "bba ", "acbc" };
    struct glad o = { .common = { context, 4, NAN }, .iterations = 50, .tolerance = 1e-9,
                      .ability_sd = 1, .ease_sd = 1 };
    hone_consensus *c = NULL;
    int code = votes_example(&o, glad_check_slopes, items, 5, &c, err);

    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(glad, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels with the ability of annotators and the difficulty of items (EM)",
            .source = "Whitehill et al. 2009, NIPS 22",
            .instance_size = sizeof(struct glad), .options = options, .ops = &ops,
            .self_test = glad_self_test);
