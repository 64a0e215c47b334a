/* f32_each.h -- kernels of float that work element by element.
 *
 * Work goes in blocks that fit the first cache. A broadcast operand (stride 0) is
 * written out once, to be read by every block; where a gradient is added, the block is
 * computed aside first. So there is one loop for each function, not one for each case. */

/* Iterations are independent, in place or not: the compiler need not check. */
#ifdef __clang__
#define F32_EACH(n) _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < (n); i++)
#else
#define F32_EACH(n) _Pragma("GCC ivdep") for (int64_t i = 0; i < (n); i++)
#endif

/* to[i] = or += expression in i */
#define F32_PUT(n, add, to, ...)          \
    do {                                  \
        if (add)                          \
            F32_EACH(n) to[i] += __VA_ARGS__; \
        else                              \
            F32_EACH(n) to[i] = __VA_ARGS__;  \
    } while (0)

#define F32_BLOCK 1024

F32_INLINE int64_t f32_block(int64_t n, int64_t from)
{
    return n - from < F32_BLOCK ? n - from : F32_BLOCK;
}

static void f32_affine(int64_t n, double scale, const void *xv, double shift, void *yv, bool add)
{
    const float *x = xv, k = (float)scale, b = (float)shift;
    float *y = yv;
    if (shift == 0)
        F32_PUT(n, add, y, x[i] * k);
    else
        F32_PUT(n, add, y, x[i] * k + b);
}

/* ---- functions of one number ---- */

/* 2 sqrt(2/pi) and its product with 0.044715: gelu_tanh is x sigmoid(c x + d x^3). */
#define F32_GELU_C 1.59576912f
#define F32_GELU_D 0.0713548163f
/* 1 / sqrt(2 pi) */
#define F32_BELL 0.398942280f

static void f32_unary(hone_unary f, int64_t n, const void *xv, void *yv)
{
    const float *x = xv;
    float *y = yv;
    switch (f) {
    case HONE_NEG: F32_EACH(n) y[i] = -x[i]; break;
    case HONE_EXP: F32_EACH(n) y[i] = f32_exp(x[i]); break;
    case HONE_LOG: F32_EACH(n) y[i] = f32_log(x[i]); break;
    case HONE_SQRT: F32_EACH(n) y[i] = sqrtf(x[i]); break;
    case HONE_SQUARE: F32_EACH(n) y[i] = x[i] * x[i]; break;
    case HONE_ABS: F32_EACH(n) y[i] = fabsf(x[i]); break;
    case HONE_SIGMOID: F32_EACH(n) y[i] = f32_sigmoid(x[i]); break;
    case HONE_LOG_SIGMOID: F32_EACH(n) y[i] = -f32_softplus(-x[i]); break;
    case HONE_SOFTPLUS: F32_EACH(n) y[i] = f32_softplus(x[i]); break;
    case HONE_TANH: F32_EACH(n) y[i] = f32_tanh(x[i]); break;
    case HONE_RELU: F32_EACH(n) y[i] = x[i] < 0.0f ? 0.0f : x[i]; break;
    case HONE_SILU: F32_EACH(n) y[i] = x[i] * f32_sigmoid(x[i]); break;
    case HONE_GELU: F32_EACH(n) y[i] = x[i] * f32_normal_at(x[i]).below; break;
    case HONE_GELU_TANH:
        F32_EACH(n) y[i] = x[i] * f32_sigmoid(x[i] * (F32_GELU_C + F32_GELU_D * x[i] * x[i]));
        break;
    case HONE_UNARY_COUNT: break;
    }
}

F32_INLINE float f32_silu_slope(float x)
{
    float s = f32_sigmoid(x);
    return s + x * s * f32_sigmoid(-x);
}

F32_INLINE float f32_gelu_slope(float x)
{
    f32_normal at = f32_normal_at(x);
    float near = x > 32.0f ? 32.0f : x < -32.0f ? -32.0f : x;
    return at.below + near * at.density * F32_BELL;
}

/* Beyond +-16 the slope is 1 or 0, but x^2 may overflow. */
F32_INLINE float f32_gelu_tanh_slope(float x)
{
    x = x > 16.0f ? 16.0f : x < -16.0f ? -16.0f : x;
    float z = x * x, u = x * (F32_GELU_C + F32_GELU_D * z), s = f32_sigmoid(u);
    return s + x * s * f32_sigmoid(-u) * (F32_GELU_C + 3.0f * F32_GELU_D * z);
}

