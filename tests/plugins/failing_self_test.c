/* failing_self_test.c -- a plugin that finds itself wrong. */
#include <hone/plugin.h>

static int failing_self_test(hone_context *context, hone_error *err)
{
    (void)context;
    return hone_fail(err, HONE_ENUMERIC, "kappa of equal ratings: 0.5 (expected: 1)");
}

HONE_PLUGIN(failing_self_test, .kind = "sample", .version = "1.0", .summary = "knows it is wrong",
    .self_test = failing_self_test);
