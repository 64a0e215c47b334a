/* test_kernels_rows.c -- float kernels: products, norms, softmax, attention, losses, and
 * the choice of a table. See kernels.h. */
#include "kernels.h"

static const int64_t widths[] = { 1, 3, 15, 16, 17, 33, 64, 257, 1025, 5000 };

/* ---- matrix products ---- */

static void try_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, double beta)
{
    int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
    twin a = twin_random((ta ? k : m) * lda, 1), b = twin_random((tb ? n : k) * ldb, 1);
    twin c = twin_target(m * ldc, beta != 0);
    /* between the rows, nothing may change */
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = n; j < ldc; j++)
            twin_set(&c, i * ldc + j, 77);
    fast->gemm(ta, tb, m, n, k, alpha, a.f, lda, b.f, ldb, beta, c.f, ldc);
    slow->gemm(ta, tb, m, n, k, alpha, a.d, lda, b.d, ldb, beta, c.d, ldc);
    /* a sum's error grows with its length times its size, which grows as the root */
    check_each("gemm", &c, 1e-6, 1e-6 + 1.5e-7 * (double)k);
    twin_free(&a);
    twin_free(&b);
    twin_free(&c);
}

START_TEST(products_agree_in_every_shape)
{
    static const int64_t extents[] = { 0, 1, 2, 7, 17, 65, 130 };
    if (!use_table(_i))
        return;
    for (int64_t m = 0; m < COUNT(extents); m++)
        for (int64_t n = 0; n < COUNT(extents); n++)
            for (int64_t k = 0; k < COUNT(extents); k++)
                for (int t = 0; t < 4; t++)
                    try_gemm(t & 1, t & 2, extents[m], extents[n], extents[k],
                             t == 3 ? -0.5 : 1, (double)((m + n + k) % 3) * 0.5);
}
END_TEST

START_TEST(long_products_agree)
{
    if (!use_table(_i))
        return;
    for (int64_t m = 1; m < 40; m = 2 * m + 1)
        for (int t = 0; t < 4; t++)
            try_gemm(t & 1, t & 2, m, 70, 3000, 1, (double)(m % 2));
}
END_TEST

START_TEST(a_row_among_few_does_not_depend_on_how_many)
{
    static const int64_t shapes[][2] = { { 64, 64 }, { 97, 288 }, { 288, 768 }, { 500, 2048 } };
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(shapes); s++)
        for (int tb = 0; tb < 2; tb++) {
            int64_t n = shapes[s][0], k = shapes[s][1], ldb = tb ? k : n;
            twin a = twin_random(HONE_GEMM_FEW * k, 1), b = twin_random(n * k, 1);
            twin one = twin_fill(n, NAN), few = twin_fill(HONE_GEMM_FEW * n, NAN);
            for (int64_t m = 1; m <= HONE_GEMM_FEW; m++) {
                fast->gemm(false, tb, m, n, k, 1, a.f, k, b.f, ldb, 0, few.f, n);
                for (int64_t r = 0; r < m; r++) {
                    fast->gemm(false, tb, 1, n, k, 1, a.f + r * k, k, b.f, ldb, 0, one.f, n);
                    ck_assert_msg(!memcmp(one.f, few.f + r * n, (size_t)n * sizeof *one.f),
                                  "%s: row %lld of %lld, n %lld, k %lld", fast->name, (long long)r,
                                  (long long)m, (long long)n, (long long)k);
                }
            }
            twin_free(&a);
            twin_free(&b);
            twin_free(&one);
            twin_free(&few);
        }
}
END_TEST

/* ---- norms ---- */

