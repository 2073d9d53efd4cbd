#pragma once

/// Makes this process one that may hold a PIN: not dumpable and not traceable, no core, killed with its parent, memory kept out of swap
/// where the system allows it, and scheduled as batch work. Returns 0, or the errno of the first of the first three that failed.
int acme_helper_harden(void);
