/* optimizer.h -- optimizers: a rule that moves values along gradients.
 *
 * A plugin names its state arrays and updates one piece at a time; the core
 * keeps the states, calls pieces in parallel, and checkpoints all of it. */
#ifndef HONE_OPTIMIZER_H
#define HONE_OPTIMIZER_H

#include <hone/strategy.h>

/* One piece of one trained tensor. */
typedef struct hone_update {
    size_t size;
    const char *name, *role;
    int dims;                 /* of the whole tensor */
    const int64_t *shape;
    int64_t offset, count;    /* this piece; the whole tensor unless elementwise */
    float *value;             /* [count], to change */
    const float *gradient;    /* [count], scaled and clipped */
    float *const *states;     /* one [count] for each name in ops.states; zero before step 1 */
    int64_t step;             /* 1, 2, ...: updates of this tensor */
    double lr;
} hone_update;

typedef struct hone_optimizer_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
    int (*update)(const void *self, const hone_update *u, hone_error *err); /* required */
    const char *const *states; /* ends with NULL; NULL: none */
    /* Pieces are independent: the core may split tensors and, where the plugin
     * is threadsafe, update several at once. */
    bool elementwise;
    double (*lr)(const void *self); /* the learning rate of the options; required */
} hone_optimizer_ops;

typedef struct hone_optimizer hone_optimizer;

/* For the model's trainables as they are now; bf16 and f16 weights get an f32
 * master copy. **out is owned; the model must outlive it. */
HONE_API int hone_optimizer_new(hone_optimizer **out, hone_model *model, hone_instance *plugin,
                                hone_error *err);
HONE_API void hone_optimizer_free(hone_optimizer *o);
/* sqrt(sum of squares) over all gradients times |scale|; double over fixed
 * chunks. */
HONE_API double hone_optimizer_norm(const hone_optimizer *o, double scale);
/* One step of every tensor that has a gradient: gradients times `scale`, times
 * min(1, clip / norm) where clip > 0; learning rate times `lr_scale`;
 * gradients are cleared. norm (may be NULL) receives the norm before clipping.
 * A NaN or infinite norm is HONE_ENUMERIC, and nothing was changed. */
HONE_API int hone_optimizer_step(hone_optimizer *o, double scale, double clip, double lr_scale,
                                 double *norm, hone_error *err);
HONE_API void hone_optimizer_clear(hone_optimizer *o);
HONE_API int64_t hone_optimizer_steps(const hone_optimizer *o);
HONE_API double hone_optimizer_lr(const hone_optimizer *o);
/* Values, states and step count, bit for bit, as one safetensors file. */
HONE_API int hone_optimizer_save(const hone_optimizer *o, const char *path, hone_error *err);
HONE_API int hone_optimizer_load(hone_optimizer *o, const char *path, hone_error *err);

#endif
