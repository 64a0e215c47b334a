/* process.c -- runs a program without a shell, for a limited time.
 *
 * Its input is a file without a name, so that nobody waits for the other to read; it
 * leads a process group of its own, which dies as one. Its standard error is ours. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MOST ((size_t)256 << 20)
#define SLICE 50 /* milliseconds between two looks at the clock and at Ctrl-C */

extern char **environ;

typedef struct output {
    char *text;
    size_t used, room;
} output;

static double process_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static FILE *process_input(const char *input, size_t n, hone_error *err)
{
    FILE *file = tmpfile();

    if (!file || fcntl(fileno(file), F_SETFD, FD_CLOEXEC) || fwrite(input, 1, n, file) != n ||
        fflush(file) || lseek(fileno(file), 0, SEEK_SET)) {
        hone_fail(err, HONE_EIO, "a temporary file: %s", strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    return file;
}

static int process_spawn(pid_t *pid, char *const argv[], int in, int out, hone_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, pipe;
    int code;

    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigaddset(&pipe, SIGINT);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                          POSIX_SPAWN_SETSIGDEF);
    code = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code ? hone_fail(err, HONE_EIO, "cannot be started: %s", strerror(code)) : HONE_OK;
}

/* Whether it is to be stopped now, and why. */
static int process_late(double late, double timeout, const hone_context *context, hone_error *err)
{
    if (hone_context_interrupted(context))
        return hone_fail(err, HONE_EINTERRUPTED, "interrupted");
    if (late > 0 && process_clock() > late)
        return hone_fail(err, HONE_EIO, "no answer within %g seconds; it was killed", timeout);
    return HONE_OK;
}

/* Read what is there; *end where it has closed its output. */
static int output_read(output *o, int fd, bool *end, hone_error *err)
{
    ssize_t got;

    if (o->room - o->used < 4096) {
        char *grown = hone_realloc(o->text, 2 * o->room + 8192, 1);
        if (!grown)
            return hone_fail_memory(err, "the output of a program");
        o->text = grown;
        o->room = 2 * o->room + 8192;
    }
    got = read(fd, o->text + o->used, o->room - o->used - 1);
    if (got < 0)
        return errno == EINTR ? HONE_OK : hone_fail(err, HONE_EIO, "%s", strerror(errno));
    o->used += (size_t)got;
    o->text[o->used] = '\0';
    *end = got == 0;
    return o->used > OUTPUT_MOST ? hone_fail(err, HONE_EFORMAT, "it wrote over %zu bytes",
                                             OUTPUT_MOST) : HONE_OK;
}

static int process_listen(output *o, int fd, double late, double timeout,
                          const hone_context *context, hone_error *err)
{
    struct pollfd waiting = { .fd = fd, .events = POLLIN };
    bool end = false;
    int code = HONE_OK;

    while (!end && !code) {
        int ready = poll(&waiting, 1, SLICE);
        if (ready < 0 && errno != EINTR)
            return hone_fail(err, HONE_EIO, "%s", strerror(errno));
        code = ready > 0 ? output_read(o, fd, &end, err) : HONE_OK;
        if (!code && !end)
            code = process_late(late, timeout, context, err);
    }
    return code;
}

/* Wait for its end, which it may put off although it has closed its output. */
static int process_wait(pid_t pid, double late, double timeout, const hone_context *context,
                        hone_error *err)
{
    struct timespec pause = { 0, 2000000 };
    int status, code;
    pid_t done;

    while ((done = waitpid(pid, &status, WNOHANG)) == 0) {
        code = process_late(late, timeout, context, err);
        if (code) {
            kill(-pid, SIGKILL);
            waitpid(pid, &status, 0);
            return code;
        }
        nanosleep(&pause, NULL);
    }
    if (done < 0)
        return hone_fail(err, HONE_EIO, "%s", strerror(errno));
    if (WIFSIGNALED(status))
        return hone_fail(err, HONE_EIO, "it was killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status))
        return hone_fail(err, HONE_EIO, "it ended with status %d", WEXITSTATUS(status));
    return HONE_OK;
}

int program_run(char **out, char *const argv[], const char *input, size_t n, double timeout,
                hone_context *context, hone_error *err)
{
    double late = timeout > 0 ? process_clock() + timeout : 0;
    int ends[2] = { -1, -1 }, code = HONE_EIO, ended;
    FILE *file = process_input(input, n, err);
    output o = { 0 };
    pid_t pid;

    *out = NULL;
    if (!file)
        return HONE_EIO;
    if (pipe(ends) || fcntl(ends[0], F_SETFD, FD_CLOEXEC) || fcntl(ends[1], F_SETFD, FD_CLOEXEC)) {
        code = hone_fail(err, HONE_EIO, "a pipe: %s", strerror(errno));
        goto out;
    }
    code = process_spawn(&pid, argv, fileno(file), ends[1], err);
    close(ends[1]);
    if (code)
        goto out;
    code = process_listen(&o, ends[0], late, timeout, context, err);
    if (code) {
        kill(-pid, SIGKILL);
        waitpid(pid, &ended, 0);
        goto out;
    }
    code = process_wait(pid, late, timeout, context, err);
    if (!o.text && !code && !(o.text = hone_strdup("")))
        code = hone_fail_memory(err, "the output of a program");
    *out = o.text;
out:
    if (code) {
        hone_free(o.text);
        *out = NULL;
    }
    if (ends[0] >= 0)
        close(ends[0]);
    fclose(file);
    return code;
}
