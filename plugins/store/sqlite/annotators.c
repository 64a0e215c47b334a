/* annotators.c -- people under pseudonyms, and forgetting them.
 *
 * A pseudonym is random: no name can be tried against it. What is erased is
 * overwritten (secure_delete), and sqlite.c empties the write-ahead log after. */
#include "store.h"

#include <string.h>

enum { PSEUDONYM = 7 };

/* What is there, with what the request gives over it; NULL: no memory. */
static json_t *annotator_merge(const json_t *old, const json_t *given)
{
    json_t *out = hone_json_copy(old, false), *value;
    const char *key;
    int failed = 0;

    json_object_foreach((json_t *)given, key, value) {
        if (json_is_null(value))
            json_object_del(out, key);
        else
            failed |= json_object_set(out, key, value);
    }
    if (!failed)
        return out;
    json_decref(out);
    return NULL;
}

static int annotator_new(struct store *s, const hone_json *request, char *pseudonym, int64_t *id,
                         hone_error *err)
{
    const char *given = get_text(request, "id");
    int code = HONE_OK;

    if (!given) {
        memcpy(pseudonym, "a-", 2);
        code = hone_store_random(pseudonym + 2, PSEUDONYM, err);
    } else if (strlen(given) > 63) {
        code = hone_fail(err, HONE_EINVAL, "id: '%s' is too long (allowed: 63 bytes)", given);
    } else {
        strcpy(pseudonym, given);
    }
    if (code == HONE_OK)
        code = db_do(&s->db, err, "INSERT INTO annotators (pseudonym, attributes, skills, state)"
                     " VALUES (?, '{}', '{}', 'active')", "t", pseudonym);
    *id = sqlite3_last_insert_rowid(s->db.sql);
    return code;
}

static int annotator_set(struct store *s, int64_t id, const hone_json *request, bool is_new,
                         hone_json **reply, hone_error *err)
{
    const char *state = get_text(request, "state");
    json_t *attributes, *skills, *old[2];
    char *texts[2] = { NULL, NULL };
    sqlite3_stmt *stmt;
    json_t *out;
    int code = db_query(&s->db, &stmt, err, "SELECT pseudonym, attributes, skills, state FROM"
                        " annotators WHERE id = ?", "i", id);

    if (code == HONE_OK)
        code = db_step(&s->db, stmt, err);
    if (code != 1)
        return code;
    old[0] = db_json(stmt, 1);
    old[1] = db_json(stmt, 2);
    attributes = annotator_merge(old[0], json_object_get(request, "attributes"));
    skills = annotator_merge(old[1], json_object_get(request, "skills"));
    out = json_pack("{s:o,s:o,s:o,s:o,s:b}", "id", db_text(stmt, 0), "attributes", attributes,
                    "skills", skills, "state", state ? json_string(state) : db_text(stmt, 3),
                    "new", is_new);
    sqlite3_reset(stmt);
    json_decref(old[0]);
    json_decref(old[1]);
    if (!out)
        return hone_fail_memory(err, "an annotator");
    texts[0] = hone_store_canonical(attributes);
    texts[1] = hone_store_canonical(skills);
    code = texts[0] && texts[1] ? HONE_OK : hone_fail_memory(err, "an annotator");
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE annotators SET attributes = ?, skills = ?, state = ?"
                     " WHERE id = ?", "ttti", texts[0], texts[1], get_text(out, "state"), id);
    if (code == HONE_OK)
        code = store_log(s, get_real(request, "now", 0),
                         json_pack("{s:s,s:s,s:s}", "what", "annotator", "annotator",
                                   get_text(out, "id"), "state", get_text(out, "state")), err);
    hone_free(texts[0]);
    hone_free(texts[1]);
    if (code == HONE_OK)
        return give(reply, out, err);
    json_decref(out);
    return code;
}

