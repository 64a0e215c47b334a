/* judgement_load.c -- judgements from a file, straight into columns.
 *
 * CSV and TSV records become cells without a JSON value between; rows of JSON
 * are dropped as soon as their judgement is added. What describes annotators
 * or items is kept once for each, from the first row that has it. */
#include "data/csv.h"
#include "data/load.h"
#include "judgement_cells.h"

#include <string.h>

struct description {
    const char *const *columns; /* ending with NULL, or NULL */
    size_t *fields;             /* where each is; of JSON: SIZE_MAX until one is seen */
    bool annotators;
};

struct loading {
    data_load load;             /* first: what rows of JSON are handed to */
    const hone_judgement_columns *columns;
    hone_judgements *table;
    const char *names[CELLS];
    size_t fields[CELLS];       /* of CSV: where each is; SIZE_MAX: nowhere */
    struct description described[2];
    uint64_t *lines;            /* [table->count], for messages */
    size_t room;
};

/* ---- descriptions ---- */

/* Whether an object's key has this value; *there: it has one. */
static bool description_equal(const json_t *object, const char *key, const json_t *value,
                              const char *text, bool *there)
{
    const json_t *known = json_object_get(object, key);

    *there = known != NULL;
    if (!known)
        return true;
    return text ? json_is_string(known) && strcmp(json_string_value(known), text) == 0
                : json_equal(known, value);
}

static int description_set(const hone_json **slot, const char *key, const json_t *value,
                           const char *text, hone_error *err)
{
    json_t *object = (json_t *)(uintptr_t)*slot;
    json_t *copy = text ? json_string(text) : json_incref((json_t *)(uintptr_t)value);

    if (!object)
        *slot = object = json_object();
    if (json_object_set_new(object, key, copy)) /* takes the copy; both may be NULL */
        return hone_fail_memory(err, "attributes");
    return HONE_OK;
}

/* One attribute of the judgement that was added last; null and "" say nothing. */
static int description_take(hone_judgements *j, bool annotators, const char *key,
                            const json_t *value, const char *text, hone_error *err)
{
    const struct judgement *row = &j->rows[j->count - 1];
    const hone_json **slot = annotators ? &j->annotator_attributes[row->annotator]
                                        : &j->item_attributes[row->item];
    bool there;

    if (text ? !*text : !value || json_is_null(value))
        return HONE_OK;
    if (!description_equal(*slot, key, value, text, &there)) {
        const char *name = annotators ? j->annotators.texts[row->annotator]
                                      : j->items.texts[row->item];
        const char *before = json_string_value(json_object_get(*slot, key));
        return hone_fail(err, HONE_EINVAL, "%s '%s' has another '%s' here than before%s%.40s%s",
                         annotators ? "annotator" : "item", name, key, before ? " ('" : "",
                         before ? before : "", before ? "')" : "");
    }
    return there ? HONE_OK : description_set(slot, key, value, text, err);
}

/* ---- rows ---- */

static int loading_line(struct loading *l, uint64_t line, hone_error *err)
{
    size_t at = l->table->count;

    if (at == l->room) {
        size_t room = 2 * l->room + 1024;
        if (!hone_judgements_resize(&l->lines, room, sizeof *l->lines))
            return hone_fail_memory(err, "line numbers");
        l->room = room;
    }
    l->lines[at] = line;
    return HONE_OK;
}

static int loading_json(data_load *load, json_t *row, uint64_t line, hone_error *err)
{
    struct loading *l = (struct loading *)load;
    struct cell cells[CELLS];
    int code = loading_line(l, line, err);

    if (!code && !json_is_object(row))
        code = hone_fail(err, HONE_EFORMAT, "an object expected, got %s", hone_json_type(row));
    if (!code) {
        hone_cells_of(cells, row, l->names);
        code = hone_cells_add(l->table, l->columns, l->names, cells, err);
    }
    for (int d = 0; d < 2 && !code; d++)
        for (size_t i = 0; l->described[d].columns && l->described[d].columns[i] && !code; i++) {
            const char *key = l->described[d].columns[i];
            const json_t *value = json_object_get(row, key);
            if (value)
                l->described[d].fields[i] = 0;
            code = description_take(l->table, l->described[d].annotators, key, value, NULL, err);
        }
    json_decref(row);
    return code ? hone_fail_in(err, "%s:%" PRIu64, load->reader.path, line) : HONE_OK;
}

