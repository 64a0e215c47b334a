/* optimizer.c -- a rule at work on what a model trains. */
#include "bind.h"

/* The optimizer, and the references that it needs alive. */
typedef struct optimizer_work {
    hone_optimizer *optimizer;
    hone_model *model;
    hone_instance *plugin;
} optimizer_work;

static void optimizer_free(void *object)
{
    optimizer_work *work = object;

    hone_optimizer_free(work->optimizer);
    hone_instance_free(work->plugin);
    hone_model_free(work->model);
    hone_free(work);
}

static const luaL_Reg optimizer_methods[];
static const luaL_Reg optimizer_properties[];
static const bind_class optimizer_class;

static hone_optimizer *optimizer_check(lua_State *L)
{
    return ((optimizer_work *)bind_check(L, 1, &optimizer_class))->optimizer;
}

/* optimizer plugin:on(model): at work on the model's trainables as they are now. */
static int optimizer_on(lua_State *L)
{
    hone_instance *plugin = bind_instance_check(L, 1, "optimizer");
    hone_model *model = bind_check(L, 2, &bind_model_class);
    bind_box *box = bind_new(L, &optimizer_class);
    hone_error err = { 0 };
    optimizer_work *work = hone_alloc(1, sizeof *work);

    if (!work)
        bind_fail(L, "out of memory");
    box->object = work;
    work->plugin = hone_instance_ref(plugin);
    work->model = hone_model_ref(model);
    bind_ok(L, hone_optimizer_new(&work->optimizer, model, plugin, &err), &err);
    return 1;
}

/* optimizer plugin:states(): how many numbers it keeps for each weight. */
static int optimizer_states(lua_State *L)
{
    hone_instance *plugin = bind_instance_check(L, 1, "optimizer");
    const char *const *states =
        HONE_OP(hone_instance_plugin(plugin)->ops, hone_optimizer_ops, states);
    lua_Integer n = 0;

    while (states && states[n])
        n++;
    lua_pushinteger(L, n);
    return 1;
}

/* work:step { scale = 1, clip = 0, rate = 1 }: one step; the norm before
 * clipping, or nil and a message where it is not finite. */
static int optimizer_step(lua_State *L)
{
    hone_optimizer *o = optimizer_check(L);
    double scale, clip, rate, norm = 0;
    hone_error err = { 0 };
    int code;

    luaL_checktype(L, 2, LUA_TTABLE);
    scale = bind_field_number(L, 2, "scale", 1);
    clip = bind_field_number(L, 2, "clip", 0);
    rate = bind_field_number(L, 2, "rate", 1);
    code = hone_optimizer_step(o, scale, clip, rate, &norm, &err);
    if (code == HONE_ENUMERIC) {
        lua_pushnil(L);
        lua_pushstring(L, err.message);
        return 2;
    }
    bind_ok(L, code, &err);
    lua_pushnumber(L, norm);
    return 1;
}

/* work:norm([scale]): of all gradients. */
static int optimizer_norm(lua_State *L)
{
    lua_pushnumber(L, hone_optimizer_norm(optimizer_check(L), luaL_optnumber(L, 2, 1)));
    return 1;
}

static int optimizer_clear(lua_State *L)
{
    hone_optimizer_clear(optimizer_check(L));
    return 0;
}

/* work:save(path), work:load(path): values, states and step count, bit for bit. */
static int optimizer_save(lua_State *L)
{
    hone_optimizer *o = optimizer_check(L);
    const char *path = luaL_checkstring(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_optimizer_save(o, path, &err), &err);
    return 0;
}

static int optimizer_load(lua_State *L)
{
    hone_optimizer *o = optimizer_check(L);
    const char *path = luaL_checkstring(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_optimizer_load(o, path, &err), &err);
    return 0;
}

static int optimizer_steps(lua_State *L)
{
    lua_pushinteger(L, hone_optimizer_steps(optimizer_check(L)));
    return 1;
}

static int optimizer_lr(lua_State *L)
{
    lua_pushnumber(L, hone_optimizer_lr(optimizer_check(L)));
    return 1;
}

static const luaL_Reg optimizer_methods[] = {
    { "step", optimizer_step }, { "norm", optimizer_norm }, { "clear", optimizer_clear },
    { "save", optimizer_save }, { "load", optimizer_load }, { NULL, NULL },
};
static const luaL_Reg optimizer_properties[] = {
    { "steps", optimizer_steps }, { "lr", optimizer_lr }, { NULL, NULL },
};
static const bind_class optimizer_class = { "hone.optimizer", optimizer_free, optimizer_methods,
                                            optimizer_properties, NULL };

void bind_open_optimizer(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "on", optimizer_on }, { "states", optimizer_states }, { NULL, NULL },
    };

    bind_class_new(L, &optimizer_class);
    lua_pop(L, 1);
    lua_getfield(L, -1, "kind");
    lua_pushliteral(L, "optimizer");
    lua_call(L, 1, 1);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
