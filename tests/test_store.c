/* test_store.c -- stores: serving, leases, judgements, what is refused, the log.
 * The clock is the test's: every request says `now`. */
#include "support.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int call(hone_instance *, const hone_json *, hone_json **, hone_error *);

static hone_context *context;
static hone_instance *store;
static char path[512];
static double now = 1000;
static hone_error err;

/* Most tests need no promise against a loss of power, and are quick without. */
static int try_open(const char *file, bool durable)
{
    json_t *options = json_pack("{s:s,s:b}", "path", file, "durable", durable);
    int code = hone_instance_new(&store, context, "store", "sqlite", options, &err);

    json_decref(options);
    return code;
}

static void setup(void)
{
    err = (hone_error){ 0 };
    now = 1000;
    context = support_context();
    snprintf(path, sizeof path, "%s/store.db", support_folder());
    ck_ok(try_open(path, false));
}

static void teardown(void)
{
    hone_instance_free(store);
    hone_context_free(context);
}

static int attempt(call *op, hone_json **reply, const char *text)
{
    hone_json *request = support_json(text);
    int code;

    json_object_set_new(request, "now", json_real(now));
    err = (hone_error){ 0 };
    code = op(store, request, reply, &err);
    hone_json_free(request);
    return code;
}

static hone_json *must(call *op, const char *text)
{
    hone_json *reply;
    int code = attempt(op, &reply, text);

    ck_assert_msg(code == HONE_OK, "%s: %s", text, err.message);
    return reply;
}
#define DO(op, ...) hone_json_free(must(hone_store_##op, __VA_ARGS__))

static void refused(const char *golden, int expected, call *op, const char *text)
{
    hone_json *reply;
    int code = attempt(op, &reply, text);

    ck_assert_msg(code == expected, "%s: %s: %d %s", golden, text, code, err.message);
    ck_assert_ptr_null(reply);
    support_golden(golden, err.message);
}
#define NO(golden, code, op, text) refused("store-" golden, code, hone_store_##op, text)

static int64_t number(hone_json *reply, const char *key)
{
    int64_t n = json_integer_value(json_object_get(reply, key));

    hone_json_free(reply);
    return n;
}

static int64_t counted(const char *key)
{
    return number(must(hone_store_task, "{'name': 't'}"), key);
}

/* A task `t` with these further fields, `items` pairs, and annotators a1 to a9. */
static void make(const char *more, int items)
{
    char text[512];

    snprintf(text, sizeof text, "{'definition': {'name': 't', 'ask': [{'name': 'better'},"
             " {'name': 'fix', 'text': true}], 'lease': 60%s}}", more);
    DO(put_task, text);
    for (int i = 1; i <= items; i++) {
        snprintf(text, sizeof text, "{'task': 't', 'items': [{'content': {'n': %d}, 'sides': 2}]}",
                 i);
        DO(add, text);
    }
    for (int i = 1; i <= 9; i++) {
        snprintf(text, sizeof text, "{'id': 'a%d', 'name': 'Annotator %d', 'attributes':"
                 " {'region': '%s'}}", i, i, i % 2 ? "north" : "south");
        DO(put_annotator, text);
    }
}

/* What an annotator gets; NULL: nothing. */
static json_t *next(int annotator)
{
    char text[64];
    json_t *reply;

    snprintf(text, sizeof text, "{'task': 't', 'annotator': 'a%d'}", annotator);
    reply = must(hone_store_next, text);
    if (!json_is_null(reply))
        return reply;
    json_decref(reply);
    return NULL;
}

static int64_t get(const json_t *a, const char *key)
{
    return json_integer_value(json_object_get(a, key));
}

static int64_t judge(int64_t assignment, int annotator, const char *answer)
{
    char text[256];

    snprintf(text, sizeof text, "{'assignment': %d, 'annotator': 'a%d', 'answers': {'better': '%s',"
             " 'fix': 'secret'}, 'seconds': 2.5}", (int)assignment, annotator, answer);
    return number(must(hone_store_submit, text), "judgement");
}

/* Serve and judge; which content, 0: nothing. */
static int64_t work(int annotator)
{
    json_t *a = next(annotator);
    int64_t n = get(json_object_get(a, "content"), "n");

    if (a)
        judge(get(a, "id"), annotator, "left");
    json_decref(a);
    return n;
}

static bool sound(void)
{
    json_t *reply = must(hone_store_verify, "{}");
    bool ok = json_is_true(json_object_get(reply, "ok"));

    json_decref(reply);
    return ok;
}

/* ---- serving ---- */

START_TEST(an_item_gets_its_overlap_and_no_annotator_twice)
{
    int seen[6] = { 0 };

    make(", 'overlap': 3", 5);
    for (int a = 1; a <= 9; a++) {
        bool mine[6] = { false };
        for (int64_t n; (n = work(a)) != 0;) {
            ck_assert(!mine[n]);
            mine[n] = true;
            seen[n]++;
        }
    }
    for (int n = 1; n <= 5; n++)
        ck_assert_int_eq(seen[n], 3);
    ck_assert_int_eq(counted("finished"), 5);
    ck_assert_int_eq(counted("wanted"), 0);
    ck_assert_int_eq(counted("judgements"), 15);
    ck_assert(sound());
}
END_TEST

