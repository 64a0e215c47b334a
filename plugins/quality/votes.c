/* votes.c -- indexing votes, and loops over them (see votes.h). */
#include "votes.h"

#include <math.h>
#include <string.h>

/* ---- index ---- */

/* Places by annotator (a counting sort, stable), and slots. */
static int votes_index_annotators(struct votes *v, hone_error *err)
{
    int32_t *last = hone_alloc(v->labels + 1, sizeof *last);

    if (!last)
        return hone_fail_memory(err, "votes");
    for (size_t r = 0; r < v->rows; r++)
        v->annotator_starts[v->annotator[r] + 1]++;
    for (size_t a = 0; a < v->annotators; a++)
        v->annotator_starts[a + 1] += v->annotator_starts[a];
    for (size_t r = 0; r < v->rows; r++)
        v->by_annotator[v->annotator_starts[v->annotator[r]]++] = (int32_t)r;
    for (size_t a = v->annotators; a > 0; a--)
        v->annotator_starts[a] = v->annotator_starts[a - 1];
    v->annotator_starts[0] = 0;
    /* last[l]: 1 + the slot that someone used last for l. */
    for (size_t a = 0; a < v->annotators; a++) {
        v->slot_starts[a] = v->slots;
        for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
            size_t r = (size_t)v->by_annotator[p];
            int32_t l = v->label[r];
            if ((size_t)last[l] <= v->slot_starts[a]) {
                v->slot_label[v->slots++] = l;
                last[l] = (int32_t)v->slots;
            }
            v->slot[r] = last[l] - 1;
        }
    }
    v->slot_starts[v->annotators] = v->slots;
    hone_free(last);
    return HONE_OK;
}

static void votes_index_items(struct votes *v)
{
    for (size_t r = 0; r < v->rows; r++)
        v->item_starts[v->item[r] + 1]++;
    for (size_t i = 0; i < v->items; i++) {
        bool answered = false;
        v->item_starts[i + 1] += v->item_starts[i];
        for (size_t r = v->item_starts[i]; r < v->item_starts[i + 1]; r++)
            answered = answered || votes_weight(v, r) > 0;
        v->answered += answered;
    }
}

static void votes_classify(struct votes *v)
{
    bool labels = false, pairs = false;

    for (size_t r = 1; r < v->rows; r++) {
        labels = labels || v->label[r] != v->label[0];
        pairs = pairs || (v->item[r] == v->item[r - 1] && v->annotator[r] != v->annotator[r - 1]);
    }
    if (!labels) {
        v->undefined = "unanimous";
        v->why = "one label only was given: no answer can be told from another";
    } else if (!pairs) {
        v->undefined = "unpaired";
        v->why = "no item has votes of two annotators: no one can be compared";
    }
}

static int votes_allocate(struct votes *v, hone_error *err)
{
    v->item_starts = hone_alloc(v->items + 1, sizeof *v->item_starts);
    v->annotator_starts = hone_alloc(v->annotators + 1, sizeof *v->annotator_starts);
    v->slot_starts = hone_alloc(v->annotators + 1, sizeof *v->slot_starts);
    v->by_annotator = hone_alloc(v->rows, sizeof *v->by_annotator);
    v->slot = hone_alloc(v->rows, sizeof *v->slot);
    v->slot_label = hone_alloc(v->rows, sizeof *v->slot_label);
    v->tally = hone_alloc(v->annotators, sizeof *v->tally);
    v->trace = json_array();
    if (!v->item_starts || !v->annotator_starts || !v->slot_starts || !v->by_annotator ||
        !v->slot || !v->slot_label || !v->tally || !v->trace)
        return hone_fail_memory(err, "votes");
    v->posterior = hone_consensus_column(v->out, HONE_ITEMS, "posterior", v->labels, err);
    return v->posterior ? HONE_OK : HONE_ENOMEM;
}

int votes_open(struct votes *v, hone_context *context, const hone_judgements *j,
               hone_consensus *out, hone_error *err)
{
    hone_level level = hone_judgements_level(j);
    int code;

    *v = (struct votes){ .judgements = j, .out = out, .context = context };
    if (level != HONE_NOMINAL && level != HONE_ORDINAL)
        return hone_fail(err, HONE_EINVAL, "the judgements are %s; labels (nominal, ordinal) are "
                         "needed", hone_level_name(level));
    v->items = hone_judgements_items(j);
    v->annotators = hone_judgements_annotators(j);
    v->labels = hone_judgements_labels(j);
    v->rows = hone_judgements_count(j);
    v->item = hone_judgements_item(j);
    v->annotator = hone_judgements_annotator(j);
    v->label = hone_judgements_label(j);
    v->weight = hone_judgements_weight(j);
    code = votes_allocate(v, err);
    if (!code)
        code = votes_index_annotators(v, err);
    if (code)
        return code;
    votes_index_items(v);
    votes_classify(v);
    votes_shares(v, NULL, v->posterior);
    return HONE_OK;
}

