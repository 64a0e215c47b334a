/* test_tokenizer.c -- text to ids and back: against what the Hugging Face
 * package says of small tokenizers (parity/README.md), against the vectors of
 * published ones where the test data is there, against itself. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
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

static void load(const char *path)
{
    hone_instance_free(tokenizer);
    ck_ok(hone_tokenizer_load(&tokenizer, context, path, &err));
}

/* ---- comparing ---- */

static char *ids_text(const hone_ids *ids)
{
    static char text[1 << 16];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < ids->count && n < sizeof text - 16; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%d", i ? " " : "", ids->items[i]);
    return text;
}

static void encodes_to(const char *text, size_t n, int flags, const char *expected)
{
    hone_ids ids = {0};

    ck_ok(hone_tokenizer_encode(tokenizer, text, n, flags, &ids, &err));
    ck_assert_msg(strcmp(ids_text(&ids), expected) == 0, "'%.*s': %s, not %s", (int)n, text,
                  ids_text(&ids), expected);
    hone_free(ids.items);
}

static hone_ids ids_of(const json_t *list)
{
    hone_ids ids = {0};
    const json_t *id;
    size_t i;

    json_array_foreach(list, i, id)
        ck_ok(hone_ids_push(&ids, (int32_t)json_integer_value(id), &err));
    return ids;
}

