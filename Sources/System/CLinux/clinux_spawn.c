#define _GNU_SOURCE
#include "clinux_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_spawn(const char *path, char *const argv[], char *const envp[], const int *descriptors, int count, pid_t *pid) {
    if (count < 0 || count > 256) return EINVAL;
    /* First copy them above the target numbers: a descriptor may have a number that another one needs. */
    int *high = malloc((size_t)(count > 0 ? count : 1) * sizeof(int));
    if (!high) return ENOMEM;
    int copied = 0, result = 0;
    for (; copied < count; copied++) {
        high[copied] = fcntl(descriptors[copied], F_DUPFD_CLOEXEC, 3 + count);
        if (high[copied] < 0) { result = errno; break; }
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (result == 0 && (result = posix_spawn_file_actions_init(&actions)) == 0) {
        if ((result = posix_spawnattr_init(&attributes)) == 0) {
            sigset_t none, all;
            sigemptyset(&none);
            sigfillset(&all);
            posix_spawnattr_setsigmask(&attributes, &none);
            posix_spawnattr_setsigdefault(&attributes, &all);
            posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
            result = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
            for (int i = 0; result == 0 && i < count; i++) result = posix_spawn_file_actions_adddup2(&actions, high[i], 3 + i);
            if (result == 0) result = posix_spawn_file_actions_addclosefrom_np(&actions, 3 + count);
            if (result == 0) result = posix_spawn(pid, path, &actions, &attributes, argv, envp);
            posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    for (int i = 0; i < copied; i++) close(high[i]);
    free(high);
    return result;
}

int clinux_socketpair(int descriptors[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, descriptors) == 0 ? 0 : errno;
}
