/* judgement.c -- tables of judgements; quality and bias plugins on them. */
#include "bind.h"

#include <string.h>

static void judgement_free(void *object)
{
    hone_judgements_free(object);
}

static const luaL_Reg judgement_methods[];
static const luaL_Reg judgement_properties[];
static const luaL_Reg judgement_meta[];
static const bind_class judgement_class;

static hone_judgements *judgement_check(lua_State *L, int arg)
{
    return bind_check(L, arg, &judgement_class);
}

static const char *const judgement_levels[] = { "nominal", "ordinal", "interval", "ratio", NULL };

static hone_level judgement_level(lua_State *L, int table)
{
    const char *name = bind_field_string(L, table, "level", "nominal");

    for (int i = 0; judgement_levels[i]; i++)
        if (strcmp(name, judgement_levels[i]) == 0)
            return (hone_level)i;
    bind_fail(L, "level: '%s' is none (allowed: nominal, ordinal, interval, ratio)", name);
}

/* core.judgements_new({ level = "nominal" }): an empty table. */
static int judgement_new(lua_State *L)
{
    hone_error err = { 0 };
    hone_level level;
    bind_box *box;

    luaL_checktype(L, 1, LUA_TTABLE);
    level = judgement_level(L, 1);
    box = bind_new(L, &judgement_class);
    bind_ok(L, hone_judgements_new((hone_judgements **)&box->object, level, &err), &err);
    return 1;
}

/* core.judgements_from(rows, { item = , annotator = , value = , weight = ,
 * time = , order = , level = , duplicates = }): names of columns of rows. */
static int judgement_from(lua_State *L)
{
    hone_judgement_columns columns = { 0 };
    const char *duplicates;
    hone_error err = { 0 };
    hone_json *rows;
    bind_box *box;

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    columns.item = bind_field_string(L, 2, "item", "item");
    columns.annotator = bind_field_string(L, 2, "annotator", "annotator");
    columns.value = bind_field_string(L, 2, "value", "value");
    columns.weight = bind_field_string(L, 2, "weight", NULL);
    columns.time = bind_field_string(L, 2, "time", NULL);
    columns.order = bind_field_string(L, 2, "order", NULL);
    columns.level = judgement_level(L, 2);
    duplicates = bind_field_string(L, 2, "duplicates", NULL);
    lua_settop(L, 2);
    rows = bind_to_json(L, 1, true);
    box = bind_new(L, &judgement_class);
    bind_ok(L, hone_judgements_from_rows((hone_judgements **)&box->object, rows, &columns,
                                         duplicates, &err), &err);
    return 1;
}

