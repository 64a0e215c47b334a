/* spm.c -- any bytes as a SentencePiece model. */
#include "tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    hone_instance *t = fuzz_load(bytes, n, "{}");

    if (t)
        fuzz_use(t, false);
    return 0;
}
