/* test_context.c -- contexts: threads, settings, log, interruption. */
#include "support.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- threads ---- */

struct loop {
    hone_context *context;
    atomic_int *counts; /* [n] */
    pthread_t caller;
    atomic_int elsewhere;
};

static void count_one(void *arg, int64_t i)
{
    struct loop *loop = arg;

    atomic_fetch_add(&loop->counts[i], 1);
    if (!pthread_equal(pthread_self(), loop->caller))
        atomic_fetch_add(&loop->elsewhere, 1);
}

static void runs_all(hone_context *context, int64_t n)
{
    struct loop loop = { .context = context, .caller = pthread_self(),
                         .counts = calloc((size_t)n + 1, sizeof(atomic_int)) };

    hone_parallel(context, n, count_one, &loop);
    for (int64_t i = 0; i < n; i++)
        ck_assert_int_eq(loop.counts[i], 1);
    free(loop.counts);
}

START_TEST(every_index_runs_once)
{
    static const int threads[] = { 1, 2, 3, 8 };
    static const int64_t sizes[] = { 0, 1, 2, 3, 7, 64, 1000, 12345 };
    hone_context *context = support_context();
    hone_error err;

    for (int t = 0; t < 4; t++) {
        ck_ok(hone_context_set_threads(context, threads[t], &err));
        ck_assert_int_eq(hone_context_threads(context), threads[t]);
        for (int s = 0; s < 8; s++)
            runs_all(context, sizes[s]);
    }
    hone_parallel(context, -5, count_one, NULL);
    hone_context_free(context);
}
END_TEST

START_TEST(many_short_loops_lose_no_wake_up)
{
    hone_context *context = support_context();
    hone_error err;

    ck_ok(hone_context_set_threads(context, 4, &err));
    for (int i = 0; i < 5000; i++) {
        runs_all(context, 2 + i % 9);
        if (i % 1000 == 0)
            usleep(2000); /* the workers fall asleep */
    }
    hone_context_free(context);
}
END_TEST

static void sleep_and_count(void *arg, int64_t i)
{
    usleep(20000);
    count_one(arg, i);
}

START_TEST(long_work_is_shared)
{
    hone_context *context = support_context();
    atomic_int counts[16] = {0};
    struct loop loop = { .counts = counts, .caller = pthread_self() };
    hone_error err;

    ck_ok(hone_context_set_threads(context, 4, &err));
    hone_parallel(context, 16, sleep_and_count, &loop);
    ck_assert_int_gt(loop.elsewhere, 0);
    hone_context_free(context);
}
END_TEST

static void nested(void *arg, int64_t i)
{
    struct loop *outer = arg;
    atomic_int counts[10] = {0};
    struct loop inner = { .counts = counts, .caller = pthread_self() };
    hone_error err;

    hone_parallel(outer->context, 10, count_one, &inner);
    for (int j = 0; j < 10; j++)
        ck_assert_int_eq(counts[j], 1);
    ck_assert_int_eq(inner.elsewhere, 0);
    ck_fails(HONE_ESTATE, hone_context_set_threads(outer->context, 7, &err));
    atomic_fetch_add(&outer->counts[i], 1);
}

START_TEST(a_nested_loop_runs_where_it_is)
{
    hone_context *context = support_context();
    atomic_int counts[50] = {0};
    struct loop loop = { .context = context, .counts = counts, .caller = pthread_self() };
    hone_error err;

    ck_ok(hone_context_set_threads(context, 3, &err));
    hone_parallel(context, 50, nested, &loop);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(counts[i], 1);
    hone_context_free(context);
}
END_TEST

static void *run_loops(void *context)
{
    for (int i = 0; i < 300; i++)
        runs_all(context, 40);
    return NULL;
}

START_TEST(two_threads_may_both_start_loops)
{
    hone_context *context = support_context();
    pthread_t other;
    hone_error err;

    ck_ok(hone_context_set_threads(context, 3, &err));
    ck_assert_int_eq(pthread_create(&other, NULL, run_loops, context), 0);
    run_loops(context);
    pthread_join(other, NULL);
    hone_context_free(context);
}
END_TEST

