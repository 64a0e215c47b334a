/* self_preference.c -- whether a judge prefers what it wrote itself.
 *
 * A pair table in which judges and people compared the same answers. The judge's
 * own option is said by an annotator attribute (`own`); annotators without it are
 * people. Of every item in which a judge met its own option and people voted:
 *
 *   effect  P(the judge picks its own) - P(people pick it), ties counting half,
 *           so that quality is matched: both saw the same two answers
 *   judge, people    the two shares
 *   judges  the finding of each judge (of the first 100), corrected by Holm
 *   unmatched   judgements of own options on which people did not vote
 *
 * Panickssery et al. 2024, arXiv:2404.13076; Zheng et al. 2023, arXiv:2306.05685. */
#include "finding.h"

enum { SELF_JUDGES = 100 };

struct self_preference {
    struct bias_options common;
    const char *own;
    int64_t cluster;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct self_preference),
    BIAS_CLUSTER(struct self_preference, cluster, "item"),
    HONE_OPT_STRING(struct self_preference, own, "own", "own",
                    "attribute of a judge: the option that it wrote"),
    HONE_OPT_END
};

struct self_view {
    int32_t *own;       /* [annotators]: option, -1: people; owned */
    double *difference; /* [rows]: judge less people; NaN: no part; owned */
    double *influence;  /* [rows], owned */
    size_t rows, unmatched;
    double judge, people, n;
};

/* How much a row prefers an option: 1, 0.5, 0; -1: it is not there. */
static double self_prefers(const hone_judgements *j, size_t r, int32_t option)
{
    int32_t label = hone_judgements_label(j)[r];
    int side = hone_judgements_left(j)[r] == option ? HONE_LEFT
             : hone_judgements_right(j)[r] == option ? HONE_RIGHT : -1;

    if (side < 0 || hone_judgements_left(j)[r] == hone_judgements_right(j)[r])
        return -1;
    return label == HONE_TIE || label == HONE_BAD ? 0.5 : label == side;
}

/* Whether two rows compare the same two options. */
static bool self_same(const hone_judgements *j, size_t a, size_t b)
{
    const int32_t *left = hone_judgements_left(j), *right = hone_judgements_right(j);

    return (left[a] == left[b] && right[a] == right[b]) ||
           (left[a] == right[b] && right[a] == left[b]);
}

/* What people say is counted again only where the options are others than those
 * of the judge before, as an item may have very many judges. */
static void self_item(struct self_view *v, const hone_judgements *j, size_t from, size_t to)
{
    const int32_t *annotator = hone_judgements_annotator(j);
    size_t before = to;
    double theirs = 0, votes = 0;

    for (size_t r = from; r < to; r++) {
        int32_t own = v->own[annotator[r]];
        double mine = own < 0 ? -1 : self_prefers(j, r, own);
        bool known = before < to && v->own[annotator[before]] == own && self_same(j, r, before);
        if (mine < 0)
            continue;
        before = r;
        if (!known)
            theirs = votes = 0;
        for (size_t k = from; k < to && !known; k++)
            if (v->own[annotator[k]] < 0 && self_same(j, r, k)) {
                theirs += self_prefers(j, k, own);
                votes++;
            }
        if (!(votes > 0)) {
            v->unmatched++;
            continue;
        }
        v->difference[r] = mine - theirs / votes;
        v->judge += mine;
        v->people += theirs / votes;
        v->n++;
    }
}

