/* context.h -- what the core knows of a context (see <hone/context.h>). */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include "kernels/kernels.h"
#include "registry.h"
#include "threads.h"

#include <hone/context.h>
#include <pthread.h>
#include <stdatomic.h>

struct hone_context {
    hone_json *settings;
    hone_registry registry;
    hone_threads *threads;
    const hone_kernels *kernels; /* of graphs that name none */
    atomic_int interrupted;
    atomic_int_fast64_t spent[HONE_WORK_COUNT]; /* nanoseconds */
    atomic_int held; /* not seen while on */
    hone_log_level log_level;
    pthread_mutex_t log_mutex; /* one line at a time */
    hone_log_sink *log_sink;
    void *log_user;
};

/* Nanoseconds since some moment; and count those since `began` as spent. */
int64_t hone_context_clock(void);
void hone_context_spend(hone_context *context, hone_work work, int64_t began);

#endif
