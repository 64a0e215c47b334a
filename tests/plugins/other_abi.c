/* other_abi.c -- a plugin of a hone to come. */
#include <hone/plugin.h>

extern HONE_API const hone_plugin other_abi_LTX_hone_plugin;
const hone_plugin other_abi_LTX_hone_plugin = {
    .size = sizeof(hone_plugin), .abi = 7, .option_size = sizeof(hone_option),
    .kind = "sample", .name = "other_abi", .version = "1.0", .summary = "of another abi",
};
