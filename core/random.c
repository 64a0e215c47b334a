/* random.c -- Philox4x32-10, a counter-based generator.
 *
 * Ten rounds of two 32x32->64 multiplications over the counter
 *     (position, stream)   as words  [position low, high, stream low, high]
 * under the key            seed      [low, high],
 * raised by Weyl constants after each round. Salmon, Moraes, Dror and Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
 * doi:10.1145/2063384.2063405. */
#include <hone/random.h>

#include <math.h>

void hone_random_block(uint64_t seed, uint64_t stream, uint64_t n, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)n, c1 = (uint32_t)(n >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);

    for (int round = 0; round < 10; round++) {
        uint64_t a = UINT64_C(0xD2511F53) * c0, b = UINT64_C(0xCD9E8D57) * c2;

        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9; /* the golden ratio */
        k1 += 0xBB67AE85; /* sqrt(3) - 1 */
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The finalizer of SplitMix64: every bit of x moves half the bits of the result. */
static uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

hone_random hone_random_named(uint64_t seed, const char *name)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325); /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return (hone_random){ .seed = seed, .stream = random_mix(hash ^ random_mix(seed)) };
}

uint64_t hone_random_u64(hone_random *r)
{
    uint32_t words[4];

    hone_random_block(r->seed, r->stream, r->counter++, words);
    return words[0] | (uint64_t)words[1] << 32;
}

double hone_random_uniform(hone_random *r)
{
    return (double)(hone_random_u64(r) >> 11) * 0x1p-53;
}

/* Numbers below 2^64 mod n would make small results likelier: draw again. */
uint64_t hone_random_below(hone_random *r, uint64_t n)
{
    uint64_t draw, reject;

    if (n <= 1)
        return 0;
    reject = (0 - n) % n;
    do
        draw = hone_random_u64(r);
    while (draw < reject);
    return draw % n;
}

double hone_random_normal(hone_random *r)
{
    double u = 1.0 - hone_random_uniform(r); /* in (0, 1]: its logarithm is finite */
    double v = hone_random_uniform(r);

    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void hone_random_shuffle(hone_random *r, size_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)hone_random_below(r, i), item = items[i - 1];

        items[i - 1] = items[j];
        items[j] = item;
    }
}
