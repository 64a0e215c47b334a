/* judgement.c -- tables of judgements: made, read, and made of others. */
#include "bind.h"

#include <string.h>

static void judgement_free(void *object)
{
    hone_judgements_free(object);
}

static hone_judgements *judgement_check(lua_State *L, int arg)
{
    return bind_check(L, arg, &bind_judgement_class);
}

/* A list of texts at key of the table, ending with NULL; NULL where there is
 * none. The list keeps its strings alive. */
static const char **judgement_texts(lua_State *L, int table, const char *key)
{
    const char **texts;
    size_t count;

    if (lua_getfield(L, table, key) == LUA_TNIL)
        return NULL;
    if (!lua_istable(L, -1))
        bind_fail(L, "%s: expected a list of texts, got a %s", key, luaL_typename(L, -1));
    count = bind_count(L, -1);
    texts = bind_buffer(L, count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TSTRING)
            bind_fail(L, "%s: item %zu is a %s, not a text", key, i + 1, luaL_typename(L, -1));
        texts[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    return texts;
}

static hone_level judgement_level(lua_State *L, int table)
{
    const char *name = bind_field_string(L, table, "level", "nominal");
    int level = hone_level_parse(name);

    if (level < 0)
        bind_fail(L, "level: '%s' is none (allowed: nominal, ordinal, interval, ratio, pair, "
                  "ranking, region)", name);
    return (hone_level)level;
}

/* core.judgements_new({ level = "nominal" }): an empty table. */
static int judgement_new(lua_State *L)
{
    hone_error err = { 0 };
    hone_level level;
    bind_box *box;

    luaL_checktype(L, 1, LUA_TTABLE);
    level = judgement_level(L, 1);
    box = bind_new(L, &bind_judgement_class);
    bind_ok(L, hone_judgements_new((hone_judgements **)&box->object, level, &err), &err);
    return 1;
}

/* The column map at index 2; it leaves what it borrows on the stack. */
static hone_judgement_columns judgement_map(lua_State *L)
{
    hone_judgement_columns c = { 0 };

    luaL_checktype(L, 2, LUA_TTABLE);
    c.level = judgement_level(L, 2);
    c.item = bind_field_string(L, 2, "item", NULL);
    c.annotator = bind_field_string(L, 2, "annotator", NULL);
    c.value = bind_field_string(L, 2, "value", NULL);
    c.weight = bind_field_string(L, 2, "weight", NULL);
    c.time = bind_field_string(L, 2, "time", NULL);
    c.order = bind_field_string(L, 2, "order", NULL);
    c.left = bind_field_string(L, 2, "left", NULL);
    c.right = bind_field_string(L, 2, "right", NULL);
    c.strength = bind_field_string(L, 2, "strength", NULL);
    c.ranking = bind_field_string(L, 2, "ranking", NULL);
    c.region = bind_field_string(L, 2, "region", NULL);
    c.labels = judgement_texts(L, 2, "labels");
    if (lua_getfield(L, 2, "range") != LUA_TNIL) {
        c.ranged = true;
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        c.low = luaL_checknumber(L, -2);
        c.high = luaL_checknumber(L, -1);
    }
    return c;
}

/* core.judgements_from(rows, columns): names of columns of rows, and level,
 * labels, range, duplicates. */
static int judgement_from(lua_State *L)
{
    hone_judgement_columns columns;
    const char *duplicates;
    hone_error err = { 0 };
    hone_json *rows;
    bind_box *box;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    columns = judgement_map(L);
    duplicates = bind_field_string(L, 2, "duplicates", NULL);
    rows = bind_to_json(L, 1, true);
    box = bind_new(L, &bind_judgement_class);
    bind_ok(L, hone_judgements_from_rows((hone_judgements **)&box->object, rows, &columns,
                                         duplicates, &err), &err);
    return 1;
}

/* core.judgements_load(path, columns): also attributes, item_attributes. */
static int judgement_load(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *duplicates, **attributes, **item_attributes;
    hone_judgement_columns columns;
    hone_error err = { 0 };
    bind_box *box;

    lua_settop(L, 2);
    columns = judgement_map(L);
    duplicates = bind_field_string(L, 2, "duplicates", NULL);
    attributes = judgement_texts(L, 2, "attributes");
    item_attributes = judgement_texts(L, 2, "item_attributes");
    box = bind_new(L, &bind_judgement_class);
    bind_ok(L, hone_judgements_load((hone_judgements **)&box->object, path, &columns, duplicates,
                                    attributes, item_attributes, &err), &err);
    return 1;
}

/* ---- adding ---- */

/* judgements:add(item, annotator, value): a label's name, or a number. */
static int judgement_add(lua_State *L)
{
    hone_judgements *j = judgement_check(L, 1);
    const char *item = luaL_checkstring(L, 2), *annotator = luaL_checkstring(L, 3);
    hone_level level = hone_judgements_level(j);
    bool number = level == HONE_INTERVAL || level == HONE_RATIO;
    hone_error err = { 0 };

    if (number)
        luaL_checknumber(L, 4);
    bind_ok(L, hone_judgements_add(j, item, annotator, number ? NULL : luaL_checkstring(L, 4),
                                   number ? lua_tonumber(L, 4) : 0, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* judgements:add_pair(item or nil, annotator, left, right, outcome, [strength]). */
static int judgement_add_pair(lua_State *L)
{
    hone_judgements *j = judgement_check(L, 1);
    hone_error err = { 0 };

    bind_ok(L, hone_judgements_add_pair(j, luaL_optstring(L, 2, NULL), luaL_checkstring(L, 3),
                                        luaL_checkstring(L, 4), luaL_checkstring(L, 5),
                                        luaL_checkstring(L, 6), luaL_optnumber(L, 7, 1), &err),
            &err);
    lua_settop(L, 1);
    return 1;
}

/* judgements:add_ranking(item, annotator, { "best", { "tied", "tied too" }, ... }). */
static int judgement_add_ranking(lua_State *L)
{
    hone_judgements *j = judgement_check(L, 1);
    const char *item = luaL_checkstring(L, 2), *annotator = luaL_checkstring(L, 3), **options;
    size_t places, room = 0, count = 0;
    hone_error err = { 0 };
    int32_t *ranks;

    luaL_checktype(L, 4, LUA_TTABLE);
    places = bind_count(L, 4);
    for (size_t i = 1; i <= places; i++, lua_pop(L, 1))
        room += lua_rawgeti(L, 4, (lua_Integer)i) == LUA_TTABLE ? bind_count(L, -1) : 1;
    options = bind_buffer(L, room + 1, sizeof *options);
    ranks = bind_buffer(L, room + 1, sizeof *ranks);
    for (size_t i = 1; i <= places; i++) {
        int32_t rank = (int32_t)count + 1;
        bool list = lua_rawgeti(L, 4, (lua_Integer)i) == LUA_TTABLE;
        size_t tied = list ? bind_count(L, -1) : 1;
        for (size_t k = 1; k <= tied && count < room; k++, lua_pop(L, 1)) {
            if (list)
                lua_rawgeti(L, -1, (lua_Integer)k);
            else
                lua_pushvalue(L, -1);
            if (lua_type(L, -1) != LUA_TSTRING)
                bind_fail(L, "add_ranking: an option is a %s, not a text", luaL_typename(L, -1));
            options[count] = lua_tostring(L, -1);
            ranks[count++] = rank;
        }
        lua_pop(L, 1);
    }
    bind_ok(L, hone_judgements_add_ranking(j, item, annotator, options, ranks, count, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* judgements:add_region(item, annotator, label, { start, end }). */
static int judgement_add_region(lua_State *L)
{
    hone_judgements *j = judgement_check(L, 1);
    double numbers[4] = { 0 };
    hone_error err = { 0 };
    size_t count;

    luaL_checktype(L, 5, LUA_TTABLE);
    count = bind_count(L, 5);
    for (size_t i = 0; i < count && i < 4; i++) {
        lua_rawgeti(L, 5, (lua_Integer)i + 1);
        numbers[i] = luaL_checknumber(L, -1);
    }
    bind_ok(L, hone_judgements_add_region(j, luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                                          luaL_checkstring(L, 4), numbers, count, &err), &err);
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
    count = bind_count(L, 2);
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

/* judgements:range(low, high): what numbers may be. */
static int judgement_set_range(lua_State *L)
{
    hone_error err = { 0 };

    bind_ok(L, hone_judgements_set_range(judgement_check(L, 1), luaL_checknumber(L, 2),
                                         luaL_checknumber(L, 3), &err), &err);
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

/* ---- reading ---- */

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

static int judgement_dropped(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_judgements_dropped(judgement_check(L, 1)));
    return 1;
}

static int judgement_level_of(lua_State *L)
{
    lua_pushstring(L, hone_level_name(hone_judgements_level(judgement_check(L, 1))));
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

/* judgements:names("items" | "annotators" | "labels" | "options"): a list. */
static int judgement_names(lua_State *L)
{
    static const char *const words[] = { "items", "annotators", "labels", "options", NULL };
    static size_t (*const counts[])(const hone_judgements *) = {
        hone_judgements_items, hone_judgements_annotators, hone_judgements_labels,
        hone_judgements_options,
    };
    static const char *(*const names[])(const hone_judgements *, size_t) = {
        hone_judgements_item_name, hone_judgements_annotator_name, hone_judgements_label_name,
        hone_judgements_option_name,
    };
    const hone_judgements *j = judgement_check(L, 1);
    int which = luaL_checkoption(L, 2, NULL, words);
    size_t count = counts[which](j);

    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, names[which](j, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* judgements:attributes("items" | "annotators"): a list, false for none. */
static int judgement_attributes(lua_State *L)
{
    static const char *const words[] = { "items", "annotators", NULL };
    const hone_judgements *j = judgement_check(L, 1);
    bool annotators = luaL_checkoption(L, 2, NULL, words) == 1;
    size_t count = annotators ? hone_judgements_annotators(j) : hone_judgements_items(j);

    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        const hone_json *one = annotators ? hone_judgements_annotator_attributes(j, i)
                                          : hone_judgements_item_attributes(j, i);
        if (one)
            bind_push_json(L, one);
        else
            lua_pushboolean(L, 0);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

enum { COLUMN_ITEM, COLUMN_ANNOTATOR, COLUMN_LABEL, COLUMN_VALUE, COLUMN_WEIGHT, COLUMN_TIME,
       COLUMN_ORDER, COLUMN_LEFT, COLUMN_RIGHT };
static const char *const column_words[] = { "item", "annotator", "label", "value", "weight",
                                            "time", "order", "left", "right", NULL };

/* judgements:column(name): a list of numbers; those of items, annotators, labels
 * and options count names from 1. nil where there is no such column; 0: none. */
static int judgement_column(lua_State *L)
{
    const hone_judgements *j = judgement_check(L, 1);
    int which = luaL_checkoption(L, 2, NULL, column_words);
    bool pairs = hone_judgements_level(j) == HONE_PAIR;
    size_t count = hone_judgements_count(j);
    const int32_t *ids = which == COLUMN_ITEM ? hone_judgements_item(j)
        : which == COLUMN_ANNOTATOR ? hone_judgements_annotator(j)
        : which == COLUMN_LABEL ? hone_judgements_label(j)
        : which == COLUMN_ORDER ? hone_judgements_order(j)
        : which == COLUMN_LEFT && pairs ? hone_judgements_left(j)
        : which == COLUMN_RIGHT && pairs ? hone_judgements_right(j) : NULL;
    const double *numbers = which == COLUMN_VALUE ? hone_judgements_value(j)
        : which == COLUMN_WEIGHT ? hone_judgements_weight(j)
        : which == COLUMN_TIME ? hone_judgements_time(j) : NULL;

    if (count && !ids && !numbers)
        return 0;
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        if (ids)
            lua_pushinteger(L, ids[i] + (which != COLUMN_ORDER));
        else if (numbers[i] == numbers[i])
            lua_pushnumber(L, numbers[i]);
        else
            lua_pushboolean(L, 0);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- other tables ---- */

/* The number at a key of the table at index; def where there is none. */
static double judgement_factor(lua_State *L, int table, const char *name, double def)
{
    double factor = def;

    if (lua_getfield(L, table, name) == LUA_TNUMBER)
        factor = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return factor;
}

/* Multiply weights [count] by { name = factor } at `key` of the table at 2. */
static void judgement_multiply(lua_State *L, const hone_judgements *j, double *weights,
                               const char *key, bool annotators)
{
    const int32_t *ids = annotators ? hone_judgements_annotator(j) : hone_judgements_item(j);
    size_t names = annotators ? hone_judgements_annotators(j) : hone_judgements_items(j);
    double *factors;

    if (lua_getfield(L, 2, key) == LUA_TNIL)
        return;
    if (!lua_istable(L, -1))
        bind_fail(L, "%s: expected a table { name = factor }, got a %s", key, luaL_typename(L, -1));
    factors = bind_buffer(L, names + 1, sizeof *factors);
    for (size_t i = 0; i < names; i++)
        factors[i] = judgement_factor(L, -2, annotators ? hone_judgements_annotator_name(j, i)
                                                        : hone_judgements_item_name(j, i), 1);
    for (size_t r = 0; r < hone_judgements_count(j); r++)
        weights[r] *= factors[ids[r]];
    lua_pop(L, 2);
}

/* judgements:weigh { annotators = { name = factor }, items = { name = factor },
 * rows = { [row] = factor } }: a table with its weights multiplied; rows count
 * from 1. With drop = true, rows of weight 0 are left out. */
static int judgement_weigh(lua_State *L)
{
    const hone_judgements *j = judgement_check(L, 1);
    size_t count = hone_judgements_count(j);
    const double *before = hone_judgements_weight(j);
    hone_error err = { 0 };
    const hone_judgements *weighed;
    double *weights;
    bool *keep;
    bind_box *box;

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    weights = bind_buffer(L, count + 1, sizeof *weights);
    for (size_t r = 0; r < count; r++)
        weights[r] = before ? before[r] : 1;
    judgement_multiply(L, j, weights, "annotators", true);
    judgement_multiply(L, j, weights, "items", false);
    if (lua_getfield(L, 2, "rows") == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            lua_Integer r = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
            if (r < 1 || (size_t)r > count)
                bind_fail(L, "rows: no row %lld of %zu", (long long)r, count);
            weights[r - 1] *= luaL_checknumber(L, -1);
        }
    }
    box = bind_new(L, &bind_judgement_class);
    bind_ok(L, hone_judgements_weigh((hone_judgements **)&box->object, j, weights, &err), &err);
    if (!bind_field_bool(L, 2, "drop", false))
        return 1;
    weighed = box->object;
    keep = bind_buffer(L, count + 1, sizeof *keep);
    for (size_t r = 0; r < count; r++)
        keep[r] = weights[r] > 0;
    box = bind_new(L, &bind_judgement_class);
    bind_ok(L, hone_judgements_filter((hone_judgements **)&box->object, weighed, keep, &err),
            &err);
    return 1;
}

/* judgements:pairs(): of rankings. */
static int judgement_pairs(lua_State *L)
{
    const hone_judgements *j = judgement_check(L, 1);
    bind_box *box = bind_new(L, &bind_judgement_class);
    hone_error err = { 0 };

    bind_ok(L, hone_judgements_pairs((hone_judgements **)&box->object, j, &err), &err);
    return 1;
}

static const luaL_Reg judgement_methods[] = {
    { "add", judgement_add }, { "add_pair", judgement_add_pair },
    { "add_ranking", judgement_add_ranking }, { "add_region", judgement_add_region },
    { "labels", judgement_set_labels }, { "range", judgement_set_range },
    { "names", judgement_names }, { "attributes", judgement_attributes },
    { "column", judgement_column }, { "weigh", judgement_weigh }, { "pairs", judgement_pairs },
    { NULL, NULL },
};
static const luaL_Reg judgement_properties[] = {
    { "items", judgement_items }, { "annotators", judgement_annotators },
    { "level", judgement_level_of }, { "dropped", judgement_dropped }, { NULL, NULL },
};
static const luaL_Reg judgement_meta[] = {
    { "__len", judgement_length }, { "__tostring", judgement_tostring }, { NULL, NULL },
};
const bind_class bind_judgement_class = { "hone.judgements", judgement_free, judgement_methods,
                                            judgement_properties, judgement_meta };

void bind_open_judgement(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "judgements_new", judgement_new }, { "judgements_from", judgement_from },
        { "judgements_load", judgement_load }, { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
    bind_class_new(L, &bind_judgement_class);
    lua_pushboolean(L, 0);
    lua_pushcclosure(L, judgement_describe, 1);
    lua_setfield(L, -2, "describe_item");
    lua_pushboolean(L, 1);
    lua_pushcclosure(L, judgement_describe, 1);
    lua_setfield(L, -2, "describe_annotator");
    /* hone.core.judgements: the table of methods, for the library to add to. */
    lua_setfield(L, -2, "judgements");
}
