/* bpe.h -- the parts of the bpe tokenizer, and how a text runs through them.
 *
 *   text                 added tokens (added.c) are cut out of it
 *   -> stretches         normalized (normalizer.c); added tokens that are
 *                        matched after normalization are cut out
 *   -> stretches         split into pieces (pretokenizer.c, pattern.c)
 *   -> pieces            into symbols, and pairs of these merged (merge.c)
 *   -> ids               between those that the post-processor adds
 *
 * and back: every id stands for fixed bytes (decoder.c) that are concatenated,
 * save for what is dropped at the start of a text.
 *
 * A model has one of two kinds of symbols. Byte-level: a piece is bytes, and
 * tokens are kept here as the bytes they stand for; files spell each byte as a
 * printable character (0x20 as U+0120). Else: a piece is characters, and one
 * that the vocabulary lacks becomes its bytes' tokens ("<0xE2>") or unk.
 *
 * Readers (tokenizer_json.c, ranks.c, spm.c, pairs.c) fill a model:
 *   new, pipeline, tokens, merges, added tokens, finish. */
#ifndef BPE_H
#define BPE_H

#include <hone/tokenizer.h>
#include <jansson.h>

#define BPE_IDS_MAX ((int64_t)1 << 24)      /* tokens in a vocabulary */
#define BPE_FILE_MAX ((size_t)1 << 30)      /* bytes in a file */
#define BPE_TEXT_MAX ((size_t)1 << 30)      /* bytes in a text */
#define BPE_PART_MAX 4096                   /* bytes in a token whose merges are implied */

/* ---- vocab.c: id -> bytes, bytes -> id ---- */

enum {
    BPE_TOKEN = 1 << 0,      /* the id is taken */
    BPE_LITERAL = 1 << 1,    /* byte-level: spelled in characters that stand for no byte */
    BPE_MODEL = 1 << 2,      /* in the model's vocabulary, not only an added token */
    BPE_ADDED = 1 << 3,
    BPE_SPECIAL = 1 << 4,
    BPE_NORMALIZED = 1 << 5, /* added: matched in normalized text */
    BPE_WORD = 1 << 6,       /* added: only between what are no word characters */
    BPE_LSTRIP = 1 << 7,     /* added: takes the white space in front along */
    BPE_RSTRIP = 1 << 8
};

struct bpe_token {
    uint32_t key, key_size; /* what text is matched with, in vocab.bytes */
    uint32_t out, out_size; /* what it decodes to */
    uint32_t flags;
};

struct bpe_vocab {
    struct bpe_token *tokens; /* [count] by id */
    size_t count, capacity;
    hone_text bytes;
    uint32_t *slots; /* hash table of id + 1, 0: empty; mask + 1 slots */
    size_t mask, used;
};

/* `bound`: how many tokens there can be; ids run from 0 without gaps. */
int bpe_vocab_put(struct bpe_vocab *v, int64_t id, int64_t bound, const char *key, size_t n,
                  uint32_t flags, hone_error *err);
int32_t bpe_vocab_find(const struct bpe_vocab *v, const char *key, size_t n, bool literal);
int bpe_vocab_out(struct bpe_vocab *v, int32_t id, const char *out, size_t n, hone_error *err);
void bpe_vocab_free(struct bpe_vocab *v);
static inline const char *bpe_vocab_key(const struct bpe_vocab *v, int32_t id)
{
    return v->bytes.bytes + v->tokens[id].key;
}

/* The characters that files write for bytes, and back (-1: for none). */
uint32_t bpe_byte_char(unsigned char byte);
int bpe_char_byte(uint32_t c);
/* A token as files spell it to the bytes it stands for, appended; *literal is
 * set, and nothing appended, when a character stands for no byte. */
int bpe_unspell(hone_text *out, const char *text, size_t n, bool *literal, hone_error *err);
int bpe_spell(hone_text *out, const char *bytes, size_t n, hone_error *err);

uint64_t bpe_hash(const char *bytes, size_t n);

