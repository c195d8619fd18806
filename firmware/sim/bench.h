// A machine on the bench: JSON commands in, JSON events out. firmware/README.md lists both.
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_hooks {
    void (*say)(const char *line, size_t length);          // one JSON event, newline included
    void (*host_byte)(uint64_t at_ns, uint8_t byte);       // NULL: said as "host" events
};

bool bench_start(const char *image, uint32_t baud, const struct bench_hooks *hooks);

// Obey one command line.
void bench_command(const char *line);

// Say what the board sent so far.
void bench_flush(void);

#endif
