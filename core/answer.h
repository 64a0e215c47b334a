/* answer.h -- one response as it grows: tokens, text, turns, and when it ends. */
#ifndef CORE_ANSWER_H
#define CORE_ANSWER_H

#include <hone/generate.h>

/* What all responses of a call have in common. */
typedef struct hone_answer_rules {
    hone_model *model;
    hone_instance *tokenizer;  /* NULL: none */
    int64_t known;             /* ids with a text: vocabularies are padded beyond their tokenizer */
    int64_t limit;             /* tokens of a sequence; INT64_MAX: none */
    hone_generate_options options;
} hone_answer_rules;

typedef struct hone_answer {
    const hone_prompt *prompt;
    size_t prompt_index;
    int64_t sample;            /* of its prompt */
    hone_ids ids;              /* the response */
    float *logp;               /* [capacity] */
    uint8_t *own;              /* [capacity]; NULL: nothing else can have spoken */
    size_t capacity;
    size_t fed;                /* of ids: those that the cache holds */
    int64_t made;              /* the model's own tokens */
    int64_t turn;              /* of the model, from 1 */
    hone_text text;
    size_t turn_text;          /* where in text the turn began */
    hone_stream *stream;       /* while it runs, where there is a tokenizer */
    hone_random random;
    const char *finish;        /* NULL: not yet */
} hone_answer;

int hone_answer_begin(hone_answer *answer, const hone_answer_rules *rules, hone_error *err);
/* The model said this token: keep it, end the turn or the response. */
int hone_answer_take(hone_answer *answer, const hone_answer_rules *rules, int32_t token,
                     double logp, hone_error *err);
void hone_answer_clear(hone_answer *answer);

#endif
