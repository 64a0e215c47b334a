/* test_cache.c -- the cache as attention fills it and as generation moves it. */
#include "support.h"

#include "../core/batch.h"

#include <math.h>
#include <string.h>

enum { HEADS = 2, KV_HEADS = 1, D = 4 };

static hone_error err;
static hone_context *context;
static hone_graph *g;
static hone_cache *cache;
static hone_batch *batch;

static void setup(void)
{
    hone_graph_options options = {0};

    context = support_context();
    ck_ok(hone_graph_new(&g, context, NULL, &err));
    ck_ok(hone_graph_begin(g, &options, &err));
    ck_ok(hone_cache_new(&cache, 3, 8, &err));
    ck_ok(hone_batch_new(&batch, &err));
}

static void teardown(void)
{
    hone_graph_free(g);
    hone_cache_free(cache);
    hone_batch_free(batch);
    hone_context_free(context);
}

/* Rows that are functions of token and column alone. */
static hone_tensor *rows(int64_t width, double phase)
{
    int64_t n = hone_batch_tokens(batch);
    hone_tensor *t = hone_graph_tensor(g, 2, (int64_t[]){ n, width });

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j++)
            hone_tensor_set(t, i * width + j,
                            sin(phase + 3 * hone_batch_ids(batch)[i] + 0.7 * (double)j));
    return t;
}

static hone_tensor *attend(int64_t layer)
{
    hone_attention_spec spec = { .heads = HEADS, .kv_heads = KV_HEADS, .layer = layer };

    return hone_attention(g, rows(HEADS * D, 0.1), rows(KV_HEADS * D, 0.2),
                          rows(KV_HEADS * D, 0.3), batch, cache, &spec);
}

static hone_tensor *go_on(int32_t slot, int64_t position, const int32_t *tokens, int64_t count)
{
    hone_batch_clear(batch);
    ck_ok(hone_batch_continue(batch, slot, position, tokens, count, true, &err));
    return attend(0);
}

static const int32_t text[] = { 3, 1, 4, 1, 5, 9, 2, 6 };

static void ck_rows(const hone_tensor *a, int64_t row, const hone_tensor *b, int64_t count)
{
    ck_ok(hone_graph_error(g, &err));
    for (int64_t i = 0; i < count * HEADS * D; i++)
        ck_assert_double_eq_tol(hone_tensor_get(a, row * HEADS * D + i), hone_tensor_get(b, i),
                                1e-6);
}

START_TEST(a_slot_goes_on_where_it_stopped)
{
    hone_tensor *whole = go_on(0, 0, text, 8);

    ck_rows(whole, 0, go_on(1, 0, text, 5), 5);
    ck_rows(whole, 5, go_on(1, 5, text + 5, 1), 1);
    ck_rows(whole, 6, go_on(1, 6, text + 6, 2), 2);
}
END_TEST

START_TEST(a_copied_slot_goes_on_like_the_first)
{
    hone_tensor *whole = go_on(0, 0, text, 8);

    go_on(1, 0, text, 3);
    ck_ok(hone_cache_copy(cache, 2, 1, &err));
    ck_rows(whole, 3, go_on(2, 3, text + 3, 5), 5);
    ck_rows(whole, 3, go_on(1, 3, text + 3, 2), 2); /* and the first is as it was */
    ck_ok(hone_cache_copy(cache, 1, 1, &err));
}
END_TEST

START_TEST(a_cleared_slot_begins_anew)
{
    hone_tensor *whole = go_on(0, 0, text, 4);

    go_on(1, 0, text + 4, 4);
    hone_cache_clear(cache, 1);
    ck_rows(whole, 0, go_on(1, 0, text, 4), 4);
    hone_cache_clear(cache, 99);
    hone_cache_clear(cache, -1);
}
END_TEST

START_TEST(a_slot_cannot_skip_or_repeat)
{
    go_on(0, 0, text, 3);
    ck_assert_ptr_null(go_on(0, 4, text, 1));
    ck_assert_int_eq(hone_graph_end(g, &err), HONE_ESTATE);
    support_golden("cache-skip", err.message);
}
END_TEST

