/* store.h -- where the work of people is kept: items, tasks, who was asked
 * what, what they answered, and a log of every change.
 *
 * A store plugin keeps it in a database. Its ops stand at the level of meaning,
 * and each is one transaction: when it returns HONE_OK the change survives a
 * killed process (and, where the plugin promises it, a loss of power); when it
 * fails nothing has changed. Requests and replies are JSON objects. The core
 * checks a request's fields before the plugin sees it; times are seconds since
 * 1970; `now` is the clock's unless a request says otherwise, as tests do.
 *
 *   item        content of any form, JSON; its id is the SHA-256 of its canonical text,
 *               so the same content is one item
 *   annotator   a pseudonymous id; what identifies the person stands apart and can be erased
 *   task        asks, guideline, overlap ..., in numbered versions; items in an order
 *   assignment  an item shown to an annotator, under a lease that expires
 *   judgement   the answers of one assignment. Rows are only added: a change is a new row
 *               that supersedes one. They carry a digest that the log holds, too
 *   log         { at, entry, hash }: hash = SHA-256(previous hash, canonical entry)
 *
 * Definition of a task: { name, ask = [{ name, ... }], overlap (judgements an
 * item wants, 3), gold (share of gold items, 0), repeats (share asked again with
 * the order turned, 0), lease (seconds, 1800), seed (0), guideline (id of an
 * item { text }, or null), qualification = { attributes = { region = ["eu"] },
 * skills = { writing = 0.7 } }, extra = { what others keep there } }. An ask
 * with text = true holds free text, which erase may remove; one with metric = {
 * name, version } has that version kept with each judgement. */
#ifndef HONE_STORE_H
#define HONE_STORE_H

#include <hone/plugin.h>

/* *reply: a new JSON value, owned by the caller; NULL after a failure. */
typedef int hone_store_op(void *self, const hone_json *request, hone_json **reply,
                          hone_error *err);

typedef enum hone_store_batch_step {
    HONE_STORE_BEGIN, HONE_STORE_COMMIT, HONE_STORE_ROLLBACK
} hone_store_batch_step;

/* A judgement made elsewhere. Texts stand for the length of the call; what is NULL is absent. */
typedef struct hone_store_row {
    const char *content, *item;  /* one of them: canonical JSON, or an item's id */
    const char *annotator, *key;
    const char *answers;         /* canonical JSON of an object */
    const char *asks;            /* its keys, one after another, each with its NUL */
    size_t ask_count;
    const char *order;           /* a list as compact JSON */
    int64_t sides;               /* the list's length */
    double seconds;              /* below 0: unknown */
    double at;                   /* below 0: now */
} hone_store_row;

/* Fails with "row 2: ...", and then nothing of the rows stays. */
typedef int hone_store_import_op(void *self, const char *task, double now,
                                 const hone_store_row *rows, size_t count, hone_json **reply,
                                 hone_error *err);

/* All are required. What each takes and gives stands with its function below. */
typedef struct hone_store_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    int (*batch)(void *self, hone_store_batch_step step, hone_error *err);
    hone_store_op *put_items;
    hone_store_op *put_task;
    hone_store_op *set_task;
    hone_store_op *task;
    hone_store_op *add;
    hone_store_op *set_item;
    hone_store_op *next;
    hone_store_op *submit;
    hone_store_op *leave;
    hone_store_import_op *import;
    hone_store_op *put_annotator;
    hone_store_op *erase;
    hone_store_op *list;
    hone_store_op *verify;
} hone_store_ops;

/* ---- for users ----
 * Each of the functions below has this form; messages begin "store/sqlite: ". */
#define HONE_STORE_CALL(name) \
    HONE_API int hone_store_##name(hone_instance *store, const hone_json *request, \
                                   hone_json **reply, hone_error *err)

/* Several calls as one transaction: all of them, or none. A call that fails in
 * between leaves the others standing; roll back to drop them. Not nested. */
HONE_API int hone_store_batch(hone_instance *store, hone_store_batch_step step, hone_error *err);

/* { items = [content] } -> { ids, added }. */
HONE_STORE_CALL(put_items);
/* { definition, revise = false } -> the task as hone_store_task gives it. A task of
 * that name and another definition is an error that says what differs, unless
 * revise: then it gets a new version, and what was judged keeps the old one. */
HONE_STORE_CALL(put_task);
/* { name, state = "open", "paused" or "closed" } -> the task. */
HONE_STORE_CALL(set_task);
/* { name } -> { name, version, state, definition, items, gold, finished (items that
 * have what they want), wanted (judgements still to come), judgements (that count
 * towards overlap), live, skipped, flagged }; null where there is none. */
HONE_STORE_CALL(task);
/* { task, items = [{ content or id, sides = 0, gold = null, wanted = overlap }] } ->
 * { ids, added }. sides: how many parts have an order (two answers: 2). gold:
 * expected answers by ask; such an item is mixed in at the task's share. An item
 * that the task has already is left as it is. */
