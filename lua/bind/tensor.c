/* tensor.c -- handles on tensors.
 *
 * A handle made by an operation within a step belongs to the step: when the
 * step ends, the handle lets go, so that buffers return at once, and a later
 * use raises. All other handles hold their tensor until they are collected;
 * the collector is told of their bytes, as it sees only the handles. */
#include "bind.h"

#include <math.h>
#include <string.h>

/* Bytes of new tensors between two words with the collector: its step costs a
 * walk over the Lua heap, which this pays for. */
#define TENSOR_UNPAID ((size_t)32 << 20)

static const char tensor_name[] = "hone.tensor";

static void tensor_unlink(bind_tensor *handle)
{
    if (!handle->link)
        return;
    *handle->link = handle->next;
    if (handle->next)
        handle->next->link = handle->link;
    handle->link = NULL;
    handle->next = NULL;
}

void bind_tensor_end(bind_state *state, bind_tensor *until)
{
    while (state->handles && state->handles != until) {
        bind_tensor *handle = state->handles;
        tensor_unlink(handle);
        hone_tensor_free(handle->tensor);
        handle->tensor = NULL;
        handle->over = true;
    }
}

void bind_tensor_push(lua_State *L, hone_tensor *tensor, bool of_step)
{
    bind_state *state = bind_get(L);
    bind_tensor *handle = lua_newuserdatauv(L, sizeof *handle, 0);

    *handle = (bind_tensor){ 0 };
    luaL_setmetatable(L, tensor_name);
    handle->tensor = hone_tensor_ref(tensor);
    handle->bytes = (size_t)hone_tensor_count(tensor) * hone_dtype_size(hone_tensor_dtype(tensor));
    state->unpaid += handle->bytes;
    if (!of_step)
        return;
    handle->next = state->handles;
    if (handle->next)
        handle->next->link = &handle->next;
    handle->link = &state->handles;
    state->handles = handle;
}

void bind_tensor_pay(lua_State *L)
{
    bind_state *state = bind_get(L);
    size_t kb = state->unpaid >> 10;

    if (state->unpaid < TENSOR_UNPAID)
        return;
    state->unpaid = 0;
    lua_gc(L, LUA_GCSTEP, kb > INT32_MAX ? INT32_MAX : (int)kb);
}

bind_tensor *bind_tensor_box(lua_State *L)
{
    bind_tensor *handle;

    bind_tensor_pay(L);
    handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = (bind_tensor){ 0 };
    luaL_setmetatable(L, tensor_name);
    return handle;
}

int bind_tensor_filled(lua_State *L, bind_tensor *handle, int code, const hone_error *err)
{
    bind_ok(L, code, err);
    handle->bytes = (size_t)hone_tensor_count(handle->tensor) *
                    hone_dtype_size(hone_tensor_dtype(handle->tensor));
    bind_get(L)->unpaid += handle->bytes;
    return 1;
}

hone_tensor *bind_tensor_test(lua_State *L, int index)
{
    const bind_tensor *handle = luaL_testudata(L, index, tensor_name);
    return handle ? handle->tensor : NULL;
}

hone_tensor *bind_tensor_check(lua_State *L, int arg)
{
    const bind_tensor *handle = luaL_testudata(L, arg, tensor_name);

    if (!handle) {
        luaL_tolstring(L, arg, NULL);
        bind_fail(L, "a tensor is needed here, not a %s", luaL_typename(L, arg));
    }
    if (handle->over)
        bind_fail(L, "the step is over: use :item() or :detach()");
    if (!handle->tensor)
        bind_fail(L, "the tensor was closed");
    return handle->tensor;
}

/* ---- making ---- */

typedef struct tensor_shape {
    int dims;
    int64_t extent[HONE_DIMS];
} tensor_shape;

/* Push a handle of a new zeroed tensor. */
static hone_tensor *tensor_new(lua_State *L, hone_dtype dtype, const tensor_shape *shape)
{
    bind_tensor *handle = bind_tensor_box(L);
    hone_error err = { 0 };

    bind_tensor_filled(L, handle, hone_tensor_new(&handle->tensor, dtype, shape->dims,
                                                  shape->extent, &err), &err);
    return handle->tensor;
}

