/* samples.c -- see samples.h. */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *sample_lay(const char *folder, const char *kind, const char *as, const char *sample)
{
    static char path[1024];
    char from[1024];
    const char *build = getenv("HONE_BUILD");

    snprintf(path, sizeof path, "%s/%s", support_folder(), folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", support_folder(), folder, kind);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s/%s", support_folder(), folder, kind, as);
    snprintf(from, sizeof from, "%s/tests/plugins/.libs/%s.so", build ? build : ".",
             sample ? sample : "");
    if (sample)
        ck_assert_msg(access(from, R_OK) == 0 && symlink(from, path) == 0, "%s", from);
    else
        support_write(path, "", 0);
    return path;
}

hone_context *sample_context(void)
{
    char list[1024];

    snprintf(list, sizeof list, "%s/a::%s/b:/nonexistent", support_folder(), support_folder());
    setenv("HONE_PLUGIN_PATH", list, 1);
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    return support_context();
}

static const hone_option inner_options[] = {
    { .name = "depth", .type = HONE_OPTION_REAL, .real_default = 2, .real_max = 5 },
    HONE_OPT_END
};

const hone_option sample_small_options[] = {
    HONE_OPT_INT(struct sample_small, count, "count", 5, 0, 9, "things"),
    HONE_OPT_TABLE(struct sample_small, inner, "inner", inner_options, "inside"),
    HONE_OPT_END
};

hone_plugin sample_small(void)
{
    return (hone_plugin){
        .size = sizeof(hone_plugin), .abi = HONE_ABI, .option_size = sizeof(hone_option),
        .kind = "sample", .name = "small", .version = "1", .summary = "small",
        .instance_size = sizeof(struct sample_small), .options = sample_small_options,
    };
}
