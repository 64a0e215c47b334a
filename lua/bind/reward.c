/* reward.c -- scores of whatever scores, and rewards out of them. */
#include "score.h"

#include <math.h>
#include <string.h>

/* Push a box with unset scores of the samples at index 1. */
static hone_scores *reward_scores(lua_State *L, hone_samples **samples)
{
    bind_box *box;
    hone_error err = { 0 };

    *samples = bind_check(L, 1, &bind_samples_class);
    box = bind_new(L, &bind_scores_class);
    bind_ok(L, hone_scores_new((hone_scores **)&box->object, *samples, &err), &err);
    return box->object;
}

static int reward_done(lua_State *L, hone_scores *scores, const char *who)
{
    hone_error err = { 0 };

    bind_ok(L, hone_scores_finish(scores, who, &err), &err);
    return 1;
}

/* core.score(samples, function, { name = , batch = , timeout = }): its scores. */
static int reward_score(lua_State *L)
{
    bool batch = bind_field_bool(L, 3, "batch", false);
    double timeout = bind_field_number(L, 3, "timeout", 0);
    const char *name = bind_field_string(L, 3, "name", "reward");
    hone_samples *samples;
    hone_scores *scores = reward_scores(L, &samples);
    lua_State *before = bind_enter(L);
    hone_error err = { 0 };
    score_call call = { .state = bind_get(L), .name = name, .samples = samples, .out = scores,
                        .batch = batch, .timeout = timeout };
    int code;

    bind_context(L);
    lua_pushvalue(L, 2);
    call.function = luaL_ref(L, LUA_REGISTRYINDEX);
    code = bind_score(&call, &err);
    luaL_unref(L, LUA_REGISTRYINDEX, call.function);
    bind_leave(L, before);
    bind_ok(L, code, &err);
    return reward_done(L, scores, name);
}

/* Heads in the table at index, { name = tensor [samples] }; NaN: none. */
static void reward_heads(lua_State *L, int table, hone_scores *scores)
{
    lua_pushnil(L);
    while (lua_next(L, table)) {
        const hone_tensor *t = bind_tensor_test(L, -1);
        size_t n = hone_scores_count(scores);

        if (lua_type(L, -2) == LUA_TSTRING && t && hone_tensor_count(t) == (int64_t)n) {
            for (size_t i = 0; i < n; i++)
                if (isfinite(hone_tensor_get(t, (int64_t)i)))
                    hone_score_head(scores, i, lua_tostring(L, -2),
                                    hone_tensor_get(t, (int64_t)i));
        }
        lua_pop(L, 1);
    }
}

/* core.scores_of(samples, values [, heads]): a tensor [samples], or a list as
 * score_batch returns; NaN is a failure. */
static int reward_scores_of(lua_State *L)
{
    hone_samples *samples;
    hone_tensor *t = bind_tensor_test(L, 2);
    bool heads = lua_istable(L, 3);
    hone_scores *scores = reward_scores(L, &samples);
    size_t n = hone_samples_count(samples);
    score_call call = { .samples = samples, .out = scores };
    hone_error err = { 0 };

    if (!t) {
        bind_ok(L, bind_score_list(L, &call, 2, "it", &err), &err);
        return reward_done(L, scores, "it");
    }
    if (hone_tensor_count(t) != (int64_t)n)
        bind_fail(L, "it returned %" PRId64 " scores for %zu samples", hone_tensor_count(t), n);
    for (size_t i = 0; i < n; i++)
        hone_score_set(scores, i, hone_tensor_get(t, (int64_t)i));
    if (heads)
        reward_heads(L, 3, scores);
    return reward_done(L, scores, "it");
}

/* core.scores_failed(samples, message): all failed with it. */
static int reward_scores_failed(lua_State *L)
{
    const char *message = luaL_checkstring(L, 2);
    hone_samples *samples;
    hone_scores *scores = reward_scores(L, &samples);

    for (size_t i = 0; i < hone_samples_count(samples); i++)
        hone_score_fail(scores, i, "%s", message);
    return reward_done(L, scores, "it");
}

/* ---- combining ---- */

static const char *const moment_names[] = { "count", "mean", "squares" };

