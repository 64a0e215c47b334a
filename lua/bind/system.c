/* system.c -- what the library needs of the system and Lua lacks: folders,
 * files that appear whole, a steady clock, the terminal. */
#include "bind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

_Noreturn static void system_fail(lua_State *L, const char *path)
{
    bind_fail(L, "%s: %s", path, strerror(errno));
}

/* core.system.make_folder(path): with its parents. */
static int system_make_folder(lua_State *L)
{
    size_t n;
    const char *path = luaL_checklstring(L, 1, &n);
    char *copy = bind_buffer(L, n + 1, 1);

    memcpy(copy, path, n);
    for (size_t i = 1; i <= n; i++) {
        if (copy[i] != '/' && copy[i] != '\0')
            continue;
        copy[i] = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST)
            system_fail(L, copy);
        copy[i] = i < n ? '/' : '\0';
    }
    return 0;
}

static const luaL_Reg system_no_methods[] = { { NULL, NULL } };

static void system_folder_close(void *object)
{
    closedir(object);
}

static const bind_class system_folder_class = { "hone.folder", system_folder_close,
                                                system_no_methods, NULL, NULL };

/* core.system.list(path): names, sorted by the caller; nil when there is no such folder. */
static int system_list(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    bind_box *box = bind_new(L, &system_folder_class);
    struct dirent *entry;
    lua_Integer n = 0;

    box->object = opendir(path);
    if (!box->object && errno == ENOENT) {
        lua_pushnil(L);
        return 1;
    }
    if (!box->object)
        system_fail(L, path);
    lua_newtable(L);
    while ((entry = readdir(box->object))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* core.system.kind(path): "file", "folder", "other"; nil when there is none.
 * A link counts as what it points to. */
static int system_kind(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat st;

    if (stat(path, &st))
        lua_pushnil(L);
    else
        lua_pushstring(L, S_ISDIR(st.st_mode) ? "folder" : S_ISREG(st.st_mode) ? "file" : "other");
    return 1;
}

/* core.system.remove(path): a file, a link or an empty folder; no error when
 * there is none. */
static int system_remove(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);

    if (remove(path) && errno != ENOENT)
        system_fail(L, path);
    return 0;
}

static int system_is_link(lua_State *L)
{
    struct stat st;

    lua_pushboolean(L, lstat(luaL_checkstring(L, 1), &st) == 0 && S_ISLNK(st.st_mode));
    return 1;
}

/* core.system.rename(from, to): and the folder of `to` is synced. */
static int system_rename(lua_State *L)
{
    const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    const char *slash = strrchr(to, '/');
    int fd;

    if (rename(from, to))
        system_fail(L, from);
    if (slash)
        lua_pushlstring(L, to, slash == to ? 1 : (size_t)(slash - to));
    else
        lua_pushliteral(L, ".");
    fd = open(lua_tostring(L, -1), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return 0;
}

/* core.system.write(path, text): a temporary name, synced, renamed. */
static int system_write(lua_State *L)
{
    size_t n;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &n);
    const char *temporary = lua_pushfstring(L, "%s.%d.tmp", path, (int)getpid());
    FILE *file = fopen(temporary, "wbe");
    bool written;

    if (!file)
        system_fail(L, temporary);
    written = fwrite(text, 1, n, file) == n && fflush(file) == 0 && fsync(fileno(file)) == 0;
    written = fclose(file) == 0 && written;
    if (!written || rename(temporary, path)) {
        int code = errno;
        remove(temporary);
        errno = code;
        system_fail(L, path);
    }
    return 0;
}

/* core.system.clock(): seconds, from some point, never going back. */
static int system_clock(lua_State *L)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    lua_pushnumber(L, (double)t.tv_sec + (double)t.tv_nsec * 1e-9);
    return 1;
}

/* core.system.terminal(): columns of the terminal on standard error, or nil. */
static int system_terminal(lua_State *L)
{
    struct winsize size;

    if (!isatty(STDERR_FILENO))
        lua_pushnil(L);
    else if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        lua_pushinteger(L, size.ws_col);
    else
        lua_pushinteger(L, 80);
    return 1;
}

/* core.system.machine(): { host, system, processor }. */
static int system_machine(lua_State *L)
{
    struct utsname name;

    lua_newtable(L);
    if (uname(&name) == 0) {
        lua_pushfstring(L, "%s %s", name.sysname, name.release);
        lua_setfield(L, -2, "system");
        lua_pushstring(L, name.machine);
        lua_setfield(L, -2, "processor");
        lua_pushstring(L, name.nodename);
        lua_setfield(L, -2, "host");
    }
    lua_pushinteger(L, sysconf(_SC_NPROCESSORS_ONLN));
    lua_setfield(L, -2, "cores");
    return 1;
}

/* core.system.program(): the path of the program that runs. */
static int system_program(lua_State *L)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        system_fail(L, "/proc/self/exe");
    lua_pushlstring(L, path, (size_t)n);
    return 1;
}

/* core.system.absolute(path): from the root, links kept; the file need not exist. */
static int system_absolute(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char folder[4096];

    if (path[0] == '/')
        lua_pushvalue(L, 1);
    else if (!getcwd(folder, sizeof folder))
        system_fail(L, ".");
    else
        lua_pushfstring(L, "%s/%s", folder, path);
    return 1;
}

void bind_open_system(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "make_folder", system_make_folder }, { "list", system_list }, { "kind", system_kind },
        { "is_link", system_is_link }, { "remove", system_remove }, { "rename", system_rename },
        { "write", system_write }, { "clock", system_clock }, { "terminal", system_terminal },
        { "machine", system_machine }, { "absolute", system_absolute },
        { "program", system_program }, { NULL, NULL },
    };

    bind_class_new(L, &system_folder_class);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "system");
}
