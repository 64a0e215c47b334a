/* serve.c -- which item an annotator sees next.
 *
 *   1. leases that ended are taken back, so that nothing stays locked
 *   2. a live assignment of this annotator's is handed out again
 *   3. with the task's share: a gold item, or one judged before with its order turned
 *   4. else the first item, in the order of adding, that wants more judgements than
 *      it has and is promised. An annotator's cursor says how far that search got
 *      last time: what lies behind it is looked at when there is nothing before it.
 *
 * Gold and repeats are drawn only while ordinary items are left, and what is
 * handed out does not say which kind it is. */
#include "store.h"

#include <string.h>

/* What comes between an item and its repeat, at least. */
enum { REPEAT_AFTER = 5, LEASE = 16 };

struct serving {
    const char *name, *pseudonym; /* of the task, the annotator */
    struct task_row task;
    int64_t annotator, served, cursor;
    double now;
};

struct candidate {
    int64_t entry, kind, sides, turn, item;
    json_t *content;
    char hex[65];
};

static int serve_expire(struct store *s, double now, hone_error *err)
{
    int64_t ended = 0;
    int code = db_number(&s->db, &ended, err, "SELECT count(*) FROM assignments WHERE state = 0"
                         " AND expires <= ?", "d", now);

    if (code != HONE_OK || !ended)
        return code;
    code = db_do(&s->db, err, "UPDATE entries SET live = live - e.n FROM (SELECT entry, count(*) n"
                 " FROM assignments WHERE state = 0 AND expires <= ?1 AND kind = 0 GROUP BY entry)"
                 " e WHERE id = e.entry", "d", now);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE assignments SET state = 5 WHERE state = 0 AND"
                     " expires <= ?", "d", now);
    if (code == HONE_OK)
        code = store_log(s, now, json_pack("{s:s,s:I}", "what", "expire", "leases",
                                           (json_int_t)ended), err);
    return code;
}

/* Who asks, and whether they may. */
static int serve_annotator(struct store *s, struct serving *v, hone_error *err)
{
    sqlite3_stmt *stmt;
    json_t *who;
    char state[16] = "";
    int code = db_query(&s->db, &stmt, err, "SELECT id, attributes, skills, state FROM annotators"
                        " WHERE pseudonym = ?", "t", v->pseudonym);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code == 0)
        return hone_fail(err, HONE_ENOTFOUND, "there is no annotator '%s'", v->pseudonym);
    if (code != 1)
        return code;
    v->annotator = sqlite3_column_int64(stmt, 0);
    strncpy(state, (const char *)sqlite3_column_text(stmt, 3), sizeof state - 1);
    who = json_pack("{s:o,s:o}", "attributes", db_json(stmt, 1), "skills", db_json(stmt, 2));
    sqlite3_reset(stmt);
    if (strcmp(state, "active") != 0)
        code = hone_fail(err, HONE_ESTATE, "annotator %s is %s", v->pseudonym, state);
    else
        code = who ? hone_store_qualified(v->task.definition, who, err)
                   : hone_fail_memory(err, "an annotator");
    json_decref(who);
    if (code != HONE_OK)
        return code;
    code = db_query(&s->db, &stmt, err, "SELECT served, cursor FROM progress WHERE task = ? AND"
                    " annotator = ?", "ii", v->task.id, v->annotator);
    if (code == HONE_OK && (code = db_step(&s->db, stmt, err)) == 1) {
        v->served = sqlite3_column_int64(stmt, 0);
        v->cursor = sqlite3_column_int64(stmt, 1);
        sqlite3_reset(stmt);
        code = HONE_OK;
    }
    return code;
}

/* ---- candidates: 1 found, 0 none ---- */

static int serve_found(struct store *s, sqlite3_stmt *stmt, int64_t kind, struct candidate *c,
                       hone_error *err)
{
    int code = db_step(&s->db, stmt, err);

    if (code != 1)
        return code;
    c->kind = kind;
    c->entry = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return 1;
}

