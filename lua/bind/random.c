/* random.c -- streams of random numbers, functions of a seed and a name. */
#include "bind.h"

static const char random_name[] = "hone.random";

/* core.random(seed, name): a stream. */
static int random_new(lua_State *L)
{
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
    const char *name = luaL_checkstring(L, 2);
    hone_random *r = lua_newuserdatauv(L, sizeof *r, 0);

    *r = hone_random_named(seed, name);
    luaL_setmetatable(L, random_name);
    return 1;
}

/* core.seed(seed, name): a seed of its own for what has this name. */
static int random_seed(lua_State *L)
{
    hone_random r = hone_random_named((uint64_t)luaL_checkinteger(L, 1), luaL_checkstring(L, 2));

    lua_pushinteger(L, (lua_Integer)hone_random_u64(&r));
    return 1;
}

static hone_random *random_check(lua_State *L)
{
    return luaL_checkudata(L, 1, random_name);
}

static int random_uniform(lua_State *L)
{
    lua_pushnumber(L, hone_random_uniform(random_check(L)));
    return 1;
}

static int random_normal(lua_State *L)
{
    lua_pushnumber(L, hone_random_normal(random_check(L)));
    return 1;
}

/* stream:below(n): an integer from 1 to n. */
static int random_below(lua_State *L)
{
    hone_random *r = random_check(L);
    lua_Integer n = luaL_checkinteger(L, 2);

    if (n < 1)
        bind_fail(L, "below: %lld is out of range (allowed: 1 or more)", n);
    lua_pushinteger(L, (lua_Integer)hone_random_below(r, (uint64_t)n) + 1);
    return 1;
}

/* stream:shuffle(n): the numbers 1 to n in random order. */
static int random_shuffle(lua_State *L)
{
    hone_random *r = random_check(L);
    lua_Integer n = luaL_checkinteger(L, 2);
    size_t *items;

    if (n < 0 || n > INT32_MAX)
        bind_fail(L, "shuffle: %lld is out of range (allowed: 0 to %d)", n, INT32_MAX);
    items = bind_buffer(L, (size_t)n, sizeof *items);
    for (lua_Integer i = 0; i < n; i++)
        items[i] = (size_t)i;
    hone_random_shuffle(r, items, (size_t)n);
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 0; i < n; i++) {
        lua_pushinteger(L, (lua_Integer)items[i] + 1);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

void bind_open_random(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "random", random_new }, { "seed", random_seed }, { NULL, NULL },
    };
    static const luaL_Reg methods[] = {
        { "uniform", random_uniform }, { "normal", random_normal }, { "below", random_below },
        { "shuffle", random_shuffle }, { NULL, NULL },
    };

    luaL_newmetatable(L, random_name);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
