/* counterfactual.c -- whether a judgement changes when terms are swapped.
 *
 * Items are texts and the same texts with terms of a list exchanged: `pair`
 * joins them, `variant` is "original" or "swapped" (lua/hone/bias/swap.lua makes
 * them). Of the matches:
 *
 *   effect      mean |score(swapped) - score(original)|, of labels the flip rate
 *   p           that the signed difference is 0: whether swaps push one way
 *   flip_rate   share whose label, or side of the threshold, changed
 *   signed      the finding of the signed difference
 *   parts       signed findings by term list (attribute `by`), corrected by Holm
 *
 * Kusner et al. 2017, arXiv:1703.06856; Garg et al. 2019, arXiv:1809.10610. */
#include "matched.h"

struct counterfactual {
    struct bias_options common;
    struct bias_outcome outcome;
    struct bias_matching matching;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct counterfactual),
    BIAS_OUTCOME(struct counterfactual),
    BIAS_MATCHING(struct counterfactual, "pair", "variant", "[\"original\", \"swapped\"]"),
    HONE_OPT_END
};

/* Share of matches whose labels (or sides of the threshold) differ; NaN where
 * scores have neither. */
static double counterfactual_flips(const struct bias_matches *m, bool binary)
{
    const int32_t *label = hone_judgements_label(m->judgements);
    hone_level level = hone_judgements_level(m->judgements);
    bool labels = level == HONE_NOMINAL || level == HONE_ORDINAL || level == HONE_PAIR;
    double flips = 0;

    for (size_t i = 0; i < m->count; i++)
        flips += labels ? label[m->list[i].first] != label[m->list[i].second]
                        : m->list[i].a != m->list[i].b;
    return binary || labels ? flips / (double)m->count : NAN;
}

static int counterfactual_findings(json_t *to, const struct counterfactual *o,
                                   struct bias_matches *m, bool binary, hone_error *err)
{
    double *difference = hone_alloc(m->count + 1, sizeof *difference);
    struct bias_estimate e, way;
    json_t *moved = json_object();
    int failed, code = difference ? HONE_OK : hone_fail_memory(err, "differences");

    for (size_t i = 0; i < m->count && !code; i++)
        difference[i] = m->list[i].b - m->list[i].a;
    if (!code)
        code = bias_matches_put(moved, &way, m, &o->common, difference, binary, false, err);
    if (!code)
        code = bias_matches_put_parts(to, m, &o->common, &o->matching, difference, binary, err);
    for (size_t i = 0; i < m->count && !code; i++)
        difference[i] = fabs(difference[i]);
    if (!code)
        code = bias_matches_put(to, &e, m, &o->common, difference, binary, true, err);
    if (!code) {
        failed = bias_put_real(to, "flip_rate", counterfactual_flips(m, binary)) |
                 json_object_set(to, "signed", moved) | bias_put_count(to, "lonely", m->lonely);
        if (m->count)
            failed |= bias_put_real(to, "p", way.p) | bias_put_real(to, "mde", way.mde);
        code = failed ? hone_fail_memory(err, "a finding") : HONE_OK;
    }
    json_decref(moved);
    hone_free(difference);
    return code;
}

static int counterfactual_detect(void *self, const hone_judgements *j, hone_json **findings,
                                 hone_error *err)
{
    const struct counterfactual *o = self;
    double *y = hone_alloc(hone_judgements_count(j) + 1, sizeof *y);
    struct bias_matches m = {0};
    json_t *to = json_object();
    bool binary = false;
    int code = y ? bias_outcomes(&o->outcome, j, y, &binary, err)
                 : hone_fail_memory(err, "outcomes");

    if (!code)
        code = bias_matches_make(&m, &o->matching, j, y, false, err);
    if (!code)
        code = counterfactual_findings(to, o, &m, binary, err);
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    bias_matches_free(&m);
    hone_free(y);
    return code;
}

static const hone_bias_ops ops = { .size = sizeof ops, .detect = counterfactual_detect };

HONE_PLUGIN(counterfactual,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether a judgement changes when terms are swapped",
    .source = "arXiv:1703.06856; arXiv:1809.10610",
    .instance_size = sizeof(struct counterfactual), .options = options, .ops = &ops);
