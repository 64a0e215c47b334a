/* crowd.c -- see crowd.h. */
#include "crowd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const crowd_methods[CROWD_METHODS] = {
    "majority", "wawa", "zero_based_skill", "dawid_skene", "one_coin", "glad", "mace", "kos",
    "m_msr"
};
static hone_error err;

hone_instance *crowd_quality(hone_context *context, const char *name, const char *options)
{
    json_t *json = support_json(options);
    hone_instance *quality = NULL;

    ck_ok(hone_instance_new(&quality, context, "quality", name, json, &err));
    json_decref(json);
    return quality;
}

hone_consensus *crowd_aggregate(hone_context *context, const hone_judgements *j, const char *name,
                                const char *options)
{
    hone_instance *quality = crowd_quality(context, name, options);
    hone_consensus *c = NULL;

    ck_ok(hone_quality_aggregate(quality, j, &c, &err));
    hone_instance_free(quality);
    return c;
}

json_t *crowd_check(hone_context *context, const hone_judgements *j, const char *name,
                    const char *options)
{
    hone_instance *quality = crowd_quality(context, name, options);
    hone_json *result = NULL;

    ck_ok(hone_quality_check(quality, j, &result, &err));
    hone_instance_free(quality);
    return result;
}

double crowd_figure(const hone_consensus *c, const char *key)
{
    const json_t *value = json_object_get(hone_consensus_figures(c), key);

    ck_assert_msg(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

const double *crowd_column(const hone_consensus *c, hone_axis axis, const char *name)
{
    const double *values = hone_consensus_get(c, axis, name, NULL);

    ck_assert_msg(values != NULL, "there is no column %s", name);
    return values;
}

void crowd_near(double seen, double expected, double tolerance)
{
    ck_assert_msg(fabs(seen - expected) <= tolerance, "%.9f, expected %.9f", seen, expected);
}

void crowd_add(hone_judgements *j, int item, int annotator, int label)
{
    char names[3][16];

    snprintf(names[0], sizeof names[0], "%d", item);
    snprintf(names[1], sizeof names[1], "%d", annotator);
    snprintf(names[2], sizeof names[2], "%d", label);
    ck_ok(hone_judgements_add(j, names[0], names[1], names[2], 0, &err));
}

hone_judgements *crowd_empty(void)
{
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    return j;
}

hone_judgements *crowd_simulate(struct crowd *crowd, uint64_t seed)
{
    hone_random random = hone_random_named(seed, "crowd");
    hone_judgements *j = crowd_empty();
    size_t order[CROWD_ANNOTATORS];

    for (int i = 0; i < CROWD_ITEMS; i++) {
        crowd->truth[i] = i < crowd->labels ? i : (int)hone_random_below(&random,
                                                                         (uint64_t)crowd->labels);
        for (size_t a = 0; a < CROWD_ANNOTATORS; a++)
            order[a] = a;
        hone_random_shuffle(&random, order, CROWD_ANNOTATORS);
        for (int n = 0; n < CROWD_EACH; n++) {
            int label = crowd->truth[i];
            if (hone_random_uniform(&random) >= crowd->right[order[n]])
                label = (label + 1 + (int)hone_random_below(&random,
                         (uint64_t)crowd->labels - 1)) % crowd->labels;
            crowd_add(j, i, (int)order[n], label);
        }
    }
    return j;
}

struct crowd crowd_people(int labels)
{
    struct crowd crowd = { .labels = labels };

    for (int a = 0; a < CROWD_ANNOTATORS; a++)
        crowd.right[a] = 0.55 + 0.4 * a / (CROWD_ANNOTATORS - 1);
    return crowd;
}

/* Labels and annotators have numbers of their own; names are those simulated. */
int crowd_number(const char *name)
{
    return (int)strtol(name, NULL, 10);
}

double crowd_accuracy(const hone_consensus *c, const struct crowd *crowd)
{
    const hone_judgements *j = hone_consensus_judgements(c);
    const double *label = crowd_column(c, HONE_ITEMS, "label");
    int right = 0;

    for (size_t i = 0; i < hone_judgements_items(j); i++)
        right += !isnan(label[i]) &&
                 crowd_number(hone_judgements_label_name(j, (size_t)label[i])) ==
                     crowd->truth[crowd_number(hone_judgements_item_name(j, i))];
    return right / (double)CROWD_ITEMS;
}