static size_t whole(const unsigned char *s, size_t n)
{
    size_t size = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < size; i++)
        if (i >= n || (s[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* Append text[0..n) to out; bytes that are no characters become U+FFFD: each
 * run that begins a character and breaks off one. */
static void push_lossy(hone_text *out, const char *text, size_t n)
{
    for (size_t i = 0, size; i < n; i += size) {
        const unsigned char *s = (const unsigned char *)text + i;

        size = whole(s, n - i);
        if (size) {
            ck_ok(hone_text_push(out, text + i, size, &err));
            continue;
        }
        ck_ok(hone_text_push(out, "\xef\xbf\xbd", 3, &err));
        size = 1;
        if (*s >= 0xe0 && *s < 0xf5)
            while (size < n - i && size < (*s < 0xf0 ? 2u : 3u) && (s[size] & 0xc0) == 0x80)
                size++;
    }
}

static hone_text lossy(const hone_text *text)
{
    hone_text out = {0};

    ck_ok(hone_text_push(&out, "", 0, &err));
    push_lossy(&out, text->bytes, text->count);
    return out;
}

static bool is_byte(int32_t id)
{
    return id >= 3 && id < 259;
}

/* The package's ByteFallback marks every byte of a run of byte tokens that is
 * no text as a whole, the good characters in it, too; hone keeps bytes. */
static hone_text lossy_runs(const hone_ids *ids, bool special)
{
    hone_text out = {0}, text = {0};
    size_t done = 0;

    ck_ok(hone_text_push(&out, "", 0, &err));
    for (size_t i = 0, j; i < ids->count; i = j) {
        bool broken = false;

        for (j = i + 1; j < ids->count && is_byte(ids->items[i]) && is_byte(ids->items[j]); j++)
            ;
        text.count = 0;
        ck_ok(hone_tokenizer_decode(tokenizer, ids->items, j, special, &text, &err));
        for (size_t at = done, size; at < text.count && !broken; at += size) {
            size = whole((unsigned char *)text.bytes + at, text.count - at);
            broken = !size;
        }
        for (size_t k = i; k < j && broken; k++)
            ck_ok(hone_text_push(&out, "\xef\xbf\xbd", 3, &err));
        if (!broken)
            ck_ok(hone_text_push(&out, text.bytes + done, text.count - done, &err));
        done = text.count;
    }
    hone_free(text.bytes);
    return out;
}

static void decodes_to(const hone_ids *ids, bool special, bool runs, const json_t *expected)
{
    hone_text text = {0}, shown;

    ck_ok(hone_tokenizer_decode(tokenizer, ids->items, ids->count, special, &text, &err));
    shown = runs ? lossy_runs(ids, special) : lossy(&text);
    ck_assert_uint_eq(shown.count, json_string_length(expected));
    ck_assert_mem_eq(shown.bytes, json_string_value(expected), shown.count);
    hone_free(text.bytes);
    hone_free(shown.bytes);
}

/* What comes out of a stream is what decode says, broken characters shown. */
static void streams_as_it_decodes(const hone_ids *ids)
{
    hone_stream *stream;
    hone_text streamed = {0}, text = {0}, shown;

    ck_ok(hone_stream_new(&stream, tokenizer, &err));
    for (size_t i = 0; i < ids->count; i++) {
        size_t before = streamed.count;

        ck_ok(hone_stream_push(stream, ids->items[i], &streamed, &err));
        for (size_t at = before, size; at < streamed.count; at += size) {
            size = whole((unsigned char *)streamed.bytes + at, streamed.count - at);
            ck_assert_msg(size, "half a character after id %d", ids->items[i]);
        }
    }
    ck_ok(hone_stream_end(stream, &streamed, &err));
    ck_ok(hone_tokenizer_decode(tokenizer, ids->items, ids->count, false, &text, &err));
    shown = lossy(&text);
    ck_assert_uint_eq(streamed.count, shown.count);
    ck_assert_mem_eq(streamed.bytes, shown.bytes, shown.count);
    hone_stream_free(stream);
    hone_free(streamed.bytes);
    hone_free(text.bytes);
    hone_free(shown.bytes);
}

/* ---- parity ---- */

static const char *const small[] = { "byte_level", "ignore_merges", "nfc", "llama2", "metaspace" };
enum { SMALL = 5 };

static json_t *small_vectors(int i)
{
    char name[128];
    json_t *vectors;

    snprintf(name, sizeof name, "parity/tokenizers/%s", small[i]);
    load(support_file(name));
    snprintf(name, sizeof name, "parity/tokenizers/%s/vectors.json", small[i]);
    vectors = json_load_file(support_file(name), JSON_ALLOW_NUL, NULL);
    ck_assert_msg(vectors, "%s", name);
    ck_assert_uint_gt(json_array_size(json_object_get(vectors, "cases")), 50);
    return vectors;
}

static bool falls_back(int i)
{
    return i >= 3;
}

static void expect_ids(const json_t *row, const char *key, int flags)
{
    const json_t *text = json_object_get(row, "text");
    hone_ids ids = ids_of(json_object_get(row, key));
    char *expected = hone_strdup(ids_text(&ids));

    encodes_to(json_string_value(text), json_string_length(text), flags, expected);
    hone_free(expected);
    hone_free(ids.items);
}

START_TEST(it_encodes_as_the_tokenizers_package_does)
{
    json_t *vectors = small_vectors(_i);
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(vectors, "cases"), i, row) {
        expect_ids(row, "ids", HONE_ENCODE_SPECIAL);
        expect_ids(row, "ids_special", HONE_ENCODE_SPECIAL | HONE_ENCODE_BOS);
    }
    json_decref(vectors);
}
END_TEST

START_TEST(it_decodes_as_the_tokenizers_package_does)
{
    json_t *vectors = small_vectors(_i);
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(vectors, "cases"), i, row) {
        hone_ids ids = ids_of(json_object_get(row, "ids"));

        decodes_to(&ids, true, falls_back(_i), json_object_get(row, "decoded"));
        decodes_to(&ids, false, falls_back(_i), json_object_get(row, "decoded_skip"));
        hone_free(ids.items);
    }
    json_array_foreach(json_object_get(vectors, "decode"), i, row) {
        hone_ids ids = ids_of(json_object_get(row, "ids"));

        decodes_to(&ids, true, falls_back(_i), json_object_get(row, "text"));
        hone_free(ids.items);
    }
    json_decref(vectors);
}
END_TEST

START_TEST(a_stream_of_ids_gives_what_decode_gives)
{
    static const char *const lists[] = { "cases", "decode" };
    json_t *vectors = small_vectors(_i);
    const json_t *row;
    size_t i;

    for (int list = 0; list < 2; list++) {
        json_array_foreach(json_object_get(vectors, lists[list]), i, row) {
            hone_ids ids = ids_of(json_object_get(row, "ids"));

            streams_as_it_decodes(&ids);
            hone_free(ids.items);
        }
    }
    json_decref(vectors);
}
END_TEST

/* A model that is saved and read again says the same. */
START_TEST(a_saved_tokenizer_reads_back_the_same)
{
    json_t *vectors = small_vectors(_i);
    const json_t *row;
    int64_t vocab = hone_tokenizer_vocab(tokenizer);
    size_t i;

    ck_ok(hone_tokenizer_save(tokenizer, support_folder(), &err));
    load(support_folder());
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), vocab);
    json_array_foreach(json_object_get(vectors, "cases"), i, row)
        expect_ids(row, "ids_special", HONE_ENCODE_SPECIAL | HONE_ENCODE_BOS);
    json_decref(vectors);
}
END_TEST

