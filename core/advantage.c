/* advantage.c -- from rewards to advantages: see <hone/advantage.h>. */
#include <hone/advantage.h>

#include <math.h>

/* ---- checks ---- */

static int advantage_check_finite(const hone_tensor *t, const char *op, const char *what,
                                  bool nan_too, hone_error *err)
{
    for (int64_t i = 0; i < hone_tensor_count(t); i++) {
        double x = hone_tensor_get(t, i);
        if (!isfinite(x) && !(nan_too && isnan(x)))
            return hone_fail(err, HONE_ENUMERIC, "%s: %s %" PRId64 " is %g (allowed: numbers%s)",
                             op, what, i + 1, x, nan_too ? ", and NaN where there is none" : "");
    }
    return HONE_OK;
}

static int advantage_check_count(const hone_tensor *t, int64_t count, const char *op,
                                 const char *what, hone_error *err)
{
    if (hone_tensor_count(t) == count)
        return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "%s: %" PRId64 " %s (allowed: %" PRId64 ")", op,
                     hone_tensor_count(t), what, count);
}

static int advantage_check_share(double x, const char *op, const char *what, hone_error *err)
{
    if (x >= 0 && x <= 1)
        return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "%s: %s is %g (allowed: 0 to 1)", op, what, x);
}

int hone_lengths_check(const hone_tensor *lengths, int64_t tokens, const char *what,
                       hone_error *err)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < hone_tensor_count(lengths); i++) {
        double length = hone_tensor_get(lengths, i);
        if (!(length >= 0 && length <= INT32_MAX) || length != floor(length))
            return hone_fail(err, HONE_EINVAL, "%s: length %" PRId64 " is %g (allowed: whole "
                             "numbers from 0)", what, i + 1, length);
        sum += (int64_t)length; /* fewer than 2^31 lengths of fewer than 2^31: below 2^62 */
    }
    if (sum == tokens)
        return HONE_OK;
    return hone_fail(err, HONE_EINVAL, "%s: the lengths add up to %" PRId64 " (allowed: %" PRId64
                     ", the tokens)", what, sum, tokens);
}

static int advantage_out(hone_tensor **out, const hone_tensor *like, int64_t count,
                         hone_error *err)
{
    hone_dtype dtype = hone_tensor_dtype(like) == HONE_F64 ? HONE_F64 : HONE_F32;

    *out = NULL;
    return hone_tensor_new(out, dtype, 1, &count, err);
}

/* ---- groups ---- */

/* The rewards that a group has. */
struct group {
    int64_t count;
    double sum, mean, squares;  /* squares: sum of (r - mean)^2 */
    bool differ;
};

static struct group group_of(const hone_tensor *reward, int64_t from, int64_t size)
{
    struct group g = { 0 };
    double low = INFINITY, high = -INFINITY;

    for (int64_t i = from; i < from + size; i++) {
        double r = hone_tensor_get(reward, i);
        if (isnan(r))
            continue;
        g.count++;
        g.sum += r;
        low = fmin(low, r);
        high = fmax(high, r);
    }
    g.differ = high > low;
    g.mean = g.count ? g.sum / (double)g.count : 0;
    for (int64_t i = from; i < from + size; i++) {
        double r = hone_tensor_get(reward, i) - g.mean;
        g.squares += isnan(r) ? 0 : r * r;
    }
    return g;
}

static int group_check(const hone_tensor *reward, int64_t group, int64_t least, const char *op,
                       hone_error *err)
{
    int64_t n = hone_tensor_count(reward);

    if (group < least)
        return hone_fail(err, HONE_EINVAL, "%s: a group of %" PRId64 " (allowed: at least %" PRId64
                         ")", op, group, least);
    if (n % group)
        return hone_fail(err, HONE_EINVAL, "%s: %" PRId64 " rewards are no whole groups of %"
                         PRId64, op, n, group);
    return advantage_check_finite(reward, op, "reward", true, err);
}

/* 0 for fewer than two. */
static double group_sd(double squares, int64_t count, hone_variance variance)
{
    int64_t n = variance == HONE_BIASED ? count : count - 1;

    return count > 1 ? sqrt(squares / (double)n) : 0;
}

int hone_group_normalise(hone_tensor **out, const hone_tensor *reward, int64_t group, double eps,
                         bool scale, hone_variance variance, hone_error *err)
{
    int code;

    *out = NULL;
    if (!(eps >= 0 && isfinite(eps)))
        return hone_fail(err, HONE_EINVAL, "group_normalise: eps is %g (allowed: 0 or more)", eps);
    if ((code = group_check(reward, group, 2, "group_normalise", err)) ||
        (code = advantage_out(out, reward, hone_tensor_count(reward), err)))
        return code;
    for (int64_t from = 0; from < hone_tensor_count(reward); from += group) {
        struct group g = group_of(reward, from, group);
        double sd = scale ? group_sd(g.squares, g.count, variance) + eps : 1;

        for (int64_t i = from; g.differ && i < from + group; i++) {
            double r = hone_tensor_get(reward, i);
            hone_tensor_set(*out, i, isnan(r) ? 0 : (r - g.mean) / sd);
        }
    }
    return HONE_OK;
}

