/* confident_learning.c -- labels that a model is sure are others.
 *
 * Every judgement is an example with its given label i and the item's probabilities
 * p of the labels. A model's own come as an attribute of the items: a list in the
 * order of the labels, or { label = p }; from a model that did not train on the item,
 * as by cross-validation. Else they are the posterior of `model`, a quality plugin
 * that aggregates these judgements.
 *
 *   t_j    mean p_j of the examples with label j
 *   C_ij   examples with label i whose p_j >= t_j; the largest such p_j where several
 *          are; at least 1 on the diagonal
 *   Q_ij   C_ij, rows scaled to the counts of the labels, rounded with their totals kept
 *
 * Suspect, and `rows`, are by `filter`: "joint", the examples counted off C's
 * diagonal; "noise_rate", for each i and j the Q_ij examples of label i with the
 * largest p_j - p_i, of those whose most likely label is another.
 *
 * An annotator's score is the share of the answers that are not suspect; flagged are
 * those whose whole Wilson interval lies below `floor`. Items with a suspect label
 * are told with what is more likely. Also: thresholds (t), joint (Q), noise (share
 * of Q off the diagonal), examples, without (judgements of items without p), classes.
 * Northcutt, Jiang & Chuang 2021, doi:10.1613/jair.1.12125. */
#include "answers.h"
#include "findings.h"

#include <hone/statistics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILTER_NOISE_RATE, FILTER_JOINT };

struct confident_learning {
    const char *attribute;
    hone_instance *model;
    int64_t filter;
    double floor, confidence;
};

static const char *const filters[] = { "noise_rate", "joint", NULL };

static const hone_option options[] = {
    HONE_OPT_STRING(struct confident_learning, attribute, "attribute", "probabilities",
                    "attribute of an item that holds a model's probabilities of the labels"),
    HONE_OPT_PLUGIN(struct confident_learning, model, "model", "quality", NULL,
                    "aggregates the judgements; its posterior stands for the attribute"),
    HONE_OPT_CHOICE(struct confident_learning, filter, "filter", "noise_rate", filters,
                    "which labels are suspect: as many as the noise is, or all off the diagonal"),
    HONE_OPT_REAL(struct confident_learning, floor, "floor", 0.5, 0, 1,
                  "least share of an annotator's labels that are not suspect"),
    HONE_OPT_REAL_FLAGS(struct confident_learning, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, "of intervals"),
    HONE_OPT_END
};

struct work {
    const struct answers *a;
    size_t classes, examples;
    double *p;            /* [items, classes]; NaN first where there are none */
    double *threshold;    /* [classes] NaN: no example has the label */
    double *count;        /* [classes] examples with the label */
    double *joint;        /* [classes, classes] */
    int32_t *sure;        /* [answers] confident class; -1: none */
    int32_t *suspect;     /* [answers] the likelier class; -1: not suspect */
    struct margin *margins; /* [answers] */
};

struct margin {
    double by;
    size_t answer;
};

static void work_free(struct work *w)
{
    hone_free(w->p);
    hone_free(w->threshold);
    hone_free(w->count);
    hone_free(w->joint);
    hone_free(w->sure);
    hone_free(w->suspect);
    hone_free(w->margins);
}

static int work_make(struct work *w, const struct answers *a, hone_error *err)
{
    size_t items = hone_judgements_items(a->judgements), k = a->labels;

    w->a = a;
    w->classes = k;
    w->p = hone_alloc(items * k + 1, sizeof *w->p);
    w->threshold = hone_alloc(k + 1, sizeof *w->threshold);
    w->count = hone_alloc(k + 1, sizeof *w->count);
    w->joint = hone_alloc(k * k + 1, sizeof *w->joint);
    w->sure = hone_alloc(a->count + 1, sizeof *w->sure);
    w->suspect = hone_alloc(a->count + 1, sizeof *w->suspect);
    w->margins = hone_alloc(a->count + 1, sizeof *w->margins);
    if (!w->p || !w->threshold || !w->count || !w->joint || !w->sure || !w->suspect || !w->margins)
        return hone_fail_memory(err, "confident learning");
    for (size_t i = 0; i < items; i++)
        w->p[i * k] = NAN;
    return HONE_OK;
}

