/* f32_rows.h -- kernels of float that work row by row: norms, softmax, rotary
 * positions. Sums over a row as in f32_sums.h; what there is one of in a row is computed
 * in double. */

static void f32_rmsnorm(int64_t rows, int64_t d, const void *xv, const void *wv, double eps,
                        void *yv, void *invv)
{
    const float *x = xv, *w = wv;
    float *y = yv, *inv = invv;
    for (int64_t r = 0; r < rows; r++, x += d, y += d) {
        double squares;
        F32_SUM(d, squares, x[i] * x[i]);
        float k = inv[r] = (float)(1 / sqrt(squares / (double)d + eps));
        F32_EACH(d) y[i] = x[i] * k * w[i];
    }
}

static void f32_rmsnorm_grad(int64_t rows, int64_t d, const void *xv, const void *wv,
                             const void *invv, const void *dyv, void *dxv, bool add, void *dwv)
{
    const float *x = xv, *w = wv, *inv = invv, *dy = dyv;
    float *dx = dxv, *dw = dwv;
    for (int64_t r = 0; r < rows; r++, x += d, dy += d) {
        float k = inv[r];
        if (dx) {
            double sum;
            F32_SUM(d, sum, dy[i] * w[i] * x[i]);
            float c = (float)(sum * k * k * k / (double)d);
            F32_PUT(d, add, dx, (dy[i] * w[i] * k - x[i] * c));
            dx += d;
        }
        if (dw)
            F32_EACH(d) dw[i] += dy[i] * (x[i] * k);
    }
}

static void f32_layernorm(int64_t rows, int64_t d, const void *xv, const void *wv, const void *bv,
                          double eps, void *yv, void *meanv, void *invv)
{
    const float *x = xv, *w = wv, *b = bv;
    float *y = yv, *mean = meanv, *inv = invv;
    for (int64_t r = 0; r < rows; r++, x += d, y += d) {
        double sum, squares;
        F32_SUM(d, sum, x[i]);
        float middle = mean[r] = (float)(sum / (double)d);
        F32_SUM(d, squares, (x[i] - middle) * (x[i] - middle));
        float k = inv[r] = (float)(1 / sqrt(squares / (double)d + eps));
        if (b)
            F32_EACH(d) y[i] = (x[i] - middle) * k * w[i] + b[i];
        else
            F32_EACH(d) y[i] = (x[i] - middle) * k * w[i];
    }
}

static void f32_layernorm_grad(int64_t rows, int64_t d, const void *xv, const void *wv,
                               const void *meanv, const void *invv, const void *dyv, void *dxv,
                               bool add, void *dwv, void *dbv)
{
    const float *x = xv, *w = wv, *mean = meanv, *inv = invv, *dy = dyv;
    float *dx = dxv, *dw = dwv, *db = dbv;
    for (int64_t r = 0; r < rows; r++, x += d, dy += d) {
        float middle = mean[r], k = inv[r];
        if (dx) {
            double sum, product;
            F32_SUM(d, sum, dy[i] * w[i]);
            F32_SUM(d, product, dy[i] * w[i] * (x[i] - middle));
            float shift = (float)(sum * k / (double)d);
            float c = (float)(product * k * k * k / (double)d);
            F32_PUT(d, add, dx, (dy[i] * w[i] * k - shift - (x[i] - middle) * c));
            dx += d;
        }
        if (dw)
            F32_EACH(d) dw[i] += dy[i] * ((x[i] - middle) * k);
        if (db)
            F32_EACH(d) db[i] += dy[i];
    }
}

/* y = exp(k x - shift); returns the sum of y. In place where y is x. */
F32_INLINE double f32_exp_row(int64_t n, const float *x, float k, float shift, float *y)
{
    double total = 0;
    for (int64_t from = 0; from < n; from += F32_BLOCK) {
        int64_t m = f32_block(n, from);
        const float *of = x + from;
        float *to = y + from;
        F32_EACH(m) to[i] = f32_exp(k * (of[i] - shift));
        total += f32_sum(m, to);
    }
    return total;
}

static void f32_softmax(int64_t rows, int64_t d, bool logged, const void *xv, void *yv)
{
    const float *x = xv;
    float *y = yv, block[F32_BLOCK];
    for (int64_t r = 0; r < rows; r++, x += d, y += d) {
        float max = f32_max(d, x);
        if (!logged) {
            float k = (float)(1 / f32_exp_row(d, x, 1.0f, max, y));
            F32_EACH(d) y[i] *= k;
            continue;
        }
        double sum = 0;
        for (int64_t from = 0; from < d; from += F32_BLOCK)
            sum += f32_exp_row(f32_block(d, from), x + from, 1.0f, max, block);
        float log_sum = (float)log(sum);
        F32_EACH(d) y[i] = (x[i] - max) - log_sum;
    }
}

static void f32_softmax_grad(int64_t rows, int64_t d, bool logged, const void *yv, const void *dyv,
                             void *dxv, bool add)
{
    const float *y = yv, *dy = dyv;
    float *dx = dxv;
    for (int64_t r = 0; r < rows; r++, y += d, dy += d, dx += d) {
        double total;
        if (logged)
            F32_SUM(d, total, dy[i]);
        else
            F32_SUM(d, total, dy[i] * y[i]);
        float sum = (float)total;
        if (logged)
            F32_PUT(d, add, dx, dy[i] - f32_exp(y[i]) * sum);
        else
            F32_PUT(d, add, dx, y[i] * (dy[i] - sum));
    }
}

static void f32_rope(int64_t rows, int64_t heads, int64_t d, const void *tablev, bool inverse,
                     const void *xv, void *yv, bool add)
{
    const int64_t half = d / 2;
    const float *table = tablev, *x = xv, sign = inverse ? -1.0f : 1.0f;
    float *y = yv;
    for (int64_t r = 0; r < rows; r++, table += d)
        for (int64_t h = 0; h < heads; h++, x += d, y += d) {
            const float *cosine = table, *sine = table + half;
            if (add)
                F32_EACH(half) {
                    float a = x[i], b = x[i + half], s = sign * sine[i];
                    y[i] += a * cosine[i] - b * s;
                    y[i + half] += a * s + b * cosine[i];
                }
            else
                F32_EACH(half) {
                    float a = x[i], b = x[i + half], s = sign * sine[i];
                    y[i] = a * cosine[i] - b * s;
                    y[i + half] = a * s + b * cosine[i];
                }
        }
}
