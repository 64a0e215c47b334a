/* processor.c -- the ids that the post-processor puts around a text. */
#include "bpe.h"

#include <string.h>

/* The id of a token that the template names; its own table of ids comes first. */
static int processor_push(struct bpe_model *m, hone_ids *ids, const json_t *json,
                          const char *name, hone_error *err)
{
    const json_t *own = json_object_get(json_object_get(json, "special_tokens"), name);
    const json_t *list = json_object_get(own, "ids"), *value;
    int32_t id;
    size_t i;
    int code;

    if (json_array_size(list) == 0) {
        id = bpe_model_find(m, name, strlen(name), err);
        if (id < 0)
            return hone_fail(err, HONE_EFORMAT, "token '%.80s' is not in the vocabulary", name);
        return hone_ids_push(ids, id, err);
    }
    json_array_foreach(list, i, value) {
        json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;

        if (number < 0 || (size_t)number >= m->vocab.count)
            return hone_fail(err, HONE_EFORMAT, "token '%.80s' has id %lld (allowed: 0 to %zu)",
                             name, (long long)number, m->vocab.count - 1);
        code = hone_ids_push(ids, (int32_t)number, err);
        if (code != HONE_OK)
            return code;
    }
    return HONE_OK;
}

static int processor_template(struct bpe_model *m, const json_t *json, hone_error *err)
{
    const json_t *single = json_object_get(json, "single"), *item;
    hone_ids *ids = &m->prefix;
    size_t i;

    if (!json_is_array(single))
        return hone_fail(err, HONE_EFORMAT, "'single' is missing or no array");
    json_array_foreach(single, i, item) {
        const char *name = json_string_value(
            json_object_get(json_object_get(item, "SpecialToken"), "id"));
        int code;

        if (json_object_get(item, "Sequence")) {
            if (ids == &m->suffix)
                return hone_fail(err, HONE_EUNSUPPORTED, "'single' has two Sequences");
            ids = &m->suffix;
            continue;
        }
        if (!name)
            return hone_fail(err, HONE_EFORMAT, "'single' holds neither token nor Sequence");
        code = processor_push(m, ids, json, name, err);
        if (code != HONE_OK)
            return code;
    }
    if (ids == &m->prefix)
        return hone_fail(err, HONE_EFORMAT, "'single' has no Sequence");
    return HONE_OK;
}

/* [name, id] under `key`, as BERT's and RoBERTa's have it. */
static int processor_pair(struct bpe_model *m, hone_ids *ids, const json_t *json, const char *key,
                          hone_error *err)
{
    const json_t *id = json_array_get(json_object_get(json, key), 1);

    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        (size_t)json_integer_value(id) >= m->vocab.count)
        return hone_fail(err, HONE_EFORMAT, "'%s' has no id of the vocabulary", key);
    return hone_ids_push(ids, (int32_t)json_integer_value(id), err);
}

static int processor_step(void *self, const json_t *json, const char *type, hone_error *err)
{
    struct bpe_model *m = self;
    int code;

    if (strcmp(type, "ByteLevel") == 0) /* about offsets, of which there are none here */
        return HONE_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        return m->prefix.count || m->suffix.count
                   ? hone_fail(err, HONE_EUNSUPPORTED, "a second one that adds tokens")
                   : processor_template(m, json, err);
    if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
        code = processor_pair(m, &m->prefix, json, "cls", err);
        return code == HONE_OK ? processor_pair(m, &m->suffix, json, "sep", err) : code;
    }
    return hone_fail(err, HONE_EUNSUPPORTED,
                     "not supported (known: TemplateProcessing, ByteLevel, BertProcessing, "
                     "RobertaProcessing, Sequence)");
}

int bpe_processor_read(struct bpe_model *m, const json_t *json, hone_error *err)
{
    return bpe_steps_read(m, json, "processors", processor_step, "post_processor", err);
}
