/* list.c -- pages of rows. A page is the rows after an id, so that a list of any
 * size takes the memory of one page, and no reader keeps the log of writes from
 * being folded back. */
#include "store.h"

#include <string.h>

enum { PAGE = 1000, PAGE_MAX = 100000 };

typedef struct lister {
    const char *what, *text;     /* the first column is the id that pages go by */
    const char *columns;         /* of the others: a name and a type, "name:t ..." */
    bool needs_task;
} lister;

#define JUDGEMENTS \
    "SELECT j.id, j.id, t.name, i.hash, a.pseudonym, j.version, v.guideline, v.metrics," \
    " j.assignment, j.kind, j.sides, j.answers, j.seconds, j.at, j.supersedes, e.gold FROM "
#define JUDGEMENTS_OF \
    " JOIN items i ON i.id = e.item JOIN annotators a ON a.id = j.annotator JOIN tasks t ON t.id =" \
    " j.task JOIN versions v ON v.task = j.task AND v.number = j.version WHERE j.task = ?3 AND" \
    " j.id > ?1 AND (?5 = 0 OR j.annotator = ?5) AND (?6 = 0 OR NOT EXISTS (SELECT 1 FROM" \
    " judgements n WHERE n.supersedes = j.id))"
#define JUDGEMENTS_PAGE " ORDER BY j.id LIMIT ?2"
#define JUDGEMENT_NAMES \
    "id:i task:t item:h annotator:t version:i guideline:t metrics:j assignment:i kind:k order:j" \
    " answers:j seconds:r at:r supersedes:i gold:j"

/* Parameters of each: ?1 after, ?2 limit, ?3 task, ?4 item, ?5 annotator (0: any), ?6 current. */
static const lister listers[] = {
    /* A range, which the key serves, where (?4 = 0 OR i.id = ?4) would look at every item. */
    { "items", "SELECT i.id, i.hash, i.content FROM items i WHERE i.id > max(?1, ?4 - 1) AND i.id"
      " <= CASE WHEN ?4 = 0 THEN 9223372036854775807 ELSE ?4 END AND ?3 + ?5 + ?6 >= 0 ORDER BY"
      " i.id LIMIT ?2", "id:h content:j", false },
    { "tasks", "SELECT t.id, t.name, t.state, t.version FROM tasks t WHERE t.id > ?1 AND ?3 + ?4 +"
      " ?5 + ?6 >= 0 ORDER BY t.id LIMIT ?2", "name:t state:t version:i", false },
    { "entries", "SELECT e.id, i.hash, i.content, e.sides, e.wanted, e.gold, e.done, e.live,"
      " e.skipped, e.flagged FROM entries e JOIN items i ON i.id = e.item WHERE e.task = ?3 AND"
      " e.id > ?1 AND (?4 = 0 OR e.item = ?4) AND ?5 + ?6 >= 0 ORDER BY e.id LIMIT ?2",
      "item:h content:j sides:i wanted:i gold:j done:i live:i skipped:i flagged:i", true },
    { "annotators", "SELECT a.id, a.pseudonym, n.name, n.details, a.attributes, a.skills, a.state,"
      " a.erased FROM annotators a LEFT JOIN identities n ON n.annotator = a.id WHERE a.id > ?1"
      " AND (?5 = 0 OR a.id = ?5) AND ?3 + ?4 + ?6 >= 0 ORDER BY a.id LIMIT ?2",
      "id:t name:t details:j attributes:j skills:j state:t erased:b", false },
    { "assignments", "SELECT s.id, s.id, t.name, i.hash, a.pseudonym, s.version, s.kind, s.state,"
      " s.sides, s.at, s.expires, s.reason FROM assignments s JOIN entries e ON e.id = s.entry"
      " JOIN items i ON i.id = e.item JOIN annotators a ON a.id = s.annotator JOIN tasks t ON t.id"
      " = s.task WHERE s.id > ?1 AND (?3 = 0 OR s.task = ?3) AND (?4 = 0 OR e.item = ?4) AND"
      " (?5 = 0 OR s.annotator = ?5) AND ?6 >= 0 ORDER BY s.id LIMIT ?2",
      "id:i task:t item:h annotator:t version:i kind:k state:s order:j at:r expires:r reason:t",
      false },
    { "judgements", JUDGEMENTS "judgements j CROSS JOIN entries e ON e.id = j.entry"
      JUDGEMENTS_OF " AND (?4 = 0 OR e.item = ?4)" JUDGEMENTS_PAGE, JUDGEMENT_NAMES, true },
    { "log", "SELECT l.id, l.id, l.at, l.entry, l.hash FROM log l WHERE l.id > ?1 AND ?3 + ?4 + ?5"
      " + ?6 >= 0 ORDER BY l.id LIMIT ?2", "row:i at:r entry:j hash:h", false },
};

