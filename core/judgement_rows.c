/* judgement_rows.c -- judgements from rows of JSON (see <hone/judgement.h>). */
#include "judgement.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for a number as text. */
struct cell {
    char buf[HONE_REAL_MAX];
};

/* Text of a value that can name something; NULL for what cannot. */
static const char *cell_text(const json_t *value, struct cell *cell)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value)) {
        hone_print(cell->buf, sizeof cell->buf, "%" JSON_INTEGER_FORMAT,
                   json_integer_value(value));
        return cell->buf;
    }
    return json_is_real(value) ? hone_print_real(cell->buf, json_real_value(value)) : NULL;
}

static const json_t *cell_get(const json_t *row, const char *column)
{
    const json_t *value = column ? json_object_get(row, column) : NULL;
    return json_is_null(value) ? NULL : value;
}

static int cell_name(const char **out, const json_t *row, const char *column, struct cell *cell,
                     hone_error *err)
{
    const json_t *value = cell_get(row, column);

    if (!value)
        return hone_fail(err, HONE_EINVAL, "column '%s' is empty", column);
    *out = cell_text(value, cell);
    if (!*out)
        return hone_fail(err, HONE_EINVAL, "column '%s' is %s; a text or a number is needed",
                         column, hone_json_type(value));
    return HONE_OK;
}

static int cell_label(const char **out, const json_t *row, const char *column, struct cell *cell,
                      hone_error *err)
{
    const json_t *value = cell_get(row, column);

    if (!json_is_boolean(value))
        return cell_name(out, row, column, cell, err);
    *out = json_is_true(value) ? "true" : "false";
    return HONE_OK;
}

static int cell_number(double *out, const json_t *row, const char *column, hone_error *err)
{
    const json_t *value = cell_get(row, column);
    const char *text = json_string_value(value);
    char *end = NULL;

    if (!value)
        return hone_fail(err, HONE_EINVAL, "column '%s' is empty", column);
    *out = json_number_value(value);
    if (text) {
        *out = hone_strtod(text, &end);
        if (end == text || *end)
            return hone_fail(err, HONE_EINVAL, "column '%s' is '%.80s', not a number", column,
                             text);
    } else if (!json_is_number(value)) {
        return hone_fail(err, HONE_EINVAL, "column '%s' is %s, not a number", column,
                         hone_json_type(value));
    }
    if (!isfinite(*out))
        return hone_fail(err, HONE_EINVAL, "column '%s' is '%.80s', not a finite number", column,
                         text ? text : "");
    return HONE_OK;
}

/* A number that may be absent: *out keeps what it was. */
static int cell_optional(double *out, bool *any, const json_t *row, const char *column,
                         hone_error *err)
{
    if (!cell_get(row, column))
        return HONE_OK;
    *any = true;
    int code = cell_number(out, row, column, err);
    if (!code && *out < 0)
        code = hone_fail(err, HONE_EINVAL, "column '%s' is %g; it must be at least 0", column,
                         *out);
    return code;
}

static int rows_add(hone_judgements *j, const json_t *row, const hone_judgement_columns *columns,
                    hone_error *err)
{
    struct judgement judgement = { .weight = 1, .time = NAN };
    struct cell cells[3];
    const char *item = NULL, *annotator = NULL, *label = NULL;
    double order = 0;
    int code;

    if (!json_is_object(row))
        return hone_fail(err, HONE_EINVAL, "the row is %s; an object is needed",
                         hone_json_type(row));
    code = cell_name(&item, row, columns->item, &cells[0], err);
    if (!code)
        code = cell_name(&annotator, row, columns->annotator, &cells[1], err);
    if (!code)
        code = j->level == HONE_NOMINAL || j->level == HONE_ORDINAL
                   ? cell_label(&label, row, columns->value, &cells[2], err)
                   : cell_number(&judgement.value, row, columns->value, err);
    if (!code)
        code = cell_optional(&judgement.weight, &j->has_weight, row, columns->weight, err);
    if (!code)
        code = cell_optional(&judgement.time, &j->has_time, row, columns->time, err);
    if (!code)
        code = cell_optional(&order, &j->has_order, row, columns->order, err);
    if (!code && order != 0 && order != 1 && order != 2)
        code = hone_fail(err, HONE_EINVAL, "column '%s' is %g; it must be 1 or 2",
                         columns->order, order);
    if (code)
        return code;
    judgement.order = (int32_t)order;
    return hone_judgements_put(j, item, annotator, label, judgement, err);
}

