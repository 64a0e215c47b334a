/* judgement.c -- the table of judgements (see <hone/judgement.h>). */
#define _GNU_SOURCE /* qsort_r */
#include "judgement.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- levels ---- */

static const char *const level_names[] = { "nominal", "ordinal", "interval", "ratio", "pair",
                                           "ranking", "region" };
enum { LEVELS = sizeof level_names / sizeof *level_names };

const char *hone_level_name(hone_level level)
{
    return (unsigned)level < LEVELS ? level_names[level] : NULL;
}

int hone_level_parse(const char *name)
{
    for (int i = 0; i < LEVELS; i++)
        if (strcmp(name, level_names[i]) == 0)
            return i;
    return -1;
}

/* ---- life ---- */

/* The labels of pairs are fixed, in the order of hone_outcome. */
static int judgement_outcomes(hone_judgements *j, hone_error *err)
{
    static const char *const words[] = { "left", "right", "tie", "bad" };
    int32_t number;
    int code = HONE_OK;

    for (int i = 0; i < 4 && !code; i++)
        code = hone_names_add(&j->labels, words[i], &number, err);
    j->labels_set = true;
    return code;
}

int hone_judgements_new(hone_judgements **out, hone_level level, hone_error *err)
{
    hone_judgements *j = hone_alloc(1, sizeof *j);

    *out = j;
    if (!j)
        return hone_fail_memory(err, "judgements");
    atomic_init(&j->refs, 1);
    j->level = level;
    j->low = -INFINITY;
    j->high = INFINITY;
    if (level == HONE_PAIR && judgement_outcomes(j, err)) {
        hone_judgements_free(j);
        *out = NULL;
        return HONE_ENOMEM;
    }
    return HONE_OK;
}

hone_judgements *hone_judgements_ref(hone_judgements *j)
{
    if (j)
        atomic_fetch_add(&j->refs, 1);
    return j;
}

static void judgement_free_attributes(const hone_json **attributes, size_t count)
{
    for (size_t i = 0; attributes && i < count; i++)
        hone_json_free((hone_json *)attributes[i]);
    hone_free(attributes);
}

void hone_judgements_free(hone_judgements *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) > 1)
        return;
    judgement_free_attributes(j->item_attributes, j->items.count);
    judgement_free_attributes(j->annotator_attributes, j->annotators.count);
    hone_names_free(&j->items);
    hone_names_free(&j->annotators);
    hone_names_free(&j->labels);
    hone_names_free(&j->options);
    hone_free(j->lists);
    hone_free(j->numbers);
    hone_free(j->rows);
    hone_free(j->starts);
    hone_free(j->ranks);
    hone_free(j->ranked);
    hone_free(j->item);
    hone_free(j->annotator);
    hone_free(j->label);
    hone_free(j->order);
    hone_free(j->value);
    hone_free(j->weight);
    hone_free(j->time);
    hone_free(j->left);
    hone_free(j->right);
    hone_free(j->at);
    hone_free(j);
}

/* ---- adding ---- */

bool hone_judgements_resize(void *array, size_t count, size_t size)
{
    void *p, *grown;

    memcpy(&p, array, sizeof p);
    grown = hone_realloc(p, count, size);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    return true;
}

static int judgement_grow(hone_judgements *j, hone_error *err)
{
    size_t capacity = j->capacity ? 2 * j->capacity : 64;

    if (j->count < j->capacity)
        return HONE_OK;
    if (j->count >= INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "over %d judgements", INT32_MAX);
    if (!hone_judgements_resize(&j->rows, capacity, sizeof *j->rows) ||
        !hone_judgements_resize(&j->item, capacity, sizeof *j->item) ||
        !hone_judgements_resize(&j->annotator, capacity, sizeof *j->annotator) ||
        !hone_judgements_resize(&j->label, capacity, sizeof *j->label) ||
        !hone_judgements_resize(&j->order, capacity, sizeof *j->order) ||
        !hone_judgements_resize(&j->value, capacity, sizeof *j->value) ||
        !hone_judgements_resize(&j->weight, capacity, sizeof *j->weight) ||
        !hone_judgements_resize(&j->time, capacity, sizeof *j->time) ||
        (j->level == HONE_PAIR &&
         (!hone_judgements_resize(&j->left, capacity, sizeof *j->left) ||
          !hone_judgements_resize(&j->right, capacity, sizeof *j->right))) ||
        (j->level >= HONE_RANKING && !hone_judgements_resize(&j->at, capacity, sizeof *j->at)))
        return hone_fail_memory(err, "judgements");
    j->capacity = capacity;
    return HONE_OK;
}

/* Room beside the names for one more; before the name is added, so that none is
 * ever without. */
