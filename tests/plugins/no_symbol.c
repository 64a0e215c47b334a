/* no_symbol.c -- a shared object that is no plugin. */
#include <hone/base.h>

HONE_API int no_symbol(void);

int no_symbol(void)
{
    return 1;
}
