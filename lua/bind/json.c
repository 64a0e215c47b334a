/* json.c -- Lua values to JSON and back.
 *
 *   nil in a table: absent      null: hone.null        integers stay integers
 *   list (keys 1 to n): array   other tables: object, keys sorted
 *
 * An empty table is an object, unless it came from an empty array (such keep a
 * metatable that says so) or the caller knows better. A plugin's instance
 * becomes { plugin = name, options ... }. While a value is built every part
 * hangs on its parent, and the root in a box. */
#include "bind.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JSON_DEPTH 200

static void json_free(void *object)
{
    hone_json_free(object);
}

static const luaL_Reg json_no_methods[] = { { NULL, NULL } };
static const bind_class json_class = { "hone.json", json_free, json_no_methods, NULL, NULL };
static char json_array_key;

hone_json **bind_json_box(lua_State *L)
{
    bind_box *box = bind_new(L, &json_class);
    return (hone_json **)&box->object;
}

/* ---- to Lua ---- */

static void json_push(lua_State *L, const json_t *json);

static void json_push_array(lua_State *L, const json_t *json)
{
    size_t n = json_array_size(json);

    lua_createtable(L, n > 1 << 20 ? 1 << 20 : (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        json_push(L, json_array_get(json, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    if (n == 0) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &json_array_key);
        lua_setmetatable(L, -2);
    }
}

static void json_push(lua_State *L, const json_t *json)
{
    const char *key;
    json_t *value;

    luaL_checkstack(L, 6, "JSON is nested too deeply");
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_NULL: lua_pushlightuserdata(L, NULL); break;
    case JSON_TRUE: lua_pushboolean(L, 1); break;
    case JSON_FALSE: lua_pushboolean(L, 0); break;
    case JSON_INTEGER: lua_pushinteger(L, json_integer_value(json)); break;
    case JSON_REAL: lua_pushnumber(L, json_real_value(json)); break;
    case JSON_STRING: lua_pushlstring(L, json_string_value(json), json_string_length(json)); break;
    case JSON_ARRAY: json_push_array(L, json); break;
    case JSON_OBJECT:
        lua_createtable(L, 0, (int)json_object_size(json));
        json_object_foreach((json_t *)json, key, value) {
            lua_pushstring(L, key);
            json_push(L, value);
            lua_rawset(L, -3);
        }
        break;
    }
}

void bind_push_json(lua_State *L, const hone_json *json)
{
    json_push(L, json);
}

/* ---- from Lua ---- */

/* Where a value goes: into a list, an object by key, or the box of the root. */
typedef struct json_place {
    json_t *parent;
    const char *key; /* NULL: append */
    hone_json **root;
} json_place;

static void json_put(lua_State *L, const json_place *place, json_t *value)
{
    if (!value)
        bind_fail(L, "out of memory");
    if (place->root)
        *place->root = value;
    else if (place->key ? json_object_set_new_nocheck(place->parent, place->key, value)
                        : json_array_append_new(place->parent, value))
        bind_fail(L, "out of memory");
}

static void json_take(lua_State *L, int index, const json_place *place, bool empty_is_list,
                      int depth);

static int json_by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether all keys are 1 to n; *count gets the number of keys. */
static bool json_is_list(lua_State *L, int index, size_t *count)
{
    size_t n = 0;
    bool list = true;

    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        n++;
        list = list && lua_isinteger(L, -1);
    }
    *count = n;
    if (!list || n == 0)
        return false;
    for (size_t i = 1; i <= n; i++) {
        int type = lua_rawgeti(L, index, (lua_Integer)i);
        lua_pop(L, 1);
        if (type == LUA_TNIL)
            return false;
    }
    return true;
}

