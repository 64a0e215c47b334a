/* metric.h -- reward metrics: a number for each sample.
 *
 * The same metric is a reward in training, a figure in evaluation, a curve in
 * a report. For each sample it sets a number, or NA (does not apply), or fails
 * with a message, which is reported and never swallowed. */
#ifndef HONE_METRIC_H
#define HONE_METRIC_H

#include <hone/sample.h>

typedef struct hone_scores hone_scores;

typedef struct hone_metric_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    int (*score)(void *self, hone_scores *out, const hone_samples *samples, hone_error *err); /* required */
} hone_metric_ops;

/* ---- in score ---- */
/* A finite number; NaN or infinity counts as a failure of that sample. */
HONE_API void hone_score_set(hone_scores *out, size_t i, double value);
HONE_API void hone_score_na(hone_scores *out, size_t i);
HONE_API void hone_score_fail(hone_scores *out, size_t i, const char *fmt, ...) HONE_PRINTF(3, 4);
/* A number for response token `token` (0-based) of sample i. */
HONE_API void hone_score_token(hone_scores *out, size_t i, int64_t token, double value);
/* A number of another kind, by name (one of several heads). */
HONE_API void hone_score_head(hone_scores *out, size_t i, const char *head, double value);
/* A curve of the metric's own: one number for the batch. */
HONE_API void hone_score_log(hone_scores *out, const char *name, double value);

/* ---- for users ---- */
typedef enum hone_score_state { HONE_SCORE_MISSING, HONE_SCORE_NUMBER, HONE_SCORE_NA, HONE_SCORE_FAILED } hone_score_state;

/* Score samples. A sample left unset is a failure. **out is owned. */
HONE_API int hone_metric_score(hone_instance *metric, const hone_samples *samples,
                               hone_scores **out, hone_error *err);
/* For who scores without a plugin: scores to be set as in score, then finished,
 * which fails where a setter could not do its work, and fails the samples left
 * unset; `who` names the scorer in messages. **out is owned. */
HONE_API int hone_scores_new(hone_scores **out, const hone_samples *samples, hone_error *err);
HONE_API int hone_scores_finish(hone_scores *scores, const char *who, hone_error *err);
HONE_API void hone_scores_free(hone_scores *scores);
HONE_API size_t hone_scores_count(const hone_scores *scores);
HONE_API hone_score_state hone_scores_state(const hone_scores *scores, size_t i);
/* The number; NaN unless the state is NUMBER. */
HONE_API double hone_scores_value(const hone_scores *scores, size_t i);
HONE_API const char *hone_scores_message(const hone_scores *scores, size_t i);
/* Numbers a token, [response_tokens], NaN where none was set; NULL without any. */
HONE_API const double *hone_scores_tokens(const hone_scores *scores, size_t i);
/* By head; NaN where none was set. */
HONE_API double hone_scores_head(const hone_scores *scores, size_t i, const char *head);
/* { count, numbers, na, failed, mean, sd, min, max, heads, logged,
 * failures = [{ sample, message }, the first five] }: a new JSON object; mean
 * and the like are null without numbers, sd without two. heads: by name, {
 * numbers, mean, sd, min, max }. logged: by name; null where not finite. */
HONE_API int hone_scores_summary(const hone_scores *scores, hone_json **out, hone_error *err);

#endif
