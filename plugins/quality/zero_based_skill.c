/* zero_based_skill.c -- votes weighed by skills that are learned step by step.
 *
 * All skills begin at guessing, 1/K. Each step weighs the votes by them and
 * moves each skill by `rate` of the way to the share of its annotator's answers
 * that are then the largest (ties split); the rate halves every 20 steps. It
 * ends when no skill moves by more than `tolerance`. The posterior is the shares
 * of votes so weighed. Unlike a likelihood, nothing is maximised. */
#include "votes.h"

#include <math.h>

enum { STEPS_TO_HALVE = 20 };

struct zero_based_skill {
    struct votes_options common;
    int64_t iterations;
    double rate, tolerance;
};

static const hone_option options[] = {
    HONE_OPT_INT(struct zero_based_skill, iterations, "iterations", 100, 1, 1000000,
                 "most steps"),
    HONE_OPT_REAL_FLAGS(struct zero_based_skill, rate, "rate", 1, 0, 1, HONE_OPTION_OPEN_MIN,
                        "of the way that a skill moves in a step; halves every 20"),
    HONE_OPT_REAL(struct zero_based_skill, tolerance, "tolerance", 1e-5, 0, 1,
                  "stop when no skill moves by more"),
    VOTES_OPTIONS(struct zero_based_skill),
    HONE_OPT_END
};

/* Move the skills; returns the largest move. */
static double skills_move(struct votes *v, double *skill, double rate)
{
    double most = 0;

    for (size_t a = 0; a < v->annotators; a++) {
        const struct votes_tally *t = &v->tally[a];
        double move = t->answers > 0 ? rate * (t->right / t->answers - skill[a]) : 0;
        skill[a] += move;
        most = fmax(most, fabs(move));
    }
    return most;
}

static int zero_based_skill_fit(struct votes *v, const void *self, hone_error *err)
{
    const struct zero_based_skill *o = self;
    double *skill = hone_alloc(v->annotators, sizeof *skill), rate = o->rate;

    if (!skill)
        return hone_fail_memory(err, "skills");
    for (size_t a = 0; a < v->annotators; a++)
        skill[a] = 1 / (double)v->labels;
    while (v->iterations < o->iterations && !v->converged) {
        if (++v->iterations % STEPS_TO_HALVE == 0)
            rate /= 2;
        votes_shares(v, skill, v->posterior);
        votes_judge(v, v->posterior, true);
        v->converged = skills_move(v, skill, rate) <= o->tolerance;
    }
    votes_shares(v, skill, v->posterior);
    votes_judge(v, v->posterior, true);
    for (size_t a = 0; a < v->annotators; a++)
        v->tally[a].missing = 0;
    hone_free(skill);
    return HONE_OK;
}

VOTES_OPS(zero_based_skill_fit);

/* At rate 1 the second step has the majority's skills, which are fixed here. */
static int zero_based_skill_self_test(hone_context *context, hone_error *err)
{
    static const char *const items[] = { "aab", "bbb", "aba", "aaa" };
    static const double skills[] = { 1, .75, .75 }, shares[] = { 1.75 / 2.5, .75 / 2.5, 0, 1 };
    static const struct votes_expect expect[] = {
        { HONE_ANNOTATORS, "skill", skills, 3, 1e-12 },
        { HONE_ITEMS, "posterior", shares, 4, 1e-4 },
    };
    struct zero_based_skill o = { .common = { context, 4, NAN }, .iterations = 100, .rate = 1,
                                  .tolerance = 1e-5 };
    hone_consensus *c = NULL;
    int code = votes_example(&o, zero_based_skill_fit, items, 4, &c, err);

    for (size_t i = 0; i < 2 && !code; i++)
        code = votes_expect(c, &expect[i], err);
    hone_consensus_free(c);
    return code;
}

HONE_PLUGIN(zero_based_skill, .kind = "quality", .version = "1.0.0", .threadsafe = true,
            .summary = "labels by votes weighed by skills that grow from guessing",
            .instance_size = sizeof(struct zero_based_skill), .options = options, .ops = &ops,
            .self_test = zero_based_skill_self_test);
