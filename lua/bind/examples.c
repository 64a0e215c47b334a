/* examples.c -- rows as tokens, and the order in which batches take them. */
#include "bind.h"

#include <string.h>

static void examples_free(void *object)
{
    hone_examples_free(object);
}

static hone_examples *examples_check(lua_State *L)
{
    return bind_check(L, 1, &bind_examples_class);
}

/* data:encode(model, { template = , max_tokens = , too_long = , learn_prompt = ,
 * last_answer = }): examples, and a report. */
static int examples_encode(lua_State *L)
{
    static const char *const too_long[] = { "truncate", "drop", "error", NULL };
    hone_data *data = bind_check(L, 1, &bind_data_class);
    hone_model *model = bind_check(L, 2, &bind_model_class);
    hone_encode_options options = { 0 };
    hone_error err = { 0 };
    hone_json **report;
    bind_box *box;

    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        options.template = bind_field_string(L, 3, "template", NULL);
        options.max_tokens = bind_field_int(L, 3, "max_tokens", 0);
        options.learn_prompt = bind_field_bool(L, 3, "learn_prompt", false);
        options.last_answer = bind_field_bool(L, 3, "last_answer", false);
        lua_pushstring(L, bind_field_string(L, 3, "too_long", "truncate"));
        options.too_long = (hone_too_long)luaL_checkoption(L, -1, NULL, too_long);
        lua_pop(L, 1);
    }
    report = bind_json_box(L);
    box = bind_new(L, &bind_examples_class);
    bind_ok(L, hone_data_encode((hone_examples **)&box->object, data, model, &options, report,
                                &err), &err);
    bind_push_json(L, *report);
    return 2;
}

/* data:prompt(i, model [, { template = }]): the ids to be answered. */
static int examples_prompt(lua_State *L)
{
    hone_data *data = bind_check(L, 1, &bind_data_class);
    lua_Integer i = luaL_checkinteger(L, 2);
    hone_model *model = bind_check(L, 3, &bind_model_class);
    hone_encode_options options = { 0 };
    hone_error err = { 0 };
    hone_ids *ids;

    if (i < 1 || (size_t)i > hone_data_count(data))
        bind_fail(L, "row %lld is out of range (allowed: 1 to %zu)", i, hone_data_count(data));
    if (!lua_isnoneornil(L, 4)) {
        luaL_checktype(L, 4, LUA_TTABLE);
        options.template = bind_field_string(L, 4, "template", NULL);
        options.max_tokens = bind_field_int(L, 4, "max_tokens", 0);
    }
    ids = bind_ids_box(L);
    bind_ok(L, hone_data_prompt(data, (size_t)i - 1, model, &options, ids, &err), &err);
    return 1;
}

static int examples_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_examples_count(examples_check(L)));
    return 1;
}

static hone_example examples_at(lua_State *L, const hone_examples *examples, int arg)
{
    lua_Integer i = luaL_checkinteger(L, arg);

    if (i < 1 || (size_t)i > hone_examples_count(examples))
        bind_fail(L, "example %lld is out of range (allowed: 1 to %zu)", i,
                  hone_examples_count(examples));
    return hone_examples_at(examples, (size_t)i - 1);
}

/* examples:row(i): the number of its row in the dataset. */
static int examples_row(lua_State *L)
{
    hone_examples *examples = examples_check(L);

    lua_pushinteger(L, (lua_Integer)examples_at(L, examples, 2).row + 1);
    return 1;
}

