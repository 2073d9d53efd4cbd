#pragma once

/* No core dumps; no ptrace or /proc/PID/mem for the same user: PINs and MAC keys must stay unreadable. 0 or errno. */
int clinux_make_undumpable(void);

/* SCHED_BATCH: a wake-up does not pre-empt the running thread. Needs no privilege. 0 or errno. */
int clinux_batch_scheduling(void);
