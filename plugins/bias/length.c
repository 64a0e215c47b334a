/* length.c -- whether people prefer the longer of two responses.
 *
 * An item is a pair of responses, whose texts are two of its attributes; a
 * judgement says which was preferred. In a table of pairs the first text is that
 * of the left option, as the item's first row has them. The item's preference is what most of
 * its judgements say (by weight); ties, split votes and equal lengths are
 * counted apart. Of the n items left, `longer` prefer the longer response:
 *
 *   effect    longer/n - 1/2, with its Wilson interval
 *   p         exact two-sided binomial test of 1/2
 *   mde       the smallest effect, either way, that n items reveal with `power`;
 *             null where none does
 *   biased    whether p < 1 - confidence
 *   flagged   items whose preference goes the way of the bias, if biased
 *   items     [{ item, preferred, longer, difference }], in characters
 *
 * and share, longer, shorter, equal, ties, split, skipped = { not_text,
 * other_label }, annotators = [{ annotator, n, longer, share, interval }].
 * Without such an item: { undefined = "empty", why }. An item is one
 * observation, however many judged it, so that the items are independent.
 *
 * mitigate reweighs: an item whose longer side is a and whose preferred side
 * is y gets P(a) P(y)/P(a, y), so that preference no longer depends on length.
 * Kamiran & Calders 2012, doi:10.1007/s10115-011-0463-8. */
#include <hone/bias.h>
#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <utf8proc.h>

enum { NOT_TEXT_ERROR, NOT_TEXT_SKIP, NOT_TEXT_JSON };
enum { OTHER_ERROR, OTHER_SKIP };

struct length {
    hone_string_list texts, labels, ties;
    int64_t not_text, other;
    bool strip;
    double confidence, power;
};

static const char *const not_text_words[] = { "error", "skip", "json", NULL };
static const char *const other_words[] = { "error", "skip", NULL };

static const hone_option options[] = {
    HONE_OPT_STRINGS(struct length, texts, "texts", "[\"response1\", \"response2\"]",
                     "attributes of an item that hold the two texts"),
    HONE_OPT_STRINGS(struct length, labels, "labels", "[\"1\", \"2\"]",
                     "labels that prefer the first text and the second"),
    HONE_OPT_STRINGS(struct length, ties, "ties", "[\"0\", \"tie\", \"Tie\"]",
                     "labels that prefer neither"),
    HONE_OPT_CHOICE(struct length, not_text, "not_text", "error", not_text_words,
                    "an attribute that is no text: error, skip the item, or take it as JSON"),
    HONE_OPT_CHOICE(struct length, other, "other_labels", "error", other_words,
                    "a label that is in neither list: error, or skip the judgement"),
    HONE_OPT_BOOL(struct length, strip, "strip", true, "whether blanks at the ends do not count"),
    HONE_OPT_REAL_FLAGS(struct length, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX,
                        "of intervals; 1 less it is the level of the test"),
    HONE_OPT_REAL_FLAGS(struct length, power, "power", 0.8, 0.5, 1, HONE_OPTION_OPEN_MAX,
                        "chance to reveal an effect of mde"),
    HONE_OPT_END
};

static int length_init(void *self, hone_context *context, hone_error *err)
{
    const struct length *o = self;
    (void)context;

    if (o->texts.count != 2)
        return hone_fail(err, HONE_EINVAL, "texts has %zu names; it takes 2", o->texts.count);
    if (o->labels.count != 2)
        return hone_fail(err, HONE_EINVAL, "labels has %zu names; it takes 2", o->labels.count);
    if (strcmp(o->labels.items[0], o->labels.items[1]) == 0)
        return hone_fail(err, HONE_EINVAL, "labels are both '%s'", o->labels.items[0]);
    return HONE_OK;
}

/* ---- votes ---- */

enum { FIRST, SECOND, TIE, OTHER, SPLIT, VOTES };

