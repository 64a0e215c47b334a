/* f32_vector.h -- vectors of the width that the compiler's flags allow. */
#ifndef CORE_KERNELS_F32_VECTOR_H
#define CORE_KERNELS_F32_VECTOR_H

#include "f32_math.h"

#if defined __AVX512F__
#define F32_WIDTH 16
#elif defined __AVX__
#define F32_WIDTH 8
#else
#define F32_WIDTH 4
#endif

typedef float f32_vector __attribute__((vector_size(4 * F32_WIDTH)));
typedef float f32_loose_vector
    __attribute__((vector_size(4 * F32_WIDTH), aligned(4), may_alias));

#if F32_WIDTH >= 8
#if F32_WIDTH == 16
/* Lanes of x and y in turn: of their first halves, or of their second ones. */
#define F32_MIX_LOW(x, y) \
    __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define F32_MIX_HIGH(x, y) \
    __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

/* Transposes a square of lanes: mixing rows i and i + half, log2 times. */
F32_INLINE void f32_transpose(f32_vector x[F32_WIDTH])
{
#pragma GCC unroll 4
    for (int step = 1; step < F32_WIDTH; step *= 2) {
        f32_vector y[F32_WIDTH];
#pragma GCC unroll 8
        for (int i = 0; i < F32_WIDTH / 2; i++) {
            y[2 * i] = F32_MIX_LOW(x[i], x[i + F32_WIDTH / 2]);
            y[2 * i + 1] = F32_MIX_HIGH(x[i], x[i + F32_WIDTH / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < F32_WIDTH; i++)
            x[i] = y[i];
    }
}
#else
/* The same of 8 lanes: numbers, pairs and fours change places, within halves of a vector
 * as long as possible, which is one instruction each. */
F32_INLINE void f32_transpose(f32_vector x[8])
{
    f32_vector y[8], z[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        y[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        y[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            z[i + 2 * h] =
                __builtin_shufflevector(y[i + h], y[i + 2 + h], 0, 1, 8, 9, 4, 5, 12, 13);
            z[i + 2 * h + 1] =
                __builtin_shufflevector(y[i + h], y[i + 2 + h], 2, 3, 10, 11, 6, 7, 14, 15);
        }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        x[i] = __builtin_shufflevector(z[i], z[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        x[i + 4] = __builtin_shufflevector(z[i], z[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}
#endif
#endif

#endif
