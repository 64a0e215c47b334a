/* option_value.c -- one option's value: JSON to member, default to JSON. */
#include "options.h"
#include "suggest.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define VALUE_WHOLE 0x1p53 /* numbers up to here are exact integers */

static const char *value_found(const json_t *value, char *buf, size_t n)
{
    char real[HONE_REAL_MAX];

    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT: return "a table";
    case JSON_ARRAY: return "a list";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "nothing";
    case JSON_STRING: hone_print(buf, n, "text '%.40s'", json_string_value(value)); break;
    case JSON_INTEGER:
        hone_print(buf, n, "integer %" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        hone_print(buf, n, "number %s", hone_print_real(real, json_real_value(value)));
        break;
    }
    return buf;
}

static int value_wrong_type(const hone_option *o, const char *expected, const json_t *value,
                            hone_error *err)
{
    char found[80], allowed[HONE_ALLOWED_MAX];

    hone_option_allowed(o, allowed);
    return hone_fail(err, HONE_EINVAL, "expected %s%s%s%s, got %s", expected, *allowed ? " (" : "",
                     allowed, *allowed ? ")" : "", value_found(value, found, sizeof found));
}

static int value_out_of_range(const hone_option *o, const char *value, hone_error *err)
{
    char allowed[HONE_ALLOWED_MAX];

    return hone_fail(err, HONE_EINVAL, "%s is out of range (allowed: %s)", value,
                     hone_option_allowed(o, allowed));
}

static int value_int(const hone_option *o, const json_t *value, int64_t *out, hone_error *err)
{
    char text[32];

    if (json_is_integer(value))
        *out = json_integer_value(value);
    else if (json_is_real(value) && fabs(json_real_value(value)) <= VALUE_WHOLE &&
             json_real_value(value) == floor(json_real_value(value)))
        *out = (int64_t)json_real_value(value); /* 1e6 is how people write a million */
    else
        return value_wrong_type(o, "an integer", value, err);
    if (*out >= o->int_min && *out <= o->int_max)
        return HONE_OK;
    hone_print(text, sizeof text, "%" PRId64, *out);
    return value_out_of_range(o, text, err);
}

static int value_real(const hone_option *o, const json_t *value, double *out, hone_error *err)
{
    char text[HONE_REAL_MAX];
    double x;

    if (!json_is_number(value))
        return value_wrong_type(o, "a number", value, err);
    x = json_number_value(value);
    if ((o->flags & HONE_OPTION_OPEN_MIN ? x > o->real_min : x >= o->real_min) &&
        (o->flags & HONE_OPTION_OPEN_MAX ? x < o->real_max : x <= o->real_max)) {
        *out = x;
        return HONE_OK;
    }
    return value_out_of_range(o, hone_print_real(text, x), err);
}

/* *out is a copy that the core owns. */
static int value_text(const hone_option *o, const json_t *value, const char **out,
                      hone_error *err)
{
    const char *text = json_string_value(value);

    if (!text)
        return value_wrong_type(o, "a text", value, err);
    if (strlen(text) != json_string_length(value))
        return hone_fail(err, HONE_EINVAL, "the text has a zero byte at offset %zu", strlen(text));
    *out = o->type == HONE_OPTION_PATH ? hone_path_expand(text) : hone_strdup(text);
    return *out ? HONE_OK : hone_fail_memory(err, "a text");
}

static int value_choice(const hone_option *o, const json_t *value, int64_t *out, hone_error *err)
{
    const char *word = json_string_value(value);
    char allowed[HONE_ALLOWED_MAX], hint[96];
    hone_suggest s;

    if (!word)
        return value_wrong_type(o, "a text", value, err);
    s = hone_suggest_start(word);
    for (int64_t i = 0; o->choices[i]; i++) {
        if (strcmp(word, o->choices[i]) == 0) {
            *out = i;
            return HONE_OK;
        }
        hone_suggest_offer(&s, o->choices[i]);
    }
    return hone_fail(err, HONE_EINVAL, "'%.40s' is not one of %s%s", word,
                     hone_option_allowed(o, allowed), hone_suggest_text(&s, hint, sizeof hint));
}

