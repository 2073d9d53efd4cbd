#define _GNU_SOURCE
#include "clinux_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int clinux_make_undumpable(void) {
    /* Both, even if one fails. Only the first keeps ptrace(2) out, and a core from a program that core_pattern names with
       a pipe, for which the kernel ignores RLIMIT_CORE (core(5)). */
    int failure = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 && failure == 0) failure = errno;
    return failure;
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

/* Descriptors from this one on do not reach the next program. */
static int close_later(unsigned first) {
    if (close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return 0;
    /* An old kernel. */
    const long most = sysconf(_SC_OPEN_MAX);
    for (long number = first; number < most; number++) (void)fcntl((int)number, F_SETFD, FD_CLOEXEC);
    return most < 0 ? EINVAL : 0;
}

static void write_number(char *to, long number) {
    char digits[24];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0) *to++ = digits[--count];
    *to = 0;
}

/* In the child. After fork(2) in a process with threads, only what signal handlers may call is called. */
static int become(const struct clinux_child *what, pid_t parent, const sigset_t *mask) {
    /* Without a controlling terminal, TIOCSTI and others need CAP_SYS_ADMIN, and /dev/tty cannot be opened. A terminal
       that is another session's cannot be taken over without it either. */
    if (setsid() < 0) return errno;
    const int number = close_later(3 + what->sockets);
    if (number != 0) return number;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(what->group_count, what->groups) != 0) return errno;
    if (setresgid(what->group, what->group, what->group) != 0 || setresuid(what->user, what->user, what->user) != 0) return errno;
    keep_port_capability();
    if (what->user == 0 || setuid(0) == 0 || seteuid(0) == 0) return EPERM;
    /* Kept by the next program, but not by a change of the user. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0) return errno;
    if (getppid() != parent) return ESRCH;
    for (char *const *entry = what->environment; *entry != NULL; entry++)
        if (strncmp(*entry, "LISTEN_PID=", 11) == 0) write_number(*entry + 11, getpid());
    if (sigprocmask(SIG_SETMASK, mask, NULL) != 0) return errno;
    execve(what->program, what->arguments, what->environment);
    return errno;
}

static volatile sig_atomic_t running;

static void forward(int number) {
    const int saved = errno;
    if (running > 0) (void)kill(running, number);
    errno = saved;
}

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

int clinux_run_as(const struct clinux_child *what, int *status) {
    const size_t count = sizeof forwarded / sizeof forwarded[0];
    int report[2], number = 0, ended = 0;
    if (pipe2(report, O_CLOEXEC) != 0) return errno;
    sigset_t blocked, mask;
    sigemptyset(&blocked);
    for (size_t i = 0; i < count; i++) sigaddset(&blocked, forwarded[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask);
    const pid_t parent = getpid(), child = fork();
    if (child == 0) {
        number = become(what, parent, &mask);
        (void)!write(report[1], &number, sizeof number);
        _exit(127);
    }
    if (child < 0) number = errno;
    if (child > 0) {
        running = child;
        struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART}, before;
        /* What nohup(1) has ignored stays ignored, in the child too. */
        for (size_t i = 0; i < count; i++)
            if (sigaction(forwarded[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) (void)sigaction(forwarded[i], &action, NULL);
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    close(report[1]);
    if (child > 0) {
        int told = 0;
        ssize_t got;
        do got = read(report[0], &told, sizeof told);
        while (got < 0 && errno == EINTR);
        if (got == (ssize_t)sizeof told) number = told;
        while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {}
        running = 0;
        *status = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
    }
    close(report[0]);
    return number;
}