static int vote_of(const struct length *o, const char *label)
{
    for (int side = FIRST; side <= SECOND; side++)
        if (strcmp(label, o->labels.items[side]) == 0)
            return side;
    for (size_t i = 0; i < o->ties.count; i++)
        if (strcmp(label, o->ties.items[i]) == 0)
            return TIE;
    return OTHER;
}

/* The vote of a row whose item begins at row `from`. */
static int vote_at(const struct length *o, const hone_judgements *j, size_t from, size_t r)
{
    int32_t label = hone_judgements_label(j)[r];

    if (hone_judgements_level(j) != HONE_PAIR)
        return vote_of(o, hone_judgements_label_name(j, (size_t)label));
    if (label != HONE_LEFT && label != HONE_RIGHT)
        return TIE;
    const int32_t *left = hone_judgements_left(j), *right = hone_judgements_right(j);
    if (left[r] == left[from] && right[r] == right[from])
        return label == HONE_LEFT ? FIRST : SECOND;
    if (left[r] == right[from] && right[r] == left[from])
        return label == HONE_LEFT ? SECOND : FIRST;
    return OTHER; /* of other options, whose texts the item does not have */
}

/* What most of an item's votes say. */
static int vote_most(const double votes[3])
{
    int best = 0, equals = 0;

    for (int v = 1; v < 3; v++)
        if (votes[v] > votes[best])
            best = v;
    for (int v = 0; v < 3; v++)
        equals += votes[v] == votes[best];
    return votes[best] == 0 ? OTHER : equals > 1 ? SPLIT : best;
}

/* ---- lengths ---- */

static bool is_blank(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);
    return (point >= '\t' && point <= '\r') || (c >= UTF8PROC_CATEGORY_ZS &&
                                                c <= UTF8PROC_CATEGORY_ZP);
}

/* Characters, without blanks at the ends where `strip`; JSON text is UTF-8. */
static int64_t text_length(const char *text, bool strip)
{
    const char *at = text, *end = text + strlen(text);
    int64_t seen = 0, first = -1, last = -1;
    utf8proc_ssize_t n;
    int32_t point;

    for (; at < end; at += n, seen++) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)at, end - at, &point);
        if (n <= 0)
            break;
        if (strip && is_blank(point))
            continue;
        first = first < 0 ? seen : first;
        last = seen;
    }
    return first < 0 ? 0 : last - first + 1;
}

/* The length of one of the texts of an item; -1 where it is to be skipped. */
static int length_of(const struct length *o, const hone_judgements *j, size_t item, int side,
                     int64_t *length, hone_error *err)
{
    const char *key = o->texts.items[side], *name = hone_judgements_item_name(j, item);
    const json_t *value = hone_json_get(hone_judgements_item_attributes(j, item), key);
    char *text;

    *length = -1;
    if (!value)
        return hone_fail(err, HONE_EINVAL, "item '%s' has no attribute '%s'", name, key);
    if (json_is_string(value)) {
        *length = text_length(json_string_value(value), o->strip);
        return HONE_OK;
    }
    if (o->not_text == NOT_TEXT_ERROR)
        return hone_fail(err, HONE_EINVAL, "item '%s': '%s' is %s, not a text; not_text = skip "
                         "leaves such items out, json takes them as they are written", name, key,
                         hone_json_type(value));
    if (o->not_text == NOT_TEXT_SKIP)
        return HONE_OK;
    text = hone_json_text(value);
    if (!text)
        return hone_fail_memory(err, "a text");
    *length = text_length(text, o->strip);
    hone_free(text);
    return HONE_OK;
}

/* ---- counting ---- */

/* An item that was decided between texts of different length. */
struct decided {
    int32_t item;
    int preferred, longer; /* FIRST or SECOND */
    int64_t difference;    /* characters, > 0 */
};

struct counts {
    struct decided *items; /* [n], owned */
    size_t n, longer, equal, ties, split, not_text, other_labels;
    int *longer_side;      /* [items of the judgements]: FIRST, SECOND, or OTHER; owned */
};

