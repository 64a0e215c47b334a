/* test_tokenizer_files.c -- the files that tokenizers come in: what is read
 * from small ones made here, and what is said of bad ones. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hone_error err;
static hone_context *context;
static hone_instance *tokenizer;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_instance_free(tokenizer);
    hone_context_free(context);
    tokenizer = NULL;
}

static const char *file(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s", support_folder(), name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    support_write(file(name), text, strlen(text));
}

static void load(const char *path)
{
    hone_instance_free(tokenizer);
    ck_ok(hone_tokenizer_load(&tokenizer, context, path, &err));
}

static void make(const char *options)
{
    hone_json *json;

    hone_instance_free(tokenizer);
    tokenizer = NULL;
    ck_ok(hone_json_parse(&json, options, strlen(options), "options", &err));
    ck_ok(hone_instance_new(&tokenizer, context, "tokenizer", "bpe", json, &err));
    hone_json_free(json);
}

static int load_with_options(const char *path)
{
    const hone_tokenizer_ops *ops = hone_instance_plugin(tokenizer)->ops;
    return ops->load(hone_instance_self(tokenizer), path, &err);
}

static void encodes_to(const char *text, int flags, const char *expected)
{
    hone_ids ids = {0};
    char seen[1024] = "";
    size_t n = 0;

    ck_ok(hone_tokenizer_encode(tokenizer, text, strlen(text), flags, &ids, &err));
    for (size_t i = 0; i < ids.count && n < sizeof seen - 16; i++)
        n += (size_t)snprintf(seen + n, sizeof seen - n, "%s%d", i ? " " : "", ids.items[i]);
    ck_assert_msg(strcmp(seen, expected) == 0, "'%s': %s, not %s", text, seen, expected);
    hone_free(ids.items);
}

static void decodes_to(const char *expected, size_t count, const int32_t *ids)
{
    hone_text text = {0};

    ck_ok(hone_tokenizer_decode(tokenizer, ids, count, true, &text, &err));
    ck_assert_str_eq(text.bytes, expected);
    hone_free(text.bytes);
}

/* ---- ranks ---- */

/* Bytes " abc", then ab, bc, abc: of "abcbc" ab comes before bc. */
static const char ranks[] = "IA== 0\nYQ== 1\nYg== 2\nYw== 3\nYWI= 4\nYmM= 5\nYWJj 6\nIGE= 7\n";

START_TEST(ranks_merge_the_lowest_first_and_whole_pieces_at_once)
{
    write_text("some.tiktoken", ranks);
    make("{\"pattern\":\"gpt2\"}");
    ck_ok(load_with_options(support_folder()));
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 8);
    encodes_to("abcbc", 0, "6 5");
    encodes_to("abc", 0, "6");
    encodes_to("bcab a", 0, "5 4 7");
    decodes_to("abc a", 2, (int32_t[]){ 6, 7 });
}
END_TEST

START_TEST(ranks_need_a_pattern_unless_their_number_is_known)
{
    write_text("some.tiktoken", ranks);
    ck_fails(HONE_EUNSUPPORTED, hone_tokenizer_load(&tokenizer, context, support_folder(), &err));
    support_golden("tokenizer-ranks-unknown", err.message);
}
END_TEST

START_TEST(a_token_too_long_to_be_parted_everywhere_is_refused)
{
    enum { CHARACTERS = 8000 }; /* of base64: 6000 bytes */
    char *text = hone_alloc(CHARACTERS + 16, 1);

    memset(text, 'A', CHARACTERS);
    strcpy(text + CHARACTERS, " 0\n");
    write_text("some.tiktoken", text);
    make("{\"pattern\":\"gpt2\"}");
    ck_assert_int_eq(load_with_options(support_folder()), HONE_EUNSUPPORTED);
    support_golden("tokenizer-ranks-long", err.message);
    hone_free(text);
}
END_TEST

/* ---- SentencePiece ---- */

struct proto {
    unsigned char bytes[4096];
    size_t n;
};

static void put_varint(struct proto *p, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        p->bytes[p->n++] = (unsigned char)(value | 0x80);
    p->bytes[p->n++] = (unsigned char)value;
}

