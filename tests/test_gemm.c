/* test_gemm.c -- products of packed operands: against the naive table, and their bits. */
#include "kernels.h"

#include <hone/tensor.h>

static hone_context *context;
static hone_error err;

static void open_context(void)
{
    setup();
    context = support_context();
}

static void close_context(void)
{
    hone_context_free(context);
}

/* ---- kernels ---- */

static void try_packed(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, double beta)
{
    int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
    twin a = twin_random((ta ? k : m) * lda, 1), b = twin_random((tb ? n : k) * ldb, 1);
    twin c = twin_target(m * ldc, beta != 0);

    for (int64_t i = 0; i < m; i++) /* between the rows, nothing may change */
        for (int64_t j = n; j < ldc; j++)
            twin_set(&c, i * ldc + j, 77);
    by_packing(fast->packed, ta, tb, m, n, k, (float)alpha, a.f, lda, HONE_F32, b.f, ldb, (float)beta,
               c.f, ldc);
    slow->gemm(ta, tb, m, n, k, alpha, a.d, lda, b.d, ldb, beta, c.d, ldc);
    check_each("packed", &c, 1e-6, 1e-6 + 1.5e-7 * (double)k);
    twin_free(&a);
    twin_free(&b);
    twin_free(&c);
}

START_TEST(packed_products_agree_in_every_shape)
{
    static const int64_t ms[] = {1, 3, 8, 9, 10, 19, 65}, ns[] = {1, 8, 15, 24, 25, 47, 48, 49, 97};
    static const int64_t ks[] = {1, 2, 7, 16, 17, 33, 383, 384, 385, 801};
    if (!use_table(_i) || !fast->packed)
        return;
    for (int64_t m = 0; m < COUNT(ms); m++)
        for (int64_t n = 0; n < COUNT(ns); n++)
            for (int64_t k = 0; k < COUNT(ks); k++) {
                int t = (int)((m + n + k) % 4);
                try_packed(t & 1, t & 2, ms[m], ns[n], ks[k], t == 3 ? -0.5 : 1,
                           (double)((m + n) % 3) * 0.5);
            }
}
END_TEST

/* Products of few rows: the bits of packed ones; of bf16 weights, those of their values. */
static void try_few(bool deep, int64_t m, int64_t n, int64_t k, bool half, float beta)
{
    const hone_gemm *p = fast->packed;
    int64_t lda = k + 3, ldb = (deep ? k : n) + 1, ldc = n + 2, base = (n + m) % 2 ? ldc : 0;
    twin a = twin_random(m * lda, 1), b = twin_random((deep ? n : k) * ldb, 1);
    twin c = twin_fill(m * ldc, NAN), want = twin_random(m * ldc, 1);
    twin from = twin_random(m * ldc, 1);
    uint16_t *halves = malloc((size_t)b.n * sizeof *halves);
    float *rows = aligned_alloc(64, (size_t)up(up(m, 8) * k * 4, 64));

    ck_assert(halves && rows);
    for (int64_t i = 0; i < b.n; i++) {
        uint32_t u;
        memcpy(&u, &b.f[i], sizeof u);
        halves[i] = (uint16_t)(u >> 16);
        u &= half ? 0xffff0000u : UINT32_MAX;
        memcpy(&b.f[i], &u, sizeof u);
    }
    for (int64_t r = 0; r < m; r++)
        memcpy(want.f + r * ldc, from.f + r * base, (size_t)n * sizeof *want.f);
    by_packing(p, false, deep, m, n, k, 1, a.f, lda, HONE_F32, b.f, ldb, beta, want.f, ldc);
    p->pack_few(deep, m, k, a.f, lda, rows);
    p->multiply_few(deep, m, n, k, rows, half ? HONE_BF16 : HONE_F32,
                    half ? (const void *)halves : b.f, ldb, beta, from.f, base, c.f, ldc);
    for (int64_t r = 0; r < m; r++) {
        ck_assert_msg(!memcmp(c.f + r * ldc, want.f + r * ldc, (size_t)n * sizeof *c.f),
                      "%s: row %d of %d x %d x %d, deep %d, half %d", fast->name, (int)r, (int)m,
                      (int)n, (int)k, deep, half);
        ck_assert(isnan(c.f[r * ldc + n]));
    }
    free(halves);
    free(rows);
    twin *all[] = {&a, &b, &c, &want, &from};
    for (int64_t i = 0; i < COUNT(all); i++)
        twin_free(all[i]);
}

