/* consensus.c -- columns by item, annotator and option (see <hone/consensus.h>). */
#include <hone/consensus.h>

#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct column {
    char *name;
    size_t width;
    double *values; /* [rows, width] */
};

struct axis {
    size_t rows, count, capacity;
    struct column *columns;
    char **reasons; /* [rows]; NULL until someone explains */
};

struct hone_consensus {
    atomic_int refs;
    hone_judgements *judgements;
    struct axis axes[3];
    json_t *figures;
};

int hone_consensus_new(hone_consensus **out, const hone_judgements *judgements, hone_error *err)
{
    hone_consensus *c = hone_alloc(1, sizeof *c);

    *out = NULL;
    if (!c)
        return hone_fail_memory(err, "a consensus");
    atomic_init(&c->refs, 1);
    if (!(c->figures = json_object())) {
        hone_free(c);
        return hone_fail_memory(err, "a consensus");
    }
    c->judgements = hone_judgements_ref((hone_judgements *)(uintptr_t)judgements);
    c->axes[HONE_ITEMS].rows = hone_judgements_items(judgements);
    c->axes[HONE_ANNOTATORS].rows = hone_judgements_annotators(judgements);
    c->axes[HONE_OPTIONS].rows = hone_judgements_options(judgements);
    *out = c;
    return HONE_OK;
}

hone_consensus *hone_consensus_ref(hone_consensus *c)
{
    if (c)
        atomic_fetch_add(&c->refs, 1);
    return c;
}

static void axis_free(struct axis *axis)
{
    for (size_t i = 0; i < axis->count; i++) {
        hone_free(axis->columns[i].name);
        hone_free(axis->columns[i].values);
    }
    for (size_t i = 0; axis->reasons && i < axis->rows; i++)
        hone_free(axis->reasons[i]);
    hone_free(axis->columns);
    hone_free(axis->reasons);
}

void hone_consensus_free(hone_consensus *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    for (int i = 0; i < 3; i++)
        axis_free(&c->axes[i]);
    hone_judgements_free(c->judgements);
    json_decref(c->figures);
    hone_free(c);
}

const hone_judgements *hone_consensus_judgements(const hone_consensus *c)
{
    return c->judgements;
}

/* ---- columns ---- */

static struct column *axis_find(const struct axis *axis, const char *name)
{
    for (size_t i = 0; i < axis->count; i++)
        if (strcmp(axis->columns[i].name, name) == 0)
            return &axis->columns[i];
    return NULL;
}

static int axis_grow(struct axis *axis, hone_error *err)
{
    size_t capacity = axis->capacity ? 2 * axis->capacity : 8;
    struct column *grown;

    if (axis->count < axis->capacity)
        return HONE_OK;
    if (!(grown = hone_realloc(axis->columns, capacity, sizeof *grown)))
        return hone_fail_memory(err, "a consensus");
    axis->columns = grown;
    axis->capacity = capacity;
    return HONE_OK;
}

