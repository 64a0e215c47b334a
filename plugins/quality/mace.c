/* mace.c -- aggregation by whether an annotator knows or guesses.
 *
 * For each vote, annotator a knows the truth with probability theta_a and says
 * it; else a guesses label l with probability xi_al, whatever the item is. All
 * truths are equally likely. Priors theta ~ Beta(know, guess), xi ~ Dirichlet(strategy).
 * Variational Bayes: q(truths, who knows) q(theta) q(xi), with E the mean of
 * logarithms under q,
 *
 *   c_al = exp(E log(1 - theta_a) + E log xi_al)         a guess of l
 *   d_al = exp(E log theta_a) + c_al                     l, where l is the truth
 *   log T_ik = sum over votes (a, l) of log(k = l ? d_al : c_al), normalised
 *
 * and theta's and xi's counts follow from T and from exp(E log theta)/d, the
 * chance that who is right knew. The bound on the evidence, log Z of the items
 * less the divergence of q from the priors, never falls. From several starts
 * (the first even, others drawn), the best bound is taken.
 *
 * Columns of annotators: competence (mean of theta), competence_low and
 * competence_high: of a Beta with q's mean and as many counts as the observed
 * information says (votes.h). q itself takes who knew for known: it is too narrow.
 * Labels that an annotator never used keep the prior's counts and need no memory.
 *
 * Hovy, Berg-Kirkpatrick, Vaswani & Hovy 2013, aclanthology.org/N13-1132. */
#include "votes.h"

#include <hone/random.h>
#include <hone/statistics.h>

#include <math.h>
#include <string.h>

struct mace {
    struct votes_options common;
    int64_t iterations, restarts, seed;
    double tolerance, know, guess, strategy;
};

static const hone_option options[] = {
    HONE_OPT_INT(struct mace, iterations, "iterations", 200, 1, 1000000, "most steps of a start"),
    HONE_OPT_INT(struct mace, restarts, "restarts", 10, 1, 10000, "starts"),
    HONE_OPT_INT(struct mace, seed, "seed", 0, 0, INT64_MAX, "of the starts"),
    HONE_OPT_REAL(struct mace, tolerance, "tolerance", 1e-7, 0, 1,
                  "stop when the bound rises by less, relatively"),
    HONE_OPT_REAL_FLAGS(struct mace, know, "know", 0.5, 0, 1e6, HONE_OPTION_OPEN_MIN,
                        "prior count of knowing"),
    HONE_OPT_REAL_FLAGS(struct mace, guess, "guess", 0.5, 0, 1e6, HONE_OPTION_OPEN_MIN,
                        "prior count of guessing"),
    HONE_OPT_REAL_FLAGS(struct mace, strategy, "strategy", 10, 0, 1e6, HONE_OPTION_OPEN_MIN,
                        "prior count of each label guessed"),
    VOTES_OPTIONS(struct mace),
    HONE_OPT_END
};

struct model {
    struct votes *v;
    const struct mace *o;
    double *wrong, *edge; /* [slots] log c, log d - log c */
    double *knew;         /* [slots] exp(E log theta)/d */
    double *know, *guess; /* [annotators] counts of q(theta), prior included */
    double *missing;      /* [annotators] sum of P(knew)(1 - P(knew)) */
};

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* Divergence of q(theta) from its prior. */
static double theta_divergence(const struct model *m, size_t a)
{
    double k = m->know[a], g = m->guess[a], k0 = m->o->know, g0 = m->o->guess;

    return log_gamma(k + g) - log_gamma(k) - log_gamma(g) - log_gamma(k0 + g0) + log_gamma(k0) +
           log_gamma(g0) + (k - k0) * (hone_digamma(k) - hone_digamma(k + g)) +
           (g - g0) * (hone_digamma(g) - hone_digamma(k + g));
}

