/* advantage.c -- the arithmetic of <hone/advantage.h> on tensors, as functions
 * hone.tensor.NAME, and spread, which has a gradient. Results of the others
 * live beyond the step. lua/hone/tensor.lua checks options. Lengths
 * are a tensor or a list. */
#include "bind.h"

#include <hone/advantage.h>

hone_tensor *bind_lengths(lua_State *L, int arg)
{
    hone_error err = { 0 };
    bind_tensor *handle;
    int64_t count;

    arg = lua_absindex(L, arg);
    if (!lua_istable(L, arg))
        return bind_tensor_check(L, arg);
    count = (int64_t)lua_rawlen(L, arg);
    handle = bind_tensor_box(L);
    bind_tensor_filled(L, handle, hone_tensor_new(&handle->tensor, HONE_F64, 1, &count, &err),
                       &err);
    for (int64_t i = 0; i < count; i++) {
        lua_rawgeti(L, arg, i + 1);
        hone_tensor_set(handle->tensor, i, luaL_checknumber(L, -1));
        lua_pop(L, 1);
    }
    lua_replace(L, arg);
    return handle->tensor;
}

int32_t *bind_starts(lua_State *L, const hone_tensor *lengths, int64_t tokens, const char *what)
{
    int64_t count = hone_tensor_count(lengths);
    int32_t *starts = bind_buffer(L, (size_t)count + 1, sizeof *starts);
    hone_error err = { 0 };

    bind_ok(L, hone_lengths_check(lengths, tokens, what, &err), &err);
    for (int64_t i = 0; i < count; i++)
        starts[i + 1] = starts[i] + (int32_t)hone_tensor_get(lengths, i);
    return starts;
}

static hone_tensor *advantage_opt(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? NULL : bind_tensor_check(L, arg);
}

/* "unbiased" or "biased". */
static hone_variance advantage_variance(lua_State *L, int arg)
{
    static const char *const names[] = { "unbiased", "biased", NULL };

    return (hone_variance)luaL_checkoption(L, arg, "unbiased", names);
}

/* group_normalise(reward, group, eps, scale, variance). */
static int advantage_group_normalise(lua_State *L)
{
    const hone_tensor *reward = bind_tensor_check(L, 1);
    int64_t group = luaL_checkinteger(L, 2);
    double eps = luaL_checknumber(L, 3);
    bool scale = lua_toboolean(L, 4);
    hone_variance variance = advantage_variance(L, 5);
    bind_tensor *out = bind_tensor_box(L);
    hone_error err = { 0 };

    return bind_tensor_filled(L, out, hone_group_normalise(&out->tensor, reward, group, eps, scale,
                                                           variance, &err), &err);
}

/* group_differs(reward, group), leave_one_out(reward, group). */
static int advantage_group(lua_State *L)
{
    bool differs = lua_toboolean(L, lua_upvalueindex(1));
    const hone_tensor *reward = bind_tensor_check(L, 1);
    int64_t group = luaL_checkinteger(L, 2);
    bind_tensor *out = bind_tensor_box(L);
    hone_error err = { 0 };
    int code = differs ? hone_group_differs(&out->tensor, reward, group, &err)
                       : hone_leave_one_out(&out->tensor, reward, group, &err);

    return bind_tensor_filled(L, out, code, &err);
}

/* gae(rewards, values, lengths, gamma, lambda [, last]): advantages, returns. */
static int advantage_gae(lua_State *L)
{
    const hone_tensor *rewards = bind_tensor_check(L, 1), *values = bind_tensor_check(L, 2);
    const hone_tensor *lengths = bind_lengths(L, 3), *last;
    double gamma = luaL_checknumber(L, 4), lambda = luaL_checknumber(L, 5);
    bind_tensor *advantages, *returns;
    hone_error err = { 0 };
    int code;

    last = advantage_opt(L, 6);
    advantages = bind_tensor_box(L);
    returns = bind_tensor_box(L);
    code = hone_gae(&advantages->tensor, &returns->tensor, rewards, values, lengths, gamma, lambda,
                    last, &err);
    bind_tensor_filled(L, advantages, code, &err);
    bind_tensor_filled(L, returns, code, &err);
    return 2;
}

