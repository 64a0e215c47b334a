/* bradley_terry.c -- strengths of options from comparisons in pairs.
 *
 * Option i beats j with chance s(s_i - s_j), s(x) = 1/(1 + e^-x). fit.c finds
 * strengths, crowd.c does where annotators differ (annotators = true),
 * bootstrap.c resamples clusters, items.c says what follows for each item.
 *
 * Columns: of options strength, rank, component, wins, losses, ties, comparisons;
 * strength_se, strength_low, strength_high, rank_low, rank_high where errors are
 * defined; of items posterior (left, right, tie, bad), label, confidence, weight;
 * of annotators answers and skill (share of decided answers for the stronger
 * option, Wilson's interval). With annotators = true, skill is g_w, the chance to
 * look at the options, weight is g_w as well, and side, side_low and side_high
 * are q_w: above 0, the option shown first is chosen by those who do not look.
 *
 * Figures: method, ties_by, log_likelihood, iterations, converged, components, tie
 * (nu of Davidson, theta of Rao and Kupper), prior and why, intervals
 * ("information" or "bootstrap") with resamples, clusters, unbounded_resamples,
 * and counts of what was left out; with annotators = true skill_prior and objective, the trace.
 *
 * Bradley & Terry 1952, doi:10.1093/biomet/39.3-4.324. */
#include "bradley_terry.h"

#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const ties_words[] = { "davidson", "rao_kupper", "half", "drop", NULL };
static const char *const bad_words[] = { "tie", "drop", NULL };
static const char *const cluster_words[] = { "annotator", "item", "comparison", NULL };

#define T struct bradley_terry
static const hone_option options[] = {
    HONE_OPT_CHOICE(T, ties, "ties", "davidson", ties_words,
                    "a tie: an outcome of its own by Davidson or by Rao and Kupper, half a win for "
                    "each (with annotators, always unless dropped), or left out"),
    HONE_OPT_CHOICE(T, bad, "bad", "tie", bad_words,
                    "both options bad: counts as a tie, or is left out"),
    HONE_OPT_BOOL(T, annotators, "annotators", false,
                  "whether annotators have a skill and a side that they prefer"),
    HONE_OPT_BOOL(T, strength, "strength", false,
                  "whether a comparison counts as often as its strength says"),
    HONE_OPT_REAL(T, prior, "prior", HONE_UNSET_REAL, 0, 1e6,
                  "pseudo-wins, and as many losses, of each option against an average one (unset: "
                  "0 where strengths are finite, else 0.5; with annotators 0.1)"),
    HONE_OPT_REALS(T, skill_prior, "skill_prior", "[]", 1e-6, 1e6,
                   "annotators: the Beta distribution of skills, as answers seen and guessed "
                   "(empty: by the largest evidence; of over 1024 options [3.52, 0.48])"),
    HONE_OPT_REAL_FLAGS(T, side_sd, "side_sd", 1.5, 0, 1e3, HONE_OPTION_OPEN_MIN,
                        "annotators: how far sides spread, on the logit scale"),
    HONE_OPT_BOOL(T, items, "items", true,
                  "whether to say what follows for each item, and skills of annotators"),
    HONE_OPT_REAL(T, pool, "pool", 1, 0, 1e6,
                  "votes that the strengths count in an item's posterior"),
    HONE_OPT_INT(T, bootstrap, "bootstrap", 0, 0, 1000000,
                 "resamples for intervals; 0: from the information; 1 is too few"),
    HONE_OPT_CHOICE(T, cluster, "cluster", "annotator", cluster_words, "what is resampled whole"),
    HONE_OPT_INT(T, seed, "seed", 0, 0, INT64_MAX, "of the bootstrap"),
    HONE_OPT_REAL_FLAGS(T, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, "of intervals and ranks"),
    HONE_OPT_INT(T, iterations, "iterations", 1000, 1, 1000000, "most steps"),
    HONE_OPT_REAL_FLAGS(T, tolerance, "tolerance", 1e-8, 0, 1, HONE_OPTION_OPEN_MIN,
                        "stop when a step is shorter, in standard errors (annotators: the root)"),
    HONE_OPT_END
};
#undef T

static int terry_init(void *self, hone_context *context, hone_error *err)
{
    struct bradley_terry *o = self;

    o->context = context;
    if (o->skill_prior.count != 0 && o->skill_prior.count != 2)
        return hone_fail(err, HONE_EINVAL, "skill_prior has %zu numbers; it takes 2, or none",
                         o->skill_prior.count);
    if (o->bootstrap == 1)
        return hone_fail(err, HONE_EINVAL, "bootstrap is 1; intervals take 2 resamples or more");
    return HONE_OK;
}

