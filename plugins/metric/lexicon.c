/* lexicon.c -- how much of a response is on a list of words and phrases.
 *
 *   share   words of the response that matches cover, of all its words
 *   count   matches
 *   any     1 where there is one, else 0
 *
 * Entries and response are cut into words (words.h), in normal form C and case
 * folded unless told otherwise; a phrase matches word by word, whatever stands
 * between its words. Matches do not overlap; the longest at a place counts.
 * An entry "@FILE" stands for the lines of a file. NA where there is no
 * response, and for the share of a response without words. */
#include <hone/metric.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

enum { SCORE_SHARE, SCORE_COUNT, SCORE_ANY };

#define FILE_MOST (64u << 20)

/* Words of a text, joined by single blanks. */
struct phrase {
    char *text;
    size_t words;
};

struct lexicon {
    hone_string_list words;
    int64_t score;
    bool fold;
    struct phrase *entries; /* sorted */
    size_t count, room;
    size_t longest;         /* words */
};

static const char *const scores[] = { "share", "count", "any", NULL };

static const hone_option options[] = {
    { .name = "words", .doc = "words and phrases; \"@FILE\" stands for the lines of a file",
      .type = HONE_OPTION_STRINGS, .flags = HONE_OPTION_REQUIRED,
      .offset = HONE_MEMBER(struct lexicon, words, hone_string_list) },
    HONE_OPT_CHOICE(struct lexicon, score, "score", "share", scores,
                    "share of words covered, count of matches, or any: 1 or 0"),
    HONE_OPT_BOOL(struct lexicon, fold, "fold", true, "whether case does not count"),
    HONE_OPT_END
};

/* The words of a text; starts (may be NULL) receives [words + 1] places in
 * phrase->text, the last behind its end. */
static int phrase_make(struct phrase *phrase, size_t **starts, const char *text, bool fold,
                       hone_error *err)
{
    char *normal = NULL;
    const char *at, *end, *word;
    size_t length, used = 0, room;
    int n, code = words_normal(&normal, text, fold, err);

    *phrase = (struct phrase){0};
    if (code)
        return code;
    at = normal;
    end = normal + strlen(normal);
    room = (size_t)(end - at);
    phrase->text = hone_alloc(2 * room + 2, 1);
    if (starts)
        *starts = hone_alloc(room + 2, sizeof **starts);
    if (!phrase->text || (starts && !*starts)) {
        hone_free(normal);
        return hone_fail_memory(err, "words");
    }
    while ((n = words_next(&at, end, &word, &length)) > 0) {
        if (starts)
            (*starts)[phrase->words] = used;
        memcpy(phrase->text + used, word, length);
        used += length;
        phrase->text[used++] = ' ';
        phrase->words++;
    }
    if (starts)
        (*starts)[phrase->words] = used;
    phrase->text[used ? used - 1 : 0] = '\0';
    hone_free(normal);
    return n < 0 ? hone_fail(err, HONE_EFORMAT, "a text that is not valid UTF-8") : HONE_OK;
}

/* ---- the list ---- */

static int lexicon_add(struct lexicon *o, const char *text, hone_error *err)
{
    struct phrase phrase;
    int code;

    if (o->count == o->room) {
        struct phrase *grown = hone_realloc(o->entries, 2 * o->room + 64, sizeof *grown);
        if (!grown)
            return hone_fail_memory(err, "words");
        o->entries = grown;
        o->room = 2 * o->room + 64;
    }
    code = phrase_make(&phrase, NULL, text, o->fold, err);
    if (!code && !phrase.words)
        code = hone_fail(err, HONE_EINVAL, "words: '%.80s' has no letter or digit", text);
    if (code) {
        hone_free(phrase.text);
        return code;
    }
    o->entries[o->count++] = phrase;
    o->longest = phrase.words > o->longest ? phrase.words : o->longest;
    return HONE_OK;
}

/* All of a file with a NUL behind it. */
static int file_text(char **out, const char *path, hone_error *err)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t used = 0, room = 0, got = 1;
    int code = f ? HONE_OK : hone_fail(err, HONE_EIO, "%s: %s", path, strerror(errno));

    while (!code && got) {
        if (used + 1 >= room) {
            char *grown = hone_realloc(text, room = 2 * room + 4096, 1);
            if (!grown) {
                code = hone_fail_memory(err, "a list of words");
                break;
            }
            text = grown;
        }
        got = fread(text + used, 1, room - used - 1, f);
        used += got;
        if (used > FILE_MOST)
            code = hone_fail(err, HONE_EINVAL, "%s: over %u bytes", path, FILE_MOST);
    }
    if (!code && ferror(f))
        code = hone_fail(err, HONE_EIO, "%s: %s", path, strerror(errno));
    if (!code && memchr(text, 0, used))
        code = hone_fail(err, HONE_EFORMAT, "%s: a zero byte; this is no text", path);
    if (f)
        fclose(f);
    if (code) {
        hone_free(text);
        return code;
    }
    text[used] = '\0';
    *out = text;
    return HONE_OK;
}

