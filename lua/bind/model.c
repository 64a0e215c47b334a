/* model.c -- models: loading, saving, what trains, and how much memory it takes. */
#include "bind.h"

#include <string.h>

static void model_free(void *object)
{
    hone_model_free(object);
}

static hone_model *model_check(lua_State *L)
{
    return bind_check(L, 1, &bind_model_class);
}

/* { dtype = , precision = , recompute = , tokenizer = true } at `arg`. */
static hone_model_options model_options(lua_State *L, int arg)
{
    hone_model_options options = { 0 };

    if (lua_isnoneornil(L, arg))
        return options;
    luaL_checktype(L, arg, LUA_TTABLE);
    options.dtype = bind_field_string(L, arg, "dtype", NULL);
    options.precision = bind_field_string(L, arg, "precision", NULL);
    options.recompute = bind_field_bool(L, arg, "recompute", false);
    options.no_tokenizer = !bind_field_bool(L, arg, "tokenizer", true);
    return options;
}

/* core.model_load(folder [, options]). */
static int model_load(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1);
    hone_model_options options = model_options(L, 2);
    hone_context *context = bind_context(L);
    bind_box *box = bind_new(L, &bind_model_class);
    hone_error err = { 0 };

    bind_ok(L, hone_model_load((hone_model **)&box->object, context, folder, &options, &err), &err);
    return 1;
}

/* core.model_new(config, seed [, options]): random weights. */
static int model_new(lua_State *L)
{
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 2);
    hone_model_options options = model_options(L, 3);
    hone_context *context = bind_context(L);
    hone_error err = { 0 };
    hone_json *config;
    bind_box *box;

    luaL_checktype(L, 1, LUA_TTABLE);
    config = bind_to_json(L, 1, false);
    box = bind_new(L, &bind_model_class);
    bind_ok(L, hone_model_new((hone_model **)&box->object, context, config, &options, seed, &err),
            &err);
    return 1;
}

static int model_copy(lua_State *L)
{
    hone_model *model = model_check(L);
    bind_box *box = bind_new(L, &bind_model_class);
    hone_error err = { 0 };

    bind_ok(L, hone_model_copy((hone_model **)&box->object, model, &err), &err);
    return 1;
}

