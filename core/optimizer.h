/* optimizer.h -- what the core knows of an optimizer (see <hone/optimizer.h>). */
#ifndef CORE_OPTIMIZER_H
#define CORE_OPTIMIZER_H

#include <hone/optimizer.h>

/* One trained tensor. */
struct slot {
    char *name, *role;
    int64_t shape[HONE_DIMS];
    hone_tensor *value;       /* the model's */
    hone_tensor *master;      /* f32: value itself, or a copy where that is bf16 or f16 */
    hone_tensor **states;     /* f32, one for each of the plugin's */
    int64_t steps;            /* updates this tensor had */
};

/* What one call of the pool works on: elements of one slot. */
struct piece {
    size_t slot;
    int64_t offset, count;
};

struct hone_optimizer {
    hone_model *model;
    hone_context *context;
    hone_instance *plugin;
    const hone_optimizer_ops *ops;
    const char *const *state_names;
    size_t states;            /* how many */
    bool elementwise;
    size_t count;
    struct slot *slots;
    size_t pieces_count;
    struct piece *pieces;
    double *partials;         /* [pieces] sums of squares */
    float *gradient;          /* [largest tensor], where pieces are whole tensors */
    int64_t steps;
};

/* Round slot's f32 values [offset, offset + count) into the model's tensor. */
void hone_optimizer_store(const struct slot *slot, int64_t offset, int64_t count);

#endif
