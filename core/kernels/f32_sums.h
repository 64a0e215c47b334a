/* f32_sums.h -- sums and maxima of floats, in an order that no processor changes.
 *
 * A run is cut into chunks; within one, element i is gathered in lane i % 32 of plain
 * floats, which any vector width can do; the lanes and then the chunks are added in
 * double. */

#define F32_LANES 32
#define F32_CHUNK 4096

F32_INLINE double f32_fold(const float lanes[F32_LANES])
{
    double sums[8], sum = 0;
    for (int l = 0; l < 8; l++)
        sums[l] = ((double)lanes[l] + lanes[l + 8]) + ((double)lanes[l + 16] + lanes[l + 24]);
    for (int l = 0; l < 8; l++)
        sum += sums[l];
    return sum;
}

/* total = sum over i in [0, n) of an expression in i */
#define F32_SUM(n, total, ...)                                                        \
    do {                                                                              \
        total = 0;                                                                    \
        for (int64_t from_ = 0; from_ < (n); from_ += F32_CHUNK) {                    \
            int64_t to_ = (n) - from_ < F32_CHUNK ? (n) : from_ + F32_CHUNK, at_ = from_; \
            float lanes_[F32_LANES] = { 0 };                                          \
            for (; at_ + F32_LANES <= to_; at_ += F32_LANES)                          \
                for (int l_ = 0; l_ < F32_LANES; l_++) {                              \
                    int64_t i = at_ + l_;                                             \
                    lanes_[l_] += __VA_ARGS__;                                        \
                }                                                                     \
            for (int l_ = 0; at_ + l_ < to_; l_++) {                                  \
                int64_t i = at_ + l_;                                                 \
                lanes_[l_] += __VA_ARGS__;                                            \
            }                                                                         \
            total += f32_fold(lanes_);                                                \
        }                                                                             \
    } while (0)

static double f32_sum(int64_t n, const void *xv)
{
    const float *x = xv;
    double total;
    F32_SUM(n, total, x[i]);
    return total;
}

static double f32_dot(int64_t n, const void *xv, const void *yv)
{
    const float *x = xv, *y = yv;
    double total;
    F32_SUM(n, total, x[i] * y[i]);
    return total;
}

/* The greatest element, -infinity of none. Some NaN may be passed over, for the sum of
 * exponents will show them; nothing but NaN is NaN. */
static float f32_max(int64_t n, const float *x)
{
    float lanes[F32_LANES], max = -INFINITY;
    int64_t i = 0;
    for (int l = 0; l < F32_LANES; l++)
        lanes[l] = -INFINITY;
    for (; i + F32_LANES <= n; i += F32_LANES)
        for (int l = 0; l < F32_LANES; l++)
            lanes[l] = lanes[l] > x[i + l] ? lanes[l] : x[i + l];
    for (int l = 0; i + l < n; l++)
        lanes[l] = lanes[l] > x[i + l] ? lanes[l] : x[i + l];
    for (int l = 0; l < F32_LANES; l++)
        max = lanes[l] > max || lanes[l] != lanes[l] ? lanes[l] : max;
    return max;
}

/* Sums of columns, in double, a strip of columns at a time. */
static void f32_sum_rows(int64_t rows, int64_t cols, const void *xv, void *yv, bool add)
{
    double sums[F32_BLOCK];
    for (int64_t from = 0; from < cols; from += F32_BLOCK) {
        int64_t m = f32_block(cols, from);
        const float *x = (const float *)xv + from;
        float *y = (float *)yv + from;
        memset(sums, 0, sizeof sums);
        for (int64_t r = 0; r < rows; r++, x += cols)
            F32_EACH(m) sums[i] += x[i];
        F32_PUT(m, add, y, (float)sums[i]);
    }
}
