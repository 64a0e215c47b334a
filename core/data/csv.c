/* csv.c -- CSV and TSV with a header line: RFC 4180.
 *
 * A field in quotes may hold separators, line ends and doubled quotes; a quote
 * inside a field that did not begin with one stands for itself. All values are
 * texts: "007" and "1e5" stay what they are. A column without a name is called
 * column_N, a second one of a name `name`_2. Blank lines are no rows. */
#include "csv.h"
#include "load.h"

#include <stdio.h>
#include <string.h>

#define CSV_FIELDS 65536

static int csv_field_end(csv *c, hone_error *err)
{
    int code;

    if (c->count == CSV_FIELDS)
        return data_reader_fail(c->reader, c->line, err, "more than %d fields", CSV_FIELDS);
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 16;
        size_t *ends = hone_realloc(c->ends, capacity, sizeof *ends);
        if (!ends)
            return hone_fail_memory(err, "the fields of a record");
        c->ends = ends;
        c->capacity = capacity;
    }
    c->ends[c->count] = c->text.count;
    if ((code = data_reader_push(c->reader, &c->text, "", 1, c->line, err)))
        return code;
    c->count++;
    return HONE_OK;
}

/* A NUL would end the field for whoever reads it as a C string. */
static int csv_add(csv *c, char byte, hone_error *err)
{
    if (!byte)
        return data_reader_fail(c->reader, c->reader->line, err, "a zero byte in text");
    return data_reader_push(c->reader, &c->text, &byte, 1, c->line, err);
}

typedef enum csv_state { CSV_START, CSV_PLAIN, CSV_QUOTED, CSV_CLOSED } csv_state;

/* Take one byte. *done: it ended the record. */
static int csv_byte(csv *c, csv_state *state, char byte, bool *done, hone_error *err)
{
    if (*state == CSV_QUOTED) {
        if (byte != '"')
            return csv_add(c, byte, err);
        *state = CSV_CLOSED;
        return HONE_OK;
    }
    if (byte == c->separator || byte == '\n') {
        if (byte == '\n' && *state == CSV_PLAIN && c->text.bytes[c->text.count - 1] == '\r')
            c->text.count--;
        *done = byte == '\n';
        *state = CSV_START;
        return csv_field_end(c, err);
    }
    if (*state == CSV_CLOSED) {
        if (byte == '\r')
            return HONE_OK;
        if (byte != '"')
            return data_reader_fail(c->reader, c->reader->line, err,
                                    "field %zu: text after its closing quote", c->count + 1);
        *state = CSV_QUOTED;
        return csv_add(c, byte, err);
    }
    if (*state == CSV_START && byte == '"') {
        *state = CSV_QUOTED;
        c->quoted = true;
        return HONE_OK;
    }
    *state = CSV_PLAIN;
    return csv_add(c, byte, err);
}

static int csv_record(csv *c, bool *more, hone_error *err)
{
    data_reader *r = c->reader;
    csv_state state = CSV_START;
    bool some, done = false;
    int code;

    c->text.count = c->count = 0;
    c->line = r->line;
    c->quoted = *more = false;
    while (!done && !(code = data_reader_fill(r, &some, err)) && some) {
        char byte = (char)r->buffer[r->at++];
        *more = true;
        if ((code = csv_byte(c, &state, byte, &done, err)))
            return code;
        r->line += byte == '\n';
        if (done && c->count == 1 && c->ends[0] == 0 && !c->quoted) {
            c->text.count = c->count = 0;
            c->line = r->line;
            *more = done = false;
        }
    }
    if (done || code || !*more)
        return done ? HONE_OK : code;
    if (state == CSV_QUOTED)
        return data_reader_fail(r, c->line, err, "field %zu: its quote is never closed",
                                c->count + 1);
    return csv_field_end(c, err);
}

const char *csv_field(const csv *c, size_t i)
{
    return c->text.bytes + (i ? c->ends[i - 1] + 1 : 0);
}

/* The name of column i, other than those before it. */
static char *csv_name(const csv *c, size_t i, json_t *taken)
{
    const char *field = csv_field(c, i);
    char *name = *field ? hone_strdup(field) : hone_format("column_%zu", i + 1);

    for (size_t n = 2; name && json_object_get(taken, name); n++) {
        hone_free(name);
        name = hone_format("%s_%zu", field, n);
    }
    if (name && json_object_set_new_nocheck(taken, name, json_true())) {
        hone_free(name);
        name = NULL;
    }
    return name;
}

static int csv_header(csv *c, hone_error *err)
{
    json_t *taken;
    data_reader *r = c->reader;
    size_t bad = data_utf8(c->text.bytes, c->text.count);

    if (bad < c->text.count)
        return data_reader_fail(r, c->line, err, "invalid UTF-8 at byte %zu of the header",
                                bad + 1);
    if (!(c->names = hone_alloc(c->count, sizeof *c->names)))
        return hone_fail_memory(err, "column names");
    taken = json_object();
    for (c->columns = 0; taken && c->columns < c->count; c->columns++)
        if (!(c->names[c->columns] = csv_name(c, c->columns, taken)))
            break;
    json_decref(taken);
    return c->columns == c->count ? HONE_OK : hone_fail_memory(err, "column names");
}

int csv_open(csv *c, data_reader *reader, char separator, bool *more, hone_error *err)
{
    int code;

    *c = (csv){ .reader = reader, .separator = separator };
    if ((code = csv_record(c, more, err)) || !*more)
        return code;
    return csv_header(c, err);
}

void csv_close(csv *c)
{
    for (size_t i = 0; i < c->columns; i++)
        hone_free(c->names[i]);
    hone_free(c->names);
    hone_free(c->ends);
    hone_free(c->text.bytes);
    *c = (csv){ 0 };
}

int csv_next(csv *c, bool *more, hone_error *err)
{
    int code = csv_record(c, more, err);

    if (!code && *more && c->count != c->columns)
        return data_reader_fail(c->reader, c->line, err, "%zu fields; the header has %zu",
                                c->count, c->columns);
    return code;
}

/* ---- rows of a dataset ---- */

static int csv_row(csv *c, data_load *load, hone_error *err)
{
    json_t *row;
    bool skip;
    int code = data_load_text(load, c->text.bytes, c->text.count, c->line, &skip, err);

    if (code || skip)
        return code;
    if (!(row = json_object()))
        return hone_fail_memory(err, "a row");
    for (size_t i = 0; i < c->count; i++) {
        json_t *value = json_stringn_nocheck(csv_field(c, i), strlen(csv_field(c, i)));
        if (!value || json_object_set_new_nocheck(row, c->names[i], value)) {
            json_decref(row);
            return hone_fail_memory(err, "a row");
        }
    }
    return data_load_row(load, row, c->line, err);
}

int data_read_csv(data_load *load, hone_error *err)
{
    csv c;
    bool more;
    int code = csv_open(&c, &load->reader, load->separator, &more, err);

    while (!code && more && !data_load_full(load))
        if (!(code = csv_next(&c, &more, err)) && more)
            code = csv_row(&c, load, err);
    csv_close(&c);
    return code;
}