/* ---- probabilities ---- */

static int item_read(const struct confident_learning *o, struct work *w, size_t item,
                     const json_t *value, hone_error *err)
{
    const hone_judgements *j = w->a->judgements;
    const char *name = hone_judgements_item_name(j, item);
    double *p = w->p + item * w->classes, sum = 0;

    if (json_is_array(value) ? json_array_size(value) != w->classes : !json_is_object(value))
        return hone_fail(err, HONE_EINVAL, "item '%s': '%s' is no list of %zu probabilities, nor "
                         "an object of them by label", name, o->attribute, w->classes);
    for (size_t k = 0; k < w->classes; k++) {
        const json_t *one = json_is_array(value)
                                ? json_array_get(value, k)
                                : json_object_get(value, hone_judgements_label_name(j, k));
        p[k] = one ? json_number_value(one) : 0;
        if ((one && !json_is_number(one)) || !(p[k] >= 0 && p[k] <= 1))
            return hone_fail(err, HONE_EINVAL, "item '%s': the probability of '%s' is not between "
                             "0 and 1", name, hone_judgements_label_name(j, k));
        sum += p[k];
    }
    /* Labels that no one gave may hold the rest of an object's. */
    if (!(sum > 0) || sum > 1.001 || (json_is_array(value) && sum < 0.999))
        return hone_fail(err, HONE_EINVAL, "item '%s': probabilities sum to %g, not 1", name, sum);
    return HONE_OK;
}

static int probabilities_from_model(const struct confident_learning *o, struct work *w,
                                    hone_error *err)
{
    hone_consensus *c = NULL;
    size_t width = 0, items = hone_judgements_items(w->a->judgements);
    const double *posterior;
    int code = hone_quality_aggregate(o->model, w->a->judgements, &c, err);

    if (code)
        return code;
    posterior = hone_consensus_get(c, HONE_ITEMS, "posterior", &width);
    if (posterior && width == w->classes)
        memcpy(w->p, posterior, items * width * sizeof *w->p);
    else
        code = hone_fail(err, HONE_EUNSUPPORTED, "model: quality/%s gives no posterior of labels",
                         hone_instance_plugin(o->model)->name);
    hone_consensus_free(c);
    return code;
}

static int probabilities_read(const struct confident_learning *o, struct work *w, hone_error *err)
{
    const hone_judgements *j = w->a->judgements;
    int code = HONE_OK;

    if (o->model)
        return probabilities_from_model(o, w, err);
    for (size_t i = 0; i < hone_judgements_items(j) && !code; i++) {
        const json_t *value = hone_json_get(hone_judgements_item_attributes(j, i), o->attribute);
        if (value && !json_is_null(value))
            code = item_read(o, w, i, value, err);
    }
    return code;
}

/* p of an answer's item; NULL: none. */
static const double *p_of(const struct work *w, size_t answer)
{
    const double *p = w->p + answers_item(w->a, (size_t)w->a->unit[answer]) * w->classes;
    return isnan(p[0]) ? NULL : p;
}

/* ---- the confident joint ---- */

static void joint_count(struct work *w)
{
    size_t k = w->classes;

    for (size_t i = 0; i < w->a->count; i++) {
        const double *p = p_of(w, i);
        w->sure[i] = w->suspect[i] = -1;
        if (!p)
            continue;
        w->examples++;
        w->count[w->a->label[i]]++;
        w->threshold[w->a->label[i]] += p[w->a->label[i]];
    }
    for (size_t j = 0; j < k; j++)
        w->threshold[j] = w->count[j] > 0 ? w->threshold[j] / w->count[j] : NAN;
    for (size_t i = 0; i < w->a->count; i++) {
        const double *p = p_of(w, i);
        for (size_t j = 0; p && j < k; j++) {
            /* A mean of equal numbers may be an ulp above them. */
            if (!(p[j] >= w->threshold[j] - 1e-9))
                continue;
            if (w->sure[i] < 0 || p[j] > p[w->sure[i]])
                w->sure[i] = (int32_t)j;
        }
        if (w->sure[i] >= 0)
            w->joint[(size_t)w->a->label[i] * k + (size_t)w->sure[i]]++;
    }
    for (size_t j = 0; j < k; j++)
        if (w->count[j] > 0 && w->joint[j * k + j] < 1)
            w->joint[j * k + j] = 1;
}