/* ---- intervals ---- */

static double *terry_column(hone_consensus *out, hone_axis axis, const char *name, hone_error *err)
{
    return hone_consensus_column(out, axis, name, 1, err);
}

struct spread {
    const double *se, *low, *high;  /* [options]; low NULL: from se */
    const double *covariance;       /* NULL: not held */
    const char *by;
};

static int terry_intervals(const struct bradley_terry *o, const struct pairs *p,
                           const double *strength, const struct spread *s, hone_consensus *out,
                           hone_error *err)
{
    double *se = terry_column(out, HONE_OPTIONS, "strength_se", err);
    double *low = se ? terry_column(out, HONE_OPTIONS, "strength_low", err) : NULL;
    double *high = low ? terry_column(out, HONE_OPTIONS, "strength_high", err) : NULL;
    double z = hone_normal_quantile(0.5 + o->confidence / 2);
    int code;

    if (!high)
        return HONE_ENOMEM;
    for (size_t i = 0; i < p->options; i++) {
        if (p->component[i] < 0)
            continue;
        se[i] = s->se ? s->se[i] : sqrt(fmax(0, s->covariance[i * p->options + i]));
        low[i] = s->low ? s->low[i] : strength[i] - z * se[i];
        high[i] = s->high ? s->high[i] : strength[i] + z * se[i];
    }
    code = hone_consensus_set_json(out, "intervals", json_string(s->by), err);
    if (!code && s->covariance)
        code = pairs_publish_ranks(p, strength, s->covariance, o->confidence, out, err);
    return code;
}

static int terry_no_intervals(hone_consensus *out, const char *word, const char *why,
                              hone_error *err)
{
    json_t *says = json_pack("{s:s, s:s}", "undefined", word, "why", why);

    return says ? hone_consensus_set_json(out, "intervals", says, err)
                : hone_fail_memory(err, "figures");
}

static int terry_bootstrap(const struct bradley_terry *o, const struct pairs *p,
                           const struct fit *f, const struct crowd *crowd, hone_consensus *out,
                           hone_error *err)
{
    struct resamples b = {0};
    int code = bootstrap_run(&b, o, p, f, crowd, err);
    struct spread s = { b.se, b.low, b.high, b.covariance, "bootstrap" };

    if (!code)
        code = terry_intervals(o, p, f->strength, &s, out, err);
    if (!code)
        code = hone_consensus_set(out, "resamples", (double)b.count, err);
    if (!code)
        code = hone_consensus_set(out, "clusters", (double)b.clusters, err);
    if (!code)
        code = hone_consensus_set(out, "unbounded_resamples", (double)b.unbounded, err);
    bootstrap_free(&b);
    return code;
}

static int terry_information(const struct bradley_terry *o, const struct pairs *p,
                             const double *strength, const double *covariance,
                             hone_consensus *out, hone_error *err)
{
    struct spread s = { .covariance = covariance, .by = "information" };

    if (!covariance)
        return terry_no_intervals(out, "singular", "the likelihood is flat in some direction", err);
    return terry_intervals(o, p, strength, &s, out, err);
}

/* ---- figures ---- */

static int terry_explain_prior(const struct bradley_terry *o, const struct fit *f,
                               const struct pairs *p, hone_consensus *out, hone_error *err)
{
    double prior = 0;
    int code = HONE_OK;

    for (size_t i = 0; i < p->options && !code; i++) {
        prior = fmax(prior, f->prior[i]);
        if (f->prior[i] > 0 && isnan(o->prior))
            code = hone_consensus_explain(out, HONE_OPTIONS, i, err, "wins alone would make "
                                          "strengths infinite (some options never lost to the "
                                          "others): a prior of half a win and half a loss for "
                                          "each holds them");
    }
    return code ? code : hone_consensus_set(out, "prior", prior, err);
}

