/* find.c -- rows by the names that requests use, and the fields of requests. */
#include "store.h"

#include <string.h>

const char *get_text(const hone_json *request, const char *key)
{
    return json_string_value(json_object_get(request, key));
}

int64_t get_int(const hone_json *request, const char *key, int64_t def)
{
    const json_t *value = json_object_get(request, key);

    return json_is_integer(value) ? json_integer_value(value) : def;
}

double get_real(const hone_json *request, const char *key, double def)
{
    const json_t *value = json_object_get(request, key);

    return json_is_number(value) ? json_number_value(value) : def;
}

bool get_bool(const hone_json *request, const char *key)
{
    return json_is_true(json_object_get(request, key));
}

int give(hone_json **reply, json_t *value, hone_error *err)
{
    *reply = value;
    return value ? HONE_OK : hone_fail_memory(err, "a reply");
}

int find_definition(struct store *s, int64_t task, int64_t version, hone_error *err)
{
    sqlite3_stmt *stmt;
    int code;

    if (s->definition && s->task == task && s->version == version)
        return HONE_OK;
    code = db_query(&s->db, &stmt, err,
                    "SELECT definition FROM versions WHERE task = ? AND number = ?", "ii", task,
                    version);
    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code == 0)
        return hone_fail(err, HONE_EFORMAT, "%s: a task has lost its version %" PRId64, s->path,
                         version);
    if (code != 1)
        return code;
    json_decref(s->definition);
    s->definition = db_json(stmt, 0);
    s->task = task;
    s->version = version;
    sqlite3_reset(stmt);
    return s->definition ? HONE_OK : hone_fail_memory(err, "a task");
}

int find_task(struct store *s, const char *name, struct task_row *out, hone_error *err)
{
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err,
                        "SELECT id, version, state FROM tasks WHERE name = ?", "t", name);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code == 0)
        return hone_fail(err, HONE_ENOTFOUND, "there is no task '%s'", name);
    if (code != 1)
        return code;
    *out = (struct task_row){ .id = sqlite3_column_int64(stmt, 0),
                              .version = sqlite3_column_int64(stmt, 1) };
    strncpy(out->state, (const char *)sqlite3_column_text(stmt, 2), sizeof out->state - 1);
    sqlite3_reset(stmt);
    code = find_definition(s, out->id, out->version, err);
    out->definition = s->definition;
    return code;
}

int find_annotator(struct store *s, const char *pseudonym, int64_t *id, hone_error *err)
{
    int code;

    *id = 0;
    code = db_number(&s->db, id, err, "SELECT id FROM annotators WHERE pseudonym = ?", "t",
                     pseudonym);
    if (code == HONE_OK && !*id)
        return hone_fail(err, HONE_ENOTFOUND, "there is no annotator '%s'", pseudonym);
    return code;
}

int find_item(struct store *s, const char *hex, int64_t *id, hone_error *err)
{
    uint8_t hash[HONE_STORE_HASH];
    int code;

    *id = 0;
    if (!hone_store_unhex(hex, hash))
        return hone_fail(err, HONE_EINVAL, "'%s' is no item's id (64 hex digits)", hex);
    code = db_number(&s->db, id, err, "SELECT id FROM items WHERE hash = ?", "h", hash);
    if (code == HONE_OK && !*id)
        return hone_fail(err, HONE_ENOTFOUND, "there is no item '%s'", hex);
    return code;
}

int find_entry(struct store *s, int64_t task, const char *item, int64_t *id, hone_error *err)
{
    int64_t row;
    int code = find_item(s, item, &row, err);

    *id = 0;
    if (code == HONE_OK)
        code = db_number(&s->db, id, err, "SELECT id FROM entries WHERE task = ? AND item = ?",
                         "ii", task, row);
    if (code == HONE_OK && !*id)
        return hone_fail(err, HONE_ENOTFOUND, "the task has no item '%s'", item);
    return code;
}

int store_item_text(struct store *s, const char *text, int64_t *id, char hex[65], bool *added,
                    hone_error *err)
{
    uint8_t hash[HONE_STORE_HASH];
    int code;

    hone_store_hash(hash, text, strlen(text));
    hone_store_hex(hash, hex);
    code = db_do(&s->db, err, "INSERT INTO items (hash, content) VALUES (?, ?)"
                 " ON CONFLICT (hash) DO NOTHING", "ht", hash, text);
    *added = code == HONE_OK && sqlite3_changes(s->db.sql) > 0;
    if (*added)
        *id = sqlite3_last_insert_rowid(s->db.sql);
    else if (code == HONE_OK)
        code = db_number(&s->db, id, err, "SELECT id FROM items WHERE hash = ?", "h", hash);
    return code;
}

int store_item(struct store *s, const json_t *content, int64_t *id, char hex[65], bool *added,
               hone_error *err)
{
    char *text = hone_store_canonical(content);
    int code = text ? store_item_text(s, text, id, hex, added, err)
                    : hone_fail_memory(err, "an item");

    hone_free(text);
    return code;
}
