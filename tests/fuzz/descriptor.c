/* descriptor.c -- plugin descriptors and option tables from any bytes.
 *
 * A descriptor is data of foreign code. The bytes choose every size, number,
 * name and type in it; what C itself promises still holds: pointers are NULL or
 * point to what they say, tables have the stride they state, texts end. Each is
 * laid out in an allocation of exactly its size, so that the sanitizer sees a
 * read beyond it. What the loader takes is then described, made and freed, with
 * values that are the rest of the bytes. */
#include "folder.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { BLOCKS = 256, WORDS = 4 };

struct source {
    const uint8_t *at;
    size_t left;
    void *blocks[BLOCKS];
    size_t count;
};

static uint8_t fuzz_byte(struct source *s)
{
    if (!s->left)
        return 0;
    s->left--;
    return *s->at++;
}

/* Small as a rule, else of any size, near both ends of the range, too. */
static uint64_t fuzz_number(struct source *s)
{
    uint8_t how = fuzz_byte(s);
    uint64_t v = 0;

    if (how < 200)
        return how;
    if (how < 220)
        return 8 * (uint64_t)fuzz_byte(s);
    if (how < 230)
        return UINT64_MAX - fuzz_byte(s);
    if (how < 240)
        return (uint64_t)INT64_MAX - fuzz_byte(s);
    for (int i = 0; i < 8; i++)
        v = v << 8 | fuzz_byte(s);
    return v;
}

