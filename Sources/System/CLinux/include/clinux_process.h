#pragma once

/* No core dumps; no ptrace or /proc/PID/mem for the same user: PINs and MAC keys must stay unreadable. 0 or errno. */
int clinux_make_undumpable(void);

/* SCHED_BATCH: a wake-up does not pre-empt the running thread. Needs no privilege. 0 or errno. */
int clinux_batch_scheduling(void);

/* Starts a program in place of this process, as another user who keeps CAP_NET_BIND_SERVICE, if this process has it. Needs
   root. Returns errno if that failed; the process may be the other user's then.
   name: the user's, whose groups it gets; NULL for a user without an entry, who gets none but its own. */
int clinux_execute_as(const char *name, unsigned user, unsigned group, const char *program, char *const arguments[]);
