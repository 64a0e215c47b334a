/* test_store_scan.c -- lines of an import, scanned: the same row as the parser and the
 * canonical writer make, or left to them. */
#include "../core/store_rows.h"
#include "support.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ROW(content) "{\"content\":" content ",\"annotator\":\"x\",\"answers\":{\"a\":1}}"

static const char *at(const store_rows *rows, size_t place)
{
    return place == STORE_NONE ? "(none)" : rows->text.bytes + place;
}

static bool is_one(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* What core/store.c's table of fields asks of a row. */
static bool is_row(const json_t *row)
{
    const char *name;
    json_t *value;

    if (!json_object_get(row, "annotator") || !json_object_get(row, "answers"))
        return false;
    json_object_foreach((json_t *)row, name, value) {
        bool is_text = is_one("item", name) || is_one("annotator", name) || is_one("key", name);
        bool is_real = is_one("seconds", name) || is_one("at", name);

        if (is_text ? json_string_length(value) == 0
            : is_real ? !json_is_number(value) || json_number_value(value) < 0
            : is_one("order", name) ? !json_is_array(value)
            : is_one("answers", name) ? !json_is_object(value) : !is_one("content", name))
            return false;
    }
    return true;
}

/* Both ways: what the scan takes, the parser takes, and both say the same. */
static bool taken(const char *line, size_t n)
{
    store_rows scanned = { 0 }, parsed = { 0 };
    hone_error err = { 0 };
    json_t *row = NULL;
    char *copy = hone_alloc(n + 1, 1);
    int code;

    memcpy(copy, line, n);
    code = store_rows_scan(&scanned, copy, n, &err);
    ck_assert_int_ge(code, 0);
    ck_assert_uint_eq(scanned.count, (size_t)code);
    if (code == 0)
        ck_assert_uint_eq(scanned.text.count, 0);
    if (code == 1) {
        const store_place *a = scanned.places, *b;

        ck_assert_msg(hone_json_parse(&row, copy, n, NULL, &err) == HONE_OK, "%s: %s", copy,
                      err.message);
        ck_assert_msg(is_row(row), "%s", copy);
        ck_ok(store_rows_add(&parsed, row, &err));
        b = parsed.places;
        ck_assert_str_eq(at(&scanned, a->content), at(&parsed, b->content));
        ck_assert_str_eq(at(&scanned, a->item), at(&parsed, b->item));
        ck_assert_str_eq(at(&scanned, a->annotator), at(&parsed, b->annotator));
        ck_assert_str_eq(at(&scanned, a->key), at(&parsed, b->key));
        ck_assert_str_eq(at(&scanned, a->answers), at(&parsed, b->answers));
        ck_assert_str_eq(at(&scanned, a->order), at(&parsed, b->order));
        ck_assert_int_eq(a->sides, b->sides);
        ck_assert_uint_eq(a->ask_count, b->ask_count);
        ck_assert_msg(a->seconds == b->seconds && a->at == b->at, "%s", copy);
        for (size_t i = 0, places = a->asks; i < a->ask_count; i++) {
            const char *name = at(&scanned, places);
            json_t *answers = json_object_get(row, "answers");
            ck_assert_ptr_nonnull(json_object_get(answers, name));
            places += strlen(name) + 1;
        }
    }
    json_decref(row);
    hone_free(copy);
    store_rows_free(&scanned);
    store_rows_free(&parsed);
    return code == 1;
}

static bool takes(const char *line)
{
    return taken(line, strlen(line));
}

static const char *const plain[] = {
    ROW("{\"prompt\":\"p\",\"left\":\"a\",\"right\":\"b\"}"),
    ROW("\"a \\\"text\\\" with \\\\ and \\n\\t\\b\\f\\r\""),
    ROW("\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\""),
    ROW("[0,-1,123456789012345678,0.5,-3.25,1e3,1E-7,0.0,-0.0,1.50,12345678901234567890.5,"
        "0.00001,1e22,100000.0,1e+300,5e-324]"),
    ROW("{\"z\":[true,false,null,{}],\"a\":{\"c\":[],\"b\":{\"y\":1,\"x\":2}},\"ab\":1,\"aa\":2}"),
    ROW("{}") " ",
    " { \"content\" : 1 ,\t\"answers\":{ \"b\" : [ 1 , 2 ], \"a\":2},\"annotator\":\"y\"}",
    ("{\"item\":\"abc\",\"annotator\":\"ann\",\"answers\":{\"b\":1,\"a\":\"x\"},\"order\":[2,1],"
     "\"seconds\":3.5,\"at\":1700000000.125,\"key\":\"k:1\"}"),
    "{\"item\":\"abc\",\"annotator\":\"ann\",\"answers\":{},\"order\":[],\"seconds\":0,\"at\":1e9}",
    "{\"item\":\"abc\",\"annotator\":\"ann\",\"answers\":{},\"seconds\":0.1234567890123456789}",
};

START_TEST(what_most_lines_hold_is_taken_as_the_parser_takes_it)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        ck_assert_msg(takes(plain[i]), "%s", plain[i]);
}
END_TEST

