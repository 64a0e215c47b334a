/* regions.c -- agreement on where: spans and boxes matched by overlap.
 *
 * Of two annotators of an item, regions are matched greedily, largest
 * intersection over union first, each once, if at least `threshold`. The score of
 * the pair is F1 = 2 matched/(n_a + n_b), labels set aside; an item's is the mean
 * over its pairs. Items with regions of one annotator only say nothing: whether
 * others saw the item and marked nothing is not recorded. Everingham et al. 2010,
 * doi:10.1007/s11263-009-0275-4 (overlap); Hripcsak & Rothschild 2005,
 * doi:10.1197/jamia.M1733 (why F1 where what is not marked cannot be counted). */
#include "agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct match {
    double iou;
    int32_t a, b; /* rows, from the item's first */
};

struct work {
    int32_t *order;        /* rows of the item by annotator, from its first */
    bool *taken;
    struct match *matches;
    size_t room;
};

static int match_compare(const void *a, const void *b)
{
    const struct match *x = a, *y = b;

    if (x->iou != y->iou)
        return x->iou > y->iou ? -1 : 1;
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return x->b < y->b ? -1 : x->b > y->b;
}

/* Match an item's rows order[ends[0], ends[1]) with order[ends[2], ends[3]). */
static int pair_match(const struct table *t, size_t from, struct work *w, const size_t ends[4],
                      double threshold, struct regions *out, double *f1, hone_error *err)
{
    size_t na = ends[1] - ends[0], nb = ends[3] - ends[2], n = 0, matched = 0;

    for (size_t i = ends[0]; i < ends[1]; i++)
        for (size_t j = ends[2]; j < ends[3]; j++) {
            const double *x, *y;
            size_t kind = hone_judgements_region(t->judgements, from + (size_t)w->order[i], &x);
            double iou = 0;
            if (hone_judgements_region(t->judgements, from + (size_t)w->order[j], &y) == kind)
                iou = hone_region_iou(x, y, kind);
            if (!(iou >= threshold))
                continue;
            if (n == w->room) {
                struct match *grown = hone_realloc(w->matches, 2 * w->room + 64, sizeof *grown);
                if (!grown)
                    return hone_fail_memory(err, "matches of regions");
                w->matches = grown;
                w->room = 2 * w->room + 64;
            }
            w->matches[n++] = (struct match){ iou, w->order[i], w->order[j] };
        }
    if (n)
        qsort(w->matches, n, sizeof *w->matches, match_compare);
    for (size_t i = 0; i < n; i++) {
        const struct match *one = &w->matches[i];
        if (w->taken[one->a] || w->taken[one->b])
            continue;
        w->taken[one->a] = w->taken[one->b] = true;
        matched++;
        out->iou += one->iou;
        out->same_label += t->label[from + (size_t)one->a] == t->label[from + (size_t)one->b];
    }
    for (size_t i = 0; i < n; i++)
        w->taken[w->matches[i].a] = w->taken[w->matches[i].b] = false;
    out->pairs++;
    out->matched += matched;
    *f1 = 2 * (double)matched / (double)(na + nb);
    return HONE_OK;
}

/* Rows of an item in order of annotator, from its first. */
static void order_rows(const struct table *t, size_t from, size_t n, int32_t *order)
{
    for (size_t i = 0; i < n; i++) {
        size_t to = i;
        for (; to && t->annotator[from + (size_t)order[to - 1]] > t->annotator[from + i]; to--)
            order[to] = order[to - 1];
        order[to] = (int32_t)i;
    }
}

/* The mean over pairs of annotators; NaN without a pair. */
static int item_score(const struct table *t, size_t item, struct work *w, double threshold,
                      struct regions *out, double *score, hone_error *err)
{
    size_t from = t->starts[item], n = t->starts[item + 1] - from, pairs = 0, ends[4];
    double sum = 0, f1 = 0;
    int code;

#define WHO(i) t->annotator[from + (size_t)w->order[i]]
    order_rows(t, from, n, w->order);
    for (ends[0] = 0; ends[0] < n; ends[0] = ends[1]) {
        for (ends[1] = ends[0]; ends[1] < n && WHO(ends[1]) == WHO(ends[0]); ends[1]++)
            continue;
        for (ends[2] = ends[1]; ends[2] < n; ends[2] = ends[3]) {
            for (ends[3] = ends[2]; ends[3] < n && WHO(ends[3]) == WHO(ends[2]); ends[3]++)
                continue;
            if ((code = pair_match(t, from, w, ends, threshold, out, &f1, err)))
                return code;
            sum += f1;
            pairs++;
        }
    }
#undef WHO
    *score = pairs ? sum / (double)pairs : NAN;
    return HONE_OK;
}

int agreement_regions(const struct table *t, double threshold, struct regions *out,
                      hone_error *err)
{
    struct work w = {0};
    struct estimate *e = &out->f1;
    size_t most = 0;
    double squares = 0, score;
    int code = HONE_OK;

    *out = (struct regions){ .f1 = { .se = NAN } };
    for (size_t i = 0; i < t->items; i++)
        most = t->starts[i + 1] - t->starts[i] > most ? t->starts[i + 1] - t->starts[i] : most;
    w.order = hone_alloc(most + 1, sizeof *w.order);
    w.taken = hone_alloc(most + 1, sizeof *w.taken);
    if (!w.order || !w.taken)
        code = hone_fail_memory(err, "matches of regions");
    for (size_t i = 0; i < t->items && !code; i++) {
        code = item_score(t, i, &w, threshold, out, &score, err);
        if (code || isnan(score))
            continue;
        double delta = score - e->value;
        e->n++;
        e->value += delta / (double)e->n;
        squares += delta * (score - e->value);
    }
    if (!e->n)
        *e = agreement_undefined("unpaired", "no item has regions of two annotators");
    else if (e->n > 1)
        e->se = sqrt(squares / ((double)e->n * (double)(e->n - 1)));
    out->iou = out->matched ? out->iou / (double)out->matched : NAN;
    out->same_label = out->matched ? out->same_label / (double)out->matched : NAN;
    hone_free(w.order);
    hone_free(w.taken);
    hone_free(w.matches);
    return code;
}
