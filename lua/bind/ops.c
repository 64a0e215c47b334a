/* ops.c -- the operations of <hone/ops.h>, as functions hone.tensor.NAME and
 * methods of tensors, and the operators.
 *
 * Positions count from 1 and ranges include their ends, as in Lua; ids of
 * classes and tokens count from 0, as in tokenizers. */
#include "bind.h"

#include <string.h>

/* A tensor argument, or a number made one. */
static hone_tensor *ops_operand(lua_State *L, hone_graph *g, int arg)
{
    hone_tensor *t;
    float value;

    if (lua_type(L, arg) != LUA_TNUMBER)
        return bind_tensor_check(L, arg);
    value = (float)lua_tonumber(L, arg);
    t = hone_graph_floats(g, &value, 1);
    if (!t)
        bind_graph_raise(L, g);
    return t;
}

/* ---- two operands ---- */

typedef hone_tensor *ops_two(hone_graph *g, hone_tensor *a, hone_tensor *b);
enum { OPS_ADD, OPS_SUB, OPS_MUL, OPS_DIV, OPS_MIN, OPS_MAX, OPS_SWIGLU };
static ops_two *const ops_twos[] = { hone_add, hone_sub, hone_mul, hone_div, hone_min, hone_max,
                                     hone_swiglu };

static int ops_binary_of(lua_State *L, int which)
{
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);
    bool left = lua_type(L, 1) == LUA_TNUMBER, right = lua_type(L, 2) == LUA_TNUMBER;
    double n = left ? lua_tonumber(L, 1) : right ? lua_tonumber(L, 2) : 0;
    hone_tensor *a, *b;

    /* A number is exact in affine, rounded to float as a tensor. */
    if (left != right && which <= OPS_MUL) {
        hone_tensor *t = bind_tensor_check(L, left ? 2 : 1);
        double scale = which == OPS_MUL ? n : which == OPS_SUB && left ? -1 : 1;
        double shift = which == OPS_MUL ? 0 : which == OPS_SUB && right ? -n : n;
        return bind_result(L, g, mark, hone_affine(g, t, scale, shift));
    }
    a = ops_operand(L, g, 1);
    b = ops_operand(L, g, 2);
    return bind_result(L, g, mark, ops_twos[which](g, a, b));
}

static int ops_binary(lua_State *L)
{
    return ops_binary_of(L, (int)lua_tointeger(L, lua_upvalueindex(1)));
}

static int ops_compare(lua_State *L)
{
    hone_comparison how = (hone_comparison)lua_tointeger(L, lua_upvalueindex(1));
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);
    hone_tensor *a = ops_operand(L, g, 1), *b = ops_operand(L, g, 2);

    return bind_result(L, g, mark, hone_compare(g, how, a, b));
}

/* ---- one operand ---- */

static int ops_unary(lua_State *L)
{
    hone_unary f = (hone_unary)lua_tointeger(L, lua_upvalueindex(1));
    hone_tensor *a = bind_tensor_check(L, 1);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_apply(g, f, a));
}

typedef hone_tensor *ops_one(hone_graph *g, hone_tensor *a);
enum { OPS_SUM, OPS_MEAN, OPS_SUM_LAST, OPS_SOFTMAX, OPS_LOG_SOFTMAX };
static ops_one *const ops_ones[] = { hone_sum, hone_mean, hone_sum_last, hone_softmax,
                                     hone_log_softmax };

static int ops_single(lua_State *L)
{
    ops_one *f = ops_ones[lua_tointeger(L, lua_upvalueindex(1))];
    hone_tensor *a = bind_tensor_check(L, 1);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, f(g, a));
}

/* t:detach(): the values, cut off from the gradient; lives on after the step. */
static int ops_detach(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1), *t;
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    t = hone_detach(g, a);
    if (!t)
        bind_graph_raise(L, g);
    bind_tensor_push(L, t, false);
    hone_graph_release(g, mark, NULL);
    return 1;
}

/* ---- with numbers ---- */

static int ops_affine(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    double scale = luaL_checknumber(L, 2), shift = luaL_checknumber(L, 3);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_affine(g, a, scale, shift));
}

static int ops_clamp(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    double low = luaL_checknumber(L, 2), high = luaL_checknumber(L, 3);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_clamp(g, a, low, high));
}

static int ops_pow(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    double exponent = luaL_checknumber(L, 2);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_pow(g, a, exponent));
}

