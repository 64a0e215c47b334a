/* reference.c -- the naive kernels: double precision, written from the definitions.
 *
 * Plain loops over one element at a time, libm, no blocking and no tricks beyond
 * what keeps a formula from overflowing: this table is what the others and all
 * gradients are tested with, so a reader must be able to see that it is right. */
#include "kernels.h"

#include <math.h>

static void put(double *to, double value, bool add)
{
    *to = add ? *to + value : value;
}

static void reference_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                           const void *av, int64_t lda, const void *bv, int64_t ldb, double beta,
                           void *cv, int64_t ldc)
{
    const double *a = av, *b = bv;
    double *c = cv;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < k; p++)
                sum += a[ta ? p * lda + i : i * lda + p] * b[tb ? j * ldb + p : p * ldb + j];
            double *to = &c[i * ldc + j];
            *to = alpha * sum + (beta == 0 ? 0 : beta * *to);
        }
}

/* ---- element by element ---- */

static void reference_affine(int64_t n, double scale, const void *xv, double shift, void *yv,
                             bool add)
{
    for (int64_t i = 0; i < n; i++)
        put((double *)yv + i, scale * ((const double *)xv)[i] + shift, add);
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* Normal distribution: function and density. */
static double normal_below(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

static double normal_density(double x)
{
    return exp(-0.5 * x * x) * M_2_SQRTPI * M_SQRT1_2 / 2;
}

/* gelu_tanh is x/2 (1 + tanh(u)), with u = sqrt(2/pi) (x + 0.044715 x^3). It is written as
 * x sigmoid(2 u), the same number without cancellation. */
static double gelu_inner(double x)
{
    return M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x);
}

static double apply(hone_unary f, double x)
{
    switch (f) {
    case HONE_NEG: return -x;
    case HONE_EXP: return exp(x);
    case HONE_LOG: return log(x);
    case HONE_SQRT: return sqrt(x);
    case HONE_SQUARE: return x * x;
    case HONE_ABS: return fabs(x);
    case HONE_SIGMOID: return sigmoid(x);
    case HONE_LOG_SIGMOID: return -softplus(-x);
    case HONE_SOFTPLUS: return softplus(x);
    case HONE_TANH: return tanh(x);
    case HONE_RELU: return x < 0 ? 0 : x;
    case HONE_SILU: return x * sigmoid(x);
    case HONE_GELU: return x * normal_below(x);
    case HONE_GELU_TANH: return x * sigmoid(2 * gelu_inner(x));
    case HONE_UNARY_COUNT: break;
    }
    return NAN;
}

static double slope(hone_unary f, double x, double y)
{
    switch (f) {
    case HONE_NEG: return -1;
    case HONE_EXP: return y;
    case HONE_LOG: return 1 / x;
    case HONE_SQRT: return 0.5 / y;
    case HONE_SQUARE: return 2 * x;
    case HONE_ABS: return (x > 0) - (x < 0);
    case HONE_SIGMOID: return y * (1 - y);
    case HONE_LOG_SIGMOID: return sigmoid(-x);
    case HONE_SOFTPLUS: return sigmoid(x);
    case HONE_TANH: return 1 - y * y;
    case HONE_RELU: return x > 0;
    case HONE_SILU: return sigmoid(x) + x * sigmoid(x) * sigmoid(-x);
    case HONE_GELU: return normal_below(x) + x * normal_density(x);
    case HONE_GELU_TANH: {
        double u = gelu_inner(x), du = M_2_SQRTPI * M_SQRT1_2 * (1 + 3 * 0.044715 * x * x);
        return sigmoid(2 * u) + x * sigmoid(2 * u) * sigmoid(-2 * u) * 2 * du;
    }
    case HONE_UNARY_COUNT: break;
    }
    return NAN;
}

static void reference_unary(hone_unary f, int64_t n, const void *xv, void *yv)
{
    const double *x = xv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++)
        y[i] = apply(f, x[i]);
}

static void reference_unary_grad(hone_unary f, int64_t n, const void *xv, const void *yv,
                                 const void *dyv, void *dxv, bool add)
{
    const double *x = xv, *y = yv, *dy = dyv;
    double *dx = dxv;
    for (int64_t i = 0; i < n; i++)
        put(&dx[i], dy[i] * slope(f, x[i], y[i]), add);
}

