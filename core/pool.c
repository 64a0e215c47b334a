/* pool.c -- see pool.h. Free buffers are kept sorted by size; best fit. */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define ALIGNMENT 64

struct hone_pool {
    atomic_int refs;
    pthread_mutex_t lock;
    hone_buffer *free; /* [count], ascending by size */
    size_t count, capacity;
    size_t live, peak;
};

int hone_buffer_new(hone_buffer *out, size_t size, hone_error *err)
{
    *out = (hone_buffer){0};
    if (size == 0)
        return HONE_OK;
    if (size > PTRDIFF_MAX - 2 * ALIGNMENT)
        return hone_fail(err, HONE_ENOMEM, "out of memory: a buffer of %zu bytes", size);
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    /* Not zeroed: pages of a large buffer are touched first by who writes them. */
    out->block = hone_realloc(NULL, size + ALIGNMENT, 1);
    if (!out->block)
        return hone_fail(err, HONE_ENOMEM, "out of memory: a buffer of %zu bytes", size);
    out->data = (void *)(((uintptr_t)out->block + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
    out->size = size;
    return HONE_OK;
}

void hone_buffer_free(hone_buffer *buffer)
{
    hone_free(buffer->block);
    *buffer = (hone_buffer){0};
}

int hone_pool_new(hone_pool **out, hone_error *err)
{
    hone_pool *pool = hone_alloc(1, sizeof *pool);

    *out = pool;
    if (!pool)
        return hone_fail_memory(err, "a pool of buffers");
    atomic_init(&pool->refs, 1);
    pthread_mutex_init(&pool->lock, NULL);
    return HONE_OK;
}

hone_pool *hone_pool_ref(hone_pool *pool)
{
    if (pool)
        atomic_fetch_add(&pool->refs, 1);
    return pool;
}

void hone_pool_free(hone_pool *pool)
{
    if (!pool || atomic_fetch_sub(&pool->refs, 1) > 1)
        return;
    hone_pool_trim(pool);
    pthread_mutex_destroy(&pool->lock);
    hone_free(pool);
}

/* Index of the first free buffer of at least `size` bytes. */
static size_t pool_search(const hone_pool *pool, size_t size)
{
    size_t low = 0, high = pool->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pool->free[middle].size < size)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int hone_pool_take(hone_pool *pool, hone_buffer *out, size_t size, hone_error *err)
{
    size_t i;
    int code = HONE_OK;

    *out = (hone_buffer){0};
    if (size == 0)
        return HONE_OK;
    pthread_mutex_lock(&pool->lock);
    i = pool_search(pool, size);
    if (i < pool->count && pool->free[i].size - size <= size / 4 + 4096) {
        *out = pool->free[i];
        memmove(&pool->free[i], &pool->free[i + 1], (--pool->count - i) * sizeof *pool->free);
    } else {
        code = hone_buffer_new(out, size, err);
    }
    pool->live += out->size;
    if (pool->live > pool->peak)
        pool->peak = pool->live;
    pthread_mutex_unlock(&pool->lock);
    return code;
}

void hone_pool_give(hone_pool *pool, hone_buffer *buffer)
{
    size_t i;

    if (!buffer->block)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->live -= buffer->size;
    if (pool->count == pool->capacity) {
        size_t capacity = pool->capacity ? 2 * pool->capacity : 64;
        hone_buffer *grown = hone_realloc(pool->free, capacity, sizeof *grown);
        if (grown) {
            pool->free = grown;
            pool->capacity = capacity;
        }
    }
    if (pool->count < pool->capacity) {
        i = pool_search(pool, buffer->size);
        memmove(&pool->free[i + 1], &pool->free[i], (pool->count++ - i) * sizeof *pool->free);
        pool->free[i] = *buffer;
        *buffer = (hone_buffer){0};
    }
    pthread_mutex_unlock(&pool->lock);
    hone_buffer_free(buffer);
}

void hone_pool_trim(hone_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++)
        hone_buffer_free(&pool->free[i]);
    hone_free(pool->free);
    pool->free = NULL;
    pool->count = pool->capacity = 0;
    pthread_mutex_unlock(&pool->lock);
}

size_t hone_pool_live(const hone_pool *pool)
{
    return pool->live;
}

size_t hone_pool_peak(const hone_pool *pool)
{
    return pool->peak;
}

void hone_pool_reset_peak(hone_pool *pool)
{
    pool->peak = pool->live;
}