static void put_bytes(struct proto *p, unsigned field, const void *bytes, size_t n)
{
    put_varint(p, field << 3 | 2);
    put_varint(p, n);
    memcpy(p->bytes + p->n, bytes, n);
    p->n += n;
}

static void put_number(struct proto *p, unsigned field, uint64_t value)
{
    put_varint(p, field << 3);
    put_varint(p, value);
}

static void put_piece(struct proto *p, const char *text, float score, unsigned type)
{
    struct proto piece = {0};

    put_bytes(&piece, 1, text, strlen(text));
    put_varint(&piece, 2 << 3 | 5);
    memcpy(piece.bytes + piece.n, &score, sizeof score);
    piece.n += sizeof score;
    put_number(&piece, 3, type);
    put_bytes(p, 1, piece.bytes, piece.n);
}

/* "ba" scores higher than "ab"; "c" has bytes only; <user> is user-defined. */
static struct proto spm(unsigned model_type, bool trim)
{
    struct proto p = {0}, trainer = {0}, normalizer = {0};

    put_piece(&p, "<unk>", 0, 2);
    put_piece(&p, "<s>", 0, 3);
    put_piece(&p, "</s>", 0, 3);
    put_piece(&p, "<0x63>", 0, 6);
    put_piece(&p, "<user>", 0, 4);
    put_piece(&p, "ba", -1, 1);
    put_piece(&p, "ab", -2, 1);
    put_piece(&p, "\xe2\x96\x81" "a", -3, 1);
    put_piece(&p, "a", -4, 1);
    put_piece(&p, "b", -5, 1);
    put_piece(&p, "\xe2\x96\x81", -6, 1);
    put_number(&trainer, 3, model_type);
    put_number(&trainer, 41, 1);
    put_bytes(&p, 2, trainer.bytes, trainer.n);
    put_number(&normalizer, 3, 1);
    put_number(&normalizer, 4, trim);
    put_bytes(&p, 3, normalizer.bytes, normalizer.n);
    return p;
}

START_TEST(sentencepiece_models_merge_by_score_and_fall_back_to_bytes)
{
    struct proto p = spm(2, false);

    support_write(file("tokenizer.model"), p.bytes, p.n);
    for (int saved = 0; saved < 2; saved++) {
        load(support_folder());
        ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 11);
        ck_assert_int_eq(hone_tokenizer_role(tokenizer, "bos"), 1);
        ck_assert_int_eq(hone_tokenizer_role(tokenizer, "eos"), 2);
        ck_assert_int_eq(hone_tokenizer_role(tokenizer, "unk"), 0);
        encodes_to("aba", 0, "7 5");
        encodes_to("bab", HONE_ENCODE_BOS, "1 10 5 9");
        encodes_to(" a", 0, "10 7");
        encodes_to("ac", 0, "7 3");
        encodes_to("azzb", 0, "7 0 9");
        encodes_to("b<user>b", 0, "10 9 4 10 9");
        encodes_to("", HONE_ENCODE_BOS, "1");
        decodes_to("aba c", 4, (int32_t[]){ 7, 5, 10, 3 });
        decodes_to(" a", 2, (int32_t[]){ 10, 7 });
        ck_ok(hone_tokenizer_save(tokenizer, support_folder(), &err));
    }
}
END_TEST

START_TEST(sentencepiece_models_that_trim_drop_needless_spaces)
{
    struct proto p = spm(2, true);

    support_write(file("tokenizer.model"), p.bytes, p.n);
    load(file("tokenizer.model"));
    encodes_to("  a   a ", 0, "7 7");
}
END_TEST

START_TEST(a_sentencepiece_model_that_is_cut_short_is_refused)
{
    struct proto p = spm(2, false);
    int refused = 0;

    for (size_t n = 4; n < p.n; n++) {
        support_write(file("tokenizer.model"), p.bytes, n);
        refused += hone_tokenizer_load(&tokenizer, context, support_folder(), &err) != HONE_OK;
        hone_instance_free(tokenizer);
        tokenizer = NULL;
    }
    ck_assert_int_gt(refused, (int)p.n - 16); /* the last messages are not needed */
    support_write(file("tokenizer.model"), p.bytes, 100);
    ck_fails(HONE_EFORMAT, hone_tokenizer_load(&tokenizer, context, support_folder(), &err));
    support_golden("tokenizer-spm-short", err.message);
}
END_TEST

