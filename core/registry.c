/* registry.c -- the search list, and what was found and registered. */
#include "registry.h"
#include "context.h"
#include "kinds.h"
#include "suggest.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { REGISTRY_SUFFIXES = 32 };
#define SHARED_OBJECT ".so"
#define LUA_FILE ".lua"

bool hone_plugin_name_valid(const char *name, size_t n)
{
    if (n == 0 || *name < 'a' || *name > 'z')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
              name[i] == '_'))
            return false;
    return true;
}

/* ---- the search list ---- */

static int registry_add_folder(hone_registry *r, size_t *count, const char *folder, size_t n,
                               hone_error *err)
{
    char *copy = hone_strndup(folder, n), *path = copy ? hone_path_expand(copy) : NULL;
    char **more = path ? hone_realloc(r->folders, *count + 2, sizeof *more) : NULL;

    hone_free(copy);
    if (!more) {
        hone_free(path);
        return hone_fail_memory(err, "the plugin folders");
    }
    r->folders = more;
    r->folders[(*count)++] = path;
    r->folders[*count] = NULL;
    return HONE_OK;
}

static int registry_add_path(hone_registry *r, size_t *count, const char *path, hone_error *err)
{
    int code = HONE_OK;

    while (path && *path && code == HONE_OK) {
        size_t n = strcspn(path, ":");

        if (n)
            code = registry_add_folder(r, count, path, n, err);
        path += n + (path[n] == ':');
    }
    return code;
}

static int registry_add_user(hone_registry *r, size_t *count, hone_error *err)
{
    const char *base = getenv("XDG_DATA_HOME");
    char *path = hone_format("%s/hone/plugins", base && *base ? base : "~/.local/share");
    int code = path ? registry_add_folder(r, count, path, strlen(path), err)
                    : hone_fail_memory(err, "the plugin folders");

    hone_free(path);
    return code;
}

int hone_registry_init(hone_registry *r, const hone_string_list *plugin_path, hone_error *err)
{
    pthread_mutexattr_t recursive;
    size_t count = 0;
    int code;

    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&r->mutex, &recursive);
    pthread_mutexattr_destroy(&recursive);
    r->ready = true;
    if ((code = registry_add_path(r, &count, getenv("HONE_PLUGIN_PATH"), err)) == HONE_OK)
        code = registry_add_user(r, &count, err);
    for (size_t i = 0; i < plugin_path->count && code == HONE_OK; i++)
        code = registry_add_folder(r, &count, plugin_path->items[i],
                                   strlen(plugin_path->items[i]), err);
    if (code == HONE_OK)
        code = registry_add_folder(r, &count, HONE_PLUGIN_DIR, strlen(HONE_PLUGIN_DIR), err);
    return code;
}

void hone_registry_close(hone_registry *r)
{
    if (!r->ready)
        return;
    for (hone_loaded *l = r->loaded, *next; l; l = next) {
        next = l->next;
        hone_free(l->upgraded);
        hone_free(l);
    }
    for (hone_loader *l = r->loaders, *next; l; l = next) {
        next = l->next;
        hone_free(l->suffix);
        hone_free(l);
    }
    for (size_t i = 0; r->folders && r->folders[i]; i++)
        hone_free(r->folders[i]);
    hone_free(r->folders);
    pthread_mutex_destroy(&r->mutex);
}

/* ---- loaded ---- */

hone_loaded *hone_registry_loaded(const hone_registry *r, const char *kind, const char *name)
{
    for (hone_loaded *l = r->loaded; l; l = l->next)
        if (strcmp(l->plugin->kind, kind) == 0 && strcmp(l->plugin->name, name) == 0)
            return l;
    return NULL;
}

int hone_registry_add(hone_registry *r, const hone_plugin *plugin, const char *kind,
                      const char *name, bool at_run_time, const hone_plugin **out, hone_error *err)
{
    hone_loaded *l = hone_alloc(1, sizeof *l);
    int code = l ? hone_descriptor_check(plugin, kind, name, &l->plugin, &l->upgraded, err)
                 : hone_fail_memory(err, name);

    if (code != HONE_OK) {
        hone_free(l);
        return code;
    }
    l->at_run_time = at_run_time;
    pthread_mutex_lock(&r->mutex);
    l->next = r->loaded;
    r->loaded = l;
    pthread_mutex_unlock(&r->mutex);
    *out = l->plugin;
    return HONE_OK;
}

