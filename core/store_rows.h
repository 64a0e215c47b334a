/* store_rows.h -- a page of imported judgements: their fields as texts, one after
 * another in one buffer that is used again for the next page. */
#ifndef CORE_STORE_ROWS_H
#define CORE_STORE_ROWS_H

#include <hone/store.h>
#include <hone/tokenizer.h>

/* Places of texts in the buffer; STORE_NONE: absent. */
typedef struct store_place {
    size_t content, item, annotator, key, answers, asks, order, ask_count;
    int64_t sides;
    double seconds, at;
} store_place;
#define STORE_NONE SIZE_MAX

typedef struct store_rows {
    hone_text text;
    store_place *places;
    hone_store_row *rows;   /* as the plugin gets them: made when they are sent */
    size_t count, capacity;
} store_rows;

/* One more row. `row` has been checked (hone_store_check_row). */
int store_rows_add(store_rows *rows, const hone_json *row, hone_error *err);
/* The same straight from a line of JSON: 1. 0: nothing was added, because the line
 * is no judgement, is broken, or holds what is rare (escapes such as \u0041, deep nesting):
 * the long way (parse, check, add) takes it or says what is wrong. Below 0: no memory. */
int store_rows_scan(store_rows *rows, const char *line, size_t n, hone_error *err);
/* Rows first to first + count as one call of the plugin. */
int store_rows_send(hone_instance *store, const char *task, double now, store_rows *rows,
                    size_t first, size_t count, hone_json **reply, hone_error *err);
void store_rows_clear(store_rows *rows);
void store_rows_free(store_rows *rows);

/* Room for one more place. */
int store_rows_grow(store_rows *rows, hone_error *err);
/* For core/store.c's table of fields: whether a row has what it needs. */
int hone_store_check_row(const hone_json *row, size_t number, hone_error *err);

#endif