START_TEST(a_sentencepiece_model_of_another_type_is_refused_by_name)
{
    struct proto p = spm(1, false);

    support_write(file("tokenizer.model"), p.bytes, p.n);
    ck_fails(HONE_EUNSUPPORTED,
             hone_tokenizer_load(&tokenizer, context, support_folder(), &err));
    support_golden("tokenizer-spm-unigram", err.message);
}
END_TEST

/* ---- GPT-2's pair ---- */

START_TEST(merges_alone_imply_the_ids_that_gpt2_gave)
{
    write_text("vocab.bpe", "#version: 0.2\n\xc4\xa0 t\nh e\n\xc4\xa0t he\n");
    load(support_folder());
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 256 + 3 + 1);
    encodes_to(" the!", 0, "258 0");
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "eos"), 259);
    write_text("encoder.json", "{\"t\":0,\"h\":1,\"e\":2,\"\xc4\xa0\":3,\"\xc4\xa0t\":4,\"he\":5,"
                               "\"\xc4\xa0the\":6,\"model\":7}");
    load(support_folder());
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 8);
    encodes_to(" the", 0, "6");
}
END_TEST

/* ---- the steps of tokenizer.json that the parity files lack ---- */

/* a to e, a space, a mark, a dash, digits, and two tokens that merges make. */
static void load_steps(const char *normalizer, const char *pretokenizer)
{
    char json[4096];

    snprintf(json, sizeof json,
             "{\"added_tokens\":[],\"normalizer\":%s,\"pre_tokenizer\":%s,\"decoder\":null,"
             "\"model\":{\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"c\":3,\" \":4,"
             "\"\xe2\x96\x81\":5,\"-\":6,\"1\":7,\"2\":8,\"--\":9,\"b-\":10,\"-b\":11,\"12\":12,"
             "\"\xe2\x96\x81" "a\":13,\"a-\":14},\"merges\":[\"- -\",\"b -\",\"- b\",\"1 2\","
             "\"\xe2\x96\x81 a\",\"a -\"]}}", normalizer, pretokenizer);
    write_text("tokenizer.json", json);
    load(support_folder());
}

START_TEST(steps_do_what_they_are_named_for)
{
    static const struct {
        const char *normalizer, *pretokenizer, *text, *ids;
    } cases[] = {
        { "null", "null", "a--b", "1 9 2" },
        { "null", "null", "xya", "0 0 1" },
        { "{\"type\":\"Lowercase\"}", "null", "ABc", "1 2 3" },
        { "{\"type\":\"StripAccents\"}", "null", "a\xcc\x81" "b", "1 2" },
        { "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKD\"},{\"type\":"
          "\"StripAccents\"},{\"type\":\"Lowercase\"}]}", "null", "\xc3\x81\xef\xbd\x82", "1 2" },
        { "{\"type\":\"NFKC\"}", "null", "\xe2\x91\xab", "12" },
        { "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":false}", "null", " \n a ",
          "1 4" },
        { "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[xyz]+\"},\"content\":\"b\"}", "null",
          "axyzc", "1 2 3" },
        { "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x*\"},\"content\":\"b\"}", "null",
          "axc", "2 1 2 3 2" },
        { "null", "{\"type\":\"Digits\",\"individual_digits\":true}", "12", "7 8" },
        { "null", "{\"type\":\"Digits\",\"individual_digits\":false}", "a12", "1 12" },
        { "null", "{\"type\":\"Punctuation\"}", "--a", "6 6 1" },
        { "null", "{\"type\":\"WhitespaceSplit\"}", "a-- b", "1 9 2" },
        { "null", "{\"type\":\"Whitespace\"}", "a- - b", "1 6 6 2" },
        { "null", "{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":\"Removed\","
          "\"invert\":false}", "a--b-", "1 2" },
        { "null", "{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":\"Isolated\","
          "\"invert\":false}", "a--b-", "1 6 6 2 6" },
        { "null", "{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":"
          "\"Contiguous\",\"invert\":false}", "a--b-", "1 9 2 6" },
        { "null", "{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":"
          "\"MergedWithPrevious\",\"invert\":false}", "a--b-", "14 6 10" },
        { "null", "{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":"
          "\"MergedWithNext\",\"invert\":false}", "a--b-", "1 6 11 6" },
        { "null", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[ab]\"},\"behavior\":\"Removed\","
          "\"invert\":true}", "a--b-", "1 2" },
        { "null", "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
          "\"prepend_scheme\":\"always\"}", "a  a", "13 5 13" },
        { "null", "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
          "\"add_prefix_space\":false,\"prepend_scheme\":\"never\"}", "a a", "1 13" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        load_steps(cases[i].normalizer, cases[i].pretokenizer);
        encodes_to(cases[i].text, 0, cases[i].ids);
    }
}
END_TEST

