#define _GNU_SOURCE
#include "clinux_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int clinux_write_lock(int descriptor) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(descriptor, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES)) return 0;
    /* Whose lock is it? */
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(descriptor, F_OFD_GETLK, &lock) != 0) return EAGAIN;
    return lock.l_type == F_WRLCK ? EAGAIN : 0;
}
