/* data.c -- datasets: rows, where they came from, and what identifies them.
 *
 * Rows are shared: a part of a dataset refers to the JSON values of the whole.
 * A dataset's hash is the SHA-256 of its rows' digests, one after the other. */
#include "data.h"

#include "../sha256.h"
#include "reader.h"

#include <stdio.h>
#include <string.h>

int data_create(hone_data **out, hone_context *context, const char *name, hone_error *err)
{
    hone_data *data = hone_alloc(1, sizeof *data);

    *out = NULL;
    if (!data)
        return hone_fail_memory(err, "a dataset");
    atomic_init(&data->refs, 1);
    data->context = context;
    data->name = hone_strdup(name);
    if (!data->name) {
        hone_data_free(data);
        return hone_fail_memory(err, "a dataset's name");
    }
    *out = data;
    return HONE_OK;
}

/* Whether some text in the value is no UTF-8. */
static bool data_is_broken(const json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_string(json))
        return data_utf8(json_string_value(json), json_string_length(json)) <
               json_string_length(json);
    json_object_foreach((json_t *)json, key, value)
        if (data_utf8(key, strlen(key)) < strlen(key) || data_is_broken(value))
            return true;
    json_array_foreach((json_t *)json, i, value)
        if (data_is_broken(value))
            return true;
    return false;
}

static int data_digest_add(const char *bytes, size_t n, void *sum)
{
    hone_sha256_add(sum, bytes, n);
    return 0;
}

static int data_reserve(hone_data *data, size_t count, hone_error *err)
{
    size_t capacity = data->capacity ? data->capacity : 16;
    data_row *rows;

    if (count <= data->capacity)
        return HONE_OK;
    while (capacity < count)
        capacity += capacity / 2;
    if (!(rows = hone_realloc(data->rows, capacity, sizeof *rows)))
        return hone_fail_memory(err, "the rows of a dataset");
    data->rows = rows;
    data->capacity = capacity;
    return HONE_OK;
}

int data_append(hone_data *data, json_t *json, uint64_t line, hone_error *err)
{
    hone_sha256 sum;
    data_row *row;

    if (data_reserve(data, data->count + 1, err)) {
        json_decref(json);
        return HONE_ENOMEM;
    }
    row = &data->rows[data->count];
    *row = (data_row){ .json = json, .line = line };
    hone_sha256_begin(&sum);
    if (json_dump_callback(json, data_digest_add, &sum, JSON_COMPACT)) {
        int code = data_is_broken(json)
                       ? hone_fail(err, HONE_EFORMAT, "%s:%" PRIu64 ": invalid UTF-8", data->name,
                                   line)
                       : hone_fail_memory(err, "the hash of a row");
        json_decref(json);
        return code;
    }
    hone_sha256_end(&sum, row->digest);
    data->count++;
    return HONE_OK;
}

void data_finish(hone_data *data)
{
    uint8_t digest[32];
    hone_sha256 sum;

    hone_sha256_begin(&sum);
    for (size_t i = 0; i < data->count; i++)
        hone_sha256_add(&sum, data->rows[i].digest, sizeof data->rows[i].digest);
    hone_sha256_end(&sum, digest);
    hone_sha256_hex(digest, data->hash);
}

int hone_data_new(hone_data **out, hone_context *context, const hone_json *rows, const char *name,
                  hone_error *err)
{
    hone_data *data = NULL;
    int code;

    *out = NULL;
    if (!json_is_array(rows))
        return hone_fail(err, HONE_EINVAL, "%s: a list of rows expected, got %s", name,
                         rows ? hone_json_type(rows) : "nothing");
    if (!json_array_size(rows))
        return hone_fail(err, HONE_EINVAL, "%s: no rows", name);
    if ((code = data_create(&data, context, name, err)))
        return code;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (!json_is_object(row))
            code = hone_fail(err, HONE_EFORMAT, "%s:%zu: an object expected, got %s", name, i + 1,
                             hone_json_type(row));
        else
            code = data_append(data, json_incref(row), i + 1, err);
        if (code)
            goto out;
    }
    data_finish(data);
    *out = data;
    data = NULL;
out:
    hone_data_free(data);
    return code;
}

hone_data *hone_data_ref(hone_data *data)
{
    if (data)
        atomic_fetch_add(&data->refs, 1);
    return data;
}

void hone_data_free(hone_data *data)
{
    if (!data || atomic_fetch_sub(&data->refs, 1) > 1)
        return;
    for (size_t i = 0; i < data->count; i++)
        json_decref(data->rows[i].json);
    hone_free(data->rows);
    hone_free(data->name);
    hone_free(data);
}

size_t hone_data_count(const hone_data *data)
{
    return data ? data->count : 0;
}

const hone_json *hone_data_row(const hone_data *data, size_t i)
{
    return i < hone_data_count(data) ? data->rows[i].json : NULL;
}

const char *hone_data_name(const hone_data *data)
{
    return data->name;
}

const char *hone_data_hash(const hone_data *data)
{
    return data->hash;
}

int hone_data_where(const hone_data *data, size_t i, char *buf, size_t n)
{
    uint64_t line = i < data->count ? data->rows[i].line : 0;
    int length = snprintf(buf, n, "%s:%" PRIu64, data->name, line);

    return length < 0 || (size_t)length >= n ? HONE_EINVAL : HONE_OK;
}

void data_fail_in(const hone_data *data, size_t i, hone_error *err)
{
    hone_fail_in(err, "%s:%" PRIu64, data->name, data->rows[i].line);
}

int hone_data_select(hone_data **out, const hone_data *data, const size_t *index, size_t count,
                     hone_error *err)
{
    hone_data *part = NULL;
    int code;

    *out = NULL;
    if ((code = data_create(&part, data->context, data->name, err)))
        return code;
    if ((code = data_reserve(part, count, err)))
        goto out;
    for (size_t i = 0; i < count; i++) {
        if (index[i] >= data->count) {
            code = hone_fail(err, HONE_EINVAL, "%s: row %zu of %zu", data->name, index[i],
                             data->count);
            goto out;
        }
        part->rows[i] = data->rows[index[i]];
        json_incref(part->rows[i].json);
        part->count++;
    }
    data_finish(part);
    *out = part;
    part = NULL;
out:
    hone_data_free(part);
    return code;
}

const char *data_columns(const json_t *row, char *buf, size_t n)
{
    size_t used = 0;
    const char *key;
    json_t *value;

    snprintf(buf, n, "none");
    json_object_foreach((json_t *)row, key, value) {
        int added = snprintf(buf + used, n - used, "%s%s", used ? ", " : "", key);
        if (added < 0 || (size_t)added >= n - used) {
            snprintf(buf + (used < n - 6 ? used : n - 6), 6, ", ...");
            break;
        }
        used += (size_t)added;
    }
    return buf;
}
