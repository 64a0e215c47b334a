/* machine.h -- the machine's own limits, measured: what speeds are compared with. */
#ifndef HONE_MACHINE_H
#define HONE_MACHINE_H

#include <hone/context.h>

typedef struct hone_machine {
    int threads;              /* of the pool: all figures are of all of them together */
    const char *kernels;      /* the table in use: "avx512" */
    const char *blas_core;    /* the processor that OpenBLAS chose its kernels for */
    bool blas_narrow;         /* these use narrower vectors than the processor has */
    double fma;               /* f32 multiply-add peak, FLOP/s (a multiply-add is two) */
    double sustained;         /* the same over two seconds on all threads: processors slow down
                                 under such work */
    double bf16;              /* the peak of AVX-512 bf16 dot products into f32; matrix tiles (AMX)
                                 are not counted; 0: none on this processor */
    double product;           /* f32 matrix product of OpenBLAS as the core calls it, FLOP/s */
    double packed;            /* the core's own f32 product on all threads: 1024 tokens by a
                                 weight [3072, 768] */
    double packed_bf16;       /* the same with operands rounded to bf16; f32's where the processor
                                 has no bf16 arithmetic */
    double read;              /* bytes/s read from memory, by a sum over 512 MB */
} hone_machine;

/* Takes some seconds. The best of several rounds, since other work only slows
 * a machine down; `sustained` is a mean. */
HONE_API int hone_machine_measure(hone_context *context, hone_machine *out, hone_error *err);

#endif
