/* judgement.h -- the table of judgements that quality and bias plugins take.
 *
 * One row: an annotator gave an item a value. Columns are arrays of `count`;
 * items, annotators, labels and options are numbers into lists of names.
 *
 * What a value is, the level says:
 *   nominal, ordinal    a label
 *   interval, ratio     a number
 *   pair                which of two options is better: the labels are "left",
 *                       "right", "tie" and "bad" (both), value is the strength
 *                       of the preference (1 where none was given)
 *   ranking             options in order, ties allowed
 *   region              a label on a part of the item: characters [start, end),
 *                       seconds [start, end), or a box x, y, width, height */
#ifndef HONE_JUDGEMENT_H
#define HONE_JUDGEMENT_H

#include <hone/json.h>

typedef enum hone_level {
    HONE_NOMINAL, HONE_ORDINAL, HONE_INTERVAL, HONE_RATIO, HONE_PAIR, HONE_RANKING, HONE_REGION
} hone_level;
/* "nominal" and so on; -1 for an unknown name. */
HONE_API const char *hone_level_name(hone_level level);
HONE_API int hone_level_parse(const char *name);

typedef struct hone_judgements hone_judgements;

/* A column map: which columns of the rows hold what. Unset ones are NULL. */
typedef struct hone_judgement_columns {
    const char *item, *annotator, *value;
    const char *weight, *time, *order; /* time: seconds; order: 1 or 2, the side shown first */
    hone_level level;
    const char *left, *right;          /* pair: the two options; value: left, right, tie, bad */
    const char *strength;              /* pair: >= 0 */
    const char *ranking;               /* ranking: a list of options, ties as lists within it */
    const char *region;                /* region: [start, end] or [x, y, width, height] */
    /* The labels allowed, in order, ending with NULL; of pairs: the words for left,
     * right, tie and bad, as far as used. NULL: any label; the words themselves. */
    const char *const *labels;
    bool ranged;                       /* interval, ratio: low to high is allowed only */
    double low, high;
} hone_judgement_columns;

/* From a JSON list of objects, one a judgement. Items and annotators are texts
 * or numbers; values texts, numbers or booleans (nominal, ordinal), or numbers
 * (interval, ratio; also as text). Messages name row and column.
 * duplicates: what to do with a second value of the same annotator for the
 * same item (of pairs: and the same two options): "error" (default, NULL),
 * "latest" (by time, where there is one, else the later row), "first", "both".
 * Of regions, an annotator may give an item several: they are all kept. */
HONE_API int hone_judgements_from_rows(hone_judgements **out, const hone_json *rows,
                                       const hone_judgement_columns *columns,
                                       const char *duplicates, hone_error *err);
HONE_API int hone_judgements_new(hone_judgements **out, hone_level level, hone_error *err);
/* label: a label's name (nominal, ordinal), or NULL; number: finite (interval,
 * ratio; then at least 0). A second value of an annotator is kept. */
HONE_API int hone_judgements_add(hone_judgements *j, const char *item, const char *annotator,
                                 const char *label, double number, hone_error *err);
/* outcome: "left", "right", "tie", "bad". An option is a model, a response: what
 * is compared across items. item may be NULL: named after the options. */
HONE_API int hone_judgements_add_pair(hone_judgements *j, const char *item, const char *annotator,
                                      const char *left, const char *right, const char *outcome,
                                      double strength, hone_error *err);
/* options best first; ranks (NULL: 1, 2, ...) say which are tied. */
HONE_API int hone_judgements_add_ranking(hone_judgements *j, const char *item,
                                         const char *annotator, const char *const *options,
                                         const int32_t *ranks, size_t count, hone_error *err);
/* numbers: 2 (start, end) or 4 (x, y, width, height), finite, not negative. */
HONE_API int hone_judgements_add_region(hone_judgements *j, const char *item, const char *annotator,
                                        const char *label, const double *numbers, size_t count,
                                        hone_error *err);
/* CSV, TSV, JSON or JSONL, plain or .gz, straight into columns: messages name
 * file:line and column. In CSV and TSV an empty field is an absent one, and
 * rankings and regions are JSON. attributes, when not NULL: names of columns that describe
 * annotators (item_attributes: items), ending with NULL; they must not contradict
 * themselves. */
