#define _GNU_SOURCE
#include "clinux_datagram.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int clinux_send_datagram(const char *path, const void *bytes, size_t count, bool waits) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path) return EINVAL;
    memcpy(address.sun_path, path, length);
    /* An abstract name begins with a zero byte. */
    if (path[0] == '@') address.sun_path[0] = 0;
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (file < 0) return errno;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/' ? 1 : 0));
    int flags = MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT);
    int result = sendto(file, bytes, count, flags, (struct sockaddr *)&address, size) < 0 ? errno : 0;
    close(file);
    return result;
}
