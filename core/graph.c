/* graph.c -- a step: results and their scopes, the tape, backward. */
#include "graph.h"
#include "context.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

int hone_graph_new(hone_graph **out, hone_context *context, const char *kernels, hone_error *err)
{
    const hone_kernels *k = kernels ? hone_kernels_find(kernels, err) : context->kernels;
    hone_graph *g;
    int code;

    *out = NULL;
    if (!k)
        return HONE_ENOTFOUND;
    if (!(g = hone_alloc(1, sizeof *g)))
        return hone_fail_memory(err, "a graph");
    if ((code = hone_pool_new(&g->pool, err))) {
        hone_free(g);
        return code;
    }
    g->context = context;
    g->k = k;
    g->half = hone_kernels_bf16(k);
    /* The pool spreads tiles over threads; BLAS must not do so once more: its
     * own threading changes bits with the number of threads. */
    openblas_set_num_threads(1);
    *out = g;
    return HONE_OK;
}

void hone_graph_free(hone_graph *g)
{
    if (!g)
        return;
    hone_graph_end(g, NULL);
    hone_free(g->tape);
    hone_free(g->scope);
    hone_rope_table_free(g->rope);
    hone_pool_trim(g->pool);
    hone_pool_free(g->pool);
    hone_free(g);
}

hone_context *hone_graph_context(const hone_graph *g)
{
    return g->context;
}

const char *hone_graph_kernels(const hone_graph *g)
{
    return g->k->name;
}

hone_dtype hone_graph_dtype(const hone_graph *g)
{
    return g->k->dtype;
}

/* ---- steps ---- */

int hone_graph_begin(hone_graph *g, const hone_graph_options *options, hone_error *err)
{
    if (g->open)
        return hone_fail(err, HONE_ESTATE, "a step of this graph is under way: end it first");
    g->options = options ? *options : (hone_graph_options){0};
    g->open = true;
    g->step++;
    g->place = 0;
    g->error = (hone_error){0};
    hone_pool_reset_peak(g->pool);
    return HONE_OK;
}

static void node_drop(hone_node *node)
{
    for (size_t i = 0; i < node->inputs; i++)
        hone_slot_free(node->in[i]);
    for (int i = 0; i < HONE_SAVED; i++)
        hone_tensor_free(node->saved[i]);
    if (node->op->drop && node->args)
        node->op->drop(node->args);
    hone_free(node->in);
    hone_free(node->args);
    hone_slot_free(node->out);
}

int hone_graph_end(hone_graph *g, hone_error *err)
{
    int code = hone_graph_error(g, err);

    while (g->tape_count > 0)
        node_drop(&g->tape[--g->tape_count]);
    hone_graph_release(g, 0, NULL);
    g->open = false;
    return code;
}

uint64_t hone_graph_step(const hone_graph *g)
{
    return g->step;
}

size_t hone_graph_peak(const hone_graph *g)
{
    return hone_pool_peak(g->pool);
}

/* ---- errors ---- */

int hone_graph_error(const hone_graph *g, hone_error *err)
{
    if (g->error.code && err)
        *err = g->error;
    return g->error.code;
}

hone_tensor *hone_graph_fail(hone_graph *g, int code, const char *fmt, ...)
{
    va_list args;

    if (g->error.code)
        return NULL;
    g->error.code = code;
    va_start(args, fmt);
    vsnprintf(g->error.message, sizeof g->error.message, fmt, args);
    va_end(args);
    return NULL;
}

bool hone_check_float(hone_graph *g, const char *op, const hone_tensor *t)
{
    char shape[96];

    if (!t)
        return false;
    if (t->dtype == g->k->dtype)
        return true;
    hone_graph_fail(g, HONE_EINVAL, "%s: %s; the graph computes in %s", op,
                    hone_tensor_describe(t, shape), hone_dtype_name(g->k->dtype));
    return false;
}

bool hone_check_same(hone_graph *g, const char *op, const hone_tensor *a, const hone_tensor *b)
{
    char sa[96], sb[96];

    if (!a || !b)
        return false;
    if (hone_tensor_same_shape(a, b))
        return true;
    hone_graph_fail(g, HONE_EINVAL, "%s: shapes differ: %s and %s", op, hone_tensor_describe(a, sa),
                    hone_tensor_describe(b, sb));
    return false;
}

