/* m_msr.c -- aggregation by agreement of pairs, robust to adversaries.
 *
 * For annotators a, b of reliabilities s_a, s_b (1: always right, 0: guessing,
 * -1/(K - 1): always wrong) and independent errors, agreement on shared items has
 *
 *   C_ab = (K P(agree) - 1)/(K - 1) = s_a s_b
 *
 * a matrix of rank one, seen where two share items. |s| comes from filling it
 * robustly: u and v in turn, each v_b becoming the mean of |C_ab|/u_a over b's
 * partners a, without the largest and the smallest F of them (as far as they lie
 * beyond the present value), F = `trim` times their number. Signs are those that
 * agree best with C, by turning one annotator at a time while the sum of n C s s
 * rises, and then so that most votes are right. Votes weigh
 * log((p (K - 1))/(1 - p)), p = (s (K - 1) + 1)/K, and the posterior is the
 * one-coin model's with these p.
 *
 * Only pairs that share items are kept, at most `partners` an annotator (those
 * that share most): memory is at most linear in that times the annotators. Who
 * shares no item takes the mean reliability. Figures: pairs, pairs_left_out.
 * Column of annotators: reliability (s).
 *
 * Ma & Olshevsky 2020, arXiv:2010.12181. */
#include "votes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 8 /* of annotators, each with room for a row of the matrix */ };

struct m_msr {
    struct votes_options common;
    int64_t iterations, partners;
    double tolerance, trim;
};

static const hone_option options[] = {
    HONE_OPT_INT(struct m_msr, iterations, "iterations", 1000, 1, 1000000, "most steps"),
    HONE_OPT_REAL(struct m_msr, tolerance, "tolerance", 1e-6, 0, 1,
                  "stop when no reliability moves by more"),
    HONE_OPT_REAL_FLAGS(struct m_msr, trim, "trim", 0.25, 0, 0.5, HONE_OPTION_OPEN_MAX,
                        "share of partners left out at each end"),
    HONE_OPT_INT(struct m_msr, partners, "partners", 256, 1, INT32_MAX,
                 "most annotators that one is compared with, those who share most items"),
    VOTES_OPTIONS(struct m_msr),
    HONE_OPT_END
};

struct partner {
    int32_t annotator;
    float common;      /* weight of shared items */
    double covariance; /* C */
};

struct row {           /* of the matrix, while it is counted */
    double *common, *agree; /* [annotators], zero between uses */
    int32_t *touched;       /* [annotators] */
    struct partner *partners;
};

struct model {
    struct votes *v;
    const struct m_msr *o;
    size_t *starts;           /* [annotators + 1] */
    struct partner *partners; /* [pairs, both ways] */
    size_t *counts;           /* [annotators] partners before the limit */
    struct row rows[PARTS];
    double *u, *w;            /* [annotators] */
    double *ratios;           /* [PARTS, partners] */
    double *from, *to;        /* u and w, in turn */
    double moves[PARTS];
    double least;             /* of u and w */
};

/* ---- pairs ---- */

static size_t row_count(const struct votes *v, struct row *row, size_t a)
{
    size_t touched = 0;

    for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
        size_t r = (size_t)v->by_annotator[p], i = (size_t)v->item[r];
        for (size_t q = v->item_starts[i]; q < v->item_starts[i + 1]; q++) {
            int32_t b = v->annotator[q];
            double both = votes_weight(v, r) * votes_weight(v, q);
            if ((size_t)b == a || !(both > 0))
                continue;
            if (row->common[b] == 0)
                row->touched[touched++] = b;
            row->common[b] += both;
            row->agree[b] += v->label[q] == v->label[r] ? both : 0;
        }
    }
    return touched;
}

static int partner_compare(const void *a, const void *b)
{
    const struct partner *x = a, *y = b;

    if (x->common != y->common)
        return x->common > y->common ? -1 : 1;
    return (x->annotator > y->annotator) - (x->annotator < y->annotator);
}

