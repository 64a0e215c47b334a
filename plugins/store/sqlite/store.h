/* store.h -- what the files of store/sqlite share. The ops run inside a
 * transaction that sqlite.c begins and ends: they leave on the first failure. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "db.h"

#include <jansson.h>

struct store {
    const char *path;
    bool durable;
    double busy;
    db db;
    json_t *definition;      /* of the task version that was used last */
    int64_t task, version;
    char salt[16 * 64 + 1];  /* random texts that wait for their judgements */
    int salts;
};

enum { LIVE, DONE, SKIPPED, FLAGGED, RELEASED, EXPIRED };
enum { FRESH, GOLD, REPEAT };

/* Make or migrate the tables, and set the connection up. */
int store_schema(struct store *s, hone_error *err);

/* ---- requests ---- */
const char *get_text(const hone_json *request, const char *key); /* or NULL */
int64_t get_int(const hone_json *request, const char *key, int64_t def);
double get_real(const hone_json *request, const char *key, double def);
bool get_bool(const hone_json *request, const char *key);

/* *reply = value, or HONE_ENOMEM where it is NULL. */
int give(hone_json **reply, json_t *value, hone_error *err);

/* ---- log.c ---- */
/* One more row of the log. Takes `entry`; NULL is an error. */
int store_log(struct store *s, double now, json_t *entry, hone_error *err);

/* What a judgement's digest covers. */
struct judgement {
    int64_t task, entry, annotator, version, assignment, kind, supersedes; /* 0: none */
    const char *sides, *answers, *key; /* texts of JSON; NULL: none */
    double seconds, at;                /* seconds < 0: unknown */
    char salt[17];
    uint8_t digest[HONE_STORE_HASH];
};
int judgement_digest(const struct judgement *j, uint8_t digest[HONE_STORE_HASH], hone_error *err);
/* Salt, digest and insert; *id is the new row's, or 0 where the annotator has a judgement
 * with this key: then nothing was done. */
int judgement_insert(struct store *s, struct judgement *j, int64_t *id, hone_error *err);
/* Columns task, entry, annotator, version, assignment, kind, supersedes, sides, answers,
 * key, seconds, at, salt, from `column` on; texts stand as long as the row. */
#define JUDGEMENT_COLUMNS "j.task, j.entry, j.annotator, j.version, j.assignment, j.kind, " \
    "j.supersedes, j.sides, j.answers, j.key, j.seconds, j.at, j.salt"
void judgement_row(sqlite3_stmt *stmt, int column, struct judgement *j);

/* ---- find.c ---- */
/* Rows by what a request calls them; HONE_ENOTFOUND names the thing. */
struct task_row {
    int64_t id, version;
    char state[16];
    const hone_json *definition; /* borrowed from s, until another is looked up */
};
int find_task(struct store *s, const char *name, struct task_row *out, hone_error *err);
int find_definition(struct store *s, int64_t task, int64_t version, hone_error *err);
int find_annotator(struct store *s, const char *pseudonym, int64_t *id, hone_error *err);
/* The row of an item by its id; 0 in *id where there is none. */
int find_item(struct store *s, const char *hash, int64_t *id, hone_error *err);
int find_entry(struct store *s, int64_t task, const char *item, int64_t *id, hone_error *err);
/* The row of some content, made where it is new. */
int store_item(struct store *s, const json_t *content, int64_t *id, char hex[65], bool *added,
               hone_error *err);
/* The same by its canonical text. */
int store_item_text(struct store *s, const char *text, int64_t *id, char hex[65], bool *added,
                    hone_error *err);

/* Whether every answer belongs to an ask of the definition: `asks` are the names of n
 * answers, one after another, each with its NUL (submit.c). */
int store_asked(const hone_json *definition, const char *asks, size_t n, hone_error *err);

/* ---- ops ---- */
typedef int store_body(struct store *s, const hone_json *request, hone_json **reply,
                       hone_error *err);
store_body store_put_items, store_put_task, store_set_task, store_get_task, store_add,
    store_set_item, store_next, store_submit, store_leave, store_put_annotator,
    store_erase, store_list, store_verify;
int store_import(struct store *s, const char *task, double now, const hone_store_row *rows,
                 size_t n, hone_json **reply, hone_error *err);

#endif
