/* suggest.c -- edit distance with transpositions (optimal string alignment).
 *
 * Rows i-2, i-1 and i of the table d[i][j], the cost of turning the first i
 * characters of one word into the first j of the other. Damerau 1964,
 * doi:10.1145/363958.363994. */
#include "suggest.h"
#include "text.h"

#include <string.h>

enum { SUGGEST_MAX = 64 }; /* longer words are compared up to here */

static size_t suggest_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][SUGGEST_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;
    size_t n = strnlen(a, SUGGEST_MAX), m = strnlen(b, SUGGEST_MAX);

    for (size_t j = 0; j <= m; j++)
        before[j] = above[j] = row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = suggest_min(above[j - 1] + (a[i - 1] != b[j - 1]),
                                 suggest_min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = suggest_min(row[j], before[j - 2] + 1);
        }
        spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[m];
}

hone_suggest hone_suggest_start(const char *word)
{
    return (hone_suggest){ .word = word, .distance = 2 + strnlen(word, SUGGEST_MAX) / 4 };
}

void hone_suggest_offer(hone_suggest *s, const char *known)
{
    size_t length = strlen(s->word), distance;

    /* "temp" is meant for "temperature", however far they are. */
    if (length >= 3 && strncmp(known, s->word, length) == 0)
        distance = 1;
    else
        distance = suggest_distance(s->word, known);
    /* A word of other letters altogether is no suggestion. */
    if (distance < s->distance && distance < length) {
        s->distance = distance;
        s->best = known;
    }
}

const char *hone_suggest_text(const hone_suggest *s, char *buf, size_t n)
{
    if (s->best)
        hone_print(buf, n, " (did you mean '%s'?)", s->best);
    else if (n)
        *buf = '\0';
    return buf;
}
