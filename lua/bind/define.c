/* define.c -- plugins written in Lua, behind the same ops as those in C.
 *
 *   hone.metric.define { name = , version = , summary = , source = , timeout = ,
 *     options = { { "floor", "number", default = 0, min = 0, doc = "..." }, ... },
 *     score = function(s, o) ... end | score_batch = function(samples, o) ... end }
 *
 * The table stays in Lua's registry, so that the descriptor borrows its texts. */
#include "score.h"

#include <float.h>
#include <string.h>

/* An option's place in the instance: room for the largest, a range or a list. */
#define DEFINE_SLOT 16

typedef struct bind_definition {
    hone_plugin plugin;      /* first: found again from an instance */
    struct bind_definition *next;
    bind_state *state;
    int table;               /* in the registry: what the script gave */
    int kept;                /* in the registry: texts made for the options */
    int function;            /* in the registry: score, or score_batch */
    bool batch;
    double timeout;          /* seconds that a call may take; 0: any */
    hone_option *options;    /* ends with HONE_OPT_END */
    const char ***choices;   /* [options], each NULL or a list that ends with NULL */
    size_t count;
} bind_definition;

static void define_free(bind_definition *d)
{
    for (size_t i = 0; d->choices && i < d->count; i++)
        hone_free(d->choices[i]);
    hone_free(d->choices);
    hone_free(d->options);
    hone_free(d);
}

void bind_definitions_free(bind_state *state)
{
    while (state->definitions) {
        bind_definition *d = state->definitions;
        state->definitions = d->next;
        define_free(d);
    }
}

/* ---- scoring ---- */

static int define_score(void *self, hone_scores *out, const hone_samples *samples, hone_error *err)
{
    hone_instance *instance = hone_instance_of(self);
    const bind_definition *d = (const bind_definition *)hone_instance_plugin(instance);

    return bind_score(&(score_call){ .state = d->state, .name = d->plugin.name,
                                     .samples = samples, .out = out, .function = d->function,
                                     .options = hone_instance_options(instance),
                                     .batch = d->batch, .timeout = d->timeout }, err);
}

static const hone_metric_ops define_metric_ops = { .size = sizeof define_metric_ops,
                                                   .score = define_score };

/* ---- options ---- */

typedef struct define_type {
    const char *name;
    hone_option_type type;
} define_type;

static const define_type define_types[] = {
    { "boolean", HONE_OPTION_BOOL },   { "integer", HONE_OPTION_INT },
    { "number", HONE_OPTION_REAL },    { "string", HONE_OPTION_STRING },
    { "path", HONE_OPTION_PATH },      { "choice", HONE_OPTION_CHOICE },
    { "range", HONE_OPTION_RANGE },    { "integers", HONE_OPTION_INTS },
    { "numbers", HONE_OPTION_REALS },  { "strings", HONE_OPTION_STRINGS },
};

static hone_option_type define_type_of(lua_State *L, const char *option, const char *name)
{
    for (size_t i = 0; i < sizeof define_types / sizeof define_types[0]; i++)
        if (strcmp(name, define_types[i].name) == 0)
            return define_types[i].type;
    bind_fail(L, "define: option '%s': '%s' is no type (allowed: boolean, integer, number, string, "
              "path, choice, range, integers, numbers, strings)", option, name);
}

/* Keep the text on top of the stack as long as the definition; pops it. */
static const char *define_keep(lua_State *L, const bind_definition *d)
{
    const char *text = lua_tostring(L, -1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, d->kept);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
    return text;
}

static void define_choices(lua_State *L, bind_definition *d, size_t i, int spec)
{
    hone_option *o = &d->options[i];
    lua_Unsigned n;

    if (lua_getfield(L, spec, "choices") != LUA_TTABLE || lua_rawlen(L, -1) == 0)
        bind_fail(L, "define: option '%s': a choice needs choices = { ... }", o->name);
    n = bind_count(L, -1);
    d->choices[i] = hone_alloc((size_t)n + 1, sizeof *d->choices[i]);
    if (!d->choices[i])
        bind_fail(L, "out of memory");
    for (lua_Unsigned k = 0; k < n; k++) {
        if (lua_rawgeti(L, -1, (lua_Integer)k + 1) != LUA_TSTRING)
            bind_fail(L, "define: option '%s': choices are texts", o->name);
        d->choices[i][k] = define_keep(L, d);
    }
    lua_pop(L, 1);
    o->choices = d->choices[i];
}

