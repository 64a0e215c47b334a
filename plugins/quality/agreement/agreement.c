/* agreement.c -- how far annotators agree: percent, Cohen, Fleiss, Krippendorff.
 *
 * check returns
 *   { level, items, annotators, judgements, labels, dropped,
 *     percent      = { value, se, interval, items },
 *     cohen        = { value, weights, count, undefined_pairs,
 *                      pairs = [{ a, b, items, value, se, interval }] },
 *     fleiss       = { value, weights, observed, expected, se, interval, items },
 *     krippendorff = { value, observed, expected, se, interval, items, resamples },
 *     floor        = { floor, method, value, passed } }
 *
 * cohen.value is the mean over pairs of annotators by shared items; its pairs
 * are those that share most, `count` says how many there are. Observed and
 * expected are agreement, krippendorff's disagreement. What cannot be computed
 * has { undefined, why } in place of value (agreement.h lists the words), and
 * passed is null then. se and interval are absent where not known. Intervals
 * are normal ones from the standard error, or percentiles of a bootstrap over
 * items where krippendorff was given resamples. Weights of judgements are not
 * used.
 *
 * Cohen 1960; Fleiss 1971; Krippendorff 2011. */
#include "agreement.h"

#include <hone/quality.h>
#include <hone/statistics.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const weights[] = { "none", "linear", "quadratic", "ordinal", NULL };
static const char *const methods[] = { "percent", "cohen", "fleiss", "krippendorff" };
static const char *const levels[] = { "nominal", "ordinal", "interval", "ratio" };

static const hone_option options[] = {
    HONE_OPT_STRINGS(struct agreement, methods, "methods",
                     "[\"percent\", \"cohen\", \"fleiss\", \"krippendorff\"]",
                     "what to compute: percent, cohen, fleiss, krippendorff"),
    HONE_OPT_CHOICE(struct agreement, weights, "weights", "none", weights,
                    "how near misses count for cohen and fleiss; others than none take ordinal "
                    "labels"),
    HONE_OPT_REAL(struct agreement, floor, "floor", HONE_UNSET_REAL, -1, 1,
                  "least agreement to pass, of krippendorff where computed, else of the first "
                  "method"),
    HONE_OPT_REAL_FLAGS(struct agreement, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, "of intervals"),
    HONE_OPT_INT(struct agreement, bootstrap, "bootstrap", 0, 0, 1000000,
                 "resamples of items for krippendorff's interval; 0: from its standard error"),
    HONE_OPT_INT(struct agreement, seed, "seed", 0, 0, INT64_MAX, "of the bootstrap"),
    HONE_OPT_INT(struct agreement, pairs, "pairs", 100, 0, INT32_MAX,
                 "most pairs of annotators to list"),
    HONE_OPT_END
};

static bool agreement_wants(const struct agreement *o, const char *method)
{
    for (size_t i = 0; i < o->methods.count; i++)
        if (strcmp(o->methods.items[i], method) == 0)
            return true;
    return false;
}

