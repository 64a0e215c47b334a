/* test_kernels.c -- float kernels: element by element, and sums. See kernels.h. */
#include "kernels.h"

/* Numbers where functions bend, end, overflow or lose bits. */
static const float nasty[] = {
    0.0f, -0.0f, 1e-45f, -1e-45f, 1e-40f, -1e-40f, FLT_MIN, -FLT_MIN, 1e-20f, -1e-20f,
    1e-7f, -1e-7f, 0.3f, -0.3f,
    0.624999f, 0.625f, 0.625001f, -0.625f, 1.0f, -1.0f, 3.0f, -3.0f, 4.0f, -4.0f,
    9.01f, -9.01f, 14.0f, -14.0f, 16.0f, -16.0f, 17.0f, -17.0f, 20.0f, -20.0f, 32.0f, -33.0f,
    87.3f, -87.3f, 88.72283f, 88.72284f, -88.8f, -103.9f, -103.98f, -104.1f, 200.0f, -200.0f,
    1e4f, -1e4f, 1e10f, -1e10f, 1e15f, -1e15f,
};

static twin twin_nasty(void)
{
    twin t = twin_new(COUNT(nasty));
    for (int64_t i = 0; i < t.n; i++)
        twin_set(&t, i, nasty[i]);
    return t;
}

/* ---- functions of one number ---- */

/* How far a result may be off, in units in its last place. */
static const struct {
    hone_unary f;
    const char *name;
    double ulps;
} unaries[] = {
    { HONE_NEG, "neg", 0 }, { HONE_EXP, "exp", 2 }, { HONE_LOG, "log", 2 },
    { HONE_SQRT, "sqrt", 0.5 }, { HONE_SQUARE, "square", 0.5 }, { HONE_ABS, "abs", 0 },
    { HONE_SIGMOID, "sigmoid", 3 }, { HONE_LOG_SIGMOID, "log_sigmoid", 3 },
    { HONE_SOFTPLUS, "softplus", 3 }, { HONE_TANH, "tanh", 2 }, { HONE_RELU, "relu", 0 },
    { HONE_SILU, "silu", 4 }, { HONE_GELU, "gelu", 5 },
};

/* Of products, results near the end of the range count as if they were a little greater:
 * x times a number without a full mantissa. */
static double ulp(hone_unary f, double x)
{
    int e, least = f == HONE_SILU || f == HONE_GELU ? -117 : -125;
    frexp(x, &e);
    return ldexp(1, (e < least ? least : e) - 24);
}

START_TEST(functions_are_exact_to_a_few_units_everywhere)
{
    enum { BATCH = 1 << 16 };
    if (!use_table(_i))
        return;
    float *x = malloc(BATCH * sizeof *x), *y = malloc(BATCH * sizeof *y);
    ck_assert(x && y);
    for (int64_t u = 0; u < COUNT(unaries); u++) {
        double worst = 0, worst_at = 0;
        /* all bit patterns in steps: signs, denormals, infinities, NaN too */
        for (uint64_t bits = 0; bits < 1ull << 32;) {
            int64_t n = 0;
            for (; n < BATCH && bits < 1ull << 32; n++, bits += 16381) {
                uint32_t word = (uint32_t)bits;
                memcpy(&x[n], &word, sizeof word);
            }
            fast->unary(unaries[u].f, n, x, y);
            for (int64_t i = 0; i < n; i++) {
                double in = x[i], want;
                slow->unary(unaries[u].f, 1, &in, &want);
                if (isnan(want) || fabs(want) > FLT_MAX) {
                    bool near_max = fabs(want) < FLT_MAX * (1 + 1e-6);
                    ck_assert_msg(isnan(want) ? isnan(y[i]) : near_max || y[i] == (float)want,
                                  "%s %s(%a): %a, not %a", fast->name, unaries[u].name, x[i], y[i],
                                  want);
                    continue;
                }
                double off = fabs(y[i] - want) / ulp(unaries[u].f, want);
                /* a NaN must not pass */
                if (!(off <= worst)) {
                    worst = off;
                    worst_at = x[i];
                }
            }
        }
        ck_assert_msg(worst <= unaries[u].ulps, "%s %s(%a) is off by %.3g ulp, %.3g allowed",
                      fast->name, unaries[u].name, worst_at, worst, unaries[u].ulps);
        printf("%s %s: at most %.3g ulp, at %a\n", fast->name, unaries[u].name, worst, worst_at);
    }
    free(x);
    free(y);
}
END_TEST

