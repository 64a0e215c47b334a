/* pattern.c -- the regular expressions that split a text into pieces.
 *
 * Three of them nearly every byte-level tokenizer uses; these are scanned by
 * hand. The rest is PCRE2's. Files are written for Oniguruma, from which PCRE2
 * differs in that U+180E counts as white space; ^ and $ match at lines in
 * both, as compiled here. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include "bpe.h"
#include "utf8.h"

#include <pcre2.h>
#include <string.h>

#define STEM "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

enum { JIT_STACK_MAX = 4 << 20, PATTERN_MAX = 1 << 16 };

struct bpe_pattern {
    int known;
    char *literal; /* NULL: an expression */
    size_t literal_size;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    pcre2_general_context *memory;
};

static const struct {
    int known;
    const char *text;
} patterns[] = {
    { BPE_PATTERN_GPT2, "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                        "\\s+(?!\\S)|\\s+" },
    { BPE_PATTERN_GPT2, "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                        "\\s+(?!\\S)|\\s+" },
    { BPE_PATTERN_LLAMA3, STEM "\\p{N}{1,3}" TAIL },
    { BPE_PATTERN_QWEN2, STEM "\\p{N}" TAIL },
};

const char *bpe_pattern_text(int known)
{
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (patterns[i].known == known)
            return patterns[i].text;
    return NULL;
}

int bpe_pattern_known(const struct bpe_pattern *p)
{
    return p->known;
}

/* ---- the known ones ---- */

/* ASCII's classes; \r and \n are looked at where they matter. */
#define O UTF8_OTHER
#define L UTF8_LETTER
#define N UTF8_NUMBER
#define S UTF8_SPACE
static const unsigned char ascii[128] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};
#undef O
#undef L
#undef N
#undef S

static inline enum utf8_class pattern_class(const char *s, size_t *size)
{
    if ((unsigned char)*s < 0x80) {
        *size = 1;
        return (enum utf8_class)ascii[(unsigned char)*s];
    }
    return utf8_classify(utf8_read(s, size));
}

/* The end of a run of at most `most` characters of a class. */
static inline size_t pattern_run(const char *s, size_t n, size_t at, enum utf8_class class,
                                 size_t most)
{
    size_t size;

    for (; at < n && most > 0 && pattern_class(s + at, &size) == class; most--)
        at += size;
    return at;
}

static bool pattern_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/* \s+(?!\S)|\s+ : of white space before something else, the last character is
 * left to what follows. */
static size_t pattern_spaces(const char *s, size_t n, size_t at)
{
    size_t end = pattern_run(s, n, at, UTF8_SPACE, SIZE_MAX), last;

    if (end == n)
        return end;
    last = utf8_back(s, end);
    return last > at ? last : end;
}

/* The end of 's 't 're 've 'm 'll 'd at an apostrophe, or `at`. */
static size_t pattern_contraction(const char *s, size_t n, size_t at, bool fold)
{
    unsigned char a = at + 1 < n ? (unsigned char)s[at + 1] : 0;
    unsigned char b = at + 2 < n ? (unsigned char)s[at + 2] : 0;

    if (fold) {
        if (a == 0xc5 && b == 0xbf) /* U+017F, the long s, folds to s */
            return at + 3;
        if (a >= 'A' && a <= 'Z')
            a += 'a' - 'A';
        if (b >= 'A' && b <= 'Z')
            b += 'a' - 'A';
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return at + 2;
    return (b == 'e' && (a == 'r' || a == 'v')) || (a == 'l' && b == 'l') ? at + 3 : at;
}

static size_t pattern_scan_gpt2(const char *s, size_t n, size_t at)
{
    size_t size, next = at;
    enum utf8_class class = pattern_class(s + at, &size);

    if (s[at] == '\'') {
        size_t end = pattern_contraction(s, n, at, false);
        if (end > at)
            return end;
    }
    if (s[at] == ' ' && at + 1 < n) {
        next = at + 1;
        class = pattern_class(s + next, &size);
    }
    if (class == UTF8_SPACE)
        return pattern_spaces(s, n, at);
    return pattern_run(s, n, next, class, SIZE_MAX);
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*` from its first such character. */
static size_t pattern_others(const char *s, size_t n, size_t at)
{
    at = pattern_run(s, n, at, UTF8_OTHER, SIZE_MAX);
    while (at < n && pattern_line_end(s[at]))
        at++;
    return at;
}

static size_t pattern_scan_llama3(const char *s, size_t n, size_t at, size_t digits)
{
    size_t size, size2, end;
    enum utf8_class class = pattern_class(s + at, &size), after = UTF8_SPACE;

    if (class == UTF8_LETTER)
        return pattern_run(s, n, at + size, UTF8_LETTER, SIZE_MAX);
    if (s[at] == '\'' && (end = pattern_contraction(s, n, at, true)) > at)
        return end;
    if (class == UTF8_NUMBER)
        return pattern_run(s, n, at, UTF8_NUMBER, digits);
    if (at + size < n)
        after = pattern_class(s + at + size, &size2);
    if (after == UTF8_LETTER && !pattern_line_end(s[at]))
        return pattern_run(s, n, at + size, UTF8_LETTER, SIZE_MAX);
    if (class == UTF8_OTHER)
        return pattern_others(s, n, at);
    if (s[at] == ' ' && after == UTF8_OTHER)
        return pattern_others(s, n, at + 1);

    end = pattern_run(s, n, at, UTF8_SPACE, SIZE_MAX);
    for (size_t i = end; i > at; i--)
        if (pattern_line_end(s[i - 1]))
            return i;
    return pattern_spaces(s, n, at);
}

size_t bpe_pattern_scan(int known, const char *s, size_t n, size_t at)
{
    if (known == BPE_PATTERN_GPT2)
        return pattern_scan_gpt2(s, n, at);
    return pattern_scan_llama3(s, n, at, known == BPE_PATTERN_LLAMA3 ? 3 : 1);
}

/* ---- the others ---- */

static void *pattern_malloc(size_t n, void *user)
{
    (void)user;
    return hone_alloc(n, 1);
}

static void pattern_mfree(void *p, void *user)
{
    (void)user;
    hone_free(p);
}

static int pattern_compile(struct bpe_pattern *p, const char *text, hone_error *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    int number, code = HONE_OK;
    PCRE2_SIZE offset;
    char message[160];

    if (!context)
        return hone_fail_memory(err, "a regular expression");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(context, PATTERN_MAX);
    p->code = pcre2_compile((PCRE2_SPTR)text, strlen(text),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                            &number, &offset, context);
    if (!p->code && number == PCRE2_ERROR_HEAP_FAILED) {
        code = hone_fail_memory(err, "a regular expression");
    } else if (!p->code) {
        pcre2_get_error_message(number, (PCRE2_UCHAR *)message, sizeof message);
        code = hone_fail(err, HONE_EFORMAT, "pattern '%.300s': %s (at byte %zu)", text, message,
                         (size_t)offset);
    }
    pcre2_compile_context_free(context);
    return code;
}

static int pattern_prepare(struct bpe_pattern *p, const char *text, hone_error *err)
{
    int code;

    p->memory = pcre2_general_context_create(pattern_malloc, pattern_mfree, NULL);
    if (!p->memory)
        return hone_fail_memory(err, "a regular expression");
    code = pattern_compile(p, text, err);
    if (code != HONE_OK)
        return code;
    p->match = pcre2_match_data_create_from_pattern(p->code, p->memory);
    p->context = pcre2_match_context_create(p->memory);
    if (!p->match || !p->context)
        return hone_fail_memory(err, "a regular expression");
    /* Without the just-in-time compiler it only takes longer. */
    if (pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0) {
        p->stack = pcre2_jit_stack_create(32768, JIT_STACK_MAX, p->memory);
        if (!p->stack)
            return hone_fail_memory(err, "a regular expression");
        pcre2_jit_stack_assign(p->context, NULL, p->stack);
    }
    return HONE_OK;
}

int bpe_pattern_new(struct bpe_pattern **out, const char *text, bool literal, hone_error *err)
{
    struct bpe_pattern *p = hone_alloc(1, sizeof *p);
    int code = HONE_OK;

    if (!p)
        return hone_fail_memory(err, "a pattern");
    if (literal) {
        p->literal = hone_strdup(text);
        p->literal_size = strlen(text);
        if (!p->literal)
            code = hone_fail_memory(err, "a pattern");
    } else {
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns && !p->known; i++)
            if (strcmp(text, patterns[i].text) == 0)
                p->known = patterns[i].known;
        if (!p->known)
            code = pattern_prepare(p, text, err);
    }
    if (code != HONE_OK) {
        bpe_pattern_free(p);
        return code;
    }
    *out = p;
    return HONE_OK;
}

void bpe_pattern_free(struct bpe_pattern *p)
{
    if (!p)
        return;
    pcre2_jit_stack_free(p->stack);
    pcre2_match_context_free(p->context);
    pcre2_match_data_free(p->match);
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->memory);
    hone_free(p->literal);
    hone_free(p);
}

static int pattern_find_literal(const struct bpe_pattern *p, const char *s, size_t n, size_t at,
                                size_t *start, size_t *stop)
{
    const char *hit = p->literal_size
                          ? memmem(s + at, n - at, p->literal, p->literal_size) : NULL;
    if (!hit)
        return 0;
    *start = (size_t)(hit - s);
    *stop = *start + p->literal_size;
    return 1;
}

int bpe_pattern_next(struct bpe_pattern *p, const char *s, size_t n, size_t at, size_t *start,
                     size_t *stop, hone_error *err)
{
    PCRE2_SIZE *found;
    char message[160];
    int count;

    if (p->literal)
        return pattern_find_literal(p, s, n, at, start, stop);
    if (p->known) {
        *start = at;
        *stop = at < n ? bpe_pattern_scan(p->known, s, n, at) : at;
        return at < n;
    }
    count = pcre2_match(p->code, (PCRE2_SPTR)s, n, at, PCRE2_NO_UTF_CHECK, p->match, p->context);
    if (count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (count < 0) {
        pcre2_get_error_message(count, (PCRE2_UCHAR *)message, sizeof message);
        return hone_fail(err, HONE_EINVAL, "splitting the text at byte %zu: %s", at, message);
    }
    found = pcre2_get_ovector_pointer(p->match);
    *start = found[0];
    *stop = found[1];
    if (*start < at || *stop < *start) /* \K in a lookaround may say so */
        return hone_fail(err, HONE_EUNSUPPORTED, "a pattern that matches backwards");
    return 1;
}
