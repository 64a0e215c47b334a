/* submit.c -- what annotators send back: judgements, changes of them, and items
 * they leave. Sending the same again is acknowledged again, whatever else became
 * of the assignment since: an answer that got lost on its way does no harm. */
#include "store.h"

#include <string.h>

struct assignment {
    int64_t id, task, entry, annotator, version, kind, state;
    double expires;
    char *sides;
};

static int submit_find(struct store *s, int64_t id, struct assignment *a, hone_error *err)
{
    const char *sides;
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err, "SELECT task, entry, annotator, version, kind, state,"
                        " expires, sides FROM assignments WHERE id = ?", "i", id);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code == 0)
        return hone_fail(err, HONE_ENOTFOUND, "there is no assignment %" PRId64, id);
    if (code != 1)
        return code;
    *a = (struct assignment){ .id = id, .task = sqlite3_column_int64(stmt, 0),
                              .entry = sqlite3_column_int64(stmt, 1),
                              .annotator = sqlite3_column_int64(stmt, 2),
                              .version = sqlite3_column_int64(stmt, 3),
                              .kind = sqlite3_column_int64(stmt, 4),
                              .state = sqlite3_column_int64(stmt, 5),
                              .expires = sqlite3_column_double(stmt, 6) };
    sides = (const char *)sqlite3_column_text(stmt, 7);
    a->sides = sides ? hone_strdup(sides) : NULL;
    code = sides && !a->sides ? hone_fail_memory(err, "an assignment") : HONE_OK;
    sqlite3_reset(stmt);
    return code;
}

/* Whether the assignment is this annotator's and still runs. */
static int submit_open(const struct assignment *a, int64_t annotator, double now, hone_error *err)
{
    static const char *const past[] = { "", "judged", "skipped", "flagged", "released" };

    if (a->annotator != annotator)
        return hone_fail(err, HONE_EINVAL, "assignment %" PRId64 " is another annotator's", a->id);
    if (a->state == EXPIRED || (a->state == LIVE && a->expires <= now))
        return hone_fail(err, HONE_ESTATE, "the lease of assignment %" PRId64 " ended %.0f s ago:"
                         " ask for the next item", a->id, now - a->expires);
    if (a->state != LIVE)
        return hone_fail(err, HONE_ESTATE, "assignment %" PRId64 " was %s already", a->id,
                         past[a->state]);
    return HONE_OK;
}

static bool submit_has(const hone_json *definition, const char *name)
{
    json_t *ask;
    size_t i;

    json_array_foreach(json_object_get(definition, "ask"), i, ask)
        if (strcmp(name, json_string_value(json_object_get(ask, "name"))) == 0)
            return true;
    return false;
}

static int submit_unasked(const char *name, hone_error *err)
{
    return hone_fail(err, HONE_EINVAL, "answers: the task does not ask for '%s'", name);
}

int store_asked(const hone_json *definition, const char *asks, size_t n, hone_error *err)
{
    if (!n)
        return hone_fail(err, HONE_EINVAL, "answers: there is none");
    for (; n; n--, asks += strlen(asks) + 1)
        if (!submit_has(definition, asks))
            return submit_unasked(asks, err);
    return HONE_OK;
}

/* Of the version that was shown. */
static int submit_asked(struct store *s, int64_t task, int64_t version, const json_t *answers,
                        hone_error *err)
{
    const char *name;
    json_t *value;
    int code = find_definition(s, task, version, err);

    if (code != HONE_OK)
        return code;
    if (!json_object_size(answers))
        return store_asked(s->definition, "", 0, err);
    json_object_foreach((json_t *)answers, name, value)
        if (!submit_has(s->definition, name))
            return submit_unasked(name, err);
    return HONE_OK;
}

