#pragma once

#include <stdio.h>
#include <stdlib.h>

/* Ends the program unless the condition holds: with NDEBUG too, and with its place. */
#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)
