/* rows.c -- JSON values of a file of any size, one after another: lines of JSON, or
 * the members of one list; plain or .gz. A broken value is told and passed over. */
#include "bind.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { ROWS_MOST = 1 << 28 };

struct rows {
    gzFile file;
    char *text;             /* of the value being read */
    size_t used, room;
    int64_t line;           /* where the reader stands, from 1 */
    bool begun, list, ended;
    int back;               /* a character that was read too far, or -1 */
};

static void rows_free(void *object)
{
    struct rows *r = object;

    if (r->file)
        gzclose(r->file);
    hone_free(r->text);
    hone_free(r);
}

/* The next character, -1 at the end. */
static int rows_get(struct rows *r)
{
    int c = r->back;

    r->back = -1;
    if (c < 0)
        c = gzgetc(r->file);
    if (c == '\n')
        r->line++;
    return c;
}

static void rows_unget(struct rows *r, int c)
{
    r->back = c;
    if (c == '\n')
        r->line--;
}

static void rows_put(lua_State *L, struct rows *r, int c)
{
    if (r->used + 1 >= r->room) {
        size_t room = r->room ? 2 * r->room : 4096;
        char *text = r->used < ROWS_MOST ? hone_realloc(r->text, room, 1) : NULL;
        if (!text)
            bind_fail(L, "line %lld: a value of more than %zu bytes", (long long)r->line, r->used);
        r->text = text;
        r->room = room;
    }
    r->text[r->used++] = (char)c;
}

static bool rows_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int rows_skip(struct rows *r)
{
    int c;

    do
        c = rows_get(r);
    while (rows_blank(c));
    return c;
}

/* The value that begins with c: a line, or up to the end of its brackets. */
static void rows_take(lua_State *L, struct rows *r, int c)
{
    bool quoted = false, escaped = false;
    int depth = 0;

    for (r->used = 0; c >= 0; c = rows_get(r)) {
        if (!r->list && c == '\n')
            return;
        if (r->list && !quoted && depth == 0 && (c == ',' || c == ']')) {
            rows_unget(r, c);
            return;
        }
        rows_put(L, r, c);
        if (escaped)
            escaped = false;
        else if (quoted && c == '\\')
            escaped = true;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0 && --depth == 0 && r->list)
            return;
    }
}

/* The first character of the next value; -1: none is left. */
static int rows_begin(struct rows *r)
{
    int c = rows_skip(r);

    if (!r->begun) {
        r->begun = true;
        if (c == 0xEF) { /* a byte order mark */
            rows_get(r);
            rows_get(r);
            c = rows_skip(r);
        }
        r->list = c == '[';
        if (r->list)
            c = rows_skip(r);
    } else if (r->list && c == ',') {
        c = rows_skip(r);
    }
    if (c < 0 || (r->list && c == ']'))
        r->ended = true;
    return r->ended ? -1 : c;
}

/* rows:next(): a value and its line; or nil, line and what is wrong with it; nothing at the end. */
static int rows_next(lua_State *L)
{
    struct rows *r = ((bind_box *)luaL_checkudata(L, 1, "hone.rows"))->object;
    hone_error err = { 0 };
    hone_json **json;
    int64_t line;
    int c;

    if (!r || r->ended || (c = rows_begin(r)) < 0) {
        int code = Z_OK;
        if (r && gzerror(r->file, &code) && code != Z_OK && code != Z_STREAM_END)
            bind_fail(L, "line %lld: it cannot be read on: %s", (long long)r->line,
                      code == Z_ERRNO ? strerror(errno) : gzerror(r->file, &code));
        return 0;
    }
    line = r->line;
    rows_take(L, r, c);
    json = bind_json_box(L);
    if (hone_json_parse(json, r->text, r->used, "JSON", &err)) {
        lua_pushnil(L);
        lua_pushinteger(L, line);
        lua_pushstring(L, err.message);
        return 3;
    }
    bind_push_json(L, *json);
    lua_pushinteger(L, line);
    return 2;
}

static const luaL_Reg rows_methods[] = { { "next", rows_next }, { NULL, NULL } };
static const bind_class rows_class = { "hone.rows", rows_free, rows_methods, NULL, NULL };

/* core.rows(path): "-" is standard input. */
static int rows_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    bind_box *box = bind_new(L, &rows_class);
    struct rows *r = hone_alloc(1, sizeof *r);

    if (!r)
        bind_fail(L, "out of memory");
    r->back = -1;
    r->line = 1;
    box->object = r;
    errno = 0;
    r->file = strcmp(path, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path, "rbe");
    if (!r->file)
        bind_fail(L, "%s: %s", path, errno ? strerror(errno) : "out of memory");
    gzbuffer(r->file, 1 << 17);
    return 1;
}

/* core.sync(path): what was written to the file is on disk. */
static int rows_sync(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fsync(fd)) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        bind_fail(L, "%s: %s", path, strerror(code));
    }
    close(fd);
    return 0;
}

void bind_open_rows(lua_State *L)
{
    bind_class_new(L, &rows_class);
    lua_pop(L, 1);
    lua_pushcfunction(L, rows_open);
    lua_setfield(L, -2, "rows");
    lua_pushcfunction(L, rows_sync);
    lua_setfield(L, -2, "sync");
}
