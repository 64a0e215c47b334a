/* strength.c -- strength of the sides of a comparison (see strength.h). */
#include "strength.h"

int bias_strength_open(struct bias_strength *s, const char *attribute, const hone_judgements *j,
                       size_t most, hone_error *err)
{
    size_t options = hone_judgements_level(j) == HONE_PAIR ? hone_judgements_options(j) : 0;
    bool found = false;

    *s = (struct bias_strength){ .attribute = attribute, .judgements = j };
    for (size_t i = 0; attribute && i < hone_judgements_items(j) && !found; i++)
        found = json_is_number(hone_json_get(hone_judgements_item_attributes(j, i), attribute));
    if (attribute && !found)
        return hone_fail(err, HONE_EINVAL, "no item has a number as its attribute '%s'",
                         attribute);
    s->terms = attribute ? 1 : options > 1 && options - 1 <= most ? options - 1 : 0;
    return HONE_OK;
}

bool bias_strength_fill(const struct bias_strength *s, size_t row, double sign, double *x)
{
    const hone_judgements *j = s->judgements;
    int32_t left, right;

    if (s->attribute) {
        const json_t *value = hone_json_get(hone_judgements_item_attributes(j,
                                  (size_t)hone_judgements_item(j)[row]), s->attribute);
        *x = json_is_number(value) ? sign * json_number_value(value) : 0;
        return json_is_number(value);
    }
    for (size_t i = 0; i < s->terms; i++)
        x[i] = 0;
    if (!s->terms)
        return true;
    left = hone_judgements_left(j)[row];
    right = hone_judgements_right(j)[row];
    if (left > 0)
        x[left - 1] += sign;
    if (right > 0)
        x[right - 1] -= sign;
    return true;
}
