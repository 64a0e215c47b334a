/* import.c -- judgements that were made elsewhere. One row of the log covers
 * a whole call: it names the first judgement, how many, and a chain over their
 * digests. A second judgement of an annotator for an item counts as a repeat. */
#include "store.h"

#include <string.h>

struct importing {
    struct task_row task;
    json_t *annotators;            /* by name: their rows */
    double now;
    int64_t first, count, again, items;
    uint8_t chain[HONE_STORE_HASH];
    int64_t entry, done;           /* of the item under way: judgements not yet counted */
    bool fresh;                    /* its entry is new: nobody has judged it before */
    int64_t kind;
    const json_t *content;         /* its content, where the row gave one */
};

/* Count what an item got, once for rows of one item that follow each other. */
static int import_count(struct store *s, struct importing *m, hone_error *err)
{
    int code = HONE_OK;

    if (m->done)
        code = db_do(&s->db, err, "UPDATE entries SET done = done + ? WHERE id = ?", "ii", m->done,
                     m->entry);
    m->done = 0;
    return code;
}

static int import_annotator(struct store *s, struct importing *m, const char *name, int64_t *id,
                            hone_error *err)
{
    json_t *known = json_object_get(m->annotators, name);
    char pseudonym[10] = "a-";
    int code;

    *id = json_integer_value(known);
    if (known)
        return HONE_OK;
    code = db_number(&s->db, id, err, "SELECT annotator FROM identities WHERE name = ?", "t", name);
    if (code == HONE_OK && !*id && (code = hone_store_random(pseudonym + 2, 7, err)) == HONE_OK) {
        code = db_do(&s->db, err, "INSERT INTO annotators (pseudonym, attributes, skills, state)"
                     " VALUES (?, '{}', '{}', 'active')", "t", pseudonym);
        *id = sqlite3_last_insert_rowid(s->db.sql);
        if (code == HONE_OK)
            code = db_do(&s->db, err, "INSERT INTO identities (annotator, name) VALUES (?, ?)",
                         "it", *id, name);
        if (code == HONE_OK)
            code = store_log(s, m->now, json_pack("{s:s,s:s}", "what", "annotator", "annotator",
                                                  pseudonym), err);
    }
    if (code == HONE_OK && json_object_set_new(m->annotators, name, json_integer(*id)))
        code = hone_fail_memory(err, "annotators");
    return code;
}

/* The entry of a row's item, added to the task where it is new. */
static int import_entry(struct store *s, struct importing *m, const json_t *row,
                        struct judgement *j, bool *is_new, hone_error *err)
{
    const json_t *content = json_object_get(row, "content");
    const char *item = get_text(row, "item");
    char hex[65];
    bool added = false;
    sqlite3_stmt *stmt;
    int64_t id = 0;
    int code;

    if (!content == !item)
        return hone_fail(err, HONE_EINVAL, "takes content or item, one of them");
    if (content && json_equal(content, m->content)) { /* rows of one item often follow each other */
        j->entry = m->entry;
        j->kind = m->kind;
        return HONE_OK;
    }
    code = item ? find_item(s, item, &id, err) : store_item(s, content, &id, hex, &added, err);
    if (code == HONE_OK)
        code = db_query(&s->db, &stmt, err, "SELECT id, gold IS NOT NULL FROM entries WHERE task ="
                        " ? AND item = ?", "ii", m->task.id, id);
    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code == 1) {
        j->entry = sqlite3_column_int64(stmt, 0);
        j->kind = sqlite3_column_int64(stmt, 1) ? GOLD : FRESH;
        sqlite3_reset(stmt);
        return HONE_OK;
    }
    if (code != 0)
        return code;
    code = db_do(&s->db, err, "INSERT INTO entries (task, item, sides, wanted) VALUES (?, ?, ?, ?)",
                 "iiii", m->task.id, id, (int64_t)json_array_size(json_object_get(row, "order")),
                 get_int(m->task.definition, "overlap", 1));
    j->entry = sqlite3_last_insert_rowid(s->db.sql);
    j->kind = FRESH;
    m->items++;
    *is_new = true;
    return code;
}

