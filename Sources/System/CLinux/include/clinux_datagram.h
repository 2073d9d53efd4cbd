#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Sends one datagram to a Unix socket: a service manager's (sd_notify(3)), whose abstract name begins with '@'. With
   `waits` it waits while the socket has no room. Returns 0 or errno; EINVAL if `path` is not absolute or is too long. */
int clinux_send_datagram(const char *path, const void *bytes, size_t count, bool waits);
