/* csv.c -- CSV, TSV and text datasets from any bytes; see jsonl.c. */
#include "load.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_load(bytes, n, "csv");
    fuzz_load(bytes, n, "tsv");
    fuzz_load(bytes, n, "txt");
    return 0;
}