START_TEST(promised_judgements_count_until_their_lease_ends)
{
    json_t *first, *again;

    make(", 'overlap': 1", 1);
    first = next(1);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(next(2));
    now += 59;
    again = next(1); /* the same, its lease renewed */
    ck_assert_int_eq(get(again, "id"), get(first, "id"));
    json_decref(again);
    now += 59;
    ck_assert_ptr_null(next(2));
    now += 1;
    again = next(2);
    ck_assert_int_ne(get(again, "id"), get(first, "id"));
    NO("late", HONE_ESTATE, submit,
       "{'assignment': 1, 'annotator': 'a1', 'answers': {'better': 'left'}}");
    judge(get(again, "id"), 2, "left");
    ck_assert_int_eq(counted("live"), 0);
    json_decref(first);
    json_decref(again);
    ck_assert(sound());
}
END_TEST

START_TEST(an_ended_lease_does_not_lock_out_who_had_it)
{
    json_t *a;

    make(", 'overlap': 1", 1);
    json_decref(next(1));
    now += 3600;
    a = next(1);
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(get(a, "id"), 2);
    json_decref(a);
}
END_TEST

START_TEST(each_side_comes_first_equally_often)
{
    int first[2] = { 0 }, item_first = 0, last = 0;

    make(", 'overlap': 2", 60);
    for (int turn = 0; turn < 120; turn++) {
        int annotator = 1 + turn / 60;
        json_t *a = next(annotator), *order = json_object_get(a, "order");
        int side = (int)json_integer_value(json_array_get(order, 0));

        ck_assert_uint_eq(json_array_size(order), 2);
        first[side - 1]++;
        if (turn < 60)
            item_first += side, last = side;
        judge(get(a, "id"), annotator, "left");
        json_decref(a);
    }
    ck_assert_int_eq(first[0], 60); /* each item once in each order */
    ck_assert_int_eq(first[1], 60);
    ck_assert(last && item_first > 75 && item_first < 105); /* not the same for all items */
}
END_TEST

START_TEST(gold_is_mixed_in_unseen_at_the_share_asked)
{
    char text[128];
    json_t *a;
    int gold = 0, total = 0;

    make(", 'overlap': 1, 'gold': 0.25", 200);
    for (int i = 1; i <= 100; i++) {
        snprintf(text, sizeof text, "{'task': 't', 'items': [{'content': {'n': %d}, 'sides': 2,"
                 " 'gold': {'better': 'left'}}]}", 1000 + i);
        DO(add, text);
    }
    while ((a = next(1))) {
        ck_assert_ptr_null(json_object_get(a, "gold"));
        ck_assert_ptr_null(json_object_get(a, "kind"));
        total++;
        gold += get(json_object_get(a, "content"), "n") > 1000;
        judge(get(a, "id"), 1, "left");
        json_decref(a);
    }
    ck_assert_int_eq(total - gold, 200);
    ck_assert_msg(gold > 45 && gold < 90, "%d gold items among %d", gold, total);
    ck_assert_int_eq(counted("judgements"), 200); /* gold is not counted */
    ck_assert(sound());
}
END_TEST

START_TEST(repeats_come_with_the_order_turned)
{
    json_t *rows, *row, *a;
    int repeats = 0, orders[201] = { 0 };
    size_t i;

    make(", 'overlap': 1, 'repeats': 0.2", 200);
    while ((a = next(1))) {
        judge(get(a, "id"), 1, "left");
        json_decref(a);
    }
    rows = must(hone_store_list, "{'what': 'judgements', 'task': 't'}");
    json_array_foreach(json_object_get(rows, "rows"), i, row) {
        hone_json *content;
        char text[160];
        int n, side = (int)json_integer_value(json_array_get(json_object_get(row, "order"), 0));

        snprintf(text, sizeof text, "{'what': 'items', 'item': '%s'}",
                 json_string_value(json_object_get(row, "item")));
        content = must(hone_store_list, text);
        n = (int)get(json_object_get(json_array_get(json_object_get(content, "rows"), 0),
                                     "content"), "n");
        hone_json_free(content);
        if (strcmp(json_string_value(json_object_get(row, "kind")), "repeat") == 0) {
            repeats++;
            ck_assert_int_eq(side, 3 - orders[n]);
        } else {
            ck_assert_int_eq(orders[n], 0);
            orders[n] = side;
        }
    }
    json_decref(rows);
    ck_assert_msg(repeats > 25 && repeats < 80, "%d repeats", repeats);
    ck_assert_int_eq(counted("judgements"), 200);
}
END_TEST

START_TEST(only_the_qualified_are_served)
{
    make(", 'qualification': {'attributes': {'region': ['north']}, 'skills': {'law': 0.5}}", 1);
    NO("region", HONE_EINVAL, next, "{'task': 't', 'annotator': 'a2'}");
    NO("skill", HONE_EINVAL, next, "{'task': 't', 'annotator': 'a1'}");
    DO(put_annotator, "{'id': 'a1', 'skills': {'law': 0.5}}");
    ck_assert_int_eq(work(1), 1);
    DO(put_annotator, "{'id': 'a1', 'state': 'suspended'}");
    NO("suspended", HONE_ESTATE, next, "{'task': 't', 'annotator': 'a1'}");
    NO("nobody", HONE_ENOTFOUND, next, "{'task': 't', 'annotator': 'a10'}");
    NO("no-task", HONE_ENOTFOUND, next, "{'task': 'u', 'annotator': 'a1'}");
}
END_TEST

