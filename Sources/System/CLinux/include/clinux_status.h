#pragma once

#include <stdint.h>

/* What FileStatus tells of a file: all of stat(2) but the times. */
struct clinux_status {
    uint64_t device, number, size, names;
    uint32_t mode, owner, group;
};

/* statx(2) without following a link. A folder's descriptor with a name in it, AT_FDCWD with a path, or a descriptor alone with an empty
   name. The times are not asked for on purpose: since Linux 6.13 a file whose times were asked for gets an exact time at its next write,
   for which ext4 writes the inode into its journal. A look before each write to the audit trail cost a signature 5 % by that.
   0 or errno. */
int clinux_status(int folder, const char *name, struct clinux_status *status);
