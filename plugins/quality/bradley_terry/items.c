/* items.c -- what comparisons say of each item, for training.
 *
 * An item's posterior is the share of its votes for left, right, tie and bad,
 * joined with `pool` votes of what the strengths predict:
 *   (votes + pool * chance) / (number of votes + pool).
 * With few votes the strengths speak, with many the item does. A vote of an
 * annotator counts as much as the skill. An item that compares several pairs of
 * options has no single left and right: it has no posterior, but its reason.
 *
 * weight = confidence less the share of the other side: 0 where an item is even. */
#include "bradley_terry.h"

#include <hone/statistics.h>

#include <math.h>

enum { ITEM_PIECES = 64, LABELS = 4 };

struct items {
    const struct bradley_terry *o;
    const struct pairs *p;
    const struct fit *f;
    const double *vote;
    const int32_t *item, *left, *right, *annotator;
    double (*chances)[3];  /* [cells] as fit_chances */
    double *posterior;     /* [items, LABELS] */
    double *label, *confidence, *weight; /* [items] */
    bool *several;         /* [items] */
};

/* Votes of rows [from, to), which are of one item, for the sides as its first row
 * has them. False where they are of several pairs. */
static bool item_votes(const struct items *s, size_t from, size_t to, double votes[LABELS],
                       int32_t *counted)
{
    for (size_t r = from; r < to; r++) {
        bool same = s->left[r] == s->left[from] && s->right[r] == s->right[from];
        int32_t said = s->p->label[r];
        if (!same && (s->left[r] != s->right[from] || s->right[r] != s->left[from]))
            return false;
        if (!same && said <= HONE_RIGHT)
            said = HONE_RIGHT - said;
        if (s->p->at[r] < 0)
            continue;
        *counted = s->p->at[r] ^ !same;
        votes[said] += pairs_weight(s->p, r) * (s->vote ? s->vote[s->annotator[r]] : 1);
    }
    return true;
}

/* The largest; a tie within 1e-12 has no label (as hone_consensus_decide). */
static void item_decide(const struct items *s, size_t i)
{
    const double *t = s->posterior + i * LABELS;
    size_t best = 0, equal = 0;

    for (size_t k = 1; k < LABELS; k++)
        best = t[k] > t[best] ? k : best;
    for (size_t k = 0; k < LABELS; k++)
        equal += t[k] >= t[best] - 1e-12;
    s->label[i] = equal == 1 ? (double)best : NAN;
    s->confidence[i] = t[best];
    s->weight[i] = fabs(t[HONE_LEFT] - t[HONE_RIGHT]);
}

static void item_fill(const struct items *s, size_t from, size_t to)
{
    double votes[LABELS] = {0}, sum = 0, *t = s->posterior + (size_t)s->item[from] * LABELS;
    int32_t counted = -1;

    s->several[s->item[from]] = !item_votes(s, from, to, votes, &counted);
    if (s->several[s->item[from]] || counted < 0)
        return;
    for (size_t k = 0; k < LABELS; k++)
        sum += votes[k] + (k < 3 ? s->o->pool * s->chances[counted >> 1][k] : 0);
    if (!(sum > 0))
        return; /* no one's answer counts: NaN says so */
    for (size_t k = 0; k < LABELS; k++) {
        size_t of = k < HONE_TIE && (counted & 1) ? 1 - k : k; /* left is b */
        t[k] = (votes[k] + (k < 3 ? s->o->pool * s->chances[counted >> 1][of] : 0)) / sum;
    }
    item_decide(s, (size_t)s->item[from]);
}

/* Items whose first row is in the piece. */
static void items_piece(void *arg, int64_t piece)
{
    const struct items *s = arg;
    size_t rows = s->p->rows, first = rows * (size_t)piece / ITEM_PIECES;
    size_t last = rows * (size_t)(piece + 1) / ITEM_PIECES;

    while (first > 0 && first < last && s->item[first] == s->item[first - 1])
        first++;
    for (size_t from = first, to; from < last; from = to) {
        for (to = from + 1; to < rows && s->item[to] == s->item[from];)
            to++;
        item_fill(s, from, to);
    }
}

