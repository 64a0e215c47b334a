/* format.c -- the formats of rows, told by their columns (see <hone/data.h>). */
#include "parts.h"

#include <stdio.h>
#include <string.h>

/* A null column counts as absent: tables write missing values so. */
static json_t *format_column(const json_t *row, const char *name)
{
    json_t *value = json_object_get(row, name);

    return json_is_null(value) ? NULL : value;
}

data_format data_format_of(const json_t *row)
{
    static const struct {
        const char *column;
        data_format format;
    } table[] = {
        { "messages", DATA_MESSAGES },       { "conversations", DATA_CONVERSATIONS },
        { "prompt", DATA_PROMPT },           { "instruction", DATA_INSTRUCTION },
        { "turns", DATA_TURNS },             { "text", DATA_TEXT },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (format_column(row, table[i].column))
            return table[i].format;
    return DATA_NONE;
}

bool data_role_learned(data_role role)
{
    return role == DATA_ASSISTANT || role == DATA_COMPLETION || role == DATA_OUTPUT ||
           role == DATA_WHOLE;
}

size_t data_instances(const json_t *row)
{
    json_t *list = format_column(row, "instances");

    return data_format_of(row) == DATA_INSTRUCTION && !format_column(row, "output") &&
           json_array_size(list) ? json_array_size(list) : 1;
}

static int format_add(data_parts *parts, data_role role, const json_t *value, hone_error *err,
                      const char *fmt, ...) HONE_PRINTF(5, 6);

/* Append a text; fmt names the field it comes from. */
static int format_add(data_parts *parts, data_role role, const json_t *value, hone_error *err,
                      const char *fmt, ...)
{
    if (!json_is_string(value)) {
        va_list args;
        char *field;
        va_start(args, fmt);
        field = hone_vformat(fmt, args);
        va_end(args);
        hone_fail(err, HONE_EFORMAT, "field '%s': a text expected, got %s", field ? field : fmt,
                  value ? hone_json_type(value) : "nothing");
        hone_free(field);
        return HONE_EFORMAT;
    }
    if (parts->count == parts->capacity) {
        size_t capacity = parts->capacity ? 2 * parts->capacity : 8;
        data_part *items = hone_realloc(parts->items, capacity, sizeof *items);
        if (!items)
            return hone_fail_memory(err, "the parts of a row");
        parts->items = items;
        parts->capacity = capacity;
    }
    parts->items[parts->count++] = (data_part){ role, json_string_value(value) };
    return HONE_OK;
}

typedef struct format_names {
    const char *column, *who, *what, *roles;
    const struct {
        const char *name;
        data_role role;
    } known[8];
} format_names;

static const format_names messages = {
    "messages", "role", "content", "system, user or assistant",
    { { "system", DATA_SYSTEM }, { "user", DATA_USER }, { "assistant", DATA_ASSISTANT } }
};

static const format_names conversations = {
    "conversations", "from", "value", "system, human, user, gpt or assistant",
    { { "system", DATA_SYSTEM }, { "human", DATA_USER }, { "user", DATA_USER },
      { "gpt", DATA_ASSISTANT }, { "assistant", DATA_ASSISTANT } }
};

static int format_message(data_parts *parts, const format_names *names, const json_t *message,
                          size_t i, hone_error *err)
{
    const char *who;

    if (!json_is_object(message))
        return hone_fail(err, HONE_EFORMAT, "field '%s[%zu]': an object expected, got %s",
                         names->column, i + 1, hone_json_type(message));
    who = hone_json_string(json_object_get(message, names->who));
    for (size_t k = 0; who && names->known[k].name; k++)
        if (strcmp(who, names->known[k].name) == 0)
            return format_add(parts, names->known[k].role, json_object_get(message, names->what),
                              err, "%s[%zu].%s", names->column, i + 1, names->what);
    return hone_fail(err, HONE_EFORMAT, "field '%s[%zu].%s': %s expected, got %s%.64s%s",
                     names->column, i + 1, names->who, names->roles, who ? "'" : "",
                     who ? who : json_object_get(message, names->who)
                         ? hone_json_type(json_object_get(message, names->who)) : "nothing",
                     who ? "'" : "");
}

static int format_list(const json_t *list, const char *column, hone_error *err)
{
    if (!json_is_array(list))
        return hone_fail(err, HONE_EFORMAT, "field '%s': a list expected, got %s", column,
                         hone_json_type(list));
    if (!json_array_size(list))
        return hone_fail(err, HONE_EFORMAT, "field '%s': the list is empty", column);
    return HONE_OK;
}

static int format_messages(data_parts *parts, const json_t *row, const format_names *names,
                           hone_error *err)
{
    json_t *list = json_object_get(row, names->column);
    int code = format_list(list, names->column, err);

    for (size_t i = 0; !code && i < json_array_size(list); i++)
        code = format_message(parts, names, json_array_get(list, i), i, err);
    return code;
}

static int format_prompt(data_parts *parts, const json_t *row, hone_error *err)
{
    const char *name = format_column(row, "completion") ? "completion" : "response";
    json_t *answer = format_column(row, name);
    int code = format_add(parts, DATA_QUESTION, json_object_get(row, "prompt"), err, "prompt");

    return code || !answer ? code : format_add(parts, DATA_COMPLETION, answer, err, "%s", name);
}

static int format_instruction(data_parts *parts, const json_t *row, size_t k, hone_error *err)
{
    json_t *input = format_column(row, "input"), *output = format_column(row, "output");
    json_t *list = format_column(row, "instances");
    char where[48] = "";
    int code = format_add(parts, DATA_TASK, json_object_get(row, "instruction"), err,
                          "instruction");

    if (!code && !output && list) {
        json_t *instance = json_array_get(list, k);
        if ((code = format_list(list, "instances", err)))
            return code;
        if (!json_is_object(instance))
            return hone_fail(err, HONE_EFORMAT,
                             "field 'instances[%zu]': an object expected, got %s", k + 1,
                             hone_json_type(instance));
        input = format_column(instance, "input");
        output = format_column(instance, "output");
        snprintf(where, sizeof where, "instances[%zu].", k + 1);
    }
    if (!code && input && !(json_is_string(input) && !json_string_length(input)))
        code = format_add(parts, DATA_INPUT, input, err, "%sinput", where);
    if (!code && output)
        code = format_add(parts, DATA_OUTPUT, output, err, "%soutput", where);
    return code;
}

/* What a dataset of questions asks first; a later turn needs an answer before. */
static int format_turns(data_parts *parts, const json_t *row, hone_error *err)
{
    json_t *list = json_object_get(row, "turns");
    int code = format_list(list, "turns", err);

    return code ? code : format_add(parts, DATA_USER, json_array_get(list, 0), err, "turns[1]");
}

static int format_none(const json_t *row, hone_error *err)
{
    char columns[256];

    return hone_fail(err, HONE_EFORMAT, "no format has these columns: %s (formats: messages; "
                     "conversations; prompt, completion or response; instruction, input, output "
                     "or instances; turns; text)", data_columns(row, columns, sizeof columns));
}

int data_parts_read(data_parts *parts, const hone_data *data, size_t i, size_t k, hone_error *err)
{
    const json_t *row = data->rows[i].json;
    int code = HONE_OK;

    parts->count = 0;
    parts->format = data_format_of(row);
    switch (parts->format) {
    case DATA_NONE: code = format_none(row, err); break;
    case DATA_MESSAGES: code = format_messages(parts, row, &messages, err); break;
    case DATA_CONVERSATIONS: code = format_messages(parts, row, &conversations, err); break;
    case DATA_PROMPT: code = format_prompt(parts, row, err); break;
    case DATA_INSTRUCTION: code = format_instruction(parts, row, k, err); break;
    case DATA_TURNS: code = format_turns(parts, row, err); break;
    case DATA_TEXT:
        code = format_add(parts, DATA_WHOLE, json_object_get(row, "text"), err, "text");
        break;
    }
    if (code)
        data_fail_in(data, i, err);
    return code;
}

const char *hone_data_response(const hone_data *data, size_t i)
{
    data_parts parts = { 0 };
    const char *text = NULL;

    if (i < data->count && data_parts_read(&parts, data, i, 0, NULL) == HONE_OK &&
        parts.format != DATA_TEXT && parts.count &&
        data_role_learned(parts.items[parts.count - 1].role))
        text = parts.items[parts.count - 1].text;
    hone_free(parts.items);
    return text;
}
