/* dawid_skene.c -- aggregation by a confusion table for each annotator.
 *
 * Item i has a truth k with P(k) = pi_k; annotator a says l with P(l | k) =
 * pi_akl, independently. EM from the shares of votes, with T_ik = P(truth of i
 * is k | votes):
 *
 *   M:  pi_akl = (sum over a's votes l of T_ik + c_kl) / (sum over l)
 *   E:  log T_ik = log pi_k + sum over votes (a, l) of log pi_akl, normalised
 *
 * Its objective, the log-likelihood (em without smoothing), or that plus
 * sum c_kl log pi_akl (a Dirichlet prior's mode: map), never falls. c_kl is
 * `smoothing`, and `diagonal` more for k = l: a prior that people tell labels
 * apart, which keeps annotators with few answers near the truth.
 *
 * Tables hold K numbers a slot (votes.h). One walk over the items makes T_i and
 * adds it to the counts of its votes' slots: both tables stay in the cache, and
 * the votes are read in order. The walk has a few fixed parts, each with counts of
 * its own, no more of them than the votes have numbers. Figures: log_likelihood, priors. Further
 * columns of annotators: confusion, left out where it would not be in
 * proportion to the votes (its figure then says so). An annotator who cannot
 * have met a label has an even row for it.
 *
 * Dawid & Skene 1979, doi:10.2307/2346806. */
#include "votes.h"

#include <math.h>
#include <string.h>

enum { METHOD_EM, METHOD_MAP };
static const char *const methods[] = { "em", "map", NULL };

struct dawid_skene {
    struct votes_options common;
    int64_t method, iterations;
    double tolerance, smoothing, diagonal;
};

static const hone_option options[] = {
    HONE_OPT_CHOICE(struct dawid_skene, method, "method", "em", methods,
                    "em: maximum likelihood; map: with pseudo-votes, most of them right"),
    HONE_OPT_INT(struct dawid_skene, iterations, "iterations", 100, 1, 1000000, "most steps"),
    HONE_OPT_REAL(struct dawid_skene, tolerance, "tolerance", 1e-7, 0, 1,
                  "stop when the objective rises by less, relatively"),
    HONE_OPT_REAL(struct dawid_skene, smoothing, "smoothing", HONE_UNSET_REAL, 0, 1e6,
                  "pseudo-votes in each cell of a table (unset: em 0, map 1 / labels)"),
    HONE_OPT_REAL(struct dawid_skene, diagonal, "diagonal", 2, 0, 1e6,
                  "map: further pseudo-votes for each right answer"),
    VOTES_OPTIONS(struct dawid_skene),
    HONE_OPT_END
};

/* What was never seen is not impossible: with 0, an item whose votes exclude each
 * other would have no truth, and what underflows once could not come back. */
#define NEVER 1e-300

enum { PARTS = 8 };

struct model {
    struct votes *v;
    double smoothing, diagonal;
    size_t parts;
    double *table;  /* [slots, labels] log P(says the slot's label | truth) */
    double *counts; /* [parts, slots, labels] sums of T */
    double *prior;  /* [labels] log */
    double *masses; /* [parts, labels] sums of T */
    double *totals; /* [VOTES_PIECES, labels] of M's annotator */
    bool started;   /* T comes from tables, no longer from shares */
};

/* ---- M ---- */

static void model_priors(struct model *m)
{
    size_t labels = m->v->labels;
    double all = 0;

    memset(m->prior, 0, labels * sizeof *m->prior);
    for (size_t p = 0; p < m->parts; p++)
        for (size_t k = 0; k < labels; k++) {
            m->prior[k] += m->masses[p * labels + k];
            all += m->masses[p * labels + k];
        }
    for (size_t k = 0; k < labels; k++)
        m->prior[k] = log(fmax(m->prior[k] / all, NEVER));
}

