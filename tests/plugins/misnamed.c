/* misnamed.c -- a plugin that was renamed in half its places. */
#include <hone/plugin.h>

extern HONE_API const hone_plugin misnamed_LTX_hone_plugin;
const hone_plugin misnamed_LTX_hone_plugin = {
    .size = sizeof(hone_plugin), .abi = HONE_ABI, .option_size = sizeof(hone_option),
    .kind = "sample", .name = "oldname", .version = "1.0", .summary = "of another name",
};
