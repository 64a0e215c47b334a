/* avx2.c -- float kernels for x86-64 with AVX2, FMA and F16C. */
#define F32_TABLE hone_kernels_avx2
#define F32_NAME "avx2"
#include "f32.h"