/* judgements:add(item, annotator, value): a label's name, or a number. */
static int judgement_add(lua_State *L)
{
    hone_judgements *j = judgement_check(L, 1);
    const char *item = luaL_checkstring(L, 2), *annotator = luaL_checkstring(L, 3);
    bool number = hone_judgements_level(j) >= HONE_INTERVAL;
    hone_error err = { 0 };

    if (number)
        luaL_checknumber(L, 4);
    bind_ok(L, hone_judgements_add(j, item, annotator, number ? NULL : luaL_checkstring(L, 4),
                                   number ? lua_tonumber(L, 4) : 0, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* judgements:labels { "bad", "fair", "good" }: their order. */
static int judgement_set_labels(lua_State *L)
{
    hone_judgements *j = judgement_check(L, 1);
    const char **labels;
    hone_error err = { 0 };
    size_t count;

    luaL_checktype(L, 2, LUA_TTABLE);
    count = lua_rawlen(L, 2);
    labels = bind_buffer(L, count, sizeof *labels);
    for (size_t i = 0; i < count; i++) {
        /* The list keeps its strings alive. */
        if (lua_rawgeti(L, 2, (lua_Integer)i + 1) != LUA_TSTRING)
            bind_fail(L, "labels: label %zu is a %s (allowed: texts)", i + 1, luaL_typename(L, -1));
        labels[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    bind_ok(L, hone_judgements_set_labels(j, labels, count, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* judgements:describe_item(item, attributes), :describe_annotator(...). */
static int judgement_describe(lua_State *L)
{
    bool annotator = lua_toboolean(L, lua_upvalueindex(1));
    hone_judgements *j = judgement_check(L, 1);
    const char *name = luaL_checkstring(L, 2);
    hone_error err = { 0 };
    hone_json *attributes;

    luaL_checktype(L, 3, LUA_TTABLE);
    attributes = bind_to_json(L, 3, false);
    bind_ok(L, annotator ? hone_judgements_describe_annotator(j, name, attributes, &err)
                         : hone_judgements_describe_item(j, name, attributes, &err), &err);
    lua_settop(L, 1);
    return 1;
}

static int judgement_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_judgements_count(judgement_check(L, 1)));
    return 1;
}

static int judgement_items(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_judgements_items(judgement_check(L, 1)));
    return 1;
}

static int judgement_annotators(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_judgements_annotators(judgement_check(L, 1)));
    return 1;
}

static int judgement_level_of(lua_State *L)
{
    lua_pushstring(L, judgement_levels[hone_judgements_level(judgement_check(L, 1))]);
    return 1;
}

static int judgement_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);

    if (!box->object)
        lua_pushliteral(L, "judgements (closed)");
    else
        lua_pushfstring(L, "judgements (%I of %I items by %I annotators)",
                        (LUAI_UACINT)hone_judgements_count(box->object),
                        (LUAI_UACINT)hone_judgements_items(box->object),
                        (LUAI_UACINT)hone_judgements_annotators(box->object));
    return 1;
}

static const luaL_Reg judgement_methods[] = {
    { "add", judgement_add }, { "labels", judgement_set_labels }, { NULL, NULL },
};
static const luaL_Reg judgement_properties[] = {
    { "items", judgement_items }, { "annotators", judgement_annotators },
    { "level", judgement_level_of }, { NULL, NULL },
};
static const luaL_Reg judgement_meta[] = {
    { "__len", judgement_length }, { "__tostring", judgement_tostring }, { NULL, NULL },
};
static const bind_class judgement_class = { "hone.judgements", judgement_free, judgement_methods,
                                            judgement_properties, judgement_meta };

/* ---- plugins on judgements ---- */

typedef int judgement_call(hone_instance *instance, const hone_judgements *j, hone_json **result,
                           hone_error *err);

static int judgement_apply(lua_State *L, const char *kind, judgement_call *call)
{
    hone_instance *instance = bind_instance_check(L, 1, kind);
    hone_judgements *j = judgement_check(L, 2);
    hone_json **result = bind_json_box(L);
    hone_error err = { 0 };

    bind_ok(L, call(instance, j, result, &err), &err);
    bind_push_json(L, *result);
    return 1;
}

/* quality:check(judgements), bias:detect(judgements). */
static int judgement_quality_check(lua_State *L)
{
    return judgement_apply(L, "quality", hone_quality_check);
}

static int judgement_bias_detect(lua_State *L)
{
    return judgement_apply(L, "bias", hone_bias_detect);
}

/* bias:mitigate(judgements, findings). */
static int judgement_bias_mitigate(lua_State *L)
{
    hone_instance *instance = bind_instance_check(L, 1, "bias");
    hone_judgements *j = judgement_check(L, 2);
    hone_json *findings, **result;
    hone_error err = { 0 };

    lua_settop(L, 3);
    findings = bind_to_json(L, 3, false);
    result = bind_json_box(L);
    bind_ok(L, hone_bias_mitigate(instance, j, findings, result, &err), &err);
    bind_push_json(L, *result);
    return 1;
}

static void judgement_add_methods(lua_State *L, const char *kind, const luaL_Reg *methods)
{
    lua_getfield(L, -1, "kind");
    lua_pushstring(L, kind);
    lua_call(L, 1, 1);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}

void bind_open_judgement(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "judgements_new", judgement_new }, { "judgements_from", judgement_from },
        { NULL, NULL },
    };
    static const luaL_Reg quality[] = {
        { "check", judgement_quality_check }, { NULL, NULL },
    };
    static const luaL_Reg bias[] = {
        { "detect", judgement_bias_detect }, { "mitigate", judgement_bias_mitigate },
        { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
    judgement_add_methods(L, "quality", quality);
    judgement_add_methods(L, "bias", bias);
    bind_class_new(L, &judgement_class);
    lua_pushboolean(L, 0);
    lua_pushcclosure(L, judgement_describe, 1);
    lua_setfield(L, -2, "describe_item");
    lua_pushboolean(L, 1);
    lua_pushcclosure(L, judgement_describe, 1);
    lua_setfield(L, -2, "describe_annotator");
    lua_pop(L, 1);
}
