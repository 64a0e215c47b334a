/* scan.c -- what lies in the search list: <folder>/<kind>/<name><suffix>. No
 * foreign code runs here: kind and name are those of the path. */
#include "context.h"
#include "text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct found {
    char *kind, *name, *path; /* path NULL: registered at run time */
    int order;                /* in the search list, then by suffix */
};

struct scan {
    struct found *items;
    size_t count, capacity;
    const hone_registry *registry;
    const char *kind; /* NULL: all */
};

static void scan_drop(struct found *f)
{
    hone_free(f->kind);
    hone_free(f->name);
    hone_free(f->path);
}

static void scan_free(struct scan *s)
{
    for (size_t i = 0; i < s->count; i++)
        scan_drop(&s->items[i]);
    hone_free(s->items);
}

static int scan_add(struct scan *s, const char *kind, const char *name, size_t length,
                    const char *path, int order, hone_error *err)
{
    struct found f = { hone_strdup(kind), hone_strndup(name, length),
                       path ? hone_strdup(path) : NULL, order };

    if (s->count == s->capacity) {
        size_t capacity = 2 * s->capacity + 16;
        struct found *more = hone_realloc(s->items, capacity, sizeof *more);

        if (more) {
            s->items = more;
            s->capacity = capacity;
        }
    }
    if (!f.kind || !f.name || (path && !f.path) || s->count == s->capacity) {
        scan_drop(&f);
        return hone_fail_memory(err, "the list of plugins");
    }
    s->items[s->count++] = f;
    return HONE_OK;
}

static bool scan_is(const char *path, mode_t type)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

/* A folder that is missing or closed to us holds nothing for us. */
static int scan_kind(struct scan *s, const char *folder, const char *kind, int order,
                     hone_error *err)
{
    char *base = hone_format("%s/%s", folder, kind);
    DIR *dir = base ? opendir(base) : NULL;
    struct dirent *entry;
    int code = base ? HONE_OK : hone_fail_memory(err, "the list of plugins");

    while (code == HONE_OK && dir && (entry = readdir(dir))) {
        int rank;
        const char *suffix = hone_registry_suffix(s->registry, entry->d_name, &rank);
        char *path;

        if (!suffix || !hone_plugin_name_valid(entry->d_name, (size_t)(suffix - entry->d_name)))
            continue;
        if (!(path = hone_format("%s/%s", base, entry->d_name)))
            code = hone_fail_memory(err, "the list of plugins");
        else if (scan_is(path, S_IFREG))
            code = scan_add(s, kind, entry->d_name, (size_t)(suffix - entry->d_name), path,
                            order + rank, err);
        hone_free(path);
    }
    if (dir)
        closedir(dir);
    hone_free(base);
    return code;
}

static int scan_folder(struct scan *s, const char *folder, int order, hone_error *err)
{
    DIR *dir;
    struct dirent *entry;
    int code = HONE_OK;

    if (s->kind)
        return scan_kind(s, folder, s->kind, order, err);
    if (!(dir = opendir(folder)))
        return HONE_OK;
    while (code == HONE_OK && (entry = readdir(dir)))
        if (hone_plugin_name_valid(entry->d_name, strlen(entry->d_name)))
            code = scan_kind(s, folder, entry->d_name, order, err);
    closedir(dir);
    return code;
}

/* Of those registered at run time, the latest of a kind and name is in force. */
static int scan_registered(struct scan *s, hone_error *err)
{
    int code = HONE_OK;

    for (hone_loaded *l = s->registry->loaded; l && code == HONE_OK; l = l->next)
        if (l->at_run_time && (!s->kind || strcmp(l->plugin->kind, s->kind) == 0) &&
            hone_registry_loaded(s->registry, l->plugin->kind, l->plugin->name) == l)
            code = scan_add(s, l->plugin->kind, l->plugin->name, strlen(l->plugin->name), NULL, -1,
                            err);
    return code;
}

static int scan_compare(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    int by = strcmp(a->kind, b->kind);

    if (by == 0)
        by = strcmp(a->name, b->name);
    return by ? by : a->order - b->order;
}

static const char *scan_pack(char **at, const char *text)
{
    char *copy = *at;

    if (!text)
        return NULL;
    *at = stpcpy(copy, text) + 1;
    return copy;
}

/* The entries, and behind them their texts, in one block. */
static hone_plugin_entry *scan_entries(const struct scan *s)
{
    size_t bytes = 0;
    hone_plugin_entry *entries;
    char *at;

    for (size_t i = 0; i < s->count; i++) {
        const struct found *f = &s->items[i];
        bytes += strlen(f->kind) + strlen(f->name) + (f->path ? strlen(f->path) : 0) + 3;
    }
    entries = hone_alloc(s->count * sizeof *entries + bytes, 1);
    at = (char *)entries + s->count * sizeof *entries;
    for (size_t i = 0; entries && i < s->count; i++) {
        const struct found *f = &s->items[i];

        entries[i] = (hone_plugin_entry){
            .kind = scan_pack(&at, f->kind), .name = scan_pack(&at, f->name),
            .path = scan_pack(&at, f->path),
            .hidden = i && strcmp(f->kind, f[-1].kind) == 0 && strcmp(f->name, f[-1].name) == 0,
        };
    }
    return entries;
}

int hone_plugin_list(hone_context *context, const char *kind, hone_plugin_entry **out,
                     size_t *count, hone_error *err)
{
    hone_registry *r = &context->registry;
    struct scan s = { .registry = r, .kind = kind };
    int code;

    *out = NULL;
    *count = 0;
    if (kind && !hone_plugin_name_valid(kind, strlen(kind)))
        return hone_fail(err, HONE_EINVAL, "'%.60s' is not a kind of plugin", kind);
    pthread_mutex_lock(&r->mutex);
    code = scan_registered(&s, err);
    for (int i = 0; code == HONE_OK && r->folders[i]; i++)
        code = scan_folder(&s, r->folders[i], i * 64, err); /* fewer than 64 suffixes */
    pthread_mutex_unlock(&r->mutex);
    if (code == HONE_OK) {
        if (s.count)
            qsort(s.items, s.count, sizeof *s.items, scan_compare);
        *out = scan_entries(&s);
        *count = *out ? s.count : 0;
        code = *out ? HONE_OK : hone_fail_memory(err, "the list of plugins");
    }
    scan_free(&s);
    return code;
}
