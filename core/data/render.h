/* render.h -- a row's parts as the text and special tokens that a model sees. */
#ifndef CORE_DATA_RENDER_H
#define CORE_DATA_RENDER_H

#include "parts.h"

/* Special tokens of the vocabulary; -1: it has none. */
typedef struct data_marks {
    int32_t eos;          /* ends every answer */
    int32_t turn, stop;   /* <|im_start|>, <|im_end|> */
} data_marks;

typedef struct data_span {
    int32_t token;        /* an id, or -1: text */
    size_t start, n;      /* of the text */
    bool learned;
} data_span;

typedef struct data_spans {
    hone_text text;
    data_span *items;     /* hone_free */
    size_t count, capacity;
} data_spans;

/* Fill spans; neighbours of text differ in `learned`. prompt: only up to where
 * the last answer begins. Fails where there is no answer to learn. */
int data_render(data_spans *spans, const data_parts *parts, bool chatml, const data_marks *marks,
                bool prompt, hone_error *err);

#endif
