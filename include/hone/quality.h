/* quality.h -- annotation quality: checks and aggregation of judgements.
 *
 * A result is a JSON object, so that scripts, reports and stores can hold it.
 * What cannot be computed is { undefined = "unanimous" } with the reason,
 * never NaN. */
#ifndef HONE_QUALITY_H
#define HONE_QUALITY_H

#include <hone/consensus.h>
#include <hone/plugin.h>

typedef struct hone_quality_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    /* *result: a new JSON object. Keys that all share: passed (true, false; null:
     * undefined), summary (one line), annotators = [{ annotator, score, flagged,
     * reason }], items = [{ item, flagged, reason }] (those worth a look), rows =
     * indices of judgements to leave out; others are the plugin's own. */
    int (*check)(void *self, const hone_judgements *judgements, hone_json **result,
                 hone_error *err);
    /* Fill an empty consensus: see <hone/consensus.h> for the columns. */
    int (*aggregate)(void *self, const hone_judgements *judgements, hone_consensus *out,
                     hone_error *err);
} hone_quality_ops;

HONE_API int hone_quality_check(hone_instance *quality, const hone_judgements *judgements,
                                hone_json **result, hone_error *err);
/* **out is owned. */
HONE_API int hone_quality_aggregate(hone_instance *quality, const hone_judgements *judgements,
                                    hone_consensus **out, hone_error *err);

#endif