/* ---- results and scopes ---- */

hone_tensor *hone_graph_own(hone_graph *g, hone_tensor *t)
{
    if (!t)
        return NULL;
    if (g->scope_count == g->scope_capacity) {
        size_t capacity = g->scope_capacity ? 2 * g->scope_capacity : 256;
        hone_tensor **grown = hone_realloc(g->scope, capacity, sizeof *grown);
        if (!grown) {
            hone_tensor_free(t);
            return hone_graph_fail(g, HONE_ENOMEM, "out of memory: a scope");
        }
        g->scope = grown;
        g->scope_capacity = capacity;
    }
    return g->scope[g->scope_count++] = t;
}

hone_tensor *hone_graph_result(hone_graph *g, int dims, const int64_t *shape)
{
    hone_tensor *t;
    hone_error err = {0};

    if (!g->open)
        return hone_graph_fail(g, HONE_ESTATE, "no step is under way");
    if (g->error.code)
        return NULL;
    if (hone_tensor_new_raw(&t, g->pool, g->k->dtype, dims, shape, &err))
        return hone_graph_fail(g, err.code, "%s", err.message);
    return hone_graph_own(g, t);
}

hone_tensor *hone_graph_result_like(hone_graph *g, const hone_tensor *t)
{
    return hone_graph_result(g, t->dims, t->shape);
}

hone_tensor *hone_graph_tensor(hone_graph *g, int dims, const int64_t *shape)
{
    hone_tensor *t = hone_graph_result(g, dims, shape);

    if (t && hone_tensor_count(t))
        memset(hone_tensor_data(t), 0, (size_t)hone_tensor_count(t) * hone_graph_width(g));
    return t;
}

hone_tensor *hone_graph_floats(hone_graph *g, const float *values, int64_t count)
{
    hone_tensor *t = hone_graph_result(g, 1, &count);

    if (t)
        hone_convert(t->dtype, hone_tensor_data(t), HONE_F32, values, count);
    return t;
}

const void *hone_graph_real(hone_graph *g, hone_tensor *t)
{
    hone_tensor *copy;

    if (t->dtype == g->k->dtype)
        return hone_tensor_bytes(t);
    if (!(copy = hone_graph_result_like(g, t)))
        return NULL;
    hone_convert(copy->dtype, hone_tensor_data(copy), t->dtype, hone_tensor_bytes(t),
                 hone_tensor_count(t));
    return hone_tensor_bytes(copy);
}

size_t hone_graph_mark(hone_graph *g)
{
    return g->scope_count;
}

void hone_graph_release(hone_graph *g, size_t mark, hone_tensor *keep)
{
    size_t kept = 0;

    for (size_t i = mark; i < g->scope_count; i++) {
        if (g->scope[i] == keep && !kept)
            kept = 1; /* its one reference moves to the mark */
        else
            hone_tensor_free(g->scope[i]);
    }
    if (mark < g->scope_count)
        g->scope_count = mark;
    if (kept)
        g->scope[g->scope_count++] = keep;
}

bool hone_graph_record(hone_graph *g, bool on)
{
    bool was = g->options.record;

    g->options.record = on;
    return was;
}

bool hone_graph_recording(const hone_graph *g)
{
    return g->options.record;
}

bool hone_graph_adapters(hone_graph *g, bool on)
{
    bool was = !g->options.adapters_off;

    g->options.adapters_off = !on;
    return was;
}

bool hone_graph_adapters_on(const hone_graph *g)
{
    return !g->options.adapters_off;
}

bool hone_graph_training(const hone_graph *g)
{
    return g->options.train;
}

/* ---- the tape ---- */

static hone_node *graph_node_fail(hone_graph *g)
{
    hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
    return NULL;
}