START_TEST(skipped_and_flagged_items_go_to_others)
{
    json_t *rows, *row;

    make(", 'overlap': 1", 2);
    json_decref(next(1));
    DO(leave, "{'assignment': 1, 'annotator': 'a1', 'how': 'skip', 'reason': 'not my field'}");
    DO(leave, "{'assignment': 1, 'annotator': 'a1', 'how': 'skip'}"); /* sent again */
    json_decref(next(1));
    NO("flag-reason", HONE_EINVAL, leave, "{'assignment': 2, 'annotator': 'a1', 'how': 'flag'}");
    DO(leave, "{'assignment': 2, 'annotator': 'a1', 'how': 'flag', 'reason': 'cut off'}");
    ck_assert_ptr_null(next(1));
    ck_assert_int_eq(work(2), 1);
    ck_assert_int_eq(work(2), 2);
    rows = must(hone_store_list, "{'what': 'assignments', 'task': 't', 'annotator': 'a1'}");
    row = json_array_get(json_object_get(rows, "rows"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(row, "state")), "flagged");
    ck_assert_str_eq(json_string_value(json_object_get(row, "reason")), "cut off");
    json_decref(rows);
    NO("how", HONE_EINVAL, leave, "{'assignment': 2, 'annotator': 'a1', 'how': 'drop'}");
}
END_TEST

START_TEST(an_item_stops_when_it_wants_no_more)
{
    json_t *a;
    char text[160];

    make(", 'overlap': 5", 1);
    a = next(1);
    judge(get(a, "id"), 1, "left");
    snprintf(text, sizeof text, "{'task': 't', 'item': '%s', 'wanted': 1}",
             json_string_value(json_object_get(a, "item")));
    json_decref(a);
    DO(set_item, text);
    ck_assert_ptr_null(next(2));
    ck_assert_int_eq(counted("finished"), 1);
}
END_TEST

START_TEST(a_paused_task_serves_nothing_and_takes_what_is_under_way)
{
    make("", 2);
    json_decref(next(1));
    DO(set_task, "{'name': 't', 'state': 'paused'}");
    NO("paused", HONE_ESTATE, next, "{'task': 't', 'annotator': 'a2'}");
    judge(1, 1, "left");
    DO(set_task, "{'name': 't', 'state': 'open'}");
    ck_assert_int_eq(work(2), 1);
    NO("state", HONE_EINVAL, set_task, "{'name': 't', 'state': 'shut'}");
}
END_TEST

/* ---- judgements ---- */

START_TEST(the_same_sent_twice_is_acknowledged_twice_and_kept_once)
{
    make("", 2);
    json_decref(next(1));
    ck_assert_int_eq(judge(1, 1, "left"), 1);
    now += 10000;
    ck_assert_int_eq(judge(1, 1, "left"), 1);
    ck_assert_int_eq(counted("judgements"), 1);
    NO("twice", HONE_ESTATE, submit,
       "{'assignment': 1, 'annotator': 'a1', 'answers': {'better': 'right'}}");
    NO("judged", HONE_ESTATE, submit,
       "{'assignment': 1, 'annotator': 'a1', 'answers': {'better': 'right'}, 'key': 'k'}");
}
END_TEST

START_TEST(a_change_supersedes_and_keeps_what_was)
{
    json_t *rows;

    make("", 1);
    json_decref(next(1));
    judge(1, 1, "left");
    DO(submit, "{'supersedes': 1, 'annotator': 'a1', 'answers': {'better': 'right'}}");
    DO(submit, "{'supersedes': 1, 'annotator': 'a1', 'answers': {'better': 'right'}}");
    NO("superseded", HONE_ESTATE, submit, "{'supersedes': 1, 'annotator': 'a1', 'answers':"
       " {'better': 'tie'}, 'key': 'k'}");
    NO("superseded-other", HONE_EINVAL, submit,
       "{'supersedes': 2, 'annotator': 'a2', 'answers': {'better': 'tie'}}");
    NO("supersedes-none", HONE_ENOTFOUND, submit,
       "{'supersedes': 9, 'annotator': 'a1', 'answers': {'better': 'tie'}}");
    rows = must(hone_store_list, "{'what': 'judgements', 'task': 't'}");
    ck_assert_uint_eq(json_array_size(json_object_get(rows, "rows")), 1);
    json_decref(rows);
    rows = must(hone_store_list, "{'what': 'judgements', 'task': 't', 'current': false}");
    ck_assert_uint_eq(json_array_size(json_object_get(rows, "rows")), 2);
    json_decref(rows);
    ck_assert_int_eq(counted("judgements"), 1);
    ck_assert(sound());
}
END_TEST

