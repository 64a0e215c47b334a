/* test_tokenizer_pattern.c -- the hand-written scanners against PCRE2 running
 * the expressions that they stand for, on random Unicode text. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "support.h"

#include "../plugins/tokenizer/bpe/bpe.h"
#include "../plugins/tokenizer/bpe/utf8.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

enum { TEXTS = 20000, LENGTH = 40 };

static hone_error err;
static bool agreed[0x110000]; /* characters that both sides put into the same class */

static bool matches(pcre2_code *code, pcre2_match_data *data, const char *s, size_t n)
{
    return pcre2_match(code, (PCRE2_SPTR)s, n, 0, PCRE2_ANCHORED, data, NULL) > 0;
}

static pcre2_code *compile(const char *regex)
{
    int number;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex, strlen(regex), PCRE2_UTF | PCRE2_UCP,
                                     &number, &offset, NULL);

    ck_assert_msg(code, "%s", regex);
    ck_assert_int_eq(pcre2_jit_compile(code, PCRE2_JIT_COMPLETE), 0);
    return code;
}

/* The two libraries know different versions of Unicode: characters that only
 * one of them has assigned are left out, and U+180E, which PCRE2 counts as
 * white space although Unicode no longer does. Returns how many. */
static int compare_classes(void)
{
    static const char *const classes[] = { "[^\\p{L}\\p{N}\\s]", "\\p{L}", "\\p{N}", "\\s" };
    pcre2_code *code[4], *unassigned = compile("\\p{Cn}");
    pcre2_match_data *data = pcre2_match_data_create(4, NULL);
    int left_out = 0;

    for (int i = 0; i < 4; i++)
        code[i] = compile(classes[i]);
    for (uint32_t c = 0; c < 0x110000; c++) {
        char s[4];
        size_t n = utf8_write(c, s);

        if (c >= 0xd800 && c < 0xe000)
            continue;
        agreed[c] = matches(code[utf8_classify(c)], data, s, n);
        left_out += !agreed[c];
        ck_assert_msg(agreed[c] || c == 0x180e || matches(unassigned, data, s, n), "U+%04X", c);
    }
    for (int i = 0; i < 4; i++)
        pcre2_code_free(code[i]);
    pcre2_code_free(unassigned);
    pcre2_match_data_free(data);
    return left_out;
}

START_TEST(characters_have_the_classes_that_pcre2_gives_them)
{
    ck_assert_int_lt(compare_classes(), 6000);
}
END_TEST

/* Mostly what the patterns tell apart, sometimes anything. */
static uint32_t random_character(hone_random *r)
{
    static const uint32_t seams[] = {
        ' ', ' ', ' ', '\n', '\r', '\t', '\'', '\'', 's', 'S', 't', 'T', 'r', 'e', 'E', 'v', 'V',
        'm', 'M', 'l', 'L', 'd', 'D', '1', '2', '3', '.', '!', '_', 0x0b, 0x1c, 0x85, 0xa0, 0xb2,
        0xe9, 0x17f, 0x301, 0x661, 0x2028, 0x2029, 0x3000, 0x200b, 0x2160, 0x4e2d, 0x1f642, 0x212a,
    };
    uint32_t c;

    if (hone_random_below(r, 10) > 0)
        return seams[hone_random_below(r, sizeof seams / sizeof *seams)];
    do
        c = (uint32_t)hone_random_below(r, hone_random_below(r, 2) ? 0x110000 : 0x3100);
    while (!agreed[c]);
    return c;
}

START_TEST(a_scanner_splits_as_its_expression_does)
{
    int known = BPE_PATTERN_GPT2 + _i;
    hone_random r = hone_random_named(3, "patterns");
    struct bpe_pattern *scanned, *matched;
    char regex[512], text[4 * LENGTH];
    size_t pieces = 0;

    compare_classes();
    ck_ok(bpe_pattern_new(&scanned, bpe_pattern_text(known), false, &err));
    snprintf(regex, sizeof regex, "(?:%s)", bpe_pattern_text(known));
    ck_ok(bpe_pattern_new(&matched, regex, false, &err));
    ck_assert_int_eq(bpe_pattern_known(scanned), known);
    ck_assert_int_eq(bpe_pattern_known(matched), BPE_PATTERN_AUTO);
    for (int round = 0; round < TEXTS; round++) {
        size_t length = 1 + (size_t)hone_random_below(&r, LENGTH), n = 0, start, stop;

        while (length-- > 0)
            n += utf8_write(random_character(&r), text + n);
        ck_assert_uint_eq(utf8_check(text, n), n);
        for (size_t at = 0, end; at < n; at = end, pieces++) {
            end = bpe_pattern_scan(known, text, n, at);
            ck_assert_int_eq(bpe_pattern_next(matched, text, n, at, &start, &stop, &err), 1);
            ck_assert_uint_eq(start, at);
            ck_assert_msg(end == stop, "'%.*s' at byte %zu: %zu, not %zu", (int)n, text, at, end,
                          stop);
        }
    }
    ck_assert_uint_gt(pieces, 5 * TEXTS);
    bpe_pattern_free(scanned);
    bpe_pattern_free(matched);
}
END_TEST

START_TEST(text_that_is_no_utf8_is_seen_at_its_first_byte)
{
    static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
                                       "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xf0\x9f\x99" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t before = 0; before < 20; before++) {
            char text[64] = {0};
            size_t n = before + strlen(bad[i]);

            memset(text, 'x', before);
            strcpy(text + before, bad[i]);
            ck_assert_uint_eq(utf8_check(text, n), before);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer patterns");
    TCase *tests = tcase_create("patterns");

    tcase_add_test(tests, characters_have_the_classes_that_pcre2_gives_them);
    tcase_add_loop_test(tests, a_scanner_splits_as_its_expression_does, 0, 3);
    tcase_add_test(tests, text_that_is_no_utf8_is_seen_at_its_first_byte);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
