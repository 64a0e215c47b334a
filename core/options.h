/* options.h -- inside of option parsing (see <hone/option.h>).
 *
 *   option_value.c       one value: JSON to member and back
 *   options.c            tables: layers, unknown names, nested plugins
 *   options_describe.c   what is allowed, in words */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H

#include <hone/plugin.h>

enum { HONE_ALLOWED_MAX = 512 };

/* The instances being made, each for an option of the one above it. */
typedef struct hone_chain {
    const struct hone_chain *up;
    const char *kind, *name;
    bool bare; /* made with no options of its own */
} hone_chain;

/* Where the values of a table come from; the first that has one wins, then the
 * default. */
typedef struct hone_values {
    hone_context *context;     /* for plugins; may be NULL */
    const hone_json *given;    /* objects, or NULL */
    const hone_json *settings;
    bool plugin_key;           /* `given` names its plugin by the key "plugin" */
    const hone_chain *chain;
} hone_values;

/* hone_options_parse over layers, without `where`. Frees its own on failure. */
int hone_options_fill(const hone_option *options, void *self, const hone_values *values,
                      hone_json **effective, hone_error *err);

/* Convert a value (JSON null: unset) and store it. Not for PLUGIN and TABLE.
 * *effective: the value in force, new. */
int hone_option_store(const hone_option *option, void *member, const hone_json *value,
                      hone_json **effective, hone_error *err);
/* The default as JSON, new; null where it is unset. Not for TABLE. */
int hone_option_default(const hone_option *option, hone_json **out, hone_error *err);
void hone_option_release(const hone_option *option, void *member);
/* Bytes of the member; 0 for TABLE and types this hone does not know. */
size_t hone_option_width(hone_option_type type);

/* What a value may be: "> 0 and <= 10", "'a', 'b'"; "" where anything goes. */
const char *hone_option_allowed(const hone_option *option, char buf[HONE_ALLOWED_MAX]);
/* "a number", "a list of integers", ... */
const char *hone_option_expected(const hone_option *option);
/* The name of a type for `hone describe`. */
const char *hone_option_type_name(hone_option_type type);

/* Every default is a value that its option allows. */
int hone_options_check_defaults(const hone_option *options, hone_error *err);
bool hone_options_required(const hone_option *options);

#endif
