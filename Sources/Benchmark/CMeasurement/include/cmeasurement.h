#pragma once

/* What a load generator needs of Linux and Swift's Glibc module does not show. Calls that can fail return -1 with errno. */

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/// Adds a descriptor to an epoll set, readable, with a number that comes back with each event.
int cmeasurement_watch(int epoll, int descriptor, uint32_t number);

/// Waits for readable descriptors and writes their numbers. Returns how many.
int cmeasurement_wait(int epoll, uint32_t *numbers, int limit, int milliseconds);

/// Keeps a thread (0: the calling one) on one CPU.
int cmeasurement_pin(pid_t thread, int cpu);

/// Lets a thread run on every CPU that this process may use.
int cmeasurement_unpin(pid_t thread);

/// CPU time that a process has used, all its threads, in nanoseconds; a negative number if there is no such process.
int64_t cmeasurement_cpu_time(pid_t process);

/// Gives the calling thread a mount namespace of its own, in which the file is seen at the path.
int cmeasurement_mount_privately(const char *file, const char *path);

/// Connects a stream socket to a path as another user: the calling thread takes that effective user for the call, which needs root. Other threads
/// keep theirs. Tries again while the listener's queue is full. Returns the descriptor.
int cmeasurement_connect_as(uid_t user, const char *path);
