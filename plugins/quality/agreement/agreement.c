/* agreement.c -- how far annotators agree, by the methods that fit the judgements.
 *
 * check returns the keys of quality.h, annotators with their share of others'
 * values that are equal, items that are split, and
 *   { level, units, judgements, labels, dropped,
 *     percent, fleiss, conger, gwet, brennan_prediger
 *                  = { value, observed, expected, se, interval, items, weights },
 *     cohen, scott = { value, weights, count, undefined_pairs,
 *                      pairs = [{ a, b, items, value, se, interval }] },
 *     icc          = { k, items, forms = { "1,1" = { value, interval }, ... "3,k" } },
 *     krippendorff = { value, observed, expected, se, interval, items },
 *     regions      = { value, se, interval, items, pairs, matched, iou, same_label },
 *     floor        = { floor, method, value, passed } }
 *
 * cohen.value and scott.value are means over pairs of annotators by shared items;
 * their pairs are those that share most, `count` says how many there are. Observed
 * and expected are agreement, krippendorff's disagreement. What cannot be computed
 * has { undefined, why } in place of value (agreement.h lists the words), and
 * passed is null then. se and interval are absent where not known. Intervals are
 * normal ones from the standard error, or percentiles of a bootstrap over items or
 * annotators, with `resamples`. Units are items; of pairs, an item's two options
 * (answers.h). Weights of judgements are not used. */
#include "agreement.h"
#include "../answers.h"
#include "../findings.h"

#include <hone/quality.h>
#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const weights[] = { "none", "linear", "quadratic", "ordinal", NULL };
static const char *const clusters[] = { "item", "annotator", NULL };

enum {
    PERCENT, COHEN, SCOTT, FLEISS, CONGER, GWET, BRENNAN, ICC, KRIPPENDORFF, REGIONS, METHODS
};
static const char *const methods[] = {
    "percent", "cohen", "scott", "fleiss", "conger", "gwet", "brennan_prediger", "icc",
    "krippendorff", "regions",
};
#define METHODS_LIST \
    "percent, cohen, scott, fleiss, conger, gwet, brennan_prediger, icc, krippendorff, regions"

static const hone_option options[] = {
    HONE_OPT_STRINGS(struct agreement, methods, "methods", "[]",
                     "what to compute: " METHODS_LIST " (none: those that fit)"),
    HONE_OPT_CHOICE(struct agreement, weights, "weights", "none", weights,
                    "how near misses count in kappas (gwet: AC2); others than none take ordinal "
                    "labels"),
    HONE_OPT_REAL(struct agreement, floor, "floor", HONE_UNSET_REAL, -1, 1,
                  "least agreement to pass, of krippendorff where computed, else of the first "
                  "method"),
    HONE_OPT_REAL_FLAGS(struct agreement, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, "of intervals"),
    HONE_OPT_INT(struct agreement, bootstrap, "bootstrap", 0, 0, 1000000,
                 "resamples for intervals; 0: from standard errors"),
    HONE_OPT_CHOICE(struct agreement, cluster, "cluster", "item", clusters,
                    "what the bootstrap resamples: item; annotator where annotators are few"),
    HONE_OPT_INT(struct agreement, seed, "seed", 0, 0, INT64_MAX, "of the bootstrap"),
    HONE_OPT_INT(struct agreement, pairs, "pairs", 100, 0, INT32_MAX,
                 "most pairs of annotators to list"),
    HONE_OPT_REAL_FLAGS(struct agreement, iou, "iou", 0.5, 0, 1, HONE_OPTION_OPEN_MIN,
                        "least intersection over union of regions that match"),
    HONE_OPT_END
};

/* Whether a method says something of values of this level. */
static bool method_fits(int method, hone_level level)
{
    bool labels = level == HONE_NOMINAL || level == HONE_ORDINAL || level == HONE_PAIR;

    switch (method) {
    case REGIONS: return level == HONE_REGION;
    case ICC: return level == HONE_INTERVAL || level == HONE_RATIO;
    case KRIPPENDORFF: return level <= HONE_RATIO || level == HONE_PAIR;
    default: return labels;
    }
}

static bool agreement_wants(const struct agreement *o, int method, hone_level level)
{
    for (size_t i = 0; i < o->methods.count; i++)
        if (strcmp(o->methods.items[i], methods[method]) == 0)
            return true;
    return !o->methods.count && method_fits(method, level);
}

