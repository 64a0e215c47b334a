/* exact_match.c -- 1 where the response equals the reference, else 0.
 *
 * The reference is a column of the sample's row: a text, a number, true or
 * false, or a list of these, any of which may match. Both sides are brought to
 * Unicode normal form C; `ignore` says what else does not count:
 *
 *   space         blanks at the ends, and how many stand between words
 *   case          by Unicode case folding
 *   punctuation   characters of Unicode category P go
 *   articles      the words a, an and the go (takes space)
 *
 * All four are what SQuAD's scorer leaves out (Rajpurkar et al. 2016,
 * arXiv:1606.05250). NA where the column or the response is absent. */
#include <hone/metric.h>

#include <jansson.h>

#include "words.h"

struct exact {
    const char *column;
    hone_string_list ignore;
    bool space, fold, punctuation, articles;
};

static const hone_option options[] = {
    HONE_OPT_STRING(struct exact, column, "column", "reference", "column with what is right"),
    HONE_OPT_STRINGS(struct exact, ignore, "ignore", "[\"space\"]",
                     "what does not count: space, case, punctuation, articles"),
    HONE_OPT_END
};

static int exact_init(void *self, hone_context *context, hone_error *err)
{
    struct exact *o = self;
    struct { const char *word; bool *on; } known[] = {
        { "space", &o->space }, { "case", &o->fold }, { "punctuation", &o->punctuation },
        { "articles", &o->articles },
    };
    (void)context;

    for (size_t i = 0; i < o->ignore.count; i++) {
        size_t k = 0;
        while (k < 4 && strcmp(known[k].word, o->ignore.items[i]) != 0)
            k++;
        if (k == 4)
            return hone_fail(err, HONE_EINVAL, "ignore: '%s' is none of space, case, "
                             "punctuation, articles", o->ignore.items[i]);
        *known[k].on = true;
    }
    if (o->articles && !o->space)
        return hone_fail(err, HONE_EINVAL, "ignore: articles takes space as well");
    if (!o->column || !*o->column)
        return hone_fail(err, HONE_EINVAL, "column is empty");
    return HONE_OK;
}

static bool is_blank(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);
    return (point >= '\t' && point <= '\r') || (c >= UTF8PROC_CATEGORY_ZS &&
                                                c <= UTF8PROC_CATEGORY_ZP);
}

static bool is_punctuation(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

static bool is_article(const char *word, size_t n, bool fold)
{
    static const char *const articles[] = { "a", "an", "the", "A", "An", "The", "AN", "THE" };

    for (size_t i = 0; i < (fold ? 3 : 8); i++)
        if (strlen(articles[i]) == n && memcmp(articles[i], word, n) == 0)
            return true;
    return false;
}

/* Drop in place what does not count. */
static void exact_reduce(const struct exact *o, char *text)
{
    const char *at = text, *end = text + strlen(text);
    char *to = text, *word = text;
    bool blank = false;
    int32_t point;

    for (int n; (n = words_point(at, end, &point)) > 0; at += n) {
        if (o->punctuation && is_punctuation(point))
            continue;
        if (o->space && is_blank(point)) {
            blank = true;
            continue;
        }
        if (blank) {
            if (o->articles && is_article(word, (size_t)(to - word), o->fold))
                to = word;
            if (to > text && to[-1] != ' ')
                *to++ = ' ';
            word = to;
        }
        blank = false;
        memmove(to, at, (size_t)n);
        to += n;
    }
    if (o->articles && is_article(word, (size_t)(to - word), o->fold))
        to = word;
    if (o->space && to > text && to[-1] == ' ')
        to--;
    *to = '\0';
}

static int exact_normal(const struct exact *o, char **out, const char *text, hone_error *err)
{
    int code = words_normal(out, text, o->fold, err);

    if (!code)
        exact_reduce(o, *out);
    return code;
}

/* *equal: whether the normal form of the response is that of one value. */
static int exact_value(const struct exact *o, bool *equal, const char *response,
                       const json_t *value, hone_error *err)
{
    char *text = NULL, *normal = NULL;
    int code;

    if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
        return hone_fail(err, HONE_EFORMAT, "column '%s' holds %s; a text, a number, or a list of "
                         "these is needed", o->column, hone_json_type(value));
    text = json_is_string(value) ? hone_strdup(json_string_value(value)) : hone_json_text(value);
    code = text ? exact_normal(o, &normal, text, err) : hone_fail_memory(err, "a text");
    if (!code)
        *equal = strcmp(normal, response) == 0;
    hone_free(text);
    hone_free(normal);
    return code;
}

static int exact_score_one(const struct exact *o, bool *equal, const char *text,
                           const json_t *reference, hone_error *err)
{
    char *response = NULL;
    int code = exact_normal(o, &response, text, err);
    size_t count = json_is_array(reference) ? json_array_size(reference) : 1;

    *equal = false;
    if (!code && !count)
        code = hone_fail(err, HONE_EFORMAT, "column '%s' is an empty list", o->column);
    for (size_t i = 0; i < count && !code && !*equal; i++)
        code = exact_value(o, equal, response, json_is_array(reference)
                                                   ? json_array_get(reference, i) : reference, err);
    hone_free(response);
    return code;
}

static int exact_score(void *self, hone_scores *out, const hone_samples *samples, hone_error *err)
{
    const struct exact *o = self;

    for (size_t i = 0; i < hone_samples_count(samples); i++) {
        const char *response = hone_sample_response(samples, i);
        const json_t *reference = hone_sample_column(samples, i, o->column);
        hone_error own = {0};
        bool equal;
        int code;

        if (!response || !reference || json_is_null(reference)) {
            hone_score_na(out, i);
            continue;
        }
        code = exact_score_one(o, &equal, response, reference, &own);
        if (code == HONE_EFORMAT)
            hone_score_fail(out, i, "%s", own.message);
        else if (code)
            return hone_fail(err, code, "%s", own.message);
        else
            hone_score_set(out, i, equal);
    }
    return HONE_OK;
}

static const hone_metric_ops ops = {
    .size = sizeof ops, .init = exact_init, .score = exact_score,
};

HONE_PLUGIN(exact_match,
    .threadsafe = true, .kind = "metric", .version = "1.0",
    .summary = "whether the response equals the reference",
    .source = "arXiv:1606.05250",
    .instance_size = sizeof(struct exact), .options = options, .ops = &ops);
