#include "clinux_credential.h"

#include <sys/vfs.h>
#include <sys/xattr.h>

long clinux_access_list(int descriptor, void *list, size_t size) {
    return (long)fgetxattr(descriptor, "system.posix_acl_access", list, size);
}

uint32_t clinux_file_system(int descriptor) {
    struct statfs status;
    return fstatfs(descriptor, &status) == 0 ? (uint32_t)status.f_type : 0;
}