static int agreement_init(void *self, hone_context *context, hone_error *err)
{
    struct agreement *o = self;

    o->context = context;
    for (size_t i = 0; i < o->methods.count; i++) {
        size_t known = 0;
        while (known < METHODS && strcmp(o->methods.items[i], methods[known]) != 0)
            known++;
        if (known == METHODS)
            return hone_fail(err, HONE_EINVAL, "methods: '%s' is none of " METHODS_LIST,
                             o->methods.items[i]);
    }
    return HONE_OK;
}

/* ---- writing results: each returns 0, or not 0 where memory is short ---- */

static int put_real(json_t *to, const char *key, double value)
{
    return json_object_set_new(to, key, isfinite(value) ? json_real(value) : json_null());
}

static int put_count(json_t *to, const char *key, size_t value)
{
    return json_object_set_new(to, key, json_integer((json_int_t)value));
}

static int put_interval(json_t *to, double low, double high)
{
    if (!isfinite(low) || !isfinite(high))
        return json_object_set_new(to, "interval", json_null());
    return json_object_set_new(to, "interval", json_pack("[f, f]", low, high));
}

static int put_estimate(json_t *to, const struct agreement *o, const struct estimate *e,
                        double lowest)
{
    double z = hone_normal_quantile(0.5 + o->confidence / 2);
    int failed = put_count(to, "items", e->n);

    if (e->undefined) {
        failed |= json_object_set_new(to, "undefined", json_string(e->undefined));
        return failed | json_object_set_new(to, "why", json_string(e->why));
    }
    failed |= put_real(to, "value", e->value);
    if (isnan(e->se))
        return failed;
    failed |= put_real(to, "se", e->se);
    return failed | put_interval(to, fmax(lowest, e->value - z * e->se),
                                 fmin(1, e->value + z * e->se));
}

static int put_parts(json_t *to, const struct estimate *e)
{
    if (e->undefined)
        return 0;
    return put_real(to, "observed", e->observed) | put_real(to, "expected", e->expected);
}

/* An interval from a bootstrap, in place of one from the standard error. */
static int put_resampled(json_t *to, const struct agreement *o, const struct interval *interval)
{
    return put_interval(to, interval->low, interval->high) |
           put_count(to, "resamples", (size_t)o->bootstrap) |
           put_count(to, "undefined_resamples", (size_t)interval->undefined) |
           json_object_set_new(to, "cluster", json_string(clusters[o->cluster]));
}

/* ---- methods: each fills its object ---- */

static int check_chance(const struct agreement *o, const struct table *t, int method, json_t *to,
                        hone_error *err)
{
    static const int kinds[] = { [PERCENT] = CHANCE_PERCENT, [FLEISS] = CHANCE_FLEISS,
                                 [CONGER] = CHANCE_CONGER, [GWET] = CHANCE_GWET,
                                 [BRENNAN] = CHANCE_BRENNAN };
    int64_t near = method == PERCENT ? WEIGHTS_NONE : o->weights;
    struct estimate e = agreement_chance(t, kinds[method], near, (struct times){0}, t->scratch);
    int failed = put_estimate(to, o, &e, method == PERCENT ? 0 : -1);

    if (method != PERCENT) {
        failed |= put_parts(to, &e);
        failed |= json_object_set_new(to, "weights", json_string(weights[near]));
    }
    if (o->bootstrap > 0 && !e.undefined) {
        struct interval interval;
        int code = agreement_chance_interval(o, t, kinds[method], &interval, err);
        if (code)
            return code;
        failed |= put_resampled(to, o, &interval);
    }
    return failed ? hone_fail_memory(err, "a result") : HONE_OK;
}

static int put_pair(json_t *list, const struct agreement *o, const struct table *t,
                    const struct pair *pair)
{
    json_t *one = json_object();
    int failed = json_object_set_new(one, "a", json_string(
                     hone_judgements_annotator_name(t->judgements, (size_t)pair->a)));

    failed |= json_object_set_new(one, "b", json_string(
                  hone_judgements_annotator_name(t->judgements, (size_t)pair->b)));
    failed |= put_estimate(one, o, &pair->kappa, -1);
    return failed | json_array_append_new(list, one);
}