static int serve_ordinary(struct store *s, const struct serving *v, int64_t after,
                          struct candidate *c, hone_error *err)
{
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err,
        "SELECT e.id FROM entries e INDEXED BY entries_open WHERE e.task = ?1 AND e.id > ?2 AND"
        " e.open AND NOT EXISTS (SELECT 1 FROM assignments"
        " a WHERE a.annotator = ?3 AND a.entry = e.id AND a.kind = 0 AND a.state <= 3) AND NOT"
        " EXISTS (SELECT 1 FROM judgements j WHERE j.entry = e.id AND j.annotator = ?3)"
        " ORDER BY e.id LIMIT 1", "iii", v->task.id, after, v->annotator);

    return code == HONE_OK ? serve_found(s, stmt, FRESH, c, err) : code;
}

static int serve_gold_after(struct store *s, const struct serving *v, int64_t after,
                            struct candidate *c, hone_error *err)
{
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err,
        "SELECT e.id FROM entries e INDEXED BY entries_gold WHERE e.task = ?1 AND e.gold IS NOT"
        " NULL AND e.wanted > 0 AND e.id >= ?2 AND NOT EXISTS (SELECT 1 FROM assignments a WHERE"
        " a.annotator = ?3 AND a.entry = e.id AND a.kind = 1 AND a.state <= 3) ORDER BY e.id"
        " LIMIT 1", "iii", v->task.id, after, v->annotator);

    return code == HONE_OK ? serve_found(s, stmt, GOLD, c, err) : code;
}

/* From a drawn place on, so that annotators meet them in different orders. */
static int serve_gold(struct store *s, const struct serving *v, struct candidate *c,
                      hone_error *err)
{
    int64_t low = 0, high = 0, seed = get_int(v->task.definition, "seed", 0), from;
    int code = db_number(&s->db, &low, err, "SELECT min(id) FROM entries WHERE task = ? AND gold"
                         " IS NOT NULL", "i", v->task.id);

    if (code == HONE_OK)
        code = db_number(&s->db, &high, err, "SELECT max(id) FROM entries WHERE task = ? AND gold"
                         " IS NOT NULL", "i", v->task.id);
    if (code != HONE_OK || !high)
        return code;
    from = low + (int64_t)(hone_store_draw((uint64_t)seed, v->pseudonym, v->served, "which gold") *
                           (double)(high - low + 1));
    code = serve_gold_after(s, v, from, c, err);
    return code == 0 ? serve_gold_after(s, v, low, c, err) : code;
}

static int serve_repeat(struct store *s, const struct serving *v, struct candidate *c,
                        hone_error *err)
{
    static const char text[] =
        "SELECT a.entry FROM assignments a WHERE a.annotator = ?1 AND a.entry >= ?2 AND a.task = ?3"
        " AND a.kind = 0 AND a.state = 1 AND a.turn + ?4 <= ?5 AND NOT EXISTS (SELECT 1 FROM"
        " assignments b WHERE b.annotator = ?1 AND b.entry = a.entry AND b.kind = 2 AND"
        " b.state <= 3) ORDER BY a.entry LIMIT 1";
    int64_t seed = get_int(v->task.definition, "seed", 0), low = 0, from;
    sqlite3_stmt *stmt;
    int code = db_number(&s->db, &low, err, "SELECT min(entry) FROM assignments WHERE annotator = ?"
                         " AND state <= 3 AND task = ?", "ii", v->annotator, v->task.id);

    if (code != HONE_OK || !low)
        return code;
    from = low + (int64_t)(hone_store_draw((uint64_t)seed, v->pseudonym, v->served,
                                           "which repeat") * (double)(v->cursor - low + 1));
    code = db_query(&s->db, &stmt, err, text, "iiiii", v->annotator, from, v->task.id,
                    (int64_t)REPEAT_AFTER, v->served);
    if (code == HONE_OK)
        code = serve_found(s, stmt, REPEAT, c, err);
    if (code == 0)
        code = db_query(&s->db, &stmt, err, text, "iiiii", v->annotator, low, v->task.id,
                        (int64_t)REPEAT_AFTER, v->served);
    else
        return code;
    return code == HONE_OK ? serve_found(s, stmt, REPEAT, c, err) : code;
}

