#define _GNU_SOURCE
#include "clinux_status.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int clinux_status(int folder, const char *name, struct clinux_status *status) {
    struct statx found;
    int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    unsigned int wanted = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_INO | STATX_SIZE;
    if (statx(folder, name, flags, wanted, &found) != 0) return errno;
    status->device = makedev(found.stx_dev_major, found.stx_dev_minor);
    status->number = found.stx_ino;
    status->size = found.stx_size;
    status->names = found.stx_nlink;
    status->mode = found.stx_mode;
    status->owner = found.stx_uid;
    status->group = found.stx_gid;
    return 0;
}
