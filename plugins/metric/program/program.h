/* program.h -- what the files of metric/program share. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <hone/metric.h>

/* Run a program with `input` as its standard input; *out: what it wrote, NUL behind
 * it, owned. argv ends with NULL. Without an answer in `timeout` seconds (0: any
 * time), or on Ctrl-C, it is killed with all of its group. */
int program_run(char **out, char *const argv[], const char *input, size_t n, double timeout,
                hone_context *context, hone_error *err);

/* An answer kept in a folder under a key of hex digits: NULL where there is none that
 * can be read; owned. */
hone_json *program_cache_get(const char *folder, const char *key);
int program_cache_put(const char *folder, const char *key, const hone_json *answer,
                      hone_error *err);

#endif
