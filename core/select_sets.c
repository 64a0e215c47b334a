/* select_sets.c -- sets to ask together, and who answers (see <hone/select.h>). */
#define _GNU_SOURCE /* qsort_r */
#include <hone/select.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- k-centre ---- */

static double centre_squared(const float *a, const float *b, size_t width)
{
    double sum = 0;

    for (size_t i = 0; i < width; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

static int centre_check(const float *x, const double *near, size_t rows, size_t width,
                        size_t count, hone_error *err)
{
    if (count > rows)
        return hone_fail(err, HONE_EINVAL, "%zu of %zu rows to choose", count, rows);
    for (size_t i = 0; i < rows * width; i++)
        if (!isfinite(x[i]))
            return hone_fail(err, HONE_ENUMERIC, "row %zu holds %g; a finite number is needed",
                             i / width + 1, (double)x[i]);
    for (size_t r = 0; near && r < rows; r++)
        if (!(near[r] >= 0))
            return hone_fail(err, HONE_EINVAL, "row %zu has a distance of %g; at least 0", r + 1,
                             near[r]);
    return HONE_OK;
}

/* Nearest to the mean: of all rows the least surprising. */
static size_t centre_first(const float *x, size_t rows, size_t width, double *mean)
{
    size_t best = 0;
    double least = INFINITY;

    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++)
            mean[i] += x[r * width + i] / (double)rows;
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t i = 0; i < width; i++)
            sum += (x[r * width + i] - mean[i]) * (x[r * width + i] - mean[i]);
        if (sum < least) {
            least = sum;
            best = r;
        }
    }
    return best;
}

int hone_select_centres(int64_t *chosen, double *reach, const float *x, const double *near,
                        size_t rows, size_t width, size_t count, hone_error *err)
{
    double *apart;
    size_t next = 0;
    int code = centre_check(x, near, rows, width, count, err);

    if (code || !count)
        return code;
    if (!(apart = hone_alloc(rows + width + 1, sizeof *apart)))
        return hone_fail_memory(err, "distances");
    for (size_t r = 0; r < rows; r++)
        apart[r] = near ? near[r] * near[r] : INFINITY;
    if (!near)
        next = centre_first(x, rows, width, apart + rows);
    for (size_t c = 0; c < count; c++) {
        if (c || near) {
            next = 0;
            for (size_t r = 1; r < rows; r++)
                next = apart[r] > apart[next] ? r : next;
        }
        chosen[c] = (int64_t)next;
        reach[c] = isinf(apart[next]) ? 0 : sqrt(fmax(0, apart[next]));
        for (size_t r = 0; r < rows; r++)
            apart[r] = fmin(apart[r], centre_squared(x + r * width, x + next * width, width));
        apart[next] = -1; /* not again, also where rows are equal */
    }
    hone_free(apart);
    return HONE_OK;
}

/* ---- budget ---- */

struct worth {
    const double *scores, *costs;
};

static int worth_compare(const void *left, const void *right, void *arg)
{
    const struct worth *w = arg;
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    double of_a = w->scores[a] / w->costs[a], of_b = w->scores[b] / w->costs[b];

    if (of_a != of_b)
        return of_a > of_b ? -1 : 1;
    return (a > b) - (a < b);
}

int hone_select_budget(int64_t *chosen, size_t *count, const double *scores, const double *costs,
                       size_t rows, double budget, hone_error *err)
{
    struct worth w = { scores, costs };
    size_t candidates = 0;

    *count = 0;
    if (!(budget >= 0))
        return hone_fail(err, HONE_EINVAL, "the budget is %g; at least 0", budget);
    for (size_t r = 0; r < rows; r++) {
        if (!isfinite(scores[r]) || !(costs[r] > 0) || isinf(costs[r]))
            return hone_fail(err, HONE_EINVAL, "row %zu has score %g and cost %g; both are finite, "
                             "a cost is above 0", r + 1, scores[r], costs[r]);
        if (scores[r] > 0)
            chosen[candidates++] = (int64_t)r;
    }
    qsort_r(chosen, candidates, sizeof *chosen, worth_compare, &w);
    for (size_t c = 0; c < candidates; c++) /* what does not fit is passed over */
        if (costs[chosen[c]] <= budget) {
            budget -= costs[chosen[c]];
            chosen[(*count)++] = chosen[c];
        }
    return HONE_OK;
}

/* ---- assignment ---- */

/* Items wait in a heap by what the best annotator left to them would tell. Gains
 * only shrink (an item gets surer, an annotator full), so that a gain that is still
 * right when it comes to the top is the greatest of all (Minoux 1978). */
struct waiting {
    double gain;
    int64_t item, annotator;
};

struct assign {
    const hone_assignment *w;
    double *doubt;             /* [items] share of the first entropy that is left */
    int64_t *left, *asked;     /* [annotators] capacity; [items] answers assigned */
    int64_t *given;            /* [items, per_item] by whom */
    struct waiting *heap;      /* [items] */
    size_t waiting;
};

/* What an answer tells: entropy of what is said less that of what is said where
 * the truth is known. */
static double assign_information(const struct assign *s, size_t item, size_t annotator)
{
    size_t labels = s->w->labels;
    const double *truth = s->w->truth + item * labels;
    double right = s->w->skill[annotator], said = 0, known = 0;
    double wrong = labels > 1 ? (1 - right) / (double)(labels - 1) : 0;

    for (size_t l = 0; l < labels; l++) {
        double p = truth[l] * right + (1 - truth[l]) * wrong;
        said += p > 0 ? -p * log(p) : 0;
    }
    known -= right > 0 ? right * log(right) : 0;
    known -= wrong > 0 ? (double)(labels - 1) * wrong * log(wrong) : 0;
    return fmax(0, said - known);
}

