/* finding.h -- what bias detectors share: groups, outcomes, estimates, findings.
 *
 * A detector turns judgements into rows with an outcome and a cluster, and a
 * statistic into its influence, one number a row: how much of the statistic the
 * row adds, to first order. Summed by cluster, influence gives the variance that
 * holds where rows of a cluster are not independent (Liang & Zeger 1986,
 * doi:10.1093/biomet/73.1.13), with C/(C - 1) and Student's t of C - 1 degrees
 * for C clusters; summed by item, it says which items are behind a finding.
 *
 * A finding, as <hone/bias.h> says:
 *   effect, se, interval, p    null where not known
 *   n, clusters                rows, and what is independent of them
 *   mde       smallest effect that a test at 1 - confidence reveals with `power`:
 *             (t + z_power) se
 *   items     [{ item, influence }]: those that push the effect in its direction,
 *             most first, `top` at most; items_behind says how many there are
 *   flagged   names of the items listed, where p < 1 - confidence
 *   undefined, why    in place of effect: empty, one_group, one_cluster, unanimous */
#ifndef BIAS_FINDING_H
#define BIAS_FINDING_H

#include <hone/bias.h>
#include <hone/random.h>
#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- options ---- */

/* The first member of every instance. */
struct bias_options {
    double confidence, power;
    int64_t top;
};

#define BIAS_OPTIONS(T) \
    HONE_OPT_REAL_FLAGS(T, common.confidence, "confidence", 0.95, 0, 1, \
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, \
                        "of intervals; 1 less it is the level of the test"), \
    HONE_OPT_REAL_FLAGS(T, common.power, "power", 0.8, 0.5, 1, HONE_OPTION_OPEN_MAX, \
                        "chance to reveal an effect of mde"), \
    HONE_OPT_INT(T, common.top, "top", 100, 0, INT32_MAX, \
                 "most items to list as being behind a finding")

/* ---- clusters ---- */

enum { BIAS_BY_ITEM, BIAS_BY_ANNOTATOR };
extern const char *const bias_cluster_words[];
#define BIAS_CLUSTER(T, m, def) \
    HONE_OPT_CHOICE(T, m, "cluster", def, bias_cluster_words, \
                    "what is independent: items or annotators")

/* Rows by what is independent: ids [rows], each below count. */
struct bias_clusters {
    const int32_t *ids;
    size_t count;
};
struct bias_clusters bias_cluster(const hone_judgements *j, int64_t by);

/* ---- groups ---- */

enum { BIAS_OF_ANY, BIAS_OF_ITEMS, BIAS_OF_ANNOTATORS };
extern const char *const bias_of_words[];
enum { BIAS_GROUPS = 64 };

/* Groups by the values of an attribute, in the order of their names. */
struct bias_groups {
    size_t count;
    char **names;    /* [count], owned */
    int32_t *of;     /* [items or annotators]: its group; -1: not known; owned */
    bool annotators;
    size_t unknown;  /* items or annotators without the attribute */
};
/* of: BIAS_OF_ANY takes items where an item has it, else annotators. most: more
 * groups are an error; 0: any. */
int bias_groups_make(struct bias_groups *g, const hone_judgements *j, const char *attribute,
                     int64_t of, size_t most, hone_error *err);
void bias_groups_free(struct bias_groups *g);
int32_t bias_group_of(const struct bias_groups *g, const hone_judgements *j, size_t row);
/* The text of an attribute that is a text, a number or a boolean; NULL and
 * HONE_OK where there is none. Owned. */
int bias_text(char **out, const hone_json *attributes, const char *key, hone_error *err);

/* ---- outcomes ---- */

struct bias_outcome {
    hone_string_list positive;
    double threshold;
};
#define BIAS_OUTCOME(T) \
    HONE_OPT_STRINGS(T, outcome.positive, "positive", "[]", \
                     "labels that count as 1, all others as 0; numbers, and places of ordinal labels, " \
                     "stand for themselves"), \
    HONE_OPT_REAL(T, outcome.threshold, "threshold", HONE_UNSET_REAL, -1e300, 1e300, \
                  "numbers of at least this count as 1, others as 0 (unset: their mean)")
/* y [rows]; *binary: whether they are 0 and 1. */
int bias_outcomes(const struct bias_outcome *o, const hone_judgements *j, double *y, bool *binary,
                  hone_error *err);
bool bias_is_positive(const struct bias_outcome *o, const char *label);

/* ---- preferences ---- */

enum { BIAS_FIRST, BIAS_SECOND, BIAS_TIE, BIAS_OTHER };

struct bias_preference {
    hone_string_list labels, ties;
};
#define BIAS_PREFERENCE(T) \
    HONE_OPT_STRINGS(T, preference.labels, "labels", "[\"1\", \"2\"]", \
                     "labels that prefer the first side and the second; pair tables have " \
                     "their own"), \
    HONE_OPT_STRINGS(T, preference.ties, "ties", "[\"0\", \"tie\", \"Tie\"]", \
                     "labels that prefer neither")
int bias_preference_check(const struct bias_preference *o, hone_error *err);
/* Refuses tables of numbers, rankings and regions. */
int bias_preference_level(const hone_judgements *j, hone_error *err);
int bias_preference_of(const struct bias_preference *o, const hone_judgements *j, size_t row);

/* ---- estimates ---- */

struct bias_estimate {
    double value, se, low, high, p, mde;
    size_t n, clusters;
};

/* An estimate of `value` from its influence [rows]; NaN: the row is not part of
 * it. p tests 0. */
int bias_estimate(struct bias_estimate *e, const struct bias_options *o, double value,
                  const double *influence, struct bias_clusters by, size_t rows, hone_error *err);
/* The share of hits less `chance`: exact (binomial, Wilson) where no cluster has
 * two rows, or where clusters do not differ; else as bias_estimate. hit [rows]:
 * 0 to 1, NaN: no part; becomes the influence. */
int bias_share(struct bias_estimate *e, const struct bias_options *o, double *hit, double chance,
               struct bias_clusters by, size_t rows, hone_error *err);
/* Interval, p and mde for a value, its standard error and degrees of freedom. */
void bias_infer(struct bias_estimate *e, const struct bias_options *o, double df);

/* ---- writing: each returns 0, or not 0 where memory is short ---- */

int bias_put_real(json_t *to, const char *key, double value); /* null where not finite */
int bias_put_count(json_t *to, const char *key, size_t n);
int bias_put_text(json_t *to, const char *key, const char *text);
int bias_put_estimate(json_t *to, const struct bias_estimate *e);
int bias_put_undefined(json_t *to, const char *word, const char *why);
/* items, items_behind and flagged, from influence [rows]. */
int bias_put_items(json_t *to, const struct bias_options *o, const struct bias_estimate *e,
                   const hone_judgements *j, const double *influence, hone_error *err);
/* p_corrected of each of a list's members by Holm's method. */
int bias_put_holm(json_t *list, hone_error *err);

#endif
