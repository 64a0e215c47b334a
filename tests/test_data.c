/* test_data.c -- datasets from files of every kind: rows, lines, errors. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static hone_context *context;

static void setup(void)
{
    context = support_context();
}

static void teardown(void)
{
    hone_context_free(context);
}

/* A file in the test's folder; its path is valid until the next but three. */
static const char *file_of(const char *name, const void *bytes, size_t n)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", support_folder(), name);
    support_write(path, bytes, n);
    return path;
}

static const char *text_of(const char *name, const char *text)
{
    return file_of(name, text, strlen(text));
}

static hone_data *load(const char *path, const char *options)
{
    hone_error err;
    hone_json *json = NULL;
    hone_data *data;

    if (options)
        ck_ok(hone_json_parse(&json, options, strlen(options), "options", &err));
    ck_ok(hone_data_load(&data, context, path, json, &err));
    hone_json_free(json);
    return data;
}

/* Load a file that cannot be; the message must be the golden one. */
static void refuse(int code, const char *golden, const char *path, const char *options)
{
    hone_json *json = NULL;
    hone_data *data;
    hone_error err;

    if (options)
        ck_ok(hone_json_parse(&json, options, strlen(options), "options", &err));
    ck_fails(code, hone_data_load(&data, context, path, json, &err));
    ck_assert_ptr_null(data);
    support_golden(golden, err.message);
    hone_json_free(json);
}

static const char *column(const hone_data *data, size_t row, const char *name)
{
    const char *text = hone_json_string(hone_json_get(hone_data_row(data, row), name));

    return text ? text : "(none)";
}

static void ck_where(const hone_data *data, size_t row, const char *ending)
{
    char where[512];
    size_t n, m = strlen(ending);

    ck_assert_int_eq(hone_data_where(data, row, where, sizeof where), HONE_OK);
    n = strlen(where);
    ck_assert_msg(n >= m && strcmp(where + n - m, ending) == 0, "%s is not %s", where, ending);
}

START_TEST(a_line_of_jsonl_is_a_row_and_knows_its_line)
{
    hone_data *data = load(text_of("a.jsonl", "{\"text\":\"one\"}\n\n  \n{\"text\":\"two\"}"),
                           NULL);

    ck_assert_uint_eq(hone_data_count(data), 2);
    ck_assert_str_eq(column(data, 0, "text"), "one");
    ck_assert_str_eq(column(data, 1, "text"), "two");
    ck_where(data, 0, "/a.jsonl:1");
    ck_where(data, 1, "/a.jsonl:4");
    ck_assert_ptr_null(hone_data_row(data, 2));
    hone_data_free(data);
}
END_TEST

START_TEST(byte_order_mark_and_crlf_are_no_part_of_rows)
{
    hone_data *data = load(text_of("b.jsonl", "\xef\xbb\xbf{\"text\":\"a\"}\r\n"
                                              "{\"text\":\"b\"}\r\n"), NULL);

    ck_assert_uint_eq(hone_data_count(data), 2);
    hone_data_free(data);
    data = load(text_of("b.csv", "\xef\xbb\xbf" "a,b\r\n1,\"x\r\ny\"\r\n"), NULL);
    ck_assert_str_eq(column(data, 0, "a"), "1");
    ck_assert_str_eq(column(data, 0, "b"), "x\r\ny");
    hone_data_free(data);
    data = load(text_of("b.txt", "\xef\xbb\xbfone\r\nline\r\n\r\ntwo\r\n"), NULL);
    ck_assert_uint_eq(hone_data_count(data), 2);
    ck_assert_str_eq(column(data, 0, "text"), "one\nline");
    hone_data_free(data);
}
END_TEST

