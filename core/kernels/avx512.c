/* avx512.c -- float kernels for x86-64 with AVX-512 F, BW, DQ and VL. */
#define F32_TABLE hone_kernels_avx512
#define F32_NAME "avx512"
#include "f32.h"
