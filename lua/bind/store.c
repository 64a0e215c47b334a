/* store.c -- stores of human judgements: requests and replies as tables. */
#include "bind.h"

#include <jansson.h>
#include <string.h>

typedef int store_function(hone_instance *, const hone_json *, hone_json **, hone_error *);

static const struct {
    const char *name;
    store_function *call;
} store_calls[] = {
    { "put_items", hone_store_put_items }, { "put_task", hone_store_put_task },
    { "set_task", hone_store_set_task }, { "task", hone_store_task }, { "add", hone_store_add },
    { "set_item", hone_store_set_item }, { "next", hone_store_next },
    { "submit", hone_store_submit }, { "leave", hone_store_leave },
    { "import", hone_store_import }, { "put_annotator", hone_store_put_annotator },
    { "erase", hone_store_erase }, { "list", hone_store_list }, { "verify", hone_store_verify },
};

/* Members that are null become absent: a script asks `if a.order then`. Deeper, and
 * in what people wrote, null stays. */
static void store_trim(json_t *object)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, key, value)
        if (json_is_null(value))
            json_object_del(object, key);
}

/* store:request(name, fields): the reply; nil where there is none. */
static int store_request(lua_State *L)
{
    hone_instance *store = bind_instance_check(L, 1, "store");
    const char *name = luaL_checkstring(L, 2);
    store_function *call = NULL;
    hone_json *request, **reply, *rows, *row;
    hone_error err = { 0 };
    size_t i;

    for (i = 0; i < sizeof store_calls / sizeof *store_calls; i++)
        if (strcmp(store_calls[i].name, name) == 0)
            call = store_calls[i].call;
    if (!call)
        bind_fail(L, "a store has no '%s'", name);
    luaL_checktype(L, 3, LUA_TTABLE);
    request = bind_to_json(L, 3, false);
    reply = bind_json_box(L);
    bind_ok(L, call(store, request, reply, &err), &err);
    store_trim(*reply);
    rows = json_object_get(*reply, "rows");
    json_array_foreach(rows, i, row)
        store_trim(row);
    if (json_is_null(*reply))
        lua_pushnil(L);
    else
        bind_push_json(L, *reply);
    return 1;
}

/* store:read_lines(task, path, keep): counts. */
static int store_read_lines(lua_State *L)
{
    hone_instance *store = bind_instance_check(L, 1, "store");
    const char *task = luaL_checkstring(L, 2), *path = luaL_checkstring(L, 3);
    hone_json **reply = bind_json_box(L);
    hone_error err = { 0 };

    bind_ok(L, hone_store_read_lines(store, task, path, lua_toboolean(L, 4), reply, &err), &err);
    bind_push_json(L, *reply);
    return 1;
}

/* store:write_lines(request, path): how many. */
static int store_write_lines(lua_State *L)
{
    hone_instance *store = bind_instance_check(L, 1, "store");
    const char *path = luaL_checkstring(L, 3);
    hone_json *request;
    hone_error err = { 0 };
    int64_t count;

    luaL_checktype(L, 2, LUA_TTABLE);
    request = bind_to_json(L, 2, false);
    bind_ok(L, hone_store_write_lines(store, request, path, &count, &err), &err);
    lua_pushinteger(L, count);
    return 1;
}

/* store:batch("begin" | "commit" | "rollback"). */
static int store_batch(lua_State *L)
{
    static const char *const steps[] = { "begin", "commit", "rollback", NULL };
    hone_instance *store = bind_instance_check(L, 1, "store");
    int step = luaL_checkoption(L, 2, NULL, steps);
    hone_error err = { 0 };

    bind_ok(L, hone_store_batch(store, (hone_store_batch_step)step, &err), &err);
    return 0;
}

void bind_open_store(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "request", store_request }, { "batch", store_batch },
        { "read_lines", store_read_lines }, { "write_lines", store_write_lines }, { NULL, NULL },
    };

    lua_getfield(L, -1, "kind");
    lua_pushliteral(L, "store");
    lua_call(L, 1, 1);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
