/* train.c -- learning merges: of all adjacent pairs the most frequent is
 * merged, until the vocabulary is full.
 *
 * Sennrich, Haddow, Birch 2016, arXiv:1508.07909, over bytes. Pieces are
 * counted once each; a pair knows the words it was seen in, so a merge visits
 * only these. Counts lie in a heap whose entries may be out of date: too high
 * a count is corrected when it comes up, a higher one is entered anew. Of
 * equally frequent pairs the one whose bytes are greater (left token, then
 * right) goes first, so that texts and options determine the vocabulary. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

struct pair {
    int32_t left, right;
    int64_t count;
    uint32_t *words; /* [seen], where it stands or stood */
    size_t seen, capacity;
};

struct word {
    size_t start, n; /* in symbols */
    int64_t count;
};

struct entry {
    int64_t count;
    uint32_t pair;
};

struct training {
    struct bpe_model *m;
    struct bpe_vocab pieces; /* "ids" are words */
    struct word *words;
    size_t words_capacity;
    int32_t *symbols;
    struct bpe_merges index; /* left, right -> place in pairs */
    struct pair *pairs;
    size_t pairs_count, pairs_capacity;
    struct entry *heap;
    size_t heap_count, heap_capacity;
};

/* ---- counting ---- */

static int train_piece(void *user, const char *s, size_t n, hone_error *err)
{
    struct training *t = user;
    int32_t word = bpe_vocab_find(&t->pieces, s, n, false);

    if (word < 0) {
        int code;

        word = (int32_t)t->pieces.count;
        if ((size_t)word == t->words_capacity) {
            size_t capacity = t->words_capacity ? 2 * t->words_capacity : 1024;
            struct word *words = hone_realloc(t->words, capacity, sizeof *words);
            if (!words)
                return hone_fail_memory(err, "words");
            t->words = words;
            t->words_capacity = capacity;
        }
        code = bpe_vocab_put(&t->pieces, word, BPE_IDS_MAX, s, n, 0, err);
        if (code != HONE_OK)
            return code;
        t->words[word] = (struct word){0};
    }
    t->words[word].count++;
    return HONE_OK;
}

static int train_token(void *user, int32_t id, hone_error *err)
{
    (void)user, (void)id, (void)err;
    return HONE_OK;
}

static int train_symbols(struct training *t, hone_error *err)
{
    size_t total = 0;

    for (size_t w = 0; w < t->pieces.count; w++)
        total += t->pieces.tokens[w].key_size;
    t->symbols = hone_alloc(total, sizeof *t->symbols);
    if (!t->symbols)
        return hone_fail_memory(err, "words");
    total = 0;
    for (size_t w = 0; w < t->pieces.count; w++) {
        const char *key = bpe_vocab_key(&t->pieces, (int32_t)w);

        t->words[w].start = total;
        t->words[w].n = t->pieces.tokens[w].key_size;
        for (size_t i = 0; i < t->words[w].n; i++)
            t->symbols[total++] = bpe_vocab_find(&t->m->vocab, key + i, 1, false);
    }
    return HONE_OK;
}

/* ---- the heap ---- */

static int train_bytes(const struct training *t, int32_t a, int32_t b)
{
    const struct bpe_vocab *v = &t->m->vocab;
    size_t na = v->tokens[a].key_size, nb = v->tokens[b].key_size;
    int order = memcmp(bpe_vocab_key(v, a), bpe_vocab_key(v, b), na < nb ? na : nb);

    return order ? order : (na > nb) - (na < nb);
}

/* Whether x goes before y. */
static bool train_before(const struct training *t, struct entry x, struct entry y)
{
    const struct pair *a = &t->pairs[x.pair], *b = &t->pairs[y.pair];
    int order;

    if (x.count != y.count)
        return x.count > y.count;
    order = train_bytes(t, a->left, b->left);
    return order ? order > 0 : train_bytes(t, a->right, b->right) > 0;
}