/* 1: the key was used, and *reply acknowledges it again. */
static int submit_again(struct store *s, const struct judgement *j, hone_json **reply,
                        hone_error *err)
{
    sqlite3_stmt *stmt;
    int64_t id;
    bool same;
    int code = db_query(&s->db, &stmt, err, "SELECT id, answers, coalesce(assignment, 0),"
                        " coalesce(supersedes, 0) FROM judgements WHERE annotator = ? AND key = ?",
                        "it", j->annotator, j->key);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code != 1)
        return code;
    id = sqlite3_column_int64(stmt, 0);
    same = strcmp((const char *)sqlite3_column_text(stmt, 1), j->answers) == 0 &&
           sqlite3_column_int64(stmt, 3) == j->supersedes &&
           (j->supersedes || sqlite3_column_int64(stmt, 2) == j->assignment);
    sqlite3_reset(stmt);
    if (!same && strncmp(j->key, "assignment:", 11) == 0)
        return hone_fail(err, HONE_ESTATE, "assignment %" PRId64 " was judged already, with other"
                         " answers (judgement %" PRId64 "): a change supersedes it",
                         j->assignment, id);
    if (!same)
        return hone_fail(err, HONE_ESTATE, "key '%s' was sent before with other answers (judgement"
                         " %" PRId64 "): a change supersedes it", j->key, id);
    code = give(reply, json_pack("{s:I,s:b}", "judgement", (json_int_t)id, "again", 1), err);
    return code == HONE_OK ? 1 : code;
}

static int submit_store(struct store *s, struct judgement *j, hone_json **reply, hone_error *err)
{
    char digest[65];
    int64_t id = 0;
    int code = judgement_insert(s, j, &id, err);

    if (code == HONE_OK) {
        hone_store_hex(j->digest, digest);
        code = store_log(s, j->at, json_pack("{s:s,s:I,s:s}", "what", "judge", "judgement",
                                             (json_int_t)id, "digest", digest), err);
    }
    if (code == HONE_OK)
        code = give(reply, json_pack("{s:I,s:b}", "judgement", (json_int_t)id, "again", 0), err);
    return code;
}

static int submit_new(struct store *s, struct judgement *j, const json_t *answers,
                      hone_json **reply, hone_error *err)
{
    struct assignment a = { 0 };
    int code = submit_find(s, j->assignment, &a, err);

    if (code == HONE_OK)
        code = submit_open(&a, j->annotator, j->at, err);
    if (code == HONE_OK)
        code = submit_asked(s, a.task, a.version, answers, err);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE assignments SET state = 1 WHERE id = ?", "i", a.id);
    if (code == HONE_OK && a.kind != REPEAT)
        code = db_do(&s->db, err, "UPDATE entries SET live = live - ?, done = done + 1 WHERE"
                     " id = ?", "ii", (int64_t)(a.kind == FRESH), a.entry);
    j->task = a.task;
    j->entry = a.entry;
    j->version = a.version;
    j->kind = a.kind;
    j->sides = a.sides;
    if (code == HONE_OK)
        code = submit_store(s, j, reply, err);
    hone_free(a.sides);
    return code;
}

static int submit_change(struct store *s, struct judgement *j, const json_t *answers,
                         hone_json **reply, hone_error *err)
{
    struct judgement old;
    char *sides = NULL;
    int64_t newer = 0;
    sqlite3_stmt *stmt;
    int code = db_query(&s->db, &stmt, err, "SELECT " JUDGEMENT_COLUMNS " FROM judgements j WHERE"
                        " j.id = ?", "i", j->supersedes);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code == 0)
        return hone_fail(err, HONE_ENOTFOUND, "there is no judgement %" PRId64, j->supersedes);
    if (code != 1)
        return code;
    judgement_row(stmt, 0, &old);
    sides = old.sides ? hone_strdup(old.sides) : NULL;
    code = old.sides && !sides ? hone_fail_memory(err, "a judgement") : HONE_OK;
    sqlite3_reset(stmt);
    if (code == HONE_OK && old.annotator != j->annotator)
        code = hone_fail(err, HONE_EINVAL, "judgement %" PRId64 " is another annotator's",
                         j->supersedes);
    if (code == HONE_OK)
        code = db_number(&s->db, &newer, err, "SELECT id FROM judgements WHERE supersedes = ?",
                         "i", j->supersedes);
    if (code == HONE_OK && newer)
        code = hone_fail(err, HONE_ESTATE, "judgement %" PRId64 " was superseded by %" PRId64
                         " already", j->supersedes, newer);
    if (code == HONE_OK)
        code = submit_asked(s, old.task, old.version, answers, err);
    j->task = old.task;
    j->entry = old.entry;
    j->version = old.version;
    j->assignment = old.assignment;
    j->kind = old.kind;
    j->sides = sides;
    if (code == HONE_OK)
        code = submit_store(s, j, reply, err);
    hone_free(sides);
    return code;
}