START_TEST(functions_have_their_limits)
{
    const float x[] = { -INFINITY, INFINITY, NAN };
    static const struct {
        hone_unary f;
        float below, above;
    } limits[] = {
        { HONE_EXP, 0, INFINITY }, { HONE_SIGMOID, 0, 1 }, { HONE_LOG_SIGMOID, -INFINITY, 0 },
        { HONE_SOFTPLUS, 0, INFINITY }, { HONE_TANH, -1, 1 }, { HONE_RELU, 0, INFINITY },
    };
    float y[3];
    if (!use_table(_i))
        return;
    for (int64_t i = 0; i < COUNT(limits); i++) {
        fast->unary(limits[i].f, 3, x, y);
        ck_assert_msg(y[0] == limits[i].below && y[1] == limits[i].above && isnan(y[2]),
                      "%s function %d: %g, %g, %g", fast->name, limits[i].f, y[0], y[1], y[2]);
    }
}
END_TEST

START_TEST(an_element_does_not_depend_on_its_place)
{
    if (!use_table(_i))
        return;
    twin x = twin_random(100, 5);
    for (hone_unary f = 0; f < HONE_UNARY_COUNT; f++)
        for (int64_t from = 0; from < 40; from++) {
            float whole[100], one, part[60];
            fast->unary(f, 100, x.f, whole);
            fast->unary(f, 1, x.f + from, &one);
            fast->unary(f, 60, x.f + from, part);
            ck_assert_msg(!memcmp(&one, &whole[from], sizeof one) &&
                              !memcmp(part, &whole[from], sizeof part),
                          "%s function %d", fast->name, f);
        }
    twin_free(&x);
}
END_TEST

static void try_unary(twin *x)
{
    for (hone_unary f = 0; f < HONE_UNARY_COUNT; f++)
        for (int add = 0; add < 2; add++) {
            twin y = twin_fill(x->n, NAN), dy = twin_random(x->n, 1), dx = twin_target(x->n, add);
            fast->unary(f, x->n, x->f, y.f);
            slow->unary(f, x->n, x->d, y.d);
            /* gelu_tanh: the argument of an exponent is rounded */
            bool exponent = f == HONE_GELU_TANH;
            check_each("y", &y, exponent ? 3e-5 : 1e-6, 1e-37);
            for (int64_t i = 0; i < y.n; i++)
                y.d[i] = y.f[i];
            fast->unary_grad(f, x->n, x->f, y.f, dy.f, dx.f, add);
            slow->unary_grad(f, x->n, x->d, y.d, dy.d, dx.d, add);
            check_each("dx", &dx, 2e-6, 5e-6);
            twin_free(&y);
            twin_free(&dy);
            twin_free(&dx);
        }
}

START_TEST(functions_and_their_gradients_agree_with_the_reference)
{
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (double deviation = 0.1; deviation < 100; deviation *= 5) {
            twin x = twin_random(sizes[s], deviation);
            try_unary(&x);
            twin_free(&x);
        }
    twin x = twin_nasty();
    try_unary(&x);
    twin_free(&x);
}
END_TEST

START_TEST(affine_agrees_also_in_place)
{
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int k = 0; k < 8; k++) {
            bool add = k & 1;
            double scale = k & 2 ? 0.37 : 1, shift = k & 4 ? -1.5 : 0;
            twin x = twin_random(sizes[s], 3), y = twin_target(x.n, add);
            fast->affine(x.n, scale, x.f, shift, y.f, add);
            slow->affine(x.n, scale, x.d, shift, y.d, add);
            check_each("y", &y, 3e-7, 1e-6);
            fast->affine(x.n, scale, x.f, shift, x.f, add);
            slow->affine(x.n, scale, x.d, shift, x.d, add);
            check_each("x", &x, 3e-7, 1e-6);
            twin_free(&x);
            twin_free(&y);
        }
}
END_TEST