START_TEST(without_a_decoder_tokens_are_joined_by_spaces)
{
    load_steps("null", "null");
    decodes_to("a b -b", 3, (int32_t[]){ 1, 2, 11 });
}
END_TEST

/* ---- bad files ---- */

#define MODEL(vocab, merges) \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":" vocab ",\"merges\":" merges "}}"
#define PART(part) "{" part ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}"

static const struct {
    const char *golden, *name, *text;
} bad_files[] = {
    { "tokenizer-json-broken", "tokenizer.json", "{\"model\":\n  {\"vocab\": oops}}" },
    { "tokenizer-json-cut", "tokenizer.json", "{\"model\":{\"vocab\":{\"a\":0" },
    { "tokenizer-json-unigram", "tokenizer.json",
      "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1.5]]}}" },
    { "tokenizer-json-untyped", "tokenizer.json", "{\"model\":{\"vocab\":{\"a\":0}}}" },
    { "tokenizer-json-modelless", "tokenizer.json", "{\"added_tokens\":[]}" },
    { "tokenizer-json-empty", "tokenizer.json", MODEL("{}", "[]") },
    { "tokenizer-json-gap", "tokenizer.json", MODEL("{\"a\":0,\"b\":2}", "[]") },
    { "tokenizer-json-twice", "tokenizer.json", MODEL("{\"a\":0,\"b\":0}", "[]") },
    { "tokenizer-json-id-text", "tokenizer.json", MODEL("{\"a\":\"0\"}", "[]") },
    { "tokenizer-json-id-negative", "tokenizer.json", MODEL("{\"a\":-1}", "[]") },
    { "tokenizer-json-id-large", "tokenizer.json", MODEL("{\"a\":16777216}", "[]") },
    { "tokenizer-json-merge-left", "tokenizer.json", MODEL("{\"a\":0,\"b\":1}", "[\"x b\"]") },
    { "tokenizer-json-merge-result", "tokenizer.json",
      MODEL("{\"a\":0,\"b\":1}", "[[\"a\",\"b\"]]") },
    { "tokenizer-json-merge-form", "tokenizer.json", MODEL("{\"a\":0}", "[\"a a a\"]") },
    { "tokenizer-json-merge-type", "tokenizer.json", MODEL("{\"a\":0}", "[7]") },
    { "tokenizer-json-added-id", "tokenizer.json",
      PART("\"added_tokens\":[{\"id\":1,\"content\":\"a\"}]") },
    { "tokenizer-json-added-taken", "tokenizer.json",
      PART("\"added_tokens\":[{\"id\":0,\"content\":\"<s>\"}]") },
    { "tokenizer-json-added-gap", "tokenizer.json",
      PART("\"added_tokens\":[{\"id\":5,\"content\":\"<s>\"}]") },
    { "tokenizer-json-normalizer", "tokenizer.json",
      PART("\"normalizer\":{\"type\":\"Precompiled\"}") },
    { "tokenizer-json-pretokenizer", "tokenizer.json",
      PART("\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}") },
    { "tokenizer-json-order", "tokenizer.json",
      PART("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
           "{\"type\":\"Digits\"}]}") },
    { "tokenizer-json-regex", "tokenizer.json",
      PART("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"}}") },
    { "tokenizer-json-behavior", "tokenizer.json",
      PART("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},"
           "\"behavior\":\"Sometimes\"}") },
    { "tokenizer-json-decoder", "tokenizer.json", PART("\"decoder\":{\"type\":\"CTC\"}") },
    { "tokenizer-json-processor", "tokenizer.json",
      PART("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
           "{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]}") },
    { "tokenizer-json-suffix", "tokenizer.json",
      "{\"model\":{\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":0},"
      "\"merges\":[]}}" },
    { "tokenizer-ranks-base64", "tokenizer.model", "YQ== 0\nY!== 1\n" },
    { "tokenizer-ranks-number", "tokenizer.model", "YQ== 0\nYg== one\n" },
    { "tokenizer-ranks-gap", "tokenizer.model", "YQ== 0\nYg== 2\n" },
    { "tokenizer-ranks-twice", "tokenizer.model", "YQ== 0\nYQ== 1\n" },
    { "tokenizer-merges-line", "vocab.bpe", "#version: 0.2\na b\nab\n" },
};
enum { BAD_FILES = sizeof bad_files / sizeof *bad_files };

