/* weat.c -- whether two sets of words lie nearer to different attributes (WEAT, SEAT).
 *
 * Numbers: the association s(w, A, B) of each target word or sentence, its mean
 * cosine with the attribute words A less that with B; the items' attribute
 * `target` says which of two target sets they are of (lua/hone/bias/weat.lua
 * computes associations from vectors or a model's embeddings).
 *
 *   effect    d = (mean of the first - mean of the second)/standard deviation of all
 *   p         two-sided: share of the ways to part the words into sets of these
 *             sizes whose difference is at least as large; all ways where there are
 *             at most `permutations`, else as many at random, with the one seen
 *   p_one     one-sided, as in the paper
 *   interval  percentiles of d over resamples within both sets; mde from their
 *             standard deviation
 *
 * Caliskan, Bryson & Narayanan 2017, doi:10.1126/science.aal4230; May et al. 2019,
 * doi:10.18653/v1/N19-1063. */
#include "finding.h"

#include <stdlib.h>

struct weat {
    struct bias_options common;
    const char *target;
    hone_string_list targets;
    int64_t permutations, resamples, seed;
};

static const hone_option options[] = {
    BIAS_OPTIONS(struct weat),
    HONE_OPT_STRING(struct weat, target, "target", "target",
                    "attribute of items: which target set a word is of"),
    HONE_OPT_STRINGS(struct weat, targets, "targets", "[]",
                     "the two target sets ([]: the two there are, by name)"),
    HONE_OPT_INT(struct weat, permutations, "permutations", 100000, 1000, 100000000,
                 "most partitions to look at"),
    HONE_OPT_INT(struct weat, resamples, "resamples", 2000, 100, 1000000, "of the interval"),
    HONE_OPT_INT(struct weat, seed, "seed", 0, 0, INT64_MAX, "of partitions and resamples"),
    HONE_OPT_END
};

struct weat_view {
    double *s, *scratch; /* [n]: the first set, then the second; owned */
    int32_t *row;        /* [n], owned */
    size_t first, n, skipped;
};

static double weat_effect(const double *s, size_t first, size_t n)
{
    double a = 0, all = 0, squares = 0, mean;

    for (size_t i = 0; i < n; i++) {
        all += s[i];
        a += i < first ? s[i] : 0;
    }
    mean = all / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (s[i] - mean) * (s[i] - mean);
    if (!(squares > 1e-24 * (double)n * (1 + mean * mean)))
        return NAN;
    return (a / (double)first - (all - a) / (double)(n - first)) /
           sqrt(squares / (double)(n - 1));
}

/* Ways to choose `first` of n, or a number beyond `most`. */
static double weat_ways(size_t first, size_t n, double most)
{
    double ways = 1;

    for (size_t i = 1; i <= first && ways <= most; i++)
        ways = ways * (double)(n - first + i) / (double)i;
    return floor(ways + 0.5);
}

/* The next choice of k of n, as rising numbers; false after the last. */
static bool weat_next(size_t *chosen, size_t k, size_t n)
{
    size_t i = k;

    while (i > 0 && chosen[i - 1] == n - k + i - 1)
        i--;
    if (!i)
        return false;
    chosen[i - 1]++;
    for (; i < k; i++)
        chosen[i] = chosen[i - 1] + 1;
    return true;
}

/* With all words given, the sum of the first set says the difference. */
static void weat_permute(const struct weat *o, const struct weat_view *v, size_t *order,
                         double *one, double *both)
{
    double all = 0, seen = 0, centre, tiny, above = 0, beyond = 0, ways;
    hone_random random = hone_random_named((uint64_t)o->seed, "bias/weat/permutations");
    bool exact;

    for (size_t i = 0; i < v->n; i++) {
        all += v->s[i];
        seen += i < v->first ? v->s[i] : 0;
        order[i] = i;
    }
    centre = all * (double)v->first / (double)v->n;
    tiny = 1e-12 * (1 + fabs(seen) + fabs(all));
    ways = weat_ways(v->first, v->n, (double)o->permutations);
    exact = ways <= (double)o->permutations;
    if (!exact)
        ways = (double)o->permutations;
    for (double w = 0; w < ways; w++) {
        double sum = 0;
        if (!exact) /* the first one is the one seen */
            for (size_t i = 0; i < v->first && w > 0; i++) {
                size_t k = i + (size_t)hone_random_below(&random, v->n - i), swap = order[i];
                order[i] = order[k];
                order[k] = swap;
            }
        for (size_t i = 0; i < v->first; i++)
            sum += v->s[order[i]];
        above += sum >= seen - tiny;
        beyond += fabs(sum - centre) >= fabs(seen - centre) - tiny;
        if (exact)
            weat_next(order, v->first, v->n);
    }
    *one = above / ways;
    *both = beyond / ways;
}

