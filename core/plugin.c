/* plugin.c -- shared objects: loading them (libltdl), and checking a file.
 *
 * libltdl says 'file not found' whatever dlopen said, and lets dlopen bind
 * lazily. So dlopen opens the file first, with RTLD_NOW and its message kept;
 * libltdl then finds it open, keeps it resident and looks for the symbol.
 * Nothing is ever unloaded: instances, and threads within them, may hold on to
 * its code to the end of the process. */
#include "instance.h"
#include "context.h"
#include "kinds.h"

#include <dlfcn.h>
#include <ltdl.h>
#include <string.h>
#include <unistd.h>

/* libltdl's state belongs to the process. */
static pthread_mutex_t plugin_ltdl = PTHREAD_MUTEX_INITIALIZER;

static int plugin_advise(lt_dladvise *advise)
{
    if (lt_dladvise_init(advise) != 0)
        return 1;
    return lt_dladvise_ext(advise) | lt_dladvise_resident(advise) | lt_dladvise_local(advise);
}

static lt_dlhandle plugin_ltdl_open(const char *path)
{
    lt_dladvise advise = NULL;
    lt_dlhandle handle = NULL;

    if (lt_dlinit() == 0 && plugin_advise(&advise) == 0)
        handle = lt_dlopenadvise(path, advise);
    if (advise)
        lt_dladvise_destroy(&advise);
    return handle;
}

static int plugin_open_locked(const char *path, const char *symbol, const hone_plugin **out,
                              hone_error *err)
{
    lt_dlhandle handle;
    const char *why;

    if (!dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        why = dlerror();
        /* "path: reason" already, as a rule */
        if (why && strncmp(why, path, strlen(path)) == 0)
            return hone_fail(err, HONE_EABI, "%s", why);
        return hone_fail(err, HONE_EABI, "%s: %s", path, why ? why : "cannot be loaded");
    }
    if (!(handle = plugin_ltdl_open(path))) {
        why = lt_dlerror();
        return hone_fail(err, HONE_EABI, "%s: %s", path, why ? why : "cannot be loaded");
    }
    if (!(*out = lt_dlsym(handle, symbol)))
        return hone_fail(err, HONE_EABI, "%s: has no symbol '%s', which HONE_PLUGIN makes", path,
                         symbol);
    return HONE_OK;
}

int hone_plugin_open(const char *path, const char *name, const hone_plugin **out, hone_error *err)
{
    char folder[4096] = "", *absolute = NULL, *symbol;
    int code;

    *out = NULL;
    if (*path != '/' && !getcwd(folder, sizeof folder))
        return hone_fail(err, HONE_EIO, "%s: the current folder is gone", path);
    symbol = hone_format("%s_LTX_hone_plugin", name);
    absolute = hone_format("%s%s%s", folder, *folder ? "/" : "", path);
    if (symbol && absolute) {
        pthread_mutex_lock(&plugin_ltdl);
        code = plugin_open_locked(absolute, symbol, out, err);
        pthread_mutex_unlock(&plugin_ltdl);
    } else {
        code = hone_fail_memory(err, path);
    }
    hone_free(absolute);
    hone_free(symbol);
    return code;
}

/* ---- checking a file ---- */

/* What hone describe shows must be there. */
static int plugin_check_texts(const hone_plugin *p, hone_error *err)
{
    if (!p->version || !*p->version)
        return hone_fail(err, HONE_EINVAL, "says no version");
    if (!p->summary || !*p->summary)
        return hone_fail(err, HONE_EINVAL, "says no summary");
    return HONE_OK;
}

static int plugin_check_all(hone_context *context, const hone_plugin *p, hone_error *err)
{
    hone_instance *instance;
    int code;

    if ((code = plugin_check_texts(p, err)) != HONE_OK ||
        (code = hone_options_check_defaults(p->options, err)) != HONE_OK)
        return code;
    if (!hone_options_required(p->options)) {
        code = hone_instance_new(&instance, context, p->kind, p->name, NULL, err);
        if (code != HONE_OK) {
            hone_fail_in(err, "an instance with defaults");
            return code;
        }
        hone_instance_free(instance);
    }
    if (p->self_test && (code = p->self_test(context, err)) != HONE_OK) {
        if (err && !err->message[0])
            hone_fail(err, code, "failed with code %d and no message", code);
        hone_fail_in(err, "self-test");
    }
    return code;
}

/* The name of the folder that a file lies in, where it is that of a kind. */
static const char *plugin_folder_kind(const char *path, const char *file)
{
    for (const hone_kind *kind = hone_kinds; kind->name; kind++) {
        size_t n = strlen(kind->name), before = (size_t)(file - path);

        if (before > n && strncmp(file - 1 - n, kind->name, n) == 0 &&
            (before == n + 1 || file[-2 - (ptrdiff_t)n] == '/'))
            return kind->name;
    }
    return NULL;
}

int hone_plugin_check(hone_context *context, const char *path, const hone_plugin **out,
                      hone_error *err)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    const char *suffix;
    char *name;
    int rank, code;

    *out = NULL;
    if (access(path, R_OK) != 0)
        return hone_fail(err, HONE_ENOTFOUND, "%s: there is no such file", path);
    suffix = hone_registry_suffix(&context->registry, file, &rank);
    if (!suffix)
        return hone_fail(err, HONE_EINVAL, "%s: is not a plugin (allowed: .so, .lua)", path);
    if (!hone_plugin_name_valid(file, (size_t)(suffix - file)))
        return hone_fail(err, HONE_EINVAL, "%s: '%.*s' is not a plugin's name "
                         "(allowed: a-z, 0-9 and _, a letter first)", path, (int)(suffix - file),
                         file);
    if (!(name = hone_strndup(file, (size_t)(suffix - file))))
        return hone_fail_memory(err, path);
    code = hone_registry_load(context, plugin_folder_kind(path, file), name, path, out, err);
    hone_free(name);
    if (code != HONE_OK)
        return code;
    code = plugin_check_all(context, *out, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s", path);
    return code;
}
