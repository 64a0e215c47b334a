/* sha256.c -- SHA-256: 64 rounds over blocks of 16 big-endian words.
 *
 * FIPS 180-4, sections 5 and 6. Round constants: the first 32 bits of the
 * fractional parts of the cube roots of the first 64 primes. Where the processor
 * has the SHA extensions they do the rounds, about eight times as fast. */
#include "sha256.h"

#include <stdatomic.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t sha256_turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha256_block(uint32_t state[8], const uint8_t *p)
{
    uint32_t w[64], v[8];

    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (sha256_turn(a, 7) ^ sha256_turn(a, 18) ^ a >> 3) + w[i - 7] +
               (sha256_turn(b, 17) ^ sha256_turn(b, 19) ^ b >> 10);
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        /* The eight words move on by one a round: round i names them from -i. */
        uint32_t *a = &v[-i & 7], *d = &v[(3 - i) & 7], *h = &v[(7 - i) & 7];
        uint32_t b = v[(1 - i) & 7], c = v[(2 - i) & 7], e = v[(4 - i) & 7];
        uint32_t f = v[(5 - i) & 7], g = v[(6 - i) & 7];
        uint32_t t = *h + (sha256_turn(e, 6) ^ sha256_turn(e, 11) ^ sha256_turn(e, 25)) +
                     ((e & f) ^ (~e & g)) + rounds[i] + w[i];
        *d += t;
        *h = t + (sha256_turn(*a, 2) ^ sha256_turn(*a, 13) ^ sha256_turn(*a, 22)) +
             ((*a & b) ^ (*a & c) ^ (b & c));
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

void hone_sha256_plain(uint32_t state[8], const uint8_t *bytes, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++)
        sha256_block(state, bytes + 64 * i);
}

#ifdef __x86_64__
#define SHA_CODE __attribute__((target("sha,sse4.1,ssse3")))

/* Four rounds; w holds words 4 i to 4 i + 3 of the schedule. */
#define SHA_ROUNDS(i, w) do { \
        __m128i sum = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(rounds + 4 * (i)))); \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum); \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e)); \
    } while (0)

/* w0 becomes the four words that follow w3. */
#define SHA_WORDS(w0, w1, w2, w3) \
    (w0 = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), \
                                             _mm_alignr_epi8(w3, w2, 4)), w3))

/* The instructions keep the state as a b e f and c d g h, the first word highest. */
SHA_CODE static void sha256_extensions(uint32_t state[8], const uint8_t *bytes, size_t blocks)
{
    const __m128i turned = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);

    for (; blocks; blocks--, bytes += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];

        for (int i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 16 * i)), turned);
            SHA_ROUNDS(i, w[i]);
        }
        for (int i = 4; i < 16; i += 4) {
            SHA_WORDS(w[0], w[1], w[2], w[3]);
            SHA_ROUNDS(i, w[0]);
            SHA_WORDS(w[1], w[2], w[3], w[0]);
            SHA_ROUNDS(i + 1, w[1]);
            SHA_WORDS(w[2], w[3], w[0], w[1]);
            SHA_ROUNDS(i + 2, w[2]);
            SHA_WORDS(w[3], w[0], w[1], w[2]);
            SHA_ROUNDS(i + 3, w[3]);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    hgfe = _mm_shuffle_epi32(abef, 0x1b); /* f e b a */
    badc = _mm_shuffle_epi32(cdgh, 0xb1); /* d c h g */
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(hgfe, badc, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(badc, hgfe, 8));
}

/* SSSE3 and SSE4.1 in leaf 1, SHA in leaf 7. */
static bool sha256_has_extensions(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c >> 9 & 1 && c >> 19 & 1 &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1;
}
#endif

/* What this processor does best: a fact of the machine, asked for once, since the
 * question is slow on virtual ones. */
static hone_sha256_blocks *sha256_choose(void)
{
    static _Atomic(hone_sha256_blocks *) chosen;
    hone_sha256_blocks *blocks = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (blocks)
        return blocks;
    blocks = hone_sha256_plain;
#ifdef __x86_64__
    if (sha256_has_extensions())
        blocks = sha256_extensions;
#endif
    atomic_store_explicit(&chosen, blocks, memory_order_relaxed);
    return blocks;
}

void hone_sha256_begin(hone_sha256 *s)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

    memcpy(s->state, start, sizeof start);
    s->length = 0;
    s->blocks = sha256_choose();
}

void hone_sha256_add(hone_sha256 *s, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t held = s->length % 64, part;

    s->length += n;
    if (held) {
        part = 64 - held < n ? 64 - held : n;
        memcpy(s->block + held, p, part);
        p += part;
        n -= part;
        if (held + part < 64)
            return;
        s->blocks(s->state, s->block, 1);
    }
    s->blocks(s->state, p, n / 64);
    if (n % 64)
        memcpy(s->block, p + n / 64 * 64, n % 64);
}

void hone_sha256_end(hone_sha256 *s, uint8_t digest[32])
{
    uint64_t bits = s->length * 8;
    size_t held = s->length % 64;

    s->block[held++] = 0x80;
    if (held > 56) {
        memset(s->block + held, 0, 64 - held);
        s->blocks(s->state, s->block, 1);
        held = 0;
    }
    memset(s->block + held, 0, 56 - held);
    for (int i = 0; i < 8; i++)
        s->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
    s->blocks(s->state, s->block, 1);
    for (int i = 0; i < 32; i++)
        digest[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}

void hone_sha256_hex(const uint8_t digest[32], char hex[65])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = '\0';
}
