/* test_safetensors.c -- the file format: round trips, conversions, lies. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static hone_error err;
static hone_tensors *file;

static void teardown(void)
{
    hone_tensors_free(file);
    file = NULL;
}

static const char *path(const char *name)
{
    static char paths[4][512];
    static int next;
    char *p = paths[next++ % 4];

    snprintf(p, sizeof paths[0], "%s/%s", support_folder(), name);
    return p;
}

/* A file of this header and `data` zero bytes. */
static const char *lie(const char *header, size_t data)
{
    static char bytes[1 << 16];
    size_t n = strlen(header);
    const char *to = path("lie.safetensors");

    memset(bytes, 0, sizeof bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)((uint64_t)n >> (8 * i));
    memcpy(bytes + 8, header, n);
    support_write(to, bytes, 8 + n + data);
    return to;
}

static hone_tensor *numbers(hone_dtype dtype, int dims, const int64_t *shape)
{
    hone_tensor *t = NULL;

    ck_ok(hone_tensor_new(&t, dtype, dims, shape, &err));
    for (int64_t i = 0; i < hone_tensor_count(t); i++)
        hone_tensor_set(t, i, (double)(3 * i % 17) - 4);
    return t;
}

START_TEST(what_is_written_is_read_back)
{
    static const hone_dtype dtypes[] = { HONE_F32, HONE_BF16, HONE_F16, HONE_F64,
                                         HONE_I32, HONE_I64, HONE_U8 };
    hone_tensors_item items[7];
    hone_json *metadata = json_pack("{s:s}", "format", "pt");
    char names[7][16];

    for (int i = 0; i < 7; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        items[i] = (hone_tensors_item){ names[i], numbers(dtypes[i], i % 4,
                                        (int64_t[]){ 3, 1 + i, 2, 5 }) };
    }
    ck_ok(hone_tensors_write(path("all.safetensors"), items, 7, metadata, &err));
    ck_ok(hone_tensors_open(&file, path("all.safetensors"), &err));
    ck_assert_uint_eq(hone_tensors_count(file), 7);
    ck_assert_str_eq(hone_tensors_metadata(file, "format"), "pt");
    ck_assert_ptr_null(hone_tensors_metadata(file, "author"));
    for (int i = 0; i < 7; i++) {
        hone_tensor *t = (hone_tensor *)(uintptr_t)items[i].tensor, *back = NULL;
        const hone_tensor_entry *e = hone_tensors_find(file, names[i]);

        ck_assert_ptr_nonnull(e);
        ck_assert_int_eq(e->dims, hone_tensor_dims(t));
        for (int d = 0; d < e->dims; d++)
            ck_assert_int_eq(e->shape[d], hone_tensor_extent(t, d));
        ck_assert_uint_eq(e->size, (size_t)hone_tensor_count(t) * hone_dtype_size(dtypes[i]));
        ck_assert_mem_eq(e->bytes, hone_tensor_bytes(t), e->size);
        ck_ok(hone_tensor_new(&back, dtypes[i], e->dims, e->shape, &err));
        ck_ok(hone_tensors_read(file, names[i], back, &err));
        ck_assert_mem_eq(hone_tensor_bytes(back), hone_tensor_bytes(t), e->size);
        hone_tensor_free(back);
        hone_tensor_free(t);
    }
    hone_json_free(metadata);
}
END_TEST

START_TEST(names_are_found_whatever_their_order)
{
    hone_tensor *t = numbers(HONE_F32, 1, (int64_t[]){ 2 });
    hone_tensors_item items[] = { { "b", t }, { "c.weight", t }, { "a", t }, { "", t } };

    ck_ok(hone_tensors_write(path("names.safetensors"), items, 4, NULL, &err));
    hone_tensor_free(t);
    ck_ok(hone_tensors_open(&file, path("names.safetensors"), &err));
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(hone_tensors_find(file, items[i].name));
    ck_assert_ptr_null(hone_tensors_find(file, "c"));
    ck_assert_ptr_null(hone_tensors_at(file, 4));
    ck_assert_str_eq(hone_tensors_at(file, 1)->name, "a");
}
END_TEST

