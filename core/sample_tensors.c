/* sample_tensors.c -- a set of samples as tensors and as a batch: what learning
 * takes from generation. Own tokens of all samples, in order, make one axis. */
#include "batch.h"

#include <hone/sample.h>
#include <string.h>

static int samples_tensor(hone_tensor **out, int64_t count, hone_error *err)
{
    return hone_tensor_new(out, HONE_F32, 1, &count, err);
}

int hone_samples_logp(hone_tensor **out, const hone_samples *samples, hone_error *err)
{
    int code = samples_tensor(out, hone_samples_own_tokens(samples), err);
    float *to = code ? NULL : hone_tensor_data(*out);

    for (size_t i = 0; !code && i < hone_samples_count(samples); i++) {
        const hone_sample *s = hone_samples_at(samples, i);

        if (!s->logp && hone_sample_own_tokens(samples, i)) {
            hone_tensor_free(*out);
            *out = NULL;
            return hone_fail(err, HONE_EINVAL, "sample %zu has no log-probabilities", i + 1);
        }
        for (int64_t t = 0; s->logp && t < s->response_tokens; t++)
            if (!s->own || s->own[t])
                *to++ = s->logp[t];
    }
    return code;
}

int hone_samples_lengths(hone_tensor **out, const hone_samples *samples, hone_error *err)
{
    int code = samples_tensor(out, (int64_t)hone_samples_count(samples), err);

    for (size_t i = 0; !code && i < hone_samples_count(samples); i++)
        hone_tensor_set(*out, (int64_t)i, (double)hone_sample_own_tokens(samples, i));
    return code;
}

int hone_samples_truncated(hone_tensor **out, const hone_samples *samples, hone_error *err)
{
    int code = samples_tensor(out, (int64_t)hone_samples_count(samples), err);

    for (size_t i = 0; !code && i < hone_samples_count(samples); i++) {
        const char *finish = hone_samples_at(samples, i)->finish;

        hone_tensor_set(*out, (int64_t)i, finish && strcmp(finish, "length") == 0);
    }
    return code;
}

/* ---- a batch ---- */

/* A prompt of the samples at hand. */
struct prompt {
    const hone_sample *first;   /* that has it */
    size_t uses;
    int64_t segment;            /* in the batch; -1: not yet */
};

struct plan {
    struct prompt *prompts;     /* [count] */
    size_t *prompt_of;          /* by place in the list */
    size_t count;
    float *weights;             /* for the longest sample */
};

static int plan_check(const hone_samples *samples, size_t i, hone_error *err)
{
    const hone_sample *s = hone_samples_at(samples, i);

    if (!s)
        return hone_fail(err, HONE_EINVAL, "sample %zu (allowed: 1 to %zu)", i + 1,
                         hone_samples_count(samples));
    if (!hone_sample_own_tokens(samples, i))
        return HONE_OK;
    if (!s->tokens)
        return hone_fail(err, HONE_EINVAL, "sample %zu has no tokens", i + 1);
    if (!s->prompt_tokens)
        return hone_fail(err, HONE_EINVAL, "sample %zu has an empty prompt: nothing foretells its "
                         "first token", i + 1);
    return HONE_OK;
}

static bool plan_same(const hone_sample *a, const hone_sample *b)
{
    return a->group == b->group && a->prompt_tokens == b->prompt_tokens &&
           memcmp(a->tokens, b->tokens, (size_t)a->prompt_tokens * sizeof *a->tokens) == 0;
}

/* Find each sample's prompt; the newest are looked at first, as samples of a
 * group mostly stand together. */
static int plan_make(struct plan *p, const hone_samples *samples, const size_t *which,
                     size_t count, bool share, hone_error *err)
{
    int64_t most = 1;
    int code;

    p->prompts = hone_alloc(count + 1, sizeof *p->prompts);
    p->prompt_of = hone_alloc(count + 1, sizeof *p->prompt_of);
    if (!p->prompts || !p->prompt_of)
        return hone_fail_memory(err, "a batch of samples");
    for (size_t i = 0; i < count; i++) {
        const hone_sample *s = hone_samples_at(samples, which[i]);
        size_t at = p->count;

        if ((code = plan_check(samples, which[i], err)))
            return code;
        if (!hone_sample_own_tokens(samples, which[i]))
            continue;
        while (at > 0 && !(share && plan_same(p->prompts[at - 1].first, s)))
            at--;
        if (at == 0) {
            at = ++p->count;
            p->prompts[at - 1] = (struct prompt){ .first = s, .segment = -1 };
        }
        p->prompts[at - 1].uses++;
        p->prompt_of[i] = at - 1;
        if (s->prompt_tokens + s->response_tokens > most)
            most = s->prompt_tokens + s->response_tokens;
    }
    p->weights = hone_alloc((size_t)most, sizeof *p->weights);
    return p->weights ? HONE_OK : hone_fail_memory(err, "a batch of samples");
}

static int plan_add(struct plan *p, hone_batch *batch, const hone_sample *s, struct prompt *prompt,
                    hone_error *err)
{
    int64_t skip = prompt->uses > 1 ? s->prompt_tokens : 0;
    int64_t count = s->prompt_tokens + s->response_tokens - skip;
    int code;

    for (int64_t i = 0; i < count; i++) {
        int64_t t = i + skip - s->prompt_tokens;
        p->weights[i] = t >= 0 && (!s->own || s->own[t]);
    }
    if (prompt->uses == 1)
        return hone_batch_add(batch, s->tokens, p->weights, count, err);
    if (prompt->segment < 0) {
        if ((code = hone_batch_add(batch, s->tokens, NULL, s->prompt_tokens, err)))
            return code;
        prompt->segment = (int64_t)hone_batch_segments(batch) - 1;
    }
    return hone_batch_branch(batch, (size_t)prompt->segment, s->tokens + skip, p->weights, count,
                             err);
}

int hone_batch_add_samples(hone_batch *batch, const hone_samples *samples, const size_t *which,
                           size_t count, bool share, hone_error *err)
{
    int64_t tokens = batch->tokens, outputs = batch->outputs;
    size_t segments = batch->segments;
    struct plan p = {0};
    int code = plan_make(&p, samples, which, count, share, err);

    for (size_t i = 0; !code && i < count; i++)
        if (hone_sample_own_tokens(samples, which[i]) &&
            (code = plan_add(&p, batch, hone_samples_at(samples, which[i]),
                             &p.prompts[p.prompt_of[i]], err)))
            hone_fail_in(err, "sample %zu", which[i] + 1);
    if (code) {
        batch->tokens = tokens;
        batch->outputs = outputs;
        batch->segments = segments;
    }
    hone_free(p.prompts);
    hone_free(p.prompt_of);
    hone_free(p.weights);
    return code;
}
