/* suggest.h -- "did you mean": the nearest of the words that there are. */
#ifndef CORE_SUGGEST_H
#define CORE_SUGGEST_H

#include <stddef.h>

typedef struct hone_suggest {
    const char *word;  /* what was written */
    const char *best;  /* the nearest offered so far; NULL: none is near */
    size_t distance;
} hone_suggest;

hone_suggest hone_suggest_start(const char *word);
/* `known` must outlive the search. */
void hone_suggest_offer(hone_suggest *s, const char *known);
/* " (did you mean 'lr'?)", or "" where no word is near. */
const char *hone_suggest_text(const hone_suggest *s, char *buf, size_t n);

#endif
