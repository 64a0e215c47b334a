/* ranks.c -- any bytes as a rank file, or as a list of merges. */
#include "tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    hone_instance *t = fuzz_load(bytes, n, "{\"pattern\":\"llama3\"}");

    if (t)
        fuzz_use(t, n > 0 && *bytes != '{' && *bytes != 0x0a);
    return 0;
}
