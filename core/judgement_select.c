/* judgement_select.c -- tables made of a table: fewer rows, other weights. */
#include "judgement.h"

#include <math.h>
#include <string.h>

static int names_copy(hone_names *to, const hone_names *from, const int32_t *order,
                      hone_error *err)
{
    int32_t number;
    int code = HONE_OK;

    for (size_t i = 0; i < from->count && !code; i++)
        code = hone_names_add(to, from->texts[order ? (size_t)order[i] : i], &number, err);
    return code;
}

static const hone_json **attributes_copy(const hone_json **from, size_t count, size_t room)
{
    const hone_json **to = hone_alloc(room + 1, sizeof *to);

    for (size_t i = 0; to && i < count; i++)
        to[i] = hone_json_ref((hone_json *)(uintptr_t)from[i]);
    return to;
}

/* Room for `count` rows beside copies of all names, and of lists and numbers. */
static int select_room(hone_judgements *to, const hone_judgements *from, size_t count,
                       hone_error *err)
{
    size_t n = count ? count : 1, words = from->used ? from->used : 1;

    to->item_attributes = attributes_copy(from->item_attributes, from->items.count,
                                          from->items.count);
    to->annotator_attributes = attributes_copy(from->annotator_attributes, from->annotators.count,
                                               from->annotators.count);
    to->starts = hone_alloc(from->items.count + 1, sizeof *to->starts);
    to->ranks = hone_alloc(from->labels.count + 1, sizeof *to->ranks);
    to->ranked = hone_alloc(from->labels.count + 1, sizeof *to->ranked);
    to->rows = hone_alloc(n, sizeof *to->rows);
    to->item = hone_alloc(n, sizeof *to->item);
    to->annotator = hone_alloc(n, sizeof *to->annotator);
    to->label = hone_alloc(n, sizeof *to->label);
    to->order = hone_alloc(n, sizeof *to->order);
    to->value = hone_alloc(n, sizeof *to->value);
    to->weight = hone_alloc(n, sizeof *to->weight);
    to->time = hone_alloc(n, sizeof *to->time);
    to->left = from->left ? hone_alloc(n, sizeof *to->left) : NULL;
    to->right = from->right ? hone_alloc(n, sizeof *to->right) : NULL;
    to->at = from->at ? hone_alloc(n, sizeof *to->at) : NULL;
    to->lists = from->lists ? hone_alloc(words, sizeof *to->lists) : NULL;
    to->numbers = from->numbers ? hone_alloc(words, sizeof *to->numbers) : NULL;
    if (!to->item_attributes || !to->annotator_attributes || !to->starts || !to->ranks ||
        !to->ranked || !to->rows || !to->item || !to->annotator || !to->label || !to->order ||
        !to->value || !to->weight || !to->time || (from->left && !to->left) ||
        (from->right && !to->right) || (from->at && !to->at) || (from->lists && !to->lists) ||
        (from->numbers && !to->numbers))
        return hone_fail_memory(err, "judgements");
    to->item_room = from->items.count;
    to->annotator_room = from->annotators.count;
    to->label_room = from->labels.count;
    to->capacity = count;
    return HONE_OK;
}

static void select_row(hone_judgements *to, const hone_judgements *from, size_t i)
{
    struct judgement row = {
        .item = from->item[i], .annotator = from->annotator[i], .label = from->label[i],
        .order = from->order[i], .value = from->value[i], .weight = from->weight[i],
        .time = from->time[i],
    };

    if (from->left) {
        row.left = from->left[i];
        row.right = from->right[i];
    } else if (from->at) {
        row.at = from->at[i];
    }
    to->rows[to->count++] = row;
}

/* The rows that keep has (NULL: all), in the order of the columns. */
static int select_rows(hone_judgements **out, const hone_judgements *from, const bool *keep,
                       hone_error *err)
{
    hone_judgements *to = hone_alloc(1, sizeof *to);
    size_t count = 0;
    int code;

    *out = NULL;
    if (!to)
        return hone_fail_memory(err, "judgements");
    hone_judgements_order_rows(from);
    for (size_t i = 0; i < from->count; i++)
        count += !keep || keep[i];
    atomic_init(&to->refs, 1);
    to->level = from->level;
    code = names_copy(&to->items, &from->items, NULL, err);
    if (!code)
        code = names_copy(&to->annotators, &from->annotators, NULL, err);
    if (!code) /* labels in the order of their indices, which is what select_row copies */
        code = names_copy(&to->labels, &from->labels, from->count ? from->ranked : NULL, err);
    if (!code)
        code = names_copy(&to->options, &from->options, NULL, err);
    if (!code)
        code = select_room(to, from, count, err);
    if (code) {
        hone_judgements_free(to);
        return code;
    }
    for (size_t i = 0; i < from->count; i++)
        if (!keep || keep[i])
            select_row(to, from, i);
    if (from->lists)
        memcpy(to->lists, from->lists, from->used * sizeof *to->lists);
    if (from->numbers)
        memcpy(to->numbers, from->numbers, from->used * sizeof *to->numbers);
    to->used = to->room = from->used;
    to->low = from->low;
    to->high = from->high;
    to->dropped = from->dropped;
    to->labels_set = from->labels_set;
    to->has_weight = from->has_weight;
    to->has_time = from->has_time;
    to->has_order = from->has_order;
    *out = to;
    return HONE_OK;
}

int hone_judgements_filter(hone_judgements **out, const hone_judgements *j, const bool *keep,
                           hone_error *err)
{
    return select_rows(out, j, keep, err);
}

int hone_judgements_weigh(hone_judgements **out, const hone_judgements *j, const double *weights,
                          hone_error *err)
{
    int code;

    *out = NULL;
    for (size_t i = 0; i < j->count; i++)
        if (!isfinite(weights[i]) || weights[i] < 0)
            return hone_fail(err, HONE_EINVAL, "weight %zu is %g; it is finite and at least 0",
                             i + 1, weights[i]);
    code = select_rows(out, j, NULL, err);
    for (size_t i = 0; i < j->count && !code; i++)
        (*out)->rows[i].weight = weights[i];
    if (!code)
        (*out)->has_weight = true;
    return code;
}
