/* import.c -- judgements that were made elsewhere. One row of the log covers
 * a whole call: it names the first judgement, how many, and a chain over their
 * digests. A second judgement of an annotator for an item counts as a repeat.
 *
 * Rows of one item that follow each other are a run: its entry is looked up and
 * counted once, and one that is new is written with its count. */
#include "store.h"

#include <string.h>

struct importing {
    struct task_row task;
    json_t *annotators;            /* by name: their rows */
    double now;
    int64_t first, count, again, items;
    uint8_t chain[HONE_STORE_HASH];
    int64_t *who;                  /* annotators of the rows of the run */
};

struct run {
    const hone_store_row *rows;
    size_t n;
    int64_t entry, kind;
    bool fresh;                    /* the entry is new: nobody has judged it before */
    int64_t done;                  /* judgements that are not counted in it yet */
};

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

/* Whether the annotator of row i has a row before it in the run. */
static bool import_seen(const struct importing *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (m->who[k] == m->who[i])
            return true;
    return false;
}

/* The entry of a run's item, added to the task where it is new. */
static int import_entry(struct store *s, struct importing *m, struct run *run, hone_error *err)
{
    const hone_store_row *row = run->rows;
    char hex[65];
    bool added = false;
    sqlite3_stmt *stmt;
    int64_t id = 0, people = 0;
    int code = row->item ? find_item(s, row->item, &id, err)
                         : store_item_text(s, row->content, &id, hex, &added, err);

    if (code == HONE_OK && !added) { /* what is new is in no task yet */
        code = db_query(&s->db, &stmt, err, "SELECT id, gold IS NOT NULL FROM entries WHERE task ="
                        " ? AND item = ?", "ii", m->task.id, id);
        if (code == HONE_OK)
            code = db_step(&s->db, stmt, err);
        if (code == 1) {
            run->entry = sqlite3_column_int64(stmt, 0);
            run->kind = sqlite3_column_int64(stmt, 1) ? GOLD : FRESH;
            sqlite3_reset(stmt);
            return HONE_OK;
        }
    }
    if (code != HONE_OK)
        return code;
    for (size_t i = 0; i < run->n; i++)
        people += !import_seen(m, i);
    code = db_do(&s->db, err, "INSERT INTO entries (task, item, sides, wanted, done) VALUES"
                 " (?, ?, ?, ?, ?)", "iiiii", m->task.id, id, row->sides,
                 get_int(m->task.definition, "overlap", 1), people);
    run->entry = sqlite3_last_insert_rowid(s->db.sql);
    run->kind = FRESH;
    run->fresh = true;
    m->items++;
    return code;
}

/* A row with this key is here already: the same, or an error. */
static int import_again(struct store *s, struct importing *m, const struct judgement *j,
                        hone_error *err)
{
    sqlite3_stmt *stmt;
    bool same = false;
    int code = db_query(&s->db, &stmt, err, "SELECT answers, entry FROM judgements WHERE annotator"
                        " = ? AND key = ?", "it", j->annotator, j->key);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code < 0)
        return code;
    if (code == 1)
        same = strcmp((const char *)sqlite3_column_text(stmt, 0), j->answers) == 0 &&
               sqlite3_column_int64(stmt, 1) == j->entry;
    sqlite3_reset(stmt);
    if (!same)
        return hone_fail(err, HONE_ESTATE, "key '%s' is here already, with other answers", j->key);
    m->again++;
    return HONE_OK;
}

