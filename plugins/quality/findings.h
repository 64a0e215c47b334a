/* findings.h -- the result of a check, in the keys that all share (quality.h).
 *
 * Writing never fails where it happens: findings_close says whether memory was
 * short anywhere. */
#ifndef QUALITY_FINDINGS_H
#define QUALITY_FINDINGS_H

#include <hone/quality.h>

#include <jansson.h>

struct findings {
    const hone_judgements *judgements;
    json_t *result;                   /* own keys go straight here */
    json_t *annotators, *items, *rows;
    size_t flagged, flagged_items;    /* annotators, items */
    bool *left_out;                   /* [judgements]: among rows */
    int failed;
};

/* findings_free is due, also after a failure. */
int findings_open(struct findings *f, const hone_judgements *j, hone_error *err);
void findings_free(struct findings *f);

/* null where not finite. */
void findings_real(struct findings *f, json_t *to, const char *key, double value);
void findings_count(struct findings *f, json_t *to, const char *key, size_t value);
void findings_text(struct findings *f, json_t *to, const char *key, const char *text);
void findings_interval(struct findings *f, json_t *to, const char *key, double low, double high);

/* An entry, borrowed, to which own keys may be added. reason NULL: not flagged. */
json_t *findings_annotator(struct findings *f, size_t annotator, double score,
                           const char *reason, ...) HONE_PRINTF(4, 5);
json_t *findings_item(struct findings *f, size_t item, bool flagged, const char *reason, ...)
    HONE_PRINTF(4, 5);
/* A judgement to leave out; a second time changes nothing. */
void findings_row(struct findings *f, size_t row);

/* Nothing can be said: undefined, why, and passed = null. */
void findings_undefined(struct findings *f, const char *word, const char *why);
/* Hand out the result. The summary is not written where undefined was said. */
int findings_close(struct findings *f, bool passed, hone_json **out, hone_error *err,
                   const char *summary, ...) HONE_PRINTF(5, 6);

#endif
