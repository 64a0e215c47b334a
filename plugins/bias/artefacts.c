/* artefacts.c -- words that give a label away.
 *
 * Of each word (letters and digits, lower case in ASCII) that is in at least
 * `least` texts and each label, over items decided by most of their judgements:
 *
 *   z = (p(label | word) - p0)/sqrt(p0 (1 - p0)/n), n texts with the word, p0 the
 *   label's share of all texts (baseline = uniform: 1/labels)
 *
 *   effect   p(label | word) - p0 of the pair with the largest |z|; p two-sided,
 *            times the number of pairs tested (Bonferroni); interval: Wilson's
 *   words    [{ word, label, n, share, expected, z, p, p_corrected }], at most
 *            `top`, by |z|
 *   tests    how many pairs; significant: how many of them hold
 *   items    those with the word and the label, flagged where the pair holds
 *   skipped  { not_text, tie }: items
 *
 * Gardner et al. 2021, doi:10.18653/v1/2021.emnlp-main.135. */
#include "finding.h"

#include <stdlib.h>

enum { BASELINE_OBSERVED, BASELINE_UNIFORM };
static const char *const baseline_words[] = { "observed", "uniform", NULL };

struct artefacts {
    struct bias_options common;
    hone_string_list texts;
    int64_t least, baseline;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct artefacts),
    HONE_OPT_STRINGS(struct artefacts, texts, "texts", "[\"text\"]",
                     "attributes of items that hold the texts"),
    HONE_OPT_INT(struct artefacts, least, "least", 20, 1, INT32_MAX,
                 "texts that a word is tested from"),
    HONE_OPT_CHOICE(struct artefacts, baseline, "baseline", "observed", baseline_words,
                    "p0: the label's share, or the same for all labels"),
    HONE_OPT_END
};

static int artefacts_init(void *self, hone_context *context, hone_error *err)
{
    const struct artefacts *o = self;
    (void)context;
    return o->texts.count ? HONE_OK : hone_fail(err, HONE_EINVAL, "texts names no attribute");
}

/* A word in an item's text; words point into the texts of the judgements. */
struct word {
    const char *text;
    uint32_t length;
    int32_t item;
};

struct words {
    struct word *list; /* owned */
    size_t count, room;
};

/* A pair of word and label that was tested. */
struct pair {
    size_t at, n; /* words of the list */
    int32_t label;
    double hits, z;
};

struct artefacts_view {
    const hone_judgements *j;
    int32_t *label;   /* [items]: what most judgements say; -1; owned */
    double *share;    /* [labels], owned */
    struct words words;
    struct pair *pairs; /* owned */
    size_t count, room, tests, texts, not_text, ties;
};

