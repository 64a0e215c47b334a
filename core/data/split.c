/* split.c -- parts of a dataset, cut so that equal rows stay together.
 *
 * Rows are sorted by SHA-256 (seed, digest of the normalised text) and cut at
 * the shares' ranks; a group of equal rows goes whole to the part in which it
 * begins. So parts have their shares to within a row (and the size of a
 * group), however few rows there are; the order of the file plays no part. */
#include "normal.h"

#include "../sha256.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct split_key {
    uint8_t hash[32];
    size_t row;
} split_key;

static int split_compare(const void *a, const void *b)
{
    const split_key *x = a, *y = b;
    int order = memcmp(x->hash, y->hash, sizeof x->hash);

    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static int split_compare_rows(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

static int split_keys(split_key *keys, const hone_data *data, uint64_t seed, hone_error *err)
{
    data_normaliser normaliser = { 0 };
    uint8_t prefix[8];
    data_normal text;
    int code = HONE_OK;

    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)(seed >> 8 * i);
    for (size_t i = 0; i < data->count; i++) {
        hone_sha256 sum;
        if ((code = data_normalise(&normaliser, data, i, &text, err)))
            break;
        hone_sha256_begin(&sum);
        hone_sha256_add(&sum, prefix, sizeof prefix);
        hone_sha256_add(&sum, text.digest, sizeof text.digest);
        hone_sha256_end(&sum, keys[i].hash);
        keys[i].row = i;
    }
    data_normaliser_close(&normaliser);
    return code;
}

/* Check the shares, and turn them into ranks: part k ends before row ends[k]. */
static int split_ends(size_t *ends, const hone_data *data, const hone_json *shares,
                      hone_error *err)
{
    const char *name;
    json_t *share;
    double sum = 0;
    size_t k = 0;

    json_object_foreach((json_t *)shares, name, share) {
        double x = json_number_value(share);
        if (!json_is_number(share))
            return hone_fail(err, HONE_EINVAL, "split: share '%s': a number expected, got %s",
                             name, hone_json_type(share));
        if (!(x >= 0 && x <= 1))
            return hone_fail(err, HONE_EINVAL, "split: share '%s' is %g; 0 to 1 allowed", name, x);
        sum += x;
        if (sum > 1 + 1e-9)
            return hone_fail(err, HONE_EINVAL, "split: the shares sum to %g at '%s'; at most 1 "
                             "allowed", sum, name);
        ends[k++] = (size_t)llround(fmin(sum, 1) * (double)data->count);
    }
    return HONE_OK;
}

/* Part k of the sorted keys, which begins at *from; the last group runs over. */
static int split_part(hone_data **out, const hone_data *data, const split_key *keys, size_t *index,
                      size_t *from, size_t end, hone_error *err)
{
    size_t first = *from;

    while (*from < data->count &&
           (*from < end ||
            (*from > first && memcmp(keys[*from].hash, keys[*from - 1].hash, 32) == 0)))
        (*from)++;
    for (size_t i = first; i < *from; i++)
        index[i - first] = keys[i].row;
    qsort(index, *from - first, sizeof *index, split_compare_rows);
    return hone_data_select(out, data, index, *from - first, err);
}

int hone_data_split(hone_data **outs, const hone_data *data, const hone_json *shares,
                    uint64_t seed, hone_error *err)
{
    size_t parts = json_object_size(shares), from = 0, k = 0;
    size_t *ends = NULL, *index = NULL;
    split_key *keys = NULL;
    const char *name;
    json_t *share;
    int code;

    if (!parts)
        return hone_fail(err, HONE_EINVAL, "split: shares by name expected, such as train = 0.9");
    memset(outs, 0, parts * sizeof *outs);
    ends = hone_alloc(parts, sizeof *ends);
    index = hone_alloc(data->count + 1, sizeof *index);
    keys = hone_alloc(data->count + 1, sizeof *keys);
    if (!ends || !index || !keys) {
        code = hone_fail_memory(err, "the keys of a split");
        goto out;
    }
    if ((code = split_ends(ends, data, shares, err)) ||
        (code = split_keys(keys, data, seed, err)))
        goto out;
    qsort(keys, data->count, sizeof *keys, split_compare);
    json_object_foreach((json_t *)shares, name, share) {
        if ((code = split_part(&outs[k], data, keys, index, &from, ends[k], err)))
            goto out;
        if (!outs[k++]->count && json_number_value(share) > 0) {
            code = hone_fail(err, HONE_EINVAL, "%s: split: part '%s' would be empty: %g of %zu "
                             "rows", data->name, name, json_number_value(share), data->count);
            goto out;
        }
    }
out:
    for (size_t i = 0; code && i < parts; i++) {
        hone_data_free(outs[i]);
        outs[i] = NULL;
    }
    hone_free(ends);
    hone_free(index);
    hone_free(keys);
    return code;
}