HONE_STORE_CALL(add);
/* { task, item, wanted } -> {}: how many judgements this item wants; 0 stops it. */
HONE_STORE_CALL(set_item);
/* { task, annotator } -> { id, task, version, item, content, order, lease, expires }, or
 * null when there is nothing (left) for this annotator. An annotator with a live
 * assignment gets it again, its lease renewed. Never an item twice to one annotator,
 * save for repeats; nor more at a time than the item wants. order[i]: which side,
 * from 1, stands at place i; null without sides. */
HONE_STORE_CALL(next);
/* { assignment, annotator, answers = { ask = value }, seconds, key } -> { judgement, again }.
 * key (default: the assignment): the same key and answers are acknowledged again,
 * with again = true; other answers under it are an error. With `supersedes` = a
 * judgement's id in the place of assignment: a change of what was answered. */
HONE_STORE_CALL(submit);
/* { assignment, annotator, how = "skip", "flag" or "release", reason } -> {}. Skipped and
 * flagged items do not come back to this annotator; a flag needs a reason. */
HONE_STORE_CALL(leave);
/* { task, rows = [{ content or item, annotator (name), answers, seconds, order, at, key }] } ->
 * { judgements, again, items }: judgements made elsewhere. */
HONE_STORE_CALL(import);
/* { name or id, attributes, skills, state = "active" or "suspended", details } ->
 * { id, attributes, skills, state, new }. name and details identify the person and
 * stand apart. Makes one where the name is new; else changes what is given. */
HONE_STORE_CALL(put_annotator);
/* { annotator, text = false, reason } -> { judgements }: forget name and details; with
 * text, also the free text of answers, skips and flags. The log says so and verifies. */
HONE_STORE_CALL(erase);
/* { what, task, item, annotator, after = 0, limit = 1000, current = true } -> { rows, after }:
 * one page in order; after = null at the end. what: "items", "tasks", "entries" (items
 * of a task and how far each is), "annotators", "assignments", "judgements", "log".
 * current = false: superseded judgements, too. Constant memory for any size. */
HONE_STORE_CALL(list);
/* { head = { row, hash } of an earlier verify } -> { ok, rows, hash, judgements, broken =
 * { row, reason } }: follow the log from its beginning, compare each judgement with its digest. */
HONE_STORE_CALL(verify);

/* JSON Lines, .gz too, into a task: rows as hone_store_import has them; a row without an
 * annotator is an item as hone_store_add has it. One transaction, a page in memory. A
 * broken line is an error that names line and field, and nothing stays; with keep the
 * others stay. *reply: { lines, judgements, again, items, broken, errors = [the first five] }. */
HONE_API int hone_store_read_lines(hone_instance *store, const char *task, const char *path,
                                   bool keep, hone_json **reply, hone_error *err);
/* All pages of a list, a row a line, into a file that appears when it is whole. */
HONE_API int hone_store_write_lines(hone_instance *store, const hone_json *request,
                                    const char *path, int64_t *count, hone_error *err);

/* ---- for plugins ---- */

/* The text that is hashed: compact, keys sorted by bytes, the shortest numbers.
 * hone_free; NULL: no memory. */
HONE_API char *hone_store_canonical(const hone_json *json);
enum { HONE_STORE_HASH = 32 };
/* hash = SHA-256(hash, text): begin with HONE_STORE_HASH zeros. */
HONE_API void hone_store_chain(uint8_t hash[HONE_STORE_HASH], const char *text, size_t n);
/* SHA-256(text). */
HONE_API void hone_store_hash(uint8_t hash[HONE_STORE_HASH], const char *text, size_t n);
/* 64 digits and a NUL; and back: false unless 64 hex digits. */
HONE_API void hone_store_hex(const uint8_t hash[HONE_STORE_HASH], char hex[65]);
HONE_API bool hone_store_unhex(const char *hex, uint8_t hash[HONE_STORE_HASH]);
/* Unguessable bytes, as lower-case letters and digits: n of them and a NUL. */
HONE_API int hone_store_random(char *text, size_t n, hone_error *err);
/* The order at an item's turn-th showing (0-based): a permutation of 1 to sides as a
 * JSON list, by seed and item, turned by one each time, so that each side
 * stands at each place equally often. */
HONE_API hone_json *hone_store_order(uint64_t seed, const char *item, int64_t turn, int64_t sides);
/* A number in [0, 1) by seed, annotator and how many were served to them. */
HONE_API double hone_store_draw(uint64_t seed, const char *annotator, int64_t served,
                                const char *purpose);
/* Whether an annotator { attributes, skills } meets a definition's qualification; the error
 * names what is missing. */
HONE_API int hone_store_qualified(const hone_json *definition, const hone_json *annotator,
                                  hone_error *err);
/* HONE_EINVAL, naming the first difference, unless two definitions are the same. */
HONE_API int hone_store_same(const hone_json *old, const hone_json *definition, hone_error *err);

#endif
