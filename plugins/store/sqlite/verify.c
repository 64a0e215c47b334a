/* verify.c -- whether the log is whole, and what it vouches for unchanged.
 *
 * Rows count up from 1; the hash of each follows from the one before and its
 * entry. A row that names a judgement holds its digest: the judgement's digest is
 * computed again and compared, with the row of the log that redacted it where one
 * did. What no row of the log names does not belong there. One row in memory. */
#include "store.h"

#include <string.h>

struct checking {
    int64_t row, judgements, head;
    const char *head_hash;           /* NULL: none was given */
    uint8_t hash[HONE_STORE_HASH];
    char reason[160];                /* "": sound so far */
};

/* The digest that a judgement has, and whether its content fits it. */
static int verify_judgement(struct store *s, int64_t id, uint8_t digest[HONE_STORE_HASH],
                            struct checking *c, hone_error *err)
{
    uint8_t computed[HONE_STORE_HASH];
    struct judgement j;
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err, "SELECT " JUDGEMENT_COLUMNS ", j.digest FROM"
                        " judgements j WHERE j.id = ?", "i", id);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code == 0)
        sqlite3_snprintf(sizeof c->reason, c->reason, "judgement %lld is gone", (long long)id);
    if (code != 1)
        return code;
    judgement_row(stmt, 0, &j);
    memset(digest, 0, HONE_STORE_HASH);
    if (sqlite3_column_bytes(stmt, 13) == HONE_STORE_HASH)
        memcpy(digest, sqlite3_column_blob(stmt, 13), HONE_STORE_HASH);
    code = judgement_digest(&j, computed, err);
    sqlite3_reset(stmt);
    if (code == HONE_OK && memcmp(computed, digest, HONE_STORE_HASH) != 0)
        sqlite3_snprintf(sizeof c->reason, c->reason, "judgement %lld was changed", (long long)id);
    return code;
}

/* What an earlier row said of a judgement that was redacted since is not what is
 * there now; the redaction's row, later in the chain, is. */
static int verify_redacted(struct store *s, int64_t id, int64_t *by, hone_error *err)
{
    *by = 0;
    return db_number(&s->db, by, err, "SELECT log FROM redactions WHERE judgement = ?", "i", id);
}

static int verify_named(struct store *s, const json_t *entry, struct checking *c, bool redaction,
                        hone_error *err)
{
    int64_t id = get_int(entry, "judgement", 0), by;
    const char *said = get_text(entry, "digest");
    uint8_t digest[HONE_STORE_HASH];
    char hex[65];
    int code = verify_judgement(s, id, digest, c, err);

    if (!redaction)
        c->judgements++;
    if (code == HONE_OK)
        code = verify_redacted(s, id, &by, err);
    if (code != HONE_OK || c->reason[0] || by > c->row)
        return code;
    hone_store_hex(digest, hex);
    if (!said || strcmp(said, hex) != 0)
        sqlite3_snprintf(sizeof c->reason, c->reason, "judgement %lld is not the one that was made",
                         (long long)id);
    return HONE_OK;
}

/* The digest that a judgement had before it was redacted, from the log's later row, whose own
 * place in the chain is checked when it comes. *known: there is one, which older stores did
 * not keep. */
static int verify_was(struct store *s, int64_t redaction, uint8_t digest[HONE_STORE_HASH],
                      bool *known, hone_error *err)
{
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err, "SELECT json_extract(entry, '$.was') FROM log WHERE"
                        " id = ?", "i", redaction);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    *known = code == 1 && hone_store_unhex((const char *)sqlite3_column_text(stmt, 0), digest);
    sqlite3_reset(stmt);
    return code < 0 ? code : HONE_OK;
}

/* An import: a chain over the digests as they were. Where one is not known any more, the
 * chain cannot be followed, and each judgement is compared with its own digest only. */
static int verify_import(struct store *s, const json_t *entry, struct checking *c,
                         hone_error *err)
{
    int64_t first = get_int(entry, "first", 0), count = get_int(entry, "count", 0), by;
    uint8_t chain[HONE_STORE_HASH] = { 0 }, digest[HONE_STORE_HASH];
    const char *said = get_text(entry, "digest");
    bool followed = true, known = true;
    char hex[65];
    int code = HONE_OK;

    for (int64_t i = 0; i < count && code == HONE_OK && !c->reason[0]; i++) {
        code = verify_judgement(s, first + i, digest, c, err);
        if (code == HONE_OK)
            code = verify_redacted(s, first + i, &by, err);
        if (code == HONE_OK && by)
            code = verify_was(s, by, digest, &known, err);
        followed = followed && known;
        hone_store_hex(digest, hex);
        hone_store_chain(chain, hex, 64);
    }
    c->judgements += count;
    hone_store_hex(chain, hex);
    if (code == HONE_OK && !c->reason[0] && followed && (!said || strcmp(said, hex) != 0))
        sqlite3_snprintf(sizeof c->reason, c->reason, "judgements %lld to %lld are not those that"
                         " were imported", (long long)first, (long long)(first + count - 1));
    return code;
}