/* Moments in the field "moments" of the table at index, which is left on the stack. */
static void moments_read(lua_State *L, int table, hone_moments *m)
{
    double *numbers[] = { &m->count, &m->mean, &m->squares };

    if (lua_getfield(L, table, "moments") != LUA_TTABLE)
        bind_fail(L, "reward: moments are missing");
    for (int k = 0; k < 3; k++)
        *numbers[k] = bind_field_number(L, lua_gettop(L), moment_names[k], 0);
}

static void moments_write(lua_State *L, int index, const hone_moments *m)
{
    double numbers[] = { m->count, m->mean, m->squares };

    for (int k = 0; k < 3; k++) {
        lua_pushnumber(L, numbers[k]);
        lua_setfield(L, index, moment_names[k]);
    }
}

/* Leaves the part and its moments on the stack, so that texts stay. */
static void part_read(lua_State *L, int list, size_t k, hone_reward_part *part, hone_moments *m)
{
    int table;

    if (lua_rawgeti(L, list, (lua_Integer)k + 1) != LUA_TTABLE)
        bind_fail(L, "reward: part %zu is no table", k + 1);
    table = lua_gettop(L);
    moments_read(L, table, m);
    *part = (hone_reward_part){
        .name = bind_field_string(L, table, "name", ""), .moments = m,
        .weight = bind_field_number(L, table, "weight", 1),
        .low = bind_field_number(L, table, "low", -INFINITY),
        .high = bind_field_number(L, table, "high", INFINITY),
        .floor = bind_field_number(L, table, "floor", NAN),
        .shut = bind_field_number(L, table, "shut", 0),
        .shrink = bind_field_string(L, table, "shrink", NULL),
        .normalise = bind_field_bool(L, table, "normalise", false),
    };
    part->gate = !isnan(part->floor);
    lua_getfield(L, table, "scores");
    part->scores = bind_check(L, lua_gettop(L), &bind_scores_class);
    lua_pop(L, 1);
}

/* core.reward(samples, parts, { na = , normalise = , moments = , low = , high = ,
 * update = }): scores, { shut = , clipped = }. Moments are updated in place. A part:
 * { name, scores, weight, low, high, floor, shut, shrink, normalise, moments }. */
static int reward_combine(lua_State *L)
{
    static const char *const words[] = { "skip", "zero", "rescale", NULL };
    hone_samples *samples = bind_check(L, 1, &bind_samples_class);
    hone_reward reward = { 0 };
    hone_reward_counts counts;
    hone_moments total, *moments;
    hone_reward_part *parts;
    hone_error err = { 0 };
    bind_box *box;
    int first;

    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    moments_read(L, 3, &total);
    lua_getfield(L, 3, "na");
    reward = (hone_reward){
        .count = bind_count(L, 2), .na = (hone_reward_na)luaL_checkoption(L, -1, "skip", words),
        .normalise = bind_field_bool(L, 3, "normalise", false), .moments = &total,
        .low = bind_field_number(L, 3, "low", -INFINITY),
        .high = bind_field_number(L, 3, "high", INFINITY),
        .update = bind_field_bool(L, 3, "update", true),
    };
    parts = bind_buffer(L, reward.count, sizeof *parts);
    moments = bind_buffer(L, reward.count, sizeof *moments);
    box = bind_new(L, &bind_scores_class);
    first = lua_gettop(L) + 1;
    luaL_checkstack(L, 2 * (int)reward.count + 8, NULL);
    for (size_t k = 0; k < reward.count; k++)
        part_read(L, 2, k, &parts[k], &moments[k]);
    reward.parts = parts;
    bind_ok(L, hone_reward_combine((hone_scores **)&box->object, &counts, &reward, samples, &err),
            &err);
    for (size_t k = 0; k < reward.count; k++)
        moments_write(L, first + 2 * (int)k + 1, &moments[k]);
    moments_write(L, 4, &total);
    lua_settop(L, first - 1);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, (lua_Integer)counts.shut);
    lua_setfield(L, -2, "shut");
    lua_pushinteger(L, (lua_Integer)counts.clipped);
    lua_setfield(L, -2, "clipped");
    return 2;
}

void bind_open_reward(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "score", reward_score }, { "scores_of", reward_scores_of },
        { "scores_failed", reward_scores_failed }, { "reward", reward_combine }, { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
}