static int model_save(lua_State *L)
{
    hone_model *model = model_check(L);
    const char *folder = luaL_checkstring(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_model_save(model, folder, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* model:attach(strategy | nil): decides what trains. */
static int model_attach(lua_State *L)
{
    hone_model *model = model_check(L);
    hone_instance *strategy =
        lua_isnoneornil(L, 2) ? NULL : bind_instance_check(L, 2, "strategy");
    hone_error err = { 0 };

    bind_ok(L, hone_model_set_strategy(model, strategy, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* model:load_adapter(folder): PEFT's adapter_config.json and weights. */
static int model_load_adapter(lua_State *L)
{
    hone_model *model = model_check(L);
    const char *folder = luaL_checkstring(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_strategy_load(model, folder, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* model:merge([on]): fold adapters into the weights, or take them out. */
static int model_merge(lua_State *L)
{
    hone_model *model = model_check(L);
    bool on = lua_isnone(L, 2) || lua_toboolean(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_strategy_merge(model, on, &err), &err);
    lua_settop(L, 1);
    return 1;
}

static int model_set_tokenizer(lua_State *L)
{
    hone_model *model = model_check(L);
    hone_instance *tokenizer = bind_instance_check(L, 2, "tokenizer");
    hone_error err = { 0 };

    bind_ok(L, hone_model_set_tokenizer(model, tokenizer, &err), &err);
    lua_settop(L, 1);
    return 1;
}

static int model_set_recompute(lua_State *L)
{
    hone_model_set_recompute(model_check(L), lua_isnone(L, 2) || lua_toboolean(L, 2));
    lua_settop(L, 1);
    return 1;
}

static int model_set_precision(lua_State *L)
{
    hone_error err = { 0 };

    bind_ok(L, hone_model_set_precision(model_check(L), luaL_checkstring(L, 2), &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* ---- parameters ---- */

/* model:parameters(): { name, role, layer, shape, trainable, value } of each. */
static int model_parameters(lua_State *L)
{
    hone_model *model = model_check(L);
    hone_params *params = hone_model_params(model);

    lua_newtable(L);
    for (size_t i = 0; i < hone_params_count(params); i++) {
        hone_param *p = hone_params_at(params, i);
        lua_createtable(L, 0, 6);
        lua_pushstring(L, hone_param_name(p));
        lua_setfield(L, -2, "name");
        lua_pushstring(L, hone_param_role(p));
        lua_setfield(L, -2, "role");
        lua_pushinteger(L, hone_param_layer(p));
        lua_setfield(L, -2, "layer");
        lua_pushboolean(L, hone_param_trainable(p));
        lua_setfield(L, -2, "trainable");
        lua_pushboolean(L, hone_param_tied_to(p) != NULL);
        lua_setfield(L, -2, "tied");
        bind_tensor_push(L, hone_param_weight(p), false);
        lua_setfield(L, -2, "weight");
        if (hone_param_bias(p)) {
            bind_tensor_push(L, hone_param_bias(p), false);
            lua_setfield(L, -2, "bias");
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* model:trainables(): { name, role, value } of all that trains. */
static int model_trainables(lua_State *L)
{
    hone_model *model = model_check(L);

    lua_newtable(L);
    for (size_t i = 0; i < hone_model_trainables(model); i++) {
        hone_trainable t = hone_model_trainable(model, i);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, t.name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, t.role);
        lua_setfield(L, -2, "role");
        bind_tensor_push(L, t.value, false);
        lua_setfield(L, -2, "value");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* model:counts(): elements of all parameters, and of those that train. */
static int model_counts(lua_State *L)
{
    hone_model *model = model_check(L);
    hone_params *params = hone_model_params(model);
    int64_t all = 0, trained = 0;

    for (size_t i = 0; i < hone_params_count(params); i++) {
        hone_param *p = hone_params_at(params, i);
        if (!hone_param_tied_to(p))
            all += hone_tensor_count(hone_param_weight(p));
        all += hone_tensor_count(hone_param_bias(p));
    }
    for (size_t i = 0; i < hone_model_trainables(model); i++)
        trained += hone_tensor_count(hone_model_trainable(model, i).value);
    lua_pushinteger(L, all);
    lua_pushinteger(L, trained);
    return 2;
}

/* model:save_trained(path), model:load_trained(path): the values of what
 * trains, as one safetensors file. */
static int model_save_trained(lua_State *L)
{
    hone_model *model = model_check(L);
    const char *path = luaL_checkstring(L, 2);
    size_t count = hone_model_trainables(model);
    hone_tensors_item *items = bind_buffer(L, count, sizeof *items);
    hone_error err = { 0 };

    for (size_t i = 0; i < count; i++) {
        hone_trainable t = hone_model_trainable(model, i);
        items[i] = (hone_tensors_item){ t.name, t.value };
    }
    bind_ok(L, hone_tensors_write(path, items, count, NULL, &err), &err);
    return 0;
}

static void model_tensors_free(void *object)
{
    hone_tensors_free(object);
}

static const luaL_Reg model_no_methods[] = { { NULL, NULL } };
static const bind_class model_tensors_class = { "hone.trained", model_tensors_free,
                                                model_no_methods, NULL, NULL };

static int model_load_trained(lua_State *L)
{
    hone_model *model = model_check(L);
    const char *path = luaL_checkstring(L, 2);
    bind_box *box = bind_new(L, &model_tensors_class);
    hone_error err = { 0 };

    bind_ok(L, hone_tensors_open((hone_tensors **)&box->object, path, &err), &err);
    for (size_t i = 0; i < hone_model_trainables(model); i++) {
        hone_trainable t = hone_model_trainable(model, i);
        bind_ok(L, hone_tensors_read(box->object, t.name, t.value, &err), &err);
    }
    return 0;
}

/* model:hash(): of the weights, 64 hex digits. */
static int model_hash(lua_State *L)
{
    char hex[65];
    hone_error err = { 0 };

    bind_ok(L, hone_model_hash(model_check(L), hex, &err), &err);
    lua_pushstring(L, hex);
    return 1;
}

/* model:estimate(tokens, outputs, states): bytes of a training step. */
static int model_estimate(lua_State *L)
{
    hone_model *model = model_check(L);
    int64_t tokens = luaL_checkinteger(L, 2), outputs = luaL_checkinteger(L, 3);
    int states = (int)luaL_checkinteger(L, 4);
    hone_memory_estimate e = { 0 };
    hone_error err = { 0 };

    bind_ok(L, hone_model_estimate(model, tokens, outputs, states, &e, &err), &err);
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, (lua_Integer)e.weights);
    lua_setfield(L, -2, "weights");
    lua_pushinteger(L, (lua_Integer)e.gradients);
    lua_setfield(L, -2, "gradients");
    lua_pushinteger(L, (lua_Integer)e.optimizer);
    lua_setfield(L, -2, "optimizer");
    lua_pushinteger(L, (lua_Integer)e.activations);
    lua_setfield(L, -2, "activations");
    lua_pushinteger(L, (lua_Integer)e.total);
    lua_setfield(L, -2, "total");
    return 1;
}

/* ---- properties ---- */

static int model_folder(lua_State *L)
{
    lua_pushstring(L, hone_model_folder(model_check(L)));
    return 1;
}

static int model_config(lua_State *L)
{
    bind_push_json(L, hone_model_config(model_check(L)));
    return 1;
}

static int model_plugin(lua_State *L)
{
    lua_pushstring(L, hone_model_plugin(model_check(L)));
    return 1;
}

static int model_layers(lua_State *L)
{
    lua_pushinteger(L, hone_model_layers(model_check(L)));
    return 1;
}

static int model_vocab(lua_State *L)
{
    lua_pushinteger(L, hone_model_vocab(model_check(L)));
    return 1;
}

static int model_width(lua_State *L)
{
    lua_pushinteger(L, hone_model_width(model_check(L)));
    return 1;
}

/* nil: no limit. */
static int model_max_positions(lua_State *L)
{
    int64_t n = hone_model_max_positions(model_check(L));

    if (n > 0)
        lua_pushinteger(L, n);
    else
        lua_pushnil(L);
    return 1;
}

static int model_push_instance(lua_State *L, hone_instance *instance)
{
    if (!instance) {
        lua_pushnil(L);
        return 1;
    }
    *bind_instance_box(L) = hone_instance_ref(instance);
    return 1;
}

static int model_tokenizer(lua_State *L)
{
    return model_push_instance(L, hone_model_tokenizer(model_check(L)));
}

static int model_strategy(lua_State *L)
{
    return model_push_instance(L, hone_model_strategy(model_check(L)));
}

static int model_eos(lua_State *L)
{
    hone_model *model = model_check(L);
    size_t count = 0;
    const int32_t *eos = hone_model_eos(model, &count);

    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, eos[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int model_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);
    const char *folder = box->object ? hone_model_folder(box->object) : NULL;

    if (!box->object)
        lua_pushliteral(L, "model (closed)");
    else
        lua_pushfstring(L, "model %s (%s, %I layers, %I wide, %I tokens)", folder ? folder : "new",
                        hone_model_plugin(box->object),
                        (LUAI_UACINT)hone_model_layers(box->object),
                        (LUAI_UACINT)hone_model_width(box->object),
                        (LUAI_UACINT)hone_model_vocab(box->object));
    return 1;
}

static const luaL_Reg model_methods[] = {
    { "copy", model_copy }, { "save", model_save }, { "attach", model_attach },
    { "load_adapter", model_load_adapter }, { "merge", model_merge },
    { "set_tokenizer", model_set_tokenizer }, { "set_recompute", model_set_recompute },
    { "set_precision", model_set_precision },
    { "parameters", model_parameters }, { "trainables", model_trainables },
    { "counts", model_counts }, { "save_trained", model_save_trained },
    { "load_trained", model_load_trained }, { "estimate", model_estimate },
    { "hash", model_hash }, { NULL, NULL },
};
static const luaL_Reg model_properties[] = {
    { "folder", model_folder }, { "config", model_config }, { "plugin", model_plugin },
    { "layers", model_layers }, { "vocab", model_vocab }, { "width", model_width },
    { "max_positions", model_max_positions }, { "tokenizer", model_tokenizer },
    { "strategy", model_strategy }, { "eos", model_eos }, { NULL, NULL },
};
static const luaL_Reg model_meta[] = { { "__tostring", model_tostring }, { NULL, NULL } };
const bind_class bind_model_class = { "hone.model", model_free, model_methods, model_properties,
                                      model_meta };

void bind_open_model(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "model_load", model_load }, { "model_new", model_new }, { NULL, NULL },
    };

    bind_class_new(L, &model_tensors_class);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
    bind_class_new(L, &bind_model_class);
    bind_head_methods(L);
    lua_setfield(L, -2, "model");
}
