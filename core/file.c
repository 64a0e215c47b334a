/* file.c -- see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_fail(hone_error *err, const char *what, const char *path)
{
    int code = errno == ENOENT || errno == ENOTDIR ? HONE_ENOTFOUND : HONE_EIO;

    return hone_fail(err, code, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* Read to the end: what fstat says of the size is a hint only. */
static int file_read_all(char **out, size_t *n, int fd, const char *path, size_t hint, size_t max,
                         hone_error *err)
{
    size_t count = 0, capacity = hint + 1;
    char *bytes = hone_alloc(capacity + 1, 1), *more;

    for (;;) {
        ssize_t got;

        if (!bytes)
            return hone_fail_memory(err, path);
        got = read(fd, bytes + count, capacity - count);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            hone_free(bytes);
            return file_fail(err, "read", path);
        }
        count += (size_t)got;
        if (count > max) {
            hone_free(bytes);
            return hone_fail(err, HONE_EINVAL, "%s: the file is too big (allowed: %zu bytes)",
                             path, max);
        }
        if (got == 0)
            break;
        if (count == capacity) {
            capacity += capacity / 2 + 4096;
            more = hone_realloc(bytes, capacity + 1, 1);
            if (!more)
                hone_free(bytes);
            bytes = more;
        }
    }
    bytes[count] = '\0';
    *out = bytes;
    if (n)
        *n = count;
    return HONE_OK;
}

int hone_file_read(char **out, size_t *n, const char *path, size_t max, hone_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), code;
    struct stat st;

    if (fd < 0)
        return file_fail(err, "open", path);
    if (fstat(fd, &st) < 0)
        code = file_fail(err, "read", path);
    else if (S_ISDIR(st.st_mode))
        code = hone_fail(err, HONE_EINVAL, "%s: is a folder, not a file", path);
    else if (st.st_size > 0 && (uintmax_t)st.st_size > max)
        code = hone_fail(err, HONE_EINVAL, "%s: the file has %jd bytes (allowed: at most %zu)",
                         path, (intmax_t)st.st_size, max);
    else
        code = file_read_all(out, n, fd, path, st.st_size > 0 ? (size_t)st.st_size : 0, max, err);
    close(fd);
    return code;
}

int hone_file_create(hone_file *file, const char *path, hone_error *err)
{
    *file = (hone_file){ .fd = -1, .path = hone_strdup(path) };
    if (!file->path)
        return hone_fail_memory(err, path);
    /* What a killed process of the same number left behind is stepped over. */
    for (int i = 0; i < 100; i++) {
        hone_free(file->temporary);
        file->temporary = hone_format("%s.tmp-%ld-%d", path, (long)getpid(), i);
        if (!file->temporary) {
            hone_file_abandon(file);
            return hone_fail_memory(err, path);
        }
        file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0 || errno != EEXIST)
            break;
    }
    if (file->fd < 0) {
        int code = file_fail(err, "create", path);
        hone_file_abandon(file);
        return code;
    }
    return HONE_OK;
}

int hone_file_write(hone_file *file, const void *bytes, size_t n, hone_error *err)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t put = write(file->fd, at, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return file_fail(err, "write", file->path);
        at += put;
        n -= (size_t)put;
    }
    return HONE_OK;
}

/* So that the new name survives a crash of the machine, too. Some file systems
 * cannot sync a folder: the file itself is safe already. */
static void file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? hone_strdup(".") : hone_strndup(path, (size_t)(slash - path) + 1);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    hone_free(folder);
}

int hone_file_commit(hone_file *file, hone_error *err)
{
    int code = HONE_OK;

    if (fsync(file->fd) < 0 || rename(file->temporary, file->path) < 0) {
        code = file_fail(err, "write", file->path);
    } else {
        file_sync_folder(file->path);
        hone_free(file->temporary);
        file->temporary = NULL;
    }
    hone_file_abandon(file);
    return code;
}

void hone_file_abandon(hone_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        if (file->temporary)
            unlink(file->temporary);
    }
    hone_free(file->temporary);
    hone_free(file->path);
    *file = (hone_file){ .fd = -1 };
}

int hone_file_replace(const char *path, const void *bytes, size_t n, hone_error *err)
{
    hone_file file;
    int code = hone_file_create(&file, path, err);

    if (code == HONE_OK)
        code = hone_file_write(&file, bytes, n, err);
    if (code == HONE_OK)
        code = hone_file_commit(&file, err);
    hone_file_abandon(&file);
    return code;
}
