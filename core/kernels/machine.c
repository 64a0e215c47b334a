/* machine.c -- the machine's limits (see <hone/machine.h>).
 *
 * Peaks are loops of independent multiply-adds in registers, one copy a thread;
 * bandwidth is a sum over memory that no cache holds. */
#include <hone/machine.h>

#include "../context.h"
#include "../graph.h"

#include <cblas.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5
#define SUSTAINED 2.0      /* seconds */
#define STEPS 4000000      /* of a peak loop: some milliseconds */
#define READ_BYTES ((int64_t)512 << 20)
#define PRODUCT 1024       /* extent of the square product */
enum { TOKENS = 1024, IN = 768, OUT = 3072 };

static double machine_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- loops: each returns the operations done, and a result that keeps the
 * compiler from dropping them ---- */

typedef double machine_loop(int64_t steps, float *keep);

#define CHAINS 12
/* Unrolled, so that the chains stay in registers. */
#define MACHINE_CHAINS _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++)

typedef float machine_v16 __attribute__((vector_size(64)));

/* Steps of CHAINS vectors each: x = x * a + b. */
#define MACHINE_FMA(name, attribute)                                               \
    attribute static double name(int64_t steps, float *keep)                       \
    {                                                                              \
        machine_v16 x[CHAINS], a, b, sum = { 0 };                                  \
        for (int i = 0; i < 16; i++)                                               \
            a[i] = 0.999f, b[i] = 0.001f;                                          \
        MACHINE_CHAINS x[c] = b * (float)c;                                                   \
        for (int64_t s = 0; s < steps; s++)                                        \
            MACHINE_CHAINS x[c] = x[c] * a + b;                                               \
        MACHINE_CHAINS sum += x[c];                                                           \
        *keep = sum[0];                                                            \
        return (double)steps * CHAINS * 16 * 2;                                    \
    }

#ifdef HONE_X86_64
#include <immintrin.h>

MACHINE_FMA(machine_fma_avx512, __attribute__((target("avx512f"))))

__attribute__((target("avx2,fma"))) static double machine_fma_avx2(int64_t steps, float *keep)
{
    __m256 x[CHAINS], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);

    MACHINE_CHAINS x[c] = _mm256_set1_ps((float)c);
    for (int64_t s = 0; s < steps; s++)
        MACHINE_CHAINS x[c] = _mm256_fmadd_ps(x[c], a, b);
    _Pragma("GCC unroll 12") for (int c = 1; c < CHAINS; c++)
        x[0] = _mm256_add_ps(x[0], x[c]);
    *keep = _mm256_cvtss_f32(x[0]);
    return (double)steps * CHAINS * 8 * 2;
}

__attribute__((target("avx512f,avx512bf16"))) static double machine_dot_bf16(int64_t steps, float *keep)
{
    __m512 x[CHAINS];
    __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f7f), b = (__m512bh)_mm512_set1_epi16(0x3a80);

    MACHINE_CHAINS x[c] = _mm512_set1_ps((float)c);
    for (int64_t s = 0; s < steps; s++)
        MACHINE_CHAINS x[c] = _mm512_dpbf16_ps(x[c], a, b);
    _Pragma("GCC unroll 12") for (int c = 1; c < CHAINS; c++)
        x[0] = _mm512_add_ps(x[0], x[c]);
    *keep = _mm512_cvtss_f32(x[0]);
    return (double)steps * CHAINS * 32 * 2;
}
#endif

MACHINE_FMA(machine_fma_generic, )

static machine_loop *machine_fma(void)
{
#ifdef HONE_X86_64
    if (__builtin_cpu_supports("avx512f"))
        return machine_fma_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return machine_fma_avx2;
#endif
    return machine_fma_generic;
}

static machine_loop *machine_bf16(void)
{
#ifdef HONE_X86_64
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16"))
        return machine_dot_bf16;
#endif
    return NULL;
}

/* ---- all threads at once ---- */

struct work {
    const hone_kernels *k;
    machine_loop *loop;
    double *done;          /* [threads]: operations */
    float *memory;         /* read: shared; product: three matrices a thread */
    int64_t share;         /* read: floats a thread */
};

static void machine_loop_run(void *arg, int64_t i)
{
    struct work *w = arg;
    float keep = 0;

    w->done[i] = w->loop(STEPS, &keep);
    w->memory[i] = keep;
}

static void machine_read_run(void *arg, int64_t i)
{
    struct work *w = arg;

    w->done[i] = w->k->sum(w->share, w->memory + i * w->share) + (double)w->share * 4;
}

