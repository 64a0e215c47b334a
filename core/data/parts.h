/* parts.h -- a row read by its format: a list of texts, each with its part. */
#ifndef CORE_DATA_PARTS_H
#define CORE_DATA_PARTS_H

#include "data.h"

typedef enum data_format {
    DATA_NONE, DATA_MESSAGES, DATA_CONVERSATIONS, DATA_PROMPT, DATA_INSTRUCTION, DATA_TURNS,
    DATA_TEXT
} data_format;

typedef enum data_role {
    DATA_SYSTEM, DATA_USER, DATA_ASSISTANT,       /* messages, conversations, turns */
    DATA_QUESTION, DATA_COMPLETION,               /* prompt, completion */
    DATA_TASK, DATA_INPUT, DATA_OUTPUT,           /* instruction */
    DATA_WHOLE                                    /* text */
} data_role;

typedef struct data_part {
    data_role role;
    const char *text;     /* borrowed from the row */
} data_part;

typedef struct data_parts {
    data_format format;
    data_part *items;     /* hone_free */
    size_t count, capacity;
} data_parts;

data_format data_format_of(const json_t *row);
/* Whether parts of this role are what a model learns to write. */
bool data_role_learned(data_role role);
/* How many answers the row has, each an example: the length of `instances`, else 1. */
size_t data_instances(const json_t *row);

/* Read row i, its instance k; parts is emptied first. Errors name file:line
 * and field. A row without a format fails. */
int data_parts_read(data_parts *parts, const hone_data *data, size_t i, size_t k, hone_error *err);

#endif
