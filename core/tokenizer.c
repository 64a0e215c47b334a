/* tokenizer.c -- growing lists, calls into tokenizer plugins, finding the one
 * that knows a folder, and decoding as ids come (see <hone/tokenizer.h>). */
#include <hone/tokenizer.h>

#include <string.h>

/* Room for `more` items of `size` bytes behind `count`: a new capacity, or 0. */
static size_t tokenizer_room(size_t count, size_t capacity, size_t more, size_t size)
{
    size_t most = PTRDIFF_MAX / size;

    if (more > most - count)
        return 0;
    if (capacity < 16)
        capacity = 16;
    while (capacity < count + more)
        capacity = capacity > most / 2 ? most : 2 * capacity;
    return capacity;
}

int hone_ids_push(hone_ids *ids, int32_t id, hone_error *err)
{
    if (ids->count == ids->capacity) {
        size_t capacity = tokenizer_room(ids->count, ids->capacity, 1, sizeof id);
        int32_t *items = capacity ? hone_realloc(ids->items, capacity, sizeof id) : NULL;

        if (!items)
            return hone_fail_memory(err, "token ids");
        ids->items = items;
        ids->capacity = capacity;
    }
    ids->items[ids->count++] = id;
    return HONE_OK;
}

int hone_text_push(hone_text *text, const char *bytes, size_t n, hone_error *err)
{
    if (!text->bytes || n >= text->capacity - text->count) {
        size_t capacity = n < PTRDIFF_MAX ? tokenizer_room(text->count, text->capacity, n + 1, 1)
                                          : 0;
        char *grown = capacity ? hone_realloc(text->bytes, capacity, 1) : NULL;

        if (!grown)
            return hone_fail_memory(err, "text");
        text->bytes = grown;
        text->capacity = capacity;
    }
    if (n)
        memcpy(text->bytes + text->count, bytes, n);
    text->count += n;
    text->bytes[text->count] = '\0';
    return HONE_OK;
}

/* ---- finding ---- */

/* Ask one plugin. HONE_ENOTFOUND: the path holds nothing of its kind. */
static int tokenizer_try(hone_instance **out, hone_context *context, const char *name,
                         const char *path, hone_error *err)
{
    const hone_plugin *plugin;
    hone_instance *instance = NULL;
    int (*load)(void *self, const char *path, hone_error *err);
    int code = hone_plugin_find(context, "tokenizer", name, &plugin, err);

    if (code != HONE_OK)
        return code;
    load = HONE_OP(plugin->ops, hone_tokenizer_ops, load);
    if (!load)
        return hone_fail(err, HONE_ENOTFOUND, "tokenizer/%s reads no files", name);
    code = hone_instance_new(&instance, context, "tokenizer", name, NULL, err);
    if (code == HONE_OK)
        code = load(hone_instance_self(instance), path, err);
    if (code != HONE_OK) {
        hone_instance_free(instance);
        return code;
    }
    *out = instance;
    return HONE_OK;
}

/* A plugin that fails does not keep the others from being asked. */
int hone_tokenizer_load(hone_instance **out, hone_context *context, const char *path,
                        hone_error *err)
{
    hone_plugin_entry *entries = NULL;
    hone_text asked = {0};
    hone_error first = {0};
    size_t count = 0;
    int code;

    *out = NULL;
    code = hone_plugin_list(context, "tokenizer", &entries, &count, err);
    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        hone_error why = {0};

        if (entries[i].hidden)
            continue;
        if (tokenizer_try(out, context, entries[i].name, path, &why) == HONE_OK)
            goto out;
        if (why.code != HONE_ENOTFOUND && first.code == HONE_OK)
            first = why;
        code = hone_text_push(&asked, ", ", asked.count ? 2 : 0, err);
        if (code == HONE_OK)
            code = hone_text_push(&asked, entries[i].name, strlen(entries[i].name), err);
    }
    if (code == HONE_OK && first.code != HONE_OK)
        code = hone_fail(err, first.code, "%s", first.message);
    else if (code == HONE_OK)
        code = hone_fail(err, HONE_ENOTFOUND, "%s: no tokenizer that a plugin knows (asked: %s)",
                         path, asked.count ? asked.bytes : "none");
out:
    hone_free(asked.bytes);
    hone_free(entries);
    return code;
}

/* ---- calls ---- */

static const hone_tokenizer_ops *tokenizer_ops(hone_instance *tokenizer)
{
    return hone_instance_plugin(tokenizer)->ops;
}

int64_t hone_tokenizer_vocab(hone_instance *tokenizer)
{
    return tokenizer_ops(tokenizer)->vocab(hone_instance_self(tokenizer));
}

int hone_tokenizer_encode(hone_instance *tokenizer, const char *text, size_t n, int flags,
                          hone_ids *ids, hone_error *err)
{
    size_t before = ids->count;
    int code = tokenizer_ops(tokenizer)->encode(hone_instance_self(tokenizer), text, n, flags, ids,
                                                err);
    if (code != HONE_OK)
        ids->count = before;
    return code;
}

int hone_tokenizer_decode(hone_instance *tokenizer, const int32_t *ids, size_t count, bool special,
                          hone_text *text, hone_error *err)
{
    size_t before = text->count;
    int code = hone_text_push(text, "", 0, err); /* touched, even by no ids */

    if (code == HONE_OK)
        code = tokenizer_ops(tokenizer)->decode(hone_instance_self(tokenizer), ids, count, special,
                                                text, err);
    if (code != HONE_OK && text->bytes)
        text->bytes[text->count = before] = '\0';
    return code;
}

