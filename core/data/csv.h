/* csv.h -- records of a CSV or TSV file with a header line. */
#ifndef CORE_DATA_CSV_H
#define CORE_DATA_CSV_H

#include "reader.h"

typedef struct csv {
    data_reader *reader;     /* borrowed */
    char separator;
    hone_text text;          /* the record's fields, each followed by a NUL */
    size_t *ends;            /* [count]: offset of that NUL */
    size_t count, capacity;
    uint64_t line;           /* where the record begins */
    bool quoted;             /* some field is */
    char **names;            /* [columns] */
    size_t columns;
} csv;

/* Read the header. *more false: the file is empty. csv_close is due in any case. */
int csv_open(csv *c, data_reader *reader, char separator, bool *more, hone_error *err);
void csv_close(csv *c);
/* The next record that is no blank line, of as many fields as the header. *more
 * false: there is none. */
int csv_next(csv *c, bool *more, hone_error *err);
/* Field i, until the next record. */
const char *csv_field(const csv *c, size_t i);

#endif
