/* text.c -- plain text: a row { text } is a paragraph (parted by blank lines),
 * a line, or the whole file. Blank lines are no rows; CR LF becomes LF. */
#include "load.h"

#include <string.h>

static int text_row(data_load *load, const hone_text *text, uint64_t line, hone_error *err)
{
    json_t *row, *value;
    bool skip;
    int code;

    if (!text->count)
        return HONE_OK;
    if ((code = data_load_text(load, text->bytes, text->count, line, &skip, err)) || skip)
        return code;
    if (memchr(text->bytes, '\0', text->count))
        return data_reader_fail(&load->reader, line, err, "a zero byte in text");
    value = json_stringn_nocheck(text->bytes, text->count);
    row = json_object();
    if (json_object_set_new_nocheck(row, "text", value)) { /* takes it; both may be NULL */
        json_decref(row);
        return hone_fail_memory(err, "a row");
    }
    return data_load_row(load, row, line, err);
}

static bool text_blank(const hone_text *line)
{
    return !line->count || strspn(line->bytes, " \t\r\f\v") == line->count;
}

/* Lines are gathered into `row` until something ends it. */
int data_read_text(data_load *load, hone_error *err)
{
    data_reader *r = &load->reader;
    hone_text row = { 0 }, line = { 0 };
    uint64_t start = 1, number;
    bool more;
    int code = HONE_OK;

    while (!data_load_full(load)) {
        number = r->line;
        if ((code = data_reader_line(r, &line, &more, err)))
            goto out;
        bool blank = text_blank(&line);
        if (!more || (load->unit == LOAD_PARAGRAPH && blank) ||
            (load->unit == LOAD_LINE && row.count)) {
            if ((code = text_row(load, &row, start, err)) || !more)
                goto out;
            row.count = 0;
        }
        if (blank && (load->unit != LOAD_FILE || !row.count))
            continue;
        if (!row.count)
            start = number;
        if ((row.count && (code = data_reader_push(r, &row, "\n", 1, start, err))) ||
            (code = data_reader_push(r, &row, line.bytes, line.count, start, err)))
            goto out;
    }
out:
    hone_free(row.bytes);
    hone_free(line.bytes);
    return code;
}
