/* load.h -- what a file's reader hands its rows to. */
#ifndef CORE_DATA_LOAD_H
#define CORE_DATA_LOAD_H

#include "data.h"
#include "reader.h"

enum { LOAD_PARAGRAPH, LOAD_LINE, LOAD_FILE };

typedef struct data_load {
    hone_data *data;
    data_reader reader;
    const json_t *columns;   /* new name: old name; NULL: none */
    bool *renamed;           /* [columns]: seen in some row */
    int64_t unit, limit;     /* of text; rows, HONE_UNSET_INT: all */
    bool drop_invalid;
    char separator;          /* of CSV */
    /* Takes rows in place of `data`, and the reference to each; NULL: data does. */
    int (*take)(struct data_load *load, json_t *json, uint64_t line, hone_error *err);
} data_load;

/* What a file holds, by the ending of its name (before .gz). */
typedef struct load_kind {
    const char *ending;
    int (*read)(data_load *load, hone_error *err);
    char separator;          /* of CSV and TSV, else 0 */
} load_kind;
/* NULL: unknown. */
const load_kind *data_load_kind(const char *path);

/* Append a row; takes the reference to json, also when it fails. */
int data_load_row(data_load *load, json_t *json, uint64_t line, hone_error *err);
/* Whether the limit is reached. */
bool data_load_full(const data_load *load);
/* Check a row's text. *skip: it is invalid, counted and to be left out. */
int data_load_text(data_load *load, const char *text, size_t n, uint64_t line, bool *skip,
                   hone_error *err);

int data_read_jsonl(data_load *load, hone_error *err);
int data_read_json(data_load *load, hone_error *err);
int data_read_csv(data_load *load, hone_error *err);
int data_read_text(data_load *load, hone_error *err);

#endif
