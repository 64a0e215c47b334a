/* pipeline.c -- pipelines as tokenizer.json would write them, for files that
 * imply theirs: one way to set a model up, and to save it. */
#include "bpe.h"

#include <string.h>

static json_t *pipeline_template(struct bpe_model *m, const char *prefix, const char *suffix,
                                 hone_error *err)
{
    const char *names[2] = { prefix, suffix };
    json_t *tokens = json_object(), *single = json_array(), *pair = json_array();
    int failed = 0;

    for (int text = 0; text < 2; text++) { /* "A", and for pairs "B" */
        for (int side = 0; side < 3; side++) {
            json_t *item;

            if (side == 1)
                item = json_pack("{s:{s:s,s:i}}", "Sequence", "id", text ? "B" : "A", "type_id",
                                 text);
            else if (names[side / 2])
                item = json_pack("{s:{s:s,s:i}}", "SpecialToken", "id", names[side / 2],
                                 "type_id", text);
            else
                continue;
            if (!text)
                failed |= json_array_append(single, item);
            failed |= json_array_append_new(pair, item);
        }
    }
    for (int side = 0; side < 2; side++) {
        int32_t id = names[side] ? bpe_model_find(m, names[side], strlen(names[side]), err) : -1;
        if (id >= 0)
            failed |= json_object_set_new(tokens, names[side],
                                          json_pack("{s:s,s:[i],s:[s]}", "id", names[side], "ids",
                                                    (int)id, "tokens", names[side]));
    }
    if (failed) {
        json_decref(tokens);
        tokens = NULL; /* and packing fails */
    }
    return json_pack("{s:s,s:o,s:o,s:o}", "type", "TemplateProcessing", "single", single, "pair",
                     pair, "special_tokens", tokens);
}

/* Takes the steps; made: none of those that there should be is missing. */
static int pipeline_set(struct bpe_model *m, json_t *normalizer, json_t *pretokenizer,
                        json_t *processor, json_t *decoder, bool made, hone_error *err)
{
    int code = made ? bpe_model_pipeline(m, normalizer, pretokenizer, processor, decoder, err)
                    : hone_fail_memory(err, "a tokenizer's steps");
    json_decref(normalizer);
    json_decref(pretokenizer);
    json_decref(processor);
    json_decref(decoder);
    return code;
}

int bpe_pipeline_bytes(struct bpe_model *m, int pattern, bool nfc, const char *prefix,
                       const char *suffix, hone_error *err)
{
    json_t *split, *processor = NULL, *normalizer = nfc ? json_pack("{s:s}", "type", "NFC") : NULL;
    json_t *byte_level = json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                                   "trim_offsets", 1, "use_regex", pattern == BPE_PATTERN_GPT2);
    json_t *decoder = hone_json_copy(byte_level, true);

    split = byte_level;
    if (pattern != BPE_PATTERN_GPT2)
        split = json_pack("{s:s,s:[{s:s,s:{s:s},s:s,s:b},o]}", "type", "Sequence", "pretokenizers",
                          "type", "Split", "pattern", "Regex", bpe_pattern_text(pattern),
                          "behavior", "Isolated", "invert", 0, byte_level);
    if (prefix || suffix)
        processor = pipeline_template(m, prefix, suffix, err);
    return pipeline_set(m, normalizer, split, processor, decoder,
                        split && decoder && (normalizer || !nfc) &&
                            (processor || !(prefix || suffix)), err);
}

int bpe_pipeline_spaces(struct bpe_model *m, bool prepend, bool trim, const char *prefix,
                        const char *suffix, hone_error *err)
{
    static const char mark[] = "\xe2\x96\x81";
    json_t *before = json_array(), *after, *processor = NULL;
    int failed = 0;

    if (trim) {
        failed |= json_array_append_new(before, json_pack("{s:s,s:b,s:b}", "type", "Strip",
                                                          "strip_left", 1, "strip_right", 1));
        failed |= json_array_append_new(before, json_pack("{s:s,s:{s:s},s:s}", "type", "Replace",
                                                          "pattern", "Regex", " {2,}", "content",
                                                          " "));
    }
    if (prepend)
        failed |= json_array_append_new(before, json_pack("{s:s,s:s}", "type", "Prepend",
                                                          "prepend", mark));
    failed |= json_array_append_new(before, json_pack("{s:s,s:{s:s},s:s}", "type", "Replace",
                                                      "pattern", "String", " ", "content", mark));
    after = json_pack("[{s:s,s:{s:s},s:s},{s:s},{s:s}]", "type", "Replace", "pattern", "String",
                      mark, "content", " ", "type", "ByteFallback", "type", "Fuse");
    if (prepend)
        failed |= json_array_append_new(after, json_pack("{s:s,s:s,s:i,s:i}", "type", "Strip",
                                                         "content", " ", "start", 1, "stop", 0));
    if (prefix || suffix)
        processor = pipeline_template(m, prefix, suffix, err);
    before = json_pack("{s:s,s:o}", "type", "Sequence", "normalizers", before);
    after = json_pack("{s:s,s:o}", "type", "Sequence", "decoders", after);
    return pipeline_set(m, before, NULL, processor, after,
                        !failed && before && after && (processor || !(prefix || suffix)), err);
}
