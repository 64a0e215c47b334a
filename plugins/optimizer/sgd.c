/* sgd.c -- stochastic gradient descent, with momentum where asked for.
 *
 *   g = g + weight_decay * w
 *   b = g at the first step, then momentum * b + (1 - dampening) g
 *   w = w - lr * (nesterov ? g + momentum * b : b)
 *
 * Sutskever et al. 2013, proceedings.mlr.press/v28/sutskever13. */
#include <hone/optimizer.h>

#include <math.h>

struct sgd {
    double lr, momentum, dampening, weight_decay;
    bool nesterov;
};

static const char *const states[] = { "momentum", NULL };

static const hone_option options[] = {
    HONE_OPT_REAL(struct sgd, lr, "lr", 1e-2, 0, 1e6, "learning rate"),
    HONE_OPT_REAL_FLAGS(struct sgd, momentum, "momentum", 0, 0, 1, HONE_OPTION_OPEN_MAX,
                        "how much of the last step goes on"),
    HONE_OPT_REAL(struct sgd, dampening, "dampening", 0, 0, 1,
                  "how much of the gradient momentum leaves out"),
    HONE_OPT_BOOL(struct sgd, nesterov, "nesterov", false,
                  "look ahead; takes momentum and no dampening"),
    HONE_OPT_REAL(struct sgd, weight_decay, "weight_decay", 0, 0, 1e3,
                  "added to the gradient, times the weight"),
    HONE_OPT_END
};

static int sgd_init(void *self, hone_context *context, hone_error *err)
{
    const struct sgd *o = self;
    (void)context;

    if (o->nesterov && (o->momentum <= 0 || o->dampening > 0))
        return hone_fail(err, HONE_EINVAL, "nesterov takes momentum > 0 and dampening 0, not %g "
                         "and %g", o->momentum, o->dampening);
    return HONE_OK;
}

static double sgd_lr(const void *self)
{
    const struct sgd *o = self;
    return o->lr;
}

static int sgd_update(const void *self, const hone_update *u, hone_error *err)
{
    const struct sgd *o = self;
    float keep = (float)o->momentum, take = (float)(u->step == 1 ? 1 : 1 - o->dampening);
    float lr = (float)u->lr, decay = (float)o->weight_decay;
    float *restrict w = u->value, *restrict b = u->states[0];
    const float *restrict g = u->gradient;
    (void)err;

    for (int64_t i = 0; i < u->count; i++) {
        float x = g[i] + decay * w[i], move = x;
        if (keep > 0) {
            b[i] = keep * b[i] + take * x;
            move = o->nesterov ? x + keep * b[i] : b[i];
        }
        w[i] -= lr * move;
    }
    return HONE_OK;
}

static const hone_optimizer_ops ops = {
    .size = sizeof ops, .init = sgd_init, .update = sgd_update, .states = states,
    .elementwise = true, .lr = sgd_lr,
};

/* A constant gradient: after n steps momentum has summed to (1 - k^n)/(1 - k). */
static int sgd_self_test(hone_context *context, hone_error *err)
{
    struct sgd o = { .momentum = 0.5 };
    float value = 0, b = 0, gradient = 1;
    int64_t shape[1] = { 1 };
    hone_update u = { .size = sizeof u, .dims = 1, .shape = shape, .count = 1, .value = &value,
                      .gradient = &gradient, .states = (float *[]){ &b }, .lr = 1 };
    (void)context;

    for (u.step = 1; u.step <= 3; u.step++)
        sgd_update(&o, &u, err);
    if (!(fabsf(value + 4.25f) < 1e-6f))
        return hone_fail(err, HONE_ENUMERIC, "three steps with momentum 0.5 end at %g, not -4.25",
                         value);
    return HONE_OK;
}

HONE_PLUGIN(sgd,
    .threadsafe = true, .kind = "optimizer", .version = "1.0",
    .summary = "gradient descent with momentum", .source = "proceedings.mlr.press/v28/sutskever13",
    .instance_size = sizeof(struct sgd), .options = options, .ops = &ops,
    .self_test = sgd_self_test);
