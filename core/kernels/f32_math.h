/* f32_math.h -- elementary functions of float without branches or calls.
 *
 * Each is one expression over one element, so that the compiler vectorises the
 * loops that use it, and an element has the same bits in a vector and in the
 * loop's tail. Polynomials are our own fits, near minimax in the error named.
 * NaN stays NaN. Errors below are in units in the last place (ulp). */
#ifndef CORE_KERNELS_F32_MATH_H
#define CORE_KERNELS_F32_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define F32_INLINE static inline __attribute__((always_inline, unused))

F32_INLINE uint32_t f32_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

F32_INLINE float f32_from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* exp(r), |r| <= ln 2 / 2: 1 + r + r^2 q(r). */
F32_INLINE float f32_exp_rest(float r)
{
    float q = 0.00138144579f;
    q = q * r + 0.00836878084f;
    q = q * r + 0.0416683927f;
    q = q * r + 0.166665196f;
    q = q * r + 0.49999994f;
    return 1.0f + (r + r * r * q);
}

/* exp(x + low), |low| much less than 1: x + low = n ln 2 + r, |r| <= ln 2 / 2. 2^n is
 * applied as two factors, so that results below the least normal number and overflow to
 * infinity come out of the multiplication. */
F32_INLINE float f32_exp_sum(float x, float low)
{
    const float round = 0x1.8p23f; /* adding it rounds to an integer, in the low bits */
    x = x < -105.0f ? -105.0f : x;
    x = x > 90.0f ? 90.0f : x;
    float shifted = x * 0x1.715476p0f + round;
    uint32_t n = f32_bits(shifted) - f32_bits(round);
    float t = shifted - round;
    /* ln 2 in two parts; t has 8 bits and the first part 10, so their product is exact */
    float r = x - t * 0x1.63p-1f;
    r = r + t * 0x1.bd0106p-13f + low;
    float y = f32_exp_rest(r);
    uint32_t half = (uint32_t)((int32_t)n >> 1);
    return y * f32_from_bits((half + 127) << 23) * f32_from_bits((n - half + 127) << 23);
}

/* 1 ulp */
F32_INLINE float f32_exp(float x)
{
    return f32_exp_sum(x, 0.0f);
}

/* 1 ulp, for normal numbers. x = 2^e m, m in [sqrt(1/2), sqrt(2)), f = m - 1;
 * log m = f - f^2/2 + f^3 q(f). `e` is to be added to the exponent. */
F32_INLINE float f32_log_normal(float x, float e)
{
    uint32_t u = f32_bits(x) - 0x3f3504f3u; /* less the bits of sqrt(1/2) */
    e += (float)((int32_t)u >> 23);
    float f = f32_from_bits((u & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
    float q = 0.067464903f;
    q = q * f - 0.116756156f;
    q = q * f + 0.11888212f;
    q = q * f - 0.124055982f;
    q = q * f + 0.142195463f;
    q = q * f - 0.166679949f;
    q = q * f + 0.200021192f;
    q = q * f - 0.250000089f;
    q = q * f + 0.333333135f;
    float z = f * f;
    return f + (e * -0x1.bd0106p-13f + (z * f * q - 0.5f * z)) + e * 0x1.63p-1f;
}

/* 1 ulp */
F32_INLINE float f32_log(float x)
{
    bool small = x < 0x1p-126f;
    float y = f32_log_normal(small ? x * 0x1p25f : x, small ? -25.0f : 0.0f);
    y = x == 0.0f ? -INFINITY : y;
    y = x < 0.0f ? NAN : y;
    return x > 0x1.fffffep127f || x != x ? x : y;
}

/* log(1 + x) for 0 <= x <= 1: the rounding of 1 + x is put back to first order. */
F32_INLINE float f32_log1p(float x)
{
    float u = 1.0f + x;
    return f32_log_normal(u, 0.0f) + (x - (u - 1.0f)) / u;
}

/* 2 ulp: x + x^3 q(x^2) near 0, else 1 - 2 / (exp(2|x|) + 1) with x's sign. */
F32_INLINE float f32_tanh(float x)
{
    float a = fabsf(x), z = x * x;
    float q = -0.00571701117f;
    q = q * z + 0.0206505544f;
    q = q * z - 0.0537434854f;
    q = q * z + 0.133314908f;
    q = q * z - 0.333332837f;
    float near = a + a * z * q;
    float far = 1.0f - 2.0f / (f32_exp(2.0f * a) + 1.0f);
    return copysignf(a < 0.625f ? near : far, x);
}

/* 1 / (1 + exp(-x)), small results in full precision: 3 ulp. */
F32_INLINE float f32_sigmoid(float x)
{
    float e = f32_exp(-fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* log(1 + exp(x)) */
F32_INLINE float f32_softplus(float x)
{
    return (x < 0.0f ? 0.0f : x) + f32_log1p(f32_exp(-fabsf(x)));
}

/* The normal distribution at x: its density without the factor 1 / sqrt(2 pi), and the
 * probability of less, (1 + erf(x / sqrt 2)) / 2, 3 ulp also where it is small.
 *
 * With a = |x|, the tail beyond a is exp(-a^2 / 2) q(u) / (1 + a), u = (a - 4) / (a + 4).
 * The square is taken in two parts, since its rounding would be multiplied by it.
 * NaN counts as beyond everything. */
typedef struct f32_normal {
    float density, below;
} f32_normal;

F32_INLINE f32_normal f32_normal_at(float x)
{
    /* a = min(|x|, 16), in integers: of a comparison compilers make two paths, and compute
     * both, the one for 16 in numbers below the least normal one, at 100 cycles each */
    int32_t excess = (int32_t)(f32_bits(fabsf(x)) - 0x41800000u);
    float a = f32_from_bits(0x41800000u + (uint32_t)(excess & (excess >> 31)));
    float high = f32_from_bits(f32_bits(a) & 0xfffff000u);
    float bell = f32_exp_sum(-0.5f * high * high, -0.5f * (a - high) * (a + high));
    float u = (a - 4.0f) / (a + 4.0f);
    float q = -7.13080517e-05f;
    q = q * u - 5.98415027e-05f;
    q = q * u + 0.000693123438f;
    q = q * u - 0.000304227782f;
    q = q * u - 0.00500469143f;
    q = q * u + 0.017940294f;
    q = q * u - 0.0321971886f;
    q = q * u + 0.0285999756f;
    q = q * u + 0.0139995897f;
    q = q * u - 0.0967034698f;
    q = q * u + 0.4720532f;
    float tail = bell * q / (1.0f + a);
    return (f32_normal){ bell, x < 0.0f ? tail : 1.0f - tail };
}

#endif
