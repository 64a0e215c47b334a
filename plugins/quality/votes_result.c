/* votes_result.c -- columns, figures and checks that all methods share (see votes.h). */
#include "votes.h"

#include <hone/statistics.h>

#include <math.h>
#include <string.h>

static double *votes_column(struct votes *v, hone_axis axis, const char *name, hone_error *err)
{
    return hone_consensus_column(v->out, axis, name, 1, err);
}

/* ---- items ---- */

struct items {
    struct votes *v;
    const double *confidence;
    double *difficulty, *weight, *value; /* value: NULL unless ordinal */
    bool own;                            /* the method has filled difficulty */
};

/* Expected share of an item's votes that are right; NaN where there is none. */
static double items_right(const struct votes *v, size_t item)
{
    const double *t = v->posterior + item * v->labels;
    double right = 0, all = 0;

    for (size_t r = v->item_starts[item]; r < v->item_starts[item + 1]; r++) {
        right += votes_weight(v, r) * t[v->label[r]];
        all += votes_weight(v, r);
    }
    return all > 0 ? fmin(1, right / all) : NAN;
}

static void items_fill(void *arg, size_t first, size_t last, size_t piece)
{
    const struct items *s = arg;
    const struct votes *v = s->v;
    (void)piece;

    for (size_t i = first; i < last; i++) {
        const double *t = v->posterior + i * v->labels;
        double right = items_right(v, i);
        if (!s->own)
            s->difficulty[i] = 1 - right;
        s->weight[i] = isnan(right) ? 0 : s->confidence[i] * right;
        if (!s->value)
            continue;
        s->value[i] = 0;
        for (size_t k = 0; k < v->labels; k++)
            s->value[i] += (double)k * t[k];
    }
}

static int items_explain(struct votes *v, const double *label, hone_error *err)
{
    size_t ties = 0;
    int code = HONE_OK;

    for (size_t i = 0; i < v->items && !code; i++) {
        const double *t = v->posterior + i * v->labels;
        size_t a = 0, b = 0;
        if (!isnan(label[i]))
            continue;
        if (isnan(t[0])) {
            code = hone_consensus_explain(v->out, HONE_ITEMS, i, err, "no one answered");
            continue;
        }
        for (size_t k = 1; k < v->labels; k++)
            a = t[k] > t[a] + 1e-12 ? k : a;
        for (b = a + 1; b < v->labels - 1 && t[b] < t[a] - 1e-12;)
            b++;
        ties++;
        code = hone_consensus_explain(v->out, HONE_ITEMS, i, err, "a tie, of '%s' and '%s'",
                                      hone_judgements_label_name(v->judgements, a),
                                      hone_judgements_label_name(v->judgements, b));
    }
    if (!code)
        code = hone_consensus_set(v->out, "ties", (double)ties, err);
    if (!code)
        code = hone_consensus_set(v->out, "unanswered", (double)(v->items - v->answered), err);
    return code;
}

static int votes_publish_items(struct votes *v, hone_error *err)
{
    struct items s = { .v = v, .own = hone_consensus_get(v->out, HONE_ITEMS, "difficulty", NULL) };
    int code;

    /* Zeros stand where no one answered; NaN says so. */
    for (size_t i = 0; i < v->items; i++) {
        double *t = v->posterior + i * v->labels, sum = 0;
        for (size_t k = 0; k < v->labels; k++)
            sum += t[k];
        for (size_t k = 0; k < v->labels && !(sum > 0); k++)
            t[k] = NAN;
    }
    code = hone_consensus_decide(v->out, err);
    if (code)
        return code;
    s.confidence = hone_consensus_get(v->out, HONE_ITEMS, "confidence", NULL);
    s.difficulty = votes_column(v, HONE_ITEMS, "difficulty", err);
    s.weight = s.difficulty ? votes_column(v, HONE_ITEMS, "weight", err) : NULL;
    if (s.weight && hone_judgements_level(v->judgements) == HONE_ORDINAL &&
        !(s.value = votes_column(v, HONE_ITEMS, "value", err)))
        return HONE_ENOMEM;
    if (!s.weight)
        return HONE_ENOMEM;
    votes_parallel(v, v->items, items_fill, &s);
    return items_explain(v, hone_consensus_get(v->out, HONE_ITEMS, "label", NULL), err);
}

/* ---- annotators ---- */

struct people {
    const struct votes *v;
    double *answers, *skill, *low, *high, *weight;
    double shrink, mean, chance;
};

static void people_fill_one(const struct people *s, size_t a)
{
    const struct votes_tally *t = &s->v->tally[a];
    double p, n, shrunk;

    s->answers[a] = (double)(s->v->annotator_starts[a + 1] - s->v->annotator_starts[a]);
    if (s->v->undefined || !(t->answers > 0))
        return;
    p = fmin(1, t->right / t->answers);
    n = t->answers;
    if (p > 0 && p < 1)
        n = fmax(0, n - t->missing / (p * (1 - p)));
    s->skill[a] = p;
    /* At the ends Jeffreys' interval would leave the estimate out. */
    s->low[a] = p > 0 ? fmin(p, hone_beta_quantile(.025, p * n + .5, (1 - p) * n + .5)) : 0;
    s->high[a] = p < 1 ? fmax(p, hone_beta_quantile(.975, p * n + .5, (1 - p) * n + .5)) : 1;
    shrunk = (t->right + s->shrink * s->mean) / (t->answers + s->shrink);
    shrunk = fmin(fmax(shrunk, 1e-6), 1 - 1e-6);
    s->weight[a] = log(shrunk * (1 - s->chance) / ((1 - shrunk) * s->chance));
}