static int ops_dropout(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    double probability = luaL_checknumber(L, 2);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_dropout(g, a, probability));
}

/* where(mask, a, b). */
static int ops_where(lua_State *L)
{
    hone_tensor *mask = bind_tensor_check(L, 1), *a = bind_tensor_check(L, 2);
    hone_tensor *b = bind_tensor_check(L, 3);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_where(g, mask, a, b));
}

static int ops_matmul(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1), *b = bind_tensor_check(L, 2);
    bool transposed = lua_toboolean(L, 3);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_matmul(g, a, b, transposed));
}

/* ---- shape ---- */

/* t:reshape(rows, columns, ...): one may be -1. */
static int ops_reshape(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    int64_t shape[HONE_DIMS];
    int dims = lua_gettop(L) - 1;
    hone_graph *g;
    size_t mark;

    if (dims > HONE_DIMS)
        bind_fail(L, "reshape: %d dimensions (allowed: 0 to %d)", dims, HONE_DIMS);
    for (int i = 0; i < dims; i++)
        shape[i] = luaL_checkinteger(L, i + 2);
    g = bind_graph(L);
    mark = hone_graph_mark(g);
    return bind_result(L, g, mark, hone_reshape(g, a, dims, shape));
}

/* t:slice(first, last) of rows, t:columns(first, last); negative ones count
 * from the end. */
static int ops_range(lua_State *L)
{
    bool columns = lua_toboolean(L, lua_upvalueindex(1));
    hone_tensor *a = bind_tensor_check(L, 1);
    int64_t n = hone_tensor_extent(a, columns ? -1 : 0);
    int64_t first = luaL_checkinteger(L, 2), last = luaL_optinteger(L, 3, -1);
    hone_graph *g;
    size_t mark;

    first = first < 0 ? n + first + 1 : first;
    last = last < 0 ? n + last + 1 : last;
    if (first < 1 || last > n || first > last + 1)
        bind_fail(L, "%s: %" PRId64 " to %" PRId64 " is out of range (allowed: 1 to %" PRId64 ")",
                  columns ? "columns" : "slice", first, last, n);
    g = bind_graph(L);
    mark = hone_graph_mark(g);
    return bind_result(L, g, mark, columns ? hone_columns(g, a, first - 1, last)
                                           : hone_slice(g, a, first - 1, last));
}

/* Push i32 numbers from a list, less `base`; each must be in [0, limit). */
static int32_t *ops_indices(lua_State *L, int arg, int64_t base, int64_t limit, int64_t *count)
{
    int32_t *items;

    luaL_checktype(L, arg, LUA_TTABLE);
    *count = (int64_t)lua_rawlen(L, arg);
    items = bind_buffer(L, (size_t)*count, sizeof *items);
    for (int64_t i = 0; i < *count; i++) {
        int exact;
        lua_rawgeti(L, arg, i + 1);
        int64_t value = lua_tointegerx(L, -1, &exact) - base;
        if (!exact || value < 0 || value >= limit)
            bind_fail(L, "index %" PRId64 " is %s (allowed: %" PRId64 " to %" PRId64 ")", i + 1,
                      luaL_tolstring(L, -1, NULL), base, limit - 1 + base);
        items[i] = (int32_t)value;
        lua_pop(L, 1);
    }
    return items;
}

/* t:rows { 3, 1, 1 }. */
static int ops_rows(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    int64_t count;
    const int32_t *index = ops_indices(L, 2, 1, hone_tensor_extent(a, 0), &count);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_rows(g, a, index, count));
}

/* t:pick { ids }: of each row the element of that id, from 0. */
static int ops_pick(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    int64_t count;
    const int32_t *index = ops_indices(L, 2, 0, hone_tensor_extent(a, -1), &count);
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    if (count != hone_tensor_extent(a, 0))
        bind_fail(L, "pick: %" PRId64 " ids for %" PRId64 " rows", count,
                  hone_tensor_extent(a, 0));
    return bind_result(L, g, mark, hone_pick(g, a, index));
}

/* t:segment_sum(lengths): sums of runs of rows. */
static int ops_segment_sum(lua_State *L)
{
    hone_tensor *a = bind_tensor_check(L, 1);
    const hone_tensor *lengths = bind_lengths(L, 2);
    const int32_t *starts = bind_starts(L, lengths, hone_tensor_extent(a, 0), "segment_sum");
    hone_graph *g = bind_graph(L);
    size_t mark = hone_graph_mark(g);

    return bind_result(L, g, mark, hone_segment_sum(g, a, starts, hone_tensor_count(lengths)));
}

