/* Loaded before the C library: refuses a call that protects the process, as a filter for system calls would, and tells
   of each such call on standard error.

   REFUSED_CALL=NAME     the call that fails with EPERM: dumpable (PR_SET_DUMPABLE), core (RLIMIT_CORE) or parent-death
                         (PR_SET_PDEATHSIG); absent: none */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int refused(const char *name) {
    const char *wanted = getenv("REFUSED_CALL");
    dprintf(2, "called: %s\n", name);
    if (!wanted || strcmp(wanted, name) != 0) return 0;
    errno = EPERM;
    return 1;
}

int prctl(int option, ...) {
    int (*real)(int, unsigned long, unsigned long, unsigned long, unsigned long) =
        (int (*)(int, unsigned long, unsigned long, unsigned long, unsigned long))dlsym(RTLD_NEXT, "prctl");
    unsigned long value[4];
    va_list arguments;
    va_start(arguments, option);
    for (int i = 0; i < 4; i++) value[i] = va_arg(arguments, unsigned long);
    va_end(arguments);
    if (option == PR_SET_DUMPABLE && refused("dumpable")) return -1;
    if (option == PR_SET_PDEATHSIG && refused("parent-death")) return -1;
    return real(option, value[0], value[1], value[2], value[3]);
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) {
    int (*real)(__rlimit_resource_t, const struct rlimit *) =
        (int (*)(__rlimit_resource_t, const struct rlimit *))dlsym(RTLD_NEXT, "setrlimit");
    if (resource == RLIMIT_CORE && refused("core")) return -1;
    return real(resource, limit);
}
