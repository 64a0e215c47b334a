/* optimizer_state.c -- an optimizer's values and states as a safetensors file.
 *
 *   value/<name>           F32, the values that are updated (master copies)
 *   state/<state>/<name>   F32
 *   steps                  I64 [tensors]: updates each tensor had
 *
 * in the order of the model's trainables; metadata: hone = "optimizer", plugin,
 * step. A file is checked whole before anything of it is taken. */
#include "optimizer.h"

#include <hone/safetensors.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything the file holds, by name: the optimizer's own tensors. */
struct contents {
    size_t count;
    hone_tensors_item *items; /* names are owned */
    hone_tensor *steps;       /* i64 [slots] */
};

static void contents_free(struct contents *c)
{
    for (size_t i = 0; c->items && i < c->count; i++)
        hone_free((char *)c->items[i].name);
    hone_free(c->items);
    hone_tensor_free(c->steps);
}

static int contents_fill(struct contents *c, const hone_optimizer *o, hone_error *err)
{
    hone_tensors_item *item;
    int64_t slots = (int64_t)o->count;
    int code = hone_tensor_new(&c->steps, HONE_I64, 1, &slots, err);
    bool whole = true;

    if (code)
        return code;
    c->count = o->count * (1 + o->states) + 1;
    c->items = item = hone_alloc(c->count, sizeof *c->items);
    if (!item)
        return hone_fail_memory(err, "optimizer states");
    for (size_t i = 0; i < o->count; i++) {
        const struct slot *slot = &o->slots[i];
        item->name = hone_format("value/%s", slot->name);
        item->tensor = slot->master;
        whole &= item++->name != NULL;
        for (size_t s = 0; s < o->states; s++) {
            item->name = hone_format("state/%s/%s", o->state_names[s], slot->name);
            item->tensor = slot->states[s];
            whole &= item++->name != NULL;
        }
        ((int64_t *)hone_tensor_data(c->steps))[i] = slot->steps;
    }
    item->name = hone_strdup("steps");
    item->tensor = c->steps;
    return whole && item->name ? HONE_OK : hone_fail_memory(err, "optimizer states");
}

int hone_optimizer_save(const hone_optimizer *o, const char *path, hone_error *err)
{
    struct contents c = {0};
    char step[32];
    json_t *metadata = NULL;
    int code = contents_fill(&c, o, err);

    if (code)
        goto out;
    snprintf(step, sizeof step, "%" PRId64, o->steps);
    metadata = json_pack("{s:s, s:s, s:s}", "hone", "optimizer", "plugin",
                         hone_instance_plugin(o->plugin)->name, "step", step);
    code = metadata ? hone_tensors_write(path, c.items, c.count, metadata, err)
                    : hone_fail_memory(err, "optimizer states");
out:
    json_decref(metadata);
    contents_free(&c);
    return code;
}

/* ---- load ---- */

static int state_check_plugin(const hone_optimizer *o, const hone_tensors *file, int64_t *step,
                              hone_error *err)
{
    const char *what = hone_tensors_metadata(file, "hone");
    const char *plugin = hone_tensors_metadata(file, "plugin");
    const char *text = hone_tensors_metadata(file, "step");
    const char *name = hone_instance_plugin(o->plugin)->name;
    char *end = NULL;

    if (!what || strcmp(what, "optimizer") != 0 || !plugin || !text)
        return hone_fail(err, HONE_EFORMAT, "not a file of optimizer states");
    if (strcmp(plugin, name) != 0)
        return hone_fail(err, HONE_EINVAL, "states of optimizer/%s; this is optimizer/%s", plugin,
                         name);
    *step = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
    if (*step < 0 || *step == INT64_MAX || !end || *end)
        return hone_fail(err, HONE_EFORMAT, "step is '%s', not a count", text);
    return HONE_OK;
}

static int state_check_item(const hone_tensors *file, const hone_tensors_item *item,
                            hone_error *err)
{
    const hone_tensor_entry *entry = hone_tensors_find(file, item->name);
    const char *dtype = hone_tensor_dtype(item->tensor) == HONE_I64 ? "I64" : "F32";
    int dims = hone_tensor_dims(item->tensor);
    char shape[96];
    bool same;

    if (!entry)
        return hone_fail(err, HONE_ENOTFOUND, "no tensor '%s', which the model trains",
                         item->name);
    if (strcmp(entry->dtype, dtype) != 0)
        return hone_fail(err, HONE_EFORMAT, "%s is %s; %s is needed", item->name, entry->dtype,
                         dtype);
    same = entry->dims == dims;
    for (int d = 0; d < dims && same; d++)
        same = entry->shape[d] == hone_tensor_extent(item->tensor, d);
    return same ? HONE_OK
                : hone_fail(err, HONE_EFORMAT, "%s has another shape than the model's %s",
                            item->name, hone_tensor_describe(item->tensor, shape));
}

static int state_check(const hone_optimizer *o, const struct contents *c,
                       const hone_tensors *file, int64_t *step, hone_error *err)
{
    int code = state_check_plugin(o, file, step, err);

    for (size_t i = 0; i < c->count && !code; i++)
        code = state_check_item(file, &c->items[i], err);
    if (!code && hone_tensors_count(file) != c->count)
        code = hone_fail(err, HONE_EFORMAT, "%zu tensors; the model's training has %zu",
                         hone_tensors_count(file), c->count);
    return code;
}

int hone_optimizer_load(hone_optimizer *o, const char *path, hone_error *err)
{
    struct contents c = {0};
    hone_tensors *file = NULL;
    const int64_t *steps;
    int64_t step = 0;
    int code = contents_fill(&c, o, err);

    if (code)
        goto out;
    code = hone_tensors_open(&file, path, err);
    if (code)
        goto out;
    code = state_check(o, &c, file, &step, err);
    /* The steps come last, so that they can be checked before values change. */
    for (size_t i = c.count; i-- > 0 && !code;) {
        code = hone_tensors_read(file, c.items[i].name, (hone_tensor *)c.items[i].tensor, err);
        if (code || c.items[i].tensor != c.steps)
            continue;
        steps = hone_tensor_bytes(c.steps);
        for (size_t s = 0; s < o->count && !code; s++) {
            if (steps[s] < 0 || steps[s] > step)
                code = hone_fail(err, HONE_EFORMAT, "steps: %" PRId64 " of %" PRId64, steps[s],
                                 step);
        }
    }
    if (code) {
        hone_fail_in(err, "%s", path);
        goto out;
    }
    steps = hone_tensor_bytes(c.steps);
    for (size_t s = 0; s < o->count; s++) {
        o->slots[s].steps = steps[s];
        hone_optimizer_store(&o->slots[s], 0, hone_tensor_count(o->slots[s].value));
    }
    o->steps = step;
out:
    hone_tensors_free(file);
    contents_free(&c);
    return code;
}