static void machine_product_run(void *arg, int64_t i)
{
    struct work *w = arg;
    int64_t n = PRODUCT;
    float *a = w->memory + i * 3 * n * n;

    w->k->gemm(false, true, n, n, n, 1, a, n, a + n * n, n, 0, a + 2 * n * n, n);
    w->done[i] = 2.0 * (double)n * (double)n * (double)n;
}

/* Operations of all threads; the seconds are added to *seconds. */
static double machine_round(hone_context *context, struct work *w,
                            void (*run)(void *arg, int64_t i), double *seconds)
{
    int threads = hone_context_threads(context);
    double began = machine_clock(), total = 0;

    hone_parallel(context, threads, run, w);
    *seconds += machine_clock() - began;
    for (int i = 0; i < threads; i++)
        total += w->done[i];
    return total;
}

static double machine_sustained(hone_context *context, struct work *w)
{
    double seconds = 0, total = 0;

    while (seconds < SUSTAINED)
        total += machine_round(context, w, machine_loop_run, &seconds);
    return total / seconds;
}

/* The best rate of several rounds. */
static double machine_rate(hone_context *context, struct work *w,
                           void (*run)(void *arg, int64_t i))
{
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double seconds = 0, total = machine_round(context, w, run, &seconds);
        if (seconds > 0 && total / seconds > best)
            best = total / seconds;
    }
    return best;
}

/* The best rate of the product that models use. */
static int machine_packed(hone_context *context, float *memory, bool half, double *out,
                          hone_error *err)
{
    const hone_product product = { .tb = true, .half = half, .m = TOKENS, .n = OUT, .k = IN,
                                   .a = memory, .lda = IN, .b = memory + TOKENS * IN, .ldb = IN,
                                   .c = memory + TOKENS * IN + IN * OUT, .ldc = OUT };
    hone_graph *g;
    int code = hone_graph_new(&g, context, NULL, err);

    if (code != HONE_OK)
        return code;
    code = hone_graph_begin(g, NULL, err);
    for (int round = 0; round < ROUNDS && code == HONE_OK; round++) {
        double began = machine_clock(), rate;
        hone_graph_product(g, &product);
        rate = 2.0 * TOKENS * IN * OUT / (machine_clock() - began);
        *out = rate > *out ? rate : *out;
        code = hone_graph_error(g, err);
    }
    hone_graph_free(g);
    return code;
}

static bool machine_blas_narrow(const char *core)
{
    static const char *const wide[] = { "SkylakeX", "Cooperlake", "SapphireRapids", "Zen4", "Zen5" };

#ifdef HONE_X86_64
    if (__builtin_cpu_supports("avx512f")) {
        for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
            if (strcmp(core, wide[i]) == 0)
                return false;
        return true;
    }
#endif
    (void)core, (void)wide;
    return false;
}

int hone_machine_measure(hone_context *context, hone_machine *out, hone_error *err)
{
    int64_t threads = hone_context_threads(context), floats = READ_BYTES / 4;
    int64_t products = threads * 3 * PRODUCT * PRODUCT;
    struct work w = { .k = context->kernels };
    hone_buffer buffer = { 0 };
    int code;

    *out = (hone_machine){ .threads = (int)threads };
    openblas_set_num_threads(1);
    if ((code = hone_buffer_new(&buffer, (size_t)(products > floats ? products : floats) * 4, err)))
        return code;
    w.memory = buffer.data;
    if (!(w.done = hone_alloc((size_t)threads, sizeof *w.done))) {
        hone_buffer_free(&buffer);
        return hone_fail_memory(err, "a measurement");
    }
    for (int64_t i = 0; i < floats; i++) /* touched: pages are there before the clock runs */
        w.memory[i] = 0;
    out->kernels = w.k->name;
    out->blas_core = openblas_get_corename();
    out->blas_narrow = machine_blas_narrow(out->blas_core);
    w.loop = machine_fma();
    out->fma = machine_rate(context, &w, machine_loop_run);
    out->sustained = machine_sustained(context, &w);
    if ((w.loop = machine_bf16()))
        out->bf16 = machine_rate(context, &w, machine_loop_run);
    w.share = floats / threads;
    memset(w.memory, 0, (size_t)threads * sizeof *w.memory);
    out->read = machine_rate(context, &w, machine_read_run);
    out->product = machine_rate(context, &w, machine_product_run);
    code = machine_packed(context, w.memory, false, &out->packed, err);
    if (code == HONE_OK)
        code = machine_packed(context, w.memory, true, &out->packed_bf16, err);
    hone_free(w.done);
    hone_buffer_free(&buffer);
    return code;
}
