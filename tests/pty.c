/* pty.c -- drives a program through a terminal of its own, by a script:
 *   pty SCRIPT COLUMNS ROWS PROGRAM ARGUMENTS ...
 * Lines of the script:
 *   expect TEXT     wait until TEXT is shown, after what was expected before
 *   send TEXT       type it; \r, \e and \xHH stand for bytes
 *   resize C R      change the size
 *   signal N        send signal N to the program
 *   status N        wait for the end; its exit status is N (128 and the signal, where one ended it)
 *   wait N          N milliseconds
 *   run COMMAND     of the shell, beside the program
 *   cooked          the terminal is in line mode, with echo, as it began
 * What is shown is compared without escape sequences. Exits with 0, or 1 and the
 * screen's text on standard output. */
#define _GNU_SOURCE /* memmem */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#define NO_TERMINAL 77 /* the status where the system has no pseudo-terminals */

enum { ROOM = 1 << 20, SECONDS = 30 };

struct session {
    char shown[ROOM];      /* without escape sequences */
    size_t used, from;     /* from: after what was expected */
    int escape;            /* in a sequence: 1 after ESC, 2 after ESC [ */
    int master, slave, line;
    pid_t child;
};

static int fail(const struct session *s, const char *what, const char *text)
{
    printf("line %d: %s%s\n--- shown since then:\n%.*s\n", s->line, what, text,
           (int)(s->used - s->from), s->shown + s->from);
    if (s->child > 0)
        kill(s->child, SIGKILL);
    return 1;
}

static void take(struct session *s, const char *bytes, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (s->escape == 1)
            s->escape = c == '[' ? 2 : 0;
        else if (s->escape == 2)
            s->escape = c >= 0x40 && c <= 0x7e ? 0 : 2;
        else if (c == 0x1b)
            s->escape = 1;
        else if (s->used < ROOM && c != '\r')
            s->shown[s->used++] = (char)c;
    }
}

/* More of what is shown; 0 when nothing came for so long. */
static int more(struct session *s, int milliseconds)
{
    struct pollfd p = { .fd = s->master, .events = POLLIN };
    char bytes[4096];
    ssize_t n;

    if (poll(&p, 1, milliseconds) <= 0)
        return 0;
    n = read(s->master, bytes, sizeof bytes);
    if (n > 0)
        take(s, bytes, n);
    return n > 0;
}

static int expect(struct session *s, const char *text)
{
    for (int tries = 0; tries < SECONDS * 10; tries++) {
        const char *found = memmem(s->shown + s->from, s->used - s->from, text, strlen(text));
        if (found) {
            s->from = (size_t)(found - s->shown) + strlen(text);
            return 0;
        }
        siginfo_t info = { 0 };
        if (!more(s, 100) && !waitid(P_PID, (id_t)s->child, &info, WEXITED | WNOHANG | WNOWAIT) &&
            info.si_pid != 0 && !more(s, 100))
            break;
    }
    return fail(s, "not shown: ", text);
}

static int send_text(struct session *s, const char *text)
{
    char bytes[1024];
    size_t n = 0;

    for (; *text && n < sizeof bytes; text++) {
        if (*text != '\\') {
            bytes[n++] = *text;
        } else if (*++text == 'x') {
            char digits[3] = { text[1], text[1] ? text[2] : 0, 0 };
            bytes[n++] = (char)strtol(digits, NULL, 16);
            text += 2;
        } else {
            bytes[n++] = *text == 'r' ? '\r' : *text == 'e' ? '\x1b' : *text;
        }
    }
    return write(s->master, bytes, n) == (ssize_t)n ? 0 : fail(s, "not sent: ", text);
}

static int ended(struct session *s, int wanted)
{
    char words[64];
    int status, seen = -1;

    for (int tries = 0; tries < SECONDS * 10 && seen < 0; tries++) {
        while (more(s, 50))
            ;
        if (waitpid(s->child, &status, WNOHANG) == s->child)
            seen = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    while (more(s, 50))
        ;
    s->child = 0;
    snprintf(words, sizeof words, "%d, expected %d", seen, wanted);
    return seen == wanted ? 0 : fail(s, "status ", words);
}

static int cooked(struct session *s)
{
    struct termios mode;

    /* Our own end of the terminal: its mode outlives the program. */
    if (tcgetattr(s->slave, &mode))
        return fail(s, "tcgetattr: ", strerror(errno));
    return (mode.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG)
        ? 0 : fail(s, "the terminal is not as it was", "");
}

static int step(struct session *s, const char *word, const char *rest)
{
    struct winsize size = { 0 };

    if (strcmp(word, "expect") == 0)
        return expect(s, rest);
    if (strcmp(word, "send") == 0)
        return send_text(s, rest);
    if (strcmp(word, "status") == 0)
        return ended(s, atoi(rest));
    if (strcmp(word, "wait") == 0)
        return usleep((unsigned)atoi(rest) * 1000);
    if (strcmp(word, "run") == 0)
        return system(rest) ? fail(s, "failed: ", rest) : 0;
    if (strcmp(word, "cooked") == 0)
        return cooked(s);
    if (strcmp(word, "signal") == 0)
        return kill(s->child, atoi(rest));
    if (strcmp(word, "resize") == 0 && sscanf(rest, "%hu %hu", &size.ws_col, &size.ws_row) == 2)
        return ioctl(s->master, TIOCSWINSZ, &size);
    return fail(s, "unknown: ", word);
}

static int start(struct session *s, char **argv)
{
    struct winsize size = { .ws_col = (unsigned short)atoi(argv[2]),
                            .ws_row = (unsigned short)atoi(argv[3]) };

    if (openpty(&s->master, &s->slave, NULL, NULL, &size))
        return NO_TERMINAL;
    s->child = fork();
    if (s->child == 0) {
        close(s->master);
        if (login_tty(dup(s->slave)))
            _exit(126);
        close(s->slave);
        execvp(argv[4], argv + 4);
        _exit(127);
    }
    return s->child < 0;
}

int main(int argc, char **argv)
{
    static struct session s;
    char line[2048];
    FILE *script;
    int code = 0;

    if (argc < 5 || !(script = fopen(argv[1], "r")))
        return 2;
    if ((code = start(&s, argv)))
        return code;
    while (!code && fgets(line, sizeof line, script)) {
        char *rest;
        line[strcspn(line, "\n")] = '\0';
        s.line++;
        if (!line[0])
            continue;
        rest = line + strcspn(line, " ");
        if (*rest)
            *rest++ = '\0';
        code = step(&s, line, rest);
    }
    fclose(script);
    if (s.child > 0)
        kill(s.child, SIGKILL);
    return code ? 1 : 0;
}
