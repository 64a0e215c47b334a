/* judgement_cells.c -- see judgement_cells.h. */
#include "judgement_cells.h"

#include <math.h>
#include <string.h>

/* ---- the map ---- */

int hone_cells_columns(const char *names[CELLS], const hone_judgement_columns *c, hone_error *err)
{
    static const char *const needs[] = {
        [HONE_NOMINAL] = "value", [HONE_ORDINAL] = "value", [HONE_INTERVAL] = "value",
        [HONE_RATIO] = "value", [HONE_PAIR] = "value, left and right",
        [HONE_RANKING] = "ranking", [HONE_REGION] = "value and region",
    };
    bool pair = c->level == HONE_PAIR, ranking = c->level == HONE_RANKING;
    bool region = c->level == HONE_REGION;

    if (!hone_level_name(c->level))
        return hone_fail(err, HONE_EINVAL, "level %d is none", (int)c->level);
    names[CELL_ITEM] = c->item;
    names[CELL_ANNOTATOR] = c->annotator;
    names[CELL_VALUE] = ranking ? NULL : c->value;
    names[CELL_WEIGHT] = c->weight;
    names[CELL_TIME] = c->time;
    names[CELL_ORDER] = c->order;
    names[CELL_LEFT] = pair ? c->left : NULL;
    names[CELL_RIGHT] = pair ? c->right : NULL;
    names[CELL_STRENGTH] = pair ? c->strength : NULL;
    names[CELL_RANKING] = ranking ? c->ranking : NULL;
    names[CELL_REGION] = region ? c->region : NULL;
    if ((!c->item && !pair) || !c->annotator || (!c->value && !ranking) ||
        (pair && (!c->left || !c->right)) || (ranking && !c->ranking) || (region && !c->region))
        return hone_fail(err, HONE_EINVAL, "columns: %sannotator, %s are needed",
                         pair ? "" : "item, ", needs[c->level]);
    return HONE_OK;
}

int hone_cells_table(hone_judgements **out, const hone_judgement_columns *columns,
                     hone_error *err)
{
    size_t count = 0;
    int code = hone_judgements_new(out, columns->level, err);

    while (columns->labels && columns->labels[count])
        count++;
    if (!code && count > 4 && columns->level == HONE_PAIR)
        code = hone_fail(err, HONE_EINVAL, "%zu labels for pairs; they have 4: left, right, tie, "
                         "bad", count);
    if (!code && count && columns->level != HONE_PAIR)
        code = hone_judgements_set_labels(*out, columns->labels, count, err);
    if (!code && columns->ranged)
        code = hone_judgements_set_range(*out, columns->low, columns->high, err);
    if (code) {
        hone_judgements_free(*out);
        *out = NULL;
    }
    return code;
}

void hone_cells_of(struct cell cells[CELLS], const json_t *row, const char *const names[CELLS])
{
    for (int i = 0; i < CELLS; i++) {
        const json_t *value = names[i] ? json_object_get(row, names[i]) : NULL;
        cells[i].json = json_is_null(value) ? NULL : value;
        cells[i].text = json_string_value(cells[i].json);
    }
}

/* ---- cells ---- */

static bool cell_absent(const struct cell *cell)
{
    return !cell->json && !cell->text;
}

/* Text of what can name something: a text or a number. */
static int cell_name(const char **out, struct cell *cell, const char *column, hone_error *err)
{
    *out = cell->text;
    if (*out)
        return HONE_OK;
    if (!cell->json)
        return hone_fail(err, HONE_EINVAL, "column '%s' is empty", column);
    if (!json_is_number(cell->json))
        return hone_fail(err, HONE_EINVAL, "column '%s' is %s; a text or a number is needed",
                         column, hone_json_type(cell->json));
    *out = cell->number;
    if (json_is_integer(cell->json))
        hone_print(cell->number, sizeof cell->number, "%" JSON_INTEGER_FORMAT,
                   json_integer_value(cell->json));
    else
        hone_print_real(cell->number, json_real_value(cell->json));
    return HONE_OK;
}

static int cell_label(const char **out, struct cell *cell, const char *column, hone_error *err)
{
    if (!json_is_boolean(cell->json))
        return cell_name(out, cell, column, err);
    *out = json_is_true(cell->json) ? "true" : "false";
    return HONE_OK;
}

/* Digits without more are read here: the locale makes strtod slow to reach. */
static bool cell_digits(const char *text, double *out)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; i < 15 && text[i] >= '0' && text[i] <= '9'; i++)
        n = 10 * n + (uint64_t)(text[i] - '0');
    *out = (double)n;
    return i > 0 && !text[i];
}

