/* select.c -- which table of kernels to use. */
#include "kernels.h"

#include <string.h>

struct candidate {
    const hone_kernels *table;
    bool runs; /* on this processor */
};

const hone_kernels *hone_kernels_find(const char *name, hone_error *err)
{
    /* fastest first, the reference last: it is never chosen unasked */
    const struct candidate all[] = {
#ifdef HONE_X86_64
        { &hone_kernels_avx512,
          __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") },
        { &hone_kernels_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") },
#endif
        { &hone_kernels_generic, true },
        { &hone_kernels_reference, true },
    };
    const size_t count = sizeof all / sizeof *all;
    char names[128] = "";

    for (size_t i = 0; i < count; i++) {
        if (all[i].runs && (!name || strcmp(name, all[i].table->name) == 0))
            return all[i].table;
        if (!all[i].runs)
            continue;
        if (names[0])
            strcat(names, ", ");
        strcat(names, all[i].table->name);
    }
    hone_fail(err, HONE_ENOTFOUND, "no kernels '%s' for this processor: there are %s", name, names);
    return NULL;
}

const hone_gemm *hone_kernels_bf16(const hone_kernels *table)
{
#ifdef HONE_X86_64
    if (table == &hone_kernels_avx512 && __builtin_cpu_supports("avx512bf16"))
        return hone_gemm_tiles_allowed() ? &hone_gemm_bf16_tiles : &hone_gemm_bf16_vectors;
#endif
    (void)table;
    return NULL;
}
