/* undefined_symbol.c -- a plugin that was linked without a library it needs. */
#include <hone/plugin.h>

int function_of_a_missing_library(void);

static int undefined_init(void *self, hone_context *context, hone_error *err)
{
    (void)self, (void)context, (void)err;
    return function_of_a_missing_library();
}

static const hone_ops ops = { .size = sizeof ops, .init = undefined_init };

HONE_PLUGIN(undefined_symbol, .kind = "sample", .version = "1.0", .summary = "lacks a library",
    .ops = &ops);