static int agreement_init(void *self, hone_context *context, hone_error *err)
{
    const struct agreement *o = self;
    (void)context;

    if (!o->methods.count)
        return hone_fail(err, HONE_EINVAL, "methods is empty; choose from percent, cohen, fleiss, "
                         "krippendorff");
    for (size_t i = 0; i < o->methods.count; i++) {
        size_t known = 0;
        while (known < 4 && strcmp(o->methods.items[i], methods[known]) != 0)
            known++;
        if (known == 4)
            return hone_fail(err, HONE_EINVAL, "methods: '%s' is none of percent, cohen, fleiss, "
                             "krippendorff", o->methods.items[i]);
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

/* ---- methods: each fills its object ---- */

static int check_percent(const struct agreement *o, const struct table *t, json_t *to,
                         hone_error *err)
{
    struct estimate e = agreement_percent(t);
    return put_estimate(to, o, &e, 0) ? hone_fail_memory(err, "a result") : HONE_OK;
}

static int check_fleiss(const struct agreement *o, const struct table *t, json_t *to,
                        hone_error *err)
{
    struct estimate e = agreement_fleiss(t, o->weights);
    int failed = put_estimate(to, o, &e, -1) | put_parts(to, &e);

    failed |= json_object_set_new(to, "weights", json_string(weights[o->weights]));
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

static int check_cohen(const struct agreement *o, const struct table *t, json_t *to,
                       hone_error *err)
{
    struct pair *pairs = NULL;
    struct estimate mean = { .se = NAN };
    json_t *list = NULL;
    size_t count = 0, undefined = 0, items = 0;
    int failed = 0, code = agreement_cohen(t, o->weights, &pairs, &count, err);

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

static int check_krippendorff(const struct agreement *o, const struct table *t, json_t *to,
                              hone_error *err)
{
    struct interval interval = {0};
    struct estimate e;
    int failed, code = agreement_alpha(t, o->bootstrap, (uint64_t)o->seed, o->confidence, &e,
                                       &interval, err);

    if (code)
        return code;
    failed = put_estimate(to, o, &e, -1) | put_parts(to, &e);
    if (o->bootstrap > 0 && !e.undefined) {
        failed |= put_interval(to, interval.low, interval.high);
        failed |= put_count(to, "resamples", (size_t)o->bootstrap);
        failed |= put_count(to, "undefined_resamples", (size_t)interval.undefined);
    }
    return failed ? hone_fail_memory(err, "a result") : HONE_OK;
}

/* ---- check ---- */

static int table_open(struct table *t, const hone_judgements *j, hone_error *err)
{
    *t = (struct table){ .judgements = j, .items = hone_judgements_items(j),
                         .rows = hone_judgements_count(j), .labels = hone_judgements_labels(j),
                         .annotators = hone_judgements_annotators(j),
                         .label = hone_judgements_label(j), .item = hone_judgements_item(j),
                         .annotator = hone_judgements_annotator(j),
                         .value = hone_judgements_value(j) };
    t->starts = hone_alloc(t->items + 1, sizeof *t->starts);
    t->scratch = hone_alloc(t->labels + 1, 4 * sizeof *t->scratch);
    if (!t->starts || !t->scratch)
        return hone_fail_memory(err, "agreement");
    for (size_t r = 0; r < t->rows; r++)
        t->starts[t->item[r] + 1]++;
    for (size_t i = 0; i < t->items; i++)
        t->starts[i + 1] += t->starts[i];
    return HONE_OK;
}

static int check_method(const struct agreement *o, const struct table *t, size_t method,
                        json_t *result, hone_error *err)
{
    static int (*const check[])(const struct agreement *, const struct table *, json_t *,
                                hone_error *) = {
        check_percent, check_cohen, check_fleiss, check_krippendorff,
    };
    hone_level level = hone_judgements_level(t->judgements);
    struct estimate none = { .undefined = "level",
                             .why = "the method compares labels, and the values are numbers" };
    json_t *to = json_object();

    if (json_object_set_new(result, methods[method], to))
        return hone_fail_memory(err, "a result");
    if (method < 3 && level != HONE_NOMINAL && level != HONE_ORDINAL)
        return put_estimate(to, o, &none, 0) ? hone_fail_memory(err, "a result") : HONE_OK;
    return check[method](o, t, to, err);
}

static int put_floor(const struct agreement *o, json_t *result)
{
    const char *method = agreement_wants(o, "krippendorff") ? "krippendorff"
                                                            : o->methods.items[0];
    json_t *value = json_object_get(json_object_get(result, method), "value");
    json_t *floor = json_object(), *passed = json_null();
    int failed = json_object_set_new(result, "floor", floor);

    if (failed)
        return failed;
    if (value)
        passed = json_boolean(json_real_value(value) >= o->floor);
    failed |= put_real(floor, "floor", o->floor);
    failed |= json_object_set_new(floor, "method", json_string(method));
    failed |= value ? json_object_set(floor, "value", value)
                    : json_object_set_new(floor, "value", json_null());
    return failed | json_object_set_new(floor, "passed", passed);
}

static int put_counts(json_t *result, const struct table *t)
{
    json_t *labels = json_array();
    hone_level level = hone_judgements_level(t->judgements);
    int failed = json_object_set_new(result, "level", json_string(levels[level]));

    failed |= put_count(result, "items", t->items);
    failed |= put_count(result, "annotators", t->annotators);
    failed |= put_count(result, "judgements", t->rows);
    failed |= put_count(result, "dropped", hone_judgements_dropped(t->judgements));
    for (size_t k = 0; k < t->labels; k++)
        failed |= json_array_append_new(labels,
                                        json_string(hone_judgements_label_name(t->judgements, k)));
    return failed | json_object_set_new(result, "labels", labels);
}

static int agreement_check(void *self, const hone_judgements *judgements, hone_json **out,
                           hone_error *err)
{
    const struct agreement *o = self;
    struct table t = {0};
    json_t *result = NULL;
    int code;

    if (o->weights != WEIGHTS_NONE && hone_judgements_level(judgements) != HONE_ORDINAL)
        return hone_fail(err, HONE_EINVAL, "weights = %s takes ordinal judgements; these are %s",
                         weights[o->weights], levels[hone_judgements_level(judgements)]);
    code = table_open(&t, judgements, err);
    if (code)
        goto out;
    result = json_object();
    code = put_counts(result, &t) ? hone_fail_memory(err, "a result") : HONE_OK;
    for (size_t m = 0; m < 4 && !code; m++)
        if (agreement_wants(o, methods[m]))
            code = check_method(o, &t, m, result, err);
    if (!code && !isnan(o->floor) && put_floor(o, result))
        code = hone_fail_memory(err, "a result");
    if (code)
        goto out;
    *out = result;
    result = NULL;
out:
    json_decref(result);
    hone_free(t.starts);
    hone_free(t.scratch);
    return code;
}

static const hone_quality_ops ops = {
    .size = sizeof ops, .init = agreement_init, .check = agreement_check,
};

/* Krippendorff's example: 4 observers, 12 units, values missing. */
static int agreement_self_test(hone_context *context, hone_error *err)
{
    static const char *const observers[] = { "123321412   ", "1233224125 3", " 3332342251 ",
                                             "12332441251 " };
    static const double expected[] = { .743421, .815388, .849107, .797403 };
    int code = HONE_OK;
    (void)context;

    for (int level = 0; level < 4 && !code; level++) {
        struct table t = {0};
        struct estimate e = { .value = NAN };
        hone_judgements *j;
        code = hone_judgements_new(&j, (hone_level)level, err);
        for (int i = 0; i < 48 && !code; i++) {
            char unit[] = { (char)('a' + i / 4), 0 }, observer[] = { (char)('A' + i % 4), 0 };
            char label[] = { observers[i % 4][i / 4], 0 };
            if (*label != ' ')
                code = hone_judgements_add(j, unit, observer, label, *label - '0', err);
        }
        if (!code)
            code = table_open(&t, j, err);
        if (!code)
            code = agreement_alpha(&t, 0, 0, 0.95, &e, NULL, err);
        if (!code && !(fabs(e.value - expected[level]) < 1e-6))
            code = hone_fail(err, HONE_ENUMERIC, "%s alpha of Krippendorff's example is %.8f, not "
                             "%.6f", levels[level], e.value, expected[level]);
        hone_free(t.starts);
        hone_free(t.scratch);
        hone_judgements_free(j);
    }
    return code;
}

HONE_PLUGIN(agreement,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "agreement of annotators: percent, Cohen, Fleiss, Krippendorff",
    .source = "Cohen 1960; Fleiss 1971; Krippendorff 2011",
    .instance_size = sizeof(struct agreement), .options = options, .ops = &ops,
    .self_test = agreement_self_test);
