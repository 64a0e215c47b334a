/* test_tensor.c -- storages, views, conversions, buffers that are reused. */
#include "support.h"

#include <math.h>
#include <string.h>

static uint16_t bits_of(hone_dtype dtype, double value)
{
    hone_tensor *t;
    hone_error err = {0};
    uint16_t bits;

    ck_ok(hone_tensor_new(&t, dtype, 0, NULL, &err));
    hone_tensor_set(t, 0, value);
    memcpy(&bits, hone_tensor_bytes(t), sizeof bits);
    hone_tensor_free(t);
    return bits;
}

static double value_of(hone_dtype dtype, uint16_t bits)
{
    hone_tensor *t;
    hone_error err = {0};
    double value;

    ck_ok(hone_tensor_new(&t, dtype, 0, NULL, &err));
    memcpy(hone_tensor_data(t), &bits, sizeof bits);
    value = hone_tensor_get(t, 0);
    hone_tensor_free(t);
    return value;
}

START_TEST(every_half_and_bfloat_survives_a_round_trip)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        double half = value_of(HONE_F16, (uint16_t)bits), brain = value_of(HONE_BF16, (uint16_t)bits);
        if (!isnan(half))
            ck_assert_uint_eq(bits_of(HONE_F16, half), bits);
        if (!isnan(brain))
            ck_assert_uint_eq(bits_of(HONE_BF16, brain), bits);
    }
    ck_assert(isnan(value_of(HONE_F16, bits_of(HONE_F16, NAN))));
    ck_assert(isnan(value_of(HONE_BF16, bits_of(HONE_BF16, NAN))));
}
END_TEST

START_TEST(halves_round_to_nearest_even)
{
    ck_assert_uint_eq(bits_of(HONE_F16, 1), 0x3c00);
    ck_assert_uint_eq(bits_of(HONE_F16, 1 + 0x1p-11), 0x3c00);      /* a tie, to even */
    ck_assert_uint_eq(bits_of(HONE_F16, 1 + 3 * 0x1p-11), 0x3c02);  /* a tie, to even */
    ck_assert_uint_eq(bits_of(HONE_F16, 65504), 0x7bff);
    ck_assert_uint_eq(bits_of(HONE_F16, 65519), 0x7bff);
    ck_assert_uint_eq(bits_of(HONE_F16, 65520), 0x7c00);
    ck_assert_uint_eq(bits_of(HONE_F16, 0x1p-24), 0x0001);
    ck_assert_uint_eq(bits_of(HONE_F16, 0x1p-25), 0x0000);
    ck_assert_uint_eq(bits_of(HONE_F16, -0x1.8p-25), 0x8001);
    ck_assert_uint_eq(bits_of(HONE_BF16, 1 + 0x1p-8), 0x3f80);
    ck_assert_uint_eq(bits_of(HONE_BF16, 1 + 3 * 0x1p-8), 0x3f82);
}
END_TEST

START_TEST(values_outside_an_integer_type_go_to_its_ends)
{
    hone_tensor *t;
    hone_error err = {0};

    ck_ok(hone_tensor_new(&t, HONE_I32, 1, (int64_t[]){ 3 }, &err));
    hone_tensor_set(t, 0, 1e12);
    hone_tensor_set(t, 1, -1e12);
    hone_tensor_set(t, 2, NAN);
    ck_assert(hone_tensor_get(t, 0) == INT32_MAX && hone_tensor_get(t, 1) == INT32_MIN);
    ck_assert(hone_tensor_get(t, 2) == 0);
    hone_tensor_free(t);
}
END_TEST

START_TEST(impossible_shapes_are_refused)
{
    hone_tensor *t;
    hone_error err = {0};

    ck_fails(HONE_EINVAL, hone_tensor_new(&t, HONE_F32, 1, (int64_t[]){ -1 }, &err));
    ck_fails(HONE_EINVAL, hone_tensor_new(&t, HONE_F32, 5, (int64_t[]){ 1, 1, 1, 1, 1 }, &err));
    ck_fails(HONE_ENOMEM, hone_tensor_new(&t, HONE_F32, 3,
                                          (int64_t[]){ INT64_MAX / 2, 3, 4 }, &err));
    ck_ok(hone_tensor_new(&t, HONE_F32, 2, (int64_t[]){ 0, 5 }, &err));
    ck_assert_int_eq(hone_tensor_count(t), 0);
    hone_tensor_free(t);
}
END_TEST

START_TEST(accessors_take_nothing_for_an_answer)
{
    char seen[96];

    ck_assert_int_eq(hone_tensor_count(NULL), 0);
    ck_assert_ptr_null(hone_tensor_data(NULL));
    ck_assert_ptr_null(hone_tensor_grad(NULL));
    ck_assert_str_eq(hone_tensor_describe(NULL, seen), "nothing");
    hone_tensor_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor");
    TCase *t = tcase_create("tensor");

    tcase_add_test(t, every_half_and_bfloat_survives_a_round_trip);
    tcase_add_test(t, halves_round_to_nearest_even);
    tcase_add_test(t, values_outside_an_integer_type_go_to_its_ends);
    tcase_add_test(t, impossible_shapes_are_refused);
    tcase_add_test(t, accessors_take_nothing_for_an_answer);
    suite_add_tcase(suite, t);
    return support_run(suite);
}
