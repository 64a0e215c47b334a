/* ranks.c -- rank files as tiktoken reads them: a line a token, its bytes in
 * base64, a space, its rank, which is its id. https://github.com/openai/tiktoken
 *
 * Merges are implied: two neighbours are merged if their bytes together are a
 * token, the one of lowest rank first, the leftmost of these. A piece that is
 * a token as it stands is that token.
 *
 * The file says neither how text is split nor which special tokens follow. The
 * number of its lines tells the vocabularies that are known (below); for
 * others, option `pattern` names the split. */
#include "bpe.h"

#include <stdio.h>
#include <string.h>

/* Names with one %d stand for as many tokens as there are numbers. */
struct special {
    const char *name;
    int first, count; /* numbers */
};

struct family {
    size_t ranks;
    int pattern;
    bool nfc;
    const char *bos;
    struct special special[10];
};

/* cl100k_base: ids 100256 and from 100261 to 100275 are nothing's. */
static const struct family families[] = {
    { 50256, BPE_PATTERN_GPT2, false, NULL, { { "<|endoftext|>", 0, 1 } } },
    { 100256, BPE_PATTERN_LLAMA3, false, NULL,
      { { "<|unused_%d|>", 100256, 1 }, { "<|endoftext|>", 0, 1 }, { "<|fim_prefix|>", 0, 1 },
        { "<|fim_middle|>", 0, 1 }, { "<|fim_suffix|>", 0, 1 },
        { "<|unused_%d|>", 100261, 15 }, { "<|endofprompt|>", 0, 1 } } },
    { 128000, BPE_PATTERN_LLAMA3, false, "<|begin_of_text|>",
      { { "<|begin_of_text|>", 0, 1 }, { "<|end_of_text|>", 0, 1 },
        { "<|reserved_special_token_%d|>", 0, 4 }, { "<|start_header_id|>", 0, 1 },
        { "<|end_header_id|>", 0, 1 }, { "<|reserved_special_token_%d|>", 4, 1 },
        { "<|eot_id|>", 0, 1 }, { "<|reserved_special_token_%d|>", 5, 246 } } },
    { 151643, BPE_PATTERN_QWEN2, true, NULL,
      { { "<|endoftext|>", 0, 1 }, { "<|im_start|>", 0, 1 }, { "<|im_end|>", 0, 1 },
        { "<|extra_%d|>", 0, 205 } } },
};

static int ranks_digit(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26
         : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Bytes of n characters of base64, appended; false where it is none. */
static bool ranks_base64(const char *s, size_t n, hone_text *out, hone_error *err)
{
    size_t padding = n >= 2 && s[n - 1] == '=' ? 1 + (s[n - 2] == '=') : 0;
    uint32_t bits = 0;

    if (n == 0 || n % 4 != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = i < n - padding ? ranks_digit(s[i]) : 0;

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            const char bytes[3] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };
            size_t count = i + 1 < n ? 3 : 3 - padding;
            if (hone_text_push(out, bytes, count, err) != HONE_OK)
                return false;
            bits = 0;
        }
    }
    return true;
}

/* One line without its end; bytes are appended to out. */
static bool ranks_line(const char *line, size_t n, hone_text *out, int64_t *rank, hone_error *err)
{
    const char *space = memchr(line, ' ', n);
    size_t at;

    if (!space || !ranks_base64(line, (size_t)(space - line), out, err))
        return false;
    at = (size_t)(space - line) + 1;
    if (at == n || n - at > 9)
        return false;
    for (*rank = 0; at < n; at++) {
        if (line[at] < '0' || line[at] > '9')
            return false;
        *rank = 10 * *rank + (line[at] - '0');
    }
    return true;
}

/* The next line of bytes[*at..n), without its end; NULL behind the last. */
static const char *ranks_next(const char *bytes, size_t n, size_t *at, size_t *size)
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

