/* test_store_memory.c -- one allocation of jansson fails, and the next ones do
 * not: the worst case for a caller that looks away, since all that follows works.
 * What a call then answers and leaves in the store is what it should be, or the
 * call has failed. Each try is a batch that is taken back. Texts are short: the
 * scanner of jansson loses a byte of one of 16 where its buffer cannot grow. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int call(hone_instance *, const hone_json *, hone_json **, hone_error *);

static hone_context *context;
static hone_instance *store;
static hone_error err;
static int64_t allocations, refused; /* the one that fails; 0: none */
static bool reached;                 /* there was such an allocation */

static void *short_alloc(size_t size)
{
    return ++allocations == refused ? NULL : malloc(size);
}

static void setup(void)
{
    char path[512];
    json_t *options;

    json_set_alloc_funcs(short_alloc, free);
    context = support_context();
    snprintf(path, sizeof path, "%s/store.db", support_folder());
    options = json_pack("{s:s,s:b}", "path", path, "durable", 0);
    ck_ok(hone_instance_new(&store, context, "store", "sqlite", options, &err));
    json_decref(options);
}

static void teardown(void)
{
    hone_instance_free(store);
    hone_context_free(context);
}

static hone_json *must(call *op, const char *text)
{
    hone_json *request = support_json(text), *reply = NULL;

    ck_ok(op(store, request, &reply, &err));
    hone_json_free(request);
    return reply;
}

static const char without[][8] = { "digest", "lease" }; /* random */

/* The reply, annotators and judgements after a call whose nth allocation failed; NULL: the
 * call failed, too. */
static char *outcome(call *op, const char *text, int64_t n)
{
    hone_json *request = support_json(text), *reply = NULL;
    json_t *all, *row;
    char *said = NULL;
    size_t i;
    int code;

    ck_ok(hone_store_batch(store, HONE_STORE_BEGIN, &err));
    allocations = 0;
    refused = n;
    code = op(store, request, &reply, &err);
    refused = 0;
    reached = allocations >= n;
    ck_assert_msg(code == HONE_OK || code == HONE_ENOMEM, "%s: %" PRId64 ": %s", text, n,
                  err.message);
    if (code == HONE_OK) {
        json_t *people = must(hone_store_list, "{'what': 'annotators'}");
        json_t *judged = must(hone_store_list, "{'what': 'judgements', 'task': 'm'}");

        for (size_t w = 0; w < sizeof without / sizeof *without; w++) {
            json_object_del(reply, without[w]);
            json_array_foreach(json_object_get(judged, "rows"), i, row)
                json_object_del(row, without[w]);
        }
        all = json_pack("[O,o,o]", reply, people, judged);
        said = hone_json_text(all);
        json_decref(all);
    }
    ck_ok(hone_store_batch(store, HONE_STORE_ROLLBACK, &err));
    hone_json_free(reply);
    hone_json_free(request);
    return said;
}

START_TEST(a_call_does_all_or_fails)
{
    static const struct { call *op; const char *text; } calls[] = {
        { hone_store_put_annotator, "{'id': 'p', 'now': 9, 'attributes': {'a': 1, 'b': 'two'},"
          " 'skills': {'c': 3}}" },
        { hone_store_next, "{'task': 'm', 'annotator': 'p', 'now': 9}" },
        { hone_store_submit, "{'supersedes': 1, 'annotator': 'p', 'answers': {'x': 'short'},"
          " 'now': 9}" },
        { hone_store_erase, "{'annotator': 'p', 'text': true, 'now': 9}" },
        { hone_store_list, "{'what': 'annotators'}" },
        { hone_store_task, "{'name': 'm'}" },
    };
    const char *text = calls[_i].text;
    char *expected, *said;
    int64_t n = 1, made = 0;

    hone_json_free(must(hone_store_put_task, "{'definition': {'name': 'm', 'ask': [{'name': 'x',"
                        " 'text': true}]}}"));
    hone_json_free(must(hone_store_add, "{'task': 'm', 'items': [{'content': {'b': [1, 2], 'a': 1},"
                        " 'sides': 2}, {'content': 'two', 'sides': 2}]}"));
    hone_json_free(must(hone_store_put_annotator, "{'id': 'p', 'attributes': {'old': 1, 'b': 2}}"));
    hone_json_free(must(hone_store_next, "{'task': 'm', 'annotator': 'p', 'now': 1}"));
    hone_json_free(must(hone_store_submit, "{'assignment': 1, 'annotator': 'p', 'now': 2,"
                        " 'answers': {'x': 'who it was'}}"));
    expected = outcome(calls[_i].op, text, 0);
    ck_assert_ptr_nonnull(expected);
    for (; reached; n++) {
        said = outcome(calls[_i].op, text, n);
        if (said)
            ck_assert_msg(strcmp(said, expected) == 0, "%s: allocation %" PRId64 ":\n%s\nand not\n"
                          "%s", text, n, said, expected);
        made += said != NULL;
        hone_free(said);
    }
    ck_assert_int_gt(n, 10);
    ck_assert_int_ge(made, 1);
    hone_free(expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_memory");
    TCase *tc = tcase_create("memory");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_call_does_all_or_fails, 0, 6);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