static void counts_free(struct counts *c)
{
    hone_free(c->items);
    hone_free(c->longer_side);
}

/* An item that votes decided: measure it. */
static int counts_measure(const struct length *o, const hone_judgements *j, struct counts *c,
                          size_t item, int preferred, hone_error *err)
{
    int64_t lengths[2] = { -1, -1 };
    int code = length_of(o, j, item, FIRST, &lengths[0], err);

    if (!code)
        code = length_of(o, j, item, SECOND, &lengths[1], err);
    if (code)
        return code;
    if (lengths[0] < 0 || lengths[1] < 0) {
        c->not_text++;
    } else if (lengths[0] == lengths[1]) {
        c->equal++;
    } else {
        int longer = lengths[0] > lengths[1] ? FIRST : SECOND;
        int64_t difference = longer == FIRST ? lengths[0] - lengths[1] : lengths[1] - lengths[0];
        c->items[c->n++] = (struct decided){ (int32_t)item, preferred, longer, difference };
        c->longer += preferred == longer;
        c->longer_side[item] = longer;
    }
    return HONE_OK;
}

static int counts_item(const struct length *o, const hone_judgements *j, struct counts *c,
                       size_t from, size_t to, hone_error *err)
{
    const int32_t *label = hone_judgements_label(j);
    const double *weight = hone_judgements_weight(j);
    size_t item = (size_t)hone_judgements_item(j)[from];
    double votes[3] = {0};
    int most;

    for (size_t r = from; r < to; r++) {
        const char *name = hone_judgements_label_name(j, (size_t)label[r]);
        int vote = vote_at(o, j, from, r);
        if (vote < OTHER) {
            votes[vote] += weight ? weight[r] : 1;
            continue;
        }
        if (hone_judgements_level(j) == HONE_PAIR)
            return hone_fail(err, HONE_EINVAL, "item '%s' compares more than two options; their "
                             "texts cannot be told apart", hone_judgements_item_name(j, item));
        if (o->other == OTHER_ERROR)
            return hone_fail(err, HONE_EINVAL, "item '%s': label '%s' is neither in labels ('%s', "
                             "'%s') nor in ties; other_labels = skip leaves such judgements out",
                             hone_judgements_item_name(j, item), name, o->labels.items[0],
                             o->labels.items[1]);
        c->other_labels++;
    }
    most = vote_most(votes);
    if (most == FIRST || most == SECOND)
        return counts_measure(o, j, c, item, most, err);
    c->ties += most == TIE;
    c->split += most == SPLIT;
    return HONE_OK;
}

static int counts_make(const struct length *o, const hone_judgements *j, struct counts *c,
                       hone_error *err)
{
    const int32_t *item = hone_judgements_item(j);
    size_t rows = hone_judgements_count(j), items = hone_judgements_items(j);
    hone_level level = hone_judgements_level(j);
    int code = HONE_OK;

    *c = (struct counts){0};
    if (level != HONE_NOMINAL && level != HONE_ORDINAL && level != HONE_PAIR)
        return hone_fail(err, HONE_EINVAL, "judgements are numbers; labels that say which "
                         "response is preferred are needed");
    c->items = hone_alloc(items + 1, sizeof *c->items);
    c->longer_side = hone_alloc(items + 1, sizeof *c->longer_side);
    if (!c->items || !c->longer_side)
        return hone_fail_memory(err, "length bias");
    for (size_t i = 0; i < items; i++)
        c->longer_side[i] = OTHER;
    for (size_t from = 0, to; from < rows && !code; from = to) {
        for (to = from; to < rows && item[to] == item[from]; to++)
            continue;
        code = counts_item(o, j, c, from, to, err);
    }
    return code;
}

/* ---- findings: put_ functions return 0, or not 0 where memory is short ---- */

static int put_count(json_t *to, const char *key, size_t n)
{
    return json_object_set_new(to, key, json_integer((json_int_t)n));
}

