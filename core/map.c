/* map.c -- see map.h. */
#include "map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map_fail(hone_error *err, const char *what, const char *path)
{
    int code = errno == ENOENT || errno == ENOTDIR ? HONE_ENOTFOUND : HONE_EIO;

    return hone_fail(err, code, "%s: cannot %s: %s", path, what, strerror(errno));
}

static int map_bytes(hone_map *map, int fd, const char *path, hone_error *err)
{
    struct stat st;
    void *bytes;

    if (fstat(fd, &st) < 0)
        return map_fail(err, "read", path);
    if (!S_ISREG(st.st_mode))
        return hone_fail(err, HONE_EINVAL, "%s: is not a file", path);
    if ((uintmax_t)st.st_size > SIZE_MAX / 2)
        return hone_fail(err, HONE_EINVAL, "%s: the file is too big", path);
    if (st.st_size == 0)
        return HONE_OK;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return map_fail(err, "map", path);
    *map = (hone_map){ .bytes = bytes, .size = (size_t)st.st_size };
    return HONE_OK;
}

int hone_map_open(hone_map *map, const char *path, hone_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code;

    *map = (hone_map){0};
    if (fd < 0)
        return map_fail(err, "open", path);
    code = map_bytes(map, fd, path, err);
    close(fd);
    return code;
}

void hone_map_close(hone_map *map)
{
    if (map->bytes)
        munmap((void *)(uintptr_t)map->bytes, map->size);
    *map = (hone_map){0};
}

bool hone_folder_is(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int hone_folder_make(const char *path, hone_error *err)
{
    char *part = hone_strdup(path);
    int code = HONE_OK;

    if (!part)
        return hone_fail_memory(err, path);
    for (char *at = part; *at && code == HONE_OK; at++) {
        char *slash = at + strcspn(at, "/"), was = *slash;

        *slash = '\0';
        if (*part && mkdir(part, 0777) < 0 && errno != EEXIST)
            code = map_fail(err, "make the folder", part);
        *slash = was;
        at = slash;
        if (!was)
            break;
    }
    if (code == HONE_OK && !hone_folder_is(path))
        code = hone_fail(err, HONE_EIO, "%s: is a file, not a folder", path);
    hone_free(part);
    return code;
}
