/* log.c -- the chained log, and the digests of judgements. */
#include "store.h"

#include <string.h>

int store_log(struct store *s, double now, json_t *entry, hone_error *err)
{
    char *text = entry ? hone_store_canonical(entry) : NULL;
    uint8_t hash[HONE_STORE_HASH] = { 0 };
    sqlite3_stmt *stmt;
    int code = text ? HONE_OK : hone_fail_memory(err, "the log");

    if (code == HONE_OK)
        code = db_query(&s->db, &stmt, err, "SELECT hash FROM log ORDER BY id DESC LIMIT 1", "");
    if (code == HONE_OK && (code = db_step(&s->db, stmt, err)) == 1) {
        if (sqlite3_column_bytes(stmt, 0) == HONE_STORE_HASH)
            memcpy(hash, sqlite3_column_blob(stmt, 0), sizeof hash);
        sqlite3_reset(stmt);
        code = HONE_OK;
    }
    if (code == HONE_OK) {
        hone_store_chain(hash, text, strlen(text));
        code = db_do(&s->db, err, "INSERT INTO log (at, entry, hash) VALUES (?, ?, ?)", "dth", now,
                     text, hash);
    }
    json_decref(entry);
    hone_free(text);
    return code;
}

static char *log_number(char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        *at++ = (char)(value >> 8 * i & 0xff);
    return at;
}

static char *log_text(char *at, const char *text, size_t n)
{
    at = log_number(at, n);
    if (n)
        memcpy(at, text, n);
    return at + n;
}

/* Salt and numbers as they are (8 bytes, the lowest first; reals by their bits), texts
 * after their lengths. */
int judgement_digest(const struct judgement *j, uint8_t digest[HONE_STORE_HASH], hone_error *err)
{
    const char *const texts[] = { j->salt, j->sides ? j->sides : "", j->key ? j->key : "",
                                  j->answers };
    const int64_t numbers[] = { j->task, j->entry, j->annotator, j->version, j->assignment, j->kind,
                                j->supersedes };
    const double reals[] = { j->seconds, j->at };
    size_t sizes[4], total = 8 * (4 + 7 + 2);
    char most[1024], *bytes = most, *at;

    for (int i = 0; i < 4; i++)
        total += sizes[i] = strlen(texts[i]);
    if (total > sizeof most && !(bytes = hone_alloc(total, 1)))
        return hone_fail_memory(err, "a judgement");
    at = bytes;
    for (int i = 0; i < 7; i++)
        at = log_number(at, (uint64_t)numbers[i]);
    for (int i = 0; i < 2; i++) {
        uint64_t bits;
        memcpy(&bits, &reals[i], sizeof bits);
        at = log_number(at, bits);
    }
    for (int i = 0; i < 4; i++)
        at = log_text(at, texts[i], sizes[i]);
    hone_store_hash(digest, bytes, (size_t)(at - bytes));
    if (bytes != most)
        hone_free(bytes);
    return HONE_OK;
}

int judgement_insert(struct store *s, struct judgement *j, int64_t *id, hone_error *err)
{
    int code = HONE_OK;

    if (!s->salts) { /* 64 at a time */
        code = hone_store_random(s->salt, sizeof s->salt - 1, err);
        s->salts = code == HONE_OK ? 64 : 0;
    }
    if (code == HONE_OK) {
        memcpy(j->salt, s->salt + 16 * --s->salts, 16);
        j->salt[16] = '\0';
    }

    if (code == HONE_OK)
        code = judgement_digest(j, j->digest, err);
    if (code == HONE_OK)
        code = db_do(&s->db, err,
                     "INSERT INTO judgements (task, entry, annotator, version, assignment, kind,"
                     " supersedes, sides, answers, key, seconds, at, salt, digest) VALUES (?, ?, ?,"
                     " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (annotator, key) WHERE key IS"
                     " NOT NULL DO NOTHING",
                     "iiiioiotttedth", j->task, j->entry, j->annotator, j->version, j->assignment,
                     j->kind, j->supersedes, j->sides, j->answers, j->key, j->seconds, j->at,
                     j->salt, j->digest);
    if (code == HONE_OK)
        *id = sqlite3_changes(s->db.sql) ? sqlite3_last_insert_rowid(s->db.sql) : 0;
    return code;
}

void judgement_row(sqlite3_stmt *stmt, int column, struct judgement *j)
{
    const char *salt = (const char *)sqlite3_column_text(stmt, column + 12);
    int64_t *const numbers[] = { &j->task, &j->entry, &j->annotator, &j->version, &j->assignment,
                                 &j->kind, &j->supersedes };

    for (int i = 0; i < 7; i++)
        *numbers[i] = sqlite3_column_int64(stmt, column + i);
    j->sides = (const char *)sqlite3_column_text(stmt, column + 7);
    j->answers = (const char *)sqlite3_column_text(stmt, column + 8);
    j->key = (const char *)sqlite3_column_text(stmt, column + 9);
    j->seconds = sqlite3_column_type(stmt, column + 10) == SQLITE_NULL
                     ? -1 : sqlite3_column_double(stmt, column + 10);
    j->at = sqlite3_column_double(stmt, column + 11);
    memset(j->salt, 0, sizeof j->salt);
    strncpy(j->salt, salt ? salt : "", sizeof j->salt - 1);
}
