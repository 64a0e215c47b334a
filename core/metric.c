/* metric.c -- scores: what a metric says of samples (see <hone/metric.h>).
 *
 * Setters return nothing, so that a metric stays short: what goes wrong in one
 * (no memory, a sample that does not exist) is kept in `broken`, and
 * hone_metric_score fails with it. */
#include <hone/metric.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

#define FAILURES 5 /* messages in a summary */

struct head {
    char *name;
    double *values; /* [count], NaN: not set */
};

struct logged {
    char *name;
    double value;
};

struct hone_scores {
    size_t count;
    hone_score_state *states;
    double *values;
    char **messages;
    double **tokens;         /* [count], each NULL or [lengths[i]], NaN: not set */
    int64_t *lengths;        /* response tokens, -1: none */
    size_t heads_count, logged_count;
    struct head *heads;
    struct logged *logged;
    hone_error broken;
};

void hone_scores_free(hone_scores *scores)
{
    if (!scores)
        return;
    for (size_t i = 0; i < scores->count; i++) {
        if (scores->messages)
            hone_free(scores->messages[i]);
        if (scores->tokens)
            hone_free(scores->tokens[i]);
    }
    for (size_t i = 0; i < scores->heads_count; i++) {
        hone_free(scores->heads[i].name);
        hone_free(scores->heads[i].values);
    }
    for (size_t i = 0; i < scores->logged_count; i++)
        hone_free(scores->logged[i].name);
    hone_free(scores->heads);
    hone_free(scores->logged);
    hone_free(scores->states);
    hone_free(scores->values);
    hone_free(scores->messages);
    hone_free(scores->tokens);
    hone_free(scores->lengths);
    hone_free(scores);
}

int hone_scores_new(hone_scores **out, const hone_samples *samples, hone_error *err)
{
    size_t n = hone_samples_count(samples), room = n ? n : 1;
    hone_scores *s = hone_alloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return hone_fail_memory(err, "scores");
    s->count = n;
    s->states = hone_alloc(room, sizeof *s->states);
    s->values = hone_alloc(room, sizeof *s->values);
    s->messages = hone_alloc(room, sizeof *s->messages);
    s->tokens = hone_alloc(room, sizeof *s->tokens);
    s->lengths = hone_alloc(room, sizeof *s->lengths);
    if (!s->states || !s->values || !s->messages || !s->tokens || !s->lengths) {
        hone_scores_free(s);
        return hone_fail_memory(err, "scores");
    }
    for (size_t i = 0; i < n; i++)
        s->lengths[i] = hone_sample_response_tokens(samples, i);
    *out = s;
    return HONE_OK;
}

int hone_scores_finish(hone_scores *s, const char *who, hone_error *err)
{
    for (size_t i = 0; i < s->count && !s->broken.code; i++) {
        if (s->states[i] == HONE_SCORE_MISSING)
            hone_score_fail(s, i, "%s set no score", who);
    }
    return s->broken.code ? hone_fail(err, s->broken.code, "%s", s->broken.message) : HONE_OK;
}

/* ---- in score ---- */

/* Whether sample i exists; if not, the whole scoring is wrong. */
static bool scores_has(hone_scores *s, size_t i)
{
    if (i < s->count)
        return true;
    if (!s->broken.code)
        hone_fail(&s->broken, HONE_EINVAL, "a score for sample %zu, but there are %zu", i,
                  s->count);
    return false;
}

static void scores_broke(hone_scores *s)
{
    if (!s->broken.code)
        hone_fail_memory(&s->broken, "scores");
}

static void scores_put(hone_scores *s, size_t i, hone_score_state state, double value,
                       char *message)
{
    s->states[i] = state;
    s->values[i] = value;
    hone_free(s->messages[i]);
    s->messages[i] = message;
}

