/* aggregation.c -- what a thousand simulated crowds say of the aggregating plugins:
 * whether labels and skills are recovered, and how often the 95 % intervals hold.
 * Its figures are in docs/quality.md. Not a test: it runs for minutes.
 *
 *   cc -O2 -Iinclude tests/simulate/aggregation.c -o simulate -L<build>/core/.libs -lhone -lm
 *   HONE_PLUGIN_PATH=<build>/stage/plugins LD_LIBRARY_PATH=<build>/core/.libs ./simulate [RUNS]
 *
 * A crowd: 300 items of equally common labels, 20 annotators, 6 votes an item by
 * annotators drawn at random. Kinds of crowds:
 *   coin    P(right) of each annotator uniform in [.55, .95], wrong labels even
 *   biased  the same, but half of the wrong answers are the first label
 *   know    P(knows) uniform in [.1, .95], else a guess from preferences drawn for each
 *   hard    P(right) = s(alpha beta), alpha ~ N(1, 1), log beta ~ N(1, 1) (GLAD's own) */
#include <hone/hone.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 300, ANNOTATORS = 20, EACH = 6, COIN = 0, BIASED, KNOW, HARD };

struct crowd {
    int kind, labels, truth[ITEMS];
    double skill[ANNOTATORS];             /* P(right), know: P(knows), hard: alpha */
    double ease[ITEMS];
    double preference[ANNOTATORS][8];
    double right[ANNOTATORS], answers[ANNOTATORS]; /* as it turned out */
};

struct total {
    double items, labels_right, count, error, squares, covered, intervals;
};

static int crowd_vote(const struct crowd *c, int item, int a, hone_random *random)
{
    int truth = c->truth[item], k = c->labels;
    double p = c->kind == HARD ? 1 / (1 + exp(-c->skill[a] * c->ease[item])) : c->skill[a], u;

    if (hone_random_uniform(random) < p)
        return truth;
    if (c->kind == KNOW) {
        u = hone_random_uniform(random);
        for (int l = 0; l < k - 1; l++)
            if ((u -= c->preference[a][l]) < 0)
                return l;
        return k - 1;
    }
    if (c->kind == BIASED && truth != 0 && hone_random_uniform(random) < .5)
        return 0;
    return (truth + 1 + (int)hone_random_below(random, (uint64_t)k - 1)) % k;
}

static void crowd_draw(struct crowd *c, hone_random *random)
{
    for (int a = 0; a < ANNOTATORS; a++) {
        double sum = 0;
        c->skill[a] = c->kind == HARD   ? 1 + hone_random_normal(random)
                      : c->kind == KNOW ? .1 + .85 * hone_random_uniform(random)
                                        : .55 + .4 * hone_random_uniform(random);
        for (int l = 0; l < c->labels; l++)
            sum += c->preference[a][l] = hone_random_uniform(random);
        for (int l = 0; l < c->labels; l++)
            c->preference[a][l] /= sum;
        c->right[a] = c->answers[a] = 0;
    }
    for (int i = 0; i < ITEMS; i++) {
        c->truth[i] = (int)hone_random_below(random, (uint64_t)c->labels);
        c->ease[i] = exp(1 + hone_random_normal(random));
    }
}

static int crowd_make(struct crowd *c, hone_random *random, hone_judgements **out, hone_error *err)
{
    size_t order[ANNOTATORS];
    int code = hone_judgements_new(out, HONE_NOMINAL, err);

    crowd_draw(c, random);
    for (int i = 0; i < ITEMS && !code; i++) {
        for (size_t a = 0; a < ANNOTATORS; a++)
            order[a] = a;
        hone_random_shuffle(random, order, ANNOTATORS);
        for (int n = 0; n < EACH && !code; n++) {
            int a = (int)order[n], label = crowd_vote(c, i, a, random);
            char names[3][16];
            snprintf(names[0], 16, "%d", i);
            snprintf(names[1], 16, "%d", a);
            snprintf(names[2], 16, "%d", label);
            code = hone_judgements_add(*out, names[0], names[1], names[2], 0, err);
            c->answers[a]++;
            c->right[a] += label == c->truth[i];
        }
    }
    return code;
}