static void annotator_count(const struct model *m, size_t a)
{
    const struct votes *v = m->v;
    size_t first = v->slot_starts[a] * v->labels, last = v->slot_starts[a + 1] * v->labels;

    memcpy(m->table + first, m->counts + first, (last - first) * sizeof *m->table);
    for (size_t p = 1; p < m->parts; p++)
        for (size_t n = first; n < last; n++)
            m->table[n] += m->counts[p * v->slots * v->labels + n];
}

static double pseudo_votes(const struct model *m, size_t truth, size_t label)
{
    return m->smoothing + (truth == label ? m->diagonal : 0);
}

/* Counts to logarithms of shares; returns the logarithm of the prior's density,
 * but for a constant: sum of c log pi over all cells, used labels or not. */
static double annotator_normalise(const struct model *m, size_t a, double *total)
{
    const struct votes *v = m->v;
    size_t labels = v->labels, used = v->slot_starts[a + 1] - v->slot_starts[a];
    double density = 0;

    for (size_t k = 0; k < labels; k++)
        total[k] = m->smoothing * (double)labels + m->diagonal;
    for (size_t s = v->slot_starts[a]; s < v->slot_starts[a + 1]; s++)
        for (size_t k = 0; k < labels; k++)
            total[k] += m->table[s * labels + k];
    for (size_t k = 0; k < labels; k++)
        total[k] = log(total[k]); /* -inf: never met */
    /* All labels as if unused: the diagonal, and the rest; slots then set right. */
    if (m->smoothing + m->diagonal > 0)
        for (size_t k = 0; k < labels; k++) {
            double rest = m->smoothing * (double)(labels - 1), right = m->smoothing + m->diagonal;
            density += rest > 0 ? rest * (log(m->smoothing) - total[k]) : 0;
            density += right * (log(right) - total[k]);
        }
    for (size_t s = v->slot_starts[a]; s < v->slot_starts[a] + used; s++) {
        double *to = m->table + s * labels;
        for (size_t k = 0; k < labels; k++) {
            double c = pseudo_votes(m, k, (size_t)v->slot_label[s]);
            density -= c > 0 ? c * (log(c) - total[k]) : 0;
            to[k] = isinf(total[k]) ? -log((double)labels)
                                    : fmax(log(to[k] + c) - total[k], log(NEVER));
            density += c > 0 ? c * to[k] : 0;
        }
    }
    return used ? density : 0;
}

static void model_annotators(void *arg, size_t first, size_t last, size_t piece)
{
    struct model *m = arg;

    for (size_t a = first; a < last; a++) {
        annotator_count(m, a);
        m->v->sums[piece] += annotator_normalise(m, a, m->totals + piece * m->v->labels);
    }
}

/* ---- E, and the counts for M ---- */

#define INLINE static inline __attribute__((always_inline))

/* log T_i but for a constant; returns the weight of i's votes. */
INLINE double item_guess(const struct model *m, size_t item, double *restrict t, size_t labels)
{
    const struct votes *v = m->v;
    double all = 0;

    for (size_t k = 0; k < labels; k++)
        t[k] = m->prior[k];
    for (size_t r = v->item_starts[item]; r < v->item_starts[item + 1]; r++) {
        const double *restrict row = m->table + (size_t)v->slot[r] * labels;
        double w = votes_weight(v, r);
        for (size_t k = 0; k < labels; k++)
            t[k] += w * row[k];
        all += w;
    }
    return all;
}

INLINE void item_count(const struct model *m, size_t item, const double *restrict t,
                       double *counts, size_t labels)
{
    const struct votes *v = m->v;

    for (size_t r = v->item_starts[item]; r < v->item_starts[item + 1]; r++) {
        double *restrict to = counts + (size_t)v->slot[r] * labels, w = votes_weight(v, r);
        for (size_t k = 0; k < labels; k++)
            to[k] += w * t[k];
    }
}

