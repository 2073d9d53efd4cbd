#define _GNU_SOURCE
#include "cfuzzer.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library */
extern int LLVMFuzzerRunDriver(int *count, char ***arguments, cfuzzer_test test) __attribute__((weak));

int cfuzzer_is_linked(void) { return LLVMFuzzerRunDriver != NULL; }

int cfuzzer_run(int count, char **arguments, cfuzzer_test test) {
    return LLVMFuzzerRunDriver == NULL ? -1 : LLVMFuzzerRunDriver(&count, &arguments, test);
}

static char path[4096];
static unsigned int limit;
static const uint8_t *volatile input;
static volatile size_t length;
/* A handler runs here, since the stack may be what has run out. */
static char stack[64 * 1024];

static void say(const char *text) {
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

static void leave_input(int number) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0) {
        for (size_t at = 0; at < length;) {
            ssize_t written = write(file, (const void *)(input + at), length - at);
            if (written <= 0) break;
            at += (size_t)written;
        }
        close(file);
    }
    say(number == SIGPROF ? "\nfuzz: an input takes too long: " : "\nfuzz: an input ended the process: ");
    say(path);
    say("\n");
    signal(number, SIG_DFL);
    raise(number);
}

int cfuzzer_watch(const char *file, unsigned int seconds) {
    static const int numbers[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGPROF};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = leave_input, .sa_flags = SA_ONSTACK | SA_NODEFER};
    if (strlen(file) >= sizeof path) return 0;
    strcpy(path, file);
    limit = seconds;
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaction(numbers[i], &action, NULL);
    return 1;
}

void cfuzzer_input(const uint8_t *bytes, size_t count) {
    struct itimerval timer = {.it_value = {.tv_sec = limit}};
    input = bytes;
    length = count;
    setitimer(ITIMER_PROF, &timer, NULL);
}

uint64_t cfuzzer_cpu_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

long cfuzzer_peak_memory(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
}
