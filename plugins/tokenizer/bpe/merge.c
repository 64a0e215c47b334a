/* merge.c -- byte pair encoding: of all adjacent pairs the one of lowest rank
 * (the leftmost of these) is merged, until no pair has a rank.
 *
 * Sennrich, Haddow, Birch 2016, arXiv:1508.07909. A short piece is scanned for
 * its lowest rank each time: O(n^2), but without a branch that fails. A long
 * one (a whole text, where nothing splits it) keeps its symbols in a linked
 * list and its pairs in a heap: O(n log n). */
#include "bpe.h"

#include <string.h>

enum { MERGE_SHORT = 48 };

/* ---- pairs ---- */

static size_t merge_slot(const struct bpe_merges *m, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h >> 20) & m->mask;

    while (m->slots[i].key != key && m->slots[i].key != UINT64_MAX)
        i = (i + 1) & m->mask;
    return i;
}

static uint64_t merge_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

const struct bpe_pair *bpe_merges_find(const struct bpe_merges *m, int32_t left, int32_t right)
{
    const struct bpe_pair *pair;

    if (!m->slots)
        return NULL;
    pair = &m->slots[merge_slot(m, merge_key(left, right))];
    return pair->key == UINT64_MAX ? NULL : pair;
}

static int merge_rehash(struct bpe_merges *m, size_t slots, hone_error *err)
{
    struct bpe_merges fresh = { .mask = slots - 1, .count = m->count };

    fresh.slots = hone_realloc(NULL, slots, sizeof *fresh.slots);
    if (!fresh.slots)
        return hone_fail_memory(err, "merges");
    for (size_t i = 0; i < slots; i++)
        fresh.slots[i].key = UINT64_MAX;
    for (size_t i = 0; m->slots && i <= m->mask; i++)
        if (m->slots[i].key != UINT64_MAX)
            fresh.slots[merge_slot(&fresh, m->slots[i].key)] = m->slots[i];
    hone_free(m->slots);
    *m = fresh;
    return HONE_OK;
}

/* A pair that is given twice has its last rank. */
int bpe_merges_put(struct bpe_merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id,
                   hone_error *err)
{
    struct bpe_pair *pair;

    if (!m->slots || 2 * (m->count + 1) > m->mask + 1) {
        int code = merge_rehash(m, m->slots ? 2 * (m->mask + 1) : 1024, err);
        if (code != HONE_OK)
            return code;
    }
    pair = &m->slots[merge_slot(m, merge_key(left, right))];
    m->count += pair->key == UINT64_MAX;
    *pair = (struct bpe_pair){ merge_key(left, right), rank, id };
    return HONE_OK;
}

/* ---- short pieces ---- */

static void merge_short(const struct bpe_merges *m, int32_t *ids, size_t *count)
{
    const struct bpe_pair *pairs[MERGE_SHORT]; /* of ids[i] and ids[i + 1] */
    size_t n = *count;

    for (size_t i = 0; i + 1 < n; i++)
        pairs[i] = bpe_merges_find(m, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = n;

        for (size_t i = 0; i + 1 < n; i++)
            if (pairs[i] && (best == n || pairs[i]->rank < pairs[best]->rank))
                best = i;
        if (best == n)
            break;
        ids[best] = pairs[best]->id;
        n--;
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof *ids);
        if (best + 1 < n) {
            memmove(pairs + best + 1, pairs + best + 2, (n - best - 2) * sizeof *pairs);
            pairs[best] = bpe_merges_find(m, ids[best], ids[best + 1]);
        }
        if (best > 0)
            pairs[best - 1] = bpe_merges_find(m, ids[best - 1], ids[best]);
    }
    *count = n;
}

/* ---- long pieces ---- */

#define MERGE_NONE UINT32_MAX

/* A symbol whose id is -1 was merged into the one to its left. */
struct bpe_symbol {
    int32_t id;
    uint32_t before, after; /* MERGE_NONE at the ends */
};

struct bpe_candidate {
    const struct bpe_pair *pair;
    uint32_t at; /* the left symbol */
};

static bool merge_less(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
    return a->pair->rank != b->pair->rank ? a->pair->rank < b->pair->rank : a->at < b->at;
}

