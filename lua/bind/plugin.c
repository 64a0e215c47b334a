/* plugin.c -- plugins and their instances, of any kind.
 *
 * All instances have one metatable; methods are looked up in the table of the
 * instance's kind, core.kind(name), which is made when first asked for: kinds
 * that nobody here knows work, too. */
#include "bind.h"

#include <string.h>

static char plugin_kinds_key;

static void plugin_instance_free(void *object)
{
    hone_instance_free(object);
}

/* Push the table of methods of a kind. */
static void plugin_push_methods(lua_State *L, const char *kind)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &plugin_kinds_key);
    if (lua_getfield(L, -1, kind) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, kind);
    }
    lua_remove(L, -2);
}

static int plugin_kind_of(lua_State *L)
{
    lua_pushstring(L, hone_instance_plugin(bind_instance_check(L, 1, NULL))->kind);
    return 1;
}

static int plugin_name(lua_State *L)
{
    lua_pushstring(L, hone_instance_plugin(bind_instance_check(L, 1, NULL))->name);
    return 1;
}

static int plugin_version(lua_State *L)
{
    lua_pushstring(L, hone_instance_plugin(bind_instance_check(L, 1, NULL))->version);
    return 1;
}

static int plugin_options(lua_State *L)
{
    bind_push_json(L, hone_instance_options(bind_instance_check(L, 1, NULL)));
    return 1;
}

/* "optimizer/adamw {"lr":0.001,...}". */
static int plugin_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);
    const hone_plugin *plugin = box->object ? hone_instance_plugin(box->object) : NULL;
    bind_box *text;

    if (!plugin) {
        lua_pushliteral(L, "plugin (closed)");
        return 1;
    }
    text = bind_owned(L);
    text->object = hone_json_text(hone_instance_options(box->object));
    lua_pushfstring(L, "%s/%s %s", plugin->kind, plugin->name,
                    text->object ? (const char *)text->object : "");
    return 1;
}

static int plugin_method(lua_State *L)
{
    hone_instance *instance = bind_instance_check(L, 1, NULL);

    plugin_push_methods(L, hone_instance_plugin(instance)->kind);
    lua_pushvalue(L, 2);
    lua_gettable(L, -2);
    return 1;
}