static int serve_choose(struct store *s, const struct serving *v, struct candidate *c,
                        hone_error *err)
{
    const hone_json *d = v->task.definition;
    uint64_t seed = (uint64_t)get_int(d, "seed", 0);
    double gold = get_real(d, "gold", 0), repeats = get_real(d, "repeats", 0);
    double draw = hone_store_draw(seed, v->pseudonym, v->served, "kind");
    struct candidate other = { 0 };
    int code = serve_ordinary(s, v, v->cursor, c, err), found = 0;

    if (code == 0 && v->cursor)
        code = serve_ordinary(s, v, 0, c, err);
    if (code != 1)
        return code;
    if (draw < gold)
        found = serve_gold(s, v, &other, err);
    else if (draw < gold + repeats)
        found = serve_repeat(s, v, &other, err);
    if (found == 1)
        *c = other;
    return found < 0 ? found : 1;
}

/* ---- handing out ---- */

/* The item and its place in the order of showings; a repeat comes turned by one
 * against the time before. */
static int serve_load(struct store *s, const struct serving *v, struct candidate *c,
                      json_t **order, hone_error *err)
{
    sqlite3_stmt *stmt;
    json_t *before = NULL;
    int code = db_query(&s->db, &stmt, err, "SELECT i.hash, i.content, e.sides, e.served FROM"
                        " entries e JOIN items i ON i.id = e.item WHERE e.id = ?", "i", c->entry);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code != 1)
        return code;
    hone_store_hex(sqlite3_column_blob(stmt, 0), c->hex);
    c->content = db_json(stmt, 1);
    c->sides = sqlite3_column_int64(stmt, 2);
    c->turn = sqlite3_column_int64(stmt, 3);
    sqlite3_reset(stmt);
    code = c->content ? HONE_OK : hone_fail_memory(err, "an item");
    if (code == HONE_OK && c->kind == REPEAT && c->sides) {
        code = db_query(&s->db, &stmt, err, "SELECT sides FROM assignments WHERE annotator = ? AND"
                        " entry = ? AND kind = 0 AND state <= 3", "ii", v->annotator, c->entry);
        if (code == HONE_OK && (code = db_step(&s->db, stmt, err)) == 1) {
            before = db_json(stmt, 0);
            sqlite3_reset(stmt);
            code = before ? HONE_OK : hone_fail_memory(err, "an order");
        }
    }
    if (json_array_size(before)) {
        if (json_array_append(before, json_array_get(before, 0)))
            code = hone_fail_memory(err, "an order");
        json_array_remove(before, 0);
        *order = before;
    } else {
        json_decref(before);
        *order = c->sides ? hone_store_order((uint64_t)get_int(v->task.definition, "seed", 0),
                                             c->hex, c->turn, c->sides) : json_null();
    }
    return code != HONE_OK || *order ? code : hone_fail_memory(err, "an order");
}

static int serve_record(struct store *s, const struct serving *v, const struct candidate *c,
                        const json_t *order, const char *lease, double expires, int64_t *id,
                        hone_error *err)
{
    char *sides = json_is_null(order) ? NULL : hone_json_text(order);
    int code = HONE_OK;

    if (!json_is_null(order) && !sides)
        return hone_fail_memory(err, "an order");
    code = db_do(&s->db, err, "INSERT INTO assignments (task, entry, annotator, version, kind, turn,"
                 " sides, lease, at, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "iiiiiittdd",
                 v->task.id, c->entry, v->annotator, v->task.version, c->kind, v->served, sides,
                 lease, v->now, expires);
    hone_free(sides);
    if (code == HONE_OK)
        *id = sqlite3_last_insert_rowid(s->db.sql);
    if (code == HONE_OK && c->kind != REPEAT)
        code = db_do(&s->db, err, "UPDATE entries SET live = live + ?, served = served + 1 WHERE"
                     " id = ?", "ii", (int64_t)(c->kind == FRESH), c->entry);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "INSERT INTO progress (task, annotator, served, cursor) VALUES"
                     " (?1, ?2, 1, ?3) ON CONFLICT (task, annotator) DO UPDATE SET served = served"
                     " + 1, cursor = ?3", "iii", v->task.id, v->annotator,
                     c->kind == FRESH ? c->entry : v->cursor);
    if (code == HONE_OK)
        code = store_log(s, v->now, json_pack("{s:s,s:I,s:I,s:s}", "what", "serve", "assignment",
                                              (json_int_t)*id, "entry", (json_int_t)c->entry,
                                              "annotator", v->pseudonym), err);
    return code;
}

