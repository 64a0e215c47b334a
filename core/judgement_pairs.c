/* judgement_pairs.c -- pairs and rankings of options (see <hone/judgement.h>). */
#include "judgement.h"

#include <math.h>
#include <string.h>

/* ---- pairs ---- */

static int pair_name(char **out, const char *left, const char *right, hone_error *err)
{
    bool swap = strcmp(left, right) > 0; /* both orders are one item */

    *out = hone_format("%s | %s", swap ? right : left, swap ? left : right);
    return *out ? HONE_OK : hone_fail_memory(err, "an item's name");
}

static int pair_check(const hone_judgements *j, const char *left, const char *right,
                      double strength, hone_error *err)
{
    if (j->level != HONE_PAIR)
        return hone_fail(err, HONE_EINVAL, "a pair for %s judgements", hone_level_name(j->level));
    if (strcmp(left, right) == 0)
        return hone_fail(err, HONE_EINVAL, "option '%s' is compared with itself", left);
    if (!(strength >= 0) || isinf(strength))
        return hone_fail(err, HONE_EINVAL, "the strength is %g; it is at least 0 and finite",
                         strength);
    return HONE_OK;
}

int hone_judgements_put_pair(hone_judgements *j, const char *item, const char *annotator,
                             const char *left, const char *right, const char *outcome,
                             struct judgement row, hone_error *err)
{
    char *made = NULL;
    int code = pair_check(j, left, right, row.value, err);

    if (!code && !item)
        code = pair_name(&made, left, right, err);
    if (code)
        return code;
    code = hone_names_add(&j->options, left, &row.left, err);
    if (!code)
        code = hone_names_add(&j->options, right, &row.right, err);
    code = code ? hone_fail_in(err, "option")
                : hone_judgements_put(j, item ? item : made, annotator, outcome, row, err);
    hone_free(made);
    return code;
}

int hone_judgements_add_pair(hone_judgements *j, const char *item, const char *annotator,
                             const char *left, const char *right, const char *outcome,
                             double strength, hone_error *err)
{
    struct judgement row = { .value = strength, .weight = 1, .time = NAN };
    return hone_judgements_put_pair(j, item, annotator, left, right, outcome, row, err);
}

const int32_t *hone_judgements_left(const hone_judgements *j)
{
    return hone_judgements_order_rows(j)->left;
}

const int32_t *hone_judgements_right(const hone_judgements *j)
{
    return hone_judgements_order_rows(j)->right;
}

size_t hone_judgements_options(const hone_judgements *j)
{
    return j->options.count;
}

const char *hone_judgements_option_name(const hone_judgements *j, size_t option)
{
    return option < j->options.count ? j->options.texts[option] : NULL;
}

/* ---- rankings ---- */

static int ranking_check(const hone_judgements *j, const char *const *options,
                         const int32_t *ranks, size_t count, hone_error *err)
{
    if (j->level != HONE_RANKING)
        return hone_fail(err, HONE_EINVAL, "a ranking for %s judgements",
                         hone_level_name(j->level));
    if (count < 2 || count > 65536)
        return hone_fail(err, HONE_EINVAL, "a ranking of %zu options; it has 2 to 65536", count);
    for (size_t i = 1; ranks && i < count; i++)
        if (ranks[i] < ranks[i - 1])
            return hone_fail(err, HONE_EINVAL, "option '%s' has rank %" PRId32 " after rank %"
                             PRId32 "; options come best first", options[i], ranks[i],
                             ranks[i - 1]);
    return HONE_OK;
}

static int ranking_reserve(hone_judgements *j, size_t count, hone_error *err)
{
    size_t room = 2 * j->room + count;

    if (j->used + count <= j->room)
        return HONE_OK;
    if (!hone_judgements_resize(&j->lists, room, sizeof *j->lists))
        return hone_fail_memory(err, "rankings");
    j->room = room;
    return HONE_OK;
}

static int number_compare(const int32_t *list, size_t count, int32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == number)
            return 1;
    return 0;
}

int hone_judgements_put_ranking(hone_judgements *j, const char *item, const char *annotator,
                                const char *const *options, const int32_t *ranks, size_t count,
                                struct judgement row, hone_error *err)
{
    int32_t *list;
    int code = ranking_check(j, options, ranks, count, err);

