/* descriptor.c -- is a descriptor what it says, and does this hone understand it?
 *
 * A descriptor and its options may be shorter than today's (an older hone) or
 * longer (a newer one of the same abi). Those are copied into today's layout:
 * members that they lack are zero, members that we lack are left behind. So
 * all other code reads today's structs. */
#include "kinds.h"
#include "options.h"
#include "registry.h"
#include "text.h"

#include <string.h>

enum { DESCRIPTOR_DEPTH = 16, DESCRIPTOR_OPTIONS = 4096 };

/* What the first hone had. */
#define PLUGIN_LEAST (offsetof(hone_plugin, ops) + sizeof(void *))
#define OPTION_LEAST (offsetof(hone_option, text_default) + sizeof(char *))

static size_t descriptor_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The nth of a table whose entries have the plugin's size, in today's layout. */
static hone_option descriptor_option(const hone_option *table, size_t n, size_t size)
{
    hone_option o = { 0 };

    memcpy(&o, (const char *)table + n * size, descriptor_min(size, sizeof o));
    return o;
}

/* Entries of a table and those within it, ends included; 0: too many or deep. */
static size_t descriptor_count(const hone_option *table, size_t size, int depth)
{
    size_t count = 1;

    if (depth > DESCRIPTOR_DEPTH)
        return 0;
    for (size_t n = 0;; n++, count++) {
        hone_option o = descriptor_option(table, n, size);

        if (count > DESCRIPTOR_OPTIONS)
            return 0;
        if (o.type == HONE_OPTION_END)
            return count;
        if (o.type == HONE_OPTION_TABLE && o.options) {
            size_t inner = descriptor_count(o.options, size, depth + 1);

            if (inner == 0)
                return 0;
            count += inner;
        }
    }
}

/* Copy a table to `to`, those within it behind it; the first free entry. */
static hone_option *descriptor_copy(hone_option *to, const hone_option *table, size_t size)
{
    size_t count = 0;
    hone_option *next;

    do
        to[count] = descriptor_option(table, count, size);
    while (to[count++].type != HONE_OPTION_END);
    next = to + count;
    for (size_t n = 0; n < count; n++)
        if (to[n].type == HONE_OPTION_TABLE && to[n].options) {
            const hone_option *inner = to[n].options;

            to[n].options = next;
            next = descriptor_copy(next, inner, size);
        }
    return next;
}

/* One allocation: the descriptor, then all tables. */
static int descriptor_upgrade(const hone_plugin *plugin, size_t options, const hone_plugin **out,
                              void **upgraded, hone_error *err)
{
    struct {
        hone_plugin plugin;
        hone_option options[];
    } *copy = hone_alloc(1, sizeof *copy + options * sizeof(hone_option));

    if (!copy)
        return hone_fail_memory(err, plugin->name);
    memcpy(&copy->plugin, plugin, descriptor_min(plugin->size, sizeof copy->plugin));
    if (options) {
        descriptor_copy(copy->options, plugin->options, plugin->option_size);
        copy->plugin.options = copy->options;
    }
    copy->plugin.size = sizeof copy->plugin;
    copy->plugin.option_size = sizeof(hone_option);
    *out = &copy->plugin;
    *upgraded = copy;
    return HONE_OK;
}

int hone_descriptor_sizes(const hone_plugin *p, hone_error *err)
{
    if (p->abi != HONE_ABI)
        return hone_fail(err, HONE_EABI, "was built for abi %" PRIu32 ", this hone has %u: "
                         "compile it anew", p->abi, HONE_ABI);
    if (p->size < PLUGIN_LEAST)
        return hone_fail(err, HONE_EABI, "its descriptor has %" PRIu32
                         " bytes (allowed: at least %zu)", p->size, PLUGIN_LEAST);
    if (p->option_size < OPTION_LEAST)
        return hone_fail(err, HONE_EABI, "its options have %" PRIu32
                         " bytes each (allowed: at least %zu)", p->option_size, OPTION_LEAST);
    return HONE_OK;
}

static int descriptor_named(const hone_plugin *p, const char *kind, const char *name,
                            hone_error *err)
{
    if (!p->name || strcmp(p->name, name) != 0)
        return hone_fail(err, HONE_EABI, "its name is '%.60s', but the file's is '%s'",
                         p->name ? p->name : "", name);
    if (!p->kind || !hone_plugin_name_valid(p->kind, strlen(p->kind)))
        return hone_fail(err, HONE_EABI, "its kind '%.60s' is not a kind's name",
                         p->kind ? p->kind : "");
    if (kind && strcmp(p->kind, kind) != 0)
        return hone_fail(err, HONE_EABI, "its kind is '%.60s', but the folder's is '%s'", p->kind,
                         kind);
    return HONE_OK;
}

static bool descriptor_has(const hone_ops *ops, const hone_kind_op *op)
{
    void *member = NULL;

    if (ops && ops->size >= op->offset + sizeof member)
        memcpy(&member, (const char *)ops + op->offset, sizeof member);
    return member != NULL;
}

static int descriptor_none(const hone_kind *kind, hone_error *err)
{
    char names[256];
    size_t used = 0;

    for (const hone_kind_op *op = kind->ops; op->name && used < sizeof names; op++)
        used += (size_t)hone_print(names + used, sizeof names - used, "%s'%s'", used ? ", " : "",
                                   op->name);
    return hone_fail(err, HONE_EABI, "its ops have none of %s, of which every %s must have one",
                     names, kind->name);
}

