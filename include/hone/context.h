/* context.h -- what a process may hold several of: settings, plugin registry,
 * logger, thread pool. It is passed in; there are no globals.
 *
 * Settings come from libconfig files, later ones winning: the system's
 * hone.conf, the user's ($XDG_CONFIG_HOME/hone/hone.conf), the one given.
 *
 *   plugin_path = [ "/opt/hone-plugins" ];   threads = 2;
 *   cache_folder = "~/.cache/hone";  run_folder = "runs";  log_level = "info";
 *   kernels = "generic";      default: the fastest that the processor runs
 *   options = { optimizer = { adamw = { lr = 1e-4; }; }; };   new defaults
 */
#ifndef HONE_CONTEXT_H
#define HONE_CONTEXT_H

#include <hone/json.h>

typedef struct hone_context hone_context;

typedef enum hone_log_level {
    HONE_LOG_DEBUG, HONE_LOG_INFO, HONE_LOG_WARN, HONE_LOG_ERROR, HONE_LOG_NONE
} hone_log_level;

/* config_file: one more libconfig file, or NULL. **out is owned. */
HONE_API int hone_context_new(hone_context **out, const char *config_file, hone_error *err);
/* Every object made with the context must be gone before. */
HONE_API void hone_context_free(hone_context *context);

/* All settings, as one JSON object (borrowed). */
HONE_API const hone_json *hone_context_settings(const hone_context *context);

/* Threads of the pool, the caller's included; at least 1. Set between
 * steps only. */
HONE_API int hone_context_threads(const hone_context *context);
HONE_API int hone_context_set_threads(hone_context *context, int threads, hone_error *err);

/* Call fn(arg, i) for every i in [0, n), spread over the pool, and return when
 * all are done. Which thread runs which i is not fixed: results must not
 * depend on it. Nested calls run serially on the calling thread. */
HONE_API void hone_parallel(hone_context *context, int64_t n,
                            void (*fn)(void *arg, int64_t i), void *arg);

/* Seconds so far in which a caller did such work, or waited for the pool to do it. */
typedef enum hone_work {
    HONE_WORK_PRODUCTS,  /* of matrices */
    HONE_WORK_ATTENTION,
    HONE_WORK_SAMPLING,
    HONE_WORK_COUNT
} hone_work;
HONE_API double hone_context_spent(const hone_context *context, hone_work work);

/* One line to the log; the default sink is standard error. */
HONE_API void hone_log(hone_context *context, hone_log_level level, const char *fmt, ...)
    HONE_PRINTF(3, 4);
typedef void hone_log_sink(void *user, hone_log_level level, const char *line);
HONE_API void hone_context_on_log(hone_context *context, hone_log_sink *sink, void *user);

/* Ask the work under way to stop at its next safe point (async-signal-safe);
 * long functions then return HONE_EINTERRUPTED. Reading does not clear it. */
HONE_API void hone_context_interrupt(hone_context *context);
HONE_API bool hone_context_interrupted(const hone_context *context);
HONE_API void hone_context_clear_interrupt(hone_context *context);
/* While on, work under way goes on to its end: that it was asked to stop is seen
 * when off again. For what must not end halfway. */
HONE_API void hone_context_hold_interrupt(hone_context *context, bool on);

#endif
