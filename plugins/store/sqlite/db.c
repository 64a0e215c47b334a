/* db.c -- see db.h. */
#include "db.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

static double db_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds. */
#define LOOK_FIRST 0.008
#define LOOK_LEAST 0.0005
#define STAND_ASIDE 0.0008

static void db_pause(double seconds)
{
    nanosleep(&(struct timespec){ .tv_nsec = (long)(seconds * 1e9) }, NULL);
}

/* SQLite asks here whether to try for a lock again. Its own handler waits longer the
 * longer it has waited, so that the newest comer wins; ours looks more often the
 * longer it has waited, which lets writers in nearly in the order they came. */
static int db_wait(void *user, int count)
{
    db *d = user;
    double now = db_clock(), waited;

    if (count == 0)
        d->waiting = now;
    d->met = now;
    waited = now - d->waiting;
    if (waited > d->busy)
        return 0;
    db_pause(fmax(LOOK_LEAST, LOOK_FIRST / (1 + 10 * waited)));
    return 1;
}

/* A writer that comes back at once would find the door open each time, since the others
 * look only now and then: where there are others, and commits are slow (they are synced),
 * it stands aside until the one that has waited longest has looked. */
static void db_stand_aside(const db *d)
{
    double now = db_clock();

    if (now - d->met < 1 && now - d->wrote < STAND_ASIDE && d->commit > STAND_ASIDE / 4)
        db_pause(STAND_ASIDE);
}

int db_fail(db *d, int rc, hone_error *err)
{
    const char *said = d->sql ? sqlite3_errmsg(d->sql) : sqlite3_errstr(rc);

    switch (rc & 0xff) {
    case SQLITE_NOMEM: return hone_fail_memory(err, d->path);
    case SQLITE_FULL:
        return hone_fail(err, HONE_EIO, "%s: the disk is full; nothing of this was written",
                         d->path);
    case SQLITE_BUSY:
        return hone_fail(err, HONE_EIO, "%s: another process has been writing for %g s", d->path,
                         d->busy);
    case SQLITE_NOTADB:
        return hone_fail(err, HONE_EFORMAT, "%s: is no store of hone's", d->path);
    case SQLITE_CORRUPT:
        return hone_fail(err, HONE_EFORMAT, "%s: the file is damaged: %s", d->path, said);
    case SQLITE_CANTOPEN:
        return hone_fail(err, HONE_EIO, "%s: cannot open the file", d->path);
    case SQLITE_READONLY:
        return hone_fail(err, HONE_EIO, "%s: may only be read", d->path);
    case SQLITE_CONSTRAINT: return hone_fail(err, HONE_ESTATE, "%s: %s", d->path, said);
    default:
        return hone_fail(err, HONE_EIO, "%s: %s; nothing of this was written", d->path, said);
    }
}

int db_open(db *d, hone_error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(d->path, &d->sql, flags, NULL);

    if (rc != SQLITE_OK)
        return db_fail(d, rc, err);
    sqlite3_extended_result_codes(d->sql, 1);
    sqlite3_busy_handler(d->sql, db_wait, d);
    return HONE_OK;
}

void db_close(db *d)
{
    for (size_t i = 0; i < d->cached; i++)
        sqlite3_finalize(d->cache[i].stmt);
    d->cached = 0;
    if (d->sql)
        sqlite3_close(d->sql);
    d->sql = NULL;
}

