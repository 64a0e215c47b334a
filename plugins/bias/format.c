/* format.c -- whether length, lists, bold and headers sway preferences.
 *
 * A logistic model of which of two texts is preferred (a tie counts half), with
 * clusters, on: a constant, strength (see strength.h), tanh of the standardised
 * difference of lengths in characters, and the differences in how many list
 * items, bold spans and headers there are, relative to both texts' sum. All are
 * the first text less the second.
 *
 *   terms     [{ term, coefficient, effect, se, interval, p, p_corrected, ... }]:
 *             effect: how far a text that has the property more (by a standard
 *             deviation; lists and the like: it alone has them) wins above 1/2,
 *             with all else equal; undefined where fewer than `least` items differ
 *   effect    that of the term with the smallest p, which `term` names; p is
 *             corrected by Holm over the terms
 *   win_rate  of the first text: { raw, controlled }, controlled: the mean of what
 *             the model says at zero difference of length and format
 *   skipped   { other_label, not_text, no_strength }
 *
 * Dubois et al. 2024, arXiv:2404.04475; Chiang et al. 2024, arXiv:2403.04132. */
#include "strength.h"

enum { LENGTH, LISTS, BOLD, HEADERS, STYLES };
enum { FORMAT_CELLS = 50000000 };
static const char *const styles[STYLES] = { "length", "lists", "bold", "headers" };

struct format {
    struct bias_options common;
    struct bias_preference preference;
    hone_string_list texts;
    const char *strength;
    int64_t cluster, most, least;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct format),
    BIAS_PREFERENCE(struct format),
    BIAS_CLUSTER(struct format, cluster, "item"),
    HONE_OPT_STRINGS(struct format, texts, "texts", "[\"response1\", \"response2\"]",
                     "attributes of an item that hold the first (left) text and the second"),
    HONE_OPT_STRING(struct format, strength, "strength", NULL,
                    "attribute of items: a number, how much better the first text is"),
    HONE_OPT_INT(struct format, most, "options", 50, 0, 10000,
                 "of pairs: most options whose strengths are estimated, too; 0: none"),
    HONE_OPT_INT(struct format, least, "least", 20, 1, INT32_MAX,
                 "items whose texts differ in it, that a term needs"),
    HONE_OPT_END
};

static int format_init(void *self, hone_context *context, hone_error *err)
{
    const struct format *o = self;
    (void)context;

    if (o->texts.count != 2)
        return hone_fail(err, HONE_EINVAL, "texts has %zu names; it takes 2", o->texts.count);
    return bias_preference_check(&o->preference, err);
}

/* ---- what a text has ---- */

/* A list item: -, *, + or digits and . or ), then a blank. */
static bool format_is_item(const char *s)
{
    const char *p = s;

    if (*p == '-' || *p == '*' || *p == '+')
        return p[1] == ' ' || p[1] == '\t';
    while (*p >= '0' && *p <= '9' && p - s < 9)
        p++;
    return p > s && (*p == '.' || *p == ')') && (p[1] == ' ' || p[1] == '\t');
}

static bool format_is_header(const char *s)
{
    size_t n = strspn(s, "#");
    return n > 0 && n < 7 && s[n] == ' ';
}

