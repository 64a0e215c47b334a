/* data.h -- datasets: rows, what was cleaned away, splits, tokens, batches.
 *
 * A row is a JSON object. Its format is told by its columns, the first that
 * fits; a null column counts as absent, rows of a file may differ:
 *   messages                 a list of { role = system | user | assistant, content }
 *   conversations            the same as { from = system | human | gpt, value }
 *   prompt, completion       texts (or prompt + response); prompt alone asks
 *   instruction, input?, output   or instances, a list of { input?, output }:
 *                            each is an example, the first is asked
 *   turns                    a list of questions, of which the first is asked
 *   text                     learned whole
 * Other columns stay with the row, by name. Rows without a format load, too;
 * rendering them is an error. A field in a message is a path, counted from 1:
 * "field 'messages[2].content': a text expected, got null". */
#ifndef HONE_DATA_H
#define HONE_DATA_H

#include <hone/model.h>
#include <hone/tokenizer.h>

typedef struct hone_data hone_data;

/* JSONL (.jsonl, .ndjson), JSON (a list of objects), CSV and TSV (with a header
 * line; RFC 4180; every value a text), text (.txt), plain or .gz, told by the
 * name's ending. A byte order mark and CR LF are fine. Files are read a row at
 * a time; a row's text has at most 64 MiB. Errors name file:line. **out is
 * owned. An empty dataset is an error.
 * options (NULL: none): columns = { prompt = "question", ... } renames, and a
 * column of the new name gives way; unit = "paragraph" (default) | "line" |
 * "file" for text; limit = rows at most; utf8 = "error" (default) | "drop":
 * whether a row of invalid UTF-8 is an error, or left out, logged, and counted
 * in the report of hone_data_clean. */
HONE_API int hone_data_load(hone_data **out, hone_context *context, const char *path,
                            const hone_json *options, hone_error *err);
/* From rows in memory: a JSON list of objects. All texts of a dataset are UTF-8. */
HONE_API int hone_data_new(hone_data **out, hone_context *context, const hone_json *rows,
                           const char *name, hone_error *err);
HONE_API hone_data *hone_data_ref(hone_data *data);
HONE_API void hone_data_free(hone_data *data);
HONE_API size_t hone_data_count(const hone_data *data);
HONE_API const hone_json *hone_data_row(const hone_data *data, size_t i);
HONE_API const char *hone_data_name(const hone_data *data);
/* "file.jsonl:17" of a row; HONE_EINVAL when buf is too short. */
HONE_API int hone_data_where(const hone_data *data, size_t i, char *buf, size_t n);
/* SHA-256 of the rows, 64 hex digits: of each row's own SHA-256, in order, which
 * is of its JSON text without blanks. The same rows have the same hash,
 * whatever the file's format. */
HONE_API const char *hone_data_hash(const hone_data *data);
/* Some rows, in this order. */
HONE_API int hone_data_select(hone_data **out, const hone_data *data, const size_t *index,
                              size_t count, hone_error *err);

/* A new dataset without normalised exact duplicates (NFKC, case folded, blanks
 * joined), and texts of fewer than min_chars characters or more than max_chars,
 * by options { dedup = true, min_chars = 0, max_chars = none, near = none }. near,
 * as 0.9: rows as similar to an earlier one are left out, too (<hone/near.h>), so
 * that none is on both sides of a split. A row's text is
 * all its prompts and answers; without a format, its JSON. Of equal rows the
 * first stays. *report (may be NULL; owned): { before, after, dropped =
 * { duplicate = { count, examples = { "file:line" } }, near, short, long, utf8 } },
 * at most 5 examples each; utf8 are rows that loading left out. No row left is
 * an error. */
HONE_API int hone_data_clean(hone_data **out, const hone_data *data, const hone_json *options,
                             hone_json **report, hone_error *err);

/* Parts by name and share (an object of numbers that sum to at most 1, in
 * order): rows are sorted by the hash of their normalised text with the seed,
 * and cut at the shares' ranks, so that duplicates never part, the order of the
 * rows plays no part, and shares are met to within a row, or a group of
 * duplicates, even in a small dataset. (The price: when rows are added, some
 * next to a cut change sides; a cut by the hash's value would spare them, but
 * leave 5 % of 175 rows anywhere from 3 to 15.) A part that would be
 * empty while its share is not is an error. outs[] has one for each key; owned. */
