/* pairs.c -- vocabulary and merges in two files, as GPT-2 published them:
 * encoder.json (or vocab.json) holds { token: id }, vocab.bpe (or merges.txt)
 * a merge a line, "a b". Without the first, ids are as GPT-2 gave them: the
 * bytes in the order of their characters, the merges, <|endoftext|>. */
#include "bpe.h"
#include "utf8.h"

#include <string.h>

static const char *pairs_next(const char *bytes, size_t n, size_t *at, size_t *size)
{
    const char *line = bytes + *at, *end;

    if (*at >= n)
        return NULL;
    end = memchr(line, '\n', n - *at);
    *size = end ? (size_t)(end - line) : n - *at;
    *at += *size + (end != NULL);
    if (*size && line[*size - 1] == '\r')
        --*size;
    return line;
}

static bool pairs_comment(const char *line, size_t n)
{
    return n == 0 || (n >= 8 && memcmp(line, "#version", 8) == 0);
}

bool bpe_pairs_are(const char *bytes, size_t n)
{
    size_t at = 0, size;
    const char *line = pairs_next(bytes, n, &at, &size), *space;

    if (line && size && pairs_comment(line, size))
        return true;
    space = line ? memchr(line, ' ', size) : NULL;
    return space && space > line && space + 1 < line + size && utf8_check(line, size) == size &&
           !memchr(space + 1, ' ', size - (size_t)(space - line) - 1);
}

/* The vocabulary that merges imply. */
static int pairs_vocab(struct bpe_model *m, const char *bytes, size_t n, hone_error *err)
{
    size_t at = 0, size;
    const char *line;
    int code = HONE_OK;

    for (uint32_t c = 0; c <= 0x143 && code == HONE_OK; c++) {
        char text[4];
        if (bpe_char_byte(c) >= 0)
            code = bpe_model_token(m, (int64_t)m->vocab.count, text, utf8_write(c, text), err);
    }
    while (code == HONE_OK && (line = pairs_next(bytes, n, &at, &size))) {
        hone_text token = {0};
        const char *space = memchr(line, ' ', size);

        if (pairs_comment(line, size) || !space)
            continue;
        code = hone_text_push(&token, line, (size_t)(space - line), err);
        if (code == HONE_OK)
            code = hone_text_push(&token, space + 1, size - (size_t)(space - line) - 1, err);
        if (code == HONE_OK && bpe_model_find(m, token.bytes, token.count, err) < 0)
            code = bpe_model_token(m, (int64_t)m->vocab.count, token.bytes, token.count, err);
        hone_free(token.bytes);
    }
    return code == HONE_OK ? bpe_model_added(m, -1, "<|endoftext|>", 13, BPE_SPECIAL, err) : code;
}

int bpe_pairs_read(struct bpe_model *m, const json_t *vocab, const char *bytes, size_t n,
                   int pattern, hone_error *err)
{
    size_t at = 0, size, number = 0, bad = utf8_check(bytes, n);
    uint32_t rank = 0;
    const char *line;
    int code;

    if (bad < n)
        return hone_fail(err, HONE_EFORMAT, "the merges are not UTF-8 at byte %zu", bad);
    m->byte_level = true; /* as the pipeline will say */
    code = vocab ? bpe_pairs_vocab(m, vocab, 0, err) : pairs_vocab(m, bytes, n, err);
    while (code == HONE_OK && (line = pairs_next(bytes, n, &at, &size))) {
        number++;
        if (pairs_comment(line, size))
            continue;
        code = bpe_pairs_merge(m, rank++, line, size, err);
        if (code != HONE_OK)
            hone_fail_in(err, "line %zu", number);
    }
    m->bound = BPE_IDS_MAX;
    if (code == HONE_OK && vocab && bpe_model_find(m, "<|endoftext|>", 13, err) >= 0)
        code = bpe_model_added(m, -1, "<|endoftext|>", 13, BPE_SPECIAL, err);
    return code == HONE_OK ? bpe_pipeline_bytes(m, pattern ? pattern : BPE_PATTERN_GPT2, false,
                                                NULL, NULL, err) : code;
}
