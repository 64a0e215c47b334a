/* consensus.c -- what aggregation found; quality and bias plugins on judgements. */
#include "bind.h"

#include <math.h>
#include <string.h>

static void consensus_free(void *object)
{
    hone_consensus_free(object);
}

static const luaL_Reg consensus_methods[];
static const luaL_Reg consensus_properties[];
static const luaL_Reg consensus_meta[];
static const bind_class consensus_class;

static hone_consensus *consensus_check(lua_State *L, int arg)
{
    return bind_check(L, arg, &consensus_class);
}

/* ---- values ---- */

static size_t axis_rows(const hone_judgements *j, hone_axis axis)
{
    return axis == HONE_ITEMS         ? hone_judgements_items(j)
           : axis == HONE_ANNOTATORS ? hone_judgements_annotators(j)
                                     : hone_judgements_options(j);
}

static const char *axis_row_name(const hone_judgements *j, hone_axis axis, size_t row)
{
    return axis == HONE_ITEMS         ? hone_judgements_item_name(j, row)
           : axis == HONE_ANNOTATORS ? hone_judgements_annotator_name(j, row)
                                     : hone_judgements_option_name(j, row);
}

static hone_axis axis_check(lua_State *L, int arg)
{
    static const char *const words[] = { "items", "annotators", "options", NULL };
    return (hone_axis)luaL_checkoption(L, arg, NULL, words);
}

static void push_number(lua_State *L, double x)
{
    if (isfinite(x))
        lua_pushnumber(L, x);
    else
        lua_pushboolean(L, 0);
}

/* Push one row of a column: a label's name, a number, { label = share } where a
 * column has a number for each label, or a list; false: none. */
static void push_cell(lua_State *L, const hone_judgements *j, const char *name,
                      const double *values, size_t width)
{
    bool labels = width == hone_judgements_labels(j) && strcmp(name, "posterior") == 0;

    if (width == 1 && strcmp(name, "label") == 0) {
        if (isnan(values[0]))
            lua_pushboolean(L, 0);
        else
            lua_pushstring(L, hone_judgements_label_name(j, (size_t)values[0]));
    } else if (width == 1) {
        push_number(L, values[0]);
    } else if (labels && isnan(values[0])) {
        lua_pushboolean(L, 0);
    } else {
        lua_createtable(L, labels ? 0 : (int)width, labels ? (int)width : 0);
        for (size_t k = 0; k < width; k++) {
            push_number(L, values[k]);
            if (labels)
                lua_setfield(L, -2, hone_judgements_label_name(j, k));
            else
                lua_rawseti(L, -2, (lua_Integer)k + 1);
        }
    }
}

/* Push { name = , column = cell, reason = } of a row. */
static void push_row(lua_State *L, const hone_consensus *c, hone_axis axis, size_t row)
{
    const hone_judgements *j = hone_consensus_judgements(c);
    const char *reason = hone_consensus_reason(c, axis, row);
    size_t columns = hone_consensus_columns(c, axis), width;

    lua_createtable(L, 0, (int)columns + 2);
    lua_pushstring(L, axis_row_name(j, axis, row));
    lua_setfield(L, -2, "name");
    for (size_t i = 0; i < columns; i++) {
        const char *name = hone_consensus_name(c, axis, i);
        const double *values = hone_consensus_get(c, axis, name, &width);
        push_cell(L, j, name, values + row * width, width);
        lua_setfield(L, -2, name);
    }
    if (reason) {
        lua_pushstring(L, reason);
        lua_setfield(L, -2, "reason");
    }
}

/* ---- methods ---- */

/* consensus:item(name), :annotator(name), :option(name): { label = , posterior = ,
 * confidence = , ... }, nil where there is none of the name. */
static int consensus_find(lua_State *L)
{
    hone_axis axis = (hone_axis)lua_tointeger(L, lua_upvalueindex(1));
    const hone_consensus *c = consensus_check(L, 1);
    const hone_judgements *j = hone_consensus_judgements(c);
    const char *name = luaL_checkstring(L, 2);
    int64_t row = axis == HONE_ITEMS         ? hone_judgements_find_item(j, name)
                  : axis == HONE_ANNOTATORS ? hone_judgements_find_annotator(j, name)
                                            : hone_judgements_find_option(j, name);

    if (row < 0)
        return 0;
    push_row(L, c, axis, (size_t)row);
    return 1;
}

/* consensus:row("items", i): the same by number, from 1. */
static int consensus_row(lua_State *L)
{
    const hone_consensus *c = consensus_check(L, 1);
    hone_axis axis = axis_check(L, 2);
    lua_Integer i = luaL_checkinteger(L, 3);

    if (i < 1 || (size_t)i > axis_rows(hone_consensus_judgements(c), axis))
        return 0;
    push_row(L, c, axis, (size_t)i - 1);
    return 1;
}

/* consensus:column("items", "label"): a list, false where there is no value; nil
 * where there is no such column. */