HONE_API int hone_judgements_load(hone_judgements **out, const char *path,
                                  const hone_judgement_columns *columns, const char *duplicates,
                                  const char *const *attributes,
                                  const char *const *item_attributes, hone_error *err);
/* The rows for which keep[i] (in the order of the columns) is true. Names, and
 * so the numbers of items and annotators, stay. */
HONE_API int hone_judgements_filter(hone_judgements **out, const hone_judgements *j,
                                    const bool *keep, hone_error *err);
/* The same rows with these weights [count] (in the order of the columns), finite
 * and at least 0. */
HONE_API int hone_judgements_weigh(hone_judgements **out, const hone_judgements *j,
                                   const double *weights, hone_error *err);
/* A pair table from rankings: each ranking of n options becomes its n(n-1)/2
 * comparisons, of weight 2/n each (so that a ranking counts n - 1); left is the
 * option with the smaller number. */
HONE_API int hone_judgements_pairs(hone_judgements **out, const hone_judgements *j,
                                   hone_error *err);
/* Order of labels for ordinal values (default: numeric order where all are
 * numbers, else by name). Every label in use must be there. */
HONE_API int hone_judgements_set_labels(hone_judgements *j, const char *const *labels,
                                        size_t count, hone_error *err);
/* Numbers that interval and ratio values are limited to. */
HONE_API int hone_judgements_set_range(hone_judgements *j, double low, double high,
                                       hone_error *err);
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
/* The number of a name; -1 where there is none. */
HONE_API int64_t hone_judgements_find_item(const hone_judgements *j, const char *name);
HONE_API int64_t hone_judgements_find_annotator(const hone_judgements *j, const char *name);
HONE_API int64_t hone_judgements_find_label(const hone_judgements *j, const char *name);
HONE_API int64_t hone_judgements_find_option(const hone_judgements *j, const char *name);
HONE_API const hone_json *hone_judgements_item_attributes(const hone_judgements *j, size_t item);
HONE_API const hone_json *hone_judgements_annotator_attributes(const hone_judgements *j,
                                                               size_t annotator);

/* Columns, [count] each, sorted by item, then as added. labels: index of the
 * label (nominal, ordinal, pair, region), else -1. values: the number (interval,
 * ratio), the strength (pair), how many options (ranking), or the label's index.
 * weights, times and orders are NULL where no row had one;
 * a row without has 1, NaN and 0. */
HONE_API const int32_t *hone_judgements_item(const hone_judgements *j);
HONE_API const int32_t *hone_judgements_annotator(const hone_judgements *j);
HONE_API const int32_t *hone_judgements_label(const hone_judgements *j);
HONE_API const double *hone_judgements_value(const hone_judgements *j);
HONE_API const double *hone_judgements_weight(const hone_judgements *j);
HONE_API const double *hone_judgements_time(const hone_judgements *j);
HONE_API const int32_t *hone_judgements_order(const hone_judgements *j);

/* ---- pairs, rankings, regions ---- */

HONE_API size_t hone_judgements_options(const hone_judgements *j);
HONE_API const char *hone_judgements_option_name(const hone_judgements *j, size_t option);
/* Of a pair table, [count]; the outcome is the label, in this order. */
typedef enum hone_outcome { HONE_LEFT, HONE_RIGHT, HONE_TIE, HONE_BAD } hone_outcome;
HONE_API const int32_t *hone_judgements_left(const hone_judgements *j);
HONE_API const int32_t *hone_judgements_right(const hone_judgements *j);
/* Options and ranks of row i of a ranking table. */
HONE_API size_t hone_judgements_ranking(const hone_judgements *j, size_t i,
                                        const int32_t **options, const int32_t **ranks);
/* Numbers of row i of a region table: 2 or 4. */
HONE_API size_t hone_judgements_region(const hone_judgements *j, size_t i, const double **numbers);
/* Intersection over union of two regions of the same kind, 0 to 1; of empty ones
 * 1 where they are equal. */
HONE_API double hone_region_iou(const double *a, const double *b, size_t count);
/* The same of two polygons, x, y of each of their points, that do not cross themselves.
 * 0 where one has no area. Time goes with the product of the counts. */
HONE_API double hone_polygon_iou(const double *a, size_t a_count, const double *b,
                                 size_t b_count);
/* Whether two edges cross, and which (edge i goes from point i to the next). */
HONE_API bool hone_polygon_crossing(const double *points, size_t count, size_t *first,
                                    size_t *second);

#endif
