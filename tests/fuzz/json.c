/* json.c -- JSON from any bytes: refused with a reason, or read, written, and
 * read back as the same. */
#include <hone/json.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    hone_error err = { 0 };
    hone_json *json, *again = NULL;
    int code = hone_json_parse(&json, (const char *)bytes, n, "fuzz", &err);
    char *text, *same;

    if (code) {
        if (json || err.code != code || !err.message[0])
            abort();
        return 0;
    }
    text = hone_json_text(json);
    if (!text || hone_json_parse(&again, text, strlen(text), NULL, &err))
        abort();
    same = hone_json_text(again);
    if (!same || strcmp(text, same) != 0)
        abort();
    hone_free(same);
    hone_free(text);
    hone_json_free(again);
    hone_json_free(json);
    return 0;
}
