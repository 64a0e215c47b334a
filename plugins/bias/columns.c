/* columns.c -- groups, outcomes and preferences of judgements (see finding.h). */
#include "finding.h"

#include <stdlib.h>

/* ---- groups ---- */

const char *const bias_of_words[] = { "any", "items", "annotators", NULL };

int bias_text(char **out, const hone_json *attributes, const char *key, hone_error *err)
{
    const json_t *value = hone_json_get(attributes, key);

    *out = NULL;
    if (!value || json_is_null(value))
        return HONE_OK;
    if (json_is_string(value))
        *out = hone_strdup(json_string_value(value));
    else if (json_is_object(value) || json_is_array(value))
        return hone_fail(err, HONE_EINVAL, "attribute '%s' is %s; a text, a number or a boolean "
                         "is needed", key, hone_json_type(value));
    else
        *out = hone_json_text(value);
    return *out ? HONE_OK : hone_fail_memory(err, "an attribute");
}

struct columns_name {
    char *text;
    int32_t at;
};

static int columns_compare(const void *a, const void *b)
{
    const struct columns_name *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static const hone_json *columns_attributes(const hone_judgements *j, bool annotators, size_t i)
{
    return annotators ? hone_judgements_annotator_attributes(j, i)
                      : hone_judgements_item_attributes(j, i);
}

static bool columns_any(const hone_judgements *j, bool annotators, const char *attribute)
{
    size_t n = annotators ? hone_judgements_annotators(j) : hone_judgements_items(j);

    for (size_t i = 0; i < n; i++)
        if (hone_json_get(columns_attributes(j, annotators, i), attribute))
            return true;
    return false;
}

/* Equal names, side by side, become a group; the names that groups do not keep
 * are freed. */
static int columns_number(struct bias_groups *g, struct columns_name *names, size_t n,
                          hone_error *err)
{
    qsort(names, n, sizeof *names, columns_compare);
    g->names = hone_alloc(n + 1, sizeof *g->names);
    if (!g->names)
        return hone_fail_memory(err, "groups");
    for (size_t i = 0; i < n; i++) {
        if (!g->count || strcmp(g->names[g->count - 1], names[i].text) != 0) {
            g->names[g->count++] = names[i].text;
            names[i].text = NULL;
        }
        g->of[names[i].at] = (int32_t)g->count - 1;
    }
    return HONE_OK;
}

int bias_groups_make(struct bias_groups *g, const hone_judgements *j, const char *attribute,
                     int64_t of, size_t most, hone_error *err)
{
    bool on_items = of != BIAS_OF_ANNOTATORS && columns_any(j, false, attribute);
    size_t n, known = 0;
    struct columns_name *names;
    int code = HONE_OK;

    *g = (struct bias_groups){ .annotators = !on_items };
    if (!on_items && (of == BIAS_OF_ITEMS || !columns_any(j, true, attribute)))
        return hone_fail(err, HONE_EINVAL, "no %s has the attribute '%s'", of == BIAS_OF_ITEMS ?
                         "item" : of == BIAS_OF_ANY ? "item or annotator" : "annotator", attribute);
    n = on_items ? hone_judgements_items(j) : hone_judgements_annotators(j);
    names = hone_alloc(n + 1, sizeof *names);
    g->of = hone_alloc(n + 1, sizeof *g->of);
    if (!names || !g->of)
        code = hone_fail_memory(err, "groups");
    for (size_t i = 0; i < n && !code; i++) {
        char *text;
        code = bias_text(&text, columns_attributes(j, g->annotators, i), attribute, err);
        g->of[i] = -1;
        if (text)
            names[known++] = (struct columns_name){ text, (int32_t)i };
    }
    g->unknown = n - known;
    if (!code)
        code = columns_number(g, names, known, err);
    if (!code && most && g->count > most)
        code = hone_fail(err, HONE_EINVAL, "attribute '%s' has %zu groups; at most %zu are "
                         "compared", attribute, g->count, most);
    for (size_t i = 0; i < known; i++)
        hone_free(names[i].text);
    hone_free(names);
    return code;
}

void bias_groups_free(struct bias_groups *g)
{
    for (size_t i = 0; i < g->count; i++)
        hone_free(g->names[i]);
    hone_free(g->names);
    hone_free(g->of);
    *g = (struct bias_groups){0};
}

int32_t bias_group_of(const struct bias_groups *g, const hone_judgements *j, size_t row)
{
    return g->of[g->annotators ? hone_judgements_annotator(j)[row] : hone_judgements_item(j)[row]];
}

/* ---- outcomes ---- */

bool bias_is_positive(const struct bias_outcome *o, const char *label)
{
    for (size_t i = 0; i < o->positive.count; i++)
        if (strcmp(o->positive.items[i], label) == 0)
            return true;
    return false;
}

static int columns_labels(const struct bias_outcome *o, const hone_judgements *j, double *y,
                          hone_error *err)
{
    size_t known = 0;

    for (size_t i = 0; i < o->positive.count; i++)
        known += hone_judgements_find_label(j, o->positive.items[i]) >= 0;
    if (!known)
        return hone_fail(err, HONE_EINVAL, "positive: %s%s%s; the labels are '%s'%s%s%s",
                         o->positive.count ? "no judgement says '" : "say which labels count as 1",
                         o->positive.count ? o->positive.items[0] : "",
                         o->positive.count ? "'" : "", hone_judgements_label_name(j, 0),
                         hone_judgements_labels(j) > 1 ? ", '" : "",
                         hone_judgements_labels(j) > 1 ? hone_judgements_label_name(j, 1) : "",
                         hone_judgements_labels(j) > 2 ? "', ..." :
                         hone_judgements_labels(j) > 1 ? "'" : "");
    for (size_t r = 0; r < hone_judgements_count(j); r++)
        y[r] = bias_is_positive(o, hone_judgements_label_name(j,
                                       (size_t)hone_judgements_label(j)[r]));
    return HONE_OK;
}

int bias_outcomes(const struct bias_outcome *o, const hone_judgements *j, double *y, bool *binary,
                  hone_error *err)
{
    hone_level level = hone_judgements_level(j);
    bool cut = !isnan(o->threshold);

    *binary = true;
    if (level == HONE_RANKING || level == HONE_REGION)
        return hone_fail(err, HONE_EINVAL, "judgements are %ss; labels, numbers or pairs are "
                         "needed", hone_level_name(level));
    if (level != HONE_INTERVAL && level != HONE_RATIO &&
        (level != HONE_ORDINAL || o->positive.count))
        return columns_labels(o, j, y, err);
    *binary = cut;
    for (size_t r = 0; r < hone_judgements_count(j); r++) {
        double value = hone_judgements_value(j)[r];
        y[r] = cut ? value >= o->threshold : value;
    }
    return HONE_OK;
}

/* ---- preferences ---- */

int bias_preference_check(const struct bias_preference *o, hone_error *err)
{
    if (o->labels.count != 2)
        return hone_fail(err, HONE_EINVAL, "labels has %zu names; it takes 2", o->labels.count);
    if (strcmp(o->labels.items[0], o->labels.items[1]) == 0)
        return hone_fail(err, HONE_EINVAL, "labels are both '%s'", o->labels.items[0]);
    return HONE_OK;
}

int bias_preference_level(const hone_judgements *j, hone_error *err)
{
    hone_level level = hone_judgements_level(j);

    if (level != HONE_PAIR && level != HONE_NOMINAL && level != HONE_ORDINAL)
        return hone_fail(err, HONE_EINVAL, "judgements are of level %s; pairs, or labels that say "
                         "which side is preferred, are needed", hone_level_name(level));
    return HONE_OK;
}

int bias_preference_of(const struct bias_preference *o, const hone_judgements *j, size_t row)
{
    int32_t label = hone_judgements_label(j)[row];
    const char *name;

    if (hone_judgements_level(j) == HONE_PAIR)
        return label == HONE_LEFT ? BIAS_FIRST : label == HONE_RIGHT ? BIAS_SECOND : BIAS_TIE;
    name = hone_judgements_label_name(j, (size_t)label);
    for (int side = BIAS_FIRST; side <= BIAS_SECOND; side++)
        if (strcmp(name, o->labels.items[side]) == 0)
            return side;
    for (size_t i = 0; i < o->ties.count; i++)
        if (strcmp(name, o->ties.items[i]) == 0)
            return BIAS_TIE;
    return BIAS_OTHER;
}
