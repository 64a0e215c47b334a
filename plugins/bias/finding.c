/* finding.c -- estimates and findings (see finding.h). */
#include "finding.h"

#include <stdlib.h>

const char *const bias_cluster_words[] = { "item", "annotator", NULL };

struct bias_clusters bias_cluster(const hone_judgements *j, int64_t by)
{
    if (by == BIAS_BY_ANNOTATOR)
        return (struct bias_clusters){ hone_judgements_annotator(j),
                                       hone_judgements_annotators(j) };
    return (struct bias_clusters){ hone_judgements_item(j), hone_judgements_items(j) };
}

/* ---- estimates ---- */

void bias_infer(struct bias_estimate *e, const struct bias_options *o, double df)
{
    double t;

    e->low = e->high = e->p = e->mde = NAN;
    if (!(e->se > 0) || !(df > 0))
        return;
    t = hone_student_quantile(0.5 + o->confidence / 2, df);
    e->low = e->value - t * e->se;
    e->high = e->value + t * e->se;
    e->p = fmin(1, 2 * hone_student_tail(fabs(e->value) / e->se, df));
    e->mde = (t + hone_normal_quantile(o->power)) * e->se;
}

int bias_estimate(struct bias_estimate *e, const struct bias_options *o, double value,
                  const double *influence, struct bias_clusters by, size_t rows, hone_error *err)
{
    double *sums = hone_alloc(by.count + 1, sizeof *sums), squares = 0;
    bool *seen = hone_alloc(by.count + 1, sizeof *seen);
    int code = sums && seen ? HONE_OK : hone_fail_memory(err, "clusters");

    *e = (struct bias_estimate){ .value = value, .se = NAN };
    for (size_t r = 0; r < rows && !code; r++) {
        if (isnan(influence[r]))
            continue;
        sums[by.ids[r]] += influence[r];
        e->n++;
        e->clusters += !seen[by.ids[r]];
        seen[by.ids[r]] = true;
    }
    for (size_t c = 0; c < by.count && !code; c++)
        squares += sums[c] * sums[c];
    if (e->clusters > 1)
        e->se = sqrt(squares * (double)e->clusters / (double)(e->clusters - 1));
    /* Rounding leaves a little where all is equal. */
    if (e->se < 1e-12)
        e->se = 0;
    bias_infer(e, o, (double)e->clusters - 1);
    hone_free(sums);
    hone_free(seen);
    return code;
}

/* The effect d that a two-sided test of `chance` at level a reveals in n
 * independent trials; NaN where none does. */
static double finding_share_mde(const struct bias_options *o, double chance, double n)
{
    double z = hone_normal_quantile(0.5 + o->confidence / 2), b = hone_normal_quantile(o->power);
    double most = fmax(chance, 1 - chance), low = 0, high = most;

    for (int i = 0; i < 100; i++) {
        double d = (low + high) / 2, p = chance <= 0.5 ? chance + d : chance - d;
        double need = z * sqrt(chance * (1 - chance) / n) + b * sqrt(fmax(0, p * (1 - p)) / n);
        if (d < need)
            low = d;
        else
            high = d;
    }
    return high < most * (1 - 1e-9) ? high : NAN;
}

static void finding_exact(struct bias_estimate *e, const struct bias_options *o, double share,
                          double chance, double n)
{
    hone_wilson_interval(share * n, n, o->confidence, &e->low, &e->high);
    e->low -= chance;
    e->high -= chance;
    e->se = sqrt(share * (1 - share) / n);
    e->p = hone_binomial_test(llround(share * n), llround(n), chance);
    e->mde = finding_share_mde(o, chance, n);
}

int bias_share(struct bias_estimate *e, const struct bias_options *o, double *hit, double chance,
               struct bias_clusters by, size_t rows, hone_error *err)
{
    double sum = 0, n = 0, share;
    bool whole = true;
    int code;

    for (size_t r = 0; r < rows; r++)
        if (!isnan(hit[r])) {
            sum += hit[r];
            n++;
            whole = whole && (hit[r] == 0 || hit[r] == 1);
        }
    share = n > 0 ? sum / n : NAN;
    for (size_t r = 0; r < rows; r++)
        hit[r] = (hit[r] - share) / n;
    code = bias_estimate(e, o, share - chance, hit, by, rows, err);
    if (!code && e->n && ((e->n == e->clusters && whole) || !(e->se > 0)))
        finding_exact(e, o, share, chance, (double)e->clusters);
    return code;
}

