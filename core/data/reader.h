/* reader.h -- the bytes of a text file, plain or gzip, with line numbers. */
#ifndef CORE_DATA_READER_H
#define CORE_DATA_READER_H

#include <hone/tokenizer.h>
#include <zlib.h>

/* A row's text is at most this long: a line, a CSV record, a paragraph. */
#define READER_LIMIT ((size_t)64 << 20)

typedef struct data_reader {
    const char *path;     /* borrowed */
    gzFile file;
    unsigned char *buffer;
    size_t at, end;       /* of what the buffer holds */
    uint64_t line;        /* of the next byte, from 1 */
    bool ended;
} data_reader;

/* A byte order mark is skipped; UTF-16 is refused. */
int data_reader_open(data_reader *r, const char *path, hone_error *err);
void data_reader_close(data_reader *r);

/* Make sure that the buffer holds a byte. *more false: the file is over. */
int data_reader_fill(data_reader *r, bool *more, hone_error *err);

/* The next line, without its LF or CR LF. *more false: there is none. */
int data_reader_line(data_reader *r, hone_text *line, bool *more, hone_error *err);

/* hone_text_push that keeps to READER_LIMIT; start: the line the row began. */
int data_reader_push(data_reader *r, hone_text *text, const void *bytes, size_t n, uint64_t start,
                     hone_error *err);

/* "path:line: ..." */
int data_reader_fail(const data_reader *r, uint64_t line, hone_error *err, const char *fmt, ...)
    HONE_PRINTF(4, 5);

/* The offset of the first byte that is no UTF-8; n when there is none. */
size_t data_utf8(const char *text, size_t n);

#endif