static bool artefacts_is_letter(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static unsigned char artefacts_low(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static int artefacts_compare_text(const struct word *x, const struct word *y)
{
    for (uint32_t i = 0; i < x->length && i < y->length; i++) {
        int a = artefacts_low(x->text[i]), b = artefacts_low(y->text[i]);
        if (a != b)
            return a - b;
    }
    return (x->length > y->length) - (x->length < y->length);
}

static int artefacts_compare(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    int order = artefacts_compare_text(x, y);

    return order ? order : (x->item > y->item) - (x->item < y->item);
}

static int artefacts_read(struct words *w, const char *text, int32_t item, hone_error *err)
{
    for (const char *p = text; *p;) {
        const char *from = p;
        while (artefacts_is_letter((unsigned char)*p))
            p++;
        if (p == from) {
            p++;
            continue;
        }
        if (w->count == w->room) {
            size_t room = w->room ? 2 * w->room : 1024;
            struct word *list = hone_realloc(w->list, room, sizeof *list);
            if (!list)
                return hone_fail_memory(err, "words");
            w->list = list;
            w->room = room;
        }
        w->list[w->count++] = (struct word){ from, (uint32_t)(p - from), item };
    }
    return HONE_OK;
}

/* What most of an item's judgements say, by weight; -1: a tie. */
static int32_t artefacts_most(double *votes, const hone_judgements *j, size_t from, size_t to)
{
    const int32_t *label = hone_judgements_label(j);
    const double *weight = hone_judgements_weight(j);
    int32_t best = -1;
    bool tie = false;

    for (size_t r = from; r < to; r++)
        votes[label[r]] += weight ? weight[r] : 1;
    for (size_t r = from; r < to; r++)
        if (best < 0 || votes[label[r]] > votes[best])
            best = label[r];
    for (size_t r = from; r < to; r++)
        tie = tie || (label[r] != best && votes[label[r]] == votes[best]);
    for (size_t r = from; r < to; r++)
        votes[label[r]] = 0;
    return tie ? -1 : best;
}

static int artefacts_item(struct artefacts_view *v, const struct artefacts *o, size_t item,
                          int32_t label, hone_error *err)
{
    const hone_json *attributes = hone_judgements_item_attributes(v->j, item);
    bool any = false;
    int code = HONE_OK;

    v->label[item] = -1;
    for (size_t i = 0; i < o->texts.count && label >= 0 && !code; i++) {
        const char *text = hone_json_string(hone_json_get(attributes, o->texts.items[i]));
        any = any || text;
        if (text)
            code = artefacts_read(&v->words, text, (int32_t)item, err);
    }
    v->ties += label < 0;
    v->not_text += label >= 0 && !any;
    if (any) {
        v->label[item] = label;
        v->share[label]++;
        v->texts++;
    }
    return code;
}

static int artefacts_open(struct artefacts_view *v, const struct artefacts *o, hone_error *err)
{
    const int32_t *item = hone_judgements_item(v->j);
    hone_level level = hone_judgements_level(v->j);
    size_t rows = hone_judgements_count(v->j), to;
    double *votes;
    int code = HONE_OK;

    if (level != HONE_NOMINAL && level != HONE_ORDINAL && level != HONE_PAIR)
        return hone_fail(err, HONE_EINVAL, "judgements are of level %s; labels are needed",
                         hone_level_name(level));
    v->label = hone_alloc(hone_judgements_items(v->j) + 1, sizeof *v->label);
    v->share = hone_alloc(hone_judgements_labels(v->j) + 1, sizeof *v->share);
    votes = hone_alloc(hone_judgements_labels(v->j) + 1, sizeof *votes);
    if (!v->label || !v->share || !votes)
        code = hone_fail_memory(err, "labels");
    for (size_t from = 0; from < rows && !code; from = to) {
        for (to = from; to < rows && item[to] == item[from]; to++)
            continue;
        code = artefacts_item(v, o, (size_t)item[from], artefacts_most(votes, v->j, from, to),
                              err);
    }
    hone_free(votes);
    if (!code && !v->texts)
        return hone_fail(err, HONE_EINVAL, "no item with a label has the text '%s'",
                         o->texts.items[0]);
    for (size_t l = 0; l < hone_judgements_labels(v->j) && !code; l++)
        v->share[l] = o->baseline == BASELINE_UNIFORM ? 1 / (double)hone_judgements_labels(v->j)
                                                      : v->share[l] / (double)v->texts;
    return code;
}

/* Test a word, list [at, at + n) with each item once, against every label. */
static int artefacts_word(struct artefacts_view *v, size_t at, size_t n, double *hits,
                          hone_error *err)
{
    size_t labels = hone_judgements_labels(v->j);

    memset(hits, 0, labels * sizeof *hits);
    for (size_t i = at; i < at + n; i++)
        hits[v->label[v->words.list[i].item]]++;
    for (size_t l = 0; l < labels; l++) {
        double p0 = v->share[l];
        if (!(p0 > 0) || !(p0 < 1))
            continue;
        if (v->count == v->room) {
            size_t room = v->room ? 2 * v->room : 256;
            struct pair *pairs = hone_realloc(v->pairs, room, sizeof *pairs);
            if (!pairs)
                return hone_fail_memory(err, "words");
            v->pairs = pairs;
            v->room = room;
        }
        v->pairs[v->count++] = (struct pair){ at, n, (int32_t)l, hits[l],
            (hits[l] / (double)n - p0) / sqrt(p0 * (1 - p0) / (double)n) };
    }
    return HONE_OK;
}

static int artefacts_test(struct artefacts_view *v, const struct artefacts *o, hone_error *err)
{
    struct words *w = &v->words;
    double *hits = hone_alloc(hone_judgements_labels(v->j) + 1, sizeof *hits);
    size_t kept = 0, to;
    int code = hits ? HONE_OK : hone_fail_memory(err, "labels");

    if (!code && w->count)
        qsort(w->list, w->count, sizeof *w->list, artefacts_compare);
    for (size_t i = 0; i < w->count && !code; i++)
        if (!kept || artefacts_compare(&w->list[kept - 1], &w->list[i]) != 0)
            w->list[kept++] = w->list[i];
    w->count = kept;
    for (size_t from = 0; from < kept && !code; from = to) {
        for (to = from; to < kept &&
                        artefacts_compare_text(&w->list[from], &w->list[to]) == 0; to++)
            continue;
        if (to - from >= (size_t)o->least)
            code = artefacts_word(v, from, to - from, hits, err);
    }
    v->tests = v->count;
    hone_free(hits);
    return code;
}

/* ---- findings ---- */

static int artefacts_by_z(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (fabs(x->z) != fabs(y->z))
        return fabs(x->z) > fabs(y->z) ? -1 : 1;
    return x->at != y->at ? (x->at > y->at ? 1 : -1) : x->label - y->label;
}

static double artefacts_p(const struct artefacts_view *v, const struct pair *p)
{
    return fmin(1, 2 * hone_normal_tail(fabs(p->z)) * (double)v->tests);
}

static int artefacts_put_pair(json_t *to, const struct artefacts_view *v, const struct pair *p)
{
    const struct word *w = &v->words.list[p->at];
    char *word = hone_strndup(w->text, w->length);
    int failed = !word;

    for (char *c = word; c && *c; c++)
        *c = (char)artefacts_low(*c);
    if (!failed)
        failed = bias_put_text(to, "word", word) |
                 bias_put_text(to, "label", hone_judgements_label_name(v->j, (size_t)p->label)) |
                 bias_put_count(to, "n", p->n) |
                 bias_put_real(to, "share", p->hits / (double)p->n) |
                 bias_put_real(to, "expected", v->share[p->label]) | bias_put_real(to, "z", p->z) |
                 bias_put_real(to, "p", 2 * hone_normal_tail(fabs(p->z))) |
                 bias_put_real(to, "p_corrected", artefacts_p(v, p));
    hone_free(word);
    return failed;
}

static int artefacts_put_first(json_t *to, const struct artefacts_view *v,
                               const struct artefacts *o, hone_error *err)
{
    const struct pair *p = &v->pairs[0];
    double p0 = v->share[p->label], n = (double)p->n, low, high;
    double level = (1 - o->common.confidence) / (double)v->tests;
    double *influence = hone_alloc(hone_judgements_count(v->j) + 1, sizeof *influence);
    struct bias_estimate e = { .value = p->hits / n - p0, .n = p->n, .clusters = p->n,
                               .se = sqrt(p0 * (1 - p0) / n), .p = artefacts_p(v, p) };
    int code;

    if (!influence)
        return hone_fail_memory(err, "words");
    hone_wilson_interval(p->hits, n, o->common.confidence, &low, &high);
    e.low = low - p0;
    e.high = high - p0;
    e.mde = (hone_normal_quantile(1 - level / 2) + hone_normal_quantile(o->common.power)) * e.se;
    for (size_t r = 0; r < hone_judgements_count(v->j); r++)
        influence[r] = NAN;
    for (size_t i = p->at, r = 0; i < p->at + p->n; i++) {
        int32_t item = v->words.list[i].item;
        while (hone_judgements_item(v->j)[r] != item)
            r++; /* both are sorted by item */
        influence[r] = ((v->label[item] == p->label) - p0) / n;
    }
    code = bias_put_estimate(to, &e) | artefacts_put_pair(to, v, p) |
           bias_put_real(to, "p", e.p) ? hone_fail_memory(err, "a finding")
           : bias_put_items(to, &o->common, &e, v->j, influence, err);
    hone_free(influence);
    return code;
}

static int artefacts_findings(json_t *to, struct artefacts_view *v, const struct artefacts *o,
                              hone_error *err)
{
    json_t *list = json_array();
    size_t holds = 0;
    int failed = json_object_set_new(to, "words", list) | bias_put_count(to, "tests", v->tests) |
                 bias_put_count(to, "texts", v->texts) |
                 json_object_set_new(to, "skipped", json_pack("{s:I, s:I}", "not_text",
                     (json_int_t)v->not_text, "tie", (json_int_t)v->ties));

    if (v->count)
        qsort(v->pairs, v->count, sizeof *v->pairs, artefacts_by_z);
    for (size_t i = 0; i < v->count; i++)
        holds += artefacts_p(v, &v->pairs[i]) < 1 - o->common.confidence;
    for (size_t i = 0; i < v->count && i < (size_t)o->common.top && !failed; i++) {
        json_t *one = json_object();
        failed |= json_array_append_new(list, one) || artefacts_put_pair(one, v, &v->pairs[i]);
    }
    failed |= bias_put_count(to, "significant", holds);
    if (!v->count)
        failed |= bias_put_count(to, "n", 0) |
                  bias_put_undefined(to, v->texts ? "too_few" : "empty", "no word is in enough "
                                     "texts, or all have one label");
    if (failed)
        return hone_fail_memory(err, "a finding");
    return v->count ? artefacts_put_first(to, v, o, err) : HONE_OK;
}

static int artefacts_detect(void *self, const hone_judgements *j, hone_json **findings,
                            hone_error *err)
{
    struct artefacts_view v = { .j = j };
    json_t *to = json_object();
    int code = artefacts_open(&v, self, err);

    if (!code)
        code = artefacts_test(&v, self, err);
    if (!code)
        code = artefacts_findings(to, &v, self, err);
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    hone_free(v.label);
    hone_free(v.share);
    hone_free(v.words.list);
    hone_free(v.pairs);
    return code;
}

static const hone_bias_ops ops = {
    .size = sizeof ops, .init = artefacts_init, .detect = artefacts_detect,
};

HONE_PLUGIN(artefacts,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "words that give a label away",
    .source = "doi:10.18653/v1/2021.emnlp-main.135",
    .instance_size = sizeof(struct artefacts), .options = options, .ops = &ops);
