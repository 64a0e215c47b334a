/* test_store_people.c -- many processes on one store, and processes that are killed.
 *
 * The suite runs a few; these say how many, and what is printed is what docs/store.md
 * quotes:
 *   HONE_STORE_KILLS=200 HONE_STORE_PEOPLE=200 HONE_STORE_THINK=1 tests/run test_store_people
 * HONE_STORE_THINK: seconds that each annotator thinks on average (0: none, all
 * processes push at once); HONE_STORE_DURABLE=0: without syncing each commit. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 20 };

typedef int call(hone_instance *, const hone_json *, hone_json **, hone_error *);

static hone_context *context;
static char path[512];

/* Shared with the children. */
static struct shared {
    volatile int64_t acknowledged; /* judgements, in ids */
    int64_t ids[MOST];
    float next[MOST], save[MOST];  /* seconds */
    volatile int64_t served, saved, failed;
    char message[HONE_ERROR_MAX];
} *shared;

static double setting(const char *name, double def)
{
    const char *text = getenv(name);
    return text && *text ? atof(text) : def;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static hone_instance *open_store(void)
{
    json_t *options = json_pack("{s:s,s:b}", "path", path, "durable",
                                (int)setting("HONE_STORE_DURABLE", 1));
    hone_instance *store;
    hone_error err;

    ck_ok(hone_instance_new(&store, context, "store", "sqlite", options, &err));
    json_decref(options);
    return store;
}

static hone_json *must(hone_instance *store, call *op, const char *text)
{
    hone_json *request = support_json(text), *reply;
    hone_error err;

    ck_ok(op(store, request, &reply, &err));
    hone_json_free(request);
    return reply;
}

static void setup(void)
{
    context = support_context();
    snprintf(path, sizeof path, "%s/people.db", support_folder());
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
}

static void teardown(void)
{
    munmap(shared, sizeof *shared);
    hone_context_free(context);
}

static void make(int items, int people, int overlap)
{
    hone_instance *store = open_store();
    hone_error err;
    char text[256];

    ck_ok(hone_store_batch(store, HONE_STORE_BEGIN, &err));
    snprintf(text, sizeof text, "{'definition': {'name': 't', 'ask': [{'name': 'x'}], 'overlap': %d,"
             " 'lease': 600}}", overlap);
    hone_json_free(must(store, hone_store_put_task, text));
    for (int i = 1; i <= items; i++) {
        snprintf(text, sizeof text, "{'task': 't', 'items': [{'content': {'n': %d, 'text': 'Some"
                 " words of an answer that someone reads.'}, 'sides': 2}]}", i);
        hone_json_free(must(store, hone_store_add, text));
    }
    for (int i = 0; i < people; i++) {
        snprintf(text, sizeof text, "{'id': 'p%d'}", i);
        hone_json_free(must(store, hone_store_put_annotator, text));
    }
    ck_ok(hone_store_batch(store, HONE_STORE_COMMIT, &err));
    hone_instance_free(store);
}

/* In a child: judge `count` items, fewer when there are no more. */
static void annotate(int person, int count, double think)
{
    hone_random r = hone_random_named((uint64_t)person, "people");
    hone_instance *store = open_store();
    hone_error err = { 0 };
    int code = HONE_OK;

    for (int i = 0; i < count && code == HONE_OK; i++) {
        json_t *ask = json_pack("{s:s,s:o}", "task", "t", "annotator", json_sprintf("p%d", person));
        json_t *a = NULL, *sent, *done = NULL;
        double start;

        if (think > 0)
            usleep((useconds_t)(-log(1 - hone_random_uniform(&r)) * think * 1e6));
        start = seconds();
        code = hone_store_next(store, ask, &a, &err);
        json_decref(ask);
        if (code != HONE_OK || json_is_null(a))
            break;
        shared->next[__sync_fetch_and_add(&shared->served, 1) % MOST] = (float)(seconds() - start);
        sent = json_pack("{s:O,s:o,s:{s:s},s:f}", "assignment", json_object_get(a, "id"), "annotator",
                         json_sprintf("p%d", person), "answers", "x", "left", "seconds", 3.5);
        if (think > 0)
            usleep((useconds_t)(-log(1 - hone_random_uniform(&r)) * think * 1e6));
        start = seconds();
        code = hone_store_submit(store, sent, &done, &err);
        if (code == HONE_OK) {
            shared->save[__sync_fetch_and_add(&shared->saved, 1) % MOST] = (float)(seconds() - start);
            shared->ids[__sync_fetch_and_add(&shared->acknowledged, 1) % MOST] =
                json_integer_value(json_object_get(done, "judgement"));
        }
        json_decref(sent);
        json_decref(done);
        json_decref(a);
    }
    if (code != HONE_OK) {
        __sync_fetch_and_add(&shared->failed, 1);
        snprintf(shared->message, sizeof shared->message, "%s", err.message);
    }
    hone_instance_free(store);
    _exit(0);
}

/* All acknowledged judgements are there, and the log fits. */
static void check_kept(void)
{
    hone_instance *store = open_store();
    json_t *reply = must(store, hone_store_verify, "{}");
    int64_t after = 0, there = 0, wanted = shared->acknowledged;
    bool *seen = calloc(MOST, 1);

    ck_assert_msg(json_is_true(json_object_get(reply, "ok")), "%s",
                  json_string_value(json_object_get(json_object_get(reply, "broken"), "reason")));
    json_decref(reply);
    do {
        char text[96];
        json_t *row;
        size_t i;

        snprintf(text, sizeof text, "{'what': 'judgements', 'task': 't', 'after': %d}", (int)after);
        reply = must(store, hone_store_list, text);
        json_array_foreach(json_object_get(reply, "rows"), i, row)
            seen[json_integer_value(json_object_get(row, "id")) % MOST] = true;
        after = json_integer_value(json_object_get(reply, "after"));
        json_decref(reply);
    } while (after);
    for (int64_t i = 0; i < wanted; i++)
        there += seen[shared->ids[i]];
    ck_assert_msg(there == wanted, "%d of %d acknowledged judgements are there", (int)there,
                  (int)wanted);
    free(seen);
    hone_instance_free(store);
}

START_TEST(what_was_acknowledged_survives_kills)
{
    int kills = (int)setting("HONE_STORE_KILLS", 4), killed = 0;
    hone_random r = hone_random_named(1, "kills");
    int64_t all = 0;

    make(20000, 3, 2);
    for (int i = 0; i < kills; i++) {
        pid_t children[3];
        int status;

        shared->acknowledged = 0;
        for (int k = 0; k < 3; k++)
            if ((children[k] = fork()) == 0)
                annotate(k, 100000, 0);
        for (int64_t wait = 0; shared->acknowledged == 0 && wait < 10000; wait++)
            usleep(1000);
        usleep((useconds_t)(hone_random_uniform(&r) * 100000));
        for (int k = 0; k < 3; k++)
            kill(children[k], SIGKILL);
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(waitpid(children[k], &status, 0), children[k]);
            killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        }
        ck_assert_msg(shared->failed == 0, "%s", shared->message);
        ck_assert_int_gt(shared->acknowledged, 0);
        all += shared->acknowledged;
        check_kept();
    }
    printf("kills: %d rounds, %d processes killed while writing, %" PRId64
           " judgements acknowledged, none lost\n", kills, killed, all);
}
END_TEST

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *what, float *times, int64_t count)
{
    qsort(times, (size_t)count, sizeof *times, by_size);
    printf("%s: %" PRId64 " calls, median %.1f ms, p95 %.1f ms, p99 %.1f ms, longest %.1f ms\n",
           what, count, 1e3 * (double)times[count / 2], 1e3 * (double)times[count * 95 / 100],
           1e3 * (double)times[count * 99 / 100], 1e3 * (double)times[count - 1]);
}

