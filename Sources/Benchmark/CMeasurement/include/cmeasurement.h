#pragma once

/* What a load generator needs from Linux beyond Swift's Glibc module. Calls that can fail return -1 with errno. */

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/// Watches a descriptor for input in an epoll set, with a number that each event returns.
int cmeasurement_watch(int epoll, int descriptor, uint32_t number);

/// Waits for readable descriptors and stores their numbers. Returns how many.
int cmeasurement_wait(int epoll, uint32_t *numbers, int limit, int milliseconds);

/// Keeps a thread (0: the calling one) on one CPU.
int cmeasurement_pin(pid_t thread, int cpu);

/// Lets a thread run on every CPU that this process may use.
int cmeasurement_unpin(pid_t thread);

/// CPU time used by a process, including all threads, in nanoseconds; a negative number if there is no such process.
int64_t cmeasurement_cpu_time(pid_t process);

/// Gives the calling thread its own mount namespace, in which the file is mounted at the path.
int cmeasurement_mount_privately(const char *file, const char *path);

/// Connects a stream socket to a path as another user: the calling thread takes that effective user ID during the call,
/// which requires root. Other threads keep theirs. Retries while the listener's queue is full. Returns the descriptor.
int cmeasurement_connect_as(uid_t user, const char *path);