int store_submit(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const json_t *answers = json_object_get(request, "answers");
    struct judgement j = { .assignment = get_int(request, "assignment", 0),
                           .supersedes = get_int(request, "supersedes", 0),
                           .seconds = get_real(request, "seconds", -1),
                           .at = get_real(request, "now", 0), .key = get_text(request, "key") };
    char key[40], *text;
    int code;

    if (!j.assignment == !j.supersedes)
        return hone_fail(err, HONE_EINVAL, "takes assignment or supersedes, one of them");
    sqlite3_snprintf((int)sizeof key, key, j.assignment ? "assignment:%lld" : "change:%lld",
                     (long long)(j.assignment ? j.assignment : j.supersedes));
    j.key = j.key ? j.key : key;
    text = hone_store_canonical(answers);
    j.answers = text;
    code = text ? find_annotator(s, get_text(request, "annotator"), &j.annotator, err)
                : hone_fail_memory(err, "a judgement");
    if (code == HONE_OK && (code = submit_again(s, &j, reply, err)) == HONE_OK)
        code = j.assignment ? submit_new(s, &j, answers, reply, err)
                            : submit_change(s, &j, answers, reply, err);
    hone_free(text);
    return code == 1 ? HONE_OK : code;
}

/* ---- leaving an item ---- */

int store_leave(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *how = get_text(request, "how"), *reason = get_text(request, "reason");
    int state = strcmp(how, "skip") == 0 ? SKIPPED : strcmp(how, "flag") == 0 ? FLAGGED
              : strcmp(how, "release") == 0 ? RELEASED : 0;
    double now = get_real(request, "now", 0);
    struct assignment a = { 0 };
    int64_t annotator;
    int code;

    if (!state)
        return hone_fail(err, HONE_EINVAL, "how: '%s' is not one of skip, flag, release", how);
    if (state == FLAGGED && !reason)
        return hone_fail(err, HONE_EINVAL, "reason: a flag needs one");
    code = find_annotator(s, get_text(request, "annotator"), &annotator, err);
    if (code == HONE_OK)
        code = submit_find(s, get_int(request, "assignment", 0), &a, err);
    if (code == HONE_OK && a.annotator == annotator && a.state == state) {
        hone_free(a.sides);
        return give(reply, json_object(), err); /* sent again */
    }
    if (code == HONE_OK)
        code = submit_open(&a, annotator, now, err);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE assignments SET state = ?, reason = ? WHERE id = ?",
                     "iti", (int64_t)state, reason, a.id);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE entries SET live = live - ?, skipped = skipped + ?,"
                     " flagged = flagged + ? WHERE id = ?", "iiii",
                     (int64_t)(a.kind == FRESH), (int64_t)(state == SKIPPED),
                     (int64_t)(state == FLAGGED), a.entry);
    if (code == HONE_OK)
        code = store_log(s, now, json_pack("{s:s,s:I}", "what", how, "assignment",
                                           (json_int_t)a.id), err);
    hone_free(a.sides);
    return code == HONE_OK ? give(reply, json_object(), err) : code;
}
