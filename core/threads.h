/* threads.h -- the thread pool behind hone_parallel. */
#ifndef CORE_THREADS_H
#define CORE_THREADS_H

#include <hone/base.h>

enum { HONE_THREADS_MAX = 1024 };

typedef struct hone_threads hone_threads;

/* `count` threads, the caller's included. None is started before it is needed. */
int hone_threads_new(hone_threads **out, int count, hone_error *err);
void hone_threads_free(hone_threads *threads);
int hone_threads_count(const hone_threads *threads);
/* Whether a hone_threads_run is under way. */
bool hone_threads_busy(const hone_threads *threads);
void hone_threads_run(hone_threads *threads, int64_t n, void (*fn)(void *arg, int64_t i),
                      void *arg);

/* Processors that this process may run on. */
int hone_threads_online(void);

#endif