/* The default: a number or a text in the option; of lists and ranges as JSON. */
static void define_default(lua_State *L, const bind_definition *d, hone_option *o, int spec)
{
    bool absent = lua_getfield(L, spec, "default") == LUA_TNIL;

    switch (o->type) {
    case HONE_OPTION_BOOL:
        o->int_default = lua_toboolean(L, -1);
        break;
    case HONE_OPTION_INT:
        o->int_default = absent ? HONE_UNSET_INT : luaL_checkinteger(L, -1);
        break;
    case HONE_OPTION_REAL:
        o->real_default = absent ? HONE_UNSET_REAL : luaL_checknumber(L, -1);
        break;
    case HONE_OPTION_STRING: case HONE_OPTION_PATH: case HONE_OPTION_CHOICE:
        if (!absent) {
            luaL_checkstring(L, -1);
            lua_pushvalue(L, -1);
            o->text_default = define_keep(L, d);
        }
        break;
    default:
        if (!absent || o->type != HONE_OPTION_RANGE) {
            hone_json *json = absent ? NULL : bind_to_json(L, -1, true);
            bind_box *box = bind_owned(L);
            box->object = json ? hone_json_text(json) : hone_strdup("[]");
            if (!box->object)
                bind_fail(L, "out of memory");
            lua_pushstring(L, box->object);
            o->text_default = define_keep(L, d);
        }
    }
    lua_settop(L, spec);
}

/* Option i from { name, type, default = , min = , max = , choices = , doc = }. */
static void define_option(lua_State *L, bind_definition *d, size_t i, int spec)
{
    hone_option *o = &d->options[i];

    lua_rawgeti(L, spec, 1);
    lua_rawgeti(L, spec, 2);
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
        bind_fail(L, "define: option %zu is not { name, type, ... }", i + 1);
    o->name = lua_tostring(L, -2);
    o->type = define_type_of(L, o->name, lua_tostring(L, -1));
    lua_pop(L, 2);
    o->doc = bind_field_string(L, spec, "doc", "");
    o->flags = bind_field_bool(L, spec, "required", false) ? HONE_OPTION_REQUIRED : 0;
    o->offset = i * DEFINE_SLOT;
    if (o->type == HONE_OPTION_INT || o->type == HONE_OPTION_INTS) {
        o->int_min = bind_field_int(L, spec, "min", INT64_MIN + 2);
        o->int_max = bind_field_int(L, spec, "max", INT64_MAX);
    }
    o->real_min = -DBL_MAX;
    o->real_max = DBL_MAX;
    if (o->type == HONE_OPTION_REAL || o->type == HONE_OPTION_REALS ||
        o->type == HONE_OPTION_RANGE) {
        o->real_min = bind_field_number(L, spec, "min", -DBL_MAX);
        o->real_max = bind_field_number(L, spec, "max", DBL_MAX);
    }
    if (o->type == HONE_OPTION_CHOICE)
        define_choices(L, d, i, spec);
    define_default(L, d, o, spec);
}

