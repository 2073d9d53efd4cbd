#define _GNU_SOURCE
#include "clinux_rename.h"

#include <errno.h>
#include <stdio.h>

int clinux_rename_to_free_name(int folder, const char *old, const char *name) {
    return renameat2(folder, old, folder, name, RENAME_NOREPLACE) == 0 ? 0 : errno;
}
