/* consensus.h -- what aggregation finds: columns by item, annotator, option.
 *
 * Columns are arrays of doubles with a name and a width (numbers a row), so
 * that a million items cost a million numbers. Names that several plugins
 * fill, and that scripts, reports and training read:
 *
 *   items        label       index of the consensus label; NaN: none (no answer, a tie)
 *                posterior   [labels] sums to 1
 *                value       consensus number (interval, ratio), or the posterior mean
 *                confidence  of the label: its posterior, or the share of votes
 *                difficulty  larger is harder
 *                weight      what training uses: confidence, less where people disagree
 *   annotators   skill       probability of a right answer, or the method's own (documented)
 *                skill_low, skill_high   95 % interval
 *                answers     how many
 *                weight      of a vote
 *                confusion   [labels * labels] P(says column | truth is row)
 *   options      strength    of what pairs compare (log scale, mean 0)
 *                strength_se, strength_low, strength_high, rank_low, rank_high
 *
 * Figures of the whole (log_likelihood, iterations, converged, components,
 * undefined = "reason") are one JSON object. */
#ifndef HONE_CONSENSUS_H
#define HONE_CONSENSUS_H

#include <hone/judgement.h>

typedef struct hone_consensus hone_consensus;

typedef enum hone_axis { HONE_ITEMS, HONE_ANNOTATORS, HONE_OPTIONS } hone_axis;

/* An empty one over judgements, which it references. **out is owned. */
HONE_API int hone_consensus_new(hone_consensus **out, const hone_judgements *judgements,
                                hone_error *err);
HONE_API hone_consensus *hone_consensus_ref(hone_consensus *c);
HONE_API void hone_consensus_free(hone_consensus *c);
HONE_API const hone_judgements *hone_consensus_judgements(const hone_consensus *c);

/* The column to write, [rows of the axis, width]; NaN when first made. NULL and
 * a message when memory is short or the width is another than before. */
HONE_API double *hone_consensus_column(hone_consensus *c, hone_axis axis, const char *name,
                                       size_t width, hone_error *err);
/* The column to read; NULL when there is none. width may be NULL. */
HONE_API const double *hone_consensus_get(const hone_consensus *c, hone_axis axis,
                                          const char *name, size_t *width);
/* Names of the columns there are, in the order made. */
HONE_API size_t hone_consensus_columns(const hone_consensus *c, hone_axis axis);
HONE_API const char *hone_consensus_name(const hone_consensus *c, hone_axis axis, size_t i);

/* Why an item or annotator was flagged, in words a person can read; appended.
 * NULL from reason: none. */
HONE_API int hone_consensus_explain(hone_consensus *c, hone_axis axis, size_t row,
                                    hone_error *err, const char *fmt, ...) HONE_PRINTF(5, 6);
HONE_API const char *hone_consensus_reason(const hone_consensus *c, hone_axis axis, size_t row);

/* Figures of the whole. set takes a number; figures is borrowed. */
HONE_API int hone_consensus_set(hone_consensus *c, const char *key, double value,
                                hone_error *err);
HONE_API int hone_consensus_set_json(hone_consensus *c, const char *key, hone_json *value,
                                     hone_error *err); /* takes over a reference, also on failure */
HONE_API const hone_json *hone_consensus_figures(const hone_consensus *c);

/* label and confidence from posterior: the largest, NaN on a tie within 1e-12
 * or where a row holds NaN. */
HONE_API int hone_consensus_decide(hone_consensus *c, hone_error *err);

#endif