START_TEST(clamp_and_power_agree_and_a_zeroth_power_has_no_slope)
{
    static const double powers[] = { 0, 1, 2, 3, -1, 0.5, -0.5, 1.7 };
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int add = 0; add < 2; add++) {
            int64_t n = sizes[s];
            twin x = twin_random(n, 2), dy = twin_random(n, 1), y = twin_fill(n, NAN);
            twin dx = twin_target(n, add);
            if (n > 2) {
                twin_set(&x, 0, 0);
                twin_set(&x, 1, 0.25f);
                twin_set(&x, 2, -1.5f);
            }
            fast->clamp(n, -1.5, 0.25, x.f, y.f);
            slow->clamp(n, -1.5, 0.25, x.d, y.d);
            check_each("clamp", &y, 0, 0);
            fast->clamp_grad(n, -1.5, 0.25, x.f, dy.f, dx.f, add);
            slow->clamp_grad(n, -1.5, 0.25, x.d, dy.d, dx.d, add);
            check_each("clamp_grad", &dx, 1e-7, 1e-7);
            for (int64_t p = 0; p < COUNT(powers); p++) {
                twin z = twin_target(n, add);
                fast->power(n, powers[p], x.f, y.f);
                slow->power(n, powers[p], x.d, y.d);
                check_each("power", &y, 2e-7, 1e-37);
                fast->power_grad(n, powers[p], x.f, dy.f, z.f, add);
                slow->power_grad(n, powers[p], x.d, dy.d, z.d, add);
                check_each("power_grad", &z, 1e-6, 1e-6);
                twin_free(&z);
            }
            twin_free(&x);
            twin_free(&dy);
            twin_free(&y);
            twin_free(&dx);
        }
}
END_TEST

/* ---- functions of two numbers ---- */

static void try_binary(int64_t n, int64_t sa, int64_t sb, bool add)
{
    twin a = twin_random(sa ? n : 1, 2), b = twin_random(sb ? n : 1, 2), dy = twin_random(n, 1);
    if (sa && sb && n > 4) {
        twin_set(&a, 1, b.f[1]);
        twin_set(&a, 2, NAN);
        twin_set(&b, 3, NAN);
        twin_set(&b, 4, INFINITY);
    }
    for (hone_binary f = 0; f < HONE_BIN_COUNT; f++) {
        twin y = twin_fill(n, NAN);
        fast->binary(f, n, a.f, sa, b.f, sb, y.f);
        slow->binary(f, n, a.d, sa, b.d, sb, y.d);
        check_each("binary", &y, 2e-7, 0);
        for (int second = 0; second < 2; second++) {
            twin dx = twin_target(n, add);
            fast->binary_grad(f, second, n, a.f, sa, b.f, sb, dy.f, dx.f, add);
            slow->binary_grad(f, second, n, a.d, sa, b.d, sb, dy.d, dx.d, add);
            check_each("binary_grad", &dx, 1e-6, 1e-6);
            twin_free(&dx);
        }
        twin_free(&y);
    }
    for (hone_comparison f = HONE_EQ; f <= HONE_GE; f++) {
        twin y = twin_fill(n, NAN);
        fast->compare(f, n, a.f, sa, b.f, sb, y.f);
        slow->compare(f, n, a.d, sa, b.d, sb, y.d);
        check_each("compare", &y, 0, 0);
        twin_free(&y);
    }
    twin_free(&a);
    twin_free(&b);
    twin_free(&dy);
}

START_TEST(two_operands_agree_broadcast_or_not)
{
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int k = 0; k < 8; k++)
            try_binary(sizes[s], k & 1, k >> 1 & 1, k >> 2);
}
END_TEST

START_TEST(where_takes_zeros_for_a_missing_side)
{
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int k = 0; k < 8; k++) {
            int64_t n = sizes[s];
            bool add = k & 1;
            twin mask = twin_random(n, 1), a = twin_random(n, 1), b = twin_random(n, 1);
            twin y = twin_target(n, add);
            for (int64_t i = 0; i < n; i += 2)
                twin_set(&mask, i, 0);
            fast->where(n, mask.f, k & 2 ? a.f : NULL, k & 4 ? b.f : NULL, y.f, add);
            slow->where(n, mask.d, k & 2 ? a.d : NULL, k & 4 ? b.d : NULL, y.d, add);
            check_each("where", &y, 1e-7, 1e-7);
            twin_free(&mask);
            twin_free(&a);
            twin_free(&b);
            twin_free(&y);
        }
}
END_TEST

START_TEST(dropout_keeps_the_same_elements_wherever_a_run_starts)
{
    static const double chances[] = { 0, 0.1, 0.5, 0.999, 1 };
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int64_t p = 0; p < COUNT(chances); p++)
            for (int64_t first = 0; first < 10; first += 3) {
                int64_t n = sizes[s];
                twin x = twin_random(n, 1);
                for (int add = 0; add < 2; add++) {
                    twin y = twin_target(n, add);
                    fast->dropout(n, chances[p], 5, 1ull << 40, first, x.f, y.f, add);
                    slow->dropout(n, chances[p], 5, 1ull << 40, first, x.d, y.d, add);
                    check_each("dropout", &y, 2e-7, 2e-7);
                    twin_free(&y);
                }
                twin_free(&x);
            }
}
END_TEST

