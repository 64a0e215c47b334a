/* test_judgement_load.c -- judgements straight from files. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static hone_error err;

static const hone_judgement_columns columns = { .item = "item", .annotator = "who",
                                                .value = "label" };

static const char *file_of(const char *name, const char *text)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s", support_folder(), name);
    support_write(path, text, strlen(text));
    return path;
}

static const char *label_at(const hone_judgements *j, size_t row)
{
    return hone_judgements_label_name(j, (size_t)hone_judgements_label(j)[row]);
}

START_TEST(each_format_gives_the_same_table)
{
    static const struct { const char *name, *text; } files[] = {
        { "a.csv", "who,item,label,rest\r\nann,q1,yes,1\r\nbob,q1,\"n,o\",2\r\nann,q2,no,\r\n" },
        { "a.tsv", "who\titem\tlabel\nann\tq1\tyes\nbob\tq1\tn,o\n\nann\tq2\tno" },
        { "a.jsonl", "{\"who\": \"ann\", \"item\": \"q1\", \"label\": \"yes\"}\n"
                     "{\"who\": \"bob\", \"item\": \"q1\", \"label\": \"n,o\"}\n"
                     "{\"who\": \"ann\", \"item\": \"q2\", \"label\": \"no\", \"x\": null}\n" },
        { "a.json", "[{\"who\": \"ann\", \"item\": \"q1\", \"label\": \"yes\"},"
                    " {\"who\": \"bob\", \"item\": \"q1\", \"label\": \"n,o\"},"
                    " {\"who\": \"ann\", \"item\": \"q2\", \"label\": \"no\"}]" },
    };
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_load(&j, file_of(files[_i].name, files[_i].text), &columns, NULL, NULL,
                               NULL, &err));
    ck_assert_uint_eq(hone_judgements_count(j), 3);
    ck_assert_uint_eq(hone_judgements_items(j), 2);
    ck_assert_uint_eq(hone_judgements_annotators(j), 2);
    ck_assert_str_eq(label_at(j, 0), "yes");
    ck_assert_str_eq(label_at(j, 1), "n,o");
    ck_assert_str_eq(label_at(j, 2), "no");
    ck_assert_int_eq(hone_judgements_annotator(j)[1], 1);
    hone_judgements_free(j);
}
END_TEST

START_TEST(a_gzip_file_is_read_as_it_is)
{
    static const char text[] = "item,who,label\n1,1,a\n1,2,b\n";
    char path[4096];
    hone_judgements *j = NULL;
    gzFile file;

    snprintf(path, sizeof path, "%s/z.csv.gz", support_folder());
    ck_assert_ptr_nonnull(file = gzopen(path, "wb"));
    gzwrite(file, text, sizeof text - 1);
    gzclose(file);
    ck_ok(hone_judgements_load(&j, path, &columns, NULL, NULL, NULL, &err));
    ck_assert_uint_eq(hone_judgements_count(j), 2);
    hone_judgements_free(j);
}
END_TEST

static const char described[] =
    "item,who,label,region,text\nq1,ann,a,north,hello\nq1,bob,b,,hello\nq2,ann,a,north,bye\n"
    "q2,bob,b,south,\n";

START_TEST(columns_describe_annotators_and_items)
{
    static const char *const regions[] = { "region", NULL }, *const texts[] = { "text", NULL };
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_load(&j, file_of("d.csv", described), &columns, NULL, regions, texts,
                               &err));
    ck_assert_str_eq(hone_json_string(hone_json_get(hone_judgements_annotator_attributes(j, 0),
                                                    "region")), "north");
    ck_assert_str_eq(hone_json_string(hone_json_get(hone_judgements_annotator_attributes(j, 1),
                                                    "region")), "south");
    ck_assert_str_eq(hone_json_string(hone_json_get(hone_judgements_item_attributes(j, 1),
                                                    "text")), "bye");
    hone_judgements_free(j);
}
END_TEST

START_TEST(what_a_file_cannot_be_is_said_with_line_and_column)
{
    static const char *const regions[] = { "region", NULL }, *const scale[] = { "a", "b", NULL };
    const struct {
        const char *golden, *file, *text;
        hone_judgement_columns columns;
        const char *const *attributes;
    } cases[] = {
        { "judgements-load-column", "e.csv", "item,who,answer\n1,1,a\n", columns, NULL },
        { "judgements-load-empty", "e.csv", "item,who,label\n1,1,a\n2,1,\n", columns, NULL },
        { "judgements-load-twice", "e.csv", "item,who,label\n\n1,1,a\n2,1,a\n1,1,b\n", columns,
          NULL },
        { "judgements-load-fields", "e.csv", "item,who,label\n1,1\n", columns, NULL },
        { "judgements-load-none", "e.csv", "item,who,label\n", columns, NULL },
        { "judgements-load-kind", "e.xls", "", columns, NULL },
        { "judgements-load-utf8", "e.csv", "item,who,label\n1,\xff,a\n", columns, NULL },
        { "judgements-load-object", "e.jsonl", "{\"item\": 1, \"who\": 1, \"label\": 1}\n[]\n",
          columns, NULL },
        { "judgements-load-json", "e.jsonl", "{\"item\": 1, \"who\": 1, \"label\": }\n", columns,
          NULL },
        { "judgements-load-contradiction", "e.csv",
          "item,who,label,region\n1,ann,a,north\n2,ann,a,south\n", columns, regions },
        { "judgements-load-attribute", "e.csv", "item,who,label\n1,ann,a\n", columns, regions },
        { "judgements-load-attribute-json", "e.jsonl",
          "{\"item\": 1, \"who\": 1, \"label\": 1}\n", columns, regions },
        { "judgements-load-scale", "e.csv", "item,who,label\n1,1,a\n2,1,c\n",
          { .item = "item", .annotator = "who", .value = "label", .labels = scale }, NULL },
        { "judgements-load-range", "e.csv", "item,who,label\n1,1,7\n",
          { .item = "item", .annotator = "who", .value = "label", .level = HONE_INTERVAL,
            .ranged = true, .low = 1, .high = 5 }, NULL },
        { "judgements-load-nan", "e.csv", "item,who,label\n1,1,nan\n",
          { .item = "item", .annotator = "who", .value = "label", .level = HONE_INTERVAL },
          NULL },
        { "judgements-load-range-reversed", "e.csv", "item,who,label\n1,1,7\n",
          { .item = "item", .annotator = "who", .value = "label", .level = HONE_INTERVAL,
            .ranged = true, .low = 5, .high = 1 }, NULL },
        { "judgements-load-no-left", "e.csv", "item,who,label\n1,1,left\n",
          { .item = "item", .annotator = "who", .value = "label", .level = HONE_PAIR }, NULL },
    };
    hone_judgements *j = NULL;
    int code = hone_judgements_load(&j, file_of(cases[_i].file, cases[_i].text),
                                    &cases[_i].columns, NULL, cases[_i].attributes, NULL, &err);

    ck_assert_int_ne(code, HONE_OK);
    ck_assert_ptr_null(j);
    support_golden(cases[_i].golden, err.message);
}
END_TEST

START_TEST(duplicates_of_a_file_are_resolved_as_told)
{
    hone_judgements *j = NULL;
    const char *path = file_of("f.csv", "item,who,label\n1,1,a\n2,1,a\n1,1,b\n");

    ck_ok(hone_judgements_load(&j, path, &columns, "latest", NULL, NULL, &err));
    ck_assert_uint_eq(hone_judgements_count(j), 2);
    ck_assert_uint_eq(hone_judgements_dropped(j), 1);
    ck_assert_str_eq(label_at(j, 0), "b");
    hone_judgements_free(j);
    ck_fails(HONE_EINVAL, hone_judgements_load(&j, path, &columns, "newest", NULL, NULL, &err));
    support_golden("judgements-load-policy", err.message);
}
END_TEST

START_TEST(pairs_rankings_and_regions_are_read_from_csv)
{
    static const char *const words[] = { "model_a", "model_b", "tie", NULL };
    hone_judgement_columns c = { .annotator = "who", .value = "winner", .level = HONE_PAIR,
                                 .left = "a", .right = "b", .strength = "by", .labels = words };
    const int32_t *options, *ranks;
    const double *numbers;
    hone_judgements *j = NULL;

    ck_ok(hone_judgements_load(&j, file_of("p.csv", "who,a,b,winner,by\n1,x,y,model_b,2\n"
                                                    "2,y,x,tie,\n"), &c, NULL, NULL, NULL, &err));
    ck_assert_uint_eq(hone_judgements_items(j), 1); /* one pair in both orders */
    ck_assert_int_eq(hone_judgements_label(j)[0], HONE_RIGHT);
    ck_assert_int_eq(hone_judgements_label(j)[1], HONE_TIE);
    ck_assert_double_eq(hone_judgements_value(j)[0], 2);
    ck_assert_double_eq(hone_judgements_value(j)[1], 1);
    ck_assert_int_eq(hone_judgements_left(j)[1], 1);
    hone_judgements_free(j);

    c = (hone_judgement_columns){ .item = "item", .annotator = "who", .ranking = "order",
                                  .level = HONE_RANKING };
    ck_ok(hone_judgements_load(&j, file_of("r.csv", "item,who,order\n"
                               "1,1,\"[\"\"x\"\", [\"\"y\"\", 3], \"\"z\"\"]\"\n"), &c, NULL,
                               NULL, NULL, &err));
    ck_assert_uint_eq(hone_judgements_ranking(j, 0, &options, &ranks), 4);
    ck_assert_str_eq(hone_judgements_option_name(j, (size_t)options[2]), "3");
    ck_assert_int_eq(ranks[1], 2);
    ck_assert_int_eq(ranks[2], 2);
    ck_assert_int_eq(ranks[3], 4);
    hone_judgements_free(j);

    c = (hone_judgement_columns){ .item = "item", .annotator = "who", .value = "label",
                                  .region = "at", .level = HONE_REGION };
    ck_ok(hone_judgements_load(&j, file_of("s.csv", "item,who,label,at\n1,1,name,\"[0, 4]\"\n"
                               "1,1,name,\"[8, 9.5]\"\n"), &c, NULL, NULL, NULL, &err));
    ck_assert_uint_eq(hone_judgements_count(j), 2);
    ck_assert_uint_eq(hone_judgements_region(j, 1, &numbers), 2);
    ck_assert_double_eq(numbers[1], 9.5);
    hone_judgements_free(j);
}
END_TEST