/* ---- duplicates ---- */

enum { DUPLICATES_ERROR, DUPLICATES_LATEST, DUPLICATES_FIRST, DUPLICATES_BOTH };

static int duplicates_parse(int *out, const char *word, hone_error *err)
{
    static const char *const words[] = { "error", "latest", "first", "both" };

    for (*out = 0; *out < 4; ++*out)
        if (strcmp(word ? word : "error", words[*out]) == 0)
            return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "duplicates is '%s'; it must be error, latest, first or "
                     "both", word);
}

struct place {
    int32_t item, annotator;
    size_t row;
};

static int place_compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->annotator != y->annotator)
        return x->annotator < y->annotator ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Whether row b takes the place of row a, added before it. */
static bool duplicates_later(const hone_judgements *j, size_t a, size_t b, int policy)
{
    double before = j->rows[a].time, after = j->rows[b].time;

    if (policy == DUPLICATES_FIRST)
        return false;
    return !(after < before); /* NaN, no time: the later row */
}

static int duplicates_resolve(hone_judgements *j, int policy, hone_error *err)
{
    struct place *places;
    size_t kept = 0;
    int code = HONE_OK;

    if (policy == DUPLICATES_BOTH || j->count < 2)
        return HONE_OK;
    places = hone_alloc(j->count, sizeof *places);
    if (!places)
        return hone_fail_memory(err, "judgements");
    for (size_t r = 0; r < j->count; r++)
        places[r] = (struct place){ j->rows[r].item, j->rows[r].annotator, r };
    qsort(places, j->count, sizeof *places, place_compare);
    for (size_t p = 0, best = 0; p + 1 < j->count; p++) {
        const struct place *a = &places[p], *b = &places[p + 1];
        if (p == 0 || a[-1].item != a->item || a[-1].annotator != a->annotator)
            best = a->row;
        if (a->item != b->item || a->annotator != b->annotator)
            continue;
        if (policy == DUPLICATES_ERROR) {
            code = hone_fail(err, HONE_EINVAL, "rows %zu and %zu: annotator '%s' judged item "
                             "'%s' twice; say which counts with duplicates = latest, first or "
                             "both", a->row + 1, b->row + 1, j->annotators.texts[a->annotator],
                             j->items.texts[a->item]);
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

int hone_judgements_from_rows(hone_judgements **out, const hone_json *rows,
                              const hone_judgement_columns *columns, const char *duplicates,
                              hone_error *err)
{
    hone_judgements *j = NULL;
    int policy, code = duplicates_parse(&policy, duplicates, err);

    *out = NULL;
    if (code)
        return code;
    if (!columns->item || !columns->annotator || !columns->value)
        return hone_fail(err, HONE_EINVAL, "columns: item, annotator and value are needed");
    if (!json_is_array(rows))
        return hone_fail(err, HONE_EINVAL, "judgements are %s; a list of objects is needed",
                         hone_json_type(rows));
    code = hone_judgements_new(&j, columns->level, err);
    for (size_t i = 0; i < json_array_size(rows) && !code; i++) {
        code = rows_add(j, json_array_get(rows, i), columns, err);
        if (code)
            hone_fail_in(err, "row %zu", i + 1);
    }
    if (!code)
        code = duplicates_resolve(j, policy, err);
    if (code) {
        hone_judgements_free(j);
        return code;
    }
    *out = j;
    return HONE_OK;
}
