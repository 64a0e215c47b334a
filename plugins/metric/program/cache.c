/* cache.c -- answers on disk, FOLDER/ab/cdef...json by the digest of the question. */
#include "program.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static char *cache_path(const char *folder, const char *key, bool file)
{
    return file ? hone_format("%s/%.2s/%s.json", folder, key, key + 2)
                : hone_format("%s/%.2s", folder, key);
}

/* What cannot be read is asked again. */
hone_json *program_cache_get(const char *folder, const char *key)
{
    char *path = cache_path(folder, key, true);
    hone_json *answer = NULL;
    hone_error ignored = { 0 };

    if (path && hone_json_read(&answer, path, &ignored))
        answer = NULL;
    hone_free(path);
    return answer;
}

/* With its parents. */
static int cache_folder(char *path, hone_error *err)
{
    for (char *at = path + 1; ; at++) {
        char was = *at;
        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir(path, 0777) && errno != EEXIST)
            return hone_fail(err, HONE_EIO, "cache: %s: %s", path, strerror(errno));
        *at = was;
        if (!was)
            return HONE_OK;
    }
}

int program_cache_put(const char *folder, const char *key, const hone_json *answer,
                      hone_error *err)
{
    char *inside = cache_path(folder, key, false), *path = cache_path(folder, key, true);
    int code = inside && path ? cache_folder(inside, err) : hone_fail_memory(err, "a cache");

    if (!code)
        code = hone_json_write(answer, path, err);
    hone_free(inside);
    hone_free(path);
    return code;
}
