/* schema.c -- the tables, and how an older store becomes a newer one.
 *
 * PRAGMA user_version counts the steps below that a file has taken. A step is
 * never changed once released; a new one is added behind it. application_id
 * marks the file as ours. */
#include "store.h"

#include <string.h>

static const char *const steps[] = {
    /* 1. An item of a task is an entry; `live` counts its leases, `done` its judgements, both
     * without gold and repeats. States of an assignment: 0 live, 1 done, 2 skipped, 3
     * flagged, 4 released, 5 expired; kinds: 0 fresh, 1 gold, 2 repeat. */
    "CREATE TABLE items (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,"
    "  content TEXT NOT NULL);"
    "CREATE TABLE tasks (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  state TEXT NOT NULL, version INTEGER NOT NULL);"
    "CREATE TABLE versions (task INTEGER NOT NULL REFERENCES tasks, number INTEGER NOT NULL,"
    "  definition TEXT NOT NULL, guideline TEXT, metrics TEXT NOT NULL, at REAL NOT NULL,"
    "  PRIMARY KEY (task, number)) WITHOUT ROWID;"
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, task INTEGER NOT NULL REFERENCES tasks,"
    "  item INTEGER NOT NULL REFERENCES items, sides INTEGER NOT NULL, wanted INTEGER NOT NULL,"
    "  gold TEXT, served INTEGER NOT NULL DEFAULT 0,"
    "  live INTEGER NOT NULL DEFAULT 0 CHECK (live >= 0), done INTEGER NOT NULL DEFAULT 0,"
    "  skipped INTEGER NOT NULL DEFAULT 0, flagged INTEGER NOT NULL DEFAULT 0,"
    "  open INTEGER GENERATED ALWAYS AS (gold IS NULL AND live + done < wanted) VIRTUAL,"
    "  UNIQUE (task, item));"
    "CREATE INDEX entries_open ON entries (task, id) WHERE open;"
    "CREATE INDEX entries_gold ON entries (task, id) WHERE gold IS NOT NULL;"
    "CREATE TABLE annotators (id INTEGER PRIMARY KEY, pseudonym TEXT NOT NULL UNIQUE,"
    "  attributes TEXT NOT NULL, skills TEXT NOT NULL, state TEXT NOT NULL,"
    "  erased INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE identities (annotator INTEGER PRIMARY KEY REFERENCES annotators,"
    "  name TEXT NOT NULL UNIQUE, details TEXT);"
    "CREATE TABLE progress (task INTEGER NOT NULL REFERENCES tasks,"
    "  annotator INTEGER NOT NULL REFERENCES annotators, served INTEGER NOT NULL,"
    "  cursor INTEGER NOT NULL, PRIMARY KEY (task, annotator)) WITHOUT ROWID;"
    "CREATE TABLE assignments (id INTEGER PRIMARY KEY,"
    "  task INTEGER NOT NULL, entry INTEGER NOT NULL REFERENCES entries,"
    "  annotator INTEGER NOT NULL REFERENCES annotators, version INTEGER NOT NULL,"
    "  kind INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, turn INTEGER NOT NULL,"
    "  sides TEXT, lease TEXT NOT NULL, at REAL NOT NULL, expires REAL NOT NULL, reason TEXT);"
    "CREATE UNIQUE INDEX assignments_once ON assignments (annotator, entry, kind)"
    "  WHERE state <= 3;"
    "CREATE INDEX assignments_leases ON assignments (expires) WHERE state = 0;"
    "CREATE INDEX assignments_live ON assignments (annotator, task) WHERE state = 0;"
    "CREATE TABLE judgements (id INTEGER PRIMARY KEY,"
    "  task INTEGER NOT NULL, entry INTEGER NOT NULL REFERENCES entries,"
    "  annotator INTEGER NOT NULL REFERENCES annotators, version INTEGER NOT NULL,"
    "  assignment INTEGER REFERENCES assignments, kind INTEGER NOT NULL, sides TEXT,"
    "  answers TEXT NOT NULL, seconds REAL, at REAL NOT NULL, key TEXT,"
    "  supersedes INTEGER REFERENCES judgements, salt TEXT NOT NULL, digest BLOB NOT NULL);"
    "CREATE INDEX judgements_task ON judgements (task);"
    "CREATE INDEX judgements_entry ON judgements (entry, annotator);"
    "CREATE UNIQUE INDEX judgements_key ON judgements (annotator, key) WHERE key IS NOT NULL;"
    "CREATE UNIQUE INDEX judgements_superseded ON judgements (supersedes)"
    "  WHERE supersedes IS NOT NULL;"
    "CREATE TABLE log (id INTEGER PRIMARY KEY, at REAL NOT NULL,"
    "  entry TEXT NOT NULL, hash BLOB NOT NULL);"
    "CREATE TABLE redactions (judgement INTEGER PRIMARY KEY REFERENCES judgements,"
    "  log INTEGER NOT NULL REFERENCES log);"
    "CREATE TRIGGER judgements_stay BEFORE DELETE ON judgements"
    "  BEGIN SELECT RAISE(ABORT, 'judgements are never removed'); END;"
    "CREATE TRIGGER judgements_stand BEFORE UPDATE ON judgements WHEN NEW.salt = OLD.salt"
    "  OR NEW.id <> OLD.id OR NEW.entry <> OLD.entry OR NEW.annotator <> OLD.annotator"
    "  BEGIN SELECT RAISE(ABORT, 'judgements are never changed, only superseded'); END;"
    "CREATE TRIGGER log_stays BEFORE DELETE ON log"
    "  BEGIN SELECT RAISE(ABORT, 'the log is never shortened'); END;"
    "CREATE TRIGGER log_stands BEFORE UPDATE ON log"
    "  BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END;",
};
#define SCHEMA 1
_Static_assert(sizeof steps / sizeof *steps == SCHEMA, "a step has no number");