START_TEST(an_empty_file_of_tensors_is_fine)
{
    ck_ok(hone_tensors_write(path("none.safetensors"), NULL, 0, NULL, &err));
    ck_ok(hone_tensors_open(&file, path("none.safetensors"), &err));
    ck_assert_uint_eq(hone_tensors_count(file), 0);
    ck_assert_ptr_null(hone_tensors_find(file, "a"));
}
END_TEST

START_TEST(empty_tensors_and_unaligned_data_are_fine)
{
    hone_tensor *t = NULL;
    const char *header =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[0,0]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
        "\"c\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[3,11]}}";

    ck_ok(hone_tensors_open(&file, lie(header, 11), &err));
    ck_assert_uint_eq(hone_tensors_count(file), 3);
    ck_ok(hone_tensor_new(&t, HONE_F32, 0, NULL, &err));
    hone_tensor_set(t, 0, 5);
    ck_ok(hone_tensors_read(file, "c", t, &err));
    ck_assert_double_eq(hone_tensor_get(t, 0), 0);
    hone_tensor_free(t);
}
END_TEST

/* Long enough to take several pieces. */
START_TEST(floats_are_converted_integers_are_not)
{
    static const hone_dtype floats[] = { HONE_F32, HONE_BF16, HONE_F16, HONE_F64 };
    hone_tensors_item items[5];
    static const char *const names[] = { "f32", "bf16", "f16", "f64", "i32" };

    for (int i = 0; i < 4; i++)
        items[i] = (hone_tensors_item){ names[i], numbers(floats[i], 1, (int64_t[]){ 5001 }) };
    items[4] = (hone_tensors_item){ names[4], numbers(HONE_I32, 1, (int64_t[]){ 5001 }) };
    ck_ok(hone_tensors_write(path("floats.safetensors"), items, 5, NULL, &err));
    ck_ok(hone_tensors_open(&file, path("floats.safetensors"), &err));
    for (int to = 0; to < 4; to++) {
        hone_tensor *t = NULL;

        ck_ok(hone_tensor_new(&t, floats[to], 1, (int64_t[]){ 5001 }, &err));
        for (int from = 0; from < 4; from++) {
            memset(hone_tensor_data(t), 0, 5001 * hone_dtype_size(floats[to]));
            ck_ok(hone_tensors_read(file, names[from], t, &err));
            for (int64_t i = 0; i < 5001; i++)
                ck_assert_double_eq(hone_tensor_get(t, i), (double)(3 * i % 17) - 4);
        }
        ck_fails(HONE_EFORMAT, hone_tensors_read(file, "i32", t, &err));
        hone_tensor_free(t);
    }
    support_golden("safetensors-integers", err.message);
    for (int i = 0; i < 5; i++)
        hone_tensor_free((hone_tensor *)(uintptr_t)items[i].tensor);
}
END_TEST

START_TEST(a_tensor_of_another_count_or_name_is_refused)
{
    hone_tensor *t = numbers(HONE_F32, 2, (int64_t[]){ 2, 3 });
    hone_tensors_item item = { "w", t };

    ck_ok(hone_tensors_write(path("one.safetensors"), &item, 1, NULL, &err));
    hone_tensor_free(t);
    ck_ok(hone_tensors_open(&file, path("one.safetensors"), &err));
    t = numbers(HONE_F32, 2, (int64_t[]){ 2, 4 });
    ck_fails(HONE_EFORMAT, hone_tensors_read(file, "w", t, &err));
    support_golden("safetensors-count", err.message);
    ck_fails(HONE_ENOTFOUND, hone_tensors_read(file, "v", t, &err));
    support_golden("safetensors-missing", err.message);
    hone_tensor_free(t);
}
END_TEST

