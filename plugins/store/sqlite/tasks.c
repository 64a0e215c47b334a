/* tasks.c -- items, tasks and the items of tasks. */
#include "store.h"

#include <string.h>

int store_put_items(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    json_t *ids = json_array(), *content;
    int64_t count = 0, id;
    char hex[65], digest[65];
    uint8_t chain[HONE_STORE_HASH] = { 0 };
    bool added;
    size_t i;
    int code = ids ? HONE_OK : hone_fail_memory(err, "items");

    json_array_foreach(json_object_get(request, "items"), i, content) {
        if (code == HONE_OK)
            code = store_item(s, content, &id, hex, &added, err);
        if (code != HONE_OK)
            break;
        count += added;
        if (added)
            hone_store_chain(chain, hex, 64);
        if (json_array_append_new(ids, json_string(hex)))
            code = hone_fail_memory(err, "items");
    }
    hone_store_hex(chain, digest);
    if (code == HONE_OK && count)
        code = store_log(s, get_real(request, "now", 0),
                         json_pack("{s:s,s:I,s:s}", "what", "items", "added", (json_int_t)count,
                                   "digest", digest), err);
    if (code == HONE_OK)
        return give(reply, json_pack("{s:o,s:I}", "ids", ids, "added", (json_int_t)count), err);
    json_decref(ids);
    return code;
}

/* { ask = version } of the asks that have a metric. */
static char *task_metrics(const hone_json *definition)
{
    json_t *out = json_object(), *ask;
    char *text;
    size_t i;
    int failed = !out;

    json_array_foreach(json_object_get(definition, "ask"), i, ask) {
        json_t *metric = json_object_get(ask, "metric");
        json_t *version = json_object_get(metric, "version");
        if (version)
            failed |= json_object_set(out, get_text(ask, "name"), version);
    }
    text = failed ? NULL : hone_store_canonical(out);
    json_decref(out);
    return text;
}

static int task_version(struct store *s, int64_t task, int64_t number, const char *name,
                        const hone_json *definition, double now, hone_error *err)
{
    char *text = hone_store_canonical(definition), *metrics = task_metrics(definition), hex[65];
    const char *guideline = get_text(definition, "guideline");
    uint8_t hash[HONE_STORE_HASH];
    int64_t item;
    int code = text && metrics ? HONE_OK : hone_fail_memory(err, "a task");

    if (code == HONE_OK && guideline) {
        code = find_item(s, guideline, &item, err);
        if (code != HONE_OK)
            hone_fail_in(err, "guideline");
    }
    if (code == HONE_OK)
        code = db_do(&s->db, err, "INSERT INTO versions (task, number, definition, guideline,"
                     " metrics, at) VALUES (?, ?, ?, ?, ?, ?)", "iitttd", task, number, text,
                     guideline, metrics, now);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE tasks SET version = ? WHERE id = ?", "ii", number, task);
    if (code == HONE_OK) {
        hone_store_hash(hash, text, strlen(text));
        hone_store_hex(hash, hex);
        code = store_log(s, now, json_pack("{s:s,s:s,s:I,s:s}", "what", "task", "task", name,
                                           "version", (json_int_t)number, "digest", hex), err);
    }
    hone_free(text);
    hone_free(metrics);
    return code;
}

static int task_give(struct store *s, const struct task_row *t, const char *name,
                     hone_json **reply, hone_error *err)
{
    sqlite3_stmt *stmt;
    json_t *out;
    int failed = 0, code = db_query(&s->db, &stmt, err,
        "SELECT count(*) FILTER (WHERE gold IS NULL), count(gold),"
        " count(*) FILTER (WHERE gold IS NULL AND done >= wanted),"
        " coalesce(sum(max(wanted - done, 0)) FILTER (WHERE gold IS NULL), 0),"
        " coalesce(sum(done) FILTER (WHERE gold IS NULL), 0),"
        " coalesce(sum(skipped), 0), coalesce(sum(flagged), 0),"
        " (SELECT count(*) FROM assignments a WHERE a.state = 0 AND a.task = ?1)"
        " FROM entries WHERE task = ?1", "i", t->id);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code != 1)
        return code;
    out = json_pack("{s:s,s:I,s:s,s:O}", "name", name, "version", (json_int_t)t->version,
                    "state", t->state, "definition", t->definition);
    static const char *const counts[] = { "items", "gold", "finished", "wanted", "judgements",
                                          "skipped", "flagged", "live" };
    for (int i = 0; i < 8; i++)
        failed |= json_object_set_new(out, counts[i], db_int(stmt, i));
    sqlite3_reset(stmt);
    if (failed) {
        json_decref(out);
        out = NULL;
    }
    return give(reply, out, err);
}

int store_put_task(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const hone_json *definition = json_object_get(request, "definition");
    const char *name = get_text(definition, "name");
    double now = get_real(request, "now", 0);
    struct task_row t;
    int64_t id = 0;
    int code = db_number(&s->db, &id, err, "SELECT id FROM tasks WHERE name = ?", "t", name);

    if (code == HONE_OK && !id) {
        code = db_do(&s->db, err, "INSERT INTO tasks (name, state, version) VALUES (?, 'open', 1)",
                     "t", name);
        if (code == HONE_OK)
            code = task_version(s, sqlite3_last_insert_rowid(s->db.sql), 1, name, definition, now,
                                err);
    }
    if (code == HONE_OK)
        code = find_task(s, name, &t, err);
    if (code != HONE_OK)
        return code;
    if (!json_equal(t.definition, definition)) {
        if (!get_bool(request, "revise")) {
            code = hone_store_same(t.definition, definition, err);
            return hone_fail_in(err, "there is another task '%s'", name);
        }
        code = task_version(s, t.id, t.version + 1, name, definition, now, err);
        if (code == HONE_OK)
            code = find_task(s, name, &t, err);
        /* What has fewer than the new overlap wants more; an item's own number stands. */
        if (code == HONE_OK)
            code = db_do(&s->db, err, "UPDATE entries SET wanted = ?1 WHERE task = ?2 AND gold IS"
                         " NULL AND wanted = (SELECT json_extract(definition, '$.overlap') FROM versions"
                         " WHERE task = ?2 AND number = ?3)", "iii",
                         get_int(definition, "overlap", 1), t.id, t.version - 1);
    }
    return code == HONE_OK ? task_give(s, &t, name, reply, err) : code;
}

