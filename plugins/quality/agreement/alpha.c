/* alpha.c -- Krippendorff's alpha, its standard error and bootstrap intervals.
 *
 * alpha = 1 - D_o/D_e. Units with fewer than two values drop out; N values
 * remain, a share p_c of them equal to c. With d_u the sum of delta^2 over the
 * ordered pairs of unit u's m_u values, and e_c = sum_k p_k delta^2(c, k),
 *
 *   D_o = 1/N sum_u d_u/(m_u - 1)        D_e = N/(N - 1) sum_c p_c e_c
 *
 * Ordinal delta^2 is the squared distance of midranks: the sum of the counts
 * from c to k less half of both ends is the distance of their middles. So
 * interval and ordinal need no pairs at all: d_u = 2 m_u * sum of squares about
 * the unit's mean, and e_c = (c - mean)^2 + variance. Ratio does compare each
 * two distinct values.
 *
 * A resample of units takes unit u times[u] times. One of annotators gives values
 * weights t_r, and a unit's mean disagreement is that of its pairs of values of
 * different copies: d_u becomes sum t_r t_s delta^2, m_u becomes T = sum t_r, and
 * d_u/(m_u - 1) becomes T d_u/(T^2 - sum t_r^2); copies of one value are never
 * compared.
 *
 * For interval, four sums a unit suffice (values, their sum and squares about the
 * grand mean, disagreement): a resample of many units costs a few operations a
 * unit, whatever the number of distinct values.
 * Krippendorff 2011, repository.upenn.edu/asc_papers/43; standard error after
 * Gwet 2014, linearised over units. */
#include "agreement.h"

#include <hone/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Comparisons of distinct values that ratio may cost, with all resamples. */
#define RATIO_MOST 1e10

/* Work of one resample at a time. */
struct state {
    double *place;         /* [distinct] where delta^2 is a squared distance */
    double *share;         /* [distinct] p_c */
    double *expected;      /* [distinct] e_c */
    double *tally;         /* [distinct] zero between uses */
    double observed, chance; /* D_o, and D_e without N/(N - 1) */
    double total;          /* N */
};

struct alpha {
    hone_level level;
    size_t units, rows, distinct, annotators;
    size_t *starts;        /* [units + 1] */
    int32_t *index;        /* [rows] into the distinct values */
    int32_t *annotator;    /* [rows] */
    double *values;        /* [distinct] ascending */
    struct state once;     /* of the table as it is */
};

static void state_free(struct state *s)
{
    hone_free(s->place);
    hone_free(s->share);
    hone_free(s->expected);
    hone_free(s->tally);
}

static bool state_make(struct state *s, size_t distinct)
{
    s->place = hone_alloc(distinct + 1, sizeof *s->place);
    s->share = hone_alloc(distinct + 1, sizeof *s->share);
    s->expected = hone_alloc(distinct + 1, sizeof *s->expected);
    s->tally = hone_alloc(distinct + 1, sizeof *s->tally);
    return s->place && s->share && s->expected && s->tally;
}

static void alpha_free(struct alpha *a)
{
    hone_free(a->starts);
    hone_free(a->index);
    hone_free(a->annotator);
    hone_free(a->values);
    state_free(&a->once);
}

static int real_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int alpha_build(struct alpha *a, const struct table *t, hone_error *err)
{
    a->level = hone_judgements_level(t->judgements);
    if (a->level == HONE_PAIR)
        a->level = HONE_NOMINAL;
    a->starts = hone_alloc(t->items + 1, sizeof *a->starts);
    a->index = hone_alloc(t->rows + 1, sizeof *a->index);
    a->annotator = hone_alloc(t->rows + 1, sizeof *a->annotator);
    a->values = hone_alloc(t->rows + 1, sizeof *a->values);
    a->annotators = t->annotators;
    if (!a->starts || !a->index || !a->annotator || !a->values)
        return hone_fail_memory(err, "alpha");
    for (size_t i = 0; i < t->items; i++) {
        size_t m = t->starts[i + 1] - t->starts[i];
        if (m < 2)
            continue;
        memcpy(a->values + a->rows, t->value + t->starts[i], m * sizeof *a->values);
        a->rows += m;
        a->starts[++a->units] = a->rows;
    }
    if (a->rows)
        qsort(a->values, a->rows, sizeof *a->values, real_compare);
    for (size_t r = 0; r < a->rows; r++)
        if (!a->distinct || a->values[r] != a->values[a->distinct - 1])
            a->values[a->distinct++] = a->values[r];
    for (size_t i = 0, to = 0; i < t->items; i++) {
        for (size_t r = t->starts[i]; t->starts[i + 1] - t->starts[i] > 1 && r < t->starts[i + 1];
             r++) {
            const double *at = bsearch(&t->value[r], a->values, a->distinct, sizeof *at,
                                       real_compare);
            a->annotator[to] = t->annotator[r];
            a->index[to++] = (int32_t)(at - a->values);
        }
    }
    return state_make(&a->once, a->distinct) ? HONE_OK : hone_fail_memory(err, "alpha");
}

