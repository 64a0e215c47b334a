/* core.c -- the module hone.core: boxes, errors, and the state behind them. */
#include "bind.h"

#include <stdio.h>
#include <string.h>

HONE_API int luaopen_hone_core(lua_State *L);

/* ---- boxes ---- */

static int core_close(lua_State *L)
{
    bind_box *box = lua_touserdata(L, 1);
    void *object = box->object;

    box->object = NULL;
    if (object)
        box->class->free(object);
    return 0;
}

static int core_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);

    lua_pushfstring(L, box->object ? "%s (%p)" : "%s (closed)", box->class->name, box->object);
    return 1;
}

/* object[key]: a method, else a property. Upvalues: methods, properties, the
 * metatable's own __index function for other keys (or nil). */
static int core_index(lua_State *L)
{
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TNIL &&
        lua_isnil(L, lua_upvalueindex(3)))
        return 1;
    if (lua_isnil(L, -1))
        lua_pushvalue(L, lua_upvalueindex(3));
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

void bind_class_new(lua_State *L, const bind_class *class)
{
    static const luaL_Reg common[] = {
        { "__gc", core_close }, { "__close", core_close }, { "__tostring", core_tostring },
        { NULL, NULL },
    };

    lua_newtable(L);
    luaL_setfuncs(L, class->methods, 0);
    luaL_newmetatable(L, class->name);
    luaL_setfuncs(L, common, 0);
    if (class->meta)
        luaL_setfuncs(L, class->meta, 0);
    lua_pushvalue(L, -2);
    lua_newtable(L);
    if (class->properties)
        luaL_setfuncs(L, class->properties, 0);
    lua_getfield(L, -3, "__index");
    lua_pushcclosure(L, core_index, 3);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

bind_box *bind_new(lua_State *L, const bind_class *class)
{
    bind_box *box = lua_newuserdatauv(L, sizeof *box, 1);

    *box = (bind_box){ .class = class };
    luaL_setmetatable(L, class->name);
    return box;
}

void *bind_test(lua_State *L, int index, const bind_class *class)
{
    const bind_box *box = luaL_testudata(L, index, class->name);
    return box ? box->object : NULL;
}

void *bind_check(lua_State *L, int arg, const bind_class *class)
{
    const bind_box *box = luaL_checkudata(L, arg, class->name);

    if (!box->object)
        bind_fail(L, "the %s was closed", class->name + strlen("hone."));
    return box->object;
}

static const luaL_Reg core_no_methods[] = { { NULL, NULL } };
static const bind_class core_owned_class = { "hone.owned", hone_free, core_no_methods, NULL, NULL };

bind_box *bind_owned(lua_State *L)
{
    return bind_new(L, &core_owned_class);
}

void *bind_buffer(lua_State *L, size_t count, size_t size)
{
    bind_box *box = bind_owned(L);

    box->object = hone_alloc(count ? count : 1, size ? size : 1);
    if (!box->object)
        bind_fail(L, "out of memory (%zu bytes)", count * size);
    return box->object;
}

/* ---- errors ---- */

void bind_where(lua_State *L)
{
    const bind_state *state = bind_get(L);
    size_t n = state->library ? strlen(state->library) : 0;
    lua_Debug ar;

    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline > 0 && !(n && strncmp(ar.source, state->library, n) == 0)) {
            lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

void bind_raise(lua_State *L, const hone_error *err)
{
    bind_where(L);
    lua_pushstring(L, err->message[0] ? err->message : hone_error_name(err->code));
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

void bind_fail(lua_State *L, const char *fmt, ...)
{
    hone_error err = { .code = HONE_EINVAL };
    va_list args;

    va_start(args, fmt);
    vsnprintf(err.message, sizeof err.message, fmt, args);
    va_end(args);
    bind_raise(L, &err);
}

void bind_ok(lua_State *L, int code, const hone_error *err)
{
    if (code != HONE_OK)
        bind_raise(L, err);
}

/* core.fail(message): raise at the script's line. */
static int core_fail(lua_State *L)
{
    luaL_checkstring(L, 1);
    bind_where(L);
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
    return lua_error(L);
}

/* core.where(): "script.lua:12: ", or "". */
static int core_where(lua_State *L)
{
    bind_where(L);
    return 1;
}

/* ---- the state ---- */

static char core_key;

bind_state *bind_get(lua_State *L)
{
    bind_state *state;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key);
    state = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return state;
}

lua_State *bind_enter(lua_State *L)
{
    bind_state *state = bind_get(L);
    lua_State *before = state->L;

    state->L = L;
    return before;
}

void bind_leave(lua_State *L, lua_State *before)
{
    bind_get(L)->L = before;
}

/* Made first, the state is collected last, after every object. */
static int core_state_gc(lua_State *L)
{
    bind_state *state = lua_touserdata(L, 1);

    bind_tensor_end(state, NULL);
    hone_graph_free(state->graph);
    hone_context_free(state->context);
    bind_definitions_free(state);
    hone_free(state->config);
    hone_free(state->library);
    *state = (bind_state){ 0 };
    return 0;
}

static void core_state_new(lua_State *L)
{
    bind_state *state = lua_newuserdatauv(L, sizeof *state, 0);

    *state = (bind_state){ 0 };
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    state->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushcfunction(L, core_state_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
}

/* core.library(prefix): chunks whose source begins so are the library's. */
static int core_library(lua_State *L)
{
    const char *prefix = luaL_checkstring(L, 1);
    bind_state *state = bind_get(L);

    hone_free(state->library);
    state->library = hone_strdup(prefix);
    if (!state->library)
        bind_fail(L, "out of memory");
    return 0;
}

/* For tests: core.alloc_fail_after(n), core.alloc_live() (<hone/base.h>). */
static int core_alloc_fail_after(lua_State *L)
{
    hone_alloc_fail_after((uint64_t)luaL_checkinteger(L, 1));
    return 0;
}

static int core_alloc_live(lua_State *L)
{
    lua_pushinteger(L, hone_alloc_live());
    return 1;
}

int luaopen_hone_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "fail", core_fail }, { "where", core_where }, { "library", core_library },
        { "alloc_fail_after", core_alloc_fail_after }, { "alloc_live", core_alloc_live },
        { NULL, NULL },
    };
    static void (*const open[])(lua_State *) = {
        bind_open_system, bind_open_context, bind_open_json, bind_open_plugin, bind_open_define,
        bind_open_tensor, bind_open_ops, bind_open_advantage, bind_open_graph, bind_open_tokenizer,
        bind_open_model,
        bind_open_loss, bind_open_batch, bind_open_data, bind_open_examples, bind_open_generate,
        bind_open_sample, bind_open_metric, bind_open_judgement, bind_open_consensus,
        bind_open_optimizer, bind_open_safetensors, bind_open_random, bind_open_statistics,
        bind_open_store,
        bind_open_geometry, bind_open_rows, bind_open_terminal,
    };

    luaL_checkversion(L);
    core_state_new(L);
    bind_class_new(L, &core_owned_class);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushstring(L, hone_version());
    lua_setfield(L, -2, "version");
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        open[i](L);
    return 1;
}
