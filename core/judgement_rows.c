/* judgement_rows.c -- judgements from rows of JSON (see <hone/judgement.h>). */
#include "judgement_cells.h"

int hone_judgements_from_rows(hone_judgements **out, const hone_json *rows,
                              const hone_judgement_columns *columns, const char *duplicates,
                              hone_error *err)
{
    const char *names[CELLS];
    struct cell cells[CELLS];
    hone_judgements *j = NULL;
    int policy, code = hone_duplicates_parse(&policy, duplicates, err);

    *out = NULL;
    if (!code)
        code = hone_cells_columns(names, columns, err);
    if (!code && !json_is_array(rows))
        code = hone_fail(err, HONE_EINVAL, "judgements are %s; a list of objects is needed",
                         hone_json_type(rows));
    if (!code)
        code = hone_cells_table(&j, columns, err);
    for (size_t i = 0; i < json_array_size(rows) && !code; i++) {
        const json_t *row = json_array_get(rows, i);
        if (!json_is_object(row)) {
            code = hone_fail(err, HONE_EINVAL, "the row is %s; an object is needed",
                             hone_json_type(row));
        } else {
            hone_cells_of(cells, row, names);
            code = hone_cells_add(j, columns, names, cells, err);
        }
        if (code)
            hone_fail_in(err, "row %zu", i + 1);
    }
    if (!code)
        code = hone_duplicates_resolve(j, policy, NULL, NULL, err);
    if (code) {
        hone_judgements_free(j);
        return code;
    }
    *out = j;
    return HONE_OK;
}
