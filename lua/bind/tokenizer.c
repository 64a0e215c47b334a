/* tokenizer.c -- lists of token ids, and methods of tokenizers. */
#include "bind.h"

/* ---- ids ---- */

static void tokenizer_ids_free(void *object)
{
    hone_ids *ids = object;

    hone_free(ids->items);
    hone_free(ids);
}

hone_ids *bind_ids_box(lua_State *L)
{
    bind_box *box = bind_new(L, &bind_ids_class);

    box->object = hone_alloc(1, sizeof(hone_ids));
    if (!box->object)
        bind_fail(L, "out of memory");
    return box->object;
}

static void tokenizer_push_id(lua_State *L, hone_ids *ids, int64_t id)
{
    hone_error err = { 0 };

    if (id < 0 || id > INT32_MAX)
        bind_fail(L, "%" PRId64 " is no token id (allowed: 0 or more)", id);
    bind_ok(L, hone_ids_push(ids, (int32_t)id, &err), &err);
}

const hone_ids *bind_ids_check(lua_State *L, int arg)
{
    hone_ids *ids = bind_test(L, arg, &bind_ids_class);

    if (ids)
        return ids;
    if (!lua_istable(L, arg)) {
        luaL_tolstring(L, arg, NULL);
        bind_fail(L, "a list of token ids is needed here, not a %s", luaL_typename(L, arg));
    }
    ids = bind_ids_box(L);
    for (lua_Unsigned i = 1, n = lua_rawlen(L, arg); i <= n; i++) {
        int exact;
        lua_rawgeti(L, arg, (lua_Integer)i);
        lua_Integer id = lua_tointegerx(L, -1, &exact);
        if (!exact)
            bind_fail(L, "token %llu is a %s (allowed: integers)", (unsigned long long)i,
                      luaL_typename(L, -1));
        lua_pop(L, 1);
        tokenizer_push_id(L, ids, id);
    }
    return ids;
}

/* core.ids(list). */
static int tokenizer_ids(lua_State *L)
{
    lua_settop(L, 1);
    bind_ids_check(L, 1);
    return 1;
}

static int tokenizer_ids_length(lua_State *L)
{
    const hone_ids *ids = bind_check(L, 1, &bind_ids_class);

    lua_pushinteger(L, (lua_Integer)ids->count);
    return 1;
}

/* ids[i]. */
static int tokenizer_ids_index(lua_State *L)
{
    const hone_ids *ids = bind_check(L, 1, &bind_ids_class);
    int exact;
    lua_Integer i = lua_tointegerx(L, 2, &exact);

    if (exact && i >= 1 && (size_t)i <= ids->count)
        lua_pushinteger(L, ids->items[i - 1]);
    else
        lua_pushnil(L);
    return 1;
}

/* ids:slice(first, last): a new list. */
static int tokenizer_ids_slice(lua_State *L)
{
    const hone_ids *ids = bind_check(L, 1, &bind_ids_class);
    lua_Integer n = (lua_Integer)ids->count;
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_optinteger(L, 3, -1);
    hone_ids *out;

    first = first < 0 ? n + first + 1 : first;
    last = last < 0 ? n + last + 1 : last;
    first = first < 1 ? 1 : first;
    last = last > n ? n : last;
    out = bind_ids_box(L);
    for (lua_Integer i = first; i <= last; i++)
        tokenizer_push_id(L, out, ids->items[i - 1]);
    return 1;
}