static hone_dtype tensor_dtype_arg(lua_State *L, int arg)
{
    const char *name = luaL_optstring(L, arg, "f32");
    int dtype = hone_dtype_parse(name);

    if (dtype < 0)
        bind_fail(L, "unknown dtype '%s' (allowed: f32, bf16, f16, f64, i32, i64, u8)", name);
    return (hone_dtype)dtype;
}

/* The shape that nested tables have, by their first entries. */
static void tensor_shape_of(lua_State *L, int index, tensor_shape *shape)
{
    index = lua_absindex(L, index);
    *shape = (tensor_shape){ 0 };
    lua_pushvalue(L, index);
    while (lua_istable(L, -1)) {
        if (shape->dims == HONE_DIMS)
            bind_fail(L, "a tensor has at most %d dimensions", HONE_DIMS);
        shape->extent[shape->dims++] = (int64_t)lua_rawlen(L, -1);
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    }
    lua_pop(L, 1);
}

static void tensor_fill(lua_State *L, int index, hone_tensor *t, const tensor_shape *shape,
                        int dim, int64_t *next)
{
    if (dim == shape->dims) {
        if (lua_type(L, index) != LUA_TNUMBER)
            bind_fail(L, "element %" PRId64 " is a %s (allowed: numbers)", *next + 1,
                      luaL_typename(L, index));
        hone_tensor_set(t, (*next)++, lua_tonumber(L, index));
        return;
    }
    if (!lua_istable(L, index) || (int64_t)lua_rawlen(L, index) != shape->extent[dim])
        bind_fail(L, "the tables of dimension %d differ in length", dim + 1);
    for (int64_t i = 1; i <= shape->extent[dim]; i++) {
        lua_rawgeti(L, index, i);
        tensor_fill(L, lua_gettop(L), t, shape, dim + 1, next);
        lua_pop(L, 1);
    }
}

/* core.tensor.new(numbers [, dtype]): a number, a list, lists of lists. */
static int tensor_from(lua_State *L)
{
    hone_dtype dtype = tensor_dtype_arg(L, 2);
    tensor_shape shape;
    int64_t next = 0;
    hone_tensor *t;

    luaL_checkany(L, 1);
    lua_settop(L, 2);
    luaL_checkstack(L, HONE_DIMS + 8, NULL);
    tensor_shape_of(L, 1, &shape);
    t = tensor_new(L, dtype, &shape);
    tensor_fill(L, 1, t, &shape, 0, &next);
    return 1;
}