START_TEST(what_does_not_fit_is_refused_by_name)
{
    make("", 1);
    json_decref(next(1));
    NO("other", HONE_EINVAL, submit,
       "{'assignment': 1, 'annotator': 'a2', 'answers': {'better': 'left'}}");
    NO("assignment", HONE_ENOTFOUND, submit,
       "{'assignment': 7, 'annotator': 'a1', 'answers': {'better': 'left'}}");
    NO("ask", HONE_EINVAL, submit,
       "{'assignment': 1, 'annotator': 'a1', 'answers': {'worse': 'left'}}");
    NO("answers", HONE_EINVAL, submit, "{'assignment': 1, 'annotator': 'a1', 'answers': {}}");
    NO("seconds", HONE_EINVAL, submit,
       "{'assignment': 1, 'annotator': 'a1', 'answers': {'better': 'left'}, 'seconds': -1}");
    NO("missing", HONE_EINVAL, submit, "{'assignment': 1, 'annotator': 'a1'}");
    NO("field", HONE_EINVAL, next, "{'task': 't', 'anotator': 'a1'}");
    NO("type", HONE_EINVAL, next, "{'task': 't', 'annotator': 3}");
    NO("both", HONE_EINVAL, submit,
       "{'annotator': 'a1', 'answers': {'better': 'left'}}");
    NO("what", HONE_EINVAL, list, "{'what': 'rows'}");
    NO("limit", HONE_EINVAL, list, "{'what': 'items', 'limit': 0}");
    NO("item", HONE_EINVAL, set_item, "{'task': 't', 'item': 'xyz', 'wanted': 1}");
    NO("name-taken", HONE_EINVAL, put_annotator, "{'id': 'a2', 'name': 'Annotator 1'}");
    NO("add", HONE_EINVAL, add, "{'task': 't', 'items': [{'content': 1}, {'sides': 2}]}");
    NO("add-field", HONE_EINVAL, add, "{'task': 't', 'items': [{'content': 1, 'side': 2}]}");
    ck_assert_int_eq(counted("items"), 1); /* nothing of a refused call stays */
}
END_TEST

START_TEST(a_definition_is_checked_and_another_says_what_differs)
{
    make("", 1);
    NO("definition", HONE_EINVAL, put_task, "{'definition': {'name': 't', 'ask': [{'name':"
       " 'better'}, {'name': 'fix', 'text': true}], 'lease': 60, 'overlap': 4}}");
    NO("definition-ask", HONE_EINVAL, put_task, "{'definition': {'name': 't', 'ask': [{'name':"
       " 'better', 'metric': {'version': '2.0.0'}}, {'name': 'fix', 'text': true}], 'lease': 60}}");
    NO("no-ask", HONE_EINVAL, put_task, "{'definition': {'name': 'u', 'ask': []}}");
    NO("same-ask", HONE_EINVAL, put_task,
       "{'definition': {'name': 'u', 'ask': [{'name': 'x'}, {'name': 'x'}]}}");
    NO("overlap", HONE_EINVAL, put_task,
       "{'definition': {'name': 'u', 'ask': [{'name': 'x'}], 'overlap': 0}}");
    NO("option", HONE_EINVAL, put_task,
       "{'definition': {'name': 'u', 'ask': [{'name': 'x'}], 'overlaps': 3}}");
    NO("guideline", HONE_ENOTFOUND, put_task, "{'definition': {'name': 'u', 'ask': [{'name': 'x'}],"
       " 'guideline': '0000000000000000000000000000000000000000000000000000000000000000'}}");
    NO("qualification", HONE_EINVAL, put_task, "{'definition': {'name': 'u', 'ask': [{'name':"
       " 'x'}], 'qualification': {'attributes': {'region': 'north'}}}}");
    ck_assert_int_eq(work(1), 1);
    DO(put_task, "{'revise': true, 'definition': {'name': 't', 'ask': [{'name': 'better', 'metric':"
       " {'version': '2.0.0'}}], 'lease': 60, 'overlap': 4}}");
    ck_assert_int_eq(counted("version"), 2);
    ck_assert_int_eq(counted("wanted"), 3); /* overlap went from 3 to 4 */
    ck_assert(sound());
}
END_TEST

/* ---- people ---- */

static bool bytes_hold(const char *bytes, size_t n, const char *words)
{
    size_t m = strlen(words);

    for (size_t i = 0; i + m <= n; i++)
        if (memcmp(bytes + i, words, m) == 0)
            return true;
    return false;
}

static bool file_holds(const char *words)
{
    bool found = false;
    const char *const ends[] = { "", "-wal" };

    for (int i = 0; i < 2; i++) {
        char name[600];
        size_t n = 0;
        char *bytes;

        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        if (access(name, F_OK))
            continue;
        bytes = support_read(name, &n);
        found = found || bytes_hold(bytes, n, words);
        hone_free(bytes);
    }
    return found;
}

START_TEST(who_is_erased_is_forgotten_and_the_log_verifies)
{
    json_t *rows, *row;

    make("", 2);
    work(1);
    work(2);
    DO(import, "{'task': 't', 'rows': [{'content': {'n': 9}, 'annotator': 'Annotator 1', 'answers':"
       " {'better': 'left', 'fix': 'hidden'}}, {'content': {'n': 9}, 'annotator': 'Annotator 2',"
       " 'answers': {'better': 'left'}}]}");
    ck_assert(file_holds("Annotator 1") && file_holds("hidden"));
    ck_assert(sound());
    ck_assert_int_eq(number(must(hone_store_erase, "{'annotator': 'a1', 'text': true, 'reason':"
                                 " 'they asked'}"), "judgements"), 2);
    ck_assert(!file_holds("Annotator 1") && !file_holds("hidden"));
    ck_assert(sound());
    rows = must(hone_store_list, "{'what': 'judgements', 'task': 't'}");
    ck_assert_uint_eq(json_array_size(json_object_get(rows, "rows")), 4);
    row = json_object_get(json_array_get(json_object_get(rows, "rows"), 0), "answers");
    ck_assert_str_eq(json_string_value(json_object_get(row, "better")), "left");
    ck_assert(json_is_null(json_object_get(row, "fix")));
    row = json_object_get(json_array_get(json_object_get(rows, "rows"), 1), "answers");
    ck_assert_str_eq(json_string_value(json_object_get(row, "fix")), "secret"); /* another's */
    json_decref(rows);
    NO("erased", HONE_ESTATE, next, "{'task': 't', 'annotator': 'a1'}");
}
END_TEST

