/* adamw.c -- Adam with decoupled weight decay.
 *
 *   w = w - lr * decay * w
 *   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
 *   w = w - lr * m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + eps)
 *
 * in one pass over memory. Decay shrinks matrices only, unless told otherwise:
 * the gain of a norm or a bias has no scale that a smaller value would make
 * simpler, and pulling gains from 1 to 0 harms what was pretrained.
 * Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019,
 * arXiv:1711.05101. */
#include <hone/optimizer.h>

#include <math.h>

enum { DECAY_MATRICES, DECAY_ALL };

struct adamw {
    double lr, eps, weight_decay;
    hone_real_list betas;
    int64_t decay;
};

static const char *const decays[] = { "matrices", "all", NULL };
static const char *const states[] = { "m", "v", NULL };

static const hone_option options[] = {
    HONE_OPT_REAL(struct adamw, lr, "lr", 1e-4, 0, 1e3, "learning rate"),
    HONE_OPT_REALS(struct adamw, betas, "betas", "[0.9, 0.999]", 0, 1,
                   "how much of the means of the gradient and of its square a step keeps, < 1"),
    HONE_OPT_REAL_FLAGS(struct adamw, eps, "eps", 1e-8, 0, 1, HONE_OPTION_OPEN_MIN,
                        "added to the root of the mean square"),
    HONE_OPT_REAL(struct adamw, weight_decay, "weight_decay", 0.01, 0, 1e3,
                  "share of a weight that a step of lr 1 takes away"),
    HONE_OPT_CHOICE(struct adamw, decay, "decay", "matrices", decays,
                    "what decays: matrices spares norms and biases"),
    HONE_OPT_END
};

static int adamw_init(void *self, hone_context *context, hone_error *err)
{
    const struct adamw *o = self;
    (void)context;

    if (o->betas.count != 2)
        return hone_fail(err, HONE_EINVAL, "betas has %zu numbers; it takes 2", o->betas.count);
    for (int i = 0; i < 2; i++) {
        if (!(o->betas.items[i] < 1))
            return hone_fail(err, HONE_EINVAL, "betas: %g; each must be in [0, 1)",
                             o->betas.items[i]);
    }
    return HONE_OK;
}

static double adamw_lr(const void *self)
{
    const struct adamw *o = self;
    return o->lr;
}

static int adamw_update(const void *self, const hone_update *u, hone_error *err)
{
    const struct adamw *o = self;
    bool decays_here = o->decay == DECAY_ALL || u->dims > 1;
    double keep1 = o->betas.items[0], keep2 = o->betas.items[1], t = (double)u->step;
    float b1 = (float)keep1, b2 = (float)keep2, a1 = (float)(1 - keep1), a2 = (float)(1 - keep2);
    float keep = (float)(decays_here ? 1 - u->lr * o->weight_decay : 1);
    float rate = (float)(u->lr / (1 - pow(keep1, t)));
    float root = (float)(1 / sqrt(1 - pow(keep2, t))), eps = (float)o->eps;
    float *restrict w = u->value, *restrict m = u->states[0], *restrict v = u->states[1];
    const float *restrict g = u->gradient;
    (void)err;

    for (int64_t i = 0; i < u->count; i++) {
        float mean = b1 * m[i] + a1 * g[i], square = b2 * v[i] + a2 * g[i] * g[i];
        m[i] = mean;
        v[i] = square;
        w[i] = w[i] * keep - rate * mean / (sqrtf(square) * root + eps);
    }
    return HONE_OK;
}

static const hone_optimizer_ops ops = {
    .size = sizeof ops, .init = adamw_init, .update = adamw_update, .states = states,
    .elementwise = true, .lr = adamw_lr,
};

/* Whatever the gradient's size, the first step moves a weight by lr. */
static int adamw_self_test(hone_context *context, hone_error *err)
{
    double betas[2] = { 0.9, 0.999 };
    struct adamw o = { .betas = { 2, betas }, .eps = 1e-30 };
    float value[3] = { 1, 1, 1 }, m[3] = {0}, v[3] = {0};
    const float gradient[3] = { 1e-6f, -1, 1e6f }, moved[3] = { 0.9f, 1.1f, 0.9f };
    int64_t shape[1] = { 3 };
    hone_update u = { .size = sizeof u, .dims = 1, .shape = shape, .count = 3, .value = value,
                      .gradient = gradient, .states = (float *[]){ m, v }, .step = 1, .lr = 0.1 };
    (void)context;

    adamw_update(&o, &u, err);
    for (int i = 0; i < 3; i++) {
        if (!(fabsf(value[i] - moved[i]) < 1e-6f))
            return hone_fail(err, HONE_ENUMERIC, "a first step of 0.1 goes from 1 to %.8g, not "
                             "%.8g", value[i], moved[i]);
    }
    return HONE_OK;
}

HONE_PLUGIN(adamw,
    .threadsafe = true, .kind = "optimizer", .version = "1.0",
    .summary = "Adam with decoupled weight decay", .source = "arXiv:1711.05101",
    .instance_size = sizeof(struct adamw), .options = options, .ops = &ops,
    .self_test = adamw_self_test);