/* Rare or wrong: for the parser. */
START_TEST(what_is_rare_or_wrong_is_left)
{
    static const char *const others[] = {
        "", "{}", "[]", "1", "{\"content\":1}", ROW("1") "x", ROW("1") ",", ROW("null"),
        ROW("\"\\u0041\""), ROW("\"\\/\""), ROW("\"\\x\""), ROW("\"a\tb\""), ROW("\"\x7f\""),
        ROW("\"\xff\""), ROW("\"\xc3\""), ROW("\"\xed\xa0\x80\""), ROW("\"open"),
        ROW("01"), ROW("-"), ROW("-0"), ROW("1."), ROW(".5"), ROW("1e"), ROW("1e999"), ROW("+1"),
        ROW("1234567890123456789"), ROW("NaN"), ROW("tru"), ROW("[1,]"), ROW("[,1]"), ROW("[1 2]"),
        ROW("{\"a\":1,\"a\":2}"), ROW("{\"b\":1,\"a\":1,\"b\":2}"), ROW("{\"a\" 1}"), ROW("{a:1}"),
        ROW("{\"a\":1,}"), ROW("{\"\\n\":1}"), ROW("{,}"),
        "{\"content\":1,\"annotator\":\"\",\"answers\":{}}",
        "{\"content\":1,\"annotator\":\"a\\n\",\"answers\":{}}",
        "{\"content\":1,\"annotator\":3,\"answers\":{}}",
        "{\"content\":1,\"annotator\":\"x\",\"answers\":[]}",
        "{\"content\":1,\"annotator\":\"x\",\"answers\":{},\"other\":1}",
        "{\"content\":1,\"content\":1,\"annotator\":\"x\",\"answers\":{}}",
        "{\"content\":1,\"annotator\":\"x\",\"answers\":{},\"seconds\":-1}",
        "{\"content\":1,\"annotator\":\"x\",\"answers\":{},\"at\":1e999}",
        "{\"content\":1,\"annotator\":\"x\",\"answers\":{},\"at\":null}",
        "{\"content\":1,\"annotator\":\"x\",\"answers\":{},\"order\":{}}",
    };
    char deep[600] = "";

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!takes(others[i]), "%s", others[i]);
    ck_assert(!taken(ROW("\"\0\""), sizeof ROW("\"\0\"") - 1));
    strcpy(deep, "{\"annotator\":\"x\",\"answers\":{},\"content\":");
    for (int i = 0; i < 100; i++)
        strcat(deep, "[");
    ck_assert(!takes(deep));
}
END_TEST

/* Bytes changed, removed, doubled: whatever comes of it, both ways agree. */
START_TEST(broken_lines_are_never_taken_otherwise_than_parsed)
{
    static const char bytes[] = "\"\\{}[],:0123456789.eE+-truefalsn \t\n\x7f\xc3\xa9\x01";
    uint64_t state = 7;
    int kept = 0;

    for (int round = 0; round < 20000; round++) {
        const char *from = plain[round % (int)(sizeof plain / sizeof *plain)];
        size_t n = strlen(from);
        char line[400];

        memcpy(line, from, n + 1);
        for (int edit = 0; edit <= round % 3; edit++) {
            size_t place, byte;
            state = state * 6364136223846793005u + 1442695040888963407u;
            place = (size_t)(state >> 33) % n;
            byte = (size_t)(state >> 20) % (sizeof bytes - 1);
            if (state >> 62 == 0 && n > 1)
                memmove(line + place, line + place + 1, n-- - place);
            else if (state >> 62 == 1)
                memmove(line + place + 1, line + place, ++n - place);
            else
                line[place] = bytes[byte];
        }
        kept += taken(line, n);
    }
    ck_assert_int_gt(kept, 1000); /* or it compared nothing */
}
END_TEST

START_TEST(a_scan_without_memory_adds_nothing)
{
    store_rows rows = { 0 };
    hone_error err;
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != 1; n++) {
        hone_alloc_fail_after(n);
        code = store_rows_scan(&rows, plain[0], strlen(plain[0]), &err);
        hone_alloc_fail_after(0);
        ck_assert(code == 1 || code == HONE_ENOMEM);
        ck_assert_uint_eq(rows.count, code == 1);
        ck_assert_uint_lt(n, 50);
    }
    store_rows_free(&rows);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_scan");
    TCase *tc = tcase_create("store_scan");

    tcase_add_test(tc, what_most_lines_hold_is_taken_as_the_parser_takes_it);
    tcase_add_test(tc, what_is_rare_or_wrong_is_left);
    tcase_add_test(tc, broken_lines_are_never_taken_otherwise_than_parsed);
    tcase_add_test(tc, a_scan_without_memory_adds_nothing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
