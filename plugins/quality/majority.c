/* majority.c -- aggregation by the shares of votes.
 *
 * The posterior is the shares, and no more probable than that. A tie is no
 * label: its item says so, and the figure `ties` counts them. An annotator's
 * skill is how often others on the item agree: the mean share of their votes,
 * own vote left out, over items that others answered. */
#include "votes.h"

#include <math.h>

struct majority {
    struct votes_options common;
};

static const hone_option options[] = {
    VOTES_OPTIONS(struct majority),
    HONE_OPT_END
};

static void majority_annotators(void *arg, size_t first, size_t last, size_t piece)
{
    struct votes *v = arg;
    (void)piece;

    for (size_t a = first; a < last; a++) {
        struct votes_tally tally = {0};
        for (size_t p = v->annotator_starts[a]; p < v->annotator_starts[a + 1]; p++) {
            size_t r = (size_t)v->by_annotator[p], i = (size_t)v->item[r];
            double w = votes_weight(v, r), agree = 0, all = 0;
            for (size_t q = v->item_starts[i]; q < v->item_starts[i + 1]; q++) {
                double other = v->annotator[q] == v->annotator[r] ? 0 : votes_weight(v, q);
                agree += v->label[q] == v->label[r] ? other : 0;
                all += other;
            }
            if (all > 0) {
                tally.right += w * agree / all;
                tally.answers += w;
            }
        }
        v->tally[a] = tally;
    }
}

static int majority_fit(struct votes *v, const void *self, hone_error *err)
{
    (void)self;
    (void)err;
    votes_parallel(v, v->annotators, majority_annotators, v);
    return HONE_OK;
}

VOTES_OPS(majority_fit);

static int majority_self_test(hone_context *context, hone_error *err)
{
    static const char *const items[] = { "aab", "ab", "bbb", "b a" };
    static const double labels[] = { 0 }, shares[] = { 2. / 3, 1. / 3, .5, .5, 0, 1, .5, .5 };
    static const double skills[] = { (.5 + 0 + 1 + 0) / 4, (.5 + 0 + 1) / 3, (0. + 1 + 0) / 3 };
    static const struct votes_expect expect[] = {
        { HONE_ITEMS, "label", labels, 1, 0 },
        { HONE_ITEMS, "posterior", shares, 8, 1e-12 },
        { HONE_ANNOTATORS, "skill", skills, 3, 1e-12 },
    };
    struct majority o = { .common = { context, 4, NAN } };
    hone_consensus *c = NULL;
    int code = votes_example(&o, majority_fit, items, 4, &c, err);

    for (size_t i = 0; i < 3 && !code; i++)
        code = votes_expect(c, &expect[i], err);
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(majority, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels that most annotators gave; ties are told, not broken",
            .instance_size = sizeof(struct majority), .options = options, .ops = &ops,
            .self_test = majority_self_test);