START_TEST(a_forked_child_has_threads_of_its_own)
{
    hone_context *context = support_context();
    hone_error err;
    pid_t child;
    int status;

#ifdef __SANITIZE_THREAD__
    support_skip("a forked child has threads of its own", "not under the thread sanitizer");
    hone_context_free(context);
    return;
#endif
    ck_ok(hone_context_set_threads(context, 3, &err));
    runs_all(context, 100);
    usleep(100000); /* a sanitizer's own lock, held by a thread that starts, would stay locked */
    child = fork();
    if (child == 0) {
        alarm(20);
        runs_all(context, 100);
        hone_context_free(context);
        _exit(42);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    runs_all(context, 100);
    hone_context_free(context);
}
END_TEST

START_TEST(the_number_of_threads_has_bounds)
{
    hone_context *context = support_context();
    hone_error err;

    ck_fails(HONE_EINVAL, hone_context_set_threads(context, 0, &err));
    support_golden("context-threads", err.message);
    ck_fails(HONE_EINVAL, hone_context_set_threads(context, 100000, &err));
    ck_assert_int_ge(hone_context_threads(context), 1);
    hone_context_free(context);
}
END_TEST

/* ---- settings ---- */

static const char *write_config(const char *name, const char *text)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", support_folder(), name);
    support_write(path, text, strlen(text));
    return path;
}

static hone_context *configured(const char *text)
{
    hone_context *context;
    hone_error err;

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    unsetenv("HONE_THREADS");
    ck_ok(hone_context_new(&context, write_config("hone.conf", text), &err));
    return context;
}

static const char *setting(hone_context *context, const char *key)
{
    return hone_json_string(hone_json_get(hone_context_settings(context), key));
}

START_TEST(settings_are_read_and_completed)
{
    hone_context *context = configured("threads = 3;\nlog_level = \"warn\";\n"
                                       "options = { optimizer = { adamw = { lr = 1e-4; n = 5; "
                                       "b = [0.5, 1.0]; on = true; }; }; };\n");
    const hone_json *options = hone_json_get(hone_context_settings(context), "options"), *adamw;

    setenv("HOME", "/home/someone", 1);
    ck_assert_int_eq(hone_context_threads(context), 3);
    ck_assert_str_eq(setting(context, "log_level"), "warn");
    adamw = hone_json_get(hone_json_get(options, "optimizer"), "adamw");
    ck_assert_double_eq(json_real_value(hone_json_get(adamw, "lr")), 1e-4);
    ck_assert_int_eq(json_integer_value(hone_json_get(adamw, "n")), 5);
    ck_assert_str_eq(hone_json_type(hone_json_get(adamw, "on")), "true");
    ck_assert_uint_eq(json_array_size(hone_json_get(adamw, "b")), 2);
    hone_context_free(context);
    context = configured("run_folder = \"~/r\";");
    ck_assert_str_eq(setting(context, "run_folder"), "/home/someone/r");
    ck_assert_str_eq(setting(context, "log_level"), "info");
    hone_context_free(context);
}
END_TEST

START_TEST(later_files_win_member_by_member)
{
    const char *user = "threads = 2; run_folder = \"u\"; "
                       "options = { a = { b = { x = 1; y = 2; }; }; };";
    const char *given = "threads = 1; options = { a = { b = { y = 3; }; }; };";
    char folder[512], path[600];
    hone_context *context;
    const hone_json *kind;
    hone_error err;

    snprintf(folder, sizeof folder, "%s/hone", support_folder());
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/hone.conf", folder);
    support_write(path, user, strlen(user));
    setenv("XDG_CONFIG_HOME", support_folder(), 1);
    ck_ok(hone_context_new(&context, write_config("given.conf", given), &err));
    ck_assert_int_eq(hone_context_threads(context), 1);
    ck_assert_str_eq(setting(context, "run_folder"), "u");
    kind = hone_json_get(hone_json_get(hone_context_settings(context), "options"), "a");
    ck_assert_int_eq(json_integer_value(hone_json_get(hone_json_get(kind, "b"), "x")), 1);
    ck_assert_int_eq(json_integer_value(hone_json_get(hone_json_get(kind, "b"), "y")), 3);
    hone_context_free(context);
}
END_TEST

