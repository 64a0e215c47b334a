/* safetensors.c -- reading safetensors files, single and sharded.
 *
 * Layout: u64 little-endian length of the header; the header, a JSON object
 * { name: { dtype, shape, data_offsets: [begin, end] }, __metadata__ } with
 * offsets from the end of the header; the data. The checks are those of the
 * format's specification: a header of at most 100 MB that starts with '{',
 * no duplicate names, sizes that follow from dtype and shape, and tensors that
 * cover the data from its first byte to its last without gap or overlap.
 *
 * Shards: model.safetensors.index.json maps every name to its file. */
#include "safetensors.h"
#include "map.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_MAX 100000000u
#define DIMS_MAX (HONE_DIMS + 4)

struct shard {
    char *path, *name; /* name: as the index says */
    hone_map map;
    json_t *header;    /* entries' names and dtypes point into it */
};

struct hone_tensors {
    struct shard *shards;
    size_t shards_count;
    hone_tensor_entry *entries; /* sorted by name */
    size_t count, capacity;
};

static const struct {
    const char *name;
    size_t size;
    int dtype;
} stored[] = {
    { "F32", 4, HONE_F32 }, { "BF16", 2, HONE_BF16 }, { "F16", 2, HONE_F16 },
    { "F64", 8, HONE_F64 }, { "I32", 4, HONE_I32 },   { "I64", 8, HONE_I64 },
    { "U8", 1, HONE_U8 },   { "BOOL", 1, -1 },        { "I8", 1, -1 },
    { "F8_E5M2", 1, -1 },   { "F8_E4M3", 1, -1 },     { "I16", 2, -1 },
    { "U16", 2, -1 },       { "U32", 4, -1 },         { "U64", 8, -1 },
};
#define STORED (sizeof stored / sizeof *stored)

size_t hone_stored_size(const char *dtype)
{
    for (size_t i = 0; i < STORED; i++)
        if (strcmp(dtype, stored[i].name) == 0)
            return stored[i].size;
    return 0;
}

int hone_stored_dtype(const char *dtype)
{
    for (size_t i = 0; i < STORED; i++)
        if (strcmp(dtype, stored[i].name) == 0)
            return stored[i].dtype;
    return -1;
}

const char *hone_stored_name(hone_dtype dtype)
{
    for (size_t i = 0; i < STORED; i++)
        if (stored[i].dtype == (int)dtype)
            return stored[i].name;
    return "?";
}

/* ---- one tensor of a header ---- */

static int safetensors_shape(hone_tensor_entry *e, const json_t *shape, uint64_t *size,
                             hone_error *err)
{
    size_t dims = json_array_size(shape);
    uint64_t bytes = hone_stored_size(e->dtype);

    if (!json_is_array(shape))
        return hone_fail(err, HONE_EFORMAT, "'shape' is missing or no list");
    if (dims > DIMS_MAX)
        return hone_fail(err, HONE_EFORMAT, "%zu dimensions (allowed: at most %d)", dims, DIMS_MAX);
    e->dims = (int)dims;
    for (size_t i = 0; i < dims; i++) {
        const json_t *extent = json_array_get(shape, i);
        int64_t n = json_is_integer(extent) ? (int64_t)json_integer_value(extent) : -1;

        if (n < 0)
            return hone_fail(err, HONE_EFORMAT, "dimension %zu of the shape is not a size", i);
        if (n > 0 && bytes > (uint64_t)INT64_MAX / (uint64_t)n)
            return hone_fail(err, HONE_EFORMAT, "a shape of more than %" PRId64 " bytes",
                             INT64_MAX);
        bytes *= (uint64_t)n;
        e->shape[i] = n;
    }
    *size = bytes;
    return HONE_OK;
}