static double fuzz_real(struct source *s)
{
    uint64_t bits = fuzz_number(s);
    double v;

    if (bits < 256)
        return (double)bits - 128;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void *fuzz_block(struct source *s, size_t n)
{
    void *block = s->count < BLOCKS ? calloc(1, n ? n : 1) : NULL;

    if (block)
        s->blocks[s->count++] = block;
    return block;
}

static const char *fuzz_text(struct source *s)
{
    static const char *const usual[] = {
        "a", "b", "lr", "fuzz", "plugin", "metric", "quality", "1", "[]", "[1,2]", "[0,1]",
        "[\"a\"]", "[0.5,2]", "{}", "~", "", "A", "null",
    };
    uint8_t how = fuzz_byte(s);
    size_t n = how % 32;
    char *text;

    if (how < 16)
        return NULL;
    if (how < 200)
        return usual[how % (sizeof usual / sizeof *usual)];
    if (n > s->left)
        n = s->left;
    text = fuzz_block(s, n + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < n; i++)
        text[i] = (char)s->at[i];
    s->at += n;
    s->left -= n;
    return text;
}

static const char *const *fuzz_words(struct source *s)
{
    const char **words = fuzz_byte(s) < 64 ? NULL : fuzz_block(s, (WORDS + 1) * sizeof *words);
    int n = fuzz_byte(s) % (WORDS + 1);

    for (int i = 0; words && i < n; i++)
        words[i] = fuzz_text(s);
    return words;
}

/* `depth` tables lie around this one. */
static const hone_option *fuzz_table(struct source *s, size_t stride, int depth)
{
    size_t count = fuzz_byte(s) % 8, bytes = stride < sizeof(hone_option) ? stride
                                                                         : sizeof(hone_option);
    char *table = stride < 4096 ? fuzz_block(s, (count + 1) * stride) : NULL;

    for (size_t i = 0; table && i < count; i++) {
        hone_option o = { .name = fuzz_text(s), .doc = fuzz_text(s) };

        o.type = (hone_option_type)(fuzz_byte(s) % 15);
        o.flags = (uint32_t)fuzz_number(s);
        o.offset = (size_t)fuzz_number(s);
        o.int_default = (int64_t)fuzz_number(s);
        o.int_min = (int64_t)fuzz_number(s);
        o.int_max = (int64_t)fuzz_number(s);
        o.real_default = fuzz_real(s);
        o.real_min = fuzz_real(s);
        o.real_max = fuzz_real(s);
        o.text_default = fuzz_text(s);
        o.choices = fuzz_words(s);
        o.kind = fuzz_text(s);
        if (o.type == HONE_OPTION_TABLE && depth < 20)
            o.options = fuzz_table(s, stride, depth + 1);
        memcpy(table + i * stride, &o, bytes);
    }
    return (const hone_option *)(void *)table;
}

static int fuzz_init(void *self, hone_context *context, hone_error *err)
{
    (void)self, (void)context, (void)err;
    return HONE_OK;
}

static int fuzz_init_fails(void *self, hone_context *context, hone_error *err)
{
    (void)self, (void)context, (void)err;
    return HONE_EINVAL;
}

static void fuzz_close(void *self)
{
    (void)self;
}

/* Ops beyond the common ones are looked at, not called. */
static const void *fuzz_ops(struct source *s)
{
    size_t size = fuzz_byte(s), pointers = size / sizeof(void *);
    void (*close)(void *) = fuzz_close;
    hone_ops common = { .size = size, .init = fuzz_byte(s) & 1 ? fuzz_init : fuzz_init_fails,
                        .close = close };
    char *ops = fuzz_byte(s) < 32 ? NULL : fuzz_block(s, size < sizeof(size_t) ? sizeof(size_t)
                                                                               : size);

    if (!ops)
        return NULL;
    memcpy(ops, &common, size < sizeof common ? sizeof(size_t) : sizeof common);
    for (size_t i = sizeof common / sizeof(void *); i < pointers; i++)
        if (fuzz_byte(s) >= 16)
            memcpy(ops + i * sizeof(void *), &close, sizeof close);
    return ops;
}

static const hone_plugin *fuzz_plugin(struct source *s)
{
    static const char *const kinds[] = { "optimizer", "metric", "quality", "bias", "tokenizer",
                                         "model", "strategy", "sample" };
    hone_plugin p = { .abi = HONE_ABI, .name = "fuzz", .version = "1", .summary = "of bytes" };
    uint8_t how = fuzz_byte(s);
    char *plugin;

    p.size = how & 1 ? fuzz_byte(s) : sizeof p;
    plugin = fuzz_block(s, p.size < 12 ? 12 : p.size);
    p.abi += how & 2 ? fuzz_byte(s) % 2 : 0;
    p.option_size = how & 4 ? 8u * (fuzz_byte(s) % 32) : (uint32_t)sizeof(hone_option);
    p.kind = how & 8 ? fuzz_text(s) : kinds[fuzz_byte(s) % 8];
    if (how & 16)
        p.name = fuzz_text(s);
    if (how & 32)
        p.summary = fuzz_text(s), p.version = fuzz_text(s), p.source = fuzz_text(s);
    p.instance_size = (size_t)fuzz_number(s);
    if (p.instance_size > 4096 && p.instance_size < SIZE_MAX - 512)
        p.instance_size %= 4096;
    p.ops = fuzz_ops(s);
    p.options = how & 64 || p.option_size == 0 ? NULL : fuzz_table(s, p.option_size, 0);
    memcpy(plugin, &p, p.size < 12 ? 12 : p.size < sizeof p ? p.size : sizeof p);
    return (const hone_plugin *)(void *)plugin;
}

static void fuzz_told(int code, const hone_error *err)
{
    if (code != HONE_OK && (err->code != code || !err->message[0]))
        abort();
}

/* What was taken; its own values in force make it again. */
static void fuzz_use(hone_context *context, const hone_plugin *p, const hone_json *values)
{
    hone_instance *i = NULL, *again = NULL;
    hone_json *described = NULL;
    hone_error err = { 0 };

    fuzz_told(hone_options_describe(p->options, &described, &err), &err);
    err = (hone_error){ 0 };
    fuzz_told(hone_instance_new(&i, context, p->kind, p->name, values, &err), &err);
    if (i && hone_instance_new(&again, context, p->kind, p->name, hone_instance_options(i),
                               NULL) != HONE_OK)
        abort();
    hone_instance_free(again);
    hone_instance_free(i);
    hone_json_free(described);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct source s = { .at = bytes, .left = n };
    const hone_plugin *plugin, *taken;
    hone_context *context = NULL;
    hone_json *values = NULL;
    hone_error err = { 0 };
    int code;

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("HONE_PLUGIN_PATH", "/nonexistent", 1);
    if (hone_context_new(&context, NULL, NULL) != HONE_OK)
        abort();
    hone_context_on_log(context, fuzz_quiet, NULL);
    plugin = fuzz_plugin(&s);
    (void)hone_json_parse(&values, (const char *)s.at, s.left, NULL, NULL);
    code = hone_plugin_register(context, plugin, &err);
    fuzz_told(code, &err);
    if (code == HONE_OK) {
        if (hone_plugin_find(context, plugin->kind, plugin->name, &taken, NULL) != HONE_OK)
            abort();
        fuzz_use(context, taken, values);
    }
    hone_json_free(values);
    hone_context_free(context);
    while (s.count)
        free(s.blocks[--s.count]);
    return 0;
}
