/* reader.c -- see reader.h. zlib reads plain files as they are. */
#include "reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#define READER_BUFFER ((size_t)1 << 16)

static bool reader_ends(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);

    return n >= m && strcmp(path + n - m, ending) == 0;
}

int data_reader_open(data_reader *r, const char *path, hone_error *err)
{
    bool more;
    int code;

    *r = (data_reader){ .path = path, .line = 1 };
    errno = 0;
    r->file = gzopen(path, "rb");
    if (!r->file)
        return errno == 0 || errno == ENOMEM ? hone_fail_memory(err, path)
                          : hone_fail(err, errno == ENOENT ? HONE_ENOTFOUND : HONE_EIO, "%s: %s",
                                      path, strerror(errno));
    if (!(r->buffer = hone_alloc(1, READER_BUFFER)))
        return hone_fail_memory(err, "a file's buffer");
    if ((code = data_reader_fill(r, &more, err)))
        return code;
    if (reader_ends(path, ".gz") && r->end && gzdirect(r->file))
        return hone_fail(err, HONE_EFORMAT, "%s: not gzip, as its name says", path);
    if (r->end >= 2 && ((r->buffer[0] == 0xff && r->buffer[1] == 0xfe) ||
                        (r->buffer[0] == 0xfe && r->buffer[1] == 0xff)))
        return hone_fail(err, HONE_EFORMAT, "%s: UTF-16 text; UTF-8 expected", path);
    if (r->end >= 3 && memcmp(r->buffer, "\xef\xbb\xbf", 3) == 0)
        r->at = 3;
    return HONE_OK;
}

void data_reader_close(data_reader *r)
{
    if (r->file)
        gzclose_r(r->file);
    hone_free(r->buffer);
    *r = (data_reader){ 0 };
}

int data_reader_fill(data_reader *r, bool *more, hone_error *err)
{
    int n, status;
    const char *why;

    *more = r->at < r->end;
    if (*more || r->ended)
        return HONE_OK;
    errno = 0;
    n = gzread(r->file, r->buffer, READER_BUFFER);
    why = gzerror(r->file, &status);
    if (n < 0 || (n == 0 && status == Z_BUF_ERROR)) {
        if (status == Z_ERRNO)
            return hone_fail(err, HONE_EIO, "%s: %s", r->path, strerror(errno));
        if (status == Z_MEM_ERROR)
            return hone_fail_memory(err, r->path);
        return hone_fail(err, HONE_EFORMAT, "%s:%" PRIu64 ": broken gzip: %s", r->path, r->line,
                         status == Z_BUF_ERROR ? "the file is cut off"
                         : strstr(why, ": ")   ? strstr(why, ": ") + 2 : why);
    }
    r->at = 0;
    r->end = (size_t)n;
    r->ended = n == 0;
    *more = n > 0;
    return HONE_OK;
}

int data_reader_push(data_reader *r, hone_text *text, const void *bytes, size_t n, uint64_t start,
                     hone_error *err)
{
    if (n > READER_LIMIT - text->count)
        return data_reader_fail(r, start, err, "a row of more than %zu MiB", READER_LIMIT >> 20);
    return hone_text_push(text, bytes, n, err);
}

int data_reader_line(data_reader *r, hone_text *line, bool *more, hone_error *err)
{
    bool some;
    int code;

    line->count = 0;
    *more = false;
    while (!(code = data_reader_fill(r, &some, err)) && some) {
        const unsigned char *from = r->buffer + r->at;
        const unsigned char *lf = memchr(from, '\n', r->end - r->at);
        size_t n = lf ? (size_t)(lf - from) : r->end - r->at;

        *more = true;
        if ((code = data_reader_push(r, line, from, n, r->line, err)))
            return code;
        r->at += n;
        if (lf) {
            r->at++;
            r->line++;
            break;
        }
    }
    if (line->count && line->bytes[line->count - 1] == '\r')
        line->bytes[--line->count] = '\0';
    return code;
}

int data_reader_fail(const data_reader *r, uint64_t line, hone_error *err, const char *fmt, ...)
{
    char message[HONE_ERROR_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return hone_fail(err, HONE_EFORMAT, "%s:%" PRIu64 ": %s", r->path, line, message);
}

size_t data_utf8(const char *text, size_t n)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    size_t at = 0;

    while (at < n) {
        utf8proc_int32_t c;
        uint64_t word;
        utf8proc_ssize_t length = 1;

        if (n - at >= 8 && (memcpy(&word, bytes + at, 8), !(word & 0x8080808080808080u))) {
            at += 8;
            continue;
        }
        if (bytes[at] >= 0x80)
            length = utf8proc_iterate(bytes + at, n - at > 4 ? 4 : (utf8proc_ssize_t)(n - at), &c);
        if (length < 1)
            return at;
        at += (size_t)length;
    }
    return n;
}