static int cell_number(double *out, const struct cell *cell, const char *column, hone_error *err)
{
    const char *text = cell->text;
    char *end = NULL;

    if (cell_absent(cell))
        return hone_fail(err, HONE_EINVAL, "column '%s' is empty", column);
    if (text && cell_digits(text, out))
        return HONE_OK;
    *out = json_number_value(cell->json);
    if (text) {
        *out = hone_strtod(text, &end);
        if (end == text || *end)
            return hone_fail(err, HONE_EINVAL, "column '%s' is '%.80s', not a number", column,
                             text);
    } else if (!json_is_number(cell->json)) {
        return hone_fail(err, HONE_EINVAL, "column '%s' is %s, not a number", column,
                         hone_json_type(cell->json));
    }
    if (!isfinite(*out))
        return hone_fail(err, HONE_EINVAL, "column '%s' is '%.80s', not a finite number", column,
                         text ? text : "");
    return HONE_OK;
}

/* A number that may be absent: *out keeps what it was. */
static int cell_optional(double *out, bool *any, const struct cell *cell, const char *column,
                         hone_error *err)
{
    int code;

    if (cell_absent(cell))
        return HONE_OK;
    code = cell_number(out, cell, column, err);
    if (!code && *out < 0)
        code = hone_fail(err, HONE_EINVAL, "column '%s' is %g; it must be at least 0", column,
                         *out);
    *any = true;
    return code;
}

/* A list, also as JSON text. *owned: to be freed. */
static int cell_list(const json_t **out, json_t **owned, const struct cell *cell,
                     const char *column, hone_error *err)
{
    *out = cell->json;
    *owned = NULL;
    if (cell_absent(cell))
        return hone_fail(err, HONE_EINVAL, "column '%s' is empty", column);
    if (cell->text) {
        int code = hone_json_parse(owned, cell->text, strlen(cell->text), column, err);
        if (code)
            return code;
        *out = *owned;
    }
    if (json_is_array(*out))
        return HONE_OK;
    json_decref(*owned);
    *owned = NULL;
    return hone_fail(err, HONE_EINVAL, "column '%s' is %s; a list is needed", column,
                     hone_json_type(cell->json));
}

/* ---- levels ---- */

struct judged {
    hone_judgements *table;
    const hone_judgement_columns *columns;
    const char *const *names;
    struct cell *cells;
    const char *item, *annotator;
    struct judgement row;
};

static int judged_pair(struct judged *x, hone_error *err)
{
    const char *left = NULL, *right = NULL, *word = NULL;
    bool any;
    int code = cell_name(&left, &x->cells[CELL_LEFT], x->names[CELL_LEFT], err);

    if (!code)
        code = cell_name(&right, &x->cells[CELL_RIGHT], x->names[CELL_RIGHT], err);
    if (!code)
        code = cell_label(&word, &x->cells[CELL_VALUE], x->names[CELL_VALUE], err);
    x->row.value = 1;
    if (!code)
        code = cell_optional(&x->row.value, &any, &x->cells[CELL_STRENGTH],
                             x->names[CELL_STRENGTH], err);
    if (code)
        return code;
    if (x->columns->labels) {
        static const char *const outcomes[] = { "left", "right", "tie", "bad" };
        char known[256] = "";
        size_t i = 0, used = 0;
        for (; x->columns->labels[i] && strcmp(x->columns->labels[i], word) != 0; i++)
            used += (size_t)hone_print(known + used, sizeof known - used, "%s%.40s",
                                       i ? ", " : "", x->columns->labels[i]);
        if (!x->columns->labels[i])
            return hone_fail(err, HONE_EINVAL, "label '%.80s' is none of %s", word, known);
        word = outcomes[i];
    }
    return hone_judgements_put_pair(x->table, x->item, x->annotator, left, right, word, x->row,
                                    err);
}

/* One place of a ranking: an option, or a list of tied ones. */
static int ranking_place(const char **options, int32_t *ranks, struct cell *cells, size_t room,
                         size_t *count, const json_t *place, int32_t rank, const char *column,
                         hone_error *err)
{
    size_t n = json_is_array(place) ? json_array_size(place) : 1;

    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(place) ? json_array_get(place, i) : place;
        int code;

        if (*count >= room)
            return hone_fail(err, HONE_EINVAL, "column '%s' ranks more than %zu options", column,
                             room);
        cells[*count].json = one;
        cells[*count].text = json_string_value(one);
        code = cell_name(&options[*count], &cells[*count], column, err);
        if (code)
            return code;
        ranks[(*count)++] = rank;
    }
    return HONE_OK;
}