static int check_pairs(const struct agreement *o, const struct table *t, int method, json_t *to,
                       hone_error *err)
{
    struct pair *pairs = NULL;
    struct estimate mean = { .se = NAN };
    json_t *list = NULL;
    size_t count = 0, undefined = 0, items = 0;
    int failed = 0, code = agreement_pairs(t, o->weights, method == SCOTT, &pairs, &count, err);

    if (code)
        return code;
    list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct estimate *e = &pairs[i].kappa;
        undefined += e->undefined != NULL;
        items += e->undefined ? 0 : e->n;
        mean.value += e->undefined ? 0 : e->value * (double)e->n;
        if ((int64_t)i < o->pairs)
            failed |= put_pair(list, o, t, &pairs[i]);
    }
    hone_free(pairs);
    mean.value /= (double)items;
    if (!items) {
        mean.undefined = count ? "unanimous" : "unpaired";
        mean.why = count ? "every pair of annotators gave one label only, and the same"
                         : "no item has values of two annotators";
    }
    mean.n = items;
    failed |= put_estimate(to, o, &mean, -1);
    failed |= json_object_set_new(to, "weights", json_string(weights[o->weights]));
    failed |= put_count(to, "count", count);
    failed |= put_count(to, "undefined_pairs", undefined);
    failed |= json_object_set_new(to, "pairs", list);
    return failed ? hone_fail_memory(err, "a result") : HONE_OK;
}

static int check_icc(const struct agreement *o, const struct table *t, json_t *to,
                     hone_error *err)
{
    static const char *const names[] = { "1,1", "2,1", "3,1", "1,k", "2,k", "3,k" };
    json_t *forms = json_object();
    struct icc icc;
    int code = agreement_icc(t, o->confidence, &icc, err), failed;

    failed = json_object_set_new(to, "forms", forms);
    failed |= put_real(to, "k", icc.k) | put_count(to, "items", icc.forms[0].n);
    for (int i = 0; i < ICC_FORMS && !code && !failed; i++) {
        json_t *one = json_object();
        failed |= json_object_set_new(forms, names[i], one);
        failed |= put_estimate(one, o, &icc.forms[i], -1);
        if (!icc.forms[i].undefined)
            failed |= put_interval(one, icc.intervals[i].low, icc.intervals[i].high);
    }
    /* What a floor looks at: one value, of annotators who are a sample. */
    const struct estimate *e = &icc.forms[icc.forms[1].undefined ? 0 : 1];
    if (e->undefined) {
        failed |= json_object_set_new(to, "undefined", json_string(e->undefined));
        failed |= json_object_set_new(to, "why", json_string(e->why));
    } else {
        failed |= put_real(to, "value", e->value);
    }
    return code ? code : failed ? hone_fail_memory(err, "a result") : HONE_OK;
}

static int check_krippendorff(const struct agreement *o, const struct table *t, json_t *to,
                              hone_error *err)
{
    struct interval interval = {0};
    struct estimate e;
    int failed, code = agreement_alpha(o, t, &e, &interval, err);

    if (code)
        return code;
    failed = put_estimate(to, o, &e, -1) | put_parts(to, &e);
    if (o->bootstrap > 0 && !e.undefined)
        failed |= put_resampled(to, o, &interval);
    return failed ? hone_fail_memory(err, "a result") : HONE_OK;
}

static int check_regions(const struct agreement *o, const struct table *t, json_t *to,
                         hone_error *err)
{
    struct regions r;
    int failed, code = agreement_regions(t, o->iou, &r, err);

    if (code)
        return code;
    failed = put_estimate(to, o, &r.f1, 0);
    failed |= put_count(to, "pairs", r.pairs) | put_count(to, "matched", r.matched);
    failed |= put_real(to, "iou", r.iou) | put_real(to, "same_label", r.same_label);
    return failed ? hone_fail_memory(err, "a result") : HONE_OK;
}

/* ---- check ---- */

/* a is borrowed. */
static int table_open(struct table *t, const struct answers *a, hone_error *err)
{
    *t = (struct table){ .judgements = a->judgements, .items = a->units, .rows = a->count,
                         .labels = a->labels, .annotators = a->annotators, .label = a->label,
                         .item = a->unit, .annotator = a->annotator, .value = a->value,
                         .starts = a->starts, .by_annotator = a->by_annotator,
                         .annotator_starts = a->annotator_starts };
    if (a->level == HONE_REGION || !answers_labelled(a))
        t->labels = a->level == HONE_REGION ? a->labels : 0;
    t->scratch = hone_alloc(4 * t->labels + 4, sizeof *t->scratch);
    t->parts = hone_alloc(t->items + 1, sizeof *t->parts);
    return t->scratch && t->parts ? HONE_OK : hone_fail_memory(err, "agreement");
}

static void table_close(struct table *t)
{
    hone_free(t->scratch);
    hone_free(t->parts);
}

