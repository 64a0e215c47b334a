/* instance.h -- making instances, also for the options of others. */
#ifndef CORE_INSTANCE_H
#define CORE_INSTANCE_H

#include "options.h"

/* hone_instance_new with all that `values` says. */
int hone_instance_make(hone_instance **out, const char *kind, const char *name,
                       const hone_values *values, hone_error *err);

#endif
