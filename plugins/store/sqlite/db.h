/* db.h -- SQLite as the files of this plugin use it: statements prepared once,
 * parameters by a string of types, transactions, errors in a person's words. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <hone/store.h>
#include <sqlite3.h>

enum { DB_STATEMENTS = 96 };

typedef struct db {
    sqlite3 *sql;
    const char *path;
    double busy;                   /* seconds to wait for another writer */
    double waiting;                /* since when, on the steady clock */
    double met;                    /* when another was in the way last */
    double wrote, commit;          /* when the last commit was, and how long it took */
    bool writes;                   /* the transaction under way */
    bool batch;                    /* several calls in one transaction */
    struct { const char *text; sqlite3_stmt *stmt; } cache[DB_STATEMENTS];
    size_t cached;
} db;

/* begin: the path to open, or ":memory:". Undone by db_close, also after a failure. */
int db_open(db *d, hone_error *err);
void db_close(db *d);

/* What SQLite said last, as an error of ours; `what` may be NULL. */
int db_fail(db *d, int rc, hone_error *err);

/* *out: the statement with its parameters, valid until its text is used again.
 * types, one letter each: i int64_t, o int64_t where 0 is none, d double, e double where what
 * is below 0 is none, t text or NULL, h 32 bytes of a hash.
 * Texts and hashes stand until the last step. `text` is a literal: statements are found
 * again by its address. */
int db_query(db *d, sqlite3_stmt **out, hone_error *err, const char *text, const char *types, ...);
/* 1: a row; 0: no more, and the statement is reset; else an error. */
int db_step(db *d, sqlite3_stmt *stmt, hone_error *err);
/* Run to the end. */
int db_do(db *d, hone_error *err, const char *text, const char *types, ...);
/* The first column of the first row; *out is left alone where there is none. */
int db_number(db *d, int64_t *out, hone_error *err, const char *text, const char *types, ...);
/* Several statements without parameters. */
int db_run(db *d, const char *text, hone_error *err);

/* A transaction, or a savepoint inside a batch; end commits where code is HONE_OK. */
int db_begin(db *d, bool writes, hone_error *err);
int db_end(db *d, int code, hone_error *err);

/* A column as JSON. Texts that hold JSON are parsed; NULL becomes null. A new
 * reference; NULL: no memory, or what stands there is no JSON. */
hone_json *db_json(sqlite3_stmt *stmt, int column);
hone_json *db_text(sqlite3_stmt *stmt, int column);
hone_json *db_real(sqlite3_stmt *stmt, int column);
hone_json *db_int(sqlite3_stmt *stmt, int column);
hone_json *db_hex(sqlite3_stmt *stmt, int column);

#endif