static void try_norms(int64_t rows, int64_t d, bool add)
{
    twin x = twin_random(rows * d, 3), w = twin_random(d, 1), b = twin_random(d, 1);
    twin dy = twin_random(rows * d, 1), dx = twin_target(rows * d, add);
    twin y = twin_fill(rows * d, NAN), dw = twin_random(d, 1), db = twin_random(d, 1);
    twin mean = twin_fill(rows, NAN), inv = twin_fill(rows, NAN);
    for (int64_t i = 0; i < d; i++) { /* one far from 0, one of zeros */
        twin_set(&x, i, x.f[i] + 40);
        twin_set(&x, (rows - 1) * d + i, 0);
    }

    fast->rmsnorm(rows, d, x.f, w.f, 1e-5, y.f, inv.f);
    slow->rmsnorm(rows, d, x.d, w.d, 1e-5, y.d, inv.d);
    check_each("rmsnorm", &y, 1e-6, 1e-37);
    check_each("inv", &inv, 5e-7, 0);
    fast->rmsnorm_grad(rows, d, x.f, w.f, inv.f, dy.f, dx.f, add, dw.f);
    slow->rmsnorm_grad(rows, d, x.d, w.d, inv.d, dy.d, dx.d, add, dw.d);
    check_rows("rmsnorm dx", &dx, d, 2e-6, 1e-6);
    check_rows("rmsnorm dw", &dw, d, 2e-6, 1e-6);
    fast->rmsnorm_grad(rows, d, x.f, w.f, inv.f, dy.f, NULL, add, dw.f);
    slow->rmsnorm_grad(rows, d, x.d, w.d, inv.d, dy.d, NULL, add, dw.d);
    check_rows("rmsnorm dw alone", &dw, d, 2e-6, 1e-6);

    for (int k = 0; k < 2; k++) {
        fast->layernorm(rows, d, x.f, w.f, k ? b.f : NULL, 1e-5, y.f, mean.f, inv.f);
        slow->layernorm(rows, d, x.d, w.d, k ? b.d : NULL, 1e-5, y.d, mean.d, inv.d);
        /* x - mean keeps the error of a mean of 40 */
        check_each("layernorm", &y, 1e-5, d == 1 ? 1e-2 : 2e-5);
        check_each("mean", &mean, 5e-7, 1e-6);
        check_each("inv", &inv, 1e-5, 0);
        fast->layernorm_grad(rows, d, x.f, w.f, mean.f, inv.f, dy.f, dx.f, add, dw.f,
                             k ? db.f : NULL);
        slow->layernorm_grad(rows, d, x.d, w.d, mean.d, inv.d, dy.d, dx.d, add, dw.d,
                             k ? db.d : NULL);
        check_rows("layernorm dx", &dx, d, 2e-5, 5e-5);
        check_rows("layernorm dw", &dw, d, 2e-5, 1e-6);
        check_rows("layernorm db", &db, d, 2e-6, 1e-6);
    }
    twin *all[] = { &x, &w, &b, &dy, &y, &dx, &dw, &db, &mean, &inv };
    for (int64_t i = 0; i < COUNT(all); i++)
        twin_free(all[i]);
}

START_TEST(norms_and_their_gradients_agree)
{
    if (!use_table(_i))
        return;
    for (int64_t d = 0; d < COUNT(widths); d++)
        for (int add = 0; add < 2; add++)
            try_norms(5, widths[d], add);
}
END_TEST

/* ---- softmax ---- */

/* Rows that exercise what a softmax must bear: large, far apart, masked, equal. */
static twin twin_rows(int64_t rows, int64_t d)
{
    twin x = twin_random(rows * d, 2);
    for (int64_t i = 0; i < d; i++) {
        twin_set(&x, i, x.f[i] * 1e4f);
        twin_set(&x, d + i, x.f[d + i] + 3e4f);
        if (i % 3 == 1)
            twin_set(&x, 2 * d + i, -INFINITY);
        twin_set(&x, 3 * d + i, -7);
        twin_set(&x, 4 * d + i, x.f[4 * d + i] - 300);
    }
    return x;
}

START_TEST(softmax_and_log_softmax_agree_also_in_place)
{
    enum { ROWS = 6 };
    if (!use_table(_i))
        return;
    for (int64_t w = 0; w < COUNT(widths); w++)
        for (int k = 0; k < 4; k++) {
            bool logged = k & 1, add = k & 2;
            int64_t d = widths[w];
            twin x = twin_rows(ROWS, d), y = twin_fill(ROWS * d, NAN);
            twin dy = twin_random(ROWS * d, 1), dx = twin_target(ROWS * d, add);
            fast->softmax(ROWS, d, logged, x.f, y.f);
            slow->softmax(ROWS, d, logged, x.d, y.d);
            check_each("softmax", &y, 1e-6, logged ? 3e-7 : 1e-37);
            fast->softmax(ROWS, d, logged, x.f, x.f);
            ck_assert_msg(!memcmp(x.f, y.f, (size_t)(ROWS * d) * sizeof *x.f), "in place");
            for (int64_t i = 0; i < y.n; i++)
                y.d[i] = y.f[i];
            fast->softmax_grad(ROWS, d, logged, y.f, dy.f, dx.f, add);
            slow->softmax_grad(ROWS, d, logged, y.d, dy.d, dx.d, add);
            check_each("softmax_grad", &dx, 1e-6, logged ? 1e-5 : 1e-6);
            twin_free(&x);
            twin_free(&y);
            twin_free(&dy);
            twin_free(&dx);
        }
}
END_TEST

