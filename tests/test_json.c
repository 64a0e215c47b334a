/* test_json.c -- JSON: what is refused and how, numbers, files. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int parse(hone_json **out, const char *text, hone_error *err)
{
    return hone_json_parse(out, text, strlen(text), "file.json", err);
}

static void parses_to(const char *text, const char *expected)
{
    hone_error err;
    hone_json *json;
    char *written;

    ck_ok(parse(&json, text, &err));
    written = hone_json_text(json);
    ck_assert_str_eq(written, expected);
    hone_free(written);
    hone_json_free(json);
}

static void refuses(const char *name, const char *text, size_t n)
{
    char golden[64];
    hone_error err;
    hone_json *json;

    ck_fails(HONE_EFORMAT, hone_json_parse(&json, text, n, "file.json", &err));
    ck_assert_ptr_null(json);
    snprintf(golden, sizeof golden, "json-%s", name);
    support_golden(golden, err.message);
}

START_TEST(values_come_back_as_they_were)
{
    parses_to(" { \"b\" : [ 1 , -2.5 , \"x\" , true , false , null ] , \"a\" : { } } ",
              "{\"b\":[1,-2.5,\"x\",true,false,null],\"a\":{}}");
    parses_to("\"\\u00e9\\n\\t\\\"\\\\\\u001f\\ud83d\\ude00/\"",
              "\"\xC3\xA9\\n\\t\\\"\\\\\\u001f\xF0\x9F\x98\x80/\"");
    parses_to("\xEF\xBB\xBF[]", "[]");
}
END_TEST

START_TEST(numbers_keep_their_bits_in_the_fewest_digits)
{
    parses_to("[0.1, 3e-4, 1e22, 1.0, 5e-324, 1.7976931348623157e308, 0.30000000000000004, -0.0]",
              "[0.1,0.0003,1e+22,1.0,5e-324,1.7976931348623157e+308,0.30000000000000004,-0.0]");
    parses_to("[9223372036854775807,-9223372036854775808]",
              "[9223372036854775807,-9223372036854775808]");
}
END_TEST

START_TEST(integers_past_64_bits_become_numbers_with_a_point)
{
    parses_to("{\"max\":1000000000000000019884624838656,\"12345678901234567890\":[1,2]}",
              "{\"max\":1e+30,\"12345678901234567890\":[1,2]}");
}
END_TEST

START_TEST(broken_texts_are_refused_with_line_and_column)
{
    static const char nul[] = "{\"a\": \"x\\u0000y\"}", raw[] = "[\"a\0b\"]";

    refuses("comma", "{\n  \"a\": 1,\n  \"b\" 2\n}", 22);
    refuses("cut", "{\"a\": [1, 2", 11);
    refuses("empty", "", 0);
    refuses("after", "{} x", 4);
    refuses("twice", "{\"a\": 1, \"a\": 2}", 16);
    refuses("utf8", "[\"\xC3\x28\"]", 6);
    refuses("nan", "[NaN]", 5);
    refuses("huge", "[1e999]", 7);
    refuses("zero", nul, sizeof nul - 1);
    refuses("zero-byte", raw, sizeof raw - 1);
    refuses("single-quotes", "{'a': 1}", 8);
    refuses("trailing", "[1,]", 4);
}
END_TEST

START_TEST(nesting_is_allowed_to_512_levels)
{
    enum { DEPTH = 512 };
    char text[2 * DEPTH + 16], million[1 << 20];
    hone_error err;
    hone_json *json;

    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    ck_ok(hone_json_parse(&json, text, 2 * DEPTH, NULL, &err));
    hone_json_free(json);
    memset(text, '[', DEPTH + 1);
    memset(text + DEPTH + 1, ']', DEPTH + 1);
    refuses("deep", text, 2 * DEPTH + 2);
    memset(million, '[', sizeof million);
    refuses("deep", million, sizeof million);
    /* brackets in texts are not nesting */
    million[0] = '"';
    million[sizeof million - 1] = '"';
    ck_ok(hone_json_parse(&json, million, sizeof million, NULL, &err));
    hone_json_free(json);
}
END_TEST