/* Whether min or max takes a: it wins a tie, and NaN on either side wins. */
static bool takes_a(hone_binary f, double a, double b)
{
    return isnan(a) || (f == HONE_BIN_MIN ? a <= b : a >= b);
}

static double combine(hone_binary f, double a, double b)
{
    switch (f) {
    case HONE_BIN_ADD: return a + b;
    case HONE_BIN_SUB: return a - b;
    case HONE_BIN_MUL: return a * b;
    case HONE_BIN_DIV: return a / b;
    case HONE_BIN_MIN:
    case HONE_BIN_MAX: return takes_a(f, a, b) ? a : b;
    case HONE_BIN_COUNT: break;
    }
    return NAN;
}

static void reference_binary(hone_binary f, int64_t n, const void *av, int64_t sa, const void *bv,
                             int64_t sb, void *yv)
{
    const double *a = av, *b = bv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++)
        y[i] = combine(f, a[i * sa], b[i * sb]);
}

/* dy times the derivative in a, or in b when `second`. */
static double combine_grad(hone_binary f, bool second, double a, double b, double dy)
{
    switch (f) {
    case HONE_BIN_ADD: return dy;
    case HONE_BIN_SUB: return second ? -dy : dy;
    case HONE_BIN_MUL: return dy * (second ? a : b);
    case HONE_BIN_DIV: return second ? -dy * (a / b / b) : dy / b;
    case HONE_BIN_MIN:
    case HONE_BIN_MAX: return takes_a(f, a, b) != second ? dy : 0;
    case HONE_BIN_COUNT: break;
    }
    return NAN;
}

static void reference_binary_grad(hone_binary f, bool second, int64_t n, const void *av, int64_t sa,
                                  const void *bv, int64_t sb, const void *dyv, void *dxv, bool add)
{
    const double *a = av, *b = bv, *dy = dyv;
    double *dx = dxv;
    for (int64_t i = 0; i < n; i++)
        put(&dx[i], combine_grad(f, second, a[i * sa], b[i * sb], dy[i]), add);
}

static bool holds(hone_comparison f, double a, double b)
{
    switch (f) {
    case HONE_EQ: return a == b;
    case HONE_NE: return a != b;
    case HONE_LT: return a < b;
    case HONE_LE: return a <= b;
    case HONE_GT: return a > b;
    case HONE_GE: return a >= b;
    }
    return false;
}

static void reference_compare(hone_comparison f, int64_t n, const void *av, int64_t sa,
                              const void *bv, int64_t sb, void *yv)
{
    const double *a = av, *b = bv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++)
        y[i] = holds(f, a[i * sa], b[i * sb]);
}

static void reference_where(int64_t n, const void *maskv, const void *av, const void *bv, void *yv,
                            bool add)
{
    const double *mask = maskv, *a = av, *b = bv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++) {
        const double *from = mask[i] != 0 ? a : b;
        put(&y[i], from ? from[i] : 0, add);
    }
}

static void reference_clamp(int64_t n, double low, double high, const void *xv, void *yv)
{
    const double *x = xv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

static void reference_clamp_grad(int64_t n, double low, double high, const void *xv,
                                 const void *dyv, void *dxv, bool add)
{
    const double *x = xv, *dy = dyv;
    double *dx = dxv;
    for (int64_t i = 0; i < n; i++)
        put(&dx[i], low <= x[i] && x[i] <= high ? dy[i] : 0, add);
}

static void reference_power(int64_t n, double p, const void *xv, void *yv)
{
    const double *x = xv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++)
        y[i] = pow(x[i], p);
}

static void reference_power_grad(int64_t n, double p, const void *xv, const void *dyv, void *dxv,
                                 bool add)
{
    const double *x = xv, *dy = dyv;
    double *dx = dxv;
    for (int64_t i = 0; i < n; i++)
        put(&dx[i], p == 0 ? 0 : dy[i] * p * pow(x[i], p - 1), add);
}

static void reference_dropout(int64_t n, double p, uint64_t seed, uint64_t stream, int64_t first,
                              const void *xv, void *yv, bool add)
{
    const double *x = xv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)(first + i);
        uint32_t words[4];
        hone_random_block(seed, stream, at / 4, words);
        put(&y[i], words[at % 4] >= p * 0x1p32 ? x[i] / (1 - p) : 0, add);
    }
}

/* ---- sums ---- */

static double reference_sum(int64_t n, const void *xv)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((const double *)xv)[i];
    return sum;
}