/* ---- published tokenizers ---- */

static const struct {
    const char *path, *vectors;
} published[] = {
    { "gpt2/tokenizer.json", "gpt-2" },
    { "gpt2/vocab.bpe", "gpt-2" },
    { "gpt2/encoder.json", "gpt-2" },
    { "llama3/tokenizer.model", "llama-bpe" },
    { "qwen/qwen.tiktoken", "qwen2" },
    { "llama2/tokenizer.model", "llama-spm" },
};
enum { PUBLISHED = 6 };

/* Cases are parted by lines of their own; a line of ids each. */
static void check_vectors(const char *name)
{
    static const char part[] = "\n__ggml_vocab_test__\n";
    char file[128];
    char *texts, *lines, *text, *line, *next;
    int cases = 0;

    snprintf(file, sizeof file, "tokenizers/vectors/%s.inp", name);
    texts = support_read(support_data(file), NULL);
    snprintf(file, sizeof file, "tokenizers/vectors/%s.out", name);
    lines = support_read(support_data(file), NULL);
    text = texts;
    for (line = lines; *line; line = next + 1, cases++) {
        char *end = strstr(text, part);

        next = strchr(line, '\n');
        *next = '\0';
        encodes_to(text, end ? (size_t)(end - text) : strlen(text), HONE_ENCODE_PLAIN,
                   line + (*line == ' '));
        if (end)
            text = end + strlen(part);
    }
    ck_assert_int_eq(cases, 46);
    hone_free(texts);
    hone_free(lines);
}

START_TEST(it_encodes_the_published_vectors)
{
    char file[128];

    snprintf(file, sizeof file, "tokenizers/%s", published[_i].path);
    if (!support_data(file)) {
        support_skip("it encodes the published vectors", "no test data");
        return;
    }
    load(support_data(file));
    check_vectors(published[_i].vectors);
    ck_ok(hone_tokenizer_save(tokenizer, support_folder(), &err));
    load(support_folder());
    check_vectors(published[_i].vectors);
}
END_TEST

START_TEST(it_takes_the_text_of_stories260k_apart_and_together)
{
    const char *folder = support_data("models/stories260k");
    char *text;
    size_t n;
    hone_ids ids = {0};
    hone_text back = {0};

    if (!folder) {
        support_skip("it takes the text of stories260k apart and together", "no test data");
        return;
    }
    load(folder);
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 512);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "bos"), 1);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "eos"), 2);
    text = support_read(support_data("text/tinystories_sample.txt"), &n);
    ck_ok(hone_tokenizer_encode(tokenizer, text, n, HONE_ENCODE_BOS, &ids, &err));
    ck_assert_int_eq(ids.items[0], 1);
    ck_ok(hone_tokenizer_decode(tokenizer, ids.items, ids.count, false, &back, &err));
    ck_assert_uint_eq(back.count, n);
    ck_assert_mem_eq(back.bytes, text, n);
    streams_as_it_decodes(&ids);
    hone_free(ids.items);
    hone_free(back.bytes);
    hone_free(text);
}
END_TEST

/* ---- round trips ---- */

static size_t encoded(uint32_t c, char out[4])
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n == 1 ? c : 0xf00u >> n | c);
    return n;
}

/* Any character, of every length in bytes alike; no surrogates. */
static size_t random_character(hone_random *r, char out[4])
{
    static const uint32_t from[] = { 0, 0x80, 0x800, 0xe000, 0x10000 };
    static const uint32_t to[] = { 0x80, 0x800, 0xd800, 0x10000, 0x110000 };
    uint64_t kind = hone_random_below(r, 5);
    uint32_t c = from[kind] + (uint32_t)hone_random_below(r, to[kind] - from[kind]);

    return encoded(c, out);
}

