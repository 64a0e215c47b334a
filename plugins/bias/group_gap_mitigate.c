/* group_gap_mitigate.c -- labels that no group of annotators is lost in.
 *
 *   soft       items = [{ item, posterior = [share of each label], groups }]: each
 *              group's shares count alike, so that a minority is not outvoted;
 *              before and after: items whose largest label it changes
 *   expertise  annotators = [{ annotator, accuracy, weight }]: accuracy against the
 *              majority of the others, shrunk; weight = ln(p(K - 1)/(1 - p)), at
 *              least 0; then a group whose share of the weight is below `keep`
 *              times its share of the judgements is raised to that. before, after:
 *              each group's share; n_eff: Kish's, of judgements
 *
 * Nitzan & Paroush 1982, doi:10.2307/2526438; Gordon et al. 2022,
 * doi:10.1145/3491102.3502004. */
#include "group_gap.h"

struct mitigate_view {
    const hone_judgements *j;
    struct bias_groups groups;
    size_t rows, labels;
    double *votes, *others;  /* [labels], [labels]; scratch; owned */
    double *hits, *answers, *weight; /* [annotators]; owned */
    double *share, *part;    /* [groups]; owned */
};

/* ---- soft labels ---- */

static size_t mitigate_best(const double *votes, size_t n)
{
    size_t best = 0;

    for (size_t l = 1; l < n; l++)
        best = votes[l] > votes[best] ? l : best;
    return best;
}

/* Shares of the labels of rows [from, to) in which groups count alike. */
static size_t mitigate_shares(struct mitigate_view *v, size_t from, size_t to)
{
    size_t groups = 0;

    memset(v->share, 0, v->groups.count * sizeof *v->share);
    memset(v->votes, 0, v->labels * sizeof *v->votes);
    memset(v->others, 0, v->labels * sizeof *v->others);
    for (size_t r = from; r < to; r++) {
        int32_t g = bias_group_of(&v->groups, v->j, r);
        if (g >= 0 && v->share[g]++ == 0)
            groups++;
    }
    for (size_t r = from; r < to; r++) {
        int32_t g = bias_group_of(&v->groups, v->j, r);
        v->others[hone_judgements_label(v->j)[r]]++;
        if (g >= 0)
            v->votes[hone_judgements_label(v->j)[r]] += 1 / (v->share[g] * (double)groups);
    }
    return groups;
}

static int mitigate_soft(json_t *to, struct mitigate_view *v)
{
    const int32_t *item = hone_judgements_item(v->j);
    json_t *list = json_array();
    size_t next, changed = 0, items = 0;
    int failed = json_object_set_new(to, "items", list);

    for (size_t from = 0; from < v->rows && !failed; from = next) {
        json_t *one = json_object(), *posterior = json_array();
        size_t groups;
        for (next = from; next < v->rows && item[next] == item[from]; next++)
            continue;
        groups = mitigate_shares(v, from, next);
        items++;
        if (groups)
            changed += v->votes[mitigate_best(v->others, v->labels)] <
                       v->votes[mitigate_best(v->votes, v->labels)] - 1e-12;
        for (size_t l = 0; l < v->labels; l++)
            failed |= json_array_append_new(posterior, json_real(groups ? v->votes[l]
                          : v->others[l] / (double)(next - from)));
        failed |= bias_put_text(one, "item", hone_judgements_item_name(v->j,
                                                                       (size_t)item[from])) |
                  json_object_set_new(one, "posterior", posterior) |
                  bias_put_count(one, "groups", groups) | json_array_append_new(list, one);
    }
    return failed | json_object_set_new(to, "before", json_pack("{s:I}", "items",
                                                                (json_int_t)items)) |
           json_object_set_new(to, "after", json_pack("{s:I, s:I}", "items", (json_int_t)items,
                                                      "changed", (json_int_t)changed));
}

/* ---- expertise ---- */

/* Answers against the majority of the others, where it is no tie. */
static void mitigate_item(struct mitigate_view *v, size_t from, size_t to)
{
    const int32_t *label = hone_judgements_label(v->j), *who = hone_judgements_annotator(v->j);

    for (size_t r = from; r < to; r++)
        v->votes[label[r]]++;
    for (size_t r = from; r < to; r++) {
        double most = 0;
        size_t best = 0, ties = 0;
        v->votes[label[r]]--;
        for (size_t k = from; k < to; k++)
            if (v->votes[label[k]] > most) {
                most = v->votes[label[k]];
                best = (size_t)label[k];
            }
        for (size_t k = from; k < to; k++)
            ties += v->votes[label[k]] == most && (size_t)label[k] != best;
        if (most > 0 && !ties) {
            v->hits[who[r]] += (size_t)label[r] == best;
            v->answers[who[r]]++;
        }
        v->votes[label[r]]++;
    }
    for (size_t r = from; r < to; r++)
        v->votes[label[r]] = 0;
}

static void mitigate_weights(struct mitigate_view *v, const struct group_gap *o)
{
    size_t annotators = hone_judgements_annotators(v->j);
    double hits = 0, answers = 0, mean, odds = (double)(v->labels > 2 ? v->labels : 2) - 1;

    for (size_t a = 0; a < annotators; a++) {
        hits += v->hits[a];
        answers += v->answers[a];
    }
    /* One hit and one miss more, so that nobody is sure. */
    mean = (hits + 1) / (answers + 2);
    for (size_t a = 0; a < annotators; a++) {
        double p = (v->hits[a] + o->shrink * mean) / (v->answers[a] + o->shrink);
        if (!(p < 1))
            p = 1 - 0.5 / (v->answers[a] + 1);
        v->hits[a] = isnan(p) ? mean : p;
        v->weight[a] = isnan(p) ? log(mean * odds / (1 - mean)) : fmax(0, log(p * odds / (1 - p)));
    }
}

