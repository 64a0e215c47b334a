/* settings.h -- settings from libconfig files (see <hone/context.h>). */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include <hone/option.h>

/* What the core itself needs of them. */
typedef struct hone_setup {
    hone_string_list plugin_path;
    int64_t threads, log_level;
    const char *cache_folder, *run_folder, *kernels;
} hone_setup;

/* The system's file, the user's and config_file (NULL: none), merged, checked
 * and completed with defaults. *settings: an object, owned. *setup: zeroed;
 * fine for hone_setup_free whatever is returned. */
int hone_settings_load(hone_json **settings, hone_setup *setup, const char *config_file,
                       hone_error *err);
void hone_setup_free(hone_setup *setup);

#endif
