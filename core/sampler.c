/* sampler.c -- penalty, temperature, top-k, top-p, min-p; see sampler.h.
 *
 * Probabilities of the whole vocabulary are made by the kernels' softmax, in
 * float; sums of them are double. Without a cut a token is found by the sums of
 * blocks, then within one. What is cut is cut from the end of the same
 * descending order, so each cut is a prefix. Sorting a whole vocabulary is
 * avoided: top-k keeps a heap of k, and top-p first leaves out every token of
 * probability below (1 - p)/vocab, which together weigh less than 1 - p.
 *
 * Top-k: Fan et al. 2018, arXiv:1805.04833. Top-p: Holtzman et al. 2019,
 * arXiv:1904.09751. Min-p: Nguyen et al. 2024, arXiv:2407.01082. */
#include "sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLER_BLOCK 1024  /* probabilities whose sum is looked at first */

typedef struct sampler_item {
    float weight;         /* its probability among all */
    int32_t id;
} sampler_item;

struct hone_sampler {
    hone_sampler_options options;
    int64_t vocab;
    const hone_kernels *k;
    const float *logits;  /* [vocab]: as given */
    float *own;           /* [vocab]: with penalties; then probabilities */
    sampler_item *items;  /* those still in the running; NULL: nothing is cut */
    int64_t count;
};

static bool sampler_cuts(const hone_sampler_options *o)
{
    return o->top_k || o->top_p < 1 || o->min_p > 0;
}

int hone_sampler_new(hone_sampler **out, const hone_sampler_options *options, int64_t vocab,
                     const hone_kernels *kernels, hone_error *err)
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
    if (!(options->penalty > 0 && isfinite(options->penalty)))
        return hone_fail(err, HONE_EINVAL, "repetition_penalty is %g; more than 0 allowed",
                         options->penalty);
    s = hone_alloc(1, sizeof *s);
    if (!s || !(s->own = hone_alloc((size_t)vocab, sizeof *s->own)) ||
        (sampler_cuts(options) && !(s->items = hone_alloc((size_t)vocab, sizeof *s->items)))) {
        hone_sampler_free(s);
        return hone_fail_memory(err, "a sampler");
    }
    s->options = *options;
    s->vocab = vocab;
    s->k = kernels;
    *out = s;
    return HONE_OK;
}

void hone_sampler_free(hone_sampler *s)
{
    if (s) {
        hone_free(s->own);
        hone_free(s->items);
    }
    hone_free(s);
}

void hone_sampler_load(hone_sampler *s, const float *logits)
{
    s->logits = logits;
    memcpy(s->own, logits, (size_t)s->vocab * sizeof *logits);
}

void hone_sampler_seen(hone_sampler *s, const int32_t *tokens, int64_t count)
{
    float penalty = (float)s->options.penalty;

    for (int64_t i = 0; s->options.penalty != 1 && i < count; i++) {
        float logit = s->logits[tokens[i]];
        s->own[tokens[i]] = logit > 0 ? logit / penalty : logit * penalty;
    }
}

static int32_t sampler_refuse(const hone_sampler *s, hone_error *err)
{
    for (int64_t i = 0; i < s->vocab; i++)
        if (!(s->own[i] < INFINITY)) {
            hone_fail(err, HONE_ENUMERIC, "the logit of token %" PRId64 " is %s", i,
                      isnan(s->own[i]) ? "not a number" : "infinite");
            return -1;
        }
    hone_fail(err, HONE_ENUMERIC, "the logits of all tokens are -infinity");
    return -1;
}

/* The lowest id of the largest logit, or -1 after a failure. Sixteen maxima side
 * by side, which compilers vectorise. */
static int32_t sampler_largest(const hone_sampler *s, hone_error *err)
{
    enum { LANES = 16 };
    const float *x = s->own;
    float most[LANES], largest = -INFINITY;
    int bad[LANES] = { 0 }, any = 0;
    int64_t i = 0;

    for (int l = 0; l < LANES; l++)
        most[l] = -INFINITY;
    for (; i + LANES <= s->vocab; i += LANES)
        for (int l = 0; l < LANES; l++) {
            most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
            bad[l] |= !(x[i + l] < INFINITY);
        }
    for (int l = 0; i + l < s->vocab; l++) {
        most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
        bad[l] |= !(x[i + l] < INFINITY);
    }
    for (int l = 0; l < LANES; l++) {
        largest = most[l] > largest ? most[l] : largest;
        any |= bad[l];
    }
    if (any || largest == -INFINITY)
        return sampler_refuse(s, err);
    for (i = 0; x[i] != largest; i++)
        ;
    return (int32_t)i;
}

