/* registry.h -- the plugins that a context knows: where they may lie, how files
 * of a suffix are loaded, and those loaded so far.
 *
 *   registry.c     finding and registering
 *   scan.c         what lies in the folders of the search list
 *   plugin.c       loading shared objects (libltdl), checking a file
 *   descriptor.c   is it what it says, and what this hone understands? */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include <hone/plugin.h>
#include <pthread.h>

typedef struct hone_loaded {
    struct hone_loaded *next;
    const hone_plugin *plugin;
    void *upgraded;        /* what was made of an older descriptor; NULL: none */
    bool at_run_time;      /* no file: hone_plugin_register */
} hone_loaded;

typedef struct hone_loader {
    struct hone_loader *next;
    char *suffix;
    hone_plugin_loader *load;
    void *user;
} hone_loader;

typedef struct hone_registry {
    bool ready;
    pthread_mutex_t mutex; /* recursive: what is loaded may look for others */
    char **folders;        /* the search list, ends with NULL */
    hone_loader *loaders;  /* in the order of registration */
    hone_loaded *loaded;   /* the latest first: it wins */
} hone_registry;

/* The search list: HONE_PLUGIN_PATH, the user's folder, plugin_path of the
 * settings, the install folder. */
int hone_registry_init(hone_registry *registry, const hone_string_list *plugin_path,
                       hone_error *err);
void hone_registry_close(hone_registry *registry);
/* The latest loaded of this kind and name, or NULL. Under the mutex. */
hone_loaded *hone_registry_loaded(const hone_registry *registry, const char *kind,
                                  const char *name);
/* Check a descriptor and put it before all others of its kind and name. */
int hone_registry_add(hone_registry *registry, const hone_plugin *plugin, const char *kind,
                      const char *name, bool at_run_time, const hone_plugin **out,
                      hone_error *err);
/* Load a file of any known suffix and add it; kind NULL: whatever it says. */
int hone_registry_load(hone_context *context, const char *kind, const char *name,
                       const char *path, const hone_plugin **out, hone_error *err);

/* [a-z][a-z0-9_]* */
bool hone_plugin_name_valid(const char *name, size_t n);
/* The suffix of a file that could be a plugin (.so, .lua, those of the loaders),
 * or NULL. *rank orders files of one folder and name; it is less than 64. */
const char *hone_registry_suffix(const hone_registry *registry, const char *file, int *rank);

/* The descriptor in a shared object. Loaded for good. */
int hone_plugin_open(const char *path, const char *name, const hone_plugin **out, hone_error *err);

/* Only what passes this has members beyond its sizes. */
int hone_descriptor_sizes(const hone_plugin *plugin, hone_error *err);
/* abi, sizes, name, kind and required ops, in that order; kind NULL: any. *out:
 * the descriptor in today's layout, either itself or within *upgraded (which is
 * then owned). */
int hone_descriptor_check(const hone_plugin *plugin, const char *kind, const char *name,
                          const hone_plugin **out, void **upgraded, hone_error *err);

#endif
