/* quality.h -- annotation quality: checks and aggregation of judgements.
 *
 * A result is a JSON object, so that scripts, reports and stores can hold it.
 * What cannot be computed is { undefined = "unanimous" } with the reason,
 * never NaN. */
#ifndef HONE_QUALITY_H
#define HONE_QUALITY_H

#include <hone/judgement.h>
#include <hone/plugin.h>

typedef struct hone_quality_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    /* *result: a new JSON object; keys are documented by the plugin. */
    int (*check)(void *self, const hone_judgements *judgements, hone_json **result,
                 hone_error *err);
    /* Consensus: { items = [{ item, value, posterior, ... }], annotators = [...] }. */
    int (*aggregate)(void *self, const hone_judgements *judgements, hone_json **result,
                     hone_error *err);
} hone_quality_ops;

HONE_API int hone_quality_check(hone_instance *quality, const hone_judgements *judgements,
                                hone_json **result, hone_error *err);
HONE_API int hone_quality_aggregate(hone_instance *quality, const hone_judgements *judgements,
                                    hone_json **result, hone_error *err);

#endif
