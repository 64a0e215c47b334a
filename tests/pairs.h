/* pairs.h -- what the tests of pairs share: plugins on tables of comparisons. */
#ifndef HONE_TESTS_PAIRS_H
#define HONE_TESTS_PAIRS_H

#include "support.h"

#include "../plugins/quality/bradley_terry/bradley_terry.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hone_error err;
static hone_context *context;

static inline void setup(void)
{
    context = support_context();
}

static inline void teardown(void)
{
    hone_context_free(context);
}

static inline hone_instance *quality_of(const char *name, const char *text)
{
    char *quoted = hone_strdup(text);
    hone_json *options = NULL;
    hone_instance *quality = NULL;

    for (char *p = quoted; (p = strchr(p, '\'')); p++)
        *p = '"';
    ck_ok(hone_json_parse(&options, quoted, strlen(quoted), "test", &err));
    ck_ok(hone_instance_new(&quality, context, "quality", name, options, &err));
    hone_json_free(options);
    hone_free(quoted);
    return quality;
}

static inline hone_consensus *aggregate(const char *name, const hone_judgements *j,
                                        const char *options)
{
    hone_instance *quality = quality_of(name, options);
    hone_consensus *c = NULL;

    ck_ok(hone_quality_aggregate(quality, j, &c, &err));
    hone_instance_free(quality);
    return c;
}

static inline double option(const hone_consensus *c, const char *column, size_t i)
{
    const double *values = hone_consensus_get(c, HONE_OPTIONS, column, NULL);

    ck_assert_msg(values, "no column %s", column);
    return values[i];
}

static inline double figure(const hone_consensus *c, const char *key)
{
    const json_t *value = json_object_get(hone_consensus_figures(c), key);

    ck_assert_msg(json_is_number(value), "no figure %s", key);
    return json_number_value(value);
}

/* Comparisons by "A", each of an item of its own: "ab" a beats b, "a=b" a tie,
 * "a!b" both bad. */
static inline hone_judgements *pairs_of(const char *const *list)
{
    hone_judgements *j = NULL;
    char item[16];

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    for (int i = 0; list[i]; i++) {
        char left[] = { list[i][0], 0 }, right[] = { list[i][strlen(list[i]) - 1], 0 };
        const char *outcome = list[i][1] == '=' ? "tie" : list[i][1] == '!' ? "bad" : "left";
        snprintf(item, sizeof item, "%d", i);
        ck_ok(hone_judgements_add_pair(j, item, "A", left, right, outcome, 1, &err));
    }
    return j;
}

/* `count` comparisons of n options of strengths 4 i/n by `workers`; the first two
 * answer by the side alone, the first of them left, the other right; all others do
 * so, for either side, in one of ten. */
static inline hone_judgements *simulate(size_t n, size_t count, size_t workers, uint64_t seed)
{
    hone_random random = hone_random_named(seed, "test/pairs");
    hone_judgements *j = NULL;
    char item[24], worker[24], left[24], right[24];

    ck_ok(hone_judgements_new(&j, HONE_PAIR, &err));
    for (size_t i = 0; i < count; i++) {
        size_t a = (size_t)hone_random_below(&random, n);
        size_t b = (size_t)hone_random_below(&random, n - 1);
        size_t w = (size_t)hone_random_below(&random, workers);
        double d;
        b += b >= a;
        d = 2 * ((double)a - (double)b) / (double)n;
        bool won = w == 0 ? hone_random_uniform(&random) < 0.95
                   : w == 1 ? hone_random_uniform(&random) < 0.05
                            : hone_random_uniform(&random) < 0.05 + 0.9 / (1 + exp(-2 * d));
        snprintf(item, sizeof item, "%zu", i);
        snprintf(worker, sizeof worker, "w%zu", w);
        snprintf(left, sizeof left, "m%02zu", a);
        snprintf(right, sizeof right, "m%02zu", b);
        ck_ok(hone_judgements_add_pair(j, item, worker, left, right, won ? "left" : "right", 1,
                                       &err));
    }
    return j;
}

#endif