/* Sums of T are in [1, labels]: one logarithm serves the product of a few. */
INLINE void model_part(const struct model *m, size_t part, size_t labels)
{
    struct votes *v = m->v;
    double *counts = m->counts + part * v->slots * labels, *mass = m->masses + part * labels;
    double product = 1, sum;

    memset(counts, 0, v->slots * labels * sizeof *counts);
    memset(mass, 0, labels * sizeof *mass);
    for (size_t i = v->items * part / m->parts; i < v->items * (part + 1) / m->parts; i++) {
        double *t = v->posterior + i * labels;
        if (m->started && item_guess(m, i, t, labels) > 0) {
            v->sums[part] += votes_normalise_parts(t, labels, &sum);
            product *= sum;
        } else if (m->started) {
            memset(t, 0, labels * sizeof *t);
        }
        if (i % 16 == 0) {
            v->sums[part] += log(product);
            product = 1;
        }
        for (size_t k = 0; k < labels; k++)
            mass[k] += t[k];
        item_count(m, i, t, counts, labels);
    }
    v->sums[part] += log(product);
}

static void model_items(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;
    (void)piece;

    /* Loops over a few labels are unrolled where their number is known. */
    for (size_t part = first; part < last; part++)
        switch (m->v->labels) {
        case 2: model_part(m, part, 2); break;
        case 3: model_part(m, part, 3); break;
        case 4: model_part(m, part, 4); break;
        case 5: model_part(m, part, 5); break;
        default: model_part(m, part, m->v->labels);
        }
}

static int model_run(struct model *m, const struct dawid_skene *o, double *likelihood,
                     hone_error *err)
{
    struct votes *v = m->v;
    bool done = false;
    int code = HONE_OK;

    votes_parallel(v, m->parts, model_items, m);
    m->started = true;
    for (int64_t i = 0; i < o->iterations && !done && !code; i++) {
        double density;
        model_priors(m);
        votes_parallel(v, v->annotators, model_annotators, m);
        density = votes_sum(v);
        votes_parallel(v, m->parts, model_items, m);
        *likelihood = votes_sum(v);
        code = votes_step(v, *likelihood + density, o->tolerance, &done, err);
    }
    return code;
}

/* ---- result ---- */

/* P(says l | truth k) of annotator a: slots have those of labels used, and what
 * they leave of 1 is the unused ones', in proportion to pseudo-votes, or even. */
static void confusion_row(const struct model *m, size_t a, size_t k, double *to)
{
    const struct votes *v = m->v;
    double used = 0, pseudo = 0, count = 0;

    for (size_t l = 0; l < v->labels; l++)
        to[l] = -1;
    for (size_t s = v->slot_starts[a]; s < v->slot_starts[a + 1]; s++)
        used += to[v->slot_label[s]] = exp(m->table[s * v->labels + k]);
    for (size_t l = 0; l < v->labels; l++)
        if (to[l] < 0) {
            pseudo += pseudo_votes(m, k, l);
            count++;
        }
    for (size_t l = 0; l < v->labels; l++)
        if (to[l] < 0)
            to[l] = fmax(0, 1 - used) * (pseudo > 0 ? pseudo_votes(m, k, l) / pseudo : 1 / count);
}

static int model_confusion(const struct model *m, hone_error *err)
{
    struct votes *v = m->v;
    size_t labels = v->labels, most = 1000000 + 16 * (v->rows + v->items * labels);
    double *confusion;

    if (labels > 65535 || v->annotators > most / (labels * labels))
        return hone_consensus_set_json(v->out, "confusion", json_pack("{s:s}", "left_out",
                                       "annotators times labels squared is too many"), err);
    confusion = hone_consensus_column(v->out, HONE_ANNOTATORS, "confusion", labels * labels, err);
    if (!confusion)
        return HONE_ENOMEM;
    for (size_t a = 0; a < v->annotators; a++)
        for (size_t k = 0; k < labels && v->slot_starts[a + 1] > v->slot_starts[a]; k++)
            confusion_row(m, a, k, confusion + (a * labels + k) * labels);
    return HONE_OK;
}

