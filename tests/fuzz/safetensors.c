/* safetensors.c -- weights from any bytes: what opens can be read to the last
 * byte, in every float type. */
#include "folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void read_entry(const hone_tensors *file, const hone_tensor_entry *e)
{
    static const hone_dtype dtypes[] = { HONE_F32, HONE_BF16, HONE_F64, HONE_I64 };
    volatile uint8_t sum = 0;
    int64_t count = 1;

    for (size_t i = 0; i < e->size; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)e->bytes)[i]);
    for (int i = 0; i < e->dims; i++)
        count *= e->shape[i];
    for (int i = 0; i < 4; i++) {
        hone_tensor *t = NULL;

        if (hone_tensor_new(&t, dtypes[i], 1, &count, NULL) == HONE_OK)
            (void)hone_tensors_read(file, e->name, t, NULL);
        hone_tensor_free(t);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    hone_tensors *file = NULL;
    hone_error err = {0};
    char path[256];

    fuzz_write("weights.safetensors", bytes, n);
    snprintf(path, sizeof path, "%s/weights.safetensors", fuzz_folder());
    if (hone_tensors_open(&file, path, &err) != HONE_OK) {
        if (!err.message[0] || file)
            abort();
        return 0;
    }
    for (size_t i = 0; i < hone_tensors_count(file); i++)
        read_entry(file, hone_tensors_at(file, i));
    hone_tensors_free(file);
    return 0;
}