/* ---- the log ---- */

/* What SQL may do to the file behind our back; the triggers are dropped first. */
static void tamper(const char *sql)
{
    sqlite3 *db;
    char *said = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "DROP TRIGGER IF EXISTS judgements_stay; DROP TRIGGER IF EXISTS"
                 " judgements_stand; DROP TRIGGER IF EXISTS log_stays; DROP TRIGGER IF EXISTS"
                 " log_stands", NULL, NULL, &said);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &said) == SQLITE_OK, "%s: %s", sql, said);
    sqlite3_close(db);
}

static const char *const tampers[][2] = {
    { "UPDATE judgements SET answers = '{\"better\":\"right\"}' WHERE id = 1",
      "judgement 1 was changed" },
    { "UPDATE judgements SET seconds = 9 WHERE id = 2", "judgement 2 was changed" },
    { "DELETE FROM judgements WHERE id = 2", "judgement 2 is gone" },
    { "INSERT INTO judgements SELECT 77, task, entry, 5, version, NULL, kind, sides, answers,"
      " seconds, at, 'z', NULL, salt, digest FROM judgements WHERE id = 1",
      "3 judgements are here, and the log names 2" },
    { "DELETE FROM log WHERE id = 3", "a row is gone" },
    { "UPDATE log SET entry = '{}' WHERE id = 4",
      "the hash does not follow from the row before and the entry" },
    { "UPDATE items SET content = '{\"n\":2}' WHERE id = 1", "item number 1 was changed" },
    { "UPDATE versions SET definition = '{}'", "version 1 of task 't' was changed" },
};

START_TEST(what_was_tampered_with_is_named)
{
    json_t *reply;
    const char *reason;

    make("", 1);
    work(1);
    work(2);
    tamper(tampers[_i][0]);
    reply = must(hone_store_verify, "{}");
    reason = json_string_value(json_object_get(json_object_get(reply, "broken"), "reason"));
    ck_assert_str_eq(reason ? reason : "", tampers[_i][1]);
    json_decref(reply);
}
END_TEST

START_TEST(a_log_cut_at_its_end_is_told_from_a_head_kept_elsewhere)
{
    json_t *reply, *request;

    make("", 1);
    work(1);
    request = must(hone_store_verify, "{}");
    json_object_set_new(request, "row", json_incref(json_object_get(request, "rows")));
    request = json_pack("{s:o}", "head", request);
    tamper("DELETE FROM log WHERE id = (SELECT max(id) FROM log); DELETE FROM judgements");
    ck_assert(sound()); /* all that is left fits together */
    ck_ok(hone_store_verify(store, request, &reply, &err));
    ck_assert(json_is_false(json_object_get(reply, "ok")));
    json_decref(reply);
    json_decref(request);
}
END_TEST