/* examples:get(i): { tokens, weights, prompt, row }. */
static int examples_get(lua_State *L)
{
    hone_examples *examples = examples_check(L);
    hone_example e = examples_at(L, examples, 2);
    hone_error err = { 0 };
    hone_ids *ids;

    lua_newtable(L);
    ids = bind_ids_box(L);
    for (int64_t i = 0; i < e.count; i++)
        bind_ok(L, hone_ids_push(ids, e.tokens[i], &err), &err);
    lua_setfield(L, -2, "tokens");
    lua_createtable(L, (int)e.count, 0);
    for (int64_t i = 0; i < e.count; i++) {
        lua_pushnumber(L, (lua_Number)e.weights[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "weights");
    lua_pushinteger(L, e.prompt);
    lua_setfield(L, -2, "prompt");
    lua_pushinteger(L, (lua_Integer)e.row + 1);
    lua_setfield(L, -2, "row");
    return 1;
}

/* examples:tokens(): of all, and of those learned. */
static int examples_tokens(lua_State *L)
{
    hone_examples *examples = examples_check(L);
    int64_t tokens = 0, learned = 0;

    for (size_t i = 0; i < hone_examples_count(examples); i++) {
        hone_example e = hone_examples_at(examples, i);
        tokens += e.count;
        for (int64_t k = 1; k < e.count; k++)
            learned += e.weights[k] != 0;
    }
    lua_pushinteger(L, tokens);
    lua_pushinteger(L, learned);
    return 2;
}

/* examples:size(i): its tokens, those of its prompt, those learned. */
static int examples_size(lua_State *L)
{
    hone_examples *examples = examples_check(L);
    hone_example e = examples_at(L, examples, 2);

    lua_pushinteger(L, e.count);
    lua_pushinteger(L, e.prompt);
    lua_pushinteger(L, hone_example_learned(&e));
    return 3;
}

/* examples:batch({ i, ... } [, share]): a batch of these examples, in order.
 * share: neighbours with the same prompt compute it once. */
static int examples_batch(lua_State *L)
{
    hone_examples *examples = examples_check(L);
    bool share = lua_toboolean(L, 3);
    hone_error err = { 0 };
    size_t count, *index;
    bind_box *box;

    luaL_checktype(L, 2, LUA_TTABLE);
    count = bind_count(L, 2);
    index = bind_buffer(L, count, sizeof *index);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        examples_at(L, examples, lua_gettop(L));
        index[i] = (size_t)lua_tointeger(L, -1) - 1;
        lua_pop(L, 1);
    }
    box = bind_new(L, &bind_batch_class);
    bind_ok(L, hone_batch_new((hone_batch **)&box->object, &err), &err);
    bind_ok(L, hone_examples_batch(box->object, examples, index, count, share, &err), &err);
    return 1;
}

/* ---- plans ---- */

typedef struct examples_plan {
    hone_plan plan;
} examples_plan;

static void examples_plan_free(void *object)
{
    examples_plan *p = object;

    hone_plan_free(&p->plan);
    hone_free(p);
}

static int examples_plan_length(lua_State *L);
static int examples_plan_members(lua_State *L);
static int examples_plan_batch(lua_State *L);
static const luaL_Reg examples_plan_methods[] = {
    { "members", examples_plan_members }, { "batch", examples_plan_batch }, { NULL, NULL },
};
static const luaL_Reg examples_plan_meta[] = { { "__len", examples_plan_length }, { NULL, NULL } };
static const bind_class examples_plan_class = {
    "hone.plan", examples_plan_free, examples_plan_methods, NULL, examples_plan_meta,
};

/* examples:plan(tokens, seed, epoch): an epoch in batches; epoch < 0: in order. */
static int examples_plan_new(lua_State *L)
{
    hone_examples *examples = examples_check(L);
    int64_t tokens = luaL_checkinteger(L, 2);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 3);
    int64_t epoch = luaL_checkinteger(L, 4);
    bind_box *box = bind_new(L, &examples_plan_class);
    hone_error err = { 0 };

    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    box->object = hone_alloc(1, sizeof(examples_plan));
    if (!box->object)
        bind_fail(L, "out of memory");
    bind_ok(L, hone_examples_plan(examples, tokens, seed, epoch,
                                  &((examples_plan *)box->object)->plan, &err), &err);
    return 1;
}

static int examples_plan_length(lua_State *L)
{
    const examples_plan *p = bind_check(L, 1, &examples_plan_class);

    lua_pushinteger(L, (lua_Integer)p->plan.batches_count);
    return 1;
}

static size_t examples_plan_arg(lua_State *L, const hone_plan *plan)
{
    lua_Integer i = luaL_checkinteger(L, 2);

    if (i < 1 || (size_t)i > plan->batches_count)
        bind_fail(L, "batch %lld is out of range (allowed: 1 to %zu)", i, plan->batches_count);
    return (size_t)i - 1;
}

/* plan:members(i): the numbers of the examples of batch i. */
static int examples_plan_members(lua_State *L)
{
    const examples_plan *p = bind_check(L, 1, &examples_plan_class);
    size_t b = examples_plan_arg(L, &p->plan);
    lua_Integer n = 0;

    lua_newtable(L);
    for (size_t i = p->plan.batches[b]; i < p->plan.batches[b + 1]; i++) {
        lua_pushinteger(L, (lua_Integer)p->plan.order[i] + 1);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* plan:batch(i): batch i of the epoch. */
static int examples_plan_batch(lua_State *L)
{
    const examples_plan *p = bind_check(L, 1, &examples_plan_class);
    size_t b = examples_plan_arg(L, &p->plan);
    const hone_examples *examples;
    hone_error err = { 0 };
    bind_box *box;

    lua_getiuservalue(L, 1, 1);
    examples = bind_check(L, -1, &bind_examples_class);
    box = bind_new(L, &bind_batch_class);
    bind_ok(L, hone_batch_new((hone_batch **)&box->object, &err), &err);
    for (size_t i = p->plan.batches[b]; i < p->plan.batches[b + 1]; i++) {
        hone_example e = hone_examples_at(examples, p->plan.order[i]);
        bind_ok(L, hone_batch_add(box->object, e.tokens, e.weights, e.count, &err), &err);
    }
    return 1;
}

static const luaL_Reg examples_methods[] = {
    { "row", examples_row }, { "get", examples_get }, { "tokens", examples_tokens },
    { "size", examples_size }, { "batch", examples_batch }, { "plan", examples_plan_new },
    { NULL, NULL },
};
static const luaL_Reg examples_meta[] = { { "__len", examples_length }, { NULL, NULL } };
const bind_class bind_examples_class = { "hone.examples", examples_free, examples_methods, NULL,
                                         examples_meta };

void bind_open_examples(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "encode", examples_encode }, { "prompt", examples_prompt }, { NULL, NULL },
    };

    bind_class_new(L, &bind_examples_class);
    bind_class_new(L, &examples_plan_class);
    lua_pop(L, 2);
    lua_getfield(L, -1, "data");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