/* ids:table(). */
static int tokenizer_ids_table(lua_State *L)
{
    const hone_ids *ids = bind_check(L, 1, &bind_ids_class);

    lua_createtable(L, ids->count > 1 << 24 ? 1 << 24 : (int)ids->count, 0);
    for (size_t i = 0; i < ids->count; i++) {
        lua_pushinteger(L, ids->items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* "1 403 7": as `hone tokenize` prints them. */
static int tokenizer_ids_tostring(lua_State *L)
{
    const hone_ids *ids = bind_check(L, 1, &bind_ids_class);
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (size_t i = 0; i < ids->count; i++) {
        lua_pushfstring(L, i ? " %d" : "%d", (int)ids->items[i]);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

static const luaL_Reg tokenizer_ids_methods[] = {
    { "slice", tokenizer_ids_slice }, { "table", tokenizer_ids_table }, { NULL, NULL },
};
static const luaL_Reg tokenizer_ids_meta[] = {
    { "__len", tokenizer_ids_length }, { "__index", tokenizer_ids_index },
    { "__tostring", tokenizer_ids_tostring }, { NULL, NULL },
};
const bind_class bind_ids_class = {
    "hone.ids", tokenizer_ids_free, tokenizer_ids_methods, NULL, tokenizer_ids_meta,
};

/* ---- tokenizers ---- */

static void tokenizer_text_free(void *object)
{
    hone_text *text = object;

    hone_free(text->bytes);
    hone_free(text);
}

static const luaL_Reg tokenizer_no_methods[] = { { NULL, NULL } };
static const bind_class tokenizer_text_class = { "hone.text", tokenizer_text_free,
                                                 tokenizer_no_methods, NULL, NULL };

static hone_text *tokenizer_text_box(lua_State *L)
{
    bind_box *box = bind_new(L, &tokenizer_text_class);

    box->object = hone_alloc(1, sizeof(hone_text));
    if (!box->object)
        bind_fail(L, "out of memory");
    return box->object;
}

/* core.tokenizer_load(path): the tokenizer of a model's folder, or a file. */
static int tokenizer_load(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    hone_context *context = bind_context(L);
    hone_instance **box = bind_instance_box(L);
    hone_error err = { 0 };

    bind_ok(L, hone_tokenizer_load(box, context, path, &err), &err);
    return 1;
}

/* tokenizer:encode(text [, { bos = false, special = false }]): a hone.ids. */
static int tokenizer_encode(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    size_t n;
    const char *text = luaL_checklstring(L, 2, &n);
    hone_error err = { 0 };
    int flags = HONE_ENCODE_PLAIN;
    hone_ids *ids;

    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        flags |= bind_field_bool(L, 3, "bos", false) ? HONE_ENCODE_BOS : 0;
        flags |= bind_field_bool(L, 3, "special", false) ? HONE_ENCODE_SPECIAL : 0;
    }
    ids = bind_ids_box(L);
    bind_ok(L, hone_tokenizer_encode(tokenizer, text, n, flags, ids, &err), &err);
    return 1;
}

/* tokenizer:decode(ids [, { special = false }]): text. */
static int tokenizer_decode(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    bool special = false;
    const hone_ids *ids;
    hone_error err = { 0 };
    hone_text *text;

    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        special = bind_field_bool(L, 3, "special", false);
    }
    ids = bind_ids_check(L, 2);
    text = tokenizer_text_box(L);
    bind_ok(L, hone_tokenizer_decode(tokenizer, ids->items, ids->count, special, text, &err), &err);
    lua_pushlstring(L, text->bytes ? text->bytes : "", text->count);
    return 1;
}

/* tokenizer:find(token): its id, or nil. */
static int tokenizer_find(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    size_t n;
    const char *text = luaL_checklstring(L, 2, &n);
    int32_t id = hone_tokenizer_find(tokenizer, text, n);

    if (id >= 0)
        lua_pushinteger(L, id);
    else
        lua_pushnil(L);
    return 1;
}

/* tokenizer:role("bos" | "eos" | "pad" | "unk"): an id, or nil. */
static int tokenizer_role(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    int32_t id = hone_tokenizer_role(tokenizer, luaL_checkstring(L, 2));

    if (id >= 0)
        lua_pushinteger(L, id);
    else
        lua_pushnil(L);
    return 1;
}

/* tokenizer:token(id): its bytes, and whether it is special; nil out of range. */
static int tokenizer_token(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    lua_Integer id = luaL_checkinteger(L, 2);
    bool special = false;
    size_t n = 0;
    const char *bytes = id < 0 || id > INT32_MAX
                      ? NULL : hone_tokenizer_token(tokenizer, (int32_t)id, &n, &special);

    if (!bytes) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushlstring(L, bytes, n);
    lua_pushboolean(L, special);
    return 2;
}

static int tokenizer_vocab(lua_State *L)
{
    lua_pushinteger(L, hone_tokenizer_vocab(bind_instance_check(L, 1, "tokenizer")));
    return 1;
}

static int tokenizer_save(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    const char *folder = luaL_checkstring(L, 2);
    hone_error err = { 0 };

    bind_ok(L, hone_tokenizer_save(tokenizer, folder, &err), &err);
    return 0;
}

struct tokenizer_texts {
    lua_State *L;
    lua_Integer next, count;
};

/* The text stays alive in the list at index 2. */
static const char *tokenizer_next(void *user, size_t *n)
{
    struct tokenizer_texts *texts = user;
    const char *text;

    if (texts->next > texts->count)
        return NULL;
    lua_rawgeti(texts->L, 2, texts->next++);
    text = lua_tolstring(texts->L, -1, n);
    lua_pop(texts->L, 1);
    return text;
}

/* tokenizer:train(texts, vocab): learn a vocabulary from a list of texts. */
static int tokenizer_train(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    struct tokenizer_texts texts = { L, 1, 0 };
    lua_Integer vocab = luaL_checkinteger(L, 3);
    hone_error err = { 0 };

    luaL_checktype(L, 2, LUA_TTABLE);
    texts.count = (lua_Integer)lua_rawlen(L, 2);
    for (lua_Integer i = 1; i <= texts.count; i++) {
        if (lua_rawgeti(L, 2, i) != LUA_TSTRING)
            bind_fail(L, "text %lld is a %s (allowed: strings)", (long long)i,
                      luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    bind_ok(L, hone_tokenizer_train(tokenizer, vocab, tokenizer_next, &texts, &err), &err);
    lua_settop(L, 1);
    return 1;
}

/* ---- streams: ids in, whole characters out ---- */

static void tokenizer_stream_free(void *object)
{
    hone_stream_free(object);
}

static int tokenizer_stream_push(lua_State *L);
static int tokenizer_stream_end(lua_State *L);
static const luaL_Reg tokenizer_stream_methods[] = {
    { "push", tokenizer_stream_push }, { "finish", tokenizer_stream_end }, { NULL, NULL },
};
static const bind_class tokenizer_stream_class = {
    "hone.stream", tokenizer_stream_free, tokenizer_stream_methods, NULL, NULL,
};

/* tokenizer:stream(). */
static int tokenizer_stream(lua_State *L)
{
    hone_instance *tokenizer = bind_instance_check(L, 1, "tokenizer");
    bind_box *box = bind_new(L, &tokenizer_stream_class);
    hone_error err = { 0 };

    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    bind_ok(L, hone_stream_new((hone_stream **)&box->object, tokenizer, &err), &err);
    return 1;
}

static int tokenizer_stream_push(lua_State *L)
{
    hone_stream *stream = bind_check(L, 1, &tokenizer_stream_class);
    lua_Integer id = luaL_checkinteger(L, 2);
    hone_text *text = tokenizer_text_box(L);
    hone_error err = { 0 };

    bind_ok(L, hone_stream_push(stream, (int32_t)id, text, &err), &err);
    lua_pushlstring(L, text->bytes ? text->bytes : "", text->count);
    return 1;
}

static int tokenizer_stream_end(lua_State *L)
{
    hone_stream *stream = bind_check(L, 1, &tokenizer_stream_class);
    hone_text *text = tokenizer_text_box(L);
    hone_error err = { 0 };

    bind_ok(L, hone_stream_end(stream, text, &err), &err);
    lua_pushlstring(L, text->bytes ? text->bytes : "", text->count);
    return 1;
}

void bind_open_tokenizer(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "ids", tokenizer_ids }, { "tokenizer_load", tokenizer_load }, { NULL, NULL },
    };
    static const luaL_Reg methods[] = {
        { "encode", tokenizer_encode }, { "decode", tokenizer_decode }, { "find", tokenizer_find },
        { "role", tokenizer_role }, { "token", tokenizer_token }, { "vocab", tokenizer_vocab },
        { "save", tokenizer_save }, { "stream", tokenizer_stream }, { "train", tokenizer_train },
        { NULL, NULL },
    };

    bind_class_new(L, &bind_ids_class);
    bind_class_new(L, &tokenizer_text_class);
    bind_class_new(L, &tokenizer_stream_class);
    lua_pop(L, 3);
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "kind");
    lua_pushliteral(L, "tokenizer");
    lua_call(L, 1, 1);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
