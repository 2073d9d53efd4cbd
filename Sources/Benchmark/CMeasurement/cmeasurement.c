#define _GNU_SOURCE
#include "include/cmeasurement.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int cmeasurement_watch(int epoll, int descriptor, uint32_t number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int cmeasurement_wait(int epoll, uint32_t *numbers, int limit, int milliseconds) {
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, limit < 256 ? limit : 256, milliseconds);
    for (int i = 0; i < count; i++) numbers[i] = events[i].data.u32;
    return count;
}

int cmeasurement_pin(pid_t thread, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(thread, sizeof set, &set);
}

int cmeasurement_unpin(pid_t thread) {
    cpu_set_t set;
    // The kernel ignores CPUs that the process may not use.
    CPU_ZERO(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) CPU_SET(cpu, &set);
    return sched_setaffinity(thread, sizeof set, &set);
}

int64_t cmeasurement_cpu_time(pid_t process) {
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0) return -1;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int cmeasurement_mount_privately(const char *file, const char *path) {
    if (unshare(CLONE_NEWNS) != 0) return -1;
    // Nothing below propagates to the original namespace.
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -1;
    return mount(file, path, NULL, MS_BIND, NULL);
}

int cmeasurement_connect_as(uid_t user, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    // The system call, which affects only this thread; the C library's function changes all threads.
    uid_t own = geteuid();
    int result = (int)syscall(SYS_setresuid, (uid_t)-1, user, (uid_t)-1);
    for (int attempt = 0; result == 0; attempt++) {
        result = connect(descriptor, (const struct sockaddr *)&address, sizeof address);
        if (result == 0 || (errno != EAGAIN && errno != EINTR) || attempt == 1000) break;
        usleep(1000);
        result = 0;
    }
    int error = errno;
    syscall(SYS_setresuid, (uid_t)-1, own, (uid_t)-1);
    if (result == 0) return descriptor;
    close(descriptor);
    errno = error;
    return -1;
}