START_TEST(products_of_few_rows_have_the_bits_of_packed_ones)
{
    static const int64_t ms[] = {1, 2, 3, 5, 8, 9, 16, 21, 32}, ns[] = {1, 15, 24, 48, 49, 97, 400};
    static const int64_t ks[] = {1, 7, 16, 17, 127, 128, 130, 384, 385, 801};
    if (!use_table(_i) || !fast->packed)
        return;
    for (int64_t m = 0; m < COUNT(ms); m++)
        for (int64_t n = 0; n < COUNT(ns); n++)
            for (int64_t k = 0; k < COUNT(ks); k++) {
                int t = (int)((m + n + k) % 4);
                try_few(t & 1, ms[m], ns[n], ks[k], t & 2, (float)((m + n) % 3) * 0.5f);
            }
    ck_assert_int_ge(fast->packed->few, 32);
}
END_TEST

START_TEST(a_base_row_is_added_to_every_row)
{
    enum { M = 21, N = 70, K = 5 };
    twin a, b, base, c, want;
    if (!use_table(_i) || !fast->packed)
        return;
    a = twin_random(M * K, 1), b = twin_random(K * N, 1), base = twin_random(N, 1);
    c = twin_fill(M * N, NAN), want = twin_fill(M * N, 0);
    char *pa = aligned_alloc(64, (size_t)up(up(M, fast->packed->rows) * K * 4, 64));
    char *pb = aligned_alloc(64, (size_t)up(up(N, fast->packed->columns) * K * 4, 64));
    ck_assert(pa && pb);
    fast->packed->pack_a(M, K, true, HONE_F32, a.f, K, pa);
    fast->packed->pack_b(N, K, false, HONE_F32, b.f, N, pb);
    fast->packed->multiply(M, N, K, pa, pb, 1, 1, base.f, 0, c.f, N);
    slow->gemm(false, false, M, N, K, 1, a.d, K, b.d, N, 0, want.d, N);
    for (int64_t i = 0; i < M * N; i++)
        c.d[i] = want.d[i] + base.d[i % N];
    check_each("with a base", &c, 1e-6, 1e-6);
    free(pa);
    free(pb);
    twin *all[] = {&a, &b, &base, &c, &want};
    for (int64_t i = 0; i < COUNT(all); i++)
        twin_free(all[i]);
}
END_TEST

/* ---- bf16 ---- */

/* To nearest even. */
static uint16_t to_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static float of_bf16(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* What a processor has: vectors, and matrix tiles. */
static int64_t bf16_products(const hone_gemm *out[2])
{
    int64_t count = 0;
    (void)out;
#if defined __x86_64__
    const hone_kernels *table = hone_kernels_find("avx512", NULL);
    const hone_gemm *best = table ? hone_kernels_bf16(table) : NULL;
    if (best && best != &hone_gemm_bf16_vectors)
        out[count++] = best;
    if (best)
        out[count++] = &hone_gemm_bf16_vectors;
#endif
    if (!count)
        printf("skip bf16: this processor lacks it\n");
    return count;
}

/* The product of rounded operands is exact but for the order of its sums; b is given as
 * stored bf16, or as the f32 that rounds to it. */
static void try_bf16(const hone_gemm *p, bool ta, bool tb, bool stored, int64_t m, int64_t n,
                     int64_t k, float beta)
{
    int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
    size_t deep = (size_t)p->depth * p->width;
    twin a = twin_random((ta ? k : m) * lda, 1), b = twin_random((tb ? n : k) * ldb, 1);
    twin c = twin_target(m * ldc, beta != 0);
    char *pa = aligned_alloc(64, (size_t)up(m, p->rows) * deep);
    char *pb = aligned_alloc(64, (size_t)up(n, p->columns) * deep);
    uint16_t *halves = malloc((size_t)b.n * sizeof *halves);

    ck_assert(pa && pb && halves);
    for (int64_t i = 0; i < a.n; i++)
        a.d[i] = of_bf16(to_bf16(a.f[i]));
    for (int64_t i = 0; i < b.n; i++)
        b.d[i] = of_bf16(halves[i] = to_bf16(b.f[i]));
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = n; j < ldc; j++)
            twin_set(&c, i * ldc + j, 77);
    for (int64_t q = 0, d; q < k; q += d) {
        int64_t at = tb ? q : q * ldb;
        d = k - q < p->depth ? k - q : p->depth;
        p->pack_a(m, d, !ta, HONE_F32, a.f + (ta ? q * lda : q), lda, pa);
        p->pack_b(n, d, tb, stored ? HONE_BF16 : HONE_F32,
                  stored ? (const void *)(halves + at) : (const void *)(b.f + at), ldb, pb);
        p->multiply(m, n, up(d, p->unit), pa, pb, 1, q ? 1.0f : beta, c.f, ldc, c.f, ldc);
    }
    slow->gemm(ta, tb, m, n, k, 1, a.d, lda, b.d, ldb, beta, c.d, ldc);
    check_each(p->name, &c, 1e-6, 1e-6 + 2e-7 * (double)k);
    free(pa);
    free(pb);
    free(halves);
    twin_free(&a);
    twin_free(&b);
    twin_free(&c);
}