static int put_share(json_t *to, const struct length *o, size_t longer, size_t n, double from)
{
    double low, high;

    hone_wilson_interval((double)longer, (double)n, o->confidence, &low, &high);
    return put_count(to, "n", n) | put_count(to, "longer", longer) |
           json_object_set_new(to, "share", json_real((double)longer / (double)n)) |
           json_object_set_new(to, "interval", json_pack("[f, f]", low - from, high - from));
}

static int put_annotators(json_t *to, const struct length *o, const hone_judgements *j,
                          const struct counts *c, size_t (*tally)[2])
{
    const int32_t *item = hone_judgements_item(j);
    json_t *list = json_array();
    int failed = json_object_set_new(to, "annotators", list);

    for (size_t r = 0, from = 0; r < hone_judgements_count(j); r++) {
        from = item[r] == item[from] ? from : r;
        int side = c->longer_side[item[r]];
        int vote = vote_at(o, j, from, r);
        size_t *mine = tally[hone_judgements_annotator(j)[r]];
        if (side == OTHER || (vote != FIRST && vote != SECOND))
            continue;
        mine[0]++;
        mine[1] += vote == side;
    }
    for (size_t a = 0; a < hone_judgements_annotators(j) && !failed; a++) {
        json_t *one;
        if (!tally[a][0])
            continue;
        one = json_pack("{s:s}", "annotator", hone_judgements_annotator_name(j, a));
        failed |= !one || put_share(one, o, tally[a][1], tally[a][0], 0);
        failed |= json_array_append_new(list, one);
    }
    return failed;
}

static int put_items(json_t *to, const struct length *o, const hone_judgements *j,
                     const struct counts *c, bool biased)
{
    json_t *list = json_array(), *flagged = json_array();
    bool longer = 2 * c->longer > c->n;
    int failed = 0;

    for (size_t i = 0; i < c->n; i++) {
        const struct decided *d = &c->items[i];
        const char *name = hone_judgements_item_name(j, (size_t)d->item);
        failed |= json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "item", name,
                      "preferred", o->labels.items[d->preferred], "longer",
                      o->labels.items[d->longer], "difference", (json_int_t)d->difference));
        if (biased && (d->preferred == d->longer) == longer)
            failed |= json_array_append_new(flagged, json_string(name));
    }
    failed |= json_object_set_new(to, "items", list);
    return failed | json_object_set_new(to, "flagged", flagged);
}

/* The effect d that a two-sided test of 1/2 at level a reveals with the power:
 * d sqrt(n) = z_(1 - a/2)/2 + z_power sqrt(1/4 - d^2), by the normal
 * approximation. NaN where not even n of n would be significant. */
static double smallest_effect(const struct length *o, size_t count)
{
    double a = hone_normal_quantile(0.5 + o->confidence / 2) / 2, n = (double)count;
    double b = hone_normal_quantile(o->power);
    double inside = a * a * n - (n + b * b) * (a * a - b * b / 4);
    double d = inside < 0 ? NAN : (a * sqrt(n) + sqrt(inside)) / (n + b * b);

    return d <= 0.5 && ldexp(1, 1 - (int)fmin(n, 1000)) < 1 - o->confidence ? d : NAN;
}

static int put_counts(json_t *to, const struct counts *c)
{
    return put_count(to, "shorter", c->n - c->longer) | put_count(to, "equal", c->equal) |
           put_count(to, "ties", c->ties) | put_count(to, "split", c->split) |
           json_object_set_new(to, "skipped", json_pack("{s:I, s:I}", "not_text",
                                   (json_int_t)c->not_text, "other_label",
                                   (json_int_t)c->other_labels));
}

