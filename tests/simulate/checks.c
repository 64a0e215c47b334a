/* checks.c -- do intervals of agreement cover, and how often do checks cry wolf?
 *
 *   cc -Iinclude tests/simulate/checks.c -lhone -ljansson -lm -o checks
 *   HONE_PLUGIN_PATH=... ./checks [RUNS]
 *
 * Each run draws a crowd anew, with a seed of its own. Intervals: 100 items by 5
 * annotators of a population whose agreement is known; how often 95 % intervals hold
 * it. Checks: honest crowds, in how many of them anyone is flagged; then one bad
 * annotator, how often that one is found, and how often anyone else is flagged. The
 * figures are in docs/quality.md. */
#include <hone/hone.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS = 3, PEOPLE = 5, ITEMS = 100, CROWD = 8, TASKS = 200 };

static hone_json *check(hone_context *context, const char *name, const char *options,
                        const hone_judgements *j)
{
    hone_json *json = json_loads(options, 0, NULL), *result = NULL;
    hone_instance *quality = NULL;
    hone_error err = {0};

    if (hone_instance_new(&quality, context, "quality", name, json, &err) ||
        hone_quality_check(quality, j, &result, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    hone_instance_free(quality);
    json_decref(json);
    return result;
}

static const char *const labels[] = { "a", "b", "c" };

/* ---- coverage ---- */

/* Truth is uniform; right with chance p, else any label. Two agree with chance
 * p^2 + (1 - p^2)/3, chance is 1/3: every coefficient's value is p^2. Numbers: item
 * and error have variance 1, so alpha is 1/2. */
static hone_judgements *population(hone_random *r, bool numbers, double p)
{
    hone_judgements *j = NULL;
    hone_error err = {0};

    hone_judgements_new(&j, numbers ? HONE_INTERVAL : HONE_NOMINAL, &err);
    for (int i = 0; i < ITEMS; i++) {
        int truth = (int)hone_random_below(r, LABELS);
        double at = hone_random_normal(r);
        for (int a = 0; a < PEOPLE; a++) {
            char item[16], who[16];
            int label = hone_random_uniform(r) < p ? truth : (int)hone_random_below(r, LABELS);
            snprintf(item, sizeof item, "%d", i);
            snprintf(who, sizeof who, "%d", a);
            hone_judgements_add(j, item, who, numbers ? NULL : labels[label],
                                at + hone_random_normal(r), &err);
        }
    }
    return j;
}

static bool covers(const json_t *one, double value)
{
    const json_t *interval = json_object_get(one, "interval");

    return json_number_value(json_array_get(interval, 0)) <= value &&
           json_number_value(json_array_get(interval, 1)) >= value;
}

static void coverage(hone_context *context, int runs)
{
    static const char *const methods[] = { "fleiss", "conger", "gwet", "brennan_prediger",
                                           "krippendorff" };
    static const char *const forms[] = { "1,1", "2,1", "3,1" };
    int by_error[5] = {0}, by_bootstrap[5] = {0}, icc[3] = {0}, alpha[2] = {0};

    for (int run = 0; run < runs; run++) {
        hone_random r = hone_random_named((uint64_t)run, "simulate/coverage");
        hone_judgements *j = population(&r, false, .8), *numbers = population(&r, true, 0);
        hone_json *plain = check(context, "agreement", "{}", j), *found;
        hone_json *resampled = check(context, "agreement", "{\"bootstrap\": 400}", j);
        for (int m = 0; m < 5; m++) {
            by_error[m] += covers(json_object_get(plain, methods[m]), .64);
            by_bootstrap[m] += covers(json_object_get(resampled, methods[m]), .64);
        }
        json_decref(plain);
        json_decref(resampled);
        for (int b = 0; b < 2; b++) {
            found = check(context, "agreement", b ? "{\"bootstrap\": 400}" : "{}", numbers);
            alpha[b] += covers(json_object_get(found, "krippendorff"), .5);
            for (int f = 0; f < 3 && !b; f++)
                icc[f] += covers(json_object_get(json_object_get(json_object_get(found, "icc"),
                                                                 "forms"), forms[f]), .5);
            json_decref(found);
        }
        hone_judgements_free(j);
        hone_judgements_free(numbers);
    }
    printf("95 %% intervals that hold the truth, of %d runs: standard error, bootstrap\n", runs);
    for (int m = 0; m < 5; m++)
        printf("  %-18s %.3f  %.3f\n", methods[m], by_error[m] / (double)runs,
               by_bootstrap[m] / (double)runs);
    printf("  %-18s %.3f  %.3f\n", "alpha, interval", alpha[0] / (double)runs,
           alpha[1] / (double)runs);
    for (int f = 0; f < 3; f++)
        printf("  icc %-14s %.3f\n", forms[f], icc[f] / (double)runs);
}

/* ---- checks ---- */

enum { HONEST, RANDOM, ONE_LABEL, COPIER, CARELESS, HASTY, KINDS };
static const char *const kinds[] = { "nobody", "guesses", "always says a", "copies half of another",
                                     "guesses from the middle on", "takes a fifth of the time" };

/* The last annotator of the crowd is of this kind. Gold is every tenth item. Times
 * say when, and how long each answer took. */
static hone_judgements *crowd(hone_random *r, int kind)
{
    hone_judgement_columns columns = { .item = "i", .annotator = "a", .value = "v", .time = "t" };
    hone_judgements *j = NULL;
    hone_error err = {0};
    json_t *rows = json_array();
    double now[CROWD] = {0};
    int truths[TASKS];

    for (int i = 0; i < TASKS; i++) {
        int given[CROWD];
        truths[i] = (int)hone_random_below(r, LABELS);
        for (int a = 0; a < CROWD; a++) {
            bool bad = a == CROWD - 1, guess = bad && (kind == RANDOM || (kind == CARELESS &&
                                                                          i >= TASKS / 2));
            double seconds = 20 * exp(.5 * hone_random_normal(r));
            given[a] = !guess && hone_random_uniform(r) < .8 ? truths[i]
                                                             : (int)hone_random_below(r, LABELS);
            if (bad && kind == ONE_LABEL)
                given[a] = 0;
            if (bad && kind == COPIER && hone_random_uniform(r) < .5)
                given[a] = given[a - 1];
            now[a] += bad && kind == HASTY ? seconds / 5 : seconds;
            json_array_append_new(rows, json_pack("{s:o, s:o, s:s, s:f}", "i",
                                                  json_sprintf("q%d", i), "a",
                                                  json_sprintf("p%d", a), "v", labels[given[a]],
                                                  "t", 1.7e9 + now[a]));
        }
    }
    if (hone_judgements_from_rows(&j, rows, &columns, NULL, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    for (int i = 0; i < TASKS; i += 10) {
        json_t *gold = json_pack("{s:s}", "gold", labels[truths[i]]);
        char item[16];
        snprintf(item, sizeof item, "q%d", i);
        hone_judgements_describe_item(j, item, gold, &err);
        json_decref(gold);
    }
    json_decref(rows);
    return j;
}

static void alarms(hone_context *context, int runs)
{
    static const char *const checks[] = { "gold", "speed", "spam", "copying", "drift" };
    char bad[16];

    snprintf(bad, sizeof bad, "p%d", CROWD - 1);
    printf("runs in which the last annotator, and in which another, is flagged\n%-28s", "");
    for (int c = 0; c < 5; c++)
        printf(" %-14s", checks[c]);
    printf("\n");
    for (int kind = 0; kind < KINDS; kind++) {
        int found[5] = {0}, false_alarms[5] = {0};
        for (int run = 0; run < runs; run++) {
            hone_random r = hone_random_named((uint64_t)run, kinds[kind]);
            hone_judgements *j = crowd(&r, kind);
            for (int c = 0; c < 5; c++) {
                hone_json *result = check(context, checks[c], "{}", j);
                const json_t *one;
                bool other = false;
                size_t i;
                json_array_foreach(json_object_get(result, "annotators"), i, one) {
                    if (!json_is_true(json_object_get(one, "flagged")))
                        continue;
                    if (strcmp(json_string_value(json_object_get(one, "annotator")), bad) == 0)
                        found[c]++;
                    else
                        other = true;
                }
                false_alarms[c] += other;
                json_decref(result);
            }
            hone_judgements_free(j);
        }
        printf("%-28s", kinds[kind]);
        for (int c = 0; c < 5; c++)
            printf(" %.3f  %.3f  ", found[c] / (double)runs, false_alarms[c] / (double)runs);
        printf("\n");
    }
}

int main(int count, char **values)
{
    int runs = count > 1 ? atoi(values[1]) : 1000;
    hone_context *context = NULL;
    hone_error err = {0};

    if (hone_context_new(&context, NULL, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    coverage(context, runs);
    alarms(context, runs);
    hone_context_free(context);
    return 0;
}