/* What the column should be: P(right) where it is fixed, else its share. */
static double crowd_expected(const struct crowd *c, int a, const char *column)
{
    if (strcmp(column, "skill") != 0)
        return strcmp(column, "reliability") ? c->skill[a]
                                             : (c->labels * c->skill[a] - 1) / (c->labels - 1);
    return c->kind == KNOW || c->kind == HARD ? c->right[a] / c->answers[a] : c->skill[a];
}

static void crowd_compare(const struct crowd *crowd, const hone_consensus *c, const char *column,
                          struct total *t)
{
    const hone_judgements *j = hone_consensus_judgements(c);
    const double *label = hone_consensus_get(c, HONE_ITEMS, "label", NULL), *low, *high;
    const double *value = hone_consensus_get(c, HONE_ANNOTATORS, column, NULL);
    char name[64];

    snprintf(name, sizeof name, "%s_low", column);
    low = hone_consensus_get(c, HONE_ANNOTATORS, name, NULL);
    snprintf(name, sizeof name, "%s_high", column);
    high = hone_consensus_get(c, HONE_ANNOTATORS, name, NULL);
    for (size_t i = 0; i < hone_judgements_items(j); i++) {
        t->items++;
        t->labels_right += !isnan(label[i]) &&
            atoi(hone_judgements_label_name(j, (size_t)label[i])) ==
                crowd->truth[atoi(hone_judgements_item_name(j, i))];
    }
    for (size_t a = 0; a < hone_judgements_annotators(j); a++) {
        double truth = crowd_expected(crowd, atoi(hone_judgements_annotator_name(j, a)), column);
        t->count++;
        t->error += value[a] - truth;
        t->squares += (value[a] - truth) * (value[a] - truth);
        t->intervals += low != NULL;
        t->covered += low && low[a] <= truth && truth <= high[a];
    }
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = { "coin", "biased", "know", "hard" };
    static const struct { const char *method, *column; int kind, labels; } cases[] = {
        { "majority", "skill", COIN, 3 },      { "wawa", "skill", COIN, 3 },
        { "zero_based_skill", "skill", COIN, 3 }, { "one_coin", "skill", COIN, 2 },
        { "one_coin", "skill", COIN, 3 },      { "dawid_skene", "skill", COIN, 2 },
        { "dawid_skene", "skill", COIN, 3 },   { "one_coin", "skill", BIASED, 3 },
        { "dawid_skene", "skill", BIASED, 3 }, { "m_msr", "skill", COIN, 3 },
        { "m_msr", "reliability", COIN, 3 },   { "kos", "skill", COIN, 2 },
        { "mace", "competence", KNOW, 4 },     { "mace", "skill", KNOW, 4 },
        { "glad", "ability", HARD, 2 },        { "glad", "skill", HARD, 2 },
        { "majority", "skill", HARD, 2 },
    };
    int runs = argc > 1 ? atoi(argv[1]) : 1000, code;
    hone_context *context = NULL;
    hone_error err = { 0 };

    code = hone_context_new(&context, NULL, &err);
    printf("| method | crowd | labels | labels right | of | bias | RMSE | 95 %% intervals hold |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (size_t n = 0; n < sizeof cases / sizeof *cases && !code; n++) {
        struct crowd crowd = { .kind = cases[n].kind, .labels = cases[n].labels };
        struct total t = { 0 };
        for (int run = 0; run < runs && !code; run++) {
            hone_random random = hone_random_named((uint64_t)run, "simulate");
            hone_judgements *j = NULL;
            hone_instance *quality = NULL;
            hone_consensus *c = NULL;
            code = crowd_make(&crowd, &random, &j, &err);
            if (!code)
                code = hone_instance_new(&quality, context, "quality", cases[n].method, NULL, &err);
            if (!code)
                code = hone_quality_aggregate(quality, j, &c, &err);
            if (!code)
                crowd_compare(&crowd, c, cases[n].column, &t);
            hone_consensus_free(c);
            hone_instance_free(quality);
            hone_judgements_free(j);
        }
        printf("| %s | %s | %d | %.4f | %s | %+.4f | %.4f | ", cases[n].method,
               kinds[cases[n].kind], cases[n].labels, t.labels_right / t.items, cases[n].column,
               t.error / t.count, sqrt(t.squares / t.count));
        printf(t.intervals > 0 ? "%.1f %% |\n" : "|\n", 100 * t.covered / t.intervals);
        fflush(stdout);
    }
    if (code)
        fprintf(stderr, "%s\n", err.message);
    hone_context_free(context);
    return code ? 1 : 0;
}