/* ---- merge.c: symbols to tokens ---- */

struct bpe_pair {
    uint64_t key; /* left id << 32 | right id */
    uint32_t rank;
    int32_t id;
};

struct bpe_merges {
    struct bpe_pair *slots;
    size_t mask, count;
};

int bpe_merges_put(struct bpe_merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id,
                   hone_error *err);
const struct bpe_pair *bpe_merges_find(const struct bpe_merges *m, int32_t left, int32_t right);

struct bpe_scratch {
    struct bpe_symbol *symbols;
    struct bpe_candidate *heap;
    size_t symbols_capacity, heap_count, heap_capacity;
};

/* Merge ids[0..n) in place; *n becomes smaller. */
int bpe_merge(const struct bpe_merges *m, struct bpe_scratch *s, int32_t *ids, size_t *n,
              hone_error *err);
void bpe_scratch_free(struct bpe_scratch *s);

/* ---- added.c: tokens cut out of a text before it is split ---- */

struct bpe_trie {
    struct bpe_node *nodes;
    size_t count, capacity;
    bool first[256];
};

struct bpe_cut {
    size_t start, stop;
    int32_t id;
};

int bpe_trie_put(struct bpe_trie *t, const char *text, size_t n, int32_t id, hone_error *err);
void bpe_trie_free(struct bpe_trie *t);
/* The next added token in text[*at..n), special ones only if asked; white
 * space before `offset` belongs to another. */
bool bpe_added_next(const struct bpe_trie *t, const struct bpe_vocab *v, bool special,
                    const char *text, size_t n, size_t *at, size_t offset, struct bpe_cut *cut);

/* ---- pattern.c: the regular expressions ---- */

enum { BPE_PATTERN_AUTO, BPE_PATTERN_GPT2, BPE_PATTERN_LLAMA3, BPE_PATTERN_QWEN2 };

struct bpe_pattern;
/* The expression of a well-known pattern. */
const char *bpe_pattern_text(int known);
/* literal: the text itself is what matches. */
int bpe_pattern_new(struct bpe_pattern **out, const char *text, bool literal, hone_error *err);
void bpe_pattern_free(struct bpe_pattern *p);
/* BPE_PATTERN_AUTO where the expression is none of the known ones. */
int bpe_pattern_known(const struct bpe_pattern *p);
/* Where the piece that begins at `at` < n ends, by a known pattern. */
size_t bpe_pattern_scan(int known, const char *s, size_t n, size_t at);
/* The next match at or after `at`: 1 found, 0 none, < 0 failed. */
int bpe_pattern_next(struct bpe_pattern *p, const char *s, size_t n, size_t at, size_t *start,
                     size_t *stop, hone_error *err);

/* ---- normalizer.c, pretokenizer.c, decoder.c, processor.c: the pipeline ---- */

enum { BPE_STEPS_MAX = 32 };

struct bpe_step {
    int kind, behavior, scheme;
    struct bpe_pattern *pattern;
    bool invert, left, right;
    char *content, *from; /* what is put in; the character that is taken out */
    size_t content_size, from_size;
    hone_text buffer;
    struct bpe_span *spans;
    size_t spans_count, spans_capacity;
};

struct bpe_steps {
    struct bpe_step items[BPE_STEPS_MAX];
    size_t count;
};

/* steps.c: a new last step; NULL when there are too many. */
struct bpe_step *bpe_steps_add(struct bpe_steps *steps, int kind, hone_error *err);
void bpe_steps_free(struct bpe_steps *steps);
/* Members of a step's JSON: a text, a single character, a truth. */
int bpe_step_content(struct bpe_step *step, const json_t *json, const char *key, hone_error *err);
int bpe_step_from(struct bpe_step *step, const json_t *json, const char *key, const char *absent,
                  hone_error *err);
