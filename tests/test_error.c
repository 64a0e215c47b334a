/* test_error.c -- error messages: bounded, one line for a person, locale-free. */
#include "support.h"

#include <locale.h>
#include <string.h>

START_TEST(a_failure_returns_its_code_and_keeps_the_message)
{
    hone_error err = {0};

    ck_assert_int_eq(hone_fail(&err, HONE_EIO, "%s: %d", "file", 7), HONE_EIO);
    ck_assert_int_eq(err.code, HONE_EIO);
    ck_assert_str_eq(err.message, "file: 7");
}
END_TEST

START_TEST(context_is_added_outward_and_the_code_stays)
{
    hone_error err = {0};

    hone_fail(&err, HONE_EFORMAT, "offset %d overlaps", 12);
    ck_assert_int_eq(hone_fail_in(&err, "header"), HONE_EFORMAT);
    ck_assert_int_eq(hone_fail_in(&err, "model.%s", "safetensors"), HONE_EFORMAT);
    ck_assert_str_eq(err.message, "model.safetensors: header: offset 12 overlaps");
}
END_TEST

START_TEST(no_error_to_write_to_is_fine)
{
    ck_assert_int_eq(hone_fail(NULL, HONE_EIO, "x"), HONE_EIO);
    ck_assert_int_lt(hone_fail_in(NULL, "x"), 0);
    ck_assert_int_eq(hone_fail_memory(NULL, "x"), HONE_ENOMEM);
}
END_TEST

START_TEST(a_message_may_be_part_of_its_successor)
{
    hone_error err = {0};

    hone_fail(&err, HONE_EIO, "first");
    hone_fail(&err, HONE_EINVAL, "after %s and %s", err.message, err.message);
    ck_assert_str_eq(err.message, "after first and first");
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters)
{
    char text[3 * HONE_ERROR_MAX + 1];
    hone_error err = {0};

    for (size_t shift = 0; shift < 3; shift++) {
        size_t n;

        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 <= sizeof text - 1; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4); /* the euro sign */
        hone_fail(&err, HONE_EIO, "%s", text);
        n = strlen(err.message);
        ck_assert_uint_ge(n, HONE_ERROR_MAX - 3);
        ck_assert_uint_eq((n - shift) % 3, 0);
    }
}
END_TEST

START_TEST(however_many_contexts_are_added_the_cause_stays)
{
    char text[2 * HONE_ERROR_MAX];
    hone_error err = {0};

    hone_fail(&err, HONE_EIO, "the cause");
    for (int i = 0; i < 600; i++) {
        const char *end;

        hone_fail_in(&err, "context \xE2\x82\xAC %d", i);
        ck_assert_uint_lt(strlen(err.message), HONE_ERROR_MAX);
        end = err.message + strlen(err.message) - strlen("the cause");
        ck_assert_str_eq(end, "the cause");
    }
    ck_assert_ptr_eq(strstr(err.message, "context \xE2\x82\xAC 599: ..."), err.message);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    hone_fail_in(&err, "%s", text);
    ck_assert_ptr_nonnull(strstr(err.message, "the cause"));
}
END_TEST

START_TEST(foreign_bytes_cannot_command_the_terminal)
{
    hone_error err = {0};

    hone_fail(&err, HONE_EINVAL, "%s", "a\x1b[2Jb\x7f\r\tc\nd");
    ck_assert_str_eq(err.message, "a?[2Jb??\tc\nd");
}
END_TEST

START_TEST(numbers_have_a_point_in_every_locale)
{
    static const char *const commas[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE" };
    hone_error err = {0};
    char *text;
    size_t i = 0;

    while (i < 4 && !setlocale(LC_ALL, commas[i]))
        i++;
    if (i == 4) {
        support_skip("numbers_have_a_point_in_every_locale", "no locale with a decimal comma");
        return;
    }
    hone_fail(&err, HONE_EINVAL, "%g", 1.5);
    text = hone_format("%.2f", 2.25);
    ck_assert_str_eq(err.message, "1.5");
    ck_assert_str_eq(text, "2.25");
    hone_free(text);
}
END_TEST

START_TEST(every_code_has_a_name_of_its_own)
{
    for (int a = HONE_OK; a >= HONE_EINTERRUPTED; a--)
        for (int b = HONE_OK; b > a; b--)
            ck_assert_str_ne(hone_error_name(a), hone_error_name(b));
    ck_assert_str_eq(hone_error_name(HONE_EINVAL), "invalid");
    ck_assert_str_eq(hone_error_name(HONE_EINTERRUPTED), "interrupted");
    ck_assert_str_eq(hone_error_name(HONE_EINTERRUPTED - 1), "unknown");
    ck_assert_str_eq(hone_error_name(1), "unknown");
    ck_assert_str_eq(hone_error_name(INT32_MIN), "unknown");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tc = tcase_create("error");

    tcase_add_test(tc, a_failure_returns_its_code_and_keeps_the_message);
    tcase_add_test(tc, context_is_added_outward_and_the_code_stays);
    tcase_add_test(tc, no_error_to_write_to_is_fine);
    tcase_add_test(tc, a_message_may_be_part_of_its_successor);
    tcase_add_test(tc, a_long_message_is_cut_between_characters);
    tcase_add_test(tc, however_many_contexts_are_added_the_cause_stays);
    tcase_add_test(tc, foreign_bytes_cannot_command_the_terminal);
    tcase_add_test(tc, numbers_have_a_point_in_every_locale);
    tcase_add_test(tc, every_code_has_a_name_of_its_own);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