static int judgement_reserve(hone_judgements *j, hone_error *err)
{
    bool ok = true;
    size_t room;

    if (j->items.count == j->item_room) {
        room = 2 * j->item_room + 64;
        ok = hone_judgements_resize(&j->item_attributes, room, sizeof *j->item_attributes) &&
             hone_judgements_resize(&j->starts, room + 1, sizeof *j->starts);
        for (size_t i = j->item_room; ok && i < room; i++)
            j->item_attributes[i] = NULL;
        j->item_room = ok ? room : j->item_room;
    }
    if (ok && j->annotators.count == j->annotator_room) {
        room = 2 * j->annotator_room + 64;
        ok = hone_judgements_resize(&j->annotator_attributes, room,
                                    sizeof *j->annotator_attributes);
        for (size_t i = j->annotator_room; ok && i < room; i++)
            j->annotator_attributes[i] = NULL;
        j->annotator_room = ok ? room : j->annotator_room;
    }
    if (ok && j->labels.count >= j->label_room) {
        room = 2 * j->labels.count + 64;
        ok = hone_judgements_resize(&j->ranks, room, sizeof *j->ranks) &&
             hone_judgements_resize(&j->ranked, room, sizeof *j->ranked);
        j->label_room = ok ? room : j->label_room;
    }
    return ok ? HONE_OK : hone_fail_memory(err, "judgements");
}

static bool judgement_has_labels(const hone_judgements *j)
{
    return j->level < HONE_INTERVAL || j->level == HONE_PAIR || j->level == HONE_REGION;
}

