#pragma once

#include <sys/types.h>

/* No core dumps; no ptrace or /proc/PID/mem for the same user: PINs and MAC keys must stay unreadable. 0 or errno. */
int clinux_make_undumpable(void);

/* SCHED_BATCH: a wake-up does not pre-empt the running thread. Needs no privilege. 0 or errno. */
int clinux_batch_scheduling(void);

/* The process is killed when its parent dies; ESRCH if the parent is dead already. 0 or errno. */
int clinux_die_with_parent(pid_t parent);

/* Locks memory that is mapped now, within the resource limits. 0 or errno. */
int clinux_lock_memory(void *start, size_t length);

/* Writes zeros; the compiler cannot remove this write. */
void clinux_wipe(void *start, size_t length);