static int check_method(const struct agreement *o, const struct table *t, int method,
                        json_t *result, hone_error *err)
{
    static const struct estimate none = {
        .undefined = "level", .why = "the method does not take values of this level",
    };
    json_t *to = json_object();

    if (json_object_set_new(result, methods[method], to))
        return hone_fail_memory(err, "a result");
    if (!method_fits(method, hone_judgements_level(t->judgements)))
        return put_estimate(to, o, &none, 0) ? hone_fail_memory(err, "a result") : HONE_OK;
    switch (method) {
    case COHEN:
    case SCOTT: return check_pairs(o, t, method, to, err);
    case ICC: return check_icc(o, t, to, err);
    case KRIPPENDORFF: return check_krippendorff(o, t, to, err);
    case REGIONS: return check_regions(o, t, to, err);
    default: return check_chance(o, t, method, to, err);
    }
}

/* The method that a floor looks at. */
static int floor_method(const struct agreement *o, hone_level level)
{
    int method = 0;

    if (agreement_wants(o, KRIPPENDORFF, level))
        return KRIPPENDORFF;
    if (o->methods.count)
        while (strcmp(o->methods.items[0], methods[method]) != 0)
            method++;
    else
        while (method < METHODS - 1 && !agreement_wants(o, method, level))
            method++;
    return method;
}

static int put_floor(const struct agreement *o, json_t *result, const char *method,
                     const json_t *value)
{
    json_t *floor = json_object(), *passed = json_null();
    int failed = json_object_set_new(result, "floor", floor);

    if (failed)
        return failed;
    if (value)
        passed = json_boolean(json_number_value(value) >= o->floor);
    failed |= put_real(floor, "floor", o->floor);
    failed |= json_object_set_new(floor, "method", json_string(method));
    failed |= json_object_set_new(floor, "value",
                                  value ? json_real(json_number_value(value)) : json_null());
    return failed | json_object_set_new(floor, "passed", passed);
}

static int put_counts(json_t *result, const struct table *t)
{
    json_t *labels = json_array();
    hone_level level = hone_judgements_level(t->judgements);
    int failed = json_object_set_new(result, "level", json_string(hone_level_name(level)));

    failed |= put_count(result, "units", t->items);
    failed |= put_count(result, "judgements", t->rows);
    failed |= put_count(result, "dropped", hone_judgements_dropped(t->judgements));
    for (size_t k = 0; k < t->labels; k++)
        failed |= json_array_append_new(labels,
                                        json_string(hone_judgements_label_name(t->judgements, k)));
    return failed | json_object_set_new(result, "labels", labels);
}

/* Annotators with the share of the others' labels that are theirs, and items on
 * which no label has a majority. */
static int put_people(struct findings *f, const struct answers *a, hone_error *err)
{
    double *sum = hone_alloc(a->annotators + 1, sizeof *sum);
    double *pairs = hone_alloc(a->annotators + 1, sizeof *pairs);
    struct tally t = { .count = hone_alloc(a->labels + 1, sizeof *t.count) };
    int code = sum && pairs && t.count ? HONE_OK : hone_fail_memory(err, "agreement of annotators");

    for (size_t u = 0; u < a->units && !code && answers_labelled(a); u++) {
        size_t m = a->starts[u + 1] - a->starts[u];
        tally_unit(&t, a, u);
        for (size_t i = a->starts[u]; m > 1 && i < a->starts[u + 1]; i++) {
            sum[a->annotator[i]] += t.count[a->label[i]] - 1;
            pairs[a->annotator[i]] += (double)m - 1;
        }
        if (m > 1 && 2 * t.most <= (double)m)
            findings_item(f, answers_item(a, u), false, "no label has a majority: %zu answers, "
                          "%.0f of the most frequent", m, t.most);
        tally_clear(&t, a, u);
    }
    for (size_t p = 0; p < a->annotators && !code; p++) {
        json_t *one = findings_annotator(f, p, pairs[p] > 0 ? sum[p] / pairs[p] : NAN, NULL);
        findings_count(f, one, "answers", a->annotator_starts[p + 1] - a->annotator_starts[p]);
    }
    hone_free(sum);
    hone_free(pairs);
    hone_free(t.count);
    return code;
}

static int agreement_finish(const struct agreement *o, struct findings *f, hone_level level,
                            hone_json **out, hone_error *err)
{
    int method = floor_method(o, level);
    json_t *one = json_object_get(f->result, methods[method]);
    json_t *value = json_object_get(one, "value");
    bool passed = !value || isnan(o->floor) || json_number_value(value) >= o->floor;

    if (!isnan(o->floor) && put_floor(o, f->result, methods[method], value))
        return hone_fail_memory(err, "a result");
    if (!value) {
        const char *why = json_string_value(json_object_get(one, "why"));
        findings_undefined(f, json_string_value(json_object_get(one, "undefined")),
                           why ? why : "no method fits judgements of this level");
        return findings_close(f, false, out, err, "undefined");
    }
    return isnan(o->floor)
               ? findings_close(f, passed, out, err, "%s is %.3f", methods[method],
                                json_number_value(value))
               : findings_close(f, passed, out, err, "%s is %.3f; at least %g is expected",
                                methods[method], json_number_value(value), o->floor);
}