static void json_take_object(lua_State *L, int index, json_t *object, size_t count,
                             bool empty_is_list, int depth)
{
    const char **keys = bind_buffer(L, count, sizeof *keys);
    size_t n = 0, length;

    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            bind_fail(L, "JSON: a key is a %s (allowed: strings, or 1 to n)", luaL_typename(L, -1));
        keys[n] = lua_tolstring(L, -1, &length);
        json_t *probe = json_stringn(keys[n], length);
        if (!probe || strlen(keys[n]) != length)
            bind_fail(L, "JSON: a key is not UTF-8 text");
        json_decref(probe);
        n++;
    }
    qsort(keys, n, sizeof *keys, json_by_text);
    for (size_t i = 0; i < n; i++) {
        json_place place = { .parent = object, .key = keys[i] };
        lua_getfield(L, index, keys[i]);
        json_take(L, lua_gettop(L), &place, empty_is_list, depth + 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void json_take_table(lua_State *L, int index, const json_place *place, bool empty_is_list,
                            int depth)
{
    size_t count;
    bool list = json_is_list(L, index, &count);
    json_t *value;

    if (count == 0) {
        list = empty_is_list;
        if (lua_getmetatable(L, index)) {
            lua_rawgetp(L, LUA_REGISTRYINDEX, &json_array_key);
            list = list || lua_rawequal(L, -1, -2);
            lua_pop(L, 2);
        }
    }
    value = list ? json_array() : json_object();
    json_put(L, place, value);
    if (!list) {
        json_take_object(L, index, value, count, empty_is_list, depth);
        return;
    }
    for (size_t i = 1; i <= count; i++) {
        json_place item = { .parent = value };
        lua_rawgeti(L, index, (lua_Integer)i);
        json_take(L, lua_gettop(L), &item, empty_is_list, depth + 1);
        lua_pop(L, 1);
    }
}

static void json_take_instance(lua_State *L, const hone_instance *instance,
                               const json_place *place)
{
    json_t *value = json_object();

    json_put(L, place, value);
    if (json_object_set_new(value, "plugin", json_string(hone_instance_plugin(instance)->name)) ||
        json_object_update_missing(value, (json_t *)hone_instance_options(instance)))
        bind_fail(L, "out of memory");
}

static void json_take_number(lua_State *L, int index, const json_place *place)
{
    if (lua_isinteger(L, index)) {
        json_put(L, place, json_integer(lua_tointeger(L, index)));
        return;
    }
    if (!isfinite(lua_tonumber(L, index)))
        bind_fail(L, "JSON: %s: %s is not a number that JSON has",
                  place->key ? place->key : "value",
                  isnan(lua_tonumber(L, index)) ? "nan" : "an infinity");
    json_put(L, place, json_real(lua_tonumber(L, index)));
}

static void json_take(lua_State *L, int index, const json_place *place, bool empty_is_list,
                      int depth)
{
    const hone_instance *instance;
    const char *text;
    size_t n;
    json_t *value;

    if (depth > JSON_DEPTH)
        bind_fail(L, "JSON: tables are nested deeper than %d", JSON_DEPTH);
    luaL_checkstack(L, 8, "JSON is nested too deeply");
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: json_put(L, place, json_boolean(lua_toboolean(L, index))); return;
    case LUA_TNUMBER: json_take_number(L, index, place); return;
    case LUA_TTABLE: json_take_table(L, index, place, empty_is_list, depth); return;
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &n);
        value = json_stringn(text, n);
        if (!value)
            bind_fail(L, "JSON: %s: the text is not UTF-8", place->key ? place->key : "value");
        json_put(L, place, value);
        return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, index)) {
            json_put(L, place, json_null());
            return;
        }
        break;
    case LUA_TUSERDATA:
        instance = bind_instance_test(L, index);
        if (instance) {
            json_take_instance(L, instance, place);
            return;
        }
        break;
    default:
        break;
    }
    luaL_tolstring(L, index, NULL);
    bind_fail(L, "JSON: %s: cannot hold a %s", place->key ? place->key : "value",
              luaL_typename(L, index));
}

hone_json *bind_to_json(lua_State *L, int index, bool empty_is_list)
{
    json_place place = { 0 };

    index = lua_absindex(L, index);
    place.root = bind_json_box(L);
    if (!lua_isnoneornil(L, index))
        json_take(L, index, &place, empty_is_list, 0);
    return *place.root;
}

/* Turn members that are empty lists into empty objects where the option is a table. */
static void json_fit(json_t *object, const hone_option *options)
{
    for (const hone_option *o = options; o && o->type != HONE_OPTION_END; o++) {
        json_t *value = json_object_get(object, o->name);
        if (o->type != HONE_OPTION_TABLE || !value)
            continue;
        if (json_is_array(value) && json_array_size(value) == 0)
            json_object_set_new(object, o->name, json_object());
        else
            json_fit(value, o->options);
    }
}

