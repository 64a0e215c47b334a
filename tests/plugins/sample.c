/* sample.c -- a plugin with an option of every type, and nothing wrong. */
#include <hone/plugin.h>

#include <math.h>
#include <string.h>

struct inner {
    double warmup;
    const char *label;
};

struct sample {
    bool flag;
    int64_t count, mode, seed;
    double rate, limit;
    const char *text, *file;
    hone_range span;
    hone_int_list layers;
    hone_real_list betas;
    hone_string_list targets;
    hone_instance *part;
    struct inner inner;
    void *memory; /* of init */
};

static const char *const modes[] = { "linear", "cosine", "constant", NULL };

static const hone_option inner[] = {
    HONE_OPT_REAL(struct inner, warmup, "warmup", 0.03, 0, 1, "share of steps"),
    HONE_OPT_STRING(struct inner, label, "label", "none", "a name"),
    HONE_OPT_END
};

static const hone_option options[] = {
    HONE_OPT_BOOL(struct sample, flag, "flag", true, "on or off"),
    HONE_OPT_INT(struct sample, count, "count", 8, 1, 1000, "things"),
    HONE_OPT_INT(struct sample, seed, "seed", HONE_UNSET_INT, 0, INT64_MAX, "default: none"),
    HONE_OPT_REAL_FLAGS(struct sample, rate, "rate", 1e-3, 0, 10, HONE_OPTION_OPEN_MIN, "a step"),
    HONE_OPT_REAL(struct sample, limit, "limit", HONE_UNSET_REAL, 0, INFINITY, "default: none"),
    HONE_OPT_STRING(struct sample, text, "text", "hello", "a text"),
    HONE_OPT_PATH(struct sample, file, "file", NULL, "default: none"),
    HONE_OPT_CHOICE(struct sample, mode, "mode", "cosine", modes, "how it falls"),
    HONE_OPT_RANGE(struct sample, span, "span", .25, 1., 0, 1, "from, to"),
    HONE_OPT_INTS(struct sample, layers, "layers", NULL, 0, 100, "which layers"),
    HONE_OPT_REALS(struct sample, betas, "betas", "[0.9, 0.999]", 0, 1, "moments"),
    HONE_OPT_STRINGS(struct sample, targets, "targets", "[\"q\", \"v\"]", "roles"),
    HONE_OPT_PLUGIN(struct sample, part, "part", "sample", NULL, "another of its kind"),
    HONE_OPT_TABLE(struct sample, inner, "inner", inner, "a table of its own"),
    HONE_OPT_END
};

static int sample_init(void *self, hone_context *context, hone_error *err)
{
    struct sample *s = self;
    (void)context;

    if (!(s->memory = hone_alloc(16, 1)))
        return hone_fail_memory(err, "a sample");
    if (s->count == 666)
        return hone_fail(err, HONE_EINVAL, "count: 666 is not welcome");
    return HONE_OK;
}

static void sample_close(void *self)
{
    struct sample *s = self;

    hone_free(s->memory);
}

static int sample_self_test(hone_context *context, hone_error *err)
{
    hone_instance *instance;
    int code = hone_instance_new(&instance, context, "sample", "sample", NULL, err);

    if (code != HONE_OK)
        return code;
    if (((struct sample *)hone_instance_self(instance))->count != 8)
        code = hone_fail(err, HONE_ENUMERIC, "the default did not arrive");
    hone_instance_free(instance);
    return code;
}

static const hone_ops ops = { .size = sizeof ops, .init = sample_init, .close = sample_close };

HONE_PLUGIN(sample,
    .kind = "sample", .version = "1.0", .summary = "an option of every type",
    .source = "tests", .threadsafe = true, .instance_size = sizeof(struct sample),
    .options = options, .ops = &ops, .self_test = sample_self_test);