double *hone_consensus_column(hone_consensus *c, hone_axis which, const char *name, size_t width,
                              hone_error *err)
{
    struct axis *axis = &c->axes[which];
    struct column *column = axis_find(axis, name), made = { NULL, width, NULL };
    size_t count = axis->rows * width;

    if (column && column->width == width)
        return column->values;
    if (column) {
        hone_fail(err, HONE_EINVAL, "column '%s' has width %zu, not %zu", name, column->width,
                  width);
        return NULL;
    }
    if (axis_grow(axis, err))
        return NULL;
    made.name = hone_strdup(name);
    if (width && count / width == axis->rows)
        made.values = hone_alloc(count ? count : 1, sizeof(double));
    if (!made.name || !made.values) {
        hone_free(made.name);
        hone_free(made.values);
        hone_fail_memory(err, name);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        made.values[i] = NAN;
    axis->columns[axis->count++] = made;
    return made.values;
}

const double *hone_consensus_get(const hone_consensus *c, hone_axis axis, const char *name,
                                 size_t *width)
{
    const struct column *column = axis_find(&c->axes[axis], name);

    if (width)
        *width = column ? column->width : 0;
    return column ? column->values : NULL;
}

size_t hone_consensus_columns(const hone_consensus *c, hone_axis axis)
{
    return c->axes[axis].count;
}

const char *hone_consensus_name(const hone_consensus *c, hone_axis axis, size_t i)
{
    return i < c->axes[axis].count ? c->axes[axis].columns[i].name : NULL;
}

/* ---- reasons ---- */

int hone_consensus_explain(hone_consensus *c, hone_axis which, size_t row, hone_error *err,
                           const char *fmt, ...)
{
    struct axis *axis = &c->axes[which];
    char *text, *before;
    va_list args;

    if (row >= axis->rows)
        return hone_fail(err, HONE_EINVAL, "row %zu of %zu", row, axis->rows);
    if (!axis->reasons && !(axis->reasons = hone_alloc(axis->rows, sizeof *axis->reasons)))
        return hone_fail_memory(err, "reasons");
    va_start(args, fmt);
    text = hone_vformat(fmt, args);
    va_end(args);
    before = axis->reasons[row];
    if (text && before) {
        char *both = hone_format("%s; %s", before, text);
        hone_free(text);
        text = both;
    }
    if (!text)
        return hone_fail_memory(err, "a reason");
    hone_free(before);
    axis->reasons[row] = text;
    return HONE_OK;
}

const char *hone_consensus_reason(const hone_consensus *c, hone_axis which, size_t row)
{
    const struct axis *axis = &c->axes[which];

    return axis->reasons && row < axis->rows ? axis->reasons[row] : NULL;
}

/* ---- figures ---- */

int hone_consensus_set_json(hone_consensus *c, const char *key, hone_json *value, hone_error *err)
{
    return json_object_set_new(c->figures, key, value) ? hone_fail_memory(err, key) : HONE_OK;
}

int hone_consensus_set(hone_consensus *c, const char *key, double value, hone_error *err)
{
    if (!isfinite(value))
        return hone_fail(err, HONE_ENUMERIC, "figure '%s' is %g", key, value);
    return hone_consensus_set_json(c, key, value == (double)(json_int_t)value && fabs(value) < 1e15
                                   ? json_integer((json_int_t)value) : json_real(value), err);
}

const hone_json *hone_consensus_figures(const hone_consensus *c)
{
    return c->figures;
}

/* ---- decision ---- */

static void decide(const double *posterior, size_t labels, double *label, double *confidence)
{
    size_t best = 0;
    bool tie = false;

    *label = *confidence = NAN;
    for (size_t k = 0; k < labels; k++) {
        if (isnan(posterior[k]))
            return;
        if (k > 0 && fabs(posterior[k] - posterior[best]) <= 1e-12) {
            tie = true;
        } else if (posterior[k] > posterior[best]) {
            best = k;
            tie = false;
        }
    }
    if (labels)
        *confidence = posterior[best];
    if (labels && !tie)
        *label = (double)best;
}

int hone_consensus_decide(hone_consensus *c, hone_error *err)
{
    size_t labels;
    const double *posterior = hone_consensus_get(c, HONE_ITEMS, "posterior", &labels);
    double *label = hone_consensus_column(c, HONE_ITEMS, "label", 1, err);
    double *confidence = label ? hone_consensus_column(c, HONE_ITEMS, "confidence", 1, err) : NULL;

    if (!confidence)
        return err && err->code ? err->code : HONE_ENOMEM;
    if (!posterior)
        return hone_fail(err, HONE_ESTATE, "there is no column 'posterior' to decide from");
    for (size_t i = 0; i < c->axes[HONE_ITEMS].rows; i++)
        decide(posterior + i * labels, labels, &label[i], &confidence[i]);
    return HONE_OK;
}
