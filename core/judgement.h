/* judgement.h -- what the core knows of judgements (see <hone/judgement.h>).
 *
 * Rows are kept as they were added, with labels in order of first use; the
 * columns are made from them when someone looks. All memory for that is taken
 * when rows are added, so that looking cannot fail. */
#ifndef CORE_JUDGEMENT_H
#define CORE_JUDGEMENT_H

#include "names.h"

#include <hone/judgement.h>
#include <stdatomic.h>

struct judgement {
    int32_t item, annotator, label;
    int32_t order;             /* 1 or 2; 0: not known */
    double value, weight, time;
};

struct hone_judgements {
    atomic_int refs;
    hone_level level;
    hone_names items, annotators, labels, options;
    size_t item_room, annotator_room, label_room; /* what the arrays beside the names hold */
    const hone_json **item_attributes, **annotator_attributes;
    size_t count, capacity;
    struct judgement *rows;
    size_t dropped;
    bool labels_set, has_weight, has_time, has_order;

    bool ordered;              /* what follows is as the rows are */
    size_t *starts;            /* [items + 1] where each item's rows begin */
    int32_t *ranks, *ranked;   /* [labels] from order of first use to index, and back */
    int32_t *item, *annotator, *label, *order;
    double *value, *weight, *time;
};

/* Add a row: label (nominal, ordinal) or row->value; names are looked up. */
int hone_judgements_put(hone_judgements *j, const char *item, const char *annotator,
                        const char *label, struct judgement row, hone_error *err);

#endif
