/* kappa.c -- agreement of labels: percent, Cohen's and Fleiss' kappa.
 *
 * kappa = (P_o - P_e)/(1 - P_e), with weights w in [0, 1] for near misses.
 * Standard errors: Cohen's from Fleiss, Cohen & Everitt 1969
 * (doi:10.1037/h0028106), at the estimate rather than at zero; Fleiss' from
 * Gwet 2008 (doi:10.1348/000711006X126600), linearised over items, which holds
 * with values missing. A repeated value of an annotator is one more value to
 * percent and Fleiss; Cohen takes the first. */
#include "agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double agreement_weight(int64_t weights, size_t i, size_t j, size_t q)
{
    double d = i < j ? (double)(j - i) : (double)(i - j), most = (double)q - 1;

    switch (weights) {
    case WEIGHTS_LINEAR: return most > 0 ? 1 - d / most : 1;
    case WEIGHTS_QUADRATIC: return most > 0 ? 1 - d * d / (most * most) : 1;
    /* Pairs of labels from i to j, against those of the whole scale. */
    case WEIGHTS_ORDINAL: return most > 0 ? 1 - d * (d + 1) / (most * (most + 1)) : 1;
    default: return i == j;
    }
}

static struct estimate estimate_undefined(const char *word, const char *why)
{
    return (struct estimate){ .undefined = word, .why = why, .value = NAN, .se = NAN };
}

/* to[k] = sum over l of w_kl * from[l]. */
static void weigh(double *to, const double *from, int64_t weights, size_t q)
{
    if (weights == WEIGHTS_NONE) {
        memcpy(to, from, q * sizeof *to);
        return;
    }
    for (size_t k = 0; k < q; k++) {
        to[k] = 0;
        for (size_t l = 0; l < q; l++)
            to[k] += from[l] ? agreement_weight(weights, k, l, q) * from[l] : 0;
    }
}

/* Weighted share of an item's pairs that agree; 0 without a pair. */
static double item_agreement(const struct table *t, size_t item, int64_t weights)
{
    const int32_t *label = t->label + t->starts[item];
    size_t m = t->starts[item + 1] - t->starts[item];
    double sum = 0;

    for (size_t a = 0; a < m; a++)
        for (size_t b = a + 1; b < m; b++)
            sum += agreement_weight(weights, (size_t)label[a], (size_t)label[b], t->labels);
    return m < 2 ? 0 : 2 * sum / ((double)m * (double)(m - 1));
}

static size_t item_values(const struct table *t, size_t item)
{
    return t->starts[item + 1] - t->starts[item];
}

struct estimate agreement_percent(const struct table *t)
{
    struct estimate e = { .se = NAN };
    double squares = 0;

    for (size_t i = 0; i < t->items; i++) {
        if (item_values(t, i) < 2)
            continue;
        double delta = item_agreement(t, i, WEIGHTS_NONE) - e.value;
        e.n++;
        e.value += delta / (double)e.n;
        squares += delta * (delta - delta / (double)e.n);
    }
    if (!e.n)
        return estimate_undefined("unpaired", "no item has values of two annotators");
    e.observed = e.value;
    if (e.n > 1)
        e.se = sqrt(squares / ((double)e.n * (double)(e.n - 1)));
    return e;
}

/* ---- Fleiss ---- */

/* share[k]: mean over items of the share of label k. Returns the items. */
static size_t fleiss_shares(const struct table *t, double *share)
{
    size_t n = 0;

    memset(share, 0, t->labels * sizeof *share);
    for (size_t i = 0; i < t->items; i++) {
        size_t m = item_values(t, i);
        for (size_t r = t->starts[i]; r < t->starts[i + 1]; r++)
            share[t->label[r]] += 1 / (double)m;
        n += m > 0;
    }
    for (size_t k = 0; k < t->labels; k++)
        share[k] /= (double)n;
    return n;
}

static size_t labels_in_use(const double *share, size_t q)
{
    size_t used = 0;

    for (size_t k = 0; k < q; k++)
        used += share[k] > 0;
    return used;
}

