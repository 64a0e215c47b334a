/* normal.h -- what counts as the same text: NFKC, case folded, blanks joined. */
#ifndef CORE_DATA_NORMAL_H
#define CORE_DATA_NORMAL_H

#include "parts.h"

typedef struct data_normal {
    uint8_t digest[32];   /* SHA-256 of the normalised text */
    size_t chars;         /* of it, in code points, borders between parts not counted */
} data_normal;

/* Buffers kept from row to row; start from {0}. */
typedef struct data_normaliser {
    data_parts parts;
    hone_text text, folded;
    int32_t *points;      /* [capacity] */
    size_t capacity;
} data_normaliser;

/* Of row i: its texts in order, prompts and answers alike; of a row without a
 * format, its JSON. */
int data_normalise(data_normaliser *n, const hone_data *data, size_t i, data_normal *out,
                   hone_error *err);
/* Of a text. Either leaves what it made in n->folded. */
int data_normalise_text(data_normaliser *n, const char *text, size_t bytes, data_normal *out,
                        hone_error *err);
void data_normaliser_close(data_normaliser *n);

#endif
