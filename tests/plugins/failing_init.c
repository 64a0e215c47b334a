/* failing_init.c -- a plugin whose init fails after it took memory. */
#include <hone/plugin.h>

struct failing {
    void *memory;
};

static int failing_init(void *self, hone_context *context, hone_error *err)
{
    struct failing *f = self;
    (void)context;

    f->memory = hone_alloc(16, 1);
    return hone_fail(err, HONE_EIO, "the device is on fire");
}

static void failing_close(void *self)
{
    hone_free(((struct failing *)self)->memory);
}

static const hone_ops ops = { .size = sizeof ops, .init = failing_init, .close = failing_close };

HONE_PLUGIN(failing_init, .kind = "sample", .version = "1.0", .summary = "never starts",
    .instance_size = sizeof(struct failing), .ops = &ops);
