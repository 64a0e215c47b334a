/* sha256.h -- SHA-256, in pieces. FIPS 180-4. */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rounds over whole blocks of 64 bytes. */
typedef void hone_sha256_blocks(uint32_t state[8], const uint8_t *bytes, size_t blocks);

typedef struct hone_sha256 {
    hone_sha256_blocks *blocks; /* what the processor does best */
    uint32_t state[8];
    uint64_t length;      /* bytes so far */
    uint8_t block[64];
} hone_sha256;

void hone_sha256_begin(hone_sha256 *s);
void hone_sha256_add(hone_sha256 *s, const void *bytes, size_t n);
void hone_sha256_end(hone_sha256 *s, uint8_t digest[32]);

/* Without any processor's help. */
void hone_sha256_plain(uint32_t state[8], const uint8_t *bytes, size_t blocks);

/* 64 hex digits and a NUL. */
void hone_sha256_hex(const uint8_t digest[32], char hex[65]);

#endif
