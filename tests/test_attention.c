/* test_attention.c -- attention of segments of many rows, as tiles compute it: values and
 * gradients of every float table are those of the reference; bits depend on a segment
 * alone; a cache goes on where it stopped. Trees of segments: test_branch.c. */
#include "gradient.h"

#include <math.h>
#include <string.h>

static hone_error err;
static hone_context *context;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

/* Segments one after another, each of so many rows (0: no more). */
struct sight {
    int64_t d, length[8];
    hone_attention_spec spec;
};

/* Blocks of the products with and without a rest, rows of several tiles, few rows; all
 * that changes what is seen. */
static const struct sight sights[] = {
    { 64, { 160, 17, 3 }, { .heads = 3, .kv_heads = 1 } },
    { 20, { 73, 64, 100 }, { .heads = 2, .kv_heads = 2 } },
    { 7, { 150 }, { .heads = 2, .kv_heads = 1, .window = 30 } },
    { 33, { 90, 49 }, { .heads = 2, .kv_heads = 2, .mask = HONE_FULL } },
    { 80, { 100 }, { .heads = 1, .kv_heads = 1, .mask = HONE_FULL, .window = 40, .scale = 0.3 } },
    { 16, { 130, 48 }, { .heads = 4, .kv_heads = 2, .soft_cap = 1.5, .scale = 1 } },
    { 128, { 75 }, { .heads = 1, .kv_heads = 1, .soft_cap = 5, .window = 1 } },
    { 48, { 31, 97 }, { .heads = 2, .kv_heads = 1, .window = 60, .scale = -0.2 } },
};
#define SIGHTS ((int)(sizeof sights / sizeof *sights))

/* What attention gives, and the gradients of a weighted sum of it, in one array. */
struct seen {
    int64_t rows, width[4];
    hone_tensor *all[4]; /* y, dq, dk, dv */
};

/* Rows [first, first + rows) of the same random numbers for whoever asks. */
static hone_tensor *numbers(hone_graph *g, const char *name, int64_t first, int64_t rows,
                            int64_t width)
{
    hone_random random = hone_random_named(11, name);
    hone_tensor *t = hone_graph_tensor(g, 2, (int64_t[]){ rows, width });

    for (int64_t i = 0; i < (first + rows) * width; i++) {
        double x = (float)hone_random_normal(&random);
        if (i >= first * width)
            hone_tensor_set(t, i - first * width, x);
    }
    return t;
}

/* Segments [from, to) of a sight. */
static struct seen look(const char *kernels, const struct sight *sight, int from, int to)
{
    static const int32_t tokens[256] = { 0 };
    static const char *const names[3] = { "q", "k", "v" };
    struct seen seen = { 0 };
    int64_t first = 0;
    hone_batch *batch = NULL;
    hone_tensor *x[3], *y;
    hone_graph *g;

    ck_ok(hone_graph_new(&g, context, kernels, &err));
    ck_ok(hone_graph_begin(g, &(hone_graph_options){ .record = true }, &err));
    ck_ok(hone_batch_new(&batch, &err));
    for (int i = 0; i < to; i++) {
        if (i < from)
            first += sight->length[i];
        else
            ck_ok(hone_batch_add(batch, tokens, NULL, sight->length[i], &err));
    }
    seen.rows = hone_batch_tokens(batch);
    for (int i = 0; i < 3; i++) {
        int64_t heads = i ? sight->spec.kv_heads : sight->spec.heads;
        x[i] = numbers(g, names[i], first, seen.rows, heads * sight->d);
        hone_tensor_require_grad(x[i], true);
    }
    y = hone_attention(g, x[0], x[1], x[2], batch, NULL, &sight->spec);
    ck_assert_ptr_nonnull(y);
    hone_tensor *w = numbers(g, "weights", first, seen.rows, hone_tensor_extent(y, 1));
    ck_ok(hone_graph_backward(g, hone_sum(g, hone_mul(g, y, w)), 1, &err));
    seen.all[0] = hone_tensor_ref(y);
    for (int i = 0; i < 3; i++)
        seen.all[i + 1] = hone_tensor_ref(hone_tensor_grad(x[i]));
    for (int i = 0; i < 4; i++)
        seen.width[i] = hone_tensor_extent(seen.all[i], 1);
    hone_batch_free(batch);
    ck_ok(hone_graph_end(g, &err));
    hone_graph_free(g);
    return seen;
}