START_TEST(bf16_products_agree_with_rounded_operands)
{
    static const int64_t ms[] = {1, 8, 15, 17, 33, 64}, ns[] = {1, 16, 31, 50, 97};
    static const int64_t ks[] = {1, 2, 31, 32, 33, 65, 511, 513};
    const hone_gemm *products[2];
    int64_t count = bf16_products(products);

    fast = slow = &hone_kernels_reference;
    for (int64_t p = 0; p < count; p++)
        for (int64_t m = 0; m < COUNT(ms); m++)
            for (int64_t n = 0; n < COUNT(ns); n++)
                for (int64_t k = 0; k < COUNT(ks); k++) {
                    int t = (int)((m + n + k) % 8);
                    try_bf16(products[p], t & 1, t & 2, t & 4, ms[m], ns[n], ks[k],
                             (float)((m + n) % 3) * 0.5f);
                }
}
END_TEST

/* ---- products of a graph ---- */

static hone_tensor *leaf(int64_t rows, int64_t cols, const float *values)
{
    hone_tensor *t;
    ck_ok(hone_tensor_new(&t, HONE_F32, 2, (int64_t[]){rows, cols}, &err));
    memcpy(hone_tensor_data(t), values, (size_t)(rows * cols) * sizeof *values);
    hone_tensor_require_grad(t, true);
    return t;
}

/* The product of a [m, k] and b, and the gradients of sum(y^2) / 2, as one run of floats;
 * malloc'ed. b is [k, n], or [n, k] transposed. */