START_TEST(a_bad_file_is_refused_with_a_reason)
{
    write_text(bad_files[_i].name, bad_files[_i].text);
    err = (hone_error){0};
    ck_assert_int_lt(hone_tokenizer_load(&tokenizer, context, support_folder(), &err), 0);
    ck_assert_int_ne(err.code, HONE_ENOTFOUND);
    ck_assert_ptr_null(tokenizer);
    support_golden(bad_files[_i].golden, err.message);
}
END_TEST

START_TEST(a_folder_without_a_tokenizer_is_told_from_a_bad_one)
{
    char path[4096];

    snprintf(path, sizeof path, "%s", file("nothing"));
    ck_fails(HONE_ENOTFOUND, hone_tokenizer_load(&tokenizer, context, support_folder(), &err));
    ck_fails(HONE_ENOTFOUND, hone_tokenizer_load(&tokenizer, context, path, &err));
    support_golden("tokenizer-none", err.message);
}
END_TEST

/* ---- bad calls ---- */

START_TEST(text_that_is_no_utf8_is_refused_with_its_offset)
{
    hone_ids ids = {0};

    load(support_file("parity/tokenizers/byte_level"));
    ck_ok(hone_ids_push(&ids, 7, &err));
    ck_fails(HONE_EINVAL, hone_tokenizer_encode(tokenizer, "abc\xff", 4, 0, &ids, &err));
    support_golden("tokenizer-utf8", err.message);
    ck_assert_uint_eq(ids.count, 1);
    hone_free(ids.items);
}
END_TEST

START_TEST(ids_past_the_vocabulary_are_refused)
{
    hone_text text = {0};
    hone_stream *stream;

    load(support_file("parity/tokenizers/llama2"));
    ck_ok(hone_text_push(&text, "kept", 4, &err));
    ck_fails(HONE_EINVAL,
             hone_tokenizer_decode(tokenizer, (int32_t[]){ 1, 505 }, 2, true, &text, &err));
    support_golden("tokenizer-id", err.message);
    ck_assert_str_eq(text.bytes, "kept");
    ck_fails(HONE_EINVAL, hone_tokenizer_decode(tokenizer, &(int32_t){ -1 }, 1, true, &text, &err));
    ck_ok(hone_stream_new(&stream, tokenizer, &err));
    ck_fails(HONE_EINVAL, hone_stream_push(stream, 505, &text, &err));
    hone_stream_free(stream);
    hone_free(text.bytes);
}
END_TEST

START_TEST(a_character_without_a_token_is_refused_by_name)
{
    hone_ids ids = {0};

    write_text("tokenizer.json", MODEL("{\"a\":0}", "[]"));
    load(support_folder());
    ck_fails(HONE_EINVAL, hone_tokenizer_encode(tokenizer, "a\xc3\xa9", 3, 0, &ids, &err));
    support_golden("tokenizer-character", err.message);
    hone_free(ids.items);
}
END_TEST

START_TEST(without_a_vocabulary_it_says_so)
{
    hone_ids ids = {0};

    make("{}");
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 0);
    ck_fails(HONE_ESTATE, hone_tokenizer_encode(tokenizer, "a", 1, 0, &ids, &err));
    support_golden("tokenizer-unloaded", err.message);
    ck_fails(HONE_ESTATE, hone_tokenizer_save(tokenizer, support_folder(), &err));
}
END_TEST