static double reference_squares(int64_t n, const void *xv)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((const double *)xv)[i] * ((const double *)xv)[i];
    return sum;
}

static double reference_dot(int64_t n, const void *xv, const void *yv)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((const double *)xv)[i] * ((const double *)yv)[i];
    return sum;
}

static void reference_sum_rows(int64_t rows, int64_t cols, const void *xv, void *yv, bool add)
{
    const double *x = xv;
    double *y = yv;
    for (int64_t j = 0; j < cols; j++) {
        double sum = 0;
        for (int64_t i = j; i < rows * cols; i += cols)
            sum += x[i];
        put(&y[j], sum, add);
    }
}

/* ---- layers ---- */

static void reference_swiglu(int64_t n, const void *gatev, const void *upv, void *yv)
{
    const double *gate = gatev, *up = upv;
    double *y = yv;
    for (int64_t i = 0; i < n; i++)
        y[i] = apply(HONE_SILU, gate[i]) * up[i];
}

static void reference_swiglu_grad(int64_t n, const void *gatev, const void *upv, const void *dyv,
                                  void *dgatev, bool add_gate, void *dupv, bool add_up)
{
    const double *gate = gatev, *up = upv, *dy = dyv;
    double *dgate = dgatev, *dup = dupv;
    for (int64_t i = 0; i < n; i++) {
        double silu = apply(HONE_SILU, gate[i]);
        if (dgate)
            put(&dgate[i], dy[i] * up[i] * slope(HONE_SILU, gate[i], silu), add_gate);
        if (dup)
            put(&dup[i], dy[i] * silu, add_up);
    }
}

static void reference_rmsnorm(int64_t rows, int64_t d, const void *xv, const void *wv, double eps,
                              void *yv, void *invv)
{
    const double *x = xv, *w = wv;
    double *y = yv, *inv = invv;
    for (int64_t r = 0; r < rows; r++, x += d, y += d) {
        inv[r] = 1 / sqrt(reference_dot(d, x, x) / (double)d + eps);
        for (int64_t j = 0; j < d; j++)
            y[j] = x[j] * inv[r] * w[j];
    }
}

static void reference_rmsnorm_grad(int64_t rows, int64_t d, const void *xv, const void *wv,
                                   const void *invv, const void *dyv, void *dxv, bool add,
                                   void *dwv)
{
    const double *x = xv, *w = wv, *inv = invv, *dy = dyv;
    double *dx = dxv, *dw = dwv;
    for (int64_t r = 0; r < rows; r++) {
        double mean = 0; /* of dy w x inv */
        for (int64_t j = 0; j < d; j++)
            mean += dy[r * d + j] * w[j] * x[r * d + j] * inv[r] / (double)d;
        for (int64_t j = 0; j < d; j++) {
            int64_t i = r * d + j;
            double normal = x[i] * inv[r];
            if (dx)
                put(&dx[i], inv[r] * (dy[i] * w[j] - normal * mean), add);
            if (dw)
                dw[j] += dy[i] * normal;
        }
    }
}

static void reference_layernorm(int64_t rows, int64_t d, const void *xv, const void *wv,
                                const void *bv, double eps, void *yv, void *meanv, void *invv)
{
    const double *x = xv, *w = wv, *b = bv;
    double *y = yv, *mean = meanv, *inv = invv;
    for (int64_t r = 0; r < rows; r++, x += d, y += d) {
        mean[r] = reference_sum(d, x) / (double)d;
        double variance = 0;
        for (int64_t j = 0; j < d; j++)
            variance += (x[j] - mean[r]) * (x[j] - mean[r]) / (double)d;
        inv[r] = 1 / sqrt(variance + eps);
        for (int64_t j = 0; j < d; j++)
            y[j] = (x[j] - mean[r]) * inv[r] * w[j] + (b ? b[j] : 0);
    }
}

