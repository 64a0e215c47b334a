/* context.c -- contexts: settings, registry, threads, log, interruption. */
#include "context.h"
#include "settings.h"

#include <jansson.h>
#include <time.h>

int hone_context_new(hone_context **out, const char *config_file, hone_error *err)
{
    hone_context *c = hone_alloc(1, sizeof *c);
    hone_setup setup = { 0 };
    int code;

    *out = NULL;
    if (!c)
        return hone_fail_memory(err, "a context");
    pthread_mutex_init(&c->log_mutex, NULL);
    if ((code = hone_settings_load(&c->settings, &setup, config_file, err)) != HONE_OK)
        goto out;
    c->log_level = (hone_log_level)setup.log_level;
    if (!(c->kernels = hone_kernels_find(setup.kernels, err))) {
        code = HONE_ENOTFOUND;
        goto out;
    }
    if ((code = hone_threads_new(&c->threads, (int)setup.threads, err)) != HONE_OK)
        goto out;
    code = hone_registry_init(&c->registry, &setup.plugin_path, err);
out:
    hone_setup_free(&setup);
    if (code != HONE_OK)
        hone_context_free(c);
    else
        *out = c;
    return code;
}

void hone_context_free(hone_context *c)
{
    if (!c)
        return;
    hone_registry_close(&c->registry);
    hone_threads_free(c->threads);
    hone_json_free(c->settings);
    pthread_mutex_destroy(&c->log_mutex);
    hone_free(c);
}

const hone_json *hone_context_settings(const hone_context *context)
{
    return context->settings;
}

int hone_context_threads(const hone_context *context)
{
    return hone_threads_count(context->threads);
}

int hone_context_set_threads(hone_context *context, int count, hone_error *err)
{
    hone_threads *threads;
    int code;

    if (hone_threads_busy(context->threads))
        return hone_fail(err, HONE_ESTATE, "threads: cannot change while work is under way");
    if (count == hone_threads_count(context->threads))
        return HONE_OK;
    if ((code = hone_threads_new(&threads, count, err)) != HONE_OK)
        return code;
    hone_threads_free(context->threads);
    context->threads = threads;
    return HONE_OK;
}

void hone_parallel(hone_context *context, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    hone_threads_run(context->threads, n, fn, arg);
}

int64_t hone_context_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void hone_context_spend(hone_context *context, hone_work work, int64_t began)
{
    atomic_fetch_add_explicit(&context->spent[work], hone_context_clock() - began,
                              memory_order_relaxed);
}

double hone_context_spent(const hone_context *context, hone_work work)
{
    return 1e-9 * (double)atomic_load_explicit(&context->spent[work], memory_order_relaxed);
}

void hone_context_interrupt(hone_context *context)
{
    atomic_store(&context->interrupted, 1);
}

bool hone_context_interrupted(const hone_context *context)
{
    return atomic_load(&context->interrupted) != 0 && atomic_load(&context->held) == 0;
}

void hone_context_clear_interrupt(hone_context *context)
{
    atomic_store(&context->interrupted, 0);
}

void hone_context_hold_interrupt(hone_context *context, bool on)
{
    atomic_store(&context->held, on);
}

const char *hone_version(void)
{
    return PACKAGE_VERSION;
}
