#pragma once

#include <stddef.h>

/* No core dumps; no ptrace or /proc/PID/mem for the same user: PINs and MAC keys must stay unreadable. 0, or errno if a
   part of it failed; the other part is done nevertheless. */
int clinux_make_undumpable(void);

/* SCHED_BATCH: a wake-up does not pre-empt the running thread. Needs no privilege. 0 or errno. */
int clinux_batch_scheduling(void);

/* A program that runs as another user. */
struct clinux_child {
    unsigned user, group;
    /* All of its groups. */
    const unsigned *groups;
    size_t group_count;
    /* The descriptors from 3 on that it gets. A LISTEN_PID= in the environment, with room for 20 digits, gets its number. */
    unsigned sockets;
    const char *program;
    char *const *arguments;
    char *const *environment;
};

/* Runs a program as another user and waits for its end. It gets a session without a controlling terminal, the standard
   descriptors and its sockets, and keeps CAP_NET_BIND_SERVICE if this process has it. SIGINT, SIGTERM, SIGHUP and SIGQUIT
   are passed on to it; if this process dies, it gets SIGTERM. Needs root. Returns errno if it could not be started, else
   0 and its exit status, or 128 and the number of the signal that ended it. */
int clinux_run_as(const struct clinux_child *what, int *status);
