#pragma once

/* Tells systemd (sd_notify(3)) if NOTIFY_SOCKET names a socket. 0 or errno; nothing to tell is 0. */
int clinux_notify(const char *state);
