/* graph.h -- what ops know of the graph (see <hone/tensor.h>).
 *
 * An op checks its inputs, makes a result, computes it with the graph's
 * kernels, and, where hone_graph_node says a gradient is wanted, leaves what
 * backward needs: slots of the inputs, saved tensors, arguments. */
#ifndef CORE_GRAPH_H
#define CORE_GRAPH_H

#include "kernels/kernels.h"
#include "tensor.h"

typedef struct hone_node hone_node;

typedef struct hone_op {
    const char *name;
    /* Adds to the gradients of node->in from node->out's. */
    int (*backward)(hone_graph *g, hone_node *node);
    /* Frees what args owns; NULL: nothing. */
    void (*drop)(void *args);
} hone_op;

#define HONE_SAVED 6

struct hone_node {
    const hone_op *op;
    hone_slot *out;
    size_t inputs;
    hone_slot **in;                 /* [inputs]; NULL: no gradient wanted */
    hone_tensor *saved[HONE_SAVED]; /* values that backward reads */
    void *args;
};

struct hone_graph {
    hone_context *context;
    const hone_kernels *k;
    const hone_gemm *half;          /* products of bf16 numbers; NULL: the processor has none */
    hone_pool *pool;
    hone_graph_options options;
    bool open;
    uint64_t step;
    uint64_t place;                 /* of the next random op in the step */
    hone_node *tape;
    size_t tape_count, tape_capacity;
    hone_tensor **scope;            /* owned references */
    size_t scope_count, scope_capacity;
    struct hone_rope_table *rope;   /* angles by position, made as they are needed */
    hone_error error;
};

void hone_rope_table_free(struct hone_rope_table *table);

/* A result of the graph's float dtype, contents undefined, held by the scope. */
hone_tensor *hone_graph_result(hone_graph *g, int dims, const int64_t *shape);
hone_tensor *hone_graph_result_like(hone_graph *g, const hone_tensor *t);
/* Give a reference to the scope; returns t, NULL (freed) when memory is short. */
hone_tensor *hone_graph_own(hone_graph *g, hone_tensor *t);
/* t's values in the graph's float dtype: its own data, or a converted copy
 * that the scope holds. */
const void *hone_graph_real(hone_graph *g, hone_tensor *t);

/* Record `op` if some input wants a gradient; NULL if none does or the graph
 * does not record. args: zeroed memory of args_size in node->args. A failure
 * goes to the graph. Inputs may be NULL. The node is valid until the next. */
hone_node *hone_graph_node(hone_graph *g, const hone_op *op, hone_tensor *out,
                           hone_tensor *const *in, size_t inputs, size_t args_size);
void hone_node_save(hone_node *node, int i, hone_tensor *t);

/* In backward: the gradient of input i to write to; *add: it holds something
 * already. NULL when none is wanted, or memory is short (the graph knows). */
hone_tensor *hone_node_grad(hone_graph *g, hone_node *node, size_t i, bool *add);
/* The same, zeroed if it held nothing: for scattered sums. */
hone_tensor *hone_node_grad_sum(hone_graph *g, hone_node *node, size_t i);

/* Run the tape back from `out`, whose gradient is set, down to `base` nodes. */
int hone_graph_unwind(hone_graph *g, size_t base);

/* Element size of the graph's dtype, and data of a tensor. */
static inline size_t hone_graph_width(const hone_graph *g)
{
    return hone_dtype_size(g->k->dtype);
}

/* Pointer to element i of an array of the graph's dtype; NULL stays NULL. */
static inline void *hone_at(const hone_graph *g, const void *p, int64_t i)
{
    return p ? (char *)(uintptr_t)p + (size_t)i * hone_graph_width(g) : NULL;
}

/* A product c [m, n] = op(a) op(b) + beta c, or + bias. */
typedef struct hone_product {
    bool ta, tb;
    bool half;          /* operands are rounded to bf16, where the processor has such products */
    int64_t m, n, k;
    const void *a;      /* elements between rows as stored: lda, ldb, ldc */
    int64_t lda;
    const void *b;
    int64_t ldb;
    const hone_tensor *weight; /* instead of b: a whole tensor, in any float dtype */
    double beta;
    const void *bias;   /* [n]; NULL: none; beta is 0 with it */
    void *c;
    int64_t ldc;
} hone_product;

/* Spread over the threads; the same bits for any number of them. A failure goes to the
 * graph. */
void hone_graph_product(hone_graph *g, const hone_product *product);
/* Whether products of halves read this weight as it is stored. */
static inline bool hone_graph_takes(const hone_graph *g, const hone_tensor *weight)
{
    return g->half && hone_tensor_dtype(weight) == HONE_BF16;
}

/* Call fn(arg, from, to) on pieces of [0, n) of `piece` each, in parallel. */
typedef void hone_piece_fn(void *arg, int64_t from, int64_t to);
void hone_graph_pieces(hone_graph *g, int64_t n, int64_t piece, hone_piece_fn *fn, void *arg);

/* Elements of a piece of an elementwise op. */
#define HONE_PIECE 16384

/* The checks that ops share: false, with the graph told, when not so. */
bool hone_check_float(hone_graph *g, const char *op, const hone_tensor *t);
bool hone_check_same(hone_graph *g, const char *op, const hone_tensor *a, const hone_tensor *b);

#endif
