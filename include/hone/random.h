/* random.h -- random numbers that depend on nothing but their key.
 *
 * Philox4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405): the nth
 * number of a stream is a function of (seed, stream, n), so a state is three
 * numbers, and any thread can compute any part. Frozen layout. */
#ifndef HONE_RANDOM_H
#define HONE_RANDOM_H

#include <hone/base.h>

typedef struct hone_random {
    uint64_t seed, stream, counter;
} hone_random;

/* A stream named by text: the same seed and name give the same numbers. */
HONE_API hone_random hone_random_named(uint64_t seed, const char *name);
HONE_API uint64_t hone_random_u64(hone_random *r);
/* Uniform in [0, 1), 53 bits. */
HONE_API double hone_random_uniform(hone_random *r);
/* Uniform in [0, n) without bias; n >= 1. */
HONE_API uint64_t hone_random_below(hone_random *r, uint64_t n);
/* Standard normal (Box-Muller; two draws, one number). */
HONE_API double hone_random_normal(hone_random *r);
/* Fisher-Yates. */
HONE_API void hone_random_shuffle(hone_random *r, size_t *items, size_t count);
/* The four words at position n of a stream, for kernels (dropout). */
HONE_API void hone_random_block(uint64_t seed, uint64_t stream, uint64_t n, uint32_t out[4]);

#endif