static void format_count(double counts[STYLES], const char *text)
{
    bool open = false;

    for (int i = 0; i < STYLES; i++)
        counts[i] = 0;
    for (const char *p = text; *p; p++)
        counts[LENGTH] += ((unsigned char)*p & 0xc0) != 0x80;
    for (const char *line = text; line;) {
        const char *s = line + strspn(line, " \t");
        counts[LISTS] += format_is_item(s);
        counts[HEADERS] += format_is_header(s);
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    for (const char *p = text; (p = strstr(p, "**")); p += 2) {
        counts[BOLD] += open;
        open = !open;
    }
}

/* ---- the model ---- */

struct format_view {
    double *x, *y;       /* [n, terms], [n]; owned */
    int32_t *ids;        /* [n]: clusters; owned */
    int32_t *row;        /* [n]; owned */
    double *style;       /* [items, STYLES]; NaN: no texts; owned */
    struct bias_strength strength;
    size_t n, terms, other, not_text, no_strength;
    bool used[STYLES];
    size_t place[STYLES]; /* column of a style that is used */
};

static void format_close(struct format_view *v)
{
    hone_free(v->x);
    hone_free(v->y);
    hone_free(v->ids);
    hone_free(v->row);
    hone_free(v->style);
}

/* Differences of an item's texts; lengths are standardised later. */
static void format_item(double *style, const struct format *o, const hone_json *attributes)
{
    double counts[2][STYLES];

    for (int side = 0; side < 2; side++) {
        const char *text = hone_json_string(hone_json_get(attributes, o->texts.items[side]));
        if (!text) {
            style[0] = NAN;
            return;
        }
        format_count(counts[side], text);
    }
    style[LENGTH] = counts[0][LENGTH] - counts[1][LENGTH];
    for (int i = LISTS; i < STYLES; i++) {
        double sum = counts[0][i] + counts[1][i];
        style[i] = sum > 0 ? (counts[0][i] - counts[1][i]) / sum : 0;
    }
}

static int format_styles(struct format_view *v, const struct format *o, const hone_judgements *j,
                         hone_error *err)
{
    size_t items = hone_judgements_items(j);
    double sum = 0, squares = 0, n = 0, deviation;
    int64_t differ[STYLES] = {0};

    v->style = hone_alloc(items + 1, STYLES * sizeof *v->style);
    if (!v->style)
        return hone_fail_memory(err, "texts");
    for (size_t i = 0; i < items; i++) {
        double *style = v->style + i * STYLES;
        format_item(style, o, hone_judgements_item_attributes(j, i));
        if (!isnan(style[0])) {
            sum += style[LENGTH];
            squares += style[LENGTH] * style[LENGTH];
            n++;
        }
    }
    if (!(n > 0))
        return hone_fail(err, HONE_EINVAL, "no item has the texts '%s' and '%s'",
                         o->texts.items[0], o->texts.items[1]);
    deviation = sqrt(fmax(0, squares / n - sum / n * (sum / n)));
    for (size_t i = 0; i < items; i++) {
        double *style = v->style + i * STYLES;
        if (isnan(style[0]))
            continue;
        style[LENGTH] = deviation > 0 ? tanh(style[LENGTH] / deviation) : 0;
        for (int k = 0; k < STYLES; k++)
            differ[k] += style[k] != 0;
    }
    for (int k = 0; k < STYLES; k++)
        v->used[k] = differ[k] >= o->least;
    return HONE_OK;
}

static int format_open(struct format_view *v, const struct format *o, const hone_judgements *j,
                       hone_error *err)
{
    size_t rows = hone_judgements_count(j);
    struct bias_clusters by = bias_cluster(j, o->cluster);
    int code = bias_preference_level(j, err);

    if (!code)
        code = format_styles(v, o, j, err);
    if (!code)
        code = bias_strength_open(&v->strength, o->strength, j, (size_t)o->most, err);
    if (code)
        return code;
    v->terms = 1 + v->strength.terms;
    for (int k = 0; k < STYLES; k++)
        v->place[k] = v->used[k] ? v->terms++ : 0;
    if (rows > FORMAT_CELLS / v->terms)
        return hone_fail(err, HONE_EINVAL, "%zu judgements and %zu terms are too many: options = "
                         "0 leaves strengths of options out", rows, v->terms);
    v->x = hone_alloc(rows * v->terms + 1, sizeof *v->x);
    v->y = hone_alloc(rows + 1, sizeof *v->y);
    v->ids = hone_alloc(rows + 1, sizeof *v->ids);
    v->row = hone_alloc(rows + 1, sizeof *v->row);
    if (!v->x || !v->y || !v->ids || !v->row)
        return hone_fail_memory(err, "a logistic model");
    for (size_t r = 0; r < rows; r++) {
        const double *style = v->style + (size_t)hone_judgements_item(j)[r] * STYLES;
        double *x = v->x + v->n * v->terms;
        int side = bias_preference_of(&o->preference, j, r);
        v->other += side == BIAS_OTHER;
        v->not_text += side != BIAS_OTHER && isnan(style[0]);
        if (side == BIAS_OTHER || isnan(style[0]))
            continue;
        x[0] = 1;
        if (!bias_strength_fill(&v->strength, r, 1, x + 1)) {
            v->no_strength++;
            continue;
        }
        for (int k = 0; k < STYLES; k++)
            if (v->used[k])
                x[v->place[k]] = style[k];
        v->ids[v->n] = by.ids[r];
        v->row[v->n] = (int32_t)r;
        v->y[v->n++] = side == BIAS_FIRST ? 1 : side == BIAS_SECOND ? 0 : 0.5;
    }
    return HONE_OK;
}

static double format_sigma(double x)
{
    return 1 / (1 + exp(-x));
}

/* A style's coefficient as an effect: what one that has more of it gains. */
static struct bias_estimate format_effect(const struct format *o, const struct format_view *v,
                                          int style, const double *beta, const double *covariance,
                                          size_t clusters)
{
    size_t k = v->place[style];
    double scale = style == LENGTH ? tanh(1) : 1, share = format_sigma(beta[k] * scale), t;
    double se = sqrt(covariance[k * v->terms + k]);
    struct bias_estimate e = { .value = beta[k], .se = se, .n = v->n, .clusters = clusters };

    bias_infer(&e, &o->common, (double)clusters - 1);
    t = hone_student_quantile(0.5 + o->common.confidence / 2, (double)clusters - 1) * se;
    e.value = share - 0.5;
    e.low = format_sigma((beta[k] - t) * scale) - 0.5;
    e.high = format_sigma((beta[k] + t) * scale) - 0.5;
    e.mde = format_sigma(e.mde * scale) - 0.5;
    e.se = se * scale * share * (1 - share);
    return e;
}

static int format_put_items(json_t *to, const struct format *o, const struct format_view *v,
                            const struct bias_estimate *e, int style, const double *beta,
                            const double *covariance, const hone_judgements *j, hone_error *err)
{
    size_t rows = hone_judgements_count(j);
    double *influence = hone_alloc(rows + 1, sizeof *influence);
    int code;

    if (!influence)
        return hone_fail_memory(err, "influence");
    for (size_t r = 0; r < rows; r++)
        influence[r] = NAN;
    for (size_t i = 0; i < v->n; i++) {
        const double *x = v->x + i * v->terms, *c = covariance + v->place[style] * v->terms;
        double at = 0, push = 0;
        for (size_t k = 0; k < v->terms; k++) {
            at += x[k] * beta[k];
            push += c[k] * x[k];
        }
        influence[v->row[i]] = push * (v->y[i] - format_sigma(at));
    }
    code = bias_put_items(to, &o->common, e, j, influence, err);
    hone_free(influence);
    return code;
}

static int format_put_rates(json_t *to, const struct format_view *v, const double *beta)
{
    double raw = 0, controlled = 0;

    for (size_t i = 0; i < v->n; i++) {
        double at = 0;
        for (size_t k = 0; k < 1 + v->strength.terms; k++)
            at += v->x[i * v->terms + k] * beta[k];
        raw += v->y[i] / (double)v->n;
        controlled += format_sigma(at) / (double)v->n;
    }
    return json_object_set_new(to, "win_rate", json_pack("{s:f, s:f}", "raw", raw, "controlled",
                                                         controlled));
}

static int format_terms(json_t *to, const struct format *o, const struct format_view *v,
                        const double *beta, const double *covariance, size_t clusters,
                        const hone_judgements *j, hone_error *err)
{
    json_t *terms = json_array();
    struct bias_estimate e[STYLES] = {{0}};
    int failed = json_object_set_new(to, "terms", terms), best = -1, code;

    for (int k = 0; k < STYLES && !failed; k++) {
        json_t *one = json_object();
        failed |= json_array_append_new(terms, one) || bias_put_text(one, "term", styles[k]);
        if (!v->used[k]) {
            failed |= bias_put_undefined(one, "too_few", "the texts of too few items differ in it");
            continue;
        }
        e[k] = format_effect(o, v, k, beta, covariance, clusters);
        failed |= bias_put_estimate(one, &e[k]) |
                  bias_put_real(one, "coefficient", beta[v->place[k]]);
        if (!isnan(e[k].p) && (best < 0 || e[k].p < e[best].p))
            best = k;
    }
    code = failed ? hone_fail_memory(err, "a finding") : bias_put_holm(terms, err);
    if (code)
        return code;
    if (best < 0)
        return bias_put_undefined(to, "too_few", "the texts of too few items differ in "
                                  "length or format")
               ? hone_fail_memory(err, "a finding") : HONE_OK;
    e[best].p = json_number_value(json_object_get(json_array_get(terms, (size_t)best),
                                                  "p_corrected"));
    if (bias_put_estimate(to, &e[best]) | bias_put_text(to, "term", styles[best]))
        return hone_fail_memory(err, "a finding");
    return format_put_items(to, o, v, &e[best], best, beta, covariance, j, err);
}

static size_t format_clusters(const struct format_view *v, bool *seen)
{
    size_t clusters = 0;

    for (size_t i = 0; i < v->n; i++) {
        clusters += !seen[v->ids[i]];
        seen[v->ids[i]] = true;
    }
    return clusters;
}

static int format_fit(json_t *to, const struct format *o, const struct format_view *v,
                      const hone_judgements *j, hone_error *err)
{
    size_t count = bias_cluster(j, o->cluster).count;
    double *beta = hone_alloc(v->terms, sizeof *beta);
    double *covariance = hone_alloc(v->terms * v->terms, sizeof *covariance);
    bool *seen = hone_alloc(count + 1, sizeof *seen);
    hone_error why = {0};
    int code = beta && covariance && seen
               ? hone_logistic_fit(beta, covariance, v->x, v->y, NULL, v->ids, count, v->n,
                                   v->terms, &why) : HONE_ENOMEM;

    if (code == HONE_ENUMERIC) {
        code = bias_put_count(to, "n", v->n) | bias_put_undefined(to, "separated", why.message)
               ? hone_fail_memory(err, "a finding") : HONE_OK;
    } else if (code) {
        code = why.message[0] ? hone_fail(err, code, "%s", why.message)
                              : hone_fail_memory(err, "a logistic model");
    } else {
        code = format_terms(to, o, v, beta, covariance, format_clusters(v, seen), j, err);
        if (!code && format_put_rates(to, v, beta))
            code = hone_fail_memory(err, "a finding");
    }
    hone_free(beta);
    hone_free(covariance);
    hone_free(seen);
    return code;
}

static int format_detect(void *self, const hone_judgements *j, hone_json **findings,
                         hone_error *err)
{
    const struct format *o = self;
    struct format_view v = {0};
    json_t *to = json_object();
    int code = format_open(&v, o, j, err);

    if (!code && v.n)
        code = format_fit(to, o, &v, j, err);
    else if (!code && (bias_put_count(to, "n", 0) |
                       bias_put_undefined(to, "empty", "no judgement of two texts")))
        code = hone_fail_memory(err, "a finding");
    if (!code && json_object_set_new(to, "skipped", json_pack("{s:I, s:I, s:I}", "other_label",
                     (json_int_t)v.other, "not_text", (json_int_t)v.not_text, "no_strength",
                     (json_int_t)v.no_strength)))
        code = hone_fail_memory(err, "a finding");
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    format_close(&v);
    return code;
}

static const hone_bias_ops ops = {
    .size = sizeof ops, .init = format_init, .detect = format_detect,
};

static int format_self_test(hone_context *context, hone_error *err)
{
    double counts[STYLES];
    (void)context;

    format_count(counts, "# Title\n- **one**\n2. two\n#no\n**open \xc3\xbc");
    if (counts[LENGTH] != 37 || counts[LISTS] != 2 || counts[BOLD] != 1 || counts[HEADERS] != 1)
        return hone_fail(err, HONE_ENUMERIC, "counted %g characters, %g list items, %g bold, %g "
                         "headers, not 37, 2, 1, 1", counts[LENGTH], counts[LISTS], counts[BOLD],
                         counts[HEADERS]);
    return HONE_OK;
}

HONE_PLUGIN(format,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether length and format sway preferences; length-controlled win rate",
    .source = "arXiv:2404.04475; arXiv:2403.04132",
    .instance_size = sizeof(struct format), .options = options, .ops = &ops,
    .self_test = format_self_test);
