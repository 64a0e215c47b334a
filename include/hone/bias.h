/* bias.h -- bias detectors and mitigations.
 *
 * A detector looks at judgements whose items carry attributes (texts, groups)
 * and returns findings: { effect, interval = [low, high], p, n, mde, items,
 * flagged, ... } as JSON. A mitigation returns weights or choices, and what
 * changed: { before, after, weights | dropped }; it never drops silently. */
#ifndef HONE_BIAS_H
#define HONE_BIAS_H

#include <hone/judgement.h>
#include <hone/plugin.h>

typedef struct hone_bias_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    int (*detect)(void *self, const hone_judgements *judgements, hone_json **findings,
                  hone_error *err); /* required */
    int (*mitigate)(void *self, const hone_judgements *judgements, const hone_json *findings,
                    hone_json **result, hone_error *err);
} hone_bias_ops;

HONE_API int hone_bias_detect(hone_instance *bias, const hone_judgements *judgements,
                              hone_json **findings, hone_error *err);
HONE_API int hone_bias_mitigate(hone_instance *bias, const hone_judgements *judgements,
                                const hone_json *findings, hone_json **result, hone_error *err);

#endif