bool bpe_ranks_are(const char *bytes, size_t n)
{
    hone_text token = {0};
    size_t at = 0, size;
    int64_t rank;
    const char *line = ranks_next(bytes, n, &at, &size);
    bool are = line && ranks_line(line, size, &token, &rank, NULL);

    hone_free(token.bytes);
    return are;
}

static int ranks_tokens(struct bpe_model *m, const char *bytes, size_t n, hone_error *err)
{
    hone_text token = {0};
    size_t at = 0, size, number = 0;
    const char *line;
    int code = HONE_OK;

    while (code == HONE_OK && (line = ranks_next(bytes, n, &at, &size))) {
        hone_error why = {0};
        int64_t rank;

        number++;
        if (size == 0)
            continue;
        token.count = 0;
        if (!ranks_line(line, size, &token, &rank, &why)) {
            code = why.code ? hone_fail(err, why.code, "%s", why.message)
                            : hone_fail(err, HONE_EFORMAT, "'%.*s' is no base64 text and a rank",
                                        (int)(size < 80 ? size : 80), line);
        } else {
            code = bpe_vocab_put(&m->vocab, rank, m->bound, token.bytes, token.count, BPE_MODEL,
                                 err);
        }
        if (code != HONE_OK)
            hone_fail_in(err, "line %zu", number);
    }
    hone_free(token.bytes);
    return code;
}

static const struct family *ranks_family(size_t ranks)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i].ranks == ranks)
            return &families[i];
    return NULL;
}

static int ranks_special(struct bpe_model *m, const struct family *family, hone_error *err)
{
    int code = HONE_OK;

    for (const struct special *s = family->special; s->name && code == HONE_OK; s++) {
        const char *hole = strstr(s->name, "%d");

        for (int i = 0; i < s->count && code == HONE_OK; i++) {
            char name[64];
            int n = hole ? snprintf(name, sizeof name, "%.*s%d%s", (int)(hole - s->name), s->name,
                                    s->first + i, hole + 2)
                         : snprintf(name, sizeof name, "%s", s->name);
            code = bpe_model_added(m, -1, name, (size_t)n, BPE_SPECIAL, err);
        }
    }
    return code;
}

static int ranks_pairs(struct bpe_model *m, size_t count, hone_error *err)
{
    uint32_t *rank = hone_alloc(m->vocab.count, sizeof *rank);
    int code;

    if (!rank)
        return hone_fail_memory(err, "ranks");
    for (size_t id = 0; id < m->vocab.count; id++)
        rank[id] = id < count ? (uint32_t)id : UINT32_MAX;
    code = bpe_model_pairs(m, rank, err);
    hone_free(rank);
    return code;
}

int bpe_ranks_read(struct bpe_model *m, const char *bytes, size_t n, int pattern, hone_error *err)
{
    const struct family *family;
    size_t lines = 0, at = 0, size, count;
    int code;

    while (ranks_next(bytes, n, &at, &size))
        lines += size > 0;
    m->byte_level = m->ignore_merges = true;
    m->bound = lines < (size_t)BPE_IDS_MAX ? (int64_t)lines : BPE_IDS_MAX;
    code = ranks_tokens(m, bytes, n, err);
    if (code != HONE_OK)
        return code;
    count = m->vocab.count;
    family = ranks_family(count);
    if (!family && pattern == BPE_PATTERN_AUTO)
        return hone_fail(err, HONE_EUNSUPPORTED,
                         "%zu ranks are no vocabulary known here (50256, 100256, 128000, 151643): "
                         "say how text is split with option 'pattern'", count);
    code = ranks_pairs(m, count, err);
    m->bound = BPE_IDS_MAX;
    if (code == HONE_OK && family)
        code = ranks_special(m, family, err);
    if (code != HONE_OK)
        return code;
    return bpe_pipeline_bytes(m, pattern ? pattern : family->pattern, family && family->nfc,
                              family && bpe_config_flag(m, "add_bos_token", true) ? family->bos
                                                                                : NULL,
                              NULL, err);
}