static int value_range(const hone_option *o, const json_t *value, hone_range *out,
                       hone_error *err)
{
    char low[HONE_REAL_MAX], high[HONE_REAL_MAX];
    hone_range range;
    int code;

    if (json_array_size(value) != 2)
        return value_wrong_type(o, "a list of two numbers, low and high", value, err);
    if ((code = value_real(o, json_array_get(value, 0), &range.low, err)) != HONE_OK ||
        (code = value_real(o, json_array_get(value, 1), &range.high, err)) != HONE_OK)
        return code;
    if (range.low > range.high)
        return hone_fail(err, HONE_EINVAL, "the low end %s exceeds the high end %s",
                         hone_print_real(low, range.low), hone_print_real(high, range.high));
    *out = range;
    return HONE_OK;
}

/* Lua writes an empty list and an empty table alike. */
static bool value_is_list(const json_t *value)
{
    return json_is_array(value) || (json_is_object(value) && json_object_size(value) == 0);
}

/* All three lists are a count and a pointer to items of 8 bytes or a pointer. */
static int value_list(const hone_option *o, void *member, const json_t *value, hone_error *err)
{
    size_t count = json_array_size(value);
    size_t width = o->type == HONE_OPTION_STRINGS ? sizeof(char *) : sizeof(int64_t);
    int code = HONE_OK;
    void *items;

    if (!value_is_list(value))
        return value_wrong_type(o, hone_option_expected(o), value, err);
    if (count == 0)
        return HONE_OK;
    if (!(items = hone_alloc(count, width)))
        return hone_fail_memory(err, "a list");
    if (o->type == HONE_OPTION_INTS)
        *(hone_int_list *)member = (hone_int_list){ count, items };
    else if (o->type == HONE_OPTION_REALS)
        *(hone_real_list *)member = (hone_real_list){ count, items };
    else
        *(hone_string_list *)member = (hone_string_list){ count, items };
    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        const json_t *item = json_array_get(value, i);

        if (o->type == HONE_OPTION_INTS)
            code = value_int(o, item, (int64_t *)items + i, err);
        else if (o->type == HONE_OPTION_REALS)
            code = value_real(o, item, (double *)items + i, err);
        else
            code = value_text(o, item, (const char **)items + i, err);
        if (code != HONE_OK)
            hone_fail_in(err, "item %zu", i + 1);
    }
    return code;
}

/* What a member holds where there is neither a value nor a default. */
static void value_unset(const hone_option *o, void *member)
{
    switch (o->type) {
    case HONE_OPTION_BOOL: *(bool *)member = o->int_default != 0; break;
    case HONE_OPTION_INT: *(int64_t *)member = o->int_default; break;
    case HONE_OPTION_REAL: *(double *)member = o->real_default; break;
    case HONE_OPTION_CHOICE: *(int64_t *)member = -1; break;
    case HONE_OPTION_RANGE: *(hone_range *)member = (hone_range){ o->real_min, o->real_max }; break;
    default: break; /* zeroed memory: NULL, no items */
    }
}

static int value_convert(const hone_option *o, void *member, const json_t *value, hone_error *err)
{
    switch (o->type) {
    case HONE_OPTION_BOOL:
        if (!json_is_boolean(value))
            return value_wrong_type(o, "true or false", value, err);
        *(bool *)member = json_is_true(value);
        return HONE_OK;
    case HONE_OPTION_INT: return value_int(o, value, member, err);
    case HONE_OPTION_REAL: return value_real(o, value, member, err);
    case HONE_OPTION_STRING:
    case HONE_OPTION_PATH: return value_text(o, value, member, err);
    case HONE_OPTION_CHOICE: return value_choice(o, value, member, err);
    case HONE_OPTION_RANGE: return value_range(o, value, member, err);
    case HONE_OPTION_INTS:
    case HONE_OPTION_REALS:
    case HONE_OPTION_STRINGS: return value_list(o, member, value, err);
    default:
        return hone_fail(err, HONE_EABI, "an option of type %d, which this hone does not know",
                         (int)o->type);
    }
}

/* What was stored, as JSON: integers as integers, paths as they are used. */
static json_t *value_effective(const hone_option *o, const void *member, const json_t *value)
{
    switch (o->type) {
    case HONE_OPTION_INT: return json_integer(*(const int64_t *)member);
    case HONE_OPTION_REAL: return json_real(*(const double *)member);
    case HONE_OPTION_PATH: return json_string(*(const char *const *)member);
    case HONE_OPTION_INTS:
    case HONE_OPTION_REALS:
    case HONE_OPTION_STRINGS:
        return json_is_array(value) ? hone_json_copy(value, true) : json_array();
    default: return hone_json_copy(value, true);
    }
}