HONE_API int hone_data_split(hone_data **outs, const hone_data *data, const hone_json *shares,
                             uint64_t seed, hone_error *err);

/* ---- tokens ---- */

/* What a row becomes. [ ] is learned, E the tokenizer's end-of-text token
 * (the model's first, where the tokenizer names none; nothing where neither
 * does), S and M <|im_start|> and <|im_end|>: tokens where the vocabulary has
 * them, else text.
 *
 *   prompt, completion   {prompt}[{completion}E]
 *   text                 [{text}E]
 *   instruction, plain   ### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n
 *                        ### Response:\n[{output}E]         (no Input when empty)
 *   messages, plain      ### System:\n{content}\n\n### User:\n{content}\n\n
 *                        ### Assistant:\n[{content}E]\n\n### User:\n ...
 *   messages, chatml     Ssystem\n{content}M\nSuser\n{content}M\n
 *                        Sassistant\n[{content}M]\nSuser\n ...
 *
 * ChatML: an instruction is a user's message, its input after a blank line; an
 * answer ends with E where M is no token, and the last with M and E (when they
 * differ). What follows the last answer is left out. Before everything comes
 * what the tokenizer puts before a text (HONE_ENCODE_BOS).
 *
 * Spans, the text between two borders of [ ] or two special tokens, are
 * tokenised apart: a prompt's ids (hone_data_prompt) are a prefix of those
 * trained on, whatever merges a tokenizer has across the border. Names of
 * special tokens in a row's text are text. */

typedef struct hone_examples hone_examples;

typedef struct hone_example {
    const int32_t *tokens;  /* [count] */
    const float *weights;   /* [count]: 1 where the model learns to predict it */
    int64_t count;
    int64_t prompt;         /* tokens before the first learned one */
    size_t row;             /* of the dataset */
} hone_example;

typedef enum hone_too_long {
    HONE_LONG_TRUNCATE, /* keep the first max_tokens; dropped where none of them is learned */
    HONE_LONG_DROP, HONE_LONG_ERROR
} hone_too_long;

typedef struct hone_encode_options {
    const char *template; /* "plain" (default) or "chatml", for messages and instructions */
    int64_t max_tokens;   /* of an example; 0: the model's limit, or none */
    hone_too_long too_long;
    bool learn_prompt;    /* weight prompts too; default: responses only */
    bool last_answer;     /* of the responses in a conversation only the last */
} hone_encode_options;

/* Render and tokenise every row. A row without an answer is an error; so are
 * messages for a model whose folder has a chat template of its own. *report
 * (may be NULL; owned): rows, examples, tokens, learned (tokens), longest,
 * truncated, dropped (too long), empty (no learned token), max_tokens,
 * template. options NULL: the defaults. No example is an error. **out is
 * owned. */
HONE_API int hone_data_encode(hone_examples **out, const hone_data *data, hone_model *model,
                              const hone_encode_options *options, hone_json **report,
                              hone_error *err);
HONE_API void hone_examples_free(hone_examples *examples);
HONE_API size_t hone_examples_count(const hone_examples *examples);
HONE_API hone_example hone_examples_at(const hone_examples *examples, size_t i);
/* Tokens that a batch predicts: those with a weight, after the first. */
HONE_API int64_t hone_example_learned(const hone_example *example);
/* Append examples by number, in this order, to a batch. share: neighbours whose
 * prompts have the same tokens go on from one segment that holds the prompt,
 * which is computed once. Outputs are the same either way: each example's
 * learned tokens, in order. */
HONE_API int hone_examples_batch(hone_batch *batch, const hone_examples *examples,
                                 const size_t *index, size_t count, bool share, hone_error *err);

/* The tokens to be answered, appended to ids: row i rendered up to where its
 * response begins (messages: after the last user turn; text: what comes before
 * a text). Never truncated. */
HONE_API int hone_data_prompt(const hone_data *data, size_t i, hone_model *model,
                              const hone_encode_options *options, hone_ids *ids, hone_error *err);
/* The response's text of a row, borrowed, or NULL: completion, output, the
 * last message where it is the assistant's. */
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