/* core.tensor.zeros(shape [, dtype]). */
static int tensor_zeros(lua_State *L)
{
    tensor_shape shape = { 0 };
    lua_Unsigned dims;

    luaL_checktype(L, 1, LUA_TTABLE);
    dims = bind_count(L, 1);
    if (dims > HONE_DIMS)
        bind_fail(L, "a tensor has at most %d dimensions", HONE_DIMS);
    for (lua_Unsigned i = 0; i < dims; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        shape.extent[shape.dims++] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    tensor_new(L, tensor_dtype_arg(L, 2), &shape);
    return 1;
}

/* ---- looking ---- */

/* t:item(): the one element. */
static int tensor_item(lua_State *L)
{
    hone_tensor *t = bind_tensor_check(L, 1);
    char text[96];

    if (hone_tensor_count(t) != 1)
        bind_fail(L, "item: the tensor has %" PRId64 " elements, %s (allowed: 1)",
                  hone_tensor_count(t), hone_tensor_describe(t, text));
    lua_pushnumber(L, hone_tensor_get(t, 0));
    return 1;
}

/* t:get(i): element i of all, from 1. */
static int tensor_get(lua_State *L)
{
    hone_tensor *t = bind_tensor_check(L, 1);
    lua_Integer i = luaL_checkinteger(L, 2);

    if (i < 1 || i > hone_tensor_count(t))
        bind_fail(L, "get: element %lld is out of range (allowed: 1 to %" PRId64 ")", i,
                  hone_tensor_count(t));
    lua_pushnumber(L, hone_tensor_get(t, i - 1));
    return 1;
}

/* t:values(): all elements as a flat list of numbers. */
static int tensor_values(lua_State *L)
{
    hone_tensor *t = bind_tensor_check(L, 1);
    int64_t count = hone_tensor_count(t);

    lua_createtable(L, count > 1 << 24 ? 1 << 24 : (int)count, 0);
    for (int64_t i = 0; i < count; i++) {
        lua_pushnumber(L, hone_tensor_get(t, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int tensor_get_shape(lua_State *L)
{
    hone_tensor *t = bind_tensor_check(L, 1);

    lua_newtable(L);
    for (int i = 0; i < hone_tensor_dims(t); i++) {
        lua_pushinteger(L, hone_tensor_extent(t, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int tensor_dtype(lua_State *L)
{
    lua_pushstring(L, hone_dtype_name(hone_tensor_dtype(bind_tensor_check(L, 1))));
    return 1;
}

static int tensor_grad(lua_State *L)
{
    hone_tensor *grad = hone_tensor_grad(bind_tensor_check(L, 1));

    if (grad)
        bind_tensor_push(L, grad, false);
    else
        lua_pushnil(L);
    return 1;
}

/* t:require_grad([on]): a leaf whose gradient backward computes. */
static int tensor_require_grad(lua_State *L)
{
    hone_tensor_require_grad(bind_tensor_check(L, 1), lua_isnone(L, 2) || lua_toboolean(L, 2));
    lua_settop(L, 1);
    return 1;
}

static int tensor_clear_grad(lua_State *L)
{
    hone_tensor_clear_grad(bind_tensor_check(L, 1));
    return 0;
}

/* t:copy(from): values of another tensor of the same count. */
static int tensor_copy(lua_State *L)
{
    hone_tensor *to = bind_tensor_check(L, 1), *from = bind_tensor_check(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_tensor_copy(to, from, &err), &err);
    lua_settop(L, 1);
    return 1;
}

static int tensor_length(lua_State *L)
{
    hone_tensor *t = bind_tensor_check(L, 1);

    lua_pushinteger(L, hone_tensor_dims(t) ? hone_tensor_extent(t, 0) : 1);
    return 1;
}

static int tensor_tostring(lua_State *L)
{
    const bind_tensor *handle = luaL_checkudata(L, 1, tensor_name);
    int64_t count = hone_tensor_count(handle->tensor);
    char shape[96];
    luaL_Buffer b;

    if (!handle->tensor) {
        lua_pushstring(L, handle->over ? "tensor of a step that is over" : "tensor (closed)");
        return 1;
    }
    luaL_buffinit(L, &b);
    luaL_addstring(&b, "tensor ");
    luaL_addstring(&b, hone_tensor_describe(handle->tensor, shape));
    luaL_addstring(&b, " {");
    for (int64_t i = 0; i < count && i < 8; i++) {
        lua_pushfstring(L, i ? ", %f" : " %f", hone_tensor_get(handle->tensor, i));
        luaL_addvalue(&b);
    }
    luaL_addstring(&b, count > 8 ? ", ... }" : " }");
    luaL_pushresult(&b);
    return 1;
}

static int tensor_close(lua_State *L)
{
    bind_tensor *handle = luaL_checkudata(L, 1, tensor_name);

    tensor_unlink(handle);
    hone_tensor_free(handle->tensor);
    handle->tensor = NULL;
    return 0;
}

/* t.name: methods and ops are one table, the upvalue; shape and dtype. */
static int tensor_index(lua_State *L)
{
    const char *key = lua_tostring(L, 2);

    if (key && strcmp(key, "shape") == 0)
        return tensor_get_shape(L);
    if (key && strcmp(key, "dtype") == 0)
        return tensor_dtype(L);
    lua_settop(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

void bind_open_tensor(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "new", tensor_from }, { "zeros", tensor_zeros }, { "item", tensor_item },
        { "get", tensor_get }, { "values", tensor_values }, { "grad", tensor_grad },
        { "require_grad", tensor_require_grad }, { "clear_grad", tensor_clear_grad },
        { "copy", tensor_copy }, { NULL, NULL },
    };
    static const luaL_Reg meta[] = {
        { "__gc", tensor_close }, { "__close", tensor_close }, { "__tostring", tensor_tostring },
        { "__len", tensor_length }, { NULL, NULL },
    };

    luaL_newlib(L, functions);
    luaL_newmetatable(L, tensor_name);
    luaL_setfuncs(L, meta, 0);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, tensor_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_setfield(L, -2, "tensor");
}
