#pragma once

#include <spawn.h>

/// What the start of a user's program needs from Linux beyond Swift's Glibc module (which is imported without
/// _GNU_SOURCE).

/// A pipe that is closed on exec, and whose reading end does not block. Returns 0, or -1 with errno.
int clinux_pipe(int ends[2]);

/// Creates an empty file in memory, close-on-exec. Returns its descriptor, or -1 with errno.
int clinux_memory_file(const char *name);

/// Closes every descriptor from `first` on in a child spawned with these actions. Returns 0 or an error number.
int clinux_close_from(posix_spawn_file_actions_t *actions, int first);