/* Counts of one annotator from T; in `edge`, for the moment, guesses of a slot. */
static double annotator_count(const struct model *m, size_t a)
{
    const struct votes *v = m->v;
    double all = 0;

    m->know[a] = m->o->know;
    m->guess[a] = m->o->guess;
    m->missing[a] = 0;
    for (size_t s = v->slot_starts[a]; s < v->slot_starts[a + 1]; s++)
        m->edge[s] = 0;
    for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
        size_t r = (size_t)v->by_annotator[p], s = (size_t)v->slot[r];
        double w = votes_weight(v, r), knew;
        knew = m->knew[s] * v->posterior[(size_t)v->item[r] * v->labels + (size_t)v->label[r]];
        m->know[a] += w * knew;
        m->guess[a] += w * (1 - knew);
        m->missing[a] += w * knew * (1 - knew);
        m->edge[s] += w * (1 - knew);
        all += w * (1 - knew);
    }
    return all;
}

/* q of annotator a; returns its divergence from the priors. */
static double annotator_update(const struct model *m, size_t a)
{
    const struct votes *v = m->v;
    double prior = m->o->strategy, guesses = annotator_count(m, a);
    double before = prior * (double)v->labels, total = before + guesses, psi = hone_digamma(total);
    double both = hone_digamma(m->know[a] + m->guess[a]);
    double know = hone_digamma(m->know[a]) - both, guess = hone_digamma(m->guess[a]) - both;
    double divergence = theta_divergence(m, a) + log_gamma(total) - log_gamma(before);

    for (size_t s = v->slot_starts[a]; s < v->slot_starts[a + 1]; s++) {
        double count = prior + m->edge[s], strategy = hone_digamma(count) - psi;
        divergence += log_gamma(prior) - log_gamma(count) + m->edge[s] * strategy;
        m->wrong[s] = guess + strategy;
        m->edge[s] = log1p(exp(know - m->wrong[s]));
        if (!isfinite(m->edge[s]))
            m->edge[s] = know - m->wrong[s];
        m->knew[s] = exp(know - m->wrong[s] - m->edge[s]);
    }
    return divergence;
}

static void model_annotators(void *arg, size_t first, size_t last, size_t piece)
{
    struct model *m = arg;

    for (size_t a = first; a < last; a++)
        m->v->sums[piece] -= annotator_update(m, a);
}

static void model_items(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;
    struct votes *v = m->v;

    for (size_t i = first; i < last; i++) {
        double *t = v->posterior + i * v->labels, base = -log((double)v->labels), all = 0;
        memset(t, 0, v->labels * sizeof *t);
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++) {
            double w = votes_weight(v, r);
            t[v->label[r]] += w * m->edge[v->slot[r]];
            base += w * m->wrong[v->slot[r]];
            all += w;
        }
        if (all > 0)
            v->sums[piece] += base + votes_normalise(t, v->labels);
    }
}

/* One start; the same number gives the same run. */
static int model_start(struct model *m, int64_t number, hone_error *err)
{
    struct votes *v = m->v;
    hone_random random = hone_random_named((uint64_t)m->o->seed, "mace");
    bool done = false;
    int code = HONE_OK;

    random.stream += (uint64_t)number;
    v->iterations = 0;
    json_array_clear(v->trace);
    votes_shares(v, NULL, v->posterior);
    for (size_t s = 0; s < v->slots; s++)
        m->knew[s] = number ? hone_random_uniform(&random) : 0.5;
    for (int64_t n = 0; n < m->o->iterations && !done && !code; n++) {
        votes_parallel(v, v->annotators, model_annotators, m);
        votes_parallel(v, v->items, model_items, m);
        code = votes_step(v, votes_sum(v), m->o->tolerance, &done, err);
    }
    return code;
}

