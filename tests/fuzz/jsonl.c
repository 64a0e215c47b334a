/* jsonl.c -- datasets of JSON lines and lists from any bytes: loaded, cleaned,
 * split. Nothing may crash, leak or hang; whatever fails says why. */
#include "load.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_load(bytes, n, "jsonl");
    fuzz_load(bytes, n, "json");
    return 0;
}