/* discounted(rewards, lengths, gamma). */
static int advantage_discounted(lua_State *L)
{
    const hone_tensor *rewards = bind_tensor_check(L, 1), *lengths = bind_lengths(L, 2);
    double gamma = luaL_checknumber(L, 3);
    bind_tensor *out = bind_tensor_box(L);
    hone_error err = { 0 };

    return bind_tensor_filled(L, out, hone_discounted(&out->tensor, rewards, lengths, gamma, &err),
                              &err);
}

/* whiten(x, mask, keep_mean, variance). */
static int advantage_whiten(lua_State *L)
{
    const hone_tensor *x = bind_tensor_check(L, 1), *mask = advantage_opt(L, 2);
    bool keep_mean = lua_toboolean(L, 3);
    hone_variance variance = advantage_variance(L, 4);
    bind_tensor *out = bind_tensor_box(L);
    hone_error err = { 0 };

    return bind_tensor_filled(L, out, hone_whiten(&out->tensor, x, mask, keep_mean, variance, &err),
                              &err);
}

/* score_at_end(score, lengths). */
static int advantage_score_at_end(lua_State *L)
{
    const hone_tensor *score = bind_tensor_check(L, 1), *lengths = bind_lengths(L, 2);
    bind_tensor *out = bind_tensor_box(L);
    hone_error err = { 0 };

    return bind_tensor_filled(L, out, hone_score_at_end(&out->tensor, score, lengths, &err), &err);
}

/* token_rewards(score, kl, lengths, beta). */
static int advantage_token_rewards(lua_State *L)
{
    const hone_tensor *score = bind_tensor_check(L, 1), *kl = bind_tensor_check(L, 2);
    const hone_tensor *lengths = bind_lengths(L, 3);
    double beta = luaL_checknumber(L, 4);
    bind_tensor *out = bind_tensor_box(L);
    hone_error err = { 0 };

    return bind_tensor_filled(L, out, hone_token_rewards(&out->tensor, score, kl, lengths, beta,
                                                         &err), &err);
}

/* segment_max(x, lengths). */
static int advantage_segment_max(lua_State *L)
{
    const hone_tensor *x = bind_tensor_check(L, 1), *lengths = bind_lengths(L, 2);
    bind_tensor *out = bind_tensor_box(L);
    hone_error err = { 0 };

    return bind_tensor_filled(L, out, hone_segment_max(&out->tensor, x, lengths, &err), &err);
}

/* spread(t, lengths): row i of t [samples, ...] lengths[i] times: [tokens, ...]. */
static int advantage_spread(lua_State *L)
{
    hone_tensor *t = bind_tensor_check(L, 1);
    const hone_tensor *lengths = bind_lengths(L, 2);
    int64_t samples = hone_tensor_count(lengths), rows = 0, n = 0;
    int32_t *index;
    hone_graph *g;
    size_t mark;

    for (int64_t s = 0; s < samples; s++) {
        double length = hone_tensor_get(lengths, s);
        rows += length >= 0 && length <= INT32_MAX ? (int64_t)length : 0;
    }
    (void)bind_starts(L, lengths, rows, "spread"); /* raises where a length is none */
    if (samples != hone_tensor_extent(t, 0))
        bind_fail(L, "spread: %" PRId64 " lengths for %" PRId64 " rows", samples,
                  hone_tensor_extent(t, 0));
    index = bind_buffer(L, (size_t)rows, sizeof *index);
    for (int64_t s = 0; s < samples; s++)
        for (int64_t k = (int64_t)hone_tensor_get(lengths, s); k > 0; k--)
            index[n++] = (int32_t)s;
    g = bind_graph(L);
    mark = hone_graph_mark(g);
    return bind_result(L, g, mark, hone_rows(g, t, index, rows));
}

void bind_open_advantage(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "group_normalise", advantage_group_normalise }, { "gae", advantage_gae },
        { "discounted", advantage_discounted }, { "whiten", advantage_whiten },
        { "score_at_end", advantage_score_at_end }, { "token_rewards", advantage_token_rewards },
        { "segment_max", advantage_segment_max }, { "spread", advantage_spread }, { NULL, NULL },
    };

    lua_getfield(L, -1, "tensor");
    luaL_setfuncs(L, functions, 0);
    lua_pushboolean(L, true);
    lua_pushcclosure(L, advantage_group, 1);
    lua_setfield(L, -2, "group_differs");
    lua_pushboolean(L, false);
    lua_pushcclosure(L, advantage_group, 1);
    lua_setfield(L, -2, "leave_one_out");
    lua_pop(L, 1);
}