static int model_columns(const struct model *m, hone_error *err)
{
    struct votes *v = m->v;
    static const char *const names[] = { "competence", "competence_low", "competence_high" };
    double *columns[3], p, n;

    for (size_t i = 0; i < 3; i++)
        if (!(columns[i] = hone_consensus_column(v->out, HONE_ANNOTATORS, names[i], 1, err)))
            return HONE_ENOMEM;
    for (size_t a = 0; a < v->annotators; a++) {
        if (v->slot_starts[a + 1] == v->slot_starts[a])
            continue;
        n = m->know[a] + m->guess[a];
        p = columns[0][a] = m->know[a] / n;
        n = fmax(m->o->know + m->o->guess, n - m->missing[a] / (p * (1 - p)));
        columns[1][a] = fmin(p, hone_beta_quantile(.025, p * n, (1 - p) * n));
        columns[2][a] = fmax(p, hone_beta_quantile(.975, p * n, (1 - p) * n));
    }
    return HONE_OK;
}

static int model_best(struct model *m, hone_error *err)
{
    struct votes *v = m->v;
    double best = -INFINITY;
    int64_t which = 0;
    int code = HONE_OK;

    for (int64_t n = 0; n < m->o->restarts && !code; n++) {
        code = model_start(m, n, err);
        if (!code && v->objective > best) {
            best = v->objective;
            which = n;
        }
    }
    if (!code && which != m->o->restarts - 1)
        code = model_start(m, which, err);
    if (!code)
        code = hone_consensus_set(v->out, "start", (double)which, err);
    return code;
}

static int mace_fit(struct votes *v, const void *self, hone_error *err)
{
    struct model m = { .v = v, .o = self };
    int code = HONE_OK;

    m.wrong = hone_alloc(v->slots, sizeof *m.wrong);
    m.edge = hone_alloc(v->slots, sizeof *m.edge);
    m.knew = hone_alloc(v->slots, sizeof *m.knew);
    m.know = hone_alloc(v->annotators, sizeof *m.know);
    m.guess = hone_alloc(v->annotators, sizeof *m.guess);
    m.missing = hone_alloc(v->annotators, sizeof *m.missing);
    if (!m.wrong || !m.edge || !m.knew || !m.know || !m.guess || !m.missing)
        code = hone_fail_memory(err, "strategies");
    if (!code)
        code = model_best(&m, err);
    if (!code)
        code = model_columns(&m, err);
    if (!code)
        votes_judge(v, v->posterior, false);
    hone_free(m.wrong);
    hone_free(m.edge);
    hone_free(m.knew);
    hone_free(m.know);
    hone_free(m.guess);
    hone_free(m.missing);
    return code;
}

VOTES_OPS(mace_fit);

/* Two who agree on everything, and one who always says "a": the first two know,
 * the third guesses, and their labels stand. */
static int mace_self_test(hone_context *context, hone_error *err)
{
    static const char *const items[] = { "aaa", "bba", "cca", "dda", "bba", "cca", "dda", "aaa",
                                         "bba", "cca", "dda", "aaa", "bba", "cca", "dda", "bba" };
    static const double labels[] = { 0, 1, 2, 3, 1, 2, 3, 0 };
    static const struct votes_expect expect = { HONE_ITEMS, "label", labels, 8, 0 };
    struct mace o = { .common = { context, 4, NAN }, .iterations = 100, .restarts = 2,
                      .tolerance = 1e-7, .know = .5, .guess = .5, .strategy = 1 };
    hone_consensus *c = NULL;
    int code = votes_example(&o, mace_fit, items, 16, &c, err);

    if (!code)
        code = votes_expect(c, &expect, err);
    if (!code) {
        const double *competence = hone_consensus_get(c, HONE_ANNOTATORS, "competence", NULL);
        if (!(competence[0] > .9 && competence[1] > .9 && competence[2] < .3))
            code = hone_fail(err, HONE_ENUMERIC, "competences are %.3f, %.3f and %.3f; above .9, "
                             "above .9 and below .3 is right", competence[0], competence[1],
                             competence[2]);
    }
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(mace, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels by whether annotators know or guess (variational Bayes)",
            .source = "Hovy, Berg-Kirkpatrick, Vaswani & Hovy 2013, aclanthology.org/N13-1132",
            .instance_size = sizeof(struct mace), .options = options, .ops = &ops,
            .self_test = mace_self_test);
