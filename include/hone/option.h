/* option.h -- the options of a plugin, declared once.
 *
 * One table feeds the Lua constructor, libconfig files, `hone describe`, the
 * generated reference and every error message. Each entry names a member of
 * the plugin's instance struct; its C type is checked at compile time:
 *
 *   kind      member type         value in JSON, Lua or libconfig
 *   BOOL      bool                true, false
 *   INT       int64_t             integer in [min, max]
 *   REAL      double              finite number in a range, ends open or closed
 *   STRING    const char *        text; default may be NULL (unset)
 *   PATH      const char *        a file name, relative to the current folder; ~ is home
 *   CHOICE    int64_t             one of a list of words; the member is its index
 *   RANGE     hone_range          two numbers, low <= high
 *   INTS      hone_int_list       list of integers
 *   REALS     hone_real_list      list of numbers
 *   STRINGS   hone_string_list    list of texts
 *   PLUGIN    hone_instance *     a name, or a table { plugin = name, options }
 *   TABLE     a nested struct     a table with options of its own
 *
 * Strings, lists and plugin instances are owned and freed by the core. */
#ifndef HONE_OPTION_H
#define HONE_OPTION_H

#include <hone/json.h>

typedef struct hone_instance hone_instance;

typedef struct hone_range {
    double low, high;
} hone_range;

typedef struct hone_int_list {
    size_t count;
    int64_t *items;
} hone_int_list;

typedef struct hone_real_list {
    size_t count;
    double *items;
} hone_real_list;

typedef struct hone_string_list {
    size_t count;
    const char **items;
} hone_string_list;

typedef enum hone_option_type {
    HONE_OPTION_END = 0,
    HONE_OPTION_BOOL,
    HONE_OPTION_INT,
    HONE_OPTION_REAL,
    HONE_OPTION_STRING,
    HONE_OPTION_PATH,
    HONE_OPTION_CHOICE,
    HONE_OPTION_RANGE,
    HONE_OPTION_INTS,
    HONE_OPTION_REALS,
    HONE_OPTION_STRINGS,
    HONE_OPTION_PLUGIN,
    HONE_OPTION_TABLE
} hone_option_type;

/* Flags. */
enum {
    HONE_OPTION_REQUIRED = 1 << 0, /* no default: an absent value is an error */
    HONE_OPTION_OPEN_MIN = 1 << 1, /* value > min rather than >= */
    HONE_OPTION_OPEN_MAX = 1 << 2  /* value < max rather than <= */
};

/* One option. Filled by the macros below; new members are only appended, and
 * the plugin states the size it was built with. */
typedef struct hone_option {
    const char *name;
    const char *doc; /* one line, with the unit */
    hone_option_type type;
    uint32_t flags;
    size_t offset;
    int64_t int_default, int_min, int_max;
    double real_default, real_min, real_max;
    const char *text_default;           /* STRING, PATH, CHOICE, PLUGIN; lists: JSON text */
    const char *const *choices;         /* CHOICE: words, ends with NULL */
    const char *kind;                   /* PLUGIN: kind of plugin */
    const struct hone_option *options;  /* TABLE: its own options */
} hone_option;

/* An int or real member that was not given, where "unset" is a default. */
#define HONE_UNSET_INT INT64_MIN
#define HONE_UNSET_REAL (0.0 / 0.0)

/* offsetof, refused at compile time unless the member has the type named. */
#define HONE_MEMBER(T, m, type) \
    (offsetof(T, m) + 0 * sizeof(char[_Generic(&((T *)0)->m, type *: 1)]))
#define HONE_MEMBER_TEXT(T, m) \
    (offsetof(T, m) + 0 * sizeof(char[_Generic(&((T *)0)->m, const char **: 1, char **: 1)]))

#define HONE_OPT_BOOL(T, m, n, def, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_BOOL, \
      .offset = HONE_MEMBER(T, m, bool), .int_default = (def) }
#define HONE_OPT_INT(T, m, n, def, lo, hi, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_INT, \
      .offset = HONE_MEMBER(T, m, int64_t), \
      .int_default = (def), .int_min = (lo), .int_max = (hi) }
#define HONE_OPT_REAL(T, m, n, def, lo, hi, d) \
    HONE_OPT_REAL_FLAGS(T, m, n, def, lo, hi, 0, d)
#define HONE_OPT_REAL_FLAGS(T, m, n, def, lo, hi, f, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_REAL, .flags = (f), \
      .offset = HONE_MEMBER(T, m, double), \
      .real_default = (def), .real_min = (lo), .real_max = (hi) }
#define HONE_OPT_STRING(T, m, n, def, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_STRING, \
      .offset = HONE_MEMBER_TEXT(T, m), .text_default = (def) }
#define HONE_OPT_PATH(T, m, n, def, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_PATH, \
      .offset = HONE_MEMBER_TEXT(T, m), .text_default = (def) }
#define HONE_OPT_CHOICE(T, m, n, def, words, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_CHOICE, \
      .offset = HONE_MEMBER(T, m, int64_t), .text_default = (def), .choices = (words) }
#define HONE_OPT_RANGE(T, m, n, deflo, defhi, lo, hi, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_RANGE, \
      .offset = HONE_MEMBER(T, m, hone_range), \
      .text_default = "[" #deflo "," #defhi "]", .real_min = (lo), .real_max = (hi) }
#define HONE_OPT_INTS(T, m, n, json, lo, hi, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_INTS, \
      .offset = HONE_MEMBER(T, m, hone_int_list), \
      .text_default = (json), .int_min = (lo), .int_max = (hi) }
#define HONE_OPT_REALS(T, m, n, json, lo, hi, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_REALS, \
      .offset = HONE_MEMBER(T, m, hone_real_list), \
      .text_default = (json), .real_min = (lo), .real_max = (hi) }
#define HONE_OPT_STRINGS(T, m, n, json, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_STRINGS, \
      .offset = HONE_MEMBER(T, m, hone_string_list), .text_default = (json) }
#define HONE_OPT_PLUGIN(T, m, n, k, def, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_PLUGIN, \
      .offset = HONE_MEMBER(T, m, hone_instance *), .text_default = (def), .kind = (k) }
#define HONE_OPT_TABLE(T, m, n, opts, d) \
    { .name = (n), .doc = (d), .type = HONE_OPTION_TABLE, \
      .offset = offsetof(T, m), .options = (opts) }
#define HONE_OPT_END { .name = NULL, .type = HONE_OPTION_END }

#endif
