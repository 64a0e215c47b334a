/* self_consistency.c -- whether annotators repeat themselves.
 *
 * Repeats are answers of an annotator to the same unit (a table with duplicates =
 * "both"), and to items that name another one in the attribute `attribute`: the same
 * question, asked again. Every two answers of an annotator to one question are
 * compared; score is the share that is equal (of numbers, within `tolerance`), its
 * interval Wilson's. Flagged: whose whole interval lies below the floor. Also of an
 * annotator: repeats (comparisons), same, chance (the share that guessing with the
 * same shares of labels would reach).
 * Wilson 1927, doi:10.1080/01621459.1927.10502953 (interval). */
#include "answers.h"
#include "findings.h"

#include <hone/statistics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct self_consistency {
    const char *attribute;
    double floor, tolerance, confidence;
};

static const hone_option options[] = {
    HONE_OPT_STRING(struct self_consistency, attribute, "attribute", "repeat_of",
                    "attribute of an item that names the item it repeats"),
    HONE_OPT_REAL(struct self_consistency, floor, "floor", 0.7, 0, 1,
                  "least share of repeats answered the same"),
    HONE_OPT_REAL(struct self_consistency, tolerance, "tolerance", 0, 0, INFINITY,
                  "how far apart numbers count as the same"),
    HONE_OPT_REAL_FLAGS(struct self_consistency, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, "of intervals"),
    HONE_OPT_END
};

/* An annotator's answer to a question. */
struct asked {
    int32_t question, low, high;
    size_t answer;
};

static int asked_compare(const void *a, const void *b)
{
    const struct asked *x = a, *y = b;

    if (x->question != y->question)
        return x->question < y->question ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    return x->answer < y->answer ? -1 : x->answer > y->answer;
}

/* questions[i]: the item that item i repeats, or i. */
static int questions_read(const struct self_consistency *o, const hone_judgements *j,
                          int32_t *questions, hone_error *err)
{
    for (size_t i = 0; i < hone_judgements_items(j); i++) {
        const hone_json *attributes = hone_judgements_item_attributes(j, i);
        const json_t *name = hone_json_get(attributes, o->attribute);
        int64_t of = -1;
        questions[i] = (int32_t)i;
        if (!name || json_is_null(name))
            continue;
        if (json_is_string(name))
            of = hone_judgements_find_item(j, json_string_value(name));
        else
            return hone_fail(err, HONE_EINVAL, "item '%s': '%s' is %s; the name of an item is "
                             "needed", hone_judgements_item_name(j, i), o->attribute,
                             hone_json_type(name));
        if (of < 0)
            return hone_fail(err, HONE_EINVAL, "item '%s': '%s' names '%s', which has no "
                             "judgements", hone_judgements_item_name(j, i), o->attribute,
                             json_string_value(name));
        questions[i] = (int32_t)of;
    }
    return HONE_OK;
}

/* Repeats of repeats: each points at the first; a circle ends at its smallest. */
static void questions_follow(int32_t *questions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t at = (int32_t)i, least = at;
        for (size_t steps = 0; questions[at] != at && steps < n && steps < 64; steps++) {
            at = questions[at];
            least = at < least ? at : least;
        }
        questions[i] = questions[at] == at ? at : least;
    }
}

static bool same(const struct self_consistency *o, const struct answers *a, size_t x, size_t y)
{
    return answers_labelled(a) ? a->label[x] == a->label[y]
                               : fabs(a->value[x] - a->value[y]) <= o->tolerance;
}

/* Expected share of equal labels, were each drawn from the annotator's own. */
static double chance_of(const struct answers *a, size_t p, double *shares)
{
    size_t first = a->annotator_starts[p], last = a->annotator_starts[p + 1];
    double n = (double)(last - first), sum = 0;

    if (!answers_labelled(a) || first == last)
        return NAN;
    for (size_t i = first; i < last; i++)
        shares[a->label[a->by_annotator[i]]]++;
    for (size_t i = first; i < last; i++)
        sum += shares[a->label[a->by_annotator[i]]] / (n * n);
    for (size_t i = first; i < last; i++)
        shares[a->label[a->by_annotator[i]]] = 0;
    return sum;
}