START_TEST(the_environment_says_how_many_threads)
{
    hone_context *context;
    hone_error err;

    setenv("HONE_THREADS", "5", 1);
    context = support_context();
    ck_assert_int_eq(hone_context_threads(context), 5);
    ck_assert_int_eq(json_integer_value(hone_json_get(hone_context_settings(context), "threads")),
                     5);
    hone_context_free(context);
    setenv("HONE_THREADS", "many", 1);
    ck_fails(HONE_EINVAL, hone_context_new(&context, NULL, &err));
    ck_assert_ptr_null(context);
    support_golden("settings-threads-env", err.message);
}
END_TEST

START_TEST(the_kernels_are_those_of_settings_and_environment)
{
    hone_context *context;
    hone_graph *g;
    hone_error err;

    unsetenv("HONE_KERNELS");
    context = configured("kernels = \"generic\";");
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_assert_str_eq(hone_graph_kernels(g), "generic");
    ck_assert_str_eq(setting(context, "kernels"), "generic");
    hone_graph_free(g);
    ck_ok(hone_graph_new(&g, context, "reference", &err));
    ck_assert_str_eq(hone_graph_kernels(g), "reference");
    hone_graph_free(g);
    hone_context_free(context);
    setenv("HONE_KERNELS", "reference", 1);
    context = configured("kernels = \"generic\";");
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_assert_str_eq(hone_graph_kernels(g), "reference");
    ck_assert_str_eq(setting(context, "kernels"), "reference");
    hone_graph_free(g);
    hone_context_free(context);
    setenv("HONE_KERNELS", "quick", 1);
    ck_fails(HONE_ENOTFOUND, hone_context_new(&context, NULL, &err));
    ck_assert_int_eq(err.code, HONE_ENOTFOUND);
    ck_assert_msg(strstr(err.message, "no kernels 'quick' for this processor: there are "), "%s",
                  err.message);
}
END_TEST

static void refuses(const char *name, int code, const char *text)
{
    int64_t before = hone_alloc_live();
    hone_context *context;
    char golden[64];
    hone_error err;

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    ck_fails(code, hone_context_new(&context, write_config("hone.conf", text), &err));
    ck_assert_ptr_null(context);
    ck_assert_int_eq(hone_alloc_live(), before);
    snprintf(golden, sizeof golden, "settings-%s", name);
    support_golden(golden, err.message);
}

START_TEST(wrong_settings_are_refused_with_file_and_line)
{
    refuses("unknown", HONE_EINVAL, "# hone\n\nthreds = 2;\n");
    refuses("unknown-far", HONE_EINVAL, "colour = \"blue\";\n");
    refuses("range", HONE_EINVAL, "threads = 0;\n");
    refuses("type", HONE_EINVAL, "\nthreads = \"two\";\n");
    refuses("choice", HONE_EINVAL, "log_level = \"loud\";\n");
    refuses("list", HONE_EINVAL, "plugin_path = \"/a\";\n");
    refuses("list-item", HONE_EINVAL, "plugin_path = [ 1, 2 ];\n");
    refuses("syntax", HONE_EFORMAT, "threads = 2;\nrun_folder = = 1;\n");
    refuses("twice", HONE_EFORMAT, "threads = 2;\nthreads = 3;\n");
    refuses("options", HONE_EINVAL, "options = 3;\n");
    refuses("options-kind", HONE_EINVAL, "options = {\n optimiser = { adamw = { }; };\n};\n");
    refuses("options-plugin", HONE_EINVAL, "options = {\n optimizer = { lr = 1.0; };\n};\n");
    refuses("utf8", HONE_EINVAL, "run_folder = \"\xC3(\";\n");
}
END_TEST

START_TEST(a_given_file_must_be_there)
{
    hone_context *context;
    hone_error err;
    char path[512];

    snprintf(path, sizeof path, "%s/absent.conf", support_folder());
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    ck_fails(HONE_ENOTFOUND, hone_context_new(&context, path, &err));
    support_golden("settings-absent", err.message);
    ck_fails(HONE_EINVAL, hone_context_new(&context, support_folder(), &err));
    support_golden("settings-folder", err.message);
}
END_TEST