static int db_prepare(db *d, sqlite3_stmt **out, const char *text, hone_error *err)
{
    size_t i = 0;
    int rc;

    while (i < d->cached && d->cache[i].text != text)
        i++;
    if (i == d->cached) {
        if (i == DB_STATEMENTS) { /* rare: begin anew */
            while (d->cached)
                sqlite3_finalize(d->cache[--d->cached].stmt);
            i = 0;
        }
        rc = sqlite3_prepare_v3(d->sql, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
        if (rc != SQLITE_OK)
            return db_fail(d, rc, err);
        d->cache[i].text = text;
        d->cache[i].stmt = *out;
        d->cached++;
    }
    *out = d->cache[i].stmt;
    sqlite3_reset(*out);
    return HONE_OK;
}

static int db_bind(db *d, sqlite3_stmt **out, const char *text, const char *types, va_list args,
                   hone_error *err)
{
    int code = db_prepare(d, out, text, err), rc = SQLITE_OK;
    const char *words;
    int64_t number;
    double real;

    for (int i = 1; code == HONE_OK && rc == SQLITE_OK && types[i - 1]; i++) {
        switch (types[i - 1]) {
        case 'i':
        case 'o':
            number = va_arg(args, int64_t);
            rc = number || types[i - 1] == 'i' ? sqlite3_bind_int64(*out, i, number)
                                               : sqlite3_bind_null(*out, i);
            break;
        case 'd':
        case 'e':
            real = va_arg(args, double);
            rc = real >= 0 || types[i - 1] == 'd' ? sqlite3_bind_double(*out, i, real)
                                                  : sqlite3_bind_null(*out, i);
            break;
        case 'h':
            rc = sqlite3_bind_blob(*out, i, va_arg(args, const uint8_t *), HONE_STORE_HASH,
                                   SQLITE_STATIC);
            break;
        default:
            words = va_arg(args, const char *);
            rc = words ? sqlite3_bind_text64(*out, i, words, strlen(words), SQLITE_STATIC,
                                             SQLITE_UTF8)
                       : sqlite3_bind_null(*out, i);
        }
    }
    return code != HONE_OK ? code : rc != SQLITE_OK ? db_fail(d, rc, err) : HONE_OK;
}

int db_query(db *d, sqlite3_stmt **out, hone_error *err, const char *text, const char *types, ...)
{
    va_list args;
    int code;

    va_start(args, types);
    code = db_bind(d, out, text, types, args, err);
    va_end(args);
    return code;
}

int db_step(db *d, sqlite3_stmt *stmt, hone_error *err)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : db_fail(d, rc, err);
}

int db_do(db *d, hone_error *err, const char *text, const char *types, ...)
{
    sqlite3_stmt *stmt;
    va_list args;
    int code;

    va_start(args, types);
    code = db_bind(d, &stmt, text, types, args, err);
    va_end(args);
    while (code == HONE_OK && (code = db_step(d, stmt, err)) == 1)
        code = HONE_OK;
    return code;
}

int db_number(db *d, int64_t *out, hone_error *err, const char *text, const char *types, ...)
{
    sqlite3_stmt *stmt;
    va_list args;
    int code;

    va_start(args, types);
    code = db_bind(d, &stmt, text, types, args, err);
    va_end(args);
    if (code == HONE_OK)
        code = db_step(d, stmt, err);
    if (code != 1)
        return code;
    if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return HONE_OK;
}

int db_run(db *d, const char *text, hone_error *err)
{
    int rc = sqlite3_exec(d->sql, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? HONE_OK : db_fail(d, rc, err);
}

int db_begin(db *d, bool writes, hone_error *err)
{
    if (writes && !d->batch)
        db_stand_aside(d);
    d->writes = writes && !d->batch;
    return db_do(d, err, d->batch ? "SAVEPOINT call" : writes ? "BEGIN IMMEDIATE" : "BEGIN", "");
}

int db_end(db *d, int code, hone_error *err)
{
    hone_error ignored = { 0 };
    double start = d->writes ? db_clock() : 0;

    if (code == HONE_OK)
        code = db_do(d, err, d->batch ? "RELEASE call" : "COMMIT", "");
    if (code == HONE_OK && d->writes) {
        d->wrote = db_clock();
        d->commit = d->wrote - start;
    }
    if (code == HONE_OK)
        return code;
    /* Statements under way would keep a transaction open. */
    for (size_t i = 0; i < d->cached; i++)
        sqlite3_reset(d->cache[i].stmt);
    if (!sqlite3_get_autocommit(d->sql))
        db_run(d, d->batch ? "ROLLBACK TO call; RELEASE call" : "ROLLBACK", &ignored);
    return code;
}

/* ---- columns ---- */

hone_json *db_json(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    if (!text)
        return json_null();
    return json_loadb(text, (size_t)sqlite3_column_bytes(stmt, column), JSON_DECODE_ANY, NULL);
}

hone_json *db_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text ? json_string(text) : json_null();
}

hone_json *db_real(sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return json_null();
    return json_real(sqlite3_column_double(stmt, column));
}

hone_json *db_int(sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return json_null();
    return json_integer(sqlite3_column_int64(stmt, column));
}

hone_json *db_hex(sqlite3_stmt *stmt, int column)
{
    const uint8_t *bytes = sqlite3_column_blob(stmt, column);
    char hex[65];

    if (sqlite3_column_bytes(stmt, column) != HONE_STORE_HASH)
        return json_null();
    hone_store_hex(bytes, hex);
    return json_string(hex);
}