static int loading_csv_row(struct loading *l, const csv *c, hone_error *err)
{
    struct cell cells[CELLS];
    size_t bad = data_utf8(c->text.bytes, c->text.count);
    int code = bad < c->text.count
                   ? hone_fail(err, HONE_EFORMAT, "invalid UTF-8 at byte %zu of the row", bad + 1)
                   : loading_line(l, c->line, err);

    for (int i = 0; i < CELLS; i++) {
        const char *text = l->fields[i] < c->count ? csv_field(c, l->fields[i]) : NULL;
        cells[i].json = NULL;
        cells[i].text = text && *text ? text : NULL;
    }
    if (!code)
        code = hone_cells_add(l->table, l->columns, l->names, cells, err);
    for (int d = 0; d < 2 && !code; d++)
        for (size_t i = 0; l->described[d].columns && l->described[d].columns[i] && !code; i++)
            code = description_take(l->table, l->described[d].annotators,
                                    l->described[d].columns[i], NULL,
                                    csv_field(c, l->described[d].fields[i]), err);
    return code ? hone_fail_in(err, "%s:%" PRIu64, c->reader->path, c->line) : HONE_OK;
}

static int loading_find(const csv *c, const char *name, size_t *field, hone_error *err)
{
    char known[256] = "";
    size_t used = 0;

    for (*field = 0; *field < c->columns; ++*field)
        if (strcmp(c->names[*field], name) == 0)
            return HONE_OK;
    for (size_t i = 0; i < c->columns && used < sizeof known - 1; i++) {
        int n = hone_print(known + used, sizeof known - used, "%s%s", i ? ", " : "", c->names[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return hone_fail(err, HONE_ENOTFOUND, "%s: no column '%s' (columns: %s)", c->reader->path,
                     name, known);
}

static int loading_fields(struct loading *l, const csv *c, hone_error *err)
{
    int code = HONE_OK;

    for (int i = 0; i < CELLS && !code; i++) {
        l->fields[i] = SIZE_MAX;
        if (l->names[i])
            code = loading_find(c, l->names[i], &l->fields[i], err);
    }
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; l->described[d].columns && l->described[d].columns[i] && !code; i++)
            code = loading_find(c, l->described[d].columns[i], &l->described[d].fields[i], err);
    return code;
}

static int loading_describe(struct description *what, hone_error *err)
{
    size_t count = 0;

    while (what->columns && what->columns[count])
        count++;
    what->fields = hone_alloc(count + 1, sizeof *what->fields);
    for (size_t i = 0; what->fields && i < count; i++)
        what->fields[i] = SIZE_MAX;
    return what->fields ? HONE_OK : hone_fail_memory(err, "columns");
}

/* A column that no row of JSON has is missing, as it would be in CSV. */
static int loading_seen(const struct loading *l, const struct description *what, hone_error *err)
{
    for (size_t i = 0; what->columns && what->columns[i]; i++)
        if (what->fields[i] == SIZE_MAX)
            return hone_fail(err, HONE_ENOTFOUND, "%s: no row has the column '%s'",
                             l->load.reader.path, what->columns[i]);
    return HONE_OK;
}

static int loading_csv(struct loading *l, char separator, hone_error *err)
{
    csv c;
    bool more;
    int code = csv_open(&c, &l->load.reader, separator, &more, err);

    if (!code && more)
        code = loading_fields(l, &c, err);
    while (!code && more)
        if (!(code = csv_next(&c, &more, err)) && more)
            code = loading_csv_row(l, &c, err);
    csv_close(&c);
    return code;
}

int hone_judgements_load(hone_judgements **out, const char *path,
                         const hone_judgement_columns *columns, const char *duplicates,
                         const char *const *attributes, const char *const *item_attributes,
                         hone_error *err)
{
    struct loading l = { .load = { .limit = HONE_UNSET_INT, .take = loading_json },
                         .columns = columns,
                         .described = { { .columns = attributes, .annotators = true },
                                        { .columns = item_attributes } } };
    const load_kind *kind = data_load_kind(path);
    int policy, code = hone_duplicates_parse(&policy, duplicates, err);

    *out = NULL;
    if (code)
        return code;
    if (!kind || kind->read == data_read_text)
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "%s: unknown kind of judgements; a name ends in .jsonl, .ndjson, .json, "
                         ".csv or .tsv, and .gz where compressed", path);
    if ((code = hone_cells_columns(l.names, columns, err)) ||
        (code = hone_cells_table(&l.table, columns, err)) ||
        (code = loading_describe(&l.described[0], err)) ||
        (code = loading_describe(&l.described[1], err)) ||
        (code = data_reader_open(&l.load.reader, path, err)))
        goto out;
    code = kind->separator ? loading_csv(&l, kind->separator, err) : kind->read(&l.load, err);
    if (!code && !l.table->count)
        code = hone_fail(err, HONE_EFORMAT, "%s: no rows", path);
    for (int d = 0; d < 2 && !code; d++)
        code = loading_seen(&l, &l.described[d], err);
    if (!code)
        code = hone_duplicates_resolve(l.table, policy, l.lines, path, err);
    if (code)
        goto out;
    *out = l.table;
    l.table = NULL;
out:
    data_reader_close(&l.load.reader);
    hone_judgements_free(l.table);
    hone_free(l.described[0].fields);
    hone_free(l.described[1].fields);
    hone_free(l.lines);
    return code;
}
