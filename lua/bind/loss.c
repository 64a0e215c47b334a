/* loss.c -- from a batch to losses: methods of models over <hone/loss.h>. */
#include "bind.h"

/* The model's head, seen at a temperature. */
static hone_head loss_head(lua_State *L, hone_model *model, int options)
{
    const hone_head *head = hone_model_head(model);
    double temperature = 0;

    if (!head)
        bind_fail(L, "the model has no vocabulary head");
    if (lua_istable(L, options))
        temperature = bind_field_number(L, options, "temperature", 0);
    if (temperature < 0)
        bind_fail(L, "temperature: %g is out of range (allowed: > 0)", temperature);
    hone_head out = *head;
    if (temperature > 0)
        out.scale = (out.scale > 0 ? out.scale : 1) * temperature;
    return out;
}

static void loss_need_targets(lua_State *L, const hone_batch *batch, const hone_tensor *hidden)
{
    int64_t n = hone_batch_outputs(batch);
    const int32_t *targets = hone_batch_targets(batch);

    if (hidden && hone_tensor_extent(hidden, 0) != n)
        bind_fail(L, "the batch has %" PRId64 " outputs, hidden has %" PRId64 " rows", n,
                  hone_tensor_extent(hidden, 0));
    for (int64_t i = 0; i < n; i++)
        if (targets[i] < 0)
            bind_fail(L, "the batch has outputs without a target");
}

/* model:hidden(batch): hidden states of the outputs, [outputs, width]. */
static int loss_hidden(lua_State *L)
{
    hone_model *model = bind_check(L, 1, &bind_model_class);
    hone_batch *batch = bind_check(L, 2, &bind_batch_class);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    bind_step_keep(L, 1);
    bind_step_keep(L, 2);
    return bind_result(L, g, mark, hone_model_hidden(model, g, batch, NULL));
}

/* model:logits(hidden [, { temperature = 1 }]): [outputs, vocab], for few outputs. */
static int loss_logits(lua_State *L)
{
    hone_model *model = bind_check(L, 1, &bind_model_class);
    hone_tensor *hidden = bind_tensor_check(L, 2);
    hone_head head = loss_head(L, model, 3);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_head_logits(g, hidden, &head));
}

/* model:cross_entropy(hidden, batch): the weighted sum over targets in nats,
 * and each target's own, [outputs], without gradient. */
static int loss_cross_entropy(lua_State *L)
{
    hone_model *model = bind_check(L, 1, &bind_model_class);
    hone_tensor *hidden = bind_tensor_check(L, 2), *nll = NULL, *sum;
    hone_batch *batch = bind_check(L, 3, &bind_batch_class);
    hone_head head = loss_head(L, model, 4);
    hone_graph *g;
    size_t mark;

    loss_need_targets(L, batch, hidden);
    bind_step_keep(L, 3);
    g = bind_graph(L);
    mark = hone_graph_mark(g);
    sum = hone_head_cross_entropy(g, hidden, &head, hone_batch_targets(batch),
                                  hone_batch_weights(batch), &nll);
    if (!sum || !nll)
        bind_graph_raise(L, g);
    bind_tensor_push(L, sum, bind_get(L)->stepping);
    bind_tensor_push(L, nll, bind_get(L)->stepping);
    hone_graph_release(g, mark, NULL);
    return 2;
}

/* model:logp(batch [, { temperature = 1, entropy = false, hidden = }]): log p of
 * each target in nats, [outputs]; with entropy also that of each distribution.
 * hidden: that of the batch, where the caller has it. */
static int loss_logp(lua_State *L)
{
    hone_model *model = bind_check(L, 1, &bind_model_class);
    hone_batch *batch = bind_check(L, 2, &bind_batch_class);
    hone_head head = loss_head(L, model, 3);
    bool with_entropy = lua_istable(L, 3) && bind_field_bool(L, 3, "entropy", false);
    hone_tensor *hidden = NULL, *logp, *entropy = NULL;
    hone_graph *g;
    size_t mark;

    if (lua_istable(L, 3) && lua_getfield(L, 3, "hidden") != LUA_TNIL)
        hidden = bind_tensor_check(L, lua_gettop(L));
    loss_need_targets(L, batch, hidden);
    bind_step_keep(L, 1);
    bind_step_keep(L, 2);
    g = bind_graph(L);
    mark = hone_graph_mark(g);
    if (!hidden)
        hidden = hone_model_hidden(model, g, batch, NULL);
    logp = hone_head_logp(g, hidden, &head, hone_batch_targets(batch),
                          with_entropy ? &entropy : NULL);
    if (!logp || (with_entropy && !entropy))
        bind_graph_raise(L, g);
    bind_tensor_push(L, logp, bind_get(L)->stepping);
    if (with_entropy)
        bind_tensor_push(L, entropy, bind_get(L)->stepping);
    hone_graph_release(g, mark, NULL);
    return with_entropy ? 2 : 1;
}

