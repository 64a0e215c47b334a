/* reward.c -- one number a sample out of several scores (see <hone/reward.h>). */
#include <hone/reward.h>

#include <math.h>

/* ---- moments ---- */

void hone_moments_add(hone_moments *m, double value)
{
    double delta = value - m->mean;

    if (isnan(value))
        return;
    m->count++;
    m->mean += delta / m->count;
    m->squares += delta * (value - m->mean);
}

double hone_moments_sd(const hone_moments *m)
{
    double sd = m->count > 1 ? sqrt(m->squares / (m->count - 1)) : 0;
    return sd > 1e-12 * fabs(m->mean) ? sd : 0;
}

double hone_moments_normalise(const hone_moments *m, double value)
{
    double sd = hone_moments_sd(m);

    if (m->count < 1)
        return value;
    return sd > 0 ? (value - m->mean) / sd : 0;
}

/* ---- parts ---- */

static double reward_clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double part_raw(const hone_reward_part *p, size_t i)
{
    return reward_clip(hone_scores_value(p->scores, i), p->low, p->high);
}

/* NaN where the part does not apply. */
static double part_value(const hone_reward_part *p, size_t i)
{
    double x = part_raw(p, i), sd, variance;

    if (p->shrink && p->moments->count > 1) {
        variance = hone_scores_head(p->scores, i, p->shrink);
        sd = hone_moments_sd(p->moments);
        if (variance > 0)
            x = p->moments->mean + (x - p->moments->mean) * (sd * sd / (sd * sd + variance));
    }
    return p->normalise ? hone_moments_normalise(p->moments, x) : x;
}

static int reward_check(const hone_reward *r, const hone_samples *samples, hone_error *err)
{
    for (size_t k = 0; k < r->count; k++) {
        const hone_reward_part *p = &r->parts[k];
        if (hone_scores_count(p->scores) != hone_samples_count(samples))
            return hone_fail(err, HONE_EINVAL, "reward: %s has %zu scores for %zu samples",
                             p->name, hone_scores_count(p->scores), hone_samples_count(samples));
        if ((p->shrink || p->normalise) && !p->moments)
            return hone_fail(err, HONE_EINVAL, "reward: %s: no moments to normalise by", p->name);
    }
    if (r->normalise && !r->moments)
        return hone_fail(err, HONE_EINVAL, "reward: no moments to normalise by");
    return HONE_OK;
}

/* ---- one sample ---- */

/* Whether some part failed, which is passed on, or none applies. */
static bool sample_decided(hone_scores *out, const hone_reward *r, size_t i)
{
    size_t missing = 0;

    for (size_t k = 0; k < r->count; k++) {
        const hone_reward_part *p = &r->parts[k];
        hone_score_state state = hone_scores_state(p->scores, i);

        if (state == HONE_SCORE_FAILED) {
            const char *message = hone_scores_message(p->scores, i);
            hone_score_fail(out, i, "%s: %s", p->name, message ? message : "failed");
            return true;
        }
        missing += state != HONE_SCORE_NUMBER;
    }
    if (missing && (r->na == HONE_REWARD_SKIP || missing == r->count)) {
        hone_score_na(out, i);
        return true;
    }
    return false;
}

static double sample_sum(const hone_reward *r, size_t i)
{
    double sum = 0, all = 0, there = 0;

    for (size_t k = 0; k < r->count; k++) {
        const hone_reward_part *p = &r->parts[k];
        double x = part_value(p, i);

        all += fabs(p->weight);
        if (isnan(x))
            continue;
        there += fabs(p->weight);
        sum += p->weight * x;
    }
    return r->na == HONE_REWARD_RESCALE && there > 0 ? sum * (all / there) : sum;
}

/* The first gate that is shut decides. */
static const hone_reward_part *sample_gate(const hone_reward *r, size_t i)
{
    for (size_t k = 0; k < r->count; k++) {
        const hone_reward_part *p = &r->parts[k];
        if (p->gate && hone_scores_value(p->scores, i) < p->floor)
            return p;
    }
    return NULL;
}

static void sample_tokens(hone_scores *out, const hone_reward *r, const hone_samples *samples,
                          size_t i)
{
    int64_t length = hone_sample_response_tokens(samples, i);

    for (int64_t t = 0; t < length; t++) {
        double sum = 0;
        bool any = false;

        for (size_t k = 0; k < r->count; k++) {
            const double *tokens = hone_scores_tokens(r->parts[k].scores, i);
            if (!tokens || isnan(tokens[t]))
                continue;
            sum += r->parts[k].weight * tokens[t];
            any = true;
        }
        if (any)
            hone_score_token(out, i, t, sum);
    }
}

static bool reward_has_tokens(const hone_reward *r, size_t i)
{
    for (size_t k = 0; k < r->count; k++)
        if (hone_scores_tokens(r->parts[k].scores, i))
            return true;
    return false;
}

/* ---- all ---- */

static void reward_count_parts(const hone_reward *r, size_t n)
{
    for (size_t k = 0; k < r->count; k++) {
        const hone_reward_part *p = &r->parts[k];
        for (size_t i = 0; i < n && (p->shrink || p->normalise); i++)
            hone_moments_add(p->moments, part_raw(p, i));
    }
}

/* Sums of the samples that have one, NaN for the others, whose state is set. */
static void reward_sum(double *totals, hone_scores *out, const hone_reward *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        totals[i] = sample_decided(out, r, i) ? (double)NAN : sample_sum(r, i);
        if (r->normalise && r->update)
            hone_moments_add(r->moments, totals[i]);
    }
}

int hone_reward_combine(hone_scores **out, hone_reward_counts *counts, const hone_reward *r,
                        const hone_samples *samples, hone_error *err)
{
    size_t n = hone_samples_count(samples);
    hone_scores *scores = NULL;
    double *totals = NULL;
    int code = reward_check(r, samples, err);

    *out = NULL;
    *counts = (hone_reward_counts){ 0 };
    if (code || (code = hone_scores_new(&scores, samples, err)))
        goto out;
    totals = hone_alloc(n ? n : 1, sizeof *totals);
    if (!totals) {
        code = hone_fail_memory(err, "rewards");
        goto out;
    }
    if (r->update)
        reward_count_parts(r, n);
    reward_sum(totals, scores, r, n);
    for (size_t i = 0; i < n; i++) {
        const hone_reward_part *shut = sample_gate(r, i);
        double x = totals[i], kept;

        if (isnan(x))
            continue;
        x = r->normalise ? hone_moments_normalise(r->moments, x) : x;
        kept = reward_clip(x, r->low, r->high);
        counts->shut += shut != NULL;
        counts->clipped += !shut && kept != x;
        hone_score_set(scores, i, shut ? shut->shut : kept);
        if (reward_has_tokens(r, i))
            sample_tokens(scores, r, samples, i);
    }
    code = hone_scores_finish(scores, "reward", err);
    if (code)
        goto out;
    *out = scores;
    scores = NULL;
out:
    hone_free(totals);
    hone_scores_free(scores);
    return code;
}
