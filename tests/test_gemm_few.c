/* test_gemm_few.c -- products of few rows of bf16 numbers: the bits of packed ones, so that
 * a row, a sequence or a sample is the same alone and in company. */
#include "kernels.h"

#include <hone/hone.h>

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

/* ---- kernels ---- */

/* Both operands of a product, b as f32 or as bf16; exact sizes, so that a sanitizer sees one
 * step too far. */
typedef struct operands {
    bool deep, stored;
    int64_t m, n, k, lda, ldb, ldc;
    twin a, b, from; /* from: what is added */
    uint16_t *halves;
} operands;

static operands operands_new(bool deep, bool stored, int64_t m, int64_t n, int64_t k, int64_t pad)
{
    operands o = {.deep = deep, .stored = stored, .m = m, .n = n, .k = k, .lda = k + pad,
                  .ldb = (deep ? k : n) + pad, .ldc = n + 2};

    o.a = twin_random(m * o.lda, 1);
    o.b = twin_random((deep ? n : k) * o.ldb, 1);
    o.from = twin_random(m * o.ldc, 1);
    ck_assert((o.halves = malloc((size_t)o.b.n * sizeof *o.halves)));
    for (int64_t i = 0; i < o.b.n; i++) {
        uint32_t u;
        memcpy(&u, &o.b.f[i], sizeof u);
        o.halves[i] = (uint16_t)(u >> 16);
    }
    return o;
}

static void operands_free(operands *o)
{
    free(o->halves);
    twin_free(&o->a);
    twin_free(&o->b);
    twin_free(&o->from);
}

static const void *operands_b(const operands *o, int64_t at)
{
    return o->stored ? (const void *)(o->halves + at) : (const void *)(o->b.f + at);
}

static void operands_pack(const hone_gemm *p, const operands *o, float beta, float *c)
{
    by_packing(p, false, o->deep, o->m, o->n, o->k, 1, o->a.f, o->lda,
               o->stored ? HONE_BF16 : HONE_F32, operands_b(o, 0), o->ldb, beta, c, o->ldc);
}

/* base: elements between rows of what is added; 0: one row for all. */
static void by_few(const hone_gemm *p, const operands *o, int64_t m, float beta, int64_t base,
                   float *c)
{
    size_t size = (size_t)(up(m, p->few_rows) * up(o->k, p->unit)) * p->width;
    char *rows = aligned_alloc(64, (size_t)up((int64_t)size, 64));

    ck_assert(rows);
    p->pack_few(o->deep, m, o->k, o->a.f, o->lda, rows);
    p->multiply_few(o->deep, m, o->n, o->k, rows, o->stored ? HONE_BF16 : HONE_F32,
                    operands_b(o, 0), o->ldb, beta, o->from.f, base, c, o->ldc);
    free(rows);
}

static void check_bits(const hone_gemm *p, const operands *o, int64_t m, const float *got,
                       const float *want)
{
    for (int64_t r = 0; r < m; r++) {
        ck_assert_msg(!memcmp(got + r * o->ldc, want + r * o->ldc, (size_t)o->n * sizeof *got),
                      "%s: row %d of %d x %d x %d, deep %d, stored %d", p->name, (int)r, (int)m,
                      (int)o->n, (int)o->k, o->deep, o->stored);
        ck_assert(isnan(got[r * o->ldc + o->n])); /* between the rows, nothing changes */
    }
}

/* Every number of rows, against the packed product of all. */
static void try_rows(const hone_gemm *p, operands *o, float beta, int64_t base)
{
    twin want = twin_random(o->m * o->ldc, 1);

    for (int64_t r = 0; r < o->m; r++)
        memcpy(want.f + r * o->ldc, o->from.f + r * base, (size_t)o->n * sizeof *want.f);
    operands_pack(p, o, beta, want.f);
    for (int64_t m = 1; m <= o->m; m++) {
        twin c = twin_fill(m * o->ldc, NAN);
        by_few(p, o, m, beta, base, c.f);
        check_bits(p, o, m, c.f, want.f);
        twin_free(&c);
    }
    twin_free(&want);
}

START_TEST(any_number_of_rows_has_the_bits_of_packed_ones)
{
    const hone_gemm *products[2];
    int64_t count = bf16_products(products);

    for (int64_t p = 0; p < count; p++) {
        ck_assert_int_ge(products[p]->few, 32);
        for (int t = 0; t < 4; t++) {
            operands o = operands_new(t & 1, t & 2, products[p]->few, 70, 200, t == 3 ? 0 : 1);
            try_rows(products[p], &o, 0.5f, t & 1 ? o.ldc : 0);
            operands_free(&o);
        }
    }
}
END_TEST

START_TEST(odd_sizes_have_the_bits_of_packed_ones)
{
    static const int64_t ms[] = {1, 16, 31}, ns[] = {1, 15, 16, 17, 32, 33, 64, 97, 290};
    static const int64_t ks[] = {1, 2, 31, 32, 33, 127, 128, 160, 511, 512, 513, 1100};
    const hone_gemm *products[2];
    int64_t count = bf16_products(products);

    for (int64_t p = 0; p < count; p++)
        for (int64_t n = 0; n < COUNT(ns); n++)
            for (int64_t k = 0; k < COUNT(ks); k++)
                for (int t = 0; t < 4; t++) {
                    int64_t m = ms[(n + k + t) % COUNT(ms)], kind = (n + k) % 3;
                    operands o = operands_new(t & 1, t & 2, m, ns[n], ks[k], kind);
                    twin c = twin_fill(m * o.ldc, NAN), want = twin_copy(&o.from);
                    float beta = (float)kind * 0.5f;
                    operands_pack(products[p], &o, beta, want.f);
                    by_few(products[p], &o, m, beta, o.ldc, c.f);
                    check_bits(products[p], &o, m, c.f, want.f);
                    operands_free(&o);
                    twin_free(&c);
                    twin_free(&want);
                }
}
END_TEST