/* instance(...): the kind's method "call", where it has one. */
static int plugin_call(lua_State *L)
{
    hone_instance *instance = bind_instance_check(L, 1, NULL);
    const char *kind = hone_instance_plugin(instance)->kind;

    plugin_push_methods(L, kind);
    if (lua_getfield(L, -1, "call") != LUA_TFUNCTION)
        bind_fail(L, "a plugin of kind %s cannot be called", kind);
    lua_insert(L, 1);
    lua_pop(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static const luaL_Reg plugin_no_methods[] = { { NULL, NULL } };
static const luaL_Reg plugin_properties[] = {
    { "kind", plugin_kind_of }, { "name", plugin_name }, { "version", plugin_version },
    { "options", plugin_options }, { NULL, NULL },
};
static const luaL_Reg plugin_meta[] = {
    { "__index", plugin_method }, { "__call", plugin_call }, { "__tostring", plugin_tostring },
    { NULL, NULL },
};
static const bind_class plugin_class = {
    "hone.plugin", plugin_instance_free, plugin_no_methods, plugin_properties, plugin_meta,
};

hone_instance *bind_instance_test(lua_State *L, int index)
{
    return bind_test(L, index, &plugin_class);
}

hone_instance *bind_instance_check(lua_State *L, int arg, const char *kind)
{
    const bind_box *box = luaL_testudata(L, arg, plugin_class.name);
    const char *found;

    if (!box) {
        luaL_tolstring(L, arg, NULL);
        bind_fail(L, "a plugin of kind %s is needed here, not a %s", kind ? kind : "any",
                  luaL_typename(L, arg));
    }
    if (!box->object)
        bind_fail(L, "the plugin was closed");
    found = hone_instance_plugin(box->object)->kind;
    if (kind && strcmp(found, kind) != 0)
        bind_fail(L, "a plugin of kind %s is needed here, not %s/%s", kind, found,
                  hone_instance_plugin(box->object)->name);
    return box->object;
}

hone_instance **bind_instance_box(lua_State *L)
{
    bind_box *box = bind_new(L, &plugin_class);
    return (hone_instance **)&box->object;
}

/* core.instance(kind, name, options): a new one. */
static int plugin_instance(lua_State *L)
{
    const char *kind = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    hone_context *context = bind_context(L);
    const hone_plugin *plugin;
    hone_error err = { 0 };
    hone_instance **box;
    hone_json *options;
    lua_State *before;
    int code;

    lua_settop(L, 3);
    before = bind_enter(L);
    code = hone_plugin_find(context, kind, name, &plugin, &err);
    bind_leave(L, before);
    bind_ok(L, code, &err);
    if (!lua_isnil(L, 3) && !lua_istable(L, 3))
        bind_fail(L, "%s/%s: options are a table { name = value }, not a %s", kind, name,
                  luaL_typename(L, 3));
    options = bind_to_options(L, 3, plugin->options);
    box = bind_instance_box(L);
    bind_ok(L, hone_instance_new(box, context, kind, name, options, &err), &err);
    return 1;
}

/* core.kind(name): the table of methods of the kind's instances. */
static int plugin_kind(lua_State *L)
{
    plugin_push_methods(L, luaL_checkstring(L, 1));
    return 1;
}

/* core.plugins([kind]): a list of { kind, name, path, hidden }; runs no foreign code. */
static int plugin_list(lua_State *L)
{
    const char *kind = luaL_optstring(L, 1, NULL);
    hone_context *context = bind_context(L);
    bind_box *box = bind_owned(L);
    hone_plugin_entry *entries = NULL;
    hone_error err = { 0 };
    size_t count = 0;

    bind_ok(L, hone_plugin_list(context, kind, &entries, &count, &err), &err);
    box->object = entries;
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 4);
        lua_pushstring(L, entries[i].kind);
        lua_setfield(L, -2, "kind");
        lua_pushstring(L, entries[i].name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, entries[i].path);
        lua_setfield(L, -2, "path");
        lua_pushboolean(L, entries[i].hidden);
        lua_setfield(L, -2, "hidden");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* Push what a descriptor says. */
static int plugin_push(lua_State *L, const hone_plugin *plugin)
{
    hone_json **options = bind_json_box(L);
    hone_error err = { 0 };

    bind_ok(L, hone_options_describe(plugin->options, options, &err), &err);
    lua_createtable(L, 0, 8);
    lua_pushstring(L, plugin->kind);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, plugin->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, plugin->version);
    lua_setfield(L, -2, "version");
    lua_pushstring(L, plugin->summary);
    lua_setfield(L, -2, "summary");
    lua_pushstring(L, plugin->source);
    lua_setfield(L, -2, "source");
    lua_pushboolean(L, plugin->threadsafe);
    lua_setfield(L, -2, "threadsafe");
    lua_pushboolean(L, plugin->self_test != NULL);
    lua_setfield(L, -2, "self_test");
    bind_push_json(L, *options);
    lua_setfield(L, -2, "options");
    return 1;
}

/* core.describe(kind, name). */
static int plugin_describe(lua_State *L)
{
    const char *kind = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    hone_context *context = bind_context(L);
    const hone_plugin *plugin;
    hone_error err = { 0 };
    lua_State *before = bind_enter(L);
    int code = hone_plugin_find(context, kind, name, &plugin, &err);

    bind_leave(L, before);
    bind_ok(L, code, &err);
    return plugin_push(L, plugin);
}

/* core.check(path): loads one file, with every check. */
static int plugin_check(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    hone_context *context = bind_context(L);
    const hone_plugin *plugin;
    hone_error err = { 0 };
    lua_State *before = bind_enter(L);
    int code = hone_plugin_check(context, path, &plugin, &err);

    bind_leave(L, before);
    bind_ok(L, code, &err);
    return plugin_push(L, plugin);
}

void bind_open_plugin(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "instance", plugin_instance }, { "kind", plugin_kind }, { "plugins", plugin_list },
        { "describe", plugin_describe }, { "check", plugin_check }, { NULL, NULL },
    };

    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &plugin_kinds_key);
    bind_class_new(L, &plugin_class);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