START_TEST(byte_level_tokenizers_give_back_any_text)
{
    static const char *const folders[] = { "byte_level", "ignore_merges" };
    hone_random r = hone_random_named(1, "any text");
    char name[128];

    snprintf(name, sizeof name, "parity/tokenizers/%s", folders[_i]);
    load(support_file(name));
    for (int round = 0; round < 300; round++) {
        hone_text text = {0}, back = {0};
        hone_ids ids = {0};
        uint64_t n = hone_random_below(&r, 200);

        ck_ok(hone_text_push(&text, "", 0, &err));
        for (uint64_t i = 0; i < n; i++) {
            char c[4];
            ck_ok(hone_text_push(&text, c, random_character(&r, c), &err));
        }
        ck_ok(hone_tokenizer_encode(tokenizer, text.bytes, text.count, HONE_ENCODE_PLAIN, &ids,
                                    &err));
        ck_ok(hone_tokenizer_decode(tokenizer, ids.items, ids.count, true, &back, &err));
        ck_assert_uint_eq(back.count, text.count);
        ck_assert_mem_eq(back.bytes, text.bytes, text.count);
        streams_as_it_decodes(&ids);
        hone_free(ids.items);
        hone_free(back.bytes);
        hone_free(text.bytes);
    }
}
END_TEST

/* A word as long as a book, which only the heap merges in good time, comes to
 * the same as its pieces do: "ab" merges, nothing else. */
START_TEST(a_long_piece_is_merged_as_short_ones_are)
{
    enum { PAIRS = 200000 };
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"abab\":3},"
        "\"merges\":[\"a b\",\"ab ab\"]}}";
    char *text = hone_alloc(2 * PAIRS, 1), path[4096];
    hone_ids ids = {0};

    for (int i = 0; i < PAIRS; i++)
        memcpy(text + 2 * i, "ab", 2);
    snprintf(path, sizeof path, "%s/long.json", support_folder());
    support_write(path, json, strlen(json));
    load(path);
    ck_ok(hone_tokenizer_encode(tokenizer, text, 2 * PAIRS, 0, &ids, &err));
    ck_assert_uint_eq(ids.count, PAIRS / 2);
    for (size_t i = 0; i < ids.count; i++)
        ck_assert_int_eq(ids.items[i], 3);
    encodes_to("ababab", 6, 0, "3 2");
    encodes_to("bab", 3, 0, "1 2");
    hone_free(ids.items);
    hone_free(text);
}
END_TEST

/* ---- the rest of the interface ---- */

START_TEST(special_names_are_plain_text_unless_asked_for)
{
    load(support_file("parity/tokenizers/llama2"));
    encodes_to("</s>", 4, HONE_ENCODE_SPECIAL, "2");
    encodes_to("", 0, HONE_ENCODE_BOS, "1");
    for (int i = 0; i < 2; i++) {
        hone_ids ids = {0};

        ck_ok(hone_tokenizer_encode(tokenizer, "</s>", 4, i ? HONE_ENCODE_BOS : HONE_ENCODE_PLAIN,
                                    &ids, &err));
        ck_assert_uint_gt(ids.count, 3);
        for (size_t j = (size_t)i; j < ids.count; j++)
            ck_assert_int_gt(ids.items[j], 2);
        hone_free(ids.items);
    }
}
END_TEST

START_TEST(tokens_are_found_by_text_and_shown_by_id)
{
    size_t n;
    bool special;
    const char *bytes;
    int32_t id;

    load(support_file("parity/tokenizers/byte_level"));
    id = hone_tokenizer_find(tokenizer, " t", 2);
    ck_assert_int_gt(id, 0);
    bytes = hone_tokenizer_token(tokenizer, id, &n, &special);
    ck_assert_uint_eq(n, 2);
    ck_assert_mem_eq(bytes, " t", 2);
    ck_assert(!special);
    id = hone_tokenizer_find(tokenizer, "<|im_end|>", 10);
    bytes = hone_tokenizer_token(tokenizer, id, &n, &special);
    ck_assert_mem_eq(bytes, "<|im_end|>", 10);
    ck_assert(special);
    ck_assert_int_eq(hone_tokenizer_find(tokenizer, "no such token", 13), -1);
    ck_assert_ptr_null(hone_tokenizer_token(tokenizer, -1, &n, &special));
    ck_assert_ptr_null(hone_tokenizer_token(tokenizer, (int32_t)hone_tokenizer_vocab(tokenizer),
                                            &n, &special));
    load(support_file("parity/tokenizers/llama2"));
    id = hone_tokenizer_find(tokenizer, "<0x0A>", 6);
    bytes = hone_tokenizer_token(tokenizer, id, &n, &special);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(*bytes, '\n');
    id = hone_tokenizer_find(tokenizer, "\xe2\x96\x81t", 4);
    bytes = hone_tokenizer_token(tokenizer, id, &n, &special);
    ck_assert_uint_eq(n, 2);
    ck_assert_mem_eq(bytes, " t", 2);
}
END_TEST