START_TEST(judgements_and_log_cannot_be_changed_by_statements)
{
    static const char *const statements[] = {
        "DELETE FROM judgements", "UPDATE judgements SET answers = '{}'", "DELETE FROM log",
        "UPDATE log SET entry = '{}'",
    };
    sqlite3 *db;

    make("", 1);
    work(1);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(sqlite3_exec(db, statements[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
    sqlite3_close(db);
}
END_TEST

/* ---- files ---- */

static void sql(const char *file, const char *text)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

START_TEST(files_that_are_no_store_of_ours_are_refused_and_left_alone)
{
    static const char *const words = "this is a text, and it has more than a hundred bytes, which"
                                     " is what SQLite wants to see of a file before it reads it.\n";
    char file[600];
    size_t n;
    char *bytes;

    hone_instance_free(store);
    sql(path, "PRAGMA user_version = 7");
    ck_assert_int_eq(try_open(path, false), HONE_EUNSUPPORTED);
    support_golden("store-newer", err.message);
    snprintf(file, sizeof file, "%s/other.db", support_folder());
    sql(file, "CREATE TABLE t (x)");
    ck_assert_int_eq(try_open(file, true), HONE_EFORMAT);
    support_golden("store-foreign", err.message);
    snprintf(file, sizeof file, "%s/text.db", support_folder());
    support_write(file, words, strlen(words));
    ck_assert_int_eq(try_open(file, true), HONE_EFORMAT);
    support_golden("store-text", err.message);
    bytes = support_read(file, &n);
    ck_assert(n == strlen(words) && memcmp(bytes, words, n) == 0);
    hone_free(bytes);
    ck_assert_int_eq(try_open("/nowhere/store.db", true), HONE_EIO);
    support_golden("store-nowhere", err.message);
}
END_TEST

/* A limit on the size of files stands for a disk that is full. */
START_TEST(a_full_disk_is_an_error_and_loses_nothing)
{
    pid_t child;
    int status, failed;

    make("", 1);
    work(1);
    child = fork();
    if (child == 0) {
        struct rlimit limit = { 2 << 20, 2 << 20 };
        hone_json *request, *reply;
        char *big = malloc(4000);

        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        memset(big, 'x', 3999);
        big[3999] = '\0';
        for (int i = 0; i < 10000; i++) {
            request = json_pack("{s:s,s:[{s:{s:s,s:i}}]}", "task", "t", "items", "content", "text",
                                big, "n", i);
            failed = hone_store_add(store, request, &reply, &err);
            if (failed)
                _exit(failed == HONE_EIO && strstr(err.message, "nothing of this was written")
                          ? (i > 20 ? 0 : 2) : 3);
        }
        _exit(4);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    ck_assert(sound());
    ck_assert_int_gt(counted("items"), 20);
    ck_assert_int_eq(counted("judgements"), 1);
    ck_assert_int_eq(work(2), 1);
}
END_TEST

START_TEST(a_batch_is_all_or_nothing)
{
    make("", 1);
    ck_ok(hone_store_batch(store, HONE_STORE_BEGIN, &err));
    DO(add, "{'task': 't', 'items': [{'content': {'n': 7}}]}");
    NO("batch-add", HONE_ENOTFOUND, add, "{'task': 'u', 'items': [{'content': {'n': 8}}]}");
    ck_assert_int_eq(counted("items"), 2);
    ck_fails(HONE_ESTATE, hone_store_batch(store, HONE_STORE_BEGIN, &err));
    ck_ok(hone_store_batch(store, HONE_STORE_ROLLBACK, &err));
    ck_assert_int_eq(counted("items"), 1);
    ck_fails(HONE_ESTATE, hone_store_batch(store, HONE_STORE_COMMIT, &err));
    ck_ok(hone_store_batch(store, HONE_STORE_BEGIN, &err));
    DO(add, "{'task': 't', 'items': [{'content': {'n': 7}}]}");
    ck_ok(hone_store_batch(store, HONE_STORE_COMMIT, &err));
    ck_assert_int_eq(counted("items"), 2);
    ck_assert(sound());
}
END_TEST

START_TEST(an_import_names_the_broken_row_and_keeps_nothing)
{
    make("", 0);
    NO("import", HONE_EINVAL, import, "{'task': 't', 'rows': [{'content': {'n': 1}, 'annotator':"
       " 'x', 'answers': {'better': 'left'}}, {'content': {'n': 2}, 'annotator': 'y', 'answers':"
       " {'wrose': 'left'}}]}");
    NO("import-field", HONE_EINVAL, import,
       "{'task': 't', 'rows': [{'content': {'n': 1}, 'answers': {'better': 'left'}}]}");
    ck_assert_int_eq(counted("items"), 0);
    DO(import, "{'task': 't', 'rows': [{'content': {'n': 1}, 'annotator': 'x', 'answers': {'better':"
       " 'left'}, 'order': [2, 1], 'seconds': 3, 'at': 5, 'key': 'k'}]}");
    ck_assert_int_eq(number(must(hone_store_import, "{'task': 't', 'rows': [{'content': {'n': 1},"
                                 " 'annotator': 'x', 'answers': {'better': 'left'}, 'key': 'k'}]}"),
                            "again"), 1);
    ck_assert_int_eq(counted("judgements"), 1);
    ck_assert(sound());
}
END_TEST

static hone_json *import_rows(const char *rows)
{
    char text[2000];

    snprintf(text, sizeof text, "{'task': 't', 'rows': [%s]}", rows);
    return must(hone_store_import, text);
}
#define ROW(n, who, more) "{'content': {'b': " #n ", 'a': 0}, 'annotator': '" who "', 'answers':" \
    " {'better': 'left'}" more "}"

/* Three imported, one redacted, and the others exchanged: each fits its own digest. */
START_TEST(an_import_is_checked_after_a_redaction)
{
    static const char exchange[] =
        "UPDATE judgements SET id = 9 WHERE id = 2; UPDATE judgements SET id = 2 WHERE id = 3;"
        "UPDATE judgements SET id = 3 WHERE id = 9";
    json_t *reply;

    make("", 0);
    DO(import, "{'task': 't', 'rows': [{'content': {'n': 1}, 'annotator': 'Annotator 1', 'answers':"
       " {'fix': 'secret'}}, {'content': {'n': 1}, 'annotator': 'y', 'answers': {'better': 'left'}},"
       " {'content': {'n': 1}, 'annotator': 'z', 'answers': {'better': 'right'}}]}");
    ck_assert_int_eq(number(must(hone_store_erase, "{'annotator': 'a1', 'text': true}"),
                            "judgements"), 1);
    ck_assert(sound());
    tamper(exchange);
    reply = must(hone_store_verify, "{}");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(reply, "broken"), "reason")),
                     "judgements 1 to 3 are not those that were imported");
    json_decref(reply);
}
END_TEST

/* By one row or by several calls: the same counts. */
START_TEST(imported_rows_of_one_item_count_each_annotator_once)
{
    make(", 'overlap': 4", 0);
    hone_json_free(import_rows(ROW(1, "x", "") "," ROW(1, "y", "") "," ROW(1, "x", "") ","
                               ROW(2, "x", "") "," ROW(1, "z", "")));
    ck_assert_int_eq(counted("judgements"), 4);
    hone_json_free(import_rows(ROW(1, "y", "") "," ROW(1, "w", "")));
    ck_assert_int_eq(counted("judgements"), 5);
    ck_assert_int_eq(counted("items"), 2);
    ck_assert_int_eq(counted("finished"), 1);
    ck_assert_int_eq(number(must(hone_store_verify, "{}"), "judgements"), 7);
    ck_assert(sound());
}
END_TEST

START_TEST(rows_with_keys_may_come_again_within_a_call_and_later)
{
    static const char rows[] = ROW(1, "x", ", 'key': '1'") "," ROW(1, "x", ", 'key': '1'") ","
                               ROW(1, "y", ", 'key': '1'") "," ROW(2, "x", ", 'key': '2'");
    hone_json *reply;

    make("", 0);
    reply = import_rows(rows);
    ck_assert_int_eq(get(reply, "judgements"), 3);
    ck_assert_int_eq(get(reply, "again"), 1);
    hone_json_free(reply);
    reply = import_rows(rows);
    ck_assert_int_eq(get(reply, "judgements"), 0);
    ck_assert_int_eq(get(reply, "again"), 4);
    hone_json_free(reply);
    ck_assert_int_eq(counted("judgements"), 3);
    NO("import-key", HONE_ESTATE, import, "{'task': 't', 'rows': [" ROW(3, "x", "") ","
       ROW(3, "x", ", 'key': '2'") "]}");
    ck_assert_int_eq(counted("judgements"), 3);
    ck_assert(sound());
}
END_TEST

START_TEST(judgements_of_one_item_are_listed_in_pages)
{
    char text[256];
    json_t *page, *rows, *row;
    const char *item;
    size_t i;

    make(", 'overlap': 4", 0);
    hone_json_free(import_rows(ROW(1, "x", "") "," ROW(2, "x", "") "," ROW(1, "y", "") ","
                               ROW(2, "y", "") "," ROW(1, "z", "")));
    page = must(hone_store_list, "{'what': 'judgements', 'task': 't'}");
    rows = json_object_get(page, "rows");
    ck_assert_uint_eq(json_array_size(rows), 5);
    item = json_string_value(json_object_get(json_array_get(rows, 0), "item"));
    for (int after = 0; after < 5; after += 2) { /* rows 1, 3 and 5, one at a time */
        snprintf(text, sizeof text, "{'what': 'judgements', 'task': 't', 'item': '%s', 'limit': 1,"
                 " 'after': %d}", item, after);
        json_t *one = must(hone_store_list, text);
        json_array_foreach(json_object_get(one, "rows"), i, row)
            ck_assert_int_eq(get(row, "id"), after + 1);
        ck_assert_uint_eq(i, 1);
        ck_assert_int_eq(get(one, "after"), after + 1);
        json_decref(one);
    }
    json_decref(page);
}
END_TEST

START_TEST(lists_come_in_pages)
{
    int64_t after = 0, seen = 0;
    int pages = 0;

    make("", 25);
    do {
        char text[96];
        json_t *page;

        snprintf(text, sizeof text, "{'what': 'entries', 'task': 't', 'limit': 10, 'after': %d}",
                 (int)after);
        page = must(hone_store_list, text);
        seen += (int64_t)json_array_size(json_object_get(page, "rows"));
        after = get(page, "after");
        json_decref(page);
        pages++;
    } while (after);
    ck_assert_int_eq(seen, 25);
    ck_assert_int_eq(pages, 3);
}
END_TEST

/* ---- memory ---- */

/* Allocations, when the store holds the definition of the task, which any call may bring. */
static int64_t held(bool task)
{
    if (task)
        json_decref(must(hone_store_list, "{'what': 'entries', 'task': 'm', 'limit': 1}"));
    return hone_alloc_live();
}

/* Each call at the nth allocation's failure: it fails, leaves nothing behind in
 * memory or in the store, and works when there is memory again. */
START_TEST(an_allocation_that_fails_changes_nothing)
{
    static const struct { call *op; const char *text; } calls[] = {
        { hone_store_put_task, "{'definition': {'name': 'm', 'ask': [{'name': 'x'}]}}" },
        { hone_store_add, "{'task': 'm', 'items': [{'content': {'b': [1, {'z': 1, 'a': 2}], 'a': 1},"
          " 'sides': 2}]}" },
        { hone_store_put_annotator, "{'id': 'p', 'name': 'P', 'attributes': {'x': 1}}" },
        { hone_store_next, "{'task': 'm', 'annotator': 'p'}" },
        { hone_store_next, "{'task': 'm', 'annotator': 'p'}" },
        { hone_store_submit, "{'assignment': 1, 'annotator': 'p', 'answers': {'x': 1}}" },
        { hone_store_submit, "{'supersedes': 1, 'annotator': 'p', 'answers': {'x': 2}}" },
        { hone_store_import, "{'task': 'm', 'rows': [{'content': 1, 'annotator': 'q', 'answers':"
          " {'x': 1}, 'order': [1]}]}" },
        { hone_store_list, "{'what': 'judgements', 'task': 'm'}" },
        { hone_store_erase, "{'annotator': 'p', 'text': true}" },
        { hone_store_verify, "{}" },
    };
    int64_t rows = -1;

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int code = HONE_ENOMEM;

        for (uint64_t n = 1; code != HONE_OK; n++) {
            hone_json *request = support_json(calls[i].text), *reply;
            int64_t before;

            json_object_set_new(request, "now", json_real(now));
            before = held(i > 0);
            err = (hone_error){ 0 };
            hone_alloc_fail_after(n);
            code = calls[i].op(store, request, &reply, &err);
            hone_alloc_fail_after(0);
            ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%zu: %s", i, err.message);
            hone_json_free(reply);
            if (code != HONE_OK)
                ck_assert_int_eq(held(i > 0), before);
            hone_json_free(request);
            ck_assert_uint_lt(n, 5000);
            if (code != HONE_OK && rows >= 0)
                ck_assert_int_eq(number(must(hone_store_verify, "{}"), "rows"), rows);
            rows = number(must(hone_store_verify, "{}"), "rows");
        }
    }
    ck_assert(sound());
}
END_TEST

