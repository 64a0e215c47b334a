/* score.c -- calling functions of a script that score samples.
 *
 * A hook looks at the clock and at Ctrl-C every so many instructions. Once the
 * time is over it raises at every instruction, so that a pcall in the script
 * cannot go on. A call into C is not interrupted. */
#include "score.h"

#include <string.h>
#include <time.h>

#define SCORE_INSTRUCTIONS 10000 /* between two looks at the clock */

static double score_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void score_hook(lua_State *L, lua_Debug *ar)
{
    const bind_state *state = bind_get(L);
    bool late = state->deadline > 0 && score_clock() > state->deadline;

    (void)ar;
    if (!late && !hone_context_interrupted(state->context))
        return;
    lua_sethook(L, score_hook, LUA_MASKCOUNT, 1);
    luaL_error(L, late ? "took longer than its timeout" : "interrupted");
}

/* Message handler: the message as text; the traceback goes to the log. */
static int score_message(lua_State *L)
{
    const score_call *call = lua_touserdata(L, lua_upvalueindex(1));

    lua_sethook(L, NULL, 0, 0);
    luaL_tolstring(L, 1, NULL);
    lua_replace(L, 1);
    lua_settop(L, 1);
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    hone_log(call->state->context, HONE_LOG_DEBUG, "%s: %s", call->name, lua_tostring(L, -1));
    lua_settop(L, 1);
    return 1;
}

/* ---- values ---- */

static void score_set_heads(lua_State *L, const score_call *call, size_t i, int heads)
{
    lua_pushnil(L);
    while (lua_next(L, heads)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            hone_score_fail(call->out, i, "heads: a key is a %s (allowed: names)",
                            luaL_typename(L, -2));
        else if (lua_type(L, -1) != LUA_TNUMBER)
            hone_score_fail(call->out, i, "heads: %s is a %s (allowed: a number)",
                            lua_tostring(L, -2), luaL_typename(L, -1));
        else
            hone_score_head(call->out, i, lua_tostring(L, -2), lua_tonumber(L, -1));
        lua_pop(L, 1);
    }
}

/* false in the list: no number for that token. */
static void score_set_tokens(lua_State *L, const score_call *call, size_t i, int tokens)
{
    int64_t length = hone_sample_response_tokens(call->samples, i);
    lua_Unsigned n = lua_rawlen(L, tokens);

    if (length < 0 || n != (lua_Unsigned)length) {
        hone_score_fail(call->out, i, "tokens: %llu scores for a response of %lld tokens",
                        (unsigned long long)n, (long long)(length < 0 ? 0 : length));
        return;
    }
    for (lua_Unsigned k = 0; k < n; k++) {
        int type = lua_rawgeti(L, tokens, (lua_Integer)k + 1);
        if (type == LUA_TNUMBER)
            hone_score_token(call->out, i, (int64_t)k, lua_tonumber(L, -1));
        else if (type != LUA_TBOOLEAN || lua_toboolean(L, -1))
            hone_score_fail(call->out, i, "tokens: score %llu is a %s (allowed: numbers, false)",
                            (unsigned long long)k + 1, luaL_typename(L, -1));
        lua_pop(L, 1);
    }
}

static bool score_is_null(lua_State *L, int index)
{
    return lua_islightuserdata(L, index) && !lua_touserdata(L, index);
}

static void score_set_table(lua_State *L, const score_call *call, size_t i, int table)
{
    int type = lua_getfield(L, table, "score");

    if (lua_getfield(L, table, "failed") == LUA_TSTRING) {
        hone_score_fail(call->out, i, "%s", lua_tostring(L, -1));
        lua_pop(L, 2);
        return;
    }
    lua_pop(L, 1);
    if (type == LUA_TNUMBER)
        hone_score_set(call->out, i, lua_tonumber(L, -1));
    else if (type == LUA_TNIL || score_is_null(L, -1))
        hone_score_na(call->out, i);
    else
        hone_score_fail(call->out, i, "score is a %s (allowed: a number, nil)",
                        luaL_typename(L, -1));
    if (lua_getfield(L, table, "heads") == LUA_TTABLE)
        score_set_heads(L, call, i, lua_gettop(L));
    if (lua_getfield(L, table, "tokens") == LUA_TTABLE)
        score_set_tokens(L, call, i, lua_gettop(L));
    lua_pop(L, 3);
}

