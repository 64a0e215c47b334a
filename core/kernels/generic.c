/* generic.c -- float kernels for any processor that the compiler targets. */
#define F32_TABLE hone_kernels_generic
#define F32_NAME "generic"
#include "f32.h"