static int terry_figures(const struct bradley_terry *o, const struct fit *f,
                         const struct pairs *p, hone_consensus *out, hone_error *err)
{
    int64_t by = o->ties <= TIES_RAO_KUPPER && !f->has_tie ? TIES_HALF : o->ties;
    double tie = exp(f->strength[p->options]);
    int code = hone_consensus_set_json(out, "method", json_string("bradley_terry"), err);

    if (!code)
        code = hone_consensus_set_json(out, "ties_by", json_string(ties_words[by]), err);
    if (!code)
        code = hone_consensus_set(out, "log_likelihood", f->log_likelihood, err);
    if (!code)
        code = hone_consensus_set(out, "iterations", (double)f->iterations, err);
    if (!code)
        code = hone_consensus_set_json(out, "converged", json_boolean(f->converged), err);
    if (!code && f->has_tie)
        code = hone_consensus_set(out, "tie", tie, err);
    return code ? code : terry_explain_prior(o, f, p, out, err);
}

/* ---- with annotators ---- */

static int crowd_annotators(const struct bradley_terry *o, const struct crowd *c,
                            const double *errors, hone_consensus *out, hone_error *err)
{
    static const char *const names[] = { "skill", "weight", "side", "skill_low", "skill_high",
                                         "side_low", "side_high" };
    double *column[7], z = hone_normal_quantile(0.5 + o->confidence / 2);

    for (int k = 0; k < (errors ? 7 : 3); k++)
        if (!(column[k] = terry_column(out, HONE_ANNOTATORS, names[k], err)))
            return HONE_ENOMEM;
    for (size_t w = 0; w < c->annotators; w++) {
        double logit = c->x[c->pairs->options + w], side = c->x[c->pairs->options +
                                                                c->annotators + w];
        if (c->starts[w] == c->starts[w + 1]) {
            int code = hone_consensus_explain(out, HONE_ANNOTATORS, w, err, "no comparison counts");
            if (code)
                return code;
            continue;
        }
        column[0][w] = column[1][w] = 1 / (1 + exp(-logit));
        column[2][w] = side;
        if (!errors)
            continue;
        column[3][w] = 1 / (1 + exp(z * errors[w] - logit));
        column[4][w] = 1 / (1 + exp(-z * errors[w] - logit));
        column[5][w] = side - z * errors[c->annotators + w];
        column[6][w] = side + z * errors[c->annotators + w];
    }
    return HONE_OK;
}

static int crowd_intervals(const struct bradley_terry *o, const struct pairs *p, struct crowd *c,
                           const struct fit *f, hone_consensus *out, hone_error *err)
{
    double *errors = hone_alloc(2 * c->annotators + 1, sizeof *errors), *covariance = NULL;
    bool made = false;
    int code = errors ? HONE_OK : hone_fail_memory(err, "annotators");

    if (!code && p->options <= COVARIANCE_MOST)
        code = crowd_covariance(c, &covariance, errors, &made, err);
    if (!code)
        code = crowd_annotators(o, c, made ? errors : NULL, out, err);
    if (!code && o->bootstrap)
        code = terry_bootstrap(o, p, f, c, out, err);
    else if (!code && p->options > COVARIANCE_MOST)
        code = terry_no_intervals(out, "size", "over 1024 options; a bootstrap takes any number",
                                  err);
    else if (!code)
        code = terry_information(o, p, f->strength, covariance, out, err);
    hone_free(errors);
    hone_free(covariance);
    return code;
}

/* f holds the strengths of the plain model, which the climb starts from. */
static int terry_crowd(const struct bradley_terry *o, const struct pairs *p, struct fit *f,
                       hone_consensus *out, hone_error *err)
{
    struct crowd c = {0};
    json_t *trace = json_array();
    int code = trace ? crowd_open(&c, o, p, err) : hone_fail_memory(err, "a trace");

    if (!code) {
        memcpy(c.x, f->strength, p->options * sizeof *c.x);
        if (!o->skill_prior.count && c.prior > 0 && p->options <= COVARIANCE_MOST)
            code = crowd_choose_prior(&c, o->iterations, 1e-2, err);
    }
    if (!code) {
        code = crowd_run(&c, o->iterations, sqrt(o->tolerance), trace, err);
    }
    if (!code) {
        memcpy(f->strength, c.x, p->options * sizeof *c.x);
        pairs_centre(p, f->strength, f->residual);
        f->log_likelihood = c.objective;
        f->iterations = c.iterations;
        f->converged = c.converged;
        for (size_t i = 0; i < p->options; i++)
            f->prior[i] = c.prior;
        code = hone_consensus_set_json(out, "objective", json_incref(trace), err);
    }
    if (!code)
        code = hone_consensus_set_json(out, "skill_prior", json_pack("[f, f]", c.skill_hits,
                                                                     c.skill_misses), err);
    if (!code)
        code = crowd_intervals(o, p, &c, f, out, err);
    crowd_close(&c);
    json_decref(trace);
    return code;
}

