/* tokenizer.h -- text to token ids and back.
 *
 * Ids are int32, 0 <= id < vocab. Text is bytes with a length; encode expects
 * UTF-8 (invalid bytes are encoded as the tokenizer can, byte by byte, or
 * refused with their offset), decode may produce invalid UTF-8 where ids end
 * inside a character. */
#ifndef HONE_TOKENIZER_H
#define HONE_TOKENIZER_H

#include <hone/plugin.h>

/* A growing list of ids; start from {0}; free items with hone_free. */
typedef struct hone_ids {
    size_t count, capacity;
    int32_t *items;
} hone_ids;
HONE_API int hone_ids_push(hone_ids *ids, int32_t id, hone_error *err);

/* A growing text, always NUL-terminated once touched; start from {0}. */
typedef struct hone_text {
    size_t count, capacity;
    char *bytes;
} hone_text;
HONE_API int hone_text_push(hone_text *text, const char *bytes, size_t n, hone_error *err);

enum {
    HONE_ENCODE_PLAIN = 0,
    HONE_ENCODE_SPECIAL = 1 << 0, /* special tokens' names in the text become their ids */
    HONE_ENCODE_BOS = 1 << 1      /* add what the model expects before a text (and after it,
                                     where its post-processor says so) */
};

typedef struct hone_tokenizer_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    int64_t (*vocab)(void *self);                                       /* required */
    /* Append the ids of text[0..n) to ids. */
    int (*encode)(void *self, const char *text, size_t n, int flags, hone_ids *ids,
                  hone_error *err);                                     /* required */
    /* Append the text of count ids; special tokens are left out unless asked. */
    int (*decode)(void *self, const int32_t *ids, size_t count, bool special, hone_text *text,
                  hone_error *err);                                     /* required */
    /* The bytes that one id stands for inside a text (not at its start), and
     * whether it is special; NULL for an id out of range. */
    const char *(*token)(void *self, int32_t id, size_t *n, bool *special); /* required */
    /* Id of a token by its exact text, special ones included; -1: none. */
    int32_t (*find)(void *self, const char *text, size_t n);            /* required */
    /* Ids by role: "bos", "eos", "pad", "unk"; -1: none. */
    int32_t (*role)(void *self, const char *role);                      /* required */
    /* Read the tokenizer's files in `folder` (or a file); HONE_ENOTFOUND when
     * there are none of its kind. NULL: needs no files. */
    int (*load)(void *self, const char *path, hone_error *err);
    /* Write into `folder` what load reads. */
    int (*save)(void *self, const char *folder, hone_error *err);
    /* Learn a vocabulary of `vocab` tokens from texts handed out by next
     * (NULL at the end). */
    int (*train)(void *self, int64_t vocab, const char *(*next)(void *user, size_t *n), void *user,
                 hone_error *err);
} hone_tokenizer_ops;

/* The tokenizer that a model folder or file holds: asks each tokenizer plugin
 * that has `load`. HONE_ENOTFOUND when none knows it. **out is owned. */
HONE_API int hone_tokenizer_load(hone_instance **out, hone_context *context, const char *path,
                                 hone_error *err);

HONE_API int64_t hone_tokenizer_vocab(hone_instance *tokenizer);
HONE_API int hone_tokenizer_encode(hone_instance *tokenizer, const char *text, size_t n, int flags,
                                   hone_ids *ids, hone_error *err);
HONE_API int hone_tokenizer_decode(hone_instance *tokenizer, const int32_t *ids, size_t count,
                                   bool special, hone_text *text, hone_error *err);
HONE_API const char *hone_tokenizer_token(hone_instance *tokenizer, int32_t id, size_t *n,
                                          bool *special);
HONE_API int32_t hone_tokenizer_find(hone_instance *tokenizer, const char *text, size_t n);
HONE_API int32_t hone_tokenizer_role(hone_instance *tokenizer, const char *role);
HONE_API int hone_tokenizer_save(hone_instance *tokenizer, const char *folder, hone_error *err);
/* Learn a vocabulary of `vocab` tokens from the texts that next hands out (NULL
 * at the end); the tokenizer is as before when that fails. */
HONE_API int hone_tokenizer_train(hone_instance *tokenizer, int64_t vocab,
                                  const char *(*next)(void *user, size_t *n), void *user,
                                  hone_error *err);

/* Streaming decode: ids in, whole UTF-8 characters out. Incomplete characters
 * wait for the next id; hone_stream_end hands out the rest, U+FFFD for what
 * stays broken. The concatenation equals decode of all ids, save for these. */
typedef struct hone_stream hone_stream;
HONE_API int hone_stream_new(hone_stream **out, hone_instance *tokenizer, hone_error *err);
HONE_API int hone_stream_push(hone_stream *stream, int32_t id, hone_text *text, hone_error *err);
HONE_API int hone_stream_end(hone_stream *stream, hone_text *text, hone_error *err);
HONE_API void hone_stream_free(hone_stream *stream);

#endif
