/* pairs.c -- do the intervals of quality/bradley_terry cover?
 *
 *   cc -Iinclude tests/simulate/pairs.c -lhone -ljansson -lm -o pairs
 *   HONE_PLUGIN_PATH=... ./pairs [RUNS]
 *
 * Each run draws strengths, annotators and comparisons anew, with a seed of its
 * own, fits them, and counts how often the truth lies within its 95 % interval.
 * Where annotators have opinions of their own, the truth is what the model fits to
 * the chances of a random annotator. The figures are in docs/quality.md. */
#include <hone/hone.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS = 10, WORKERS = 30 };

struct design {
    const char *name, *options;
    int comparisons;
    double skill_low, side_sd; /* skills are uniform from here to 1 */
    double personal;           /* sd of what an annotator thinks of an option, by itself */
    double tie;                /* nu of Davidson */
};

struct tally {
    double strengths, covered, ranks, ranked, skills, skilled, error, shrink, skill_error;
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static const char *answer(const struct design *d, hone_random *r, double apart, double skill,
                          double side)
{
    double a = exp(apart / 2), b = exp(-apart / 2), u = hone_random_uniform(r);

    if (hone_random_uniform(r) >= skill)
        return u < sigmoid(side) ? "left" : "right";
    return u * (a + b + d->tie) < a ? "left" : u * (a + b + d->tie) < a + b ? "right" : "tie";
}

static int simulate(const struct design *d, hone_random *r, double *truth, double *skill,
                    hone_judgements **out, hone_error *err)
{
    double side[WORKERS], own[WORKERS][OPTIONS], mean = 0;
    int code = hone_judgements_new(out, HONE_PAIR, err);

    for (int i = 0; i < OPTIONS; i++)
        mean += (truth[i] = hone_random_normal(r)) / OPTIONS;
    for (int w = 0; w < WORKERS; w++) {
        skill[w] = d->skill_low + (1 - d->skill_low) * hone_random_uniform(r);
        side[w] = d->side_sd * hone_random_normal(r);
        for (int i = 0; i < OPTIONS; i++)
            own[w][i] = truth[i] + d->personal * hone_random_normal(r);
    }
    for (int i = 0; i < OPTIONS; i++)
        truth[i] -= mean;
    for (int k = 0; k < d->comparisons && !code; k++) {
        int a = (int)hone_random_below(r, OPTIONS), b = (int)hone_random_below(r, OPTIONS - 1);
        int w = (int)hone_random_below(r, WORKERS);
        char item[16], who[8], left[8], right[8];
        b += b >= a;
        snprintf(item, sizeof item, "%d", k);
        snprintf(who, sizeof who, "%d", w);
        snprintf(left, sizeof left, "%d", a);
        snprintf(right, sizeof right, "%d", b);
        code = hone_judgements_add_pair(*out, item, who, left, right,
                                        answer(d, r, own[w][a] - own[w][b], skill[w], side[w]), 1,
                                        err);
    }
    return code;
}

/* The mean over z of sigmoid(d + sd z). */
static double chance_of(double d, double sd)
{
    double sum = 0, total = 0;

    for (int i = -400; i <= 400; i++) {
        double z = i / 50.0, weight = exp(-z * z / 2);
        sum += weight * sigmoid(d + sd * z);
        total += weight;
    }
    return sum / total;
}

/* Truth becomes what the model makes of all chances, without any scatter. */
static int marginal(hone_instance *plain, double personal, double *truth, hone_error *err)
{
    hone_judgements *j = NULL, *weighed = NULL;
    hone_consensus *c = NULL;
    double weights[OPTIONS * OPTIONS];
    int n = 0, code = hone_judgements_new(&j, HONE_PAIR, err);

    for (int a = 0; a < OPTIONS && !code; a++)
        for (int b = 0; b < OPTIONS && !code; b++) {
            char item[16], left[8], right[8];
            if (a == b)
                continue;
            snprintf(item, sizeof item, "%d-%d", a, b);
            snprintf(left, sizeof left, "%d", a);
            snprintf(right, sizeof right, "%d", b);
            weights[n++] = chance_of(truth[a] - truth[b], personal * sqrt(2));
            code = hone_judgements_add_pair(j, item, "1", left, right, "left", 1, err);
        }
    if (!code)
        code = hone_judgements_weigh(&weighed, j, weights, err);
    if (!code)
        code = hone_quality_aggregate(plain, weighed, &c, err);
    for (int i = 0; i < OPTIONS && !code; i++)
        truth[atoi(hone_judgements_option_name(j, (size_t)i))] =
            hone_consensus_get(c, HONE_OPTIONS, "strength", NULL)[i];
    hone_consensus_free(c);
    hone_judgements_free(weighed);
    hone_judgements_free(j);
    return code;
}

static void count_options(const hone_consensus *c, const double *truth, struct tally *t)
{
    const hone_judgements *j = hone_consensus_judgements(c);
    const double *s = hone_consensus_get(c, HONE_OPTIONS, "strength", NULL);
    const double *low = hone_consensus_get(c, HONE_OPTIONS, "strength_low", NULL);
    const double *high = hone_consensus_get(c, HONE_OPTIONS, "strength_high", NULL);
    const double *first = hone_consensus_get(c, HONE_OPTIONS, "rank_low", NULL);
    const double *last = hone_consensus_get(c, HONE_OPTIONS, "rank_high", NULL);
    double along = 0, squares = 0;

    for (size_t i = 0; i < hone_judgements_options(j); i++) {
        int of = atoi(hone_judgements_option_name(j, i)), rank = 1;
        for (int k = 0; k < OPTIONS; k++)
            rank += truth[k] > truth[of];
        t->strengths++;
        t->covered += truth[of] >= low[i] && truth[of] <= high[i];
        t->ranks++;
        t->ranked += rank >= first[i] && rank <= last[i];
        t->error += (s[i] - truth[of]) * (s[i] - truth[of]);
        along += s[i] * truth[of];
        squares += truth[of] * truth[of];
    }
    t->shrink += along / squares;
}

static void count_skills(const hone_consensus *c, const double *skill, struct tally *t)
{
    const hone_judgements *j = hone_consensus_judgements(c);
    const double *s = hone_consensus_get(c, HONE_ANNOTATORS, "skill", NULL);
    const double *low = hone_consensus_get(c, HONE_ANNOTATORS, "skill_low", NULL);
    const double *high = hone_consensus_get(c, HONE_ANNOTATORS, "skill_high", NULL);

    for (size_t w = 0; low && w < hone_judgements_annotators(j); w++) {
        double truth = skill[atoi(hone_judgements_annotator_name(j, w))];
        t->skills++;
        t->skilled += truth >= low[w] && truth <= high[w];
        t->skill_error += fabs(s[w] - truth);
    }
}

static int run(hone_context *context, const struct design *d, int runs, hone_error *err)
{
    json_t *options = json_loads(d->options, 0, NULL);
    hone_instance *quality = NULL, *plain = NULL;
    struct tally t = {0};
    int code = hone_instance_new(&quality, context, "quality", "bradley_terry", options, err);

    if (!code)
        code = hone_instance_new(&plain, context, "quality", "bradley_terry", NULL, err);
    for (int i = 0; i < runs && !code; i++) {
        double truth[OPTIONS], skill[WORKERS];
        hone_random r = hone_random_named((uint64_t)i, d->name);
        hone_judgements *j = NULL;
        hone_consensus *c = NULL;
        code = simulate(d, &r, truth, skill, &j, err);
        if (!code)
            code = hone_quality_aggregate(quality, j, &c, err);
        if (!code && d->personal > 0)
            code = marginal(plain, d->personal, truth, err);
        if (!code) {
            count_options(c, truth, &t);
            count_skills(c, skill, &t);
        }
        hone_consensus_free(c);
        hone_judgements_free(j);
    }
    printf("%-34s strengths %.3f, ranks %.3f, rmse %.3f, slope %.3f", d->name,
           t.covered / t.strengths, t.ranked / t.ranks, sqrt(t.error / t.strengths),
           t.shrink / runs);
    if (strstr(d->options, "annotators"))
        printf("; skills %.3f, off by %.3f", t.skilled / t.skills, t.skill_error / t.skills);
    puts("");
    hone_instance_free(plain);
    hone_instance_free(quality);
    json_decref(options);
    return code;
}

int main(int argc, char **argv)
{
    static const struct design designs[] = {
        { "plain", "{\"ties\": \"drop\", \"items\": false}", 1000, 1, 0, 0, 0 },
        { "davidson", "{\"items\": false}", 1000, 1, 0, 0, 0.7 },
        { "opinions, information", "{\"ties\": \"drop\", \"items\": false}", 3000, 1, 0, 0.6, 0 },
        { "opinions, annotators drawn", "{\"ties\": \"drop\", \"items\": false, "
          "\"bootstrap\": 200}", 3000, 1, 0, 0.6, 0 },
        { "crowd, plain model", "{\"ties\": \"drop\", \"items\": false}", 6000, 0.3, 1.5, 0, 0 },
        { "crowd", "{\"annotators\": true}", 6000, 0.3, 1.5, 0, 0 },
        { "crowd, all look", "{\"annotators\": true}", 6000, 1, 1.5, 0, 0 },
    };
    int runs = argc > 1 ? atoi(argv[1]) : 1000, code;
    hone_context *context = NULL;
    hone_error err = {0};

    code = hone_context_new(&context, NULL, &err);
    for (size_t i = 0; i < sizeof designs / sizeof *designs && !code; i++)
        code = run(context, &designs[i], runs, &err);
    if (code)
        fprintf(stderr, "%s\n", err.message);
    hone_context_free(context);
    return code != 0;
}
