/* toy.h -- a model and a tokenizer small enough to compute by hand.
 *
 * Tokenizer: bytes 0..255; 256 <s>, 257 </s>, 258 <|im_start|>, 259 <|im_end|>,
 * 260 "\nA", 261 " b".
 * Model: the next token's logits are a row of a table, by the last token. */
#ifndef HONE_TESTS_TOY_H
#define HONE_TESTS_TOY_H

#include <hone/hone.h>

enum { TOY_BOS = 256, TOY_EOS, TOY_TURN, TOY_STOP, TOY_NA, TOY_SPACE_B, TOY_VOCAB };

typedef struct toy_options {
    int64_t limit;       /* tokens of a sequence; 0: none */
    bool no_bos, no_eos; /* the tokenizer lacks */
    bool chat;           /* it has <|im_start|> and <|im_end|> */
} toy_options;

/* A model with its tokenizer; asserts on failure. */
hone_model *toy_model(hone_context *context, const toy_options *options);
/* The logits that follow a token, [TOY_VOCAB], to be written; all 0 at first. */
float *toy_logits(hone_model *model, int32_t token);
/* The tokens' texts, a bar between them, in a static buffer. */
const char *toy_show(const int32_t *ids, size_t count);

#endif