START_TEST(files_of_others_are_read)
{
    static const struct {
        const char *name, *dtype;
        int dims;
        int64_t shape[4];
    } others[] = {
        { "safetensors/tensor-1d-int32.safetensors", "I32", 1, { 3 } },
        { "safetensors/tensor-2d-float64.safetensors", "F64", 2, { 2, 3 } },
        { "safetensors/tensor-3d-float32.safetensors", "F32", 3, { 2, 2, 3 } },
        { "safetensors/tensor-4d-float32.safetensors", "F32", 4, { 2, 3, 1, 3 } },
    };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *name = support_data(others[i].name);
        const hone_tensor_entry *e;

        if (!name) {
            support_skip("safetensors of others", "no test data");
            return;
        }
        ck_ok(hone_tensors_open(&file, name, &err));
        e = hone_tensors_find(file, "embedding");
        ck_assert_ptr_nonnull(e);
        ck_assert_str_eq(e->dtype, others[i].dtype);
        ck_assert_int_eq(e->dims, others[i].dims);
        for (int d = 0; d < e->dims; d++)
            ck_assert_int_eq(e->shape[d], others[i].shape[d]);
        teardown();
    }
}
END_TEST

/* ---- lies ---- */

#define ENTRY(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct {
    const char *golden, *header;
    size_t data;
} lies[] = {
    { "overlap",
      "{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[4,12]") "}", 12 },
    { "same-place",
      "{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[0,8]") "}", 8 },
    { "gap",
      "{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[12,20]") "}", 20 },
    { "gap-before", "{" ENTRY("a", "F32", "[2]", "[4,12]") "}", 12 },
    { "rest", "{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 9 },
    { "size", "{" ENTRY("a", "F32", "[2]", "[0,12]") "}", 12 },
    { "outside", "{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 7 },
    { "reversed", "{" ENTRY("a", "F32", "[2]", "[8,0]") "}", 8 },
    { "negative-offset", "{" ENTRY("a", "F32", "[2]", "[-8,0]") "}", 8 },
    { "negative-shape", "{" ENTRY("a", "F32", "[-2]", "[0,8]") "}", 8 },
    { "overflow", "{" ENTRY("a", "F32", "[4294967296,4294967296,4294967296]", "[0,8]") "}", 8 },
    { "dimensions", "{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4 },
    { "real-shape", "{" ENTRY("a", "F32", "[2.0]", "[0,8]") "}", 8 },
    { "dtype", "{" ENTRY("a", "F31", "[2]", "[0,8]") "}", 8 },
    { "twice",
      "{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("a", "F32", "[2]", "[8,16]") "}", 16 },
    { "no-dtype", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
    { "no-shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8 },
    { "no-offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8 },
    { "three-offsets", "{" ENTRY("a", "F32", "[2]", "[0,8,8]") "}", 8 },
    { "no-object", "{\"a\":[1,2]}", 8 },
    { "metadata", "{\"__metadata__\":{\"format\":1}}", 0 },
    { "metadata-list", "{\"__metadata__\":[]}", 0 },
    { "no-json", "{\"a\":", 0 },
    { "list", "[]", 0 },
    { "empty-header", "", 0 },
};

START_TEST(a_lying_header_is_refused_by_name)
{
    char golden[64];

    ck_fails(HONE_EFORMAT, hone_tensors_open(&file, lie(lies[_i].header, lies[_i].data), &err));
    ck_assert_ptr_null(file);
    snprintf(golden, sizeof golden, "safetensors-%s", lies[_i].golden);
    support_golden(golden, err.message);
}
END_TEST

START_TEST(nesting_is_limited)
{
    static char header[4096];

    header[0] = '{';
    memcpy(header + 1, "\"a\":", 4);
    memset(header + 5, '[', 4000);
    ck_fails(HONE_EFORMAT, hone_tensors_open(&file, lie(header, 0), &err));
    support_golden("safetensors-nesting", err.message);
}
END_TEST

/* Every length of a good file but the right one. */
START_TEST(a_file_cut_anywhere_is_refused)
{
    hone_tensor *t = numbers(HONE_F32, 2, (int64_t[]){ 2, 3 });
    hone_tensors_item items[] = { { "v", t }, { "w", t } };
    size_t n;
    char *bytes;

    ck_ok(hone_tensors_write(path("whole.safetensors"), items, 2, NULL, &err));
    bytes = support_read(path("whole.safetensors"), &n);
    for (size_t cut = 0; cut < n; cut++) {
        support_write(path("cut.safetensors"), bytes, cut);
        ck_fails(HONE_EFORMAT, hone_tensors_open(&file, path("cut.safetensors"), &err));
        if (cut == 5)
            support_golden("safetensors-cut-length", err.message);
        if (cut == 20)
            support_golden("safetensors-cut-header", err.message);
        if (cut == n - 1)
            support_golden("safetensors-cut-data", err.message);
    }
    memset(bytes, 0xff, 8);
    support_write(path("cut.safetensors"), bytes, n);
    ck_fails(HONE_EFORMAT, hone_tensors_open(&file, path("cut.safetensors"), &err));
    support_golden("safetensors-long-header", err.message);
    hone_free(bytes);
    hone_tensor_free(t);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told)
{
    ck_fails(HONE_ENOTFOUND, hone_tensors_open(&file, "/nonexistent/a.safetensors", &err));
    support_golden("safetensors-no-file", err.message);
    ck_fails(HONE_ENOTFOUND, hone_tensors_open(&file, support_folder(), &err));
    support_golden("safetensors-no-model", err.message);
}
END_TEST

/* ---- writing ---- */

START_TEST(what_cannot_be_written_leaves_no_file)
{
    hone_tensor *t = numbers(HONE_F32, 1, (int64_t[]){ 2 });
    hone_tensors_item items[] = { { "a", t }, { "a", t } };
    hone_json *metadata = json_pack("{s:i}", "step", 1);
    const char *to = path("never.safetensors");

    ck_fails(HONE_EINVAL, hone_tensors_write(to, items, 2, NULL, &err));
    support_golden("safetensors-write-twice", err.message);
    ck_fails(HONE_EINVAL, hone_tensors_write(to, items, 1, metadata, &err));
    support_golden("safetensors-write-metadata", err.message);
    items[1] = (hone_tensors_item){ "__metadata__", t };
    ck_fails(HONE_EINVAL, hone_tensors_write(to, items, 2, NULL, &err));
    items[1] = (hone_tensors_item){ "b", NULL };
    ck_fails(HONE_EINVAL, hone_tensors_write(to, items, 2, NULL, &err));
    ck_assert_int_ne(access(to, F_OK), 0);
    ck_fails(HONE_ENOTFOUND, hone_tensors_write("/nonexistent/a", items, 1, NULL, &err));
    hone_json_free(metadata);
    hone_tensor_free(t);
}
END_TEST

START_TEST(data_begin_at_a_multiple_of_eight_bytes)
{
    hone_tensor *t = numbers(HONE_F32, 1, (int64_t[]){ 2 });
    char name[16] = "";

    for (size_t length = 0; length < 9; length++, strcat(name, "x")) {
        hone_tensors_item item = { name, t };
        char *bytes;

        ck_ok(hone_tensors_write(path("aligned.safetensors"), &item, 1, NULL, &err));
        bytes = support_read(path("aligned.safetensors"), NULL);
        ck_assert_int_eq(bytes[0] % 8, 0);
        hone_free(bytes);
    }
    hone_tensor_free(t);
}
END_TEST

/* ---- shards ---- */

static void write_index(const char *index)
{
    support_write(path("model.safetensors.index.json"), index, strlen(index));
}

static void write_shards(void)
{
    hone_tensor *t = numbers(HONE_F32, 1, (int64_t[]){ 2 });
    hone_tensors_item a = { "a", t }, bc[] = { { "b", t }, { "c", t } };

    ck_ok(hone_tensors_write(path("1.safetensors"), &a, 1, NULL, &err));
    ck_ok(hone_tensors_write(path("2.safetensors"), bc, 2, NULL, &err));
    hone_tensor_free(t);
}

START_TEST(shards_are_read_as_one)
{
    write_shards();
    write_index("{\"metadata\":{},\"weight_map\":{\"b\":\"2.safetensors\","
                "\"a\":\"1.safetensors\",\"c\":\"2.safetensors\"}}");
    ck_ok(hone_tensors_open(&file, support_folder(), &err));
    ck_assert_uint_eq(hone_tensors_count(file), 3);
    ck_assert_ptr_nonnull(hone_tensors_find(file, "a"));
    ck_assert_ptr_nonnull(hone_tensors_find(file, "c"));
}
END_TEST

static const struct {
    const char *golden, *map;
} indices[] = {
    { "file", "{\"a\":\"1.safetensors\",\"b\":\"3.safetensors\"}" },
    { "tensor", "{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"2.safetensors\","
                "\"d\":\"2.safetensors\"}" },
    { "unlisted", "{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}" },
    { "elsewhere", "{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\",\"c\":\"2.safetensors\"}" },
    { "path", "{\"a\":\"../1.safetensors\"}" },
    { "number", "{\"a\":1}" },
    { "empty", "{}" },
};

START_TEST(an_index_that_does_not_fit_its_shards_is_refused)
{
    char index[512], golden[64];
    bool missing = _i == 0;

    write_shards();
    snprintf(index, sizeof index, "{\"weight_map\":%s}", indices[_i].map);
    write_index(index);
    ck_fails(missing ? HONE_ENOTFOUND : HONE_EFORMAT,
             hone_tensors_open(&file, support_folder(), &err));
    snprintf(golden, sizeof golden, "safetensors-index-%s", indices[_i].golden);
    support_golden(golden, err.message);
}
END_TEST

START_TEST(a_tensor_in_two_shards_is_refused)
{
    hone_tensor *t = numbers(HONE_F32, 1, (int64_t[]){ 2 });
    hone_tensors_item a = { "a", t };

    ck_ok(hone_tensors_write(path("1.safetensors"), &a, 1, NULL, &err));
    ck_ok(hone_tensors_write(path("2.safetensors"), &a, 1, NULL, &err));
    hone_tensor_free(t);
    write_index("{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
    ck_fails(HONE_EFORMAT, hone_tensors_open(&file, support_folder(), &err));
    support_golden("safetensors-index-twice", err.message);
}
END_TEST

START_TEST(short_memory_is_an_error_and_leaks_nothing)
{
    int64_t live;

    write_shards();
    write_index("{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\","
                "\"c\":\"2.safetensors\"}}");
    live = hone_alloc_live();
    for (uint64_t n = 1;; n++) {
        int code;

        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = hone_tensors_open(&file, support_folder(), &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            break;
        ck_assert_int_eq(code, HONE_ENOMEM);
        ck_assert_int_eq(hone_alloc_live(), live);
        ck_assert_uint_lt(n, 1000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tc = tcase_create("safetensors");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, names_are_found_whatever_their_order);
    tcase_add_test(tc, an_empty_file_of_tensors_is_fine);
    tcase_add_test(tc, empty_tensors_and_unaligned_data_are_fine);
    tcase_add_test(tc, floats_are_converted_integers_are_not);
    tcase_add_test(tc, a_tensor_of_another_count_or_name_is_refused);
    tcase_add_test(tc, files_of_others_are_read);
    tcase_add_loop_test(tc, a_lying_header_is_refused_by_name, 0,
                        (int)(sizeof lies / sizeof *lies));
    tcase_add_test(tc, nesting_is_limited);
    tcase_add_test(tc, a_file_cut_anywhere_is_refused);
    tcase_add_test(tc, a_file_that_is_not_there_is_told);
    tcase_add_test(tc, what_cannot_be_written_leaves_no_file);
    tcase_add_test(tc, data_begin_at_a_multiple_of_eight_bytes);
    tcase_add_test(tc, shards_are_read_as_one);
    tcase_add_loop_test(tc, an_index_that_does_not_fit_its_shards_is_refused, 0,
                        (int)(sizeof indices / sizeof *indices));
    tcase_add_test(tc, a_tensor_in_two_shards_is_refused);
    tcase_add_test(tc, short_memory_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
