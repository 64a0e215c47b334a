/* clean.c -- leave out what a dataset should not hold twice, or at all.
 *
 * Duplicates are found by the SHA-256 of the normalised text, in a table of
 * open addressing: 4 bytes a slot, at most half full. Of equal rows the first
 * stays. With `near`, of rows that are nearly the same (<hone/near.h>) the first of
 * each group stays, too: then none is on both sides of a split. */
#include "normal.h"

#include <hone/near.h>

#include <math.h>
#include <string.h>

struct clean_options {
    bool dedup;
    int64_t min_chars, max_chars;
    double near;
};

static const hone_option options_table[] = {
    HONE_OPT_BOOL(struct clean_options, dedup, "dedup", true, "leave out normalised duplicates"),
    HONE_OPT_INT(struct clean_options, min_chars, "min_chars", 0, 0, INT64_MAX,
                 "fewest characters of a row's text"),
    HONE_OPT_INT(struct clean_options, max_chars, "max_chars", HONE_UNSET_INT, 1, INT64_MAX,
                 "most characters of a row's text"),
    HONE_OPT_REAL_FLAGS(struct clean_options, near, "near", HONE_UNSET_REAL, 0, 1,
                        HONE_OPTION_OPEN_MIN,
                        "leave out rows whose texts are as similar to an earlier one"),
    HONE_OPT_END
};

enum {
    CLEAN_KEPT = -1, CLEAN_DUPLICATE, CLEAN_NEAR, CLEAN_SHORT, CLEAN_LONG, CLEAN_UTF8, CLEAN_REASONS
};

static const char *const reasons[] = { "duplicate", "near", "short", "long", "utf8" };

typedef struct clean {
    const hone_data *data;
    struct clean_options options;
    data_normaliser normaliser;
    uint8_t (*digests)[32];          /* [kept] */
    size_t *index, kept;             /* [kept]: rows that stay */
    char **texts;                    /* [rows] normalised, for near; else NULL */
    size_t *slots, mask;             /* kept + 1, 0: free */
    size_t counts[CLEAN_REASONS];
    uint64_t examples[CLEAN_REASONS][DATA_EXAMPLES];
} clean;

/* Whether the digest is there already; else it becomes that of row `kept`. */
static bool clean_seen(clean *c, const uint8_t digest[32])
{
    uint64_t at;

    memcpy(&at, digest, sizeof at);
    for (at &= c->mask; c->slots[at]; at = (at + 1) & c->mask)
        if (memcmp(c->digests[c->slots[at] - 1], digest, 32) == 0)
            return true;
    c->slots[at] = c->kept + 1;
    memcpy(c->digests[c->kept], digest, 32);
    return false;
}

static int clean_judge(clean *c, const data_normal *text)
{
    const struct clean_options *o = &c->options;

    if (text->chars < (uint64_t)o->min_chars)
        return CLEAN_SHORT;
    if (o->max_chars != HONE_UNSET_INT && text->chars > (uint64_t)o->max_chars)
        return CLEAN_LONG;
    return o->dedup && clean_seen(c, text->digest) ? CLEAN_DUPLICATE : CLEAN_KEPT;
}

static void clean_drop(clean *c, int reason, uint64_t line)
{
    if (c->counts[reason] < DATA_EXAMPLES)
        c->examples[reason][c->counts[reason]] = line;
    c->counts[reason]++;
}

static int clean_rows(clean *c, hone_error *err)
{
    const hone_data *data = c->data;
    data_normal text;
    int code, reason;

    for (size_t i = 0; i < data->count; i++) {
        if (data->context && hone_context_interrupted(data->context))
            return hone_fail(err, HONE_EINTERRUPTED, "%s: interrupted", data->name);
        if ((code = data_normalise(&c->normaliser, data, i, &text, err)))
            return code;
        reason = clean_judge(c, &text);
        if (reason == CLEAN_KEPT && c->texts &&
            !(c->texts[c->kept] = hone_strndup(c->normaliser.folded.bytes,
                                               c->normaliser.folded.count)))
            return hone_fail_memory(err, "a normalised text");
        if (reason == CLEAN_KEPT)
            c->index[c->kept++] = i;
        else
            clean_drop(c, reason, data->rows[i].line);
    }
    return HONE_OK;
}

