/* judgement_duplicates.c -- a second value of an annotator for an item. */
#include "judgement.h"

#include <stdlib.h>
#include <string.h>

int hone_duplicates_parse(int *out, const char *word, hone_error *err)
{
    static const char *const words[] = { "error", "latest", "first", "both" };

    for (*out = 0; *out < 4; ++*out)
        if (strcmp(word ? word : "error", words[*out]) == 0)
            return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "duplicates is '%s'; it must be error, latest, first or "
                     "both", word);
}

/* Rows with equal keys are duplicates: item, annotator, and the two options. */
struct place {
    int32_t item, annotator, low, high;
    size_t row;
};

static int place_compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->annotator != y->annotator)
        return x->annotator < y->annotator ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool place_equal(const struct place *a, const struct place *b)
{
    return a->item == b->item && a->annotator == b->annotator && a->low == b->low &&
           a->high == b->high;
}

static struct place place_of(const hone_judgements *j, size_t r)
{
    const struct judgement *row = &j->rows[r];
    bool pair = j->level == HONE_PAIR, swap = pair && row->left > row->right;

    return (struct place){ row->item, row->annotator, !pair ? 0 : swap ? row->right : row->left,
                           !pair ? 0 : swap ? row->left : row->right, r };
}

/* Whether row b takes the place of row a, added before it. */
static bool duplicates_later(const hone_judgements *j, size_t a, size_t b, int policy)
{
    double before = j->rows[a].time, after = j->rows[b].time;

    if (policy == DUPLICATES_FIRST)
        return false;
    return !(after < before); /* NaN, no time: the later row */
}

static int duplicates_fail(const hone_judgements *j, size_t a, size_t b, const uint64_t *lines,
                           const char *where, hone_error *err)
{
    return hone_fail(err, HONE_EINVAL, "%s%s%s %" PRIu64 " and %" PRIu64 ": annotator '%s' judged "
                     "item '%s' twice; say which counts with duplicates = latest, first or both",
                     where ? where : "", where ? ": " : "", where ? "lines" : "rows",
                     lines ? lines[a] : (uint64_t)a + 1, lines ? lines[b] : (uint64_t)b + 1,
                     j->annotators.texts[j->rows[a].annotator], j->items.texts[j->rows[a].item]);
}

/* All rows, sorted: into the items' places by counting, then each item's few. NULL:
 * no memory. */
static struct place *places_make(const hone_judgements *j)
{
    struct place *places = hone_alloc(j->count, sizeof *places);
    size_t *ends = hone_alloc(j->items.count + 1, sizeof *ends), from = 0;

    if (!places || !ends) {
        hone_free(places);
        hone_free(ends);
        return NULL;
    }
    for (size_t r = 0; r < j->count; r++)
        ends[j->rows[r].item + 1]++;
    for (size_t i = 1; i <= j->items.count; i++)
        ends[i] += ends[i - 1];
    for (size_t r = 0; r < j->count; r++)
        places[ends[j->rows[r].item]++] = place_of(j, r);
    for (size_t i = 0; i < j->items.count; from = ends[i++])
        qsort(places + from, ends[i] - from, sizeof *places, place_compare);
    hone_free(ends);
    return places;
}

int hone_duplicates_resolve(hone_judgements *j, int policy, const uint64_t *lines,
                            const char *where, hone_error *err)
{
    struct place *places;
    size_t kept = 0;
    int code = HONE_OK;

    if (policy == DUPLICATES_BOTH || j->level == HONE_REGION || j->count < 2)
        return HONE_OK;
    places = places_make(j);
    if (!places)
        return hone_fail_memory(err, "judgements");
    for (size_t p = 0, best = 0; p + 1 < j->count; p++) {
        const struct place *a = &places[p], *b = &places[p + 1];
        if (p == 0 || !place_equal(a - 1, a))
            best = a->row;
        if (!place_equal(a, b))
            continue;
        if (policy == DUPLICATES_ERROR) {
            code = duplicates_fail(j, a->row, b->row, lines, where, err);
            goto out;
        }
        bool later = duplicates_later(j, best, b->row, policy);
        j->rows[later ? best : b->row].item = -1;
        best = later ? b->row : best;
    }
    for (size_t r = 0; r < j->count; r++)
        if (j->rows[r].item >= 0)
            j->rows[kept++] = j->rows[r];
    j->dropped = j->count - kept;
    j->count = kept;
    j->ordered = false;
out:
    hone_free(places);
    return code;
}