static int safetensors_entry(hone_tensor_entry *e, const json_t *value, const char *data,
                             size_t size, hone_error *err)
{
    const json_t *offsets = json_object_get(value, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    int64_t begin, end;
    uint64_t bytes = 0;

    e->dtype = json_string_value(json_object_get(value, "dtype"));
    if (!e->dtype)
        return hone_fail(err, HONE_EFORMAT, "'dtype' is missing or no text");
    if (!hone_stored_size(e->dtype))
        return hone_fail(err, HONE_EFORMAT, "unknown dtype '%.40s'", e->dtype);
    if (safetensors_shape(e, json_object_get(value, "shape"), &bytes, err) != HONE_OK)
        return HONE_EFORMAT;
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return hone_fail(err, HONE_EFORMAT, "'data_offsets' is missing or not two integers");
    begin = (int64_t)json_integer_value(from);
    end = (int64_t)json_integer_value(to);
    if (begin < 0 || end < begin || (uint64_t)end > size)
        return hone_fail(err, HONE_EFORMAT,
                         "offsets %" PRId64 " to %" PRId64 " lie outside the data (%zu bytes)",
                         begin, end, size);
    if ((uint64_t)(end - begin) != bytes) {
        char shape[160];
        return hone_fail(err, HONE_EFORMAT,
                         "offsets %" PRId64 " to %" PRId64 " hold %" PRId64
                         " bytes, but %s takes %" PRIu64, begin, end, end - begin,
                         hone_stored_describe(e, shape, sizeof shape), bytes);
    }
    e->bytes = data + begin;
    e->size = (size_t)bytes;
    return HONE_OK;
}

/* ---- one file ---- */

static int safetensors_by_place(const void *a, const void *b)
{
    const hone_tensor_entry *x = a, *y = b;
    uintptr_t p = (uintptr_t)x->bytes, q = (uintptr_t)y->bytes;

    if (p != q)
        return p < q ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name); /* so that messages do not depend on the sort */
}

static int safetensors_by_name(const void *a, const void *b)
{
    return strcmp(((const hone_tensor_entry *)a)->name, ((const hone_tensor_entry *)b)->name);
}

/* Entries sorted by place must follow one another from the first byte to the last. */
static int safetensors_cover(const hone_tensor_entry *e, size_t count, const char *data,
                             size_t size, hone_error *err)
{
    const char *at = data;

    for (size_t i = 0; i < count; at = (const char *)e[i].bytes + e[i].size, i++) {
        int64_t begin = (const char *)e[i].bytes - data;

        if ((const char *)e[i].bytes < at)
            return hone_fail(err, HONE_EFORMAT, "'%s': offset %" PRId64 " overlaps '%s'",
                             e[i].name, begin, e[i - 1].name);
        if ((const char *)e[i].bytes > at)
            return hone_fail(err, HONE_EFORMAT, "a gap of %" PRId64 " bytes before '%s'",
                             (int64_t)((const char *)e[i].bytes - at), e[i].name);
    }
    if (at != data + size)
        return hone_fail(err, HONE_EFORMAT, "%" PRId64 " bytes after the last tensor",
                         (int64_t)(data + size - at));
    return HONE_OK;
}

static int safetensors_header(struct shard *shard, const char **data, size_t *size,
                              hone_error *err)
{
    const unsigned char *b = (const unsigned char *)shard->map.bytes;
    size_t file = shard->map.size;
    uint64_t n = 0;

    if (file < 8)
        return hone_fail(err, HONE_EFORMAT, "truncated: %zu bytes, too few for a header", file);
    for (int i = 7; i >= 0; i--)
        n = n << 8 | b[i];
    if (n > HEADER_MAX)
        return hone_fail(err, HONE_EFORMAT, "a header of %" PRIu64 " bytes (allowed: at most %u)",
                         n, HEADER_MAX);
    if (n > file - 8)
        return hone_fail(err, HONE_EFORMAT,
                         "truncated: the header should have %" PRIu64 " bytes, %zu are left", n,
                         file - 8);
    if (n == 0 || b[8] != '{')
        return hone_fail(err, HONE_EFORMAT, "the header does not begin with '{'");
    if (hone_json_parse(&shard->header, shard->map.bytes + 8, (size_t)n, "header", err) != HONE_OK)
        return err && err->code ? err->code : HONE_EFORMAT;
    *data = shard->map.bytes + 8 + n;
    *size = file - 8 - (size_t)n;
    return HONE_OK;
}

static int safetensors_metadata(const json_t *metadata, hone_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return hone_fail(err, HONE_EFORMAT, "__metadata__ is no object");
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value))
            return hone_fail(err, HONE_EFORMAT, "__metadata__: '%.80s' is no text", key);
    }
    return HONE_OK;
}

static int safetensors_reserve(hone_tensors *t, size_t more, hone_error *err)
{
    size_t need = t->count + more;
    hone_tensor_entry *entries;

    if (need <= t->capacity)
        return HONE_OK;
    entries = hone_realloc(t->entries, need, sizeof *entries);
    if (!entries)
        return hone_fail_memory(err, "the tensors of a file");
    t->entries = entries;
    t->capacity = need;
    return HONE_OK;
}

