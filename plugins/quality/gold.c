/* gold.c -- who answers questions right whose answer is known.
 *
 * A gold item has the right answer as an attribute: a label, a number within
 * `tolerance`, of a pair the better option's name (or "tie", "left", ...), or a list
 * of answers that all are right. Items without it play no part.
 *
 * Each annotator is tested as answers come, by Wald's sequential test of chance p0
 * to be right against p1: a miss adds ln((1 - p1)/(1 - p0)), a hit ln(p1/p0). At
 * ln((1 - beta)/alpha) or above the annotator is rejected; at ln(beta/(1 - alpha)) or
 * below accepted, and the test begins anew, so that who grows careless is found.
 * With a floor, a share of right answers below it is flagged as well, from `least`
 * answers on.
 *
 * Also in the result: gold_items, gold_answers; of an annotator answers, right,
 * interval (Wilson), evidence (the sum), verdict (rejected, accepted, open). Items
 * are gold ones that most miss: the gold may be wrong. rows is empty: whom to leave
 * out, annotators say.
 * Wald 1945, doi:10.1214/aoms/1177731118. */
#include "answers.h"
#include "findings.h"

#include <hone/statistics.h>

#include <math.h>
#include <string.h>

struct gold {
    const char *attribute;
    double floor, p0, p1, alpha, beta, tolerance, confidence;
    int64_t least;
};

static const hone_option options[] = {
    HONE_OPT_STRING(struct gold, attribute, "attribute", "gold",
                    "attribute of an item that holds the right answer"),
    HONE_OPT_REAL(struct gold, floor, "floor", HONE_UNSET_REAL, 0, 1,
                  "least share of right answers"),
    HONE_OPT_INT(struct gold, least, "least", 5, 1, INT64_MAX,
                 "answers to gold items before the floor counts"),
    HONE_OPT_REAL_FLAGS(struct gold, p0, "p0", 0.85, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX,
                        "chance of a good annotator to be right"),
    HONE_OPT_REAL_FLAGS(struct gold, p1, "p1", 0.65, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX,
                        "chance of a bad annotator to be right"),
    HONE_OPT_REAL_FLAGS(struct gold, alpha, "alpha", 0.05, 0, 0.5,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX,
                        "chance to reject a good annotator"),
    HONE_OPT_REAL_FLAGS(struct gold, beta, "beta", 0.05, 0, 0.5,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX,
                        "chance to accept a bad annotator"),
    HONE_OPT_REAL(struct gold, tolerance, "tolerance", 0, 0, INFINITY,
                  "how far a number may be off"),
    HONE_OPT_REAL_FLAGS(struct gold, confidence, "confidence", 0.95, 0, 1,
                        HONE_OPTION_OPEN_MIN | HONE_OPTION_OPEN_MAX, "of intervals"),
    HONE_OPT_END
};

static int gold_init(void *self, hone_context *context, hone_error *err)
{
    const struct gold *o = self;
    (void)context;

    if (!(o->p1 < o->p0))
        return hone_fail(err, HONE_EINVAL, "p1 is %g; it is below p0, %g", o->p1, o->p0);
    return HONE_OK;
}

/* ---- right or wrong ---- */

static bool number_is(const json_t *truth, double value, double tolerance)
{
    return json_is_number(truth) && fabs(json_number_value(truth) - value) <= tolerance;
}

/* The label or option that an answer names; of pairs also the side. */
static bool word_is(const struct answers *a, size_t answer, const char *word)
{
    const hone_judgements *j = a->judgements;
    size_t row = a->row[answer];
    int32_t label = hone_judgements_label(j)[row];

    if (strcmp(word, hone_judgements_label_name(j, (size_t)label)) == 0)
        return true;
    if (a->level != HONE_PAIR || label > HONE_RIGHT)
        return false;
    int32_t option = label == HONE_LEFT ? hone_judgements_left(j)[row]
                                        : hone_judgements_right(j)[row];
    return strcmp(word, hone_judgements_option_name(j, (size_t)option)) == 0;
}