#define APPLICATION 0x686f6e65 /* "hone" */
#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

/* WAL takes a lock that SQLite does not always wait for. */
static int schema_wal(db *d, hone_error *err)
{
    sqlite3_stmt *stmt;
    int code = HONE_OK;

    for (int i = 0; i < 200; i++) {
        const char *mode = "";
        code = db_query(d, &stmt, err, "PRAGMA journal_mode = WAL", "");
        if (code == HONE_OK && (code = db_step(d, stmt, err)) == 1)
            mode = (const char *)sqlite3_column_text(stmt, 0);
        if (code == 1 && (strcmp(mode, "wal") == 0 || strcmp(mode, "memory") == 0)) {
            sqlite3_reset(stmt);
            return HONE_OK;
        }
        if (code == 1)
            code = hone_fail(err, HONE_EIO, "%s: this file system takes no write-ahead log",
                             d->path);
        sqlite3_reset(stmt);
        if (sqlite3_errcode(d->sql) != SQLITE_BUSY)
            break;
        sqlite3_sleep(20);
    }
    return code;
}

static int schema_migrate(db *d, hone_error *err)
{
    int64_t version = 0, application = 0, tables = 0;
    int code = db_number(d, &version, err, "PRAGMA user_version", "");

    if (code == HONE_OK)
        code = db_number(d, &application, err, "PRAGMA application_id", "");
    if (code == HONE_OK)
        code = db_number(d, &tables, err, "SELECT count(*) FROM sqlite_schema", "");
    if (code != HONE_OK)
        return code;
    if (application != APPLICATION && (tables || version))
        return hone_fail(err, HONE_EFORMAT, "%s: is an SQLite database, but no store of hone's",
                         d->path);
    if (version > SCHEMA)
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "%s: made by a newer hone (store version %" PRId64
                         "; this one, %s, knows %d)", d->path, version, hone_version(), SCHEMA);
    for (; version < SCHEMA && code == HONE_OK; version++)
        code = db_run(d, steps[version], err);
    if (code == HONE_OK)
        code = db_run(d, "PRAGMA application_id = " TEXT_OF(APPLICATION), err);
    if (code == HONE_OK)
        code = db_run(d, "PRAGMA user_version = " TEXT_OF(SCHEMA), err);
    return code;
}

int store_schema(struct store *s, hone_error *err)
{
    db *d = &s->db;
    int64_t version = -1, application = 0;
    int code = db_number(d, &version, err, "PRAGMA user_version", "");

    if (code == HONE_OK)
        code = db_number(d, &application, err, "PRAGMA application_id", "");
    /* A file of others' is not touched, also not by the switch to WAL. */
    if (code == HONE_OK && (version != SCHEMA || application != APPLICATION)) {
        code = db_begin(d, true, err);
        if (code == HONE_OK)
            code = db_end(d, schema_migrate(d, err), err);
    }
    if (code == HONE_OK)
        code = schema_wal(d, err);
    if (code == HONE_OK)
        code = db_run(d, s->durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                      err);
    if (code == HONE_OK)
        code = db_run(d, "PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768;"
                      "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON", err);
    return code;
}
