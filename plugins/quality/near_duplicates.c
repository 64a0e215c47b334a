/* near_duplicates.c -- items whose texts are the same, or nearly.
 *
 * An item's texts are its attributes named in `texts`. What counts as near, and how it
 * is found: <hone/near.h>. Every item that is like an earlier one is in `items`, with
 * `like`, `similarity` and `first`, the first item of its group; groups = [[item, ...]]
 * holds those of two and more, so that none is parted by a split. exact (equal to
 * another), without (items that have no text). Judgements of such items are not wrong:
 * rows and annotators are empty, and passed says whether there is none.
 * Broder 1997, doi:10.1109/SEQUEN.1997.666900. */
#include "findings.h"

#include <hone/near.h>

#include <math.h>
#include <string.h>

struct near_duplicates {
    hone_context *context;
    hone_string_list texts;
    double similarity;
};

static const hone_option options[] = {
    HONE_OPT_STRINGS(struct near_duplicates, texts, "texts", "[\"text\"]",
                     "attributes of an item that hold its texts"),
    HONE_OPT_REAL_FLAGS(struct near_duplicates, similarity, "similarity", 0.9, 0, 1,
                        HONE_OPTION_OPEN_MIN,
                        "least share of 5-byte pieces in common, of those in either"),
    HONE_OPT_END
};

static int near_duplicates_init(void *self, hone_context *context, hone_error *err)
{
    struct near_duplicates *o = self;

    o->context = context;
    if (!o->texts.count)
        return hone_fail(err, HONE_EINVAL, "texts is empty; name the attributes that hold texts");
    return HONE_OK;
}

/* The texts of an item, parted by a byte that no text has; *out stays NULL where
 * there is none. */
static int text_of(const struct near_duplicates *o, const hone_judgements *j, size_t item,
                   char **out, hone_error *err)
{
    const hone_json *attributes = hone_judgements_item_attributes(j, item);

    for (size_t i = 0; i < o->texts.count; i++) {
        const json_t *value = hone_json_get(attributes, o->texts.items[i]);
        char *joined;
        if (!value || json_is_null(value))
            continue;
        if (!json_is_string(value))
            return hone_fail(err, HONE_EINVAL, "item '%s': '%s' is %s, not a text",
                             hone_judgements_item_name(j, item), o->texts.items[i],
                             hone_json_type(value));
        joined = hone_format("%s%s%s", *out ? *out : "", *out ? "\x1f" : "",
                             json_string_value(value));
        if (!joined)
            return hone_fail_memory(err, "a text");
        hone_free(*out);
        *out = joined;
    }
    return HONE_OK;
}

static void put_group(struct findings *f, json_t *groups, size_t first, const size_t *next)
{
    json_t *group = json_array();

    for (size_t i = first; i != SIZE_MAX; i = next[i])
        f->failed |= json_array_append_new(
            group, json_string(hone_judgements_item_name(f->judgements, i)));
    f->failed |= json_array_append_new(groups, group);
}

/* next [items], last [items]: work. */
static size_t put_items(struct findings *f, const hone_near *near, size_t items, size_t *next,
                        size_t *last)
{
    const hone_judgements *j = f->judgements;
    json_t *groups = json_array();
    size_t exact = 0;

    for (size_t i = 0; i < items; i++) {
        const char *like = hone_judgements_item_name(j, near[i].like);
        json_t *one;
        next[i] = SIZE_MAX;
        last[i] = i;
        if (near[i].first == i)
            continue;
        next[last[near[i].first]] = i;
        last[near[i].first] = i;
        exact += near[i].similarity >= 1;
        one = near[i].similarity >= 1
                  ? findings_item(f, i, true, "the same text as '%s'", like)
                  : findings_item(f, i, true, "%.0f %% the text of '%s'",
                                  100 * near[i].similarity, like);
        findings_text(f, one, "like", like);
        findings_real(f, one, "similarity", near[i].similarity);
        findings_text(f, one, "first", hone_judgements_item_name(j, near[i].first));
    }
    for (size_t i = 0; i < items; i++)
        if (near[i].first == i && next[i] != SIZE_MAX)
            put_group(f, groups, i, next);
    f->failed |= json_object_set_new(f->result, "groups", groups);
    return exact;
}

static int near_duplicates_check(void *self, const hone_judgements *j, hone_json **out,
                                 hone_error *err)
{
    const struct near_duplicates *o = self;
    size_t items = hone_judgements_items(j), known = 0, exact;
    char **texts = hone_alloc(items + 1, sizeof *texts);
    size_t *work = hone_alloc(items + 1, 2 * sizeof *work);
    struct findings f = {0};
    hone_near *near = NULL;
    int code = texts && work ? findings_open(&f, j, err) : hone_fail_memory(err, "texts");

    for (size_t i = 0; i < items && !code; i++) {
        code = text_of(o, j, i, &texts[i], err);
        known += texts[i] != NULL;
    }
    if (!code)
        code = hone_near_find(&near, o->context, (const char *const *)texts, items, o->similarity,
                              err);
    if (code)
        goto out;
    exact = put_items(&f, near, items, work, work + items);
    if (!known)
        findings_undefined(&f, "no_texts", "no item has a text; texts names the attributes that "
                           "hold them");
    findings_count(&f, f.result, "exact", exact);
    findings_count(&f, f.result, "without", items - known);
    findings_real(&f, f.result, "similarity", o->similarity);
    code = findings_close(&f, !f.flagged_items, out, err, "%zu of %zu items repeat an earlier one, "
                          "%zu of them exactly", f.flagged_items, items, exact);
out:
    for (size_t i = 0; texts && i < items; i++)
        hone_free(texts[i]);
    hone_free(texts);
    hone_free(work);
    hone_free(near);
    findings_free(&f);
    return code;
}

static const hone_quality_ops ops = {
    .size = sizeof ops, .init = near_duplicates_init, .check = near_duplicates_check,
};

/* Of pieces abcde bcdef cdefg defgh against the same and efghi: 4 of 5 in common. */
static int near_duplicates_self_test(hone_context *context, hone_error *err)
{
    static const char *const texts[] = { "abcdefgh", "xyz", "ABCDEFGHI", "abcdefgh ", NULL };
    hone_near *near;
    int code = hone_near_find(&near, context, texts, 5, 0.5, err);

    if (code)
        return code;
    if (near[2].first != 0 || fabs(near[2].similarity - .8) > 1e-12 || near[3].first != 0 ||
        near[3].similarity != 1 || near[1].first != 1 || near[4].first != 4)
        code = hone_fail(err, HONE_ENUMERIC, "texts are in groups %zu %zu %zu %zu, not 0 1 0 0; "
                         "similarity %g, not 0.8", near[0].first, near[1].first, near[2].first,
                         near[3].first, near[2].similarity);
    hone_free(near);
    return code;
}

HONE_PLUGIN(near_duplicates,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "items whose texts are the same, or nearly: MinHash",
    .source = "Broder 1997, doi:10.1109/SEQUEN.1997.666900",
    .instance_size = sizeof(struct near_duplicates), .options = options, .ops = &ops,
    .self_test = near_duplicates_self_test);
