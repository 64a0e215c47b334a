/* byte.c -- a token a byte: ids 0 to 255 are the bytes, 256 is <|endoftext|>
 * (before and after a text), 257 is <|pad|>.
 *
 * Nothing to learn and nothing to load. What it saves is tokenizer.json with
 * the same ids, which tokenizer/bpe and others read. Xue et al. 2022 (ByT5),
 * arXiv:2105.13626. */
#include <hone/tokenizer.h>
#include <jansson.h>
#include <string.h>

enum { END = 256, PAD = 257, VOCAB = 258 };

struct byte {
    char bytes[256];
};

static const char *const names[] = { "<|endoftext|>", "<|pad|>" };

static int byte_init(void *self, hone_context *context, hone_error *err)
{
    struct byte *b = self;

    (void)context, (void)err;
    for (int i = 0; i < 256; i++)
        b->bytes[i] = (char)i;
    return HONE_OK;
}

static int64_t byte_vocab(void *self)
{
    (void)self;
    return VOCAB;
}

/* The id of a special token whose name begins at text, or -1. */
static int32_t byte_special(const char *text, size_t n)
{
    for (int i = 0; i < 2; i++)
        if (n >= strlen(names[i]) && memcmp(text, names[i], strlen(names[i])) == 0)
            return END + i;
    return -1;
}

static int byte_encode(void *self, const char *text, size_t n, int flags, hone_ids *ids,
                       hone_error *err)
{
    int code = HONE_OK;

    (void)self;
    if (flags & HONE_ENCODE_BOS)
        code = hone_ids_push(ids, END, err);
    for (size_t i = 0; i < n && code == HONE_OK;) {
        int32_t id = flags & HONE_ENCODE_SPECIAL && text[i] == '<' ? byte_special(text + i, n - i)
                                                                   : -1;
        code = hone_ids_push(ids, id >= 0 ? id : (unsigned char)text[i], err);
        i += id >= 0 ? strlen(names[id - END]) : 1;
    }
    return code;
}

static const char *byte_token(void *self, int32_t id, size_t *n, bool *special)
{
    const struct byte *b = self;

    if (id < 0 || id >= VOCAB)
        return NULL;
    *special = id >= END;
    *n = *special ? strlen(names[id - END]) : 1;
    return *special ? names[id - END] : &b->bytes[id];
}

static int byte_decode(void *self, const int32_t *ids, size_t count, bool special,
                       hone_text *text, hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        size_t n;
        bool is_special;
        const char *bytes = byte_token(self, ids[i], &n, &is_special);

        if (!bytes)
            return hone_fail(err, HONE_EINVAL,
                             "id %" PRId32 " is not in the vocabulary (allowed: 0 to %d)", ids[i],
                             VOCAB - 1);
        if (special || !is_special)
            code = hone_text_push(text, bytes, n, err);
    }
    return code;
}

static int32_t byte_find(void *self, const char *text, size_t n)
{
    int32_t id = byte_special(text, n);

    (void)self;
    if (n == 1)
        return (unsigned char)*text;
    return id >= 0 && strlen(names[id - END]) == n ? id : -1;
}

static int32_t byte_role(void *self, const char *role)
{
    (void)self;
    return strcmp(role, "bos") == 0 || strcmp(role, "eos") == 0 ? END
         : strcmp(role, "pad") == 0 ? PAD : -1;
}

/* ---- saving ---- */

/* Files spell a byte as a printable character: itself where it is one in
 * Latin-1, the others counted up from U+0100. */
static void byte_spell(int byte, char out[4])
{
    bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    int c = printable ? byte : byte <= 0x20 ? 0x100 + byte : byte == 0xad ? 0x143
                                                           : 0x121 + byte - 0x7f;
    if (c < 0x80) {
        out[0] = (char)c;
        out[1] = '\0';
    } else {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        out[2] = '\0';
    }
}

static json_t *byte_added(int id)
{
    return json_pack("{s:i,s:s,s:b,s:b,s:b,s:b,s:b}", "id", id, "content", names[id - END],
                     "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
}

static json_t *byte_json(void)
{
    json_t *vocab = json_object(), *level;
    int failed = 0;

    for (int i = 0; i < 256; i++) {
        char text[4];
        byte_spell(i, text);
        failed |= json_object_set_new(vocab, text, json_integer(i));
    }
    if (failed) {
        json_decref(vocab);
        return NULL;
    }
    level = json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                      "trim_offsets", 1, "use_regex", 0);
    return json_pack("{s:s,s:n,s:n,s:[o,o],s:n,s:O,s:{s:s,s:[{s:{s:s,s:i}},{s:{s:s,s:i}}],"
                     "s:[{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}}],s:{s:{s:s,s:[i],s:[s]}}},s:o,"
                     "s:{s:s,s:n,s:n,s:n,s:n,s:b,s:b,s:b,s:o,s:[]}}",
                     "version", "1.0", "truncation", "padding", "added_tokens", byte_added(END),
                     byte_added(PAD), "normalizer", "pre_tokenizer", level, "post_processor",
                     "type", "TemplateProcessing", "single", "SpecialToken", "id", names[0],
                     "type_id", 0, "Sequence", "id", "A", "type_id", 0, "pair", "SpecialToken",
                     "id", names[0], "type_id", 0, "Sequence", "id", "A", "type_id", 0, "Sequence",
                     "id", "B", "type_id", 1, "special_tokens", names[0], "id", names[0], "ids",
                     END, "tokens", names[0], "decoder", level, "model", "type", "BPE", "dropout",
                     "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                     "byte_fallback", 0, "ignore_merges", 0, "vocab", vocab, "merges");
}

static int byte_write(json_t *json, const char *folder, const char *name, hone_error *err)
{
    char *path = hone_format("%s/%s", folder, name);
    int code = json && path ? hone_json_write(json, path, err)
                            : hone_fail_memory(err, "a tokenizer's files");

    json_decref(json);
    hone_free(path);
    return code;
}

static int byte_save(void *self, const char *folder, hone_error *err)
{
    int code = byte_write(byte_json(), folder, "tokenizer.json", err);

    (void)self;
    if (code != HONE_OK)
        return code;
    return byte_write(json_pack("{s:s,s:b,s:s,s:s,s:s}", "tokenizer_class",
                                "PreTrainedTokenizerFast", "clean_up_tokenization_spaces", 0,
                                "bos_token", names[0], "eos_token", names[0], "pad_token",
                                names[1]),
                      folder, "tokenizer_config.json", err);
}

static const hone_tokenizer_ops ops = {
    .size = sizeof ops, .init = byte_init, .vocab = byte_vocab, .encode = byte_encode,
    .decode = byte_decode, .token = byte_token, .find = byte_find, .role = byte_role,
    .save = byte_save,
};

HONE_PLUGIN(byte,
    .kind = "tokenizer", .version = "1.0", .threadsafe = true,
    .summary = "a token a byte, and two special ones",
    .source = "arXiv:2105.13626",
    .instance_size = sizeof(struct byte), .ops = &ops);