static void f32_unary_grad_block(hone_unary f, int64_t n, const float *x, const float *y,
                                 const float *dy, float *dx)
{
    switch (f) {
    case HONE_NEG: F32_EACH(n) dx[i] = -dy[i]; break;
    case HONE_EXP: F32_EACH(n) dx[i] = dy[i] * y[i]; break;
    case HONE_LOG: F32_EACH(n) dx[i] = dy[i] / x[i]; break;
    case HONE_SQRT: F32_EACH(n) dx[i] = dy[i] * (0.5f / y[i]); break;
    case HONE_SQUARE: F32_EACH(n) dx[i] = dy[i] * (2.0f * x[i]); break;
    case HONE_ABS:
        F32_EACH(n) dx[i] = dy[i] * ((x[i] > 0.0f ? 1.0f : 0.0f) - (x[i] < 0.0f ? 1.0f : 0.0f));
        break;
    case HONE_SIGMOID: F32_EACH(n) dx[i] = dy[i] * (y[i] * (1.0f - y[i])); break;
    case HONE_LOG_SIGMOID: F32_EACH(n) dx[i] = dy[i] * f32_sigmoid(-x[i]); break;
    case HONE_SOFTPLUS: F32_EACH(n) dx[i] = dy[i] * f32_sigmoid(x[i]); break;
    case HONE_TANH: F32_EACH(n) dx[i] = dy[i] * ((1.0f - y[i]) * (1.0f + y[i])); break;
    case HONE_RELU: F32_EACH(n) dx[i] = dy[i] * (x[i] > 0.0f ? 1.0f : 0.0f); break;
    case HONE_SILU: F32_EACH(n) dx[i] = dy[i] * f32_silu_slope(x[i]); break;
    case HONE_GELU: F32_EACH(n) dx[i] = dy[i] * f32_gelu_slope(x[i]); break;
    case HONE_GELU_TANH: F32_EACH(n) dx[i] = dy[i] * f32_gelu_tanh_slope(x[i]); break;
    case HONE_UNARY_COUNT: break;
    }
}

static void f32_unary_grad(hone_unary f, int64_t n, const void *xv, const void *yv, const void *dyv,
                           void *dxv, bool add)
{
    const float *x = xv, *y = yv, *dy = dyv;
    float *dx = dxv, block[F32_BLOCK];
    for (int64_t from = 0; from < n; from += F32_BLOCK) {
        int64_t m = f32_block(n, from);
        float *to = add ? block : dx + from;
        f32_unary_grad_block(f, m, x + from, y + from, dy + from, to);
        if (add)
            F32_EACH(m) dx[from + i] += block[i];
    }
}

/* ---- functions of two numbers ---- */

/* The next block of an operand: where it is, or `filled` with its one value. */
F32_INLINE const float *f32_operand(const float *x, int64_t stride, int64_t from,
                                    const float *filled)
{
    return stride ? x + from : filled;
}

static void f32_fill(int64_t n, const float *x, int64_t stride, float *filled)
{
    if (stride || n <= 0)
        return;
    for (int64_t i = 0; i < f32_block(n, 0); i++)
        filled[i] = x[0];
}

/* Of equals a is taken; NaN on either side wins. */
#define F32_A_IS_MIN(a, b) (((a) <= (b)) | ((a) != (a)))
#define F32_A_IS_MAX(a, b) (((a) >= (b)) | ((a) != (a)))

static void f32_binary_block(hone_binary f, int64_t n, const float *a, const float *b, float *y)
{
    switch (f) {
    case HONE_BIN_ADD: F32_EACH(n) y[i] = a[i] + b[i]; break;
    case HONE_BIN_SUB: F32_EACH(n) y[i] = a[i] - b[i]; break;
    case HONE_BIN_MUL: F32_EACH(n) y[i] = a[i] * b[i]; break;
    case HONE_BIN_DIV: F32_EACH(n) y[i] = a[i] / b[i]; break;
    case HONE_BIN_MIN: F32_EACH(n) y[i] = F32_A_IS_MIN(a[i], b[i]) ? a[i] : b[i]; break;
    case HONE_BIN_MAX: F32_EACH(n) y[i] = F32_A_IS_MAX(a[i], b[i]) ? a[i] : b[i]; break;
    case HONE_BIN_COUNT: break;
    }
}

static void f32_binary(hone_binary f, int64_t n, const void *av, int64_t sa, const void *bv,
                       int64_t sb, void *yv)
{
    const float *a = av, *b = bv;
    float *y = yv, as[F32_BLOCK], bs[F32_BLOCK];
    f32_fill(n, a, sa, as);
    f32_fill(n, b, sb, bs);
    for (int64_t from = 0; from < n; from += F32_BLOCK)
        f32_binary_block(f, f32_block(n, from), f32_operand(a, sa, from, as),
                         f32_operand(b, sb, from, bs), y + from);
}