START_TEST(a_row_with_nan_stays_nan)
{
    if (!use_table(_i))
        return;
    for (int64_t w = 0; w < COUNT(widths); w++)
        for (int64_t bad = 0; bad < widths[w]; bad += 1 + widths[w] / 7) {
            int64_t d = widths[w], low = 0, high = d;
            int32_t target = 0;
            float nll, logp, entropy, lse;
            twin x = twin_random(d, 1);
            twin_set(&x, bad, NAN);
            fast->logp(1, d, x.f, &target, 0, 1, &logp, &entropy);
            ck_assert(isnan(logp) && isnan(entropy));
            twin y = twin_copy(&x);
            fast->cross_entropy(1, d, y.f, &target, NULL, 0, 1, &nll);
            ck_assert(isnan(nll) && isnan(y.f[0]));
            twin_free(&y);
            y = twin_copy(&x);
            fast->attention_softmax(1, d, y.f, d, 1, 0, &low, &high, &lse, false);
            ck_assert(isnan(lse) && isnan(y.f[0]));
            twin_free(&y);
            fast->softmax(1, d, false, x.f, x.f);
            ck_assert(isnan(x.f[0]) && isnan(x.f[d - 1]));
            twin_free(&x);
        }
}
END_TEST

/* ---- rotary positions ---- */

START_TEST(rotations_agree_and_the_inverse_undoes_them)
{
    enum { ROWS = 4, HEADS = 3 };
    static const int64_t dims[] = { 2, 4, 30, 32, 34, 64, 128 };
    if (!use_table(_i))
        return;
    for (int64_t w = 0; w < COUNT(dims); w++)
        for (int k = 0; k < 4; k++) {
            bool inverse = k & 1, add = k & 2;
            int64_t d = dims[w], n = ROWS * HEADS * d;
            twin table = twin_random(ROWS * d, 1), x = twin_random(n, 1), y = twin_target(n, add);
            for (int64_t i = 0; i < ROWS * d / 2; i++) {
                float angle = table.f[i / (d / 2) * d + i % (d / 2)];
                twin_set(&table, i / (d / 2) * d + i % (d / 2), cosf(angle));
                twin_set(&table, i / (d / 2) * d + d / 2 + i % (d / 2), sinf(angle));
            }
            fast->rope(ROWS, HEADS, d, table.f, inverse, x.f, y.f, add);
            slow->rope(ROWS, HEADS, d, table.d, inverse, x.d, y.d, add);
            check_each("rope", &y, 3e-7, 1e-6);
            twin z = twin_copy(&x);
            fast->rope(ROWS, HEADS, d, table.f, inverse, z.f, z.f, false);
            fast->rope(ROWS, HEADS, d, table.f, !inverse, z.f, z.f, false);
            check_each("there and back", &z, 5e-7, 1e-6);
            twin_free(&z);
            twin_free(&table);
            twin_free(&x);
            twin_free(&y);
        }
}
END_TEST

/* ---- attention ---- */

static void try_near(bool deep, int64_t m, int64_t n, int64_t k, bool add)
{
    int64_t lda = (deep ? k : m) + 2, ldb = n + 3, ldc = n + 1;
    twin a = twin_random((deep ? m : k) * lda, 1), b = twin_random(k * ldb, 1);
    twin c = twin_target(m * ldc, add);
    /* between the rows, nothing may change */
    for (int64_t i = 0; i < m; i++)
        twin_set(&c, i * ldc + n, 77);
    fast->attention_product(deep, m, n, k, a.f, lda, b.f, ldb, add, c.f, ldc);
    slow->gemm(!deep, false, m, n, k, 1, a.d, lda, b.d, ldb, add, c.d, ldc);
    check_each("attention_product", &c, 1e-6, 1e-6 + 1.5e-7 * (double)k);
    twin_free(&a);
    twin_free(&b);
    twin_free(&c);
}

START_TEST(products_of_tiles_agree_in_every_shape)
{
    static const int64_t ms[] = { 0, 1, 2, 3, 5, 6, 7, 12, 13, 48 }, ks[] = { 0, 1, 3, 70 };
    if (!use_table(_i) || !fast->attention_product)
        return;
    for (int64_t m = 0; m < COUNT(ms); m++)
        for (int64_t n = 0; n < 70; n = n < 18 ? n + 1 : n + 5)
            for (int64_t k = 0; k < COUNT(ks); k++)
                for (int t = 0; t < 4; t++)
                    try_near(t & 1, ms[m], n, ks[k], t & 2);
}
END_TEST

enum { SEEN = 7 };