/* Partners of a in row->partners, most shared first; the row is zero again. */
static size_t row_take(const struct model *m, struct row *row, size_t a)
{
    size_t touched = row_count(m->v, row, a);
    double k = (double)m->v->labels;

    for (size_t n = 0; n < touched; n++) {
        int32_t b = row->touched[n];
        double agree = row->agree[b] / row->common[b];
        row->partners[n] = (struct partner){ b, (float)row->common[b], (k * agree - 1) / (k - 1) };
        row->common[b] = row->agree[b] = 0;
    }
    qsort(row->partners, touched, sizeof *row->partners, partner_compare);
    return touched;
}

static size_t part_end(const struct model *m, size_t part)
{
    return m->v->annotators / PARTS * part + m->v->annotators % PARTS * part / PARTS;
}

/* First to count (partners NULL), then to keep. */
static void model_pairs(void *arg, size_t first, size_t last, size_t piece)
{
    struct model *m = arg;
    (void)piece;

    for (size_t part = first; part < last; part++)
        for (size_t a = part_end(m, part); a < part_end(m, part + 1); a++) {
            size_t n = row_take(m, &m->rows[part], a);
            if (!m->partners)
                m->counts[a] = n;
            else
                memcpy(m->partners + m->starts[a], m->rows[part].partners,
                       (m->starts[a + 1] - m->starts[a]) * sizeof *m->partners);
        }
}

static int model_find(struct model *m, hone_error *err)
{
    struct votes *v = m->v;
    size_t all = 0, kept, most = 1;
    int code;

    votes_parallel(v, PARTS, model_pairs, m);
    for (size_t a = 0; a < v->annotators; a++) {
        size_t keep = m->counts[a] < (size_t)m->o->partners ? m->counts[a]
                                                            : (size_t)m->o->partners;
        m->starts[a + 1] = m->starts[a] + keep;
        all += m->counts[a];
        most = keep > most ? keep : most;
    }
    kept = m->starts[v->annotators];
    m->partners = hone_alloc(kept, sizeof *m->partners);
    m->ratios = hone_alloc(PARTS * most, sizeof *m->ratios);
    if (!m->partners || !m->ratios)
        return hone_fail_memory(err, "pairs");
    votes_parallel(v, PARTS, model_pairs, m);
    code = hone_consensus_set(v->out, "pairs", (double)kept, err);
    return code ? code : hone_consensus_set(v->out, "pairs_left_out", (double)(all - kept), err);
}

/* ---- filling ---- */

static int ratio_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double trimmed_mean(double *x, size_t count, double present, double trim)
{
    size_t f = (size_t)(trim * (double)count), first = 0, last = count;
    double sum = 0;

    qsort(x, count, sizeof *x, ratio_compare);
    while (first < f && first < count && x[first] < present)
        first++;
    while (count - last < f && last > first && x[last - 1] > present)
        last--;
    for (size_t i = first; i < last; i++)
        sum += x[i];
    return last > first ? sum / (double)(last - first) : present;
}

static void model_fill(void *arg, size_t first, size_t last, size_t piece)
{
    struct model *m = arg;
    size_t most = 1;
    (void)piece;

    for (size_t a = 0; a < m->v->annotators; a++)
        most = m->starts[a + 1] - m->starts[a] > most ? m->starts[a + 1] - m->starts[a] : most;
    for (size_t part = first; part < last; part++) {
        double *ratios = m->ratios + part * most;
        m->moves[part] = 0;
        for (size_t b = part_end(m, part); b < part_end(m, part + 1); b++) {
            size_t n = 0;
            double now;
            for (size_t p = m->starts[b]; p < m->starts[b + 1]; p++)
                ratios[n++] = fabs(m->partners[p].covariance) / m->from[m->partners[p].annotator];
            if (!n)
                continue;
            now = fmax(m->least, trimmed_mean(ratios, n, m->to[b], m->o->trim));
            m->moves[part] = fmax(m->moves[part], fabs(now - m->to[b]));
            m->to[b] = now;
        }
    }
}