static double ratio_delta(double c, double k)
{
    double d = c == k ? 0 : (c - k) / (c + k);
    return d * d;
}

static double row_times(const struct alpha *a, const uint32_t *people, size_t row)
{
    return people ? people[a->annotator[row]] : 1;
}

/* Of a unit: T, T^2 - sum t^2, d_u. */
struct unit {
    double values, pairs, disagreement;
};

static struct unit unit_look(const struct alpha *a, struct state *s, size_t unit,
                             const uint32_t *people)
{
    size_t first = a->starts[unit], last = a->starts[unit + 1];
    struct unit u = {0};
    double sum = 0, mean = 0;

    for (size_t r = first; r < last; r++) {
        double w = row_times(a, people, r);
        u.values += w;
        u.pairs -= w * w;
    }
    u.pairs += u.values * u.values;
    if (!(u.pairs > 0))
        return (struct unit){0};
    switch (a->level) {
    case HONE_NOMINAL:
        for (size_t r = first; r < last; r++) {
            double w = row_times(a, people, r);
            mean += w;
            sum += w * (mean - (s->tally[a->index[r]] += w));
        }
        for (size_t r = first; r < last; r++)
            s->tally[a->index[r]] = 0;
        u.disagreement = 2 * sum;
        break;
    case HONE_RATIO:
        for (size_t r = first; r < last; r++)
            for (size_t q = first; q < r; q++)
                sum += row_times(a, people, r) * row_times(a, people, q) *
                       ratio_delta(a->values[a->index[r]], a->values[a->index[q]]);
        u.disagreement = 2 * sum;
        break;
    default:
        for (size_t r = first; r < last; r++)
            mean += row_times(a, people, r) * s->place[a->index[r]] / u.values;
        for (size_t r = first; r < last; r++) {
            double d = s->place[a->index[r]] - mean;
            sum += row_times(a, people, r) * d * d;
        }
        u.disagreement = 2 * u.values * sum;
    }
    return u;
}

/* place and expected, from share; counts are share * total. */
static void alpha_expect(const struct alpha *a, struct state *s)
{
    double mean = 0, variance = 0, below = 0;

    for (size_t c = 0; c < a->distinct; c++) {
        double count = s->share[c] * s->total;
        s->place[c] = a->level == HONE_ORDINAL ? below + count / 2 : a->values[c];
        below += count;
        mean += s->share[c] * s->place[c];
    }
    for (size_t c = 0; c < a->distinct; c++)
        variance += s->share[c] * (s->place[c] - mean) * (s->place[c] - mean);
    for (size_t c = 0; c < a->distinct; c++) {
        double *e = &s->expected[c], from = s->place[c] - mean;
        *e = a->level == HONE_NOMINAL ? 1 - s->share[c] : from * from + variance;
        if (a->level != HONE_RATIO)
            continue;
        *e = 0;
        for (size_t k = 0; k < a->distinct; k++)
            *e += s->share[k] * ratio_delta(a->values[c], a->values[k]);
    }
}

/* Whether a resample of annotators leaves the unit two values to compare. */
static bool unit_counts(const struct alpha *a, size_t unit, const uint32_t *people)
{
    double sum = 0, squares = 0;

    for (size_t r = a->starts[unit]; people && r < a->starts[unit + 1]; r++) {
        double w = people[a->annotator[r]];
        sum += w;
        squares += w * w;
    }
    return !people || sum * sum > squares;
}

