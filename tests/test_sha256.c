/* test_sha256.c -- SHA-256: the standard's examples, any pieces, the processor's
 * instructions against the plain rounds. */
#include "../core/sha256.h"
#include "support.h"

#include <string.h>

static void hex_of(char hex[65], const void *bytes, size_t n, size_t first, bool plain)
{
    uint8_t digest[32];
    hone_sha256 s;

    hone_sha256_begin(&s);
    if (plain)
        s.blocks = hone_sha256_plain;
    hone_sha256_add(&s, bytes, first);
    hone_sha256_add(&s, (const uint8_t *)bytes + first, n - first);
    hone_sha256_end(&s, digest);
    hone_sha256_hex(digest, hex);
}

/* FIPS 180-2, appendix B, and the empty message. */
START_TEST(the_examples_of_the_standard_come_out)
{
    static const struct { const char *text, *digest; } known[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    char hex[65];

    for (size_t i = 0; i < 3; i++)
        for (int plain = 0; plain < 2; plain++) {
            hex_of(hex, known[i].text, strlen(known[i].text), 0, plain);
            ck_assert_str_eq(hex, known[i].digest);
        }
}
END_TEST

START_TEST(pieces_and_instructions_do_not_change_a_digest)
{
    uint8_t bytes[300];
    char whole[65], other[65];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i * 7 + i);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        hex_of(whole, bytes, n, n, true);
        for (size_t first = 0; first <= n; first += 1 + n / 5) {
            hex_of(other, bytes, n, first, false);
            ck_assert_str_eq(other, whole);
            hex_of(other, bytes, n, first, true);
            ck_assert_str_eq(other, whole);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sha256");
    TCase *tc = tcase_create("sha256");

    tcase_add_test(tc, the_examples_of_the_standard_come_out);
    tcase_add_test(tc, pieces_and_instructions_do_not_change_a_digest);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
