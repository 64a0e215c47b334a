/* store_lines.c -- JSON Lines into a store and out of it (see <hone/store.h>).
 *
 * A page of rows in memory, whatever the file's size. What is read is one
 * transaction. A page that is refused is tried row by row, which finds the line. */
#include "data/reader.h"
#include "file.h"
#include "store.h"
#include "store_rows.h"
#include "text.h"

#include <hone/store.h>
#include <jansson.h>
#include <string.h>

/* A page ends at so many rows, or bytes of them. */
enum { LINES_PAGE = 4000, LINES_BYTES = 4 << 20, LINES_NAMED = 5 };

struct lines {
    hone_instance *store;
    const char *task, *path;
    bool keep;
    json_t *page;                 /* items; or */
    store_rows rows;              /* judgements: one of them is empty */
    uint64_t numbers[LINES_PAGE]; /* of the page's lines */
    int64_t count, broken, made, again, items;
    json_t *errors;
    data_reader reader;
    hone_text text;
};

static size_t lines_held(const struct lines *l)
{
    return l->rows.count + json_array_size(l->page);
}

static bool lines_full(const struct lines *l)
{
    return lines_held(l) == LINES_PAGE || l->rows.text.count > LINES_BYTES;
}

static int lines_send_rows(struct lines *l, size_t first, size_t count, hone_error *err)
{
    json_t *reply = NULL;
    int code = store_rows_send(l->store, l->task, hone_store_now(), &l->rows, first, count, &reply,
                               err);

    l->made += json_integer_value(json_object_get(reply, "judgements"));
    l->again += json_integer_value(json_object_get(reply, "again"));
    l->items += json_integer_value(json_object_get(reply, "items"));
    json_decref(reply);
    return code;
}

static int lines_send_items(struct lines *l, size_t first, size_t count, hone_error *err)
{
    json_t *request = NULL, *reply = NULL, *some = json_array();
    bool made = some != NULL;
    int code;

    for (size_t i = first; made && i < first + count; i++)
        made = json_array_append(some, json_array_get(l->page, i)) == 0;
    if (made)
        request = json_pack("{s:s,s:O}", "task", l->task, "items", some);
    code = request ? hone_store_add(l->store, request, &reply, err)
                   : hone_fail_memory(err, l->path);
    l->items += json_integer_value(json_object_get(reply, "added"));
    json_decref(reply);
    json_decref(request);
    json_decref(some);
    return code;
}

static int lines_send(struct lines *l, size_t first, size_t count, hone_error *err)
{
    return l->rows.count ? lines_send_rows(l, first, count, err)
                         : lines_send_items(l, first, count, err);
}

/* A line that cannot stay: an error, or one more of those that are counted. */
static int lines_refuse(struct lines *l, uint64_t line, const hone_error *why, hone_error *err)
{
    static const char *const inner[] = { "row 1: ", "item 1: ", "rows[1]: ", "items[1]: ",
                                         "line 1, " };
    const char *said = why->message;
    char message[HONE_ERROR_MAX];

    /* Places in a page of one line say nothing. */
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        const char *at = strstr(said, inner[i]);
        said = at ? at + strlen(inner[i]) : said;
    }
    if (!l->keep)
        return data_reader_fail(&l->reader, line, err, "%s", said);
    if (l->broken++ >= LINES_NAMED)
        return HONE_OK;
    hone_print(message, sizeof message, "line %" PRIu64 ": %s", line, said);
    return json_array_append_new(l->errors, json_string(message))
               ? hone_fail_memory(err, l->path) : HONE_OK;
}

static bool lines_is_fault(int code)
{
    return code == HONE_EINVAL || code == HONE_ENOTFOUND || code == HONE_ESTATE ||
           code == HONE_EFORMAT;
}

static int lines_flush(struct lines *l, hone_error *err)
{
    hone_error why = { 0 };
    size_t n = lines_held(l);
    int code = n ? lines_send(l, 0, n, &why) : HONE_OK;

    if (code != HONE_OK && !lines_is_fault(code))
        return hone_fail(err, code, "%s", why.message);
    for (size_t i = 0; code != HONE_OK && i < n; i++) {
        int each = lines_send(l, i, 1, &why);

        if (each != HONE_OK && !lines_is_fault(each))
            return hone_fail(err, each, "%s", why.message);
        if (each != HONE_OK && (each = lines_refuse(l, l->numbers[i], &why, err)) != HONE_OK)
            return each;
    }
    store_rows_clear(&l->rows);
    json_array_clear(l->page);
    return HONE_OK;
}

/* What is wrong before comes first. */
static int lines_wrong(struct lines *l, uint64_t line, int code, const hone_error *why,
                       hone_error *err)
{
    if (!lines_is_fault(code))
        return hone_fail(err, code, "%s", why->message);
    code = lines_flush(l, err);
    return code == HONE_OK ? lines_refuse(l, line, why, err) : code;
}