/* ---- aggregate ---- */

static int terry_plain(const struct bradley_terry *o, const struct pairs *p, struct fit *f,
                       hone_consensus *out, hone_error *err)
{
    double *covariance = NULL;
    bool made;
    int code = HONE_OK;

    if (o->bootstrap)
        return terry_bootstrap(o, p, f, NULL, out, err);
    if (p->options > COVARIANCE_MOST)
        return terry_no_intervals(out, "size", "over 1024 options; a bootstrap takes any number",
                                  err);
    code = fit_covariance(f, &covariance, &made, err);
    if (!code)
        code = terry_information(o, p, f->strength, covariance, out, err);
    hone_free(covariance);
    return code;
}

static int terry_undefined(const struct pairs *p, hone_consensus *out, hone_error *err)
{
    const char *word = !p->cells ? "empty" : p->won > 0 ? NULL : "unanimous";
    const char *why = !p->cells ? "no comparison counts"
                                : "every comparison is a tie: strengths are equal";
    int code = HONE_OK;

    if (word)
        code = hone_consensus_set_json(out, "undefined", json_string(word), err);
    return code || !word ? code : hone_consensus_set_json(out, "why", json_string(why), err);
}

static int terry_aggregate(void *self, const hone_judgements *judgements, hone_consensus *out,
                           hone_error *err)
{
    const struct bradley_terry *o = self;
    struct pairs_policy policy = { o->bad, o->ties != TIES_DROP, o->strength };
    int64_t ties = o->annotators && o->ties != TIES_DROP ? TIES_HALF : o->ties;
    struct pairs p;
    struct fit f = {0};
    int code = pairs_open(&p, judgements, &policy, err);

    if (!code)
        code = fit_open(&f, &p, ties, err);
    if (!code && p.won > 0)
        code = fit_run(&f, o->annotators && isnan(o->prior) ? 0.1 : o->prior, o->iterations,
                       o->tolerance, err);
    if (!code)
        code = terry_undefined(&p, out, err);
    if (!code && p.won > 0)
        code = o->annotators ? terry_crowd(o, &p, &f, out, err) : terry_plain(o, &p, &f, out, err);
    if (!code)
        code = pairs_publish(&p, f.strength, out, err);
    if (!code && p.won > 0)
        code = terry_figures(o, &f, &p, out, err);
    if (!code && o->items)
        code = items_publish(o, &p, &f, o->annotators && p.won > 0
                             ? hone_consensus_get(out, HONE_ANNOTATORS, "skill", NULL) : NULL, out,
                             err);
    fit_close(&f);
    pairs_close(&p);
    return code;
}

static const hone_quality_ops ops = {
    .size = sizeof ops, .init = terry_init, .aggregate = terry_aggregate,
};

/* Wins of four options, and shares that sum to 1. */
static int terry_self_test(hone_context *context, hone_error *err)
{
    static const int wins[] = { 0, 7, 5, 9, 3, 0, 6, 8, 5, 4, 0, 7, 1, 2, 3, 0 };
    static const double shares[] = { .42031985, .26698714, .23916002, .07353298 };
    struct bradley_terry o = { .context = context, .iterations = 100, .tolerance = 1e-8, .pool = 1,
                               .items = true,
                               .prior = HONE_UNSET_REAL, .confidence = 0.95 };
    hone_judgements *j = NULL;
    hone_consensus *c = NULL;
    const double *s;
    double sum = 0;
    int code = pairs_example(&j, wins, 4, err);

    if (!code)
        code = hone_consensus_new(&c, j, err);
    if (!code)
        code = terry_aggregate(&o, j, c, err);
    if (!code) {
        s = hone_consensus_get(c, HONE_OPTIONS, "strength", NULL);
        for (int i = 0; i < 4; i++)
            sum += exp(s[i]);
        for (int i = 0; i < 4 && !code; i++)
            if (!(fabs(exp(s[i]) / sum - shares[i]) < 1e-8))
                code = hone_fail(err, HONE_ENUMERIC, "share %d is %.9f, not %.8f", i + 1,
                                 exp(s[i]) / sum, shares[i]);
    }
    hone_consensus_free(c);
    hone_judgements_free(j);
    return code;
}

HONE_PLUGIN(bradley_terry,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "strengths of options from comparisons in pairs, with intervals and ranks",
    .source = "doi:10.1093/biomet/39.3-4.324",
    .instance_size = sizeof(struct bradley_terry), .options = options, .ops = &ops,
    .self_test = terry_self_test);
