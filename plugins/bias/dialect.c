/* dialect.c -- whether the same meaning is judged otherwise in another dialect.
 *
 * Items are meaning-matched texts: `pair` says which belong together, `variant`
 * which dialect one is in. effect: mean outcome of the second variant less that
 * of the first, with pairs as clusters; for shares p is McNemar's exact one.
 * first, second: the means; more, less: matches that went either way; lonely:
 * judgements without a counterpart; parts: by the attribute `by`.
 *
 * Sap et al. 2019, doi:10.18653/v1/P19-1163; Hofmann et al. 2024,
 * doi:10.1038/s41586-024-07856-5. */
#include "matched.h"

struct dialect {
    struct bias_options common;
    struct bias_outcome outcome;
    struct bias_matching matching;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct dialect),
    BIAS_OUTCOME(struct dialect),
    BIAS_MATCHING(struct dialect, "pair", "dialect", "[]"),
    HONE_OPT_END
};

static int dialect_detect(void *self, const hone_judgements *j, hone_json **findings,
                          hone_error *err)
{
    const struct dialect *o = self;
    return bias_matched_difference(&o->common, &o->matching, &o->outcome, j, findings, err);
}

static const hone_bias_ops ops = { .size = sizeof ops, .detect = dialect_detect };

HONE_PLUGIN(dialect,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether the same meaning is judged otherwise in another dialect",
    .source = "doi:10.18653/v1/P19-1163; doi:10.1038/s41586-024-07856-5",
    .instance_size = sizeof(struct dialect), .options = options, .ops = &ops);
