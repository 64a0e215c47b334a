/* test_random.c -- Philox against the known answers of its authors, and what
 * is drawn from it. */
#include "support.h"

#include <math.h>
#include <stdio.h>

static uint64_t join(uint32_t low, uint32_t high)
{
    return low | (uint64_t)high << 32;
}

/* kat_vectors of Random123 1.14, philox4x32 with 10 rounds: counter, key, result. */
START_TEST(blocks_equal_the_known_answers)
{
    static const uint32_t known[][10] = {
        { 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000,
          0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
          0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
          0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const uint32_t *k = known[i];
        uint32_t out[4];

        hone_random_block(join(k[4], k[5]), join(k[2], k[3]), join(k[0], k[1]), out);
        for (int w = 0; w < 4; w++)
            ck_assert_uint_eq(out[w], k[6 + w]);
    }
}
END_TEST

START_TEST(a_stream_is_a_function_of_seed_name_and_position)
{
    hone_random a = hone_random_named(7, "dropout"), b = hone_random_named(7, "dropout");
    hone_random other_name = hone_random_named(7, "shuffle");
    hone_random other_seed = hone_random_named(8, "dropout");
    uint64_t first = hone_random_u64(&a), second = hone_random_u64(&a);
    uint32_t words[4];

    ck_assert_uint_eq(hone_random_u64(&b), first);
    ck_assert_uint_eq(hone_random_u64(&b), second);
    ck_assert_uint_ne(first, second);
    ck_assert_uint_ne(hone_random_u64(&other_name), first);
    ck_assert_uint_ne(hone_random_u64(&other_seed), first);
    b.counter = 1;
    ck_assert_uint_eq(hone_random_u64(&b), second);
    hone_random_block(a.seed, a.stream, 0, words);
    ck_assert_uint_eq(join(words[0], words[1]), first);
}
END_TEST

/* Files hold what was drawn: the numbers of a seed must never change. */
START_TEST(the_numbers_of_a_seed_stay_what_they_were)
{
    hone_random r = hone_random_named(1, "stays");
    char seen[256];
    double u = hone_random_uniform(&r), z = hone_random_normal(&r);
    uint64_t below = hone_random_below(&r, 1000000);

    snprintf(seen, sizeof seen, "%.17g %.12g %" PRIu64, u, z, below);
    support_golden("random-stays", seen);
}
END_TEST

/* Bounds are five standard errors of the sample's moments. */
START_TEST(uniform_numbers_are_uniform)
{
    hone_random r = hone_random_named(3, "uniform");
    enum { N = 200000 };
    double sum = 0, squares = 0;

    for (int i = 0; i < N; i++) {
        double u = hone_random_uniform(&r);
        ck_assert(u >= 0 && u < 1);
        sum += u;
        squares += (u - 0.5) * (u - 0.5);
    }
    ck_assert_double_eq_tol(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N));
    ck_assert_double_eq_tol(squares / N, 1.0 / 12, 5 * sqrt(1.0 / 180 / N));
}
END_TEST

START_TEST(normal_numbers_are_normal)
{
    hone_random r = hone_random_named(3, "normal");
    enum { N = 200000 };
    double sum = 0, squares = 0, fourth = 0;

    for (int i = 0; i < N; i++) {
        double z = hone_random_normal(&r);
        ck_assert(isfinite(z));
        sum += z;
        squares += z * z;
        fourth += z * z * z * z;
    }
    ck_assert_double_eq_tol(sum / N, 0, 5 / sqrt(N));
    ck_assert_double_eq_tol(squares / N, 1, 5 * sqrt(2.0 / N));
    ck_assert_double_eq_tol(fourth / N, 3, 5 * sqrt(96.0 / N));
    ck_assert_uint_eq(r.counter, 2 * N);
}
END_TEST

START_TEST(numbers_below_a_bound_have_no_favourites)
{
    hone_random r = hone_random_named(3, "below");
    enum { N = 70000, SIDES = 7 };
    int64_t counts[SIDES] = {0};
    double chi = 0;

    for (int i = 0; i < N; i++)
        counts[hone_random_below(&r, SIDES)]++;
    for (int i = 0; i < SIDES; i++)
        chi += pow((double)counts[i] - N / SIDES, 2) / (N / SIDES);
    ck_assert_double_lt(chi, 27.9); /* 1 - 1e-4 quantile, 6 degrees */
    ck_assert_uint_eq(hone_random_below(&r, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(hone_random_below(&r, (UINT64_C(1) << 63) + 1), (UINT64_C(1) << 63) + 1);
}
END_TEST

START_TEST(a_shuffle_keeps_every_item_and_finds_every_order)
{
    hone_random r = hone_random_named(3, "shuffle");
    int seen[27] = {0}, orders = 0;

    for (int n = 0; n < 600; n++) {
        size_t items[3] = { 0, 1, 2 };
        hone_random_shuffle(&r, items, 3);
        ck_assert_uint_eq(items[0] + items[1] + items[2], 3);
        ck_assert_uint_ne(items[0], items[1]);
        ck_assert_uint_ne(items[1], items[2]);
        seen[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    for (int i = 0; i < 27; i++)
        if (seen[i]) {
            orders++;
            ck_assert_int_ge(seen[i], 60); /* 100 expected, sd 9.1 */
        }
    ck_assert_int_eq(orders, 6);
    hone_random_shuffle(&r, NULL, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *tc = tcase_create("random");

    tcase_add_test(tc, blocks_equal_the_known_answers);
    tcase_add_test(tc, a_stream_is_a_function_of_seed_name_and_position);
    tcase_add_test(tc, the_numbers_of_a_seed_stay_what_they_were);
    tcase_add_test(tc, uniform_numbers_are_uniform);
    tcase_add_test(tc, normal_numbers_are_normal);
    tcase_add_test(tc, numbers_below_a_bound_have_no_favourites);
    tcase_add_test(tc, a_shuffle_keeps_every_item_and_finds_every_order);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
