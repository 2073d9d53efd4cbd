/* Loaded before the C library: counts the calls with which the whole process changes the file system, in all its
   threads, and makes one of them fail. (strace counts per thread, so it cannot identify the N-th call of a program with
   several threads.)

   WRITE_FAULT_AT=N      the call that fails, counted from 1; 0 or absent: none, calls are only counted
   WRITE_FAULT=KIND      kill (SIGKILL before the call), killed-after (SIGKILL after it), or an error number such as 28
                         (ENOSPC) or 5 (EIO)
   WRITE_FAULT_COUNT=F   the file to which the number of calls is written when the program exits
   WRITE_FAULT_LOG=F     the file to which the failed call's name is written

   Not counted: standard output and error, sockets, pipes and devices. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long fault_at;
static int fault_code; /* An error number, 0 to kill before the call, -1 to kill after it. */
static const char *count_path, *log_path;
static pid_t own;
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_open)(const char *, int, ...);

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("WRITE_FAULT_AT"), *kind = getenv("WRITE_FAULT");
    real_write = (ssize_t(*)(int, const void *, size_t))next("write");
    real_open = (int (*)(const char *, int, ...))next("open");
    fault_at = at ? atol(at) : 0;
    fault_code = !kind || strcmp(kind, "kill") == 0 ? 0 : strcmp(kind, "killed-after") == 0 ? -1 : atoi(kind);
    count_path = getenv("WRITE_FAULT_COUNT");
    log_path = getenv("WRITE_FAULT_LOG");
    own = getpid();
    /* Not for hooks and other programs that this one starts. */
    unsetenv("LD_PRELOAD");
}

static void put(const char *path, const char *text) {
    if (!path) return;
    int file = real_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return;
    ssize_t done = real_write(file, text, strlen(text));
    (void)done;
    close(file);
}

__attribute__((destructor)) static void end(void) {
    char text[32];
    if (getpid() != own) return;
    snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
    put(count_path, text);
}

/* The error number with which this call fails, or 0. Kills the process if requested; *after: make the call first. */
static int reached(const char *name, int *after) {
    *after = 0;
    if (getpid() != own) return 0;
    if (atomic_fetch_add(&calls, 1) + 1 != fault_at) return 0;
    put(log_path, name);
    if (fault_code == 0) kill(own, SIGKILL);
    *after = fault_code == -1;
    return *after ? 0 : fault_code;
}

static int is_file(int descriptor) {
    struct stat status;
    int saved = errno, found = descriptor > 2 && fstat(descriptor, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
    errno = saved;
    return found;
}

#define FAULTED(type, name, counted, parameters, arguments)                  \
    type name parameters {                                                   \
        static type(*real) parameters;                                       \
        if (!real) real = (type(*) parameters)next(#name);                   \
        if (!(counted)) return real arguments;                               \
        int after, code = reached(#name, &after);                            \
        if (code) return errno = code, (type)-1;                             \
        type result = real arguments;                                        \
        if (after) kill(own, SIGKILL);                                       \
        return result;                                                       \
    }

FAULTED(ssize_t, write, is_file(file), (int file, const void *bytes, size_t count), (file, bytes, count))
FAULTED(ssize_t, pwrite, is_file(file), (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at))
FAULTED(ssize_t, writev, is_file(file), (int file, const struct iovec *parts, int count), (file, parts, count))
FAULTED(int, fsync, is_file(file), (int file), (file))
FAULTED(int, fdatasync, is_file(file), (int file), (file))
FAULTED(int, ftruncate, is_file(file), (int file, off_t size), (file, size))
FAULTED(int, fchmod, is_file(file), (int file, mode_t mode), (file, mode))
FAULTED(int, rename, 1, (const char *from, const char *to), (from, to))
FAULTED(int, renameat, 1, (int old, const char *from, int new, const char *to), (old, from, new, to))
FAULTED(int, link, 1, (const char *from, const char *to), (from, to))
FAULTED(int, linkat, 1, (int old, const char *from, int new, const char *to, int flags), (old, from, new, to, flags))
FAULTED(int, symlink, 1, (const char *to, const char *name), (to, name))
FAULTED(int, symlinkat, 1, (const char *to, int folder, const char *name), (to, folder, name))
FAULTED(int, unlink, 1, (const char *name), (name))
FAULTED(int, unlinkat, 1, (int folder, const char *name, int flags), (folder, name, flags))
FAULTED(int, mkdir, 1, (const char *name, mode_t mode), (name, mode))
FAULTED(int, mkdirat, 1, (int folder, const char *name, mode_t mode), (folder, name, mode))
FAULTED(int, rmdir, 1, (const char *name), (name))

#define OPENED(name, parameters, arguments)                                 \
    int name parameters {                                                    \
        static int(*real) parameters;                                        \
        if (!real) real = (int (*) parameters)next(#name);                   \
        mode_t mode = 0;                                                     \
        if (flags & (O_CREAT | __O_TMPFILE)) {                               \
            va_list list;                                                    \
            va_start(list, flags);                                           \
            mode = va_arg(list, mode_t);                                     \
            va_end(list);                                                    \
        }                                                                    \
        if (!(flags & (O_CREAT | O_TRUNC))) return real arguments;           \
        int after, code = reached(#name, &after);                            \
        if (code) return errno = code, -1;                                   \
        int result = real arguments;                                         \
        if (after) kill(own, SIGKILL);                                       \
        return result;                                                       \
    }

OPENED(open, (const char *path, int flags, ...), (path, flags, mode))
OPENED(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
