/* generate.c -- a model answers. */
#include "bind.h"

#include <string.h>

/* What a call back of the script is called with. */
typedef struct generate_call {
    lua_State *L;
    int function;  /* index on the stack; 0: none */
    int environment, prompts;
    hone_instance *tokenizer;
    bool failed;   /* the message is on top of the stack */
} generate_call;

static bool generate_token(void *user, size_t prompt, int64_t sample, int32_t token, double logp)
{
    generate_call *call = user;
    lua_State *L = call->L;
    bool go_on;

    lua_pushvalue(L, call->function);
    lua_pushinteger(L, (lua_Integer)prompt + 1);
    lua_pushinteger(L, sample + 1);
    lua_pushinteger(L, token);
    lua_pushnumber(L, logp);
    if (lua_pcall(L, 4, 1, 0) != LUA_OK) {
        call->failed = true;
        return false;
    }
    go_on = lua_isnil(L, -1) || lua_toboolean(L, -1);
    lua_pop(L, 1);
    return go_on;
}

/* (prompts, environment, prompt, sample, text, turn): what environment(prompt, sample, text,
 * turn, row) answers, a list of ids made one. */
static int generate_ask(lua_State *L)
{
    lua_rawgeti(L, 1, lua_tointeger(L, 3));
    lua_getfield(L, -1, "row");
    lua_remove(L, -2);
    lua_call(L, 5, 1);
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING) {
        if (lua_type(L, -1) != LUA_TTABLE && lua_type(L, -1) != LUA_TUSERDATA)
            bind_fail(L, "environment: returned a %s (allowed: a text, a list of ids, nil)",
                      luaL_typename(L, -1));
        bind_ids_check(L, lua_gettop(L));
    }
    return 1;
}

static int generate_environment(void *user, size_t prompt, int64_t sample, int64_t turn,
                                const char *text, hone_ids *answer, hone_error *err)
{
    generate_call *call = user;
    lua_State *L = call->L;
    int code = HONE_OK;

    lua_pushcfunction(L, generate_ask);
    lua_pushvalue(L, call->prompts);
    lua_pushvalue(L, call->environment);
    lua_pushinteger(L, (lua_Integer)prompt + 1);
    lua_pushinteger(L, sample + 1);
    lua_pushstring(L, text);
    lua_pushinteger(L, turn);
    if (lua_pcall(L, 6, 1, 0) != LUA_OK) {
        call->failed = true;
        return hone_fail(err, HONE_EINTERRUPTED, "the environment failed");
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        size_t n;
        const char *said = lua_tolstring(L, -1, &n);
        code = call->tokenizer ? hone_tokenizer_encode(call->tokenizer, said, n,
                                                       HONE_ENCODE_PLAIN, answer, err)
                               : hone_fail(err, HONE_ESTATE, "environment: the model has no "
                                           "tokenizer: answer with lists of ids");
    } else if (!lua_isnil(L, -1)) {
        const hone_ids *ids = ((bind_box *)lua_touserdata(L, -1))->object;
        for (size_t i = 0; !code && i < ids->count; i++)
            code = hone_ids_push(answer, ids->items[i], err);
    }
    lua_pop(L, 1);
    return code;
}