/* Scale each row to its label's count, rounded: the largest rests are rounded up. */
static void joint_calibrate(struct work *w)
{
    size_t k = w->classes;

    for (size_t i = 0; i < k; i++) {
        double *row = w->joint + i * k, sum = 0, whole = 0;
        for (size_t j = 0; j < k; j++)
            sum += row[j];
        for (size_t j = 0; j < k && sum > 0; j++) {
            row[j] *= w->count[i] / sum;
            whole += floor(row[j]);
        }
        for (double left = sum > 0 ? w->count[i] - whole : 0; left > 0.5; left--) {
            size_t best = 0;
            for (size_t j = 1; j < k; j++)
                if (row[j] - floor(row[j]) > row[best] - floor(row[best]))
                    best = j;
            row[best] = floor(row[best]) + 1;
        }
        for (size_t j = 0; j < k; j++)
            row[j] = floor(row[j]);
    }
}

/* ---- suspects ---- */

static int margin_compare(const void *a, const void *b)
{
    const struct margin *x = a, *y = b;

    if (x->by != y->by)
        return x->by > y->by ? -1 : 1;
    return x->answer < y->answer ? -1 : x->answer > y->answer;
}

static size_t likeliest(const double *p, size_t k)
{
    size_t best = 0;

    for (size_t j = 1; j < k; j++)
        best = p[j] > p[best] ? j : best;
    return best;
}

static void suspects_of(struct work *w, size_t i, size_t j)
{
    size_t k = w->classes, most = (size_t)w->joint[i * k + j], n = 0;

    if (!most)
        return;
    for (size_t r = 0; r < w->a->count; r++) {
        const double *p = (size_t)w->a->label[r] == i ? p_of(w, r) : NULL;
        if (p)
            w->margins[n++] = (struct margin){ p[j] - p[i], r };
    }
    qsort(w->margins, n, sizeof *w->margins, margin_compare);
    for (size_t m = 0; m < n && m < most; m++) {
        size_t r = w->margins[m].answer, best = likeliest(p_of(w, r), k);
        if (best != i)
            w->suspect[r] = (int32_t)best;
    }
}

static void suspects_find(const struct confident_learning *o, struct work *w)
{
    if (o->filter == FILTER_JOINT) {
        for (size_t r = 0; r < w->a->count; r++)
            if (w->sure[r] >= 0 && w->sure[r] != w->a->label[r])
                w->suspect[r] = w->sure[r];
        return;
    }
    for (size_t i = 0; i < w->classes; i++)
        for (size_t j = 0; j < w->classes; j++)
            if (i != j)
                suspects_of(w, i, j);
}

/* ---- the result ---- */

static void put_items(struct findings *f, const struct work *w)
{
    const struct answers *a = w->a;

    for (size_t u = 0; u < a->units; u++) {
        size_t suspects = 0, first = 0;
        for (size_t r = a->starts[u]; r < a->starts[u + 1]; r++) {
            if (w->suspect[r] < 0)
                continue;
            first = suspects ? first : r;
            suspects++;
            findings_row(f, a->row[r]);
        }
        if (!suspects)
            continue;
        const char *likely = hone_judgements_label_name(a->judgements, (size_t)w->suspect[first]);
        const char *given = hone_judgements_label_name(a->judgements, (size_t)a->label[first]);
        const double *p = p_of(w, first);
        json_t *one = findings_item(f, answers_item(a, u), true, "'%s' was given; '%s' is likelier "
                                    "(%.2f against %.2f); %zu of %zu labels are suspect", given,
                                    likely, p[w->suspect[first]], p[a->label[first]], suspects,
                                    a->starts[u + 1] - a->starts[u]);
        findings_text(f, one, "suggested", likely);
    }
}