static void try_attention(int64_t cols, double scale, double cap)
{
    const float nothing = scale < 0 ? INFINITY : -INFINITY;
    int64_t ld = cols + 5, low[SEEN], high[SEEN];
    twin raw = twin_random(SEEN * ld, 5), delta = twin_random(SEEN, 0.1);
    twin lse = twin_fill(SEEN, NAN), dp = twin_random(SEEN * ld, 1);
    for (int64_t r = 0; r < SEEN; r++) {
        low[r] = r == 5 ? cols / 2 : r % 3 * cols / 7;
        high[r] = r == 5 ? cols / 2 : cols - r % 2 * cols / 5;
        if (r == 6 && cols > 1)
            twin_set(&raw, r * ld + (low[r] + high[r]) / 2, nothing);
    }
    for (int64_t j = 0; j < cols; j++)
        twin_set(&raw, 4 * ld + j, nothing);
    twin s = twin_copy(&raw), again = twin_copy(&raw);
    fast->attention_softmax(SEEN, cols, s.f, ld, scale, cap, low, high, lse.f, false);
    slow->attention_softmax(SEEN, cols, s.d, ld, scale, cap, low, high, lse.d, false);
    if (cap == 0) /* the cap lifts minus infinity */
        ck_assert(lse.f[4] == -INFINITY && (cols < 2 || s.f[4 * ld + 1] == 0));
    ck_assert(lse.f[5] == -INFINITY && s.f[5 * ld] == 0);
    /* a score's rounding becomes the probability's relative error */
    check_each("attention", &s, 1e-5, 1e-37);
    check_each("lse", &lse, 3e-7, 3e-7);
    for (int64_t r = 0; r < SEEN; r++)
        lse.d[r] = lse.f[r];
    fast->attention_softmax(SEEN, cols, again.f, ld, scale, cap, low, high, lse.f, true);
    slow->attention_softmax(SEEN, cols, again.d, ld, scale, cap, low, high, lse.d, true);
    check_each("attention again", &again, 2e-5, 1e-37);

    for (int64_t i = 0; i < s.n; i++)
        s.d[i] = s.f[i];
    fast->attention_grad(SEEN, cols, s.f, dp.f, ld, scale, cap, cap > 0 ? raw.f : NULL, delta.f,
                         low, high);
    slow->attention_grad(SEEN, cols, s.d, dp.d, ld, scale, cap, cap > 0 ? raw.d : NULL, delta.d,
                         low, high);
    check_each("attention_grad", &dp, 5e-6, 5e-7);
    twin *all[] = { &raw, &lse, &delta, &dp, &s, &again };
    for (int64_t i = 0; i < COUNT(all); i++)
        twin_free(all[i]);
}

START_TEST(attention_sees_only_its_columns)
{
    if (!use_table(_i))
        return;
    for (int64_t w = 0; w < COUNT(widths); w++) {
        try_attention(widths[w], 0.125, 0);
        try_attention(widths[w], 2, 0);
        try_attention(widths[w], -1, 0);
        try_attention(widths[w], 0.5, 3);
        try_attention(widths[w], 1, 30);
    }
}
END_TEST

START_TEST(ranges_beyond_the_row_are_cut)
{
    if (!use_table(_i))
        return;
    const int64_t low[] = { -3, 9, 2, 3 }, high[] = { 99, 12, -1, 2 };
    float lse[4], p[4 * 4] = { 0 };
    fast->attention_softmax(4, 4, p, 4, 1, 0, low, high, lse, false);
    for (int i = 0; i < 16; i++)
        ck_assert_float_eq(p[i], i < 4 ? 0.25f : 0);
}
END_TEST

/* ---- losses ---- */