START_TEST(a_full_slot_takes_no_more)
{
    go_on(0, 0, text, 8);
    ck_assert_ptr_null(go_on(0, 8, text, 1));
    ck_assert_int_eq(hone_graph_end(g, &err), HONE_ESTATE);
    support_golden("cache-full", err.message);
}
END_TEST

START_TEST(a_state_has_a_row_for_each_slot)
{
    int64_t shape[] = { 2, 3 };
    hone_tensor *state = hone_cache_state(cache, 4, "conv", 2, shape, &err), *other;

    ck_assert_ptr_nonnull(state);
    ck_assert_int_eq(hone_tensor_dims(state), 3);
    ck_assert_int_eq(hone_tensor_extent(state, 0), 3);
    ck_assert_int_eq(hone_tensor_extent(state, 2), 3);
    for (int64_t i = 0; i < 18; i++) {
        ck_assert_double_eq(hone_tensor_get(state, i), 0);
        hone_tensor_set(state, i, (double)i);
    }
    ck_assert_ptr_eq(hone_cache_state(cache, 4, "conv", 2, shape, &err), state);
    other = hone_cache_state(cache, 5, "conv", 0, NULL, &err);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_ne(other, state);
    ck_ok(hone_cache_copy(cache, 0, 2, &err));
    hone_cache_clear(cache, 1);
    for (int64_t i = 0; i < 6; i++) {
        ck_assert_double_eq(hone_tensor_get(state, i), 12 + (double)i);
        ck_assert_double_eq(hone_tensor_get(state, 6 + i), 0);
        ck_assert_double_eq(hone_tensor_get(state, 12 + i), 12 + (double)i);
    }
    ck_assert_ptr_null(hone_cache_state(cache, 4, "conv", 1, shape, &err));
    support_golden("cache-state", err.message);
    ck_assert_ptr_null(hone_cache_state(cache, 4, "wide", 4, (int64_t[]){ 1, 1, 1, 1 }, &err));
}
END_TEST

START_TEST(an_impossible_cache_is_refused)
{
    hone_cache *none = NULL;

    ck_fails(HONE_EINVAL, hone_cache_new(&none, 0, 8, &err));
    support_golden("cache-slots", err.message);
    ck_fails(HONE_EINVAL, hone_cache_new(&none, 1, 0, &err));
    ck_fails(HONE_EINVAL, hone_cache_copy(cache, 3, 0, &err));
    support_golden("cache-copy", err.message);
    ck_assert_int_eq(hone_cache_slots(cache), 3);
    ck_assert_int_eq(hone_cache_capacity(cache), 8);
}
END_TEST

/* Tokens of a text that is as long as wanted. */
static const int32_t *long_text(void)
{
    static int32_t tokens[4 * HONE_CACHE_BLOCK];

    for (int i = 0; i < 4 * HONE_CACHE_BLOCK; i++)
        tokens[i] = (i * 7 + i / 5) % 23;
    return tokens;
}

START_TEST(a_slot_goes_on_over_any_number_of_blocks)
{
    const int32_t *tokens = long_text();
    int64_t n = 4 * HONE_CACHE_BLOCK, at = 0;
    hone_tensor *whole;

    hone_cache_free(cache);
    ck_ok(hone_cache_new(&cache, 3, n, &err));
    whole = go_on(0, 0, tokens, n);
    for (int64_t step = 1; at < n; step = step % 37 + 9) {
        int64_t count = step < n - at ? step : n - at;
        ck_rows(whole, at, go_on(1, at, tokens + at, count), count);
        at += count;
    }
}
END_TEST