static void people_fill(void *arg, size_t first, size_t last, size_t piece)
{
    (void)piece;
    for (size_t a = first; a < last; a++)
        people_fill_one(arg, a);
}

static int votes_publish_annotators(struct votes *v, const struct votes_options *o,
                                    hone_error *err)
{
    struct people s = { .v = v, .shrink = o->shrink, .chance = 1 / (double)v->labels };
    double right = 0, answers = 0;
    int code = HONE_OK;

    for (size_t a = 0; a < v->annotators; a++) {
        right += v->tally[a].right;
        answers += v->tally[a].answers;
    }
    /* One answer of each kind more: a perfect crowd is not taken to be infallible. */
    s.mean = (right + 1) / (answers + 2);
    if (!(s.answers = votes_column(v, HONE_ANNOTATORS, "answers", err)) ||
        !(s.skill = votes_column(v, HONE_ANNOTATORS, "skill", err)) ||
        !(s.low = votes_column(v, HONE_ANNOTATORS, "skill_low", err)) ||
        !(s.high = votes_column(v, HONE_ANNOTATORS, "skill_high", err)) ||
        !(s.weight = votes_column(v, HONE_ANNOTATORS, "weight", err)))
        return HONE_ENOMEM;
    votes_parallel(v, v->annotators, people_fill, &s);
    for (size_t a = 0; a < v->annotators && !code; a++)
        if (!(s.answers[a] > 0))
            code = hone_consensus_explain(v->out, HONE_ANNOTATORS, a, err, "no answers");
    return code;
}

/* ---- figures ---- */

static int votes_publish_figures(struct votes *v, hone_error *err)
{
    int code = HONE_OK;

    if (v->undefined) {
        code = hone_consensus_set_json(v->out, "undefined", json_string(v->undefined), err);
        return code ? code : hone_consensus_set_json(v->out, "why", json_string(v->why), err);
    }
    if (!v->iterations)
        return HONE_OK;
    code = hone_consensus_set(v->out, "iterations", (double)v->iterations, err);
    if (!code)
        code = hone_consensus_set_json(v->out, "converged", json_boolean(v->converged), err);
    if (!code && json_array_size(v->trace))
        code = hone_consensus_set_json(v->out, "objective", json_incref(v->trace), err);
    return code;
}

int votes_publish(struct votes *v, const struct votes_options *options, hone_error *err)
{
    int code = votes_publish_items(v, err);

    if (!code)
        code = votes_publish_annotators(v, options, err);
    return code ? code : votes_publish_figures(v, err);
}

/* ---- checks ---- */

struct check {
    const hone_consensus *c;
    const hone_judgements *j;
    double floor;
    size_t flagged;
    json_t *annotators, *items, *rows;
};

static json_t *check_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static double check_at(const struct check *s, const char *name, size_t row)
{
    return hone_consensus_get(s->c, HONE_ANNOTATORS, name, NULL)[row];
}

static int check_annotator(struct check *s, size_t a, bool flagged)
{
    const char *why = hone_consensus_reason(s->c, HONE_ANNOTATORS, a);
    double skill = check_at(s, "skill", a), low = check_at(s, "skill_low", a);
    double high = check_at(s, "skill_high", a), answers = check_at(s, "answers", a);
    json_t *one = json_object();
    char *reason = NULL;
    int failed;

    if (flagged && !(reason = hone_format("right in %.0f %% of %.0f answers (95 %% interval %.0f "
                                          "to %.0f %%); at least %.0f %% is expected", 100 * skill,
                                          answers, 100 * low, 100 * high, 100 * s->floor))) {
        json_decref(one);
        return -1;
    }
    failed = json_object_set_new(one, "annotator",
                                 json_string(hone_judgements_annotator_name(s->j, a)));
    failed |= json_object_set_new(one, "score", check_real(skill));
    failed |= json_object_set_new(one, "interval", isfinite(low) ? json_pack("[f, f]", low, high)
                                                                 : json_null());
    failed |= json_object_set_new(one, "answers", json_integer((json_int_t)answers));
    failed |= json_object_set_new(one, "flagged", json_boolean(flagged));
    if (reason || why)
        failed |= json_object_set_new(one, "reason", json_string(reason ? reason : why));
    hone_free(reason);
    return failed | json_array_append_new(s->annotators, one);
}

