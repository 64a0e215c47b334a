/* main.c -- the program `hone`: a Lua interpreter that finds hone's library
 * and hands the command line to it (lua/hone/command/init.lua). */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

/* package[field] = prefix .. package[field]. */
static void main_prepend(lua_State *L, const char *field, const char *prefix)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, field);
    lua_pushfstring(L, "%s%s", prefix, lua_tostring(L, -1));
    lua_setfield(L, -3, field);
    lua_pop(L, 2);
}

/* HONE_LUA_PATH names another folder than the one installed; LUA_CPATH, where
 * given, already says where the C module is. */
static void main_paths(lua_State *L)
{
    const char *folder = getenv("HONE_LUA_PATH");

    folder = folder && *folder ? folder : HONE_LUA_DIR;
    main_prepend(L, "path", lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;", folder, folder));
    if (!getenv("LUA_CPATH") && !getenv("LUA_CPATH_5_4"))
        main_prepend(L, "cpath", HONE_LUA_CDIR "/?.so;");
    lua_pop(L, 1);
}

/* Protected: the command line's words are on the stack; returns the exit status. */
static int main_run(lua_State *L)
{
    int count = lua_gettop(L);

    luaL_openlibs(L);
    main_paths(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hone.command");
    lua_call(L, 1, 1);
    lua_insert(L, 1);
    lua_call(L, count, 1);
    return 1;
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    int status = EXIT_FAILURE;

    if (!L || !lua_checkstack(L, argc + 8)) {
        fprintf(stderr, "hone: out of memory\n");
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, main_run);
    for (int i = 1; i < argc; i++)
        lua_pushstring(L, argv[i]);
    if (lua_pcall(L, argc > 1 ? argc - 1 : 0, 1, 0) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        fprintf(stderr, "hone: %s\n", luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return status;
}