static int items_explain(const struct items *s, hone_consensus *out, hone_error *err)
{
    size_t several = 0;
    int code = HONE_OK;

    for (size_t i = 0; i < hone_judgements_items(s->p->judgements) && !code; i++)
        if (s->several[i]) {
            several++;
            code = hone_consensus_explain(out, HONE_ITEMS, i, err, "compares several pairs of "
                                          "options: see their strengths");
        }
    return code ? code : hone_consensus_set(out, "items_of_several_pairs", (double)several, err);
}

static int items_columns(struct items *s, hone_consensus *out, hone_error *err)
{
    size_t items = hone_judgements_items(s->p->judgements);

    s->chances = hone_alloc(s->p->cells + 1, sizeof *s->chances);
    s->several = hone_alloc(items + 1, sizeof *s->several);
    if (!s->chances || !s->several)
        return hone_fail_memory(err, "items");
    if (!(s->posterior = hone_consensus_column(out, HONE_ITEMS, "posterior", LABELS, err)) ||
        !(s->label = hone_consensus_column(out, HONE_ITEMS, "label", 1, err)) ||
        !(s->confidence = hone_consensus_column(out, HONE_ITEMS, "confidence", 1, err)) ||
        !(s->weight = hone_consensus_column(out, HONE_ITEMS, "weight", 1, err)))
        return HONE_ENOMEM;
    for (size_t c = 0; c < s->p->cells; c++)
        fit_chances(s->f->ties, s->f->has_tie, s->f->strength[s->p->cell[c].a] -
                    s->f->strength[s->p->cell[c].b], s->f->strength[s->p->options],
                    s->chances[c]);
    return HONE_OK;
}

/* ---- annotators ---- */

/* skill: share of decided answers for the option that is stronger. */
static int annotators_judge(const struct pairs *p, const struct fit *f, hone_consensus *out,
                            hone_error *err)
{
    const int32_t *annotator = hone_judgements_annotator(p->judgements);
    size_t count = hone_judgements_annotators(p->judgements);
    double *skill = hone_consensus_column(out, HONE_ANNOTATORS, "skill", 1, err);
    double *low = skill ? hone_consensus_column(out, HONE_ANNOTATORS, "skill_low", 1, err) : NULL;
    double *high = low ? hone_consensus_column(out, HONE_ANNOTATORS, "skill_high", 1, err) : NULL;

    if (!high)
        return HONE_ENOMEM;
    for (size_t a = 0; a < count; a++)
        low[a] = high[a] = 0; /* right and decided, to begin with */
    for (size_t r = 0; r < p->rows; r++) {
        const struct pairs_cell *cell = p->at[r] >= 0 ? &p->cell[p->at[r] >> 1] : NULL;
        double d = cell ? f->strength[cell->a] - f->strength[cell->b] : 0;
        double outcome = cell ? pairs_outcome(p, r) : 0.5;
        if (d == 0 || outcome == 0.5)
            continue;
        low[annotator[r]] += (d > 0) == (outcome > 0.5);
        high[annotator[r]]++;
    }
    for (size_t a = 0; a < count; a++) {
        double right = low[a], decided = high[a];
        skill[a] = decided > 0 ? right / decided : NAN;
        if (decided > 0)
            hone_wilson_interval(right, decided, 0.95, &low[a], &high[a]);
        else
            low[a] = high[a] = NAN;
    }
    return HONE_OK;
}

int items_publish(const struct bradley_terry *o, const struct pairs *p, const struct fit *f,
                  const double *vote, hone_consensus *out, hone_error *err)
{
    const hone_judgements *j = p->judgements;
    struct items s = { .o = o, .p = p, .f = f, .vote = vote, .item = hone_judgements_item(j),
                       .left = hone_judgements_left(j), .right = hone_judgements_right(j),
                       .annotator = hone_judgements_annotator(j) };
    int code = items_columns(&s, out, err);

    if (!code) {
        hone_parallel(o->context, ITEM_PIECES, items_piece, &s);
        code = items_explain(&s, out, err);
    }
    hone_free(s.chances);
    hone_free(s.several);
    return code || vote ? code : annotators_judge(p, f, out, err);
}
