#define _GNU_SOURCE
#include "clinux_connect.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child reports, with the connection if there is one. */
struct report {
    int code, connecting;
};

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

/* In the child of a process with threads: only calls that are safe after a signal. The raw calls change this thread,
   which is the only one; glibc's functions would first signal the others. */
static struct report connect_in_child(const struct clinux_user *user, const struct sockaddr_un *address, int *descriptor) {
    if (user->root != NULL && (chroot(user->root) != 0 || chdir("/") != 0)) return (struct report){errno, 0};
    if (syscall(SYS_setgroups, user->group_count, user->groups) != 0 ||
        syscall(SYS_setresgid, user->group, user->group, user->group) != 0 ||
        syscall(SYS_setresuid, user->user, user->user, user->user) != 0)
        return (struct report){errno, 0};
    *descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*descriptor < 0) return (struct report){errno, 0};
    if (connect(*descriptor, (const struct sockaddr *)address, sizeof *address) != 0) return (struct report){errno, 1};
    return (struct report){0, 1};
}

static void send_report(int channel, struct report report, int descriptor) {
    struct iovec data = {&report, sizeof report};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    union control control;
    if (report.code == 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    (void)sendmsg(channel, &message, MSG_NOSIGNAL);
}

/* The child does what takes no time. Its user can stop it. */
static const int patience_ms = 5000;

static struct report receive_report(int channel, int *descriptor) {
    struct pollfd waiting = {channel, POLLIN, 0};
    int ready;
    do ready = poll(&waiting, 1, patience_ms);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) return (struct report){ready < 0 ? errno : ETIMEDOUT, 0};
    struct report report;
    struct iovec data = {&report, sizeof report};
    union control control;
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t count;
    do count = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof report) return (struct report){count < 0 ? errno : ECHILD, 0};
    if (report.code != 0) return report;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) return (struct report){ECHILD, 0};
    memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    return report;
}

int clinux_connect_as(const struct clinux_user *user, const char *path, int *descriptor, int *connecting) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int channels[2];
    *connecting = 0;
    if (strlen(path) >= sizeof address.sun_path) return ENAMETOOLONG;
    strcpy(address.sun_path, path);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channels) != 0) return errno;
    pid_t child = fork();
    if (child == 0) {
        int connection = -1;
        /* First: C does not say in which order arguments are evaluated. */
        const struct report report = connect_in_child(user, &address, &connection);
        send_report(channels[1], report, connection);
        _exit(0);
    }
    int code = child < 0 ? errno : 0;
    close(channels[1]);
    if (code == 0) {
        struct report report = receive_report(channels[0], descriptor);
        code = report.code;
        *connecting = report.connecting;
        /* Also if it was stopped after its report. */
        kill(child, SIGKILL);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    }
    close(channels[0]);
    return code;
}