int hone_group_differs(hone_tensor **out, const hone_tensor *reward, int64_t group,
                       hone_error *err)
{
    int code;

    *out = NULL;
    if ((code = group_check(reward, group, 1, "group_differs", err)) ||
        (code = advantage_out(out, reward, hone_tensor_count(reward), err)))
        return code;
    for (int64_t from = 0; from < hone_tensor_count(reward); from += group) {
        bool differ = group_of(reward, from, group).differ;

        for (int64_t i = from; i < from + group; i++)
            hone_tensor_set(*out, i, differ && !isnan(hone_tensor_get(reward, i)));
    }
    return HONE_OK;
}

int hone_leave_one_out(hone_tensor **out, const hone_tensor *reward, int64_t group,
                       hone_error *err)
{
    int code;

    *out = NULL;
    if ((code = group_check(reward, group, 2, "leave_one_out", err)) ||
        (code = advantage_out(out, reward, hone_tensor_count(reward), err)))
        return code;
    for (int64_t from = 0; from < hone_tensor_count(reward); from += group) {
        struct group g = group_of(reward, from, group);

        for (int64_t i = from; g.differ && i < from + group; i++) {
            double r = hone_tensor_get(reward, i);
            hone_tensor_set(*out, i, isnan(r) ? 0 : r - (g.sum - r) / (double)(g.count - 1));
        }
    }
    return HONE_OK;
}

/* ---- along the tokens ---- */

static int64_t advantage_length(const hone_tensor *lengths, int64_t sample)
{
    return (int64_t)hone_tensor_get(lengths, sample);
}

static int gae_check(const hone_tensor *rewards, const hone_tensor *values,
                     const hone_tensor *lengths, double gamma, double lambda,
                     const hone_tensor *last, hone_error *err)
{
    int code;

    if ((code = advantage_check_share(gamma, "gae", "gamma", err)) ||
        (code = advantage_check_share(lambda, "gae", "lambda", err)) ||
        (code = hone_lengths_check(lengths, hone_tensor_count(rewards), "gae", err)) ||
        (code = advantage_check_count(values, hone_tensor_count(rewards), "gae", "values", err)) ||
        (code = advantage_check_finite(rewards, "gae", "reward", false, err)) ||
        (code = advantage_check_finite(values, "gae", "value", false, err)) || !last ||
        (code = advantage_check_count(last, hone_tensor_count(lengths), "gae", "last values", err)))
        return code;
    return advantage_check_finite(last, "gae", "last value", false, err);
}

int hone_gae(hone_tensor **advantages, hone_tensor **returns, const hone_tensor *rewards,
             const hone_tensor *values, const hone_tensor *lengths, double gamma, double lambda,
             const hone_tensor *last, hone_error *err)
{
    int64_t n = hone_tensor_count(rewards), end = 0;
    int code;

    *advantages = *returns = NULL;
    if ((code = gae_check(rewards, values, lengths, gamma, lambda, last, err)) ||
        (code = advantage_out(advantages, rewards, n, err)))
        return code;
    if ((code = advantage_out(returns, rewards, n, err))) {
        hone_tensor_free(*advantages);
        *advantages = NULL;
        return code;
    }
    for (int64_t s = 0; s < hone_tensor_count(lengths); s++) {
        int64_t from = end;
        double next = last ? hone_tensor_get(last, s) : 0, a = 0;

        end += advantage_length(lengths, s);
        for (int64_t t = end - 1; t >= from; t--) {
            double v = hone_tensor_get(values, t);
            a = hone_tensor_get(rewards, t) + gamma * next - v + gamma * lambda * a;
            hone_tensor_set(*advantages, t, a);
            hone_tensor_set(*returns, t, a + v);
            next = v;
        }
    }
    return HONE_OK;
}

int hone_discounted(hone_tensor **out, const hone_tensor *rewards, const hone_tensor *lengths,
                    double gamma, hone_error *err)
{
    int64_t n = hone_tensor_count(rewards), end = 0;
    int code;

    *out = NULL;
    if ((code = advantage_check_share(gamma, "discounted", "gamma", err)) ||
        (code = hone_lengths_check(lengths, n, "discounted", err)) ||
        (code = advantage_check_finite(rewards, "discounted", "reward", false, err)) ||
        (code = advantage_out(out, rewards, n, err)))
        return code;
    for (int64_t s = 0; s < hone_tensor_count(lengths); s++) {
        int64_t from = end;
        double sum = 0;

        end += advantage_length(lengths, s);
        for (int64_t t = end - 1; t >= from; t--) {
            sum = hone_tensor_get(rewards, t) + gamma * sum;
            hone_tensor_set(*out, t, sum);
        }
    }
    return HONE_OK;
}