void hone_score_set(hone_scores *out, size_t i, double value)
{
    if (!isfinite(value))
        hone_score_fail(out, i, "the score is %s, not a finite number",
                        isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity");
    else if (scores_has(out, i))
        scores_put(out, i, HONE_SCORE_NUMBER, value, NULL);
}

void hone_score_na(hone_scores *out, size_t i)
{
    if (scores_has(out, i))
        scores_put(out, i, HONE_SCORE_NA, 0, NULL);
}

void hone_score_fail(hone_scores *out, size_t i, const char *fmt, ...)
{
    va_list args;
    char *message;

    if (!scores_has(out, i))
        return;
    va_start(args, fmt);
    message = hone_vformat(fmt, args);
    va_end(args);
    if (!message)
        scores_broke(out);
    scores_put(out, i, HONE_SCORE_FAILED, 0, message);
}

void hone_score_token(hone_scores *out, size_t i, int64_t token, double value)
{
    int64_t length;

    if (!scores_has(out, i))
        return;
    length = out->lengths[i];
    if (token < 0 || token >= length) {
        if (!out->broken.code)
            hone_fail(&out->broken, HONE_EINVAL, "a score for token %" PRId64
                      " of sample %zu, but its response has %" PRId64, token, i,
                      length < 0 ? 0 : length);
        return;
    }
    if (!isfinite(value)) {
        hone_score_fail(out, i, "the score of token %" PRId64 " is not a finite number", token);
        return;
    }
    if (!out->tokens[i]) {
        out->tokens[i] = hone_alloc((size_t)length, sizeof *out->tokens[i]);
        if (!out->tokens[i]) {
            scores_broke(out);
            return;
        }
        for (int64_t t = 0; t < length; t++)
            out->tokens[i][t] = NAN;
    }
    out->tokens[i][token] = value;
}

static struct head *scores_find_head(const hone_scores *s, const char *name)
{
    for (size_t h = 0; h < s->heads_count; h++)
        if (strcmp(s->heads[h].name, name) == 0)
            return &s->heads[h];
    return NULL;
}

static struct head *scores_add_head(hone_scores *s, const char *name)
{
    struct head *heads = hone_realloc(s->heads, s->heads_count + 1, sizeof *heads);
    struct head head = { .name = NULL };

    if (!heads)
        return NULL;
    s->heads = heads;
    head.name = hone_strdup(name);
    head.values = hone_alloc(s->count ? s->count : 1, sizeof *head.values);
    if (!head.name || !head.values) {
        hone_free(head.name);
        hone_free(head.values);
        return NULL;
    }
    for (size_t i = 0; i < s->count; i++)
        head.values[i] = NAN;
    s->heads[s->heads_count] = head;
    return &s->heads[s->heads_count++];
}

void hone_score_head(hone_scores *out, size_t i, const char *head, double value)
{
    struct head *h;

    if (!scores_has(out, i))
        return;
    if (!isfinite(value)) {
        hone_score_fail(out, i, "%s is not a finite number", head);
        return;
    }
    h = scores_find_head(out, head);
    if (!h)
        h = scores_add_head(out, head);
    if (h)
        h->values[i] = value;
    else
        scores_broke(out);
}

void hone_score_log(hone_scores *out, const char *name, double value)
{
    struct logged *logged;
    char *copy;

    for (size_t i = 0; i < out->logged_count; i++) {
        if (strcmp(out->logged[i].name, name) == 0) {
            out->logged[i].value = value;
            return;
        }
    }
    logged = hone_realloc(out->logged, out->logged_count + 1, sizeof *logged);
    if (logged)
        out->logged = logged;
    copy = logged ? hone_strdup(name) : NULL;
    if (!copy) {
        scores_broke(out);
        return;
    }
    out->logged[out->logged_count++] = (struct logged){ copy, value };
}

/* ---- for users ---- */

int hone_metric_score(hone_instance *metric, const hone_samples *samples, hone_scores **out,
                      hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(metric);
    int (*score)(void *, hone_scores *, const hone_samples *, hone_error *) = NULL;
    hone_scores *s = NULL;
    char *who = NULL;
    int code;

    *out = NULL;
    if (strcmp(plugin->kind, "metric") == 0)
        score = HONE_OP(plugin->ops, hone_metric_ops, score);
    if (!score)
        return hone_fail(err, HONE_EINVAL, "%s/%s does not score samples", plugin->kind,
                         plugin->name);
    code = hone_scores_new(&s, samples, err);
    if (code)
        goto out;
    who = hone_format("metric/%s", plugin->name);
    code = who ? score(hone_instance_self(metric), s, samples, err)
               : hone_fail_memory(err, "scores");
    if (!code && s->broken.code)
        code = hone_fail(err, s->broken.code, "%s", s->broken.message);
    if (code) {
        hone_fail_in(err, "metric/%s", plugin->name);
        goto out;
    }
    code = hone_scores_finish(s, who, err);
    if (code)
        goto out;
    *out = s;
    s = NULL;
out:
    hone_free(who);
    hone_scores_free(s);
    return code;
}

size_t hone_scores_count(const hone_scores *scores)
{
    return scores ? scores->count : 0;
}

hone_score_state hone_scores_state(const hone_scores *scores, size_t i)
{
    return i < hone_scores_count(scores) ? scores->states[i] : HONE_SCORE_MISSING;
}

double hone_scores_value(const hone_scores *scores, size_t i)
{
    return hone_scores_state(scores, i) == HONE_SCORE_NUMBER ? scores->values[i] : NAN;
}

const char *hone_scores_message(const hone_scores *scores, size_t i)
{
    return i < hone_scores_count(scores) ? scores->messages[i] : NULL;
}

const double *hone_scores_tokens(const hone_scores *scores, size_t i)
{
    return i < hone_scores_count(scores) ? scores->tokens[i] : NULL;
}

double hone_scores_head(const hone_scores *scores, size_t i, const char *head)
{
    const struct head *h = i < hone_scores_count(scores) ? scores_find_head(scores, head) : NULL;
    return h ? h->values[i] : NAN;
}

/* ---- summary ---- */

/* Set count, mean, sd, min, max of the values that are numbers. Welford 1962. */
static int summary_moments(json_t *to, const double *values, const hone_score_state *states,
                           size_t count)
{
    double mean = 0, squares = 0, low = INFINITY, high = -INFINITY;
    size_t n = 0;
    int failed = 0;

    for (size_t i = 0; i < count; i++) {
        double x = values[i], delta = x - mean;
        if ((states && states[i] != HONE_SCORE_NUMBER) || isnan(x))
            continue;
        n++;
        mean += delta / (double)n;
        squares += delta * (x - mean);
        low = fmin(low, x);
        high = fmax(high, x);
    }
    failed |= json_object_set_new(to, "numbers", json_integer((json_int_t)n));
    failed |= json_object_set_new(to, "mean", n ? json_real(mean) : json_null());
    failed |= json_object_set_new(to, "sd", n > 1 ? json_real(sqrt(squares / (double)(n - 1)))
                                                  : json_null());
    failed |= json_object_set_new(to, "min", n ? json_real(low) : json_null());
    failed |= json_object_set_new(to, "max", n ? json_real(high) : json_null());
    return failed;
}

static int summary_heads(json_t *to, const hone_scores *s)
{
    json_t *heads = json_object(), *logged = json_object();
    int failed = json_object_set_new(to, "heads", heads);

    failed |= json_object_set_new(to, "logged", logged);
    for (size_t h = 0; h < s->heads_count && !failed; h++) {
        json_t *head = json_object();
        failed |= json_object_set_new(heads, s->heads[h].name, head);
        if (!failed)
            failed |= summary_moments(head, s->heads[h].values, NULL, s->count);
    }
    for (size_t i = 0; i < s->logged_count && !failed; i++)
        failed |= json_object_set_new(logged, s->logged[i].name, isfinite(s->logged[i].value)
                                          ? json_real(s->logged[i].value) : json_null());
    return failed;
}

/* A message may quote foreign bytes, which JSON cannot hold unless UTF-8. */
static json_t *summary_text(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(a message that is not UTF-8)");
}

int hone_scores_summary(const hone_scores *scores, hone_json **out, hone_error *err)
{
    json_t *summary = json_object(), *failures = json_array();
    size_t na = 0, failed_count = 0;
    int failed = 0;

    for (size_t i = 0; i < scores->count; i++) {
        na += scores->states[i] == HONE_SCORE_NA;
        if (scores->states[i] == HONE_SCORE_FAILED && failed_count++ < FAILURES) {
            json_t *one = json_object();
            failed |= json_object_set_new(one, "sample", json_integer((json_int_t)i));
            failed |= json_object_set_new(one, "message", summary_text(scores->messages[i]));
            failed |= json_array_append_new(failures, one);
        }
    }
    failed |= json_object_set_new(summary, "count", json_integer((json_int_t)scores->count));
    failed |= json_object_set_new(summary, "na", json_integer((json_int_t)na));
    failed |= json_object_set_new(summary, "failed", json_integer((json_int_t)failed_count));
    failed |= summary_moments(summary, scores->values, scores->states, scores->count);
    failed |= summary_heads(summary, scores);
    failed |= json_object_set_new(summary, "failures", failures);
    *out = NULL;
    if (failed) {
        json_decref(summary);
        return hone_fail_memory(err, "a summary of scores");
    }
    *out = summary;
    return HONE_OK;
}
