#pragma once

#include <stddef.h>
#include <stdint.h>

/* Reads the access control list of an open file in the kernel's form (acl(5), linux/posix_acl_xattr.h). Returns its
   length, or -1 with errno. */
long clinux_access_list(int descriptor, void *list, size_t size);

/* The type of the file system that an open file is on (statfs(2)); 0 if it is not known. */
uint32_t clinux_file_system(int descriptor);