START_TEST(every_prefix_of_a_text_is_refused_without_a_crash)
{
    static const char text[] = "{\"a\\\"b\": [-1.5e+3, 123456789012345678901, \"\\u20ac\"]}";

    for (size_t n = 0; n < sizeof text - 1; n++) {
        hone_error err;
        hone_json *json;
        char *copy = malloc(n + 1); /* exactly as long, for the sanitizer */

        memcpy(copy, text, n);
        copy = realloc(copy, n ? n : 1);
        ck_fails(HONE_EFORMAT, hone_json_parse(&json, copy, n, NULL, &err));
        free(copy);
    }
}
END_TEST

START_TEST(members_and_types_are_told)
{
    hone_error err;
    hone_json *json;

    ck_ok(parse(&json, "{\"s\":\"text\",\"i\":1,\"r\":1.5,\"t\":true,\"f\":false,\"n\":null,"
                       "\"l\":[],\"o\":{}}", &err));
    ck_assert_str_eq(hone_json_string(hone_json_get(json, "s")), "text");
    ck_assert_ptr_null(hone_json_string(hone_json_get(json, "i")));
    ck_assert_ptr_null(hone_json_get(json, "absent"));
    ck_assert_ptr_null(hone_json_get(hone_json_get(json, "l"), "x"));
    ck_assert_ptr_null(hone_json_get(NULL, "x"));
    ck_assert_str_eq(hone_json_type(hone_json_get(json, "i")), "integer");
    ck_assert_str_eq(hone_json_type(hone_json_get(json, "r")), "number");
    ck_assert_str_eq(hone_json_type(hone_json_get(json, "t")), "true");
    ck_assert_str_eq(hone_json_type(hone_json_get(json, "f")), "false");
    ck_assert_str_eq(hone_json_type(hone_json_get(json, "n")), "null");
    ck_assert_str_eq(hone_json_type(hone_json_get(json, "l")), "array");
    ck_assert_str_eq(hone_json_type(json), "object");
    hone_json_free(hone_json_ref(json));
    hone_json_free(json);
    hone_json_free(NULL);
}
END_TEST

START_TEST(a_value_that_contains_itself_is_not_written)
{
    json_t *list = json_array();

    json_array_append(list, list); /* jansson refuses this one */
    for (int i = 0; i < 5000; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, list);
        list = outer;
    }
    ck_assert_ptr_null(hone_json_text(list));
    json_decref(list);
}
END_TEST

START_TEST(files_are_written_whole_and_read_back)
{
    char path[512], missing[512];
    hone_error err;
    hone_json *json, *again;
    struct stat st;

    snprintf(path, sizeof path, "%s/a.json", support_folder());
    snprintf(missing, sizeof missing, "%s/missing/a.json", support_folder());
    ck_ok(parse(&json, "{\"a\":[1,{\"b\":0.1}],\"c\":{},\"d\":[]}", &err));
    ck_ok(hone_json_write(json, path, &err));
    ck_ok(hone_json_write(json, path, &err)); /* over itself */
    ck_ok(hone_json_read(&again, path, &err));
    ck_assert(json_equal(json, again));
    hone_json_free(again);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0600, 0600);
    ck_fails(HONE_ENOTFOUND, hone_json_write(json, missing, &err));
    support_golden("json-write-missing", err.message);
    ck_fails(HONE_ENOTFOUND, hone_json_read(&again, missing, &err));
    support_golden("json-read-missing", err.message);
    ck_fails(HONE_EINVAL, hone_json_read(&again, support_folder(), &err));
    support_golden("json-read-folder", err.message);
    hone_json_free(json);
}
END_TEST

