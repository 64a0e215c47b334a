/* bradley_terry.h -- what the parts of quality/bradley_terry share. */
#ifndef BRADLEY_TERRY_H
#define BRADLEY_TERRY_H

#include "../pairs.h"

enum { TIES_DAVIDSON, TIES_RAO_KUPPER, TIES_HALF, TIES_DROP };
enum { CLUSTER_ANNOTATOR, CLUSTER_ITEM, CLUSTER_COMPARISON };
/* Most options whose covariance, [options, options], is held. */
enum { COVARIANCE_MOST = 1024 };

struct bradley_terry {
    hone_context *context;
    int64_t ties, bad, iterations, bootstrap, cluster, seed;
    double prior, pool, confidence, tolerance, side_sd;
    hone_real_list skill_prior;
    bool annotators, strength, items;
};

/* ---- fit.c: strengths from cells ---- */

/* What a fit needs and makes. tie is log nu (Davidson) or log theta (Rao and
 * Kupper), at strength[options]; 0 where the model has none. */
struct fit {
    const struct pairs *pairs;
    const struct pairs_cell *cell;  /* pairs->cell, or a resample of it */
    int64_t ties;
    bool has_tie;                   /* the tie parameter is fitted */
    double *strength;               /* [options + 1] */
    double *prior;                  /* [options] pseudo-wins and as many losses */
    double *weight, *cross;         /* [cells] -d2/dd2, -d2/(dd dtie) of each cell */
    double *gradient, *diagonal;    /* [options + 1] */
    double *step, *residual, *direction, *image, *trial; /* [options + 1] */
    int32_t *scratch;               /* [4 * options] */
    bool *strong;                   /* [components] */
    double log_likelihood;          /* without the prior */
    int64_t iterations;
    bool converged, unbounded;      /* unbounded: the prior was needed */
};

int fit_open(struct fit *f, const struct pairs *pairs, int64_t ties, hone_error *err);
void fit_close(struct fit *f);
/* Where `prior` is NaN: none for components whose strengths are finite without,
 * half a win and half a loss for the others. Then Newton's steps from
 * f->strength; strengths are centred in the end. */
int fit_run(struct fit *f, double prior, int64_t iterations, double tolerance, hone_error *err);
/* The log-likelihood (with prior), its gradient and curvature at f->strength. */
double fit_derive(struct fit *f);
/* P(a wins), P(b wins), P(tie) for d = strength of a - that of b. */
void fit_chances(int64_t ties, bool has_tie, double d, double tie, double chance[3]);
/* Covariance of centred strengths [options, options]; *made: false where the
 * information is singular. */
int fit_covariance(struct fit *f, double **out, bool *made, hone_error *err);

/* ---- crowd.c: annotators with a skill and a side ---- */

/* Left won (1) or lost (-1); side: 1 where the winner was shown first (or nothing
 * is known and it is left). A tie is two of half the weight. */
struct answer {
    int32_t left, right, row;
    int8_t won, side;
    double weight;
};

struct crowd {
    const struct pairs *pairs;
    hone_context *context;
    const double *times;            /* [clusters] how often a cluster counts; NULL: once */
    const int32_t *cluster;         /* [rows], of `times` */
    bool times_annotators;          /* clusters are annotators: their priors count as often */
    size_t annotators;
    size_t *starts;                 /* [annotators + 1] places in answers */
    struct answer *answers;         /* by annotator */
    double prior, skill_hits, skill_misses, side_sd;
    size_t count;                   /* of parameters: strengths, logit skills, sides */
    double *x;                      /* [count] */
    double *pieces;                 /* [CROWD_PIECES, options + 1] */
    double objective;
    int64_t iterations;
    bool converged;
};

enum { CROWD_PIECES = 16 };

int crowd_open(struct crowd *c, const struct bradley_terry *o, const struct pairs *pairs,
               hone_error *err);
void crowd_close(struct crowd *c);
/* Log posterior at x, and its gradient. */
double crowd_objective(struct crowd *c, const double *x, double *gradient);
/* Climb from c->x. trace, where not NULL, gets the objective after each step. */
int crowd_run(struct crowd *c, int64_t iterations, double tolerance, hone_json *trace,
              hone_error *err);
/* Set skill_hits and skill_misses to those with the largest evidence (at most
 * COVARIANCE_MOST options). */
int crowd_choose_prior(struct crowd *c, int64_t iterations, double tolerance, hone_error *err);
/* Standard errors at c->x: of centred strengths as a covariance, and of logit
 * skills and sides [2 * annotators]. *made as of fit_covariance. */
int crowd_covariance(struct crowd *c, double **out, double *errors, bool *made, hone_error *err);

/* ---- bootstrap.c ---- */

/* Of strengths, from resamples of clusters: percentiles and a covariance (NULL
 * for over COVARIANCE_MOST options). */
struct resamples {
    double *low, *high, *se;        /* [options] */
    double *covariance;
    size_t count, unbounded, clusters;
};

/* crowd NULL: of the plain model; f or crowd holds the estimate to start from. */
int bootstrap_run(struct resamples *b, const struct bradley_terry *o, const struct pairs *pairs,
                  const struct fit *f, const struct crowd *crowd, hone_error *err);
void bootstrap_free(struct resamples *b);

/* ---- items.c ---- */

/* posterior, label, confidence and weight of items; skill of annotators where
 * there is none yet. chance of a row's outcomes comes from strengths; vote
 * [annotators] (NULL: 1) is what a vote counts. */
int items_publish(const struct bradley_terry *o, const struct pairs *p, const struct fit *f,
                  const double *vote, hone_consensus *out, hone_error *err);

#endif
