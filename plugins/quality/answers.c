/* answers.c -- see answers.h. */
#include "answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Seconds of three years: no one takes so long. */
#define STAMP 1e8

/* A judgement, to be sorted into its unit, or by time. */
struct key {
    double time;
    int32_t item, low, high;
    size_t at;
};

static int unit_compare(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int time_compare(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->time != y->time && !isnan(x->time) && !isnan(y->time))
        return x->time < y->time ? -1 : 1;
    if (isnan(x->time) != isnan(y->time))
        return isnan(x->time) ? 1 : -1;
    return x->at < y->at ? -1 : x->at > y->at;
}

bool answers_labelled(const struct answers *a)
{
    return a->level == HONE_NOMINAL || a->level == HONE_ORDINAL || a->level == HONE_PAIR;
}

static void answers_fill(struct answers *a, const struct key *keys)
{
    const hone_judgements *j = a->judgements;
    const int32_t *left = hone_judgements_left(j), *right = hone_judgements_right(j);
    bool pair = a->level == HONE_PAIR;

    for (size_t i = 0; i < a->count; i++) {
        size_t r = keys[i].at;
        bool same = i && keys[i].item == keys[i - 1].item && keys[i].low == keys[i - 1].low &&
                    keys[i].high == keys[i - 1].high;
        a->units += !same;
        a->starts[a->units] = i + 1;
        a->unit[i] = (int32_t)a->units - 1;
        a->row[i] = r;
        a->annotator[i] = hone_judgements_annotator(j)[r];
        a->label[i] = hone_judgements_label(j)[r];
        a->value[i] = hone_judgements_value(j)[r];
        if (a->time)
            a->time[i] = hone_judgements_time(j)[r];
        if (pair && left[r] > right[r] && a->label[i] <= HONE_RIGHT)
            a->label[i] = a->label[i] == HONE_LEFT ? HONE_RIGHT : HONE_LEFT;
        if (pair)
            a->value[i] = a->label[i];
    }
}

static bool answers_are_stamped(const struct answers *a)
{
    size_t known = 0;

    for (size_t i = 0; a->time && i < a->count; i++) {
        known += isnan(a->time[i]) ? 0 : 1;
        if (a->time[i] < STAMP)
            return false;
    }
    return known > 0;
}

static void answers_by_annotator(struct answers *a, struct key *keys)
{
    for (size_t i = 0; i < a->count; i++)
        a->annotator_starts[a->annotator[i] + 1]++;
    for (size_t p = 0; p < a->annotators; p++)
        a->annotator_starts[p + 1] += a->annotator_starts[p];
    for (size_t i = 0; i < a->count; i++)
        a->by_annotator[a->annotator_starts[a->annotator[i]]++] = i;
    for (size_t p = a->annotators; p > 0; p--)
        a->annotator_starts[p] = a->annotator_starts[p - 1];
    a->annotator_starts[0] = 0;
    for (size_t p = 0; p < a->annotators && a->stamped; p++) {
        size_t first = a->annotator_starts[p], n = a->annotator_starts[p + 1] - first;
        for (size_t i = 0; i < n; i++) {
            size_t at = a->by_annotator[first + i];
            keys[i] = (struct key){ .time = a->time[at], .at = at };
        }
        if (n)
            qsort(keys, n, sizeof *keys, time_compare);
        for (size_t i = 0; i < n; i++)
            a->by_annotator[first + i] = keys[i].at;
    }
}

