/* store.h -- what the files of the store share inside the core. */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include "text.h"

#include <hone/context.h>

/* A definition with its defaults, checked, keys in the order of the table. */
int hone_store_definition(hone_json **out, hone_context *context, const hone_json *given,
                          hone_error *err);

/* The clock: seconds since 1970, in thousandths. */
double hone_store_now(void);

#endif