/* ---- whitening ---- */

static bool whiten_counts(const hone_tensor *x, const hone_tensor *mask, int64_t i)
{
    return (!mask || hone_tensor_get(mask, i) != 0) && !isnan(hone_tensor_get(x, i));
}

int hone_whiten(hone_tensor **out, const hone_tensor *x, const hone_tensor *mask, bool keep_mean,
                hone_variance variance, hone_error *err)
{
    int64_t n = hone_tensor_count(x), count = 0;
    double mean = 0, squares = 0, sd;
    int code;

    *out = NULL;
    if ((mask && (code = advantage_check_count(mask, n, "whiten", "elements of the mask", err))) ||
        (code = advantage_check_finite(x, "whiten", "value", true, err)) ||
        (code = advantage_out(out, x, n, err)))
        return code;
    for (int64_t i = 0; i < n; i++)
        if (whiten_counts(x, mask, i)) {
            mean += hone_tensor_get(x, i);
            count++;
        }
    mean = count ? mean / (double)count : 0;
    for (int64_t i = 0; i < n; i++)
        if (whiten_counts(x, mask, i))
            squares += (hone_tensor_get(x, i) - mean) * (hone_tensor_get(x, i) - mean);
    sd = group_sd(squares, count, variance);
    for (int64_t i = 0; i < n; i++)
        if (whiten_counts(x, mask, i))
            hone_tensor_set(*out, i, (hone_tensor_get(x, i) - mean) / sqrt(sd * sd + 1e-8) +
                                         (keep_mean ? mean : 0));
    return HONE_OK;
}

/* ---- samples and tokens ---- */

static int score_place(hone_tensor **out, const hone_tensor *score, const hone_tensor *lengths,
                       int64_t tokens, const char *op, hone_error *err)
{
    int64_t end = 0;
    int code;

    *out = NULL;
    if ((code = hone_lengths_check(lengths, tokens, op, err)) ||
        (code = advantage_check_count(score, hone_tensor_count(lengths), op, "scores", err)) ||
        (code = advantage_check_finite(score, op, "score", true, err)) ||
        (code = advantage_out(out, score, tokens, err)))
        return code;
    for (int64_t s = 0; s < hone_tensor_count(lengths); s++) {
        double x = hone_tensor_get(score, s);

        end += advantage_length(lengths, s);
        if (advantage_length(lengths, s) > 0)
            hone_tensor_set(*out, end - 1, isnan(x) ? 0 : x);
    }
    return HONE_OK;
}

int hone_score_at_end(hone_tensor **out, const hone_tensor *score, const hone_tensor *lengths,
                      hone_error *err)
{
    double tokens = 0;

    for (int64_t s = 0; s < hone_tensor_count(lengths); s++)
        tokens += hone_tensor_get(lengths, s);
    /* What is no count is refused with the lengths. */
    if (!(tokens >= 0 && tokens <= INT32_MAX))
        tokens = 0;
    return score_place(out, score, lengths, (int64_t)tokens, "score_at_end", err);
}

int hone_token_rewards(hone_tensor **out, const hone_tensor *score, const hone_tensor *kl,
                       const hone_tensor *lengths, double beta, hone_error *err)
{
    int64_t tokens = hone_tensor_count(kl);
    int code;

    *out = NULL;
    if (!isfinite(beta))
        return hone_fail(err, HONE_EINVAL, "token_rewards: beta is %g (allowed: numbers)", beta);
    if ((code = advantage_check_finite(kl, "token_rewards", "kl", false, err)) ||
        (code = score_place(out, score, lengths, tokens, "token_rewards", err)))
        return code;
    for (int64_t t = 0; t < tokens; t++)
        hone_tensor_set(*out, t, hone_tensor_get(*out, t) - beta * hone_tensor_get(kl, t));
    return HONE_OK;
}

int hone_segment_max(hone_tensor **out, const hone_tensor *x, const hone_tensor *lengths,
                     hone_error *err)
{
    int64_t t = 0;
    int code;

    *out = NULL;
    if ((code = hone_lengths_check(lengths, hone_tensor_count(x), "segment_max", err)) ||
        (code = advantage_out(out, x, hone_tensor_count(lengths), err)))
        return code;
    for (int64_t s = 0; s < hone_tensor_count(lengths); s++) {
        int64_t end = t + advantage_length(lengths, s);
        double most = t < end ? -INFINITY : NAN;

        for (; t < end && !isnan(most); t++)
            if (!(hone_tensor_get(x, t) <= most))
                most = hone_tensor_get(x, t);
        t = end;
        hone_tensor_set(*out, s, most);
    }
    return HONE_OK;
}
