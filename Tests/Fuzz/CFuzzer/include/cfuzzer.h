#pragma once

#include <stddef.h>
#include <stdint.h>

/* Gets each input; 0 always. */
typedef int (*cfuzzer_test)(const uint8_t *bytes, size_t count);

/* Whether libFuzzer is linked into this program (Tests/Fuzz/build). */
int cfuzzer_is_linked(void);
/* Runs libFuzzer, which exits by itself if it finds something. Returns its exit status, or -1 if it is not linked. */
int cfuzzer_run(int count, char **arguments, cfuzzer_test test);

/* From here on, whatever ends the process by a signal leaves the current input in the file at `path`. An input that
   takes more than `seconds` of the CPU's time counts. 0 if the path is too long. */
int cfuzzer_watch(const char *path, unsigned int seconds);
/* The current input, which must stay until the next one. */
void cfuzzer_input(const uint8_t *bytes, size_t count);

/* CPU time of this thread, in nanoseconds. */
uint64_t cfuzzer_cpu_time(void);
/* The most memory that this process has had, in KiB. */
long cfuzzer_peak_memory(void);
