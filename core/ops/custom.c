/* custom.c -- an op that a plugin brings, forward and backward. */
#include "../graph.h"

#include <string.h>

struct custom {
    hone_custom_op op;
    void *state;
    size_t count;
    hone_tensor *out;
    hone_tensor *inputs[]; /* owned references */
};

static void custom_drop(void *args)
{
    struct custom *c = *(struct custom **)args;

    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        hone_tensor_free(c->inputs[i]);
    hone_tensor_free(c->out);
    if (c->op.free_state)
        c->op.free_state(c->state);
    hone_free(c);
}

static int custom_backward(hone_graph *g, hone_node *node)
{
    struct custom *c = *(struct custom **)node->args;
    hone_tensor **grads = hone_alloc(c->count, sizeof *grads);
    hone_error err = {0};
    int code;

    if (!grads) {
        hone_graph_fail(g, HONE_ENOMEM, "out of memory: %s", c->op.name);
        return HONE_ENOMEM;
    }
    for (size_t i = 0; i < c->count; i++)
        grads[i] = hone_node_grad_sum(g, node, i);
    code = g->error.code ? g->error.code
                         : c->op.backward(c->state, grads, c->inputs, c->count, c->out,
                                          node->out->grad, &err);
    if (code)
        hone_graph_fail(g, code, "%s: backward: %s", c->op.name, err.message);
    hone_free(grads);
    return code;
}

static const hone_op custom_op = { "custom", custom_backward, custom_drop };

/* The op as stated, with members past the caller's size NULL. */
static bool custom_op_copy(hone_custom_op *to, const hone_custom_op *op)
{
    memset(to, 0, sizeof *to);
    memcpy(to, op, op->size < sizeof *to ? op->size : sizeof *to);
    return to->forward && to->backward && to->name;
}

hone_tensor *hone_op_custom(hone_graph *g, const hone_custom_op *op, void *state,
                            hone_tensor *const *inputs, size_t count, int dims,
                            const int64_t *shape)
{
    hone_custom_op known;
    struct custom *c = NULL;
    hone_tensor *y = NULL;
    hone_node *node = NULL;
    hone_error err = {0};
    int code;

    if (!custom_op_copy(&known, op)) {
        hone_graph_fail(g, HONE_EINVAL, "a custom op needs a name, forward and backward");
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        if (!hone_check_float(g, known.name, inputs[i]))
            goto out;
    if (!(y = hone_graph_tensor(g, dims, shape)))
        goto out;
    if ((code = known.forward(state, y, inputs, count, &err))) {
        y = hone_graph_fail(g, code, "%s: %s", known.name, err.message);
        goto out;
    }
    if (!(node = hone_graph_node(g, &custom_op, y, inputs, count, sizeof(struct custom *))))
        goto out;
    if (!(c = hone_alloc(1, sizeof *c + count * sizeof *inputs))) {
        y = hone_graph_fail(g, HONE_ENOMEM, "out of memory: %s", known.name);
        node = NULL;
        goto out;
    }
    c->op = known;
    c->state = state;
    c->count = count;
    for (size_t i = 0; i < count; i++)
        c->inputs[i] = hone_tensor_ref(inputs[i]);
    /* The tape must not keep its own output's slot alive through the tensor:
     * a view holds the values only. */
    if (hone_tensor_view(&c->out, y, 0, y->dims, y->shape, &err))
        hone_graph_fail(g, err.code, "%s", err.message);
    *(struct custom **)node->args = c;
out:
    if (!node && known.free_state)
        known.free_state(state);
    return g->error.code ? NULL : y;
}