START_TEST(copies_share_what_is_full_and_go_their_own_ways)
{
    const int32_t *tokens = long_text();
    int64_t n = 4 * HONE_CACHE_BLOCK, half = 2 * HONE_CACHE_BLOCK + 5;
    size_t block = 2 * HONE_CACHE_BLOCK * KV_HEADS * D * sizeof(float);
    static int32_t other[4 * HONE_CACHE_BLOCK];
    hone_tensor *whole, *another;

    memcpy(other, tokens, sizeof other);
    for (int64_t i = half; i < n; i++)
        other[i] = 22 - tokens[i];
    hone_cache_free(cache);
    ck_ok(hone_cache_new(&cache, 3, n, &err));
    whole = go_on(0, 0, tokens, n);
    hone_cache_clear(cache, 0);
    another = go_on(0, 0, other, n);
    hone_cache_clear(cache, 0);
    ck_assert_uint_eq(hone_cache_bytes(cache), 4 * block);
    go_on(0, 0, tokens, half);
    ck_ok(hone_cache_copy(cache, 1, 0, &err));
    ck_ok(hone_cache_copy(cache, 2, 1, &err));
    ck_assert_uint_eq(hone_cache_bytes(cache), 5 * block); /* two shared, three of their own */
    for (int64_t at = half; at < n; at++) {
        ck_rows(whole, at, go_on(1, at, tokens + at, 1), 1);
        ck_rows(another, at, go_on(2, at, other + at, 1), 1);
        if (at == half)
            hone_cache_clear(cache, 0);
    }
    ck_assert_uint_eq(hone_cache_bytes(cache), 6 * block);
    for (int32_t s = 0; s < 3; s++)
        hone_cache_clear(cache, s);
    ck_rows(whole, 0, go_on(2, 0, tokens, n), n);
    ck_assert_uint_eq(hone_cache_bytes(cache), 6 * block);
}
END_TEST

/* Also that a slot is as it was where no copy could be made. */
START_TEST(memory_is_taken_as_tokens_come_and_its_lack_is_an_error)
{
    const int32_t *tokens = long_text();

    hone_cache_free(cache);
    ck_ok(hone_cache_new(&cache, 1000, INT32_MAX, &err));
    ck_assert_uint_eq(hone_cache_bytes(cache), 0);
    go_on(7, 0, tokens, 1);
    ck_assert_uint_eq(hone_cache_bytes(cache),
                      2 * HONE_CACHE_BLOCK * KV_HEADS * D * sizeof(float));
    for (uint64_t n = 1, code = 1; code; n++) {
        hone_alloc_fail_after(n);
        code = (uint64_t)-hone_cache_copy(cache, 9, 7, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == 0 || code == (uint64_t)-HONE_ENOMEM);
        ck_assert_uint_lt(n, 100);
    }
    ck_rows(go_on(8, 0, tokens, 3), 1, go_on(9, 1, tokens + 1, 2), 2);
    for (uint64_t n = 1;; n++) {
        hone_cache *tight;
        int code = HONE_OK;
        float row[4 * HONE_CACHE_BLOCK] = { 0 };
        ck_ok(hone_cache_new(&tight, 2, 8 * HONE_CACHE_BLOCK, &err));
        hone_alloc_fail_after(n);
        for (int64_t at = 0; !code && at < 6 * HONE_CACHE_BLOCK; at += HONE_CACHE_BLOCK)
            code = hone_cache_append(tight, 0, 1, at, row, row, HONE_CACHE_BLOCK, 4, &err);
        hone_alloc_fail_after(0);
        hone_cache_free(tight);
        if (!code)
            break;
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache");
    TCase *tc = tcase_create("cache");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_slot_goes_on_where_it_stopped);
    tcase_add_test(tc, a_copied_slot_goes_on_like_the_first);
    tcase_add_test(tc, a_cleared_slot_begins_anew);
    tcase_add_test(tc, a_slot_cannot_skip_or_repeat);
    tcase_add_test(tc, a_full_slot_takes_no_more);
    tcase_add_test(tc, a_state_has_a_row_for_each_slot);
    tcase_add_test(tc, an_impossible_cache_is_refused);
    tcase_add_test(tc, a_slot_goes_on_over_any_number_of_blocks);
    tcase_add_test(tc, copies_share_what_is_full_and_go_their_own_ways);
    tcase_add_test(tc, memory_is_taken_as_tokens_come_and_its_lack_is_an_error);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