int hone_plugin_register(hone_context *context, const hone_plugin *plugin, hone_error *err)
{
    const hone_plugin *checked;
    const char *name;
    int code = hone_descriptor_sizes(plugin, err);

    if (code != HONE_OK)
        return code;
    name = plugin->name;
    if (!name || !hone_plugin_name_valid(name, strlen(name)))
        return hone_fail(err, HONE_EINVAL, "'%.60s' is not a plugin's name "
                         "(allowed: a-z, 0-9 and _, a letter first)", name ? name : "");
    code = hone_registry_add(&context->registry, plugin, NULL, name, true, &checked, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s", name);
    return code;
}

/* ---- loaders ---- */

int hone_plugin_add_loader(hone_context *context, const char *suffix, hone_plugin_loader *load,
                           void *user, hone_error *err)
{
    hone_registry *r = &context->registry;
    hone_loader *l, **end;
    int count = 0;

    if (suffix[0] != '.' || !suffix[1] || strchr(suffix, '/') ||
        strcmp(suffix, SHARED_OBJECT) == 0)
        return hone_fail(err, HONE_EINVAL, "'%.40s' cannot be a suffix of plugins "
                         "(allowed: .lua and the like)", suffix);
    l = hone_alloc(1, sizeof *l);
    if (!l || !(l->suffix = hone_strdup(suffix))) {
        hone_free(l);
        return hone_fail_memory(err, "a plugin loader");
    }
    l->load = load;
    l->user = user;
    pthread_mutex_lock(&r->mutex);
    for (end = &r->loaders; *end; end = &(*end)->next)
        count++;
    if (count < REGISTRY_SUFFIXES)
        *end = l;
    pthread_mutex_unlock(&r->mutex);
    if (count < REGISTRY_SUFFIXES)
        return HONE_OK;
    hone_free(l->suffix);
    hone_free(l);
    return hone_fail(err, HONE_ESTATE, "there are %d plugin loaders already", count);
}

static bool registry_ends(const char *file, const char *suffix)
{
    size_t n = strlen(file), m = strlen(suffix);

    return n > m && strcmp(file + n - m, suffix) == 0;
}

/* In the order in which files of one folder and name are preferred. */
static size_t registry_suffixes(const hone_registry *r, const char *list[REGISTRY_SUFFIXES + 2])
{
    size_t count = 0;

    list[count++] = SHARED_OBJECT;
    for (const hone_loader *l = r->loaders; l; l = l->next)
        list[count++] = l->suffix;
    list[count++] = LUA_FILE;
    return count;
}

const char *hone_registry_suffix(const hone_registry *r, const char *file, int *rank)
{
    const char *suffixes[REGISTRY_SUFFIXES + 2];
    size_t count = registry_suffixes(r, suffixes);

    for (size_t i = 0; i < count; i++)
        if (registry_ends(file, suffixes[i])) {
            *rank = (int)i;
            return file + strlen(file) - strlen(suffixes[i]);
        }
    return NULL;
}

static int registry_run_loader(hone_context *context, const char *kind, const char *name,
                               const char *path, const hone_plugin **out, hone_error *err)
{
    hone_loader *l = context->registry.loaders;

    if (registry_ends(path, SHARED_OBJECT))
        return hone_plugin_open(path, name, out, err);
    while (l && !registry_ends(path, l->suffix))
        l = l->next;
    if (!l)
        return hone_fail(err, HONE_EUNSUPPORTED, "%s: needs the Lua interpreter: use it from the "
                         "hone program", path);
    if (!kind)
        return hone_fail(err, HONE_EINVAL, "%s: must lie in a folder named by its kind", path);
    return l->load(l->user, kind, name, path, out, err);
}

int hone_registry_load(hone_context *context, const char *kind, const char *name,
                       const char *path, const hone_plugin **out, hone_error *err)
{
    const hone_plugin *plugin = NULL;
    int code = registry_run_loader(context, kind, name, path, &plugin, err);

    if (code != HONE_OK)
        return code;
    if (!plugin)
        return hone_fail(err, HONE_EINVAL, "%s: its loader handed out no plugin", path);
    code = hone_registry_add(&context->registry, plugin, kind, name, false, out, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s", path);
    return code;
}

/* ---- finding ---- */

/* The names of a kind that there are, for a message; of kinds where no name is
 * asked for. */
static void registry_offer(hone_suggest *s, const hone_plugin_entry *entries, size_t count,
                           const char *kind, char *known, size_t size)
{
    size_t used = 0;

    *known = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *word = kind ? entries[i].name : entries[i].kind;

        if ((kind && (strcmp(entries[i].kind, kind) != 0 || entries[i].hidden)) ||
            (!kind && i && strcmp(entries[i - 1].kind, word) == 0))
            continue;
        hone_suggest_offer(s, word);
        if (used < size)
            used += (size_t)hone_print(known + used, size - used, "%s%s", used ? ", " : "", word);
    }
}

static bool registry_knows_kind(const hone_plugin_entry *entries, size_t count, const char *kind)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].kind, kind) == 0)
            return true;
    return hone_kind_find(kind) != NULL;
}

