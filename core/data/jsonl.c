/* jsonl.c -- JSON Lines, and JSON files that hold a list of objects.
 *
 * A list is read an element at a time: a scan that knows only strings and
 * brackets finds where each ends, and jansson parses that much. So neither
 * file is in memory whole, and every row knows its line. */
#include "../json.h"
#include "load.h"

#include <ctype.h>
#include <string.h>

/* jansson's words, but where they speak of its options, or of a file. */
static const char *jsonl_why(const json_error_t *why)
{
    switch (json_error_code(why)) {
    case json_error_premature_end_of_input: return "the row ends too early";
    case json_error_end_of_input_expected: return "text after the end of the row";
    case json_error_null_character: return "a zero character (\\u0000) in a text";
    default: return why->text;
    }
}

/* Parse text[0..n), which begins at `line` of the file. */
static int jsonl_row(data_load *load, const char *text, size_t n, uint64_t line, hone_error *err)
{
    json_error_t why;
    json_t *row;
    uint64_t at;
    bool skip;
    int code;

    if ((code = data_load_text(load, text, n, line, &skip, err)) || skip)
        return code;
    row = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (row)
        return data_load_row(load, row, line, err);
    if (hone_json_short(text, &why))
        return hone_fail_memory(err, "a row");
    at = line + (why.line > 0 ? (uint64_t)why.line - 1 : 0);
    return data_reader_fail(&load->reader, at, err, "column %d: %s", why.column, jsonl_why(&why));
}

static bool jsonl_blank(const hone_text *line)
{
    for (size_t i = 0; i < line->count; i++)
        if (!strchr(" \t\r", line->bytes[i]) || !line->bytes[i])
            return false;
    return true;
}

int data_read_jsonl(data_load *load, hone_error *err)
{
    hone_text line = { 0 };
    int code = HONE_OK;
    bool more;

    while (!data_load_full(load)) {
        uint64_t number = load->reader.line;
        if ((code = data_reader_line(&load->reader, &line, &more, err)) || !more)
            break;
        if (!jsonl_blank(&line) &&
            (code = jsonl_row(load, line.bytes, line.count, number, err)))
            break;
    }
    hone_free(line.bytes);
    return code;
}

/* The next byte that is no blank, not taken; -1 at the end of the file. */
static int jsonl_peek(data_reader *r, int *byte, hone_error *err)
{
    bool more;
    int code;

    *byte = -1;
    while (!(code = data_reader_fill(r, &more, err)) && more) {
        *byte = r->buffer[r->at];
        if (*byte != ' ' && *byte != '\t' && *byte != '\r' && *byte != '\n')
            return HONE_OK;
        r->line += *byte == '\n';
        r->at++;
        *byte = -1;
    }
    return code;
}

typedef struct jsonl_scan {
    int depth;
    bool in_string, escaped, done;
} jsonl_scan;

/* How many of n bytes belong to the element that the scan is in. */
static size_t jsonl_element(jsonl_scan *s, const unsigned char *bytes, size_t n, uint64_t *line)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = bytes[i];
        bool outside = !s->in_string && s->depth == 0;

        if (outside && (c == ',' || c == ']' || c == '}' || isspace(c))) {
            s->done = true;
            return i;
        }
        *line += c == '\n';
        if (s->escaped)
            s->escaped = false;
        else if (s->in_string)
            s->escaped = c == '\\', s->in_string = c != '"';
        else if (c == '"')
            s->in_string = true;
        else
            s->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return n;
}

static int jsonl_list_row(data_load *load, hone_text *text, hone_error *err)
{
    data_reader *r = &load->reader;
    uint64_t start = r->line;
    jsonl_scan scan = { 0 };
    bool more;
    int code;

    text->count = 0;
    while (!scan.done) {
        size_t n;
        if ((code = data_reader_fill(r, &more, err)))
            return code;
        if (!more)
            break;
        n = jsonl_element(&scan, r->buffer + r->at, r->end - r->at, &r->line);
        if ((code = data_reader_push(r, text, r->buffer + r->at, n, start, err)))
            return code;
        r->at += n;
    }
    if (!text->count)
        return data_reader_fail(r, start, err, "an object expected");
    return jsonl_row(load, text->bytes, text->count, start, err);
}

static int jsonl_list(data_load *load, hone_text *text, hone_error *err)
{
    data_reader *r = &load->reader;
    int byte, code;

    r->at++;
    if ((code = jsonl_peek(r, &byte, err)))
        return code;
    while (byte != ']') {
        if ((code = jsonl_list_row(load, text, err)))
            return code;
        if (data_load_full(load))
            return HONE_OK;
        if ((code = jsonl_peek(r, &byte, err)))
            return code;
        if (byte == ']')
            break;
        if (byte != ',')
            return byte < 0 ? data_reader_fail(r, r->line, err, "the list ends without a ']'")
                            : data_reader_fail(r, r->line, err, "',' or ']' expected");
        r->at++;
        if ((code = jsonl_peek(r, &byte, err)))
            return code;
        if (byte == ']')
            return data_reader_fail(r, r->line, err, "an object expected after ','");
    }
    r->at++;
    if ((code = jsonl_peek(r, &byte, err)))
        return code;
    return byte < 0 ? HONE_OK : data_reader_fail(r, r->line, err, "text after the list");
}

int data_read_json(data_load *load, hone_error *err)
{
    hone_text text = { 0 };
    int byte, code;

    if ((code = jsonl_peek(&load->reader, &byte, err)) || byte < 0)
        return code;
    if (byte == '{')
        return data_read_jsonl(load, err);
    if (byte != '[')
        return data_reader_fail(&load->reader, load->reader.line, err,
                                "a list of objects expected");
    code = jsonl_list(load, &text, err);
    hone_free(text.bytes);
    return code;
}
