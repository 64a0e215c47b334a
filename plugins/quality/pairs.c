/* pairs.c -- see pairs.h. */
#include "pairs.h"

#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- cells: a hash table from two options to their cell ---- */

struct table {
    int32_t *slots;  /* cell + 1; 0: free */
    size_t mask;     /* slots - 1, a power of two less 1 */
    size_t room;     /* of cells */
};

static size_t table_place(const struct table *t, const struct pairs_cell *cell, int32_t a,
                          int32_t b)
{
    uint64_t hash = ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) * UINT64_C(0x9E3779B97F4A7C15);
    size_t i = (size_t)(hash >> 32) & t->mask;

    while (t->slots[i] && (cell[t->slots[i] - 1].a != a || cell[t->slots[i] - 1].b != b))
        i = (i + 1) & t->mask;
    return i;
}

/* Twice the room, at most half of the slots in use. */
static int table_grow(struct table *t, struct pairs *p, hone_error *err)
{
    size_t room = t->room ? 2 * t->room : 256;
    struct pairs_cell *cell = hone_realloc(p->cell, room, sizeof *cell);
    int32_t *slots = cell ? hone_alloc(2 * room, sizeof *slots) : NULL;

    p->cell = cell ? cell : p->cell;
    if (!slots)
        return hone_fail_memory(err, "comparisons");
    hone_free(t->slots);
    *t = (struct table){ slots, 2 * room - 1, room };
    for (size_t c = 0; c < p->cells; c++)
        slots[table_place(t, cell, cell[c].a, cell[c].b)] = (int32_t)c + 1;
    return HONE_OK;
}

static int table_find(struct table *t, struct pairs *p, int32_t a, int32_t b, int32_t *out,
                      hone_error *err)
{
    size_t place;
    int code = p->cells == t->room ? table_grow(t, p, err) : HONE_OK;

    if (code)
        return code;
    place = table_place(t, p->cell, a, b);
    if (!t->slots[place]) {
        p->cell[p->cells] = (struct pairs_cell){ .a = a, .b = b };
        t->slots[place] = (int32_t)++p->cells;
    }
    *out = t->slots[place] - 1;
    return HONE_OK;
}

/* ---- rows ---- */

static int rows_weigh(struct pairs *p, bool strength, hone_error *err)
{
    const double *weight = hone_judgements_weight(p->judgements);
    const double *value = hone_judgements_value(p->judgements);

    if (!weight && !strength)
        return HONE_OK;
    if (!(p->weights = hone_alloc(p->rows + 1, sizeof *p->weights)))
        return hone_fail_memory(err, "comparisons");
    for (size_t r = 0; r < p->rows; r++)
        p->weights[r] = (weight ? weight[r] : 1) * (strength ? value[r] : 1);
    return HONE_OK;
}

static int rows_condense(struct pairs *p, const struct pairs_policy *policy, struct table *t,
                         hone_error *err)
{
    const int32_t *left = hone_judgements_left(p->judgements);
    const int32_t *right = hone_judgements_right(p->judgements);
    const int32_t *label = p->label;
    int32_t cell;
    int code;

    for (size_t r = 0; r < p->rows; r++) {
        bool bad = label[r] == HONE_BAD, tie = label[r] >= HONE_TIE, swap = left[r] > right[r];
        p->at[r] = -1;
        p->bad += bad;
        if ((bad && policy->bad == PAIRS_BAD_DROP) || (tie && !policy->ties)) {
            p->dropped++;
            continue;
        }
        if (!(pairs_weight(p, r) > 0)) {
            p->weightless++;
            continue;
        }
        code = table_find(t, p, swap ? right[r] : left[r], swap ? left[r] : right[r], &cell, err);
        if (code)
            return code;
        p->at[r] = 2 * cell + swap;
        pairs_count(p, p->cell, r, pairs_weight(p, r));
        *(tie ? &p->tied : &p->won) += pairs_weight(p, r);
    }
    return HONE_OK;
}

/* ---- the graph of comparisons ---- */

static void graph_link(struct pairs *p)
{
    for (size_t c = 0; c < p->cells; c++) {
        p->starts[p->cell[c].a + 1]++;
        p->starts[p->cell[c].b + 1]++;
    }
    for (size_t i = 0; i < p->options; i++)
        p->starts[i + 1] += p->starts[i];
    for (size_t c = p->cells; c-- > 0;) { /* starts move back to the beginnings */
        p->near[--p->starts[p->cell[c].a + 1]] = (int32_t)c;
        p->near[--p->starts[p->cell[c].b + 1]] = (int32_t)c;
    }
    for (size_t i = 0; i < p->options; i++)
        p->starts[i] = p->starts[i + 1];
    p->starts[p->options] = 2 * p->cells;
}

enum { WALK_ANY, WALK_DOWN, WALK_UP };

static bool walk_along(const struct pairs_cell *cell, int32_t from, int way)
{
    double won = cell->a == from ? cell->a_wins : cell->b_wins;
    double lost = cell->a == from ? cell->b_wins : cell->a_wins;

    return (way == WALK_DOWN ? won : way == WALK_UP ? lost : won + lost) + cell->ties > 0;
}

/* Options that a walk from one reaches, it included; mark[] becomes `mark`. */
static size_t graph_walk(const struct pairs *p, const struct pairs_cell *cell, int32_t from,
                         int way, int32_t *seen, int32_t mark, int32_t *queue)
{
    size_t count = 1;

    seen[from] = mark;
    queue[0] = from;
    for (size_t head = 0; head < count; head++) {
        int32_t at = queue[head];
        for (size_t n = p->starts[at]; n < p->starts[at + 1]; n++) {
            const struct pairs_cell *c = &cell[p->near[n]];
            int32_t to = c->a == at ? c->b : c->a;
            if (seen[to] == mark || !walk_along(c, at, way))
                continue;
            seen[to] = mark;
            queue[count++] = to;
        }
    }
    return count;
}