START_TEST(a_write_that_fails_leaves_the_old_file_and_nothing_else)
{
    char path[512], command[600];
    hone_error err;
    hone_json *json, *again;
    int64_t before;

    snprintf(path, sizeof path, "%s/kept.json", support_folder());
    ck_ok(parse(&json, "{\"kept\":true}", &err));
    ck_ok(hone_json_write(json, path, &err));
    before = hone_alloc_live();
    for (uint64_t n = 1;; n++) {
        int code;

        hone_alloc_fail_after(n);
        code = hone_json_write(json, path, &err);
        hone_alloc_fail_after(0);
        ck_assert_int_eq(hone_alloc_live(), before);
        if (code == HONE_OK)
            break;
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_uint_lt(n, 100);
    }
    ck_ok(hone_json_read(&again, path, &err));
    ck_assert(json_equal(json, again));
    snprintf(command, sizeof command, "test \"$(ls -A %s)\" = kept.json", support_folder());
    ck_assert_int_eq(system(command), 0);
    hone_json_free(again);
    hone_json_free(json);
}
END_TEST

START_TEST(reading_fails_cleanly_when_memory_is_short)
{
    static const char *const texts[] = {
        "{\"a\":12345678901234567890123}",
        "{\"a text of many bytes as a key\":[\"and one as a value, which is longer\",1,2.5,true],"
        "\"b\":{\"c\":[[],{},null,\"\u00fc\"]}}",
    };
    const char *text = texts[_i];
    int64_t before = hone_alloc_live();
    char path[512];

    /* jansson asserts that there was room for a number of 16 digits or more: ours only. */
    if (_i == 0)
        json_set_alloc_funcs(malloc, free);
    snprintf(path, sizeof path, "%s/short.json", support_folder());
    support_write(path, text, strlen(text));
    for (uint64_t n = 1;; n++) {
        hone_error err = {0};
        hone_json *json;
        int code;

        hone_alloc_fail_after(n);
        code = hone_json_read(&json, path, &err);
        hone_alloc_fail_after(0);
        hone_json_free(json);
        ck_assert_int_eq(hone_alloc_live(), before);
        if (code == HONE_OK)
            break;
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

static int64_t until_short;

static void *short_alloc(size_t size)
{
    return --until_short == 0 ? NULL : malloc(size);
}

START_TEST(a_copy_is_whole_or_none)
{
    json_t *json, *list, *copy = NULL;
    char key[16];

    json_set_alloc_funcs(short_alloc, free); /* before the first value */
    json = json_object();
    list = json_array();
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        json_object_set_new(json, key, json_pack("{s:i}", "i", i));
        json_array_append(list, json_object_get(json, key));
    }
    json_object_set_new(json, "list", list);
    for (int kind = 0; kind < 3; kind++, copy = NULL) { /* shallow, of a list, deep */
        const json_t *from = kind == 1 ? list : json;

        for (int64_t n = 1; !copy; n++) {
            until_short = n;
            copy = hone_json_copy(from, kind == 2);
            ck_assert(!copy || until_short > 0);
            ck_assert_int_lt(n, 10000);
        }
        until_short = 0;
        ck_assert(json_equal(copy, from));
        json_decref(copy);
    }
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");

    tcase_add_test(tc, values_come_back_as_they_were);
    tcase_add_test(tc, numbers_keep_their_bits_in_the_fewest_digits);
    tcase_add_test(tc, integers_past_64_bits_become_numbers_with_a_point);
    tcase_add_test(tc, broken_texts_are_refused_with_line_and_column);
    tcase_add_test(tc, nesting_is_allowed_to_512_levels);
    tcase_add_test(tc, every_prefix_of_a_text_is_refused_without_a_crash);
    tcase_add_test(tc, members_and_types_are_told);
    tcase_add_test(tc, a_value_that_contains_itself_is_not_written);
    tcase_add_test(tc, files_are_written_whole_and_read_back);
    tcase_add_test(tc, a_write_that_fails_leaves_the_old_file_and_nothing_else);
    tcase_add_test(tc, a_copy_is_whole_or_none);
    tcase_add_loop_test(tc, reading_fails_cleanly_when_memory_is_short, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
