/* samples.h -- the plugins of tests/plugins/, laid out as a test needs them. */
#ifndef HONE_TESTS_SAMPLES_H
#define HONE_TESTS_SAMPLES_H

#include "support.h"

/* <TMP>/<folder>/<kind>/<as>: a link to a sample or, NULL, an empty file. Valid
 * until the next call. */
const char *sample_lay(const char *folder, const char *kind, const char *as, const char *sample);
/* A context that looks in TMP/a, then TMP/b. */
hone_context *sample_context(void);

/* A descriptor to register: sample/small, with a count and a table. */
struct sample_small {
    int64_t count;
    struct {
        double depth;
    } inner;
};
extern const hone_option sample_small_options[];
hone_plugin sample_small(void);

#endif