static int graph_components(struct pairs *p, hone_error *err)
{
    int32_t *queue = hone_alloc(p->options + 1, sizeof *queue);

    p->size = hone_alloc(p->options + 1, sizeof *p->size);
    if (!queue || !p->size) {
        hone_free(queue);
        return hone_fail_memory(err, "comparisons");
    }
    for (size_t i = 0; i < p->options; i++)
        p->component[i] = -1;
    for (size_t i = 0; i < p->options; i++)
        if (p->component[i] < 0 && p->starts[i] < p->starts[i + 1]) {
            p->size[p->components] = graph_walk(p, p->cell, (int32_t)i, WALK_ANY, p->component,
                                                (int32_t)p->components, queue);
            p->components++;
        }
    hone_free(queue);
    return HONE_OK;
}

void pairs_strong(const struct pairs *p, const struct pairs_cell *cell, bool *strong,
                  int32_t *scratch)
{
    int32_t *queue = scratch, *down = scratch + p->options, *up = down + p->options;
    bool *done = memset(scratch + 3 * p->options, 0, p->options * sizeof *done);

    for (size_t i = 0; i < p->options; i++)
        down[i] = up[i] = -1;
    for (size_t i = 0; i < p->options; i++) {
        int32_t c = p->component[i];
        if (c < 0 || done[c])
            continue;
        done[c] = true;
        strong[c] = graph_walk(p, cell, (int32_t)i, WALK_DOWN, down, c, queue) == p->size[c] &&
                    graph_walk(p, cell, (int32_t)i, WALK_UP, up, c, queue) == p->size[c];
    }
}

/* Options that no one left beats are taken away, until none is left or none is
 * unbeaten. */
bool pairs_cycle(const struct pairs *p, const struct pairs_cell *cell, int32_t *scratch)
{
    int32_t *beaten = scratch, *queue = scratch + p->options;
    size_t count = 0;

    memset(beaten, 0, p->options * sizeof *beaten);
    for (size_t c = 0; c < p->cells; c++) {
        beaten[cell[c].a] += cell[c].b_wins > 0;
        beaten[cell[c].b] += cell[c].a_wins > 0;
    }
    for (size_t i = 0; i < p->options; i++)
        if (!beaten[i])
            queue[count++] = (int32_t)i;
    for (size_t head = 0; head < count; head++) {
        int32_t at = queue[head];
        for (size_t n = p->starts[at]; n < p->starts[at + 1]; n++) {
            const struct pairs_cell *c = &cell[p->near[n]];
            int32_t to = c->a == at ? c->b : c->a;
            if ((c->a == at ? c->a_wins : c->b_wins) > 0 && --beaten[to] == 0)
                queue[count++] = to;
        }
    }
    return count < p->options;
}

/* ---- life ---- */

int pairs_open(struct pairs *p, const hone_judgements *judgements,
               const struct pairs_policy *policy, hone_error *err)
{
    struct table t = {0};
    int code;

    *p = (struct pairs){ .judgements = judgements, .rows = hone_judgements_count(judgements),
                         .options = hone_judgements_options(judgements) };
    if (hone_judgements_level(judgements) != HONE_PAIR)
        return hone_fail(err, HONE_EINVAL, "judgements are %s; pairs are compared (of rankings, "
                         "make pairs first)", hone_level_name(hone_judgements_level(judgements)));
    p->label = hone_judgements_label(judgements);
    p->at = hone_alloc(p->rows + 1, sizeof *p->at);
    p->component = hone_alloc(p->options + 1, sizeof *p->component);
    p->starts = hone_alloc(p->options + 2, sizeof *p->starts);
    code = p->at && p->component && p->starts ? rows_weigh(p, policy->strength, err)
                                              : hone_fail_memory(err, "comparisons");
    if (!code)
        code = rows_condense(p, policy, &t, err);
    hone_free(t.slots);
    if (!code && !(p->near = hone_alloc(2 * p->cells + 1, sizeof *p->near)))
        code = hone_fail_memory(err, "comparisons");
    if (code)
        return code;
    graph_link(p);
    return graph_components(p, err);
}

void pairs_close(struct pairs *p)
{
    hone_free(p->cell);
    hone_free(p->at);
    hone_free(p->component);
    hone_free(p->size);
    hone_free(p->starts);
    hone_free(p->near);
    hone_free(p->weights);
    *p = (struct pairs){0};
}

/* ---- centring ---- */

void pairs_centre(const struct pairs *p, double *strength, double *scratch)
{
    memset(scratch, 0, p->components * sizeof *scratch);
    for (size_t i = 0; i < p->options; i++)
        if (p->component[i] >= 0)
            scratch[p->component[i]] += strength[i];
    for (size_t i = 0; i < p->options; i++)
        if (p->component[i] >= 0)
            strength[i] -= scratch[p->component[i]] / (double)p->size[p->component[i]];
}

/* The mean is taken from every row, then from every column. */
void pairs_centre_covariance(const struct pairs *p, double *covariance, double *scratch)
{
    size_t n = p->options;

    for (size_t i = 0; i < n; i++)
        pairs_centre(p, covariance + i * n, scratch);
    for (size_t j = 0; j < n; j++) {
        memset(scratch, 0, p->components * sizeof *scratch);
        for (size_t i = 0; i < n; i++)
            if (p->component[i] >= 0)
                scratch[p->component[i]] += covariance[i * n + j];
        for (size_t i = 0; i < n; i++)
            if (p->component[i] >= 0)
                covariance[i * n + j] -= scratch[p->component[i]] /
                                         (double)p->size[p->component[i]];
    }
}
