/* tokenizer.h -- what the tokenizer fuzzers share: foreign bytes are a file
 * that tokenizer/bpe loads; what it takes must then encode and decode without
 * a crash, and byte-level models must give text back. */
#ifndef FUZZ_TOKENIZER_H
#define FUZZ_TOKENIZER_H

#define _GNU_SOURCE
#include <hone/hone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static hone_context *fuzz_context;
static int fuzz_file = -1;

static void fuzz_setup(void)
{
    hone_error err = {0};

    if (hone_context_new(&fuzz_context, NULL, &err) != HONE_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    fuzz_file = memfd_create("fuzz", 0);
}

/* An instance that has loaded the bytes, or NULL. */
static hone_instance *fuzz_load(const void *bytes, size_t n, const char *options)
{
    const hone_tokenizer_ops *ops;
    hone_instance *t = NULL;
    hone_json *json = NULL;
    char path[64];
    hone_error err = {0};

    if (!fuzz_context)
        fuzz_setup();
    if (ftruncate(fuzz_file, 0) != 0 || pwrite(fuzz_file, bytes, n, 0) != (ssize_t)n ||
        hone_json_parse(&json, options, strlen(options), "options", &err) != HONE_OK ||
        hone_instance_new(&t, fuzz_context, "tokenizer", "bpe", json, &err) != HONE_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    hone_json_free(json);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fuzz_file);
    ops = hone_instance_plugin(t)->ops;
    if (ops->load(hone_instance_self(t), path, &err) == HONE_OK)
        return t;
    if (!err.message[0])
        abort();
    hone_instance_free(t);
    return NULL;
}

static void fuzz_stream(hone_instance *t, const hone_ids *ids)
{
    hone_stream *stream;
    hone_text text = {0};

    if (hone_stream_new(&stream, t, NULL) != HONE_OK)
        abort();
    for (size_t i = 0; i < ids->count; i++)
        if (hone_stream_push(stream, ids->items[i], &text, NULL) != HONE_OK)
            abort();
    hone_stream_end(stream, &text, NULL);
    hone_stream_free(stream);
    hone_free(text.bytes);
}

/* same: decoding must give the text back. */
static void fuzz_use(hone_instance *t, bool same)
{
    static const char *const texts[] = {
        "", " ", "a", "Hello  world, don't 12345\r\n\n x", "\xc3\xa9\xe4\xb8\xad \xf0\x9f\x99\x82",
        "<s>a</s> <|endoftext|>", "\xe2\x96\x81 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_ids ids = {0};
        hone_text text = {0};

        if (hone_tokenizer_encode(t, texts[i], strlen(texts[i]), i % 4, &ids, NULL) == HONE_OK) {
            if (hone_tokenizer_decode(t, ids.items, ids.count, true, &text, NULL) != HONE_OK)
                abort();
            if (same && i % 4 == 0 && strcmp(text.bytes, texts[i]) != 0)
                abort();
            fuzz_stream(t, &ids);
        }
        hone_free(ids.items);
        hone_free(text.bytes);
    }
    for (int32_t id = -1; id <= hone_tokenizer_vocab(t) && id < 300; id++) {
        size_t n;
        bool special;
        const char *bytes = hone_tokenizer_token(t, id, &n, &special);

        if (bytes)
            hone_tokenizer_find(t, bytes, n);
    }
    hone_instance_free(t);
}

#endif