static int import_row(struct store *s, struct importing *m, struct run *run, size_t i,
                      hone_error *err)
{
    const hone_store_row *row = &run->rows[i];
    struct judgement j = { .task = m->task.id, .version = m->task.version, .entry = run->entry,
                           .annotator = m->who[i], .kind = run->kind, .seconds = row->seconds,
                           .at = row->at < 0 ? m->now : row->at, .key = row->key,
                           .answers = row->answers, .sides = row->order };
    int64_t id = 0, before = 0;
    char hex[65];
    int code = HONE_OK;

    if (run->fresh)
        before = import_seen(m, i);
    else
        code = db_number(&s->db, &before, err, "SELECT 1 FROM judgements WHERE entry = ? AND"
                         " annotator = ? LIMIT 1", "ii", j.entry, j.annotator);
    if (before)
        j.kind = REPEAT;
    if (code == HONE_OK)
        code = judgement_insert(s, &j, &id, err);
    if (code != HONE_OK)
        return code;
    if (!id)
        return import_again(s, m, &j, err);
    run->done += j.kind != REPEAT;
    hone_store_hex(j.digest, hex);
    hone_store_chain(m->chain, hex, 64);
    m->first = m->first ? m->first : id;
    m->count++;
    return HONE_OK;
}

/* *at: the row that an error is about. */
static int import_run(struct store *s, struct importing *m, struct run *run, size_t *at,
                      hone_error *err)
{
    int code = HONE_OK;
    size_t i;

    for (i = 0; i < run->n && code == HONE_OK; i++) {
        code = store_asked(m->task.definition, run->rows[i].asks, run->rows[i].ask_count, err);
        if (code == HONE_OK)
            code = import_annotator(s, m, run->rows[i].annotator, &m->who[i], err);
        *at = i;
    }
    if (code == HONE_OK) {
        *at = 0;
        code = import_entry(s, m, run, err);
    }
    for (i = 0; i < run->n && code == HONE_OK; i++) {
        *at = i;
        code = import_row(s, m, run, i, err);
    }
    if (code == HONE_OK && run->done && !run->fresh)
        code = db_do(&s->db, err, "UPDATE entries SET done = done + ? WHERE id = ?", "ii",
                     run->done, run->entry);
    return code;
}

static bool import_is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* The rows at the front that are of one item. */
static size_t import_length(const hone_store_row *rows, size_t n)
{
    size_t i = 1;

    while (i < n && (import_is_same(rows[i].content, rows->content) ||
                     import_is_same(rows[i].item, rows->item)) &&
           !rows[i].content == !rows->content && !rows[i].item == !rows->item)
        i++;
    return i;
}

static int import_rows(struct store *s, struct importing *m, const hone_store_row *rows,
                       size_t n, hone_error *err)
{
    size_t at = 0;
    int code = HONE_OK;

    for (size_t i = 0; i < n && code == HONE_OK;) {
        struct run run = { .rows = rows + i, .n = import_length(rows + i, n - i) };

        if (!rows[i].content == !rows[i].item)
            code = hone_fail(err, HONE_EINVAL, "takes content or item, one of them");
        else
            code = import_run(s, m, &run, &at, err);
        if (code != HONE_OK)
            return hone_fail_in(err, "row %zu", i + at + 1);
        i += run.n;
    }
    return code;
}

int store_import(struct store *s, const char *task, double now, const hone_store_row *rows,
                 size_t n, hone_json **reply, hone_error *err)
{
    struct importing m = { .now = now, .annotators = json_object(),
                           .who = hone_alloc(n + 1, sizeof *m.who) };
    char digest[65];
    int code = m.annotators && m.who ? find_task(s, task, &m.task, err)
                                     : hone_fail_memory(err, "import");

    if (code == HONE_OK)
        code = import_rows(s, &m, rows, n, err);
    hone_store_hex(m.chain, digest);
    if (code == HONE_OK && m.count)
        code = store_log(s, m.now, json_pack("{s:s,s:s,s:I,s:I,s:s}", "what", "import", "task",
                                             task, "first", (json_int_t)m.first, "count",
                                             (json_int_t)m.count, "digest", digest), err);
    json_decref(m.annotators);
    hone_free(m.who);
    if (code != HONE_OK)
        return code;
    return give(reply, json_pack("{s:I,s:I,s:I}", "judgements", (json_int_t)m.count, "again",
                                 (json_int_t)m.again, "items", (json_int_t)m.items), err);
}