static int consensus_column(lua_State *L)
{
    const hone_consensus *c = consensus_check(L, 1);
    const hone_judgements *j = hone_consensus_judgements(c);
    hone_axis axis = axis_check(L, 2);
    const char *name = luaL_checkstring(L, 3);
    size_t width, rows = axis_rows(j, axis);
    const double *values = hone_consensus_get(c, axis, name, &width);

    if (!values)
        return 0;
    lua_createtable(L, (int)rows, 0);
    for (size_t i = 0; i < rows; i++) {
        push_cell(L, j, name, values + i * width, width);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* consensus:columns("items"): their names. */
static int consensus_columns(lua_State *L)
{
    const hone_consensus *c = consensus_check(L, 1);
    hone_axis axis = axis_check(L, 2);

    lua_newtable(L);
    for (size_t i = 0; i < hone_consensus_columns(c, axis); i++) {
        lua_pushstring(L, hone_consensus_name(c, axis, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int consensus_next(lua_State *L)
{
    const hone_consensus *c = consensus_check(L, 1);
    hone_axis axis = (hone_axis)lua_tointeger(L, lua_upvalueindex(1));
    lua_Integer i = luaL_checkinteger(L, 2) + 1;

    if ((size_t)i > axis_rows(hone_consensus_judgements(c), axis))
        return 0;
    lua_pushinteger(L, i);
    push_row(L, c, axis, (size_t)i - 1);
    return 2;
}

/* for i, row in consensus:each "items" do ... end */
static int consensus_each(lua_State *L)
{
    consensus_check(L, 1);
    lua_pushinteger(L, axis_check(L, 2));
    lua_pushcclosure(L, consensus_next, 1);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int consensus_figures(lua_State *L)
{
    bind_push_json(L, hone_consensus_figures(consensus_check(L, 1)));
    return 1;
}

static int consensus_judgements(lua_State *L)
{
    hone_consensus *c = consensus_check(L, 1);
    bind_box *box = bind_new(L, &bind_judgement_class);

    box->object = hone_judgements_ref((hone_judgements *)(uintptr_t)hone_consensus_judgements(c));
    return 1;
}

static int consensus_length(lua_State *L)
{
    const hone_consensus *c = consensus_check(L, 1);

    lua_pushinteger(L, (lua_Integer)hone_judgements_items(hone_consensus_judgements(c)));
    return 1;
}

static int consensus_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);

    if (!box->object)
        lua_pushliteral(L, "consensus (closed)");
    else
        lua_pushfstring(L, "consensus (%I items)", (LUAI_UACINT)hone_judgements_items(
                            hone_consensus_judgements(box->object)));
    return 1;
}

static const luaL_Reg consensus_methods[] = {
    { "row", consensus_row }, { "column", consensus_column }, { "columns", consensus_columns },
    { "each", consensus_each }, { NULL, NULL },
};
static const luaL_Reg consensus_properties[] = {
    { "figures", consensus_figures }, { "judgements", consensus_judgements }, { NULL, NULL },
};
static const luaL_Reg consensus_meta[] = {
    { "__len", consensus_length }, { "__tostring", consensus_tostring }, { NULL, NULL },
};
static const bind_class consensus_class = { "hone.consensus", consensus_free, consensus_methods,
                                            consensus_properties, consensus_meta };

/* ---- plugins on judgements ---- */

typedef int consensus_call(hone_instance *instance, const hone_judgements *j, hone_json **result,
                           hone_error *err);

static int consensus_apply(lua_State *L, const char *kind, consensus_call *call)
{
    hone_instance *instance = bind_instance_check(L, 1, kind);
    hone_judgements *j = bind_check(L, 2, &bind_judgement_class);
    hone_json **result = bind_json_box(L);
    hone_error err = { 0 };

    bind_ok(L, call(instance, j, result, &err), &err);
    bind_push_json(L, *result);
    return 1;
}

/* quality:check(judgements), bias:detect(judgements). */
static int quality_check(lua_State *L)
{
    return consensus_apply(L, "quality", hone_quality_check);
}

static int bias_detect(lua_State *L)
{
    return consensus_apply(L, "bias", hone_bias_detect);
}

/* quality:aggregate(judgements): a consensus. */
static int quality_aggregate(lua_State *L)
{
    hone_instance *instance = bind_instance_check(L, 1, "quality");
    hone_judgements *j = bind_check(L, 2, &bind_judgement_class);
    bind_box *box = bind_new(L, &consensus_class);
    hone_error err = { 0 };

    bind_ok(L, hone_quality_aggregate(instance, j, (hone_consensus **)&box->object, &err), &err);
    return 1;
}

/* bias:mitigate(judgements, findings). */
static int bias_mitigate(lua_State *L)
{
    hone_instance *instance = bind_instance_check(L, 1, "bias");
    hone_judgements *j = bind_check(L, 2, &bind_judgement_class);
    hone_json *findings, **result;
    hone_error err = { 0 };

    lua_settop(L, 3);
    findings = bind_to_json(L, 3, false);
    result = bind_json_box(L);
    bind_ok(L, hone_bias_mitigate(instance, j, findings, result, &err), &err);
    bind_push_json(L, *result);
    return 1;
}

static void consensus_add_methods(lua_State *L, const char *kind, const luaL_Reg *methods)
{
    lua_getfield(L, -1, "kind");
    lua_pushstring(L, kind);
    lua_call(L, 1, 1);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}

void bind_open_consensus(lua_State *L)
{
    static const luaL_Reg quality[] = {
        { "check", quality_check }, { "aggregate", quality_aggregate }, { NULL, NULL },
    };
    static const luaL_Reg bias[] = {
        { "detect", bias_detect }, { "mitigate", bias_mitigate }, { NULL, NULL },
    };
    static const char *const axes[] = { "item", "annotator", "option" };

    consensus_add_methods(L, "quality", quality);
    consensus_add_methods(L, "bias", bias);
    bind_class_new(L, &consensus_class);
    for (int axis = 0; axis < 3; axis++) {
        lua_pushinteger(L, axis);
        lua_pushcclosure(L, consensus_find, 1);
        lua_setfield(L, -2, axes[axis]);
    }
    /* hone.core.consensus: the table of methods, for the library to add to. */
    lua_setfield(L, -2, "consensus");
}
