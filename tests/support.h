/* support.h -- what the C tests share: contexts, test data, golden messages.
 *
 * Golden messages live in tests/golden/<name>.txt, one line each; run the tests
 * with HONE_GOLDEN=write to record what the code says now. */
#ifndef HONE_TESTS_SUPPORT_H
#define HONE_TESTS_SUPPORT_H

#include <check.h>
#include <hone/hone.h>

/* Assert HONE_OK, showing the message otherwise. `err` must be in scope. */
#define ck_ok(call) \
    do { \
        err = (hone_error){0}; \
        int code_ = (call); \
        ck_assert_msg(code_ == HONE_OK, "%s: %s", #call, err.message); \
    } while (0)

/* Assert that the call fails with this code, leaving the message in err. */
#define ck_fails(expected, call) \
    do { \
        err = (hone_error){0}; \
        int code_ = (call); \
        ck_assert_msg(code_ == (expected), "%s: got %d (%s)", #call, code_, err.message); \
        ck_assert_msg(err.message[0], "%s: no message", #call); \
    } while (0)

/* A context with the build tree's plugins and no user settings. */
hone_context *support_context(void);
/* <source>/tests/<name>; valid until the next but seven calls. */
const char *support_file(const char *name);
/* <test data>/<name>, or NULL where the data is absent: then the test should
 * call support_skip and return. */
const char *support_data(const char *name);
void support_skip(const char *test, const char *why);
/* A fresh folder below the build's, emptied at exit. */
const char *support_folder(void);
void support_write(const char *path, const void *bytes, size_t n);
char *support_read(const char *path, size_t *n); /* free with hone_free */
/* Compare with tests/golden/<name>.txt; the source, data and temporary folders
 * in the message are written as SOURCE, DATA and TMP. */
void support_golden(const char *name, const char *message);
/* JSON of a text, in which single quotes stand for double ones; hone_json_free. */
hone_json *support_json(const char *text);
/* Run a suite; the exit status for main. jansson allocates by hone_alloc from here on:
 * its allocations fail with hone's, and are counted with them. */
int support_run(Suite *suite);

#endif