START_TEST(real_sets_are_read_whole)
{
    static const struct { const char *name; size_t rows, items; } sets[] = {
        { "bluebird", 4212, 108 }, { "rte", 8000, 800 }, { "dog", 8070, 807 },
        { "web", 15567, 2665 }, { "sentiment", 20000, 1000 },
    };
    hone_judgement_columns c = { .item = "item", .annotator = "worker", .value = "label" };
    char name[64];
    hone_judgements *j = NULL;
    const char *path;

    snprintf(name, sizeof name, "crowd/%s/label.csv", sets[_i].name);
    path = support_data(name);
    if (!path) {
        support_skip("real_sets_are_read_whole", "no test data");
        return;
    }
    ck_ok(hone_judgements_load(&j, path, &c, NULL, NULL, NULL, &err));
    ck_assert_uint_eq(hone_judgements_count(j), sets[_i].rows);
    ck_assert_uint_eq(hone_judgements_items(j), sets[_i].items);
    hone_judgements_free(j);
}
END_TEST

START_TEST(cf_amt_has_duplicates_and_says_so)
{
    hone_judgement_columns c = { .item = "item", .annotator = "worker", .value = "label" };
    const char *path = support_data("crowd/cf_amt/label.csv");
    hone_judgements *j = NULL;

    if (!path) {
        support_skip("cf_amt_has_duplicates_and_says_so", "no test data");
        return;
    }
    ck_fails(HONE_EINVAL, hone_judgements_load(&j, path, &c, NULL, NULL, NULL, &err));
    support_golden("judgements-load-cf-amt", err.message);
    ck_ok(hone_judgements_load(&j, path, &c, "both", NULL, NULL, &err));
    ck_assert_uint_eq(hone_judgements_count(j), 6030);
    hone_judgements_free(j);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    static const char *const regions[] = { "region", NULL }, *const texts[] = { "text", NULL };
    const char *path = file_of("d.csv", described);
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        hone_judgements *j = NULL;
        ck_assert_uint_lt(n, 1000);
        hone_alloc_fail_after(n);
        code = hone_judgements_load(&j, path, &columns, "latest", regions, texts, &err);
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        hone_judgements_free(j);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judgement_load");
    TCase *files = tcase_create("files");

    tcase_add_loop_test(files, each_format_gives_the_same_table, 0, 4);
    tcase_add_test(files, a_gzip_file_is_read_as_it_is);
    tcase_add_test(files, columns_describe_annotators_and_items);
    tcase_add_loop_test(files, what_a_file_cannot_be_is_said_with_line_and_column, 0, 17);
    tcase_add_test(files, duplicates_of_a_file_are_resolved_as_told);
    tcase_add_test(files, pairs_rankings_and_regions_are_read_from_csv);
    tcase_add_loop_test(files, real_sets_are_read_whole, 0, 5);
    tcase_add_test(files, cf_amt_has_duplicates_and_says_so);
    tcase_add_test(files, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, files);
    return support_run(suite);
}