/* Whether a goes after b: less likely, or as likely with a higher id. */
static bool sampler_after(const sampler_item *a, const sampler_item *b)
{
    return a->weight < b->weight || (a->weight == b->weight && a->id > b->id);
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
static void sampler_gather_top(hone_sampler *s, int64_t k)
{
    for (int64_t i = 0; i < s->vocab; i++) {
        sampler_item item = { .weight = s->own[i], .id = (int32_t)i };
        if (i < k) {
            s->items[i] = item;
            if (i == k - 1)
                for (int64_t at = k / 2; at >= 0; at--)
                    sampler_sink(s->items, k, at);
        } else if (item.weight >= s->items[0].weight && sampler_after(&s->items[0], &item)) {
            s->items[0] = item;
            sampler_sink(s->items, k, 0);
        }
    }
    s->count = k;
}

/* Those of at least a weight. */
static void sampler_gather(hone_sampler *s, double weight)
{
    s->count = 0;
    for (int64_t i = 0; i < s->vocab; i++)
        if (s->own[i] >= weight)
            s->items[s->count++] = (sampler_item){ .weight = s->own[i], .id = (int32_t)i };
}

static double sampler_sum(const hone_sampler *s)
{
    double sum = 0;

    for (int64_t i = 0; i < s->count; i++)
        sum += s->items[i].weight;
    return sum;
}

/* Leave out items below a weight. */
static void sampler_drop_below(hone_sampler *s, double weight)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < s->count; i++)
        if (s->items[i].weight >= weight)
            s->items[kept++] = s->items[i];
    s->count = kept;
}

/* The fewest items that come to top_p of `sum`, the weight of `of` tokens. */
static void sampler_nucleus(hone_sampler *s, double sum, int64_t of)
{
    double enough = s->options.top_p * sum, kept = 0;
    int64_t n = 0;

    sampler_drop_below(s, (1 - s->options.top_p) * sum / (double)of);
    qsort(s->items, (size_t)s->count, sizeof *s->items, sampler_compare);
    while (n < s->count && (n == 0 || kept < enough))
        kept += s->items[n++].weight;
    s->count = n;
}

/* Items in the running, in an order that is a function of the logits; `most`:
 * the greatest weight. */
static void sampler_cut(hone_sampler *s, double most)
{
    const hone_sampler_options *o = &s->options;

    if (o->top_k && o->top_k < s->vocab) {
        sampler_gather_top(s, o->top_k);
        qsort(s->items, (size_t)s->count, sizeof *s->items, sampler_compare);
        if (o->top_p < 1)
            sampler_nucleus(s, sampler_sum(s), s->count);
    } else if (o->top_p < 1) {
        double sum = s->k->sum(s->vocab, s->own);
        sampler_gather(s, (1 - o->top_p) * sum / (double)s->vocab);
        sampler_nucleus(s, sum, s->vocab);
    } else {
        sampler_gather(s, o->min_p * most);
    }
    if (o->min_p > 0)
        sampler_drop_below(s, o->min_p * most);
}

/* The item where the running sum passes `share` of all; *sum: all. Rounding may
 * leave the sum at its end: then it is the last with a weight. */
static int64_t sampler_choose(const hone_sampler *s, double share, double *sum)
{
    double target = share * (*sum = sampler_sum(s));
    int64_t chosen = 0;

    for (int64_t i = 0; i < s->count; i++) {
        if (s->items[i].weight > 0)
            chosen = i;
        target -= s->items[i].weight;
        if (target < 0)
            break;
    }
    return s->items[chosen].id;
}

/* The same among all tokens. */
static int64_t sampler_choose_any(const hone_sampler *s, double share, double *sum)
{
    const float *p = s->own;
    double target, block;
    int64_t from = 0, chosen = 0, end = s->vocab;

    *sum = 0;
    for (int64_t i = 0; i < end; i += SAMPLER_BLOCK)
        *sum += s->k->sum(end - i < SAMPLER_BLOCK ? end - i : SAMPLER_BLOCK, p + i);
    for (target = share * *sum; end - from > SAMPLER_BLOCK; from += SAMPLER_BLOCK) {
        if ((block = s->k->sum(SAMPLER_BLOCK, p + from)) > target)
            break;
        target -= block;
    }
    for (int64_t i = from; i < end; i++) {
        if (p[i] > 0)
            chosen = i;
        if ((target -= p[i]) < 0)
            return chosen;
    }
    while (p[chosen] <= 0)  /* rounding, and the last block has no weight */
        chosen = chosen ? chosen - 1 : end - 1;
    return chosen;
}

int hone_sampler_draw(hone_sampler *s, hone_random *random, int32_t *token, double *logp,
                      hone_error *err)
{
    double scale = s->options.temperature > 0 ? 1 / s->options.temperature : 1, sum = 1, share;
    int64_t low = 0, chosen = sampler_largest(s, err);
    float lse, most;

    if (chosen < 0)
        return HONE_ENUMERIC;
    s->k->attention_softmax(1, s->vocab, s->own, s->vocab, scale, 0, &low, &s->vocab, &lse, false);
    most = s->own[chosen];
    if (s->options.temperature > 0) {
        share = hone_random_uniform(random);
        if (sampler_cuts(&s->options)) {
            sampler_cut(s, most);
            chosen = sampler_choose(s, share, &sum);
        } else {
            chosen = sampler_choose_any(s, share, &sum);
        }
    }
    *token = (int32_t)chosen;
    *logp = log((double)s->own[chosen] / sum);
    return HONE_OK;
}
