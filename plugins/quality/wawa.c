/* wawa.c -- worker agreement with aggregate: votes weighed by how often their
 * annotator is with the majority.
 *
 * Skill: share of an annotator's answers that are the majority's (a tie of m
 * labels counts 1/m to each). The posterior is the shares of votes weighed by
 * it; where all weigh nothing, the plain shares. Own votes are in the majority
 * that one is compared with, so skills are high where items have few votes. */
#include "votes.h"

#include <math.h>

struct wawa {
    struct votes_options common;
};

static const hone_option options[] = {
    VOTES_OPTIONS(struct wawa),
    HONE_OPT_END
};

static int wawa_fit(struct votes *v, const void *self, hone_error *err)
{
    double *skill = hone_alloc(v->annotators, sizeof *skill);
    (void)self;

    if (!skill)
        return hone_fail_memory(err, "skills");
    votes_judge(v, v->posterior, true);
    for (size_t a = 0; a < v->annotators; a++)
        skill[a] = v->tally[a].answers > 0 ? v->tally[a].right / v->tally[a].answers : 0;
    votes_shares(v, skill, v->posterior);
    /* Counted by whole answers: nothing is missing. */
    for (size_t a = 0; a < v->annotators; a++)
        v->tally[a].missing = 0;
    hone_free(skill);
    return HONE_OK;
}

VOTES_OPS(wawa_fit);

static int wawa_self_test(hone_context *context, hone_error *err)
{
    static const char *const items[] = { "aab", "bbb", "aba", "ab " };
    static const double skills[] = { 3.5 / 4, 2.5 / 4, 2. / 3 }, labels[] = { 0, 1, 0, 0 };
    static const double shares[] = { (3.5 / 4 + 2.5 / 4) / (3.5 / 4 + 2.5 / 4 + 2. / 3) };
    static const struct votes_expect expect[] = {
        { HONE_ANNOTATORS, "skill", skills, 3, 1e-12 },
        { HONE_ITEMS, "label", labels, 4, 0 },
        { HONE_ITEMS, "posterior", shares, 1, 1e-12 },
    };
    struct wawa o = { .common = { context, 4, NAN } };
    hone_consensus *c = NULL;
    int code = votes_example(&o, wawa_fit, items, 4, &c, err);

    for (size_t i = 0; i < 3 && !code; i++)
        code = votes_expect(c, &expect[i], err);
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(wawa, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels by votes weighed by their annotators' agreement with the majority",
            .instance_size = sizeof(struct wawa), .options = options, .ops = &ops,
            .self_test = wawa_self_test);
