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
/* Lanes of x and y in turn: of their first halves, or of their second ones. */
#if F32_WIDTH == 16
#define F32_MIX_LOW(x, y) \
    __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define F32_MIX_HIGH(x, y) \
    __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#else
#define F32_MIX_LOW(x, y) __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11)
#define F32_MIX_HIGH(x, y) __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15)
#endif

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
#endif

#endif
