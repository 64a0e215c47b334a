/* added.c -- added tokens, cut out of a text before anything else is done.
 *
 * A trie over bytes; of the tokens that match at the leftmost place the
 * longest is taken, then looked at: one that may not stand there (special and
 * not asked for, not a word of its own) is passed over as plain text. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

struct bpe_node {
    uint32_t child, sibling; /* 0: none */
    int32_t id;              /* of the token that ends here, -1: none */
    unsigned char byte;
};

static int trie_node(struct bpe_trie *t, unsigned char byte, uint32_t *out, hone_error *err)
{
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 64;
        struct bpe_node *nodes = capacity < UINT32_MAX
                                     ? hone_realloc(t->nodes, capacity, sizeof *nodes) : NULL;
        if (!nodes)
            return hone_fail_memory(err, "added tokens");
        t->nodes = nodes;
        t->capacity = capacity;
    }
    t->nodes[t->count] = (struct bpe_node){ .id = -1, .byte = byte };
    *out = (uint32_t)t->count++;
    return HONE_OK;
}

static uint32_t trie_step(const struct bpe_trie *t, uint32_t node, unsigned char byte)
{
    uint32_t i = t->nodes[node].child;

    while (i && t->nodes[i].byte != byte)
        i = t->nodes[i].sibling;
    return i;
}

int bpe_trie_put(struct bpe_trie *t, const char *text, size_t n, int32_t id, hone_error *err)
{
    uint32_t node = 0, next;

    if (n == 0)
        return HONE_OK;
    if (!t->count) {
        int code = trie_node(t, 0, &node, err);
        if (code != HONE_OK)
            return code;
    }
    for (size_t i = 0; i < n; i++, node = next) {
        next = trie_step(t, node, (unsigned char)text[i]);
        if (!next) {
            int code = trie_node(t, (unsigned char)text[i], &next, err);
            if (code != HONE_OK)
                return code;
            t->nodes[next].sibling = t->nodes[node].child;
            t->nodes[node].child = next;
        }
    }
    t->nodes[node].id = id;
    t->first[(unsigned char)*text] = true;
    return HONE_OK;
}

void bpe_trie_free(struct bpe_trie *t)
{
    hone_free(t->nodes);
    *t = (struct bpe_trie){0};
}

/* The longest token that begins at s, or -1. */
static int32_t trie_match(const struct bpe_trie *t, const char *s, size_t n, size_t *size)
{
    uint32_t node = 0;
    int32_t id = -1;

    for (size_t i = 0; i < n && (node = trie_step(t, node, (unsigned char)s[i])); i++) {
        if (t->nodes[node].id >= 0) {
            id = t->nodes[node].id;
            *size = i + 1;
        }
    }
    return id;
}

static bool added_word_before(const char *text, size_t at)
{
    size_t size;
    return at > 0 && utf8_word(utf8_read(text + utf8_back(text, at), &size));
}

static bool added_word_behind(const char *text, size_t n, size_t at)
{
    size_t size;
    return at < n && utf8_word(utf8_read(text + at, &size));
}

static bool added_space(const char *s, size_t *size)
{
    return utf8_classify(utf8_read(s, size)) == UTF8_SPACE;
}

bool bpe_added_next(const struct bpe_trie *t, const struct bpe_vocab *v, bool special,
                    const char *text, size_t n, size_t *at, size_t offset, struct bpe_cut *cut)
{
    size_t size = 0;

    for (; t->count && *at < n; (*at)++) {
        uint32_t flags;

        if (!t->first[(unsigned char)text[*at]])
            continue;
        cut->id = trie_match(t, text + *at, n - *at, &size);
        if (cut->id < 0)
            continue;
        cut->start = *at;
        cut->stop = *at + size;
        flags = v->tokens[cut->id].flags;
        if ((flags & BPE_SPECIAL && !special) ||
            (flags & BPE_WORD && (added_word_before(text, cut->start) ||
                                  added_word_behind(text, n, cut->stop)))) {
            *at = cut->stop - 1;
            continue;
        }
        if (flags & BPE_LSTRIP)
            while (cut->start > offset && added_space(text + utf8_back(text, cut->start), &size))
                cut->start = utf8_back(text, cut->start);
        if (flags & BPE_RSTRIP)
            while (cut->stop < n && added_space(text + cut->stop, &size))
                cut->stop += size;
        *at = cut->stop;
        return true;
    }
    return false;
}
