/* adapter.c -- adapters from any bytes: adapter_config.json up to the first
 * NUL, adapter_model.safetensors after it. What loads can be merged. */
#include "folder.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char config[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 8, \"num_hidden_layers\": 1,"
    " \"num_attention_heads\": 2, \"intermediate_size\": 8, \"vocab_size\": 8}";

static hone_model *fuzz_model(void)
{
    static hone_model *model;
    hone_json *json = NULL;

    if (!model && (hone_json_parse(&json, config, sizeof config - 1, "config", NULL) != HONE_OK ||
                   hone_model_new(&model, fuzz_context(), json, NULL, 1, NULL) != HONE_OK))
        abort();
    hone_json_free(json);
    return model;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *nul = n ? memchr(bytes, 0, n) : NULL;
    size_t first = nul ? (size_t)(nul - bytes) : n;
    hone_model *model = fuzz_model();
    hone_error err = {0};

    fuzz_write("adapter_config.json", bytes, first);
    fuzz_write("adapter_model.safetensors", nul ? nul + 1 : bytes, nul ? n - first - 1 : 0);
    if (hone_strategy_load(model, fuzz_folder(), &err) == HONE_OK) {
        if (hone_strategy_merge(model, true, &err) != HONE_OK ||
            hone_strategy_merge(model, false, &err) != HONE_OK)
            abort();
    } else if (!err.message[0] || hone_model_strategy(model)) {
        abort();
    }
    (void)hone_model_set_strategy(model, NULL, NULL);
    return 0;
}
