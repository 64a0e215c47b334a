/* threads.c -- a pool of threads that share the indices of one loop at a time.
 *
 * One atomic word says everything about the current job:
 *
 *     state = generation << 32 | OPEN | joined workers
 *
 * The caller fills in the job, publishes a new generation with OPEN set, and
 * takes chunks of indices like everyone else; when none is left it clears OPEN
 * and waits for the workers that joined. A worker joins by a compare-and-swap
 * that adds one, which fails once OPEN is gone: who wakes too late never
 * touches the job, and nobody waits for it. So a short loop costs what the
 * caller alone would need, however sleepy the workers are.
 *
 * Waiting is a spin, then a condition variable. `sleepers` and `waiting`
 * are set before the state is looked at again, and read after it is changed,
 * both in the total order of atomics: no wake-up is lost.
 *
 * The state also says whether the pool is busy: a nested call, or one from
 * another thread meanwhile, runs serially where it is. */
#define _GNU_SOURCE
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define OPEN (UINT64_C(1) << 31)
#define JOINED (OPEN - 1)
enum {
    CHUNKS = 8, /* a thread, so that the slowest is waited for briefly */
    SPINS = 10000 /* some 0.4 ms: the serial work between a step's loops */
};

struct job {
    void (*fn)(void *arg, int64_t i);
    void *arg;
    int64_t n, chunk;
};

struct hone_threads {
    atomic_uint_fast64_t state;
    atomic_int_fast64_t next; /* the first index not taken */
    atomic_bool busy, waiting, stop;
    atomic_int sleepers;
    struct job job;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    pid_t owner; /* a forked child has the pool, but none of its threads */
    int count, started;
    bool refused; /* the system would not start another */
    pthread_t *workers; /* [count - 1] */
};

static void threads_pause(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ __volatile__("yield");
#endif
}

int hone_threads_online(void)
{
    cpu_set_t set;
    int count = 0;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    if (count < 1)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > HONE_THREADS_MAX ? HONE_THREADS_MAX : count;
}

static void threads_work(hone_threads *t)
{
    struct job job = t->job;

    for (;;) {
        int64_t first = atomic_fetch_add_explicit(&t->next, job.chunk, memory_order_relaxed);
        int64_t end = first < job.n - job.chunk ? first + job.chunk : job.n;

        if (first >= job.n)
            return;
        for (int64_t i = first; i < end; i++)
            job.fn(job.arg, i);
    }
}

/* Whether a job that this worker has not seen is open; joins it. */
static bool threads_join(hone_threads *t, uint32_t *seen)
{
    uint_fast64_t state = atomic_load(&t->state);

    while ((state & OPEN) && (uint32_t)(state >> 32) != *seen)
        if (atomic_compare_exchange_weak(&t->state, &state, state + 1)) {
            *seen = (uint32_t)(state >> 32);
            return true;
        }
    return false;
}

static bool threads_wait_job(hone_threads *t, uint32_t *seen)
{
    bool joined = false;

    for (int i = 0; i < SPINS; i++) {
        if (threads_join(t, seen))
            return true;
        threads_pause();
    }
    pthread_mutex_lock(&t->mutex);
    atomic_fetch_add(&t->sleepers, 1);
    while (!atomic_load(&t->stop) && !(joined = threads_join(t, seen)))
        pthread_cond_wait(&t->wake, &t->mutex);
    atomic_fetch_sub(&t->sleepers, 1);
    pthread_mutex_unlock(&t->mutex);
    return joined;
}

static void *threads_main(void *arg)
{
    hone_threads *t = arg;
    uint32_t seen = 0;

    while (threads_wait_job(t, &seen)) {
        threads_work(t);
        uint_fast64_t left = atomic_fetch_sub(&t->state, 1) - 1;
        if (!(left & (OPEN | JOINED)) && atomic_load(&t->waiting)) {
            pthread_mutex_lock(&t->mutex);
            pthread_cond_signal(&t->done);
            pthread_mutex_unlock(&t->mutex);
        }
    }
    return NULL;
}

static void threads_wait_done(hone_threads *t)
{
    for (int i = 0; i < SPINS; i++) {
        if (!(atomic_load(&t->state) & JOINED))
            return;
        threads_pause();
    }
    pthread_mutex_lock(&t->mutex);
    atomic_store(&t->waiting, true);
    while (atomic_load(&t->state) & JOINED)
        pthread_cond_wait(&t->done, &t->mutex);
    atomic_store(&t->waiting, false);
    pthread_mutex_unlock(&t->mutex);
}

/* After a fork, what the parent's threads held or waited on means nothing. */
static void threads_reset(hone_threads *t)
{
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->done, NULL);
    atomic_init(&t->state, 0);
    atomic_init(&t->sleepers, 0);
    atomic_init(&t->waiting, false);
    t->started = 0;
    t->refused = false;
    t->owner = getpid();
}

/* Signals are for the threads that the program knows. */
static void threads_start(hone_threads *t)
{
    sigset_t all, before;

    if (t->owner != getpid())
        threads_reset(t);
    if (t->started == t->count - 1 || t->refused)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (t->started < t->count - 1 && !t->refused) {
        if (pthread_create(&t->workers[t->started], NULL, threads_main, t) == 0)
            t->started++;
        else
            t->refused = true;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void threads_publish(hone_threads *t)
{
    uint64_t generation = (atomic_load(&t->state) >> 32) + 1;

    atomic_store(&t->state, generation << 32 | OPEN);
    if (atomic_load(&t->sleepers) > 0) {
        pthread_mutex_lock(&t->mutex);
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->mutex);
    }
}

void hone_threads_run(hone_threads *t, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    int64_t chunk;

    if (n <= 1 || t->count == 1 || atomic_exchange(&t->busy, true)) {
        for (int64_t i = 0; i < n; i++)
            fn(arg, i);
        return;
    }
    threads_start(t);
    chunk = n / ((int64_t)CHUNKS * t->count);
    t->job = (struct job){ .fn = fn, .arg = arg, .n = n, .chunk = chunk > 0 ? chunk : 1 };
    atomic_store(&t->next, 0);
    threads_publish(t);
    threads_work(t);
    atomic_fetch_and(&t->state, ~OPEN);
    threads_wait_done(t);
    atomic_store(&t->busy, false);
}

bool hone_threads_busy(const hone_threads *t)
{
    return atomic_load(&t->busy);
}

int hone_threads_count(const hone_threads *t)
{
    return t->count;
}

int hone_threads_new(hone_threads **out, int count, hone_error *err)
{
    hone_threads *t;

    *out = NULL;
    if (count < 1 || count > HONE_THREADS_MAX)
        return hone_fail(err, HONE_EINVAL, "threads: %d is out of range (allowed: 1 to %d)", count,
                         HONE_THREADS_MAX);
    t = hone_alloc(1, sizeof *t);
    if (t)
        t->workers = hone_alloc((size_t)count, sizeof *t->workers);
    if (!t || !t->workers) {
        hone_free(t);
        return hone_fail_memory(err, "threads");
    }
    t->count = count;
    threads_reset(t);
    *out = t;
    return HONE_OK;
}

void hone_threads_free(hone_threads *t)
{
    if (!t)
        return;
    if (t->owner == getpid()) {
        pthread_mutex_lock(&t->mutex);
        atomic_store(&t->stop, true);
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->mutex);
        for (int i = 0; i < t->started; i++)
            pthread_join(t->workers[i], NULL);
        pthread_cond_destroy(&t->done);
        pthread_cond_destroy(&t->wake);
        pthread_mutex_destroy(&t->mutex);
    }
    hone_free(t->workers);
    hone_free(t);
}