START_TEST(dropout_keeps_the_promised_share)
{
    enum { N = 200000 };
    if (!use_table(_i))
        return;
    twin x = twin_fill(N, 1), y = twin_fill(N, NAN);
    fast->dropout(N, 0.3, 11, 2, 0, x.f, y.f, false);
    /* of the mean: deviation sqrt(0.3 / 0.7 / N) = 0.0015 */
    ck_assert_double_eq_tol(fast->sum(N, y.f) / N, 1, 0.006);
    twin_free(&x);
    twin_free(&y);
}
END_TEST

START_TEST(swiglu_and_both_gradients_agree)
{
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int k = 0; k < 16; k++) {
            int64_t n = sizes[s];
            twin gate = twin_random(n, 4), up = twin_random(n, 1), dy = twin_random(n, 1);
            twin y = twin_fill(n, NAN), dgate = twin_target(n, k & 1), dup = twin_target(n, k & 2);
            if (n > 2) {
                twin_set(&gate, 0, -200);
                twin_set(&gate, 1, 200);
                twin_set(&gate, 2, 0);
            }
            fast->swiglu(n, gate.f, up.f, y.f);
            slow->swiglu(n, gate.d, up.d, y.d);
            check_each("swiglu", &y, 1e-6, 1e-37);
            fast->swiglu_grad(n, gate.f, up.f, dy.f, k & 4 ? NULL : dgate.f, k & 1,
                              k & 8 ? NULL : dup.f, k & 2);
            slow->swiglu_grad(n, gate.d, up.d, dy.d, k & 4 ? NULL : dgate.d, k & 1,
                              k & 8 ? NULL : dup.d, k & 2);
            check_each("dgate", &dgate, 2e-6, 2e-6);
            check_each("dup", &dup, 1e-6, 1e-6);
            twin_free(&gate);
            twin_free(&up);
            twin_free(&dy);
            twin_free(&y);
            twin_free(&dgate);
            twin_free(&dup);
        }
}
END_TEST

/* ---- sums ---- */

START_TEST(sums_agree)
{
    static const int64_t counts[] = { 0, 1, 31, 32, 33, 4095, 4096, 4097, 300000 };
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(counts); s++) {
        int64_t n = counts[s];
        twin x = twin_random(n, 1), y = twin_random(n, 1);
        double size = 1e-37;
        for (int64_t i = 0; i < n; i++) /* offset, so that the sum is large */
            twin_set(&x, i, x.f[i] + 10);
        check_one("sum", n, fast->sum(n, x.f), slow->sum(n, x.d), 2e-7 * slow->sum(n, x.d));
        for (int64_t i = 0; i < n; i++)
            size += fabs(x.d[i] * y.d[i]);
        check_one("dot", n, fast->dot(n, x.f, y.f), slow->dot(n, x.d, y.d), 2e-7 * size);
        for (int64_t i = 0; i < n; i++)
            x.d[i] = x.f[i];
        check_one("squares", n, fast->squares(n, x.f), slow->squares(n, x.d), 1e-11 * size);
        twin_free(&x);
        twin_free(&y);
    }
}
END_TEST

START_TEST(sums_of_columns_agree)
{
    static const int64_t rows[] = { 0, 1, 7, 300 };
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int k = 0; k < 8; k++) {
            int64_t n = rows[k >> 1], d = sizes[s];
            twin x = twin_random(n * d, 1), y = twin_target(d, k & 1);
            fast->sum_rows(n, d, x.f, y.f, k & 1);
            slow->sum_rows(n, d, x.d, y.d, k & 1);
            check_each("sum_rows", &y, 2e-7, 1e-6);
            twin_free(&x);
            twin_free(&y);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tcase = tcase_create("elements and sums");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 300);
    add_tests(tcase, functions_are_exact_to_a_few_units_everywhere);
    add_tests(tcase, functions_have_their_limits);
    add_tests(tcase, an_element_does_not_depend_on_its_place);
    add_tests(tcase, functions_and_their_gradients_agree_with_the_reference);
    add_tests(tcase, affine_agrees_also_in_place);
    add_tests(tcase, clamp_and_power_agree_and_a_zeroth_power_has_no_slope);
    add_tests(tcase, two_operands_agree_broadcast_or_not);
    add_tests(tcase, where_takes_zeros_for_a_missing_side);
    add_tests(tcase, dropout_keeps_the_same_elements_wherever_a_run_starts);
    add_tests(tcase, dropout_keeps_the_promised_share);
    add_tests(tcase, swiglu_and_both_gradients_agree);
    add_tests(tcase, sums_agree);
    add_tests(tcase, sums_of_columns_agree);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
