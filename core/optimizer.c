/* optimizer.c -- states and steps of optimizers (see <hone/optimizer.h>).
 *
 * Tensors are cut into pieces of PIECE elements, wherever the plugin allows
 * it. Pieces are the unit of both parallel work and summation, so that neither
 * norm nor update depends on the number of threads. Within a piece the plugin
 * sees CHUNK elements at a time: the scaled gradient then lives on the stack
 * and in the nearest cache, and each value passes through memory once. */
#include "context.h"
#include "optimizer.h"
#include "tensor.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { PIECE = 65536, CHUNK = 4096, STATES_MAX = 16 };

/* ---- life ---- */

void hone_optimizer_free(hone_optimizer *o)
{
    if (!o)
        return;
    for (size_t i = 0; o->slots && i < o->count; i++) {
        struct slot *slot = &o->slots[i];
        for (size_t s = 0; slot->states && s < o->states; s++)
            hone_tensor_free(slot->states[s]);
        hone_free(slot->states);
        hone_tensor_free(slot->master);
        hone_tensor_free(slot->value);
        hone_free(slot->name);
        hone_free(slot->role);
    }
    hone_free(o->slots);
    hone_free(o->pieces);
    hone_free(o->partials);
    hone_free(o->gradient);
    hone_instance_free(o->plugin);
    hone_free(o);
}

static int slot_fill(struct slot *slot, const hone_trainable *t, size_t states, hone_error *err)
{
    hone_dtype dtype = hone_tensor_dtype(t->value);
    int dims = hone_tensor_dims(t->value), code;

    slot->value = hone_tensor_ref(t->value);
    slot->name = hone_strdup(t->name);
    slot->role = hone_strdup(t->role ? t->role : "");
    slot->states = hone_alloc(states ? states : 1, sizeof *slot->states);
    if (!slot->name || !slot->role || !slot->states)
        return hone_fail_memory(err, "optimizer states");
    for (int d = 0; d < dims; d++)
        slot->shape[d] = hone_tensor_extent(t->value, d);
    if (dtype == HONE_F32) {
        slot->master = hone_tensor_ref(t->value);
    } else if (dtype == HONE_BF16 || dtype == HONE_F16) {
        code = hone_tensor_new(&slot->master, HONE_F32, dims, slot->shape, err);
        if (!code)
            code = hone_tensor_copy(slot->master, t->value, err);
        if (code)
            return hone_fail_in(err, "%s: f32 copy", t->name);
    } else {
        return hone_fail(err, HONE_EUNSUPPORTED, "%s is %s; f32, bf16 and f16 can be trained",
                         t->name, hone_dtype_name(dtype));
    }
    for (size_t s = 0; s < states; s++) {
        code = hone_tensor_new(&slot->states[s], HONE_F32, dims, slot->shape, err);
        if (code)
            return hone_fail_in(err, "%s: optimizer states", t->name);
    }
    return HONE_OK;
}

static int optimizer_cut(hone_optimizer *o, hone_error *err)
{
    size_t pieces = 0;
    int64_t largest = 0;

    for (int pass = 0; pass < 2; pass++) {
        pieces = 0;
        for (size_t i = 0; i < o->count; i++) {
            int64_t n = hone_tensor_count(o->slots[i].value), size = o->elementwise ? PIECE : n;
            largest = n > largest ? n : largest;
            for (int64_t at = 0; at < n; at += size, pieces++) {
                if (pass)
                    o->pieces[pieces] = (struct piece){ i, at, n - at < size ? n - at : size };
            }
        }
        if (pass)
            break;
        o->pieces = hone_alloc(pieces ? pieces : 1, sizeof *o->pieces);
        o->partials = hone_alloc(pieces ? pieces : 1, sizeof *o->partials);
        if (!o->pieces || !o->partials)
            return hone_fail_memory(err, "optimizer pieces");
    }
    o->pieces_count = pieces;
    if (!o->elementwise) {
        o->gradient = hone_alloc(largest ? (size_t)largest : 1, sizeof *o->gradient);
        if (!o->gradient)
            return hone_fail_memory(err, "a gradient");
    }
    return HONE_OK;
}

