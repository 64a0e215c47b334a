/* digest.h -- names for contents: SHA-256 (FIPS 180-4) in hex. */
#ifndef HONE_DIGEST_H
#define HONE_DIGEST_H

#include <hone/base.h>

/* 64 hex digits of n bytes, and a NUL. */
HONE_API void hone_digest(char hex[65], const void *bytes, size_t n);

#endif