/* Compute alpha with units and annotators taken so often (NULL: once). NaN when
 * all values are equal. */
static double alpha_value(const struct alpha *a, struct state *s, const uint32_t *units,
                          const uint32_t *people)
{
    size_t used = 0;

    memset(s->share, 0, a->distinct * sizeof *s->share);
    s->total = s->observed = s->chance = 0;
    for (size_t u = 0; u < a->units; u++) {
        double weight = units ? units[u] : 1;
        if (!(weight > 0) || !unit_counts(a, u, people))
            continue;
        for (size_t r = a->starts[u]; r < a->starts[u + 1]; r++) {
            double w = weight * row_times(a, people, r);
            s->share[a->index[r]] += w;
            s->total += w;
        }
    }
    for (size_t c = 0; c < a->distinct; c++) {
        used += s->share[c] > 0;
        s->share[c] /= s->total;
    }
    if (used < 2)
        return NAN;
    alpha_expect(a, s);
    for (size_t c = 0; c < a->distinct; c++)
        s->chance += s->share[c] * s->expected[c];
    for (size_t u = 0; u < a->units; u++) {
        struct unit look;
        if (units && !units[u])
            continue;
        look = unit_look(a, s, u, people);
        if (look.pairs > 0)
            s->observed += (units ? units[u] : 1) * look.values * look.disagreement /
                           look.pairs / s->total;
    }
    return s->chance > 0 ? 1 - (s->total - 1) / s->total * s->observed / s->chance : NAN;
}

/* After alpha_value of the table as it is. */
static double alpha_error(struct alpha *a)
{
    struct state *s = &a->once;
    double n = (double)a->units, mean = s->total / n, squares = 0;
    double plain = 1 - s->observed / s->chance; /* without the small-sample factor */

    if (a->units < 2)
        return NAN;
    for (size_t u = 0; u < a->units; u++) {
        double m = (double)(a->starts[u + 1] - a->starts[u]), chance = 0, x;
        for (size_t r = a->starts[u]; r < a->starts[u + 1]; r++)
            chance += s->expected[a->index[r]];
        x = 1 - (unit_look(a, s, u, NULL).disagreement / (mean * (m - 1)) -
                 s->observed * (m / mean - 1)) / s->chance;
        x += 2 * (1 - plain) * (chance - s->chance * m) / (mean * s->chance);
        squares += (x - plain) * (x - plain);
    }
    return sqrt(squares / (n * (n - 1)));
}

/* ---- bootstrap ---- */

struct resampling {
    const struct alpha *alpha;
    bool people;
    struct state *states; /* [pieces] */
};

static double resampling_value(void *arg, size_t piece, const uint32_t *times)
{
    const struct resampling *r = arg;
    return alpha_value(r->alpha, &r->states[piece], r->people ? NULL : times,
                       r->people ? times : NULL);
}

static int alpha_resample(const struct agreement *o, const struct alpha *a, struct interval *out,
                          hone_error *err)
{
    struct resampling r = { .alpha = a, .people = o->cluster == CLUSTER_ANNOTATOR };
    struct bootstrap b = { .options = o, .value = resampling_value, .arg = &r };
    int code = HONE_OK;

    b.pieces = (size_t)hone_context_threads(o->context);
    b.clusters = r.people ? a->annotators : a->units;
    r.states = hone_alloc(b.pieces, sizeof *r.states);
    if (!r.states)
        return hone_fail_memory(err, "a bootstrap");
    for (size_t i = 0; i < b.pieces && !code; i++)
        if (!state_make(&r.states[i], a->distinct))
            code = hone_fail_memory(err, "a bootstrap");
    if (!code)
        code = agreement_bootstrap(&b, out, err);
    for (size_t i = 0; i < b.pieces; i++)
        state_free(&r.states[i]);
    hone_free(r.states);
    return code;
}

/* ---- interval, many units: sums a unit, Poisson counts ---- */

enum { BLOCK = 1024, TOGETHER = 16, MANY = 1000 };

struct sums {
    double values, sum, squares, disagreement; /* disagreement: d_u/(m_u - 1) */
};

struct fast {
    const struct agreement *options;
    const struct alpha *alpha;
    struct sums *units; /* [units] */
    double *values;     /* [resamples] */
};

