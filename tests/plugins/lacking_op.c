/* lacking_op.c -- a metric that cannot score. */
#include <hone/plugin.h>

static const hone_ops ops = { .size = sizeof ops };

HONE_PLUGIN(lacking_op, .kind = "metric", .version = "1.0", .summary = "cannot score",
    .ops = &ops);
