#pragma once

#include <sys/types.h>

/* No core dump, no ptrace by others of the same user, no /proc/self/mem: keys' PINs and MAC keys must not be read from memory. 0 or errno. */
int clinux_make_undumpable(void);

/* SCHED_BATCH: a wake-up does not pre-empt who is running. Needs no privilege. 0 or errno. */
int clinux_batch_scheduling(void);

/* The process is killed when its parent dies; ESRCH if the parent is dead already. 0 or errno. */
int clinux_die_with_parent(pid_t parent);

/* Locks memory that is mapped now, as far as the limits allow. 0 or errno. */
int clinux_lock_memory(void *start, size_t length);

/* Writes zeros that the compiler does not take away. */
void clinux_wipe(void *start, size_t length);
