#include "clinux_journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool clinux_is_stream(int descriptor, const char *stream) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return false;
    char own[64];
    snprintf(own, sizeof own, "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(own, stream) == 0;
}