static double model_half(struct model *m, double *from, double *to)
{
    double most = 0;

    m->from = from;
    m->to = to;
    votes_parallel(m->v, PARTS, model_fill, m);
    for (size_t p = 0; p < PARTS; p++)
        most = fmax(most, m->moves[p]);
    return most;
}

static int model_run(struct model *m, hone_error *err)
{
    struct votes *v = m->v;
    double sum = 0, start, uu = 0, ww = 0;

    for (size_t p = 0; p < m->starts[v->annotators]; p++)
        sum += fabs(m->partners[p].covariance);
    start = fmax(m->least, sqrt(sum / (double)m->starts[v->annotators]));
    for (size_t a = 0; a < v->annotators; a++)
        m->u[a] = m->w[a] = start;
    while (v->iterations < m->o->iterations && !v->converged) {
        double moved = model_half(m, m->u, m->w);
        moved = fmax(moved, model_half(m, m->w, m->u));
        v->converged = moved <= m->o->tolerance;
        v->iterations++;
        if (v->context && hone_context_interrupted(v->context))
            return hone_fail(err, HONE_EINTERRUPTED, "stopped after %" PRId64 " iterations",
                             v->iterations);
    }
    for (size_t a = 0; a < v->annotators; a++) {
        uu += m->u[a] * m->u[a];
        ww += m->w[a] * m->w[a];
    }
    for (size_t a = 0; a < v->annotators; a++)
        m->u[a] *= sqrt(sqrt(ww / uu));
    return HONE_OK;
}

/* ---- signs ---- */

static double sign_support(const struct model *m, size_t a)
{
    double sum = 0;

    for (size_t p = m->starts[a]; p < m->starts[a + 1]; p++)
        sum += (double)m->partners[p].common * m->partners[p].covariance *
               (m->u[m->partners[p].annotator] < 0 ? -1 : 1);
    return sum;
}

static void model_signs(struct model *m)
{
    const struct votes *v = m->v;
    double side = 0;
    bool turned = true;

    for (int sweep = 0; turned && sweep < 1000; sweep++) {
        turned = false;
        for (size_t a = 0; a < v->annotators; a++)
            if (sign_support(m, a) * m->u[a] < 0) {
                m->u[a] = -m->u[a];
                turned = true;
            }
    }
    for (size_t a = 0; a < v->annotators; a++)
        side += m->u[a] * (double)(v->annotator_starts[a + 1] - v->annotator_starts[a]);
    for (size_t a = 0; a < v->annotators && side < 0; a++)
        m->u[a] = -m->u[a];
}

/* ---- result ---- */

static void model_posterior(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;
    const struct votes *v = m->v;
    (void)piece;

    for (size_t i = first; i < last; i++) {
        double *t = v->posterior + i * v->labels, all = 0;
        memset(t, 0, v->labels * sizeof *t);
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++) {
            t[v->label[r]] += votes_weight(v, r) * m->w[v->annotator[r]];
            all += votes_weight(v, r);
        }
        if (all > 0)
            votes_normalise(t, v->labels);
    }
}

static int model_result(struct model *m, hone_error *err)
{
    struct votes *v = m->v;
    double *s = hone_consensus_column(v->out, HONE_ANNOTATORS, "reliability", 1, err);
    double k = (double)v->labels, edge = 1 / sqrt((double)v->answered), mean = 0, known = 0;

    if (!s)
        return HONE_ENOMEM;
    for (size_t a = 0; a < v->annotators; a++)
        if (m->starts[a + 1] > m->starts[a]) {
            s[a] = fmin(fmax(m->u[a], -1 / (k - 1) + edge), 1 - edge);
            mean += s[a];
            known++;
        }
    for (size_t a = 0; a < v->annotators; a++) {
        double p = ((m->starts[a + 1] > m->starts[a] ? s[a] : mean / known) * (k - 1) + 1) / k;
        p = fmin(fmax(p, 1e-6), 1 - 1e-6);
        m->w[a] = log(p * (k - 1) / (1 - p));
    }
    votes_parallel(v, v->items, model_posterior, m);
    votes_judge(v, v->posterior, false);
    return HONE_OK;
}