static int check_annotators(struct check *s)
{
    const int32_t *annotator = hone_judgements_annotator(s->j);
    const double *high = hone_consensus_get(s->c, HONE_ANNOTATORS, "skill_high", NULL);
    int failed = 0;

    for (size_t a = 0; a < hone_judgements_annotators(s->j); a++) {
        s->flagged += high[a] < s->floor;
        failed |= check_annotator(s, a, high[a] < s->floor);
    }
    for (size_t r = 0; r < hone_judgements_count(s->j); r++)
        if (high[annotator[r]] < s->floor)
            failed |= json_array_append_new(s->rows, json_integer((json_int_t)r));
    return failed;
}

static int check_items(struct check *s)
{
    int failed = 0;

    for (size_t i = 0; i < hone_judgements_items(s->j); i++) {
        const char *why = hone_consensus_reason(s->c, HONE_ITEMS, i);
        if (why)
            failed |= json_array_append_new(
                s->items, json_pack("{s:s, s:b, s:s}", "item", hone_judgements_item_name(s->j, i),
                                    "flagged", 1, "reason", why));
    }
    return failed;
}

static int check_summary(const struct check *s, json_t *result)
{
    const hone_json *figures = hone_consensus_figures(s->c);
    json_t *undefined = json_object_get(figures, "undefined");
    json_t *why = json_object_get(figures, "why");
    char *text = undefined ? hone_format("skills are undefined: %s", json_string_value(why))
                           : hone_format("%zu of %zu annotators are right less often than %.0f %%",
                                         s->flagged, hone_judgements_annotators(s->j),
                                         100 * s->floor);
    int failed = json_object_set_new(result, "passed", undefined ? json_null()
                                                                  : json_boolean(!s->flagged));

    failed |= json_object_set_new(result, "summary", json_string(text ? text : ""));
    failed |= json_object_set_new(result, "floor", json_real(s->floor));
    if (undefined) {
        failed |= json_object_set(result, "undefined", undefined);
        failed |= json_object_set(result, "why", why);
    }
    failed |= !text;
    hone_free(text);
    return failed;
}

int votes_check(const void *self, votes_fit *fit, const hone_judgements *j, hone_json **result,
                hone_error *err)
{
    const struct votes_options *options = self;
    double chance = 1 / fmax(1, (double)hone_judgements_labels(j));
    struct check s = { .j = j, .floor = isnan(options->floor) ? chance + (1 - chance) / 4
                                                              : options->floor };
    hone_consensus *c = NULL;
    json_t *to = NULL;
    int code = hone_consensus_new(&c, j, err), failed;

    if (!code)
        code = votes_aggregate(self, fit, j, c, err);
    if (code)
        goto out;
    s.c = c;
    to = json_object();
    s.annotators = json_array();
    s.items = json_array();
    s.rows = json_array();
    failed = check_annotators(&s) | check_items(&s) | check_summary(&s, to);
    failed |= json_object_set_new(to, "annotators", s.annotators);
    failed |= json_object_set_new(to, "items", s.items);
    failed |= json_object_set_new(to, "rows", s.rows);
    code = failed ? hone_fail_memory(err, "a result") : HONE_OK;
    if (!code) {
        *result = to;
        to = NULL;
    }
out:
    json_decref(to);
    hone_consensus_free(c);
    return code;
}

/* ---- ops ---- */

int votes_init(void *self, hone_context *context, hone_error *err)
{
    struct votes_options *common = self;
    (void)err;

    common->context = context;
    return HONE_OK;
}

int votes_aggregate(const void *self, votes_fit *fit, const hone_judgements *judgements,
                    hone_consensus *out, hone_error *err)
{
    const struct votes_options *common = self;
    struct votes v;
    int code = votes_open(&v, common->context, judgements, out, err);

    if (!code && !v.undefined)
        code = fit(&v, self, err);
    if (!code)
        code = votes_publish(&v, common, err);
    votes_close(&v);
    return code;
}

/* ---- self-tests ---- */

int votes_example(const void *self, votes_fit *fit, const char *const *items, size_t count,
                  hone_consensus **out, hone_error *err)
{
    hone_judgements *j = NULL;
    int code = hone_judgements_new(&j, HONE_NOMINAL, err);

    *out = NULL;
    for (size_t i = 0; i < count && !code; i++)
        for (size_t a = 0; items[i][a] && !code; a++) {
            char item[] = { (char)('0' + i / 64), (char)('0' + i % 64), 0 };
            char annotator[] = { (char)('1' + a), 0 }, label[] = { items[i][a], 0 };
            if (*label != ' ')
                code = hone_judgements_add(j, item, annotator, label, 0, err);
        }
    if (!code)
        code = hone_consensus_new(out, j, err);
    if (!code)
        code = votes_aggregate(self, fit, j, *out, err);
    hone_judgements_free(j);
    return code;
}

int votes_expect(const hone_consensus *c, const struct votes_expect *e, hone_error *err)
{
    const double *values = hone_consensus_get(c, e->axis, e->name, NULL);

    if (!values)
        return hone_fail(err, HONE_ESTATE, "there is no column '%s'", e->name);
    for (size_t i = 0; i < e->count; i++)
        if (!(fabs(values[i] - e->values[i]) <= e->tolerance))
            return hone_fail(err, HONE_ENUMERIC, "%s %zu is %.9g, not %.9g", e->name, i + 1,
                             values[i], e->values[i]);
    return HONE_OK;
}
