/* test_sampler.c -- tokens chosen from logits: what is cut, how often, with
 * which log-probability. Expectations are computed here, from definitions. */
#include "support.h"

#include "../core/sampler.h"

#include <math.h>
#include <string.h>

static hone_sampler *sampler_of(double temperature, int64_t top_k, double top_p, double min_p,
                                int64_t vocab)
{
    hone_sampler_options options = { temperature, top_k, top_p, min_p, 1 };
    hone_sampler *sampler;
    hone_error err;

    ck_ok(hone_sampler_new(&sampler, &options, vocab, hone_kernels_find(NULL, NULL), &err));
    return sampler;
}

static int pick(hone_sampler *sampler, const float *logits, hone_random *random, int32_t *token,
                double *logp, hone_error *err)
{
    hone_sampler_load(sampler, logits);
    return hone_sampler_draw(sampler, random, token, logp, err);
}

/* Draw n times; counts and log-probabilities [vocab]. */
static void draw(hone_sampler *sampler, const float *logits, int n, int *counts, double *logps,
                 int vocab)
{
    hone_random random = hone_random_named(7, "draw");
    hone_error err;

    memset(counts, 0, (size_t)vocab * sizeof *counts);
    for (int i = 0; i < n; i++) {
        int32_t token;
        double logp;
        ck_ok(pick(sampler, logits, &random, &token, &logp, &err));
        ck_assert_int_ge(token, 0);
        ck_assert_int_lt(token, vocab);
        if (counts[token]++)
            ck_assert(logps[token] == logp);
        logps[token] = logp;
    }
    hone_sampler_free(sampler);
}

/* Counts agree with probabilities p (0: never), to four standard deviations,
 * and log-probabilities to 1e-6. */
static void ck_drawn(hone_sampler *sampler, const float *logits, const double *p, int vocab)
{
    enum { N = 20000 };
    int counts[16];
    double logps[16];

    draw(sampler, logits, N, counts, logps, vocab);
    for (int i = 0; i < vocab; i++) {
        ck_assert_double_le(fabs(counts[i] - N * p[i]), 4 * sqrt(N * p[i] * (1 - p[i])));
        if (counts[i])
            ck_assert_double_eq_tol(logps[i], log(p[i]), 1e-6);
    }
}

/* Logits whose probabilities are 0.4, 0.3, 0.2, 0.1, in the order 2 0 3 1. */
static const float four[4] = { -1.2039728043259361f, -2.3025850929940455f, -0.916290731874155f,
                               -1.6094379124341003f };

/* Probabilities of the kept ones of `four`, of equal sum. */
static void ck_kept(hone_sampler *sampler, unsigned kept)
{
    double p[4], sum = 0;

    for (int i = 0; i < 4; i++)
        sum += p[i] = kept >> i & 1 ? exp(four[i]) : 0;
    for (int i = 0; i < 4; i++)
        p[i] /= sum;
    ck_drawn(sampler, four, p, 4);
}

START_TEST(greedy_takes_the_largest_and_the_lower_id_of_equal_ones)
{
    const float logits[] = { 1, 3, 2, 3, -INFINITY };
    hone_sampler *sampler = sampler_of(0, 0, 1, 0, 5);
    hone_random random = hone_random_named(1, "x");
    hone_error err;
    int32_t token;
    double logp;

    ck_ok(pick(sampler, logits, &random, &token, &logp, &err));
    ck_assert_int_eq(token, 1);
    ck_assert_double_eq_tol(logp, -log(2 + exp(-1) + exp(-2)), 1e-6);
    ck_assert_uint_eq(random.counter, hone_random_named(1, "x").counter);
    hone_sampler_free(sampler);
}
END_TEST

START_TEST(without_cuts_tokens_come_as_often_as_likely)
{
    double hot[4], sum = 0;

    ck_kept(sampler_of(1, 0, 1, 0, 4), 15);
    for (int i = 0; i < 4; i++)
        sum += hot[i] = exp(four[i] / 2.5);
    for (int i = 0; i < 4; i++)
        hot[i] /= sum;
    ck_drawn(sampler_of(2.5, 0, 1, 0, 4), four, hot, 4);
}
END_TEST

START_TEST(top_k_keeps_the_k_largest)
{
    ck_kept(sampler_of(1, 1, 1, 0, 4), 4);
    ck_kept(sampler_of(1, 2, 1, 0, 4), 4 | 1);
    ck_kept(sampler_of(1, 3, 1, 0, 4), 4 | 1 | 8);
    ck_kept(sampler_of(1, 9, 1, 0, 4), 15);
}
END_TEST

