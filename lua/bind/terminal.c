/* terminal.c -- the terminal of a person: single keys, its size, its old state
 * back in every case.
 *
 * core.terminal.open() takes standard input and output, which must be a
 * terminal, out of line mode; closing, an error, the end of the program and the
 * signals that end programs put back what was there. A signal is told as the key
 * "end", so that the script can let go of what it holds; the second one ends the
 * program at once. The terminal is one for the process, and a handler has no
 * argument: hence the statics. */
#include "bind.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { TERMINAL_SIGNALS = 5, TERMINAL_BUFFER = 256, TERMINAL_SLICE = 200, TERMINAL_ESCAPE = 50 };

struct terminal {
    struct sigaction before[TERMINAL_SIGNALS];
    unsigned char bytes[TERMINAL_BUFFER];
    size_t start, end;
    bool raw;
};

static const int terminal_signals[TERMINAL_SIGNALS] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
                                                         SIGWINCH };
static struct termios terminal_saved;
static volatile sig_atomic_t terminal_open_now, terminal_ended, terminal_resized;

static void terminal_on_signal(int number)
{
    int code = errno;

    if (number == SIGWINCH) {
        terminal_resized = 1;
    } else if (!terminal_ended) {
        terminal_ended = number;
    } else {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal_saved);
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = code;
}

/* ---- modes ---- */

static void terminal_leave(struct terminal *t)
{
    if (!t->raw)
        return;
    t->raw = false;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_saved);
    for (int i = 0; i < TERMINAL_SIGNALS; i++)
        sigaction(terminal_signals[i], &t->before[i], NULL);
}

static int terminal_enter(struct terminal *t)
{
    struct sigaction action = { .sa_handler = terminal_on_signal };
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &terminal_saved))
        return errno;
    raw = terminal_saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    sigfillset(&action.sa_mask);
    for (int i = 0; i < TERMINAL_SIGNALS; i++)
        sigaction(terminal_signals[i], &action, &t->before[i]);
    t->raw = true;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)) {
        int code = errno;
        terminal_leave(t);
        return code;
    }
    return 0;
}

static void terminal_close(void *object)
{
    terminal_leave(object);
    terminal_open_now = 0;
    hone_free(object);
}

/* ---- keys ---- */

/* The next byte within so many milliseconds; -1: none came, -2: no more will. A
 * signal ends the waiting. */
static int terminal_byte(struct terminal *t, int milliseconds)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    ssize_t n;

    if (t->start < t->end)
        return t->bytes[t->start++];
    n = poll(&p, 1, milliseconds);
    if (n == 0 || (n < 0 && errno == EINTR))
        return -1;
    n = n < 0 ? -1 : read(STDIN_FILENO, t->bytes, sizeof t->bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return -1;
    if (n <= 0)
        return -2;
    t->start = 1;
    t->end = (size_t)n;
    return t->bytes[0];
}

/* What was pasted, up to "ESC [ 201 ~", as a second value. */
static int terminal_paste(lua_State *L, struct terminal *t)
{
    static const char until[] = "\x1b[201~";
    luaL_Buffer text;
    size_t seen = 0;
    int byte;

    lua_pushliteral(L, "paste");
    luaL_buffinit(L, &text);
    while (seen < sizeof until - 1 && (byte = terminal_byte(t, 1000)) >= 0) {
        if (byte == until[seen]) {
            seen++;
            continue;
        }
        luaL_addlstring(&text, until, seen);
        seen = byte == until[0];
        if (!seen)
            luaL_addchar(&text, (char)byte);
    }
    luaL_pushresult(&text);
    return 2;
}

/* What follows ESC: a named key, a paste, or the key Escape. */
static int terminal_escape(lua_State *L, struct terminal *t)
{
    static const struct { const char *code, *name; } keys[] = {
        { "A", "up" }, { "B", "down" }, { "C", "right" }, { "D", "left" }, { "H", "home" },
        { "F", "end of line" }, { "1~", "home" }, { "4~", "end of line" }, { "3~", "delete" },
        { "5~", "page up" }, { "6~", "page down" },
    };
    char code[16];
    size_t n = 0;
    int byte = terminal_byte(t, TERMINAL_ESCAPE);

    if (byte != '[' && byte != 'O') {
        if (byte >= 0)
            t->start--;
        lua_pushliteral(L, "escape");
        return 1;
    }
    while (n + 1 < sizeof code && (byte = terminal_byte(t, TERMINAL_ESCAPE)) >= 0) {
        code[n++] = (char)byte;
        if (byte >= 0x40)
            break;
    }
    code[n] = '\0';
    if (strcmp(code, "200~") == 0)
        return terminal_paste(L, t);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(code, keys[i].code) == 0) {
            lua_pushstring(L, keys[i].name);
            return 1;
        }
    lua_pushliteral(L, "unknown");
    return 1;
}

