/* safetensors.c -- files of tensors, for scripts. */
#include "bind.h"

#include <string.h>

static void safetensors_free(void *object)
{
    hone_tensors_free(object);
}

static const luaL_Reg safetensors_methods[];
static const luaL_Reg safetensors_meta[];
static const bind_class safetensors_class;

/* core.tensors.open(path): a file, or a folder of shards. */
static int safetensors_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    bind_box *box = bind_new(L, &safetensors_class);
    hone_error err = { 0 };

    bind_ok(L, hone_tensors_open((hone_tensors **)&box->object, path, &err), &err);
    return 1;
}

/* file:names(): in the order of the file. */
static int safetensors_names(lua_State *L)
{
    const hone_tensors *tensors = bind_check(L, 1, &safetensors_class);

    lua_newtable(L);
    for (size_t i = 0; i < hone_tensors_count(tensors); i++) {
        lua_pushstring(L, hone_tensors_at(tensors, i)->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* file:read(name): a tensor, integers as i32 or i64, floats as f32; nil when
 * the file has none of that name. */
static int safetensors_read(lua_State *L)
{
    const hone_tensors *tensors = bind_check(L, 1, &safetensors_class);
    const char *name = luaL_checkstring(L, 2);
    const hone_tensor_entry *entry = hone_tensors_find(tensors, name);
    hone_error err = { 0 };

    if (!entry) {
        lua_pushnil(L);
        return 1;
    }
    if (entry->dims > HONE_DIMS)
        bind_fail(L, "%s: %d dimensions (allowed: 0 to %d)", name, entry->dims, HONE_DIMS);
    lua_getfield(L, lua_upvalueindex(1), "zeros");
    lua_createtable(L, entry->dims, 0);
    for (int i = 0; i < entry->dims; i++) {
        lua_pushinteger(L, entry->shape[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushstring(L, strcmp(entry->dtype, "I32") == 0 ? "i32"
                    : strcmp(entry->dtype, "I64") == 0 ? "i64"
                    : strcmp(entry->dtype, "U8") == 0 ? "u8" : "f32");
    lua_call(L, 2, 1);
    bind_ok(L, hone_tensors_read(tensors, name, bind_tensor_check(L, -1), &err), &err);
    return 1;
}

static int safetensors_metadata(lua_State *L)
{
    lua_pushstring(L, hone_tensors_metadata(bind_check(L, 1, &safetensors_class),
                                            luaL_checkstring(L, 2)));
    return 1;
}

static int safetensors_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_tensors_count(bind_check(L, 1, &safetensors_class)));
    return 1;
}

/* core.tensors.write(path, { { name, tensor }, ... } [, metadata]). */
static int safetensors_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    hone_tensors_item *items;
    hone_json *metadata;
    hone_error err = { 0 };
    size_t count;

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    count = bind_count(L, 2);
    items = bind_buffer(L, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        /* The list keeps names and handles alive. */
        if (lua_rawgeti(L, -1, 1) != LUA_TSTRING)
            bind_fail(L, "tensor %zu has no name", i + 1);
        lua_rawgeti(L, -2, 2);
        items[i] = (hone_tensors_item){ lua_tostring(L, -2), bind_tensor_check(L, -1) };
        lua_pop(L, 3);
    }
    metadata = bind_to_json(L, 3, false);
    bind_ok(L, hone_tensors_write(path, items, count, metadata, &err), &err);
    return 0;
}

static const luaL_Reg safetensors_methods[] = {
    { "names", safetensors_names }, { "metadata", safetensors_metadata }, { NULL, NULL },
};
static const luaL_Reg safetensors_meta[] = { { "__len", safetensors_length }, { NULL, NULL } };
static const bind_class safetensors_class = { "hone.tensors", safetensors_free,
                                              safetensors_methods, NULL, safetensors_meta };

void bind_open_safetensors(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "open", safetensors_open }, { "write", safetensors_write }, { NULL, NULL },
    };

    bind_class_new(L, &safetensors_class);
    lua_getfield(L, -2, "tensor");
    lua_pushcclosure(L, safetensors_read, 1);
    lua_setfield(L, -2, "read");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "tensors");
}
