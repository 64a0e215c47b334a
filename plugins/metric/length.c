/* length.c -- how long a response is, or how far from a target.
 *
 *   without target   n
 *   with target      -|n - target|/target: 0 at the target, -1 for nothing
 *
 * n counts tokens, characters (Unicode code points) or words (words.h). NA
 * where there is no response, or no tokens to count. */
#include <hone/metric.h>

#include <math.h>

#include "words.h"

enum { UNIT_TOKENS, UNIT_CHARS, UNIT_WORDS };

struct length {
    int64_t unit;
    double target;
};

static const char *const units[] = { "tokens", "chars", "words", NULL };

static const hone_option options[] = {
    HONE_OPT_CHOICE(struct length, unit, "unit", "tokens", units, "what is counted"),
    HONE_OPT_REAL_FLAGS(struct length, target, "target", HONE_UNSET_REAL, 0, 1e12,
                        HONE_OPTION_OPEN_MIN, "the length that is best, in units; unset: none"),
    HONE_OPT_END
};

/* Units of a text, -1 where it is no UTF-8. */
static int64_t length_of_text(const char *text, int64_t unit)
{
    const char *at = text, *end = text + strlen(text), *word;
    int64_t count = 0;
    int32_t point;
    size_t length;
    int n;

    if (unit == UNIT_WORDS) {
        while ((n = words_next(&at, end, &word, &length)) > 0)
            count++;
    } else {
        for (; (n = words_point(at, end, &point)) > 0; at += n)
            count++;
    }
    return n < 0 ? -1 : count;
}

static int length_score(void *self, hone_scores *out, const hone_samples *samples,
                        hone_error *err)
{
    const struct length *o = self;
    (void)err;

    for (size_t i = 0; i < hone_samples_count(samples); i++) {
        const char *response = hone_sample_response(samples, i);
        int64_t n = hone_sample_response_tokens(samples, i);

        if (o->unit == UNIT_TOKENS ? n < 0 : !response) {
            hone_score_na(out, i);
            continue;
        }
        if (o->unit != UNIT_TOKENS)
            n = length_of_text(response, o->unit);
        if (n < 0)
            hone_score_fail(out, i, "the response is not valid UTF-8");
        else
            hone_score_set(out, i, isnan(o->target) ? (double)n
                                                    : -fabs((double)n - o->target) / o->target);
    }
    return HONE_OK;
}

static const hone_metric_ops ops = { .size = sizeof ops, .score = length_score };

HONE_PLUGIN(length,
    .threadsafe = true, .kind = "metric", .version = "1.0",
    .summary = "tokens, characters or words of the response",
    .instance_size = sizeof(struct length), .options = options, .ops = &ops);
