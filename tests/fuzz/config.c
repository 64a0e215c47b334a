/* config.c -- config.json from any bytes: read, configured, built; then the
 * weights, of which there are none, are missing. */
#include "folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static bool written;
    hone_model *model = NULL;
    hone_error err = {0};
    char path[256];

    if (!written) {
        snprintf(path, sizeof path, "%s/model.safetensors", fuzz_folder());
        if (hone_tensors_write(path, NULL, 0, NULL, NULL) != HONE_OK)
            abort();
        written = true;
    }
    fuzz_write("config.json", bytes, n);
    if (hone_model_load(&model, fuzz_context(), fuzz_folder(), NULL, &err) == HONE_OK ||
        !err.message[0] || model)
        abort();
    return 0;
}