START_TEST(top_p_keeps_the_fewest_that_reach_it)
{
    ck_kept(sampler_of(1, 0, 0.01, 0, 4), 4);
    ck_kept(sampler_of(1, 0, 0.39, 0, 4), 4);
    ck_kept(sampler_of(1, 0, 0.41, 0, 4), 4 | 1);
    ck_kept(sampler_of(1, 0, 0.71, 0, 4), 4 | 1 | 8);
    ck_kept(sampler_of(1, 0, 0.95, 0, 4), 15);
    /* 0.4 of the two largest is 0.571 of them. */
    ck_kept(sampler_of(1, 2, 0.56, 0, 4), 4);
    ck_kept(sampler_of(1, 2, 0.58, 0, 4), 4 | 1);
}
END_TEST

START_TEST(min_p_keeps_those_near_the_largest)
{
    ck_kept(sampler_of(1, 0, 1, 0.76, 4), 4);
    ck_kept(sampler_of(1, 0, 1, 0.74, 4), 4 | 1);
    ck_kept(sampler_of(1, 0, 1, 0.3, 4), 4 | 1 | 8);
    ck_kept(sampler_of(1, 0, 0.71, 0.74, 4), 4 | 1);
    ck_kept(sampler_of(1, 0, 1, 1, 4), 4);
}
END_TEST