START_TEST(a_failed_load_leaves_what_was_there)
{
    char path[4096];

    load(support_file("parity/tokenizers/llama2"));
    snprintf(path, sizeof path, "%s", file("bad.json"));
    support_write(path, "{", 1);
    ck_assert_int_eq(load_with_options(path), HONE_EFORMAT);
    encodes_to("", HONE_ENCODE_BOS, "1");
}
END_TEST

/* ---- memory ---- */

/* Everything once, with the nth allocation failing. */
static int everything(const char *folder)
{
    static const char plain[] = "Plain <|im_start|>word, \xc3\xa9\xcc\xa3 12345";
    hone_instance *t = NULL;
    hone_ids ids = {0};
    hone_text text = {0};
    hone_stream *stream = NULL;
    int code = hone_tokenizer_load(&t, context, folder, &err);

    if (code == HONE_OK)
        code = hone_tokenizer_encode(t, plain, strlen(plain), HONE_ENCODE_SPECIAL | HONE_ENCODE_BOS,
                                     &ids, &err);
    if (code == HONE_OK)
        code = hone_tokenizer_decode(t, ids.items, ids.count, false, &text, &err);
    if (code == HONE_OK)
        code = hone_stream_new(&stream, t, &err);
    for (size_t i = 0; i < ids.count && code == HONE_OK; i++)
        code = hone_stream_push(stream, ids.items[i], &text, &err);
    if (code == HONE_OK)
        code = hone_tokenizer_save(t, support_folder(), &err);
    hone_stream_free(stream);
    hone_instance_free(t);
    hone_free(ids.items);
    hone_free(text.bytes);
    return code;
}

START_TEST(a_failed_allocation_is_an_error_and_leaks_nothing)
{
    static const char *const folders[] = { "llama2", "nfc", "metaspace" };
    char folder[4096];
    int64_t live;
    int code, failed = 0;

    snprintf(folder, sizeof folder, "parity/tokenizers/%s", folders[_i]);
    strcpy(folder, support_file(folder));
    ck_ok(everything(folder)); /* the plugin stays loaded */
    live = hone_alloc_live();
    for (uint64_t n = 1;; n += 1 + n / 32) { /* a vocabulary takes thousands */
        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = everything(folder);
        hone_alloc_fail_after(0);
        ck_assert_int_eq(hone_alloc_live(), live);
        if (code == HONE_OK)
            break;
        failed++;
        ck_assert_msg(err.message[0], "allocation %d failed in silence", (int)n);
    }
    ck_assert_int_gt(failed, 30);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer files");
    TCase *tests = tcase_create("files");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, ranks_merge_the_lowest_first_and_whole_pieces_at_once);
    tcase_add_test(tests, ranks_need_a_pattern_unless_their_number_is_known);
    tcase_add_test(tests, a_token_too_long_to_be_parted_everywhere_is_refused);
    tcase_add_test(tests, sentencepiece_models_merge_by_score_and_fall_back_to_bytes);
    tcase_add_test(tests, sentencepiece_models_that_trim_drop_needless_spaces);
    tcase_add_test(tests, a_sentencepiece_model_that_is_cut_short_is_refused);
    tcase_add_test(tests, a_sentencepiece_model_of_another_type_is_refused_by_name);
    tcase_add_test(tests, merges_alone_imply_the_ids_that_gpt2_gave);
    tcase_add_test(tests, steps_do_what_they_are_named_for);
    tcase_add_test(tests, without_a_decoder_tokens_are_joined_by_spaces);
    tcase_add_loop_test(tests, a_bad_file_is_refused_with_a_reason, 0, BAD_FILES);
    tcase_add_test(tests, a_folder_without_a_tokenizer_is_told_from_a_bad_one);
    tcase_add_test(tests, text_that_is_no_utf8_is_refused_with_its_offset);
    tcase_add_test(tests, ids_past_the_vocabulary_are_refused);
    tcase_add_test(tests, a_character_without_a_token_is_refused_by_name);
    tcase_add_test(tests, without_a_vocabulary_it_says_so);
    tcase_add_test(tests, a_failed_load_leaves_what_was_there);
    tcase_add_loop_test(tests, a_failed_allocation_is_an_error_and_leaks_nothing, 0, 3);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