/* A list of texts at `key`, ending with NULL, in a box; NULL when absent. */
static const char *const *generate_stops(lua_State *L, int table)
{
    const char **items;
    lua_Unsigned n;

    if (lua_getfield(L, table, "stop") == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    n = bind_count(L, -1);
    items = bind_buffer(L, (size_t)n + 1, sizeof *items);
    for (lua_Unsigned i = 0; i < n; i++) {
        if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TSTRING)
            bind_fail(L, "stop: entry %llu is a %s (allowed: texts)", (unsigned long long)i + 1,
                      luaL_typename(L, -1));
        items[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    return items;
}

static hone_generate_options generate_options(lua_State *L, int t)
{
    hone_generate_options o = hone_generate_defaults();

    o.max_tokens = bind_field_int(L, t, "max_tokens", o.max_tokens);
    o.samples = bind_field_int(L, t, "samples", o.samples);
    o.temperature = bind_field_number(L, t, "temperature", o.temperature);
    o.top_k = bind_field_int(L, t, "top_k", o.top_k);
    o.top_p = bind_field_number(L, t, "top_p", o.top_p);
    o.min_p = bind_field_number(L, t, "min_p", o.min_p);
    o.repetition_penalty = bind_field_number(L, t, "repetition_penalty", o.repetition_penalty);
    o.turns = bind_field_int(L, t, "turns", o.turns);
    o.seed = (uint64_t)bind_field_int(L, t, "seed", 0);
    o.batch = bind_field_int(L, t, "batch", o.batch);
    o.adapters_off = !bind_field_bool(L, t, "adapters", true);
    o.ignore_eos = bind_field_bool(L, t, "ignore_eos", o.ignore_eos);
    o.stop = generate_stops(L, t);
    if (lua_getfield(L, t, "stop_tokens") != LUA_TNIL) {
        const hone_ids *ids = bind_ids_check(L, lua_gettop(L));
        o.stop_tokens = ids->items;
        o.stop_tokens_count = ids->count;
    }
    return o;
}

/* Fill a prompt from { ids = , row = }. What C borrows is kept in the table at `kept`:
 * not in the prompt itself, which may stand in the list more than once. */
static void generate_prompt(lua_State *L, int table, int kept, hone_prompt *prompt)
{
    const hone_ids *ids;

    lua_getfield(L, table, "ids");
    ids = bind_ids_check(L, lua_gettop(L));
    *prompt = (hone_prompt){ .tokens = ids->items, .count = (int64_t)ids->count };
    lua_rawseti(L, kept, (lua_Integer)lua_rawlen(L, kept) + 1);
    lua_settop(L, table);
    lua_getfield(L, table, "row");
    prompt->row = bind_to_json(L, -1, false);
    lua_rawseti(L, kept, (lua_Integer)lua_rawlen(L, kept) + 1);
    lua_settop(L, table);
}

/* core.generate(model, { { ids = , row = }, ... }, options [, on_token]):
 * samples. on_token(prompt, sample, token, logp) may return false to stop;
 * options.environment(prompt, sample, text, turn, row) returns a text, ids, or nil. */
static int generate_samples(lua_State *L)
{
    hone_model *model = bind_check(L, 1, &bind_model_class);
    hone_generate_options options;
    generate_call call = { .L = L };
    hone_error err = { 0 };
    hone_prompt *prompts;
    lua_State *before;
    size_t count;
    bind_box *box;
    int code, kept;

    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 4);
    if (!lua_isnil(L, 4)) {
        luaL_checktype(L, 4, LUA_TFUNCTION);
        call.function = 4;
    }
    options = generate_options(L, 3);
    if (lua_getfield(L, 3, "environment") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TFUNCTION);
        call.environment = lua_gettop(L);
        call.prompts = 2;
        call.tokenizer = hone_model_tokenizer(model);
        options.environment = generate_environment;
        options.environment_user = &call;
    }
    count = bind_count(L, 2);
    prompts = bind_buffer(L, count, sizeof *prompts);
    lua_newtable(L);
    kept = lua_gettop(L);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        generate_prompt(L, lua_gettop(L), kept, &prompts[i]);
        lua_pop(L, 1);
    }
    box = bind_new(L, &bind_samples_class);
    before = bind_enter(L);
    code = hone_generate((hone_samples **)&box->object, model, prompts, count, &options,
                         call.function ? generate_token : NULL, &call, &err);
    bind_leave(L, before);
    if (call.failed)
        return lua_error(L);
    bind_ok(L, code, &err);
    return 1;
}

void bind_open_generate(lua_State *L)
{
    lua_pushcfunction(L, generate_samples);
    lua_setfield(L, -2, "generate");
}