static int verify_definition(struct store *s, const json_t *entry, struct checking *c,
                             hone_error *err)
{
    const char *name = get_text(entry, "task"), *said = get_text(entry, "digest"), *text = "";
    uint8_t hash[HONE_STORE_HASH];
    sqlite3_stmt *stmt;
    char hex[65];
    int code = db_query(&s->db, &stmt, err, "SELECT v.definition FROM versions v JOIN tasks t ON"
                        " t.id = v.task WHERE t.name = ? AND v.number = ?", "ti", name,
                        get_int(entry, "version", 0));

    if (code == HONE_OK && (code = db_step(&s->db, stmt, err)) == 1)
        text = (const char *)sqlite3_column_text(stmt, 0);
    if (code < 0)
        return code;
    hone_store_hash(hash, text, strlen(text));
    hone_store_hex(hash, hex);
    sqlite3_reset(stmt);
    if (!said || strcmp(said, hex) != 0)
        sqlite3_snprintf(sizeof c->reason, c->reason, "version %lld of task '%.60s' was changed",
                         (long long)get_int(entry, "version", 0), name ? name : "?");
    return HONE_OK;
}

static int verify_row(struct store *s, sqlite3_stmt *stmt, struct checking *c, hone_error *err)
{
    const char *text = (const char *)sqlite3_column_text(stmt, 1), *what;
    json_t *entry;
    char hex[65];
    int code = hone_json_parse(&entry, text ? text : "", text ? strlen(text) : 0, NULL, NULL);

    if (code == HONE_ENOMEM)
        return hone_fail_memory(err, "an entry");
    code = HONE_OK;
    c->row++;
    hone_store_chain(c->hash, text ? text : "", text ? strlen(text) : 0);
    hone_store_hex(c->hash, hex);
    what = get_text(entry, "what");
    if (sqlite3_column_int64(stmt, 0) != c->row)
        strcpy(c->reason, "a row is gone");
    else if (sqlite3_column_bytes(stmt, 2) != HONE_STORE_HASH ||
             memcmp(sqlite3_column_blob(stmt, 2), c->hash, HONE_STORE_HASH) != 0)
        strcpy(c->reason, "the hash does not follow from the row before and the entry");
    else if (c->head == c->row && c->head_hash && strcmp(c->head_hash, hex) != 0)
        strcpy(c->reason, "the hash is another than was noted for this row");
    else if (!what)
        strcpy(c->reason, "the entry cannot be read");
    else if (strcmp(what, "judge") == 0 || strcmp(what, "redact") == 0)
        code = verify_named(s, entry, c, *what == 'r', err);
    else if (strcmp(what, "import") == 0)
        code = verify_import(s, entry, c, err);
    else if (strcmp(what, "task") == 0)
        code = verify_definition(s, entry, c, err);
    json_decref(entry);
    return code;
}

/* Items are named by their content. */
static int verify_items(struct store *s, struct checking *c, hone_error *err)
{
    uint8_t hash[HONE_STORE_HASH];
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err, "SELECT hash, content, id FROM items ORDER BY id", "");

    while (code == HONE_OK && !c->reason[0] && (code = db_step(&s->db, stmt, err)) == 1) {
        const char *text = (const char *)sqlite3_column_text(stmt, 1);
        hone_store_hash(hash, text, strlen(text));
        if (sqlite3_column_bytes(stmt, 0) != HONE_STORE_HASH ||
            memcmp(sqlite3_column_blob(stmt, 0), hash, HONE_STORE_HASH) != 0)
            sqlite3_snprintf(sizeof c->reason, c->reason, "item number %lld was changed",
                             (long long)sqlite3_column_int64(stmt, 2));
        code = HONE_OK;
    }
    return code;
}

int store_verify(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const json_t *head = json_object_get(request, "head");
    struct checking c = { .head = get_int(head, "row", 0), .head_hash = get_text(head, "hash") };
    int64_t there = 0;
    bool in_log;
    sqlite3_stmt *stmt;
    char hex[65];
    json_t *broken;
    int code = db_query(&s->db, &stmt, err, "SELECT id, entry, hash FROM log ORDER BY id", "");

    while (code == HONE_OK && !c.reason[0] && (code = db_step(&s->db, stmt, err)) == 1)
        code = verify_row(s, stmt, &c, err);
    sqlite3_reset(stmt);
    in_log = c.reason[0];
    if (code == HONE_OK && !in_log)
        code = verify_items(s, &c, err);
    if (code == HONE_OK && !c.reason[0])
        code = db_number(&s->db, &there, err, "SELECT count(*) FROM judgements", "");
    if (code != HONE_OK)
        return code;
    if (!c.reason[0] && there != c.judgements)
        sqlite3_snprintf(sizeof c.reason, c.reason, "%lld judgements are here, and the log names"
                         " %lld", (long long)there, (long long)c.judgements);
    if (!c.reason[0] && c.head > c.row)
        sqlite3_snprintf(sizeof c.reason, c.reason, "the log was shortened: row %lld is gone",
                         (long long)c.head);
    hone_store_hex(c.hash, hex);
    broken = c.reason[0] ? json_pack("{s:o,s:s}", "row", in_log ? json_integer(c.row) : json_null(),
                                     "reason", c.reason) : json_null();
    return give(reply, json_pack("{s:b,s:I,s:s,s:I,s:o}", "ok", !c.reason[0], "rows",
                                 (json_int_t)c.row, "hash", hex, "judgements",
                                 (json_int_t)c.judgements, "broken", broken), err);
}
