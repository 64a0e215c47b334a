/* kappa.c -- agreement of two annotators: Cohen's kappa, Scott's pi.
 *
 * kappa = (P_o - P_e)/(1 - P_e), with weights w in [0, 1] for near misses.
 * Cohen takes each annotator's own margins, Scott the mean of both. Standard
 * errors: Cohen's from Fleiss, Cohen & Everitt 1969 (doi:10.1037/h0028106), at
 * the estimate rather than at zero; Scott's linearised over items, after Gwet
 * 2008 (doi:10.1348/000711006X126600). Cohen 1960,
 * doi:10.1177/001316446002000104; Scott 1955, doi:10.1086/266577. Of repeated
 * values of an annotator the first counts. */
#include "agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t labels_in_use(const double *share, size_t q)
{
    size_t used = 0;

    for (size_t k = 0; k < q; k++)
        used += share[k] > 0;
    return used;
}

/* What one annotator and another, b, said of an item. */
struct meeting {
    int32_t b, mine, theirs;
};

/* Scott's standard error; rows: the pooled margins, weighed. */
static double scott_error(const struct estimate *e, const struct table *t,
                          const struct meeting *meetings, int64_t weights, const double *rows)
{
    double squares = 0, spread = 1 - e->expected, n = (double)e->n;

    for (size_t i = 0; i < e->n; i++) {
        size_t a = (size_t)meetings[i].mine, b = (size_t)meetings[i].theirs;
        double x = (agreement_weight(weights, a, b, t->labels) - e->expected) / spread;
        x -= 2 * (1 - e->value) * ((rows[a] + rows[b]) / 2 - e->expected) / spread + e->value;
        squares += x * x;
    }
    return n > 1 ? sqrt(squares / (n * (n - 1))) : NAN;
}

/* kappa of n meetings with the same b. */
static struct estimate meetings_kappa(const struct table *t, const struct meeting *meetings,
                                      size_t n, int64_t weights, bool pooled)
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
        e = agreement_undefined("unanimous", "both gave one label only, and the same");
        e.n = n;
        return e;
    }
    for (size_t k = 0; k < q && pooled; k++)
        mine[k] = theirs[k] = (mine[k] + theirs[k]) / 2;
    agreement_weigh(rows, theirs, weights, q);
    agreement_weigh(columns, mine, weights, q);
    for (size_t k = 0; k < q; k++)
        e.expected += mine[k] * rows[k];
    spread = 1 - e.expected;
    e.value = (e.observed - e.expected) / spread;
    if (pooled) {
        e.se = scott_error(&e, t, meetings, weights, rows);
        return e;
    }
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

/* What grows as annotators meet. */
struct work {
    struct meeting *meetings;
    struct pair *pairs;
    size_t meetings_count, meetings_room, pairs_count, pairs_room;
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

static void work_free(struct work *c)
{
    hone_free(c->meetings);
    hone_free(c->pairs);
    hone_free(c->first);
    hone_free(c->seen);
}

static bool work_index(struct work *c, const struct table *t)
{
    c->first = hone_alloc(t->rows + 1, sizeof *c->first);
    c->seen = hone_alloc(t->annotators + 1, sizeof *c->seen);
    if (!c->first || !c->seen)
        return false;
    for (size_t r = 0; r < t->rows; r++) {
        c->first[r] = c->seen[t->annotator[r]] != t->item[r] + 1;
        c->seen[t->annotator[r]] = t->item[r] + 1;
    }
    return true;
}

/* Meet annotator a with all of a higher number. */
static bool work_meet(struct work *c, const struct table *t, size_t a)
{
    c->meetings_count = 0;
    for (size_t i = t->annotator_starts[a]; i < t->annotator_starts[a + 1]; i++) {
        size_t r = t->by_annotator[i], item = (size_t)t->item[r];
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

int agreement_pairs(const struct table *t, int64_t weights, bool pooled, struct pair **out,
                    size_t *count, hone_error *err)
{
    struct work c = {0};
    int code = HONE_OK;

    *out = NULL;
    *count = 0;
    if (!work_index(&c, t)) {
        code = hone_fail_memory(err, "pairs of annotators");
        goto out;
    }
    for (size_t a = 0; a < t->annotators; a++) {
        if (!work_meet(&c, t, a)) {
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
                meetings_kappa(t, c.meetings + i, end - i, weights, pooled) };
        }
    }
    if (c.pairs_count)
        qsort(c.pairs, c.pairs_count, sizeof *c.pairs, pair_compare);
    *out = c.pairs;
    *count = c.pairs_count;
    c.pairs = NULL;
out:
    work_free(&c);
    return code;
}
