/* judgement_cells.h -- one judgement as cells, whatever the file's format. */
#ifndef CORE_JUDGEMENT_CELLS_H
#define CORE_JUDGEMENT_CELLS_H

#include "judgement.h"
#include "text.h"

#include <jansson.h>

/* Members of hone_judgement_columns that name a column. */
enum cell_kind {
    CELL_ITEM, CELL_ANNOTATOR, CELL_VALUE, CELL_WEIGHT, CELL_TIME, CELL_ORDER, CELL_LEFT,
    CELL_RIGHT, CELL_STRENGTH, CELL_RANKING, CELL_REGION, CELLS
};

/* json or text, borrowed; neither: absent. */
struct cell {
    const json_t *json;
    const char *text;
    char number[HONE_REAL_MAX]; /* a number as text */
};

/* The column of each kind, NULL where the level or the map has none. */
int hone_cells_columns(const char *names[CELLS], const hone_judgement_columns *columns,
                       hone_error *err);
/* An empty table with the labels or the range of the map. */
int hone_cells_table(hone_judgements **out, const hone_judgement_columns *columns,
                     hone_error *err);
/* Add a judgement. */
int hone_cells_add(hone_judgements *j, const hone_judgement_columns *columns,
                   const char *const names[CELLS], struct cell cells[CELLS], hone_error *err);
/* The cells of an object; null is absent. */
void hone_cells_of(struct cell cells[CELLS], const json_t *row, const char *const names[CELLS]);

#endif