    if (!code)
        code = ranking_reserve(j, 2 * count + 1, err);
    if (code)
        return code;
    list = j->lists + j->used;
    list[0] = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        code = hone_names_add(&j->options, options[i], &list[1 + i], err);
        if (code)
            return hone_fail_in(err, "option");
        if (number_compare(list + 1, i, list[1 + i]))
            return hone_fail(err, HONE_EINVAL, "option '%s' is ranked twice", options[i]);
        list[1 + count + i] = ranks ? ranks[i] : (int32_t)i + 1;
    }
    row.at = j->used;
    row.value = (double)count;
    code = hone_judgements_put(j, item, annotator, NULL, row, err);
    if (!code)
        j->used += 2 * count + 1;
    return code;
}

int hone_judgements_add_ranking(hone_judgements *j, const char *item, const char *annotator,
                                const char *const *options, const int32_t *ranks, size_t count,
                                hone_error *err)
{
    struct judgement row = { .weight = 1, .time = NAN };
    return hone_judgements_put_ranking(j, item, annotator, options, ranks, count, row, err);
}

size_t hone_judgements_ranking(const hone_judgements *j, size_t i, const int32_t **options,
                               const int32_t **ranks)
{
    const int32_t *list;

    if (j->level != HONE_RANKING || i >= j->count)
        return 0;
    list = j->lists + hone_judgements_order_rows(j)->at[i];
    *options = list + 1;
    *ranks = list + 1 + list[0];
    return (size_t)list[0];
}

/* ---- pairs from rankings ---- */

static int pairs_put(hone_judgements *pairs, const hone_judgements *j,
                     const struct judgement *from, hone_error *err)
{
    const int32_t *list = j->lists + from->at;
    int32_t n = list[0], code = HONE_OK;

    for (int32_t a = 0; a < n && !code; a++) {
        for (int32_t b = a + 1; b < n && !code; b++) {
            bool tie = list[1 + n + a] == list[1 + n + b], swap = list[1 + a] > list[1 + b];
            struct judgement row = *from;
            row.value = 1;
            row.weight *= 2.0 / n;
            code = hone_judgements_put_pair(
                pairs, j->items.texts[from->item], j->annotators.texts[from->annotator],
                j->options.texts[list[1 + (swap ? b : a)]],
                j->options.texts[list[1 + (swap ? a : b)]],
                tie ? "tie" : swap ? "right" : "left", row, err);
        }
    }
    return code;
}

/* Names in the same order, so that numbers mean the same in both tables. */
static int pairs_names(hone_judgements *pairs, const hone_judgements *j, hone_error *err)
{
    int32_t number;
    int code = HONE_OK;

    for (size_t i = 0; i < j->options.count && !code; i++)
        code = hone_names_add(&pairs->options, j->options.texts[i], &number, err);
    return code;
}

static int pairs_describe(hone_judgements *pairs, const hone_judgements *j, hone_error *err)
{
    int code = HONE_OK;

    for (size_t i = 0; i < j->items.count && !code; i++)
        if (j->item_attributes[i] && hone_names_find(&pairs->items, j->items.texts[i]) >= 0)
            code = hone_judgements_describe_item(pairs, j->items.texts[i], j->item_attributes[i],
                                                 err);
    for (size_t i = 0; i < j->annotators.count && !code; i++)
        if (j->annotator_attributes[i] &&
            hone_names_find(&pairs->annotators, j->annotators.texts[i]) >= 0)
            code = hone_judgements_describe_annotator(pairs, j->annotators.texts[i],
                                                      j->annotator_attributes[i], err);
    return code;
}

int hone_judgements_pairs(hone_judgements **out, const hone_judgements *j, hone_error *err)
{
    hone_judgements *pairs = NULL;
    int code;

    *out = NULL;
    if (j->level != HONE_RANKING)
        return hone_fail(err, HONE_EINVAL, "pairs are made of rankings, not of %s judgements",
                         hone_level_name(j->level));
    code = hone_judgements_new(&pairs, HONE_PAIR, err);
    if (!code)
        code = pairs_names(pairs, j, err);
    for (size_t r = 0; r < j->count && !code; r++)
        code = pairs_put(pairs, j, &j->rows[r], err);
    if (!code)
        code = pairs_describe(pairs, j, err);
    if (code) {
        hone_judgements_free(pairs);
        return code;
    }
    pairs->has_weight = true;
    pairs->has_time = j->has_time;
    *out = pairs;
    return HONE_OK;
}