static void put_annotators(const struct confident_learning *o, struct findings *f,
                           const struct work *w)
{
    const struct answers *a = w->a;

    for (size_t p = 0; p < a->annotators; p++) {
        double n = 0, good = 0, low, high;
        json_t *one;
        for (size_t i = a->annotator_starts[p]; i < a->annotator_starts[p + 1]; i++) {
            n += p_of(w, a->by_annotator[i]) != NULL;
            good += p_of(w, a->by_annotator[i]) && w->suspect[a->by_annotator[i]] < 0;
        }
        hone_wilson_interval(good, n, o->confidence, &low, &high);
        if (n > 0 && high < o->floor)
            one = findings_annotator(f, p, good / n, "%.0f of %.0f labels are suspect; at most "
                                     "%.0f %% may be", n - good, n, 100 * (1 - o->floor));
        else
            one = findings_annotator(f, p, n > 0 ? good / n : NAN, NULL);
        findings_real(f, one, "labels", n);
        findings_interval(f, one, "interval", n > 0 ? low : NAN, high);
    }
}

static void put_joint(struct findings *f, const struct work *w)
{
    size_t k = w->classes;
    json_t *names = json_array(), *thresholds = json_array(), *joint = json_array();
    double off = 0;

    for (size_t i = 0; i < k; i++) {
        json_t *row = json_array();
        const char *name = hone_judgements_label_name(w->a->judgements, i);
        f->failed |= json_array_append_new(names, json_string(name));
        f->failed |= json_array_append_new(thresholds, isnan(w->threshold[i]) ? json_null()
                                                           : json_real(w->threshold[i]));
        for (size_t j = 0; j < k; j++) {
            off += i == j ? 0 : w->joint[i * k + j];
            f->failed |= json_array_append_new(row, json_real(w->joint[i * k + j]));
        }
        f->failed |= json_array_append_new(joint, row);
    }
    f->failed |= json_object_set_new(f->result, "classes", names);
    f->failed |= json_object_set_new(f->result, "thresholds", thresholds);
    f->failed |= json_object_set_new(f->result, "joint", joint);
    findings_real(f, f->result, "noise", w->examples ? off / (double)w->examples : NAN);
    findings_count(f, f->result, "examples", w->examples);
    findings_count(f, f->result, "without", w->a->count - w->examples);
}

static int confident_learning_check(void *self, const hone_judgements *j, hone_json **out,
                                    hone_error *err)
{
    const struct confident_learning *o = self;
    hone_level level = hone_judgements_level(j);
    struct answers a = {0};
    struct findings f = {0};
    struct work w = {0};
    int code = answers_open(&a, j, err);

    if (!code)
        code = findings_open(&f, j, err);
    if (code)
        goto out;
    if (level != HONE_NOMINAL && level != HONE_ORDINAL) {
        findings_undefined(&f, "level", "judgements are not labels of one item");
        code = findings_close(&f, false, out, err, "undefined");
        goto out;
    }
    if ((code = work_make(&w, &a, err)) || (code = probabilities_read(o, &w, err)))
        goto out;
    joint_count(&w);
    if (w.examples) {
        joint_calibrate(&w);
        suspects_find(o, &w);
        put_items(&f, &w);
    } else {
        findings_undefined(&f, "no_probabilities", "no item has probabilities of the labels");
    }
    put_annotators(o, &f, &w);
    put_joint(&f, &w);
    code = findings_close(&f, !f.flagged, out, err, "%zu of %zu labels are suspect, of %zu items",
                          json_array_size(f.rows), w.examples, f.flagged_items);
out:
    work_free(&w);
    findings_free(&f);
    answers_close(&a);
    return code;
}

static const hone_quality_ops ops = { .size = sizeof ops, .check = confident_learning_check };

HONE_PLUGIN(confident_learning,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "labels that a model is sure are others: confident learning",
    .source = "Northcutt, Jiang & Chuang 2021, doi:10.1613/jair.1.12125",
    .instance_size = sizeof(struct confident_learning), .options = options, .ops = &ops);
