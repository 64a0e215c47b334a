/* calibrated.c -- another metric's score, moved to the scale on which people judge.
 *
 *   isotonic   linear between the corners (from, to), flat beyond the ends
 *   platt      low + (high - low)/(1 + exp(-constant - slope score))
 *
 * metric:calibrate(...) of a script finds the numbers: <hone/calibrate.h>. NA and
 * failures stay what they are; head "raw" is the score before. */
#include <hone/calibrate.h>
#include <hone/metric.h>

#include <float.h>
#include <math.h>

enum { METHOD_ISOTONIC, METHOD_PLATT };

struct calibrated {
    hone_instance *metric;
    int64_t method;
    hone_real_list from, to;
    double constant, slope, low, high;
};

static const char *const methods[] = { "isotonic", "platt", NULL };

static const hone_option options[] = {
    HONE_OPT_PLUGIN(struct calibrated, metric, "metric", "metric", NULL, "whose score is moved"),
    HONE_OPT_CHOICE(struct calibrated, method, "method", "isotonic", methods, "isotonic or platt"),
    HONE_OPT_REALS(struct calibrated, from, "from", "[]", -DBL_MAX, DBL_MAX,
                   "isotonic: scores, rising"),
    HONE_OPT_REALS(struct calibrated, to, "to", "[]", -DBL_MAX, DBL_MAX,
                   "isotonic: what they become"),
    HONE_OPT_REAL(struct calibrated, constant, "constant", 0, -DBL_MAX, DBL_MAX, "platt"),
    HONE_OPT_REAL(struct calibrated, slope, "slope", 1, -DBL_MAX, DBL_MAX, "platt"),
    HONE_OPT_REAL(struct calibrated, low, "low", 0, -DBL_MAX, DBL_MAX, "platt: end of the scale"),
    HONE_OPT_REAL(struct calibrated, high, "high", 1, -DBL_MAX, DBL_MAX, "platt: the other end"),
    HONE_OPT_END
};

/* Without a metric, as the listing makes one, it cannot score; all else is checked. */
static int calibrated_init(void *self, hone_context *context, hone_error *err)
{
    const struct calibrated *o = self;
    (void)context;

    if (o->from.count != o->to.count)
        return hone_fail(err, HONE_EINVAL, "from has %zu numbers and to %zu", o->from.count,
                         o->to.count);
    for (size_t i = 1; i < o->from.count; i++) {
        if (!(o->from.items[i] > o->from.items[i - 1]))
            return hone_fail(err, HONE_EINVAL, "from: number %zu, %g, is not above the one before, "
                             "%g", i + 1, o->from.items[i], o->from.items[i - 1]);
    }
    if (o->low >= o->high)
        return hone_fail(err, HONE_EINVAL, "low, %g, is not below high, %g", o->low, o->high);
    return HONE_OK;
}

static double calibrated_value(const struct calibrated *o, double x)
{
    if (o->method == METHOD_PLATT)
        return o->low + (o->high - o->low) / (1 + exp(-o->constant - o->slope * x));
    return hone_isotonic_value(o->from.items, o->to.items, o->from.count, x);
}

static int calibrated_score(void *self, hone_scores *out, const hone_samples *samples,
                            hone_error *err)
{
    const struct calibrated *o = self;
    hone_scores *raw = NULL;
    int code;

    if (!o->metric)
        return hone_fail(err, HONE_EINVAL, "metric is missing (%s)", options[0].doc);
    if (o->method == METHOD_ISOTONIC && !o->from.count)
        return hone_fail(err, HONE_EINVAL, "from is missing (%s)", options[2].doc);
    code = hone_metric_score(o->metric, samples, &raw, err);
    for (size_t i = 0; i < hone_scores_count(raw); i++) {
        switch (hone_scores_state(raw, i)) {
        case HONE_SCORE_NUMBER:
            hone_score_set(out, i, calibrated_value(o, hone_scores_value(raw, i)));
            hone_score_head(out, i, "raw", hone_scores_value(raw, i));
            break;
        case HONE_SCORE_NA: hone_score_na(out, i); break;
        default: hone_score_fail(out, i, "%s", hone_scores_message(raw, i));
        }
    }
    hone_scores_free(raw);
    return code;
}

static const hone_metric_ops ops = {
    .size = sizeof ops, .init = calibrated_init, .score = calibrated_score,
};

HONE_PLUGIN(calibrated,
    .kind = "metric", .version = "1.0", .summary = "another metric, on people's scale",
    .source = "doi:10.1214/aoms/1177728423; Platt 1999",
    .instance_size = sizeof(struct calibrated), .options = options, .ops = &ops);
