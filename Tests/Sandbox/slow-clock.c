/* Loaded before the C library: each reading of the monotonic clock takes SLOW_CLOCK_MICROSECONDS, as on a machine that
   is very slow or runs a debugger. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *moment) {
    static int (*real)(clockid_t, struct timespec *);
    static long long pause;
    if (!real) {
        const char *text = getenv("SLOW_CLOCK_MICROSECONDS");
        pause = text ? atoll(text) * 1000 : 0;
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(clock, moment);
    if (clock != CLOCK_MONOTONIC || result != 0) return result;
    struct timespec now;
    do {
        if (real(clock, &now) != 0) return -1;
    } while ((now.tv_sec - moment->tv_sec) * 1000000000LL + (now.tv_nsec - moment->tv_nsec) < pause);
    *moment = now;
    return 0;
}