static double fleiss_error(const struct table *t, const struct estimate *e, int64_t weights,
                           const double *weighed, size_t n)
{
    double spread = 1 - e->expected, squares = 0;

    if (n < 2)
        return NAN;
    for (size_t i = 0; i < t->items; i++) {
        size_t m = item_values(t, i);
        double chance = 0, kappa = 0;
        if (!m)
            continue;
        for (size_t r = t->starts[i]; r < t->starts[i + 1]; r++)
            chance += weighed[t->label[r]] / (double)m;
        if (m > 1)
            kappa = (double)n / (double)e->n * (item_agreement(t, i, weights) - e->expected) /
                    spread;
        kappa -= 2 * (1 - e->value) * (chance - e->expected) / spread + e->value;
        squares += kappa * kappa;
    }
    return sqrt(squares / ((double)n * (double)(n - 1)));
}

struct estimate agreement_fleiss(const struct table *t, int64_t weights)
{
    struct estimate e = { .se = NAN };
    double *share = t->scratch, *weighed = share + t->labels;
    size_t n = fleiss_shares(t, share);

    for (size_t i = 0; i < t->items; i++) {
        if (item_values(t, i) < 2)
            continue;
        e.observed += item_agreement(t, i, weights);
        e.n++;
    }
    if (!e.n)
        return estimate_undefined("unpaired", "no item has values of two annotators");
    if (labels_in_use(share, t->labels) < 2)
        return estimate_undefined("unanimous", "all values are equal, so chance agrees, too");
    e.observed /= (double)e.n;
    weigh(weighed, share, weights, t->labels);
    for (size_t k = 0; k < t->labels; k++)
        e.expected += share[k] * weighed[k];
    e.value = (e.observed - e.expected) / (1 - e.expected);
    e.se = fleiss_error(t, &e, weights, weighed, n);
    return e;
}

/* ---- Cohen ---- */

/* What one annotator and another, b, said of an item. */
struct meeting {
    int32_t b, mine, theirs;
};

/* kappa of n meetings with the same b. */
static struct estimate cohen_pair(const struct table *t, const struct meeting *meetings, size_t n,
                                  int64_t weights)
{
    size_t q = t->labels;
    double *mine = t->scratch, *theirs = mine + q, *rows = theirs + q, *columns = rows + q;
    struct estimate e = { .n = n, .se = NAN };
    double spread, squares = 0;

    memset(mine, 0, 2 * q * sizeof *mine);
    for (size_t i = 0; i < n; i++) {
        mine[meetings[i].mine] += 1 / (double)n;
        theirs[meetings[i].theirs] += 1 / (double)n;
        e.observed += agreement_weight(weights, (size_t)meetings[i].mine,
                                       (size_t)meetings[i].theirs, q);
    }
    e.observed /= (double)n;
    if (labels_in_use(mine, q) < 2 && mine[meetings[0].theirs] > 0 &&
        labels_in_use(theirs, q) < 2) {
        e = estimate_undefined("unanimous", "both gave one label only, and the same");
        e.n = n;
        return e;
    }
    weigh(rows, theirs, weights, q);
    weigh(columns, mine, weights, q);
    for (size_t k = 0; k < q; k++)
        e.expected += mine[k] * rows[k];
    spread = 1 - e.expected;
    e.value = (e.observed - e.expected) / spread;
    for (size_t i = 0; i < n; i++) {
        size_t a = (size_t)meetings[i].mine, b = (size_t)meetings[i].theirs;
        double x = agreement_weight(weights, a, b, q) - (rows[a] + columns[b]) * (1 - e.value);
        squares += x * x / (double)n;
    }
    double centre = e.value - e.expected * (1 - e.value);
    e.se = sqrt(fmax(0, squares - centre * centre) / (double)n) / spread;
    return e;
}

static int meeting_compare(const void *a, const void *b)
{
    const struct meeting *x = a, *y = b;
    return x->b < y->b ? -1 : x->b > y->b;
}

static int pair_compare(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->kappa.n != y->kappa.n)
        return x->kappa.n > y->kappa.n ? -1 : 1;
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return x->b < y->b ? -1 : x->b > y->b;
}