/* Those of one item are few: found by its entry, and put in order. */
static const lister of_item = {
    "judgements", JUDGEMENTS "entries e CROSS JOIN judgements j INDEXED BY judgements_entry ON"
    " j.entry = e.id" JUDGEMENTS_OF " AND e.task = ?3 AND e.item = ?4" JUDGEMENTS_PAGE,
    JUDGEMENT_NAMES, true
};

static json_t *list_value(sqlite3_stmt *stmt, int column, char type)
{
    static const char *const kinds[] = { "fresh", "gold", "repeat" };
    static const char *const states[] = { "live", "done", "skipped", "flagged", "released",
                                          "expired" };
    int64_t number;

    switch (type) {
    case 'i': return db_int(stmt, column);
    case 'r': return db_real(stmt, column);
    case 'h': return db_hex(stmt, column);
    case 'j': return db_json(stmt, column);
    case 'b': return json_boolean(sqlite3_column_int(stmt, column));
    case 'k':
        number = sqlite3_column_int64(stmt, column);
        return number >= 0 && number < 3 ? json_string(kinds[number]) : json_null();
    case 's':
        number = sqlite3_column_int64(stmt, column);
        return number >= 0 && number < 6 ? json_string(states[number]) : json_null();
    default: return db_text(stmt, column);
    }
}

/* Why there is no value: what stands there is no JSON, or memory is short. */
static int list_fail(sqlite3_stmt *stmt, int column, const char *name, hone_error *err)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    hone_json *json = NULL;
    int code = text ? hone_json_parse(&json, text, strlen(text), NULL, NULL) : HONE_ENOMEM;

    hone_json_free(json);
    if (code != HONE_EFORMAT)
        return hone_fail_memory(err, "rows");
    return hone_fail(err, HONE_EFORMAT, "row %lld: %s: what stands there is no JSON",
                     (long long)sqlite3_column_int64(stmt, 0), name);
}

static int list_row(const lister *l, sqlite3_stmt *stmt, json_t *rows, hone_error *err)
{
    json_t *row = json_object();
    const char *at = l->columns;
    char name[32];

    for (int column = 1; *at; column++) {
        size_t n = strcspn(at, ":");
        json_t *value = list_value(stmt, column, at[n + 1]);

        memcpy(name, at, n);
        name[n] = '\0';
        if (!value || json_object_set_new(row, name, value)) {
            json_decref(row);
            return value || at[n + 1] != 'j' ? hone_fail_memory(err, "rows")
                                             : list_fail(stmt, column, name, err);
        }
        at += n + 2;
        at += *at == ' ';
    }
    return json_array_append_new(rows, row) ? hone_fail_memory(err, "rows") : HONE_OK;
}

static int list_find(struct store *s, const hone_json *request, const lister *l, int64_t ids[3],
                     hone_error *err)
{
    const char *task = get_text(request, "task"), *item = get_text(request, "item");
    const char *annotator = get_text(request, "annotator");
    struct task_row t;
    int code = HONE_OK;

    if (l->needs_task && !task)
        return hone_fail(err, HONE_EINVAL, "task is missing");
    if (task && (code = find_task(s, task, &t, err)) == HONE_OK)
        ids[0] = t.id;
    if (code == HONE_OK && item)
        code = find_item(s, item, &ids[1], err);
    if (code == HONE_OK && annotator)
        code = find_annotator(s, annotator, &ids[2], err);
    return code;
}

int store_list(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *what = get_text(request, "what");
    int64_t limit = get_int(request, "limit", PAGE), after = get_int(request, "after", 0);
    bool current = !json_is_false(json_object_get(request, "current"));
    int64_t ids[3] = { 0 }, count = 0;
    const lister *l = NULL;
    sqlite3_stmt *stmt;
    json_t *rows;
    int code;

    for (size_t i = 0; i < sizeof listers / sizeof *listers; i++)
        if (strcmp(listers[i].what, what) == 0)
            l = &listers[i];
    if (!l)
        return hone_fail(err, HONE_EINVAL, "list: '%s' is not one of items, tasks, entries,"
                         " annotators, assignments, judgements, log", what);
    if (limit < 1 || limit > PAGE_MAX)
        return hone_fail(err, HONE_EINVAL, "limit: %" PRId64 " is out of range (allowed: 1 to %d)",
                         limit, PAGE_MAX);
    if (strcmp(what, "judgements") == 0 && get_text(request, "item"))
        l = &of_item;
    code = list_find(s, request, l, ids, err);
    if (code != HONE_OK)
        return code;
    if (!(rows = json_array()))
        return hone_fail_memory(err, "rows");
    code = db_query(&s->db, &stmt, err, l->text, "iiiiii", after, limit, ids[0], ids[1], ids[2],
                    (int64_t)current);
    while (code == HONE_OK && (code = db_step(&s->db, stmt, err)) == 1) {
        after = sqlite3_column_int64(stmt, 0);
        count++;
        code = list_row(l, stmt, rows, err);
    }
    if (code == HONE_OK)
        return give(reply, json_pack("{s:o,s:o}", "rows", rows, "after", count < limit
                                     ? json_null() : json_integer(after)), err);
    json_decref(rows);
    return code;
}
