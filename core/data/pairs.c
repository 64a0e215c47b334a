/* pairs.c -- examples side by side in a batch: the answers to one prompt.
 *
 * The two sides of a pair begin with the same tokens. A shared prompt is a
 * segment of its own, computed once, and its answers are branches that go on
 * from it. */
#include "data.h"

#include <hone/batch.h>
#include <string.h>

/* Whether b may go on from the prompt of a: the same tokens, at least one, as
 * an example's first token is never learned. */
static bool pairs_share(const hone_example *a, const hone_example *b)
{
    return a->prompt == b->prompt &&
           memcmp(a->tokens, b->tokens, (size_t)a->prompt * sizeof *a->tokens) == 0;
}

int64_t hone_example_learned(const hone_example *example)
{
    int64_t n = 0;

    for (int64_t i = 1; i < example->count; i++)
        n += example->weights[i] != 0;
    return n;
}

int hone_examples_batch(hone_batch *batch, const hone_examples *examples, const size_t *index,
                        size_t count, bool share, hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0, next; !code && i < count; i = next) {
        hone_example first = hone_examples_at(examples, index[i]);
        size_t parent = hone_batch_segments(batch);

        for (next = i + 1; share && next < count; next++) {
            hone_example e = hone_examples_at(examples, index[next]);
            if (!pairs_share(&first, &e))
                break;
        }
        if (next == i + 1) {
            code = hone_batch_add(batch, first.tokens, first.weights, first.count, err);
            continue;
        }
        code = hone_batch_add(batch, first.tokens, NULL, first.prompt, err);
        for (size_t k = i; !code && k < next; k++) {
            hone_example e = hone_examples_at(examples, index[k]);
            code = hone_batch_branch(batch, parent, e.tokens + e.prompt, e.weights + e.prompt,
                                     e.count - e.prompt, err);
        }
    }
    return code;
}
