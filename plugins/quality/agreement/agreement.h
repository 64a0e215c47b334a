/* agreement.h -- what the parts of quality/agreement share.
 *
 * An estimate that cannot be computed carries a word and a reason instead of a
 * number:
 *   unanimous   all values are equal, so that chance would agree, too
 *   unpaired    no item has values of two annotators
 *   level       the method needs values of another kind
 *   size        too many distinct values for a method that compares each two
 *   incomplete  the method needs every annotator's value of every item */
#ifndef AGREEMENT_H
#define AGREEMENT_H

#include <hone/context.h>
#include <hone/judgement.h>
#include <hone/option.h>

enum { WEIGHTS_NONE, WEIGHTS_LINEAR, WEIGHTS_QUADRATIC, WEIGHTS_ORDINAL };
enum { CLUSTER_ITEM, CLUSTER_ANNOTATOR };

struct agreement {
    hone_context *context;
    hone_string_list methods;
    int64_t weights, bootstrap, cluster, seed, pairs;
    double floor, confidence, iou;
};

struct estimate {
    const char *undefined;      /* NULL: value holds */
    const char *why;
    double value;
    double observed, expected;  /* agreement; for alpha, disagreement */
    double se;                  /* NaN: not known */
    size_t n;                   /* items that count */
};

struct estimate agreement_undefined(const char *word, const char *why);

struct interval {
    double low, high;
    int64_t undefined;          /* resamples without a value */
};

/* Judgements by item: rows [starts[i], starts[i + 1]) are of item i. */
struct table {
    const hone_judgements *judgements;
    size_t items, rows, labels, annotators;
    const int32_t *label, *annotator, *item;
    const double *value;
    size_t *starts;             /* [items + 1] */
    size_t *by_annotator;       /* [rows]: rows sorted by annotator */
    size_t *annotator_starts;   /* [annotators + 1] */
    double *scratch;            /* [4 * labels + 4] */
    double *parts;              /* [items], for Conger's standard error */
};

/* How often a resample took each item or annotator; NULL: once. */
struct times {
    const uint32_t *items, *annotators;
};

/* Agreement of labels i and j of q, in [0, 1]. */
double agreement_weight(int64_t weights, size_t i, size_t j, size_t q);
/* to[k] = sum over l of w_kl * from[l]. */
void agreement_weigh(double *to, const double *from, int64_t weights, size_t q);

/* ---- many annotators (chance.c) ---- */

enum { CHANCE_PERCENT, CHANCE_FLEISS, CHANCE_CONGER, CHANCE_GWET, CHANCE_BRENNAN };

/* scratch: as the table's. The standard error is of a table taken once. */
struct estimate agreement_chance(const struct table *t, int method, int64_t weights,
                                 struct times times, double *scratch);
int agreement_chance_interval(const struct agreement *o, const struct table *t, int method,
                              struct interval *out, hone_error *err);

/* ---- pairs of annotators (kappa.c) ---- */

struct pair {
    int32_t a, b;
    struct estimate kappa;
};

/* Kappa of every two annotators who share an item, those who share most first:
 * Cohen's, or with `pooled` margins Scott's. *out is owned. */
int agreement_pairs(const struct table *t, int64_t weights, bool pooled, struct pair **out,
                    size_t *count, hone_error *err);

/* ---- numbers ---- */

/* Krippendorff's alpha; with o->bootstrap > 0, *interval is filled as well. */
int agreement_alpha(const struct agreement *o, const struct table *t, struct estimate *out,
                    struct interval *interval, hone_error *err);

/* Intraclass correlations: 1, 2, 3 of one annotator's value, then of k annotators' mean. */
enum { ICC_FORMS = 6 };
struct icc {
    struct estimate forms[ICC_FORMS];
    struct interval intervals[ICC_FORMS];
    double k;                   /* values an item */
};
int agreement_icc(const struct table *t, double confidence, struct icc *out, hone_error *err);

/* ---- regions ---- */

struct regions {
    struct estimate f1;         /* mean over items and pairs of annotators */
    double iou, same_label;     /* of what was matched; NaN without */
    size_t pairs, matched;
};
int agreement_regions(const struct table *t, double threshold, struct regions *out,
                      hone_error *err);

/* ---- bootstrap (bootstrap.c) ---- */

/* value(arg, piece, times): of a resample that took cluster c times[c] times; NaN
 * where there is none. Calls of one piece never overlap. */
struct bootstrap {
    const struct agreement *options;
    size_t clusters, pieces;
    double (*value)(void *arg, size_t piece, const uint32_t *times);
    void *arg;
};
int agreement_bootstrap(const struct bootstrap *b, struct interval *out, hone_error *err);
/* Percentiles of `count` values, of which NaN ones are counted apart; sorts them. */
void agreement_percentiles(double *values, size_t count, double confidence,
                           struct interval *out);
/* Eight Poisson(1) counts, those of a block of a stream. The table holds the count
 * of 16 bits by their upper 8, where those decide. */
void agreement_poisson_table(uint8_t table[256]);
void agreement_poisson(const uint8_t table[256], uint64_t seed, uint64_t stream, uint64_t block,
                       double out[8]);

#endif