int hone_optimizer_new(hone_optimizer **out, hone_model *model, hone_instance *plugin,
                       hone_error *err)
{
    const hone_plugin *p = hone_instance_plugin(plugin);
    const hone_optimizer_ops *ops = p->ops;
    hone_optimizer *o = NULL;
    int code;

    *out = NULL;
    if (strcmp(p->kind, "optimizer") != 0)
        return hone_fail(err, HONE_EINVAL, "%s/%s is not an optimizer", p->kind, p->name);
    o = hone_alloc(1, sizeof *o);
    if (!o)
        return hone_fail_memory(err, "an optimizer");
    o->model = model;
    o->context = hone_model_context(model);
    o->plugin = hone_instance_ref(plugin);
    o->ops = ops;
    o->state_names = HONE_OP(ops, hone_optimizer_ops, states);
    while (o->state_names && o->state_names[o->states])
        o->states++;
    if (o->states > STATES_MAX) {
        code = hone_fail(err, HONE_EUNSUPPORTED, "optimizer/%s has %zu states; at most %d are "
                         "kept", p->name, o->states, STATES_MAX);
        goto out;
    }
    o->elementwise = ops->size > offsetof(hone_optimizer_ops, elementwise) && ops->elementwise;
    o->count = hone_model_trainables(model);
    if (!o->count) {
        code = hone_fail(err, HONE_ESTATE, "the model has nothing to train: attach a strategy");
        goto out;
    }
    o->slots = hone_alloc(o->count, sizeof *o->slots);
    code = o->slots ? HONE_OK : hone_fail_memory(err, "an optimizer");
    for (size_t i = 0; i < o->count && !code; i++) {
        hone_trainable t = hone_model_trainable(model, i);
        code = slot_fill(&o->slots[i], &t, o->states, err);
    }
    if (!code)
        code = optimizer_cut(o, err);
out:
    if (code)
        hone_optimizer_free(o);
    else
        *out = o;
    return code;
}

/* ---- norm ---- */

/* Elements [offset, offset + count) of a gradient times `factor`: into `to`, or
 * the gradient's own where nothing needs to be computed. */
static const float *gradient_scaled(float *to, const hone_tensor *gradient, int64_t offset,
                                    int64_t count, double factor)
{
    if (hone_tensor_dtype(gradient) != HONE_F32) {
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)(hone_tensor_get(gradient, offset + i) * factor);
        return to;
    }
    const float *from = (const float *)hone_tensor_bytes(gradient) + offset;
    if (factor == 1)
        return from;
    const float scale = (float)factor;
    if (fabs(factor) > 1e-30 && fabs(factor) < 1e30) {
        for (int64_t i = 0; i < count; i++)
            to[i] = from[i] * scale;
        return to;
    }
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)(from[i] * factor);
    return to;
}

static double gradient_squares(const hone_optimizer *o, const hone_tensor *gradient,
                               int64_t offset, int64_t count)
{
    const hone_kernels *k = o->context->kernels;
    hone_dtype dtype = hone_tensor_dtype(gradient);
    double sum = 0;

    if (dtype == k->dtype)
        return k->squares(count, (const char *)hone_tensor_bytes(gradient) +
                                     (size_t)offset * hone_dtype_size(dtype));
    for (int64_t i = 0; i < count; i++) {
        double x = hone_tensor_get(gradient, offset + i);
        sum += x * x;
    }
    return sum;
}

static void norm_piece(void *arg, int64_t i)
{
    const hone_optimizer *o = arg;
    const struct piece *piece = &o->pieces[i];
    const hone_tensor *gradient = hone_tensor_grad(o->slots[piece->slot].value);

    o->partials[i] = gradient ? gradient_squares(o, gradient, piece->offset, piece->count) : 0;
}

double hone_optimizer_norm(const hone_optimizer *o, double scale)
{
    double sum = 0;

    hone_parallel(o->context, (int64_t)o->pieces_count, norm_piece, (void *)o);
    for (size_t i = 0; i < o->pieces_count; i++)
        sum += o->partials[i];
    return sqrt(sum) * fabs(scale);
}

/* ---- steps ---- */

struct step {
    hone_optimizer *o;
    double factor, lr;
    pthread_mutex_t lock;     /* of what follows */
    size_t failed;            /* the first piece that did, or SIZE_MAX */
    hone_error error;
};

void hone_optimizer_store(const struct slot *slot, int64_t offset, int64_t count)
{
    if (slot->master == slot->value)
        return;
    hone_dtype dtype = hone_tensor_dtype(slot->value);
    char *to = (char *)hone_tensor_data(slot->value) + (size_t)offset * hone_dtype_size(dtype);
    hone_convert(dtype, to, HONE_F32, (const float *)hone_tensor_bytes(slot->master) + offset,
                 count);
}

/* Update some elements of a slot; `scratch` holds as many floats. */
static int step_elements(const struct step *step, const struct slot *slot, int64_t offset,
                         int64_t count, float *scratch, float **states, hone_error *err)
{
    const hone_optimizer *o = step->o;
    hone_update u = { .size = sizeof u, .name = slot->name, .role = slot->role,
                      .dims = hone_tensor_dims(slot->value), .shape = slot->shape,
                      .offset = offset, .count = count, .states = states,
                      .step = slot->steps + 1, .lr = step->lr };

    u.value = (float *)hone_tensor_data(slot->master) + offset;
    u.gradient = gradient_scaled(scratch, hone_tensor_grad(slot->value), offset, count,
                                 step->factor);
    for (size_t s = 0; s < o->states; s++)
        states[s] = (float *)hone_tensor_data(slot->states[s]) + offset;
    int code = o->ops->update(hone_instance_self(o->plugin), &u, err);
    if (!code)
        hone_optimizer_store(slot, offset, count);
    return code;
}

