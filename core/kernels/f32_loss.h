/* f32_loss.h -- losses over rows of logits, which may be 150,000 wide.
 *
 * A row is read in blocks: once for its maximum, once for the sum of exponents, once
 * more to write the gradient. With u = tanh(logit / cap), or the logit itself without a
 * cap, and k = cap / scale, or 1 / scale, the distribution is the softmax of k u: its
 * exponents are k (u - max u), at most 0. The differences come first, so that they are
 * exact where they matter. */

/* What a distribution is made of. */
struct f32_head {
    float cap, inner; /* inner = 1 / cap */
    float k;
    double scale;
};

struct f32_row {
    float top;       /* max u */
    double sum;      /* of exp(k (u - top)) */
    double log_sum;
    double entropy;
};

static struct f32_head f32_head_of(double cap, double scale)
{
    bool capped = cap > 0;
    return (struct f32_head){ capped ? (float)cap : 0, capped ? (float)(1 / cap) : 0,
                              (float)((capped ? cap : 1) / scale), scale };
}

/* u of n <= F32_BLOCK logits: where they are, or in `room`. */
F32_INLINE const float *f32_soften(const struct f32_head *head, int64_t n, const float *logits,
                                   float *room)
{
    if (head->cap == 0)
        return logits;
    float inner = head->inner;
    F32_EACH(n) room[i] = f32_tanh(logits[i] * inner);
    return room;
}

F32_INLINE double f32_soften_one(const struct f32_head *head, float logit)
{
    return head->cap == 0 ? logit : f32_tanh(logit * head->inner);
}

/* d u / d logit, times k, so: d (k u) / d logit. */
F32_INLINE double f32_soften_slope(const struct f32_head *head, double u)
{
    return head->cap == 0 ? 1 / head->scale : (1 - u) * (1 + u) / head->scale;
}

static struct f32_row f32_row_of(const struct f32_head *head, int64_t vocab, const float *logits,
                                 bool with_entropy)
{
    float room[F32_BLOCK], e[F32_BLOCK], k = head->k;
    double sum = 0, moment = 0; /* moment: sum of e k (u - top) */
    float top = (float)f32_soften_one(head, f32_max(vocab, logits));
    for (int64_t from = 0; from < vocab; from += F32_BLOCK) {
        int64_t n = f32_block(vocab, from);
        const float *u = f32_soften(head, n, logits + from, room);
        F32_EACH(n) e[i] = f32_exp(k * (u[i] - top));
        sum += f32_sum(n, e);
        if (with_entropy) {
            F32_EACH(n) room[i] = e[i] == 0.0f ? 0.0f : e[i] * (k * (u[i] - top));
            moment += f32_sum(n, room);
        }
    }
    double log_sum = log(sum);
    return (struct f32_row){ top, sum, log_sum, log_sum - moment / sum };
}

/* log p of one element. */
F32_INLINE double f32_row_logp(const struct f32_head *head, const struct f32_row *row, float logit)
{
    return head->k * (f32_soften_one(head, logit) - row->top) - row->log_sum;
}

/* Logits become their gradient, given that of log p(target) and of the entropy (0: none).
 * With log p = k u - lse, H the entropy:
 *   d log p(t) / d(k u_j) = [j = t] - p_j,   d H / d(k u_j) = -p_j (log p_j + H). */
static void f32_row_grad(const struct f32_head *head, const struct f32_row *row, int64_t vocab,
                         float *logits, int32_t target, double dlogp, double dentropy)
{
    float room[F32_BLOCK], k = head->k, top = row->top;
    float factor = (float)(1 / (row->sum * head->scale));
    float shift = (float)(row->log_sum - row->entropy);
    float a = (float)-dlogp, b = (float)-dentropy;
    /* the target's, apart: 1 - p without cancellation */
    double u_target = f32_soften_one(head, logits[target]);
    double log_p = head->k * (u_target - top) - row->log_sum, p = exp(log_p);
    double at_target = -dlogp * expm1(log_p);
    if (dentropy != 0 && p > 0)
        at_target -= dentropy * p * (log_p + row->entropy);

    for (int64_t from = 0; from < vocab; from += F32_BLOCK) {
        int64_t n = f32_block(vocab, from);
        float *z = logits + from;
        const float *u = f32_soften(head, n, z, room);
        if (dentropy == 0)
            F32_EACH(n) z[i] = f32_exp(k * (u[i] - top)) * factor * a;
        else
            F32_EACH(n) {
                float d = k * (u[i] - top), e = f32_exp(d);
                z[i] = e == 0.0f ? e : e * factor * (a + b * (d - shift));
            }
        if (head->cap != 0)
            F32_EACH(n) z[i] *= (1.0f - room[i]) * (1.0f + room[i]);
    }
    logits[target] = (float)(at_target * f32_soften_slope(head, u_target));
}

static void f32_cross_entropy(int64_t rows, int64_t vocab, void *logitsv, const int32_t *targets,
                              const float *weights, double cap, double scale, void *nllv)
{
    struct f32_head head = f32_head_of(cap, scale);
    float *logits = logitsv, *nll = nllv;
    for (int64_t r = 0; r < rows; r++, logits += vocab) {
        struct f32_row row = f32_row_of(&head, vocab, logits, false);
        nll[r] = (float)-f32_row_logp(&head, &row, logits[targets[r]]);
        f32_row_grad(&head, &row, vocab, logits, targets[r], weights ? -weights[r] : -1, 0);
    }
}

static void f32_logp(int64_t rows, int64_t vocab, const void *logitsv, const int32_t *targets,
                     double cap, double scale, void *logpv, void *entropyv)
{
    struct f32_head head = f32_head_of(cap, scale);
    const float *logits = logitsv;
    float *logp = logpv, *entropy = entropyv;
    for (int64_t r = 0; r < rows; r++, logits += vocab) {
        struct f32_row row = f32_row_of(&head, vocab, logits, entropy != NULL);
        logp[r] = (float)f32_row_logp(&head, &row, logits[targets[r]]);
        if (entropy)
            entropy[r] = (float)row.entropy;
    }
}

static void f32_logp_grad(int64_t rows, int64_t vocab, void *logitsv, const int32_t *targets,
                          double cap, double scale, const void *dlogpv, const void *dentropyv)
{
    struct f32_head head = f32_head_of(cap, scale);
    const float *dlogp = dlogpv, *dentropy = dentropyv;
    float *logits = logitsv;
    for (int64_t r = 0; r < rows; r++, logits += vocab) {
        struct f32_row row = f32_row_of(&head, vocab, logits, dentropy != NULL);
        f32_row_grad(&head, &row, vocab, logits, targets[r], dlogp ? dlogp[r] : 0,
                     dentropy ? dentropy[r] : 0);
    }
}
