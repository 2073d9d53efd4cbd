#pragma once

#include <stddef.h>
#include <sys/types.h>

/* The user that a connection is made as, and the root of its paths. */
struct clinux_user {
    uid_t user;
    gid_t group;
    const gid_t *groups;
    size_t group_count;
    /* NULL for this process's own. */
    const char *root;
};

/* Connects to a Unix socket as another user, in a child process that ends at once: the listener sees that user. Needs
   root. Returns 0 and a descriptor that does not block and is closed on exec, or errno. `connecting` says whether that
   is the error of connect(2), or one of becoming the user. */
int clinux_connect_as(const struct clinux_user *user, const char *path, int *descriptor, int *connecting);