static int annotator_identify(struct store *s, int64_t id, const hone_json *request,
                              hone_error *err)
{
    const char *name = get_text(request, "name");
    const json_t *details = json_object_get(request, "details");
    char *text = json_is_object(details) ? hone_store_canonical(details) : NULL;
    int code = HONE_OK;

    if (json_is_object(details) && !text)
        return hone_fail_memory(err, "an annotator");
    if (name)
        code = db_do(&s->db, err, "INSERT INTO identities (annotator, name) VALUES (?1, ?2)"
                     " ON CONFLICT (annotator) DO UPDATE SET name = ?2", "it", id, name);
    if (code == HONE_OK && text)
        code = db_do(&s->db, err, "UPDATE identities SET details = ? WHERE annotator = ?", "ti",
                     text, id);
    if (code == HONE_OK && text && !sqlite3_changes(s->db.sql))
        code = hone_fail(err, HONE_EINVAL, "details: need a name beside them");
    hone_free(text);
    return code;
}

int store_put_annotator(struct store *s, const hone_json *request, hone_json **reply,
                        hone_error *err)
{
    const char *name = get_text(request, "name"), *given = get_text(request, "id");
    const char *state = get_text(request, "state");
    char pseudonym[64] = "";
    int64_t id = 0, named = 0;
    bool is_new = false;
    int code = HONE_OK;

    if (!name && !given)
        return hone_fail(err, HONE_EINVAL, "takes name or id");
    if (state && strcmp(state, "active") && strcmp(state, "suspended"))
        return hone_fail(err, HONE_EINVAL, "state: '%s' is not one of active, suspended", state);
    if (given)
        code = db_number(&s->db, &id, err, "SELECT id FROM annotators WHERE pseudonym = ?", "t",
                         given);
    if (code == HONE_OK && name)
        code = db_number(&s->db, &named, err, "SELECT annotator FROM identities WHERE name = ?",
                         "t", name);
    if (code == HONE_OK && named && given && named != id)
        code = hone_fail(err, HONE_EINVAL, "name: '%s' is another annotator's", name);
    id = id ? id : named;
    if (code == HONE_OK && !id) {
        is_new = true;
        code = annotator_new(s, request, pseudonym, &id, err);
    }
    if (code == HONE_OK)
        code = annotator_identify(s, id, request, err);
    return code == HONE_OK ? annotator_set(s, id, request, is_new, reply, err) : code;
}

/* ---- erasing ---- */

/* The answers without those of asks that hold free text; *changed: there were some. */
static int erase_answers(json_t **out, const hone_json *definition, const char *text,
                         bool *changed, hone_error *err)
{
    json_t *answers, *ask;
    size_t i;
    int code = hone_json_parse(&answers, text, strlen(text), "answers", err);

    json_array_foreach(json_object_get(definition, "ask"), i, ask) {
        const char *name = json_string_value(json_object_get(ask, "name"));
        json_t *value = json_object_get(answers, name);
        if (!json_is_true(json_object_get(ask, "text")) || !value || json_is_null(value))
            continue;
        *changed = true;
        json_object_set_new(answers, name, json_null()); /* in the place of another */
    }
    *out = answers;
    return code;
}

/* A new salt and digest: the old salt would let guesses be tried against the old digest.
 * Without it that digest tells nothing, and the chain of an import still needs it. */