static int judgement_check_label(const hone_judgements *j, const char *label, hone_error *err)
{
    char known[256] = "";
    size_t used = 0;

    if (!label)
        return hone_fail(err, HONE_EINVAL, "no label; %s judgements need one",
                         hone_level_name(j->level));
    if (!j->labels_set || hone_names_find(&j->labels, label) >= 0)
        return HONE_OK;
    for (size_t i = 0; i < j->labels.count && used < sizeof known; i++) {
        int n = hone_print(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                           j->labels.texts[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return hone_fail(err, HONE_EINVAL, "label '%s' is none of %s%s", label, known,
                     used >= sizeof known ? " ..." : "");
}

static int judgement_check_number(const hone_judgements *j, double number, hone_error *err)
{
    if (!isfinite(number))
        return hone_fail(err, HONE_EINVAL, "the value is %g; a finite number is needed", number);
    if (j->level == HONE_RATIO && number < 0)
        return hone_fail(err, HONE_EINVAL, "the value is %g; a ratio is at least 0", number);
    if (number < j->low || number > j->high)
        return hone_fail(err, HONE_EINVAL, "the value is %g; the scale is %g to %g", number,
                         j->low, j->high);
    return HONE_OK;
}

int hone_judgements_put(hone_judgements *j, const char *item, const char *annotator,
                        const char *label, struct judgement row, hone_error *err)
{
    int code = judgement_has_labels(j) ? judgement_check_label(j, label, err)
                                       : judgement_check_number(j, row.value, err);

    row.label = -1;
    if (!code)
        code = judgement_grow(j, err);
    if (!code)
        code = judgement_reserve(j, err);
    if (code)
        return code;
    j->ordered = false;
    code = hone_names_add(&j->items, item, &row.item, err);
    if (code)
        return hone_fail_in(err, "item");
    code = hone_names_add(&j->annotators, annotator, &row.annotator, err);
    if (code)
        return hone_fail_in(err, "annotator");
    code = judgement_has_labels(j) ? hone_names_add(&j->labels, label, &row.label, err) : HONE_OK;
    if (code)
        return hone_fail_in(err, "label");
    j->rows[j->count++] = row;
    return HONE_OK;
}

int hone_judgements_add(hone_judgements *j, const char *item, const char *annotator,
                        const char *label, double number, hone_error *err)
{
    struct judgement row = { .value = number, .weight = 1, .time = NAN };

    if (j->level > HONE_RATIO)
        return hone_fail(err, HONE_EINVAL, "a value for %s judgements; they are added otherwise",
                         hone_level_name(j->level));
    return hone_judgements_put(j, item, annotator, label, row, err);
}

int hone_judgements_set_labels(hone_judgements *j, const char *const *labels, size_t count,
                               hone_error *err)
{
    hone_names names = {0};
    int32_t *ranks = NULL, *ranked = NULL, *renumbered = NULL, number;
    int code = HONE_OK;

    if (!judgement_has_labels(j) || j->level == HONE_PAIR)
        return hone_fail(err, HONE_EINVAL, "%s judgements have no labels to be set",
                         hone_level_name(j->level));
    for (size_t i = 0; i < count && !code; i++) {
        code = hone_names_add(&names, labels[i], &number, err);
        if (!code && names.count == i)
            code = hone_fail(err, HONE_EINVAL, "label '%s' is given twice", labels[i]);
    }
    if (code)
        goto out;
    ranks = hone_alloc(count + 64, sizeof *ranks);
    ranked = hone_alloc(count + 64, sizeof *ranked);
    renumbered = hone_alloc(j->labels.count + 1, sizeof *renumbered);
    if (!ranks || !ranked || !renumbered) {
        code = hone_fail_memory(err, "labels");
        goto out;
    }
    for (size_t i = 0; i < j->labels.count; i++)
        renumbered[i] = -1;
    for (size_t i = 0; i < j->labels.count; i++)
        renumbered[i] = (int32_t)hone_names_find(&names, j->labels.texts[i]);
    for (size_t r = 0; r < j->count && !code; r++) {
        if (renumbered[j->rows[r].label] < 0)
            code = hone_fail(err, HONE_EINVAL, "label '%s' is in use and not in the list",
                             j->labels.texts[j->rows[r].label]);
    }
    if (code)
        goto out;
    for (size_t r = 0; r < j->count; r++)
        j->rows[r].label = renumbered[j->rows[r].label];
    hone_names old = j->labels;
    j->labels = names;
    names = old;
    hone_free(j->ranks);
    hone_free(j->ranked);
    j->ranks = ranks;
    j->ranked = ranked;
    ranks = ranked = NULL;
    j->label_room = count + 64;
    j->labels_set = true;
    j->ordered = false;
out:
    hone_names_free(&names);
    hone_free(ranks);
    hone_free(ranked);
    hone_free(renumbered);
    return code;
}

int hone_judgements_set_range(hone_judgements *j, double low, double high, hone_error *err)
{
    if (j->level != HONE_INTERVAL && j->level != HONE_RATIO)
        return hone_fail(err, HONE_EINVAL, "%s judgements have no range",
                         hone_level_name(j->level));
    if (!(low <= high))
        return hone_fail(err, HONE_EINVAL, "the range is %g to %g; low is at most high", low,
                         high);
    for (size_t r = 0; r < j->count; r++)
        if (j->rows[r].value < low || j->rows[r].value > high)
            return hone_fail(err, HONE_EINVAL, "the value %g is in use; the scale is %g to %g",
                             j->rows[r].value, low, high);
    j->low = low;
    j->high = high;
    return HONE_OK;
}

static int judgement_describe(const hone_names *names, const hone_json **all, const char *what,
                              const char *name, const hone_json *attributes, hone_error *err)
{
    int64_t i = hone_names_find(names, name);

    if (i < 0)
        return hone_fail(err, HONE_ENOTFOUND, "no judgement has the %s '%s'", what, name);
    if (strcmp(hone_json_type(attributes), "object") != 0)
        return hone_fail(err, HONE_EINVAL, "%s '%s': attributes are %s; an object is needed",
                         what, name, hone_json_type(attributes));
    hone_json_free((hone_json *)all[i]);
    all[i] = hone_json_ref(attributes);
    return HONE_OK;
}

int hone_judgements_describe_item(hone_judgements *j, const char *item,
                                  const hone_json *attributes, hone_error *err)
{
    return judgement_describe(&j->items, j->item_attributes, "item", item, attributes, err);
}

int hone_judgements_describe_annotator(hone_judgements *j, const char *annotator,
                                       const hone_json *attributes, hone_error *err)
{
    return judgement_describe(&j->annotators, j->annotator_attributes, "annotator", annotator,
                              attributes, err);
}

/* ---- columns ---- */

static bool label_number(const char *text, double *number)
{
    char *end;

    *number = hone_strtod(text, &end);
    return end != text && !*end && isfinite(*number);
}

static int label_compare_names(const void *a, const void *b, void *arg)
{
    const hone_names *labels = arg;
    return strcmp(labels->texts[*(const int32_t *)a], labels->texts[*(const int32_t *)b]);
}

static int label_compare_numbers(const void *a, const void *b, void *arg)
{
    const hone_names *labels = arg;
    double x, y;

    label_number(labels->texts[*(const int32_t *)a], &x);
    label_number(labels->texts[*(const int32_t *)b], &y);
    return x < y ? -1 : x > y ? 1 : label_compare_names(a, b, arg);
}

static void judgement_rank(hone_judgements *j)
{
    bool numbers = true;
    double number;

    for (size_t i = 0; i < j->labels.count; i++) {
        j->ranked[i] = (int32_t)i;
        numbers = numbers && label_number(j->labels.texts[i], &number);
    }
    if (!j->labels_set && j->labels.count)
        qsort_r(j->ranked, j->labels.count, sizeof *j->ranked,
                numbers ? label_compare_numbers : label_compare_names, &j->labels);
    for (size_t i = 0; i < j->labels.count; i++)
        j->ranks[j->ranked[i]] = (int32_t)i;
}

/* Fill the columns, sorted by item and stable: a counting sort. The table is
 * const to those who look; what looking computes is a cache. */
const hone_judgements *hone_judgements_order_rows(const hone_judgements *constant)
{
    hone_judgements *j = (hone_judgements *)constant;
    size_t items = j->items.count;

    if (j->ordered || !j->count)
        return j;
    judgement_rank(j);
    memset(j->starts, 0, (items + 1) * sizeof *j->starts);
    for (size_t r = 0; r < j->count; r++)
        j->starts[j->rows[r].item + 1]++;
    for (size_t i = 0; i < items; i++)
        j->starts[i + 1] += j->starts[i];
    for (size_t r = 0; r < j->count; r++) {
        const struct judgement *row = &j->rows[r];
        size_t to = j->starts[row->item]++;
        j->item[to] = row->item;
        j->annotator[to] = row->annotator;
        j->label[to] = row->label < 0 ? -1 : j->ranks[row->label];
        j->value[to] = row->label < 0 || j->level == HONE_PAIR ? row->value : j->label[to];
        j->weight[to] = row->weight;
        j->time[to] = row->time;
        j->order[to] = row->order;
        if (j->level == HONE_PAIR) {
            j->left[to] = row->left;
            j->right[to] = row->right;
        } else if (j->level > HONE_PAIR) {
            j->at[to] = row->at;
        }
    }
    j->ordered = true;
    return j;
}

const int32_t *hone_judgements_item(const hone_judgements *j)
{
    return hone_judgements_order_rows(j)->item;
}

const int32_t *hone_judgements_annotator(const hone_judgements *j)
{
    return hone_judgements_order_rows(j)->annotator;
}

const int32_t *hone_judgements_label(const hone_judgements *j)
{
    return hone_judgements_order_rows(j)->label;
}

const double *hone_judgements_value(const hone_judgements *j)
{
    return hone_judgements_order_rows(j)->value;
}

const double *hone_judgements_weight(const hone_judgements *j)
{
    return j->has_weight ? hone_judgements_order_rows(j)->weight : NULL;
}

const double *hone_judgements_time(const hone_judgements *j)
{
    return j->has_time ? hone_judgements_order_rows(j)->time : NULL;
}

const int32_t *hone_judgements_order(const hone_judgements *j)
{
    return j->has_order ? hone_judgements_order_rows(j)->order : NULL;
}

/* ---- counts and names ---- */

hone_level hone_judgements_level(const hone_judgements *j)
{
    return j->level;
}

size_t hone_judgements_count(const hone_judgements *j)
{
    return j->count;
}

size_t hone_judgements_items(const hone_judgements *j)
{
    return j->items.count;
}

size_t hone_judgements_annotators(const hone_judgements *j)
{
    return j->annotators.count;
}

size_t hone_judgements_labels(const hone_judgements *j)
{
    return j->labels.count;
}

size_t hone_judgements_dropped(const hone_judgements *j)
{
    return j->dropped;
}

const char *hone_judgements_item_name(const hone_judgements *j, size_t item)
{
    return item < j->items.count ? j->items.texts[item] : NULL;
}

const char *hone_judgements_annotator_name(const hone_judgements *j, size_t annotator)
{
    return annotator < j->annotators.count ? j->annotators.texts[annotator] : NULL;
}

const char *hone_judgements_label_name(const hone_judgements *j, size_t label)
{
    if (label >= j->labels.count)
        return NULL;
    return j->labels.texts[j->count ? (size_t)hone_judgements_order_rows(j)->ranked[label] : label];
}

int64_t hone_judgements_find_item(const hone_judgements *j, const char *name)
{
    return hone_names_find(&j->items, name);
}

int64_t hone_judgements_find_annotator(const hone_judgements *j, const char *name)
{
    return hone_names_find(&j->annotators, name);
}

int64_t hone_judgements_find_label(const hone_judgements *j, const char *name)
{
    int64_t number = hone_names_find(&j->labels, name);
    return number < 0 || !j->count ? number : hone_judgements_order_rows(j)->ranks[number];
}

int64_t hone_judgements_find_option(const hone_judgements *j, const char *name)
{
    return hone_names_find(&j->options, name);
}

const hone_json *hone_judgements_item_attributes(const hone_judgements *j, size_t item)
{
    return item < j->items.count ? j->item_attributes[item] : NULL;
}

const hone_json *hone_judgements_annotator_attributes(const hone_judgements *j, size_t annotator)
{
    return annotator < j->annotators.count ? j->annotator_attributes[annotator] : NULL;
}
