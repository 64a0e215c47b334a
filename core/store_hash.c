/* store_hash.c -- what every store computes alike: canonical texts and their
 * hashes, unguessable names, the order in which sides are shown (see <hone/store.h>). */
#include "sha256.h"
#include "text.h"

#include <hone/random.h>
#include <hone/store.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static int hash_by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *hash_sorted(const json_t *json);

static json_t *hash_sorted_object(const json_t *json)
{
    size_t n = json_object_size(json), i = 0;
    const char **keys = hone_alloc(n + 1, sizeof *keys), *key;
    json_t *out = keys ? json_object() : NULL, *value;

    json_object_foreach((json_t *)json, key, value)
        if (out)
            keys[i++] = key;
    if (out)
        qsort(keys, n, sizeof *keys, hash_by_key);
    for (i = 0; out && i < n; i++)
        if (json_object_set_new_nocheck(out, keys[i],
                                        hash_sorted(json_object_get(json, keys[i])))) {
            json_decref(out);
            out = NULL;
        }
    hone_free(keys);
    return out;
}

/* Whether all objects in it have their keys in order, as those from Lua do. */
static bool hash_is_sorted(const json_t *json)
{
    const char *key, *before = NULL;
    json_t *value;
    size_t i;

    if (json_is_array(json))
        json_array_foreach(json, i, value)
            if (!hash_is_sorted(value))
                return false;
    if (json_is_object(json))
        json_object_foreach((json_t *)json, key, value) {
            if ((before && strcmp(before, key) > 0) || !hash_is_sorted(value))
                return false;
            before = key;
        }
    return true;
}

/* A copy, its keys in order; NULL: no memory. JSON of ours is at most 512 deep. */
static json_t *hash_sorted(const json_t *json)
{
    json_t *out, *value;
    size_t i;

    if (json_is_object(json))
        return hash_sorted_object(json);
    if (!json_is_array(json))
        return json_incref((json_t *)json);
    out = json_array();
    json_array_foreach(json, i, value)
        if (out && json_array_append_new(out, hash_sorted(value))) {
            json_decref(out);
            return NULL;
        }
    return out;
}

char *hone_store_canonical(const hone_json *json)
{
    json_t *sorted;
    char *text;

    if (hash_is_sorted(json))
        return hone_json_text(json);
    sorted = hash_sorted(json);
    text = sorted ? hone_json_text(sorted) : NULL;
    json_decref(sorted);
    return text;
}

void hone_store_chain(uint8_t hash[HONE_STORE_HASH], const char *text, size_t n)
{
    hone_sha256 s;

    hone_sha256_begin(&s);
    hone_sha256_add(&s, hash, HONE_STORE_HASH);
    hone_sha256_add(&s, text, n);
    hone_sha256_end(&s, hash);
}

void hone_store_hash(uint8_t hash[HONE_STORE_HASH], const char *text, size_t n)
{
    hone_sha256 s;

    hone_sha256_begin(&s);
    hone_sha256_add(&s, text, n);
    hone_sha256_end(&s, hash);
}

void hone_store_hex(const uint8_t hash[HONE_STORE_HASH], char hex[65])
{
    hone_sha256_hex(hash, hex);
}

bool hone_store_unhex(const char *hex, uint8_t hash[HONE_STORE_HASH])
{
    static const char digits[] = "0123456789abcdef";

    if (!hex || strlen(hex) != 2 * HONE_STORE_HASH)
        return false;
    for (int i = 0; i < 2 * HONE_STORE_HASH; i++) {
        const char *digit = strchr(digits, hex[i]);
        if (!digit)
            return false;
        hash[i / 2] = (uint8_t)(i % 2 ? hash[i / 2] | (digit - digits) : (digit - digits) << 4);
    }
    return true;
}

int hone_store_random(char *text, size_t n, hone_error *err)
{
    /* 32 of them, those that look like others left out: five bits of a byte each. */
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";

    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom(text + done, n - done, 0);
        if (got < 0 && errno != EINTR)
            return hone_fail(err, HONE_EIO, "no random bytes: %s", strerror(errno));
        done += got > 0 ? (size_t)got : 0;
    }
    for (size_t i = 0; i < n; i++)
        text[i] = letters[(unsigned char)text[i] & 31];
    text[n] = '\0';
    return HONE_OK;
}

hone_json *hone_store_order(uint64_t seed, const char *item, int64_t turn, int64_t sides)
{
    hone_random r = hone_random_named(seed, item);
    size_t n = sides > 0 ? (size_t)sides : 0, first;
    size_t *order = hone_alloc(n + 1, sizeof *order);
    json_t *out = order ? json_array() : NULL;

    for (size_t i = 0; order && i < n; i++)
        order[i] = i;
    if (order)
        hone_random_shuffle(&r, order, n);
    first = n ? (size_t)turn % n : 0;
    for (size_t i = 0; out && i < n; i++)
        if (json_array_append_new(out, json_integer((json_int_t)order[(i + first) % n] + 1))) {
            json_decref(out);
            out = NULL;
        }
    hone_free(order);
    return out;
}

double hone_store_draw(uint64_t seed, const char *annotator, int64_t served, const char *purpose)
{
    char name[160];
    hone_random r;

    hone_print(name, sizeof name, "%.64s/%.64s/%" PRId64, purpose, annotator, served);
    r = hone_random_named(seed, name);
    return hone_random_uniform(&r);
}