static int self_open(struct self_view *v, const struct self_preference *o,
                     const hone_judgements *j, hone_error *err)
{
    size_t annotators = hone_judgements_annotators(j), judges = 0, to;
    const int32_t *item = hone_judgements_item(j);

    v->rows = hone_judgements_count(j);
    if (hone_judgements_level(j) != HONE_PAIR)
        return hone_fail(err, HONE_EINVAL, "judgements are of level %s; pairs are needed",
                         hone_level_name(hone_judgements_level(j)));
    v->own = hone_alloc(annotators + 1, sizeof *v->own);
    v->difference = hone_alloc(v->rows + 1, sizeof *v->difference);
    v->influence = hone_alloc(v->rows + 1, sizeof *v->influence);
    if (!v->own || !v->difference || !v->influence)
        return hone_fail_memory(err, "judges");
    for (size_t a = 0; a < annotators; a++) {
        char *own;
        int code = bias_text(&own, hone_judgements_annotator_attributes(j, a), o->own, err);
        if (code)
            return code;
        v->own[a] = own ? (int32_t)hone_judgements_find_option(j, own) : -1;
        judges += own != NULL;
        if (own && v->own[a] < 0)
            hone_fail(err, HONE_EINVAL, "judge '%s': no pair has its own option '%s'",
                      hone_judgements_annotator_name(j, a), own);
        code = own && v->own[a] < 0 ? HONE_EINVAL : HONE_OK;
        hone_free(own);
        if (code)
            return code;
    }
    if (!judges)
        return hone_fail(err, HONE_EINVAL, "no annotator has the attribute '%s', which says what a "
                         "judge wrote", o->own);
    for (size_t r = 0; r < v->rows; r++)
        v->difference[r] = NAN;
    for (size_t from = 0; from < v->rows; from = to) {
        for (to = from; to < v->rows && item[to] == item[from]; to++)
            continue;
        self_item(v, j, from, to);
    }
    return HONE_OK;
}

/* The mean difference of one judge, or of all (-1). */
static int self_estimate(struct bias_estimate *e, struct self_view *v,
                         const struct self_preference *o, const hone_judgements *j,
                         int64_t judge, hone_error *err)
{
    double sum = 0, n = 0;

    for (size_t r = 0; r < v->rows; r++) {
        bool mine = judge < 0 || hone_judgements_annotator(j)[r] == judge;
        v->influence[r] = mine ? v->difference[r] : NAN;
        sum += isnan(v->influence[r]) ? 0 : v->influence[r];
        n += !isnan(v->influence[r]);
    }
    for (size_t r = 0; r < v->rows; r++)
        v->influence[r] = (v->influence[r] - sum / n) / n;
    return bias_estimate(e, &o->common, sum / n, v->influence, bias_cluster(j, o->cluster),
                         v->rows, err);
}

static int self_findings(json_t *to, struct self_view *v, const struct self_preference *o,
                         const hone_judgements *j, hone_error *err)
{
    json_t *judges = json_array();
    struct bias_estimate e;
    int failed = json_object_set_new(to, "judges", judges) |
                 bias_put_count(to, "unmatched", v->unmatched), code = HONE_OK;

    if (!(v->n > 0)) {
        failed |= bias_put_count(to, "n", 0) |
                  bias_put_undefined(to, "empty", "people voted on no pair with a judge's own");
        return failed ? hone_fail_memory(err, "a finding") : HONE_OK;
    }
    for (size_t a = 0; a < hone_judgements_annotators(j) && !code && !failed; a++) {
        json_t *one;
        if (v->own[a] < 0 || json_array_size(judges) >= SELF_JUDGES)
            continue;
        code = self_estimate(&e, v, o, j, (int64_t)a, err);
        if (code || !e.n)
            continue;
        one = json_object();
        failed |= json_array_append_new(judges, one) ||
                  bias_put_text(one, "judge", hone_judgements_annotator_name(j, a)) ||
                  bias_put_estimate(one, &e);
    }
    if (!code && !failed)
        code = bias_put_holm(judges, err);
    if (!code)
        code = self_estimate(&e, v, o, j, -1, err);
    if (code)
        return code;
    failed |= bias_put_estimate(to, &e) | bias_put_real(to, "judge", v->judge / v->n) |
              bias_put_real(to, "people", v->people / v->n);
    for (size_t r = 0; r < v->rows; r++)
        v->influence[r] = v->difference[r] / v->n;
    return failed ? hone_fail_memory(err, "a finding")
                  : bias_put_items(to, &o->common, &e, j, v->influence, err);
}

static int self_detect(void *self, const hone_judgements *j, hone_json **findings, hone_error *err)
{
    struct self_view v = {0};
    json_t *to = json_object();
    int code = self_open(&v, self, j, err);

    if (!code)
        code = self_findings(to, &v, self, j, err);
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    hone_free(v.own);
    hone_free(v.difference);
    hone_free(v.influence);
    return code;
}

static const hone_bias_ops ops = { .size = sizeof ops, .detect = self_detect };

HONE_PLUGIN(self_preference,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether a judge prefers what it wrote itself",
    .source = "arXiv:2404.13076; arXiv:2306.05685",
    .instance_size = sizeof(struct self_preference), .options = options, .ops = &ops);