static float *product(int threads, const char *kernels, int64_t m, int64_t n, int64_t k, bool tb,
                      const float *a, const float *b)
{
    hone_graph_options options = {.record = true};
    hone_tensor *x = leaf(m, k, a), *w = leaf(tb ? n : k, tb ? k : n, b), *y, *loss;
    float *out = malloc((size_t)(m * n + m * k + n * k) * sizeof *out);
    hone_graph *g;

    ck_assert(out);
    ck_ok(hone_context_set_threads(context, threads, &err));
    ck_ok(hone_graph_new(&g, context, kernels, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    y = hone_matmul(g, x, w, tb);
    loss = hone_sum(g, hone_affine(g, hone_mul(g, y, y), 0.5, 0));
    ck_ok(hone_graph_error(g, &err));
    memcpy(out, hone_tensor_bytes(y), (size_t)(m * n) * sizeof *out);
    ck_ok(hone_graph_backward(g, loss, 1, &err));
    memcpy(out + m * n, hone_tensor_bytes(hone_tensor_grad(x)), (size_t)(m * k) * sizeof *out);
    memcpy(out + m * n + m * k, hone_tensor_bytes(hone_tensor_grad(w)),
           (size_t)(n * k) * sizeof *out);
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
    hone_tensor_free(x);
    hone_tensor_free(w);
    return out;
}

START_TEST(threads_do_not_change_a_bit)
{
    static const int64_t shapes[][3] = {{17, 5, 40}, {100, 300, 500}, {257, 130, 1000}};
    if (!use_table(_i))
        return;
    for (int64_t s = 0; s < COUNT(shapes); s++)
        for (int tb = 0; tb < 2; tb++) {
            int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
            twin a = twin_random(m * k, 1), b = twin_random(n * k, 1);
            float *one = product(1, tables[_i], m, n, k, tb, a.f, b.f);
            for (int threads = 2; threads < 4; threads++) {
                float *more = product(threads, tables[_i], m, n, k, tb, a.f, b.f);
                ck_assert_msg(!memcmp(one, more, (size_t)(m * n + m * k + n * k) * sizeof *one),
                              "%s, %d threads", tables[_i], threads);
                free(more);
            }
            free(one);
            twin_free(&a);
            twin_free(&b);
        }
}
END_TEST

START_TEST(a_row_does_not_depend_on_the_others)
{
    enum { N = 210, K = 900, MOST = 420 };
    static const int64_t counts[] = {1, 2, 5, 16, 17, 31, 32, 33, 64, 211, MOST};
    if (!use_table(_i) || !fast->packed)
        return;
    twin a = twin_random(MOST * K, 1), b = twin_random(N * K, 1);
    for (int tb = 0; tb < 2; tb++) {
        float *all = product(2, tables[_i], MOST, N, K, tb, a.f, b.f);
        for (int64_t c = 0; c < COUNT(counts); c++)
            for (int64_t from = 0; from + counts[c] <= MOST; from += 101) {
                int64_t m = counts[c];
                float *some = product(2, tables[_i], m, N, K, tb, a.f + from * K, b.f);
                ck_assert_msg(!memcmp(some, all + from * N, (size_t)(m * N) * sizeof *some),
                              "%s: rows %lld to %lld, tb %d", tables[_i], (long long)from,
                              (long long)(from + m), tb);
                /* the gradient of a row, too */
                ck_assert(!memcmp(some + m * N, all + MOST * N + from * K,
                                  (size_t)(m * K) * sizeof *some));
                free(some);
            }
        free(all);
    }
    twin_free(&a);
    twin_free(&b);
}
END_TEST

START_TEST(float_tables_with_fused_multiply_add_agree_in_bits)
{
    enum { M = 50, N = 75, K = 800 };
    if (!hone_kernels_find("avx512", NULL))
        return;
    twin a = twin_random(M * K, 1), b = twin_random(N * K, 1);
    float *wide = product(2, "avx512", M, N, K, true, a.f, b.f);
    float *narrow = product(2, "avx2", M, N, K, true, a.f, b.f);
    ck_assert(!memcmp(wide, narrow, (size_t)(M * N) * sizeof *wide));
    free(wide);
    free(narrow);
    twin_free(&a);
    twin_free(&b);
}
END_TEST

/* Hidden states of segments of random tokens, packed into one batch. */
static twin hidden(hone_model *model, hone_graph *g, const int64_t *lengths, int64_t segments)
{
    hone_batch *batch;
    ck_ok(hone_batch_new(&batch, &err));
    for (int64_t s = 0; s < segments; s++) {
        int32_t ids[256];
        float weights[256];
        for (int64_t i = 0; i < lengths[s]; i++) {
            ids[i] = (int32_t)((i * i * 7 + lengths[s]) % 50);
            weights[i] = 1;
        }
        ck_ok(hone_batch_add(batch, ids, weights, lengths[s], &err));
    }
    ck_ok(hone_graph_begin(g, NULL, &err));
    hone_tensor *out = hone_model_hidden(model, g, batch, NULL);
    ck_ok(hone_graph_error(g, &err));
    twin t = twin_new(hone_tensor_count(out));
    memcpy(t.f, hone_tensor_bytes(out), (size_t)t.n * sizeof *t.f);
    ck_ok(hone_graph_end(g, &err));
    hone_batch_free(batch);
    return t;
}

START_TEST(packed_sequences_have_the_bits_of_each_alone)
{
    static const int64_t lengths[] = {30, 111, 18, 65, 2, 7};
    static const char *const configs[] = {
        "{'model_type': 'gpt2', 'n_layer': 2, 'n_head': 4, 'n_embd': 64, 'vocab_size': 50,"
        " 'n_positions': 128, 'activation_function': 'gelu_new', 'layer_norm_epsilon': 1e-5}",
        "{'model_type': 'llama', 'num_hidden_layers': 2, 'num_attention_heads': 4,"
        " 'num_key_value_heads': 2, 'hidden_size': 64, 'intermediate_size': 100, 'vocab_size': 50,"
        " 'max_position_embeddings': 128, 'rms_norm_eps': 1e-5, 'hidden_act': 'silu'}",
    };
    if (!use_table(_i) || !fast->packed)
        return;
    for (int64_t c = 0; c < COUNT(configs); c++)
        for (int half = 0; half < 2; half++) {
            hone_model_options options = {.precision = half ? "bf16" : "f32"};
            hone_json *config = support_json(configs[c]);
            hone_model *model;
            hone_graph *g;
            ck_ok(hone_model_new(&model, context, config, &options, 3, &err));
            ck_ok(hone_graph_new(&g, context, tables[_i], &err));
            int64_t segments = COUNT(lengths), at = 0;
            twin together = hidden(model, g, lengths, segments);
            for (int64_t s = 0; s < segments; s++) {
                twin alone = hidden(model, g, &lengths[s], 1);
                ck_assert_msg(!memcmp(alone.f, together.f + at, (size_t)alone.n * sizeof *alone.f),
                              "%s, config %d, segment %d, half %d", tables[_i], (int)c, (int)s,
                              half);
                at += alone.n;
                twin_free(&alone);
            }
            ck_assert_int_eq(at, together.n);
            twin_free(&together);
            hone_graph_free(g);
            hone_model_free(model);
            hone_json_free(config);
        }
}
END_TEST

/* Sides and depths beyond what is packed at once. */
START_TEST(large_products_go_in_turns)
{
    static const int64_t shapes[][3] = {{4200, 4300, 3}, {520, 530, 8200}};
    if (!use_table(_i) || !fast->packed)
        return;
    for (int64_t s = 0; s < COUNT(shapes); s++) {
        int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        twin a = twin_random(m * k, 1), b = twin_random(n * k, 1);
        hone_graph *g;
        hone_tensor *x = leaf(m, k, a.f), *w = leaf(n, k, b.f);
        ck_ok(hone_graph_new(&g, context, tables[_i], &err));
        ck_ok(hone_graph_begin(g, NULL, &err));
        const float *y = hone_tensor_bytes(hone_matmul(g, x, w, true));
        ck_ok(hone_graph_error(g, &err));
        for (int64_t i = 0; i < m; i += 97)
            for (int64_t j = i % 89; j < n; j += 89)
                check_one("y", i * n + j, y[i * n + j], slow->dot(k, a.d + i * k, b.d + j * k),
                          2e-7 * (double)k + 1e-6);
        ck_ok(hone_graph_end(g, &err));
        hone_graph_free(g);
        hone_tensor_free(x);
        hone_tensor_free(w);
        twin_free(&a);
        twin_free(&b);
    }
}
END_TEST

START_TEST(a_product_without_memory_is_an_error_and_leaks_nothing)
{
    enum { M = 60, N = 70, K = 80 };
    int64_t before;
    int code = HONE_ENOMEM;
    if (!use_table(_i))
        return;
    twin a = twin_random(M * K, 1), b = twin_random(N * K, 1);
    hone_tensor *x = leaf(M, K, a.f), *w = leaf(N, K, b.f);
    before = hone_alloc_live();
    for (uint64_t nth = 1; code != HONE_OK; nth++) {
        hone_graph *g;
        ck_ok(hone_graph_new(&g, context, tables[_i], &err));
        ck_ok(hone_graph_begin(g, NULL, &err));
        hone_alloc_fail_after(nth);
        hone_matmul(g, x, w, true);
        hone_alloc_fail_after(0);
        code = hone_graph_end(g, &err);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        ck_assert_uint_lt(nth, 100);
        hone_graph_free(g);
        ck_assert_int_eq(hone_alloc_live(), before);
    }
    hone_tensor_free(x);
    hone_tensor_free(w);
    twin_free(&a);
    twin_free(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gemm");
    TCase *tcase = tcase_create("packed products");
    tcase_add_checked_fixture(tcase, open_context, close_context);
    tcase_set_timeout(tcase, 300);
    add_tests(tcase, packed_products_agree_in_every_shape);
    add_tests(tcase, products_of_few_rows_have_the_bits_of_packed_ones);
    add_tests(tcase, a_base_row_is_added_to_every_row);
    add_tests(tcase, threads_do_not_change_a_bit);
    add_tests(tcase, a_row_does_not_depend_on_the_others);
    add_tests(tcase, packed_sequences_have_the_bits_of_each_alone);
    add_tests(tcase, large_products_go_in_turns);
    add_tests(tcase, a_product_without_memory_is_an_error_and_leaks_nothing);
    tcase_add_test(tcase, bf16_products_agree_with_rounded_operands);
    tcase_add_test(tcase, float_tables_with_fused_multiply_add_agree_in_bits);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
