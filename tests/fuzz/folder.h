/* folder.h -- a folder for fuzzers of files, made once and left to the system. */
#ifndef HONE_FUZZ_FOLDER_H
#define HONE_FUZZ_FOLDER_H

#include "root.h"

#include <hone/hone.h>
#include <stdio.h>
#include <stdlib.h>

static inline const char *fuzz_folder(void)
{
    static char folder[64];

    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/hone-fuzz-XXXXXX", fuzz_root());
        if (!mkdtemp(folder))
            abort();
    }
    return folder;
}

static inline void fuzz_write(const char *name, const uint8_t *bytes, size_t n)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        abort();
}

static inline void fuzz_quiet(void *user, hone_log_level level, const char *line)
{
    (void)user, (void)level, (void)line;
}

static inline hone_context *fuzz_context(void)
{
    static hone_context *context;

    if (!context && hone_context_new(&context, NULL, NULL) != HONE_OK)
        abort();
    hone_context_on_log(context, fuzz_quiet, NULL);
    return context;
}

#endif
