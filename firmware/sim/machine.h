// Something that runs the firmware against the radio model in simulated time.
// Two are written: an ATmega328P in simavr with the real image, and the core compiled for here.
#ifndef MACHINE_H
#define MACHINE_H

#include "sx1276.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine_hooks {
    void (*host_byte)(uint64_t at_ns, uint8_t byte); // the board sent it
    void (*overrun)(uint64_t at_ns);                 // a byte for the board was lost in its UART
    void (*reset)(uint64_t at_ns);
};

extern struct sx1276 machine_radio;

// `image` is the ELF file; the native machine has none.
bool machine_start(const char *image, const struct sx1276_hooks *radio_hooks,
                   const struct machine_hooks *hooks, uint32_t baud);

uint64_t machine_now_ns(void);

// Run until this time; it may end a little later.
void machine_run_until(uint64_t ns);

// Queue bytes for the board's UART; they arrive at line rate. False when the queue is full.
bool machine_send(const uint8_t *bytes, size_t length);

void machine_reset(void);

// A fault to inject: the SPI never finishes a byte until the next reset.
void machine_stick_spi(void);

#endif