static int agreement_check(void *self, const hone_judgements *judgements, hone_json **out,
                           hone_error *err)
{
    const struct agreement *o = self;
    hone_level level = hone_judgements_level(judgements);
    struct answers answers = {0};
    struct findings f = {0};
    struct table t = {0};
    int code;

    if (o->weights != WEIGHTS_NONE && level != HONE_ORDINAL)
        return hone_fail(err, HONE_EINVAL, "weights = %s takes ordinal judgements; these are %s",
                         weights[o->weights], hone_level_name(level));
    code = answers_open(&answers, judgements, err);
    if (!code)
        code = table_open(&t, &answers, err);
    if (!code)
        code = findings_open(&f, judgements, err);
    if (!code && put_counts(f.result, &t))
        code = hone_fail_memory(err, "a result");
    for (int m = 0; m < METHODS && !code; m++)
        if (agreement_wants(o, m, level))
            code = check_method(o, &t, m, f.result, err);
    if (!code)
        code = put_people(&f, &answers, err);
    if (!code)
        code = agreement_finish(o, &f, level, out, err);
    findings_free(&f);
    table_close(&t);
    answers_close(&answers);
    return code;
}

static const hone_quality_ops ops = {
    .size = sizeof ops, .init = agreement_init, .check = agreement_check,
};

/* ---- self-test: Krippendorff's example, 4 observers, 12 units, values missing ---- */

static int test_table(struct table *t, struct answers *a, hone_judgements **j, hone_level level,
                      hone_error *err)
{
    static const char *const observers[] = { "123321412   ", "1233224125  ", " 33323422513",
                                             "12332441251 " };
    int code = hone_judgements_new(j, level, err);

    for (int i = 0; i < 48 && !code; i++) {
        char unit[] = { (char)('a' + i / 4), 0 }, observer[] = { (char)('A' + i % 4), 0 };
        char label[] = { observers[i % 4][i / 4], 0 };
        if (*label != ' ')
            code = hone_judgements_add(*j, unit, observer, label, *label - '0', err);
    }
    if (!code)
        code = answers_open(a, *j, err);
    return code ? code : table_open(t, a, err);
}

static int test_near(const char *what, double seen, double expected, hone_error *err)
{
    if (fabs(seen - expected) < 1e-5)
        return HONE_OK;
    return hone_fail(err, HONE_ENUMERIC, "%s of Krippendorff's example is %.8f, not %.6f", what,
                     seen, expected);
}

static int agreement_self_test(hone_context *context, hone_error *err)
{
    static const double alphas[] = { .743421, .815388, .849107, .797403 };
    static const double kappas[] = { .8181818, .76117, .76282, .77544, .77273 };
    const struct agreement o = { .context = context, .confidence = .95 };
    int code = HONE_OK;

    for (int level = 0; level < 4 && !code; level++) {
        struct table t = {0};
        struct answers a = {0};
        struct estimate e = { .value = NAN };
        hone_judgements *j = NULL;
        code = test_table(&t, &a, &j, (hone_level)level, err);
        if (!code)
            code = agreement_alpha(&o, &t, &e, NULL, err);
        if (!code)
            code = test_near("alpha", e.value, alphas[level], err);
        for (int m = 0; m < 5 && !code && level == HONE_NOMINAL; m++) {
            e = agreement_chance(&t, m, WEIGHTS_NONE, (struct times){0}, t.scratch);
            code = test_near("chance-corrected agreement", e.value, kappas[m], err);
        }
        table_close(&t);
        answers_close(&a);
        hone_judgements_free(j);
    }
    return code;
}

HONE_PLUGIN(agreement,
    .threadsafe = true, .kind = "quality", .version = "2.0",
    .summary = "agreement of annotators: kappas, AC1, alpha, ICC, matched regions",
    .source = "Cohen 1960; Scott 1955; Fleiss 1971; Conger 1980; Gwet 2008; Brennan & Prediger "
              "1981; Shrout & Fleiss 1979; Krippendorff 2011",
    .instance_size = sizeof(struct agreement), .options = options, .ops = &ops,
    .self_test = agreement_self_test);