START_TEST(a_context_fails_cleanly_when_memory_is_short)
{
    int64_t before = hone_alloc_live();
    const char *path = write_config("hone.conf", "plugin_path = [ \"/a\", \"~/b\" ]; "
                                    "run_folder = \"x\"; cache_folder = \"y\";");

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    for (uint64_t n = 1;; n++) {
        hone_context *context;
        hone_error err = {0};
        int code;

        hone_alloc_fail_after(n);
        code = hone_context_new(&context, path, &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK) {
            ck_assert_uint_gt(n, 5);
            hone_context_free(context);
            break;
        }
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_int_eq(hone_alloc_live(), before);
        ck_assert_uint_lt(n, 200);
    }
    ck_assert_int_eq(hone_alloc_live(), before);
}
END_TEST

/* ---- log and interruption ---- */

struct lines {
    int count;
    hone_log_level level;
    char last[5000];
};

static void keep_line(void *user, hone_log_level level, const char *line)
{
    struct lines *lines = user;

    lines->count++;
    lines->level = level;
    snprintf(lines->last, sizeof lines->last, "%s", line);
}

START_TEST(lines_below_the_level_are_not_said)
{
    hone_context *context = configured("log_level = \"warn\";");
    struct lines lines = {0};

    hone_context_on_log(context, keep_line, &lines);
    hone_log(context, HONE_LOG_INFO, "quiet");
    ck_assert_int_eq(lines.count, 0);
    hone_log(context, HONE_LOG_ERROR, "%s %d", "loud", 1);
    ck_assert_int_eq(lines.count, 1);
    ck_assert_int_eq(lines.level, HONE_LOG_ERROR);
    ck_assert_str_eq(lines.last, "loud 1");
    hone_log(context, HONE_LOG_NONE, "never");
    ck_assert_int_eq(lines.count, 1);
    hone_context_free(context);
    context = configured("log_level = \"none\";");
    hone_context_on_log(context, keep_line, &lines);
    hone_log(context, HONE_LOG_ERROR, "nothing");
    ck_assert_int_eq(lines.count, 1);
    hone_context_free(context);
}
END_TEST

static hone_context *signalled;

static void on_signal(int number)
{
    (void)number;
    hone_context_interrupt(signalled);
}

START_TEST(an_interruption_stays_until_it_is_cleared)
{
    hone_context *other = support_context();

    signalled = support_context();
    ck_assert(!hone_context_interrupted(signalled));
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    ck_assert(hone_context_interrupted(signalled));
    ck_assert(hone_context_interrupted(signalled));
    ck_assert(!hone_context_interrupted(other));
    hone_context_hold_interrupt(signalled, true);
    ck_assert(!hone_context_interrupted(signalled));
    hone_context_hold_interrupt(signalled, false);
    ck_assert(hone_context_interrupted(signalled));
    hone_context_clear_interrupt(signalled);
    ck_assert(!hone_context_interrupted(signalled));
    hone_context_free(signalled);
    hone_context_free(other);
}
END_TEST

START_TEST(the_version_has_three_numbers)
{
    int a, b, c;

    ck_assert_int_eq(sscanf(hone_version(), "%d.%d.%d", &a, &b, &c), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("context");
    TCase *tc = tcase_create("context");

    tcase_add_test(tc, every_index_runs_once);
    tcase_add_test(tc, many_short_loops_lose_no_wake_up);
    tcase_add_test(tc, long_work_is_shared);
    tcase_add_test(tc, a_nested_loop_runs_where_it_is);
    tcase_add_test(tc, two_threads_may_both_start_loops);
    tcase_add_test(tc, a_forked_child_has_threads_of_its_own);
    tcase_add_test(tc, the_number_of_threads_has_bounds);
    tcase_add_test(tc, settings_are_read_and_completed);
    tcase_add_test(tc, later_files_win_member_by_member);
    tcase_add_test(tc, the_environment_says_how_many_threads);
    tcase_add_test(tc, the_kernels_are_those_of_settings_and_environment);
    tcase_add_test(tc, wrong_settings_are_refused_with_file_and_line);
    tcase_add_test(tc, a_given_file_must_be_there);
    tcase_add_test(tc, a_context_fails_cleanly_when_memory_is_short);
    tcase_add_test(tc, lines_below_the_level_are_not_said);
    tcase_add_test(tc, an_interruption_stays_until_it_is_cleared);
    tcase_add_test(tc, the_version_has_three_numbers);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
