/* pool.h -- buffers that are reused from step to step, not unmapped. */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include <hone/base.h>

typedef struct hone_pool hone_pool;

typedef struct hone_buffer {
    size_t size;   /* bytes, rounded up */
    void *data;    /* 64-byte aligned; NULL for size 0 */
    void *block;   /* what hone_free takes */
} hone_buffer;

int hone_buffer_new(hone_buffer *out, size_t size, hone_error *err);
void hone_buffer_free(hone_buffer *buffer);

/* A pool is shared by its owner and every buffer that is out. */
int hone_pool_new(hone_pool **out, hone_error *err);
hone_pool *hone_pool_ref(hone_pool *pool);
void hone_pool_free(hone_pool *pool);

/* A buffer of at least `size` bytes, contents undefined: a returned one that
 * fits within a quarter more, else a new one. */
int hone_pool_take(hone_pool *pool, hone_buffer *out, size_t size, hone_error *err);
void hone_pool_give(hone_pool *pool, hone_buffer *buffer);
/* Let go of buffers that are not out. */
void hone_pool_trim(hone_pool *pool);

/* Bytes out now, and the most since the peak was reset. */
size_t hone_pool_live(const hone_pool *pool);
size_t hone_pool_peak(const hone_pool *pool);
void hone_pool_reset_peak(hone_pool *pool);

#endif