static size_t ranking_size(const json_t *list)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *place = json_array_get(list, i);
        n += json_is_array(place) ? json_array_size(place) : 1;
    }
    return n;
}

static int judged_ranking(struct judged *x, hone_error *err)
{
    const char *column = x->names[CELL_RANKING], **options = NULL;
    size_t room, count = 0;
    int32_t *ranks = NULL;
    struct cell *cells = NULL;
    const json_t *list;
    json_t *owned;
    int code = cell_list(&list, &owned, &x->cells[CELL_RANKING], column, err);

    if (code)
        return code;
    room = ranking_size(list);
    options = hone_alloc(room + 1, sizeof *options);
    ranks = hone_alloc(room + 1, sizeof *ranks);
    cells = hone_alloc(room + 1, sizeof *cells);
    if (!options || !ranks || !cells)
        code = hone_fail_memory(err, "a ranking");
    for (size_t i = 0; i < json_array_size(list) && !code; i++)
        code = ranking_place(options, ranks, cells, room, &count, json_array_get(list, i),
                             (int32_t)count + 1, column, err);
    if (!code)
        code = hone_judgements_put_ranking(x->table, x->item, x->annotator, options, ranks, count,
                                           x->row, err);
    hone_free(options);
    hone_free(ranks);
    hone_free(cells);
    json_decref(owned);
    return code;
}

static int judged_region(struct judged *x, hone_error *err)
{
    const char *column = x->names[CELL_REGION], *label = NULL;
    double numbers[4] = { 0 };
    const json_t *list;
    json_t *owned;
    int code = cell_list(&list, &owned, &x->cells[CELL_REGION], column, err);
    size_t count = code ? 0 : json_array_size(list);

    if (code)
        return code;
    code = cell_label(&label, &x->cells[CELL_VALUE], x->names[CELL_VALUE], err);
    for (size_t i = 0; i < count && i < 4 && !code; i++) {
        struct cell cell = { .json = json_array_get(list, i) };
        code = cell_number(&numbers[i], &cell, column, err);
    }
    if (!code)
        code = hone_judgements_put_region(x->table, x->item, x->annotator, label, numbers, count,
                                          x->row, err);
    json_decref(owned);
    return code;
}

static int judged_value(struct judged *x, hone_error *err)
{
    struct cell *cell = &x->cells[CELL_VALUE];
    const char *label = NULL, *column = x->names[CELL_VALUE];
    int code = x->table->level < HONE_INTERVAL ? cell_label(&label, cell, column, err)
                                               : cell_number(&x->row.value, cell, column, err);

    return code ? code : hone_judgements_put(x->table, x->item, x->annotator, label, x->row, err);
}

static int judged_more(struct judged *x, hone_error *err)
{
    hone_judgements *j = x->table;
    double order = 0;
    int code = cell_optional(&x->row.weight, &j->has_weight, &x->cells[CELL_WEIGHT],
                             x->names[CELL_WEIGHT], err);

    if (!code)
        code = cell_optional(&x->row.time, &j->has_time, &x->cells[CELL_TIME],
                             x->names[CELL_TIME], err);
    if (!code)
        code = cell_optional(&order, &j->has_order, &x->cells[CELL_ORDER], x->names[CELL_ORDER],
                             err);
    if (!code && order != 0 && order != 1 && order != 2)
        code = hone_fail(err, HONE_EINVAL, "column '%s' is %g; it must be 1 or 2",
                         x->names[CELL_ORDER], order);
    x->row.order = (int32_t)order;
    return code;
}

int hone_cells_add(hone_judgements *j, const hone_judgement_columns *columns,
                   const char *const names[CELLS], struct cell cells[CELLS], hone_error *err)
{
    struct judged x = { j, columns, names, cells, NULL, NULL, { .weight = 1, .time = NAN } };
    int code = HONE_OK;

    if (names[CELL_ITEM])
        code = cell_name(&x.item, &cells[CELL_ITEM], names[CELL_ITEM], err);
    if (!code)
        code = cell_name(&x.annotator, &cells[CELL_ANNOTATOR], names[CELL_ANNOTATOR], err);
    if (!code)
        code = judged_more(&x, err);
    if (code)
        return code;
    switch (j->level) {
    case HONE_PAIR: return judged_pair(&x, err);
    case HONE_RANKING: return judged_ranking(&x, err);
    case HONE_REGION: return judged_region(&x, err);
    default: return judged_value(&x, err);
    }
}
