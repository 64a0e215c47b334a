/* near.h -- texts that are the same, or nearly. */
#ifndef HONE_NEAR_H
#define HONE_NEAR_H

#include <hone/context.h>

/* What is known of a text. A group is what similar pairs join, one by one. */
typedef struct hone_near {
    size_t first;      /* smallest number of the text's group; its own where it has none */
    size_t like;       /* the text it was joined with; its own where first is */
    double similarity; /* with that, 1: equal; NaN where first is its own */
} hone_near;

/* Texts are normalised (NFKC, case folded, blanks joined); equal ones are found by
 * SHA-256. Of the others, the similarity is Jaccard's of their sets of 5-byte
 * pieces; pairs of at least `similarity` (above 0, at most 1) are joined. They are
 * looked for by MinHash (128 bins of one permutation) in bands that find a pair at
 * the threshold with chance 0.98 or more, and compared exactly. Texts are UTF-8;
 * NULL: not looked at. context may be NULL: one thread. *out [count] is owned
 * (hone_free). Memory is linear in the bytes of the texts. The result does not
 * depend on the number of threads. Broder 1997, doi:10.1109/SEQUEN.1997.666900;
 * Shrivastava 2017, proceedings.mlr.press/v70/shrivastava17a.html (empty bins). */
HONE_API int hone_near_find(hone_near **out, hone_context *context, const char *const *texts,
                            size_t count, double similarity, hone_error *err);

#endif