START_TEST(lines_read_with_too_little_memory_leave_nothing)
{
    static const char lines[] =
        "{\"content\":1,\"annotator\":\"x\",\"answers\":{\"better\":\"left\"}}\n"
        "{\"content\":2,\"sides\":2}\n{\"content\":3,\"annotator\":\"x\",\"answers\":{}}\n";
    char file[600];
    hone_json *reply;
    int code = HONE_ENOMEM;

    make("", 0);
    snprintf(file, sizeof file, "%s/lines.jsonl", support_folder());
    support_write(file, lines, strlen(lines));
    ck_fails(HONE_EFORMAT, hone_store_read_lines(store, "t", file, false, &reply, &err));
    support_golden("store-line", err.message);
    for (uint64_t n = 1; code != HONE_OK; n++) {
        int64_t before = hone_alloc_live();

        ck_assert_int_eq(counted("items"), 0);
        err = (hone_error){ 0 };
        hone_alloc_fail_after(n);
        code = hone_store_read_lines(store, "t", file, true, &reply, &err);
        hone_alloc_fail_after(0);
        ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%s", err.message);
        ck_assert(code == HONE_OK || hone_alloc_live() == before);
        ck_assert_uint_lt(n, 5000);
    }
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "broken")), 1);
    hone_json_free(reply);
    ck_assert_int_eq(counted("items"), 2);
}
END_TEST

