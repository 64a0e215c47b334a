/* store_rows.c -- pages of imported judgements (see store_rows.h). */
#include "store_rows.h"

#include <jansson.h>
#include <string.h>

int store_rows_grow(store_rows *r, hone_error *err)
{
    size_t capacity = r->capacity ? 2 * r->capacity : 64;
    store_place *places;
    hone_store_row *rows;

    if (r->count < r->capacity)
        return HONE_OK;
    if (!(places = hone_realloc(r->places, capacity, sizeof *places)))
        return hone_fail_memory(err, "rows");
    r->places = places;
    if (!(rows = hone_realloc(r->rows, capacity, sizeof *rows)))
        return hone_fail_memory(err, "rows");
    r->rows = rows;
    r->capacity = capacity;
    return HONE_OK;
}

static int rows_text(store_rows *r, size_t *place, const char *text, hone_error *err)
{
    *place = text ? r->text.count : STORE_NONE;
    return text ? hone_text_push(&r->text, text, strlen(text) + 1, err) : HONE_OK;
}

static int rows_json(store_rows *r, size_t *place, const json_t *json, hone_error *err)
{
    char *text = json ? hone_store_canonical(json) : NULL;
    int code = json && !text ? hone_fail_memory(err, "a judgement")
                             : rows_text(r, place, text, err);

    hone_free(text);
    return code;
}

int store_rows_add(store_rows *r, const hone_json *row, hone_error *err)
{
    json_t *answers = json_object_get(row, "answers"), *order = json_object_get(row, "order");
    json_t *seconds = json_object_get(row, "seconds"), *at = json_object_get(row, "at"), *value;
    const char *name;
    store_place *p;
    int code = store_rows_grow(r, err);

    if (code != HONE_OK)
        return code;
    p = &r->places[r->count];
    *p = (store_place){ .seconds = json_is_number(seconds) ? json_number_value(seconds) : -1,
                        .at = json_is_number(at) ? json_number_value(at) : -1,
                        .sides = (int64_t)json_array_size(order),
                        .ask_count = json_object_size(answers) };
    code = rows_json(r, &p->content, json_object_get(row, "content"), err);
    if (code == HONE_OK)
        code = rows_json(r, &p->answers, answers, err);
    if (code == HONE_OK)
        code = rows_json(r, &p->order, json_is_array(order) ? order : NULL, err);
    if (code == HONE_OK)
        code = rows_text(r, &p->item, json_string_value(json_object_get(row, "item")), err);
    if (code == HONE_OK)
        code = rows_text(r, &p->annotator, json_string_value(json_object_get(row, "annotator")),
                         err);
    if (code == HONE_OK)
        code = rows_text(r, &p->key, json_string_value(json_object_get(row, "key")), err);
    p->asks = r->text.count;
    json_object_foreach(answers, name, value)
        if (code == HONE_OK)
            code = hone_text_push(&r->text, name, strlen(name) + 1, err);
    r->count += code == HONE_OK;
    return code;
}

static const char *rows_at(const store_rows *r, size_t place)
{
    return place == STORE_NONE ? NULL : r->text.bytes + place;
}

int store_rows_send(hone_instance *store, const char *task, double now, store_rows *r,
                    size_t first, size_t count, hone_json **reply, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(store);
    hone_store_import_op *op = NULL;
    int code;

    *reply = NULL;
    if (strcmp(plugin->kind, "store") == 0)
        op = HONE_OP(plugin->ops, hone_store_ops, import);
    if (!op)
        return hone_fail(err, HONE_EUNSUPPORTED, "%s/%s is no store that can import", plugin->kind,
                         plugin->name);
    for (size_t i = first; i < first + count; i++) {
        const store_place *p = &r->places[i];

        r->rows[i] = (hone_store_row){
            .content = rows_at(r, p->content), .item = rows_at(r, p->item),
            .annotator = rows_at(r, p->annotator), .key = rows_at(r, p->key),
            .answers = rows_at(r, p->answers), .order = rows_at(r, p->order),
            .asks = rows_at(r, p->asks), .ask_count = p->ask_count, .sides = p->sides,
            .seconds = p->seconds, .at = p->at };
    }
    code = op(hone_instance_self(store), task, now, r->rows + first, count, reply, err);
    if (code == HONE_OK)
        return HONE_OK;
    hone_json_free(*reply);
    *reply = NULL;
    return hone_fail_in(err, "%s/%s", plugin->kind, plugin->name);
}

void store_rows_clear(store_rows *r)
{
    r->count = r->text.count = 0;
}

void store_rows_free(store_rows *r)
{
    hone_free(r->text.bytes);
    hone_free(r->places);
    hone_free(r->rows);
    *r = (store_rows){ 0 };
}
