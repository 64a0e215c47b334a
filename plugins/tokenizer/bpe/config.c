/* config.c -- what stands beside a tokenizer: which of its tokens begin and
 * end a text (tokenizer_config.json, special_tokens_map.json), and tokens that
 * only tokenizer_config.json adds. */
#include "bpe.h"

#include <stdlib.h>
#include <string.h>

const char *const bpe_role_names[BPE_ROLES] = { "bos", "eos", "pad", "unk" };

static int config_file(json_t **out, const char *folder, const char *name, hone_error *err)
{
    char *path = hone_format("%s/%s", folder, name);
    int code = path ? hone_json_read(out, path, err) : hone_fail_memory(err, "a path");

    hone_free(path);
    if (code == HONE_ENOTFOUND) {
        *out = NULL;
        code = HONE_OK;
    }
    if (code == HONE_OK && *out && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        code = hone_fail(err, HONE_EFORMAT, "%s/%s: no object", folder, name);
    }
    return code;
}

int bpe_config_read(struct bpe_model *m, const char *folder, hone_error *err)
{
    return config_file(&m->config_json, folder, "tokenizer_config.json", err);
}

const char *bpe_config_text(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);

    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

bool bpe_config_flag(const struct bpe_model *m, const char *key, bool absent)
{
    return bpe_step_flag(m->config_json, key, absent);
}

/* Ids that are keys: "32000". */
static int64_t config_id(const char *text)
{
    int64_t id = 0;

    if (!*text || strlen(text) > 9)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        id = 10 * id + (*text - '0');
    }
    return id;
}

int bpe_config_added(struct bpe_model *m, hone_error *err)
{
    const json_t *list = json_object_get(m->config_json, "added_tokens_decoder");
    const char *key;
    json_t *token;

    json_object_foreach((json_t *)list, key, token) {
        const char *text = bpe_config_text(list, key);
        uint32_t flags = 0;
        int code;

        if (!text || !*text || config_id(key) < 0)
            return hone_fail(err, HONE_EFORMAT,
                             "tokenizer_config.json: added_tokens_decoder: '%.40s' is no id with "
                             "a token", key);
        flags |= bpe_step_flag(token, "special", false) ? BPE_SPECIAL : 0;
        flags |= bpe_step_flag(token, "single_word", false) ? BPE_WORD : 0;
        flags |= bpe_step_flag(token, "lstrip", false) ? BPE_LSTRIP : 0;
        flags |= bpe_step_flag(token, "rstrip", false) ? BPE_RSTRIP : 0;
        code = bpe_model_added(m, config_id(key), text, strlen(text), flags, err);
        if (code != HONE_OK)
            return hone_fail_in(err, "tokenizer_config.json");
    }
    return HONE_OK;
}

/* Names in common use, for folders that do not say. */
static int32_t config_guess(struct bpe_model *m, int role, hone_error *err)
{
    static const char *const names[BPE_ROLES][7] = {
        { "<s>", "<|begin_of_text|>", "<bos>", "<|endoftext|>" },
        { "</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>", "<|eot_id|>", "<|im_end|>" },
        { "<pad>", "<|pad|>", "[PAD]" },
        { "<unk>", "[UNK]" },
    };

    for (const char *const *name = names[role]; *name; name++) {
        int32_t id = bpe_model_find(m, *name, strlen(*name), err);
        if (id >= 0 && m->vocab.tokens[id].flags & BPE_ADDED)
            return id;
    }
    return -1;
}

static int32_t config_role(struct bpe_model *m, const json_t *map, int role, hone_error *err)
{
    const json_t *files[2] = { m->config_json, map };
    char key[16];

    strcpy(key, bpe_role_names[role]);
    strcat(key, "_token");
    for (int i = 0; i < 2; i++) {
        const char *text = bpe_config_text(files[i], key);

        if (text) {
            int32_t id = bpe_model_find(m, text, strlen(text), err);
            if (id >= 0)
                return id;
        } else if (json_is_null(json_object_get(files[i], key))) {
            return -1;
        }
    }
    if (m->roles[role] >= 0)
        return m->roles[role];
    if (role == BPE_BOS && m->prefix.count)
        return m->prefix.items[0];
    return config_guess(m, role, err);
}

int bpe_config_roles(struct bpe_model *m, const char *folder, hone_error *err)
{
    json_t *map = NULL;
    int code = folder ? config_file(&map, folder, "special_tokens_map.json", err) : HONE_OK;

    for (int role = 0; role < BPE_ROLES && code == HONE_OK; role++)
        m->roles[role] = config_role(m, map, role, err);
    json_decref(map);
    return code;
}