static int put_effect(json_t *to, const struct length *o, const struct counts *c, bool *biased)
{
    double p, mde;
    int failed;

    *biased = false;
    if (!c->n) {
        static const char why[] = "no item was decided between texts of different length";
        return put_count(to, "n", 0) | put_count(to, "longer", 0) |
               json_object_set_new(to, "undefined", json_string("empty")) |
               json_object_set_new(to, "why", json_string(why));
    }
    p = hone_binomial_test((int64_t)c->longer, (int64_t)c->n, 0.5);
    mde = smallest_effect(o, c->n);
    *biased = p < 1 - o->confidence;
    failed = put_share(to, o, c->longer, c->n, 0.5);
    failed |= json_object_set_new(to, "effect",
                                  json_real((double)c->longer / (double)c->n - 0.5));
    failed |= json_object_set_new(to, "p", json_real(p));
    failed |= json_object_set_new(to, "mde", isnan(mde) ? json_null() : json_real(mde));
    return failed | json_object_set_new(to, "biased", json_boolean(*biased));
}

static int length_detect(void *self, const hone_judgements *j, hone_json **findings,
                         hone_error *err)
{
    const struct length *o = self;
    size_t (*tally)[2] = NULL;
    struct counts c = {0};
    json_t *result = NULL;
    bool biased;
    int code = counts_make(o, j, &c, err);

    if (code)
        goto out;
    tally = hone_alloc(hone_judgements_annotators(j) + 1, sizeof *tally);
    result = tally ? json_object() : NULL;
    if (!result || put_effect(result, o, &c, &biased) || put_counts(result, &c) ||
        put_annotators(result, o, j, &c, tally) || put_items(result, o, j, &c, biased)) {
        code = hone_fail_memory(err, "findings");
        goto out;
    }
    *findings = result;
    result = NULL;
out:
    json_decref(result);
    hone_free(tally);
    counts_free(&c);
    return code;
}

/* ---- mitigation ---- */

static int length_mitigate(void *self, const hone_judgements *j, const hone_json *findings,
                           hone_json **result, hone_error *err)
{
    const struct length *o = self;
    double cells[2][2] = {{0}}, longer[2] = {0}, preferred[2] = {0}, weights[2][2];
    double sum = 0, squares = 0, kept = 0, n;
    struct counts c = {0};
    json_t *list = NULL;
    int failed = 0, code = counts_make(o, j, &c, err);
    (void)findings; /* what they say is counted anew */

    if (code)
        goto out;
    if (!c.n) {
        code = hone_fail(err, HONE_EINVAL, "no item was decided between texts of different "
                         "length: there is nothing to reweigh");
        goto out;
    }
    n = (double)c.n;
    for (size_t i = 0; i < c.n; i++) {
        cells[c.items[i].longer][c.items[i].preferred]++;
        longer[c.items[i].longer]++;
        preferred[c.items[i].preferred]++;
    }
    for (int a = 0; a < 4; a++)
        weights[a / 2][a % 2] = longer[a / 2] * preferred[a % 2] / n /
                                fmax(1, cells[a / 2][a % 2]);
    list = json_array();
    for (size_t i = 0; i < c.n; i++) {
        const struct decided *d = &c.items[i];
        double w = weights[d->longer][d->preferred];
        sum += w;
        squares += w * w;
        kept += d->longer == d->preferred ? w : 0;
        failed |= json_array_append_new(list, json_pack("{s:s, s:f}", "item",
                      hone_judgements_item_name(j, (size_t)d->item), "weight", w));
    }
    *result = failed ? NULL : json_pack("{s:{s:f, s:f}, s:{s:f, s:f}, s:O}", "before", "effect",
                                        (double)c.longer / n - 0.5, "n", n, "after", "effect",
                                        kept / sum - 0.5, "n", sum * sum / squares, "weights",
                                        list);
    if (!*result)
        code = hone_fail_memory(err, "weights");
out:
    json_decref(list);
    counts_free(&c);
    return code;
}

static const hone_bias_ops ops = {
    .size = sizeof ops, .init = length_init, .detect = length_detect, .mitigate = length_mitigate,
};

HONE_PLUGIN(length,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether the longer of two responses is preferred",
    .source = "doi:10.1007/s10115-011-0463-8",
    .instance_size = sizeof(struct length), .options = options, .ops = &ops);
