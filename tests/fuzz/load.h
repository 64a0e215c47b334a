/* load.h -- what the fuzzers of datasets share: bytes as a file, and a dataset
 * put through all that reads rows. */
#ifndef HONE_FUZZ_LOAD_H
#define HONE_FUZZ_LOAD_H

#include "root.h"

#include <hone/hone.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fuzz_hush(void *user, hone_log_level level, const char *line)
{
    (void)user, (void)level, (void)line;
}

static hone_context *fuzz_context(void)
{
    static hone_context *context;

    if (!context) {
        setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
        if (hone_context_new(&context, NULL, NULL))
            abort();
        hone_context_on_log(context, fuzz_hush, NULL);
    }
    return context;
}

static hone_json *fuzz_json(const char *text)
{
    hone_json *json;

    if (hone_json_parse(&json, text, strlen(text), "fuzz", NULL))
        abort();
    return json;
}

static void fuzz_check(int code, const hone_error *err)
{
    if (code && (!err->message[0] || err->code != code))
        abort();
}

static void fuzz_use(const hone_data *data)
{
    hone_json *shares = fuzz_json("{\"a\":0.5,\"b\":0.5}"), *report = NULL;
    hone_data *clean = NULL, *parts[2] = { NULL, NULL };
    hone_error err = { 0 };

    for (size_t i = 0; i < hone_data_count(data); i++)
        hone_data_response(data, i);
    fuzz_check(hone_data_clean(&clean, data, NULL, &report, &err), &err);
    fuzz_check(hone_data_split(parts, data, shares, 1, &err), &err);
    if (parts[0] && hone_data_count(parts[0]) + hone_data_count(parts[1]) != hone_data_count(data))
        abort();
    hone_data_free(clean);
    hone_data_free(parts[0]);
    hone_data_free(parts[1]);
    hone_json_free(report);
    hone_json_free(shares);
}

static inline void fuzz_load(const uint8_t *bytes, size_t n, const char *ending)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "%s/hone-fuzz-%ld.%s", fuzz_root(), (long)getpid(), ending);
    file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file))
        abort();
    for (int drop = 0; drop < 2; drop++) {
        hone_json *options = fuzz_json(drop ? "{\"utf8\":\"drop\"}" : "{}");
        hone_data *data;
        hone_error err = { 0 };
        int code = hone_data_load(&data, fuzz_context(), path, options, &err);
        fuzz_check(code, &err);
        if (!code)
            fuzz_use(data);
        hone_data_free(data);
        hone_json_free(options);
    }
    unlink(path);
}

#endif
