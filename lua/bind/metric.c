/* metric.c -- scoring samples with metrics. */
#include "score.h"

#include <math.h>

static void metric_scores_free(void *object)
{
    hone_scores_free(object);
}

static const luaL_Reg metric_scores_methods[];
static const luaL_Reg metric_scores_meta[];

/* metric:score(samples), or metric(samples). */
static int metric_score(lua_State *L)
{
    hone_instance *metric = bind_instance_check(L, 1, "metric");
    hone_samples *samples = bind_check(L, 2, &bind_samples_class);
    bind_box *box = bind_new(L, &bind_scores_class);
    lua_State *before = bind_enter(L);
    hone_error err = { 0 };
    int code = hone_metric_score(metric, samples, (hone_scores **)&box->object, &err);

    bind_leave(L, before);
    bind_ok(L, code, &err);
    return 1;
}

static void metric_tensor_free(void *object)
{
    hone_tensor_free(object);
}

static const luaL_Reg metric_no_methods[] = { { NULL, NULL } };
static const bind_class metric_tensor_class = { "hone.scores.tensor", metric_tensor_free,
                                                metric_no_methods, NULL, NULL };

static hone_scores *metric_check(lua_State *L)
{
    return bind_check(L, 1, &bind_scores_class);
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

/* Push a zeroed tensor [n] of f32. */
static hone_tensor *metric_vector(lua_State *L, size_t n)
{
    bind_box *box = bind_new(L, &metric_tensor_class);
    int64_t extent = (int64_t)n;
    hone_error err = { 0 };

    bind_ok(L, hone_tensor_new((hone_tensor **)&box->object, HONE_F32, 1, &extent, &err), &err);
    bind_tensor_push(L, box->object, false);
    return box->object;
}

/* scores:tensor(): [samples], NaN where there is no number. */
static int metric_scores_tensor(lua_State *L)
{
    hone_scores *scores = metric_check(L);
    size_t n = hone_scores_count(scores);
    hone_tensor *t = metric_vector(L, n);

    for (size_t i = 0; i < n; i++)
        hone_tensor_set(t, (int64_t)i, hone_scores_value(scores, i));
    return 1;
}

/* scores:tokens(samples): of the model's own tokens of all samples, NaN where none
 * was set: [tokens]; nil where no sample has any. */
static int metric_scores_tokens(lua_State *L)
{
    hone_scores *scores = metric_check(L);
    hone_samples *samples = bind_check(L, 2, &bind_samples_class);
    bool any = false;
    int64_t next = 0;
    hone_tensor *t;

    for (size_t i = 0; i < hone_samples_count(samples); i++)
        any = any || hone_scores_tokens(scores, i);
    if (!any) {
        lua_pushnil(L);
        return 1;
    }
    t = metric_vector(L, (size_t)hone_samples_own_tokens(samples));
    for (size_t i = 0; i < hone_samples_count(samples); i++) {
        const hone_sample *s = hone_samples_at(samples, i);
        const double *values = hone_scores_tokens(scores, i);

        for (int64_t k = 0; k < hone_sample_response_tokens(samples, i); k++) {
            if ((!s->own || s->own[k]) && next < hone_tensor_count(t))
                hone_tensor_set(t, next++, values ? values[k] : (double)NAN);
        }
    }
    return 1;
}

/* scores:failures(): a list of { sample = i, message = }. */
static int metric_scores_failures(lua_State *L)
{
    hone_scores *scores = metric_check(L);
    lua_Integer n = 0;

    lua_newtable(L);
    for (size_t i = 0; i < hone_scores_count(scores); i++) {
        if (hone_scores_state(scores, i) != HONE_SCORE_FAILED)
            continue;
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, (lua_Integer)i + 1);
        lua_setfield(L, -2, "sample");
        lua_pushstring(L, hone_scores_message(scores, i));
        lua_setfield(L, -2, "message");
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static const luaL_Reg metric_scores_methods[] = {
    { "state", metric_scores_state }, { "head", metric_scores_head },
    { "summary", metric_scores_summary }, { "tensor", metric_scores_tensor },
    { "tokens", metric_scores_tokens }, { "failures", metric_scores_failures }, { NULL, NULL },
};
static const luaL_Reg metric_scores_meta[] = {
    { "__len", metric_scores_length }, { "__index", metric_scores_index }, { NULL, NULL },
};
const bind_class bind_scores_class = { "hone.scores", metric_scores_free,
                                                metric_scores_methods, NULL, metric_scores_meta };

void bind_open_metric(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "score", metric_score }, { "call", metric_score }, { NULL, NULL },
    };

    bind_class_new(L, &metric_tensor_class);
    bind_class_new(L, &bind_scores_class);
    lua_pop(L, 2);
    lua_getfield(L, -1, "kind");
    lua_pushliteral(L, "metric");
    lua_call(L, 1, 1);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
    bind_open_reward(L);
    bind_open_calibrate(L);
}