static void reference_layernorm_grad(int64_t rows, int64_t d, const void *xv, const void *wv,
                                     const void *meanv, const void *invv, const void *dyv,
                                     void *dxv, bool add, void *dwv, void *dbv)
{
    const double *x = xv, *w = wv, *mean = meanv, *inv = invv, *dy = dyv;
    double *dx = dxv, *dw = dwv, *db = dbv;
    for (int64_t r = 0; r < rows; r++) {
        double mean_g = 0, mean_gn = 0; /* of g = dy w, and of g times the normalised x */
        for (int64_t j = 0; j < d; j++) {
            double g = dy[r * d + j] * w[j];
            mean_g += g / (double)d;
            mean_gn += g * (x[r * d + j] - mean[r]) * inv[r] / (double)d;
        }
        for (int64_t j = 0; j < d; j++) {
            int64_t i = r * d + j;
            double normal = (x[i] - mean[r]) * inv[r];
            if (dx)
                put(&dx[i], inv[r] * (dy[i] * w[j] - mean_g - normal * mean_gn), add);
            if (dw)
                dw[j] += dy[i] * normal;
            if (db)
                db[j] += dy[i];
        }
    }
}

static double log_sum_exp(int64_t n, const double *x)
{
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, x[i]);
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - max);
    return max + log(sum);
}

static void reference_softmax(int64_t rows, int64_t d, bool logged, const void *xv, void *yv)
{
    const double *x = xv;
    double *y = yv;
    for (int64_t r = 0; r < rows; r++, x += d, y += d) {
        double lse = log_sum_exp(d, x);
        for (int64_t j = 0; j < d; j++)
            y[j] = logged ? x[j] - lse : exp(x[j] - lse);
    }
}

static void reference_softmax_grad(int64_t rows, int64_t d, bool logged, const void *yv,
                                   const void *dyv, void *dxv, bool add)
{
    const double *y = yv, *dy = dyv;
    double *dx = dxv;
    for (int64_t r = 0; r < rows; r++, y += d, dy += d, dx += d) {
        double sum = logged ? reference_sum(d, dy) : reference_dot(d, y, dy);
        for (int64_t j = 0; j < d; j++)
            put(&dx[j], logged ? dy[j] - exp(y[j]) * sum : y[j] * (dy[j] - sum), add);
    }
}

static void reference_rope(int64_t rows, int64_t heads, int64_t d, const void *tablev, bool inverse,
                           const void *xv, void *yv, bool add)
{
    const double *table = tablev, *x = xv;
    double *y = yv;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < d / 2; i++) {
                int64_t at = (r * heads + h) * d + i;
                double cosine = table[r * d + i], sine = table[r * d + d / 2 + i];
                double a = x[at], b = x[at + d / 2];
                if (inverse)
                    sine = -sine;
                put(&y[at], a * cosine - b * sine, add);
                put(&y[at + d / 2], a * sine + b * cosine, add);
            }
}

/* ---- attention ---- */

static double soften(double x, double cap)
{
    return cap > 0 ? cap * tanh(x / cap) : x;
}

/* d soften / dx */
static double soften_slope(double x, double cap)
{
    double t = cap > 0 ? tanh(x / cap) : 0;
    return 1 - t * t;
}

static void reference_attention_softmax(int64_t rows, int64_t cols, void *sv, int64_t ld,
                                        double scale, double cap, const int64_t *low,
                                        const int64_t *high, void *lsev, bool known)
{
    double *lse = lsev;
    for (int64_t r = 0; r < rows; r++) {
        double *s = (double *)sv + r * ld;
        double max = -INFINITY, sum = 0;
        for (int64_t j = 0; j < cols; j++) {
            s[j] = low[r] <= j && j < high[r] ? soften(scale * s[j], cap) : -INFINITY;
            max = fmax(max, s[j]);
        }
        for (int64_t j = 0; j < cols; j++)
            sum += max > -INFINITY ? exp(s[j] - max) : 0;
        double total = known ? lse[r] : max + log(sum);
        for (int64_t j = 0; j < cols; j++)
            s[j] = s[j] == -INFINITY ? 0 : exp(s[j] - total);
        if (lse)
            lse[r] = total;
    }
}

static void reference_attention_grad(int64_t rows, int64_t cols, const void *pv, void *dpv,
                                     int64_t ld, double scale, double cap, const void *rawv,
                                     const void *deltav, const int64_t *low, const int64_t *high)
{
    const double *p = pv, *raw = rawv, *delta = deltav;
    double *dp = dpv;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0, i = r * ld; j < cols; j++, i++) {
            double ds = p[i] * (dp[i] - delta[r]) * scale;
            ds = cap > 0 ? ds * soften_slope(scale * raw[i], cap) : ds;
            dp[i] = low[r] <= j && j < high[r] ? ds : 0;
        }
}

/* ---- losses ---- */

