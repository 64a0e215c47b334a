/* votes.h -- what the plugins that aggregate labels share.
 *
 * Votes are judgements with labels, indexed both ways: rows are sorted by item,
 * and a permutation sorts them by annotator. An annotator's use of one label is
 * a slot, so that a table P(says l | truth k) holds K numbers a slot, and no
 * annotator pays for labels never used: all memory is linear in the votes times
 * the labels, as the posterior is.
 *
 * Loops over items and annotators run in VOTES_PIECES fixed pieces, and sums
 * are added in their order: the number of threads changes no bit.
 *
 * A vote of weight w counts as w votes. Where nothing can be said of annotators,
 * `undefined` has the word, `why` the sentence, and the posterior is the votes'
 * shares:
 *   unanimous   one label only was given
 *   unpaired    no item has votes of two annotators
 *   sparse      what the method compares is not there (its own sentence)
 *
 * Columns that every method fills: posterior, label, confidence, value (ordinal:
 * the posterior mean of the label's index), difficulty and weight of items;
 * answers, skill, skill_low, skill_high and weight of annotators.
 *   difficulty  expected share of votes that are wrong, unless the method has its own
 *   weight      of an item: confidence times the expected share of votes that are right
 *   skill       right / answers, both expected; its interval is Jeffreys' (Beta), for
 *               as many answers as the observed information says (Louis 1982): the
 *               complete one less what not knowing the truth takes away
 *   weight      of a vote: ln(p(K - 1)/(1 - p)), with p the skill shrunk by `shrink`
 *               answers of the mean skill; below 0: worse than guessing */
#ifndef QUALITY_VOTES_H
#define QUALITY_VOTES_H

#include <hone/quality.h>

#include <jansson.h>
#include <math.h>

enum { VOTES_PIECES = 64 };

/* The first member of every instance. */
struct votes_options {
    hone_context *context;
    double shrink, floor;
};

#define VOTES_OPTIONS(T) \
    HONE_OPT_REAL(T, common.shrink, "shrink", 4, 0, 1e9, \
                  "answers of the mean skill that an annotator's are joined with for the weight"), \
    HONE_OPT_REAL(T, common.floor, "floor", HONE_UNSET_REAL, 0, 1, \
                  "check: least skill of an annotator (unset: a quarter of the way from " \
                  "guessing to perfect)")

struct votes_tally {
    double right, answers, /* expected, weighted */
        missing;           /* sum of T(1 - T), T = P(the answer is right) */
};

struct votes {
    const hone_judgements *judgements;
    hone_context *context;
    hone_consensus *out;
    size_t items, annotators, labels, rows, slots;
    const int32_t *item, *annotator, *label; /* [rows] */
    const double *weight;                    /* [rows]; NULL: all 1 */
    size_t *item_starts;                     /* [items + 1] rows of an item */
    size_t *annotator_starts;                /* [annotators + 1] places in by_annotator */
    int32_t *by_annotator;                   /* [rows] */
    size_t *slot_starts;                     /* [annotators + 1] */
    int32_t *slot;                           /* [rows] */
    int32_t *slot_label;                     /* [slots] */
    size_t answered;                         /* items with a vote of weight above 0 */
    const char *undefined, *why;
    double *posterior;                       /* [items, labels]: the column; first vote shares */
    struct votes_tally *tally;               /* [annotators] */
    double sums[VOTES_PIECES];
    json_t *trace;                           /* the objective, step by step */
    int64_t iterations;
    double objective;
    bool converged;
};

/* fn for pieces [first, last) of [0, count). */
typedef void votes_fn(void *arg, size_t first, size_t last, size_t piece);
void votes_parallel(const struct votes *v, size_t count, votes_fn *fn, void *arg);
/* sums of all pieces, in order; they are zeroed. */
double votes_sum(struct votes *v);

/* posterior of items [first, last): shares of votes that weigh weights[annotator]
 * (NULL: 1) times their own; equal shares where all weigh nothing, zeros where
 * no one voted. */
void votes_shares(struct votes *v, const double *weights, double *posterior);
/* What annotators have right by a posterior; hard: by its largest, ties split. */
void votes_judge(struct votes *v, const double *posterior, bool hard);

/* Log-probabilities to probabilities; returns the logarithm of their sum. */
double votes_normalise(double *x, size_t count);
/* The same in parts: that logarithm is the result plus log(*sum). */
static inline double votes_normalise_parts(double *x, size_t count, double *sum);

/* Record an objective; *done when it rose by less than tolerance, relatively,
 * or not at all. HONE_EINTERRUPTED where someone asks to stop. */
int votes_step(struct votes *v, double objective, double tolerance, bool *done, hone_error *err);

/* ---- ops: self begins with votes_options ---- */

/* Make the posterior, and the tally by votes_judge, of votes that are not
 * undefined. To begin with, the posterior holds the shares of votes. A fit that
 * sets `undefined` leaves, or restores, these. */
typedef int votes_fit(struct votes *v, const void *self, hone_error *err);

int votes_init(void *self, hone_context *context, hone_error *err);
int votes_aggregate(const void *self, votes_fit *fit, const hone_judgements *judgements,
                    hone_consensus *out, hone_error *err);
/* Aggregate, and say whose skill lies below the floor with 95 % certainty. */
int votes_check(const void *self, votes_fit *fit, const hone_judgements *judgements,
                hone_json **result, hone_error *err);

/* The ops of a plugin with a fit. */
#define VOTES_OPS(fit) \
    static int ops_aggregate(void *self, const hone_judgements *judgements, \
                             hone_consensus *out, hone_error *err) \
    { \
        return votes_aggregate(self, fit, judgements, out, err); \
    } \
    static int ops_check(void *self, const hone_judgements *judgements, hone_json **result, \
                         hone_error *err) \
    { \
        return votes_check(self, fit, judgements, result, err); \
    } \
    static const hone_quality_ops ops = { \
        .size = sizeof ops, .init = votes_init, .check = ops_check, .aggregate = ops_aggregate, \
    }

/* For self-tests: aggregate `count` texts, one an item, whose characters are the
 * labels of annotators 1, 2, ... (a space: none), and check that the consensus
 * column `name` begins with `expected` to within `tolerance`. */
struct votes_expect {
    hone_axis axis;
    const char *name;
    const double *values;
    size_t count;
    double tolerance;
};
int votes_example(const void *self, votes_fit *fit, const char *const *items, size_t count,
                  hone_consensus **out, hone_error *err);
int votes_expect(const hone_consensus *c, const struct votes_expect *expect, hone_error *err);

/* Used by votes_aggregate: index the votes, with shares in the posterior
 * (votes_close is due, also after a failure); write columns and figures. */
int votes_open(struct votes *v, hone_context *context, const hone_judgements *judgements,
               hone_consensus *out, hone_error *err);
void votes_close(struct votes *v);
int votes_publish(struct votes *v, const struct votes_options *options, hone_error *err);

static inline double votes_normalise_parts(double *x, size_t count, double *sum)
{
    double most = x[0], all = 0;

    for (size_t k = 1; k < count; k++)
        most = x[k] > most ? x[k] : most;
    for (size_t k = 0; k < count; k++) {
        x[k] = x[k] < most ? exp(x[k] - most) : 1;
        all += x[k];
    }
    for (size_t k = 0; k < count; k++)
        x[k] /= all;
    *sum = all;
    return most;
}

static inline double votes_weight(const struct votes *v, size_t row)
{
    return v->weight ? v->weight[row] : 1;
}

#endif
