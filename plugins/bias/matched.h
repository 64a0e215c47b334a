/* matched.h -- items that differ in one thing only: a variant of the same text.
 *
 * An attribute of items (`pair`) says which belong together, another (`variant`)
 * which one an item is. Two judgements of an annotator for the two variants make
 * a match; within = pair compares the means over annotators instead, for people
 * who saw one variant only. Pairs are the clusters. */
#ifndef BIAS_MATCHED_H
#define BIAS_MATCHED_H

#include "finding.h"

enum { BIAS_WITHIN_ANNOTATOR, BIAS_WITHIN_PAIR };
extern const char *const bias_within_words[];

struct bias_matching {
    const char *pair, *variant, *by;
    hone_string_list variants;
    int64_t within;
};
#define BIAS_MATCHING(T, pair_, variant_, variants_) \
    HONE_OPT_STRING(T, matching.pair, "pair", pair_, \
                    "attribute of items: which belong together"), \
    HONE_OPT_STRING(T, matching.variant, "variant", variant_, \
                    "attribute of items: which one of the two it is"), \
    HONE_OPT_STRINGS(T, matching.variants, "variants", variants_, \
                     "the two variants, first and second ([]: the two there are, by name)"), \
    HONE_OPT_STRING(T, matching.by, "by", NULL, \
                    "attribute of items by which findings are told apart, too"), \
    HONE_OPT_CHOICE(T, matching.within, "within", "annotator", bias_within_words, \
                    "what is compared: an annotator's two judgements, or means of the pair")

struct bias_match {
    int32_t pair, first, second; /* first, second: rows */
    double a, b;                 /* their outcomes */
};

struct bias_matches {
    struct bias_match *list;     /* [count], sorted by pair; owned */
    int32_t *pair_of;            /* [count], for clusters; owned */
    double *difference, *rows_influence; /* [count], [rows]; scratch; owned */
    size_t count, rows, lonely;  /* lonely: judgements without a counterpart */
    struct bias_groups pairs, variants;
    const hone_judgements *judgements;
};

/* any: a pair may have variants of its own, as users' stances are. */
int bias_matches_make(struct bias_matches *m, const struct bias_matching *o,
                      const hone_judgements *j, const double *y, bool any, hone_error *err);
void bias_matches_free(struct bias_matches *m);
/* A finding from a value a match (difference [count]; NaN: left out): its mean.
 * binary: differences are of 0 and 1, and p is McNemar's exact one where no pair
 * has two matches. items: whether to list those behind. */
int bias_matches_put(json_t *to, struct bias_estimate *e, struct bias_matches *m,
                     const struct bias_options *o, const double *difference, bool binary,
                     bool items, hone_error *err);
/* parts = findings by the attribute `by`, with corrected p; nothing where it is unset. */
int bias_matches_put_parts(json_t *to, struct bias_matches *m, const struct bias_options *o,
                           const struct bias_matching *by, const double *difference, bool binary,
                           hone_error *err);
/* The whole detector of a mean difference, second less first. */
int bias_matched_difference(const struct bias_options *o, const struct bias_matching *matching,
                            const struct bias_outcome *outcome, const hone_judgements *j,
                            hone_json **findings, hone_error *err);

#endif