static int truth_is(const struct gold *o, const struct answers *a, size_t answer,
                    const json_t *truth, bool *right, hone_error *err)
{
    const char *word = json_string_value(truth);
    char *text = NULL;

    *right = false;
    if (json_is_array(truth)) {
        int code = HONE_OK;
        for (size_t i = 0; i < json_array_size(truth) && !*right && !code; i++)
            code = truth_is(o, a, answer, json_array_get(truth, i), right, err);
        return code;
    }
    if (!answers_labelled(a)) {
        *right = number_is(truth, a->value[answer], o->tolerance);
        return HONE_OK;
    }
    if (!word && !(word = text = hone_json_text(truth)))
        return hone_fail_memory(err, "a gold answer");
    *right = word_is(a, answer, word);
    hone_free(text);
    return HONE_OK;
}

/* Whether an answer is to a gold item; then *right says whether it is right. */
static int gold_answer(const struct gold *o, const struct answers *a, size_t answer, bool *is,
                       bool *right, hone_error *err)
{
    size_t item = answers_item(a, (size_t)a->unit[answer]);
    const hone_json *attributes = hone_judgements_item_attributes(a->judgements, item);
    const json_t *truth = hone_json_get(attributes, o->attribute);

    *right = false;
    *is = truth && !json_is_null(truth);
    if (!*is)
        return HONE_OK;
    if (json_is_object(truth) || (!answers_labelled(a) && !json_is_number(truth) &&
                                  !json_is_array(truth)))
        return hone_fail(err, HONE_EINVAL, "item '%s': '%s' is %s; %s is needed",
                         hone_judgements_item_name(a->judgements, item), o->attribute,
                         hone_json_type(truth), answers_labelled(a) ? "a label" : "a number");
    return truth_is(o, a, answer, truth, right, err);
}

/* ---- the test ---- */

enum { OPEN, ACCEPTED, REJECTED };
static const char *const verdicts[] = { "open", "accepted", "rejected" };

struct course {
    size_t answers, right, decided; /* decided: answers until rejected */
    double evidence;
    int verdict;
};

static void course_step(struct course *c, const struct gold *o, bool right)
{
    c->answers++;
    c->right += right;
    if (c->verdict == REJECTED)
        return;
    if (c->verdict == ACCEPTED && c->evidence <= log(o->beta / (1 - o->alpha)))
        c->evidence = 0;
    c->evidence += right ? log(o->p1 / o->p0) : log((1 - o->p1) / (1 - o->p0));
    if (c->evidence >= log((1 - o->beta) / o->alpha)) {
        c->verdict = REJECTED;
        c->decided = c->answers;
    } else if (c->evidence <= log(o->beta / (1 - o->alpha))) {
        c->verdict = ACCEPTED;
    }
}

static void put_annotator(const struct gold *o, struct findings *f, size_t p,
                          const struct course *c)
{
    double n = (double)c->answers, share = n > 0 ? (double)c->right / n : NAN, low, high;
    json_t *one;

    if (c->verdict == REJECTED)
        one = findings_annotator(f, p, share, "%zu of %zu gold answers right; rejected at answer "
                                 "%zu: nearer to %.0f %% than to %.0f %%", c->right, c->answers,
                                 c->decided, 100 * o->p1, 100 * o->p0);
    else if (share < o->floor && (int64_t)c->answers >= o->least)
        one = findings_annotator(f, p, share, "%zu of %zu gold answers right (%.0f %%); at least "
                                 "%.0f %% is expected", c->right, c->answers, 100 * share,
                                 100 * o->floor);
    else
        one = findings_annotator(f, p, share, NULL);
    hone_wilson_interval((double)c->right, n, o->confidence, &low, &high);
    findings_count(f, one, "answers", c->answers);
    findings_count(f, one, "right", c->right);
    findings_interval(f, one, "interval", low, high);
    findings_real(f, one, "evidence", c->evidence);
    findings_text(f, one, "verdict", verdicts[c->verdict]);
}

