/* load.c -- which files a folder holds, and what a file is. */
#include "bpe.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A whole file, NUL behind it. */
static int load_file(char **out, size_t *n, const char *path, hone_error *err)
{
    FILE *f = fopen(path, "rb");
    hone_text text = {0};
    char block[65536];
    size_t got;
    int code = HONE_OK;

    if (!f)
        return hone_fail(err, errno == ENOENT || errno == ENOTDIR ? HONE_ENOTFOUND : HONE_EIO,
                         "%s: %s", path, strerror(errno));
    do {
        got = fread(block, 1, sizeof block, f);
        code = text.count + got > BPE_FILE_MAX
                   ? hone_fail(err, HONE_EINVAL, "%s: more than %zu bytes", path, BPE_FILE_MAX)
                   : hone_text_push(&text, block, got, err);
    } while (code == HONE_OK && got > 0);
    if (code == HONE_OK && ferror(f))
        code = hone_fail(err, HONE_EIO, "%s: %s", path, strerror(errno));
    fclose(f);
    if (code != HONE_OK)
        hone_free(text.bytes);
    *out = code == HONE_OK ? text.bytes : NULL;
    *n = text.count;
    return code;
}

static bool load_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* The first file by name whose name ends so, or NULL. */
static char *load_ending(const char *folder, const char *ending)
{
    struct dirent *entry;
    char *best = NULL, *path;
    DIR *dir = opendir(folder);

    while (dir && (entry = readdir(dir))) {
        size_t n = strlen(entry->d_name), e = strlen(ending);

        if (n <= e || strcmp(entry->d_name + n - e, ending) != 0 ||
            (best && strcmp(entry->d_name, best) >= 0))
            continue;
        hone_free(best);
        best = hone_strdup(entry->d_name);
    }
    if (dir)
        closedir(dir);
    path = best ? hone_format("%s/%s", folder, best) : NULL;
    hone_free(best);
    return path;
}

/* The tokenizer's file in a folder, by order of how much it says. */
static char *load_find(const char *folder)
{
    static const char *const names[] = { "tokenizer.json", "tokenizer.model", "merges.txt",
                                         "vocab.bpe" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = hone_format("%s/%s", folder, names[i]);
        if (path && load_exists(path))
            return path;
        hone_free(path);
        if (i == 1 && (path = load_ending(folder, ".tiktoken")))
            return path;
    }
    return NULL;
}

/* The other one of a pair of files: NULL where there is none. */
static char *load_other(const char *folder, const char *const names[2])
{
    for (int i = 0; i < 2; i++) {
        char *path = hone_format("%s/%s", folder, names[i]);
        if (path && load_exists(path))
            return path;
        hone_free(path);
    }
    return NULL;
}

static int load_pairs(struct bpe_model *m, const char *folder, json_t *vocab, const char *bytes,
                      size_t n, int pattern, hone_error *err)
{
    static const char *const merges[2] = { "merges.txt", "vocab.bpe" };
    static const char *const vocabs[2] = { "vocab.json", "encoder.json" };
    char *path = load_other(folder, bytes ? vocabs : merges), *owned = NULL;
    json_t *read = NULL;
    int code = HONE_OK;

    if (!bytes && !path)
        code = hone_fail(err, HONE_ENOTFOUND, "a vocabulary without merges.txt or vocab.bpe");
    else if (!bytes)
        code = load_file(&owned, &n, path, err);
    else if (path)
        code = hone_json_read(&read, path, err);
    if (code == HONE_OK)
        code = bpe_pairs_read(m, vocab ? vocab : read, bytes ? bytes : owned, n, pattern, err);
    json_decref(read);
    hone_free(owned);
    hone_free(path);
    return code;
}

/* { token: id }, in which "model" may well be a token. */
static bool load_flat(const json_t *root)
{
    const json_t *model = json_object_get(root, "model");
    return json_is_object(root) && (!model || json_is_integer(model)) &&
           !json_is_array(json_object_get(root, "added_tokens"));
}

/* By what the file says it is. */
static int load_bytes(struct bpe_model *m, const char *folder, const char *bytes, size_t n,
                      int pattern, hone_error *err)
{
    size_t at = strspn(bytes, " \t\r\n");
    json_t *root = NULL;
    int code;

    if (bytes[at] != '{' && bpe_ranks_are(bytes, n))
        return bpe_ranks_read(m, bytes, n, pattern, err);
    if (bytes[at] != '{' && bpe_spm_is(bytes, n))
        return bpe_spm_read(m, bytes, n, err);
    if (bytes[at] != '{' && bpe_pairs_are(bytes, n))
        return load_pairs(m, folder, NULL, bytes, n, pattern, err);
    if (bytes[at] != '{')
        return hone_fail(err, HONE_ENOTFOUND, "neither tokenizer.json, ranks, merges, nor a "
                                              "SentencePiece model");
    code = hone_json_parse(&root, bytes, n, NULL, err);
    if (code == HONE_OK && !load_flat(root))
        code = bpe_tokenizer_json_read(m, root, err);
    else if (code == HONE_OK)
        code = load_pairs(m, folder, root, NULL, 0, pattern, err);
    json_decref(root);
    return code;
}

static int load_model(struct bpe_model *m, const char *folder, const char *path, int pattern,
                      hone_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    int code = load_file(&bytes, &n, path, err);

    if (code != HONE_OK)
        return code;
    code = bpe_config_read(m, folder, err);
    if (code == HONE_OK) {
        code = load_bytes(m, folder, bytes, n, pattern, err);
        if (code == HONE_OK && *bytes != '{')
            code = bpe_config_added(m, err);
        if (code == HONE_OK)
            code = bpe_model_finish(m, err);
        if (code != HONE_OK)
            hone_fail_in(err, "%s", path);
    }
    if (code == HONE_OK)
        code = bpe_config_roles(m, folder, err);
    hone_free(bytes);
    return code;
}

/* Where a file lies. */
static char *load_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return hone_strdup(".");
    return slash == path ? hone_strdup("/") : hone_strndup(path, (size_t)(slash - path));
}

int bpe_model_load(struct bpe_model **out, const char *path, int pattern, hone_error *err)
{
    char *folder = NULL, *file = NULL;
    struct bpe_model *m = NULL;
    struct stat st;
    int code;

    if (stat(path, &st) != 0)
        return hone_fail(err, HONE_ENOTFOUND, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        file = load_find(path);
        if (!file)
            return hone_fail(err, HONE_ENOTFOUND, "%s: no tokenizer.json, tokenizer.model, "
                             "*.tiktoken, merges.txt or vocab.bpe", path);
    }
    folder = file ? hone_strdup(path) : load_folder(path);
    code = folder ? bpe_model_new(&m, err) : hone_fail_memory(err, "a path");
    if (code == HONE_OK)
        code = load_model(m, folder, file ? file : path, pattern, err);
    if (code == HONE_OK) {
        *out = m;
        m = NULL;
    }
    bpe_model_free(m);
    hone_free(folder);
    hone_free(file);
    return code;
}
