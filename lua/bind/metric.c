/* metric.c -- scoring samples with metrics. */
#include "bind.h"

#include <string.h>

static void metric_scores_free(void *object)
{
    hone_scores_free(object);
}

static const luaL_Reg metric_scores_methods[];
static const luaL_Reg metric_scores_meta[];
static const bind_class metric_scores_class;

/* metric:score(samples), or metric(samples). */
static int metric_score(lua_State *L)
{
    hone_instance *metric = bind_instance_check(L, 1, "metric");
    hone_samples *samples = bind_check(L, 2, &bind_samples_class);
    bind_box *box = bind_new(L, &metric_scores_class);
    lua_State *before = bind_enter(L);
    hone_error err = { 0 };
    int code = hone_metric_score(metric, samples, (hone_scores **)&box->object, &err);

    bind_leave(L, before);
    bind_ok(L, code, &err);
    return 1;
}

static hone_scores *metric_check(lua_State *L)
{
    return bind_check(L, 1, &metric_scores_class);
}

static int metric_scores_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_scores_count(metric_check(L)));
    return 1;
}

/* scores[i]: a number; nil where the metric does not apply or failed. */
static int metric_scores_index(lua_State *L)
{
    hone_scores *scores = metric_check(L);
    int exact;
    lua_Integer i = lua_tointegerx(L, 2, &exact);

    if (exact && i >= 1 && (size_t)i <= hone_scores_count(scores) &&
        hone_scores_state(scores, (size_t)i - 1) == HONE_SCORE_NUMBER)
        lua_pushnumber(L, hone_scores_value(scores, (size_t)i - 1));
    else
        lua_pushnil(L);
    return 1;
}

static size_t metric_arg(lua_State *L, const hone_scores *scores)
{
    lua_Integer i = luaL_checkinteger(L, 2);

    if (i < 1 || (size_t)i > hone_scores_count(scores))
        bind_fail(L, "sample %lld is out of range (allowed: 1 to %zu)", i,
                  hone_scores_count(scores));
    return (size_t)i - 1;
}

/* scores:state(i): "number", "na", "failed"; and the message of a failure. */
static int metric_scores_state(lua_State *L)
{
    static const char *const names[] = { "missing", "number", "na", "failed" };
    hone_scores *scores = metric_check(L);
    size_t i = metric_arg(L, scores);

    lua_pushstring(L, names[hone_scores_state(scores, i)]);
    lua_pushstring(L, hone_scores_message(scores, i));
    return 2;
}

/* scores:head(i, name): the number of one of several heads, or nil. */
static int metric_scores_head(lua_State *L)
{
    hone_scores *scores = metric_check(L);
    double value = hone_scores_head(scores, metric_arg(L, scores), luaL_checkstring(L, 3));

    if (value == value)
        lua_pushnumber(L, value);
    else
        lua_pushnil(L);
    return 1;
}

/* scores:summary(): count, na, failed, mean, sd, min, max, ...; hone.null
 * without numbers. */
static int metric_scores_summary(lua_State *L)
{
    hone_scores *scores = metric_check(L);
    hone_json **summary = bind_json_box(L);
    hone_error err = { 0 };

    bind_ok(L, hone_scores_summary(scores, summary, &err), &err);
    bind_push_json(L, *summary);
    return 1;
}

static const luaL_Reg metric_scores_methods[] = {
    { "state", metric_scores_state }, { "head", metric_scores_head },
    { "summary", metric_scores_summary }, { NULL, NULL },
};
static const luaL_Reg metric_scores_meta[] = {
    { "__len", metric_scores_length }, { "__index", metric_scores_index }, { NULL, NULL },
};
static const bind_class metric_scores_class = { "hone.scores", metric_scores_free,
                                                metric_scores_methods, NULL, metric_scores_meta };

void bind_open_metric(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "score", metric_score }, { "call", metric_score }, { NULL, NULL },
    };

    bind_class_new(L, &metric_scores_class);
    lua_pop(L, 1);
    lua_getfield(L, -1, "kind");
    lua_pushliteral(L, "metric");
    lua_call(L, 1, 1);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