int answers_open(struct answers *a, const hone_judgements *j, hone_error *err)
{
    size_t n = hone_judgements_count(j);
    struct key *keys = hone_alloc(n + 1, sizeof *keys);
    const int32_t *left, *right;
    int code = HONE_OK;

    *a = (struct answers){ .judgements = j, .level = hone_judgements_level(j), .count = n,
                           .labels = hone_judgements_labels(j),
                           .annotators = hone_judgements_annotators(j) };
    a->unit = hone_alloc(n + 1, sizeof *a->unit);
    a->label = hone_alloc(n + 1, sizeof *a->label);
    a->annotator = hone_alloc(n + 1, sizeof *a->annotator);
    a->value = hone_alloc(n + 1, sizeof *a->value);
    a->time = hone_judgements_time(j) ? hone_alloc(n + 1, sizeof *a->time) : NULL;
    a->row = hone_alloc(n + 1, sizeof *a->row);
    a->starts = hone_alloc(n + 1, sizeof *a->starts);
    a->by_annotator = hone_alloc(n + 1, sizeof *a->by_annotator);
    a->annotator_starts = hone_alloc(a->annotators + 1, sizeof *a->annotator_starts);
    if (!keys || !a->unit || !a->label || !a->annotator || !a->value || !a->row || !a->starts ||
        !a->by_annotator || !a->annotator_starts || (hone_judgements_time(j) && !a->time)) {
        code = hone_fail_memory(err, "answers");
        goto out;
    }
    left = hone_judgements_left(j);
    right = hone_judgements_right(j);
    for (size_t r = 0; r < n; r++) {
        keys[r] = (struct key){ .item = hone_judgements_item(j)[r], .at = r };
        if (a->level != HONE_PAIR)
            continue;
        keys[r].low = left[r] < right[r] ? left[r] : right[r];
        keys[r].high = left[r] < right[r] ? right[r] : left[r];
    }
    if (n && a->level == HONE_PAIR)
        qsort(keys, n, sizeof *keys, unit_compare);
    answers_fill(a, keys);
    a->stamped = answers_are_stamped(a);
    answers_by_annotator(a, keys);
out:
    hone_free(keys);
    return code;
}

void answers_close(struct answers *a)
{
    hone_free(a->unit);
    hone_free(a->label);
    hone_free(a->annotator);
    hone_free(a->value);
    hone_free(a->time);
    hone_free(a->row);
    hone_free(a->starts);
    hone_free(a->by_annotator);
    hone_free(a->annotator_starts);
    *a = (struct answers){0};
}

size_t answers_item(const struct answers *a, size_t unit)
{
    return (size_t)hone_judgements_item(a->judgements)[a->row[a->starts[unit]]];
}

/* ---- tallies ---- */

void tally_unit(struct tally *t, const struct answers *a, size_t unit)
{
    size_t first = a->starts[unit], last = a->starts[unit + 1];

    t->most = t->next = 0;
    t->at_most = t->at_next = 0;
    for (size_t i = first; i < last; i++)
        t->count[a->label[i]]++;
    for (size_t i = first; i < last; i++) {
        /* Each label once: where its count is first met, it is turned negative. */
        double n = t->count[a->label[i]];
        if (n < 0)
            continue;
        if (n > t->most) {
            t->next = t->most;
            t->at_next = t->at_most;
            t->most = n;
            t->at_most = 1;
        } else if (n == t->most) {
            t->at_most++;
        } else if (n > t->next) {
            t->next = n;
            t->at_next = 1;
        } else if (n == t->next) {
            t->at_next++;
        }
        t->count[a->label[i]] = -n;
    }
    for (size_t i = first; i < last; i++)
        t->count[a->label[i]] = fabs(t->count[a->label[i]]);
}

void tally_clear(struct tally *t, const struct answers *a, size_t unit)
{
    for (size_t i = a->starts[unit]; i < a->starts[unit + 1]; i++)
        t->count[a->label[i]] = 0;
}

double tally_agrees(const struct tally *t, const struct answers *a, size_t answer)
{
    size_t unit = (size_t)a->unit[answer], ties;
    double mine = t->count[a->label[answer]], others = t->most;

    if (a->starts[unit + 1] - a->starts[unit] < 2)
        return NAN;
    ties = t->at_most;
    if (mine == t->most && t->at_most == 1) {
        others = t->next;
        ties = t->at_next;
    } else if (mine == t->most) {
        ties = t->at_most - 1;
    }
    mine--;
    return mine > others ? 1 : mine < others ? 0 : 1 / (double)(ties + 1);
}