bool bpe_step_flag(const json_t *json, const char *key, bool absent);
/* pattern: { "String": text } or { "Regex": text }. */
int bpe_step_pattern(struct bpe_step *step, const json_t *json, hone_error *err);
/* Every match of the step's pattern replaced by its content, appended. */
int bpe_step_replace(struct bpe_step *step, hone_text *out, const char *text, size_t n,
                     hone_error *err);
/* Call `read` for each member of a Sequence (listed under `list`), or for the
 * one step that json is. `what` begins messages. */
typedef int bpe_step_reader(void *self, const json_t *json, const char *type, hone_error *err);
int bpe_steps_read(void *self, const json_t *json, const char *list, bpe_step_reader *read,
                   const char *what, hone_error *err);

int bpe_normalizer_read(struct bpe_steps *steps, const json_t *json, hone_error *err);
/* *text and *n become the normalized text: the same, or a step's buffer. */
int bpe_normalize(struct bpe_steps *steps, const char **text, size_t *n, hone_error *err);

/* What is done with a piece. */
typedef int bpe_emit(void *user, const char *piece, size_t n, hone_error *err);

int bpe_pretokenizer_read(struct bpe_steps *steps, const json_t *json, bool *byte_level,
                          hone_error *err);
/* start: the text begins here. */
int bpe_pretokenize(struct bpe_steps *steps, const char *text, size_t n, bool start,
                    bpe_emit *emit, void *user, hone_error *err);

struct bpe_decoder {
    struct bpe_steps steps; /* on each token */
    bool bytes;             /* nothing but ByteLevel */
    char strip[8];          /* a character that is dropped once at the start of a text */
    size_t strip_size;
};

int bpe_decoder_read(struct bpe_decoder *d, const json_t *json, hone_error *err);
/* What the token spelled `text` decodes to, appended; first: of a text. */
int bpe_decoder_token(struct bpe_decoder *d, hone_text *out, const char *text, size_t n,
                      bool first, hone_error *err);

/* ---- model.c: all of it ---- */

enum { BPE_BOS, BPE_EOS, BPE_PAD, BPE_UNK, BPE_ROLES };

struct bpe_cached;

struct bpe_model {
    struct bpe_vocab vocab;
    struct bpe_merges merges;
    struct bpe_trie raw, normalized; /* added tokens */
    struct bpe_steps normalizer, pretokenizer;
    struct bpe_decoder decoder;
    json_t *normalizer_json, *pretokenizer_json, *processor_json, *decoder_json;
    json_t *config_json;      /* tokenizer_config.json as it was read */
    bool byte_level, byte_fallback, fuse_unk, ignore_merges;
    bool words;               /* no token holds a space mark behind another character */
    int32_t byte_ids[256];    /* byte-level: of each byte; else of "<0x00>" ... */
    int32_t unk;
    int32_t roles[BPE_ROLES];
    hone_ids prefix, suffix;  /* what the post-processor adds */
    int64_t bound;            /* tokens there can be */
    struct bpe_scratch scratch;
    hone_ids symbols;
    hone_text spelled;
    struct bpe_cached *cache;
};

int bpe_model_new(struct bpe_model **out, hone_error *err);
void bpe_model_free(struct bpe_model *m);
/* Take the four parts of the pipeline (each may be NULL), as tokenizer.json
 * writes them. */
int bpe_model_pipeline(struct bpe_model *m, const json_t *normalizer, const json_t *pretokenizer,
                       const json_t *processor, const json_t *decoder, hone_error *err);
/* A token as files spell it. */
int bpe_model_token(struct bpe_model *m, int64_t id, const char *text, size_t n, hone_error *err);
int32_t bpe_model_find(struct bpe_model *m, const char *text, size_t n, hone_error *err);
int bpe_model_merge(struct bpe_model *m, uint32_t rank, const char *left, size_t left_size,
                    const char *right, size_t right_size, hone_error *err);
/* id -1: whatever the vocabulary says. */
int bpe_model_added(struct bpe_model *m, int64_t id, const char *text, size_t n, uint32_t flags,
                    hone_error *err);
/* Pairs of every token's two parts that are tokens themselves, for formats
 * without merges. rank[id]: the order in which tokens are made. */