static json_t *serve_reply(const struct serving *v, int64_t id, int64_t version,
                           const struct candidate *c, json_t *order, const char *lease,
                           double expires)
{
    return json_pack("{s:I,s:s,s:I,s:s,s:O,s:O,s:s,s:f}", "id", (json_int_t)id, "task", v->name,
                     "version", (json_int_t)version, "item", c->hex, "content", c->content, "order",
                     order, "lease", lease, "expires", expires);
}

/* 1: there is a live one, and it is in *reply. */
static int serve_again(struct store *s, const struct serving *v, hone_json **reply,
                       hone_error *err)
{
    double expires = v->now + get_real(v->task.definition, "lease", 1800);
    struct candidate c = { 0 };
    json_t *order = NULL, *unused = NULL;
    char lease[LEASE + 1] = "";
    int64_t id, version;
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err, "SELECT id, entry, kind, sides, lease, version FROM"
                        " assignments WHERE annotator = ? AND task = ? AND state = 0 ORDER BY id"
                        " LIMIT 1", "ii", v->annotator, v->task.id);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code != 1)
        return code;
    id = sqlite3_column_int64(stmt, 0);
    c.entry = sqlite3_column_int64(stmt, 1);
    c.kind = FRESH; /* its order is known */
    order = db_json(stmt, 3);
    strncpy(lease, (const char *)sqlite3_column_text(stmt, 4), LEASE);
    version = sqlite3_column_int64(stmt, 5);
    sqlite3_reset(stmt);
    code = order ? serve_load(s, v, &c, &unused, err) : hone_fail_memory(err, "an order");
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE assignments SET expires = ? WHERE id = ?", "di", expires,
                     id);
    if (code == HONE_OK)
        code = store_log(s, v->now, json_pack("{s:s,s:I}", "what", "renew", "assignment",
                                              (json_int_t)id), err);
    if (code == HONE_OK)
        code = give(reply, serve_reply(v, id, version, &c, order, lease, expires), err);
    json_decref(unused);
    json_decref(order);
    json_decref(c.content);
    return code == HONE_OK ? 1 : code;
}

int store_next(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    struct serving v = { .name = get_text(request, "task"),
                         .pseudonym = get_text(request, "annotator"),
                         .now = get_real(request, "now", 0) };
    struct candidate c = { 0 };
    char lease[LEASE + 1];
    json_t *order = NULL;
    double expires;
    int64_t id = 0;
    int code = find_task(s, v.name, &v.task, err);

    if (code == HONE_OK && strcmp(v.task.state, "open") != 0)
        code = hone_fail(err, HONE_ESTATE, "the task '%s' is %s", v.name, v.task.state);
    if (code == HONE_OK)
        code = serve_annotator(s, &v, err);
    if (code == HONE_OK)
        code = serve_expire(s, v.now, err);
    if (code == HONE_OK)
        code = serve_again(s, &v, reply, err);
    if (code != HONE_OK)
        return code == 1 ? HONE_OK : code;
    code = serve_choose(s, &v, &c, err);
    if (code != 1)
        return code == 0 ? give(reply, json_null(), err) : code;
    expires = v.now + get_real(v.task.definition, "lease", 1800);
    code = hone_store_random(lease, LEASE, err);
    if (code == HONE_OK)
        code = serve_load(s, &v, &c, &order, err);
    if (code == HONE_OK)
        code = serve_record(s, &v, &c, order, lease, expires, &id, err);
    if (code == HONE_OK)
        code = give(reply, serve_reply(&v, id, v.task.version, &c, order, lease, expires), err);
    json_decref(order);
    json_decref(c.content);
    return code;
}
