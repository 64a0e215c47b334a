/* bad_default.c -- a plugin whose default its own range forbids. */
#include <hone/plugin.h>

struct bad {
    double rate;
};

static const hone_option options[] = {
    HONE_OPT_REAL(struct bad, rate, "rate", 2, 0, 1, "a share"),
    HONE_OPT_END
};

HONE_PLUGIN(bad_default, .kind = "sample", .version = "1.0", .summary = "forbids its own default",
    .instance_size = sizeof(struct bad), .options = options);
