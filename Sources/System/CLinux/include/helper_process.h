#pragma once

/// Prepares this process to hold a PIN: not dumpable or traceable, no core dumps, killed with its parent, memory kept
/// out of swap if the system allows it, scheduled as batch work. Returns 0, or errno if one of the first three fails.
int acme_helper_harden(void);