/* A character of UTF-8 by its first byte; U+FFFD where it is none. */
static int terminal_character(lua_State *L, struct terminal *t, int first)
{
    char bytes[4] = { (char)first };
    int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0, n = 1;

    for (; n <= more; n++) {
        int byte = terminal_byte(t, TERMINAL_ESCAPE);
        if (byte < 0x80 || byte > 0xBF) {
            t->start -= byte >= 0;
            break;
        }
        bytes[n] = (char)byte;
    }
    if (n <= more || (first >= 0x80 && first < 0xC2) || first > 0xF4)
        lua_pushliteral(L, "\xEF\xBF\xBD");
    else
        lua_pushlstring(L, bytes, (size_t)more + 1);
    return 1;
}

static int terminal_named(lua_State *L, struct terminal *t, int byte)
{
    switch (byte) {
    case 0x1b: return terminal_escape(L, t);
    case '\r': case '\n': lua_pushliteral(L, "enter"); return 1;
    case 0x7f: case '\b': lua_pushliteral(L, "backspace"); return 1;
    case '\t': lua_pushliteral(L, "tab"); return 1;
    case 0: lua_pushliteral(L, "unknown"); return 1;
    default: break;
    }
    if (byte < 0x20)
        lua_pushfstring(L, "ctrl-%c", byte + 'a' - 1);
    else
        return terminal_character(L, t, byte);
    return 1;
}

static struct terminal *terminal_check(lua_State *L);

/* terminal:key([seconds]): one character, or "enter", "up", "ctrl-c" ...; "paste" and the
 * text; "resize"; "end" and the signal, or without one where the terminal went away; nil
 * when the time is over. */
static int terminal_key(lua_State *L)
{
    struct terminal *t = terminal_check(L);
    double left = luaL_optnumber(L, 2, 1e9) * 1000;

    for (;;) {
        int slice = left < TERMINAL_SLICE ? (int)left : TERMINAL_SLICE, byte;
        if (terminal_ended) {
            lua_pushliteral(L, "end");
            lua_pushinteger(L, terminal_ended);
            return 2;
        }
        if (terminal_resized) {
            terminal_resized = 0;
            lua_pushliteral(L, "resize");
            return 1;
        }
        byte = terminal_byte(t, slice > 0 ? slice : 0);
        if (byte >= 0)
            return terminal_named(L, t, byte);
        if (byte == -2) {
            lua_pushliteral(L, "end");
            return 1;
        }
        left -= slice > 0 ? slice : 1;
        if (left < 0) {
            lua_pushnil(L);
            return 1;
        }
    }
}

/* ---- the rest ---- */

/* terminal:size(): columns, rows; 80 by 24 where the terminal does not say. */
static int terminal_size(lua_State *L)
{
    struct winsize size = { 0 };

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    lua_pushinteger(L, size.ws_col > 0 ? size.ws_col : 80);
    lua_pushinteger(L, size.ws_row > 0 ? size.ws_row : 24);
    return 2;
}

/* terminal:suspend(), :resume(): the old state, for another program in between. */
static int terminal_suspend(lua_State *L)
{
    terminal_leave(terminal_check(L));
    return 0;
}

static int terminal_resume(lua_State *L)
{
    struct terminal *t = terminal_check(L);
    int code = t->raw ? 0 : terminal_enter(t);

    if (code)
        bind_fail(L, "the terminal: %s", strerror(code));
    return 0;
}

/* terminal:stop(): as Ctrl-Z does; returns when the program goes on. */
static int terminal_stop(lua_State *L)
{
    struct terminal *t = terminal_check(L);

    terminal_leave(t);
    raise(SIGTSTP);
    return terminal_resume(L);
}

static const luaL_Reg terminal_methods[] = {
    { "key", terminal_key }, { "size", terminal_size }, { "suspend", terminal_suspend },
    { "resume", terminal_resume }, { "stop", terminal_stop }, { NULL, NULL },
};
static const bind_class terminal_class = { "hone.terminal", terminal_close, terminal_methods,
                                           NULL, NULL };

static struct terminal *terminal_check(lua_State *L)
{
    return bind_check(L, 1, &terminal_class);
}

/* core.terminal.open(): nil where standard input or output is no terminal. */
static int terminal_open(lua_State *L)
{
    bind_box *box;
    int code;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        lua_pushnil(L);
        return 1;
    }
    if (terminal_open_now)
        bind_fail(L, "the terminal is open already");
    box = bind_new(L, &terminal_class);
    box->object = hone_alloc(1, sizeof(struct terminal));
    if (!box->object)
        bind_fail(L, "out of memory");
    terminal_open_now = 1;
    terminal_ended = 0;
    code = terminal_enter(box->object);
    if (code)
        bind_fail(L, "the terminal: %s", strerror(code));
    return 1;
}

void bind_open_terminal(lua_State *L)
{
    static const luaL_Reg functions[] = { { "open", terminal_open }, { NULL, NULL } };

    bind_class_new(L, &terminal_class);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "terminal");
}