int bpe_model_pairs(struct bpe_model *m, const uint32_t *rank, hone_error *err);
int bpe_model_finish(struct bpe_model *m, hone_error *err);
/* The text that files spell the token by, appended. */
int bpe_model_spell(const struct bpe_model *m, int32_t id, hone_text *out, hone_error *err);

/* encode.c */
struct bpe_cached *bpe_cache_new(void);
/* Cut added tokens out of text and hand the rest out in pieces; token and
 * piece get `user`. */
typedef int bpe_emit_token(void *user, int32_t id, hone_error *err);
int bpe_pieces(struct bpe_model *m, const char *text, size_t n, bool special, bpe_emit *piece,
               bpe_emit_token *token, void *user, hone_error *err);
int bpe_encode(struct bpe_model *m, const char *text, size_t n, int flags, hone_ids *ids,
               hone_error *err);
int bpe_decode(struct bpe_model *m, const int32_t *ids, size_t count, bool special,
               hone_text *text, hone_error *err);

/* processor.c: the ids that the post-processor puts around a text. */
int bpe_processor_read(struct bpe_model *m, const json_t *json, hone_error *err);

/* pipeline.c: pipelines for files that imply theirs. prefix and suffix: tokens
 * around a text, NULL for none. */
int bpe_pipeline_bytes(struct bpe_model *m, int pattern, bool nfc, const char *prefix,
                       const char *suffix, hone_error *err);
int bpe_pipeline_spaces(struct bpe_model *m, bool prepend, bool trim, const char *prefix,
                        const char *suffix, hone_error *err);

/* ---- reading and writing ---- */

int bpe_tokenizer_json_read(struct bpe_model *m, const json_t *root, hone_error *err);
/* Whether the first line is a token in base64 and its rank. */
bool bpe_ranks_are(const char *bytes, size_t n);
int bpe_ranks_read(struct bpe_model *m, const char *bytes, size_t n, int pattern, hone_error *err);
bool bpe_spm_is(const char *bytes, size_t n);
int bpe_spm_read(struct bpe_model *m, const char *bytes, size_t n, hone_error *err);
/* merges.txt with vocab.json, vocab.bpe with encoder.json or without (NULL):
 * ids are in GPT-2's order, then. */
bool bpe_pairs_are(const char *bytes, size_t n);
int bpe_pairs_read(struct bpe_model *m, const json_t *vocab, const char *bytes, size_t n,
                   int pattern, hone_error *err);
/* "a b": two spellings around the only space of a line. */
int bpe_pairs_merge(struct bpe_model *m, uint32_t rank, const char *line, size_t n,
                    hone_error *err);
/* { token: id }, `more` ids may follow. */
int bpe_pairs_vocab(struct bpe_model *m, const json_t *vocab, size_t more, hone_error *err);

/* config.c: tokenizer_config.json and special_tokens_map.json. */
int bpe_config_read(struct bpe_model *m, const char *folder, hone_error *err);
/* The text of a token that tokenizer_config.json names, or NULL. */
const char *bpe_config_text(const json_t *config, const char *key);
bool bpe_config_flag(const struct bpe_model *m, const char *key, bool absent);
/* Added tokens that stand only there; before finish. */
int bpe_config_added(struct bpe_model *m, hone_error *err);
/* After finish. */
int bpe_config_roles(struct bpe_model *m, const char *folder, hone_error *err);
extern const char *const bpe_role_names[BPE_ROLES];

int bpe_model_load(struct bpe_model **out, const char *path, int pattern, hone_error *err);
int bpe_model_save(struct bpe_model *m, const char *folder, hone_error *err);

struct bpe_trainer {
    int64_t vocab;
    int pattern;
    const hone_string_list *special;
    hone_context *context;
};

/* next hands out texts, NULL at the end. */
int bpe_train(struct bpe_model **out, const struct bpe_trainer *t,
              const char *(*next)(void *user, size_t *n), void *user, hone_error *err);

#endif