int hone_option_store(const hone_option *o, void *member, const hone_json *value,
                      hone_json **effective, hone_error *err)
{
    bool unset = !value || json_is_null(value);
    int code = HONE_OK;

    if (unset)
        value_unset(o, member);
    else
        code = value_convert(o, member, value, err);
    if (code == HONE_OK) {
        *effective = unset ? json_null() : value_effective(o, member, value);
        if (!*effective)
            code = hone_fail_memory(err, "an option");
    }
    if (code != HONE_OK)
        hone_option_release(o, member);
    return code;
}

static json_t *value_text_json(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* "[lo,hi]" as the macro wrote it: C numbers, so ".5" and "1." occur. */
static int value_range_json(json_t **out, const char *text, hone_error *err)
{
    char *comma = NULL, *end = NULL;
    double low = 0, high = 0;

    if (*text == '[')
        low = hone_strtod(text + 1, &comma);
    if (comma && *comma == ',')
        high = hone_strtod(comma + 1, &end);
    if (!end || strcmp(end, "]") != 0)
        return hone_fail(err, HONE_EINVAL, "the default %s is not \"[low,high]\"", text);
    *out = json_pack("[f,f]", low, high);
    return HONE_OK;
}

int hone_option_default(const hone_option *o, hone_json **out, hone_error *err)
{
    *out = NULL;
    switch (o->type) {
    case HONE_OPTION_BOOL: *out = json_boolean(o->int_default != 0); break;
    case HONE_OPTION_INT:
        *out = o->int_default == HONE_UNSET_INT ? json_null() : json_integer(o->int_default);
        break;
    case HONE_OPTION_REAL:
        *out = isfinite(o->real_default) ? json_real(o->real_default) : json_null();
        break;
    case HONE_OPTION_RANGE:
        if (!o->text_default)
            *out = json_null();
        else if (value_range_json(out, o->text_default, err) != HONE_OK)
            return HONE_EINVAL;
        break;
    case HONE_OPTION_INTS:
    case HONE_OPTION_REALS:
    case HONE_OPTION_STRINGS:
        if (o->text_default)
            return hone_json_parse(out, o->text_default, strlen(o->text_default), "default", err);
        *out = json_array();
        break;
    default: *out = value_text_json(o->text_default); break;
    }
    return *out ? HONE_OK : hone_fail_memory(err, "a default");
}

void hone_option_release(const hone_option *o, void *member)
{
    hone_string_list *texts = member;

    switch (o->type) {
    case HONE_OPTION_STRING:
    case HONE_OPTION_PATH:
        hone_free(*(char **)member);
        *(char **)member = NULL;
        break;
    case HONE_OPTION_INTS:
        hone_free(((hone_int_list *)member)->items);
        *(hone_int_list *)member = (hone_int_list){ 0 };
        break;
    case HONE_OPTION_REALS:
        hone_free(((hone_real_list *)member)->items);
        *(hone_real_list *)member = (hone_real_list){ 0 };
        break;
    case HONE_OPTION_STRINGS:
        for (size_t i = 0; i < texts->count; i++)
            hone_free((char *)texts->items[i]);
        hone_free(texts->items);
        *texts = (hone_string_list){ 0 };
        break;
    case HONE_OPTION_PLUGIN:
        hone_instance_free(*(hone_instance **)member);
        *(hone_instance **)member = NULL;
        break;
    default: break;
    }
}

size_t hone_option_width(hone_option_type type)
{
    switch (type) {
    case HONE_OPTION_BOOL: return sizeof(bool);
    case HONE_OPTION_INT: return sizeof(int64_t);
    case HONE_OPTION_REAL: return sizeof(double);
    case HONE_OPTION_STRING:
    case HONE_OPTION_PATH: return sizeof(const char *);
    case HONE_OPTION_CHOICE: return sizeof(int64_t);
    case HONE_OPTION_RANGE: return sizeof(hone_range);
    case HONE_OPTION_INTS: return sizeof(hone_int_list);
    case HONE_OPTION_REALS: return sizeof(hone_real_list);
    case HONE_OPTION_STRINGS: return sizeof(hone_string_list);
    case HONE_OPTION_PLUGIN: return sizeof(hone_instance *);
    default: return 0;
    }
}
