/* map.h -- files mapped into memory for reading, and folders made. */
#ifndef CORE_MAP_H
#define CORE_MAP_H

#include <hone/base.h>

typedef struct hone_map {
    const char *bytes; /* NULL when the file is empty */
    size_t size;
} hone_map;

/* Map a file read-only. It must not shrink while it is mapped. HONE_ENOTFOUND
 * where there is none. */
int hone_map_open(hone_map *map, const char *path, hone_error *err);
void hone_map_close(hone_map *map);

/* Make a folder and those above it; fine where it is there already. */
int hone_folder_make(const char *path, hone_error *err);
bool hone_folder_is(const char *path);

#endif