START_TEST(roles_are_what_the_folder_says)
{
    static const char config[] = "{\"bos_token\":null,\"eos_token\":{\"content\":\"<|im_end|>\"}}";
    static const char map[] = "{\"pad_token\":\"<left>\",\"eos_token\":\"<right>\"}";
    char path[4096], *json;
    size_t n;

    json = support_read(support_file("parity/tokenizers/byte_level/tokenizer.json"), &n);
    snprintf(path, sizeof path, "%s/tokenizer.json", support_folder());
    support_write(path, json, n);
    load(support_folder());
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "bos"), 0);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "eos"), 0);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "pad"), -1);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "nonsense"), -1);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", support_folder());
    support_write(path, config, strlen(config));
    snprintf(path, sizeof path, "%s/special_tokens_map.json", support_folder());
    support_write(path, map, strlen(map));
    for (int saved = 0; saved < 2; saved++) {
        load(support_folder());
        ck_assert_int_eq(hone_tokenizer_role(tokenizer, "bos"), -1);
        ck_assert_int_eq(hone_tokenizer_role(tokenizer, "eos"),
                         hone_tokenizer_find(tokenizer, "<|im_end|>", 10));
        ck_assert_int_eq(hone_tokenizer_role(tokenizer, "pad"),
                         hone_tokenizer_find(tokenizer, "<left>", 6));
        ck_ok(hone_tokenizer_save(tokenizer, support_folder(), &err));
        snprintf(path, sizeof path, "%s/special_tokens_map.json", support_folder());
        remove(path);
    }
    hone_free(json);
}
END_TEST

START_TEST(bytes_are_tokens_and_are_saved_for_others)
{
    static const char text[] = "a\xc3\xa9 \xff<|endoftext|>";
    hone_text back = {0};
    hone_ids ids = {0};

    ck_ok(hone_instance_new(&tokenizer, context, "tokenizer", "byte", NULL, &err));
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 258);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "eos"), 256);
    encodes_to(text, 4, HONE_ENCODE_BOS, "256 97 195 169 32");
    encodes_to(text + 5, 13, HONE_ENCODE_SPECIAL, "256");
    ck_ok(hone_tokenizer_encode(tokenizer, text, strlen(text), 0, &ids, &err));
    ck_assert_uint_eq(ids.count, strlen(text));
    ck_ok(hone_tokenizer_decode(tokenizer, ids.items, ids.count, true, &back, &err));
    ck_assert_str_eq(back.bytes, text);
    streams_as_it_decodes(&ids);

    ck_ok(hone_tokenizer_save(tokenizer, support_folder(), &err));
    load(support_folder());
    ck_assert_str_eq(hone_instance_plugin(tokenizer)->name, "bpe");
    ck_assert_int_eq(hone_tokenizer_vocab(tokenizer), 258);
    ck_assert_int_eq(hone_tokenizer_role(tokenizer, "pad"), 257);
    encodes_to(text, 4, HONE_ENCODE_BOS, "256 97 195 169 32");
    back.count = 0;
    ck_ok(hone_tokenizer_decode(tokenizer, ids.items, ids.count, true, &back, &err));
    ck_assert_str_eq(back.bytes, text);
    hone_free(ids.items);
    hone_free(back.bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *tests = tcase_create("tokenizer");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, it_encodes_as_the_tokenizers_package_does, 0, SMALL);
    tcase_add_loop_test(tests, it_decodes_as_the_tokenizers_package_does, 0, SMALL);
    tcase_add_loop_test(tests, a_stream_of_ids_gives_what_decode_gives, 0, SMALL);
    tcase_add_loop_test(tests, a_saved_tokenizer_reads_back_the_same, 0, SMALL);
    tcase_add_loop_test(tests, it_encodes_the_published_vectors, 0, PUBLISHED);
    tcase_add_test(tests, it_takes_the_text_of_stories260k_apart_and_together);
    tcase_add_loop_test(tests, byte_level_tokenizers_give_back_any_text, 0, 2);
    tcase_add_test(tests, a_long_piece_is_merged_as_short_ones_are);
    tcase_add_test(tests, special_names_are_plain_text_unless_asked_for);
    tcase_add_test(tests, tokens_are_found_by_text_and_shown_by_id);
    tcase_add_test(tests, roles_are_what_the_folder_says);
    tcase_add_test(tests, bytes_are_tokens_and_are_saved_for_others);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
