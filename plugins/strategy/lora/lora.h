/* lora.h -- what the files of the lora strategy share. */
#ifndef PLUGINS_LORA_H
#define PLUGINS_LORA_H

#include <hone/safetensors.h>
#include <hone/strategy.h>

struct lora {
    int64_t rank, seed;
    double alpha, dropout;
    hone_string_list targets;
};

/* Of one parameter: both borrowed from the model. */
struct lora_adapter {
    hone_tensor *a, *b;    /* [rank, in], [out, rank] */
};

/* Names of a and b in adapter files; free with hone_free. */
char *lora_tensor_name(const hone_param *param, char which);

/* heads.c: the names in modules_to_save; whether a tensor is of one; reading
 * them (heads that the model lacks are added); the model's heads and tensors.
 * Names of items are the caller's, also where it fails. */
int lora_heads_open(hone_json **modules, const hone_model *model, const char *folder,
                    hone_error *err);
bool lora_heads_have(const hone_json *modules, const char *tensor);
int lora_heads_read(const hone_tensors *file, const hone_json *modules, hone_model *model,
                    hone_error *err);
hone_json *lora_heads_list(const hone_params *params);
bool lora_heads_items(const hone_params *params, hone_tensors_item *items, size_t *count);

int lora_save(void *self, hone_model *model, const char *folder, hone_error *err);
int lora_load(void *self, hone_model *model, const char *folder, hone_error *err);
int lora_recognise(const hone_json *adapter_config, hone_json **options, hone_error *err);

#endif
