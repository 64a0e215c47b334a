/* test_memory.c -- allocations: zeroed, counted, failing on demand. */
#include "support.h"

#include <pthread.h>
#include <string.h>

START_TEST(memory_is_zeroed_and_counted)
{
    int64_t before = hone_alloc_live();
    unsigned char *p = hone_alloc(1000, 3);

    ck_assert_ptr_nonnull(p);
    for (size_t i = 0; i < 3000; i++)
        ck_assert_uint_eq(p[i], 0);
    ck_assert_int_eq(hone_alloc_live(), before + 1);
    p = hone_realloc(p, 6000, 1);
    ck_assert_int_eq(hone_alloc_live(), before + 1);
    hone_free(p);
    hone_free(NULL);
    ck_assert_int_eq(hone_alloc_live(), before);
}
END_TEST

START_TEST(nothing_is_something_and_null_means_failure)
{
    void *a = hone_alloc(0, 8), *b = hone_alloc(8, 0), *c = hone_realloc(NULL, 0, 0);

    ck_assert(a && b && c);
    hone_free(a);
    hone_free(b);
    hone_free(c);
}
END_TEST

START_TEST(products_that_overflow_are_refused)
{
    int64_t before = hone_alloc_live();
    size_t half = (size_t)1 << (4 * sizeof half); /* half * half overflows to 0 */
    void *p = hone_alloc(4, 4);

    ck_assert_ptr_null(hone_alloc(SIZE_MAX, 2));
    ck_assert_ptr_null(hone_alloc(SIZE_MAX / 2 + 1, 2));
    ck_assert_ptr_null(hone_alloc(half, half));
    ck_assert_ptr_null(hone_realloc(p, SIZE_MAX / 4, 8));
    ck_assert_int_eq(hone_alloc_live(), before + 1); /* a refused realloc keeps the old */
    hone_free(p);
}
END_TEST

START_TEST(the_nth_allocation_and_all_later_ones_fail_when_told_to)
{
    void *p[3];

    hone_alloc_fail_after(3);
    p[0] = hone_alloc(1, 1);
    p[1] = hone_strdup("two");
    p[2] = hone_alloc(1, 1);
    ck_assert(p[0] && p[1] && !p[2]);
    ck_assert_ptr_null(hone_realloc(p[0], 2, 1));
    ck_assert_ptr_null(hone_strndup("x", 1));
    ck_assert_ptr_null(hone_format("%d", 1));
    hone_alloc_fail_after(0);
    p[2] = hone_alloc(1, 1);
    ck_assert_ptr_nonnull(p[2]);
    for (int i = 0; i < 3; i++)
        hone_free(p[i]);
}
END_TEST

START_TEST(texts_are_copied_up_to_their_length)
{
    char *a = hone_strdup("word"), *b = hone_strndup("word", 2), *c = hone_strndup("word", 99);
    char *d = hone_format("%s-%d", "x", 12);

    ck_assert_str_eq(a, "word");
    ck_assert_str_eq(b, "wo");
    ck_assert_str_eq(c, "word");
    ck_assert_str_eq(d, "x-12");
    hone_free(a);
    hone_free(b);
    hone_free(c);
    hone_free(d);
}
END_TEST

static void *allocate(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        void *p = hone_alloc(1, 8);
        *(int *)arg += !p;
        hone_free(p);
    }
    return NULL;
}

START_TEST(threads_count_together)
{
    int64_t before = hone_alloc_live();
    pthread_t threads[4];
    int failures[4] = {0};

    hone_alloc_fail_after(5001); /* of 8000 */
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate, &failures[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    hone_alloc_fail_after(0);
    ck_assert_int_eq(failures[0] + failures[1] + failures[2] + failures[3], 3000);
    ck_assert_int_eq(hone_alloc_live(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("memory");

    tcase_add_test(tc, memory_is_zeroed_and_counted);
    tcase_add_test(tc, nothing_is_something_and_null_means_failure);
    tcase_add_test(tc, products_that_overflow_are_refused);
    tcase_add_test(tc, the_nth_allocation_and_all_later_ones_fail_when_told_to);
    tcase_add_test(tc, texts_are_copied_up_to_their_length);
    tcase_add_test(tc, threads_count_together);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