/* The derivative in a. */
static void f32_binary_grad_a(hone_binary f, int64_t n, const float *a, const float *b,
                              const float *dy, float *dx)
{
    switch (f) {
    case HONE_BIN_ADD:
    case HONE_BIN_SUB: F32_EACH(n) dx[i] = dy[i]; break;
    case HONE_BIN_MUL: F32_EACH(n) dx[i] = dy[i] * b[i]; break;
    case HONE_BIN_DIV: F32_EACH(n) dx[i] = dy[i] / b[i]; break;
    case HONE_BIN_MIN: F32_EACH(n) dx[i] = F32_A_IS_MIN(a[i], b[i]) ? dy[i] : 0.0f; break;
    case HONE_BIN_MAX: F32_EACH(n) dx[i] = F32_A_IS_MAX(a[i], b[i]) ? dy[i] : 0.0f; break;
    case HONE_BIN_COUNT: break;
    }
}

static void f32_binary_grad_b(hone_binary f, int64_t n, const float *a, const float *b,
                              const float *dy, float *dx)
{
    switch (f) {
    case HONE_BIN_ADD: F32_EACH(n) dx[i] = dy[i]; break;
    case HONE_BIN_SUB: F32_EACH(n) dx[i] = -dy[i]; break;
    case HONE_BIN_MUL: F32_EACH(n) dx[i] = dy[i] * a[i]; break;
    case HONE_BIN_DIV: F32_EACH(n) dx[i] = -dy[i] * (a[i] / b[i] / b[i]); break;
    case HONE_BIN_MIN: F32_EACH(n) dx[i] = F32_A_IS_MIN(a[i], b[i]) ? 0.0f : dy[i]; break;
    case HONE_BIN_MAX: F32_EACH(n) dx[i] = F32_A_IS_MAX(a[i], b[i]) ? 0.0f : dy[i]; break;
    case HONE_BIN_COUNT: break;
    }
}

static void f32_binary_grad(hone_binary f, bool second, int64_t n, const void *av, int64_t sa,
                            const void *bv, int64_t sb, const void *dyv, void *dxv, bool add)
{
    const float *a = av, *b = bv, *dy = dyv;
    float *dx = dxv, as[F32_BLOCK], bs[F32_BLOCK], block[F32_BLOCK];
    f32_fill(n, a, sa, as);
    f32_fill(n, b, sb, bs);
    for (int64_t from = 0; from < n; from += F32_BLOCK) {
        int64_t m = f32_block(n, from);
        float *to = add ? block : dx + from;
        (second ? f32_binary_grad_b : f32_binary_grad_a)(f, m, f32_operand(a, sa, from, as),
                                                         f32_operand(b, sb, from, bs), dy + from,
                                                         to);
        if (add)
            F32_EACH(m) dx[from + i] += block[i];
    }
}

static void f32_compare(hone_comparison f, int64_t n, const void *av, int64_t sa, const void *bv,
                        int64_t sb, void *yv)
{
    const float *a = av, *b = bv;
    float *y = yv, as[F32_BLOCK], bs[F32_BLOCK];
    f32_fill(n, a, sa, as);
    f32_fill(n, b, sb, bs);
    for (int64_t from = 0; from < n; from += F32_BLOCK, y += F32_BLOCK) {
        int64_t m = f32_block(n, from);
        const float *p = f32_operand(a, sa, from, as), *q = f32_operand(b, sb, from, bs);
        switch (f) {
        case HONE_EQ: F32_EACH(m) y[i] = p[i] == q[i] ? 1.0f : 0.0f; break;
        case HONE_NE: F32_EACH(m) y[i] = p[i] != q[i] ? 1.0f : 0.0f; break;
        case HONE_LT: F32_EACH(m) y[i] = p[i] < q[i] ? 1.0f : 0.0f; break;
        case HONE_LE: F32_EACH(m) y[i] = p[i] <= q[i] ? 1.0f : 0.0f; break;
        case HONE_GT: F32_EACH(m) y[i] = p[i] > q[i] ? 1.0f : 0.0f; break;
        case HONE_GE: F32_EACH(m) y[i] = p[i] >= q[i] ? 1.0f : 0.0f; break;
        }
    }
}

/* ---- choices ---- */

static void f32_where(int64_t n, const void *maskv, const void *av, const void *bv, void *yv,
                      bool add)
{
    static const float zeros[F32_BLOCK];
    const float *mask = maskv;
    float *y = yv;
    for (int64_t from = 0; from < n; from += F32_BLOCK) {
        int64_t m = f32_block(n, from);
        const float *a = av ? (const float *)av + from : zeros;
        const float *b = bv ? (const float *)bv + from : zeros;
        const float *choice = mask + from;
        float *to = y + from;
        F32_PUT(m, add, to, (choice[i] != 0.0f ? a[i] : b[i]));
    }
}

