/* pairs.h -- what the plugins that rank options share.
 *
 * A table of comparisons, condensed: a cell counts what two options, a < b, did
 * against each other, so that a step of a fit costs the distinct pairs and not
 * the comparisons. `at` leads from a row of the judgements to its cell. Cells
 * are in the order of the rows. A row counts as much as its weight, times the
 * strength of the preference where that is wanted. Memory is linear in rows and
 * options.
 *
 * Options that no chain of comparisons connects share no scale: strengths are
 * found within a component, and rank within it. An option without comparisons
 * is in none. */
#ifndef QUALITY_PAIRS_H
#define QUALITY_PAIRS_H

#include <hone/quality.h>

enum { PAIRS_BAD_TIE, PAIRS_BAD_DROP };

struct pairs_cell {
    int32_t a, b;
    union {
        struct {
            double a_wins, b_wins, ties;
        };
        double counts[3];
    };
};

struct pairs {
    const hone_judgements *judgements;
    size_t options, rows, cells, components;
    const int32_t *label;     /* [rows] */
    struct pairs_cell *cell;  /* [cells] */
    int32_t *at;              /* [rows] 2 * cell + (left is b); -1: not counted */
    int32_t *component;       /* [options]; -1: none */
    size_t *size;             /* [components] options of each */
    size_t *starts;           /* [options + 1] places in near */
    int32_t *near;            /* [2 * cells] the cells of an option */
    double *weights;          /* [rows]; NULL: all 1 */
    double won, tied;         /* weights of decided comparisons and of ties, bad ones too */
    size_t bad, dropped, weightless; /* rows */
};

/* What to count. */
struct pairs_policy {
    int64_t bad;
    bool ties;                /* ties count; else they are dropped */
    bool strength;
};

/* pairs_close is due, also after a failure. */
int pairs_open(struct pairs *p, const hone_judgements *judgements,
               const struct pairs_policy *policy, hone_error *err);
void pairs_close(struct pairs *p);

/* The outcome for cell->a: 1 won, 0 lost, 0.5 tied; of a row that counts. */
static inline double pairs_outcome(const struct pairs *p, size_t row)
{
    int32_t label = p->label[row];
    return label <= HONE_RIGHT ? (label == HONE_LEFT) != (p->at[row] & 1) : 0.5;
}
static inline double pairs_weight(const struct pairs *p, size_t row)
{
    return p->weights ? p->weights[row] : 1;
}
/* Add weight w of a row to its cell of `cell`, which is as p->cell. */
static inline void pairs_count(const struct pairs *p, struct pairs_cell *cell, size_t row,
                               double w)
{
    double *counts = cell[p->at[row] >> 1].counts;
    int32_t label = p->label[row];
    counts[label <= HONE_RIGHT ? label ^ (p->at[row] & 1) : 2] += w;
}

/* strong[components]: whether from each option a chain of wins (or ties) leads to
 * each other of its component: only then are all strengths finite (Ford 1957).
 * scratch: [4 * options]. */
void pairs_strong(const struct pairs *p, const struct pairs_cell *cell, bool *strong,
                  int32_t *scratch);
/* Whether some chain of wins comes back to where it began. scratch: [2 * options]. */
bool pairs_cycle(const struct pairs *p, const struct pairs_cell *cell, int32_t *scratch);

/* Take the mean of each component away. */
void pairs_centre(const struct pairs *p, double *strength, double *scratch);
/* From a covariance [options, options] that need not be of centred strengths, to
 * that of strengths less the mean of their component. scratch: [options]. */
void pairs_centre_covariance(const struct pairs *p, double *covariance, double *scratch);

/* ---- columns ---- */

/* strength, rank, component, wins, losses, ties and comparisons of options, and
 * a reason for those that stand apart; answers of annotators; counts as figures. */
int pairs_publish(const struct pairs *p, const double *strength, hone_consensus *out,
                  hone_error *err);
/* rank_low and rank_high: the ranks that hold the true one with `confidence`, from
 * differences by a normal approximation, Bonferroni over an option's rivals
 * (Mogstad et al. 2024, doi:10.1093/restud/rdad006). Options whose ranks overlap
 * are not told apart. */
int pairs_publish_ranks(const struct pairs *p, const double *strength, const double *covariance,
                        double confidence, hone_consensus *out, hone_error *err);

/* For self-tests and the examples of tests: a table in which annotator "1" saw
 * option i beat option j wins[i * n + j] times. */
int pairs_example(hone_judgements **out, const int *wins, size_t n, hone_error *err);

#endif
