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
    union {
        struct {
            int32_t left, right; /* options of a pair */
        };
        size_t at;             /* in lists (ranking) or numbers (region) */
    };
};

struct hone_judgements {
    atomic_int refs;
    hone_level level;
    hone_names items, annotators, labels, options;
    size_t item_room, annotator_room, label_room; /* what the arrays beside the names hold */
    const hone_json **item_attributes, **annotator_attributes;
    size_t count, capacity;
    struct judgement *rows;
    int32_t *lists;            /* for each ranking n, [n] options, [n] ranks */
    double *numbers;           /* for each region n, [n] numbers */
    size_t used, room;         /* of lists or numbers */
    double low, high;          /* what interval and ratio values may be */
    size_t dropped;
    bool labels_set, has_weight, has_time, has_order;

    bool ordered;              /* what follows is as the rows are */
    size_t *starts;            /* [items + 1] where each item's rows begin */
    int32_t *ranks, *ranked;   /* [labels] from order of first use to index, and back */
    int32_t *item, *annotator, *label, *order;
    double *value, *weight, *time;
    int32_t *left, *right;     /* of pairs only */
    size_t *at;                /* of rankings and regions only */
};

/* Add a row: a label, or row.value where the level has none; names are looked up. */
int hone_judgements_put(hone_judgements *j, const char *item, const char *annotator,
                        const char *label, struct judgement row, hone_error *err);
int hone_judgements_put_pair(hone_judgements *j, const char *item, const char *annotator,
                             const char *left, const char *right, const char *outcome,
                             struct judgement row, hone_error *err);
int hone_judgements_put_ranking(hone_judgements *j, const char *item, const char *annotator,
                                const char *const *options, const int32_t *ranks, size_t count,
                                struct judgement row, hone_error *err);
int hone_judgements_put_region(hone_judgements *j, const char *item, const char *annotator,
                               const char *label, const double *numbers, size_t count,
                               struct judgement row, hone_error *err);
/* The columns are as the rows are: a cache, which makes no one fail. */
const hone_judgements *hone_judgements_order_rows(const hone_judgements *j);
/* Make *array, which begins with a pointer, hold count. */
bool hone_judgements_resize(void *array, size_t count, size_t size);

enum { DUPLICATES_ERROR, DUPLICATES_LATEST, DUPLICATES_FIRST, DUPLICATES_BOTH };

int hone_duplicates_parse(int *policy, const char *word, hone_error *err);
/* Apply the policy to the rows; lines [count] (NULL: they count from 1) and
 * where ("file.csv"; NULL: rows) are for the message. */
int hone_duplicates_resolve(hone_judgements *j, int policy, const uint64_t *lines,
                            const char *where, hone_error *err);

#endif