/* No item beyond its overlap, none left over. */
static void check_served(int items, int overlap)
{
    hone_instance *store = open_store();
    json_t *counts = must(store, hone_store_task, "{'name': 't'}"), *row, *page;
    int64_t after = 0;

    ck_assert_int_eq(json_integer_value(json_object_get(counts, "finished")), items);
    ck_assert_int_eq(json_integer_value(json_object_get(counts, "live")), 0);
    json_decref(counts);
    do {
        char text[96];
        size_t i;

        snprintf(text, sizeof text, "{'what': 'entries', 'task': 't', 'after': %d}", (int)after);
        page = must(store, hone_store_list, text);
        json_array_foreach(json_object_get(page, "rows"), i, row)
            ck_assert_int_eq(json_integer_value(json_object_get(row, "done")), overlap);
        after = json_integer_value(json_object_get(page, "after"));
        json_decref(page);
    } while (after);
    hone_instance_free(store);
}

START_TEST(many_annotators_share_a_store)
{
    int people = (int)setting("HONE_STORE_PEOPLE", 8), overlap = 3, status;
    int items = people * (int)setting("HONE_STORE_EACH", 10) / overlap;
    double think = setting("HONE_STORE_THINK", 0), start;

    make(items, people, overlap);
    start = seconds();
    for (int i = 0; i < people; i++)
        if (fork() == 0)
            annotate(i, 1 << 30, think);
    for (int i = 0; i < people; i++)
        ck_assert(wait(&status) > 0 && WIFEXITED(status));
    start = seconds() - start;
    ck_assert_msg(shared->failed == 0, "%" PRId64 " failed, the last: %s", shared->failed,
                  shared->message);
    ck_assert_int_eq(shared->saved, items * overlap);
    check_served(items, overlap);
    check_kept();
    printf("%d processes: %.1f s, %.0f judgements a second\n", people, start,
           (double)shared->saved / start);
    print_times("next", shared->next, shared->served);
    print_times("save", shared->save, shared->saved);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store people");
    TCase *tc = tcase_create("store people");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 1800);
    tcase_add_test(tc, what_was_acknowledged_survives_kills);
    tcase_add_test(tc, many_annotators_share_a_store);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
