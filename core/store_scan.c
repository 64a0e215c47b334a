/* store_scan.c -- a line of JSON as a row of an import, in one pass and without a
 * tree: what is written down is the canonical text already (hone_store_canonical).
 *
 * Only what most lines hold is taken: everything rare or wrong is left to the
 * parser, which has the same say about both (store_rows.h). So this file gives no
 * messages, and a mistake in it could only be to take what the parser would refuse,
 * or to write it otherwise: tests/test_store_scan.c compares them.
 *
 * Texts stand in JSON as they would be written, unless they escape what needs no
 * escape. Members are written in the order they come and sorted after, if they
 * were not. Numbers are taken as they stand where that is the shortest form. */
#include "data/reader.h"
#include "store_rows.h"
#include "text.h"

#include <math.h>
#include <string.h>

enum { SCAN_DEPTH = 64, SCAN_MEMBERS = 32, SCAN_DIGITS = 15 };

struct scan {
    const char *at;     /* a NUL ends the line */
    hone_text *out;
    int depth;
    bool escaped;       /* the last text had an escape in it */
    int64_t elements;   /* of the last list */
    bool no_memory;
};

/* Members of an object in `out`: where each begins, and the bytes of its key. */
struct members {
    size_t n, start[SCAN_MEMBERS], key[SCAN_MEMBERS], end;
};

/* Room for n more bytes, so that what is put may stand in `out` itself. */
static bool scan_room(struct scan *s, size_t n)
{
    size_t capacity = s->out->count + n + 1;
    char *bytes;

    if (capacity <= s->out->capacity)
        return true;
    capacity += capacity / 2;
    if (!(bytes = hone_realloc(s->out->bytes, capacity, 1))) {
        s->no_memory = true;
        return false;
    }
    s->out->bytes = bytes;
    s->out->capacity = capacity;
    return true;
}

static bool scan_put(struct scan *s, const char *bytes, size_t n)
{
    if (n >= s->out->capacity - s->out->count && !scan_room(s, n))
        return false;
    memcpy(s->out->bytes + s->out->count, bytes, n);
    s->out->count += n;
    return true;
}