static void forget(struct seen *seen)
{
    for (int i = 0; i < 4; i++)
        hone_tensor_free(seen->all[i]);
}

static int segments(const struct sight *sight)
{
    int n = 0;

    while (sight->length[n])
        n++;
    return n;
}

START_TEST(values_and_gradients_are_those_of_the_reference)
{
    const struct sight *sight = &sights[_i];
    struct seen expected = look("reference", sight, 0, segments(sight));

    for (const char *const *t = gradient_tables(context); *t; t++) {
        struct seen got = look(*t, sight, 0, segments(sight));
        for (int i = 0; i < 4; i++)
            for (int64_t j = 0; j < got.rows * got.width[i]; j++) {
                double a = hone_tensor_get(got.all[i], j), b = hone_tensor_get(expected.all[i], j);
                ck_assert_msg(fabs(a - b) <= 2e-5 * (1 + fabs(b)),
                              "%s, array %d, row %d, column %d: %.9g, reference %.9g", *t, i,
                              (int)(j / got.width[i]), (int)(j % got.width[i]), a, b);
            }
        forget(&got);
    }
    forget(&expected);
}
END_TEST

static void ck_same_bits(const struct seen *all, int64_t first, const struct seen *part)
{
    for (int i = 0; i < 4; i++) {
        size_t row = (size_t)all->width[i] * sizeof(float);
        const char *bytes = hone_tensor_bytes(all->all[i]);
        ck_assert_mem_eq(bytes + (size_t)first * row, hone_tensor_bytes(part->all[i]),
                         (size_t)part->rows * row);
    }
}

START_TEST(a_segment_has_the_bits_that_it_has_alone)
{
    const struct sight *sight = &sights[_i];

    for (const char *const *t = gradient_tables(context); *t; t++) {
        struct seen all = look(*t, sight, 0, segments(sight));
        int64_t first = 0;
        for (int s = 0; s < segments(sight); s++) {
            struct seen one = look(*t, sight, s, s + 1);
            ck_same_bits(&all, first, &one);
            first += one.rows;
            forget(&one);
        }
        forget(&all);
    }
}
END_TEST

START_TEST(threads_do_not_change_a_bit)
{
    static const struct sight sight = { 32, { 250, 250, 100 }, { .heads = 4, .kv_heads = 2 } };

    for (const char *const *t = gradient_tables(context); *t; t++) {
        ck_ok(hone_context_set_threads(context, 1, &err));
        struct seen one = look(*t, &sight, 0, 3);
        ck_ok(hone_context_set_threads(context, 3, &err));
        struct seen three = look(*t, &sight, 0, 3);
        ck_same_bits(&one, 0, &three);
        forget(&one);
        forget(&three);
    }
}
END_TEST

/* ---- the cache ---- */

enum { TOKENS = 150, HEADS = 4, KV_HEADS = 2, D = 20 };

/* Attention of tokens [from, to) in slot `slot`. */
static hone_tensor *go_on(hone_graph *g, hone_cache *cache, int32_t slot, int64_t window,
                          int64_t from, int64_t to)
{
    static const int32_t tokens[TOKENS] = { 0 };
    hone_attention_spec spec = { .heads = HEADS, .kv_heads = KV_HEADS, .window = window };
    hone_batch *batch = NULL;
    hone_tensor *y;

    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_continue(batch, slot, from, tokens, to - from, true, &err));
    y = hone_attention(g, numbers(g, "q", from, to - from, HEADS * D),
                       numbers(g, "k", from, to - from, KV_HEADS * D),
                       numbers(g, "v", from, to - from, KV_HEADS * D), batch, cache, &spec);
    ck_assert_ptr_nonnull(y);
    hone_batch_free(batch);
    return y;
}