void votes_close(struct votes *v)
{
    hone_free(v->item_starts);
    hone_free(v->annotator_starts);
    hone_free(v->slot_starts);
    hone_free(v->by_annotator);
    hone_free(v->slot);
    hone_free(v->slot_label);
    hone_free(v->tally);
    json_decref(v->trace);
}

/* ---- loops ---- */

struct loop {
    size_t count;
    votes_fn *fn;
    void *arg;
};

static void votes_piece(void *arg, int64_t piece)
{
    const struct loop *loop = arg;
    size_t p = (size_t)piece, each = loop->count / VOTES_PIECES, rest = loop->count % VOTES_PIECES;
    size_t first = p * each + (p < rest ? p : rest);

    loop->fn(loop->arg, first, first + each + (p < rest), p);
}

void votes_parallel(const struct votes *v, size_t count, votes_fn *fn, void *arg)
{
    struct loop loop = { count, fn, arg };

    if (v->context) {
        hone_parallel(v->context, VOTES_PIECES, votes_piece, &loop);
        return;
    }
    for (int64_t p = 0; p < VOTES_PIECES; p++)
        votes_piece(&loop, p);
}

double votes_sum(struct votes *v)
{
    double sum = 0;

    for (size_t p = 0; p < VOTES_PIECES; p++) {
        sum += v->sums[p];
        v->sums[p] = 0;
    }
    return sum;
}

double votes_normalise(double *x, size_t count)
{
    double sum, most = votes_normalise_parts(x, count, &sum);
    return most + log(sum);
}

struct shares {
    const struct votes *v;
    const double *weights;
    double *posterior;
};

static double shares_fill(const struct shares *s, size_t item, const double *weights)
{
    const struct votes *v = s->v;
    double *to = s->posterior + item * v->labels, sum = 0;

    memset(to, 0, v->labels * sizeof *to);
    for (size_t r = v->item_starts[item]; r < v->item_starts[item + 1]; r++) {
        double w = votes_weight(v, r) * (weights ? weights[v->annotator[r]] : 1);
        to[v->label[r]] += w;
        sum += w;
    }
    return sum;
}

static void shares_items(void *arg, size_t first, size_t last, size_t piece)
{
    const struct shares *s = arg;
    (void)piece;

    for (size_t i = first; i < last; i++) {
        double sum = shares_fill(s, i, s->weights);
        if (!(sum > 0) && s->weights)
            sum = shares_fill(s, i, NULL);
        for (size_t k = 0; k < s->v->labels && sum > 0; k++)
            s->posterior[i * s->v->labels + k] /= sum;
    }
}

void votes_shares(struct votes *v, const double *weights, double *posterior)
{
    struct shares s = { v, weights, posterior };
    votes_parallel(v, v->items, shares_items, &s);
}

/* ---- who is right ---- */

struct judge {
    struct votes *v;
    const double *posterior;
    bool hard;
};

static double judge_hard(const double *t, size_t labels, size_t label)
{
    size_t tied = 1;

    for (size_t k = 0; k < labels; k++) {
        if (t[k] > t[label] + 1e-12)
            return 0;
        tied += k != label && t[k] >= t[label] - 1e-12;
    }
    return 1 / (double)tied;
}

static void judge_annotators(void *arg, size_t first, size_t last, size_t piece)
{
    const struct judge *j = arg;
    const struct votes *v = j->v;
    (void)piece;

    for (size_t a = first; a < last; a++) {
        struct votes_tally tally = {0};
        for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
            size_t r = (size_t)v->by_annotator[p], label = (size_t)v->label[r];
            const double *t = j->posterior + (size_t)v->item[r] * v->labels;
            double right = j->hard ? judge_hard(t, v->labels, label) : t[label];
            double w = votes_weight(v, r);
            tally.right += w * right;
            tally.answers += w;
            tally.missing += w * right * (1 - right);
        }
        v->tally[a] = tally;
    }
}

void votes_judge(struct votes *v, const double *posterior, bool hard)
{
    struct judge j = { v, posterior, hard };
    votes_parallel(v, v->annotators, judge_annotators, &j);
}

/* ---- steps ---- */

int votes_step(struct votes *v, double objective, double tolerance, bool *done, hone_error *err)
{
    double rise = objective - v->objective;

    *done = false;
    if (!isfinite(objective))
        return hone_fail(err, HONE_ENUMERIC, "the objective is %g at iteration %" PRId64,
                         objective, v->iterations + 1);
    if (json_array_append_new(v->trace, json_real(objective)))
        return hone_fail_memory(err, "a result");
    *done = v->iterations++ > 0 && rise <= tolerance * fabs(v->objective);
    v->objective = objective;
    v->converged = *done;
    if (v->context && hone_context_interrupted(v->context))
        return hone_fail(err, HONE_EINTERRUPTED, "stopped after %" PRId64 " iterations",
                         v->iterations);
    return HONE_OK;
}
