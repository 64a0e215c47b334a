/* params.c -- parameters: named once by a model's build, found by name. */
#include "param.h"

#include <string.h>

/* ---- the collection ---- */

int hone_params_create(hone_params **out, hone_error *err)
{
    *out = hone_alloc(1, sizeof **out);
    return *out ? HONE_OK : hone_fail_memory(err, "parameters");
}

static void params_free_one(hone_param *param)
{
    if (!param)
        return;
    hone_tensor_free(param->weight);
    hone_tensor_free(param->bias);
    hone_free(param->adapter);
    hone_free(param->name);
    hone_free(param->role);
    hone_free(param->weight_name);
    hone_free(param->bias_name);
    hone_free(param);
}

void hone_params_free(hone_params *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        params_free_one(p->items[i]);
    params_free_one(p->dropped);
    for (size_t i = 0; i < p->arrays_count; i++)
        hone_free(p->arrays[i]);
    for (int i = 0; i < p->depth; i++)
        hone_free(p->entered[i].prefix);
    hone_free(p->items);
    hone_free(p->sorted);
    hone_free(p->arrays);
    hone_free(p);
}

static bool params_failed(const hone_params *p)
{
    return p->error.code != HONE_OK;
}

/* ---- naming ---- */

/* Index in `sorted` where the name is, or where it would go. */
static size_t params_search(const hone_params *p, const char *name, bool *found)
{
    size_t low = 0, high = p->count;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(p->sorted[middle]->name, name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int params_grow(hone_params *p)
{
    size_t capacity = p->capacity ? 2 * p->capacity : 64;
    hone_param **items, **sorted;

    if (p->count < p->capacity)
        return HONE_OK;
    items = hone_realloc(p->items, capacity, sizeof *items);
    if (items)
        p->items = items;
    sorted = items ? hone_realloc(p->sorted, capacity, sizeof *sorted) : NULL;
    if (!sorted)
        return hone_fail_memory(&p->error, "parameters");
    p->sorted = sorted;
    p->capacity = capacity;
    return HONE_OK;
}

/* Takes the parameter. */
static hone_param *params_insert(hone_params *p, hone_param *param)
{
    bool found;
    size_t at = params_search(p, param->name, &found);

    if (found)
        hone_fail(&p->error, HONE_EINVAL, "parameter '%s' is named twice", param->name);
    if (found || params_grow(p) != HONE_OK) {
        params_free_one(param);
        return NULL;
    }
    memmove(p->sorted + at + 1, p->sorted + at, (p->count - at) * sizeof *p->sorted);
    p->sorted[at] = param;
    p->items[p->count++] = param;
    return param;
}

static void params_take_out(hone_params *p, const hone_param *param)
{
    bool found;
    size_t at = params_search(p, param->name, &found), i = 0;

    memmove(p->sorted + at, p->sorted + at + 1, (p->count - at - 1) * sizeof *p->sorted);
    while (p->items[i] != param)
        i++;
    memmove(p->items + i, p->items + i + 1, (p->count - i - 1) * sizeof *p->items);
    p->count--;
}

void hone_params_remove(hone_params *p, hone_param *param)
{
    params_take_out(p, param);
    params_free_one(param);
}

void hone_params_drop(hone_params *p, hone_param *param)
{
    params_take_out(p, param);
    p->dropped = param;
}

static hone_param *params_new(hone_params *p, const char *role, const char *name, int64_t out,
                              int64_t in, bool bias)
{
    const char *prefix = p->depth ? p->entered[p->depth - 1].prefix : "";
    hone_param *param;

    if (params_failed(p))
        return NULL;
    if (out < 1 || in < 1 || in > INT64_MAX / 16 / out) {
        hone_fail(&p->error, HONE_EINVAL, "parameter '%s%s' is [%" PRId64 ", %" PRId64
                  "] (allowed: at least [1, 1])", prefix, name, out, in);
        return NULL;
    }
    param = hone_alloc(1, sizeof *param);
    if (param) {
        param->name = hone_format("%s%s", prefix, name);
        param->role = hone_strdup(role);
        param->weight_name = hone_format("%s%s.weight", prefix, name);
        param->bias_name = bias ? hone_format("%s%s.bias", prefix, name) : NULL;
        param->layer = p->depth ? p->entered[p->depth - 1].layer : -1;
        param->out = out;
        param->in = in;
    }
    if (!param || !param->name || !param->role || !param->weight_name ||
        (bias && !param->bias_name)) {
        params_free_one(param);
        hone_fail_memory(&p->error, "a parameter");
        return NULL;
    }
    return params_insert(p, param);
}

hone_param *hone_param_new(hone_params *p, const char *role, const char *name, int64_t out,
                           int64_t in, bool bias)
{
    return params_new(p, role, name, out, in, bias);
}

hone_param *hone_param_new_transposed(hone_params *p, const char *role, const char *name,
                                      int64_t out, int64_t in, bool bias)
{
    hone_param *param = params_new(p, role, name, out, in, bias);

    if (param)
        param->transposed = true;
    return param;
}

hone_param *hone_param_tie(hone_params *p, const char *role, const char *name, hone_param *other)
{
    hone_param *param = other ? params_new(p, role, name, other->out, other->in, false) : NULL;

    if (param) {
        param->transposed = other->transposed;
        param->tied_to = other->tied_to ? other->tied_to : other;
    }
    return param;
}

void hone_params_enter(hone_params *p, int64_t layer, const char *fmt, ...)
{
    const char *above = p->depth ? p->entered[p->depth - 1].prefix : "";
    char *name, *prefix;
    va_list args;

    if (params_failed(p))
        return;
    if (p->depth == HONE_ENTER_DEPTH || layer < -1 || layer >= INT32_MAX) {
        hone_fail(&p->error, HONE_EINVAL, "cannot enter layer %" PRId64 " at depth %d "
                  "(allowed: -1 to %d, depth %d)", layer, p->depth, INT32_MAX - 1,
                  HONE_ENTER_DEPTH);
        return;
    }
    va_start(args, fmt);
    name = hone_vformat(fmt, args);
    va_end(args);
    prefix = name ? hone_format("%s%s.", above, name) : NULL;
    hone_free(name);
    if (!prefix) {
        hone_fail_memory(&p->error, "a name");
        return;
    }
    p->entered[p->depth].prefix = prefix;
    p->entered[p->depth++].layer = layer;
    if (layer >= p->layers)
        p->layers = layer + 1;
}

void hone_params_leave(hone_params *p)
{
    if (params_failed(p))
        return;
    if (p->depth == 0) {
        hone_fail(&p->error, HONE_EINVAL, "hone_params_leave without hone_params_enter");
        return;
    }
    hone_free(p->entered[--p->depth].prefix);
    p->entered[p->depth].prefix = NULL;
}

void *hone_params_array(hone_params *p, int64_t count, size_t size)
{
    void **arrays, *array;

    if (params_failed(p))
        return NULL;
    if (count < 0) {
        hone_fail(&p->error, HONE_EINVAL, "an array of %" PRId64 " elements", count);
        return NULL;
    }
    arrays = hone_realloc(p->arrays, p->arrays_count + 1, sizeof *arrays);
    if (arrays)
        p->arrays = arrays;
    array = arrays ? hone_alloc((size_t)count, size) : NULL;
    if (!array) {
        hone_fail_memory(&p->error, "an array of the model");
        return NULL;
    }
    return p->arrays[p->arrays_count++] = array;
}

int hone_params_done(hone_params *p, hone_error *err)
{
    if (!params_failed(p) && p->depth > 0)
        hone_fail(&p->error, HONE_EINVAL, "'%s' was entered and not left",
                  p->entered[p->depth - 1].prefix);
    return params_failed(p) ? hone_fail(err, p->error.code, "%s", p->error.message) : HONE_OK;
}

/* ---- tensors ---- */

/* A head of one output is a matrix of one row, as transformers stores it. */
static bool params_is_norm(const hone_param *param)
{
    return param->out == 1 && !param->is_head;
}

int hone_param_shape(const hone_param *param, int64_t shape[2])
{
    if (params_is_norm(param)) {
        shape[0] = param->in;
        shape[1] = 1;
        return 1;
    }
    shape[0] = param->transposed ? param->in : param->out;
    shape[1] = param->transposed ? param->out : param->in;
    return 2;
}

int hone_param_make_weight(hone_param *param, hone_dtype dtype, hone_error *err)
{
    int64_t shape[2];
    int dims = hone_param_shape(param, shape);

    if (param->tied_to) {
        param->weight = hone_tensor_ref(param->tied_to->weight);
        return HONE_OK;
    }
    return hone_tensor_new(&param->weight, dtype, dims, shape, err);
}

int64_t hone_param_bias_count(const hone_param *param)
{
    return params_is_norm(param) ? param->in : param->out;
}

int hone_param_make_bias(hone_param *param, hone_dtype dtype, hone_error *err)
{
    int64_t count = hone_param_bias_count(param);

    return param->bias_name ? hone_tensor_new(&param->bias, dtype, 1, &count, err) : HONE_OK;
}

/* ---- looking ---- */

size_t hone_params_count(const hone_params *p)
{
    return p->count;
}

hone_param *hone_params_at(const hone_params *p, size_t i)
{
    return i < p->count ? p->items[i] : NULL;
}

hone_param *hone_params_find(const hone_params *p, const char *name)
{
    bool found;
    size_t at = params_search(p, name, &found);

    return found ? p->sorted[at] : NULL;
}

const char *hone_param_name(const hone_param *param)
{
    return param->name;
}

const char *hone_param_role(const hone_param *param)
{
    return param->role;
}

int64_t hone_param_layer(const hone_param *param)
{
    return param->layer;
}

int64_t hone_param_out(const hone_param *param)
{
    return param->out;
}

int64_t hone_param_in(const hone_param *param)
{
    return param->in;
}

bool hone_param_is_transposed(const hone_param *param)
{
    return param->transposed;
}

hone_param *hone_param_tied_to(const hone_param *param)
{
    return param->tied_to;
}

hone_tensor *hone_param_weight(const hone_param *param)
{
    return param->weight;
}

hone_tensor *hone_param_bias(const hone_param *param)
{
    return param->bias;
}

bool hone_param_trainable(const hone_param *param)
{
    return hone_tensor_requires_grad(param->weight) &&
           (!param->bias || hone_tensor_requires_grad(param->bias));
}

void hone_param_set_trainable(hone_param *param, bool on)
{
    hone_tensor_require_grad(param->weight, on);
    hone_tensor_require_grad(param->bias, on);
}
