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

int lora_save(void *self, hone_model *model, const char *folder, hone_error *err);
int lora_load(void *self, hone_model *model, const char *folder, hone_error *err);
int lora_recognise(const hone_json *adapter_config, hone_json **options, hone_error *err);

#endif
