/* overlong.c -- a soft penalty for long responses.
 *
 * Nothing up to a knee `ramp` tokens below `max`, then linear down to -1 at
 * max, and -1 beyond. Plugins are built out of tree, too, as the tests do with
 * this one:
 *
 *   cc -shared -fPIC overlong.c -o overlong.so $(pkg-config --cflags --libs hone)
 *
 * Yu et al. 2025 (DAPO), arXiv:2503.14476, eq. 13. */
#include <hone/metric.h>

struct overlong {
    int64_t max, ramp;
};

static const hone_option options[] = {
    HONE_OPT_INT(struct overlong, max, "max", 1024, 1, INT32_MAX, "most tokens"),
    HONE_OPT_INT(struct overlong, ramp, "ramp", 128, 1, INT32_MAX,
                 "tokens below max over which the penalty grows"),
    HONE_OPT_END
};

static int overlong_init(void *self, hone_context *context, hone_error *err)
{
    const struct overlong *o = self;
    (void)context;

    if (o->ramp <= o->max)
        return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "ramp is %" PRId64 " tokens; it must not exceed max, "
                     "%" PRId64, o->ramp, o->max);
}

static double overlong_penalty(const struct overlong *o, int64_t tokens)
{
    int64_t over = tokens - (o->max - o->ramp);

    if (over <= 0)
        return 0;
    return over < o->ramp ? -(double)over / (double)o->ramp : -1;
}

static int overlong_score(void *self, hone_scores *out, const hone_samples *samples,
                          hone_error *err)
{
    (void)err;
    for (size_t i = 0; i < hone_samples_count(samples); i++) {
        int64_t tokens = hone_sample_response_tokens(samples, i);
        if (tokens < 0)
            hone_score_na(out, i);
        else
            hone_score_set(out, i, overlong_penalty(self, tokens));
    }
    return HONE_OK;
}

static const hone_metric_ops ops = {
    .size = sizeof ops, .init = overlong_init, .score = overlong_score,
};

/* The penalty meets itself where its three parts do. */
static int overlong_self_test(hone_context *context, hone_error *err)
{
    const struct overlong o = { .max = 10, .ramp = 4 };
    static const double expected[] = { 0, 0, -0.25, -0.75, -1, -1 };
    static const int64_t tokens[] = { 0, 6, 7, 9, 10, 11 };
    (void)context;

    for (int i = 0; i < 6; i++) {
        double seen = overlong_penalty(&o, tokens[i]);
        if (seen != expected[i])
            return hone_fail(err, HONE_ENUMERIC, "%" PRId64 " tokens of 10 score %g, not %g",
                             tokens[i], seen, expected[i]);
    }
    return HONE_OK;
}

HONE_PLUGIN(overlong,
    .threadsafe = true, .kind = "metric", .version = "1.0",
    .summary = "a soft penalty for long responses, from 0 to -1", .source = "arXiv:2503.14476",
    .instance_size = sizeof(struct overlong), .options = options, .ops = &ops,
    .self_test = overlong_self_test);
