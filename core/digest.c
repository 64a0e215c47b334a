/* digest.c -- SHA-256 of bytes as text (see <hone/digest.h>). */
#include <hone/digest.h>

#include "sha256.h"

void hone_digest(char hex[65], const void *bytes, size_t n)
{
    hone_sha256 s;
    uint8_t digest[32];

    hone_sha256_begin(&s);
    hone_sha256_add(&s, bytes, n);
    hone_sha256_end(&s, digest);
    hone_sha256_hex(digest, hex);
}
