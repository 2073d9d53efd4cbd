#define _GNU_SOURCE
#include "clinux_process.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int clinux_make_undumpable(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return errno;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
}

int clinux_batch_scheduling(void) {
    struct sched_param parameters = {0};
    return sched_setscheduler(0, SCHED_BATCH, &parameters) == 0 ? 0 : errno;
}

/* For this thread, which is the one that execve(2) keeps. */
static void keep_port_capability(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct now[2], kept[2] = {{0, 0, 0}, {0, 0, 0}};
    const unsigned bit = 1u << CAP_NET_BIND_SERVICE;
    if (syscall(SYS_capget, &header, now) != 0) return;
    kept[0].permitted = kept[0].effective = kept[0].inheritable = now[0].permitted & bit;
    if (syscall(SYS_capset, &header, kept) == 0 && kept[0].permitted != 0)
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
}

int clinux_execute_as(const char *name, unsigned user, unsigned group, const char *program, char *const arguments[]) {
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return errno;
    if ((name != NULL ? initgroups(name, group) : setgroups(0, NULL)) != 0) return errno;
    if (setresgid(group, group, group) != 0 || setresuid(user, user, user) != 0) return errno;
    keep_port_capability();
    execv(program, arguments);
    return errno;
}