static void define_options(lua_State *L, bind_definition *d, int table)
{
    size_t count = 0;

    if (lua_getfield(L, table, "options") == LUA_TTABLE)
        count = bind_count(L, -1);
    d->options = hone_alloc(count + 1, sizeof *d->options);
    d->choices = hone_alloc(count + 1, sizeof *d->choices);
    if (!d->options || !d->choices)
        bind_fail(L, "out of memory");
    d->count = count;
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TTABLE)
            bind_fail(L, "define: option %zu is not { name, type, ... }", i + 1);
        define_option(L, d, i, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---- defining ---- */

static void define_box_free(void *object)
{
    (void)object; /* the state owns definitions */
}

static const luaL_Reg define_no_methods[] = { { NULL, NULL } };
static const bind_class define_class = { "hone.definition", define_box_free, define_no_methods,
                                         NULL, NULL };

static void define_fill(lua_State *L, bind_definition *d, int table)
{
    lua_pushvalue(L, table);
    d->table = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    d->kept = luaL_ref(L, LUA_REGISTRYINDEX);
    d->plugin.name = bind_field_string(L, table, "name", NULL);
    if (!d->plugin.name)
        bind_fail(L, "define: name is missing");
    d->plugin.version = bind_field_string(L, table, "version", "1.0");
    d->plugin.summary = bind_field_string(L, table, "summary", "");
    d->plugin.source = bind_field_string(L, table, "source", NULL);
    d->timeout = bind_field_number(L, table, "timeout", 0);
    d->batch = lua_getfield(L, table, "score_batch") == LUA_TFUNCTION;
    if (!d->batch && lua_getfield(L, table, "score") != LUA_TFUNCTION)
        bind_fail(L, "define: score = function(s) ... end is missing");
    d->function = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_settop(L, table);
    define_options(L, d, table);
    d->plugin.instance_size = DEFINE_SLOT * (d->count + 1);
    d->plugin.options = d->options;
    d->plugin.ops = &define_metric_ops;
}

/* core.define(kind, table): in a plugin's file the definition, which the loader
 * takes; in a script it is registered, and nil returned. */
static int define_plugin(lua_State *L)
{
    const char *kind = luaL_checkstring(L, 1);
    hone_context *context = bind_context(L);
    bind_state *state = bind_get(L);
    bind_definition *d;
    hone_error err = { 0 };
    bind_box *box;

    luaL_checktype(L, 2, LUA_TTABLE);
    if (strcmp(kind, "metric") != 0)
        bind_fail(L, "plugins of kind %s cannot be written in Lua (allowed: metric)", kind);
    box = bind_new(L, &define_class);
    lua_insert(L, 2);
    lua_settop(L, 3);
    d = hone_alloc(1, sizeof *d);
    if (!d)
        bind_fail(L, "out of memory");
    *d = (bind_definition){ .plugin = { .size = sizeof(hone_plugin), .abi = HONE_ABI,
                                        .option_size = sizeof(hone_option), .kind = "metric" },
                            .next = state->definitions, .state = state };
    state->definitions = d;
    define_fill(L, d, 3);
    box->object = d;
    lua_settop(L, 2);
    if (state->loading)
        return 1;
    bind_ok(L, hone_plugin_register(context, &d->plugin, &err), &err);
    return 0;
}

/* core.definition(instance): the table that a Lua plugin was defined with, or nil. */
static int define_of(lua_State *L)
{
    const hone_plugin *plugin = hone_instance_plugin(bind_instance_check(L, 1, NULL));

    if (plugin->ops == &define_metric_ops)
        lua_rawgeti(L, LUA_REGISTRYINDEX, ((const bind_definition *)plugin)->table);
    else
        lua_pushnil(L);
    return 1;
}

/* core.digest(text): 64 hex digits that stand for it. */
static int define_digest(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    char hex[65];

    hone_digest(hex, text, n);
    lua_pushstring(L, hex);
    return 1;
}

/* ---- loading files ---- */

/* Protected: runs the file at the path, returns its definition as a light userdata. */
static int define_load_file(lua_State *L)
{
    const char *path = lua_touserdata(L, 1);
    bind_definition *d;

    if (luaL_loadfilex(L, path, "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    d = bind_test(L, -1, &define_class);
    if (!d)
        return luaL_error(L, "the file returned a %s (needed: return hone.metric.define { ... })",
                          luaL_typename(L, -1));
    lua_pushlightuserdata(L, d);
    return 1;
}

static int define_load(void *user, const char *kind, const char *name, const char *path,
                       const hone_plugin **out, hone_error *err)
{
    bind_state *state = user;
    lua_State *L = state->L;
    const char *before = state->loading;
    int top = lua_gettop(L), code = HONE_OK;

    (void)kind, (void)name;
    if (!lua_checkstack(L, 8))
        return hone_fail(err, HONE_ENOMEM, "the Lua stack is full");
    state->loading = path;
    lua_pushcfunction(L, define_load_file);
    lua_pushlightuserdata(L, (void *)path);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        *out = &((bind_definition *)lua_touserdata(L, -1))->plugin;
    else
        code = hone_fail(err, HONE_EINVAL, "%s", luaL_tolstring(L, -1, NULL));
    state->loading = before;
    lua_settop(L, top);
    return code;
}

int bind_define_loader(bind_state *state, hone_error *err)
{
    return hone_plugin_add_loader(state->context, ".lua", define_load, state, err);
}

void bind_open_define(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "define", define_plugin }, { "definition", define_of },
        { "digest", define_digest }, { NULL, NULL },
    };

    bind_class_new(L, &define_class);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