static bool model_open(struct model *m)
{
    size_t n = m->v->annotators;
    bool ok = true;

    m->starts = hone_alloc(n + 1, sizeof *m->starts);
    m->counts = hone_alloc(n, sizeof *m->counts);
    m->u = hone_alloc(n, sizeof *m->u);
    m->w = hone_alloc(n, sizeof *m->w);
    for (size_t p = 0; p < PARTS && ok; p++) {
        struct row *row = &m->rows[p];
        row->common = hone_alloc(n, sizeof *row->common);
        row->agree = hone_alloc(n, sizeof *row->agree);
        row->touched = hone_alloc(n, sizeof *row->touched);
        row->partners = hone_alloc(n, sizeof *row->partners);
        ok = row->common && row->agree && row->touched && row->partners;
    }
    return ok && m->starts && m->counts && m->u && m->w;
}

static void model_close(struct model *m)
{
    for (size_t p = 0; p < PARTS; p++) {
        hone_free(m->rows[p].common);
        hone_free(m->rows[p].agree);
        hone_free(m->rows[p].touched);
        hone_free(m->rows[p].partners);
    }
    hone_free(m->starts);
    hone_free(m->counts);
    hone_free(m->u);
    hone_free(m->w);
    hone_free(m->partners);
    hone_free(m->ratios);
}

static int m_msr_fit(struct votes *v, const void *self, hone_error *err)
{
    struct model m = { .v = v, .o = self, .least = 1 / sqrt((double)v->items + 1) };
    int code = model_open(&m) ? HONE_OK : hone_fail_memory(err, "pairs");

    if (!code)
        code = model_find(&m, err);
    if (!code && !m.starts[v->annotators]) {
        v->undefined = "unpaired";
        v->why = "no item has weighted votes of two annotators: no one can be compared";
    } else if (!code) {
        code = model_run(&m, err);
        if (!code) {
            model_signs(&m);
            code = model_result(&m, err);
        }
    }
    model_close(&m);
    return code;
}

VOTES_OPS(m_msr_fit);

/* All agreements are .68, so that C = .36 and s = .6 for each of three: every
 * other item out of 25 patterns, 13 unanimous, 4 of each one against two. */
static int m_msr_self_test(hone_context *context, hone_error *err)
{
    static const struct { const char *answers; int count; } cells[] = {
        { "aaa", 7 }, { "bbb", 6 }, { "aab", 4 }, { "bab", 4 }, { "baa", 4 },
    };
    static const double reliabilities[] = { .6, .6, .6 };
    static const struct votes_expect expect = { HONE_ANNOTATORS, "reliability", reliabilities, 3,
                                                1e-4 };
    struct m_msr o = { .common = { context, 4, NAN }, .iterations = 1000, .tolerance = 1e-9,
                       .trim = .25, .partners = 256 };
    const char *items[25];
    hone_consensus *c = NULL;
    size_t n = 0;
    int code;

    for (size_t i = 0; i < 5; i++)
        for (int k = 0; k < cells[i].count; k++)
            items[n++] = cells[i].answers;
    code = votes_example(&o, m_msr_fit, items, n, &c, err);
    if (!code)
        code = votes_expect(c, &expect, err);
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(m_msr, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels by agreement of pairs, robust to adversaries",
            .source = "Ma & Olshevsky 2020, arXiv:2010.12181",
            .instance_size = sizeof(struct m_msr), .options = options, .ops = &ops,
            .self_test = m_msr_self_test);
