/* sampler.c -- temperature, top-k, top-p, min-p; see sampler.h.
 *
 * What is cut is cut from the end of the same descending order, so each cut is
 * a prefix. Sorting a whole vocabulary is avoided: top-k keeps a heap of k, and
 * top-p first leaves out every token of probability below (1 - p)/vocab, which
 * together weigh less than 1 - p. Weights and sums are double.
 *
 * Top-k: Fan et al. 2018, arXiv:1805.04833. Top-p: Holtzman et al. 2019,
 * arXiv:1904.09751. Min-p: Nguyen et al. 2024, arXiv:2407.01082. */
#include "sampler.h"

#include <math.h>
#include <stdlib.h>

typedef struct sampler_item {
    float logit;
    int32_t id;
    double weight;        /* exp((logit - largest) / temperature) */
} sampler_item;

struct hone_sampler {
    hone_sampler_options options;
    int64_t vocab;
    sampler_item *items;  /* [vocab]: those still in the running */
    int64_t count;
};

int hone_sampler_new(hone_sampler **out, const hone_sampler_options *options, int64_t vocab,
                     hone_error *err)
{
    hone_sampler *s;

    *out = NULL;
    if (!(options->temperature >= 0 && isfinite(options->temperature)))
        return hone_fail(err, HONE_EINVAL, "temperature is %g; 0 or more allowed",
                         options->temperature);
    if (options->top_k < 0)
        return hone_fail(err, HONE_EINVAL, "top_k is %" PRId64 "; 0 (all) or more allowed",
                         options->top_k);
    if (!(options->top_p > 0 && options->top_p <= 1))
        return hone_fail(err, HONE_EINVAL, "top_p is %g; more than 0, to 1 allowed",
                         options->top_p);
    if (!(options->min_p >= 0 && options->min_p <= 1))
        return hone_fail(err, HONE_EINVAL, "min_p is %g; 0 to 1 allowed", options->min_p);
    s = hone_alloc(1, sizeof *s);
    if (!s || !(s->items = hone_alloc((size_t)vocab, sizeof *s->items))) {
        hone_sampler_free(s);
        return hone_fail_memory(err, "a sampler");
    }
    s->options = *options;
    s->vocab = vocab;
    *out = s;
    return HONE_OK;
}

void hone_sampler_free(hone_sampler *s)
{
    if (s)
        hone_free(s->items);
    hone_free(s);
}

/* The id of the largest logit, or -1 after a failure. */
static int32_t sampler_largest(const hone_sampler *s, const float *logits, hone_error *err)
{
    int64_t best = 0;

    for (int64_t i = 0; i < s->vocab; i++) {
        if (!(logits[i] < INFINITY)) {
            hone_fail(err, HONE_ENUMERIC, "the logit of token %" PRId64 " is %s", i,
                      isnan(logits[i]) ? "not a number" : "infinite");
            return -1;
        }
        if (logits[i] > logits[best])
            best = i;
    }
    if (isfinite(logits[best]))
        return (int32_t)best;
    hone_fail(err, HONE_ENUMERIC, "the logits of all tokens are -infinity");
    return -1;
}

/* Whether a goes after b: a smaller logit, or an equal one of a higher id. */
static bool sampler_after(const sampler_item *a, const sampler_item *b)
{
    return a->logit < b->logit || (a->logit == b->logit && a->id > b->id);
}

static int sampler_compare(const void *a, const void *b)
{
    const sampler_item *x = a, *y = b;

    return x->id == y->id ? 0 : sampler_after(x, y) ? 1 : -1;
}

/* Restore the heap, whose top is the item that goes last, below `at`. */
static void sampler_sink(sampler_item *heap, int64_t n, int64_t at)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        sampler_item item = heap[at];
        if (child >= n)
            return;
        if (child + 1 < n && sampler_after(&heap[child + 1], &heap[child]))
            child++;
        if (!sampler_after(&heap[child], &item))
            return;
        heap[at] = heap[child];
        heap[child] = item;
        at = child;
    }
}

