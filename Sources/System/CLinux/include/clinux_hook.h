#pragma once

#include <spawn.h>

/// What starting a program of the user's needs of Linux beyond what Swift's Glibc module shows (it is read without _GNU_SOURCE).

/// pipe2 with O_CLOEXEC | O_NONBLOCK. Returns 0, or -1 with errno.
int clinux_pipe(int ends[2]);

/// An empty file in memory, close-on-exec. Returns its descriptor, or -1 with errno.
int clinux_memory_file(const char *name);

/// Lets a child that is spawned with these actions inherit no descriptor from `first` on. Returns 0 or an error number.
int clinux_close_from(posix_spawn_file_actions_t *actions, int first);