static int erase_one(struct store *s, int64_t id, struct judgement *j, double now,
                     int64_t *count, hone_error *err)
{
    int code = find_definition(s, j->task, j->version, err);
    bool changed = false;
    char *text = NULL, hex[65], was[65];
    json_t *answers = NULL;

    if (code == HONE_OK)
        code = erase_answers(&answers, s->definition, j->answers, &changed, err);
    if (code != HONE_OK || !changed)
        goto out;
    text = hone_store_canonical(answers);
    j->answers = text;
    hone_store_hex(j->digest, was);
    code = text ? hone_store_random(j->salt, 16, err) : hone_fail_memory(err, "a judgement");
    if (code == HONE_OK)
        code = judgement_digest(j, j->digest, err);
    if (code != HONE_OK)
        goto out;
    hone_store_hex(j->digest, hex);
    code = db_do(&s->db, err, "UPDATE judgements SET answers = ?, salt = ?, digest = ? WHERE id ="
                 " ?", "tthi", text, j->salt, j->digest, id);
    if (code == HONE_OK)
        code = store_log(s, now, json_pack("{s:s,s:I,s:s,s:s}", "what", "redact", "judgement",
                                           (json_int_t)id, "digest", hex, "was", was), err);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "INSERT OR REPLACE INTO redactions (judgement, log) SELECT ?,"
                     " max(id) FROM log", "i", id);
    ++*count;
out:
    json_decref(answers);
    hone_free(text);
    return code;
}

static int erase_texts(struct store *s, int64_t annotator, double now, int64_t *count,
                       hone_error *err)
{
    int64_t last = 0;
    int code;

    for (;;) {
        struct judgement j;
        char *copies[3];
        sqlite3_stmt *stmt;
        bool made;

        code = db_query(&s->db, &stmt, err, "SELECT j.id, " JUDGEMENT_COLUMNS ", j.digest FROM"
                        " judgements j WHERE j.annotator = ? AND j.id > ? ORDER BY j.id LIMIT 1",
                        "ii", annotator, last);
        if (code == HONE_OK)
            code = db_step(&s->db, stmt, err);
        if (code != 1)
            break;
        last = sqlite3_column_int64(stmt, 0);
        judgement_row(stmt, 1, &j);
        memset(j.digest, 0, sizeof j.digest);
        if (sqlite3_column_bytes(stmt, 14) == HONE_STORE_HASH)
            memcpy(j.digest, sqlite3_column_blob(stmt, 14), HONE_STORE_HASH);
        copies[0] = j.sides ? hone_strdup(j.sides) : NULL;
        copies[1] = hone_strdup(j.answers);
        copies[2] = j.key ? hone_strdup(j.key) : NULL;
        made = !j.sides == !copies[0] && copies[1] && !j.key == !copies[2];
        sqlite3_reset(stmt);
        j.sides = copies[0];
        j.answers = copies[1];
        j.key = copies[2];
        code = made ? erase_one(s, last, &j, now, count, err)
                    : hone_fail_memory(err, "a judgement");
        for (int i = 0; i < 3; i++)
            hone_free(copies[i]);
        if (code != HONE_OK)
            break;
    }
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE assignments SET reason = NULL WHERE annotator = ? AND"
                     " reason IS NOT NULL", "i", annotator);
    return code;
}

int store_erase(struct store *s, const hone_json *request, hone_json **reply, hone_error *err)
{
    const char *pseudonym = get_text(request, "annotator"), *reason = get_text(request, "reason");
    double now = get_real(request, "now", 0);
    bool text = get_bool(request, "text");
    int64_t id, count = 0;
    int code = find_annotator(s, pseudonym, &id, err);

    if (code == HONE_OK)
        code = db_do(&s->db, err, "DELETE FROM identities WHERE annotator = ?", "i", id);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE annotators SET erased = 1, state = 'suspended' WHERE"
                     " id = ?", "i", id);
    if (code == HONE_OK)
        code = db_do(&s->db, err, "UPDATE assignments SET expires = 0 WHERE annotator = ? AND"
                     " state = 0", "i", id);
    if (code == HONE_OK && text)
        code = erase_texts(s, id, now, &count, err);
    if (code == HONE_OK)
        code = store_log(s, now, json_pack("{s:s,s:s,s:b,s:s,s:I}", "what", "erase", "annotator",
                                           pseudonym, "text", text, "reason", reason ? reason : "",
                                           "judgements", (json_int_t)count), err);
    return code == HONE_OK ? give(reply, json_pack("{s:I}", "judgements", (json_int_t)count), err)
                           : code;
}
