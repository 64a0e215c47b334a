/* data.h -- what the core knows of a dataset (see <hone/data.h>).
 *
 * Files of this folder: data (rows and their life), load (a file's kind, its
 * options), reader (bytes and lines, plain or .gz), jsonl, csv, text (formats
 * of files), format (formats of rows, as parts), normal (what counts as equal),
 * clean, split, render (parts to spans), encode (spans to tokens), plan. */
#ifndef CORE_DATA_DATA_H
#define CORE_DATA_DATA_H

#include <hone/data.h>
#include <jansson.h>
#include <stdatomic.h>

typedef struct data_row {
    json_t *json;         /* an object, referenced */
    uint64_t line;        /* of the file, or the row's number, from 1 */
    uint8_t digest[32];   /* SHA-256 of its compact JSON */
} data_row;

struct hone_data {
    atomic_int refs;
    hone_context *context;
    char *name;
    data_row *rows;
    size_t count, capacity;
    char hash[65];
    /* Rows that loading left out for invalid UTF-8, and the lines of the first. */
    size_t invalid;
    uint64_t invalid_lines[5];
};

#define DATA_EXAMPLES 5   /* named in a report, for each reason */

int data_create(hone_data **out, hone_context *context, const char *name, hone_error *err);
/* Append a row; takes the reference to json, also when it fails. */
int data_append(hone_data *data, json_t *json, uint64_t line, hone_error *err);
/* To be called when all rows are there: the hash. */
void data_finish(hone_data *data);
/* Put "name:line: " of row i before err's message. */
void data_fail_in(const hone_data *data, size_t i, hone_error *err);
/* "a, b, c": the columns of a row, shortened to fit. */
const char *data_columns(const json_t *row, char *buf, size_t n);

#endif