static int check_annotators(const struct gold *o, const struct answers *a, struct findings *f,
                            size_t (*items)[2], size_t *total, hone_error *err)
{
    int code = HONE_OK;

    for (size_t p = 0; p < a->annotators && !code; p++) {
        struct course course = {0};
        for (size_t i = a->annotator_starts[p]; i < a->annotator_starts[p + 1] && !code; i++) {
            size_t answer = a->by_annotator[i];
            bool is, right;
            code = gold_answer(o, a, answer, &is, &right, err);
            if (code || !is)
                continue;
            course_step(&course, o, right);
            items[a->unit[answer]][0]++;
            items[a->unit[answer]][1] += right;
        }
        *total += course.answers;
        put_annotator(o, f, p, &course);
    }
    return code;
}

static int gold_check(void *self, const hone_judgements *j, hone_json **out, hone_error *err)
{
    const struct gold *o = self;
    size_t (*items)[2] = NULL, total = 0, gold = 0;
    struct answers a = {0};
    struct findings f = {0};
    int code = answers_open(&a, j, err);

    if (!code)
        code = findings_open(&f, j, err);
    if (!code && !(items = hone_alloc(a.units + 1, sizeof *items)))
        code = hone_fail_memory(err, "gold items");
    if (!code && (a.level == HONE_RANKING || a.level == HONE_REGION))
        findings_undefined(&f, "level", "rankings and regions are not right or wrong");
    else if (!code)
        code = check_annotators(o, &a, &f, items, &total, err);
    if (code)
        goto out;
    for (size_t u = 0; u < a.units; u++) {
        gold += items[u][0] > 0;
        if (items[u][0] >= 3 && 2 * items[u][1] < items[u][0])
            findings_item(&f, answers_item(&a, u), true, "%zu of %zu answers miss the gold: is it "
                          "right?", items[u][0] - items[u][1], items[u][0]);
    }
    if (!gold && !json_object_get(f.result, "undefined"))
        findings_undefined(&f, "no_gold", "no item that was judged has a gold answer");
    findings_count(&f, f.result, "gold_items", gold);
    findings_count(&f, f.result, "gold_answers", total);
    code = findings_close(&f, !f.flagged, out, err, "%zu of %zu annotators fail on %zu gold items",
                          f.flagged, a.annotators, gold);
out:
    hone_free(items);
    findings_free(&f);
    answers_close(&a);
    return code;
}

static const hone_quality_ops ops = {
    .size = sizeof ops, .init = gold_init, .check = gold_check,
};

/* Steps and bounds of the defaults. */
static int gold_self_test(hone_context *context, hone_error *err)
{
    const struct gold o = { .p0 = .85, .p1 = .65, .alpha = .05, .beta = .05 };
    struct course hits = {0}, misses = {0};
    (void)context;

    course_step(&misses, &o, false);
    course_step(&hits, &o, true);
    if (fabs(misses.evidence - .847298) > 1e-6 || fabs(hits.evidence + .268264) > 1e-6)
        return hone_fail(err, HONE_ENUMERIC, "a miss adds %.6f and a hit %.6f, not .847298 and "
                         "-.268264", misses.evidence, hits.evidence);
    while (misses.verdict == OPEN)
        course_step(&misses, &o, false);
    while (hits.verdict == OPEN)
        course_step(&hits, &o, true);
    if (misses.answers != 4 || hits.answers != 11)
        return hone_fail(err, HONE_ENUMERIC, "rejected after %zu misses and accepted after %zu "
                         "hits, not 4 and 11", misses.answers, hits.answers);
    return HONE_OK;
}

HONE_PLUGIN(gold,
    .threadsafe = true, .kind = "quality", .version = "1.0",
    .summary = "accuracy on questions whose answer is known, tested as answers come",
    .source = "Wald 1945, doi:10.1214/aoms/1177731118",
    .instance_size = sizeof(struct gold), .options = options, .ops = &ops,
    .self_test = gold_self_test);