/* The kept set by definition, a full sort of all tokens; the sum of its weights. */
static double slow_kept(const float *logits, int vocab, const hone_sampler_options *o, bool *kept)
{
    static int order[5000];
    double sum = 0, reached = 0, left = 0;
    int n = o->top_k && o->top_k < vocab ? (int)o->top_k : vocab;

    for (int i = 0; i < vocab; i++) {
        int at = i;
        for (; at > 0 && logits[order[at - 1]] < logits[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    memset(kept, 0, (size_t)vocab * sizeof *kept);
    for (int i = 0; i < n; i++)
        sum += exp((logits[order[i]] - (double)logits[order[0]]) / o->temperature);
    for (int i = 0; i < n; i++) {
        double weight = exp((logits[order[i]] - (double)logits[order[0]]) / o->temperature);
        if (i && o->top_p < 1 && reached >= o->top_p * sum)
            break;
        reached += weight;
        if (weight >= o->min_p && weight > 0)
            kept[order[i]] = true, left += weight;
    }
    return left;
}

START_TEST(large_vocabularies_are_cut_as_by_a_full_sort)
{
    enum { VOCAB = 700 };
    static const hone_sampler_options cases[] = {
        { 0.9, 50, 1, 0, 1 },        { 1, 0, 0.9, 0, 1 },
        { 1.3, 40, 0.8, 0.05, 1 },   { 0.5, 0, 0.99, 0.01, 1 },
    };
    hone_random random = hone_random_named(3, "logits");
    static float logits[VOCAB];
    static bool kept[VOCAB];
    static int counts[VOCAB];
    static double logps[VOCAB];

    for (int c = 0; c < 4; c++) {
        const hone_sampler_options *o = &cases[c];
        float largest = -INFINITY;
        double sum;
        for (int i = 0; i < VOCAB; i++) {     /* rounded: many are equal */
            logits[i] = (float)(round(hone_random_normal(&random) * 20) / 8);
            largest = fmaxf(largest, logits[i]);
        }
        sum = slow_kept(logits, VOCAB, o, kept);
        draw(sampler_of(o->temperature, o->top_k, o->top_p, o->min_p, VOCAB), logits, 2000,
             counts, logps, VOCAB);
        for (int i = 0; i < VOCAB; i++) {
            ck_assert_msg(!counts[i] || kept[i], "case %d: token %d was cut", c, i);
            if (counts[i])
                ck_assert_double_eq_tol(logps[i], (logits[i] - (double)largest) / o->temperature -
                                        log(sum), 1e-5);
        }
    }
}
END_TEST

/* Expected: softmax of { 2 / 2, -1 * 2, 1, 0 }. */
START_TEST(tokens_seen_before_are_less_likely)
{
    static const float logits[] = { 2, -1, 1, 0 };
    static const int32_t seen[] = { 0, 1, 0, 3, 0 };
    double want[4] = { exp(1), exp(-2), exp(1), 1 }, sum = want[0] + want[1] + want[2] + want[3];
    hone_sampler_options options = { 1, 0, 1, 0, 2 };
    hone_random random = hone_random_named(7, "seen");
    int counts[4] = { 0 };
    hone_sampler *sampler;
    hone_error err;

    ck_ok(hone_sampler_new(&sampler, &options, 4, hone_kernels_find(NULL, NULL), &err));
    for (int i = 0; i < 20000; i++) {
        int32_t token;
        double logp;
        hone_sampler_load(sampler, logits);
        hone_sampler_seen(sampler, seen, 2);
        hone_sampler_seen(sampler, seen + 2, 3);
        ck_ok(hone_sampler_draw(sampler, &random, &token, &logp, &err));
        ck_assert_double_eq_tol(logp, log(want[token] / sum), 1e-6);
        counts[token]++;
    }
    for (int i = 0; i < 4; i++) {
        double p = want[i] / sum;
        ck_assert_double_le(fabs(counts[i] - 20000 * p), 4 * sqrt(20000 * p * (1 - p)));
    }
    hone_sampler_free(sampler);
}
END_TEST

/* Many blocks of tokens, some of them without any weight. */
START_TEST(a_large_vocabulary_without_cuts_is_drawn_from_as_likely)
{
    enum { VOCAB = 50003, N = 2000 };
    static const int at[] = { 5, 1030, 20480, 50002 };
    static const double p[] = { 0.1, 0.2, 0.3, 0.4 };
    hone_sampler *sampler = sampler_of(1, 0, 1, 0, VOCAB);
    hone_random random = hone_random_named(7, "large");
    static float logits[VOCAB];
    int counts[4] = { 0 }, others = 0;
    hone_error err;

    for (int i = 0; i < VOCAB; i++)
        logits[i] = -200;
    for (int i = 0; i < 4; i++)
        logits[at[i]] = (float)log(p[i]);
    for (int n = 0; n < N; n++) {
        int32_t token;
        double logp;
        int which = 0;
        ck_ok(pick(sampler, logits, &random, &token, &logp, &err));
        while (which < 4 && at[which] != token)
            which++;
        if (which == 4) {
            others++;
            continue;
        }
        ck_assert_double_eq_tol(logp, log(p[which]), 1e-6);
        counts[which]++;
    }
    ck_assert_int_eq(others, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_double_le(fabs(counts[i] - N * p[i]), 4 * sqrt(N * p[i] * (1 - p[i])));
    hone_sampler_free(sampler);
}
END_TEST

START_TEST(infinite_and_broken_logits_are_errors)
{
    const float bad[4][3] = { { 0, NAN, 1 }, { INFINITY, 0, 1 },
                              { -INFINITY, -INFINITY, -INFINITY }, { NAN, 0, 0 } };
    static const char *const golden[] = { "sampler-nan", "sampler-infinite", "sampler-none", NULL };
    hone_random random = hone_random_named(1, "x");
    hone_error err;
    int32_t token;
    double logp;

    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 4; i++) {
            hone_sampler *sampler = sampler_of(t, 0, 1, 0, 3);
            ck_fails(HONE_ENUMERIC,
                     pick(sampler, bad[i], &random, &token, &logp, &err));
            if (golden[i])
                support_golden(golden[i], err.message);
            hone_sampler_free(sampler);
        }
    ck_drawn(sampler_of(1, 2, 1, 0, 3), (float[]){ -INFINITY, 0, -INFINITY },
             (double[]){ 0, 1, 0 }, 3);
}
END_TEST

START_TEST(impossible_options_are_refused_by_name)
{
    static const struct {
        const char *golden;
        hone_sampler_options options;
    } cases[] = {
        { "sampler-temperature", { -1, 0, 1, 0, 1 } }, { "sampler-top-k", { 1, -2, 1, 0, 1 } },
        { "sampler-top-p", { 1, 0, 0, 0, 1 } },        { "sampler-min-p", { 1, 0, 1, 1.5, 1 } },
        { "sampler-penalty", { 1, 0, 1, 0, 0 } },
    };
    const hone_kernels *kernels = hone_kernels_find(NULL, NULL);
    hone_sampler *sampler;
    hone_error err;

    for (size_t i = 0; i < 5; i++) {
        ck_fails(HONE_EINVAL, hone_sampler_new(&sampler, &cases[i].options, 3, kernels, &err));
        support_golden(cases[i].golden, err.message);
    }
    ck_fails(HONE_EINVAL, hone_sampler_new(&sampler, &(hone_sampler_options){ NAN, 0, 1, 0, 1 }, 3,
                                           kernels, &err));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *cases = tcase_create("sampler");

    tcase_add_test(cases, greedy_takes_the_largest_and_the_lower_id_of_equal_ones);
    tcase_add_test(cases, without_cuts_tokens_come_as_often_as_likely);
    tcase_add_test(cases, top_k_keeps_the_k_largest);
    tcase_add_test(cases, top_p_keeps_the_fewest_that_reach_it);
    tcase_add_test(cases, min_p_keeps_those_near_the_largest);
    tcase_add_test(cases, large_vocabularies_are_cut_as_by_a_full_sort);
    tcase_add_test(cases, tokens_seen_before_are_less_likely);
    tcase_add_test(cases, a_large_vocabulary_without_cuts_is_drawn_from_as_likely);
    tcase_add_test(cases, infinite_and_broken_logits_are_errors);
    tcase_add_test(cases, impossible_options_are_refused_by_name);
    suite_add_tcase(suite, cases);
    return support_run(suite);
}