START_TEST(canonical_texts_do_not_depend_on_the_order_of_keys)
{
    hone_json *a = support_json("{'b': 1, 'a': [{'y': 0.1, 'x': null}]}");
    hone_json *b = support_json("{'a': [{'x': null, 'y': 0.1}], 'b': 1}");
    char *first = hone_store_canonical(a), *second = hone_store_canonical(b), hex[65];
    uint8_t hash[HONE_STORE_HASH], back[HONE_STORE_HASH];

    ck_assert_str_eq(first, "{\"a\":[{\"x\":null,\"y\":0.1}],\"b\":1}");
    ck_assert_str_eq(first, second);
    hone_store_hash(hash, "abc", 3); /* FIPS 180-2, appendix B.1 */
    hone_store_hex(hash, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert(hone_store_unhex(hex, back) && memcmp(hash, back, sizeof hash) == 0);
    hex[3] = 'G';
    ck_assert(!hone_store_unhex(hex, back) && !hone_store_unhex("ab", back));
    hone_free(first);
    hone_free(second);
    hone_json_free(a);
    hone_json_free(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("store");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_item_gets_its_overlap_and_no_annotator_twice);
    tcase_add_test(tc, promised_judgements_count_until_their_lease_ends);
    tcase_add_test(tc, an_ended_lease_does_not_lock_out_who_had_it);
    tcase_add_test(tc, each_side_comes_first_equally_often);
    tcase_add_test(tc, gold_is_mixed_in_unseen_at_the_share_asked);
    tcase_add_test(tc, repeats_come_with_the_order_turned);
    tcase_add_test(tc, only_the_qualified_are_served);
    tcase_add_test(tc, skipped_and_flagged_items_go_to_others);
    tcase_add_test(tc, an_item_stops_when_it_wants_no_more);
    tcase_add_test(tc, a_paused_task_serves_nothing_and_takes_what_is_under_way);
    tcase_add_test(tc, the_same_sent_twice_is_acknowledged_twice_and_kept_once);
    tcase_add_test(tc, a_change_supersedes_and_keeps_what_was);
    tcase_add_test(tc, what_does_not_fit_is_refused_by_name);
    tcase_add_test(tc, a_definition_is_checked_and_another_says_what_differs);
    tcase_add_test(tc, who_is_erased_is_forgotten_and_the_log_verifies);
    tcase_add_loop_test(tc, what_was_tampered_with_is_named, 0,
                        sizeof tampers / sizeof *tampers);
    tcase_add_test(tc, a_log_cut_at_its_end_is_told_from_a_head_kept_elsewhere);
    tcase_add_test(tc, judgements_and_log_cannot_be_changed_by_statements);
    tcase_add_test(tc, files_that_are_no_store_of_ours_are_refused_and_left_alone);
    tcase_add_test(tc, a_full_disk_is_an_error_and_loses_nothing);
    tcase_add_test(tc, a_batch_is_all_or_nothing);
    tcase_add_test(tc, an_import_names_the_broken_row_and_keeps_nothing);
    tcase_add_test(tc, an_import_is_checked_after_a_redaction);
    tcase_add_test(tc, imported_rows_of_one_item_count_each_annotator_once);
    tcase_add_test(tc, rows_with_keys_may_come_again_within_a_call_and_later);
    tcase_add_test(tc, judgements_of_one_item_are_listed_in_pages);
    tcase_add_test(tc, lists_come_in_pages);
    tcase_add_test(tc, an_allocation_that_fails_changes_nothing);
    tcase_add_test(tc, lines_read_with_too_little_memory_leave_nothing);
    tcase_add_test(tc, canonical_texts_do_not_depend_on_the_order_of_keys);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