static int train_push(struct training *t, uint32_t pair, hone_error *err)
{
    struct entry e = { t->pairs[pair].count, pair };
    size_t i = t->heap_count;

    if (i == t->heap_capacity) {
        size_t capacity = i ? 2 * i : 1024;
        struct entry *heap = hone_realloc(t->heap, capacity, sizeof *heap);
        if (!heap)
            return hone_fail_memory(err, "pairs");
        t->heap = heap;
        t->heap_capacity = capacity;
    }
    t->heap_count++;
    for (; i > 0 && train_before(t, e, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = e;
    return HONE_OK;
}

static struct entry train_pop(struct training *t)
{
    struct entry top = t->heap[0], last = t->heap[--t->heap_count];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < t->heap_count) {
        child += child + 1 < t->heap_count && train_before(t, t->heap[child + 1], t->heap[child]);
        if (!train_before(t, t->heap[child], last))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = last;
    return top;
}

/* ---- pairs ---- */

static int train_new_pair(struct training *t, int32_t left, int32_t right, hone_error *err)
{
    if (t->pairs_count == t->pairs_capacity) {
        size_t capacity = t->pairs_capacity ? 2 * t->pairs_capacity : 1024;
        struct pair *pairs = capacity < INT32_MAX
                                 ? hone_realloc(t->pairs, capacity, sizeof *pairs) : NULL;
        if (!pairs)
            return hone_fail_memory(err, "pairs");
        t->pairs = pairs;
        t->pairs_capacity = capacity;
    }
    t->pairs[t->pairs_count] = (struct pair){ .left = left, .right = right };
    return bpe_merges_put(&t->index, left, right, 0, (int32_t)t->pairs_count++, err);
}

/* The pairs of a word count `sign` times its frequency more. */
static int train_count(struct training *t, uint32_t w, int sign, hone_error *err)
{
    const struct word *word = &t->words[w];
    const int32_t *s = t->symbols + word->start;

    for (size_t i = 0; i + 1 < word->n; i++) {
        const struct bpe_pair *found = bpe_merges_find(&t->index, s[i], s[i + 1]);
        struct pair *p;
        int code;

        if (!found) {
            code = train_new_pair(t, s[i], s[i + 1], err);
            if (code != HONE_OK)
                return code;
            found = bpe_merges_find(&t->index, s[i], s[i + 1]);
        }
        p = &t->pairs[found->id];
        p->count += sign * word->count;
        if (sign < 0 || (p->seen && p->words[p->seen - 1] == w))
            continue;
        if (p->seen == p->capacity) {
            size_t capacity = p->capacity ? 2 * p->capacity : 4;
            uint32_t *words = hone_realloc(p->words, capacity, sizeof *words);
            if (!words)
                return hone_fail_memory(err, "pairs");
            p->words = words;
            p->capacity = capacity;
        }
        p->words[p->seen++] = w;
    }
    return HONE_OK;
}

/* Merge left, right into id in one word; new counts go into the heap. */
static int train_merge_word(struct training *t, uint32_t w, int32_t left, int32_t right,
                            int32_t id, hone_error *err)
{
    struct word *word = &t->words[w];
    int32_t *s = t->symbols + word->start;
    size_t n = 0;
    int code;

    for (n = 0; n + 1 < word->n && !(s[n] == left && s[n + 1] == right); n++)
        ;
    if (n + 1 >= word->n) /* it has gone from here */
        return HONE_OK;
    code = train_count(t, w, -1, err);
    if (code != HONE_OK)
        return code;
    n = 0;
    for (size_t i = 0; i < word->n; n++) {
        bool here = i + 1 < word->n && s[i] == left && s[i + 1] == right;
        s[n] = here ? id : s[i];
        i += here ? 2 : 1;
    }
    word->n = n;
    code = train_count(t, w, +1, err);
    for (size_t i = 0; i + 1 < n && code == HONE_OK; i++)
        if (s[i] == id || s[i + 1] == id)
            code = train_push(t, (uint32_t)bpe_merges_find(&t->index, s[i], s[i + 1])->id, err);
    return code;
}

/* The token that a pair becomes; two pairs may become the same. */
static int32_t train_token_of(struct training *t, const struct pair *p, hone_error *err)
{
    struct bpe_vocab *v = &t->m->vocab;
    hone_text key = {0};
    int32_t id = -1;

    if (hone_text_push(&key, bpe_vocab_key(v, p->left), v->tokens[p->left].key_size, err) ==
            HONE_OK &&
        hone_text_push(&key, bpe_vocab_key(v, p->right), v->tokens[p->right].key_size, err) ==
            HONE_OK) {
        id = bpe_vocab_find(v, key.bytes, key.count, false);
        if (id < 0 && bpe_vocab_put(v, (int64_t)v->count, BPE_IDS_MAX, key.bytes, key.count,
                                    BPE_MODEL, err) == HONE_OK)
            id = (int32_t)v->count - 1;
    }
    hone_free(key.bytes);
    return id;
}

/* ---- all of it ---- */

static int train_merges(struct training *t, const struct bpe_trainer *trainer, hone_error *err)
{
    uint32_t rank = 0;
    int code = HONE_OK;

    for (size_t w = 0; w < t->pieces.count && code == HONE_OK; w++)
        code = train_count(t, (uint32_t)w, +1, err);
    for (size_t i = 0; i < t->pairs_count && code == HONE_OK; i++)
        code = train_push(t, (uint32_t)i, err);
    while (code == HONE_OK && t->heap_count && (int64_t)t->m->vocab.count < trainer->vocab) {
        struct entry e = train_pop(t);
        struct pair p = t->pairs[e.pair];
        int32_t id;

        if (p.count <= 0)
            continue;
        if (e.count != p.count) {
            if (p.count < e.count)
                code = train_push(t, e.pair, err);
            continue;
        }
        if (hone_context_interrupted(trainer->context))
            return hone_fail(err, HONE_EINTERRUPTED, "training a tokenizer was interrupted");
        id = train_token_of(t, &p, err);
        code = id < 0 ? HONE_ENOMEM
                      : bpe_merges_put(&t->m->merges, p.left, p.right, rank++, id, err);
        for (size_t i = 0; i < p.seen && code == HONE_OK; i++)
            code = train_merge_word(t, t->pairs[e.pair].words[i], p.left, p.right, id, err);
    }
    return code;
}

/* Special tokens, then the bytes in the order of their characters. */
static int train_alphabet(struct bpe_model *m, const struct bpe_trainer *t, hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0; i < t->special->count && code == HONE_OK; i++) {
        const char *text = t->special->items[i];

        if (!*text || utf8_check(text, strlen(text)) < strlen(text))
            return hone_fail(err, HONE_EINVAL, "special token %zu is empty or not UTF-8", i + 1);
        code = bpe_model_token(m, (int64_t)i, text, strlen(text), err);
        if (code == HONE_OK)
            code = bpe_model_added(m, (int64_t)i, text, strlen(text), BPE_SPECIAL, err);
    }
    for (uint32_t c = 0; c <= 0x143 && code == HONE_OK; c++) {
        char text[4];
        if (bpe_char_byte(c) >= 0)
            code = bpe_model_token(m, (int64_t)m->vocab.count, text, utf8_write(c, text), err);
    }
    return code;
}

static void train_free(struct training *t)
{
    for (size_t i = 0; i < t->pairs_count; i++)
        hone_free(t->pairs[i].words);
    bpe_vocab_free(&t->pieces);
    bpe_model_free(t->m);
    hone_free(t->words);
    hone_free(t->symbols);
    hone_free(t->index.slots);
    hone_free(t->pairs);
    hone_free(t->heap);
}

int bpe_train(struct bpe_model **out, const struct bpe_trainer *trainer,
              const char *(*next)(void *user, size_t *n), void *user, hone_error *err)
{
    struct training t = {0};
    const char *text;
    size_t n, number = 0;
    int64_t least = 256 + (int64_t)trainer->special->count;
    int code;

    if (trainer->vocab < least || trainer->vocab > BPE_IDS_MAX)
        return hone_fail(err, HONE_EINVAL, "a vocabulary of %" PRId64 " tokens (allowed: %" PRId64
                         " to %" PRId64 ")", trainer->vocab, least, BPE_IDS_MAX);
    code = bpe_model_new(&t.m, err);
    if (code == HONE_OK)
        code = bpe_pipeline_bytes(t.m, trainer->pattern ? trainer->pattern : BPE_PATTERN_GPT2,
                                  false, NULL, NULL, err);
    if (code == HONE_OK)
        code = train_alphabet(t.m, trainer, err);
    while (code == HONE_OK && (text = next(user, &n))) {
        number++;
        code = bpe_pieces(t.m, text, n, true, train_piece, train_token, &t, err);
        if (code != HONE_OK)
            hone_fail_in(err, "text %zu", number);
    }
    if (code == HONE_OK)
        code = train_symbols(&t, err);
    if (code == HONE_OK)
        code = train_merges(&t, trainer, err);
    if (code == HONE_OK)
        code = bpe_model_finish(t.m, err);
    if (code == HONE_OK)
        code = bpe_config_roles(t.m, NULL, err);
    if (code == HONE_OK) {
        if ((int64_t)t.m->vocab.count < trainer->vocab)
            hone_log(trainer->context, HONE_LOG_WARN,
                     "tokenizer: the texts gave %zu tokens of %" PRId64, t.m->vocab.count,
                     trainer->vocab);
        *out = t.m;
        t.m = NULL;
    }
    train_free(&t);
    return code;
}