/* What lies beyond the end of k, or of the rows, is not multiplied with zeros. */
START_TEST(infinities_beside_the_weights_do_no_harm)
{
    enum { M = 5, N = 40, K = 37, PAD = 11 };
    const hone_gemm *products[2];
    int64_t count = bf16_products(products);

    for (int64_t p = 0; p < count; p++)
        for (int t = 0; t < 4; t++) {
            operands o = operands_new(t & 1, t & 2, M, N, K, PAD);
            twin c = twin_fill(M * o.ldc, NAN);
            int64_t rows = o.deep ? N : K;
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = o.ldb - PAD; j < o.ldb; j++) {
                    twin_set(&o.b, i * o.ldb + j, INFINITY);
                    o.halves[i * o.ldb + j] = 0x7f80;
                }
            by_few(products[p], &o, M, 0, 0, c.f);
            for (int64_t i = 0; i < M * N; i++)
                ck_assert_msg(isfinite(c.f[i / N * o.ldc + i % N]), "%s, deep %d, stored %d",
                              products[p]->name, o.deep, o.stored);
            operands_free(&o);
            twin_free(&c);
        }
}
END_TEST

/* ---- models ---- */

static const char *const configs[] = {
    "{'model_type': 'gpt2', 'n_layer': 2, 'n_head': 4, 'n_embd': 64, 'vocab_size': 90,"
    " 'n_positions': 128, 'activation_function': 'gelu_new', 'layer_norm_epsilon': 1e-5}",
    "{'model_type': 'llama', 'num_hidden_layers': 2, 'num_attention_heads': 4,"
    " 'num_key_value_heads': 2, 'hidden_size': 64, 'intermediate_size': 100, 'vocab_size': 90,"
    " 'max_position_embeddings': 128, 'rms_norm_eps': 1e-5, 'hidden_act': 'silu'}",
};

static hone_model *model_of(int config, bool stored)
{
    hone_model_options options = {.precision = "bf16", .dtype = stored ? "bf16" : "f32"};
    hone_json *json = support_json(configs[config]);
    hone_model *model;

    ck_ok(hone_model_new(&model, context, json, &options, 3, &err));
    hone_json_free(json);
    return model;
}

#define PROMPTS 10
#define SAMPLES 4

/* Samples of prompts of 1, 5, 9 ... tokens. */
static hone_samples *samples_of(hone_model *model, int64_t batch)
{
    hone_generate_options options = hone_generate_defaults();
    hone_prompt prompts[PROMPTS];
    int32_t ids[PROMPTS][4 * PROMPTS];
    hone_samples *samples;

    for (int64_t p = 0; p < PROMPTS; p++) {
        for (int64_t i = 0; i < 4 * p + 1; i++)
            ids[p][i] = (int32_t)((7 * i + 11 * p) % 90);
        prompts[p] = (hone_prompt){.tokens = ids[p], .count = 4 * p + 1};
    }
    options.batch = batch;
    options.samples = SAMPLES;
    options.max_tokens = 8;
    options.temperature = 1;
    options.ignore_eos = true;
    ck_ok(hone_generate(&samples, model, prompts, PROMPTS, &options, NULL, NULL, &err));
    return samples;
}

START_TEST(a_sample_in_bf16_is_the_same_alone_and_among_forty)
{
    static const int64_t batches[] = {5, 16, 40};
    hone_model *model = model_of(_i / 2, _i % 2);
    hone_samples *alone = samples_of(model, 1);

    ck_assert_uint_eq(hone_samples_count(alone), PROMPTS * SAMPLES);
    for (int64_t b = 0; b < COUNT(batches); b++) {
        hone_samples *some = samples_of(model, batches[b]);
        for (size_t i = 0; i < PROMPTS * SAMPLES; i++) {
            const hone_sample *x = hone_samples_at(alone, i), *y = hone_samples_at(some, i);
            ck_assert_int_eq(x->response_tokens, 8);
            ck_assert_int_eq(y->response_tokens, 8);
            ck_assert_mem_eq(x->tokens, y->tokens,
                             (size_t)(x->prompt_tokens + 8) * sizeof *x->tokens);
            ck_assert_mem_eq(x->logp, y->logp, 8 * sizeof *x->logp);
        }
        hone_samples_free(some);
    }
    hone_samples_free(alone);
    hone_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gemm of few rows");
    TCase *tcase = tcase_create("bf16");
    tcase_add_checked_fixture(tcase, open_context, close_context);
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, any_number_of_rows_has_the_bits_of_packed_ones);
    tcase_add_test(tcase, odd_sizes_have_the_bits_of_packed_ones);
    tcase_add_test(tcase, infinities_beside_the_weights_do_no_harm);
    tcase_add_loop_test(tcase, a_sample_in_bf16_is_the_same_alone_and_among_forty, 0, 4);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
