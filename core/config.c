/* config.c -- reading config.json: keys by path, the first failure remembered
 * (see <hone/model.h>). */
#include "text.h"

#include <hone/model.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

hone_config hone_config_open(const hone_json *json, hone_error *err)
{
    hone_config c = { .json = json, .err = err };

    if (!json_is_object(json))
        hone_config_fail(&c, "not an object but %s", json ? hone_json_type(json) : "nothing");
    return c;
}

int hone_config_close(hone_config *c)
{
    return c->code;
}

void hone_config_fail(hone_config *c, const char *fmt, ...)
{
    char message[HONE_ERROR_MAX];
    va_list args;

    if (c->code != HONE_OK)
        return;
    va_start(args, fmt);
    hone_vprint(message, sizeof message, fmt, args);
    va_end(args);
    c->code = hone_fail(c->err, HONE_EFORMAT, "%s", message);
}

/* The value at a path of keys parted by dots; NULL when absent or null. */
static const json_t *config_get(const hone_config *c, const char *path)
{
    const json_t *at = c->json;

    while (at) {
        size_t n = strcspn(path, ".");

        at = json_object_getn(at, path, n);
        if (!path[n])
            break;
        path += n + 1;
    }
    return json_is_null(at) ? NULL : at;
}

/* A value as a message shows it. */
static const char *config_show(const json_t *value, char *buf, size_t n)
{
    char *text = hone_json_text(value);

    snprintf(buf, n, "%s", text ? text : hone_json_type(value));
    if (text && strlen(text) >= n && n > 4)
        memcpy(buf + n - 4, "...", 4);
    hone_free(text);
    return buf;
}

bool hone_config_has(const hone_config *c, const char *key)
{
    return config_get(c, key) != NULL;
}

int64_t hone_config_int(hone_config *c, const char *key, int64_t def, int64_t min, int64_t max)
{
    const json_t *value = config_get(c, key);
    int64_t n = def;
    char seen[80];

    if (value && json_is_integer(value))
        n = (int64_t)json_integer_value(value);
    if (value ? json_is_integer(value) && n >= min && n <= max
              : def != HONE_REQUIRED && def >= min && def <= max)
        return n;
    if (value)
        hone_config_fail(c, "'%s' is %s (allowed: an integer from %" PRId64 " to %" PRId64 ")", key,
                         config_show(value, seen, sizeof seen), min, max);
    else
        hone_config_fail(c, "'%s' is missing (an integer from %" PRId64 " to %" PRId64 ")", key,
                         min, max);
    return min;
}

double hone_config_real(hone_config *c, const char *key, double def, double min, double max)
{
    const json_t *value = config_get(c, key);
    double x = value ? json_number_value(value) : def;
    char seen[80], low[HONE_REAL_MAX], high[HONE_REAL_MAX];

    if ((!value || json_is_number(value)) && x >= min && x <= max)
        return x;
    hone_print_real(low, min);
    hone_print_real(high, max);
    if (!value)
        hone_config_fail(c, "'%s' is missing (a number from %s to %s)", key, low, high);
    else if (min < max)
        hone_config_fail(c, "'%s' is %s (allowed: a number from %s to %s)", key,
                         config_show(value, seen, sizeof seen), low, high);
    else
        hone_config_fail(c, "'%s' is %s (allowed: %s)", key, config_show(value, seen, sizeof seen),
                         low);
    return min;
}

bool hone_config_bool(hone_config *c, const char *key, bool def)
{
    const json_t *value = config_get(c, key);
    char seen[80];

    if (value && !json_is_boolean(value))
        hone_config_fail(c, "'%s' is %s (allowed: true, false)", key,
                         config_show(value, seen, sizeof seen));
    return value ? json_is_true(value) : def;
}

const char *hone_config_text(hone_config *c, const char *key, const char *def)
{
    const json_t *value = config_get(c, key);
    char seen[80];

    if (value && !json_is_string(value))
        hone_config_fail(c, "'%s' is %s (allowed: a text)", key,
                         config_show(value, seen, sizeof seen));
    return value ? json_string_value(value) : def;
}

bool hone_config_type_is(const hone_config *c, const char *model_type)
{
    const char *type = json_string_value(config_get(c, "model_type"));

    return type && strcmp(type, model_type) == 0;
}

void hone_config_only(hone_config *c, const char *key, const char *value)
{
    const json_t *seen = config_get(c, key);
    const char *text = json_string_value(seen);
    char shown[80];

    if (!seen || (value && text && strcmp(text, value) == 0))
        return;
    config_show(seen, shown, sizeof shown);
    if (value)
        hone_config_fail(c, "'%s' is %s (supported: \"%s\")", key, shown, value);
    else
        hone_config_fail(c, "'%s' is %s (supported: null)", key, shown);
}

void hone_config_divides(hone_config *c, const char *part, const char *whole)
{
    const json_t *p = config_get(c, part), *w = config_get(c, whole);
    int64_t a = (int64_t)json_integer_value(p), b = (int64_t)json_integer_value(w);

    if (json_is_integer(p) && json_is_integer(w) && (a <= 0 || b % a != 0))
        hone_config_fail(c, "'%s' is %" PRId64 ", which does not divide '%s', %" PRId64, part, a,
                         whole, b);
}

int64_t hone_config_quotient(hone_config *c, int64_t a, int64_t b)
{
    (void)c;
    return b > 0 && a % b == 0 ? a / b : 0;
}