static char scan_blank(struct scan *s)
{
    while (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n')
        s->at++;
    return *s->at;
}

/* ---- values ---- */

static bool scan_text(struct scan *s)
{
    const char *start = s->at++;
    bool wide = false;

    s->escaped = false;
    for (; *s->at != '"'; s->at++) {
        unsigned char c = (unsigned char)*s->at;

        wide = wide || c >= 0x80;
        if (c == '\\') {
            s->escaped = true;
            if (!*++s->at || !strchr("\"\\bfnrt", *s->at))
                return false;
        } else if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    s->at++;
    if (wide && data_utf8(start, (size_t)(s->at - start)) != (size_t)(s->at - start))
        return false;
    return scan_put(s, start, (size_t)(s->at - start));
}

static size_t scan_digits(struct scan *s)
{
    const char *start = s->at;

    while (*s->at >= '0' && *s->at <= '9')
        s->at++;
    return (size_t)(s->at - start);
}

/* A number's form: digits before and after the point, and whether it has an exponent. */
struct number {
    const char *start;
    size_t n, whole, part;
    bool negative, exponent, zero; /* zero: nothing before the point but one 0 */
};

static bool scan_digits_of(struct scan *s, struct number *x)
{
    *x = (struct number){ .start = s->at, .negative = *s->at == '-' };
    s->at += x->negative;
    x->zero = *s->at == '0';
    x->whole = scan_digits(s);
    if (x->whole == 0 || (x->zero && x->whole > 1))
        return false;
    if (*s->at == '.') {
        s->at++;
        if ((x->part = scan_digits(s)) == 0)
            return false;
    }
    if (*s->at == 'e' || *s->at == 'E') {
        x->exponent = true;
        s->at++;
        s->at += *s->at == '+' || *s->at == '-';
        if (scan_digits(s) == 0)
            return false;
    }
    x->n = (size_t)(s->at - x->start);
    return true;
}

static bool scan_number(struct scan *s)
{
    char text[HONE_REAL_MAX + 2];
    struct number x;
    double value;

    if (!scan_digits_of(s, &x))
        return false;
    if (!x.part && !x.exponent)
        return x.whole <= 18 && !(x.negative && x.zero) && scan_put(s, x.start, x.n);
    /* At most 15 digits are kept by a double; no blank zeros, no exponent that is due. */
    if (!x.exponent && x.whole + x.part <= SCAN_DIGITS && x.start[x.n - 1] != '0' &&
        (!x.zero || x.start[x.n - x.part] != '0'))
        return scan_put(s, x.start, x.n);
    if (x.n >= sizeof text)
        return false;
    value = hone_strtod(x.start, NULL);
    if (!isfinite(value))
        return false;
    hone_print_real(text, value);
    if (!strpbrk(text, ".e"))
        strcat(text, ".0"); /* or it would come back as an integer */
    return scan_put(s, text, strlen(text));
}

static bool scan_word(struct scan *s, const char *word, size_t n)
{
    if (strncmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return scan_put(s, word, n);
}

static bool scan_value(struct scan *s);

static bool scan_list(struct scan *s)
{
    int64_t n = 0;

    s->at++;
    if (!scan_put(s, "[", 1))
        return false;
    while (scan_blank(s) != ']') {
        if (n++ && (*s->at++ != ',' || !scan_put(s, ",", 1)))
            return false;
        if (!scan_value(s))
            return false;
    }
    s->at++;
    s->elements = n;
    return scan_put(s, "]", 1);
}

/* ---- objects ---- */

/* As strcmp has it for keys a and b: neither has a NUL or an escape. */
static int members_compare(const struct scan *s, const struct members *m, size_t a, size_t b)
{
    size_t n = m->key[a] < m->key[b] ? m->key[a] : m->key[b];
    int order = memcmp(s->out->bytes + m->start[a] + 1, s->out->bytes + m->start[b] + 1, n);

    return order ? order : (m->key[a] > m->key[b]) - (m->key[a] < m->key[b]);
}

/* The members in the order of their keys: copied behind the last, and moved back. false:
 * two keys are the same. */
static bool members_sort(struct scan *s, struct members *m)
{
    struct members sorted = { .n = m->n, .end = m->end };
    size_t order[SCAN_MEMBERS], first = m->start[0], size = m->end - first, at = first;

    if (!scan_room(s, size))
        return false;
    for (size_t i = 0; i < m->n; i++) {
        size_t j = i;
        for (; j && members_compare(s, m, order[j - 1], i) > 0; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    for (size_t i = 0; i < m->n; i++) {
        size_t k = order[i], end = k + 1 < m->n ? m->start[k + 1] - 1 : m->end;

        if (i && members_compare(s, m, order[i - 1], k) == 0)
            return false;
        sorted.start[i] = at;
        sorted.key[i] = m->key[k];
        at += end - m->start[k] + 1;
        if ((i && !scan_put(s, ",", 1)) ||
            !scan_put(s, s->out->bytes + m->start[k], end - m->start[k]))
            return false;
    }
    memmove(s->out->bytes + first, s->out->bytes + m->end, size);
    s->out->count = m->end;
    *m = sorted;
    return true;
}

static bool scan_members(struct scan *s, struct members *m)
{
    bool sorted = true;

    m->n = 0;
    s->at++;
    if (!scan_put(s, "{", 1))
        return false;
    while (scan_blank(s) != '}') {
        if (m->n == SCAN_MEMBERS || (m->n && (*s->at++ != ',' || !scan_put(s, ",", 1))))
            return false;
        m->start[m->n] = s->out->count;
        if (scan_blank(s) != '"' || !scan_text(s) || s->escaped)
            return false;
        m->key[m->n] = s->out->count - m->start[m->n] - 2;
        sorted = sorted && (!m->n || members_compare(s, m, m->n - 1, m->n) < 0);
        if (scan_blank(s) != ':' || (s->at++, !scan_put(s, ":", 1)) || !scan_value(s))
            return false;
        m->n++;
    }
    s->at++;
    m->end = s->out->count;
    return (sorted || members_sort(s, m)) && scan_put(s, "}", 1);
}

static bool scan_value(struct scan *s)
{
    struct members m;
    bool taken;

    switch (scan_blank(s)) {
    case '"': return scan_text(s);
    case 't': return scan_word(s, "true", 4);
    case 'f': return scan_word(s, "false", 5);
    case 'n': return scan_word(s, "null", 4);
    case '{':
    case '[':
        if (s->depth == SCAN_DEPTH)
            return false;
        s->depth++;
        taken = *s->at == '[' ? scan_list(s) : scan_members(s, &m);
        s->depth--;
        return taken;
    default: return scan_number(s);
    }
}

/* ---- the fields of a row ---- */

static bool scan_json(struct scan *s, size_t *place, char first)
{
    *place = s->out->count;
    return scan_blank(s) != 'n' && (!first || *s->at == first) && scan_value(s) &&
           scan_put(s, "", 1);
}

/* A text that is not empty, without its quotes. */
static bool scan_name(struct scan *s, size_t *place)
{
    *place = s->out->count + 1;
    if (scan_blank(s) != '"' || !scan_text(s) || s->escaped || s->out->count - *place < 2)
        return false;
    s->out->bytes[s->out->count - 1] = '\0';
    return true;
}

/* A number >= 0. A whole number below 2^53 by a power of ten up to 22 is exact, and so
 * the quotient is rounded once, as strtod would. */
static bool scan_real(struct scan *s, double *out)
{
    static const double tens[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15 };
    struct number x;
    int64_t whole = 0;

    scan_blank(s);
    if (!scan_digits_of(s, &x) || x.negative)
        return false;
    if (x.exponent || x.whole + x.part > SCAN_DIGITS) {
        *out = hone_strtod(x.start, NULL);
        return isfinite(*out) && (x.part || x.exponent || x.whole <= 18);
    }
    for (size_t i = 0; i < x.n; i++)
        if (x.start[i] != '.')
            whole = 10 * whole + (x.start[i] - '0');
    *out = (double)whole / tens[x.part];
    return true;
}

static bool scan_answers(struct scan *s, store_place *p)
{
    struct members m;

    p->answers = s->out->count;
    if (scan_blank(s) != '{' || !scan_members(s, &m) || !scan_put(s, "", 1))
        return false;
    p->asks = s->out->count;
    p->ask_count = m.n;
    if (!scan_room(s, m.end - p->answers))
        return false;
    for (size_t i = 0; i < m.n; i++)
        if (!scan_put(s, s->out->bytes + m.start[i] + 1, m.key[i]) || !scan_put(s, "", 1))
            return false;
    return true;
}

enum { CONTENT, ITEM, ANNOTATOR, KEY, ANSWERS, ORDER, SECONDS, AT, FIELDS };

static bool scan_field(struct scan *s, int field, store_place *p)
{
    switch (field) {
    case CONTENT: return scan_json(s, &p->content, 0);
    case ITEM: return scan_name(s, &p->item);
    case ANNOTATOR: return scan_name(s, &p->annotator);
    case KEY: return scan_name(s, &p->key);
    case ANSWERS: return scan_answers(s, p);
    case ORDER: return scan_json(s, &p->order, '[') && (p->sides = s->elements, true);
    case SECONDS: return scan_real(s, &p->seconds);
    case AT: return scan_real(s, &p->at);
    default: return false;
    }
}

/* Which field's name, with its quotes, stands here; FIELDS: another. */
static int scan_which(struct scan *s)
{
    static const char *const names[] = { "\"content\"", "\"item\"", "\"annotator\"", "\"key\"",
                                         "\"answers\"", "\"order\"", "\"seconds\"", "\"at\"" };
    static const unsigned char sizes[] = { 9, 6, 11, 5, 9, 7, 9, 4 };

    for (int i = 0; i < FIELDS; i++)
        if (strncmp(s->at, names[i], sizes[i]) == 0) {
            s->at += sizes[i];
            return i;
        }
    return FIELDS;
}

static bool scan_row(struct scan *s, store_place *p, const char *end)
{
    unsigned seen = 0;

    *p = (store_place){ .content = STORE_NONE, .item = STORE_NONE, .annotator = STORE_NONE,
                        .key = STORE_NONE, .order = STORE_NONE, .seconds = -1, .at = -1 };
    if (scan_blank(s) != '{')
        return false;
    s->at++;
    while (scan_blank(s) != '}') {
        int field;
        if (seen && *s->at++ != ',')
            return false;
        scan_blank(s);
        field = scan_which(s);
        if (field == FIELDS || seen >> field & 1 || scan_blank(s) != ':')
            return false;
        s->at++;
        if (!scan_field(s, field, p))
            return false;
        seen |= 1u << field;
    }
    s->at++;
    scan_blank(s);
    return s->at == end && seen >> ANNOTATOR & 1 && seen >> ANSWERS & 1;
}

int store_rows_scan(store_rows *rows, const char *line, size_t n, hone_error *err)
{
    struct scan s = { .at = line, .out = &rows->text };
    size_t before = rows->text.count;
    int code = store_rows_grow(rows, err);

    if (code != HONE_OK)
        return code;
    if (scan_row(&s, &rows->places[rows->count], line + n)) {
        rows->count++;
        return 1;
    }
    rows->text.count = before;
    return s.no_memory ? hone_fail_memory(err, "a row") : 0;
}
