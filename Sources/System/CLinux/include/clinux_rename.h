#pragma once

/* Renames a file within a folder if the new name is free (renameat2(2) with RENAME_NOREPLACE). 0 or errno: EEXIST if the
   name is taken, EINVAL if the file system cannot do that. */
int clinux_rename_to_free_name(int folder, const char *old, const char *name);