static int merge_push(struct bpe_scratch *s, struct bpe_candidate c, hone_error *err)
{
    size_t i = s->heap_count;

    if (i == s->heap_capacity) {
        size_t capacity = i ? 2 * i : 256;
        struct bpe_candidate *heap = hone_realloc(s->heap, capacity, sizeof *heap);
        if (!heap)
            return hone_fail_memory(err, "merging a piece");
        s->heap = heap;
        s->heap_capacity = capacity;
    }
    s->heap_count++;
    for (; i > 0 && merge_less(&c, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = c;
    return HONE_OK;
}

static struct bpe_candidate merge_pop(struct bpe_scratch *s)
{
    struct bpe_candidate top = s->heap[0], last = s->heap[--s->heap_count];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < s->heap_count) {
        child += child + 1 < s->heap_count && merge_less(&s->heap[child + 1], &s->heap[child]);
        if (!merge_less(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return top;
}

/* Put the pair of symbol `at` and the one after it into the heap. */
static int merge_offer(const struct bpe_merges *m, struct bpe_scratch *s, uint32_t at,
                       hone_error *err)
{
    const struct bpe_pair *pair;
    uint32_t after;

    if (at == MERGE_NONE || (after = s->symbols[at].after) == MERGE_NONE)
        return HONE_OK;
    pair = bpe_merges_find(m, s->symbols[at].id, s->symbols[after].id);
    return pair ? merge_push(s, (struct bpe_candidate){ pair, at }, err) : HONE_OK;
}

static int merge_begin(const struct bpe_merges *m, struct bpe_scratch *s, const int32_t *ids,
                       size_t n, hone_error *err)
{
    int code = HONE_OK;

    if (n > s->symbols_capacity) {
        hone_free(s->symbols);
        s->symbols_capacity = 0;
        s->symbols = hone_realloc(NULL, n, sizeof *s->symbols);
        if (!s->symbols)
            return hone_fail_memory(err, "merging a piece");
        s->symbols_capacity = n;
    }
    for (size_t i = 0; i < n; i++)
        s->symbols[i] = (struct bpe_symbol){ ids[i], i ? (uint32_t)i - 1 : MERGE_NONE,
                                             i + 1 < n ? (uint32_t)i + 1 : MERGE_NONE };
    s->heap_count = 0;
    for (size_t i = 0; i + 1 < n && code == HONE_OK; i++)
        code = merge_offer(m, s, (uint32_t)i, err);
    return code;
}

static int merge_long(const struct bpe_merges *m, struct bpe_scratch *s, int32_t *ids,
                      size_t *count, hone_error *err)
{
    int code = merge_begin(m, s, ids, *count, err);

    while (code == HONE_OK && s->heap_count) {
        struct bpe_candidate c = merge_pop(s);
        struct bpe_symbol *left = &s->symbols[c.at], *right;

        /* Candidates are not taken back: one that is out of date names another pair. */
        if (left->id < 0 || left->after == MERGE_NONE)
            continue;
        right = &s->symbols[left->after];
        if (merge_key(left->id, right->id) != c.pair->key)
            continue;
        left->id = c.pair->id;
        right->id = -1;
        left->after = right->after;
        if (left->after != MERGE_NONE)
            s->symbols[left->after].before = c.at;
        code = merge_offer(m, s, left->before, err);
        if (code == HONE_OK)
            code = merge_offer(m, s, c.at, err);
    }
    if (code == HONE_OK) {
        *count = 0;
        for (uint32_t i = 0; i != MERGE_NONE; i = s->symbols[i].after)
            ids[(*count)++] = s->symbols[i].id;
    }
    return code;
}

int bpe_merge(const struct bpe_merges *m, struct bpe_scratch *s, int32_t *ids, size_t *n,
              hone_error *err)
{
    if (*n < 2 || !m->slots)
        return HONE_OK;
    if (*n <= MERGE_SHORT) {
        merge_short(m, ids, n);
        return HONE_OK;
    }
    return merge_long(m, s, ids, n, err);
}

void bpe_scratch_free(struct bpe_scratch *s)
{
    hone_free(s->symbols);
    hone_free(s->heap);
    *s = (struct bpe_scratch){0};
}