hone_node *hone_graph_node(hone_graph *g, const hone_op *op, hone_tensor *out,
                           hone_tensor *const *in, size_t inputs, size_t args_size)
{
    hone_node node = { .op = op, .inputs = inputs };
    hone_error err = {0};
    bool wanted = false;

    for (size_t i = 0; i < inputs; i++)
        wanted = wanted || (in[i] && in[i]->slot);
    if (!wanted || !out || !g->options.record || g->error.code)
        return NULL;
    if (g->tape_count == g->tape_capacity) {
        size_t capacity = g->tape_capacity ? 2 * g->tape_capacity : 256;
        hone_node *grown = hone_realloc(g->tape, capacity, sizeof *grown);
        if (!grown)
            return graph_node_fail(g);
        g->tape = grown;
        g->tape_capacity = capacity;
    }
    node.in = hone_alloc(inputs, sizeof(hone_slot *));
    node.args = args_size ? hone_alloc(1, args_size) : NULL;
    if (!out->slot)
        out->slot = hone_slot_new(out, false, &err);
    if (!node.in || (args_size && !node.args) || !out->slot) {
        hone_free(node.in);
        hone_free(node.args);
        return graph_node_fail(g);
    }
    for (size_t i = 0; i < inputs; i++)
        node.in[i] = in[i] ? hone_slot_ref(in[i]->slot) : NULL;
    node.out = hone_slot_ref(out->slot);
    g->tape[g->tape_count] = node;
    return &g->tape[g->tape_count++];
}

void hone_node_save(hone_node *node, int i, hone_tensor *t)
{
    node->saved[i] = hone_tensor_ref(t);
}

hone_tensor *hone_node_grad(hone_graph *g, hone_node *node, size_t i, bool *add)
{
    hone_slot *slot = node->in[i];
    hone_error err = {0};

    if (!slot || g->error.code)
        return NULL;
    *add = slot->grad && !slot->stale;
    slot->stale = false;
    if (slot->grad && slot->grad->dtype != g->k->dtype) {
        hone_tensor_free(slot->grad); /* of another graph's dtype, and cleared */
        slot->grad = NULL;
        *add = false;
    }
    if (!slot->grad && hone_tensor_new_raw(&slot->grad, slot->leaf ? NULL : g->pool, g->k->dtype,
                                           slot->dims, slot->shape, &err))
        return hone_graph_fail(g, err.code, "%s", err.message);
    return slot->grad;
}

hone_tensor *hone_node_grad_sum(hone_graph *g, hone_node *node, size_t i)
{
    bool add;
    hone_tensor *grad = hone_node_grad(g, node, i, &add);

    if (grad && !add && hone_tensor_count(grad))
        memset(hone_tensor_data(grad), 0, (size_t)hone_tensor_count(grad) * hone_graph_width(g));
    return grad;
}

int hone_graph_unwind(hone_graph *g, size_t base)
{
    bool record = hone_graph_record(g, false);

    while (g->tape_count > base) {
        /* The op may record more (a checkpoint does): take the node out first. */
        hone_node node = g->tape[--g->tape_count];
        size_t mark = hone_graph_mark(g);

        if (node.out->grad && !g->error.code) {
            if (node.op->backward(g, &node) && !g->error.code)
                hone_graph_fail(g, HONE_EINVAL, "%s: backward failed", node.op->name);
            hone_tensor_free(node.out->grad);
            node.out->grad = NULL;
        }
        hone_graph_release(g, mark, NULL);
        node_drop(&node);
    }
    hone_graph_record(g, record);
    return g->error.code;
}

int hone_graph_backward(hone_graph *g, hone_tensor *scalar, double scale, hone_error *err)
{
    char shape[96];

    if (hone_graph_error(g, err))
        return g->error.code;
    if (!scalar || hone_tensor_count(scalar) != 1)
        return hone_fail(err, HONE_EINVAL, "backward: %s; one element is needed",
                         hone_tensor_describe(scalar, shape));
    if (!scalar->slot || scalar->slot->leaf) /* no gradient reaches any leaf */
        return hone_fail(err, HONE_EINVAL,
                         "backward: nothing that trains leads to this value (or it was not recorded)");
    if (hone_tensor_new_raw(&scalar->slot->grad, g->pool, g->k->dtype, scalar->dims, scalar->shape,
                            err))
        return HONE_ENOMEM;
    hone_tensor_set(scalar->slot->grad, 0, scale);
    hone_graph_unwind(g, 0);
    return hone_graph_error(g, err);
}