/* Each group's share of the weight of judgements. */
static double mitigate_group_shares(struct mitigate_view *v, double *share, bool weighted)
{
    double all = 0;

    memset(share, 0, v->groups.count * sizeof *share);
    for (size_t r = 0; r < v->rows; r++) {
        int32_t a = hone_judgements_annotator(v->j)[r], g = v->groups.of[a];
        double w = weighted ? v->weight[a] : 1;
        all += g < 0 ? 0 : w;
        if (g >= 0)
            share[g] += w;
    }
    for (size_t g = 0; g < v->groups.count; g++)
        share[g] = all > 0 ? share[g] / all : 0;
    return all;
}

/* Raise what is below its floor, again while that pushes others below theirs. A
 * group with no weight at all gets a constant. */
static void mitigate_floor(struct mitigate_view *v, const struct group_gap *o)
{
    for (int round = 0; round < 1000; round++) {
        double all = mitigate_group_shares(v, v->share, true);
        bool raised = false;
        for (size_t g = 0; g < v->groups.count; g++) {
            double floor = o->keep * v->part[g], factor;
            if (v->share[g] >= floor * (1 - 1e-9))
                continue;
            raised = true;
            /* s f/(1 - s + s f) = floor */
            factor = floor < 1 ? floor * (1 - v->share[g]) / ((1 - floor) * v->share[g]) : 1;
            for (size_t a = 0; a < hone_judgements_annotators(v->j); a++)
                if (v->groups.of[a] == (int32_t)g)
                    v->weight[a] = v->share[g] > 0 ? v->weight[a] * factor
                                 : all > 0 ? all / (double)v->rows : 1;
            break;
        }
        if (!raised)
            return;
    }
}

static json_t *mitigate_put_shares(const struct mitigate_view *v, const double *share)
{
    json_t *list = json_array();
    int failed = 0;

    for (size_t g = 0; g < v->groups.count; g++)
        failed |= json_array_append_new(list, json_pack("{s:s, s:f}", "group",
                                                        v->groups.names[g], "share", share[g]));
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static int mitigate_expertise(json_t *to, struct mitigate_view *v, const struct group_gap *o)
{
    const int32_t *item = hone_judgements_item(v->j), *who = hone_judgements_annotator(v->j);
    json_t *list = json_array();
    double sum = 0, squares = 0;
    size_t next;
    int failed = json_object_set_new(to, "annotators", list);

    for (size_t from = 0; from < v->rows; from = next) {
        for (next = from; next < v->rows && item[next] == item[from]; next++)
            continue;
        mitigate_item(v, from, next);
    }
    mitigate_weights(v, o);
    mitigate_group_shares(v, v->part, false);
    mitigate_group_shares(v, v->share, true);
    failed |= json_object_set_new(to, "pool", mitigate_put_shares(v, v->part)) |
              json_object_set_new(to, "before", mitigate_put_shares(v, v->share));
    mitigate_floor(v, o);
    mitigate_group_shares(v, v->share, true);
    failed |= json_object_set_new(to, "after", mitigate_put_shares(v, v->share));
    for (size_t r = 0; r < v->rows; r++) {
        sum += v->weight[who[r]];
        squares += v->weight[who[r]] * v->weight[who[r]];
    }
    failed |= bias_put_real(to, "n_eff", squares > 0 ? sum * sum / squares : 0);
    for (size_t a = 0; a < hone_judgements_annotators(v->j) && !failed; a++)
        failed |= json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "annotator",
                      hone_judgements_annotator_name(v->j, a), "accuracy", v->hits[a], "weight",
                      v->weight[a]));
    return failed;
}

int group_gap_mitigate(void *self, const hone_judgements *j, const hone_json *findings,
                       hone_json **result, hone_error *err)
{
    const struct group_gap *o = self;
    hone_level level = hone_judgements_level(j);
    size_t annotators = hone_judgements_annotators(j);
    struct mitigate_view v = { .j = j, .rows = hone_judgements_count(j),
                               .labels = hone_judgements_labels(j) };
    json_t *to = json_object();
    int code = level == HONE_INTERVAL || level == HONE_RATIO || level == HONE_RANKING
               ? hone_fail(err, HONE_EINVAL, "judgements are of level %s; labels are needed",
                           hone_level_name(level))
               : bias_groups_make(&v.groups, j, o->attribute, BIAS_OF_ANNOTATORS, BIAS_GROUPS, err);
    (void)findings;

    if (!code) {
        v.votes = hone_alloc(v.labels + 1, sizeof(double));
        v.others = hone_alloc(v.labels + 1, sizeof(double));
        v.hits = hone_alloc(annotators + 1, sizeof(double));
        v.answers = hone_alloc(annotators + 1, sizeof(double));
        v.weight = hone_alloc(annotators + 1, sizeof(double));
        v.share = hone_alloc(v.groups.count + 1, sizeof(double));
        v.part = hone_alloc(v.groups.count + 1, sizeof(double));
        if (!v.votes || !v.others || !v.hits || !v.answers || !v.weight || !v.share || !v.part ||
            (o->mitigation ? mitigate_soft(to, &v) : mitigate_expertise(to, &v, o)))
            code = hone_fail_memory(err, "labels");
    }
    if (!code)
        *result = json_incref(to);
    json_decref(to);
    bias_groups_free(&v.groups);
    double *owned[] = { v.votes, v.others, v.hits, v.answers, v.weight, v.share, v.part };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        hone_free(owned[i]);
    return code;
}
