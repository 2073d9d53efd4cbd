#pragma once

#include <stdint.h>

/* What FileStatus has: all of stat(2) except the times. */
struct clinux_status {
    uint64_t device, number, size, names;
    uint32_t mode, owner, group;
};

/* statx(2) without following a link: of a name in a folder's descriptor, of a path with AT_FDCWD, or of a descriptor
   with an empty name. It deliberately does not ask for the times. Since Linux 6.13, a file whose times were read gets a
   precise timestamp at its next write, for which ext4 writes the inode to its journal. Asking for them in the check
   before each write to the audit trail took 2 % of a signature's time. 0 or errno. */
int clinux_status(int folder, const char *name, struct clinux_status *status);
