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

/* Push the weights of count tokens: a list, one number for all, or absent: 1. */
static float *batch_weights(lua_State *L, int arg, size_t count, const char *what)
{
    float *weights = bind_buffer(L, count, sizeof *weights);
    float all = lua_istable(L, arg) ? 0 : (float)luaL_optnumber(L, arg, 1);

    if (lua_istable(L, arg) && bind_count(L, arg) != count)
        bind_fail(L, "%s: %zu weights for %zu tokens", what, bind_count(L, arg), count);
    for (size_t i = 0; i < count; i++) {
        weights[i] = all;
        if (!lua_istable(L, arg))
            continue;
        lua_rawgeti(L, arg, (lua_Integer)i + 1);
        weights[i] = (float)luaL_checknumber(L, -1);
        lua_pop(L, 1);
    }
    return weights;
}

/* batch:add(ids [, weights]): a sequence of its own. weights is a list of
 * numbers, one a token: of the prediction of that token; or one number for all;
 * absent: 1. */
static int batch_add(lua_State *L)
{
    hone_batch *batch = batch_check(L);
    const hone_ids *ids;
    hone_error err = { 0 };
    const float *weights;

    lua_settop(L, 3);
    ids = bind_ids_check(L, 2);
    weights = batch_weights(L, 3, ids->count, "add");
    bind_ok(L, hone_batch_add(batch, ids->items, weights, (int64_t)ids->count, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* batch:branch(parent, ids [, weights]): goes on from the whole of segment
 * `parent`, counted from 1. */
static int batch_branch(lua_State *L)
{
    hone_batch *batch = batch_check(L);
    lua_Integer parent = luaL_checkinteger(L, 2);
    size_t segments = hone_batch_segments(batch);
    const hone_ids *ids;
    hone_error err = { 0 };
    const float *weights;

    lua_settop(L, 4);
    if (parent < 1 || (size_t)parent > segments)
        bind_fail(L, "branch: segment %lld (allowed: 1 to %zu)", parent, segments);
    ids = bind_ids_check(L, 3);
    weights = batch_weights(L, 4, ids->count, "branch");
    bind_ok(L, hone_batch_branch(batch, (size_t)parent - 1, ids->items, weights,
                                 (int64_t)ids->count, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* batch:add_end(ids): a sequence of its own, whose last token is an output. */
static int batch_add_end(lua_State *L)
{
    hone_batch *batch = batch_check(L);
    const hone_ids *ids = bind_ids_check(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_batch_add_end(batch, ids->items, (int64_t)ids->count, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* core.rollout_batch(samples, { i, ... } [, { share = true }]): a batch of these
 * samples, counted from 1 (<hone/sample.h>: hone_batch_add_samples). */
static int batch_rollout(lua_State *L)
{
    const hone_samples *samples = bind_check(L, 1, &bind_samples_class);
    size_t count, *which;
    bool share = true;
    hone_error err = { 0 };
    bind_box *box;

    luaL_checktype(L, 2, LUA_TTABLE);
    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        share = bind_field_bool(L, 3, "share", true);
    }
    count = bind_count(L, 2);
    which = bind_buffer(L, count, sizeof *which);
    for (size_t i = 0; i < count; i++) {
        lua_Integer sample;
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        sample = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
        if (sample < 1 || (size_t)sample > hone_samples_count(samples))
            bind_fail(L, "rollout_batch: sample %lld (allowed: 1 to %zu)", sample,
                      hone_samples_count(samples));
        which[i] = (size_t)sample - 1;
    }
    box = bind_new(L, &bind_batch_class);
    bind_ok(L, hone_batch_new((hone_batch **)&box->object, &err), &err);
    bind_ok(L, hone_batch_add_samples(box->object, samples, which, count, share, &err), &err);
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
    { "add", batch_add }, { "add_end", batch_add_end }, { "branch", batch_branch },
    { "clear", batch_clear }, { "lengths", batch_lengths },
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
    lua_pushcfunction(L, batch_rollout);
    lua_setfield(L, -2, "rollout_batch");
    bind_class_new(L, &bind_batch_class);
    lua_setfield(L, -2, "batch");
}