/* ---- any function of logits ---- */

/* Lives as long as the step, in a box that the step keeps. */
typedef struct loss_call {
    bind_state *state;
    int function; /* in the registry */
} loss_call;

static void loss_call_free(void *object)
{
    loss_call *call = object;

    luaL_unref(call->state->L, LUA_REGISTRYINDEX, call->function);
    hone_free(call);
}

static const luaL_Reg loss_no_methods[] = { { NULL, NULL } };
static const bind_class loss_call_class = { "hone.loss", loss_call_free, loss_no_methods, NULL,
                                            NULL };

/* Call the script's function with a handle on a chunk of logits. What it made
 * on the way is let go when it returns; the tape keeps what backward needs. */
static int loss_call_script(lua_State *L)
{
    const loss_call *call = lua_touserdata(L, 1);
    hone_tensor *logits = lua_touserdata(L, 2);

    lua_rawgeti(L, LUA_REGISTRYINDEX, call->function);
    bind_tensor_push(L, logits, true);
    lua_pushvalue(L, 3);
    lua_call(L, 2, 1);
    bind_tensor_check(L, -1);
    return 1;
}

static hone_tensor *loss_over(void *user, hone_graph *g, hone_tensor *logits, int64_t first)
{
    loss_call *call = user;
    lua_State *L = call->state->L;
    bind_tensor *before = call->state->handles;
    hone_tensor *result = NULL;
    int top = lua_gettop(L);

    if (!lua_checkstack(L, 8))
        return hone_graph_fail(g, HONE_ENOMEM, "over_logits: the Lua stack is full");
    lua_pushcfunction(L, loss_call_script);
    lua_pushlightuserdata(L, call);
    lua_pushlightuserdata(L, logits);
    lua_pushinteger(L, first + 1);
    call->state->calls++;
    if (lua_pcall(L, 3, 1, 0) == LUA_OK)
        result = bind_tensor_test(L, -1);
    else
        hone_graph_fail(g, HONE_EINVAL, "over_logits: %s", luaL_tolstring(L, -1, NULL));
    call->state->calls--;
    lua_settop(L, top);
    bind_tensor_end(call->state, before);
    return result;
}

/* model:over_logits(hidden, function(logits, first) ... end): the function gets
 * chunks of rows and returns a value a row; the results together, [outputs].
 * It is called again in backward and must compute the same. */
static int loss_over_logits(lua_State *L)
{
    hone_model *model = bind_check(L, 1, &bind_model_class);
    hone_tensor *hidden = bind_tensor_check(L, 2), *result;
    hone_head head = loss_head(L, model, 4);
    lua_State *before;
    loss_call *call;
    bind_box *box;
    hone_graph *g;
    size_t mark;

    luaL_checktype(L, 3, LUA_TFUNCTION);
    g = bind_graph(L);
    box = bind_new(L, &loss_call_class);
    call = hone_alloc(1, sizeof *call);
    if (!call)
        bind_fail(L, "out of memory");
    *call = (loss_call){ bind_get(L), LUA_NOREF };
    box->object = call;
    lua_pushvalue(L, 3);
    call->function = luaL_ref(L, LUA_REGISTRYINDEX);
    bind_step_keep(L, -1);
    mark = hone_graph_mark(g);
    before = bind_enter(L);
    result = hone_head_over_logits(g, hidden, &head, loss_over, call);
    bind_leave(L, before);
    return bind_result(L, g, mark, result);
}

void bind_open_loss(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "hidden", loss_hidden }, { "logits", loss_logits },
        { "cross_entropy", loss_cross_entropy }, { "logp", loss_logp },
        { "over_logits", loss_over_logits }, { NULL, NULL },
    };

    bind_class_new(L, &loss_call_class);
    lua_pop(L, 1);
    lua_getfield(L, -1, "model");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