/* Growing arrays of cohen. */
struct cohen {
    struct meeting *meetings;
    struct pair *pairs;
    size_t meetings_count, meetings_room, pairs_count, pairs_room;
    size_t *by_annotator, *starts;  /* rows sorted by annotator */
    bool *first;                    /* [rows]: an annotator's first value of the item */
    int32_t *seen;                  /* [annotators]: the last item, plus 1 */
};

static void *array_room(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    void *grown = hone_realloc(items, 2 * *room + 64, size);
    if (grown)
        *room = 2 * *room + 64;
    return grown;
}

static void cohen_free(struct cohen *c)
{
    hone_free(c->meetings);
    hone_free(c->pairs);
    hone_free(c->by_annotator);
    hone_free(c->starts);
    hone_free(c->first);
    hone_free(c->seen);
}

static bool cohen_index(struct cohen *c, const struct table *t)
{
    c->by_annotator = hone_alloc(t->rows + 1, sizeof *c->by_annotator);
    c->starts = hone_alloc(t->annotators + 2, sizeof *c->starts);
    c->first = hone_alloc(t->rows + 1, sizeof *c->first);
    c->seen = hone_alloc(t->annotators + 1, sizeof *c->seen);
    if (!c->by_annotator || !c->starts || !c->first || !c->seen)
        return false;
    for (size_t r = 0; r < t->rows; r++) {
        c->first[r] = c->seen[t->annotator[r]] != t->item[r] + 1;
        c->seen[t->annotator[r]] = t->item[r] + 1;
        c->starts[t->annotator[r] + 2]++;
    }
    for (size_t a = 2; a < t->annotators + 2; a++)
        c->starts[a] += c->starts[a - 1];
    for (size_t r = 0; r < t->rows; r++)
        c->by_annotator[c->starts[t->annotator[r] + 1]++] = r;
    return true;
}

/* Meet annotator a with all of a higher number. */
static bool cohen_meet(struct cohen *c, const struct table *t, size_t a)
{
    c->meetings_count = 0;
    for (size_t i = c->starts[a]; i < c->starts[a + 1]; i++) {
        size_t r = c->by_annotator[i], item = (size_t)t->item[r];
        for (size_t s = t->starts[item]; c->first[r] && s < t->starts[item + 1]; s++) {
            if (!c->first[s] || t->annotator[s] <= (int32_t)a)
                continue;
            struct meeting *grown = array_room(c->meetings, c->meetings_count, &c->meetings_room,
                                               sizeof *grown);
            if (!grown)
                return false;
            c->meetings = grown;
            c->meetings[c->meetings_count++] = (struct meeting){ t->annotator[s], t->label[r],
                                                                 t->label[s] };
        }
    }
    if (c->meetings_count)
        qsort(c->meetings, c->meetings_count, sizeof *c->meetings, meeting_compare);
    return true;
}

int agreement_cohen(const struct table *t, int64_t weights, struct pair **out, size_t *count,
                    hone_error *err)
{
    struct cohen c = {0};
    int code = HONE_OK;

    *out = NULL;
    *count = 0;
    if (!cohen_index(&c, t)) {
        code = hone_fail_memory(err, "pairs of annotators");
        goto out;
    }
    for (size_t a = 0; a < t->annotators; a++) {
        if (!cohen_meet(&c, t, a)) {
            code = hone_fail_memory(err, "pairs of annotators");
            goto out;
        }
        for (size_t i = 0, end; i < c.meetings_count; i = end) {
            for (end = i; end < c.meetings_count && c.meetings[end].b == c.meetings[i].b; end++)
                continue;
            struct pair *grown = array_room(c.pairs, c.pairs_count, &c.pairs_room, sizeof *grown);
            if (!grown) {
                code = hone_fail_memory(err, "pairs of annotators");
                goto out;
            }
            c.pairs = grown;
            c.pairs[c.pairs_count++] = (struct pair){ (int32_t)a, c.meetings[i].b,
                cohen_pair(t, c.meetings + i, end - i, weights) };
        }
    }
    if (c.pairs_count)
        qsort(c.pairs, c.pairs_count, sizeof *c.pairs, pair_compare);
    *out = c.pairs;
    *count = c.pairs_count;
    c.pairs = NULL;
out:
    cohen_free(&c);
    return code;
}