static int descriptor_ops(const hone_plugin *p, hone_error *err)
{
    const hone_kind *kind = hone_kind_find(p->kind);
    const hone_ops *ops = p->ops;
    const hone_kind_op *op = kind ? kind->ops : NULL;

    if (ops && ops->size < sizeof ops->size)
        return hone_fail(err, HONE_EABI, "its ops have %zu bytes: say .size = sizeof ops",
                         ops->size);
    for (; op && op->name; op++) {
        bool has = descriptor_has(ops, op);

        if (has && kind->any)
            return HONE_OK;
        if (!has && !kind->any)
            return hone_fail(err, HONE_EABI, "its ops lack '%s', which every %s must have",
                             op->name, p->kind);
    }
    return kind && kind->any ? descriptor_none(kind, err) : HONE_OK;
}

/* Members of an instance, tables taken apart. */
struct members {
    struct member {
        const char *name;
        size_t first, width;
    } *items;
    size_t count;
};

/* What the core owns and frees must not lie over another's. */
static int descriptor_place(struct members *all, const hone_option *o, size_t first, size_t width,
                            hone_error *err)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct member *m = &all->items[i];

        if (first < m->first + m->width && m->first < first + width)
            return hone_fail(err, HONE_EABI, "its member of %zu bytes at %zu lies over that of "
                             "'%.60s'", width, first, m->name);
    }
    all->items[all->count++] = (struct member){ o->name, first, width };
    return HONE_OK;
}

static int descriptor_member(const hone_option *o, size_t base, size_t room, struct members *all,
                             hone_error *err)
{
    size_t width = hone_option_width(o->type);
    size_t step = width < sizeof(void *) ? width : _Alignof(void *);

    if (width == 0)
        return hone_fail(err, HONE_EABI, "is of type %d, which this hone does not know",
                         (int)o->type);
    if (o->offset > room || width > room - o->offset)
        return hone_fail(err, HONE_EABI, "its member of %zu bytes at %zu lies outside of an "
                         "instance of %zu", width, o->offset, room);
    if ((base + o->offset) % step)
        return hone_fail(err, HONE_EABI, "its member lies at %zu (allowed: multiples of %zu)",
                         base + o->offset, step);
    if (o->type == HONE_OPTION_CHOICE && (!o->choices || !o->choices[0]))
        return hone_fail(err, HONE_EABI, "has no words to choose from");
    if (o->type == HONE_OPTION_PLUGIN && !o->kind)
        return hone_fail(err, HONE_EABI, "says no kind of plugin");
    return descriptor_place(all, o, base + o->offset, width, err);
}

/* A table whose struct begins at `base` and has `room` bytes at most. */
static int descriptor_options(const hone_option *table, size_t base, size_t room,
                              struct members *all, hone_error *err)
{
    for (const hone_option *o = table; o && o->type != HONE_OPTION_END; o++) {
        int code = HONE_OK;

        if (!o->name || !hone_plugin_name_valid(o->name, strlen(o->name)) ||
            strcmp(o->name, "plugin") == 0)
            return hone_fail(err, HONE_EABI, "an option cannot be called '%.60s'",
                             o->name ? o->name : "");
        for (const hone_option *before = table; before < o && code == HONE_OK; before++)
            if (strcmp(before->name, o->name) == 0)
                code = hone_fail(err, HONE_EABI, "stands twice in the table");
        if (code == HONE_OK && o->type != HONE_OPTION_TABLE)
            code = descriptor_member(o, base, room, all, err);
        else if (code == HONE_OK && o->offset > room)
            code = hone_fail(err, HONE_EABI, "lies outside of the instance");
        else if (code == HONE_OK)
            code = descriptor_options(o->options, base + o->offset, room - o->offset, all, err);
        if (code != HONE_OK) {
            hone_fail_in(err, "option %s", o->name);
            return code;
        }
    }
    return HONE_OK;
}

/* `options`: entries of all tables. */
static int descriptor_tables(const hone_plugin *p, size_t options, hone_error *err)
{
    struct members all = { 0 };
    int code;

    if (!p->options)
        return HONE_OK;
    if (!(all.items = hone_alloc(options, sizeof *all.items)))
        return hone_fail_memory(err, p->name);
    code = descriptor_options(p->options, 0, p->instance_size, &all, err);
    hone_free(all.items);
    return code;
}

int hone_descriptor_check(const hone_plugin *plugin, const char *kind, const char *name,
                          const hone_plugin **out, void **upgraded, hone_error *err)
{
    size_t options = 0;
    int code;

    *out = plugin;
    *upgraded = NULL;
    if ((code = hone_descriptor_sizes(plugin, err)) != HONE_OK ||
        (code = descriptor_named(plugin, kind, name, err)) != HONE_OK ||
        (code = descriptor_ops(plugin, err)) != HONE_OK)
        return code;
    if (plugin->options) {
        options = descriptor_count(plugin->options, plugin->option_size, 0);
        if (options == 0)
            return hone_fail(err, HONE_EABI, "its options do not end (HONE_OPT_END), or nest more "
                             "than %d deep", DESCRIPTOR_DEPTH);
    }
    if (plugin->size != sizeof *plugin ||
        (options && plugin->option_size != sizeof(hone_option))) {
        code = descriptor_upgrade(plugin, options, out, upgraded, err);
        if (code != HONE_OK)
            return code;
    }
    code = descriptor_tables(*out, options, err);
    if (code != HONE_OK) {
        hone_free(*upgraded);
        *upgraded = NULL;
    }
    return code;
}
