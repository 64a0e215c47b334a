/* one_coin.c -- aggregation by one number an annotator: P(right).
 *
 * Dawid and Skene's model with p_a on the diagonal of a's table and (1 - p_a)/(K - 1)
 * elsewhere. Right for annotators with few answers, where K^2 numbers are too
 * many. With T_ik = P(truth of i is k | votes):
 *
 *   M:  p_a = (sum over a's votes l of T_il + s)/(a's answers + 2 s)
 *   E:  log T_ik = log pi_k + sum over votes (a, k) of log(p_a (K - 1)/(1 - p_a)) + const
 *
 * s is `smoothing`, a Beta(1 + s, 1 + s) prior that keeps the logarithms finite;
 * the objective, log-likelihood plus sum s log(p_a (1 - p_a)), never falls.
 *
 * Zhang, Chen, Zhou & Jordan 2016, jmlr.org/papers/v17/14-511. */
#include "votes.h"

#include <math.h>
#include <string.h>

enum { PRIORS_ESTIMATED, PRIORS_UNIFORM };
static const char *const priors[] = { "estimated", "uniform", NULL };

struct one_coin {
    struct votes_options common;
    int64_t priors, iterations;
    double tolerance, smoothing;
};

static const hone_option options[] = {
    HONE_OPT_CHOICE(struct one_coin, priors, "priors", "estimated", priors,
                    "how common each label is: estimated, or uniform"),
    HONE_OPT_INT(struct one_coin, iterations, "iterations", 100, 1, 1000000, "most steps"),
    HONE_OPT_REAL(struct one_coin, tolerance, "tolerance", 1e-7, 0, 1,
                  "stop when the objective rises by less, relatively"),
    HONE_OPT_REAL_FLAGS(struct one_coin, smoothing, "smoothing", 0.01, 0, 1e6,
                        HONE_OPTION_OPEN_MIN, "pseudo-answers of each kind, right and wrong"),
    VOTES_OPTIONS(struct one_coin),
    HONE_OPT_END
};

struct model {
    struct votes *v;
    double smoothing;
    double *edge, *wrong; /* [annotators] log P(right)/P(one wrong label); log of the latter */
    double *prior;        /* [labels] log */
    bool uniform;
};

/* M; returns the logarithm of the prior's density, but for a constant. */
static double model_skills(struct model *m)
{
    struct votes *v = m->v;
    double density = 0, others = (double)v->labels - 1;

    votes_judge(v, v->posterior, false);
    for (size_t a = 0; a < v->annotators; a++) {
        const struct votes_tally *t = &v->tally[a];
        double right = t->right + m->smoothing, wrong = t->answers - t->right + m->smoothing;
        /* Expected answers may exceed answers by rounding. */
        wrong = fmax(wrong, m->smoothing);
        double p = log(right / (right + wrong)), q = log(wrong / (right + wrong));
        m->wrong[a] = q - log(others);
        m->edge[a] = p - m->wrong[a];
        density += m->smoothing * (p + q);
    }
    return density;
}

static void model_priors(struct model *m)
{
    const struct votes *v = m->v;
    double all = 0;

    memset(m->prior, 0, v->labels * sizeof *m->prior);
    for (size_t i = 0; i < v->items; i++)
        for (size_t k = 0; k < v->labels; k++)
            m->prior[k] += v->posterior[i * v->labels + k];
    for (size_t k = 0; k < v->labels; k++)
        all += m->prior[k];
    for (size_t k = 0; k < v->labels; k++)
        m->prior[k] = log(m->uniform ? 1 / (double)v->labels : m->prior[k] / all);
}

static void model_items(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;
    struct votes *v = m->v;

    for (size_t i = first; i < last; i++) {
        double *t = v->posterior + i * v->labels, base = 0, all = 0;
        memcpy(t, m->prior, v->labels * sizeof *t);
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++) {
            double w = votes_weight(v, r);
            t[v->label[r]] += w * m->edge[v->annotator[r]];
            base += w * m->wrong[v->annotator[r]];
            all += w;
        }
        if (all > 0)
            v->sums[piece] += base + votes_normalise(t, v->labels);
        else
            memset(t, 0, v->labels * sizeof *t);
    }
}

static int one_coin_fit(struct votes *v, const void *self, hone_error *err)
{
    const struct one_coin *o = self;
    struct model m = { .v = v, .smoothing = o->smoothing,
                       .uniform = o->priors == PRIORS_UNIFORM };
    double likelihood = 0;
    bool done = false;
    int code = HONE_OK;

    m.edge = hone_alloc(v->annotators, sizeof *m.edge);
    m.wrong = hone_alloc(v->annotators, sizeof *m.wrong);
    m.prior = hone_alloc(v->labels, sizeof *m.prior);
    if (!m.edge || !m.wrong || !m.prior)
        code = hone_fail_memory(err, "skills");
    for (int64_t i = 0; i < o->iterations && !done && !code; i++) {
        double density = model_skills(&m);
        model_priors(&m);
        votes_parallel(v, v->items, model_items, &m);
        likelihood = votes_sum(v);
        code = votes_step(v, likelihood + density, o->tolerance, &done, err);
    }
    if (!code)
        code = hone_consensus_set(v->out, "log_likelihood", likelihood, err);
    if (!code)
        votes_judge(v, v->posterior, false);
    hone_free(m.edge);
    hone_free(m.wrong);
    hone_free(m.prior);
    return code;
}

VOTES_OPS(one_coin_fit);

/* Two labels, three annotators of like skill, uniform priors: with p from the
 * three pairs' agreement A = p^2 + (1 - p)^2, p = (1 + sqrt(2A - 1))/2. Here the
 * table of answers is the model's own with p = 3/4: 28 of 64 unanimous, 12 of
 * each other pattern (out of 64: p^3 + q^3 = 28/64, p q = 12/64). */
static int one_coin_self_test(hone_context *context, hone_error *err)
{
    static const struct { const char *answers; int count; } cells[] = {
        { "000", 14 }, { "001", 6 }, { "010", 6 }, { "011", 6 },
        { "100", 6 }, { "101", 6 }, { "110", 6 }, { "111", 14 },
    };
    static const double skills[] = { .75, .75, .75 };
    static const struct votes_expect expect = { HONE_ANNOTATORS, "skill", skills, 3, 1e-4 };
    struct one_coin o = { .common = { context, 4, NAN }, .iterations = 5000, .tolerance = 1e-13,
                          .smoothing = 1e-6, .priors = PRIORS_UNIFORM };
    const char *items[64];
    hone_consensus *c = NULL;
    size_t n = 0;
    int code;

    for (size_t i = 0; i < 8; i++)
        for (int k = 0; k < cells[i].count; k++)
            items[n++] = cells[i].answers;
    code = votes_example(&o, one_coin_fit, items, n, &c, err);
    if (!code)
        code = votes_expect(c, &expect, err);
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(one_coin, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels by each annotator's probability of being right (EM)",
            .source = "Zhang, Chen, Zhou & Jordan 2016, jmlr.org/papers/v17/14-511",
            .instance_size = sizeof(struct one_coin), .options = options, .ops = &ops,
            .self_test = one_coin_self_test);