static int weat_order(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void weat_resample(struct bias_estimate *e, const struct weat *o, struct weat_view *v,
                          double *effects)
{
    hone_random random = hone_random_named((uint64_t)o->seed, "bias/weat/resamples");
    double sum = 0, squares = 0, tail = (1 - o->common.confidence) / 2;
    size_t kept = 0;

    for (int64_t b = 0; b < o->resamples; b++) {
        for (size_t i = 0; i < v->n; i++)
            v->scratch[i] = v->s[i < v->first ? hone_random_below(&random, v->first)
                                              : v->first + hone_random_below(&random, v->n -
                                                                                      v->first)];
        effects[kept] = weat_effect(v->scratch, v->first, v->n);
        kept += isnan(effects[kept]) ? 0 : 1;
    }
    e->low = e->high = e->mde = e->se = NAN;
    if (kept < 2)
        return;
    for (size_t i = 0; i < kept; i++)
        sum += effects[i];
    for (size_t i = 0; i < kept; i++)
        squares += (effects[i] - sum / (double)kept) * (effects[i] - sum / (double)kept);
    qsort(effects, kept, sizeof *effects, weat_order);
    e->se = sqrt(squares / (double)(kept - 1));
    e->low = effects[(size_t)(tail * (double)(kept - 1))];
    e->high = effects[(size_t)ceil((1 - tail) * (double)(kept - 1))];
    e->mde = (hone_normal_quantile(0.5 + o->common.confidence / 2) +
              hone_normal_quantile(o->common.power)) * e->se;
}

static int weat_open(struct weat_view *v, const struct weat *o, const struct bias_groups *g,
                     const hone_judgements *j, hone_error *err)
{
    size_t rows = hone_judgements_count(j);
    const char *names[2] = { g->count > 0 ? g->names[0] : "", g->count > 1 ? g->names[1] : "" };

    if (o->targets.count != 2 && (o->targets.count || g->count != 2))
        return hone_fail(err, HONE_EINVAL, "targets: %zu are given and '%s' has %zu values; 2 are "
                         "needed", o->targets.count, o->target, g->count);
    for (int i = 0; i < 2 && o->targets.count; i++)
        names[i] = o->targets.items[i];
    v->s = hone_alloc(rows + 1, sizeof *v->s);
    v->scratch = hone_alloc(rows + 1, sizeof *v->scratch);
    v->row = hone_alloc(rows + 1, sizeof *v->row);
    if (!v->s || !v->scratch || !v->row)
        return hone_fail_memory(err, "associations");
    for (int set = 0; set < 2; set++) {
        for (size_t r = 0; r < rows; r++) {
            int32_t group = bias_group_of(g, j, r);
            if (group < 0 || strcmp(g->names[group], names[set]) != 0)
                continue;
            v->s[v->n] = hone_judgements_value(j)[r];
            v->row[v->n++] = (int32_t)r;
        }
        v->first = set ? v->first : v->n;
    }
    v->skipped = rows - v->n;
    return HONE_OK;
}

static int weat_findings(json_t *to, const struct weat *o, struct weat_view *v,
                         const hone_judgements *j, hone_error *err)
{
    struct bias_estimate e = { .value = weat_effect(v->s, v->first, v->n), .n = v->n,
                               .clusters = v->n };
    size_t rows = hone_judgements_count(j), second = v->n - v->first;
    size_t *order = hone_alloc(v->n + 1, sizeof *order);
    double *effects = hone_alloc((size_t)o->resamples + 1, sizeof *effects);
    double *influence = hone_alloc(rows + 1, sizeof *influence), one, mean = 0;
    int failed = 0, code = order && effects && influence ? HONE_OK
                                                         : hone_fail_memory(err, "resamples");

    if (code)
        goto out;
    failed = bias_put_count(to, "first", v->first) | bias_put_count(to, "second", second) |
             bias_put_count(to, "skipped", v->skipped);
    if (v->first < 2 || second < 2 || isnan(e.value)) {
        failed |= isnan(e.value) && v->first > 1 && second > 1
                  ? bias_put_undefined(to, "unanimous", "all associations are equal")
                  : bias_put_undefined(to, "empty", "a target set has fewer than 2 words");
        goto out;
    }
    weat_permute(o, v, order, &one, &e.p);
    weat_resample(&e, o, v, effects);
    for (size_t i = 0; i < v->n; i++)
        mean += v->s[i] / (double)v->n;
    for (size_t r = 0; r < rows; r++)
        influence[r] = NAN;
    for (size_t i = 0; i < v->n; i++)
        influence[v->row[i]] = (v->s[i] - mean) / (i < v->first ? (double)v->first
                                                                 : -(double)second);
    failed |= bias_put_estimate(to, &e) | bias_put_real(to, "p_one", one);
    code = bias_put_items(to, &o->common, &e, j, influence, err);
out:
    hone_free(order);
    hone_free(effects);
    hone_free(influence);
    return code ? code : failed ? hone_fail_memory(err, "a finding") : HONE_OK;
}

static int weat_detect(void *self, const hone_judgements *j, hone_json **findings, hone_error *err)
{
    const struct weat *o = self;
    hone_level level = hone_judgements_level(j);
    struct bias_groups groups = {0};
    struct weat_view v = {0};
    json_t *to = json_object();
    int code = level == HONE_INTERVAL || level == HONE_RATIO
               ? bias_groups_make(&groups, j, o->target, BIAS_OF_ITEMS, 0, err)
               : hone_fail(err, HONE_EINVAL, "judgements are of level %s; associations, which are "
                           "numbers, are needed", hone_level_name(level));

    if (!code)
        code = weat_open(&v, o, &groups, j, err);
    if (!code)
        code = weat_findings(to, o, &v, j, err);
    if (!code)
        *findings = json_incref(to);
    json_decref(to);
    bias_groups_free(&groups);
    hone_free(v.s);
    hone_free(v.scratch);
    hone_free(v.row);
    return code;
}

static const hone_bias_ops ops = { .size = sizeof ops, .detect = weat_detect };

/* 1, 2, 3 against 4, 5, 6: d = -3/sqrt(3.5), and 2 of the 20 ways are as far. */
static int weat_self_test(hone_context *context, hone_error *err)
{
    static const struct weat o = { .permutations = 1000, .seed = 1 };
    double s[] = { 1, 2, 3, 4, 5, 6 }, one, both;
    struct weat_view v = { .s = s, .first = 3, .n = 6 };
    size_t order[6];
    (void)context;

    weat_permute(&o, &v, order, &one, &both);
    if (!(fabs(weat_effect(s, 3, 6) + 3 / sqrt(3.5)) < 1e-12) || !(fabs(both - 0.1) < 1e-12) ||
        !(fabs(one - 1) < 1e-12))
        return hone_fail(err, HONE_ENUMERIC, "d is %g and p %g, %g, not %g, 0.1, 1",
                         weat_effect(s, 3, 6), both, one, -3 / sqrt(3.5));
    return HONE_OK;
}

HONE_PLUGIN(weat,
    .threadsafe = true, .kind = "bias", .version = "1.0",
    .summary = "whether two sets of words lie nearer to different attributes (WEAT, SEAT)",
    .source = "doi:10.1126/science.aal4230; doi:10.18653/v1/N19-1063",
    .instance_size = sizeof(struct weat), .options = options, .ops = &ops,
    .self_test = weat_self_test);
