/* winobias.c -- whether pronouns are resolved better where a stereotype agrees.
 *
 * A judgement says whether an item was resolved rightly (label "right", or a
 * score that is larger for the right reading; threshold). Items come in pairs
 * that differ in the pronoun's gender: variant "anti" and "pro". effect:
 * accuracy on pro-stereotypical less that on anti-stereotypical items, p by
 * McNemar's exact test; first and second: both accuracies; parts by `by`, such
 * as the type of the sentence.
 *
 * Zhao et al. 2018, doi:10.18653/v1/N18-2003. */
#include "matched.h"

struct winobias {
    struct bias_options common;
    struct bias_outcome outcome;
    struct bias_matching matching;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct winobias),
    HONE_OPT_STRINGS(struct winobias, outcome.positive, "positive", "[\"right\"]",
                     "labels that say that an item was resolved rightly"),
    HONE_OPT_REAL(struct winobias, outcome.threshold, "threshold", 0, -1e300, 1e300,
                  "of numbers, how much better the right reading is: at least this is right"),
    BIAS_MATCHING(struct winobias, "pair", "stereotype", "[\"anti\", \"pro\"]"),
    HONE_OPT_END
};

static int winobias_detect(void *self, const hone_judgements *j, hone_json **findings,
                           hone_error *err)
{
    const struct winobias *o = self;
    return bias_matched_difference(&o->common, &o->matching, &o->outcome, j, findings, err);
}

static const hone_bias_ops ops = { .size = sizeof ops, .detect = winobias_detect };

HONE_PLUGIN(winobias,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "accuracy on pro- less that on anti-stereotypical pronouns",
    .source = "doi:10.18653/v1/N18-2003",
    .instance_size = sizeof(struct winobias), .options = options, .ops = &ops);