static void try_losses(int64_t vocab, double cap, double scale)
{
    enum { ROWS = 6 };
    twin logits = twin_rows(ROWS, vocab), nll = twin_fill(ROWS, NAN), logp = twin_fill(ROWS, NAN);
    twin entropy = twin_fill(ROWS, NAN);
    twin dlogp = twin_random(ROWS, 1), dentropy = twin_random(ROWS, 1);
    int32_t targets[ROWS];
    float weights[ROWS];
    for (int64_t r = 0; r < ROWS; r++) {
        targets[r] = (int32_t)(r * 7 % vocab);
        weights[r] = (float)r - 1; /* -1, 0, 1, ... */
    }
    if (targets[2] % 3 == 1)
        targets[2]--; /* not a masked one */

    fast->logp(ROWS, vocab, logits.f, targets, cap, scale, logp.f, entropy.f);
    slow->logp(ROWS, vocab, logits.d, targets, cap, scale, logp.d, entropy.d);
    check_each("logp", &logp, 2e-6, 1e-6);
    check_each("entropy", &entropy, 5e-6, 2e-6);
    fast->logp(ROWS, vocab, logits.f, targets, cap, scale, nll.f, NULL);
    ck_assert_msg(!memcmp(nll.f, logp.f, ROWS * sizeof *nll.f), "without entropy");

    for (int k = 0; k < 2; k++) {
        twin z = twin_copy(&logits);
        fast->cross_entropy(ROWS, vocab, z.f, targets, k ? weights : NULL, cap, scale, nll.f);
        slow->cross_entropy(ROWS, vocab, z.d, targets, k ? weights : NULL, cap, scale, nll.d);
        check_each("nll", &nll, 2e-6, 1e-6);
        /* absolute: where a cap is reached, its slope is a difference */
        check_rows("dlogits", &z, vocab, 5e-6, 3e-7);
        twin_free(&z);
    }
    for (int k = 0; k < 4; k++) {
        twin z = twin_copy(&logits);
        fast->logp_grad(ROWS, vocab, z.f, targets, cap, scale, k & 1 ? dlogp.f : NULL,
                        k & 2 ? dentropy.f : NULL);
        slow->logp_grad(ROWS, vocab, z.d, targets, cap, scale, k & 1 ? dlogp.d : NULL,
                        k & 2 ? dentropy.d : NULL);
        /* the entropy's gradient cancels where the distribution is flat */
        check_each("logp_grad", &z, 1e-5, 2e-6 / scale);
        twin_free(&z);
    }
    twin *all[] = { &logits, &nll, &logp, &entropy, &dlogp, &dentropy };
    for (int64_t i = 0; i < COUNT(all); i++)
        twin_free(all[i]);
}

START_TEST(losses_and_their_gradients_agree)
{
    if (!use_table(_i))
        return;
    for (int64_t w = 0; w < COUNT(widths); w++) {
        try_losses(widths[w], 0, 1);
        try_losses(widths[w], 0, 0.7);
        try_losses(widths[w], 30, 1);
        try_losses(widths[w], 5, 1.5);
    }
    try_losses(32003, 0, 1);
}
END_TEST

START_TEST(the_gradient_of_a_certain_target_keeps_its_digits)
{
    float z[2] = { 12, 0 }, nll;
    const int32_t target = 0;
    if (!use_table(_i))
        return;
    fast->cross_entropy(1, 2, z, &target, NULL, 0, 1, &nll);
    double q = 1 / (1 + exp(12)); /* the other's probability */
    ck_assert_double_eq_tol(z[0], -q, 1e-6 * q + 2e-11);
    ck_assert_double_eq_tol(z[1], q, 1e-6 * q);
}
END_TEST

/* ---- the choice of a table ---- */

START_TEST(an_unknown_table_is_refused_with_the_names)
{
    hone_error err = { 0 };
    ck_assert_ptr_null(hone_kernels_find("avx1024", &err));
    ck_assert_int_eq(err.code, HONE_ENOTFOUND);
    ck_assert_msg(strstr(err.message, "'avx1024'") && strstr(err.message, "generic, reference"),
                  "%s", err.message);
    ck_assert_ptr_null(hone_kernels_find("", NULL));
}
END_TEST

START_TEST(the_table_chosen_unasked_is_of_floats)
{
    const hone_kernels *found = hone_kernels_find(NULL, NULL);
    ck_assert_ptr_nonnull(found);
    ck_assert_int_eq(found->dtype, HONE_F32);
    ck_assert_ptr_eq(hone_kernels_find(found->name, NULL), found);
    ck_assert_ptr_eq(hone_kernels_find("reference", NULL), &hone_kernels_reference);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels of rows");
    TCase *tcase = tcase_create("rows");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 300);
    add_tests(tcase, products_agree_in_every_shape);
    add_tests(tcase, long_products_agree);
    add_tests(tcase, a_row_among_few_does_not_depend_on_how_many);
    add_tests(tcase, norms_and_their_gradients_agree);
    add_tests(tcase, softmax_and_log_softmax_agree_also_in_place);
    add_tests(tcase, a_row_with_nan_stays_nan);
    add_tests(tcase, rotations_agree_and_the_inverse_undoes_them);
    add_tests(tcase, products_of_tiles_agree_in_every_shape);
    add_tests(tcase, attention_sees_only_its_columns);
    add_tests(tcase, ranges_beyond_the_row_are_cut);
    add_tests(tcase, losses_and_their_gradients_agree);
    add_tests(tcase, the_gradient_of_a_certain_target_keeps_its_digits);
    tcase_add_test(tcase, an_unknown_table_is_refused_with_the_names);
    tcase_add_test(tcase, the_table_chosen_unasked_is_of_floats);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
