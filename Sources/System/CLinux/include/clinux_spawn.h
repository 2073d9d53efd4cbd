#pragma once

#include <sys/types.h>

/* Starts a program with the given descriptors as 3, 4, … and otherwise only 0 (/dev/null), 1 and 2. Signal
   dispositions are the defaults. 0 or errno. */
int clinux_spawn(const char *path, char *const argv[], char *const envp[], const int *descriptors, int count, pid_t *pid);

/* A pair of connected stream sockets, closed on exec. 0 or errno. */
int clinux_socketpair(int descriptors[2]);
