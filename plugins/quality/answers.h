/* answers.h -- judgements as checks want to see them: by unit, and by annotator.
 *
 * A unit is what two annotators can agree on: an item, or, of pairs, an item's
 * two options whichever side each stood on (labels are then turned, so that
 * "left" is the option with the smaller number). Answers of a unit stand
 * together; row[i] says which judgement answer i is.
 *
 * Times are either how long an answer took or when it was given; all beyond three
 * years are taken for the latter (seconds since 1970), and put an annotator's
 * answers in order. Otherwise their order is the table's. */
#ifndef QUALITY_ANSWERS_H
#define QUALITY_ANSWERS_H

#include <hone/judgement.h>

struct answers {
    const hone_judgements *judgements;
    hone_level level;
    size_t count, units, labels, annotators;
    int32_t *unit, *label, *annotator; /* [count]; label -1: none */
    double *value, *time;              /* [count]; value of a pair: its label; time NULL: none */
    bool stamped;                      /* times say when */
    size_t *row;                       /* [count] */
    size_t *starts;                    /* [units + 1] */
    size_t *by_annotator;              /* [count]: answers by annotator, then time, then unit */
    size_t *annotator_starts;          /* [annotators + 1] */
};

/* answers_close is due, also after a failure. */
int answers_open(struct answers *a, const hone_judgements *j, hone_error *err);
void answers_close(struct answers *a);

/* Whether judgements are labels that can be the same: nominal, ordinal, pair. */
bool answers_labelled(const struct answers *a);
/* The item of a unit. */
size_t answers_item(const struct answers *a, size_t unit);

/* How many gave what, of one unit: tally[label], and the largest two counts. */
struct tally {
    double *count;          /* [labels], zero between uses */
    double most, next;      /* largest count, and the next smaller one (0: none) */
    size_t at_most, at_next; /* labels that have it */
};
void tally_unit(struct tally *t, const struct answers *a, size_t unit);
void tally_clear(struct tally *t, const struct answers *a, size_t unit);
/* How far an answer agrees with what the others of its unit gave most often: 1,
 * 0, 1/n where it is one of n; NaN without others. */
double tally_agrees(const struct tally *t, const struct answers *a, size_t answer);

#endif
