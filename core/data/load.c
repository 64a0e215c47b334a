/* load.c -- a dataset from a file: its kind by its name, options, columns. */
#include "load.h"

#include <string.h>

static const char *const units[] = { "paragraph", "line", "file", NULL };
static const char *const invalid[] = { "error", "drop", NULL };

struct load_options {
    const char *columns;
    int64_t unit, limit, utf8;
};

/* `columns` is here to be known by name: an object of the user's own keys is no
 * type of option, and load_options_read takes it out. */
static const hone_option options_table[] = {
    HONE_OPT_STRING(struct load_options, columns, "columns", NULL, "columns to rename"),
    HONE_OPT_CHOICE(struct load_options, unit, "unit", "paragraph", units, "what a row of text is"),
    HONE_OPT_INT(struct load_options, limit, "limit", HONE_UNSET_INT, 1, INT64_MAX, "rows at most"),
    HONE_OPT_CHOICE(struct load_options, utf8, "utf8", "error", invalid,
                    "what invalid UTF-8 does to a row"),
    HONE_OPT_END
};

static const load_kind kinds[] = {
    { ".jsonl", data_read_jsonl, 0 }, { ".ndjson", data_read_jsonl, 0 },
    { ".json", data_read_json, 0 },   { ".csv", data_read_csv, ',' },
    { ".tsv", data_read_csv, '\t' },  { ".txt", data_read_text, 0 },
};

const load_kind *data_load_kind(const char *path)
{
    size_t n = strlen(path);

    if (n > 3 && strcmp(path + n - 3, ".gz") == 0)
        n -= 3;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t m = strlen(kinds[i].ending);
        if (n > m && memcmp(path + n - m, kinds[i].ending, m) == 0)
            return &kinds[i];
    }
    return NULL;
}

static int load_options_read(data_load *load, hone_context *context, const hone_json *json,
                             hone_error *err)
{
    struct load_options options = { 0 };
    json_t *rest = NULL;
    const char *key;
    json_t *value;
    int code;

    load->columns = hone_json_get(json, "columns");
    if (load->columns && !json_is_object(load->columns))
        return hone_fail(err, HONE_EINVAL, "columns: a table { new = \"old\" } expected, got %s",
                         hone_json_type(load->columns));
    json_object_foreach((json_t *)load->columns, key, value)
        if (!json_is_string(value))
            return hone_fail(err, HONE_EINVAL, "columns.%s: a column's name expected, got %s", key,
                             hone_json_type(value));
    if (json_is_object(json)) {
        if (!(rest = hone_json_copy(json, false)))
            return hone_fail_memory(err, "options");
        json_object_del(rest, "columns");
    }
    code = hone_options_parse(options_table, &options, context, rest ? rest : json, "data", NULL,
                              err);
    json_decref(rest);
    if (code)
        return code;
    load->unit = options.unit;
    load->limit = options.limit;
    load->drop_invalid = options.utf8 == 1;
    hone_options_free(options_table, &options);
    load->renamed = hone_alloc(json_object_size(load->columns) + 1, sizeof *load->renamed);
    return load->renamed ? HONE_OK : hone_fail_memory(err, "column names");
}

bool data_load_full(const data_load *load)
{
    return load->limit != HONE_UNSET_INT && load->data->count >= (uint64_t)load->limit;
}

int data_load_text(data_load *load, const char *text, size_t n, uint64_t line, bool *skip,
                   hone_error *err)
{
    size_t at = data_utf8(text, n);
    hone_data *data = load->data;

    *skip = at < n;
    if (at == n)
        return HONE_OK;
    if (!load->drop_invalid)
        return data_reader_fail(&load->reader, line, err,
                                "invalid UTF-8 at byte %zu of the row (utf8 = \"drop\" leaves such "
                                "rows out)", at + 1);
    if (data->invalid < DATA_EXAMPLES)
        data->invalid_lines[data->invalid] = line;
    data->invalid++;
    return HONE_OK;
}

/* Old values first, so that columns may change places. */
static int load_rename(const data_load *load, json_t *row, hone_error *err)
{
    const char *key;
    json_t *old, *moved = json_object();
    size_t i = 0;
    int failed = !moved;

    json_object_foreach((json_t *)load->columns, key, old) {
        json_t *value = json_object_get(row, json_string_value(old));
        if (value) {
            load->renamed[i] = true;
            failed |= json_object_set(moved, key, value);
        }
        i++;
    }
    json_object_foreach((json_t *)load->columns, key, old)
        json_object_del(row, json_string_value(old));
    failed |= json_object_update(row, moved);
    json_decref(moved);
    return failed ? hone_fail_memory(err, "a row") : HONE_OK;
}

int data_load_row(data_load *load, json_t *json, uint64_t line, hone_error *err)
{
    int code = HONE_OK;

    if (load->take)
        return load->take(load, json, line, err);
    if (!json_is_object(json))
        code = data_reader_fail(&load->reader, line, err, "an object expected, got %s",
                                hone_json_type(json));
    else if (json_object_size(load->columns))
        code = load_rename(load, json, err);
    if (code) {
        json_decref(json);
        return code;
    }
    if (load->data->count % 1024 == 0 && load->data->context &&
        hone_context_interrupted(load->data->context)) {
        json_decref(json);
        return hone_fail(err, HONE_EINTERRUPTED, "%s: interrupted at line %" PRIu64,
                         load->reader.path, line);
    }
    return data_append(load->data, json, line, err);
}

static int load_check(const data_load *load, hone_error *err)
{
    const hone_data *data = load->data;
    char columns[256];
    const char *key;
    json_t *old;
    size_t i = 0;

    if (!data->count)
        return data->invalid
                   ? hone_fail(err, HONE_EFORMAT, "%s: no rows but %zu of invalid UTF-8",
                               data->name, data->invalid)
                   : hone_fail(err, HONE_EFORMAT, "%s: no rows", data->name);
    json_object_foreach((json_t *)load->columns, key, old)
        if (!load->renamed[i++])
            return hone_fail(err, HONE_ENOTFOUND, "%s: no column '%s' (columns: %s)", data->name,
                             json_string_value(old),
                             data_columns(data->rows[0].json, columns, sizeof columns));
    return HONE_OK;
}

int hone_data_load(hone_data **out, hone_context *context, const char *path,
                   const hone_json *options, hone_error *err)
{
    const load_kind *kind = data_load_kind(path);
    data_load load = { 0 };
    int code;

    *out = NULL;
    if (!kind)
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "%s: unknown kind of data; a name ends in .jsonl, .ndjson, .json, .csv, "
                         ".tsv or .txt, and .gz where compressed", path);
    if ((code = load_options_read(&load, context, options, err)) ||
        (code = data_create(&load.data, context, path, err)) ||
        (code = data_reader_open(&load.reader, path, err)))
        goto out;
    load.separator = kind->separator;
    if ((code = kind->read(&load, err)) || (code = load_check(&load, err)))
        goto out;
    if (load.data->invalid)
        hone_log(context, HONE_LOG_WARN, "%s: %zu row%s left out for invalid UTF-8, first line %"
                 PRIu64, path, load.data->invalid, load.data->invalid == 1 ? "" : "s",
                 load.data->invalid_lines[0]);
    data_finish(load.data);
    *out = load.data;
    load.data = NULL;
out:
    data_reader_close(&load.reader);
    hone_data_free(load.data);
    hone_free(load.renamed);
    return code;
}