/* Resamples [TOGETHER * group, ...): a block of units stays in the cache for all. */
static void fast_group(void *arg, int64_t group)
{
    const struct fast *f = arg;
    int64_t first = group * TOGETHER, n = f->options->bootstrap - first;
    struct sums totals[TOGETHER] = {{0}};
    hone_random random = hone_random_named((uint64_t)f->options->seed, "quality/agreement");
    size_t units = f->alpha->units;
    uint8_t table[256];

    agreement_poisson_table(table);
    n = n < TOGETHER ? n : TOGETHER;
    for (size_t from = 0; from < units; from += BLOCK) {
        for (int64_t i = 0; i < n; i++) {
            struct sums t = totals[i];
            for (size_t u = from; u < units && u < from + BLOCK; u += 8) {
                double times[8];
                size_t left = units - u < 8 ? units - u : 8;
                agreement_poisson(table, random.seed, random.stream + (uint64_t)(first + i),
                                  u / 8, times);
                for (size_t k = 0; k < left; k++) {
                    t.values += times[k] * f->units[u + k].values;
                    t.sum += times[k] * f->units[u + k].sum;
                    t.squares += times[k] * f->units[u + k].squares;
                    t.disagreement += times[k] * f->units[u + k].disagreement;
                }
            }
            totals[i] = t;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        struct sums t = totals[i];
        double expected = 2 * (t.squares - t.sum * t.sum / t.values) / (t.values - 1);
        f->values[first + i] = expected > 0 ? 1 - t.disagreement / t.values / expected : NAN;
    }
}

static int alpha_fast(const struct agreement *o, struct alpha *a, struct interval *out,
                      hone_error *err)
{
    struct fast f = { .options = o, .alpha = a };
    double mean = 0;
    int code = HONE_OK;

    f.units = hone_alloc(a->units, sizeof *f.units);
    f.values = hone_alloc((size_t)o->bootstrap, sizeof *f.values);
    if (!f.units || !f.values) {
        code = hone_fail_memory(err, "a bootstrap");
        goto out;
    }
    for (size_t c = 0; c < a->distinct; c++)
        mean += a->once.share[c] * a->values[c];
    for (size_t u = 0; u < a->units; u++) {
        struct unit look = unit_look(a, &a->once, u, NULL);
        f.units[u].values = look.values;
        f.units[u].disagreement = look.disagreement / (look.values - 1);
        for (size_t r = a->starts[u]; r < a->starts[u + 1]; r++) {
            double d = a->values[a->index[r]] - mean;
            f.units[u].sum += d;
            f.units[u].squares += d * d;
        }
    }
    hone_parallel(o->context, (o->bootstrap + TOGETHER - 1) / TOGETHER, fast_group, &f);
    agreement_percentiles(f.values, (size_t)o->bootstrap, o->confidence, out);
out:
    hone_free(f.units);
    hone_free(f.values);
    return code;
}

int agreement_alpha(const struct agreement *o, const struct table *t, struct estimate *out,
                    struct interval *interval, hone_error *err)
{
    struct alpha a = {0};
    int code = alpha_build(&a, t, err);

    *out = (struct estimate){ .value = NAN, .se = NAN, .n = a.units };
    if (code)
        goto out;
    if (!a.units) {
        out->undefined = "unpaired";
        out->why = "no item has values of two annotators";
    } else if (a.distinct < 2) {
        out->undefined = "unanimous";
        out->why = "all values are equal, so chance agrees, too";
    } else if (a.level == HONE_RATIO && (double)a.distinct * (double)a.distinct *
                                            (double)(o->bootstrap + 1) > RATIO_MOST) {
        out->undefined = "size";
        out->why = "too many distinct values to compare each two: round them, or take interval";
    }
    if (out->undefined)
        goto out;
    out->value = alpha_value(&a, &a.once, NULL, NULL);
    out->observed = a.once.observed;
    out->expected = a.once.chance * a.once.total / (a.once.total - 1);
    out->se = alpha_error(&a);
    if (o->bootstrap > 0)
        code = a.level == HONE_INTERVAL && o->cluster == CLUSTER_ITEM && a.units >= MANY
                   ? alpha_fast(o, &a, interval, err) : alpha_resample(o, &a, interval, err);
out:
    alpha_free(&a);
    return code;
}