/* concat { a, b, ... }. */
static int ops_concat(lua_State *L)
{
    hone_tensor **parts;
    size_t count;
    hone_graph *g;
    size_t mark;

    luaL_checktype(L, 1, LUA_TTABLE);
    count = bind_count(L, 1);
    parts = bind_buffer(L, count, sizeof *parts);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        parts[i] = bind_tensor_check(L, lua_gettop(L));
        lua_pop(L, 1);
    }
    g = bind_graph(L);
    mark = hone_graph_mark(g);
    return bind_result(L, g, mark, hone_concat(g, parts, count));
}

/* ---- the tables ---- */

typedef struct ops_entry {
    const char *name;
    lua_CFunction function;
    int which;
} ops_entry;

static const ops_entry ops_entries[] = {
    { "add", ops_binary, OPS_ADD }, { "sub", ops_binary, OPS_SUB }, { "mul", ops_binary, OPS_MUL },
    { "div", ops_binary, OPS_DIV }, { "min", ops_binary, OPS_MIN }, { "max", ops_binary, OPS_MAX },
    { "swiglu", ops_binary, OPS_SWIGLU },
    { "eq", ops_compare, HONE_EQ }, { "ne", ops_compare, HONE_NE }, { "lt", ops_compare, HONE_LT },
    { "le", ops_compare, HONE_LE }, { "gt", ops_compare, HONE_GT }, { "ge", ops_compare, HONE_GE },
    { "neg", ops_unary, HONE_NEG }, { "exp", ops_unary, HONE_EXP }, { "log", ops_unary, HONE_LOG },
    { "sqrt", ops_unary, HONE_SQRT }, { "square", ops_unary, HONE_SQUARE },
    { "abs", ops_unary, HONE_ABS }, { "sigmoid", ops_unary, HONE_SIGMOID },
    { "log_sigmoid", ops_unary, HONE_LOG_SIGMOID }, { "softplus", ops_unary, HONE_SOFTPLUS },
    { "tanh", ops_unary, HONE_TANH }, { "relu", ops_unary, HONE_RELU },
    { "silu", ops_unary, HONE_SILU }, { "gelu", ops_unary, HONE_GELU },
    { "gelu_tanh", ops_unary, HONE_GELU_TANH },
    { "sum", ops_single, OPS_SUM }, { "mean", ops_single, OPS_MEAN },
    { "sum_last", ops_single, OPS_SUM_LAST }, { "softmax", ops_single, OPS_SOFTMAX },
    { "log_softmax", ops_single, OPS_LOG_SOFTMAX },
    { "detach", ops_detach, 0 }, { "affine", ops_affine, 0 }, { "clamp", ops_clamp, 0 },
    { "pow", ops_pow, 0 }, { "dropout", ops_dropout, 0 }, { "where", ops_where, 0 },
    { "matmul", ops_matmul, 0 }, { "reshape", ops_reshape, 0 }, { "slice", ops_range, 0 },
    { "columns", ops_range, 1 }, { "rows", ops_rows, 0 }, { "pick", ops_pick, 0 },
    { "segment_sum", ops_segment_sum, 0 }, { "concat", ops_concat, 0 },
};

static const ops_entry ops_operators[] = {
    { "__add", ops_binary, OPS_ADD }, { "__sub", ops_binary, OPS_SUB },
    { "__mul", ops_binary, OPS_MUL }, { "__div", ops_binary, OPS_DIV },
    { "__unm", ops_unary, HONE_NEG }, { "__pow", ops_pow, 0 },
};

static void ops_set(lua_State *L, const ops_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].function == ops_range)
            lua_pushboolean(L, entries[i].which);
        else
            lua_pushinteger(L, entries[i].which);
        lua_pushcclosure(L, entries[i].function, 1);
        lua_setfield(L, -2, entries[i].name);
    }
}

void bind_open_ops(lua_State *L)
{
    lua_getfield(L, -1, "tensor");
    ops_set(L, ops_entries, sizeof ops_entries / sizeof ops_entries[0]);
    lua_pop(L, 1);
    luaL_getmetatable(L, "hone.tensor");
    ops_set(L, ops_operators, sizeof ops_operators / sizeof ops_operators[0]);
    lua_pop(L, 1);
}