/* A line that the scan left. */
static int lines_take(struct lines *l, uint64_t line, hone_error *err)
{
    hone_error why = { 0 };
    bool judgement;
    json_t *row;
    int code = hone_json_parse(&row, l->text.bytes, l->text.count, NULL, &why);

    if (code != HONE_OK)
        return lines_wrong(l, line, code, &why, err);
    judgement = json_object_get(row, "annotator") != NULL;
    if (judgement && (code = hone_store_check_row(row, 1, &why)) != HONE_OK) {
        json_decref(row);
        return lines_wrong(l, line, code, &why, err);
    }
    if (judgement ? json_array_size(l->page) > 0 : l->rows.count > 0)
        code = lines_flush(l, err);
    if (code == HONE_OK)
        l->numbers[lines_held(l)] = line;
    if (code == HONE_OK && judgement)
        code = store_rows_add(&l->rows, row, err);
    else if (code == HONE_OK && json_array_append(l->page, row))
        code = hone_fail_memory(err, l->path);
    json_decref(row);
    return code;
}

static int lines_read(struct lines *l, hone_error *err)
{
    bool more = true;
    int code = data_reader_open(&l->reader, l->path, err);

    while (code == HONE_OK && more) {
        uint64_t line = l->reader.line;
        int taken = 0;

        l->text.count = 0;
        code = data_reader_line(&l->reader, &l->text, &more, err);
        if (code != HONE_OK || !more || strspn(l->text.bytes, " \t") == l->text.count)
            continue;
        l->count++;
        if (lines_full(l) && (code = lines_flush(l, err)) != HONE_OK)
            return code;
        if (!json_array_size(l->page)) {
            taken = store_rows_scan(&l->rows, l->text.bytes, l->text.count, err);
            if (taken == 1)
                l->numbers[l->rows.count - 1] = line;
        }
        code = taken == 0 ? lines_take(l, line, err) : taken < 0 ? taken : HONE_OK;
    }
    return code == HONE_OK ? lines_flush(l, err) : code;
}

/* Before what was read is committed: nothing may fail after that. */
static int lines_reply(const struct lines *l, hone_json **reply, hone_error *err)
{
    *reply = json_pack("{s:I,s:I,s:I,s:I,s:I,s:O}", "lines", (json_int_t)l->count, "judgements",
                       (json_int_t)l->made, "again", (json_int_t)l->again, "items",
                       (json_int_t)l->items, "broken", (json_int_t)l->broken, "errors", l->errors);
    return *reply ? HONE_OK : hone_fail_memory(err, l->path);
}

int hone_store_read_lines(hone_instance *store, const char *task, const char *path, bool keep,
                          hone_json **reply, hone_error *err)
{
    struct lines l = { .store = store, .task = task, .path = path, .keep = keep,
                       .page = json_array(), .errors = json_array() };
    int code = hone_store_batch(store, HONE_STORE_BEGIN, err);
    bool own = code == HONE_OK;

    *reply = NULL;
    if (code == HONE_ESTATE)
        code = HONE_OK; /* the caller's batch has it all */
    if (code == HONE_OK)
        code = l.page && l.errors ? lines_read(&l, err) : hone_fail_memory(err, path);
    if (code == HONE_OK)
        code = lines_reply(&l, reply, err);
    if (own && code == HONE_OK)
        code = hone_store_batch(store, HONE_STORE_COMMIT, err);
    else if (own)
        hone_store_batch(store, HONE_STORE_ROLLBACK, NULL);
    if (code != HONE_OK) {
        json_decref(*reply);
        *reply = NULL;
    }
    data_reader_close(&l.reader);
    store_rows_free(&l.rows);
    hone_free(l.text.bytes);
    json_decref(l.page);
    json_decref(l.errors);
    return code;
}

/* ---- out ---- */

static int lines_write_page(const json_t *rows, hone_file *file, hone_text *text, hone_error *err)
{
    json_t *row;
    size_t i;
    int code = HONE_OK;

    text->count = 0;
    json_array_foreach(rows, i, row) {
        char *line = hone_json_text(row);

        code = line ? hone_text_push(text, line, strlen(line), err)
                    : hone_fail_memory(err, "a line");
        if (code == HONE_OK)
            code = hone_text_push(text, "\n", 1, err);
        hone_free(line);
        if (code != HONE_OK)
            return code;
    }
    return hone_file_write(file, text->bytes, text->count, err);
}

int hone_store_write_lines(hone_instance *store, const hone_json *request, const char *path,
                           int64_t *count, hone_error *err)
{
    json_t *copy = hone_json_copy(request, false), *page = NULL;
    hone_text text = { 0 };
    hone_file file;
    bool more = true;
    int code = hone_file_create(&file, path, err);

    *count = 0;
    if (code == HONE_OK && !copy)
        code = hone_fail_memory(err, path);
    while (code == HONE_OK && more) {
        code = hone_store_list(store, copy, &page, err);
        if (code == HONE_OK)
            code = lines_write_page(json_object_get(page, "rows"), &file, &text, err);
        *count += (int64_t)json_array_size(json_object_get(page, "rows"));
        more = json_is_integer(json_object_get(page, "after"));
        if (code == HONE_OK && more &&
            json_object_set(copy, "after", json_object_get(page, "after")))
            code = hone_fail_memory(err, path);
        json_decref(page);
        page = NULL;
    }
    if (code == HONE_OK)
        code = hone_file_commit(&file, err);
    hone_file_abandon(&file);
    hone_free(text.bytes);
    json_decref(copy);
    return code;
}