/* Of rows that are kept, leave out those nearly the same as an earlier one. */
static int clean_near(clean *c, hone_error *err)
{
    hone_near *near = NULL;
    size_t kept = 0;
    int code;

    if (!c->texts)
        return HONE_OK;
    code = hone_near_find(&near, c->data->context, (const char *const *)c->texts, c->kept,
                          c->options.near, err);
    for (size_t i = 0; i < c->kept && !code; i++) {
        if (near[i].first == i)
            c->index[kept++] = c->index[i];
        else
            clean_drop(c, CLEAN_NEAR, c->data->rows[c->index[i]].line);
    }
    c->kept = code ? c->kept : kept;
    hone_free(near);
    return code;
}

/* Rows that loading left out for invalid UTF-8 are this report's, too. */
static void clean_loaded(clean *c)
{
    for (size_t i = 0; i < c->data->invalid; i++)
        clean_drop(c, CLEAN_UTF8, i < DATA_EXAMPLES ? c->data->invalid_lines[i] : 0);
}

static json_t *clean_reason(const clean *c, int reason)
{
    json_t *examples = json_array();
    int failed = 0;

    for (size_t i = 0; i < c->counts[reason] && i < DATA_EXAMPLES; i++)
        failed |= json_array_append_new(examples, json_sprintf("%s:%" PRIu64, c->data->name,
                                                               c->examples[reason][i]));
    if (failed) {
        json_decref(examples);
        return NULL;
    }
    return json_pack("{s:I, s:o*}", "count", (json_int_t)c->counts[reason], "examples", examples);
}

static int clean_report(const clean *c, hone_json **report, hone_error *err)
{
    json_t *dropped = json_object();
    int failed = !dropped;

    for (int i = 0; i < CLEAN_REASONS; i++)
        if (i != CLEAN_NEAR || c->texts)
            failed |= json_object_set_new(dropped, reasons[i], clean_reason(c, i));
    *report = json_pack("{s:I, s:I, s:o}", "before",
                        (json_int_t)(c->data->count + c->data->invalid), "after",
                        (json_int_t)c->kept, "dropped", dropped);
    if (*report && !failed)
        return HONE_OK;
    json_decref(*report);
    *report = NULL;
    return hone_fail_memory(err, "the report of cleaning");
}

static int clean_begin(clean *c, const hone_json *options, hone_error *err)
{
    size_t n = c->data->count, slots = 16;
    int code = hone_options_parse(options_table, &c->options, c->data->context, options, "clean",
                                  NULL, err);

    if (code)
        return code;
    while (slots / 2 < n)
        slots *= 2;
    c->mask = slots - 1;
    c->slots = hone_alloc(slots, sizeof *c->slots);
    c->index = hone_alloc(n + 1, sizeof *c->index);
    c->digests = hone_alloc(n + 1, sizeof *c->digests);
    if (!isnan(c->options.near) && !(c->texts = hone_alloc(n + 1, sizeof *c->texts)))
        return hone_fail_memory(err, "normalised texts");
    return c->slots && c->index && c->digests ? HONE_OK
                                              : hone_fail_memory(err, "the table of duplicates");
}

int hone_data_clean(hone_data **out, const hone_data *data, const hone_json *options,
                    hone_json **report, hone_error *err)
{
    clean c = { .data = data };
    int code;

    *out = NULL;
    if (report)
        *report = NULL;
    if ((code = clean_begin(&c, options, err)) || (code = clean_rows(&c, err)) ||
        (code = clean_near(&c, err)))
        goto out;
    clean_loaded(&c);
    if (!c.kept) {
        code = hone_fail(err, HONE_EINVAL, "%s: cleaning leaves no rows (%zu duplicate, %zu short, "
                         "%zu long, %zu invalid UTF-8)", data->name, c.counts[CLEAN_DUPLICATE],
                         c.counts[CLEAN_SHORT], c.counts[CLEAN_LONG], c.counts[CLEAN_UTF8]);
        goto out;
    }
    if ((code = hone_data_select(out, data, c.index, c.kept, err)))
        goto out;
    if (report && (code = clean_report(&c, report, err))) {
        hone_data_free(*out);
        *out = NULL;
    }
out:
    hone_options_free(options_table, &c.options);
    data_normaliser_close(&c.normaliser);
    for (size_t i = 0; c.texts && i < data->count; i++)
        hone_free(c.texts[i]);
    hone_free(c.texts);
    hone_free(c.slots);
    hone_free(c.index);
    hone_free(c.digests);
    return code;
}