static void step_piece(void *arg, int64_t index)
{
    struct step *step = arg;
    const hone_optimizer *o = step->o;
    const struct piece *piece = &o->pieces[index];
    const struct slot *slot = &o->slots[piece->slot];
    int64_t size = o->elementwise ? CHUNK : piece->count, end = piece->offset + piece->count;
    float chunk[CHUNK], *states[STATES_MAX];
    hone_error error = {0};
    int code = HONE_OK;

    if (!hone_tensor_grad(slot->value))
        return;
    for (int64_t at = piece->offset; at < end && !code; at += size)
        code = step_elements(step, slot, at, end - at < size ? end - at : size,
                             o->elementwise ? chunk : o->gradient, states, &error);
    if (!code)
        return;
    pthread_mutex_lock(&step->lock);
    if ((size_t)index < step->failed) {
        step->failed = (size_t)index;
        step->error = error;
        step->error.code = code;
    }
    pthread_mutex_unlock(&step->lock);
}

/* As many tensors train as slots, and every slot does: they are the same, but
 * for adapters that went, which no one told. Those come last and change all at
 * once, and a tensor that a slot holds cannot share its address with another. */
static int optimizer_check_model(const hone_optimizer *o, hone_error *err)
{
    bool same = hone_model_trainables(o->model) == o->count &&
                hone_model_trainable(o->model, o->count - 1).value == o->slots[o->count - 1].value;

    for (size_t i = 0; i < o->count && same; i++)
        same = hone_tensor_requires_grad(o->slots[i].value);
    return same ? HONE_OK : hone_fail(err, HONE_ESTATE, "what the model trains has changed since "
                                      "the optimizer was made: make another");
}

static int optimizer_fail_norm(const hone_optimizer *o, double norm, double scale,
                               hone_error *err)
{
    for (size_t i = 0; i < o->pieces_count; i++) {
        const struct slot *slot = &o->slots[o->pieces[i].slot];
        if (!isfinite(o->partials[i]))
            return hone_fail(err, HONE_ENUMERIC, "step %" PRId64 ": the gradient of %s is not "
                             "finite; nothing was changed", o->steps + 1, slot->name);
    }
    return hone_fail(err, HONE_ENUMERIC, "step %" PRId64 ": the gradients' norm is %g with scale "
                     "%g; nothing was changed", o->steps + 1, norm, scale);
}

static int optimizer_run(hone_optimizer *o, double factor, double lr, hone_error *err)
{
    struct step step = { .o = o, .factor = factor, .lr = lr,
                         .lock = PTHREAD_MUTEX_INITIALIZER, .failed = SIZE_MAX };

    if (o->elementwise && hone_instance_plugin(o->plugin)->threadsafe) {
        hone_parallel(o->context, (int64_t)o->pieces_count, step_piece, &step);
    } else {
        for (size_t i = 0; i < o->pieces_count && step.failed == SIZE_MAX; i++)
            step_piece(&step, (int64_t)i);
    }
    pthread_mutex_destroy(&step.lock);
    if (step.failed == SIZE_MAX)
        return HONE_OK;
    if (!step.error.message[0])
        hone_fail(&step.error, step.error.code, "update failed without a message");
    return hone_fail(err, step.error.code, "optimizer/%s: %s: %s",
                     hone_instance_plugin(o->plugin)->name,
                     o->slots[o->pieces[step.failed].slot].name, step.error.message);
}

int hone_optimizer_step(hone_optimizer *o, double scale, double clip, double lr_scale,
                        double *norm, hone_error *err)
{
    double seen = hone_optimizer_norm(o, scale), lr = hone_optimizer_lr(o) * lr_scale;
    int code = optimizer_check_model(o, err);

    if (code)
        return code;
    if (norm)
        *norm = seen;
    if (!isfinite(seen))
        return optimizer_fail_norm(o, seen, scale, err);
    if (!isfinite(lr) || lr < 0)
        return hone_fail(err, HONE_EINVAL, "step %" PRId64 ": a learning rate of %g; it must be "
                         "finite and at least 0", o->steps + 1, lr);
    code = optimizer_run(o, clip > 0 && seen > clip ? scale * (clip / seen) : scale, lr, err);
    if (code)
        return code;
    for (size_t i = 0; i < o->count; i++)
        o->slots[i].steps += hone_tensor_grad(o->slots[i].value) != NULL;
    o->steps++;
    hone_optimizer_clear(o);
    return HONE_OK;
}

void hone_optimizer_clear(hone_optimizer *o)
{
    for (size_t i = 0; i < o->count; i++)
        hone_tensor_clear_grad(o->slots[i].value);
}

int64_t hone_optimizer_steps(const hone_optimizer *o)
{
    return o->steps;
}

double hone_optimizer_lr(const hone_optimizer *o)
{
    return o->ops->lr(hone_instance_self(o->plugin));
}