const char *hone_tokenizer_token(hone_instance *tokenizer, int32_t id, size_t *n, bool *special)
{
    size_t size;
    bool flag;

    return tokenizer_ops(tokenizer)->token(hone_instance_self(tokenizer), id, n ? n : &size,
                                           special ? special : &flag);
}

int32_t hone_tokenizer_find(hone_instance *tokenizer, const char *text, size_t n)
{
    return tokenizer_ops(tokenizer)->find(hone_instance_self(tokenizer), text, n);
}

int32_t hone_tokenizer_role(hone_instance *tokenizer, const char *role)
{
    return tokenizer_ops(tokenizer)->role(hone_instance_self(tokenizer), role);
}

int hone_tokenizer_save(hone_instance *tokenizer, const char *folder, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(tokenizer);
    int (*save)(void *, const char *, hone_error *) = HONE_OP(plugin->ops, hone_tokenizer_ops,
                                                             save);
    if (!save)
        return hone_fail(err, HONE_EUNSUPPORTED, "tokenizer/%s cannot be saved", plugin->name);
    return save(hone_instance_self(tokenizer), folder, err);
}

int hone_tokenizer_train(hone_instance *tokenizer, int64_t vocab,
                         const char *(*next)(void *user, size_t *n), void *user, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(tokenizer);
    int (*train)(void *, int64_t, const char *(*)(void *, size_t *), void *, hone_error *) =
        HONE_OP(plugin->ops, hone_tokenizer_ops, train);

    if (!train)
        return hone_fail(err, HONE_EUNSUPPORTED, "tokenizer/%s cannot be trained", plugin->name);
    return train(hone_instance_self(tokenizer), vocab, next, user, err);
}

/* ---- streaming ---- */

/* Bytes wait until they are a whole character, or can no longer become one:
 * then they are a maximal subpart in Unicode's sense and count as one U+FFFD.
 * Only the first token of a text may decode to something else than its bytes
 * (a space in front is dropped), so that one goes through decode. */
struct hone_stream {
    hone_instance *tokenizer;
    bool started;
    char pending[4];
    size_t count; /* < 4 */
};

int hone_stream_new(hone_stream **out, hone_instance *tokenizer, hone_error *err)
{
    *out = hone_alloc(1, sizeof **out);
    if (!*out)
        return hone_fail_memory(err, "a stream of tokens");
    (*out)->tokenizer = hone_instance_ref(tokenizer);
    return HONE_OK;
}

void hone_stream_free(hone_stream *stream)
{
    if (stream)
        hone_instance_free(stream->tokenizer);
    hone_free(stream);
}

/* How many bytes the character that begins with `lead` has; 0: none does. */
static size_t stream_size(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    return lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

/* Whether `c` may follow at `at` >= 1 in a character that begins with `lead`:
 * no overlong forms, no surrogates, nothing past U+10FFFF. */
static bool stream_follows(unsigned char lead, size_t at, unsigned char c)
{
    unsigned char low = 0x80, high = 0xbf;

    if (at == 1) {
        if (lead == 0xe0)
            low = 0xa0;
        else if (lead == 0xed)
            high = 0x9f;
        else if (lead == 0xf0)
            low = 0x90;
        else if (lead == 0xf4)
            high = 0x8f;
    }
    return c >= low && c <= high;
}

static int stream_broken(hone_stream *stream, hone_text *text, hone_error *err)
{
    stream->count = 0;
    return hone_text_push(text, "\xef\xbf\xbd", 3, err);
}

static int stream_byte(hone_stream *stream, char c, hone_text *text, hone_error *err)
{
    int code = HONE_OK;

    if (stream->count && !stream_follows((unsigned char)stream->pending[0], stream->count,
                                         (unsigned char)c))
        code = stream_broken(stream, text, err);
    if (code != HONE_OK)
        return code;
    stream->pending[stream->count++] = c;
    switch (stream_size((unsigned char)stream->pending[0]) - stream->count) {
    case 0:
        code = hone_text_push(text, stream->pending, stream->count, err);
        stream->count = 0;
        return code;
    case (size_t)-1: /* no character begins so */
        return stream_broken(stream, text, err);
    default:
        return HONE_OK;
    }
}

int hone_stream_push(hone_stream *stream, int32_t id, hone_text *text, hone_error *err)
{
    hone_text first = {0};
    size_t n = 0;
    bool special = false;
    const char *bytes = hone_tokenizer_token(stream->tokenizer, id, &n, &special);
    int code = hone_text_push(text, "", 0, err);

    if (code != HONE_OK)
        return code;
    if (!bytes || !stream->started) { /* decode has the message for a wrong id, too */
        code = hone_tokenizer_decode(stream->tokenizer, &id, 1, false, &first, err);
        stream->started = bytes && !special && n > 0;
        bytes = first.bytes;
        n = first.count;
    } else if (special) {
        n = 0;
    }
    for (size_t i = 0; i < n && code == HONE_OK; i++)
        code = stream_byte(stream, bytes[i], text, err);
    hone_free(first.bytes);
    return code;
}

int hone_stream_end(hone_stream *stream, hone_text *text, hone_error *err)
{
    int code = hone_text_push(text, "", 0, err);

    if (code == HONE_OK && stream->count)
        code = stream_broken(stream, text, err);
    stream->started = false;
    return code;
}
