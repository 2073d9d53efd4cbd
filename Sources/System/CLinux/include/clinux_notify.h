#pragma once

/* Notifies systemd (sd_notify(3)) if NOTIFY_SOCKET is set. Returns 0 or errno; 0 if it is not set. */
int clinux_notify(const char *state);
