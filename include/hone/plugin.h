/* plugin.h -- what every plugin is: one data symbol, no constructor, no state.
 *
 * A plugin is a shared object <folder>/<kind>/<name>.so that exports one
 * descriptor, made with HONE_PLUGIN. The loader checks symbol, abi, sizes,
 * name, kind and required ops, in that order, and says which failed. Kinds and
 * their ops: <hone/tokenizer.h>, model.h, strategy.h, optimizer.h, quality.h,
 * bias.h, metric.h, store.h. Ops are only ever appended: a member past the size that a
 * plugin states counts as NULL, so old plugins keep loading. */
#ifndef HONE_PLUGIN_H
#define HONE_PLUGIN_H

#include <hone/context.h>
#include <hone/option.h>

#define HONE_ABI 1u

typedef struct hone_plugin {
    uint32_t size;        /* sizeof(hone_plugin) when built */
    uint32_t abi;         /* HONE_ABI when built */
    uint32_t option_size; /* sizeof(hone_option) when built */
    bool threadsafe;      /* different instances may run at the same time */
    const char *kind, *name, *version;
    const char *summary;  /* one line */
    const char *source;   /* the paper or specification */
    size_t instance_size;
    const hone_option *options; /* ends with HONE_OPT_END; NULL: none */
    const void *ops;            /* hone_<kind>_ops */
    /* Check an identity from the literature on fixed inputs; may be NULL. */
    int (*self_test)(hone_context *context, hone_error *err);
} hone_plugin;

#define HONE_PLUGIN(id, ...) \
    extern HONE_API const hone_plugin id##_LTX_hone_plugin; \
    const hone_plugin id##_LTX_hone_plugin = { .size = sizeof(hone_plugin), \
        .abi = HONE_ABI, .option_size = sizeof(hone_option), .name = #id, __VA_ARGS__ }

/* Every ops struct begins like this. init runs after the core has parsed and
 * range-checked the options into zeroed memory; close also after a failed
 * init. Either may be NULL. */
typedef struct hone_ops {
    size_t size;
    int (*init)(void *self, hone_context *context, hone_error *err);
    void (*close)(void *self);
} hone_ops;

/* A member of an instance's ops, or NULL where the plugin is older than it. */
#define HONE_OP(ops_, type, member) \
    ((ops_) && ((const hone_ops *)(ops_))->size >= offsetof(type, member) + \
     sizeof(((const type *)0)->member) ? ((const type *)(ops_))->member : NULL)

/* ---- finding ---- */

/* What the search list holds, found without running foreign code, and what was
 * registered at run time (path NULL). */
typedef struct hone_plugin_entry {
    const char *kind, *name, *path;
    bool hidden; /* another folder, earlier in the list, has this name */
} hone_plugin_entry;

/* kind NULL: all kinds. **out (one allocation, hone_free) is sorted by kind,
 * name, then search order. */
HONE_API int hone_plugin_list(hone_context *context, const char *kind,
                              hone_plugin_entry **out, size_t *count, hone_error *err);

/* Load a plugin by kind and name; *out is borrowed from the context, which
 * never unloads. Unknown names are answered with the nearest known one. */
HONE_API int hone_plugin_find(hone_context *context, const char *kind, const char *name,
                              const hone_plugin **out, hone_error *err);

/* Load one file, as `hone check FILE.so` does: every check, the defaults, an
 * instance with them where no option is required, and the self-test. Once
 * loaded, it is what its kind and name mean in this context. */
HONE_API int hone_plugin_check(hone_context *context, const char *path,
                               const hone_plugin **out, hone_error *err);

/* Plugins that are not shared objects (Lua files): `load` is called for
 * <folder>/<kind>/<name><suffix> and hands out a descriptor that lives as long
 * as the context. */
typedef int hone_plugin_loader(void *user, const char *kind, const char *name,
                               const char *path, const hone_plugin **out, hone_error *err);
HONE_API int hone_plugin_add_loader(hone_context *context, const char *suffix,
                                    hone_plugin_loader *load, void *user, hone_error *err);
/* Register a descriptor made at run time, as a Lua metric is. It must outlive
 * the context; a second of the same kind and name replaces the first. */
HONE_API int hone_plugin_register(hone_context *context, const hone_plugin *plugin,
                                  hone_error *err);

/* ---- instances ---- */

/* Make an instance: options (a JSON object or NULL) are checked against the
 * table, over the defaults and those in settings. **out is owned. Messages
 * begin "optimizer/adamw: ". An instance serves one thread at a time. */
HONE_API int hone_instance_new(hone_instance **out, hone_context *context, const char *kind,
                               const char *name, const hone_json *options, hone_error *err);
HONE_API hone_instance *hone_instance_ref(hone_instance *instance);
HONE_API void hone_instance_free(hone_instance *instance);

HONE_API const hone_plugin *hone_instance_plugin(const hone_instance *instance);
HONE_API void *hone_instance_self(const hone_instance *instance);
/* The instance that an op was given as `self`: for ops that serve several
 * plugins, as those written in other languages. */
HONE_API hone_instance *hone_instance_of(void *self);
HONE_API hone_context *hone_instance_context(const hone_instance *instance);
/* Every option with the value in force, as JSON (borrowed). */
HONE_API const hone_json *hone_instance_options(const hone_instance *instance);

/* ---- options apart from plugins (commands, settings) ---- */

/* Parse `values` into the struct at `self` by the table; `where` begins every
 * message. hone_options_free frees what parsing allocated. `effective`, when
 * not NULL, receives a new JSON object of all values in force. */
HONE_API int hone_options_parse(const hone_option *options, void *self, hone_context *context,
                                const hone_json *values, const char *where,
                                hone_json **effective, hone_error *err);
HONE_API void hone_options_free(const hone_option *options, void *self);
/* The table as JSON for `hone describe`: name, type, default, allowed, doc. */
HONE_API int hone_options_describe(const hone_option *options, hone_json **out, hone_error *err);

#endif