/* Append the tensors of a mapped file. */
static int safetensors_parse(hone_tensors *t, struct shard *shard, hone_error *err)
{
    const char *data = NULL, *name;
    size_t size = 0, first = t->count;
    json_t *value;
    int code = safetensors_header(shard, &data, &size, err);

    if (code == HONE_OK)
        code = safetensors_reserve(t, json_object_size(shard->header), err);
    if (code != HONE_OK)
        return code;
    json_object_foreach(shard->header, name, value) {
        hone_tensor_entry *e = &t->entries[t->count];

        if (strcmp(name, "__metadata__") == 0) {
            if (safetensors_metadata(value, err) != HONE_OK)
                return HONE_EFORMAT;
            continue;
        }
        *e = (hone_tensor_entry){ .name = name };
        if (safetensors_entry(e, value, data, size, err) != HONE_OK) {
            hone_fail_in(err, "'%.200s'", name);
            return HONE_EFORMAT;
        }
        t->count++;
    }
    if (t->count == first) /* the array may still be NULL */
        return safetensors_cover(NULL, 0, data, size, err);
    qsort(t->entries + first, t->count - first, sizeof *t->entries, safetensors_by_place);
    return safetensors_cover(t->entries + first, t->count - first, data, size, err);
}

/* Takes the strings, which may be NULL for want of memory. */
static int safetensors_add(hone_tensors *t, char *path, char *name, hone_error *err)
{
    struct shard *shards = path && name
                         ? hone_realloc(t->shards, t->shards_count + 1, sizeof *shards) : NULL;
    struct shard *shard;
    int code;

    if (!shards) {
        hone_free(path);
        hone_free(name);
        return hone_fail_memory(err, "a file of tensors");
    }
    t->shards = shards;
    shard = &shards[t->shards_count++];
    *shard = (struct shard){ .path = path, .name = name };
    code = hone_map_open(&shard->map, path, err);
    if (code != HONE_OK)
        return code;
    code = safetensors_parse(t, shard, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s", path);
    return code;
}

/* ---- shards ---- */

static struct shard *safetensors_shard(const hone_tensors *t, const char *name)
{
    for (size_t i = 0; i < t->shards_count; i++)
        if (strcmp(t->shards[i].name, name) == 0)
            return &t->shards[i];
    return NULL;
}

static bool safetensors_within(const struct shard *shard, const hone_tensor_entry *e)
{
    uintptr_t from = (uintptr_t)shard->map.bytes, at = (uintptr_t)e->bytes;

    return at >= from && at <= from + shard->map.size;
}

/* A shard's name comes from a foreign file: it must not lead out of the folder. */
static bool safetensors_plain(const char *name)
{
    return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static int safetensors_open_shards(hone_tensors *t, const char *folder, const json_t *map,
                                   hone_error *err)
{
    const char *tensor;
    json_t *file;

    if (!json_is_object(map) || json_object_size(map) == 0)
        return hone_fail(err, HONE_EFORMAT, "'weight_map' is missing, empty or no object");
    json_object_foreach((json_t *)(uintptr_t)map, tensor, file) {
        const char *name = json_string_value(file);
        int code;

        if (!safetensors_plain(name))
            return hone_fail(err, HONE_EFORMAT, "'%.200s' is not in a file of this folder", tensor);
        if (safetensors_shard(t, name))
            continue;
        code = safetensors_add(t, hone_format("%s/%s", folder, name), hone_strdup(name), err);
        if (code != HONE_OK)
            return code;
    }
    return HONE_OK;
}

/* Index and shards must agree: every tensor in one file, the one that is said. */
static int safetensors_agree(const hone_tensors *t, const json_t *map, hone_error *err)
{
    const char *name;
    json_t *file;

    json_object_foreach((json_t *)(uintptr_t)map, name, file) {
        const hone_tensor_entry *e = hone_tensors_find(t, name);
        const char *shard = json_string_value(file);

        if (!e || !safetensors_within(safetensors_shard(t, shard), e))
            return hone_fail(err, HONE_EFORMAT, "tensor '%.200s' is not in %s", name, shard);
    }
    for (size_t i = 0; i < t->count; i++)
        if (!json_object_get(map, t->entries[i].name))
            return hone_fail(err, HONE_EFORMAT, "tensor '%.200s' of a shard is not listed",
                             t->entries[i].name);
    return HONE_OK;
}

static int safetensors_sort(hone_tensors *t, hone_error *err)
{
    if (t->count)
        qsort(t->entries, t->count, sizeof *t->entries, safetensors_by_name);
    for (size_t i = 1; i < t->count; i++)
        if (strcmp(t->entries[i - 1].name, t->entries[i].name) == 0)
            return hone_fail(err, HONE_EFORMAT, "tensor '%.200s' is in two files",
                             t->entries[i].name);
    return HONE_OK;
}

static int safetensors_open_index(hone_tensors *t, const char *folder, const char *index,
                                  hone_error *err)
{
    hone_json *json = NULL;
    const hone_json *map;
    int code = hone_json_read(&json, index, err);

    if (code != HONE_OK)
        return code;
    map = hone_json_get(json, "weight_map");
    code = safetensors_open_shards(t, folder, map, err);
    if (code == HONE_OK)
        code = safetensors_sort(t, err);
    if (code == HONE_OK)
        code = safetensors_agree(t, map, err);
    if (code != HONE_OK)
        hone_fail_in(err, "%s", index);
    hone_json_free(json);
    return code;
}

/* ---- opening ---- */

static bool safetensors_is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int safetensors_open_folder(hone_tensors *t, const char *folder, hone_error *err)
{
    char *single = hone_format("%s/model.safetensors", folder);
    char *index = hone_format("%s/model.safetensors.index.json", folder);
    int code;

    if (!single || !index) {
        code = hone_fail_memory(err, folder);
    } else if (safetensors_is_file(single)) {
        code = safetensors_add(t, single, hone_strdup(single), err);
        single = NULL;
        if (code == HONE_OK)
            code = safetensors_sort(t, err);
    } else if (safetensors_is_file(index)) {
        code = safetensors_open_index(t, folder, index, err);
    } else {
        code = hone_fail(err, HONE_ENOTFOUND,
                         "%s: neither model.safetensors nor model.safetensors.index.json", folder);
    }
    hone_free(single);
    hone_free(index);
    return code;
}

int hone_tensors_open(hone_tensors **out, const char *path, hone_error *err)
{
    hone_tensors *t = hone_alloc(1, sizeof *t);
    int code;

    *out = NULL;
    if (!t)
        return hone_fail_memory(err, path);
    if (hone_folder_is(path)) {
        code = safetensors_open_folder(t, path, err);
    } else {
        code = safetensors_add(t, hone_strdup(path), hone_strdup(path), err);
        if (code == HONE_OK)
            code = safetensors_sort(t, err);
    }
    if (code != HONE_OK) {
        hone_tensors_free(t);
        return code;
    }
    *out = t;
    return HONE_OK;
}

void hone_tensors_free(hone_tensors *tensors)
{
    if (!tensors)
        return;
    for (size_t i = 0; i < tensors->shards_count; i++) {
        struct shard *shard = &tensors->shards[i];

        hone_json_free(shard->header);
        hone_map_close(&shard->map);
        hone_free(shard->path);
        hone_free(shard->name);
    }
    hone_free(tensors->shards);
    hone_free(tensors->entries);
    hone_free(tensors);
}

/* ---- looking ---- */

size_t hone_tensors_count(const hone_tensors *tensors)
{
    return tensors->count;
}

const hone_tensor_entry *hone_tensors_at(const hone_tensors *tensors, size_t i)
{
    return i < tensors->count ? &tensors->entries[i] : NULL;
}

const hone_tensor_entry *hone_tensors_find(const hone_tensors *tensors, const char *name)
{
    hone_tensor_entry key = { .name = name };

    return tensors->count ? bsearch(&key, tensors->entries, tensors->count,
                                    sizeof *tensors->entries, safetensors_by_name) : NULL;
}

const char *hone_tensors_metadata(const hone_tensors *tensors, const char *key)
{
    for (size_t i = 0; i < tensors->shards_count; i++) {
        const hone_json *metadata = hone_json_get(tensors->shards[i].header, "__metadata__");
        const char *text = metadata ? hone_json_string(hone_json_get(metadata, key)) : NULL;

        if (text)
            return text;
    }
    return NULL;
}

int hone_tensors_read(const hone_tensors *tensors, const char *name, hone_tensor *to,
                      hone_error *err)
{
    const hone_tensor_entry *e = hone_tensors_find(tensors, name);
    char have[160], want[96];
    int64_t count = 1;

    if (!e)
        return hone_fail(err, HONE_ENOTFOUND, "tensor '%s' is missing", name);
    for (int i = 0; i < e->dims; i++)
        count *= e->shape[i];
    if (count != hone_tensor_count(to) || !hone_stored_convert(e, to))
        return hone_fail(err, HONE_EFORMAT, "tensor '%s' is %s; expected %s", name,
                         hone_stored_describe(e, have, sizeof have),
                         hone_tensor_describe(to, want));
    return HONE_OK;
}
