#pragma once

#include <stdbool.h>

/* Whether a descriptor is the stream that JOURNAL_STREAM of systemd.exec(5) names: "DEVICE:INODE", in decimal. */
bool clinux_is_stream(int descriptor, const char *stream);
