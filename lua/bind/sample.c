/* sample.c -- samples: what generation makes and metrics judge. */
#include "bind.h"

#include <math.h>
#include <string.h>

/* ---- one sample ---- */

static const char sample_name[] = "hone.sample";

typedef struct sample_ref {
    hone_samples *samples;
    size_t i;
} sample_ref;

static sample_ref *sample_new(lua_State *L)
{
    sample_ref *s = lua_newuserdatauv(L, sizeof *s, 0);

    *s = (sample_ref){ 0 };
    luaL_setmetatable(L, sample_name);
    return s;
}

void bind_sample_push(lua_State *L, int samples, size_t i)
{
    hone_samples *all = bind_check(L, samples, &bind_samples_class);
    sample_ref *s = sample_new(L);

    s->samples = hone_samples_ref(all);
    s->i = i;
}

static int sample_gc(lua_State *L)
{
    sample_ref *s = luaL_checkudata(L, 1, sample_name);

    hone_samples_free(s->samples);
    s->samples = NULL;
    return 0;
}

static void sample_push_tokens(lua_State *L, const hone_sample *s)
{
    int64_t count = s->tokens ? s->prompt_tokens + s->response_tokens : 0;
    hone_error err = { 0 };
    hone_ids *ids = bind_ids_box(L);

    for (int64_t i = 0; i < count; i++)
        bind_ok(L, hone_ids_push(ids, s->tokens[i], &err), &err);
}