hone_json *bind_to_options(lua_State *L, int index, const hone_option *options)
{
    hone_json **box;

    index = lua_absindex(L, index);
    if (!lua_isnoneornil(L, index) && !lua_istable(L, index))
        bind_fail(L, "options are a table { name = value }, not a %s", luaL_typename(L, index));
    if (lua_istable(L, index) && lua_rawlen(L, index) == 0) {
        size_t count;
        json_is_list(L, index, &count);
        if (count == 0) {
            box = bind_json_box(L);
            *box = json_object();
            return *box;
        }
    }
    hone_json *json = bind_to_json(L, index, true);
    if (json && !json_is_object(json))
        bind_fail(L, "options are a table { name = value }, not a list");
    if (json)
        json_fit(json, options);
    return json;
}

/* ---- fields of tables ---- */

static int json_field(lua_State *L, int table, const char *key)
{
    int type = lua_getfield(L, table, key);

    if (type == LUA_TNIL)
        lua_pop(L, 1);
    return type;
}

int64_t bind_field_int(lua_State *L, int table, const char *key, int64_t def)
{
    int exact;

    if (json_field(L, table, key) == LUA_TNIL)
        return def;
    def = lua_tointegerx(L, -1, &exact);
    if (!exact)
        bind_fail(L, "%s: a %s is not an integer", key, luaL_typename(L, -1));
    lua_pop(L, 1);
    return def;
}

double bind_field_number(lua_State *L, int table, const char *key, double def)
{
    if (json_field(L, table, key) == LUA_TNIL)
        return def;
    if (lua_type(L, -1) != LUA_TNUMBER)
        bind_fail(L, "%s: a %s is not a number", key, luaL_typename(L, -1));
    def = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return def;
}

bool bind_field_bool(lua_State *L, int table, const char *key, bool def)
{
    if (json_field(L, table, key) == LUA_TNIL)
        return def;
    if (!lua_isboolean(L, -1))
        bind_fail(L, "%s: a %s is not true or false", key, luaL_typename(L, -1));
    def = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return def;
}

const char *bind_field_string(lua_State *L, int table, const char *key, const char *def)
{
    if (json_field(L, table, key) == LUA_TNIL)
        return def;
    if (lua_type(L, -1) != LUA_TSTRING)
        bind_fail(L, "%s: a %s is not text", key, luaL_typename(L, -1));
    def = lua_tostring(L, -1);
    lua_pop(L, 1);
    return def;
}

/* ---- functions ---- */

/* core.json.decode(text [, where]). */
static int json_decode(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    const char *where = luaL_optstring(L, 2, "JSON");
    hone_error err = { 0 };
    hone_json **box = bind_json_box(L);

    bind_ok(L, hone_json_parse(box, text, n, where, &err), &err);
    json_push(L, *box);
    return 1;
}

/* core.json.encode(value): one line. */
static int json_encode(lua_State *L)
{
    hone_json *json;
    bind_box *box;

    luaL_checkany(L, 1);
    if (lua_isnil(L, 1))
        lua_pushlightuserdata(L, NULL), lua_replace(L, 1);
    json = bind_to_json(L, 1, false);
    box = bind_owned(L);
    box->object = hone_json_text(json);
    if (!box->object)
        bind_fail(L, "out of memory");
    lua_pushstring(L, box->object);
    return 1;
}

/* core.json.read(path). */
static int json_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    hone_error err = { 0 };
    hone_json **box = bind_json_box(L);

    bind_ok(L, hone_json_read(box, path, &err), &err);
    json_push(L, *box);
    return 1;
}

/* core.json.write(path, value): atomically. */
static int json_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    hone_error err = { 0 };
    hone_json *json;

    luaL_checkany(L, 2);
    json = bind_to_json(L, 2, false);
    bind_ok(L, hone_json_write(json, path, &err), &err);
    return 0;
}

/* core.json.list(table): says that the table, also when empty, is a list. */
static int json_list(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &json_array_key);
    lua_setmetatable(L, 1);
    return 1;
}

void bind_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "decode", json_decode }, { "encode", json_encode }, { "read", json_read },
        { "write", json_write }, { "list", json_list }, { NULL, NULL },
    };

    bind_class_new(L, &json_class);
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushliteral(L, "list");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &json_array_key);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "json");
}
