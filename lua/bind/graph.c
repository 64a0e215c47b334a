/* graph.c -- steps, and the graph behind the operations on tensors.
 *
 * There is one graph. Outside the steps that a script begins, operations run
 * in an idle step that records nothing: each result belongs to its handle.
 * In a step results belong to the step, but for those of detach. */
#include "bind.h"

static char graph_keep_key;

static void graph_keep_clear(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &graph_keep_key);
}

void bind_step_keep(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    if (!bind_get(L)->stepping)
        return;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &graph_keep_key);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

hone_graph *bind_graph(lua_State *L)
{
    hone_context *context = bind_context(L);
    bind_state *state = bind_get(L);
    hone_graph_options options = { 0 };
    hone_error err = { 0 };

    bind_tensor_pay(L);
    if (!state->graph)
        bind_ok(L, hone_graph_new(&state->graph, context, NULL, &err), &err);
    if (!state->stepping && !state->idle) {
        bind_ok(L, hone_graph_begin(state->graph, &options, &err), &err);
        state->idle = true;
    }
    return state->graph;
}

void bind_graph_raise(lua_State *L, hone_graph *g)
{
    bind_state *state = bind_get(L);
    hone_error err = { 0 };

    if (hone_graph_error(g, &err) == HONE_OK)
        hone_fail(&err, HONE_ESTATE, "the operation failed and did not say why");
    /* The idle step is over with its first error; the next operation begins another. */
    if (state->idle) {
        hone_graph_end(g, NULL);
        state->idle = false;
    }
    bind_raise(L, &err);
}

int bind_result(lua_State *L, hone_graph *g, size_t mark, hone_tensor *t)
{
    bind_state *state = bind_get(L);

    if (!t)
        bind_graph_raise(L, g);
    bind_tensor_push(L, t, state->stepping);
    /* What a call back returns must outlive its handle: the op that called holds it. */
    hone_graph_release(g, mark, state->calls ? t : NULL);
    return 1;
}

/* core.graph.begin { record = true, train = false, adapters = true, seed = 0 }. */
static int graph_begin(lua_State *L)
{
    hone_graph_options options = { .record = true };
    bind_state *state;
    hone_error err = { 0 };
    hone_graph *g;

    luaL_checktype(L, 1, LUA_TTABLE);
    options.record = bind_field_bool(L, 1, "record", true);
    options.train = bind_field_bool(L, 1, "train", false);
    options.adapters_off = !bind_field_bool(L, 1, "adapters", true);
    options.seed = (uint64_t)bind_field_int(L, 1, "seed", 0);
    g = bind_graph(L);
    state = bind_get(L);
    if (state->stepping)
        bind_fail(L, "a step begins within a step");
    hone_graph_end(g, NULL);
    state->idle = false;
    bind_ok(L, hone_graph_begin(g, &options, &err), &err);
    state->stepping = true;
    graph_keep_clear(L);
    return 0;
}

/* core.graph.finish([quiet]): handles of the step let go. Raises the step's
 * first error, unless quiet. */
static int graph_finish(lua_State *L)
{
    bind_state *state = bind_get(L);
    bool quiet = lua_toboolean(L, 1);
    hone_error err = { 0 };
    int code;

    if (!state->stepping)
        return 0;
    state->stepping = false;
    bind_tensor_end(state, NULL);
    code = hone_graph_end(state->graph, &err);
    graph_keep_clear(L);
    if (!quiet)
        bind_ok(L, code, &err);
    return 0;
}

static int graph_stepping(lua_State *L)
{
    lua_pushboolean(L, bind_get(L)->stepping);
    return 1;
}

/* t:backward([scale]): gradients of a scalar into every leaf. */
static int graph_backward(lua_State *L)
{
    hone_tensor *t = bind_tensor_check(L, 1);
    double scale = luaL_optnumber(L, 2, 1.0);
    hone_graph *g = bind_graph(L);
    hone_error err = { 0 };
    lua_State *before;
    int code;

    if (!bind_get(L)->stepping)
        bind_fail(L, "backward: nothing was recorded outside a step");
    before = bind_enter(L);
    code = hone_graph_backward(g, t, scale, &err);
    bind_leave(L, before);
    bind_ok(L, code, &err);
    return 0;
}

/* core.graph.record(on), core.graph.adapters(on): switch within a step; each
 * returns what was in force. */
static int graph_record(lua_State *L)
{
    lua_pushboolean(L, hone_graph_record(bind_graph(L), lua_toboolean(L, 1)));
    return 1;
}

static int graph_adapters(lua_State *L)
{
    lua_pushboolean(L, hone_graph_adapters(bind_graph(L), lua_toboolean(L, 1)));
    return 1;
}

/* Most bytes that tensors of the graph took, since the step began. */
static int graph_peak(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_graph_peak(bind_graph(L)));
    return 1;
}

static int graph_kernels(lua_State *L)
{
    lua_pushstring(L, hone_graph_kernels(bind_graph(L)));
    return 1;
}

void bind_open_graph(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "begin", graph_begin }, { "finish", graph_finish }, { "stepping", graph_stepping },
        { "record", graph_record }, { "adapters", graph_adapters }, { "peak", graph_peak },
        { "kernels", graph_kernels }, { NULL, NULL },
    };

    graph_keep_clear(L);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "graph");
    lua_getfield(L, -1, "tensor");
    lua_pushcfunction(L, graph_backward);
    lua_setfield(L, -2, "backward");
    lua_pop(L, 1);
}
