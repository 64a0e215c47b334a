/* positions.c -- embeddings of a batch, and rotary positions.
 *
 * Angles position * theta^(-2i/d) are computed once a position in double and
 * kept with the graph. */
#include "../graph.h"

#include <hone/batch.h>
#include <math.h>
#include <string.h>

hone_tensor *hone_batch_embed(hone_graph *g, const hone_batch *batch, hone_param *embedding)
{
    return hone_embed(g, hone_batch_ids(batch), hone_batch_tokens(batch), embedding);
}

hone_tensor *hone_batch_embed_positions(hone_graph *g, const hone_batch *batch, hone_param *positions)
{
    return hone_embed(g, hone_batch_positions(batch), hone_batch_tokens(batch), positions);
}

/* ---- the table of angles ---- */

struct hone_rope_table {
    struct hone_rope_table *next; /* of another d or theta */
    int64_t d, count;             /* positions known */
    double theta;
    void *values;                 /* [count, d]: d/2 cosines, d/2 sines */
};

void hone_rope_table_free(struct hone_rope_table *table)
{
    while (table) {
        struct hone_rope_table *next = table->next;
        hone_free(table->values);
        hone_free(table);
        table = next;
    }
}

static bool rope_table_grow(hone_graph *g, struct hone_rope_table *t, int64_t count)
{
    int64_t known = t->count, wanted = 2 * known > count ? 2 * known : count, half = t->d / 2;
    void *values = hone_realloc(t->values, (size_t)wanted, (size_t)t->d * hone_graph_width(g));

    if (!values)
        return false;
    t->values = values;
    for (int64_t p = known; p < wanted; p++)
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)p * pow(t->theta, -2.0 * (double)i / (double)t->d);
            double values_at[2] = { cos(angle), sin(angle) };
            hone_convert(g->k->dtype, hone_at(g, values, p * t->d + i), HONE_F64, &values_at[0], 1);
            hone_convert(g->k->dtype, hone_at(g, values, p * t->d + half + i), HONE_F64, &values_at[1], 1);
        }
    t->count = wanted;
    return true;
}

/* The angles of positions 0 to count - 1; NULL when memory is short. */
static const void *rope_table(hone_graph *g, int64_t d, double theta, int64_t count)
{
    struct hone_rope_table *t = g->rope;

    while (t && (t->d != d || t->theta != theta))
        t = t->next;
    if (!t) {
        if (!(t = hone_alloc(1, sizeof *t)))
            goto short_of_memory;
        t->d = d;
        t->theta = theta;
        t->next = g->rope;
        g->rope = t;
    }
    if (count <= t->count || rope_table_grow(g, t, count))
        return t->values;
short_of_memory:
    hone_graph_fail(g, HONE_ENOMEM, "out of memory: rotary positions");
    return NULL;
}

/* ---- rope ---- */

struct rope {
    const hone_graph *g;
    int64_t heads, d;
    bool inverse, add;
    const void *table, *x;
    void *y;
};

#define ROPE_ROWS 32

static void rope_piece(void *arg, int64_t from, int64_t to)
{
    const struct rope *r = arg;
    int64_t width = r->heads * r->d;

    r->g->k->rope(to - from, r->heads, r->d, hone_at(r->g, r->table, from * r->d), r->inverse,
                  hone_at(r->g, r->x, from * width), hone_at(r->g, r->y, from * width), r->add);
}

static int rope_backward(hone_graph *g, hone_node *node)
{
    struct rope r = { .g = g, .heads = *(int64_t *)node->args, .inverse = true };
    hone_tensor *table = node->saved[0], *grad = hone_node_grad(g, node, 0, &r.add);

    if (!grad)
        return g->error.code;
    r.d = table->shape[1];
    r.table = hone_tensor_bytes(table);
    r.x = hone_tensor_bytes(node->out->grad);
    r.y = hone_tensor_data(grad);
    hone_graph_pieces(g, table->shape[0], ROPE_ROWS, rope_piece, &r);
    return HONE_OK;
}

static const hone_op rope_op = { "rope", rope_backward, NULL };

hone_tensor *hone_rope(hone_graph *g, hone_tensor *x, const hone_batch *batch, int64_t heads,
                       double theta)
{
    int64_t tokens = hone_batch_tokens(batch), most = 0;
    const int32_t *positions = hone_batch_positions(batch);
    struct rope r = { .g = g, .heads = heads };
    hone_tensor *y, *table;
    hone_node *node;
    const void *angles;
    size_t bytes;
    char seen[96];

    if (!hone_check_float(g, "rope", x))
        return NULL;
    r.d = heads > 0 ? hone_tensor_extent(x, 1) / heads : 0;
    if (x->dims != 2 || x->shape[0] != tokens || heads < 1 || r.d * heads != x->shape[1] || r.d % 2)
        return hone_graph_fail(g, HONE_EINVAL,
                               "rope: %s; [%" PRId64 ", %" PRId64 " heads of an even width] is needed",
                               hone_tensor_describe(x, seen), tokens, heads);
    for (int64_t i = 0; i < tokens; i++)
        most = positions[i] > most ? positions[i] : most;
    if (!(y = hone_graph_result_like(g, x)) ||
        !(table = hone_graph_result(g, 2, (int64_t[]){ tokens, r.d })) ||
        !(angles = rope_table(g, r.d, theta, most + 1)))
        return NULL;
    bytes = (size_t)r.d * hone_graph_width(g);
    for (int64_t i = 0; i < tokens; i++)
        memcpy(hone_at(g, hone_tensor_data(table), i * r.d), hone_at(g, angles, positions[i] * r.d), bytes);
    r.table = hone_tensor_bytes(table);
    r.x = hone_tensor_bytes(x);
    r.y = hone_tensor_data(y);
    hone_graph_pieces(g, tokens, ROPE_ROWS, rope_piece, &r);
    if ((node = hone_graph_node(g, &rope_op, y, &x, 1, sizeof heads))) {
        *(int64_t *)node->args = heads;
        hone_node_save(node, 0, table);
    }
    return y;
}