/* The k that go first, in no order. */
static void sampler_gather_top(hone_sampler *s, const float *logits, int64_t k)
{
    for (int64_t i = 0; i < s->vocab; i++) {
        sampler_item item = { .logit = logits[i], .id = (int32_t)i };
        if (i < k) {
            s->items[i] = item;
            if (i == k - 1)
                for (int64_t at = k / 2; at >= 0; at--)
                    sampler_sink(s->items, k, at);
        } else if (sampler_after(&s->items[0], &item)) {
            s->items[0] = item;
            sampler_sink(s->items, k, 0);
        }
    }
    s->count = k;
}

/* Weigh the items; returns the sum. */
static double sampler_weigh(hone_sampler *s, float largest)
{
    double sum = 0;

    for (int64_t i = 0; i < s->count; i++) {
        sampler_item *item = &s->items[i];
        item->weight = exp(((double)item->logit - largest) / s->options.temperature);
        sum += item->weight;
    }
    return sum;
}

/* Leave out items below a weight; returns the sum of the others. */
static double sampler_drop_below(hone_sampler *s, double weight)
{
    int64_t kept = 0;
    double sum = 0;

    for (int64_t i = 0; i < s->count; i++)
        if (s->items[i].weight >= weight) {
            sum += s->items[i].weight;
            s->items[kept++] = s->items[i];
        }
    s->count = kept;
    return sum;
}

static double sampler_nucleus(hone_sampler *s, double sum)
{
    double enough = s->options.top_p * sum, kept = 0;
    int64_t n = 0;

    sampler_drop_below(s, (1 - s->options.top_p) * sum / (double)s->count);
    qsort(s->items, (size_t)s->count, sizeof *s->items, sampler_compare);
    while (n < s->count && (n == 0 || kept < enough))
        kept += s->items[n++].weight;
    s->count = n;
    return kept;
}

/* Items in the running, in an order that is a function of the logits. */
static double sampler_cut(hone_sampler *s, const float *logits, float largest)
{
    const hone_sampler_options *o = &s->options;
    double sum;

    if (o->top_k && o->top_k < s->vocab) {
        sampler_gather_top(s, logits, o->top_k);
        qsort(s->items, (size_t)s->count, sizeof *s->items, sampler_compare);
    } else {
        for (int64_t i = 0; i < s->vocab; i++)
            s->items[i] = (sampler_item){ .logit = logits[i], .id = (int32_t)i };
        s->count = s->vocab;
    }
    sum = sampler_weigh(s, largest);
    if (o->top_p < 1)
        sum = sampler_nucleus(s, sum);
    return o->min_p > 0 ? sampler_drop_below(s, o->min_p) : sum;
}

int hone_sampler_pick(hone_sampler *s, const float *logits, hone_random *random, int32_t *token,
                      double *logp, hone_error *err)
{
    int32_t best = sampler_largest(s, logits, err);
    double sum = 0, target;
    int64_t chosen = 0;

    if (best < 0)
        return HONE_ENUMERIC;
    if (s->options.temperature == 0) {
        for (int64_t i = 0; i < s->vocab; i++)
            sum += exp((double)logits[i] - logits[best]);
        *token = best;
        *logp = -log(sum);
        return HONE_OK;
    }
    sum = sampler_cut(s, logits, logits[best]);
    target = hone_random_uniform(random) * sum;
    /* Rounding may leave target at the sum: then it is the last with a weight. */
    for (int64_t i = 0; i < s->count; i++) {
        if (s->items[i].weight > 0)
            chosen = i;
        target -= s->items[i].weight;
        if (target < 0)
            break;
    }
    *token = s->items[chosen].id;
    *logp = ((double)s->items[chosen].logit - logits[best]) / s->options.temperature - log(sum);
    return HONE_OK;
}