static int model_figures(const struct model *m, double likelihood, hone_error *err)
{
    json_t *priors = json_array();
    int failed = 0, code;

    for (size_t k = 0; k < m->v->labels; k++)
        failed |= json_array_append_new(priors, json_real(exp(m->prior[k])));
    if (failed) {
        json_decref(priors);
        return hone_fail_memory(err, "a result");
    }
    code = hone_consensus_set_json(m->v->out, "priors", priors, err);
    if (!code)
        code = hone_consensus_set(m->v->out, "log_likelihood", likelihood, err);
    return code ? code : model_confusion(m, err);
}

static int dawid_skene_fit(struct votes *v, const void *self, hone_error *err)
{
    const struct dawid_skene *o = self;
    struct model m = { .v = v };
    double likelihood = 0;
    int code = HONE_OK;

    m.smoothing = !isnan(o->smoothing) ? o->smoothing
                  : o->method == METHOD_MAP ? 1 / (double)v->labels : 0;
    m.diagonal = o->method == METHOD_MAP ? o->diagonal : 0;
    m.parts = v->rows / v->slots < PARTS ? v->rows / v->slots + 1 : PARTS;
    m.table = hone_alloc(v->slots, v->labels * sizeof *m.table);
    m.counts = hone_alloc(m.parts * v->slots, v->labels * sizeof *m.counts);
    m.prior = hone_alloc(v->labels, sizeof *m.prior);
    m.masses = hone_alloc(m.parts * v->labels, sizeof *m.masses);
    m.totals = hone_alloc(VOTES_PIECES * v->labels, sizeof *m.totals);
    if (!m.table || !m.counts || !m.prior || !m.masses || !m.totals)
        code = hone_fail_memory(err, "tables");
    if (!code)
        code = model_run(&m, o, &likelihood, err);
    if (!code)
        code = model_figures(&m, likelihood, err);
    if (!code)
        votes_judge(v, v->posterior, false);
    hone_free(m.table);
    hone_free(m.counts);
    hone_free(m.prior);
    hone_free(m.masses);
    hone_free(m.totals);
    return code;
}

VOTES_OPS(dawid_skene_fit);

/* Three annotators and two labels have as many free parameters (7) as cells of
 * the table of answers: at the maximum the model is the table, and the
 * log-likelihood is sum n log(n/N). */
static int dawid_skene_self_test(hone_context *context, hone_error *err)
{
    static const struct { const char *answers; size_t count; } cells[] = {
        { "000", 22 }, { "001", 7 }, { "010", 5 }, { "011", 4 },
        { "100", 4 }, { "101", 5 }, { "110", 6 }, { "111", 19 },
    };
    struct dawid_skene o = { .common = { context, 4, NAN }, .iterations = 5000,
                             .tolerance = 1e-13, .smoothing = NAN };
    const char *items[72];
    hone_consensus *c = NULL;
    double expected = 0, seen;
    size_t n = 0;
    int code;

    for (size_t i = 0; i < 8; i++) {
        expected += (double)cells[i].count * log((double)cells[i].count / 72);
        for (size_t k = 0; k < cells[i].count; k++)
            items[n++] = cells[i].answers;
    }
    code = votes_example(&o, dawid_skene_fit, items, n, &c, err);
    if (!code) {
        seen = json_number_value(json_object_get(hone_consensus_figures(c), "log_likelihood"));
        if (!(fabs(seen - expected) < 1e-6))
            code = hone_fail(err, HONE_ENUMERIC, "the log-likelihood is %.9f, not %.9f", seen,
                             expected);
    }
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(dawid_skene, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels by a confusion table for each annotator (EM)",
            .source = "Dawid & Skene 1979, doi:10.2307/2346806",
            .instance_size = sizeof(struct dawid_skene), .options = options, .ops = &ops,
            .self_test = dawid_skene_self_test);