/* 1: a row with this key is here already. */
static int import_again(struct store *s, struct importing *m, const struct judgement *j,
                        hone_error *err)
{
    sqlite3_stmt *stmt;
    bool same;
    int code;

    if (!j->key)
        return 0;
    code = db_query(&s->db, &stmt, err, "SELECT answers, entry FROM judgements WHERE annotator = ?"
                    " AND key = ?", "it", j->annotator, j->key);
    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code != 1)
        return code;
    same = strcmp((const char *)sqlite3_column_text(stmt, 0), j->answers) == 0 &&
           sqlite3_column_int64(stmt, 1) == j->entry;
    sqlite3_reset(stmt);
    if (!same)
        return hone_fail(err, HONE_ESTATE, "key '%s' is here already, with other answers", j->key);
    m->again++;
    return 1;
}

static int import_put(struct store *s, struct importing *m, struct judgement *j, hone_error *err)
{
    int64_t id = 0, before = 0;
    int code = HONE_OK;

    if (!m->fresh)
        code = db_number(&s->db, &before, err, "SELECT 1 FROM judgements WHERE entry = ? AND"
                         " annotator = ? LIMIT 1", "ii", j->entry, j->annotator);
    m->fresh = false;
    if (code == HONE_OK && before)
        j->kind = REPEAT;
    if (code == HONE_OK)
        code = judgement_insert(s, j, &id, err);
    m->done += code == HONE_OK && j->kind != REPEAT;
    if (code == HONE_OK) {
        char hex[65];
        hone_store_hex(j->digest, hex);
        hone_store_chain(m->chain, hex, 64);
        m->first = m->first ? m->first : id;
        m->count++;
    }
    return code;
}

static int import_row(struct store *s, struct importing *m, const json_t *row, hone_error *err)
{
    const json_t *order = json_object_get(row, "order");
    struct judgement j = { .task = m->task.id, .version = m->task.version,
                           .seconds = get_real(row, "seconds", -1),
                           .at = get_real(row, "at", m->now), .key = get_text(row, "key") };
    char *answers = hone_store_canonical(json_object_get(row, "answers"));
    char *sides = json_is_array(order) ? hone_json_text(order) : NULL;
    bool is_new = false;
    int code = answers && (sides || !json_is_array(order)) ? HONE_OK
                                                            : hone_fail_memory(err, "a judgement");

    j.answers = answers;
    j.sides = sides;
    if (code == HONE_OK)
        code = import_annotator(s, m, get_text(row, "annotator"), &j.annotator, err);
    if (code == HONE_OK)
        code = import_entry(s, m, row, &j, &is_new, err);
    if (code == HONE_OK && j.entry != m->entry) {
        code = import_count(s, m, err);
        m->entry = j.entry;
        m->fresh = is_new;
        m->kind = j.kind;
        m->content = json_object_get(row, "content");
    }
    if (code == HONE_OK && (code = import_again(s, m, &j, err)) == HONE_OK)
        code = import_put(s, m, &j, err);
    hone_free(answers);
    hone_free(sides);
    return code == 1 ? HONE_OK : code;
}

int store_import(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *name = get_text(request, "task");
    struct importing m = { .now = get_real(request, "now", 0), .annotators = json_object() };
    char digest[65];
    json_t *row;
    size_t i;
    int code = m.annotators ? find_task(s, name, &m.task, err) : hone_fail_memory(err, "import");

    json_array_foreach(json_object_get(request, "rows"), i, row) {
        if (code != HONE_OK)
            break;
        code = store_asked(m.task.definition, json_object_get(row, "answers"), err);
        if (code == HONE_OK)
            code = import_row(s, &m, row, err);
        if (code != HONE_OK)
            hone_fail_in(err, "row %zu", i + 1);
    }
    if (code == HONE_OK)
        code = import_count(s, &m, err);
    hone_store_hex(m.chain, digest);
    if (code == HONE_OK && m.count)
        code = store_log(s, m.now, json_pack("{s:s,s:s,s:I,s:I,s:s}", "what", "import", "task",
                                             name, "first", (json_int_t)m.first, "count",
                                             (json_int_t)m.count, "digest", digest), err);
    json_decref(m.annotators);
    if (code != HONE_OK)
        return code;
    return give(reply, json_pack("{s:I,s:I,s:I}", "judgements", (json_int_t)m.count, "again",
                                 (json_int_t)m.again, "items", (json_int_t)m.items), err);
}