int store_set_task(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *name = get_text(request, "name"), *state = get_text(request, "state");
    struct task_row t;
    int code = find_task(s, name, &t, err);

    if (code != HONE_OK)
        return code;
    if (strcmp(state, "open") && strcmp(state, "paused") && strcmp(state, "closed"))
        return hone_fail(err, HONE_EINVAL, "state: '%s' is not one of open, paused, closed", state);
    if (strcmp(state, t.state) != 0) {
        code = db_do(&s->db, err, "UPDATE tasks SET state = ? WHERE id = ?", "ti", state, t.id);
        if (code == HONE_OK)
            code = store_log(s, get_real(request, "now", 0),
                             json_pack("{s:s,s:s,s:s}", "what", "state", "task", name, "state",
                                       state), err);
        strncpy(t.state, state, sizeof t.state - 1);
    }
    return code == HONE_OK ? task_give(s, &t, name, reply, err) : code;
}

int store_get_task(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *name = get_text(request, "name");
    struct task_row t;
    int code = find_task(s, name, &t, err);

    if (code == HONE_ENOTFOUND)
        return give(reply, json_null(), err);
    return code == HONE_OK ? task_give(s, &t, name, reply, err) : code;
}

/* ---- the items of a task ---- */

static int task_add_one(struct store *s, const struct task_row *t, const json_t *one,
                        json_t *ids, int64_t *added, uint8_t chain[HONE_STORE_HASH],
                        hone_error *err)
{
    const json_t *content = json_object_get(one, "content"), *gold = json_object_get(one, "gold");
    const char *given = get_text(one, "id");
    char hex[65] = "", *expected = NULL;
    int64_t id = 0, sides = get_int(one, "sides", 0);
    bool is_new;
    int code;

    if (!content == !given)
        return hone_fail(err, HONE_EINVAL, "takes content or id, one of them");
    if (sides > 1000)
        return hone_fail(err, HONE_EINVAL, "sides: %" PRId64 " is out of range (allowed: 0 to 1000)",
                         sides);
    if (given) {
        code = find_item(s, given, &id, err);
        if (code == HONE_OK)
            memcpy(hex, given, sizeof hex);
    } else {
        code = store_item(s, content, &id, hex, &is_new, err);
    }
    if (code == HONE_OK && gold && !json_is_null(gold) && !(expected = hone_store_canonical(gold)))
        code = hone_fail_memory(err, "an item");
    if (code == HONE_OK)
        code = db_do(&s->db, err, "INSERT INTO entries (task, item, sides, wanted, gold) VALUES"
                     " (?, ?, ?, ?, ?) ON CONFLICT (task, item) DO NOTHING", "iiiit", t->id, id,
                     sides, get_int(one, "wanted", get_int(t->definition, "overlap", 1)), expected);
    if (code == HONE_OK && sqlite3_changes(s->db.sql)) {
        ++*added;
        hone_store_chain(chain, hex, 64);
    }
    if (code == HONE_OK && json_array_append_new(ids, json_string(hex)))
        code = hone_fail_memory(err, "an item");
    hone_free(expected);
    return code;
}

int store_add(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *name = get_text(request, "task");
    json_t *ids = json_array(), *one;
    uint8_t chain[HONE_STORE_HASH] = { 0 };
    char digest[65];
    struct task_row t;
    int64_t added = 0;
    size_t i;
    int code = find_task(s, name, &t, err);

    json_array_foreach(json_object_get(request, "items"), i, one) {
        if (code == HONE_OK && (code = task_add_one(s, &t, one, ids, &added, chain, err)))
            hone_fail_in(err, "item %zu", i + 1);
        if (code != HONE_OK)
            break;
    }
    hone_store_hex(chain, digest);
    if (code == HONE_OK && added)
        code = store_log(s, get_real(request, "now", 0),
                         json_pack("{s:s,s:s,s:I,s:s}", "what", "add", "task", name, "added",
                                   (json_int_t)added, "digest", digest), err);
    if (code == HONE_OK)
        return give(reply, json_pack("{s:o,s:I}", "ids", ids, "added", (json_int_t)added), err);
    json_decref(ids);
    return code;
}

int store_set_item(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *item = get_text(request, "item"), *name = get_text(request, "task");
    int64_t entry, wanted = get_int(request, "wanted", 0);
    struct task_row t;
    int code = find_task(s, name, &t, err);

    if (code == HONE_OK)
        code = find_entry(s, t.id, item, &entry, err);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE entries SET wanted = ? WHERE id = ?", "ii", wanted,
                     entry);
    if (code == HONE_OK)
        code = store_log(s, get_real(request, "now", 0),
                         json_pack("{s:s,s:s,s:s,s:I}", "what", "wanted", "task", name, "item",
                                   item, "wanted", (json_int_t)wanted), err);
    return code == HONE_OK ? give(reply, json_object(), err) : code;
}