static int registry_unknown(hone_context *context, const char *kind, const char *name,
                            hone_error *err)
{
    hone_plugin_entry *entries;
    hone_suggest s;
    char known[512], hint[128];
    size_t count;
    bool is_kind;
    int code = hone_plugin_list(context, NULL, &entries, &count, err);

    if (code != HONE_OK)
        return code;
    is_kind = registry_knows_kind(entries, count, kind);
    s = hone_suggest_start(is_kind ? name : kind);
    registry_offer(&s, entries, count, is_kind ? kind : NULL, known, sizeof known);
    for (const hone_kind *k = hone_kinds; !is_kind && k->name; k++)
        hone_suggest_offer(&s, k->name);
    hone_suggest_text(&s, hint, sizeof hint);
    if (!is_kind)
        code = hone_fail(err, HONE_ENOTFOUND, "unknown kind of plugin '%s'%s", kind, hint);
    else if (s.best)
        code = hone_fail(err, HONE_ENOTFOUND, "unknown %s '%s'%s", kind, name, hint);
    else
        code = hone_fail(err, HONE_ENOTFOUND, "unknown %s '%s' (%s%s)", kind, name,
                         *known ? "there are: " : "none was found: see HONE_PLUGIN_PATH", known);
    hone_free(entries);
    return code;
}

/* The first file of this kind and name in the search list; *path: owned, NULL
 * where there is none. */
static int registry_locate(const hone_registry *r, const char *kind, const char *name, char **path,
                           hone_error *err)
{
    const char *suffixes[REGISTRY_SUFFIXES + 2];
    size_t count = registry_suffixes(r, suffixes);
    struct stat st;

    *path = NULL;
    for (size_t i = 0; r->folders[i]; i++)
        for (size_t j = 0; j < count; j++) {
            *path = hone_format("%s/%s/%s%s", r->folders[i], kind, name, suffixes[j]);
            if (!*path)
                return hone_fail_memory(err, name);
            if (stat(*path, &st) == 0 && S_ISREG(st.st_mode))
                return HONE_OK;
            hone_free(*path);
            *path = NULL;
        }
    return HONE_OK;
}

static int registry_find(hone_context *context, const char *kind, const char *name,
                         const hone_plugin **out, hone_error *err)
{
    hone_loaded *loaded = hone_registry_loaded(&context->registry, kind, name);
    char *path;
    int code;

    if (loaded) {
        *out = loaded->plugin;
        return HONE_OK;
    }
    if ((code = registry_locate(&context->registry, kind, name, &path, err)) != HONE_OK)
        return code;
    if (!path)
        return registry_unknown(context, kind, name, err);
    code = hone_registry_load(context, kind, name, path, out, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s/%s", kind, name);
    hone_free(path);
    return code;
}

int hone_plugin_find(hone_context *context, const char *kind, const char *name,
                     const hone_plugin **out, hone_error *err)
{
    int code;

    *out = NULL;
    /* Also: no name leads out of its folder. */
    if (!hone_plugin_name_valid(kind, strlen(kind)))
        return hone_fail(err, HONE_EINVAL, "'%.60s' is not a kind of plugin", kind);
    if (!hone_plugin_name_valid(name, strlen(name)))
        return hone_fail(err, HONE_EINVAL, "'%.60s' is not a plugin's name "
                         "(allowed: a-z, 0-9 and _, a letter first)", name);
    pthread_mutex_lock(&context->registry.mutex);
    code = registry_find(context, kind, name, out, err);
    pthread_mutex_unlock(&context->registry.mutex);
    return code;
}
