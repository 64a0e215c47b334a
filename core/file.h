/* file.h -- whole files in, and files that appear complete or not at all. */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include <hone/base.h>

/* All bytes of a file, a NUL after them; n may be NULL. More than max bytes
 * are refused. HONE_ENOTFOUND where there is none. **out: hone_free. */
int hone_file_read(char **out, size_t *n, const char *path, size_t max, hone_error *err);

/* A file being written under a temporary name in the same folder. */
typedef struct hone_file {
    int fd;
    char *path, *temporary;
} hone_file;

int hone_file_create(hone_file *file, const char *path, hone_error *err);
int hone_file_write(hone_file *file, const void *bytes, size_t n, hone_error *err);
/* Sync and rename. Ends with the file closed, as hone_file_abandon does, which
 * is fine after it and after a failed create. */
int hone_file_commit(hone_file *file, hone_error *err);
void hone_file_abandon(hone_file *file);

/* All four in one. */
int hone_file_replace(const char *path, const void *bytes, size_t n, hone_error *err);

#endif
