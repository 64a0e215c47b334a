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

static double f32_squares(int64_t n, const void *xv)
{
    const float *x = xv;
    double lanes[F32_LANES] = {0}, total = 0;
    int64_t whole = n / F32_LANES * F32_LANES;
    for (int64_t i = 0; i < whole; i += F32_LANES)
        for (int l = 0; l < F32_LANES; l++)
            lanes[l] += (double)x[i + l] * (double)x[i + l];
    for (int64_t i = whole; i < n; i++)
        lanes[i - whole] += (double)x[i] * (double)x[i];
    for (int l = 0; l < F32_LANES; l++)
        total += lanes[l];
    return total;
}

/* The greater one, or one that is NaN. */
F32_INLINE float f32_greater(float x, float y)
{
    return x > y || x != x ? x : y;
}

/* The greatest of the first `whole` elements (a multiple of F32_LANES) and of `rest`. Some
 * NaN may be passed over; nothing but NaN, before what fills up rest, is NaN. */
F32_INLINE float f32_max_of(int64_t whole, const float *x, const float rest[F32_LANES])
{
    float lanes[F32_LANES];
    memcpy(lanes, rest, sizeof lanes);
    for (int64_t i = 0; i < whole; i += F32_LANES)
        for (int l = 0; l < F32_LANES; l++)
            lanes[l] = lanes[l] > x[i + l] ? lanes[l] : x[i + l];
    float greatest[F32_LANES / 2];
    for (int l = 0; l < F32_LANES / 2; l++)
        greatest[l] = f32_greater(lanes[l], lanes[l + F32_LANES / 2]);
#pragma GCC unroll 4
    for (int half = F32_LANES / 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            greatest[l] = f32_greater(greatest[l], greatest[l + half]);
    return greatest[0];
}

/* The last n % F32_LANES elements, filled up with -infinity; how many come before. */
F32_INLINE int64_t f32_rest(int64_t n, const float *x, float rest[F32_LANES])
{
    int64_t whole = n - n % F32_LANES;
    for (int l = 0; l < F32_LANES; l++)
        rest[l] = -INFINITY;
    memcpy(rest, x + whole, (size_t)(n - whole) * sizeof *x);
    return whole;
}

/* The greatest element, -infinity of none. Some NaN may be passed over, for the sum of
 * exponents will show them; nothing but NaN is NaN. */
static float f32_max(int64_t n, const float *x)
{
    float rest[F32_LANES];
    int64_t whole = f32_rest(n, x, rest);
    return f32_max_of(whole, x, rest);
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