void bind_score_set(lua_State *L, const score_call *call, size_t i, int value)
{
    value = lua_absindex(L, value);
    luaL_checkstack(L, 8, NULL);
    switch (score_is_null(L, value) ? LUA_TNIL : lua_type(L, value)) {
    case LUA_TNUMBER: hone_score_set(call->out, i, lua_tonumber(L, value)); break;
    case LUA_TNIL: hone_score_na(call->out, i); break;
    case LUA_TBOOLEAN: hone_score_set(call->out, i, lua_toboolean(L, value)); break;
    case LUA_TTABLE: score_set_table(L, call, i, value); break;
    default:
        hone_score_fail(call->out, i, "score returned a %s (allowed: a number, nil, a table)",
                        luaL_typename(L, value));
    }
}

/* The largest index of a list, which may have holes. */
static lua_Integer score_last(lua_State *L, int list)
{
    lua_Integer last = 0;

    lua_pushnil(L);
    while (lua_next(L, list)) {
        if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > last)
            last = lua_tointeger(L, -2);
        lua_pop(L, 1);
    }
    return last;
}

/* Nil in between does not apply; at the end it could be a list that is too short. */
int bind_score_list(lua_State *L, const score_call *call, int list, const char *who,
                    hone_error *err)
{
    size_t n = hone_samples_count(call->samples);
    lua_Integer last;

    list = lua_absindex(L, list);
    if (!lua_istable(L, list))
        return hone_fail(err, HONE_EINVAL, "%s returned a %s (allowed: a list of scores)", who,
                         luaL_typename(L, list));
    last = score_last(L, list);
    if ((size_t)last != n)
        return hone_fail(err, HONE_EINVAL, "%s returned %lld scores for %zu samples "
                         "(hone.null: does not apply)", who, (long long)last, n);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        bind_score_set(L, call, i, -1);
        lua_pop(L, 1);
    }
    return HONE_OK;
}

/* ---- calls ---- */

static void score_begin(lua_State *L, const score_call *call)
{
    double late = call->timeout > 0 ? score_clock() + call->timeout : call->outer;

    call->state->deadline = call->outer > 0 && call->outer < late ? call->outer : late;
    lua_sethook(L, score_hook, LUA_MASKCOUNT, SCORE_INSTRUCTIONS);
}

/* Stack: samples, options, handler. */
static void score_each(lua_State *L, const score_call *call, int samples)
{
    int handler = samples + 2;

    for (size_t i = 0; i < hone_samples_count(call->samples); i++) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, call->function);
        bind_sample_push(L, samples, i);
        lua_pushvalue(L, samples + 1);
        score_begin(L, call);
        if (lua_pcall(L, 2, 1, handler) != LUA_OK)
            hone_score_fail(call->out, i, "%s", lua_tostring(L, -1));
        else
            bind_score_set(L, call, i, -1);
        lua_sethook(L, NULL, 0, 0);
        lua_settop(L, handler);
        if (hone_context_interrupted(call->state->context))
            luaL_error(L, "interrupted");
    }
}

/* Protected: scores all samples. The argument: the call. */
static int score_run(lua_State *L)
{
    const score_call *call = lua_touserdata(L, 1);
    hone_error err = { 0 };
    int samples;

    luaL_checkstack(L, 16, NULL);
    bind_samples_push(L, call->samples);
    samples = lua_gettop(L);
    call->options ? bind_push_json(L, call->options) : lua_pushnil(L);
    lua_pushlightuserdata(L, (void *)call);
    lua_pushcclosure(L, score_message, 1);
    if (!call->batch) {
        score_each(L, call, samples);
        return 0;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->function);
    lua_pushvalue(L, samples);
    lua_pushvalue(L, samples + 1);
    score_begin(L, call);
    lua_call(L, 2, 1);
    lua_sethook(L, NULL, 0, 0);
    if (bind_score_list(L, call, -1, "score_batch", &err))
        luaL_error(L, "%s", err.message);
    return 0;
}

int bind_score(score_call *call, hone_error *err)
{
    bind_state *state = call->state;
    lua_State *L = state->L;
    int top = lua_gettop(L), code = HONE_OK, count = lua_gethookcount(L), mask = lua_gethookmask(L);
    lua_Hook hook = lua_gethook(L);
    double before = state->deadline;

    if (!lua_checkstack(L, 8))
        return hone_fail(err, HONE_ENOMEM, "the Lua stack is full");
    call->outer = before;
    lua_pushlightuserdata(L, call);
    lua_pushcclosure(L, score_message, 1);
    lua_pushcfunction(L, score_run);
    lua_pushlightuserdata(L, call);
    if (lua_pcall(L, 1, 0, top + 1) != LUA_OK)
        code = hone_fail(err, hone_context_interrupted(state->context) ? HONE_EINTERRUPTED
                                                                       : HONE_EINVAL,
                         "%s", lua_tostring(L, -1));
    lua_sethook(L, hook, mask, count);
    state->deadline = before;
    lua_settop(L, top);
    return code;
}
