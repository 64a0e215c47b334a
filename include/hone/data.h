/* data.h -- datasets: rows, what was cleaned away, splits, tokens, batches.
 *
 * A row is a JSON object. Its format is told by its columns:
 *   messages                 a list of { role, content }
 *   conversations            the same as { from = human | gpt, value }
 *   prompt, completion       texts (or prompt + response)
 *   instruction, input?, output
 *   text                     learned whole
 * Other columns stay with the row, by name. */
#ifndef HONE_DATA_H
#define HONE_DATA_H

#include <hone/model.h>
#include <hone/tokenizer.h>

typedef struct hone_data hone_data;

/* JSONL, JSON (a list of objects), CSV (with a header line), text (a row a
 * paragraph, or a line), plain or .gz, told by the name's ending. Errors name
 * file:line: field. **out is owned. An empty dataset is an error.
 * options (NULL: none): columns = { prompt = "question", ... } renames;
 * unit = "line" | "paragraph" | "file" for text; limit = rows at most. */
HONE_API int hone_data_load(hone_data **out, hone_context *context, const char *path,
                            const hone_json *options, hone_error *err);
/* From rows in memory: a JSON list of objects. */
HONE_API int hone_data_new(hone_data **out, hone_context *context, const hone_json *rows,
                           const char *name, hone_error *err);
HONE_API hone_data *hone_data_ref(hone_data *data);
HONE_API void hone_data_free(hone_data *data);
HONE_API size_t hone_data_count(const hone_data *data);
HONE_API const hone_json *hone_data_row(const hone_data *data, size_t i);
HONE_API const char *hone_data_name(const hone_data *data);
/* "file.jsonl:17" of a row. */
HONE_API int hone_data_where(const hone_data *data, size_t i, char *buf, size_t n);
/* SHA-256 of the rows as loaded, 64 hex digits. */
HONE_API const char *hone_data_hash(const hone_data *data);
/* Some rows, in this order. */
HONE_API int hone_data_select(hone_data **out, const hone_data *data, const size_t *index,
                              size_t count, hone_error *err);

/* A new dataset without normalised exact duplicates (NFKC, case folded, blanks
 * joined), texts of fewer than min_chars characters, invalid UTF-8, by options
 * { dedup = true, min_chars = 0, max_chars = none, utf8 = true }. *report: rows
 * before and after, dropped by reason, with examples (file:line). */
HONE_API int hone_data_clean(hone_data **out, const hone_data *data, const hone_json *options,
                             hone_json **report, hone_error *err);

/* Parts by name and share (an object of numbers that sum to at most 1, in
 * order), by the hash of each row's normalised text with the seed: duplicates
 * never part, and a row's part does not depend on the other rows' order. A
 * part that would be empty while its share is not is an error. outs[] has one
 * for each key; owned. */
HONE_API int hone_data_split(hone_data **outs, const hone_data *data, const hone_json *shares,
                             uint64_t seed, hone_error *err);

/* ---- tokens ---- */

typedef struct hone_examples hone_examples;

typedef struct hone_example {
    const int32_t *tokens;  /* [count] */
    const float *weights;   /* [count]: 1 where the model learns to predict it */
    int64_t count;
    int64_t prompt;         /* tokens before the first learned one */
    size_t row;             /* of the dataset */
} hone_example;

typedef enum hone_too_long {
    HONE_LONG_TRUNCATE, /* keep the first max_tokens; a row without any learned token left is dropped */
    HONE_LONG_DROP, HONE_LONG_ERROR
} hone_too_long;

typedef struct hone_encode_options {
    const char *template; /* "plain" (default) or "chatml", for messages */
    int64_t max_tokens;   /* 0: the model's limit, or none */
    hone_too_long too_long;
    bool learn_prompt;    /* weight prompts too; default: responses only */
} hone_encode_options;

/* Render and tokenise every row. Spans are tokenised in one piece and parted by
 * their byte offsets; the end-of-text token is learned. *report: rows, tokens,
 * learned tokens, truncated, dropped, template. model gives tokenizer and
 * limits. **out is owned. */
HONE_API int hone_data_encode(hone_examples **out, const hone_data *data, hone_model *model,
                              const hone_encode_options *options, hone_json **report,
                              hone_error *err);
HONE_API void hone_examples_free(hone_examples *examples);
HONE_API size_t hone_examples_count(const hone_examples *examples);
HONE_API hone_example hone_examples_at(const hone_examples *examples, size_t i);

/* The tokens to be answered: row i rendered up to where its response begins
 * (messages: after the last user turn). */
HONE_API int hone_data_prompt(const hone_data *data, size_t i, hone_model *model,
                              const hone_encode_options *options, hone_ids *ids, hone_error *err);
/* The response's text of a row, borrowed, or NULL. */
HONE_API const char *hone_data_response(const hone_data *data, size_t i);

/* An epoch in batches of at most `tokens` tokens (one longer example makes a
 * batch alone), shuffled by seed and epoch (epoch < 0: in order). batches
 * [batches_count + 1] are offsets into order [examples]; both owned. */
typedef struct hone_plan {
    size_t batches_count;
    size_t *batches;
    size_t *order;
} hone_plan;
HONE_API int hone_examples_plan(const hone_examples *examples, int64_t tokens, uint64_t seed,
                                int64_t epoch, hone_plan *plan, hone_error *err);
HONE_API void hone_plan_free(hone_plan *plan);

#endif
