/* agreement.h -- what the parts of quality/agreement share.
 *
 * An estimate that cannot be computed carries a word and a reason instead of a
 * number:
 *   unanimous   all values are equal, so that chance would agree, too
 *   unpaired    no item has values of two annotators
 *   level       the method needs labels and the values are numbers
 *   size        too many distinct values for a method that compares each two */
#ifndef AGREEMENT_H
#define AGREEMENT_H

#include <hone/judgement.h>
#include <hone/option.h>

enum { WEIGHTS_NONE, WEIGHTS_LINEAR, WEIGHTS_QUADRATIC, WEIGHTS_ORDINAL };

struct agreement {
    hone_string_list methods;
    int64_t weights, bootstrap, seed, pairs;
    double floor, confidence;
};

struct estimate {
    const char *undefined;      /* NULL: value holds */
    const char *why;
    double value;
    double observed, expected;  /* agreement; for alpha, disagreement */
    double se;                  /* NaN: not known */
    size_t n;                   /* items that count */
};

/* Judgements by item: rows [starts[i], starts[i + 1]) are of item i. */
struct table {
    const hone_judgements *judgements;
    size_t items, rows, labels, annotators;
    const int32_t *label, *annotator, *item;
    const double *value;
    size_t *starts;             /* [items + 1] */
    double *scratch;            /* [4 * labels + 1] */
};

struct pair {
    int32_t a, b;
    struct estimate kappa;
};

/* Agreement of labels i and j of q, in [0, 1]. */
double agreement_weight(int64_t weights, size_t i, size_t j, size_t q);

struct estimate agreement_percent(const struct table *t);
struct estimate agreement_fleiss(const struct table *t, int64_t weights);
/* Cohen's kappa of every two annotators who share an item, those who share
 * most first; *out is owned. */
int agreement_cohen(const struct table *t, int64_t weights, struct pair **out, size_t *count,
                    hone_error *err);

struct interval {
    double low, high;
    int64_t undefined;          /* resamples without an alpha */
};

/* Krippendorff's alpha; with resamples > 0, *interval is filled as well. */
int agreement_alpha(const struct table *t, int64_t resamples, uint64_t seed, double confidence,
                    struct estimate *out, struct interval *interval, hone_error *err);

#endif
