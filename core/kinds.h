/* kinds.h -- the kinds of plugin that the core calls, and what each must do. */
#ifndef CORE_KINDS_H
#define CORE_KINDS_H

#include <hone/plugin.h>

typedef struct hone_kind_op {
    const char *name;
    size_t offset;         /* into the ops; the member is a pointer */
} hone_kind_op;

typedef struct hone_kind {
    const char *name;
    bool any;              /* one of the ops is enough, else all are required */
    const hone_kind_op *ops; /* ends with a NULL name */
} hone_kind;

/* All of them, by name; ends with a NULL name. */
extern const hone_kind hone_kinds[];
/* NULL: a kind that others defined, about which the core knows nothing. */
const hone_kind *hone_kind_find(const char *name);

#endif
