/* settings.c -- settings files from any bytes: refused with file and line, or
 * in force; then the options they hold reach a plugin or are refused by name. */
#include "folder.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void fuzz_instance(hone_context *context, const char *kind, const char *name)
{
    hone_instance *instance = NULL;
    hone_error err = { 0 };
    int code = hone_instance_new(&instance, context, kind, name, NULL, &err);

    if (code != HONE_OK && (instance || err.code != code || !err.message[0]))
        abort();
    hone_instance_free(instance);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    hone_context *context = NULL;
    hone_error err = { 0 };
    char path[256];
    int code;

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    fuzz_write("hone.conf", bytes, n);
    snprintf(path, sizeof path, "%s/hone.conf", fuzz_folder());
    code = hone_context_new(&context, path, &err);
    if (code != HONE_OK) {
        if (context || err.code != code || !err.message[0])
            abort();
        return 0;
    }
    hone_context_on_log(context, fuzz_quiet, NULL);
    if (!hone_json_get(hone_context_settings(context), "threads"))
        abort();
    if (hone_json_get(hone_json_get(hone_context_settings(context), "options"), "optimizer"))
        fuzz_instance(context, "optimizer", "adamw");
    if (hone_json_get(hone_json_get(hone_context_settings(context), "options"), "strategy"))
        fuzz_instance(context, "strategy", "lora");
    hone_context_free(context);
    return 0;
}

/* libconfig's scanner keeps the text of a string that does not end. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}