static void put_annotator(const struct self_consistency *o, const struct answers *a,
                          struct findings *f, size_t p, size_t repeats, size_t equal,
                          double *shares)
{
    double score = repeats ? (double)equal / (double)repeats : NAN, low, high;
    json_t *one;

    hone_wilson_interval((double)equal, (double)repeats, o->confidence, &low, &high);
    if (repeats && high < o->floor)
        one = findings_annotator(f, p, score, "the same answer in %zu of %zu repeats (%.0f %%); at "
                                 "least %.0f %% is expected", equal, repeats, 100 * score,
                                 100 * o->floor);
    else
        one = findings_annotator(f, p, score, NULL);
    findings_interval(f, one, "interval", repeats ? low : NAN, high);
    findings_count(f, one, "repeats", repeats);
    findings_count(f, one, "same", equal);
    findings_real(f, one, "chance", chance_of(a, p, shares));
}

static size_t check_annotator(const struct self_consistency *o, const struct answers *a,
                              struct findings *f, size_t p, const int32_t *questions,
                              struct asked *asked, double *shares)
{
    const hone_judgements *j = a->judgements;
    const int32_t *left = hone_judgements_left(j), *right = hone_judgements_right(j);
    size_t first = a->annotator_starts[p], n = a->annotator_starts[p + 1] - first;
    size_t repeats = 0, equal = 0;

    for (size_t i = 0; i < n; i++) {
        size_t answer = a->by_annotator[first + i], row = a->row[answer];
        asked[i] = (struct asked){ .question = questions[answers_item(a, (size_t)a->unit[answer])],
                                   .answer = answer };
        if (a->level != HONE_PAIR)
            continue;
        asked[i].low = left[row] < right[row] ? left[row] : right[row];
        asked[i].high = left[row] < right[row] ? right[row] : left[row];
    }
    if (n)
        qsort(asked, n, sizeof *asked, asked_compare);
    for (size_t i = 0, end; i < n; i = end)
        for (end = i + 1; end < n && asked[end].question == asked[i].question &&
                          asked[end].low == asked[i].low && asked[end].high == asked[i].high; end++)
            for (size_t k = i; k < end; k++) {
                repeats++;
                equal += same(o, a, asked[k].answer, asked[end].answer);
            }
    put_annotator(o, a, f, p, repeats, equal, shares);
    return repeats;
}

static int self_consistency_check(void *self, const hone_judgements *j, hone_json **out,
                                  hone_error *err)
{
    const struct self_consistency *o = self;
    size_t items = hone_judgements_items(j), repeats = 0;
    struct answers a = {0};
    struct findings f = {0};
    int32_t *questions = hone_alloc(items + 1, sizeof *questions);
    struct asked *asked = hone_alloc(hone_judgements_count(j) + 1, sizeof *asked);
    double *shares = hone_alloc(hone_judgements_labels(j) + 1, sizeof *shares);
    int code = questions && asked && shares ? answers_open(&a, j, err)
                                            : hone_fail_memory(err, "repeats");

    if (!code)
        code = findings_open(&f, j, err);
    if (!code)
        code = questions_read(o, j, questions, err);
    if (code)
        goto out;
    questions_follow(questions, items);
    if (a.level == HONE_RANKING || a.level == HONE_REGION)
        findings_undefined(&f, "level", "rankings and regions are not compared");
    else
        for (size_t p = 0; p < a.annotators; p++)
            repeats += check_annotator(o, &a, &f, p, questions, asked, shares);
    if (!repeats && !json_object_get(f.result, "undefined"))
        findings_undefined(&f, "no_repeats", "no annotator answered the same question twice");
    findings_count(&f, f.result, "repeats", repeats);
    findings_real(&f, f.result, "floor", o->floor);
    code = findings_close(&f, !f.flagged, out, err, "%zu of %zu annotators answer repeats "
                          "differently; %zu repeats in all", f.flagged, a.annotators, repeats);
out:
    hone_free(questions);
    hone_free(asked);
    hone_free(shares);
    findings_free(&f);
    answers_close(&a);
    return code;
}

static const hone_quality_ops ops = { .size = sizeof ops, .check = self_consistency_check };

HONE_PLUGIN(self_consistency,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "whether annotators answer the same question the same way twice",
    .source = "Wilson 1927, doi:10.1080/01621459.1927.10502953",
    .instance_size = sizeof(struct self_consistency), .options = options, .ops = &ops);
