/* judgement_regions.c -- labels on parts of an item (see <hone/judgement.h>). */
#include "judgement.h"

#include <math.h>
#include <string.h>

static int region_check(const hone_judgements *j, const double *numbers, size_t count,
                        hone_error *err)
{
    if (j->level != HONE_REGION)
        return hone_fail(err, HONE_EINVAL, "a region for %s judgements",
                         hone_level_name(j->level));
    if (count != 2 && count != 4)
        return hone_fail(err, HONE_EINVAL, "a region of %zu numbers; it has 2 (start, end) or 4 "
                         "(x, y, width, height)", count);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(numbers[i]) || numbers[i] < 0)
            return hone_fail(err, HONE_EINVAL, "a region's number is %g; it is finite and at "
                             "least 0", numbers[i]);
    if (count == 2 && numbers[1] < numbers[0])
        return hone_fail(err, HONE_EINVAL, "a region ends at %g, before its start %g", numbers[1],
                         numbers[0]);
    return HONE_OK;
}

int hone_judgements_put_region(hone_judgements *j, const char *item, const char *annotator,
                               const char *label, const double *numbers, size_t count,
                               struct judgement row, hone_error *err)
{
    int code = region_check(j, numbers, count, err);

    if (code)
        return code;
    if (j->used + count + 1 > j->room) {
        size_t room = 2 * j->room + 64;
        if (!hone_judgements_resize(&j->numbers, room, sizeof *j->numbers))
            return hone_fail_memory(err, "regions");
        j->room = room;
    }
    row.at = j->used;
    j->numbers[j->used] = (double)count;
    memcpy(j->numbers + j->used + 1, numbers, count * sizeof *numbers);
    code = hone_judgements_put(j, item, annotator, label, row, err);
    if (!code)
        j->used += count + 1;
    return code;
}

int hone_judgements_add_region(hone_judgements *j, const char *item, const char *annotator,
                               const char *label, const double *numbers, size_t count,
                               hone_error *err)
{
    struct judgement row = { .weight = 1, .time = NAN };
    return hone_judgements_put_region(j, item, annotator, label, numbers, count, row, err);
}

size_t hone_judgements_region(const hone_judgements *j, size_t i, const double **numbers)
{
    const double *region;

    if (j->level != HONE_REGION || i >= j->count)
        return 0;
    region = j->numbers + hone_judgements_order_rows(j)->at[i];
    *numbers = region + 1;
    return (size_t)region[0];
}

/* ---- overlap ---- */

/* How much of [a, a + n) and [b, b + m) is common. */
static double region_common(double a, double n, double b, double m)
{
    return fmax(0, fmin(a + n, b + m) - fmax(a, b));
}

double hone_region_iou(const double *a, const double *b, size_t count)
{
    double common, all;

    if (count == 2) {
        common = fmax(0, fmin(a[1], b[1]) - fmax(a[0], b[0]));
        all = a[1] - a[0] + b[1] - b[0] - common;
    } else {
        common = region_common(a[0], a[2], b[0], b[2]) * region_common(a[1], a[3], b[1], b[3]);
        all = a[2] * a[3] + b[2] * b[3] - common;
    }
    if (all > 0)
        return fmin(1, common / all);
    return memcmp(a, b, count * sizeof *a) == 0;
}
