/* head.c -- heads on hidden states, as methods of models. */
#include "bind.h"

#include <math.h>

static hone_model *head_model(lua_State *L)
{
    return bind_check(L, 1, &bind_model_class);
}

/* model:add_head(name [, { outputs = 1, bias = false, sd = 1/sqrt(width + 1),
 * seed = 0 }]). */
static int head_add(lua_State *L)
{
    hone_model *model = head_model(L);
    const char *name = luaL_checkstring(L, 2);
    double sd = 1 / sqrt((double)hone_model_width(model) + 1);
    int64_t outputs = 1, seed = 0;
    hone_error err = { 0 };
    bool bias = false;
    hone_param *param;

    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        outputs = bind_field_int(L, 3, "outputs", outputs);
        bias = bind_field_bool(L, 3, "bias", bias);
        sd = bind_field_number(L, 3, "sd", sd);
        seed = bind_field_int(L, 3, "seed", seed);
    }
    bind_ok(L, hone_model_add_head(&param, model, name, outputs, bias, sd, (uint64_t)seed, &err),
            &err);
    lua_settop(L, 1);
    return 1;
}

/* model:head(hidden, name): [rows, outputs]; [rows] where outputs is 1. */
static int head_apply(lua_State *L)
{
    hone_model *model = head_model(L);
    hone_tensor *hidden = bind_tensor_check(L, 2), *y;
    const char *name = luaL_checkstring(L, 3);
    hone_param *param = hone_model_head_named(model, name);
    hone_graph *g;
    size_t mark;

    if (!param)
        bind_fail(L, "the model has no head '%s'", name);
    g = bind_graph(L);
    mark = hone_graph_mark(g);
    bind_step_keep(L, 1);
    y = hone_linear(g, hidden, param);
    if (hone_param_out(param) == 1)
        y = hone_reshape(g, y, 1, (int64_t[]){ -1 });
    return bind_result(L, g, mark, y);
}

/* model:heads(): { name = outputs }. */
static int head_list(lua_State *L)
{
    hone_params *params = hone_model_params(head_model(L));

    lua_newtable(L);
    for (size_t i = 0; i < hone_params_count(params); i++) {
        hone_param *param = hone_params_at(params, i);

        if (!hone_param_is_head(param))
            continue;
        lua_pushinteger(L, hone_param_out(param));
        lua_setfield(L, -2, hone_param_name(param));
    }
    return 1;
}

void bind_head_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "add_head", head_add }, { "head", head_apply }, { "heads", head_list }, { NULL, NULL },
    };

    luaL_setfuncs(L, methods, 0);
}