/* The logit as the distribution sees it. */
static double temper(double logit, double cap, double scale)
{
    return soften(logit, cap) / scale;
}

/* Log of the sum of exponents of a row, and its entropy. */
static double row_lse(int64_t vocab, const double *logits, double cap, double scale,
                      double *entropy)
{
    double max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < vocab; j++)
        max = fmax(max, temper(logits[j], cap, scale));
    for (int64_t j = 0; j < vocab; j++)
        sum += exp(temper(logits[j], cap, scale) - max);
    double lse = max + log(sum);
    *entropy = 0;
    for (int64_t j = 0; j < vocab; j++) {
        double log_p = temper(logits[j], cap, scale) - lse;
        *entropy -= log_p == -INFINITY ? 0 : exp(log_p) * log_p;
    }
    return lse;
}

static void reference_cross_entropy(int64_t rows, int64_t vocab, void *logitsv,
                                    const int32_t *targets, const float *weights, double cap,
                                    double scale, void *nllv)
{
    double *logits = logitsv, *nll = nllv;
    for (int64_t r = 0; r < rows; r++, logits += vocab) {
        double entropy, lse = row_lse(vocab, logits, cap, scale, &entropy);
        nll[r] = lse - temper(logits[targets[r]], cap, scale);
        for (int64_t j = 0; j < vocab; j++) {
            double p = exp(temper(logits[j], cap, scale) - lse), w = weights ? weights[r] : 1;
            double dz = w * (p - (j == targets[r]));
            logits[j] = dz / scale * soften_slope(logits[j], cap);
        }
    }
}

static void reference_logp(int64_t rows, int64_t vocab, const void *logitsv, const int32_t *targets,
                           double cap, double scale, void *logpv, void *entropyv)
{
    const double *logits = logitsv;
    double *logp = logpv, *entropy = entropyv;
    for (int64_t r = 0; r < rows; r++, logits += vocab) {
        double e, lse = row_lse(vocab, logits, cap, scale, &e);
        logp[r] = temper(logits[targets[r]], cap, scale) - lse;
        if (entropy)
            entropy[r] = e;
    }
}

static void reference_logp_grad(int64_t rows, int64_t vocab, void *logitsv, const int32_t *targets,
                                double cap, double scale, const void *dlogpv, const void *dentropyv)
{
    const double *dlogp = dlogpv, *dentropy = dentropyv;
    double *logits = logitsv;
    for (int64_t r = 0; r < rows; r++, logits += vocab) {
        double entropy, lse = row_lse(vocab, logits, cap, scale, &entropy);
        for (int64_t j = 0; j < vocab; j++) {
            double log_p = temper(logits[j], cap, scale) - lse, p = exp(log_p), dz = 0;
            if (dlogp)
                dz += dlogp[r] * ((j == targets[r]) - p);
            if (dentropy && log_p != -INFINITY)
                dz -= dentropy[r] * p * (log_p + entropy);
            logits[j] = dz / scale * soften_slope(logits[j], cap);
        }
    }
}

const hone_kernels hone_kernels_reference = {
    .name = "reference",
    .dtype = HONE_F64,
    .gemm = reference_gemm,
    .affine = reference_affine,
    .unary = reference_unary,
    .unary_grad = reference_unary_grad,
    .binary = reference_binary,
    .binary_grad = reference_binary_grad,
    .compare = reference_compare,
    .where = reference_where,
    .clamp = reference_clamp,
    .clamp_grad = reference_clamp_grad,
    .power = reference_power,
    .power_grad = reference_power_grad,
    .dropout = reference_dropout,
    .sum = reference_sum,
    .dot = reference_dot,
    .squares = reference_squares,
    .sum_rows = reference_sum_rows,
    .swiglu = reference_swiglu,
    .swiglu_grad = reference_swiglu_grad,
    .rmsnorm = reference_rmsnorm,
    .rmsnorm_grad = reference_rmsnorm_grad,
    .layernorm = reference_layernorm,
    .layernorm_grad = reference_layernorm_grad,
    .softmax = reference_softmax,
    .softmax_grad = reference_softmax_grad,
    .rope = reference_rope,
    .attention_softmax = reference_attention_softmax,
    .attention_grad = reference_attention_grad,
    .cross_entropy = reference_cross_entropy,
    .logp = reference_logp,
    .logp_grad = reference_logp_grad,
};
