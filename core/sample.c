/* sample.c -- samples: see <hone/sample.h>.
 *
 * Each sample is a block of its own, so that what hone_samples_at hands out
 * stays where it is while others are added. */
#include <hone/sample.h>

#include <stdatomic.h>
#include <string.h>

struct hone_samples {
    atomic_int refs;
    size_t count, capacity;
    hone_sample **items;
    int64_t step;
};

int hone_samples_new(hone_samples **out, hone_error *err)
{
    hone_samples *samples = hone_alloc(1, sizeof *samples);

    *out = samples;
    if (!samples)
        return hone_fail_memory(err, "samples");
    atomic_init(&samples->refs, 1);
    return HONE_OK;
}

hone_samples *hone_samples_ref(hone_samples *samples)
{
    if (samples)
        atomic_fetch_add(&samples->refs, 1);
    return samples;
}

static void sample_free(hone_sample *sample)
{
    if (!sample)
        return;
    hone_free((void *)sample->prompt);
    hone_free((void *)sample->response);
    hone_free((void *)sample->tokens);
    hone_free((void *)sample->logp);
    hone_free((void *)sample->own);
    hone_free((void *)sample->finish);
    hone_json_free((hone_json *)sample->row);
    hone_free(sample);
}

void hone_samples_free(hone_samples *samples)
{
    if (!samples || atomic_fetch_sub(&samples->refs, 1) > 1)
        return;
    for (size_t i = 0; i < samples->count; i++)
        sample_free(samples->items[i]);
    hone_free(samples->items);
    hone_free(samples);
}

/* *to = a copy of count elements at from, or NULL where from is NULL. An empty
 * array is not an absent one, so it gets a byte. */
static bool sample_copy_array(const void **to, const void *from, int64_t count, size_t size)
{
    void *copy;

    *to = NULL;
    if (!from)
        return true;
    copy = hone_alloc(count ? (size_t)count : 1, size);
    if (copy && count)
        memcpy(copy, from, (size_t)count * size);
    *to = copy;
    return copy != NULL;
}

static bool sample_copy_text(const char **to, const char *from)
{
    *to = from ? hone_strdup(from) : NULL;
    return *to || !from;
}

static int sample_copy(hone_sample **out, const hone_sample *from, hone_error *err)
{
    hone_sample *to = hone_alloc(1, sizeof *to);
    int64_t tokens = from->prompt_tokens + from->response_tokens;

    *out = to;
    if (!to)
        return hone_fail_memory(err, "a sample");
    *to = *from;
    to->row = from->row ? hone_json_ref(from->row) : NULL;
    /* Every pointer is replaced, even after a failure: none may stay the caller's. */
    bool ok = sample_copy_text(&to->prompt, from->prompt);
    ok &= sample_copy_text(&to->response, from->response);
    ok &= sample_copy_text(&to->finish, from->finish);
    ok &= sample_copy_array((const void **)&to->tokens, from->tokens, tokens, sizeof *to->tokens);
    ok &= sample_copy_array((const void **)&to->logp, from->logp, from->response_tokens,
                            sizeof *to->logp);
    ok &= sample_copy_array((const void **)&to->own, from->own, from->response_tokens,
                            sizeof *to->own);
    return ok ? HONE_OK : hone_fail_memory(err, "a sample");
}

int hone_samples_add(hone_samples *samples, const hone_sample *sample, hone_error *err)
{
    hone_sample *copy = NULL;
    int code;

    if (sample->prompt_tokens < 0 || sample->response_tokens < 0 ||
        sample->prompt_tokens > INT32_MAX || sample->response_tokens > INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "a sample with %" PRId64 " + %" PRId64
                         " tokens: each must be 0 to %d", sample->prompt_tokens,
                         sample->response_tokens, INT32_MAX);
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity ? 2 * samples->capacity : 16;
        hone_sample **items = hone_realloc(samples->items, capacity, sizeof *items);
        if (!items)
            return hone_fail_memory(err, "samples");
        samples->items = items;
        samples->capacity = capacity;
    }
    code = sample_copy(&copy, sample, err);
    if (code) {
        sample_free(copy);
        return code;
    }
    samples->items[samples->count++] = copy;
    return HONE_OK;
}

size_t hone_samples_count(const hone_samples *samples)
{
    return samples ? samples->count : 0;
}

const hone_sample *hone_samples_at(const hone_samples *samples, size_t i)
{
    return samples && i < samples->count ? samples->items[i] : NULL;
}

const char *hone_sample_prompt(const hone_samples *samples, size_t i)
{
    const hone_sample *sample = hone_samples_at(samples, i);
    return sample ? sample->prompt : NULL;
}

const char *hone_sample_response(const hone_samples *samples, size_t i)
{
    const hone_sample *sample = hone_samples_at(samples, i);
    return sample ? sample->response : NULL;
}

int64_t hone_sample_response_tokens(const hone_samples *samples, size_t i)
{
    const hone_sample *sample = hone_samples_at(samples, i);

    if (!sample || (!sample->tokens && !sample->response_tokens))
        return -1;
    return sample->response_tokens;
}

int64_t hone_sample_own_tokens(const hone_samples *samples, size_t i)
{
    const hone_sample *sample = hone_samples_at(samples, i);
    int64_t sum = 0;

    if (!sample || !sample->own)
        return sample ? sample->response_tokens : 0;
    for (int64_t t = 0; t < sample->response_tokens; t++)
        sum += sample->own[t] != 0;
    return sum;
}

int64_t hone_samples_own_tokens(const hone_samples *samples)
{
    int64_t sum = 0;

    for (size_t i = 0; i < hone_samples_count(samples); i++)
        sum += hone_sample_own_tokens(samples, i);
    return sum;
}

const hone_json *hone_sample_column(const hone_samples *samples, size_t i, const char *name)
{
    const hone_sample *sample = hone_samples_at(samples, i);
    return sample && sample->row ? hone_json_get(sample->row, name) : NULL;
}

int64_t hone_samples_step(const hone_samples *samples)
{
    return samples ? samples->step : 0;
}

void hone_samples_set_step(hone_samples *samples, int64_t step)
{
    samples->step = step;
}
