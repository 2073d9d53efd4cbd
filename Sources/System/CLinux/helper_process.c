#define _GNU_SOURCE
#include "helper_process.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "clinux_process.h"

int acme_helper_harden(void) {
    int failure = clinux_make_undumpable();
    if (failure != 0) return failure;
    // A parent that died before this line is noticed by the control link, which then reads its end.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return errno;

    // With a limit, MCL_FUTURE would have a later malloc fail in the middle of a signature: all or nothing.
    struct rlimit infinite = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &infinite) == 0) (void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);

    // Waking up does not pre-empt a signer: + 27 % signatures at 64 connections.
    (void)clinux_batch_scheduling();

    // The daemon ends this process by closing its link, after the last reply: a signal for the whole group must not come first.
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return 0;
}
