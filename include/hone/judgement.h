/* judgement.h -- the table of judgements that quality and bias plugins take.
 *
 * One row: an annotator gave an item a value. Columns are arrays of `count`;
 * items, annotators and labels are numbers into lists of names. */
#ifndef HONE_JUDGEMENT_H
#define HONE_JUDGEMENT_H

#include <hone/json.h>

typedef enum hone_level { HONE_NOMINAL, HONE_ORDINAL, HONE_INTERVAL, HONE_RATIO } hone_level;

typedef struct hone_judgements hone_judgements;

/* A column map: which columns of the rows hold what. Unset ones are NULL. */
typedef struct hone_judgement_columns {
    const char *item, *annotator, *value;
    const char *weight, *time, *order; /* time: seconds; order: 1 or 2, the side shown first */
    hone_level level;
} hone_judgement_columns;

/* From a JSON list of objects, one a judgement. Items and annotators are texts
 * or numbers; values texts, numbers or booleans (nominal, ordinal), or numbers
 * (interval, ratio; also as text). Messages name row and column.
 * duplicates: what to do with a second value of the same annotator for the
 * same item: "error" (default, NULL), "latest" (by time, where there is one,
 * else the later row), "first", "both". */
HONE_API int hone_judgements_from_rows(hone_judgements **out, const hone_json *rows,
                                       const hone_judgement_columns *columns,
                                       const char *duplicates, hone_error *err);
HONE_API int hone_judgements_new(hone_judgements **out, hone_level level, hone_error *err);
/* label: a label's name (nominal, ordinal), or NULL; number: finite (interval,
 * ratio; then at least 0). A second value of an annotator is kept. */
HONE_API int hone_judgements_add(hone_judgements *j, const char *item, const char *annotator,
                                 const char *label, double number, hone_error *err);
/* Order of labels for ordinal values (default: numeric order where all are
 * numbers, else by name). Every label in use must be there. */
HONE_API int hone_judgements_set_labels(hone_judgements *j, const char *const *labels,
                                        size_t count, hone_error *err);
/* Attributes of an item or an annotator that has judgements: a JSON object,
 * referenced. */
HONE_API int hone_judgements_describe_item(hone_judgements *j, const char *item,
                                           const hone_json *attributes, hone_error *err);
HONE_API int hone_judgements_describe_annotator(hone_judgements *j, const char *annotator,
                                                const hone_json *attributes, hone_error *err);
HONE_API hone_judgements *hone_judgements_ref(hone_judgements *j);
HONE_API void hone_judgements_free(hone_judgements *j);

HONE_API hone_level hone_judgements_level(const hone_judgements *j);
HONE_API size_t hone_judgements_count(const hone_judgements *j);
/* Values that `duplicates` left out. */
HONE_API size_t hone_judgements_dropped(const hone_judgements *j);
HONE_API size_t hone_judgements_items(const hone_judgements *j);
HONE_API size_t hone_judgements_annotators(const hone_judgements *j);
HONE_API size_t hone_judgements_labels(const hone_judgements *j);
HONE_API const char *hone_judgements_item_name(const hone_judgements *j, size_t item);
HONE_API const char *hone_judgements_annotator_name(const hone_judgements *j, size_t annotator);
HONE_API const char *hone_judgements_label_name(const hone_judgements *j, size_t label);
HONE_API const hone_json *hone_judgements_item_attributes(const hone_judgements *j, size_t item);
HONE_API const hone_json *hone_judgements_annotator_attributes(const hone_judgements *j,
                                                               size_t annotator);

/* Columns, [count] each, sorted by item, then as added. labels: index of the
 * label (nominal, ordinal), else -1. values: the number (interval, ratio), or
 * the label's index. weights, times and orders are NULL where no row had one;
 * a row without has 1, NaN and 0. */
HONE_API const int32_t *hone_judgements_item(const hone_judgements *j);
HONE_API const int32_t *hone_judgements_annotator(const hone_judgements *j);
HONE_API const int32_t *hone_judgements_label(const hone_judgements *j);
HONE_API const double *hone_judgements_value(const hone_judgements *j);
HONE_API const double *hone_judgements_weight(const hone_judgements *j);
HONE_API const double *hone_judgements_time(const hone_judgements *j);
HONE_API const int32_t *hone_judgements_order(const hone_judgements *j);

#endif