/* ---- recomputation ---- */

struct checkpoint {
    hone_checkpoint_fn *fn;
    uint64_t place;
    size_t user_size;
    char user[];
};

static hone_tensor *checkpoint_run(hone_graph *g, hone_tensor *x, struct checkpoint *c, bool record)
{
    bool was = hone_graph_record(g, record);
    size_t mark = hone_graph_mark(g);
    hone_tensor *y = c->fn(c->user, g, x);

    hone_graph_record(g, was);
    hone_graph_release(g, mark, y == x ? NULL : y);
    return y;
}

static int checkpoint_backward(hone_graph *g, hone_node *node)
{
    struct checkpoint *c = node->args;
    hone_tensor *saved = node->saved[0], *x, *y;
    size_t base = g->tape_count;
    uint64_t place = g->place;
    hone_error err = {0};
    hone_tensor *into;
    bool add;

    if (hone_tensor_view(&x, saved, 0, saved->dims, saved->shape, &err)) {
        hone_graph_fail(g, err.code, "%s", err.message);
        return err.code;
    }
    if (!hone_graph_own(g, x))
        return HONE_ENOMEM;
    if (node->in[0] && !(x->slot = hone_slot_new(x, false, &err))) {
        hone_graph_fail(g, err.code, "%s", err.message);
        return err.code;
    }
    g->place = c->place;
    y = checkpoint_run(g, x, c, true);
    g->place = place;
    if (y && y->slot && y != x) {
        y->slot->grad = hone_tensor_ref(node->out->grad);
        hone_graph_unwind(g, base);
    }
    if (g->error.code)
        return g->error.code;
    if (x->slot && x->slot->grad && (into = hone_node_grad(g, node, 0, &add)))
        g->k->affine(hone_tensor_count(into), 1, hone_tensor_bytes(x->slot->grad), 0,
                     hone_tensor_data(into), add);
    return g->error.code;
}

static const hone_op checkpoint_op = { "recomputed block", checkpoint_backward, NULL };

hone_tensor *hone_graph_checkpoint(hone_graph *g, hone_tensor *x, hone_checkpoint_fn *fn,
                                   const void *user, size_t user_size)
{
    struct checkpoint *c;
    hone_tensor *y;
    hone_node *node;
    hone_slot *slot;
    hone_error err = {0};

    if (!x)
        return NULL;
    if (!g->options.record)
        return fn((void *)(uintptr_t)user, g, x);
    if (!(c = hone_alloc(1, sizeof *c + user_size)))
        return hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
    c->fn = fn;
    c->place = g->place;
    c->user_size = user_size;
    memcpy(c->user, user, user_size);
    y = checkpoint_run(g, x, c, false);
    if (!y || y == x) {
        hone_free(c);
        return y;
    }
    /* Whether x wants a gradient or not: parameters inside fn may. A slot of
     * the result's own makes the node wanted. */
    slot = y->slot = hone_slot_new(y, false, &err);
    node = slot ? hone_graph_node(g, &checkpoint_op, y, (hone_tensor *[]){ x, y }, 2, 0) : NULL;
    if (!node) {
        hone_free(c);
        return hone_graph_fail(g, HONE_ENOMEM, "out of memory: the tape");
    }
    node->args = c;
    hone_node_save(node, 0, x);
    return y;
}

/* ---- work over the threads ---- */

struct pieces {
    hone_piece_fn *fn;
    void *arg;
    int64_t n, piece;
};

static void pieces_run(void *arg, int64_t i)
{
    struct pieces *p = arg;
    int64_t from = i * p->piece, to = from + p->piece;

    p->fn(p->arg, from, to < p->n ? to : p->n);
}

void hone_graph_pieces(hone_graph *g, int64_t n, int64_t piece, hone_piece_fn *fn, void *arg)
{
    struct pieces p = { fn, arg, n, piece };

    if (n <= 0)
        return;
    if (n <= piece)
        fn(arg, 0, n);
    else
        hone_parallel(g->context, (n + piece - 1) / piece, pieces_run, &p);
}