static bool assign_taken(const struct assign *s, size_t item, size_t annotator)
{
    if (s->w->done && s->w->done[item * s->w->annotators + annotator])
        return true;
    for (int64_t k = 0; k < s->asked[item]; k++)
        if (s->given[(int64_t)item * s->w->per_item + k] == (int64_t)annotator)
            return true;
    return false;
}

static struct waiting assign_best(const struct assign *s, size_t item)
{
    struct waiting best = { 0, (int64_t)item, -1 };

    for (size_t a = 0; a < s->w->annotators && s->asked[item] < s->w->per_item; a++) {
        double gain = 0;
        if (s->left[a] > 0 && !assign_taken(s, item, a))
            gain = assign_information(s, item, a) * s->doubt[item] /
                   (s->w->cost ? s->w->cost[a] : 1);
        if (gain > best.gain) {
            best.gain = gain;
            best.annotator = (int64_t)a;
        }
    }
    return best;
}

static bool heap_before(const struct waiting *a, const struct waiting *b)
{
    return a->gain > b->gain || (a->gain == b->gain && a->item < b->item);
}

static void heap_down(struct assign *s, size_t at)
{
    for (;;) {
        size_t best = at;
        struct waiting swap;
        for (size_t c = 2 * at + 1; c < s->waiting && c < 2 * at + 3; c++)
            best = heap_before(&s->heap[c], &s->heap[best]) ? c : best;
        if (best == at)
            return;
        swap = s->heap[at];
        s->heap[at] = s->heap[best];
        s->heap[best] = swap;
        at = best;
    }
}

/* The answer leaves, in expectation, so much less to know. */
static void assign_give(struct assign *s, const struct waiting *w)
{
    size_t item = (size_t)w->item;
    const double *truth = s->w->truth + item * s->w->labels;
    double entropy = 0;

    for (size_t k = 0; k < s->w->labels; k++)
        entropy -= truth[k] > 0 ? truth[k] * log(truth[k]) : 0;
    s->doubt[item] *= 1 - assign_information(s, item, (size_t)w->annotator) / entropy;
    s->given[w->item * s->w->per_item + s->asked[item]++] = w->annotator;
    s->left[w->annotator]--;
}

static void assign_run(struct assign *s, int64_t *item, int64_t *annotator, double *gains,
                       size_t *count)
{
    for (size_t i = 0; i < s->w->items; i++)
        s->heap[i] = assign_best(s, i);
    for (size_t i = s->waiting = s->w->items; i-- > 0;)
        heap_down(s, i);
    while (s->waiting && *count < s->w->limit && s->heap[0].annotator >= 0) {
        struct waiting top = s->heap[0], now = assign_best(s, (size_t)top.item);
        if (now.gain == top.gain && now.annotator == top.annotator) {
            item[*count] = top.item;
            annotator[*count] = top.annotator;
            gains[(*count)++] = top.gain;
            assign_give(s, &top);
            now = assign_best(s, (size_t)top.item);
        }
        s->heap[0] = now;
        heap_down(s, 0);
    }
}

static int assign_check(const hone_assignment *w, hone_error *err)
{
    if (w->labels < 1 || w->per_item < 1 || w->per_item > 1000)
        return hone_fail(err, HONE_EINVAL, "%zu labels and %" PRId64 " answers an item; at least 1 "
                         "of each, at most 1000 answers", w->labels, w->per_item);
    for (size_t a = 0; a < w->annotators; a++)
        if (!(w->skill[a] >= 1 / (double)w->labels - 1e-9 && w->skill[a] <= 1) ||
            w->capacity[a] < 0 || (w->cost && !(w->cost[a] > 0 && isfinite(w->cost[a]))))
            return hone_fail(err, HONE_EINVAL, "annotator %zu has skill %g, capacity %" PRId64
                             " and cost %g; the skill is %g to 1, the capacity at least 0, the "
                             "cost above 0", a + 1, w->skill[a], w->capacity[a],
                             w->cost ? w->cost[a] : 1, 1 / (double)w->labels);
    for (size_t i = 0; i < w->items; i++) {
        double sum = 0;
        for (size_t k = 0; k < w->labels; k++)
            sum += w->truth[i * w->labels + k] >= 0 ? w->truth[i * w->labels + k] : NAN;
        if (!(fabs(sum - 1) <= 1e-6))
            return hone_fail(err, HONE_EINVAL, "probabilities of item %zu do not sum to 1", i + 1);
    }
    return HONE_OK;
}

int hone_select_assign(int64_t *item, int64_t *annotator, double *gains, size_t *count,
                       const hone_assignment *what, hone_error *err)
{
    struct assign s = { .w = what };
    int code = assign_check(what, err);

    *count = 0;
    if (code)
        return code;
    s.doubt = hone_alloc(what->items + 1, sizeof *s.doubt);
    s.left = hone_alloc(what->annotators + 1, sizeof *s.left);
    s.asked = hone_alloc(what->items + 1, sizeof *s.asked);
    s.given = hone_alloc(what->items + 1, (size_t)what->per_item * sizeof *s.given);
    s.heap = hone_alloc(what->items + 1, sizeof *s.heap);
    if (!s.doubt || !s.left || !s.asked || !s.given || !s.heap) {
        code = hone_fail_memory(err, "an assignment");
        goto out;
    }
    for (size_t i = 0; i < what->items; i++)
        s.doubt[i] = 1;
    memcpy(s.left, what->capacity, what->annotators * sizeof *s.left);
    assign_run(&s, item, annotator, gains, count);
out:
    hone_free(s.doubt);
    hone_free(s.left);
    hone_free(s.asked);
    hone_free(s.given);
    hone_free(s.heap);
    return code;
}
