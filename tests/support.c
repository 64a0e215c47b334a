/* support.c -- see support.h. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700
#include "support.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];
static pid_t folder_owner;

static const char *support_path(const char *base, const char *name)
{
    static char paths[8][4096];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", base, name);
    return path;
}

static const char *support_source(void)
{
    const char *source = getenv("HONE_SOURCE");
    return source ? source : "..";
}

static const char *support_data_folder(void)
{
    const char *data = getenv("HONE_TEST_DATA");
    return data && *data ? data : NULL;
}

hone_context *support_context(void)
{
    hone_context *context = NULL;
    hone_error err = {0};

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    ck_assert_msg(hone_context_new(&context, NULL, &err) == HONE_OK, "%s", err.message);
    return context;
}

const char *support_file(const char *name)
{
    char relative[2048];

    snprintf(relative, sizeof relative, "tests/%s", name);
    return support_path(support_source(), relative);
}

const char *support_data(const char *name)
{
    const char *base = support_data_folder();
    const char *path = base ? support_path(base, name) : NULL;

    return path && access(path, R_OK) == 0 ? path : NULL;
}

void support_skip(const char *test, const char *why)
{
    printf("skip %s: %s\n", test, why);
    fflush(stdout);
}

static int support_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void support_clean(void)
{
    if (folder[0] && getpid() == folder_owner)
        nftw(folder, support_remove, 16, FTW_DEPTH | FTW_PHYS);
}

const char *support_folder(void)
{
    if (!folder[0] || folder_owner != getpid()) {
        snprintf(folder, sizeof folder, "/tmp/hone-test-XXXXXX");
        ck_assert_msg(mkdtemp(folder), "mkdtemp: %s", strerror(errno));
        folder_owner = getpid();
        atexit(support_clean);
    }
    return folder;
}

void support_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f, "%s: %s", path, strerror(errno));
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

char *support_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t count = 0, capacity = 0;

    if (!f)
        return NULL;
    for (;;) {
        if (count + 65536 + 1 > capacity)
            text = hone_realloc(text, capacity = 2 * capacity + 131072, 1);
        size_t got = fread(text + count, 1, 65536, f);
        count += got;
        if (!got)
            break;
    }
    fclose(f);
    text[count] = '\0';
    if (n)
        *n = count;
    return text;
}

/* Replace a folder where it stands as a whole path or begins one. */
static void support_replace(char *text, size_t size, const char *from, const char *to)
{
    size_t n = from ? strlen(from) : 0;
    char *at = text;

    while (n && (at = strstr(at, from))) {
        bool begins = at == text || !strchr("/.-_", at[-1]);
        char rest[HONE_ERROR_MAX * 2];

        if (!begins || !strchr("/:' ", at[n])) {
            at += n;
            continue;
        }
        snprintf(rest, sizeof rest, "%s", at + n);
        snprintf(at, size - (size_t)(at - text), "%s%s", to, rest);
        at += strlen(to);
    }
}

void support_golden(const char *name, const char *message)
{
    char file[512], seen[HONE_ERROR_MAX * 2];
    const char *mode = getenv("HONE_GOLDEN");
    char *expected;

    snprintf(seen, sizeof seen - 1, "%s", message);
    support_replace(seen, sizeof seen - 1, folder, "TMP");
    support_replace(seen, sizeof seen - 1, support_data_folder(), "DATA");
    support_replace(seen, sizeof seen - 1, support_source(), "SOURCE");
    strcat(seen, "\n");
    snprintf(file, sizeof file, "golden/%s.txt", name);
    if (mode && strcmp(mode, "write") == 0) {
        support_write(support_file(file), seen, strlen(seen));
        return;
    }
    expected = support_read(support_file(file), NULL);
    ck_assert_msg(expected, "no golden message %s; the code says: %s", file, seen);
    ck_assert_str_eq(seen, expected);
    hone_free(expected);
}

hone_json *support_json(const char *text)
{
    char *quoted = hone_strdup(text);
    hone_json *json = NULL;
    hone_error err = {0};

    for (char *p = quoted; (p = strchr(p, '\'')); p++)
        *p = '"';
    ck_ok(hone_json_parse(&json, quoted, strlen(quoted), "test", &err));
    hone_free(quoted);
    return json;
}

static void *support_json_alloc(size_t size)
{
    return hone_alloc(size, 1);
}

int support_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    json_set_alloc_funcs(support_json_alloc, hone_free);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
