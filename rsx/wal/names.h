/* Names of segment files, for callers without the GIL. 0, or -ENAMETOOLONG. */
#ifndef RSX_WAL_NAMES_H
#define RSX_WAL_NAMES_H
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

enum { RSX_NAME_MAX = 4200 };

static inline int rsx_ahead_name(char *out, const char *folder, uint32_t number) {
    int size = snprintf(out, RSX_NAME_MAX, "%s/ahead-%u.tmp", folder, number);
    return size < RSX_NAME_MAX ? 0 : -ENAMETOOLONG;
}
static inline int rsx_segment_name(char *out, const char *folder, uint64_t first) {
    int size = snprintf(out, RSX_NAME_MAX, "%s/%020llu.wal", folder, (unsigned long long)first);
    return size < RSX_NAME_MAX ? 0 : -ENAMETOOLONG;
}
#endif