/* In one piece, and in pieces of many rows, of few and of one, across the cache's blocks. */
START_TEST(a_slot_goes_on_in_pieces_of_any_length)
{
    static const int64_t cuts[][6] = { { 0, 75, TOKENS }, { 0, 5, 45, 46, 130, TOKENS },
                                       { 0, 33, 64, 96, 97, TOKENS }, { 0, 1, 18, TOKENS } };
    static const int64_t windows[] = { 0, 3, 40, 100 };

    for (const char *const *t = gradient_tables(context); *t; t++) {
        hone_cache *cache = NULL;
        hone_graph *g;
        ck_ok(hone_graph_new(&g, context, *t, &err));
        ck_ok(hone_cache_new(&cache, 2, TOKENS, &err));
        ck_ok(hone_graph_begin(g, &(hone_graph_options){ 0 }, &err));
        hone_tensor *whole = go_on(g, cache, 0, windows[_i], 0, TOKENS);
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
            hone_cache_clear(cache, 1);
            for (int p = 0; p < 5 && cuts[c][p] < TOKENS; p++) {
                int64_t from = cuts[c][p], n = cuts[c][p + 1] - from;
                hone_tensor *y = go_on(g, cache, 1, windows[_i], from, from + n);
                for (int64_t i = 0; i < n * HEADS * D; i++)
                    ck_assert_double_eq_tol(hone_tensor_get(y, i),
                                            hone_tensor_get(whole, from * HEADS * D + i), 2e-6);
            }
        }
        ck_ok(hone_graph_end(g, &err));
        hone_cache_free(cache);
        hone_graph_free(g);
    }
}
END_TEST

/* ---- memory ---- */

START_TEST(tiles_survive_every_allocation_that_fails)
{
    static const int32_t tokens[90] = { 0 };
    hone_attention_spec spec = { .heads = 4, .kv_heads = 2, .soft_cap = 2 };
    hone_batch *batch = NULL;
    int failures = 0;

    ck_ok(hone_batch_new(&batch, &err));
    ck_ok(hone_batch_add(batch, tokens, NULL, 90, &err));
    ck_ok(hone_batch_branch(batch, 0, tokens, NULL, 20, &err));
    for (uint64_t n = 1; n < 60; n++) {
        hone_tensor *x[3], *y;
        hone_graph *g;
        ck_ok(hone_graph_new(&g, context, NULL, &err));
        ck_ok(hone_graph_begin(g, &(hone_graph_options){ .record = true }, &err));
        for (int i = 0; i < 3; i++) {
            x[i] = numbers(g, "x", 0, 110, i ? 32 : 64);
            hone_tensor_require_grad(x[i], true);
        }
        hone_alloc_fail_after(n);
        y = hone_sum(g, hone_attention(g, x[0], x[1], x[2], batch, NULL, &spec));
        if (y)
            hone_graph_backward(g, y, 1, NULL);
        hone_alloc_fail_after(0);
        int code = hone_graph_end(g, &err);
        failures += code != HONE_OK;
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_graph_free(g);
    }
    ck_assert_int_gt(failures, 8);
    ck_assert_int_lt(failures, 55);
    hone_batch_free(batch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention");
    TCase *t = tcase_create("attention");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, values_and_gradients_are_those_of_the_reference, 0, SIGHTS);
    tcase_add_loop_test(t, a_segment_has_the_bits_that_it_has_alone, 0, SIGHTS);
    tcase_add_test(t, threads_do_not_change_a_bit);
    tcase_add_loop_test(t, a_slot_goes_on_in_pieces_of_any_length, 0, 4);
    tcase_add_test(t, tiles_survive_every_allocation_that_fails);
    suite_add_tcase(suite, t);
    return support_run(suite);
}