static void sample_push_logp(lua_State *L, const hone_sample *s)
{
    if (!s->logp) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, (int)s->response_tokens, 0);
    for (int64_t i = 0; i < s->response_tokens; i++) {
        lua_pushnumber(L, (lua_Number)s->logp[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void sample_push_own(lua_State *L, const hone_sample *s)
{
    if (!s->own) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, (int)s->response_tokens, 0);
    for (int64_t i = 0; i < s->response_tokens; i++) {
        lua_pushboolean(L, s->own[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* s.response, s.prompt, s.response_tokens, ...; any other name is a column of
 * the row, nil where it has none. */
static int sample_index(lua_State *L)
{
    static const char *const names[] = { "response", "prompt", "response_tokens", "prompt_tokens",
                                         "finish", "group", "seed", "tokens", "logp", "row", "own",
                                         NULL };
    const sample_ref *ref = luaL_checkudata(L, 1, sample_name);
    const char *key = luaL_checkstring(L, 2);
    const hone_sample *s = hone_samples_at(ref->samples, ref->i);
    int64_t n = hone_sample_response_tokens(ref->samples, ref->i);
    int which = 0;

    while (names[which] && strcmp(names[which], key) != 0)
        which++;
    switch (which) {
    case 0: lua_pushstring(L, s->response); break;
    case 1: lua_pushstring(L, s->prompt); break;
    case 2: n < 0 ? lua_pushnil(L) : lua_pushinteger(L, n); break;
    case 3: n < 0 ? lua_pushnil(L) : lua_pushinteger(L, s->prompt_tokens); break;
    case 4: lua_pushstring(L, s->finish); break;
    case 5: lua_pushinteger(L, s->group); break;
    case 6: lua_pushinteger(L, (lua_Integer)s->seed); break;
    case 7: sample_push_tokens(L, s); break;
    case 8: sample_push_logp(L, s); break;
    case 9: s->row ? bind_push_json(L, s->row) : lua_pushnil(L); break;
    case 10: sample_push_own(L, s); break;
    default: {
        const hone_json *column = hone_sample_column(ref->samples, ref->i, key);
        column ? bind_push_json(L, column) : lua_pushnil(L);
    }
    }
    return 1;
}

static int sample_tostring(lua_State *L)
{
    const sample_ref *ref = luaL_checkudata(L, 1, sample_name);

    lua_pushstring(L, ref->samples ? hone_sample_response(ref->samples, ref->i) : "");
    return 1;
}

/* ---- samples ---- */

static void samples_free(void *object)
{
    hone_samples_free(object);
}

static hone_samples *samples_check(lua_State *L)
{
    return bind_check(L, 1, &bind_samples_class);
}

void bind_samples_push(lua_State *L, const hone_samples *samples)
{
    bind_box *box = bind_new(L, &bind_samples_class);
    box->object = hone_samples_ref((hone_samples *)samples);
}

static int samples_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)hone_samples_count(samples_check(L)));
    return 1;
}

static int samples_index(lua_State *L)
{
    hone_samples *samples = samples_check(L);
    int exact;
    lua_Integer i = lua_tointegerx(L, 2, &exact);

    if (exact && i >= 1 && (size_t)i <= hone_samples_count(samples))
        bind_sample_push(L, 1, (size_t)i - 1);
    else
        lua_pushnil(L);
    return 1;
}

/* Numbers of a list as floats, in a box; NULL for nil. */
static float *samples_floats(lua_State *L, int index, int64_t count)
{
    float *items;

    index = lua_absindex(L, index);
    if (lua_isnil(L, index))
        return NULL;
    luaL_checktype(L, index, LUA_TTABLE);
    if ((int64_t)bind_count(L, index) != count)
        bind_fail(L, "logp: %zu numbers for %" PRId64 " response tokens",
                  bind_count(L, index), count);
    items = bind_buffer(L, (size_t)count, sizeof *items);
    for (int64_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, i + 1);
        items[i] = (float)luaL_checknumber(L, -1);
        lua_pop(L, 1);
    }
    return items;
}

/* Marks of own tokens, a list of booleans, in a box; NULL for nil. */
static uint8_t *samples_marks(lua_State *L, int index, int64_t count)
{
    uint8_t *items;

    index = lua_absindex(L, index);
    if (lua_isnil(L, index))
        return NULL;
    luaL_checktype(L, index, LUA_TTABLE);
    if ((int64_t)bind_count(L, index) != count)
        bind_fail(L, "own: %zu marks for %" PRId64 " response tokens",
                  bind_count(L, index), count);
    items = bind_buffer(L, (size_t)count, sizeof *items);
    for (int64_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, index, i + 1) != LUA_TBOOLEAN)
            bind_fail(L, "own: mark %" PRId64 " is a %s (allowed: true and false)", i + 1,
                      luaL_typename(L, -1));
        items[i] = (uint8_t)lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    return items;
}

/* samples:add { prompt = , response = , tokens = , prompt_tokens = , logp = ,
 * own = , finish = , row = , group = , seed = }. */
static int samples_add(lua_State *L)
{
    hone_samples *samples = samples_check(L);
    hone_sample s = { 0 };
    hone_error err = { 0 };

    luaL_checktype(L, 2, LUA_TTABLE);
    s.prompt = bind_field_string(L, 2, "prompt", NULL);
    s.response = bind_field_string(L, 2, "response", NULL);
    s.finish = bind_field_string(L, 2, "finish", NULL);
    s.group = bind_field_int(L, 2, "group", 0);
    s.seed = (uint64_t)bind_field_int(L, 2, "seed", 0);
    if (lua_getfield(L, 2, "tokens") != LUA_TNIL) {
        const hone_ids *ids = bind_ids_check(L, lua_gettop(L));
        s.prompt_tokens = bind_field_int(L, 2, "prompt_tokens", 0);
        if (s.prompt_tokens < 0 || (uint64_t)s.prompt_tokens > ids->count)
            bind_fail(L, "prompt_tokens: %" PRId64 " is out of range (allowed: 0 to %zu)",
                      s.prompt_tokens, ids->count);
        s.tokens = ids->items;
        s.response_tokens = (int64_t)ids->count - s.prompt_tokens;
        lua_getfield(L, 2, "logp");
        s.logp = samples_floats(L, -1, s.response_tokens);
        lua_getfield(L, 2, "own");
        s.own = samples_marks(L, -1, s.response_tokens);
    } else {
        s.prompt_tokens = bind_field_int(L, 2, "prompt_tokens", 0);
        s.response_tokens = bind_field_int(L, 2, "response_tokens", 0);
    }
    lua_getfield(L, 2, "row");
    s.row = bind_to_json(L, -1, false);
    bind_ok(L, hone_samples_add(samples, &s, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* samples:own_tokens(): of all. */
static int samples_own_tokens(lua_State *L)
{
    lua_pushinteger(L, hone_samples_own_tokens(samples_check(L)));
    return 1;
}

/* samples:logp_tensor() [own tokens], samples:lengths_tensor() [samples]: own
 * tokens of each, samples:truncated() [samples]: 1 where the finish is "length". */
typedef int samples_fill(hone_tensor **out, const hone_samples *samples, hone_error *err);

static int samples_tensor(lua_State *L, samples_fill *fill)
{
    const hone_samples *samples = samples_check(L);
    bind_tensor *handle = bind_tensor_box(L);
    hone_error err = { 0 };

    return bind_tensor_filled(L, handle, fill(&handle->tensor, samples, &err), &err);
}

static int samples_logp_tensor(lua_State *L)
{
    return samples_tensor(L, hone_samples_logp);
}

static int samples_lengths_tensor(lua_State *L)
{
    return samples_tensor(L, hone_samples_lengths);
}

static int samples_truncated(lua_State *L)
{
    return samples_tensor(L, hone_samples_truncated);
}

static int samples_step(lua_State *L)
{
    lua_pushinteger(L, hone_samples_step(samples_check(L)));
    return 1;
}

/* samples:set_step(step): of training, told to metrics. */
static int samples_set_step(lua_State *L)
{
    hone_samples_set_step(samples_check(L), luaL_checkinteger(L, 2));
    lua_settop(L, 1);
    return 1;
}

static int samples_new(lua_State *L)
{
    bind_box *box = bind_new(L, &bind_samples_class);
    hone_error err = { 0 };

    bind_ok(L, hone_samples_new((hone_samples **)&box->object, &err), &err);
    return 1;
}

static int samples_tostring(lua_State *L)
{
    const bind_box *box = lua_touserdata(L, 1);

    if (!box->object)
        lua_pushliteral(L, "samples (closed)");
    else
        lua_pushfstring(L, "samples (%I)", (LUAI_UACINT)hone_samples_count(box->object));
    return 1;
}

static const luaL_Reg samples_methods[] = {
    { "add", samples_add }, { "own_tokens", samples_own_tokens },
    { "logp_tensor", samples_logp_tensor }, { "lengths_tensor", samples_lengths_tensor },
    { "truncated", samples_truncated }, { "set_step", samples_set_step }, { NULL, NULL },
};
static const luaL_Reg samples_properties[] = { { "step", samples_step }, { NULL, NULL } };
static const luaL_Reg samples_meta[] = {
    { "__len", samples_length }, { "__index", samples_index }, { "__tostring", samples_tostring },
    { NULL, NULL },
};
const bind_class bind_samples_class = { "hone.samples", samples_free, samples_methods,
                                        samples_properties, samples_meta };

void bind_open_sample(lua_State *L)
{
    static const luaL_Reg meta[] = {
        { "__gc", sample_gc }, { "__index", sample_index }, { "__tostring", sample_tostring },
        { NULL, NULL },
    };

    luaL_newmetatable(L, sample_name);
    luaL_setfuncs(L, meta, 0);
    lua_pop(L, 1);
    lua_pushcfunction(L, samples_new);
    lua_setfield(L, -2, "samples_new");
    bind_class_new(L, &bind_samples_class);
    lua_setfield(L, -2, "samples");
}
