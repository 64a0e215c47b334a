/* instance.c -- instances: the plugin's zeroed struct, filled from options. */
#include "context.h"
#include "instance.h"
#include "text.h"

#include <jansson.h>
#include <string.h>

enum { INSTANCE_DEPTH = 64 };

struct hone_instance {
    atomic_int refs;
    hone_context *context;
    const hone_plugin *plugin;
    hone_json *options;
    _Alignas(max_align_t) unsigned char self[];
};

/* The settings' object of a kind and name, or NULL. */
static const hone_json *instance_settings(const hone_context *context, const char *kind,
                                          const char *name)
{
    const hone_json *options = hone_json_get(context->settings, "options");

    return hone_json_get(hone_json_get(options, kind), name);
}

/* Two of one kind and name, both made with nothing but defaults, differ in
 * nothing: the lower would need another of its own, without end. */
static int instance_check_chain(const hone_chain *link, hone_error *err)
{
    char names[HONE_ERROR_MAX / 2];
    const hone_chain *first = NULL;
    int depth = 0, used;

    for (const hone_chain *up = link->up; up; up = up->up, depth++)
        if (link->bare && up->bare && strcmp(up->kind, link->kind) == 0 &&
            strcmp(up->name, link->name) == 0)
            first = up;
    if (depth >= INSTANCE_DEPTH)
        return hone_fail(err, HONE_EINVAL, "%s/%s: plugins within plugins, more than %d deep",
                         link->kind, link->name, INSTANCE_DEPTH);
    if (!first)
        return HONE_OK;
    used = hone_print(names, sizeof names, "%s/%s", link->kind, link->name);
    for (const hone_chain *up = link->up; (size_t)used < sizeof names; up = up->up) {
        used += hone_print(names + used, sizeof names - (size_t)used, ", needed by %s/%s", up->kind,
                           up->name);
        if (up == first)
            break;
    }
    return hone_fail(err, HONE_EINVAL, "the default plugins need each other: %s", names);
}

static int instance_fill(hone_instance *i, const hone_values *values, hone_error *err)
{
    const hone_ops *ops = i->plugin->ops;
    int (*init)(void *, hone_context *, hone_error *) = HONE_OP(ops, hone_ops, init);
    hone_values v = *values;
    int code;

    v.settings = instance_settings(i->context, i->plugin->kind, i->plugin->name);
    code = hone_options_fill(i->plugin->options, i->self, &v, &i->options, err);
    if (code != HONE_OK || !init)
        return code;
    code = init(i->self, i->context, err);
    if (code != HONE_OK) {
        void (*close)(void *) = HONE_OP(ops, hone_ops, close);

        if (err && !err->message[0])
            hone_fail(err, code, "init failed with code %d and no message", code);
        if (close)
            close(i->self);
        hone_options_free(i->plugin->options, i->self);
    }
    return code;
}

int hone_instance_make(hone_instance **out, const char *kind, const char *name,
                       const hone_values *values, hone_error *err)
{
    hone_context *context = values->context;
    size_t given = json_object_size(values->given) - (json_object_get(values->given, "plugin") &&
                                                      values->plugin_key);
    hone_chain link = { values->chain, kind, name, given == 0 };
    hone_values v = *values;
    const hone_plugin *plugin;
    hone_instance *i;
    int code;

    *out = NULL;
    if ((code = instance_check_chain(&link, err)) != HONE_OK ||
        (code = hone_plugin_find(context, kind, name, &plugin, err)) != HONE_OK)
        return code;
    i = plugin->instance_size <= SIZE_MAX - sizeof *i
      ? hone_alloc(1, sizeof *i + plugin->instance_size) : NULL;
    if (!i)
        return hone_fail_memory(err, name);
    atomic_init(&i->refs, 1);
    i->context = context;
    i->plugin = plugin;
    v.chain = &link;
    if ((code = instance_fill(i, &v, err)) != HONE_OK) {
        hone_fail_in(err, "%s/%s", kind, name);
        hone_json_free(i->options);
        hone_free(i);
        return code;
    }
    *out = i;
    return HONE_OK;
}

int hone_instance_new(hone_instance **out, hone_context *context, const char *kind,
                      const char *name, const hone_json *options, hone_error *err)
{
    return hone_instance_make(out, kind, name,
                              &(hone_values){ .context = context, .given = options }, err);
}

hone_instance *hone_instance_ref(hone_instance *i)
{
    if (i)
        atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
    return i;
}

void hone_instance_free(hone_instance *i)
{
    void (*close)(void *);

    if (!i || atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel) != 1)
        return;
    close = HONE_OP(i->plugin->ops, hone_ops, close);
    if (close)
        close(i->self);
    hone_options_free(i->plugin->options, i->self);
    hone_json_free(i->options);
    hone_free(i);
}

const hone_plugin *hone_instance_plugin(const hone_instance *i)
{
    return i ? i->plugin : NULL;
}

void *hone_instance_self(const hone_instance *i)
{
    return i ? (void *)i->self : NULL;
}

hone_instance *hone_instance_of(void *self)
{
    return self ? (hone_instance *)((char *)self - offsetof(hone_instance, self)) : NULL;
}

hone_context *hone_instance_context(const hone_instance *i)
{
    return i ? i->context : NULL;
}

const hone_json *hone_instance_options(const hone_instance *i)
{
    return i ? i->options : NULL;
}