/* ---- writing ---- */

int bias_put_real(json_t *to, const char *key, double value)
{
    return json_object_set_new(to, key, isfinite(value) ? json_real(value) : json_null());
}

int bias_put_count(json_t *to, const char *key, size_t n)
{
    return json_object_set_new(to, key, json_integer((json_int_t)n));
}

int bias_put_text(json_t *to, const char *key, const char *text)
{
    return json_object_set_new(to, key, json_string(text));
}

int bias_put_estimate(json_t *to, const struct bias_estimate *e)
{
    bool known = isfinite(e->low) && isfinite(e->high);

    return bias_put_real(to, "effect", e->value) | bias_put_real(to, "se", e->se) |
           json_object_set_new(to, "interval", known ? json_pack("[f, f]", e->low, e->high)
                                                     : json_null()) |
           bias_put_real(to, "p", e->p) | bias_put_real(to, "mde", e->mde) |
           bias_put_count(to, "n", e->n) | bias_put_count(to, "clusters", e->clusters);
}

int bias_put_undefined(json_t *to, const char *word, const char *why)
{
    return bias_put_text(to, "undefined", word) | bias_put_text(to, "why", why);
}

struct finding_item {
    double influence;
    int32_t item;
};

static int finding_compare(const void *a, const void *b)
{
    const struct finding_item *x = a, *y = b;

    if (fabs(x->influence) != fabs(y->influence))
        return fabs(x->influence) > fabs(y->influence) ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

int bias_put_items(json_t *to, const struct bias_options *o, const struct bias_estimate *e,
                   const hone_judgements *j, const double *influence, hone_error *err)
{
    size_t items = hone_judgements_items(j), behind = 0;
    struct finding_item *list = hone_alloc(items + 1, sizeof *list);
    json_t *names = json_array(), *flagged = json_array();
    bool biased = e->p < 1 - o->confidence;
    int failed = !list;

    for (size_t i = 0; i < items && !failed; i++)
        list[i].item = (int32_t)i;
    for (size_t r = 0; r < hone_judgements_count(j) && !failed; r++)
        if (!isnan(influence[r]))
            list[hone_judgements_item(j)[r]].influence += influence[r];
    for (size_t i = 0; i < items && !failed; i++)
        if (list[i].influence * e->value > 0)
            list[behind++] = list[i];
    if (!failed)
        qsort(list, behind, sizeof *list, finding_compare);
    for (size_t i = 0; i < behind && i < (size_t)o->top && !failed; i++) {
        const char *name = hone_judgements_item_name(j, (size_t)list[i].item);
        failed |= json_array_append_new(names, json_pack("{s:s, s:f}", "item", name, "influence",
                                                         list[i].influence));
        if (biased)
            failed |= json_array_append_new(flagged, json_string(name));
    }
    failed |= json_object_set_new(to, "items", names) | bias_put_count(to, "items_behind", behind) |
              json_object_set_new(to, "flagged", flagged);
    hone_free(list);
    return failed ? hone_fail_memory(err, "the items behind a finding") : HONE_OK;
}

int bias_put_holm(json_t *list, hone_error *err)
{
    size_t n = json_array_size(list);
    double *p = hone_alloc(2 * n + 1, sizeof *p);
    size_t *places = hone_alloc(n + 1, sizeof *places);
    int failed = !p || !places;

    for (size_t i = 0; i < n && !failed; i++) {
        const json_t *one = json_object_get(json_array_get(list, i), "p");
        p[i] = json_is_number(one) ? json_number_value(one) : NAN;
    }
    if (!failed)
        hone_holm(p, p + n, places, n);
    for (size_t i = 0; i < n && !failed; i++)
        failed |= bias_put_real(json_array_get(list, i), "p_corrected", p[n + i]);
    hone_free(p);
    hone_free(places);
    return failed ? hone_fail_memory(err, "corrected p") : HONE_OK;
}
