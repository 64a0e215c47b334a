/* crowd.h -- what the tests of aggregation share: simulated crowds, and calling
 * quality plugins with a line of options. */
#ifndef HONE_TESTS_CROWD_H
#define HONE_TESTS_CROWD_H

#include "support.h"

#include <jansson.h>

enum { CROWD_ITEMS = 1500, CROWD_ANNOTATORS = 25, CROWD_EACH = 7, CROWD_METHODS = 9,
       CROWD_KOS = 7 };
extern const char *const crowd_methods[CROWD_METHODS];

hone_instance *crowd_quality(hone_context *context, const char *name, const char *options);
hone_consensus *crowd_aggregate(hone_context *context, const hone_judgements *j, const char *name,
                                const char *options);
json_t *crowd_check(hone_context *context, const hone_judgements *j, const char *name,
                    const char *options);
double crowd_figure(const hone_consensus *c, const char *key);
const double *crowd_column(const hone_consensus *c, hone_axis axis, const char *name);
void crowd_near(double seen, double expected, double tolerance);

/* An empty nominal table, and a vote in it by numbers. */
hone_judgements *crowd_empty(void);
void crowd_add(hone_judgements *j, int item, int annotator, int label);

/* Item i's truth and annotator a's P(right) are known; `labels` in all. */
struct crowd {
    int truth[CROWD_ITEMS];
    double right[CROWD_ANNOTATORS];
    int labels;
};
/* Skills from .55 to .95. */
struct crowd crowd_people(int labels);
/* Truths are drawn, and each item is put before CROWD_EACH annotators. */
hone_judgements *crowd_simulate(struct crowd *crowd, uint64_t seed);
/* The number that a simulated name stands for. */
int crowd_number(const char *name);
double crowd_accuracy(const hone_consensus *c, const struct crowd *crowd);

#endif
