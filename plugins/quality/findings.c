/* findings.c -- see findings.h. */
#include "findings.h"

#include <math.h>

int findings_open(struct findings *f, const hone_judgements *j, hone_error *err)
{
    *f = (struct findings){ .judgements = j };
    f->result = json_object();
    f->annotators = json_array();
    f->items = json_array();
    f->rows = json_array();
    f->left_out = hone_alloc(hone_judgements_count(j) + 1, sizeof *f->left_out);
    if (!f->result || !f->annotators || !f->items || !f->rows || !f->left_out)
        return hone_fail_memory(err, "a result");
    return HONE_OK;
}

void findings_free(struct findings *f)
{
    json_decref(f->result);
    json_decref(f->annotators);
    json_decref(f->items);
    json_decref(f->rows);
    hone_free(f->left_out);
    *f = (struct findings){0};
}

void findings_real(struct findings *f, json_t *to, const char *key, double value)
{
    f->failed |= json_object_set_new(to, key, isfinite(value) ? json_real(value) : json_null());
}

void findings_count(struct findings *f, json_t *to, const char *key, size_t value)
{
    f->failed |= json_object_set_new(to, key, json_integer((json_int_t)value));
}

void findings_text(struct findings *f, json_t *to, const char *key, const char *text)
{
    f->failed |= json_object_set_new(to, key, text ? json_string(text) : json_null());
}

void findings_interval(struct findings *f, json_t *to, const char *key, double low, double high)
{
    f->failed |= json_object_set_new(to, key, isfinite(low) && isfinite(high)
                                                  ? json_pack("[f, f]", low, high) : json_null());
}

HONE_PRINTF(3, 0)
static void findings_reason(struct findings *f, json_t *to, const char *reason, va_list args)
{
    char *text = hone_vformat(reason, args);

    f->failed |= !text;
    if (text)
        findings_text(f, to, "reason", text);
    hone_free(text);
}

json_t *findings_annotator(struct findings *f, size_t annotator, double score,
                           const char *reason, ...)
{
    json_t *one = json_object();
    va_list args;

    f->failed |= json_array_append_new(f->annotators, one);
    findings_text(f, one, "annotator", hone_judgements_annotator_name(f->judgements, annotator));
    findings_real(f, one, "score", score);
    f->failed |= json_object_set_new(one, "flagged", json_boolean(reason != NULL));
    f->flagged += reason != NULL;
    if (reason) {
        va_start(args, reason);
        findings_reason(f, one, reason, args);
        va_end(args);
    }
    return one;
}

json_t *findings_item(struct findings *f, size_t item, bool flagged, const char *reason, ...)
{
    json_t *one = json_object();
    va_list args;

    f->failed |= json_array_append_new(f->items, one);
    findings_text(f, one, "item", hone_judgements_item_name(f->judgements, item));
    f->failed |= json_object_set_new(one, "flagged", json_boolean(flagged));
    f->flagged_items += flagged;
    va_start(args, reason);
    findings_reason(f, one, reason, args);
    va_end(args);
    return one;
}

void findings_row(struct findings *f, size_t row)
{
    if (f->left_out[row])
        return;
    f->left_out[row] = true;
    f->failed |= json_array_append_new(f->rows, json_integer((json_int_t)row));
}

void findings_undefined(struct findings *f, const char *word, const char *why)
{
    f->failed |= json_object_set_new(f->result, "passed", json_null());
    findings_text(f, f->result, "summary", why);
    findings_text(f, f->result, "undefined", word);
    findings_text(f, f->result, "why", why);
}

int findings_close(struct findings *f, bool passed, hone_json **out, hone_error *err,
                   const char *summary, ...)
{
    va_list args;

    if (!json_object_get(f->result, "undefined")) {
        char *text;
        va_start(args, summary);
        text = hone_vformat(summary, args);
        va_end(args);
        f->failed |= !text;
        f->failed |= json_object_set_new(f->result, "passed", json_boolean(passed));
        if (text)
            findings_text(f, f->result, "summary", text);
        hone_free(text);
    }
    f->failed |= json_object_set(f->result, "annotators", f->annotators);
    f->failed |= json_object_set(f->result, "items", f->items);
    f->failed |= json_object_set(f->result, "rows", f->rows);
    if (f->failed)
        return hone_fail_memory(err, "a result");
    *out = f->result;
    f->result = NULL;
    return HONE_OK;
}