static int lexicon_add_file(struct lexicon *o, const char *path, hone_error *err)
{
    char *text = NULL, *line;
    size_t number = 0;
    int code = file_text(&text, path, err);

    for (char *next = text; !code && next;) {
        line = next;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        if (line[strspn(line, " \t\r")]) {
            code = lexicon_add(o, line, err);
            if (code)
                hone_fail_in(err, "%s:%zu", path, number);
        }
    }
    hone_free(text);
    return code;
}

static int phrase_compare(const void *a, const void *b)
{
    return strcmp(((const struct phrase *)a)->text, ((const struct phrase *)b)->text);
}

static int lexicon_init(void *self, hone_context *context, hone_error *err)
{
    struct lexicon *o = self;
    int code = HONE_OK;
    (void)context;

    for (size_t i = 0; i < o->words.count && !code; i++) {
        const char *entry = o->words.items[i];
        code = *entry == '@' ? lexicon_add_file(o, entry + 1, err) : lexicon_add(o, entry, err);
    }
    if (code)
        return code;
    if (!o->count)
        return hone_fail(err, HONE_EINVAL, "words is empty");
    qsort(o->entries, o->count, sizeof *o->entries, phrase_compare);
    return HONE_OK;
}

static void lexicon_close(void *self)
{
    struct lexicon *o = self;

    for (size_t i = 0; i < o->count; i++)
        hone_free(o->entries[i].text);
    hone_free(o->entries);
}

/* ---- scoring ---- */

struct key {
    const char *text;
    size_t length;
};

static int key_compare(const void *a, const void *b)
{
    const struct key *key = a;
    const char *entry = ((const struct phrase *)b)->text;
    int order = strncmp(key->text, entry, key->length);

    return order ? order : entry[key->length] ? -1 : 0;
}

/* Words of the longest entry that begins at word `from`, 0 for none. */
static size_t lexicon_match(const struct lexicon *o, const struct phrase *response,
                            const size_t *starts, size_t from)
{
    size_t left = response->words - from, most = left < o->longest ? left : o->longest;

    for (size_t n = most; n > 0; n--) {
        struct key key = { response->text + starts[from], starts[from + n] - 1 - starts[from] };
        if (bsearch(&key, o->entries, o->count, sizeof *o->entries, key_compare))
            return n;
    }
    return 0;
}

static int lexicon_score_one(const struct lexicon *o, hone_scores *out, size_t i,
                             const char *response, hone_error *err)
{
    struct phrase phrase = {0};
    size_t *starts = NULL, covered = 0, matches = 0;
    int code = phrase_make(&phrase, &starts, response, o->fold, err);

    if (code)
        goto out;
    for (size_t at = 0, n; at < phrase.words; at += n ? n : 1) {
        n = lexicon_match(o, &phrase, starts, at);
        covered += n;
        matches += n > 0;
    }
    if (o->score == SCORE_COUNT)
        hone_score_set(out, i, (double)matches);
    else if (o->score == SCORE_ANY)
        hone_score_set(out, i, matches > 0);
    else if (phrase.words)
        hone_score_set(out, i, (double)covered / (double)phrase.words);
    else
        hone_score_na(out, i);
out:
    hone_free(phrase.text);
    hone_free(starts);
    return code;
}

static int lexicon_score(void *self, hone_scores *out, const hone_samples *samples,
                         hone_error *err)
{
    const struct lexicon *o = self;

    for (size_t i = 0; i < hone_samples_count(samples); i++) {
        const char *response = hone_sample_response(samples, i);
        hone_error own = {0};
        int code;

        if (!response) {
            hone_score_na(out, i);
            continue;
        }
        code = lexicon_score_one(o, out, i, response, &own);
        if (code == HONE_EFORMAT)
            hone_score_fail(out, i, "%s", own.message);
        else if (code)
            return hone_fail(err, code, "%s", own.message);
    }
    return HONE_OK;
}

static const hone_metric_ops ops = {
    .size = sizeof ops, .init = lexicon_init, .close = lexicon_close, .score = lexicon_score,
};

HONE_PLUGIN(lexicon,
    .threadsafe = true, .kind = "metric", .version = "1.0",
    .summary = "share or count of words on a list",
    .instance_size = sizeof(struct lexicon), .options = options, .ops = &ops);
