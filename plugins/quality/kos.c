/* kos.c -- aggregation of two labels by messages between items and annotators.
 *
 * With A_ia = +1 or -1 for a's vote on i, each vote carries two messages:
 *
 *   x_ia = sum over other votes (i, b) of A_ib y_ib     what others say of i
 *   y_ia = sum over other votes (j, a) of A_ja x_ja     how far a is with others elsewhere
 *
 * scaled to a mean square of 1 each round. The label of i is the sign of the sum
 * of A_ia y_ia. y begins at N(1, 1), as in the paper, which breaks ties, and is
 * turned so that annotators are right more often than not. The posterior is the
 * shares of sum |y| that speak for each label: no probability. No prior is
 * needed, nothing is maximised. Two labels only.
 *
 * Karger, Oh & Shah 2011, NIPS 24; 2014, doi:10.1287/opre.2013.1235. */
#include "votes.h"

#include <hone/random.h>

#include <math.h>
#include <string.h>

struct kos {
    struct votes_options common;
    int64_t iterations, seed;
    double tolerance;
};

static const hone_option options[] = {
    HONE_OPT_INT(struct kos, iterations, "iterations", 100, 1, 1000000, "most rounds"),
    HONE_OPT_INT(struct kos, seed, "seed", 0, 0, INT64_MAX, "of the first messages"),
    HONE_OPT_REAL(struct kos, tolerance, "tolerance", 1e-8, 0, 1,
                  "stop when the mean square of changes is less"),
    VOTES_OPTIONS(struct kos),
    HONE_OPT_END
};

struct model {
    struct votes *v;
    double *x, *y; /* [rows] */
    double scale;
};

static double vote_sign(const struct votes *v, size_t r)
{
    return (v->label[r] ? -1 : 1) * votes_weight(v, r);
}

static void model_items(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;
    const struct votes *v = m->v;
    (void)piece;

    for (size_t i = first; i < last; i++) {
        double sum = 0;
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++)
            sum += vote_sign(v, r) * m->y[r];
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++)
            m->x[r] = sum - vote_sign(v, r) * m->y[r];
    }
}

/* New y, not yet scaled, into x: its place is no longer needed. */
static void model_annotators(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;
    struct votes *v = m->v;

    for (size_t a = first; a < last; a++) {
        double sum = 0;
        for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
            size_t r = (size_t)v->by_annotator[p];
            sum += vote_sign(v, r) * m->x[r];
        }
        for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
            size_t r = (size_t)v->by_annotator[p];
            m->x[r] = sum - vote_sign(v, r) * m->x[r];
            v->sums[piece] += m->x[r] * m->x[r];
        }
    }
}

static void model_move(void *arg, size_t first, size_t last, size_t piece)
{
    const struct model *m = arg;

    for (size_t r = first; r < last; r++) {
        double y = m->x[r] * m->scale, d = y - m->y[r];
        m->v->sums[piece] += d * d;
        m->y[r] = y;
    }
}

/* False where all messages are 0: no annotator links two items. */
static bool model_run(struct model *m, const struct kos *o)
{
    struct votes *v = m->v;
    double rows = (double)v->rows;

    while (v->iterations < o->iterations && !v->converged) {
        double squares;
        votes_parallel(v, v->items, model_items, m);
        votes_parallel(v, v->annotators, model_annotators, m);
        squares = votes_sum(v);
        if (!(squares > 0))
            return false;
        m->scale = sqrt(rows / squares);
        votes_parallel(v, v->rows, model_move, m);
        v->converged = votes_sum(v) / rows <= o->tolerance;
        v->iterations++;
    }
    return true;
}

static void model_decide(struct model *m)
{
    struct votes *v = m->v;
    double side = 0;

    for (size_t r = 0; r < v->rows; r++)
        side += votes_weight(v, r) * m->y[r];
    for (size_t i = 0; i < v->items; i++) {
        double *t = v->posterior + 2 * i, shares[2] = { 0, 0 };
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++) {
            double y = (side < 0 ? -1 : 1) * votes_weight(v, r) * m->y[r];
            shares[y < 0 ? !v->label[r] : v->label[r] != 0] += fabs(y);
        }
        /* Where no message speaks, the votes' shares stay. */
        if (shares[0] + shares[1] > 0) {
            t[0] = shares[0] / (shares[0] + shares[1]);
            t[1] = 1 - t[0];
        }
    }
}

static int kos_fit(struct votes *v, const void *self, hone_error *err)
{
    const struct kos *o = self;
    struct model m = { .v = v };
    hone_random random = hone_random_named((uint64_t)o->seed, "kos");
    int code = HONE_OK;

    if (v->labels != 2)
        return hone_fail(err, HONE_EINVAL, "there are %zu labels; 2 are needed", v->labels);
    m.x = hone_alloc(v->rows, sizeof *m.x);
    m.y = hone_alloc(v->rows, sizeof *m.y);
    if (!m.x || !m.y) {
        code = hone_fail_memory(err, "messages");
        goto out;
    }
    for (size_t r = 0; r < v->rows; r++)
        m.y[r] = 1 + hone_random_normal(&random);
    if (model_run(&m, o)) {
        model_decide(&m);
        votes_judge(v, v->posterior, true);
        for (size_t a = 0; a < v->annotators; a++)
            v->tally[a].missing = 0;
    } else {
        v->undefined = "sparse";
        v->why = "no annotator who meets another answered two items";
    }
out:
    hone_free(m.x);
    hone_free(m.y);
    return code;
}

VOTES_OPS(kos_fit);

/* Two annotators who agree, and one who says the opposite of them: the third's
 * votes count against what they say, and all is certain. */
static int kos_self_test(hone_context *context, hone_error *err)
{
    static const char *const items[] = { "aab", "bba", "aab", "bba", "bba" };
    static const double labels[] = { 0, 1, 0, 1, 1 }, skills[] = { 1, 1, 0 };
    static const double shares[] = { 1, 0, 0, 1 };
    static const struct votes_expect expect[] = {
        { HONE_ITEMS, "label", labels, 5, 0 },
        { HONE_ITEMS, "posterior", shares, 4, 1e-9 },
        { HONE_ANNOTATORS, "skill", skills, 3, 1e-9 },
    };
    struct kos o = { .common = { context, 4, NAN }, .iterations = 100, .tolerance = 1e-8 };
    hone_consensus *c = NULL;
    int code = votes_example(&o, kos_fit, items, 5, &c, err);

    for (size_t i = 0; i < 3 && !code; i++)
        code = votes_expect(c, &expect[i], err);
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(kos, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels of two kinds by messages between items and annotators",
            .source = "Karger, Oh & Shah 2011, NIPS 24; doi:10.1287/opre.2013.1235",
            .instance_size = sizeof(struct kos), .options = options, .ops = &ops,
            .self_test = kos_self_test);