static void f32_clamp(int64_t n, double low, double high, const void *xv, void *yv)
{
    const float *x = xv, l = (float)low, h = (float)high;
    float *y = yv;
    F32_EACH(n) y[i] = x[i] < l ? l : x[i] > h ? h : x[i];
}

static void f32_clamp_grad(int64_t n, double low, double high, const void *xv, const void *dyv,
                           void *dxv, bool add)
{
    const float *x = xv, *dy = dyv, l = (float)low, h = (float)high;
    float *dx = dxv;
    F32_PUT(n, add, dx, (((l <= x[i]) & (x[i] <= h)) ? dy[i] : 0.0f));
}

/* Exponents other than these go through pow. */
static void f32_power(int64_t n, double p, const void *xv, void *yv)
{
    const float *x = xv;
    float *y = yv;
    if (p == 0)
        F32_EACH(n) y[i] = 1.0f;
    else if (p == 1)
        F32_EACH(n) y[i] = x[i];
    else if (p == 2)
        F32_EACH(n) y[i] = x[i] * x[i];
    else if (p == -1)
        F32_EACH(n) y[i] = 1.0f / x[i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = (float)pow(x[i], p);
}

static void f32_power_grad(int64_t n, double p, const void *xv, const void *dyv, void *dxv,
                           bool add)
{
    const float *x = xv, *dy = dyv;
    float *dx = dxv, power[F32_BLOCK], factor = (float)p;
    for (int64_t from = 0; from < n; from += F32_BLOCK) {
        int64_t m = f32_block(n, from);
        const float *upper = dy + from;
        float *to = dx + from;
        if (p == 0) { /* no slope, also where x^-1 is infinite */
            F32_PUT(m, add, to, 0.0f);
            continue;
        }
        f32_power(m, p - 1, x + from, power);
        F32_PUT(m, add, to, upper[i] * factor * power[i]);
    }
}

/* words[j][i] = word j of hone_random_block(seed, stream, n + i): Philox4x32-10 as in
 * core/random.c, written so that many blocks are computed at once. */
static void f32_random_blocks(uint64_t seed, uint64_t stream, uint64_t n, int64_t count,
                              uint32_t words[4][F32_BLOCK / 4 + 1])
{
    F32_EACH(count) {
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        uint32_t c0 = (uint32_t)(n + (uint64_t)i), c1 = (uint32_t)((n + (uint64_t)i) >> 32);
        uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
        for (int round = 0; round < 10; round++) {
            uint64_t p = UINT64_C(0xD2511F53) * c0, q = UINT64_C(0xCD9E8D57) * c2;
            c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
            c1 = (uint32_t)q;
            c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
            c3 = (uint32_t)p;
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        words[0][i] = c0;
        words[1][i] = c1;
        words[2][i] = c2;
        words[3][i] = c3;
    }
}

static void f32_dropout(int64_t n, double p, uint64_t seed, uint64_t stream, int64_t first,
                        const void *xv, void *yv, bool add)
{
    const float *x = xv, scale = p < 1 ? (float)(1 / (1 - p)) : 0;
    float *y = yv, factors[F32_BLOCK + 4];
    uint32_t words[4][F32_BLOCK / 4 + 1];
    int64_t above = (int64_t)ceil(p * 0x1p32) - 1; /* words above it are kept */
    for (int64_t from = 0; from < n; from += F32_BLOCK, x += F32_BLOCK, y += F32_BLOCK) {
        int64_t m = f32_block(n, from);
        uint64_t at = (uint64_t)(first + from), skip = at % 4;
        int64_t blocks = (m + (int64_t)skip + 3) / 4;
        f32_random_blocks(seed, stream, at / 4, blocks, words);
        for (int j = 0; j < 4; j++)
            F32_EACH(blocks) factors[4 * i + j] = words[j][i] > above ? 1.0f : 0.0f;
        const float *kept = factors + skip;
        F32_PUT(m, add, y, (kept[i] != 0.0f ? x[i] * scale : 0.0f));
    }
}

/* silu(gate) * up */
static void f32_swiglu(int64_t n, const void *gatev, const void *upv, void *yv)
{
    const float *gate = gatev, *up = upv;
    float *y = yv;
    F32_EACH(n) y[i] = gate[i] * f32_sigmoid(gate[i]) * up[i];
}

static void f32_swiglu_grad(int64_t n, const void *gatev, const void *upv, const void *dyv,
                            void *dgatev, bool add_gate, void *dupv, bool add_up)
{
    const float *gate = gatev, *up = upv, *dy = dyv;
    float *dgate = dgatev, *dup = dupv;
    if (dgate)
        F32_PUT(n, add_gate, dgate, dy[i] * up[i] * f32_silu_slope(gate[i]));
    if (dup)
        F32_PUT(n, add_up, dup, dy[i] * (gate[i] * f32_sigmoid(gate[i])));
}
