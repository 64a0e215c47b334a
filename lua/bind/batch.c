/* batch.c -- batches: segments of tokens, packed. */
#include "bind.h"

/* What the script may ask of a batch, beside the batch. */
static void batch_free(void *object)
{
    hone_batch_free(object);
}

static hone_batch *batch_check(lua_State *L)
{
    return bind_check(L, 1, &bind_batch_class);
}

/* core.batch_new(). */
static int batch_new(lua_State *L)
{
    bind_box *box = bind_new(L, &bind_batch_class);
    hone_error err = { 0 };

    bind_ok(L, hone_batch_new((hone_batch **)&box->object, &err), &err);
    return 1;
}

/* batch:add(ids [, weights]): a sequence of its own. weights is a list of
 * numbers, one a token: of the prediction of that token; absent: all 1. */
static int batch_add(lua_State *L)
{
    hone_batch *batch = batch_check(L);
    const hone_ids *ids;
    hone_error err = { 0 };
    float *weights;

    lua_settop(L, 3);
    ids = bind_ids_check(L, 2);
    weights = bind_buffer(L, ids->count, sizeof *weights);
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        if (lua_rawlen(L, 3) != ids->count)
            bind_fail(L, "add: %llu weights for %zu tokens",
                      (unsigned long long)lua_rawlen(L, 3), ids->count);
    }
    for (size_t i = 0; i < ids->count; i++) {
        weights[i] = 1;
        if (lua_isnil(L, 3))
            continue;
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        weights[i] = (float)luaL_checknumber(L, -1);
        lua_pop(L, 1);
    }
    bind_ok(L, hone_batch_add(batch, ids->items, weights, (int64_t)ids->count, &err), &err);
    lua_settop(L, 1);
    return 1;
}

static int batch_clear(lua_State *L)
{
    hone_batch_clear(batch_check(L));
    lua_settop(L, 1);
    return 1;
}

static int batch_tokens(lua_State *L)
{
    lua_pushinteger(L, hone_batch_tokens(batch_check(L)));
    return 1;
}

static int batch_segments(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_batch_segments(batch_check(L)));
    return 1;
}

static int batch_outputs(lua_State *L)
{
    lua_pushinteger(L, hone_batch_outputs(batch_check(L)));
    return 1;
}

/* The weight of all targets together. */
static int batch_weight(lua_State *L)
{
    hone_batch *batch = batch_check(L);
    const float *weights = hone_batch_weights(batch);
    double sum = 0;

    for (int64_t i = 0; i < hone_batch_outputs(batch); i++)
        sum += weights[i];
    lua_pushnumber(L, sum);
    return 1;
}

/* batch:lengths(): of the segments, in tokens. */
static int batch_lengths(lua_State *L)
{
    hone_batch *batch = batch_check(L);

    lua_newtable(L);
    for (size_t i = 0; i < hone_batch_segments(batch); i++) {
        lua_pushinteger(L, hone_batch_segment(batch, i)->length);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* batch:segments_where(nll): of the segments with an output whose value is not
 * finite, the numbers, from 1. */
static int batch_not_finite(lua_State *L)
{
    hone_batch *batch = batch_check(L);
    hone_tensor *t = bind_tensor_check(L, 2);
    const int32_t *segments = hone_batch_output_segments(batch);
    int32_t last = -1;
    lua_Integer n = 0;

    if (hone_tensor_count(t) != hone_batch_outputs(batch))
        bind_fail(L, "not_finite: %" PRId64 " values for %" PRId64 " outputs",
                  hone_tensor_count(t), hone_batch_outputs(batch));
    lua_newtable(L);
    for (int64_t i = 0; i < hone_tensor_count(t); i++) {
        double value = hone_tensor_get(t, i);
        if (value - value == 0 || segments[i] == last)
            continue;
        last = segments[i];
        lua_pushinteger(L, last + 1);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int batch_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);

    if (!box->object)
        lua_pushliteral(L, "batch (closed)");
    else
        lua_pushfstring(L, "batch (%I tokens, %I segments, %I outputs)",
                        (LUAI_UACINT)hone_batch_tokens(box->object),
                        (LUAI_UACINT)hone_batch_segments(box->object),
                        (LUAI_UACINT)hone_batch_outputs(box->object));
    return 1;
}

static const luaL_Reg batch_methods[] = {
    { "add", batch_add }, { "clear", batch_clear }, { "lengths", batch_lengths },
    { "not_finite", batch_not_finite }, { NULL, NULL },
};
static const luaL_Reg batch_properties[] = {
    { "tokens", batch_tokens }, { "segments", batch_segments }, { "outputs", batch_outputs },
    { "weight", batch_weight }, { NULL, NULL },
};
static const luaL_Reg batch_meta[] = { { "__tostring", batch_tostring }, { NULL, NULL } };
const bind_class bind_batch_class = { "hone.batch", batch_free, batch_methods, batch_properties,
                                      batch_meta };

void bind_open_batch(lua_State *L)
{
    lua_pushcfunction(L, batch_new);
    lua_setfield(L, -2, "batch_new");
    bind_class_new(L, &bind_batch_class);
    lua_setfield(L, -2, "batch");
}
