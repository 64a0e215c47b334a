/* data.c -- datasets: rows, cleaning, splitting. */
#include "bind.h"

#include <string.h>

static void data_free(void *object)
{
    hone_data_free(object);
}

static hone_data *data_check(lua_State *L)
{
    return bind_check(L, 1, &bind_data_class);
}

/* core.data_load(path [, options]). */
static int data_load(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    hone_context *context = bind_context(L);
    hone_json *options;
    bind_box *box;
    hone_error err = { 0 };

    lua_settop(L, 2);
    options = bind_to_json(L, 2, false);
    box = bind_new(L, &bind_data_class);
    bind_ok(L, hone_data_load((hone_data **)&box->object, context, path, options, &err), &err);
    return 1;
}

/* core.data_new(rows [, name]): from a list of tables. */
static int data_new(lua_State *L)
{
    const char *name = luaL_optstring(L, 2, "rows");
    hone_context *context = bind_context(L);
    hone_json *rows;
    bind_box *box;
    hone_error err = { 0 };

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    rows = bind_to_json(L, 1, true);
    box = bind_new(L, &bind_data_class);
    bind_ok(L, hone_data_new((hone_data **)&box->object, context, rows, name, &err), &err);
    return 1;
}

static int data_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_data_count(data_check(L)));
    return 1;
}

/* A row's number from an argument, from 1. */
static size_t data_row_arg(lua_State *L, const hone_data *data, int arg)
{
    lua_Integer i = luaL_checkinteger(L, arg);

    if (i < 1 || (size_t)i > hone_data_count(data))
        bind_fail(L, "row %lld is out of range (allowed: 1 to %zu)", i, hone_data_count(data));
    return (size_t)i - 1;
}

/* data[i]: row i as a table; nil past the end. */
static int data_index(lua_State *L)
{
    hone_data *data = data_check(L);
    int exact;
    lua_Integer i = lua_tointegerx(L, 2, &exact);

    if (exact && i >= 1 && (size_t)i <= hone_data_count(data))
        bind_push_json(L, hone_data_row(data, (size_t)i - 1));
    else
        lua_pushnil(L);
    return 1;
}

/* data:where(i): "file.jsonl:17". */
static int data_where(lua_State *L)
{
    hone_data *data = data_check(L);
    size_t i = data_row_arg(L, data, 2);
    char text[4096];

    hone_data_where(data, i, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

/* data:response(i): the response's text, or nil. */
static int data_response(lua_State *L)
{
    hone_data *data = data_check(L);

    lua_pushstring(L, hone_data_response(data, data_row_arg(L, data, 2)));
    return 1;
}

/* data:select { 3, 1, ... }: some rows, in this order. */
static int data_select(lua_State *L)
{
    hone_data *data = data_check(L);
    hone_error err = { 0 };
    size_t count, *index;
    bind_box *box;

    luaL_checktype(L, 2, LUA_TTABLE);
    count = bind_count(L, 2);
    index = bind_buffer(L, count, sizeof *index);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        index[i] = data_row_arg(L, data, lua_gettop(L));
        lua_pop(L, 1);
    }
    box = bind_new(L, &bind_data_class);
    bind_ok(L, hone_data_select((hone_data **)&box->object, data, index, count, &err), &err);
    return 1;
}

/* data:cleaned(options): a new dataset, and a report. */
static int data_cleaned(lua_State *L)
{
    hone_data *data = data_check(L);
    hone_json *options, **report;
    bind_box *box;
    hone_error err = { 0 };

    lua_settop(L, 2);
    options = bind_to_json(L, 2, false);
    report = bind_json_box(L);
    box = bind_new(L, &bind_data_class);
    bind_ok(L, hone_data_clean((hone_data **)&box->object, data, options, report, &err), &err);
    bind_push_json(L, *report);
    return 2;
}

/* data:parts({ name, ... }, { share, ... }, seed): a list of datasets, in order. */
static int data_parts(lua_State *L)
{
    hone_data *data = data_check(L);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 4);
    hone_error err = { 0 };
    hone_data **parts;
    hone_json **shares;
    luaL_Buffer text;
    size_t count;

    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    count = bind_count(L, 2);
    /* The order of an object's keys matters here, which tables do not have. */
    luaL_buffinit(L, &text);
    luaL_addchar(&text, '{');
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i);
        lua_rawgeti(L, 3, (lua_Integer)i);
        const char *name = luaL_checkstring(L, -2);
        if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
            strlen(name))
            bind_fail(L, "split: '%s' is no name for a part", name);
        lua_pushfstring(L, "%s\"%s\":%s", i > 1 ? "," : "", name, luaL_checkstring(L, -1));
        lua_replace(L, -3);
        lua_pop(L, 1);
        luaL_addvalue(&text);
    }
    luaL_addchar(&text, '}');
    luaL_pushresult(&text);
    shares = bind_json_box(L);
    bind_ok(L, hone_json_parse(shares, lua_tostring(L, -2), bind_count(L, -2), "split", &err),
            &err);

    /* Boxes first: then the list of datasets is emptied into them. */
    lua_createtable(L, (int)count, 0);
    for (size_t i = 1; i <= count; i++) {
        bind_new(L, &bind_data_class);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    parts = bind_buffer(L, count, sizeof *parts);
    bind_ok(L, hone_data_split(parts, data, *shares, seed, &err), &err);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -2, (lua_Integer)i);
        ((bind_box *)lua_touserdata(L, -1))->object = parts[i - 1];
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return 1;
}

static int data_name(lua_State *L)
{
    lua_pushstring(L, hone_data_name(data_check(L)));
    return 1;
}

static int data_hash(lua_State *L)
{
    lua_pushstring(L, hone_data_hash(data_check(L)));
    return 1;
}

static int data_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);

    if (!box->object)
        lua_pushliteral(L, "data (closed)");
    else
        lua_pushfstring(L, "data %s (%I rows)", hone_data_name(box->object),
                        (LUAI_UACINT)hone_data_count(box->object));
    return 1;
}

static const luaL_Reg data_methods[] = {
    { "where", data_where }, { "response", data_response }, { "select", data_select },
    { "cleaned", data_cleaned }, { "parts", data_parts }, { NULL, NULL },
};
static const luaL_Reg data_properties[] = {
    { "name", data_name }, { "hash", data_hash }, { NULL, NULL },
};
static const luaL_Reg data_meta[] = {
    { "__len", data_length }, { "__index", data_index }, { "__tostring", data_tostring },
    { NULL, NULL },
};
const bind_class bind_data_class = { "hone.data", data_free, data_methods, data_properties,
                                     data_meta };

void bind_open_data(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "data_load", data_load }, { "data_new", data_new }, { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
    bind_class_new(L, &bind_data_class);
    lua_setfield(L, -2, "data");
}