START_TEST(a_list_of_objects_is_read_an_element_at_a_time)
{
    hone_data *data = load(text_of("c.json", " [\n{\"text\": \"a ] \\\" } ,\"},\n\n"
                                             " {\"x\":[1,{}],\n"
                                             " \"text\":\"b\"} ] \n"), NULL);

    ck_assert_uint_eq(hone_data_count(data), 2);
    ck_assert_str_eq(column(data, 0, "text"), "a ] \" } ,");
    ck_where(data, 0, "/c.json:2");
    ck_where(data, 1, "/c.json:4");
    hone_data_free(data);
    data = load(text_of("lines.json", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n"), NULL);
    ck_assert_uint_eq(hone_data_count(data), 2);
    hone_data_free(data);
}
END_TEST

START_TEST(csv_fields_may_hold_quotes_separators_and_lines)
{
    hone_data *data = load(text_of("d.csv", ",a,b\n1,\"x, \"\"y\"\"\",\"two\nlines\"\n\n"
                                            "007,5\" disk,\n"), NULL);

    ck_assert_uint_eq(hone_data_count(data), 2);
    ck_assert_str_eq(column(data, 0, "column_1"), "1");
    ck_assert_str_eq(column(data, 0, "a"), "x, \"y\"");
    ck_assert_str_eq(column(data, 0, "b"), "two\nlines");
    ck_assert_str_eq(column(data, 1, "column_1"), "007");
    ck_assert_str_eq(column(data, 1, "a"), "5\" disk");
    ck_assert_str_eq(column(data, 1, "b"), "");
    ck_where(data, 1, "/d.csv:5");
    hone_data_free(data);
    data = load(text_of("d.csv", "a,a,a_2,a\n1,2,3,4\n"), NULL);
    ck_assert_str_eq(column(data, 0, "a"), "1");
    ck_assert_str_eq(column(data, 0, "a_2"), "2");
    ck_assert_str_eq(column(data, 0, "a_2_2"), "3");
    ck_assert_str_eq(column(data, 0, "a_3"), "4");
    hone_data_free(data);
    data = load(text_of("d.tsv", "a\tb\n1,5\t\"\"\n"), NULL);
    ck_assert_str_eq(column(data, 0, "a"), "1,5");
    ck_assert_str_eq(column(data, 0, "b"), "");
    hone_data_free(data);
}
END_TEST

START_TEST(a_row_of_text_is_a_paragraph_a_line_or_the_file)
{
    const char *path = text_of("e.txt", "\n one\ntwo\n \t\n\nthree");
    hone_data *data = load(path, NULL);

    ck_assert_uint_eq(hone_data_count(data), 2);
    ck_assert_str_eq(column(data, 0, "text"), " one\ntwo");
    ck_where(data, 0, "/e.txt:2");
    ck_where(data, 1, "/e.txt:6");
    hone_data_free(data);
    data = load(path, "{\"unit\":\"line\"}");
    ck_assert_uint_eq(hone_data_count(data), 3);
    ck_assert_str_eq(column(data, 1, "text"), "two");
    ck_where(data, 1, "/e.txt:3");
    hone_data_free(data);
    data = load(path, "{\"unit\":\"file\"}");
    ck_assert_uint_eq(hone_data_count(data), 1);
    ck_assert_str_eq(column(data, 0, "text"), " one\ntwo\n \t\n\nthree");
    hone_data_free(data);
}
END_TEST

static const char *gzip_of(const char *name, const char *text)
{
    const char *path = text_of(name, "");
    gzFile file = gzopen(path, "wb");

    ck_assert_int_eq(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    ck_assert_int_eq(gzclose(file), Z_OK);
    return path;
}

START_TEST(compressed_files_load_like_plain_ones_and_have_their_hash)
{
    const char *text = "{\"text\":\"a\",\"n\":1.5}\n{\"text\":\"b\"}\n";
    hone_data *plain = load(text_of("f.jsonl", text), NULL);
    hone_data *packed = load(gzip_of("f.jsonl.gz", text), NULL);
    hone_data *spaced = load(text_of("g.jsonl", "{ \"text\": \"a\", \"n\" : 1.5 }\n"
                                                "{\"text\":\"b\"}"), NULL);
    hone_data *other = load(text_of("h.jsonl", "{\"text\":\"b\"}\n"
                                               "{\"text\":\"a\",\"n\":1.5}\n"), NULL);

    ck_assert_uint_eq(hone_data_count(packed), 2);
    ck_assert_str_eq(hone_data_hash(plain),
                     "90fe1db21613d7ae980838f1c773e7dc21b646b5667890ae9acc1efd902415c6");
    ck_assert_str_eq(hone_data_hash(plain), hone_data_hash(packed));
    ck_assert_str_eq(hone_data_hash(plain), hone_data_hash(spaced));
    ck_assert_str_ne(hone_data_hash(plain), hone_data_hash(other));
    hone_data_free(plain);
    hone_data_free(packed);
    hone_data_free(spaced);
    hone_data_free(other);
}
END_TEST

START_TEST(columns_are_renamed_and_may_change_places)
{
    const char *path = text_of("i.jsonl", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}\n{\"a\":\"4\"}\n");
    hone_data *data = load(path, "{\"columns\":{\"a\":\"b\",\"b\":\"a\",\"text\":\"c\"}}");

    ck_assert_str_eq(column(data, 0, "a"), "2");
    ck_assert_str_eq(column(data, 0, "b"), "1");
    ck_assert_str_eq(column(data, 0, "text"), "3");
    ck_assert_str_eq(column(data, 0, "c"), "(none)");
    ck_assert_str_eq(column(data, 1, "b"), "4");
    ck_assert_str_eq(column(data, 1, "a"), "(none)");
    hone_data_free(data);
}
END_TEST

START_TEST(limit_stops_before_what_is_broken_later)
{
    hone_data *data = load(text_of("j.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\nbroken"),
                           "{\"limit\":2}");

    ck_assert_uint_eq(hone_data_count(data), 2);
    hone_data_free(data);
    data = load(text_of("j.json", "[{\"a\":1},{\"b\":2},broken"), "{\"limit\":2}");
    ck_assert_uint_eq(hone_data_count(data), 2);
    hone_data_free(data);
}
END_TEST

static char logged[1024];

static void keep_line(void *user, hone_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(logged, sizeof logged, "%s", line);
}

START_TEST(invalid_utf8_is_refused_or_left_out_by_option)
{
    const char *text = "{\"text\":\"good\"}\n{\"text\":\"b\xff" "d\"}\n"
                       "{\"text\":\"\xed\xa0\x80\"}\n";
    const char *path = text_of("k.jsonl", text);
    hone_data *data;

    refuse(HONE_EFORMAT, "data-utf8-jsonl", path, NULL);
    hone_context_on_log(context, keep_line, NULL);
    data = load(path, "{\"utf8\":\"drop\"}");
    ck_assert_uint_eq(hone_data_count(data), 1);
    support_golden("data-utf8-dropped", logged);
    hone_data_free(data);
    refuse(HONE_EFORMAT, "data-utf8-all", text_of("l.txt", "\xc0\xaf"), "{\"utf8\":\"drop\"}");
    refuse(HONE_EFORMAT, "data-utf8-csv", text_of("k.csv", "a,b\n1,2\n3,\xe2\x28\xa1\n"), NULL);
    refuse(HONE_EFORMAT, "data-utf8-header", text_of("l.csv", "a,\xfe\n1,2\n"), NULL);
    refuse(HONE_EFORMAT, "data-utf16", file_of("m.jsonl", "\xff\xfe{\0", 4), NULL);
}
END_TEST

START_TEST(a_broken_line_is_named_by_its_number)
{
    char *text = malloc(60000 * 14), *at = text;

    for (int i = 1; i <= 60000; i++)
        at = stpcpy(at, i == 51873 ? "{\"text\": \"ab\n" : "{\"text\":\"a\"}\n");
    refuse(HONE_EFORMAT, "data-line-51873", file_of("big.jsonl", text, (size_t)(at - text)), NULL);
    free(text);
}
END_TEST

START_TEST(broken_json_says_where_and_what)
{
    refuse(HONE_EFORMAT, "data-json-array", text_of("n.jsonl", "{\"a\":1}\n[1]\n"), NULL);
    refuse(HONE_EFORMAT, "data-json-twice", text_of("n.jsonl", "{\"a\":1,\"a\":2}\n"), NULL);
    refuse(HONE_EFORMAT, "data-json-two", text_of("n.jsonl", "{\"a\":1} {\"a\":2}\n"), NULL);
    refuse(HONE_EFORMAT, "data-json-nul", text_of("n.jsonl", "{\"a\":\"\\u0000\"}\n"), NULL);
    refuse(HONE_EFORMAT, "data-list-cut", text_of("n.json", "[{\"a\":1}\n,\n{\"a\":2}\n"), NULL);
    refuse(HONE_EFORMAT, "data-list-row", text_of("n.json", "[{\"a\":1},\n{\n\"a\":oops}]"), NULL);
    refuse(HONE_EFORMAT, "data-list-comma", text_of("n.json", "[{\"a\":1},]"), NULL);
    refuse(HONE_EFORMAT, "data-list-missing-comma", text_of("n.json", "[{\"a\":1}\n{\"a\":1}]"),
           NULL);
    refuse(HONE_EFORMAT, "data-list-after", text_of("n.json", "[{\"a\":1}]\n]"), NULL);
    refuse(HONE_EFORMAT, "data-list-number", text_of("n.json", "[1]"), NULL);
    refuse(HONE_EFORMAT, "data-list-none", text_of("n.json", "\"text\""), NULL);
}
END_TEST

START_TEST(broken_csv_says_where_and_what)
{
    refuse(HONE_EFORMAT, "data-csv-fields", text_of("o.csv", "a,b\n1,2\n\n3\n"), NULL);
    refuse(HONE_EFORMAT, "data-csv-quote", text_of("o.csv", "a,b\n1,2\n3,\"x\ny\n"), NULL);
    refuse(HONE_EFORMAT, "data-csv-after", text_of("o.csv", "a,b\n1,\"x\ny\"z\n"), NULL);
    refuse(HONE_EFORMAT, "data-csv-zero", file_of("o.csv", "a\n1\0\n", 5), NULL);
}
END_TEST

START_TEST(a_dataset_without_rows_is_refused)
{
    hone_json *none = json_array();
    hone_data *data;
    hone_error err;

    refuse(HONE_EFORMAT, "data-empty-jsonl", text_of("p.jsonl", "\n"), NULL);
    refuse(HONE_EFORMAT, "data-empty-json", text_of("p.json", "[]"), NULL);
    refuse(HONE_EFORMAT, "data-empty-csv", text_of("p.csv", "a,b\n"), NULL);
    refuse(HONE_EFORMAT, "data-empty-text", text_of("p.txt", ""), NULL);
    ck_fails(HONE_EINVAL, hone_data_new(&data, context, none, "rows", &err));
    support_golden("data-empty-rows", err.message);
    hone_json_free(none);
}
END_TEST

START_TEST(files_that_cannot_be_read_say_why)
{
    char missing[512];
    const char *path = gzip_of("q.jsonl.gz", "{\"text\":\"some text to pack\"}\n");
    size_t n;
    char *bytes = support_read(path, &n);

    snprintf(missing, sizeof missing, "%s/missing.jsonl", support_folder());
    refuse(HONE_ENOTFOUND, "data-missing", missing, NULL);
    refuse(HONE_EUNSUPPORTED, "data-kind", text_of("q.parquet", "PAR1"), NULL);
    refuse(HONE_EFORMAT, "data-gzip-plain", text_of("r.jsonl.gz", "{\"text\":\"a\"}\n"), NULL);
    refuse(HONE_EFORMAT, "data-gzip-cut", file_of("s.jsonl.gz", bytes, n - 6), NULL);
    bytes[12] ^= 0x55;
    refuse(HONE_EFORMAT, "data-gzip-broken", file_of("t.jsonl.gz", bytes, n), NULL);
    hone_free(bytes);
}
END_TEST

START_TEST(options_are_checked_by_name)
{
    const char *path = text_of("u.jsonl", "{\"question\":\"a\",\"id\":1}\n");

    refuse(HONE_ENOTFOUND, "data-column", path, "{\"columns\":{\"prompt\":\"qestion\"}}");
    refuse(HONE_EINVAL, "data-columns-list", path, "{\"columns\":[\"prompt\"]}");
    refuse(HONE_EINVAL, "data-columns-number", path, "{\"columns\":{\"prompt\":1}}");
    refuse(HONE_EINVAL, "data-limit", path, "{\"limit\":0}");
    refuse(HONE_EINVAL, "data-unit", path, "{\"unit\":\"page\"}");
    refuse(HONE_EINVAL, "data-option", path, "{\"column\":{}}");
}
END_TEST

START_TEST(a_row_longer_than_the_limit_is_refused)
{
    size_t n = ((size_t)64 << 20) + 64;
    char *text = malloc(n);

    memset(text, 'x', n);
    memcpy(text, "{\"a\":1}\n{\"a\":\"", 14);
    refuse(HONE_EFORMAT, "data-long", file_of("long.jsonl", text, n), NULL);
    free(text);
}
END_TEST

START_TEST(selected_rows_keep_their_lines_and_share_their_values)
{
    hone_data *data = load(text_of("v.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n"
                                              "{\"text\":\"c\"}"), NULL);
    hone_data *part, *all;
    hone_error err;

    ck_ok(hone_data_select(&part, data, (size_t[]){ 2, 0 }, 2, &err));
    ck_ok(hone_data_select(&all, data, (size_t[]){ 0, 1, 2 }, 3, &err));
    ck_assert_uint_eq(hone_data_count(part), 2);
    ck_assert_ptr_eq(hone_data_row(part, 0), hone_data_row(data, 2));
    ck_where(part, 0, "/v.jsonl:3");
    ck_assert_str_eq(hone_data_hash(all), hone_data_hash(data));
    ck_assert_str_ne(hone_data_hash(part), hone_data_hash(data));
    hone_data_free(all);
    ck_fails(HONE_EINVAL, hone_data_select(&all, data, (size_t[]){ 3 }, 1, &err));
    hone_data_free(data);
    ck_assert_str_eq(column(part, 1, "text"), "a");
    hone_data_free(part);
}
END_TEST

START_TEST(rows_in_memory_are_numbered_from_one)
{
    hone_json *rows;
    hone_data *data;
    hone_error err;

    rows = json_pack("[{s:s},{s:s}]", "text", "a", "text", "b");
    ck_ok(hone_data_new(&data, context, rows, "rows", &err));
    hone_json_free(rows);
    ck_where(hone_data_ref(data), 1, "rows:2");
    hone_data_free(data);
    ck_assert_str_eq(column(data, 1, "text"), "b");
    hone_data_free(data);
    rows = json_pack("[{s:s}, i]", "text", "a", 3);
    ck_fails(HONE_EFORMAT, hone_data_new(&data, context, rows, "rows", &err));
    support_golden("data-rows-number", err.message);
    hone_json_free(rows);
}
END_TEST

/* Names of files and how many rows an independent reader finds in them. */
static const struct {
    const char *name;
    size_t rows;
} others[] = {
    { "instructions/self_instruct_seeds.jsonl", 175 },
    { "instructions/fastchat_conversations.json", 500 },
    { "instructions/mt_bench_questions.jsonl", 80 },
    { "preference/hh_harmless_1800.jsonl.gz", 1800 },
    { "preference/finegrained_350.json", 350 },
    { "bias/crows_pairs.csv", 1508 },
    { "bias/compas.csv", 7214 },
    { "crowd/snow_wordsim.tsv", 300 },
};

START_TEST(files_by_others_load)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *path = support_data(others[i].name);
        hone_data *data;
        if (!path) {
            support_skip("files_by_others_load", "no test data");
            return;
        }
        data = load(path, NULL);
        ck_assert_msg(hone_data_count(data) == others[i].rows, "%s: %zu rows", path,
                      hone_data_count(data));
        hone_data_free(data);
    }
}
END_TEST

START_TEST(failing_allocations_are_errors_and_leak_nothing)
{
    const char *paths[] = {
        text_of("w.jsonl", "{\"a\":\"x\"}\n{\"a\":\"y\"}\n"),
        text_of("w.csv", "a,b\n1,\"2\"\n"),
        text_of("w.txt", "one\n\ntwo\n"),
        text_of("w.json", "[{\"a\":\"x\"},{\"a\":\"y\"}]"),
    };
    hone_json *options = json_pack("{s:{s:s}}", "columns", "text", "a");
    int64_t before = hone_alloc_live();

    for (size_t p = 0; p < 4; p++) {
        hone_json *given = p == 2 ? NULL : options;
        for (uint64_t n = 1;; n++) {
            hone_data *data;
            hone_error err = { 0 };
            hone_alloc_fail_after(n);
            int code = hone_data_load(&data, context, paths[p], given, &err);
            hone_alloc_fail_after(0);
            hone_data_free(data);
            ck_assert_int_eq(hone_alloc_live(), before);
            if (code == HONE_OK)
                break;
            ck_assert_msg(code == HONE_ENOMEM && err.message[0], "%d %s", code, err.message);
            ck_assert_uint_lt(n, 1000);
        }
    }
    hone_json_free(options);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data");
    TCase *files = tcase_create("files");

    tcase_add_checked_fixture(files, setup, teardown);
    tcase_set_timeout(files, 60);
    tcase_add_test(files, a_line_of_jsonl_is_a_row_and_knows_its_line);
    tcase_add_test(files, byte_order_mark_and_crlf_are_no_part_of_rows);
    tcase_add_test(files, a_list_of_objects_is_read_an_element_at_a_time);
    tcase_add_test(files, csv_fields_may_hold_quotes_separators_and_lines);
    tcase_add_test(files, a_row_of_text_is_a_paragraph_a_line_or_the_file);
    tcase_add_test(files, compressed_files_load_like_plain_ones_and_have_their_hash);
    tcase_add_test(files, columns_are_renamed_and_may_change_places);
    tcase_add_test(files, limit_stops_before_what_is_broken_later);
    tcase_add_test(files, invalid_utf8_is_refused_or_left_out_by_option);
    tcase_add_test(files, a_broken_line_is_named_by_its_number);
    tcase_add_test(files, broken_json_says_where_and_what);
    tcase_add_test(files, broken_csv_says_where_and_what);
    tcase_add_test(files, a_dataset_without_rows_is_refused);
    tcase_add_test(files, files_that_cannot_be_read_say_why);
    tcase_add_test(files, options_are_checked_by_name);
    tcase_add_test(files, a_row_longer_than_the_limit_is_refused);
    tcase_add_test(files, selected_rows_keep_their_lines_and_share_their_values);
    tcase_add_test(files, rows_in_memory_are_numbered_from_one);
    tcase_add_test(files, files_by_others_load);
    tcase_add_test(files, failing_allocations_are_errors_and_leak_nothing);
    suite_add_tcase(suite, files);
    return support_run(suite);
}
